//! Backups of the real binary under load: what was acknowledged before is in them, nothing is half there, the copy goes on where
//! the original stood, and what is interrupted or damaged is no backup.

#[path = "crash/client.rs"]
mod client;
mod gateway;
#[path = "backup/held.rs"]
mod held;
#[path = "backup/load.rs"]
mod load;
#[path = "backup/server.rs"]
mod server;

use client::{Client, Dialect, Request, elements};
use load::{Load, Standing, bytes};
use partway::{
    backup::{self as backups, BackupError, DataDirPlaces, Order},
    blob::{LocalBlobs, LocalSettings},
    datadir::DataDir,
    meta::{
        Kv, RocksKv, RocksSettings, Write, keys,
        record::{Content, Record as _, Todo},
    },
    model::Timestamp,
    ops::{Environment, Gateway, GatewaySettings},
    space::Space,
};
use server::{Server, operate, partway};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(120);

struct Place {
    _directory: tempfile::TempDir,
    data: PathBuf,
    to: PathBuf,
    restored: PathBuf,
}

fn place() -> Place {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().canonicalize().expect("it is there");
    Place { data: path.join("data"), to: path.join("backups"), restored: path.join("restored"), _directory: directory }
}

fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).expect("it is text")
}

fn refused(output: &Output, why: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && text.contains(why), "`{why}` in {output:?}");
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our paths are text")
}

fn backup(place: &Place, more: &[&str]) -> Output {
    operate(&place.data, &[&["backup", "--to", text(&place.to)], more].concat())
}

fn restore(place: &Place, more: &[&str]) -> Output {
    operate(&place.restored, &[&["restore", "--from", text(&place.to)], more].concat())
}

/// The complete snapshots.
fn snapshots(place: &Place) -> Vec<String> {
    let names = fs::read_dir(place.to.join("snapshots")).into_iter().flatten();
    let names = names.map(|entry| entry.expect("it can be read").file_name().into_string().expect("it is text"));
    let mut names: Vec<_> = names.filter(|name| !name.ends_with(".unfinished")).collect();
    names.sort();
    names
}

