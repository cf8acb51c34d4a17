//! Reading objects (s3.md §11): ranges, conditions, parts, overrides, what comes back.

use crate::{
    client::{Peer, get, head, put},
    table::{Table, line},
};
use partway::testkit::raw_client::RawResponse;

fn hundred() -> Vec<u8> {
    (0..100).collect()
}

/// Status, Content-Range and body of an answer, or its error.
fn shown(response: &RawResponse) -> String {
    if response.status >= 300 {
        let range = response.header("content-range").map(|range| format!(" [{range}]")).unwrap_or_default();
        return format!("{}{range}", line(response));
    }
    let body = match response.body.as_slice() {
        [] => "nothing".to_owned(),
        [first, .., last] => format!("{first}..={last}"),
        [only] => only.to_string(),
    };
    format!("{} {} {body}", response.status, response.header("content-range").unwrap_or("-"))
}

#[test]
fn ranges_are_served_as_the_table_says() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    peer.expect(&put(&format!("/{bucket}/hundred"), hundred()), 200);
    peer.expect(&put(&format!("/{bucket}/empty"), ""), 200);
    let unsatisfiable = |range: &str, size: u32| {
        format!(
            "416 InvalidRange: The requested range is not satisfiable (RangeRequested={range}; ActualObjectSize={size}) [bytes */{size}]"
        )
    };
    let whole = "200 - 0..=99".to_owned();
    for (key, range, expected) in [
        ("hundred", "bytes=0-0", "206 bytes 0-0/100 0".to_owned()),
        ("hundred", "bytes=0-99", "206 bytes 0-99/100 0..=99".to_owned()),
        ("hundred", "bytes=50-", "206 bytes 50-99/100 50..=99".to_owned()),
        ("hundred", "bytes=99-", "206 bytes 99-99/100 99".to_owned()),
        ("hundred", "bytes=-10", "206 bytes 90-99/100 90..=99".to_owned()),
        ("hundred", "bytes=0-999999", "206 bytes 0-99/100 0..=99".to_owned()),
        ("hundred", "bytes=10-18446744073709551615", "206 bytes 10-99/100 10..=99".to_owned()),
        ("hundred", "bytes=-101", "206 bytes 0-99/100 0..=99".to_owned()),
        ("hundred", "bytes=00-01", "206 bytes 0-1/100 0..=1".to_owned()),
        ("hundred", "bytes=100-", unsatisfiable("bytes=100-", 100)),
        ("hundred", "bytes=100-200", unsatisfiable("bytes=100-200", 100)),
        ("hundred", "bytes=-0", unsatisfiable("bytes=-0", 100)),
        ("hundred", "bytes=10-5", whole.clone()),
        ("hundred", "bytes=0-0,1-2", whole.clone()),
        ("hundred", "bytes=a-b", whole.clone()),
        ("hundred", "bytes=", whole.clone()),
        ("hundred", "bytes=-", whole.clone()),
        ("hundred", "bytes=99999999999999999999999-", unsatisfiable("bytes=99999999999999999999999-", 100)),
        ("hundred", "items=0-1", whole.clone()),
        ("hundred", "0-1", whole.clone()),
        ("empty", "bytes=0-", unsatisfiable("bytes=0-", 0)),
        ("empty", "bytes=0-0", unsatisfiable("bytes=0-0", 0)),
        ("empty", "bytes=-1", "200 - nothing".to_owned()),
        ("empty", "bytes=x", "200 - nothing".to_owned()),
    ] {
        let target = format!("/{bucket}/{key}");
        let response = peer.ask(&get(&target).with("range", range));
        table.check(&format!("{key} {range}"), &shown(&response), &expected);
        let of_head = peer.ask(&head(&target).with("range", range));
        table.check(&format!("HEAD {key} {range}"), &of_head.status.to_string(), &response.status.to_string());
        for name in ["content-range", "etag", "last-modified"].iter().chain((response.status < 300).then_some(&"content-length")) {
            table.check(
                &format!("HEAD {key} {range} {name}"),
                &format!("{:?}", of_head.header(name)),
                &format!("{:?}", response.header(name)),
            );
        }
    }
    let canary = peer.ask(&get(&format!("/{bucket}/hundred")).with("range", "bytes=100-"));
    table.finish(&canary, "416 InvalidRange: The requested range is not satisfiable (RangeRequested=bytes=100-; ActualObjectSize=99)");
}

