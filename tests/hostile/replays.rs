//! Signatures used for something else, by somebody else or too late, and tokens that do not belong to them.

use crate::{
    client::{ACCESS_KEY, SECRET_KEY, now},
    request::{Request, delete, get, put},
    site::Site,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use partway::{
    dialect::{date::iso8601, percent::encode},
    digest,
};
use sha1::Sha1;
use sha2::Sha256;

/// A signed request as text, to be altered.
fn text(site: &Site, request: &Request) -> String {
    String::from_utf8(request.bytes(&site.host())).expect("it is text")
}

fn status(site: &Site, sent: &str) -> u16 {
    site.ask_bytes(sent.split(' ').next().unwrap_or_default(), sent.as_bytes()).status
}

#[test]
fn the_clock_may_be_off_by_a_quarter_of_an_hour() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    for (skew_secs, status) in
        [(0, 200), (-880, 200), (880, 200), (-905, 403), (920, 403), (-86_400, 403), (86_400, 403), (-1_000_000_000, 403)]
    {
        for asked in [get(&format!("/{bucket}")), get(&format!("/{bucket}")).oss()] {
            assert_eq!(site.ask(&asked.clone().skewed(skew_secs)).status, status, "{skew_secs}: {asked:?}");
        }
    }
    // A URL is good for as long as it says, and not before its time.
    for (skew_secs, expires_secs, status) in
        [(0, 60, 200), (-50, 60, 200), (-62, 60, 403), (-604_700, 604_800, 200), (-604_801, 604_800, 403), (920, 60, 403)]
    {
        for asked in [get(&format!("/{bucket}")), get(&format!("/{bucket}")).oss()] {
            let answer = site.ask(&asked.presigned(expires_secs).skewed(skew_secs));
            assert_eq!(answer.status, status, "{skew_secs}, {expires_secs}: {}", answer.text());
        }
    }
}

#[test]
fn a_signature_is_good_for_what_it_was_made_for() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let key = format!("/{bucket}/k");
    site.expect(&put(&key, "content"), 200);
    site.expect(&put(&format!("/{bucket}/other"), "other"), 200);
    for (dialect, url, head) in [("S3", get(&key).presigned(60), get(&key)), ("OSS", get(&key).oss().presigned(60), get(&key).oss())] {
        let (url, head) = (text(&site, &url), text(&site, &head));
        assert_eq!((status(&site, &url), status(&site, &head)), (200, 200), "{dialect}, the canary");
        let query_end = url.find(" HTTP/1.1").expect("the line ends");
        let with = |parameter: &str| format!("{}&{parameter}{}", &url[..query_end], &url[query_end..]);
        let with_field = |text: &str, field: &str| text.replacen("\r\n", &format!("\r\n{field}\r\n"), 1);
        for (name, sent) in [
            ("DELETE", url.replacen("GET", "DELETE", 1)),
            ("PUT", url.replacen("GET", "PUT", 1).replacen("\r\n", "\r\nContent-Length: 0\r\n", 1)),
            ("another key", url.replacen("/k?", "/other?", 1)),
            ("the bucket", url.replacen("/k?", "?", 1)),
            ("a key within", url.replacen("/k?", "/k/../other?", 1)),
            ("a parameter more", with("acl")),
            ("a parameter that is ignored", with("ignored=yes")),
            ("an override", with("response-content-type=text/html")),
            ("a part", with("partNumber=1")),
            ("a deletion in head", head.replacen("GET", "DELETE", 1)),
            ("another key in head", head.replacen("/k ", "/other ", 1)),
            ("a parameter more in head", head.replacen("/k ", "/k?acl ", 1)),
            ("another host in head", head.replacen(&site.host(), "example.org", 1)),
        ] {
            // OSS ignores what no version signs and nothing acts on; everything else it signs.
            if (dialect, name) == ("OSS", "another host in head") {
                continue;
            }
            assert_ne!(sent, url, "{dialect}, {name}");
            assert_eq!(status(&site, &sent), 403, "{dialect}, {name}");
        }
        // Every parameter of the signature itself: left out, twice, twice with another value first.
        let query = url.split(['?', ' ']).nth(2).expect("it has a query");
        for parameter in query.split('&') {
            let name = parameter.split('=').next().expect("it has a name");
            for (how, sent) in [
                ("left out", url.replacen(parameter, "x-left=out", 1)),
                ("altered", url.replacen(parameter, &format!("{name}=x"), 1)),
                ("twice", with(parameter)),
                ("twice, another last", with(&format!("{name}=x"))),
                ("twice, another first", url.replacen(parameter, &format!("{name}=x&{parameter}"), 1)),
            ] {
                let status = status(&site, &sent);
                assert!(matches!(status, 400 | 403), "{dialect}, {name} {how}: {status}");
            }
        }
        // A header that nobody signed and that would be acted on.
        let field = if dialect == "S3" { "x-amz-security-token: x" } else { "x-oss-security-token: x" };
        assert!(matches!(status(&site, &with_field(&head, field)), 400 | 403), "{dialect}, {field}");
        // Signed in two places, each for something else.
        let both = with_field(&url, head.lines().find(|line| line.to_lowercase().starts_with("authorization")).expect("it is signed"));
        assert!(matches!(status(&site, &both), 400 | 403), "{dialect}, two signatures");
    }
    let acl = text(&site, &put(&format!("/{bucket}/acl"), "x"));
    for field in ["x-amz-acl: public-read", "x-amz-copy-source: other/k", "x-amz-meta-a: b", "x-amz-tagging: a=b"] {
        assert_eq!(status(&site, &acl.replacen("\r\n", &format!("\r\n{field}\r\n"), 1)), 403, "{field}");
    }
    assert_eq!(site.ask(&get(&format!("/{bucket}/acl"))).status, 404);
    let body = text(&site, &put(&format!("/{bucket}/body"), "what was signed"));
    assert_eq!(status(&site, &body.replace("what was signed", "what is sent...")), 400, "another body of the same length");
    assert_eq!(site.ask(&get(&format!("/{bucket}/body"))).status, 404);
}

