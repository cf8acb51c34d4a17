//! Temporary credentials, from being asked for to being used.

use super::*;
use crate::{dialect::percent, model::Bucket};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// The credentials that an answer of AWS's protocol holds.
fn credentials(response: &RawResponse) -> Credentials {
    assert_eq!(response.status, 200, "{}", response.text());
    let text = |name| response.element(name).unwrap_or_else(|| panic!("no {name}: {}", response.text())).to_owned();
    Credentials { access_key: text("AccessKeyId"), secret_key: text("SecretAccessKey"), security_token: Some(text("SessionToken")) }
}

fn long_lived(access_key: &str) -> Credentials {
    Credentials { access_key: access_key.to_owned(), secret_key: format!("secret of {access_key}"), security_token: None }
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A request of AWS's query protocol, signed as SDKs sign it: the body's hash is in no header.
fn aws_sts(credentials: &Credentials, form: &str) -> String {
    let token = credentials.security_token.as_deref().map(|token| ("x-amz-security-token", token));
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded; charset=utf-8"), ("host", "localhost")];
    headers.push(("x-amz-date", "20260115T083000Z"));
    headers.extend(token);
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let fields: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("POST\n/\n\n{fields}\n{}\n{}", names.join(";"), hex::encode(digest::sha256(form.as_bytes())));
    let scope = format!("20260115/{REGION}/sts/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n20260115T083000Z\n{scope}\n{}", hex::encode(digest::sha256(canonical.as_bytes())));
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for step in ["20260115", REGION, "sts", "aws4_request"] {
        key = hmac_sha256(&key, step);
    }
    let signature = hex::encode(hmac_sha256(&key, &to_sign));
    let head: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "POST / HTTP/1.1\r\n{head}authorization: AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={}, Signature={signature}\r\n\
         content-length: {}\r\n\r\n{form}",
        credentials.access_key,
        names.join(";"),
        form.len()
    )
}

fn assume(policy: Option<&str>) -> String {
    let policy = policy.map(|policy| format!("&Policy={}", percent::encode(policy))).unwrap_or_default();
    format!(
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fdemo&RoleSessionName=phone-1\
         &DurationSeconds=900{policy}"
    )
}

const WHO: &str = "Action=GetCallerIdentity&Version=2011-06-15";

/// A request of Aliyun's RPC protocol: its parameters, signed.
fn rpc(access_key: &str, nonce: &str, parameters: &[(&str, &str)]) -> String {
    let common = [
        ("AccessKeyId", access_key),
        ("Format", "JSON"),
        ("SignatureMethod", "HMAC-SHA1"),
        ("SignatureNonce", nonce),
        ("SignatureVersion", "1.0"),
        ("Timestamp", "2026-01-15T08:30:00.000Z"),
        ("Version", "2015-04-01"),
    ];
    let pairs = common.iter().chain(parameters).map(|(name, value)| format!("{name}={}", percent::encode(value)));
    let mut pairs: Vec<String> = pairs.collect();
    pairs.sort_unstable();
    let joined = pairs.join("&");
    let mut mac = Hmac::<Sha1>::new_from_slice(format!("secret of {access_key}&").as_bytes()).unwrap();
    mac.update(format!("POST&%2F&{}", percent::encode(&joined)).as_bytes());
    let form = format!("{joined}&Signature={}", percent::encode(&STANDARD.encode(mac.finalize().into_bytes())));
    format!(
        "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    )
}

/// An S3 request with any credentials.
fn with(credentials: &Credentials, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let size = body.len().to_string();
    let request = http::Request::builder().method(method).uri(target).header("host", "localhost").header("content-length", size);
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    sign_v4(&mut parts, credentials, REGION, &hex::encode(digest::sha256(body)), NOW).unwrap();
    let fields: String = parts.headers.iter().map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap())).collect();
    [format!("{method} {target} HTTP/1.1\r\n{fields}\r\n").as_bytes(), body].concat()
}

