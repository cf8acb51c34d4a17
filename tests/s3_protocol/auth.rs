//! Signatures that are not accepted (s3.md §2, §3, §7) and what the client is told.

use crate::{
    client::{Peer, Request, get, now, put},
    support::{ACCESS_KEY, SECRET_KEY},
    table::Table,
};
use partway::{dialect::xml::Element, testkit::raw_client::RawResponse};

const UNKNOWN: &str = "403 InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records. (AWSAccessKeyId=NOBODY)";
const MECHANISMS: &str = "400 InvalidArgument: Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query \
                          string parameter or the Authorization header should be specified";
const SCHEME: &str = "400 InvalidArgument: Unsupported Authorization Type (ArgumentName=Authorization)";
const REQUIRED: &str = "400 AuthorizationQueryParametersError: Query-string authentication version 4 requires the X-Amz-Algorithm, \
                        X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.";

/// The code, message and names of the elements of an error whose values vary.
fn outline(response: &RawResponse) -> String {
    let root = Element::parse(&response.body).expect("errors are documents");
    let names: Vec<&str> = root.children().iter().skip(2).map(Element::name).collect();
    let text = |name| root.child_text(name).unwrap_or_default();
    format!("{} {}: {} ({})", response.status, text("Code"), text("Message"), names.join(" "))
}

/// A request whose signed bytes are altered before they are sent.
fn altered(peer: &Peer, asked: &Request, from: &str, to: &str) -> RawResponse {
    let text = String::from_utf8(asked.bytes(&peer.host())).expect("these requests are text");
    assert!(text.contains(from), "{from} is not in {text}");
    peer.ask_bytes(asked.method(), text.replacen(from, to, 1).as_bytes())
}

