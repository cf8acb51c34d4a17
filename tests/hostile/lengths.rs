//! Bodies that are not as long as was said, by HTTP, by aws-chunked or in their digests: an error, no object, nothing kept.

use crate::{
    request::{Request, get, post, put},
    site::Site,
    victims::chunked,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use partway::{digest::Hasher, model::ChecksumAlgorithm, testkit::raw_client::RawResponse};

const WORD: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// A head with these fields besides the signed ones, a body, and then nothing more: the client says that it is done.
fn send(site: &Site, asked: &Request, fields: &str, body: &[u8]) -> Option<RawResponse> {
    let head = String::from_utf8(asked.clone().unframed().head_bytes(&site.host())).expect("it is text");
    let mut client = site.connect();
    let sent = client.send([format!("{}\r\n{fields}\r\n\r\n", head.trim_end()).as_bytes(), body].concat());
    // A server that closes its side at once is as good.
    let _ = sent.and_then(|()| client.finish_sending());
    client.receive(asked.method()).ok()
}

#[test]
fn lengths_that_lie_store_nothing() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let before = site.resident_kib();
    let target = format!("/{bucket}/k");
    let upload = site.create_upload(&target);
    let body = vec![b'x'; 200_000];
    let requests = [
        ("S3", put(&target, "").payload("UNSIGNED-PAYLOAD")),
        ("OSS", put(&target, "").oss()),
        ("part", put(&format!("{target}?partNumber=1&uploadId={upload}"), "").payload("UNSIGNED-PAYLOAD")),
        ("append", post(&format!("/{bucket}/a?append&position=0"), "").oss()),
    ];
    for (name, asked) in &requests {
        for length in [200_001_u64, 1 << 30, 5 << 30, (5 << 30) + 1, 1 << 40, (1 << 63) - 1, 1 << 63, u64::MAX - 2, u64::MAX - 1, u64::MAX]
        {
            let answer = send(&site, asked, &format!("Content-Length: {length}"), &body);
            let status = answer.as_ref().map(|answer| answer.status);
            assert!(matches!(status, None | Some(400..=499)), "{name}, {length}: {answer:?}");
        }
    }
    let listed = site.expect(&get(&format!("/{bucket}?list-type=2")), 200);
    assert_eq!(listed.element("KeyCount"), Some("0"), "{}", listed.text());
    let parts = site.expect(&get(&format!("{target}?uploadId={upload}")), 200);
    assert!(!parts.text().contains("<PartNumber>"), "{}", parts.text());
    // Shorter than what follows: an object of that size, and what is left is a request that is none.
    let asked = put(&target, "").payload("UNSIGNED-PAYLOAD");
    assert_eq!(send(&site, &asked, "Content-Length: 10", &body).map(|answer| answer.status), Some(200));
    assert_eq!(site.expect(&get(&target), 200).body.len(), 10);
    site.assert_unharmed("lengths that lie", before);
}

#[test]
fn decoded_lengths_that_lie_store_nothing() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let before = site.resident_kib();
    let content = vec![b'y'; 100_000];
    let body = chunked(&content, 8 << 10);
    let target = format!("/{bucket}/k");
    let asked = |length: &str| {
        let asked = put(&target, &body).payload(WORD).with("x-amz-decoded-content-length", length);
        asked.with("x-amz-trailer", "x-amz-checksum-crc32")
    };
    for length in
        ["0", "99999", "100001", "5368709120", "5368709121", "9223372036854775808", "18446744073709551615", "18446744073709551616"]
    {
        assert_eq!(site.ask(&asked(length)).status, 400, "{length}");
    }
    for length in ["", "-1", "+100000", "0x186a0", "100000 ", "1e5", "100000, 100000", "\u{661}"] {
        let answer = site.ask(&asked(length));
        // A space at the end is no part of a field's value.
        assert_eq!(answer.status, if length.trim() == "100000" { 200 } else { 400 }, "{length:?}: {}", answer.text());
        if answer.status == 200 {
            site.expect(&crate::request::delete(&target), 204);
        }
    }
    let twice = asked("100000").with("x-amz-decoded-content-length", "1");
    assert!(site.ask(&twice).status >= 400, "two lengths");
    assert_eq!(site.ask(&get(&target)).status, 404);
    assert_eq!(site.ask(&asked("100000")).status, 200, "the canary");
    site.assert_unharmed("decoded lengths that lie", before);
}

