//! Where counters and quotas live, and whose and which they are.

use super::{join, prefixed};
use crate::{meta::record::BucketId, model::UploadId};
use std::ops::Range;

/// What is counted. A counter's row ends with its letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counter {
    /// Objects.
    Objects,
    /// Their bytes.
    ObjectBytes,
    /// Open uploads.
    Uploads,
    /// Part numbers of open uploads that have a part.
    Parts,
    /// The bytes of all revisions of these.
    PartBytes,
}

impl Counter {
    /// Every counter.
    pub const ALL: [Self; 5] = [Self::Objects, Self::ObjectBytes, Self::Uploads, Self::Parts, Self::PartBytes];

    fn letter(self) -> u8 {
        match self {
            Self::Objects => b'o',
            Self::ObjectBytes => b's',
            Self::Uploads => b'u',
            Self::Parts => b'p',
            Self::PartBytes => b'b',
        }
    }
}

/// Whose counters, or whose quota.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Whose {
    /// A bucket's.
    Bucket(BucketId),
    /// An access key's.
    Key(String),
    /// An open upload's, which stand in its bucket's, too.
    Upload(UploadId),
}

impl Whose {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Bucket(bucket) => join(b'b', &[&bucket.0]),
            Self::Key(access_key) => join(b'k', &[access_key.as_bytes()]),
            Self::Upload(upload) => join(b'u', &[upload.as_bytes()]),
        }
    }

    fn of(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (b'b', id) => Some(Self::Bucket(BucketId(id.try_into().ok()?))),
            (b'k', access_key) => Some(Self::Key(std::str::from_utf8(access_key).ok()?.to_owned())),
            (b'u', id) => Some(Self::Upload(UploadId::from_bytes(id.try_into().ok()?))),
            _ => None,
        }
    }
}

/// The row of a counter.
#[must_use]
pub fn counter(whose: &Whose, counter: Counter) -> Vec<u8> {
    join(b'Q', &[&whose.bytes(), &[counter.letter()]])
}

/// Whose and which counter's a row is; `None` when it is none's.
#[must_use]
pub fn counter_of(row: &[u8]) -> Option<(Whose, Counter)> {
    let (letter, whose) = row.strip_prefix(b"Q")?.split_last()?;
    let counter = Counter::ALL.into_iter().find(|counter| counter.letter() == *letter)?;
    Some((Whose::of(whose)?, counter))
}

/// All counters of a bucket.
#[must_use]
pub fn bucket_counters(bucket: BucketId) -> Range<Vec<u8>> {
    prefixed(join(b'Q', &[&Whose::Bucket(bucket).bytes()]))
}

/// The row of a quota.
#[must_use]
pub fn quota(whose: &Whose) -> Vec<u8> {
    join(b'G', &[&whose.bytes()])
}

/// Whose quota a row is; `None` when it is none's.
#[must_use]
pub fn quota_of(row: &[u8]) -> Option<Whose> {
    Whose::of(row.strip_prefix(b"G")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_tell_whose_and_which_they_are() {
        let everybody = [
            Whose::Bucket(BucketId([b'o'; 8])),
            Whose::Key("A".to_owned()),
            Whose::Key("Ao".to_owned()),
            Whose::Upload(UploadId::from_bytes([0; 16])),
        ];
        let mut rows = std::collections::BTreeSet::new();
        for whose in &everybody {
            for which in Counter::ALL {
                let row = counter(whose, which);
                assert_eq!(counter_of(&row), Some((whose.clone(), which)));
                assert_eq!(bucket_counters(BucketId([b'o'; 8])).contains(&row), *whose == everybody[0]);
                assert!(rows.insert(row), "each has a row of its own");
            }
            assert_eq!(quota_of(&quota(whose)), Some(whose.clone()));
        }
        for none in [&b"Q"[..], b"Qo", b"Qb123o", b"QkAx", b"Qu1p", b"Qzo", b"Kb", b"Gb", b"G"] {
            assert_eq!((counter_of(none), quota_of(none)), (None, None), "{}", none.escape_ascii());
        }
    }
}
