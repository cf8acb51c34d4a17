//! The command line. Flags of settings come from the table of settings.

use super::{STATUS_USAGE, bench, output};
use crate::config::{Flags, Kind, Setting, TABLE};
use clap::{
    Arg, ArgAction, ArgGroup, ArgMatches, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::{ffi::OsString, process::ExitCode};

/// Reads the arguments, the program's name first.
///
/// # Errors
/// The exit status after help, version or an error has been shown.
pub(super) fn parse(arguments: &[OsString]) -> Result<ArgMatches, ExitCode> {
    command().try_get_matches_from(arguments).map_err(|error| {
        let text = error.render().to_string();
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                output::print(&text);
                ExitCode::SUCCESS
            }
            _ => {
                output::complain(text.trim_end());
                if let Some(nearest) = nearest_flag(&error, arguments) {
                    output::complain(&format!("\n  tip: the nearest flag is '--{nearest}'"));
                }
                ExitCode::from(STATUS_USAGE)
            }
        }
    })
}

/// The setting nearest to an unknown flag of `serve` or `config`, when clap finds none near enough.
fn nearest_flag(error: &clap::Error, arguments: &[OsString]) -> Option<&'static str> {
    let takes_settings = arguments.get(1).is_some_and(|name| name == "serve" || name == "config");
    let unknown = error.kind() == ErrorKind::UnknownArgument && error.get(ContextKind::SuggestedArg).is_none();
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(flag)) if takes_settings && unknown => {
            let name = flag.trim_start_matches('-');
            let likeness = |setting: &Setting| strsim::normalized_damerau_levenshtein(name, setting.name);
            TABLE.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).map(|setting| setting.name)
        }
        _ => None,
    }
}

/// The flags of settings among the arguments of a command.
pub(super) fn flags(matches: &ArgMatches) -> Flags {
    let inner = innermost(matches);
    let given = |setting: &Setting| inner.try_get_many::<String>(setting.name).ok().flatten().map(|texts| texts.cloned().collect());
    TABLE.iter().filter_map(|setting| Some((setting.name, given(setting)?))).collect()
}

fn innermost(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, inner)| innermost(inner))
}

