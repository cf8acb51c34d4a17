//! What clients say is said back to others in headers and in XML: it never becomes a header, a line or an element.

use crate::{
    form::Form,
    request::{Request, get, head, post, put},
    site::{Site, is_xml_1_0},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use partway::testkit::raw_client::RawResponse;

/// Percent-encoded: a line break and a header, then an empty line and a document.
const INJECTION: &str = "v%0D%0AX-Injected:%20yes%0D%0A%0D%0A%3Cinjected%2F%3E";
/// The same in one kind of line end each, and what some readers take for one.
const LINE_ENDS: &[&str] = &["%0D%0A", "%0A", "%0D", "%E2%80%A8", "%C2%85", "%0B", "%0C", "%00", "%E5%98%8A%E5%98%8D"];

fn assert_clean(name: &str, response: &RawResponse) {
    for (field, value) in &response.headers {
        assert!(!field.contains("injected"), "{name}: {:?}", response.headers);
        assert!(!value.bytes().any(|byte| byte < 0x20 && byte != b'\t' || byte == 0x7f), "{name}: {field}: {value:?}");
    }
    let text = String::from_utf8_lossy(&response.body);
    assert!(!text.contains("<injected"), "{name}: {text}");
    assert!(!text.bytes().any(|byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t')), "{name}: {text:?}");
}

/// Requests that echo `value`, which is percent-encoded.
fn echoing(bucket: &str, value: &str) -> Vec<Request> {
    let key = format!("/{bucket}/{value}");
    let mut asked = vec![
        put(&key, "x"),
        get(&key),
        head(&key),
        get(&format!("{key}-missing")),
        post(&format!("{key}?uploads"), ""),
        put(&format!("/{bucket}/copied"), "").with("x-amz-copy-source", format!("{bucket}/{value}")),
        put(&format!("/{bucket}/copied"), "").with("x-amz-copy-source", format!("{bucket}/{value}-missing")),
        get(&format!("/{bucket}?prefix={value}&marker={value}&delimiter={value}")),
        get(&format!("/{bucket}?list-type=2&prefix={value}&start-after={value}&continuation-token={value}")),
        get(&format!("/{bucket}?uploads&prefix={value}&key-marker={value}&upload-id-marker={value}")),
        get(&format!("/{bucket}?encoding-type={value}")),
        get(&format!("/{bucket}?max-keys={value}")),
        get(&format!("/{bucket}?{value}")),
        get(&format!("/{value}")),
        put(&format!("/{value}"), ""),
        get(&format!("{key}?uploadId={value}")),
        put(&format!("{key}?uploadId={value}&partNumber={value}"), "x"),
        get(&format!("{key}?versionId={value}")),
    ];
    let overrides = ["content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding"];
    asked.extend(overrides.iter().map(|name| get(&format!("/{bucket}/kept?response-{name}={value}"))));
    asked
}

#[test]
fn nothing_that_a_request_says_becomes_a_line_of_the_answer() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    site.expect(&put(&format!("/{bucket}/kept"), "x"), 200);
    let values = [INJECTION.to_owned()].into_iter().chain(LINE_ENDS.iter().map(|end| format!("v{end}X-Injected:%20yes")));
    for value in values {
        for asked in echoing(&bucket, &value) {
            for asked in [asked.clone(), asked.clone().oss(), asked.anonymous()] {
                let answer = site.ask(&asked);
                assert_clean(&format!("{asked:?}"), &answer);
                assert!(answer.status < 500, "{asked:?}: {}", answer.text());
            }
        }
    }
}

#[test]
fn nothing_that_is_stored_becomes_a_line_of_a_later_answer() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let target = format!("/{bucket}/stored");
    let raw = percent_decoded(INJECTION);
    // Encoded, they are values like others; RFC 2047's form of a line break is one that a careless decoder would undo.
    for value in [INJECTION, "=?UTF-8?B?dg0KWC1JbmplY3RlZDogeWVz?=", "=?UTF-8?Q?v=0D=0AX-Injected:_yes?=", "v\tX-Injected: yes", "\u{fc}"] {
        for (dialect, name) in [
            ("S3", "x-amz-meta-a"),
            ("S3", "content-disposition"),
            ("S3", "content-type"),
            ("S3", "cache-control"),
            ("S3", "content-language"),
            ("S3", "expires"),
            ("S3", "content-encoding"),
            ("S3", "x-amz-website-redirect-location"),
            ("S3", "x-amz-tagging"),
            ("OSS", "x-oss-meta-a"),
            ("OSS", "content-disposition"),
            ("OSS", "x-oss-tagging"),
        ] {
            let asked = put(&target, "x").with(name, value);
            let written = site.ask(&if dialect == "S3" { asked } else { asked.oss() });
            assert_clean(&format!("{name} {value}"), &written);
            assert!(written.status < 500, "{name} {value}: {}", written.text());
            for read in [get(&target), head(&target), get(&target).oss(), get(&format!("{target}?tagging"))] {
                assert_clean(&format!("{name} {value}"), &site.ask(&read));
            }
        }
    }
    // Documents of a bucket come back in headers, too: CORS rules, and what forms are told to do next.
    let rule = format!(
        "<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader>\
         <ExposeHeader>{}</ExposeHeader></CORSRule></CORSConfiguration>",
        raw.replace('<', "&lt;").replace('\r', "&#13;").replace('\n', "&#10;")
    );
    let md5 = STANDARD.encode(partway::digest::md5(rule.as_bytes()));
    let configured = site.ask(&put(&format!("/{bucket}?cors"), &rule).with("content-md5", md5));
    assert_clean("a CORS rule", &configured);
    assert!(configured.status < 500, "{}", configured.text());
    for origin in ["http://a%0d%0aX-Injected: yes", "http://a\tb", "null", "\u{fc}", "http://a, http://b"] {
        let asked = get(&target).with("origin", origin).with("access-control-request-headers", origin);
        let answer = site.ask(&asked);
        assert_clean(origin, &answer);
        assert!(answer.status < 500);
    }
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    );
    site.expect(&put(&format!("/{bucket}?policy"), policy), 204);
    for (name, value) in [
        ("success_action_redirect", format!("http://example.org/{raw}")),
        ("success_action_redirect", format!("http://example.org/?{INJECTION}")),
        ("success_action_redirect", "javascript:alert(1)".to_owned()),
        ("success_action_redirect", "http://example.org\\@evil.example/".to_owned()),
        ("success_action_status", raw.clone()),
        ("Content-Type", raw.clone()),
        ("Content-Disposition", raw.clone()),
        ("x-amz-meta-a", raw.clone()),
        ("x-amz-website-redirect-location", format!("/{raw}")),
        ("tagging", raw.clone()),
    ] {
        for agent in ["browser", "aliyun-sdk-test/1"] {
            let form = Form::unsigned(&[("key", &format!("form{raw}")), (name, &value)]).request(&format!("/{bucket}"));
            let answer = site.ask(&form.with("user-agent", agent));
            assert_clean(&format!("{name} {value:?}"), &answer);
            assert!(answer.status < 500, "{name} {value:?}: {}", answer.text());
            let location = answer.header("location").unwrap_or_default();
            assert!(location.is_empty() || location.starts_with("http://"), "{location}");
        }
    }
}

