//! Conditions of reads, which both dialects have from HTTP (RFC 9110 §13), under names of their own for copies' sources.

use super::{date, values};
use crate::model::{ETag, ETagCondition, ReadConditions, Timestamp};
use http::HeaderMap;

/// The names under which the conditions come.
pub(super) struct Names {
    pub(super) matches: &'static str,
    pub(super) none_match: &'static str,
    pub(super) modified: &'static str,
    pub(super) unmodified: &'static str,
}

const OF_OBJECT: Names =
    Names { matches: "if-match", none_match: "if-none-match", modified: "if-modified-since", unmodified: "if-unmodified-since" };

/// Conditions of GET and HEAD.
pub(super) fn of_read(headers: &HeaderMap, now: Timestamp) -> ReadConditions {
    read(headers, &OF_OBJECT, now)
}

/// Conditions under these names. Dates that are none, and If-Modified-Since in the future, are no conditions.
pub(super) fn read(headers: &HeaderMap, names: &Names, now: Timestamp) -> ReadConditions {
    let date = |name| values::text(headers, name).and_then(|text| date::parse_http_date(&text));
    ReadConditions {
        if_match: values::text(headers, names.matches).map(|text| listed(&text)),
        if_none_match: values::text(headers, names.none_match).map(|text| listed(&text)),
        if_modified_since: date(names.modified).filter(|&since| since <= now),
        if_unmodified_since: date(names.unmodified),
    }
}

/// `*`, or ETags between commas, quoted or not, weak or not.
pub(super) fn listed(text: &str) -> ETagCondition {
    if text.trim() == "*" {
        return ETagCondition::Any;
    }
    let etags = text.split(',').map(str::trim).filter_map(|each| ETag::parse(each.strip_prefix("W/").unwrap_or(each)));
    ETagCondition::OneOf(etags.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_date_or_lies_ahead_is_no_condition() {
        let now = Timestamp::from_secs(1_000_000);
        let headers: HeaderMap =
            [("if-modified-since", "Thu, 15 Jan 2026 08:30:00 GMT"), ("if-unmodified-since", "soon"), ("if-match", "*")]
                .into_iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), http::HeaderValue::from_static(value)))
                .collect();
        let expected = ReadConditions { if_match: Some(ETagCondition::Any), ..ReadConditions::default() };
        assert_eq!(of_read(&headers, now), expected);
        let later = of_read(&headers, Timestamp::from_secs(1_768_465_800));
        assert_eq!(later.if_modified_since, Some(Timestamp::from_secs(1_768_465_800)));
    }

    #[test]
    fn etags_are_listed_quoted_or_not_and_weak_or_not() {
        let etag = ETag::Whole([0xab; 16]);
        let hex = "ab".repeat(16);
        assert_eq!(listed(&format!("\"{hex}\", W/\"{hex}\",{}, x", hex.to_uppercase())), ETagCondition::OneOf(vec![etag; 3]));
        assert_eq!(listed(" * "), ETagCondition::Any);
    }
}
