//! Outcomes to responses, documents byte for byte.

use super::{
    fixture::{LAST_MODIFIED, check, context, header, key},
    *,
};
use http::Response;

/// Decodes the request and encodes this outcome for it.
fn answer(text: &str, document: &str, outcome: &Outcome) -> Response<Bytes> {
    let (_, wire) = decode(text, document).unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    crate::dialect::oss::encode(&wire, outcome, &context())
}

fn multipart_etag() -> ETag {
    ETag::parse("b2add96cc9702bbf4efb0ccdfc6b7747-3").unwrap()
}

const CRC: u64 = 11_177_612_005_948_864_433;
const LIST: &str = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>01010101010101010101010101010101</ETag></Part></CompleteMultipartUpload>";

fn uploads(next: Option<(String, Option<UploadId>)>) -> UploadListing {
    let upload = |text: &str, storage_class: Option<&str>| {
        Entry::Item(UploadSummary {
            key: key(text),
            upload_id: upload(),
            initiator: Account::root(),
            initiated: LAST_MODIFIED,
            storage_class: storage_class.map(str::to_owned),
            checksum: None,
        })
    };
    let entries = vec![Entry::CommonPrefix("a/".to_owned()), upload("b c", None), upload("d&\u{1}", Some("STANDARD_IA"))];
    UploadListing { owner: Account::root(), entries, next }
}

fn parts(is_truncated: bool) -> PartListing {
    let part =
        PartSummary { number: number(2), size: 102_400, etag: etag(0xab), last_modified: LAST_MODIFIED, checksum: None, crc64_ecma: CRC };
    PartListing {
        owner: Account::root(),
        initiator: Account::root(),
        storage_class: Some("IA".to_owned()),
        checksum: None,
        parts: vec![part],
        is_truncated,
    }
}

#[test]
fn every_document_is_as_in_its_golden_file() {
    let delete = "POST /bkt?delete\ncontent-length: 1\ncontent-md5: AAAAAAAAAAAAAAAAAAAAAA==";
    let keys =
        "<Object><Key>a b</Key></Object><Object><Key>c</Key><VersionId>null</VersionId></Object><Object><Key>x</Key></Object></Delete>";
    let results = |last| Outcome::DeleteObjects(vec![(key("a b"), Ok(())), (key("c"), Ok(())), (key("x"), last)]);
    let completed = Outcome::CompleteMultipartUpload { event: None, etag: multipart_etag(), checksum: None, size: 1, crc64_ecma: CRC };
    let created = Outcome::CreateMultipartUpload { upload_id: upload(), checksum: None };
    let cases: Vec<(&str, &str, String, Outcome)> = vec![
        ("create_upload", "POST /bkt/dir/a%26b?uploads", String::new(), created.clone()),
        ("create_upload_url", "POST /bkt/dir/a%26b?uploads&encoding-type=url", String::new(), created),
        ("complete", "POST /bkt/a%26b?uploadId=$U", LIST.to_owned(), completed.clone()),
        (
            "complete_url_virtual_host",
            "POST /dir/a%20b?uploadId=$U&encoding-type=url\nhost: bkt.localhost:9000\nx-forwarded-proto: https",
            LIST.to_owned(),
            completed,
        ),
        ("list_parts", "GET /bkt/k?uploadId=$U", String::new(), Outcome::ListParts(parts(false))),
        (
            "list_parts_url_page",
            "GET /bkt/a%20b?uploadId=$U&part-number-marker=1&max-parts=1&encoding-type=url",
            String::new(),
            Outcome::ListParts(parts(true)),
        ),
        (
            "list_parts_none",
            "GET /bkt/k?uploadId=$U&part-number-marker=7",
            String::new(),
            Outcome::ListParts(PartListing { parts: Vec::new(), ..parts(false) }),
        ),
        ("list_uploads", "GET /bkt?uploads", String::new(), Outcome::ListMultipartUploads(uploads(None))),
        (
            "list_uploads_url_page",
            "GET /bkt?uploads&delimiter=/&encoding-type=url&key-marker=a+&upload-id-marker=$U&prefix=%26",
            String::new(),
            Outcome::ListMultipartUploads(uploads(Some(("d&\u{1}".to_owned(), Some(upload()))))),
        ),
        (
            "list_uploads_none",
            "GET /bkt?uploads",
            String::new(),
            Outcome::ListMultipartUploads(UploadListing { entries: Vec::new(), ..uploads(None) }),
        ),
        (
            "copy_object",
            "PUT /bkt/k\nx-oss-copy-source: /bkt/c",
            String::new(),
            Outcome::CopyObject { crc64_ecma: CRC, etag: etag(1), last_modified: LAST_MODIFIED, checksum: None },
        ),
        (
            "copy_part",
            "PUT /bkt/k?partNumber=1&uploadId=$U\nx-oss-copy-source: /bkt/c",
            String::new(),
            Outcome::UploadPartCopy { crc64_ecma: CRC, etag: etag(1), last_modified: LAST_MODIFIED, checksum: None },
        ),
        ("delete_objects", delete, format!("<Delete>{keys}"), results(Ok(()))),
        ("delete_objects_failed", delete, format!("<Delete>{keys}"), results(Err(Failure::AccessDenied))),
        ("delete_objects_quiet_failed", delete, format!("<Delete><Quiet>true</Quiet>{keys}"), results(Err(Failure::AccessDenied))),
        (
            "delete_objects_url",
            "POST /bkt?delete&encoding-type=url\ncontent-length: 1\ncontent-md5: AAAAAAAAAAAAAAAAAAAAAA==",
            format!("<Delete>{keys}"),
            results(Ok(())),
        ),
    ];
    for (name, head, document, outcome) in cases {
        let response = answer(head, &document, &outcome);
        assert_eq!(response.status(), 200, "{name}");
        check(name, &response);
    }
    let quiet = answer(delete, &format!("<Delete><Quiet>true</Quiet>{keys}"), &results(Ok(())));
    assert_eq!((quiet.status().as_u16(), header(&quiet, "content-length"), quiet.body().len()), (200, "0", 0));
}

