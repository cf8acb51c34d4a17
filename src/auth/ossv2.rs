//! OSS signature version 2, in the Authorization header and in signed URLs: HMAC-SHA256 over the whole query and headers
//! of the client's choice. Three SDKs still make it on request.

use super::{
    Addressed, AuthError, Payload, Verified,
    canonical::{Query, uri_encode},
    oss_canonical::{Place, additional_headers, canonical_query, first_lines, header_lines, resource},
    sigv4::{hmac_sha256, same_signature},
};
use crate::model::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::request::Parts;

/// What `x-oss-signature-version` says in a URL.
pub(super) const VERSION: &str = "OSS2";
/// The parameter that is no part of what it signs.
pub(super) const SIGNATURE: &str = "x-oss-signature";

/// A version 2 signature as a request carries it.
#[derive(Debug)]
pub(super) struct OssV2Claim {
    signature: String,
    place: Place,
    additional_headers: Vec<String>,
}

impl OssV2Claim {
    /// Reads what follows `OSS2 ` in the Authorization header. Returns the access key with it.
    pub(super) fn from_header(components: &str) -> Result<(String, Self), AuthError> {
        let malformed = || AuthError::HeaderMalformed("Authorization header is invalid.".to_owned());
        let (mut access_key, mut signature, mut additional) = (None, None, "");
        for component in components.split(',').map(str::trim).filter(|component| !component.is_empty()) {
            match component.split_once(':') {
                Some(("AccessKeyId", value)) if access_key.is_none() => access_key = Some(value),
                Some(("Signature", value)) if signature.is_none() => signature = Some(value),
                Some(("AdditionalHeaders", value)) if additional.is_empty() => additional = value,
                Some(_) | None => return Err(malformed()),
            }
        }
        let present = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned).ok_or_else(malformed);
        let additional_headers = additional_headers(additional).ok_or_else(malformed)?;
        Ok((present(access_key)?, Self { signature: present(signature)?, place: Place::Header, additional_headers }))
    }

    /// Reads the parameters of a signed URL. Returns the access key with it.
    pub(super) fn from_query(query: &Query) -> Result<(String, Self), AuthError> {
        let required = |name| {
            query.first(name).filter(|value| !value.is_empty()).ok_or(AuthError::QueryIncomplete(
                "Query string authentication requires the x-oss-signature, x-oss-expires and x-oss-access-key-id parameters.",
            ))
        };
        let access_key = required("x-oss-access-key-id")?.to_owned();
        let signature = required(SIGNATURE)?.to_owned();
        let place = Place::in_query(required("x-oss-expires")?)?;
        let additional_headers = additional_headers(query.first("x-oss-additional-headers").unwrap_or_default())
            .ok_or_else(|| AuthError::QueryMalformed("x-oss-additional-headers is invalid.".to_owned()))?;
        Ok((access_key, Self { signature, place, additional_headers }))
    }

    /// Verifies the signature.
    pub(super) fn verify(
        &self,
        access_key: &str,
        parts: &Parts,
        addressed: &Addressed<'_>,
        secret: &str,
        now: Timestamp,
    ) -> Result<Verified, AuthError> {
        let date = self.place.date(&parts.headers, now)?;
        let string_to_sign = string_to_sign(parts, addressed, date, &self.additional_headers);
        if same_signature(&sign(secret, &string_to_sign), &self.signature) {
            return Ok(Verified { payload: Payload::Unsigned });
        }
        Err(AuthError::SignatureMismatch {
            access_key: access_key.to_owned(),
            string_to_sign: String::from_utf8_lossy(&string_to_sign).into_owned(),
            canonical_request: None,
            provided: self.signature.clone(),
        })
    }
}

/// The string to sign. `additional` are lower-case and sorted.
pub(super) fn string_to_sign(parts: &Parts, addressed: &Addressed<'_>, date: &str, additional: &[String]) -> Vec<u8> {
    let query = canonical_query(&Query::parse(parts.uri.query()), Some(SIGNATURE));
    let mut text = first_lines(parts, date);
    text.extend_from_slice(&header_lines(&parts.headers, |name| additional.iter().any(|additional| additional == name)));
    text.extend_from_slice(additional.join(";").as_bytes());
    text.push(b'\n');
    text.extend_from_slice(uri_encode(resource(addressed).as_bytes(), false).as_bytes());
    if !query.is_empty() {
        text.push(b'?');
        text.extend_from_slice(query.as_bytes());
    }
    text
}

/// The signature of a string, in base64.
pub(super) fn sign(secret: &str, text: &[u8]) -> String {
    STANDARD.encode(hmac_sha256(secret.as_bytes(), text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_may_come_in_any_order_and_must_be_known() {
        let (access_key, claim) = OssV2Claim::from_header("Signature:s=, AdditionalHeaders:range;Host, AccessKeyId:ak").unwrap();
        assert_eq!((access_key.as_str(), claim.signature.as_str()), ("ak", "s="));
        assert_eq!(claim.additional_headers, ["host", "range"]);
        for bad in [
            "",
            "AccessKeyId:ak",
            "Signature:s",
            "AccessKeyId:,Signature:s",
            "AccessKeyId:a,Signature:s,Unknown:x",
            "AccessKeyId:a,Signature:s,x",
        ] {
            assert!(matches!(OssV2Claim::from_header(bad), Err(AuthError::HeaderMalformed(_))), "{bad}");
        }
    }

    #[test]
    fn queries_must_be_complete_and_expire_at_a_time() {
        let from = |raw: &str| OssV2Claim::from_query(&Query::parse(Some(raw))).map(|_| ());
        assert_eq!(from("x-oss-access-key-id=a&x-oss-signature=s&x-oss-expires=1"), Ok(()));
        assert!(matches!(from("x-oss-access-key-id=a&x-oss-signature=s"), Err(AuthError::QueryIncomplete(_))));
        assert_eq!(from("x-oss-access-key-id=a&x-oss-signature=s&x-oss-expires=soon"), Err(AuthError::ExpiryInvalid));
    }
}
