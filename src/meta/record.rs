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
mod tests {
    use super::*;
    use crate::model::{
        Bucket, Callback, CallbackBodyType, CorsRule, Expiry, KeyStatus, LifecycleRule, Origin, SystemHeaders, UserMetadata,
    };
    use proptest::prelude::*;
    use std::fmt::Debug;

    fn attributes() -> Attributes {
        Attributes {
            acl: None,
            headers: SystemHeaders { content_type: Some("text/plain".into()), ..SystemHeaders::default() },
            user: UserMetadata(vec![("a".into(), b"\xFF".to_vec())]),
            tags: Tags(vec![("t".into(), "v".into())]),
        }
    }

    fn checksum() -> Checksum {
        Checksum::new(ChecksumAlgorithm::Crc32c, vec![1, 2, 3, 4]).unwrap()
    }

    fn parts() -> Vec<ManifestPart> {
        let file = Extent { place: Place::File, blob: BlobId([0xB1; 16]), offset: 0, size: 300 };
        let index = Extent { place: Place::Index, blob: BlobId([0xB2; 16]), offset: 5, size: 1 };
        vec![ManifestPart { size: 301, checksum: Some(checksum()), extents: vec![file, index] }]
    }

    fn number(number: u64) -> PartNumber {
        PartNumber::new(number).unwrap()
    }

    /// A record and the value it has always had. These values are on disks: when a test of them fails,
    /// the format has changed and needs a version of its own and a reader for the old one.
    fn golden<R: Record + PartialEq + Debug>(record: &R, hex: &str) {
        assert_eq!(hex::encode(record.encode()), hex, "{record:?}");
        let value = hex::decode(hex).unwrap();
        assert_eq!(&R::decode(&value).unwrap(), record);
        for size in 0..value.len() {
            assert!(matches!(R::decode(&value[..size]), Err(KvError::Corrupt(_))), "cut to {size} bytes");
        }
        assert!(matches!(R::decode(&[value.as_slice(), &[0]].concat()), Err(KvError::Corrupt(_))), "a byte too many");
        for version in [0, R::VERSION + 1, 0xFF] {
            assert!(matches!(R::decode(&[&[version], &value[1..]].concat()), Err(KvError::Corrupt(_))), "version {version}");
        }
    }

    /// A record and how an earlier version wrote it.
    fn older<R: Record + PartialEq + Debug>(record: &R, hex: &str) {
        let value = hex::decode(hex).unwrap();
        assert_eq!(&R::decode(&value).unwrap(), record);
        for size in 0..value.len() {
            assert!(matches!(R::decode(&value[..size]), Err(KvError::Corrupt(_))), "cut to {size} bytes");
        }
        assert!(matches!(R::decode(&[value.as_slice(), &[0]].concat()), Err(KvError::Corrupt(_))), "a byte too many");
    }

    #[test]
    fn a_bucket_is_stored_as_ever() {
        let plain = BucketRecord {
            retries_callbacks: true,
            storage_class: None,
            acl: crate::model::Acl::Private,
            lifecycle: None,
            referer: None,
            id: BucketId(*b"bucketid"),
            owner: Account::root(),
            created: Timestamp::from_millis(1_700_000_000_000),
            location: None,
            cors: None,
            policy: None,
            tags: None,
        };
        older(&plain, "016275636b6574696404726f6f7480a0abfef96200000000");
        let rule = CorsRule {
            id: None,
            allowed_origins: vec!["*".into()],
            allowed_methods: vec!["GET".into()],
            allowed_headers: vec![],
            expose_headers: vec!["e".into()],
            max_age_secs: Some(300),
        };
        let full = BucketRecord {
            location: Some("l".into()),
            cors: Some(CorsConfiguration { rules: vec![rule] }),
            policy: Some("{}".into()),
            tags: Some(Tags(vec![])),
            ..plain.clone()
        };
        older(&full, "016275636b6574696404726f6f7480a0abfef96201016c01010001012a01034745540001016501ac0201027b7d0100");
        golden(&plain, "026275636b6574696404726f6f7480a0abfef962000000000000000001");
        let rule = LifecycleRule {
            id: Some("r".into()),
            enabled: true,
            prefix: "p/".into(),
            tags: Tags(vec![("t".into(), "v".into())]),
            size_above: Some(1),
            size_below: None,
            expiration: Some(Expiry::Date(Timestamp::from_millis(5))),
            abort_uploads: Some(Expiry::Days(7)),
        };
        let with_rules = BucketRecord {
            acl: Acl::PublicRead,
            storage_class: Some("IA".into()),
            lifecycle: Some(LifecycleConfiguration { rules: vec![rule] }),
            referer: Some(RefererConfiguration {
                allowed: vec!["*.a".into()],
                denied: vec!["b".into()],
                ..RefererConfiguration::default()
            }),
            retries_callbacks: false,
            ..full
        };
        golden(
            &with_rules,
            "026275636b6574696404726f6f7480a0abfef96201016c01010001012a01034745540001016501ac0201027b7d0100010102494101010101720102702f010174017601010001010a0100070101010001032a2e6101016200",
        );
    }

