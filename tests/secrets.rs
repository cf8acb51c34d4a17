//! What the log tells at its most talkative, and what the data directory holds: never what somebody could sign or let
//! himself in with.

#[path = "secrets/at_rest.rs"]
mod at_rest;

use partway::{
    auth::{
        Addressed, oss_sign,
        sign::{self, Credentials},
        sts::{Role, SessionRequest, TokenKey},
    },
    model::{Account, KeyRecord, KeyStatus, Timestamp},
};
use std::{
    fs::File,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, SystemTime},
};

const ACCESS_KEY: &str = "AKCANARY";
const SECRET_KEY: &str = "canary-of-the-root-secret";

struct Server {
    child: Child,
    address: SocketAddr,
    place: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let place = tempfile::tempdir().expect("a temporary directory");
        let log = File::create(place.path().join("log")).expect("it is ours");
        let mut child = Command::new(env!("CARGO_BIN_EXE_partway"))
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--log-level", "trace", "--data"])
            .arg(place.path().join("data"))
            .envs([("PARTWAY_ROOT_ACCESS_KEY", ACCESS_KEY), ("PARTWAY_ROOT_SECRET_KEY", SECRET_KEY)])
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
        let listening = lines.find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
        Self { child, address: listening.expect("the server says where it listens"), place }
    }

    /// The status of the answer to a request.
    fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("it is a socket");
        stream.write_all(request.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer is text");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    /// All that it logged until its end, which is now: lines of requests may wait a moment before they are written.
    fn last_words(&mut self) -> String {
        rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM).expect("it is ours");
        self.child.wait().expect("it ends");
        std::fs::read_to_string(self.place.path().join("log")).expect("it is text")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970");
    Timestamp::from_secs(i64::try_from(since_epoch.as_secs()).expect("for a while yet"))
}

fn root() -> Credentials {
    Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned(), security_token: None }
}

/// Temporary credentials as the server itself would issue them.
fn temporary() -> Credentials {
    let parent = KeyRecord {
        access_key: ACCESS_KEY.to_owned(),
        secret_key: SECRET_KEY.to_owned(),
        account: Account::root(),
        policy: None,
        status: KeyStatus::Active,
        created: now(),
    };
    let request = SessionRequest {
        role: Role::parse("acs:ram::1:role/canary").expect("it is one"),
        session_name: "canary".to_owned(),
        duration_secs: 900,
        policy: None,
    };
    let issued = TokenKey::new(SECRET_KEY).issue(&parent, &request, now(), [7; 16]);
    Credentials { access_key: issued.access_key, secret_key: issued.secret_key, security_token: Some(issued.security_token) }
}

/// A request as text, and what in it is nobody's business: its signature.
fn request(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    sign: impl FnOnce(&mut http::request::Parts) -> Result<(), sign::SignError>,
) -> (String, String) {
    let mut request = http::Request::builder().method(method).uri(target).header("host", "localhost").header("connection", "close");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).expect("it is a request").into_parts();
    sign(&mut parts).expect("it can be signed");
    let fields: String = parts.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().expect("it is text"))).collect();
    let text = format!("{method} {} HTTP/1.1\r\n{fields}\r\n", parts.uri);
    let signature = match parts.headers.get("authorization") {
        Some(value) => value.to_str().expect("it is text").rsplit(['=', ':']).find(|text| text.len() > 20).map(str::to_owned),
        None => parts.uri.query().and_then(|query| query.split('&').find_map(|pair| Some(pair.split_once("ignature=")?.1.to_owned()))),
    };
    (text, signature.expect("it is signed"))
}

#[test]
fn the_log_holds_no_secret_no_token_and_no_signature() {
    let mut server = Server::start();
    let (root, temporary, now) = (root(), temporary(), now());
    let token = temporary.security_token.clone().expect("temporary credentials have one");
    let bucket = Addressed { bucket: Some("canary"), key: None, bucket_in_host: None };
    let object = Addressed { key: Some("k"), ..bucket };
    let callback = "eyJjYWxsYmFja1VybCI6Imh0dHA6Ly8xMjcuMC4wLjEvP2NhbmFyeS1vZi1hLXVybCIsImNhbGxiYWNrQm9keSI6ImNhbmFyeS1vZi1hLWJvZHkifQ==";
    let empty = [("content-length", "0")];
    let with_callback = [("content-length", "0"), ("x-oss-callback", callback)];
    let wrong = Credentials { secret_key: "another".to_owned(), ..root.clone() };
    let mut private = vec![SECRET_KEY.to_owned(), temporary.secret_key.clone(), token, callback.to_owned()];
    private
        .extend(["canary-of-a-url", "canary-of-a-body", "canary-of-a-field", "canary-of-metadata", "canary-of-bytes"].map(str::to_owned));
    for ((text, signature), status) in [
        (request("PUT", "/canary", &empty, |parts| oss_sign::sign_v4(parts, &root, &bucket, "r", &[], now)), "200"),
        (request("PUT", "/canary/k", &empty, |parts| oss_sign::sign_v1(parts, &temporary, &object, now)), "200"),
        (
            request("PUT", "/canary/k", &[("content-length", "0"), ("x-oss-meta-a", "canary-of-metadata")], |parts| {
                oss_sign::sign_v2(parts, &temporary, &object, &[], now)
            }),
            "200",
        ),
        (request("PUT", "/canary/k", &with_callback, |parts| oss_sign::sign_v4(parts, &root, &object, "r", &[], now)), "400"),
        (request("GET", "/canary/k", &[], |parts| oss_sign::presign_v1(parts, &temporary, &object, 60, now)), "200"),
        (request("GET", "/canary/k", &[], |parts| oss_sign::presign_v4(parts, &temporary, &object, "r", &[], 60, now)), "200"),
        (request("GET", "/canary/k", &[], |parts| oss_sign::presign_v4(parts, &wrong, &object, "r", &[], 60, now)), "403"),
        (request("GET", "/canary/k", &[], |parts| sign::presign_v4(parts, &temporary, "r", 60, now)), "200"),
        (request("GET", "/canary/k", &[], |parts| sign::presign_v4(parts, &wrong, "r", 60, now)), "403"),
        (request("GET", "/canary/k", &[], |parts| sign::sign_v4(parts, &temporary, "r", "UNSIGNED-PAYLOAD", now)), "200"),
    ] {
        assert_eq!(server.ask(&text), status, "{text}");
        private.push(signature);
    }
    let part = "--X\r\nContent-Disposition: form-data; name=\"policy\"\r\n\r\ncanary-of-a-field\r\n--X\r\nContent-Disposition: form-data; \
                name=\"file\"\r\n\r\ncanary-of-bytes\r\n--X--\r\n";
    let head = "POST /canary HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=X\r\n";
    assert_eq!(server.ask(&format!("{head}Content-Length: {}\r\n\r\n{part}", part.len())), "400");
    let rpc = "POST /?Action=AssumeRole&Version=2015-04-01&AccessKeyId=AKCANARY&SignatureNonce=canary-of-a-field&Signature=canary-of-bytes";
    assert_eq!(server.ask(&format!("{rpc} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")), "400");

    let log = server.last_words();
    for line in ["GetObject", "PutObject", "SignatureDoesNotMatch", ACCESS_KEY] {
        assert!(log.contains(line), "the canary: the log tells of {line}\n{log}");
    }
    for text in private {
        assert!(text.len() > 10 && !log.contains(&text), "{text} is in the log");
    }
}
