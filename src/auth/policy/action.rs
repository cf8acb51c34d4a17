//! Which permissions an operation needs, as both services name them (Service Authorization Reference, "Actions, resources,
//! and condition keys for Amazon S3"; OSS "RAM policies", "Actions").
//!
//! A document may use either spelling: a pattern is held against both names of a permission. They are kept side by side,
//! because neither service's actions can be told from the other's: OSS has one action for deleting CORS rules, S3 takes
//! the one for writing them.

use crate::model::{AbsentConfiguration, Acl, Attributes, Bucket, Directive, ObjectRef, Operation, Tags};

/// What every S3 resource name starts with.
pub(super) const RESOURCE_PREFIX: &str = "arn:aws:s3:::";

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission<'a> {
    /// Its name in S3. What S3 lacks is named there as in OSS, so that `s3:*` covers it.
    pub(super) action: &'static str,
    /// Its name in OSS.
    pub(super) oss_action: &'static str,
    pub(super) target: Target<'a>,
    /// What a listing asks for, for its condition keys.
    pub(super) listing: Option<Listing<'a>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// The service as a whole.
    Service,
    /// A bucket that is to be created: whose it may be already does not matter for the permission.
    NewBucket(&'a Bucket),
    Bucket(&'a Bucket),
    Object(&'a ObjectRef),
}

/// The values of `s3:prefix`, `s3:delimiter` and `s3:max-keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Listing<'a> {
    pub(super) prefix: &'a str,
    pub(super) delimiter: &'a str,
    pub(super) count_max: usize,
}

impl Target<'_> {
    /// The resource's name.
    pub(super) fn arn(&self) -> String {
        match self {
            Self::Service => format!("{RESOURCE_PREFIX}*"),
            Self::NewBucket(bucket) | Self::Bucket(bucket) => format!("{RESOURCE_PREFIX}{bucket}"),
            Self::Object(object) => format!("{RESOURCE_PREFIX}{}/{}", object.bucket, object.key),
        }
    }
}

