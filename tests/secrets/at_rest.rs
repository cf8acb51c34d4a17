//! Secrets in the data directory: with a key file they are nowhere in its bytes, and without that file it does not open.

use super::{now, request};
use partway::auth::{Addressed, oss_sign, sign::Credentials};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// Access keys made at different times; their secrets are what is looked for. No four letters in a row come twice, so that
/// a compressed file has them as they are.
const KEYS: [(&str, &str); 4] = [
    ("AKSTOPPED", "q7Xw2Lr9Zk4Tn8Vb3Jm6Hs1Dg5Pf0Yc"),
    ("AKKILLED", "u3Ro8Wi6Ea1Qz9Cx5Nv7Bk2Mt4Gj0Lp"),
    ("AKSEALED", "d6Fh4Sy8Ku2Op0Ia9Ew3Rt7Zq5Vn1Xc"),
    ("AKROTATED", "b9Gm1Tc6Jr4Nz8Ld2Wk7Ys5Hq0Pv3Ux"),
];

struct Place {
    directory: tempfile::TempDir,
    data: PathBuf,
    log: PathBuf,
}

struct Server {
    child: Child,
    address: SocketAddr,
    block: String,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { data: directory.path().join("data"), log: directory.path().join("log"), directory }
    }

    fn path(&self, name: &str) -> String {
        self.directory.path().join(name).to_str().expect("our paths are text").to_owned()
    }

    /// A new key file.
    fn key_file(&self, name: &str) -> String {
        let path = self.path(name);
        succeed(&partway().args(["keys", "new-key-file", &path]).output().expect("the binary runs"));
        path
    }

    fn command(&self, flags: &[&str]) -> Command {
        let mut command = partway();
        command.args(["serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--log-level", "trace"]).args(flags);
        command.arg("--data").arg(&self.data).stdout(Stdio::piped());
        command
    }

    fn start(&self, flags: &[&str]) -> Server {
        let log = fs::OpenOptions::new().append(true).create(true).open(&self.log).expect("it is ours");
        let mut child = self.command(flags).stderr(log).spawn().expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines().map_while(Result::ok);
        let mut block = String::new();
        let listening = lines.find_map(|line| {
            block += &format!("{line}\n");
            line.strip_prefix("listening on http://")?.parse().ok()
        });
        Server {
            address: listening.unwrap_or_else(|| panic!("it does not start: {}", fs::read_to_string(&self.log).unwrap())),
            child,
            block,
        }
    }

    /// An operator's command.
    fn operate(&self, arguments: &[&str]) -> Output {
        partway().args(arguments).arg("--data").arg(&self.data).output().expect("the binary runs")
    }

    fn create_key(&self, (access_key, secret_key): (&str, &str)) {
        succeed(&self.operate(&["keys", "create", "--access-key", access_key, "--secret-key", secret_key]));
    }

    /// Starting ends with the status of wrong settings and these words.
    fn refuses(&self, flags: &[&str], words: &str) {
        let mut child = self.command(flags).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let deadline = Instant::now() + PATIENCE;
        while child.try_wait().expect("it is ours").is_none() {
            if Instant::now() > deadline {
                let _ = child.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let output = child.wait_with_output().expect("it is ours");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && text.contains(words), "`{words}`: {output:?}");
    }
}

