//! Signatures of requests to the STS endpoint, in the three forms that SDKs sign them.
//!
//! - AWS query protocol: a form, SigV4 in the Authorization header with the service `sts` (AWS STS API Reference, "Making
//!   Query Requests").
//! - Aliyun RPC: the signature is a parameter beside the others, HMAC-SHA1, version 1.0 ("RPC signature method").
//! - Aliyun V3: headers `x-acs-*` and `Authorization: ACS3-HMAC-SHA256 …` ("V3 request body and signature").
//!
//! Every form covers all parameters. Aliyun's have a nonce besides, which may be used once while the time it came with is
//! accepted; remembering nonces is the caller's. No I/O, no clock, as elsewhere in this module.

use super::{
    AuthError, CLOCK_SKEW_MAX_MS,
    canonical::{CanonicalRequest, Query, header_text, uri_encode},
    date, sigv2,
    sigv4::{self, V4Claim, check_skew, hmac_sha256, parse_signed_headers, same_signature},
};
use crate::model::Timestamp;
use http::{HeaderMap, header, request::Parts};
use sha2::{Digest as _, Sha256};

const ACS3: &str = "ACS3-HMAC-SHA256";
/// What a form says of itself.
const FORM: &str = "application/x-www-form-urlencoded";

/// Who speaks, which decides how errors and answers look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// AWS query protocol.
    Aws,
    /// Aliyun, signed as RPC version 1.0.
    AliyunRpc,
    /// Aliyun, signed as version 3.
    Aliyun3,
}

impl Protocol {
    /// Tells it from the signature, else from what else is only one's.
    #[must_use]
    pub fn of(parts: &Parts, parameters: &Parameters) -> Self {
        let authorization = header_text(&parts.headers, "authorization").unwrap_or_default();
        if authorization.starts_with(ACS3) {
            return Self::Aliyun3;
        }
        let is_rpc = ["AccessKeyId", "SignatureMethod", "SignatureNonce"].iter().any(|name| parameters.find(name).is_some());
        // Some SDKs send version 3's headers beside the parameters of a request that they sign as RPC.
        match authorization.is_empty() {
            true if is_rpc => Self::AliyunRpc,
            true if parts.headers.contains_key("x-acs-action") => Self::Aliyun3,
            true if parameters.find("Version") == Some("2015-04-01") => Self::AliyunRpc,
            true | false => Self::Aws,
        }
    }
}

/// Whether a body is a form by its content type.
#[must_use]
pub fn is_form(headers: &HeaderMap) -> bool {
    let content_type = header_text(headers, "content-type").unwrap_or_default();
    content_type.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case(FORM))
}

/// The parameters of a request, of its query and its form together: each name once, all of it text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Query);

impl Parameters {
    /// Reads them. `document` is the request's body.
    ///
    /// # Errors
    /// `Malformed` when a parameter could be read in more ways than one, or not at all.
    pub fn read(parts: &Parts, document: &[u8]) -> Result<Self, RequestError> {
        let malformed = |message: &str| RequestError::Malformed(message.to_owned());
        if !document.is_empty() && !is_form(&parts.headers) {
            return Err(malformed("The body must be of the type application/x-www-form-urlencoded."));
        }
        let form = std::str::from_utf8(document).map_err(|_| malformed("The form is not UTF-8."))?;
        let query = Query::parse(Some(&format!("{}&{form}", parts.uri.query().unwrap_or_default())));
        let mut names = std::collections::HashSet::new();
        for (name, value) in query.pairs() {
            if std::str::from_utf8(name).is_err() || value.is_some_and(|value| std::str::from_utf8(value).is_err()) {
                return Err(malformed("A parameter is not UTF-8."));
            }
            if !names.insert(name) {
                return Err(malformed("A parameter is there more than once."));
            }
        }
        Ok(Self(query))
    }

