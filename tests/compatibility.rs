//! Keeps `docs/compatibility.md` honest: its tables are compared with the code, and what they call refused is asked of the
//! running server or, for OSS, of the dialect.

mod support;

use bytes::Bytes;
use partway::{
    dialect::{Dialect, address::Hosts, error::ErrorReply, oss::Oss},
    model::{Caller, Limits, Timestamp},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use support::{ACCESS_KEY, Server};

const DOCUMENT: &str = include_str!("../docs/compatibility.md");
const CONFIGURATION: &str = include_str!("../docs/configuration.md");
const ROUTER: &str = include_str!("../src/dialect/s3/route.rs");
const OSS_ROUTER: &str = include_str!("../src/dialect/oss/route.rs");
const OPERATIONS: &str = include_str!("../src/model/operation.rs");

/// The cells of a table's rows, between `<!-- name -->` and `<!-- end of name -->`.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = DOCUMENT.split_once(&format!("<!-- {name} -->")).expect("the table's begin is marked");
    let (text, _) = rest.split_once(&format!("<!-- end of {name} -->")).expect("the table's end is marked");
    rows(text)
}

/// The rows of the first table in a text, without its head.
fn rows(text: &'static str) -> Vec<Vec<&'static str>> {
    let lines = text.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows = lines.skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect());
    let rows: Vec<Vec<&str>> = rows.collect();
    assert!(!rows.is_empty());
    rows
}

/// What stands between backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// An operation as the document has it.
#[derive(Clone)]
struct Row {
    name: &'static str,
    method: &'static str,
    target: &'static str,
    answer: &'static str,
}

impl Row {
    fn is_refused(&self) -> bool {
        self.answer.starts_with("refused: ")
    }

    /// As the router's tables name it: bucket or object, sub-resource, method.
    fn route(&self) -> (&'static str, &'static str, &'static str) {
        let (path, query) = self.target.split_once('?').unwrap_or((self.target, ""));
        let table = if path == "/bucket/key" { "OF_OBJECTS" } else { "OF_BUCKETS" };
        let mut names = query.split('&').map(|parameter| parameter.split('=').next().unwrap_or_default());
        (table, names.rfind(|name| !BESIDE_SUB_RESOURCES.contains(name)).unwrap_or_default(), self.method)
    }
}

/// Parameters of the tables' requests that name no sub-resource.
const BESIDE_SUB_RESOURCES: [&str; 4] = ["partNumber", "list-type", "select-type", "position"];

fn operations(name: &str) -> Vec<Row> {
    let read = |cells: Vec<&'static str>| {
        let (method, target) = cells[1].trim_matches('`').split_once(' ').expect("a method and a target");
        let row = Row { name: cells[0], method, target, answer: cells[2] };
        assert!(row.is_refused() || ["works", "differs"].contains(&row.answer), "{}: {}", row.name, row.answer);
        assert!(row.answer != "differs" || !cells[3].is_empty(), "{} does not say how it differs", row.name);
        row
    };
    table(name).into_iter().map(read).collect()
}

