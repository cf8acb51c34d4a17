//! `partway bench`: load on any S3 or OSS endpoint, and two runs compared.

use super::{CliError, arguments, output};
use crate::{
    auth::sign::Credentials,
    bench::{self, BenchError, Limit, Order, Report, Tongue, Work, comparison, differences},
    config::{parse_duration, parse_size},
};
use clap::{ArgMatches, Command};
use std::{
    collections::HashMap,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// A run without --count takes so long.
const DURATION: Duration = Duration::from_secs(10);

/// The command's arguments.
pub(super) fn command() -> Command {
    let works = Work::ALL.map(Work::name);
    let value = arguments::value;
    let switch = arguments::switch;
    let file = |name: &'static str, help: &'static str| clap::Arg::new(name).value_name("FILE").required(true).help(help);
    Command::new("bench")
        .about("Put load on an S3 or OSS endpoint and measure it, or compare two such runs")
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .arg(value("endpoint", "URL", "Where the load goes, such as http://127.0.0.1:9000").required(true))
        .arg(value("bucket", "BUCKET", "The bucket; created when it is absent, and then removed at the end").required(true))
        .arg(
            value(
                "work",
                "WORK",
                "What is done: upload-parts, put, get, range, list (all pages), complete, or some of each but complete (mixed)",
            )
            .value_parser(works)
            .hide_possible_values(true)
            .required(true),
        )
        .arg(value("dialect", "s3|oss", "How the endpoint is spoken to").value_parser(["s3", "oss"]).default_value("s3"))
        .arg(value("access-key", "KEY", "The access key [default: AWS_ACCESS_KEY_ID, OSS_ACCESS_KEY_ID]"))
        .arg(value(
            "secret-key",
            "SECRET",
            "Its secret; other users of the machine can see it here [default: AWS_SECRET_ACCESS_KEY, OSS_ACCESS_KEY_SECRET]",
        ))
        .arg(value("security-token", "TOKEN", "The token of temporary credentials [default: AWS_SESSION_TOKEN, OSS_SESSION_TOKEN]"))
        .arg(value("region", "REGION", "The region that is signed [default: AWS_REGION, OSS_REGION; us-east-1, cn-hangzhou]"))
        .arg(value(
            "size",
            "SIZE",
            "Bytes of a body: of a part, an object, a range [default: 8MiB for upload-parts, 5MiB for complete, 1KiB for list, else 1MiB]",
        ))
        .arg(value("object-size", "SIZE", "Bytes of the objects whose ranges are read [default: 64 times the size]"))
        .arg(
            value("objects", "COUNT", "How many objects are put, read or listed, or uploads are open [default: depends on the work]")
                .value_parser(clap::value_parser!(u64)),
        )
        .arg(
            value("parts", "COUNT", "Parts of an upload, or of an object that is read [default: 100; objects up to 1GiB are one]")
                .value_parser(clap::value_parser!(u16)),
        )
        .arg(
            value("concurrency", "COUNT", "Workers, each with a connection of its own")
                .value_parser(clap::value_parser!(u64))
                .default_value("16"),
        )
        .arg(value("duration", "DURATION", "How long new operations begin, such as 30s [default: 10s]"))
        .arg(
            value("count", "COUNT", "How many operations, instead of how long")
                .value_parser(clap::value_parser!(u64))
                .conflicts_with("duration"),
        )
        .arg(value("prefix", "PREFIX", "What keys begin with; objects left there by --keep are used again [default: a random one]"))
        .arg(value("ca", "FILE", "For https: certificates in PEM to trust instead of those the system trusts"))
        .arg(value("connect", "HOST:PORT", "Connect there instead of to the endpoint's host"))
        .arg(switch("virtual-host", "Name the bucket in the host instead of in the path, as Aliyun's own endpoints want it"))
        .arg(switch("verify", "Compare what is read, and the ETags of what is written; costs CPU time"))
        .arg(
            switch("distinct", "Write bodies that differ from each other, as a server that stores equal bytes once would not write them")
                .conflicts_with("verify"),
        )
        .arg(switch("keep", "Leave what was made"))
        .arg(
            value("server-pid", "PID", "The server's process on this machine, for its CPU time and memory")
                .value_parser(clap::value_parser!(u32).range(1..)),
        )
        .arg(value("json", "FILE", "Write the report as JSON, too; `-` prints it instead of the table"))
        .subcommand(
            Command::new("compare")
                .about("Print the figures of two reports side by side with their ratios")
                .arg(file("a", "The report to compare with"))
                .arg(file("b", "The report that is compared")),
        )
}

pub(super) fn run(matches: &ArgMatches, environment: impl IntoIterator<Item = (OsString, OsString)>) -> Result<ExitCode, CliError> {
    if let Some((_, matches)) = matches.subcommand() {
        return compare(&path(matches, "a"), &path(matches, "b"));
    }
    let environment = environment.into_iter().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let order = order(matches, &environment.collect())?;
    let report = bench::run(&order, &|line| output::complain(&format!("partway bench: {line}")))?;
    let json = serde_json::to_string_pretty(&report).map_err(|error| CliError::failed(format!("the report: {error}")))?;
    let file = matches.get_one::<String>("json").map(String::as_str);
    match file {
        Some("-") => output::print(&format!("{json}\n")),
        Some(_) | None => output::print(&as_text(&report)),
    }
    if let Some(file) = file.filter(|file| *file != "-") {
        std::fs::write(file, format!("{json}\n")).map_err(|error| CliError::failed(format!("{file}: {error}")))?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::from(super::STATUS_FAILED) })
}