/// The blob files below a directory.
fn blob_files(blobs: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut rest = vec![blobs.join("data")];
    while let Some(directory) = rest.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = entry.expect("it can be read").path();
            if path.is_dir() { rest.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn verify(data: &Path) {
    let output = operate(data, &["verify"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// Waits until the reaper has left so many files.
fn wait_for_files(data: &Path, count: usize) {
    let deadline = Instant::now() + PATIENCE;
    while blob_files(&data.join("blobs")).len() != count {
        assert!(Instant::now() < deadline, "{} files instead of {count}", blob_files(&data.join("blobs")).len());
        sleep(Duration::from_millis(50));
    }
}

fn put(client: &mut Client, dialect: Dialect, key: &str, body: Vec<u8>) {
    let answer = client.ask(&Request::new(dialect, "PUT", key).body(body)).expect("the server answers");
    assert_eq!(answer.status, 200, "{key}: {}", String::from_utf8_lossy(&answer.body));
}

fn get(client: &mut Client, dialect: Dialect, key: &str) -> Option<Vec<u8>> {
    let answer = client.ask(&Request::new(dialect, "GET", key)).expect("the server answers");
    match answer.status {
        200 => Some(answer.body),
        404 => None,
        status => panic!("{key}: {status} {}", String::from_utf8_lossy(&answer.body)),
    }
}

fn delete(client: &mut Client, key: &str) {
    assert_eq!(client.ask(&Request::new(Dialect::S3, "DELETE", key)).expect("the server answers").status, 204);
}

fn create_upload(client: &mut Client, dialect: Dialect, key: &str) -> String {
    let answer = client.ask(&Request::new(dialect, "POST", key).query("uploads")).expect("the server answers");
    assert_eq!(answer.status, 200);
    elements(answer.text(), "UploadId")[0].to_owned()
}

fn put_part(client: &mut Client, dialect: Dialect, key: &str, id: &str, number: u32, body: Vec<u8>) -> String {
    let request = Request::new(dialect, "PUT", key).query(format!("partNumber={number}&uploadId={id}")).body(body);
    let answer = client.ask(&request).expect("the server answers");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    answer.header("etag").expect("a part has an ETag").to_owned()
}

fn complete(client: &mut Client, dialect: Dialect, key: &str, id: &str, parts: &[(u32, String)]) {
    let parts = parts.iter().map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>());
    let request = Request::new(dialect, "POST", key).query(format!("uploadId={id}")).body(body.into_bytes());
    let answer = client.ask(&request).expect("the server answers");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
}

/// Objects and an open upload that nobody touches after they are acknowledged.
struct Untouched {
    objects: Vec<(String, Vec<u8>)>,
    upload: String,
    parts: Vec<(u32, String)>,
}

const UPLOAD_KEY: &str = "still-open";

impl Untouched {
    fn write(client: &mut Client) -> Self {
        let mut objects = Vec::new();
        for (number, size) in (0_u64..).zip([0, 100, 4_096, 5_000, 200_000, 131_072, 700_000]) {
            let (key, body) = (format!("untouched-{number}"), bytes(number, size));
            put(client, if number % 2 == 0 { Dialect::S3 } else { Dialect::Oss }, &key, body.clone());
            objects.push((key, body));
        }
        // More parts than stay in an object's own record, shared with a copy.
        let upload = create_upload(client, Dialect::Oss, "untouched-parts");
        let parts: Vec<_> = (1..=9).map(|number| (number, bytes(u64::from(number) << 8, 20_000))).collect();
        let etags: Vec<_> = parts
            .iter()
            .map(|(number, body)| (*number, put_part(client, Dialect::S3, "untouched-parts", &upload, *number, body.clone())))
            .collect();
        complete(client, Dialect::Oss, "untouched-parts", &upload, &etags);
        let whole: Vec<u8> = parts.into_iter().flat_map(|(_, body)| body).collect();
        let copy = Request::new(Dialect::S3, "PUT", "untouched-copy")
            .header(Dialect::S3.header("copy-source"), format!("/{}/untouched-parts", client::BUCKET));
        assert_eq!(client.ask(&copy).expect("the server answers").status, 200);
        objects.extend(["untouched-parts", "untouched-copy"].map(|key| (key.to_owned(), whole.clone())));

        let upload = create_upload(client, Dialect::Oss, UPLOAD_KEY);
        let parts =
            (1..=3).map(|number| (number, put_part(client, Dialect::Oss, UPLOAD_KEY, &upload, number, bytes(number.into(), 50_000))));
        Self { objects, parts: parts.collect(), upload }
    }

    /// Everything is as it was, and the upload goes on, in the other dialect.
    fn check_and_complete(mut self, client: &mut Client) {
        for (key, body) in &self.objects {
            for dialect in [Dialect::S3, Dialect::Oss] {
                assert!(get(client, dialect, key).as_ref() == Some(body), "{key} is not what it was");
            }
        }
        self.parts.push((4, put_part(client, Dialect::S3, UPLOAD_KEY, &self.upload, 4, bytes(4, 50_000))));
        complete(client, Dialect::S3, UPLOAD_KEY, &self.upload, &self.parts);
        let whole: Vec<u8> = (1..=4).flat_map(|number| bytes(number, 50_000)).collect();
        assert!(get(client, Dialect::Oss, UPLOAD_KEY) == Some(whole));
    }
}

#[test]
fn a_backup_under_load_holds_all_that_was_acknowledged_and_the_copy_goes_on_from_there() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    let mut client = Client::new(server.address);
    server.make_bucket();
    let untouched = Untouched::write(&mut client);
    let load = Load::begin(server.address);
    load.wait_for(200);
    let (mut before, mut after) = (vec![], vec![]);
    // The second one finds most blobs there already.
    for round in 0..3 {
        before = load.acknowledged();
        let report = succeed(&backup(&place, &["--json"]));
        after = load.begun();
        let report: serde_json::Value = serde_json::from_str(&report).expect("it is JSON");
        assert!(round == 0 || report["copied"].as_u64() < report["blobs"].as_u64(), "{report}");
        assert_eq!(snapshots(&place).len(), 1, "one is kept");
        load.wait_for(100);
    }
    load.end();
    server.check_log();
    server.kill();

    succeed(&restore(&place, &[]));
    verify(&place.restored);
    let server = Server::start(&place.restored, &[]);
    let mut client = Client::new(server.address);
    untouched.check_and_complete(&mut client);
    let standing = load.standing(&mut client, &before, &after);
    assert!(standing.iter().all(|standing| *standing == Standing::Allowed), "{standing:?}");
    // What was garbage in the snapshot is let go of, and nothing else.
    sleep(Duration::from_secs(3));
    verify(&place.restored);
    server.check_log();
}

#[test]
fn a_backup_without_a_server_is_one_too() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    let untouched = Untouched::write(&mut Client::new(server.address));
    server.stop();
    succeed(&backup(&place, &["--link"]));
    succeed(&restore(&place, &["--check"]));
    assert!(!place.restored.exists());
    succeed(&restore(&place, &[]));
    // Linked files are not shared with what is restored: both go on.
    verify(&place.data);
    let server = Server::start(&place.restored, &[]);
    untouched.check_and_complete(&mut Client::new(server.address));
}

#[test]
fn older_snapshots_go_with_the_blobs_that_only_they_refer_to() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    let mut client = Client::new(server.address);
    put(&mut client, Dialect::S3, "first", bytes(1, 50_000));
    put(&mut client, Dialect::S3, "stays", bytes(2, 50_000));
    succeed(&backup(&place, &["--keep", "2"]));
    delete(&mut client, "first");
    put(&mut client, Dialect::S3, "second", bytes(3, 50_000));
    wait_for_files(&place.data, 2);
    succeed(&backup(&place, &["--keep", "2"]));
    let names = snapshots(&place);
    assert_eq!((names.len(), blob_files(&place.to.join("blobs")).len()), (2, 3));
    succeed(&restore(&place, &["--snapshot", &names[0]]));
    let restored = Server::start(&place.restored, &[]);
    let mut old = Client::new(restored.address);
    assert!(get(&mut old, Dialect::S3, "first") == Some(bytes(1, 50_000)) && get(&mut old, Dialect::S3, "second").is_none());

    succeed(&backup(&place, &["--keep", "2"]));
    assert_eq!((snapshots(&place).len(), blob_files(&place.to.join("blobs")).len()), (2, 2), "nothing refers to the first any more");
    succeed(&restore(&place, &["--check"]));
}

#[test]
fn a_snapshot_without_blobs_is_restored_with_blobs_from_elsewhere() {
    let place = place();
    let server = Server::start(&place.data, &["--reap-grace", "1h"]);
    server.make_bucket();
    let mut client = Client::new(server.address);
    put(&mut client, Dialect::S3, "k", bytes(1, 50_000));
    succeed(&backup(&place, &["--index-only"]));
    // Within the grace, files that were referred to are all there.
    delete(&mut client, "k");
    put(&mut client, Dialect::S3, "later", bytes(2, 50_000));
    let blobs = place.to.join("elsewhere");
    copy_tree(&place.data.join("blobs/data"), &blobs.join("data"));
    assert!(!place.to.join("blobs").exists());
    refused(&restore(&place, &[]), "--blobs");
    succeed(&restore(&place, &["--blobs", text(&blobs)]));
    verify(&place.restored);
    let restored = Server::start(&place.restored, &[]);
    assert!(get(&mut Client::new(restored.address), Dialect::S3, "k") == Some(bytes(1, 50_000)));
}

fn copy_tree(source: &Path, target: &Path) {
    fs::create_dir_all(target).expect("it is ours");
    for entry in fs::read_dir(source).expect("it is there") {
        let (from, to) = {
            let entry = entry.expect("it can be read");
            (entry.path(), target.join(entry.file_name()))
        };
        if from.is_dir() { copy_tree(&from, &to) } else { fs::copy(&from, &to).map(drop).expect("it can be copied") }
    }
}

/// Enough to copy that a backup can be met while it is under way.
fn much(server: &Server) {
    let mut client = Client::new(server.address);
    for number in 0..40 {
        put(&mut client, Dialect::S3, &format!("k{number}"), bytes(number, 2_000_000));
    }
}

/// Begins a backup and returns when it has begun to copy.
fn begin_backup(place: &Place) -> std::process::Child {
    let mut command = partway();
    command.args(["backup", "--to", text(&place.to), "--data", text(&place.data)]).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("the binary starts");
    let deadline = Instant::now() + PATIENCE;
    while blob_files(&place.to.join("blobs")).is_empty() {
        assert!(Instant::now() < deadline, "no blob is copied");
        sleep(Duration::from_millis(1));
    }
    child
}

#[test]
fn a_backup_that_loses_its_asker_is_none_and_lets_the_reaper_go_on() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    much(&server);
    let mut child = begin_backup(&place);
    child.kill().and_then(|()| child.wait()).expect("it is ours");
    let mut client = Client::new(server.address);
    (0..40).for_each(|number| delete(&mut client, &format!("k{number}")));
    wait_for_files(&place.data, 0);
    assert_eq!(snapshots(&place), [""; 0]);
    refused(&restore(&place, &[]), "no complete snapshot");
    // The next one finds the place free and clears it.
    let deadline = Instant::now() + PATIENCE;
    while !backup(&place, &[]).status.success() {
        assert!(Instant::now() < deadline, "the place stays taken");
        sleep(Duration::from_millis(100));
    }
    assert_eq!(blob_files(&place.to.join("blobs")).len(), 0);
    succeed(&restore(&place, &["--check"]));
    server.check_log();
}

