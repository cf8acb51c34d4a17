//! Reading a blob file: only what the range needs, each block checked before a byte of it is handed on.

use super::{
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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Blocks read at once, while there is memory for it; a piece of a stream has at most this many.
const PIECE_BLOCK_COUNT_MAX: u64 = 4;

/// Blocks that all readers together hold beyond one each: what clients take slowly, or not at all, stays in memory.
pub(super) const HELD_BLOCK_COUNT_MAX: usize = 256;

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
        let footer = read_exact_at(&*file, FOOTER_SIZE, at).map_err(|error| read_error(blob, &error))?;
        let footer = Footer::decode(footer.first_chunk().expect("so many bytes were read")).map_err(corrupt)?;
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

    /// Reads exactly so many bytes at an offset.
    fn read(&self, offset: u64, count: u64) -> Result<Vec<u8>, BlobError> {
        let count = usize::try_from(count).expect("a table or a piece fits in memory");
        read_exact_at(&*self.file, count, offset).map_err(|error| read_error(self.footer.blob, &error))
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
    /// Of all readers.
    memory: Arc<Semaphore>,
}

/// How many blocks may be read.
struct Room {
    block_count: u64,
    /// For more than one; stays with the bytes.
    permit: Option<OwnedSemaphorePermit>,
}

/// Bytes, and the room they take.
struct Held {
    bytes: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl RangeReader {
    /// Prepares to read a range; blocks.
    pub(super) fn new(file: BlobFile, range: ByteRange, memory: Arc<Semaphore>) -> Result<Self, BlobError> {
        if range.start > range.end || range.end > file.size() {
            return Err(file.corrupt(format!("bytes {} to {} of a blob of {} bytes", range.start, range.end, file.size())));
        }
        let table = if range.start == range.end { Vec::new() } else { file.table(range.start / BLOCK, block_count(range.end))? };
        Ok(Self { file, range, table, memory })
    }

    /// The first piece of the range; blocks. Empty when the range is.
    pub(super) fn first(&self) -> Result<Bytes, BlobError> {
        self.piece(self.range.start, self.room(self.range.start).unwrap_or(Room { block_count: 1, permit: None }))
    }

    /// Room for as many blocks from an offset on as are read at once; `None` when there is no memory for them.
    fn room(&self, start: u64) -> Option<Room> {
        let block_count = block_count(self.range.end).saturating_sub(start / BLOCK).min(PIECE_BLOCK_COUNT_MAX);
        let permit = Arc::clone(&self.memory).try_acquire_many_owned(u32::try_from(block_count).ok()?).ok()?;
        Some(Room { block_count, permit: Some(permit) })
    }

    /// The next piece from an offset within the range on; blocks. Empty at the range's end.
    fn piece(&self, start: u64, Room { block_count: count, permit }: Room) -> Result<Bytes, BlobError> {
        let end = self.piece_end(start, count);
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
        let bytes = match permit {
            Some(permit) => Bytes::from_owner(Held { bytes: blocks, _permit: permit }),
            None => Bytes::from(blocks),
        };
        Ok(bytes.slice(within(start)..within(end)))
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
        self.next = reader.piece_end(start, room.block_count);
        Job::start(reader.file.disk.pace(), move || reader.piece(start, room))
    }

    async fn advance(mut self) -> Option<(Result<Bytes, BlobError>, Self)> {
        let job = match self.piece.take() {
            Some(job) => job,
            None if self.next >= self.reader.range.end => return None,
            None => self.start(Room { block_count: 1, permit: None }),
        };
        let piece = job.finish().await;
        match piece {
            Ok(_) => self.begin(),
            Err(_) => self.next = self.reader.range.end,
        }
        Some((piece, self))
    }
}

/// Reads exactly so many bytes at an offset, into memory that is not cleared first.
fn read_exact_at(file: &dyn DiskFile, count: usize, offset: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(count);
    while bytes.len() < count {
        let at = offset + bytes.len() as u64;
        match file.read_at(&mut bytes, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // The allocator may have given more room than asked for, and the file may have filled it.
    bytes.truncate(count);
    Ok(bytes)
}

/// What an error while reading means: a file that ends early has lost bytes.
fn read_error(blob: BlobId, error: &io::Error) -> BlobError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => BlobError::Corrupt(blob, "the file ends early".into()),
        _ => BlobError::Io(format!("reading blob {blob}: {error}")),
    }
}
