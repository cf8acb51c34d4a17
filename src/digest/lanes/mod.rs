//! MD5 of many streams side by side, one in each lane of a vector register.
//!
//! MD5 is serial within a stream: every step waits for the one before it, which leaves most of a core idle. Streams do
//! not wait for each other, so 16 (AVX-512) or 8 (AVX2) of them take about as long as one. [`compress`] keeps the lanes
//! filled from whatever work there is, longest first; a stream that is left alone goes the scalar way.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod rounds;

use std::sync::OnceLock;

/// MD5's unit, in bytes.
pub const BLOCK_SIZE: usize = 64;

/// 64 bytes of a stream.
pub type Block = [u8; BLOCK_SIZE];

/// What a stream's blocks so far have made of MD5's four words.
pub type Chain = [u32; 4];

/// The words that every stream begins with (RFC 1321 §3.3).
pub const CHAIN_START: Chain = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];

/// Blocks to be added to a stream.
#[derive(Debug)]
pub struct Work<'a> {
    /// The stream, which is as it will be when [`compress`] returns.
    pub chain: Chain,
    /// What is added; nothing when [`compress`] returns.
    pub blocks: &'a [Block],
}

/// How streams are run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// 16 lanes.
    Avx512,
    /// 8 lanes.
    Avx2,
    /// One stream after the other, by the `md-5` crate.
    Scalar,
}

impl Engine {
    /// The best that this processor has.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Engine> = OnceLock::new();
        *BEST.get_or_init(|| [Self::Avx512, Self::Avx2].into_iter().find(|engine| engine.is_available()).unwrap_or(Self::Scalar))
    }

    /// Whether this processor has it.
    #[must_use]
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::is_available(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::is_available(),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Scalar => true,
        }
    }

    /// How many streams run side by side.
    #[must_use]
    pub fn lanes(self) -> usize {
        match self {
            Self::Avx512 => 16,
            Self::Avx2 => 8,
            Self::Scalar => 1,
        }
    }

    /// From how many streams on lanes beat one stream after the other.
    fn worthwhile(self) -> usize {
        match self {
            Self::Avx512 | Self::Avx2 => 2,
            Self::Scalar => usize::MAX,
        }
    }
}

/// Adds every piece of work to its stream, side by side as far as `engine` can.
///
/// An engine that the processor does not have is replaced by the best one that it has.
pub fn compress(engine: Engine, work: &mut [Work<'_>]) {
    let engine = if engine.is_available() { engine } else { Engine::best() };
    match engine {
        #[cfg(target_arch = "x86_64")]
        Engine::Avx512 => fill::<16>(engine.worthwhile(), work, avx512::compress),
        #[cfg(target_arch = "x86_64")]
        Engine::Avx2 => fill::<8>(engine.worthwhile(), work, avx2::compress),
        #[cfg(not(target_arch = "x86_64"))]
        Engine::Avx512 | Engine::Avx2 => alone(work),
        Engine::Scalar => alone(work),
    }
}

fn alone(work: &mut [Work<'_>]) {
    work.iter_mut().for_each(Work::go_alone);
}

impl Work<'_> {
    fn go_alone(&mut self) {
        md5::block_api::compress(&mut self.chain, std::mem::take(&mut self.blocks));
    }
}

/// Runs `N` streams at a time until fewer than `worthwhile` are left, and those alone. Whenever a stream ends, the next
/// one takes its lane; the longest come first, so that the end finds as many as possible.
fn fill<const N: usize>(worthwhile: usize, work: &mut [Work<'_>], kernel: fn(&mut [Chain; N], &[&[Block]; N])) {
    let mut waiting: Vec<&mut Work<'_>> = work.iter_mut().filter(|stream| !stream.blocks.is_empty()).collect();
    waiting.sort_unstable_by_key(|stream| stream.blocks.len());
    let mut lanes: Vec<&mut Work<'_>> = Vec::with_capacity(N);
    loop {
        lanes.retain(|stream| !stream.blocks.is_empty());
        while lanes.len() < N
            && let Some(stream) = waiting.pop()
        {
            lanes.push(stream);
        }
        if lanes.len() < worthwhile {
            return lanes.into_iter().for_each(|stream| stream.go_alone());
        }
        let length = lanes.iter().map(|stream| stream.blocks.len()).min().expect("there are some, being worthwhile");
        // A lane without a stream repeats the first one's, for nothing.
        let stream = |lane: usize| lanes.get(lane).unwrap_or(&lanes[0]);
        let mut chains: [Chain; N] = std::array::from_fn(|lane| stream(lane).chain);
        let blocks: [&[Block]; N] = std::array::from_fn(|lane| &stream(lane).blocks[..length]);
        kernel(&mut chains, &blocks);
        for (stream, chain) in lanes.iter_mut().zip(chains) {
            stream.chain = chain;
            stream.blocks = &stream.blocks[length..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENGINES: [Engine; 3] = [Engine::Avx512, Engine::Avx2, Engine::Scalar];

    fn noise(seed: u64, count: usize) -> Vec<Block> {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..count).map(|_| std::array::from_fn(|_| byte())).collect()
    }

    #[test]
    fn a_chain_of_one_padded_block_is_the_published_digest() {
        let mut block = [0; BLOCK_SIZE];
        block[..3].copy_from_slice(b"abc");
        block[3] = 0x80;
        block[56] = 24;
        for engine in ENGINES {
            let blocks = [block];
            let mut work: Vec<_> = (0..16).map(|_| Work { chain: CHAIN_START, blocks: &blocks }).collect();
            compress(engine, &mut work);
            for stream in work {
                let digest: Vec<u8> = stream.chain.iter().flat_map(|word| word.to_le_bytes()).collect();
                assert_eq!(hex::encode(digest), "900150983cd24fb0d6963f7d28e17f72", "{engine:?}");
            }
        }
    }

    proptest! {
        /// Every engine does what the scalar one does, whatever the number and the lengths of the streams.
        #[test]
        fn lanes_equal_the_scalar_twin(lengths in proptest::collection::vec(0_usize..40, 0..50), seed: u64) {
            let streams: Vec<_> = lengths.iter().zip(seed..).map(|(&length, seed)| noise(seed, length)).collect();
            let expected: Vec<Chain> = streams.iter().zip(0_u32..).map(|(blocks, index)| {
                let mut chain = CHAIN_START.map(|word| word ^ index);
                md5::block_api::compress(&mut chain, blocks);
                chain
            }).collect();
            for engine in ENGINES {
                let mut work: Vec<_> = streams.iter().zip(0_u32..)
                    .map(|(blocks, index)| Work { chain: CHAIN_START.map(|word| word ^ index), blocks }).collect();
                compress(engine, &mut work);
                prop_assert_eq!(work.iter().map(|stream| stream.chain).collect::<Vec<_>>(), expected.clone(), "{:?}", engine);
            }
        }
    }
}
