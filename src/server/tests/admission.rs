//! Who is let in to what, where two dialects, links, lists and policies meet.

use super::*;
use crate::{
    auth::{Addressed, oss_sign},
    model::{Attributes, Bucket, Caller, ObjectKey, ObjectRef, Operation, Origin, PutSymlink, WriteConditions},
    ops::{Admitted, Request},
};

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: Bucket::new("bkt").unwrap(), key: ObjectKey::new(key).unwrap() }
}

/// Writes a link, as the root account.
fn link(harness: &Harness, key: &str, target: &str) {
    let put = PutSymlink {
        object: object(key),
        target: object(target).key,
        attributes: Attributes::default(),
        conditions: WriteConditions::default(),
    };
    let request = Request {
        caller: Caller::Key { access_key: "root".to_owned(), account: Account::root(), parent: None },
        limits: Limits::OSS,
        name: "PutSymlink",
        operation: Operation::PutSymlink(put),
        origin: Origin::default(),
        admitted: Admitted::Anything,
    };
    harness.runtime.block_on(harness.gateway.execute(request, None)).unwrap();
}

/// A request to an object in the OSS dialect, with headers that its signature need not cover.
fn oss(access_key: &str, method: &str, key: &str, headers: &[(&str, &str)], body: &str) -> String {
    let target = format!("/bkt/{key}");
    let size = body.len().to_string();
    let mut request = http::Request::builder().method(method).uri(&target).header("host", "localhost").header("content-length", size);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    let credentials =
        Credentials { access_key: access_key.to_owned(), secret_key: format!("secret of {access_key}"), security_token: None };
    let (bucket, key) = (Some("bkt"), key.split('?').next());
    let addressed = Addressed { bucket, key, bucket_in_host: None };
    oss_sign::sign_v4(&mut parts, &credentials, &addressed, "cn-hangzhou", &[], NOW).unwrap();
    let fields: String = parts.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
    format!("{method} {target} HTTP/1.1\r\n{fields}\r\n{body}")
}

