//! Objects (oss.md §10, §12, §13, §19): ranges in both behaviours, appends, links, deletes of many, overrides, limits, digests.

use crate::{
    client::{EVERY, Peer, content_md5, crc64, delete, etag, get, head, post, put},
    table::Table,
};
use partway::testkit::raw_client::RawResponse;

/// Status, size of the body, Content-Range.
fn shown(response: &RawResponse) -> String {
    let range = response.header("content-range").map(|range| format!(" {range}")).unwrap_or_default();
    format!("{} {}{range}", response.status, response.header("content-length").unwrap_or("-"))
}

#[test]
fn ranges_are_read_in_the_default_and_in_the_standard_behaviour() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let body: Vec<u8> = (0..1000_u32).map(|number| number as u8).collect();
    peer.expect(&put(&target, &body), 200);
    let whole = "200 1000";
    let unsatisfiable = "416 bytes */1000";
    let mut last = None;
    for (range, default, standard) in [
        ("bytes=0-499", "206 500 bytes 0-499/1000", "206 500 bytes 0-499/1000"),
        ("bytes=500-", "206 500 bytes 500-999/1000", "206 500 bytes 500-999/1000"),
        ("bytes=-200", "206 200 bytes 800-999/1000", "206 200 bytes 800-999/1000"),
        ("bytes=0-", "206 1000 bytes 0-999/1000", "206 1000 bytes 0-999/1000"),
        ("bytes=999-999", "206 1 bytes 999-999/1000", "206 1 bytes 999-999/1000"),
        ("bytes=500-2000", whole, "206 500 bytes 500-999/1000"),
        ("bytes=1000-", whole, unsatisfiable),
        ("bytes=1000-2000", whole, unsatisfiable),
        ("bytes=-2000", whole, "206 1000 bytes 0-999/1000"),
        ("bytes=500-0", whole, unsatisfiable),
        ("bytes=a-b", whole, whole),
        ("bytes=0-1,3-4", whole, whole),
        ("items=0-1", whole, whole),
        ("bytes=0-99999999999999999999999", whole, "206 1000 bytes 0-999/1000"),
    ] {
        for (behaviour, expected) in [(None, default), (Some("standard"), standard)] {
            for asked in [get(&target), head(&target)] {
                let asked = behaviour.into_iter().fold(asked.with("range", range), |asked, word| asked.with("x-oss-range-behavior", word));
                let response = peer.ask(&asked);
                let name = format!("{} {range} {behaviour:?}", asked.method());
                if response.status == 416 {
                    let actual = format!("416 {}", response.header("content-range").unwrap_or("-"));
                    table.check(&name, &actual, expected);
                } else {
                    table.check(&name, &shown(&response), expected);
                }
                if asked.method() == "GET" && response.status == 206 {
                    let first: usize = expected.split(['-', ' ']).nth(3).and_then(|first| first.parse().ok()).expect("a first byte");
                    assert!(response.body == body[first..first + response.body.len()], "{name}: other bytes");
                }
                last = Some(response);
            }
        }
    }
    let refused = peer.ask(&get(&target).with("range", "bytes=1000-").with("x-oss-range-behavior", "standard"));
    table.line("standard, beyond", &refused, "416 InvalidRange: The requested range cannot be satisfied. (ActualObjectSize=1000)");
    let meta = peer.ask(&head(&format!("{target}?objectMeta")).with("range", "bytes=0-1"));
    table.check("objectMeta is of the whole", &shown(&meta), whole);
    peer.expect(&put(&target, ""), 200);
    table.check("of nothing", &shown(&peer.ask(&get(&target).with("range", "bytes=0-"))), "200 0");
    table.finish(&last.expect("there are ranges"), "404");
}

