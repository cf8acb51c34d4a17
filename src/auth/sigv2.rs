//! AWS Signature Version 2, in the Authorization header and in presigned URLs (S3 API Reference, "Signing and
//! Authenticating REST Requests"). boto3 still presigns with it by default.

use super::{
    AuthError, Payload, Verified,
    canonical::{Query, header_text, header_values},
    date,
    payload::PayloadWord,
    sigv4::{check_skew, same_signature},
};
use crate::model::Timestamp;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use sha1::Sha1;
use std::collections::BTreeMap;

/// The query parameters that are signed.
const SUB_RESOURCES: [&str; 40] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "encryption",
    "intelligent-tiering",
    "inventory",
    "legal-hold",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "ownershipControls",
    "partNumber",
    "policy",
    "policyStatus",
    "publicAccessBlock",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "retention",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// A SigV2 signature as a request carries it.
#[derive(Debug)]
pub(super) struct V2Claim {
    signature: String,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Header,
    /// Expires as it was written, and what it means.
    Query {
        expires: String,
        expired: Timestamp,
    },
}

impl V2Claim {
    /// Reads what follows `AWS ` in the Authorization header. Returns the access key with it.
    pub(super) fn from_header(credentials: &str) -> Result<(String, Self), AuthError> {
        let (access_key, signature) = credentials
            .split_once(':')
            .filter(|(access_key, signature)| !access_key.is_empty() && !signature.is_empty())
            .ok_or_else(|| AuthError::HeaderMalformed("The authorization header is malformed.".to_owned()))?;
        Ok((access_key.to_owned(), Self { signature: signature.to_owned(), place: Place::Header }))
    }

    /// Reads the parameters of a presigned URL. Returns the access key with it.
    pub(super) fn from_query(query: &Query) -> Result<(String, Self), AuthError> {
        let required = |name| {
            query.first(name).filter(|value| !value.is_empty()).ok_or_else(|| {
                AuthError::QueryMalformed(
                    "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters".to_owned(),
                )
            })
        };
        let access_key = required("AWSAccessKeyId")?.to_owned();
        let signature = required("Signature")?.to_owned();
        let expires = required("Expires")?.to_owned();
        let expired = expires
            .parse()
            .map(Timestamp::from_secs)
            .map_err(|_| AuthError::QueryMalformed(format!("Invalid date (should be seconds since epoch): {expires}")))?;
        Ok((access_key, Self { signature, place: Place::Query { expires, expired } }))
    }

    /// Verifies the signature.
    pub(super) fn verify(
        &self,
        access_key: &str,
        parts: &Parts,
        bucket_in_host: Option<&str>,
        secret: &str,
        now: Timestamp,
    ) -> Result<Verified, AuthError> {
        let amz_date = header_text(&parts.headers, "x-amz-date");
        let date = match &self.place {
            Place::Header => {
                let written = amz_date.or_else(|| header_text(&parts.headers, "date")).ok_or(AuthError::DateMissing)?;
                check_skew(date::parse_any(written).ok_or(AuthError::DateMissing)?, written, now)?;
                // x-amz-date is among the amz headers, so the slot stays empty.
                if amz_date.is_some() { "" } else { written }
            }
            Place::Query { expires, expired } => {
                if now.secs() > expired.secs() {
                    return Err(AuthError::Expired { expires_secs: None, expired: *expired, server_time: now });
                }
                expires
            }
        };
        let string_to_sign = self.string_to_sign(parts, bucket_in_host, date);
        if !same_signature(&sign(secret, &string_to_sign), &self.signature) {
            return Err(AuthError::SignatureMismatch {
                access_key: access_key.to_owned(),
                string_to_sign: String::from_utf8_lossy(&string_to_sign).into_owned(),
                canonical_request: None,
                provided: self.signature.clone(),
            });
        }
        let payload = match header_text(&parts.headers, "x-amz-content-sha256") {
            Some(word) => PayloadWord::parse(word)?.without_chunk_signatures()?,
            None => Payload::Unsigned,
        };
        Ok(Verified { payload })
    }

