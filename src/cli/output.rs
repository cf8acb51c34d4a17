//! Text for the terminal: tables, times, and streams that may be closed.

use crate::model::Timestamp;
use std::io::Write as _;
use time::{OffsetDateTime, macros::format_description};

/// Writes to standard output. Nobody is left to tell when it is closed, so errors are dropped.
pub(super) fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes a line to standard error.
pub(super) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// JSON for programs that people may look at, too.
pub(super) fn json(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Columns padded to their widest cell; the first row is the heading. Control characters are escaped,
/// because object keys are anybody's and the terminal is the operator's.
pub(super) fn table(rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:<width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// The text with its control characters escaped.
pub(super) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| if character.is_control() { character.escape_default().collect::<Vec<_>>() } else { vec![character] })
        .collect()
}

/// A time as `2026-01-31T12:00:00Z`.
pub(super) fn time(timestamp: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let moment = OffsetDateTime::from_unix_timestamp(timestamp.secs()).ok().and_then(|moment| moment.format(format).ok());
    moment.unwrap_or_else(|| format!("{} ms", timestamp.millis()))
}

/// A size for people: three digits or more, one decimal.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let unit = (bytes.max(1).ilog2() / 10) as usize;
    match UNITS.get(unit) {
        Some(name) if unit > 0 => {
            let tenths = u128::from(bytes).saturating_mul(10) >> (10 * unit);
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        _ => format!("{bytes} B"),
    }
}

/// A span of time for people: its two largest units. Negative ones, of clocks that went back, are zero.
pub(super) fn age(millis: i64) -> String {
    let secs = u64::try_from(millis / 1000).unwrap_or(0);
    let (days, hours, minutes) = (secs / 86_400, secs / 3600 % 24, secs / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{secs}s"),
        (0, 0, _) => format!("{minutes}m{:02}s", secs % 60),
        (0, _, _) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_do_not_reach_the_terminal() {
        let rows = [vec!["key".to_owned(), "size".to_owned()], vec!["a\u{1b}[31m\n".to_owned(), "1".to_owned()]];
        assert_eq!(table(&rows), "key            size\na\\u{1b}[31m\\n  1\n");
    }

    #[test]
    fn times_sizes_and_ages_are_short() {
        assert_eq!(time(Timestamp::from_secs(1_700_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(time(Timestamp::from_millis(i64::MAX)), format!("{} ms", i64::MAX));
        for (bytes, text) in [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (u64::MAX, "15.9 EiB")] {
            assert_eq!(size(bytes), text);
        }
        for (millis, text) in [(-5, "0s"), (59_999, "59s"), (61_000, "1m01s"), (3_600_000, "1h00m"), (90_000_000, "1d01h")] {
            assert_eq!(age(millis), text);
        }
    }
}
