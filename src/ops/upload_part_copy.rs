//! UploadPartCopy: a part whose bytes are a range of an object, shared with it where they can be.

use super::{
    Admitted, Gateway,
    copying::{Copied, CopiedBytes, CopySource, shared_extent_count},
    gateway::COMMIT_TRIES_MAX,
    ingest::computed,
    publish::Batch,
    upload_part::{PartSlot, part_record},
};
use crate::{
    digest::BodyDigest,
    meta::record::{Extent, PartRecord},
    model::*,
};
use std::sync::Arc;

/// Extents that a part may share. Completing loads the extents of every part, so this bounds its memory.
const SHARED_EXTENT_COUNT_MAX: usize = 64;

impl Gateway {
    pub(super) async fn upload_part_copy(
        self: &Arc<Self>,
        operation: &UploadPartCopy,
        limits: &Limits,
        admitted: &Admitted,
    ) -> Result<Outcome, Failure> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let slot = self.part_slot(&operation.object, operation.upload_id, operation.part_number).await?;
            let source = self.copy_source(&operation.source, &operation.source_conditions, admitted).await?;
            let range = source_range(operation, source.object.size)?;
            if range.size() > limits.part_size_bytes_max {
                return Err(Failure::CopySourceTooLarge { size_max: limits.part_size_bytes_max });
            }
            self.make_sure_of_room_for_part(&slot, range.size()).await?;
            let declared = slot.upload.record.checksum.map(|(algorithm, _)| algorithm);
            let digest = BodyDigest::new(declared, false);
            let extent_count_max = shared_extent_count(losses, SHARED_EXTENT_COUNT_MAX);
            let Copied { digests, bytes } = self.copy_bytes(&source, range, Some(digest), extent_count_max).await?;
            let Some(digests) = digests else { return Err(Failure::Internal) };
            let part = part_record(&digests, declared.and_then(|algorithm| computed(&digests, algorithm)));
            let part = match bytes {
                CopiedBytes::Shared(extents) => self.publish_shared_part(&slot, &source, part, &extents).await?,
                CopiedBytes::Rewritten(received) => {
                    Some(self.run_on(|gateway| async move { gateway.store_part(&slot, part, received).await }).await?)
                }
            };
            if let Some(PartRecord { md5, last_modified, checksum, crc64_ecma, .. }) = part {
                return Ok(Outcome::UploadPartCopy { etag: ETag::Whole(md5), last_modified, checksum, crc64_ecma });
            }
        }
        Err(Failure::SlowDown)
    }

    /// Commits a part that shares its source's bytes; `None` when the source has changed since it was read.
    async fn publish_shared_part(
        &self,
        slot: &PartSlot,
        source: &CopySource,
        mut part: PartRecord,
        extents: &[Extent],
    ) -> Result<Option<PartRecord>, Failure> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            if !self.still_stands(source).await? {
                return Ok(None);
            }
            let mut batch = Batch { checks: source.unchanged(), ..Batch::default() };
            let Some(shared) = self.share(&mut batch, extents).await? else { continue };
            part.extents = shared;
            part.last_modified = self.now();
            self.add_part(&mut batch, slot, &part).await?;
            if self.publish(batch).await? {
                return Ok(Some(part));
            }
            self.reconsider_part(slot).await?;
        }
        Err(Failure::SlowDown)
    }
}

fn source_range(operation: &UploadPartCopy, size: u64) -> Result<ByteRange, Failure> {
    match operation.source_range {
        None => Ok(ByteRange { start: 0, end: size }),
        Some((first, Some(last))) if first <= last && last < size => Ok(ByteRange { start: first, end: last + 1 }),
        Some((first, None)) if first < size => Ok(ByteRange { start: first, end: size }),
        Some(_) => Err(Failure::CopyRangeInvalid { size }),
    }
}
