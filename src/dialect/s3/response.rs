//! What every reply has in common, and headers that cannot be injected into.

use crate::{
    dialect::{date, reply},
    model::ETag,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

pub(super) use crate::dialect::{
    ReplyContext,
    reply::{set, set_last_modified},
};

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

/// A reply without a body.
pub(super) fn empty(status: StatusCode, context: &ReplyContext<'_>) -> Response<Bytes> {
    reply::empty(bodiless(status, context))
}

/// A reply with an XML document.
pub(super) fn document(status: StatusCode, document: String, context: &ReplyContext<'_>) -> Response<Bytes> {
    text(status, "application/xml", document, context)
}

/// A reply with a document of another type.
pub(super) fn text(status: StatusCode, content_type: &'static str, text: String, context: &ReplyContext<'_>) -> Response<Bytes> {
    reply::text(bodiless(status, context), content_type, text)
}

/// ETag, in quotes.
pub(super) fn set_etag(headers: &mut HeaderMap, etag: &ETag) {
    set(headers, header::ETAG, quoted(etag));
}

/// The ETag in quotes, as headers and most documents show it.
pub(super) fn quoted(etag: &ETag) -> String {
    format!("\"{etag}\"")
}
