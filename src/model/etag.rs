//! The ETag as a value; quotes and letter case belong to the wire.

use serde::{Deserialize, Serialize};
use std::fmt;

/// An entity tag: the MD5 of the content, or for a multipart object the MD5 of its parts' MD5s and
/// their count (S3 API Reference, "CompleteMultipartUpload").
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ETag {
    /// MD5 of the content; of a symbolic link, of its target's key.
    Whole([u8; 16]),
    /// MD5 of the concatenated binary MD5s of the parts; of an object that was appended to, an MD5 that changes with it.
    Multipart {
        /// That MD5.
        digest: [u8; 16],
        /// How many parts the object was completed with, or how many appends made it, as far as they can be counted.
        part_count: u16,
    },
}

impl ETag {
    /// Reads `hex` or `hex-N`, in either case, with or without double quotes around it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
        let (digest, count) = match text.split_once('-') {
            Some((digest, count)) => (digest, Some(count)),
            None => (text, None),
        };
        let mut bytes = [0; 16];
        hex::decode_to_slice(digest, &mut bytes).ok()?;
        match count {
            None => Some(Self::Whole(bytes)),
            Some(count) => {
                if count.is_empty() || !count.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                Some(Self::Multipart { digest: bytes, part_count: count.parse().ok()? })
            }
        }
    }

    /// The 16 bytes, whichever kind it is.
    #[must_use]
    pub fn digest(&self) -> &[u8; 16] {
        match self {
            Self::Whole(digest) | Self::Multipart { digest, .. } => digest,
        }
    }
}

/// Lower-case and unquoted, as S3 writes it between its quotes. OSS writes it in upper case.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.digest()))?;
        match self {
            Self::Whole(_) => Ok(()),
            Self::Multipart { part_count, .. } => write!(f, "-{part_count}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_send() {
        let whole = ETag::parse("B8FC857a25e7958868c2f003d5e0952d").unwrap();
        assert_eq!(whole.to_string(), "b8fc857a25e7958868c2f003d5e0952d");
        assert_eq!(ETag::parse("\"b8fc857a25e7958868c2f003d5e0952d\""), Some(whole));
        let multi = ETag::parse("\"b2add96cc9702bbf4efb0ccdfc6b7747-3\"").unwrap();
        assert_eq!(multi.to_string(), "b2add96cc9702bbf4efb0ccdfc6b7747-3");
        for bad in [
            "",
            "\"",
            "abc",
            "b2add96cc9702bbf4efb0ccdfc6b7747-",
            "b2add96cc9702bbf4efb0ccdfc6b7747-+3",
            "b2add96cc9702bbf4efb0ccdfc6b7747-70000",
        ] {
            assert_eq!(ETag::parse(bad), None, "{bad}");
        }
    }
}
