//! AWS Signature Version 4, in the Authorization header and in presigned URLs (S3 API Reference, "Authenticating
//! Requests (AWS Signature Version 4)").
//!
//! - A signature covers the method, the path, the whole query, the signed headers and the payload word. Every `x-amz-*`
//!   header that is present must be among the signed ones, so that nobody can add one that we would act on.
//! - Any region is accepted: the key is derived for the one in the scope. The service must be the one
//!   that the endpoint is of: `s3`, or `sts` where temporary credentials are issued.

use super::{
    AuthError, CLOCK_SKEW_MAX_MS, Payload, Verified,
    canonical::{CanonicalRequest, Query, header_text},
    chunked::Framing,
    date,
    payload::{EMPTY_SHA256, PayloadWord, UNSIGNED},
};
use crate::model::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, header, request::Parts};
use sha2::{Digest as _, Sha256};
use std::{borrow::Cow, fmt};
use subtle::ConstantTimeEq;

/// The only algorithm; SigV4a is another one.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// How long a presigned URL may be valid: a week, in seconds.
pub(super) const EXPIRES_SECS_MAX: u64 = 604_800;
/// More names than a request can have headers: bounds the work of building a canonical request.
const SIGNED_HEADERS_COUNT_MAX: usize = 100;

/// The credential scope: what a signing key is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    /// `yyyyMMdd`.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}/aws4_request", self.date, self.region, self.service)
    }
}

impl Scope {
    /// Reads `<access key>/<yyyyMMdd>/<region>/s3/aws4_request`; the error is AWS's message. The key may hold slashes.
    pub(super) fn parse_credential(credential: &str) -> Result<(String, Self), String> {
        Self::parse_credential_for(credential, "s3")
    }

