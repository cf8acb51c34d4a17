//! Requests as the clients of both dialects sign them, as bytes.

use partway::{
    auth::{
        Addressed, oss_sign,
        sign::{self, Credentials},
    },
    model::Timestamp,
};
use std::time::{SystemTime, UNIX_EPOCH};

/// The root key of the servers.
pub(crate) const ACCESS_KEY: &str = "PARTWAYTESTROOTKEY01";
/// Its secret, and that of every other key.
pub(crate) const SECRET_KEY: &str = "a-secret-of-the-crowd-tests";

/// The bucket that everything is in.
pub(crate) const BUCKET: &str = "crowd";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    S3,
    Oss,
}

/// Who sends requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) dialect: Dialect,
    pub(crate) access_key: &'static str,
    pub(crate) secret_key: &'static str,
}

impl Sender {
    /// Who has the root key.
    pub(crate) const ROOT: Self = Self { dialect: Dialect::S3, access_key: ACCESS_KEY, secret_key: SECRET_KEY };

    /// The head of a request to the bucket or, unless it is empty, a key in it; `size` is the body's.
    pub(crate) fn head(self, method: &str, key: &str, headers: &[(&str, &str)], size: Option<u64>) -> Vec<u8> {
        let slash = if key.is_empty() { "" } else { "/" };
        let target = format!("/{BUCKET}{slash}{key}");
        let mut builder = http::Request::builder().method(method).uri(&target).header("host", "localhost");
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let (mut parts, ()) = builder.body(()).expect("the request is one").into_parts();
        let credentials =
            Credentials { access_key: self.access_key.to_owned(), secret_key: self.secret_key.to_owned(), security_token: None };
        match self.dialect {
            Dialect::S3 => sign::sign_v4(&mut parts, &credentials, "us-east-1", "UNSIGNED-PAYLOAD", now()),
            Dialect::Oss => {
                let addressed = Addressed { bucket: Some(BUCKET), key: (!key.is_empty()).then_some(key), bucket_in_host: None };
                oss_sign::sign_v1(&mut parts, &credentials, &addressed, now())
            }
        }
        .expect("it can be signed");
        let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in &parts.headers {
            bytes.extend_from_slice(format!("{name}: ").as_bytes());
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        if let Some(size) = size {
            bytes.extend_from_slice(format!("content-length: {size}\r\n").as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// A PUT with its body.
    pub(crate) fn put(self, key: &str, body: &[u8]) -> Vec<u8> {
        let mut bytes = self.head("PUT", key, &[], Some(body.len() as u64));
        bytes.extend_from_slice(body);
        bytes
    }

    /// A GET.
    pub(crate) fn get(self, key: &str) -> Vec<u8> {
        self.head("GET", key, &[], None)
    }
}

fn now() -> Timestamp {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    Timestamp::from_secs(i64::try_from(secs).expect("it is before the year 292277026596"))
}