#[test]
fn what_was_stored_is_told_in_headers() {
    let put = Outcome::PutObject {
        etag: ETag::Whole(crate::digest::md5(b"hello")),
        checksum: ObjectChecksum { value: Checksum::new(ChecksumAlgorithm::Crc32, vec![0; 4]).unwrap(), composite_of: None },
        size: 5,
        crc64_ecma: CRC,
        event: None,
    };
    let part = Outcome::UploadPart { etag: ETag::Whole(crate::digest::md5(b"hello")), checksum: None, crc64_ecma: CRC };
    for (head, outcome) in [("PUT /bkt/k\ncontent-length: 5", &put), ("PUT /bkt/k?partNumber=1&uploadId=$U\ncontent-length: 5", &part)] {
        let response = answer(head, "", outcome);
        assert_eq!((response.status().as_u16(), response.body().len()), (200, 0));
        for (name, value) in [
            ("etag", "\"5D41402ABC4B2A76B9719D911017C592\""),
            ("content-md5", "XUFAKrxLKna5cZ2REBfFkg=="),
            ("x-oss-hash-crc64ecma", "11177612005948864433"),
            ("content-length", "0"),
        ] {
            assert_eq!(header(&response, name), value, "{head}");
        }
    }
    let append = Outcome::AppendObject { etag: etag(1), next_position: 7, crc64_ecma: CRC };
    let response = answer("POST /bkt/k?append&position=2\ncontent-length: 5", "", &append);
    assert_eq!(header(&response, "x-oss-next-append-position"), "7");
    assert_eq!(header(&response, "x-oss-hash-crc64ecma"), "11177612005948864433");
    assert_eq!(header(&response, "content-md5"), "", "the ETag of an appendable object is no MD5");

    let complete = Outcome::CompleteMultipartUpload { event: None, etag: multipart_etag(), checksum: None, size: 1, crc64_ecma: CRC };
    let response = answer("POST /bkt/k?uploadId=$U", LIST, &complete);
    assert_eq!(header(&response, "etag"), "\"B2ADD96CC9702BBF4EFB0CCDFC6B7747-3\"");
    assert_eq!(header(&response, "x-oss-hash-crc64ecma"), "11177612005948864433");
    let copy = Outcome::CopyObject { crc64_ecma: 0, etag: etag(1), last_modified: LAST_MODIFIED, checksum: None };
    assert_eq!(header(&answer("PUT /bkt/k\nx-oss-copy-source: /bkt/c", "", &copy), "x-oss-hash-crc64ecma"), "0");
}

#[test]
fn links_tell_their_target_encoded() {
    let outcome = Outcome::Symlink { target: key("tgt/a\r\nü"), etag: etag(1), last_modified: LAST_MODIFIED };
    let read = answer("GET /bkt/l?symlink", "", &outcome);
    assert_eq!(header(&read, "x-oss-symlink-target"), "tgt/a%0D%0A%C3%BC");
    assert_eq!(header(&read, "last-modified"), "Mon, 12 Oct 2009 17:50:30 GMT");
    let written = answer("PUT /bkt/l?symlink\nx-oss-symlink-target: tgt", "", &outcome);
    assert_eq!((written.status().as_u16(), header(&written, "x-oss-symlink-target")), (200, ""));
}

#[test]
fn deletes_have_no_content_and_writes_of_configuration_are_ok() {
    let tags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>";
    for (head, document, status) in [
        ("DELETE /bkt/k", "", 204),
        ("DELETE /bkt/k?uploadId=$U", "", 204),
        ("DELETE /bkt/k?tagging", "", 204),
        ("DELETE /bkt", "", 204),
        ("DELETE /bkt?cors", "", 204),
        ("PUT /bkt/k?acl\nx-oss-object-acl: private", "", 200),
        ("PUT /bkt/k?tagging", tags, 200),
        ("PUT /bkt?tagging", tags, 200),
        ("PUT /bkt?policy", "{}", 200),
    ] {
        let response = answer(head, document, &Outcome::Done);
        assert_eq!((response.status().as_u16(), response.body().len()), (status, 0), "{head}");
    }
}

