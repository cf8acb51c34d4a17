//! Outcomes and errors to responses, documents byte for byte.

use super::*;
use crate::{
    auth::AuthError,
    dialect::s3::{Rejection, ReplyContext, cors, encode_error},
};
use http::Response;
use std::{fs, path::PathBuf};

const LAST_MODIFIED: Timestamp = Timestamp::from_millis(1_255_369_830_042);

fn context() -> ReplyContext<'static> {
    ReplyContext { request_id: "4442587FB7D0A2F9", host_id: "host", authority: "", region: "us-east-1", now: NOW }
}

/// Decodes the request and encodes this outcome for it.
fn answer(text: &str, document: &str, outcome: &Outcome) -> Response<Bytes> {
    let (_, wire) = decode(text, document).unwrap_or_else(|error| panic!("{text}\n{error:?}"));
    crate::dialect::s3::encode(&wire, outcome, &context())
}

fn refusal(text: &str, rejection: impl Into<Rejection>) -> Response<Bytes> {
    let parts = head(text);
    let address = crate::dialect::s3::address(&parts, &Default::default()).ok();
    encode_error(&rejection.into(), &parts, address.as_ref(), &context())
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/s3").join(format!("{name}.xml"))
}

/// Compares with the golden file; `PARTWAY_BLESS=1` writes it instead, to be reviewed as a diff.
fn check(name: &str, response: &Response<Bytes>) {
    let body = std::str::from_utf8(response.body()).unwrap();
    assert_eq!(header(response, "content-type"), "application/xml", "{name}");
    assert_eq!(header(response, "content-length"), body.len().to_string(), "{name}");
    if std::env::var_os("PARTWAY_BLESS").is_some() {
        fs::write(golden(name), body).unwrap();
    }
    assert_eq!(body, fs::read_to_string(golden(name)).unwrap_or_default(), "{name}");
    crate::dialect::xml::Element::parse(body.as_bytes()).unwrap_or_else(|_| panic!("{name} is not well-formed"));
}

fn header<'a>(response: &'a Response<Bytes>, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

fn account(name: &str) -> Account {
    Account(name.to_owned())
}

fn composite() -> ObjectChecksum {
    ObjectChecksum { value: crc32([0x67, 0xea, 0xf2, 0xd9]), composite_of: Some(3) }
}

fn full() -> ObjectChecksum {
    ObjectChecksum { value: crc32([0x5a, 0x00, 0xe1, 0x05]), composite_of: None }
}

fn multipart_etag() -> ETag {
    ETag::parse("b2add96cc9702bbf4efb0ccdfc6b7747-3").unwrap()
}

fn info(location: Option<&str>) -> BucketInfo {
    BucketInfo {
        acl: crate::model::Acl::Private,
        storage_class: None,
        bucket: bucket(),
        owner: Account::root(),
        created: LAST_MODIFIED,
        location: location.map(str::to_owned),
    }
}

fn summary(key: &str) -> ObjectSummary {
    ObjectSummary {
        object_type: crate::model::ObjectType::Normal,
        key: ObjectKey::new(key).unwrap(),
        size: 5,
        etag: etag(0xAB),
        last_modified: LAST_MODIFIED,
        storage_class: None,
        checksum: None,
    }
}

fn page(next_after: Option<&str>) -> ObjectListing {
    let mut second = summary("c\u{1}&d");
    second.checksum = Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite));
    second.storage_class = Some("STANDARD_IA".to_owned());
    ObjectListing {
        owner: Account::root(),
        entries: vec![Entry::Item(summary("a b")), Entry::CommonPrefix("b+/".to_owned()), Entry::Item(second)],
        next_after: next_after.map(str::to_owned),
    }
}

fn read(selected: Selected) -> ObjectRead {
    ObjectRead {
        object_type: crate::model::ObjectType::Normal,
        size: 100,
        etag: multipart_etag(),
        last_modified: LAST_MODIFIED,
        attributes: Attributes::default(),
        checksum: Some(full()),
        crc64_ecma: 0,
        part_count: Some(3),
        selected,
    }
}

