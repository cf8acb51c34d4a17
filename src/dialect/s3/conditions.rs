//! Conditional headers (S3 User Guide, "Conditional writes", "Conditional reads").

use super::{error::ErrorReply, headers};
use crate::{
    dialect::date,
    model::{ETag, ETagCondition, ReadConditions, Timestamp, WriteConditions},
};
use http::HeaderMap;

/// The names under which read conditions come.
struct Names {
    matches: &'static str,
    none_match: &'static str,
    modified: &'static str,
    unmodified: &'static str,
}

const OF_OBJECT: Names =
    Names { matches: "if-match", none_match: "if-none-match", modified: "if-modified-since", unmodified: "if-unmodified-since" };
const OF_SOURCE: Names = Names {
    matches: "x-amz-copy-source-if-match",
    none_match: "x-amz-copy-source-if-none-match",
    modified: "x-amz-copy-source-if-modified-since",
    unmodified: "x-amz-copy-source-if-unmodified-since",
};

/// Conditions of GET and HEAD.
pub(super) fn of_read(headers: &HeaderMap, now: Timestamp) -> ReadConditions {
    read(headers, &OF_OBJECT, now)
}

/// Conditions on the source of a copy.
pub(super) fn of_source(headers: &HeaderMap, now: Timestamp) -> ReadConditions {
    read(headers, &OF_SOURCE, now)
}

fn read(headers: &HeaderMap, names: &Names, now: Timestamp) -> ReadConditions {
    let date = |name| headers::text(headers, name).and_then(|text| date::parse_http_date(&text));
    ReadConditions {
        if_match: headers::text(headers, names.matches).map(|text| listed(&text)),
        if_none_match: headers::text(headers, names.none_match).map(|text| listed(&text)),
        if_modified_since: date(names.modified).filter(|&since| since <= now),
        if_unmodified_since: date(names.unmodified),
    }
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

/// `*`, or ETags between commas, quoted or not, weak or not.
pub(super) fn listed(text: &str) -> ETagCondition {
    if text.trim() == "*" {
        return ETagCondition::Any;
    }
    let etags = text.split(',').map(str::trim).filter_map(|each| ETag::parse(each.strip_prefix("W/").unwrap_or(each)));
    ETagCondition::OneOf(etags.collect())
}
