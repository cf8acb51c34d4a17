//! The real binary on a data directory that outlives it.

use super::client::{ACCESS_KEY, Client, Dialect, Request, SECRET_KEY};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// Small bodies go into the index, but not all; parts may be small; bytes are let go of soon.
const FLAGS: &[&str] = &[
    "--listen",
    "127.0.0.1:0",
    "--metrics-listen",
    "off",
    "--s3-part-size-min",
    "1",
    "--oss-part-size-min",
    "1",
    "--inline-size-max",
    "4KiB",
    "--log-level",
    "warn",
];

/// A running server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    log: PathBuf,
}

impl Server {
    /// Starts one and waits until it listens.
    pub(crate) fn start(data: &Path, more: &[&str]) -> Self {
        let log = data.with_extension("log");
        let grace: &[&str] = if more.contains(&"--reap-grace") { &[] } else { &["--reap-grace", "1s"] };
        let mut child = partway()
            .arg("serve")
            .args(FLAGS)
            .args(grace)
            .args(more)
            .arg("--data")
            .arg(data)
            .envs([("PARTWAY_ROOT_ACCESS_KEY", ACCESS_KEY), ("PARTWAY_ROOT_SECRET_KEY", SECRET_KEY)])
            .stdout(Stdio::piped())
            .stderr(File::create(&log).expect("a log can be made"))
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("listening on http://")?.parse().ok());
        let Some(address) = address else {
            let _ = child.kill().and_then(|()| child.wait());
            panic!("the server does not start: {}", fs::read_to_string(&log).unwrap_or_default());
        };
        // Whatever else it prints is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, log }
    }

    /// Makes the bucket that everything is in.
    pub(crate) fn make_bucket(&self) {
        let answer = Client::new(self.address).ask(&Request::new(Dialect::S3, "PUT", "")).expect("the server answers");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("the process is ours");
    }

    /// Ends it as a supervisor does.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the process is ours");
        let status = self.child.wait().expect("the process is ours");
        assert!(status.success(), "{status}");
    }

    /// It has seen no error.
    pub(crate) fn check_log(&self) {
        let log = fs::read_to_string(&self.log).expect("there is a log");
        assert!(!log.contains("ERROR") && !log.contains("WARN"), "{log}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An operator's command on a data directory.
pub(crate) fn operate(data: &Path, arguments: &[&str]) -> Output {
    partway().args(arguments).arg("--data").arg(data).output().expect("the binary runs")
}

/// The binary, with no settings from the environment of the tests.
pub(crate) fn partway() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARTWAY_")) {
        command.env_remove(name);
    }
    command
}