fn lifecycle() -> LifecycleConfiguration {
    let rule = LifecycleRule {
        id: Some("logs".into()),
        enabled: true,
        prefix: "logs/".into(),
        tags: Tags(vec![("a".into(), "<".into())]),
        size_above: Some(5),
        size_below: Some(500),
        expiration: Some(Expiry::Days(30)),
        abort_uploads: None,
    };
    let dated = LifecycleRule {
        enabled: false,
        expiration: Some(Expiry::Date(Timestamp::from_secs(1_768_435_200))),
        abort_uploads: Some(Expiry::Days(7)),
        ..LifecycleRule::default()
    };
    LifecycleConfiguration { rules: vec![rule, dated] }
}

#[test]
fn every_document_is_as_in_its_golden_file() {
    let uploads = UploadListing {
        owner: Account::root(),
        entries: vec![
            Entry::Item(UploadSummary {
                key: ObjectKey::new("a b").unwrap(),
                upload_id: upload(),
                initiator: account("alice"),
                initiated: LAST_MODIFIED,
                storage_class: None,
                checksum: Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite)),
            }),
            Entry::CommonPrefix("p/".to_owned()),
        ],
        next: Some(("p/".to_owned(), None)),
    };
    let parts = PartListing {
        owner: Account::root(),
        initiator: account("alice"),
        storage_class: None,
        checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite)),
        parts: vec![PartSummary {
            number: number(2),
            size: 5_242_880,
            etag: etag(1),
            last_modified: LAST_MODIFIED,
            checksum: Some(crc32([0x36, 0x10, 0xa6, 0x86])),
            crc64_ecma: 0,
        }],
        is_truncated: true,
    };
    let attributes = ObjectAttributesInfo {
        object: ObjectRead { size: 15_728_640, ..read(Selected::Whole) },
        parts: vec![ObjectPart { number: 1, size: 5_242_880, checksum: Some(crc32([0x25, 0x14, 0xc2, 0xc9])) }],
        is_truncated: false,
    };
    let rules = "<CORSConfiguration><CORSRule><ID>r</ID><AllowedOrigin>http://*.a.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>";
    let Ok((Operation::PutBucketCors(_, rules), _)) = decode("PUT /bkt?cors", rules) else { panic!("no rules") };
    let results = vec![
        (ObjectKey::new("a\r").unwrap(), Ok(())),
        (ObjectKey::new("b").unwrap(), Ok(())),
        (ObjectKey::new("x").unwrap(), Err(Failure::AccessDenied)),
    ];
    let delete = "POST /bkt?delete\ncontent-md5: AAAAAAAAAAAAAAAAAAAAAA==";
    let deleted = "<Object><Key>a&#13;</Key></Object><Object><Key>b</Key><VersionId>null</VersionId></Object><Object><Key>x</Key></Object><Object><Key>y</Key><VersionId>v</VersionId></Object></Delete>";
    let complete = format!("POST /bkt/a%20b?uploadId={}", upload());
    let list = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>01010101010101010101010101010101</ETag></Part></CompleteMultipartUpload>";
    let completed = |checksum| Outcome::CompleteMultipartUpload { event: None, etag: multipart_etag(), checksum, size: 1, crc64_ecma: 0 };
    let everything = "GET /bkt/k?attributes\nx-amz-object-attributes: ETag,Checksum,ObjectParts,StorageClass,ObjectSize";

    let cases: Vec<(&str, String, String, Outcome)> = vec![
        (
            "list_buckets",
            "GET /?prefix=b".into(),
            String::new(),
            Outcome::ListBuckets { owner: Account::root(), buckets: vec![info(None), info(Some("eu-west-1"))], next: Some("bkt".into()) },
        ),
        (
            "list_buckets_of_a_region",
            "GET /?bucket-region=eu-west-1".into(),
            String::new(),
            Outcome::ListBuckets { owner: Account::root(), buckets: vec![info(None)], next: None },
        ),
        ("location_default", "GET /bkt?location".into(), String::new(), Outcome::GetBucketLocation(info(None))),
        ("location_elsewhere", "GET /bkt?location".into(), String::new(), Outcome::GetBucketLocation(info(Some("eu-west-1")))),
        ("versioning", "GET /bkt?versioning".into(), String::new(), Outcome::GetBucketVersioning),
        ("acl", "GET /bkt/k?acl".into(), String::new(), Outcome::Acl { acl: None, owner: Account::root() }),
        ("acl", "GET /bkt/k?acl".into(), String::new(), Outcome::Acl { acl: Some(Acl::Private), owner: Account::root() }),
        ("lifecycle", "GET /bkt?lifecycle".into(), String::new(), Outcome::Lifecycle(lifecycle())),
        ("acl_public_read", "GET /bkt?acl".into(), String::new(), Outcome::Acl { acl: Some(Acl::PublicRead), owner: Account::root() }),
        (
            "acl_public_read_write",
            "GET /bkt/k?acl".into(),
            String::new(),
            Outcome::Acl { acl: Some(Acl::PublicReadWrite), owner: Account::root() },
        ),
        ("cors", "GET /bkt?cors".into(), String::new(), Outcome::Cors(rules)),
        ("policy_status", "GET /bkt?policyStatus".into(), String::new(), Outcome::PolicyStatus { is_public: true }),
        (
            "tagging",
            "GET /bkt/k?tagging".into(),
            String::new(),
            Outcome::Tagging(Tags(vec![("a".into(), "<b>".into()), ("c".into(), String::new())])),
        ),
        ("list_v1", "GET /bkt?prefix=a%26&marker=m".into(), String::new(), Outcome::ListObjects(page(Some("c\u{1}&d")))),
        (
            "list_v1_delimiter_url",
            "GET /bkt?delimiter=/&encoding-type=url&max-keys=3".into(),
            String::new(),
            Outcome::ListObjects(page(Some("c\u{1}&d"))),
        ),
        ("list_v2", "GET /bkt?list-type=2".into(), String::new(), Outcome::ListObjects(page(None))),
        (
            "list_v2_everything",
            "GET /bkt?list-type=2&encoding-type=url&delimiter=/&prefix=a+b&fetch-owner=true&start-after=%2B&continuation-token=AWI".into(),
            String::new(),
            Outcome::ListObjects(page(Some("c\u{1}&d"))),
        ),
        (
            "list_versions",
            "GET /bkt?versions&key-marker=a&version-id-marker=null".into(),
            String::new(),
            Outcome::ListObjectVersions(page(Some("c\u{1}&d"))),
        ),
        ("delete_objects", delete.into(), format!("<Delete>{deleted}"), Outcome::DeleteObjects(results.clone())),
        ("delete_objects_quiet", delete.into(), format!("<Delete><Quiet>true</Quiet>{deleted}"), Outcome::DeleteObjects(results)),
        (
            "copy_object",
            "PUT /bkt/k\nx-amz-copy-source: a-b/c".into(),
            String::new(),
            Outcome::CopyObject { crc64_ecma: 0, etag: etag(1), last_modified: LAST_MODIFIED, checksum: Some(full()) },
        ),
        (
            "copy_part",
            format!("PUT /bkt/k?partNumber=1&uploadId={}\nx-amz-copy-source: a-b/c", upload()),
            String::new(),
            Outcome::UploadPartCopy {
                crc64_ecma: 0,
                etag: etag(1),
                last_modified: LAST_MODIFIED,
                checksum: Some(crc32([0x36, 0x10, 0xa6, 0x86])),
            },
        ),
        ("attributes", everything.into(), String::new(), Outcome::GetObjectAttributes(attributes.clone())),
        (
            "attributes_etag",
            "GET /bkt/k?attributes\nx-amz-object-attributes: ETag".into(),
            String::new(),
            Outcome::GetObjectAttributes(attributes),
        ),
        (
            "create_upload",
            "POST /bkt/a%26b?uploads".into(),
            String::new(),
            Outcome::CreateMultipartUpload { upload_id: upload(), checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject)) },
        ),
        ("complete", complete.clone(), list.into(), completed(Some(full()))),
        (
            "complete_composite_virtual_host",
            format!("POST /a%20b?uploadId={}\nhost: bkt.localhost:9000\nx-forwarded-proto: https", upload()),
            list.into(),
            completed(Some(composite())),
        ),
        (
            "list_parts",
            format!("GET /bkt/k?uploadId={}&part-number-marker=1&max-parts=1", upload()),
            String::new(),
            Outcome::ListParts(parts),
        ),
        (
            "list_uploads",
            "GET /bkt?uploads&delimiter=/&encoding-type=url&key-marker=a+".into(),
            String::new(),
            Outcome::ListMultipartUploads(uploads),
        ),
    ];
    for (name, head, document, outcome) in cases {
        let response = answer(&head, &document, &outcome);
        assert_eq!(response.status(), 200, "{name}");
        check(name, &response);
    }
}

