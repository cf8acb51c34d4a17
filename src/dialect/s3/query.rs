//! The query string, decoded once, and the numbers in it.

use super::error::ErrorReply;
use crate::dialect::percent;
use http::request::Parts;

/// The parameters in the order sent; of repeated ones the first counts.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// `InvalidURI` when it does not decode to UTF-8.
    pub(super) fn parse(parts: &Parts) -> Result<Self, ErrorReply> {
        percent::decode_pairs(parts.uri.query().unwrap_or_default()).map(Self).ok_or_else(ErrorReply::invalid_uri)
    }

    /// The value; empty for a parameter without `=`.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    /// The value unless it is missing or empty.
    pub(super) fn non_empty(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Every parameter, in the order sent.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// `max-keys`, `max-uploads`, `max-parts`: 1,000 when missing or empty, never more.
    ///
    /// # Errors
    /// `InvalidArgument` unless it is an integer between 0 and 2147483647.
    pub(super) fn page_size(&self, name: &'static str) -> Result<usize, ErrorReply> {
        let shown = if name == "max-keys" { "maxKeys" } else { name };
        Ok(match self.non_empty(name) {
            None => PAGE_SIZE_MAX,
            Some(text) => natural(name, shown, text)?.min(PAGE_SIZE_MAX as u32) as usize,
        })
    }

    /// `part-number-marker`: 0 when missing or empty.
    ///
    /// # Errors
    /// As [`Self::page_size`].
    pub(super) fn part_number_marker(&self) -> Result<u32, ErrorReply> {
        self.non_empty("part-number-marker").map_or(Ok(0), |text| natural("part-number-marker", "partNumberMarker", text))
    }

    /// Whether `encoding-type=url` was asked for.
    ///
    /// # Errors
    /// `InvalidArgument` for any other encoding.
    pub(super) fn encodes_url(&self) -> Result<bool, ErrorReply> {
        match self.non_empty("encoding-type") {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("url") => Ok(true),
            Some(other) => Err(ErrorReply::invalid_argument("Invalid Encoding Method specified in Request", "encoding-type", other)),
        }
    }
}

/// Default and largest page of every listing but that of buckets.
pub(super) const PAGE_SIZE_MAX: usize = 1000;

/// An integer between 0 and 2147483647, worded as S3 words it when it is not one.
///
/// # Errors
/// `InvalidArgument` naming the argument.
pub(super) fn natural(name: &'static str, shown: &'static str, text: &str) -> Result<u32, ErrorReply> {
    match text.parse::<i64>() {
        Ok(number) => u32::try_from(number).ok().filter(|&number| number <= i32::MAX as u32).ok_or_else(|| {
            ErrorReply::invalid_argument(format!("Argument {shown} must be an integer between 0 and 2147483647"), name, text)
        }),
        Err(_) => Err(ErrorReply::invalid_argument(format!("Provided {text} not an integer or within integer range"), name, text)),
    }
}
