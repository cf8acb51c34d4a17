//! Browsers (oss.md §22): preflights and cross-origin answers as ali-oss needs them, and links from other pages.

use crate::{
    client::{Peer, Request, content_md5, get, put},
    protocol::cors::{preflight, shown},
    table::Table,
};

/// What ali-oss asks of a bucket, and a rule that answers its own origin alone.
const RULES: &str = "<CORSConfiguration>\
    <CORSRule><AllowedOrigin>https://app.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod>\
    <AllowedMethod>POST</AllowedMethod><AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader>\
    <ExposeHeader>x-oss-request-id</ExposeHeader><MaxAgeSeconds>100</MaxAgeSeconds></CORSRule>\
    <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule></CORSConfiguration>";

#[test]
fn preflights_of_ali_oss_are_answered_unsigned() {
    let peer = Peer::start();
    let mut table = Table::default();
    let (bucket, bare) = (peer.bucket(), peer.bucket());
    peer.expect(&put(&format!("/{bucket}/?cors"), RULES).with("content-md5", content_md5(RULES.as_bytes())), 200);
    let target = format!("/{bucket}/k");
    // What a browser asks for is all that tells the dialect.
    let asked = "authorization,x-oss-date,x-oss-user-agent,content-md5,x-oss-meta-a";
    let ask = |target: &str, origin: &str, method: &str| preflight(target, origin, method, asked);
    let refused = |method: &str, kind: &str| {
        format!(
            "403 AccessForbidden: CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request \
             method / Access-Control-Request-Method or Access-Control-Requet-Headers are not whitelisted by the resource's CORS spec. \
             (Method={method}; ResourceType={kind})"
        )
    };
    let methods = "allow-origin=https://app.example allow-methods=GET, PUT, POST";
    let exposed = "expose-headers=ETag, x-oss-request-id max-age=100";
    let echoed = asked.replace(',', ", ");
    for (name, asked, expected) in [
        ("allowed", ask(&target, "https://app.example", "PUT"), format!("200 {methods} allow-headers={echoed} {exposed}")),
        ("another method", ask(&target, "https://app.example", "DELETE"), refused("DELETE", "OBJECT")),
        ("another origin", ask(&target, "https://other.example", "PUT"), refused("PUT", "OBJECT")),
        ("of the bucket", ask(&format!("/{bucket}/"), "https://other.example", "PUT"), refused("PUT", "BUCKET")),
        ("anybody", preflight(&target, "null", "HEAD", "").of_oss(), "200 allow-origin=* allow-methods=HEAD".to_owned()),
        ("no rules", ask(&format!("/{bare}/k"), "https://app.example", "PUT"), refused("PUT", "OBJECT")),
        ("no bucket", ask("/missing-bucket/k", "https://app.example", "PUT"), refused("PUT", "OBJECT")),
        ("no origin", ask(&target, "", "PUT"), "400 BadRequest: Insufficient information. Origin request header needed.".to_owned()),
        (
            "no method",
            ask(&target, "https://app.example", ""),
            "400 BadRequest: Insufficient information. Request Access-Control-Request-Method header needed.".to_owned(),
        ),
    ] {
        table.check(name, &shown(&peer.ask(&asked)), &expected);
    }
    let from = |asked: Request, origin: &str| peer.ask(&asked.with("origin", origin));
    let stored = from(put(&target, "hello"), "https://app.example");
    table.check("PUT", &shown(&stored), &format!("200 {methods} {exposed}"));
    let missing = from(get(&format!("/{bucket}/none")), "https://app.example");
    let expected = format!("404 NoSuchKey: The specified key does not exist. (Key=none) 0026-00000001 {methods} {exposed}");
    table.check("an error", &shown(&missing), &expected);
    table.check("another origin", &shown(&from(get(&target), "https://other.example")), "200");
    table.finish(&missing, "403");
}

#[test]
fn links_from_other_pages_are_kept_out_by_the_referer() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let rules = "<RefererConfiguration><AllowEmptyReferer>false</AllowEmptyReferer><RefererList>\
                 <Referer>http://*.good.example</Referer></RefererList></RefererConfiguration>";
    let target = format!("/{bucket}/k");
    peer.expect(&put(&target, "hello").with("x-oss-object-acl", "public-read"), 200);
    peer.expect(&put(&format!("/{bucket}/?referer"), rules), 200);
    let denied = "403 AccessDenied: You are denied by bucket referer policy.";
    let anonymous = || get(&target).anonymous().of_oss();
    for (name, asked, expected) in [
        ("from a good page", anonymous().with("referer", "http://www.good.example/page?a=b"), "200"),
        ("from another page", anonymous().with("referer", "http://bad.example/www.good.example"), denied),
        ("from nowhere", anonymous(), denied),
        ("signed in the header", get(&target), "200"),
        ("signed in the URL", get(&target).scheme(crate::client::Scheme::V1Url(60)), denied),
    ] {
        table.line(name, &peer.ask(&asked), expected);
    }
    table.finish(&peer.ask(&anonymous()), "200");
}