fn hmac_sha256(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A body in signed chunks after the signature of this head.
fn signed_chunks(head: &str, pieces: &[&[u8]]) -> Vec<u8> {
    let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).expect("it is signed").to_owned();
    let authorization = field("authorization: ");
    let after = |start: &str| authorization.split_once(start).expect("it is there").1.split(',').next().expect("it ends").to_owned();
    let scope = after("Credential=").split_once('/').expect("a scope follows the key").1.to_owned();
    let key = scope.split('/').fold(format!("AWS4{SECRET_KEY}").into_bytes(), |key, step| hmac_sha256(&key, step));
    let mut previous = after("Signature=");
    let mut body = Vec::new();
    for piece in pieces {
        let hashes = format!("{}\n{}", hex::encode(digest::sha256(b"")), hex::encode(digest::sha256(piece)));
        let to_sign = format!("AWS4-HMAC-SHA256-PAYLOAD\n{}\n{scope}\n{previous}\n{hashes}", field("x-amz-date: "));
        previous = hex::encode(hmac_sha256(&key, &to_sign));
        body.extend([format!("{:x};chunk-signature={previous}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat());
    }
    body
}

#[test]
fn chunks_of_one_upload_are_not_anothers() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let head = |key: &str, size: usize, length: usize| {
        let asked = put(&format!("/{bucket}/{key}"), "").payload("STREAMING-AWS4-HMAC-SHA256-PAYLOAD").unframed();
        let asked = asked.with("x-amz-decoded-content-length", size.to_string()).with_unsigned("Content-Length", length.to_string());
        String::from_utf8(asked.head_bytes(&site.host())).expect("it is text")
    };
    let pieces: [&[u8]; 3] = [b"hello", b"world", b""];
    let length = signed_chunks(&head("a", 10, 0), &pieces).len();
    let (first, second) = (head("a", 10, length), head("b", 10, length));
    let (of_first, of_second) = (signed_chunks(&first, &pieces), signed_chunks(&second, &pieces));
    let ask = |head: &str, body: &[u8]| site.ask_bytes("PUT", &[head.as_bytes(), body].concat()).status;
    assert_eq!(ask(&second, &of_first), 403, "the chunks of another request");
    // The same chunk again, and the end of another request after one's own chunks.
    let end = of_first.windows(3).rposition(|end| end == b"\r\n0").expect("the last chunk") + 2;
    let end_of_second = of_second.windows(3).rposition(|end| end == b"\r\n0").expect("the last chunk") + 2;
    assert_eq!(ask(&first, &[&of_first[..end], &of_second[end_of_second..]].concat()), 403, "the end of another request");
    let mid = of_first.windows(7).position(|begin| begin == b"hello\r\n").expect("the first chunk") + 7;
    let twice = [&of_first[..mid], &of_first[..mid], &of_first[end..]].concat();
    assert_eq!(ask(&head("a", 10, twice.len()), &twice), 403, "a chunk twice");
    for key in ["a", "b"] {
        assert_eq!(site.ask(&get(&format!("/{bucket}/{key}"))).status, 404, "{key}");
    }
    assert_eq!(ask(&second, &of_second), 200, "the canary");
}

/// Temporary credentials that may do anything: key, secret, token.
fn temporary(site: &Site, nonce: &str) -> (String, String, String) {
    let time = iso8601(now());
    let pairs = [
        ("AccessKeyId", ACCESS_KEY),
        ("Action", "AssumeRole"),
        ("DurationSeconds", "900"),
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
    let mut mac = Hmac::<Sha1>::new_from_slice(format!("{SECRET_KEY}&").as_bytes()).expect("HMAC takes keys of any length");
    mac.update(format!("GET&%2F&{}", encode(&query)).as_bytes());
    let signature = encode(&STANDARD.encode(mac.finalize().into_bytes()));
    let asked = format!("GET /?{query}&Signature={signature} HTTP/1.1\r\nHost: {}\r\n\r\n", site.host());
    let answer = site.ask_bytes("GET", asked.as_bytes());
    let document: serde_json::Value = serde_json::from_slice(&answer.body).expect("the answer is JSON");
    let text = |name: &str| document["Credentials"][name].as_str().unwrap_or_else(|| panic!("no {name} in {document}")).to_owned();
    let credentials = (text("AccessKeyId"), text("AccessKeySecret"), text("SecurityToken"));
    // The same request again is a replay.
    let again = site.ask_bytes("GET", asked.as_bytes());
    assert!(again.status >= 400, "a nonce was good twice: {}", again.text());
    credentials
}

#[test]
fn a_token_goes_with_its_own_key_and_secret_and_whole() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let target = format!("/{bucket}/k");
    let (key, secret, token) = temporary(&site, "nonce-1");
    let (other_key, other_secret, other_token) = temporary(&site, "nonce-2");
    assert_ne!(token, other_token);
    let asks = |key: &str, secret: &str, token: Option<&str>| {
        let asked = put(&target, "x").with_credentials(key, secret, token);
        [asked.clone(), asked.clone().oss(), asked.clone().presigned(60), asked.oss().presigned(60)].map(|asked| site.ask(&asked).status)
    };
    assert_eq!(asks(&key, &secret, Some(&token)), [200; 4], "the canary");
    site.expect(&delete(&target), 204);
    let flipped = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).expect("it is text")
    };
    let mut cases = vec![
        ("no token".to_owned(), asks(&key, &secret, None)),
        ("another token".to_owned(), asks(&key, &secret, Some(&other_token))),
        ("another key".to_owned(), asks(&other_key, &secret, Some(&token))),
        ("another secret".to_owned(), asks(&key, &other_secret, Some(&token))),
        ("the parent's secret".to_owned(), asks(&key, SECRET_KEY, Some(&token))),
        ("the parent's key".to_owned(), asks(ACCESS_KEY, &secret, Some(&token))),
        ("the token as the secret".to_owned(), asks(&key, &token, Some(&token))),
        ("longer".to_owned(), asks(&key, &secret, Some(&format!("{token}AAAA")))),
        ("twice".to_owned(), asks(&key, &secret, Some(&token.repeat(2)))),
        ("as long as a head may be".to_owned(), asks(&key, &secret, Some(&"A".repeat(16 << 10)))),
    ];
    for at in (0..token.len()).step_by(7) {
        cases.push((format!("cut at {at}"), asks(&key, &secret, Some(&token[..at.max(1)]))));
        cases.push((format!("altered at {at}"), asks(&key, &secret, Some(&flipped(at)))));
    }
    for (name, statuses) in cases {
        assert!(statuses.iter().all(|status| matches!(status, 400 | 403)), "{name}: {statuses:?}");
    }
    assert_eq!(site.ask(&get(&target)).status, 404);
}
