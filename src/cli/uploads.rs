//! `partway uploads`: the open multipart uploads, and an end to those that nobody goes on with.

use super::{
    CliError,
    command::{Answer, Command},
    operator, output, stores,
};
use crate::{
    config::{Kind, Settings, Value},
    model::Timestamp,
    ops::{OpenUpload, StaleUploads},
};
use clap::ArgMatches;
use serde_json::json;
use std::{process::ExitCode, time::Duration};

/// An age that an operator may name. Unlike the setting it may be short: somebody is looking.
const OLDER_THAN: Kind = Kind::Duration { min: Duration::ZERO, max: Duration::from_secs(3650 * 24 * 3600) };

pub(super) fn run(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    if let Some(("expire", matches)) = matches.subcommand() {
        return expire(settings, matches);
    }
    let count_max = *matches.get_one::<u32>("count-max").expect("it has a default");
    let Answer::Uploads(uploads) = operator::ask(settings, &Command::Uploads { count_max })? else {
        return Err(CliError::failed("the server gave another answer than was asked for"));
    };
    let now = stores::now();
    output::print(&if matches.get_flag("json") { as_json(&uploads, now) } else { as_table(&uploads, now) });
    if u32::try_from(uploads.len()).is_ok_and(|count| count >= count_max) {
        output::complain(&format!("partway: only the first {count_max} are listed; --count-max lists more"));
    }
    Ok(ExitCode::SUCCESS)
}

fn expire(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    let idle = match matches.get_one::<String>("older-than").map(|text| OLDER_THAN.parse(text)) {
        Some(Ok(Value::Duration(idle))) => idle,
        Some(Ok(other)) => unreachable!("a duration is read as {other:?}"),
        Some(Err(why)) => return Err(CliError::usage(format!("--older-than: {why}"))),
        None => settings.upload_expiry.ok_or_else(|| CliError::usage("--older-than is needed, because upload-expiry is not set"))?,
    };
    let idle_ms = i64::try_from(idle.as_millis()).unwrap_or(i64::MAX);
    let (is_dry, count_max) = (matches.get_flag("dry-run"), *matches.get_one::<u32>("count-max").expect("it has a default"));
    let Answer::StaleUploads(stale) = operator::ask(settings, &Command::ExpireUploads { idle_ms, is_dry, count_max })? else {
        return Err(CliError::failed("the server gave another answer than was asked for"));
    };
    let now = stores::now();
    if matches.get_flag("json") {
        output::print(&as_json(&stale.uploads, now));
        output::complain(sum(&stale, is_dry).trim_end());
    } else {
        let table = if stale.uploads.is_empty() { String::new() } else { as_table(&stale.uploads, now) };
        output::print(&format!("{table}{}", sum(&stale, is_dry)));
    }
    Ok(ExitCode::SUCCESS)
}

/// What came of it, in a line.
pub(super) fn sum(stale: &StaleUploads, is_dry: bool) -> String {
    let uploads = if stale.count == 1 { "upload" } else { "uploads" };
    let verb = if is_dry { "would be aborted" } else { "aborted" };
    let untold = match stale.count.saturating_sub(stale.uploads.len() as u64) {
        0 => String::new(),
        count => format!(" ({count} of them not listed)"),
    };
    format!("{} {uploads} {verb}, holding {}{untold}\n", stale.count, output::size(stale.bytes_held))
}

fn since(then: Timestamp, now: Timestamp) -> i64 {
    now.millis().saturating_sub(then.millis()).max(0)
}

pub(super) fn as_table(uploads: &[OpenUpload], now: Timestamp) -> String {
    if uploads.is_empty() {
        return "no open uploads\n".to_owned();
    }
    let heading = ["BUCKET", "KEY", "UPLOAD ID", "PARTS", "HELD", "AGE", "LAST ACTIVITY"].map(str::to_owned).to_vec();
    let rows = uploads.iter().map(|upload| {
        vec![
            upload.bucket.to_string(),
            upload.key.to_string(),
            upload.upload_id.to_string(),
            upload.part_count.to_string(),
            output::size(upload.bytes_held),
            output::age(since(upload.initiated, now)),
            format!("{} ago", output::age(since(upload.last_activity, now))),
        ]
    });
    output::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

pub(super) fn as_json(uploads: &[OpenUpload], now: Timestamp) -> String {
    let rows = uploads.iter().map(|upload| {
        json!({
            "bucket": upload.bucket.as_str(),
            "key": upload.key.as_str(),
            "upload_id": upload.upload_id.to_string(),
            "part_count": upload.part_count,
            "bytes_held": upload.bytes_held,
            "initiated": output::time(upload.initiated),
            "age_ms": since(upload.initiated, now),
            "last_activity": output::time(upload.last_activity),
        })
    });
    output::json(&rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Bucket, ObjectKey, UploadId};

    fn upload() -> OpenUpload {
        OpenUpload {
            bucket: Bucket::new("films").unwrap(),
            key: ObjectKey::new("a\u{1b}b").unwrap(),
            upload_id: UploadId::new(Timestamp::from_secs(1_700_000_000), [7; 10]),
            initiated: Timestamp::from_secs(1_700_000_000),
            last_activity: Timestamp::from_secs(1_700_000_060),
            part_count: 3,
            bytes_held: 15 << 20,
        }
    }

    #[test]
    fn the_table_shows_what_operators_ask_for() {
        let text = as_table(&[upload()], Timestamp::from_secs(1_700_003_600));
        let id = upload().upload_id.to_string();
        for part in ["films", "a\\u{1b}b", &id, " 3 ", "15.0 MiB", "1h00m", "59m00s ago"] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(as_table(&[], Timestamp::from_secs(0)), "no open uploads\n");
    }

    #[test]
    fn the_sum_says_what_was_done_and_what_is_not_listed() {
        let stale = StaleUploads { uploads: vec![upload()], count: 1, bytes_held: 15 << 20 };
        assert_eq!(sum(&stale, true), "1 upload would be aborted, holding 15.0 MiB\n");
        let stale = StaleUploads { count: 3, ..stale };
        assert_eq!(sum(&stale, false), "3 uploads aborted, holding 15.0 MiB (2 of them not listed)\n");
        assert_eq!(sum(&StaleUploads::default(), false), "0 uploads aborted, holding 0 B\n");
    }

    #[test]
    fn the_json_has_ids_as_text_and_numbers_as_numbers() {
        let value: serde_json::Value = serde_json::from_str(&as_json(&[upload()], Timestamp::from_secs(1_700_000_001))).unwrap();
        assert_eq!(value[0]["upload_id"], upload().upload_id.to_string());
        assert_eq!(value[0]["key"], "a\u{1b}b");
        assert_eq!(value[0]["part_count"], 3);
        assert_eq!(value[0]["bytes_held"], 15 << 20);
        assert_eq!(value[0]["age_ms"], 1000);
        assert_eq!(value[0]["last_activity"], "2023-11-14T22:14:20Z");
    }
}