    #[test]
    fn an_object_is_stored_as_ever() {
        let whole = ObjectRecord {
            kind: crate::meta::record::ObjectKind::Plain,
            charge: crate::meta::record::Charge::Uncounted,
            etag: ETag::Whole([0xEE; 16]),
            size: 301,
            last_modified: Timestamp::from_millis(-1),
            attributes: Attributes::default(),
            checksum: Some(ObjectChecksum { value: checksum(), composite_of: None }),
            crc64_ecma: u64::MAX,
            part_count: None,
            content: Content::Here(parts()),
        };
        older(
            &whole,
            "0100eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeead0201000000000000000000000101040102030400ffffffffffffffffff01000001ad02010104010203040200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b20501",
        );
        let multipart = ObjectRecord {
            etag: ETag::Multipart { digest: [0xEE; 16], part_count: 300 },
            attributes: attributes(),
            checksum: Some(ObjectChecksum { value: checksum(), composite_of: Some(300) }),
            crc64_ecma: 0,
            part_count: Some(300),
            content: Content::Manifest { id: ManifestId([0xDD; 16]), chunk_ends: vec![256, 301] },
            ..whole
        };
        older(
            &multipart,
            "0101eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff01017401760101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad02",
        );
        older(
            &multipart,
            "0201eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad0200",
        );
        golden(
            &multipart,
            "0301eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad020000",
        );
        let charge = Charge::Key("AK".to_owned());
        golden(
            &ObjectRecord { charge, ..multipart.clone() },
            "0301eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad02000202414b",
        );
        let attributes = Attributes { acl: Some(Acl::Private), ..Attributes::default() };
        let link = ObjectRecord { attributes, kind: ObjectKind::Symlink(ObjectKey::new("k").unwrap()), ..multipart.clone() };
        older(
            &link,
            "0201eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad02010000000000000000000001000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad0202016b",
        );
        golden(
            &ObjectRecord { charge: Charge::Bucket, ..link },
            "0301eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad02010000000000000000000001000101040102030401ac020001ac0201dddddddddddddddddddddddddddddddd028002ad0202016b01",
        );
        let log = ObjectRecord { kind: ObjectKind::Appendable, content: Content::Here(vec![]), ..multipart };
        older(
            &log,
            "0201eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac02000001",
        );
        golden(
            &ObjectRecord { charge: Charge::Bucket, ..log },
            "0301eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac02ad0201010a746578742f706c61696e0000000000000001016101ff0101740176000101040102030401ac020001ac0200000101",
        );
    }

    #[test]
    fn a_manifest_chunk_is_stored_as_ever() {
        golden(
            &ManifestChunk { start: 128, parts: parts() },
            "01800101ad02010104010203040200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b20501",
        );
    }

