//! Heads that two readers could understand in two ways: the connection ends, and what stands behind them is never a request.

use crate::{
    pipelining::Smuggled,
    request::{get, put},
    site::Site,
};
use std::time::Duration;

/// For connections that may stay open.
const SHORT: Duration = Duration::from_millis(500);

/// A signed PUT whose head ends with these fields. OSS takes bodies of unknown length, so that what is refused is the framing.
fn carrier(site: &Site, bucket: &str, fields: &str) -> String {
    let head = put(&format!("/{bucket}/carrier"), "").oss().unframed().head_bytes(&site.host());
    let head = String::from_utf8(head).expect("it is text");
    format!("{}\r\n{fields}\r\n\r\n", head.trim_end())
}

#[test]
fn a_head_with_two_ends_is_the_last_one_of_its_connection() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let before = site.resident_kib();
    let zero = "0\r\n\r\n";
    for (index, (name, fields, body)) in [
        ("CL.TE", "Content-Length: 5\r\nTransfer-Encoding: chunked", zero),
        ("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 5", zero),
        ("TE.CL of nothing", "Transfer-Encoding: chunked\r\nContent-Length: 0", zero),
        ("two lengths", "Content-Length: 0\r\nContent-Length: 5", ""),
        ("two lengths, the other order", "Content-Length: 5\r\nContent-Length: 0", ""),
        ("a list of lengths", "Content-Length: 0, 5", ""),
        ("a list of one length", "Content-Length: 0, 0", ""),
        ("a plus sign", "Content-Length: +0", ""),
        ("a minus sign", "Content-Length: -0", ""),
        ("hexadecimal", "Content-Length: 0x0", ""),
        ("a fraction", "Content-Length: 0.0", ""),
        ("an exponent", "Content-Length: 0e1", ""),
        ("an underscore", "Content-Length: 0_0", ""),
        ("no digits", "Content-Length:", ""),
        ("2^64", "Content-Length: 18446744073709551616", ""),
        ("digits of another script", "Content-Length: \u{0660}", ""),
        ("a space within", "Content-Length: 0 0", ""),
        ("space before the colon", "Content-Length : 0", ""),
        ("tab before the colon", "Content-Length\t: 0", ""),
        ("space before the name", " Content-Length: 0", ""),
        ("a folded length", "Content-Length:\r\n 0", ""),
        ("a folded encoding", "Transfer-Encoding:\r\n chunked", zero),
        ("a vertical tab", "Transfer-Encoding: \u{b}chunked", zero),
        ("a zero byte in the name", "Content-\0Length: 0", ""),
        ("a zero byte in the value", "Content-Length: 0\0", ""),
        ("a bare carriage return", "x: a\rContent-Length: 0", ""),
        ("a bare carriage return at the end", "Content-Length: 0\r", ""),
        ("xchunked", "Transfer-Encoding: xchunked", zero),
        ("chunkedx", "Transfer-Encoding: chunkedx", zero),
        ("quoted", "Transfer-Encoding: \"chunked\"", zero),
        ("chunked is not last", "Transfer-Encoding: chunked, identity", zero),
        ("chunked is not last, in two fields", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", zero),
        ("gzip alone", "Transfer-Encoding: gzip", zero),
        ("identity", "Transfer-Encoding: identity", zero),
        ("space before the colon of the encoding", "Transfer-Encoding : chunked", zero),
        ("nothing encoded", "Transfer-Encoding:", zero),
    ]
    .into_iter()
    .enumerate()
    {
        let smuggled = Smuggled::new(&site, &bucket, &index.to_string());
        let sent = [carrier(&site, &bucket, fields).as_bytes(), body.as_bytes(), &smuggled.bytes].concat();
        let (answers, is_closed) = site.answers(&sent);
        assert!(answers.len() <= 1, "{name}: {answers:?}");
        assert!(is_closed, "{name}: the connection goes on after {answers:?}");
        smuggled.assert_ignored(&site, name);
    }
    // HTTP/1.0 has no chunks: whoever speaks it would see the body elsewhere.
    let smuggled = Smuggled::new(&site, &bucket, "old");
    let old = carrier(&site, &bucket, "Transfer-Encoding: chunked").replace(" HTTP/1.1\r\n", " HTTP/1.0\r\n");
    let (answers, is_closed) = site.answers(&[old.as_bytes(), zero.as_bytes(), &smuggled.bytes].concat());
    assert!(answers.len() <= 1 && is_closed, "HTTP/1.0: {answers:?}");
    smuggled.assert_ignored(&site, "HTTP/1.0");
    smuggled.assert_works(&site);
    site.assert_unharmed("heads with two ends", before);
}

