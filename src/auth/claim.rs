//! What a request says about its sender, whichever dialect it speaks: the key it names and how to check that it holds
//! that key's secret.

use super::{AuthError, Verified, ossv1::OssV1Claim, ossv2::OssV2Claim, ossv4::OssV4Claim, sigv2::V2Claim, sigv4::V4Claim};
use crate::model::Timestamp;
use http::request::Parts;

/// What a request says about its sender.
#[derive(Debug)]
pub enum Claim {
    /// No signature at all.
    Anonymous,
    /// A signature, not verified yet.
    Signed(Box<SignedClaim>),
}

/// A signature that a request carries, with what is needed to verify it.
#[derive(Debug)]
pub struct SignedClaim {
    /// The access key it names.
    pub access_key: String,
    /// The security token that came with it. Verifying the signature says nothing about whether we issued the token, nor,
    /// in one scheme, whether the signer meant it: that is the caller's to decide ([`AuthError::InvalidToken`]).
    pub security_token: Option<String>,
    pub(super) scheme: Scheme,
}

/// The signature itself, by the scheme it was made in.
#[derive(Debug)]
pub(super) enum Scheme {
    S3V4(V4Claim),
    S3V2(V2Claim),
    OssV4(OssV4Claim),
    OssV2(OssV2Claim),
    OssV1(OssV1Claim),
}

/// Where the dialect says a request is addressed: SigV2 signs the bucket of a virtual host beside the path, OSS signs
/// bucket and key wherever they were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addressed<'a> {
    /// The bucket, from the host or the path.
    pub bucket: Option<&'a str>,
    /// The key, decoded; never empty.
    pub key: Option<&'a str>,
    /// The bucket again when the host named it.
    pub bucket_in_host: Option<&'a str>,
}

impl SignedClaim {
    /// Verifies the signature against the request's head.
    ///
    /// # Errors
    /// Skew, expiry, what must be signed and is not, mismatch.
    pub fn verify(&self, parts: &Parts, addressed: &Addressed<'_>, secret: &str, now: Timestamp) -> Result<Verified, AuthError> {
        match &self.scheme {
            Scheme::S3V4(claim) => claim.verify(&self.access_key, parts, secret, now),
            Scheme::S3V2(claim) => claim.verify(&self.access_key, parts, addressed.bucket_in_host, secret, now),
            Scheme::OssV4(claim) => claim.verify(&self.access_key, parts, addressed, secret, now),
            Scheme::OssV2(claim) => claim.verify(&self.access_key, parts, addressed, secret, now),
            Scheme::OssV1(claim) => claim.verify(&self.access_key, parts, addressed, secret, now),
        }
    }
}
