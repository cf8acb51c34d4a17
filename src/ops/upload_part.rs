//! UploadPart.
//!
//! A part becomes visible by one commit, which holds only while the upload is open. The last upload of
//! a part number to commit is the part; a part that commits after its upload ended gets `NoSuchUpload`.
//! A caller that hangs up before its last byte leaves nothing behind; after it the part is recorded.

use super::{
    Body, Gateway,
    gateway::COMMIT_TRIES_MAX,
    ingest::{Ingested, Received, computed},
    pages::Pages,
    publish::{Batch, LoadedUpload, Stored, Unpublished},
    usage::Usage,
};
use crate::{
    digest::BodyDigests,
    meta::{
        Check, Write, keys,
        record::{PartRecord, Record, Revision, UploadRecord},
    },
    model::*,
};
use std::{ops::Range, sync::Arc};

/// A part number of an open upload.
pub(super) struct PartSlot {
    pub(super) upload: LoadedUpload,
    pub(super) id: UploadId,
    pub(super) number: PartNumber,
}

impl Gateway {
    pub(super) async fn upload_part(
        self: &Arc<Self>,
        operation: &UploadPart,
        limits: &Limits,
        body: Box<dyn Body>,
    ) -> Result<Outcome, Failure> {
        let slot = self.part_slot(&operation.object, operation.upload_id, operation.part_number).await?;
        let claimed = operation.claims.checksum_algorithm();
        let declared = declared_algorithm(&slot.upload.record, claimed)?;
        self.make_sure_of_room_for_part(&slot, operation.claims.size.unwrap_or(0)).await?;
        let ingested = self.ingest(&operation.claims, declared, limits.part_size_bytes_max, body).await?;

        let Ingested { digests, checksum, received } = ingested;
        let checksum = checksum.or_else(|| computed(&digests, declared?));
        let part = part_record(&digests, checksum);
        let part = self.run_on(|gateway| async move { gateway.store_part(&slot, part, received).await }).await?;
        Ok(Outcome::UploadPart { etag: ETag::Whole(part.md5), checksum: part.checksum, crc64_ecma: part.crc64_ecma })
    }

    /// Makes a part's bytes durable and records it; returns the record.
    pub(super) async fn store_part(&self, slot: &PartSlot, mut part: PartRecord, received: Received) -> Result<PartRecord, Failure> {
        let stored = self.store(received).await?;
        part.extents = stored.extents.clone();
        let published = self.publish_part(slot, part, &stored).await;
        self.settle(&stored, published).await
    }

    /// Where a part of an open upload goes.
    ///
    /// # Errors
    /// `NoSuchBucket`, `NoSuchUpload`, and `PartNotSequential` for a part of a sequential upload that leaves a gap.
    pub(super) async fn part_slot(&self, object: &ObjectRef, id: UploadId, number: PartNumber) -> Result<PartSlot, Failure> {
        let bucket = self.load_bucket(&object.bucket).await?;
        let upload = self.open_upload(bucket.record.id, &object.key, &id).await?;
        let upload = upload.ok_or_else(|| Failure::NoSuchUpload(id.to_string()))?;
        if upload.record.sequential && !self.follows_a_part(&id, number).await? {
            // The part before it may be missing because the upload has ended.
            return Err(match self.upload_stands(&upload).await? {
                true => Failure::PartNotSequential { number },
                false => Failure::NoSuchUpload(id.to_string()),
            });
        }
        Ok(PartSlot { upload, id, number })
    }

    /// Whether a part may come next in a sequential upload: the first, or one after a part that is there. Parts stay as
    /// long as their upload is open, so this still holds when the part is committed.
    async fn follows_a_part(&self, upload: &UploadId, number: PartNumber) -> Result<bool, Failure> {
        match PartNumber::new(u64::from(number.get()) - 1) {
            None => Ok(true),
            Some(before) => Ok(!self.scan(revisions_from(upload, before, Revision(0)), 1).await?.is_empty()),
        }
    }

