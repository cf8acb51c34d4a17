//! From the gateway's failures to OSS's answers: the one place that words them (OSS Developer Guide,
//! "HTTP 400 status code" and its like for the other statuses).

use super::{
    bucket,
    error::{self, ErrorReply, access_denied, invalid_argument, invalid_digest, invalid_request, malformed_xml},
    response::quoted,
    tagging,
};
use crate::model::{AbsentConfiguration, Bucket, ChecksumAlgorithm, ETag, Failure, Tags, Timestamp};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, StatusCode, header};
use std::fmt::Display;

/// What a client that is told to slow down should wait, in seconds.
const RETRY_AFTER_SLOW_DOWN: &str = "1";
/// Draining and read-only states last longer than a burst. Seconds.
const RETRY_AFTER_UNAVAILABLE: &str = "5";

/// How OSS answers a failure, which is not always with an error.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// With this error.
    Error(ErrorReply),
    /// With 200 and this document: what is not configured has a default.
    Success(String),
    /// With 304.
    NotModified(&'a ETag, Timestamp),
}

impl From<ErrorReply> for Answer<'_> {
    fn from(reply: ErrorReply) -> Self {
        Self::Error(reply)
    }
}

/// The answer to a failure.
pub(super) fn answer(failure: &Failure) -> Answer<'_> {
    match failure {
        Failure::AccessDenied => access_denied("You have no right to access this object.").into(),
        Failure::NoSuchBucket(bucket) => {
            not_found("NoSuchBucket", "The specified bucket does not exist.", "BucketName", bucket).ec("0015-00000101").into()
        }
        // OSS asks for buckets that may be the caller's already.
        Failure::BucketAlreadyExists(bucket) | Failure::BucketAlreadyOwnedByYou(bucket) => {
            let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
                           Please select a different name and try again.";
            conflict("BucketAlreadyExists", message).with("BucketName", bucket).ec("0015-00000104").into()
        }
        Failure::BucketElsewhere(bucket) => {
            conflict("BucketAlreadyExists", "Bucket already exists can't modify location.").with("BucketName", bucket).into()
        }
        Failure::BucketOfOtherClass(bucket) => {
            conflict("BucketAlreadyExists", "Cannot modify existing bucket's storage class.").with("BucketName", bucket).into()
        }
        Failure::BucketNotEmpty(bucket) => {
            conflict("BucketNotEmpty", "The bucket you tried to delete is not empty.").with("BucketName", bucket).ec("0015-00000301").into()
        }
        Failure::NoSuchKey(key) => not_found("NoSuchKey", "The specified key does not exist.", "Key", key).ec("0026-00000001").into(),
        Failure::NoSuchUpload(upload_id) => no_such_upload(upload_id).into(),
        Failure::UnknownUploadIdMarker(marker) => invalid_argument("Invalid uploadId marker.", "upload-id-marker", marker).into(),
        Failure::NoSuchCorsConfiguration(bucket) => {
            not_found("NoSuchCORSConfiguration", "The CORS Configuration does not exist.", "BucketName", bucket).into()
        }
        Failure::NoSuchLifecycle(bucket) => not_found("NoSuchLifecycle", "No Row found in Lifecycle Table.", "BucketName", bucket).into(),
        Failure::NoSuchBucketPolicy(bucket) => {
            not_found("NoSuchBucketPolicy", "The specified bucket policy does not exist.", "BucketName", bucket).into()
        }
        Failure::NoSuchTagSet(_) => Answer::Success(tagging::document(&Tags::default())),
        Failure::NoSuchConfiguration(bucket, kind) => absent_configuration(bucket, *kind),
        Failure::MalformedPolicy(reason) => ErrorReply::bad_request("InvalidPolicyDocument", reason.clone()).into(),

        Failure::CallbackRefused(message) => {
            ErrorReply::bad_request("InvalidArgument", message.clone()).with("ArgumentName", "callback").into()
        }
        // OSS documents no code for a bucket that is full; clients show this one and do not try again after it.
        Failure::QuotaExceeded(kind) => ErrorReply::new(StatusCode::FORBIDDEN, "QuotaExceeded", kind.message()).into(),
        Failure::RefererDenied => access_denied("You are denied by bucket referer policy.").into(),
        Failure::ObjectExists(key) => {
            let message = "The object you specified already exists and can not be overwritten.";
            conflict("FileAlreadyExists", message).with("Key", key).into()
        }
        Failure::AppendPositionMismatch { size } => conflict("PositionNotEqualToLength", "Position is not equal to file length.")
            .with_header(HeaderName::from_static("x-oss-next-append-position"), size.to_string())
            .ec("0026-00000016")
            .into(),
        Failure::NotAppendable(key) => conflict("ObjectNotAppendable", "The object is not appendable.").with("Key", key).into(),
        Failure::NotSymlink(key) => ErrorReply::bad_request("NotSymlink", "The object is not symlink.").with("Key", key).into(),
        Failure::SymlinkTargetMissing(key) => {
            not_found("SymlinkTargetNotExist", "The symlink target object does not exist.", "Key", key).into()
        }
        Failure::SymlinkTargetIsLink(key) => {
            ErrorReply::bad_request("InvalidTargetType", "The symbolic's target file type is invalid.").with("Key", key).into()
        }
        Failure::PartNotSequential { number } => {
            let message = "The part does not follow the last part of a sequential upload.";
            ErrorReply::bad_request("PartNotSequential", message).with("PartNumber", number).into()
        }

        Failure::NoParts => malformed_xml().ec("0042-00000205").into(),
        Failure::PartsOutOfOrder { upload_id } => {
            let message = "The list of parts was not in ascending order.";
            ErrorReply::bad_request("InvalidPartOrder", message).with("UploadId", upload_id).ec("0042-00000209").into()
        }
        Failure::PartInvalid { upload_id, number, etag } => invalid_part(upload_id, number, quoted(etag)).into(),
        Failure::PartNumberTooSmall(number) => invalid_part_number(number).into(),
        Failure::PartImpossible { upload_id, number, etag } => invalid_part(upload_id, number, format!("\"{etag}\"")).into(),
        Failure::PartTooSmall { number, etag, size, size_min } => ErrorReply::bad_request("EntityTooSmall", TOO_SMALL)
            .with("ETag", quoted(etag))
            .with("MinSizeAllowed", size_min)
            .with("ProposedSize", size)
            .with("PartNumber", number)
            .ec("0042-00000213")
            .into(),
        Failure::TooLarge { size, size_max } => too_large("Your proposed upload exceeds the maximum allowed size.")
            .with("MaxSizeAllowed", size_max)
            .with("ProposedSize", size)
            .into(),
        Failure::FormFileTooSmall { size, size_min } => {
            ErrorReply::bad_request("EntityTooSmall", TOO_SMALL).with("MinSizeAllowed", size_min).with("ProposedSize", size).into()
        }
        Failure::CopySourceTooLarge { size_max } => {
            too_large("Source object Length exceeds the maximum allowed size.").with("MaxSizeAllowed", size_max).into()
        }

        Failure::IncompleteBody => {
            let message = "You did not provide the number of bytes specified by the Content-Length HTTP header.";
            ErrorReply::bad_request("IncompleteBody", message).into()
        }
        Failure::BodyTimeout => {
            let message = "Your socket connection to the server was not read from or written to within the timeout period. \
                           Idle connections will be closed.";
            ErrorReply::bad_request("RequestTimeout", message).with_header(header::CONNECTION, "close").into()
        }
        // The one body with a framing of its own is a form's.
        Failure::MalformedBody => {
            let message = "The body of your POST request is not well-formed multipart/form-data.";
            ErrorReply::bad_request("MalformedPOSTRequest", message).into()
        }
        Failure::Md5Mismatch { expected, .. } => invalid_digest(STANDARD.encode(expected)).into(),
        Failure::Crc64Mismatch { .. } => {
            let message = "The x-oss-hash-crc64ecma you specified does not match what we calculated.";
            ErrorReply::bad_request("InvalidCRC64", message).into()
        }

        Failure::PreconditionFailed(condition) => error::precondition_failed(condition.replace("x-amz-", "x-oss-")).into(),
        Failure::NotModified { etag, last_modified } => Answer::NotModified(etag, *last_modified),
        // OSS has no error for a write that lost a race; its clients try again after a 5xx.
        Failure::ConditionalConflict(_) | Failure::SlowDown => {
            unavailable("Please reduce your request rate.", RETRY_AFTER_SLOW_DOWN).into()
        }
        Failure::RangeNotSatisfiable { size } => {
            unsatisfiable().with("ActualObjectSize", size).with_header(header::CONTENT_RANGE, format!("bytes */{size}")).into()
        }
        Failure::CopyRangeInvalid { size } => unsatisfiable().with("ActualObjectSize", size).into(),
        Failure::CopyOntoItself => invalid_request("The copy of the object onto itself changes nothing.").into(),

        // OSS has nothing with which a client could ask for what these refuse; to be exhaustive, not reachable.
        Failure::ObjectSizeMismatch { .. }
        | Failure::ChunkSignatureMismatch
        | Failure::MalformedTrailer
        | Failure::Sha256Mismatch { .. }
        | Failure::PartChecksumMissing { .. }
        | Failure::PartChecksumMismatch { .. }
        | Failure::ChecksumTypeMismatch { .. }
        | Failure::NoSuchPart { .. } => invalid_request("The request is not one of OSS.").into(),
        Failure::InvalidTrailerChecksum(algorithm) | Failure::ChecksumMismatch(algorithm) => checksum(*algorithm).into(),
        // An upload that S3 began with a checksum takes only parts that come with it.
        Failure::ChecksumAlgorithmMismatch { expected, .. } => checksum(*expected).into(),

        // OSS itself never is full.
        Failure::NoSpace => ErrorReply::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "InsufficientStorage",
            "The storage space is insufficient. Please delete objects that are no longer needed and try again.",
        )
        .into(),
        Failure::Unavailable => {
            unavailable("The service is unable to handle the request right now. Please try again.", RETRY_AFTER_UNAVAILABLE).into()
        }
        Failure::Internal => internal_error().into(),
    }
}

