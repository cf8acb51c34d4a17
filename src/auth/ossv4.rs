//! OSS signature version 4, in the Authorization header and in signed URLs (OSS API Reference, "Include a V4 signature in
//! the header", "Include a V4 signature in a URL").
//!
//! - A signature covers the method, bucket and key, the whole query, all `x-oss-*` headers, Content-Type, Content-MD5 and
//!   further headers that the client names. It never covers the body.
//! - Any region is accepted: the key is derived for the one in the scope.

use super::{
    Addressed, AuthError, CLOCK_SKEW_MAX_MS, Payload, Verified,
    canonical::{Query, header_text, uri_encode},
    date,
    oss_canonical::{additional_headers, canonical_query, date_header, header_lines, resource},
    payload::UNSIGNED,
    sigv4::{SigningKey, check_skew, same_signature},
};
use crate::model::Timestamp;
use http::{HeaderMap, request::Parts};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The algorithm's name: in headers, in `x-oss-signature-version` and in strings to sign.
pub(super) const ALGORITHM: &str = "OSS4-HMAC-SHA256";
/// The parameter that is no part of what it signs.
pub(super) const SIGNATURE: &str = "x-oss-signature";
/// How long a signed URL may be valid: a week, in seconds.
pub(super) const EXPIRES_SECS_MAX: u64 = 604_800;
/// What every scope ends with.
const TERMINAL: &str = "aliyun_v4_request";
/// Of objects, and of the same interface in a box on the customer's premises.
const PRODUCTS: [&str; 2] = ["oss", "oss-cloudbox"];

/// What a signing key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OssScope {
    /// `yyyyMMdd`.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) product: String,
}

impl fmt::Display for OssScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/{TERMINAL}", self.date, self.region, self.product)
    }
}

/// What is wrong with a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialFlaw {
    /// It has not all its fields, or not this service's product.
    Malformed,
    /// Its date is none.
    Date,
    /// It does not end as it must.
    Suffix,
}

impl OssScope {
    /// Reads `<access key>/<yyyyMMdd>/<region>/oss/aliyun_v4_request`. The key may hold slashes.
    pub(super) fn parse_credential(credential: &str) -> Result<(String, Self), CredentialFlaw> {
        let mut fields = credential.rsplitn(5, '/');
        let mut next = || fields.next().ok_or(CredentialFlaw::Malformed);
        let (terminal, product, region, date, access_key) = (next()?, next()?, next()?, next()?, next()?);
        if terminal != TERMINAL {
            return Err(CredentialFlaw::Suffix);
        }
        if access_key.is_empty() || region.is_empty() || !PRODUCTS.contains(&product) {
            return Err(CredentialFlaw::Malformed);
        }
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(CredentialFlaw::Date);
        }
        let scope = Self { date: date.to_owned(), region: region.to_owned(), product: product.to_owned() };
        Ok((access_key.to_owned(), scope))
    }

    /// Derives the key that signs within this scope.
    pub(super) fn signing_key(&self, secret: &str) -> SigningKey {
        SigningKey::derive(&format!("aliyun_v4{secret}"), [&self.date, &self.region, &self.product, TERMINAL])
    }
}

/// A version 4 signature as a request carries it.
#[derive(Debug)]
pub(super) struct OssV4Claim {
    place: Place,
    scope: OssScope,
    /// The request's time, and as the string to sign holds it.
    time: Timestamp,
    date: String,
    additional_headers: Vec<String>,
    signature: String,
}

/// Where the signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Query { expires_secs: u64 },
}

