//! Percent-encoding, read strictly and written the way S3 canonicalises it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Everything but RFC 3986's unreserved characters.
const STRICT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// The same, with the slashes of a key left readable.
const PATH: &AsciiSet = &STRICT.remove(b'/');

/// What a plus sign stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// Itself, as in paths.
    Literal,
    /// A space, as in query strings and forms.
    Space,
}

/// Decodes once; `None` when a `%` is not followed by two hex digits or the result is not UTF-8.
#[must_use]
pub fn decode(text: &str, plus: Plus) -> Option<String> {
    // Most of what is decoded has nothing to decode.
    if !text.bytes().any(|byte| byte == b'%' || (byte == b'+' && plus == Plus::Space)) {
        return Some(text.to_owned());
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? << 4 | hex_digit(bytes.next()?)?,
            b'+' if plus == Plus::Space => b' ',
            other => other,
        });
    }
    String::from_utf8(decoded).ok()
}

/// Decodes `a=1&b=2`, names and values, in the order sent; without `=` the value is empty. `None` as [`decode`].
#[must_use]
pub fn decode_pairs(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name, Plus::Space)?, decode(value, Plus::Space)?))
    });
    pairs.collect()
}

/// Encodes all but unreserved characters.
#[must_use]
pub fn encode(text: &str) -> String {
    utf8_percent_encode(text, STRICT).to_string()
}

/// Encodes all but unreserved characters and `/`: keys in URLs and in `encoding-type=url` listings.
#[must_use]
pub fn encode_path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_is_strict_and_happens_once() {
        assert_eq!(decode("a%2Fb%2525", Plus::Literal).as_deref(), Some("a/b%25"));
        assert_eq!(decode("a+b", Plus::Literal).as_deref(), Some("a+b"));
        assert_eq!(decode("a+b%2B", Plus::Space).as_deref(), Some("a b+"));
        for bad in ["%", "%4", "%zz", "%+1", "%ff", "é%C3"] {
            assert_eq!(decode(bad, Plus::Literal), None, "{bad}");
        }
    }

    #[test]
    fn pairs_may_lack_values_and_names_may_repeat() {
        let pairs = [("a b", "1=+"), ("c", ""), ("c", ""), ("", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(decode_pairs("a+b=1=%2B&c&&c=&=2"), Some(pairs.to_vec()));
        assert_eq!((decode_pairs(""), decode_pairs("a=%ff&b"), decode_pairs("%=1")), (Some(vec![]), None, None));
    }

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        for text in ["", "a b/c+d", "é😀\u{1}\0", "!'()*", "../..//"] {
            assert_eq!(decode(&encode(text), Plus::Space).as_deref(), Some(text));
            assert_eq!(decode(&encode_path(text), Plus::Literal).as_deref(), Some(text));
        }
        assert_eq!(encode_path("a/b c"), "a/b%20c");
        assert_eq!(encode("a/b!"), "a%2Fb%21");
    }
}