/// The lines of `text` from one that contains `begin` to one that is `end`, both left out.
fn between(text: &'static str, begin: &str, end: &str) -> impl Iterator<Item = &'static str> {
    let end = end.to_owned();
    let begin = text.lines().position(|line| line.contains(begin)).expect("the code has it");
    text.lines().skip(begin + 1).take_while(move |line| *line != end).map(str::trim)
}

/// The texts in a line of code.
fn literals(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

#[test]
fn every_operation_of_the_code_is_said_to_be_there() {
    let rows = ["operations", "oss operations"].map(operations).concat();
    let there: BTreeSet<&str> = rows.iter().filter(|row| !row.is_refused()).map(|row| row.name).collect();
    let variants = between(OPERATIONS, "pub enum Operation {", "}").filter(|line| !line.starts_with('/'));
    let names: Vec<&str> = variants.filter_map(|line| line.split_once('(')).map(|(name, _)| name).collect();
    assert!(names.len() > 30, "{names:?}");
    // One variant stands for a dozen operations: those are compared by their routes.
    let missing: Vec<_> = names.into_iter().filter(|name| *name != "GetAbsentBucketConfiguration" && !there.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn the_tables_of_operations_and_the_routers_agree() {
    for (name, router) in [("operations", ROUTER), ("oss operations", OSS_ROUTER)] {
        let mut routed = BTreeSet::new();
        for table in ["OF_BUCKETS", "OF_OBJECTS"] {
            for line in between(router, &format!("const {table}:"), "];") {
                let [sub_resource, method] = literals(line).collect::<Vec<_>>()[..] else { panic!("{line}") };
                routed.insert((table, sub_resource, method));
            }
        }
        let rows = operations(name);
        let of_paths = |row: &&Row| row.target.starts_with("/bucket") && row.method != "OPTIONS";
        let there: BTreeSet<_> = rows.iter().filter(of_paths).filter(|row| !row.is_refused()).map(Row::route).collect();
        assert_eq!(there, routed, "{name}");
        let said: BTreeSet<_> = rows.iter().map(|row| row.route().1).collect();
        for sub_resource in between(router, "const SUB_RESOURCES:", "];").flat_map(literals) {
            assert!(said.contains(sub_resource), "{name}: none has the sub-resource {sub_resource}");
        }
    }
}

/// What the OSS dialect makes of a request without a signature and without a document.
fn ask_oss(method: &str, target: &str, headers: &[&str]) -> Result<(), ErrorReply> {
    let mut request = http::Request::builder().method(method).uri(target).header("host", "127.0.0.1:9000").header("content-length", "0");
    for name in headers {
        request = request.header(*name, "x");
    }
    let (parts, ()) = request.body(()).expect("a request").into_parts();
    let dialect = Oss { limits: Limits::OSS };
    let addresses = dialect.addresses(&parts, &Hosts::default())?;
    let route = dialect.route(&parts, &addresses[0])?;
    route.decode(&parts, &Bytes::new(), &Caller::Anonymous, Timestamp::from_secs(1_768_465_800)).map(drop)
}

fn refused_by_oss(method: &str, target: &str, headers: &[&str]) -> Option<(u16, String)> {
    ask_oss(method, target, headers).err().map(|error| (error.status.as_u16(), error.code.to_owned()))
}

#[test]
fn operations_of_oss_are_answered_as_the_table_says() {
    let mut wrong = Vec::new();
    for row in operations("oss operations").into_iter().filter(|row| row.method != "OPTIONS") {
        let answered = refused_by_oss(row.method, row.target, &[]);
        let is_as_said = if row.is_refused() {
            answered == Some(refusal(row.answer))
        } else {
            !answered.as_ref().is_some_and(|(status, code)| *status == 405 || code == "NotImplemented")
        };
        if !is_as_said {
            wrong.push(format!("{}: {answered:?}", row.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn headers_and_parameters_of_oss_are_refused_as_the_tables_say() {
    let mut count = 0;
    for name in ["oss headers", "oss parameters"] {
        for cells in table(name) {
            let [names, answer, note] = cells[..] else { panic!("{cells:?}") };
            assert!(["works", "differs", "ignored"].contains(&answer) || answer.starts_with("refused: "), "{names}: {answer}");
            assert!(answer != "differs" || !note.is_empty(), "{names} does not say how it differs");
            if !answer.starts_with("refused: ") {
                continue;
            }
            for each in quoted(names) {
                let answered = match name {
                    "oss headers" => refused_by_oss("PUT", "/bucket/key", &[each]),
                    _ => refused_by_oss("GET", &format!("/bucket/key?{each}=x"), &[]),
                };
                assert_eq!(answered, Some(refusal(answer)), "{each}");
                count += 1;
            }
        }
    }
    assert!(count > 20, "only {count} were asked for");
}

#[test]
fn every_header_and_parameter_of_oss_is_mentioned() {
    let (_, section) = DOCUMENT.split_once("# Compatibility with Aliyun OSS").expect("there is a part about OSS");
    every_literal_is_mentioned("src/dialect/oss", &["x-oss-", "response-"], &section.to_ascii_lowercase());
}

/// Asks without a signature: what is refused by name is refused before anybody looks at who asks.
fn ask(server: &Server, method: &str, target: &str, headers: &str) -> (u16, String) {
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\nContent-Type: text/plain\r\nConnection: close\r\n{headers}\r\n",
        server.address
    );
    let answer = server.exchange(head.as_bytes());
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("{head}{answer}"));
    let code = answer.split_once("<Code>").and_then(|(_, rest)| rest.split_once("</Code>")).map(|(code, _)| code.to_owned());
    (status, code.unwrap_or_default())
}

/// The Authorization of a service, with a known key and a wrong signature.
fn authorization(service: &str) -> String {
    let scope = format!("20260115/us-east-1/{service}/aws4_request");
    format!(
        "X-Amz-Date: 20260115T083000Z\r\nAuthorization: AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/{scope},SignedHeaders=host,Signature=00\r\n"
    )
}

/// The status and code in `refused: 501 `NotImplemented``.
fn refusal(answer: &str) -> (u16, String) {
    let (status, code) = answer.trim_start_matches("refused: ").split_once(' ').expect("a status and a code");
    (status.parse().expect("a status"), code.trim_matches('`').to_owned())
}

#[test]
fn operations_are_answered_as_the_table_says() {
    let server = Server::start();
    for row in operations("operations") {
        // The one access control list that may be put, so that putting it is not refused.
        let mut headers = "X-Amz-Acl: private\r\n".to_owned();
        if row.name == "ListDirectoryBuckets" {
            headers.push_str(&authorization("s3express"));
        }
        let answered = ask(&server, row.method, row.target, &headers);
        if row.is_refused() {
            assert_eq!(answered, refusal(row.answer), "{}", row.name);
        } else {
            assert!(![405, 501].contains(&answered.0), "{}: {answered:?}", row.name);
        }
    }
}

#[test]
fn headers_are_refused_as_the_table_says() {
    let server = Server::start();
    let mut count = 0;
    for cells in table("headers") {
        let [names, answer, note] = cells[..] else { panic!("{cells:?}") };
        assert!(["works", "differs", "ignored"].contains(&answer) || answer.starts_with("refused: "), "{names}: {answer}");
        assert!(answer != "differs" || !note.is_empty(), "{names} does not say how it differs");
        if !answer.starts_with("refused: ") {
            continue;
        }
        for name in quoted(names) {
            // A token counts only with a signature.
            let signature = if name == "x-amz-security-token" { authorization("s3") } else { String::new() };
            assert_eq!(ask(&server, "PUT", "/bucket/key", &format!("{name}: x\r\n{signature}")), refusal(answer), "{name}");
            count += 1;
        }
    }
    assert!(count > 30, "only {count} headers were asked for");
}

#[test]
fn every_header_and_parameter_the_dialect_reads_is_mentioned() {
    every_literal_is_mentioned("src/dialect/s3", &["x-amz-", "response-"], &DOCUMENT.to_ascii_lowercase());
    for sub in ["prefix", "delimiter", "marker", "max-keys", "start-after", "fetch-owner", "encoding-type", "upload-id-marker"] {
        assert!(table("parameters").iter().any(|cells| quoted(cells[0]).contains(&sub)), "{sub}");
    }
}

/// Looks for the names in a dialect's code that begin so.
fn every_literal_is_mentioned(directory: &str, begins: &[&str], mentioned: &str) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory);
    let files = std::fs::read_dir(directory).expect("the dialect is there").map(|entry| entry.expect("an entry").path());
    let files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    assert!(files.len() > 20);
    for file in files {
        let text = std::fs::read_to_string(&file).expect("source is text");
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for literal in code.lines().filter(|line| !line.trim_start().starts_with("//")).flat_map(literals) {
            let name: String = literal.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            if begins.iter().any(|begin| name.starts_with(begin)) {
                assert!(mentioned.contains(&name), "{name} of {}", file.display());
            }
        }
    }
}

/// The value of an expression of the kind constants are written in: numbers, `+`, `*`, `<<` and brackets.
fn value(text: &str) -> Option<u64> {
    let text = text.trim();
    let mut depth = 0;
    for (operator, apply) in [
        ("<<", (|a, b| a.checked_shl(u32::try_from(b).ok()?)) as fn(u64, u64) -> Option<u64>),
        ("+", |a, b| a.checked_add(b)),
        ("*", |a, b| a.checked_mul(b)),
    ] {
        for (index, character) in text.char_indices().rev() {
            depth += i32::from(character == ')') - i32::from(character == '(');
            if depth == 0 && text[index..].starts_with(operator) {
                return apply(value(&text[..index])?, value(&text[index + operator.len()..])?);
            }
        }
    }
    match text.strip_prefix('(').and_then(|text| text.strip_suffix(')')) {
        Some(inner) => value(inner),
        None => text.replace('_', "").parse().ok(),
    }
}

/// The first value that a file's lines give a name: a constant's or a field's.
fn value_in_code(file: &str, name: &str) -> Option<u64> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().filter(|line| line.contains(name)).find_map(|line| {
        let after = |separator: &str| line.split_once(separator).map(|(_, rest)| rest.trim_matches([' ', ';', ',', '}']));
        [after(" = "), after(&format!("{name}: "))].into_iter().flatten().find_map(value)
    })
}

/// The default of a setting: a number, or a size with a unit.
fn value_of_setting(name: &str) -> Option<u64> {
    let settings = CONFIGURATION.split_once("<!-- settings")?.1;
    let row = rows(settings).into_iter().find(|cells| quoted(cells[0]) == [name])?;
    let default = row[3].trim_matches('`');
    let shifted = |unit, shift: u32| default.strip_suffix(unit)?.parse::<u64>().ok().map(|number| number << shift);
    default.parse().ok().or_else(|| shifted("KiB", 10)).or_else(|| shifted("MiB", 20)).or_else(|| shifted("GiB", 30))
}

#[test]
fn limits_are_those_of_the_code() {
    for cells in ["limits", "oss limits"].map(table).concat() {
        let found = match quoted(cells[2])[..] {
            [setting] => value_of_setting(setting),
            [file, name] => value_in_code(file, name),
            _ => None,
        };
        let said = cells[1].parse().ok();
        assert!(said.is_some() && found == said, "{}: {said:?}, but {} is {found:?}", cells[0], cells[2]);
    }
}

#[test]
fn clients_have_the_versions_that_are_pinned() {
    let mut pinned = BTreeSet::new();
    for line in include_str!("clients/requirements.txt").lines().filter(|line| !line.starts_with('#')) {
        let (name, version) = line.split_once("==").expect("every requirement is pinned");
        pinned.insert((name.to_owned(), version.to_owned(), "requirements.txt"));
    }
    // These run the scenarios and check what they did; they are no clients.
    pinned.retain(|(name, ..)| !["cryptography", "pytest", "requests"].contains(&name.as_str()));
    let package: serde_json::Value = serde_json::from_str(include_str!("clients/js/package.json")).expect("it is JSON");
    for (name, version) in package["dependencies"].as_object().expect("there are dependencies") {
        pinned.insert((name.clone(), version.as_str().expect("a version").to_owned(), "js/package.json"));
    }
    let manifest: toml::Table = include_str!("../Cargo.toml").parse().expect("it is TOML");
    let version = manifest["dev-dependencies"]["object_store"]["version"].as_str().expect("a version");
    pinned.insert(("object_store".to_owned(), version.to_owned(), "Cargo.toml"));

    let clients = DOCUMENT.split_once("## Clients").expect("there is a table of clients").1;
    let said = rows(clients).into_iter().map(|cells| (cells[0].to_owned(), cells[1].to_owned(), cells[2]));
    assert_eq!(said.collect::<BTreeSet<_>>(), pinned);
}

#[test]
fn the_helpers_of_these_tests_notice_differences() {
    assert_eq!(value("(20 + 20 + 64) << 10"), Some(106_496));
    assert_eq!(value("15 * 60 * 1000"), Some(900_000));
    assert_eq!(value("5 << x"), None);
    assert_eq!(value_in_code("dialect/s3/route.rs", "POLICY_SIZE_MAX"), Some(20_480));
    assert_eq!(value_of_setting("s3-part-size-min"), Some(5 << 20));
    assert_eq!(value_of_setting("no-such-setting"), None);
    let row = Row { name: "", method: "PUT", target: "/bucket/key?partNumber=1&uploadId=ID", answer: "works" };
    assert_eq!(row.route(), ("OF_OBJECTS", "uploadId", "PUT"));
    assert_eq!(refusal("refused: 501 `NotImplemented`"), (501, "NotImplemented".to_owned()));
}
