//! Conditional writes and deletes (s3.md §11), DeleteObjects (§14).

use crate::{
    client::{Peer, checksum, content_md5, delete, get, post, put},
    table::Table,
};

const SAME: &str = "\"5d41402abc4b2a76b9719d911017c592\"";
const OTHER: &str = "\"00000000000000000000000000000000\"";
const NO_KEY: &str = "404 NoSuchKey: The specified key does not exist. (Key=none)";

fn failed(name: &str) -> String {
    format!("412 PreconditionFailed: At least one of the pre-conditions you specified did not hold (Condition={name})")
}

fn not_accepted(header: &str, additional: &str) -> String {
    format!(
        "501 NotImplemented: A header you provided implies functionality that is not implemented (Header={header}; additionalMessage={additional})"
    )
}

#[test]
fn conditions_on_writes_hold_for_put_copy_and_complete_alike() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let (k, none, source) = (format!("/{bucket}/k"), format!("/{bucket}/none"), format!("/{bucket}/source"));
    peer.expect(&put(&source, "hello"), 200);
    let value = "We don't accept the provided value of If-None-Match header for this API";
    let both = "Multiple conditional request headers present in the request";
    for (name, target, conditions, expected) in [
        ("absent and is not", &k, vec![("if-none-match", "*")], failed("If-None-Match")),
        ("matches", &k, vec![("if-match", SAME)], "200".to_owned()),
        ("matches without quotes", &k, vec![("if-match", SAME.trim_matches('"'))], "200".to_owned()),
        ("matches anything", &k, vec![("if-match", "*")], "200".to_owned()),
        ("differs", &k, vec![("if-match", OTHER)], failed("If-Match")),
        ("matches nothing", &none, vec![("if-match", SAME)], NO_KEY.to_owned()),
        ("matches anything of nothing", &none, vec![("if-match", "*")], NO_KEY.to_owned()),
        ("absent unless", &k, vec![("if-none-match", OTHER)], not_accepted("If-None-Match", value)),
        ("both", &k, vec![("if-match", SAME), ("if-none-match", "*")], not_accepted("If-Match,If-None-Match", both)),
        (
            "date",
            &k,
            vec![("if-unmodified-since", "Wed, 21 Oct 2099 07:28:00 GMT")],
            not_accepted("If-Unmodified-Since", "Writes accept no condition on dates"),
        ),
        ("absent and is", &none, vec![("if-none-match", "*")], "200".to_owned()),
    ] {
        for kind in ["put", "copy", "complete"] {
            peer.expect(&put(&k, "hello"), 200);
            peer.expect(&delete(&none), 204);
            let asked = match kind {
                "put" => put(target, "new"),
                "copy" => put(target, "").with("x-amz-copy-source", &source),
                _ => {
                    let upload = peer.create_upload(target, &[]);
                    let etag = peer.upload_part(target, &upload, 1, "new");
                    let document = format!(
                        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>"
                    );
                    post(&format!("{target}?uploadId={upload}"), document)
                }
            };
            let asked = conditions.iter().fold(asked, |asked, (name, value)| asked.with(name, value));
            table.line(&format!("{kind}: {name}"), &peer.ask(&asked), &expected);
        }
    }
    for (name, condition, expected) in [
        ("delete: differs", ("if-match", OTHER), failed("If-Match")),
        ("delete: absent", ("if-none-match", "*"), not_accepted("If-None-Match", "Deletes accept no other condition than If-Match")),
        ("delete: matches", ("if-match", SAME), "204".to_owned()),
    ] {
        peer.expect(&put(&k, "hello"), 200);
        table.line(name, &peer.ask(&delete(&k).with(condition.0, condition.1)), &expected);
    }
    table.line("it is deleted", &peer.ask(&get(&k)), "404 NoSuchKey: The specified key does not exist. (Key=k)");
    peer.expect(&put(&k, "hello"), 200);
    table.line("delete: exists", &peer.ask(&delete(&k).with("if-match", "*")), "204");
    let canary = peer.ask(&delete(&k).with("if-match", "*"));
    table.finish(&canary, "200");
}

#[test]
fn many_objects_are_deleted_by_one_document() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}?delete");
    let delete = |document: &str| post(&target, document).with("content-md5", content_md5(document.as_bytes()));
    for key in ["a", "b%20b", "c%01", "d%3C%26%22", "e%0D%0A", "%F0%9F%98%80"] {
        peer.expect(&put(&format!("/{bucket}/{key}"), "x"), 200);
    }
    let document = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <Object><Key>a</Key></Object><Object><VersionId>null</VersionId><Key>b b</Key></Object>\
                    <Object><Key>c&#x1;</Key></Object><Object><Key>d&lt;&amp;&quot;</Key></Object><Object><Key>e&#13;&#xA;</Key></Object>\
                    <Object><Key>😀</Key></Object><Object><Key>missing</Key></Object>\
                    <Object><Key>v</Key><VersionId>x</VersionId></Object></Delete>";
    table.golden("delete_objects", &peer.ask(&delete(document)), &[]);
    table.check("they are gone", peer.ask(&get(&format!("/{bucket}?list-type=2"))).element("KeyCount").unwrap_or_default(), "0");
    peer.expect(&put(&format!("/{bucket}/a"), "hello"), 200);
    let conditional =
        format!("<Delete><Quiet>true</Quiet><Object><Key>a</Key><ETag>{OTHER}</ETag></Object><Object><Key>missing</Key></Object></Delete>");
    table.golden("delete_objects_quiet", &peer.ask(&delete(&conditional)), &[]);

    let one = "<Delete><Object><Key>a</Key></Object></Delete>";
    let malformed = "400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema";
    let thousand = |count: usize| format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(count));
    for (name, asked, expected) in [
        ("no digest", post(&target, one), "400 InvalidRequest: Missing required header for this request: Content-MD5 OR x-amz-checksum-*"),
        ("checksum", post(&target, one).with("x-amz-checksum-crc32", checksum("CRC32", one.as_bytes())), "200"),
        (
            "wrong checksum",
            post(&target, one).with("x-amz-checksum-crc32", checksum("CRC32", b"x")),
            "400 BadDigest: The CRC32 you specified did not match the calculated checksum.",
        ),
        ("empty", delete(""), "400 MissingRequestBodyError: Request Body is empty"),
        ("no objects", delete("<Delete/>"), malformed),
        ("no key", delete("<Delete><Object><VersionId>null</VersionId></Object></Delete>"), malformed),
        ("another root", delete("<Remove><Object><Key>a</Key></Object></Remove>"), malformed),
        ("thousand", delete(&thousand(1000)), "200"),
        ("thousand and one", delete(&thousand(1001)), malformed),
        (
            "long key",
            delete(&format!("<Delete><Object><Key>{}</Key></Object></Delete>", "k".repeat(1025))),
            "400 KeyTooLongError: Your key is too long (Size=1025; MaxSizeAllowed=1024)",
        ),
        (
            "too large",
            delete(&" ".repeat((2 << 20) + 1)),
            "400 MaxMessageLengthExceeded: Your request was too big. (MaxMessageLengthBytes=2097152)",
        ),
    ] {
        table.line(name, &peer.ask(&asked), expected);
    }
    let canary = peer.ask(&delete("<Delete/>"));
    table.finish(&canary, "200");
}
