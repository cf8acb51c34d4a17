//! Reading a blob file: only what the range needs, each block checked before a byte of it is handed on.

use super::{
    directory::Directory,
    format::{BLOCK_SIZE, ENTRY_SIZE, FOOTER_SIZE, Footer, block_count, crc32c, file_size, u32_at},
    health::io_error,
};
use crate::{
    blob::{BlobError, BlobId, BlobStream, blocking::Job},
    model::ByteRange,
};
use bytes::Bytes;
use futures_util::{
    StreamExt as _,
    stream::{self, unfold},
};
use rustix::{buffer::spare_capacity, io::Errno};
use std::{fs::File, io, os::unix::fs::FileExt, sync::Arc};

/// Blocks read at once; a piece of a stream has at most this many.
const PIECE_BLOCK_COUNT_MAX: u64 = 4;

const BLOCK: u64 = BLOCK_SIZE as u64;

/// An open blob file with a footer that holds together. It stays readable although the blob is deleted.
pub(super) struct BlobFile {
    file: File,
    footer: Footer,
}

impl BlobFile {
    /// Opens a blob; blocks.
    pub(super) fn open(directory: &Directory, blob: BlobId) -> Result<Self, BlobError> {
        let file = File::open(directory.data_path(blob)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing(blob),
            _ => io_error(&format!("opening blob {blob}"), &error),
        })?;
        let length = file.metadata().map_err(|error| io_error(&format!("opening blob {blob}"), &error))?.len();
        let corrupt = |why: String| BlobError::Corrupt(blob, why);
        let at = length.checked_sub(FOOTER_SIZE as u64).ok_or_else(|| corrupt(format!("a file of {length} bytes has no footer")))?;
        let mut footer = [0; FOOTER_SIZE];
        file.read_exact_at(&mut footer, at).map_err(|error| read_error(blob, &error))?;
        let footer = Footer::decode(&footer).map_err(corrupt)?;
        if footer.blob != blob {
            return Err(corrupt(format!("the file holds blob {}", footer.blob)));
        }
        if file_size(footer.size) != Some(length) {
            return Err(corrupt(format!("a file of {length} bytes cannot hold {} bytes of data", footer.size)));
        }
        Ok(Self { file, footer })
    }

    /// Size of the data in bytes.
    pub(super) fn size(&self) -> u64 {
        self.footer.size
    }

    /// What stands after the data, as it is in the file: the table of checksums and the footer; blocks.
    pub(super) fn trailer(&self) -> Result<Vec<u8>, BlobError> {
        let mut bytes = self.table(0, block_count(self.size()))?;
        bytes.extend_from_slice(&self.footer.encode());
        Ok(bytes)
    }

    /// Up to a piece of whole blocks from an offset on, which is a multiple of a block, each of them checked; blocks.
    pub(super) fn checked_blocks(&self, start: u64) -> Result<Vec<u8>, BlobError> {
        let (first, end) = (start / BLOCK, start.saturating_add(PIECE_BLOCK_COUNT_MAX * BLOCK).min(self.size()));
        let table = self.table(first, block_count(end))?;
        let bytes = self.read(start, end - start)?;
        for (number, (block, entry)) in (first..).zip(bytes.chunks(BLOCK_SIZE).zip(table.chunks(ENTRY_SIZE))) {
            if crc32c(block) != u32_at(entry, 0) {
                return Err(self.corrupt(format!("block {number} does not match its checksum")));
            }
        }
        Ok(bytes)
    }

    /// Sees to it that its bytes are on the disk; blocks.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Checks the table as a whole; blocks.
    pub(super) fn check_table(&self) -> Result<(), BlobError> {
        if crc32c(&self.table(0, block_count(self.size()))?) != self.footer.table_crc {
            return Err(self.corrupt("the table of checksums does not match its own".into()));
        }
        Ok(())
    }

    /// The table entries of the blocks `start .. end`.
    fn table(&self, start: u64, end: u64) -> Result<Vec<u8>, BlobError> {
        self.read(self.size() + start * ENTRY_SIZE as u64, (end - start) * ENTRY_SIZE as u64)
    }

    /// Reads exactly so many bytes at an offset, into memory that is not cleared first.
    fn read(&self, offset: u64, count: u64) -> Result<Vec<u8>, BlobError> {
        let count = usize::try_from(count).expect("a table or a piece fits in memory");
        let mut bytes = Vec::with_capacity(count);
        while bytes.len() < count {
            let at = offset + bytes.len() as u64;
            match rustix::io::pread(&self.file, spare_capacity(&mut bytes), at) {
                Ok(0) => return Err(read_error(self.footer.blob, &io::ErrorKind::UnexpectedEof.into())),
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(read_error(self.footer.blob, &error.into())),
            }
        }
        // The allocator may have given more room than asked for, and the file may have filled it.
        bytes.truncate(count);
        Ok(bytes)
    }

    fn corrupt(&self, why: String) -> BlobError {
        BlobError::Corrupt(self.footer.blob, why)
    }
}

