//! Range headers.

use super::error::ErrorReply;
use crate::model::RangeRequest;

/// The range a GET asks for. What is unparsable, reversed, multiple or in other units is no range:
/// S3 answers with the whole object.
pub(super) fn parse(text: &str) -> Option<RangeRequest> {
    let (unit, range) = text.trim().split_once('=')?;
    let (first, last) = range.trim().split_once('-').filter(|_| unit.trim().eq_ignore_ascii_case("bytes"))?;
    match (first, last) {
        ("", count) => Some(RangeRequest::Suffix(number(count)?)),
        (first, "") => Some(RangeRequest::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(RangeRequest::FromTo(first, last))
        }
    }
}

/// `x-amz-copy-source-range`: both ends, inclusive.
///
/// # Errors
/// `InvalidArgument` for anything else.
pub(super) fn parse_copy(text: &str) -> Result<(u64, u64), ErrorReply> {
    match text.strip_prefix("bytes=").and_then(|_| parse(text)) {
        Some(RangeRequest::FromTo(first, last)) => Ok((first, last)),
        Some(RangeRequest::From(_) | RangeRequest::Suffix(_)) | None => Err(ErrorReply::invalid_argument(
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets \
             of the first and last bytes to copy",
            "x-amz-copy-source-range",
            text,
        )),
    }
}

/// Digits only; more than fit are as good as the largest number.
fn number(digits: &str) -> Option<u64> {
    let legal = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    legal.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_s3_reads_them() {
        for (text, expected) in [
            ("bytes=0-0", Some(RangeRequest::FromTo(0, 0))),
            ("bytes=00-01", Some(RangeRequest::FromTo(0, 1))),
            ("bytes=50-", Some(RangeRequest::From(50))),
            ("bytes=-10", Some(RangeRequest::Suffix(10))),
            ("bytes=-0", Some(RangeRequest::Suffix(0))),
            ("bytes=0-99999999999999999999999", Some(RangeRequest::FromTo(0, u64::MAX))),
            ("bytes=10-5", None),
            ("bytes=0-0,1-2", None),
            ("items=0-1", None),
            ("bytes=-", None),
            ("bytes=a-b", None),
            ("bytes=+1-2", None),
            ("0-1", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn copy_ranges_need_both_ends() {
        assert_eq!(parse_copy("bytes=0-4"), Ok((0, 4)));
        for bad in ["bytes=0-", "bytes=-4", "0-4", "bytes=4-0", "bytes=0-1,2-3", "Bytes=0-4", ""] {
            assert_eq!(parse_copy(bad).map_err(|error| error.code), Err("InvalidArgument"), "{bad}");
        }
    }
}
