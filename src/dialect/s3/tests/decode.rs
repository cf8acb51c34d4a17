//! Request heads and documents to operations and errors.

use super::*;
use proptest::prelude::*;

const U: &str = "0123456789ABCDEF0123456789ABCDEF";

/// Purpose, head, document, status, code, and text that must be among message and elements.
type Refusal = (&'static str, String, &'static str, u16, &'static str, &'static str);

fn refusals() -> Vec<Refusal> {
    let mut cases: Vec<Refusal> = Vec::new();
    let mut case = |purpose, head: &str, document, status, code, contains| {
        cases.push((purpose, head.replace("$U", U), document, status, code, contains));
    };
    // Addressing and routing.
    case("a path that is no UTF-8", "GET /bkt/%ff", "", 400, "InvalidURI", "Couldn't parse the specified URI.");
    case("a query that is no UTF-8", "GET /bkt?prefix=%ff", "", 400, "InvalidURI", "");
    case("an empty bucket", "GET //k", "", 400, "InvalidBucketName", "BucketName=");
    case("a bad bucket", "PUT /Bad_Bucket", "", 400, "InvalidBucketName", "BucketName=Bad_Bucket");
    case("a long key", &format!("GET /bkt/{}", "k".repeat(1025)), "", 400, "KeyTooLongError", "Size=1025");
    case("a long key's limit", &format!("GET /bkt/{}", "k".repeat(1025)), "", 400, "KeyTooLongError", "MaxSizeAllowed=1024");
    case("posting to the service", "POST /", "", 405, "MethodNotAllowed", "ResourceType=SERVICE");
    case("patching an object", "PATCH /bkt/k", "", 405, "MethodNotAllowed", "Method=PATCH");
    case("posting an object", "POST /bkt/k", "", 405, "MethodNotAllowed", "ResourceType=OBJECT");
    case("posting what is no form", "POST /bkt\ncontent-type: text/plain", "", 412, "PreconditionFailed", "Bucket POST must be");
    case("two sub-resources", "GET /bkt?acl&policy", "", 400, "InvalidArgument", "Conflicting query string parameters: acl, policy");
    for name in ["torrent", "restore", "legal-hold", "retention", "select&select-type=2", "renameObject", "object-lock", "session"] {
        for method in ["GET", "PUT", "POST", "DELETE", "HEAD"] {
            case(
                "an object's sub-resource we have not",
                &format!("{method} /bkt/k?{name}"),
                "",
                501,
                "NotImplemented",
                "additionalMessage=",
            );
        }
    }
    for name in ["intelligent-tiering", "analytics", "inventory&id=1", "metrics", "session", "metadataConfiguration"] {
        for method in ["GET", "PUT", "DELETE"] {
            case("a bucket's sub-resource we have not", &format!("{method} /bkt?{name}"), "", 501, "NotImplemented", "additionalMessage=");
        }
    }
    for name in ["lifecycle", "website", "encryption", "versioning", "notification", "logging", "requestPayment", "accelerate"] {
        case("configuration that cannot be set", &format!("PUT /bkt?{name}"), "", 501, "NotImplemented", name);
    }
    case("a service sub-resource", "GET /?session", "", 501, "NotImplemented", "");
    case("uploads of an object", "GET /bkt/k?uploads", "", 405, "MethodNotAllowed", "");
    case("a part without upload", "PUT /bkt/k?partNumber=1\ncontent-length: 0", "", 400, "InvalidArgument", "partNumber without uploadId");
    case("deleting a part", "DELETE /bkt/k?partNumber=1", "", 400, "InvalidArgument", "partNumber without uploadId");
    case("an upload without part", "PUT /bkt/k?uploadId=$U\ncontent-length: 0", "", 400, "InvalidArgument", "uploadId without partNumber");
    case("a version", "GET /bkt/k?versionId=abc", "", 400, "InvalidArgument", "Invalid version id specified");
    case("an empty version", "GET /bkt/k?versionId=", "", 400, "InvalidArgument", "cannot be the empty string");
    case("writing a version", "PUT /bkt/k?versionId=null\ncontent-length: 0", "", 400, "InvalidArgument", "does not accept a version-id");
    case("a source without copy", "PUT /bkt/k?tagging\nx-amz-copy-source: a/b", "", 400, "InvalidArgument", "only specify a copy source");

    // What we have not.
    let put = |header: &str| format!("PUT /bkt/k\ncontent-length: 1\n{header}");
    for header in [
        "x-amz-server-side-encryption: AES256",
        "x-amz-server-side-encryption-customer-algorithm: AES256",
        "x-amz-object-lock-mode: GOVERNANCE",
        "x-amz-write-offset-bytes: 5",
        "x-amz-storage-class: GLACIER",
        "x-amz-checksum-xxhash64: AAAAAAAAAAA=",
        "x-amz-trailer: x-amz-checksum-sha512",
    ] {
        case("a header we do not honour", &put(header), "", 501, "NotImplemented", "Header=x-amz-");
    }
    case("reading with a customer's key", "GET /bkt/k\nx-amz-server-side-encryption-customer-key: k", "", 501, "NotImplemented", "Header=");
    case("a bucket with locks", "PUT /bkt\nx-amz-bucket-object-lock-enabled: true", "", 501, "NotImplemented", "Header=");
    case("an unknown class", &put("x-amz-storage-class: FAST"), "", 400, "InvalidStorageClass", "");
    case("a public object", &put("x-amz-acl: public-read"), "", 400, "AccessControlListNotSupported", "The bucket does not allow ACLs");
    case("a grant", &put("x-amz-grant-read: id=x"), "", 400, "AccessControlListNotSupported", "");
    case("a public bucket", "PUT /bkt?acl\nx-amz-acl: public-read", "", 501, "NotImplemented", "");
    case("an ACL document", "PUT /bkt/k?acl\nx-amz-acl: private\ncontent-length: 9", "", 501, "NotImplemented", "");
    case("a bad redirect", &put("x-amz-website-redirect-location: x"), "", 400, "InvalidRedirectLocation", "");

    // Bodies and checksums.
    case("no length", "PUT /bkt/k", "", 411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
    case(
        "an encoded length only",
        "PUT /bkt/k\ncontent-length: 9\nx-amz-content-sha256: STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "",
        411,
        "MissingContentLength",
        "",
    );
    case("a length that is none", "PUT /bkt/k\ncontent-length: +5", "", 400, "InvalidArgument", "Provided +5 not an integer");
    case("a bad MD5", &put("content-md5: abc"), "", 400, "InvalidDigest", "Content-MD5=abc");
    case("a short MD5", &put("content-md5: AAAA"), "", 400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
    let invalid = "Value for x-amz-checksum-crc32 header is invalid.";
    case("a bad checksum", &put("x-amz-checksum-crc32: ?"), "", 400, "InvalidRequest", invalid);
    case("a long checksum", &put("x-amz-checksum-crc32: AAAAAAA="), "", 400, "InvalidRequest", invalid);
    let multiple = "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.";
    case("two checksums", &put("x-amz-checksum-crc32: NhCmhg==\nx-amz-checksum-crc32c: 4waSgw=="), "", 400, "InvalidRequest", multiple);
    case(
        "header and trailer",
        &put("x-amz-checksum-crc32: NhCmhg==\nx-amz-trailer: x-amz-checksum-crc32"),
        "",
        400,
        "InvalidRequest",
        multiple,
    );
    case(
        "an SDK's algorithm alone",
        &put("x-amz-sdk-checksum-algorithm: CRC32"),
        "",
        400,
        "InvalidRequest",
        "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
    );
    case("an unknown trailer", &put("x-amz-trailer: x-other"), "", 400, "InvalidRequest", "The value specified in the x-amz-trailer");
    let create = |headers: &str| format!("POST /bkt/k?uploads\n{headers}");
    case(
        "a type without algorithm",
        &create("x-amz-checksum-type: COMPOSITE"),
        "",
        400,
        "InvalidRequest",
        "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
    );
    case(
        "a pair that is not allowed",
        &create("x-amz-checksum-type: COMPOSITE\nx-amz-checksum-algorithm: CRC64NVME"),
        "",
        400,
        "InvalidRequest",
        "The COMPOSITE checksum type cannot be used with the crc64nvme checksum algorithm.",
    );
    case(
        "a SHA of the whole",
        &create("x-amz-checksum-type: FULL_OBJECT\nx-amz-checksum-algorithm: SHA256"),
        "",
        400,
        "InvalidRequest",
        "The FULL_OBJECT checksum type cannot be used with the sha256 checksum algorithm.",
    );
    case("an unknown algorithm", &create("x-amz-checksum-algorithm: CRC16"), "", 400, "InvalidRequest", "unsupported");

    // Conditions, ranges, metadata, tags.
    case("If-None-Match with an ETag", &put("if-none-match: \"abc\""), "", 501, "NotImplemented", "We don't accept the provided value");
    case("both conditions", &put("if-none-match: *\nif-match: x"), "", 501, "NotImplemented", "Multiple conditional request headers");
    case("a write with a date", &put("if-unmodified-since: x"), "", 501, "NotImplemented", "Header=If-Unmodified-Since");
    case("a delete if none", "DELETE /bkt/k\nif-none-match: *", "", 501, "NotImplemented", "Header=If-None-Match");
    case("a delete by size", "DELETE /bkt/k\nx-amz-if-match-size: 5", "", 501, "NotImplemented", "Header=x-amz-if-match-size");
    let part_number = "Part number must be an integer between 1 and 10000, inclusive";
    for bad in ["0", "10001", "-1", "x", ""] {
        case("a part that is none", &format!("GET /bkt/k?partNumber={bad}"), "", 400, "InvalidArgument", part_number);
        let head = format!("PUT /bkt/k?partNumber={bad}&uploadId=$U\ncontent-length: 1");
        case("uploading a part that is none", &head, "", 400, "InvalidArgument", part_number);
    }
    case(
        "a range of a part",
        "GET /bkt/k?partNumber=1\nrange: bytes=0-1",
        "",
        400,
        "InvalidRequest",
        "Cannot specify both Range header and partNumber query parameter",
    );
    case("an override with a line break", "GET /bkt/k?response-content-type=a%0d%0aX:%20y", "", 400, "InvalidArgument", "ISO-8859-1");
    case("too much metadata", &put(&format!("x-amz-meta-a: {}", "v".repeat(2048))), "", 400, "MetadataTooLarge", "Size=2049");
    case("too many tags", &put("x-amz-tagging: a&b&c&d&e&f&g&h&i&j&k"), "", 400, "BadRequest", "Object tags cannot be greater than 10");
    case("a tag twice", &put("x-amz-tagging: a=1&a=2"), "", 400, "InvalidArgument", "without tag name duplicates");
    case("a tag without key", &put("x-amz-tagging: =1"), "", 400, "InvalidTag", "The TagKey you have provided is invalid");
    case("a long tag", &put(&format!("x-amz-tagging: a={}", "v".repeat(257))), "", 400, "InvalidTag", "TagKey=a");
    case("a system tag", &put("x-amz-tagging: aws%3Ax=1"), "", 400, "InvalidTag", "System tags");

    // Copies.
    let copy = |source: &str| format!("PUT /bkt/k\nx-amz-copy-source: {source}");
    let must = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
    for source in ["src", "src/", "/", "/src/", ""] {
        case("a source that is none", &copy(source), "", 400, "InvalidArgument", must);
    }
    case("a source's version", &copy("src/k?versionId=v1"), "", 400, "InvalidArgument", "Invalid version id specified");
    case("a source's bucket", &copy("S/k"), "", 400, "InvalidArgument", "Invalid copy source bucket name");
    case("a source's encoding", &copy("src/%zz"), "", 400, "InvalidArgument", "Invalid copy source encoding.");
    let directive = copy("src/k") + "\nx-amz-metadata-directive: MERGE";
    case("a directive that is none", &directive, "", 400, "InvalidArgument", "Unknown metadata directive.");
    let range = format!("PUT /bkt/k?partNumber=1&uploadId={U}\nx-amz-copy-source: src/k\nx-amz-copy-source-range: bytes=0-");
    case("half a copy range", &range, "", 400, "InvalidArgument", "must be of the form bytes=first-last");

    // Multipart.
    case("an id that is none", "DELETE /bkt/k?uploadId=x", "", 404, "NoSuchUpload", "UploadId=x");
    case("listing parts of no upload", "GET /bkt/k?uploadId", "", 404, "NoSuchUpload", "The specified multipart upload does not exist.");
    let complete = "POST /bkt/k?uploadId=$U";
    for bad in [
        "",
        "x",
        "<A/>",
        "<CompleteMultipartUpload/>",
        "<CompleteMultipartUpload><Part><ETag>a</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
    ] {
        case("a list that is none", complete, bad, 400, "MalformedXML", "The XML you provided was not well-formed");
    }
    case(
        "XML before the upload",
        "POST /bkt/k?uploadId=x",
        "<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
        404,
        "NoSuchUpload",
        "",
    );
    case(
        "part zero",
        complete,
        "<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
        400,
        "InvalidArgument",
        "PartNumber must be >= 1",
    );
    for bad in [
        "<CompleteMultipartUpload><Part><PartNumber>10001</PartNumber><ETag>b8fc857a25e7958868c2f003d5e0952d</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>abc</ETag></Part></CompleteMultipartUpload>",
    ] {
        case("a part that cannot be", complete, bad, 400, "InvalidPart", "UploadId=0123456789ABCDEF");
    }
    const PART: &str = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>b8fc857a25e7958868c2f003d5e0952d</ETag></Part></CompleteMultipartUpload>";
    let sized = format!("{complete}\nx-amz-mp-object-size: x");
    case("a size that is none", &sized, PART, 400, "InvalidRequest", "Value for x-amz-mp-object-size header is invalid.");
    case(
        "a part's checksum that is none",
        complete,
        "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>b8fc857a25e7958868c2f003d5e0952d</ETag><ChecksumCRC32>x</ChecksumCRC32></Part></CompleteMultipartUpload>",
        400,
        "InvalidArgument",
        "Invalid Base64 or multiple checksums present in request",
    );

    // Listings.
    for (query, contains) in [
        ("max-keys=abc", "Provided abc not an integer or within integer range"),
        ("max-keys=-1", "Argument maxKeys must be an integer between 0 and 2147483647"),
        ("max-keys=2147483648", "Argument maxKeys must be an integer between 0 and 2147483647"),
        ("encoding-type=xml", "Invalid Encoding Method specified in Request"),
        ("list-type=3", "Invalid List Type specified in Request"),
        ("list-type=2&continuation-token=bad", "The continuation token provided is incorrect"),
        ("versions&version-id-marker=x", "A version-id marker cannot be specified without a key marker."),
        ("versions&key-marker=k&version-id-marker=x", "Invalid version id specified"),
        ("uploads&max-uploads=-1", "Argument max-uploads must be"),
    ] {
        case("a listing's argument", &format!("GET /bkt?{query}"), "", 400, "InvalidArgument", contains);
    }
    case("a page of parts", "GET /bkt/k?uploadId=$U&max-parts=-1", "", 400, "InvalidArgument", "Argument max-parts must be");
    case("a marker of parts", "GET /bkt/k?uploadId=$U&part-number-marker=x", "", 400, "InvalidArgument", "Provided x not an integer");
    case("a page of buckets", "GET /?max-buckets=0", "", 400, "InvalidArgument", "max-buckets");
    case("no attributes", "GET /bkt/k?attributes", "", 400, "InvalidRequest", "either missing or empty");
    let unknown = "GET /bkt/k?attributes\nx-amz-object-attributes: ETag,Colour";
    case("an unknown attribute", unknown, "", 400, "InvalidArgument", "Invalid attribute name specified.");

    // Documents.
    let required = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*";
    case("an unguarded delete", "POST /bkt?delete", "<Delete/>", 400, "InvalidRequest", required);
    let delete = "POST /bkt?delete\ncontent-md5: AAAAAAAAAAAAAAAAAAAAAA==";
    case("an empty delete", delete, "<Delete/>", 400, "MalformedXML", "");
    case("a delete without document", delete, "", 400, "MissingRequestBodyError", "Request Body is empty");
    case("a delete without key", delete, "<Delete><Object/></Delete>", 400, "MalformedXML", "");
    case("a delete by date", delete, "<Delete><Object><Key>a</Key><Size>1</Size></Object></Delete>", 501, "NotImplemented", "Size");
    case("a doctype", delete, "<!DOCTYPE d><Delete><Object><Key>a</Key></Object></Delete>", 400, "MalformedXML", "");
    case("tags without document", "PUT /bkt/k?tagging", "", 400, "MissingRequestBodyError", "");
    case("tags of another kind", "PUT /bkt/k?tagging", "<Tags/>", 400, "MalformedXML", "");
    case(
        "a tag twice in a document",
        "PUT /bkt/k?tagging",
        "<Tagging><TagSet><Tag><Key>a</Key><Value/></Tag><Tag><Key>a</Key><Value/></Tag></TagSet></Tagging>",
        400,
        "InvalidTag",
        "Cannot provide multiple Tags with the same key",
    );
    case("a bucket of another kind", "PUT /bkt", "<X/>", 400, "MalformedXML", "");
    case(
        "a place that is none",
        "PUT /bkt",
        "<CreateBucketConfiguration><LocationConstraint>a b</LocationConstraint></CreateBucketConfiguration>",
        400,
        "InvalidLocationConstraint",
        "",
    );
    case("a directory bucket", "PUT /bkt", "<CreateBucketConfiguration><Bucket/></CreateBucketConfiguration>", 501, "NotImplemented", "");
    for (rule, code, contains) in [
        ("", "MalformedXML", ""),
        ("<CORSRule/>", "MalformedXML", ""),
        ("<CORSRule><AllowedOrigin>*</AllowedOrigin></CORSRule>", "MalformedXML", ""),
        (
            "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod></CORSRule>",
            "InvalidRequest",
            "Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        (
            "<CORSRule><AllowedOrigin>*.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>",
            "InvalidRequest",
            "AllowedOrigin \"*.*\" can not have more than one wildcard.",
        ),
        (
            "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><ExposeHeader>a&#10;b</ExposeHeader></CORSRule>",
            "InvalidRequest",
            "contains invalid character",
        ),
        (
            "<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><ExposeHeader>x-*</ExposeHeader></CORSRule>",
            "InvalidRequest",
            "ExposeHeader \"x-*\" contains wildcard.",
        ),
    ] {
        let document: &'static str = format!("<CORSConfiguration>{rule}</CORSConfiguration>").leak();
        case("a rule that is none", "PUT /bkt?cors", document, 400, code, contains);
    }
    cases
}

fn told(error: &ErrorReply) -> String {
    let elements = error.elements.iter().map(|(name, value)| format!("{name}={value}"));
    std::iter::once(error.message.to_string()).chain(elements).collect::<Vec<_>>().join("\n")
}

fn is_as_expected((_, head, document, status, code, contains): &Refusal) -> Result<(), String> {
    match decode(head, document) {
        Ok((operation, _)) => Err(format!("accepted as {operation:?}")),
        Err(error) if (error.status.as_u16(), error.code) == (*status, *code) && told(&error).contains(contains) => Ok(()),
        Err(error) => Err(format!("{} {}: {}", error.status, error.code, told(&error))),
    }
}

#[test]
fn refuses_as_s3_does() {
    for case in refusals() {
        let result = is_as_expected(&case);
        assert!(result.is_ok(), "{}\n{}\n{:.200}\nexpected {} {} {}\n{:?}", case.0, case.1, case.2, case.3, case.4, case.5, result);
    }
}

#[test]
fn canary_the_table_notices_a_wrong_status_code_or_message() {
    let right: Refusal = ("", "GET /bkt/%ff".to_owned(), "", 400, "InvalidURI", "Couldn't");
    assert!(is_as_expected(&right).is_ok());
    for wrong in [
        ("", right.1.clone(), "", 404, "InvalidURI", "Couldn't"),
        ("", right.1.clone(), "", 400, "NoSuchKey", "Couldn't"),
        ("", right.1.clone(), "", 400, "InvalidURI", "Could not"),
        ("", "GET /bkt/k".to_owned(), "", 400, "InvalidURI", ""),
    ] {
        assert!(is_as_expected(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn method_not_allowed_names_what_is() {
    let error = decode("POST /bkt?cors", "").unwrap_err();
    assert_eq!((error.status.as_u16(), error.code), (405, "MethodNotAllowed"));
    assert_eq!(error.headers, [(http::header::ALLOW, HeaderValue::from_static("GET, PUT, DELETE"))]);
}

fn whole(key: &str) -> ReadObject {
    ReadObject { object: object(key), selection: Selection::Whole, conditions: ReadConditions::default() }
}

fn listing(after: Option<&str>, count_max: usize) -> ListObjects {
    ListObjects { bucket: bucket(), prefix: String::new(), delimiter: String::new(), after: after.map(str::to_owned), count_max }
}

fn put(key: &str, size: u64) -> PutObject {
    PutObject {
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
        ("PUT /bkt\nx-amz-acl: private", "", Operation::CreateBucket(CreateBucket { bucket: bucket(), location: None })),
        (
            "PUT /bkt/",
            "<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>",
            Operation::CreateBucket(CreateBucket { bucket: bucket(), location: Some("eu-west-1".to_owned()) }),
        ),
        ("HEAD /bkt", "", Operation::HeadBucket(bucket())),
        ("DELETE /bkt/", "", Operation::DeleteBucket(bucket())),
        ("GET /bkt/?location", "", Operation::GetBucketLocation(bucket())),
        ("GET /bkt?location=", "", Operation::GetBucketLocation(bucket())),
        ("GET /\nhost: bkt.localhost:9000", "", Operation::ListObjects(listing(None, 1000))),
        ("GET /bkt?versioning", "", Operation::GetBucketVersioning(bucket())),
        ("PUT /bkt?acl\nx-amz-acl: private", "", Operation::GetBucketAcl(bucket())),
        ("PUT /bkt/k?acl\nx-amz-acl: private\ncontent-length: 0", "", Operation::GetObjectAcl(object("k"))),
        ("GET /bkt?lifecycle", "", Operation::GetAbsentBucketConfiguration(bucket(), AbsentConfiguration::Lifecycle)),
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
                object: object("k"),
                attributes: Attributes {
                    headers: SystemHeaders {
                        expires: Some("whenever".to_owned()),
                        storage_class: Some("STANDARD_IA".to_owned()),
                        ..headers("text/plain")
                    },
                    user: UserMetadata(vec![("a".to_owned(), "é".as_bytes().to_vec()), ("b".to_owned(), b"1,2".to_vec())]),
                    tags: Tags(vec![("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x y".to_owned())]),
                },
                conditions: WriteConditions { if_match: None, if_absent: true },
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
            "PUT /bkt/k\nx-amz-copy-source: /src-bkt/a%20b/%C3%BC+c?versionId=null\nx-amz-copy-source-if-none-match: 01010101010101010101010101010101\nx-amz-metadata-directive: REPLACE\ncontent-type: a/b\nx-amz-meta-x: y\nx-amz-storage-class: ONEZONE_IA\nx-amz-checksum-algorithm: sha256",
            "",
            Operation::CopyObject(CopyObject {
                source: ObjectRef { bucket: Bucket::new("src-bkt").unwrap(), key: ObjectKey::new("a b/ü c").unwrap() },
                source_conditions: ReadConditions { if_none_match: Some(ETagCondition::OneOf(vec![etag(1)])), ..ReadConditions::default() },
                target: object("k"),
                conditions: WriteConditions::default(),
                metadata: Directive::Replace((headers("a/b"), UserMetadata(vec![("x".to_owned(), b"y".to_vec())]))),
                tags: Directive::Copy,
                storage_class: Some("ONEZONE_IA".to_owned()),
                checksum_algorithm: Some(ChecksumAlgorithm::Sha256),
            }),
        ),
        (
            "GET /bkt/k?attributes\nx-amz-object-attributes: ETag\nx-amz-object-attributes: ObjectParts\nx-amz-max-parts: 2\nx-amz-part-number-marker: 7",
            "",
            Operation::GetObjectAttributes(GetObjectAttributes { object: object("k"), part_number_marker: 7, parts_max: 2 }),
        ),
        (
            "POST /bkt/k?uploads=\nx-amz-checksum-algorithm: CRC32\ncontent-type: a/b",
            "",
            Operation::CreateMultipartUpload(CreateMultipartUpload {
                object: object("k"),
                attributes: Attributes { headers: headers("a/b"), ..Attributes::default() },
                checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite)),
            }),
        ),
        (
            "POST /bkt/k?uploads",
            "",
            Operation::CreateMultipartUpload(CreateMultipartUpload {
                object: object("k"),
                attributes: Attributes::default(),
                checksum: None,
            }),
        ),
        (
            "PUT /bkt/k?partNumber=7&uploadId=0123456789abcdef0123456789ABCDEF&x-id=UploadPart\ncontent-length: 9",
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
                source_range: Some((0, 9)),
                source_conditions: ReadConditions::default(),
            }),
        ),
        (
            "POST /bkt/k?uploadId=0123456789ABCDEF0123456789ABCDEF\nx-amz-mp-object-size: 9\nx-amz-checksum-crc32: NhCmhg==-2\nx-amz-checksum-type: COMPOSITE\nif-match: \"03030303030303030303030303030303\"",
            "<?xml version=\"1.0\"?><CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Part><ETag>&quot;01010101010101010101010101010101&quot;</ETag><PartNumber>2</PartNumber><ChecksumCRC32>NhCmhg==</ChecksumCRC32></Part>\n<Part><PartNumber> 1 </PartNumber><ETag>&#34;02020202020202020202020202020202&#34;</ETag></Part></CompleteMultipartUpload>",
            Operation::CompleteMultipartUpload(CompleteMultipartUpload {
                object: object("k"),
                upload_id: upload(),
                parts: vec![
                    CompletedPart { number: number(2), etag: etag(1), checksum: Some(crc32([0x36, 0x10, 0xa6, 0x86])) },
                    CompletedPart { number: number(1), etag: etag(2), checksum: None },
                ],
                conditions: WriteConditions { if_match: Some(ETagCondition::OneOf(vec![etag(3)])), if_absent: false },
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