#[test]
fn error_documents_are_as_in_their_golden_files() {
    let upload_id = upload();
    let mismatch = AuthError::SignatureMismatch {
        access_key: "AK".into(),
        string_to_sign: "AWS4\n<x>".into(),
        canonical_request: Some("GET\n/".into()),
        provided: "00ff".into(),
    };
    let cases: Vec<(&str, &str, Rejection, u16)> = vec![
        ("error_no_such_key", "GET /bkt/a%26b", Failure::NoSuchKey(ObjectKey::new("a&b").unwrap()).into(), 404),
        ("error_no_such_bucket", "GET /bkt", Failure::NoSuchBucket(bucket()).into(), 404),
        (
            "error_entity_too_small",
            "POST /bkt/k?uploadId=U",
            Failure::PartTooSmall { number: number(2), etag: etag(1), size: 5, size_min: 5 << 20 }.into(),
            400,
        ),
        ("error_invalid_part", "POST /bkt/k?uploadId=U", Failure::PartInvalid { upload_id, number: number(2), etag: etag(1) }.into(), 400),
        ("error_bad_digest", "PUT /bkt/k", Failure::Md5Mismatch { expected: [0; 16], actual: [1; 16] }.into(), 400),
        ("error_invalid_range", "GET /bkt/k\nrange: bytes=9-", Failure::RangeNotSatisfiable { size: 5 }.into(), 416),
        ("error_precondition_failed", "GET /bkt/k\nif-match: x", Failure::PreconditionFailed("If-Match").into(), 412),
        ("error_signature", "GET /bkt/k", mismatch.into(), 403),
        ("error_lifecycle", "GET /bkt?lifecycle", Failure::NoSuchLifecycle(bucket()).into(), 404),
        (
            "default_request_payment",
            "GET /bkt?requestPayment",
            Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::RequestPayment).into(),
            200,
        ),
        ("default_logging", "GET /bkt?logging", Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::Logging).into(), 200),
    ];
    for (name, head, rejection, status) in cases {
        let response = refusal(head, rejection);
        assert_eq!(response.status().as_u16(), status, "{name}");
        check(name, &response);
    }
}

