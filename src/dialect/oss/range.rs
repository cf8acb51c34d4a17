//! Range headers, which OSS reads in two ways (help, "Range behaviour").

use super::{error, headers};
use crate::{
    dialect::error::ErrorReply,
    model::{RangeRequest, Selection},
};
use http::HeaderMap;

/// A range that no object has a byte of.
const NOWHERE: RangeRequest = RangeRequest::From(u64::MAX);

/// Which bytes a GET asks for. A range that is not wholly inside the object is no range, unless the client asks for the standard
/// behaviour, which JuiceFS and the second SDKs do. What cannot be read, several ranges included, is no range in either case.
pub(super) fn selection(headers: &HeaderMap) -> Selection {
    let Some(text) = headers::text(headers, "range") else { return Selection::Whole };
    let is_standard = headers::text(headers, "x-oss-range-behavior").is_some_and(|word| word.eq_ignore_ascii_case("standard"));
    match parse(&text) {
        Parsed::Range(range) if is_standard => Selection::Range(range),
        Parsed::Range(range) => Selection::RangeWithin(range),
        Parsed::Reversed if is_standard => Selection::Range(NOWHERE),
        Parsed::Reversed | Parsed::None => Selection::Whole,
    }
}

/// `x-oss-copy-source-range`: first and last offset, inclusive. One that cannot be read copies the whole source, as OSS says
/// of invalid ones; an open one is refused, because copying more than was meant would go unnoticed.
///
/// # Errors
/// `InvalidArgument` for `bytes=a-` and `bytes=-n`.
pub(super) fn of_copy(headers: &HeaderMap) -> Result<Option<(u64, Option<u64>)>, ErrorReply> {
    const NAME: &str = "x-oss-copy-source-range";
    let Some(text) = headers::text(headers, NAME) else { return Ok(None) };
    match parse(&text) {
        Parsed::Range(RangeRequest::FromTo(first, last)) => Ok(Some((first, Some(last)))),
        // oss2 writes a range without an end so.
        Parsed::Range(RangeRequest::From(first)) => Ok(Some((first, None))),
        Parsed::Range(RangeRequest::Suffix(_)) => {
            Err(error::invalid_argument("The range must be of the form bytes=first-last.", NAME, &text))
        }
        Parsed::Reversed | Parsed::None => Ok(None),
    }
}

enum Parsed {
    Range(RangeRequest),
    /// `bytes=last-first`.
    Reversed,
    None,
}

fn parse(text: &str) -> Parsed {
    let parsed = || {
        let (unit, range) = text.trim().split_once('=')?;
        let (first, last) = range.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
        Some(match (first, last) {
            ("", count) => Parsed::Range(RangeRequest::Suffix(number(count)?)),
            (first, "") => Parsed::Range(RangeRequest::From(number(first)?)),
            (first, last) => match (number(first)?, number(last)?) {
                (first, last) if first <= last => Parsed::Range(RangeRequest::FromTo(first, last)),
                _ => Parsed::Reversed,
            },
        })
    };
    parsed().unwrap_or(Parsed::None)
}

/// Digits only; more than fit are as good as the largest number.
fn number(digits: &str) -> Option<u64> {
    let legal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(range: &'static str, behavior: Option<&'static str>, name: &'static str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static(range));
        headers.extend(behavior.map(|word| (http::HeaderName::from_static("x-oss-range-behavior"), HeaderValue::from_static(word))));
        headers
    }

    #[test]
    fn ranges_are_within_the_object_or_standard() {
        for (range, expected, standard) in [
            ("bytes=0-0", Some(RangeRequest::FromTo(0, 0)), Some(RangeRequest::FromTo(0, 0))),
            ("bytes=50-", Some(RangeRequest::From(50)), Some(RangeRequest::From(50))),
            ("bytes=-10", Some(RangeRequest::Suffix(10)), Some(RangeRequest::Suffix(10))),
            ("bytes=0-99999999999999999999", Some(RangeRequest::FromTo(0, u64::MAX)), Some(RangeRequest::FromTo(0, u64::MAX))),
            ("bytes=500-0", None, Some(NOWHERE)),
            ("bytes=0-0,1-2", None, None),
            ("bytes=a-b", None, None),
            ("bytes=-", None, None),
            ("items=0-1", None, None),
            ("", None, None),
        ] {
            let (default, asked) = (headers(range, None, "range"), headers(range, Some("standard"), "range"));
            assert_eq!(selection(&default), expected.map_or(Selection::Whole, Selection::RangeWithin), "{range}");
            assert_eq!(selection(&asked), standard.map_or(Selection::Whole, Selection::Range), "{range}");
        }
        assert_eq!(selection(&HeaderMap::new()), Selection::Whole);
        assert_eq!(NOWHERE.resolve(u64::MAX), None);
    }

    #[test]
    fn an_invalid_source_range_is_the_whole_source_and_one_without_a_start_refused() {
        let of_copy = |range| of_copy(&headers(range, None, "x-oss-copy-source-range")).map_err(|error| error.code);
        assert_eq!(of_copy("bytes=0-4"), Ok(Some((0, Some(4)))));
        assert_eq!(of_copy("bytes=3-"), Ok(Some((3, None))));
        for invalid in ["bytes=4-0", "0-4", "bytes=0-1,2-3", "", "x"] {
            assert_eq!(of_copy(invalid), Ok(None), "{invalid}");
        }
        assert_eq!(of_copy("bytes=-4"), Err("InvalidArgument"));
    }
}
