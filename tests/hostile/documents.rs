//! Documents and forms that are bombs: refused in a bounded time with bounded memory, wherever a document is read.

use crate::{
    form::{BOUNDARY, Form, post_form},
    request::{Request, post, put},
    site::Site,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Every place that reads a document, and how much of one.
fn readers(bucket: &str, upload: &str) -> Vec<Request> {
    let of = |bucket: &str| {
        vec![
            post(&format!("/{bucket}/k?uploadId={upload}"), ""),
            post(&format!("/{bucket}?delete"), ""),
            put(&format!("/{bucket}?lifecycle"), ""),
            put(&format!("/{bucket}?cors"), ""),
            put(&format!("/{bucket}?tagging"), ""),
            put(&format!("/{bucket}?policy"), ""),
            put(&format!("/{bucket}/k?tagging"), ""),
            put("/another-bucket", ""),
        ]
    };
    let oss = of(bucket).into_iter().chain([put(&format!("/{bucket}?referer"), "")]).map(Request::oss);
    of(bucket).into_iter().chain(oss).collect()
}

#[test]
fn no_reader_of_documents_swallows_a_bomb() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let upload = site.create_upload(&format!("/{bucket}/k"));
    site.expect(&put(&format!("/{bucket}/k"), "kept"), 200);
    let before = site.resident_kib();
    let utf16 = |text: &str, little: bool| -> Vec<u8> {
        let units = [0xFEFF].into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    };
    let delete = "<Delete><Object><Key>k</Key></Object></Delete>";
    let lies = "<?xml version=\"1.0\" encoding=\"UTF-16\"?><Delete><Object><Key>\u{80}</Key></Object></Delete>";
    let quadratic = format!("<!DOCTYPE a [<!ENTITY x \"{}\">]><a>{}</a>", "y".repeat(20_000), "&x;".repeat(5_000));
    let bombs: Vec<(&str, Vec<u8>)> = vec![
        ("depth", [vec![b"<a>".to_vec(); 100_000].concat(), vec![b"</a>".to_vec(); 100_000].concat()].concat()),
        ("depth of one name", vec![b'<'; 100_000]),
        ("attributes", format!("<a {}/>", (0..100_000).map(|n| format!("a{n}='1' ")).collect::<String>()).into_bytes()),
        ("namespaces", format!("<a {}/>", (0..20_000).map(|n| format!("xmlns:a{n}='u' ")).collect::<String>()).into_bytes()),
        ("one long name", [b"<".to_vec(), vec![b'a'; 1 << 20], b"/>".to_vec()].concat()),
        ("one long text", [b"<Delete>".to_vec(), vec![b'a'; 1 << 20], b"</Delete>".to_vec()].concat()),
        ("one long comment", [b"<!--".to_vec(), vec![b'a'; 1 << 20]].concat()),
        ("one long CDATA", [b"<a><![CDATA[".to_vec(), vec![b']'; 1 << 20]].concat()),
        ("quadratic entities", quadratic.into_bytes()),
        ("a parameter entity", b"<!DOCTYPE a [<!ENTITY % x SYSTEM 'http://127.0.0.1:1/'>%x;]><a/>".to_vec()),
        ("an inclusion", b"<a xmlns:xi='http://www.w3.org/2001/XInclude'><xi:include href='file:///etc/passwd'/></a>".to_vec()),
        ("references", format!("<a>{}</a>", "&#65;".repeat(100_000)).into_bytes()),
        ("UTF-16, little-endian", utf16(delete, true)),
        ("UTF-16, big-endian", utf16(delete, false)),
        ("another encoding than it says", lies.replace('\u{80}', "\u{fffd}").into_bytes().iter().map(|&byte| byte | 0x80).collect()),
        ("not UTF-8", [b"<Delete><Object><Key>".to_vec(), vec![0xC0, 0xAF], b"</Key></Object></Delete>".to_vec()].concat()),
        ("JSON of depth", "[".repeat(100_000).into_bytes()),
        ("JSON of depth, objects", "{\"a\":".repeat(20_000).into_bytes()),
        ("nothing but zeros", vec![0; 100_000]),
    ];
    for (name, bomb) in &bombs {
        for reader in readers(&bucket, &upload) {
            let asked = reader.body(bomb).with("content-md5", STANDARD.encode(partway::digest::md5(bomb)));
            let answer = site.ask(&asked);
            assert!((400..500).contains(&answer.status), "{name}: {} {:?} to {asked:.200?}", answer.status, answer.element("Code"));
            assert!(!answer.text().contains("root:"), "{name}: {}", answer.text());
        }
    }
    assert_eq!(site.ask(&crate::request::get(&format!("/{bucket}/k"))).text(), "kept", "a bomb was carried out");
    let marked = [b"\xEF\xBB\xBF".to_vec(), delete.as_bytes().to_vec()].concat();
    let asked = post(&format!("/{bucket}?delete"), &marked).with("content-md5", STANDARD.encode(partway::digest::md5(&marked)));
    assert_eq!(site.ask(&asked).status, 200, "the canary: a byte order mark of UTF-8 is fine");
    assert_eq!(site.ask(&crate::request::get(&format!("/{bucket}/k"))).status, 404);
    site.assert_unharmed("bombs", before);
}

