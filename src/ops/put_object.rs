//! PutObject.
//!
//! Bucket and conditions are checked before the body is asked for, and again by the commit. A caller
//! that hangs up before its last byte leaves nothing behind; after it the write runs on to its end.

use super::{
    Body, Gateway,
    conditions::{check_write, lost_every_race},
    gateway::COMMIT_TRIES_MAX,
    ingest::Ingested,
    publish::{Batch, Stored, Unpublished},
    telling::Telling,
    usage::{Usage, share},
};
use crate::{
    digest::BodyDigests,
    meta::record::{BucketId, Charge, Content, ManifestPart, ObjectKind, ObjectRecord},
    model::*,
};
use std::sync::Arc;

/// An object that has been written.
pub(super) struct Put {
    pub(super) last_modified: Timestamp,
    event: Option<EventId>,
}

impl Gateway {
    pub(super) async fn put_object(
        self: &Arc<Self>,
        operation: &PutObject,
        charge: Charge,
        limits: &Limits,
        body: Box<dyn Body>,
        telling: Option<Telling>,
    ) -> Result<Outcome, Failure> {
        let ObjectRef { bucket, key } = &operation.object;
        let bucket = self.load_bucket(bucket).await?.record.id;
        let slot = self.object_slot(bucket, key).await?;
        check_write(&operation.conditions, key, slot.current.as_ref())?;
        let mut usage = Usage::default();
        usage.replace(bucket, slot.current.as_ref().map(share), Some((&charge, operation.claims.size.unwrap_or(0))));
        self.make_sure_of_room(usage, bucket, &charge).await?;
        let size_max = limits.part_size_bytes_max.min(limits.object_size_bytes_max);
        let ingested = self.ingest(&operation.claims, None, size_max, body).await?;

        let operation = operation.clone();
        self.run_on(|gateway| async move { gateway.put_ingested(bucket, operation, charge, ingested, telling).await }).await
    }

    async fn put_ingested(
        &self,
        bucket: BucketId,
        operation: PutObject,
        charge: Charge,
        ingested: Ingested,
        telling: Option<Telling>,
    ) -> Result<Outcome, Failure> {
        let Ingested { digests, checksum, received } = ingested;
        let stored = self.store(received).await?;
        let checksum = ObjectChecksum { value: checksum.unwrap_or_else(|| digests.crc64_nvme_checksum()), composite_of: None };
        let part = ManifestPart { size: digests.size, checksum: None, extents: stored.extents.clone() };
        let record = ObjectRecord {
            etag: ETag::Whole(digests.md5),
            size: digests.size,
            last_modified: self.now(),
            attributes: operation.attributes,
            checksum: Some(checksum.clone()),
            crc64_ecma: digests.crc64_ecma,
            part_count: None,
            content: Content::Here(if digests.size == 0 { vec![] } else { vec![part] }),
            kind: ObjectKind::Plain,
            charge,
        };
        let published = self.put_stored(bucket, &operation.object, &operation.conditions, record, &stored, telling.as_ref()).await;
        let Put { event, .. } = self.settle(&stored, published).await?;
        let BodyDigests { md5, size, crc64_ecma, .. } = digests;
        Ok(Outcome::PutObject { etag: ETag::Whole(md5), checksum, size, crc64_ecma, event })
    }

    /// Commits an object whose bytes are stored, as often as it takes to win over concurrent writes. `bucket` is the one that
    /// the request began with.
    pub(super) async fn put_stored(
        &self,
        bucket: BucketId,
        object: &ObjectRef,
        conditions: &WriteConditions,
        mut record: ObjectRecord,
        stored: &Stored,
        telling: Option<&Telling>,
    ) -> Result<Put, Unpublished> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let bucket = self.load_same_bucket(&object.bucket, bucket).await?;
            let slot = self.object_slot(bucket.record.id, &object.key).await?;
            check_write(conditions, &object.key, slot.current.as_ref())?;
            record.last_modified = self.now();
            let mut batch = Batch { checks: vec![], writes: stored.rows.clone(), ..Batch::default() };
            self.replace(&mut batch, &bucket, &slot, Some(&record));
            self.keep_quotas(&mut batch.usage, bucket.record.id, &record.charge).await?;
            let event = telling.map(|telling| self.leave_event(&mut batch, telling, object, &record));
            if self.publish(batch).await? {
                return Ok(Put { last_modified: record.last_modified, event });
            }
        }
        Err(Unpublished::Refused(lost_every_race(conditions, &object.key)))
    }
}