    /// Commits a part as the newest of its number, as often as it takes to come after concurrent ones.
    async fn publish_part(&self, slot: &PartSlot, mut part: PartRecord, stored: &Stored) -> Result<PartRecord, Unpublished> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            part.last_modified = self.now();
            let mut batch = Batch { checks: vec![], writes: stored.rows.clone(), ..Batch::default() };
            self.add_part(&mut batch, slot, &part).await?;
            if self.publish(batch).await? {
                return Ok(part);
            }
            self.reconsider_part(slot).await?;
        }
        Err(Unpublished::Refused(Failure::SlowDown))
    }

    /// Adds to a commit that a part becomes the newest of its number, as long as the upload is open.
    pub(super) async fn add_part(&self, batch: &mut Batch, slot: &PartSlot, part: &PartRecord) -> Result<(), Failure> {
        let revision = Revision(self.next_sequence());
        // The first of a number is counted as such, so nobody else may be it.
        let is_first = self.scan(slot.revisions_from(Revision(0)), 1).await?.is_empty();
        let none_from = if is_first { Revision(0) } else { revision };
        batch.checks.push(slot.upload.unchanged());
        batch.checks.push(Check::EmptyRange(slot.revisions_from(none_from)));
        batch.writes.push(Write::Put(keys::part(&slot.id, slot.number, revision), part.encode()));
        let LoadedUpload { bucket, record, .. } = &slot.upload;
        batch.usage.part(*bucket, &record.charge, slot.id, part.size, is_first);
        self.keep_quotas(&mut batch.usage, *bucket, &record.charge).await
    }

    /// Refuses a part that there is no room for now.
    pub(super) async fn make_sure_of_room_for_part(&self, slot: &PartSlot, size: u64) -> Result<(), Failure> {
        let LoadedUpload { bucket, record, .. } = &slot.upload;
        let mut usage = Usage::default();
        usage.part(*bucket, &record.charge, slot.id, size, false);
        self.make_sure_of_room(usage, *bucket, &record.charge).await
    }

    /// After a lost commit: `NoSuchUpload` when the upload has ended; otherwise sees to it that the next
    /// revision is above every one there is, whoever's clock it came from.
    pub(super) async fn reconsider_part(&self, slot: &PartSlot) -> Result<(), Failure> {
        if !self.upload_stands(&slot.upload).await? {
            return Err(Failure::NoSuchUpload(slot.id.to_string()));
        }
        let mut pages = Pages::new(slot.revisions_from(Revision(self.next_sequence())));
        while let Some(page) = pages.next(self).await? {
            if let Some((_, _, revision)) = page.last().and_then(|(row, _)| keys::part_of(row)) {
                self.skip_sequence_to(revision.0);
            }
        }
        Ok(())
    }
}

impl PartSlot {
    /// The rows of the part's revisions from this one up.
    fn revisions_from(&self, revision: Revision) -> Range<Vec<u8>> {
        revisions_from(&self.id, self.number, revision)
    }
}

fn revisions_from(upload: &UploadId, number: PartNumber, revision: Revision) -> Range<Vec<u8>> {
    keys::part(upload, number, revision)..keys::successor(&keys::part(upload, number, Revision(u64::MAX)))
}

/// The record of a part whose bytes have these digests; they are not stored yet.
pub(super) fn part_record(digests: &BodyDigests, checksum: Option<Checksum>) -> PartRecord {
    PartRecord {
        md5: digests.md5,
        size: digests.size,
        last_modified: Timestamp::from_millis(0),
        checksum,
        crc64_nvme: digests.crc64_nvme,
        crc64_ecma: digests.crc64_ecma,
        extents: vec![],
        is_counted: true,
    }
}

/// The algorithm an upload declared, if any, after checking that a part that claims `claimed` may be in it.
///
/// # Errors
/// `ChecksumAlgorithmMismatch` for another algorithm, and for none when the object's checksum is made of the parts'.
fn declared_algorithm(upload: &UploadRecord, claimed: Option<ChecksumAlgorithm>) -> Result<Option<ChecksumAlgorithm>, Failure> {
    let Some((expected, kind)) = upload.checksum else { return Ok(None) };
    let fits = match (claimed, kind) {
        (Some(actual), ChecksumType::Composite | ChecksumType::FullObject) => actual == expected,
        (None, ChecksumType::FullObject) => true,
        (None, ChecksumType::Composite) => false,
    };
    if fits { Ok(Some(expected)) } else { Err(Failure::ChecksumAlgorithmMismatch { expected, actual: claimed }) }
}
