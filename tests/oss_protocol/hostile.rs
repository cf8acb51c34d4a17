//! Requests that mean harm: whatever is answered, the server goes on answering others, nothing is smuggled and nobody is called.

use crate::{
    client::{Peer, Request, content_md5, get, post, put},
    protocol::peer::statuses,
    table::{Table, line},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

const MALFORMED: &str = "400 MalformedXML: The XML you provided was not well-formed or did not validate against our published schema.";

#[test]
fn documents_cannot_be_bombs() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let upload = peer.create_upload(&format!("/{bucket}/k"), &[]);
    let expansion: String = (1..10).map(|level| format!("<!ENTITY e{level} \"{}\">", format!("&e{};", level - 1).repeat(10))).collect();
    let documents = [
        ("depth", format!("{}{}", "<a>".repeat(100_000), "</a>".repeat(100_000))),
        ("entities", format!("<!DOCTYPE a [<!ENTITY e0 \"lol\">{expansion}]><a>&e9;</a>")),
        ("external entity", "<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>".to_owned()),
        ("attributes", format!("<a {}/>", (0..50_000).map(|n| format!("a{n}=\"1\" ")).collect::<String>())),
        ("zero bytes", "\0".repeat(1000)),
    ];
    for (name, document) in &documents {
        let ask = |target: &str, size_max: usize, method: fn(&str, &String) -> Request| {
            let asked = method(target, document).with("content-md5", content_md5(document.as_bytes()));
            let told = line(&peer.ask(&asked));
            let expected = if document.len() > size_max { "400 MaxMessageLengthExceeded" } else { "400 MalformedXML" };
            (told.split(':').next().unwrap_or_default().to_owned(), expected)
        };
        let posted: fn(&str, &String) -> Request = |target, document| post(target, document);
        let written: fn(&str, &String) -> Request = |target, document| put(target, document);
        for (target, size_max, method) in [
            (format!("/{bucket}/k?uploadId={upload}"), 4 << 20, posted),
            (format!("/{bucket}/?delete"), 2 << 20, posted),
            (format!("/{bucket}/?lifecycle"), 512 << 10, written),
            (format!("/{bucket}/?cors"), 64 << 10, written),
            (format!("/{bucket}/?referer"), 64 << 10, written),
            (format!("/{bucket}/?tagging"), 64 << 10, written),
            ("/another-bucket".to_owned(), 16 << 10, written),
        ] {
            let (told, expected) = ask(&target, size_max, method);
            table.check(&format!("{name} {target}"), &told, expected);
        }
        peer.assert_well(name);
    }
    let long = " ".repeat((4 << 20) + 1);
    let too_large = peer.ask(&post(&format!("/{bucket}/k?uploadId={upload}"), &long));
    table.check("too large", &format!("{} {}", too_large.status, too_large.element("Code").unwrap_or("-")), "400 MaxMessageLengthExceeded");
    let endless = [b"100000\r\n".to_vec(), vec![b' '; 1 << 20], b"\r\n".to_vec()].concat().repeat(6);
    let asked = post(&format!("/{bucket}/k?uploadId={upload}"), "").unframed().with_unsigned("Transfer-Encoding", "chunked");
    let response = peer.ask_bytes("POST", &[asked.head_bytes(&peer.host()), endless].concat());
    table.check("without an end", response.element("Code").unwrap_or("-"), "MaxMessageLengthExceeded");
    peer.assert_well("bombs");
    table.finish(&response, MALFORMED);
}

