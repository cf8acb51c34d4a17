//! Multipart uploads (oss.md §14): the seven calls, their documents, their checks and the order of those.

use crate::{
    client::{Peer, content_md5, crc64, delete, etag, get, head, post, put},
    table::Table,
};

const NO_UPLOAD: &str = "0004B9894A22E5B1888A1E29F8236E2D";
const MALFORMED: &str =
    "400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema. 0042-00000205";
const ORDER: &str = "400 InvalidPartOrder: The list of parts was not in ascending order.";

fn no_such_upload(id: &str) -> String {
    format!(
        "404 NoSuchUpload: The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or \
         completed. (UploadId={id}) 0017-00000244"
    )
}

fn invalid_part(upload: &str, number: &str, etag: &str) -> String {
    format!(
        "400 InvalidPart: One or more of the specified parts could not be found or the specified entity tag might not have matched \
         the part's entity tag. (PartNumber={number}; ETag=\"{etag}\"; UploadId={upload})"
    )
}

fn invalid_number(number: &str) -> String {
    format!(
        "400 InvalidArgument: Part number must be an integer between 1 and 10000, inclusive. \
         (ArgumentName=PartNumber; ArgumentValue={number}) 0017-00000220"
    )
}

fn part(number: &str, etag: &str) -> String {
    format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
}

fn document(parts: &[String]) -> String {
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.concat())
}

fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

#[test]
fn the_calls_answer_with_the_documents_of_oss() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let host = peer.host();
    let target = format!("/{bucket}/dir/k%20%C3%BC%2B");
    let create = post(&format!("{target}?uploads&encoding-type=url"), "").with("content-type", "text/x").with("x-oss-meta-a", "b");
    let created = peer.ask(&create);
    let upload = created.element("UploadId").expect("the upload has an id").to_owned();
    assert!(upload.len() == 32 && upload.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'A'..=b'F')), "{upload}");
    let varying = [(upload.as_str(), "UPLOAD"), (host.as_str(), "HOST")];
    table.golden("initiate_url", &created, &varying);
    let other = peer.ask(&post(&format!("/{bucket}/other?uploads"), ""));
    table.golden("initiate", &other, &[(other.element("UploadId").expect("the upload has an id"), "UPLOAD")]);
    for (number, body) in [("1", "hello"), ("3", "world"), ("10000", "")] {
        // ali-oss repeats the metadata, and numbers come before and after the upload.
        for query in [format!("partNumber={number}&uploadId={upload}"), format!("uploadId={upload}&partNumber={number}")] {
            let response = peer.ask(&put(&format!("{target}?{query}"), body).with("x-oss-meta-a", "other"));
            table.check(number, &format!("{} {:?}", response.status, response.text()), "200 \"\"");
            table.check("ETag of a part", response.header("etag").unwrap_or_default(), &etag(body));
            table.check("MD5 of a part", response.header("content-md5").unwrap_or_default(), &content_md5(body.as_bytes()));
            table.check("CRC of a part", response.header("x-oss-hash-crc64ecma").unwrap_or_default(), &crc64(body));
        }
    }
    let list = |query: &str| peer.ask(&get(&format!("{target}?uploadId={upload}{query}")));
    table.golden("list_parts", &list(""), &varying);
    table.golden("list_parts_page", &list("&max-parts=1&part-number-marker=1&encoding-type=url"), &varying);
    for (query, expected) in [
        ("", "0 10000 1000 false"),
        ("&max-parts=2", "0 3 2 true"),
        ("&max-parts=2&part-number-marker=3", "3 10000 2 false"),
        ("&part-number-marker=10000", "10000 10000 1000 false"),
        ("&part-number-marker=2", "2 10000 1000 false"),
    ] {
        let response = list(query);
        let shown = ["PartNumberMarker", "NextPartNumberMarker", "MaxParts", "IsTruncated"];
        table.check(query, &shown.map(|name| response.element(name).unwrap_or("-")).join(" "), expected);
    }
    table.line(
        "invisible until completed",
        &peer.ask(&head(&target)),
        "404 NoSuchKey: The specified key does not exist. (Key=dir/k ü+) 0026-00000001",
    );
    let list = document(&[part("1", &etag("hello")), part("3", &etag("world"))]);
    let completed = peer.ask(&post(&format!("{target}?uploadId={upload}&encoding-type=url"), &list));
    table.golden("complete", &completed, &varying);
    table.check("CRC of the whole", completed.header("x-oss-hash-crc64ecma").unwrap_or_default(), &crc64("helloworld"));
    let stored = peer.ask(&get(&target));
    table.check("content", stored.text(), "helloworld");
    for (name, expected) in [
        ("etag", completed.header("etag").unwrap_or("none")),
        ("x-oss-hash-crc64ecma", &crc64("helloworld")),
        ("x-oss-object-type", "Multipart"),
        ("content-type", "text/x"),
        ("x-oss-meta-a", "b"),
    ] {
        table.check(name, stored.header(name).unwrap_or_default(), expected);
    }
    table.check("no MD5 of the whole is known", stored.header("content-md5").unwrap_or("none"), "none");
    table.finish(&completed, "400");
}

