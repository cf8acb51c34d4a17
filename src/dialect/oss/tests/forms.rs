//! POST forms.

use super::{fixture::context, *};
use crate::dialect::{Dialect as _, oss::Oss};
use http::{Response, StatusCode};

const POST: &str = "POST /bkt/\ncontent-type: multipart/form-data; boundary=x";

fn decoded(fields: &[(&str, &str)], file_name: Option<&str>) -> Result<crate::dialect::Decoded, ErrorReply> {
    let oss = Oss { limits: Limits::OSS };
    let parts = head(POST);
    let address = oss.addresses(&parts, &Default::default())?.remove(0);
    let route = oss.route(&parts, &address)?;
    assert_eq!(route.body(), BodyKind::Form);
    let fields: Vec<(String, String)> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    route.decode_form(&parts, &fields, file_name)
}

fn answer(fields: &[(&str, &str)]) -> Response<Bytes> {
    let checksum = ObjectChecksum { value: Checksum::new(ChecksumAlgorithm::Crc32, vec![0; 4]).unwrap(), composite_of: None };
    let outcome = Outcome::PutObject { crc64_ecma: 7, event: None, etag: etag(1), checksum, size: 5 };
    let Ok(decoded) = decoded(fields, None) else { panic!("{fields:?}") };
    decoded.wire.encode(&outcome, &context())
}

#[test]
fn a_form_is_a_put() {
    let Ok(decoded) = decoded(
        &[
            ("Key", "up/${filename}"),
            ("x-oss-object-acl", "public-read"),
            ("x-oss-Content-Type", "text/plain"),
            ("X-Oss-Meta-Who", "ü"),
            ("x-oss-tagging", "a=b"),
            ("x-oss-storage-class", "IA"),
            ("x-oss-forbid-overwrite", "true"),
            ("x-oss-traffic-limit", "819200"),
            ("x-oss-signature-version", "OSS4-HMAC-SHA256"),
            ("x-oss-security-token", "t"),
            ("x-ignore-me", "\n"),
            ("callback", "eyJjYWxsYmFja1VybCI6Imh0dHA6Ly9hIiwiY2FsbGJhY2tCb2R5IjoiYiJ9"),
            ("x:v", "1"),
            ("policy", "…"),
        ],
        Some("C:\\dir\\a b.txt"),
    ) else {
        panic!("the form is a form")
    };
    let expected = PutObject {
        object: object("up/a b.txt"),
        attributes: Attributes {
            headers: SystemHeaders {
                content_type: Some("text/plain".to_owned()),
                storage_class: Some("IA".to_owned()),
                ..SystemHeaders::default()
            },
            user: UserMetadata(vec![("who".to_owned(), "ü".as_bytes().to_vec())]),
            tags: Tags(vec![("a".to_owned(), "b".to_owned())]),
            acl: Some(Acl::PublicRead),
        },
        conditions: WriteConditions { forbid_overwrite: true, ..WriteConditions::default() },
        claims: BodyClaims::default(),
        callback: Some(Callback {
            urls: vec!["http://a".to_owned()],
            host: None,
            body: "b".to_owned(),
            body_type: CallbackBodyType::Form,
            sni: false,
            variables: vec![("x:v".to_owned(), "1".to_owned())],
        }),
    };
    assert_eq!(decoded.operation, Operation::PutObject(expected));
    assert_eq!(decoded.traffic_limit, Some(102_400));
}

#[test]
fn forms_are_refused_as_oss_refuses_them() {
    for (fields, code) in [
        (vec![("policy", "x")], "InvalidArgument"),
        (vec![("key", "")], "InvalidArgument"),
        (vec![("key", "/k")], "InvalidObjectName"),
        (vec![("key", "k"), ("x-oss-object-acl", "open")], "InvalidArgument"),
        (vec![("key", "k"), ("x-oss-server-side-encryption", "AES256")], "NotImplemented"),
        (vec![("key", "k"), ("x-oss-meta-a", "a\r\nb")], "InvalidArgument"),
        (vec![("key", "k"), ("x-oss-traffic-limit", "1")], "InvalidArgument"),
        (vec![("key", "k"), ("callback", "%")], "InvalidArgument"),
    ] {
        let refusal = decoded(&fields, None).map(|decoded| decoded.operation).map_err(|error| (error.status.as_u16(), error.code));
        assert_eq!(refusal, Err((400, code)), "{fields:?}");
    }
    let Err(error) = decoded(&[], None) else { panic!("a form without a key") };
    assert_eq!(error.message, "The bucket POST must contain the specified field name.");
}

#[test]
fn a_form_is_answered_as_it_asks() {
    let quoted = "%2201010101010101010101010101010101%22";
    for (field, value, status, location) in [
        ("x-ignore", "", 204, None),
        ("success_action_status", "200", 200, None),
        ("success_action_status", "404", 204, None),
        ("success_action_redirect", "/relative", 204, None),
        ("success_action_redirect", "javascript:alert(1)", 204, None),
        ("success_action_redirect", "http://e.com/\r\nX-Evil: 1", 204, None),
        ("success_action_redirect", "https://e.com/d?x=1#f", 303, Some(format!("https://e.com/d?x=1&bucket=bkt&key=a%20b&etag={quoted}"))),
    ] {
        let response = answer(&[("key", "a b"), (field, value)]);
        assert_eq!(response.status(), status, "{field} {value}");
        let shown = response.headers().get("location").map(|location| location.to_str().unwrap().to_owned());
        assert_eq!(shown, location, "{field} {value}");
        assert_eq!(response.headers()["etag"], "\"01010101010101010101010101010101\"");
        assert_eq!(response.headers()["x-oss-hash-crc64ecma"], "7");
    }
    let created = answer(&[("key", "a b"), ("success_action_status", "201")]);
    assert_eq!(created.status(), StatusCode::CREATED);
    fixture::check("post_response", &created);
}
