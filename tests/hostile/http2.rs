//! HTTP/2 requests that another reader would understand otherwise: refused one by one, and never carried out.

use crate::{
    frames::{CONTINUATION, DATA, END_HEADERS, END_STREAM, End, Fields, Frames, HEADERS, PUSH_PROMISE, RST_STREAM, block, fields, frame},
    request::{get, put},
    site::Site,
};
use std::{thread, time::Duration};

type Change = fn(&mut Fields);

fn add(fields: &mut Fields, name: &[u8], value: &[u8]) {
    fields.push((name.to_vec(), value.to_vec()));
}

fn set(fields: &mut Fields, name: &str, value: &[u8]) {
    fields.iter_mut().filter(|(found, _)| found == name.as_bytes()).for_each(|(_, found)| *found = value.to_vec());
}

fn first(fields: &mut Fields, name: &[u8], value: &[u8]) {
    fields.insert(0, (name.to_vec(), value.to_vec()));
}

#[test]
fn heads_that_cannot_be_said_in_http1_are_refused() {
    let site = Site::start_encrypted();
    let bucket = site.bucket();
    let before = site.resident_kib();
    let changes: &[(&str, Change)] = &[
        ("connection", |fields| add(fields, b"connection", b"close")),
        ("connection that names a field", |fields| add(fields, b"connection", b"x-amz-date")),
        ("keep-alive", |fields| add(fields, b"keep-alive", b"timeout=5")),
        ("proxy-connection", |fields| add(fields, b"proxy-connection", b"close")),
        ("transfer-encoding", |fields| add(fields, b"transfer-encoding", b"chunked")),
        ("upgrade", |fields| add(fields, b"upgrade", b"h2c")),
        ("te", |fields| add(fields, b"te", b"gzip")),
        ("upper case", |fields| add(fields, b"X-Upper", b"a")),
        ("a space in a name", |fields| add(fields, b"x a", b"a")),
        ("a colon in a name", |fields| add(fields, b"x:a", b"a")),
        ("a line break in a name", |fields| add(fields, b"x\r\nhost", b"a")),
        ("an empty name", |fields| add(fields, b"", b"a")),
        ("a line break in a value", |fields| add(fields, b"x-a", b"a\r\nhost: b")),
        ("a line feed in a value", |fields| add(fields, b"x-a", b"a\nb")),
        ("a zero byte in a value", |fields| add(fields, b"x-a", b"a\0b")),
        ("a pseudo field after others", |fields| add(fields, b":path", b"/other/k")),
        ("two paths", |fields| first(fields, b":path", b"/other/k")),
        ("two methods", |fields| first(fields, b":method", b"GET")),
        ("two authorities", |fields| first(fields, b":authority", b"other")),
        ("an unknown pseudo field", |fields| first(fields, b":protocol", b"websocket")),
        ("a field of answers", |fields| first(fields, b":status", b"200")),
        ("no method", |fields| fields.retain(|(name, _)| name != b":method")),
        ("no path", |fields| fields.retain(|(name, _)| name != b":path")),
        ("no scheme", |fields| fields.retain(|(name, _)| name != b":scheme")),
        ("no authority", |fields| fields.retain(|(name, _)| name != b":authority")),
        ("an empty path", |fields| set(fields, ":path", b"")),
        ("a path without a slash", |fields| set(fields, ":path", b"bkt/k")),
        ("a path of two lines", |fields| set(fields, ":path", b"/k HTTP/1.1\r\nhost: other\r\n\r\n")),
        ("a path with a space", |fields| set(fields, ":path", b"/k HTTP/1.1")),
        ("a path with a zero byte", |fields| set(fields, ":path", b"/k\0")),
        ("a path that is a URL", |fields| set(fields, ":path", b"http://other/k")),
        ("a path that is a star", |fields| set(fields, ":path", b"*")),
        ("an authority with a user", |fields| set(fields, ":authority", b"user@localhost")),
        ("an authority with a path", |fields| set(fields, ":authority", b"localhost/other")),
        ("an authority of two lines", |fields| set(fields, ":authority", b"localhost\r\nx: y")),
        ("an empty authority", |fields| set(fields, ":authority", b"")),
        ("a method of two lines", |fields| set(fields, ":method", b"PUT /other HTTP/1.1\r\n\r\nGET")),
        ("a method that is none", |fields| set(fields, ":method", b"P T")),
        ("CONNECT", |fields| set(fields, ":method", b"CONNECT")),
        ("another host", |fields| add(fields, b"host", b"other")),
        ("a length with a sign", |fields| add(fields, b"content-length", b"+5")),
        ("a list of lengths", |fields| add(fields, b"content-length", b"5, 5")),
        ("two lengths", |fields| {
            add(fields, b"content-length", b"5");
            add(fields, b"content-length", b"6");
        }),
        ("two lengths, the other order", |fields| {
            add(fields, b"content-length", b"6");
            add(fields, b"content-length", b"5");
        }),
        ("less than it says", |fields| add(fields, b"content-length", b"6")),
        ("more than it says", |fields| add(fields, b"content-length", b"4")),
        ("a length of nothing", |fields| add(fields, b"content-length", b"0")),
        ("2^63", |fields| add(fields, b"content-length", b"9223372036854775808")),
        ("2^64", |fields| add(fields, b"content-length", b"18446744073709551616")),
        ("a length that is none", |fields| add(fields, b"content-length", b"five")),
        ("101 fields", |fields| (0..101).for_each(|number| add(fields, format!("x-{number}").as_bytes(), b"y"))),
        ("too large", |fields| add(fields, b"x-a", &[b'y'; 15 << 10])),
    ];
    for (index, (name, change)) in changes.iter().enumerate() {
        let target = format!("/{bucket}/{index}");
        let mut fields = fields(&site, &put(&target, "hello").payload("UNSIGNED-PAYLOAD"));
        change(&mut fields);
        if !fields.iter().any(|(name, _)| name == b"content-length") {
            add(&mut fields, b"content-length", b"5");
        }
        if *name == "too large" {
            change(&mut fields);
            change(&mut fields);
        }
        let mut frames = Frames::connect(&site);
        let block = block(&fields);
        let pieces: Vec<&[u8]> = block.chunks(16 << 10).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let kind = if number == 0 { HEADERS } else { CONTINUATION };
            let flags = if number + 1 == pieces.len() { END_HEADERS } else { 0 };
            let _ = frames.send(&frame(kind, flags, 1, piece));
        }
        let _ = frames.send(&frame(DATA, END_STREAM, 1, b"hello"));
        let end = frames.end(1);
        let is_refused = matches!(end, End::Reset(_) | End::GoneAway(1..) | End::Closed | End::Status(400..=499));
        assert!(is_refused, "{name}: {end:?}");
        assert_eq!(site.ask(&get(&target)).status, 404, "{name}: it was carried out");
    }
    let mut frames = Frames::connect(&site);
    frames.request(1, &fields(&site, &put(&format!("/{bucket}/good"), "hello").with("content-length", "5")), b"hello");
    assert_eq!(frames.end(1), End::Status(200), "the canary");
    drop(frames);
    site.assert_unharmed("heads of HTTP/2", before);
}

