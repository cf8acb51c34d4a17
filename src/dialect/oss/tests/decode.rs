//! Request heads and documents to operations.

use super::*;
use crate::dialect::{Dialect as _, oss::Oss};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use proptest::prelude::*;

fn whole(key: &str) -> ReadObject {
    ReadObject { object: object(key), selection: Selection::Whole, conditions: ReadConditions::default() }
}

fn sized(size: u64) -> BodyClaims {
    BodyClaims { size: Some(size), ..BodyClaims::default() }
}

fn put(key: &str, claims: BodyClaims) -> PutObject {
    PutObject { object: object(key), attributes: Attributes::default(), conditions: WriteConditions::default(), claims, callback: None }
}

fn create(sequential: bool) -> CreateMultipartUpload {
    CreateMultipartUpload {
        object: object("k"),
        attributes: Attributes::default(),
        checksum: None,
        conditions: WriteConditions::default(),
        sequential,
    }
}

fn complete(parts: Vec<CompletedPart>) -> CompleteMultipartUpload {
    CompleteMultipartUpload {
        object: object("k"),
        upload_id: upload(),
        parts,
        takes_all_parts: false,
        refusal: None,
        conditions: WriteConditions::default(),
        object_size: None,
        checksum: None,
        checksum_type: None,
        callback: None,
    }
}

fn completed(part: u64, digit: u8) -> CompletedPart {
    CompletedPart { number: number(part), etag: etag(digit), checksum: None }
}

fn check(head: &str, document: &str, expected: &Operation) {
    let decoded = decode(head, document).map(|(operation, _)| operation);
    assert_eq!(decoded.as_ref(), Ok(expected), "{head}\n{document}");
}