const UPLOADS_ONLY: &str =
    r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:PutObject"],"Resource":["acs:oss:*:*:bkt/phone/*"]}]}"#;

#[test]
fn temporary_credentials_do_what_their_policy_says_and_no_more() {
    let harness = Harness::with_bucket();
    let temporary = credentials(&harness.ask(aws_sts(&long_lived("root"), &assume(Some(UPLOADS_ONLY)))));
    assert!(temporary.access_key.starts_with("STS."));
    assert_eq!(harness.ask(with(&temporary, "PUT", "/bkt/phone/a", b"hello")).status, 200);
    assert_eq!(harness.ask(signed("GET", "/bkt/phone/a", &[], b"")).text(), "hello");
    for (method, target) in [("GET", "/bkt/phone/a"), ("PUT", "/bkt/other"), ("DELETE", "/bkt/phone/a"), ("GET", "/bkt"), ("PUT", "/new")] {
        assert_eq!(code(&harness.ask(with(&temporary, method, target, b""))), (403, "AccessDenied"), "{method} {target}");
    }
    let unbounded = credentials(&harness.ask(aws_sts(&long_lived("root"), &assume(None))));
    assert_eq!(harness.ask(with(&unbounded, "GET", "/bkt/phone/a", b"")).text(), "hello");
}

#[test]
fn temporary_credentials_sign_urls_too() {
    let harness = Harness::with_bucket();
    let temporary = credentials(&harness.ask(aws_sts(&long_lived("root"), &assume(Some(UPLOADS_ONLY)))));
    let request = http::Request::builder().method("PUT").uri("/bkt/phone/b").header("host", "localhost");
    let (mut parts, ()) = request.body(()).unwrap().into_parts();
    presign_v4(&mut parts, &temporary, REGION, 60, NOW).unwrap();
    let put = |target: &str| harness.ask(format!("PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n1"));
    assert_eq!(put(&parts.uri.to_string()).status, 200);
    let stripped = parts.uri.to_string().replace("X-Amz-Security-Token", "X-Amz-Sec");
    assert_eq!(code(&put(&stripped)), (403, "InvalidAccessKeyId"));
}

#[test]
fn a_token_that_is_not_what_we_issued_is_refused() {
    let harness = Harness::with_bucket();
    let issue = || credentials(&harness.ask(aws_sts(&long_lived("root"), &assume(None))));
    let (one, other) = (issue(), issue());
    let token = one.security_token.clone().unwrap();
    let put = |credentials: &Credentials| harness.ask(with(credentials, "PUT", "/bkt/k", b"1"));
    assert_eq!(put(&one).status, 200);
    let flipped = format!("{}{}", if token.starts_with('A') { "B" } else { "A" }, &token[1..]);
    for (credentials, expected) in [
        (Credentials { security_token: Some(flipped), ..one.clone() }, (400, "InvalidToken")),
        (Credentials { security_token: other.security_token.clone(), ..one.clone() }, (400, "InvalidToken")),
        (Credentials { security_token: None, ..one.clone() }, (403, "InvalidAccessKeyId")),
        (Credentials { secret_key: other.secret_key.clone(), ..one.clone() }, (403, "SignatureDoesNotMatch")),
        (Credentials { security_token: Some(token), ..long_lived("root") }, (400, "InvalidToken")),
    ] {
        assert_eq!(code(&put(&credentials)), expected, "{credentials:?}");
    }
}

#[test]
fn temporary_credentials_end_with_their_parent_and_never_exceed_it() {
    let harness = Harness::with_bucket();
    let policy = r#"{"Statement":{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::bkt/mine/*"}}"#;
    harness.put_key(&key("app", "root", Some(policy), KeyStatus::Active));
    let all = r#"{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    let temporary = credentials(&harness.ask(aws_sts(&long_lived("app"), &assume(Some(all)))));
    assert_eq!(harness.ask(with(&temporary, "PUT", "/bkt/mine/a", b"1")).status, 200);
    assert_eq!(code(&harness.ask(with(&temporary, "PUT", "/bkt/a", b"1"))), (403, "AccessDenied"));
    let disable = harness.gateway.set_key_status("app", KeyStatus::Disabled);
    assert_eq!(harness.runtime.block_on(disable), Ok(true));
    let refused = harness.ask(with(&temporary, "PUT", "/bkt/mine/a", b"1"));
    assert_eq!((code(&refused), refused.element("AWSAccessKeyId")), ((403, "InvalidAccessKeyId"), Some(temporary.access_key.as_str())));
}

#[test]
fn a_form_may_be_signed_with_temporary_credentials() {
    let harness = Harness::with_bucket();
    let temporary = credentials(&harness.ask(aws_sts(&long_lived("root"), &assume(Some(UPLOADS_ONLY)))));
    let token = temporary.security_token.clone().unwrap();
    let post = |object: &str, token: &str| {
        let policy = format!(
            r#"{{"expiration":"2026-01-15T09:30:00Z","conditions":[{{"bucket":"bkt"}},{{"key":"{object}"}},["starts-with","$x-amz-security-token",""]]}}"#
        );
        let policy = STANDARD.encode(policy);
        let mut mac = Hmac::<Sha1>::new_from_slice(temporary.secret_key.as_bytes()).unwrap();
        mac.update(policy.as_bytes());
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let fields = [
            ("key", object),
            ("AWSAccessKeyId", &temporary.access_key),
            ("x-amz-security-token", token),
            ("policy", &policy),
            ("signature", &signature),
        ];
        let mut body: String = fields
            .iter()
            .map(|(name, value)| format!("--X\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"))
            .collect();
        body += "--X\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nhello\r\n--X--\r\n";
        let head = "POST /bkt HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=X";
        harness.ask(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
    };
    assert_eq!(post("phone/f", &token).status, 204);
    assert_eq!(code(&post("other", &token)), (403, "AccessDenied"));
    assert_eq!(code(&post("phone/f", "x")), (400, "InvalidToken"));
}

#[test]
fn aliyuns_protocol_issues_the_same_credentials_once_a_nonce() {
    let harness = Harness::with_bucket();
    let parameters = [
        ("Action", "AssumeRole"),
        ("RoleArn", "acs:ram::1234567890123456:role/demo"),
        ("RoleSessionName", "phone-1"),
        ("Policy", UPLOADS_ONLY),
    ];
    let request = rpc("root", "n1", &parameters);
    let answer = harness.ask(&request);
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json; charset=utf-8")), "{}", answer.text());
    let value: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
    let text = |name: &str| value["Credentials"][name].as_str().unwrap().to_owned();
    assert_eq!(text("Expiration"), "2026-01-15T09:30:00Z");
    let temporary =
        Credentials { access_key: text("AccessKeyId"), secret_key: text("AccessKeySecret"), security_token: Some(text("SecurityToken")) };
    assert_eq!(harness.ask(with(&temporary, "PUT", "/bkt/phone/a", b"1")).status, 200);
    assert_eq!(code(&harness.ask(with(&temporary, "PUT", "/bkt/a", b"1"))), (403, "AccessDenied"));

    let code = |response: &RawResponse| {
        let value: serde_json::Value = serde_json::from_str(response.text()).unwrap();
        (response.status, value["Code"].as_str().unwrap().to_owned())
    };
    assert_eq!(code(&harness.ask(&request)), (400, "SignatureNonceUsed".to_owned()));
    assert_eq!(code(&harness.ask(rpc("nobody", "n2", &parameters))), (404, "InvalidAccessKeyId.NotFound".to_owned()));
    let forged = rpc("root", "n3", &parameters).replace("phone-1", "phone-2");
    assert_eq!(code(&harness.ask(forged)), (400, "SignatureDoesNotMatch".to_owned()));
    assert_eq!(code(&harness.ask(rpc("root", "n4", &parameters[..2]))), (400, "MissingRoleSessionName".to_owned()));
    assert_eq!(harness.ask(rpc("root", "n3", &parameters)).status, 200, "a refused request uses up no nonce");
}

#[test]
fn callers_are_told_who_they_are() {
    let harness = Harness::with_bucket();
    harness.put_key(&key("app", "alice", None, KeyStatus::Active));
    let answer = harness.ask(aws_sts(&long_lived("app"), WHO));
    assert_eq!((answer.element("Arn"), answer.element("Account")), (Some("arn:aws:iam::alice:user/app"), Some("alice")));
    let temporary = credentials(&harness.ask(aws_sts(&long_lived("app"), &assume(None))));
    let answer = harness.ask(aws_sts(&temporary, WHO));
    assert_eq!(answer.element("Arn"), Some("arn:aws:sts::123456789012:assumed-role/demo/phone-1"), "{}", answer.text());
    assert_eq!(answer.element("Account"), Some("alice"));
    let answer = harness.ask(rpc("app", "n", &[("Action", "GetCallerIdentity")]));
    assert!(answer.text().contains(r#""Arn":"acs:ram::alice:user/app""#), "{}", answer.text());
}

#[test]
fn whoever_may_not_gets_no_temporary_credentials() {
    let harness = Harness::with_bucket();
    let deny =
        r#"{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"sts:AssumeRole","Resource":"*"}]}"#;
    harness.put_key(&key("denied", "root", Some(deny), KeyStatus::Active));
    harness.put_key(&key("off", "root", None, KeyStatus::Disabled));
    let temporary = credentials(&harness.ask(aws_sts(&long_lived("root"), &assume(None))));
    let wrong = Credentials { secret_key: "wrong".to_owned(), ..long_lived("root") };
    for (request, expected) in [
        (aws_sts(&temporary, &assume(None)), (403, "AccessDenied")),
        (aws_sts(&long_lived("denied"), &assume(None)), (403, "AccessDenied")),
        (aws_sts(&long_lived("off"), &assume(None)), (403, "InvalidClientTokenId")),
        (aws_sts(&wrong, &assume(None)), (403, "SignatureDoesNotMatch")),
        (aws_sts(&long_lived("root"), &assume(None)).replace("phone-1", "phone-2"), (403, "SignatureDoesNotMatch")),
        (aws_sts(&long_lived("root"), &assume(Some("{}"))), (400, "MalformedPolicyDocument")),
        (aws_sts(&long_lived("root"), "Action=GetFederationToken&Version=2011-06-15"), (400, "InvalidAction")),
        (
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 0\r\n\r\n".to_owned(),
            (403, "MissingAuthenticationToken"),
        ),
    ] {
        let response = harness.ask(&request);
        assert_eq!(code(&response), expected, "{request}");
        assert_eq!(response.element("Type"), Some("Sender"));
    }
    let long = aws_sts(&long_lived("root"), &format!("{}&ExternalId={}", assume(None), "x".repeat(20_000)));
    assert_eq!(code(&harness.ask(long)), (400, "MaxMessageLengthExceeded"));
}

#[test]
fn signatures_of_one_endpoint_are_not_anothers() {
    let harness = Harness::with_bucket();
    let listing = aws_sts(&long_lived("root"), "").replace("POST / ", "GET / ").replace("application/x-www-form-urlencoded", "text/plain");
    assert_eq!(code(&harness.ask(listing)), (400, "AuthorizationHeaderMalformed"));
    let form = assume(None);
    let s3 = signed("POST", "/", &[("content-type", "application/x-www-form-urlencoded")], form.as_bytes());
    assert_eq!(code(&harness.ask(s3)), (400, "IncompleteSignature"));
}

#[test]
fn only_the_services_own_address_is_sts() {
    let is = |method: &str, host: &str, target: &str, headers: &[(&str, &str)]| {
        let mut request = http::Request::builder().method(method).uri(target).header("host", host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        let hosts = crate::dialect::address::Hosts { domains: vec!["s3.test".to_owned()], cnames: Default::default() };
        let address = crate::dialect::s3::address(&parts, &hosts).unwrap();
        super::super::sts::is_sts(&parts, &address)
    };
    let form = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    assert!(Bucket::new("sts").is_some(), "a bucket may be called so, and is reached by its path");
    for (method, host, target, headers, expected) in [
        ("POST", "h", "/", &[form][..], true),
        ("POST", "sts.s3.test", "/", &[form][..], true),
        ("POST", "h", "/", &[("x-acs-action", "AssumeRole")][..], true),
        ("GET", "h", "/?Action=AssumeRole&Version=2015-04-01", &[][..], true),
        ("POST", "h", "/?Action=AssumeRole&Version=2015-04-01", &[][..], true),
        ("GET", "h", "/", &[][..], false),
        ("GET", "h", "/?prefix=Action", &[][..], false),
        ("POST", "h", "/bkt", &[form][..], false),
        ("POST", "h", "/sts", &[form][..], false),
        ("POST", "bkt.s3.test", "/", &[form][..], false),
        ("POST", "sts.s3.test", "/k", &[form][..], false),
        ("POST", "h", "/", &[("content-type", "multipart/form-data; boundary=x")][..], false),
        ("PUT", "h", "/", &[form][..], false),
    ] {
        assert_eq!(is(method, host, target, headers), expected, "{method} {host} {target} {headers:?}");
    }
}

#[test]
fn a_request_is_as_old_as_its_end() {
    let harness = Harness::start();
    let request = rpc("root", "n1", &[("Action", "GetCallerIdentity")]);
    let (head, form) = request.split_at(request.len() - 10);
    let mut client = harness.client();
    client.send(head).unwrap();
    // Another connection shows that the head has arrived: it was sent before.
    assert_eq!(harness.ask(rpc("root", "n2", &[("Action", "GetCallerIdentity")])).status, 200);
    std::thread::sleep(Duration::from_millis(100));
    harness.late_ms.store(900_001, Ordering::Relaxed);
    client.send(form).unwrap();
    let answer = client.receive("POST").unwrap();
    assert_eq!((answer.status, answer.text().contains("InvalidTimeStamp.Expired")), (400, true), "{}", answer.text());
}
