//! Bucket and object key: the two halves of an object's name.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A bucket name that S3 would accept: 3 to 63 of `[a-z0-9.-]`, starting and ending with a letter
/// or digit, without `..`, `.-` or `-.`, not an IPv4 literal and without the reserved prefixes and
/// suffixes (S3 User Guide, "Bucket naming rules"). OSS names are a subset.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Bucket(String);

impl Bucket {
    /// The bucket of this name, or `None` when no bucket can have it.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let bytes = name.as_bytes();
        let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let legal = (3..=63).contains(&bytes.len())
            && bytes.iter().all(|&byte| edge(byte) || byte == b'.' || byte == b'-')
            && edge(bytes[0])
            && edge(bytes[bytes.len() - 1])
            && !["..", ".-", "-."].iter().any(|pair| name.contains(pair))
            && name.parse::<std::net::Ipv4Addr>().is_err()
            && !["xn--", "sthree-", "amzn-s3-demo-"].iter().any(|prefix| name.starts_with(prefix))
            && !["-s3alias", "--ol-s3", ".mrap", "--x-s3"].iter().any(|suffix| name.ends_with(suffix));
        legal.then(|| Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object key: 1 to 1,024 bytes of UTF-8, flat, taken literally (`//`, `.` and `..` included).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectKey(String);

impl ObjectKey {
    /// The longest key of any dialect, in bytes (S3 User Guide, "Naming Amazon S3 objects").
    pub const SIZE_MAX: usize = 1024;

    /// The key of this text, or `None` when it is empty or longer than [`Self::SIZE_MAX`].
    #[must_use]
    pub fn new(key: impl Into<String>) -> Option<Self> {
        let key = key.into();
        (1..=Self::SIZE_MAX).contains(&key.len()).then_some(Self(key))
    }

    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An object's full name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The bucket it is in.
    pub bucket: Bucket,
    /// Its key there.
    pub key: ObjectKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_s3_rules() {
        for good in ["abc", "my-bucket", "my.bucket.1", "0ab", &"a".repeat(63)] {
            assert!(Bucket::new(good).is_some(), "{good}");
        }
        for bad in ["", "ab", "Abc", "a_b", "-ab", "ab-", "a..b", "a.-b", "a-.b", "192.168.0.1", "xn--abc", "abc-s3alias", &"a".repeat(64)]
        {
            assert!(Bucket::new(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn keys_are_one_to_1024_bytes_taken_literally() {
        for good in ["a", "//", "../..", "é😀%+ ", &"k".repeat(1024)] {
            assert_eq!(ObjectKey::new(good).map(|key| key.as_str().to_owned()).as_deref(), Some(good));
        }
        assert!(ObjectKey::new("").is_none());
        assert!(ObjectKey::new("k".repeat(1025)).is_none());
    }
}