#[test]
fn a_backup_whose_server_dies_is_none_and_the_next_one_is() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    much(&server);
    let mut child = begin_backup(&place);
    server.kill();
    assert!(!child.wait().expect("it is ours").success());
    assert_eq!(snapshots(&place), [""; 0]);
    refused(&restore(&place, &[]), "no complete snapshot");
    let server = Server::start(&place.data, &[]);
    succeed(&backup(&place, &[]));
    let unfinished = fs::read_dir(place.to.join("snapshots")).expect("it is there").count();
    assert_eq!((snapshots(&place).len(), unfinished), (1, 1), "what was unfinished is cleared away");
    let mut client = Client::new(server.address);
    (0..40).for_each(|number| delete(&mut client, &format!("k{number}")));
    wait_for_files(&place.data, 0);
    succeed(&restore(&place, &[]));
    verify(&place.restored);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_takes_too_long_is_given_up_and_its_reaper_goes_on() {
    let place = place();
    let data = DataDir::open_or_create(&place.data).expect("it is missing");
    let index = Arc::new(RocksKv::open(&data.index(), RocksSettings::default()).expect("it is new"));
    let blobs = Arc::new(LocalBlobs::open(&data.blobs(), LocalSettings::default()).expect("it is new"));
    let now = Timestamp::from_secs(1_700_000_000);
    let environment = Environment { now: Arc::new(move || now), random: Arc::new(|bytes| bytes.fill(1)) };
    let gateway = Gateway::new(Arc::clone(&index) as Arc<dyn Kv>, blobs, GatewaySettings::default(), environment);
    // Due so short a time ago that a hold would keep it.
    let line = Write::Put(keys::todo(now.plus_millis(-1), 1), Todo::ReleaseContent(Content::Here(vec![])).encode());
    index.commit(vec![], vec![line]).await.expect("it is new");
    let places = DataDirPlaces::of(&data, None);
    let order = |time_max_secs| Order { to: place.to.clone(), keep: 1, link: false, index_only: false, time_max_secs };
    let late = backups::take(&gateway, Arc::clone(&index), &places, order(0)).await;
    assert!(matches!(late, Err(BackupError::Ended(_))), "{late:?}");
    assert_eq!(snapshots(&place), [""; 0]);
    let hold = gateway.hold_reaper().await;
    assert_eq!(gateway.reap().await, Ok(0));
    drop(hold);
    assert_eq!(gateway.reap().await, Ok(1));
    backups::take(&gateway, index, &places, order(60)).await.expect("there is time");
    assert_eq!(snapshots(&place).len(), 1);
}