#[test]
fn a_link_leads_nobody_to_what_he_may_not_read() {
    let harness = Harness::with_bucket();
    assert_eq!(harness.ask(signed("PUT", "/bkt/secret", &[], b"hidden")).status, 200);
    assert_eq!(harness.ask(signed("PUT", "/bkt/mine/open", &[], b"open")).status, 200);
    let mine = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::bkt/mine/*"}}"#;
    harness.put_key(&key("narrow", "root", Some(mine), KeyStatus::Active));
    let made = harness.ask(oss("narrow", "PUT", "mine/link?symlink", &[("x-oss-symlink-target", "secret")], ""));
    assert_eq!(made.status, 200, "{}", made.text());
    link(&harness, "mine/fine", "mine/open");

    for (target, headers) in [("mine/link", vec![]), ("mine/copy", vec![("x-amz-copy-source", "/bkt/mine/link")])] {
        let method = if headers.is_empty() { "GET" } else { "PUT" };
        let answer = harness.ask(signed_by("narrow", method, &format!("/bkt/{target}"), &headers, b""));
        assert_eq!(code(&answer), (403, "AccessDenied"), "{method} {target}");
    }
    assert_eq!(code(&harness.ask(oss("narrow", "GET", "mine/link", &[], ""))), (403, "AccessDenied"));
    assert_eq!(harness.ask(signed_by("narrow", "HEAD", "/bkt/mine/link", &[], b"")).status, 403);
    assert_eq!(harness.ask(signed_by("narrow", "GET", "/bkt/mine/fine", &[], b"")).text(), "open");
    assert_eq!(harness.ask(signed("GET", "/bkt/mine/link", &[], b"")).text(), "hidden", "the root account may read it all");
}

#[test]
fn a_buckets_policy_denies_its_owner_what_a_link_leads_to() {
    let harness = Harness::start();
    harness.put_key(&key("alice", "alice", None, KeyStatus::Active));
    assert_eq!(harness.ask(signed_by("alice", "PUT", "/bkt", &[], b"")).status, 200);
    assert_eq!(harness.ask(signed_by("alice", "PUT", "/bkt/secret", &[], b"hidden")).status, 200);
    link(&harness, "link", "secret");
    let read = || harness.ask(signed_by("alice", "GET", "/bkt/link", &[], b""));
    assert_eq!(read().text(), "hidden");
    let policy = br#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::bkt/secret"}}"#;
    assert_eq!(harness.ask(signed_by("alice", "PUT", "/bkt?policy", &[], policy)).status, 204);
    assert_eq!(code(&read()), (403, "AccessDenied"));
}

#[test]
fn conditions_see_what_the_dialect_acts_on() {
    let harness = Harness::with_bucket();
    let policy = r#"{"Statement":{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectAcl"],"Resource":"*",
        "Condition":{"StringEquals":{"s3:x-amz-acl":"private"}}}}"#;
    harness.put_key(&key("careful", "root", Some(policy), KeyStatus::Active));
    let put = |headers: &[(&str, &str)]| harness.ask(oss("careful", "PUT", "k", headers, "1"));
    assert_eq!(put(&[("x-oss-object-acl", "private")]).status, 200);
    let dressed_up = [("x-oss-object-acl", "public-read"), ("x-amz-acl", "private")];
    assert_eq!(code(&put(&dressed_up)), (403, "AccessDenied"));
    assert_eq!(code(&put(&[("x-amz-acl", "private")])), (403, "AccessDenied"), "nobody acts on it");
    assert_eq!(code(&put(&[("x-oss-object-acl", "public-read"), ("x-oss-acl", "private")])), (403, "AccessDenied"));
}

#[test]
fn conditions_see_a_forms_fields_and_not_its_headers() {
    let policy = r#"{"Statement":{"Effect":"Allow","Action":["s3:PutObject","s3:PutObjectAcl","s3:CreateBucket"],"Resource":"*",
        "Condition":{"StringNotEquals":{"s3:x-amz-acl":"public-read"}}}}"#;
    let harness = Harness::start_with(|settings| settings.root_key.policy = Some(policy.to_owned()));
    assert_eq!(harness.ask(signed("PUT", "/bkt", &[], b"")).status, 200);
    let ask = |acl: &str, header: &str| {
        let conditions = r#"["starts-with","$key",""],["starts-with","$acl",""]"#;
        let form = signed_form(&[("key", "k"), ("acl", acl)], conditions, b"x");
        let head = format!("POST /bkt HTTP/1.1\r\nx-amz-acl: {header}\r\n");
        let form = [head.as_bytes(), &form["POST /bkt HTTP/1.1\r\n".len()..]].concat();
        harness.ask(form)
    };
    assert_eq!(ask("private", "public-read").status, 204);
    assert_eq!(code(&ask("public-read", "private")), (403, "AccessDenied"));
}

#[test]
fn a_signature_of_one_dialect_lends_nothing_to_the_headers_of_the_other() {
    let harness = Harness::with_bucket();
    assert_eq!(harness.ask(signed("PUT", "/bkt/source", &[], b"source")).status, 200);
    let head = signed_head("root", "PUT", "/bkt/k", &[("content-length", "1")], &hex::encode(digest::sha256(b"1")));
    let with = |extra: &str| harness.ask(head.trim_end().to_owned() + "\r\n" + extra + "\r\n\r\n1");
    let put = with("x-oss-copy-source: /bkt/source\r\nx-oss-object-acl: public-read\r\nx-oss-meta-a: 1\r\nx-oss-callback: e30=");
    assert_eq!(put.status, 200, "{}", put.text());
    let get = harness.ask(signed("GET", "/bkt/k", &[], b""));
    assert_eq!((get.text(), get.header("x-amz-meta-a")), ("1", None));
    assert_eq!(code(&harness.ask("GET /bkt/k HTTP/1.1\r\nHost: localhost\r\n\r\n")), (403, "AccessDenied"));
    assert_eq!(code(&with("x-amz-copy-source: /bkt/source")), (403, "AccessDenied"), "what is acted on must be signed");

    let signed = oss("root", "PUT", "k2", &[], "2");
    let (head, body) = signed.split_once("\r\n\r\n").unwrap();
    let with = |extra: &str| harness.ask(format!("{head}\r\n{extra}\r\n\r\n{body}"));
    assert_eq!(with("x-amz-copy-source: /bkt/source\r\nx-amz-acl: public-read\r\nx-amz-meta-a: 1").status, 200);
    let get = harness.ask(super::signed("GET", "/bkt/k2", &[], b""));
    assert_eq!((get.text(), get.header("x-amz-meta-a")), ("2", None));
    assert_eq!(code(&harness.ask("GET /bkt/k2 HTTP/1.1\r\nHost: localhost\r\n\r\n")), (403, "AccessDenied"));
    for unsigned in ["x-oss-copy-source: /bkt/source", "x-oss-object-acl: public-read", "x-oss-callback: e30=", "content-type: text/html"] {
        assert_eq!(code(&with(unsigned)), (403, "SignatureDoesNotMatch"), "{unsigned}");
    }
}

#[test]
fn whoever_holds_a_signed_url_adds_nothing_to_it() {
    let harness = Harness::with_bucket();
    let credentials = Credentials { access_key: "root".to_owned(), secret_key: "secret of root".to_owned(), security_token: None };
    let addressed = Addressed { bucket: Some("bkt"), key: Some("k"), bucket_in_host: None };
    let url = |version: u8| {
        let (mut parts, ()) = http::Request::put("/bkt/k").header("host", "localhost").body(()).unwrap().into_parts();
        match version {
            1 => oss_sign::presign_v1(&mut parts, &credentials, &addressed, 60, NOW),
            _ => oss_sign::presign_v4(&mut parts, &credentials, &addressed, "cn-hangzhou", &[], 60, NOW),
        }
        .unwrap();
        parts.uri.to_string()
    };
    for version in [1, 4] {
        let put = |parameter: &str, header: &str| {
            harness.ask(format!("PUT {}{parameter} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n{header}\r\n1", url(version)))
        };
        assert_eq!(put("", "").status, 200);
        for header in [
            "x-oss-copy-source: /bkt/k\r\n",
            "x-oss-object-acl: public-read\r\n",
            "x-oss-callback: e30=\r\n",
            "x-oss-symlink-target: secret\r\n",
            "x-oss-meta-a: 1\r\n",
            "x-oss-tagging: a=b\r\n",
            "content-type: text/html\r\n",
        ] {
            assert_eq!(code(&put("", header)), (403, "SignatureDoesNotMatch"), "{version} {header}");
        }
        for parameter in ["&symlink", "&acl", "&append&position=0", "&callback=e30%3D", "&tagging", "&uploads", "&response-expires=1"] {
            let answer = put(parameter, "");
            assert!((400..=405).contains(&answer.status), "{version} {parameter}: {}", answer.text());
        }
        // Version 1 signs no such parameters, so that what they would say must not be taken for the headers of their names.
        for parameter in ["&x-oss-object-acl=public-read", "&x-oss-meta-a=1", "&x-oss-copy-source=%2Fbkt%2Fk"] {
            let answer = put(parameter, "");
            assert!([400, 403].contains(&answer.status), "{version} {parameter}: {}", answer.text());
        }
    }
}

#[test]
fn the_host_that_is_signed_is_the_host_that_counts() {
    let harness = Harness::start();
    for bucket in ["open", "closed"] {
        assert_eq!(harness.ask(signed("PUT", &format!("/{bucket}"), &[], b"")).status, 200);
        assert_eq!(harness.ask(signed("PUT", &format!("/{bucket}/k"), &[], bucket.as_bytes())).status, 200);
    }
    let (mut parts, ()) = http::Request::get("/k").header("host", "open.s3.test").body(()).unwrap().into_parts();
    let credentials = Credentials { access_key: "root".to_owned(), secret_key: "secret of root".to_owned(), security_token: None };
    presign_v4(&mut parts, &credentials, REGION, 60, NOW).unwrap();
    let ask = |line: &str, host: &str| harness.ask(format!("GET {line}{} HTTP/1.1\r\nHost: {host}\r\n\r\n", parts.uri));
    assert_eq!(ask("", "open.s3.test").text(), "open");
    assert_eq!(ask("http://Open.s3.test", "open.s3.test").text(), "open");
    assert_eq!(code(&ask("", "closed.s3.test")), (403, "SignatureDoesNotMatch"));
    for line in ["http://closed.s3.test", "http://open.s3.test@closed.s3.test", "http://localhost"] {
        assert_eq!(code(&ask(line, "open.s3.test")), (400, "InvalidRequest"), "{line}");
    }
    let listing = "GET closed.s3.test:80 HTTP/1.1\r\nHost: open.s3.test\r\n\r\n";
    assert_eq!(code(&harness.ask(listing)), (400, "InvalidRequest"));
}

#[test]
fn a_forms_policy_must_hold_when_its_fields_have_come() {
    let harness = Harness::with_bucket();
    let form = signed_form(&[("key", "k")], r#"["starts-with","$key",""]"#, b"x");
    let mut client = harness.client();
    let (first, rest) = form.split_at(200);
    client.send(first).unwrap();
    assert_eq!(harness.ask(signed("PUT", "/bkt/other", &[], b"")).status, 200);
    std::thread::sleep(Duration::from_millis(100));
    harness.late_ms.store(3_600_001, Ordering::Relaxed);
    client.send(rest).unwrap();
    let answer = client.receive("POST").unwrap();
    assert_eq!((code(&answer), answer.text().contains("Policy expired")), ((403, "AccessDenied"), true), "{}", answer.text());
}
