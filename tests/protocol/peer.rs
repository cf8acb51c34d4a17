//! A server of the real binary, and the ways in which both suites ask it.

use super::request::{Request, get, post, put};
use crate::{
    client::{FLAGS, check_form},
    support::Server,
};
use partway::{
    model::Timestamp,
    testkit::raw_client::{RawClient, RawResponse},
};
use std::{
    io,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// The time by which requests are signed.
pub(crate) fn now() -> Timestamp {
    let secs = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970").as_secs();
    Timestamp::from_secs(i64::try_from(secs).expect("it is before the year 292277026596"))
}

/// A server and what tests ask of it.
pub(crate) struct Peer {
    server: Server,
    bucket_count: AtomicU32,
}

impl Peer {
    /// Starts a server that does not sync: what is on disk is for other tests.
    pub(crate) fn start() -> Self {
        let server = Server::start_with(&[&["--durability", "none", "--body-timeout", "2s"], FLAGS].concat());
        Self { server, bucket_count: AtomicU32::new(0) }
    }

    /// The Host header.
    pub(crate) fn host(&self) -> String {
        self.server.address.to_string()
    }

    /// A connection.
    pub(crate) fn connect(&self) -> RawClient {
        RawClient::connect(self.server.address).expect("the server accepts")
    }

    /// A new bucket's name.
    pub(crate) fn bucket(&self) -> String {
        let name = format!("bkt-{}", self.bucket_count.fetch_add(1, Ordering::Relaxed));
        assert_eq!(self.ask(&put(&format!("/{name}"), "")).status, 200);
        name
    }

    /// Sends a request on a connection of its own and checks the answer's form.
    pub(crate) fn ask(&self, request: &Request) -> RawResponse {
        self.ask_bytes(request.method(), &request.bytes(&self.host()))
    }

    /// As [`Self::ask`], for bytes.
    pub(crate) fn ask_bytes(&self, method: &str, bytes: &[u8]) -> RawResponse {
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

    /// All answers to these bytes until the server closes or says nothing more.
    pub(crate) fn answers(&self, bytes: &[u8]) -> Vec<RawResponse> {
        let mut client = self.connect();
        client.set_read_timeout(std::time::Duration::from_millis(700)).expect("a time-out can be set");
        // A server that has seen enough may close before everything is sent.
        let _ = client.send(bytes);
        let mut answers = Vec::new();
        while answers.len() < 10 {
            match client.receive("GET") {
                Ok(response) => answers.push(response),
                Err(error) => {
                    assert_ne!(error.kind(), io::ErrorKind::InvalidData, "{error} after {answers:?}");
                    break;
                }
            }
        }
        answers
    }

    /// Asks and expects this status.
    pub(crate) fn expect(&self, request: &Request, status: u16) -> RawResponse {
        let response = self.ask(request);
        assert_eq!(response.status, status, "{request:?}: {}", String::from_utf8_lossy(&response.body));
        response
    }

    /// Begins a multipart upload of `/bucket/key`.
    pub(crate) fn create_upload(&self, path: &str, headers: &[(&str, &str)]) -> String {
        let create = headers.iter().fold(post(&format!("{path}?uploads"), ""), |create, (name, value)| create.with(name, value));
        self.expect(&create, 200).element("UploadId").expect("the upload has an id").to_owned()
    }

    /// Uploads a part and returns its ETag with quotes.
    pub(crate) fn upload_part(&self, path: &str, upload_id: &str, number: u32, body: impl AsRef<[u8]>) -> String {
        let part = put(&format!("{path}?partNumber={number}&uploadId={upload_id}"), body);
        self.expect(&part, 200).header("etag").expect("a part has an ETag").to_owned()
    }

    /// Whether it still answers as it should.
    pub(crate) fn assert_well(&self, after: &str) {
        let response = self.ask(&get("/"));
        assert_eq!(response.status, 200, "after {after}");
        assert!(response.text().ends_with("</ListAllMyBucketsResult>"), "after {after}: {}", response.text());
    }
}

/// The statuses of answers, with spaces between them.
pub(crate) fn statuses(answers: &[RawResponse]) -> String {
    answers.iter().map(|answer| answer.status.to_string()).collect::<Vec<_>>().join(" ")
}
