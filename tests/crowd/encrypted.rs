//! What connections cost that are encrypted: idle in either version of HTTP, and those whose handshake never ends.

use super::{alone, eventually, may_open, server::Server};
use partway::testkit::raw_client::RawClient;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

/// Of which half speak HTTP/2, and beside which as many never shake hands to the end.
const COUNT: usize = 1000;
/// What ten thousand of them may take together. Bytes.
const MEMORY_MAX: u64 = 512 << 20;
const PROTOCOLS: [&[u8]; 2] = [b"http/1.1", b"h2"];

type Encrypted = StreamOwned<ClientConnection, TcpStream>;

#[test]
fn ten_thousand_idle_encrypted_connections_fit_into_memory() {
    let _alone = alone();
    let count = std::env::var("CROWD_TLS").map_or(COUNT, |text| text.parse().expect("a number"));
    if !may_open(count as u64) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().expect("it is text").to_owned();
    let config = client_config(&path("certificate.pem"), &path("key.pem"));
    let tls = ["--tls-certificate", &path("certificate.pem"), "--tls-key", &path("key.pem")];
    let server = Server::start(&[&["--head-timeout", "10m", "--body-timeout", "10m"], &tls[..]].concat());

    let before = server.memory().0;
    let mut idle: Vec<Encrypted> = (0..count).map(|number| connect(&config, server.address, PROTOCOLS[number % 2])).collect();
    eventually("they are all open", || server.metric("partway_connections ") as usize >= count);
    let (with_idle, _) = server.memory();
    let each = with_idle.saturating_sub(before) / count as u64;
    println!("idle and encrypted: {each} bytes each of {count}, from {} to {} MiB", before >> 20, with_idle >> 20);
    assert!(before + each * 10_000 < MEMORY_MAX, "{each} bytes each");

    // The beginning of a message of 60 KB in records of 16 KB, of which the end never comes.
    let hello = [&[22, 3, 1, 64, 0, 1, 0, 0xea, 0x60][..], &[0; 16_380], &[22, 3, 1, 64, 0], &[0; 16_384]].concat();
    let unfinished: Vec<TcpStream> = (0..count.min(COUNT))
        .map(|_| {
            let mut stream = TcpStream::connect(server.address).unwrap();
            stream.write_all(&hello).unwrap();
            stream
        })
        .collect();
    eventually("they are open, too", || server.metric("partway_connections ") as usize >= count + unfinished.len());
    std::thread::sleep(Duration::from_millis(500));
    let each = server.memory().0.saturating_sub(with_idle) / unfinished.len() as u64;
    println!("unfinished handshakes: {each} bytes each of {}", unfinished.len());
    assert!(each < 128 << 10, "{each}");

    for connection in idle.iter_mut().step_by(98) {
        connection.write_all(b"GET /crowd/absent HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = [0; 12];
        connection.read_exact(&mut answer).unwrap();
        assert_eq!(answer, *b"HTTP/1.1 403");
    }
    drop((idle, unfinished));
    eventually("they are all closed", || server.metric("partway_connections ") <= 1.0);
    // Nobody needs to encrypt for this.
    assert!(RawClient::connect(server.address).is_ok());
}

/// A connection that has shaken hands and, in HTTP/2, exchanged settings.
fn connect(config: &ClientConfig, address: SocketAddr, protocol: &[u8]) -> Encrypted {
    let mut config = config.clone();
    config.alpn_protocols = vec![protocol.to_vec()];
    let client = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut stream = StreamOwned::new(client, stream);
    if protocol == b"h2" {
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
        stream.read_exact(&mut [0; 9]).expect("the server's settings begin");
    } else {
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock).unwrap();
        }
    }
    assert_eq!(stream.conn.alpn_protocol(), Some(protocol));
    stream
}

/// Writes a certificate for `localhost` and its key; returns what a client needs that trusts them.
fn client_config(certificate_file: &str, key_file: &str) -> ClientConfig {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(certificate_file, certificate.pem()).unwrap();
    std::fs::write(key_file, key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(issuer.der().clone()).unwrap();
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}
