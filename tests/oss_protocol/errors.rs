//! Errors (oss.md §9): status, code, message, extra elements in order, and OSS's number of the error where it has one.

use crate::{
    client::{Peer, content_md5, delete, get, head, post, put, request},
    table::Table,
};

const NO_UPLOAD: &str = "0004B9894A22E5B1888A1E29F8236E2D";
const NO_SUCH_BUCKET: &str = "404 NoSuchBucket: The specified bucket does not exist. (BucketName=missing-bucket) 0015-00000101";
const NO_SUCH_KEY: &str = "404 NoSuchKey: The specified key does not exist. (Key=none) 0026-00000001";
const BAD_KEY: &str = "400 InvalidObjectName: The specified object is not valid.";

/// Sub-resources of OSS that are not served, of buckets and of objects.
const MISSING_OF_BUCKETS: &[&str] =
    &["accessPoint", "asyncFetch", "cname", "inventory", "live", "metaQuery", "qosInfo", "resourceGroup", "rtc", "style", "vpcip"];
const MISSING_OF_OBJECTS: &[&str] = &["comp", "img", "objectInfo", "seal", "udf", "vod", "x-oss-rename"];

/// Bucket configuration that can be read as absent and not be written.
const ABSENT: &[(&str, &str)] = &[
    ("encryption", "404 NoSuchServerSideEncryptionRule: The server side encryption configuration was not found."),
    ("logging", "200"),
    ("publicAccessBlock", "200"),
    ("replication", "404 NoSuchReplicationConfiguration: The bucket you specified does not have replication configuration."),
    ("requestPayment", "200"),
    (
        "transferAcceleration",
        "404 NoSuchTransferAccelerationConfiguration: The bucket you specified does not have transfer acceleration configuration.",
    ),
    ("versioning", "200"),
    ("website", "404 NoSuchWebsiteConfiguration: The specified bucket does not have a website configuration."),
    ("worm", "404 NoSuchWORMConfiguration: The WORM Configuration does not exist."),
    ("lifecycle", "404 NoSuchLifecycle: No Row found in Lifecycle Table."),
    ("cors", "404 NoSuchCORSConfiguration: The CORS Configuration does not exist."),
    ("policy", "404 NoSuchBucketPolicy: The specified bucket policy does not exist."),
    ("tagging", "200"),
    ("referer", "200"),
];

#[test]
fn methods_and_sub_resources_that_are_not_served_are_refused_by_name() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    peer.expect(&put(&format!("/{bucket}/k"), "x"), 200);
    for method in ["GET", "PUT", "POST", "DELETE"] {
        for (path, names) in [(format!("/{bucket}/"), MISSING_OF_BUCKETS), (format!("/{bucket}/k"), MISSING_OF_OBJECTS)] {
            for name in names {
                for flag in [(*name).to_owned(), format!("{name}=")] {
                    let asked = request(method, &format!("{path}?{flag}"));
                    let expected = format!("400 NotImplemented: The parameter {name} is not implemented.");
                    table.line(&format!("{method} {path}?{flag}"), &peer.ask(&asked), &expected);
                }
            }
        }
    }
    for (name, of_get) in ABSENT {
        let of_get = if of_get.starts_with("404") { format!("{of_get} (BucketName={bucket})") } else { (*of_get).to_owned() };
        table.line(name, &peer.ask(&get(&format!("/{bucket}?{name}"))), &of_get);
        if !["cors", "lifecycle", "policy", "tagging", "referer"].contains(name) {
            let expected = format!("400 NotImplemented: The sub-resource {name} is not implemented.");
            table.line(&format!("PUT {name}"), &peer.ask(&put(&format!("/{bucket}?{name}"), "<a/>")), &expected);
            table.line(&format!("DELETE {name}"), &peer.ask(&delete(&format!("/{bucket}?{name}"))), &expected);
        }
    }
    let not_allowed = |method: &str, kind: &str| {
        format!("405 MethodNotAllowed: The specified method is not allowed against this resource. (Method={method}; ResourceType={kind})")
    };
    for (method, target, kind, allow) in [
        ("POST", "/".to_owned(), "SERVICE", "GET"),
        ("PATCH", format!("/{bucket}"), "BUCKET", "GET, PUT, DELETE, POST"),
        ("POST", format!("/{bucket}/k"), "OBJECT", "GET, HEAD, PUT, DELETE"),
        ("DELETE", format!("/{bucket}?location"), "BUCKET", "GET"),
        ("GET", format!("/{bucket}?delete"), "BUCKET", "POST"),
        ("GET", format!("/{bucket}/k?append"), "OBJECT", "POST"),
        ("DELETE", format!("/{bucket}/k?symlink"), "OBJECT", "GET, PUT"),
        ("HEAD", format!("/{bucket}"), "BUCKET", "GET, PUT, DELETE, POST"),
    ] {
        let response = peer.ask(&request(method, &target));
        table.line(&format!("{method} {target}"), &response, &not_allowed(method, kind));
        table.check(&format!("Allow of {method} {target}"), response.header("allow").unwrap_or_default(), allow);
    }
    let conflict = peer.ask(&get(&format!("/{bucket}?acl&cors")));
    table.line(
        "two sub-resources",
        &conflict,
        "400 InvalidArgument: Conflicting query string parameters: acl, cors (ArgumentName=ResourceType; ArgumentValue=acl)",
    );
    table.line("the object is untouched", &peer.ask(&get(&format!("/{bucket}/k"))), "200");
    table.finish(&conflict, "501");
}

