//! MD5 of many streams side by side, one in each lane of a vector register.
//!
//! MD5 is serial within a stream: every step waits for the one before it, which leaves most of a core idle. Streams do
//! not wait for each other, so 16 (AVX-512) or 8 (AVX2) of them take about as long as one. [`step`] takes what there is
//! one step further; a stream that is alone goes the scalar way. Who fills the lanes is `digest::service`'s business.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod rounds;
mod scalar;

pub(super) use scalar::compress;

use std::sync::OnceLock;

/// MD5's unit, in bytes.
pub const BLOCK_SIZE: usize = 64;

/// The most lanes that an engine has.
pub const MOST_LANES: usize = 16;

/// 64 bytes of a stream.
pub type Block = [u8; BLOCK_SIZE];

/// What a stream's blocks so far have made of MD5's four words.
pub type Chain = [u32; 4];

/// The words that every stream begins with (RFC 1321 §3.3).
pub const CHAIN_START: Chain = [0x6745_2301, 0xEFCD_AB89, 0x98BA_DCFE, 0x1032_5476];

/// Blocks to be added to a stream.
#[derive(Debug)]
pub struct Work<'a> {
    /// The stream.
    pub chain: Chain,
    /// What there is to be added; after a step what is left of it.
    pub blocks: &'a [Block],
}

/// How streams are run side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// 16 lanes.
    Avx512,
    /// 8 lanes.
    Avx2,
    /// One stream after the other.
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

    /// From how many streams on lanes beat one stream after the other (docs/adr/0014).
    fn worthwhile(self) -> usize {
        match self {
            Self::Avx512 | Self::Avx2 => 3,
            Self::Scalar => usize::MAX,
        }
    }
}

/// Adds blocks to every stream, as many to each as the shortest has, side by side where that is quicker. Says how many.
///
/// An engine that the processor does not have is replaced by the scalar one.
///
/// # Panics
/// When there are more streams than the engine has lanes.
pub fn step(engine: Engine, work: &mut [Work<'_>]) -> usize {
    assert!(work.len() <= engine.lanes(), "{} streams are more than {engine:?} has lanes", work.len());
    let count = work.iter().map(|stream| stream.blocks.len()).min().unwrap_or(0);
    let engine = if engine.is_available() && work.len() >= engine.worthwhile() { engine } else { Engine::Scalar };
    if count == 0 {
        return 0;
    }
    match engine {
        #[cfg(target_arch = "x86_64")]
        Engine::Avx512 => side_by_side(work, count, avx512::compress),
        #[cfg(target_arch = "x86_64")]
        Engine::Avx2 => side_by_side(work, count, avx2::compress),
        #[cfg(not(target_arch = "x86_64"))]
        Engine::Avx512 | Engine::Avx2 => unreachable!("it is not available"),
        Engine::Scalar => work.iter_mut().for_each(|stream| compress(&mut stream.chain, &stream.blocks[..count])),
    }
    for stream in work {
        stream.blocks = &stream.blocks[count..];
    }
    count
}

#[cfg(target_arch = "x86_64")]
fn side_by_side<const N: usize>(work: &mut [Work<'_>], count: usize, kernel: fn(&mut [Chain; N], &[&[Block]; N])) {
    // A lane without a stream repeats the first one's, for nothing.
    let stream = |lane: usize| work.get(lane).unwrap_or(&work[0]);
    let mut chains: [Chain; N] = std::array::from_fn(|lane| stream(lane).chain);
    let blocks: [&[Block]; N] = std::array::from_fn(|lane| &stream(lane).blocks[..count]);
    kernel(&mut chains, &blocks);
    for (stream, chain) in work.iter_mut().zip(chains) {
        stream.chain = chain;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ENGINES: [Engine; 3] = [Engine::Avx512, Engine::Avx2, Engine::Scalar];

    fn noise(seed: u64, size: usize) -> Vec<u8> {
        let mut state = seed;
        let byte = |_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 56) as u8
        };
        (0..size).map(byte).collect()
    }

    /// Runs streams to their ends, as many at a time as there are lanes; the next one takes the lane of one that ends.
    fn run(engine: Engine, streams: &mut [Work<'_>]) {
        let mut waiting = streams.iter_mut().rev().collect::<Vec<_>>();
        let mut lanes: Vec<&mut Work<'_>> = Vec::new();
        loop {
            lanes.retain(|stream| !stream.blocks.is_empty());
            while lanes.len() < engine.lanes()
                && let Some(stream) = waiting.pop()
            {
                lanes.push(stream);
            }
            if lanes.is_empty() {
                return;
            }
            let mut work: Vec<_> = lanes.iter().map(|stream| Work { chain: stream.chain, blocks: stream.blocks }).collect();
            let count = step(engine, &mut work);
            for (stream, done) in lanes.iter_mut().zip(work) {
                assert_eq!(done.blocks.len() + count, stream.blocks.len());
                **stream = done;
            }
        }
    }

    #[test]
    fn a_chain_of_one_padded_block_is_the_published_digest() {
        let mut block = [0; BLOCK_SIZE];
        block[..3].copy_from_slice(b"abc");
        block[3] = 0x80;
        block[56] = 24;
        for engine in ENGINES {
            for count in 1..=engine.lanes() {
                let blocks = [block];
                let mut work: Vec<_> = (0..count).map(|_| Work { chain: CHAIN_START, blocks: &blocks }).collect();
                assert_eq!(step(engine, &mut work), 1);
                for stream in work {
                    let digest: Vec<u8> = stream.chain.iter().flat_map(|word| word.to_le_bytes()).collect();
                    assert_eq!(hex::encode(digest), "900150983cd24fb0d6963f7d28e17f72", "{engine:?}");
                }
            }
        }
    }

    #[test]
    fn nothing_is_added_where_one_stream_has_nothing() {
        for engine in ENGINES {
            let blocks = [[7; BLOCK_SIZE]; 3];
            let mut work: Vec<_> = (0..engine.lanes()).map(|lane| Work { chain: CHAIN_START, blocks: &blocks[..lane.min(3)] }).collect();
            assert_eq!(step(engine, &mut work), 0);
            assert_eq!(step(engine, &mut []), 0);
            assert!(work.iter().all(|stream| stream.chain == CHAIN_START));
        }
    }

    proptest! {
        /// Every engine does what the `md-5` crate does, whatever the number, the lengths and the alignments of the streams.
        #[test]
        fn lanes_equal_the_scalar_twin(
            streams in proptest::collection::vec((0_usize..40, 0_usize..BLOCK_SIZE), 0..50),
            seed: u64,
        ) {
            let noise: Vec<_> = streams.iter().zip(0..).map(|(&(length, offset), index)| noise(seed ^ index, length * BLOCK_SIZE + offset)).collect();
            let streams: Vec<_> = streams.iter().zip(&noise).map(|(&(_, offset), noise)| noise[offset..].as_chunks().0).collect();
            let start = |index: u32| CHAIN_START.map(|word| word ^ index);
            let expected: Vec<Chain> = streams.iter().zip(0..).map(|(blocks, index)| {
                let mut chain = start(index);
                md5::block_api::compress(&mut chain, blocks);
                chain
            }).collect();
            for engine in ENGINES {
                let mut work: Vec<_> = streams.iter().zip(0..).map(|(blocks, index)| Work { chain: start(index), blocks }).collect();
                run(engine, &mut work);
                prop_assert_eq!(work.iter().map(|stream| stream.chain).collect::<Vec<_>>(), expected.clone(), "{:?}", engine);
            }
        }
    }
}
