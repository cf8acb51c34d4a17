//! Attempts against real sockets: what is sent, and every way in which an application can answer or not.

use super::*;
use crate::events::{
    Network,
    app::{self, Answer, App},
    sign::tests::{signer, verifies},
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use std::{net::SocketAddr, sync::Mutex, time::Instant};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const NOW: Timestamp = Timestamp::from_secs(1_445_341_822);
const OK: &str = "{\"Status\":\"OK\"}";

fn courier_with(settings: Settings, tls: Tls) -> Courier {
    let loopback = ["127.0.0.0/8", "::1"].map(|text| Network::parse(text).unwrap()).to_vec();
    let settings = Settings { allow: loopback, ..settings };
    Courier::new(&settings, signer(), tls).with_answer_timeout(Duration::from_secs(2))
}

fn courier() -> Courier {
    courier_with(Settings::default(), Tls::trusting(RootCertStore::empty()))
}

async fn delivered(event: &EventRecord) -> Result<CallbackReply, String> {
    courier().deliver(app::id(1), event, NOW).await.map_err(|why| why.to_string())
}

/// An address at which nobody listens.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn header<'a>(request: &'a str, name: &str) -> Option<&'a str> {
    let named = |line: &'a str| line.split_once(": ").filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    request.lines().take_while(|line| !line.is_empty()).find_map(named)
}

#[tokio::test]
async fn the_request_is_as_oss_sends_it_and_its_signature_verifies() {
    let app = App::answering(Answer::of(200, "Content-Type: application/json\r\n", OK)).await;
    let event = app::event(&app.url("/a%20b/cb.php?x=%201&y"));
    let reply = delivered(&event).await.unwrap();
    assert_eq!(reply, CallbackReply { content_type: "application/json".to_owned(), body: OK.as_bytes().to_vec() });

    let [request] = app.requests().try_into().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "bucket=photos&object=a%2Fb+%2B%E5%9B%BE.jpg");
    assert_eq!(head.lines().next(), Some("POST /a%20b/cb.php?x=%201&y HTTP/1.1"));
    let authority = app.address.to_string();
    let (length, id) = (body.len().to_string(), app::id(1).to_string());
    let md5 = STANDARD.encode(digest::md5(body.as_bytes()));
    let key_url = STANDARD.encode("http://oss.example.com:9000/.partway/callback_pub_key.pem");
    for (name, value) in [
        ("Host", authority.as_str()),
        ("Connection", "close"),
        ("Content-Length", length.as_str()),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-MD5", md5.as_str()),
        ("Date", "Tue, 20 Oct 2015 11:50:22 GMT"),
        ("User-Agent", "aliyun-oss-callback"),
        ("x-oss-bucket", "photos"),
        ("x-oss-request-id", "5C3D9175B6FC201293AD"),
        ("x-oss-requester", "alice"),
        ("x-oss-signature-version", "1.0"),
        ("x-oss-tag", "CALLBACK"),
        ("x-oss-additional-headers", ""),
        ("x-oss-pub-key-url", key_url.as_str()),
        ("x-partway-event-id", id.as_str()),
    ] {
        assert_eq!(header(head, name), Some(value), "{name} in\n{head}");
    }
    assert_eq!(head.lines().count(), 1 + 16, "nothing besides these and the signature:\n{head}");
    let signature = STANDARD.decode(header(head, "Authorization").unwrap()).unwrap();
    assert!(verifies(signer().public_key_pem(), "/a%20b/cb.php?x=%201&y", body.as_bytes(), &signature));
}

#[tokio::test]
async fn the_callback_names_host_and_body_type_and_the_operator_the_key() {
    let app = App::answering(Answer::of(200, "", OK)).await;
    let mut event = app::event(&app.url(""));
    event.callback.host = Some("other.example.com:81".to_owned());
    event.callback.body_type = CallbackBodyType::Json;
    event.callback.body = "{\"b\":${bucket}}".to_owned();
    event.requester = None;
    let settings = Settings { public_url: Some("https://keys.example.com".to_owned()), ..Settings::default() };
    let reply = courier_with(settings, Tls::trusting(RootCertStore::empty())).deliver(app::id(1), &event, NOW).await.unwrap();
    assert_eq!(reply.content_type, "application/json", "what an application does not say is JSON");

    let [request] = app.requests().try_into().unwrap();
    assert!(request.starts_with("POST / HTTP/1.1\r\n") && request.ends_with("\r\n\r\n{\"b\":\"photos\"}"), "{request}");
    assert_eq!(header(&request, "host"), Some("other.example.com:81"));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "x-oss-requester"), Some("0"));
    assert_eq!(
        header(&request, "x-oss-pub-key-url"),
        Some(STANDARD.encode("https://keys.example.com/.partway/callback_pub_key.pem").as_str())
    );
}