#[test]
fn decodes_what_clients_ask_of_objects() {
    let copy = |source: &str| CopyObject {
        source: object(source),
        source_conditions: ReadConditions::default(),
        target: object("k"),
        conditions: WriteConditions::default(),
        metadata: Directive::Copy,
        tags: Directive::Copy,
        storage_class: None,
        checksum_algorithm: None,
        acl: None,
    };
    let range = |selection| Operation::GetObject(ReadObject { selection, ..whole("k") });
    let symlink = |target: &str| {
        Operation::PutSymlink(PutSymlink {
            object: object("l"),
            target: fixture::key(target),
            attributes: Attributes::default(),
            conditions: WriteConditions::default(),
        })
    };
    let plain = SystemHeaders { content_type: Some("text/plain".to_owned()), ..SystemHeaders::default() };
    let tags = Tags(vec![("A".to_owned(), "1 2".to_owned()), ("B".to_owned(), String::new())]);
    for (head, document, operation) in [
        ("GET /bkt/dir%2Fa%20b%2B.txt", "", Operation::GetObject(whole("dir/a b+.txt"))),
        ("GET /k?response-content-type=a/b\nhost: bkt.localhost:9000", "", Operation::GetObject(whole("k"))),
        ("GET /bkt/k?versionId=null", "", Operation::GetObject(whole("k"))),
        ("GET /bkt/k\nrange: bytes=1-2", "", range(Selection::RangeWithin(RangeRequest::FromTo(1, 2)))),
        ("GET /bkt/k\nrange: bytes=0-\nx-oss-range-behavior: standard", "", range(Selection::Range(RangeRequest::From(0)))),
        ("HEAD /bkt/k", "", Operation::HeadObject(whole("k"))),
        ("HEAD /bkt/k?objectMeta", "", Operation::HeadObject(whole("k"))),
        ("PUT /bkt/k\ncontent-length: 5", "", Operation::PutObject(put("k", sized(5)))),
        ("PUT /bkt/k\ntransfer-encoding: chunked", "", Operation::PutObject(put("k", BodyClaims::default()))),
        (
            "PUT /bkt/k\ncontent-length: 5\ncontent-md5: XUFAKrxLKna5cZ2REBfFkg==\nx-oss-hash-crc64ecma: 11177612005948864433",
            "",
            Operation::PutObject(put(
                "k",
                BodyClaims { md5: Some(crate::digest::md5(b"hello")), crc64_ecma: Some(11_177_612_005_948_864_433), ..sized(5) },
            )),
        ),
        (
            "PUT /bkt/k\ncontent-length: 0\ncontent-type: text/plain\nx-oss-object-acl: public-read\nx-oss-meta-B: 2\nx-oss-meta-a: ü\n\
             x-oss-storage-class: IA\nx-oss-tagging: A=1%202&B\nx-oss-forbid-overwrite: true",
            "",
            Operation::PutObject(PutObject {
                attributes: Attributes {
                    headers: SystemHeaders { storage_class: Some("IA".to_owned()), ..plain.clone() },
                    user: UserMetadata(vec![("a".to_owned(), "ü".as_bytes().to_vec()), ("b".to_owned(), b"2".to_vec())]),
                    tags,
                    acl: Some(Acl::PublicRead),
                },
                conditions: WriteConditions { forbid_overwrite: true, ..WriteConditions::default() },
                ..put("k", sized(0))
            }),
        ),
        (
            "PUT /bkt/k\ncontent-length: 0\nx-oss-storage-class: Standard\nx-oss-object-acl: default\nx-oss-forbid-overwrite: false",
            "",
            Operation::PutObject(put("k", sized(0))),
        ),
        ("DELETE /bkt/k", "", Operation::DeleteObject(DeleteObject { object: object("k"), if_match: None })),
        ("PUT /bkt/k\nx-oss-copy-source: /bkt/a%2Fb%20c+", "", Operation::CopyObject(copy("a/b c+"))),
        ("PUT /bkt/k\nx-oss-copy-source: bkt/a?versionId=null", "", Operation::CopyObject(copy("a"))),
        (
            "PUT /bkt/k\ncontent-type: text/plain\nx-oss-copy-source: /bkt/a\nx-oss-metadata-directive: REPLACE\n\
             x-oss-tagging-directive: Replace\nx-oss-tagging: a=b\nx-oss-storage-class: Archive\nx-oss-object-acl: public-read\n\
             x-oss-copy-source-if-none-match: *",
            "",
            Operation::CopyObject(CopyObject {
                metadata: Directive::Replace((plain.clone(), UserMetadata::default())),
                tags: Directive::Replace(Tags(vec![("a".to_owned(), "b".to_owned())])),
                storage_class: Some("Archive".to_owned()),
                acl: Some(Acl::PublicRead),
                source_conditions: ReadConditions { if_none_match: Some(ETagCondition::Any), ..ReadConditions::default() },
                ..copy("a")
            }),
        ),
        (
            "PUT /bkt/k\nx-oss-copy-source: /bkt/a\nif-none-match: *\nx-oss-copy-source-if-none-match: *\nx-oss-copy-source-expires: x",
            "",
            Operation::CopyObject(CopyObject {
                source_conditions: ReadConditions { if_none_match: Some(ETagCondition::Any), ..ReadConditions::default() },
                ..copy("a")
            }),
        ),
        (
            "PUT /bkt/k\ncontent-type: text/plain\nx-oss-copy-source: /bkt/k",
            "",
            Operation::CopyObject(CopyObject { metadata: Directive::Replace((plain, UserMetadata::default())), ..copy("k") }),
        ),
        (
            "POST /bkt/k?append&position=5\ncontent-length: 1",
            "",
            Operation::AppendObject(AppendObject { object: object("k"), position: 5, attributes: Attributes::default(), claims: sized(1) }),
        ),
        ("PUT /bkt/l?symlink\nx-oss-symlink-target: tgt%2Fa%20b", "", symlink("tgt/a b")),
        ("PUT /bkt/l?symlink\nx-oss-symlink-target: tgt/a b%", "", symlink("tgt/a b%")),
        ("GET /bkt/l?symlink", "", Operation::GetSymlink(object("l"))),
        ("GET /bkt/k?acl", "", Operation::GetObjectAcl(object("k"))),
        ("PUT /bkt/k?acl\nx-oss-object-acl: private", "", Operation::PutObjectAcl(object("k"), Some(Acl::Private))),
        ("PUT /bkt/k?acl=\nx-oss-object-acl: default", "", Operation::PutObjectAcl(object("k"), None)),
        ("GET /bkt/k?tagging", "", Operation::GetObjectTagging(object("k"))),
        (
            "PUT /bkt/k?tagging",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>",
            Operation::PutObjectTagging(object("k"), Tags(vec![("a".to_owned(), "1".to_owned())])),
        ),
        ("DELETE /bkt/k?tagging", "", Operation::DeleteObjectTagging(object("k"))),
    ] {
        check(head, document, &operation);
    }
}

