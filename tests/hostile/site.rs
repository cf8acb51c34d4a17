//! The real binary under attack, and what it must not keep of an attack: sockets, files, staged bytes, requests, memory.

use crate::{
    client::{ACCESS_KEY, REGION, SECRET_KEY},
    encrypted::{self, TlsStream},
    request::{Request, get, post, put},
};
use partway::testkit::raw_client::{RawClient, RawResponse};
use std::{
    fs,
    io::{self, BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How long the server may take to let go of what clients left behind. A connection lingers for five seconds at most.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take that has to come.
const FIRST_ANSWER_TIME_MAX: Duration = Duration::from_secs(20);
/// By how much the process may have grown after a storm: caches, arenas and buffers that are kept for the next request. KiB.
const GROWTH_KIB_MAX: u64 = 160 << 10;

/// A running server, killed when dropped.
pub(crate) struct Site {
    child: Child,
    /// Where clients connect.
    pub(crate) address: SocketAddr,
    metrics: SocketAddr,
    data: tempfile::TempDir,
    /// What it logs: warnings and errors alone, so nothing but that it does not sync.
    log: tempfile::NamedTempFile,
    is_encrypted: bool,
    bucket_count: AtomicU32,
    /// What it held when nobody had spoken to it.
    fresh: Held,
}

/// What a process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    sockets: usize,
    /// Open files below `blobs/`.
    blobs: usize,
    /// Files below `blobs/staging/`.
    staged: usize,
}

impl Site {
    /// Starts one with little memory for bodies, so that a leak of it shows, and these further flags.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let log = tempfile::NamedTempFile::new().expect("a temporary file");
        let mut command = Command::new(env!("CARGO_BIN_EXE_partway"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PARTWAY_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--durability", "none", "--region", REGION])
            .args(["--body-memory", "8MiB", "--body-timeout", "3s", "--s3-part-size-min", "1", "--oss-part-size-min", "1"])
            .args(["--log-level", "warn", "--data"])
            .arg(data.path().join("data"))
            .args(flags)
            .envs([("PARTWAY_ROOT_ACCESS_KEY", ACCESS_KEY), ("PARTWAY_ROOT_SECRET_KEY", SECRET_KEY)])
            .stdout(Stdio::piped())
            .stderr(log.reopen().expect("it is there"))
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
        let mut address_after = |start: &str| {
            let found = lines.by_ref().find_map(|line| line.strip_prefix(start)?.rsplit('/').next()?.parse().ok());
            found.unwrap_or_else(|| panic!("the server does not say `{start}…`"))
        };
        let metrics = address_after("metrics on http://");
        let address = address_after("listening on http");
        // Whatever else it prints is read, so that it never waits for us.
        thread::spawn(move || lines.for_each(drop));
        let fresh = Held { sockets: 0, blobs: 0, staged: 0 };
        let is_encrypted = flags.contains(&"--tls-key");
        let mut site = Self { child, address, metrics, data, log, is_encrypted, bucket_count: AtomicU32::new(0), fresh };
        site.fresh = site.held();
        site
    }

    /// Starts one that speaks TLS.
    pub(crate) fn start_encrypted() -> Self {
        let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/callback_tls");
        let files = ["server.pem", "server_key.pem"].map(|name| format!("{vectors}/{name}"));
        Self::start(&["--tls-certificate", &files[0], "--tls-key", &files[1]])
    }

    /// The Host header.
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// A connection.
    pub(crate) fn connect(&self) -> RawClient {
        RawClient::connect(self.address).expect("the server accepts")
    }

    /// A connection without a reader.
    pub(crate) fn socket(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).expect("the server accepts");
        socket.set_nodelay(true).expect("an option can be set");
        socket.set_read_timeout(Some(Duration::from_secs(10))).expect("an option can be set");
        socket.set_write_timeout(Some(Duration::from_secs(10))).expect("an option can be set");
        socket
    }

    /// Sends a request on a connection of its own and returns its final answer.
    pub(crate) fn ask(&self, request: &Request) -> RawResponse {
        self.ask_bytes(request.method(), &request.bytes(&self.host()))
    }

    /// As [`Self::ask`], for bytes.
    pub(crate) fn ask_bytes(&self, method: &str, bytes: &[u8]) -> RawResponse {
        if self.is_encrypted { exchange(self.connect_encrypted(), method, bytes) } else { exchange(self.connect(), method, bytes) }
    }

    /// A connection in HTTP/1.1 over TLS.
    pub(crate) fn connect_encrypted(&self) -> RawClient<TlsStream> {
        RawClient::over(encrypted::connect(self.socket(), b"http/1.1").expect("the server shakes hands"))
    }

    /// Asks and expects this status.
    pub(crate) fn expect(&self, request: &Request, status: u16) -> RawResponse {
        let response = self.ask(request);
        assert_eq!(response.status, status, "{request:?}: {}", String::from_utf8_lossy(&response.body));
        response
    }

    /// All answers to these bytes, and whether the server then closed the connection.
    pub(crate) fn answers(&self, bytes: &[u8]) -> (Vec<RawResponse>, bool) {
        self.answers_within(Duration::from_secs(5), bytes)
    }

    /// As [`Self::answers`], where a connection may well stay open and nobody wants to wait for its end. The first answer has all
    /// the time that a slow machine needs.
    pub(crate) fn answers_within(&self, patience: Duration, bytes: &[u8]) -> (Vec<RawResponse>, bool) {
        let mut client = self.connect();
        client.set_read_timeout(patience.max(FIRST_ANSWER_TIME_MAX)).expect("a time-out can be set");
        let _ = client.send(bytes);
        let mut answers = Vec::new();
        loop {
            match client.receive("GET") {
                Ok(response) => {
                    // One that only says that the body may come is not what is waited for.
                    if response.status / 100 != 1 {
                        client.set_read_timeout(patience).expect("a time-out can be set");
                    }
                    answers.push(response);
                }
                Err(error) => {
                    assert_ne!(error.kind(), io::ErrorKind::InvalidData, "{error} after {answers:?}");
                    let is_silent = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
                    return (answers, !is_silent);
                }
            }
        }
    }

    /// A new bucket's name.
    pub(crate) fn bucket(&self) -> String {
        let name = format!("bkt-{}", self.bucket_count.fetch_add(1, Ordering::Relaxed));
        self.expect(&put(&format!("/{name}"), ""), 200);
        name
    }

    /// Begins a multipart upload of `/bucket/key`.
    pub(crate) fn create_upload(&self, path: &str) -> String {
        self.expect(&post(&format!("{path}?uploads"), ""), 200).element("UploadId").expect("the upload has an id").to_owned()
    }

    /// The value of a metric without labels.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let mut client = RawClient::connect(self.metrics).expect("metrics are served");
        let answer =
            client.ask(format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.metrics)).expect("an answer");
        let found = answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        found.unwrap_or_default()
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.data.path().join("data")
    }

    /// What is around the data directory; nothing else may ever appear there.
    pub(crate) fn around(&self) -> Vec<String> {
        names_in(self.data.path())
    }

    /// The process's resident memory in KiB.
    pub(crate) fn resident_kib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has a size");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    fn held(&self) -> Held {
        let links = fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("the server runs");
        let targets: Vec<PathBuf> = links.filter_map(|link| fs::read_link(link.ok()?.path()).ok()).collect();
        let blobs = self.data().join("blobs");
        // The store itself holds its directories open.
        let is_blob = |target: &&PathBuf| target.starts_with(&blobs) && !target.is_dir();
        Held {
            sockets: targets.iter().filter(|target| target.to_string_lossy().starts_with("socket:")).count(),
            blobs: targets.iter().filter(is_blob).count(),
            staged: names_in(&blobs.join("staging")).len(),
        }
    }

    /// Waits until the server holds nothing of what its clients did, and asserts that it then works: an upload that takes all
    /// the memory there is for bodies goes in and comes out, others are answered, no handler ever panicked, and nobody was called
    /// to look at a log because of a client.
    pub(crate) fn assert_unharmed(&self, after: &str, resident_before_kib: u64) {
        let begun = Instant::now();
        loop {
            let in_flight = self.metric("partway_requests_in_flight");
            let connections = self.metric("partway_connections");
            let held = self.held();
            // The scrape's own connection may still be open; it is not one of the clients'.
            let settled = Held { sockets: held.sockets.min(self.fresh.sockets.max(held.sockets.saturating_sub(1))), ..held } == self.fresh;
            // The one that asks is counted, too.
            if in_flight == 0.0 && connections <= 1.0 && settled {
                break;
            }
            assert!(
                begun.elapsed() < SETTLE_TIME_MAX,
                "after {after}: {in_flight} requests in flight, {connections} connections, {held:?} instead of {:?}",
                self.fresh
            );
            thread::sleep(Duration::from_millis(50));
        }
        let bucket = self.bucket();
        let target = format!("/{bucket}/after");
        let body: Vec<u8> = (0..12_u32 << 20).map(|index| (index % 251) as u8).collect();
        self.expect(&put(&target, &body).payload("UNSIGNED-PAYLOAD"), 200);
        let read = self.ask(&get(&target));
        assert!(read.body == body, "after {after}: {} of {} bytes", read.body.len(), body.len());
        assert_eq!(self.metric("partway_panics_total"), 0.0, "after {after}");
        let log = fs::read_to_string(self.log.path()).expect("the log is text");
        let strays: Vec<&str> = log.lines().filter(|line| !line.contains("durability is none")).collect();
        assert!(strays.is_empty(), "after {after}: {strays:?}");
        let resident = self.resident_kib();
        assert!(resident <= resident_before_kib + GROWTH_KIB_MAX, "after {after}: {resident} KiB, {resident_before_kib} KiB before");
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn exchange<S: io::Read + io::Write>(mut client: RawClient<S>, method: &str, bytes: &[u8]) -> RawResponse {
    // A server that has seen enough may close before everything is sent.
    let _ = client.send(bytes);
    loop {
        let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
        let response = client.receive(method).unwrap_or_else(|error| panic!("{error} for {begin}"));
        if response.status / 100 != 1 {
            return response;
        }
    }
}

fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut names: Vec<String> = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
    names.sort_unstable();
    names
}