/// The error for a failure of one key among several, and of what is answered with nothing but an error.
pub(super) fn reply(failure: &Failure) -> ErrorReply {
    match answer(failure) {
        Answer::Error(reply) => reply,
        // Success is no answer to a part of a request.
        Answer::Success(_) | Answer::NotModified(..) => internal_error(),
    }
}

/// 500 InternalError.
pub(super) fn internal_error() -> ErrorReply {
    ErrorReply::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error. Please try again.")
}

/// 404 NoSuchUpload, also for ids that cannot be any.
pub(super) fn no_such_upload(upload_id: &str) -> ErrorReply {
    let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    not_found("NoSuchUpload", message, "UploadId", upload_id).ec("0017-00000244")
}

/// 400 InvalidArgument for a part number that no part can have.
pub(super) fn invalid_part_number(number: impl Display) -> ErrorReply {
    invalid_argument("Part number must be an integer between 1 and 10000, inclusive.", "PartNumber", number).ec("0017-00000220")
}

const TOO_SMALL: &str = "Your proposed upload smaller than the minimum allowed size.";

/// What OSS answers when a configuration that cannot be set here is read.
fn absent_configuration(bucket: &Bucket, kind: AbsentConfiguration) -> Answer<'static> {
    let absent = |code, message| Answer::Error(not_found(code, message, "BucketName", bucket));
    match kind {
        AbsentConfiguration::Logging => Answer::Success(bucket::logging_document()),
        AbsentConfiguration::RequestPayment => Answer::Success(bucket::request_payment_document()),
        AbsentConfiguration::PublicAccessBlock => Answer::Success(bucket::public_access_block_document()),
        AbsentConfiguration::Website => absent("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration."),
        AbsentConfiguration::Encryption => {
            absent("NoSuchServerSideEncryptionRule", "The server side encryption configuration was not found.")
        }
        AbsentConfiguration::Accelerate => {
            let message = "The bucket you specified does not have transfer acceleration configuration.";
            absent("NoSuchTransferAccelerationConfiguration", message)
        }
        AbsentConfiguration::ObjectLock => absent("NoSuchWORMConfiguration", "The WORM Configuration does not exist."),
        AbsentConfiguration::Replication => {
            absent("NoSuchReplicationConfiguration", "The bucket you specified does not have replication configuration.")
        }
        // S3's alone.
        AbsentConfiguration::OwnershipControls | AbsentConfiguration::Notification => {
            absent("NoSuchConfiguration", "The configuration does not exist.")
        }
    }
}