#[test]
fn canary_a_golden_file_notices_a_changed_byte() {
    let body = fs::read_to_string(golden("tagging")).unwrap();
    let response = answer("GET /bkt/k?tagging", "", &Outcome::Tagging(Tags(vec![("a".into(), "<b>".into()), ("c".into(), "d".into())])));
    assert_ne!(response.body().as_ref(), body.as_bytes());
}

/// Every failure has its own words; this table pins the status and code of each.
#[test]
fn every_failure_has_its_status_and_code() {
    use ChecksumAlgorithm::{Crc32, Sha256};
    let key = || ObjectKey::new("k").unwrap();
    let cases = vec![
        (Failure::AccessDenied, 403, "AccessDenied"),
        (Failure::NoSuchBucket(bucket()), 404, "NoSuchBucket"),
        (Failure::BucketAlreadyOwnedByYou(bucket()), 409, "BucketAlreadyOwnedByYou"),
        (Failure::BucketAlreadyExists(bucket()), 409, "BucketAlreadyExists"),
        (Failure::BucketNotEmpty(bucket()), 409, "BucketNotEmpty"),
        (Failure::NoSuchKey(key()), 404, "NoSuchKey"),
        (Failure::NoSuchUpload("U".into()), 404, "NoSuchUpload"),
        (Failure::UnknownUploadIdMarker("U".into()), 400, "InvalidArgument"),
        (Failure::NoSuchCorsConfiguration(bucket()), 404, "NoSuchCORSConfiguration"),
        (Failure::NoSuchBucketPolicy(bucket()), 404, "NoSuchBucketPolicy"),
        (Failure::NoSuchTagSet(bucket()), 404, "NoSuchTagSet"),
        (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::Website), 404, "NoSuchWebsiteConfiguration"),
        (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::Encryption), 404, "ServerSideEncryptionConfigurationNotFoundError"),
        (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::ObjectLock), 404, "ObjectLockConfigurationNotFoundError"),
        (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::PublicAccessBlock), 404, "NoSuchPublicAccessBlockConfiguration"),
        (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::OwnershipControls), 404, "OwnershipControlsNotFoundError"),
        (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::Replication), 404, "ReplicationConfigurationNotFoundError"),
        (Failure::MalformedPolicy("why".into()), 400, "MalformedPolicy"),
        (Failure::NoParts, 400, "InvalidRequest"),
        (Failure::PartsOutOfOrder { upload_id: upload() }, 400, "InvalidPartOrder"),
        (Failure::PartInvalid { upload_id: upload(), number: number(1), etag: etag(1) }, 400, "InvalidPart"),
        (Failure::PartTooSmall { number: number(1), etag: etag(1), size: 1, size_min: 2 }, 400, "EntityTooSmall"),
        (Failure::TooLarge { size: 2, size_max: 1 }, 400, "EntityTooLarge"),
        (Failure::FormFileTooSmall { size: 1, size_min: 2 }, 400, "EntityTooSmall"),
        (Failure::ObjectSizeMismatch { expected: 1, actual: 2 }, 400, "InvalidRequest"),
        (Failure::IncompleteBody, 400, "IncompleteBody"),
        (Failure::BodyTimeout, 400, "RequestTimeout"),
        (Failure::MalformedBody, 400, "IncompleteBody"),
        (Failure::ChunkSignatureMismatch, 403, "SignatureDoesNotMatch"),
        (Failure::MalformedTrailer, 400, "MalformedTrailerError"),
        (Failure::InvalidTrailerChecksum(Crc32), 400, "InvalidRequest"),
        (Failure::Md5Mismatch { expected: [0; 16], actual: [1; 16] }, 400, "BadDigest"),
        (Failure::Sha256Mismatch { expected: [0; 32], actual: [1; 32] }, 400, "XAmzContentSHA256Mismatch"),
        (Failure::ChecksumMismatch(Crc32), 400, "BadDigest"),
        (Failure::ChecksumAlgorithmMismatch { expected: Crc32, actual: None }, 400, "InvalidRequest"),
        (Failure::PartChecksumMissing { number: number(1), algorithm: Sha256 }, 400, "InvalidRequest"),
        (Failure::PartChecksumMismatch { number: number(1), algorithm: Sha256 }, 400, "BadDigest"),
        (Failure::ChecksumTypeMismatch { declared: ChecksumType::FullObject }, 400, "InvalidRequest"),
        (Failure::PreconditionFailed("If-Match"), 412, "PreconditionFailed"),
        (Failure::ConditionalConflict(key()), 409, "ConditionalRequestConflict"),
        (Failure::RangeNotSatisfiable { size: 1 }, 416, "InvalidRange"),
        (Failure::NoSuchPart { number: number(9), count: 3 }, 416, "InvalidPartNumber"),
        (Failure::CopyRangeInvalid { size: 5 }, 400, "InvalidArgument"),
        (Failure::CopyOntoItself, 400, "InvalidRequest"),
        (Failure::CopySourceTooLarge { size_max: 5 << 30 }, 400, "InvalidRequest"),
        (Failure::QuotaExceeded(QuotaKind::KeyBytes), 403, "QuotaExceeded"),
        (Failure::SlowDown, 503, "SlowDown"),
        (Failure::NoSpace, 507, "InsufficientStorage"),
        (Failure::Unavailable, 503, "ServiceUnavailable"),
        (Failure::Internal, 500, "InternalError"),
    ];
    for (failure, status, code) in cases {
        let response = refusal("PUT /bkt/k", failure.clone());
        let document = crate::dialect::xml::Element::parse(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), document.child_text("Code")), (status, Some(code)), "{failure:?}");
        assert_eq!(document.child_text("RequestId"), Some(header(&response, "x-amz-request-id")));
        assert!(document.child_text("Message").is_some_and(|message| !message.is_empty()), "{failure:?}");
        assert_eq!(response.headers().contains_key("retry-after"), status == 503, "{failure:?}");
    }
}

