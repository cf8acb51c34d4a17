//! From the gateway's failures to S3's errors: the one place that words them.

use super::{
    bucket::{Absent, absent_configuration},
    error::ErrorReply,
    response::quoted,
};
use crate::model::{ChecksumAlgorithm, Failure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{StatusCode, header};

/// What a client that is told to slow down should wait, in seconds.
const RETRY_AFTER_SLOW_DOWN: &str = "1";
/// Draining and read-only states last longer than a burst. Seconds.
const RETRY_AFTER_UNAVAILABLE: &str = "5";

/// The error for a failure. `range_requested` is the request's Range header, which a 416 repeats.
pub(super) fn reply(failure: &Failure, range_requested: &str) -> ErrorReply {
    match failure {
        Failure::AccessDenied => access_denied("Access Denied"),
        Failure::NoSuchBucket(bucket) => not_found("NoSuchBucket", "The specified bucket does not exist").with("BucketName", bucket),
        // S3 has its buckets created anew or not at all, so what would be another one of them is not asked.
        Failure::BucketAlreadyOwnedByYou(bucket) | Failure::BucketElsewhere(bucket) | Failure::BucketOfOtherClass(bucket) => {
            let message = "Your previous request to create the named bucket succeeded and you already own it.";
            conflict("BucketAlreadyOwnedByYou", message).with("BucketName", bucket)
        }
        Failure::BucketAlreadyExists(bucket) => {
            let message = "The requested bucket name is not available. The bucket namespace is shared by all users of the system. \
                           Please select a different name and try again.";
            conflict("BucketAlreadyExists", message).with("BucketName", bucket)
        }
        Failure::BucketNotEmpty(bucket) => {
            conflict("BucketNotEmpty", "The bucket you tried to delete is not empty").with("BucketName", bucket)
        }
        Failure::NoSuchKey(key) => not_found("NoSuchKey", "The specified key does not exist.").with("Key", key),
        Failure::NoSuchUpload(upload) => no_such_upload(upload),
        Failure::UnknownUploadIdMarker(marker) => ErrorReply::invalid_argument("Invalid uploadId marker", "upload-id-marker", marker),
        Failure::NoSuchCorsConfiguration(bucket) => {
            not_found("NoSuchCORSConfiguration", "The CORS configuration does not exist").with("BucketName", bucket)
        }
        Failure::NoSuchLifecycle(bucket) => {
            not_found("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist").with("BucketName", bucket)
        }
        // AWS has no quotas on bytes; this is what Ceph's gateway says, and clients do not try again after it.
        Failure::QuotaExceeded(kind) => ErrorReply::new(StatusCode::FORBIDDEN, "QuotaExceeded", kind.message()),
        Failure::RefererDenied => access_denied("Access Denied"),
        Failure::ObjectExists(_) => ErrorReply::precondition_failed("x-oss-forbid-overwrite"),
        // S3 cannot ask for what these refuse; to be exhaustive, not reachable.
        Failure::CallbackRefused(_) | Failure::AppendPositionMismatch { .. } | Failure::NotAppendable(_) | Failure::NotSymlink(_) => {
            internal_error()
        }
        Failure::SymlinkTargetMissing(key) => not_found("NoSuchKey", "The specified key does not exist.").with("Key", key),
        Failure::SymlinkTargetIsLink(_) => ErrorReply::invalid_request("The object is a symbolic link to a symbolic link."),
        Failure::PartNotSequential { number } => {
            ErrorReply::invalid_request(format!("The upload is sequential, and part {number} does not follow its last part."))
        }
        Failure::NoSuchBucketPolicy(bucket) => {
            not_found("NoSuchBucketPolicy", "The bucket policy does not exist").with("BucketName", bucket)
        }
        Failure::NoSuchTagSet(bucket) => not_found("NoSuchTagSet", "The TagSet does not exist").with("BucketName", bucket),
        Failure::NoSuchConfiguration(bucket, kind) => match absent_configuration(*kind) {
            Absent::Error(code, message) => not_found(code, message).with("BucketName", bucket),
            // Answered with the default document before errors are worded; to be exhaustive, not reachable.
            Absent::Default(..) => internal_error(),
        },
        Failure::MalformedPolicy(reason) => ErrorReply::bad_request("MalformedPolicy", reason.clone()),

        Failure::NoParts => ErrorReply::invalid_request("You must specify at least one part"),
        Failure::PartsOutOfOrder { upload_id } => {
            let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
            ErrorReply::bad_request("InvalidPartOrder", message).with("UploadId", upload_id)
        }
        Failure::PartInvalid { upload_id, number, etag } => invalid_part(upload_id, number, &etag.to_string()),
        Failure::PartNumberTooSmall(number) => ErrorReply::invalid_argument("PartNumber must be >= 1", "PartNumber", number),
        Failure::PartImpossible { upload_id, number, etag } => invalid_part(upload_id, number, etag),
        Failure::PartTooSmall { number, etag, size, size_min } => too_small(*size, *size_min).with("PartNumber", number).with("ETag", etag),
        Failure::TooLarge { size, size_max } => {
            ErrorReply::bad_request("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
                .with("ProposedSize", size)
                .with("MaxSizeAllowed", size_max)
        }
        Failure::FormFileTooSmall { size, size_min } => too_small(*size, *size_min),
        Failure::ObjectSizeMismatch { expected, actual } => ErrorReply::invalid_request(format!(
            "The provided 'x-amz-mp-object-size' header value {expected} does not match what was computed: {actual}"
        )),

        Failure::IncompleteBody => {
            let message = "You did not provide the number of bytes specified by the Content-Length HTTP header";
            ErrorReply::bad_request("IncompleteBody", message)
        }
        Failure::BodyTimeout => {
            let message = "Your socket connection to the server was not read from or written to within the timeout period. \
                           Idle connections will be closed.";
            ErrorReply::bad_request("RequestTimeout", message).with_header(header::CONNECTION, "close")
        }
        Failure::MalformedBody => ErrorReply::bad_request("IncompleteBody", "The request body terminated unexpectedly"),
        Failure::ChunkSignatureMismatch => ErrorReply::new(
            StatusCode::FORBIDDEN,
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. Check your key and signing method.",
        ),
        Failure::MalformedTrailer => {
            let message = "The request contained trailing data that was not well-formed or did not conform to our published schema.";
            ErrorReply::bad_request("MalformedTrailerError", message)
        }
        Failure::InvalidTrailerChecksum(algorithm) => {
            ErrorReply::invalid_request(format!("Value for x-amz-checksum-{} trailing header is invalid.", algorithm.name_lower()))
        }
        Failure::Md5Mismatch { expected, actual } => {
            ErrorReply::bad_request("BadDigest", "The Content-MD5 you specified did not match what we received.")
                .with("ExpectedDigest", STANDARD.encode(expected))
                .with("CalculatedDigest", STANDARD.encode(actual))
        }
        Failure::Crc64Mismatch { .. } => {
            ErrorReply::bad_request("BadDigest", "The CRC64 you specified did not match the calculated checksum.")
        }
        Failure::Sha256Mismatch { expected, actual } => {
            let message = "The provided 'x-amz-content-sha256' header does not match what was computed.";
            ErrorReply::bad_request("XAmzContentSHA256Mismatch", message)
                .with("ClientComputedContentSHA256", hex::encode(expected))
                .with("S3ComputedContentSHA256", hex::encode(actual))
        }
        Failure::ChecksumMismatch(algorithm) => {
            let message = format!("The {} you specified did not match the calculated checksum.", algorithm.name());
            ErrorReply::bad_request("BadDigest", message)
        }
        Failure::ChecksumAlgorithmMismatch { expected, actual } => ErrorReply::invalid_request(format!(
            "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum Type: {}",
            expected.name_lower(),
            actual.map_or("null", ChecksumAlgorithm::name_lower)
        )),
        Failure::PartChecksumMissing { number, algorithm } => ErrorReply::invalid_request(format!(
            "The upload was created using a {} checksum. The complete request must include the checksum for each part. \
             It was missing for part {number} in the request.",
            algorithm.name_lower()
        )),
        Failure::PartChecksumMismatch { number, algorithm } => {
            let message = format!("The {} you specified for part {number} did not match what we received.", algorithm.name_lower());
            ErrorReply::bad_request("BadDigest", message)
        }
        Failure::ChecksumTypeMismatch { declared } => ErrorReply::invalid_request(format!(
            "The upload was created using the {} checksum mode. The complete request must use the same checksum mode.",
            declared.name()
        )),

        Failure::PreconditionFailed(condition) => ErrorReply::precondition_failed(condition),
        Failure::NotModified { etag, .. } => {
            ErrorReply::new(StatusCode::NOT_MODIFIED, "NotModified", "Not Modified").with_header(header::ETAG, quoted(etag))
        }
        Failure::ConditionalConflict(key) => {
            let message = "The conditional request cannot succeed due to a conflicting operation against this resource.";
            conflict("ConditionalRequestConflict", message).with("Key", key)
        }
        Failure::RangeNotSatisfiable { size } => unsatisfiable("InvalidRange", "The requested range is not satisfiable")
            .with("RangeRequested", range_requested)
            .with("ActualObjectSize", size)
            .with_header(header::CONTENT_RANGE, format!("bytes */{size}")),
        Failure::NoSuchPart { number, count } => unsatisfiable("InvalidPartNumber", "The requested partnumber is not satisfiable")
            .with("ActualPartCount", count)
            .with("PartNumberRequested", number),
        Failure::CopyRangeInvalid { size } => {
            let message = format!("Range specified is not valid for source object of size: {size}");
            ErrorReply::bad_request("InvalidArgument", message).with("ArgumentName", "x-amz-copy-source-range")
        }
        Failure::CopyOntoItself => ErrorReply::invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, \
             storage class, website redirect location or encryption attributes.",
        ),
        Failure::CopySourceTooLarge { size_max } => ErrorReply::invalid_request(format!(
            "The specified copy source is larger than the maximum allowable size for a copy source: {size_max}"
        )),

        Failure::SlowDown => ErrorReply::new(StatusCode::SERVICE_UNAVAILABLE, "SlowDown", "Please reduce your request rate.")
            .with_header(header::RETRY_AFTER, RETRY_AFTER_SLOW_DOWN),
        // S3 itself never is full. The status is the one that stores like it answer with, and that no SDK tries again at once.
        Failure::NoSpace => ErrorReply::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "InsufficientStorage",
            "There is not enough space left to store this. Delete what is no longer needed, then try again.",
        ),
        Failure::Unavailable => ErrorReply::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "ServiceUnavailable",
            "The service is unable to handle the request right now. Please try again.",
        )
        .with_header(header::RETRY_AFTER, RETRY_AFTER_UNAVAILABLE),
        Failure::Internal => internal_error(),
    }
}

