//! What a request asks for, once its dialect has been decoded. Bodies travel beside it.

use super::*;

/// What the client said about the body that follows, so that it can be verified while it arrives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyClaims {
    /// Size of the decoded body in bytes, when told.
    pub size: Option<u64>,
    /// Content-MD5.
    pub md5: Option<[u8; 16]>,
    /// SHA-256 of the body, from the signature's payload hash.
    pub sha256: Option<[u8; 32]>,
    /// A checksum given in a header.
    pub checksum: Option<Checksum>,
    /// x-oss-hash-crc64ecma.
    pub crc64_ecma: Option<u64>,
    /// A checksum announced for the trailer; its value comes after the last byte.
    pub trailer: Option<ChecksumAlgorithm>,
}

impl BodyClaims {
    /// The checksum algorithm the client chose, wherever the value comes.
    #[must_use]
    pub fn checksum_algorithm(&self) -> Option<ChecksumAlgorithm> {
        self.checksum.as_ref().map(Checksum::algorithm).or(self.trailer)
    }
}

/// Copy the source's, or replace by what the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Directive<T> {
    /// Take it from the source.
    Copy,
    /// Use this.
    Replace(T),
}

/// Every operation of both dialects.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are named after the S3 API's operations")]
pub enum Operation {
    ListBuckets(ListBuckets),
    CreateBucket(CreateBucket),
    HeadBucket(Bucket),
    DeleteBucket(Bucket),
    GetBucketInfo(Bucket),
    GetBucketStat(Bucket),
    GetBucketLocation(Bucket),
    GetBucketVersioning(Bucket),
    GetBucketAcl(Bucket),
    PutBucketAcl(Bucket, Acl),
    GetBucketCors(Bucket),
    PutBucketCors(Bucket, CorsConfiguration),
    DeleteBucketCors(Bucket),
    GetBucketPolicy(Bucket),
    GetBucketPolicyStatus(Bucket),
    PutBucketPolicy(Bucket, String),
    DeleteBucketPolicy(Bucket),
    GetBucketTagging(Bucket),
    PutBucketTagging(Bucket, Tags),
    DeleteBucketTagging(Bucket),
    GetBucketLifecycle(Bucket),
    PutBucketLifecycle(Bucket, LifecycleConfiguration),
    DeleteBucketLifecycle(Bucket),
    GetBucketReferer(Bucket),
    PutBucketReferer(Bucket, RefererConfiguration),
    /// A read of bucket configuration that cannot be set here, so is always absent.
    GetAbsentBucketConfiguration(Bucket, AbsentConfiguration),
    ListObjects(ListObjects),
    ListObjectVersions(ListObjectVersions),
    DeleteObjects(DeleteObjects),
    PutObject(PutObject),
    GetObject(ReadObject),
    HeadObject(ReadObject),
    DeleteObject(DeleteObject),
    CopyObject(CopyObject),
    GetObjectAttributes(GetObjectAttributes),
    AppendObject(AppendObject),
    PutSymlink(PutSymlink),
    GetSymlink(ObjectRef),
    GetObjectAcl(ObjectRef),
    /// `None`: as the bucket's.
    PutObjectAcl(ObjectRef, Option<Acl>),
    GetObjectTagging(ObjectRef),
    PutObjectTagging(ObjectRef, Tags),
    DeleteObjectTagging(ObjectRef),
    CreateMultipartUpload(CreateMultipartUpload),
    UploadPart(UploadPart),
    UploadPartCopy(UploadPartCopy),
    CompleteMultipartUpload(CompleteMultipartUpload),
    AbortMultipartUpload(ObjectRef, UploadId),
    ListParts(ListParts),
    ListMultipartUploads(ListMultipartUploads),
}

/// Bucket configuration that does not exist here yet: reading it answers "not configured".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named after S3's sub-resources")]
pub enum AbsentConfiguration {
    Website,
    Encryption,
    ObjectLock,
    PublicAccessBlock,
    OwnershipControls,
    Replication,
    RequestPayment,
    Logging,
    Notification,
    Accelerate,
}

/// S3 ListBuckets, OSS GetService.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListBuckets {
    /// Only names that start so.
    pub prefix: String,
    /// Only names after this one.
    pub after: Option<String>,
    /// Page size.
    pub count_max: usize,
}