#[test]
fn streams_that_are_cut_off_leave_nothing() {
    let site = Site::start_encrypted();
    let bucket = site.bucket();
    let before = site.resident_kib();
    let body = vec![b'x'; 120_000];
    let asked = |key: &str| fields(&site, &put(&format!("/{bucket}/{key}"), &body).with("content-length", body.len().to_string()));
    // Reset one after the other on one connection, which goes on; every third is waited for, so that it has been worked on.
    let mut frames = Frames::connect(&site);
    let mut stream = 1;
    for round in 0..150_usize {
        let share = round * 800;
        let mut bytes = frame(HEADERS, END_HEADERS, stream, &block(&asked("reset")));
        bytes.extend(body[..share].chunks(16 << 10).flat_map(|piece| frame(DATA, 0, stream, piece)));
        frames.send(&bytes).unwrap();
        if round % 3 == 0 {
            thread::sleep(Duration::from_millis(3));
        }
        frames.send(&frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes())).unwrap();
        stream += 2;
    }
    frames.request(stream, &asked("whole"), &body[..60_000]);
    // Half a body with an end is not the body that was announced.
    let end = frames.end(stream);
    assert!(matches!(end, End::Status(400) | End::Reset(_)), "{end:?}");
    drop(frames);
    // The connection goes away under its streams.
    for share in (0..body.len()).step_by(9_001) {
        let mut frames = Frames::connect(&site);
        let mut bytes = Vec::new();
        for stream in [1, 3, 5] {
            bytes.extend(frame(HEADERS, END_HEADERS, stream, &block(&asked("cut"))));
            bytes.extend(body[..share].chunks(16 << 10).flat_map(|piece| frame(DATA, 0, stream, piece)));
        }
        frames.send(&bytes).unwrap();
    }
    for key in ["reset", "whole", "cut"] {
        assert_eq!(site.ask(&get(&format!("/{bucket}/{key}"))).status, 404, "{key}");
    }
    site.assert_unharmed("cut streams", before);
}