#[test]
fn what_is_wrong_with_a_part_is_told() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let upload = peer.create_upload(&target, &[]);
    let send = |query: &str| put(&format!("{target}?{query}"), "hello");
    let to = |number: &str| send(&format!("partNumber={number}&uploadId={upload}"));
    for (name, asked, expected) in [
        ("number 0", to("0"), invalid_number("0")),
        ("number 10001", to("10001"), invalid_number("10001")),
        ("number -1", to("-1"), invalid_number("-1")),
        ("number that is none", to("one"), invalid_number("one")),
        ("no number at all", to(""), invalid_number("")),
        ("number before the upload", send("partNumber=0&uploadId=x"), invalid_number("0")),
        ("no such upload", send(&format!("partNumber=1&uploadId={NO_UPLOAD}")), no_such_upload(NO_UPLOAD)),
        ("an id that can be none", send("partNumber=1&uploadId=x%2By"), no_such_upload("x+y")),
        ("another key", put(&format!("{target}2?partNumber=1&uploadId={upload}"), "x"), no_such_upload(&upload)),
        (
            "encryption",
            to("1").with("x-oss-server-side-encryption", "AES256"),
            "400 InvalidArgument: x-oss-server-side-encryption must not be specified for a part. \
             (ArgumentName=x-oss-server-side-encryption; ArgumentValue=AES256)"
                .to_owned(),
        ),
        (
            "MD5 that is none",
            to("1").with("content-md5", "abc"),
            "400 InvalidDigest: The Content-MD5 you specified was invalid. (Content-MD5=abc)".to_owned(),
        ),
        (
            "wrong MD5",
            to("1").with("content-md5", content_md5(b"x")),
            "400 InvalidDigest: The Content-MD5 you specified was invalid. (Content-MD5=ndTkYSaMgDT1yFZOFVxnpg==)".to_owned(),
        ),
        (
            "wrong CRC",
            to("1").with("x-oss-hash-crc64ecma", "1"),
            "400 InvalidCRC64: The x-oss-hash-crc64ecma you specified does not match what we calculated.".to_owned(),
        ),
        ("nothing was kept", get(&format!("{target}?uploadId={upload}")), "200".to_owned()),
        (
            "max-parts",
            get(&format!("{target}?uploadId={upload}&max-parts=1001")),
            "400 InvalidArgument: Argument max-parts must be an integer between 1 and 1000. \
             (ArgumentName=max-parts; ArgumentValue=1001)"
                .to_owned(),
        ),
        (
            "right MD5 and CRC",
            to("1").with("content-md5", content_md5(b"hello")).with("x-oss-hash-crc64ecma", crc64("hello")),
            "200".to_owned(),
        ),
        ("abort another", delete(&format!("{target}?uploadId={NO_UPLOAD}")), no_such_upload(NO_UPLOAD)),
        ("abort", delete(&format!("{target}?uploadId={upload}")), "204".to_owned()),
        ("abort again", delete(&format!("{target}?uploadId={upload}")), no_such_upload(&upload)),
        ("list afterwards", get(&format!("{target}?uploadId={upload}")), no_such_upload(&upload)),
        ("part afterwards", to("1"), no_such_upload(&upload)),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    table.finish(&peer.ask(&to("1")), &no_such_upload(NO_UPLOAD));
}

