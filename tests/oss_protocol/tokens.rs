//! Security tokens that were issued (oss.md §6 and §23): where each way of signing carries them, and with whose key they go.

use crate::{
    captured::hmac_sha1,
    client::{Peer, Request, Scheme, get, now, put},
    forms::{OWN_V4, form_v1, form_v4, policy},
    protocol::form::Form,
    signatures::EVERY,
    support::{ACCESS_KEY, SECRET_KEY},
    table::Table,
};
use partway::{
    auth::sign::Credentials,
    dialect::{date::iso8601, percent::encode},
};

/// Temporary credentials, asked for as the first SDKs ask for them.
fn assume_role(peer: &Peer, nonce: &str) -> Credentials {
    let time = iso8601(now());
    let pairs = [
        ("AccessKeyId", ACCESS_KEY),
        ("Action", "AssumeRole"),
        ("Format", "JSON"),
        ("RoleArn", "acs:ram::1234567890123456:role/demo"),
        ("RoleSessionName", "session-1"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", nonce),
        ("SignatureVersion", "1.0"),
        ("Timestamp", &time),
        ("Version", "2015-04-01"),
    ];
    let query = pairs.map(|(name, value)| format!("{name}={}", encode(value))).join("&");
    let signature = hmac_sha1(&format!("{SECRET_KEY}&"), &format!("GET&%2F&{}", encode(&query)));
    let asked = format!("GET /?{query}&Signature={} HTTP/1.1\r\nHost: {}\r\n\r\n", encode(&signature), peer.host());
    let mut client = peer.connect();
    client.send(asked).expect("the server reads");
    let answer = client.receive("GET").expect("the server answers");
    let document: serde_json::Value = serde_json::from_slice(&answer.body).expect("the answer is JSON");
    let text = |name: &str| document["Credentials"][name].as_str().unwrap_or_else(|| panic!("no {name} in {document}")).to_owned();
    Credentials { access_key: text("AccessKeyId"), secret_key: text("AccessKeySecret"), security_token: Some(text("SecurityToken")) }
}

/// A form with the token of these credentials.
fn with_token(mut form: Form, credentials: &Credentials) -> Form {
    form.fields.insert(0, ("x-oss-security-token".to_owned(), credentials.security_token.clone().unwrap_or_default()));
    form
}

#[test]
fn tokens_are_good_where_each_client_puts_them() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    let (own, other) = (assume_role(&peer, "1"), assume_role(&peer, "2"));
    let token = own.security_token.clone().expect("there is a token");
    let signed = |asked: Request| asked.signed_as(&own.access_key, &own.secret_key);
    for scheme in EVERY {
        let name = |what: &str| format!("{scheme:?} {what}");
        table.line(&name("put"), &peer.ask(&signed(put(&target, "x")).token(&token).scheme(scheme)), "200");
        table.line(&name("get"), &peer.ask(&signed(get(&target)).token(&token).scheme(scheme)), "200");
        let none = format!(
            "403 InvalidAccessKeyId: The OSS Access Key Id you provided does not exist in our records. (OSSAccessKeyId={}) 0002-00000902",
            own.access_key
        );
        table.line(&name("without its token"), &peer.ask(&signed(get(&target)).scheme(scheme)), &none);
        let others = signed(get(&target)).token(other.security_token.as_deref().unwrap_or_default()).scheme(scheme);
        let mismatch = "403 AccessKeyIdAndSecurityTokenNotMatch: The security token you provided is not that of the access key id.";
        table.line(&name("with another's token"), &peer.ask(&others), mismatch);
        let of_root = get(&target).token(&token).scheme(scheme);
        table.line(&name("with the root's key"), &peer.ask(&of_root), mismatch);
    }
    for (name, asked) in [
        // The second Python SDK's version 1 names the header as the parameter, and does not sign it.
        ("V1, unsigned header", signed(get(&target)).scheme(Scheme::V1).with_unsigned("security-token", &token)),
        // php's name of the parameter.
        ("V1 URL, php", signed(get(&format!("{target}?x-oss-security-token={}", encode(&token)))).scheme(Scheme::V1Url(60))),
    ] {
        table.line(name, &peer.ask(&asked), "200");
    }
    let fields = [("key", "form")];
    let conditions = format!(r#"{{"bucket":"{bucket}"}}"#);
    for (name, form) in [
        ("V1 form", form_v1(&own, &fields, &policy(&conditions))),
        ("V4 form", form_v4(&own, &fields, &policy(&format!("{conditions},{OWN_V4}")))),
    ] {
        table.line(name, &peer.ask(&with_token(form.clone(), &own).request(&format!("/{bucket}/"))), "204");
        let refused = peer.ask(&with_token(form.clone(), &other).request(&format!("/{bucket}/")));
        table.check(name, refused.element("Code").unwrap_or("-"), "AccessKeyIdAndSecurityTokenNotMatch");
        let refused = peer.ask(&form.request(&format!("/{bucket}/")).of_oss());
        table.check(name, refused.element("Code").unwrap_or("-"), "InvalidAccessKeyId");
    }
    table.finish(&peer.ask(&get(&target)), "403");
}
