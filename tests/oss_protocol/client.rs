//! A client that signs as OSS clients do, in every way they have, and is strict about the answers.

use crate::support::{ACCESS_KEY, SECRET_KEY};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::request::Parts;
use partway::{
    auth::{
        Addressed,
        oss_sign::{presign_v1, presign_v2, presign_v4, sign_v1, sign_v2, sign_v4},
        sign::Credentials,
    },
    dialect::{
        date::{iso8601, parse_http_date},
        percent::{self, Plus},
    },
    digest::{self, CrcKind},
    testkit::raw_client::RawResponse,
};
use sha1::Sha1;

pub(crate) use crate::protocol::{
    content_md5,
    peer::{Peer, now},
    request::{Request, delete, get, head, post, put, request},
};

/// Of a server with a name of its own and a host that stands for a bucket, whose parts may be small.
pub(crate) const FLAGS: &[&str] =
    &["--oss-part-size-min", "5", "--region", "cn-hangzhou", "--domain", "oss.test", "--cname", "files.test=cname-bucket"];

/// What answers may carry; anything else is a leak or a mistake.
const HEADERS_ALLOWED: &[&str] = &[
    "accept-ranges",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "allow",
    "cache-control",
    "connection",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-md5",
    "content-range",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "location",
    "retry-after",
    "server",
    "vary",
    "x-oss-ec",
    "x-oss-err",
    "x-oss-hash-crc64ecma",
    "x-oss-next-append-position",
    "x-oss-object-type",
    "x-oss-request-id",
    "x-oss-server-time",
    "x-oss-storage-class",
    "x-oss-symlink-target",
    "x-oss-tagging-count",
];

/// The ways to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scheme {
    V1,
    V2,
    V4,
    /// In the URL, for so many seconds.
    V1Url(u64),
    V2Url(u64),
    V4Url(u64),
    None,
}

/// Every way to sign.
pub(crate) const EVERY: [Scheme; 6] = [Scheme::V1, Scheme::V2, Scheme::V4, Scheme::V1Url(60), Scheme::V2Url(60), Scheme::V4Url(60)];

/// How a request is signed.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    scheme: Scheme,
    credentials: Credentials,
    /// Bucket and key, where the target does not say them in path style.
    addressed: Option<(String, String)>,
    additional: &'static [&'static str],
    skew_secs: i64,
}

impl Default for Signing {
    fn default() -> Self {
        let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned(), security_token: None };
        Self { scheme: Scheme::V4, credentials, addressed: None, additional: &[], skew_secs: 0 }
    }
}

impl Signing {
    /// Signs a head; no version of OSS signs bodies.
    pub(crate) fn sign(&self, parts: &mut Parts, _body: &[u8]) {
        let (bucket, key) = self.addressed.clone().unwrap_or_else(|| in_path(parts.uri.path()));
        let given = |text: String| (!text.is_empty()).then_some(text);
        let (bucket, key) = (given(bucket), given(key));
        let addressed = &Addressed { bucket: bucket.as_deref(), key: key.as_deref(), bucket_in_host: None };
        let Self { credentials, additional, .. } = self;
        let now = now().plus_millis(self.skew_secs * 1000);
        let signed = match self.scheme {
            Scheme::V1 => sign_v1(parts, credentials, addressed, now),
            Scheme::V2 => sign_v2(parts, credentials, addressed, additional, now),
            Scheme::V4 => sign_v4(parts, credentials, addressed, "cn-hangzhou", additional, now),
            Scheme::V1Url(secs) => presign_v1(parts, credentials, addressed, secs, now),
            Scheme::V2Url(secs) => presign_v2(parts, credentials, addressed, secs, now),
            Scheme::V4Url(secs) => presign_v4(parts, credentials, addressed, "cn-hangzhou", additional, secs, now),
            Scheme::None => Ok(()),
        };
        signed.expect("it can be signed");
    }
}

/// Bucket and key of a path, decoded as a whole.
fn in_path(path: &str) -> (String, String) {
    let path = percent::decode(path, Plus::Literal).unwrap_or_else(|| path.to_owned());
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    (bucket.to_owned(), key.to_owned())
}

impl Request {
    /// Signed in this way.
    pub(crate) fn scheme(mut self, scheme: Scheme) -> Self {
        self.signing.scheme = scheme;
        self
    }

    /// Not signed.
    pub(crate) fn anonymous(self) -> Self {
        self.scheme(Scheme::None)
    }

    /// Signed with another key.
    pub(crate) fn signed_as(mut self, access_key: &str, secret_key: &str) -> Self {
        self.signing.credentials.access_key = access_key.to_owned();
        self.signing.credentials.secret_key = secret_key.to_owned();
        self
    }

    /// With a security token where the way of signing has it.
    pub(crate) fn token(mut self, token: &str) -> Self {
        self.signing.credentials.security_token = Some(token.to_owned());
        self
    }

    /// Signed for this bucket and key, sent to this host: the target does not tell.
    pub(crate) fn at(mut self, host: &str, bucket: &str, key: &str) -> Self {
        self.signing.addressed = Some((bucket.to_owned(), key.to_owned()));
        self.with("host", host)
    }

    /// With these headers signed besides those that always are.
    pub(crate) fn signing_also(mut self, names: &'static [&'static str]) -> Self {
        self.signing.additional = names;
        self
    }

    /// Signed by a clock that is off by so many seconds.
    pub(crate) fn skewed(mut self, secs: i64) -> Self {
        self.signing.skew_secs = secs;
        self
    }

    /// With a request header by which OSS is recognised, for those that say nothing else of theirs.
    pub(crate) fn of_oss(self) -> Self {
        self.with("user-agent", "aliyun-sdk-test/1")
    }
}

/// Every answer, right or wrong, has the headers of oss.md §8 and none that are not on the list.
pub(crate) fn check_form(response: &RawResponse) {
    for (name, _) in &response.headers {
        assert!(HEADERS_ALLOWED.contains(&name.as_str()) || name.starts_with("x-oss-meta-"), "{name} in {response:?}");
    }
    let header = |name: &str| response.header(name).unwrap_or_else(|| panic!("no {name} in {response:?}"));
    let id = header("x-oss-request-id");
    assert!(id.len() == 24 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')), "{id}");
    assert_eq!(header("server"), "AliyunOSS");
    assert!(parse_http_date(header("date")).is_some(), "{response:?}");
    assert!(header("x-oss-server-time").bytes().all(|byte| byte.is_ascii_digit()), "{response:?}");
    assert!(matches!(response.header("connection"), None | Some("keep-alive" | "close")), "{response:?}");
    if let Some(etag) = response.header("etag") {
        let digits = etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or_else(|| panic!("{etag} has no quotes"));
        assert!(digits.len() >= 32 && !digits.bytes().any(|byte| byte.is_ascii_lowercase()), "{etag}");
    }
    if let Some(crc) = response.header("x-oss-hash-crc64ecma") {
        assert!(crc.parse::<u64>().is_ok(), "{crc}");
    }
}

/// An ETag with quotes.
pub(crate) fn etag(body: impl AsRef<[u8]>) -> String {
    format!("\"{}\"", hex::encode_upper(digest::md5(body.as_ref())))
}

/// A CRC as OSS writes it.
pub(crate) fn crc64(body: impl AsRef<[u8]>) -> String {
    CrcKind::Crc64Ecma.of_bytes(body.as_ref()).to_string()
}

/// What version 1 signs with.
pub(crate) fn hmac_sha1(secret: &str, text: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Now as version 4 writes it.
pub(crate) fn iso_basic() -> String {
    iso8601(now())[..19].replace(['-', ':'], "") + "Z"
}
