//! Where a request is addressed, and how a host is taken apart.

use super::values;
use crate::model::Bucket;
use http::{header::HOST, request::Parts};

/// Where a request is addressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The bucket's name as sent, if any; not validated yet.
    pub bucket: Option<String>,
    /// The decoded key, if any.
    pub key: Option<String>,
    /// Whether the bucket came in the host.
    pub virtual_hosted: bool,
}

impl Address {
    /// `/bucket/key`, as errors name the resource.
    #[must_use]
    pub fn resource(&self) -> String {
        match (&self.bucket, &self.key) {
            (None, _) => "/".to_owned(),
            (Some(bucket), None) => format!("/{bucket}"),
            (Some(bucket), Some(key)) => format!("/{bucket}/{key}"),
        }
    }
}

/// What is known about hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Suffixes of virtual hosts, lower-case; `localhost` is always one.
    pub domains: Vec<String>,
    /// Hosts that stand for a bucket, lower-case, and that bucket.
    pub cnames: std::collections::BTreeMap<String, String>,
}

/// Marks, among a request's extensions, that it came over TLS.
#[derive(Clone, Copy, Debug)]
pub struct Encrypted;

/// Whether a request came over TLS to us.
pub fn is_encrypted(parts: &Parts) -> bool {
    parts.extensions.get::<Encrypted>().is_some()
}

/// The host as the client wrote it, port included: from the request line when it is there, else from Host.
pub fn authority(parts: &Parts) -> &str {
    match parts.uri.authority() {
        Some(authority) => authority.as_str(),
        None => parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default(),
    }
}

/// The URL of an object whose key is encoded, as this client would write it. Behind a proxy that ends TLS the scheme is the one
/// it reports.
pub(super) fn url(parts: &Parts, bucket: &Bucket, encoded_key: &str, virtual_hosted: bool) -> String {
    let is_reported = values::text(&parts.headers, "x-forwarded-proto").as_deref() == Some("https");
    let is_https = is_encrypted(parts) || parts.uri.scheme_str() == Some("https") || is_reported;
    let scheme = if is_https { "https" } else { "http" };
    let authority = authority(parts);
    if virtual_hosted { format!("{scheme}://{authority}/{encoded_key}") } else { format!("{scheme}://{authority}/{bucket}/{encoded_key}") }
}

/// The host in lower case, without port.
pub(super) fn host(parts: &Parts) -> String {
    let authority = authority(parts);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    };
    host.to_ascii_lowercase()
}

/// What stands before the longest suffix that fits. Nothing before it means path style.
pub(super) fn bucket_in_host(host: &str, domains: &[String]) -> Option<String> {
    let suffixes = domains.iter().map(String::as_str).chain(["localhost"]);
    let fits = |suffix: &&str| !suffix.is_empty() && (host == *suffix || host.strip_suffix(suffix).is_some_and(|rest| rest.ends_with('.')));
    let suffix = suffixes.filter(fits).max_by_key(|suffix| suffix.len())?;
    let bucket = host.strip_suffix(suffix)?.strip_suffix('.')?;
    (!bucket.is_empty()).then(|| bucket.to_owned())
}
