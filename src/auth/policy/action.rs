//! Which permissions an operation needs (Service Authorization Reference, "Actions, resources, and condition keys for
//! Amazon S3").

use super::pattern::Pattern;
use crate::model::{AbsentConfiguration, Acl, Attributes, Bucket, Directive, ObjectRef, Operation, Tags};

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
        Operation::CreateBucket(create) => {
            let mut permissions = one("s3:CreateBucket", Target::NewBucket(&create.bucket));
            if create.acl != Acl::Private {
                permissions.extend(one("s3:PutBucketAcl", Target::NewBucket(&create.bucket)));
            }
            permissions
        }
        Operation::HeadBucket(bucket) => one("s3:ListBucket", Target::Bucket(bucket)),
        Operation::DeleteBucket(bucket) => one("s3:DeleteBucket", Target::Bucket(bucket)),
        Operation::GetBucketInfo(bucket) => one("oss:GetBucketInfo", Target::Bucket(bucket)),
        Operation::GetBucketStat(bucket) => one("oss:GetBucketStat", Target::Bucket(bucket)),
        Operation::GetBucketLocation(bucket) => one("s3:GetBucketLocation", Target::Bucket(bucket)),
        Operation::GetBucketVersioning(bucket) => one("s3:GetBucketVersioning", Target::Bucket(bucket)),
        Operation::GetBucketAcl(bucket) => one("s3:GetBucketAcl", Target::Bucket(bucket)),
        Operation::PutBucketAcl(bucket, _) => one("s3:PutBucketAcl", Target::Bucket(bucket)),
        Operation::GetBucketLifecycle(bucket) => one("s3:GetLifecycleConfiguration", Target::Bucket(bucket)),
        Operation::PutBucketLifecycle(bucket, _) | Operation::DeleteBucketLifecycle(bucket) => {
            one("s3:PutLifecycleConfiguration", Target::Bucket(bucket))
        }
        Operation::GetBucketReferer(bucket) => one("oss:GetBucketReferer", Target::Bucket(bucket)),
        Operation::PutBucketReferer(bucket, _) => one("oss:PutBucketReferer", Target::Bucket(bucket)),
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
        Operation::PutObject(put) => writing(&put.object, &put.attributes),
        Operation::GetObject(read) | Operation::HeadObject(read) => one("s3:GetObject", Target::Object(&read.object)),
        Operation::DeleteObject(delete) => one("s3:DeleteObject", Target::Object(&delete.object)),
        Operation::CopyObject(copy) => match &copy.tags {
            Directive::Copy => writing_with(&copy.target, &Tags::default(), copy.acl),
            Directive::Replace(tags) => writing_with(&copy.target, tags, copy.acl),
        },
        Operation::GetObjectAttributes(read) => {
            let mut permissions = one("s3:GetObject", Target::Object(&read.object));
            permissions.extend(one("s3:GetObjectAttributes", Target::Object(&read.object)));
            permissions
        }
        Operation::AppendObject(append) => writing(&append.object, &append.attributes),
        Operation::PutSymlink(link) => writing(&link.object, &link.attributes),
        Operation::GetSymlink(object) => one("s3:GetObject", Target::Object(object)),
        Operation::PutObjectAcl(object, _) => one("s3:PutObjectAcl", Target::Object(object)),
        Operation::GetObjectAcl(object) => one("s3:GetObjectAcl", Target::Object(object)),
        Operation::GetObjectTagging(object) => one("s3:GetObjectTagging", Target::Object(object)),
        Operation::PutObjectTagging(object, _) => one("s3:PutObjectTagging", Target::Object(object)),
        Operation::DeleteObjectTagging(object) => one("s3:DeleteObjectTagging", Target::Object(object)),
        Operation::CreateMultipartUpload(create) => writing(&create.object, &create.attributes),
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

fn writing<'a>(object: &'a ObjectRef, attributes: &Attributes) -> Vec<Permission<'a>> {
    writing_with(object, &attributes.tags, attributes.acl)
}

