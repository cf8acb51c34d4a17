//! Errors (s3.md §9): status, code, message, extra elements in order; methods and sub-resources.

use crate::{
    client::{Peer, Request, content_md5, delete, get, head, post, put, request},
    table::Table,
};

/// Sub-resources of S3 that buckets here have not.
const MISSING_OF_BUCKETS: &[&str] = &[
    "abac",
    "analytics",
    "intelligent-tiering",
    "inventory",
    "metadataConfiguration",
    "metadataInventoryTable",
    "metadataJournalTable",
    "metadataTable",
    "metrics",
    "session",
];

/// Sub-resources of S3 that objects here have not, and bucket sub-resources that objects never have.
const MISSING_OF_OBJECTS: &[&str] = &["legal-hold", "renameObject", "restore", "retention", "select", "torrent", "versioning", "policy"];

/// Bucket configuration that can be read as absent and not be written.
const ABSENT: &[(&str, &str)] = &[
    ("accelerate", "200"),
    ("encryption", "404 ServerSideEncryptionConfigurationNotFoundError: The server side encryption configuration was not found"),
    ("lifecycle", "404 NoSuchLifecycleConfiguration: The lifecycle configuration does not exist"),
    ("logging", "200"),
    ("notification", "200"),
    ("object-lock", "404 ObjectLockConfigurationNotFoundError: Object Lock configuration does not exist for this bucket"),
    ("ownershipControls", "404 OwnershipControlsNotFoundError: The bucket ownership controls were not found"),
    ("publicAccessBlock", "404 NoSuchPublicAccessBlockConfiguration: The public access block configuration was not found"),
    ("replication", "404 ReplicationConfigurationNotFoundError: The replication configuration was not found"),
    ("requestPayment", "200"),
    ("versioning", "200"),
    ("website", "404 NoSuchWebsiteConfiguration: The specified bucket does not have a website configuration"),
    ("cors", "404 NoSuchCORSConfiguration: The CORS configuration does not exist"),
    ("policy", "404 NoSuchBucketPolicy: The bucket policy does not exist"),
    ("tagging", "404 NoSuchTagSet: The TagSet does not exist"),
];

const NO_UPLOAD: &str = "00000000000000000000000000000000";
const NO_SUCH_BUCKET: &str = "404 NoSuchBucket: The specified bucket does not exist (BucketName=missing-bucket)";

