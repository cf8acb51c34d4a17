//! docs/security.md names every bound with its value; here the table is compared with the source, in both directions.
//!
//! - A row names a constant and its file, or a setting: the value in the row is the constant's, or the setting's default.
//! - A constant of the source whose name says that it is a bound is in the table, or in [`NO_DEFENCE`] with the reason.

#[path = "tidy/source.rs"]
#[allow(dead_code, reason = "shared with the suite `tidy`, which uses more of it")]
mod source;

use source::Source;
use std::{collections::BTreeSet, path::Path};

const DOCUMENT: &str = include_str!("../docs/security.md");

/// Words in the names of constants that are bounds.
const BOUNDS: [&str; 8] = ["MAX", "MIN", "LIMIT", "LIMITS", "TIMEOUT", "WINDOW", "PATIENCE", "DEADLINE"];

/// Bounds that defend nothing against nobody: tuning, formats, and what only operators reach.
const NO_DEFENCE: &[(&str, &str, &str)] = &[
    ("src/auth/date.rs", "SECS_MAX", "where four-digit years end"),
    ("src/bench/client.rs", "HEADER_COUNT_MAX", "what the load generator reads of a server that its user chose"),
    ("src/bench/client.rs", "KEEP_MAX", "what the load generator reads of a server that its user chose"),
    ("src/bench/client.rs", "TOGETHER_MAX", "how the load generator sends"),
    ("src/bench/line.rs", "RETRY_COUNT_MAX", "pace of the load generator"),
    ("src/bench/payload.rs", "SIZE_MAX", "how the load generator sends"),
    ("src/bench/plan.rs", "BODY_SIZE_MAX", "what can be asked of the load generator"),
    ("src/bench/plan.rs", "CONCURRENCY_MAX", "what can be asked of the load generator"),
    ("src/bench/plan.rs", "OBJECTS_MAX", "what can be asked of the load generator"),
    ("src/bench/plan.rs", "PARTS_MAX", "what can be asked of the load generator"),
    ("src/bench/site.rs", "PATIENCE", "the load generator waits for a server"),
    ("src/bench/worker.rs", "FAILURES_IN_A_ROW_MAX", "when the load generator gives up"),
    ("src/bench/worker.rs", "TROUBLES_MAX", "what the load generator tells"),
    ("src/blob/local/buffers.rs", "PIECE_BLOCK_COUNT_MAX", "how a file is read"),
    ("src/blob/local/staging.rs", "WRITE_BUFFER_COUNT_MAX", "what the system takes at once"),
    ("src/cli/housekeeping.rs", "STEP_PAUSE_MIN", "pace of the background"),
    ("src/cli/control.rs", "ANSWER_BYTES_MAX", "what an operator's command reads of the server"),
    ("src/cli/control.rs", "SOCKET_PATH_BYTES_MAX", "what the system takes"),
    ("src/cli/operator.rs", "PATIENCE", "an operator's command waits for the server"),
    ("src/cli/serve.rs", "REAP_PAUSE_MAX", "pace of the background"),
    ("src/dialect/date.rs", "MILLIS_MAX", "where four-digit years end"),
    ("src/dialect/oss/owner.rs", "ID_MIN", "the form of an account number"),
    ("src/dialect/oss/headers.rs", "TRAFFIC_LIMIT", "the name of a header"),
    ("src/meta/record.rs", "PARTS_HERE_MAX", "layout of records"),
    ("src/meta/rocks/mod.rs", "SCAN_IN_MEMORY_COUNT_MAX", "how the index is read"),
    ("src/meta/rocks/mod.rs", "LEAPS_IN_MEMORY_COUNT_MAX", "how the index is read"),
    ("src/meta/rocks/quickness.rs", "CREDIT_MAX", "how the index is read"),
    ("src/meta/rocks/quickness.rs", "QUICK_TIME_MAX", "how the index is read"),
    ("src/meta/rocks/settings.rs", "BLOB_SIZE_MIN", "layout of the index"),
    ("src/meta/rocks/settings.rs", "REMOVED_WINDOW", "when the index is compacted"),
    ("src/meta/rocks/store.rs", "REMOVED_IN_MEMORY_MAX", "how the index is read"),
    ("src/ops/append_object.rs", "JOINED_SIZE_RATIO_MAX", "when pieces are joined"),
    ("src/ops/complete_multipart_upload.rs", "ASSEMBLE_HERE_PARTS_MAX", "where manifests are assembled"),
    ("src/ops/gateway.rs", "WAIT_MS_MAX", "pace of a commit that lost a race"),
    ("src/ops/ingest.rs", "DIGEST_HERE_BYTES_MAX", "where digests are computed"),
    ("src/ops/hold.rs", "COMMIT_MS_MAX", "how far back a backup holds the reaper"),
    ("src/ops/inspect/mod.rs", "PROBLEMS_MAX", "what `verify` tells an operator"),
    ("src/ops/inspect/mod.rs", "RECOUNTS_MAX", "how `verify` counts"),
    ("src/ops/inspect/repair.rs", "TURNS_MAX", "how `verify --repair` goes on"),
    ("src/ops/inspect/scrub.rs", "READS_MAX", "how `verify` reads"),
    ("src/ops/orphans.rs", "LINES_COUNTED_MAX", "how far a metric counts"),
    ("src/server/pieces.rs", "LARGE_SIZE_MIN", "which bodies are received in large pieces"),
    ("src/space/mod.rs", "INODES_FREE_MIN", "what a file system must have left, by its design (docs/adr/0010)"),
];

