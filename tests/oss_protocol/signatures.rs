//! What is wrong with signatures, and how clients are told (oss.md §6 and §7).

use crate::{
    client::{EVERY, Peer, Request, Scheme, get, head, iso_basic, put, request},
    support::ACCESS_KEY,
    table::Table,
};
use partway::dialect::{percent, xml::Element};

const INCOMPLETE: &str = "403 AccessDenied: Query string authentication requires the Signature, Expires and OSSAccessKeyId parameters.";
const NO_DATE: &str = "403 AccessDenied: OSS authentication requires a valid Date.";
const UNKNOWN_KEY: &str = "403 InvalidAccessKeyId: The OSS Access Key Id you provided does not exist in our records.";
const TOKEN_INVALID: &str = "403 InvalidSecurityToken: The security token you provided is invalid.";
const TOKEN_REPEATED: &str = "400 InvalidArgument: Only one of the headers and the query string may hold a security token.";
const TWICE: &str = "400 InvalidArgument: Only one of the Authorization header and the query string may hold a signature, and only once.";
const HEADER_INVALID: &str = "400 InvalidArgument: Authorization header is invalid.";

/// A V4 Authorization header of this credential, whose signature is none.
fn v4(credential: &str) -> String {
    format!("OSS4-HMAC-SHA256 Credential={credential},Signature={}", "0".repeat(64))
}

/// Today as version 4 writes it.
fn today() -> String {
    iso_basic()[..8].to_owned()
}

#[test]
fn every_way_to_sign_is_accepted_and_checked() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let key = "dir/a b+ü&=%";
    let encoded = "dir/a%20b%2B%C3%BC%26%3D%25";
    let target = format!("/{bucket}/{encoded}");
    for scheme in EVERY {
        let body = format!("{scheme:?}");
        let asked = put(&target, &body).scheme(scheme).with("content-type", "text/plain").with("x-oss-meta-a", "b");
        table.line(&format!("{scheme:?} put"), &peer.ask(&asked), "200");
        let stored = peer.ask(&get(&target).scheme(scheme));
        table.check(&format!("{scheme:?} get"), stored.text(), &body);
        table.check(&format!("{scheme:?} meta"), stored.header("x-oss-meta-a").unwrap_or_default(), "b");
        let other = peer.ask(&get(&target).scheme(scheme).signed_as(ACCESS_KEY, "another secret"));
        let code = other.element("Code").unwrap_or_default().to_owned();
        table.check(&format!("{scheme:?} another secret"), &code, "SignatureDoesNotMatch");
        let unknown = format!("{UNKNOWN_KEY} (OSSAccessKeyId=STS.unknown) 0002-00000902");
        let asked = get(&target).scheme(scheme).signed_as("STS.unknown", "x");
        table.line(&format!("{scheme:?} STS key without a token"), &peer.ask(&asked), &unknown);
        let also = format!("{scheme:?} with a token that nobody issued");
        table.line(&also, &peer.ask(&get(&target).scheme(scheme).token("CAISfalse")), TOKEN_INVALID);
    }
    let also = get(&target).signing_also(&["range", "host"]).with("range", "bytes=0-1").with("x-oss-range-behavior", "standard");
    table.line("additional headers", &peer.ask(&also), "206");
    let listed = peer.ask(&get(&format!("/{bucket}?prefix=dir/a+b%2B&encoding-type=url&list-type=2&start-after")));
    table.check("a plus is a space in a query", listed.element("Key").unwrap_or_default(), &percent::encode(key));
    table.finish(&listed, "403");
}

