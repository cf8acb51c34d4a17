//! `partway verify`: whether every record has its bytes, and no bytes are orphaned; and with `--repair`, what mends that.

use super::{
    CliError, STATUS_FAILED,
    command::{Answer, Command},
    operator, output,
};
use crate::{config::Settings, ops::VerifyReport};
use clap::ArgMatches;
use serde_json::json;
use std::process::ExitCode;

pub(super) fn run(settings: &Settings, matches: &ArgMatches) -> Result<ExitCode, CliError> {
    let is_dry = matches.get_flag("dry-run");
    let answer = match matches.get_flag("repair") {
        true => operator::do_alone(settings, Command::Repair { is_dry })?,
        false => operator::ask(settings, &Command::Verify)?,
    };
    let Answer::Verify(report) = answer else {
        return Err(CliError::failed("the server gave another answer than was asked for"));
    };
    output::print(&if matches.get_flag("json") { as_json(&report) } else { as_text(&report, is_dry) });
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(STATUS_FAILED) })
}

pub(super) fn as_text(report: &VerifyReport, is_dry: bool) -> String {
    let done = if is_dry { "to do" } else { "done" };
    let repairs = report.repairs.iter().map(|repair| format!("{done}: {}\n", output::printable(repair)));
    let lines = repairs.chain(report.problems.iter().map(|problem| format!("{}\n", output::printable(problem))));
    let outcome = match report.problems.len() {
        0 => "all is well".to_owned(),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let counts = format!("{} records, {} blobs, {}", report.records, report.blobs, output::size(report.bytes));
    lines.chain(std::iter::once(format!("{counts}: {outcome}\n"))).collect()
}

pub(super) fn as_json(report: &VerifyReport) -> String {
    let VerifyReport { records, blobs, bytes, problems, repairs } = report;
    output::json(&json!({ "records": records, "blobs": blobs, "bytes": bytes, "problems": problems, "repairs": repairs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_a_line_each_before_the_sum() {
        let mut report = VerifyReport { records: 2, blobs: 1, bytes: 10, problems: vec![], repairs: vec![] };
        assert_eq!(as_text(&report, false), "2 records, 1 blobs, 10 B: all is well\n");
        report.problems = vec!["blob a is missing".to_owned(), "blob b\n is corrupt".to_owned()];
        assert_eq!(as_text(&report, false), "blob a is missing\nblob b\\n is corrupt\n2 records, 1 blobs, 10 B: 2 problems\n");
        report.problems.pop();
        report.repairs = vec!["c goes".to_owned()];
        assert_eq!(as_text(&report, false), "done: c goes\nblob a is missing\n2 records, 1 blobs, 10 B: 1 problem\n");
        assert!(as_text(&report, true).starts_with("to do: c goes\n"));
    }
}