fn part(head: &str, value: &str) -> String {
    format!("--{BOUNDARY}\r\n{head}\r\n\r\n{value}\r\n")
}

fn field(name: &str, value: &str) -> String {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
}

#[test]
fn forms_cannot_be_bombs() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let policy = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::{bucket}/*"}}]}}"#
    );
    site.expect(&put(&format!("/{bucket}?policy"), policy), 204);
    let before = site.resident_kib();
    let target = format!("/{bucket}");
    let file = part("Content-Disposition: form-data; name=\"file\"; filename=\"f\"", "content");
    let end = format!("--{BOUNDARY}--\r\n");
    let key = field("key", "bomb");
    let many_headers: String = (0..50_000).map(|number| format!("x-{number}: y\r\n")).collect();
    let forms = [
        (
            "thousands of fields",
            format!("{key}{}{file}{end}", (0..5_000).map(|number| field(&format!("f{number}"), "v")).collect::<String>()),
        ),
        ("thousands of empty fields", format!("{}{file}{end}", field("", "").repeat(5_000))),
        ("a huge name", format!("{key}{}{file}{end}", field(&"n".repeat(1 << 20), "v"))),
        ("a huge value", format!("{key}{}{file}{end}", field("x-amz-meta-a", &"v".repeat(4 << 20)))),
        (
            "a huge head of a field",
            format!("{key}{}{file}{end}", part(&format!("Content-Disposition: form-data; name=\"a\"; x=\"{}\"", "y".repeat(4 << 20)), "v")),
        ),
        (
            "thousands of headers in a field",
            format!("{key}{}{file}{end}", part(&format!("{many_headers}Content-Disposition: form-data; name=\"a\""), "v")),
        ),
        ("a head of a field without an end", format!("{key}--{BOUNDARY}\r\n{}", "x".repeat(8 << 20))),
        ("a preamble without an end", "x".repeat(8 << 20)),
        ("boundaries alone", format!("--{BOUNDARY}\r\n").repeat(50_000)),
        ("dashes alone", "-".repeat(4 << 20)),
        ("no file", format!("{key}{end}")),
        ("no key", format!("{file}{end}")),
        ("a key after the file", format!("{file}{key}{end}")),
        ("a field without a name", format!("{key}{}{file}{end}", part("Content-Disposition: form-data", "v"))),
        ("a field that is none", format!("{key}{}{file}{end}", part("Content-Type: text/plain", "v"))),
        ("a nested form", format!("{}{}", part("Content-Type: multipart/mixed; boundary=inner", "--inner\r\n"), end)),
        ("a bare boundary", format!("{BOUNDARY}\r\n{file}{end}")),
        ("line feeds alone", format!("{key}{file}{end}").replace("\r\n", "\n")),
        ("a file without an end", format!("{key}{}", file.trim_end())),
    ];
    for (name, form) in &forms {
        for asked in [post_form(&target, form), post_form(&target, form).with("user-agent", "aliyun-sdk-test/1")] {
            let answer = site.ask(&asked);
            assert!((400..500).contains(&answer.status), "{name}: {} {:?}", answer.status, answer.element("Code"));
        }
    }
    let good = format!("{key}{file}{end}");
    for content_type in [
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=\"",
        "multipart/form-data; boundary=another",
        "multipart/mixed; boundary=----boundary7",
        "text/plain; boundary=----boundary7",
    ] {
        let asked = post(&target, &good).anonymous().with("content-type", content_type);
        assert!((400..500).contains(&site.ask(&asked).status), "{content_type}");
    }
    let long = format!("multipart/form-data; boundary={}", "b".repeat(20_000));
    assert!((400..500).contains(&site.ask(&post(&target, &good).anonymous().with("content-type", long)).status), "a long boundary");
    let twice = format!("{}{}{file}{end}", field("key", "one"), field("key", "two"));
    let answer = site.ask(&post_form(&target, &twice));
    let made = ["one", "two"].map(|key| site.ask(&crate::request::get(&format!("/{bucket}/{key}"))).status);
    assert!(
        answer.status >= 400 && made == [404, 404] || answer.status < 300 && made.contains(&404),
        "two keys: {} {made:?}",
        answer.status
    );
    assert_eq!(site.ask(&crate::request::get(&format!("/{bucket}/bomb"))).status, 404, "a bomb was stored");
    assert_eq!(site.ask(&Form::unsigned(&[("key", "bomb")]).request(&target)).status, 204, "the canary");
    site.assert_unharmed("forms", before);
}
