//! Request heads and documents to operations and errors.

use super::*;
use proptest::prelude::*;

const U: &str = "0123456789ABCDEF0123456789ABCDEF";

fn whole(key: &str) -> ReadObject {
    ReadObject { object: object(key), selection: Selection::Whole, conditions: ReadConditions::default() }
}

fn listing(after: Option<&str>, count_max: usize) -> ListObjects {
    ListObjects { bucket: bucket(), prefix: String::new(), delimiter: String::new(), after: after.map(str::to_owned), count_max }
}

fn put(key: &str, size: u64) -> PutObject {
    PutObject {
        callback: None,
        object: object(key),
        attributes: Attributes::default(),
        conditions: WriteConditions::default(),
        claims: BodyClaims { size: Some(size), ..BodyClaims::default() },
    }
}

#[test]
fn decodes_what_clients_send() {
    let headers = |content_type: &str| SystemHeaders { content_type: Some(content_type.to_owned()), ..SystemHeaders::default() };
    let md5 = |text| hex::decode(text).unwrap().try_into().unwrap();
    let cases: Vec<(&str, &str, Operation)> = vec![
        ("GET /", "", Operation::ListBuckets(ListBuckets { prefix: String::new(), after: None, count_max: 10_000 })),
        (
            "GET /?x-id=ListBuckets&max-buckets=5&prefix=b",
            "",
            Operation::ListBuckets(ListBuckets { prefix: "b".to_owned(), after: None, count_max: 5 }),
        ),
        (
            "PUT /bkt\nx-amz-acl: private",
            "",
            Operation::CreateBucket(CreateBucket {
                acl: Some(Acl::Private),
                may_be_own: false,
                storage_class: None,
                bucket: bucket(),
                location: None,
            }),
        ),
        (
            "PUT /bkt/\nx-amz-acl: public-read",
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
            Operation::CreateBucket(CreateBucket {
                acl: Some(Acl::PublicRead),
                may_be_own: false,
                storage_class: None,
                bucket: bucket(),
                location: Some("eu-west-1".to_owned()),
            }),
        ),
        ("HEAD /bkt", "", Operation::HeadBucket(bucket())),
        ("DELETE /bkt/", "", Operation::DeleteBucket(bucket())),
        ("GET /bkt/?location", "", Operation::GetBucketLocation(bucket())),
        ("GET /bkt?location=", "", Operation::GetBucketLocation(bucket())),
        ("GET /\nhost: bkt.localhost:9000", "", Operation::ListObjects(listing(None, 1000))),
        ("GET /bkt?versioning", "", Operation::GetBucketVersioning(bucket())),
        ("PUT /bkt?acl\nx-amz-acl: private", "", Operation::PutBucketAcl(bucket(), Acl::Private)),
        ("PUT /bkt?acl\nx-amz-acl: public-read-write", "", Operation::PutBucketAcl(bucket(), Acl::PublicReadWrite)),
        ("PUT /bkt?acl\nx-amz-acl: bucket-owner-full-control", "", Operation::PutBucketAcl(bucket(), Acl::Private)),
        ("PUT /bkt/k?acl\nx-amz-acl: public-read\ncontent-length: 0", "", Operation::PutObjectAcl(object("k"), Some(Acl::PublicRead))),
        ("GET /bkt?lifecycle", "", Operation::GetBucketLifecycle(bucket())),
        (
            "PUT /bkt?lifecycle",
            "<LifecycleConfiguration><Rule><Filter/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>",
            Operation::PutBucketLifecycle(
                bucket(),
                LifecycleConfiguration {
                    rules: vec![LifecycleRule { enabled: true, expiration: Some(Expiry::Days(1)), ..LifecycleRule::default() }],
                },
            ),
        ),
        ("DELETE /bkt?lifecycle", "", Operation::DeleteBucketLifecycle(bucket())),
        ("GET /bkt?requestPayment", "", Operation::GetAbsentBucketConfiguration(bucket(), AbsentConfiguration::RequestPayment)),
        ("GET /bkt?policyStatus", "", Operation::GetBucketPolicyStatus(bucket())),
        ("PUT /bkt?policy", "{}", Operation::PutBucketPolicy(bucket(), "{}".to_owned())),
        (
            "PUT /bkt?tagging",
            "<Tagging><TagSet><Tag><Key>a</Key><Value>b c</Value></Tag></TagSet></Tagging>",
            Operation::PutBucketTagging(bucket(), Tags(vec![("a".to_owned(), "b c".to_owned())])),
        ),
        ("GET /bkt?max-keys=5000&marker=a%2Bb+c&x-id=ListObjects", "", Operation::ListObjects(listing(Some("a+b c"), 1000))),
        ("GET /bkt?max-keys=", "", Operation::ListObjects(listing(None, 1000))),
        ("GET /bkt?list-type=2&max-keys=0&start-after=a", "", Operation::ListObjects(listing(Some("a"), 0))),
        ("GET /bkt?list-type=2&continuation-token=AWI&start-after=a", "", Operation::ListObjects(listing(Some("b"), 1000))),
        (
            "GET /bkt?versions&key-marker=k&version-id-marker=null",
            "",
            Operation::ListObjectVersions(ListObjectVersions {
                bucket: bucket(),
                prefix: String::new(),
                delimiter: String::new(),
                key_marker: Some("k".to_owned()),
                count_max: 1000,
            }),
        ),
        (
            "GET /bkt?uploads&prefix=p&delimiter=/&key-marker=k&upload-id-marker=u&max-uploads=2",
            "",
            Operation::ListMultipartUploads(ListMultipartUploads {
                bucket: bucket(),
                prefix: "p".to_owned(),
                delimiter: "/".to_owned(),
                key_marker: Some("k".to_owned()),
                upload_id_marker: Some("u".to_owned()),
                count_max: 2,
            }),
        ),
        (
            "POST /bkt/?delete&x-id=DeleteObjects\nx-amz-checksum-crc32: NhCmhg==\nx-amz-sdk-checksum-algorithm: CRC32",
            "<Delete><Quiet>true</Quiet><Object><VersionId>null</VersionId><Key>a&#x1;</Key></Object><Object><Key>b</Key><ETag>\"01010101010101010101010101010101\"</ETag></Object><Object><Key>c</Key><VersionId>v</VersionId></Object></Delete>",
            Operation::DeleteObjects(DeleteObjects {
                bucket: bucket(),
                objects: vec![
                    (ObjectKey::new("a\u{1}").unwrap(), None),
                    (ObjectKey::new("b").unwrap(), Some(ETagCondition::OneOf(vec![etag(1)]))),
                ],
            }),
        ),
        ("PUT /bkt/a//b/../c?x-id=PutObject\ncontent-length: 5", "", Operation::PutObject(put("a//b/../c", 5))),
        (
            "PUT /bkt/k\ncontent-length: 99\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nx-amz-decoded-content-length: 5\ncontent-encoding: gzip,aws-chunked\nx-amz-trailer: x-amz-checksum-crc32\nx-amz-sdk-checksum-algorithm: CRC32",
            "",
            Operation::PutObject(PutObject {
                attributes: Attributes {
                    headers: SystemHeaders { content_encoding: Some("gzip".to_owned()), ..SystemHeaders::default() },
                    ..Attributes::default()
                },
                claims: BodyClaims { size: Some(5), trailer: Some(ChecksumAlgorithm::Crc32), ..BodyClaims::default() },
                ..put("k", 5)
            }),
        ),
        (
            "PUT /bkt/k\ncontent-length: 5\ncontent-md5: XUFAKrxLKna5cZ2REBfFkg==\nx-amz-checksum-crc32: NhCmhg==\nif-none-match: *\ncontent-type: text/plain\nexpires: whenever\nx-amz-meta-B: 1\nx-amz-meta-a: é\nx-amz-meta-b: 2\nx-amz-tagging: a=1&b=x+y\nx-amz-storage-class: STANDARD_IA\nx-amz-acl: bucket-owner-full-control\ncontent-encoding: aws-chunked",
            "",
            Operation::PutObject(PutObject {
                callback: None,
                object: object("k"),
                attributes: Attributes {
                    acl: None,
                    headers: SystemHeaders {
                        expires: Some("whenever".to_owned()),
                        storage_class: Some("STANDARD_IA".to_owned()),
                        ..headers("text/plain")
                    },
                    user: UserMetadata(vec![("a".to_owned(), "é".as_bytes().to_vec()), ("b".to_owned(), b"1,2".to_vec())]),
                    tags: Tags(vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x y".to_owned())]),
                },
                conditions: WriteConditions { forbid_overwrite: false, if_match: None, if_absent: true },
                claims: BodyClaims {
                    size: Some(5),
                    md5: Some(md5("5d41402abc4b2a76b9719d911017c592")),
                    checksum: Some(crc32([0x36, 0x10, 0xa6, 0x86])),
                    ..BodyClaims::default()
                },
            }),
        ),
        ("GET /bkt/k?foo=bar&versionId=null&X-Amz-Expires=5&AWSAccessKeyId=x", "", Operation::GetObject(whole("k"))),
        ("GET /bkt/a%2Fb%252F", "", Operation::GetObject(whole("a/b%2F"))),
        ("HEAD /bkt/k?partNumber=3", "", Operation::HeadObject(ReadObject { selection: Selection::Part(number(3)), ..whole("k") })),
        (
            "GET /bkt/k\nrange: bytes=5-\nif-match: \"01010101010101010101010101010101\", W/\"02020202020202020202020202020202\", other\nif-none-match: *\nif-modified-since: Thu, 15 Jan 2026 08:30:00 GMT\nif-unmodified-since: nonsense",
            "",
            Operation::GetObject(ReadObject {
                object: object("k"),
                selection: Selection::Range(RangeRequest::From(5)),
                conditions: ReadConditions {
                    if_match: Some(ETagCondition::OneOf(vec![etag(1), etag(2)])),
                    if_none_match: Some(ETagCondition::Any),
                    if_modified_since: Some(Timestamp::from_secs(1_768_465_800)),
                    if_unmodified_since: None,
                },
            }),
        ),
        ("GET /bkt/k\nif-modified-since: Thu, 15 Jan 2026 08:30:01 GMT\nrange: bytes=9-1", "", Operation::GetObject(whole("k"))),
        (
            "DELETE /bkt/k\nif-match: *",
            "",
            Operation::DeleteObject(DeleteObject { object: object("k"), if_match: Some(ETagCondition::Any) }),
        ),
        (
            "PUT /bkt/k\nx-amz-copy-source: /src-bkt/a%20b/%C3%BC+c?versionId=null\nx-amz-copy-source-if-none-match: 01010101010101010101010101010101\nx-amz-metadata-directive: REPLACE\ncontent-type: a/b\nx-amz-meta-x: y\nx-amz-storage-class: ONEZONE_IA\nx-amz-acl: public-read\nx-amz-checksum-algorithm: sha256",
            "",
            Operation::CopyObject(CopyObject {
                source: ObjectRef { bucket: Bucket::new("src-bkt").unwrap(), key: ObjectKey::new("a b/ü c").unwrap() },
                source_conditions: ReadConditions { if_none_match: Some(ETagCondition::OneOf(vec![etag(1)])), ..ReadConditions::default() },
                target: object("k"),
                conditions: WriteConditions::default(),
                metadata: Directive::Replace((headers("a/b"), UserMetadata(vec![("x".to_owned(), b"y".to_vec())]))),
                tags: Directive::Copy,
                storage_class: Some("ONEZONE_IA".to_owned()),
                acl: Some(Acl::PublicRead),
                checksum_algorithm: Some(ChecksumAlgorithm::Sha256),
            }),
        ),
        (
            "GET /bkt/k?attributes\nx-amz-object-attributes: ETag\nx-amz-object-attributes: ObjectParts\nx-amz-max-parts: 2\nx-amz-part-number-marker: 7",
            "",
            Operation::GetObjectAttributes(GetObjectAttributes { object: object("k"), part_number_marker: 7, parts_max: 2 }),
        ),
        (
            "POST /bkt/k?uploads=\nx-amz-checksum-algorithm: CRC32\nx-amz-acl: public-read-write\ncontent-type: a/b",
            "",
            Operation::CreateMultipartUpload(CreateMultipartUpload {
                conditions: crate::model::WriteConditions::default(),
                sequential: false,
                object: object("k"),
                attributes: Attributes { headers: headers("a/b"), acl: Some(Acl::PublicReadWrite), ..Attributes::default() },
                checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite)),
            }),
        ),
        (
            "POST /bkt/k?uploads",
            "",
            Operation::CreateMultipartUpload(CreateMultipartUpload {
                conditions: crate::model::WriteConditions::default(),
                sequential: false,
                object: object("k"),
                attributes: Attributes::default(),
                checksum: None,
            }),
        ),
        (
            "PUT /bkt/k?partNumber=7&uploadId=0123456789ABCDEF0123456789ABCDEF&x-id=UploadPart\ncontent-length: 9",
            "",
            Operation::UploadPart(UploadPart {
                object: object("k"),
                upload_id: upload(),
                part_number: number(7),
                claims: BodyClaims { size: Some(9), ..BodyClaims::default() },
            }),
        ),
        (
            "PUT /bkt/k?partNumber=7&uploadId=0123456789ABCDEF0123456789ABCDEF\nx-amz-copy-source: bkt/s\nx-amz-copy-source-range: bytes=0-9",
            "",
            Operation::UploadPartCopy(UploadPartCopy {
                object: object("k"),
                upload_id: upload(),
                part_number: number(7),
                source: object("s"),
                source_range: Some((0, Some(9))),
                source_conditions: ReadConditions::default(),
            }),
        ),
        (
            "POST /bkt/k?uploadId=0123456789ABCDEF0123456789ABCDEF\nx-amz-mp-object-size: 9\nx-amz-checksum-crc32: NhCmhg==-2\nx-amz-checksum-type: COMPOSITE\nif-match: \"03030303030303030303030303030303\"",
            "<?xml version=\"1.0\"?><CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><ETag>&quot;01010101010101010101010101010101&quot;</ETag><PartNumber>2</PartNumber><ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part>\n<Part><PartNumber> 1 </PartNumber><ETag>&#34;02020202020202020202020202020202&#34;</ETag></Part></CompleteMultipartUpload>",
            Operation::CompleteMultipartUpload(CompleteMultipartUpload {
                callback: None,
                takes_all_parts: false,
                object: object("k"),
                upload_id: upload(),
                parts: vec![
                    CompletedPart { number: number(2), etag: etag(1), checksum: Some(crc32([0x36, 0x10, 0xa6, 0x86])) },
                    CompletedPart { number: number(1), etag: etag(2), checksum: None },
                ],
                refusal: None,
                conditions: WriteConditions {
                    forbid_overwrite: false,
                    if_match: Some(ETagCondition::OneOf(vec![etag(3)])),
                    if_absent: false,
                },
                object_size: Some(9),
                checksum: Some(ObjectChecksum { value: crc32([0x36, 0x10, 0xa6, 0x86]), composite_of: Some(2) }),
                checksum_type: Some(ChecksumType::Composite),
            }),
        ),
        ("DELETE /bkt/k?uploadId=0123456789ABCDEF0123456789ABCDEF", "", Operation::AbortMultipartUpload(object("k"), upload())),
        (
            "GET /bkt/k?uploadId=0123456789ABCDEF0123456789ABCDEF&max-parts=5000&part-number-marker=3",
            "",
            Operation::ListParts(ListParts { object: object("k"), upload_id: upload(), part_number_marker: 3, count_max: 1000 }),
        ),
    ];
    for (head, document, expected) in cases {
        match decode(head, document) {
            Ok((operation, _)) => assert_eq!(operation, expected, "{head}"),
            Err(error) => panic!("{head}\n{error:?}"),
        }
    }
}

