//! For tests: an event, its rows, and an application server that answers as it is told to.

use crate::{
    meta::{
        Kv, Write, keys,
        record::{BucketId, BucketRecord, EventRecord, EventState, Record as _},
    },
    model::{Account, Acl, Bucket, Callback, CallbackBodyType, ETag, EventId, ObjectKey, Origin, Timestamp},
};
use bytes::Bytes;
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinHandle,
};

/// An event that is due at 1,000 ms.
pub(super) fn event(url: &str) -> EventRecord {
    EventRecord {
        callback: Callback {
            urls: vec![url.to_owned()],
            host: None,
            body: "bucket=${bucket}&object=${object}".to_owned(),
            body_type: CallbackBodyType::Form,
            sni: false,
            variables: Vec::new(),
        },
        origin: Origin {
            request_id: "5C3D9175B6FC201293AD".into(),
            client_ip: "2001:db8::1".into(),
            authority: "oss.example.com:9000".into(),
        },
        requester: Some(Account("alice".to_owned())),
        operation: "PutObject".to_owned(),
        bucket: Bucket::new("photos").expect("it is legal"),
        key: ObjectKey::new("a/b +图.jpg").expect("it is legal"),
        etag: ETag::parse("d8e8fca2dc0f896fd7cb4cb0031ba249").expect("it is one"),
        size: 5,
        content_type: Some("image/jpeg".to_owned()),
        crc64_ecma: u64::MAX,
        created: Timestamp::from_millis(0),
        attempts: 0,
        due: Timestamp::from_millis(1000),
        last_error: None,
        state: EventState::Pending,
    }
}

/// Ids that sort by their number.
pub(super) fn id(number: u16) -> EventId {
    let mut id = [7; 16];
    id[..2].copy_from_slice(&number.to_be_bytes());
    EventId(id)
}

pub(super) async fn store(kv: &dyn Kv, id: EventId, event: &EventRecord) {
    let writes = vec![Write::Put(keys::event(id), event.encode()), Write::Put(keys::event_due(event.due, id), Bytes::new())];
    kv.commit(vec![], writes).await.expect("it is memory");
}

pub(super) async fn store_bucket(kv: &dyn Kv, retries_callbacks: bool) {
    let record = BucketRecord {
        id: BucketId([1; 8]),
        owner: Account::root(),
        created: Timestamp::from_millis(0),
        location: None,
        cors: None,
        policy: None,
        tags: None,
        acl: Acl::Private,
        storage_class: None,
        lifecycle: None,
        referer: None,
        retries_callbacks,
    };
    let bucket = Bucket::new("photos").expect("it is legal");
    kv.commit(vec![], vec![Write::Put(keys::bucket(&bucket), record.encode())]).await.expect("it is memory");
}

/// What the application does with a request.
#[derive(Clone)]
pub(super) enum Answer {
    /// Sends this and closes.
    Bytes(Vec<u8>),
    /// Says nothing for a long time.
    Silence,
}

impl Answer {
    /// Status line, headers and body as given, with a length.
    pub(super) fn of(status: u16, headers: &str, body: &str) -> Self {
        Self::Bytes(format!("HTTP/1.1 {status} X\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
    }
}

/// An application server on a port of its own.
pub(super) struct App {
    pub(super) address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    server: JoinHandle<()>,
}

impl App {
    /// Answers every request alike.
    pub(super) async fn answering(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let address = listener.local_addr().expect("it is bound");
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&requests);
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, answer.clone(), Arc::clone(&seen)));
            }
        });
        Self { address, requests, server }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests that came, head and body.
    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("nobody panics").clone()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Reads one request and answers it.
pub(super) async fn converse(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: Answer, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&buffer[..count]),
        }
    }
    seen.lock().expect("nobody panics").push(String::from_utf8_lossy(&request).into_owned());
    match answer {
        Answer::Bytes(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
        }
        Answer::Silence => tokio::time::sleep(Duration::from_secs(60)).await,
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let size = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok()).unwrap_or(0);
    request.len() >= head.len() + 4 + size
}
