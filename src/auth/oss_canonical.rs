//! What the three versions of OSS signatures share: the head's first lines, its signed headers, and the date that limits
//! a signature (OSS API Reference, "Add a signature to the header", "Add signatures to a URL").

use super::{
    Addressed, AuthError,
    canonical::{Query, header_values, uri_encode},
    date,
    sigv4::check_skew,
};
use crate::model::Timestamp;
use http::{HeaderMap, HeaderName, header, request::Parts};
use std::collections::BTreeSet;

/// More names than a request can have headers: bounds the work of building a canonical form.
const ADDITIONAL_HEADERS_COUNT_MAX: usize = 100;

/// Where a signature of version 1 or 2 is, with what limits it.
#[derive(Debug)]
pub(super) enum Place {
    /// In the Authorization header: good while the request's date is near our time.
    Header,
    /// In the query: good until this time, which was written so.
    Query { expires: String, expired: Timestamp },
}

impl Place {
    /// In a query with this expiry, in seconds since the epoch.
    pub(super) fn in_query(expires: &str) -> Result<Self, AuthError> {
        let expired = expires.parse().map(Timestamp::from_secs).map_err(|_| AuthError::ExpiryInvalid)?;
        Ok(Self::Query { expires: expires.to_owned(), expired })
    }

    /// The date as the string to sign has it, of a signature that is good at this time.
    pub(super) fn date<'a>(&'a self, headers: &'a HeaderMap, now: Timestamp) -> Result<&'a str, AuthError> {
        match self {
            Self::Header => {
                let written = date_header(headers)?;
                check_skew(date::parse_any(written).ok_or(AuthError::DateInvalid)?, written, now)?;
                Ok(written)
            }
            Self::Query { expires, expired } => {
                if now.secs() > expired.secs() {
                    return Err(AuthError::Expired { expires_secs: None, expired: *expired, server_time: now });
                }
                Ok(expires)
            }
        }
    }
}

/// The request's date as written: `x-oss-date`, or `Date` from clients that may set it.
pub(super) fn date_header(headers: &HeaderMap) -> Result<&str, AuthError> {
    let value = headers.get("x-oss-date").or_else(|| headers.get(header::DATE)).ok_or(AuthError::DateMissing)?;
    value.to_str().map(str::trim).map_err(|_| AuthError::DateInvalid)
}

/// The lines that versions 1 and 2 begin with: method, Content-MD5, Content-Type and date.
pub(super) fn first_lines(parts: &Parts, date: &str) -> Vec<u8> {
    let mut text = format!("{}\n", parts.method).into_bytes();
    for name in ["content-md5", "content-type"] {
        text.extend_from_slice(&header_values(&parts.headers, name).unwrap_or_default());
        text.push(b'\n');
    }
    text.extend_from_slice(date.as_bytes());
    text.push(b'\n');
    text
}

/// `name:value` lines, sorted, of all `x-oss-*` headers and those that are wanted besides. A header that is not there has no
/// line, so that it differs from an empty one.
pub(super) fn header_lines(headers: &HeaderMap, is_wanted: impl Fn(&str) -> bool) -> Vec<u8> {
    let names = headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-oss-") || is_wanted(name));
    let mut text = Vec::new();
    for name in names.collect::<BTreeSet<_>>() {
        text.extend_from_slice(name.as_bytes());
        text.push(b':');
        text.extend_from_slice(&header_values(headers, name).unwrap_or_default());
        text.push(b'\n');
    }
    text
}

/// Reads a list of additional signed headers: lower-case, sorted, each once. `None` when there are more of them than a request
/// can have headers.
pub(super) fn additional_headers(list: &str) -> Option<Vec<String>> {
    if list.split(';').count() > ADDITIONAL_HEADERS_COUNT_MAX {
        return None;
    }
    let names = list.split(';').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty());
    Some(names.collect::<BTreeSet<_>>().into_iter().collect())
}