impl OssV4Claim {
    /// Reads what follows `OSS4-HMAC-SHA256 ` in the Authorization header. Returns the access key with it.
    pub(super) fn from_header(parts: &Parts, components: &str) -> Result<(String, Self), AuthError> {
        let malformed = || AuthError::HeaderMalformed("Authorization header is invalid.".to_owned());
        let (mut credential, mut additional, mut signature) = (None, "", None);
        for component in components.split(',').map(str::trim).filter(|component| !component.is_empty()) {
            match component.split_once('=') {
                Some(("Credential", value)) if credential.is_none() => credential = Some(value),
                Some(("AdditionalHeaders", value)) if additional.is_empty() => additional = value,
                Some(("Signature", value)) if signature.is_none() => signature = Some(value),
                Some(_) | None => return Err(malformed()),
            }
        }
        let signature = signature.filter(|signature| !signature.is_empty()).ok_or_else(malformed)?.to_owned();
        let additional_headers = signed_besides(additional).ok_or_else(malformed)?;
        let credential = credential.ok_or_else(malformed)?;
        let (access_key, scope) = OssScope::parse_credential(credential).map_err(|flaw| match flaw {
            CredentialFlaw::Malformed => malformed(),
            CredentialFlaw::Date => AuthError::SigningDateInvalid,
            CredentialFlaw::Suffix => AuthError::CredentialSuffixInvalid,
        })?;
        let (time, date) = request_date(&parts.headers)?;
        if !date.starts_with(&scope.date) {
            return Err(AuthError::SigningDateInvalid);
        }
        if !parts.headers.contains_key("x-oss-content-sha256") {
            return Err(AuthError::PayloadHashInvalid("The x-oss-content-sha256 header is required.".to_owned()));
        }
        check_payload_word(&parts.headers)?;
        Ok((access_key, Self { place: Place::Header, scope, time, date, additional_headers, signature }))
    }

    /// Reads the parameters of a signed URL. Returns the access key with it.
    pub(super) fn from_query(parts: &Parts, query: &Query) -> Result<(String, Self), AuthError> {
        let present = |name| query.first(name).filter(|value| !value.is_empty());
        let required = |name| {
            present(name).ok_or(AuthError::QueryIncomplete(
                "Query string authentication requires the x-oss-signature, x-oss-credential and x-oss-date parameters.",
            ))
        };
        let credential = required("x-oss-credential")?;
        let signature = required(SIGNATURE)?.to_owned();
        let date = required("x-oss-date")?.to_owned();
        let expires_secs = expires_secs(present("x-oss-expires").ok_or(AuthError::ExpiryMissing)?)?;
        let (access_key, scope) = OssScope::parse_credential(credential).map_err(|flaw| match flaw {
            CredentialFlaw::Malformed => AuthError::QueryMalformed("x-oss-credential is invalid.".to_owned()),
            CredentialFlaw::Date => AuthError::CredentialDateInvalid,
            CredentialFlaw::Suffix => AuthError::CredentialSuffixInvalid,
        })?;
        let time = date::parse_iso_basic(&date).ok_or(AuthError::DateInvalid)?;
        if !date.starts_with(&scope.date) {
            return Err(AuthError::CredentialDateInvalid);
        }
        let additional_headers = signed_besides(query.first("x-oss-additional-headers").unwrap_or_default())
            .ok_or_else(|| AuthError::QueryMalformed("x-oss-additional-headers is invalid.".to_owned()))?;
        check_payload_word(&parts.headers)?;
        Ok((access_key, Self { place: Place::Query { expires_secs }, scope, time, date, additional_headers, signature }))
    }

    /// Verifies the signature. The checks that need no secret come first.
    pub(super) fn verify(
        &self,
        access_key: &str,
        parts: &Parts,
        addressed: &Addressed<'_>,
        secret: &str,
        now: Timestamp,
    ) -> Result<Verified, AuthError> {
        self.check_time(now)?;
        let canonical_request = canonical_request(parts, addressed, &self.additional_headers);
        let string_to_sign = string_to_sign(&self.date, &self.scope, &canonical_request);
        if same_signature(&self.scope.signing_key(secret).sign(&string_to_sign), &self.signature) {
            return Ok(Verified { payload: Payload::Unsigned });
        }
        Err(AuthError::SignatureMismatch {
            access_key: access_key.to_owned(),
            string_to_sign,
            canonical_request: Some(String::from_utf8_lossy(&canonical_request).into_owned()),
            provided: self.signature.clone(),
        })
    }

    fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        match self.place {
            Place::Header => check_skew(self.time, &self.date, now),
            Place::Query { expires_secs } => {
                if self.time > now.plus_millis(CLOCK_SKEW_MAX_MS) {
                    return Err(AuthError::NotYetValid);
                }
                let valid_ms = i64::try_from(expires_secs).unwrap_or(i64::MAX).saturating_mul(1000);
                let expired = self.time.plus_millis(valid_ms);
                if now > expired {
                    return Err(AuthError::Expired { expires_secs: Some(expires_secs), expired, server_time: now });
                }
                Ok(())
            }
        }
    }
}

