//! The real binary with its settings as they come, its metrics, and what it takes of the system.

use super::client::{ACCESS_KEY, SECRET_KEY};
use partway::testkit::raw_client::RawClient;
use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

/// A running server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    metrics: SocketAddr,
    data: tempfile::TempDir,
}

impl Server {
    /// Starts one with further flags and waits until it listens.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut child = partway()
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--log-level", "warn", "--data"])
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

    /// Makes an access key of the root account, whose secret is like the root key's.
    pub(crate) fn create_key(&self, access_key: &str) {
        let data = self.data.path().join("data");
        let made = partway()
            .args(["keys", "create", "--account", "root", "--access-key", access_key, "--secret-key", SECRET_KEY, "--data"])
            .arg(data)
            .output()
            .expect("the binary starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// The sum of a metric over the labels that begin so.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let scraped = RawClient::connect(self.metrics).and_then(|mut client| client.ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"));
        let scraped = scraped.expect("the metrics are served");
        let value = |line: &str| line.strip_prefix(name)?.rsplit(' ').next()?.parse::<f64>().ok();
        scraped.text().lines().filter_map(value).sum()
    }

    /// Memory in use, and the most that ever was. Bytes.
    pub(crate) fn memory(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the system says so");
            line.trim_matches([':', ' ', '\t', 'k', 'B']).parse::<u64>().expect("a number") << 10
        };
        (field("VmRSS"), field("VmHWM"))
    }

    /// File descriptors in use.
    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).expect("it runs").count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn partway() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARTWAY_")) {
        command.env_remove(name);
    }
    command
}
