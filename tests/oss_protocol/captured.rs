//! Requests as clients send them that cannot be run here (oss.md §1, §2, §5, §18): their addresses, dates, bodies and quirks.

use crate::{
    client::{Peer, Request, Scheme, content_md5, delete, get, head, hmac_sha1, iso_basic, now, post, put},
    support::{ACCESS_KEY, SECRET_KEY},
    table::Table,
};
use partway::dialect::{date, percent};

/// An Authorization header of version 1 over this string.
fn v1(string: &str) -> String {
    format!("OSS {ACCESS_KEY}:{}", hmac_sha1(SECRET_KEY, string))
}

/// A body of chunks with nothing in it, as Go sends it where there is no body.
fn empty_chunks(asked: Request) -> Request {
    asked.unframed().with("transfer-encoding", "chunked").body("0\r\n\r\n")
}

#[test]
fn hosts_and_paths_name_buckets_in_every_way_that_clients_have() {
    let peer = Peer::start();
    let mut table = Table::default();
    peer.expect(&put("/cname-bucket", ""), 200);
    peer.expect(&put("/bkt-test", ""), 200);
    peer.expect(&put("/cname-bucket/a/b", "cname"), 200);
    peer.expect(&put("/bkt-test/a/b", "named"), 200);
    for (name, host, target, bucket, content) in [
        ("path", "127.0.0.1", "/bkt-test/a/b", "bkt-test", "named"),
        ("path, slash encoded (oss2, php)", "127.0.0.1", "/bkt-test/a%2Fb", "bkt-test", "named"),
        ("own domain, path", "oss.test", "/bkt-test/a/b", "bkt-test", "named"),
        ("own domain", "bkt-test.oss.test", "/a/b", "bkt-test", "named"),
        ("own domain, slash encoded", "bkt-test.oss.test", "/a%2Fb", "bkt-test", "named"),
        ("own domain, port and case", "BKT-test.OSS.test:8080", "/a/b", "bkt-test", "named"),
        ("own domain, final dot", "bkt-test.oss.test.", "/a/b", "bkt-test", "named"),
        ("own domain, final dot and port", "bkt-test.oss.test.:80", "/a/b", "bkt-test", "named"),
        ("localhost", "bkt-test.localhost:9000", "/a/b", "bkt-test", "named"),
        ("Aliyun's host", "bkt-test.oss-cn-hangzhou.aliyuncs.com", "/a/b", "bkt-test", "named"),
        ("Aliyun's inner host", "bkt-test.oss-cn-hangzhou-internal.aliyuncs.com:80", "/a/b", "bkt-test", "named"),
        ("Aliyun's host, path", "oss-cn-hangzhou.aliyuncs.com", "/bkt-test/a/b", "bkt-test", "named"),
        ("CNAME: the bucket is nowhere (iOS, Android)", "files.test", "/a/b", "cname-bucket", "cname"),
        ("CNAME, port and case", "Files.Test:443", "/a/b", "cname-bucket", "cname"),
        ("CNAME, final dot", "files.test.", "/a/b", "cname-bucket", "cname"),
    ] {
        for scheme in [Scheme::V1, Scheme::V2, Scheme::V4, Scheme::V1Url(60), Scheme::V4Url(60)] {
            let response = peer.ask(&get(target).at(host, bucket, "a/b").scheme(scheme));
            table.check(&format!("{name} {scheme:?}"), &format!("{} {}", response.status, response.text()), &format!("200 {content}"));
        }
    }
    // ali-oss against an IP address: the bucket is in the host alone, in both, or an empty label.
    let aliyun = "bkt-test.oss-cn-hangzhou.aliyuncs.com";
    for scheme in [Scheme::V1, Scheme::V4] {
        let twice = get("/bkt-test/a/b").at(aliyun, "bkt-test", "a/b").scheme(scheme);
        table.check("named twice, read as path", peer.ask(&twice).text(), "named");
        let inside = put("/bkt-test/in", "inside").at(aliyun, "bkt-test", "bkt-test/in").scheme(scheme);
        table.line("named twice, read as host", &peer.ask(&inside), "200");
        table.check("which is a key", peer.ask(&get("/bkt-test/bkt-test/in")).text(), "inside");
        let list = get("/bkt-test/").at(aliyun, "bkt-test", "").scheme(scheme);
        table.check("named twice, listed", peer.ask(&list).element("Name").unwrap_or_default(), "bkt-test");
        let buckets = peer.ask(&get("/").at(".oss-cn-hangzhou.aliyuncs.com", "", "").scheme(scheme));
        assert!(buckets.text().contains("<Name>cname-bucket</Name>"), "{}", buckets.text());
    }
    let forged = get("/bkt-test/a/b").at(aliyun, "bkt-test", "a/b").signed_as(ACCESS_KEY, "another secret");
    table.check("named twice, forged", peer.ask(&forged).element("Code").unwrap_or_default(), "SignatureDoesNotMatch");
    // iOS leaves out the slash, and names the bucket's own page by its CNAME alone.
    for (name, asked) in
        [("no slash", get("/bkt-test")), ("slash", get("/bkt-test/")), ("virtual", get("/").at("bkt-test.oss.test", "bkt-test", ""))]
    {
        table.check(name, peer.ask(&asked).element("Name").unwrap_or_default(), "bkt-test");
    }
    let named = peer.ask(&get("/").at("files.test", "cname-bucket", ""));
    table.check("CNAME, listed", named.element("Name").unwrap_or_default(), "cname-bucket");
    // JuiceFS with an IP endpoint asks for a bucket that it does not name.
    let nameless = peer.ask(&put("/", "").at("127.0.0.1", "", ""));
    table.check("nameless", &nameless.status.to_string(), "405");
    table.finish(&named, "404");
}

