//! The architecture as a test: which module may use which, and what no file may contain.
//!
//! Code is read as tokens, so comments and strings do not count. What stands under `#[cfg(test)]`
//! may use every module, but no `unsafe`, which only a table of files may. Change a table here in the commit that needs the change.

#[path = "tidy/source.rs"]
mod source;

use source::Source;
use std::path::Path;

/// What each module may name besides itself; `a::b` allows only `b` of `a`.
const DIRECTIONS: [(&str, &[&str]); 19] = [
    ("model", &[]),
    ("digest", &["model"]),
    ("auth", &["model", "digest"]),
    ("dialect", &["model", "digest", "auth"]),
    ("blob", &["model", "digest", "telemetry"]),
    ("meta", &["model", "digest", "blob::BlobId", "telemetry"]),
    // A policy document is checked before it is stored; who may do what is decided above.
    // A key's secret is sealed when it is stored.
    ("ops", &["model", "digest", "meta", "blob", "space", "auth::policy", "secrets"]),
    ("space", &["telemetry"]),
    // Callbacks go out through their own client; whom a request has to wait for is the server's business.
    ("events", &["model", "digest", "meta", "telemetry"]),
    // Settings are read into the structs of the parts they are for; nothing else of the parts is used.
    ("config", &["model", "blob", "meta", "ops", "events", "server", "telemetry"]),
    ("datadir", &["config", "secrets"]),
    ("secrets", &[]),
    // A backup knows the stores' own files, which nobody else has to.
    ("backup", &["model", "digest", "meta", "blob", "ops", "datadir", "space"]),
    // A client of any server: nothing of ours but how requests are signed and written.
    ("bench", &["model", "auth", "digest", "dialect"]),
    ("telemetry", &[]),
    ("server", &["model", "digest", "auth", "dialect", "ops", "events", "events", "telemetry"]),
    ("cli", EVERYTHING),
    ("testkit", EVERYTHING),
    // `lib.rs` and `main.rs`.
    ("", EVERYTHING),
];

const EVERYTHING: &[&str] = &[
    "model",
    "digest",
    "auth",
    "dialect",
    "blob",
    "meta",
    "ops",
    "events",
    "config",
    "datadir",
    "telemetry",
    "space",
    "server",
    "cli",
    "testkit",
    "secrets",
    "backup",
    "bench",
];

/// Names that a module must not know. A single name stands for its family, too: `http` includes `http_body`.
const FORBIDDEN: [(&str, &[&str]); 3] = [
    ("model", &["tokio", "hyper", "http", "quick_xml", "async"]),
    ("dialect", &["tokio"]),
    ("ops", &["http::", "hyper", "quick_xml", "rocksdb", "std::fs", "tokio::fs"]),
];

/// The files that `unsafe` is allowed in, and what for. Each has a safe twin that it is compared with.
const UNSAFE: [(&str, &str); 2] = [
    ("digest/lanes/avx2.rs", "loads and stores of vectors; the call of what needs the feature, after it was detected"),
    ("digest/lanes/avx512.rs", "the same, and prefetching"),
];

const UNFINISHED: [&str; 3] = ["dbg", "todo", "unimplemented"];

const LINE_COUNT_MAX: usize = 700;

fn directions(source: &Source) -> Vec<String> {
    let own = source.module();
    let Some((_, allowed)) = DIRECTIONS.iter().find(|(module, _)| *module == own) else {
        return vec![format!("module `{own}` is not in the table of directions")];
    };
    let leads_to =
        |entry: &str, path: &[String]| entry.split("::").zip(0..).all(|(name, step)| path.get(step).is_some_and(|found| found == name));
    let is_allowed = |path: &Vec<String>| path[0] == own || allowed.iter().any(|entry| leads_to(entry, path));
    let strays = source.crate_paths().into_iter().filter(|path| !is_allowed(path));
    strays.map(|path| format!("`{own}` must not use `crate::{}`", path.join("::"))).collect()
}

fn forbidden_names(source: &Source) -> Vec<String> {
    let own = source.module();
    let names = FORBIDDEN.iter().filter(|(module, _)| *module == own).flat_map(|(_, names)| names.iter());
    let found = names.filter(|name| match name.split_once("::") {
        Some((root, "")) => source.tokens.windows(2).any(|pair| pair[0] == root && pair[1] == "::"),
        Some((root, item)) => source.paths_from(root).iter().any(|path| path[0] == item),
        None => source.tokens.iter().any(|token| token == *name || token.starts_with(&format!("{name}_"))),
    });
    found.map(|name| format!("`{own}` must not know `{name}`")).collect()
}

fn unfinished_code(source: &Source) -> Vec<String> {
    let calls = source.tokens.windows(2).filter(|pair| pair[1] == "!" && UNFINISHED.contains(&pair[0].as_str()));
    calls.map(|pair| format!("`{}!` is left behind", pair[0])).collect()
}

