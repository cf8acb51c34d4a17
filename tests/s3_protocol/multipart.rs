//! Multipart uploads (s3.md §10): the order of checks, every spelling of a Complete, replays, listings.

use crate::{
    client::{Peer, content_md5, delete, etag, get, head, post, put},
    table::Table,
};

const NO_UPLOAD: &str = "00000000000000000000000000000000";
const MALFORMED: &str = "400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema";

fn no_such_upload(id: &str) -> String {
    format!(
        "404 NoSuchUpload: The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been \
         aborted or completed. (UploadId={id})"
    )
}

fn invalid_part(upload: &str, number: &str, etag: &str) -> String {
    format!(
        "400 InvalidPart: One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified \
         entity tag may not match the part's entity tag. (UploadId={upload}; PartNumber={number}; ETag={etag})"
    )
}

fn out_of_order(upload: &str) -> String {
    format!("400 InvalidPartOrder: The list of parts was not in ascending order. Parts must be ordered by part number. (UploadId={upload})")
}

fn invalid_number(text: &str) -> String {
    format!(
        "400 InvalidArgument: Part number must be an integer between 1 and 10000, inclusive (ArgumentName=partNumber; ArgumentValue={text})"
    )
}

fn part(number: &str, etag: &str) -> String {
    format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
}

fn document(parts: &[String]) -> String {
    format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", parts.concat())
}

#[test]
fn parts_are_checked_in_the_order_number_upload_body() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    let upload = peer.create_upload(&target, &[]);
    let part = |number: &str, upload: &str| put(&format!("{target}?partNumber={number}&uploadId={upload}"), "hello");
    for number in ["0", "10001", "abc", "-1", "", "1.0", "99999999999999999999", "0x1", "%201"] {
        let shown = number.replace("%20", " ");
        table.line(&format!("part number {number:?}"), &peer.ask(&part(number, &upload)), &invalid_number(&shown));
        table.line(&format!("part number {number:?} of no upload"), &peer.ask(&part(number, NO_UPLOAD)), &invalid_number(&shown));
    }
    for number in ["1", "10000", "0001"] {
        table.line(&format!("part number {number:?}"), &peer.ask(&part(number, &upload)), "200");
    }
    for id in [NO_UPLOAD, "x", "", "..%2F..", "%00", &upload.to_lowercase(), &format!("{upload}0"), "%F0%9F%98%80"] {
        let shown = id.replace("%2F", "/").replace("%00", "\0").replace("%F0%9F%98%80", "😀");
        table.line(&format!("upload id {id:?}"), &peer.ask(&part("1", id)), &no_such_upload(&shown));
        table.line(&format!("list {id:?}"), &peer.ask(&get(&format!("{target}?uploadId={id}"))), &no_such_upload(&shown));
        table.line(&format!("abort {id:?}"), &peer.ask(&delete(&format!("{target}?uploadId={id}"))), &no_such_upload(&shown));
        let complete = post(&format!("{target}?uploadId={id}"), document(&[self::part("1", &etag(b"hello"))]));
        table.line(&format!("complete {id:?}"), &peer.ask(&complete), &no_such_upload(&shown));
    }
    let other = put(&format!("/{bucket}/other?partNumber=1&uploadId={upload}"), "hello");
    table.line("upload of another key", &peer.ask(&other), &no_such_upload(&upload));
    table.line(
        "no part number",
        &peer.ask(&put(&format!("{target}?uploadId={upload}"), "x")),
        &format!(
            "400 InvalidArgument: This operation does not accept uploadId without partNumber (ArgumentName=uploadId; ArgumentValue={upload})"
        ),
    );
    let wrong = peer.ask(&part("2", &upload).with("content-md5", content_md5(b"jello")));
    table.check("wrong Content-MD5", wrong.element("Code").unwrap_or_default(), "BadDigest");
    let listed = peer.ask(&get(&format!("{target}?uploadId={upload}")));
    table.golden("list_parts", &listed, &[(&upload, "UPLOAD")]);
    let page = peer.ask(&get(&format!("{target}?uploadId={upload}&max-parts=1")));
    table.golden("list_parts_page", &page, &[(&upload, "UPLOAD")]);
    for (query, expected) in [
        ("max-parts=5000", "1000 false 10000"),
        ("max-parts=0", "0 false 0"),
        ("part-number-marker=1", "1000 false 10000"),
        ("part-number-marker=10000", "1000 false 10000"),
    ] {
        let response = peer.ask(&get(&format!("{target}?uploadId={upload}&{query}")));
        let shown = ["MaxParts", "IsTruncated", "NextPartNumberMarker"].map(|name| response.element(name).unwrap_or("-"));
        table.check(query, &shown.join(" "), expected);
    }
    for (query, expected) in [
        (
            "max-parts=-1",
            "400 InvalidArgument: Argument max-parts must be an integer between 0 and 2147483647 (ArgumentName=max-parts; ArgumentValue=-1)",
        ),
        (
            "max-parts=abc",
            "400 InvalidArgument: Provided abc not an integer or within integer range (ArgumentName=max-parts; ArgumentValue=abc)",
        ),
    ] {
        table.line(query, &peer.ask(&get(&format!("{target}?uploadId={upload}&{query}"))), expected);
    }
    table.line("aborted", &peer.ask(&delete(&format!("{target}?uploadId={upload}"))), "204");
    let again = peer.ask(&delete(&format!("{target}?uploadId={upload}")));
    table.line("aborted again", &again, &no_such_upload(&upload));
    table.finish(&again, &no_such_upload(NO_UPLOAD));
}