#[test]
fn replies_say_who_and_when() {
    let response = answer("DELETE /bkt/k", "", &Outcome::Done);
    assert_eq!(response.status(), 204);
    assert_eq!(header(&response, "x-amz-request-id"), "4442587FB7D0A2F9");
    assert_eq!(header(&response, "x-amz-id-2"), "host");
    assert_eq!(header(&response, "server"), "partway");
    assert_eq!(header(&response, "date"), "Thu, 15 Jan 2026 08:30:00 GMT");
    assert!(!response.headers().contains_key("content-length"));
}

#[test]
fn done_has_the_status_s3_gives_it() {
    let tags = "<Tagging><TagSet/></Tagging>";
    let rules =
        "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>";
    let expiry = "<LifecycleConfiguration><Rule><Prefix/><Status>Enabled</Status><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
    for (head, document, status) in [
        ("DELETE /bkt", "", 204),
        ("PUT /bkt?policy", "{}", 204),
        ("PUT /bkt?tagging", tags, 204),
        ("PUT /bkt/k?tagging", tags, 200),
        ("PUT /bkt?cors", rules, 200),
        ("PUT /bkt?lifecycle", expiry, 200),
        ("DELETE /bkt?lifecycle", "", 204),
        ("PUT /bkt?acl\nx-amz-acl: public-read", "", 200),
        ("PUT /bkt/k?acl\nx-amz-acl: private", "", 200),
        ("DELETE /bkt?cors", "", 204),
        ("DELETE /bkt/k?uploadId=0123456789ABCDEF0123456789ABCDEF", "", 204),
    ] {
        let response = answer(head, document, &Outcome::Done);
        assert_eq!((response.status().as_u16(), response.body().len()), (status, 0), "{head}");
    }
    assert_eq!(header(&answer("PUT /bkt", "", &Outcome::CreateBucket), "location"), "/bkt");
    assert_eq!(header(&answer("HEAD /bkt", "", &Outcome::HeadBucket(info(None))), "x-amz-bucket-region"), "us-east-1");
    let policy = answer("GET /bkt?policy", "", &Outcome::Policy("{}".into()));
    assert_eq!((header(&policy, "content-type"), policy.body().as_ref()), ("application/json", b"{}".as_ref()));
}

