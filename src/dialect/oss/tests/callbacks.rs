//! Callbacks: what is asked for, what is refused, and the answer when the application was told.

use super::{
    fixture::{check, context, header},
    *,
};
use crate::dialect::oss::encode_called_back;
use base64::{Engine as _, engine::general_purpose::STANDARD};

fn put(callback: &str, variables: Option<&str>) -> Result<Option<Callback>, ErrorReply> {
    let variables = variables.map(|variables| format!("\nx-oss-callback-var: {variables}")).unwrap_or_default();
    match decode(&format!("PUT /bkt/k\ncontent-length: 1\nx-oss-callback: {callback}{variables}"), "")?.0 {
        Operation::PutObject(put) => Ok(put.callback),
        other => panic!("{other:?}"),
    }
}

fn refusal(json: &str) -> String {
    let error = put(&STANDARD.encode(json), None).unwrap_err();
    assert_eq!((error.status.as_u16(), error.code), (400, "InvalidArgument"), "{json}");
    error.message.into_owned()
}

#[test]
fn what_ali_oss_sends_is_understood() {
    let callback = "eyJjYWxsYmFja1VybCI6Imh0dHA6Ly9hcHAuZXhhbXBsZS5jb20vY2I/eD0xIiwiY2FsbGJhY2tCb2R5IjoiYj0ke2J1Y2tldH0mbz0ke29iamVjdH0mdj0ke3g6dn0i\
                    LCJjYWxsYmFja0hvc3QiOiJhcHAuZXhhbXBsZS5jb20iLCJjYWxsYmFja0JvZHlUeXBlIjoiYXBwbGljYXRpb24veC13d3ctZm9ybS11cmxlbmNvZGVkIn0=";
    let expected = Callback {
        urls: vec!["http://app.example.com/cb?x=1".to_owned()],
        host: Some("app.example.com".to_owned()),
        body: "b=${bucket}&o=${object}&v=${x:v}".to_owned(),
        body_type: CallbackBodyType::Form,
        sni: false,
        variables: vec![("x:v".to_owned(), "1".to_owned())],
    };
    assert_eq!(put(callback, Some("eyJ4OnYiOiIxIn0=")), Ok(Some(expected)));
}

