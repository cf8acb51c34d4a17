//! What a bucket's rules put on answers to cross-origin requests, which browsers read alike from both dialects.

use super::{reply::set, values};
use crate::model::{CorsConfiguration, CorsRule};
use http::{HeaderMap, HeaderValue, header, request::Parts};

/// The methods a rule may allow and a preflight may ask for, compared with regard to case.
pub(super) const METHODS: [&str; 5] = ["GET", "PUT", "POST", "DELETE", "HEAD"];
pub(super) const VARY: &str = "Origin, Access-Control-Request-Headers, Access-Control-Request-Method";

/// Whether answers to origins that a rule names say that they may come with cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credentials {
    /// As S3 has it.
    Allowed,
    /// As OSS has it.
    NotSaid,
}

/// Adds what the bucket's rules say about an actual request to its response, errors included. Without
/// an Origin, or when no rule matches, the response stays as it is but for Vary, which keeps caches
/// from giving one origin's answer to another.
pub(super) fn add_headers(configuration: &CorsConfiguration, parts: &Parts, headers: &mut HeaderMap, credentials: Credentials) {
    let origin = values::text(&parts.headers, "origin");
    let rule = origin.as_deref().and_then(|origin| configuration.matching(origin, parts.method.as_str(), &[]));
    match (rule, origin) {
        (Some(rule), Some(origin)) => add_rule(headers, rule, &origin, &[], credentials),
        (None, _) | (_, None) => {
            headers.append(header::VARY, HeaderValue::from_static(VARY));
        }
    }
}

/// Adds what a rule says to the origin it matched. `requested` are the headers that a preflight asks for.
pub(super) fn add_rule(headers: &mut HeaderMap, rule: &CorsRule, origin: &str, requested: &[String], credentials: Credentials) {
    let is_any = rule.allows_any_origin(origin);
    set(headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, if is_any { "*" } else { origin });
    set(headers, header::ACCESS_CONTROL_ALLOW_METHODS, rule.allowed_methods.join(", "));
    if !requested.is_empty() {
        set(headers, header::ACCESS_CONTROL_ALLOW_HEADERS, requested.join(", "));
    }
    if !rule.expose_headers.is_empty() {
        set(headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, rule.expose_headers.join(", "));
    }
    if let Some(secs) = rule.max_age_secs {
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from(secs));
    }
    if !is_any && credentials == Credentials::Allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.append(header::VARY, HeaderValue::from_static(VARY));
}

/// The headers a preflight asks for, lower-case.
pub(super) fn requested_headers(headers: &HeaderMap) -> Vec<String> {
    let text = values::text(headers, "access-control-request-headers").unwrap_or_default();
    text.split(',').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect()
}
