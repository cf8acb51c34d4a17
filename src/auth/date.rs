//! The date formats of signatures: ISO 8601 basic as SigV4 writes it, and what HTTP clients put into `Date`.

use crate::model::Timestamp;
use std::time::{Duration, UNIX_EPOCH};
use time::{
    OffsetDateTime, PrimitiveDateTime,
    format_description::{
        BorrowedFormatItem,
        well_known::{Rfc2822, Rfc3339},
    },
    macros::format_description,
};

/// The last second of the year 9999, where the formats end.
const SECS_MAX: u64 = 253_402_300_799;
const ISO_BASIC: &[BorrowedFormatItem<'static>] = format_description!("[year][month][day]T[hour][minute][second]Z");

/// Reads `yyyyMMdd'T'HHmmss'Z'`, exactly.
pub(super) fn parse_iso_basic(text: &str) -> Option<Timestamp> {
    // The length rules out signs and longer years, which the format would accept.
    if text.len() != 16 {
        return None;
    }
    let time = PrimitiveDateTime::parse(text, ISO_BASIC).ok()?;
    Some(Timestamp::from_secs(time.assume_utc().unix_timestamp()))
}

/// Writes `yyyyMMdd'T'HHmmss'Z'`; `None` beyond the year 9999.
pub(super) fn format_iso_basic(time: Timestamp) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(time.secs()).ok()?;
    (0..=9999).contains(&time.year()).then(|| time.format(ISO_BASIC).ok())?
}

/// Writes RFC 1123 with `GMT`; `None` outside 1970 to 9999.
pub(super) fn format_http(time: Timestamp) -> Option<String> {
    let secs = u64::try_from(time.secs()).ok().filter(|&secs| secs <= SECS_MAX)?;
    Some(httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(secs)))
}

/// Reads ISO 8601 with dashes and colons, with or without a fraction, in any zone.
pub(super) fn parse_iso_extended(text: &str) -> Option<Timestamp> {
    let time = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    Some(Timestamp::from_millis(i64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()?))
}

/// Reads every form a request's date comes in: ISO 8601 basic and extended, RFC 1123 with `GMT`, `UTC` or an offset, and
/// the two obsolete forms of RFC 9110 §5.6.7.
pub(super) fn parse_any(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    parse_iso_basic(text).or_else(|| parse_iso_extended(text)).or_else(|| parse_http(text))
}

fn parse_http(text: &str) -> Option<Timestamp> {
    // Go writes `UTC`, which no RFC knows.
    let text = match text.strip_suffix(" UTC") {
        Some(rest) => format!("{rest} GMT"),
        None => text.to_owned(),
    };
    if let Ok(time) = OffsetDateTime::parse(&text, &Rfc2822) {
        return Some(Timestamp::from_secs(time.unix_timestamp()));
    }
    let since_epoch = httpdate::parse_http_date(&text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_secs(i64::try_from(since_epoch.as_secs()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp::from_secs(1_768_465_800);

    #[test]
    fn reads_every_form_clients_send() {
        for text in [
            "20260115T083000Z",
            "2026-01-15T08:30:00Z",
            "2026-01-15T08:30:00.000Z",
            "2026-01-15T09:30:00+01:00",
            "Thu, 15 Jan 2026 08:30:00 GMT",
            "Thu, 15 Jan 2026 08:30:00 UTC",
            "Thu, 15 Jan 2026 08:30:00 +0000",
            "Thu, 15 Jan 2026 10:30:00 +0200",
            "Thu Jan 15 08:30:00 2026",
        ] {
            assert_eq!(parse_any(text), Some(AT), "{text}");
        }
        for text in ["", "yesterday", "20260115", "20260115T083000", "20261315T083000Z", "+026011T083000Z", "20260115T253000Z"] {
            assert_eq!(parse_any(text), None, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        assert_eq!(format_iso_basic(AT).as_deref(), Some("20260115T083000Z"));
        assert_eq!(format_iso_basic(Timestamp::from_secs(0)).as_deref(), Some("19700101T000000Z"));
        assert_eq!(format_iso_basic(Timestamp::from_millis(i64::MAX)), None);
        assert_eq!(format_iso_basic(Timestamp::from_millis(i64::MIN)), None);
        assert_eq!(format_http(AT).as_deref(), Some("Thu, 15 Jan 2026 08:30:00 GMT"));
        assert_eq!(format_http(Timestamp::from_millis(i64::MAX)), None);
        assert_eq!(format_http(Timestamp::from_millis(-1)), None);
    }
}
