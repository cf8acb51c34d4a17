//! Which permissions an operation needs (Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon S3").

use super::pattern::Pattern;
use crate::model::{AbsentConfiguration, Bucket, Directive, ObjectRef, Operation, Tags};

/// What every S3 resource name starts with.
pub(super) const RESOURCE_PREFIX: &str = "arn:aws:s3:::";

/// An action on a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Permission<'a> {
    /// Spelled as AWS does.
    pub(super) action: &'static str,
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
        Operation::ListBuckets(_) => one("s3:ListAllMyBuckets", Target::Service),
        Operation::CreateBucket(create) => one("s3:CreateBucket", Target::NewBucket(&create.bucket)),
        Operation::HeadBucket(bucket) => one("s3:ListBucket", Target::Bucket(bucket)),
        Operation::DeleteBucket(bucket) => one("s3:DeleteBucket", Target::Bucket(bucket)),
        Operation::GetBucketLocation(bucket) => one("s3:GetBucketLocation", Target::Bucket(bucket)),
        Operation::GetBucketVersioning(bucket) => one("s3:GetBucketVersioning", Target::Bucket(bucket)),
        Operation::GetBucketAcl(bucket) => one("s3:GetBucketAcl", Target::Bucket(bucket)),
        Operation::GetBucketCors(bucket) => one("s3:GetBucketCORS", Target::Bucket(bucket)),
        Operation::PutBucketCors(bucket, _) | Operation::DeleteBucketCors(bucket) => one("s3:PutBucketCORS", Target::Bucket(bucket)),
        Operation::GetBucketPolicy(bucket) => one("s3:GetBucketPolicy", Target::Bucket(bucket)),
        Operation::GetBucketPolicyStatus(bucket) => one("s3:GetBucketPolicyStatus", Target::Bucket(bucket)),
        Operation::PutBucketPolicy(bucket, _) => one("s3:PutBucketPolicy", Target::Bucket(bucket)),
        Operation::DeleteBucketPolicy(bucket) => one("s3:DeleteBucketPolicy", Target::Bucket(bucket)),
        Operation::GetBucketTagging(bucket) => one("s3:GetBucketTagging", Target::Bucket(bucket)),
        Operation::PutBucketTagging(bucket, _) | Operation::DeleteBucketTagging(bucket) => {
            one("s3:PutBucketTagging", Target::Bucket(bucket))
        }
        Operation::GetAbsentBucketConfiguration(bucket, configuration) => one(reading(*configuration), Target::Bucket(bucket)),
        Operation::ListObjects(list) => {
            let listing = Listing { prefix: &list.prefix, delimiter: &list.delimiter, count_max: list.count_max };
            vec![Permission { action: "s3:ListBucket", target: Target::Bucket(&list.bucket), listing: Some(listing) }]
        }
        Operation::ListObjectVersions(list) => {
            let listing = Listing { prefix: &list.prefix, delimiter: &list.delimiter, count_max: list.count_max };
            vec![Permission { action: "s3:ListBucketVersions", target: Target::Bucket(&list.bucket), listing: Some(listing) }]
        }
        Operation::DeleteObjects(_) => vec![],
        Operation::PutObject(put) => writing(&put.object, &put.attributes.tags),
        Operation::GetObject(read) | Operation::HeadObject(read) => one("s3:GetObject", Target::Object(&read.object)),
        Operation::DeleteObject(delete) => one("s3:DeleteObject", Target::Object(&delete.object)),
        Operation::CopyObject(copy) => match &copy.tags {
            Directive::Copy => one("s3:PutObject", Target::Object(&copy.target)),
            Directive::Replace(tags) => writing(&copy.target, tags),
        },
        Operation::GetObjectAttributes(read) => {
            let mut permissions = one("s3:GetObject", Target::Object(&read.object));
            permissions.extend(one("s3:GetObjectAttributes", Target::Object(&read.object)));
            permissions
        }
        Operation::GetObjectAcl(object) => one("s3:GetObjectAcl", Target::Object(object)),
        Operation::GetObjectTagging(object) => one("s3:GetObjectTagging", Target::Object(object)),
        Operation::PutObjectTagging(object, _) => one("s3:PutObjectTagging", Target::Object(object)),
        Operation::DeleteObjectTagging(object) => one("s3:DeleteObjectTagging", Target::Object(object)),
        Operation::CreateMultipartUpload(create) => writing(&create.object, &create.attributes.tags),
        Operation::UploadPart(upload) => one("s3:PutObject", Target::Object(&upload.object)),
        Operation::UploadPartCopy(copy) => one("s3:PutObject", Target::Object(&copy.object)),
        Operation::CompleteMultipartUpload(complete) => one("s3:PutObject", Target::Object(&complete.object)),
        Operation::AbortMultipartUpload(object, _) => one("s3:AbortMultipartUpload", Target::Object(object)),
        Operation::ListParts(list) => one("s3:ListMultipartUploadParts", Target::Object(&list.object)),
        Operation::ListMultipartUploads(list) => one("s3:ListBucketMultipartUploads", Target::Bucket(&list.bucket)),
    }
}

fn one<'a>(action: &'static str, target: Target<'a>) -> Vec<Permission<'a>> {
    vec![Permission { action, target, listing: None }]
}

fn writing<'a>(object: &'a ObjectRef, tags: &Tags) -> Vec<Permission<'a>> {
    let mut permissions = one("s3:PutObject", Target::Object(object));
    if !tags.0.is_empty() {
        permissions.extend(one("s3:PutObjectTagging", Target::Object(object)));
    }
    permissions
}

