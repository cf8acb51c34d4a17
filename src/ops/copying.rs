//! What CopyObject and UploadPartCopy share: their source, its digests, and its bytes for another record.
//!
//! - Extents in files are shared: each reference counts as a holder of the blob. Holders are added in a commit
//!   that checks that the source still stands, so its own reference is alive and the blob is not being removed.
//! - Extents in the index have one holder each, so they are duplicated.
//! - What is in too many pieces to share in one commit is read and written as a blob of its own.

use super::{
    Admitted, Gateway,
    conditions::check_copy_source,
    content::{ContentReader, ExtentWalk, inline_bytes},
    gateway::{blob_failure, decode},
    ingest::{self, BodySlot, Received},
    publish::{Batch, ObjectSlot},
    readers::Reading,
    symlink::Followed,
};
use crate::{
    blob::{BlobError, BlobId, Staging},
    digest::{BodyDigest, BodyDigests},
    meta::{
        Check, Write, keys,
        record::{BlobRecord, Extent, ObjectRecord, Place, Record},
    },
    model::*,
    space::Store,
};
use bytes::Bytes;
use std::{collections::BTreeMap, sync::Arc};

/// How often a source may change while a copy that shares its bytes is made. After that it is rewritten, which needs no
/// luck: a log that is always appended to can be copied, too.
const SHARING_TRIES_MAX: usize = 3;

/// Bytes in the index that one copy may duplicate.
const INLINE_COPY_BYTES_MAX: u64 = 1 << 20;

/// The source of a copy, as it was read: through the link, if it is one.
pub(super) struct CopySource {
    slots: Vec<ObjectSlot>,
    pub(super) object: ObjectRecord,
    _reading: Reading,
}

/// The bytes of a source, ready for another record.
pub(super) enum CopiedBytes {
    /// To be shared by the commit, as long as the source stands.
    Shared(Vec<Extent>),
    /// Written anew: the source does not matter any more.
    Rewritten(Received),
}

/// A copy before its commit.
pub(super) struct Copied {
    /// The digests, when they were asked for.
    pub(super) digests: Option<BodyDigests>,
    pub(super) bytes: CopiedBytes,
}

/// How many extents a copy may share, which has lost its source so often.
pub(super) fn shared_extent_count(losses: usize, count_max: usize) -> usize {
    if losses < SHARING_TRIES_MAX { count_max } else { 0 }
}

impl CopySource {
    /// Whether what stands in this slot is copied, or leads to what is.
    pub(super) fn is_in(&self, slot: &ObjectSlot) -> bool {
        self.slots.iter().any(|source| source.is_same(slot))
    }

    /// Whether it stands as it was read.
    pub(super) fn unchanged(&self) -> Vec<Check> {
        self.slots.iter().map(ObjectSlot::unchanged).collect()
    }
}

impl Gateway {
    /// The source of a copy, if its conditions hold.
    pub(super) async fn copy_source(
        &self,
        source: &ObjectRef,
        conditions: &ReadConditions,
        admitted: &Admitted,
    ) -> Result<CopySource, Failure> {
        let reading = self.begin_reading();
        let bucket = self.load_bucket(&source.bucket).await?;
        let Followed { object, slots, .. } = self.follow(bucket.record.id, &source.key, admitted).await?;
        check_copy_source(conditions, &object)?;
        Ok(CopySource { slots, object, _reading: reading })
    }

