//! Starts the real binary for tests that speak to it over a socket.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

/// The root key of a [`Server`].
pub(crate) const ACCESS_KEY: &str = "PARTWAYTESTROOTKEY01";
/// Its secret.
pub(crate) const SECRET_KEY: &str = "a-secret/with+characters=that.need.care";

/// A running partway with a data directory of its own, killed when dropped.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Its data directory, removed with it.
    _data: tempfile::TempDir,
}

impl Server {
    /// Starts one and waits until it listens.
    #[allow(dead_code, reason = "not every test starts one without flags")]
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with further flags.
    pub(crate) fn start_with(flags: &[&str]) -> Self {
        let data = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_partway"));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PARTWAY_")) {
            command.env_remove(name);
        }
        let mut child = command
            .args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--data"])
            .arg(data.path().join("data"))
            .args(flags)
            .envs([("PARTWAY_ROOT_ACCESS_KEY", ACCESS_KEY), ("PARTWAY_ROOT_SECRET_KEY", SECRET_KEY)])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://")?.parse().ok())
            .expect("the server says where it listens");
        // Whatever else it prints is read, so that it never waits for us.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _data: data }
    }

    /// Sends bytes on a connection of their own and returns everything that comes back until it is closed.
    #[allow(dead_code, reason = "not every test that starts a server speaks this way")]
    pub(crate) fn exchange(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).expect("the server accepts");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time-out can be set");
        stream.write_all(request).expect("the server reads");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server answers and closes");
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
