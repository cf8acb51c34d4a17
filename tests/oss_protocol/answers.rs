//! What every kind of answer looks like (oss.md §8), beyond what the client asserts of all of them.

use crate::{
    client::{Peer, crc64, delete, etag, get, head, now, post, put},
    table::Table,
};
use partway::{dialect::date::parse_http_date, testkit::raw_client::RawResponse};

/// Names of the headers but for those of every answer, in order of the alphabet.
fn own_headers(response: &RawResponse) -> String {
    const COMMON: [&str; 5] = ["connection", "date", "server", "x-oss-request-id", "x-oss-server-time"];
    let mut names: Vec<&str> = response.headers.iter().map(|(name, _)| name.as_str()).filter(|name| !COMMON.contains(name)).collect();
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn every_kind_of_answer_has_its_headers_and_no_others() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    let document = "content-length content-type";
    let stored = "content-length content-md5 etag x-oss-hash-crc64ecma";
    let read = "accept-ranges content-length content-md5 content-type etag last-modified x-oss-hash-crc64ecma x-oss-object-type x-oss-storage-class";
    let ranged = "accept-ranges content-length content-range content-type etag last-modified x-oss-hash-crc64ecma x-oss-object-type x-oss-storage-class";
    for (name, asked, expected) in [
        ("bucket", put(&format!("/{bucket}/"), ""), "200 content-length location"),
        ("put", put(&target, "hello"), &format!("200 {stored}")),
        ("get", get(&target), &format!("200 {read}")),
        ("head", head(&target), &format!("200 {read}")),
        ("range", get(&target).with("range", "bytes=0-1"), &format!("206 {ranged}")),
        ("meta", head(&format!("{target}?objectMeta")), "200 content-length etag last-modified x-oss-hash-crc64ecma"),
        ("list", get(&format!("/{bucket}/")), &format!("200 {document}")),
        ("buckets", get("/"), &format!("200 {document}")),
        ("acl", put(&format!("/{bucket}/?acl"), "").with("x-oss-acl", "private"), "200 content-length"),
        ("error", get(&format!("/{bucket}/none")), &format!("404 {document} x-oss-ec")),
        ("error of no number", get(&format!("/{bucket}/?lifecycle")), &format!("404 {document}")),
        ("error of head", head(&format!("/{bucket}/none")), "404 x-oss-ec x-oss-err"),
        ("not modified", get(&target).with("if-none-match", etag("hello")), "304 etag last-modified"),
        (
            "copy",
            put(&format!("/{bucket}/copy"), "").with("x-oss-copy-source", &target),
            &format!("200 {document} etag x-oss-hash-crc64ecma"),
        ),
        (
            "append",
            post(&format!("/{bucket}/a?append&position=0"), "x"),
            "200 content-length etag x-oss-hash-crc64ecma x-oss-next-append-position",
        ),
        ("link", put(&format!("/{bucket}/l?symlink"), "").with("x-oss-symlink-target", "k"), "200 content-length etag"),
        ("link shown", get(&format!("/{bucket}/l?symlink")), "200 content-length etag last-modified x-oss-symlink-target"),
        ("initiate", post(&format!("{target}?uploads"), ""), &format!("200 {document}")),
        ("delete", delete(&format!("/{bucket}/copy")), "204 "),
        ("delete a configuration", delete(&format!("/{bucket}?cors")), "204 "),
    ] {
        let response = peer.ask(&asked);
        table.check(name, &format!("{} {}", response.status, own_headers(&response)), expected);
    }
    let response = peer.ask(&get(&target));
    for (name, expected) in [
        ("etag", etag("hello")),
        ("content-md5", "XUFAKrxLKna5cZ2REBfFkg==".to_owned()),
        ("x-oss-hash-crc64ecma", "11177612005948864433".to_owned()),
        ("x-oss-object-type", "Normal".to_owned()),
        ("x-oss-storage-class", "Standard".to_owned()),
        ("content-type", "application/octet-stream".to_owned()),
        ("accept-ranges", "bytes".to_owned()),
        ("content-length", "5".to_owned()),
    ] {
        table.check(name, response.header(name).unwrap_or_default(), &expected);
    }
    let seconds = |name: &str| parse_http_date(response.header(name).unwrap_or_default()).expect("it is a date").secs();
    assert!((seconds("date") - now().secs()).abs() <= 5 && (seconds("last-modified") - now().secs()).abs() <= 60, "{response:?}");
    table.check(
        "location of a bucket",
        peer.ask(&put(&format!("/{bucket}/"), "")).header("location").unwrap_or_default(),
        &format!("/{bucket}"),
    );
    table.check("CRC of nothing", peer.ask(&put(&target, "")).header("x-oss-hash-crc64ecma").unwrap_or_default(), "0");
    table.check("CRC", &crc64("123456789"), "11051210869376104954");
    table.finish(&response, "404");
}

#[test]
fn error_documents_are_those_of_oss_and_name_the_host_that_was_asked() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let error = peer.ask(&get(&format!("/{bucket}/none")));
    table.check("host", error.element("HostId").unwrap_or_default(), &peer.host());
    table.golden("no_such_key", &error, &[]);
    let other = peer.ask(&get("/none").at(&format!("{bucket}.oss.test:81"), &bucket, "none"));
    table.check("virtual host", other.element("HostId").unwrap_or_default(), &format!("{bucket}.oss.test:81"));
    table.check("type", other.header("content-type").unwrap_or_default(), "application/xml");
    let first = error.header("x-oss-request-id").map(str::to_owned);
    assert_ne!(first.as_deref(), other.header("x-oss-request-id"), "two requests have two ids");
    table.finish(&other, "200");
}

#[test]
fn a_connection_serves_one_request_after_another() {
    let peer = Peer::start();
    let bucket = peer.bucket();
    let mut client = peer.connect();
    for (asked, status) in [
        (put(&format!("/{bucket}/k"), "hello"), 200),
        (get(&format!("/{bucket}/none")), 404),
        (head(&format!("/{bucket}/none")), 404),
        (head(&format!("/{bucket}/k")), 200),
        (delete(&format!("/{bucket}/k")), 204),
        (get(&format!("/{bucket}/?max-keys=1")), 200),
    ] {
        client.send(asked.bytes(&peer.host())).expect("the server reads");
        let response = client.receive(asked.method()).expect("the server answers");
        assert_eq!((response.status, response.header("connection")), (status, None), "{asked:?}");
    }
}