#[test]
fn a_signature_that_differs_is_explained() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    for (scheme, begins) in [(Scheme::V1, "GET\n\n\n"), (Scheme::V4, "OSS4-HMAC-SHA256\n"), (Scheme::V2Url(60), "GET\n\n\n")] {
        let response = peer.ask(&get(&format!("/{bucket}/k")).scheme(scheme).signed_as(ACCESS_KEY, "another secret"));
        let name = |name: &str| format!("{scheme:?} {name}");
        table.check(&name("status"), &response.status.to_string(), "403");
        table.check(&name("code"), response.element("Code").unwrap_or_default(), "SignatureDoesNotMatch");
        let message = "The request signature we calculated does not match the signature you provided. Check your key and signing method.";
        table.check(&name("message"), response.element("Message").unwrap_or_default(), message);
        table.check(&name("key"), response.element("OSSAccessKeyId").unwrap_or_default(), ACCESS_KEY);
        table.check(&name("ec"), response.header("x-oss-ec").unwrap_or_default(), "0002-00000040");
        let told = Element::parse(&response.body).expect("an error is well-formed XML");
        let string = told.child_text("StringToSign").expect("it is told");
        assert!(string.starts_with(begins), "{scheme:?}: {string:?}");
        let bytes = string.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ");
        table.check(&name("bytes"), response.element("StringToSignBytes").unwrap_or_default(), &bytes);
        assert!(response.element("SignatureProvided").is_some_and(|signature| signature.len() >= 28), "{scheme:?}");
        let canonical = told.child_text("CanonicalRequest").map(|text| text.lines().next().unwrap_or_default().to_owned());
        assert_eq!(canonical.as_deref(), (scheme == Scheme::V4).then_some("GET"), "{scheme:?}");
    }
    table.finish(&peer.ask(&get(&format!("/{bucket}/k"))), "403");
}

