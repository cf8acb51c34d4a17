//! CopyObject and UploadPartCopy: where from, and what the copy takes over.

use super::{
    conditions, error, headers,
    response::{self, ReplyContext, iso8601, quoted},
    route, tagging,
};
use crate::{
    dialect::{
        error::ErrorReply,
        percent::{self, Plus},
        xml::Writer,
    },
    model::{CopyObject, Directive, ETag, ObjectRef, Timestamp},
};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};

/// What `x-oss-copy-source` names: `/bucket/key`, percent-encoded, with or without `?versionId=null`.
///
/// # Errors
/// `InvalidArgument`; `InvalidBucketName` and `InvalidObjectName` for names that cannot be any.
pub(super) fn source(headers: &HeaderMap) -> Result<ObjectRef, ErrorReply> {
    const NAME: &str = "x-oss-copy-source";
    let text = headers::text(headers, NAME).unwrap_or_default();
    let (path, version) = match text.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (text.as_str(), None),
    };
    version.map_or(Ok(()), route::check_version)?;
    let malformed = || {
        let message = "Copy Source must mention the source bucket and key: /sourcebucket/sourcekey.";
        error::invalid_argument(message, NAME, &text)
    };
    let path = percent::decode(path, Plus::Literal).ok_or_else(malformed)?;
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (bucket, key) = path.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty()).ok_or_else(malformed)?;
    Ok(ObjectRef { bucket: route::bucket(bucket)?, key: route::object_key(key)? })
}

/// Decodes CopyObject. A copy of an object onto itself is a way to write its metadata, whatever the directive says.
///
/// # Errors
/// A source that is none, directives that are none, and what PutObject refuses.
pub(super) fn decode(headers: &HeaderMap, target: ObjectRef, now: Timestamp) -> Result<CopyObject, ErrorReply> {
    let source = source(headers)?;
    let replaces_metadata = replaces(headers, "x-oss-metadata-directive")? || source == target;
    let metadata = if replaces_metadata {
        Directive::Replace((headers::system_headers(headers), headers::user_metadata(headers)?))
    } else {
        Directive::Copy
    };
    let tags = if replaces(headers, "x-oss-tagging-directive")? {
        let text = headers::text(headers, "x-oss-tagging").unwrap_or_default();
        Directive::Replace(tagging::parse_header(&text)?)
    } else {
        Directive::Copy
    };
    Ok(CopyObject {
        source,
        source_conditions: conditions::of_source(headers, now),
        target,
        conditions: conditions::of_copy(headers)?,
        metadata,
        tags,
        storage_class: headers::storage_class(headers)?,
        acl: headers::object_acl(headers)?.flatten(),
        checksum_algorithm: None,
    })
}

fn replaces(headers: &HeaderMap, name: &'static str) -> Result<bool, ErrorReply> {
    match headers::text(headers, name) {
        None => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("COPY") => Ok(false),
        Some(word) if word.eq_ignore_ascii_case("REPLACE") => Ok(true),
        Some(other) => Err(error::invalid_argument("The directive must be COPY or REPLACE.", name, other)),
    }
}

/// `<CopyObjectResult>`.
pub(super) fn encode_object(etag: &ETag, last_modified: Timestamp, crc64_ecma: u64, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("CopyObjectResult", "", |w| {
        w.leaf("ETag", quoted(etag));
        w.leaf("LastModified", iso8601(last_modified));
    });
    answer(document, etag, crc64_ecma, context)
}

/// `<CopyPartResult>`.
pub(super) fn encode_part(etag: &ETag, last_modified: Timestamp, crc64_ecma: u64, context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("CopyPartResult", "", |w| {
        w.leaf("LastModified", iso8601(last_modified));
        w.leaf("ETag", quoted(etag));
    });
    answer(document, etag, crc64_ecma, context)
}

fn answer(document: String, etag: &ETag, crc64_ecma: u64, context: &ReplyContext<'_>) -> Response<Bytes> {
    let mut response = response::document(StatusCode::OK, document, context);
    response::set_etag(response.headers_mut(), etag);
    response::set_crc64(response.headers_mut(), crc64_ecma);
    response
}
