//! Signing requests as OSS clients do: the other half of verification, over the same canonical forms.
//!
//! A signature covers bucket and key wherever the request names them, so signing needs to be told which they are.

use super::{
    Addressed,
    canonical::uri_encode,
    date::{format_http, format_iso_basic},
    oss_canonical::additional_headers,
    ossv1,
    ossv2::{self, VERSION},
    ossv4::{self, ALGORITHM, EXPIRES_SECS_MAX, OssScope},
    payload::UNSIGNED,
    sign::{Credentials, SignError},
    sigv2,
};
use crate::model::Timestamp;
use http::{HeaderName, HeaderValue, Uri, header, request::Parts};

/// Signs a request in its Authorization header with version 1. Adds `Date` and the security token, and covers every
/// `x-oss-*` header the request then has (OSS API Reference, "Add a signature to the header").
///
/// # Errors
/// The request or the credentials cannot be signed with; the request may then hold some of the headers.
pub fn sign_v1(parts: &mut Parts, credentials: &Credentials, addressed: &Addressed<'_>, now: Timestamp) -> Result<(), SignError> {
    let date = prepare(parts, credentials, now)?;
    let signature = sigv2::sign(&credentials.secret_key, &ossv1::string_to_sign(parts, addressed, &date));
    set_header(parts, header::AUTHORIZATION, &format!("OSS {}:{signature}", credentials.access_key))
}

/// Signs a request in its query with version 1, for whoever holds the URL to send within `expires_secs`. Covers the headers as
/// [`sign_v1`] does (OSS API Reference, "Add signatures to a URL").
///
/// # Errors
/// The request or the credentials cannot be signed with; the request may then hold some of the parameters.
pub fn presign_v1(
    parts: &mut Parts,
    credentials: &Credentials,
    addressed: &Addressed<'_>,
    expires_secs: u64,
    now: Timestamp,
) -> Result<(), SignError> {
    let expires = expiry(now, expires_secs)?;
    let token = credentials.security_token.as_deref().map(|token| ("security-token", token));
    add_parameters(parts, &[("OSSAccessKeyId", &credentials.access_key), ("Expires", &expires)])?;
    add_parameters(parts, token.as_slice())?;
    let signature = sigv2::sign(&credentials.secret_key, &ossv1::string_to_sign(parts, addressed, &expires));
    add_parameters(parts, &[("Signature", &signature)])
}

/// Signs a request in its Authorization header with version 2. Adds `Date` and the security token, and covers every `x-oss-*`
/// header the request then has, and those of `additional` that it has.
///
/// # Errors
/// As [`sign_v1`].
pub fn sign_v2(
    parts: &mut Parts,
    credentials: &Credentials,
    addressed: &Addressed<'_>,
    additional: &[&str],
    now: Timestamp,
) -> Result<(), SignError> {
    let date = prepare(parts, credentials, now)?;
    let additional = present(parts, additional)?;
    let signature = ossv2::sign(&credentials.secret_key, &ossv2::string_to_sign(parts, addressed, &date, &additional));
    let listed = if additional.is_empty() { String::new() } else { format!("AdditionalHeaders:{},", additional.join(";")) };
    let authorization = format!("{VERSION} AccessKeyId:{},{listed}Signature:{signature}", credentials.access_key);
    set_header(parts, header::AUTHORIZATION, &authorization)
}

/// Signs a request in its query with version 2, for whoever holds the URL to send within `expires_secs`.
///
/// # Errors
/// As [`presign_v1`].
pub fn presign_v2(
    parts: &mut Parts,
    credentials: &Credentials,
    addressed: &Addressed<'_>,
    expires_secs: u64,
    now: Timestamp,
) -> Result<(), SignError> {
    let expires = expiry(now, expires_secs)?;
    let token = credentials.security_token.as_deref().map(|token| ("security-token", token));
    let own = [("x-oss-signature-version", VERSION), ("x-oss-expires", &expires), ("x-oss-access-key-id", &credentials.access_key)];
    add_parameters(parts, &own)?;
    add_parameters(parts, token.as_slice())?;
    let signature = ossv2::sign(&credentials.secret_key, &ossv2::string_to_sign(parts, addressed, &expires, &[]));
    add_parameters(parts, &[(ossv2::SIGNATURE, &signature)])
}

