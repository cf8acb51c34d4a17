//! The canonical forms that signatures are made over: one set of functions, used to verify and to sign.
//!
//! Signatures cover the *decoded* path and query, encoded again in one way (S3 API Reference, "Signature Calculations
//! for the Authorization Header"). So two spellings of a request that decode alike share a signature, and must mean the
//! same to whoever acts on them: in queries `+` is a space, in paths it is a plus.

use super::AuthError;
use http::HeaderMap;
use sha2::{Digest as _, Sha256};

const HEX_UPPER: &[u8; 16] = b"0123456789ABCDEF";

/// Percent-encodes everything but `A–Z a–z 0–9 - _ . ~`, and `/` unless `keep_slash`.
pub(super) fn uri_encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut encoded = String::with_capacity(bytes.len() + bytes.len() / 4);
    let mut rest = bytes;
    while !rest.is_empty() {
        let plain = rest.iter().position(|&byte| !is_plain(byte, keep_slash)).unwrap_or(rest.len());
        // What is plain is ASCII.
        encoded.push_str(std::str::from_utf8(&rest[..plain]).unwrap_or_default());
        if let Some(&byte) = rest.get(plain) {
            encoded.push('%');
            encoded.push(char::from(HEX_UPPER[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX_UPPER[usize::from(byte & 0xF)]));
        }
        rest = rest.get(plain + 1..).unwrap_or_default();
    }
    encoded
}

/// Whether a byte stands for itself in what is encoded.
fn is_plain(byte: u8, keep_slash: bool) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') || (keep_slash && byte == b'/')
}

/// Undoes percent-encoding. A `%` without two hex digits stands for itself.
pub(super) fn uri_decode(text: &str) -> Vec<u8> {
    // Most of what is decoded has nothing to decode.
    if text.contains('%') { percent_encoding::percent_decode_str(text).collect() } else { text.as_bytes().to_vec() }
}

/// The path as SigV4 signs it: decoded once, encoded once, `.` and `//` left alone.
pub(super) fn canonical_path(raw: &str) -> String {
    uri_encode(&uri_decode(raw), true)
}

/// A query taken apart: names and values decoded, in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(Vec<u8>, Option<Vec<u8>>)>);

impl Query {
    /// Of a request's query as sent, without the question mark.
    pub(super) fn parse(raw: Option<&str>) -> Self {
        let decode = |text: &str| if text.contains('+') { uri_decode(&text.replace('+', " ")) } else { uri_decode(text) };
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| match pair.split_once('=') {
                    Some((name, value)) => (decode(name), Some(decode(value))),
                    None => (decode(pair), None),
                })
                .collect(),
        )
    }

    /// The first value of this name as text; empty for a bare name, `None` when absent or not UTF-8.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(candidate, _)| candidate == name.as_bytes())?;
        std::str::from_utf8(value.as_deref().unwrap_or_default()).ok()
    }

    /// Whether a parameter of this name was sent.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|(candidate, _)| candidate == name.as_bytes())
    }

    /// Refuses a query in which one of these parameters stands more than once: whoever else looks at the URL may take another one for it
    /// than we do, and a signature does not cover itself.
    ///
    /// # Errors
    /// `QueryMalformed`, which names it.
    pub(super) fn refuse_repeated(&self, names: &[&str]) -> Result<(), AuthError> {
        let count = |name: &str| self.0.iter().filter(|(candidate, _)| candidate == name.as_bytes()).count();
        match names.iter().find(|name| count(name) > 1) {
            Some(name) => Err(AuthError::QueryMalformed(format!("{name} must be given once."))),
            None => Ok(()),
        }
    }

    /// Every parameter, in the order sent.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        self.0.iter().map(|(name, value)| (name.as_slice(), value.as_deref()))
    }

    /// The query as SigV4 signs it: encoded, sorted by name then value, always with `=`; `without` is left out.
    pub(super) fn canonical(&self, without: Option<&str>) -> String {
        let mut pairs: Vec<(String, String)> = self
            .pairs()
            .filter(|(name, _)| without.is_none_or(|without| *name != without.as_bytes()))
            .map(|(name, value)| (uri_encode(name, false), uri_encode(value.unwrap_or_default(), false)))
            .collect();
        pairs.sort_unstable();
        let mut canonical = String::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len() + 2).sum());
        for (name, value) in &pairs {
            if !canonical.is_empty() {
                canonical.push('&');
            }
            canonical.push_str(name);
            canonical.push('=');
            canonical.push_str(value);
        }
        canonical
    }
}