#[test]
fn nothing_that_is_stored_reaches_a_head() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let injected = "a%0D%0ASet-Cookie%3A%20b";
    let target = format!("/{bucket}/{injected}");
    table.line("a key", &peer.ask(&put(&target, "x")), "200");
    table.check("is a key", peer.ask(&get(&target)).text(), "x");
    let missing = peer.ask(&get(&format!("/{bucket}/{injected}c")));
    table.check("is told in XML", &missing.status.to_string(), "404");
    let link = put(&format!("/{bucket}/l?symlink"), "").with("x-oss-symlink-target", injected);
    table.line("a target", &peer.ask(&link), "200");
    let shown = peer.ask(&get(&format!("/{bucket}/l?symlink")));
    table.check("is shown encoded", shown.header("x-oss-symlink-target").unwrap_or_default(), injected);
    let override_ = peer.ask(&get(&format!("{target}?response-content-type=a%0D%0ASet-Cookie%3A%20b")));
    let cannot = "400 InvalidArgument: This value cannot be a header. \
                  (ArgumentName=response-content-type; ArgumentValue=a\\r\\nSet-Cookie: b)";
    table.line("an override", &override_, cannot);
    for byte in ["\u{0}", "\r", "\n", "\u{7f}"] {
        let raw =
            format!("PUT /{bucket}/h HTTP/1.1\r\nHost: h\r\nx-oss-meta-a: b{byte}c: d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let answers = peer.answers(raw.as_bytes());
        assert!(answers.iter().all(|answer| answer.status >= 400), "{byte:?}: {}", statuses(&answers));
    }
    let completed = {
        let upload = peer.create_upload(&target, &[]);
        peer.upload_part(&target, &upload, 1, "x");
        peer.ask(&post(&format!("{target}?uploadId={upload}"), "").with("x-oss-complete-all", "yes"))
    };
    table.line("a completed upload", &completed, "200");
    assert!(completed.element("Location").is_some_and(|location| location.ends_with(&format!("/{injected}"))), "{}", completed.text());
    table.line(
        "nothing came of it",
        &peer.ask(&get(&format!("/{bucket}/h"))),
        "404 NoSuchKey: The specified key does not exist. (Key=h) 0026-00000001",
    );
    table.finish(&completed, "400");
}

#[test]
fn what_does_not_decode_is_refused_before_anything_else() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let bad_key = "400 InvalidObjectName: The specified object is not valid.";
    let bad_query = "400 InvalidArgument: The query string must be URL encoded UTF-8.";
    let source = |value: &[u8]| put(&format!("/{bucket}/k"), "").with("x-oss-copy-source", value);
    let copy_source = |shown: &str| {
        format!(
            "400 InvalidArgument: Copy Source must mention the source bucket and key: /sourcebucket/sourcekey. \
             (ArgumentName=x-oss-copy-source; ArgumentValue={shown})"
        )
    };
    for (name, asked, expected) in [
        ("half an escape", get(&format!("/{bucket}/a%2")), bad_key.to_owned()),
        ("no escape", get(&format!("/{bucket}/a%zz")), bad_key.to_owned()),
        ("overlong slash", get(&format!("/{bucket}/%c0%af")), bad_key.to_owned()),
        ("surrogate", get(&format!("/{bucket}/%ed%a0%80")), bad_key.to_owned()),
        ("bucket", get("/%ff%fe/k"), "400 InvalidBucketName: The specified bucket is not valid.".to_owned()),
        ("query name", get(&format!("/{bucket}/?%ff=1")), bad_query.to_owned()),
        ("query value", get(&format!("/{bucket}/?marker=%ff")), bad_query.to_owned()),
        ("copy source", source(b"/b/%c0%af"), copy_source("/b/%c0%af")),
        ("copy source, half an escape", source(format!("/{bucket}/a%2").as_bytes()), copy_source(&format!("/{bucket}/a%2"))),
        (
            "tags",
            put(&format!("/{bucket}/k"), "x").with("x-oss-tagging", "a=%ff"),
            "400 InvalidArgument: The header 'x-oss-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters \
             without tag name duplicates. (ArgumentName=x-oss-tagging; ArgumentValue=a=%ff)"
                .to_owned(),
        ),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
        peer.assert_well(name);
    }
    table.line(
        "nothing was stored",
        &peer.ask(&get(&format!("/{bucket}/k"))),
        "404 NoSuchKey: The specified key does not exist. (Key=k) 0026-00000001",
    );
    table.finish(&peer.ask(&source(b"/b/%c0%af")), "200");
}