#[test]
fn writes_answer_with_etag_and_checksum() {
    let response = answer(
        "PUT /bkt/k\ncontent-length: 1",
        "",
        &Outcome::PutObject { crc64_ecma: 0, event: None, etag: etag(0xAB), checksum: full(), size: 1 },
    );
    assert_eq!(header(&response, "etag"), format!("\"{}\"", "ab".repeat(16)));
    assert_eq!((header(&response, "x-amz-checksum-crc32"), header(&response, "x-amz-checksum-type")), ("WgDhBQ==", "FULL_OBJECT"));
    assert_eq!(header(&response, "content-length"), "0");
    let part = "PUT /bkt/k?partNumber=1&uploadId=0123456789ABCDEF0123456789ABCDEF\ncontent-length: 1";
    let uploaded = |checksum| Outcome::UploadPart { etag: etag(1), checksum, crc64_ecma: 0 };
    let response = answer(part, "", &uploaded(Some(crc32([0x36, 0x10, 0xa6, 0x86]))));
    assert_eq!((header(&response, "x-amz-checksum-crc32"), header(&response, "x-amz-checksum-type")), ("NhCmhg==", ""));
    assert!(!answer(part, "", &uploaded(None)).headers().keys().any(|name| name.as_str().starts_with("x-amz-checksum")));
    let created =
        Outcome::CreateMultipartUpload { upload_id: upload(), checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite)) };
    let response = answer("POST /bkt/k?uploads", "", &created);
    assert_eq!((header(&response, "x-amz-checksum-algorithm"), header(&response, "x-amz-checksum-type")), ("CRC32", "COMPOSITE"));
}