#[test]
fn conditions_of_reads_are_those_of_http() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    peer.expect(&put(&target, "hello"), 200);
    let failed =
        |name: &str| format!("412 PreconditionFailed: At least one of the pre-conditions you specified did not hold. (Condition={name})");
    let (past, future) = ("Thu, 15 Jan 2015 08:30:00 GMT", "Thu, 15 Jan 2099 08:30:00 GMT");
    let (own, lower, other) = (etag("hello"), etag("hello").to_lowercase(), etag("x"));
    for (headers, expected) in [
        (&[("if-match", own.as_str())][..], "200".to_owned()),
        (&[("if-match", lower.trim_matches('"'))], "200".to_owned()),
        (&[("if-match", other.as_str())], failed("If-Match")),
        (&[("if-none-match", own.as_str())], "304".to_owned()),
        (&[("if-none-match", lower.as_str())], "304".to_owned()),
        (&[("if-none-match", other.as_str())], "200".to_owned()),
        (&[("if-unmodified-since", past)], failed("If-Unmodified-Since")),
        (&[("if-unmodified-since", future)], "200".to_owned()),
        (&[("if-modified-since", past)], "200".to_owned()),
        (&[("if-match", own.as_str()), ("if-unmodified-since", past)], "200".to_owned()),
        (&[("if-none-match", other.as_str()), ("if-modified-since", future)], "200".to_owned()),
    ] {
        for asked in [get(&target), head(&target)] {
            let asked = headers.iter().fold(asked, |asked, (name, value)| asked.with(name, value));
            table.line(&format!("{} {headers:?}", asked.method()), &peer.ask(&asked), &expected);
        }
    }
    let modified = peer.ask(&get(&target)).header("last-modified").expect("it was modified").to_owned();
    let response = peer.ask(&get(&target).with("if-modified-since", &modified));
    table.line("not since", &response, "304");
    table.finish(&response, "200");
}

#[test]
fn appends_go_where_the_object_ends() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/log");
    let append = |position: &str, body: &str| post(&format!("{target}?append&position={position}"), body);
    let mut tags = Vec::new();
    for (position, body, next, whole) in
        [("0", "hello", "5", "hello"), ("5", " world", "11", "hello world"), ("11", "", "11", "hello world")]
    {
        let response = peer.ask(&append(position, body).with("x-oss-meta-a", format!("at {position}")));
        table.line(position, &response, "200");
        table.check("next", response.header("x-oss-next-append-position").unwrap_or_default(), next);
        table.check("CRC of the whole", response.header("x-oss-hash-crc64ecma").unwrap_or_default(), &crc64(whole));
        tags.push(response.header("etag").unwrap_or_default().to_owned());
    }
    let mismatch = "409 PositionNotEqualToLength: Position is not equal to file length. 0026-00000016";
    for position in ["0", "10", "12"] {
        let response = peer.ask(&append(position, "x"));
        table.line(&format!("at {position}"), &response, mismatch);
        table.check("next", response.header("x-oss-next-append-position").unwrap_or_default(), "11");
    }
    let number = |value: &str| {
        format!("400 InvalidArgument: Append position must be non-negative integer. (ArgumentName=position; ArgumentValue={value})")
    };
    for position in ["-1", "x", "1.5", "99999999999999999999"] {
        table.line(position, &peer.ask(&append(position, "x")), &number(position));
    }
    table.line("no position", &peer.ask(&post(&format!("{target}?append"), "x")), "400 MissingArgument: Missing Some Required Arguments.");
    let wrong = append("11", "x").with("content-md5", content_md5(b"y"));
    table.line(
        "wrong MD5",
        &peer.ask(&wrong),
        "400 InvalidDigest: The Content-MD5 you specified was invalid. (Content-MD5=QVKQdpWURg4uSFkikE80XQ==)",
    );
    let stored = peer.ask(&get(&target));
    table.check("content", stored.text(), "hello world");
    for (name, expected) in [
        ("x-oss-object-type", "Appendable"),
        ("x-oss-next-append-position", "11"),
        ("x-oss-meta-a", "at 0"),
        ("x-oss-hash-crc64ecma", "5981764153023615706"),
        ("etag", tags[2].as_str()),
        ("content-md5", "none"),
    ] {
        table.check(name, stored.header(name).unwrap_or("none"), expected);
    }
    peer.expect(&put(&format!("/{bucket}/normal"), "x"), 200);
    let response = peer.ask(&post(&format!("/{bucket}/normal?append&position=1"), "x"));
    table.line("not appendable", &response, "409 ObjectNotAppendable: The object is not appendable. (Key=normal)");
    table.line("elsewhere than the start", &peer.ask(&post(&format!("/{bucket}/new?append&position=1"), "x")), mismatch);
    table.finish(&response, "200");
}

