//! What the replies of both dialects have in common: lengths, and headers that cannot be injected into.

use super::date;
use crate::model::Timestamp;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

/// Makes a head a reply without a body. 204 and 304 have no length (RFC 9110 §8.6), others have the length 0.
pub(super) fn empty(mut head: Response<Bytes>) -> Response<Bytes> {
    if ![StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status()) {
        head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    }
    head
}

/// Makes a head a reply with a document.
pub(super) fn text(mut head: Response<Bytes>, content_type: &'static str, text: String) -> Response<Bytes> {
    head.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    *head.body_mut() = Bytes::from(text);
    head
}

/// Sets a header and tells whether the value could be one: line breaks and other control characters
/// cannot, so nothing that was stored can add headers of its own.
pub(super) fn set(headers: &mut HeaderMap, name: HeaderName, value: impl AsRef<[u8]>) -> bool {
    match HeaderValue::from_bytes(value.as_ref()) {
        Ok(value) => {
            headers.insert(name, value);
            true
        }
        Err(_) => false,
    }
}

/// Last-Modified.
pub(super) fn set_last_modified(headers: &mut HeaderMap, last_modified: Timestamp) {
    set(headers, header::LAST_MODIFIED, date::http_date(last_modified));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_becomes_a_header_of_its_own() {
        let mut headers = HeaderMap::new();
        assert!(!set(&mut headers, header::ETAG, "a\r\nx: y") && headers.is_empty());
        assert!(set(&mut headers, header::ETAG, "ü"));
    }

    #[test]
    fn what_has_a_body_has_its_length_and_what_can_have_none_has_no_length() {
        let length = |reply: &Response<Bytes>| reply.headers().get("content-length").cloned();
        assert_eq!(length(&text(Response::default(), "application/xml", "ü".to_owned())), Some(HeaderValue::from(2)));
        assert_eq!(length(&empty(Response::default())), Some(HeaderValue::from(0)));
        for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
            let mut head = Response::default();
            *head.status_mut() = status;
            assert_eq!(length(&empty(head)), None);
        }
    }
}
