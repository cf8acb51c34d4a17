//! Signing requests with SigV4: the client's half of verification, over the same canonical forms.

use super::{
    canonical::{CanonicalRequest, Query, uri_encode},
    date::format_iso_basic,
    payload::UNSIGNED,
    sigv4::{ALGORITHM, EXPIRES_SECS_MAX, Scope, string_to_sign},
};
use crate::model::Timestamp;
use http::{HeaderName, HeaderValue, Uri, header, request::Parts};
use std::fmt;

/// What a client signs with. `Debug` never shows the secret.
#[derive(Clone)]
pub struct Credentials {
    /// The access key id.
    pub access_key: String,
    /// The secret that signs.
    pub secret_key: String,
    /// The token of temporary credentials.
    pub security_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// Why a request cannot be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// It has no Host header, which every signature covers.
    #[error("the request has no Host header")]
    HostMissing,
    /// The time cannot be written with a four-digit year.
    #[error("the time is out of range")]
    TimeOutOfRange,
    /// The access key, token or payload word cannot be part of a header, or the query not of a URI.
    #[error("a credential cannot be written into a request")]
    NotRepresentable,
    /// A presigned URL may be valid for at most 604,800 seconds.
    #[error("a presigned URL is valid for at most a week")]
    ExpiresTooLarge,
}

/// Signs a request in its Authorization header. Adds `x-amz-date`, `x-amz-content-sha256` and the security token, and
/// covers every header the request then has, so add all others before. `payload_word` is the hex SHA-256 of the body,
/// `UNSIGNED-PAYLOAD` or a streaming word (S3 API Reference, "Signature Calculations for the Authorization Header").
///
/// # Errors
/// The request or the credentials cannot be signed with; the request may then hold some of the headers.
pub fn sign_v4(parts: &mut Parts, credentials: &Credentials, region: &str, payload_word: &str, now: Timestamp) -> Result<(), SignError> {
    let (date, scope) = scope_at(region, now)?;
    let mut add = |name: &'static str, value: &str| {
        let value = HeaderValue::from_str(value).map_err(|_| SignError::NotRepresentable)?;
        parts.headers.insert(HeaderName::from_static(name), value);
        Ok(())
    };
    add("x-amz-date", &date)?;
    add("x-amz-content-sha256", payload_word)?;
    if let Some(token) = &credentials.security_token {
        add("x-amz-security-token", token)?;
    }
    parts.headers.remove(header::AUTHORIZATION);
    let signed_headers = covered_headers(parts)?;
    let query = Query::parse(parts.uri.query()).canonical(None);
    let signature = signature(parts, &query, &signed_headers, payload_word, &date, &scope, credentials);
    let authorization = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signature}",
        credentials.access_key,
        signed_headers.join(";")
    );
    let authorization = HeaderValue::from_str(&authorization).map_err(|_| SignError::NotRepresentable)?;
    parts.headers.insert(header::AUTHORIZATION, authorization);
    Ok(())
}

/// Signs a request in its query, for whoever holds the URL to send within `expires_secs`. Covers every header the request
/// has; they must then be sent as they are (S3 API Reference, "Authenticating Requests: Using Query Parameters").
///
/// # Errors
/// The request or the credentials cannot be signed with; the request is then unchanged.
pub fn presign_v4(parts: &mut Parts, credentials: &Credentials, region: &str, expires_secs: u64, now: Timestamp) -> Result<(), SignError> {
    if expires_secs > EXPIRES_SECS_MAX {
        return Err(SignError::ExpiresTooLarge);
    }
    let (date, scope) = scope_at(region, now)?;
    let signed_headers = covered_headers(parts)?;
    let encode = |text: &str| uri_encode(text.as_bytes(), false);
    let mut raw = parts.uri.query().map(|query| format!("{query}&")).unwrap_or_default();
    raw.push_str(&format!(
        "X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={}&X-Amz-Date={date}&X-Amz-Expires={expires_secs}&X-Amz-SignedHeaders={}",
        encode(&format!("{}/{scope}", credentials.access_key)),
        encode(&signed_headers.join(";"))
    ));
    if let Some(token) = &credentials.security_token {
        raw.push_str(&format!("&X-Amz-Security-Token={}", encode(token)));
    }
    let query = Query::parse(Some(&raw)).canonical(None);
    let signature = signature(parts, &query, &signed_headers, UNSIGNED, &date, &scope, credentials);
    let mut uri = parts.uri.clone().into_parts();
    let path_and_query = format!("{}?{raw}&X-Amz-Signature={signature}", parts.uri.path());
    uri.path_and_query = Some(path_and_query.parse().map_err(|_| SignError::NotRepresentable)?);
    parts.uri = Uri::from_parts(uri).map_err(|_| SignError::NotRepresentable)?;
    Ok(())
}

fn scope_at(region: &str, now: Timestamp) -> Result<(String, Scope), SignError> {
    let date = format_iso_basic(now).ok_or(SignError::TimeOutOfRange)?;
    let scope = Scope { date: date[..8].to_owned(), region: region.to_owned(), service: "s3".to_owned() };
    Ok((date, scope))
}

fn covered_headers(parts: &Parts) -> Result<Vec<String>, SignError> {
    if !parts.headers.contains_key(header::HOST) {
        return Err(SignError::HostMissing);
    }
    let mut names: Vec<String> = parts.headers.keys().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    Ok(names)
}