#[test]
fn overrides_need_a_signature() {
    let parts = head("GET /bkt/k?response-content-type=text/html");
    let error = decode_as(&Caller::Anonymous, &parts, "").unwrap_err();
    assert_eq!(error.message, "Request specific response headers cannot be used for anonymous GET requests.");
    assert!(decode_as(&caller(), &parts, "").is_ok());
}

#[test]
fn expected_owners_are_those_of_target_and_source() {
    let owners = |text: &str| route(&head(text)).unwrap().1.expected_bucket_owners().to_vec();
    let named = |bucket: &str, owner: &str| (Bucket::new(bucket).unwrap(), owner.to_owned());
    assert_eq!(owners("GET /bkt/k"), []);
    assert_eq!(owners("GET /bkt?acl\nx-amz-expected-bucket-owner: me"), [named("bkt", "me")]);
    let copy = "PUT /bkt/k\nx-amz-copy-source: src/k\nx-amz-expected-bucket-owner: me\nx-amz-source-expected-bucket-owner: you";
    assert_eq!(owners(copy), [named("bkt", "me"), named("src", "you")]);
    let root = Account::root();
    assert!(crate::dialect::s3::owner_matches(&root, "root") && !crate::dialect::s3::owner_matches(&root, "toor"));
    assert!(crate::dialect::s3::owner_matches(&root, &hex::encode(crate::digest::sha256(b"root"))));
}