#[test]
fn keys_are_decoded_once_and_nothing_is_collapsed() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    for (encoded, key) in [
        ("dir%2Fa%20b%2B%C3%BC.txt", "dir/a b+ü.txt"),
        ("a+b", "a+b"),
        ("a%252Fb", "a%2Fb"),
        ("a//b", "a//b"),
        ("a/./b/../c", "a/./b/../c"),
        ("dir/", "dir/"),
        ("%3F%26%3D%23", "?&=#"),
        ("a;b=c,d", "a;b=c,d"),
        ("%E4%BD%A0", "你"),
        ("%01", "\u{1}"),
    ] {
        for scheme in [Scheme::V1, Scheme::V2, Scheme::V4] {
            let target = format!("/{bucket}/{encoded}");
            table.line(&format!("put {encoded} {scheme:?}"), &peer.ask(&put(&target, key).scheme(scheme)), "200");
            table.check(encoded, peer.ask(&get(&format!("/{bucket}/{}", percent::encode(key))).scheme(scheme)).text(), key);
            let listed = peer.ask(&get(&format!("/{bucket}/?encoding-type=url&prefix={}", percent::encode(key))).scheme(scheme));
            table.check(&format!("list {encoded}"), listed.element("Key").unwrap_or_default(), &percent::encode(key));
        }
    }
    table.finish(&peer.ask(&get(&format!("/{bucket}/a/b"))), "200");
}

#[test]
fn dates_come_in_both_forms_in_both_headers() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    let (http, iso) = (date::http_date(now()), iso_basic());
    let put = |name: &str, value: &str, signed: &str| put(&target, "x").anonymous().with(name, value).with("authorization", v1(signed));
    for (name, asked) in [
        ("Date", put("date", &http, &format!("PUT\n\n\n{http}\n{target}"))),
        ("Date, ISO", put("date", &iso, &format!("PUT\n\n\n{iso}\n{target}"))),
        // ali-oss: in the place of the date and among the headers.
        ("x-oss-date", put("x-oss-date", &http, &format!("PUT\n\n\n{http}\nx-oss-date:{http}\n{target}"))),
        ("x-oss-date, ISO", put("x-oss-date", &iso, &format!("PUT\n\n\n{iso}\nx-oss-date:{iso}\n{target}"))),
        (
            "x-oss-date wins",
            put("x-oss-date", &http, &format!("PUT\n\n\n{http}\nx-oss-date:{http}\n{target}")).with_unsigned("Date", "yesterday"),
        ),
        // iOS's version 4, whose Date is no date of HTTP's.
        ("V4 with a Date in ISO form", get("/").with_unsigned("Date", &iso)),
        ("V4 with a Date that is none", get("/").with_unsigned("Date", "yesterday")),
    ] {
        table.line(name, &peer.ask(&asked), "200");
    }
    table.finish(&peer.ask(&get(&target)), "404");
}

