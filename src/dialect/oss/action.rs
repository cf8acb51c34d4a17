//! What a request is about, told from its method and sub-resource alone.

use crate::model::{AbsentConfiguration, Bucket, ObjectRef};

/// A target and what to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Service(ServiceAction),
    Bucket(Bucket, BucketAction),
    Object(ObjectRef, ObjectAction),
}

/// What is asked of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServiceAction {
    ListBuckets,
    DescribeRegions,
}

/// What is asked of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BucketAction {
    Create,
    Delete,
    Info,
    Stat,
    Location,
    Acl,
    PutAcl,
    Cors,
    PutCors,
    DeleteCors,
    Lifecycle,
    PutLifecycle,
    DeleteLifecycle,
    Policy,
    PolicyStatus,
    PutPolicy,
    DeletePolicy,
    Tagging,
    PutTagging,
    DeleteTagging,
    Referer,
    PutReferer,
    Versioning,
    Absent(AbsentConfiguration),
    ListObjects,
    ListObjectsV2,
    ListVersions,
    ListUploads,
    DeleteObjects,
    PostForm,
}

/// What is asked of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ObjectAction {
    Put,
    Copy,
    Append,
    Get,
    Head,
    Meta,
    Delete,
    PutSymlink,
    Symlink,
    Acl,
    PutAcl,
    Tagging,
    PutTagging,
    DeleteTagging,
    CreateUpload,
    UploadPart,
    UploadPartCopy,
    CompleteUpload,
    AbortUpload,
    ListParts,
}
