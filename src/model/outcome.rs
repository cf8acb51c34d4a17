//! What came of an operation. Object bytes travel beside it.

use super::*;

/// The answer to an [`Operation`], one variant per shape of answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are named after the operations they answer")]
pub enum Outcome {
    /// Done, with nothing to tell: deletes, aborts, puts of configuration.
    Done,
    ListBuckets {
        owner: Account,
        buckets: Vec<BucketInfo>,
        next: Option<String>,
    },
    CreateBucket,
    HeadBucket(BucketInfo),
    GetBucketInfo(BucketInfo),
    GetBucketStat(BucketStat),
    GetBucketLocation(BucketInfo),
    GetBucketVersioning,
    /// Of a bucket or an object: the owner has full control; `acl` says who else may do what, `None` for an object
    /// that has none of its own.
    Acl {
        owner: Account,
        acl: Option<Acl>,
    },
    Lifecycle(LifecycleConfiguration),
    Referer(RefererConfiguration),
    Cors(CorsConfiguration),
    Policy(String),
    PolicyStatus {
        is_public: bool,
    },
    Tagging(Tags),
    ListObjects(ObjectListing),
    ListObjectVersions(ObjectListing),
    DeleteObjects(Vec<(ObjectKey, Result<(), Failure>)>),
    PutObject {
        etag: ETag,
        checksum: ObjectChecksum,
        size: u64,
        crc64_ecma: u64,
        /// The callback to be made now.
        event: Option<EventId>,
    },
    AppendObject {
        etag: ETag,
        /// Size of the object now, in bytes.
        next_position: u64,
        /// Of the whole object.
        crc64_ecma: u64,
    },
    /// A link that was written or looked at.
    Symlink {
        target: ObjectKey,
        etag: ETag,
        last_modified: Timestamp,
    },
    /// GET: the bytes of `selected` travel beside it.
    GetObject(ObjectRead),
    HeadObject(ObjectRead),
    CopyObject {
        etag: ETag,
        last_modified: Timestamp,
        checksum: Option<ObjectChecksum>,
        crc64_ecma: u64,
    },
    GetObjectAttributes(ObjectAttributesInfo),
    CreateMultipartUpload {
        upload_id: UploadId,
        checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    },
    UploadPart {
        etag: ETag,
        checksum: Option<Checksum>,
        crc64_ecma: u64,
    },
    UploadPartCopy {
        etag: ETag,
        last_modified: Timestamp,
        checksum: Option<Checksum>,
        crc64_ecma: u64,
    },
    CompleteMultipartUpload {
        etag: ETag,
        checksum: Option<ObjectChecksum>,
        size: u64,
        crc64_ecma: u64,
        /// The callback to be made now.
        event: Option<EventId>,
    },
    ListParts(PartListing),
    ListMultipartUploads(UploadListing),
}

impl Outcome {
    /// The callback to be made now.
    #[must_use]
    pub fn event(&self) -> Option<EventId> {
        if let Self::PutObject { event, .. } | Self::CompleteMultipartUpload { event, .. } = self { *event } else { None }
    }
}

/// A bucket as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketInfo {
    /// Its name.
    pub bucket: Bucket,
    /// Whose it is.
    pub owner: Account,
    /// When it was created.
    pub created: Timestamp,
    /// The location constraint it was created with.
    pub location: Option<String>,
    /// Who may use it besides its owner.
    pub acl: Acl,
    /// The storage class it was created with, when not STANDARD.
    pub storage_class: Option<String>,
}

/// What a bucket holds (OSS GetBucketStat).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketStat {
    /// Number of objects.
    pub object_count: u64,
    /// Their bytes.
    pub object_size: u64,
    /// Number of open multipart uploads.
    pub upload_count: u64,
    /// Number of their parts.
    pub part_count: u64,
    /// When this was counted.
    pub counted: Timestamp,
}