    #[test]
    fn an_upload_is_stored_as_ever() {
        let upload = UploadRecord {
            charge: Charge::Uncounted,
            sequential: false,
            initiator: Account::root(),
            initiated: Timestamp::from_millis(1),
            attributes: attributes(),
            checksum: Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite)),
        };
        older(&upload, "0104726f6f7402010a746578742f706c61696e0000000000000001016101ff0101740176010400");
        let sequential = UploadRecord { sequential: true, ..upload };
        older(&sequential, "0204726f6f7402010a746578742f706c61696e0000000000000001016101ff01017401760001040001");
        golden(&sequential, "0304726f6f7402010a746578742f706c61696e0000000000000001016101ff0101740176000104000100");
        golden(
            &UploadRecord { charge: Charge::Key("AK".to_owned()), ..sequential.clone() },
            "0304726f6f7402010a746578742f706c61696e0000000000000001016101ff010174017600010400010202414b",
        );
        golden(
            &UploadRecord { charge: Charge::Bucket, ..sequential },
            "0304726f6f7402010a746578742f706c61696e0000000000000001016101ff0101740176000104000101",
        );
    }

    #[test]
    fn a_part_is_stored_as_ever() {
        let part = PartRecord {
            md5: [0xAA; 16],
            size: 301,
            last_modified: Timestamp::from_millis(2),
            checksum: None,
            crc64_nvme: 3,
            crc64_ecma: 1 << 63,
            extents: parts().remove(0).extents,
            is_counted: false,
        };
        older(
            &part,
            "01aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad02040003808080808080808080010200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b20501",
        );
        golden(
            &part,
            "02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad02040003808080808080808080010200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2050100",
        );
        golden(
            &PartRecord { is_counted: true, ..part },
            "02aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad02040003808080808080808080010200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2050101",
        );
    }

    #[test]
    fn a_quota_is_stored_as_ever() {
        golden(&QuotaRecord { bytes_max: Some(300), objects_max: None }, "0101ac0200");
        golden(&QuotaRecord { bytes_max: None, objects_max: Some(0) }, "01000100");
    }

    #[test]
    fn a_completed_upload_is_stored_as_ever() {
        let completed = CompletedRecord {
            bucket: BucketId(*b"bucketid"),
            key: ObjectKey::new("k/\0").unwrap(),
            list_digest: [0xCC; 32],
            etag: ETag::Multipart { digest: [0xEE; 16], part_count: 2 },
            size: 10,
            checksum: None,
            crc64_ecma: 7,
        };
        golden(
            &completed,
            "016275636b65746964036b2f00cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc01eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee020a0007",
        );
    }

    #[test]
    fn a_blob_is_stored_as_ever() {
        golden(&BlobRecord { size: 1 << 32, holders: 2 }, "01808080801002");
    }

    #[test]
    fn todos_are_stored_as_ever() {
        let upload = UploadId::from_bytes([0x11; 16]);
        golden(
            &Todo::ReleaseContent(Content::Here(parts())),
            "01000001ad02010104010203040200b1b1b1b1b1b1b1b1b1b1b1b1b1b1b1b100ac0201b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b20501",
        );
        golden(
            &Todo::EndUpload { upload, kept: vec![(number(1), Revision(5)), (number(10_000), Revision(u64::MAX))] },
            "010111111111111111111111111111111111020105904effffffffffffffffff01",
        );
        golden(&Todo::ForgetCompleted(upload), "010211111111111111111111111111111111");
    }

    #[test]
    fn an_event_is_stored_as_ever() {
        let event = EventRecord {
            callback: Callback {
                urls: vec!["http://a".into()],
                host: Some("h".into()),
                body: "${object}".into(),
                body_type: CallbackBodyType::Json,
                sni: true,
                variables: vec![("x:a".into(), "1".into())],
            },
            origin: Origin { request_id: "R".into(), client_ip: "::1".into(), authority: "h:1".into() },
            requester: Some(Account::root()),
            operation: "PutObject".into(),
            bucket: Bucket::new("photos").unwrap(),
            key: ObjectKey::new("k").unwrap(),
            etag: ETag::Whole([0xEE; 16]),
            size: 300,
            content_type: None,
            crc64_ecma: 7,
            created: Timestamp::from_millis(1),
            attempts: 2,
            due: Timestamp::from_millis(3),
            last_error: Some("e".into()),
            state: EventState::Delivered(Timestamp::from_millis(4)),
        };
        golden(
            &event,
            "010108687474703a2f2f6101016809247b6f626a6563747d01010103783a6101310152033a3a3103683a310104726f6f74095075744f626a6563740670686f746f73016b00eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeac0200070202060101650108",
        );
    }

    #[test]
    fn an_access_key_is_stored_as_ever() {
        let key = KeyRecord {
            access_key: "AK".into(),
            secret_key: "SK".into(),
            account: Account::root(),
            policy: Some("{}".into()),
            status: KeyStatus::Disabled,
            created: Timestamp::from_millis(4),
        };
        golden(&key, "0102414b02534b04726f6f7401027b7d0108");
    }

    /// Whatever bytes decode also encode again, and none make it panic.
    fn decodes_or_refuses<R: Record + PartialEq + Debug>(value: &[u8]) {
        match R::decode(value) {
            Ok(record) => assert_eq!(R::decode(&record.encode()).unwrap(), record),
            Err(error) => assert!(matches!(error, KvError::Corrupt(_)), "{error}"),
        }
    }

    fn all_decode_or_refuse(value: &[u8]) {
        decodes_or_refuses::<BucketRecord>(value);
        decodes_or_refuses::<ObjectRecord>(value);
        decodes_or_refuses::<ManifestChunk>(value);
        decodes_or_refuses::<UploadRecord>(value);
        decodes_or_refuses::<PartRecord>(value);
        decodes_or_refuses::<CompletedRecord>(value);
        decodes_or_refuses::<BlobRecord>(value);
        decodes_or_refuses::<Todo>(value);
        decodes_or_refuses::<KeyRecord>(value);
    }

    #[test]
    fn a_length_that_lies_is_refused() {
        // A list of 2^63 parts in a few bytes, at the depth of each list.
        for head in ["0100", "010000", "01", "0180", "010001"] {
            let value = hex::decode(format!("{head}ffffffffffffffffff01")).unwrap();
            all_decode_or_refuse(&value);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(value in prop::collection::vec(any::<u8>(), 0..200)) {
            all_decode_or_refuse(&value);
            all_decode_or_refuse(&[&[1], value.as_slice()].concat());
        }

        #[test]
        fn a_flipped_bit_never_panics(bit in 0_usize..8000) {
            let object = Todo::ReleaseContent(Content::Here(parts())).encode();
            let chunk = ManifestChunk { start: 128, parts: parts() }.encode();
            for value in [object, chunk] {
                let mut value = value.to_vec();
                let at = bit / 8 % value.len();
                value[at] ^= 1 << (bit % 8);
                all_decode_or_refuse(&value);
            }
        }
    }
}