#[test]
fn header_signatures_are_refused_for_what_they_are() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    peer.expect(&put(&target, "hello"), 200);
    let asked = get(&target);
    table.line("fine", &peer.ask(&asked), "200");
    table.line("any region", &peer.ask(&get(&target).region("eu-central-1")), "200");
    table.line("fourteen minutes", &peer.ask(&get(&target).skewed(-14 * 60)), "200");
    table.line("key", &peer.ask(&get(&target).signed_as("NOBODY", "x")), UNKNOWN);
    table.line("anonymous", &peer.ask(&get(&target).anonymous()), "403 AccessDenied: Access Denied");
    for (name, secs) in [("slow clock", -16 * 60), ("fast clock", 16 * 60)] {
        let skewed = peer.ask(&get(&target).skewed(secs));
        let expected = "403 RequestTimeTooSkewed: The difference between the request time and the current time is too large. \
                        (RequestTime ServerTime MaxAllowedSkewMilliseconds Resource RequestId HostId)";
        table.check(name, &outline(&skewed), expected);
        table.check(name, skewed.element("MaxAllowedSkewMilliseconds").unwrap_or_default(), "900000");
        let (request_time, server_time) =
            (skewed.element("RequestTime").unwrap_or_default(), skewed.element("ServerTime").unwrap_or_default());
        table.check(name, &format!("{} {}", request_time.len(), server_time.len()), "16 20");
    }
    let mismatch = "403 SignatureDoesNotMatch: The request signature we calculated does not match the signature you provided. Check your \
                    key and signing method. (AWSAccessKeyId StringToSign SignatureProvided StringToSignBytes CanonicalRequest \
                    CanonicalRequestBytes Resource RequestId HostId)";
    let signed = get(&format!("{target}?x-id=GetObject&a=%2B%20")).with("x-amz-meta-a", "  b   c  ");
    for (name, response) in [
        ("secret", peer.ask(&get(&target).signed_as(ACCESS_KEY, "wrong"))),
        ("query", altered(&peer, &signed, "x-id=GetObject", "x-id=PutObject")),
        ("path", altered(&peer, &signed, "/k?", "/j?")),
        ("method", peer.ask_bytes("DELETE", &[b"DELETE".to_vec(), signed.bytes(&peer.host())[3..].to_vec()].concat())),
        ("header", altered(&peer, &signed, "b   c", "b   d")),
        ("signed header gone", altered(&peer, &get(&target).with("range", "bytes=0-1"), "range: bytes=0-1\r\n", "")),
        ("host", altered(&peer, &signed, &format!("host: {}", peer.host()), "host: example.org")),
    ] {
        table.check(name, &outline(&response), mismatch);
        let bytes = |name: &str| {
            let hex = response.element(name).unwrap_or_default().replace(' ', "");
            String::from_utf8(hex::decode(hex).unwrap_or_default()).unwrap_or_default()
        };
        let root = Element::parse(&response.body).unwrap();
        for (text, hex) in [("StringToSign", "StringToSignBytes"), ("CanonicalRequest", "CanonicalRequestBytes")] {
            table.check(&format!("{name}: {hex}"), &bytes(hex), root.child_text(text).unwrap_or_default());
        }
        let hash = hex::encode(partway::digest::sha256(root.child_text("CanonicalRequest").unwrap_or_default().as_bytes()));
        table.check(
            &format!("{name}: hash"),
            root.child_text("StringToSign").and_then(|text| text.lines().last()).unwrap_or_default(),
            &hash,
        );
        assert!(!response.text().contains(SECRET_KEY), "{name}: {}", response.text());
    }
    let date = partway_date();
    let authorization = |value: &str| {
        let value = value.replace("DATE", &date[..8]);
        get(&target).anonymous().with("authorization", value).with("x-amz-date", &date)
    };
    let malformed = |detail: &str| format!("400 AuthorizationHeaderMalformed: The authorization header is malformed; {detail}");
    let four = "AWS4-HMAC-SHA256 Credential=ak/DATE/us-east-1/s3/aws4_request,SignedHeaders=host;x-amz-date,Signature=00";
    for (name, asked, expected) in [
        ("two mechanisms", get(&format!("{target}?X-Amz-Algorithm=AWS4-HMAC-SHA256")), MECHANISMS.to_owned()),
        ("two mechanisms, V2", get(&format!("{target}?AWSAccessKeyId=a&Signature=b&Expires=1")), MECHANISMS.to_owned()),
        ("twice", authorization(four).with("authorization", "AWS a:b"), MECHANISMS.to_owned()),
        ("scheme", authorization("Bearer abc"), SCHEME.to_owned()),
        ("no scheme", authorization(""), SCHEME.to_owned()),
        ("nothing in it", authorization("AWS4-HMAC-SHA256 x"), malformed("the authorization component \"x\" is malformed.")),
        ("no credential", authorization("AWS4-HMAC-SHA256 SignedHeaders=host,Signature=00"), malformed("missing Credential.")),
        ("no signature", authorization(&four.replace(",Signature=00", "")), malformed("missing Signature.")),
        ("no signed headers", authorization(&four.replace("SignedHeaders=host;x-amz-date,", "")), malformed("missing SignedHeaders.")),
        (
            "another day",
            authorization(&four.replace("DATE", "20200101")),
            malformed("Invalid credential date. Date is not the same as X-Amz-Date."),
        ),
        ("V2 key", authorization("AWS NOBODY:c2ln"), UNKNOWN.to_owned()),
        (
            "no date",
            get(&target).anonymous().with("authorization", four.replace("DATE", &date[..8])),
            "403 AccessDenied: AWS authentication requires a valid Date or x-amz-date header".to_owned(),
        ),
        (
            "unsigned x-amz header",
            get(&target).with_unsigned("x-amz-copy-source", "a/b").with_unsigned("X-Amz-Meta-A", "b"),
            "403 AccessDenied: There were headers present in the request which were not signed \
             (HeadersNotSigned=x-amz-copy-source, x-amz-meta-a)"
                .to_owned(),
        ),
        ("unsigned ordinary header", get(&target).with_unsigned("user-agent", "x"), "200".to_owned()),
        (
            "security token",
            get(&target).with("x-amz-security-token", "x"),
            "400 InvalidToken: The provided token is malformed or otherwise invalid.".to_owned(),
        ),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    let word = peer.ask(&put(&target, "x").payload("unsigned"));
    table.check(
        "payload word",
        &outline(&word),
        "400 InvalidArgument: x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, \
         STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value. (ArgumentName Resource RequestId HostId)",
    );
    let hash = |body: &str| hex::encode(partway::digest::sha256(body.as_bytes()));
    table.line(
        "payload hash",
        &peer.ask(&put(&target, "jello").payload(&hash("hello"))),
        &format!(
            "400 XAmzContentSHA256Mismatch: The provided 'x-amz-content-sha256' header does not match what was computed. \
             (ClientComputedContentSHA256={}; S3ComputedContentSHA256={})",
            hash("hello"),
            hash("jello")
        ),
    );
    table.check("the object stays", peer.ask(&get(&target)).text(), "hello");
    table.finish(&peer.ask(&get(&target).signed_as("NOBODY", "x")), &UNKNOWN.replace("NOBODY", "ANYBODY"));
}

/// The date as requests of this moment carry it.
fn partway_date() -> String {
    let parts = get("/").signed_parts("h");
    parts.headers["x-amz-date"].to_str().expect("dates are text").to_owned()
}

