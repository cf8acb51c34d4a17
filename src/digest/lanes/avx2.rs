//! 8 lanes of MD5 in AVX2.

use super::{
    BLOCK_SIZE, Block, Chain,
    rounds::{rounds, sines},
};
use std::arch::x86_64::*;

const LANES: usize = 8;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Adds blocks to 8 streams, as many to each as the shortest has.
///
/// # Panics
/// When the processor has no AVX2.
#[expect(unsafe_code, reason = "a call that needs the processor's features")]
pub(super) fn compress(chains: &mut [Chain; LANES], blocks: &[&[Block]; LANES]) {
    assert!(is_available());
    // SAFETY: the function asks for AVX2 and nothing else, which the processor has: that was asserted a line above.
    unsafe { compress_vectors(chains, blocks) }
}

#[target_feature(enable = "avx2")]
fn compress_vectors(chains: &mut [Chain; LANES], blocks: &[&[Block]; LANES]) {
    let words = |word: usize| {
        let of: [i32; LANES] = std::array::from_fn(|lane| chains[lane][word].cast_signed());
        _mm256_setr_epi32(of[0], of[1], of[2], of[3], of[4], of[5], of[6], of[7])
    };
    let sines = sines();
    let (mut a, mut b, mut c, mut d) = (words(0), words(1), words(2), words(3));
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    let blocks: [&[Block]; LANES] = blocks.map(|blocks| &blocks[..count]);
    let ones = _mm256_set1_epi32(-1);
    #[expect(clippy::needless_range_loop, reason = "the index is one of every lane")]
    for index in 0..count {
        let low = transposed(std::array::from_fn(|lane| load(&blocks[lane][index], 0)));
        let high = transposed(std::array::from_fn(|lane| load(&blocks[lane][index], BLOCK_SIZE / 2)));
        let m: [__m256i; 16] = std::array::from_fn(|word| if word < 8 { low[word] } else { high[word - 8] });
        let start = (a, b, c, d);
        macro_rules! step {
            ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:expr, $sine:literal, $shift:literal) => {
                let sum = _mm256_add_epi32($a, _mm256_add_epi32($word, _mm256_set1_epi32(sines[$sine].cast_signed())));
                let sum = step!($function, sum, $b, $c, $d);
                let rotated = _mm256_or_si256(_mm256_slli_epi32::<$shift>(sum), _mm256_srli_epi32::<{ 32 - $shift }>(sum));
                $a = _mm256_add_epi32($b, rotated);
            };
            (f, $sum:ident, $b:ident, $c:ident, $d:ident) => {
                _mm256_add_epi32($sum, _mm256_xor_si256($d, _mm256_and_si256($b, _mm256_xor_si256($c, $d))))
            };
            // No bit is in both terms, so their sum is what the standard has `or` for.
            (g, $sum:ident, $b:ident, $c:ident, $d:ident) => {
                _mm256_add_epi32(_mm256_add_epi32($sum, _mm256_andnot_si256($d, $c)), _mm256_and_si256($b, $d))
            };
            (h, $sum:ident, $b:ident, $c:ident, $d:ident) => {
                _mm256_add_epi32($sum, _mm256_xor_si256($b, _mm256_xor_si256($c, $d)))
            };
            (i, $sum:ident, $b:ident, $c:ident, $d:ident) => {
                _mm256_add_epi32($sum, _mm256_xor_si256($c, _mm256_or_si256($b, _mm256_xor_si256($d, ones))))
            };
        }
        rounds!(step, m, a, b, c, d);
        a = _mm256_add_epi32(a, start.0);
        b = _mm256_add_epi32(b, start.1);
        c = _mm256_add_epi32(c, start.2);
        d = _mm256_add_epi32(d, start.3);
    }
    for (word, vector) in [a, b, c, d].into_iter().enumerate() {
        for (chain, value) in chains.iter_mut().zip(stored(vector)) {
            chain[word] = value;
        }
    }
}

/// 32 bytes of a block, from its first or from its middle.
#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "a load takes a raw pointer")]
fn load(block: &Block, from: usize) -> __m256i {
    let half: &[u8; BLOCK_SIZE / 2] = block[from..].first_chunk().expect("a half is left");
    // SAFETY: 32 bytes are read, and the reference is to 32 initialised bytes. The load asks for no alignment.
    unsafe { _mm256_loadu_si256(half.as_ptr().cast()) }
}

#[target_feature(enable = "avx2")]
#[expect(unsafe_code, reason = "a store takes a raw pointer")]
fn stored(vector: __m256i) -> [u32; LANES] {
    let mut words = [0_u32; LANES];
    // SAFETY: 32 bytes are written, and the array has 8 words of 4 bytes, of which any bytes are a value. It is borrowed
    // mutably, and the store asks for no alignment.
    unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), vector) };
    words
}

/// From 8 words of each of 8 streams to each word of all streams.
#[target_feature(enable = "avx2")]
fn transposed(rows: [__m256i; LANES]) -> [__m256i; LANES] {
    let mut pairs = rows;
    for at in [0, 4] {
        let (low01, high01) = (_mm256_unpacklo_epi32(rows[at], rows[at + 1]), _mm256_unpackhi_epi32(rows[at], rows[at + 1]));
        let (low23, high23) = (_mm256_unpacklo_epi32(rows[at + 2], rows[at + 3]), _mm256_unpackhi_epi32(rows[at + 2], rows[at + 3]));
        pairs[at] = _mm256_unpacklo_epi64(low01, low23);
        pairs[at + 1] = _mm256_unpackhi_epi64(low01, low23);
        pairs[at + 2] = _mm256_unpacklo_epi64(high01, high23);
        pairs[at + 3] = _mm256_unpackhi_epi64(high01, high23);
    }
    let mut words = rows;
    for word in 0..4 {
        words[word] = _mm256_permute2x128_si256::<0x20>(pairs[word], pairs[word + 4]);
        words[word + 4] = _mm256_permute2x128_si256::<0x31>(pairs[word], pairs[word + 4]);
    }
    words
}