#[test]
fn a_complete_is_read_however_it_is_written() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let both = |quote: &str| {
        document(&[("1", "hello"), ("2", "w")].map(|(number, body)| part(number, &format!("{quote}{}{quote}", bare(&etag(body))))))
    };
    let declared = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let mut last = None;
    for (name, spelling) in [
        ("quotes", both("\"")),
        ("no quotes", both("")),
        ("entities", both("&quot;")),
        ("numeric entities", both("&#34;")),
        ("lower case", both("\"").replace(&bare(&etag("hello")), &bare(&etag("hello")).to_lowercase())),
        ("ali-oss", format!("{declared}\n{}", both("\"").replace("<Part>", "<Part>\n").replace("</Part>", "</Part>\n"))),
        (
            "ETag first",
            document(
                &[("1", "hello"), ("2", "w")]
                    .map(|(number, body)| format!("<Part><ETag>{}</ETag><PartNumber>{number}</PartNumber></Part>", etag(body))),
            ),
        ),
        ("byte order mark", format!("\u{feff}{}", both("\""))),
    ] {
        for content_type in [None, Some("text/xml"), Some("application/octet-stream")] {
            let upload = peer.create_upload(&target, &[]);
            peer.upload_part(&target, &upload, 1, "hello");
            peer.upload_part(&target, &upload, 2, "w");
            let asked = post(&format!("{target}?uploadId={upload}"), &spelling);
            let asked = content_type.into_iter().fold(asked, |asked, value| asked.with("content-type", value));
            let response = peer.ask(&asked);
            table.line(&format!("{name} {content_type:?}"), &response, "200");
            let shown = response.element("ETag").unwrap_or_default().replace("&quot;", "\"");
            table.check(name, response.header("etag").unwrap_or_default(), &shown);
            assert!(shown.ends_with("-2\""), "{shown}");
            last = Some(response);
        }
    }
    table.check("content", peer.ask(&get(&target)).text(), "hellow");
    table.finish(&last.expect("there are spellings"), "400");
}