    /// The value of a parameter; empty ones count.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&str> {
        self.0.first(name)
    }

    /// Whether there is a parameter whose name begins so.
    #[must_use]
    pub fn has_prefix(&self, prefix: &str) -> bool {
        self.0.pairs().any(|(name, _)| name.starts_with(prefix.as_bytes()))
    }

    fn required(&self, name: &'static str) -> Result<&str, RequestError> {
        self.find(name).filter(|value| !value.is_empty()).ok_or(RequestError::Missing(name))
    }
}

/// Why a signature is not accepted. Each protocol words it its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// There is none.
    Unsigned,
    /// A parameter or header that signing takes is missing.
    Missing(&'static str),
    /// It cannot be read; why, in words for the caller.
    Malformed(String),
    /// The time cannot be read.
    TimeMalformed,
    /// The time is further off than [`CLOCK_SKEW_MAX_MS`].
    Skewed,
    /// The signature is another one than we compute.
    Mismatch {
        /// What we signed.
        string_to_sign: String,
    },
}

/// A signature that a request carries, with what is needed to verify it.
#[derive(Debug)]
pub struct StsClaim {
    /// The access key it names.
    pub access_key: String,
    /// The security token that came with it.
    pub security_token: Option<String>,
    scheme: Scheme,
}

#[derive(Debug)]
enum Scheme {
    Aws(V4Claim),
    Rpc { time: Timestamp, written: String, nonce: String, signature: String },
    Acs3 { time: Timestamp, written: String, nonce: String, signed_headers: Vec<String>, signature: String },
}

/// A number that may be used once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce {
    /// As the client wrote it.
    pub text: String,
    /// Until when the request that it came with would be accepted again.
    pub until: Timestamp,
}

/// Reads which key a request says it was signed with. `document` is its body.
///
/// # Errors
/// Everything about the form of the signature that is wrong without knowing the secret.
pub fn claim(parts: &Parts, document: &[u8], parameters: &Parameters) -> Result<StsClaim, RequestError> {
    match Protocol::of(parts, parameters) {
        Protocol::Aws => claim_aws(parts, document),
        Protocol::AliyunRpc => claim_rpc(parameters),
        Protocol::Aliyun3 => claim_acs3(parts),
    }
}

fn claim_aws(parts: &Parts, document: &[u8]) -> Result<StsClaim, RequestError> {
    let authorization = header_text(&parts.headers, "authorization").ok_or(RequestError::Unsigned)?;
    let (access_key, claim) = match authorization.split_once(' ') {
        Some((sigv4::ALGORITHM, components)) => V4Claim::from_header_of_sts(parts, components, document).map_err(of_v4)?,
        Some(_) | None => return Err(RequestError::Malformed("Unsupported Authorization Type".to_owned())),
    };
    if parts.headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(RequestError::Malformed("Only one Authorization header is allowed.".to_owned()));
    }
    let security_token = header_text(&parts.headers, "x-amz-security-token").map(str::to_owned);
    Ok(StsClaim { access_key, security_token, scheme: Scheme::Aws(claim) })
}

fn claim_rpc(parameters: &Parameters) -> Result<StsClaim, RequestError> {
    let access_key = parameters.required("AccessKeyId")?.to_owned();
    let signature = parameters.required("Signature")?.to_owned();
    for (name, supported) in [("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")] {
        if !parameters.required(name)?.eq_ignore_ascii_case(supported) {
            return Err(RequestError::Malformed(format!("{name} must be {supported}.")));
        }
    }
    let nonce = parameters.required("SignatureNonce")?.to_owned();
    let written = parameters.required("Timestamp")?.to_owned();
    let time = date::parse_iso_extended(&written).ok_or(RequestError::TimeMalformed)?;
    let security_token = parameters.find("SecurityToken").filter(|token| !token.is_empty()).map(str::to_owned);
    Ok(StsClaim { access_key, security_token, scheme: Scheme::Rpc { time, written, nonce, signature } })
}

