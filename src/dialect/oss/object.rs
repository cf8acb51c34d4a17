//! Single objects: reading, writing, appending, symbolic links, access control; and where an object is found.

use super::{
    callback, conditions, error, headers, listing,
    query::Query,
    range,
    response::{self, ReplyContext, set},
    route,
};
use crate::{
    dialect::{
        address,
        error::ErrorReply,
        percent::{self, Plus},
        storage_class,
    },
    model::{
        Acl, AppendObject, Caller, ETag, ObjectKey, ObjectRead, ObjectRef, ObjectType, PutObject, PutSymlink, ReadObject, Selected,
        Selection, Timestamp, UserMetadata,
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header, request::Parts};

/// How GET and HEAD are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadReply {
    /// GetObjectMeta: only what tells whether the object is still the same.
    is_meta: bool,
    /// `response-…` parameters.
    overrides: Vec<(HeaderName, HeaderValue)>,
}

/// What `response-…` parameters replace.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", header::CACHE_CONTROL),
    ("response-content-disposition", header::CONTENT_DISPOSITION),
    ("response-content-encoding", header::CONTENT_ENCODING),
    ("response-content-language", header::CONTENT_LANGUAGE),
    ("response-content-type", header::CONTENT_TYPE),
    ("response-expires", header::EXPIRES),
];

/// What OSS says about objects whose writer did not name a type.
const CONTENT_TYPE_DEFAULT: &str = "application/octet-stream";

const SYMLINK_TARGET: HeaderName = HeaderName::from_static("x-oss-symlink-target");

/// Decodes GetObject and HeadObject.
///
/// # Errors
/// `InvalidRequest` for anonymous overrides, `InvalidArgument` for ones that cannot be headers.
pub(super) fn decode_read(
    object: ObjectRef,
    headers: &HeaderMap,
    query: &Query,
    caller: &Caller,
    now: Timestamp,
) -> Result<(ReadObject, ReadReply), ErrorReply> {
    let reply = ReadReply { is_meta: false, overrides: overrides(query, caller)? };
    Ok((ReadObject { object, selection: range::selection(headers), conditions: conditions::of_read(headers, now) }, reply))
}

/// Decodes GetObjectMeta, which is about the whole object.
pub(super) fn decode_meta(object: ObjectRef, headers: &HeaderMap, now: Timestamp) -> (ReadObject, ReadReply) {
    let read = ReadObject { object, selection: Selection::Whole, conditions: conditions::of_read(headers, now) };
    (read, ReadReply { is_meta: true, overrides: Vec::new() })
}

fn overrides(query: &Query, caller: &Caller) -> Result<Vec<(HeaderName, HeaderValue)>, ErrorReply> {
    let mut overrides = Vec::new();
    for (parameter, header) in OVERRIDES {
        let Some(value) = query.first(parameter) else { continue };
        if matches!(caller, Caller::Anonymous) {
            let message = "Request specific response headers cannot be used for anonymous GET requests.";
            return Err(error::invalid_request(message));
        }
        let value = HeaderValue::from_bytes(value.as_bytes())
            .map_err(|_| error::invalid_argument("This value cannot be a header.", parameter, value.escape_default()))?;
        overrides.push((header, value));
    }
    Ok(overrides)
}

/// Decodes PutObject.
///
/// # Errors
/// `MissingContentLength`, `InvalidDigest`, `InvalidArgument` and `NotImplemented` for headers that cannot be honoured.
pub(super) fn decode_put(object: ObjectRef, headers: &HeaderMap, query: &Query) -> Result<PutObject, ErrorReply> {
    Ok(PutObject {
        object,
        attributes: headers::attributes(headers)?,
        conditions: conditions::of_write(headers)?,
        claims: headers::body_claims(headers)?,
        callback: callback::parse(headers, query)?,
    })
}

/// Decodes AppendObject.
///
/// # Errors
/// As [`decode_put`]; `InvalidArgument` for a position that is no number.
pub(super) fn decode_append(object: ObjectRef, headers: &HeaderMap, query: &Query) -> Result<AppendObject, ErrorReply> {
    conditions::refuse(headers)?;
    let text = query.first("position").ok_or_else(error::missing_argument)?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let position = if is_number { text.parse().ok() } else { None };
    let position = position.ok_or_else(|| error::invalid_argument("Append position must be non-negative integer.", "position", text))?;
    Ok(AppendObject { object, position, attributes: headers::attributes(headers)?, claims: headers::body_claims(headers)? })
}

/// Decodes PutSymlink. The target comes encoded or, from the second Python SDK, as it is: what does not decode is taken so.
///
/// # Errors
/// `MissingArgument` without a target, `InvalidArgument` for one that can be no key.
pub(super) fn decode_symlink(object: ObjectRef, headers: &HeaderMap) -> Result<PutSymlink, ErrorReply> {
    let sent = headers::text(headers, SYMLINK_TARGET.as_str()).filter(|text| !text.is_empty()).ok_or_else(error::missing_argument)?;
    let target = percent::decode(&sent, Plus::Literal).unwrap_or_else(|| sent.clone());
    let target = route::object_key(&target)
        .map_err(|_| error::invalid_argument("The symlink target you specified is invalid.", "x-oss-symlink-target", &sent))?;
    Ok(PutSymlink { object, target, attributes: headers::attributes(headers)?, conditions: conditions::of_write(headers)? })
}

/// Decodes PutObjectACL; `None` is the bucket's.
///
/// # Errors
/// `MissingArgument` without an ACL, `InvalidArgument` for a word that is none.
pub(super) fn decode_acl(headers: &HeaderMap) -> Result<Option<Acl>, ErrorReply> {
    headers::object_acl(headers)?.ok_or_else(error::missing_argument)
}