/// A disk with no room to spare: a reserve that it will never have is kept from everybody.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_would_take_the_room_of_the_data_directory_is_refused_and_gives_back_what_it_had() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    put(&mut Client::new(server.address), Dialect::S3, "k", bytes(1, 50_000));
    succeed(&backup(&place, &[]));
    server.stop();
    // As an interrupted backup leaves one.
    let left = place.to.join("blobs/data/00/00/00000000000000000000000000000000");
    fs::create_dir_all(left.parent().expect("it has one")).and_then(|()| fs::write(&left, "half")).expect("it is ours");

    let data = DataDir::open(&place.data).expect("the server is stopped");
    let index = Arc::new(RocksKv::open(&data.index(), RocksSettings::default()).expect("it is sound"));
    let blobs = Arc::new(LocalBlobs::open(&data.blobs(), LocalSettings::default()).expect("it is sound"));
    let environment = Environment { now: Arc::new(|| Timestamp::from_secs(1_700_000_000)), random: Arc::new(|bytes| bytes.fill(1)) };
    let space = Space::open(&data.index(), &data.blobs(), u64::MAX / 4);
    let gateway = Gateway::with_space(Arc::clone(&index) as Arc<dyn Kv>, blobs, GatewaySettings::default(), environment, space);
    let places = DataDirPlaces::of(&data, None);
    let order = Order { to: place.to.clone(), keep: 1, link: false, index_only: false, time_max_secs: 60 };
    let refused = backups::take(&gateway, index, &places, order).await;
    assert!(matches!(refused, Err(BackupError::NoRoom(_))), "{refused:?}");
    assert_eq!((snapshots(&place).len(), left.exists()), (1, false));
    succeed(&restore(&place, &["--check"]));
}