fn claim_acs3(parts: &Parts) -> Result<StsClaim, RequestError> {
    let text = |name| header_text(&parts.headers, name).filter(|value| !value.is_empty());
    let authorization = text("authorization").ok_or(RequestError::Missing("Authorization"))?;
    let (ACS3, components) = authorization.split_once(' ').unwrap_or_default() else {
        return Err(RequestError::Malformed(format!("The Authorization header must begin with {ACS3}.")));
    };
    if parts.headers.get_all(header::AUTHORIZATION).iter().count() > 1 {
        return Err(RequestError::Malformed("Only one Authorization header is allowed.".to_owned()));
    }
    let component = |name: &'static str| {
        let mut components = components.split(',').filter_map(|component| component.trim().split_once('='));
        components.find_map(|(found, value)| (found == name && !value.is_empty()).then_some(value)).ok_or(RequestError::Missing(name))
    };
    let access_key = component("Credential")?.to_owned();
    let signed_headers = parse_signed_headers(component("SignedHeaders")?)
        .ok_or_else(|| RequestError::Malformed("SignedHeaders is malformed.".to_owned()))?;
    let signature = component("Signature")?.to_owned();
    let nonce = text("x-acs-signature-nonce").ok_or(RequestError::Missing("x-acs-signature-nonce"))?.to_owned();
    let written = text("x-acs-date").ok_or(RequestError::Missing("x-acs-date"))?.to_owned();
    let time = date::parse_iso_extended(&written).ok_or(RequestError::TimeMalformed)?;
    let security_token = text("x-acs-security-token").map(str::to_owned);
    Ok(StsClaim { access_key, security_token, scheme: Scheme::Acs3 { time, written, nonce, signed_headers, signature } })
}

impl StsClaim {
    /// Verifies the signature, and returns the nonce that is to be remembered, if it has one.
    ///
    /// # Errors
    /// Skew, headers that are not signed, mismatch.
    pub fn verify(
        &self,
        parts: &Parts,
        document: &[u8],
        parameters: &Parameters,
        secret: &str,
        now: Timestamp,
    ) -> Result<Option<Nonce>, RequestError> {
        let (time, written, nonce) = match &self.scheme {
            Scheme::Aws(claim) => {
                claim.verify(&self.access_key, parts, secret, now).map_err(of_v4)?;
                return Ok(None);
            }
            Scheme::Rpc { time, written, nonce, .. } | Scheme::Acs3 { time, written, nonce, .. } => (*time, written, nonce),
        };
        check_skew(time, written, now).map_err(|_| RequestError::Skewed)?;
        let (string_to_sign, is_same) = match &self.scheme {
            Scheme::Rpc { signature, .. } => {
                let string_to_sign = rpc_string_to_sign(parts, parameters);
                let computed = sigv2::sign(&format!("{secret}&"), string_to_sign.as_bytes());
                let is_same = same_signature(&computed, signature);
                (string_to_sign, is_same)
            }
            Scheme::Acs3 { signed_headers, signature, .. } => {
                let request = acs3_request(parts, document, signed_headers)?;
                let string_to_sign = format!("{ACS3}\n{}", request.hash());
                let computed = hex::encode(hmac_sha256(secret.as_bytes(), string_to_sign.as_bytes()));
                let is_same = same_signature(&computed, signature) && request.complete;
                (string_to_sign, is_same)
            }
            Scheme::Aws(_) => unreachable!("AWS's have been dealt with above"),
        };
        if !is_same {
            return Err(RequestError::Mismatch { string_to_sign });
        }
        Ok(Some(Nonce { text: nonce.clone(), until: time.plus_millis(CLOCK_SKEW_MAX_MS) }))
    }
}

fn rpc_string_to_sign(parts: &Parts, parameters: &Parameters) -> String {
    let canonical = parameters.0.canonical(Some("Signature"));
    format!("{}&%2F&{}", parts.method, uri_encode(canonical.as_bytes(), false))
}

/// The canonical request of Aliyun's version 3. `host` and every `x-acs-*` header must be signed.
fn acs3_request(parts: &Parts, document: &[u8], signed_headers: &[String]) -> Result<CanonicalRequest, RequestError> {
    let names = parts.headers.keys().map(http::HeaderName::as_str);
    let mut must = names.filter(|name| name.starts_with("x-acs-")).chain(["host"]);
    if let Some(name) = must.find(|name| !signed_headers.iter().any(|signed| signed == name)) {
        return Err(RequestError::Malformed(format!("The header {name} must be signed.")));
    }
    let signed_headers: Vec<&str> = signed_headers.iter().map(String::as_str).collect();
    let query = Query::parse(parts.uri.query()).canonical(None);
    let payload_word = hex::encode(Sha256::digest(document));
    Ok(CanonicalRequest::new(&parts.method, parts.uri.path(), &query, &parts.headers, &signed_headers, &payload_word))
}

