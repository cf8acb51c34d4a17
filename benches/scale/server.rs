//! The real server as a process of its own, what it uses, and a client that asks it one thing at a time.

use crate::world::{ACCESS_KEY, BUCKET};
use partway::{
    auth::sign::{self, Credentials},
    model::Timestamp,
    testkit::raw_client::{RawClient, RawResponse},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

const SECRET_KEY: &str = "a-secret-of-the-measurement";

/// Ticks in which Linux tells CPU time to programs (`USER_HZ`).
const TICK_MICROS: u64 = 10_000;

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// From its start until it listened.
    pub(crate) start_up: Duration,
}

impl Server {
    /// Starts a binary over a data directory; what it logs goes into a file beside that.
    pub(crate) fn start(binary: &Path, data: &Path) -> Self {
        let begin = Instant::now();
        let mut child = Command::new(binary)
            .args(["serve", "--listen", "127.0.0.1:0", "--log-level", "warn", "--data"])
            .arg(data)
            .envs([("PARTWAY_ROOT_ACCESS_KEY", ACCESS_KEY), ("PARTWAY_ROOT_SECRET_KEY", SECRET_KEY)])
            .stdout(Stdio::piped())
            .stderr(File::options().append(true).create(true).open(log(data)).expect("a log can be made"))
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
        let start_up = begin.elapsed();
        // Whatever else it prints is read, so that it never waits for us.
        thread::spawn(move || lines.for_each(drop));
        let address = address.unwrap_or_else(|| panic!("the server does not start: {}", fs::read_to_string(log(data)).unwrap_or_default()));
        Self { child, address, start_up }
    }

    /// What it has used of the CPUs since it began. Microseconds.
    pub(crate) fn cpu_micros(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).expect("it runs");
        let (_, rest) = stat.rsplit_once(')').expect("the name is in brackets");
        rest.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("ticks")).sum::<u64>() * TICK_MICROS
    }

    /// A figure of its status in bytes: `VmRSS`, `RssAnon`, `VmHWM`.
    pub(crate) fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("it is there");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Ends it as a supervisor does; how long that took.
    pub(crate) fn stop(mut self) -> Duration {
        let begin = Instant::now();
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "the server failed: {status}");
        begin.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log(data: &Path) -> PathBuf {
    data.with_extension("log")
}

/// A connection that is kept alive.
pub(crate) struct Client {
    address: SocketAddr,
    connection: RawClient,
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let connection = RawClient::connect(address).expect("the server listens");
        connection.set_read_timeout(Duration::from_secs(120)).expect("a socket has timeouts");
        Self { address, connection }
    }

    /// The bytes of a signed request, whose target begins after the bucket.
    pub(crate) fn request(&self, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
        let target = format!("/{BUCKET}{target}");
        let request = http::Request::builder().method(method).uri(&target).header("host", self.address.to_string());
        let (mut parts, ()) = request.body(()).expect("it is a request").into_parts();
        let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned(), security_token: None };
        sign::sign_v4(&mut parts, &credentials, "us-east-1", "UNSIGNED-PAYLOAD", now()).expect("it can be signed");
        let mut bytes = format!("{method} {target} HTTP/1.1\r\n").into_bytes();
        for (name, value) in &parts.headers {
            bytes.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
        }
        bytes.extend(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
        bytes.extend(body);
        bytes
    }

    pub(crate) fn ask(&mut self, request: &[u8]) -> RawResponse {
        self.connection.ask(request).expect("the server answers")
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
    Timestamp::from_secs(i64::try_from(since.as_secs()).expect("it is before the year 292277026596"))
}