#[test]
fn every_checksum_in_a_trailer_is_compared() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let content = b"what is really sent".to_vec();
    let framed = |trailer: &str| format!("{:x}\r\n{}\r\n0\r\n{trailer}\r\n\r\n", content.len(), String::from_utf8_lossy(&content));
    for name in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"] {
        let algorithm = ChecksumAlgorithm::parse(name).expect("it is one of ours");
        let value = |body: &[u8]| {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(body);
            STANDARD.encode(hasher.finish().digest())
        };
        let header = format!("x-amz-checksum-{}", name.to_lowercase());
        let target = format!("/{bucket}/{name}");
        let ask = |trailer: String| {
            let asked = put(&target, framed(&trailer)).payload(WORD).with("x-amz-trailer", &header);
            site.ask(&asked.with("x-amz-decoded-content-length", content.len().to_string())).status
        };
        let (right, wrong) = (value(&content), value(b"what was meant"));
        let zeros = STANDARD.encode(vec![0; STANDARD.decode(&right).expect("it is base64").len()]);
        for (lie, trailer) in [
            ("of another body", format!("{header}:{wrong}")),
            ("zeros", format!("{header}:{zeros}")),
            ("cut short", format!("{header}:{}", &right[..right.len() - 4])),
            ("too long", format!("{header}:{}", STANDARD.encode([0; 64]))),
            ("nothing", format!("{header}:")),
            ("of another algorithm", format!("x-amz-checksum-none:{right}")),
            ("twice", format!("{header}:{right}\r\n{header}:{wrong}")),
            ("twice, the other order", format!("{header}:{wrong}\r\n{header}:{right}")),
            ("missing", String::new()),
        ] {
            let status = ask(trailer);
            assert_eq!(status, 400, "{name}, {lie}");
            assert_eq!(site.ask(&get(&target)).status, 404, "{name}, {lie}");
        }
        assert_eq!(ask(format!("{header}:{right}")), 200, "{name}, the canary");
    }
}

#[test]
fn encodings_of_bodies_are_kept_and_never_undone() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let before = site.resident_kib();
    // The first bytes of gzip; undone it would be an error, or gigabytes.
    let body = [&[0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 3][..], &[0; 5000]].concat();
    for encoding in ["gzip", "br", "zstd", "deflate", "gzip, gzip", "x-unknown"] {
        let target = format!("/{bucket}/encoded");
        for asked in [put(&target, &body), put(&target, &body).oss()] {
            site.expect(&asked.with("content-encoding", encoding), 200);
            let read = site.expect(&get(&target), 200);
            assert_eq!((read.header("content-encoding"), read.body == body), (Some(encoding), true), "{encoding}");
        }
    }
    // Documents neither: this one would be the XML of a Delete.
    let document = site.ask(
        &post(&format!("/{bucket}?delete"), &body)
            .with("content-encoding", "gzip")
            .with("content-md5", STANDARD.encode(partway::digest::md5(&body))),
    );
    assert_eq!((document.status, document.element("Code")), (400, Some("MalformedXML")));
    let answer = site.expect(&get(&format!("/{bucket}?list-type=2")).with("accept-encoding", "gzip"), 200);
    assert_eq!(answer.header("content-encoding"), None);
    site.assert_unharmed("encoded bodies", before);
}

#[test]
fn a_client_that_sends_without_an_end_is_stopped() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let before = site.resident_kib();
    // A chunk after the other, against a decoded length of ten bytes.
    let asked = put(&format!("/{bucket}/k"), "").payload(WORD).unframed().with("x-amz-decoded-content-length", "10");
    let head = asked.with_unsigned("Transfer-Encoding", "chunked").head_bytes(&site.host());
    let mut client = site.connect();
    client.send(head).unwrap();
    let piece = [b"10000\r\n".to_vec(), b"10000\r\n".to_vec(), vec![b'x'; (1 << 16) - 7], b"\r\n".to_vec()].concat();
    let mut sent = 0_u64;
    while sent < 512 << 20 && client.send(&piece).is_ok() {
        sent += piece.len() as u64;
    }
    assert!(sent < 512 << 20, "the server takes everything");
    drop(client);
    assert_eq!(site.ask(&get(&format!("/{bucket}/k"))).status, 404);
    site.assert_unharmed("a body without an end", before);
}