#[test]
fn methods_and_sub_resources_that_are_not_served_are_405_or_501() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    peer.expect(&put(&format!("/{bucket}/k"), "x"), 200);

    let not_implemented = |name: &str| {
        format!(
            "501 NotImplemented: A header you provided implies functionality that is not implemented \
             (additionalMessage=The sub-resource {name} is not implemented)"
        )
    };
    for method in ["GET", "PUT", "POST", "DELETE"] {
        for (path, names) in [(format!("/{bucket}"), MISSING_OF_BUCKETS), (format!("/{bucket}/k"), MISSING_OF_OBJECTS)] {
            for name in names {
                for flag in [(*name).to_owned(), format!("{name}="), format!("x-id=Foo&{name}=a")] {
                    let asked = request(method, &format!("{path}?{flag}"));
                    table.line(&format!("{method} {path}?{flag}"), &peer.ask(&asked), &not_implemented(name));
                }
            }
        }
    }
    for (name, of_get) in ABSENT {
        let of_get = if of_get.starts_with("404") { format!("{of_get} (BucketName={bucket})") } else { (*of_get).to_owned() };
        table.line(name, &peer.ask(&get(&format!("/{bucket}?{name}"))), &of_get);
        if !["cors", "lifecycle", "policy", "tagging"].contains(name) {
            for method in ["PUT", "DELETE"] {
                table.line(&format!("{method} {name}"), &peer.ask(&request(method, &format!("/{bucket}?{name}"))), &not_implemented(name));
            }
        }
    }
    let not_allowed = |method: &str, kind: &str| {
        format!("405 MethodNotAllowed: The specified method is not allowed against this resource. (Method={method}; ResourceType={kind})")
    };
    for (method, target, kind, allow) in [
        ("POST", "/".to_owned(), "SERVICE", "GET"),
        ("DELETE", "/".to_owned(), "SERVICE", "GET"),
        ("PATCH", format!("/{bucket}"), "BUCKET", "GET, HEAD, PUT, DELETE, POST"),
        ("POST", format!("/{bucket}/k"), "OBJECT", "GET, HEAD, PUT, DELETE"),
        ("PUT", format!("/{bucket}?uploads"), "BUCKET", "GET"),
        ("DELETE", format!("/{bucket}?location"), "BUCKET", "GET"),
        ("GET", format!("/{bucket}?delete"), "BUCKET", "POST"),
        ("GET", format!("/{bucket}/k?uploads"), "OBJECT", "POST"),
        ("POST", format!("/{bucket}/k?tagging"), "OBJECT", "GET, PUT, DELETE"),
        ("PUT", format!("/{bucket}/k?attributes"), "OBJECT", "GET"),
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
fn errors_have_their_status_code_message_and_elements() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let b = |rest: &str| format!("/{bucket}{rest}");
    peer.expect(&put(&b("/k"), "hello"), 200);
    let long = "k".repeat(1025);

    for (name, asked, expected) in [
        ("no bucket: list", get("/missing-bucket"), NO_SUCH_BUCKET),
        ("no bucket: list v2", get("/missing-bucket?list-type=2"), NO_SUCH_BUCKET),
        ("no bucket: uploads", get("/missing-bucket?uploads"), NO_SUCH_BUCKET),
        ("no bucket: versions", get("/missing-bucket?versions"), NO_SUCH_BUCKET),
        ("no bucket: location", get("/missing-bucket?location"), NO_SUCH_BUCKET),
        ("no bucket: lifecycle", get("/missing-bucket?lifecycle"), NO_SUCH_BUCKET),
        ("no bucket: logging", get("/missing-bucket?logging"), NO_SUCH_BUCKET),
        ("no bucket: cors", get("/missing-bucket?cors"), NO_SUCH_BUCKET),
        ("no bucket: delete", delete("/missing-bucket"), NO_SUCH_BUCKET),
        ("no bucket: get", get("/missing-bucket/k"), NO_SUCH_BUCKET),
        ("no bucket: put", put("/missing-bucket/k", "x"), NO_SUCH_BUCKET),
        ("no bucket: delete object", delete("/missing-bucket/k"), NO_SUCH_BUCKET),
        ("no bucket: create upload", post("/missing-bucket/k?uploads", ""), NO_SUCH_BUCKET),
        ("no bucket: part", put(&format!("/missing-bucket/k?partNumber=1&uploadId={NO_UPLOAD}"), "x"), NO_SUCH_BUCKET),
        ("no bucket: parts", get(&format!("/missing-bucket/k?uploadId={NO_UPLOAD}")), NO_SUCH_BUCKET),
        ("no bucket: abort", delete(&format!("/missing-bucket/k?uploadId={NO_UPLOAD}")), NO_SUCH_BUCKET),
        ("no bucket: copy source", put(&b("/c"), "").with("x-amz-copy-source", "missing-bucket/k"), NO_SUCH_BUCKET),
        ("no key", get(&b("/none")), "404 NoSuchKey: The specified key does not exist. (Key=none)"),
        ("no key: tags", get(&b("/none?tagging")), "404 NoSuchKey: The specified key does not exist. (Key=none)"),
        ("no key: acl", get(&b("/none?acl")), "404 NoSuchKey: The specified key does not exist. (Key=none)"),
        (
            "no key: attributes",
            get(&b("/none?attributes")).with("x-amz-object-attributes", "ETag"),
            "404 NoSuchKey: The specified key does not exist. (Key=none)",
        ),
        (
            "no key: copy source",
            put(&b("/c"), "").with("x-amz-copy-source", b("/none")),
            "404 NoSuchKey: The specified key does not exist. (Key=none)",
        ),
        ("delete what is not there", delete(&b("/none")), "204"),
        (
            "bucket again",
            put(&b(""), ""),
            "409 BucketAlreadyOwnedByYou: Your previous request to create the named bucket succeeded and you already own it. (BucketName=bkt-0)",
        ),
        ("bucket not empty", delete(&b("")), "409 BucketNotEmpty: The bucket you tried to delete is not empty (BucketName=bkt-0)"),
        ("bucket name: upper case", put("/Bucket", ""), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=Bucket)"),
        ("bucket name: short", get("/ab"), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=ab)"),
        (
            "bucket name: address",
            put("/192.168.0.1", ""),
            "400 InvalidBucketName: The specified bucket is not valid. (BucketName=192.168.0.1)",
        ),
        ("bucket name: empty", get("//k"), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=)"),
        ("bucket name: dots", put("/a..b", ""), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=a..b)"),
        ("bucket name: xn--", put("/xn--abc", ""), "400 InvalidBucketName: The specified bucket is not valid. (BucketName=xn--abc)"),
        ("key too long", put(&b(&format!("/{long}")), "x"), "400 KeyTooLongError: Your key is too long (Size=1025; MaxSizeAllowed=1024)"),
        ("key just right", put(&b(&format!("/{}", &long[1..])), "x"), "200"),
        (
            "metadata too large",
            put(&b("/m"), "x").with("x-amz-meta-a", "v".repeat(2048)),
            "400 MetadataTooLarge: Your metadata headers exceed the maximum allowed metadata size (Size=2049; MaxSizeAllowed=2048)",
        ),
        ("metadata just right", put(&b("/m"), "x").with("x-amz-meta-a", "v".repeat(2047)), "200"),
        (
            "no length",
            put(&b("/n"), "").unframed().with("transfer-encoding", "chunked").payload("UNSIGNED-PAYLOAD").body("0\r\n\r\n"),
            "411 MissingContentLength: You must provide the Content-Length HTTP header.",
        ),
        (
            "Content-MD5 that is none",
            put(&b("/n"), "x").with("content-md5", "abc"),
            "400 InvalidDigest: The Content-MD5 you specified was invalid. (Content-MD5=abc)",
        ),
        (
            "wrong Content-MD5",
            put(&b("/n"), "x").with("content-md5", content_md5(b"y")),
            "400 BadDigest: The Content-MD5 you specified did not match what we received. \
             (ExpectedDigest=QVKQdpWURg4uSFkikE80XQ==; CalculatedDigest=ndTkYSaMgDT1yFZOFVxnpg==)",
        ),
        (
            "storage class",
            put(&b("/n"), "x").with("x-amz-storage-class", "COLD"),
            "400 InvalidStorageClass: The storage class you specified is not valid (StorageClassRequested=COLD)",
        ),
        (
            "encryption",
            put(&b("/n"), "x").with("x-amz-server-side-encryption", "AES256"),
            "501 NotImplemented: A header you provided implies functionality that is not implemented \
             (Header=x-amz-server-side-encryption; additionalMessage=This header is not implemented)",
        ),
        (
            "an ACL for others",
            put(&b("/n"), "x").with("x-amz-acl", "authenticated-read"),
            "400 AccessControlListNotSupported: The bucket does not allow ACLs",
        ),
        ("another owner", get(&b("/k")).with("x-amz-expected-bucket-owner", "123456789012"), "403 AccessDenied: Access Denied"),
        ("request payer", get(&b("/k")).with("x-amz-request-payer", "requester"), "200"),
        (
            "version",
            get(&b("/k?versionId=abc")),
            "400 InvalidArgument: Invalid version id specified (ArgumentName=versionId; ArgumentValue=abc)",
        ),
        ("version null", get(&b("/k?versionId=null")), "200"),
        (
            "part without upload",
            put(&b("/k?partNumber=1"), "x"),
            "400 InvalidArgument: This operation does not accept partNumber without uploadId (ArgumentName=partNumber; ArgumentValue=1)",
        ),
        (
            "copy source on create",
            post(&b("/k?uploads"), "").with("x-amz-copy-source", b("/k")),
            "400 InvalidArgument: You can only specify a copy source header for copy requests. \
             (ArgumentName=x-amz-copy-source; ArgumentValue=/bkt-0/k)",
        ),
        (
            "attributes missing",
            get(&b("/k?attributes")),
            "400 InvalidRequest: The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty",
        ),
        (
            "attribute unknown",
            get(&b("/k?attributes")).with("x-amz-object-attributes", "ETag,Foo"),
            "400 InvalidArgument: Invalid attribute name specified. (ArgumentName=x-amz-object-attributes; ArgumentValue=Foo)",
        ),
        ("URI that does not decode", get(&b("/%zz")), "400 InvalidURI: Couldn't parse the specified URI."),
        ("URI that is not UTF-8", get(&b("/%ff%fe")), "400 InvalidURI: Couldn't parse the specified URI."),
        ("query that is not UTF-8", get(&b("?prefix=%ff")), "400 InvalidURI: Couldn't parse the specified URI."),
        (
            "location constraint",
            put("/another-bucket", "<CreateBucketConfiguration><LocationConstraint>a_b</LocationConstraint></CreateBucketConfiguration>"),
            "400 InvalidLocationConstraint: The specified location-constraint is not valid (LocationConstraint=a_b)",
        ),
        (
            "expectation",
            put(&b("/n"), "x").with("expect", "200-maybe"),
            "417 ExpectationFailed: The expectation given in the Expect header is not supported.",
        ),
    ] {
        table.line(name, &peer.ask(&asked), expected);
    }
    for (name, asked) in [("nothing was stored", get(&b("/n"))), ("no copy was made", get(&b("/c")))] {
        table.check(name, &peer.ask(&asked).status.to_string(), "404");
    }
    let canary = peer.ask(&get(&b("/none")));
    table.finish(&canary, "404 NoSuchKey: The specified key does not exist. (Key=k)");
}

