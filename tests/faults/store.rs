//! A running server with a bucket in it, and what these tests ask of it.

use crate::{
    client::{Client, Dialect, Request, elements},
    disk::run,
    gateway::Dice,
    server::Server,
};
use partway::testkit::raw_client::{RawClient, RawResponse};
use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long something that is to happen may take, on a machine that has other things to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Store {
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) data: PathBuf,
}

/// What came of a GET.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    /// The error's code, if it is one.
    pub(crate) code: Option<String>,
    pub(crate) body: Vec<u8>,
    /// Whether the body had the length that was announced.
    pub(crate) is_whole: bool,
}

impl Got {
    /// That it was refused, or broken off after bytes that are right.
    #[track_caller]
    pub(crate) fn assert_failed(&self, expected: &[u8]) {
        let Self { status, code, body, is_whole } = self;
        if *status == 500 {
            assert_eq!(code.as_deref(), Some("InternalError"));
            return;
        }
        assert!(matches!(status, 200 | 206), "{status} {code:?}");
        assert!(!is_whole, "bytes that are wrong were served as good");
        assert!(expected.starts_with(body), "wrong bytes before the end");
    }

    #[track_caller]
    pub(crate) fn assert_is(&self, expected: &[u8]) {
        assert!(matches!(self.status, 200 | 206) && self.is_whole, "{} {:?}, {} bytes", self.status, self.code, self.body.len());
        assert!(self.body == expected, "{} other bytes than the {} expected", self.body.len(), expected.len());
    }
}

/// Bytes that follow from a seed.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    let mut bytes: Vec<u8> = (0..size.div_ceil(8)).flat_map(|_| dice.number().to_le_bytes()).collect();
    bytes.truncate(size);
    bytes
}

impl Store {
    /// Starts a server on a data directory, with a listener for operators.
    pub(crate) fn start(data: &Path, log: &Path, more: &[&str]) -> Self {
        Self::try_start(data, log, more).expect("the server starts")
    }

    /// # Errors
    /// What it logged, when it does not start.
    pub(crate) fn try_start(data: &Path, log: &Path, more: &[&str]) -> Result<Self, String> {
        let flags = [&["--metrics-listen", "127.0.0.1:0"], more].concat();
        let server = Server::start(data, log, &flags)?;
        let client = Client::new(server.address);
        Ok(Self { client, server, data: data.to_owned() })
    }

    /// As [`Self::start`] on a directory that has nothing in it, with the bucket made.
    pub(crate) fn create(data: &Path, log: &Path, more: &[&str]) -> Self {
        let mut store = Self::start(data, log, more);
        assert_eq!(store.ask(Dialect::S3, "PUT", "", "", vec![]).status, 200);
        store
    }

    /// Moves `index` or `blobs` to another disk, with a link in its place.
    pub(crate) fn with_apart(self, name: &str, disk: &Path, log: &Path, more: &[&str]) -> Self {
        let Self { server, data, .. } = self;
        server.stop();
        let (old, new) = (data.join(name), disk.join(name));
        run("cp", &["-a", old.to_str().expect("text"), new.to_str().expect("text")]).expect("it can be copied");
        // What the test itself does to the disk is not what is tested.
        run("sync", &["-f", new.to_str().expect("text")]).expect("the disk is well");
        fs::remove_dir_all(&old).and_then(|()| symlink(&new, &old)).expect("a link");
        Self::start(&data, log, more)
    }

    pub(crate) fn ask(&mut self, dialect: Dialect, method: &str, key: &str, query: &str, body: Vec<u8>) -> RawResponse {
        self.send(&Request::new(dialect, method, key).query(query).body(body))
    }

    pub(crate) fn send(&mut self, request: &Request<'_>) -> RawResponse {
        self.client.ask(request).expect("the server answers")
    }

    pub(crate) fn put(&mut self, key: &str, body: &[u8]) -> RawResponse {
        self.ask(Dialect::S3, "PUT", key, "", body.to_vec())
    }

