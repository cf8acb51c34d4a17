//! The command as people and supervisors use it: the real binary, real signals, real exit statuses.

use partway::{
    blob::BlobId,
    meta::{
        Kv as _, RocksKv, RocksSettings, Write as Row, keys,
        record::{BucketId, BucketRecord, EventRecord, EventState, Record as _},
    },
    model::{Account, Acl, Bucket, Callback, CallbackBodyType, ETag, EventId, ObjectKey, Origin, Timestamp},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader, Read, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio},
    time::{Duration, Instant},
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The binary, with no settings from the environment of the tests.
fn partway(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_partway"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PARTWAY_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// A server, killed when dropped.
struct Server {
    child: Child,
    block: String,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Server {
    /// Starts one and reads its start-up block, whose last line says where it listens.
    fn start(data: &Path, more: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = partway(&["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut server = Self { child, block: String::new(), stdout: None };
        while !server.block.lines().next_back().is_some_and(|line| line.starts_with("listening on http://127.0.0.1:")) {
            let read = stdout.read_line(&mut server.block).expect("the server prints text");
            assert!(read > 0, "the server ended before it listened:\n{}", server.block);
        }
        server.stdout = Some(stdout);
        server
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process is ours");
    }

    fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("the process is ours") {
                return status;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("the server did not end");
    }

    /// Stops it as a supervisor does, and insists on success.
    fn stop(mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.wait().code(), Some(0));
        let mut rest = String::new();
        self.stdout.take().expect("nobody took it").read_to_string(&mut rest).expect("it is text");
        assert_eq!(rest, "", "the start-up block is all that goes to stdout");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let place = tempfile::tempdir().expect("a temporary directory");
    let data = place.path().join("data");
    (place, data)
}

/// An operator's command on a data directory.
fn operate(data: &Path, arguments: &[&str]) -> Output {
    partway(arguments).arg("--data").arg(data).output().expect("the binary runs")
}

fn succeed(data: &Path, arguments: &[&str]) -> String {
    let output = operate(data, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

fn json(data: &Path, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeed(data, arguments)).expect("it is JSON")
}

fn secret_of(block: &str) -> Option<&str> {
    let line = block.lines().find_map(|line| line.trim().strip_prefix("secret key"))?;
    line.split_whitespace().next()
}

#[test]
fn the_first_start_makes_a_root_key_and_shows_it_once() {
    let (_place, data) = place();
    let server = Server::start(&data, &[], &[]);
    let secret = secret_of(&server.block).expect("the block shows a secret").to_owned();
    assert_eq!(secret.len(), 40, "{}", server.block);
    for part in ["aws --endpoint-url http://127.0.0.1:", " s3 cp ", "durability  full", data.canonicalize().unwrap().to_str().unwrap()] {
        assert!(server.block.contains(part), "{part} in\n{}", server.block);
    }
    let key_file = data.join("root-key");
    assert_eq!(std::fs::metadata(&key_file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(std::fs::read_to_string(&key_file).unwrap().contains(&secret));
    server.stop();

    let server = Server::start(&data, &["--durability", "none"], &[]);
    assert!(!server.block.contains(&secret), "{}", server.block);
    assert!(server.block.contains("root-key"), "{}", server.block);
    assert!(server.block.contains("durability  NONE"), "{}", server.block);
    server.stop();
}

#[test]
fn a_root_key_from_the_environment_is_neither_kept_nor_shown() {
    let (_place, data) = place();
    let environment = [("PARTWAY_ROOT_ACCESS_KEY", "AKENVIRONMENT"), ("PARTWAY_ROOT_SECRET_KEY", "secret-of-the-environment")];
    let server = Server::start(&data, &[], &environment);
    assert!(server.block.contains("AKENVIRONMENT") && !server.block.contains("secret-of-the-environment"), "{}", server.block);
    assert!(!data.join("root-key").exists());
    server.stop();
}

#[test]
fn a_data_directory_belongs_to_one_server() {
    let (_place, data) = place();
    let server = Server::start(&data, &[], &[]);
    let second = operate(&data, &["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(second.status.code(), Some(3));
    let message = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(message.contains(&format!("process {}", server.child.id())), "{message}");
    server.stop();
}

#[test]
fn interrupt_ends_it_as_terminate_does_and_frees_the_directory() {
    let (_place, data) = place();
    let mut server = Server::start(&data, &["--metrics-listen", "127.0.0.1:0"], &[]);
    assert!(server.block.contains("\nmetrics on http://127.0.0.1:"), "{}", server.block);
    assert!(data.join("control.sock").exists());
    server.signal(Signal::INT);
    assert_eq!(server.wait().code(), Some(0));
    assert!(!data.join("control.sock").exists());
    Server::start(&data, &[], &[]).stop();
}

#[test]
fn operator_commands_work_while_the_server_runs_and_while_it_is_stopped() {
    let (_place, data) = place();
    let server = Server::start(&data, &[], &[]);
    let root = server.block.lines().find_map(|line| line.trim().strip_prefix("access key")).expect("it is shown").trim().to_owned();

    assert_eq!(json(&data, &["uploads", "--json"]), serde_json::json!([]));
    assert!(succeed(&data, &["verify"]).contains("all is well"));
    let made = json(&data, &["keys", "create", "--json"]);
    assert_eq!(made["account"], "main");
    assert_eq!(made["access_key"].as_str().map(str::len), Some(20));
    assert_eq!(made["secret_key"].as_str().map(str::len), Some(40));
    let made = made["access_key"].as_str().unwrap();
    let given = ["keys", "create", "--account", "app", "--access-key", "AKGIVEN", "--secret-key", "given-secret"];
    succeed(&data, &given);
    assert_eq!(operate(&data, &given).status.code(), Some(1), "there is one already");
    let as_root = operate(&data, &["keys", "create", "--access-key", &root, "--secret-key", "another-secret"]);
    assert_eq!(as_root.status.code(), Some(1), "the root key is taken");
    server.stop();

    succeed(&data, &["keys", "disable", "AKGIVEN"]);
    let listed = json(&data, &["keys", "list", "--json"]);
    let find = |key: &str| listed.as_array().unwrap().iter().find(|row| row["access_key"] == key).cloned();
    let given = find("AKGIVEN").expect("it is listed");
    assert_eq!((&given["account"], &given["status"]), (&"app".into(), &"disabled".into()));
    assert_eq!(find(made).expect("it is listed")["status"], "active");
    assert!(!listed.to_string().contains("given-secret"), "secrets are not listed");
    assert_eq!(json(&data, &["uploads", "--json"]), serde_json::json!([]));
    assert_eq!(json(&data, &["verify", "--json"])["problems"], serde_json::json!([]));

    let server = Server::start(&data, &[], &[]);
    succeed(&data, &["keys", "enable", "AKGIVEN"]);
    succeed(&data, &["keys", "delete", made]);
    assert_eq!(operate(&data, &["keys", "delete", made]).status.code(), Some(1), "it is gone");
    let listed = succeed(&data, &["keys", "list"]);
    assert!(listed.contains("AKGIVEN") && listed.contains("active") && !listed.contains(made), "{listed}");
    server.stop();
}

#[test]
fn quotas_are_set_shown_and_cleared_while_the_server_runs_and_while_it_is_stopped() {
    let (_place, data) = place();
    Server::start(&data, &[], &[]).stop();
    leave(&data, vec![bucket_row()]);
    let server = Server::start(&data, &[], &[]);
    let root = server.block.lines().find_map(|line| line.trim().strip_prefix("access key")).expect("it is shown").trim().to_owned();
    assert_eq!(
        succeed(&data, &["quota", "set", "bucket", "photos", "10GiB", "--objects", "5"]),
        "bucket photos may hold 10.0 GiB and 5 objects\n"
    );
    succeed(&data, &["quota", "set", "key", &root, "1MiB"]);
    let rows = |data: &Path| {
        let listed = json(data, &["quota", "list", "--json"]);
        let row =
            |row: &serde_json::Value| (row["name"].as_str().unwrap().to_owned(), row["bytes_max"].clone(), row["objects_max"].clone());
        listed["quotas"].as_array().unwrap().iter().map(row).collect::<Vec<_>>()
    };
    let expected = vec![("photos".to_owned(), (10_u64 << 30).into(), 5.into()), (root.clone(), (1 << 20).into(), serde_json::Value::Null)];
    assert_eq!(rows(&data), expected);
    for wrong in [["bucket", "nowhere", "1"], ["key", "AKNOBODY", "1"]] {
        assert_eq!(operate(&data, &[&["quota", "set"][..], &wrong].concat()).status.code(), Some(1), "{wrong:?}");
    }
    assert_eq!(operate(&data, &["quota", "set", "bucket", "photos", "1 apple"]).status.code(), Some(2));
    server.stop();

    assert_eq!(rows(&data), expected);
    let table = succeed(&data, &["quota", "list"]);
    assert!(table.lines().any(|line| line.starts_with("bucket photos") && line.contains("10.0 GiB")), "{table}");
    succeed(&data, &["quota", "clear", "bucket", "photos"]);
    succeed(&data, &["quota", "clear", "key", &root]);
    assert_eq!(rows(&data), [("photos".to_owned(), serde_json::Value::Null, serde_json::Value::Null)]);
}

/// "hello" in the index, as the first release wrote it.
const OLD_OBJECT: &str = "01005d41402abc4b2a76b9719d911017c59205d00f0000000000000000000000b1efe4dddddcb68f9b0100000105000101d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d10005";

#[test]
fn what_an_earlier_release_wrote_is_counted_by_the_server_and_only_once() {
    let (_place, data) = place();
    Server::start(&data, &[], &[]).stop();
    let key = |number: u32| ObjectKey::new(format!("k{number}")).expect("it is legal");
    let objects = (0..300_u32).flat_map(|number| {
        let mut blob = [0xD1; 16];
        blob[..4].copy_from_slice(&number.to_be_bytes());
        let mut record = hex::decode(OLD_OBJECT).expect("it is hex");
        let at = record.windows(16).position(|bytes| bytes == [0xD1; 16]).expect("it names its blob");
        record[at..at + 16].copy_from_slice(&blob);
        let row = Row::Put(keys::object(BucketId([1; 8]), &key(number)), record.into());
        [row, Row::Put(keys::inline_data(BlobId(blob)), "hello".into())]
    });
    // An index that has buckets and does not say that all is counted is an older one.
    let rows = objects.chain([bucket_row(), Row::Delete(keys::everything_is_counted())]).collect();
    leave(&data, rows);
    let held = |data: &Path| {
        let report = json(data, &["quota", "list", "--json"]);
        (
            report["complete"].as_bool().unwrap(),
            report["quotas"][0]["objects"].as_u64().unwrap(),
            report["quotas"][0]["object_bytes"].clone(),
        )
    };
    assert_eq!(held(&data), (false, 0, 0.into()), "operators' commands do not count");
    for _ in 0..2 {
        let server = Server::start(&data, &[], &[]);
        let deadline = Instant::now() + PATIENCE;
        while !held(&data).0 {
            assert!(Instant::now() < deadline, "it is never counted");
            std::thread::sleep(Duration::from_millis(20));
        }
        assert_eq!(held(&data), (true, 300, 1500.into()));
        server.stop();
    }
    assert!(succeed(&data, &["verify"]).contains("all is well"));
}

#[test]
fn a_policy_is_checked_before_it_is_stored() {
    let (place, data) = place();
    let server = Server::start(&data, &[], &[]);
    let policy = place.path().join("policy.json");
    std::fs::write(
        &policy,
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}"#,
    )
    .unwrap();
    let made = json(&data, &["keys", "create", "--json", "--policy", policy.to_str().unwrap()]);
    assert!(made["policy"].as_str().is_some_and(|text| text.contains("s3:GetObject")), "{made}");
    std::fs::write(&policy, "{\"Statement\": 7}").unwrap();
    let refused = operate(&data, &["keys", "create", "--policy", policy.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("policy"), "{refused:?}");
    server.stop();
}

fn photos() -> Bucket {
    Bucket::new("photos").expect("it is legal")
}

/// The row of a bucket.
fn bucket_row() -> Row {
    let record = BucketRecord {
        id: BucketId([1; 8]),
        owner: Account::root(),
        created: Timestamp::from_millis(1),
        location: None,
        cors: None,
        policy: None,
        tags: None,
        acl: Acl::Private,
        storage_class: None,
        lifecycle: None,
        referer: None,
        retries_callbacks: true,
    };
    Row::Put(keys::bucket(&photos()), record.encode())
}

/// Writes rows into the index of a stopped server.
fn leave(data: &Path, rows: Vec<Row>) {
    let index = RocksKv::open(&data.join("index"), RocksSettings::default()).expect("the server is stopped");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it starts");
    runtime.block_on(index.commit(vec![], rows)).expect("it is written");
}

/// Puts an upload's event into the index of a stopped server, as a crash right after the upload leaves it.
fn leave_event(data: &Path, id: EventId, url: &str) {
    let due = Timestamp::from_millis(1);
    let event = EventRecord {
        callback: Callback {
            urls: vec![url.to_owned()],
            host: None,
            body: "object=${object}".to_owned(),
            body_type: CallbackBodyType::Form,
            sni: false,
            variables: Vec::new(),
        },
        origin: Origin::default(),
        requester: None,
        operation: "PutObject".to_owned(),
        bucket: photos(),
        key: ObjectKey::new("k").expect("it is legal"),
        etag: ETag::Whole([0; 16]),
        size: 0,
        content_type: None,
        crc64_ecma: 0,
        created: due,
        attempts: 0,
        due,
        last_error: None,
        state: EventState::Pending,
    };
    let rows = [Row::Put(keys::event(id), event.encode()), Row::Put(keys::event_due(due, id), Vec::new().into())];
    leave(data, [bucket_row()].into_iter().chain(rows).collect());
}

/// An application that answers callbacks with these statuses, one after the other, and says which ids and bodies came.
fn application(statuses: &'static [u16]) -> (String, std::thread::JoinHandle<Vec<(String, String)>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a port");
    let url = format!("http://{}/cb", listener.local_addr().expect("it is bound"));
    let serve = move || {
        let answer = |&status: &u16| {
            let (mut stream, _) = listener.accept().expect("somebody calls");
            let mut reader = BufReader::new(stream.try_clone().expect("it is a socket"));
            let (mut id, mut size, mut line) = (String::new(), 0, String::new());
            while reader.read_line(&mut line).expect("it is HTTP") > 2 {
                match line.trim().split_once(": ") {
                    Some(("x-partway-event-id", value)) => id = value.to_owned(),
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => size = value.parse().expect("a number"),
                    Some(_) | None => {}
                }
                line.clear();
            }
            let mut body = vec![0; size];
            reader.read_exact(&mut body).expect("the body follows");
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\n{{}}").expect("it listens");
            (id, String::from_utf8(body).expect("it is text"))
        };
        statuses.iter().map(answer).collect()
    };
    (url, std::thread::spawn(serve))
}

#[test]
fn callbacks_survive_the_server_are_told_until_answered_and_can_be_replayed() {
    let (_place, data) = place();
    Server::start(&data, &[], &[]).stop();
    let mode = std::fs::metadata(data.join("callback_key.pem")).expect("it is made").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let id = EventId([0xAB; 16]);
    let (url, application) = application(&[500, 200, 200, 200]);
    leave_event(&data, id, &url);
    let listed = json(&data, &["events", "--json"]);
    assert_eq!((&listed[0]["id"], &listed[0]["state"], &listed[0]["urls"][0]), (&id.to_string().into(), &"pending".into(), &url.into()));

    let flags = ["--callback-allow", "127.0.0.1", "--events-retry-min", "10ms", "--events-retry-max", "10ms"];
    let server = Server::start(&data, &flags, &[]);
    let deadline = Instant::now() + PATIENCE;
    while json(&data, &["events", "--json"]) != serde_json::json!([]) {
        assert!(Instant::now() < deadline, "it is not delivered: {}", succeed(&data, &["events"]));
        std::thread::sleep(Duration::from_millis(50));
    }
    let listed = json(&data, &["events", "--all", "--json"]);
    assert_eq!((&listed[0]["state"], &listed[0]["attempts"]), (&"delivered".into(), &2.into()));
    assert!(succeed(&data, &["events", "--replay", &id.to_string()]).contains("is delivered"));
    assert_eq!(operate(&data, &["events", "--replay", &"0".repeat(32)]).status.code(), Some(1));
    assert_eq!(operate(&data, &["events", "--replay", "x"]).status.code(), Some(2));
    succeed(&data, &["events", "--retry", "off", "--bucket", "photos"]);
    assert_eq!(operate(&data, &["events", "--retry", "off", "--bucket", "nobody"]).status.code(), Some(1));
    server.stop();

    assert!(succeed(&data, &["events", "--replay", &id.to_string()]).contains("is due"));
    let server = Server::start(&data, &flags, &[]);
    let told = application.join().expect("the application ends after its answers");
    assert_eq!(told, vec![(id.to_string(), "object=k".to_owned()); 4]);
    server.stop();
}

#[test]
fn callbacks_are_dropped_one_by_one_or_a_buckets_at_once() {
    let (_place, data) = place();
    Server::start(&data, &[], &[]).stop();
    let (one, other) = (EventId([0xAB; 16]), EventId([0xCD; 16]));
    // Nobody may call this address, so the events stay.
    [one, other].into_iter().for_each(|id| leave_event(&data, id, "http://127.0.0.1:9/"));
    let drop_one = ["events", "--drop", &one.to_string()];
    assert!(succeed(&data, &drop_one).contains("1 event dropped"));
    assert_eq!(operate(&data, &drop_one).status.code(), Some(1));
    assert_eq!(operate(&data, &["events", "--drop", "x"]).status.code(), Some(2));
    leave_event(&data, one, "http://127.0.0.1:9/");
    let server = Server::start(&data, &[], &[]);
    assert!(succeed(&data, &["events", "--drop-all", "--bucket", "nobody"]).contains("0 events dropped"));
    assert!(succeed(&data, &["events", "--drop-all", "--bucket", "photos"]).contains("2 events dropped"));
    assert_eq!(json(&data, &["events", "--all", "--json"]), serde_json::json!([]));
    succeed(&data, &["verify"]);
    server.stop();
}

#[test]
fn operator_commands_do_not_make_data_directories() {
    let (place, data) = place();
    let (expire, repair) = (["uploads", "expire", "--older-than", "7d"], ["verify", "--repair"]);
    for arguments in [&["verify"][..], &repair, &["uploads"], &expire, &["events"], &["keys", "list"], &["keys", "create"]] {
        for path in [&data, place.path()] {
            let output = operate(path, arguments);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("not a data directory"), "{output:?}");
        }
    }
    assert_eq!(place.path().read_dir().unwrap().count(), 0, "nothing was left behind");
}

#[test]
fn wrong_settings_end_with_status_2_and_name_the_nearest_known_one() {
    let (place, data) = place();
    let file = place.path().join("partway.toml");
    std::fs::write(&file, "drain-deadlin = \"1s\"\n").unwrap();
    let file = file.to_str().unwrap();
    for (arguments, variable, expected) in [
        (&["serve", "--listn", "127.0.0.1:0"][..], None, "--listen"),
        (&["config"], Some(("PARTWAY_BODY_TIMOUT", "1s")), "PARTWAY_BODY_TIMEOUT"),
        (&["serve", "--config", file], None, "drain-deadline"),
        (&["serve", "--body-timeout", "30"], None, "unit"),
        (&["serve", "--root-access-key", "AKALONE"], None, "root-secret-key"),
    ] {
        let mut command = partway(arguments);
        command.arg("--data").arg(&data).envs(variable);
        let output = command.output().expect("the binary runs");
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.contains(expected), "{expected} in {message}");
    }
    assert!(!data.exists(), "nothing is made before the settings are right");
}

#[test]
fn config_prints_what_holds_and_where_it_came_from() {
    let output = partway(&["config", "--region", "eu-west-1"]).env("PARTWAY_BODY_TIMEOUT", "90s").output().expect("the binary runs");
    let text = String::from_utf8(output.stdout).expect("it is text");
    assert!(output.status.success());
    for part in
        ["[--region]\nregion = \"eu-west-1\"", "[PARTWAY_BODY_TIMEOUT]\nbody-timeout = \"90s\"", "[default]\nlisten = \"127.0.0.1:9000\""]
    {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let version = partway(&["--version"]).output().expect("the binary runs");
    assert_eq!(String::from_utf8_lossy(&version.stdout), format!("partway {}\n", env!("CARGO_PKG_VERSION")));
}
