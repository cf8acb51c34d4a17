//! Headers an object keeps, what a head says about its body, and reading header values as text.

use super::{error, query::Query, tagging};
use crate::{
    dialect::{error::ErrorReply, storage_class, values},
    model::{Acl, Attributes, BodyClaims, SystemHeaders, UserMetadata},
};
use http::{HeaderMap, header, request::Parts};

pub(super) use crate::dialect::values::text;

/// User metadata's limit: names without their prefix and values together. Bytes.
const METADATA_SIZE_MAX: usize = 8 << 10;
const METADATA_PREFIX: &str = "x-oss-meta-";

const TRAFFIC_LIMIT: &str = "x-oss-traffic-limit";
/// What a traffic limit may be. Bits per second.
const TRAFFIC_LIMITS: std::ops::RangeInclusive<u64> = 819_200..=838_860_800;

/// Everything an object carries beside its bytes.
///
/// # Errors
/// `InvalidArgument` for metadata that is too large and for ACLs and storage classes that are none; tags that are none.
pub(super) fn attributes(headers: &HeaderMap) -> Result<Attributes, ErrorReply> {
    let tags = text(headers, "x-oss-tagging").map(|tags| tagging::parse_header(&tags)).transpose()?.unwrap_or_default();
    let system = SystemHeaders { storage_class: storage_class(headers)?, ..system_headers(headers) };
    Ok(Attributes { headers: system, user: user_metadata(headers)?, tags, acl: object_acl(headers)?.flatten() })
}

/// The headers of HTTP that an object keeps, without its storage class.
pub(super) fn system_headers(headers: &HeaderMap) -> SystemHeaders {
    SystemHeaders {
        content_type: text(headers, "content-type").filter(|value| !value.is_empty()),
        cache_control: text(headers, "cache-control"),
        content_disposition: text(headers, "content-disposition"),
        content_encoding: text(headers, "content-encoding").filter(|value| !value.is_empty()),
        content_language: text(headers, "content-language"),
        expires: text(headers, "expires"),
        website_redirect: None,
        storage_class: None,
    }
}

/// x-oss-meta-*: values as the bytes sent, repeats joined with `,`, in order of their names.
///
/// # Errors
/// `InvalidArgument` when there is more than 8 KB of them.
pub(super) fn user_metadata(headers: &HeaderMap) -> Result<UserMetadata, ErrorReply> {
    values::user_metadata(headers, METADATA_PREFIX, METADATA_SIZE_MAX).map_err(|size| {
        let message = "The total size of user metadata exceeds the maximum allowed size of 8192 bytes.";
        error::invalid_argument(message, "x-oss-meta-*", size).ec("0011-00000002")
    })
}

/// The storage class to keep; `None` for Standard.
///
/// # Errors
/// `InvalidArgument` for one that does not exist.
pub(super) fn storage_class(headers: &HeaderMap) -> Result<Option<String>, ErrorReply> {
    match text(headers, "x-oss-storage-class") {
        None => Ok(None),
        Some(class) if class.is_empty() || class == "Standard" => Ok(None),
        Some(class) if storage_class::of_oss(&class) => Ok(Some(class)),
        Some(class) => Err(error::invalid_argument("The storage class you specified is invalid.", "x-oss-storage-class", class)),
    }
}

/// x-oss-object-acl: `None` when there is none, `Some(None)` for `default`, which is the bucket's.
///
/// # Errors
/// `InvalidArgument` for a word that is none.
pub(super) fn object_acl(headers: &HeaderMap) -> Result<Option<Option<Acl>>, ErrorReply> {
    const NAME: &str = "x-oss-object-acl";
    match text(headers, NAME) {
        None => Ok(None),
        Some(word) if word == "default" => Ok(Some(None)),
        Some(word) => {
            let acl = Acl::parse(&word).ok_or_else(|| error::invalid_argument("The object acl you specified is invalid.", NAME, &word))?;
            Ok(Some(Some(acl)))
        }
    }
}

/// What the head says about the object's bytes: length, Content-MD5, x-oss-hash-crc64ecma. A chunked body says no length.
///
/// # Errors
/// `MissingContentLength`, `InvalidDigest`, `InvalidArgument` for a length or a CRC that is no number.
pub(super) fn body_claims(headers: &HeaderMap) -> Result<BodyClaims, ErrorReply> {
    let size = content_length(headers)?;
    if size.is_none() && !headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(error::missing_content_length());
    }
    Ok(BodyClaims { size, ..digest_claims(headers)? })
}

/// Content-MD5 and x-oss-hash-crc64ecma.
///
/// # Errors
/// As [`body_claims`].
pub(super) fn digest_claims(headers: &HeaderMap) -> Result<BodyClaims, ErrorReply> {
    Ok(BodyClaims { md5: content_md5(headers)?, crc64_ecma: crc64(headers)?, ..BodyClaims::default() })
}

/// Content-Length.
///
/// # Errors
/// `InvalidArgument` unless it is a number.
pub(super) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, ErrorReply> {
    let Some(size) = text(headers, "content-length") else { return Ok(None) };
    let parsed = number(&size);
    parsed.map(Some).ok_or_else(|| error::invalid_argument("The Content-Length you specified was invalid.", "Content-Length", &size))
}

/// Content-MD5.
///
/// # Errors
/// `InvalidDigest` unless it is the base64 of 16 bytes.
pub(super) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, ErrorReply> {
    values::content_md5(headers).map_err(error::invalid_digest)
}

fn crc64(headers: &HeaderMap) -> Result<Option<u64>, ErrorReply> {
    const NAME: &str = "x-oss-hash-crc64ecma";
    let Some(given) = text(headers, NAME) else { return Ok(None) };
    let parsed = number(&given);
    parsed.map(Some).ok_or_else(|| error::invalid_argument("The x-oss-hash-crc64ecma you specified was invalid.", NAME, &given))
}

/// Digits only.
fn number(text: &str) -> Option<u64> {
    let text = text.trim();
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// x-oss-traffic-limit, from the header or the query. Bytes per second.
///
/// # Errors
/// `InvalidArgument` for a limit in both places or outside 819200 to 838860800 bit/s.
pub(super) fn traffic_limit(parts: &Parts) -> Result<Option<u64>, ErrorReply> {
    let query = Query::parse(parts)?;
    let header = text(&parts.headers, TRAFFIC_LIMIT);
    match (header.as_deref(), query.first(TRAFFIC_LIMIT)) {
        (None, None) => Ok(None),
        (Some(given), None) | (None, Some(given)) => parse_traffic_limit(given).map(Some),
        (Some(_), Some(given)) => {
            let message = "x-oss-traffic-limit should be specified either in query string or header, not both.";
            Err(error::invalid_argument(message, TRAFFIC_LIMIT, given))
        }
    }
}

/// Bits per second as text to bytes per second.
///
/// # Errors
/// `InvalidArgument` outside 819200 to 838860800 bit/s.
pub(super) fn parse_traffic_limit(text: &str) -> Result<u64, ErrorReply> {
    let bits = number(text).filter(|bits| TRAFFIC_LIMITS.contains(bits));
    bits.map(|bits| bits / 8).ok_or_else(|| {
        let message = "x-oss-traffic-limit is invalid, should be specified between 819200(100KB/s) and 838860800(100MB/s).";
        error::invalid_argument(message, TRAFFIC_LIMIT, text)
    })
}
