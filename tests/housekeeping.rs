//! Housekeeping with the real binary: stale uploads, orphaned files, and repairs, as operators meet them.

#[allow(dead_code, reason = "shared with the crash tests")]
#[path = "crash/client.rs"]
mod client;
mod gateway;
#[allow(dead_code, reason = "shared with the crash tests")]
#[path = "crash/server.rs"]
mod server;

use client::{Client, Dialect, Request};
use partway::{
    blob::{BlobId, BlobStore as _, LocalBlobs, LocalSettings},
    meta::{
        Kv as _, RocksKv, RocksSettings, Write, keys,
        record::{PartRecord, Record as _, UploadRecord},
    },
    model::Timestamp,
    testkit::{blob_suite, raw_client::RawResponse},
};
use serde_json::Value;
use server::Server;
use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// A place with a data directory in it, a bucket and two objects; the server is stopped.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { directory: tempfile::tempdir().expect("a temporary directory") };
        let server = place.start(&[]);
        let mut client = Client::new(server.address);
        succeed(&mut client, &Request::new(Dialect::S3, "PUT", ""));
        for (key, size) in [("large", 100_000), ("small", 100)] {
            succeed(&mut client, &Request::new(Dialect::S3, "PUT", key).body(content(size)));
        }
        server.stop();
        place
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn start(&self, flags: &[&str]) -> Server {
        Server::start(&self.data(), &self.directory.path().join("server.log"), flags).expect("the server starts")
    }

    /// An operator's command.
    fn operate(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_partway"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARTWAY_")) {
            command.env_remove(name);
        }
        command.args(arguments).arg("--data").arg(self.data()).output().expect("the binary runs")
    }

    /// The text of an operator's command that ends with this status.
    fn told(&self, arguments: &[&str], status: i32) -> String {
        let output = self.operate(arguments);
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("it is text")
    }

    fn blobs(&self) -> LocalBlobs {
        LocalBlobs::open(&self.data().join("blobs"), LocalSettings::default()).expect("the server is stopped")
    }

    fn file_of(&self, blob: BlobId) -> PathBuf {
        let name = blob.to_string();
        self.data().join("blobs/data").join(&name[28..30]).join(&name[30..]).join(name)
    }

    /// Files that no record knows, sealed and confirmed.
    fn leave_orphans(&self, orphans: &[BlobId]) {
        let blobs = self.blobs();
        block_on(async {
            for &orphan in orphans {
                blob_suite::write(&blobs, orphan, &blob_suite::bytes(1, 5_000), 5_000).await.expect("it is sealed");
                blobs.confirm(orphan).await;
            }
        });
    }

    /// The objects are as they were put.
    fn assert_objects(&self) {
        let server = self.start(&[]);
        let mut client = Client::new(server.address);
        for (key, size) in [("large", 100_000), ("small", 100)] {
            assert_eq!(succeed(&mut client, &Request::new(Dialect::S3, "GET", key)).body, content(size), "{key}");
        }
        server.stop();
    }
}

fn content(size: usize) -> Vec<u8> {
    blob_suite::bytes(size as u64, size).to_vec()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime").block_on(work)
}

fn succeed(client: &mut Client, request: &Request<'_>) -> RawResponse {
    let answer = client.ask(request).expect("the server answers");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer
}

/// An upload with a part of so many bytes.
fn begin_upload(client: &mut Client, key: &str, size: usize) -> String {
    let answer = succeed(client, &Request::new(Dialect::S3, "POST", key).query("uploads="));
    let text = String::from_utf8(answer.body).expect("XML is text");
    let id = text.split("<UploadId>").nth(1).and_then(|rest| rest.split('<').next()).expect("it has an id").to_owned();
    let part = Request::new(Dialect::S3, "PUT", key).query(format!("partNumber=1&uploadId={id}")).body(content(size));
    succeed(client, &part);
    id
}