#[test]
fn a_damaged_backup_is_refused_and_nothing_is_restored_of_it() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    let untouched = Untouched::write(&mut Client::new(server.address));
    server.stop();
    succeed(&backup(&place, &[]));
    let snapshot = place.to.join("snapshots").join(&snapshots(&place)[0]);
    let mut victims: Vec<PathBuf> =
        fs::read_dir(snapshot.join("index")).expect("it is there").map(|entry| entry.expect("it is there").path()).collect();
    victims.extend([snapshot.join("manifest"), snapshot.join("blobs"), blob_files(&place.to.join("blobs"))[0].clone()]);
    for victim in victims.iter().filter(|victim| fs::metadata(victim).expect("it is there").len() > 0) {
        let sound = fs::read(victim).expect("it can be read");
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 4;
        let ways: [(Option<Vec<u8>>, &[&str]); 3] =
            [(Some(flipped), &[]), (Some(sound[..sound.len() - 1].to_vec()), &["--check"]), (None, &["--check"])];
        for (damaged, more) in ways {
            match &damaged {
                Some(bytes) => fs::write(victim, bytes),
                None => fs::remove_file(victim),
            }
            .expect("it is ours");
            let output = restore(&place, more);
            assert_eq!(output.status.code(), Some(1), "{} {more:?}: {output:?}", victim.display());
            let left: Vec<_> = fs::read_dir(&place.restored).into_iter().flatten().collect();
            assert!(left.is_empty(), "{left:?}");
        }
        fs::write(victim, sound).expect("it is ours");
    }
    succeed(&restore(&place, &[]));
    let server = Server::start(&place.restored, &[]);
    untouched.check_and_complete(&mut Client::new(server.address));
}

#[test]
fn a_restore_that_is_killed_leaves_no_data_directory() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    much(&server);
    succeed(&backup(&place, &[]));
    let mut command = partway();
    command.args(["restore", "--from", text(&place.to), "--data", text(&place.restored)]).stdout(Stdio::null());
    let mut child = command.spawn().expect("the binary starts");
    let deadline = Instant::now() + PATIENCE;
    while blob_files(&place.restored.join("blobs")).is_empty() {
        assert!(Instant::now() < deadline, "no blob is restored");
        sleep(Duration::from_millis(1));
    }
    child.kill().and_then(|()| child.wait()).expect("it is ours");
    assert!(!place.restored.join("format").exists(), "the canary: it was not complete");
    refused(&operate(&place.restored, &["serve", "--listen", "127.0.0.1:0"]), "no partway data");
    refused(&restore(&place, &[]), "is not empty");
    fs::remove_dir_all(&place.restored).expect("it is ours");
    succeed(&restore(&place, &[]));
    verify(&place.restored);
}

#[test]
fn a_store_with_a_damaged_blob_is_not_backed_up_as_if_it_were_sound() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    put(&mut Client::new(server.address), Dialect::S3, "k", bytes(1, 300_000));
    let file = &blob_files(&place.data.join("blobs"))[0];
    let sound = fs::read(file).expect("it can be read");
    let mut flipped = sound.clone();
    flipped[150_000] ^= 1;
    fs::write(file, flipped).expect("it is ours");
    refused(&backup(&place, &[]), "corrupt");
    fs::remove_file(file).expect("it is ours");
    refused(&backup(&place, &[]), "missing");
    assert_eq!(snapshots(&place), [""; 0]);
    fs::write(file, sound).expect("it is ours");
    succeed(&backup(&place, &[]));
}

#[test]
fn nothing_is_backed_up_or_restored_where_something_else_is() {
    let place = place();
    let server = Server::start(&place.data, &[]);
    server.make_bucket();
    let within = place.data.join("backups");
    refused(&operate(&place.data, &["backup", "--to", text(&within)]), "within each other");
    assert!(!within.exists());
    let foreign = place.data.parent().expect("it has one").join("thesis");
    fs::create_dir(&foreign).and_then(|()| fs::write(foreign.join("thesis.txt"), "text")).expect("it is ours");
    refused(&operate(&place.data, &["backup", "--to", text(&foreign)]), "no backups of partway");
    succeed(&backup(&place, &[]));
    refused(&operate(&foreign, &["restore", "--from", text(&place.to)]), "is not empty");
    refused(&operate(&place.data, &["restore", "--from", text(&place.to)]), "is not empty");
    succeed(&restore(&place, &[]));
    refused(&restore(&place, &[]), "is not empty");
    assert_eq!(fs::read_dir(&foreign).expect("it is there").count(), 1);
}