fn invalid_part(upload_id: impl Display, number: impl Display, etag: String) -> ErrorReply {
    let message = "One or more of the specified parts could not be found or the specified entity tag might not have matched \
                   the part's entity tag.";
    ErrorReply::bad_request("InvalidPart", message).with("PartNumber", number).with("ETag", etag).with("UploadId", upload_id)
}

fn checksum(algorithm: ChecksumAlgorithm) -> ErrorReply {
    invalid_request(format!("The upload was begun by an S3 client with a {} checksum, which OSS has not.", algorithm.name()))
}

fn too_large(message: &'static str) -> ErrorReply {
    ErrorReply::bad_request("EntityTooLarge", message)
}

fn not_found(code: &'static str, message: &'static str, element: &'static str, value: impl Display) -> ErrorReply {
    ErrorReply::new(StatusCode::NOT_FOUND, code, message).with(element, value)
}

fn conflict(code: &'static str, message: &'static str) -> ErrorReply {
    ErrorReply::new(StatusCode::CONFLICT, code, message)
}

fn unsatisfiable() -> ErrorReply {
    ErrorReply::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "The requested range cannot be satisfied.")
}

fn unavailable(message: &'static str, retry_after: &'static str) -> ErrorReply {
    ErrorReply::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message).with_header(header::RETRY_AFTER, retry_after)
}

