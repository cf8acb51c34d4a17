//! Policy documents and the decision they lead to.
//!
//! - The root account may do everything, unless the key it uses has a policy of its own: then only that counts.
//! - What a statement of the key's or the bucket's policy denies is not allowed, whoever else allows it. Only the owner's
//!   way to the bucket's policy stays open, so that nobody locks himself out.
//! - What an access control list opens to everybody, everybody may do whom no statement denies it.
//! - In its own buckets an account may do what its key's policy *or* the bucket's policy allows; in others' buckets what
//!   both allow; without a signature, what the bucket's policy allows. A key without a policy may do everything its account may.
//! - A session's policy allows nothing by itself: what is asked must be allowed by it and without it, also what is open to
//!   everybody.
//! - A document that cannot be read allows nothing.
//!
//! Documents may speak of actions, resources and conditions as AWS or as OSS does; see `action` and `document`.

mod action;
mod condition;
mod document;
mod known;
mod pattern;

pub use action::copy_source;
pub use condition::{CONTEXT_HEADERS, ContextHeaders, OSS_BUCKET_CONTEXT_HEADERS, OSS_OBJECT_CONTEXT_HEADERS};

use self::{
    action::{Listing, Permission, Target, is_opened, permissions},
    document::{Document, Place, Verdict},
};
use crate::model::{Account, Acl, Bucket, Caller, ObjectRef, Operation};

/// What is known about the target bucket and the caller's key when deciding.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    /// Who asks.
    pub caller: &'a Caller,
    /// The policy document of the caller's key, if it has one.
    pub key_policy: Option<&'a str>,
    /// The policy document of the caller's session, if it has temporary credentials with one.
    pub session_policy: Option<&'a str>,
    /// The owner of the bucket, if it exists.
    pub bucket_owner: Option<&'a Account>,
    /// The bucket's policy document, if it has one.
    pub bucket_policy: Option<&'a str>,
    /// The access control list that counts for the target: an object's own, else its bucket's; for an operation on a
    /// bucket, and for `DeleteObjects`, the bucket's. `None` when there is none: nothing is open to everybody.
    pub acl: Option<Acl>,
    /// Values for conditions such as `aws:SourceIp`, by lower-case key: `aws:sourceip`, `aws:securetransport` (true or
    /// false), `aws:currenttime` (ISO 8601) and what the dialect's headers say, such as
    /// those of [`CONTEXT_HEADERS`].
    pub context: &'a [(&'a str, String)],
}

/// Whether the operation is allowed, the source of a copy apart: that is [`allows_source`]'s to say.
///
/// `DeleteObjects` is allowed to whoever has signed, because its answer tells for each key whether that one was allowed
/// ([`allows_delete`], or [`Policies::allows_delete`] for many); without a signature it is refused unless one key is.
#[must_use]
pub fn allows(grounds: &Grounds<'_>, operation: &Operation) -> bool {
    Policies::new(*grounds).allows(operation)
}

/// Whether one key of a `DeleteObjects` may be deleted.
///
/// `grounds.acl` is the object's here: its own, else its bucket's.
#[must_use]
pub fn allows_delete(grounds: &Grounds<'_>, object: &ObjectRef) -> bool {
    Policies::new(*grounds).allows_delete(object, grounds.acl)
}

/// Whether the source of a copy ([`copy_source`]) may be read. `grounds` are those of the source's bucket.
#[must_use]
pub fn allows_source(grounds: &Grounds<'_>, source: &ObjectRef) -> bool {
    Policies::new(*grounds).allows_source(source)
}

/// Checks a key's policy document before it is stored.
///
/// # Errors
/// Why it is not one, in words for the caller.
pub fn validate(document: &str) -> Result<(), String> {
    Document::parse(document, Place::Key).map(|_| ())
}

/// Checks a bucket's policy document before it is stored: it must name principals and speak of this bucket only.
///
/// # Errors
/// Why it is not one, in words for the caller.
pub fn validate_bucket_policy(document: &str, bucket: &Bucket) -> Result<(), String> {
    Document::parse(document, Place::Bucket(Some(bucket.as_str()))).map(|_| ())
}

/// Whether a bucket's policy makes it public: allows something to everybody, wherever they come from (S3 User Guide, "The
/// meaning of public"; GetBucketPolicyStatus).
#[must_use]
pub fn is_public(document: &str) -> bool {
    Document::parse(document, Place::Bucket(None)).is_ok_and(|document| document.is_public())
}

/// Grounds whose documents have been read once, for many decisions.
#[derive(Debug)]
pub struct Policies<'a> {
    grounds: Grounds<'a>,
    key: Policy,
    session: Policy,
    bucket: Policy,
}

/// A document, or why there is none.
#[derive(Debug)]
enum Policy {
    Absent,
    Unreadable,
    Present(Document),
}

impl Policy {
    fn read(text: Option<&str>, place: Place<'_>) -> Self {
        match text.map(|text| Document::parse(text, place)) {
            None => Self::Absent,
            Some(Ok(document)) => Self::Present(document),
            Some(Err(_)) => Self::Unreadable,
        }
    }
}

