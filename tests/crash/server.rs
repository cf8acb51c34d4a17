//! The real binary on a data directory that outlives it.

use super::client::{ACCESS_KEY, SECRET_KEY};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// Small bodies go into the index, but not all; parts may be small; bytes are let go of soon, so that the reaper works
/// while the power goes; and nothing is forgotten within a run.
const FLAGS: &[&str] =
    &["--listen", "127.0.0.1:0", "--s3-part-size-min", "1", "--oss-part-size-min", "1", "--reap-grace", "1s", "--log-level", "warn"];

/// A running server, killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    /// Where operators ask, if it was told to listen there.
    #[allow(dead_code, reason = "not every test that starts one asks")]
    pub(crate) operators: Option<SocketAddr>,
    /// From its start until it listened.
    pub(crate) start_up: Duration,
    log: PathBuf,
}

impl Server {
    /// Starts one. What it logs goes into the file `log`.
    pub(crate) fn start(data: &Path, log: &Path, more: &[&str]) -> Result<Self, String> {
        let begin = Instant::now();
        let mut child = Self::spawn(data, log, more);
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut operators = None;
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            operators = line.strip_prefix("metrics on http://").and_then(|address| address.parse().ok()).or(operators);
            line.strip_prefix("listening on http://")?.parse().ok()
        });
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(format!("the server does not start: {}", fs::read_to_string(log).unwrap_or_default()));
        };
        // Whatever else it prints is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Self { child, address, operators, start_up: begin.elapsed(), log: log.to_owned() })
    }

    /// Starts one that is interrupted and killed before long, maybe before it listens.
    pub(crate) fn start_in_vain(data: &Path, log: &Path, more: &[&str], life: Duration, interrupt: impl FnOnce()) {
        let mut child = Self::spawn(data, log, more);
        std::thread::sleep(life);
        interrupt();
        let _ = child.kill();
        let _ = child.wait();
    }

    fn spawn(data: &Path, log: &Path, more: &[&str]) -> Child {
        partway()
            .arg("serve")
            .args(FLAGS)
            .args(more)
            .arg("--data")
            .arg(data)
            .envs([("PARTWAY_ROOT_ACCESS_KEY", ACCESS_KEY), ("PARTWAY_ROOT_SECRET_KEY", SECRET_KEY)])
            // The images are small. Flags of a test win over these.
            .envs([("PARTWAY_DISK_RESERVE", "4MiB"), ("PARTWAY_INLINE_SIZE_MAX", "4KiB")])
            // The start-up block is short: it waits in the pipe for whoever reads it.
            .stdout(Stdio::piped())
            .stderr(File::create(log).expect("a log can be made"))
            .spawn()
            .expect("the binary starts")
    }

    /// Its process.
    #[allow(dead_code, reason = "not every test that starts one needs it")]
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it without a word.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Ends it as a supervisor does.
    pub(crate) fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the process is ours");
        let status = self.child.wait().expect("the process is ours");
        assert!(status.success(), "{status}: {}", self.log());
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `partway verify` on a data directory: what it says, and whether all is well.
pub(crate) fn verify(data: &Path) -> (bool, String) {
    let output = partway().arg("verify").arg("--data").arg(data).output().expect("the binary runs");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), text)
}

fn partway() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARTWAY_")) {
        command.env_remove(name);
    }
    command
}