#[test]
fn conditions_on_reads_have_their_precedence() {
    const PAST: &str = "Wed, 21 Oct 2015 07:28:00 GMT";
    const FUTURE: &str = "Wed, 21 Oct 2099 07:28:00 GMT";
    const SAME: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
    const OTHER: &str = "\"00000000000000000000000000000000\"";
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    peer.expect(&put(&target, "hello"), 200);
    let failed =
        |name: &str| format!("412 PreconditionFailed: At least one of the pre-conditions you specified did not hold (Condition={name})");
    let modified = peer.ask(&head(&target)).header("last-modified").expect("it has one").to_owned();
    for (conditions, expected) in [
        (vec![("if-match", SAME)], "200".to_owned()),
        (vec![("if-match", "5d41402abc4b2a76b9719d911017c592")], "200".to_owned()),
        (vec![("if-match", "*")], "200".to_owned()),
        (vec![("if-match", "\"x\", \"5d41402abc4b2a76b9719d911017c592\"")], "200".to_owned()),
        (vec![("if-match", OTHER)], failed("If-Match")),
        (vec![("if-none-match", OTHER)], "200".to_owned()),
        (vec![("if-none-match", SAME)], "304".to_owned()),
        (vec![("if-none-match", "*")], "304".to_owned()),
        (vec![("if-none-match", "W/\"5d41402abc4b2a76b9719d911017c592\"")], "304".to_owned()),
        (vec![("if-modified-since", PAST)], "200".to_owned()),
        (vec![("if-modified-since", modified.as_str())], "304".to_owned()),
        (vec![("if-modified-since", FUTURE)], "200".to_owned()),
        (vec![("if-modified-since", "yesterday")], "200".to_owned()),
        (vec![("if-unmodified-since", PAST)], failed("If-Unmodified-Since")),
        (vec![("if-unmodified-since", modified.as_str())], "200".to_owned()),
        (vec![("if-unmodified-since", FUTURE)], "200".to_owned()),
        (vec![("if-match", SAME), ("if-unmodified-since", PAST)], "200".to_owned()),
        (vec![("if-match", OTHER), ("if-unmodified-since", FUTURE)], failed("If-Match")),
        (vec![("if-none-match", OTHER), ("if-modified-since", modified.as_str())], "200".to_owned()),
        (vec![("if-none-match", SAME), ("if-modified-since", PAST)], "304".to_owned()),
        (vec![("if-match", SAME), ("if-none-match", SAME)], "304".to_owned()),
        (vec![("if-match", OTHER), ("if-none-match", SAME)], failed("If-Match")),
        (vec![("if-match", OTHER), ("range", "bytes=9-")], failed("If-Match")),
        (vec![("if-none-match", SAME), ("range", "bytes=0-0")], "304".to_owned()),
    ] {
        let asked = conditions.iter().fold(get(&target), |asked, (name, value)| asked.with(name, value));
        let response = peer.ask(&asked);
        table.line(&format!("{conditions:?}"), &response, &expected);
        if response.status == 304 {
            table.check(&format!("{conditions:?}: ETag"), response.header("etag").unwrap_or_default(), SAME);
            table.check(&format!("{conditions:?}: date"), response.header("last-modified").unwrap_or_default(), &modified);
        }
    }
    let canary = peer.ask(&get(&target).with("if-match", OTHER));
    table.finish(&canary, &failed("If-None-Match"));
}

#[test]
fn parts_of_objects_are_read_by_number() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let (multipart, plain, empty) = (format!("/{bucket}/multipart"), format!("/{bucket}/plain"), format!("/{bucket}/empty"));
    let upload = peer.create_upload(&multipart, &[]);
    let listed: String = [(2, 10..30), (7, 30..32)]
        .into_iter()
        .map(|(number, bytes)| (number, peer.upload_part(&multipart, &upload, number, bytes.collect::<Vec<u8>>())))
        .map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"))
        .collect();
    let complete = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    peer.expect(&crate::client::post(&format!("{multipart}?uploadId={upload}"), complete), 200);
    peer.expect(&put(&plain, hundred()), 200);
    peer.expect(&put(&empty, ""), 200);
    let no_part = |count: u32, number: u32| {
        format!(
            "416 InvalidPartNumber: The requested partnumber is not satisfiable (ActualPartCount={count}; PartNumberRequested={number})"
        )
    };
    let invalid = |text: &str| {
        format!(
            "400 InvalidArgument: Part number must be an integer between 1 and 10000, inclusive (ArgumentName=partNumber; ArgumentValue={text})"
        )
    };
    for (target, number, expected, count) in [
        (&multipart, "1", "206 bytes 0-19/22 10..=29".to_owned(), "2"),
        (&multipart, "2", "206 bytes 20-21/22 30..=31".to_owned(), "2"),
        (&multipart, "3", no_part(2, 3), ""),
        (&multipart, "0", invalid("0"), ""),
        (&multipart, "10001", invalid("10001"), ""),
        (&multipart, "abc", invalid("abc"), ""),
        (&multipart, "-1", invalid("-1"), ""),
        (&multipart, "", invalid(""), ""),
        (&multipart, "99999999999999999999", invalid("99999999999999999999"), ""),
        (&plain, "1", "206 bytes 0-99/100 0..=99".to_owned(), ""),
        (&plain, "2", no_part(1, 2), ""),
        (&empty, "1", "200 - nothing".to_owned(), ""),
    ] {
        let response = peer.ask(&get(&format!("{target}?partNumber={number}")));
        table.check(&format!("{target} {number}"), &shown(&response), &expected);
        table.check(&format!("{target} {number} count"), response.header("x-amz-mp-parts-count").unwrap_or_default(), count);
        if response.status < 300 {
            let whole = peer.ask(&head(target));
            table.check("the object's ETag", response.header("etag").unwrap_or_default(), whole.header("etag").unwrap_or("?"));
        }
    }
    let both = peer.ask(&get(&format!("{multipart}?partNumber=1")).with("range", "bytes=0-0"));
    table.line("with a range", &both, "400 InvalidRequest: Cannot specify both Range header and partNumber query parameter");
    table.finish(&both, "400");
}