impl From<BenchError> for CliError {
    fn from(error: BenchError) -> Self {
        match &error {
            BenchError::Setting(_) | BenchError::File { .. } => Self::usage(error.to_string()),
            BenchError::Memory(_) | BenchError::Process { .. } | BenchError::NoBucket { .. } | BenchError::Failed { .. } => {
                Self::failed(error.to_string())
            }
        }
    }
}

fn compare(a: &Path, b: &Path) -> Result<ExitCode, CliError> {
    let read = |path: &Path| {
        let wrong = |why: String| CliError::usage(format!("{}: {why}", path.display()));
        std::fs::read_to_string(path).map_err(|error| wrong(error.to_string())).and_then(|text| Report::parse(&text).map_err(wrong))
    };
    let (a, b) = (read(a)?, read(b)?);
    output::print(&as_comparison(&a, &b));
    Ok(ExitCode::SUCCESS)
}

fn as_comparison(a: &Report, b: &Report) -> String {
    let notes: String = differences(a, b).iter().map(|line| format!("{}\n", output::printable(line))).collect();
    format!("{}{notes}", output::table(&comparison(a, b)))
}

fn as_text(report: &Report) -> String {
    let lines = |lines: Vec<String>| lines.iter().map(|line| format!("{}\n", output::printable(line))).collect::<String>();
    let (above, below) = report.lines();
    format!("{}{}{}", lines(above), output::table(&report.table()), lines(below))
}

fn order(matches: &ArgMatches, environment: &HashMap<String, String>) -> Result<Order, CliError> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let needed = |name: &str| text(name).expect("the parser asks for it");
    let size = |name: &str| text(name).map(|text| parse_size(&text).map_err(CliError::usage)).transpose();
    let tongue = if needed("dialect") == "oss" { Tongue::Oss } else { Tongue::S3 };
    let [key_names, secret_names, token_names, region_names] = match tongue {
        Tongue::S3 => {
            [["AWS_ACCESS_KEY_ID"].as_slice(), &["AWS_SECRET_ACCESS_KEY"], &["AWS_SESSION_TOKEN"], &["AWS_REGION", "AWS_DEFAULT_REGION"]]
        }
        Tongue::Oss => {
            [["OSS_ACCESS_KEY_ID"].as_slice(), &["OSS_ACCESS_KEY_SECRET"], &["OSS_SESSION_TOKEN", "OSS_SECURITY_TOKEN"], &["OSS_REGION"]]
        }
    };
    let either = |name: &str, variables: &[&str]| {
        let found = || variables.iter().find_map(|variable| environment.get(*variable).filter(|value| !value.is_empty()).cloned());
        text(name).or_else(found)
    };
    let secret = |name: &str, variables: &[&str]| {
        either(name, variables).ok_or_else(|| CliError::usage(format!("--{name} is missing, and {} is not set", variables[0])))
    };
    let default_region = if tongue == Tongue::S3 { "us-east-1" } else { "cn-hangzhou" };
    let limit = match matches.get_one::<u64>("count") {
        Some(count) => Limit::Count(*count),
        None => Limit::Time(text("duration").map_or(Ok(DURATION), |text| parse_duration(&text)).map_err(CliError::usage)?),
    };
    let work = needed("work");
    let concurrency = matches.get_one::<u64>("concurrency").copied().unwrap_or(1);
    Ok(Order {
        endpoint: needed("endpoint"),
        connect: text("connect"),
        virtual_host: matches.get_flag("virtual-host"),
        ca: text("ca").map(PathBuf::from),
        tongue,
        region: either("region", region_names).unwrap_or_else(|| default_region.to_owned()),
        credentials: Credentials {
            access_key: secret("access-key", key_names)?,
            secret_key: secret("secret-key", secret_names)?,
            // A token from the environment belongs to the key from there.
            security_token: text("security-token")
                .or_else(|| if text("access-key").is_none() { either("security-token", token_names) } else { None }),
        },
        bucket: needed("bucket"),
        prefix: text("prefix"),
        work: Work::ALL.into_iter().find(|known| known.name() == work).expect("the parser knows the works"),
        size: size("size")?,
        object_size: size("object-size")?,
        objects: matches.get_one::<u64>("objects").copied(),
        parts: matches.get_one::<u16>("parts").copied(),
        concurrency: usize::try_from(concurrency).unwrap_or(usize::MAX),
        limit,
        verify: matches.get_flag("verify"),
        distinct: matches.get_flag("distinct"),
        keep: matches.get_flag("keep"),
        server_pid: matches.get_one::<u32>("server-pid").copied(),
    })
}