#[test]
fn bodies_come_as_clients_frame_them() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let of_nothing = "1B2M2Y8AsgTpgAmY7PhCfg==";
    let quirks = |asked: Request| asked.with("content-md5", of_nothing).with("content-type", "application/octet-stream");
    table.line("PutBucket, empty chunks", &peer.ask(&empty_chunks(put("/go-bucket", "")).with("content-md5", of_nothing)), "200");
    for (name, asked, expected) in [
        ("acl, empty chunks", quirks(empty_chunks(put(&format!("/{bucket}?acl"), "").with("x-oss-acl", "private"))), "200"),
        ("put, empty chunks", quirks(empty_chunks(put(&format!("/{bucket}/empty"), ""))), "200"),
        ("GET with the MD5 of nothing", quirks(get(&format!("/{bucket}/empty"))), "200"),
        ("HEAD with the MD5 of nothing", quirks(head(&format!("/{bucket}/empty"))), "200"),
        ("list with the MD5 of nothing", quirks(get(&format!("/{bucket}/?list-type=2&start-after&continuation-token"))), "200"),
        ("DELETE with the MD5 of nothing", quirks(delete(&format!("/{bucket}/empty"))), "204"),
        // ali-oss's putStream.
        (
            "put in chunks",
            put(&format!("/{bucket}/chunks"), "3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n").unframed().with("transfer-encoding", "chunked"),
            "200",
        ),
        (
            "append in chunks",
            post(&format!("/{bucket}/log?append&position=0"), "5\r\nhello\r\n0\r\n\r\n").unframed().with("transfer-encoding", "chunked"),
            "200",
        ),
        ("symlink, empty chunks", empty_chunks(put(&format!("/{bucket}/l?symlink"), "").with("x-oss-symlink-target", "chunks")), "200"),
        (
            "copy, empty chunks",
            quirks(empty_chunks(put(&format!("/{bucket}/c"), "").with("x-oss-copy-source", format!("/{bucket}/chunks")))),
            "200",
        ),
    ] {
        table.line(name, &peer.ask(&asked), expected);
    }
    for key in ["chunks", "log", "l", "c"] {
        table.check(key, peer.ask(&get(&format!("/{bucket}/{key}"))).text(), "hello");
    }
    // Go's upload in parts, whose calls without a body have one of no chunks.
    let target = format!("/{bucket}/parts");
    let created = peer.ask(&quirks(empty_chunks(post(&format!("{target}?uploads&encoding-type=url"), ""))));
    table.line("initiate", &created, "200");
    let upload = created.element("UploadId").unwrap_or_default().to_owned();
    let part =
        put(&format!("{target}?partNumber=1&uploadId={upload}"), "5\r\nhello\r\n0\r\n\r\n").unframed().with("transfer-encoding", "chunked");
    table.line("part in chunks", &peer.ask(&part), "200");
    let copied = quirks(empty_chunks(put(&format!("{target}?partNumber=2&uploadId={upload}"), "")));
    table.line("copied part", &peer.ask(&copied.with("x-oss-copy-source", format!("/{bucket}/chunks"))), "200");
    let all = empty_chunks(post(&format!("{target}?uploadId={upload}&encoding-type=url"), "")).with("x-oss-complete-all", "yes");
    table.line("complete all", &peer.ask(&all), "200");
    let read = peer.ask(&get(&target).with("range", "bytes=0-").with("x-oss-range-behavior", "standard"));
    table.check("read as Go reads", &format!("{} {}", read.status, read.text()), "206 hellohello");
    table.finish(&read, "404");
}