#[test]
fn decodes_the_calls_of_multipart_uploads() {
    let part = |claims| UploadPart { object: object("k"), upload_id: upload(), part_number: number(2), claims };
    let part_copy = |source_range| UploadPartCopy {
        object: object("k"),
        upload_id: upload(),
        part_number: number(2),
        source: object("a"),
        source_range,
        source_conditions: ReadConditions::default(),
    };
    let list = |part_number_marker, count_max| ListParts { object: object("k"), upload_id: upload(), part_number_marker, count_max };
    let uploads = |count_max| ListMultipartUploads {
        bucket: fixture::bucket(),
        prefix: String::new(),
        delimiter: String::new(),
        key_marker: None,
        upload_id_marker: None,
        count_max,
    };
    let etags = ("01".repeat(16), "AB".repeat(16));
    let document = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUpload>\n<Part>\n<ETag>&quot;{}&quot;</ETag>\n<PartNumber>1</PartNumber>\n\
         </Part>\n<Part><PartNumber>7</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        etags.0, etags.1
    );
    for (head, document, operation) in [
        ("POST /bkt/k?uploads", "", Operation::CreateMultipartUpload(create(false))),
        ("POST /bkt/k?sequential&uploads=&encoding-type=url", "", Operation::CreateMultipartUpload(create(true))),
        ("PUT /bkt/k?uploadId=$U&partNumber=2\ncontent-length: 9", "", Operation::UploadPart(part(sized(9)))),
        (
            "PUT /bkt/k?partNumber=2&uploadId=$U\ntransfer-encoding: chunked\nx-oss-meta-repeated: by ali-oss",
            "",
            Operation::UploadPart(part(BodyClaims::default())),
        ),
        ("PUT /bkt/k?partNumber=2&uploadId=$U\nx-oss-copy-source: /bkt/a", "", Operation::UploadPartCopy(part_copy(None))),
        (
            "PUT /bkt/k?partNumber=2&uploadId=$U\nx-oss-copy-source: /bkt/a\nx-oss-copy-source-range: bytes=0-9",
            "",
            Operation::UploadPartCopy(part_copy(Some((0, Some(9))))),
        ),
        (
            "POST /bkt/k?uploadId=$U\nx-oss-meta-repeated: by ali-oss",
            &document,
            Operation::CompleteMultipartUpload(complete(vec![completed(1, 1), completed(7, 0xab)])),
        ),
        (
            "POST /bkt/k?uploadId=$U&encoding-type=url\nx-oss-complete-all: yes\nx-oss-forbid-overwrite: true",
            "",
            Operation::CompleteMultipartUpload(CompleteMultipartUpload {
                takes_all_parts: true,
                conditions: WriteConditions { forbid_overwrite: true, ..WriteConditions::default() },
                ..complete(Vec::new())
            }),
        ),
        ("DELETE /bkt/k?uploadId=$U", "", Operation::AbortMultipartUpload(object("k"), upload())),
        ("GET /bkt/k?uploadId=$U", "", Operation::ListParts(list(0, 1000))),
        ("GET /bkt/k?uploadId=$U&max-parts=2&part-number-marker=10000", "", Operation::ListParts(list(10_000, 2))),
        ("GET /bkt/?uploads", "", Operation::ListMultipartUploads(uploads(1000))),
        (
            "GET /bkt?uploads&prefix=a+b&delimiter=%2F&key-marker=k&upload-id-marker=$U&max-uploads=3&encoding-type=url",
            "",
            Operation::ListMultipartUploads(ListMultipartUploads {
                prefix: "a b".to_owned(),
                delimiter: "/".to_owned(),
                key_marker: Some("k".to_owned()),
                upload_id_marker: Some(U.to_owned()),
                ..uploads(3)
            }),
        ),
    ] {
        check(head, document, &operation);
    }
}