fn path(matches: &ArgMatches, name: &str) -> PathBuf {
    matches.get_one::<String>(name).map(PathBuf::from).expect("the parser asks for it")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str, environment: &[(&str, &str)]) -> Result<Order, CliError> {
        let matches = command().try_get_matches_from(line.split_whitespace()).map_err(|error| CliError::usage(error.to_string()))?;
        order(&matches, &environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn the_arguments_are_consistent() {
        command().debug_assert();
    }

    #[test]
    fn keys_come_from_the_arguments_or_from_the_dialects_own_variables() {
        let line = "bench --endpoint http://h --bucket b --work put";
        let aws = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_SESSION_TOKEN", "t"), ("AWS_REGION", "mars-1")];
        let order = read(line, &aws).unwrap();
        assert_eq!((order.credentials.access_key.as_str(), order.credentials.secret_key.as_str()), ("a", "s"));
        assert_eq!((order.credentials.security_token.as_deref(), order.region.as_str()), (Some("t"), "mars-1"));
        assert_eq!((order.limit, order.concurrency), (Limit::Time(DURATION), 16));
        let refused = read(&format!("{line} --dialect oss"), &aws).unwrap_err();
        assert!(refused.message.contains("OSS_ACCESS_KEY_ID"), "{}", refused.message);
        let order = read(&format!("{line} --access-key k --secret-key x --size 4KiB --count 7"), &aws).unwrap();
        assert_eq!((order.credentials.security_token, order.size, order.limit), (None, Some(4096), Limit::Count(7)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];
        for line in [
            "bench",
            "bench --endpoint http://h --bucket b",
            "bench --endpoint http://h --bucket b --work nap",
            "bench --endpoint http://h --bucket b --work put --count 1 --duration 1s",
            "bench --endpoint http://h --bucket b --work put --size big",
            "bench --endpoint http://h --bucket b --work put --duration 10",
            "bench --endpoint http://h --bucket b --work put --server-pid 0",
            "bench compare a.json",
        ] {
            assert!(read(line, &keys).is_err(), "{line}");
        }
        assert!(command().try_get_matches_from("bench compare a.json b.json".split(' ')).is_ok());
    }

    #[test]
    fn a_report_and_a_comparison_read_as_they_did() {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/bench");
        let report = Report::parse(&std::fs::read_to_string(golden.join("report.json")).unwrap()).unwrap();
        let mut other = report.clone();
        other.operations[0].mib_per_sec *= 2.5;
        other.concurrency = 1;
        for (name, text) in [("report.txt", as_text(&report)), ("comparison.txt", as_comparison(&report, &other))] {
            if std::env::var_os("PARTWAY_BLESS").is_some() {
                std::fs::write(golden.join(name), &text).unwrap();
            }
            assert_eq!(text, std::fs::read_to_string(golden.join(name)).unwrap(), "{name}");
        }
    }
}
