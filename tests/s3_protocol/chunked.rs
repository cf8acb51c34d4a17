//! aws-chunked bodies (s3.md §5): framing, signatures, trailers, and what broken ones leave behind.

use crate::{
    client::{Peer, Request, check_form, checksum, get, put},
    support::SECRET_KEY,
    table::{Table, line},
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use partway::digest;
use sha2::Sha256;

const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED_TRAILER: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

const INCOMPLETE: &str = "400 IncompleteBody: You did not provide the number of bytes specified by the Content-Length HTTP header";
const BROKEN: &str = "400 IncompleteBody: The request body terminated unexpectedly";
const MALFORMED_TRAILER: &str = "400 MalformedTrailerError: The request contained trailing data that was not well-formed or did not \
                                 conform to our published schema.";
const WRONG_SIGNATURE: &str = "403 SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. \
                               Check your key and signing method.";

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// Signs chunks after a head, independently of the server's own code.
struct Chain {
    key: Vec<u8>,
    date: String,
    scope: String,
    previous: String,
}

impl Chain {
    /// Continues the signature of a signed head.
    fn after(head: &[u8]) -> Self {
        let text = String::from_utf8(head.to_vec()).expect("heads are text here");
        let field = |name: &str| {
            let line = text.lines().find(|line| line.to_lowercase().starts_with(&format!("{name}: "))).expect("it is signed");
            line.split_once(": ").expect("it is a field").1.to_owned()
        };
        let authorization = field("authorization");
        let after = |start: &str| authorization.split_once(start).expect("it is signed").1.split(',').next().unwrap().to_owned();
        let scope = after("Credential=").split_once('/').expect("a scope follows the key").1.to_owned();
        let key = scope.split('/').fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, step| hmac(&key, step));
        Self { key, date: field("x-amz-date"), scope, previous: after("Signature=") }
    }

    fn next(&mut self, algorithm: &str, hashes: &str) -> String {
        let text = format!("{algorithm}\n{}\n{}\n{}\n{hashes}", self.date, self.scope, self.previous);
        self.previous = hex::encode(hmac(&self.key, &text));
        self.previous.clone()
    }

    fn chunk(&mut self, data: &[u8]) -> Vec<u8> {
        let hashes = format!("{}\n{}", hex::encode(digest::sha256(b"")), hex::encode(digest::sha256(data)));
        let signature = self.next("AWS4-HMAC-SHA256-PAYLOAD", &hashes);
        let end: &[u8] = if data.is_empty() { b"" } else { b"\r\n" };
        [format!("{:x};chunk-signature={signature}\r\n", data.len()).as_bytes(), data, end].concat()
    }

    fn trailer(&mut self, name: &str, value: &str) -> String {
        let hash = hex::encode(digest::sha256(format!("{name}:{value}\n").as_bytes()));
        let signature = self.next("AWS4-HMAC-SHA256-TRAILER", &hash);
        format!("{name}:{value}\r\nx-amz-trailer-signature:{signature}\r\n\r\n")
    }
}

/// A PUT whose aws-chunked body follows its head separately.
fn streamed(target: &str, word: &str, size: Option<usize>, trailer: Option<&str>) -> Request {
    let asked = put(target, "").payload(word).unframed();
    let asked = size.into_iter().fold(asked, |asked, size| asked.with("x-amz-decoded-content-length", size.to_string()));
    trailer.into_iter().fold(asked, |asked, trailer| asked.with("x-amz-trailer", trailer))
}

/// How a body is framed by HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outer {
    Sized,
    /// HTTP chunks of so many bytes, which do not align with the aws-chunks.
    Chunks(usize),
}

fn framed(outer: Outer, body: &[u8]) -> (String, String, Vec<u8>) {
    match outer {
        Outer::Sized => ("Content-Length".to_owned(), body.len().to_string(), body.to_vec()),
        Outer::Chunks(size) => {
            let mut chunks: Vec<u8> = Vec::new();
            for piece in body.chunks(size) {
                chunks.extend(format!("{:x}\r\n", piece.len()).as_bytes());
                chunks.extend(piece);
                chunks.extend(b"\r\n");
            }
            chunks.extend(b"0\r\n\r\n");
            ("Transfer-Encoding".to_owned(), "chunked".to_owned(), chunks)
        }
    }
}