#[test]
fn a_complete_is_checked_in_order_and_its_upload_is_used_up() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let upload = peer.create_upload(&target, &[]);
    let [one, two, three] =
        [(1, "hello"), (2, "tiny"), (3, "world")].map(|(number, body)| peer.upload_part(&target, &upload, number, body));
    let complete = |document: String| post(&format!("{target}?uploadId={upload}"), document);
    let of_nothing = |document: String| post(&format!("{target}?uploadId={NO_UPLOAD}"), document);
    let good = || document(&[part("1", &one), part("3", &three)]);
    let stranger = "0".repeat(32);
    let order = format!("{ORDER} (UploadId={upload}) 0042-00000209");
    let too_many: Vec<String> = (1..=10_001).map(|number| part(&number.to_string(), "x")).collect();
    let too_small = format!(
        "400 EntityTooSmall: Your proposed upload smaller than the minimum allowed size. \
         (ETag={two}; MinSizeAllowed=5; ProposedSize=4; PartNumber=2) 0042-00000213"
    );
    let both = "400 InvalidArgument: Should not speficy both complete all header and http body. \
                (ArgumentName=x-oss-complete-all; ArgumentValue=yes) 0042-00000216";
    for (name, asked, expected) in [
        ("empty", complete(String::new()), MALFORMED.to_owned()),
        ("no XML", complete("hello".to_owned()), MALFORMED.to_owned()),
        ("no parts", complete(document(&[])), MALFORMED.to_owned()),
        ("another root", complete(good().replace("CompleteMultipartUpload", "Complete")), MALFORMED.to_owned()),
        ("no ETag", complete(document(&["<Part><PartNumber>1</PartNumber></Part>".to_owned()])), MALFORMED.to_owned()),
        ("no number", complete(document(&[format!("<Part><ETag>{one}</ETag></Part>")])), MALFORMED.to_owned()),
        ("truncated", complete(good()[..60].to_owned()), MALFORMED.to_owned()),
        ("too many parts", complete(document(&too_many)), MALFORMED.to_owned()),
        ("no upload", of_nothing(good()), no_such_upload(NO_UPLOAD)),
        ("number 0", complete(document(&[part("0", &one)])), invalid_number("0")),
        ("order before parts", complete(document(&[part("3", &stranger), part("1", &one)])), order.clone()),
        ("twice", complete(document(&[part("1", &one), part("1", &one)])), order),
        ("unknown part", complete(document(&[part("1", &one), part("4", &one)])), invalid_part(&upload, "4", &bare(&one))),
        ("number 10001", complete(document(&[part("1", &one), part("10001", &one)])), invalid_part(&upload, "10001", &bare(&one))),
        ("another ETag", complete(document(&[part("1", &stranger)])), invalid_part(&upload, "1", &stranger)),
        ("ETag that is none", complete(document(&[part("1", "x")])), invalid_part(&upload, "1", "x")),
        ("too small", complete(document(&[part("2", &two), part("3", &three)])), too_small),
        ("all and a list", complete(good()).with("x-oss-complete-all", "yes"), both.to_owned()),
        (
            "all in another word",
            complete(String::new()).with("x-oss-complete-all", "no"),
            "400 InvalidArgument: The value of x-oss-complete-all must be yes. (ArgumentName=x-oss-complete-all; ArgumentValue=no)"
                .to_owned(),
        ),
        (
            "MD5 of the document",
            complete(good()).with("content-md5", content_md5(b"x")),
            "400 InvalidDigest: The Content-MD5 you specified was invalid. (Content-MD5=ndTkYSaMgDT1yFZOFVxnpg==)".to_owned(),
        ),
        ("good, with gaps", complete(good()).with("content-md5", content_md5(good().as_bytes())), "200".to_owned()),
        ("another list", complete(document(&[part("1", &one)])), no_such_upload(&upload)),
        ("abort afterwards", delete(&format!("{target}?uploadId={upload}")), no_such_upload(&upload)),
        ("part afterwards", put(&format!("{target}?partNumber=1&uploadId={upload}"), "x"), no_such_upload(&upload)),
        ("list afterwards", get(&format!("{target}?uploadId={upload}")), no_such_upload(&upload)),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    table.check("content", peer.ask(&get(&target)).text(), "helloworld");
    // OSS does not answer a repeated Complete with the first answer.
    let replay = peer.ask(&complete(good()));
    table.line("again", &replay, &no_such_upload(&upload));
    table.finish(&replay, "200");
}

