//! The four CRCs, streaming and combining.
//!
//! `crc-fast` computes them. Combining is our own: completing an upload of 10,000 parts combines two
//! CRCs for each, and building a matrix per call, as that crate does, takes 140 µs a time.

use crate::model::ChecksumAlgorithm;
use crc_fast::{CrcAlgorithm, Digest};
use std::sync::LazyLock;

/// Which CRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcKind {
    /// CRC-32/ISO-HDLC.
    Crc32,
    /// CRC-32/ISCSI (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// CRC-64/XZ: the ECMA-182 polynomial reflected, which is what OSS calls crc64ecma.
    Crc64Ecma,
}

impl CrcKind {
    /// The CRC behind a checksum algorithm; `None` for the SHA family.
    #[must_use]
    pub fn of(algorithm: ChecksumAlgorithm) -> Option<Self> {
        match algorithm {
            ChecksumAlgorithm::Crc32 => Some(Self::Crc32),
            ChecksumAlgorithm::Crc32c => Some(Self::Crc32c),
            ChecksumAlgorithm::Crc64Nvme => Some(Self::Crc64Nvme),
            ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
        }
    }

    fn algorithm(self) -> CrcAlgorithm {
        match self {
            Self::Crc32 => CrcAlgorithm::Crc32IsoHdlc,
            Self::Crc32c => CrcAlgorithm::Crc32Iscsi,
            Self::Crc64Nvme => CrcAlgorithm::Crc64Nvme,
            Self::Crc64Ecma => CrcAlgorithm::Crc64Xz,
        }
    }

    fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme | Self::Crc64Ecma => 8,
        }
    }

    /// The CRC of one buffer.
    #[must_use]
    pub fn of_bytes(self, bytes: &[u8]) -> u64 {
        crc_fast::checksum(self.algorithm(), bytes)
    }

    /// The CRC of `a ‖ b` from both CRCs and the size of `b` in bytes.
    ///
    /// Appending `n` bytes multiplies the CRC's polynomial by x^8n; initial and final inversions cancel out.
    #[must_use]
    pub fn combine(self, a: u64, b: u64, b_size: u64) -> u64 {
        self.field().shift(a, b_size) ^ b
    }

    fn field(self) -> &'static Field {
        // The generator polynomials with their coefficients reversed, as the CRCs themselves are.
        static CRC32: LazyLock<Field> = LazyLock::new(|| Field::new(32, 0xEDB8_8320));
        static CRC32C: LazyLock<Field> = LazyLock::new(|| Field::new(32, 0x82F6_3B78));
        static CRC64_NVME: LazyLock<Field> = LazyLock::new(|| Field::new(64, 0x9A6C_9329_AC4B_C9B5));
        static CRC64_ECMA: LazyLock<Field> = LazyLock::new(|| Field::new(64, 0xC96C_5795_D787_0F42));
        match self {
            Self::Crc32 => &CRC32,
            Self::Crc32c => &CRC32C,
            Self::Crc64Nvme => &CRC64_NVME,
            Self::Crc64Ecma => &CRC64_ECMA,
        }
    }

    /// Reads a big-endian digest of this CRC's length.
    #[must_use]
    pub fn from_be_bytes(self, digest: &[u8]) -> Option<u64> {
        (digest.len() == self.size()).then(|| digest.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    /// The big-endian digest of a value.
    #[must_use]
    pub fn to_be_bytes(self, value: u64) -> Vec<u8> {
        value.to_be_bytes()[8 - self.size()..].to_vec()
    }
}

/// Polynomials over GF(2) modulo a CRC's generator. The highest bit is the coefficient of x^0.
struct Field {
    one: u64,
    generator: u64,
    /// x^(8 · 2^k) for every bit of a size in bytes.
    powers: [u64; 64],
}

impl Field {
    fn new(width: u32, generator: u64) -> Self {
        let one = 1 << (width - 1);
        let mut field = Self { one, generator, powers: [0; 64] };
        let mut power = one >> 8;
        for slot in 0..64 {
            field.powers[slot] = power;
            power = field.multiply(power, power);
        }
        field
    }

    fn multiply(&self, mut a: u64, mut b: u64) -> u64 {
        let mut product = 0;
        while a != 0 {
            if a & self.one != 0 {
                product ^= b;
            }
            // The bit just looked at leaves at the top; CRCs of 32 bits have room above, hence the mask.
            a = (a << 1) & (self.one | (self.one - 1));
            b = if b & 1 == 0 { b >> 1 } else { b >> 1 ^ self.generator };
        }
        product
    }

    /// `value` times x^(8 · `size`).
    fn shift(&self, value: u64, size: u64) -> u64 {
        let bits = (0..64).filter(|bit| size >> bit & 1 == 1);
        bits.fold(value, |value, bit| self.multiply(self.powers[bit], value))
    }
}

/// A streaming CRC.
#[derive(Clone)]
pub struct Crc {
    kind: CrcKind,
    state: Digest,
}

impl Crc {
    /// Of nothing so far.
    #[must_use]
    pub fn new(kind: CrcKind) -> Self {
        Self { kind, state: Digest::new(kind.algorithm()) }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// The value of all bytes added.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.state.finalize()
    }

    /// The value as a big-endian digest.
    #[must_use]
    pub fn to_be_bytes(&self) -> Vec<u8> {
        self.kind.to_be_bytes(self.value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [CrcKind; 4] = [CrcKind::Crc32, CrcKind::Crc32c, CrcKind::Crc64Nvme, CrcKind::Crc64Ecma];

    #[test]
    fn check_values_of_the_catalogue() {
        let expected = [0xCBF4_3926, 0xE306_9283, 0xAE8B_1486_0A79_9888, 0x995D_C9BB_DF19_39FA];
        for (kind, expected) in KINDS.into_iter().zip(expected) {
            assert_eq!(kind.of_bytes(b"123456789"), expected, "{kind:?}");
            assert_eq!(kind.from_be_bytes(&kind.to_be_bytes(expected)), Some(expected));
        }
    }

    #[test]
    fn combining_agrees_with_an_independent_implementation() {
        for kind in KINDS {
            let (a, b) = (kind.of_bytes(b"some bytes"), kind.of_bytes(b"others"));
            for size in [0, 1, 7, 5 << 20, (5 << 30) + 3, u64::from(u32::MAX), 48 << 40] {
                let expected = crc_fast::checksum_combine(kind.algorithm(), a, b, size);
                assert_eq!(kind.combine(a, b, size), expected, "{kind:?} of {size} bytes");
            }
        }
    }

    #[test]
    fn combining_equals_computing_the_whole() {
        let bytes: Vec<u8> = (0..10_000_u32).map(|index| (index * 7 % 251) as u8).collect();
        for kind in KINDS {
            for split in [0, 1, 63, 64, 4_096, 9_999, 10_000] {
                let (a, b) = bytes.split_at(split);
                assert_eq!(kind.combine(kind.of_bytes(a), kind.of_bytes(b), b.len() as u64), kind.of_bytes(&bytes), "{kind:?} at {split}");
            }
        }
    }
}
