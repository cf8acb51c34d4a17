//! Requests that mean harm: whatever is answered, the server goes on answering others, and nothing is smuggled.

use crate::{
    client::{Peer, content_md5, get, post, put},
    protocol::peer::statuses,
    table::{Table, line},
};

const MALFORMED: &str = "400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema";
const INVALID_URI: &str = "400 InvalidURI: Couldn't parse the specified URI.";

#[test]
fn documents_cannot_be_bombs() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let upload = peer.create_upload(&format!("/{bucket}/k"), &[]);
    let expansion: String = (1..10).map(|level| format!("<!ENTITY e{level} \"{}\">", format!("&e{};", level - 1).repeat(10))).collect();
    let documents = [
        ("depth", format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000))),
        ("depth without an end", "<a>".repeat(200_000)),
        ("entities", format!("<!DOCTYPE a [<!ENTITY e0 \"lol\">{expansion}]><a>&e9;</a>")),
        ("external entity", "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>".to_owned()),
        ("DOCTYPE", "<!DOCTYPE a><CompleteMultipartUpload/>".to_owned()),
        ("unknown entity", "<CompleteMultipartUpload>&nbsp;</CompleteMultipartUpload>".to_owned()),
        ("attributes", format!("<a {}/>", (0..50_000).map(|n| format!("a{n}=\"1\" ")).collect::<String>())),
        ("elements", format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", "<a/>".repeat(700_000))),
        ("not UTF-8", "<a>\u{1}</a>".replace('\u{1}', "\u{80}")),
        ("zero bytes", "\0".repeat(1000)),
    ];
    for (name, document) in &documents {
        for (target, size_max) in [(format!("/{bucket}/k?uploadId={upload}"), 4 << 20), (format!("/{bucket}?delete"), 2 << 20)] {
            let response = peer.ask(&post(&target, document).with("content-md5", content_md5(document.as_bytes())));
            let too_large = format!("400 MaxMessageLengthExceeded: Your request was too big. (MaxMessageLengthBytes={size_max})");
            table.line(&format!("{name} {target}"), &response, if document.len() > size_max { &too_large } else { MALFORMED });
        }
        peer.assert_well(name);
    }
    for target in ["cors", "tagging"] {
        let response = peer.ask(&put(&format!("/{bucket}?{target}"), &documents[2].1));
        table.line(target, &response, MALFORMED);
    }
    let bucket_document = peer.ask(&put("/another-bucket", &documents[2].1));
    table.line("bucket", &bucket_document, MALFORMED);
    let endless = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat().repeat(6);
    let asked = post(&format!("/{bucket}/k?uploadId={upload}"), "").unframed().payload("UNSIGNED-PAYLOAD");
    let head = asked.with_unsigned("Transfer-Encoding", "chunked").head_bytes(&peer.host());
    let response = peer.ask_bytes("POST", &[head, endless].concat());
    table.line("without an end", &response, "400 MaxMessageLengthExceeded: Your request was too big. (MaxMessageLengthBytes=4194304)");
    peer.assert_well("bombs");
    table.finish(&response, MALFORMED);
}