/// The request's time, and as it is signed. `x-oss-date` has one form; when it is there, nobody looks at `Date`.
fn request_date(headers: &HeaderMap) -> Result<(Timestamp, String), AuthError> {
    let written = date_header(headers)?;
    let time = if headers.contains_key("x-oss-date") { date::parse_iso_basic(written) } else { date::parse_any(written) };
    time.and_then(|time| Some((time, date::format_iso_basic(time)?))).ok_or(AuthError::DateInvalid)
}

/// Bodies are never signed, and the header that says so is, so it can hold nothing else.
fn check_payload_word(headers: &HeaderMap) -> Result<(), AuthError> {
    if headers.contains_key("x-oss-content-sha256") && header_text(headers, "x-oss-content-sha256") != Some(UNSIGNED) {
        return Err(AuthError::PayloadHashInvalid("The x-oss-content-sha256 header must be UNSIGNED-PAYLOAD.".to_owned()));
    }
    Ok(())
}

/// The seconds of x-oss-expires: 1 to 604,800.
fn expires_secs(text: &str) -> Result<u64, AuthError> {
    text.parse().ok().filter(|secs| (1..=EXPIRES_SECS_MAX).contains(secs)).ok_or(AuthError::ExpiryOutOfRange)
}

/// The additional headers of a list, less those that are signed in any case: signers do not name them.
pub(super) fn signed_besides(list: &str) -> Option<Vec<String>> {
    let mut names = additional_headers(list)?;
    names.retain(|name| !name.starts_with("x-oss-") && !is_signed_if_present(name));
    Some(names)
}

fn is_signed_if_present(name: &str) -> bool {
    matches!(name, "content-type" | "content-md5")
}

/// The canonical request. `additional` are lower-case and sorted.
pub(super) fn canonical_request(parts: &Parts, addressed: &Addressed<'_>, additional: &[String]) -> Vec<u8> {
    let path = uri_encode(resource(addressed).as_bytes(), true);
    let query = canonical_query(&Query::parse(parts.uri.query()), Some(SIGNATURE));
    let is_additional = |name: &str| additional.iter().any(|additional| additional == name);
    let mut text = format!("{}\n{path}\n{query}\n", parts.method).into_bytes();
    text.extend_from_slice(&header_lines(&parts.headers, |name| is_signed_if_present(name) || is_additional(name)));
    text.extend_from_slice(format!("\n{}\n{UNSIGNED}", additional.join(";")).as_bytes());
    text
}

