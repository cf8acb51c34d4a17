//! Commands: arguments to calls, nothing else.
//!
//! `serve` runs the server. Operator commands are values of one type, carried out by one function,
//! either here on a stopped data directory or in the running server, through its control socket.

mod arguments;
mod backup;
mod bench;
mod command;
mod control;
mod events;
mod housekeeping;
mod keys;
mod operator;
mod output;
mod quota;
mod sealing;
mod serve;
mod startup_block;
mod stores;
mod uploads;
mod verify;

use crate::{
    config::{ConfigError, Settings, Values, effective_json, effective_toml, reference},
    datadir::DataDirError,
    model::Timestamp,
};
use command::{Answer, Reply};
use std::{ffi::OsString, process::ExitCode};

/// A line of the control socket as a command and as an answer, each as it would be sent on; `None` for what it is not: for
/// fuzzing.
#[doc(hidden)]
#[must_use]
pub fn sent_on(line: &[u8]) -> [Option<Vec<u8>>; 2] {
    control::sent_on(line)
}

/// What the terminal gets of an answer on the control socket, as text and as JSON; `None` when the line is none: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn printed(line: &[u8]) -> Option<(String, String)> {
    let now = Timestamp::from_millis(0);
    Some(match serde_json::from_slice::<Reply>(line).ok()?.ok()? {
        Answer::Uploads(uploads) => (uploads::as_table(&uploads, now), uploads::as_json(&uploads, now)),
        Answer::StaleUploads(stale) => (uploads::sum(&stale, true), uploads::as_json(&stale.uploads, now)),
        Answer::Verify(report) => (verify::as_text(&report, true), verify::as_json(&report)),
        Answer::Backup(report) => (backup::as_text(&report), output::json(&serde_json::json!(report))),
        Answer::Events(events) => (events::as_table(&events, now), events::as_json(&events)),
        Answer::Quotas(report) => (quota::as_table(&report), quota::as_json(&report)),
        Answer::Keys(keys) => (keys::as_table(&keys), keys::as_json(&keys)),
        Answer::Delivered | Answer::Dropped(_) | Answer::Done => Default::default(),
    })
}

/// What is wrong, for the person at the terminal, and the exit status that goes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct CliError {
    message: String,
    status: u8,
}

/// Exit status: it did not succeed, or `verify` found something.
const STATUS_FAILED: u8 = 1;
/// Exit status: the arguments or settings are wrong.
const STATUS_USAGE: u8 = 2;
/// Exit status: another process has the data directory.
const STATUS_IN_USE: u8 = 3;

impl CliError {
    fn failed(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: STATUS_FAILED }
    }

    fn usage(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: STATUS_USAGE }
    }
}

impl From<ConfigError> for CliError {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<DataDirError> for CliError {
    fn from(error: DataDirError) -> Self {
        let status = match error {
            DataDirError::InUse { .. } => STATUS_IN_USE,
            DataDirError::Sealed { .. } => STATUS_USAGE,
            DataDirError::Absent { .. }
            | DataDirError::Foreign { .. }
            | DataDirError::NotEmpty { .. }
            | DataDirError::Format { .. }
            | DataDirError::RootKey { .. }
            | DataDirError::CallbackKey { .. }
            | DataDirError::Io { .. } => STATUS_FAILED,
        };
        Self { message: error.to_string(), status }
    }
}

/// The whole program: reads the arguments (the first one is the program's name) and the environment,
/// does what they say and returns the exit status.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: impl IntoIterator<Item = (OsString, OsString)>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let matches = match arguments::parse(&arguments) {
        Ok(matches) => matches,
        Err(shown) => return shown,
    };
    match dispatch(&matches, environment) {
        Ok(status) => status,
        Err(error) => {
            output::complain(&format!("partway: {}", error.message));
            ExitCode::from(error.status)
        }
    }
}

fn dispatch(matches: &clap::ArgMatches, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<ExitCode, CliError> {
    let (name, matches) = matches.subcommand().expect("the parser asks for a command");
    if name == "bench" {
        // It is a client: the settings of a server do not concern it.
        return bench::run(matches, environment);
    }
    let values = Values::load(&arguments::flags(matches), environment)?;
    let settings = Settings::new(&values)?;
    match name {
        "serve" => serve::run(&settings),
        "config" => {
            let text = match (matches.get_flag("reference"), matches.get_flag("json")) {
                (true, _) => reference(),
                (false, true) => output::json(&effective_json(&values)),
                (false, false) => effective_toml(&values),
            };
            output::print(&text);
            Ok(ExitCode::SUCCESS)
        }
        "uploads" => uploads::run(&settings, matches),
        "events" => events::run(&settings, matches),
        "verify" => verify::run(&settings, matches),
        "backup" => backup::run(&settings, matches),
        "restore" => backup::run_restore(&settings, matches),
        "keys" => keys::run(&settings, matches),
        "quota" => quota::run(&settings, matches),
        other => unreachable!("the parser knows no command {other}"),
    }
}
