//! Connections over TLS, over real sockets: handshakes that succeed, fail or never end, and certificates that change.

use super::*;
use crate::server::{Certificates, Reloaded, tls::tests::Authority};
use rustls::{
    ClientConfig,
    pki_types::{CertificateDer, ServerName},
};
use std::io::{Read as _, Write as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// A server over TLS, and whom its clients trust.
pub(super) struct Encrypted {
    pub(super) harness: Harness,
    pub(super) authority: Authority,
    certificates: Arc<Certificates>,
    /// The server's certificate.
    certificate: CertificateDer<'static>,
}

impl Encrypted {
    pub(super) fn start() -> Self {
        Self::start_with(|_| {})
    }

    pub(super) fn start_with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        let authority = Authority::new();
        let certificate = authority.issue(|_| {});
        let certificates = Arc::new(Certificates::load(authority.files()).unwrap());
        let harness = Harness::start_with(|settings| {
            settings.tls = Some(Arc::clone(&certificates));
            change(settings);
        });
        Self { harness, authority, certificates, certificate }
    }

    pub(super) async fn connect(&self, protocols: &[&[u8]]) -> io::Result<TlsStream<TcpStream>> {
        connect(self.harness.address, self.authority.client(protocols)).await
    }

    /// The answer to a request on a connection of its own, head and all.
    async fn ask(&self, request: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect(&[b"http/1.1"]).await.unwrap();
        ask_on(&mut stream, request.as_ref()).await
    }
}

pub(super) async fn connect(address: SocketAddr, config: ClientConfig) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// Sends a request and returns the answer, whose Content-Length says where it ends.
async fn ask_on(stream: &mut TlsStream<TcpStream>, request: &[u8]) -> String {
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    loop {
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let length = head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            if request.starts_with(b"HEAD ") || length.unwrap_or(0) <= body.len() {
                return answer;
            }
        }
        let mut piece = [0; 8 << 10];
        let size = stream.read(&mut piece).await.unwrap();
        assert!(size > 0, "the answer ended early: {answer}");
        answer.push_str(std::str::from_utf8(&piece[..size]).unwrap());
    }
}

#[test]
fn objects_go_in_and_out_over_tls_in_http_1_and_their_url_is_https() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let mut stream = server.connect(&[]).await.unwrap();
        assert_eq!(stream.get_ref().1.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        assert!(ask_on(&mut stream, &signed("PUT", "/bkt", &[], b"")).await.starts_with("HTTP/1.1 200"));
        assert!(ask_on(&mut stream, &signed("PUT", "/bkt/k", &[], b"hello")).await.starts_with("HTTP/1.1 200"));
        assert!(ask_on(&mut stream, &signed("GET", "/bkt/k", &[], b"")).await.ends_with("\r\n\r\nhello"));
        let created = ask_on(&mut stream, &signed("POST", "/bkt/big?uploads", &[], b"")).await;
        let upload = created.split("UploadId>").nth(1).unwrap().trim_end_matches("</");
        let part = ask_on(&mut stream, &signed("PUT", &format!("/bkt/big?partNumber=1&uploadId={upload}"), &[], b"part")).await;
        let etag = part.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
        let list = format!("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>");
        let completed = ask_on(&mut stream, &signed("POST", &format!("/bkt/big?uploadId={upload}"), &[], list.as_bytes())).await;
        assert!(completed.contains("<Location>https://localhost/bkt/big</Location>"), "{completed}");
    });
}

#[test]
fn tls_1_2_is_spoken_too() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(server.authority.certificate()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut stream = connect(server.harness.address, config).await.unwrap();
        assert!(ask_on(&mut stream, &signed("GET", "/", &[], b"")).await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn policies_can_insist_on_tls_whatever_a_header_says() {
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*",
        "Condition":{"Bool":{"aws:SecureTransport":"true"}}}]}"#;
    let app = key("app", "root", Some(policy), KeyStatus::Active);
    let server = Encrypted::start();
    server.harness.put_key(&app);
    let request = signed_by("app", "PUT", "/bkt", &[("x-forwarded-proto", "https")], b"");
    let answer = server.harness.runtime.block_on(server.ask(&request));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let plain = Harness::start();
    plain.put_key(&app);
    assert_eq!(code(&plain.ask(&request)), (403, "AccessDenied"));
}