#[test]
fn links_show_their_target() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let link = |name: &str, target: &str| put(&format!("/{bucket}/{name}?symlink"), "").with("x-oss-symlink-target", target);
    peer.expect(&put(&format!("/{bucket}/tgt/a%20b"), "hello").with("x-oss-meta-a", "target"), 200);
    // oss2, ali-oss and the second Python SDK.
    for spelling in ["tgt%2Fa%20b", "tgt/a%20b", "tgt/a b"] {
        table.line(spelling, &peer.ask(&link("l", spelling).with("x-oss-meta-a", "link")), "200");
        let shown = peer.ask(&get(&format!("/{bucket}/l?symlink")));
        table.check("shown encoded", shown.header("x-oss-symlink-target").unwrap_or_default(), "tgt/a%20b");
        let read = peer.ask(&get(&format!("/{bucket}/l")));
        table.check("content", read.text(), "hello");
        for (name, expected) in [("x-oss-object-type", "Symlink"), ("x-oss-meta-a", "link"), ("etag", &etag("hello"))] {
            table.check(name, read.header(name).unwrap_or_default(), expected);
        }
    }
    peer.expect(&link("dangling", "none"), 200);
    peer.expect(&link("chained", "l"), 200);
    let argument =
        "400 InvalidArgument: The symlink target you specified is invalid. (ArgumentName=x-oss-symlink-target; ArgumentValue=/k)";
    let missing = "404 SymlinkTargetNotExist: The symlink target object does not exist.";
    for (name, asked, expected) in [
        ("missing target", get(&format!("/{bucket}/dangling")), format!("{missing} (Key=none)")),
        ("missing target, head", head(&format!("/{bucket}/dangling")), format!("{missing} (Key=none)")),
        (
            "a link to a link",
            get(&format!("/{bucket}/chained")),
            "400 InvalidTargetType: The symbolic's target file type is invalid. (Key=l)".to_owned(),
        ),
        ("no link", get(&format!("/{bucket}/tgt/a%20b?symlink")), "400 NotSymlink: The object is not symlink. (Key=tgt/a b)".to_owned()),
        ("no target", put(&format!("/{bucket}/n?symlink"), ""), "400 MissingArgument: Missing Some Required Arguments.".to_owned()),
        ("a target that is no key", link("n", "/k"), argument.to_owned()),
        (
            "forbidden",
            link("l", "k").with("x-oss-forbid-overwrite", "true"),
            "409 FileAlreadyExists: The object you specified already exists and can not be overwritten. (Key=l)".to_owned(),
        ),
        ("gone", delete(&format!("/{bucket}/l")), "204".to_owned()),
        ("its target is not", get(&format!("/{bucket}/tgt/a%20b")), "200".to_owned()),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    table.finish(&peer.ask(&get(&format!("/{bucket}/dangling"))), "200");
}

