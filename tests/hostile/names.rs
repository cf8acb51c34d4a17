//! Names that look like paths, and hosts that look like others: keys stay keys, and never name a file.

use crate::{
    request::{get, put},
    site::Site,
};
use partway::dialect::percent;
use std::fs;

/// As they stand in a request line.
const KEYS: &[&str] = &[
    "../../../../../../tmp/escaped",
    "..%2F..%2F..%2Fescaped",
    "%2e%2e%2f%2e%2e%2fescaped",
    "%2E%2E/escaped",
    "%252e%252e%252fescaped",
    "..%5C..%5Cescaped",
    "/etc/passwd",
    "//etc//passwd",
    "./a",
    "a/.",
    "a/..",
    "a/",
    "a//",
    ".",
    "..",
    "...",
    "a.",
    "a%20",
    "%20a",
    "a%00.txt",
    "%00",
    "%01%02%1f%7f",
    "%C2%85",
    "%0d%0aHost:%20x",
    "%EF%BB%BFa",
    "%EF%BF%BE",
    "%E2%80%8B",
    "%F0%9F%92%A9",
    "e%CC%81",
    "%C3%A9",
    "CON",
    "NUL.txt",
    "a:b",
    "C:%5Cx",
    "staging/x",
    "../index/CURRENT",
    "../blobs/staging/x",
    "../root-key",
    "a;b",
    "a%3Fb",
    "a%23b",
    "a%25",
    "a+b",
    "a&b",
    "%3Cscript%3E",
    "%7B%7D$(id)%60id%60",
    "%22%27",
];

#[test]
fn a_key_is_a_key_whatever_it_looks_like() {
    let site = Site::start(&["--inline-size-max", "0B"]);
    let bucket = site.bucket();
    let around = site.around();
    let names = |directory: &str| -> Vec<String> {
        let entries = fs::read_dir(site.data().join(directory)).expect("it is there");
        let mut names: Vec<String> = entries.filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned())).collect();
        names.sort_unstable();
        names
    };
    let (top, blobs) = (names("."), names("blobs"));
    for dialect in ["S3", "OSS"] {
        let bucket = format!("{bucket}-{}", dialect.to_lowercase());
        site.expect(&put(&format!("/{bucket}"), ""), 200);
        for (index, key) in KEYS.iter().enumerate() {
            let target = format!("/{bucket}/{key}");
            let body = format!("{dialect} {index}");
            let (written, read) =
                if dialect == "S3" { (put(&target, &body), get(&target)) } else { (put(&target, &body).oss(), get(&target).oss()) };
            let answer = site.ask(&written);
            // OSS does not take keys that begin with a slash.
            if dialect == "OSS" && answer.status == 400 {
                assert_eq!(answer.element("Code"), Some("InvalidObjectName"), "{key}");
                assert_eq!(site.ask(&read).status, 400, "{key}");
                continue;
            }
            assert_eq!(answer.status, 200, "{dialect} {key}: {}", answer.text());
            assert_eq!(site.expect(&read, 200).text(), body, "{dialect} {key}");
        }
        // One object for each, none over another: what was written last is not what was read first.
        let listed = site.expect(&get(&format!("/{bucket}?list-type=2&encoding-type=url")), 200);
        let count = listed.text().matches("<Contents>").count();
        assert!(count == KEYS.len() || dialect == "OSS" && count + 5 > KEYS.len(), "{dialect}: {count} of {}", KEYS.len());
        for key in KEYS {
            let decoded = percent::decode(key, percent::Plus::Literal).expect("it is UTF-8");
            let shown = format!("<Key>{}</Key>", percent::encode_path(&decoded));
            assert!(listed.text().contains(&shown) || dialect == "OSS" && decoded.starts_with(['/', '\\']), "{dialect}: no {shown}");
        }
    }
    assert_eq!((site.around(), names("."), names("blobs")), (around, top, blobs), "a key became a path");
    assert!(!std::path::Path::new("/tmp/escaped").exists());
}