#[test]
fn dates_and_expiries_are_checked_as_oss_does() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    peer.expect(&put(&target, "x"), 200);
    for scheme in [Scheme::V1, Scheme::V2, Scheme::V4] {
        for (skew, accepted) in [(-890, true), (890, true), (-910, false), (910, false)] {
            let response = peer.ask(&get(&target).scheme(scheme).skewed(skew));
            let name = format!("{scheme:?} {skew} s off");
            if accepted {
                table.line(&name, &response, "200");
                continue;
            }
            table.check(&name, &format!("{} {}", response.status, response.element("Code").unwrap_or("-")), "403 RequestTimeTooSkewed");
            let message = "The difference between the request time and the current time is too large.";
            table.check(&name, response.element("Message").unwrap_or_default(), message);
            table.check(&name, response.element("MaxAllowedSkewMilliseconds").unwrap_or_default(), "900000");
            table.check(&name, response.header("x-oss-ec").unwrap_or_default(), "0002-00000504");
            for element in ["RequestTime", "ServerTime"] {
                let time = response.element(element).unwrap_or_default();
                assert!(time.len() == 24 && time.ends_with(".000Z"), "{name}: {element} {time:?} is what SDKs parse");
            }
        }
    }
    let raw = |authorization: &str| get(&target).anonymous().with("authorization", authorization);
    let unsigned = "UNSIGNED-PAYLOAD";
    let credential = |date: &str, suffix: &str| format!("{ACCESS_KEY}/{date}/cn-hangzhou/oss/{suffix}");
    let good = credential(&today(), "aliyun_v4_request");
    let url = |credential: &str, date: &str, more: &str| {
        let credential = credential.replace('/', "%2F");
        let query =
            format!("x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential={credential}&x-oss-date={date}&x-oss-signature=00{more}");
        get(&format!("{target}?{query}")).anonymous()
    };
    let v1_url = |query: &str| get(&format!("{target}?{query}")).anonymous();
    for (name, asked, expected) in [
        ("V1 without a date", raw("OSS ak:sig"), format!("{UNKNOWN_KEY} (OSSAccessKeyId=ak) 0002-00000902")),
        ("V1 of a known key without a date", raw(&format!("OSS {ACCESS_KEY}:sig")), format!("{NO_DATE} 0002-00000503")),
        (
            "V1 with a date that is none",
            raw(&format!("OSS {ACCESS_KEY}:sig")).with("date", "yesterday"),
            format!("{NO_DATE} 0002-00000502"),
        ),
        ("V2 without a date", raw(&format!("OSS2 AccessKeyId:{ACCESS_KEY},Signature:sig")), format!("{NO_DATE} 0002-00000503")),
        ("V4 without a date", raw(&v4(&good)).with("x-oss-content-sha256", unsigned), format!("{NO_DATE} 0002-00000503")),
        (
            "V4 with a date that is none",
            raw(&v4(&good)).with("x-oss-content-sha256", unsigned).with("x-oss-date", "yesterday"),
            format!("{NO_DATE} 0002-00000502"),
        ),
        (
            "V4 of another day",
            raw(&v4(&credential("20200101", "aliyun_v4_request"))).with("x-oss-content-sha256", unsigned).with("x-oss-date", iso_basic()),
            "400 InvalidArgument: Invalid signing date in Authorization header. 0002-00000212".to_owned(),
        ),
        (
            "V4 of a day that is none",
            raw(&v4(&credential("today", "aliyun_v4_request"))).with("x-oss-content-sha256", unsigned).with("x-oss-date", iso_basic()),
            "400 InvalidArgument: Invalid signing date in Authorization header. 0002-00000212".to_owned(),
        ),
        (
            "V4 with S3's suffix",
            raw(&v4(&credential(&today(), "aws4_request"))).with("x-oss-content-sha256", unsigned).with("x-oss-date", iso_basic()),
            "400 InvalidArgument: The credential must end with aliyun_v4_request. 0002-00000213".to_owned(),
        ),
        (
            "V4 with a hash",
            raw(&v4(&good)).with("x-oss-content-sha256", "0".repeat(64)).with("x-oss-date", iso_basic()),
            "400 InvalidArgument: The x-oss-content-sha256 header must be UNSIGNED-PAYLOAD. 0002-00000214".to_owned(),
        ),
        (
            "V4 without a payload word",
            raw(&v4(&good)).with("x-oss-date", iso_basic()),
            "400 InvalidArgument: The x-oss-content-sha256 header is required. 0002-00000214".to_owned(),
        ),
        ("V4 with an unknown component", raw("OSS4-HMAC-SHA256 Foo=bar"), HEADER_INVALID.to_owned()),
        ("V4 with nothing", raw("OSS4-HMAC-SHA256 "), HEADER_INVALID.to_owned()),
        ("V1 without a colon", raw("OSS nothing"), HEADER_INVALID.to_owned()),
        ("V1 without a key", raw("OSS :sig"), HEADER_INVALID.to_owned()),
        ("V2 with nothing", raw("OSS2 x"), HEADER_INVALID.to_owned()),
        ("a version there is not", raw("OSS3 x:y").of_oss(), HEADER_INVALID.to_owned()),
        (
            "V4 URL without an expiry",
            url(&good, &iso_basic(), ""),
            "400 InvalidArgument: The x-oss-expires parameter is required. 0002-00000215".to_owned(),
        ),
        (
            "V4 URL for no time",
            url(&good, &iso_basic(), "&x-oss-expires=0"),
            "400 InvalidArgument: The x-oss-expires parameter must be between 1 and 604800 seconds. 0002-00000232".to_owned(),
        ),
        (
            "V4 URL for more than a week",
            url(&good, &iso_basic(), "&x-oss-expires=604801"),
            "400 InvalidArgument: The x-oss-expires parameter must be between 1 and 604800 seconds. 0002-00000232".to_owned(),
        ),
        (
            "V4 URL of another day",
            url(&credential("20200101", "aliyun_v4_request"), &iso_basic(), "&x-oss-expires=60"),
            "400 InvalidArgument: Invalid signing date in x-oss-credential. 0002-00000223".to_owned(),
        ),
        (
            "V4 URL with S3's suffix",
            url(&credential(&today(), "aws4_request"), &iso_basic(), "&x-oss-expires=60"),
            "400 InvalidArgument: The credential must end with aliyun_v4_request. 0002-00000213".to_owned(),
        ),
        (
            "V4 URL before its time",
            get(&target).scheme(Scheme::V4Url(60)).skewed(1000),
            "403 AccessDenied: Request is not valid yet. 0002-00000235".to_owned(),
        ),
        ("V4 URL a little before its time", get(&target).scheme(Scheme::V4Url(60)).skewed(800), "200".to_owned()),
        ("V1 URL without its other two", v1_url("OSSAccessKeyId=ak"), INCOMPLETE.to_owned()),
        ("V1 URL without an expiry", v1_url("OSSAccessKeyId=ak&Signature=x"), INCOMPLETE.to_owned()),
        ("V1 URL without a key", v1_url("Expires=1&Signature=x").of_oss(), INCOMPLETE.to_owned()),
        (
            "V1 URL with an expiry that is none",
            v1_url("OSSAccessKeyId=ak&Signature=x&Expires=soon"),
            "403 AccessDenied: Invalid date (should be seconds since epoch). 0002-00000070".to_owned(),
        ),
        ("header and URL", get(&format!("{target}?OSSAccessKeyId=ak&Signature=x&Expires=1")), TWICE.to_owned()),
        ("two headers", get(&target).with_unsigned("Authorization", "OSS ak:sig"), TWICE.to_owned()),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    for scheme in [Scheme::V1Url(60), Scheme::V2Url(60), Scheme::V4Url(60)] {
        let response = peer.ask(&get(&target).scheme(scheme).skewed(-120));
        let name = format!("{scheme:?} expired");
        table.check(&name, response.element("Message").unwrap_or_default(), "Request has expired.");
        table.check(&name, &format!("{} {}", response.status, response.header("x-oss-ec").unwrap_or_default()), "403 0002-00000069");
        assert!(response.element("Expires").is_some() && response.element("ServerTime").is_some(), "{}", response.text());
    }
    let canary = peer.ask(&raw("OSS nothing"));
    table.finish(&canary, "400");
}

