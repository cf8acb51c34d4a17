//! Conditional headers (S3 User Guide, "Conditional writes", "Conditional reads").

use super::{error::ErrorReply, headers};
use crate::{
    dialect::conditions::{self, Names},
    model::{ETagCondition, ReadConditions, Timestamp, WriteConditions},
};
use http::HeaderMap;

pub(super) use crate::dialect::conditions::{listed, of_read};

const OF_SOURCE: Names = Names {
    matches: "x-amz-copy-source-if-match",
    none_match: "x-amz-copy-source-if-none-match",
    modified: "x-amz-copy-source-if-modified-since",
    unmodified: "x-amz-copy-source-if-unmodified-since",
};

/// Conditions on the source of a copy.
pub(super) fn of_source(headers: &HeaderMap, now: Timestamp) -> ReadConditions {
    conditions::read(headers, &OF_SOURCE, now)
}

/// Conditions of PutObject, CopyObject and CompleteMultipartUpload on what stands under the key.
///
/// # Errors
/// `NotImplemented` for what S3 does not accept on writes.
pub(super) fn of_write(headers: &HeaderMap) -> Result<WriteConditions, ErrorReply> {
    refuse_dates(headers)?;
    let if_match = headers::text(headers, "if-match");
    let if_none_match = headers::text(headers, "if-none-match");
    if if_match.is_some() && if_none_match.is_some() {
        let message = "Multiple conditional request headers present in the request";
        return Err(ErrorReply::header_not_implemented("If-Match,If-None-Match", message));
    }
    if if_none_match.as_deref().is_some_and(|text| text.trim() != "*") {
        let message = "We don't accept the provided value of If-None-Match header for this API";
        return Err(ErrorReply::header_not_implemented("If-None-Match", message));
    }
    Ok(WriteConditions { if_match: if_match.map(|text| listed(&text)), if_absent: if_none_match.is_some(), forbid_overwrite: false })
}

/// If-Match of DeleteObject.
///
/// # Errors
/// `NotImplemented` for any other condition: ignoring one would delete what should stay.
pub(super) fn of_delete(headers: &HeaderMap) -> Result<Option<ETagCondition>, ErrorReply> {
    refuse_dates(headers)?;
    if headers.contains_key("if-none-match") {
        return Err(ErrorReply::header_not_implemented("If-None-Match", "Deletes accept no other condition than If-Match"));
    }
    Ok(headers::text(headers, "if-match").map(|text| listed(&text)))
}

fn refuse_dates(headers: &HeaderMap) -> Result<(), ErrorReply> {
    for (name, shown) in [("if-modified-since", "If-Modified-Since"), ("if-unmodified-since", "If-Unmodified-Since")] {
        if headers.contains_key(name) {
            return Err(ErrorReply::header_not_implemented(shown, "Writes accept no condition on dates"));
        }
    }
    Ok(())
}
