//! DeleteObjects (S3 API Reference, "DeleteObjects").

use super::{
    conditions::listed,
    error::ErrorReply,
    failure,
    response::{self, NAMESPACE, ReplyContext},
};
use crate::{
    dialect::xml::{Element, Writer},
    model::{Bucket, DeleteObjects, Failure, ObjectKey},
};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::collections::HashSet;

/// Most keys of one request.
const KEY_COUNT_MAX: usize = 1000;

/// What DeleteObjects shows beyond its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteReply {
    /// Only errors.
    quiet: bool,
    /// Keys deleted as their version `null`, which the answer repeats.
    null_versions: HashSet<ObjectKey>,
    /// Keys with a version that cannot exist: these are not deleted.
    refused: Vec<(ObjectKey, String)>,
}

/// Decodes the document.
///
/// # Errors
/// `MissingRequestBodyError`, `MalformedXML`, `KeyTooLongError`, `NotImplemented` for conditions other than ETags.
pub(super) fn decode(bucket: Bucket, document: &[u8]) -> Result<(DeleteObjects, DeleteReply), ErrorReply> {
    if document.is_empty() {
        return Err(ErrorReply::missing_body());
    }
    let root = Element::parse(document).map_err(|_| ErrorReply::malformed_xml())?;
    let count = root.children_named("Object").count();
    if root.name() != "Delete" || count == 0 || count > KEY_COUNT_MAX {
        return Err(ErrorReply::malformed_xml());
    }
    let quiet = match root.child_text("Quiet").map(str::trim) {
        None | Some("false" | "0" | "") => false,
        Some("true" | "1") => true,
        Some(other) if other.eq_ignore_ascii_case("true") => true,
        Some(other) if other.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(ErrorReply::malformed_xml()),
    };
    let mut reply = DeleteReply { quiet, null_versions: HashSet::new(), refused: Vec::new() };
    let mut objects = Vec::with_capacity(count);
    for object in root.children_named("Object") {
        let key = object.child_text("Key").filter(|key| !key.is_empty()).ok_or_else(ErrorReply::malformed_xml)?;
        let key = ObjectKey::new(key).ok_or_else(|| ErrorReply::key_too_long(key.len()))?;
        if let Some(condition) = ["LastModifiedTime", "Size"].into_iter().find(|name| object.child(name).is_some()) {
            return Err(ErrorReply::not_implemented(&format!("{condition} is not implemented as a condition of a delete")));
        }
        match object.child_text("VersionId").map(str::trim) {
            None | Some("") => {}
            Some("null") => {
                reply.null_versions.insert(key.clone());
            }
            Some(other) => {
                reply.refused.push((key, other.to_owned()));
                continue;
            }
        }
        objects.push((key, object.child_text("ETag").map(listed)));
    }
    Ok((DeleteObjects { bucket, objects }, reply))
}

/// `<DeleteResult>`.
pub(super) fn encode(reply: &DeleteReply, results: &[(ObjectKey, Result<(), Failure>)], context: &ReplyContext<'_>) -> Response<Bytes> {
    let document = Writer::document("DeleteResult", NAMESPACE, |w| {
        for (key, result) in results {
            let version = reply.null_versions.contains(key).then_some("null");
            match result {
                Ok(()) if reply.quiet => {}
                Ok(()) => w.element("Deleted", |w| {
                    w.leaf("Key", key);
                    w.leaf_if("VersionId", version);
                }),
                Err(failure) => write_error(w, key, version, &failure::reply(failure, "")),
            }
        }
        for (key, version) in &reply.refused {
            write_error(w, key, Some(version), &ErrorReply::invalid_version_id("versionId", version));
        }
    });
    response::document(StatusCode::OK, document, context)
}

fn write_error(w: &mut Writer, key: &ObjectKey, version: Option<&str>, error: &ErrorReply) {
    w.element("Error", |w| {
        w.leaf("Key", key);
        w.leaf_if("VersionId", version);
        w.leaf("Code", error.code);
        w.leaf("Message", &error.message);
    });
}
