//! Checksums that clients send beside the ETag (S3 User Guide, "Checking object integrity").

use serde::{Deserialize, Serialize};
use std::fmt;

/// A checksum algorithm that objects and parts can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ChecksumAlgorithm {
    /// CRC-32 (ISO-HDLC), 4 bytes.
    Crc32,
    /// CRC-32C (Castagnoli), 4 bytes.
    Crc32c,
    /// CRC-64/NVME, 8 bytes: what S3 computes when nobody asks.
    Crc64Nvme,
    /// SHA-1, 20 bytes.
    Sha1,
    /// SHA-256, 32 bytes.
    Sha256,
}

impl ChecksumAlgorithm {
    /// Every algorithm.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// Length of a digest in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64Nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// The name in upper case, as S3 spells it in XML and in `x-amz-checksum-algorithm`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The name in lower case, as it ends `x-amz-checksum-…`.
    #[must_use]
    pub fn name_lower(self) -> &'static str {
        match self {
            Self::Crc32 => "crc32",
            Self::Crc32c => "crc32c",
            Self::Crc64Nvme => "crc64nvme",
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
        }
    }

    /// The algorithm of this name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Whether the whole object's value follows from its parts' values and lengths.
    #[must_use]
    pub fn combines(self) -> bool {
        match self {
            Self::Crc32 | Self::Crc32c | Self::Crc64Nvme => true,
            Self::Sha1 | Self::Sha256 => false,
        }
    }
}

/// A checksum value. The bytes are the big-endian digest; base64 belongs to the wire.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Checksum {
    algorithm: ChecksumAlgorithm,
    digest: Vec<u8>,
}

impl Checksum {
    /// A value, or `None` when the digest has not the algorithm's length.
    #[must_use]
    pub fn new(algorithm: ChecksumAlgorithm, digest: Vec<u8>) -> Option<Self> {
        (digest.len() == algorithm.size()).then_some(Self { algorithm, digest })
    }

    /// Which algorithm made it.
    #[must_use]
    pub fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// The digest, big-endian.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name_lower(), hex::encode(&self.digest))
    }
}

/// What a multipart object's checksum is a checksum of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChecksumType {
    /// Of the parts' binary digests, written `base64-N`.
    Composite,
    /// Of the whole content.
    FullObject,
}

impl ChecksumType {
    /// The name in upper case, as S3 spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Composite => "COMPOSITE",
            Self::FullObject => "FULL_OBJECT",
        }
    }

    /// Which type S3 assumes when only the algorithm is given.
    #[must_use]
    pub fn default_for(algorithm: ChecksumAlgorithm) -> Self {
        match algorithm {
            ChecksumAlgorithm::Crc64Nvme => Self::FullObject,
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c | ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => Self::Composite,
        }
    }

    /// Whether S3 allows the pair: no COMPOSITE of CRC64NVME, no FULL_OBJECT of SHA.
    #[must_use]
    pub fn allowed_for(self, algorithm: ChecksumAlgorithm) -> bool {
        match self {
            Self::Composite => algorithm != ChecksumAlgorithm::Crc64Nvme,
            Self::FullObject => algorithm.combines(),
        }
    }
}

/// An object's checksum: the value, and for a composite one the number of parts it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ObjectChecksum {
    /// The value.
    pub value: Checksum,
    /// `None` for FULL_OBJECT, the part count for COMPOSITE.
    pub composite_of: Option<u16>,
}

impl ObjectChecksum {
    /// Which type it is.
    #[must_use]
    pub fn kind(&self) -> ChecksumType {
        if self.composite_of.is_some() { ChecksumType::Composite } else { ChecksumType::FullObject }
    }
}
