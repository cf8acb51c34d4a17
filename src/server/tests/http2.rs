//! HTTP/2 over TLS: the same requests and bounds as in HTTP/1.1, many at once on one connection.

use super::{tls::Encrypted, *};
use bytes::Bytes;
use futures_util::{StreamExt as _, future::join_all, stream};
use http::{Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::{convert::Infallible, time::Instant};

type Sent = UnsyncBoxBody<Bytes, Infallible>;

/// A connection whose task ends with the result of the whole.
async fn client_with(
    server: &Encrypted,
    change: impl FnOnce(&mut Builder<TokioExecutor>),
) -> (SendRequest<Sent>, JoinHandle<hyper::Result<()>>) {
    let stream = server.connect(&[b"h2", b"http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let mut builder = Builder::new(TokioExecutor::new());
    change(&mut builder);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

async fn client(server: &Encrypted) -> SendRequest<Sent> {
    client_with(server, |_| {}).await.0
}

fn full(bytes: impl Into<Bytes>) -> Sent {
    Full::new(bytes.into()).boxed_unsync()
}

/// Some bytes, and then nothing, for ever.
fn stalling(bytes: &'static [u8]) -> Sent {
    let pieces = stream::iter([Ok(Frame::data(Bytes::from_static(bytes)))]).chain(stream::pending());
    StreamBody::new(pieces).boxed_unsync()
}

/// A signed request for this head; `payload` is the SHA-256 of its body, or a word instead.
fn request(method: &str, target: &str, headers: &[(&str, &str)], payload: &str, body: Sent) -> Request<Sent> {
    let mut request = Request::builder().method(method).uri(target).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let credentials = Credentials { access_key: "root".to_owned(), secret_key: "secret of root".to_owned(), security_token: None };
    sign_v4(&mut parts, &credentials, REGION, payload, NOW).unwrap();
    // HTTP/2 says the host in `:authority` alone.
    parts.headers.remove("host");
    parts.uri = format!("https://localhost{target}").parse().unwrap();
    Request::from_parts(parts, body)
}

fn whole(method: &str, target: &str, body: impl Into<Bytes>) -> Request<Sent> {
    let body = body.into();
    request(method, target, &[], &hex::encode(digest::sha256(&body)), full(body))
}

async fn ask(client: &SendRequest<Sent>, request: Request<Sent>) -> Response<Bytes> {
    let mut client = client.clone();
    client.ready().await.unwrap();
    let (parts, body) = client.send_request(request).await.unwrap().into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
}

async fn put(client: &SendRequest<Sent>, target: &str, body: impl Into<Bytes>) {
    let answer = ask(client, whole("PUT", target, body)).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
}

fn error_code(answer: &Response<Bytes>) -> (u16, String) {
    let text = String::from_utf8_lossy(answer.body());
    let code = text.split("<Code>").nth(1).and_then(|rest| rest.split('<').next()).unwrap_or("-");
    (answer.status().as_u16(), code.to_owned())
}

fn content(number: u8, size: usize) -> Bytes {
    (0..size).map(|index| (index as u8).wrapping_mul(31).wrapping_add(number)).collect::<Vec<u8>>().into()
}

#[test]
fn many_objects_go_in_and_out_at_once_on_one_connection() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let client = client(&server).await;
        put(&client, "/bkt", "").await;
        let size = (2 << 20) + 7;
        join_all((0..12).map(|number| {
            let client = &client;
            async move { put(client, &format!("/bkt/{number}"), content(number, size)).await }
        }))
        .await;
        join_all((0..12).map(|number| {
            let client = &client;
            async move {
                let read = ask(client, whole("GET", &format!("/bkt/{number}"), "")).await;
                assert_eq!((read.status(), read.headers()["content-length"].to_str().unwrap()), (StatusCode::OK, &*size.to_string()));
                assert!(read.body() == &content(number, size), "object {number}");
                assert!(!read.headers().contains_key("connection"));
            }
        }))
        .await;
        let head = ask(&client, whole("HEAD", "/bkt/3", "")).await;
        assert_eq!((head.status(), head.headers()["content-length"].to_str().unwrap()), (StatusCode::OK, &*size.to_string()));
    });
}

#[test]
fn the_url_of_a_completed_upload_is_https() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let client = client(&server).await;
        put(&client, "/bkt", "").await;
        let created = ask(&client, whole("POST", "/bkt/k?uploads", "")).await;
        let text = String::from_utf8_lossy(created.body()).into_owned();
        let upload = text.split("UploadId>").nth(1).unwrap().trim_end_matches("</");
        let part = ask(&client, whole("PUT", &format!("/bkt/k?partNumber=1&uploadId={upload}"), "part")).await;
        let etag = part.headers()["etag"].to_str().unwrap();
        let list = format!("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>");
        let completed = ask(&client, whole("POST", &format!("/bkt/k?uploadId={upload}"), list)).await;
        let text = String::from_utf8_lossy(completed.body());
        assert!(text.contains("<Location>https://localhost/bkt/k</Location>"), "{text}");
    });
}

