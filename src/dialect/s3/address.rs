//! Where a request is addressed: path-style and virtual-hosted (S3 User Guide, "Virtual hosting of
//! general purpose buckets").

use super::error::ErrorReply;
use crate::dialect::{
    address::{bucket_in_host, host},
    percent::{self, Plus},
};
use http::request::Parts;

pub(super) use crate::dialect::address::{Address, Hosts};

/// Reads bucket and key from host and path. A host that stands for a bucket wins over the suffixes of virtual hosts.
///
/// The path is decoded once and taken literally: `//`, `.`, `..` and an encoded slash stay in the key.
///
/// # Errors
/// `InvalidURI` for a path that does not decode to UTF-8.
pub fn address(parts: &Parts, hosts: &Hosts) -> Result<Address, ErrorReply> {
    let path = parts.uri.path();
    let path = if path == "*" { "" } else { path.strip_prefix('/').unwrap_or(path) };
    let decode = |text: &str| percent::decode(text, Plus::Literal).ok_or_else(ErrorReply::invalid_uri);
    let filled = |text: String| (!text.is_empty()).then_some(text);

    let host = host(parts);
    if let Some(bucket) = hosts.cnames.get(&host).cloned().or_else(|| bucket_in_host(&host, &hosts.domains)) {
        return Ok(Address { bucket: Some(bucket), key: filled(decode(path)?), virtual_hosted: true });
    }
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let key = filled(decode(key)?);
    // `//key` names an empty bucket, which is an error of its own; `/` names none.
    let bucket = if bucket.is_empty() && key.is_none() { None } else { Some(decode(bucket)?) };
    Ok(Address { bucket, key, virtual_hosted: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::percent::encode_path;
    use proptest::prelude::*;

    fn read(host: &str, target: &str) -> Result<(Option<String>, Option<String>, bool), &'static str> {
        let request = http::Request::builder().uri(target).header("host", host).body(()).unwrap();
        let domains = ["example.com".to_owned(), "s3.example.com".to_owned()];
        let hosts = Hosts { domains: domains.into(), cnames: [("files.example.org".to_owned(), "cname".to_owned())].into() };
        let address = address(&request.into_parts().0, &hosts).map_err(|error| error.code)?;
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
            ("Files.Example.org:80", "/a/b", host("cname", "a/b")),
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