/// A row of the table.
#[derive(Debug)]
struct Row<'a> {
    bound: &'a str,
    /// A constant, or a setting when there is no file.
    name: &'a str,
    file: Option<&'a str>,
}

fn rows() -> Vec<Row<'static>> {
    let table =
        DOCUMENT.split("<!-- limits -->").nth(1).expect("the table is marked").split("<!-- end of limits -->").next().expect("it ends");
    let cells = |line: &'static str| line.trim().trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let rows = table.lines().filter(|line| line.starts_with('|') && line.contains('`')).map(cells);
    rows.map(|row| match row[..] {
        [_, bound, name, source] => {
            let file = source.strip_prefix('`').and_then(|file| file.strip_suffix('`')).filter(|file| file.ends_with(".rs"));
            assert!(file.is_some() || source.ends_with("(configuration.md)"), "{source}");
            Row { bound, name: name.trim_matches('`'), file }
        }
        _ => panic!("a row has four cells: {row:?}"),
    })
    .collect()
}

/// The constants of a file and what they are set to, as tokens, tests left out.
fn constants(source: &Source) -> Vec<(String, Vec<String>)> {
    let tokens = &source.tokens;
    let starts = (0..tokens.len()).filter(|&at| tokens[at] == "const" && tokens.get(at + 2).is_some_and(|colon| colon == ":"));
    starts
        .filter_map(|at| {
            let rest = &tokens[at + 3..];
            let begin = rest.iter().position(|token| token == "=")? + 1;
            let end = rest.iter().position(|token| token == ";")?;
            // A type may hold a semicolon, as that of an array does; none of those is a number.
            (begin <= end).then(|| (tokens[at + 1].clone(), rest[begin..end].to_vec()))
        })
        .collect()
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    source::load(&root.join("src"))
}

fn path_of(source: &Source) -> String {
    format!("src/{}", source.path.trim_start_matches("src/"))
}

/// What an expression of numbers, other constants of the file and durations comes to: a number, a duration in milliseconds, or
/// the ends of a range.
fn value(tokens: &[String], others: &[(String, Vec<String>)]) -> Option<Vec<u128>> {
    if let Some(at) = tokens.windows(3).position(|step| step == [".", ".", "="]) {
        return Some(vec![number(&tokens[..at], others)?, number(&tokens[at + 3..], others)?]);
    }
    Some(vec![number(tokens, others)?])
}

/// `<<` binds least, then `+`, then `*`, as in Rust turned around.
fn number(tokens: &[String], others: &[(String, Vec<String>)]) -> Option<u128> {
    let split = |operator: &[&str]| {
        let mut depth = 0_usize;
        (0..tokens.len()).rev().find(|&at| {
            match tokens[at].as_str() {
                ")" => depth += 1,
                "(" => depth -= 1,
                _ => {}
            }
            depth == 0 && tokens[at..].len() >= operator.len() && tokens[at..].iter().zip(operator).all(|(token, part)| token == part)
        })
    };
    for (operator, apply) in [(&["<", "<"][..], (|a, b| a << b) as fn(u128, u128) -> u128), (&["+"], |a, b| a + b), (&["*"], |a, b| a * b)]
    {
        if let Some(at) = split(operator) {
            return Some(apply(number(&tokens[..at], others)?, number(&tokens[at + operator.len()..], others)?));
        }
    }
    match tokens {
        [open, inner @ .., close] if open == "(" && close == ")" => number(inner, others),
        [duration, colons, unit, open, inner @ .., close] if duration == "Duration" && colons == "::" && open == "(" && close == ")" => {
            let factor = match unit.as_str() {
                "from_secs" => 1000,
                "from_millis" => 1,
                _ => return None,
            };
            Some(number(inner, others)? * factor)
        }
        [one] => match one.replace('_', "").parse() {
            Ok(number) => Some(number),
            Err(_) => number(&others.iter().find(|(name, _)| name == one)?.1, others),
        },
        _ => None,
    }
}

