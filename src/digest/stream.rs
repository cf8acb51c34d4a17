//! MD5 of one stream, such that whole blocks may be added elsewhere: what is left of a block is kept here.

use super::lanes::{BLOCK_SIZE, Block, CHAIN_START, Chain, compress};

/// MD5 of bytes that come in pieces.
#[derive(Clone)]
pub struct Md5Stream {
    chain: Chain,
    /// The beginning of a block; the whole of it only between [`Self::gather`] and [`Self::added`].
    tail: Block,
    tail_size: usize,
    /// Bytes taken so far, the tail's included.
    size: u64,
}

impl Default for Md5Stream {
    fn default() -> Self {
        Self { chain: CHAIN_START, tail: [0; BLOCK_SIZE], tail_size: 0, size: 0 }
    }
}

impl Md5Stream {
    /// Adds bytes, here and now.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.gather(bytes)..];
            let (mut chain, blocks) = (self.chain, self.blocks(bytes));
            compress(&mut chain, blocks);
            let count = blocks.len();
            bytes = &bytes[self.added(chain, count)..];
        }
    }

    /// The digest of all bytes added.
    #[must_use]
    pub fn finish(mut self) -> [u8; 16] {
        const PADDING: Block = {
            let mut bytes = [0; BLOCK_SIZE];
            bytes[0] = 0x80;
            bytes
        };
        // RFC 1321 §3.1 and §3.2: up to 56 in a block, then the number of bits modulo 2^64.
        let bits = self.size.wrapping_mul(8).to_le_bytes();
        let padding_size = if self.tail_size < 56 { 56 - self.tail_size } else { BLOCK_SIZE + 56 - self.tail_size };
        self.update(&PADDING[..padding_size]);
        self.update(&bits);
        let mut digest = [0; 16];
        for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(self.chain) {
            *bytes = word.to_le_bytes();
        }
        digest
    }

    /// What the blocks so far have made.
    pub(super) fn chain(&self) -> Chain {
        self.chain
    }

    /// Takes from the front of what follows what cannot stay there, as it is no whole block; says how many bytes.
    pub(super) fn gather(&mut self, bytes: &[u8]) -> usize {
        if self.tail_size == 0 && bytes.len() >= BLOCK_SIZE {
            return 0;
        }
        let count = bytes.len().min(BLOCK_SIZE - self.tail_size);
        self.tail[self.tail_size..][..count].copy_from_slice(&bytes[..count]);
        self.tail_size += count;
        self.size = self.size.wrapping_add(count as u64);
        count
    }

    /// The blocks that come next where these bytes follow: those in the bytes, or the one that was gathered. None when there is
    /// something to be gathered first.
    pub(super) fn blocks<'a>(&'a self, bytes: &'a [u8]) -> &'a [Block] {
        match self.tail_size {
            0 => bytes.as_chunks().0,
            BLOCK_SIZE => std::slice::from_ref(&self.tail),
            _ => &[],
        }
    }

    /// Notes that the next `count` of [`Self::blocks`] were added; says how many of the bytes that follow these were.
    pub(super) fn added(&mut self, chain: Chain, count: usize) -> usize {
        self.chain = chain;
        if count > 0 && self.tail_size == BLOCK_SIZE {
            self.tail_size = 0;
            return 0;
        }
        let bytes = count * BLOCK_SIZE;
        self.size = self.size.wrapping_add(bytes as u64);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn digests_are_the_published_ones() {
        // RFC 1321 §A.5.
        for (text, expected) in [
            ("", "d41d8cd98f00b204e9800998ecf8427e"),
            ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "d174ab98d277d9f5a5611c2c9f419d9f"),
            (&"1234567890".repeat(8), "57edf4a22be3c955ac49da2e2107b67a"),
        ] {
            let mut stream = Md5Stream::default();
            stream.update(text.as_bytes());
            assert_eq!(hex::encode(stream.finish()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn pieces_make_the_digest_of_the_whole(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..12)) {
            let mut stream = Md5Stream::default();
            pieces.iter().for_each(|piece| stream.update(piece));
            prop_assert_eq!(stream.finish(), crate::digest::md5(&pieces.concat()));
        }
    }
}
