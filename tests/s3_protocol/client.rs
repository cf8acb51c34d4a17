//! A client that signs as S3 clients do and is strict about the answers.

use crate::support::{ACCESS_KEY, SECRET_KEY};
use http::request::Parts;
use partway::{
    auth::sign::{Credentials, presign_v4, sign_v4},
    digest,
    testkit::raw_client::RawResponse,
};

pub(crate) use crate::protocol::{
    content_md5,
    peer::{Peer, now},
    request::{Request, delete, get, head, post, put, request},
};

/// Of a server whose parts may be small.
pub(crate) const FLAGS: &[&str] = &["--s3-part-size-min", "5"];

/// What answers may carry; anything else is a leak or a mistake.
const HEADERS_ALLOWED: &[&str] = &[
    "accept-ranges",
    "access-control-allow-credentials",
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
    "x-amz-bucket-region",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-id-2",
    "x-amz-missing-meta",
    "x-amz-mp-parts-count",
    "x-amz-request-id",
    "x-amz-storage-class",
    "x-amz-tagging-count",
    "x-amz-website-redirect-location",
];

/// How a request is signed.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    place: Place,
    payload_word: Option<String>,
    credentials: (String, String),
    region: String,
    skew_secs: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Query { expires_secs: u64 },
    None,
}

impl Default for Signing {
    fn default() -> Self {
        let credentials = (ACCESS_KEY.to_owned(), SECRET_KEY.to_owned());
        Self { place: Place::Header, payload_word: None, credentials, region: "us-east-1".to_owned(), skew_secs: 0 }
    }
}

impl Signing {
    /// Signs a head.
    pub(crate) fn sign(&self, parts: &mut Parts, body: &[u8]) {
        let (access_key, secret_key) = self.credentials.clone();
        let credentials = Credentials { access_key, secret_key, security_token: None };
        let now = now().plus_millis(self.skew_secs * 1000);
        match self.place {
            Place::Header => {
                let word = self.payload_word.clone().unwrap_or_else(|| hex::encode(digest::sha256(body)));
                sign_v4(parts, &credentials, &self.region, &word, now).expect("it can be signed");
            }
            Place::Query { expires_secs } => {
                presign_v4(parts, &credentials, &self.region, expires_secs, now).expect("it can be signed");
            }
            Place::None => {}
        }
    }
}

impl Request {
    /// With this x-amz-content-sha256 instead of the body's.
    pub(crate) fn payload(mut self, word: &str) -> Self {
        self.signing.payload_word = Some(word.to_owned());
        self
    }

    /// Not signed.
    pub(crate) fn anonymous(mut self) -> Self {
        self.signing.place = Place::None;
        self
    }

    /// Signed in the query.
    pub(crate) fn presigned(mut self, expires_secs: u64) -> Self {
        self.signing.place = Place::Query { expires_secs };
        self
    }

    /// Signed with another key.
    pub(crate) fn signed_as(mut self, access_key: &str, secret_key: &str) -> Self {
        self.signing.credentials = (access_key.to_owned(), secret_key.to_owned());
        self
    }

    /// Signed for another region.
    pub(crate) fn region(mut self, region: &str) -> Self {
        self.signing.region = region.to_owned();
        self
    }

    /// Signed by a clock that is off by so many seconds.
    pub(crate) fn skewed(mut self, secs: i64) -> Self {
        self.signing.skew_secs = secs;
        self
    }
}

/// Every answer, right or wrong, has the headers of §9 and none that are not on the list.
pub(crate) fn check_form(response: &RawResponse) {
    for (name, _) in &response.headers {
        assert!(HEADERS_ALLOWED.contains(&name.as_str()) || name.starts_with("x-amz-meta-"), "{name} in {response:?}");
    }
    let id = response.header("x-amz-request-id").unwrap_or_else(|| panic!("no request id in {response:?}"));
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{id}");
    for name in ["x-amz-id-2", "date", "server"] {
        assert!(response.header(name).is_some_and(|value| !value.is_empty()), "no {name} in {response:?}");
    }
}

/// A checksum of `body` as clients write it.
pub(crate) fn checksum(algorithm: &str, body: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let algorithm = partway::model::ChecksumAlgorithm::parse(algorithm).expect("it is one of ours");
    let mut hasher = digest::Hasher::new(algorithm);
    hasher.update(body);
    STANDARD.encode(hasher.finish().digest())
}

/// An ETag with quotes.
pub(crate) fn etag(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(digest::md5(body)))
}
