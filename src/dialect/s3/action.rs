//! What a request is about, told from its method and sub-resource alone.

use crate::model::{AbsentConfiguration, Bucket, ObjectRef};

/// A target and what to do with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    ListBuckets,
    Bucket(Bucket, BucketAction),
    Object(ObjectRef, ObjectAction),
}

/// What is asked of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BucketAction {
    Create,
    Head,
    Delete,
    Location,
    Versioning,
    Acl,
    PutAcl,
    Lifecycle,
    PutLifecycle,
    DeleteLifecycle,
    Cors,
    PutCors,
    DeleteCors,
    Policy,
    PolicyStatus,
    PutPolicy,
    DeletePolicy,
    Tagging,
    PutTagging,
    DeleteTagging,
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
    Get,
    Head,
    Delete,
    Attributes,
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
