//! Checks every dependency against `deny.toml` without network: licences, known-vulnerable versions, sources.
//!
//! `cargo deny check` does the same and more, with the current advisory database, where there is network.

use std::process::Command;

const DENY: &str = include_str!("../deny.toml");

struct Package {
    name: String,
    version: String,
    license: Option<String>,
    source: Option<String>,
}

/// What this machine builds, from the lock file.
fn packages() -> Vec<Package> {
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc tells its version");
    let version = String::from_utf8(rustc.stdout).expect("it is text");
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).expect("it names the host").to_owned();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &host, "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&metadata.stdout).expect("it is JSON");
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let used: Vec<&str> = metadata["resolve"]["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    let all = metadata["packages"].as_array().unwrap().iter();
    all.filter(|package| used.contains(&package["id"].as_str().unwrap()))
        .map(|package| Package {
            name: text(&package["name"]).unwrap(),
            version: text(&package["version"]).unwrap(),
            license: text(&package["license"]),
            source: text(&package["source"]),
        })
        .collect()
}

fn deny() -> toml::Table {
    DENY.parse().expect("deny.toml is TOML")
}

/// Whether a licence expression (SPDX, or the old form with `/`) can be satisfied with allowed licences.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = tokens.as_slice();
    let satisfied = any(&mut rest, allowed);
    satisfied && rest.is_empty()
}

fn any(rest: &mut &[&str], allowed: &[&str]) -> bool {
    let mut satisfied = every(rest, allowed);
    while let Some((&"OR", tail)) = rest.split_first() {
        *rest = tail;
        satisfied |= every(rest, allowed);
    }
    satisfied
}

fn every(rest: &mut &[&str], allowed: &[&str]) -> bool {
    let mut satisfied = one(rest, allowed);
    while let Some((&"AND", tail)) = rest.split_first() {
        *rest = tail;
        satisfied &= one(rest, allowed);
    }
    satisfied
}

fn one(rest: &mut &[&str], allowed: &[&str]) -> bool {
    match **rest {
        ["(", ref tail @ ..] => {
            *rest = tail;
            let satisfied = any(rest, allowed);
            let closed = rest.split_first().filter(|(token, _)| **token == ")");
            *rest = closed.map_or(&[], |(_, tail)| tail);
            satisfied && closed.is_some()
        }
        [license, "WITH", exception, ref tail @ ..] => {
            *rest = tail;
            allowed.contains(&format!("{license} WITH {exception}").as_str())
        }
        [license, ref tail @ ..] => {
            *rest = tail;
            allowed.contains(&license)
        }
        [] => false,
    }
}

/// The numbers of a version; a pre-release counts as its release.
fn numbers(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or_default();
    release.split('.').map(|part| part.parse().unwrap_or_else(|_| panic!("{version} is not a version"))).collect()
}

/// Versions that must not be used: `name:<floor`, or `name:>=from,<floor` where older releases have a fix of their own.
struct Banned<'a> {
    name: &'a str,
    from: Option<&'a str>,
    floor: &'a str,
}

impl<'a> Banned<'a> {
    fn parse(spec: &'a str) -> Self {
        let (name, versions) = spec.split_once(':').expect("an entry is `name:versions`");
        let (from, floor) = versions.split_once(',').map_or((None, versions), |(from, floor)| (from.strip_prefix(">="), floor));
        Self { name, from, floor: floor.strip_prefix('<').expect("an entry ends with `<version`") }
    }

    fn includes(&self, version: &str) -> bool {
        let version = numbers(version);
        self.from.is_none_or(|from| version >= numbers(from)) && version < numbers(self.floor)
    }
}

#[test]
fn banned_versions_are_those_below_a_floor_or_between_two() {
    for (spec, version, included) in [
        ("a:<0.9.3", "0.9.2", true),
        ("a:<0.9.3", "0.9.3", false),
        ("a:>=0.9.0,<0.9.3", "0.8.9", false),
        ("a:>=0.9.0,<0.9.3", "0.9.0", true),
        ("a:>=0.9.0,<0.9.3", "0.9.3", false),
    ] {
        assert_eq!(Banned::parse(spec).includes(version), included, "{spec} {version}");
    }
}

#[test]
fn licences_are_on_the_allow_list() {
    let deny = deny();
    let allowed: Vec<&str> = deny["licenses"]["allow"].as_array().unwrap().iter().map(|license| license.as_str().unwrap()).collect();
    let packages = packages();
    assert!(packages.len() > 100, "the canary: there are dependencies to look at");
    for package in &packages {
        let license = package.license.as_deref().unwrap_or("none");
        assert!(is_allowed(license, &allowed), "{} {}: licence {license}", package.name, package.version);
    }
}

#[test]
fn versions_with_known_vulnerabilities_are_not_used() {
    let deny = deny();
    let packages = packages();
    for entry in deny["bans"]["deny"].as_array().unwrap() {
        let banned = Banned::parse(entry["crate"].as_str().expect("an entry names versions"));
        for package in packages.iter().filter(|package| package.name == banned.name) {
            assert!(!banned.includes(&package.version), "{} {}: {}", package.name, package.version, entry["reason"]);
        }
    }
}

#[test]
fn dependencies_come_from_the_registry_alone() {
    let own = [env!("CARGO_PKG_NAME"), "partway-fuzz"];
    for package in packages().iter().filter(|package| !own.contains(&package.name.as_str())) {
        assert_eq!(
            package.source.as_deref(),
            Some("registry+https://github.com/rust-lang/crates.io-index"),
            "{} {}",
            package.name,
            package.version
        );
    }
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let allowed = ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"];
    for good in [
        "MIT",
        "MIT/GPL-3.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "Apache-2.0 WITH LLVM-exception",
        "GPL-3.0 OR MIT AND Apache-2.0",
    ] {
        assert!(is_allowed(good, &allowed), "{good}");
    }
    for bad in
        ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR GPL-3.0) AND GPL-3.0", "MIT WITH LLVM-exception", "", "(MIT", "MIT)", "MIT Apache-2.0"]
    {
        assert!(!is_allowed(bad, &allowed), "{bad}");
    }
}

#[test]
fn versions_compare_as_numbers() {
    assert!(numbers("1.10.0") > numbers("1.9.4"));
    assert!(numbers("0.19.0+11.8.1") >= numbers("0.19.0"));
}