#[test]
fn heads_are_bounded_and_framed_in_one_way() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let host = peer.host();
    let many = |count: usize| (0..count).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    let smuggled = format!("GET /{bucket} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    // Anonymous requests: 403 is the answer of the gateway, 400 and 431 are those of the HTTP layer, which ends the connection.
    for (name, request, expected) in [
        ("fine", "GET / HTTP/1.1\r\nHost: H\r\nConnection: close\r\n\r\n".to_owned(), "403"),
        ("header of 100 KB", format!("GET / HTTP/1.1\r\nHost: H\r\nx: {}\r\n\r\n", "y".repeat(100 << 10)), "431"),
        ("10,000 headers", format!("GET / HTTP/1.1\r\nHost: H\r\n{}\r\n", many(10_000)), "431"),
        ("101 headers", format!("GET / HTTP/1.1\r\nHost: H\r\n{}\r\n", many(101)), "431"),
        ("long target", format!("GET /{} HTTP/1.1\r\nHost: H\r\n\r\n", "k".repeat(100 << 10)), "414|431"),
        // Chunked wins over the length and the connection ends with the answer (RFC 9112 §6.3).
        (
            "both lengths",
            format!("POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"),
            "400|405",
        ),
        (
            "both lengths, the other order",
            format!("POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"),
            "400|405",
        ),
        (
            "two lengths",
            format!("POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
            "400",
        ),
        ("two lengths in one", format!("POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 0, {}\r\n\r\n{smuggled}", smuggled.len()), "400"),
        ("signed length", format!("POST / HTTP/1.1\r\nHost: H\r\nContent-Length: +0\r\n\r\n{smuggled}"), "400"),
        ("negative length", format!("POST / HTTP/1.1\r\nHost: H\r\nContent-Length: -1\r\n\r\n{smuggled}"), "400"),
        ("length of letters", format!("POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 0x1\r\n\r\n{smuggled}"), "400"),
        ("huge length", "POST / HTTP/1.1\r\nHost: H\r\nContent-Length: 99999999999999999999999\r\n\r\n".to_owned(), "400"),
        ("not chunked last", format!("POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n{smuggled}"), "400"),
        ("obfuscated", format!("POST / HTTP/1.1\r\nHost: H\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{smuggled}"), "400"),
        ("space before the colon", format!("POST / HTTP/1.1\r\nHost: H\r\nContent-Length : 4\r\n\r\n{smuggled}"), "400"),
        ("folded", "GET / HTTP/1.1\r\nHost: H\r\nx: a\r\n b: c\r\n\r\n".to_owned(), "400"),
        ("zero byte in a value", "GET / HTTP/1.1\r\nHost: H\r\nx: a\0b\r\n\r\n".to_owned(), "400"),
        ("bare carriage return", "GET / HTTP/1.1\r\nHost: H\r\nx: a\rb: c\r\n\r\n".to_owned(), "400"),
        ("no version", "GET /\r\n\r\n".to_owned(), "400"),
        ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "400|505|"),
        ("not HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\u{7f}".to_owned(), "400"),
        ("fragment", "GET /#a HTTP/1.1\r\nHost: H\r\nConnection: close\r\n\r\n".to_owned(), "400|403"),
        ("CONNECT", "CONNECT example.org:443 HTTP/1.1\r\nHost: H\r\n\r\n".to_owned(), "405"),
        ("no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n".to_owned(), "400"),
        ("no host, HTTP/1.0", "GET / HTTP/1.0\r\n\r\n".to_owned(), "403"),
        ("hosts", "GET / HTTP/1.1\r\nHost: H\r\nHost: other\r\nConnection: close\r\n\r\n".to_owned(), "400"),
    ] {
        let answered = statuses(&peer.answers(request.replace("Host: H\r\n", &format!("Host: {host}\r\n")).as_bytes()));
        let fits = expected.split('|').any(|expected| expected == answered);
        table.check(name, &answered, if fits { &answered } else { expected });
        peer.assert_well(name);
    }
    // Chunks that are none: whatever follows is never taken for a request.
    for (name, chunks) in [
        ("size that is none", "g\r\n"),
        ("size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("overflow", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("no line end after data", "5\r\nhelloX0\r\n\r\n"),
        ("extension with a line feed", "5;a=\nb\r\nhello\r\n0\r\n\r\n"),
    ] {
        let asked = post(&format!("/{bucket}?delete"), "").unframed().payload("UNSIGNED-PAYLOAD").with("content-md5", content_md5(b""));
        let head = asked.with_unsigned("Transfer-Encoding", "chunked").head_bytes(&host);
        let answered = peer.answers(&[head, chunks.as_bytes().to_vec(), smuggled.as_bytes().to_vec()].concat());
        table.check(name, &statuses(&answered), "400");
        peer.assert_well(name);
    }
    let bare = format!("GET /{bucket} HTTP/1.1\nHost: {host}\nConnection: close\n\n");
    let answered = peer.answers(bare.as_bytes());
    assert!(["400", "403"].contains(&statuses(&answered).as_str()), "bare line feeds: {answered:?}");
    table.finish(&peer.ask(&get("/").anonymous()), "200");
}

#[test]
fn paths_are_keys_and_nothing_else() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let host = peer.host();
    let keys = [
        "../../etc/passwd",
        "a/../b",
        "a/./b",
        "%2e%2e/%2e%2e/x",
        "%2e",
        "..",
        "a%2F..%2Fb2",
        "%00",
        "a%00b",
        "%5C..%5C",
        "con",
        "a//b",
        "/",
        "?".replace('?', "%3F").as_str(),
        "%23",
        "%0D%0AX-Injected:%201",
        "%E2%80%AE",
        "~root",
        "$HOME",
        "k;version=1",
    ]
    .map(str::to_owned);
    for key in &keys {
        let body = format!("content of {key}");
        let target = format!("/{bucket}/{key}");
        table.line(&format!("put {key}"), &peer.ask(&put(&target, &body)), "200");
        let read = peer.ask(&get(&target));
        table.check(&format!("get {key}"), read.text(), &body);
    }
    let listed = peer.ask(&get(&format!("/{bucket}?list-type=2&encoding-type=url")));
    table.check("as many keys as paths", listed.element("KeyCount").unwrap_or_default(), &keys.len().to_string());
    for (name, target, expected) in [
        ("not UTF-8", format!("/{bucket}/%ff"), INVALID_URI),
        ("overlong", format!("/{bucket}/%c0%af"), INVALID_URI),
        ("surrogate", format!("/{bucket}/%ed%a0%80"), INVALID_URI),
        ("cut short", format!("/{bucket}/%4"), INVALID_URI),
        ("percent alone", format!("/{bucket}/100%"), INVALID_URI),
        ("bucket with dots", "/..".to_owned(), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=..)"),
        ("bucket with a slash", "/a%2Fb%2Fc".to_owned(), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=a/b/c)"),
        ("bucket with a zero", "/abc%00".to_owned(), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=abc\0)"),
        ("no bucket", "/%2e%2e/%2e%2e/etc/passwd".to_owned(), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=..)"),
    ] {
        table.line(name, &peer.ask(&get(&target)), expected);
    }
    let raw = |target: &[u8]| {
        let head =
            [b"GET ".to_vec(), target.to_vec(), format!(" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").into_bytes()].concat();
        statuses(&peer.answers(&head))
    };
    // Raw bytes are refused by the HTTP layer or the dialect; never are they something else.
    for (name, target, allowed) in [
        ("raw Latin-1", b"/bkt/\xFF".to_vec(), ["400", "400"]),
        ("raw control", b"/bkt/\x01".to_vec(), ["400", "400"]),
        ("raw UTF-8", "/bkt/ü".as_bytes().to_vec(), ["403", "400"]),
        ("absolute form", format!("http://{host}/{bucket}").into_bytes(), ["403", "400"]),
        ("absolute form of another host", b"http://169.254.169.254/latest/meta-data".to_vec(), ["403", "400"]),
        ("absolute form of a file", b"file:///etc/passwd".to_vec(), ["403", "400"]),
        ("asterisk", b"*".to_vec(), ["403", "400"]),
        ("authority", b"example.org:80".to_vec(), ["403", "400"]),
    ] {
        let answered = raw(&target);
        table.check(name, &answered, if allowed.contains(&answered.as_str()) { &answered } else { allowed[0] });
    }
    peer.assert_well("paths");
    table.finish(&listed, "404");
}

