//! The whole way of a request, over real sockets, with the stores in memory.

use super::{ServerSettings, serve};
use crate::{
    auth::sign::{Credentials, presign_v4, sign_v4},
    blob::MemoryBlobs,
    digest,
    events::{self, Outbox, Signer},
    meta::{Check, Kv, KvError, MemoryKv, Write},
    model::{
        Account, Attributes, Bucket, Caller, KeyRecord, KeyStatus, Limits, ObjectKey, ObjectRef, Operation, Origin, PutSymlink, Timestamp,
        WriteConditions,
    },
    ops::{Admitted, Environment, Gateway, GatewaySettings, Request},
    testkit::raw_client::{RawClient, RawResponse},
};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Runtime, sync::oneshot, task::JoinHandle};

const REGION: &str = "us-east-1";
/// Time stands still unless a test moves it, so signatures stay valid.
const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);

mod admission;
mod http2;
mod sts;
mod tls;

/// A server with its own runtime, so that tests may block.
struct Harness {
    runtime: Runtime,
    address: SocketAddr,
    operators: SocketAddr,
    gateway: Arc<Gateway>,
    /// How much later than `NOW` it is. Milliseconds.
    late_ms: Arc<AtomicI64>,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<io::Result<()>>,
}

fn key(access_key: &str, account: &str, policy: Option<&str>, status: KeyStatus) -> KeyRecord {
    KeyRecord {
        access_key: access_key.to_owned(),
        secret_key: format!("secret of {access_key}"),
        account: Account(account.to_owned()),
        policy: policy.map(str::to_owned),
        status,
        created: NOW,
    }
}

/// Making a key takes a while; one will do for all tests.
fn signer() -> Arc<Signer> {
    static SIGNER: OnceLock<Arc<Signer>> = OnceLock::new();
    Arc::clone(SIGNER.get_or_init(|| Arc::new(Signer::from_pem(&Signer::new_key_pem().unwrap()).unwrap())))
}

impl Harness {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        Self::start_on(Arc::new(MemoryKv::default()), change)
    }

    fn start_on(kv: Arc<dyn Kv>, change: impl FnOnce(&mut ServerSettings)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let late_ms = Arc::new(AtomicI64::new(0));
        let clock = Arc::clone(&late_ms);
        let environment = Environment {
            now: Arc::new(move || NOW.plus_millis(clock.load(Ordering::Relaxed))),
            random: Arc::new(|buffer| getrandom::fill(buffer).expect("the operating system has random numbers")),
        };
        let outbox = Outbox::new(Arc::clone(&kv), events::Settings::default(), signer(), Arc::new(|| NOW));
        let gateway = Gateway::new(kv, Arc::new(MemoryBlobs::default()), GatewaySettings::default(), environment);
        let mut settings = ServerSettings {
            region: REGION.to_owned(),
            domains: vec!["s3.test".to_owned()],
            cnames: Default::default(),
            root_key: key("root", "root", None, KeyStatus::Active),
            s3_limits: Limits::S3,
            oss_limits: Limits::OSS,
            oss_is_default: false,
            connection_count_max: 64,
            request_count_max: 64,
            head_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(5),
            drain_deadline: Duration::from_secs(5),
            tls: None,
        };
        change(&mut settings);
        let (stop, stopped) = oneshot::channel();
        let served_gateway = Arc::clone(&gateway);
        let (address, operators, served) = runtime.block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let metrics_listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let addresses = (listener.local_addr().unwrap(), metrics_listener.local_addr().unwrap());
            let stopped = async {
                let _ = stopped.await;
            };
            (addresses.0, addresses.1, tokio::spawn(serve(settings, served_gateway, outbox, listener, Some(metrics_listener), stopped)))
        });
        Self { runtime, address, operators, gateway, late_ms, stop: Some(stop), served }
    }

    fn client(&self) -> RawClient {
        RawClient::connect(self.address).unwrap()
    }

    fn ask(&self, request: impl AsRef<[u8]>) -> RawResponse {
        self.client().ask(request).unwrap()
    }

    fn operator(&self, path: &str) -> RawResponse {
        RawClient::connect(self.operators).unwrap().ask(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).unwrap()
    }

    fn put_key(&self, key: &KeyRecord) {
        assert_eq!(self.runtime.block_on(self.gateway.create_key(key)), Ok(true));
    }

    fn with_bucket() -> Self {
        let harness = Self::start();
        assert_eq!(harness.ask(signed("PUT", "/bkt", &[], b"")).status, 200);
        harness
    }

    fn stop(&mut self) {
        let _ = self.stop.take().expect("stopped once").send(());
    }

    fn wait_until_served(self) {
        self.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), self.served).await }).unwrap().unwrap().unwrap();
    }
}