#[test]
fn chunks_that_are_none_end_the_connection() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let before = site.resident_kib();
    let extension = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(8 << 20));
    let extensions = format!("{}0\r\n\r\n", "1;a=b;c=\"d\"\r\nx\r\n".repeat(200_000));
    let trailers = format!("5\r\nhello\r\n0\r\n{}\r\n", "x-a: b\r\n".repeat(100_000));
    let trailer = format!("5\r\nhello\r\n0\r\nx-a: {}\r\n\r\n", "b".repeat(4 << 20));
    for (index, (name, chunks)) in [
        ("a plus sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a minus sign", "-5\r\nhello\r\n0\r\n\r\n"),
        ("hexadecimal with its mark", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
        ("a space before", " 5\r\nhello\r\n0\r\n\r\n"),
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("an extension without a size", ";a=b\r\nhello\r\n0\r\n\r\n"),
        ("2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n"),
        ("2^64 and five", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
        ("no line end after data", "5\r\nhello0\r\n\r\n"),
        ("a line feed after data", "5\r\nhello\n0\r\n\r\n"),
        ("a bare carriage return in a size", "5\rhello\r\n0\r\n\r\n"),
        ("a line feed in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
        ("less than its size", "6\r\nhello\r\n0\r\n\r\n"),
        ("more than its size", "4\r\nhello\r\n0\r\n\r\n"),
        ("eight megabytes of an extension", &extension),
        ("an extension each", &extensions),
        ("trailers without an end", &trailers),
        ("one long trailer", &trailer),
    ]
    .into_iter()
    .enumerate()
    {
        let smuggled = Smuggled::new(&site, &bucket, &format!("c{index}"));
        let sent = [carrier(&site, &bucket, "Transfer-Encoding: chunked").as_bytes(), chunks.as_bytes(), &smuggled.bytes].concat();
        let (answers, is_closed) = site.answers(&sent);
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [] | [400..=499]), "{name}: {statuses:?}");
        assert!(is_closed, "{name}: the connection goes on after {statuses:?}");
        smuggled.assert_ignored(&site, name);
    }
    assert_eq!(site.ask(&get(&format!("/{bucket}/carrier"))).status, 404, "a broken body became an object");
    // Zeros before a size change nothing about it, however many: there is one way only to read what follows.
    let head = carrier(&site, &bucket, "Transfer-Encoding: chunked");
    let zeros = format!("{head}{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(1 << 20));
    let next = get(&format!("/{bucket}/carrier")).bytes(&site.host());
    let (answers, _) = site.answers_within(SHORT, &[zeros.as_bytes(), &next].concat());
    let told: Vec<(u16, &[u8])> = answers.iter().map(|answer| (answer.status, &answer.body[..])).collect();
    assert!(matches!(told[..], [(400..=499, _)] | [(200, b""), (200, b"hello")]), "{told:?}");
    site.assert_unharmed("chunks that are none", before);
}

#[test]
fn trailers_change_nothing() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let smuggled = Smuggled::new(&site, &bucket, "trailer");
    let forbidden = [
        "Content-Length: 1000",
        "Transfer-Encoding: chunked",
        "Host: elsewhere",
        "Authorization: AWS4-HMAC-SHA256 nonsense",
        "x-amz-acl: public-read",
        "x-amz-meta-smuggled: yes",
        "Content-Type: text/html",
    ];
    let chunks = format!("5\r\nhello\r\n0\r\n{}\r\n\r\n", forbidden.join("\r\n"));
    let (answers, _) =
        site.answers_within(SHORT, &[carrier(&site, &bucket, "Transfer-Encoding: chunked").as_bytes(), chunks.as_bytes()].concat());
    assert!(answers.len() <= 1, "{answers:?}");
    let read = site.ask(&get(&format!("/{bucket}/carrier")));
    if answers.first().is_some_and(|answer| answer.status == 200) {
        assert_eq!((read.text(), read.header("x-amz-meta-smuggled")), ("hello", None));
        assert_ne!(read.header("content-type"), Some("text/html"));
        assert_eq!(site.ask(&get(&format!("/{bucket}/carrier")).anonymous()).status, 403);
    } else {
        assert_eq!(read.status, 404);
    }
    smuggled.assert_ignored(&site, "trailers");
}

#[test]
fn the_host_that_is_signed_is_the_host_that_is_asked() {
    let site = Site::start(&["--domain", "s3.test"]);
    for bucket in ["mine", "yours"] {
        site.expect(&put(&format!("/{bucket}"), ""), 200);
    }
    let signed = |target: &str, host: &str| {
        let head = put(target, "x").with("host", host).payload("UNSIGNED-PAYLOAD").bytes(&site.host());
        String::from_utf8(head).expect("it is text")
    };
    let request = signed("/k", "mine.s3.test");
    for (name, sent) in [
        ("absolute form of another bucket", request.replacen("PUT /k ", "PUT http://yours.s3.test/k ", 1)),
        ("absolute form of another host", request.replacen("PUT /k ", "PUT http://example.org/k ", 1)),
        ("absolute form with another port", request.replacen("PUT /k ", "PUT http://mine.s3.test:81/k ", 1)),
        ("absolute form with a user", request.replacen("PUT /k ", "PUT http://yours.s3.test@mine.s3.test/k ", 1)),
        ("another Host", request.replacen("host: mine.s3.test", "host: yours.s3.test", 1)),
        ("a second Host", request.replacen("host: mine.s3.test", "host: mine.s3.test\r\nHost: yours.s3.test", 1)),
        ("a second Host before", request.replacen("host: mine.s3.test", "Host: yours.s3.test\r\nhost: mine.s3.test", 1)),
        ("a list of hosts", request.replacen("host: mine.s3.test", "host: mine.s3.test, yours.s3.test", 1)),
        ("a forwarded host", request.replacen("host: mine.s3.test", "host: mine.s3.test\r\nX-Forwarded-Host: yours.s3.test", 1)),
    ] {
        assert_ne!(sent, request, "{name}");
        let (answers, _) = site.answers_within(SHORT, sent.as_bytes());
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let expected = if name == "a forwarded host" { 200 } else { 400 };
        assert!(matches!(statuses[..], [status] if status == expected || expected == 400 && status == 403), "{name}: {statuses:?}");
        assert_eq!(site.ask(&get("/yours/k")).status, 404, "{name}");
    }
    assert_eq!(site.answers_within(SHORT, request.as_bytes()).0[0].status, 200, "the canary");
    assert_eq!(site.ask(&get("/mine/k")).status, 200);
}
