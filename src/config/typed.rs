//! The settings as the parts of the gateway take them.

use super::{
    ConfigError,
    load::Values,
    value::{Value, duration_text, size_text},
};
use crate::{
    blob::LocalSettings,
    events,
    meta::RocksSettings,
    model::{KeyRecord, Limits},
    ops::GatewaySettings,
    server::{Certificates, ServerSettings, TlsFiles},
    telemetry::LogFormat,
};
use std::{collections::BTreeMap, fmt, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

/// When a success is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// After the bytes and their record are synced to disk.
    Full,
    /// When the operating system has them: a power cut loses what was acknowledged.
    None,
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "full",
            Self::None => "none",
        })
    }
}

/// The root key from the settings. `Debug` never shows the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct RootKey {
    /// The access key id.
    pub access_key: String,
    /// The secret that signs.
    pub secret_key: String,
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootKey").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// All settings, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where clients connect.
    pub listen: SocketAddr,
    /// The certificate that clients get, if they are served over TLS.
    pub tls: Option<TlsFiles>,
    /// Where metrics are scraped, if anywhere.
    pub metrics_listen: Option<SocketAddr>,
    /// The data directory.
    pub data: PathBuf,
    /// The root key, when it is not the one in the data directory.
    pub root_key: Option<RootKey>,
    /// The files of the keys that secrets at rest are sealed with: the first seals, all open. None when they are in clear.
    pub secrets_key_files: Vec<PathBuf>,
    /// When a success is answered.
    pub durability: Durability,
    /// What the log keeps.
    pub log_level: String,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// How the operations behave.
    pub gateway: GatewaySettings,
    /// How upload callbacks are sent.
    pub events: events::Settings,
    /// How the index is set up.
    pub rocks: RocksSettings,
    /// What is set aside on the index's disk. Bytes.
    pub disk_reserve_bytes: u64,
    /// How the blob directory is used.
    pub blobs: LocalSettings,
    /// The region reported to clients.
    pub region: String,
    /// Suffixes of virtual hosts.
    pub domains: Vec<String>,
    /// Hosts that stand for a bucket, and that bucket.
    pub cnames: BTreeMap<String, String>,
    /// Whether requests that say nothing of their dialect are OSS's.
    pub oss_is_default: bool,
    /// Limits of the S3 dialect.
    pub s3_limits: Limits,
    /// Limits of the OSS dialect.
    pub oss_limits: Limits,
    /// Connections served at once.
    pub connection_count_max: usize,
    /// Signed requests in flight, and as many others.
    pub request_count_max: usize,
    /// How long a client may take to send a request's head.
    pub head_timeout: Duration,
    /// How long a client may pause within a body.
    pub body_timeout: Duration,
    /// How long requests in flight may go on after the stop signal.
    pub drain_deadline: Duration,
    /// How long to wait between two rounds of lifecycle rules.
    pub lifecycle_interval: Duration,
    /// How long an upload may go without a part before it is aborted, if it ever is.
    pub upload_expiry: Option<Duration>,
    /// Blob files compared with the index per second, in the background.
    pub orphan_search_rate: u64,
}