/// The permissions an operation needs on its target, all of them. None for `DeleteObjects`, which is judged key by key;
/// the source of a copy is not among them.
pub(super) fn permissions(operation: &Operation) -> Vec<Permission<'_>> {
    match operation {
        Operation::ListBuckets(_) => one("s3:ListAllMyBuckets", "oss:ListBuckets", Target::Service),
        Operation::CreateBucket(create) => {
            let mut permissions = one("s3:CreateBucket", "oss:PutBucket", Target::NewBucket(&create.bucket));
            match create.acl {
                // If it is there, it is its list that would change, about which the bucket's policy has a say.
                Some(_) if create.may_be_own => {
                    permissions.extend(one("s3:PutBucketAcl", "oss:PutBucketAcl", Target::Bucket(&create.bucket)));
                }
                Some(Acl::PublicRead | Acl::PublicReadWrite) => {
                    permissions.extend(one("s3:PutBucketAcl", "oss:PutBucketAcl", Target::NewBucket(&create.bucket)));
                }
                Some(Acl::Private) | None => {}
            }
            permissions
        }
        Operation::HeadBucket(bucket) => one("s3:ListBucket", "oss:ListObjects", Target::Bucket(bucket)),
        Operation::DeleteBucket(bucket) => one("s3:DeleteBucket", "oss:DeleteBucket", Target::Bucket(bucket)),
        Operation::GetBucketInfo(bucket) => one("s3:GetBucketInfo", "oss:GetBucketInfo", Target::Bucket(bucket)),
        Operation::GetBucketStat(bucket) => one("s3:GetBucketStat", "oss:GetBucketStat", Target::Bucket(bucket)),
        Operation::GetBucketLocation(bucket) => one("s3:GetBucketLocation", "oss:GetBucketLocation", Target::Bucket(bucket)),
        Operation::GetBucketVersioning(bucket) => one("s3:GetBucketVersioning", "oss:GetBucketVersioning", Target::Bucket(bucket)),
        Operation::GetBucketAcl(bucket) => one("s3:GetBucketAcl", "oss:GetBucketAcl", Target::Bucket(bucket)),
        Operation::PutBucketAcl(bucket, _) => one("s3:PutBucketAcl", "oss:PutBucketAcl", Target::Bucket(bucket)),
        Operation::GetBucketLifecycle(bucket) => one("s3:GetLifecycleConfiguration", "oss:GetBucketLifecycle", Target::Bucket(bucket)),
        Operation::PutBucketLifecycle(bucket, _) => one("s3:PutLifecycleConfiguration", "oss:PutBucketLifecycle", Target::Bucket(bucket)),
        Operation::DeleteBucketLifecycle(bucket) => {
            one("s3:PutLifecycleConfiguration", "oss:DeleteBucketLifecycle", Target::Bucket(bucket))
        }
        Operation::GetBucketReferer(bucket) => one("s3:GetBucketReferer", "oss:GetBucketReferer", Target::Bucket(bucket)),
        Operation::PutBucketReferer(bucket, _) => one("s3:PutBucketReferer", "oss:PutBucketReferer", Target::Bucket(bucket)),
        Operation::GetBucketCors(bucket) => one("s3:GetBucketCORS", "oss:GetBucketCors", Target::Bucket(bucket)),
        Operation::PutBucketCors(bucket, _) => one("s3:PutBucketCORS", "oss:PutBucketCors", Target::Bucket(bucket)),
        Operation::DeleteBucketCors(bucket) => one("s3:PutBucketCORS", "oss:DeleteBucketCors", Target::Bucket(bucket)),
        Operation::GetBucketPolicy(bucket) => one("s3:GetBucketPolicy", "oss:GetBucketPolicy", Target::Bucket(bucket)),
        Operation::GetBucketPolicyStatus(bucket) => one("s3:GetBucketPolicyStatus", "oss:GetBucketPolicyStatus", Target::Bucket(bucket)),
        Operation::PutBucketPolicy(bucket, _) => one("s3:PutBucketPolicy", "oss:PutBucketPolicy", Target::Bucket(bucket)),
        Operation::DeleteBucketPolicy(bucket) => one("s3:DeleteBucketPolicy", "oss:DeleteBucketPolicy", Target::Bucket(bucket)),
        Operation::GetBucketTagging(bucket) => one("s3:GetBucketTagging", "oss:GetBucketTagging", Target::Bucket(bucket)),
        Operation::PutBucketTagging(bucket, _) => one("s3:PutBucketTagging", "oss:PutBucketTagging", Target::Bucket(bucket)),
        Operation::DeleteBucketTagging(bucket) => one("s3:PutBucketTagging", "oss:DeleteBucketTagging", Target::Bucket(bucket)),
        Operation::GetAbsentBucketConfiguration(bucket, configuration) => {
            let (action, oss_action) = reading(*configuration);
            one(action, oss_action, Target::Bucket(bucket))
        }
        Operation::ListObjects(list) => {
            let listing = Listing { prefix: &list.prefix, delimiter: &list.delimiter, count_max: list.count_max };
            vec![Permission {
                action: "s3:ListBucket",
                oss_action: "oss:ListObjects",
                target: Target::Bucket(&list.bucket),
                listing: Some(listing),
            }]
        }
        Operation::ListObjectVersions(list) => {
            let listing = Listing { prefix: &list.prefix, delimiter: &list.delimiter, count_max: list.count_max };
            vec![Permission {
                action: "s3:ListBucketVersions",
                oss_action: "oss:ListObjectVersions",
                target: Target::Bucket(&list.bucket),
                listing: Some(listing),
            }]
        }
        Operation::DeleteObjects(_) => vec![],
        Operation::PutObject(put) => writing(&put.object, &put.attributes),
        Operation::GetObject(read) | Operation::HeadObject(read) => one("s3:GetObject", "oss:GetObject", Target::Object(&read.object)),
        Operation::DeleteObject(delete) => one("s3:DeleteObject", "oss:DeleteObject", Target::Object(&delete.object)),
        Operation::CopyObject(copy) => match &copy.tags {
            Directive::Copy => writing_with(&copy.target, &Tags::default(), copy.acl),
            Directive::Replace(tags) => writing_with(&copy.target, tags, copy.acl),
        },
        Operation::GetObjectAttributes(read) => {
            let mut permissions = one("s3:GetObject", "oss:GetObject", Target::Object(&read.object));
            permissions.extend(one("s3:GetObjectAttributes", "oss:GetObject", Target::Object(&read.object)));
            permissions
        }
        Operation::AppendObject(append) => writing(&append.object, &append.attributes),
        Operation::PutSymlink(link) => writing(&link.object, &link.attributes),
        Operation::GetSymlink(object) => one("s3:GetObject", "oss:GetObject", Target::Object(object)),
        Operation::PutObjectAcl(object, _) => one("s3:PutObjectAcl", "oss:PutObjectAcl", Target::Object(object)),
        Operation::GetObjectAcl(object) => one("s3:GetObjectAcl", "oss:GetObjectAcl", Target::Object(object)),
        Operation::GetObjectTagging(object) => one("s3:GetObjectTagging", "oss:GetObjectTagging", Target::Object(object)),
        Operation::PutObjectTagging(object, _) => one("s3:PutObjectTagging", "oss:PutObjectTagging", Target::Object(object)),
        Operation::DeleteObjectTagging(object) => one("s3:DeleteObjectTagging", "oss:DeleteObjectTagging", Target::Object(object)),
        Operation::CreateMultipartUpload(create) => writing(&create.object, &create.attributes),
        Operation::UploadPart(upload) => one("s3:PutObject", "oss:PutObject", Target::Object(&upload.object)),
        Operation::UploadPartCopy(copy) => one("s3:PutObject", "oss:PutObject", Target::Object(&copy.object)),
        Operation::CompleteMultipartUpload(complete) => one("s3:PutObject", "oss:PutObject", Target::Object(&complete.object)),
        Operation::AbortMultipartUpload(object, _) => one("s3:AbortMultipartUpload", "oss:AbortMultipartUpload", Target::Object(object)),
        Operation::ListParts(list) => one("s3:ListMultipartUploadParts", "oss:ListParts", Target::Object(&list.object)),
        Operation::ListMultipartUploads(list) => {
            one("s3:ListBucketMultipartUploads", "oss:ListMultipartUploads", Target::Bucket(&list.bucket))
        }
    }
}