/// `/bucket/key`, `/bucket/` or `/`, whatever the addressing form.
pub(super) fn resource(addressed: &Addressed<'_>) -> String {
    match (addressed.bucket, addressed.key) {
        (None, _) => "/".to_owned(),
        (Some(bucket), key) => format!("/{bucket}/{}", key.unwrap_or_default()),
    }
}

/// The query as versions 2 and 4 sign it: encoded, sorted by name then value, an empty value without `=`; `without` is left
/// out.
pub(super) fn canonical_query(query: &Query, without: Option<&str>) -> String {
    let mut pairs: Vec<(String, String)> = query
        .pairs()
        .filter(|(name, _)| without.is_none_or(|without| *name != without.as_bytes()))
        .map(|(name, value)| (uri_encode(name, false), uri_encode(value.unwrap_or_default(), false)))
        .collect();
    pairs.sort_unstable();
    let pairs = pairs.into_iter().map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") });
    pairs.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn empty_parameters_have_no_equals_sign_and_names_decide_the_order() {
        for (raw, canonical) in [
            ("", ""),
            ("uploads=", "uploads"),
            ("b=2&a=&c=+%2B/&a", "a&a&b=2&c=%20%2B%2F"),
            ("param2&%2Bparam2&%2Bparam1=value3", "%2Bparam1=value3&%2Bparam2&param2"),
            ("a=1&x-oss-signature=0", "a=1"),
        ] {
            assert_eq!(canonical_query(&Query::parse(Some(raw)), Some("x-oss-signature")), canonical, "{raw}");
        }
    }

    #[test]
    fn additional_headers_are_sorted_whatever_their_order_and_bounded() {
        assert_eq!(
            additional_headers("Host; content-length;content-disposition;;host").unwrap(),
            ["content-disposition", "content-length", "host"]
        );
        assert_eq!(additional_headers("").unwrap(), [""; 0]);
        assert_eq!(additional_headers(&(0..101).map(|n| n.to_string()).collect::<Vec<_>>().join(";")), None);
    }

    #[test]
    fn header_lines_are_sorted_trimmed_and_tell_missing_from_empty() {
        let mut headers = HeaderMap::new();
        headers.append("x-oss-meta-b", HeaderValue::from_static(" 1  2 "));
        headers.append("x-oss-meta-b", HeaderValue::from_static("3"));
        headers.append("x-oss-a", HeaderValue::from_static(""));
        headers.append("range", HeaderValue::from_static("bytes=0-1"));
        headers.append("user-agent", HeaderValue::from_static("any"));
        let lines = header_lines(&headers, |name| name == "range" || name == "host");
        assert_eq!(String::from_utf8(lines).unwrap(), "range:bytes=0-1\nx-oss-a:\nx-oss-meta-b:1  2,3\n");
    }

    #[test]
    fn the_oss_date_wins_and_bad_dates_are_told_from_missing_ones() {
        let now = Timestamp::from_secs(1_768_465_800);
        let date_of = |pairs: &[(&'static str, &'static str)]| {
            let headers: HeaderMap =
                pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect();
            Place::Header.date(&headers, now).map(str::to_owned)
        };
        let (http, iso) = ("Thu, 15 Jan 2026 08:30:00 GMT", "20260115T083000Z");
        for date in [http, iso] {
            assert_eq!(date_of(&[("x-oss-date", date), ("date", "nonsense")]).as_deref(), Ok(date));
            assert_eq!(date_of(&[("date", date)]).as_deref(), Ok(date));
        }
        assert_eq!(date_of(&[]), Err(AuthError::DateMissing));
        assert_eq!(date_of(&[("x-oss-date", "nonsense"), ("date", http)]), Err(AuthError::DateInvalid));
        assert!(matches!(date_of(&[("date", "20260115T084501Z")]), Err(AuthError::ClockSkewed { .. })));
        assert!(matches!(Place::in_query("soon"), Err(AuthError::ExpiryInvalid)));
        assert!(matches!(Place::in_query("99999999999999999999"), Err(AuthError::ExpiryInvalid)));
    }
}