    fn string_to_sign(&self, parts: &Parts, bucket_in_host: Option<&str>, date: &str) -> Vec<u8> {
        let query = Query::parse(parts.uri.query());
        let mut text = format!("{}\n", parts.method).into_bytes();
        for name in ["content-md5", "content-type"] {
            text.extend_from_slice(&header_values(&parts.headers, name).unwrap_or_default());
            text.push(b'\n');
        }
        text.extend_from_slice(date.as_bytes());
        text.push(b'\n');
        for (name, value) in self.amz_headers(parts, &query) {
            text.extend_from_slice(name.as_bytes());
            text.push(b':');
            text.extend_from_slice(&value);
            text.push(b'\n');
        }
        if let Some(bucket) = bucket_in_host {
            text.push(b'/');
            text.extend_from_slice(bucket.as_bytes());
        }
        text.extend_from_slice(parts.uri.path().as_bytes());
        text.extend_from_slice(&sub_resources(&query));
        text
    }

    /// The `x-amz-*` headers, and for a presigned URL the `x-amz-*` parameters: that is where botocore puts the headers it has
    /// signed, the security token among them.
    fn amz_headers(&self, parts: &Parts, query: &Query) -> BTreeMap<String, Vec<u8>> {
        let mut amz = BTreeMap::new();
        for name in parts.headers.keys().filter(|name| name.as_str().starts_with("x-amz-")) {
            amz.insert(name.as_str().to_owned(), header_values(&parts.headers, name.as_str()).unwrap_or_default());
        }
        if let Place::Query { .. } = self.place {
            for (name, value) in query.pairs() {
                let name = String::from_utf8_lossy(name).to_ascii_lowercase();
                if name.starts_with("x-amz-") {
                    amz.entry(name).or_insert_with(|| value.unwrap_or_default().trim_ascii().to_vec());
                }
            }
        }
        amz
    }
}

/// `?` and the sorted sub-resources with their decoded values; empty when there is none.
fn sub_resources(query: &Query) -> Vec<u8> {
    let is_signed = |name: &[u8]| SUB_RESOURCES.iter().any(|signed| signed.as_bytes() == name);
    let mut signed: Vec<_> = query.pairs().filter(|(name, _)| is_signed(name)).collect();
    signed.sort_by_key(|&(name, _)| name);
    let mut text = Vec::new();
    for (name, value) in signed {
        text.push(if text.is_empty() { b'?' } else { b'&' });
        text.extend_from_slice(name);
        if let Some(value) = value {
            text.push(b'=');
            text.extend_from_slice(value);
        }
    }
    text
}

/// The signature of a string, in base64.
pub(super) fn sign(secret: &str, text: &[u8]) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(text);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sub_resources_are_signed_decoded_and_sorted() {
        let of = |raw| String::from_utf8(sub_resources(&Query::parse(Some(raw)))).unwrap();
        assert_eq!(of("prefix=a&list-type=2"), "");
        assert_eq!(of("uploads"), "?uploads");
        assert_eq!(of("uploads="), "?uploads=");
        assert_eq!(of("uploadId=u%2F1&x=y&partNumber=2&acl"), "?acl&partNumber=2&uploadId=u/1");
    }

    #[test]
    fn headers_and_queries_must_be_complete() {
        for bad in ["", "ak", "ak:", ":sig"] {
            assert!(V2Claim::from_header(bad).is_err(), "{bad}");
        }
        for bad in ["AWSAccessKeyId=a&Signature=s", "AWSAccessKeyId=a&Signature=s&Expires=soon", "Signature=s&Expires=1"] {
            assert!(V2Claim::from_query(&Query::parse(Some(bad))).is_err(), "{bad}");
        }
    }
}