    #[track_caller]
    pub(crate) fn must_put(&mut self, key: &str, body: &[u8]) {
        let answer = self.put(key, body);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    #[track_caller]
    pub(crate) fn must_delete(&mut self, key: &str) {
        let answer = self.ask(Dialect::S3, "DELETE", key, "", vec![]);
        assert_eq!(answer.status, 204, "{key}: {}", String::from_utf8_lossy(&answer.body));
    }

    /// Begins an upload with these parts; returns its id and the document that completes it.
    #[track_caller]
    pub(crate) fn upload(&mut self, dialect: Dialect, key: &str, parts: &[Vec<u8>]) -> (String, Vec<u8>) {
        let begun = self.ask(dialect, "POST", key, "uploads", vec![]);
        let id = begun.element("UploadId").expect("an upload").to_owned();
        let mut document = String::from("<CompleteMultipartUpload>");
        for (number, part) in (1..).zip(parts) {
            let answer = self.ask(dialect, "PUT", key, &format!("partNumber={number}&uploadId={id}"), part.clone());
            assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            let etag = answer.header("etag").expect("a part has an ETag");
            document.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        }
        document.push_str("</CompleteMultipartUpload>");
        (id, document.into_bytes())
    }

    #[track_caller]
    pub(crate) fn complete(&mut self, dialect: Dialect, key: &str, (id, document): (String, Vec<u8>)) {
        let answer = self.ask(dialect, "POST", key, &format!("uploadId={id}"), document);
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }

    /// An object, or the bytes of it that a Range names, on a connection of its own.
    pub(crate) fn get(&self, dialect: Dialect, key: &str, range: Option<(usize, usize)>) -> Got {
        let mut request = Request::new(dialect, "GET", key);
        if let Some((start, end)) = range {
            request = request.header("range".to_owned(), format!("bytes={start}-{}", end - 1));
        }
        let mut stream = TcpStream::connect(self.server.address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.write_all(&self.client.bytes(&request)).expect("the server reads");
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            let head = end.map(|end| String::from_utf8_lossy(&bytes[..end]).into_owned());
            let length = head.as_ref().map(|head| content_length(head));
            let is_whole = end.zip(length).is_some_and(|(end, length)| bytes.len() >= end + length);
            let count = if is_whole { 0 } else { stream.read(&mut buffer).unwrap_or(0) };
            bytes.extend_from_slice(&buffer[..count]);
            if count == 0 {
                let (head, end) = (head.expect("a head"), end.expect("a head"));
                let body = bytes.split_off(end);
                let status = head["HTTP/1.1 ".len()..][..3].parse().expect("a status");
                let code = elements(&String::from_utf8_lossy(&body), "Code").first().map(|&code| code.to_owned());
                return Got { status, code: code.filter(|_| status >= 300), body, is_whole };
            }
        }
    }

    /// The keys there are.
    pub(crate) fn keys(&mut self) -> Vec<String> {
        let answer = self.ask(Dialect::S3, "GET", "", "list-type=2", vec![]);
        assert_eq!(answer.status, 200);
        elements(answer.text(), "Key").into_iter().map(str::to_owned).collect()
    }

    /// That exactly these objects are there, byte for byte, in both dialects.
    #[track_caller]
    pub(crate) fn assert_holds(&mut self, objects: &BTreeMap<String, Vec<u8>>) {
        assert_eq!(self.keys(), objects.keys().cloned().collect::<Vec<_>>());
        for (index, (key, bytes)) in objects.iter().enumerate() {
            self.get(if index % 2 == 0 { Dialect::S3 } else { Dialect::Oss }, key, None).assert_is(bytes);
            let head = self.ask(Dialect::S3, "HEAD", key, "", vec![]);
            assert_eq!((head.status, head.header("content-length")), (200, Some(bytes.len().to_string().as_str())), "{key}");
        }
    }

    /// What operators see under a path: status and text.
    pub(crate) fn operator(&self, path: &str) -> (u16, String) {
        let address = self.server.operators.expect("it listens for operators");
        let mut client = RawClient::connect(address).expect("it listens for operators");
        let answer = client.ask(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n")).expect("it answers");
        (answer.status, answer.text().to_owned())
    }

    /// The sum of a metric's values; 0 when it has none.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.operator("/metrics");
        let values = text.lines().filter(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        values.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
    }

    /// Waits until something holds.
    #[track_caller]
    pub(crate) fn wait_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}; {}", self.server.log());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// The blob files there are.
    pub(crate) fn blob_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut directories = vec![self.data.join("blobs/data")];
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
                let path = entry.path();
                if path.is_dir() { directories.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        files
    }

    /// Puts what is kept in files of its own; returns the one that is new.
    #[track_caller]
    pub(crate) fn new_file(&mut self, act: impl FnOnce(&mut Self)) -> PathBuf {
        let before = self.blob_files();
        act(self);
        let new: Vec<_> = self.blob_files().into_iter().filter(|file| !before.contains(file)).collect();
        assert_eq!(new.len(), 1, "one file");
        new.into_iter().next().expect("there is one")
    }
}

fn content_length(head: &str) -> usize {
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.trim().parse().ok());
    length.expect("an answer has a length")
}

/// The status and the code of an error.
pub(crate) fn refusal(answer: &RawResponse) -> (u16, String) {
    (answer.status, elements(&String::from_utf8_lossy(&answer.body), "Code").first().copied().unwrap_or_default().to_owned())
}
