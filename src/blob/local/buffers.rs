//! The memory that blobs are read into: bounded for all readers together, and used again.
//!
//! Fresh memory costs more than reading into it, for each of its pages is cleared by the kernel first. And what one thread
//! takes and another one lets go of, as answers do, an allocator keeps for the first one: that would add up over threads.

use super::format::BLOCK_SIZE;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Blocks read at once, while there is memory for it; a piece of a stream has at most this many.
pub(super) const PIECE_BLOCK_COUNT_MAX: usize = 4;

/// Blocks that all readers together hold beyond one each: what clients take slowly, or not at all, stays in memory.
const HELD_BLOCK_COUNT_MAX: usize = 128;

/// Blocks in buffers of both sizes that wait for their next reader: all that busy readers hold, or memory would come and go with every piece,
/// and the allocator keep more of it than it is asked for.
const IDLE_BLOCK_COUNT_MAX: usize = HELD_BLOCK_COUNT_MAX;

/// What all readers share.
pub(super) struct Buffers {
    room: Arc<Semaphore>,
    /// Locked to put in or take out only.
    idle: Mutex<Idle>,
}

/// Buffers that wait for their next reader. The last one to come is the first to go, for it may still be in the
/// processor's cache.
#[derive(Default)]
struct Idle {
    pieces: Vec<Box<[u8]>>,
    blocks: Vec<Box<[u8]>>,
}

impl Idle {
    /// Those of a size in bytes.
    fn of(&mut self, size: usize) -> &mut Vec<Box<[u8]>> {
        if size > BLOCK_SIZE { &mut self.pieces } else { &mut self.blocks }
    }
}

/// How many blocks may be read.
pub(super) struct Room {
    buffers: Arc<Buffers>,
    block_count: usize,
    /// None is needed for a single block when there is no more memory.
    permit: Option<OwnedSemaphorePermit>,
}

/// A buffer for the blocks there was room for. What is in it is whatever was read before.
pub(super) struct Buffer {
    /// Taken by `drop` alone.
    bytes: Option<Box<[u8]>>,
    size: usize,
    buffers: Arc<Buffers>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Buffers {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { room: Arc::new(Semaphore::new(HELD_BLOCK_COUNT_MAX)), idle: Mutex::default() })
    }

    /// Room for so many blocks, or for as many as are read at once; `None` when there is no memory for them.
    pub(super) fn room(self: &Arc<Self>, block_count: u64) -> Option<Room> {
        let block_count = usize::try_from(block_count).map_or(PIECE_BLOCK_COUNT_MAX, |count| count.min(PIECE_BLOCK_COUNT_MAX));
        let permits = u32::try_from(buffer_block_count(block_count)).expect("a few blocks");
        let permit = Arc::clone(&self.room).try_acquire_many_owned(permits).ok()?;
        Some(Room { buffers: Arc::clone(self), block_count, permit: Some(permit) })
    }

    /// Room for the one block that every reader may have.
    pub(super) fn least(self: &Arc<Self>) -> Room {
        Room { buffers: Arc::clone(self), block_count: 1, permit: None }
    }
}

/// How many blocks a buffer has that is to hold so many: there are two sizes, so that any idle one of its size will do.
fn buffer_block_count(block_count: usize) -> usize {
    if block_count > 1 { PIECE_BLOCK_COUNT_MAX } else { 1 }
}

impl Room {
    pub(super) fn block_count(&self) -> u64 {
        self.block_count as u64
    }

    /// Memory for the first `size` bytes of the blocks.
    pub(super) fn buffer(self, size: usize) -> Buffer {
        let whole = buffer_block_count(self.block_count) * BLOCK_SIZE;
        assert!(size <= self.block_count * BLOCK_SIZE, "{size} bytes do not fit into {} blocks", self.block_count);
        let idle = self.buffers.idle.lock().unwrap_or_else(PoisonError::into_inner).of(whole).pop();
        let bytes = idle.unwrap_or_else(|| vec![0; whole].into_boxed_slice());
        Buffer { bytes: Some(bytes), size, buffers: self.buffers, _permit: self.permit }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.bytes.as_deref().expect("only drop takes them")[..self.size]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.bytes.as_deref_mut().expect("only drop takes them")[..self.size]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let Some(bytes) = self.bytes.take() else { return };
        let mut idle = self.buffers.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.of(bytes.len()).push(bytes);
        // There are never more pieces than may be held. Single blocks, which few readers want, get what these leave.
        let rest = IDLE_BLOCK_COUNT_MAX - idle.pieces.len() * PIECE_BLOCK_COUNT_MAX;
        idle.blocks.truncate(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle_counts(buffers: &Buffers) -> (usize, usize) {
        let idle = buffers.idle.lock().unwrap();
        (idle.pieces.len(), idle.blocks.len())
    }

    #[test]
    fn a_buffer_is_used_again_by_the_next_reader_of_its_size() {
        let buffers = Buffers::new();
        let mut first = buffers.room(2).unwrap().buffer(10);
        assert_eq!(first.as_ref(), [0; 10]);
        first.as_mut().fill(7);
        let address = first.as_ref().as_ptr();
        drop(first);
        assert_eq!(idle_counts(&buffers), (1, 0));
        let block = buffers.room(1).unwrap().buffer(BLOCK_SIZE);
        assert_ne!(block.as_ref().as_ptr(), address, "a block has a buffer of its own size");
        let next = buffers.room(9).unwrap().buffer(PIECE_BLOCK_COUNT_MAX * BLOCK_SIZE);
        assert_eq!((next.as_ref().as_ptr(), next.as_ref().len()), (address, PIECE_BLOCK_COUNT_MAX * BLOCK_SIZE));
        assert_eq!(idle_counts(&buffers), (0, 0));
    }

    /// What readers hold, and what waits for readers, is bounded; a single block is to be had all the same.
    #[test]
    fn there_is_room_for_so_many_blocks_only() {
        let buffers = Buffers::new();
        let held: Vec<Buffer> = std::iter::from_fn(|| buffers.room(2)).map(|room| room.buffer(1)).collect();
        assert_eq!(held.len(), HELD_BLOCK_COUNT_MAX / PIECE_BLOCK_COUNT_MAX, "a buffer counts with all it has");
        assert!(buffers.room(1).is_none());
        let single: Vec<Buffer> = (0..=IDLE_BLOCK_COUNT_MAX).map(|_| buffers.least().buffer(BLOCK_SIZE)).collect();
        drop(single);
        assert_eq!(idle_counts(&buffers), (0, IDLE_BLOCK_COUNT_MAX));
        drop(held);
        assert_eq!(idle_counts(&buffers), (HELD_BLOCK_COUNT_MAX / PIECE_BLOCK_COUNT_MAX, 0), "pieces make single blocks give way");
        assert_eq!(buffers.room(u64::MAX).unwrap().block_count(), PIECE_BLOCK_COUNT_MAX as u64);
    }
}
