//! Policy documents and the decision they lead to.

use crate::model::{Account, Caller, Operation};

/// What is known about the target bucket and the caller's key when deciding.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The policy document of the caller's key, if it has one.
    pub key_policy: Option<&'a str>,
    /// The owner of the bucket, if it exists.
    pub bucket_owner: Option<&'a Account>,
    /// The bucket's policy document, if it has one.
    pub bucket_policy: Option<&'a str>,
    /// Values for conditions such as `aws:SourceIp`, by lower-case key.
    pub context: &'a [(&'a str, String)],
}

/// Whether the operation is allowed. `DeleteObjects` is asked per key with [`allows_delete`].
#[must_use]
pub fn allows(_grounds: &Grounds<'_>, _operation: &Operation) -> bool {
    todo!()
}

/// Checks a policy document before it is stored.
///
/// # Errors
/// Why it is not one, in words for the caller.
pub fn validate(_document: &str) -> Result<(), String> {
    todo!()
}
