//! Dates as both dialects write them: ISO 8601 in documents, RFC 9110 in headers.

use crate::model::Timestamp;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// The last millisecond of the year 9999, where both formats end.
const MILLIS_MAX: i64 = 253_402_300_799_999;

/// Whether both formats can show a time as it is: 1970 to 9999.
#[must_use]
pub fn can_be_shown(time: Timestamp) -> bool {
    (0..=MILLIS_MAX).contains(&time.millis())
}

/// `2009-10-12T17:50:30.000Z`; times outside 1970 to 9999 are shown as the nearest one inside.
#[must_use]
pub fn iso8601(time: Timestamp) -> String {
    let millis = time.millis().clamp(0, MILLIS_MAX);
    let date = OffsetDateTime::from_unix_timestamp(millis / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        date.year(),
        u8::from(date.month()),
        date.day(),
        date.hour(),
        date.minute(),
        date.second(),
        millis % 1000
    )
}

/// `Mon, 12 Oct 2009 17:50:30 GMT`; times outside 1970 to 9999 are shown as the nearest one inside.
#[must_use]
pub fn http_date(time: Timestamp) -> String {
    let millis = time.millis().clamp(0, MILLIS_MAX).unsigned_abs();
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_millis(millis))
}

/// Reads an HTTP date in any of its three forms (RFC 9110 §5.6.7).
#[must_use]
pub fn parse_http_date(text: &str) -> Option<Timestamp> {
    let time: SystemTime = httpdate::parse_http_date(text.trim()).ok()?;
    let secs = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    Some(Timestamp::from_secs(i64::try_from(secs).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_both_forms_and_reads_back_the_header_form() {
        let time = Timestamp::from_millis(1_255_369_830_042);
        assert_eq!(iso8601(time), "2009-10-12T17:50:30.042Z");
        assert_eq!(http_date(time), "Mon, 12 Oct 2009 17:50:30 GMT");
        assert_eq!(parse_http_date("Mon, 12 Oct 2009 17:50:30 GMT"), Some(Timestamp::from_secs(1_255_369_830)));
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[test]
    fn times_that_no_format_can_show_do_not_panic() {
        assert_eq!(iso8601(Timestamp::from_millis(i64::MIN)), "1970-01-01T00:00:00.000Z");
        assert_eq!(iso8601(Timestamp::from_millis(i64::MAX)), "9999-12-31T23:59:59.999Z");
        assert_eq!(http_date(Timestamp::from_millis(i64::MAX)), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