#[test]
fn a_complete_is_read_however_it_is_written() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/dir/k%20%C3%BC+");
    let (one, two) = (hex_md5(b"hello"), hex_md5(b"w"));
    let quoted = |quote: &str, digest: &str| format!("{quote}{digest}{quote}");
    let both = |quote: &str| document(&[part("1", &quoted(quote, &one)), part("2", &quoted(quote, &two))]);
    let declared = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";
    let spellings = [
        ("quotes", both("\"")),
        ("no quotes", both("")),
        ("named entities", both("&quot;")),
        ("numeric entities", both("&#34;")),
        ("hexadecimal entities", both("&#x22;")),
        ("upper case", document(&[part("1", &one.to_uppercase()), part("2", &two.to_uppercase())])),
        ("namespace", both("\"").replacen("Upload>", "Upload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">", 1)),
        ("prefix", both("").replace("</", "</s3:").replace("<C", "<s3:C").replace("<P", "<s3:P").replace("<E", "<s3:E")),
        ("declaration", format!("{declared}\n{}", both("\""))),
        ("byte order mark", format!("\u{feff}{declared}{}", both("\""))),
        ("comment and CDATA", both("").replace(&one, &format!("<!-- c --><![CDATA[{one}]]>"))),
        ("indented", both("\"").replace('<', "\n  <").replace("\n  </ETag", "</ETag").replace("\n  </PartNumber", "</PartNumber")),
        ("white space in values", both("\"").replace("<PartNumber>1", "<PartNumber> 1 ")),
        (
            "ETag first, unknown elements",
            format!(
                "<CompleteMultipartUpload><Part><ETag>{one}</ETag><Foo/><PartNumber>1</PartNumber></Part>\
                 <Part><Size>1</Size><ETag>{two}</ETag><PartNumber>2</PartNumber></Part></CompleteMultipartUpload>"
            ),
        ),
    ];
    let mut first = None;
    for (name, spelling) in &spellings {
        let upload = peer.create_upload(&target, &[("content-type", "text/x"), ("x-amz-meta-a", "b")]);
        peer.upload_part(&target, &upload, 1, "hello");
        peer.upload_part(&target, &upload, 2, "w");
        for content_type in [Some("application/xml"), None] {
            let asked = post(&format!("{target}?uploadId={upload}"), spelling);
            let asked = content_type.into_iter().fold(asked, |asked, value| asked.with("content-type", value));
            // The second is a replay: the same answer.
            let response = peer.ask(&asked);
            table.golden("complete", &response, &[(&peer.host(), "HOST")]);
            table.check(name, &response.status.to_string(), "200");
            first.get_or_insert(response);
        }
    }
    let stored = peer.ask(&get(&target));
    table.check("content", stored.text(), "hellow");
    table.check("type", stored.header("content-type").unwrap_or_default(), "text/x");
    table.check("metadata", stored.header("x-amz-meta-a").unwrap_or_default(), "b");
    table.finish(&first.expect("there are spellings"), "400");
}

fn hex_md5(body: &[u8]) -> String {
    etag(body).trim_matches('"').to_owned()
}

#[test]
fn a_complete_is_checked_in_order_and_can_be_repeated() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let upload = peer.create_upload(&target, &[]);
    let [one, two, three] =
        [(1, "hello"), (2, "tiny"), (3, "world")].map(|(number, body)| peer.upload_part(&target, &upload, number, body));
    let bare = |etag: &str| etag.trim_matches('"').to_owned();
    let complete = |document: String| post(&format!("{target}?uploadId={upload}"), document);
    let of_nothing = |document: String| post(&format!("{target}?uploadId={NO_UPLOAD}"), document);
    let good = || document(&[part("1", &one), part("3", &three)]);
    let too_small = format!(
        "400 EntityTooSmall: Your proposed upload is smaller than the minimum allowed size \
         (ProposedSize=4; MinSizeAllowed=5; PartNumber=2; ETag={})",
        bare(&two)
    );
    let order = out_of_order(&upload);
    let too_many: Vec<String> = (1..=10_001).map(|number| part(&number.to_string(), "x")).collect();
    let stranger = "0".repeat(32);
    for (name, asked, expected) in [
        ("empty", complete(String::new()), MALFORMED.to_owned()),
        ("no XML", complete("hello".to_owned()), MALFORMED.to_owned()),
        ("no XML before no upload", of_nothing("hello".to_owned()), MALFORMED.to_owned()),
        ("no parts", complete(document(&[])), MALFORMED.to_owned()),
        ("no parts before no upload", of_nothing(document(&[])), MALFORMED.to_owned()),
        ("another root", complete(good().replace("CompleteMultipartUpload", "Complete")), MALFORMED.to_owned()),
        ("no ETag", complete(document(&["<Part><PartNumber>1</PartNumber></Part>".to_owned()])), MALFORMED.to_owned()),
        ("no number", complete(document(&[format!("<Part><ETag>{one}</ETag></Part>")])), MALFORMED.to_owned()),
        ("number that is none", complete(document(&[part("one", &one)])), MALFORMED.to_owned()),
        ("truncated", complete(good()[..60].to_owned()), MALFORMED.to_owned()),
        ("too many parts", complete(document(&too_many)), MALFORMED.to_owned()),
        (
            "too large",
            complete(format!("{}{}", " ".repeat(4 << 20), good())),
            "400 MaxMessageLengthExceeded: Your request was too big. (MaxMessageLengthBytes=4194304)".to_owned(),
        ),
        ("no upload before number", of_nothing(document(&[part("0", &one)])), no_such_upload(NO_UPLOAD)),
        (
            "number 0 before order",
            complete(document(&[part("3", &three), part("0", &one)])),
            "400 InvalidArgument: PartNumber must be >= 1 (ArgumentName=PartNumber; ArgumentValue=0)".to_owned(),
        ),
        (
            "number -1",
            complete(document(&[part("-1", &one)])),
            "400 InvalidArgument: PartNumber must be >= 1 (ArgumentName=PartNumber; ArgumentValue=-1)".to_owned(),
        ),
        ("order before parts", complete(document(&[part("3", &one), part("1", &one)])), order.clone()),
        ("twice", complete(document(&[part("1", &one), part("1", &one)])), order.clone()),
        ("order before parts that cannot be", complete(document(&[part("3", "x"), part("1", "x")])), order.clone()),
        ("unknown part", complete(document(&[part("1", &one), part("4", &one)])), invalid_part(&upload, "4", &bare(&one))),
        ("number 10001", complete(document(&[part("1", &one), part("10001", &one)])), invalid_part(&upload, "10001", &bare(&one))),
        ("another ETag", complete(document(&[part("1", &stranger)])), invalid_part(&upload, "1", &stranger)),
        ("ETag that is none", complete(document(&[part("1", "x")])), invalid_part(&upload, "1", "x")),
        ("part before size", complete(document(&[part("2", &two), part("3", &one)])), invalid_part(&upload, "3", &bare(&one))),
        ("too small", complete(document(&[part("2", &two), part("3", &three)])), too_small.clone()),
        ("too small before size", complete(document(&[part("2", &two), part("3", &three)])).with("x-amz-mp-object-size", "1"), too_small),
        (
            "object size",
            complete(good()).with("x-amz-mp-object-size", "11"),
            "400 InvalidRequest: The provided 'x-amz-mp-object-size' header value 11 does not match what was computed: 10".to_owned(),
        ),
        (
            "object size that is none",
            complete(good()).with("x-amz-mp-object-size", "many"),
            "400 InvalidRequest: Value for x-amz-mp-object-size header is invalid.".to_owned(),
        ),
        (
            "size before conditions",
            complete(good()).with("x-amz-mp-object-size", "11").with("if-match", "*"),
            "400 InvalidRequest: The provided 'x-amz-mp-object-size' header value 11 does not match what was computed: 10".to_owned(),
        ),
        (
            "Content-MD5 of the document",
            complete(good()).with("content-md5", "x"),
            "400 InvalidDigest: The Content-MD5 you specified was invalid. (Content-MD5=x)".to_owned(),
        ),
        ("good", complete(good()).with("x-amz-mp-object-size", "10").with("if-none-match", "*"), "200".to_owned()),
        ("again", complete(good()).with("x-amz-mp-object-size", "10"), "200".to_owned()),
        ("again with its condition", complete(good()).with("if-none-match", "*"), "200".to_owned()),
        ("another list", complete(document(&[part("1", &one)])), no_such_upload(&upload)),
        ("abort afterwards", delete(&format!("{target}?uploadId={upload}")), no_such_upload(&upload)),
        ("part afterwards", put(&format!("{target}?partNumber=1&uploadId={upload}"), "x"), no_such_upload(&upload)),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    let stored = peer.ask(&get(&target));
    table.check("content", stored.text(), "helloworld");
    let replay = peer.ask(&complete(good()));
    table.check("replayed ETag", &replay.element("ETag").unwrap_or_default().replace("&quot;", "\""), stored.header("etag").unwrap_or("?"));
    let single = peer.create_upload(&target, &[]);
    let nothing = peer.upload_part(&target, &single, 9, "");
    let empty = peer.ask(&post(&format!("{target}?uploadId={single}"), document(&[part("9", &nothing)])));
    table.line("one empty part", &empty, "200");
    table.check("its size", peer.ask(&head(&target)).header("content-length").unwrap_or_default(), "0");
    table.finish(&replay, "404");
}

#[test]
fn uploads_are_listed_in_order_and_by_page() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let keys = ["a", "a", "b%2F1", "b%2F2", "c%20%2B%01", "d"];
    let create = |key: &&str| {
        // Ids are in the order of their milliseconds.
        std::thread::sleep(std::time::Duration::from_millis(2));
        peer.create_upload(&format!("/{bucket}/{key}"), &[])
    };
    let uploads: Vec<String> = keys.iter().map(create).collect();
    let names: Vec<String> = (0..uploads.len()).map(|number| format!("UPLOAD{number}")).collect();
    let varying: Vec<(&str, &str)> = uploads.iter().map(String::as_str).zip(names.iter().map(String::as_str)).collect();
    let list = |query: &str| peer.ask(&get(&format!("/{bucket}?uploads&{query}")));
    table.golden("list_uploads", &list("encoding-type=url"), &varying);
    table.golden("list_uploads_delimiter", &list("delimiter=/"), &varying);
    table.golden("list_uploads_page", &list("max-uploads=1&prefix=a"), &varying);
    let after = format!("key-marker=a&upload-id-marker={}&max-uploads=1", uploads[0]);
    table.golden("list_uploads_second_page", &list(&after), &varying);
    for (query, expected) in [
        (format!("upload-id-marker={NO_UPLOAD}"), "200".to_owned()),
        (
            format!("key-marker=a&upload-id-marker={NO_UPLOAD}"),
            format!("400 InvalidArgument: Invalid uploadId marker (ArgumentName=upload-id-marker; ArgumentValue={NO_UPLOAD})"),
        ),
        (
            "key-marker=a&upload-id-marker=x".to_owned(),
            "400 InvalidArgument: Invalid uploadId marker (ArgumentName=upload-id-marker; ArgumentValue=x)".to_owned(),
        ),
        (
            "max-uploads=-1".to_owned(),
            "400 InvalidArgument: Argument max-uploads must be an integer between 0 and 2147483647 \
             (ArgumentName=max-uploads; ArgumentValue=-1)"
                .to_owned(),
        ),
        (
            "encoding-type=base64".to_owned(),
            "400 InvalidArgument: Invalid Encoding Method specified in Request (ArgumentName=encoding-type; ArgumentValue=base64)"
                .to_owned(),
        ),
    ] {
        table.line(&query, &list(&query), &expected);
    }
    let copied = peer.create_upload(&format!("/{bucket}/copied"), &[]);
    peer.expect(&put(&format!("/{bucket}/source"), "hello"), 200);
    let copy = |source: &str, range: Option<&str>| {
        let asked =
            put(&format!("/{bucket}/copied?partNumber=1&uploadId={copied}"), "").with("x-amz-copy-source", format!("/{bucket}/{source}"));
        range.into_iter().fold(asked, |asked, range| asked.with("x-amz-copy-source-range", range))
    };
    table.golden("copy_part", &peer.ask(&copy("source", Some("bytes=1-3"))), &[]);
    let form = |range: &str| {
        format!(
            "400 InvalidArgument: The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the \
             zero-based offsets of the first and last bytes to copy (ArgumentName=x-amz-copy-source-range; ArgumentValue={range})"
        )
    };
    let beyond = "400 InvalidArgument: Range specified is not valid for source object of size: 5 (ArgumentName=x-amz-copy-source-range)";
    for (range, expected) in [
        ("bytes=0-4", "200".to_owned()),
        ("bytes=4-4", "200".to_owned()),
        ("bytes=1-", form("bytes=1-")),
        ("bytes=-1", form("bytes=-1")),
        ("bytes=3-1", form("bytes=3-1")),
        ("0-1", form("0-1")),
        ("bytes=0-5", beyond.to_owned()),
        ("bytes=5-5", beyond.to_owned()),
    ] {
        table.line(range, &peer.ask(&copy("source", Some(range))), &expected);
    }
    let canary = peer.ask(&copy("none", None));
    table.line("no source", &canary, "404 NoSuchKey: The specified key does not exist. (Key=none)");
    table.finish(&canary, "200");
}
