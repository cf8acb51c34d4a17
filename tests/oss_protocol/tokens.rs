//! Security tokens that were issued (oss.md §6 and §23): where each way of signing carries them, and with whose key they go.

use crate::{
    client::{EVERY, Peer, Request, Scheme, delete, get, head, hmac_sha1, now, post, put},
    forms::{OWN_V4, form_v1, form_v4, policy},
    protocol::form::Form,
    support::{ACCESS_KEY, SECRET_KEY},
    table::Table,
};
use partway::{
    auth::sign::Credentials,
    dialect::{date::iso8601, percent::encode},
};

/// Temporary credentials under this policy, asked for as the first SDKs ask for them.
fn assume_role(peer: &Peer, nonce: &str, policy: &str) -> Credentials {
    let time = iso8601(now());
    let pairs = [
        ("AccessKeyId", ACCESS_KEY),
        ("Action", "AssumeRole"),
        ("Format", "JSON"),
        ("Policy", policy),
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

const EVERYTHING: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:*"],"Resource":["*"]}]}"#;

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
    let (own, other) = (assume_role(&peer, "1", EVERYTHING), assume_role(&peer, "2", EVERYTHING));
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

#[test]
fn what_a_token_does_not_allow_is_denied_in_the_words_of_oss() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let reads = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:GetObject"],"Resource":["acs:oss:*:*:BUCKET/up/*"]}]}"#;
    let own = assume_role(&peer, "1", &reads.replace("BUCKET", &bucket));
    let ask = |asked: Request| {
        let asked = asked.signed_as(&own.access_key, &own.secret_key).token(own.security_token.as_deref().unwrap_or_default());
        peer.ask(&asked)
    };
    for key in ["up/k", "down/k"] {
        peer.expect(&put(&format!("/{bucket}/{key}"), "x"), 200);
    }
    let denied = "403 AccessDenied: You have no right to access this object because of bucket acl. 0003-00000001";
    for (name, asked, expected) in [
        ("allowed", get(&format!("/{bucket}/up/k")), "200"),
        (
            "allowed, whether it exists",
            get(&format!("/{bucket}/up/none")),
            "404 NoSuchKey: The specified key does not exist. (Key=up/none) 0026-00000001",
        ),
        ("another key", get(&format!("/{bucket}/down/k")), denied),
        ("another key, head", head(&format!("/{bucket}/down/k")), denied),
        ("a key that does not exist", get(&format!("/{bucket}/down/none")), denied),
        ("a write", put(&format!("/{bucket}/up/k"), "y"), denied),
        ("a write in the URL", put(&format!("/{bucket}/up/k"), "y").scheme(Scheme::V4Url(60)), denied),
        ("an upload", post(&format!("/{bucket}/up/k?uploads"), ""), denied),
        ("a copy of what may be read", put(&format!("/{bucket}/up/c"), "").with("x-oss-copy-source", format!("/{bucket}/up/k")), denied),
        ("a deletion", delete(&format!("/{bucket}/up/k")), denied),
        ("the bucket", get(&format!("/{bucket}/")), "403 AccessDenied: AccessDenied."),
    ] {
        table.line(name, &ask(asked), expected);
    }
    table.check("unchanged", peer.ask(&get(&format!("/{bucket}/up/k"))).text(), "x");
    table.finish(&ask(get(&format!("/{bucket}/down/k"))), "200");
}
