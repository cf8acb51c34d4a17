//! What the index keeps under each key.
//!
//! A value is one byte of format version and then the fields in order (postcard: variable-length
//! integers, length-prefixed text). Model types that appear here are part of the on-disk format:
//! changing one means a new version and a reader for the old. The golden values in the tests fail
//! when a format drifts.

use crate::{
    blob::BlobId,
    meta::{KvError, older},
    model::{
        Account, Acl, Attributes, Checksum, ChecksumAlgorithm, ChecksumType, CorsConfiguration, ETag, KeyRecord, LifecycleConfiguration,
        ObjectChecksum, ObjectKey, ObjectType, PartNumber, RefererConfiguration, Tags, Timestamp, UploadId,
    },
};
use bytes::Bytes;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

pub use super::event::{EventRecord, EventState};

/// Names a bucket's life: a bucket deleted and created again has another, and none of the old rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BucketId(pub [u8; 8]);

/// Names one object's list of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ManifestId(pub [u8; 16]);

/// Orders the uploads of one part number: the highest is the part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision(pub u64);

/// A record with its format version.
pub trait Record: Serialize + DeserializeOwned {
    /// The version written.
    const VERSION: u8;

    /// The value to store.
    fn encode(&self) -> Bytes {
        let mut value = vec![Self::VERSION];
        value = postcard::to_extend(self, value).expect("records hold nothing that postcard cannot write");
        value.into()
    }

    /// Reads the fields of an older version; `None` when there is no such version.
    fn decode_older(_version: u8, _fields: &[u8]) -> Option<Result<Self, postcard::Error>> {
        None
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// [`KvError::Corrupt`] when the version is unknown or the fields do not fit.
    fn decode(value: &[u8]) -> Result<Self, KvError> {
        let corrupt = |why: &dyn std::fmt::Display| KvError::Corrupt(format!("{}: {why}", std::any::type_name::<Self>()));
        match value.split_first() {
            Some((&version, fields)) if version == Self::VERSION => match postcard::take_from_bytes(fields) {
                Ok((record, [])) => Ok(record),
                Ok((_, rest)) => Err(corrupt(&format_args!("{} bytes too many", rest.len()))),
                Err(error) => Err(corrupt(&error)),
            },
            Some((&version, fields)) => match Self::decode_older(version, fields) {
                Some(Ok(record)) => Ok(record),
                Some(Err(error)) => Err(corrupt(&error)),
                None => Err(corrupt(&format_args!("format version {version}"))),
            },
            None => Err(corrupt(&"empty value")),
        }
    }
}

/// A bucket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRecord {
    /// This life of the bucket.
    pub id: BucketId,
    /// Whose it is.
    pub owner: Account,
    /// When it was created.
    pub created: Timestamp,
    /// The location constraint it was created with.
    pub location: Option<String>,
    /// Cross-origin rules.
    pub cors: Option<CorsConfiguration>,
    /// JSON policy document.
    pub policy: Option<String>,
    /// Bucket tags.
    pub tags: Option<Tags>,
    /// Who may use it besides its owner.
    pub acl: Acl,
    /// The storage class it was created with.
    pub storage_class: Option<String>,
    /// Rules that delete objects and end uploads in time.
    pub lifecycle: Option<LifecycleConfiguration>,
    /// Which pages may refer to its objects.
    pub referer: Option<RefererConfiguration>,
    /// Whether callbacks that failed are tried again.
    pub retries_callbacks: bool,
}

/// Where some bytes of a part are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// In a blob file, or in the index (`D` row).
    pub place: Place,
    /// Which blob.
    pub blob: BlobId,
    /// Offset of the first byte in the blob.
    pub offset: u64,
    /// Number of bytes.
    pub size: u64,
}

/// Where a blob's bytes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// In a file of the blob store.
    File,
    /// In the index, for small ones.
    Index,
}

/// One part of an object's content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestPart {
    /// Size in bytes: the sum of its extents.
    pub size: u64,
    /// Its checksum, of the object's algorithm.
    pub checksum: Option<Checksum>,
    /// Its bytes, in order; several when it was copied from parts of another object.
    pub extents: Vec<Extent>,
}

/// An object's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A few parts, here; none for an empty object.
    Here(Vec<ManifestPart>),
    /// Many parts, in [`ManifestChunk`] rows of [`MANIFEST_CHUNK_PARTS`] parts each, the last one shorter.
    Manifest {
        /// Their manifest.
        id: ManifestId,
        /// For each chunk, the object's offset after its last byte.
        chunk_ends: Vec<u64>,
    },
}

/// Parts in a manifest chunk: a ranged read touches one of them.
pub const MANIFEST_CHUNK_PARTS: usize = 256;

/// Up to so many parts stay in the object's own record.
pub const PARTS_HERE_MAX: usize = 4;

/// In whose counters a record stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Charge {
    /// In none yet: it was written before there were counters, and has not been counted since.
    Uncounted,
    /// In its bucket's alone: it was written without an access key, or before there were counters.
    Bucket,
    /// In its bucket's and in those of the access key that wrote it.
    Key(String),
}

impl Charge {
    /// Of what is written with this access key, or without one.
    #[must_use]
    pub fn of(access_key: Option<&str>) -> Self {
        access_key.map_or(Self::Bucket, |access_key| Self::Key(access_key.to_owned()))
    }
}

/// An object: its head and where its bytes are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// Its ETag.
    pub etag: ETag,
    /// Size in bytes.
    pub size: u64,
    /// When it was written.
    pub last_modified: Timestamp,
    /// What it carries.
    pub attributes: Attributes,
    /// Its checksum.
    pub checksum: Option<ObjectChecksum>,
    /// CRC-64/XZ of the content.
    pub crc64_ecma: u64,
    /// How many parts it was completed with; `None` when written in one piece.
    pub part_count: Option<u16>,
    /// Its bytes.
    pub content: Content,
    /// What may be done with it.
    pub kind: ObjectKind,
    /// Whose quota it counts against.
    pub charge: Charge,
}