#[test]
fn the_first_java_sdk_signs_the_url_of_a_bucket_without_a_slash() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let expires = now().secs() + 60;
    let signed = |resource: &str, target: &str| {
        let signature = percent::encode(&hmac_sha1(SECRET_KEY, &format!("GET\n\n\n{expires}\n{resource}")));
        get(&format!("{target}?Expires={expires}&OSSAccessKeyId={ACCESS_KEY}&Signature={signature}")).anonymous()
    };
    let bare = format!("/{bucket}");
    for (name, asked) in [
        ("without", signed(&bare, &bare)),
        ("without, sent with", signed(&bare, &format!("{bare}/"))),
        ("with", signed(&format!("{bare}/"), &bare)),
        ("in the host", signed(&bare, "/").with("host", format!("{bucket}.oss.test"))),
    ] {
        table.check(name, peer.ask(&asked).element("Name").unwrap_or_default(), &bucket);
    }
    // What Java reads of a HEAD and of a put.
    peer.expect(&put(&format!("{bare}/k"), "hello").with("content-md5", content_md5(b"hello")), 200);
    let shown = peer.ask(&head(&format!("{bare}/k")));
    table.check("length", shown.header("content-length").unwrap_or_default(), "5");
    let other = signed(&format!("{bare}x"), &bare);
    table.finish(&peer.ask(&other), "200");
}

#[test]
fn authorization_of_version_4_is_a_list_in_any_order() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    peer.expect(&put(&target, "x"), 200);
    let asked = get(&target).signing_also(&["range", "host"]).with("range", "bytes=0-0");
    let parts = asked.signed_parts(&peer.host());
    let header = |name: &str| parts.headers[name].to_str().expect("it is text").to_owned();
    let authorization = header("authorization");
    let components: Vec<&str> = authorization.strip_prefix("OSS4-HMAC-SHA256 ").expect("it is version 4").split(',').collect();
    let [credential, additional, signature] = components[..] else { panic!("{authorization}") };
    let unsorted = additional.replace("host;range", "range;host");
    let with = |list: String| {
        let asked = get(&target).anonymous().with("range", "bytes=0-0");
        let asked = asked.with("x-oss-date", header("x-oss-date")).with("x-oss-content-sha256", "UNSIGNED-PAYLOAD");
        asked.with("authorization", format!("OSS4-HMAC-SHA256 {list}"))
    };
    for list in [
        format!("{credential},{additional},{signature}"),
        // oss2: spaces, the signature before the names, and those sorted by their first letters only.
        format!("{credential}, {signature}, {unsorted}"),
        format!("{additional},{signature},{credential}"),
    ] {
        table.line(&list.clone(), &peer.ask(&with(list)), "206");
    }
    let missing = peer.ask(&with(format!("{credential},{signature}")));
    table.check("unnamed headers", missing.element("Code").unwrap_or_default(), "SignatureDoesNotMatch");
    table.finish(&missing, "206");
}

#[test]
fn who_expects_100_is_answered_before_and_after_the_body() {
    let peer = Peer::start();
    let target = format!("/{}/k", peer.bucket());
    let asked = put(&target, "hello").with("expect", "100-continue").with("content-type", "text/plain");
    let mut client = peer.connect();
    client.send(asked.head_bytes(&peer.host())).expect("the server reads");
    assert_eq!(client.receive("PUT").expect("the server answers").status, 100);
    client.send("hello").expect("the server reads");
    assert_eq!(client.receive("PUT").expect("the server answers").status, 200);
    // Who may not is told so without having to send anything.
    let mut client = peer.connect();
    client.send(asked.signed_as(ACCESS_KEY, "another secret").head_bytes(&peer.host())).expect("the server reads");
    let refused = client.receive("PUT").expect("the server answers");
    assert_eq!((refused.status, refused.element("Code")), (403, Some("SignatureDoesNotMatch")));
    assert_eq!(peer.ask(&get(&target)).text(), "hello");
}