    /// Whether a source is still as it was read; if not, everything said about it must be looked at again.
    pub(super) async fn still_stands(&self, source: &CopySource) -> Result<bool, Failure> {
        for slot in &source.slots {
            if !self.slot_stands(slot).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The bytes of a range of the source and, when asked for, their digests. A content of more than
    /// `extent_count_max` extents is rewritten.
    pub(super) async fn copy_bytes(
        &self,
        source: &CopySource,
        range: ByteRange,
        mut digest: Option<BodyDigest>,
        extent_count_max: usize,
    ) -> Result<Copied, Failure> {
        let shared = self.shareable(&source.object, range, extent_count_max).await.map_err(blob_failure)?;
        if let (Some(extents), None) = (&shared, &digest) {
            return Ok(Copied { digests: None, bytes: CopiedBytes::Shared(extents.clone()) });
        }
        let slot = self.bodies.take()?;
        let mut reader = self.read_content(&source.object.content, range).await.map_err(blob_failure)?;
        let bytes = match shared {
            Some(extents) => {
                pump(&mut reader, &slot, digest.as_mut(), None).await?;
                CopiedBytes::Shared(extents)
            }
            None => {
                let admission = self.admit(Store::Blobs, range.size())?;
                let mut staging = self.blobs.stage(self.new_blob_id(), Some(range.size())).await.map_err(blob_failure)?;
                pump(&mut reader, &slot, digest.as_mut(), Some(&mut *staging)).await?;
                admission.is_used();
                CopiedBytes::Rewritten(Received::Staged(staging))
            }
        };
        Ok(Copied { digests: digest.map(BodyDigest::finish), bytes })
    }

    /// The extents of a range, unless they are more than one commit should share.
    async fn shareable(&self, source: &ObjectRecord, range: ByteRange, count_max: usize) -> Result<Option<Vec<Extent>>, BlobError> {
        let mut walk = ExtentWalk::new(Arc::clone(&self.kv), &source.content, range);
        let mut extents = Vec::new();
        let mut inline_size = 0_u64;
        while let Some(extent) = walk.next().await? {
            if extent.place == Place::Index {
                inline_size = inline_size.saturating_add(extent.size);
            }
            if extents.len() == count_max || inline_size > INLINE_COPY_BYTES_MAX {
                return Ok(None);
            }
            extents.push(extent);
        }
        Ok(Some(extents))
    }

    /// Adds to a commit that these extents of a source get another holder; returns the extents to refer to.
    /// `None` when they are gone, because the source does not stand any more.
    pub(super) async fn share(&self, batch: &mut Batch, extents: &[Extent]) -> Result<Option<Vec<Extent>>, Failure> {
        let mut references = BTreeMap::<BlobId, u32>::new();
        let mut shared = Vec::with_capacity(extents.len());
        for &extent in extents {
            shared.push(match extent.place {
                Place::File => {
                    *references.entry(extent.blob).or_default() += 1;
                    extent
                }
                Place::Index => {
                    let bytes = match inline_bytes(&*self.kv, extent).await {
                        Ok(bytes) => bytes,
                        Err(BlobError::Missing(_)) => return Ok(None),
                        Err(error) => return Err(blob_failure(error)),
                    };
                    let blob = self.new_blob_id();
                    batch.writes.push(Write::Put(keys::inline_data(blob), bytes));
                    Extent { blob, offset: 0, ..extent }
                }
            });
        }
        for (blob, count) in references {
            let row = keys::blob(blob);
            let Some(value) = self.get(&row).await? else { return Ok(None) };
            let record: BlobRecord = decode(&value)?;
            let holders = record.holders.checked_add(count).ok_or(Failure::SlowDown)?;
            batch.checks.push(Check::Equals(row.clone(), value));
            batch.writes.push(Write::Put(row, BlobRecord { holders, ..record }.encode()));
        }
        Ok(Some(shared))
    }
}

/// Reads to the end, a batch at a time, and digests and writes what is read.
async fn pump(
    reader: &mut ContentReader,
    slot: &BodySlot,
    mut digest: Option<&mut BodyDigest>,
    mut staging: Option<&mut dyn Staging>,
) -> Result<(), Failure> {
    loop {
        let room = slot.room();
        let batch = next_batch(reader, room.size).await.map_err(blob_failure)?;
        if batch.is_empty() {
            return Ok(());
        }
        let write = async {
            match &mut staging {
                Some(staging) => staging.append(batch.clone()).await.map_err(blob_failure),
                None => Ok(()),
            }
        };
        match &mut digest {
            Some(digest) => tokio::try_join!(ingest::add(digest, &batch), write).map(|((), ())| ())?,
            None => write.await?,
        }
    }
}

async fn next_batch(reader: &mut ContentReader, size_target: u64) -> Result<Vec<Bytes>, BlobError> {
    let mut batch = Vec::new();
    let mut size = 0;
    while size < size_target {
        let Some(bytes) = reader.next().await? else { break };
        size += bytes.len() as u64;
        batch.push(bytes);
    }
    Ok(batch)
}
