//! The table of settings. Flags, variables, file keys, `partway config` and the reference in
//! `docs/configuration.md` all come from it; a setting is added here and read in `typed`.

use super::value::{Item, Kind};
use std::time::Duration;

/// One setting. Its name is the flag and the file key; the variable is derived from it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Lower-case words joined by `-`.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What holds when nobody says otherwise, as it would be written; `None` when it then is not set.
    pub default: Option<&'static str>,
    /// What it does, in a sentence or two.
    pub meaning: &'static str,
}

impl Setting {
    /// The environment variable: `PARTWAY_` and the name in upper case, with `_` for `-`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{VARIABLE_PREFIX}{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// What all variables begin with.
pub(super) const VARIABLE_PREFIX: &str = "PARTWAY_";

/// The setting that names the file of the others; it cannot be in that file.
pub(super) const CONFIG: &str = "config";

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const DAY: u64 = 24 * 3600;

/// All settings, in the order in which they are shown.
pub const TABLE: &[Setting] = &[
    Setting {
        name: "listen",
        kind: Kind::Address,
        default: Some("127.0.0.1:9000"),
        meaning: "Where clients connect. Port 0 lets the system choose; the start-up block names the port.",
    },
    Setting {
        name: "metrics-listen",
        kind: Kind::AddressOrOff,
        default: Some("off"),
        meaning: "Where metrics are scraped, apart from the clients' address because nobody has to sign there.",
    },
    Setting {
        name: "tls-certificate",
        kind: Kind::Path,
        default: None,
        meaning: "Certificate in PEM, followed by its chain: clients are served over TLS alone, in HTTP/1.1 or HTTP/2. Goes with tls-key. Both files may be replaced while the server runs; SIGHUP makes it look at once.",
    },
    Setting { name: "tls-key", kind: Kind::Path, default: None, meaning: "Private key of tls-certificate in PEM, not encrypted." },
    Setting {
        name: "data",
        kind: Kind::Path,
        default: Some("./partway-data"),
        meaning: "The data directory: index, blobs, root key, lock and control socket. One process at a time.",
    },
    Setting {
        name: CONFIG,
        kind: Kind::Path,
        default: None,
        meaning: "A TOML file with settings under these names. Flags and variables win over it.",
    },
    Setting { name: "region", kind: Kind::Name, default: Some("us-east-1"), meaning: "The region reported to clients." },
    Setting {
        name: "domain",
        kind: Kind::List(Item::Host),
        default: Some(""),
        meaning: "Suffixes for virtual-hosted addressing: with `s3.example.com`, a request to `photos.s3.example.com` is for bucket `photos`. `localhost` always is one.",
    },
    Setting {
        name: "cname",
        kind: Kind::List(Item::Cname),
        default: Some(""),
        meaning: "Hosts that stand for a bucket: with `files.example.com=photos`, a request to that host is for bucket `photos`, whatever its path.",
    },
    Setting {
        name: "default-dialect",
        kind: Kind::Choice(&["s3", "oss"]),
        default: Some("s3"),
        meaning: "The dialect of requests that say nothing of theirs: anonymous ones, mostly.",
    },
    Setting {
        name: "root-access-key",
        kind: Kind::AccessKey,
        default: None,
        meaning: "Access key of the root account, instead of the random one in the data directory. Goes with root-secret-key.",
    },
    Setting {
        name: "root-secret-key",
        kind: Kind::Secret,
        default: None,
        meaning: "Secret of root-access-key. Other users of the machine can see flags: prefer the variable or a file that only you can read.",
    },
    Setting {
        name: "secrets-key-file",
        kind: Kind::Path,
        default: None,
        meaning: "File with the key that secrets in the data directory are sealed with, kept outside of it; `partway keys new-key-file` makes one. Unset, they are in clear and protected by the permissions of the files.",
    },
    Setting {
        name: "secrets-key-file-previous",
        kind: Kind::Path,
        default: None,
        meaning: "File with the key that secrets were sealed with until now: at the next start they are sealed with the one in secrets-key-file, and this one is no longer needed.",
    },
    Setting {
        name: "durability",
        kind: Kind::Choice(&["full", "none"]),
        default: Some("full"),
        meaning: "`full`: a success is answered after the bytes and their record are synced to disk. `none`: nothing is synced, a power cut loses what was acknowledged.",
    },
    Setting {
        name: "s3-part-size-min",
        kind: Kind::Size { min: 1, max: 5 << 30 },
        default: Some("5MiB"),
        meaning: "Smallest part, except the last, that an upload can be completed with through the S3 dialect.",
    },
    Setting {
        name: "oss-part-size-min",
        kind: Kind::Size { min: 1, max: 5 << 30 },
        default: Some("100KiB"),
        meaning: "Smallest part, except the last, that an upload can be completed with through the OSS dialect.",
    },
    Setting {
        name: "disk-reserve",
        kind: Kind::Size { min: 0, max: 1 << 40 },
        default: Some("128MiB"),
        meaning: "Set aside on the index's disk, so that deletes go on when it is full. New bytes are refused when a quarter of it is all else that is free on the disk of index or blobs. 0 sets nothing aside and refuses nothing early.",
    },
    Setting {
        name: "damaged-log",
        kind: Kind::Choice(&["refuse", "drop"]),
        default: Some("refuse"),
        meaning: "What to do at the start when the index's log is damaged before commits that were acknowledged: `refuse` to start, or `drop` what comes after the damage.",
    },
    Setting {
        name: "inline-size-max",
        kind: Kind::Size { min: 0, max: 1 << 20 },
        default: Some("64KiB"),
        meaning: "Bodies up to this size are kept in the index instead of a file of their own, so that one sync covers many of them.",
    },
    Setting {
        name: "body-memory",
        kind: Kind::Size { min: 8 << 20, max: 1 << 40 },
        default: Some("96MiB"),
        meaning: "Memory for request bodies between socket and disk, shared by all requests in flight.",
    },
    Setting {
        name: "index-block-cache",
        kind: Kind::Size { min: 1 << 20, max: 1 << 40 },
        default: Some("48MiB"),
        meaning: "Memory for the index: its cache of blocks, and what is not in sorted files yet. More is well spent on many millions of objects, and on small ones that are read often.",
    },
    Setting {
        name: "index-write-buffer",
        kind: Kind::Size { min: 2 << 20, max: 1 << 30 },
        default: Some("16MiB"),
        meaning: "How much of index-block-cache may be what has been written, small objects included, and is not in sorted files yet; half of it at most.",
    },
    Setting {
        name: "connections-max",
        kind: Kind::Count { min: 1, max: 1_000_000 },
        default: Some("12000"),
        meaning: "Connections served at once, as far as the system's limit of open files allows; further ones are told to slow down.",
    },
    Setting {
        name: "requests-max",
        kind: Kind::Count { min: 1, max: 1_000_000 },
        default: Some("1024"),
        meaning: "Signed requests worked on at once, and as many others; further ones are told to slow down, first those whose key or address has most.",
    },
    Setting {
        name: "head-timeout",
        kind: Kind::Duration { min: Duration::from_millis(100), max: secs(3600) },
        default: Some("30s"),
        meaning: "How long a client may take to send a request's head.",
    },
    Setting {
        name: "body-timeout",
        kind: Kind::Duration { min: Duration::from_millis(100), max: secs(DAY) },
        default: Some("1m"),
        meaning: "How long a client may pause within a body.",
    },
    Setting {
        name: "drain-deadline",
        kind: Kind::Duration { min: secs(0), max: secs(DAY) },
        default: Some("30s"),
        meaning: "How long requests in flight may go on after SIGTERM.",
    },
    Setting {
        name: "reap-grace",
        kind: Kind::Duration { min: secs(1), max: secs(365 * DAY) },
        default: Some("1m"),
        meaning: "How long bytes stay on disk after nothing refers to them any more.",
    },
    Setting {
        name: "completed-retention",
        kind: Kind::Duration { min: secs(1), max: secs(365 * DAY) },
        default: Some("7d"),
        meaning: "How long a completed upload's answer is kept for clients that ask again.",
    },
    Setting {
        name: "lifecycle-interval",
        kind: Kind::Duration { min: secs(1), max: secs(365 * DAY) },
        default: Some("1h"),
        meaning: "How often buckets' lifecycle rules and upload-expiry are carried out.",
    },
    Setting {
        name: "upload-expiry",
        kind: Kind::Duration { min: secs(60), max: secs(3650 * DAY) },
        default: None,
        meaning: "Open uploads that got no part for so long are aborted, wherever their bucket has no lifecycle rule about that. Longer than any part takes to arrive. `partway uploads expire --dry-run` lists what would go.",
    },
    Setting {
        name: "orphan-search-rate",
        kind: Kind::Count { min: 0, max: 1_000_000 },
        default: Some("100"),
        meaning: "How many blob files a second are compared with the index in the background, to count those that no record knows. `0` is not at all.",
    },
    Setting {
        name: "callback-allow",
        kind: Kind::List(Item::Network),
        default: Some(""),
        meaning: "Networks that upload callbacks may reach although they are private, such as `10.0.0.0/8`; public ones always may be reached.",
    },
    Setting {
        name: "callback-deny",
        kind: Kind::List(Item::Network),
        default: Some(""),
        meaning: "Networks that upload callbacks may not reach, whatever callback-allow says.",
    },
    Setting {
        name: "callback-public-url",
        kind: Kind::Text,
        default: Some(""),
        meaning: "Where applications fetch the public key that callbacks are signed for, such as `https://oss.example.com`; unset means the host that the upload was sent to.",
    },
    Setting {
        name: "events-retry-min",
        kind: Kind::Duration { min: Duration::from_millis(10), max: secs(DAY) },
        default: Some("10s"),
        meaning: "How long a failed callback waits before it is tried again; every further failure doubles it.",
    },
    Setting {
        name: "events-retry-max",
        kind: Kind::Duration { min: Duration::from_millis(10), max: secs(30 * DAY) },
        default: Some("1h"),
        meaning: "How long a failed callback waits at most before it is tried again.",
    },
    Setting {
        name: "events-retention",
        kind: Kind::Duration { min: secs(1), max: secs(365 * DAY) },
        default: Some("7d"),
        meaning: "How long a delivered callback can still be looked at and replayed.",
    },
    Setting {
        name: "log-level",
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: Some("info"),
        meaning: "Least severe level that is logged, on standard error.",
    },
    Setting {
        name: "log-format",
        kind: Kind::Choice(&["text", "json"]),
        default: Some("text"),
        meaning: "Log lines for people or for machines.",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_kebab_case_and_defaults_are_legal() {
        let mut seen = BTreeSet::new();
        for setting in TABLE {
            assert!(seen.insert(setting.name), "{} twice", setting.name);
            assert!(
                setting.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'),
                "{}",
                setting.name
            );
            assert!(setting.meaning.ends_with('.') && !setting.meaning.contains(['|', '\n']), "{}", setting.name);
            if let Some(default) = setting.default {
                let value = setting.kind.parse(default).unwrap_or_else(|why| panic!("{}: {why}", setting.name));
                assert_eq!(value.to_text(), default, "{}: a default is written as it is printed", setting.name);
            }
        }
    }

    #[test]
    fn variables_are_the_names_in_upper_case() {
        let setting = TABLE.iter().find(|setting| setting.name == "root-access-key").unwrap();
        assert_eq!(setting.variable(), "PARTWAY_ROOT_ACCESS_KEY");
    }
}