/// The head of a request with its signature.
fn signed_head(access_key: &str, method: &str, target: &str, headers: &[(&str, &str)], payload_word: &str) -> String {
    let mut request = http::Request::builder().method(method).uri(target).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let credentials =
        Credentials { access_key: access_key.to_owned(), secret_key: format!("secret of {access_key}"), security_token: None };
    sign_v4(&mut parts, &credentials, REGION, payload_word, NOW).unwrap();
    let fields: String = parts.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
    format!("{method} {target} HTTP/1.1\r\n{fields}\r\n")
}

fn signed_by(access_key: &str, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let size = body.len().to_string();
    let mut headers = headers.to_vec();
    if !body.is_empty() || method == "PUT" || method == "POST" {
        headers.push(("content-length", &size));
    }
    let head = signed_head(access_key, method, target, &headers, &hex::encode(digest::sha256(body)));
    [head.as_bytes(), body].concat()
}

fn signed(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    signed_by("root", method, target, headers, body)
}

fn code(response: &RawResponse) -> (u16, &str) {
    (response.status, response.element("Code").unwrap_or("-"))
}

#[test]
fn an_object_goes_in_and_comes_out_on_one_connection() {
    let harness = Harness::with_bucket();
    let mut client = harness.client();
    let put = client.ask(signed("PUT", "/bkt/a%20b", &[("x-amz-meta-a", "1")], b"hello")).unwrap();
    assert_eq!((put.status, put.header("etag")), (200, Some("\"5d41402abc4b2a76b9719d911017c592\"")), "{}", put.text());
    let get = client.ask(signed("GET", "/bkt/a%20b", &[], b"")).unwrap();
    assert_eq!((get.status, get.text(), get.header("x-amz-meta-a")), (200, "hello", Some("1")));
    let part = client.ask(signed("GET", "/bkt/a%20b", &[("range", "bytes=1-3")], b"")).unwrap();
    assert_eq!((part.status, part.text(), part.header("content-range")), (206, "ell", Some("bytes 1-3/5")));
    let head = client.ask(signed("HEAD", "/bkt/a%20b", &[], b"")).unwrap();
    assert_eq!((head.status, head.header("content-length")), (200, Some("5")));
    for response in [&put, &get, &part, &head] {
        let id = response.header("x-amz-request-id").unwrap();
        assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{id}");
        assert!(response.header("x-amz-id-2").is_some());
    }
}