fn command() -> Command {
    let json = || Arg::new("json").long("json").action(ArgAction::SetTrue).help("Print JSON, for programs");
    let operator = |name: &'static str, about: &'static str| {
        let place = TABLE
            .iter()
            .filter(|setting| ["data", "config", "secrets-key-file", "secrets-key-file-previous"].contains(&setting.name))
            .map(flag);
        Command::new(name).about(about).args(place)
    };
    let count_max = || value("count-max", "COUNT", "List up to so many").default_value("10000").value_parser(clap::value_parser!(u32));
    let access_key = || Arg::new("key").value_name("ACCESS_KEY").required(true).help("The access key");
    let keys = Command::new("keys")
        .about("Access keys")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            operator("create", "Create an access key; its secret is shown this once")
                .arg(
                    value("account", "NAME", "Account the key belongs to and its buckets will be owned by; `root` may do everything")
                        .default_value("main"),
                )
                .arg(value("access-key", "KEY", "The access key, instead of a random one").requires("secret-key"))
                .arg(value("secret-key", "SECRET", "Its secret; other users of the machine can see it").requires("access-key"))
                .arg(value("policy", "FILE", "A policy document (JSON) that narrows what the key may do"))
                .arg(json()),
        )
        .subcommand(operator("list", "List access keys, without their secrets").arg(json()))
        .subcommand(operator("disable", "Refuse requests signed with a key").arg(access_key()))
        .subcommand(operator("enable", "Accept requests signed with a disabled key again").arg(access_key()))
        .subcommand(operator("root", "Print the root key of the data directory, for a shell to read"))
        .subcommand(
            Command::new("new-key-file")
                .about("Make a file with a new key for secrets-key-file")
                .arg(Arg::new("path").value_name("PATH").required(true).help("Where nothing is yet, and not in the data directory")),
        )
        .subcommand(operator("delete", "Delete an access key; what its account owns stays").arg(access_key()));
    let whose = || Arg::new("kind").value_name("bucket|key").value_parser(["bucket", "key"]).required(true).help("What the quota is for");
    let named = || Arg::new("name").value_name("NAME").required(true).help("The bucket, or the access key");
    let quota = Command::new("quota")
        .about("How much buckets and access keys hold, and may hold")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(operator("list", "List quotas and what is held, parts of open uploads included").arg(json()))
        .subcommand(
            operator("set", "Set the quota of a bucket or an access key; it replaces the one before")
                .arg(whose())
                .arg(named())
                .arg(Arg::new("bytes").value_name("SIZE").help("The most bytes, such as 10GiB, parts of open uploads included"))
                .arg(value("objects", "COUNT", "The most objects, open uploads included").value_parser(clap::value_parser!(u64)))
                .group(ArgGroup::new("limit").args(["bytes", "objects"]).multiple(true).required(true)),
        )
        .subcommand(operator("clear", "Let a bucket or an access key hold as much as there is room for").arg(whose()).arg(named()));
    Command::new("partway")
        .version(env!("CARGO_PKG_VERSION"))
        .about("An upload gateway for S3 and OSS clients that never asks for the same byte twice")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(Command::new("serve").about("Run the server").args_override_self(true).args(TABLE.iter().map(flag)))
        .subcommand(
            Command::new("config").about("Print the effective settings with their meaning").args(TABLE.iter().map(flag)).arg(json()).arg(
                Arg::new("reference").long("reference").action(ArgAction::SetTrue).help("Print the reference of all settings as Markdown"),
            ),
        )
        .subcommand(
            operator("uploads", "List open multipart uploads, or abort those that nobody goes on with")
                .arg(json())
                .arg(count_max())
                .args_conflicts_with_subcommands(true)
                .subcommand(
                    operator("expire", "Abort uploads that got no part for long, unless their bucket has a rule about that")
                        .arg(value(
                            "older-than",
                            "DURATION",
                            "How long they got no part, such as `7d` [default: what upload-expiry is set to]",
                        ))
                        .arg(Arg::new("dry-run").long("dry-run").action(ArgAction::SetTrue).help("List them and touch nothing"))
                        .arg(json())
                        .arg(count_max()),
                ),
        )
        .subcommand(
            operator(
                "events",
                "List upload callbacks that applications do not know of yet, replay or drop them, or set a bucket's retries",
            )
            .arg(Arg::new("all").long("all").action(ArgAction::SetTrue).help("List delivered ones, too"))
            .arg(json())
            .arg(count_max())
            .arg(value("replay", "ID", "Tell this one again: at once by a running server, else at the next start").conflicts_with_all([
                "all",
                "json",
                "retry",
                "count-max",
            ]))
            .arg(
                value("retry", "on|off", "Whether failed callbacks of a bucket are tried again")
                    .value_parser(["on", "off"])
                    .requires("bucket")
                    .conflicts_with_all(["all", "json", "count-max"]),
            )
            .arg(value("drop", "ID", "Forget this one").conflicts_with_all(["all", "json", "retry", "replay", "count-max"]))
            .arg(
                Arg::new("drop-all")
                    .long("drop-all")
                    .action(ArgAction::SetTrue)
                    .help("Forget those of a bucket that applications do not know of; the bucket may be gone")
                    .requires("bucket")
                    .conflicts_with_all(["all", "json", "retry", "replay", "drop", "count-max"]),
            )
            .arg(value("bucket", "BUCKET", "The bucket that --retry or --drop-all is for").requires("of-bucket"))
            .group(ArgGroup::new("of-bucket").args(["retry", "drop-all"])),
        )
        .subcommand(
            operator("verify", "Check that every record has its bytes and no bytes are orphaned")
                .arg(json())
                .arg(
                    Arg::new("repair")
                        .long("repair")
                        .action(ArgAction::SetTrue)
                        .help("Move what nothing refers to into the quarantine and correct counts; the server has to be stopped"),
                )
                .arg(
                    Arg::new("dry-run")
                        .long("dry-run")
                        .action(ArgAction::SetTrue)
                        .requires("repair")
                        .help("Tell what --repair would do first, and touch nothing"),
                ),
        )
        .subcommand(
            operator("backup", "Take a backup, also while the server runs")
                .arg(
                    value("to", "DIR", "Where backups are kept: missing, empty, or with earlier ones; not in the data directory")
                        .required(true),
                )
                .arg(number("keep", "COUNT", "Keep so many snapshots there, this one included", "1"))
                .arg(Arg::new("link").long("link").action(ArgAction::SetTrue).help(
                    "Give blob files a second name instead of copying them; on the same file system only, and no help when its disk fails",
                ))
                .arg(
                    Arg::new("index-only")
                        .long("index-only")
                        .action(ArgAction::SetTrue)
                        .help("Leave the blobs to something else, which has to copy them within reap-grace")
                        .conflicts_with("link"),
                )
                .arg(number("time-max", "SECONDS", "Give up after so long; the reaper waits for a backup", "86400"))
                .arg(json()),
        )
        .subcommand(
            operator("restore", "Make a backup the content of a new data directory (--data)")
                .arg(value("from", "DIR", "Where backups are kept").required(true))
                .arg(value("snapshot", "NAME", "This one instead of the newest"))
                .arg(value("blobs", "DIR", "Where the blob files are, when the snapshot came without"))
                .arg(Arg::new("check").long("check").action(ArgAction::SetTrue).help("Only check that all of it is there and sound"))
                .arg(json()),
        )
        .subcommand(keys)
        .subcommand(quota)
        .subcommand(bench::command())
}

