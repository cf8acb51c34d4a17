//! TLS that breaks off, is none or carries what is none: connections end, and nobody else notices.

use crate::{
    pipelining::Smuggled,
    request::{get, put},
    site::Site,
};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::Arc,
};

/// An encrypted connection.
pub(crate) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

fn configuration(protocol: &[u8]) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let authority = CertificateDer::from_pem_slice(include_bytes!("../vectors/callback_tls/authority.pem")).expect("it is a certificate");
    roots.add(authority).expect("it is one of an authority");
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    Arc::new(config)
}

fn session(protocol: &[u8]) -> ClientConnection {
    ClientConnection::new(configuration(protocol), ServerName::try_from("localhost").expect("it is a name")).expect("it can begin")
}

/// Shakes hands for a protocol.
///
/// # Errors
/// When the server does not want to.
pub(crate) fn connect(socket: TcpStream, protocol: &[u8]) -> io::Result<TlsStream> {
    let mut stream = StreamOwned::new(session(protocol), socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// A socket that is cut after so many bytes have been sent.
struct Brittle {
    socket: TcpStream,
    left: usize,
}

impl Read for Brittle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.read(buffer)
    }
}

impl Write for Brittle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let size = self.socket.write(&bytes[..bytes.len().min(self.left)])?;
        self.left -= size;
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

#[test]
fn cutting_a_handshake_or_a_request_in_tls_at_any_byte_leaves_nothing() {
    let site = Site::start_encrypted();
    let bucket = site.bucket();
    let before = site.resident_kib();
    let request = put(&format!("/{bucket}/k"), vec![b'x'; 100_000]).bytes(&site.host());
    let sent = |left: usize| {
        let mut stream = StreamOwned::new(session(b"http/1.1"), Brittle { socket: site.socket(), left });
        // Where it breaks is the point; the last byte never goes.
        let _ = stream.write_all(&request[..request.len() - 1]).and_then(|()| stream.flush());
        left - stream.sock.left
    };
    let whole = sent(usize::MAX / 2);
    for cut in (0..whole.min(2_500)).chain((2_500..whole).step_by(2_003)) {
        sent(cut);
    }
    assert_eq!(site.ask(&get(&format!("/{bucket}/k"))).status, 404, "a request that was cut off was carried out");
    site.assert_unharmed("cut handshakes", before);
}

#[test]
fn what_is_no_tls_is_no_request() {
    let site = Site::start_encrypted();
    let bucket = site.bucket();
    let before = site.resident_kib();
    let plain = Smuggled::new(&site, &bucket, "plain");
    let record = |kind: u8, size: u16, content: &[u8]| [&[kind, 3, 1][..], &size.to_be_bytes(), content].concat();
    let hello_of_16_mib = [&[1, 0xFF, 0xFF, 0xFF][..], &[0; 16_000]].concat();
    for (name, bytes) in [
        ("HTTP in clear", plain.bytes.clone()),
        ("HTTP/2 in clear", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec()),
        ("an old hello", [&[0x80, 0x2e, 1, 3, 1][..], &[0; 41]].concat()),
        ("an empty record", record(22, 0, b"")),
        ("ten thousand empty records", record(22, 0, b"").repeat(10_000)),
        ("a record that is too large", record(22, 0xFFFF, &[0; 0xFFFF])),
        ("a hello of 16 MiB", record(22, 16_004, &hello_of_16_mib).repeat(200)),
        ("data before the handshake", record(23, 100, &[0; 100])),
        ("an alert", record(21, 2, &[2, 40])),
        ("ten thousand warnings", record(21, 2, &[1, 90]).repeat(10_000)),
        ("zeros", vec![0; 100_000]),
        ("garbage", (0..100_000_u32).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()),
    ] {
        let mut socket = site.socket();
        let _ = socket.write_all(&bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = socket.read_to_end(&mut answer);
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{name}: {}", String::from_utf8_lossy(&answer));
    }
    plain.assert_ignored(&site, "in clear");
    site.assert_unharmed("what is no TLS", before);
}

#[test]
fn smuggling_is_no_easier_over_tls() {
    let site = Site::start_encrypted();
    let bucket = site.bucket();
    for (index, fields) in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 0\r\nContent-Length: 5",
        "Transfer-Encoding: xchunked",
        "Content-Length : 0",
    ]
    .into_iter()
    .enumerate()
    {
        let smuggled = Smuggled::new(&site, &bucket, &index.to_string());
        let head = put(&format!("/{bucket}/carrier"), "").payload("UNSIGNED-PAYLOAD").unframed().head_bytes(&site.host());
        let head = String::from_utf8(head).expect("it is text");
        let mut client = site.connect_encrypted();
        let body = if fields.contains("chunked") { "0\r\n\r\n" } else { "" };
        client.send([format!("{}\r\n{fields}\r\n\r\n{body}", head.trim_end()).as_bytes(), &smuggled.bytes].concat()).unwrap();
        let answers = (0..3).map_while(|_| client.receive("PUT").ok()).count();
        assert!(answers <= 1, "{fields}: {answers} answers");
        smuggled.assert_ignored(&site, fields);
        smuggled.assert_works(&site);
    }
}