#[test]
fn presigned_urls_are_refused_for_what_they_are() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    table.line("PUT", &peer.ask(&put(&target, "hello").presigned(60)), "200");
    let asked = get(&format!("{target}?response-content-type=text/html")).presigned(60);
    table.line("GET", &peer.ask(&asked), "200");
    table.line("HEAD of a GET", &peer.ask_bytes("HEAD", &[b"HEAD".to_vec(), asked.bytes(&peer.host())[3..].to_vec()].concat()), "403");
    table.line("signed header", &peer.ask(&put(&target, "hello").with("content-type", "a/b").presigned(60)), "200");
    let expired = peer.ask(&get(&target).presigned(1).skewed(-60));
    table.check(
        "expired",
        &outline(&expired),
        "403 AccessDenied: Request has expired (X-Amz-Expires Expires ServerTime Resource RequestId HostId)",
    );
    table.check("expired", expired.element("X-Amz-Expires").unwrap_or_default(), "1");
    table.line("early", &peer.ask(&get(&target).presigned(60).skewed(3600)), "403 AccessDenied: Request is not valid yet");
    let error = |message: &str| format!("400 AuthorizationQueryParametersError: {message}");
    let week = "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds";
    let service = format!("AK%2F{}%2Fus-east-1%2Fec2%2Faws4_request", &partway_date()[..8]);
    let stranger = format!("NOBODY%2F{}%2Fus-east-1%2Fs3%2Faws4_request", &partway_date()[..8]);
    for (name, value, expected) in [
        ("X-Amz-Date", None, REQUIRED.to_owned()),
        ("X-Amz-Signature", None, REQUIRED.to_owned()),
        ("X-Amz-Algorithm", None, REQUIRED.to_owned()),
        ("X-Amz-Expires", None, REQUIRED.to_owned()),
        ("X-Amz-SignedHeaders", Some(""), REQUIRED.to_owned()),
        ("X-Amz-Expires", Some("1h"), error("X-Amz-Expires should be a number")),
        ("X-Amz-Expires", Some("-1"), error("X-Amz-Expires must be non-negative")),
        ("X-Amz-Expires", Some("604801"), error(week)),
        ("X-Amz-Date", Some("2026-01-01"), error("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")),
        (
            "X-Amz-Credential",
            Some(&service),
            error("Error parsing the X-Amz-Credential parameter; incorrect service \"ec2\". This endpoint belongs to \"s3\"."),
        ),
        ("X-Amz-Algorithm", Some("AWS4-HMAC-SHA512"), error("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")),
        ("X-Amz-Credential", Some(&stranger), UNKNOWN.to_owned()),
    ] {
        table.line(&format!("{name} {value:?}"), &with_parameter(&peer, &target, name, value), &expected);
    }
    let v2 = |expires: i64, secret: &str| get(&v2_url(&target, expires, secret)).anonymous();
    let soon = now().secs() + 60;
    table.line("V2", &peer.ask(&v2(soon, SECRET_KEY)), "200");
    let mismatch = peer.ask(&v2(soon, "wrong"));
    table.check("V2 signature", mismatch.element("Code").unwrap_or_default(), "SignatureDoesNotMatch");
    table.check(
        "V2 expired",
        &outline(&peer.ask(&v2(soon - 120, SECRET_KEY))),
        "403 AccessDenied: Request has expired. (Expires ServerTime Resource RequestId HostId)",
    );
    table.finish(&mismatch, "200");
}

/// A presigned GET whose parameter is replaced, or left out, after signing.
fn with_parameter(peer: &Peer, target: &str, name: &str, value: Option<&str>) -> RawResponse {
    let text = String::from_utf8(get(target).presigned(60).bytes(&peer.host())).expect("it is text");
    let start = text.find(&format!("{name}=")).expect("the parameter is there");
    let end = start + text[start..].find(['&', ' ']).expect("something follows");
    let parameter = value.map_or_else(|| "x=".to_owned(), |value| format!("{name}={value}"));
    peer.ask_bytes("GET", format!("{}{parameter}{}", &text[..start], &text[end..]).as_bytes())
}

/// A SigV2 URL (§7), signed here with HMAC-SHA1.
fn v2_url(target: &str, expires: i64, secret: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("GET\n\n\n{expires}\n{target}").as_bytes());
    let signature = STANDARD.encode(mac.finalize().into_bytes()).replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    format!("{target}?AWSAccessKeyId={ACCESS_KEY}&Expires={expires}&Signature={signature}")
}