/// A range of a blob, read piece by piece.
pub(super) struct RangeReader {
    file: BlobFile,
    range: ByteRange,
    /// The table entries of the range's blocks.
    table: Vec<u8>,
}

impl RangeReader {
    /// Prepares to read a range; blocks.
    pub(super) fn new(file: BlobFile, range: ByteRange) -> Result<Self, BlobError> {
        if range.start > range.end || range.end > file.size() {
            return Err(file.corrupt(format!("bytes {} to {} of a blob of {} bytes", range.start, range.end, file.size())));
        }
        let table = if range.start == range.end { Vec::new() } else { file.table(range.start / BLOCK, block_count(range.end))? };
        Ok(Self { file, range, table })
    }

    /// The next piece from an offset within the range on; blocks. Empty at the range's end.
    pub(super) fn piece(&self, start: u64) -> Result<Bytes, BlobError> {
        let end = self.piece_end(start);
        if start >= end {
            return Ok(Bytes::new());
        }
        let block = start / BLOCK;
        let offset = block * BLOCK;
        let blocks = self.file.read(offset, (block_count(end) * BLOCK).min(self.file.size()) - offset)?;
        for (number, bytes) in (block..).zip(blocks.chunks(BLOCK_SIZE)) {
            let entry = usize::try_from(number - self.range.start / BLOCK).expect("the table is in memory") * ENTRY_SIZE;
            if crc32c(bytes) != u32_at(&self.table, entry) {
                return Err(self.file.corrupt(format!("block {number} does not match its checksum")));
            }
        }
        let within = |at: u64| usize::try_from(at - offset).expect("a piece fits in memory");
        Ok(Bytes::from(blocks).slice(within(start)..within(end)))
    }

    /// Where the piece that begins at an offset ends: after whole blocks, or with the range.
    fn piece_end(&self, start: u64) -> u64 {
        (start / BLOCK + PIECE_BLOCK_COUNT_MAX).saturating_mul(BLOCK).min(self.range.end)
    }

    /// The range as a stream, given its first piece. One more piece is read ahead, so a reader holds at most two.
    pub(super) fn stream(self, first: Bytes) -> BlobStream {
        if first.is_empty() {
            return stream::empty().boxed();
        }
        let mut ahead = ReadAhead { next: self.piece_end(self.range.start), reader: Arc::new(self), piece: None };
        ahead.begin();
        stream::once(async { Ok(first) }).chain(unfold(ahead, ReadAhead::advance)).boxed()
    }
}

struct ReadAhead {
    reader: Arc<RangeReader>,
    /// Offset of the first byte that has not been asked for.
    next: u64,
    /// The piece being read; `None` at the end and after an error.
    piece: Option<Job<Bytes>>,
}

impl ReadAhead {
    fn begin(&mut self) {
        let (reader, start) = (Arc::clone(&self.reader), self.next);
        if start < reader.range.end {
            self.next = reader.piece_end(start);
            self.piece = Some(Job::start(move || reader.piece(start)));
        }
    }

    async fn advance(mut self) -> Option<(Result<Bytes, BlobError>, Self)> {
        let piece = self.piece.take()?.finish().await;
        if piece.is_ok() {
            self.begin();
        }
        Some((piece, self))
    }
}

/// What an error while reading means: a file that ends early has lost bytes.
fn read_error(blob: BlobId, error: &io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BlobError::Corrupt(blob, "the file ends early".into()),
        _ => BlobError::Io(format!("reading blob {blob}: {error}")),
    }
}
