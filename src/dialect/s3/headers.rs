//! Headers an object keeps, the size of its body, and reading header values as text.

use super::{error::ErrorReply, tagging, unsupported};
use crate::{
    dialect::values,
    model::{Acl, Attributes, SystemHeaders, UserMetadata},
};
use http::HeaderMap;

pub(super) use crate::dialect::values::text;

/// User metadata's limit: names without their prefix and values together. Bytes.
const METADATA_SIZE_MAX: usize = 2048;
const METADATA_PREFIX: &str = "x-amz-meta-";

/// Everything an object carries beside its bytes.
///
/// # Errors
/// `MetadataTooLarge`, `InvalidStorageClass`, tags that are none.
pub(super) fn attributes(headers: &HeaderMap) -> Result<Attributes, ErrorReply> {
    let tags = text(headers, "x-amz-tagging").map(|tags| tagging::parse_header(&tags)).transpose()?.unwrap_or_default();
    Ok(Attributes { headers: system_headers(headers)?, user: user_metadata(headers)?, tags, acl: canned_acl(headers) })
}

/// x-amz-acl, as far as it says who else may do what: what else it can say has been refused before. That the bucket's owner
/// has full control is so anyway.
pub(super) fn canned_acl(headers: &HeaderMap) -> Option<Acl> {
    text(headers, "x-amz-acl").and_then(|word| Acl::parse(&word))
}

/// System-defined metadata.
///
/// # Errors
/// `InvalidStorageClass`, `InvalidRedirectLocation`.
pub(super) fn system_headers(headers: &HeaderMap) -> Result<SystemHeaders, ErrorReply> {
    let website_redirect = text(headers, "x-amz-website-redirect-location");
    if let Some(location) = &website_redirect
        && !["/", "http://", "https://"].iter().any(|start| location.starts_with(start))
    {
        let message = "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.";
        return Err(ErrorReply::bad_request("InvalidRedirectLocation", message));
    }
    Ok(SystemHeaders {
        content_type: text(headers, "content-type"),
        cache_control: text(headers, "cache-control"),
        content_disposition: text(headers, "content-disposition"),
        content_encoding: text(headers, "content-encoding").and_then(|coding| without_aws_chunked(&coding)),
        content_language: text(headers, "content-language"),
        expires: text(headers, "expires"),
        website_redirect,
        storage_class: unsupported::storage_class(headers)?,
    })
}

/// `gzip,aws-chunked` is `gzip`: aws-chunked describes the transfer, not the object.
fn without_aws_chunked(coding: &str) -> Option<String> {
    let is_chunked = |token: &str| token.trim().eq_ignore_ascii_case("aws-chunked");
    if !coding.split(',').any(is_chunked) {
        return (!coding.is_empty()).then(|| coding.to_owned());
    }
    let rest: Vec<&str> = coding.split(',').filter(|token| !is_chunked(token)).map(str::trim).filter(|token| !token.is_empty()).collect();
    (!rest.is_empty()).then(|| rest.join(","))
}

/// x-amz-meta-*: values as the bytes sent, repeats joined with `,`, in order of their names.
///
/// # Errors
/// `MetadataTooLarge`.
pub(super) fn user_metadata(headers: &HeaderMap) -> Result<UserMetadata, ErrorReply> {
    values::user_metadata(headers, METADATA_PREFIX, METADATA_SIZE_MAX).map_err(|size| {
        let message = "Your metadata headers exceed the maximum allowed metadata size";
        ErrorReply::bad_request("MetadataTooLarge", message).with("Size", size).with("MaxSizeAllowed", METADATA_SIZE_MAX)
    })
}

/// Content-MD5.
///
/// # Errors
/// `InvalidDigest` unless it is the base64 of 16 bytes.
pub(super) fn content_md5(headers: &HeaderMap) -> Result<Option<[u8; 16]>, ErrorReply> {
    values::content_md5(headers)
        .map_err(|given| ErrorReply::bad_request("InvalidDigest", "The Content-MD5 you specified was invalid.").with("Content-MD5", given))
}

/// The size of the decoded body: Content-Length, or what an aws-chunked body says it decodes to.
///
/// # Errors
/// `MissingContentLength`; `InvalidArgument` for a length that is no number.
pub(super) fn body_size(headers: &HeaderMap) -> Result<u64, ErrorReply> {
    let name = size_header(headers);
    let size = text(headers, name).ok_or_else(ErrorReply::missing_content_length)?;
    let is_number = !size.is_empty() && size.bytes().all(|byte| byte.is_ascii_digit());
    let parsed = if is_number { size.parse().ok() } else { None };
    parsed.ok_or_else(|| ErrorReply::invalid_argument(format!("Provided {size} not an integer or within integer range"), name, &size))
}

/// The size of a document, which may come without one unless it is aws-chunked.
///
/// # Errors
/// As [`body_size`].
pub(super) fn document_size(headers: &HeaderMap) -> Result<Option<u64>, ErrorReply> {
    let is_told = headers.contains_key(size_header(headers));
    if is_told || is_aws_chunked(headers) { body_size(headers).map(Some) } else { Ok(None) }
}

fn size_header(headers: &HeaderMap) -> &'static str {
    if is_aws_chunked(headers) { "x-amz-decoded-content-length" } else { "content-length" }
}

/// The payload's word tells, not Content-Encoding, which some clients leave out.
fn is_aws_chunked(headers: &HeaderMap) -> bool {
    text(headers, "x-amz-content-sha256").is_some_and(|word| word.starts_with("STREAMING-"))
}