impl Settings {
    /// Reads the values into their structs and checks what one row of the table cannot.
    ///
    /// # Errors
    /// [`ConfigError::Together`] for settings that contradict each other.
    pub fn new(values: &Values) -> Result<Self, ConfigError> {
        let read = Reader(values);
        let root_key = match (read.text_if_set("root-access-key"), read.text_if_set("root-secret-key")) {
            (Some(access_key), Some(secret_key)) => Some(RootKey { access_key, secret_key }),
            (None, None) => None,
            (Some(_), None) => return Err(ConfigError::Together("root-access-key is set but root-secret-key is not".to_owned())),
            (None, Some(_)) => return Err(ConfigError::Together("root-secret-key is set but root-access-key is not".to_owned())),
        };
        let tls = match (read.path_if_set("tls-certificate"), read.path_if_set("tls-key")) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(_), None) => return Err(ConfigError::Together("tls-certificate is set but tls-key is not".to_owned())),
            (None, Some(_)) => return Err(ConfigError::Together("tls-key is set but tls-certificate is not".to_owned())),
        };
        let secrets_key_files = match (read.path_if_set("secrets-key-file"), read.path_if_set("secrets-key-file-previous")) {
            (Some(current), previous) => std::iter::once(current).chain(previous).collect(),
            (None, None) => vec![],
            (None, Some(_)) => {
                return Err(ConfigError::Together("secrets-key-file-previous is set but secrets-key-file is not".to_owned()));
            }
        };
        let durability = match read.text("durability").as_str() {
            "none" => Durability::None,
            _ => Durability::Full,
        };
        let gateway = GatewaySettings {
            inline_size_bytes_max: read.size("inline-size-max"),
            body_memory_bytes: read.size("body-memory"),
            reap_grace_ms: millis(read.duration("reap-grace")),
            completed_retention_ms: millis(read.duration("completed-retention")),
            // The files of its keys are read when a data directory is opened.
            vault: Arc::default(),
        };
        if gateway.inline_size_bytes_max.saturating_mul(8) > gateway.body_memory_bytes {
            return Err(ConfigError::Together(format!(
                "body-memory ({}) is to be at least eight times inline-size-max ({})",
                size_text(gateway.body_memory_bytes),
                size_text(gateway.inline_size_bytes_max)
            )));
        }
        let events = events(&read, tls.is_some())?;
        Ok(Self {
            listen: read.address("listen").unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0))),
            tls,
            metrics_listen: read.address("metrics-listen"),
            data: read.path("data"),
            root_key,
            secrets_key_files,
            durability,
            log_level: read.text("log-level"),
            log_format: match read.text("log-format").as_str() {
                "json" => LogFormat::Json,
                _ => LogFormat::Text,
            },
            gateway,
            events,
            rocks: RocksSettings {
                drop_after_damage: read.text("damaged-log") == "drop",
                ..rocks(durability, read.size("index-block-cache"), read.size("index-write-buffer"))
            },
            disk_reserve_bytes: read.size("disk-reserve"),
            blobs: blobs(durability),
            region: read.text("region"),
            domains: read.list("domain"),
            cnames: read.map("cname"),
            s3_limits: Limits { part_size_bytes_min: read.size("s3-part-size-min"), ..Limits::S3 },
            oss_limits: Limits { part_size_bytes_min: read.size("oss-part-size-min"), ..Limits::OSS },
            oss_is_default: read.text("default-dialect") == "oss",
            connection_count_max: usize::try_from(read.count("connections-max")).unwrap_or(usize::MAX),
            request_count_max: usize::try_from(read.count("requests-max")).unwrap_or(usize::MAX),
            head_timeout: read.duration("head-timeout"),
            body_timeout: read.duration("body-timeout"),
            drain_deadline: read.duration("drain-deadline"),
            lifecycle_interval: read.duration("lifecycle-interval"),
            upload_expiry: read.duration_if_set("upload-expiry"),
            orphan_search_rate: read.count("orphan-search-rate"),
        })
    }

    /// The server's part of the settings. `tls` is what the files for it hold.
    #[must_use]
    pub fn server(&self, root_key: KeyRecord, tls: Option<Arc<Certificates>>) -> ServerSettings {
        ServerSettings {
            region: self.region.clone(),
            domains: self.domains.clone(),
            cnames: self.cnames.clone(),
            root_key,
            s3_limits: self.s3_limits,
            oss_limits: self.oss_limits,
            oss_is_default: self.oss_is_default,
            connection_count_max: self.connection_count_max,
            request_count_max: self.request_count_max,
            head_timeout: self.head_timeout,
            body_timeout: self.body_timeout,
            drain_deadline: self.drain_deadline,
            tls,
        }
    }
}