#[test]
fn a_body_of_unknown_length_counts_as_chunked() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let client = client(&server).await;
        put(&client, "/bkt", "").await;
        let pieces = stream::iter((0..3).map(|number| Ok(Frame::data(content(number, 100_000)))));
        let sent = StreamBody::new(pieces).boxed_unsync();
        let answer = ask(&client, request("PUT", "/bkt/k", &[], "UNSIGNED-PAYLOAD", sent)).await;
        let over_http1 = {
            let head = signed_head("root", "PUT", "/bkt/l", &[("transfer-encoding", "chunked")], "UNSIGNED-PAYLOAD");
            let mut stream = server.connect(&[]).await.unwrap();
            use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
            stream.write_all(format!("{head}1\r\nx\r\n0\r\n\r\n").as_bytes()).await.unwrap();
            let mut status = [0; 12];
            stream.read_exact(&mut status).await.unwrap();
            String::from_utf8(status[9..].to_vec()).unwrap()
        };
        assert_eq!(answer.status().as_str(), over_http1, "{answer:?}");
    });
}

#[test]
fn a_body_that_nobody_wants_costs_its_stream_and_not_the_connection() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let client = client(&server).await;
        put(&client, "/bkt", "").await;
        for _ in 0..5 {
            let mut refused = request("PUT", "/bkt/k", &[], "UNSIGNED-PAYLOAD", full(content(1, 8 << 20)));
            refused.headers_mut().remove("authorization");
            let mut sender = client.clone();
            sender.ready().await.unwrap();
            let answer = sender.send_request(refused).await.unwrap();
            assert_eq!(answer.status(), 403);
            assert!(!answer.headers().contains_key("connection"));
        }
        put(&client, "/bkt/k", content(2, 1 << 20)).await;
    });
}

#[test]
fn a_body_that_stalls_times_out_and_the_connection_goes_on() {
    let server = Encrypted::start_with(|settings| settings.body_timeout = Duration::from_millis(300));
    server.harness.runtime.block_on(async {
        let (client, connection) = client_with(&server, |_| {}).await;
        put(&client, "/bkt", "").await;
        let stalled = request("PUT", "/bkt/k", &[("content-length", "1000000")], "UNSIGNED-PAYLOAD", stalling(b"abc"));
        let answer = ask(&client, stalled).await;
        assert_eq!(error_code(&answer), (400, "RequestTimeout".to_owned()));
        put(&client, "/bkt/k", "hello").await;
        assert!(!connection.is_finished());
    });
}