fn percent_decoded(text: &str) -> String {
    partway::dialect::percent::decode(text, partway::dialect::percent::Plus::Literal).expect("it is UTF-8")
}

#[test]
fn every_key_can_be_listed_as_xml_1_0() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let keys: Vec<String> = (0..0x20_u32)
        .chain([0x7f, 0x80, 0x85, 0x9f, 0x2028, 0xd7ff, 0xe000, 0xfffd, 0xfffe, 0xffff, 0x1_fffe, 0x10_ffff])
        .map(|code| char::from_u32(code).expect("it is a character"))
        .map(|character| partway::dialect::percent::encode(&format!("k{character}<&>'\"]]>")))
        .collect();
    for key in &keys {
        site.expect(&put(&format!("/{bucket}/{key}"), "x"), 200);
        site.create_upload(&format!("/{bucket}/{key}"));
    }
    let asked = |query: &str| get(&format!("/{bucket}?{query}"));
    for query in ["list-type=2&encoding-type=url", "encoding-type=url&delimiter=%01", "uploads&encoding-type=url"] {
        for asked in [asked(query), asked(query).oss()] {
            let listed = site.expect(&asked, 200);
            assert!(is_xml_1_0(listed.text()), "{query}: {}", listed.text());
        }
    }
    let listed = site.expect(&asked("list-type=2&encoding-type=url"), 200);
    for key in &keys {
        assert!(listed.text().contains(&format!("<Key>{key}</Key>")), "no {key}");
    }
    // Without it they are written as S3 writes them: as references, never as they are.
    let plain = site.expect(&asked("list-type=2"), 200);
    assert_eq!(plain.text().matches("<Contents>").count(), keys.len());
    assert!(plain.text().contains("<Key>k&#x1;&lt;&amp;&gt;"), "{}", plain.text());
    assert_clean("a plain listing", &plain);
}
