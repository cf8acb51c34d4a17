//! SigV4 and SigV2, header and presigned (S3 API Reference, "Authenticating Requests").

use super::{AuthError, Claim, Verified};
use crate::model::Timestamp;

/// A signature that a request carries, with what is needed to verify it.
#[derive(Debug)]
pub struct SignedClaim {
    /// The access key it names.
    pub access_key: String,
}

/// Reads which key a request says it was signed with.
///
/// # Errors
/// Everything about the form of the signature that is wrong without knowing the secret.
pub fn claim(_parts: &http::request::Parts) -> Result<Claim, AuthError> {
    todo!()
}

impl SignedClaim {
    /// Verifies the signature against the request's head. `bucket_in_host` is the bucket of a virtual-hosted
    /// request (SigV2 signs it).
    ///
    /// # Errors
    /// Skew, expiry, unsigned headers, mismatch.
    pub fn verify(
        &self,
        _parts: &http::request::Parts,
        _bucket_in_host: Option<&str>,
        _secret: &str,
        _now: Timestamp,
    ) -> Result<Verified, AuthError> {
        todo!()
    }
}