/// S3 CreateBucket, OSS PutBucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateBucket {
    /// The new bucket.
    pub bucket: Bucket,
    /// The location constraint the client sent; kept and reported, never acted on.
    pub location: Option<String>,
    /// Who may use it besides its owner; nobody, unless told.
    pub acl: Option<Acl>,
    /// The storage class its objects have unless they say otherwise; kept and reported, never acted on.
    pub storage_class: Option<String>,
    /// Whether it may be the caller's already, as OSS has it: of the class and place that are asked for, if any are; it
    /// then gets the access control list that is asked for, if one is.
    pub may_be_own: bool,
}

/// S3 ListObjects v1 and v2, OSS GetBucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjects {
    /// Where.
    pub bucket: Bucket,
    /// Only keys that start so.
    pub prefix: String,
    /// Keys are rolled up at its first occurrence after the prefix; empty means no rolling up.
    pub delimiter: String,
    /// Only entries (keys and common prefixes) that sort after this; from marker, start-after or token.
    pub after: Option<String>,
    /// Page size: keys and common prefixes together.
    pub count_max: usize,
}

/// S3 ListObjectVersions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListObjectVersions {
    /// Where.
    pub bucket: Bucket,
    /// Only keys that start so.
    pub prefix: String,
    /// As in [`ListObjects`].
    pub delimiter: String,
    /// Only entries that sort after this key.
    pub key_marker: Option<String>,
    /// Page size.
    pub count_max: usize,
}

/// S3 DeleteObjects, OSS DeleteMultipleObjects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObjects {
    /// Where.
    pub bucket: Bucket,
    /// At most 1,000; each with the ETag it must have, when told.
    pub objects: Vec<(ObjectKey, Option<ETagCondition>)>,
}

/// S3 PutObject and POST Object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutObject {
    /// What to write.
    pub object: ObjectRef,
    /// What it carries.
    pub attributes: Attributes,
    /// What must hold for the write to happen.
    pub conditions: WriteConditions,
    /// What the client said about the bytes.
    pub claims: BodyClaims,
    /// Whom to tell of it.
    pub callback: Option<Callback>,
}

/// OSS AppendObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendObject {
    /// What to append to; created by the first append.
    pub object: ObjectRef,
    /// The size it must have. Bytes.
    pub position: u64,
    /// What it carries; only the first append's counts.
    pub attributes: Attributes,
    /// What the client said about the bytes.
    pub claims: BodyClaims,
}

/// OSS PutSymlink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutSymlink {
    /// The link.
    pub object: ObjectRef,
    /// What it stands for, in the same bucket; need not exist.
    pub target: ObjectKey,
    /// What the link itself carries.
    pub attributes: Attributes,
    /// What must hold for the write to happen.
    pub conditions: WriteConditions,
}

/// S3 GetObject and HeadObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadObject {
    /// What to read.
    pub object: ObjectRef,
    /// Which bytes.
    pub selection: Selection,
    /// When.
    pub conditions: ReadConditions,
}

/// S3 DeleteObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteObject {
    /// What to delete.
    pub object: ObjectRef,
    /// If-Match.
    pub if_match: Option<ETagCondition>,
}

/// S3 CopyObject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyObject {
    /// What to copy.
    pub source: ObjectRef,
    /// Conditions on the source; a failed one is 412.
    pub source_conditions: ReadConditions,
    /// Where to.
    pub target: ObjectRef,
    /// Conditions on the target.
    pub conditions: WriteConditions,
    /// System headers and user metadata: x-amz-metadata-directive.
    pub metadata: Directive<(SystemHeaders, UserMetadata)>,
    /// x-amz-tagging-directive.
    pub tags: Directive<Tags>,
    /// Storage class of the copy (never taken from the source).
    pub storage_class: Option<String>,
    /// The copy's own access control list (never taken from the source).
    pub acl: Option<Acl>,
    /// x-amz-checksum-algorithm: compute this one for the copy.
    pub checksum_algorithm: Option<ChecksumAlgorithm>,
}

/// S3 GetObjectAttributes. Which attributes are shown is the dialect's matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetObjectAttributes {
    /// Of what.
    pub object: ObjectRef,
    /// Parts with a higher ordinal than this.
    pub part_number_marker: u32,
    /// Page size.
    pub parts_max: usize,
}

/// S3 CreateMultipartUpload, OSS InitiateMultipartUpload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateMultipartUpload {
    /// What it will become.
    pub object: ObjectRef,
    /// What it will carry.
    pub attributes: Attributes,
    /// The declared checksum algorithm and type; `None` when the client declared none.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// What must hold of the key now; it is not looked at again when the upload is completed.
    pub conditions: WriteConditions,
    /// Whether parts must come 1, 2, 3, … (OSS `sequential`).
    pub sequential: bool,
}