#[test]
fn an_answer_that_is_not_taken_is_given_up_and_the_others_go_on() {
    let server = Encrypted::start_with(|settings| settings.body_timeout = Duration::from_millis(400));
    server.harness.runtime.block_on(async {
        let (client, _connection) = client_with(&server, |builder| {
            builder.initial_stream_window_size(64 << 10).initial_connection_window_size(4 << 20);
        })
        .await;
        put(&client, "/bkt", "").await;
        put(&client, "/bkt/large", content(1, 2 << 20)).await;
        let mut sender = client.clone();
        let unread = sender.send_request(whole("GET", "/bkt/large", "")).await.unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(1500) {
            let other = ask(&client, whole("GET", "/bkt/large", "")).await;
            assert!(other.body() == &content(1, 2 << 20));
        }
        let broken = unread.into_body().collect().await;
        assert!(broken.is_err(), "its stream was reset");
    });
}

#[test]
fn answers_that_must_not_have_a_body_have_none() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let client = client(&server).await;
        put(&client, "/bkt", "").await;
        put(&client, "/bkt/k", "hello").await;
        let etag = "\"5d41402abc4b2a76b9719d911017c592\"";
        let if_none = request("GET", "/bkt/k", &[("if-none-match", etag)], "UNSIGNED-PAYLOAD", full(""));
        for (request, status, length) in [
            (whole("HEAD", "/bkt/absent", ""), 404, None),
            (whole("HEAD", "/bkt/k", ""), 200, Some("5")),
            (Request::head("https://localhost/.partway/callback_pub_key.pem").body(full("")).unwrap(), 200, Some("451")),
            (if_none, 304, None),
            (whole("DELETE", "/bkt/k", ""), 204, None),
        ] {
            let target = request.uri().to_string();
            let answer = ask(&client, request).await;
            assert_eq!((answer.status().as_u16(), answer.body().len()), (status, 0), "{target}");
            let sent = answer.headers().get("content-length").map(|value| value.to_str().unwrap());
            assert!(sent == length || length.is_none() && status == 404, "{target}: {sent:?}");
        }
    });
}

#[test]
fn methods_without_a_path_are_refused() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let client = client(&server).await;
        for request in [Request::connect("localhost:443"), Request::options("*")] {
            let mut sender = client.clone();
            sender.ready().await.unwrap();
            let answered = sender.send_request(request.body(full("")).unwrap()).await;
            assert!(answered.is_err() || answered.is_ok_and(|answer| answer.status().is_client_error()));
        }
        put(&client, "/bkt", "").await;
    });
}

#[test]
fn heads_are_bounded_and_name_one_host() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let client = client(&server).await;
        let plain = || Request::get("https://localhost/bkt/k");
        let many = (0..200).fold(plain(), |request, index| request.header(format!("x-{index}"), "y"));
        for (request, expected) in [
            (many, (431, "-")),
            (plain().header("x-large", "y".repeat(40_000)), (431, "-")),
            (plain().header("host", "other"), (400, "InvalidRequest")),
            (plain().header("host", "localhost"), (403, "AccessDenied")),
            (plain().header("expect", "100-continue"), (403, "AccessDenied")),
        ] {
            let answer = ask(&client, request.body(full("")).unwrap()).await;
            let (status, code) = error_code(&answer);
            assert_eq!((status, &*code), expected);
        }
    });
}

#[test]
fn requests_above_the_limit_are_told_to_slow_down() {
    let server = Encrypted::start_with(|settings| settings.request_count_max = 1);
    server.harness.runtime.block_on(async {
        let client = client(&server).await;
        put(&client, "/bkt", "").await;
        let mut sender = client.clone();
        let waiting = tokio::spawn(async move {
            sender.send_request(request("PUT", "/bkt/k", &[("content-length", "10")], "UNSIGNED-PAYLOAD", stalling(b"abc"))).await
        });
        tokio::time::sleep(Duration::from_millis(300)).await;
        let refused = ask(&client, whole("GET", "/bkt/k", "")).await;
        assert_eq!(error_code(&refused), (503, "SlowDown".to_owned()));
        assert_eq!(refused.headers()["retry-after"], "1");
        waiting.abort();
        let _ = waiting.await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        put(&client, "/bkt/k", "hello").await;
    });
}

