//! The real binary as a server with metrics, and as the generator that puts load on it.

use partway::{
    auth::sign::{Credentials, presign_v4},
    bench::Report,
    model::Timestamp,
    testkit::raw_client::{RawClient, RawResponse},
};
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// The root key.
pub(crate) const ACCESS_KEY: &str = "PARTWAYBENCHROOTKEY1";
/// Its secret.
pub(crate) const SECRET_KEY: &str = "a-secret/with+characters=that.need.care";

/// A running server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    metrics: SocketAddr,
    pub(crate) data: tempfile::TempDir,
}

impl Server {
    /// Starts one with further flags and waits until it listens.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut child = partway(&["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-level", "error"])
            .args(["--durability", "none", "--data"])
            .arg(data.path().join("data"))
            .args(flags)
            .envs([("PARTWAY_ROOT_ACCESS_KEY", ACCESS_KEY), ("PARTWAY_ROOT_SECRET_KEY", SECRET_KEY)])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
        let mut told = |what: &str| {
            lines.by_ref().find_map(|line| line.strip_prefix(what)?.split_once("://")?.1.parse().ok()).expect("it says where it listens")
        };
        let (metrics, address) = (told("metrics on "), told("listening on "));
        // Whatever else it prints is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, metrics, data }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process is ours");
    }

    /// Where it is reached in clear.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes an access key that may do what a policy says.
    pub(crate) fn create_key(&self, access_key: &str, policy: &str) {
        let file = self.data.path().join("policy.json");
        std::fs::write(&file, policy).expect("the policy is written");
        let made = partway(&["keys", "create", "--access-key", access_key, "--secret-key", SECRET_KEY, "--policy"])
            .arg(file)
            .arg("--data")
            .arg(self.data.path().join("data"))
            .output()
            .expect("the binary starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// How many requests it has answered, by operation.
    pub(crate) fn requests(&self) -> BTreeMap<String, u64> {
        let scraped = RawClient::connect(self.metrics).and_then(|mut client| client.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"));
        let scraped = scraped.expect("the metrics are served");
        let mut counts = BTreeMap::new();
        for line in scraped.text().lines().filter_map(|line| line.strip_prefix("partway_requests_total{")) {
            let operation = line.split("operation=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an operation");
            let count = line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count");
            *counts.entry(operation.to_owned()).or_default() += count;
        }
        counts
    }

    /// What it answered since a count was taken, by operation, once so many answers are counted: a request is counted after its
    /// answer has gone.
    pub(crate) fn requests_since(&self, before: &BTreeMap<String, u64>, expected: u64) -> BTreeMap<String, u64> {
        let begun = Instant::now();
        loop {
            let mut since = self.requests();
            since.iter_mut().for_each(|(operation, count)| *count -= before.get(operation).copied().unwrap_or(0));
            since.retain(|_, count| *count > 0);
            let sum: u64 = since.values().sum();
            if sum == expected || begun.elapsed() > Duration::from_secs(10) {
                return since;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks it, as the root key and in S3's dialect.
    pub(crate) fn ask(&self, method: &str, target: &str) -> RawResponse {
        let request = http::Request::builder().method(method).uri(target).header("host", self.address.to_string()).body(());
        let (mut parts, ()) = request.expect("a request").into_parts();
        let credentials = Credentials { access_key: ACCESS_KEY.to_owned(), secret_key: SECRET_KEY.to_owned(), security_token: None };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
        let now = Timestamp::from_millis(i64::try_from(now.as_millis()).expect("the clock is right"));
        presign_v4(&mut parts, &credentials, "us-east-1", 60, now).expect("it can be signed");
        let head = format!("{method} {} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", parts.uri, self.address);
        RawClient::connect(self.address).and_then(|mut client| client.ask(head)).expect("the server answers")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, with no settings from the environment of the tests.
pub(crate) fn partway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partway"));
    let foreign = |name: &str| ["PARTWAY_", "AWS_", "OSS_"].iter().any(|prefix| name.starts_with(prefix));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(foreign)) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// `partway bench` with the root key from the environment.
pub(crate) fn bench(endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = partway(&["bench", "--endpoint", endpoint]);
    for (key, secret) in [("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET")] {
        command.env(key, ACCESS_KEY).env(secret, SECRET_KEY);
    }
    command.args(arguments);
    command
}

/// The report of a run that has to succeed.
pub(crate) fn report(endpoint: &str, arguments: &[&str]) -> Report {
    let Output { status, stdout, stderr } = bench(endpoint, arguments).args(["--json", "-"]).output().expect("the binary starts");
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{arguments:?}\n{stdout}\n{stderr}");
    Report::parse(&stdout).unwrap_or_else(|why| panic!("{arguments:?}: {why}\n{stdout}"))
}

/// Exit status and complaint of a run that cannot succeed.
pub(crate) fn refusal(mut command: Command) -> (Option<i32>, String) {
    let output = command.output().expect("the binary starts");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