/// To keep an object from everybody, whoever may write it needs no further permission; to open it to everybody, he does.
fn writing_with<'a>(object: &'a ObjectRef, tags: &Tags, acl: Option<Acl>) -> Vec<Permission<'a>> {
    let mut permissions = one("s3:PutObject", Target::Object(object));
    if !tags.0.is_empty() {
        permissions.extend(one("s3:PutObjectTagging", Target::Object(object)));
    }
    match acl {
        None | Some(Acl::Private) => {}
        Some(Acl::PublicRead | Acl::PublicReadWrite) => permissions.extend(one("s3:PutObjectAcl", Target::Object(object))),
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

fn reading(configuration: AbsentConfiguration) -> &'static str {
    match configuration {
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

/// Whether a lower-case name or pattern stands for any action of S3. One that does not is a slip of the pen: a Deny of
/// `s3:DeleteObjct` would deny nothing.
pub(super) fn is_known(text: &str, pattern: &Pattern) -> bool {
    // Policies are read for every request, and most of what they name are plain names.
    if text.contains(['*', '?']) { KNOWN.iter().any(|action| pattern.matches(action)) } else { KNOWN.contains(&text) }
}

/// The actions of S3 in lower case, those of features that are not here included: policies written for AWS name them.
const KNOWN: [&str; 85] = [
    "s3:abortmultipartupload",
    "s3:bypassgovernanceretention",
    "s3:createbucket",
    "s3:deletebucket",
    "s3:deletebucketownershipcontrols",
    "s3:deletebucketpolicy",
    "s3:deletebucketwebsite",
    "s3:deleteobject",
    "s3:deleteobjecttagging",
    "s3:deleteobjectversion",
    "s3:deleteobjectversiontagging",
    "s3:getaccelerateconfiguration",
    "s3:getanalyticsconfiguration",
    "s3:getbucketacl",
    "s3:getbucketcors",
    "s3:getbucketlocation",
    "s3:getbucketlogging",
    "s3:getbucketnotification",
    "s3:getbucketobjectlockconfiguration",
    "s3:getbucketownershipcontrols",
    "s3:getbucketpolicy",
    "s3:getbucketpolicystatus",
    "s3:getbucketpublicaccessblock",
    "s3:getbucketrequestpayment",
    "s3:getbuckettagging",
    "s3:getbucketversioning",
    "s3:getbucketwebsite",
    "s3:getencryptionconfiguration",
    "s3:getintelligenttieringconfiguration",
    "s3:getinventoryconfiguration",
    "s3:getlifecycleconfiguration",
    "s3:getmetricsconfiguration",
    "s3:getobject",
    "s3:getobjectacl",
    "s3:getobjectattributes",
    "s3:getobjectlegalhold",
    "s3:getobjectretention",
    "s3:getobjecttagging",
    "s3:getobjecttorrent",
    "s3:getobjectversion",
    "s3:getobjectversionacl",
    "s3:getobjectversionattributes",
    "s3:getobjectversionforreplication",
    "s3:getobjectversiontagging",
    "s3:getobjectversiontorrent",
    "s3:getreplicationconfiguration",
    "s3:initiatereplication",
    "s3:listallmybuckets",
    "s3:listbucket",
    "s3:listbucketmultipartuploads",
    "s3:listbucketversions",
    "s3:listmultipartuploadparts",
    "s3:objectowneroverridetobucketowner",
    "s3:pausereplication",
    "s3:putaccelerateconfiguration",
    "s3:putanalyticsconfiguration",
    "s3:putbucketacl",
    "s3:putbucketcors",
    "s3:putbucketlogging",
    "s3:putbucketnotification",
    "s3:putbucketobjectlockconfiguration",
    "s3:putbucketownershipcontrols",
    "s3:putbucketpolicy",
    "s3:putbucketpublicaccessblock",
    "s3:putbucketrequestpayment",
    "s3:putbuckettagging",
    "s3:putbucketversioning",
    "s3:putbucketwebsite",
    "s3:putencryptionconfiguration",
    "s3:putintelligenttieringconfiguration",
    "s3:putinventoryconfiguration",
    "s3:putlifecycleconfiguration",
    "s3:putmetricsconfiguration",
    "s3:putobject",
    "s3:putobjectacl",
    "s3:putobjectlegalhold",
    "s3:putobjectretention",
    "s3:putobjecttagging",
    "s3:putobjectversionacl",
    "s3:putobjectversiontagging",
    "s3:putreplicationconfiguration",
    "s3:replicatedelete",
    "s3:replicateobject",
    "s3:replicatetags",
    "s3:restoreobject",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_we_ask_for_is_known() {
        let bucket = Bucket::new("bkt").unwrap();
        for configuration in [
            AbsentConfiguration::Website,
            AbsentConfiguration::Encryption,
            AbsentConfiguration::ObjectLock,
            AbsentConfiguration::PublicAccessBlock,
            AbsentConfiguration::OwnershipControls,
            AbsentConfiguration::Replication,
        ] {
            let operation = Operation::GetAbsentBucketConfiguration(bucket.clone(), configuration);
            for permission in permissions(&operation) {
                assert!(KNOWN.contains(&permission.action.to_ascii_lowercase().as_str()), "{}", permission.action);
            }
        }
        for (text, expected) in [("s3:put*", true), ("*", true), ("s3:getobject", true), ("s3:putobjct*", false), ("s3:getobjct", false)] {
            assert_eq!(is_known(text, &Pattern::new(text)), expected, "{text}");
        }
    }
}
