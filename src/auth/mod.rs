//! Who sent a request, and what they may do.
//!
//! Verification is in two steps, because the secret lives in the index: `claim` reads which key a
//! request says it was signed with, [`SignedClaim::verify`] recomputes the signature with that
//! key's secret. The same canonicaliser signs, for tests and clients. No I/O, no clock: the time
//! is a parameter.

mod canonical;
pub mod chunked;
mod claim;
mod date;
pub mod form;
mod form_policy;
mod json;
pub mod oss;
mod oss_canonical;
pub mod oss_form;
pub mod oss_sign;
mod ossv1;
mod ossv2;
mod ossv4;
mod payload;
pub mod policy;
pub mod s3;
pub mod sign;
mod sigv2;
mod sigv4;
pub mod sts;
pub mod sts_request;

pub use claim::{Addressed, Claim, SignedClaim};

use crate::model::Timestamp;

/// What the signature says about the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The signature does not cover the body: `UNSIGNED-PAYLOAD`, presigned URLs, SigV2, all of OSS.
    Unsigned,
    /// The body must have this SHA-256.
    Sha256([u8; 32]),
    /// An aws-chunked body; verified chunk by chunk when it is signed.
    Chunked(Box<chunked::Framing>),
}

/// A verified signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// What it says about the body.
    pub payload: Payload,
}

/// How far a client's clock may be off: 15 minutes, in milliseconds (S3 and OSS "RequestTimeTooSkewed").
pub const CLOCK_SKEW_MAX_MS: i64 = 15 * 60 * 1000;

/// Why a request is not accepted as its sender's. Each dialect words it its own way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// The Authorization header is not of any scheme we know: 400 InvalidArgument.
    UnsupportedScheme,
    /// More than one of header, query: 400 InvalidArgument.
    MultipleMechanisms,
    /// The Authorization header is broken: S3 400 AuthorizationHeaderMalformed, OSS 400 InvalidArgument, with this message.
    HeaderMalformed(String),
    /// The presigned query is broken: S3 400 AuthorizationQueryParametersError, OSS 400 InvalidArgument, with this message.
    QueryMalformed(String),
    /// `x-amz-content-sha256` or `x-oss-content-sha256` is missing or none of the allowed words: 400 InvalidArgument with this
    /// message.
    PayloadHashInvalid(String),
    /// A streaming word we do not implement (SigV4a, events): 501.
    PayloadUnsupported(String),
    /// A signed URL lacks parameters that OSS asks for: 403 AccessDenied with this message.
    QueryIncomplete(&'static str),
    /// No Date, x-amz-date or x-oss-date; in S3 also one that is unreadable: 403 AccessDenied.
    DateMissing,
    /// A date that OSS cannot read: 403 AccessDenied.
    DateInvalid,
    /// The date in the credential of an OSS V4 header is none or not the request's: 400 InvalidArgument with the message at
    /// which clients set their clocks.
    SigningDateInvalid,
    /// The date in the credential of an OSS V4 URL is none or not the URL's: 400 InvalidArgument.
    CredentialDateInvalid,
    /// An OSS V4 credential that does not end in `aliyun_v4_request`: 400 InvalidArgument.
    CredentialSuffixInvalid,
    /// An OSS V1 or V2 URL whose expiry is no number of seconds: 403 AccessDenied.
    ExpiryInvalid,
    /// An OSS V4 URL without an expiry: 400 InvalidArgument.
    ExpiryMissing,
    /// An OSS V4 URL that would not be valid for 1 to 604,800 seconds: 400 InvalidArgument.
    ExpiryOutOfRange,
    /// The clocks differ by more than [`CLOCK_SKEW_MAX_MS`]: 403 RequestTimeTooSkewed.
    ClockSkewed {
        /// The request's time as it was written.
        request_time: String,
        /// What that means.
        requested: Timestamp,
        /// Our time.
        server_time: Timestamp,
    },
    /// A presigned URL is past its expiry: 403 AccessDenied `Request has expired`.
    Expired {
        /// X-Amz-Expires or x-oss-expires in seconds; `None` where the URL has the time itself.
        expires_secs: Option<u64>,
        /// When it expired.
        expired: Timestamp,
        /// Our time.
        server_time: Timestamp,
    },
    /// A presigned URL from the future: 403 AccessDenied `Request is not valid yet`.
    NotYetValid,
    /// Headers that must be signed are not: 403 AccessDenied with their names.
    HeadersNotSigned(Vec<String>),
    /// No such (active) access key: 403 InvalidAccessKeyId.
    UnknownAccessKey(String),
    /// A security token we did not issue: S3 400 InvalidToken, OSS 403 InvalidSecurityToken.
    InvalidToken,
    /// A security token of ours that is past its time: S3 400 ExpiredToken, OSS 403 SecurityTokenExpired.
    TokenExpired,
    /// A security token of ours that came with another access key: S3 400 InvalidToken, OSS 403
    /// AccessKeyIdAndSecurityTokenNotMatch.
    TokenMismatch,
    /// A security token in a header and in the query: OSS 400 InvalidArgument.
    TokenRepeated,
    /// A signed URL whose security token came in a header: OSS 400 InvalidRequest.
    TokenNotInQuery,
    /// 403 SignatureDoesNotMatch, with what we computed it from.
    SignatureMismatch {
        /// The access key claimed.
        access_key: String,
        /// The string we signed.
        string_to_sign: String,
        /// The canonical request in it (V4 only).
        canonical_request: Option<String>,
        /// The signature the client sent.
        provided: String,
    },
}