#[test]
fn many_objects_are_deleted_loudly_or_quietly() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let ask = |query: &str, document: &str| {
        peer.ask(&post(&format!("/{bucket}/?delete{query}"), document).with("content-md5", content_md5(document.as_bytes())))
    };
    for key in ["a", "b%26c", "d%20e"] {
        peer.expect(&put(&format!("/{bucket}/{key}"), "x"), 200);
    }
    let object = |key: &str| format!("<Object><Key>{key}</Key></Object>");
    let delete = |objects: &str| format!("<Delete>{objects}</Delete>");
    table.golden("delete", &ask("", &delete(&[object("a"), object("b&amp;c"), object("never")].concat())), &[]);
    table.golden("delete_url", &ask("&encoding-type=url", &delete(&format!("<Quiet>false</Quiet>{}", object("d e")))), &[]);
    let quiet = ask("", &delete(&format!("<Quiet>true</Quiet>{}", object("a"))));
    table.check("quiet", &format!("{} {:?} {:?}", quiet.status, quiet.text(), quiet.header("content-length")), "200 \"\" Some(\"0\")");
    table.check("all are gone", peer.ask(&get(&format!("/{bucket}/"))).element("Key").unwrap_or("none"), "none");
    let malformed = "400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema.";
    let thousand: String = (0..1000).map(|number| object(&format!("k{number}"))).collect();
    for (name, document, expected) in [
        ("1000 keys", delete(&thousand), "200"),
        ("1001 keys", delete(&format!("{thousand}{}", object("k"))), malformed),
        ("no keys", delete(""), malformed),
        ("nothing", String::new(), malformed),
        ("another root", "<Remove/>".to_owned(), malformed),
        ("no key", delete("<Object/>"), malformed),
        ("quiet in another word", delete(&format!("<Quiet>maybe</Quiet>{}", object("a"))), malformed),
        ("a key that is none", delete(&object("/a")), "400 InvalidObjectName: The specified object is not valid."),
        (
            "a version",
            delete("<Object><Key>a</Key><VersionId>v</VersionId></Object>"),
            "400 InvalidArgument: Invalid version id specified. (ArgumentName=versionId; ArgumentValue=v)",
        ),
    ] {
        table.line(name, &ask("", &document), expected);
    }
    table.finish(&quiet, "400");
}

#[test]
fn overrides_limits_and_digests_are_checked() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    peer.expect(&put(&target, "hello").with("x-oss-object-acl", "public-read").with("content-type", "text/x"), 200);
    let overrides = [
        ("response-content-type", "content-type", "image/png"),
        ("response-content-language", "content-language", "de"),
        ("response-expires", "expires", "Thu, 15 Jan 2026 08:30:00 GMT"),
        ("response-cache-control", "cache-control", "no-store"),
        ("response-content-disposition", "content-disposition", "attachment; filename=\"ü.txt\""),
        ("response-content-encoding", "content-encoding", "identity"),
    ];
    let anonymous = "400 InvalidRequest: Request specific response headers cannot be used for anonymous GET requests.";
    for (parameter, header, value) in overrides {
        let asked = format!("{target}?{parameter}={}", partway::dialect::percent::encode(value));
        for scheme in EVERY {
            let response = peer.ask(&get(&asked).scheme(scheme));
            table.line(parameter, &response, "200");
            assert_eq!(response.header(header), Some(value), "{parameter} {scheme:?}");
        }
        table.line(parameter, &peer.ask(&get(&asked).anonymous().of_oss()), anonymous);
    }
    table.line("without overrides", &peer.ask(&get(&target).anonymous().of_oss()), "200");

    let limit = |value: &str| {
        format!(
            "400 InvalidArgument: x-oss-traffic-limit is invalid, should be specified between 819200(100KB/s) and 838860800(100MB/s). \
             (ArgumentName=x-oss-traffic-limit; ArgumentValue={value})"
        )
    };
    let twice = "400 InvalidArgument: x-oss-traffic-limit should be specified either in query string or header, not both. \
                 (ArgumentName=x-oss-traffic-limit; ArgumentValue=819200)";
    let digest = |value: &str| format!("400 InvalidDigest: The Content-MD5 you specified was invalid. (Content-MD5={value})");
    let crc = "400 InvalidCRC64: The x-oss-hash-crc64ecma you specified does not match what we calculated.";
    let n = format!("/{bucket}/n");
    for (name, asked, expected) in [
        ("least", get(&target).with("x-oss-traffic-limit", "819200"), "200".to_owned()),
        ("most, in the query", get(&format!("{target}?x-oss-traffic-limit=838860800")), "200".to_owned()),
        ("less", get(&target).with("x-oss-traffic-limit", "819199"), limit("819199")),
        ("more", put(&n, "x").with("x-oss-traffic-limit", "838860801"), limit("838860801")),
        ("none", put(&format!("{n}?x-oss-traffic-limit=fast"), "x"), limit("fast")),
        ("twice", get(&format!("{target}?x-oss-traffic-limit=819200")).with("x-oss-traffic-limit", "819200"), twice.to_owned()),
        ("MD5 that is none", put(&n, "x").with("content-md5", "abc"), digest("abc")),
        ("MD5 of 15 bytes", put(&n, "x").with("content-md5", "AAAAAAAAAAAAAAAAAAAA"), digest("AAAAAAAAAAAAAAAAAAAA")),
        ("another MD5", put(&n, "x").with("content-md5", content_md5(b"y")), digest("QVKQdpWURg4uSFkikE80XQ==")),
        ("another CRC", put(&n, "x").with("x-oss-hash-crc64ecma", "0"), crc.to_owned()),
        (
            "CRC that is none",
            put(&n, "x").with("x-oss-hash-crc64ecma", "-1"),
            "400 InvalidArgument: The x-oss-hash-crc64ecma you specified was invalid. \
             (ArgumentName=x-oss-hash-crc64ecma; ArgumentValue=-1)"
                .to_owned(),
        ),
        ("nothing was stored", get(&n), "404 NoSuchKey: The specified key does not exist. (Key=n) 0026-00000001".to_owned()),
        ("both right", put(&n, "x").with("content-md5", content_md5(b"x")).with("x-oss-hash-crc64ecma", crc64("x")), "200".to_owned()),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    table.finish(&peer.ask(&get(&target)), "400");
}