#[test]
fn bodies_are_streamed_read_or_discarded() {
    let body = |text: &str| route(&head(text)).unwrap().1.body();
    assert_eq!(body("PUT /bkt/k"), BodyKind::Stream);
    assert_eq!(body("PUT /bkt/k\nx-amz-copy-source: a/b"), BodyKind::None);
    assert_eq!(body("PUT /bkt/k?partNumber=1&uploadId=x"), BodyKind::Stream);
    assert_eq!(body("POST /bkt/k?uploadId=x"), BodyKind::Document { size_max: 4 << 20 });
    assert_eq!(body("POST /bkt?delete"), BodyKind::Document { size_max: 2 << 20 });
    assert_eq!(body("POST /bkt\ncontent-type: Multipart/Form-Data; boundary=x"), BodyKind::Form);
    assert_eq!(body("GET /bkt/k"), BodyKind::None);
}

#[test]
fn documents_are_guarded_by_what_the_head_says_of_them() {
    let claims = |text: &str| {
        let parts = head(text);
        route(&parts).unwrap().1.document_claims(&parts).map_err(|error| error.code)
    };
    let claimed = |size, checksum, trailer| Ok(BodyClaims { size, checksum, trailer, ..BodyClaims::default() });
    let crc = || Some(crc32([0x36, 0x10, 0xa6, 0x86]));
    assert_eq!(claims("PUT /bkt"), claimed(None, None, None));
    assert_eq!(claims("POST /bkt?delete\ncontent-length: 9\nx-amz-checksum-crc32: NhCmhg=="), claimed(Some(9), crc(), None));
    let chunked = "x-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER\nx-amz-trailer: x-amz-checksum-crc32";
    assert_eq!(claims(&format!("POST /bkt?delete\ncontent-length: 99\n{chunked}")), Err("MissingContentLength"));
    let sized = format!("{chunked}\nx-amz-decoded-content-length: 5");
    assert_eq!(claims(&format!("POST /bkt?delete\n{sized}")), claimed(Some(5), None, Some(ChecksumAlgorithm::Crc32)));
    let object_checksum = "POST /bkt/k?uploadId=U\nx-amz-checksum-crc32: NhCmhg==-2";
    assert_eq!(claims(object_checksum), claimed(None, None, None));
    assert_eq!(claims(&format!("POST /bkt/k?uploadId=U\n{sized}")), claimed(Some(5), None, Some(ChecksumAlgorithm::Crc32)));
}

