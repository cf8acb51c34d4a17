//! CopyObject.
//!
//! The copy is an object in one piece: its ETag is the MD5 of its bytes, which are only read when the
//! source's record does not tell what is needed. Its bytes are shared with the source.

use super::{
    Admitted, Gateway,
    conditions::{check_write, lost_every_race},
    content::content_of,
    copying::{Copied, CopiedBytes, CopySource, shared_extent_count},
    gateway::COMMIT_TRIES_MAX,
    ingest::computed,
    publish::Batch,
    usage::{Usage, share},
};
use crate::{
    digest::{BodyDigest, BodyDigests},
    meta::record::{BucketId, Charge, Content, Extent, ManifestId, ManifestPart, ObjectKind, ObjectRecord},
    model::*,
};
use std::sync::Arc;

/// The largest source of a copy (S3 API Reference, "CopyObject").
const COPY_SIZE_BYTES_MAX: u64 = 5 << 30;

/// Extents that a copy may share; 5 GiB in parts of the smallest size allowed are fewer.
const SHARED_EXTENT_COUNT_MAX: usize = 10_000;

impl Gateway {
    pub(super) async fn copy_object(
        self: &Arc<Self>,
        operation: &CopyObject,
        charge: &Charge,
        admitted: &Admitted,
    ) -> Result<Outcome, Failure> {
        let ObjectRef { bucket: name, key } = &operation.target;
        let mut target = None;
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let source = self.copy_source(&operation.source, &operation.source_conditions, admitted).await?;
            if source.object.size > COPY_SIZE_BYTES_MAX {
                return Err(Failure::CopySourceTooLarge { size_max: COPY_SIZE_BYTES_MAX });
            }
            if changes_nothing(operation, &source.object) {
                return Err(Failure::CopyOntoItself);
            }
            let bucket = self.load_bucket(name).await?.record.id;
            if *target.get_or_insert(bucket) != bucket {
                return Err(Failure::NoSuchBucket(name.clone()));
            }
            let slot = self.object_slot(bucket, key).await?;
            check_write(&operation.conditions, key, slot.current.as_ref())?;
            let mut usage = Usage::default();
            usage.replace(bucket, slot.current.as_ref().map(share), Some((charge, source.object.size)));
            self.make_sure_of_room(usage, bucket, charge).await?;

            let plan = Plan::new(operation, &source.object);
            let range = ByteRange { start: 0, end: source.object.size };
            // A copy onto itself is not to bring back what has been overwritten meanwhile, so it goes on sharing.
            let losses = if source.is_in(&slot) { 0 } else { losses };
            let extent_count_max = shared_extent_count(losses, SHARED_EXTENT_COUNT_MAX);
            let Copied { digests, bytes } = self.copy_bytes(&source, range, plan.digest(), extent_count_max).await?;
            let record = plan.record(operation, charge, &source.object, digests.as_ref());
            let (etag, checksum, crc64_ecma) = (record.etag, record.checksum.clone(), record.crc64_ecma);
            let written = match bytes {
                CopiedBytes::Shared(extents) => self.publish_shared(operation, bucket, &source, record, &extents).await?,
                CopiedBytes::Rewritten(received) => {
                    let (target, conditions) = (operation.target.clone(), operation.conditions.clone());
                    let write = |gateway: Arc<Self>| async move {
                        let stored = gateway.store(received).await?;
                        let record = ObjectRecord { content: Content::Here(parts_of(&stored.extents)), ..record };
                        let published = gateway.put_stored(bucket, &target, &conditions, record, &stored, None).await;
                        Ok(gateway.settle(&stored, published).await?.last_modified)
                    };
                    Some(self.run_on(write).await?)
                }
            };
            if let Some(last_modified) = written {
                return Ok(Outcome::CopyObject { etag, last_modified, checksum, crc64_ecma });
            }
        }
        Err(lost_every_race(&operation.conditions, &operation.target.key))
    }

    /// Commits a copy that shares its source's bytes; `None` when the source has changed since it was read.
    async fn publish_shared(
        &self,
        operation: &CopyObject,
        target: BucketId,
        source: &CopySource,
        mut record: ObjectRecord,
        extents: &[Extent],
    ) -> Result<Option<Timestamp>, Failure> {
        let ObjectRef { bucket, key } = &operation.target;
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            if !self.still_stands(source).await? {
                return Ok(None);
            }
            let bucket = self.load_same_bucket(bucket, target).await?;
            let slot = self.object_slot(bucket.record.id, key).await?;
            check_write(&operation.conditions, key, slot.current.as_ref())?;
            let mut batch = Batch { checks: source.unchanged(), ..Batch::default() };
            let Some(shared) = self.share(&mut batch, extents).await? else { continue };
            let (content, rows) = content_of(parts_of(&shared), ManifestId(self.random()));
            batch.writes.extend(rows);
            record.content = content;
            record.last_modified = self.now();
            self.replace(&mut batch, &bucket, &slot, Some(&record));
            self.keep_quotas(&mut batch.usage, bucket.record.id, &record.charge).await?;
            if self.publish(batch).await? {
                return Ok(Some(record.last_modified));
            }
        }
        Err(lost_every_race(&operation.conditions, key))
    }
}