/// Signs a request in its Authorization header with version 4. Adds `x-oss-date`, `x-oss-content-sha256` and the security
/// token, and covers every `x-oss-*` header the request then has, Content-Type, Content-MD5 and those of `additional` that it
/// has (OSS API Reference, "Include a V4 signature in the header").
///
/// # Errors
/// As [`sign_v1`].
pub fn sign_v4(
    parts: &mut Parts,
    credentials: &Credentials,
    addressed: &Addressed<'_>,
    region: &str,
    additional: &[&str],
    now: Timestamp,
) -> Result<(), SignError> {
    let (date, scope) = scope_at(region, now)?;
    set_header(parts, HeaderName::from_static("x-oss-date"), &date)?;
    set_header(parts, HeaderName::from_static("x-oss-content-sha256"), UNSIGNED)?;
    set_token(parts, credentials)?;
    let additional = present(parts, additional)?;
    let signature = signature_v4(parts, credentials, addressed, &additional, &date, &scope);
    let listed = if additional.is_empty() { String::new() } else { format!("AdditionalHeaders={},", additional.join(";")) };
    let authorization = format!("{ALGORITHM} Credential={}/{scope},{listed}Signature={signature}", credentials.access_key);
    set_header(parts, header::AUTHORIZATION, &authorization)
}

/// Signs a request in its query with version 4, for whoever holds the URL to send within `expires_secs`. Covers the headers
/// as [`sign_v4`] does (OSS API Reference, "Include a V4 signature in a URL").
///
/// # Errors
/// `ExpiresTooLarge`, and as [`presign_v1`].
pub fn presign_v4(
    parts: &mut Parts,
    credentials: &Credentials,
    addressed: &Addressed<'_>,
    region: &str,
    additional: &[&str],
    expires_secs: u64,
    now: Timestamp,
) -> Result<(), SignError> {
    if expires_secs > EXPIRES_SECS_MAX {
        return Err(SignError::ExpiresTooLarge);
    }
    let (date, scope) = scope_at(region, now)?;
    let additional = present(parts, additional)?;
    let (credential, expires, listed) = (format!("{}/{scope}", credentials.access_key), expires_secs.to_string(), additional.join(";"));
    let token = credentials.security_token.as_deref().map(|token| ("x-oss-security-token", token));
    let listed = (!additional.is_empty()).then_some(("x-oss-additional-headers", listed.as_str()));
    let own =
        [("x-oss-signature-version", ALGORITHM), ("x-oss-credential", &credential), ("x-oss-date", &date), ("x-oss-expires", &expires)];
    add_parameters(parts, &own)?;
    add_parameters(parts, listed.as_slice())?;
    add_parameters(parts, token.as_slice())?;
    let signature = signature_v4(parts, credentials, addressed, &additional, &date, &scope);
    add_parameters(parts, &[(ossv4::SIGNATURE, &signature)])
}

fn signature_v4(
    parts: &Parts,
    credentials: &Credentials,
    addressed: &Addressed<'_>,
    additional: &[String],
    date: &str,
    scope: &OssScope,
) -> String {
    let canonical_request = ossv4::canonical_request(parts, addressed, additional);
    scope.signing_key(&credentials.secret_key).sign(&ossv4::string_to_sign(date, scope, &canonical_request))
}

/// Sets what versions 1 and 2 sign in the header; returns the date.
fn prepare(parts: &mut Parts, credentials: &Credentials, now: Timestamp) -> Result<String, SignError> {
    let date = format_http(now).ok_or(SignError::TimeOutOfRange)?;
    // It would be signed in the place of the date.
    parts.headers.remove("x-oss-date");
    set_header(parts, header::DATE, &date)?;
    set_token(parts, credentials)?;
    Ok(date)
}

fn set_token(parts: &mut Parts, credentials: &Credentials) -> Result<(), SignError> {
    match &credentials.security_token {
        Some(token) => set_header(parts, HeaderName::from_static("x-oss-security-token"), token),
        None => Ok(()),
    }
}

fn set_header(parts: &mut Parts, name: HeaderName, value: &str) -> Result<(), SignError> {
    let value = HeaderValue::from_str(value).map_err(|_| SignError::NotRepresentable)?;
    parts.headers.insert(name, value);
    Ok(())
}