fn signature(
    parts: &Parts,
    canonical_query: &str,
    signed_headers: &[String],
    payload_word: &str,
    date: &str,
    scope: &Scope,
    credentials: &Credentials,
) -> String {
    let signed_headers: Vec<&str> = signed_headers.iter().map(String::as_str).collect();
    let request = CanonicalRequest::new(&parts.method, parts.uri.path(), canonical_query, &parts.headers, &signed_headers, payload_word);
    scope.signing_key(&credentials.secret_key).sign(&string_to_sign(date, scope, &request.hash()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Addressed, AuthError, Claim, Payload, Verified, s3::claim};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);

    fn credentials() -> Credentials {
        Credentials { access_key: "ak".to_owned(), secret_key: "secret".to_owned(), security_token: Some("to/k=en".to_owned()) }
    }

    fn head(uri: &str) -> Parts {
        let request = http::Request::put(uri).header("host", "h:1").header("x-amz-meta-a", " ü  b ").header("content-type", "text/plain");
        request.body(()).unwrap().into_parts().0
    }

    fn verify(parts: &Parts, secret: &str, now: Timestamp) -> Result<Verified, AuthError> {
        match claim(parts)? {
            Claim::Signed(claim) => {
                assert_eq!((claim.access_key.as_str(), claim.security_token.as_deref()), ("ak", Some("to/k=en")));
                claim.verify(parts, &Addressed::default(), secret, now)
            }
            Claim::Anonymous => panic!("the request is signed"),
        }
    }

    fn minutes(count: i64) -> Timestamp {
        NOW.plus_millis(count * 60_000)
    }

    #[test]
    fn a_signed_request_verifies_within_the_allowed_skew_only() {
        let mut parts = head("/b/k%20y?uploads&x=a+b");
        sign_v4(&mut parts, &credentials(), "mars-1", UNSIGNED, NOW).unwrap();
        for offset in [-15, 0, 15] {
            assert_eq!(verify(&parts, "secret", minutes(offset)), Ok(Verified { payload: Payload::Unsigned }), "{offset}");
        }
        for offset in [-16, 16] {
            assert!(matches!(verify(&parts, "secret", minutes(offset)), Err(AuthError::ClockSkewed { .. })), "{offset}");
        }
        assert!(matches!(verify(&parts, "Secret", NOW), Err(AuthError::SignatureMismatch { .. })));
    }

    #[test]
    fn a_presigned_request_verifies_until_it_expires() {
        let mut parts = head("/b/k?partNumber=1");
        presign_v4(&mut parts, &credentials(), "mars-1", 3600, NOW).unwrap();
        for offset in [-15, 0, 60] {
            assert_eq!(verify(&parts, "secret", minutes(offset)), Ok(Verified { payload: Payload::Unsigned }), "{offset}");
        }
        assert_eq!(verify(&parts, "secret", minutes(-16)), Err(AuthError::NotYetValid));
        let expired = AuthError::Expired { expires_secs: Some(3600), expired: minutes(60), server_time: minutes(61) };
        assert_eq!(verify(&parts, "secret", minutes(61)), Err(expired));
        assert_eq!(presign_v4(&mut parts, &credentials(), "r", EXPIRES_SECS_MAX + 1, NOW), Err(SignError::ExpiresTooLarge));
    }

    #[test]
    fn headers_we_would_act_on_cannot_be_added_to_a_signed_request() {
        let mut signed = head("/b/k");
        sign_v4(&mut signed, &credentials(), "r", UNSIGNED, NOW).unwrap();
        let mut presigned = head("/b/k");
        presign_v4(&mut presigned, &credentials(), "r", 60, NOW).unwrap();
        for mut parts in [signed, presigned] {
            parts.headers.insert("x-amz-copy-source", HeaderValue::from_static("other/secret"));
            assert_eq!(verify(&parts, "secret", NOW), Err(AuthError::HeadersNotSigned(vec!["x-amz-copy-source".to_owned()])));
            parts.headers.remove("x-amz-copy-source");
            parts.headers.insert("user-agent", HeaderValue::from_static("any"));
            assert!(verify(&parts, "secret", NOW).is_ok());
            parts.headers.remove("content-type");
            assert!(matches!(verify(&parts, "secret", NOW), Err(AuthError::SignatureMismatch { .. })));
        }
    }

    #[test]
    fn a_signed_header_that_is_missing_does_not_count_as_empty() {
        let mut parts = head("/b/k");
        parts.headers.insert("x-empty", HeaderValue::from_static(""));
        sign_v4(&mut parts, &credentials(), "r", UNSIGNED, NOW).unwrap();
        assert!(verify(&parts, "secret", NOW).is_ok());
        parts.headers.remove("x-empty");
        assert!(matches!(verify(&parts, "secret", NOW), Err(AuthError::SignatureMismatch { .. })));
    }

    proptest! {
        /// Whatever is signed verifies: one canonicaliser, two directions.
        #[test]
        fn what_is_signed_verifies(path in "/([ -~&&[^?#\"<>\\\\^`{|} ]]|%[0-9A-F]{2}){0,30}", query in "([a-zA-Z0-9&=+.~/-]|%[0-9a-f]{2}){0,40}", presigned in any::<bool>()) {
            let mut parts = head(&format!("{path}?{query}"));
            if presigned {
                presign_v4(&mut parts, &credentials(), "r", 60, NOW).unwrap();
            } else {
                sign_v4(&mut parts, &credentials(), "r", UNSIGNED, NOW).unwrap();
            }
            prop_assert!(verify(&parts, "secret", NOW).is_ok());
        }
    }
}
