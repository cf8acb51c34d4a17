//! POST forms.

use super::*;
use crate::dialect::s3::{ReplyContext, encode, form};

const POST: &str = "POST /bkt\ncontent-type: multipart/form-data; boundary=x";

fn decode_form(fields: &[(&str, &str)], file_name: Option<&str>) -> Result<(Operation, Wire), ErrorReply> {
    let parts = head(POST);
    let (_, route) = route(&parts)?;
    let fields: Vec<(String, String)> = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    form::decode(&route, &parts, &fields, file_name)
}

#[test]
fn a_form_is_a_put() {
    let tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let (operation, _) = decode_form(
        &[
            ("Key", "up/${filename}"),
            ("acl", "private"),
            ("Content-Type", "text/plain"),
            ("X-Amz-Meta-Who", "ü"),
            ("tagging", tagging),
            ("x-amz-checksum-crc32", "NhCmhg=="),
            ("x-amz-storage-class", "STANDARD_IA"),
            ("x-amz-trailer", "x-amz-checksum-crc32"),
            ("x-ignore-me", "\n"),
            ("policy", "…"),
        ],
        Some("C:\\dir\\a b.txt"),
    )
    .unwrap();
    let expected = PutObject {
        callback: None,
        object: object("up/a b.txt"),
        attributes: Attributes {
            acl: Some(Acl::Private),
            headers: SystemHeaders {
                content_type: Some("text/plain".to_owned()),
                storage_class: Some("STANDARD_IA".to_owned()),
                ..SystemHeaders::default()
            },
            user: UserMetadata(vec![("who".to_owned(), "ü".as_bytes().to_vec())]),
            tags: Tags(vec![("a".to_owned(), "b".to_owned())]),
        },
        conditions: WriteConditions::default(),
        claims: BodyClaims { checksum: Some(crc32([0x36, 0x10, 0xa6, 0x86])), ..BodyClaims::default() },
    };
    assert_eq!(operation, Operation::PutObject(expected));
}

#[test]
fn forms_are_refused_as_s3_refuses_them() {
    for (fields, status, code) in [
        (vec![("acl", "private")], 400, "InvalidArgument"),
        (vec![("key", "")], 400, "UserKeyMustBeSpecified"),
        (vec![("key", "k"), ("acl", "authenticated-read")], 400, "AccessControlListNotSupported"),
        (vec![("key", "k"), ("x-amz-server-side-encryption", "AES256")], 501, "NotImplemented"),
        (vec![("key", "k"), ("x-amz-meta-a", "a\r\nb")], 400, "InvalidArgument"),
        (vec![("key", "k"), ("tagging", "<x")], 400, "MalformedXML"),
        (vec![("key", "k"), ("x-amz-checksum-crc32", "x")], 400, "InvalidRequest"),
    ] {
        let error = decode_form(&fields, None).map_err(|error| (error.status.as_u16(), error.code)).map(|(operation, _)| operation);
        assert_eq!(error, Err((status, code)), "{fields:?}");
    }
    let error = decode_form(&[], None).unwrap_err();
    assert_eq!(error.message, "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.");
}

#[test]
fn a_form_is_answered_as_it_asks() {
    let context = ReplyContext { request_id: "R", host_id: "H", authority: "", region: "us-east-1", now: NOW };
    let checksum = ObjectChecksum { value: crc32([0x36, 0x10, 0xa6, 0x86]), composite_of: None };
    let outcome = Outcome::PutObject { crc64_ecma: 0, event: None, etag: etag(1), checksum, size: 5 };
    let at = "http://127.0.0.1:9000/bkt/a%20b";
    let quoted = "%2201010101010101010101010101010101%22";
    for (field, value, status, location) in [
        ("x-ignore", "", 204, at.to_owned()),
        ("success_action_status", "200", 200, at.to_owned()),
        ("success_action_status", "201", 201, at.to_owned()),
        ("success_action_status", "404", 204, at.to_owned()),
        ("success_action_redirect", "/relative", 204, at.to_owned()),
        ("success_action_redirect", "http://e.com/\r\nX-Evil: 1", 204, at.to_owned()),
        ("success_action_redirect", "javascript:alert(1)", 204, at.to_owned()),
        ("success_action_redirect", "https://e.com/d?x=1", 303, format!("https://e.com/d?x=1&bucket=bkt&key=a%20b&etag={quoted}")),
        ("redirect", "http://e.com/d#f", 303, format!("http://e.com/d?bucket=bkt&key=a%20b&etag={quoted}")),
    ] {
        let (_, wire) = decode_form(&[("key", "a b"), (field, value)], None).unwrap();
        let response = encode(&wire, &outcome, &context);
        assert_eq!(response.status(), status, "{field} {value}");
        assert_eq!(response.headers()["location"], location.as_str(), "{field} {value}");
        assert_eq!(response.headers()["etag"], "\"01010101010101010101010101010101\"");
        let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<PostResponse><Location>http://127.0.0.1:9000/bkt/a%20b</Location><Bucket>bkt</Bucket><Key>a b</Key><ETag>&quot;01010101010101010101010101010101&quot;</ETag></PostResponse>";
        assert_eq!(response.body().as_ref(), if status == 201 { body.as_bytes() } else { b"" });
    }
}