#[test]
fn nobody_is_let_in_without_a_valid_signature_of_an_active_key() {
    let harness = Harness::with_bucket();
    harness.put_key(&key("off", "root", None, KeyStatus::Disabled));
    let tampered = String::from_utf8(signed("GET", "/bkt/k", &[], b"")).unwrap().replace("/bkt/k", "/bkt/l");
    for (request, expected) in [
        (b"GET /bkt/k HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(), (403, "AccessDenied")),
        (signed_by("nobody", "GET", "/bkt/k", &[], b""), (403, "InvalidAccessKeyId")),
        (signed_by("off", "GET", "/bkt/k", &[], b""), (403, "InvalidAccessKeyId")),
        (tampered.into_bytes(), (403, "SignatureDoesNotMatch")),
        (signed("GET", "/bkt/k", &[("x-amz-security-token", "t")], b""), (400, "InvalidToken")),
        (signed("GET", "/bkt/k", &[], b""), (404, "NoSuchKey")),
    ] {
        let response = harness.ask(&request);
        assert_eq!(code(&response), expected, "{}", String::from_utf8_lossy(&request));
    }
}

#[test]
fn a_body_that_is_not_the_signed_one_becomes_no_object() {
    let harness = Harness::with_bucket();
    let mut request = signed("PUT", "/bkt/k", &[], b"hello");
    let last = request.len() - 1;
    request[last] = b'!';
    assert_eq!(code(&harness.ask(request)), (400, "XAmzContentSHA256Mismatch"));
    assert_eq!(code(&harness.ask(signed("GET", "/bkt/k", &[], b""))), (404, "NoSuchKey"));
    let mut request = signed("PUT", "/bkt?policy", &[], br#"{"Version":"2012-10-17","Statement":[]}"#);
    let last = request.len() - 1;
    request[last] = b' ';
    assert_eq!(code(&harness.ask(request)), (400, "XAmzContentSHA256Mismatch"));
}

#[test]
fn an_aws_chunked_body_is_taken_apart_and_its_trailer_compared() {
    let harness = Harness::with_bucket();
    let put = |trailer: &str| {
        let body = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{trailer}\r\n\r\n");
        let size = body.len().to_string();
        let headers = [
            ("content-length", size.as_str()),
            ("content-encoding", "aws-chunked"),
            ("x-amz-decoded-content-length", "5"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
        ];
        let head = signed_head("root", "PUT", "/bkt/k", &headers, "STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        harness.ask(head + &body)
    };
    assert_eq!(code(&put("AAAAAA==")), (400, "BadDigest"));
    let response = put("NhCmhg==");
    assert_eq!((response.status, response.header("x-amz-checksum-crc32")), (200, Some("NhCmhg==")), "{}", response.text());
    let get = harness.ask(signed("GET", "/bkt/k", &[], b""));
    assert_eq!((get.text(), get.header("content-encoding")), ("hello", None));
}

#[test]
fn the_signature_is_checked_before_the_body_is_asked_for() {
    let harness = Harness::with_bucket();
    let expecting = [("expect", "100-continue"), ("content-length", "5")];
    let hash = hex::encode(digest::sha256(b"hello"));

    let mut client = harness.client();
    client.send(signed_head("nobody", "PUT", "/bkt/k", &expecting, &hash)).unwrap();
    let refused = client.receive("PUT").unwrap();
    assert_eq!((code(&refused), refused.header("connection")), ((403, "InvalidAccessKeyId"), Some("close")));
    assert!(client.is_closed().unwrap());

    let mut client = harness.client();
    client.send(signed_head("root", "PUT", "/nowhere/k", &expecting, &hash)).unwrap();
    assert_eq!(code(&client.receive("PUT").unwrap()), (404, "NoSuchBucket"));

    let mut client = harness.client();
    client.send(signed_head("root", "PUT", "/bkt/k", &expecting, &hash)).unwrap();
    assert_eq!(client.receive("PUT").unwrap().status, 100);
    client.send("hello").unwrap();
    let stored = client.receive("PUT").unwrap();
    assert_eq!((stored.status, stored.header("connection")), (200, None));
    assert_eq!(client.ask(signed("GET", "/bkt/k", &[], b"")).unwrap().text(), "hello");
}

#[test]
fn other_expectations_fail() {
    let harness = Harness::with_bucket();
    let response = harness.ask(signed("PUT", "/bkt/k", &[("expect", "miracles")], b"hello"));
    assert_eq!(code(&response), (417, "ExpectationFailed"));
}

#[test]
fn a_refused_request_with_a_small_body_leaves_the_connection_usable() {
    let harness = Harness::with_bucket();
    let mut client = harness.client();
    let refused = client.ask(signed_by("nobody", "PUT", "/bkt/k", &[], &vec![b'x'; 300_000])).unwrap();
    assert_eq!((code(&refused), refused.header("connection")), ((403, "InvalidAccessKeyId"), None));
    assert_eq!(client.ask(signed("PUT", "/bkt/k", &[], b"hello")).unwrap().status, 200);
}

#[test]
fn a_refused_request_with_a_large_body_gets_its_answer_before_the_end() {
    let harness = Harness::with_bucket();
    let mut client = harness.client();
    let response = client.ask(signed_by("nobody", "PUT", "/bkt/k", &[], &vec![b'x'; 9 << 20])).unwrap();
    assert_eq!((code(&response), response.header("connection")), ((403, "InvalidAccessKeyId"), Some("close")));
    assert!(client.is_closed().unwrap());
}

#[test]
fn a_body_that_stalls_or_ends_early_is_told_so() {
    let harness = Harness::start_with(|settings| settings.body_timeout = Duration::from_millis(200));
    assert_eq!(harness.ask(signed("PUT", "/bkt", &[], b"")).status, 200);
    let head = signed_head("root", "PUT", "/bkt/k", &[("content-length", "5")], &hex::encode(digest::sha256(b"hello")));
    assert_eq!(code(&harness.ask(head + "he")), (400, "RequestTimeout"));
    assert_eq!(code(&harness.ask(signed("GET", "/bkt/k", &[], b""))), (404, "NoSuchKey"));
}

#[test]
fn policies_narrow_keys_and_deletes_are_decided_per_key() {
    let harness = Harness::with_bucket();
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bkt/mine/*"},
        {"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::bkt"}]}"#;
    harness.put_key(&key("narrow", "root", Some(policy), KeyStatus::Active));
    assert_eq!(harness.ask(signed_by("narrow", "PUT", "/bkt/mine/a", &[], b"1")).status, 200);
    assert_eq!(code(&harness.ask(signed_by("narrow", "PUT", "/bkt/other", &[], b"1"))), (403, "AccessDenied"));
    assert_eq!(harness.ask(signed("PUT", "/bkt/other", &[], b"1")).status, 200);
    let copy = signed_by("narrow", "PUT", "/bkt/mine/b", &[("x-amz-copy-source", "/bkt/other")], b"");
    assert_eq!(code(&harness.ask(copy)), (403, "AccessDenied"));

    let document = b"<Delete><Object><Key>mine/a</Key></Object><Object><Key>other</Key></Object></Delete>";
    let md5 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest::md5(document));
    let deleted = harness.ask(signed_by("narrow", "POST", "/bkt?delete", &[("content-md5", &md5)], document));
    assert_eq!(deleted.status, 200, "{}", deleted.text());
    assert!(deleted.text().contains("<Deleted><Key>mine/a</Key>"), "{}", deleted.text());
    assert!(
        deleted.text().contains("<Error><Key>other</Key>") && deleted.text().contains("<Code>AccessDenied</Code>"),
        "{}",
        deleted.text()
    );
    assert_eq!(harness.ask(signed("GET", "/bkt/other", &[], b"")).status, 200);
}

#[test]
fn a_link_opens_nothing_that_the_key_may_not_read_even_to_the_owner_of_the_bucket() {
    let harness = Harness::with_bucket();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bkt/mine/*"}]}"#;
    harness.put_key(&key("narrow", "root", Some(policy), KeyStatus::Active));
    for key in ["secret", "mine/own"] {
        assert_eq!(harness.ask(signed("PUT", &format!("/bkt/{key}"), &[], b"1")).status, 200);
    }
    let object = |key: &str| ObjectRef { bucket: Bucket::new("bkt").unwrap(), key: ObjectKey::new(key).unwrap() };
    for (link, target) in [("mine/out", "secret"), ("mine/in", "mine/own")] {
        let link = PutSymlink {
            object: object(link),
            target: object(target).key,
            attributes: Attributes::default(),
            conditions: WriteConditions::default(),
        };
        let request = Request {
            caller: Caller::Anonymous,
            limits: Limits::OSS,
            operation: Operation::PutSymlink(link),
            name: "PutSymlink",
            origin: Origin::default(),
            admitted: Admitted::Anything,
        };
        assert!(harness.runtime.block_on(harness.gateway.execute(request, None)).is_ok());
    }
    let read = |access_key: &str, method: &str, key: &str| harness.ask(signed_by(access_key, method, &format!("/bkt/{key}"), &[], b""));
    assert_eq!(code(&read("narrow", "GET", "mine/out")), (403, "AccessDenied"));
    assert_eq!(read("narrow", "HEAD", "mine/out").status, 403);
    assert_eq!(read("narrow", "GET", "mine/in").status, 200);
    assert_eq!(read("root", "GET", "mine/out").status, 200, "nothing narrows what root reads");
    for (source, status) in [("mine/out", 403), ("mine/in", 200)] {
        let copy = signed_by("narrow", "PUT", "/bkt/mine/copy", &[("x-amz-copy-source", &format!("/bkt/{source}"))], b"");
        assert_eq!(harness.ask(copy).status, status, "{source}");
    }
}

#[test]
fn the_bucket_must_have_the_owner_that_the_client_expects() {
    let harness = Harness::with_bucket();
    let ask = |owner| harness.ask(signed("PUT", "/bkt/k", &[("x-amz-expected-bucket-owner", owner)], b"1"));
    assert_eq!(code(&ask("somebody")), (403, "AccessDenied"));
    assert_eq!(ask("root").status, 200);
}

#[test]
fn documents_are_bounded() {
    let harness = Harness::with_bucket();
    let response = harness.ask(signed("PUT", "/bkt?cors", &[], &vec![b' '; 100_000]));
    assert_eq!(code(&response), (400, "MaxMessageLengthExceeded"));
}

#[test]
fn operators_have_a_listener_of_their_own() {
    let harness = Harness::with_bucket();
    assert_eq!((harness.operator("/healthz").status, harness.operator("/readyz").status), (200, 200));
    assert_eq!(harness.operator("/metrics").header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert_eq!(harness.operator("/bkt").status, 404);
    assert_eq!(code(&harness.ask(signed("GET", "/healthz", &[], b""))), (404, "NoSuchBucket"));
}

#[test]
fn stopping_finishes_what_is_in_flight_and_turns_away_what_comes() {
    let mut harness = Harness::with_bucket();
    let mut slow = harness.client();
    let head = signed_head("root", "PUT", "/bkt/k", &[("content-length", "5")], &hex::encode(digest::sha256(b"hello")));
    slow.send(head + "he").unwrap();
    let mut kept = harness.client();
    assert_eq!(kept.ask(signed("GET", "/bkt?location", &[], b"")).unwrap().status, 200);
    std::thread::sleep(Duration::from_millis(100));
    harness.stop();
    std::thread::sleep(Duration::from_millis(100));
    for mut client in [kept, harness.client()] {
        let refused = client.ask(signed("PUT", "/bkt/l", &[], b"late")).unwrap();
        assert_eq!(code(&refused), (503, "ServiceUnavailable"));
        assert_eq!(refused.header("connection"), Some("close"));
        assert!(refused.header("retry-after").is_some());
        assert!(client.is_closed().unwrap());
    }
    assert_eq!((harness.operator("/readyz").status, harness.operator("/healthz").status), (503, 200));
    slow.send("llo").unwrap();
    assert_eq!(slow.receive("PUT").unwrap().status, 200);
    harness.wait_until_served();
}

#[test]
fn stopping_does_not_wait_beyond_the_deadline() {
    let mut harness = Harness::start_with(|settings| settings.drain_deadline = Duration::from_millis(300));
    assert_eq!(harness.ask(signed("PUT", "/bkt", &[], b"")).status, 200);
    let mut slow = harness.client();
    let head = signed_head("root", "PUT", "/bkt/k", &[("content-length", "5")], &hex::encode(digest::sha256(b"hello")));
    slow.send(head + "he").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    harness.stop();
    let begun = std::time::Instant::now();
    harness.wait_until_served();
    assert!((200..2000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    assert!(slow.receive("PUT").is_err());
}

/// A form of these fields and this file, signed by the root key under a policy of these conditions.
fn signed_form(fields: &[(&str, &str)], conditions: &str, file: &[u8]) -> Vec<u8> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use hmac::{KeyInit as _, Mac as _};
    let hmac = |key: &[u8], text: &str| {
        let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(key).expect("any length will do");
        mac.update(text.as_bytes());
        mac.finalize().into_bytes().to_vec()
    };
    let credential = "root/20260115/us-east-1/s3/aws4_request";
    let policy = format!(
        r#"{{"expiration":"2026-01-15T09:30:00Z","conditions":[{{"bucket":"bkt"}},{{"x-amz-algorithm":"AWS4-HMAC-SHA256"}},{{"x-amz-credential":"{credential}"}},{{"x-amz-date":"20260115T083000Z"}},{conditions}]}}"#
    );
    let policy = STANDARD.encode(policy);
    let signing_key = ["20260115", REGION, "s3", "aws4_request"].iter().fold(b"AWS4secret of root".to_vec(), |key, text| hmac(&key, text));
    let signature = hex::encode(hmac(&signing_key, &policy));
    let mut all = fields.to_vec();
    all.extend([("policy", policy.as_str()), ("x-amz-algorithm", "AWS4-HMAC-SHA256"), ("x-amz-credential", credential)]);
    all.extend([("x-amz-date", "20260115T083000Z"), ("x-amz-signature", &signature)]);
    let part = |(name, value): &(&str, &str)| format!("--XX\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let fields: String = all.iter().map(part).collect();
    let head = "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"C:\\dir\\a.txt\"\r\n\r\n";
    let body = [fields.as_bytes(), head.as_bytes(), file, b"\r\n--XX--\r\n"].concat();
    let request = format!(
        "POST /bkt HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [request.as_bytes(), &body].concat()
}

#[test]
fn a_browsers_form_is_let_in_by_its_policy() {
    let harness = Harness::with_bucket();
    let conditions = r#"["starts-with","$key","up/"],["content-length-range",2,100000],["eq","$success_action_status","201"]"#;
    let fields = [("key", "up/${filename}"), ("success_action_status", "201")];
    let file = vec![b'f'; 100_000];
    let mut client = harness.client();
    let stored = client.ask(signed_form(&fields, conditions, &file)).unwrap();
    assert_eq!((stored.status, stored.element("Key")), (201, Some("up/a.txt")), "{}", stored.text());
    assert_eq!(client.ask(signed("GET", "/bkt/up/a.txt", &[], b"")).unwrap().body, file);
    for (fields, file, expected) in [
        (&[("key", "down/a"), fields[1]][..], &b"ok"[..], (403, "AccessDenied")),
        (&[fields[0], fields[1], ("acl", "private")][..], b"ok", (403, "AccessDenied")),
        (&fields[..], b"1", (400, "EntityTooSmall")),
        (&fields[..], &vec![b'f'; 100_001], (400, "EntityTooLarge")),
    ] {
        assert_eq!(code(&harness.ask(signed_form(fields, conditions, file))), expected, "{fields:?}");
    }
    let forged = String::from_utf8(signed_form(&fields, conditions, b"ok")).unwrap().replace("root/2026", "boot/2026");
    assert_eq!(code(&harness.ask(forged)), (403, "InvalidAccessKeyId"));
    let anonymous = "--XX\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nx\r\n--XX--\r\n";
    let request = format!(
        "POST /bkt HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: {}\r\n\r\n{anonymous}",
        anonymous.len()
    );
    assert_eq!(code(&harness.ask(request)), (403, "AccessDenied"));
}

#[test]
fn scripts_of_other_origins_get_what_the_buckets_rules_say_also_with_errors() {
    let harness = Harness::with_bucket();
    let preflight = "OPTIONS /bkt/k HTTP/1.1\r\nHost: localhost\r\nOrigin: https://app.test\r\nAccess-Control-Request-Method: PUT\r\n\r\n";
    assert_eq!(code(&harness.ask(preflight)), (403, "AccessForbidden"));
    let rules = b"<CORSConfiguration><CORSRule><AllowedOrigin>https://app.test</AllowedOrigin><AllowedMethod>PUT</AllowedMethod>\
        <AllowedMethod>GET</AllowedMethod><ExposeHeader>ETag</ExposeHeader></CORSRule></CORSConfiguration>";
    let md5 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, digest::md5(rules));
    let stored = harness.ask(signed("PUT", "/bkt?cors", &[("content-md5", &md5)], rules));
    assert_eq!(stored.status, 200, "{}", stored.text());

    let allowed = harness.ask(preflight);
    assert_eq!((allowed.status, allowed.header("access-control-allow-origin")), (200, Some("https://app.test")));
    let origin = [("origin", "https://app.test")];
    for request in [
        signed("PUT", "/bkt/k", &origin, b"1"),
        signed("GET", "/bkt/absent", &origin, b""),
        signed_by("nobody", "GET", "/bkt/k", &origin, b""),
    ] {
        let response = harness.ask(request);
        assert_eq!(response.header("access-control-allow-origin"), Some("https://app.test"), "{}", response.status);
        assert_eq!(response.header("access-control-expose-headers"), Some("ETag"));
    }
    assert_eq!(harness.ask(signed("GET", "/bkt/k", &[("origin", "https://evil.test")], b"")).header("access-control-allow-origin"), None);
    let of_no_origin = harness.ask(signed("GET", "/bkt/k", &[], b""));
    assert_eq!(of_no_origin.header("access-control-allow-origin"), None);
    assert!(of_no_origin.header("vary").is_some_and(|vary| vary.contains("Origin")), "a cache must not give it to scripts");
}

#[test]
fn a_presigned_url_says_what_headers_would() {
    let harness = Harness::with_bucket();
    let put = |target: &str| {
        let (mut parts, ()) = http::Request::put(target).header("host", "localhost").body(()).unwrap().into_parts();
        let credentials = Credentials { access_key: "root".to_owned(), secret_key: "secret of root".to_owned(), security_token: None };
        presign_v4(&mut parts, &credentials, REGION, 60, NOW).unwrap();
        harness.ask(format!("PUT {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", parts.uri))
    };
    assert_eq!(put("/bkt/k?x-amz-meta-a=b%20c&x-amz-storage-class=STANDARD_IA").status, 200);
    let read = harness.ask(signed("HEAD", "/bkt/k", &[], b""));
    assert_eq!((read.header("x-amz-meta-a"), read.header("x-amz-storage-class")), (Some("b c"), Some("STANDARD_IA")));
    assert_eq!(code(&put("/bkt/k?X-Amz-Server-Side-Encryption=AES256")), (501, "NotImplemented"));
    assert_eq!(code(&put("/bkt/k?x-amz-checksum-crc32=AAAAAA%3D%3D")), (400, "BadDigest"));
    assert_eq!(code(&put("/bkt/k?x-amz-expected-bucket-owner=somebody")), (403, "AccessDenied"));
    assert_eq!(code(&put("/bkt/k?x-amz-meta-a=a%0Ab")), (400, "InvalidArgument"));
}

#[test]
fn a_multipart_upload_is_completed_with_its_document() {
    let harness = Harness::with_bucket();
    let mut client = harness.client();
    let created = client.ask(signed("POST", "/bkt/k?uploads", &[], b"")).unwrap();
    let upload = created.element("UploadId").unwrap_or_else(|| panic!("{}", created.text())).to_owned();
    let part = vec![b'A'; 5 << 20];
    let mut document = "<CompleteMultipartUpload>".to_owned();
    for (number, body) in [(1, &part[..]), (2, b"tail")] {
        let uploaded = client.ask(signed("PUT", &format!("/bkt/k?partNumber={number}&uploadId={upload}"), &[], body)).unwrap();
        let etag = uploaded.header("etag").unwrap_or_else(|| panic!("{}", uploaded.text()));
        document += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    document += "</CompleteMultipartUpload>";
    let complete = signed("POST", &format!("/bkt/k?uploadId={upload}"), &[], document.as_bytes());
    let completed = client.ask(&complete).unwrap();
    assert!(completed.element("ETag").is_some_and(|etag| etag.contains("-2")), "{}", completed.text());
    assert_eq!(client.ask(&complete).unwrap().text(), completed.text(), "a replay gets the same answer");
    let get = client.ask(signed("GET", "/bkt/k", &[], b"")).unwrap();
    assert_eq!((get.body.len(), get.body.ends_with(b"Atail")), (part.len() + 4, true));
}

#[test]
fn http_1_0_and_a_client_that_closes_are_answered_and_closed() {
    let harness = Harness::with_bucket();
    let request = String::from_utf8(signed("PUT", "/bkt/k", &[("expect", "100-continue")], b"hello")).unwrap();
    let mut client = harness.client();
    assert_eq!(client.ask(request.replace("HTTP/1.1", "HTTP/1.0")).unwrap().status, 200);
    assert!(client.is_closed().unwrap());
    let mut client = harness.client();
    assert_eq!(client.ask(signed("GET", "/bkt/k", &[("connection", "close")], b"")).unwrap().text(), "hello");
    assert!(client.is_closed().unwrap());
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_in_flight_and_nothing_behind() {
    let mut harness = Harness::with_bucket();
    let mut client = harness.client();
    let head = signed_head("root", "PUT", "/bkt/k", &[("content-length", "500000")], &hex::encode(digest::sha256(b"hello")));
    client.send(head + "he").unwrap();
    std::thread::sleep(Duration::from_millis(100));
    drop(client);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(code(&harness.ask(signed("GET", "/bkt/k", &[], b""))), (404, "NoSuchKey"));
    let begun = std::time::Instant::now();
    harness.stop();
    harness.wait_until_served();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

/// An index that panics on one bucket and works on the others.
struct Panicking(MemoryKv);

#[async_trait::async_trait]
impl Kv for Panicking {
    async fn get(&self, key: &[u8]) -> Result<Option<bytes::Bytes>, KvError> {
        assert!(!key.windows(5).any(|bytes| bytes == b"panic"), "a bug of ours");
        self.0.get(key).await
    }

    async fn scan(&self, range: std::ops::Range<Vec<u8>>, count_max: usize) -> Result<Vec<(bytes::Bytes, bytes::Bytes)>, KvError> {
        self.0.scan(range, count_max).await
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        self.0.commit(checks, writes).await
    }

    fn is_read_only(&self) -> bool {
        self.0.is_read_only()
    }
}

#[test]
fn a_panic_costs_one_request_and_tells_its_id() {
    let harness = Harness::start_on(Arc::new(Panicking(MemoryKv::default())), |_| {});
    let mut client = harness.client();
    let failed = client.ask(signed("GET", "/panic/k", &[], b"")).unwrap();
    assert_eq!(code(&failed), (500, "InternalError"));
    assert_eq!(failed.element("RequestId"), failed.header("x-amz-request-id"));
    assert!(!failed.text().contains("bug of ours"));
    assert_eq!(client.ask(signed("PUT", "/bkt", &[], b"")).unwrap().status, 200);
}