fn unsafe_code(source: &Source) -> Vec<String> {
    let is_unsafe = source.tokens_with_tests.iter().any(|token| token == "unsafe");
    match (is_unsafe, UNSAFE.iter().any(|(path, _)| *path == source.path)) {
        (true, false) => vec!["`unsafe` is used".to_owned()],
        (false, true) => vec!["`unsafe` is allowed and not used".to_owned()],
        (true, true) | (false, false) => Vec::new(),
    }
}

fn shape(source: &Source) -> Vec<String> {
    let mut problems = Vec::new();
    if !source.text.starts_with("//!") {
        problems.push("the file does not begin with what it is for (`//!`)".to_owned());
    }
    let line_count = source.text.lines().count();
    if line_count > LINE_COUNT_MAX {
        problems.push(format!("{line_count} lines are more than {LINE_COUNT_MAX}: it tells more than one story"));
    }
    problems
}

/// Fails with every problem that a rule finds in the crate.
fn check(rule: fn(&Source) -> Vec<String>) {
    let sources = source::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    assert!(sources.len() > 50, "only {} files were found", sources.len());
    let problems = sources.iter().flat_map(|source| rule(source).into_iter().map(|problem| format!("{}: {problem}", source.path)));
    let problems: Vec<String> = problems.collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn modules_use_each_other_in_the_allowed_directions() {
    check(directions);
}

#[test]
fn modules_do_not_know_what_is_not_theirs() {
    check(forbidden_names);
}

#[test]
fn nothing_unfinished_is_left() {
    check(unfinished_code);
}

#[test]
fn there_is_no_unsafe_code_but_where_the_table_says() {
    check(unsafe_code);
    let sources = source::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    for (path, _) in UNSAFE {
        assert!(sources.iter().any(|source| source.path == path), "{path} is gone");
    }
}

#[test]
fn files_say_what_they_are_for_and_tell_one_story() {
    check(shape);
}

#[test]
fn the_table_names_the_modules_of_the_crate() {
    let library = source::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).into_iter().find(|source| source.path == "lib.rs");
    let tokens = library.expect("there is a lib.rs").tokens;
    let mut modules: Vec<&str> = tokens.windows(2).filter(|pair| pair[0] == "mod").map(|pair| pair[1].as_str()).collect();
    let mut table: Vec<&str> = DIRECTIONS.iter().map(|(module, _)| *module).filter(|module| !module.is_empty()).collect();
    modules.sort_unstable();
    table.sort_unstable();
    assert_eq!(modules, table);
    let mut everything = EVERYTHING.to_vec();
    everything.sort_unstable();
    assert_eq!(everything, table);
}

// The rules themselves: each must fail on what it forbids and pass what it allows.

fn problems(rule: fn(&Source) -> Vec<String>, path: &str, text: &str) -> usize {
    rule(&Source::parse(path, text)).len()
}

#[test]
fn a_stray_direction_is_noticed_however_it_is_written() {
    for text in [
        "use crate::ops::Gateway;",
        "use crate::{model::Bucket, ops};",
        "use crate::{model::{Bucket, ETag}, digest::{self, Crc}, ops::{Gateway as G}};",
        "use crate::{\n    model::*, // crate::model\n    meta,\n};",
        "fn f() { let x = crate::meta::keys::bucket(b); }",
        "fn f() -> crate::server::Reply { todo!() }",
        "use super::super::meta::Kv;",
        "use super::super::{meta::Kv};",
        "use crate::*;",
        "use crate as partway;\nuse crate::nowhere::X;",
        "#[cfg(test)]\nmod tests { use crate::testkit::x; }\nuse crate::ops;",
        "#[cfg(test)]\nmod tests;\nuse crate::ops;",
        "#[cfg(test)]\nuse crate::testkit::{a, b};\nuse crate::ops;",
        "#[cfg(test)]\nfn f() -> [u8; 4] { crate::meta::x() }\nuse crate::ops;",
        "fn f<'a>(c: char) { if c == '\"' || c == '\\'' || c == '{' { crate::ops::g() } }",
        "const S: &str = r#\"a \" quote\"#; use crate::ops;",
    ] {
        assert_eq!(problems(directions, "auth/s3.rs", text), 1, "{text}");
    }
    assert_eq!(problems(directions, "auth/mod.rs", "use super::meta::Kv;"), 1, "`super` of a top module is the crate");
    assert_eq!(problems(directions, "elsewhere/mod.rs", ""), 1, "a module that is not in the table");
    assert_eq!(problems(directions, "meta/keys.rs", "use crate::blob::{BlobId, BlobStore};"), 1, "only BlobId");
    assert_eq!(problems(directions, "meta/keys.rs", "use crate::blob;"), 1, "only BlobId");
    assert_eq!(problems(directions, "ops/keys.rs", "use crate::auth::{policy::validate, s3};"), 1, "only policies");
}

