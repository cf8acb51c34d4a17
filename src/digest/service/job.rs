//! A batch of a body on its way through the lanes.

use crate::digest::{
    lanes::{BLOCK_SIZE, Block, Chain},
    stream::Md5Stream,
};
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use tokio::sync::oneshot;

/// How much of a job is done before it makes place for one that waits: a large batch. Blocks.
const TURN_BLOCKS: usize = (1 << 20) / BLOCK_SIZE;

/// Pieces to be added to a stream, and who waits for that.
pub(super) struct Job {
    stream: Md5Stream,
    pieces: VecDeque<Bytes>,
    /// What is left of its turn.
    turn_blocks: usize,
    done: oneshot::Sender<Md5Stream>,
}

impl Job {
    pub(super) fn new(stream: Md5Stream, pieces: Vec<Bytes>, done: oneshot::Sender<Md5Stream>) -> Self {
        let mut job = Self { stream, pieces: pieces.into(), turn_blocks: TURN_BLOCKS, done };
        job.gather();
        job
    }

    /// The blocks that come next; none at the end.
    pub(super) fn blocks(&self) -> &[Block] {
        self.stream.blocks(self.pieces.front().map_or(&[], |piece| piece))
    }

    pub(super) fn chain(&self) -> Chain {
        self.stream.chain()
    }

    /// Notes that the next `count` blocks were added.
    pub(super) fn added(&mut self, chain: Chain, count: usize) {
        self.turn_blocks = self.turn_blocks.saturating_sub(count);
        let size = self.stream.added(chain, count);
        if let Some(piece) = self.pieces.front_mut() {
            piece.advance(size);
        }
        self.gather();
    }

    /// Takes what is no whole block to where it becomes one. A piece that was taken is dropped.
    fn gather(&mut self) {
        while self.blocks().is_empty()
            && let Some(piece) = self.pieces.front_mut()
        {
            let count = self.stream.gather(piece);
            piece.advance(count);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.blocks().is_empty()
    }

    /// Whether nobody waits for it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.done.is_closed()
    }

    pub(super) fn has_had_its_turn(&self) -> bool {
        self.turn_blocks == 0
    }

    pub(super) fn begin_turn(&mut self) {
        self.turn_blocks = TURN_BLOCKS;
    }

    /// Tells who waits.
    pub(super) fn finish(self) {
        // Nobody may wait any more, and then nothing is to be told.
        let _ = self.done.send(self.stream);
    }
}
