//! The query string, decoded once, and the numbers in it.

use crate::dialect::{error::ErrorReply, percent};
use http::request::Parts;
use std::ops::RangeInclusive;

/// Most entries of a page of any listing.
pub(super) const PAGE_SIZE_MAX: u32 = 1000;

/// The parameters in the order sent, a plus read as a space; of repeated ones the first counts.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    /// # Errors
    /// `InvalidArgument` when it does not decode to UTF-8.
    pub(super) fn parse(parts: &Parts) -> Result<Self, ErrorReply> {
        let undecodable = || ErrorReply::bad_request("InvalidArgument", "The query string must be URL encoded UTF-8.");
        percent::decode_pairs(parts.uri.query().unwrap_or_default()).map(Self).ok_or_else(undecodable)
    }

    /// The value; empty for a parameter without `=`.
    pub(super) fn first(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str())
    }

    /// The value, empty when there is none.
    pub(super) fn text(&self, name: &str) -> &str {
        self.first(name).unwrap_or_default()
    }

    /// Whether the parameter is there, with or without a value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.first(name).is_some()
    }

    /// The names, in the order sent.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// A number, `default` when missing or empty.
    ///
    /// # Errors
    /// `InvalidArgument` for what is no integer of this range.
    pub(super) fn number(&self, name: &'static str, default: u32, range: RangeInclusive<u32>) -> Result<u32, ErrorReply> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(default);
        }
        let number = if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None };
        number.filter(|number| range.contains(number)).ok_or_else(|| {
            let message = format!("Argument {name} must be an integer between {} and {}.", range.start(), range.end());
            ErrorReply::bad_request("InvalidArgument", message).with("ArgumentName", name).with("ArgumentValue", text)
        })
    }

    /// Whether `encoding-type=url` was asked for.
    ///
    /// # Errors
    /// `InvalidArgument` for any other encoding.
    pub(super) fn encodes_url(&self) -> Result<bool, ErrorReply> {
        match self.text("encoding-type") {
            "" => Ok(false),
            text if text.eq_ignore_ascii_case("url") => Ok(true),
            other => Err(ErrorReply::bad_request("InvalidArgument", "Invalid Encoding Method specified in Request.")
                .with("ArgumentName", "encoding-type")
                .with("ArgumentValue", other)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<Query, ErrorReply> {
        let request = http::Request::builder().uri(format!("/?{text}")).body(()).unwrap();
        Query::parse(&request.into_parts().0)
    }

    #[test]
    fn parameters_are_read_as_every_client_writes_them() {
        let query = query("prefix=a+b%20c%2B&uploads&start-after=&prefix=x&&max-keys=7").unwrap();
        assert_eq!(query.first("prefix"), Some("a b c+"));
        assert_eq!((query.first("uploads"), query.first("start-after"), query.first("marker")), (Some(""), Some(""), None));
        assert_eq!((query.text("marker"), query.has("uploads"), query.has("upload")), ("", true, false));
        assert_eq!(query.names().collect::<Vec<_>>(), ["prefix", "uploads", "start-after", "prefix", "max-keys"]);
        assert_eq!(query.number("max-keys", 100, 1..=PAGE_SIZE_MAX), Ok(7));
        assert_eq!(query.number("start-after", 100, 1..=PAGE_SIZE_MAX), Ok(100));
    }

    #[test]
    fn what_is_no_number_or_encoding_is_refused() {
        for bad in ["0", "1001", "-1", "+1", "a", "99999999999999999999"] {
            let number = query(&format!("max-keys={bad}").replace('+', "%2B")).unwrap().number("max-keys", 100, 1..=PAGE_SIZE_MAX);
            assert_eq!(number.map_err(|error| error.code), Err("InvalidArgument"), "{bad}");
        }
        assert_eq!(query("encoding-type=url").unwrap().encodes_url(), Ok(true));
        assert_eq!(query("encoding-type").unwrap().encodes_url(), Ok(false));
        assert!(query("encoding-type=gzip").unwrap().encodes_url().is_err());
        assert!(query("a=%ff").is_err());
    }
}
