//! Preflights and cross-origin answers (s3.md §17).

use crate::{
    client::{Peer, Request, get, put},
    protocol::cors::{preflight, shown},
    table::Table,
};

const RULES: &str = "<CORSConfiguration>\
    <CORSRule><AllowedOrigin>https://exact.example</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>\
    <AllowedHeader>content-*</AllowedHeader><AllowedHeader>X-Amz-Date</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <ExposeHeader>x-amz-checksum-crc32</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>https://*.wild.example</AllowedOrigin><AllowedMethod>DELETE</AllowedMethod></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>";

#[test]
fn preflights_are_answered_by_the_first_rule_that_fits() {
    let peer = Peer::start();
    let mut table = Table::default();
    let (bucket, bare) = (peer.bucket(), peer.bucket());
    peer.expect(&put(&format!("/{bucket}?cors"), RULES), 200);
    let target = format!("/{bucket}/k");
    let refused = |method: &str, kind: &str| {
        format!(
            "403 AccessForbidden: CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request \
             method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec. \
             (Method={method}; ResourceType={kind})"
        )
    };
    let off = "403 AccessForbidden: CORSResponse: CORS is not enabled for this bucket. (Method=PUT; ResourceType=OBJECT)";
    let allowed = "200 allow-origin=https://exact.example allow-methods=PUT, GET";
    let exposed = "expose-headers=ETag, x-amz-checksum-crc32 max-age=600 allow-credentials=true";
    for (name, asked, expected) in [
        ("exact", preflight(&target, "https://exact.example", "PUT", ""), format!("{allowed} {exposed}")),
        (
            "headers",
            preflight(&target, "https://exact.example", "GET", "Content-MD5, x-amz-date,CONTENT-TYPE"),
            format!("{allowed} allow-headers=content-md5, x-amz-date, content-type {exposed}"),
        ),
        ("another header", preflight(&target, "https://exact.example", "PUT", "authorization"), refused("PUT", "OBJECT")),
        (
            "wildcard",
            preflight(&target, "https://a.b.wild.example", "DELETE", ""),
            "200 allow-origin=https://a.b.wild.example allow-methods=DELETE allow-credentials=true".to_owned(),
        ),
        ("anybody", preflight(&target, "null", "HEAD", ""), "200 allow-origin=* allow-methods=HEAD".to_owned()),
        ("another origin", preflight(&target, "https://other.example", "PUT", ""), refused("PUT", "OBJECT")),
        ("another scheme", preflight(&target, "http://exact.example", "PUT", ""), refused("PUT", "OBJECT")),
        ("of the bucket", preflight(&format!("/{bucket}"), "https://other.example", "PUT", ""), refused("PUT", "BUCKET")),
        ("another method", preflight(&target, "https://exact.example", "POST", ""), refused("POST", "OBJECT")),
        (
            "lower case",
            preflight(&target, "https://exact.example", "get", ""),
            "400 BadRequest: Invalid Access-Control-Request-Method: get".to_owned(),
        ),
        (
            "no method",
            preflight(&target, "https://exact.example", "", ""),
            "400 BadRequest: Invalid Access-Control-Request-Method: null".to_owned(),
        ),
        (
            "no origin",
            preflight(&target, "", "PUT", ""),
            "400 BadRequest: Insufficient information. Origin request header needed.".to_owned(),
        ),
        ("no rules", preflight(&format!("/{bare}/k"), "https://exact.example", "PUT", ""), off.to_owned()),
        ("no bucket", preflight("/missing-bucket/k", "https://exact.example", "PUT", ""), off.to_owned()),
    ] {
        let response = peer.ask(&asked);
        table.check(name, &shown(&response), &expected);
        if response.status == 200 {
            let vary = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";
            table.check(&format!("{name}: Vary"), response.header("vary").unwrap_or_default(), vary);
        }
    }
    let from = |asked: Request, origin: &str| peer.ask(&asked.with("origin", origin));
    let added = format!("allow-origin=https://exact.example allow-methods=PUT, GET {exposed}");
    let stored = from(put(&target, "hello"), "https://exact.example");
    table.check("PUT", &shown(&stored), &format!("200 {added}"));
    let missing = from(get(&format!("/{bucket}/none")), "https://exact.example");
    table.check("an error", &shown(&missing), &format!("404 NoSuchKey: The specified key does not exist. (Key=none) {added}"));
    let denied = from(get(&target).anonymous(), "https://exact.example");
    table.check("a refusal", &shown(&denied), &format!("403 AccessDenied: Access Denied {added}"));
    table.check("another origin", &shown(&from(get(&target), "https://other.example")), "200");
    table.check("no rules", &shown(&from(put(&format!("/{bare}/k"), ""), "https://exact.example")), "200");
    let malformed = "400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema";
    for (name, document, expected) in [
        ("no rules", "<CORSConfiguration/>", malformed),
        ("empty", "", "400 MissingRequestBodyError: Request Body is empty"),
        ("no origin", "<CORSConfiguration><CORSRule><AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>", malformed),
        (
            "method",
            "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod></CORSRule></CORSConfiguration>",
            "400 InvalidRequest: Found unsupported HTTP method in CORS config. Unsupported method is PATCH",
        ),
        (
            "two wildcards",
            "<CORSConfiguration><CORSRule><AllowedOrigin>**</AllowedOrigin><AllowedMethod>PUT</AllowedMethod></CORSRule></CORSConfiguration>",
            "400 InvalidRequest: AllowedOrigin \"**\" can not have more than one wildcard.",
        ),
    ] {
        table.line(name, &peer.ask(&put(&format!("/{bucket}?cors"), document)), expected);
    }
    table.finish(&missing, "403");
}