#[test]
fn errors_have_their_status_code_message_elements_and_number() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let b = |rest: &str| format!("/{bucket}{rest}");
    peer.expect(&put(&b("/k"), "hello"), 200);
    let long = "k".repeat(1024);
    let header =
        |name: &str| format!("400 NotImplemented: A header you provided implies functionality that is not implemented. (Header={name})");
    let argument =
        |message: &str, name: &str, value: &str| format!("400 InvalidArgument: {message} (ArgumentName={name}; ArgumentValue={value})");
    let bad_bucket = |name: &str| format!("400 InvalidBucketName: The specified bucket is not valid. (BucketName={name})");
    let unexpected = |name: &str| {
        format!("400 InvalidArgument: Unexpected query string parameter (ArgumentName=QueryParameter; ArgumentValue={name}) 0017-00000219")
    };

    for (name, asked, expected) in [
        ("no bucket: list", get("/missing-bucket/"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: list v2", get("/missing-bucket?list-type=2"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: uploads", get("/missing-bucket?uploads"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: info", get("/missing-bucket?bucketInfo"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: stat", get("/missing-bucket?stat"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: acl", get("/missing-bucket?acl"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: location", get("/missing-bucket?location"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: website", get("/missing-bucket?website"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: delete", delete("/missing-bucket"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: get", get("/missing-bucket/k"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: head", head("/missing-bucket/k"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: put", put("/missing-bucket/k", "x"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: append", post("/missing-bucket/k?append&position=0", "x"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: initiate", post("/missing-bucket/k?uploads", ""), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: part", put(&format!("/missing-bucket/k?partNumber=1&uploadId={NO_UPLOAD}"), "x"), NO_SUCH_BUCKET.to_owned()),
        ("no bucket: copy source", put(&b("/c"), "").with("x-oss-copy-source", "/missing-bucket/k"), NO_SUCH_BUCKET.to_owned()),
        ("no key", get(&b("/none")), NO_SUCH_KEY.to_owned()),
        ("no key: head", head(&b("/none")), NO_SUCH_KEY.to_owned()),
        ("no key: objectMeta", head(&b("/none?objectMeta")), NO_SUCH_KEY.to_owned()),
        ("no key: tags", get(&b("/none?tagging")), NO_SUCH_KEY.to_owned()),
        ("no key: acl", get(&b("/none?acl")), NO_SUCH_KEY.to_owned()),
        ("no key: symlink", get(&b("/none?symlink")), NO_SUCH_KEY.to_owned()),
        ("no key: copy source", put(&b("/c"), "").with("x-oss-copy-source", b("/none")), NO_SUCH_KEY.to_owned()),
        ("delete what is not there", delete(&b("/none")), "204".to_owned()),
        ("bucket again", put(&b(""), ""), "200".to_owned()),
        (
            "bucket not empty",
            delete(&b("")),
            "409 BucketNotEmpty: The bucket you tried to delete is not empty. (BucketName=bkt-0) 0015-00000301".to_owned(),
        ),
        ("bucket name: upper case", put("/Bucket", ""), bad_bucket("Bucket")),
        ("bucket name: short", get("/ab/"), bad_bucket("ab")),
        ("bucket name: dots", put("/a.b.c", ""), bad_bucket("a.b.c")),
        ("bucket name: dash", put("/-abc", ""), bad_bucket("-abc")),
        ("bucket name: long", put(&format!("/{}", &long[..64]), ""), bad_bucket(&long[..64])),
        ("bucket name: empty", get("//k"), bad_bucket("")),
        ("key too long", put(&b(&format!("/{long}")), "x"), BAD_KEY.to_owned()),
        ("key just right", put(&b(&format!("/{}", &long[1..])), "x"), "200".to_owned()),
        ("key with a slash first", put(&b("//k"), "x"), BAD_KEY.to_owned()),
        ("key with an encoded slash first", put(&b("/%2Fk"), "x"), BAD_KEY.to_owned()),
        ("key with a backslash first", put(&b("/%5Ck"), "x"), BAD_KEY.to_owned()),
        ("key that does not decode", get(&b("/%zz")), BAD_KEY.to_owned()),
        ("key that is not UTF-8", get(&b("/%ff%fe")), BAD_KEY.to_owned()),
        ("query that is not UTF-8", get(&b("?prefix=%ff")), "400 InvalidArgument: The query string must be URL encoded UTF-8.".to_owned()),
        (
            "metadata too large",
            put(&b("/m"), "x").with("x-oss-meta-a", "v".repeat(8192)),
            argument("The total size of user metadata exceeds the maximum allowed size of 8192 bytes.", "x-oss-meta-*", "8193"),
        ),
        ("metadata just right", put(&b("/m"), "x").with("x-oss-meta-a", "v".repeat(8191)), "200".to_owned()),
        (
            "no length",
            put(&b("/n"), "").unframed(),
            "411 MissingContentLength: You must provide the Content-Length HTTP header.".to_owned(),
        ),
        (
            "storage class",
            put(&b("/n"), "x").with("x-oss-storage-class", "COLD"),
            argument("The storage class you specified is invalid.", "x-oss-storage-class", "COLD"),
        ),
        (
            "object acl",
            put(&b("/n"), "x").with("x-oss-object-acl", "everybody"),
            argument("The object acl you specified is invalid.", "x-oss-object-acl", "everybody"),
        ),
        ("encryption", put(&b("/n"), "x").with("x-oss-server-side-encryption", "AES256"), header("x-oss-server-side-encryption")),
        (
            "condition on a write",
            put(&b("/n"), "x").with("if-modified-since", "Thu, 15 Jan 2026 08:30:00 GMT"),
            header("If-Modified-Since"),
        ),
        ("another condition on a write", put(&b("/n"), "x").with("if-match", "*"), header("If-Match")),
        (
            "exists",
            put(&b("/k"), "x").with("x-oss-forbid-overwrite", "true"),
            "409 FileAlreadyExists: The object you specified already exists and can not be overwritten. (Key=k)".to_owned(),
        ),
        (
            "forbidding in another word",
            put(&b("/n"), "x").with("x-oss-forbid-overwrite", "yes"),
            argument("The value of x-oss-forbid-overwrite must be true or false.", "x-oss-forbid-overwrite", "yes"),
        ),
        (
            "condition",
            get(&b("/k")).with("if-match", "\"00000000000000000000000000000000\""),
            "412 PreconditionFailed: At least one of the pre-conditions you specified did not hold. (Condition=If-Match)".to_owned(),
        ),
        ("version", get(&b("/k?versionId=abc")), argument("Invalid version id specified.", "versionId", "abc")),
        ("version of nothing", get(&b("/k?versionId=")), argument("Version id can not be the empty string.", "versionId", "")),
        ("version null", get(&b("/k?versionId=null")), "200".to_owned()),
        ("version on a write", put(&b("/k?versionId=null"), "x"), unexpected("versionId")),
        ("part without its number", put(&b(&format!("/k?uploadId={NO_UPLOAD}")), "x"), unexpected("uploadId")),
        ("number without a part", put(&b("/k?partNumber=1"), "x"), unexpected("partNumber")),
        ("what no write has", put(&b("/k?foo=bar"), "x"), unexpected("foo")),
        ("what reads may have", get(&b("/k?foo=bar")), "200".to_owned()),
        (
            "image processing",
            get(&b("/k?x-oss-process=image/resize,w_100")),
            argument("Image and document processing is not supported.", "x-oss-process", "image/resize,w_100"),
        ),
        ("restore", post(&b("/k?restore"), ""), "400 OperationNotSupported: The operation is not supported for this resource.".to_owned()),
        ("max-keys", get(&b("?max-keys=1001")), argument("Argument max-keys must be an integer between 1 and 1000.", "max-keys", "1001")),
        ("list type", get(&b("?list-type=3")), argument("Invalid List Type specified in Request.", "list-type", "3")),
        ("encoding", get(&b("?encoding-type=gzip")), argument("Invalid Encoding Method specified in Request.", "encoding-type", "gzip")),
        (
            "delete without its digest",
            post(&b("?delete"), "<Delete><Object><Key>k</Key></Object></Delete>"),
            "400 MissingArgument: Missing Some Required Arguments.".to_owned(),
        ),
        (
            "Content-MD5 of a document",
            post(&b("?delete"), "<Delete><Object><Key>k</Key></Object></Delete>").with("content-md5", content_md5(b"x")),
            "400 InvalidDigest: The Content-MD5 you specified was invalid. (Content-MD5=ndTkYSaMgDT1yFZOFVxnpg==)".to_owned(),
        ),
        (
            "tags twice in a header",
            put(&b("/n"), "x").with("x-oss-tagging", "a=1&a=2"),
            argument(
                "The header 'x-oss-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
                "x-oss-tagging",
                "a=1&a=2",
            ),
        ),
        (
            "tags twice",
            put(&b("/k?tagging"), "<Tagging><TagSet><Tag><Key>a</Key></Tag><Tag><Key>a</Key></Tag></TagSet></Tagging>"),
            "400 RepeatedTags: Tag keys must be unique. (TagKey=a)".to_owned(),
        ),
        (
            "tag key",
            put(&b("/n"), "x").with("x-oss-tagging", "=1"),
            "400 InvalidTag: The TagKey you have provided is invalid. (TagKey=)".to_owned(),
        ),
        (
            "post that is no form",
            post(&b("/"), "hello").with("content-type", "text/plain"),
            "400 RequestIsNotMultiPartContent: Bucket POST must be of the enclosure-type multipart/form-data.".to_owned(),
        ),
        (
            "preflight of nobody",
            request("OPTIONS", &b("/k")).anonymous().of_oss(),
            "400 BadRequest: Insufficient information. Origin request header needed.".to_owned(),
        ),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    for (name, asked) in [("nothing was stored", get(&b("/n"))), ("no copy was made", get(&b("/c")))] {
        table.check(name, &peer.ask(&asked).status.to_string(), "404");
    }
    table.check("still there", peer.ask(&get(&b("/k"))).text(), "hello");
    let canary = peer.ask(&get(&b("/none")));
    table.finish(&canary, "404 NoSuchKey: The specified key does not exist. (Key=k) 0026-00000001");
}

#[test]
fn bodies_that_end_early_or_never_are_told_apart_and_store_nothing() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let incomplete = "400 IncompleteBody: You did not provide the number of bytes specified by the Content-Length HTTP header.";
    let timeout = "400 RequestTimeout: Your socket connection to the server was not read from or written to within the timeout period. \
                   Idle connections will be closed.";
    let whole = put(&target, "hello world").bytes(&peer.host());
    let mut last = None;
    for (name, ends, expected) in [("ends early", true, incomplete), ("never ends", false, timeout)] {
        let mut client = peer.connect();
        client.send(&whole[..whole.len() - 3]).expect("the server reads");
        if ends {
            client.finish_sending().expect("the sending side can be closed");
        }
        let response = client.receive("PUT").expect("the server answers");
        table.line(name, &response, expected);
        last = Some(response);
    }
    table.line("nothing was stored", &peer.ask(&head(&target)), "404 NoSuchKey: The specified key does not exist. (Key=k) 0026-00000001");
    table.finish(&last.expect("there are answers"), incomplete);
}
