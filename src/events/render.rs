//! The body of a callback: its template with the variables put in (OSS "Callback", callbackBody).

use crate::{
    meta::record::EventRecord,
    model::{CallbackBodyType, ETag},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What a form's encoding leaves as it is besides letters and digits (WHATWG URL, application/x-www-form-urlencoded).
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

enum Value {
    Text(String),
    Number(u64),
}

/// The body that the application gets.
pub(super) fn body(event: &EventRecord) -> String {
    let template = event.callback.body.as_str();
    let mut body = String::with_capacity(template.len() * 2);
    let mut quotes = Quotes::default();
    let mut rest = template;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let (before, name) = (&rest[..start], &rest[start + 2..start + length]);
        body.push_str(before);
        quotes.pass(before);
        let value = value(event, name);
        match event.callback.body_type {
            CallbackBodyType::Form => body.push_str(&form(&value)),
            CallbackBodyType::Json => body.push_str(&json(&value, quotes.inside)),
        }
        rest = &rest[start + length + 1..];
    }
    body.push_str(rest);
    body
}

/// The value of a variable; an unknown one is empty.
fn value(event: &EventRecord, name: &str) -> Value {
    if name.starts_with("x:") {
        let found = event.callback.variables.iter().find(|(variable, _)| variable == name);
        return Value::Text(found.map(|(_, value)| value.clone()).unwrap_or_default());
    }
    Value::Text(match name {
        "bucket" => event.bucket.to_string(),
        "object" => event.key.to_string(),
        "etag" => event.etag.to_string().to_ascii_uppercase(),
        "size" => return Value::Number(event.size),
        "mimeType" => event.content_type.clone().unwrap_or_default(),
        // Text also in JSON: a number of 64 bits does not survive JavaScript.
        "crc64" => event.crc64_ecma.to_string(),
        "contentMd5" => match event.etag {
            ETag::Whole(md5) => STANDARD.encode(md5),
            ETag::Multipart { .. } => String::new(),
        },
        "clientIp" => event.origin.client_ip.clone(),
        "reqId" => event.origin.request_id.clone(),
        "operation" => event.operation.clone(),
        // Images are not looked into and there is no VPC, so imageInfo.* and vpcId are as empty as what is unknown.
        _ => String::new(),
    })
}

fn form(value: &Value) -> String {
    match value {
        Value::Text(text) => utf8_percent_encode(text, FORM).to_string().replace(' ', "+"),
        Value::Number(number) => number.to_string(),
    }
}

/// A JSON value, or what stands within its quotes when the template has put them there.
fn json(value: &Value, inside_quotes: bool) -> String {
    match value {
        Value::Number(number) => number.to_string(),
        Value::Text(text) => {
            let quoted = serde_json::Value::from(text.as_str()).to_string();
            if inside_quotes { quoted[1..quoted.len() - 1].to_owned() } else { quoted }
        }
    }
}

/// Whether a place in a JSON text is within a string.
#[derive(Default)]
struct Quotes {
    inside: bool,
    escaped: bool,
}

impl Quotes {
    fn pass(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                _ if self.escaped => self.escaped = false,
                '\\' if self.inside => self.escaped = true,
                '"' => self.inside = !self.inside,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::app;

    fn rendered(body_type: CallbackBodyType, template: &str) -> String {
        let mut event = app::event("http://app/");
        event.callback.body_type = body_type;
        event.callback.body = template.to_owned();
        event.callback.variables = vec![("x:var".to_owned(), "a \"b\" & c\\é".to_owned()), ("x:empty".to_owned(), String::new())];
        body(&event)
    }

    #[test]
    fn form_values_are_url_encoded_and_the_template_is_not() {
        for (template, expected) in [
            ("bucket=${bucket}&object=${object}", "bucket=photos&object=a%2Fb+%2B%E5%9B%BE.jpg"),
            ("etag=${etag}&size=${size}&mimeType=${mimeType}", "etag=D8E8FCA2DC0F896FD7CB4CB0031BA249&size=5&mimeType=image%2Fjpeg"),
            ("crc64=${crc64}&md5=${contentMd5}", "crc64=18446744073709551615&md5=2Oj8otwPiW%2FXy0ywAxuiSQ%3D%3D"),
            ("ip=${clientIp}&id=${reqId}&op=${operation}", "ip=2001%3Adb8%3A%3A1&id=5C3D9175B6FC201293AD&op=PutObject"),
            ("v=${x:var}", "v=a+%22b%22+%26+c%5C%C3%A9"),
            ("h=${imageInfo.height}&w=${imageInfo.width}&f=${imageInfo.format}&vpc=${vpcId}|", "h=&w=&f=&vpc=|"),
            ("none=${nothing}&x=${x:none}&e=${x:empty}&${}", "none=&x=&e=&"),
            ("constant é&=%", "constant é&=%"),
            ("${bucket", "${bucket"),
            ("$bucket {bucket} $${bucket}", "$bucket {bucket} $photos"),
            ("${bucket}${bucket}", "photosphotos"),
        ] {
            assert_eq!(rendered(CallbackBodyType::Form, template), expected, "{template}");
        }
    }

    #[test]
    fn json_values_bring_their_quotes_unless_the_template_has_them() {
        for (template, expected) in [
            (r#"{"bucket":${bucket},"size":${size}}"#, r#"{"bucket":"photos","size":5}"#),
            (r#"{"bucket":"${bucket}","size":"${size}"}"#, r#"{"bucket":"photos","size":"5"}"#),
            (r#"{"o":${object}}"#, r#"{"o":"a/b +图.jpg"}"#),
            (r#"{"v":${x:var},"w":"<${x:var}>"}"#, r#"{"v":"a \"b\" & c\\é","w":"<a \"b\" & c\\é>"}"#),
            (r#"{"a\"":${bucket},"b\\":"${bucket}"}"#, r#"{"a\"":"photos","b\\":"photos"}"#),
            (r#"{"crc":${crc64},"h":${imageInfo.height},"u":${unknown}}"#, r#"{"crc":"18446744073709551615","h":"","u":""}"#),
        ] {
            let body = rendered(CallbackBodyType::Json, template);
            assert_eq!(body, expected, "{template}");
            assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
        }
    }

    #[test]
    fn an_object_of_parts_has_no_md5() {
        let mut event = app::event("http://app/");
        event.callback.body = "${etag} ${contentMd5}|".to_owned();
        event.etag = ETag::Multipart { digest: [0xAB; 16], part_count: 3 };
        assert_eq!(body(&event), format!("{}-3 |", "AB".repeat(16)));
    }

    #[test]
    fn a_value_that_looks_like_a_variable_is_not_one() {
        let mut event = app::event("http://app/");
        event.callback.body_type = CallbackBodyType::Json;
        event.callback.body = r#""${x:a}${bucket}""#.to_owned();
        event.callback.variables = vec![("x:a".to_owned(), "\"${object}".to_owned())];
        assert_eq!(body(&event), r#""\"${object}photos""#);
    }
}
