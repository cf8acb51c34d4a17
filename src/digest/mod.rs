//! Digests of what passes through, streaming and combining.
//!
//! One pass computes everything a body needs: MD5 for the ETag, CRC-64/NVME for S3, CRC-64/XZ for
//! OSS, and whatever the client asked for on top. CRCs of parts combine into the whole's; the SHA
//! family does not. MD5, the most expensive of them, is computed for many bodies side by side.

mod crc;
pub mod lanes;
mod service;
mod stream;

pub use crc::{Crc, CrcKind};
pub use service::{DigestLost, Md5Service};
pub use stream::Md5Stream;

use crate::model::{Checksum, ChecksumAlgorithm};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A streaming checksum of one algorithm.
#[derive(Clone)]
#[allow(clippy::large_enum_variant, reason = "one per body in flight, and a box would be one more allocation for each")]
pub enum Hasher {
    /// One of the CRCs.
    Crc(ChecksumAlgorithm, Crc),
    /// SHA-1.
    Sha1(Sha1),
    /// SHA-256.
    Sha256(Sha256),
}

impl Hasher {
    /// Of nothing so far.
    #[must_use]
    pub fn new(algorithm: ChecksumAlgorithm) -> Self {
        match algorithm {
            ChecksumAlgorithm::Crc32 => Self::Crc(algorithm, Crc::new(CrcKind::Crc32)),
            ChecksumAlgorithm::Crc32c => Self::Crc(algorithm, Crc::new(CrcKind::Crc32c)),
            ChecksumAlgorithm::Crc64Nvme => Self::Crc(algorithm, Crc::new(CrcKind::Crc64Nvme)),
            ChecksumAlgorithm::Sha1 => Self::Sha1(Sha1::new()),
            ChecksumAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
        }
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, crc) => crc.update(bytes),
            Self::Sha1(sha) => sha.update(bytes),
            Self::Sha256(sha) => sha.update(bytes),
        }
    }

    /// The value of all bytes added.
    #[must_use]
    pub fn finish(self) -> Checksum {
        let (algorithm, digest) = match self {
            Self::Crc(algorithm, crc) => (algorithm, crc.to_be_bytes()),
            Self::Sha1(sha) => (ChecksumAlgorithm::Sha1, sha.finalize().to_vec()),
            Self::Sha256(sha) => (ChecksumAlgorithm::Sha256, sha.finalize().to_vec()),
        };
        Checksum::new(algorithm, digest).expect("each hasher yields its algorithm's length")
    }
}

/// Everything computed over a body in its one pass. MD5 and the others may be computed at once, each in its place.
#[derive(Clone)]
pub struct BodyDigest {
    /// MD5.
    pub md5: Md5Stream,
    /// The others.
    pub others: OtherDigests,
}

/// What is computed over a body besides MD5.
#[derive(Clone)]
pub struct OtherDigests {
    size: u64,
    crc64_nvme: Crc,
    crc64_ecma: Crc,
    sha256: Option<Sha256>,
    extra: Option<Hasher>,
}

/// The values of a [`BodyDigest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyDigests {
    /// Number of bytes.
    pub size: u64,
    /// MD5.
    pub md5: [u8; 16],
    /// CRC-64/NVME.
    pub crc64_nvme: u64,
    /// CRC-64/XZ, which OSS calls crc64ecma.
    pub crc64_ecma: u64,
    /// SHA-256, when it was asked for.
    pub sha256: Option<[u8; 32]>,
    /// The algorithm asked for, if any (CRC64NVME included).
    pub checksum: Option<Checksum>,
}

impl BodyDigests {
    /// CRC64NVME as a checksum.
    #[must_use]
    pub fn crc64_nvme_checksum(&self) -> Checksum {
        Checksum::new(ChecksumAlgorithm::Crc64Nvme, self.crc64_nvme.to_be_bytes().to_vec()).expect("8 bytes")
    }
}

impl BodyDigest {
    /// Of nothing so far; computes `checksum` and SHA-256 only when asked.
    #[must_use]
    pub fn new(checksum: Option<ChecksumAlgorithm>, sha256: bool) -> Self {
        let extra = checksum.filter(|&algorithm| algorithm != ChecksumAlgorithm::Crc64Nvme);
        let others = OtherDigests {
            size: 0,
            crc64_nvme: Crc::new(CrcKind::Crc64Nvme),
            crc64_ecma: Crc::new(CrcKind::Crc64Ecma),
            sha256: sha256.then(Sha256::new),
            extra: extra.map(Hasher::new),
        };
        Self { md5: Md5Stream::default(), others }
    }

    /// Adds bytes to all of it, here and now.
    pub fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.others.update(bytes);
    }

    /// The values. `checksum` is `None` when none or CRC64NVME was asked for: the latter is always there.
    #[must_use]
    pub fn finish(self) -> BodyDigests {
        let others = self.others;
        BodyDigests {
            size: others.size,
            md5: self.md5.finish(),
            crc64_nvme: others.crc64_nvme.value(),
            crc64_ecma: others.crc64_ecma.value(),
            sha256: others.sha256.map(|sha| sha.finalize().into()),
            checksum: others.extra.map(Hasher::finish),
        }
    }
}

impl OtherDigests {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.crc64_nvme.update(bytes);
        self.crc64_ecma.update(bytes);
        if let Some(sha) = &mut self.sha256 {
            sha.update(bytes);
        }
        if let Some(extra) = &mut self.extra {
            extra.update(bytes);
        }
    }
}

/// MD5 of one buffer.
#[must_use]
pub fn md5(bytes: &[u8]) -> [u8; 16] {
    Md5::digest(bytes).into()
}

/// SHA-256 of one buffer.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    /// The three-part table of the S3 protocol notes: `A`, `B` and `C`, 5 MiB each.
    #[test]
    fn matches_published_values_per_algorithm() {
        let part = vec![b'A'; 5 << 20];
        for (algorithm, expected) in [
            (ChecksumAlgorithm::Crc32, "JRTCyQ=="),
            (ChecksumAlgorithm::Crc32c, "MDaLrw=="),
            (ChecksumAlgorithm::Crc64Nvme, "L/E4WYn8v98="),
            (ChecksumAlgorithm::Sha1, "iIaTCGbm+vdVjNqIMF2S0T7ibMk="),
            (ChecksumAlgorithm::Sha256, "275VF5loJr1YYawit0XSHREhkFXYkkPKGuoK0x9VKxI="),
        ] {
            let mut hasher = Hasher::new(algorithm);
            for piece in part.chunks(99_991) {
                hasher.update(piece);
            }
            assert_eq!(STANDARD.encode(hasher.finish().digest()), expected, "{algorithm:?}");
        }
        assert_eq!(hex::encode(md5(&part)), "b8fc857a25e7958868c2f003d5e0952d");
    }

    #[test]
    fn a_body_digest_equals_its_single_digests() {
        let mut body = BodyDigest::new(Some(ChecksumAlgorithm::Sha1), true);
        body.update(b"12345");
        body.update(b"6789");
        let digests = body.finish();
        assert_eq!(digests.size, 9);
        assert_eq!(digests.md5, md5(b"123456789"));
        assert_eq!(digests.sha256, Some(sha256(b"123456789")));
        assert_eq!(digests.crc64_nvme, 0xAE8B_1486_0A79_9888);
        assert_eq!(digests.crc64_ecma, 0x995D_C9BB_DF19_39FA);
        assert_eq!(digests.checksum.unwrap().algorithm(), ChecksumAlgorithm::Sha1);
    }
}
