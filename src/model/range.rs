//! Which bytes of an object a read asks for.

use super::PartNumber;

/// One range as the client wrote it, before the object's size is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeRequest {
    /// `bytes=first-last`, both inclusive, first ≤ last.
    FromTo(u64, u64),
    /// `bytes=first-`.
    From(u64),
    /// `bytes=-count`.
    Suffix(u64),
}

/// Bytes `start .. end` of an object, `start <= end`; half-open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset after the last byte.
    pub end: u64,
}

impl ByteRange {
    /// Number of bytes.
    #[must_use]
    pub fn size(self) -> u64 {
        self.end - self.start
    }
}

impl RangeRequest {
    /// The bytes meant in an object of `size` bytes; `None` when the range is not satisfiable.
    ///
    /// `Suffix` of an empty object is the empty range, as in S3 (`bytes=-1` of nothing is 200).
    #[must_use]
    pub fn resolve(self, size: u64) -> Option<ByteRange> {
        match self {
            Self::FromTo(first, last) => (first < size).then(|| ByteRange { start: first, end: last.saturating_add(1).min(size) }),
            Self::From(first) => (first < size).then_some(ByteRange { start: first, end: size }),
            Self::Suffix(0) => None,
            Self::Suffix(count) => Some(ByteRange { start: size.saturating_sub(count), end: size }),
        }
    }
}

impl RangeRequest {
    /// Whether an object of `size` bytes has every byte that is named.
    #[must_use]
    pub fn is_within(self, size: u64) -> bool {
        match self {
            Self::FromTo(_, last) => last < size,
            Self::From(first) => first < size,
            Self::Suffix(count) => (1..=size).contains(&count),
        }
    }
}

/// What part of an object a read wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// All of it.
    Whole,
    /// A byte range.
    Range(RangeRequest),
    /// A byte range if the object holds every byte of it, else all of it (OSS, unless asked for the standard).
    RangeWithin(RangeRequest),
    /// The bytes of the N-th part.
    Part(PartNumber),
}
