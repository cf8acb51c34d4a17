//! Header values: as text, as bytes, and as the two things that both dialects read alike.

use crate::model::UserMetadata;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue};
use std::collections::BTreeMap;

/// A header as text, repeats joined with `,`. Bytes that are not UTF-8 are read as Latin-1.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let joined = bytes(headers, name)?;
    Some(String::from_utf8(joined).unwrap_or_else(|error| error.into_bytes().into_iter().map(char::from).collect()))
}

fn bytes(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let values: Vec<&[u8]> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
    (!values.is_empty()).then(|| values.join(&b','))
}

/// The headers that begin with `prefix`: values as the bytes sent, repeats joined with `,`, in order of their names.
///
/// # Errors
/// The size of names and values together when it is above `size_max`. Bytes.
pub(super) fn user_metadata(headers: &HeaderMap, prefix: &str, size_max: usize) -> Result<UserMetadata, usize> {
    let mut metadata = BTreeMap::new();
    for name in headers.keys() {
        if let Some(short) = name.as_str().strip_prefix(prefix) {
            metadata.insert(short.to_owned(), bytes(headers, name.as_str()).unwrap_or_default());
        }
    }
    let size = metadata.iter().map(|(name, value)| name.len() + value.len()).sum();
    if size > size_max { Err(size) } else { Ok(UserMetadata(metadata.into_iter().collect())) }
}

/// Content-MD5.
///
/// # Errors
/// The value unless it is the base64 of 16 bytes.
pub(super) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, String> {
    let Some(given) = text(headers, "content-md5") else { return Ok(None) };
    let digest = STANDARD.decode(given.trim()).ok().and_then(|digest| digest.try_into().ok());
    digest.map(Some).ok_or(given)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(pairs: &[(&'static str, &'static [u8])]) -> HeaderMap {
        let value = |bytes| HeaderValue::from_bytes(bytes).unwrap();
        pairs.iter().map(|&(name, bytes)| (HeaderName::from_static(name), value(bytes))).collect()
    }

    #[test]
    fn repeats_are_one_value_and_other_bytes_than_utf8_are_latin1() {
        let mut headers = headers(&[("a", b"1"), ("b", b"\xfc"), ("c", "ü".as_bytes())]);
        headers.append("a", HeaderValue::from_static("2"));
        assert_eq!((text(&headers, "a").as_deref(), text(&headers, "d")), (Some("1,2"), None));
        assert_eq!((text(&headers, "b").as_deref(), text(&headers, "c").as_deref()), (Some("ü"), Some("ü")));
    }

    #[test]
    fn metadata_is_what_was_sent_up_to_a_size() {
        let headers = headers(&[("x-meta-b", b"\xff\xfe"), ("x-meta-a", b""), ("x-other", b"1")]);
        let expected = UserMetadata(vec![("a".to_owned(), vec![]), ("b".to_owned(), vec![0xff, 0xfe])]);
        assert_eq!(user_metadata(&headers, "x-meta-", 4), Ok(expected));
        assert_eq!(user_metadata(&headers, "x-meta-", 3), Err(4));
    }

    #[test]
    fn an_md5_is_sixteen_bytes_in_base64() {
        assert_eq!(content_md5(&HeaderMap::new()), Ok(None));
        assert_eq!(content_md5(&headers(&[("content-md5", b"AAAAAAAAAAAAAAAAAAAAAA==")])), Ok(Some([0; 16])));
        for bad in ["", "AAAA", "?", "AAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(content_md5(&headers(&[("content-md5", bad.as_bytes())])), Err(bad.to_owned()));
        }
    }
}
