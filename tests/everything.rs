//! Everything at once with the real binary: a store that has seen all that clients and operators can do to it is sound, has nothing
//! to repair, counts what it holds, and its backup is its twin.

#[allow(dead_code, reason = "shared with the crash tests")]
#[path = "crash/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the backup tests")]
#[path = "backup/server.rs"]
mod server;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use client::{BUCKET, Client, Dialect, Request, elements};
use partway::testkit::{blob_suite, raw_client::RawResponse};
use serde_json::Value;
use server::{Server, operate};
use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

const FLAGS: [&str; 10] = [
    "--lifecycle-interval",
    "1s",
    "--upload-expiry",
    "1d",
    "--disk-reserve",
    "4MiB",
    "--orphan-search-rate",
    "1000",
    "--callback-allow",
    "127.0.0.0/8",
];

struct Store {
    data: PathBuf,
    key_file: PathBuf,
}

impl Store {
    fn start(&self) -> Server {
        Server::start(&self.data, &[&FLAGS[..], &["--secrets-key-file", text(&self.key_file)]].concat())
    }

    /// What an operator's command that succeeds prints.
    fn told(&self, arguments: &[&str]) -> String {
        let output = operate(&self.data, &[arguments, &["--secrets-key-file", text(&self.key_file)]].concat());
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).expect("it is text")
    }

    fn told_json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.told(&[arguments, &["--json"]].concat())).expect("it is JSON")
    }

    fn assert_sound(&self) {
        assert_eq!(self.told_json(&["verify"])["problems"], Value::Array(vec![]));
    }

    fn assert_nothing_to_repair(&self) {
        let report = self.told_json(&["verify", "--repair", "--dry-run"]);
        assert_eq!((&report["problems"], &report["repairs"]), (&Value::Array(vec![]), &Value::Array(vec![])));
    }

    /// What the bucket holds: objects and their bytes, uploads, part numbers and the bytes of parts.
    fn held(&self) -> [u64; 5] {
        let report = self.told_json(&["quota", "list"]);
        let bucket =
            report["quotas"].as_array().expect("a list").iter().find(|quota| quota["name"] == BUCKET).expect("it is there").clone();
        ["objects", "object_bytes", "uploads", "parts", "part_bytes"].map(|name| bucket[name].as_u64().expect("a number"))
    }
}

fn text(path: &Path) -> &str {
    path.to_str().expect("our paths are text")
}

fn body(size: usize) -> Vec<u8> {
    blob_suite::bytes(size as u64, size).to_vec()
}

fn ask(client: &mut Client, request: &Request<'_>, status: u16) -> RawResponse {
    let answer = client.ask(request).expect("the server answers");
    assert_eq!(answer.status, status, "{} {}: {}", request.key, request.query, String::from_utf8_lossy(&answer.body));
    answer
}

fn put(client: &mut Client, dialect: Dialect, key: &str, size: usize) {
    ask(client, &Request::new(dialect, "PUT", key).body(body(size)), 200);
}

fn begin(client: &mut Client, dialect: Dialect, key: &str) -> String {
    let answer = ask(client, &Request::new(dialect, "POST", key).query("uploads"), 200);
    elements(answer.text(), "UploadId")[0].to_owned()
}

fn part(client: &mut Client, key: &str, id: &str, number: u32, size: usize) -> String {
    let request = Request::new(Dialect::S3, "PUT", key).query(format!("partNumber={number}&uploadId={id}")).body(body(size));
    ask(client, &request, 200).header("etag").expect("a part has an ETag").to_owned()
}

fn copied_part(client: &mut Client, key: &str, id: &str, number: u32, source: &str) -> String {
    let copy = Request::new(Dialect::Oss, "PUT", key)
        .query(format!("partNumber={number}&uploadId={id}"))
        .header(Dialect::Oss.header("copy-source"), format!("/{BUCKET}/{source}"));
    elements(ask(client, &copy, 200).text(), "ETag")[0].to_owned()
}

fn complete(client: &mut Client, key: &str, id: &str, parts: &[(u32, String)]) {
    let parts = parts.iter().map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
    let body = format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.collect::<String>());
    ask(client, &Request::new(Dialect::S3, "POST", key).query(format!("uploadId={id}")).body(body.into_bytes()), 200);
}

fn append(client: &mut Client, position: usize, size: usize) {
    let request = Request::new(Dialect::Oss, "POST", "log").query(format!("append&position={position}")).body(body(size));
    ask(client, &request, 200);
}

/// How many objects stay.
const STAYING: u64 = 11;

