//! Conditional headers: those of reads and of copies' sources, and the one that OSS has for writes.

use super::{error, headers};
use crate::{
    dialect::{
        conditions::{self, Names},
        error::ErrorReply,
    },
    model::{ReadConditions, Timestamp, WriteConditions},
};
use http::HeaderMap;

pub(super) use crate::dialect::conditions::of_read;

const OF_SOURCE: Names = Names {
    matches: "x-oss-copy-source-if-match",
    none_match: "x-oss-copy-source-if-none-match",
    modified: "x-oss-copy-source-if-modified-since",
    unmodified: "x-oss-copy-source-if-unmodified-since",
};

/// Conditions on the source of a copy.
pub(super) fn of_source(headers: &HeaderMap, now: Timestamp) -> ReadConditions {
    conditions::read(headers, &OF_SOURCE, now)
}

/// `x-oss-forbid-overwrite`.
///
/// # Errors
/// `InvalidArgument` for what is neither `true` nor `false`, `NotImplemented` for the conditions of reads.
pub(super) fn of_write(headers: &HeaderMap) -> Result<WriteConditions, ErrorReply> {
    refuse(headers)?;
    forbid_overwrite(headers)
}

/// As [`of_write`]. ali-oss sends every header of a copy twice, the second time as one about the source: a condition that is
/// repeated so is not about the target.
///
/// # Errors
/// As [`of_write`].
pub(super) fn of_copy(headers: &HeaderMap) -> Result<WriteConditions, ErrorReply> {
    refuse_unless(headers, |name| headers.get(format!("x-oss-copy-source-{name}")) == headers.get(name))?;
    forbid_overwrite(headers)
}

fn forbid_overwrite(headers: &HeaderMap) -> Result<WriteConditions, ErrorReply> {
    const NAME: &str = "x-oss-forbid-overwrite";
    let forbid_overwrite = match headers::text(headers, NAME) {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("true") => true,
        Some(word) if word.eq_ignore_ascii_case("false") => false,
        Some(other) => return Err(error::invalid_argument("The value of x-oss-forbid-overwrite must be true or false.", NAME, other)),
    };
    Ok(WriteConditions { forbid_overwrite, ..WriteConditions::default() })
}

/// Refuses the conditions of reads on what is none: a write that ignored one would happen when it should not.
///
/// # Errors
/// `NotImplemented`.
pub(super) fn refuse(headers: &HeaderMap) -> Result<(), ErrorReply> {
    refuse_unless(headers, |_| false)
}

fn refuse_unless(headers: &HeaderMap, is_harmless: impl Fn(&str) -> bool) -> Result<(), ErrorReply> {
    for (name, shown) in [
        ("if-match", "If-Match"),
        ("if-none-match", "If-None-Match"),
        ("if-modified-since", "If-Modified-Since"),
        ("if-unmodified-since", "If-Unmodified-Since"),
    ] {
        if headers.contains_key(name) && !is_harmless(name) {
            return Err(error::not_implemented(shown));
        }
    }
    Ok(())
}