#[test]
fn callbacks_that_are_none_store_nothing_and_call_nobody() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    let encode = |json: &str| STANDARD.encode(json);
    let url = |url: &str| encode(&format!(r#"{{"callbackUrl":"{url}","callbackBody":"a=b"}}"#));
    let with = |callback: &str| put(&target, "x").with("x-oss-callback", callback);
    let good = url("http://callback.example/");
    let refused = |message: &str| format!("400 InvalidArgument: {message} (ArgumentName=callback)");
    let twice = format!(
        "400 InvalidArgument: Either the callback query string parameter or the x-oss-callback header should be specified, not both. \
         (ArgumentName=callback; ArgumentValue={good}) 0007-00000027"
    );
    let bad_url = refused("The callback url configuration is invalid.");
    let six = ["http://a.example/"; 6].join(";");
    let in_query = percent_encode(&good);
    for (name, asked, expected) in [
        ("no base64", with("!"), refused("The callback configuration is not base64 encoded.")),
        ("half of base64", with("e30"), refused("The callback configuration is not base64 encoded.")),
        ("no JSON", with(&encode("x")), refused("The callback configuration is not json format.")),
        ("a list", with(&encode("[]")), refused("The callback configuration is not json format.")),
        ("deep JSON", with(&encode(&"[".repeat(3000))), refused("The callback configuration is not json format.")),
        ("no body", with(&encode(r#"{"callbackUrl":"http://a.example/"}"#)), refused("The callback body is empty.")),
        ("no URL", with(&encode(r#"{"callbackBody":"a"}"#)), bad_url.clone()),
        ("a file", with(&url("file:///etc/passwd")), bad_url.clone()),
        ("IPv6", with(&url("http://[::1]/")), bad_url.clone()),
        ("credentials", with(&url("http://user:secret@a.example/")), bad_url.clone()),
        ("a line break", with(&url("http://a.example/\\r\\nHost: b")), bad_url),
        ("six URLs", with(&url(&six)), refused("The number of callback url exceed max value.")),
        (
            "host of two lines",
            with(&encode(r#"{"callbackUrl":"http://a.example/","callbackHost":"a\r\nb: c","callbackBody":"a"}"#)),
            refused("The callback host configuration is invalid."),
        ),
        (
            "body type",
            with(&encode(r#"{"callbackUrl":"http://a.example/","callbackBody":"a","callbackBodyType":"text/html"}"#)),
            refused("The callback body type configuration is invalid."),
        ),
        ("too long", with(&encode(&"x".repeat(4000))), refused("The length of callback exceed max value.")),
        ("both places", put(&format!("{target}?callback={in_query}"), "x").with("x-oss-callback", &good), twice),
        (
            "variables that are none",
            with(&good).with("x-oss-callback-var", "!"),
            refused("The callback configuration is not base64 encoded."),
        ),
        (
            "variables of other names",
            with(&good).with("x-oss-callback-var", encode(r#"{"a":"b"}"#)),
            refused("The callback variables must begin with x:."),
        ),
        ("on an append", post(&format!("{target}?append&position=0&callback={in_query}"), "x"), unexpected("callback")),
    ] {
        table.line(name, &peer.ask(&asked), &expected);
    }
    let own = peer.host();
    let private = refused("Private address is forbidden to callback.");
    for host in
        [own.as_str(), "127.0.0.1", "127.1", "localhost", "10.0.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "2130706433", "0x7f.1"]
    {
        let response = peer.ask(&with(&url(&format!("http://{host}/"))));
        let told = line(&response);
        table.check(host, &told, &private);
    }
    table.line("nothing was stored", &peer.ask(&get(&target)), "404 NoSuchKey: The specified key does not exist. (Key=k) 0026-00000001");
    table.finish(&peer.ask(&with("!")), "200");
}

fn unexpected(name: &str) -> String {
    format!("400 InvalidArgument: Unexpected query string parameter (ArgumentName=QueryParameter; ArgumentValue={name}) 0017-00000219")
}

fn percent_encode(text: &str) -> String {
    partway::dialect::percent::encode(text)
}