fn ids(text: &str) -> Vec<String> {
    let rows: Value = serde_json::from_str(text).expect("it is JSON");
    rows.as_array().expect("a list").iter().map(|row| row["upload_id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn stale_uploads_are_listed_by_a_dry_run_and_then_aborted_by_a_running_server_and_without_one() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut client = Client::new(server.address);
    let (first, second) = (begin_upload(&mut client, "a", 100_000), begin_upload(&mut client, "b", 200));
    assert_eq!(place.told(&["uploads", "expire", "--older-than", "1h"], 0), "0 uploads aborted, holding 0 B\n");
    let told = place.told(&["uploads", "expire", "--older-than", "0s", "--dry-run"], 0);
    for part in [&first, &second, "crash", "97.6 KiB", "2 uploads would be aborted, holding 97.8 KiB\n"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let listed = ["uploads", "--json"];
    assert_eq!(ids(&place.told(&listed, 0)), [first.clone(), second.clone()], "it touched nothing");
    assert_eq!(
        ids(&place.told(&["uploads", "expire", "--older-than", "0s", "--json", "--count-max", "1"], 0)),
        std::slice::from_ref(&first)
    );
    assert_eq!(ids(&place.told(&listed, 0)), [""; 0], "both are gone, one was told");
    let gone = client.ask(&Request::new(Dialect::S3, "PUT", "a").query(format!("partNumber=2&uploadId={first}")).body(content(10)));
    assert_eq!(gone.expect("the server answers").status, 404);

    let third = begin_upload(&mut client, "c", 100_000);
    server.stop();
    for arguments in [&["uploads", "expire", "--older-than", "7"][..], &["uploads", "expire"]] {
        assert_eq!(place.operate(arguments).status.code(), Some(2), "{arguments:?}");
    }
    assert_eq!(ids(&place.told(&["uploads", "expire", "--older-than", "0s", "--dry-run", "--json"], 0)), std::slice::from_ref(&third));
    assert_eq!(ids(&place.told(&["uploads", "expire", "--older-than", "0s", "--json"], 0)), [third]);
    assert_eq!(ids(&place.told(&listed, 0)), [""; 0]);
    place.told(&["verify"], 0);
    place.assert_objects();
}

/// Makes all that is known of open uploads an hour old.
async fn age_uploads(index: &RocksKv) {
    let hour_ago = Timestamp::from_millis(now_ms() - 3_600_000);
    for (row, value) in index.scan(keys::table(b'U'), 100).await.expect("it can be read") {
        let record = UploadRecord { initiated: hour_ago, ..UploadRecord::decode(&value).expect("it is a record") };
        index.commit(vec![], vec![Write::Put(row.to_vec(), record.encode())]).await.expect("it is written");
    }
    for (row, value) in index.scan(keys::table(b'P'), 100).await.expect("it can be read") {
        let record = PartRecord { last_modified: hour_ago, ..PartRecord::decode(&value).expect("it is a record") };
        index.commit(vec![], vec![Write::Put(row.to_vec(), record.encode())]).await.expect("it is written");
    }
}

fn now_ms() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_millis()).expect("it is not so late")
}

#[test]
fn a_server_expires_uploads_when_it_is_told_to_and_counts_them() {
    let place = Place::new();
    let server = place.start(&[]);
    let mut client = Client::new(server.address);
    let (touched, left) = (begin_upload(&mut client, "a", 100_000), begin_upload(&mut client, "b", 100_000));
    server.stop();
    let index = RocksKv::open(&place.data().join("index"), RocksSettings::default()).expect("the server is stopped");
    block_on(age_uploads(&index));
    drop(index);

    let server = place.start(&["--lifecycle-interval", "1s"]);
    let part = Request::new(Dialect::S3, "PUT", "a").query(format!("partNumber=2&uploadId={touched}")).body(content(10));
    succeed(&mut Client::new(server.address), &part);
    thread::sleep(Duration::from_secs(2));
    assert_eq!(ids(&place.told(&["uploads", "--json"], 0)), [touched.clone(), left], "nobody told it to");
    server.stop();

    let metrics = free_address();
    let server = place.start(&["--metrics-listen", &metrics.to_string(), "--lifecycle-interval", "1s", "--upload-expiry", "30m"]);
    let deadline = Instant::now() + PATIENCE;
    while metric(metrics, "partway_expired_uploads_total") != Some(1.0) {
        assert!(Instant::now() < deadline, "{:?} uploads have expired", metric(metrics, "partway_expired_uploads_total"));
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(ids(&place.told(&["uploads", "--json"], 0)), [touched], "the one that went on stays");
    server.stop();
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("there is a port")
}

/// What a metric is, or `None` when it is not told yet.
fn metric(address: SocketAddr, name: &str) -> Option<f64> {
    let mut client = partway::testkit::raw_client::RawClient::connect(address).ok()?;
    let answer = client.ask(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").ok()?;
    let text = String::from_utf8(answer.body).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn orphans_are_counted_in_a_metric_while_the_server_runs() {
    let place = Place::new();
    // On the first shelves, which are looked at first.
    place.leave_orphans(&[BlobId([0; 16]), BlobId([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])]);
    let metrics = free_address();
    let server = place.start(&["--metrics-listen", &metrics.to_string(), "--orphan-search-rate", "1000000"]);
    let mut client = Client::new(server.address);
    succeed(&mut client, &Request::new(Dialect::S3, "PUT", "large").body(content(100_000)));
    let deadline = Instant::now() + PATIENCE;
    while metric(metrics, "partway_orphan_files") != Some(2.0) || metric(metrics, "partway_todo_lines").is_none() {
        assert!(Instant::now() < deadline, "{:?} orphans are counted", metric(metrics, "partway_orphan_files"));
        thread::sleep(Duration::from_millis(200));
    }
    assert!(metric(metrics, "partway_orphan_bytes").is_some_and(|bytes| (10_000.0..11_000.0).contains(&bytes)));
    server.stop();
    assert!(place.file_of(BlobId([0; 16])).exists(), "nothing is deleted");
}

/// Everything below a directory, with its bytes.
fn files_below(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).expect("it is a directory") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else {
            files.push((path.clone(), fs::read(&path).expect("it can be read")));
        }
    }
    files.sort();
    files
}

#[test]
fn a_repair_moves_what_nothing_refers_to_into_the_quarantine() {
    let place = Place::new();
    let before = files_below(&place.data().join("blobs/data"));
    assert_eq!(place.told(&["verify", "--repair", "--json"], 0), place.told(&["verify", "--json"], 0), "there is nothing to repair");
    assert_eq!(files_below(&place.data().join("blobs/data")), before);
    assert!(!place.data().join("blobs/quarantine").exists());

    let orphan = BlobId([7; 16]);
    place.leave_orphans(&[orphan]);
    let bytes = fs::read(place.file_of(orphan)).expect("it is there");
    let lost = keys::inline_data(BlobId([8; 16]));
    let index = RocksKv::open(&place.data().join("index"), RocksSettings::default()).expect("the server is stopped");
    block_on(index.commit(vec![], vec![Write::Put(lost.clone(), b"lost".to_vec().into())])).expect("it is written");
    drop(index);

    let server = place.start(&[]);
    assert_eq!(place.operate(&["verify", "--repair"]).status.code(), Some(3), "not while a server has the directory");
    assert_eq!(place.operate(&["verify", "--repair", "--dry-run"]).status.code(), Some(3));
    server.stop();
    let problems = place.told(&["verify"], 1);
    assert!(problems.contains("there is a file, but no row") && problems.contains("is referred to by nothing"), "{problems}");
    let dry = place.told(&["verify", "--repair", "--dry-run"], 1);
    assert!(dry.contains("to do: ") && dry.ends_with("2 problems\n"), "{dry}");
    assert!(place.file_of(orphan).exists() && !place.data().join("blobs/quarantine").exists(), "a dry run moves nothing");

    let done = place.told(&["verify", "--repair"], 0);
    assert!(done.contains("done: ") && done.ends_with("all is well\n"), "{done}");
    assert!(place.told(&["verify"], 0).ends_with("all is well\n"));
    assert!(!place.told(&["verify", "--repair"], 0).contains("done: "), "it is done");
    let quarantine = place.data().join("blobs/quarantine");
    assert_eq!(fs::read(quarantine.join(orphan.to_string())).expect("it is there"), bytes);
    let manifest = fs::read_to_string(quarantine.join("manifest.jsonl")).expect("it is there");
    let entries: Vec<Value> = manifest.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!(entries.len(), 2, "{manifest}");
    let row = entries.iter().find(|entry| entry["what"] == "row").expect("the row is noted");
    assert_eq!((row["key"].as_str(), row["value"].as_str()), (Some(hex::encode(lost).as_str()), Some(hex::encode(b"lost").as_str())));
    place.assert_objects();
}

/// Rot is told by the object's name, and told again after a repair, which touches neither object nor bytes.
#[test]
fn a_repair_leaves_rotten_objects_where_they_are() {
    let place = Place::new();
    let (path, mut bytes) = files_below(&place.data().join("blobs/data")).into_iter().next().expect("the large one is in a file");
    bytes[50_000] ^= 1;
    fs::write(&path, &bytes).expect("it can be damaged");
    for arguments in [&["verify"][..], &["verify", "--repair"], &["verify", "--repair"]] {
        let told = place.told(arguments, 1);
        assert!(told.contains("O crash \"large\": ") && !told.contains("done: "), "{told}");
    }
    assert_eq!(fs::read(&path).expect("it is there"), bytes);
}