#[test]
fn a_refused_client_that_goes_on_sending_over_tls_still_gets_its_answer() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let mut stream = server.connect(&[]).await.unwrap();
        let head = format!("PUT /bkt/k HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", 8 << 20);
        stream.write_all(head.as_bytes()).await.unwrap();
        for _ in 0..64 {
            stream.write_all(&[b'x'; 128 << 10]).await.unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("the end is announced");
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("connection: close"), "{answer}");
    });
}

#[test]
fn handshakes_that_fail_cost_nobody_else_anything() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        for garbage in [&b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..], b"\x16\x03\x01\xff\xff\xff\xff", &[0; 600]] {
            let mut stream = TcpStream::connect(server.harness.address).await.unwrap();
            stream.write_all(garbage).await.unwrap();
            stream.shutdown().await.unwrap();
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
        }
        let foreign = Authority::new();
        assert!(connect(server.harness.address, foreign.client(&[])).await.is_err(), "a client that trusts somebody else");
        assert!(server.connect(&[b"spdy/3"]).await.is_err(), "no protocol in common");
        assert!(server.ask(signed("GET", "/", &[], b"")).await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn handshakes_that_never_end_hold_nobody_up_and_end_with_the_head_timeout() {
    let server = Encrypted::start_with(|settings| settings.head_timeout = Duration::from_millis(1500));
    let begun = std::time::Instant::now();
    let mut slow: Vec<_> = (0..40)
        .map(|_| {
            let mut stream = std::net::TcpStream::connect(server.harness.address).unwrap();
            stream.write_all(b"\x16\x03\x01").unwrap();
            stream
        })
        .collect();
    let answer = server.harness.runtime.block_on(server.ask(signed("GET", "/", &[], b"")));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(begun.elapsed() < Duration::from_millis(1400), "{:?}", begun.elapsed());
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).expect("the server closes it");
    }
    assert!(begun.elapsed() >= Duration::from_millis(1500), "{:?}", begun.elapsed());
}

#[test]
fn an_expired_certificate_is_the_clients_to_refuse() {
    let server = Encrypted::start();
    server.authority.issue(|params| {
        params.not_before = rcgen::date_time_ymd(2001, 1, 1);
        params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    });
    assert_eq!(server.certificates.reload(), Reloaded::Renewed);
    let refused = server.harness.runtime.block_on(server.connect(&[])).unwrap_err();
    assert!(refused.to_string().contains("xpired"), "{refused}");
}

#[test]
fn a_renewed_certificate_is_for_new_connections_and_ends_no_old_one() {
    let server = Encrypted::start();
    server.harness.runtime.block_on(async {
        let presented = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
        let mut old = server.connect(&[]).await.unwrap();
        assert_eq!(presented(&old), server.certificate);
        let renewed = server.authority.issue(|_| {});
        assert_eq!(server.certificates.reload(), Reloaded::Renewed);
        assert_eq!(presented(&server.connect(&[]).await.unwrap()), renewed);
        std::fs::write(server.authority.files().certificate, "broken").unwrap();
        assert_eq!(server.certificates.reload(), Reloaded::Kept);
        assert_eq!(presented(&server.connect(&[]).await.unwrap()), renewed);
        assert!(ask_on(&mut old, &signed("GET", "/", &[], b"")).await.starts_with("HTTP/1.1 200"));
    });
}

#[test]
fn a_certificate_that_is_replaced_is_taken_up_within_seconds() {
    let server = Encrypted::start();
    let renewed = server.authority.issue(|_| {});
    server.harness.runtime.block_on(async {
        let deadline = std::time::Instant::now() + Duration::from_secs(20);
        while server.connect(&[]).await.unwrap().get_ref().1.peer_certificates().unwrap()[0] != renewed {
            assert!(std::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
}

#[test]
fn connections_above_the_limit_are_told_to_slow_down_over_tls() {
    let server = Encrypted::start_with(|settings| settings.connection_count_max = 1);
    server.harness.runtime.block_on(async {
        let mut first = server.connect(&[b"h2", b"http/1.1"]).await.unwrap();
        first.flush().await.unwrap();
        let mut second = server.connect(&[b"h2", b"http/1.1"]).await.unwrap();
        assert_eq!(second.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut answer = String::new();
        second.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("<Code>SlowDown</Code>"), "{answer}");
        drop(first);
    });
}

#[test]
fn without_tls_there_is_no_http_2() {
    let harness = Harness::start();
    let mut client = harness.client();
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    assert!(client.is_closed().unwrap(), "that is no head that HTTP/1.1 could answer");
    let upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    let answer = harness.ask(upgrade);
    assert_eq!((answer.status, answer.header("upgrade")), (403, None), "{}", answer.text());
}