/// 403 AccessDenied in these words.
pub(super) fn access_denied(message: &'static str) -> ErrorReply {
    ErrorReply::new(StatusCode::FORBIDDEN, "AccessDenied", message)
}

/// 500 InternalError.
pub(super) fn internal_error() -> ErrorReply {
    ErrorReply::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "We encountered an internal error. Please try again.")
}

/// 404 NoSuchUpload, also for ids that cannot be any.
pub(super) fn no_such_upload(upload_id: &str) -> ErrorReply {
    let message =
        "The specified multipart upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed.";
    not_found("NoSuchUpload", message).with("UploadId", upload_id)
}

/// 400 InvalidPart, also for numbers and ETags that no part can have.
fn invalid_part(upload_id: impl std::fmt::Display, number: impl std::fmt::Display, etag: &str) -> ErrorReply {
    let message = "One or more of the specified parts could not be found.  The part may not have been uploaded, \
                   or the specified entity tag may not match the part's entity tag.";
    ErrorReply::bad_request("InvalidPart", message).with("UploadId", upload_id).with("PartNumber", number).with("ETag", etag)
}

fn too_small(size: u64, size_min: u64) -> ErrorReply {
    ErrorReply::bad_request("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")
        .with("ProposedSize", size)
        .with("MinSizeAllowed", size_min)
}

fn not_found(code: &'static str, message: &'static str) -> ErrorReply {
    ErrorReply::new(StatusCode::NOT_FOUND, code, message)
}

fn conflict(code: &'static str, message: &'static str) -> ErrorReply {
    ErrorReply::new(StatusCode::CONFLICT, code, message)
}

fn unsatisfiable(code: &'static str, message: &'static str) -> ErrorReply {
    ErrorReply::new(StatusCode::RANGE_NOT_SATISFIABLE, code, message)
}