#[test]
fn what_was_stored_comes_back_and_may_be_overridden_by_who_signs() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    let headers = [
        ("cache-control", "no-cache"),
        ("content-disposition", "attachment; filename=\"a\""),
        ("content-encoding", "gzip"),
        ("content-language", "de"),
        ("content-type", "text/plain; charset=utf-8"),
        ("expires", "whenever, really"),
        ("x-amz-meta-mixed", "  ü 漢 =?UTF-8?B?w7w=?=  "),
        ("x-amz-meta-empty", ""),
        ("x-amz-website-redirect-location", "/elsewhere"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-tagging", "a=1&b=2"),
    ];
    let stored = headers.iter().fold(put(&target, "hello"), |stored, (name, value)| stored.with(name, value.trim()));
    peer.expect(&stored.with("x-amz-meta-Repeated", "1").with("x-amz-meta-repeated", "2"), 200);
    let response = peer.ask(&get(&target));
    for (name, value) in headers.iter().filter(|(name, _)| *name != "x-amz-tagging") {
        // The raw client reads bytes as UTF-8, as they were sent.
        table.check(name, response.header(name).unwrap_or("(missing)"), value.trim());
    }
    table.check("tags", response.header("x-amz-tagging-count").unwrap_or_default(), "2");
    table.check("repeats", response.header("x-amz-meta-repeated").unwrap_or_default(), "1,2");
    table.check("ranges", response.header("accept-ranges").unwrap_or_default(), "bytes");
    table.check("ETag", response.header("etag").unwrap_or_default(), "\"5d41402abc4b2a76b9719d911017c592\"");

    peer.expect(&put(&format!("/{bucket}/bare"), "x"), 200);
    let bare = peer.ask(&get(&format!("/{bucket}/bare")));
    let mut names: Vec<&str> = bare.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    let expected = "accept-ranges content-length content-type date etag last-modified server x-amz-id-2 x-amz-request-id";
    table.check("a bare object's headers", &names.join(" "), expected);
    table.check("default type", bare.header("content-type").unwrap_or_default(), "binary/octet-stream");

    let overrides = [
        ("response-cache-control", "cache-control", "private"),
        ("response-content-disposition", "content-disposition", "inline; filename=a b"),
        ("response-content-encoding", "content-encoding", "br"),
        ("response-content-language", "content-language", "fr"),
        ("response-content-type", "content-type", "text/html"),
        ("response-expires", "expires", "0"),
    ];
    let query: Vec<String> = overrides.iter().map(|(name, _, value)| format!("{name}={}", value.replace(' ', "%20"))).collect();
    let overriding = format!("{target}?{}", query.join("&"));
    for asked in [get(&overriding), get(&overriding).presigned(60), head(&overriding)] {
        let response = peer.ask(&asked);
        for (_, header, value) in overrides {
            table.check(&format!("{} {header}", asked.method()), response.header(header).unwrap_or_default(), value);
        }
    }
    let crlf = peer.ask(&get(&format!("{target}?response-content-type=a%0D%0AX-Injected:%201")));
    table.line(
        "a line break in an override",
        &crlf,
        "400 InvalidArgument: Header value cannot be represented using ISO-8859-1. \
         (ArgumentName=response-content-type; ArgumentValue=a\\r\\nX-Injected: 1)",
    );
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    );
    peer.expect(&put(&format!("/{bucket}?policy"), policy), 204);
    table.check("anybody may read", &peer.ask(&get(&target).anonymous()).status.to_string(), "200");
    let anonymous = peer.ask(&get(&format!("{target}?response-expires=0")).anonymous());
    table.line(
        "but not override",
        &anonymous,
        "400 InvalidRequest: Request specific response headers cannot be used for anonymous GET requests.",
    );
    table.finish(&anonymous, "200");
}
