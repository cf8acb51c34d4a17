//! What is refused, and how: status, code and words.

use super::*;
use crate::dialect::{Dialect as _, oss::Oss};

/// Purpose, head, document, status, code, and text that must be among message and elements.
type Refusal = (&'static str, String, String, u16, &'static str, &'static str);

fn refusals() -> Vec<Refusal> {
    let mut cases: Vec<Refusal> = Vec::new();
    let mut case = |purpose, head: &str, document: &str, status, code, contains| {
        cases.push((purpose, head.to_owned(), document.to_owned(), status, code, contains));
    };
    // Addressing and routing.
    case("a path that is no UTF-8", "GET /bkt/%ff", "", 400, "InvalidObjectName", "The specified object is not valid.");
    case("a query that is no UTF-8", "GET /bkt?prefix=%ff", "", 400, "InvalidArgument", "");
    case("an empty bucket", "GET //k", "", 400, "InvalidBucketName", "BucketName=");
    case("a bad bucket", "PUT /Bad_Bucket", "", 400, "InvalidBucketName", "The specified bucket is not valid.");
    case("a bucket with a dot", "PUT /my.bucket", "", 400, "InvalidBucketName", "BucketName=my.bucket");
    case("a long key", &format!("GET /bkt/{}", "k".repeat(1024)), "", 400, "InvalidObjectName", "Object name must be less than 1024.");
    case("a key that begins with a slash", "GET /bkt//k", "", 400, "InvalidObjectName", "");
    case("a key that begins with a backslash", "PUT /bkt/%5Ck\ncontent-length: 0", "", 400, "InvalidObjectName", "");
    case("posting to the service", "POST /", "", 405, "MethodNotAllowed", "ResourceType=SERVICE");
    case("asking for a bucket's head", "HEAD /bkt", "", 405, "MethodNotAllowed", "ResourceType=BUCKET");
    case("posting an object", "POST /bkt/k", "", 405, "MethodNotAllowed", "ResourceType=OBJECT");
    case("patching an object", "PATCH /bkt/k", "", 405, "MethodNotAllowed", "Method=PATCH");
    let form = "Bucket POST must be of the enclosure-type multipart/form-data.";
    case("posting what is no form", "POST /bkt\ncontent-type: text/plain", "", 400, "RequestIsNotMultiPartContent", form);
    case("two sub-resources", "GET /bkt?acl&policy", "", 400, "InvalidArgument", "Conflicting query string parameters: acl, policy");

    // Sub-resources and parameters that we have not.
    for name in ["seal&position=1", "asyncFetch", "live", "vod", "x-oss-rename", "objectInfo", "img", "style"] {
        for method in ["GET", "PUT", "POST", "DELETE", "HEAD"] {
            case("an object's sub-resource we have not", &format!("{method} /bkt/k?{name}"), "", 400, "NotImplemented", "The parameter");
        }
    }
    for name in ["qos", "cname", "inventory&inventoryId=1", "resourceGroup", "metaQuery", "wormId=1", "rtc", "accessPoint"] {
        for method in ["GET", "PUT", "POST", "DELETE"] {
            case("a bucket's sub-resource we have not", &format!("{method} /bkt?{name}"), "", 400, "NotImplemented", "The parameter");
        }
    }
    for name in ["versioning", "encryption", "logging", "website", "requestPayment", "worm", "replication", "transferAcceleration"] {
        case("configuration that cannot be set", &format!("PUT /bkt?{name}"), "", 400, "NotImplemented", name);
    }
    for method in ["PUT", "DELETE", "POST"] {
        let contains = "Unexpected query string parameter\nArgumentName=QueryParameter\nArgumentValue=newThing\nEC=0017-00000219";
        case("a write with a parameter nobody knows", &format!("{method} /bkt/k?newThing"), "", 400, "InvalidArgument", contains);
        case("a bucket's write with one", &format!("{method} /bkt?newThing=1"), "", 400, "InvalidArgument", contains);
    }
    case("metadata in a URL", "PUT /bkt/k?x-oss-meta-a=1\ncontent-length: 0", "", 400, "InvalidArgument", "ArgumentValue=x-oss-meta-a");
    case("an image to be processed", "GET /bkt/k?x-oss-process=image/resize,w_1", "", 400, "InvalidArgument", "not supported");
    case("a URL for one network", "GET /bkt/k?x-oss-ac-source-ip=10.0.0.1", "", 400, "NotImplemented", "x-oss-ac-source-ip");
    case("a restore", "POST /bkt/k?restore", "", 400, "OperationNotSupported", "The operation is not supported for this resource.");
    case("a version", "GET /bkt/k?versionId=abc", "", 400, "InvalidArgument", "Invalid version id specified.");
    case("an empty version", "DELETE /bkt/k?versionId=", "", 400, "InvalidArgument", "Version id can not be the empty string.");
    case("writing a version", "PUT /bkt/k?versionId=null\ncontent-length: 0", "", 400, "InvalidArgument", "ArgumentValue=versionId");
    case("a position without append", "PUT /bkt/k?position=0\ncontent-length: 0", "", 400, "InvalidArgument", "ArgumentValue=position");
    case(
        "a source without copy",
        "PUT /bkt/k?tagging\nx-oss-copy-source: /bkt/b",
        "",
        400,
        "InvalidArgument",
        "only specify a copy source",
    );

    // Headers that we have not, and headers that are none.
    let put = |header: &str| format!("PUT /bkt/k\ncontent-length: 1\n{header}");
    for header in [
        "x-oss-server-side-encryption: AES256",
        "x-oss-server-side-encryption: KMS",
        "x-oss-server-side-encryption-key-id: k",
        "x-oss-server-side-data-encryption: SM4",
        "x-oss-object-worm-mode: COMPLIANCE",
    ] {
        case("a header we do not honour", &put(header), "", 400, "NotImplemented", "Header=x-oss-");
    }
    for (header, name) in [
        ("if-modified-since: x", "Header=If-Modified-Since"),
        ("if-match: x", "Header=If-Match"),
        ("if-none-match: *", "Header=If-None-Match"),
    ] {
        case("a condition on a write", &put(header), "", 400, "NotImplemented", name);
    }
    case("a condition on a delete", "DELETE /bkt/k\nif-match: x", "", 400, "NotImplemented", "Header=If-Match");
    case("an unknown class", &put("x-oss-storage-class: FAST"), "", 400, "InvalidArgument", "ArgumentName=x-oss-storage-class");
    case("an unknown ACL", &put("x-oss-object-acl: open"), "", 400, "InvalidArgument", "ArgumentName=x-oss-object-acl");
    case("an unknown flag", &put("x-oss-forbid-overwrite: maybe"), "", 400, "InvalidArgument", "must be true or false");
    case("an MD5 that is none", &put("content-md5: abc"), "", 400, "InvalidDigest", "The Content-MD5 you specified was invalid.");
    case("a CRC that is none", &put("x-oss-hash-crc64ecma: 0xff"), "", 400, "InvalidArgument", "x-oss-hash-crc64ecma");
    let large = format!("x-oss-meta-a: {}", "v".repeat(8192));
    case("too much metadata", &put(&large), "", 400, "InvalidArgument", "8192 bytes");
    case("a body of unknown length", "PUT /bkt/k", "", 411, "MissingContentLength", "You must provide the Content-Length HTTP header.");
    case("a length that is no number", "PUT /bkt/k\ncontent-length: x", "", 400, "InvalidArgument", "Content-Length");
    case("an ACL that is not told", "PUT /bkt/k?acl", "", 400, "MissingArgument", "Missing Some Required Arguments.");
    case("a link to nowhere", "PUT /bkt/l?symlink", "", 400, "MissingArgument", "");
    case("a link to what is no key", "PUT /bkt/l?symlink\nx-oss-symlink-target: %2Fa", "", 400, "InvalidArgument", "symlink target");
    case("an append without position", "POST /bkt/k?append\ncontent-length: 1", "", 400, "MissingArgument", "");
    case("an append before the start", "POST /bkt/k?append&position=-1\ncontent-length: 1", "", 400, "InvalidArgument", "position");

    // Copies.
    let copy = |source: &str| format!("PUT /bkt/k\nx-oss-copy-source: {source}");
    let source = "Copy Source must mention the source bucket and key: /sourcebucket/sourcekey.";
    for malformed in ["", "/", "/bkt", "/bkt/", "%ff", "//k"] {
        case("a source that is none", &copy(malformed), "", 400, "InvalidArgument", source);
    }
    case("a source's bad bucket", &copy("/Bad/k"), "", 400, "InvalidBucketName", "");
    case("a source's version", &copy("/bkt/a?versionId=v"), "", 400, "InvalidArgument", "Invalid version id specified.");
    case("an unknown directive", &copy("/bkt/a\nx-oss-metadata-directive: MOVE"), "", 400, "InvalidArgument", "COPY or REPLACE");
    let condition = copy("/bkt/a\nif-match: x\nx-oss-copy-source-if-match: y");
    case("a condition on a copy's target", &condition, "", 400, "NotImplemented", "Header=If-Match");

    // Multipart uploads.
    let no_number = "Unexpected query string parameter\nArgumentName=QueryParameter\nArgumentValue=uploadId\nEC=0017-00000219";
    case("an upload without part", "PUT /bkt/k?uploadId=$U\ncontent-length: 0", "", 400, "InvalidArgument", no_number);
    case("a part without upload", "PUT /bkt/k?partNumber=1\ncontent-length: 0", "", 400, "InvalidArgument", "ArgumentValue=partNumber");
    for number in ["0", "10001", "", "x", "-1", "99999999999999999999999"] {
        let head = format!("PUT /bkt/k?partNumber={number}&uploadId=$U\ncontent-length: 0");
        let contains = "Part number must be an integer between 1 and 10000, inclusive.\nArgumentName=PartNumber";
        case("a number no part has", &head, "", 400, "InvalidArgument", contains);
        case("a number's EC", &head, "", 400, "InvalidArgument", "EC=0017-00000220");
    }
    case("an id that is none", "PUT /bkt/k?partNumber=1&uploadId=x\ncontent-length: 0", "", 404, "NoSuchUpload", "UploadId=x");
    case("an id that is none, aborted", "DELETE /bkt/k?uploadId=", "", 404, "NoSuchUpload", "EC=0017-00000244");
    let encrypted = "PUT /bkt/k?partNumber=1&uploadId=$U\ncontent-length: 0\nx-oss-server-side-encryption: AES256";
    case("encryption of a part", encrypted, "", 400, "InvalidArgument", "x-oss-server-side-encryption");
    for document in
        ["", "<x", "<CompleteMultipartUpload/>", "<Other><Part/></Other>", "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>"]
    {
        case("a list that is none", "POST /bkt/k?uploadId=$U", document, 400, "MalformedXML", "EC=0042-00000205");
    }
    let all = "POST /bkt/k?uploadId=$U\nx-oss-complete-all: yes";
    case("a list beside complete-all", all, "<x/>", 400, "InvalidArgument", "Should not speficy both complete all header and http body.");
    case("its EC", all, "<x/>", 400, "InvalidArgument", "EC=0042-00000216");
    for (page, name) in [("uploads&max-uploads=0", "max-uploads"), ("uploads&max-uploads=1001", "max-uploads")] {
        case("a page that is none", &format!("GET /bkt?{page}"), "", 400, "InvalidArgument", name);
    }
    case("a page of parts that is none", "GET /bkt/k?uploadId=$U&max-parts=x", "", 400, "InvalidArgument", "max-parts");
    case("an unknown encoding", "POST /bkt/k?uploads&encoding-type=x", "", 400, "InvalidArgument", "encoding-type");

    // Deleting many.
    let delete = "POST /bkt?delete\ncontent-length: 1\ncontent-md5: AAAAAAAAAAAAAAAAAAAAAA==";
    case("a delete without MD5", "POST /bkt?delete\ncontent-length: 1", "<Delete/>", 400, "MissingArgument", "EC=0016-00000606");
    case("a delete without length", "POST /bkt?delete\ncontent-md5: AAAAAAAAAAAAAAAAAAAAAA==", "", 411, "MissingContentLength", "");
    let many = format!("<Delete>{}</Delete>", "<Object><Key>k</Key></Object>".repeat(1001));
    for document in
        ["", "<x", "<Delete/>", "<Delete><Object/></Delete>", "<Delete><Quiet>x</Quiet><Object><Key>k</Key></Object></Delete>", &many]
    {
        case("keys that are none", delete, document, 400, "MalformedXML", "");
    }
    let version = "<Delete><Object><Key>k</Key><VersionId>v</VersionId></Object></Delete>";
    case("a version among the keys", delete, version, 400, "InvalidArgument", "Invalid version id specified.");
    cases
}

fn is_as_expected((_, head, document, status, code, contains): &Refusal) -> Result<(), String> {
    match decode(head, document) {
        Ok((operation, _)) => Err(format!("accepted as {operation:?}")),
        Err(error) if (error.status.as_u16(), error.code) == (*status, *code) && told(&error).contains(contains) => Ok(()),
        Err(error) => Err(format!("{} {}: {}", error.status, error.code, told(&error))),
    }
}

#[test]
fn refuses_as_oss_does() {
    for case in refusals() {
        let result = is_as_expected(&case);
        assert!(result.is_ok(), "{}\n{}\n{:.200}\nexpected {} {} {}\n{:?}", case.0, case.1, case.2, case.3, case.4, case.5, result);
    }
}

#[test]
fn canary_the_table_notices_a_wrong_status_code_or_message() {
    let case = |head: &str, status, code, contains| ("", head.to_owned(), String::new(), status, code, contains);
    assert!(is_as_expected(&case("GET /bkt/%ff", 400, "InvalidObjectName", "not valid")).is_ok());
    for wrong in [
        case("GET /bkt/%ff", 404, "InvalidObjectName", "not valid"),
        case("GET /bkt/%ff", 400, "NoSuchKey", "not valid"),
        case("GET /bkt/%ff", 400, "InvalidObjectName", "is valid"),
        case("GET /bkt/k", 400, "InvalidObjectName", ""),
    ] {
        assert!(is_as_expected(&wrong).is_err(), "{wrong:?}");
    }
}

#[test]
fn anonymous_readers_may_not_choose_the_answers_headers() {
    for parameter in ["type", "language", "disposition", "encoding"].map(|name| format!("response-content-{name}=x")) {
        let parts = head(&format!("GET /bkt/k?{parameter}"));
        let error = decode_as(&Caller::Anonymous, &parts, "").unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (400, "InvalidRequest"));
        assert_eq!(error.message, "Request specific response headers cannot be used for anonymous GET requests.");
        assert!(decode_as(&caller(), &parts, "").is_ok());
    }
}

#[test]
fn method_not_allowed_names_what_is() {
    let error = decode("POST /bkt?cors", "").unwrap_err();
    assert_eq!((error.status.as_u16(), error.code), (405, "MethodNotAllowed"));
    assert_eq!(error.headers, [(http::header::ALLOW, HeaderValue::from_static("GET, PUT, DELETE"))]);
}

#[test]
fn a_document_that_is_too_long_is_none_of_the_schema() {
    let error = Oss { limits: Limits::OSS }.document_too_long(65_536);
    assert_eq!((error.status.as_u16(), error.code), (400, "MalformedXML"));
    assert_eq!(error.elements, [("MaxMessageLengthBytes", "65536".to_owned())]);
}