#[test]
fn decodes_what_clients_ask_of_buckets() {
    let delete = |keys: &[&str]| {
        let objects = keys.iter().map(|text| (fixture::key(text), None)).collect();
        Operation::DeleteObjects(DeleteObjects { bucket: fixture::bucket(), objects })
    };
    let md5 = "content-length: 1\ncontent-md5: AAAAAAAAAAAAAAAAAAAAAA==";
    let two =
        "<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object><Object><Key>b&amp;c</Key><VersionId>null</VersionId></Object></Delete>";
    let bucket = fixture::bucket;
    for (head, document, operation) in [
        (format!("POST /bkt/?delete&encoding-type=url\n{md5}"), two, delete(&["a", "b&c"])),
        ("DELETE /bkt".to_owned(), "", Operation::DeleteBucket(bucket())),
        ("GET /?bucketInfo\nhost: bkt.oss-cn-hangzhou.aliyuncs.com".to_owned(), "", Operation::GetBucketInfo(bucket())),
        ("GET /bkt/?stat".to_owned(), "", Operation::GetBucketStat(bucket())),
        ("GET /bkt/?acl".to_owned(), "", Operation::GetBucketAcl(bucket())),
        ("PUT /bkt/?acl\nx-oss-acl: public-read".to_owned(), "", Operation::PutBucketAcl(bucket(), Acl::PublicRead)),
        ("GET /bkt/?location".to_owned(), "", Operation::GetBucketLocation(bucket())),
        ("GET /bkt/?versioning".to_owned(), "", Operation::GetBucketVersioning(bucket())),
        ("GET /bkt/?policyStatus".to_owned(), "", Operation::GetBucketPolicyStatus(bucket())),
        ("DELETE /bkt/?lifecycle".to_owned(), "", Operation::DeleteBucketLifecycle(bucket())),
        ("GET /bkt/?referer".to_owned(), "", Operation::GetBucketReferer(bucket())),
        ("GET /bkt/?encryption".to_owned(), "", Operation::GetAbsentBucketConfiguration(bucket(), AbsentConfiguration::Encryption)),
    ] {
        check(&head, document, &operation);
    }
    for (head, name) in [
        ("GET /", "ListBuckets"),
        ("GET /\nhost: .oss-cn-hangzhou.aliyuncs.com", "ListBuckets"),
        ("GET /?regions", "ListBuckets"),
        ("PUT /bkt", "CreateBucket"),
        ("GET /bkt", "ListObjects"),
        ("GET /bkt?list-type=2", "ListObjects"),
        ("GET /bkt?versions", "ListObjectVersions"),
    ] {
        assert_eq!(decode(head, "").map(|(operation, _)| operation.name()), Ok(name), "{head}");
    }
}

#[test]
fn a_list_with_what_cannot_be_a_part_is_refused_by_the_operation() {
    const ETAG: &str = "b8fc857a25e7958868c2f003d5e0952d";
    let refusal = |parts: &[(i64, &str)]| {
        let parts: String =
            parts.iter().map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")).collect();
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        match decode("POST /bkt/k?uploadId=$U", &document).unwrap().0 {
            Operation::CompleteMultipartUpload(complete) => complete.refusal,
            other => panic!("{other:?}"),
        }
    };
    let no_part = |number, etag: &str| Some(PartListRefusal::NoSuchPart { number, etag: etag.to_owned() });
    assert_eq!(refusal(&[(1, ETAG), (2, ETAG)]), None);
    assert_eq!(refusal(&[(2, ETAG), (1, ETAG)]), None, "parts tell their order themselves");
    assert_eq!(refusal(&[(2, "x"), (0, ETAG)]), Some(PartListRefusal::NumberTooSmall(0)));
    assert_eq!(refusal(&[(2, "x"), (1, ETAG)]), Some(PartListRefusal::OutOfOrder));
    assert_eq!(refusal(&[(1, "&quot;abc&quot;")]), no_part(1, "abc"));
    assert_eq!(refusal(&[(1, ETAG), (10_001, ETAG)]), no_part(10_001, ETAG));
}

