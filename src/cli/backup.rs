//! `partway backup` and `partway restore`.

use super::{
    CliError,
    command::{Answer, Command},
    operator, output,
};
use crate::{
    backup::{Order, Report, RestoreOrder, RestoreReport, check, restore},
    config::Settings,
};
use clap::ArgMatches;
use serde_json::json;
use std::{path::PathBuf, process::ExitCode};

pub(super) fn run(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    let to = path(matches, "to").expect("the parser asks for it");
    let number = |name: &str| *matches.get_one::<u64>(name).expect("it has a default");
    let order = Order {
        // The server has a working directory of its own.
        to: std::path::absolute(&to).map_err(|error| CliError::usage(format!("{}: {error}", to.display())))?,
        keep: usize::try_from(number("keep")).unwrap_or(usize::MAX),
        link: matches.get_flag("link"),
        index_only: matches.get_flag("index-only"),
        time_max_secs: number("time-max"),
    };
    let Answer::Backup(report) = operator::ask(settings, &Command::Backup(order))? else {
        return Err(CliError::failed("the server gave another answer than was asked for"));
    };
    output::print(&if matches.get_flag("json") { output::json(&json!(report)) } else { as_text(&report) });
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run_restore(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    let order = RestoreOrder {
        from: path(matches, "from").expect("the parser asks for it"),
        snapshot: matches.get_one::<String>("snapshot").cloned(),
        blobs: path(matches, "blobs"),
    };
    let is_check = matches.get_flag("check");
    let done = if is_check { check(&order) } else { restore(&order, &settings.data) };
    let report = done.map_err(|error| CliError::failed(error.to_string()))?;
    output::print(&match matches.get_flag("json") {
        true => output::json(&json!(report)),
        false => restored(&report, if is_check { "is sound" } else { "is restored" }),
    });
    Ok(ExitCode::SUCCESS)
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<String>(name).map(PathBuf::from)
}

pub(super) fn as_text(report: &Report) -> String {
    let Report { snapshot, index_bytes, blobs, blob_bytes, copied, copied_bytes, removed_snapshots, removed_blobs } = report;
    format!(
        "snapshot {}: index {}, {blobs} blobs of {}; copied {copied} blobs of {}; \
         removed {removed_snapshots} older snapshots and {removed_blobs} blobs\n",
        output::printable(snapshot),
        output::size(*index_bytes),
        output::size(*blob_bytes),
        output::size(*copied_bytes),
    )
}

fn restored(report: &RestoreReport, what: &str) -> String {
    let RestoreReport { snapshot, taken, blobs, blob_bytes, sealed_with } = report;
    let sealed = sealed_with
        .as_ref()
        .map_or_else(String::new, |id| format!("; its secrets are sealed with key {id}, so secrets-key-file has to name that"));
    // A manifest may come from elsewhere.
    output::printable(&format!("snapshot {snapshot} of {taken} {what}: {blobs} blobs of {}{sealed}", output::size(*blob_bytes))) + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_say_what_there_is_and_what_was_done() {
        let report =
            Report { snapshot: "S".to_owned(), index_bytes: 1, blobs: 2, blob_bytes: 3, copied: 1, copied_bytes: 2, ..Report::default() };
        let text = as_text(&report);
        assert_eq!(text, "snapshot S: index 1 B, 2 blobs of 3 B; copied 1 blobs of 2 B; removed 0 older snapshots and 0 blobs\n");
        let report = RestoreReport { snapshot: "S".to_owned(), taken: "T".to_owned(), blobs: 2, blob_bytes: 3, sealed_with: None };
        assert_eq!(restored(&report, "is restored"), "snapshot S of T is restored: 2 blobs of 3 B\n");
        let sealed = RestoreReport { sealed_with: Some("ID".to_owned()), ..report };
        assert!(
            restored(&sealed, "is sound")
                .ends_with("2 blobs of 3 B; its secrets are sealed with key ID, so secrets-key-file has to name that\n")
        );
    }
}