impl ObjectRecord {
    /// How it came to be.
    #[must_use]
    pub fn object_type(&self) -> ObjectType {
        match (&self.kind, self.part_count) {
            (ObjectKind::Plain, None) => ObjectType::Normal,
            (ObjectKind::Plain, Some(_)) => ObjectType::Multipart,
            (ObjectKind::Appendable, _) => ObjectType::Appendable,
            (ObjectKind::Symlink(_), _) => ObjectType::Symlink,
        }
    }
}

/// What may be done with an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectKind {
    /// It is replaced as a whole.
    Plain,
    /// It may be appended to.
    Appendable,
    /// It stands for the object of this key, and has no bytes of its own.
    Symlink(ObjectKey),
}

/// A run of an object's parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestChunk {
    /// The object's offset at its first byte.
    pub start: u64,
    /// Its parts.
    pub parts: Vec<ManifestPart>,
}

/// An open multipart upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadRecord {
    /// Who began it.
    pub initiator: Account,
    /// When.
    pub initiated: Timestamp,
    /// What the object will carry.
    pub attributes: Attributes,
    /// The declared checksum algorithm and type.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    /// Whether parts must come 1, 2, 3, …
    pub sequential: bool,
    /// Whose quota its parts count against, and the object that they become. [`Charge::Uncounted`] when it was begun before
    /// there were counters: its own counters say then what has been counted of it.
    pub charge: Charge,
}

/// One acknowledged upload of a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartRecord {
    /// MD5 of its bytes: its ETag.
    pub md5: [u8; 16],
    /// Size in bytes.
    pub size: u64,
    /// When it was acknowledged.
    pub last_modified: Timestamp,
    /// The checksum it came with.
    pub checksum: Option<Checksum>,
    /// CRC-64/NVME.
    pub crc64_nvme: u64,
    /// CRC-64/XZ.
    pub crc64_ecma: u64,
    /// Its bytes.
    pub extents: Vec<Extent>,
    /// Whether it stands in its upload's counters; `false` when it was written before there were any and has not been counted
    /// since.
    pub is_counted: bool,
}

/// What a completed upload leaves, so that a replay gets the same answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompletedRecord {
    /// The bucket it was in.
    pub bucket: BucketId,
    /// The key it was for.
    pub key: ObjectKey,
    /// SHA-256 of the list it was completed with.
    pub list_digest: [u8; 32],
    /// The object's ETag.
    pub etag: ETag,
    /// The object's size in bytes.
    pub size: u64,
    /// The object's checksum.
    pub checksum: Option<ObjectChecksum>,
    /// The object's CRC-64/XZ.
    pub crc64_ecma: u64,
}

/// How much a bucket, or an access key, may hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaRecord {
    /// Bytes of objects and of parts of open uploads; `None` for any number.
    pub bytes_max: Option<u64>,
    /// Objects and open uploads; `None` for any number.
    pub objects_max: Option<u64>,
}

/// A live blob file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobRecord {
    /// Size in bytes.
    pub size: u64,
    /// How many extents refer to it, at least 1: parts, objects, and work on the to-do list that has yet to let go.
    pub holders: u32,
}

/// Work that a commit leaves for later. A line is removed in the commit that finishes it, so a crash repeats work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Todo {
    /// An object was overwritten or deleted: let go of its bytes.
    ReleaseContent(Content),
    /// An upload ended: remove its part rows and let go of the bytes of all but the kept parts.
    EndUpload {
        /// The upload.
        upload: UploadId,
        /// The revisions that became the object, ascending; empty after an abort.
        kept: Vec<(PartNumber, Revision)>,
    },
    /// The retention of a completed upload's answer is over.
    ForgetCompleted(UploadId),
}

impl Record for BucketRecord {
    const VERSION: u8 = 2;

    fn decode_older(version: u8, fields: &[u8]) -> Option<Result<Self, postcard::Error>> {
        (version == 1).then(|| older::whole::<older::BucketV1>(fields).map(Self::from))
    }
}
impl Record for ObjectRecord {
    const VERSION: u8 = 3;

    fn decode_older(version: u8, fields: &[u8]) -> Option<Result<Self, postcard::Error>> {
        match version {
            1 => Some(older::whole::<older::ObjectV1>(fields).map(Self::from)),
            2 => Some(older::whole::<older::ObjectV2>(fields).map(Self::from)),
            _ => None,
        }
    }
}
impl Record for ManifestChunk {
    const VERSION: u8 = 1;
}
impl Record for UploadRecord {
    const VERSION: u8 = 3;

    fn decode_older(version: u8, fields: &[u8]) -> Option<Result<Self, postcard::Error>> {
        match version {
            1 => Some(older::whole::<older::UploadV1>(fields).map(Self::from)),
            2 => Some(older::whole::<older::UploadV2>(fields).map(Self::from)),
            _ => None,
        }
    }
}
impl Record for PartRecord {
    const VERSION: u8 = 2;

    fn decode_older(version: u8, fields: &[u8]) -> Option<Result<Self, postcard::Error>> {
        (version == 1).then(|| older::whole::<older::PartV1>(fields).map(Self::from))
    }
}
impl Record for QuotaRecord {
    const VERSION: u8 = 1;
}
impl Record for CompletedRecord {
    const VERSION: u8 = 1;
}
impl Record for BlobRecord {
    const VERSION: u8 = 1;
}
impl Record for Todo {
    const VERSION: u8 = 1;
}
impl Record for KeyRecord {
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests;