/// S3 and OSS UploadPart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPart {
    /// The upload's object.
    pub object: ObjectRef,
    /// The upload.
    pub upload_id: UploadId,
    /// Which part.
    pub part_number: PartNumber,
    /// What the client said about the bytes.
    pub claims: BodyClaims,
}

/// S3 and OSS UploadPartCopy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadPartCopy {
    /// The upload's object.
    pub object: ObjectRef,
    /// The upload.
    pub upload_id: UploadId,
    /// Which part.
    pub part_number: PartNumber,
    /// What to copy.
    pub source: ObjectRef,
    /// Inclusive first and last offset, first ≤ last; without a last one up to the end. `None` copies all of it.
    pub source_range: Option<(u64, Option<u64>)>,
    /// Conditions on the source; a failed one is 412.
    pub source_conditions: ReadConditions,
}

/// S3 and OSS CompleteMultipartUpload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompleteMultipartUpload {
    /// The upload's object.
    pub object: ObjectRef,
    /// The upload.
    pub upload_id: UploadId,
    /// The list as sent; its order is checked after the upload's existence.
    pub parts: Vec<CompletedPart>,
    /// Takes every part there is, by number; `parts` is empty then (`x-oss-complete-all: yes`).
    pub takes_all_parts: bool,
    /// What is wrong with the list beyond what `parts` can say; `parts` does not matter then.
    pub refusal: Option<PartListRefusal>,
    /// Conditions on what stands under the key.
    pub conditions: WriteConditions,
    /// x-amz-mp-object-size.
    pub object_size: Option<u64>,
    /// The value the whole object must have: x-amz-checksum-*. For a composite one the part count
    /// after the dash is checked by the dialect's decoder being given it here.
    pub checksum: Option<ObjectChecksum>,
    /// x-amz-checksum-type.
    pub checksum_type: Option<ChecksumType>,
    /// Whom to tell of it.
    pub callback: Option<Callback>,
}

/// S3 and OSS ListParts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListParts {
    /// The upload's object.
    pub object: ObjectRef,
    /// The upload.
    pub upload_id: UploadId,
    /// Only part numbers above this.
    pub part_number_marker: u32,
    /// Page size.
    pub count_max: usize,
}

/// S3 and OSS ListMultipartUploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListMultipartUploads {
    /// Where.
    pub bucket: Bucket,
    /// Only keys that start so.
    pub prefix: String,
    /// As in [`ListObjects`].
    pub delimiter: String,
    /// Only keys after this one, or with `upload_id_marker` also this key's later uploads.
    pub key_marker: Option<String>,
    /// Ignored without `key_marker`. Text, because one that is no upload id is an error of its own.
    pub upload_id_marker: Option<String>,
    /// Page size: uploads and common prefixes together.
    pub count_max: usize,
}

