//! Where a request is addressed: path-style and virtual-hosted (S3 User Guide, "Virtual hosting of
//! general purpose buckets").

use super::error::ErrorReply;
use crate::dialect::percent::{self, Plus};
use http::{header::HOST, request::Parts};

/// Where a request is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The bucket's name as sent, if any; not validated yet.
    pub bucket: Option<String>,
    /// The decoded key, if any.
    pub key: Option<String>,
    /// Whether the bucket came in the host.
    pub virtual_hosted: bool,
}

impl Address {
    /// `/bucket/key`, as errors name the resource.
    #[must_use]
    pub fn resource(&self) -> String {
        match (&self.bucket, &self.key) {
            (None, _) => "/".to_owned(),
            (Some(bucket), None) => format!("/{bucket}"),
            (Some(bucket), Some(key)) => format!("/{bucket}/{key}"),
        }
    }
}

/// Reads bucket and key from host and path. `domains` are the suffixes of virtual hosts, lower-case; `localhost` is always one.
///
/// The path is decoded once and taken literally: `//`, `.`, `..` and an encoded slash stay in the key.
///
/// # Errors
/// `InvalidURI` for a path that does not decode to UTF-8.
pub fn address(parts: &Parts, domains: &[String]) -> Result<Address, ErrorReply> {
    let path = parts.uri.path();
    let path = if path == "*" { "" } else { path.strip_prefix('/').unwrap_or(path) };
    let decode = |text: &str| percent::decode(text, Plus::Literal).ok_or_else(ErrorReply::invalid_uri);
    let filled = |text: String| (!text.is_empty()).then_some(text);

    if let Some(bucket) = bucket_in_host(&host(parts), domains) {
        return Ok(Address { bucket: Some(bucket), key: filled(decode(path)?), virtual_hosted: true });
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let key = filled(decode(key)?);
    // `//key` names an empty bucket, which is an error of its own; `/` names none.
    let bucket = if bucket.is_empty() && key.is_none() { None } else { Some(decode(bucket)?) };
    Ok(Address { bucket, key, virtual_hosted: false })
}

/// The host as the client wrote it, port included: from the request line when it is there, else from Host.
pub(super) fn authority(parts: &Parts) -> &str {
    match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    }
}

/// The host in lower case, without port.
fn host(parts: &Parts) -> String {
    let authority = authority(parts);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    };
    host.to_ascii_lowercase()
}

/// What stands before the longest suffix that fits. Nothing before it means path style.
fn bucket_in_host(host: &str, domains: &[String]) -> Option<String> {
    let suffixes = domains.iter().map(String::as_str).chain(["localhost"]);
    let fits = |suffix: &&str| !suffix.is_empty() && (host == *suffix || host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')));
    let suffix = suffixes.filter(fits).max_by_key(|suffix| suffix.len())?;
    let bucket = host.strip_suffix(suffix)?.strip_suffix('.')?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::percent::encode_path;
    use proptest::prelude::*;

    fn read(host: &str, target: &str) -> Result<(Option<String>, Option<String>, bool), &'static str> {
        let request = http::Request::builder().uri(target).header("host", host).body(()).unwrap();
        let domains = ["example.com".to_owned(), "s3.example.com".to_owned()];
        let address = address(&request.into_parts().0, &domains).map_err(|error| error.code)?;
        Ok((address.bucket, address.key, address.virtual_hosted))
    }

    #[test]
    fn hosts_and_paths_name_bucket_and_key() {
        let path = |bucket: &str, key: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
            Ok((some(bucket), some(key), false))
        };
        let host = |bucket: &str, key: &str| Ok((Some(bucket.to_owned()), (!key.is_empty()).then(|| key.to_owned()), true));
        for (authority, target, expected) in [
            ("127.0.0.1:9000", "/", path("", "")),
            ("127.0.0.1:9000", "/bkt", path("bkt", "")),
            ("127.0.0.1:9000", "/bkt/?uploads", path("bkt", "")),
            ("127.0.0.1:9000", "/bkt/a//b/../c", path("bkt", "a//b/../c")),
            ("[::1]:9000", "/bkt//", path("bkt", "/")),
            ("[::1]", "/bkt/a%2Fb+c%25", path("bkt", "a/b+c%")),
            ("localhost:9000", "/bkt/k", path("bkt", "k")),
            ("bkt.localhost:9000", "/k", host("bkt", "k")),
            ("BKT.LocalHost", "/k/", host("bkt", "k/")),
            ("s3.example.com", "/bkt/k", path("bkt", "k")),
            ("a.b.s3.example.com", "/bkt/k", host("a.b", "bkt/k")),
            ("bkt.example.com:443", "/", host("bkt", "")),
            (".example.com", "/bkt", path("bkt", "")),
            ("notexample.com", "/bkt", path("bkt", "")),
            ("other", "http://bkt.localhost/k", host("bkt", "k")),
            ("other", "*", path("", "")),
        ] {
            assert_eq!(read(authority, target), expected, "{authority} {target}");
        }
        assert_eq!(read("h", "//k"), Ok((Some(String::new()), Some("k".to_owned()), false)));
        for target in ["/bkt/%ff", "/bkt/%", "/bkt/%4", "/%C3/k"] {
            assert_eq!(read("h", target), Err("InvalidURI"), "{target}");
        }
    }

    proptest! {
        #[test]
        fn any_key_round_trips_in_both_styles(key in "\\PC{1,40}|[\u{0}-\u{7f}]{1,40}|[/.]{1,10}") {
            let target = format!("/bkt/{}", encode_path(&key));
            prop_assert_eq!(read("10.0.0.1", &target), Ok((Some("bkt".to_owned()), Some(key.clone()), false)));
            let target = format!("/{}", encode_path(&key));
            prop_assert_eq!(read("bkt.example.com", &target), Ok((Some("bkt".to_owned()), Some(key), true)));
        }
    }
}
