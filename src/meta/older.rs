//! Records as earlier versions wrote them, and how to read them as today's.

use super::record::{BucketId, BucketRecord, Charge, Content, Extent, ObjectKind, ObjectRecord, PartRecord, UploadRecord};
use crate::model::{
    Account, Acl, Attributes, Checksum, ChecksumAlgorithm, ChecksumType, CorsConfiguration, ETag, ObjectChecksum, SystemHeaders, Tags,
    Timestamp, UserMetadata,
};
use serde::{Deserialize, de::DeserializeOwned};

/// Reads a record that takes up all of the fields.
///
/// # Errors
/// When the fields do not fit, or bytes are left.
pub(super) fn whole<T: DeserializeOwned>(fields: &[u8]) -> Result<T, postcard::Error> {
    match postcard::take_from_bytes(fields)? {
        (record, []) => Ok(record),
        (_, _) => Err(postcard::Error::DeserializeBadEncoding),
    }
}

#[derive(Deserialize)]
struct AttributesV1 {
    headers: SystemHeaders,
    user: UserMetadata,
    tags: Tags,
}

impl From<AttributesV1> for Attributes {
    fn from(AttributesV1 { headers, user, tags }: AttributesV1) -> Self {
        Self { headers, user, tags, acl: None }
    }
}

#[derive(Deserialize)]
pub(super) struct BucketV1 {
    id: BucketId,
    owner: Account,
    created: Timestamp,
    location: Option<String>,
    cors: Option<CorsConfiguration>,
    policy: Option<String>,
    tags: Option<Tags>,
}

impl From<BucketV1> for BucketRecord {
    fn from(BucketV1 { id, owner, created, location, cors, policy, tags }: BucketV1) -> Self {
        Self {
            id,
            owner,
            created,
            location,
            cors,
            policy,
            tags,
            acl: Acl::Private,
            storage_class: None,
            lifecycle: None,
            referer: None,
            retries_callbacks: true,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct ObjectV1 {
    etag: ETag,
    size: u64,
    last_modified: Timestamp,
    attributes: AttributesV1,
    checksum: Option<ObjectChecksum>,
    crc64_ecma: u64,
    part_count: Option<u16>,
    content: Content,
}

impl From<ObjectV1> for ObjectRecord {
    fn from(ObjectV1 { etag, size, last_modified, attributes, checksum, crc64_ecma, part_count, content }: ObjectV1) -> Self {
        let attributes = attributes.into();
        let (kind, charge) = (ObjectKind::Plain, Charge::Uncounted);
        Self { etag, size, last_modified, attributes, checksum, crc64_ecma, part_count, content, kind, charge }
    }
}

#[derive(Deserialize)]
pub(super) struct UploadV1 {
    initiator: Account,
    initiated: Timestamp,
    attributes: AttributesV1,
    checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
}

impl From<UploadV1> for UploadRecord {
    fn from(UploadV1 { initiator, initiated, attributes, checksum }: UploadV1) -> Self {
        Self { initiator, initiated, attributes: attributes.into(), checksum, sequential: false, charge: Charge::Uncounted }
    }
}

#[derive(Deserialize)]
pub(super) struct ObjectV2 {
    etag: ETag,
    size: u64,
    last_modified: Timestamp,
    attributes: Attributes,
    checksum: Option<ObjectChecksum>,
    crc64_ecma: u64,
    part_count: Option<u16>,
    content: Content,
    kind: ObjectKind,
}

impl From<ObjectV2> for ObjectRecord {
    fn from(ObjectV2 { etag, size, last_modified, attributes, checksum, crc64_ecma, part_count, content, kind }: ObjectV2) -> Self {
        let charge = Charge::Uncounted;
        Self { etag, size, last_modified, attributes, checksum, crc64_ecma, part_count, content, kind, charge }
    }
}

#[derive(Deserialize)]
pub(super) struct UploadV2 {
    initiator: Account,
    initiated: Timestamp,
    attributes: Attributes,
    checksum: Option<(ChecksumAlgorithm, ChecksumType)>,
    sequential: bool,
}

impl From<UploadV2> for UploadRecord {
    fn from(UploadV2 { initiator, initiated, attributes, checksum, sequential }: UploadV2) -> Self {
        Self { initiator, initiated, attributes, checksum, sequential, charge: Charge::Uncounted }
    }
}

#[derive(Deserialize)]
pub(super) struct PartV1 {
    md5: [u8; 16],
    size: u64,
    last_modified: Timestamp,
    checksum: Option<Checksum>,
    crc64_nvme: u64,
    crc64_ecma: u64,
    extents: Vec<Extent>,
}

impl From<PartV1> for PartRecord {
    fn from(PartV1 { md5, size, last_modified, checksum, crc64_nvme, crc64_ecma, extents }: PartV1) -> Self {
        Self { md5, size, last_modified, checksum, crc64_nvme, crc64_ecma, extents, is_counted: false }
    }
}