impl Operation {
    /// Its name in the S3 API, for logs and metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::ListBuckets(_) => "ListBuckets",
            Self::CreateBucket(_) => "CreateBucket",
            Self::HeadBucket(_) => "HeadBucket",
            Self::DeleteBucket(_) => "DeleteBucket",
            Self::GetBucketInfo(_) => "GetBucketInfo",
            Self::GetBucketStat(_) => "GetBucketStat",
            Self::GetBucketLocation(_) => "GetBucketLocation",
            Self::GetBucketVersioning(_) => "GetBucketVersioning",
            Self::GetBucketAcl(_) => "GetBucketAcl",
            Self::PutBucketAcl(..) => "PutBucketAcl",
            Self::GetBucketLifecycle(_) => "GetBucketLifecycle",
            Self::PutBucketLifecycle(..) => "PutBucketLifecycle",
            Self::DeleteBucketLifecycle(_) => "DeleteBucketLifecycle",
            Self::GetBucketReferer(_) => "GetBucketReferer",
            Self::PutBucketReferer(..) => "PutBucketReferer",
            Self::GetBucketCors(_) => "GetBucketCors",
            Self::PutBucketCors(..) => "PutBucketCors",
            Self::DeleteBucketCors(_) => "DeleteBucketCors",
            Self::GetBucketPolicy(_) => "GetBucketPolicy",
            Self::GetBucketPolicyStatus(_) => "GetBucketPolicyStatus",
            Self::PutBucketPolicy(..) => "PutBucketPolicy",
            Self::DeleteBucketPolicy(_) => "DeleteBucketPolicy",
            Self::GetBucketTagging(_) => "GetBucketTagging",
            Self::PutBucketTagging(..) => "PutBucketTagging",
            Self::DeleteBucketTagging(_) => "DeleteBucketTagging",
            Self::GetAbsentBucketConfiguration(..) => "GetBucketConfiguration",
            Self::ListObjects(_) => "ListObjects",
            Self::ListObjectVersions(_) => "ListObjectVersions",
            Self::DeleteObjects(_) => "DeleteObjects",
            Self::PutObject(_) => "PutObject",
            Self::GetObject(_) => "GetObject",
            Self::HeadObject(_) => "HeadObject",
            Self::DeleteObject(_) => "DeleteObject",
            Self::CopyObject(_) => "CopyObject",
            Self::GetObjectAttributes(_) => "GetObjectAttributes",
            Self::AppendObject(_) => "AppendObject",
            Self::PutSymlink(_) => "PutSymlink",
            Self::GetSymlink(_) => "GetSymlink",
            Self::GetObjectAcl(_) => "GetObjectAcl",
            Self::PutObjectAcl(..) => "PutObjectAcl",
            Self::GetObjectTagging(_) => "GetObjectTagging",
            Self::PutObjectTagging(..) => "PutObjectTagging",
            Self::DeleteObjectTagging(_) => "DeleteObjectTagging",
            Self::CreateMultipartUpload(_) => "CreateMultipartUpload",
            Self::UploadPart(_) => "UploadPart",
            Self::UploadPartCopy(_) => "UploadPartCopy",
            Self::CompleteMultipartUpload(_) => "CompleteMultipartUpload",
            Self::AbortMultipartUpload(..) => "AbortMultipartUpload",
            Self::ListParts(_) => "ListParts",
            Self::ListMultipartUploads(_) => "ListMultipartUploads",
        }
    }

    /// Whom to tell when it has succeeded.
    #[must_use]
    pub fn callback(&self) -> Option<&Callback> {
        if let Self::PutObject(PutObject { callback, .. }) | Self::CompleteMultipartUpload(CompleteMultipartUpload { callback, .. }) = self
        {
            callback.as_ref()
        } else {
            None
        }
    }

    /// What the client said about the body, for the operations that take one as a stream.
    pub fn claims_mut(&mut self) -> Option<&mut BodyClaims> {
        match self {
            Self::PutObject(put) => Some(&mut put.claims),
            Self::UploadPart(upload) => Some(&mut upload.claims),
            Self::AppendObject(append) => Some(&mut append.claims),
            Self::ListBuckets(_)
            | Self::CreateBucket(_)
            | Self::HeadBucket(_)
            | Self::DeleteBucket(_)
            | Self::GetBucketInfo(_)
            | Self::GetBucketStat(_)
            | Self::GetBucketLocation(_)
            | Self::GetBucketVersioning(_)
            | Self::GetBucketAcl(_)
            | Self::PutBucketAcl(..)
            | Self::GetBucketLifecycle(_)
            | Self::PutBucketLifecycle(..)
            | Self::DeleteBucketLifecycle(_)
            | Self::GetBucketReferer(_)
            | Self::PutBucketReferer(..)
            | Self::GetBucketCors(_)
            | Self::PutBucketCors(..)
            | Self::DeleteBucketCors(_)
            | Self::GetBucketPolicy(_)
            | Self::GetBucketPolicyStatus(_)
            | Self::PutBucketPolicy(..)
            | Self::DeleteBucketPolicy(_)
            | Self::GetBucketTagging(_)
            | Self::PutBucketTagging(..)
            | Self::DeleteBucketTagging(_)
            | Self::GetAbsentBucketConfiguration(..)
            | Self::ListObjects(_)
            | Self::ListObjectVersions(_)
            | Self::DeleteObjects(_)
            | Self::GetObject(_)
            | Self::HeadObject(_)
            | Self::DeleteObject(_)
            | Self::CopyObject(_)
            | Self::GetObjectAttributes(_)
            | Self::PutSymlink(_)
            | Self::GetSymlink(_)
            | Self::GetObjectAcl(_)
            | Self::PutObjectAcl(..)
            | Self::GetObjectTagging(_)
            | Self::PutObjectTagging(..)
            | Self::DeleteObjectTagging(_)
            | Self::CreateMultipartUpload(_)
            | Self::UploadPartCopy(_)
            | Self::CompleteMultipartUpload(_)
            | Self::AbortMultipartUpload(..)
            | Self::ListParts(_)
            | Self::ListMultipartUploads(_) => None,
        }
    }
}
