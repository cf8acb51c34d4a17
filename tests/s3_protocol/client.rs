//! A client that writes signed requests byte by byte and is strict about the answers.

use crate::support::{ACCESS_KEY, SECRET_KEY, Server};
use partway::{
    auth::sign::{Credentials, presign_v4, sign_v4},
    digest,
    model::Timestamp,
    testkit::raw_client::{RawClient, RawResponse},
};
use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signing {
    Header,
    Query { expires_secs: u64 },
    None,
}

/// A request that is written as it is given.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    unsigned_headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    framed: bool,
    payload_word: Option<String>,
    signing: Signing,
    credentials: (String, String),
    region: String,
    skew_secs: i64,
}

/// A request with this method and target, signed in its header.
pub fn request(method: &str, target: &str) -> Request {
    Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers: Vec::new(),
        unsigned_headers: Vec::new(),
        body: Vec::new(),
        framed: true,
        payload_word: None,
        signing: Signing::Header,
        credentials: (ACCESS_KEY.to_owned(), SECRET_KEY.to_owned()),
        region: "us-east-1".to_owned(),
        skew_secs: 0,
    }
}

/// GET.
pub fn get(target: &str) -> Request {
    request("GET", target)
}

/// HEAD.
pub fn head(target: &str) -> Request {
    request("HEAD", target)
}

/// DELETE.
pub fn delete(target: &str) -> Request {
    request("DELETE", target)
}

/// PUT with a body.
pub fn put(target: &str, body: impl AsRef<[u8]>) -> Request {
    request("PUT", target).body(body)
}

/// POST with a body.
pub fn post(target: &str, body: impl AsRef<[u8]>) -> Request {
    request("POST", target).body(body)
}