/// The wanted additional headers that the request has and that are not signed anyway.
fn present(parts: &Parts, wanted: &[&str]) -> Result<Vec<String>, SignError> {
    let mut names = additional_headers(&wanted.join(";"))
        .and_then(|names| ossv4::signed_besides(&names.join(";")))
        .ok_or(SignError::NotRepresentable)?;
    names.retain(|name| parts.headers.contains_key(name));
    Ok(names)
}

fn scope_at(region: &str, now: Timestamp) -> Result<(String, OssScope), SignError> {
    let date = format_iso_basic(now).ok_or(SignError::TimeOutOfRange)?;
    let scope = OssScope { date: date[..8].to_owned(), region: region.to_owned(), product: "oss".to_owned() };
    Ok((date, scope))
}

fn expiry(now: Timestamp, expires_secs: u64) -> Result<String, SignError> {
    let secs = i64::try_from(expires_secs).ok().and_then(|secs| now.secs().checked_add(secs));
    secs.map(|secs| secs.to_string()).ok_or(SignError::TimeOutOfRange)
}

fn add_parameters(parts: &mut Parts, pairs: &[(&str, &str)]) -> Result<(), SignError> {
    let mut query = parts.uri.query().unwrap_or_default().to_owned();
    for (name, value) in pairs {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(&format!("{name}={}", uri_encode(value.as_bytes(), false)));
    }
    let mut uri = parts.uri.clone().into_parts();
    let path_and_query = format!("{}?{query}", parts.uri.path());
    uri.path_and_query = Some(path_and_query.parse().map_err(|_| SignError::NotRepresentable)?);
    parts.uri = Uri::from_parts(uri).map_err(|_| SignError::NotRepresentable)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{AuthError, Claim, Payload, Verified, oss::claim};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);
    const ADDRESSED: Addressed<'static> = Addressed { bucket: Some("b"), key: Some("k y/ü"), bucket_in_host: None };

    /// The six ways to sign.
    #[derive(Clone, Copy, Debug)]
    enum Way {
        Header(u8),
        Query(u8),
    }

    const WAYS: [Way; 6] = [Way::Header(1), Way::Header(2), Way::Header(4), Way::Query(1), Way::Query(2), Way::Query(4)];

    fn credentials() -> Credentials {
        Credentials { access_key: "ak".to_owned(), secret_key: "secret".to_owned(), security_token: Some("to/k=en+".to_owned()) }
    }

    fn head(uri: &str) -> Parts {
        let request = http::Request::put(uri).header("host", "h:1").header("x-oss-meta-a", " ü  b ").header("content-type", "text/plain");
        request.header("range", "bytes=0-1").body(()).unwrap().into_parts().0
    }

    fn sign(way: Way, parts: &mut Parts) {
        let credentials = credentials();
        let additional = ["Range", "host", "content-type", "if-match"];
        match way {
            Way::Header(1) => sign_v1(parts, &credentials, &ADDRESSED, NOW),
            Way::Header(2) => sign_v2(parts, &credentials, &ADDRESSED, &additional, NOW),
            Way::Header(_) => sign_v4(parts, &credentials, &ADDRESSED, "mars-1", &additional, NOW),
            Way::Query(1) => presign_v1(parts, &credentials, &ADDRESSED, 3600, NOW),
            Way::Query(2) => presign_v2(parts, &credentials, &ADDRESSED, 3600, NOW),
            Way::Query(_) => presign_v4(parts, &credentials, &ADDRESSED, "mars-1", &additional, 3600, NOW),
        }
        .unwrap();
    }

    fn verify(parts: &Parts, secret: &str, now: Timestamp) -> Result<Verified, AuthError> {
        match claim(parts)? {
            Claim::Signed(claim) => {
                assert_eq!((claim.access_key.as_str(), claim.security_token.as_deref()), ("ak", Some("to/k=en+")));
                claim.verify(parts, &ADDRESSED, secret, now)
            }
            Claim::Anonymous => panic!("the request is signed"),
        }
    }

    fn minutes(count: i64) -> Timestamp {
        NOW.plus_millis(count * 60_000)
    }

    #[test]
    fn what_is_signed_in_the_header_verifies_within_the_allowed_skew_only() {
        for way in [Way::Header(1), Way::Header(2), Way::Header(4)] {
            let mut parts = head("/b/k%20y/%C3%BC?uploads&x=a+b&versionId=");
            sign(way, &mut parts);
            for offset in [-15, 0, 15] {
                assert_eq!(verify(&parts, "secret", minutes(offset)), Ok(Verified { payload: Payload::Unsigned }), "{way:?} {offset}");
            }
            for offset in [-16, 16] {
                assert!(matches!(verify(&parts, "secret", minutes(offset)), Err(AuthError::ClockSkewed { .. })), "{way:?} {offset}");
            }
            assert!(matches!(verify(&parts, "Secret", NOW), Err(AuthError::SignatureMismatch { .. })), "{way:?}");
        }
    }

    #[test]
    fn a_signed_url_verifies_until_it_expires() {
        for way in [Way::Query(1), Way::Query(2), Way::Query(4)] {
            let mut parts = head("/b/k%20y/%C3%BC?partNumber=1");
            sign(way, &mut parts);
            for offset in [-15, 0, 60] {
                assert_eq!(verify(&parts, "secret", minutes(offset)), Ok(Verified { payload: Payload::Unsigned }), "{way:?} {offset}");
            }
            let refusal = verify(&parts, "secret", minutes(61));
            assert!(matches!(refusal, Err(AuthError::Expired { expired, .. }) if expired == minutes(60)), "{way:?} {refusal:?}");
            let early = verify(&parts, "secret", minutes(-16));
            assert_eq!(
                early,
                if matches!(way, Way::Query(4)) { Err(AuthError::NotYetValid) } else { Ok(Verified { payload: Payload::Unsigned }) }
            );
        }
        let refusal = presign_v4(&mut head("/"), &credentials(), &ADDRESSED, "r", &[], EXPIRES_SECS_MAX + 1, NOW);
        assert_eq!(refusal, Err(SignError::ExpiresTooLarge));
        assert_eq!(presign_v1(&mut head("/"), &credentials(), &ADDRESSED, u64::MAX, NOW), Err(SignError::TimeOutOfRange));
    }

    #[test]
    fn what_is_signed_cannot_be_changed_and_what_is_not_can() {
        for way in WAYS {
            let mut signed = head("/b/k%20y/%C3%BC?acl");
            sign(way, &mut signed);
            let changed = |name: &'static str, value: Option<&'static str>| {
                let mut parts = signed.clone();
                match value {
                    Some(value) => parts.headers.insert(name, HeaderValue::from_static(value)),
                    None => parts.headers.remove(name),
                };
                verify(&parts, "secret", NOW).map(|_| ())
            };
            for (name, value) in
                [("x-oss-copy-source", Some("/other/secret")), ("content-type", None), ("content-md5", Some("x")), ("x-oss-meta-a", None)]
            {
                assert!(matches!(changed(name, value), Err(AuthError::SignatureMismatch { .. })), "{way:?} {name}");
            }
            assert_eq!(changed("user-agent", Some("any")), Ok(()), "{way:?}");
            // Only what the client listed, and our second version's URLs list nothing.
            let lists_range = matches!(way, Way::Header(2 | 4) | Way::Query(4));
            assert_eq!(changed("range", Some("bytes=9-")).is_err(), lists_range, "{way:?}");
            assert_eq!(changed("range", None).is_err(), lists_range, "{way:?}");
        }
    }

    #[test]
    fn a_signature_is_for_one_bucket_and_key() {
        for way in WAYS {
            let mut parts = head("/b/k%20y/%C3%BC");
            sign(way, &mut parts);
            let Ok(Claim::Signed(claim)) = claim(&parts) else { panic!("the request is signed") };
            for addressed in [
                Addressed { bucket: Some("c"), ..ADDRESSED },
                Addressed { key: Some("k y"), ..ADDRESSED },
                Addressed { key: None, ..ADDRESSED },
                Addressed::default(),
            ] {
                assert!(claim.verify(&parts, &addressed, "secret", NOW).is_err(), "{way:?} {addressed:?}");
            }
        }
    }

    proptest! {
        /// Whatever is signed verifies: one canonicaliser, two directions.
        #[test]
        fn what_is_signed_verifies(query in "([a-zA-Z0-9&=+.~/-]|x-oss-|%[0-9a-f]{2}){0,40}", way in 0_usize..6) {
            let mut parts = head(&format!("/b/k?{query}"));
            sign(WAYS[way], &mut parts);
            prop_assert!(verify(&parts, "secret", NOW).is_ok());
        }
    }
}