#[test]
fn allowed_directions_pass() {
    for text in [
        "use crate::model::Bucket;",
        "use crate::{auth::Claim, digest::{Crc, CrcKind}, model::*};",
        "use super::Claim; use super::super::auth::Claim; use super::super::model::Bucket;",
        "// use crate::ops;\n/* crate::meta /* nested */ crate::blob */ const S: &str = \"crate::ops\";",
        "pub(crate) fn f() {} pub(super) fn g() {}",
        "#[cfg(test)]\nmod tests { use crate::testkit::x; fn f() { crate::ops::g() } }",
        "#[cfg(test)]\n#[allow(unused)]\nmod tests { use crate::testkit::x; }",
        "#![cfg(test)]\nuse crate::testkit::x;",
    ] {
        assert_eq!(problems(directions, "auth/s3.rs", text), 0, "{text}");
    }
    assert_eq!(problems(directions, "meta/keys.rs", "use crate::{blob::BlobId, model::*};"), 0);
    assert_eq!(problems(directions, "main.rs", "use crate::{cli, ops};"), 0);
}

#[test]
fn files_of_test_modules_are_tests() {
    let mut sources = vec![
        Source::parse("blob/local/mod.rs", "#[cfg(test)]\nmod tests;\nmod reader;"),
        Source::parse("blob/local/reader.rs", "#[cfg(test)]\nmod fixture;"),
        Source::parse("blob/local/tests.rs", "use crate::testkit::x; unsafe {}"),
        Source::parse("blob/local/reader/fixture.rs", "use crate::testkit::x;"),
        Source::parse("blob/tests.rs", "use crate::testkit::x;"),
    ];
    source::exempt_test_files(&mut sources);
    let strays: Vec<usize> = sources.iter().map(|source| directions(source).len()).collect();
    assert_eq!(strays, [0, 0, 0, 0, 1], "the last is not declared as a test");
    assert_eq!(unsafe_code(&sources[2]).len(), 1, "tests may not be unsafe either");
}

#[test]
fn forbidden_names_are_noticed() {
    for (path, text) in [
        ("model/x.rs", "async fn f() {}"),
        ("model/x.rs", "use http_body::Body;"),
        ("model/x.rs", "fn f() { tokio::spawn(x) }"),
        ("dialect/s3/x.rs", "use tokio::time::sleep;"),
        ("ops/x.rs", "fn f(r: http::Request<()>) {}"),
        ("ops/x.rs", "use std::{collections::HashMap, fs::{self, File}};"),
        ("ops/x.rs", "fn f() { std::fs::read(p); }"),
        ("ops/x.rs", "use hyper_util::rt;"),
    ] {
        assert_eq!(problems(forbidden_names, path, text), 1, "{path}: {text}");
    }
    for (path, text) in [
        ("model/x.rs", "// no async, no http\nconst S: &str = \"tokio\"; fn asynchronous(https: u8) {}"),
        ("ops/x.rs", "use std::{collections::HashMap, sync::Arc}; fn f(http: u8) { tokio::spawn(x) }"),
        ("server/x.rs", "use http::Request;"),
        ("ops/x.rs", "#[cfg(test)] mod tests { use std::fs; }"),
    ] {
        assert_eq!(problems(forbidden_names, path, text), 0, "{path}: {text}");
    }
}

#[test]
fn unfinished_and_unsafe_code_is_noticed() {
    for text in ["fn f() { todo!() }", "fn f() { dbg!(1); }", "fn f() { unimplemented!(\"later\") }"] {
        assert_eq!(problems(unfinished_code, "ops/x.rs", text), 1, "{text}");
    }
    let fine = "// todo!()\nfn todo() { let s = \"todo!()\"; } #[cfg(test)] mod tests { fn f() { todo!() } }";
    assert_eq!(problems(unfinished_code, "ops/x.rs", fine), 0);
    assert_eq!(problems(unsafe_code, "digest/x.rs", "fn f() { unsafe { g() } }"), 1);
    assert_eq!(problems(unsafe_code, "digest/x.rs", "#[cfg(test)] mod tests { unsafe fn f() {} }"), 1);
    assert_eq!(problems(unsafe_code, "digest/lanes/avx2.rs", "fn f() { unsafe { g() } }"), 0);
    assert_eq!(problems(unsafe_code, "digest/lanes/avx2.rs", "fn f() {}"), 1, "the table allows no more than is needed");
    assert_eq!(problems(unsafe_code, "digest/lanes/mod.rs", "fn f() { unsafe { g() } }"), 1);
    assert_eq!(problems(unsafe_code, "lib.rs", "#![deny(unsafe_code)]\n// unsafe"), 0);
}

#[test]
fn shapeless_files_are_noticed() {
    assert_eq!(problems(shape, "ops/x.rs", "//! Purpose.\n"), 0);
    assert_eq!(problems(shape, "ops/x.rs", "use x;\n//! Purpose.\n"), 1);
    assert_eq!(problems(shape, "ops/x.rs", &"//! Purpose.\n".repeat(LINE_COUNT_MAX)), 0);
    assert_eq!(problems(shape, "ops/x.rs", &"//! Purpose.\n".repeat(LINE_COUNT_MAX + 1)), 1);
}