#[tokio::test]
async fn a_body_may_come_out_empty() {
    let app = App::answering(Answer::of(200, "", OK)).await;
    let mut event = app::event(&app.url("/"));
    event.callback.body = "${x:unset}".to_owned();
    assert!(delivered(&event).await.is_ok());
    assert_eq!(header(&app.requests()[0], "content-length"), Some("0"));
}

#[tokio::test]
async fn every_answer_that_is_not_200_with_a_body_that_says_its_length_is_a_failure() {
    let raw = |text: &str| Answer::Bytes(text.as_bytes().to_vec());
    let no_connection = "Error status : -1.OSS can not connect to your callbackUrl, please check it.";
    let no_length = "Error status : 400.User server missing content-length.";
    let not_json = "Response body is not valid json format.";
    for (answer, expected) in [
        (Answer::of(301, "Location: http://127.0.0.1:1/\r\n", ""), Err("Error status : 301.")),
        (Answer::of(204, "", ""), Err("Error status : 204.")),
        (Answer::of(404, "", OK), Err("Error status : 404.")),
        (Answer::of(502, "", "<html>"), Err("Error status : 502.")),
        (Answer::of(200, "", ""), Err(not_json)),
        (Answer::of(200, "", "OK"), Err(not_json)),
        (Answer::of(200, "Content-Type: application/xml\r\n", "<a/>"), Ok("application/xml")),
        (Answer::of(200, "Content-Type: application/xml\r\n", OK), Err(not_json)),
        (Answer::of(200, "Content-Type: text/html\r\n", "\"x\""), Ok("text/html")),
        (raw("HTTP/1.1 200 OK\r\n\r\n{}"), Err(no_length)),
        (raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"), Err(no_length)),
        (raw("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"), Ok("application/json")),
        (
            raw("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n"),
            Err("Error status : 400.User server return too long content-length value."),
        ),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}"), Err(no_connection)),
        (raw("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}"), Err(no_connection)),
        (raw("SSH-2.0-x\r\n"), Err(no_connection)),
        (raw(""), Err(no_connection)),
        (Answer::Silence, Err("Cost too long time.")),
    ] {
        let app = App::answering(answer.clone()).await;
        let told = delivered(&app::event(&app.url("/cb"))).await;
        let shown = if let Answer::Bytes(bytes) = &answer { String::from_utf8_lossy(bytes).into_owned() } else { "silence".to_owned() };
        assert_eq!(told.as_ref().map(|reply| reply.content_type.as_str()).map_err(String::as_str), expected, "{shown}");
        assert_eq!(app.requests().len(), 1, "{shown}");
    }
}

#[tokio::test]
async fn an_answer_of_the_largest_size_is_handed_on_whole() {
    let size = usize::try_from(answer::ANSWER_SIZE_MAX).unwrap();
    let body = format!("\"{}\"", "x".repeat(size - 2));
    let app = App::answering(Answer::of(200, "", &body)).await;
    assert_eq!(delivered(&app::event(&app.url("/"))).await.unwrap().body, body.as_bytes());
}

#[tokio::test]
async fn an_answer_that_trickles_is_too_slow() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while tokio::io::AsyncWriteExt::write_all(&mut stream, b"H").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
    });
    let began = Instant::now();
    assert_eq!(delivered(&app::event(&url)).await, Err("Cost too long time.".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(20));
    server.abort();
}

#[tokio::test]
async fn urls_are_tried_in_order_until_one_answers_200() {
    let bad = App::answering(Answer::of(500, "", OK)).await;
    let good = App::answering(Answer::of(200, "", OK)).await;
    let unasked = App::answering(Answer::of(200, "", "{}")).await;
    let mut event = app::event("");
    event.callback.urls = vec![format!("http://{}/", nobody().await), bad.url("/1"), good.url("/2"), unasked.url("/3")];
    assert_eq!(delivered(&event).await.unwrap().body, OK.as_bytes());
    assert_eq!([bad.requests().len(), good.requests().len(), unasked.requests().len()], [1, 1, 0]);
    let signature = |app: &App| header(&app.requests()[0], "authorization").unwrap().to_owned();
    assert_ne!(signature(&bad), signature(&good), "each is signed for its own path");

    event.callback.urls = vec![bad.url("/"); 7];
    assert_eq!(delivered(&event).await, Err("Error status : 500.".to_owned()));
    assert_eq!(bad.requests().len(), 1 + URLS_MAX);
}