#[cfg(test)]
mod tests {
    use super::{
        super::{error::encode_error, response::fixture::*},
        *,
    };
    use crate::{
        dialect::{address::Address, error::ErrorCode},
        model::{PartNumber, QuotaKind, UploadId},
    };
    use bytes::Bytes;
    use http::Response;

    fn encoded(failure: Failure, request: &str) -> Response<Bytes> {
        let parts = head(request);
        let key = parts.uri.path().strip_prefix("/bkt/").map(str::to_owned).filter(|key| !key.is_empty());
        let address = Address { bucket: Some("bkt".to_owned()), key, virtual_hosted: false };
        encode_error(&failure.into(), &parts, Some(&address), &context())
    }

    fn upload() -> UploadId {
        UploadId::parse("0004B9894A22E5B1888A1E29F8236E2D").unwrap()
    }

    fn part(number: u64) -> PartNumber {
        PartNumber::new(number).unwrap()
    }

    #[test]
    fn failures_have_the_status_code_and_number_of_oss() {
        let no_such_upload = Failure::NoSuchUpload(upload().to_string());
        let part_invalid = Failure::PartInvalid { upload_id: upload(), number: part(2), etag: etag() };
        for (failure, status, code, ec) in [
            (Failure::NoSuchBucket(bucket()), 404, "NoSuchBucket", "0015-00000101"),
            (Failure::BucketAlreadyExists(bucket()), 409, "BucketAlreadyExists", "0015-00000104"),
            (Failure::BucketElsewhere(bucket()), 409, "BucketAlreadyExists", ""),
            (Failure::BucketOfOtherClass(bucket()), 409, "BucketAlreadyExists", ""),
            (Failure::BucketNotEmpty(bucket()), 409, "BucketNotEmpty", "0015-00000301"),
            (Failure::NoSuchKey(key("k")), 404, "NoSuchKey", "0026-00000001"),
            (no_such_upload, 404, "NoSuchUpload", "0017-00000244"),
            (Failure::NoSuchLifecycle(bucket()), 404, "NoSuchLifecycle", ""),
            (Failure::NoSuchCorsConfiguration(bucket()), 404, "NoSuchCORSConfiguration", ""),
            (Failure::ObjectExists(key("k")), 409, "FileAlreadyExists", ""),
            (Failure::NotAppendable(key("k")), 409, "ObjectNotAppendable", ""),
            (Failure::NotSymlink(key("k")), 400, "NotSymlink", ""),
            (Failure::SymlinkTargetMissing(key("k")), 404, "SymlinkTargetNotExist", ""),
            (Failure::SymlinkTargetIsLink(key("k")), 400, "InvalidTargetType", ""),
            (Failure::PartNotSequential { number: part(3) }, 400, "PartNotSequential", ""),
            (Failure::NoParts, 400, "MalformedXML", "0042-00000205"),
            (Failure::PartsOutOfOrder { upload_id: upload() }, 400, "InvalidPartOrder", "0042-00000209"),
            (part_invalid, 400, "InvalidPart", ""),
            (Failure::PartNumberTooSmall(0), 400, "InvalidArgument", "0017-00000220"),
            (Failure::TooLarge { size: 2, size_max: 1 }, 400, "EntityTooLarge", ""),
            (Failure::Md5Mismatch { expected: [1; 16], actual: [2; 16] }, 400, "InvalidDigest", ""),
            (Failure::Crc64Mismatch { expected: 1, actual: 2 }, 400, "InvalidCRC64", ""),
            (Failure::QuotaExceeded(QuotaKind::BucketBytes), 403, "QuotaExceeded", ""),
            (Failure::RefererDenied, 403, "AccessDenied", ""),
            (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::Website), 404, "NoSuchWebsiteConfiguration", ""),
            (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::Encryption), 404, "NoSuchServerSideEncryptionRule", ""),
            (Failure::NoSuchConfiguration(bucket(), AbsentConfiguration::Accelerate), 404, "NoSuchTransferAccelerationConfiguration", ""),
            (Failure::SlowDown, 503, "ServiceUnavailable", ""),
            (Failure::NoSpace, 507, "InsufficientStorage", ""),
            (Failure::Internal, 500, "InternalError", ""),
        ] {
            let response = encoded(failure.clone(), "PUT /bkt/k");
            assert_eq!(response.status().as_u16(), status, "{failure:?}");
            assert_eq!(response.extensions().get(), Some(&ErrorCode(code)), "{failure:?}");
            assert_eq!(header(&response, "x-oss-ec"), ec, "{failure:?}");
            let body = std::str::from_utf8(response.body()).unwrap();
            assert_eq!(body.contains("<EC>"), !ec.is_empty(), "{body}");
        }
    }

    #[test]
    fn documents_of_errors_are_those_of_oss() {
        check("error_no_such_key", &encoded(Failure::NoSuchKey(key("a/b&c")), "GET /bkt/k"));
        let too_small = Failure::PartTooSmall { number: part(1), etag: etag(), size: 10240, size_min: 102_400 };
        check("error_entity_too_small", &encoded(too_small, "POST /bkt/k"));
        let invalid = Failure::PartInvalid { upload_id: upload(), number: part(2), etag: etag() };
        check("error_invalid_part", &encoded(invalid, "POST /bkt/k"));
        check("error_referer", &encoded(Failure::RefererDenied, "GET /bkt/k"));
    }

    #[test]
    fn what_clients_read_from_headers_is_there() {
        let append = encoded(Failure::AppendPositionMismatch { size: 7 }, "POST /bkt/k?append&position=3");
        assert_eq!((append.status().as_u16(), header(&append, "x-oss-next-append-position")), (409, "7"));
        let range = encoded(Failure::RangeNotSatisfiable { size: 7 }, "GET /bkt/k");
        assert_eq!((range.status().as_u16(), header(&range, "content-range")), (416, "bytes */7"));
        for failure in [Failure::SlowDown, Failure::Unavailable, Failure::ConditionalConflict(key("k"))] {
            let response = encoded(failure, "PUT /bkt/k");
            assert!(response.status().as_u16() == 503 && !header(&response, "retry-after").is_empty());
        }
        assert_eq!(header(&encoded(Failure::BodyTimeout, "PUT /bkt/k"), "connection"), "close");
    }

    #[test]
    fn not_modified_has_no_document() {
        let response = encoded(Failure::NotModified { etag: etag(), last_modified: LAST_MODIFIED }, "GET /bkt/k");
        assert_eq!((response.status().as_u16(), response.body().len()), (304, 0));
        assert_eq!(header(&response, "etag"), quoted(&etag()));
        assert_eq!(header(&response, "last-modified"), "Mon, 12 Oct 2009 17:50:30 GMT");
    }

    #[test]
    fn to_head_the_document_comes_in_a_header_unless_it_is_too_long_for_one() {
        let response = encoded(Failure::NoSuchKey(key("k")), "HEAD /bkt/k");
        assert!(response.body().is_empty() && !response.headers().contains_key("content-length"));
        let document = String::from_utf8(STANDARD.decode(header(&response, "x-oss-err")).unwrap()).unwrap();
        assert!(document.contains("<Code>NoSuchKey</Code>") && document.contains("<Key>k</Key>"), "{document}");
        assert_eq!(header(&response, "x-oss-ec"), "0026-00000001");
        // A control character is written with five others.
        let response = encoded(Failure::NoSuchKey(key(&"\u{1}".repeat(1000))), "HEAD /bkt/k");
        let document = String::from_utf8(STANDARD.decode(header(&response, "x-oss-err")).unwrap()).unwrap();
        assert!(document.contains("<Code>NoSuchKey</Code>") && !document.contains("<Key>"), "{document}");
    }

    #[test]
    fn what_oss_answers_with_a_default_is_no_error() {
        let none = |kind| encoded(Failure::NoSuchConfiguration(bucket(), kind), "GET /bkt/");
        check("default_logging", &none(AbsentConfiguration::Logging));
        check("default_request_payment", &none(AbsentConfiguration::RequestPayment));
        check("default_public_access_block", &none(AbsentConfiguration::PublicAccessBlock));
        check("default_tagging", &encoded(Failure::NoSuchTagSet(bucket()), "GET /bkt/?tagging"));
    }

    #[test]
    fn a_denial_says_who_was_denied_what() {
        for (request, words) in [
            ("GET /bkt/k", "Anonymous user has no right to access this object."),
            ("GET /bkt/", "Anonymous user has no right to access this bucket."),
            ("GET /bkt/k?Signature=x&Expires=1", "You have no right to access this object because of bucket acl."),
            ("GET /bkt/k?x-oss-signature=x", "You have no right to access this object because of bucket acl."),
            ("GET /bkt/\nAuthorization: OSS a:b", "<Message>AccessDenied.</Message>"),
        ] {
            let response = encoded(Failure::AccessDenied, request);
            let body = std::str::from_utf8(response.body()).unwrap();
            assert!(response.status().as_u16() == 403 && body.contains(words), "{request}: {body}");
        }
        let parts = head("GET /");
        let response = encode_error(&Failure::AccessDenied.into(), &parts, None, &context());
        assert!(std::str::from_utf8(response.body()).unwrap().contains("Anonymous access is forbidden for this operation."));
    }
}