#[test]
fn frames_where_none_may_be_end_the_connection() {
    let site = Site::start_encrypted();
    let bucket = site.bucket();
    let before = site.resident_kib();
    let head = block(&fields(&site, &get(&format!("/{bucket}?list-type=2"))));
    let begun = frame(HEADERS, 0, 1, &head[..head.len() / 2]);
    for (name, bytes) in [
        ("a request on an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2, &head)),
        ("a request on stream 0", frame(HEADERS, END_HEADERS | END_STREAM, 0, &head)),
        ("data on a stream that is none", frame(DATA, 0, 7, b"hello")),
        ("a continuation of nothing", frame(CONTINUATION, END_HEADERS, 1, &head)),
        ("data within a head", [begun.clone(), frame(DATA, 0, 1, b"hello")].concat()),
        ("another stream within a head", [begun.clone(), frame(HEADERS, END_HEADERS | END_STREAM, 3, &head)].concat()),
        ("a continuation of another stream", [begun, frame(CONTINUATION, END_HEADERS, 3, &head)].concat()),
        ("a promise", frame(PUSH_PROMISE, END_HEADERS, 1, &[&[0, 0, 0, 2], &head[..]].concat())),
        ("a table that is not there", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xFF, 0xFF, 0xFF, 0x7F])),
        ("half a field", frame(HEADERS, END_HEADERS | END_STREAM, 1, &head[..head.len() - 3])),
        ("an integer without an end", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&[0, 0x7F][..], &[0xFF; 100]].concat())),
        ("a string that is too long", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F, b'a'])),
        ("a table of 4 GiB", frame(HEADERS, END_HEADERS | END_STREAM, 1, &[&[0x3F, 0xE1, 0xFF, 0xFF, 0xFF, 0x0F][..], &head].concat())),
        ("a frame of 16 MiB", [0xFF, 0xFF, 0xFF, DATA, 0, 0, 0, 0, 1].to_vec()),
        ("more padding than there is", frame(DATA, 8, 1, &[200, b'a'])),
        (
            "a stream again",
            [frame(HEADERS, END_HEADERS | END_STREAM, 5, &head), frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)].concat(),
        ),
    ] {
        let mut frames = Frames::connect(&site);
        let _ = frames.send(&bytes);
        let end = loop {
            match frames.end(1) {
                // Of a stream that was fine.
                End::Status(200) => {}
                other => break other,
            }
        };
        assert!(matches!(end, End::GoneAway(1..) | End::Closed | End::Reset(_) | End::Status(400..=499)), "{name}: {end:?}");
    }
    site.assert_unharmed("frames where none may be", before);
}
