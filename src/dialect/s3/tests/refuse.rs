//! What is refused, and how: status, code and words.

use super::*;

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
    for name in
        ["torrent", "restore", "legal-hold", "retention", "select&select-type=2", "renameObject", "object-lock", "session", "annotation"]
    {
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
    for name in
        ["intelligent-tiering", "analytics", "inventory&id=1", "metrics", "session", "metadataConfiguration", "metadataAnnotationTable"]
    {
        for method in ["GET", "PUT", "DELETE"] {
            case("a bucket's sub-resource we have not", &format!("{method} /bkt?{name}"), "", 501, "NotImplemented", "additionalMessage=");
        }
    }
    for name in ["website", "encryption", "versioning", "notification", "logging", "requestPayment", "accelerate"] {
        case("configuration that cannot be set", &format!("PUT /bkt?{name}"), "", 501, "NotImplemented", name);
    }
    for method in ["PUT", "POST", "DELETE"] {
        for target in ["/bkt/k?newThing", "/bkt/k?newThing=", "/bkt?x-id=PutThing&newThing"] {
            case("a write to what is not known yet", &format!("{method} {target}"), "", 501, "NotImplemented", "newThing");
        }
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
    let namespace = "PUT /bkt\nx-amz-bucket-namespace: account-regional";
    case("a bucket in another namespace", namespace, "", 501, "NotImplemented", "Header=x-amz-bucket-namespace");
    let abort = "DELETE /bkt/k?uploadId=$U\nx-amz-if-match-initiated-time: x";
    case("an abort by time", abort, "", 501, "NotImplemented", "Header=x-amz-if-match-initiated-time");
    case("a bucket with locks", "PUT /bkt\nx-amz-bucket-object-lock-enabled: true", "", 501, "NotImplemented", "Header=");
    case("an unknown class", &put("x-amz-storage-class: FAST"), "", 400, "InvalidStorageClass", "");
    let others = &put("x-amz-acl: authenticated-read");
    case("an object for others", others, "", 400, "AccessControlListNotSupported", "The bucket does not allow ACLs");
    case("a grant", &put("x-amz-grant-read: id=x"), "", 400, "AccessControlListNotSupported", "");
    case("a bucket for others", "PUT /bkt?acl\nx-amz-acl: authenticated-read", "", 501, "NotImplemented", "");
    case("an ACL of grants", "PUT /bkt?acl\nx-amz-acl: private\nx-amz-grant-read: id=x", "", 501, "NotImplemented", "");
    case("no ACL", "PUT /bkt?acl", "", 501, "NotImplemented", "");
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