/// A copy has no parts that a client could ask for, so each extent is one.
fn parts_of(extents: &[Extent]) -> Vec<ManifestPart> {
    extents.iter().map(|&extent| ManifestPart { size: extent.size, checksum: None, extents: vec![extent] }).collect()
}

fn changes_nothing(operation: &CopyObject, source: &ObjectRecord) -> bool {
    let class_changes = operation.storage_class.is_some() && operation.storage_class != source.attributes.headers.storage_class;
    let checksum_changes =
        operation.checksum_algorithm.is_some_and(|wanted| source.checksum.as_ref().is_none_or(|has| has.value.algorithm() != wanted));
    operation.source == operation.target
        && operation.metadata == Directive::Copy
        && operation.tags == Directive::Copy
        && !class_changes
        && (operation.acl.is_none() || operation.acl == source.attributes.acl)
        && !checksum_changes
}

/// What of the copy's record follows from the source's, and what must be computed from the bytes.
struct Plan {
    /// The source's, unless it is not the MD5 of its bytes: that of an object completed from parts or appended to.
    etag: Option<ETag>,
    /// The source's, if it is of the whole object and of the right algorithm.
    checksum: Option<ObjectChecksum>,
    /// The algorithm of the copy's checksum.
    algorithm: ChecksumAlgorithm,
}

impl Plan {
    fn new(operation: &CopyObject, source: &ObjectRecord) -> Self {
        let etag = match (source.etag, &source.kind) {
            (ETag::Whole(_), ObjectKind::Plain) => Some(source.etag),
            (ETag::Whole(_), ObjectKind::Appendable | ObjectKind::Symlink(_)) => None,
            (ETag::Multipart { .. }, ObjectKind::Plain | ObjectKind::Appendable | ObjectKind::Symlink(_)) => None,
        };
        let current = source.checksum.as_ref();
        let algorithm = operation.checksum_algorithm.or(current.map(|checksum| checksum.value.algorithm()));
        let algorithm = algorithm.unwrap_or(ChecksumAlgorithm::Crc64Nvme);
        let fits = |checksum: &&ObjectChecksum| checksum.composite_of.is_none() && checksum.value.algorithm() == algorithm;
        Self { etag, checksum: current.filter(fits).cloned(), algorithm }
    }

    /// What to compute; `None` when nothing is missing.
    fn digest(&self) -> Option<BodyDigest> {
        (self.etag.is_none() || self.checksum.is_none()).then(|| BodyDigest::new(Some(self.algorithm), false))
    }

    fn record(self, operation: &CopyObject, charge: &Charge, source: &ObjectRecord, digests: Option<&BodyDigests>) -> ObjectRecord {
        let computed = || Some(ObjectChecksum { value: computed(digests?, self.algorithm)?, composite_of: None });
        let (mut headers, user) = match &operation.metadata {
            // A redirect belongs to the object that was given it (S3 API Reference, "CopyObject").
            Directive::Copy => {
                let headers = SystemHeaders { website_redirect: None, ..source.attributes.headers.clone() };
                (headers, source.attributes.user.clone())
            }
            Directive::Replace((headers, user)) => (headers.clone(), user.clone()),
        };
        headers.storage_class.clone_from(&operation.storage_class);
        let tags = match &operation.tags {
            Directive::Copy => source.attributes.tags.clone(),
            Directive::Replace(tags) => tags.clone(),
        };
        ObjectRecord {
            etag: self.etag.or_else(|| Some(ETag::Whole(digests?.md5))).unwrap_or(source.etag),
            size: source.size,
            last_modified: source.last_modified,
            attributes: Attributes { headers, user, tags, acl: operation.acl },
            checksum: self.checksum.clone().or_else(computed),
            crc64_ecma: source.crc64_ecma,
            part_count: None,
            content: Content::Here(vec![]),
            kind: ObjectKind::Plain,
            charge: charge.clone(),
        }
    }
}