fn events(read: &Reader<'_>, is_encrypted: bool) -> Result<events::Settings, ConfigError> {
    let networks =
        |name| read.list(name).iter().map(|text| events::Network::parse(text).expect("the table lets only networks pass")).collect();
    let public_url = read.text("callback-public-url");
    let is_url = |rest: &str| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', '@']);
    if !public_url.is_empty() && !["http://", "https://"].into_iter().any(|scheme| public_url.strip_prefix(scheme).is_some_and(is_url)) {
        return Err(ConfigError::Together(format!("callback-public-url: `{public_url}` is not a URL such as https://oss.example.com")));
    }
    let (retry_min, retry_max) = (read.duration("events-retry-min"), read.duration("events-retry-max"));
    if retry_min > retry_max {
        return Err(ConfigError::Together(format!(
            "events-retry-min ({}) is longer than events-retry-max ({})",
            duration_text(retry_min),
            duration_text(retry_max)
        )));
    }
    Ok(events::Settings {
        allow: networks("callback-allow"),
        deny: networks("callback-deny"),
        public_url: Some(public_url.trim_end_matches('/').to_owned()).filter(|url| !url.is_empty()),
        is_encrypted,
        retry_min_ms: millis(retry_min),
        retry_max_ms: millis(retry_max),
        retention_ms: millis(read.duration("events-retention")),
    })
}

fn rocks(durability: Durability, block_cache_bytes: u64, write_buffer_bytes: u64) -> RocksSettings {
    RocksSettings {
        sync_writes: durability == Durability::Full,
        block_cache_bytes: usize::try_from(block_cache_bytes).unwrap_or(usize::MAX),
        write_buffer_bytes: usize::try_from(write_buffer_bytes).unwrap_or(usize::MAX),
        ..RocksSettings::default()
    }
}

fn blobs(durability: Durability) -> LocalSettings {
    LocalSettings { sync: durability == Durability::Full }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Takes values out by name. The table gives every name its type, and a test builds `Settings`
/// from the defaults, so a mismatch does not survive the first test run.
struct Reader<'a>(&'a Values);

impl Reader<'_> {
    fn address(&self, name: &str) -> Option<SocketAddr> {
        match self.0.value(name) {
            Value::Address(address) => Some(*address),
            Value::Unset => None,
            other => mismatch(name, other),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.path_if_set(name).unwrap_or_else(|| mismatch(name, &Value::Unset))
    }

    fn path_if_set(&self, name: &str) -> Option<PathBuf> {
        match self.0.value(name) {
            Value::Path(path) => Some(path.clone()),
            Value::Unset => None,
            other => mismatch(name, other),
        }
    }

    fn text(&self, name: &str) -> String {
        self.text_if_set(name).unwrap_or_else(|| mismatch(name, &Value::Unset))
    }

    fn text_if_set(&self, name: &str) -> Option<String> {
        match self.0.value(name) {
            Value::Text(text) => Some(text.clone()),
            Value::Unset => None,
            other => mismatch(name, other),
        }
    }

    /// `key=value` items.
    fn map(&self, name: &str) -> BTreeMap<String, String> {
        self.list(name).iter().filter_map(|item| item.split_once('=')).map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.0.value(name) {
            Value::List(items) => items.clone(),
            other => mismatch(name, other),
        }
    }

    fn size(&self, name: &str) -> u64 {
        match self.0.value(name) {
            Value::Size(size) => *size,
            other => mismatch(name, other),
        }
    }

    fn duration(&self, name: &str) -> Duration {
        self.duration_if_set(name).unwrap_or_else(|| mismatch(name, &Value::Unset))
    }

    fn duration_if_set(&self, name: &str) -> Option<Duration> {
        match self.0.value(name) {
            Value::Duration(duration) => Some(*duration),
            Value::Unset => None,
            other => mismatch(name, other),
        }
    }

    fn count(&self, name: &str) -> u64 {
        match self.0.value(name) {
            Value::Count(count) => *count,
            other => mismatch(name, other),
        }
    }
}

