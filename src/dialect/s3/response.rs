//! What every reply has in common, and headers that cannot be injected into.

use crate::{
    dialect::date,
    model::{ETag, Timestamp},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

pub(super) use crate::dialect::ReplyContext;

/// The namespace of S3's success documents.
pub(super) const NAMESPACE: &str = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

const REQUEST_ID_LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// x-amz-request-id: 16 upper-case letters and digits, 80 random bits.
pub(super) fn request_id(random: [u8; 16]) -> String {
    random.iter().map(|byte| char::from(REQUEST_ID_LETTERS[usize::from(byte % 32)])).collect()
}

/// A reply whose length is left to whoever sends it: HEAD errors, bytes that come from elsewhere.
pub(super) fn bodiless(status: StatusCode, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    set(headers, HeaderName::from_static("x-amz-request-id"), context.request_id);
    set(headers, HeaderName::from_static("x-amz-id-2"), context.host_id);
    set(headers, header::DATE, date::http_date(context.now));
    headers.insert(header::SERVER, HeaderValue::from_static("partway"));
    response
}

/// A reply without a body. 204 and 304 have no length (RFC 9110 §8.6), others have the length 0.
pub(super) fn empty(status: StatusCode, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = bodiless(status, context);
    if status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(0));
    }
    response
}

/// A reply with an XML document.
pub(super) fn document(status: StatusCode, document: String, context: &ReplyContext<'_>) -> Response<Bytes> {
    text(status, "application/xml", document, context)
}

/// A reply with a document of another type.
pub(super) fn text(status: StatusCode, content_type: &'static str, text: String, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = bodiless(status, context);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    *response.body_mut() = Bytes::from(text);
    response
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

/// ETag, in quotes.
pub(super) fn set_etag(headers: &mut HeaderMap, etag: &ETag) {
    set(headers, header::ETAG, quoted(etag));
}

/// Last-Modified.
pub(super) fn set_last_modified(headers: &mut HeaderMap, last_modified: Timestamp) {
    set(headers, header::LAST_MODIFIED, date::http_date(last_modified));
}

/// The ETag in quotes, as headers and most documents show it.
pub(super) fn quoted(etag: &ETag) -> String {
    format!("\"{etag}\"")
}
