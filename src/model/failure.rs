//! Why an operation did not succeed: one list for both dialects, each of which maps every variant.

use super::*;

/// A reason that a caller would act on. Texts for people are the dialect's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The caller may not do this.
    AccessDenied,
    /// No such bucket.
    NoSuchBucket(Bucket),
    /// The bucket exists and is the caller's.
    BucketAlreadyOwnedByYou(Bucket),
    /// The bucket exists and is somebody else's.
    BucketAlreadyExists(Bucket),
    /// The bucket exists, is the caller's, and was made with another location constraint.
    BucketElsewhere(Bucket),
    /// The bucket exists, is the caller's, and has another storage class.
    BucketOfOtherClass(Bucket),
    /// The bucket still holds objects or open uploads.
    BucketNotEmpty(Bucket),
    /// No object under this key.
    NoSuchKey(ObjectKey),
    /// No upload of this id for this key: never was, completed, or aborted.
    NoSuchUpload(String),
    /// `key-marker` has no upload of the given `upload-id-marker`.
    UnknownUploadIdMarker(String),
    /// The bucket has no CORS rules.
    NoSuchCorsConfiguration(Bucket),
    /// The bucket has no lifecycle rules.
    NoSuchLifecycle(Bucket),
    /// The bucket has no policy.
    NoSuchBucketPolicy(Bucket),
    /// The bucket has no tags.
    NoSuchTagSet(Bucket),
    /// Configuration of this kind is not set, because it cannot be.
    NoSuchConfiguration(Bucket, AbsentConfiguration),
    /// The policy document is not one; the text says why.
    MalformedPolicy(String),

    /// The bucket's referer rules refuse this request.
    RefererDenied,
    /// The application that is to be told cannot be; the text says why.
    CallbackRefused(String),
    /// There is an object under this key and the caller asked not to overwrite it.
    ObjectExists(ObjectKey),
    /// An append at another position than the end.
    AppendPositionMismatch {
        /// The object's size in bytes.
        size: u64,
    },
    /// The object was not made by appending.
    NotAppendable(ObjectKey),
    /// The object is no symbolic link.
    NotSymlink(ObjectKey),
    /// The symbolic link's target does not exist.
    SymlinkTargetMissing(ObjectKey),
    /// The symbolic link's target is a link itself.
    SymlinkTargetIsLink(ObjectKey),
    /// A part of a sequential upload that does not follow the last one.
    PartNotSequential {
        /// The part.
        number: PartNumber,
    },

    /// The list to complete with is empty.
    NoParts,
    /// The list to complete with is not strictly ascending.
    PartsOutOfOrder {
        /// The upload.
        upload_id: UploadId,
    },
    /// A listed part was never uploaded, or has another ETag or checksum.
    PartInvalid {
        /// The upload.
        upload_id: UploadId,
        /// The part.
        number: PartNumber,
        /// The ETag the caller listed.
        etag: ETag,
    },
    /// A listed part number is below 1.
    PartNumberTooSmall(i64),
    /// What is listed can be no part: its number is above 10,000 or its ETag is none.
    PartImpossible {
        /// The upload.
        upload_id: UploadId,
        /// The number as listed.
        number: i64,
        /// The ETag as listed, without quotes.
        etag: String,
    },
    /// A part other than the last is below the dialect's minimum.
    PartTooSmall {
        /// The part.
        number: PartNumber,
        /// Its ETag.
        etag: ETag,
        /// Its size in bytes.
        size: u64,
        /// The minimum in bytes.
        size_min: u64,
    },
    /// The body or the completed object is larger than the dialect allows.
    TooLarge {
        /// Size in bytes, as far as known.
        size: u64,
        /// The maximum in bytes.
        size_max: u64,
    },
    /// A POST form's file is smaller than its policy's content-length-range asks for.
    FormFileTooSmall {
        /// Size in bytes.
        size: u64,
        /// The minimum in bytes.
        size_min: u64,
    },
    /// `x-amz-mp-object-size` differs from the sum of the parts.
    ObjectSizeMismatch {
        /// What the caller expected, in bytes.
        expected: u64,
        /// What the parts add up to, in bytes.
        actual: u64,
    },

    /// The body ended early or went on too long.
    IncompleteBody,
    /// The client did not send for too long.
    BodyTimeout,
    /// The body's framing (aws-chunked, multipart form) is broken.
    MalformedBody,
    /// A chunk's or trailer's signature is wrong.
    ChunkSignatureMismatch,
    /// The trailer is malformed or not the one announced.
    MalformedTrailer,
    /// The trailer's checksum is not a value of its algorithm.
    InvalidTrailerChecksum(ChecksumAlgorithm),
    /// Content-MD5 is not the body's MD5.
    Md5Mismatch {
        /// What the client sent.
        expected: [u8; 16],
        /// What the body has.
        actual: [u8; 16],
    },
    /// x-oss-hash-crc64ecma is not the body's.
    Crc64Mismatch {
        /// What the client sent.
        expected: u64,
        /// What the body has.
        actual: u64,
    },
    /// The signed payload hash is not the body's SHA-256.
    Sha256Mismatch {
        /// What the client sent.
        expected: [u8; 32],
        /// What the body has.
        actual: [u8; 32],
    },
    /// A checksum is not the body's.
    ChecksumMismatch(ChecksumAlgorithm),
    /// The upload was declared with one algorithm and the part comes with another, or none.
    ChecksumAlgorithmMismatch {
        /// What the upload declared.
        expected: ChecksumAlgorithm,
        /// What the part came with.
        actual: Option<ChecksumAlgorithm>,
    },
    /// Completing a COMPOSITE upload without the checksum of this part.
    PartChecksumMissing {
        /// The part.
        number: PartNumber,
        /// The upload's algorithm.
        algorithm: ChecksumAlgorithm,
    },
    /// Completing with a part checksum of another algorithm than the upload's.
    PartChecksumMismatch {
        /// The part.
        number: PartNumber,
        /// What the caller listed.
        algorithm: ChecksumAlgorithm,
    },
    /// Completing with another checksum type than the upload's.
    ChecksumTypeMismatch {
        /// What the upload declared.
        declared: ChecksumType,
    },

    /// If-Match, If-None-Match or If-Unmodified-Since does not hold; the text is the header's name.
    PreconditionFailed(&'static str),
    /// A read whose If-None-Match or If-Modified-Since says the client has it already.
    NotModified {
        /// The current ETag.
        etag: ETag,
        /// When it was written.
        last_modified: Timestamp,
    },
    /// A conditional write lost to a concurrent one.
    ConditionalConflict(ObjectKey),
    /// The range lies outside the object.
    RangeNotSatisfiable {
        /// The object's size in bytes.
        size: u64,
    },
    /// The object has not so many parts.
    NoSuchPart {
        /// What was asked for.
        number: PartNumber,
        /// How many it has.
        count: u16,
    },
    /// `x-amz-copy-source-range` lies outside the source.
    CopyRangeInvalid {
        /// The source's size in bytes.
        size: u64,
    },
    /// A copy onto itself that changes nothing.
    CopyOntoItself,
    /// The source is larger than one copy may move.
    CopySourceTooLarge {
        /// The maximum in bytes.
        size_max: u64,
    },

    /// There would be more than this quota allows.
    QuotaExceeded(QuotaKind),

    /// Too much at once; come back later.
    SlowDown,
    /// There is no room for new bytes until others are deleted.
    NoSpace,
    /// The server is shutting down, or its disk no longer accepts writes.
    Unavailable,
    /// A fault of ours. The detail is in the log, not here.
    Internal,
}

/// What a quota is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuotaKind {
    /// Bytes in a bucket.
    BucketBytes,
    /// Objects and open uploads in a bucket.
    BucketObjects,
    /// Bytes that an access key has written.
    KeyBytes,
    /// Objects that an access key has written, and uploads that it has open.
    KeyObjects,
}

impl QuotaKind {
    /// What is said to the client.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::BucketBytes => "The bucket's quota does not allow for so many bytes, parts of open uploads included.",
            Self::BucketObjects => "The bucket's quota does not allow for so many objects, open uploads included.",
            Self::KeyBytes => "The access key's quota does not allow for so many bytes, parts of open uploads included.",
            Self::KeyObjects => "The access key's quota does not allow for so many objects, open uploads included.",
        }
    }
}