/// What is wrong with a SigV4 signature, in the terms of this endpoint.
fn of_v4(error: AuthError) -> RequestError {
    match error {
        AuthError::ClockSkewed { .. } => RequestError::Skewed,
        AuthError::DateMissing => RequestError::Missing("X-Amz-Date"),
        AuthError::SignatureMismatch { string_to_sign, .. } => RequestError::Mismatch { string_to_sign },
        AuthError::HeadersNotSigned(names) => RequestError::Malformed(format!("These headers must be signed: {}", names.join(", "))),
        AuthError::HeaderMalformed(message) => RequestError::Malformed(message),
        AuthError::UnsupportedScheme
        | AuthError::MultipleMechanisms
        | AuthError::QueryMalformed(_)
        | AuthError::PayloadHashInvalid(_)
        | AuthError::PayloadUnsupported(_)
        | AuthError::QueryIncomplete(_)
        | AuthError::DateInvalid
        | AuthError::SigningDateInvalid
        | AuthError::CredentialDateInvalid
        | AuthError::CredentialSuffixInvalid
        | AuthError::ExpiryInvalid
        | AuthError::ExpiryMissing
        | AuthError::ExpiryOutOfRange
        | AuthError::Expired { .. }
        | AuthError::NotYetValid
        | AuthError::UnknownAccessKey(_)
        | AuthError::InvalidToken
        | AuthError::TokenExpired
        | AuthError::TokenMismatch
        | AuthError::TokenRepeated
        | AuthError::TokenNotInQuery => RequestError::Malformed("The signature is malformed.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);
    const SECRET: &str = "secret";

    fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::builder().method(method).uri(target).header("host", "sts.test");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn verify(parts: &Parts, document: &str, now: Timestamp) -> Result<Option<Nonce>, RequestError> {
        let parameters = Parameters::read(parts, document.as_bytes())?;
        let claim = claim(parts, document.as_bytes(), &parameters)?;
        assert_eq!(claim.access_key, "ak");
        claim.verify(parts, document.as_bytes(), &parameters, SECRET, now)
    }

    const RPC: &str = "Action=AssumeRole&AccessKeyId=ak&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce=n+1&Policy=%7B%7D";
    const FORM_HEADER: (&str, &str) = ("content-type", "Application/X-WWW-form-urlencoded; charset=utf-8");

    /// Parameters with their RPC signature, signed here independently of how it is verified.
    fn rpc(method: &str, timestamp: &str) -> String {
        let unsigned = format!("{RPC}&Timestamp={timestamp}").replace("+", "%20").replace(':', "%3A");
        let mut pairs: Vec<&str> = unsigned.split('&').collect();
        pairs.sort_unstable();
        let joined = pairs.join("&").replace('%', "%25").replace('=', "%3D").replace('&', "%26");
        let signature = sigv2::sign("secret&", format!("{method}&%2F&{joined}").as_bytes());
        format!("{unsigned}&Signature={}", uri_encode(signature.as_bytes(), false))
    }

    #[test]
    fn an_rpc_request_verifies_as_a_form_and_as_a_query() {
        for timestamp in ["2026-01-15T08:30:00Z", "2026-01-15T08:30:00.000Z"] {
            let nonce = Nonce { text: "n 1".to_owned(), until: NOW.plus_millis(CLOCK_SKEW_MAX_MS) };
            let form = rpc("POST", timestamp);
            assert_eq!(verify(&head("POST", "/", &[FORM_HEADER]), &form, NOW), Ok(Some(nonce.clone())));
            assert_eq!(verify(&head("POST", &format!("/?{form}"), &[]), "", NOW), Ok(Some(nonce.clone())));
            assert_eq!(verify(&head("GET", &format!("/?{}", rpc("GET", timestamp)), &[]), "", NOW), Ok(Some(nonce)));
            let mismatch = verify(&head("GET", &format!("/?{form}"), &[]), "", NOW);
            assert!(matches!(mismatch, Err(RequestError::Mismatch { .. })), "{mismatch:?}");
        }
    }

    #[test]
    fn an_rpc_signature_covers_every_parameter_and_its_time() {
        let form = rpc("POST", "2026-01-15T08:30:00Z");
        let parts = head("POST", "/", &[FORM_HEADER]);
        for altered in [form.replace("%7B%7D", "%7B%20%7D"), form.replace("&Policy=%7B%7D", ""), format!("{form}&DurationSeconds=900")] {
            let refusal = verify(&parts, &altered, NOW);
            assert!(matches!(refusal, Err(RequestError::Mismatch { .. })), "{altered}: {refusal:?}");
        }
        for (offset_ms, expected) in [(-900_000, true), (900_000, true), (-900_001, false), (900_001, false)] {
            assert_eq!(verify(&parts, &form, NOW.plus_millis(offset_ms)) != Err(RequestError::Skewed), expected, "{offset_ms}");
        }
    }

    #[test]
    fn what_an_rpc_signature_lacks_is_named() {
        let parts = head("POST", "/", &[FORM_HEADER]);
        let form = rpc("POST", "2026-01-15T08:30:00Z");
        for name in ["Signature", "SignatureMethod", "SignatureVersion", "SignatureNonce", "Timestamp"] {
            let without: Vec<&str> = form.split('&').filter(|pair| pair.split('=').next() != Some(name)).collect();
            assert_eq!(verify(&parts, &without.join("&"), NOW), Err(RequestError::Missing(name)));
        }
        let other = form.replace("HMAC-SHA1", "HMAC-SHA256");
        assert!(matches!(verify(&parts, &other, NOW), Err(RequestError::Malformed(_))));
        assert_eq!(verify(&parts, &rpc("POST", "yesterday"), NOW), Err(RequestError::TimeMalformed));
    }

    #[test]
    fn a_parameter_with_two_readings_is_refused() {
        let form = rpc("POST", "2026-01-15T08:30:00Z");
        let parts = head("POST", "/?Policy=x", &[FORM_HEADER]);
        assert!(matches!(verify(&parts, &form, NOW), Err(RequestError::Malformed(_))));
        assert!(matches!(verify(&head("POST", "/", &[]), &form, NOW), Err(RequestError::Malformed(_))), "not a form");
        let bytes = format!("{form}&Policy2=%FF");
        assert!(matches!(verify(&head("POST", "/", &[FORM_HEADER]), &bytes, NOW), Err(RequestError::Malformed(_))));
    }

    /// The example request of Aliyun's documentation page has this shape; the signature is computed step by step.
    fn acs3(document: &str, extra: &[(&str, &str)]) -> Parts {
        let payload = hex::encode(Sha256::digest(document.as_bytes()));
        let mut headers = vec![
            FORM_HEADER,
            ("x-acs-action", "AssumeRole"),
            ("x-acs-version", "2015-04-01"),
            ("x-acs-date", "2026-01-15T08:30:00Z"),
            ("x-acs-signature-nonce", "n1"),
            ("x-acs-content-sha256", payload.as_str()),
        ];
        let canonical = format!(
            "POST\n/\nRoleSessionName=s%201\nhost:sts.test\nx-acs-action:AssumeRole\nx-acs-content-sha256:{payload}\n\
             x-acs-date:2026-01-15T08:30:00Z\nx-acs-signature-nonce:n1\nx-acs-version:2015-04-01\n\n\
             host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version\n{payload}"
        );
        let string_to_sign = format!("{ACS3}\n{}", hex::encode(Sha256::digest(canonical)));
        let signature = hex::encode(hmac_sha256(SECRET.as_bytes(), string_to_sign.as_bytes()));
        let authorization = format!(
            "{ACS3} Credential=ak,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature={signature}"
        );
        headers.push(("authorization", &authorization));
        headers.extend(extra);
        head("POST", "/?RoleSessionName=s%201", &headers)
    }

    #[test]
    fn a_version_3_request_verifies_and_covers_body_query_and_headers() {
        let document = "RoleArn=acs%3Aram%3A%3A1%3Arole%2Fdemo";
        let parts = acs3(document, &[]);
        let nonce = Nonce { text: "n1".to_owned(), until: NOW.plus_millis(CLOCK_SKEW_MAX_MS) };
        assert_eq!(verify(&parts, document, NOW), Ok(Some(nonce)));
        assert_eq!(verify(&parts, document, NOW.plus_millis(900_001)), Err(RequestError::Skewed));
        assert!(matches!(verify(&parts, "RoleArn=other", NOW), Err(RequestError::Mismatch { .. })));
        let mut other = parts.clone();
        other.uri = "/?RoleSessionName=s%202".parse().unwrap();
        assert!(matches!(verify(&other, document, NOW), Err(RequestError::Mismatch { .. })));
        let unsigned = acs3(document, &[("x-acs-security-token", "t")]);
        assert!(matches!(verify(&unsigned, document, NOW), Err(RequestError::Malformed(_))));
        let mut nameless = parts.clone();
        nameless.headers.remove("x-acs-signature-nonce");
        assert_eq!(verify(&nameless, document, NOW), Err(RequestError::Missing("x-acs-signature-nonce")));
    }

    #[test]
    fn the_protocol_is_told_by_the_signature() {
        for (headers, query, expected) in [
            (&[("authorization", "AWS4-HMAC-SHA256 x")][..], "Version=2011-06-15", Protocol::Aws),
            (&[][..], "Version=2011-06-15", Protocol::Aws),
            (&[][..], "Version=2015-04-01", Protocol::AliyunRpc),
            (&[][..], "AccessKeyId=a", Protocol::AliyunRpc),
            (&[("authorization", "ACS3-HMAC-SHA256 x")][..], "", Protocol::Aliyun3),
            (&[("x-acs-action", "AssumeRole")][..], "", Protocol::Aliyun3),
            (&[("x-acs-action", "AssumeRole")][..], "Version=2015-04-01&SignatureNonce=n", Protocol::AliyunRpc),
            (&[("authorization", "AWS4-HMAC-SHA256 x")][..], "AccessKeyId=a", Protocol::Aws),
        ] {
            let parts = head("POST", &format!("/?{query}"), headers);
            assert_eq!(Protocol::of(&parts, &Parameters::read(&parts, b"").unwrap()), expected, "{headers:?} {query}");
        }
        assert_eq!(verify(&head("POST", "/", &[]), "", NOW), Err(RequestError::Unsigned));
    }

    proptest! {
        /// Whatever comes as parameters and headers, claiming and verifying answer instead of panicking.
        #[test]
        fn claiming_never_panics(
            form in "((AccessKeyId|Signature|SignatureMethod|SignatureVersion|SignatureNonce|Timestamp|Version)=(a|1.0|HMAC-SHA1|2026-01-15T08:30:00Z|%[0-9A-F]{0,2})&){0,8}",
            authorization in "(AWS4-HMAC-SHA256 |ACS3-HMAC-SHA256 )?(Credential=|SignedHeaders=|Signature=|a/20260115/r/sts/aws4_request|[ -~]|,|;){0,20}",
            now in any::<i64>(),
        ) {
            let parts = head("POST", "/", &[FORM_HEADER, ("authorization", &authorization), ("x-amz-date", "20260115T083000Z"), ("x-acs-date", "2026-01-15T08:30:00Z"), ("x-acs-signature-nonce", "n")]);
            if let Ok(parameters) = Parameters::read(&parts, form.as_bytes())
                && let Ok(claim) = claim(&parts, form.as_bytes(), &parameters)
            {
                prop_assert!(claim.verify(&parts, form.as_bytes(), &parameters, SECRET, Timestamp::from_millis(now)).is_err());
            }
        }
    }
}