fn number(name: &'static str, placeholder: &'static str, help: &'static str, default: &'static str) -> Arg {
    value(name, placeholder, help).default_value(default).value_parser(clap::value_parser!(u64).range(1..))
}

/// An argument with a value.
pub(super) fn value(name: &'static str, placeholder: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).value_name(placeholder).help(help)
}

/// An argument that is there or not.
pub(super) fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
}

fn flag(setting: &'static Setting) -> Arg {
    let default = match setting.default {
        Some(default) if !default.is_empty() => format!(" [default: {default}]"),
        Some(_) | None => String::new(),
    };
    let action = match setting.kind {
        Kind::List(_) => ArgAction::Append,
        _ => ArgAction::Set,
    };
    let help = format!("{}{default} [{}]", setting.meaning, setting.variable());
    Arg::new(setting.name).long(setting.name).value_name(setting.kind.placeholder()).action(action).help(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(line: &str) -> Result<ArgMatches, clap::Error> {
        command().try_get_matches_from(line.split_whitespace())
    }

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_setting_is_a_flag_of_serve_and_config() {
        for name in ["serve", "config"] {
            for setting in TABLE {
                let matches = matches(&format!("partway {name} --{} 1", setting.name)).unwrap();
                let (_, inner) = matches.subcommand().unwrap();
                assert_eq!(flags(inner), Flags::from([(setting.name, vec!["1".to_owned()])]));
            }
        }
    }

    #[test]
    fn operator_commands_take_the_place_of_the_data_and_nothing_else() {
        for command in [
            "uploads",
            "uploads expire",
            "events",
            "verify",
            "keys list",
            "keys create",
            "keys disable K",
            "keys enable K",
            "keys delete K",
            "quota list",
            "quota set bucket b 1GiB",
            "quota clear key K",
            "keys root",
            "backup --to B",
            "restore --from B",
        ] {
            let matches = matches(&format!("partway {command} --data D --config C")).unwrap();
            let (_, inner) = matches.subcommand().unwrap();
            assert_eq!(flags(inner), Flags::from([("data", vec!["D".to_owned()]), ("config", vec!["C".to_owned()])]), "{command}");
        }
        assert!(matches("partway verify --listen 127.0.0.1:1").is_err());
    }

    #[test]
    fn a_dry_run_is_one_of_something() {
        assert!(matches("partway verify --repair --dry-run --json").is_ok());
        assert!(matches("partway verify --dry-run").is_err());
        assert!(matches("partway uploads expire --older-than 7d --dry-run").is_ok());
        assert!(matches("partway uploads --dry-run").is_err());
        assert!(matches("partway uploads --data D expire").is_err(), "where the flag would not count");
    }

    #[test]
    fn a_key_is_given_whole_or_not_at_all() {
        assert!(matches("partway keys create --access-key K --secret-key S").is_ok());
        assert!(matches("partway keys create --access-key K").is_err());
        assert!(matches("partway keys create --secret-key S").is_err());
    }

    #[test]
    fn a_quota_limits_bytes_or_objects_or_both() {
        for good in ["set bucket b 10GiB", "set key K 1", "set bucket b --objects 5", "set bucket b 1KiB --objects 5", "clear bucket b"] {
            assert!(matches(&format!("partway quota {good}")).is_ok(), "{good}");
        }
        for bad in ["", "set bucket b", "set account a 1", "set bucket b 1 --objects many", "clear bucket", "clear bucket b 1"] {
            assert!(matches(&format!("partway quota {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn events_are_listed_or_replayed_or_a_bucket_is_set() {
        for good in [
            "",
            "--all --json --count-max 3",
            "--replay 00",
            "--retry on --bucket photos",
            "--retry off --bucket photos",
            "--drop 00",
            "--drop-all --bucket photos",
        ] {
            assert!(matches(&format!("partway events {good}")).is_ok(), "{good}");
        }
        for bad in [
            "--retry on",
            "--bucket photos",
            "--retry maybe --bucket photos",
            "--replay 00 --all",
            "--replay 00 --retry on --bucket b",
            "--drop-all",
            "--drop 00 --replay 00",
            "--drop 00 --drop-all --bucket b",
            "--drop 00 --bucket b",
            "--drop-all --retry on --bucket b",
        ] {
            assert!(matches(&format!("partway events {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_flag_is_an_error_that_names_the_nearest() {
        let near = matches("partway serve --listn x").unwrap_err().render().to_string();
        assert!(near.contains("'--listen'"), "{near}");
        let arguments: Vec<OsString> = ["partway", "serve", "--zzz-zz"].map(OsString::from).to_vec();
        let error = command().try_get_matches_from(&arguments).unwrap_err();
        assert!(nearest_flag(&error, &arguments).is_some(), "clap finds nothing near enough, so we say: {error}");
    }
}