#[test]
fn a_connection_on_which_nothing_happens_is_told_to_go() {
    let server = Encrypted::start_with(|settings| settings.head_timeout = Duration::from_millis(500));
    server.harness.runtime.block_on(async {
        let (client, connection) = client_with(&server, |_| {}).await;
        put(&client, "/bkt", "").await;
        let begun = Instant::now();
        connection.await.unwrap().expect("it ends cleanly");
        assert!((400..3000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    });
}

#[test]
fn a_connection_that_never_speaks_http_2_is_closed() {
    let server = Encrypted::start_with(|settings| settings.head_timeout = Duration::from_millis(300));
    server.harness.runtime.block_on(async {
        use tokio::io::AsyncReadExt as _;
        let mut stream = server.connect(&[b"h2"]).await.unwrap();
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(9), stream.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "it is still open");
    });
}

#[test]
fn last_bytes_that_nobody_takes_do_not_keep_a_connection() {
    let server = Encrypted::start_with(|settings| settings.head_timeout = Duration::from_millis(500));
    server.harness.runtime.block_on(async {
        let (client, connection) = client_with(&server, |builder| {
            builder.initial_stream_window_size(1024);
        })
        .await;
        put(&client, "/bkt", "").await;
        put(&client, "/bkt/k", content(1, 10_000)).await;
        let mut sender = client.clone();
        let unread = sender.send_request(whole("GET", "/bkt/k", "")).await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(20), connection).await;
        assert!(ended.is_ok(), "it is still open");
        assert!(unread.into_body().collect().await.is_err(), "the answer is known not to be whole");
    });
}

#[test]
fn a_client_that_hangs_up_leaves_nothing_in_flight() {
    let mut server = Encrypted::start();
    let stop = server.harness.stop.take().unwrap();
    // hyper's connection is a task of its own; with its runtime it is gone.
    let clients = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    clients.block_on(async {
        let client = client(&server).await;
        put(&client, "/bkt", "").await;
        for number in 0..5 {
            let mut sender = client.clone();
            let target = format!("/bkt/{number}");
            let stalled = request("PUT", &target, &[("content-length", "500000")], "UNSIGNED-PAYLOAD", stalling(b"he"));
            tokio::spawn(async move { sender.send_request(stalled).await.map(drop) });
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    });
    clients.shutdown_timeout(Duration::from_secs(1));
    let begun = Instant::now();
    stop.send(()).unwrap();
    server.harness.wait_until_served();
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[test]
fn draining_finishes_what_is_in_flight_and_says_goaway() {
    let mut server = Encrypted::start();
    let stop = server.harness.stop.take().unwrap();
    let (finished, goodbye, idle) = server.harness.runtime.block_on(async {
        let (idle, idle_connection) = client_with(&server, |_| {}).await;
        let (client, connection) = client_with(&server, |_| {}).await;
        put(&client, "/bkt", "").await;
        let (pieces, received) = tokio::sync::mpsc::unbounded_channel::<Bytes>();
        let sent = stream::unfold(received, |mut received| async move { Some((Ok(Frame::data(received.recv().await?)), received)) });
        let slow = request("PUT", "/bkt/k", &[("content-length", "10")], "UNSIGNED-PAYLOAD", StreamBody::new(sent).boxed_unsync());
        let mut sender = client.clone();
        let answer = tokio::spawn(async move { sender.send_request(slow).await });
        pieces.send(Bytes::from_static(b"hello")).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.send(()).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        pieces.send(Bytes::from_static(b"world")).unwrap();
        drop(pieces);
        drop(idle);
        (answer.await.unwrap().unwrap().status(), connection.await.unwrap(), idle_connection.await.unwrap())
    });
    assert_eq!(finished, 200);
    assert!(goodbye.is_ok() && idle.is_ok(), "{goodbye:?} {idle:?}");
    server.harness.wait_until_served();
}
