//! How this suite signs: as either dialect, in the head or in the URL, with the clock of its choice.

use crate::request::Request;
use http::request::Parts;
use partway::{
    auth::{Addressed, oss_sign, sign, sign::Credentials},
    dialect::percent::{self, Plus},
    digest,
    model::Timestamp,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The root key of every server here.
pub(crate) const ACCESS_KEY: &str = "PARTWAYHOSTILEROOT01";
/// Its secret.
pub(crate) const SECRET_KEY: &str = "a-secret/of+the=hostile.suite";
/// The region that requests are signed for.
pub(crate) const REGION: &str = "cn-hangzhou";

/// The time by which requests are signed.
pub(crate) fn now() -> Timestamp {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    Timestamp::from_secs(i64::try_from(secs).expect("it is before the year 292277026596"))
}

/// How a request is signed.
#[derive(Clone, Debug)]
pub(crate) struct Signing {
    scheme: Scheme,
    credentials: Credentials,
    payload_word: Option<String>,
    skew_secs: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    S3,
    S3Url { expires_secs: u64 },
    Oss,
    OssUrl { expires_secs: u64 },
    None,
}

impl Default for Signing {
    fn default() -> Self {
        let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned(), security_token: None };
        Self { scheme: Scheme::S3, credentials, payload_word: None, skew_secs: 0 }
    }
}

impl Signing {
    /// Signs a head.
    pub(crate) fn sign(&self, parts: &mut Parts, body: &[u8]) {
        let (bucket, key) = in_path(parts.uri.path());
        let addressed = &Addressed { bucket: bucket.as_deref(), key: key.as_deref(), bucket_in_host: None };
        let now = now().plus_millis(self.skew_secs * 1000);
        let signed = match self.scheme {
            Scheme::S3 => {
                let word = self.payload_word.clone().unwrap_or_else(|| hex::encode(digest::sha256(body)));
                sign::sign_v4(parts, &self.credentials, REGION, &word, now)
            }
            Scheme::S3Url { expires_secs } => sign::presign_v4(parts, &self.credentials, REGION, expires_secs, now),
            Scheme::Oss => oss_sign::sign_v4(parts, &self.credentials, addressed, REGION, &[], now),
            Scheme::OssUrl { expires_secs } => oss_sign::presign_v4(parts, &self.credentials, addressed, REGION, &[], expires_secs, now),
            Scheme::None => Ok(()),
        };
        signed.expect("it can be signed");
    }
}

fn in_path(path: &str) -> (Option<String>, Option<String>) {
    let path = percent::decode(path, Plus::Literal).unwrap_or_else(|| path.to_owned());
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
    let given = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    (given(bucket), given(key))
}

impl Request {
    /// Signed as OSS clients do.
    pub(crate) fn oss(mut self) -> Self {
        self.signing.scheme = Scheme::Oss;
        self
    }

    /// Not signed.
    pub(crate) fn anonymous(mut self) -> Self {
        self.signing.scheme = Scheme::None;
        self
    }

    /// Signed in the URL, in the way of the dialect.
    pub(crate) fn presigned(mut self, expires_secs: u64) -> Self {
        self.signing.scheme = match self.signing.scheme {
            Scheme::Oss | Scheme::OssUrl { .. } => Scheme::OssUrl { expires_secs },
            Scheme::S3 | Scheme::S3Url { .. } | Scheme::None => Scheme::S3Url { expires_secs },
        };
        self
    }

    /// With this x-amz-content-sha256 instead of the body's.
    pub(crate) fn payload(mut self, word: &str) -> Self {
        self.signing.payload_word = Some(word.to_owned());
        self
    }

    /// Signed by a clock that is off by so many seconds.
    pub(crate) fn skewed(mut self, secs: i64) -> Self {
        self.signing.skew_secs = secs;
        self
    }

    /// Signed with these credentials.
    pub(crate) fn with_credentials(mut self, access_key: &str, secret_key: &str, token: Option<&str>) -> Self {
        self.signing.credentials =
            Credentials { access_key: access_key.to_owned(), secret_key: secret_key.to_owned(), security_token: token.map(str::to_owned) };
        self
    }
}
