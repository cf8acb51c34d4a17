//! Where a request is addressed: virtual host, CNAME or path, and what to make of the clients that mix them.

use super::error;
use crate::dialect::{
    address::{Address, Hosts, bucket_in_host, host},
    error::ErrorReply,
    percent::{self, Plus},
};
use http::request::Parts;

/// Where OSS itself lives: ali-oss writes such a Host whatever endpoint it talks to, when that is an IP address.
const OSS_DOMAIN: &str = ".aliyuncs.com";

/// Reads bucket and key from host and path. The path is decoded once and taken literally: `//`, `.`, `..` and an encoded slash
/// stay in the key.
///
/// When the host names a bucket and the path begins with the same one, both readings are returned: ali-oss with an IP address
/// and `sldEnable` names the bucket twice, and only the signature tells it from a key that begins so.
///
/// # Errors
/// `InvalidBucketName` and `InvalidObjectName` for what does not decode to UTF-8.
pub fn addresses(parts: &Parts, hosts: &Hosts) -> Result<Vec<Address>, ErrorReply> {
    let path = parts.uri.path();
    let path = if path == "*" { "" } else { path.strip_prefix('/').unwrap_or(path) };
    let host = host(parts);
    let host = host.strip_suffix('.').unwrap_or(&host);

    if let Some(bucket) = hosts.cnames.get(host) {
        return Ok(vec![Address { bucket: Some(bucket.clone()), key: key(path)?, virtual_hosted: true }]);
    }
    let by_path = by_path(path);
    let Some(bucket) = bucket_in_host(host, &hosts.domains).or_else(|| bucket_at_oss(host)) else {
        return Ok(vec![by_path?]);
    };
    let by_host = Address { bucket: Some(bucket), key: key(path)?, virtual_hosted: true };
    let named_twice = by_path.ok().filter(|by_path| by_path.bucket == by_host.bucket);
    Ok([by_host].into_iter().chain(named_twice).collect())
}

/// The first label of `<bucket>.<endpoint>.aliyuncs.com`. An empty one, which ali-oss writes when it lists buckets, names none.
fn bucket_at_oss(host: &str) -> Option<String> {
    let (bucket, _endpoint) = host.strip_suffix(OSS_DOMAIN)?.split_once('.')?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}

fn by_path(path: &str) -> Result<Address, ErrorReply> {
    let (bucket, rest) = path.split_once('/').unwrap_or((path, ""));
    let key = key(rest)?;
    // `//key` names an empty bucket, which is an error of its own; `/` names none.
    let bucket = match bucket {
        "" if key.is_none() => None,
        _ => Some(percent::decode(bucket, Plus::Literal).ok_or_else(error::invalid_bucket_name)?),
    };
    Ok(Address { bucket, key, virtual_hosted: false })
}