#[test]
fn a_traffic_limit_is_bytes_per_second() {
    let oss = Oss { limits: Limits::OSS };
    let limit = |text: &str| {
        let parts = head(text);
        let address = oss.addresses(&parts, &Default::default()).unwrap().remove(0);
        let route = oss.route(&parts, &address).unwrap_or_else(|error| panic!("{text} {error:?}"));
        route.decode(&parts, &Bytes::new(), &caller(), NOW).map(|decoded| decoded.traffic_limit).map_err(|error| told(&error))
    };
    assert_eq!(limit("GET /bkt/k"), Ok(None));
    assert_eq!(limit("GET /bkt/k?x-oss-traffic-limit=819200"), Ok(Some(102_400)));
    assert_eq!(limit("PUT /bkt/k\ncontent-length: 1\nx-oss-traffic-limit: 838860800"), Ok(Some(104_857_600)));
    for bad in ["819199", "838860801", "", "x", "-1", "99999999999999999999"] {
        let refusal = limit(&format!("GET /bkt/k?x-oss-traffic-limit={bad}")).unwrap_err();
        assert!(refusal.starts_with("x-oss-traffic-limit is invalid, should be specified between 819200(100KB/s)"), "{bad} {refusal}");
    }
    let both = limit("GET /bkt/k?x-oss-traffic-limit=819200\nx-oss-traffic-limit: 819200").unwrap_err();
    assert!(both.starts_with("x-oss-traffic-limit should be specified either in query string or header, not both."));
}

#[test]
fn an_upload_may_be_told_to_an_application() {
    let callback = STANDARD.encode(r#"{"callbackUrl":"http://app/cb","callbackBody":"b=${bucket}"}"#);
    let document = format!(
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{}</ETag></Part></CompleteMultipartUpload>",
        "01".repeat(16)
    );
    for (head, document) in [
        (format!("PUT /bkt/k\ncontent-length: 1\nx-oss-callback: {callback}"), ""),
        (format!("PUT /bkt/k?callback={}\ncontent-length: 1", crate::dialect::percent::encode(&callback)), ""),
        (format!("POST /bkt/k?uploadId=$U\nx-oss-callback: {callback}"), &*document),
    ] {
        let callback = match decode(&head, document).unwrap().0 {
            Operation::PutObject(put) => put.callback,
            Operation::CompleteMultipartUpload(complete) => complete.callback,
            other => panic!("{other:?}"),
        };
        assert_eq!(callback.map(|callback| callback.urls), Some(vec!["http://app/cb".to_owned()]), "{head}");
    }
}

proptest! {
    #[test]
    fn decoding_never_panics(
        method in prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]),
        path in prop::sample::select(vec!["/", "/bkt", "/bkt/", "/bkt/k", "/bkt/%2F", "//", "/bkt/%00"]),
        query in prop::collection::vec(prop_oneof![
            prop::sample::select(vec![
                "uploads", "uploadId=0123456789ABCDEF0123456789ABCDEF", "partNumber=1", "append", "position=18446744073709551615", "acl",
                "delete", "symlink", "objectMeta", "tagging", "restore", "list-type=2", "max-keys=1", "continuation-token=%ff", "callback=e30",
                "versionId=null", "encoding-type=url", "regions", "x-oss-process=a", "max-parts=1001", "cors", "lifecycle", "policy",
            ]).prop_map(str::to_owned),
            "[a-zA-Z-]{1,8}=[!-~&&[^#<>\"]]{0,8}",
        ], 0..4),
        headers in prop::collection::vec((prop::sample::select(vec![
            "content-length", "content-md5", "x-oss-hash-crc64ecma", "range", "x-oss-copy-source", "x-oss-copy-source-range", "x-oss-tagging",
            "x-oss-callback", "x-oss-callback-var", "x-oss-complete-all", "x-oss-object-acl", "x-oss-symlink-target", "x-oss-traffic-limit",
            "if-match", "x-oss-forbid-overwrite", "host", "content-type",
        ]), "[ -~]{0,24}|bytes=[0-9]{0,21}-[0-9]{0,21}|[0-9]{1,22}"), 0..5),
        document in "(<(CompleteMultipartUpload|Delete|Tagging)>)?(<(Part|Object|Key)>){0,3}[ -~]{0,20}",
    ) {
        let mut parts = fixture::head(&format!("{method} {path}?{}", query.join("&")));
        for (name, value) in headers {
            parts.headers.append(name, HeaderValue::from_str(&value).unwrap());
        }
        let _ = decode_as(&caller(), &parts, &document);
        let _ = decode_as(&Caller::Anonymous, &parts, &document);
        let _ = super::super::headers::traffic_limit(&parts);
    }
}
