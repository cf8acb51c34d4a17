//! `partway verify`: whether every record has its bytes, and no bytes are orphaned.

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
    let Answer::Verify(report) = operator::ask(settings, &Command::Verify)? else {
        return Err(CliError::failed("the server gave another answer than was asked for"));
    };
    output::print(&if matches.get_flag("json") { as_json(&report) } else { as_text(&report) });
    Ok(if report.problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(STATUS_FAILED) })
}

fn as_text(report: &VerifyReport) -> String {
    let lines = report.problems.iter().map(|problem| format!("{}\n", output::printable(problem)));
    let outcome = match report.problems.len() {
        0 => "all is well".to_owned(),
        1 => "1 problem".to_owned(),
        count => format!("{count} problems"),
    };
    let counts = format!("{} records, {} blobs, {}", report.records, report.blobs, output::size(report.bytes));
    lines.chain(std::iter::once(format!("{counts}: {outcome}\n"))).collect()
}

fn as_json(report: &VerifyReport) -> String {
    output::json(&json!({ "records": report.records, "blobs": report.blobs, "bytes": report.bytes, "problems": report.problems }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_a_line_each_before_the_sum() {
        let mut report = VerifyReport { records: 2, blobs: 1, bytes: 10, problems: vec![] };
        assert_eq!(as_text(&report), "2 records, 1 blobs, 10 B: all is well\n");
        report.problems = vec!["blob a is missing".to_owned(), "blob b\n is corrupt".to_owned()];
        assert_eq!(as_text(&report), "blob a is missing\nblob b\\n is corrupt\n2 records, 1 blobs, 10 B: 2 problems\n");
    }
}
