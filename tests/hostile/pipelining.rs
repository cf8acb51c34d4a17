//! Several requests at once on one connection: each gets its own answer, in order, and the body of one is never another.

use crate::{
    request::{Request, get, put},
    site::Site,
};
use partway::testkit::raw_client::RawClient;
use std::{thread, time::Duration};

/// A request that would make an object, to be hidden where it must not be taken for one.
pub(crate) struct Smuggled {
    target: String,
    pub(crate) bytes: Vec<u8>,
}

impl Smuggled {
    pub(crate) fn new(site: &Site, bucket: &str, name: &str) -> Self {
        let target = format!("/{bucket}/smuggled-{name}");
        let bytes = put(&target, "smuggled").bytes(&site.host());
        Self { target, bytes }
    }

    /// Asserts that it was not carried out; sent as itself it would have been.
    pub(crate) fn assert_ignored(&self, site: &Site, name: &str) {
        let found = site.ask(&get(&self.target));
        assert_eq!(found.status, 404, "{name}: what was smuggled was carried out");
    }

    /// Asserts that it is one: the canary.
    pub(crate) fn assert_works(&self, site: &Site) {
        assert_eq!(site.ask_bytes("PUT", &self.bytes).status, 200);
        assert_eq!(site.ask(&get(&self.target)).text(), "smuggled");
    }
}

fn status(client: &mut RawClient, method: &str) -> u16 {
    client.receive(method).map_or(0, |answer| answer.status)
}

#[test]
fn answers_come_in_the_order_of_their_requests_with_errors_among_them() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let host = site.host();
    let before = site.resident_kib();
    let at = |number: usize| format!("/{bucket}/{number}");
    let mut client = site.connect();
    let mut sent = Vec::new();
    for number in 0..30 {
        sent.extend(put(&at(number), format!("body {number}")).bytes(&host));
        sent.extend(get(&at(number)).bytes(&host));
        // Refused for its signature with its body behind it, refused for its bucket, not there, and not signed at all.
        sent.extend(put(&at(number), "another body").with_credentials("NOSUCHKEYATALL000001", "x", None).bytes(&host));
        sent.extend(put(&format!("/no-such-bucket/{number}"), "a body for nobody").bytes(&host));
        sent.extend(get(&format!("/{bucket}/none/{number}")).oss().bytes(&host));
        sent.extend(get(&at(number)).anonymous().bytes(&host));
    }
    client.send(&sent).unwrap();
    for number in 0..30 {
        assert_eq!(status(&mut client, "PUT"), 200, "put {number}");
        assert_eq!(client.receive("GET").unwrap().text(), format!("body {number}"));
        assert_eq!(
            [status(&mut client, "PUT"), status(&mut client, "PUT"), status(&mut client, "GET"), status(&mut client, "GET")],
            [403, 404, 404, 403],
            "round {number}"
        );
    }
    drop(client);
    site.assert_unharmed("180 pipelined requests", before);
}

#[test]
fn a_pipeline_that_breaks_ends_there() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let host = site.host();
    let good = put(&format!("/{bucket}/good"), "good").bytes(&host);
    for (name, broken) in [
        ("a head that is none", b"GARBAGE\r\n\r\n".to_vec()),
        ("two lengths", b"PUT /x/y HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".to_vec()),
        ("a head that is too long", format!("GET / HTTP/1.1\r\nHost: h\r\nx: {}\r\n\r\n", "y".repeat(64 << 10)).into_bytes()),
    ] {
        let smuggled = Smuggled::new(&site, &bucket, &name.replace(' ', "-"));
        let (answers, is_closed) = site.answers(&[&good[..], &broken, &smuggled.bytes].concat());
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert!(matches!(statuses[..], [200, 400 | 431]), "{name}: {statuses:?}");
        assert!(is_closed, "{name}: the connection goes on after {statuses:?}");
        smuggled.assert_ignored(&site, name);
    }
}

/// Requests that are refused before anybody reads their bodies, in every way.
fn refused(bucket: &str, body: &[u8]) -> Vec<(&'static str, Request)> {
    let target = format!("/{bucket}/refused");
    vec![
        ("no such bucket", put("/no-such-bucket/k", body)),
        ("no such key", put(&target, body).with_credentials("NOSUCHKEYATALL000001", "x", None)),
        ("another secret", put(&target, body).with_credentials(crate::client::ACCESS_KEY, "another secret", None)),
        ("not signed", put(&target, body).anonymous()),
        ("an old clock", put(&target, body).skewed(-3600)),
        ("no such upload", put(&format!("{target}?partNumber=1&uploadId=00000000000000000000000000000000"), body)),
        ("not implemented", put(&format!("{target}?torrent"), body)),
        ("a body where none is read", get(&target).body(body).with_unsigned("Content-Length", body.len().to_string())),
        ("in the other dialect", put("/no-such-bucket/k", body).oss()),
    ]
}

#[test]
fn the_body_of_a_refused_request_is_never_the_next_request() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let host = site.host();
    let before = site.resident_kib();
    for (index, (name, request)) in refused(&bucket, b"").into_iter().enumerate() {
        let smuggled = Smuggled::new(&site, &bucket, &index.to_string());
        let head = |request: &Request| {
            let head = String::from_utf8(request.head_bytes(&host)).expect("it is text");
            let kept: Vec<&str> = head.lines().filter(|line| !line.to_lowercase().starts_with("content-length")).collect();
            kept.join("\r\n").trim_end().to_owned()
        };
        let (head, size) = (head(&request), smuggled.bytes.len());
        let chunk = [format!("{size:x}\r\n").as_bytes(), &smuggled.bytes, b"\r\n0\r\n\r\n"].concat();
        // More than is read of a body that nobody wants: the connection has to end.
        let long = [vec![b'x'; 3 << 20], smuggled.bytes.clone()].concat();
        for (framing, fields, body) in [
            ("sized", format!("Content-Length: {size}"), smuggled.bytes.clone()),
            ("chunked", "Transfer-Encoding: chunked".to_owned(), chunk),
            ("sized, waiting", format!("Content-Length: {size}\r\nExpect: 100-continue"), smuggled.bytes.clone()),
            ("large", format!("Content-Length: {}", long.len()), long.clone()),
            ("large, waiting", format!("Content-Length: {}\r\nExpect: 100-continue", long.len()), long.clone()),
        ] {
            let (answers, _) =
                site.answers_within(Duration::from_millis(250), &[format!("{head}\r\n{fields}\r\n\r\n").as_bytes(), &body].concat());
            let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).filter(|status| *status != 100).collect();
            assert!(matches!(statuses[..], [400..=599]), "{name}, {framing}: {statuses:?}");
        }
        // The body comes late, when the answer has been read.
        let mut client = site.connect();
        client.send(format!("{head}\r\nContent-Length: {size}\r\nExpect: 100-continue\r\n\r\n")).unwrap();
        assert!(status(&mut client, "PUT") >= 400, "{name}");
        thread::sleep(Duration::from_millis(5));
        let _ = client.send(&smuggled.bytes);
        assert_eq!(status(&mut client, "PUT"), 0, "{name}: an answer to what was a body");
        smuggled.assert_ignored(&site, name);
        smuggled.assert_works(&site);
    }
    site.assert_unharmed("refused bodies", before);
}