/// Sends a streamed request whose body is made once the head's signature is known.
fn send(peer: &Peer, asked: &Request, outer: Outer, body: impl FnOnce(&mut Chain) -> Vec<u8>) -> partway::testkit::raw_client::RawResponse {
    let (name, value, _) = framed(outer, b"");
    let head = asked.clone().with_unsigned(&name, if outer == Outer::Sized { "@".to_owned() } else { value }).head_bytes(&peer.host());
    let (_, value, body) = framed(outer, &body(&mut Chain::after(&head)));
    let head = String::from_utf8(head).unwrap().replace("Content-Length: @", &format!("Content-Length: {value}"));
    peer.ask_bytes("PUT", &[head.into_bytes(), body].concat())
}

#[test]
fn every_mode_and_framing_stores_the_decoded_bytes() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let content: Vec<u8> = (0..20_000_u32).map(|index| (index % 251) as u8).collect();
    let crc = checksum("CRC32", &content);
    let mut number = 0;
    let mut last = None;
    for outer in [Outer::Sized, Outer::Chunks(7), Outer::Chunks(1000), Outer::Chunks(1 << 20)] {
        for chunk_size in [1 << 20, 8192, 100, 19] {
            for word in [SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER] {
                number += 1;
                let target = format!("/{bucket}/{number}");
                let trailer = (word != SIGNED).then_some("x-amz-checksum-crc32");
                let asked = streamed(&target, word, Some(content.len()), trailer).with("content-encoding", "gzip,aws-chunked");
                let response = send(&peer, &asked, outer, |chain| {
                    let mut body = Vec::new();
                    for piece in content.chunks(chunk_size).chain([&[][..]]) {
                        body.extend(match word {
                            UNSIGNED_TRAILER if piece.is_empty() => b"0\r\n".to_vec(),
                            UNSIGNED_TRAILER => [format!("{:X}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat(),
                            _ => chain.chunk(piece),
                        });
                    }
                    body.extend(
                        match word {
                            SIGNED => "\r\n".to_owned(),
                            SIGNED_TRAILER => chain.trailer("x-amz-checksum-crc32", &crc),
                            _ => format!("x-amz-checksum-crc32:{crc}\r\n\r\n"),
                        }
                        .into_bytes(),
                    );
                    body
                });
                let name = format!("{word} {outer:?} {chunk_size}");
                table.check(&name, &line(&response), "200");
                if trailer.is_some() {
                    table.check(&name, response.header("x-amz-checksum-crc32").unwrap_or_default(), &crc);
                }
                let stored = peer.ask(&get(&target));
                assert!(stored.body == content, "{name}: {} bytes", stored.body.len());
                table.check(&name, stored.header("content-encoding").unwrap_or_default(), "gzip");
                last = Some(response);
            }
        }
    }
    for (name, word, end) in [
        ("empty, signed", SIGNED, ""),
        ("empty, unsigned", UNSIGNED_TRAILER, "0\r\n\r\n"),
        ("empty, no empty line", UNSIGNED_TRAILER, "0\r\n"),
        ("empty, nothing at all", SIGNED, "nothing"),
    ] {
        let response =
            send(&peer, &streamed(&format!("/{bucket}/empty"), word, Some(0), None), Outer::Chunks(3), |chain| match (word, end) {
                (_, "nothing") => Vec::new(),
                (SIGNED, _) => [chain.chunk(b""), b"\r\n".to_vec()].concat(),
                (_, end) => end.as_bytes().to_vec(),
            });
        table.line(name, &response, "200");
    }
    table.finish(&last.expect("something was sent"), "403");
}

#[test]
fn broken_streams_are_refused_and_leave_nothing_behind() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let crc32 = Some("x-amz-checksum-crc32");
    let trailer_value = "400 InvalidRequest: Value for x-amz-checksum-crc32 trailing header is invalid.";
    let bad_digest = "400 BadDigest: The CRC32 you specified did not match the calculated checksum.";
    type Body = fn(&mut Chain) -> Vec<u8>;
    let signed: [(&str, &str, usize, Option<&str>, Body, &str); 12] = [
        (
            "altered data",
            SIGNED,
            5,
            None,
            |chain| replaced([chain.chunk(b"hello"), chain.chunk(b"")].concat(), "hello", "jello"),
            WRONG_SIGNATURE,
        ),
        (
            "altered second chunk",
            SIGNED,
            10,
            None,
            |chain| replaced([chain.chunk(b"hello"), chain.chunk(b"world"), chain.chunk(b"")].concat(), "world", "wörl"),
            WRONG_SIGNATURE,
        ),
        ("no signature", SIGNED, 5, None, |_| b"5\r\nhello\r\n0\r\n\r\n".to_vec(), WRONG_SIGNATURE),
        (
            "swapped chunks",
            SIGNED,
            10,
            None,
            |chain| {
                let (a, b) = (chain.chunk(b"hello"), chain.chunk(b"world"));
                [b, a, chain.chunk(b"")].concat()
            },
            WRONG_SIGNATURE,
        ),
        ("unsigned last chunk", SIGNED, 5, None, |chain| [chain.chunk(b"hello"), b"0\r\n\r\n".to_vec()].concat(), WRONG_SIGNATURE),
        ("no last chunk", SIGNED, 5, None, |chain| chain.chunk(b"hello"), INCOMPLETE),
        ("less than announced", SIGNED, 6, None, |chain| [chain.chunk(b"hello"), chain.chunk(b"")].concat(), INCOMPLETE),
        ("more than announced", SIGNED, 4, None, |chain| [chain.chunk(b"hello"), chain.chunk(b"")].concat(), INCOMPLETE),
        (
            "trailer unsigned",
            SIGNED_TRAILER,
            5,
            crc32,
            |chain| [chain.chunk(b"hello"), chain.chunk(b""), b"x-amz-checksum-crc32:NhCmhg==\r\n\r\n".to_vec()].concat(),
            MALFORMED_TRAILER,
        ),
        (
            "trailer signature",
            SIGNED_TRAILER,
            5,
            crc32,
            |chain| {
                let body =
                    [chain.chunk(b"hello"), chain.chunk(b""), chain.trailer("x-amz-checksum-crc32", "NhCmhg==").into_bytes()].concat();
                replaced(body, "NhCmhg==", "NhCmhw==")
            },
            WRONG_SIGNATURE,
        ),
        (
            "trailer of another body, signed",
            SIGNED_TRAILER,
            5,
            crc32,
            |chain| [chain.chunk(b"hello"), chain.chunk(b""), chain.trailer("x-amz-checksum-crc32", "AAAAAA==").into_bytes()].concat(),
            bad_digest,
        ),
        (
            "trailer where none may be",
            SIGNED,
            5,
            None,
            |chain| [chain.chunk(b"hello"), chain.chunk(b""), b"x-amz-checksum-crc32:NhCmhg==\r\n\r\n".to_vec()].concat(),
            BROKEN,
        ),
    ];
    for (name, word, size, trailer, body, expected) in signed {
        for outer in [Outer::Sized, Outer::Chunks(10)] {
            let response = send(&peer, &streamed(&target, word, Some(size), trailer), outer, body);
            table.line(&format!("{name} {outer:?}"), &response, expected);
        }
    }
    let long_line = format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(2000));
    let long_trailer = format!("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:{}\r\n\r\n", "A".repeat(9000));
    for (name, trailer, body, expected) in [
        ("another checksum", crc32, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n", bad_digest),
        ("not base64", crc32, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:!\r\n\r\n", trailer_value),
        ("too short", crc32, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAA=\r\n\r\n", trailer_value),
        ("not the announced one", crc32, "5\r\nhello\r\n0\r\nx-amz-checksum-sha1:AAAA\r\n\r\n", MALFORMED_TRAILER),
        ("not announced", None, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", MALFORMED_TRAILER),
        ("announced, missing", crc32, "5\r\nhello\r\n0\r\n\r\n", MALFORMED_TRAILER),
        ("no colon", crc32, "5\r\nhello\r\n0\r\nx-amz-checksum-crc32\r\n\r\n", MALFORMED_TRAILER),
        ("endless", crc32, &long_trailer, BROKEN),
        ("size that is none", None, "x\r\nhello\r\n0\r\n\r\n", BROKEN),
        ("negative size", None, "-5\r\nhello\r\n0\r\n\r\n", BROKEN),
        ("size of 17 digits", None, "00000000000000005\r\nhello\r\n0\r\n\r\n", BROKEN),
        ("size beyond everything", None, "ffffffffffffffff\r\nhello\r\n0\r\n\r\n", INCOMPLETE),
        ("no line end after data", None, "5\r\nhello0\r\n\r\n", BROKEN),
        ("bare line feed", None, "5\nhello\r\n0\r\n\r\n", BROKEN),
        ("endless line", None, &long_line, BROKEN),
        ("cut within data", None, "5\r\nhel", INCOMPLETE),
        ("cut before the last chunk", None, "5\r\nhello\r\n", INCOMPLETE),
        ("nothing", None, "", INCOMPLETE),
    ] {
        for outer in [Outer::Sized, Outer::Chunks(4)] {
            let asked = streamed(&target, UNSIGNED_TRAILER, Some(5), trailer);
            table.line(&format!("{name} {outer:?}"), &send(&peer, &asked, outer, |_| body.as_bytes().to_vec()), expected);
        }
    }
    let hello = "5\r\nhello\r\n0\r\n\r\n";
    for (name, asked, expected) in [
        (
            "no decoded length",
            streamed(&target, UNSIGNED_TRAILER, None, None),
            "411 MissingContentLength: You must provide the Content-Length HTTP header.".to_owned(),
        ),
        (
            "decoded length that is none",
            streamed(&target, UNSIGNED_TRAILER, None, None).with("x-amz-decoded-content-length", "five"),
            "400 InvalidArgument: Provided five not an integer or within integer range \
             (ArgumentName=x-amz-decoded-content-length; ArgumentValue=five)"
                .to_owned(),
        ),
        (
            "decoded length above everything",
            streamed(&target, UNSIGNED_TRAILER, None, None).with("x-amz-decoded-content-length", "5368709121"),
            "400 EntityTooLarge: Your proposed upload exceeds the maximum allowed size (ProposedSize=5368709121; MaxSizeAllowed=5368709120)"
                .to_owned(),
        ),
        (
            "trailer and header",
            streamed(&target, UNSIGNED_TRAILER, Some(5), crc32).with("x-amz-checksum-sha1", checksum("SHA1", b"hello")),
            "400 InvalidRequest: Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.".to_owned(),
        ),
        (
            "trailer that is no checksum",
            streamed(&target, UNSIGNED_TRAILER, Some(5), Some("x-amz-meta-a")),
            "400 InvalidRequest: The value specified in the x-amz-trailer header is not supported".to_owned(),
        ),
        (
            "asymmetric signatures",
            streamed(&target, "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", Some(5), None),
            "501 NotImplemented: A header you provided implies functionality that is not implemented (Header=x-amz-content-sha256; \
             additionalMessage=Payloads of the kind STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD are not implemented)"
                .to_owned(),
        ),
    ] {
        table.line(name, &send(&peer, &asked, Outer::Sized, |_| hello.as_bytes().to_vec()), &expected);
    }
    let absent = peer.ask(&get(&target));
    table.line("nothing was stored", &absent, "404 NoSuchKey: The specified key does not exist. (Key=k)");
    table.check("no upload left", &peer.ask(&get("/")).status.to_string(), "200");
    table.finish(&absent, "200");
}

fn replaced(body: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    let start = body.windows(from.len()).position(|window| window == from.as_bytes()).expect("it is there");
    [&body[..start], to.as_bytes(), &body[start + from.len()..]].concat()
}

#[test]
fn a_body_that_stops_is_no_object() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    // The client hangs up its sending half: framing says that more should come.
    for (name, asked, sent) in [
        ("sized", put(&target, "hello"), "hel".to_owned()),
        (
            "chunked",
            streamed(&target, UNSIGNED_TRAILER, Some(5), None).with_unsigned("Transfer-Encoding", "chunked"),
            "3\r\n5\r\n\r\n3\r\nhel".to_owned(),
        ),
        ("nothing", put(&target, "hello"), String::new()),
    ] {
        let mut client = peer.connect();
        client.send(asked.head_bytes(&peer.host())).unwrap();
        client.send(sent).unwrap();
        client.finish_sending().unwrap();
        // An answer is a courtesy to a client that can no longer want one.
        if let Ok(response) = client.receive("PUT") {
            check_form(&response);
            table.line(name, &response, INCOMPLETE);
        }
        table.check(name, &peer.ask(&get(&target)).status.to_string(), "404");
    }
    // The client stays and sends nothing more: the body time-out of this server is two seconds.
    let mut client = peer.connect();
    client.send(put(&target, "hello").head_bytes(&peer.host())).unwrap();
    client.send("hel").unwrap();
    let response = client.receive("PUT").unwrap();
    check_form(&response);
    table.line(
        "silence",
        &response,
        "400 RequestTimeout: Your socket connection to the server was not read from or written to within the timeout period. \
         Idle connections will be closed.",
    );
    table.check("silence closes", &format!("{:?} {}", response.header("connection"), client.is_closed().unwrap()), "Some(\"close\") true");
    let absent = peer.ask(&get(&target));
    table.line("nothing was stored", &absent, "404 NoSuchKey: The specified key does not exist. (Key=k)");
    table.finish(&absent, "200");
}