#[test]
fn all_parts_can_be_taken_and_nothing_overwritten() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    let all = |target: &str, upload: &str| post(&format!("{target}?uploadId={upload}"), "").with("x-oss-complete-all", "yes");
    let nothing = peer.create_upload(&target, &[]);
    table.line("all of nothing", &peer.ask(&all(&target, &nothing)), MALFORMED);
    let upload = peer.create_upload(&target, &[("x-oss-forbid-overwrite", "true")]);
    for (number, body) in [(7, "world"), (2, "hello")] {
        peer.upload_part(&target, &upload, number, body);
    }
    let completed = peer.ask(&all(&target, &upload));
    table.line("all", &completed, "200");
    table.check("CRC", completed.header("x-oss-hash-crc64ecma").unwrap_or_default(), &crc64("helloworld"));
    table.check("content", peer.ask(&get(&target)).text(), "helloworld");

    let exists = "409 FileAlreadyExists: The object you specified already exists and can not be overwritten. (Key=k)";
    table.line("initiate", &peer.ask(&post(&format!("{target}?uploads"), "").with("x-oss-forbid-overwrite", "true")), exists);
    let upload = peer.create_upload(&target, &[]);
    let one = peer.upload_part(&target, &upload, 1, "other");
    let complete = post(&format!("{target}?uploadId={upload}"), document(&[part("1", &one)]));
    table.line("complete", &peer.ask(&complete.clone().with("x-oss-forbid-overwrite", "true")), exists);
    table.check("still the first", peer.ask(&get(&target)).text(), "helloworld");
    table.line("complete over it", &peer.ask(&complete), "200");
    table.check("now the other", peer.ask(&get(&target)).text(), "other");

    let sequential = post(&format!("/{bucket}/s?sequential&uploads"), "");
    let upload = peer.expect(&sequential, 200).element("UploadId").expect("the upload has an id").to_owned();
    let send = |number: u32, body: &str| put(&format!("/{bucket}/s?partNumber={number}&uploadId={upload}"), body);
    let gap = |number: u32| {
        format!("400 PartNotSequential: The part does not follow the last part of a sequential upload. (PartNumber={number})")
    };
    for (name, asked, expected) in [
        ("begins with 2", send(2, "world"), gap(2)),
        ("1", send(1, "hello"), "200".to_owned()),
        ("3 after 1", send(3, "world"), gap(3)),
        ("2", send(2, "world"), "200".to_owned()),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    table.line("sequential", &peer.ask(&all(&format!("/{bucket}/s"), &upload)), "200");
    table.check("its content", peer.ask(&get(&format!("/{bucket}/s"))).text(), "helloworld");
    table.finish(&completed, "409");
}

#[test]
fn parts_are_copied_from_objects() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    peer.expect(&put(&format!("/{bucket}/a%20b%2Fc"), "hello"), 200);
    let upload = peer.create_upload(&target, &[]);
    let copy = |source: &str| put(&format!("{target}?partNumber=1&uploadId={upload}"), "").with("x-oss-copy-source", source);
    let source = format!("/{bucket}/a%20b%2Fc");
    let copied = peer.ask(&copy(&source));
    table.golden("copy_part", &copied, &[]);
    let size = |response: &partway::testkit::raw_client::RawResponse| {
        let shown = peer.ask(&get(&format!("{target}?uploadId={upload}"))).element("Size").unwrap_or("-").to_owned();
        format!("{} {shown}", response.status)
    };
    for (range, expected) in [
        ("bytes=0-4", "200 5"),
        ("bytes=1-3", "200 3"),
        ("bytes=4-4", "200 1"),
        ("bytes=3-", "200 2"),
        // Invalid ones are ranges of the whole.
        ("bytes=3-1", "200 5"),
        ("0-1", "200 5"),
        ("bytes=0-1,2-3", "200 5"),
    ] {
        let response = peer.ask(&copy(&source).with("x-oss-copy-source-range", range));
        table.check(range, &size(&response), expected);
    }
    let mention = "400 InvalidArgument: Copy Source must mention the source bucket and key: /sourcebucket/sourcekey. \
                   (ArgumentName=x-oss-copy-source; ArgumentValue=";
    let failed =
        |name: &str| format!("412 PreconditionFailed: At least one of the pre-conditions you specified did not hold. (Condition={name})");
    for (name, asked, expected) in [
        ("slashes as they are", copy(&format!("/{bucket}/a%20b/c")), "200".to_owned()),
        ("no first slash", copy(&format!("{bucket}/a%20b/c")), "200".to_owned()),
        ("version null", copy(&format!("{source}?versionId=null")), "200".to_owned()),
        ("no key", copy(&format!("/{bucket}")), format!("{mention}/{bucket})")),
        ("no bucket", copy("x"), format!("{mention}x)")),
        ("not decodable", copy(&format!("/{bucket}/%ff")), format!("{mention}/{bucket}/%ff)")),
        (
            "missing",
            copy(&format!("/{bucket}/none")),
            "404 NoSuchKey: The specified key does not exist. (Key=none) 0026-00000001".to_owned(),
        ),
        ("if-match", copy(&source).with("x-oss-copy-source-if-match", etag("hello")), "200".to_owned()),
        ("if-match, lower case", copy(&source).with("x-oss-copy-source-if-match", bare(&etag("hello")).to_lowercase()), "200".to_owned()),
        ("if-match of another", copy(&source).with("x-oss-copy-source-if-match", etag("x")), failed("x-oss-copy-source-If-Match")),
        ("if-none-match", copy(&source).with("x-oss-copy-source-if-none-match", etag("hello")), failed("x-oss-copy-source-If-None-Match")),
        (
            "unmodified since long ago",
            copy(&source).with("x-oss-copy-source-if-unmodified-since", "Thu, 15 Jan 2015 08:30:00 GMT"),
            failed("x-oss-copy-source-If-Unmodified-Since"),
        ),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    table.finish(&copied, "404");
}

