//! 16 lanes of MD5 in AVX-512: any function of three words is one instruction there, and so is a rotation.

use super::{
    BLOCK_SIZE, Block, Chain,
    rounds::{rounds, sines},
};
use std::arch::x86_64::*;

const LANES: usize = 16;

/// How many blocks ahead of its use a block is asked for: 16 streams are more than the processor follows by itself, which shows
/// when they come from memory (docs/adr/0014).
const AHEAD: usize = 4;

pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Adds blocks to 16 streams, as many to each as the shortest has.
///
/// # Panics
/// When the processor has no AVX-512.
#[expect(unsafe_code, reason = "a call that needs the processor's features")]
pub(super) fn compress(chains: &mut [Chain; LANES], blocks: &[&[Block]; LANES]) {
    assert!(is_available());
    // SAFETY: the function asks for AVX-512F and nothing else, which the processor has: that was asserted a line above.
    unsafe { compress_vectors(chains, blocks) }
}

#[target_feature(enable = "avx512f")]
fn compress_vectors(chains: &mut [Chain; LANES], blocks: &[&[Block]; LANES]) {
    let words = |word: usize| {
        let mut of = [0; BLOCK_SIZE];
        for (bytes, chain) in of.as_chunks_mut().0.iter_mut().zip(chains.iter()) {
            *bytes = chain[word].to_le_bytes();
        }
        load(&of)
    };
    let sines = sines();
    let (mut a, mut b, mut c, mut d) = (words(0), words(1), words(2), words(3));
    let count = blocks.iter().map(|blocks| blocks.len()).min().unwrap_or(0);
    let blocks: [&[Block]; LANES] = blocks.map(|blocks| &blocks[..count]);
    for index in 0..count {
        for blocks in blocks {
            fetch(&blocks[(index + AHEAD).min(count - 1)]);
        }
        let m = transposed(std::array::from_fn(|lane| load(&blocks[lane][index])));
        let start = (a, b, c, d);
        macro_rules! step {
            ($function:ident, $a:ident, $b:ident, $c:ident, $d:ident, $word:expr, $sine:literal, $shift:literal) => {
                let added = _mm512_add_epi32($word, _mm512_set1_epi32(sines[$sine].cast_signed()));
                let sum = _mm512_add_epi32(_mm512_add_epi32($a, added), step!($function, $b, $c, $d));
                $a = _mm512_add_epi32($b, _mm512_rol_epi32::<$shift>(sum));
            };
            (f, $b:ident, $c:ident, $d:ident) => {
                _mm512_ternarylogic_epi32::<0xCA>($b, $c, $d)
            };
            (g, $b:ident, $c:ident, $d:ident) => {
                _mm512_ternarylogic_epi32::<0xE4>($b, $c, $d)
            };
            (h, $b:ident, $c:ident, $d:ident) => {
                _mm512_ternarylogic_epi32::<0x96>($b, $c, $d)
            };
            (i, $b:ident, $c:ident, $d:ident) => {
                _mm512_ternarylogic_epi32::<0x39>($b, $c, $d)
            };
        }
        rounds!(step, m, a, b, c, d);
        a = _mm512_add_epi32(a, start.0);
        b = _mm512_add_epi32(b, start.1);
        c = _mm512_add_epi32(c, start.2);
        d = _mm512_add_epi32(d, start.3);
    }
    for (word, vector) in [a, b, c, d].into_iter().enumerate() {
        for (chain, value) in chains.iter_mut().zip(stored(vector)) {
            chain[word] = value;
        }
    }
}

/// Asks for a block that is loaded later.
#[expect(unsafe_code, reason = "a prefetch takes a raw pointer")]
fn fetch(block: &Block) {
    // SAFETY: the pointer is a reference's. Besides, this is a hint: it does not fault, and changes nothing but caches.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(block.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "a load takes a raw pointer")]
fn load(bytes: &Block) -> __m512i {
    // SAFETY: 64 bytes are read, and the reference is to 64 initialised bytes. The load asks for no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[expect(unsafe_code, reason = "a store takes a raw pointer")]
fn stored(vector: __m512i) -> [u32; LANES] {
    let mut words = [0_u32; LANES];
    // SAFETY: 64 bytes are written, and the array has 16 words of 4 bytes, of which any bytes are a value. It is borrowed
    // mutably, and the store asks for no alignment.
    unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), vector) };
    words
}

/// From 16 words of each of 16 streams to each word of all streams.
#[target_feature(enable = "avx512f")]
fn transposed(rows: [__m512i; LANES]) -> [__m512i; LANES] {
    let mut pairs = rows;
    for four in 0..4 {
        let at = 4 * four;
        let (low01, high01) = (_mm512_unpacklo_epi32(rows[at], rows[at + 1]), _mm512_unpackhi_epi32(rows[at], rows[at + 1]));
        let (low23, high23) = (_mm512_unpacklo_epi32(rows[at + 2], rows[at + 3]), _mm512_unpackhi_epi32(rows[at + 2], rows[at + 3]));
        // Word w of streams at..at+4 is now in quarter q of pairs[at + w % 4], where w = 4q + w % 4.
        pairs[at] = _mm512_unpacklo_epi64(low01, low23);
        pairs[at + 1] = _mm512_unpackhi_epi64(low01, low23);
        pairs[at + 2] = _mm512_unpacklo_epi64(high01, high23);
        pairs[at + 3] = _mm512_unpackhi_epi64(high01, high23);
    }
    let mut words = rows;
    for word in 0..4 {
        let (p0, p1, p2, p3) = (pairs[word], pairs[word + 4], pairs[word + 8], pairs[word + 12]);
        let (even01, even23) = (_mm512_shuffle_i32x4::<0x88>(p0, p1), _mm512_shuffle_i32x4::<0x88>(p2, p3));
        let (odd01, odd23) = (_mm512_shuffle_i32x4::<0xDD>(p0, p1), _mm512_shuffle_i32x4::<0xDD>(p2, p3));
        words[word] = _mm512_shuffle_i32x4::<0x88>(even01, even23);
        words[word + 8] = _mm512_shuffle_i32x4::<0xDD>(even01, even23);
        words[word + 4] = _mm512_shuffle_i32x4::<0x88>(odd01, odd23);
        words[word + 12] = _mm512_shuffle_i32x4::<0xDD>(odd01, odd23);
    }
    words
}