/// Whether an answer is XML of the first version: well-formed, and without a character or a reference that XML 1.0 has not.
pub(crate) fn is_xml_1_0(document: &str) -> bool {
    let is_legal =
        |character: char| matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}' | '\u{10000}'..);
    let references = document.split("&#x").skip(1).filter_map(|rest| u32::from_str_radix(rest.split(';').next()?, 16).ok());
    document.chars().all(is_legal)
        && references.map(char::from_u32).all(|character| character.is_some_and(is_legal))
        && partway::dialect::xml::Element::parse(document.as_bytes()).is_ok()
}

#[test]
fn what_a_client_holds_is_seen() {
    let site = Site::start(&["--inline-size-max", "0B"]);
    let bucket = site.bucket();
    let bytes = put(&format!("/{bucket}/k"), vec![b'x'; 8 << 20]).bytes(&site.host());
    let mut client = site.connect();
    let mut sent = bytes.len() / 2;
    client.send(&bytes[..sent]).unwrap();
    let begun = Instant::now();
    while site.held().staged == 0 || site.metric("partway_requests_in_flight") != 1.0 {
        assert!(begun.elapsed() < SETTLE_TIME_MAX, "{:?}", site.held());
        // Or it would seem to have stalled when this takes long.
        client.send(&bytes[sent..=sent]).unwrap();
        sent += 1;
        thread::sleep(Duration::from_millis(20));
    }
    let held = site.held();
    assert!(held.sockets > site.fresh.sockets && held.blobs > site.fresh.blobs, "{held:?} beside {:?}", site.fresh);
    assert!(site.metric("partway_connections") > 1.0);
    client.send(&bytes[sent..]).unwrap();
    assert_eq!(client.receive("PUT").unwrap().status, 200);
}

#[test]
fn what_xml_1_0_has_not_is_seen() {
    assert!(is_xml_1_0("<a>&#x9;&#xe9;\u{e9}</a>"));
    for document in ["<a>&#x1;</a>", "<a>\u{1}</a>", "<a>\u{ffff}</a>", "<a>", "<a>&#xd800;</a>"] {
        assert!(!is_xml_1_0(document), "{document:?}");
    }
}
