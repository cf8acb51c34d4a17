//! The four CRCs, streaming and combining.

use crate::model::ChecksumAlgorithm;
use crc_fast::{CrcAlgorithm, Digest, checksum_combine};

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
    #[must_use]
    pub fn combine(self, a: u64, b: u64, b_size: u64) -> u64 {
        checksum_combine(self.algorithm(), a, b, b_size)
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