#[test]
fn copies_take_over_or_replace() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let (source, target) = (format!("/{bucket}/s%2B"), format!("/{bucket}/t"));
    peer.expect(&put(&source, "hello").with("x-oss-meta-a", "source").with("content-type", "text/x").with("x-oss-tagging", "a=1"), 200);
    let copy = |target: &str| put(target, "").with("x-oss-copy-source", &source);
    let copied = peer.ask(&copy(&target));
    table.golden("copy", &copied, &[]);
    table.check("CRC", copied.header("x-oss-hash-crc64ecma").unwrap_or_default(), &crc64("hello"));
    let shown = |target: &str| {
        let response = peer.ask(&head(target));
        ["x-oss-meta-a", "content-type", "x-oss-tagging-count"].map(|name| response.header(name).unwrap_or("-").to_owned()).join(" ")
    };
    table.check("taken over", &shown(&target), "source text/x 1");
    let replaced = copy(&target).with("x-oss-metadata-directive", "REPLACE").with("x-oss-meta-a", "new");
    table.line("replaced", &peer.ask(&replaced), "200");
    table.check("replaced", &shown(&target), "new application/octet-stream 1");
    table.line("tags", &peer.ask(&copy(&target).with("x-oss-tagging-directive", "Replace")), "200");
    table.check("tags", &shown(&target), "source text/x -");
    table.line("onto itself", &peer.ask(&copy(&source).with("x-oss-meta-a", "self")), "200");
    table.check("onto itself", &shown(&source), "self application/octet-stream 1");
    for (name, asked, expected) in [
        ("not modified", copy(&target).with("x-oss-copy-source-if-none-match", etag("hello")), "304"),
        (
            "another source",
            copy(&target).with("x-oss-copy-source-if-match", etag("x")),
            "412 PreconditionFailed: At least one of the pre-conditions you specified did not hold. (Condition=x-oss-copy-source-If-Match)",
        ),
        (
            "a directive that is none",
            copy(&target).with("x-oss-metadata-directive", "MERGE"),
            "400 InvalidArgument: The directive must be COPY or REPLACE. (ArgumentName=x-oss-metadata-directive; ArgumentValue=MERGE)",
        ),
        (
            "forbidden",
            copy(&target).with("x-oss-forbid-overwrite", "true"),
            "409 FileAlreadyExists: The object you specified already exists and can not be overwritten. (Key=t)",
        ),
    ] {
        table.line(name, &peer.ask(&asked), expected);
    }
    table.finish(&copied, "304");
}