fn key(path: &str) -> Result<Option<String>, ErrorReply> {
    let key = percent::decode(path, Plus::Literal).ok_or_else(error::invalid_object_name)?;
    Ok((!key.is_empty()).then_some(key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dialect::percent::{encode, encode_path};
    use proptest::prelude::*;

    /// Bucket, key and whether the host named the bucket; empty text for none.
    type Reading = (String, String, bool);

    fn read(host: &str, target: &str) -> Result<Vec<Reading>, &'static str> {
        let request = http::Request::builder().uri(target).header("host", host).body(()).unwrap();
        let domains = ["example.com".to_owned(), "oss.example.com".to_owned()];
        let hosts = Hosts { domains: domains.into(), cnames: [("files.example.org".to_owned(), "cname".to_owned())].into() };
        let addresses = addresses(&request.into_parts().0, &hosts).map_err(|error| error.code)?;
        let reading = |address: Address| (address.bucket.unwrap_or_default(), address.key.unwrap_or_default(), address.virtual_hosted);
        Ok(addresses.into_iter().map(reading).collect())
    }

    #[test]
    fn hosts_and_paths_name_bucket_and_key() {
        let path = |bucket: &str, key: &str| (bucket.to_owned(), key.to_owned(), false);
        let host = |bucket: &str, key: &str| (bucket.to_owned(), key.to_owned(), true);
        for (authority, target, expected) in [
            ("127.0.0.1:9000", "/", path("", "")),
            ("127.0.0.1:9000", "/bkt", path("bkt", "")),
            ("127.0.0.1:9000", "/bkt/?uploads", path("bkt", "")),
            ("127.0.0.1:9000", "/bkt/dir%2Fa%20b%2B%C3%BC.txt", path("bkt", "dir/a b+ü.txt")),
            ("127.0.0.1:9000", "/bkt/a//b/../c+d", path("bkt", "a//b/../c+d")),
            ("[::1]:9000", "/bkt//", path("bkt", "/")),
            ("localhost:9000", "/bkt/k", path("bkt", "k")),
            ("bkt.localhost:9000", "/k", host("bkt", "k")),
            ("BKT.LocalHost.", "/k/", host("bkt", "k/")),
            ("oss.example.com", "/bkt/k", path("bkt", "k")),
            ("bkt.oss.example.com:443", "/", host("bkt", "")),
            (".oss.example.com", "/", path("", "")),
            ("Files.Example.org:80", "/cname/b", host("cname", "cname/b")),
            ("bkt.oss-cn-hangzhou.aliyuncs.com", "/a/b", host("bkt", "a/b")),
            ("bkt.oss-cn-hangzhou-internal.aliyuncs.com:80", "/", host("bkt", "")),
            ("oss-cn-hangzhou.aliyuncs.com", "/bkt/k", path("bkt", "k")),
            (".oss-cn-hangzhou.aliyuncs.com", "/", path("", "")),
            ("notaliyuncs.com", "/bkt", path("bkt", "")),
            ("other", "http://bkt.localhost/k", host("bkt", "k")),
            ("other", "*", path("", "")),
        ] {
            assert_eq!(read(authority, target), Ok(vec![expected]), "{authority} {target}");
        }
        assert_eq!(read("h", "//k"), Ok(vec![path("", "k")]));
    }

    #[test]
    fn a_bucket_named_twice_has_two_readings() {
        let readings = |target| read("bkt.oss-cn-hangzhou.aliyuncs.com", target);
        let host = |key: &str| ("bkt".to_owned(), key.to_owned(), true);
        let path = |key: &str| ("bkt".to_owned(), key.to_owned(), false);
        assert_eq!(readings("/bkt/a%2Fb"), Ok(vec![host("bkt/a/b"), path("a/b")]));
        assert_eq!(readings("/bkt/"), Ok(vec![host("bkt/"), path("")]));
        assert_eq!(readings("/bkt"), Ok(vec![host("bkt"), path("")]));
        assert_eq!(readings("/bktx/a"), Ok(vec![host("bktx/a")]));
    }

    #[test]
    fn what_does_not_decode_is_refused() {
        for (target, code) in [("/bkt/%ff", "InvalidObjectName"), ("/bkt/%", "InvalidObjectName"), ("/%C3/k", "InvalidBucketName")] {
            assert_eq!(read("h", target), Err(code), "{target}");
        }
    }

    proptest! {
        #[test]
        fn any_key_round_trips_in_every_style(key in "\\PC{1,40}|[\u{0}-\u{7f}]{1,40}|[/.]{1,10}") {
            for encoded in [encode(&key), encode_path(&key)] {
                let reading = read("10.0.0.1", &format!("/bkt/{encoded}"));
                prop_assert_eq!(reading, Ok(vec![("bkt".to_owned(), key.clone(), false)]));
                let readings = read("bkt.example.com", &format!("/{encoded}")).unwrap();
                prop_assert_eq!(&readings[0], &("bkt".to_owned(), key.clone(), true));
            }
        }
    }
}
