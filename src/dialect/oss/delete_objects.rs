//! DeleteMultipleObjects (OSS API Reference, the page of that name).

use super::{
    error, failure,
    listing::shown,
    query::Query,
    response::{self, ReplyContext},
    route,
};
use crate::{
    dialect::{
        error::ErrorReply,
        xml::{Element, Writer},
    },
    model::{Bucket, DeleteObjects, Failure, ObjectKey},
};
use bytes::Bytes;
use http::{Response, StatusCode};
use std::collections::HashSet;

/// Most keys of one request.
const KEY_COUNT_MAX: usize = 1000;

/// What DeleteMultipleObjects shows beyond its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteReply {
    /// Nothing but what went wrong.
    quiet: bool,
    encodes_url: bool,
    /// Keys deleted as their version `null`, which the answer repeats.
    null_versions: HashSet<ObjectKey>,
}

/// Decodes the document.
///
/// # Errors
/// `MalformedXML`, `InvalidObjectName`, `InvalidArgument` for versions: nothing is deleted then.
pub(super) fn decode(bucket: Bucket, query: &Query, document: &[u8]) -> Result<(DeleteObjects, DeleteReply), ErrorReply> {
    let root = Element::parse(document).map_err(|_| error::malformed_xml())?;
    let count = root.children_named("Object").count();
    if root.name() != "Delete" || count == 0 || count > KEY_COUNT_MAX {
        return Err(error::malformed_xml());
    }
    let quiet = match root.child_text("Quiet").map(str::trim) {
        None | Some("") => false,
        Some(word) if word.eq_ignore_ascii_case("true") => true,
        Some(word) if word.eq_ignore_ascii_case("false") => false,
        Some(_) => return Err(error::malformed_xml()),
    };
    let mut reply = DeleteReply { quiet, encodes_url: query.encodes_url()?, null_versions: HashSet::new() };
    let mut objects = Vec::with_capacity(count);
    for object in root.children_named("Object") {
        let key = route::object_key(object.child_text("Key").ok_or_else(error::malformed_xml)?)?;
        if let Some(version) = object.child_text("VersionId").map(str::trim).filter(|version| !version.is_empty()) {
            route::check_version(version)?;
            reply.null_versions.insert(key.clone());
        }
        objects.push((key, None));
    }
    Ok((DeleteObjects { bucket, objects }, reply))
}

/// `<DeleteResult>`, or nothing at all when that was asked for. OSS documents no way to tell of a key that could not be deleted;
/// it is told as S3 tells it, so that a person who looks can see it, and is not among the deleted ones for clients that count.
pub(super) fn encode(reply: &DeleteReply, results: &[(ObjectKey, Result<(), Failure>)], context: &ReplyContext<'_>) -> Response<Bytes> {
    if reply.quiet && results.iter().all(|(_, result)| result.is_ok()) {
        return response::empty(StatusCode::OK, context);
    }
    let document = Writer::document("DeleteResult", "", |w| {
        w.leaf_if("EncodingType", reply.encodes_url.then_some("url"));
        for (key, result) in results {
            let shown_key = shown(key.as_str(), reply.encodes_url);
            match result {
                Ok(()) if reply.quiet => {}
                Ok(()) => w.element("Deleted", |w| {
                    w.leaf("Key", shown_key);
                    w.leaf_if("VersionId", reply.null_versions.contains(key).then_some("null"));
                }),
                Err(failure) => {
                    let error = failure::reply(failure);
                    w.element("Error", |w| {
                        w.leaf("Key", shown_key);
                        w.leaf("Code", error.code);
                        w.leaf("Message", &error.message);
                    });
                }
            }
        }
    });
    response::document(StatusCode::OK, document, context)
}