impl<'a> Policies<'a> {
    /// Reads the documents.
    #[must_use]
    pub fn new(grounds: Grounds<'a>) -> Self {
        let key = Policy::read(grounds.key_policy, Place::Key);
        let session = Policy::read(grounds.session_policy, Place::Key);
        let bucket = Policy::read(grounds.bucket_policy, Place::Bucket(None));
        Self { grounds, key, session, bucket }
    }

    /// As [`allows`].
    #[must_use]
    pub fn allows(&self, operation: &Operation) -> bool {
        if let Operation::DeleteObjects(delete) = operation {
            let mut keys = delete.objects.iter().map(|(key, _)| ObjectRef { bucket: delete.bucket.clone(), key: key.clone() });
            return self.grounds.caller.account().is_some() || keys.any(|object| self.allows_delete(&object, self.grounds.acl));
        }
        permissions(operation).iter().all(|permission| self.permits(permission))
    }

    /// As [`allows_delete`], with the access control list that counts for this object.
    #[must_use]
    pub fn allows_delete(&self, object: &ObjectRef, acl: Option<Acl>) -> bool {
        let target = Target::Object(object);
        self.permits_under(acl, &Permission { action: "s3:DeleteObject", oss_action: "oss:DeleteObject", target, listing: None })
    }

    /// As [`allows_source`].
    #[must_use]
    pub fn allows_source(&self, source: &ObjectRef) -> bool {
        self.permits(&Permission { action: "s3:GetObject", oss_action: "oss:GetObject", target: Target::Object(source), listing: None })
    }

    /// Whether the key may ask for temporary credentials: unless its policy denies `sts:AssumeRole`, because they can do no
    /// more than the key itself. `role` is the resource name of what it assumes.
    #[must_use]
    pub fn allows_assume_role(&self, role: &str) -> bool {
        match &self.key {
            Policy::Absent => true,
            Policy::Unreadable => false,
            Policy::Present(document) => {
                let context = |key: &str| self.context(None, key);
                let account = self.grounds.caller.account();
                document.judge(account, &["sts:assumerole".to_owned()], role, &context) != Verdict::Denied
            }
        }
    }

    fn permits(&self, permission: &Permission<'_>) -> bool {
        self.permits_under(self.grounds.acl, permission)
    }

    fn permits_under(&self, acl: Option<Acl>, permission: &Permission<'_>) -> bool {
        if self.judge(&self.session, Verdict::Allowed, permission) != Verdict::Allowed {
            return false;
        }
        let account = self.grounds.caller.account();
        let by_key = match account {
            None => Verdict::Silent,
            Some(_) => self.judge(&self.key, Verdict::Allowed, permission),
        };
        if account == Some(&Account::root()) {
            return by_key == Verdict::Allowed;
        }
        let owner = match permission.target {
            Target::Service | Target::NewBucket(_) => None,
            Target::Bucket(_) | Target::Object(_) => self.grounds.bucket_owner,
        };
        let is_own = account.is_some() && account == owner;
        // A bucket that is not there has no say: whoever may ask gets to know, or may create it.
        if owner.is_none() || is_own && decides_bucket_policy(permission.action) {
            return by_key == Verdict::Allowed;
        }
        let by_bucket = self.judge(&self.bucket, Verdict::Silent, permission);
        if by_key == Verdict::Denied || by_bucket == Verdict::Denied {
            return false;
        }
        if acl.is_some_and(|acl| is_opened(acl, permission.action)) {
            return true;
        }
        let (by_key, by_bucket) = (by_key == Verdict::Allowed, by_bucket == Verdict::Allowed);
        match account {
            None => by_bucket,
            Some(_) if is_own => by_key || by_bucket,
            Some(_) => by_key && by_bucket,
        }
    }

    fn judge(&self, policy: &Policy, absent: Verdict, permission: &Permission<'_>) -> Verdict {
        match policy {
            Policy::Absent => absent,
            Policy::Unreadable => Verdict::Denied,
            Policy::Present(document) => {
                let actions = [permission.action, permission.oss_action].map(str::to_ascii_lowercase);
                let context = |key: &str| self.context(permission.listing, key);
                document.judge(self.grounds.caller.account(), &actions, &permission.target.arn(), &context)
            }
        }
    }

    /// The value of a condition key: of what is asked, else of what the server knows of the request.
    fn context(&self, listing: Option<Listing<'_>>, key: &str) -> Option<String> {
        match (listing, key) {
            (Some(listing), "s3:prefix") => Some(listing.prefix.to_owned()),
            (Some(listing), "s3:delimiter") => Some(listing.delimiter.to_owned()),
            (Some(listing), "s3:max-keys") => Some(listing.count_max.to_string()),
            (_, _) => self.grounds.context.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone()),
        }
    }
}

/// The actions that a bucket's policy cannot take from the bucket's owner.
fn decides_bucket_policy(action: &str) -> bool {
    ["s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy"].contains(&action)
}

#[cfg(test)]
mod tests;