/// An object as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectSummary {
    /// Its key.
    pub key: ObjectKey,
    /// Size in bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was written.
    pub last_modified: Timestamp,
    /// Its storage class, when not STANDARD.
    pub storage_class: Option<String>,
    /// Algorithm and type of its checksum.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// How it came to be.
    pub object_type: ObjectType,
}

/// One line of a listing. Lines are in order of their text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry<T> {
    /// A key of its own.
    Item(T),
    /// Keys rolled up at the delimiter.
    CommonPrefix(String),
}

/// A page of objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectListing {
    /// The bucket's owner, who owns every object in it.
    pub owner: Account,
    /// Keys and common prefixes in one order.
    pub entries: Vec<Entry<ObjectSummary>>,
    /// When there is more: the last entry's text, to be given as `after`.
    pub next_after: Option<String>,
}

/// What HEAD tells and GET precedes its bytes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRead {
    /// Size of the whole object in bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was written.
    pub last_modified: Timestamp,
    /// What it carries.
    pub attributes: Attributes,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// CRC-64/XZ of the whole content, which OSS calls crc64ecma.
    pub crc64_ecma: u64,
    /// How many parts it was completed with; `None` for an object written in one piece.
    pub part_count: Option<u16>,
    /// How it came to be. Of a symbolic link: size, ETag, checksums and bytes are the target's, the rest the link's.
    pub object_type: ObjectType,
    /// Which bytes the answer is about.
    pub selected: Selected,
}

/// The bytes a read selected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selected {
    /// All of them: 200.
    Whole,
    /// A range: 206.
    Range(ByteRange),
    /// A part: 206 with the part's own checksum (200 when the object is empty).
    Part {
        /// Its bytes.
        range: ByteRange,
        /// Its checksum, if it has one of the object's algorithm.
        checksum: Option<Checksum>,
    },
}

/// GetObjectAttributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectAttributesInfo {
    /// The object; `selected` is `Whole`.
    pub object: ObjectRead,
    /// The page of parts, for an object that was completed from parts with checksums.
    pub parts: Vec<ObjectPart>,
    /// Whether parts follow.
    pub is_truncated: bool,
}

/// A part of a completed object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPart {
    /// Its part number.
    pub number: u32,
    /// Size in bytes.
    pub size: u64,
    /// Its checksum.
    pub checksum: Option<Checksum>,
}

/// A page of an open upload's parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartListing {
    /// The bucket's owner.
    pub owner: Account,
    /// Who began the upload.
    pub initiator: Account,
    /// The storage class asked for, when not STANDARD.
    pub storage_class: Option<String>,
    /// The declared checksum algorithm and type.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Ascending by number.
    pub parts: Vec<PartSummary>,
    /// Whether parts follow.
    pub is_truncated: bool,
}

/// A part of an open upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSummary {
    /// Its number.
    pub number: PartNumber,
    /// Size in bytes.
    pub size: u64,
    /// Its ETag.
    pub etag: ETag,
    /// When it was acknowledged.
    pub last_modified: Timestamp,
    /// Its checksum.
    pub checksum: Option<Checksum>,
    /// CRC-64/XZ, which OSS lists.
    pub crc64_ecma: u64,
}

/// A page of open uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadListing {
    /// The bucket's owner.
    pub owner: Account,
    /// Uploads and common prefixes, by key and within a key by creation.
    pub entries: Vec<Entry<UploadSummary>>,
    /// When there is more: key marker and upload id marker of the next page. The latter is `None`
    /// after a common prefix.
    pub next: Option<(String, Option<UploadId>)>,
}

/// An open upload as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UploadSummary {
    /// The key it will be completed under.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
    /// Who began it.
    pub initiator: Account,
    /// When.
    pub initiated: Timestamp,
    /// The storage class asked for, when not STANDARD.
    pub storage_class: Option<String>,
    /// The declared checksum algorithm and type.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}
