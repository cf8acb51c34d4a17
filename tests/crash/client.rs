//! A client of both dialects: signs, sends, and keeps its connection.

use partway::{
    auth::{
        Addressed, oss_sign,
        sign::{self, Credentials},
    },
    model::Timestamp,
    testkit::raw_client::{RawClient, RawResponse},
};
use std::{
    io,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

/// The root key of the servers.
pub(crate) const ACCESS_KEY: &str = "PARTWAYTESTROOTKEY01";
/// Its secret.
pub(crate) const SECRET_KEY: &str = "a-secret-of-the-crash-tests";

/// The bucket that everything is in.
pub(crate) const BUCKET: &str = "crash";

/// Long enough for the slowest machine: a server that is dead closes its connections.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    S3,
    Oss,
}

impl Dialect {
    /// A header by the part of its name that follows `x-amz-` or `x-oss-`.
    pub(crate) fn header(self, name: &str) -> String {
        match self {
            Self::S3 => format!("x-amz-{name}"),
            Self::Oss => format!("x-oss-{name}"),
        }
    }
}

pub(crate) struct Client {
    address: SocketAddr,
    connection: Option<RawClient>,
}

/// A request of the bucket or of a key in it.
pub(crate) struct Request<'a> {
    pub(crate) dialect: Dialect,
    pub(crate) method: &'a str,
    /// Empty for the bucket.
    pub(crate) key: &'a str,
    /// Without its question mark.
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl<'a> Request<'a> {
    pub(crate) fn new(dialect: Dialect, method: &'a str, key: &'a str) -> Self {
        Self { dialect, method, key, query: String::new(), headers: vec![], body: vec![] }
    }

    pub(crate) fn query(mut self, query: impl Into<String>) -> Self {
        self.query = query.into();
        self
    }

    pub(crate) fn header(mut self, name: String, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn body(mut self, body: Vec<u8>) -> Self {
        self.body = body;
        self
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    /// Sends a request and reads its answer. After an error the next request has a connection of its own.
    pub(crate) fn ask(&mut self, request: &Request<'_>) -> io::Result<RawResponse> {
        let bytes = self.bytes(request);
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = RawClient::connect(self.address)?;
                connection.set_read_timeout(PATIENCE)?;
                connection
            }
        };
        let response = connection.ask(&bytes)?;
        if response.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close")) {
            self.connection = Some(connection);
        }
        Ok(response)
    }

    /// What is sent for a request.
    pub(crate) fn bytes(&self, request: &Request<'_>) -> Vec<u8> {
        let Request { dialect, method, key, query, headers, body } = request;
        let slash = if key.is_empty() { "" } else { "/" };
        let question = if query.is_empty() { "" } else { "?" };
        let target = format!("/{BUCKET}{slash}{key}{question}{query}");
        let mut builder = http::Request::builder().method(*method).uri(&target).header("host", self.address.to_string());
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let (mut parts, ()) = builder.body(()).expect("the request is one").into_parts();
        let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned(), security_token: None };
        match dialect {
            Dialect::S3 => sign::sign_v4(&mut parts, &credentials, "us-east-1", "UNSIGNED-PAYLOAD", now()),
            Dialect::Oss => {
                let addressed = Addressed { bucket: Some(BUCKET), key: (!key.is_empty()).then_some(*key), bucket_in_host: None };
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
        if ["PUT", "POST"].contains(method) {
            bytes.extend_from_slice(format!("content-length: {}\r\n", body.len()).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.extend_from_slice(body);
        bytes
    }
}

fn now() -> Timestamp {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    Timestamp::from_secs(i64::try_from(secs).expect("it is before the year 292277026596"))
}

/// The texts of all elements of this name, in order.
pub(crate) fn elements<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    text.split(&open).skip(1).filter_map(|rest| Some(rest.split_once(&close)?.0)).collect()
}