#[test]
fn the_largest_honest_list_is_read() {
    let part = |number| {
        format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>\"{number:032}\"</ETag><ChecksumSHA256>{}</ChecksumSHA256></Part>",
            "A".repeat(43) + "="
        )
    };
    let parts: String = (1..=10_000).map(part).collect();
    let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
    let (operation, _) = decode("POST /bkt/k?uploadId=0123456789ABCDEF0123456789ABCDEF", &document).unwrap();
    assert!(matches!(operation, Operation::CompleteMultipartUpload(complete) if complete.parts.len() == 10_000));
    let document = format!("<CompleteMultipartUpload>{parts}{}</CompleteMultipartUpload>", part(10_000));
    let error = decode("POST /bkt/k?uploadId=0123456789ABCDEF0123456789ABCDEF", &document).unwrap_err();
    assert_eq!(error.code, "MalformedXML");
}

/// Words that lead into the decoder's corners.
fn word() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "uploads",
        "uploadId",
        "partNumber",
        "versionId",
        "acl",
        "tagging",
        "delete",
        "cors",
        "policy",
        "versions",
        "attributes",
        "list-type",
        "max-keys",
        "continuation-token",
        "encoding-type",
        "prefix",
        "response-content-type",
        "0",
        "1",
        "2",
        "url",
        "null",
        "-1",
        "99999999999999999999",
        "%",
        "%00",
        "%ff",
        "+",
        "=",
        "&",
        U,
    ]);
    prop_oneof![3 => known.prop_map(str::to_owned), 1 => "[!-~]{0,12}"]
}