#[test]
fn reads_show_their_bytes_and_a_checksum_only_of_exactly_those() {
    let range = |start, end| ByteRange { start, end };
    let part = |checksum| Selected::Part { range: range(10, 20), checksum };
    let of_part = || Some(crc32([0x36, 0x10, 0xa6, 0x86]));
    // Selection, request, status, length, content range, checksum, type, parts count.
    let cases = [
        ("GET /bkt/k", Selected::Whole, 200, "100", "", "", "", ""),
        ("GET /bkt/k\nx-amz-checksum-mode: ENABLED", Selected::Whole, 200, "100", "", "WgDhBQ==", "FULL_OBJECT", ""),
        (
            "GET /bkt/k\nx-amz-checksum-mode: ENABLED\nrange: bytes=10-19",
            Selected::Range(range(10, 20)),
            206,
            "10",
            "bytes 10-19/100",
            "",
            "",
            "",
        ),
        (
            "GET /bkt/k\nx-amz-checksum-mode: ENABLED\nrange: bytes=0-",
            Selected::Range(range(0, 100)),
            206,
            "100",
            "bytes 0-99/100",
            "WgDhBQ==",
            "FULL_OBJECT",
            "",
        ),
        ("GET /bkt/k?partNumber=2", part(of_part()), 206, "10", "bytes 10-19/100", "", "", "3"),
        (
            "GET /bkt/k?partNumber=2\nx-amz-checksum-mode: enabled",
            part(of_part()),
            206,
            "10",
            "bytes 10-19/100",
            "NhCmhg==",
            "FULL_OBJECT",
            "3",
        ),
        ("GET /bkt/k?partNumber=2\nx-amz-checksum-mode: ENABLED", part(None), 206, "10", "bytes 10-19/100", "", "", "3"),
    ];
    for (head, selected, status, size, content_range, checksum, kind, count) in cases {
        let response = answer(head, "", &Outcome::GetObject(read(selected)));
        assert_eq!(response.status().as_u16(), status, "{head}");
        for (name, expected) in [
            ("content-length", size),
            ("content-range", content_range),
            ("x-amz-checksum-crc32", checksum),
            ("x-amz-checksum-type", kind),
            ("x-amz-mp-parts-count", count),
            ("accept-ranges", "bytes"),
            ("content-type", "binary/octet-stream"),
            ("etag", "\"b2add96cc9702bbf4efb0ccdfc6b7747-3\""),
            ("last-modified", "Mon, 12 Oct 2009 17:50:30 GMT"),
        ] {
            assert_eq!(header(&response, name), expected, "{head}: {name}");
        }
        assert!(response.body().is_empty());
    }
    let empty = ObjectRead { size: 0, part_count: None, ..read(Selected::Part { range: range(0, 0), checksum: None }) };
    let response = answer("GET /bkt/k?partNumber=1", "", &Outcome::GetObject(empty));
    assert_eq!((response.status().as_u16(), header(&response, "content-range"), header(&response, "content-length")), (200, "", "0"));
}

#[test]
fn stored_headers_come_back_and_cannot_inject() {
    let text = |text: &str| Some(text.to_owned());
    let attributes = Attributes {
        acl: None,
        headers: SystemHeaders {
            content_type: text("text/plain"),
            cache_control: text("no-cache"),
            content_disposition: text("attachment; filename=ü"),
            content_encoding: text("gzip"),
            content_language: text("de\r\nX-Evil: 1"),
            expires: text("whenever"),
            website_redirect: text("/there"),
            storage_class: text("STANDARD_IA"),
        },
        user: UserMetadata(vec![
            ("utf8".to_owned(), "é".as_bytes().to_vec()),
            ("evil".to_owned(), b"a\r\nb: c".to_vec()),
            ("bad name".to_owned(), b"v".to_vec()),
        ]),
        tags: Tags(vec![("a".to_owned(), "b".to_owned())]),
    };
    let outcome = Outcome::HeadObject(ObjectRead { attributes, ..read(Selected::Whole) });
    let response = answer("HEAD /bkt/k?response-cache-control=max-age%3D5", "", &outcome);
    for (name, expected) in [
        ("content-type", "text/plain"),
        ("cache-control", "max-age=5"),
        ("content-encoding", "gzip"),
        ("content-language", ""),
        ("expires", "whenever"),
        ("x-amz-website-redirect-location", "/there"),
        ("x-amz-storage-class", "STANDARD_IA"),
        ("x-amz-tagging-count", "1"),
        ("x-amz-missing-meta", "2"),
        ("x-evil", ""),
    ] {
        assert_eq!(header(&response, name), expected, "{name}");
    }
    assert_eq!(response.headers()["x-amz-meta-utf8"].as_bytes(), "é".as_bytes());
    assert_eq!(response.headers()["content-disposition"].as_bytes(), "attachment; filename=ü".as_bytes());
}

#[test]
fn errors_without_a_body() {
    let response = refusal("HEAD /bkt/k", Failure::NoSuchKey(ObjectKey::new("k").unwrap()));
    assert_eq!((response.status().as_u16(), response.body().len()), (404, 0));
    let response = refusal("GET /bkt/k", Failure::NotModified { etag: etag(1), last_modified: LAST_MODIFIED });
    assert_eq!((response.status().as_u16(), response.body().len()), (304, 0));
    assert_eq!(header(&response, "etag"), "\"01010101010101010101010101010101\"");
    assert_eq!(header(&response, "last-modified"), "Mon, 12 Oct 2009 17:50:30 GMT");
    assert!(!response.headers().contains_key("content-length"));
    let response = refusal("GET /bkt/k\nrange: bytes=9-", Failure::RangeNotSatisfiable { size: 5 });
    assert_eq!(header(&response, "content-range"), "bytes */5");
}