/// Whether a query as sent has a parameter of one of these names; decodes no more than it must.
pub(super) fn query_names_any(raw: Option<&str>, names: &[&str]) -> bool {
    let sent = raw.unwrap_or_default().split('&').filter_map(|pair| pair.split('=').next());
    let mut sent = sent.map(|name| percent_encoding::percent_decode_str(name));
    sent.any(|decoded| names.iter().any(|name| decoded.clone().eq(name.bytes())))
}

/// All values of a header joined by `,`, each trimmed; `None` when there is none. Values are bytes: some clients send
/// raw UTF-8, and the signature covers what was sent.
pub(super) fn header_values(headers: &HeaderMap, name: &str) -> Option<Vec<u8>> {
    let mut joined: Option<Vec<u8>> = None;
    for value in headers.get_all(name) {
        match &mut joined {
            None => joined = Some(value.as_bytes().trim_ascii().to_vec()),
            Some(joined) => {
                joined.push(b',');
                joined.extend_from_slice(value.as_bytes().trim_ascii());
            }
        }
    }
    joined
}

/// One header as text; `None` when absent or not visible ASCII.
pub(super) fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim)
}

/// Runs of spaces become one.
fn collapse_spaces(value: &[u8]) -> Vec<u8> {
    let mut collapsed = Vec::with_capacity(value.len());
    for &byte in value {
        if byte != b' ' || collapsed.last() != Some(&b' ') {
            collapsed.push(byte);
        }
    }
    collapsed
}

/// A canonical request: what SigV4 hashes.
#[derive(Clone, Debug)]
pub(super) struct CanonicalRequest {
    bytes: Vec<u8>,
    /// Whether every signed header was there to be signed.
    pub(super) complete: bool,
}

impl CanonicalRequest {
    /// Builds it from a request's parts. `signed_headers` are lower-case names in the order they were signed in; a missing one
    /// counts as empty and leaves the request incomplete.
    pub(super) fn new(
        method: &http::Method,
        path: &str,
        canonical_query: &str,
        headers: &HeaderMap,
        signed_headers: &[&str],
        payload_word: &str,
    ) -> Self {
        let mut complete = true;
        let mut bytes = Vec::with_capacity(256 + path.len() + canonical_query.len());
        for line in [method.as_str(), &canonical_path(path), canonical_query] {
            bytes.extend_from_slice(line.as_bytes());
            bytes.push(b'\n');
        }
        for name in signed_headers {
            let value = header_values(headers, name);
            complete &= value.is_some();
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(b':');
            bytes.extend_from_slice(&collapse_spaces(&value.unwrap_or_default()));
            bytes.push(b'\n');
        }
        bytes.extend_from_slice(format!("\n{}\n{payload_word}", signed_headers.join(";")).as_bytes());
        Self { bytes, complete }
    }

    /// Lower-case hex of its SHA-256.
    pub(super) fn hash(&self) -> String {
        hex::encode(Sha256::digest(&self.bytes))
    }

    /// For people; bytes that are no UTF-8 are replaced.
    pub(super) fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderValue, Method};

    #[test]
    fn paths_are_decoded_once_and_encoded_strictly() {
        for (raw, canonical) in [
            ("/", "/"),
            ("/a//b/../c", "/a//b/../c"),
            ("/k!'()*", "/k%21%27%28%29%2A"),
            ("/k%21+%2B", "/k%21%2B%2B"),
            ("/%2525", "/%2525"),
            ("/50%", "/50%25"),
            ("/a%2fb", "/a/b"),
            ("/%c3%bc~", "/%C3%BC~"),
        ] {
            assert_eq!(canonical_path(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn queries_are_sorted_and_always_have_an_equals_sign() {
        for (raw, canonical) in [
            (None, ""),
            (Some(""), ""),
            (Some("uploads"), "uploads="),
            (Some("b=2&a=1&a=0&&B="), "B=&a=0&a=1&b=2"),
            (Some("p=a+b%20c%2B/"), "p=a%20b%20c%2B%2F"),
            (Some("a=1=2"), "a=1%3D2"),
        ] {
            assert_eq!(Query::parse(raw).canonical(None), canonical, "{raw:?}");
        }
        assert_eq!(Query::parse(Some("a=1&S=x&S=y")).canonical(Some("S")), "a=1");
    }

    #[test]
    fn headers_are_trimmed_collapsed_and_joined_and_a_missing_one_is_noticed() {
        let mut headers = HeaderMap::new();
        headers.append("x-a", HeaderValue::from_static("  one   two "));
        headers.append("x-a", HeaderValue::from_static("three"));
        let request = CanonicalRequest::new(&Method::GET, "/", "", &headers, &["x-a"], "P");
        assert_eq!(request.to_text(), "GET\n/\n\nx-a:one two,three\n\nx-a\nP");
        assert!(request.complete);
        assert!(!CanonicalRequest::new(&Method::GET, "/", "", &headers, &["x-a", "x-b"], "P").complete);
    }
}
