//! Multipart uploads: upload id, part number, and the list an upload is completed with.

use super::{Checksum, ETag, Timestamp};
use serde::{Deserialize, Serialize};
use std::{fmt, num::NonZeroU16};

/// Names one multipart upload. 48 bits of milliseconds, then 80 random ones, so ids sort by the
/// time of creation; written as 32 upper-case hex digits, which is at home in both dialects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct UploadId([u8; 16]);

impl UploadId {
    /// The id made of a creation time and randomness.
    #[must_use]
    pub fn new(created: Timestamp, random: [u8; 10]) -> Self {
        let mut id = [0; 16];
        id[..6].copy_from_slice(&created.millis().cast_unsigned().to_be_bytes()[2..]);
        id[6..].copy_from_slice(&random);
        Self(id)
    }

    /// The id of this text; `None` unless it is 32 upper-case hex digits: an id has one spelling.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return None;
        }
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).ok()?;
        Some(Self(id))
    }

    /// The id from its 16 bytes, as records hold it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes, which sort as the ids do.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode_upper(self.0))
    }
}

/// A part's place in its upload: 1 ..= 10_000 in both dialects (S3 UploadPart, OSS UploadPart).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PartNumber(NonZeroU16);

impl PartNumber {
    /// The highest part number.
    pub const MAX: u16 = 10_000;

    /// The part number, or `None` outside 1 ..= 10_000.
    #[must_use]
    pub fn new(number: u64) -> Option<Self> {
        let number = u16::try_from(number).ok().filter(|&number| number <= Self::MAX)?;
        NonZeroU16::new(number).map(Self)
    }

    /// The number itself.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for PartNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One line of the list an upload is completed with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CompletedPart {
    /// Which part.
    pub number: PartNumber,
    /// The ETag the caller got for it.
    pub etag: ETag,
    /// The checksum the caller got for it, when it says so.
    pub checksum: Option<Checksum>,
}

/// The list a caller completes with: not empty, strictly ascending. Only [`PartList::new`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartList(Vec<CompletedPart>);

/// What is wrong with a list that names something that is no part. S3 says so only once the upload is known to be open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PartListRefusal {
    /// A number below 1.
    NumberTooSmall(i64),
    /// A number does not exceed the one before it.
    OutOfOrder,
    /// A number above 10,000, or an ETag that is none: no part has it.
    NoSuchPart {
        /// The number as listed.
        number: i64,
        /// The ETag as listed, without quotes.
        etag: String,
    },
}

/// Why a list of parts is not a [`PartList`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartListError {
    /// There is no part in it.
    Empty,
    /// A number does not exceed the one before it.
    OutOfOrder,
}

impl PartList {
    /// Checks the list.
    ///
    /// # Errors
    /// Empty, or not strictly ascending by part number.
    pub fn new(parts: Vec<CompletedPart>) -> Result<Self, PartListError> {
        if parts.is_empty() {
            return Err(PartListError::Empty);
        }
        if parts.windows(2).any(|pair| pair[0].number >= pair[1].number) {
            return Err(PartListError::OutOfOrder);
        }
        Ok(Self(parts))
    }

    /// The parts, ascending.
    #[must_use]
    pub fn parts(&self) -> &[CompletedPart] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upload_ids_sort_by_time_and_round_trip() {
        let early = UploadId::new(Timestamp::from_millis(1_000), [0xFF; 10]);
        let late = UploadId::new(Timestamp::from_millis(1_001), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().len(), 32);
        assert_eq!(UploadId::parse(&late.to_string()), Some(late));
        for bad in ["", "zz", "00", &"0".repeat(33), &"g".repeat(32), &"a".repeat(32)] {
            assert_eq!(UploadId::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn part_numbers_are_1_to_10000() {
        assert_eq!(PartNumber::new(0), None);
        assert_eq!(PartNumber::new(1).map(PartNumber::get), Some(1));
        assert_eq!(PartNumber::new(10_000).map(PartNumber::get), Some(10_000));
        assert_eq!(PartNumber::new(10_001), None);
        assert_eq!(PartNumber::new(65_537), None);
    }

    #[test]
    fn part_lists_are_ascending_and_not_empty() {
        let part = |number| CompletedPart { number: PartNumber::new(number).unwrap(), etag: ETag::Whole([0; 16]), checksum: None };
        assert_eq!(PartList::new(vec![]), Err(PartListError::Empty));
        assert_eq!(PartList::new(vec![part(2), part(2)]), Err(PartListError::OutOfOrder));
        assert_eq!(PartList::new(vec![part(2), part(1)]), Err(PartListError::OutOfOrder));
        assert!(PartList::new(vec![part(1), part(7)]).is_ok());
    }
}