#[test]
fn copies_and_tags_that_are_refused_say_why() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let b = |rest: &str| format!("/{bucket}{rest}");
    peer.expect(&put(&b("/k"), "hello"), 200);
    let copy = |source: &str| put(&b("/copy"), "").with("x-amz-copy-source", source);
    let tagged = |tags: &str| put(&b("/t"), "x").with("x-amz-tagging", tags);
    let tagging = |tags: &str| put(&b("/k?tagging"), format!("<Tagging><TagSet>{tags}</TagSet></Tagging>"));
    let many: Vec<String> = (0..11).map(|number| format!("k{number}=v")).collect();
    let tag = |key: &str| format!("<Tag><Key>{key}</Key><Value>v</Value></Tag>");

    let mention = "400 InvalidArgument: Copy Source must mention the source bucket and key: sourcebucket/sourcekey \
                   (ArgumentName=x-amz-copy-source; ArgumentValue=";
    let duplicates = "400 InvalidArgument: The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters \
                      without tag name duplicates. (ArgumentName=x-amz-tagging; ArgumentValue=";
    let failed = "412 PreconditionFailed: At least one of the pre-conditions you specified did not hold (Condition=";
    let malformed = "400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema";
    for (name, asked, expected) in [
        ("copy", copy(&b("/k")), "200".to_owned()),
        ("copy without a slash", copy(&b("/k")[1..]), "200".to_owned()),
        ("copy of version null", copy(&b("/k?versionId=null")), "200".to_owned()),
        ("copy encoded", copy(&b("/%6B")), "200".to_owned()),
        ("copy source without a key", copy("bkt-0"), format!("{mention}bkt-0)")),
        ("copy source without a bucket", copy("/"), format!("{mention}/)")),
        (
            "copy source version",
            copy(&b("/k?versionId=x")),
            "400 InvalidArgument: Invalid version id specified (ArgumentName=versionId; ArgumentValue=x)".to_owned(),
        ),
        (
            "metadata directive",
            copy(&b("/k")).with("x-amz-metadata-directive", "MOVE"),
            "400 InvalidArgument: Unknown metadata directive. (ArgumentName=x-amz-metadata-directive; ArgumentValue=MOVE)".to_owned(),
        ),
        (
            "onto itself",
            put(&b("/k"), "").with("x-amz-copy-source", b("/k")),
            "400 InvalidRequest: This copy request is illegal because it is trying to copy an object to itself without changing the \
             object's metadata, storage class, website redirect location or encryption attributes."
                .to_owned(),
        ),
        (
            "onto itself with other metadata",
            put(&b("/k"), "").with("x-amz-copy-source", b("/k")).with("x-amz-metadata-directive", "REPLACE").with("x-amz-meta-mtime", "1"),
            "200".to_owned(),
        ),
        ("source matches", copy(&b("/k")).with("x-amz-copy-source-if-match", "5d41402abc4b2a76b9719d911017c592"), "200".to_owned()),
        ("source differs", copy(&b("/k")).with("x-amz-copy-source-if-match", "\"0\""), format!("{failed}x-amz-copy-source-If-Match)")),
        (
            "source is the same",
            copy(&b("/k")).with("x-amz-copy-source-if-none-match", "*"),
            format!("{failed}x-amz-copy-source-If-None-Match)"),
        ),
        (
            "source not modified",
            copy(&b("/k")).with("x-amz-copy-source-if-modified-since", "Wed, 21 Oct 2099 07:28:00 GMT"),
            "200".to_owned(),
        ),
        (
            "source modified",
            copy(&b("/k")).with("x-amz-copy-source-if-unmodified-since", "Wed, 21 Oct 2015 07:28:00 GMT"),
            format!("{failed}x-amz-copy-source-If-Unmodified-Since)"),
        ),
        ("target exists", copy(&b("/k")).with("if-none-match", "*"), format!("{failed}If-None-Match)")),
        ("tags", tagged("a=1&b=%20x+y"), "200".to_owned()),
        ("tag twice", tagged("a=1&a=2"), format!("{duplicates}a=1&a=2)")),
        ("tag not encoded", tagged("a=%zz"), format!("{duplicates}a=%zz)")),
        ("eleven tags", tagged(&many.join("&")), "400 BadRequest: Object tags cannot be greater than 10".to_owned()),
        ("tag key", tagged("a%3C=1"), "400 InvalidTag: The TagKey you have provided is invalid (TagKey=a<)".to_owned()),
        (
            "tag value",
            tagged(&format!("a={}", "v".repeat(257))),
            format!("400 InvalidTag: The TagValue you have provided is invalid (TagKey=a; TagValue={})", "v".repeat(257)),
        ),
        ("tagging", tagging(&tag("a")), "200".to_owned()),
        (
            "tagging twice",
            tagging(&tag("a").repeat(2)),
            "400 InvalidTag: Cannot provide multiple Tags with the same key (TagKey=a)".to_owned(),
        ),
        ("tagging without a value", tagging("<Tag><Key>a</Key></Tag>"), malformed.to_owned()),
        ("no tagging", put(&b("/k?tagging"), ""), "400 MissingRequestBodyError: Request Body is empty".to_owned()),
        ("tagging deleted", delete(&b("/k?tagging")), "204".to_owned()),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    let canary = peer.ask(&copy("bkt-0"));
    table.finish(&canary, &format!("{mention}bkt-1)"));
}