fn read(selected: Selected) -> ObjectRead {
    ObjectRead {
        size: 1000,
        etag: etag(0xab),
        last_modified: LAST_MODIFIED,
        attributes: Attributes::default(),
        checksum: None,
        crc64_ecma: CRC,
        part_count: None,
        object_type: ObjectType::Normal,
        selected,
    }
}

#[test]
fn objects_are_shown_with_what_they_carry() {
    let mut object = read(Selected::Whole);
    object.attributes = Attributes {
        headers: SystemHeaders {
            content_type: Some("text/plain".to_owned()),
            cache_control: Some("no-cache".to_owned()),
            expires: Some("a\r\nx-evil: 1".to_owned()),
            storage_class: Some("STANDARD_IA".to_owned()),
            website_redirect: Some("/x".to_owned()),
            ..SystemHeaders::default()
        },
        user: UserMetadata(vec![("a".to_owned(), b"v".to_vec()), ("evil".to_owned(), b"a\r\nb".to_vec()), ("in valid".to_owned(), vec![])]),
        tags: Tags(vec![("t".to_owned(), String::new())]),
        acl: None,
    };
    let head = "GET /bkt/k?response-cache-control=max-age%3D1&response-content-language=de";
    let response = answer(head, "", &Outcome::GetObject(object));
    let mut shown: Vec<(String, String)> =
        response.headers().iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    shown.sort();
    let expected = [
        ("accept-ranges", "bytes"),
        ("cache-control", "max-age=1"),
        ("content-language", "de"),
        ("content-length", "1000"),
        ("content-md5", "q6urq6urq6urq6urq6urqw=="),
        ("content-type", "text/plain"),
        ("date", "Thu, 15 Jan 2026 08:30:00 GMT"),
        ("etag", "\"ABABABABABABABABABABABABABABABAB\""),
        ("last-modified", "Mon, 12 Oct 2009 17:50:30 GMT"),
        ("server", "AliyunOSS"),
        ("x-oss-hash-crc64ecma", "11177612005948864433"),
        ("x-oss-meta-a", "v"),
        ("x-oss-object-type", "Normal"),
        ("x-oss-request-id", "5C06A3B67B8B5A3DA422299D"),
        ("x-oss-storage-class", "IA"),
        ("x-oss-tagging-count", "1"),
    ];
    assert_eq!(shown, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn ranges_are_206_and_say_nothing_of_the_whole_objects_md5() {
    let range = read(Selected::Range(ByteRange { start: 500, end: 1000 }));
    let response = answer("GET /bkt/k\nrange: bytes=500-", "", &Outcome::GetObject(range));
    assert_eq!(response.status(), 206);
    for (name, value) in [("content-range", "bytes 500-999/1000"), ("content-length", "500"), ("content-md5", "")] {
        assert_eq!(header(&response, name), value);
    }
    let whole = answer("GET /bkt/k\nrange: bytes=500-2000", "", &Outcome::GetObject(read(Selected::Whole)));
    assert_eq!((whole.status().as_u16(), header(&whole, "content-range"), header(&whole, "content-length")), (200, "", "1000"));
}

#[test]
fn every_type_of_object_is_told() {
    for (object_type, name, position, md5) in [
        (ObjectType::Normal, "Normal", "", "q6urq6urq6urq6urq6urqw=="),
        (ObjectType::Multipart, "Multipart", "", ""),
        (ObjectType::Appendable, "Appendable", "1000", ""),
        (ObjectType::Symlink, "Symlink", "", ""),
    ] {
        let response = answer("HEAD /bkt/k", "", &Outcome::HeadObject(ObjectRead { object_type, ..read(Selected::Whole) }));
        assert_eq!(header(&response, "x-oss-object-type"), name);
        assert_eq!(header(&response, "x-oss-next-append-position"), position, "{name}");
        assert_eq!(header(&response, "content-md5"), md5, "{name}");
        assert_eq!(header(&response, "content-type"), "application/octet-stream");
    }
}

#[test]
fn meta_tells_only_whether_the_object_is_the_same() {
    let response = answer("HEAD /bkt/k?objectMeta", "", &Outcome::HeadObject(read(Selected::Whole)));
    let mut names: Vec<&str> = response.headers().keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date", "etag", "last-modified", "server", "x-oss-hash-crc64ecma", "x-oss-request-id"]);
}

#[test]
fn an_outcome_that_fits_no_request_is_an_error_of_ours() {
    for outcome in [Outcome::Done, Outcome::CreateBucket, Outcome::ListParts(parts(false)), Outcome::HeadObject(read(Selected::Whole))] {
        let response = answer("GET /bkt?acl", "", &outcome);
        assert_eq!(response.status(), 500, "{outcome:?}");
    }
}
