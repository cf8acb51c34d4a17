//! The control socket: operator commands to the running server.
//!
//! A request is a line of JSON, and so is its answer. The socket is in the data directory and only
//! its owner may connect. It is there while the server runs; one that a crash left behind is replaced.

use super::command::{Command, Reply};
use crate::datadir::control_socket;
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    fs::{File, Permissions},
    future::Future,
    io::{self, BufRead, BufReader, Read, Write},
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    sync::Semaphore,
};

/// A request longer than this is not one of ours. Bytes.
const REQUEST_BYTES_MAX: u64 = 1 << 20;

/// An answer longer than this is not read. Bytes.
const ANSWER_BYTES_MAX: u64 = 1 << 30;

/// Connections served at once; further ones wait.
const CONNECTIONS_MAX: usize = 16;

/// How long a client may take to send its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// The longest path that surely fits a socket address (`sockaddr_un`: 108 bytes with the closing zero).
const SOCKET_PATH_BYTES_MAX: usize = 100;

/// A path to the control socket that fits a socket address, valid as long as this lives.
struct Reachable {
    path: PathBuf,
    _directory: Option<File>,
}

/// Long paths are shortened by going through a descriptor of the data directory.
fn reachable(data: &Path) -> io::Result<Reachable> {
    let path = control_socket(data);
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return Ok(Reachable { path, _directory: None });
    }
    let directory = File::open(data)?;
    let through = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd()));
    Ok(Reachable { path: control_socket(&through), _directory: Some(directory) })
}

/// The listening control socket; it goes away when dropped.
pub(super) struct ControlSocket {
    listener: UnixListener,
    file: PathBuf,
}

impl ControlSocket {
    /// Listens in a data directory whose lock this process holds.
    pub(super) fn bind(data: &Path) -> io::Result<Self> {
        let reachable = reachable(data)?;
        match std::fs::remove_file(&reachable.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(&reachable.path)?)?;
        // Nobody can connect before `listen`, so nobody does with the permissions of the umask.
        std::fs::set_permissions(&reachable.path, Permissions::from_mode(0o600))?;
        socket.listen(i32::try_from(CONNECTIONS_MAX).unwrap_or(i32::MAX))?;
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(std::os::unix::net::UnixListener::from(socket))?;
        Ok(Self { listener, file: control_socket(data) })
    }