#[test]
fn head_errors_have_a_status_and_no_body() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    peer.expect(&put(&format!("/{bucket}/k"), "hello"), 200);
    let unsigned = |request: Request| request.signed_as("NOBODY", "x");
    let cases = [
        ("bucket", head(&format!("/{bucket}")), "200"),
        ("no bucket", head("/missing-bucket"), "404"),
        ("no bucket, no key", head("/missing-bucket/k"), "404"),
        ("no key", head(&format!("/{bucket}/none")), "404"),
        ("bucket name", head("/Bucket"), "400"),
        ("key id", unsigned(head(&format!("/{bucket}"))), "403"),
        ("anonymous", head(&format!("/{bucket}/k")).anonymous(), "403"),
        ("sub-resource", head(&format!("/{bucket}?inventory")), "501"),
        ("method", head("/"), "405"),
        ("if-match", head(&format!("/{bucket}/k")).with("if-match", "\"0\""), "412"),
        ("if-none-match", head(&format!("/{bucket}/k")).with("if-none-match", "*"), "304"),
        ("range", head(&format!("/{bucket}/k")).with("range", "bytes=9-"), "416"),
    ];
    // All on one connection: a body after a HEAD would be read as the next answer's status line.
    let mut client = peer.connect();
    for (name, asked, expected) in cases {
        let response = client.ask(asked.bytes(&peer.host())).unwrap_or_else(|error| panic!("{name}: {error}"));
        crate::client::check_form(&response);
        table.check(name, &response.status.to_string(), expected);
        table.check(&format!("{name}: Content-Type"), response.header("content-type").unwrap_or_default(), "");
    }
    let region = peer.ask(&head(&format!("/{bucket}")));
    table.check("region", region.header("x-amz-bucket-region").unwrap_or_default(), "us-east-1");
    table.finish(&region, "404");
}
