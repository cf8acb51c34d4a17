//! Reading a blob file: only what the range needs, each block checked before a byte of it is handed on.

use super::{
    buffers::{Buffers, PIECE_BLOCK_COUNT_MAX, Room},
    directory::Directory,
    disk::{Disk, DiskFile},
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
use std::{io, sync::Arc};

const BLOCK: u64 = BLOCK_SIZE as u64;

/// An open blob file with a footer that holds together. It stays readable although the blob is deleted.
pub(super) struct BlobFile {
    disk: Arc<dyn Disk>,
    file: Box<dyn DiskFile>,
    footer: Footer,
}

impl BlobFile {
    /// Opens a blob; blocks.
    pub(super) fn open(directory: &Directory, blob: BlobId) -> Result<Self, BlobError> {
        let file = directory.disk.open(&directory.data_path(blob)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Missing(blob),
            _ => io_error(&format!("opening blob {blob}"), &error),
        })?;
        let length = file.length().map_err(|error| io_error(&format!("opening blob {blob}"), &error))?;
        let corrupt = |why: String| BlobError::Corrupt(blob, why);
        let at = length.checked_sub(FOOTER_SIZE as u64).ok_or_else(|| corrupt(format!("a file of {length} bytes has no footer")))?;
        let mut footer = [0; FOOTER_SIZE];
        read_exact_at(&*file, &mut footer, at).map_err(|error| read_error(blob, &error))?;
        let footer = Footer::decode(&footer).map_err(corrupt)?;
        if footer.blob != blob {
            return Err(corrupt(format!("the file holds blob {}", footer.blob)));
        }
        if file_size(footer.size) != Some(length) {
            return Err(corrupt(format!("a file of {length} bytes cannot hold {} bytes of data", footer.size)));
        }
        Ok(Self { disk: Arc::clone(&directory.disk), file, footer })
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
        let (first, end) = (start / BLOCK, start.saturating_add(PIECE_BLOCK_COUNT_MAX as u64 * BLOCK).min(self.size()));
        let table = self.table(first, block_count(end))?;
        let mut bytes = vec![0; in_memory(end - start)];
        self.read_checked(&mut bytes, first, &table)?;
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
        let mut table = vec![0; in_memory((end - start) * ENTRY_SIZE as u64)];
        self.read(&mut table, self.size() + start * ENTRY_SIZE as u64)?;
        Ok(table)
    }

    /// Fills a buffer with what is at an offset.
    fn read(&self, buffer: &mut [u8], offset: u64) -> Result<(), BlobError> {
        read_exact_at(&*self.file, buffer, offset).map_err(|error| read_error(self.footer.blob, &error))
    }

    /// Fills a buffer with whole blocks from the `first` one on, each of them checked against its entry in a table.
    fn read_checked(&self, buffer: &mut [u8], first: u64, table: &[u8]) -> Result<(), BlobError> {
        assert!(table.len() >= buffer.len().div_ceil(BLOCK_SIZE) * ENTRY_SIZE, "an entry for each block");
        self.read(buffer, first * BLOCK)?;
        for (number, (block, entry)) in (first..).zip(buffer.chunks(BLOCK_SIZE).zip(table.chunks(ENTRY_SIZE))) {
            if crc32c(block) != u32_at(entry, 0) {
                return Err(self.corrupt(format!("block {number} does not match its checksum")));
            }
        }
        Ok(())
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
    buffers: Arc<Buffers>,
}

impl RangeReader {
    /// Prepares to read a range; blocks.
    pub(super) fn new(file: BlobFile, range: ByteRange, buffers: Arc<Buffers>) -> Result<Self, BlobError> {
        if range.start > range.end || range.end > file.size() {
            return Err(file.corrupt(format!("bytes {} to {} of a blob of {} bytes", range.start, range.end, file.size())));
        }
        let table = if range.start == range.end { Vec::new() } else { file.table(range.start / BLOCK, block_count(range.end))? };
        Ok(Self { file, range, table, buffers })
    }

    /// The first piece of the range; blocks. Empty when the range is.
    pub(super) fn first(&self) -> Result<Bytes, BlobError> {
        self.piece(self.range.start, self.room(self.range.start).unwrap_or_else(|| self.buffers.least()))
    }

    /// Room for as many blocks from an offset on as are read at once; `None` when there is no memory for them.
    fn room(&self, start: u64) -> Option<Room> {
        self.buffers.room(block_count(self.range.end).saturating_sub(start / BLOCK))
    }

    /// The next piece from an offset within the range on; blocks. Empty at the range's end.
    fn piece(&self, start: u64, room: Room) -> Result<Bytes, BlobError> {
        let end = self.piece_end(start, room.block_count());
        if start >= end {
            return Ok(Bytes::new());
        }
        let block = start / BLOCK;
        let offset = block * BLOCK;
        let mut buffer = room.buffer(in_memory((block_count(end) * BLOCK).min(self.file.size()) - offset));
        let entries = in_memory(block - self.range.start / BLOCK) * ENTRY_SIZE;
        self.file.read_checked(buffer.as_mut(), block, &self.table[entries..])?;
        let within = |at: u64| in_memory(at - offset);
        Ok(Bytes::from_owner(buffer).slice(within(start)..within(end)))
    }

    /// Where the piece that begins at an offset ends: after whole blocks, or with the range.
    fn piece_end(&self, start: u64, block_count: u64) -> u64 {
        (start / BLOCK + block_count).saturating_mul(BLOCK).min(self.range.end)
    }

    /// The range as a stream, given its first piece. One more piece is read ahead if there is memory for it, so a reader
    /// holds at most two, and one block when memory is short.
    pub(super) fn stream(self, first: Bytes) -> BlobStream {
        if first.is_empty() {
            return stream::empty().boxed();
        }
        let next = self.range.start.saturating_add(first.len() as u64);
        let mut ahead = ReadAhead { next, reader: Arc::new(self), piece: None };
        ahead.begin();
        stream::once(async { Ok(first) }).chain(unfold(ahead, ReadAhead::advance)).boxed()
    }
}

struct ReadAhead {
    reader: Arc<RangeReader>,
    /// Offset of the first byte that has not been asked for.
    next: u64,
    /// The piece being read.
    piece: Option<Job<Bytes>>,
}

impl ReadAhead {
    /// Begins to read what has not been asked for yet, if there is memory for it.
    fn begin(&mut self) {
        if self.next < self.reader.range.end
            && let Some(room) = self.reader.room(self.next)
        {
            self.piece = Some(self.start(room));
        }
    }

    fn start(&mut self, room: Room) -> Job<Bytes> {
        let (reader, start) = (Arc::clone(&self.reader), self.next);
        self.next = reader.piece_end(start, room.block_count());
        Job::start(reader.file.disk.pace(), move || reader.piece(start, room))
    }

    async fn advance(mut self) -> Option<(Result<Bytes, BlobError>, Self)> {
        let job = match self.piece.take() {
            Some(job) => job,
            None if self.next >= self.reader.range.end => return None,
            None => self.start(self.reader.buffers.least()),
        };
        let piece = job.finish().await;
        match piece {
            Ok(_) => self.begin(),
            Err(_) => self.next = self.reader.range.end,
        }
        Some((piece, self))
    }
}

/// The size of a table or of a piece.
fn in_memory(size: u64) -> usize {
    usize::try_from(size).expect("a table or a piece fits in memory")
}

/// Fills a buffer with what is at an offset.
fn read_exact_at(file: &dyn DiskFile, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        match file.read_at(buffer, offset) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                buffer = &mut buffer[count..];
                offset += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What an error while reading means: a file that ends early has lost bytes.
fn read_error(blob: BlobId, error: &io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BlobError::Corrupt(blob, "the file ends early".into()),
        _ => BlobError::Io(format!("reading blob {blob}: {error}")),
    }
}