impl Request {
    /// With a signed header.
    pub fn with(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With a header that is not signed.
    pub fn with_unsigned(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.unsigned_headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// With this body; its length and hash are announced.
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Without Content-Length: whoever calls this says how the body is framed.
    pub fn unframed(mut self) -> Self {
        self.framed = false;
        self
    }

    /// With this x-amz-content-sha256 instead of the body's.
    pub fn payload(mut self, word: &str) -> Self {
        self.payload_word = Some(word.to_owned());
        self
    }

    /// Not signed.
    pub fn anonymous(mut self) -> Self {
        self.signing = Signing::None;
        self
    }

    /// Signed in the query.
    pub fn presigned(mut self, expires_secs: u64) -> Self {
        self.signing = Signing::Query { expires_secs };
        self
    }

    /// Signed with another key.
    pub fn signed_as(mut self, access_key: &str, secret_key: &str) -> Self {
        self.credentials = (access_key.to_owned(), secret_key.to_owned());
        self
    }

    /// Signed for another region.
    pub fn region(mut self, region: &str) -> Self {
        self.region = region.to_owned();
        self
    }

    /// Signed by a clock that is off by so many seconds.
    pub fn skewed(mut self, secs: i64) -> Self {
        self.skew_secs = secs;
        self
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The head as parts, signed, for those who need the signature.
    pub fn signed_parts(&self, host: &str) -> http::request::Parts {
        let mut builder = http::Request::builder().method(self.method.as_str()).uri(&self.target);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            builder = builder.header("host", host);
        }
        for (name, value) in &self.headers {
            builder = builder.header(name.as_str(), value.as_slice());
        }
        let (mut parts, ()) = builder.body(()).expect("the request is one").into_parts();
        let (access_key, secret_key) = self.credentials.clone();
        let credentials = Credentials { access_key, secret_key, security_token: None };
        let now = now().plus_millis(self.skew_secs * 1000);
        match self.signing {
            Signing::Header => {
                let word = self.payload_word.clone().unwrap_or_else(|| hex::encode(digest::sha256(&self.body)));
                sign_v4(&mut parts, &credentials, &self.region, &word, now).expect("it can be signed");
            }
            Signing::Query { expires_secs } => {
                presign_v4(&mut parts, &credentials, &self.region, expires_secs, now).expect("it can be signed");
            }
            Signing::None => {}
        }
        parts
    }

    /// The head as sent, up to and with the empty line.
    pub fn head_bytes(&self, host: &str) -> Vec<u8> {
        let parts = self.signed_parts(host);
        let target = parts.uri.path_and_query().map_or("*", |target| target.as_str());
        let mut bytes = format!("{} {target} HTTP/1.1\r\n", self.method).into_bytes();
        let mut line = |name: &str, value: &[u8]| {
            bytes.extend_from_slice(format!("{name}: ").as_bytes());
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        };
        for (name, value) in &parts.headers {
            line(name.as_str(), value.as_bytes());
        }
        for (name, value) in &self.unsigned_headers {
            line(name, value);
        }
        let has_body = !self.body.is_empty() || ["PUT", "POST"].contains(&self.method.as_str());
        if self.framed && has_body {
            line("Content-Length", self.body.len().to_string().as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// The whole request as sent.
    pub fn bytes(&self, host: &str) -> Vec<u8> {
        [self.head_bytes(host), self.body.clone()].concat()
    }
}

/// The time by which requests are signed.
pub fn now() -> Timestamp {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    Timestamp::from_secs(i64::try_from(secs).expect("it is before the year 292277026596"))
}

/// A server and what tests ask of it.
pub struct Peer {
    server: Server,
    bucket_count: AtomicU32,
}

impl Peer {
    /// Starts a server whose parts may be small, and which does not sync: what is on disk is for other tests.
    pub fn start() -> Self {
        let server = Server::start_with(&["--durability", "none", "--s3-part-size-min", "5", "--body-timeout", "2s"]);
        Self { server, bucket_count: AtomicU32::new(0) }
    }

    /// The Host header.
    pub fn host(&self) -> String {
        self.server.address.to_string()
    }

    /// A connection.
    pub fn connect(&self) -> RawClient {
        RawClient::connect(self.server.address).expect("the server accepts")
    }

    /// A new bucket's name.
    pub fn bucket(&self) -> String {
        let name = format!("bkt-{}", self.bucket_count.fetch_add(1, Ordering::Relaxed));
        assert_eq!(self.ask(&put(&format!("/{name}"), "")).status, 200);
        name
    }

    /// Sends a request on a connection of its own and checks the answer's form.
    pub fn ask(&self, request: &Request) -> RawResponse {
        self.ask_bytes(request.method(), &request.bytes(&self.host()))
    }

    /// As [`Self::ask`], for bytes.
    pub fn ask_bytes(&self, method: &str, bytes: &[u8]) -> RawResponse {
        let mut client = self.connect();
        client.send(bytes).unwrap_or_else(|error| panic!("{error} while sending"));
        let response = loop {
            let response = client
                .receive(method)
                .unwrap_or_else(|error| panic!("{error} for {}", String::from_utf8_lossy(&bytes[..bytes.len().min(300)])));
            if response.status / 100 != 1 {
                break response;
            }
        };
        check_form(&response);
        response
    }

    /// Asks and expects this status.
    pub fn expect(&self, request: &Request, status: u16) -> RawResponse {
        let response = self.ask(request);
        assert_eq!(response.status, status, "{request:?}: {}", String::from_utf8_lossy(&response.body));
        response
    }

    /// Begins a multipart upload of `/bucket/key`.
    pub fn create_upload(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let create = headers.iter().fold(post(&format!("{path}?uploads"), ""), |create, (name, value)| create.with(name, value));
        self.expect(&create, 200).element("UploadId").expect("the upload has an id").to_owned()
    }

    /// Uploads a part and returns its ETag with quotes.
    pub fn upload_part(&self, path: &str, upload_id: &str, number: u32, body: impl AsRef<[u8]>) -> String {
        let part = put(&format!("{path}?partNumber={number}&uploadId={upload_id}"), body);
        self.expect(&part, 200).header("etag").expect("a part has an ETag").to_owned()
    }

    /// Whether it still answers as it should.
    pub fn assert_well(&self, after: &str) {
        let response = self.ask(&get("/"));
        assert_eq!(response.status, 200, "after {after}");
        assert!(response.text().ends_with("</ListAllMyBucketsResult>"), "after {after}: {}", response.text());
    }
}

/// Every answer, right or wrong, has the headers of §9 and none that are not on the list.
pub fn check_form(response: &RawResponse) {
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
pub fn checksum(algorithm: &str, body: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let algorithm = partway::model::ChecksumAlgorithm::parse(algorithm).expect("it is one of ours");
    let mut hasher = digest::Hasher::new(algorithm);
    hasher.update(body);
    STANDARD.encode(hasher.finish().digest())
}

/// An MD5 as Content-MD5 writes it.
pub fn content_md5(body: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(digest::md5(body))
}

/// An ETag with quotes.
pub fn etag(body: &[u8]) -> String {
    format!("\"{}\"", hex::encode(digest::md5(body)))
}