    /// As [`Self::parse_credential`], for the endpoint of another service.
    fn parse_credential_for(credential: &str, endpoint: &str) -> Result<(String, Self), String> {
        let malformed = || r#"the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request"."#.to_owned();
        let mut fields = credential.rsplitn(5, '/');
        let mut next = || fields.next().ok_or_else(malformed);
        let (terminal, service, region, date, access_key) = (next()?, next()?, next()?, next()?, next()?);
        if access_key.is_empty() {
            return Err(malformed());
        }
        if date.len() != 8 || !date.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(format!(r#"incorrect date format "{date}". This date in the credential must be in the format "yyyyMMdd"."#));
        }
        if service != endpoint {
            return Err(format!(r#"incorrect service "{service}". This endpoint belongs to "{endpoint}"."#));
        }
        if terminal != "aws4_request" {
            return Err(format!(r#"incorrect terminal "{terminal}". This endpoint uses "aws4_request"."#));
        }
        let scope = Self { date: date.to_owned(), region: region.to_owned(), service: service.to_owned() };
        Ok((access_key.to_owned(), scope))
    }

    /// Derives the key that signs within this scope.
    pub(super) fn signing_key(&self, secret: &str) -> SigningKey {
        SigningKey::derive(&format!("AWS4{secret}"), [&self.date, &self.region, &self.service, "aws4_request"])
    }
}

/// A derived signing key. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct SigningKey([u8; 32]);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

impl SigningKey {
    /// Derives a key from a secret, step by step.
    pub(super) fn derive(secret: &str, steps: [&str; 4]) -> Self {
        let [first, rest @ ..] = steps;
        let key = hmac_sha256(secret.as_bytes(), first.as_bytes());
        Self(rest.iter().fold(key, |key, step| hmac_sha256(&key, step.as_bytes())))
    }

    /// The signature of a string, in lower-case hex.
    pub(super) fn sign(&self, text: &str) -> String {
        hex::encode(hmac_sha256(&self.0, text.as_bytes()))
    }
}

/// The code of a message under a key of any length.
pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

/// Compares signatures in a time that does not depend on where they differ.
pub(super) fn same_signature(computed: &str, provided: &str) -> bool {
    computed.as_bytes().ct_eq(provided.as_bytes()).into()
}

/// The string to sign of a request.
pub(super) fn string_to_sign(date: &str, scope: &Scope, canonical_request_hash: &str) -> String {
    format!("{ALGORITHM}\n{date}\n{scope}\n{canonical_request_hash}")
}

/// A SigV4 signature as a request carries it.
#[derive(Debug)]
pub(super) struct V4Claim {
    place: Place,
    scope: Scope,
    /// The request's time, and as the string to sign holds it.
    time: Timestamp,
    date: String,
    signed_headers: Vec<String>,
    signature: String,
    payload_word: String,
    payload: PayloadWord,
    /// The query as it is signed, of a claim that was read from it: it has been taken apart for that.
    canonical_query: Option<String>,
}

/// Where the signature is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Query { expires_secs: u64 },
}

impl V4Claim {
    /// Reads what follows `AWS4-HMAC-SHA256 ` in the Authorization header. Returns the access key with it.
    pub(super) fn from_header(parts: &Parts, components: &str) -> Result<(String, Self), AuthError> {
        Self::from_header_for("s3", parts, components, None)
    }

    /// As [`Self::from_header`], for a request to STS. Its document is short and known, and is what the signature covers:
    /// no word of the head can stand in for it.
    pub(super) fn from_header_of_sts(parts: &Parts, components: &str, document: &[u8]) -> Result<(String, Self), AuthError> {
        Self::from_header_for("sts", parts, components, Some(hex::encode(Sha256::digest(document))))
    }

    fn from_header_for(
        service: &str,
        parts: &Parts,
        components: &str,
        document_sha256: Option<String>,
    ) -> Result<(String, Self), AuthError> {
        let malformed = |detail: &str| AuthError::HeaderMalformed(format!("The authorization header is malformed; {detail}"));
        let (mut credential, mut signed_headers, mut signature) = (None, None, None);
        for component in components.split(',').map(str::trim).filter(|component| !component.is_empty()) {
            match component.split_once('=') {
                Some(("Credential", value)) if credential.is_none() => credential = Some(value),
                Some(("SignedHeaders", value)) if signed_headers.is_none() => signed_headers = Some(value),
                Some(("Signature", value)) if signature.is_none() => signature = Some(value),
                // What reads the first of two may let something pass that reads the last.
                Some((name @ ("Credential" | "SignedHeaders" | "Signature"), _)) => {
                    return Err(malformed(&format!("the authorization component \"{name}\" is given twice.")));
                }
                Some(_) => {}
                None => return Err(malformed(&format!("the authorization component \"{component}\" is malformed."))),
            }
        }
        if credential.is_none() && signed_headers.is_none() && signature.is_none() {
            return Err(malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature."));
        }
        let credential = credential.ok_or_else(|| malformed("missing Credential."))?;
        let signed_headers = signed_headers.ok_or_else(|| malformed("missing SignedHeaders."))?;
        let signature = signature.ok_or_else(|| malformed("missing Signature."))?;
        let (access_key, scope) = Scope::parse_credential_for(credential, service).map_err(|detail| malformed(&detail))?;
        let signed_headers =
            parse_signed_headers(signed_headers).ok_or_else(|| malformed("the authorization component \"SignedHeaders\" is malformed."))?;

        let written = header_text(&parts.headers, "x-amz-date").or_else(|| header_text(&parts.headers, "date"));
        let (time, date) =
            written.and_then(date::parse_any).and_then(|time| Some((time, date::format_iso_basic(time)?))).ok_or(AuthError::DateMissing)?;
        if !date.starts_with(&scope.date) {
            return Err(malformed("Invalid credential date. Date is not the same as X-Amz-Date."));
        }
        let payload_word = match (document_sha256, parts.headers.get("x-amz-content-sha256")) {
            (Some(sha256), _) => sha256,
            (None, Some(word)) => word.to_str().unwrap_or_default().trim().to_owned(),
            // The signature covers the body's hash, which is known before the body only when there is none.
            (None, None) if !announces_body(&parts.headers) => EMPTY_SHA256.to_owned(),
            (None, None) => {
                return Err(AuthError::PayloadHashInvalid("Missing required header for this request: x-amz-content-sha256".to_owned()));
            }
        };
        let payload = PayloadWord::parse(&payload_word)?;
        let signature = signature.to_owned();
        let place = Place::Header;
        Ok((access_key, Self { place, scope, time, date, signed_headers, signature, payload_word, payload, canonical_query: None }))
    }

    /// Reads the parameters of a presigned URL. Returns the access key with it.
    pub(super) fn from_query(parts: &Parts, query: &Query) -> Result<(String, Self), AuthError> {
        let malformed = |message: &str| AuthError::QueryMalformed(message.to_owned());
        let required = |name| {
            query.first(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                malformed(
                    "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, \
                     X-Amz-SignedHeaders, and X-Amz-Expires parameters.",
                )
            })
        };
        let algorithm = required("X-Amz-Algorithm")?;
        let credential = required("X-Amz-Credential")?;
        let signature = required("X-Amz-Signature")?.to_owned();
        let date = required("X-Amz-Date")?.to_owned();
        let signed_headers = required("X-Amz-SignedHeaders")?;
        let expires = required("X-Amz-Expires")?;
        if algorithm != ALGORITHM {
            return Err(malformed("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\""));
        }
        let (access_key, scope) = Scope::parse_credential(credential)
            .map_err(|detail| malformed(&format!("Error parsing the X-Amz-Credential parameter; {detail}")))?;
        let time = date::parse_iso_basic(&date)
            .ok_or_else(|| malformed("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\""))?;
        if !date.starts_with(&scope.date) {
            let scope_date = &scope.date;
            return Err(malformed(&format!(
                "Invalid credential date \"{scope_date}\". This date is not the same as X-Amz-Date: \"{date}\"."
            )));
        }
        let expires_secs = parse_expires(expires).map_err(malformed)?;
        let signed_headers = parse_signed_headers(signed_headers).ok_or_else(|| malformed("X-Amz-SignedHeaders is malformed."))?;
        let payload_word = match query.first("X-Amz-Content-Sha256") {
            Some(word) => word,
            None => header_text(&parts.headers, "x-amz-content-sha256").unwrap_or(UNSIGNED),
        }
        .to_owned();
        let payload = PayloadWord::parse(&payload_word)?;
        let place = Place::Query { expires_secs };
        let canonical_query = Some(query.canonical(Some("X-Amz-Signature")));
        Ok((access_key, Self { place, scope, time, date, signed_headers, signature, payload_word, payload, canonical_query }))
    }

    /// Verifies the signature. The checks that need no secret come first.
    pub(super) fn verify(&self, access_key: &str, parts: &Parts, secret: &str, now: Timestamp) -> Result<Verified, AuthError> {
        self.check_time(now)?;
        self.check_coverage(&parts.headers)?;
        let canonical_query = match &self.canonical_query {
            Some(query) => Cow::from(query),
            None => Cow::from(Query::parse(parts.uri.query()).canonical(None)),
        };
        let signed_headers: Vec<&str> = self.signed_headers.iter().map(String::as_str).collect();
        let request =
            CanonicalRequest::new(&parts.method, parts.uri.path(), &canonical_query, &parts.headers, &signed_headers, &self.payload_word);
        let string_to_sign = string_to_sign(&self.date, &self.scope, &request.hash());
        let key = self.scope.signing_key(secret);
        if !same_signature(&key.sign(&string_to_sign), &self.signature) || !request.complete {
            return Err(AuthError::SignatureMismatch {
                access_key: access_key.to_owned(),
                string_to_sign,
                canonical_request: Some(request.to_text()),
                provided: self.signature.clone(),
            });
        }
        let payload = match self.payload {
            PayloadWord::SignedChunks { trailer } => {
                let framing = Framing::signed(key, self.date.clone(), self.scope.to_string(), self.signature.clone(), trailer);
                Payload::Chunked(Box::new(framing))
            }
            PayloadWord::Unsigned | PayloadWord::Sha256(_) | PayloadWord::UnsignedChunks => self.payload.without_chunk_signatures()?,
        };
        Ok(Verified { payload })
    }

    fn check_time(&self, now: Timestamp) -> Result<(), AuthError> {
        match self.place {
            Place::Header => check_skew(self.time, &self.date, now),
            Place::Query { expires_secs } => {
                if self.time.millis() > now.plus_millis(CLOCK_SKEW_MAX_MS).millis() {
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

    /// `host` and every `x-amz-*` header must be signed.
    fn check_coverage(&self, headers: &HeaderMap) -> Result<(), AuthError> {
        let is_signed = |name: &str| self.signed_headers.iter().any(|signed| signed == name);
        let must = headers.keys().map(http::HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
        let unsigned: Vec<String> = std::iter::once("host").chain(must).filter(|name| !is_signed(name)).map(str::to_owned).collect();
        if unsigned.is_empty() { Ok(()) } else { Err(AuthError::HeadersNotSigned(unsigned)) }
    }
}

/// Refuses a request whose clock is further off than [`CLOCK_SKEW_MAX_MS`].
pub(super) fn check_skew(time: Timestamp, written: &str, now: Timestamp) -> Result<(), AuthError> {
    if time.millis().abs_diff(now.millis()) > CLOCK_SKEW_MAX_MS.unsigned_abs() {
        return Err(AuthError::ClockSkewed { request_time: written.to_owned(), requested: time, server_time: now });
    }
    Ok(())
}

/// `None` unless it is a list of different, non-empty names that a request could have.
pub(super) fn parse_signed_headers(list: &str) -> Option<Vec<String>> {
    let names: Vec<&str> = list.split(';').take(SIGNED_HEADERS_COUNT_MAX + 1).collect();
    let repeats = names.iter().enumerate().any(|(index, name)| names[..index].contains(name));
    let legal = names.len() <= SIGNED_HEADERS_COUNT_MAX && !repeats && names.iter().all(|name| !name.is_empty());
    legal.then(|| names.into_iter().map(str::to_owned).collect())
}

/// The seconds of X-Amz-Expires; the error is AWS's message.
fn parse_expires(text: &str) -> Result<u64, &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("X-Amz-Expires should be a number");
    }
    if digits.len() != text.len() {
        return Err("X-Amz-Expires must be non-negative");
    }
    // What does not fit is too large as well.
    text.parse()
        .ok()
        .filter(|&secs| secs <= EXPIRES_SECS_MAX)
        .ok_or("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
}

/// Whether the head says that a body follows (RFC 9112 §6).
fn announces_body(headers: &HeaderMap) -> bool {
    headers.contains_key(header::TRANSFER_ENCODING)
        || headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length.as_bytes().trim_ascii() != b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_read_from_the_right_and_refused_in_aws_words() {
        let (access_key, scope) = Scope::parse_credential("a/b/20260115/eu-west-1/s3/aws4_request").unwrap();
        assert_eq!((access_key.as_str(), scope.to_string().as_str()), ("a/b", "20260115/eu-west-1/s3/aws4_request"));
        for (credential, part) in [
            ("", "mal-formed"),
            ("20260115/eu-west-1/s3/aws4_request", "mal-formed"),
            ("/20260115/eu-west-1/s3/aws4_request", "mal-formed"),
            ("a/2026011/eu-west-1/s3/aws4_request", "incorrect date format \"2026011\""),
            ("a/20260115/eu-west-1/ec2/aws4_request", "incorrect service \"ec2\""),
            ("a/20260115/eu-west-1/s3/aws5_request", "incorrect terminal \"aws5_request\""),
        ] {
            let message = Scope::parse_credential(credential).unwrap_err();
            assert!(message.contains(part), "{credential}: {message}");
        }
    }

    #[test]
    fn expiry_is_a_number_of_at_most_a_week() {
        assert_eq!(parse_expires("0"), Ok(0));
        assert_eq!(parse_expires("604800"), Ok(604_800));
        for (text, part) in [
            ("604801", "less than a week"),
            ("99999999999999999999999", "less than a week"),
            ("-1", "non-negative"),
            ("-", "a number"),
            ("+1", "a number"),
            ("1h", "a number"),
        ] {
            assert!(parse_expires(text).unwrap_err().contains(part), "{text}");
        }
    }

    #[test]
    fn signed_headers_are_different_and_bounded() {
        assert_eq!(parse_signed_headers("host;x-amz-date").map(|names| names.len()), Some(2));
        for list in ["", "host;", "host;host", &vec!["a"; 200].join(";"), &(0..101).map(|n| n.to_string()).collect::<Vec<_>>().join(";")] {
            assert_eq!(parse_signed_headers(list), None, "{list}");
        }
    }

    #[test]
    fn keys_stay_out_of_debug_output() {
        let (_, scope) = Scope::parse_credential("a/20260115/r/s3/aws4_request").unwrap();
        assert_eq!(format!("{:?}", scope.signing_key("secret")), "SigningKey(…)");
    }
}