/// Encodes the answer to bytes that were stored: ETag, Content-MD5 and CRC, by which clients check what arrived.
pub(super) fn encode_stored(etag: &ETag, crc64_ecma: u64, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::empty(StatusCode::OK, context);
    set_stored(response.headers_mut(), etag, crc64_ecma);
    response
}

/// What [`encode_stored`] says about the bytes.
pub(super) fn set_stored(headers: &mut HeaderMap, etag: &ETag, crc64_ecma: u64) {
    response::set_etag(headers, etag);
    set_content_md5(headers, etag);
    response::set_crc64(headers, crc64_ecma);
}

fn set_content_md5(headers: &mut HeaderMap, etag: &ETag) {
    match etag {
        ETag::Whole(md5) => {
            set(headers, HeaderName::from_static("content-md5"), STANDARD.encode(md5));
        }
        ETag::Multipart { .. } => {}
    }
}

/// Encodes AppendObject's answer. Its ETag is not the content's MD5.
pub(super) fn encode_append(etag: &ETag, next_position: u64, crc64_ecma: u64, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::empty(StatusCode::OK, context);
    let headers = response.headers_mut();
    response::set_etag(headers, etag);
    response::set_crc64(headers, crc64_ecma);
    headers.insert("x-oss-next-append-position", HeaderValue::from(next_position));
    response
}

/// Encodes the answer to a link that was written.
pub(super) fn encode_link_written(etag: &ETag, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::empty(StatusCode::OK, context);
    response::set_etag(response.headers_mut(), etag);
    response
}

/// Encodes a link that was looked at: the target is percent-encoded, for it may hold what no header may.
pub(super) fn encode_symlink(target: &ObjectKey, etag: &ETag, last_modified: Timestamp, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::empty(StatusCode::OK, context);
    let headers = response.headers_mut();
    set(headers, SYMLINK_TARGET, percent::encode_path(target.as_str()));
    response::set_etag(headers, etag);
    response::set_last_modified(headers, last_modified);
    response
}

/// Encodes GetObject and HeadObject: a head with the length of the bytes that follow, or would.
pub(super) fn encode_read(reply: &ReadReply, read: &ObjectRead, context: &ReplyContext<'_>) -> Response<Bytes> {
    let (size, content_range) = match &read.selected {
        Selected::Whole => (read.size, None),
        Selected::Range(range) | Selected::Part { range, .. } => (range.end.saturating_sub(range.start), Some(*range)),
    };
    // A range without bytes has no first and last.
    let content_range = content_range.filter(|_| size > 0);
    let status = if content_range.is_some() { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut response = response::bodiless(status, context);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size));
    response::set_etag(headers, &read.etag);
    response::set_last_modified(headers, read.last_modified);
    response::set_crc64(headers, read.crc64_ecma);
    if reply.is_meta {
        return response;
    }
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    match content_range {
        Some(range) => {
            set(headers, header::CONTENT_RANGE, format!("bytes {}-{}/{}", range.start, range.end.saturating_sub(1), read.size));
        }
        // Only an object written in one piece has its MD5 for an ETag.
        None if read.object_type == ObjectType::Normal => set_content_md5(headers, &read.etag),
        None => {}
    }
    set_attributes(headers, read);
    for (name, value) in &reply.overrides {
        headers.insert(name, value.clone());
    }
    response
}

fn set_attributes(headers: &mut HeaderMap, read: &ObjectRead) {
    let system = &read.attributes.headers;
    let content_type = system.content_type.as_deref().unwrap_or(CONTENT_TYPE_DEFAULT);
    let class = storage_class::in_oss(system.storage_class.as_deref());
    for (name, value) in [
        (header::CONTENT_TYPE, Some(content_type)),
        (header::CACHE_CONTROL, system.cache_control.as_deref()),
        (header::CONTENT_DISPOSITION, system.content_disposition.as_deref()),
        (header::CONTENT_ENCODING, system.content_encoding.as_deref()),
        (header::CONTENT_LANGUAGE, system.content_language.as_deref()),
        (header::EXPIRES, system.expires.as_deref()),
        (HeaderName::from_static("x-oss-object-type"), Some(listing::object_type(read.object_type))),
        (HeaderName::from_static("x-oss-storage-class"), Some(class)),
    ] {
        if let Some(value) = value {
            set(headers, name, value);
        }
    }
    match read.object_type {
        ObjectType::Appendable => {
            headers.insert("x-oss-next-append-position", HeaderValue::from(read.size));
        }
        ObjectType::Normal | ObjectType::Multipart | ObjectType::Symlink => {}
    }
    let tag_count = read.attributes.tags.0.len();
    if tag_count > 0 {
        headers.insert("x-oss-tagging-count", HeaderValue::from(tag_count));
    }
    set_user_metadata(headers, &read.attributes.user);
}

/// Values are returned as the bytes sent. What cannot be a header, which only S3 clients can store, is left out.
fn set_user_metadata(headers: &mut HeaderMap, metadata: &UserMetadata) {
    for (name, value) in &metadata.0 {
        if let Ok(name) = HeaderName::try_from(format!("x-oss-meta-{name}")) {
            set(headers, name, value);
        }
    }
}

/// The object's URL as this client would write it. Behind a proxy that ends TLS the scheme is the one it reports.
pub(super) fn location(parts: &Parts, object: &ObjectRef, virtual_hosted: bool) -> String {
    address::url(parts, &object.bucket, &percent::encode(object.key.as_str()), virtual_hosted)
}
