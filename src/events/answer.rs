//! What counts as an answer of the application (OSS "Callback", what the application server has to return).

use super::Undelivered;
use crate::model::CallbackReply;
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use quick_xml::{Reader, events::Event};

/// An answer is handed on to the client; a longer one is not read. Bytes.
pub(super) const ANSWER_SIZE_MAX: u64 = 1 << 20;

const JSON: &str = "application/json";

/// Reads an answer to its end.
///
/// # Errors
/// What is wrong with it.
pub(super) async fn read(response: Response<Incoming>) -> Result<CallbackReply, Undelivered> {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(Undelivered::Status(head.status.as_u16()));
    }
    let size = size(&head.headers).ok_or(Undelivered::NoContentLength)?;
    if size > ANSWER_SIZE_MAX {
        return Err(Undelivered::TooLong);
    }
    let limit = usize::try_from(ANSWER_SIZE_MAX).unwrap_or(usize::MAX);
    let body = Limited::new(body, limit).collect().await.map_err(|_| Undelivered::NoConnection)?.to_bytes();
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or(JSON);
    if !is_sound(content_type, &body) {
        return Err(Undelivered::NotJson);
    }
    Ok(CallbackReply { content_type: content_type.to_owned(), body: body.to_vec() })
}

/// The one length that the head declares.
fn size(headers: &HeaderMap) -> Option<u64> {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return None;
    }
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a body is what its type says.
pub(super) fn is_sound(content_type: &str, body: &[u8]) -> bool {
    if is_xml(content_type) { is_well_formed(body) } else { is_json(body) }
}

fn is_xml(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/xml") || essence.eq_ignore_ascii_case("text/xml")
}

/// Nothing is built from it, so its depth costs nothing.
fn is_json(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// One element with everything in it closed, and nothing but white space around it.
fn is_well_formed(body: &[u8]) -> bool {
    let mut reader = Reader::from_reader(body);
    let (mut depth, mut root_count) = (0_usize, 0_usize);
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => {
                root_count += usize::from(depth == 0);
                depth += 1;
            }
            Ok(Event::Empty(_)) => root_count += usize::from(depth == 0),
            Ok(Event::End(_)) => depth = depth.saturating_sub(1),
            Ok(Event::Text(text)) if depth == 0 && !text.as_ref().trim_ascii().is_empty() => return false,
            Ok(Event::CData(_) | Event::GeneralRef(_)) if depth == 0 => return false,
            Ok(Event::DocType(_)) | Err(_) => return false,
            Ok(Event::Eof) => return depth == 0 && root_count == 1,
            Ok(Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_)) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_xml_are_told_apart_and_checked() {
        for (text, json, xml) in [
            ("{\"Status\":\"OK\"}", true, false),
            ("\"ok\"", true, false),
            (" [1, {}] ", true, false),
            ("", false, false),
            ("OK", false, false),
            ("{\"a\":1} x", false, false),
            ("{", false, false),
            ("<?xml version=\"1.0\"?>\n<a><b x=\"1\"/>t&amp;<!-- c --></a>\n", false, true),
            ("<a/>", false, true),
            ("<a></b>", false, false),
            ("<a>", false, false),
            ("<a/><b/>", false, false),
            ("<a/>x", false, false),
            ("<!DOCTYPE a><a/>", false, false),
        ] {
            assert_eq!(is_json(text.as_bytes()), json, "{text}");
            assert_eq!(is_well_formed(text.as_bytes()), xml, "{text}");
        }
        assert!(!is_json(b"\"\xFF\""));
        assert!(is_json(&[&vec![b'['; 100_000][..], &vec![b']'; 100_000][..]].concat()), "depth is no matter");
        for (content_type, expected) in [
            ("application/xml", true),
            ("Application/XML; charset=utf-8", true),
            ("text/xml", true),
            ("application/json", false),
            ("", false),
        ] {
            assert_eq!(is_xml(content_type), expected, "{content_type}");
        }
    }
}