fn one<'a>(action: &'static str, oss_action: &'static str, target: Target<'a>) -> Vec<Permission<'a>> {
    vec![Permission { action, oss_action, target, listing: None }]
}

fn writing<'a>(object: &'a ObjectRef, attributes: &Attributes) -> Vec<Permission<'a>> {
    writing_with(object, &attributes.tags, attributes.acl)
}

/// To keep an object from everybody, whoever may write it needs no further permission; to open it to everybody, he does.
fn writing_with<'a>(object: &'a ObjectRef, tags: &Tags, acl: Option<Acl>) -> Vec<Permission<'a>> {
    let mut permissions = one("s3:PutObject", "oss:PutObject", Target::Object(object));
    if !tags.0.is_empty() {
        permissions.extend(one("s3:PutObjectTagging", "oss:PutObjectTagging", Target::Object(object)));
    }
    match acl {
        None | Some(Acl::Private) => {}
        Some(Acl::PublicRead | Acl::PublicReadWrite) => {
            permissions.extend(one("s3:PutObjectAcl", "oss:PutObjectAcl", Target::Object(object)))
        }
    }
    permissions
}

/// Whether an access control list opens an action to everybody (OSS "ACL", S3 "Canned ACL"). Of a bucket it opens the
/// listings to who may read, and none of its configuration to anybody.
pub(super) fn is_opened(acl: Acl, action: &str) -> bool {
    const READS: [&str; 4] = ["s3:GetObject", "s3:ListBucket", "s3:ListBucketVersions", "s3:ListBucketMultipartUploads"];
    const WRITES: [&str; 4] = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"];
    match acl {
        Acl::Private => false,
        Acl::PublicRead => READS.contains(&action),
        Acl::PublicReadWrite => READS.contains(&action) || WRITES.contains(&action),
    }
}

/// S3's name for reading a configuration, and OSS's; where OSS has no such configuration, what it asks for the bucket's others.
fn reading(configuration: AbsentConfiguration) -> (&'static str, &'static str) {
    match configuration {
        AbsentConfiguration::Website => ("s3:GetBucketWebsite", "oss:GetBucketWebsite"),
        AbsentConfiguration::Encryption => ("s3:GetEncryptionConfiguration", "oss:GetBucketEncryption"),
        AbsentConfiguration::ObjectLock => ("s3:GetBucketObjectLockConfiguration", "oss:GetBucketWorm"),
        AbsentConfiguration::PublicAccessBlock => ("s3:GetBucketPublicAccessBlock", "oss:GetBucketPublicAccessBlock"),
        AbsentConfiguration::OwnershipControls => ("s3:GetBucketOwnershipControls", "oss:GetBucketInfo"),
        AbsentConfiguration::Accelerate => ("s3:GetAccelerateConfiguration", "oss:GetBucketTransferAcceleration"),
        AbsentConfiguration::RequestPayment => ("s3:GetBucketRequestPayment", "oss:GetBucketRequestPayment"),
        AbsentConfiguration::Logging => ("s3:GetBucketLogging", "oss:GetBucketLogging"),
        AbsentConfiguration::Notification => ("s3:GetBucketNotification", "oss:GetBucketNotification"),
        AbsentConfiguration::Replication => ("s3:GetReplicationConfiguration", "oss:GetBucketReplication"),
    }
}

