//! `partway quota`: how much buckets and access keys hold, and may hold.

use super::{
    CliError,
    command::{Answer, Command},
    operator, output,
};
use crate::{
    config::{Settings, parse_size},
    model::Bucket,
    ops::{QuotaHolder, QuotaReport, QuotaSummary},
};
use clap::ArgMatches;
use serde_json::json;
use std::process::ExitCode;

pub(super) fn run(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    let (name, matches) = matches.subcommand().expect("the parser asks for a command");
    match name {
        "list" => {
            let Answer::Quotas(report) = operator::ask(settings, &Command::ListQuotas)? else {
                return Err(CliError::failed("the server gave another answer than was asked for"));
            };
            output::print(&if matches.get_flag("json") { as_json(&report) } else { as_table(&report) });
        }
        "set" => {
            let size = matches.get_one::<String>("bytes").map(|text| parse_size(text).map_err(CliError::usage)).transpose()?;
            let (holder, objects_max) = (holder(matches)?, matches.get_one::<u64>("objects").copied());
            operator::ask(settings, &Command::SetQuota { holder: holder.clone(), bytes_max: size, objects_max })?;
            let limits = [size.map(output::size), objects_max.map(|count| format!("{count} objects"))];
            let limits: Vec<_> = limits.into_iter().flatten().collect();
            output::print(&format!("{} may hold {}\n", words(&holder), limits.join(" and ")));
        }
        "clear" => {
            let holder = holder(matches)?;
            operator::ask(settings, &Command::SetQuota { holder: holder.clone(), bytes_max: None, objects_max: None })?;
            output::print(&format!("{} has no quota\n", words(&holder)));
        }
        other => unreachable!("the parser knows no command {other}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn holder(matches: &ArgMatches) -> Result<QuotaHolder, CliError> {
    let text = |name: &str| matches.get_one::<String>(name).cloned().expect("the parser asks for it");
    let name = text("name");
    match text("kind").as_str() {
        "key" => Ok(QuotaHolder::Key(name)),
        _ => Bucket::new(&name).map(QuotaHolder::Bucket).ok_or_else(|| CliError::usage(format!("`{name}` is no bucket name"))),
    }
}

fn words(holder: &QuotaHolder) -> String {
    match holder {
        QuotaHolder::Bucket(bucket) => format!("bucket {bucket}"),
        QuotaHolder::Key(access_key) => format!("key {access_key}"),
    }
}

pub(super) fn as_table(report: &QuotaReport) -> String {
    let heading = ["HOLDER", "BYTES", "OF THESE IN UPLOADS", "QUOTA", "OBJECTS", "OPEN UPLOADS", "QUOTA"].map(str::to_owned).to_vec();
    let rows = report.quotas.iter().map(|QuotaSummary { holder, bytes_max, objects_max, held }| {
        vec![
            words(holder),
            output::size(held.object_bytes.saturating_add(held.part_bytes)),
            output::size(held.part_bytes),
            bytes_max.map_or_else(|| "-".to_owned(), output::size),
            held.objects.to_string(),
            held.uploads.to_string(),
            objects_max.map_or_else(|| "-".to_owned(), |count| count.to_string()),
        ]
    });
    let table = output::table(&std::iter::once(heading).chain(rows).collect::<Vec<_>>());
    let note = "What an earlier release wrote is still being counted by the server: buckets hold more than this.\n";
    if report.is_complete { table } else { table + note }
}

pub(super) fn as_json(report: &QuotaReport) -> String {
    let quotas = report.quotas.iter().map(|QuotaSummary { holder, bytes_max, objects_max, held }| {
        let (kind, name) = match holder {
            QuotaHolder::Bucket(bucket) => ("bucket", bucket.as_str()),
            QuotaHolder::Key(access_key) => ("key", access_key.as_str()),
        };
        json!({
            "kind": kind,
            "name": name,
            "bytes_max": bytes_max,
            "objects_max": objects_max,
            "objects": held.objects,
            "object_bytes": held.object_bytes,
            "uploads": held.uploads,
            "parts": held.parts,
            "part_bytes": held.part_bytes,
        })
    });
    output::json(&json!({ "complete": report.is_complete, "quotas": quotas.collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Held;

    #[test]
    fn what_is_held_is_listed_with_what_may_be() {
        let held = Held { objects: 2, object_bytes: 1024, uploads: 1, parts: 3, part_bytes: 512 };
        let bucket = QuotaHolder::Bucket(Bucket::new("photos").unwrap());
        let limited = QuotaSummary { holder: bucket, bytes_max: Some(1 << 20), objects_max: None, held };
        let key = QuotaSummary { holder: QuotaHolder::Key("AK".to_owned()), bytes_max: None, objects_max: Some(7), held: Held::default() };
        let report = QuotaReport { quotas: vec![limited, key], is_complete: true };
        let table = as_table(&report);
        let cells =
            |line: usize| table.lines().nth(line).unwrap().split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>();
        assert_eq!(cells(1), ["bucket photos", "1.5 KiB", "512 B", "1.0 MiB", "2", "1", "-"]);
        assert_eq!(cells(2), ["key AK", "0 B", "0 B", "-", "0", "0", "7"]);
        let value: serde_json::Value = serde_json::from_str(&as_json(&report)).unwrap();
        assert_eq!((&value["quotas"][0]["part_bytes"], &value["quotas"][1]["name"]), (&json!(512), &json!("AK")));
        assert!(as_table(&QuotaReport { is_complete: false, ..report }).contains("still being counted"));
    }
}