/// What a cell says: `32 KiB`, `1,000`, `5 s`, `900 to 43,200 s`. Bytes, milliseconds, or a count.
fn said(cell: &str) -> Option<Vec<u128>> {
    let (numbers, factor) = match cell.rsplit_once(' ') {
        Some((numbers, unit)) if unit.chars().all(char::is_alphabetic) => {
            let factor = match unit {
                "bytes" | "characters" | "ms" => 1,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                "s" => 1000,
                "min" => 60_000,
                "h" => 3_600_000,
                "days" => 86_400_000,
                _ => return None,
            };
            (numbers, factor)
        }
        _ => (cell, 1),
    };
    numbers.split(" to ").map(|number| Some(number.replace(',', "").parse::<u128>().ok()? * factor)).collect()
}

/// What a setting's default says, in the same units.
fn of_setting(default: &str) -> Option<Vec<u128>> {
    let (digits, unit) = default.split_at(default.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(default.len()));
    let unit = match unit {
        "m" => "min",
        "d" => "days",
        "B" => "bytes",
        unit => unit,
    };
    said(format!("{digits} {unit}").trim())
}

/// A constant in seconds is compared with a cell in time.
fn in_unit_of_cell(name: &str, cell: &str, value: Vec<u128>) -> Vec<u128> {
    let is_time = ["s", "ms", "min", "h", "days"].contains(&cell.rsplit(' ').next().unwrap_or_default());
    let factor = if is_time && name.split('_').any(|word| word == "SECS") { 1000 } else { 1 };
    value.into_iter().map(|number| number * factor).collect()
}

#[test]
fn every_row_says_what_the_source_says() {
    let sources = sources();
    let rows = rows();
    assert!(rows.len() > 80, "only {} rows were found", rows.len());
    for row in &rows {
        let actual = match row.file {
            Some(file) => {
                let source = sources.iter().find(|source| path_of(source) == file).unwrap_or_else(|| panic!("there is no {file}"));
                let constants = constants(source);
                let (_, expression) =
                    constants.iter().find(|(name, _)| name == row.name).unwrap_or_else(|| panic!("{file} has no {}", row.name));
                value(expression, &constants).unwrap_or_else(|| panic!("{} = {expression:?}", row.name))
            }
            None => {
                let found = partway::config::TABLE.iter().find(|setting| setting.name == row.name);
                let default = found.and_then(|setting| setting.default).unwrap_or_else(|| panic!("no setting {} with a default", row.name));
                of_setting(default).unwrap_or_else(|| panic!("{default}"))
            }
        };
        let actual = in_unit_of_cell(row.name, row.bound, actual);
        assert_eq!(said(row.bound), Some(actual), "{row:?}");
    }
}

#[test]
fn every_bound_of_the_source_is_in_the_table_or_defends_nothing() {
    let rows = rows();
    let listed: BTreeSet<(String, &str)> = rows.iter().filter_map(|row| Some((row.file?.to_owned(), row.name))).collect();
    assert_eq!(listed.len(), rows.iter().filter(|row| row.file.is_some()).count(), "a constant stands in the table twice");
    let mut excused: BTreeSet<(String, String)> =
        NO_DEFENCE.iter().map(|(file, name, _)| ((*file).to_owned(), (*name).to_owned())).collect();
    let mut missing = Vec::new();
    for source in sources().iter().filter(|source| !source.path.contains("testkit") && !source.path.contains("/tests")) {
        let file = path_of(source);
        for (name, _) in constants(source) {
            if !name.split('_').any(|word| BOUNDS.contains(&word)) {
                continue;
            }
            let is_excused = excused.remove(&(file.clone(), name.clone()));
            let is_listed = listed.contains(&(file.clone(), name.as_str()));
            assert!(!(is_excused && is_listed), "{file}: {name} is in the table and excused");
            if !is_excused && !is_listed {
                missing.push(format!("{file}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in the table of docs/security.md, nor excused in tests/limits.rs:\n{}", missing.join("\n"));
    assert!(excused.is_empty(), "excused, but not there any more: {excused:?}");
}

#[test]
fn values_are_read_as_they_are_written() {
    for (cell, expected) in [
        ("32 KiB", Some(vec![32_768])),
        ("1,000", Some(vec![1000])),
        ("15 min", Some(vec![900_000])),
        ("900 to 43,200 s", Some(vec![900_000, 43_200_000])),
        ("many", None),
        ("5 parsecs", None),
    ] {
        assert_eq!(said(cell), expected, "{cell}");
    }
    let tokens = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let others = [("A".to_owned(), tokens("100")), ("B".to_owned(), tokens("256 < < 10"))];
    for (expression, expected) in [
        ("A * B", Some(vec![26_214_400])),
        ("( 20 + 20 + 64 ) < < 10", Some(vec![106_496])),
        ("15 * 60 * 1000", Some(vec![900_000])),
        ("Duration :: from_secs ( 5 )", Some(vec![5000])),
        ("900 . . = 43_200", Some(vec![900, 43_200])),
        ("\"text\"", None),
    ] {
        assert_eq!(value(&tokens(expression), &others), expected, "{expression}");
    }
}