#[test]
fn everything_that_can_be_said_is_kept() {
    let json = r#"{"callbackUrl":"http://a:80/x;https://10.0.0.1/%20?q","callbackBody":"{}","callbackBodyType":"application/json; charset=utf-8","callbackSNI":true}"#;
    let variables = STANDARD.encode(r#"{"x:n":1,"x:e":null,"x:t":"ü"}"#);
    let callback = put(&STANDARD.encode(json), Some(&variables)).unwrap().unwrap();
    assert_eq!(callback.urls, ["http://a:80/x", "https://10.0.0.1/%20?q"]);
    assert_eq!((callback.body_type, callback.sni, callback.host), (CallbackBodyType::Json, true, None));
    let mut variables = callback.variables;
    variables.sort();
    assert_eq!(variables, [("x:e", ""), ("x:n", "1"), ("x:t", "ü")].map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn what_is_wrong_is_told_in_the_words_of_oss() {
    for (json, message) in [
        ("{", "The callback configuration is not json format."),
        ("[]", "The callback configuration is not json format."),
        (r#"{"callbackUrl":1,"callbackBody":"b"}"#, "The callback configuration is not json format."),
        (r#"{"callbackUrl":"http://a"}"#, "The callback body is empty."),
        (r#"{"callbackUrl":"http://a","callbackBody":""}"#, "The callback body is empty."),
        (r#"{"callbackBody":"b"}"#, "The callback url configuration is invalid."),
        (r#"{"callbackUrl":"http://a","callbackBody":"b","callbackHost":"a b"}"#, "The callback host configuration is invalid."),
        (
            r#"{"callbackUrl":"http://a","callbackBody":"b","callbackBodyType":"text/plain"}"#,
            "The callback body type configuration is invalid.",
        ),
        (
            r#"{"callbackUrl":"http://1;http://2;http://3;http://4;http://5;http://6","callbackBody":"b"}"#,
            "The number of callback url exceed max value.",
        ),
    ] {
        assert_eq!(refusal(json), message, "{json}");
    }
    for url in [
        "",
        ";",
        "/x",
        "ftp://a/",
        "http://",
        "http://[::1]/",
        "http://u@a/",
        "http://a b/",
        "http://a/ü",
        "http://a:99999/",
        "http://a/#f",
    ] {
        let json = format!(r#"{{"callbackUrl":"{url}","callbackBody":"b"}}"#);
        assert_eq!(refusal(&json), "The callback url configuration is invalid.", "{url}");
    }
    assert_eq!(put("%%%", None).unwrap_err().message, "The callback configuration is not base64 encoded.");
    assert_eq!(put(&"A".repeat(5121), None).unwrap_err().message, "The length of callback exceed max value.");
    let legal = STANDARD.encode(r#"{"callbackUrl":"http://a","callbackBody":"b"}"#);
    assert!(put(&legal, Some(&STANDARD.encode(r#"{"v":"1"}"#))).is_err());
    for (variables, message) in [
        ("%".to_owned(), "The callback var is not base64 encoded."),
        (STANDARD.encode("{"), "The callback var is not expecten json."),
        ("A".repeat(5121), "The length of callback var exceed max value."),
    ] {
        assert_eq!(put(&legal, Some(&variables)).unwrap_err().message, message);
    }
    let variables = STANDARD.encode(r#"{"x:v":"1"}"#);
    let mixed = format!("PUT /bkt/k?callback-var={variables}\ncontent-length: 1\nx-oss-callback: {legal}\nx-oss-callback-var: {variables}");
    let message = "Either the callback-var query string parameter or the x-oss-callback-var header should be specified, not both.";
    assert_eq!(decode(&mixed, "").unwrap_err().message, message);

    // As OSS's own examples have it.
    let without_scheme = STANDARD.encode(r#"{"callbackUrl":"121.101.166.30/test.php?u=http://x","callbackBody":"b"}"#);
    assert_eq!(put(&without_scheme, None).unwrap().unwrap().urls, ["http://121.101.166.30/test.php?u=http://x"]);

    let twice = format!("PUT /bkt/k?callback={}\ncontent-length: 1\nx-oss-callback: {legal}", crate::dialect::percent::encode(&legal));
    let error = decode(&twice, "").unwrap_err();
    assert_eq!(error.ec, Some("0007-00000027"));
    let message = "Either the callback query string parameter or the x-oss-callback header should be specified, not both.";
    assert_eq!(error.message, message);
}

#[test]
fn the_client_gets_what_the_application_said_or_why_it_did_not() {
    let put = Outcome::PutObject {
        etag: etag(1),
        checksum: ObjectChecksum { value: Checksum::new(ChecksumAlgorithm::Crc32, vec![0; 4]).unwrap(), composite_of: None },
        size: 5,
        crc64_ecma: 7,
        event: Some(EventId([0; 16])),
    };
    let complete =
        Outcome::CompleteMultipartUpload { etag: etag(1), checksum: None, size: 5, crc64_ecma: 7, event: Some(EventId([0; 16])) };
    for outcome in [&put, &complete] {
        let told = Ok(CallbackReply { content_type: "text/plain".to_owned(), body: b"{\"a\":1}".to_vec() });
        let response = encode_called_back(&Wire::Plain, outcome, &told, &context());
        assert_eq!((response.status().as_u16(), response.body().as_ref()), (200, b"{\"a\":1}".as_slice()));
        for (name, value) in [
            ("content-type", "application/json"),
            ("content-length", "7"),
            ("etag", "\"01010101010101010101010101010101\""),
            ("x-oss-hash-crc64ecma", "7"),
        ] {
            assert_eq!(header(&response, name), value);
        }
        let response = encode_called_back(&Wire::Plain, outcome, &Err("Error status : 301.".to_owned()), &context());
        assert_eq!((response.status().as_u16(), header(&response, "x-oss-ec")), (203, "0007-00000203"));
        assert_eq!(header(&response, "etag"), "\"01010101010101010101010101010101\"");
        check("callback_failed", &response);
    }
    let nobody = encode_called_back(&Wire::Done(http::StatusCode::OK), &Outcome::Done, &Err(String::new()), &context());
    assert_eq!(nobody.status(), 200, "nothing but uploads has callbacks");
}