impl Server {
    /// Whether a key signs, or does not.
    fn status(&self, (access_key, secret_key): (&str, &str)) -> String {
        let credentials = Credentials { access_key: access_key.to_owned(), secret_key: secret_key.to_owned(), security_token: None };
        let service = Addressed { bucket: None, key: None, bucket_in_host: None };
        let (text, _) = request("GET", "/", &[], |parts| oss_sign::sign_v1(parts, &credentials, &service, now()));
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("it is a socket");
        stream.write_all(text.as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the answer is text");
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    fn stop(mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).expect("the process is ours");
        assert!(self.child.wait().expect("the process is ours").success());
    }

    fn kill(mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("the process is ours");
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

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

/// The files below a directory that have one of these texts in them.
fn found(directory: &Path, texts: &[String]) -> Vec<String> {
    let (mut found, mut rest) = (Vec::new(), vec![directory.to_owned()]);
    while let Some(path) = rest.pop() {
        for entry in fs::read_dir(&path).expect("it can be read") {
            let entry = entry.expect("it can be read");
            match entry.file_type().expect("it can be read") {
                kind if kind.is_dir() => rest.push(entry.path()),
                kind if kind.is_file() => {
                    let mut bytes = Vec::new();
                    // RocksDB removes files while we look.
                    if File::open(entry.path()).and_then(|mut file| file.read_to_end(&mut bytes)).is_err() {
                        continue;
                    }
                    let texts = texts.iter().filter(|text| memchr::memmem::find(&bytes, text.as_bytes()).is_some());
                    found.extend(texts.map(|text| format!("{text} in {}", entry.path().display())));
                }
                _ => {}
            }
        }
    }
    found
}

/// Nothing is found, at the latest when RocksDB has removed the files that it no longer needs.
fn nowhere(directory: &Path, texts: &[String]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = found(directory, texts);
        if found.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A directory with secrets in clear, in files and in the log of the index, and all that is secret in it.
fn in_clear(place: &Place) -> Vec<String> {
    let server = place.start(&[]);
    assert!(server.block.contains("secrets     in clear"), "{}", server.block);
    place.create_key(KEYS[0]);
    server.stop();
    let server = place.start(&[]);
    place.create_key(KEYS[1]);
    server.kill();
    let root = fs::read_to_string(place.data.join("root-key")).expect("it is text");
    let root = root.lines().find_map(|line| line.strip_prefix("export AWS_SECRET_ACCESS_KEY=")).expect("it is in clear");
    let callback = fs::read_to_string(place.data.join("callback_key.pem")).expect("it is text");
    let callback = callback.lines().nth(5).expect("it is long");
    let secrets: Vec<_> = KEYS[..2].iter().map(|(_, secret)| (*secret).to_owned()).chain([root.to_owned(), callback.to_owned()]).collect();
    for secret in &secrets {
        assert!(!found(&place.data, std::slice::from_ref(secret)).is_empty(), "the canary: {secret} is found where it is");
    }
    secrets
}

#[test]
fn with_a_key_file_no_secret_is_in_the_bytes_of_the_directory_or_of_a_backup_and_all_still_sign() {
    let place = Place::new();
    let mut secrets = in_clear(&place);
    let key_file = place.key_file("key");
    let server = place.start(&["--secrets-key-file", &key_file]);
    assert!(server.block.contains("secrets     sealed with key ") && server.block.contains("keys root"), "{}", server.block);
    place.create_key(KEYS[2]);
    secrets.push(KEYS[2].1.to_owned());
    for key in &KEYS[..3] {
        assert_eq!(server.status(*key), "200", "{}", key.0);
    }
    let to = place.path("backups");
    succeed(&place.operate(&["backup", "--to", &to]));
    nowhere(&place.data, &secrets);
    nowhere(to.as_ref(), &secrets);
    let root = succeed(&place.operate(&["keys", "root", "--secrets-key-file", &key_file]));
    assert!(root.contains(&format!("export AWS_SECRET_ACCESS_KEY={}\n", secrets[2])), "only who has the key file reads it");
    server.stop();
    nowhere(&place.data, &secrets);
    let log = fs::read_to_string(&place.log).expect("it is text");
    let key = fs::read_to_string(&key_file).expect("it is text");
    for secret in secrets.iter().map(String::as_str).chain(key.lines().nth(1)) {
        assert!(secret.len() > 20 && !log.contains(secret), "{secret} is in the log");
    }

    // What a backup brings back is sealed with the same key.
    let restored = Place { data: place.directory.path().join("restored"), ..place };
    let report = succeed(&restored.operate(&["restore", "--from", &to]));
    assert!(report.contains("sealed with key"), "{report}");
    restored.refuses(&[], "secrets-key-file");
    let server = restored.start(&["--secrets-key-file", &key_file]);
    assert_eq!(server.status(KEYS[0]), "200");
    nowhere(&restored.data, &secrets);
}

#[test]
fn a_sealed_directory_opens_with_its_key_and_with_no_other() {
    let place = Place::new();
    let (key_file, other) = (place.key_file("key"), place.key_file("other"));
    let server = place.start(&["--secrets-key-file", &key_file]);
    place.create_key(KEYS[0]);
    server.stop();
    place.refuses(&[], "has to name the file");
    place.refuses(&["--secrets-key-file", &other], "names another");
    place.refuses(&["--secrets-key-file", &place.path("missing")], "missing");
    fs::write(place.path("no-key"), "text").expect("it is ours");
    place.refuses(&["--secrets-key-file", &place.path("no-key")], "is no key file");
    place.refuses(&["--secrets-key-file-previous", &key_file], "secrets-key-file is not");
    let within = place.data.join("key");
    fs::copy(&key_file, &within).expect("it can be copied");
    place.refuses(&["--secrets-key-file", within.to_str().expect("it is text")], "in the data directory");
    assert_eq!(place.operate(&["keys", "list"]).status.code(), Some(2));
    succeed(&place.operate(&["keys", "list", "--secrets-key-file", &key_file]));
    assert_eq!(place.start(&["--secrets-key-file", &key_file]).status(KEYS[0]), "200");
}

#[test]
fn a_key_file_is_changed_by_naming_both_once() {
    let place = Place::new();
    let (old, new) = (place.key_file("old"), place.key_file("new"));
    let server = place.start(&["--secrets-key-file", &old]);
    place.create_key(KEYS[0]);
    server.stop();
    let server = place.start(&["--secrets-key-file", &new, "--secrets-key-file-previous", &old]);
    place.create_key(KEYS[3]);
    assert_eq!((server.status(KEYS[0]), server.status(KEYS[3])), ("200".to_owned(), "200".to_owned()));
    server.stop();
    place.refuses(&["--secrets-key-file", &old], "names another");
    let server = place.start(&["--secrets-key-file", &new]);
    assert_eq!((server.status(KEYS[0]), server.status(KEYS[3])), ("200".to_owned(), "200".to_owned()));
    assert_ne!(server.status((KEYS[0].0, KEYS[3].1)), "200", "the canary");
}

#[test]
fn a_start_that_is_killed_while_it_seals_loses_nothing_and_the_next_one_ends_it() {
    let place = Place::new();
    let secrets = in_clear(&place);
    let key_file = place.key_file("key");
    for life in [5, 15, 25, 35, 50, 70, 100] {
        let mut child = place.command(&["--secrets-key-file", &key_file]).stderr(Stdio::null()).spawn().expect("the binary starts");
        std::thread::sleep(Duration::from_millis(life));
        child.kill().and_then(|()| child.wait()).expect("it is ours");
    }
    let server = place.start(&["--secrets-key-file", &key_file]);
    assert_eq!((server.status(KEYS[0]), server.status(KEYS[1])), ("200".to_owned(), "200".to_owned()));
    nowhere(&place.data, &secrets);
}