/// The string to sign of a canonical request.
pub(super) fn string_to_sign(date: &str, scope: &OssScope, canonical_request: &[u8]) -> String {
    format!("{ALGORITHM}\n{date}\n{scope}\n{}", hex::encode(Sha256::digest(canonical_request)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CREDENTIAL: &str = "ak/20260115/cn-hangzhou/oss/aliyun_v4_request";

    fn dated(authorization: &str, headers: &[(&str, &str)]) -> Result<(String, OssV4Claim), AuthError> {
        let mut request = http::Request::get("/b/k");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        OssV4Claim::from_header(&request.body(()).unwrap().into_parts().0, authorization)
    }

    const HEADERS: [(&str, &str); 2] = [("x-oss-date", "20260115T083000Z"), ("x-oss-content-sha256", "UNSIGNED-PAYLOAD")];

    #[test]
    fn credentials_are_read_from_the_right_and_their_flaws_told_apart() {
        let (access_key, scope) = OssScope::parse_credential("a/b/20260115/cn-hangzhou/oss/aliyun_v4_request").unwrap();
        assert_eq!((access_key.as_str(), scope.to_string().as_str()), ("a/b", "20260115/cn-hangzhou/oss/aliyun_v4_request"));
        assert!(OssScope::parse_credential("a/20260115/box-1/oss-cloudbox/aliyun_v4_request").is_ok());
        for (credential, flaw) in [
            ("", CredentialFlaw::Malformed),
            ("20260115/r/oss/aliyun_v4_request", CredentialFlaw::Malformed),
            ("/20260115/r/oss/aliyun_v4_request", CredentialFlaw::Malformed),
            ("a/20260115//oss/aliyun_v4_request", CredentialFlaw::Malformed),
            ("a/20260115/r/s3/aliyun_v4_request", CredentialFlaw::Malformed),
            ("a/2026011/r/oss/aliyun_v4_request", CredentialFlaw::Date),
            ("a/20260115/r/oss/aws4_request", CredentialFlaw::Suffix),
        ] {
            assert_eq!(OssScope::parse_credential(credential), Err(flaw), "{credential}");
        }
    }

    #[test]
    fn components_may_come_in_any_order_and_with_spaces() {
        for authorization in [
            format!("Credential={CREDENTIAL}, Signature=00, AdditionalHeaders=host;content-length"),
            format!("Credential={CREDENTIAL},AdditionalHeaders=content-length;Host;content-type;x-oss-date,Signature=00"),
        ] {
            let (access_key, claim) = dated(&authorization, &HEADERS).unwrap();
            assert_eq!((access_key.as_str(), claim.signature.as_str()), ("ak", "00"));
            assert_eq!(claim.additional_headers, ["content-length", "host"]);
        }
    }

    #[test]
    fn broken_headers_are_refused_for_what_they_are() {
        let good = format!("Credential={CREDENTIAL},Signature=00");
        assert!(dated(&good, &HEADERS).is_ok());
        for (authorization, error) in [
            (good.replace("Signature=00", "Signature="), "HeaderMalformed"),
            (good.replace(",Signature=00", ""), "HeaderMalformed"),
            (good.replace("Credential=", "Credentials="), "HeaderMalformed"),
            (good.replace("20260115", "20260116"), "SigningDateInvalid"),
            (good.replace("20260115", "today"), "SigningDateInvalid"),
            (good.replace("aliyun", "aws"), "CredentialSuffixInvalid"),
        ] {
            let refusal = format!("{:?}", dated(&authorization, &HEADERS).unwrap_err());
            assert!(refusal.starts_with(error), "{authorization}: {refusal}");
        }
        let word = ("x-oss-content-sha256", "UNSIGNED-PAYLOAD");
        for (headers, error) in [
            (vec![word], "DateMissing"),
            (vec![word, ("x-oss-date", "Thu, 15 Jan 2026 08:30:00 GMT")], "DateInvalid"),
            (vec![HEADERS[0]], "PayloadHashInvalid"),
            (vec![HEADERS[0], ("x-oss-content-sha256", "e3b0c442")], "PayloadHashInvalid"),
        ] {
            let refusal = format!("{:?}", dated(&good, &headers).unwrap_err());
            assert!(refusal.starts_with(error), "{headers:?}: {refusal}");
        }
        assert!(dated(&good, &[word, ("date", "Thu, 15 Jan 2026 08:30:00 GMT")]).is_ok());
        assert!(dated(&good, &[HEADERS[0], word, ("date", "unreadable")]).is_ok());
    }

    #[test]
    fn broken_queries_are_refused_for_what_they_are() {
        let good = format!("x-oss-credential={CREDENTIAL}&x-oss-date=20260115T083000Z&x-oss-expires=60&x-oss-signature=00");
        let from = |raw: &str| {
            let parts = http::Request::get("/b/k").body(()).unwrap().into_parts().0;
            OssV4Claim::from_query(&parts, &Query::parse(Some(raw))).map(|_| ())
        };
        assert_eq!(from(&good), Ok(()));
        for (raw, error) in [
            (good.replace("x-oss-signature=00", ""), "QueryIncomplete"),
            (good.replace("x-oss-date=20260115T083000Z", ""), "QueryIncomplete"),
            (good.replace("x-oss-expires=60", ""), "ExpiryMissing"),
            (good.replace("=60", "=0"), "ExpiryOutOfRange"),
            (good.replace("=60", "=604801"), "ExpiryOutOfRange"),
            (good.replace("=60", "=-1"), "ExpiryOutOfRange"),
            (good.replace("ak/20260115", "ak/20260116"), "CredentialDateInvalid"),
            (good.replace("ak/20260115", "ak/x"), "CredentialDateInvalid"),
            (good.replace("T083000Z", "T08:30:00Z"), "DateInvalid"),
            (good.replace("ak/", ""), "QueryMalformed"),
            (good.replace("aliyun", "aws"), "CredentialSuffixInvalid"),
        ] {
            let refusal = format!("{:?}", from(&raw).unwrap_err());
            assert!(refusal.starts_with(error), "{raw}: {refusal}");
        }
        assert_eq!(from(&good.replace("=60", "=604800")), Ok(()));
    }
}