fn reading(configuration: AbsentConfiguration) -> &'static str {
    match configuration {
        AbsentConfiguration::Lifecycle => "s3:GetLifecycleConfiguration",
        AbsentConfiguration::Website => "s3:GetBucketWebsite",
        AbsentConfiguration::Encryption => "s3:GetEncryptionConfiguration",
        AbsentConfiguration::ObjectLock => "s3:GetBucketObjectLockConfiguration",
        AbsentConfiguration::PublicAccessBlock => "s3:GetBucketPublicAccessBlock",
        AbsentConfiguration::OwnershipControls => "s3:GetBucketOwnershipControls",
        AbsentConfiguration::Accelerate => "s3:GetAccelerateConfiguration",
        AbsentConfiguration::RequestPayment => "s3:GetBucketRequestPayment",
        AbsentConfiguration::Logging => "s3:GetBucketLogging",
        AbsentConfiguration::Notification => "s3:GetBucketNotification",
        AbsentConfiguration::Replication => "s3:GetReplicationConfiguration",
        AbsentConfiguration::RequestPayment => "s3:GetBucketRequestPayment",
        AbsentConfiguration::Logging => "s3:GetBucketLogging",
        AbsentConfiguration::Notification => "s3:GetBucketNotification",
        AbsentConfiguration::Accelerate => "s3:GetAccelerateConfiguration",
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
        | Operation::GetBucketLocation(_)
        | Operation::GetBucketVersioning(_)
        | Operation::GetBucketAcl(_)
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
        | Operation::GetObjectAcl(_)
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

/// Whether a pattern over lower-case names stands for any action of S3. One that does not is a slip of the pen: a Deny of
/// `s3:DeleteObjct` would deny nothing.
pub(super) fn is_known(pattern: &Pattern) -> bool {
    KNOWN.iter().any(|action| pattern.matches(&format!("s3:{}", action.to_ascii_lowercase())))
}

/// The actions of S3, those of features that are not here included: policies written for AWS name them.
const KNOWN: [&str; 85] = [
    "AbortMultipartUpload",
    "BypassGovernanceRetention",
    "CreateBucket",
    "DeleteBucket",
    "DeleteBucketOwnershipControls",
    "DeleteBucketPolicy",
    "DeleteBucketWebsite",
    "DeleteObject",
    "DeleteObjectTagging",
    "DeleteObjectVersion",
    "DeleteObjectVersionTagging",
    "GetAccelerateConfiguration",
    "GetAnalyticsConfiguration",
    "GetBucketAcl",
    "GetBucketCORS",
    "GetBucketLocation",
    "GetBucketLogging",
    "GetBucketNotification",
    "GetBucketObjectLockConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketPolicy",
    "GetBucketPolicyStatus",
    "GetBucketPublicAccessBlock",
    "GetBucketRequestPayment",
    "GetBucketTagging",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetEncryptionConfiguration",
    "GetIntelligentTieringConfiguration",
    "GetInventoryConfiguration",
    "GetLifecycleConfiguration",
    "GetMetricsConfiguration",
    "GetObject",
    "GetObjectAcl",
    "GetObjectAttributes",
    "GetObjectLegalHold",
    "GetObjectRetention",
    "GetObjectTagging",
    "GetObjectTorrent",
    "GetObjectVersion",
    "GetObjectVersionAcl",
    "GetObjectVersionAttributes",
    "GetObjectVersionForReplication",
    "GetObjectVersionTagging",
    "GetObjectVersionTorrent",
    "GetReplicationConfiguration",
    "InitiateReplication",
    "ListAllMyBuckets",
    "ListBucket",
    "ListBucketMultipartUploads",
    "ListBucketVersions",
    "ListMultipartUploadParts",
    "ObjectOwnerOverrideToBucketOwner",
    "PauseReplication",
    "PutAccelerateConfiguration",
    "PutAnalyticsConfiguration",
    "PutBucketAcl",
    "PutBucketCORS",
    "PutBucketLogging",
    "PutBucketNotification",
    "PutBucketObjectLockConfiguration",
    "PutBucketOwnershipControls",
    "PutBucketPolicy",
    "PutBucketPublicAccessBlock",
    "PutBucketRequestPayment",
    "PutBucketTagging",
    "PutBucketVersioning",
    "PutBucketWebsite",
    "PutEncryptionConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutInventoryConfiguration",
    "PutLifecycleConfiguration",
    "PutMetricsConfiguration",
    "PutObject",
    "PutObjectAcl",
    "PutObjectLegalHold",
    "PutObjectRetention",
    "PutObjectTagging",
    "PutObjectVersionAcl",
    "PutObjectVersionTagging",
    "PutReplicationConfiguration",
    "ReplicateDelete",
    "ReplicateObject",
    "ReplicateTags",
    "RestoreObject",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_we_ask_for_is_known() {
        let bucket = Bucket::new("bkt").unwrap();
        for configuration in [
            AbsentConfiguration::Lifecycle,
            AbsentConfiguration::Website,
            AbsentConfiguration::Encryption,
            AbsentConfiguration::ObjectLock,
            AbsentConfiguration::PublicAccessBlock,
            AbsentConfiguration::OwnershipControls,
            AbsentConfiguration::Replication,
        ] {
            let operation = Operation::GetAbsentBucketConfiguration(bucket.clone(), configuration);
            for permission in permissions(&operation) {
                assert!(is_known(&Pattern::new(&permission.action.to_ascii_lowercase())), "{}", permission.action);
            }
        }
        assert!(is_known(&Pattern::new("s3:put*")) && is_known(&Pattern::new("*")));
        assert!(!is_known(&Pattern::new("s3:putobjct*")));
    }
}