/// The object an operation copies from. Its bucket may be another one than the target's, with grounds of its own.
#[must_use]
pub fn copy_source(operation: &Operation) -> Option<&ObjectRef> {
    match operation {
        Operation::CopyObject(copy) => Some(&copy.source),
        Operation::UploadPartCopy(copy) => Some(&copy.source),
        Operation::ListBuckets(_)
        | Operation::CreateBucket(_)
        | Operation::HeadBucket(_)
        | Operation::DeleteBucket(_)
        | Operation::GetBucketInfo(_)
        | Operation::GetBucketStat(_)
        | Operation::GetBucketLocation(_)
        | Operation::GetBucketVersioning(_)
        | Operation::GetBucketAcl(_)
        | Operation::PutBucketAcl(..)
        | Operation::GetBucketLifecycle(_)
        | Operation::PutBucketLifecycle(..)
        | Operation::DeleteBucketLifecycle(_)
        | Operation::GetBucketReferer(_)
        | Operation::PutBucketReferer(..)
        | Operation::GetBucketCors(_)
        | Operation::PutBucketCors(..)
        | Operation::DeleteBucketCors(_)
        | Operation::GetBucketPolicy(_)
        | Operation::GetBucketPolicyStatus(_)
        | Operation::PutBucketPolicy(..)
        | Operation::DeleteBucketPolicy(_)
        | Operation::GetBucketTagging(_)
        | Operation::PutBucketTagging(..)
        | Operation::DeleteBucketTagging(_)
        | Operation::GetAbsentBucketConfiguration(..)
        | Operation::ListObjects(_)
        | Operation::ListObjectVersions(_)
        | Operation::DeleteObjects(_)
        | Operation::PutObject(_)
        | Operation::GetObject(_)
        | Operation::HeadObject(_)
        | Operation::DeleteObject(_)
        | Operation::GetObjectAttributes(_)
        | Operation::AppendObject(_)
        | Operation::PutSymlink(_)
        | Operation::GetSymlink(_)
        | Operation::GetObjectAcl(_)
        | Operation::PutObjectAcl(..)
        | Operation::GetObjectTagging(_)
        | Operation::PutObjectTagging(..)
        | Operation::DeleteObjectTagging(_)
        | Operation::CreateMultipartUpload(_)
        | Operation::UploadPart(_)
        | Operation::CompleteMultipartUpload(_)
        | Operation::AbortMultipartUpload(..)
        | Operation::ListParts(_)
        | Operation::ListMultipartUploads(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::policy::{known::is_known, pattern::Pattern};

    #[test]
    fn every_action_we_ask_for_is_known() {
        let bucket = Bucket::new("bkt").unwrap();
        let of_configurations = [
            AbsentConfiguration::Website,
            AbsentConfiguration::Encryption,
            AbsentConfiguration::ObjectLock,
            AbsentConfiguration::PublicAccessBlock,
            AbsentConfiguration::OwnershipControls,
            AbsentConfiguration::Accelerate,
            AbsentConfiguration::RequestPayment,
            AbsentConfiguration::Logging,
            AbsentConfiguration::Notification,
            AbsentConfiguration::Replication,
        ]
        .map(|configuration| Operation::GetAbsentBucketConfiguration(bucket.clone(), configuration));
        let of_buckets = [
            Operation::HeadBucket,
            Operation::DeleteBucket,
            Operation::GetBucketInfo,
            Operation::GetBucketStat,
            Operation::GetBucketLocation,
            Operation::GetBucketVersioning,
            Operation::GetBucketAcl,
            Operation::GetBucketLifecycle,
            Operation::DeleteBucketLifecycle,
            Operation::GetBucketReferer,
            Operation::GetBucketCors,
            Operation::DeleteBucketCors,
            Operation::GetBucketPolicy,
            Operation::GetBucketPolicyStatus,
            Operation::DeleteBucketPolicy,
            Operation::GetBucketTagging,
            Operation::DeleteBucketTagging,
        ]
        .map(|operation: fn(Bucket) -> Operation| operation(bucket.clone()));
        for operation in of_configurations.iter().chain(&of_buckets) {
            for permission in permissions(operation) {
                for action in [permission.action, permission.oss_action].map(str::to_ascii_lowercase) {
                    assert!(is_known(&action, &Pattern::new(&action)), "{action} of {operation:?}");
                }
            }
        }
    }
}