    /// Answers commands until dropped. A client that hangs up ends the work on its command.
    pub(super) async fn serve<F>(self, handle: impl Fn(Command) -> F + Clone + Send + 'static)
    where
        F: Future<Output = Reply> + Send,
    {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let handle = handle.clone();
                    connections.spawn(async move {
                        let _place = place;
                        if let Err(error) = converse(stream, handle).await {
                            tracing::debug!(%error, "control connection");
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept an operator's connection");
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.file);
    }
}

async fn converse<F>(stream: tokio::net::UnixStream, handle: impl Fn(Command) -> F) -> io::Result<()>
where
    F: Future<Output = Reply>,
{
    let (from, mut to) = stream.into_split();
    let mut from = tokio::io::BufReader::new(from);
    loop {
        let mut line = Vec::new();
        let mut bounded = (&mut from).take(REQUEST_BYTES_MAX);
        let count =
            tokio::time::timeout(REQUEST_TIMEOUT, bounded.read_until(b'\n', &mut line)).await.map_err(|_| io::ErrorKind::TimedOut)??;
        if count == 0 {
            return Ok(());
        }
        let reply = match serde_json::from_slice(&line) {
            Ok(command) => tokio::select! {
                biased;
                reply = handle(command) => reply,
                () = hung_up(&mut from) => return Ok(()),
            },
            Err(error) => Err(format!("the server does not know this command; is it another release? ({error})")),
        };
        let mut answer = serde_json::to_vec(&reply)?;
        answer.push(b'\n');
        to.write_all(&answer).await?;
        if line.last() != Some(&b'\n') {
            return Ok(());
        }
    }
}

/// Resolves when the client has closed its end; stays pending when it sent a further request instead.
async fn hung_up(from: &mut (impl tokio::io::AsyncBufRead + Unpin)) {
    if from.fill_buf().await.is_ok_and(|ahead| !ahead.is_empty()) {
        std::future::pending::<()>().await;
    }
}

/// Sends a command to the server of a data directory and waits for its answer, which may take as long as the command does.
///
/// # Errors
/// When nobody answers there.
pub(super) fn ask(data: &Path, command: &Command) -> io::Result<Reply> {
    let reachable = reachable(data)?;
    let mut stream = UnixStream::connect(&reachable.path)?;
    let mut request = serde_json::to_vec(command)?;
    request.push(b'\n');
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    BufReader::new(stream).take(ANSWER_BYTES_MAX).read_until(b'\n', &mut answer)?;
    match answer.last() {
        Some(b'\n') => Ok(serde_json::from_slice(&answer)?),
        Some(_) | None => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server went away before it answered")),
    }
}

/// A line as a command and as an answer, each as it would be sent on; `None` for what it is not.
pub(super) fn sent_on(line: &[u8]) -> [Option<Vec<u8>>; 2] {
    let command = serde_json::from_slice::<Command>(line).ok();
    let reply = serde_json::from_slice::<Reply>(line).ok();
    [command.and_then(|command| serde_json::to_vec(&command).ok()), reply.and_then(|reply| serde_json::to_vec(&reply).ok())]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cli::command::Answer, ops::VerifyReport};
    use std::sync::atomic::{AtomicBool, Ordering};

    async fn stub(command: Command) -> Reply {
        match command {
            Command::Verify => Ok(Answer::Verify(VerifyReport { records: 7, ..VerifyReport::default() })),
            Command::ListKeys => Err("no".to_owned()),
            Command::DeleteKey { .. } => std::future::pending().await,
            Command::Uploads { .. }
            | Command::ExpireUploads { .. }
            | Command::Repair { .. }
            | Command::Backup(_)
            | Command::Events { .. }
            | Command::ReplayEvent(_)
            | Command::DropEvent(_)
            | Command::DropEvents { .. }
            | Command::SetRetries { .. }
            | Command::ListQuotas
            | Command::SetQuota { .. }
            | Command::CreateKey { .. }
            | Command::SetKeyStatus { .. } => Ok(Answer::Done),
        }
    }

    async fn asked(data: &Path, command: Command) -> io::Result<Reply> {
        let data = data.to_owned();
        tokio::task::spawn_blocking(move || ask(&data, &command)).await.unwrap()
    }

    #[tokio::test]
    async fn commands_and_answers_cross_the_socket_also_in_directories_with_long_names() {
        let place = tempfile::tempdir().unwrap();
        for data in [place.path().to_owned(), place.path().join("x".repeat(120))] {
            std::fs::create_dir_all(&data).unwrap();
            let server = tokio::spawn(ControlSocket::bind(&data).unwrap().serve(stub));
            let report = VerifyReport { records: 7, ..VerifyReport::default() };
            assert_eq!(asked(&data, Command::Verify).await.unwrap(), Ok(Answer::Verify(report)));
            assert_eq!(asked(&data, Command::ListKeys).await.unwrap(), Err("no".to_owned()));
            let mode = std::fs::metadata(control_socket(&data)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            server.abort();
            let _ = server.await;
            assert!(!control_socket(&data).exists(), "the socket goes with its server");
        }
    }

    #[tokio::test]
    async fn a_socket_left_by_a_crash_is_replaced_and_nobody_there_is_an_error() {
        let place = tempfile::tempdir().unwrap();
        assert!(asked(place.path(), Command::Verify).await.is_err());
        drop(std::os::unix::net::UnixListener::bind(control_socket(place.path())).unwrap());
        assert!(asked(place.path(), Command::Verify).await.is_err());
        let server = tokio::spawn(ControlSocket::bind(place.path()).unwrap().serve(stub));
        assert!(asked(place.path(), Command::Verify).await.is_ok());
        server.abort();
    }

    #[tokio::test]
    async fn lines_that_are_no_command_get_an_answer_and_the_next_one_is_served() {
        let place = tempfile::tempdir().unwrap();
        let server = tokio::spawn(ControlSocket::bind(place.path()).unwrap().serve(stub));
        let mut stream = tokio::net::UnixStream::connect(control_socket(place.path())).await.unwrap();
        stream.write_all(b"{\"Fly\":1}\nnot json\n\"Verify\"\n").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        let lines: Vec<Reply> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(matches!(lines.as_slice(), [Err(_), Err(_), ..]), "{lines:?}");
        server.abort();
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_ends_the_work_on_its_command() {
        struct Ended(Arc<AtomicBool>);
        impl Drop for Ended {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let place = tempfile::tempdir().unwrap();
        let ended = Arc::new(AtomicBool::new(false));
        let handle = {
            let ended = Arc::clone(&ended);
            move |_| {
                let guard = Ended(Arc::clone(&ended));
                async move {
                    let _guard = guard;
                    std::future::pending::<Reply>().await
                }
            }
        };
        let server = tokio::spawn(ControlSocket::bind(place.path()).unwrap().serve(handle));
        let mut stream = tokio::net::UnixStream::connect(control_socket(place.path())).await.unwrap();
        stream.write_all(b"\"Verify\"\n").await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!ended.load(Ordering::SeqCst));
        drop(stream);
        for _ in 0..200 {
            if ended.load(Ordering::SeqCst) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(ended.load(Ordering::SeqCst));
        server.abort();
    }
}