#[test]
fn uploads_are_listed_in_order_and_by_page() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let create = |key: &&str| {
        // Ids are in the order of their milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(2));
        peer.create_upload(&format!("/{bucket}/{key}"), &[])
    };
    let uploads: Vec<String> = ["a", "a", "b%2F1", "b%2F2", "c%20%2B", "d"].iter().map(create).collect();
    let names: Vec<String> = (0..uploads.len()).map(|number| format!("UPLOAD{number}")).collect();
    let varying: Vec<(&str, &str)> = uploads.iter().map(String::as_str).zip(names.iter().map(String::as_str)).collect();
    let list = |query: &str| peer.ask(&get(&format!("/{bucket}/?uploads&{query}")));
    table.golden("list_uploads", &list("encoding-type=url"), &varying);
    table.golden("list_uploads_delimiter", &list("delimiter=/"), &varying);
    table.golden("list_uploads_page", &list(&format!("max-uploads=1&key-marker=a&upload-id-marker={}", uploads[0])), &varying);
    let keys = |query: &str| {
        let response = list(query);
        let shown: Vec<&str> = response.text().split("<Key>").skip(1).map(|rest| rest.split('<').next().unwrap_or_default()).collect();
        format!("{} {}", shown.join(","), response.element("IsTruncated").unwrap_or("-"))
    };
    for (query, expected) in [
        ("", "a,a,b/1,b/2,c +,d false"),
        ("prefix=b/", "b/1,b/2 false"),
        ("key-marker=a", "b/1,b/2,c +,d false"),
        ("key-marker=b/1&max-uploads=2", "b/2,c + true"),
        // Without a key it is nobody's.
        (&format!("upload-id-marker={NO_UPLOAD}"), "a,a,b/1,b/2,c +,d false"),
        (&format!("key-marker=a&upload-id-marker={}", uploads[0]), "a,b/1,b/2,c +,d false"),
        (&format!("key-marker=a&upload-id-marker={}", uploads[1]), "b/1,b/2,c +,d false"),
    ] {
        table.check(query, &keys(query), expected);
    }
    let bad = list("max-uploads=0");
    table.line(
        "max-uploads",
        &bad,
        "400 InvalidArgument: Argument max-uploads must be an integer between 1 and 1000. (ArgumentName=max-uploads; ArgumentValue=0)",
    );
    table.finish(&bad, "200");
}
