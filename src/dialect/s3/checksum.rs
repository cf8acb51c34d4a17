//! Checksums on the wire: headers, trailers, elements (S3 User Guide, "Checking object integrity").

use super::{error::ErrorReply, headers, response::set};
use crate::{
    dialect::xml::{Element, Writer},
    model::{BodyClaims, Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName};

const PREFIX: &str = "x-amz-checksum-";
/// Algorithms that S3 has and we have not.
const NOT_IMPLEMENTED: &[&str] = &["sha512", "md5", "xxhash64", "xxhash3", "xxhash128"];

/// What the head says about the body: Content-MD5, one checksum in a header or announced for the
/// trailer. The size is left to the caller.
///
/// # Errors
/// `InvalidDigest`; `InvalidRequest` for more than one checksum, a value that is none, or an
/// `x-amz-sdk-checksum-algorithm` without any; `NotImplemented` for algorithms we have not.
pub(super) fn body_claims(headers: &HeaderMap) -> Result<BodyClaims, ErrorReply> {
    let md5 = headers::content_md5(headers)?;
    let checksum = match named_value(headers)? {
        None => None,
        Some((algorithm, value)) => Some(parse(algorithm, &value).ok_or_else(|| invalid_value(algorithm))?),
    };
    let trailer = announced_trailer(headers)?;
    if checksum.is_some() && trailer.is_some() {
        return Err(multiple());
    }
    let claims = BodyClaims { md5, checksum, trailer, ..BodyClaims::default() };
    if let Some(name) = headers::text(headers, "x-amz-sdk-checksum-algorithm") {
        check_sdk_algorithm(&name, claims.checksum_algorithm())?;
    }
    Ok(claims)
}

/// The object's expected checksum on CompleteMultipartUpload; a composite one is written `base64-N`.
///
/// # Errors
/// As [`body_claims`].
pub(super) fn object_checksum(headers: &HeaderMap) -> Result<Option<ObjectChecksum>, ErrorReply> {
    let Some((algorithm, text)) = named_value(headers)? else { return Ok(None) };
    let (value, composite_of) = match text.split_once('-') {
        None => (text.as_str(), None),
        Some((value, count)) => (value, Some(count.parse::<u16>().map_err(|_| invalid_value(algorithm))?)),
    };
    let value = parse(algorithm, value).ok_or_else(|| invalid_value(algorithm))?;
    Ok(Some(ObjectChecksum { value, composite_of }))
}

/// `x-amz-checksum-type`.
///
/// # Errors
/// `InvalidRequest` for a type that does not exist.
pub(super) fn checksum_type(headers: &HeaderMap) -> Result<Option<ChecksumType>, ErrorReply> {
    match headers::text(headers, "x-amz-checksum-type") {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case("COMPOSITE") => Ok(Some(ChecksumType::Composite)),
        Some(text) if text.eq_ignore_ascii_case("FULL_OBJECT") => Ok(Some(ChecksumType::FullObject)),
        Some(_) => Err(ErrorReply::invalid_request("Value for x-amz-checksum-type header is invalid.")),
    }
}

/// `x-amz-checksum-algorithm`.
///
/// # Errors
/// `InvalidRequest` for one that does not exist, `NotImplemented` for one we have not.
pub(super) fn checksum_algorithm(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, ErrorReply> {
    let Some(name) = headers::text(headers, "x-amz-checksum-algorithm") else { return Ok(None) };
    match ChecksumAlgorithm::parse(&name) {
        Some(algorithm) => Ok(Some(algorithm)),
        None if is_not_implemented(&name) => Err(not_implemented("x-amz-checksum-algorithm")),
        None => Err(ErrorReply::invalid_request(
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: \
             [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]",
        )),
    }
}

/// Algorithm and type that a multipart upload declares; `None` when it declares none.
///
/// # Errors
/// `InvalidRequest` for a type without an algorithm and for pairs S3 does not allow.
pub(super) fn declared(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, ChecksumType)>, ErrorReply> {
    let kind = checksum_type(headers)?;
    let Some(algorithm) = checksum_algorithm(headers)? else {
        if kind.is_some() {
            let message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.";
            return Err(ErrorReply::invalid_request(message));
        }
        return Ok(None);
    };
    let kind = kind.unwrap_or_else(|| ChecksumType::default_for(algorithm));
    if !kind.allowed_for(algorithm) {
        return Err(ErrorReply::invalid_request(format!(
            "The {} checksum type cannot be used with the {} checksum algorithm.",
            kind.name(),
            algorithm.name_lower()
        )));
    }
    Ok(Some((algorithm, kind)))
}

/// The checksum among an element's children, if there is one.
///
/// # Errors
/// `InvalidArgument` for more than one or a value that is none, `NotImplemented` for algorithms we have not.
pub(super) fn in_element(element: &Element) -> Result<Option<Checksum>, ErrorReply> {
    let mut found = None;
    for child in element.children() {
        let Some(name) = child.name().strip_prefix("Checksum") else { continue };
        if is_not_implemented(name) {
            return Err(ErrorReply::not_implemented("This checksum algorithm is not implemented"));
        }
        let Some(algorithm) = ChecksumAlgorithm::parse(name) else { continue };
        let value = parse(algorithm, child.text().trim()).filter(|_| found.is_none());
        let message = "Invalid Base64 or multiple checksums present in request";
        found = Some(value.ok_or_else(|| ErrorReply::invalid_argument(message, "Checksum", child.text()))?);
    }
    Ok(found)
}

/// Sets `x-amz-checksum-…`.
pub(super) fn set_value(headers: &mut HeaderMap, checksum: &Checksum) {
    set(headers, header_name(checksum.algorithm()), STANDARD.encode(checksum.digest()));
}

/// Sets `x-amz-checksum-…` and `x-amz-checksum-type`.
pub(super) fn set_object(headers: &mut HeaderMap, checksum: &ObjectChecksum) {
    set(headers, header_name(checksum.value.algorithm()), text(checksum));
    set_type(headers, checksum.kind());
}

/// Sets `x-amz-checksum-type`.
pub(super) fn set_type(headers: &mut HeaderMap, kind: ChecksumType) {
    set(headers, HeaderName::from_static("x-amz-checksum-type"), kind.name());
}

/// Writes `<ChecksumCRC32>…</ChecksumCRC32>`.
pub(super) fn write_value(w: &mut Writer, checksum: &Checksum) {
    w.leaf(element_name(checksum.algorithm()), STANDARD.encode(checksum.digest()));
}

/// Writes `<ChecksumCRC32>…</ChecksumCRC32><ChecksumType>…</ChecksumType>`.
pub(super) fn write_object(w: &mut Writer, checksum: &ObjectChecksum) {
    w.leaf(element_name(checksum.value.algorithm()), text(checksum));
    w.leaf("ChecksumType", checksum.kind().name());
}

/// Writes `<ChecksumAlgorithm>` and `<ChecksumType>`, as listings show them.
pub(super) fn write_kind(w: &mut Writer, checksum: Option<(ChecksumAlgorithm, ChecksumType)>) {
    if let Some((algorithm, kind)) = checksum {
        w.leaf("ChecksumAlgorithm", algorithm.name());
        w.leaf("ChecksumType", kind.name());
    }
}

fn text(checksum: &ObjectChecksum) -> String {
    let value = STANDARD.encode(checksum.value.digest());
    match checksum.composite_of {
        None => value,
        Some(count) => format!("{value}-{count}"),
    }
}

fn parse(algorithm: ChecksumAlgorithm, text: &str) -> Option<Checksum> {
    Checksum::new(algorithm, STANDARD.decode(text).ok()?)
}

/// The one checksum header with its text.
fn named_value(headers: &HeaderMap) -> Result<Option<(ChecksumAlgorithm, String)>, ErrorReply> {
    let mut found = None;
    for (name, value) in headers {
        let Some(suffix) = name.as_str().strip_prefix(PREFIX) else { continue };
        if is_not_implemented(suffix) {
            return Err(not_implemented(name.as_str()));
        }
        let Some(algorithm) = ChecksumAlgorithm::parse(suffix) else { continue };
        if found.is_some() {
            return Err(multiple());
        }
        found = Some((algorithm, value.to_str().map_err(|_| invalid_value(algorithm))?.trim().to_owned()));
    }
    Ok(found)
}

/// The algorithm that `x-amz-trailer` announces.
///
/// # Errors
/// `InvalidRequest` for a trailer that is no checksum, `NotImplemented` for one we have not.
pub(super) fn announced_trailer(headers: &HeaderMap) -> Result<Option<ChecksumAlgorithm>, ErrorReply> {
    let Some(name) = headers::text(headers, "x-amz-trailer") else { return Ok(None) };
    let suffix = name.trim().to_ascii_lowercase();
    let suffix = suffix.strip_prefix(PREFIX).unwrap_or_default();
    match ChecksumAlgorithm::parse(suffix) {
        Some(algorithm) => Ok(Some(algorithm)),
        None if is_not_implemented(suffix) => Err(not_implemented("x-amz-trailer")),
        None => Err(ErrorReply::invalid_request("The value specified in the x-amz-trailer header is not supported")),
    }
}

fn check_sdk_algorithm(name: &str, chosen: Option<ChecksumAlgorithm>) -> Result<(), ErrorReply> {
    let Some(chosen) = chosen else {
        return Err(ErrorReply::invalid_request(
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.",
        ));
    };
    match ChecksumAlgorithm::parse(name) {
        Some(named) if named == chosen => Ok(()),
        Some(_) => Err(multiple()),
        None => Err(ErrorReply::invalid_request("Value for x-amz-sdk-checksum-algorithm header is invalid.")),
    }
}

fn is_not_implemented(name: &str) -> bool {
    NOT_IMPLEMENTED.iter().any(|each| each.eq_ignore_ascii_case(name))
}

fn not_implemented(header: &str) -> ErrorReply {
    ErrorReply::header_not_implemented(header, "This checksum algorithm is not implemented")
}

fn multiple() -> ErrorReply {
    ErrorReply::invalid_request("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
}

fn invalid_value(algorithm: ChecksumAlgorithm) -> ErrorReply {
    ErrorReply::invalid_request(format!("Value for {PREFIX}{} header is invalid.", algorithm.name_lower()))
}

fn header_name(algorithm: ChecksumAlgorithm) -> HeaderName {
    HeaderName::from_static(match algorithm {
        ChecksumAlgorithm::Crc32 => "x-amz-checksum-crc32",
        ChecksumAlgorithm::Crc32c => "x-amz-checksum-crc32c",
        ChecksumAlgorithm::Crc64Nvme => "x-amz-checksum-crc64nvme",
        ChecksumAlgorithm::Sha1 => "x-amz-checksum-sha1",
        ChecksumAlgorithm::Sha256 => "x-amz-checksum-sha256",
    })
}

fn element_name(algorithm: ChecksumAlgorithm) -> &'static str {
    match algorithm {
        ChecksumAlgorithm::Crc32 => "ChecksumCRC32",
        ChecksumAlgorithm::Crc32c => "ChecksumCRC32C",
        ChecksumAlgorithm::Crc64Nvme => "ChecksumCRC64NVME",
        ChecksumAlgorithm::Sha1 => "ChecksumSHA1",
        ChecksumAlgorithm::Sha256 => "ChecksumSHA256",
    }
}