#[test]
fn keys_are_as_long_as_they_may_be_and_no_longer() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    for (dialect, size_max) in [("S3", 1024), ("OSS", 1023)] {
        let asked = |key: String| {
            let asked = put(&format!("/{bucket}/{key}"), "x");
            if dialect == "S3" { asked } else { asked.oss() }
        };
        // Bytes count, neither characters nor what they are written with.
        let (latin, han) = ("k".repeat(size_max), "%E5%9B%BE".repeat(size_max / 3) + &"k".repeat(size_max % 3));
        for (name, key, status) in [
            ("latin", latin.clone(), 200),
            ("han", han.clone(), 200),
            ("latin, one more", latin + "k", 400),
            ("han, one more", han + "k", 400),
            ("slashes", "/".repeat(size_max + 1), 400),
            ("encoded", "%61".repeat(size_max), 200),
            ("encoded, one more", "%61".repeat(size_max + 1), 400),
            ("as long as a head may be", "k".repeat(30 << 10), 400),
        ] {
            let answer = site.ask(&asked(key));
            assert_eq!(answer.status, status, "{dialect}, {name}: {}", answer.text());
        }
    }
    for (name, key) in [
        ("half an escape", "%"),
        ("a digit", "%4"),
        ("no digits", "%zz"),
        ("a sign", "%+1"),
        ("not UTF-8", "%ff"),
        ("overlong", "%c0%ae"),
        ("a surrogate", "%ed%a0%80"),
        ("beyond Unicode", "%f4%90%80%80"),
    ] {
        for asked in [put(&format!("/{bucket}/{key}"), "x"), put(&format!("/{bucket}/{key}"), "x").oss()] {
            assert_eq!(site.ask(&asked).status, 400, "{name}");
        }
    }
}

#[test]
fn a_host_names_one_bucket_or_none() {
    let site = Site::start(&["--domain", "s3.test"]);
    site.expect(&put("/mine", ""), 200);
    site.expect(&put("/mine/k", "content"), 200);
    let port = site.address.port();
    let asked = |host: &str| site.ask(&get("/k").with("host", host));
    for host in [
        "mine.s3.test",
        "MINE.S3.TEST",
        "Mine.s3.Test:80",
        &format!("mine.s3.test:{port}"),
        "mine.localhost",
        "mine.s3.test:",
        "mine.s3.test:99999999",
    ] {
        let answer = asked(host);
        assert_eq!((answer.status, answer.text()), (200, "content"), "{host}");
    }
    for host in [
        "",
        " ",
        ".s3.test",
        "..s3.test",
        "../mine.s3.test",
        "mine/../mine.s3.test",
        "mine%2es3.test",
        "mine.s3.test@s3.test",
        "user:password@mine.s3.test",
        "mine.s3.test:80:80",
        "mine.s3.test:port",
        "mine.s3.test:-1",
        "mine.s3.test..",
        "mine..s3.test",
        "xmine.s3.test",
        "mines3.test",
        "mine.s3.test.example.org",
        "mine_.s3.test",
        "m\u{131}ne.s3.test",
        "xn--mine.s3.test",
        "mine.s3.test#x",
        "mine.s3.test?x",
        "mine.s3.test\\",
        "[::1]",
        "[::1",
        "[mine.s3.test]",
        "169.254.169.254",
        &"a".repeat(20_000),
    ] {
        let answer = asked(host);
        assert!(answer.status >= 400 || host.is_empty(), "{host:?}: {} {}", answer.status, String::from_utf8_lossy(&answer.body));
        assert!(answer.body != b"content", "{host:?}");
    }
    // A trailing dot is the same name; whichever way it is read, it is never another bucket.
    let dotted = asked("mine.s3.test.");
    assert!(dotted.status >= 400 || dotted.text() == "content", "{}", dotted.text());
}