#[test]
fn nothing_stored_becomes_a_header_or_an_element() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let key = "%0D%0ASet-Cookie:%20a=b%0D%0A%0D%0A%3CError%3E";
    let target = format!("/{bucket}/{key}");
    let upload = peer.create_upload(&target, &[("x-amz-meta-a", "<b>&\"")]);
    let etag = peer.upload_part(&target, &upload, 1, "hello");
    let document = format!("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>");
    let completed = peer.expect(&post(&format!("{target}?uploadId={upload}"), document), 200);
    table.golden("hostile_complete", &completed, &[(&peer.host(), "HOST")]);
    table.golden("hostile_list", &peer.ask(&get(&format!("/{bucket}"))), &[]);
    let missing = peer.ask(&get(&format!("{target}%3C/Key%3E")));
    table.golden("hostile_no_such_key", &missing, &[]);
    let echoed = peer.ask(&get(&format!("/{bucket}?list-type=2&prefix=%3C/Prefix%3E%00&delimiter=%0A&start-after=%22%3E")));
    table.golden("hostile_echoes", &echoed, &[]);
    let mechanism = peer.ask(&get("/").anonymous().with("authorization", "AWS <Code>:x"));
    table.line(
        "access key",
        &mechanism,
        "403 InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records. (AWSAccessKeyId=<Code>)",
    );
    table.finish(&missing, "200");
}

#[test]
fn connections_are_pipelined_and_abandoned_without_harm() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let host = peer.host();
    let target = |number: usize| format!("/{bucket}/{number}");
    let mut client = peer.connect();
    let puts: Vec<u8> = (0..20).flat_map(|number| put(&target(number), format!("body {number}")).bytes(&host)).collect();
    client.send(puts).unwrap();
    for number in 0..20 {
        table.line(&format!("pipelined put {number}"), &client.receive("PUT").unwrap(), "200");
    }
    let gets: Vec<u8> = (0..20).flat_map(|number| get(&target(number)).bytes(&host)).collect();
    client.send(gets).unwrap();
    for number in 0..20 {
        table.check(&format!("pipelined get {number}"), client.receive("GET").unwrap().text(), &format!("body {number}"));
    }
    // A refused request with a body, then another: the body is not taken for a request.
    let smuggled = get(&target(0)).bytes(&host);
    client.send([put("/missing-bucket/k", &smuggled).bytes(&host), get(&target(1)).bytes(&host)].concat()).unwrap();
    table.check("refused", &line(&client.receive("PUT").unwrap())[..3], "404");
    table.check("the next", client.receive("GET").unwrap().text(), "body 1");

    let big = put(&target(99), vec![b'x'; 1 << 20]).bytes(&host);
    for share in [1, 10, 100, 300, 600, 2000, big.len() / 2, big.len() - 1] {
        let mut client = peer.connect();
        client.send(&big[..share]).unwrap();
        drop(client);
    }
    peer.expect(&put(&target(98), vec![b'x'; 4 << 20]), 200);
    for _ in 0..10 {
        let mut client = peer.connect();
        client.send(get(&target(98)).bytes(&host)).unwrap();
        drop(client);
    }
    for _ in 0..50 {
        drop(peer.connect());
    }
    peer.assert_well("hang-ups");
    let absent = peer.ask(&get(&target(99)));
    table.line("half a body is no object", &absent, "404 NoSuchKey: The specified key does not exist. (Key=99)");
    table.finish(&absent, "200");
}