fn header_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "content-length",
        "content-md5",
        "content-type",
        "content-encoding",
        "range",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "x-amz-acl",
        "x-amz-checksum-crc32",
        "x-amz-checksum-sha256",
        "x-amz-checksum-type",
        "x-amz-checksum-algorithm",
        "x-amz-content-sha256",
        "x-amz-copy-source",
        "x-amz-copy-source-range",
        "x-amz-decoded-content-length",
        "x-amz-expected-bucket-owner",
        "x-amz-meta-a",
        "x-amz-metadata-directive",
        "x-amz-mp-object-size",
        "x-amz-object-attributes",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-source-expected-bucket-owner",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-trailer",
        "x-amz-max-parts",
        "x-amz-part-number-marker",
        "host",
    ])
}

proptest! {
    #[test]
    fn decoding_never_panics(
        method in prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "BREW"]),
        path in "/[!-~]{0,20}|/bkt/[!-~]{1,20}|/bkt",
        query in prop::collection::vec(word(), 0..8),
        headers in prop::collection::vec((header_name(), prop_oneof!["[ -~]{0,40}", word(), "bytes=[0-9]{0,22}-[0-9]{0,22}", "[a-z]{3}/[!-~]{0,9}"]), 0..6),
        raw in prop::collection::vec(any::<u8>(), 0..20),
        document in prop_oneof!["\\PC{0,60}", "<(Delete|Tagging|CORSConfiguration)><Object><Key>a{0,3}</Key></Object></(Delete|Tagging|CORSConfiguration)>"],
    ) {
        let target = format!("{}?{}", path.replace(['?', '#'], ""), query.join("&").replace('#', ""));
        let Ok(mut request) = Request::builder().method(method).uri(target).body(()) else { return Ok(()) };
        for (name, value) in headers {
            request.headers_mut().append(name, HeaderValue::from_str(&value).unwrap());
        }
        if let Ok(value) = HeaderValue::from_bytes(&raw) {
            request.headers_mut().append("x-amz-meta-raw", value.clone());
            request.headers_mut().append("content-disposition", value);
        }
        let parts = request.into_parts().0;
        let _ = decode_as(&caller(), &parts, &document);
        let _ = decode_as(&Caller::Anonymous, &parts, &document);
    }
}

#[test]
fn a_list_with_what_cannot_be_a_part_is_refused_by_the_operation_in_the_order_of_s3() {
    const ETAG: &str = "b8fc857a25e7958868c2f003d5e0952d";
    let refusal = |parts: &[(i64, &str)]| {
        let parts: String =
            parts.iter().map(|(number, etag)| format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")).collect();
        let document = format!("<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>");
        match decode("POST /bkt/k?uploadId=0123456789ABCDEF0123456789ABCDEF", &document).unwrap().0 {
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