fn mismatch(name: &str, value: &Value) -> ! {
    panic!("the table gives {name} another type than {value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Flags;

    fn settings(pairs: &[(&'static str, &str)]) -> Result<Settings, ConfigError> {
        let flags: Flags = pairs.iter().map(|(name, text)| (*name, vec![(*text).to_owned()])).collect();
        Settings::new(&Values::load(&flags, [])?)
    }

    #[test]
    fn the_defaults_are_those_of_the_parts() {
        let settings = settings(&[]).unwrap();
        let gateway = GatewaySettings::default();
        assert_eq!(settings.gateway.inline_size_bytes_max, gateway.inline_size_bytes_max);
        assert_eq!(settings.gateway.body_memory_bytes, gateway.body_memory_bytes);
        assert_eq!(settings.gateway.reap_grace_ms, gateway.reap_grace_ms);
        assert_eq!(settings.gateway.completed_retention_ms, gateway.completed_retention_ms);
        assert_eq!(settings.events, events::Settings::default());
        assert_eq!(settings.s3_limits, Limits::S3);
        assert_eq!(settings.durability, Durability::Full);
        assert_eq!(settings.rocks, RocksSettings::default());
        assert!(settings.blobs.sync);
        assert_eq!(settings.listen, "127.0.0.1:9000".parse().unwrap());
        assert_eq!(settings.metrics_listen, None);
    }

    #[test]
    fn the_root_key_is_set_whole_or_not_at_all() {
        let both = settings(&[("root-access-key", "abc"), ("root-secret-key", "12345678")]).unwrap().root_key.unwrap();
        assert_eq!((both.access_key.as_str(), both.secret_key.as_str()), ("abc", "12345678"));
        assert!(!format!("{both:?}").contains("12345678"));
        for half in [("root-access-key", "abc"), ("root-secret-key", "12345678")] {
            assert!(matches!(settings(&[half]), Err(ConfigError::Together(_))), "{half:?}");
        }
    }

    #[test]
    fn tls_has_a_certificate_and_its_key_or_neither() {
        assert_eq!(settings(&[]).unwrap().tls, None);
        let both = settings(&[("tls-certificate", "c.pem"), ("tls-key", "k.pem")]).unwrap();
        assert_eq!(both.tls, Some(TlsFiles { certificate: "c.pem".into(), key: "k.pem".into() }));
        assert!(both.events.is_encrypted, "applications are told https");
        for half in [("tls-certificate", "c.pem"), ("tls-key", "k.pem")] {
            assert!(matches!(settings(&[half]), Err(ConfigError::Together(_))), "{half:?}");
        }
    }

    #[test]
    fn uploads_expire_only_when_somebody_says_so() {
        assert_eq!(settings(&[]).unwrap().upload_expiry, None);
        assert_eq!(settings(&[("upload-expiry", "7d")]).unwrap().upload_expiry, Some(Duration::from_secs(7 * 24 * 3600)));
        assert!(settings(&[("upload-expiry", "5s")]).is_err(), "no part would ever arrive");
    }

    #[test]
    fn durability_none_reaches_both_stores() {
        let settings = settings(&[("durability", "none")]).unwrap();
        assert!(!settings.rocks.sync_writes && !settings.blobs.sync);
    }

    #[test]
    fn callbacks_have_networks_a_url_and_waits_in_order() {
        let set = settings(&[
            ("callback-allow", "10.0.0.0/8,::1"),
            ("callback-deny", "10.1.0.0/16"),
            ("callback-public-url", "https://oss.example.com:444/keys/"),
            ("events-retry-min", "1s"),
            ("events-retry-max", "1s"),
            ("events-retention", "1h"),
        ]);
        let networks = |texts: &[&str]| texts.iter().map(|text| events::Network::parse(text).unwrap()).collect();
        let expected = events::Settings {
            allow: networks(&["10.0.0.0/8", "::1"]),
            deny: networks(&["10.1.0.0/16"]),
            public_url: Some("https://oss.example.com:444/keys".to_owned()),
            is_encrypted: false,
            retry_min_ms: 1000,
            retry_max_ms: 1000,
            retention_ms: 3_600_000,
        };
        assert_eq!(set.unwrap().events, expected);
        assert!(settings(&[("events-retry-min", "2s"), ("events-retry-max", "1s")]).is_err());
        for bad in ["oss.example.com", "ftp://a", "https://", "https:///x", "https://a?b", "https://a#b", "https://a@b"] {
            assert!(settings(&[("callback-public-url", bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn inline_bodies_must_fit_the_memory_for_bodies() {
        assert!(settings(&[("inline-size-max", "1MiB"), ("body-memory", "8MiB")]).is_ok());
        assert!(settings(&[("inline-size-max", "9MiB")]).is_err());
    }
}