/// Objects of all kinds; returns the bytes of those that stay.
fn fill(client: &mut Client) -> u64 {
    // In the index and in files; replaced, and deleted.
    let sizes = [0, 100, 50_000, 300_000];
    for (number, size) in sizes.into_iter().enumerate() {
        put(client, Dialect::S3, &format!("k{number}"), size + 1);
        put(client, Dialect::Oss, &format!("k{number}"), size);
    }
    put(client, Dialect::S3, "gone", 70_000);
    ask(client, &Request::new(Dialect::S3, "DELETE", "gone"), 204);
    // Copied: from a small one, a large one and onto a copy.
    for (source, target) in [("k1", "copy1"), ("k2", "copy3"), ("k3", "copy3")] {
        let copy = Request::new(Dialect::S3, "PUT", target).header(Dialect::S3.header("copy-source"), format!("/{BUCKET}/{source}"));
        ask(client, &copy, 200);
    }
    // Appended to, small pieces and large ones.
    [(0, 10), (10, 20), (30, 50_000), (50_030, 5)].into_iter().for_each(|(position, size)| append(client, position, size));
    let link = Request::new(Dialect::Oss, "PUT", "link").query("symlink").header(Dialect::Oss.header("symlink-target"), "k3");
    ask(client, &link, 200);
    // From parts: one replaced, one left out, one copied; and again from many.
    let id = begin(client, Dialect::Oss, "parts");
    part(client, "parts", &id, 1, 9_000);
    let list = vec![(1, part(client, "parts", &id, 1, 8_000)), (3, copied_part(client, "parts", &id, 3, "k2"))];
    part(client, "parts", &id, 2, 60_000);
    complete(client, "parts", &id, &list);
    let id = begin(client, Dialect::S3, "many");
    let list: Vec<_> = (1..=300).map(|number| (number, part(client, "many", &id, number, 100))).collect();
    complete(client, "many", &id, &list);
    // With tags, and told to an application that nobody runs.
    let tags = b"<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    ask(client, &Request::new(Dialect::S3, "PUT", "k2").query("tagging").body(tags.to_vec()), 200);
    let callback = STANDARD.encode(r#"{"callbackUrl":"http://127.0.0.1:1/","callbackBody":"x=1"}"#);
    let told = Request::new(Dialect::Oss, "PUT", "told").header(Dialect::Oss.header("callback"), callback).body(body(20_000));
    ask(client, &told, 203);
    let sizes = sizes.into_iter().sum::<usize>() + 100 + 300_000 + 50_035 + 8_000 + 50_000 + 300 * 100 + 20_000;
    sizes as u64
}

/// A rule that takes all that is below `old/`.
fn expire_old(client: &mut Client) {
    (0..3).for_each(|number| put(client, Dialect::S3, &format!("old/{number}"), 40_000 * number));
    let rule = "<LifecycleConfiguration><Rule><ID>old</ID><Prefix>old/</Prefix><Status>Enabled</Status><Expiration>\
                <CreatedBeforeDate>2090-01-01T00:00:00.000Z</CreatedBeforeDate></Expiration></Rule></LifecycleConfiguration>";
    ask(client, &Request::new(Dialect::Oss, "PUT", "").query("lifecycle").body(rule.as_bytes().to_vec()), 200);
    let deadline = Instant::now() + PATIENCE;
    while client.ask(&Request::new(Dialect::S3, "HEAD", "old/2")).expect("the server answers").status != 404 {
        assert!(Instant::now() < deadline, "the rule is not carried out");
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_store_that_has_seen_everything_is_sound_and_so_is_its_backup() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().canonicalize().expect("it is there");
    let (to, key_file) = (path.join("backups"), path.join("secrets.key"));
    // An administrator made the place of backups, for everybody to look into.
    std::fs::create_dir(&to).and_then(|()| std::fs::set_permissions(&to, PermissionsExt::from_mode(0o755))).expect("it is ours");
    let store = Store { data: path.join("data"), key_file };
    let made = server::partway().args(["keys", "new-key-file", text(&store.key_file)]).output().expect("the binary runs");
    assert!(made.status.success(), "{made:?}");

    let server = store.start();
    server.make_bucket();
    store.told(&["quota", "set", "bucket", BUCKET, "100MiB", "--objects", "1000"]);
    store.told(&["keys", "create", "--access-key", "ANOTHERKEY0123456789", "--secret-key", "a-secret-of-another-key"]);
    store.told(&["quota", "set", "key", "ANOTHERKEY0123456789", "1MiB"]);
    let mut client = Client::new(server.address);
    let bytes = fill(&mut client);
    expire_old(&mut client);
    for (key, size) in [("a", 30_000), ("b", 10)] {
        let id = begin(&mut client, Dialect::S3, key);
        part(&mut client, key, &id, 1, size);
        part(&mut client, key, &id, 1, size);
    }
    assert_eq!(store.held(), [STAYING, bytes, 2, 2, 2 * 30_010]);
    store.told(&["uploads", "expire", "--older-than", "0s"]);
    let aborted = begin(&mut client, Dialect::Oss, "c");
    part(&mut client, "c", &aborted, 7, 25_000);
    ask(&mut client, &Request::new(Dialect::Oss, "DELETE", "c").query(format!("uploadId={aborted}")), 204);
    let open = begin(&mut client, Dialect::Oss, "open");
    let list = vec![(1, part(&mut client, "open", &open, 1, 40_000)), (2, copied_part(&mut client, "open", &open, 2, "k3"))];
    let held = [STAYING, bytes, 1, 2, 340_000];
    assert_eq!(store.held(), held);
    store.assert_sound();
    store.told(&["backup", "--to", text(&to)]);
    store.told(&["backup", "--to", text(&to)]);
    let mode = std::fs::metadata(to.join("blobs")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "nobody else reads what is backed up: {mode:o}");
    server.stop();
    store.assert_sound();
    store.assert_nothing_to_repair();
    assert_eq!(store.held(), held);

    let restored = Store { data: path.join("restored"), key_file: store.key_file.clone() };
    restored.told(&["restore", "--from", text(&to)]);
    restored.assert_sound();
    restored.assert_nothing_to_repair();
    for store in [restored, store] {
        assert_eq!(store.held(), held);
        let server = store.start();
        let mut client = Client::new(server.address);
        complete(&mut client, "open", &open, &list);
        assert_eq!(store.held(), [STAYING + 1, bytes + 340_000, 0, 0, 0]);
        store.assert_sound();
        server.kill();
        store.assert_sound();
        store.assert_nothing_to_repair();
    }
}