#[test]
fn an_outcome_of_another_operation_is_an_internal_error() {
    let response = answer("GET /bkt/k", "", &Outcome::Done);
    assert_eq!(response.status(), 500);
}

#[test]
fn listings_go_on_where_their_token_says() {
    let after = "b+/é\u{1}";
    let response = answer("GET /bkt?list-type=2", "", &Outcome::ListObjects(page(Some(after))));
    let document = crate::dialect::xml::Element::parse(response.body()).unwrap();
    let token = document.child_text("NextContinuationToken").unwrap();
    let (operation, _) = decode(&format!("GET /bkt?list-type=2&continuation-token={token}"), "").unwrap();
    assert!(matches!(operation, Operation::ListObjects(list) if list.after.as_deref() == Some(after)));
}

fn rules() -> CorsConfiguration {
    let rule = |origin: &str, max_age_secs| CorsRule {
        allowed_origins: vec![origin.to_owned()],
        allowed_methods: vec!["GET".to_owned(), "PUT".to_owned()],
        allowed_headers: vec!["X-Amz-*".to_owned(), "content-type".to_owned()],
        expose_headers: vec!["ETag".to_owned()],
        max_age_secs,
        id: None,
    };
    CorsConfiguration { rules: vec![rule("http://*.a.com", Some(60)), rule("*", None)] }
}

#[test]
fn preflights_are_answered_as_s3_does() {
    let ask = |configuration: Option<&CorsConfiguration>, headers: &str| {
        let parts = head(&format!("OPTIONS /bkt/k\n{headers}"));
        let address = crate::dialect::s3::address(&parts, &Default::default()).unwrap();
        cors::preflight(configuration, &parts, &address, &context())
            .unwrap_or_else(|error| encode_error(&error.into(), &parts, Some(&address), &context()))
    };
    let rules = rules();
    let response = ask(
        Some(&rules),
        "origin: http://x.a.com\naccess-control-request-method: PUT\naccess-control-request-headers: X-Amz-Date, Content-Type",
    );
    assert_eq!(response.status(), 200);
    for (name, expected) in [
        ("access-control-allow-origin", "http://x.a.com"),
        ("access-control-allow-methods", "GET, PUT"),
        ("access-control-allow-headers", "x-amz-date, content-type"),
        ("access-control-expose-headers", "ETag"),
        ("access-control-max-age", "60"),
        ("access-control-allow-credentials", "true"),
        ("vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
    ] {
        assert_eq!(header(&response, name), expected, "{name}");
    }
    let response = ask(Some(&rules), "origin: http://b.com\naccess-control-request-method: GET");
    assert_eq!((header(&response, "access-control-allow-origin"), header(&response, "access-control-allow-credentials")), ("*", ""));
    for (name, configuration, headers) in [
        ("cors_no_origin", Some(&rules), "access-control-request-method: GET"),
        ("cors_bad_method", Some(&rules), "origin: x\naccess-control-request-method: get"),
        ("cors_not_enabled", None, "origin: x\naccess-control-request-method: GET"),
        ("cors_not_allowed", Some(&rules), "origin: x\naccess-control-request-method: DELETE"),
    ] {
        let response = ask(configuration, headers);
        let expected = if name.starts_with("cors_not") { 403 } else { 400 };
        assert_eq!(response.status(), expected, "{name}");
        check(name, &response);
    }
}

#[test]
fn actual_responses_carry_the_rules_headers() {
    let add = |text: &str| {
        let mut response = refusal("GET /bkt/k", Failure::AccessDenied);
        cors::add_headers(&rules(), &head(text), response.headers_mut());
        response
    };
    let response = add("GET /bkt/k\norigin: http://x.a.com");
    assert_eq!(header(&response, "access-control-allow-origin"), "http://x.a.com");
    assert_eq!(header(&response, "access-control-expose-headers"), "ETag");
    for text in ["GET /bkt/k", "DELETE /bkt/k\norigin: http://x.a.com"] {
        let response = add(text);
        assert!(!response.headers().contains_key("access-control-allow-origin"), "{text}");
        assert!(header(&response, "vary").starts_with("Origin"), "{text}");
    }
}
