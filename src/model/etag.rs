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
        let bytes = digest_of(digest)?;
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

/// What a byte stands for as a hexadecimal digit; 16 when it is none.
const DIGITS: [u8; 256] = {
    let mut digits = [16; 256];
    let mut digit = 0;
    while digit < 10 {
        digits[b'0' as usize + digit] = digit as u8;
        digit += 1;
    }
    while digit < 16 {
        digits[b'a' as usize + digit - 10] = digit as u8;
        digits[b'A' as usize + digit - 10] = digit as u8;
        digit += 1;
    }
    digits
};

/// Sixteen bytes in hexadecimal. Lists of 10,000 parts are read, so this takes no branch for a digit.
fn digest_of(text: &str) -> Option<[u8; 16]> {
    let text: &[u8; 32] = text.as_bytes().try_into().ok()?;
    let (mut digest, mut seen) = ([0; 16], 0);
    for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
        let (high, low) = (DIGITS[usize::from(pair[0])], DIGITS[usize::from(pair[1])]);
        seen |= high | low;
        *byte = high << 4 | low;
    }
    (seen < 16).then_some(digest)
}

/// Lower-case and unquoted, as S3 writes it between its quotes. OSS writes it in upper case.
impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 32];
        let written = hex::encode_to_slice(self.digest(), &mut text);
        f.write_str(written.ok().and_then(|()| std::str::from_utf8(&text).ok()).ok_or(fmt::Error)?)?;
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
            "b2add96cc9702bbf4efb0ccdfc6b774g",
            "b2add96cc9702bbf4efb0ccdfc6b774`",
            "b2add96cc9702bbf4efb0ccdfc6b77\u{e9}",
            "b2add96cc9702bbf4efb0ccdfc6b774",
            "b2add96cc9702bbf4efb0ccdfc6b77470",
        ] {
            assert_eq!(ETag::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn every_byte_is_read_as_it_is_written() {
        for byte in 0..=u8::MAX {
            let etag = ETag::Whole([byte; 16]);
            let text = etag.to_string();
            assert_eq!(text, hex::encode([byte; 16]));
            assert_eq!((ETag::parse(&text), ETag::parse(&text.to_uppercase())), (Some(etag), Some(etag)));
            let mut wrong = text.into_bytes();
            wrong[31] = byte;
            let Ok(wrong) = String::from_utf8(wrong) else { continue };
            assert_eq!(ETag::parse(&wrong).is_some(), byte.is_ascii_hexdigit(), "{wrong}");
        }
    }
}
