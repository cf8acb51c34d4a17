//! Headers that ask for what is not there. They are refused: a client that asked for encryption or
//! a lock must never believe it got them.

use super::{
    action::{Action, BucketAction, ObjectAction},
    error::ErrorReply,
    headers,
};
use crate::model::Acl;
use http::HeaderMap;

/// Names (or, with a final dash, prefixes of names) that no operation honours.
const REFUSED: &[&str] = &[
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-",
    "x-amz-copy-source-server-side-encryption-",
    "x-amz-object-lock-",
    "x-amz-write-offset-bytes",
    "x-amz-rename-source",
    "x-amz-if-match-last-modified-time",
    "x-amz-if-match-size",
    "x-amz-if-match-initiated-time",
];

/// Storage classes that are kept and returned as a label; every one of them reads at once, as ours do.
const STORAGE_CLASSES: &[&str] = &["STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"];
/// Storage classes that promise what we have not: archives to be restored, or places of their own.
const STORAGE_CLASSES_REFUSED: &[&str] = &["GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"];

/// # Errors
/// `NotImplemented`, `AccessControlListNotSupported`, `InvalidStorageClass`.
pub(super) fn refuse(headers: &HeaderMap, action: &Action) -> Result<(), ErrorReply> {
    for name in headers.keys() {
        let name = name.as_str();
        if REFUSED.iter().any(|refused| name == *refused || (refused.ends_with('-') && name.starts_with(refused))) {
            return Err(ErrorReply::header_not_implemented(name, "This header is not implemented"));
        }
    }
    let flag = |name| headers::text(headers, name).is_some_and(|value| !value.eq_ignore_ascii_case("false"));
    if flag("x-amz-bucket-object-lock-enabled") {
        return Err(ErrorReply::header_not_implemented("x-amz-bucket-object-lock-enabled", "Object lock is not implemented"));
    }
    if headers::text(headers, "x-amz-bucket-namespace").is_some_and(|value| value != "global") {
        return Err(ErrorReply::header_not_implemented("x-amz-bucket-namespace", "All buckets share one namespace"));
    }
    if headers::text(headers, "x-amz-object-ownership").is_some_and(|value| value != "BucketOwnerEnforced") {
        let additional = "Every bucket's ownership is BucketOwnerEnforced";
        return Err(ErrorReply::header_not_implemented("x-amz-object-ownership", additional));
    }
    access_control(headers, action)?;
    storage_class(headers).map(drop)
}

/// Of the access control lists those that have a name and open to everybody or to nobody: others name other accounts, and
/// who those may be is a policy's matter.
fn access_control(headers: &HeaderMap, action: &Action) -> Result<(), ErrorReply> {
    let canned = headers::text(headers, "x-amz-acl");
    let grants = headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"));
    let is_known = |word: &str| Acl::parse(word).is_some() || word == "bucket-owner-full-control";
    if let Action::Bucket(_, BucketAction::PutAcl) | Action::Object(_, ObjectAction::PutAcl) = action {
        let has_document = headers::text(headers, "content-length").is_some_and(|length| length.trim() != "0")
            || headers.contains_key(http::header::TRANSFER_ENCODING);
        if !canned.as_deref().is_some_and(is_known) || grants || has_document {
            let additional = "An access control list is private, public-read or public-read-write";
            return Err(ErrorReply::header_not_implemented("x-amz-acl", additional));
        }
        return Ok(());
    }
    if canned.as_deref().is_none_or(is_known) && !grants {
        return Ok(());
    }
    Err(ErrorReply::bad_request("AccessControlListNotSupported", "The bucket does not allow ACLs"))
}

/// The storage class to keep; `None` for STANDARD.
///
/// # Errors
/// `InvalidStorageClass`; `NotImplemented` for archives.
pub(super) fn storage_class(headers: &HeaderMap) -> Result<Option<String>, ErrorReply> {
    match headers::text(headers, "x-amz-storage-class") {
        None => Ok(None),
        Some(class) if class == "STANDARD" => Ok(None),
        Some(class) if STORAGE_CLASSES.contains(&class.as_str()) => Ok(Some(class)),
        Some(class) if STORAGE_CLASSES_REFUSED.contains(&class.as_str()) => {
            Err(ErrorReply::header_not_implemented("x-amz-storage-class", "This storage class is not implemented"))
        }
        Some(class) => Err(ErrorReply::bad_request("InvalidStorageClass", "The storage class you specified is not valid")
            .with("StorageClassRequested", class)),
    }
}