#[test]
fn tokens_are_taken_from_where_each_version_has_them_and_nowhere_else() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    peer.expect(&put(&target, "x"), 200);
    let not_in_query = "400 InvalidRequest: Security-token must be provided by query string parameter.";
    let token = |asked: Request| asked.token("CAISfalse");
    for (name, asked, expected) in [
        // The second Python SDK's version 1 names the header so, and does not sign it.
        ("V1, header of another name", get(&target).scheme(Scheme::V1).with_unsigned("security-token", "CAISfalse"), TOKEN_INVALID),
        ("V4, header of another name", get(&target).with_unsigned("security-token", "CAISfalse"), "200"),
        ("V1, header and query", token(get(&format!("{target}?security-token=a")).scheme(Scheme::V1)), TOKEN_REPEATED),
        ("V4, header and query", token(get(&format!("{target}?x-oss-security-token=a"))), TOKEN_REPEATED),
        ("V1 URL, header", get(&target).scheme(Scheme::V1Url(60)).with("x-oss-security-token", "a"), not_in_query),
        ("V2 URL, header", get(&target).scheme(Scheme::V2Url(60)).with("x-oss-security-token", "a"), not_in_query),
        ("V4 URL, header", get(&target).scheme(Scheme::V4Url(60)).with("x-oss-security-token", "a"), not_in_query),
        ("V1 URL, query and header", token(get(&target).scheme(Scheme::V1Url(60))).with("x-oss-security-token", "a"), TOKEN_REPEATED),
        ("V1 header, token of php's name", get(&format!("{target}?x-oss-security-token=a")).scheme(Scheme::V1), TOKEN_INVALID),
    ] {
        table.line(name, &peer.ask(&asked), expected);
    }
    table.finish(&peer.ask(&get(&target)), "403");
}

#[test]
fn who_did_not_sign_is_told_what_is_denied() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    peer.expect(&put(&format!("/{bucket}/k"), "x"), 200);
    let anonymous = |method: &str, target: &str| request(method, target).anonymous().of_oss();
    let object = "403 AccessDenied: Anonymous user has no right to access this object.";
    let of_bucket = "403 AccessDenied: Anonymous user has no right to access this bucket.";
    for (name, asked, expected) in [
        ("get", anonymous("GET", &format!("/{bucket}/k")), object),
        ("head", anonymous("HEAD", &format!("/{bucket}/k")), object),
        ("put", anonymous("PUT", &format!("/{bucket}/k")), object),
        ("delete", anonymous("DELETE", &format!("/{bucket}/k")), object),
        ("list", anonymous("GET", &format!("/{bucket}/")), of_bucket),
        ("delete bucket", anonymous("DELETE", &format!("/{bucket}")), of_bucket),
        ("list buckets", anonymous("GET", "/"), "403 AccessDenied: Anonymous access is forbidden for this operation. 0003-00001201"),
    ] {
        table.line(name, &peer.ask(&asked), expected);
    }
    for (acl, reads, writes) in [("public-read", "200", object), ("public-read-write", "200", "200"), ("private", object, object)] {
        peer.expect(&put(&format!("/{bucket}?acl"), "").with("x-oss-acl", acl), 200);
        table.line(&format!("read {acl}"), &peer.ask(&anonymous("GET", &format!("/{bucket}/k"))), reads);
        table.line(&format!("write {acl}"), &peer.ask(&anonymous("PUT", &format!("/{bucket}/w"))), writes);
    }
    let known = peer.ask(&head(&format!("/{bucket}/k")));
    table.line("the owner", &known, "200");
    table.finish(&known, object);
}
