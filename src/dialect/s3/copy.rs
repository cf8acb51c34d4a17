//! CopyObject and UploadPartCopy: where from, and what the copy takes over.

use super::{
    checksum, conditions,
    error::ErrorReply,
    headers,
    response::{NAMESPACE, quoted},
    tagging, unsupported,
};
use crate::{
    dialect::{
        date::iso8601,
        percent::{self, Plus},
        xml::Writer,
    },
    model::{Bucket, Checksum, CopyObject, Directive, ETag, ObjectChecksum, ObjectKey, ObjectRef, SystemHeaders, Timestamp},
};
use http::HeaderMap;

/// What `x-amz-copy-source` names.
pub(super) struct CopySource {
    pub(super) object: ObjectRef,
}

impl CopySource {
    /// Reads `bucket/key`, percent-encoded, with or without a leading slash, with or without `?versionId=null`.
    ///
    /// A plus stands for a space, as at AWS: s5cmd writes spaces so, and clients that mean a plus send `%2B`.
    ///
    /// # Errors
    /// `InvalidArgument`, `KeyTooLongError`.
    pub(super) fn parse(headers: &HeaderMap) -> Result<Self, ErrorReply> {
        const NAME: &str = "x-amz-copy-source";
        let text = headers::text(headers, NAME).unwrap_or_default();
        let invalid = |message: &'static str| ErrorReply::invalid_argument(message, NAME, &text);
        let (path, version) = match text.split_once("?versionId=") {
            Some((path, version)) => (path, Some(version)),
            None => (text.as_str(), None),
        };
        if let Some(version) = version.filter(|version| *version != "null") {
            return Err(ErrorReply::invalid_version_id("versionId", version));
        }
        let path = percent::decode(path, Plus::Space).ok_or_else(|| invalid("Invalid copy source encoding."))?;
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path
            .split_once('/')
            .filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
            .ok_or_else(|| invalid("Copy Source must mention the source bucket and key: sourcebucket/sourcekey"))?;
        let bucket = Bucket::new(bucket).ok_or_else(|| invalid("Invalid copy source bucket name"))?;
        let key = ObjectKey::new(key).ok_or_else(|| ErrorReply::key_too_long(key.len()))?;
        Ok(Self { object: ObjectRef { bucket, key } })
    }
}

/// Decodes CopyObject.
///
/// # Errors
/// A source that is none, directives that are none, and what PutObject refuses.
pub(super) fn decode(headers: &HeaderMap, target: ObjectRef, now: Timestamp) -> Result<CopyObject, ErrorReply> {
    let storage_class = unsupported::storage_class(headers)?;
    let metadata = if replaces(headers, "x-amz-metadata-directive", "Unknown metadata directive.")? {
        // The class is a field of its own: it never comes from the source.
        let system = SystemHeaders { storage_class: None, ..headers::system_headers(headers)? };
        Directive::Replace((system, headers::user_metadata(headers)?))
    } else {
        Directive::Copy
    };
    let tags = if replaces(headers, "x-amz-tagging-directive", "Unknown tagging directive.")? {
        let text = headers::text(headers, "x-amz-tagging").unwrap_or_default();
        Directive::Replace(tagging::parse_header(&text)?)
    } else {
        Directive::Copy
    };
    Ok(CopyObject {
        source: CopySource::parse(headers)?.object,
        source_conditions: conditions::of_source(headers, now),
        target,
        conditions: conditions::of_write(headers)?,
        metadata,
        tags,
        storage_class,
        acl: headers::canned_acl(headers),
        checksum_algorithm: checksum::checksum_algorithm(headers)?,
    })
}

fn replaces(headers: &HeaderMap, name: &'static str, unknown: &'static str) -> Result<bool, ErrorReply> {
    match headers::text(headers, name).as_deref() {
        None | Some("COPY") => Ok(false),
        Some("REPLACE") => Ok(true),
        Some(other) => Err(ErrorReply::invalid_argument(unknown, name, other)),
    }
}

/// `<CopyObjectResult>`.
pub(super) fn object_document(etag: &ETag, last_modified: Timestamp, checksum: Option<&ObjectChecksum>) -> String {
    Writer::document("CopyObjectResult", NAMESPACE, |w| {
        w.leaf("LastModified", iso8601(last_modified));
        w.leaf("ETag", quoted(etag));
        if let Some(checksum) = checksum {
            checksum::write_object(w, checksum);
        }
    })
}

/// `<CopyPartResult>`.
pub(super) fn part_document(etag: &ETag, last_modified: Timestamp, checksum: Option<&Checksum>) -> String {
    Writer::document("CopyPartResult", NAMESPACE, |w| {
        w.leaf("LastModified", iso8601(last_modified));
        w.leaf("ETag", quoted(etag));
        if let Some(checksum) = checksum {
            checksum::write_value(w, checksum);
        }
    })
}