#[tokio::test]
async fn what_cannot_or_must_not_be_called_is_not() {
    let app = App::answering(Answer::of(200, "", OK)).await;
    let port = app.address.port();
    let guarded = Courier::new(&Settings::default(), signer(), Tls::trusting(RootCertStore::empty()));
    for (url, expected) in [
        (format!("http://127.0.0.1:{port}/"), "Private address is forbidden to callback."),
        (format!("http://localhost:{port}/"), "Private address is forbidden to callback."),
        (format!("http://[::ffff:127.0.0.1]:{port}/"), "Private address is forbidden to callback."),
        ("http://no-such-host.invalid/".to_owned(), "Can not get ip by this host."),
        ("ftp://app/".to_owned(), "The callback url configuration is invalid."),
    ] {
        let event = app::event(&url);
        let told = guarded.deliver(app::id(1), &event, NOW).await.map_err(|why| why.to_string());
        assert_eq!(told, Err(expected.to_owned()), "{url}");
        let checked = guarded.check(&event.callback).await.map_err(|why| why.to_string());
        assert_eq!(checked, Err(expected.to_owned()), "{url}");
    }
    assert_eq!(app.requests().len(), 0);
    assert_eq!(courier().check(&app::event(&app.url("/")).callback).await, Ok(()));

    let mut event = app::event(&app.url("/"));
    event.callback.host = Some("a\r\nb".to_owned());
    assert_eq!(delivered(&event).await, Err("The callback host configuration is invalid.".to_owned()));
    let closed = app::event(&format!("http://{}/", nobody().await));
    assert!(delivered(&closed).await.unwrap_err().starts_with("Error status : -1."));
}

/// A certificate for `localhost` and `app.example.test`, by an authority of its own.
fn tls_server() -> TlsAcceptor {
    let chain = CertificateDer::pem_slice_iter(include_bytes!("../../../tests/vectors/callback_tls/server.pem"));
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../../tests/vectors/callback_tls/server_key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

fn authority() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(include_bytes!("../../../tests/vectors/callback_tls/authority.pem")).unwrap()).unwrap();
    roots
}

#[tokio::test]
async fn https_verifies_the_certificate_and_names_the_host_only_when_asked_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (names, requests) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (seen_names, seen) = (Arc::clone(&names), Arc::clone(&requests));
    let server = tokio::spawn(async move {
        let acceptor = tls_server();
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(stream) = acceptor.accept(stream).await else { continue };
            seen_names.lock().unwrap().push(stream.get_ref().1.server_name().map(str::to_owned));
            app::converse(stream, Answer::of(200, "", OK), Arc::clone(&seen)).await;
        }
    });
    let no_connection = Err(Undelivered::NoConnection);
    for (host, callback_host, sni, roots, expected) in [
        ("localhost", None, false, authority(), Ok(None)),
        ("localhost", None, true, authority(), Ok(Some("localhost"))),
        ("localhost", Some("app.example.test"), true, authority(), Ok(Some("app.example.test"))),
        ("localhost", Some("app.example.test:444"), true, authority(), Ok(Some("app.example.test"))),
        ("localhost", Some("app.example.test"), false, authority(), Ok(None)),
        ("localhost", Some("other.example.test"), true, authority(), no_connection.clone()),
        ("localhost", Some("under_score.-"), true, authority(), Err(Undelivered::Host)),
        ("127.0.0.1", None, false, authority(), no_connection.clone()),
        ("localhost", None, false, RootCertStore::empty(), no_connection.clone()),
    ] {
        let mut event = app::event(&format!("https://{host}:{port}/"));
        event.callback.host = callback_host.map(str::to_owned);
        event.callback.sni = sni;
        let told = courier_with(Settings::default(), Tls::trusting(roots)).deliver(app::id(1), &event, NOW).await;
        let name = told.map(|_| names.lock().unwrap().pop().unwrap());
        assert_eq!(name, expected.map(|name| name.map(str::to_owned)), "{host} {callback_host:?} {sni}");
    }
    assert_eq!(requests.lock().unwrap().len(), 5);
    server.abort();
}
