//! AppendObject: an object that grows.
//!
//! - An append is one conditional commit, which adds a part to the object's content. Of two appends at the same
//!   position one wins, and the other is told the object's size.
//! - What is there stays where it is, so readers that began earlier are not disturbed. Only pieces in the index are
//!   joined with what follows them, as long as they are small: a log written line by line is not read line by line.
//! - It counts against whoever wrote the object. The first append does that.
//! - An append touches the object's record and one row of its manifest, whatever the object's size.

use super::{
    Body, Gateway,
    content::{content_of, inline_bytes, load_chunk},
    gateway::{COMMIT_TRIES_MAX, LoadedBucket, blob_failure, index_failure},
    ingest::{Ingested, Received},
    publish::{Batch, ObjectSlot, Stored, Unpublished},
    usage::{Usage, share},
};
use crate::{
    digest::{self, BodyDigests, CrcKind},
    meta::{
        Write, keys,
        record::{
            BucketId, Charge, Content, Extent, MANIFEST_CHUNK_PARTS, ManifestChunk, ManifestId, ManifestPart, ObjectKind, ObjectRecord,
            Place, Record, Todo,
        },
    },
    model::*,
};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// The largest object made by appending (OSS "AppendObject"). Bytes.
const SIZE_BYTES_MAX: u64 = 5 << 30;

/// The longest manifest of an object made by appending: its ends are in the object's record, which every append
/// and every listing reads. 2.5 million pieces fit into it, each larger than what is kept in the index.
const CHUNK_COUNT_MAX: usize = 10_000;

/// A piece in the index is joined with what follows it unless it is more than so many times larger. So the pieces
/// that stay apart get smaller fast, and a byte is copied a few times before its piece is full.
const JOINED_SIZE_RATIO_MAX: u64 = 4;

/// The object as an append leaves it.
struct Grown {
    content: Content,
    /// The rows that change with it.
    rows: Vec<Write>,
    /// Pieces that were joined with others.
    replaced: Vec<ManifestPart>,
}

/// The last pieces of a content, as far as they have a row of their own.
enum Tail {
    Here(Vec<ManifestPart>),
    Chunk { id: ManifestId, chunk_ends: Vec<u64>, chunk: ManifestChunk },
}

impl Gateway {
    pub(super) async fn append_object(
        self: &Arc<Self>,
        operation: &AppendObject,
        charge: Charge,
        limits: &Limits,
        body: Box<dyn Body>,
    ) -> Result<Outcome, Failure> {
        let ObjectRef { bucket, key } = &operation.object;
        let bucket = self.load_bucket(bucket).await?.record.id;
        let slot = self.object_slot(bucket, key).await?;
        check_position(operation, slot.current.as_ref())?;
        let size = operation.position.saturating_add(operation.claims.size.unwrap_or(0));
        let charged = slot.current.as_ref().map_or(&charge, |current| &current.charge);
        let mut usage = Usage::default();
        usage.replace(bucket, slot.current.as_ref().map(share), Some((charged, size)));
        self.make_sure_of_room(usage, bucket, charged).await?;
        let size_max = limits.part_size_bytes_max.min(SIZE_BYTES_MAX.saturating_sub(operation.position));
        let ingested = self.ingest(&operation.claims, None, size_max, body).await?;

        let operation = operation.clone();
        self.run_on(|gateway| async move { gateway.append_ingested(bucket, &operation, charge, ingested).await }).await
    }

    async fn append_ingested(
        &self,
        bucket: BucketId,
        operation: &AppendObject,
        charge: Charge,
        ingested: Ingested,
    ) -> Result<Outcome, Failure> {
        let Ingested { digests, received, .. } = ingested;
        let small = match &received {
            Received::Small(bytes) => Some(bytes.clone()),
            Received::Nothing | Received::Staged(_) => None,
        };
        let stored = self.store(received).await?;
        let published = self.append_stored(bucket, operation, &charge, &digests, &stored, small).await;
        let ObjectRecord { etag, size, crc64_ecma, .. } = self.settle(&stored, published).await?;
        Ok(Outcome::AppendObject { etag, next_position: size, crc64_ecma })
    }

    /// Commits an append whose bytes are stored, unless another one comes first; returns the object.
    async fn append_stored(
        &self,
        bucket_id: BucketId,
        operation: &AppendObject,
        charge: &Charge,
        digests: &BodyDigests,
        stored: &Stored,
        small: Option<Bytes>,
    ) -> Result<ObjectRecord, Unpublished> {
        let ObjectRef { bucket, key } = &operation.object;
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let _reading = self.begin_reading();
            let bucket = self.load_same_bucket(bucket, bucket_id).await?;
            let slot = self.object_slot(bucket.record.id, key).await?;
            check_position(operation, slot.current.as_ref())?;
            let (record, batch) = match &slot.current {
                Some(current) if digests.size == 0 => return Ok(current.clone()),
                Some(current) => {
                    let Grown { content, rows, replaced } = self.grow(&current.content, digests.size, stored, small.clone()).await?;
                    let mut batch = Batch { checks: vec![], writes: rows, ..Batch::default() };
                    if !replaced.is_empty() {
                        self.leave_todo(&mut batch, self.settings.reap_grace_ms, &Todo::ReleaseContent(Content::Here(replaced)));
                    }
                    (appended(current, digests, content, self.now()), batch)
                }
                None => {
                    let parts = if digests.size == 0 { vec![] } else { vec![piece(stored.extents.clone())] };
                    let record = first(operation, charge.clone(), digests, Content::Here(parts), self.now());
                    (record, Batch { checks: vec![], writes: stored.rows.clone(), ..Batch::default() })
                }
            };
            let mut batch = in_place(batch, &bucket, &slot, &record);
            self.keep_quotas(&mut batch.usage, bucket.record.id, &record.charge).await?;
            if self.publish(batch).await? {
                return Ok(record);
            }
        }
        Err(Unpublished::Refused(Failure::SlowDown))
    }

    /// The content with a body at its end.
    async fn grow(&self, content: &Content, size: u64, stored: &Stored, small: Option<Bytes>) -> Result<Grown, Failure> {
        let mut tail = self.tail(content).await?;
        let (joined, replaced) = match small {
            Some(bytes) => self.join(tail.parts(), bytes).await?,
            None => (None, vec![]),
        };
        let (extents, mut rows) = match joined {
            Some((extent, row)) => (vec![extent], vec![row]),
            None => (stored.extents.clone(), stored.rows.clone()),
        };
        let content = match tail {
            Tail::Here(mut parts) => {
                parts.push(piece(extents));
                let (content, chunks) = content_of(parts, ManifestId(self.random()));
                rows.extend(chunks);
                content
            }
            Tail::Chunk { id, mut chunk_ends, mut chunk } => {
                let end = chunk_ends.last().copied().unwrap_or(0).saturating_add(size);
                if chunk.parts.len() < MANIFEST_CHUNK_PARTS {
                    chunk_ends.pop();
                } else {
                    chunk = ManifestChunk { start: chunk_ends.last().copied().unwrap_or(0), parts: vec![] };
                }
                if chunk_ends.len() == CHUNK_COUNT_MAX {
                    return Err(Failure::TooLarge { size: end, size_max: end.saturating_sub(size) });
                }
                let number = u32::try_from(chunk_ends.len()).expect("the chunks of an object are counted above");
                chunk_ends.push(end);
                chunk.parts.push(piece(extents));
                rows.push(Write::Put(keys::manifest_chunk(id, number), chunk.encode()));
                Content::Manifest { id, chunk_ends }
            }
        };
        Ok(Grown { content, rows, replaced })
    }

    async fn tail(&self, content: &Content) -> Result<Tail, Failure> {
        match content {
            Content::Here(parts) => Ok(Tail::Here(parts.clone())),
            Content::Manifest { id, chunk_ends } => {
                let last = u32::try_from(chunk_ends.len().saturating_sub(1)).unwrap_or(u32::MAX);
                let chunk = load_chunk(&*self.kv, *id, last).await.map_err(index_failure)?;
                Ok(Tail::Chunk { id: *id, chunk_ends: chunk_ends.clone(), chunk })
            }
        }
    }

    /// Takes the small pieces off the end of `parts` and joins them with what follows; returns where it is then, and
    /// what was taken. `None` when nothing was.
    async fn join(&self, parts: &mut Vec<ManifestPart>, bytes: Bytes) -> Result<(Option<(Extent, Write)>, Vec<ManifestPart>), Failure> {
        let (mut size, mut joined, mut replaced) = (bytes.len() as u64, vec![bytes], vec![]);
        while let Some(extent) = parts.last().and_then(small_piece) {
            let sum = size.saturating_add(extent.size);
            if sum > self.settings.inline_size_bytes_max || extent.size > size.saturating_mul(JOINED_SIZE_RATIO_MAX) {
                break;
            }
            joined.push(inline_bytes(&*self.kv, extent).await.map_err(blob_failure)?);
            replaced.extend(parts.pop());
            size = sum;
        }
        if replaced.is_empty() {
            return Ok((None, replaced));
        }
        let mut whole = BytesMut::with_capacity(joined.iter().map(Bytes::len).sum());
        joined.iter().rev().for_each(|piece| whole.extend_from_slice(piece));
        let blob = self.new_blob_id();
        let extent = Extent { place: Place::Index, blob, offset: 0, size };
        Ok((Some((extent, Write::Put(keys::inline_data(blob), whole.freeze()))), replaced))
    }
}

impl Tail {
    fn parts(&mut self) -> &mut Vec<ManifestPart> {
        match self {
            Self::Here(parts) => parts,
            Self::Chunk { chunk, .. } => &mut chunk.parts,
        }
    }
}

/// That an object may be appended to where the operation says.
fn check_position(operation: &AppendObject, current: Option<&ObjectRecord>) -> Result<(), Failure> {
    let size = match current {
        None => 0,
        Some(ObjectRecord { kind: ObjectKind::Appendable, size, .. }) => *size,
        Some(ObjectRecord { kind: ObjectKind::Plain | ObjectKind::Symlink(_), .. }) => {
            return Err(Failure::NotAppendable(operation.object.key.clone()));
        }
    };
    if size == operation.position { Ok(()) } else { Err(Failure::AppendPositionMismatch { size }) }
}

/// The commit that replaces an object's record and keeps its bytes.
fn in_place(mut batch: Batch, bucket: &LoadedBucket, slot: &ObjectSlot, record: &ObjectRecord) -> Batch {
    batch.checks.push(bucket.unchanged.clone());
    batch.checks.push(slot.unchanged());
    batch.writes.push(slot.put(record));
    batch.usage.replace(bucket.record.id, slot.current.as_ref().map(share), Some(share(record)));
    batch
}

/// A piece of content that is in the index, all of it.
fn small_piece(part: &ManifestPart) -> Option<Extent> {
    match part.extents.as_slice() {
        [extent] if extent.place == Place::Index => Some(*extent),
        _ => None,
    }
}

fn piece(extents: Vec<Extent>) -> ManifestPart {
    ManifestPart { size: extents.iter().fold(0, |size, extent| extent.size.saturating_add(size)), checksum: None, extents }
}

fn first(operation: &AppendObject, charge: Charge, digests: &BodyDigests, content: Content, now: Timestamp) -> ObjectRecord {
    ObjectRecord {
        etag: ETag::Whole(digests.md5),
        size: digests.size,
        last_modified: now,
        attributes: operation.attributes.clone(),
        checksum: Some(ObjectChecksum { value: digests.crc64_nvme_checksum(), composite_of: None }),
        crc64_ecma: digests.crc64_ecma,
        part_count: None,
        content,
        kind: ObjectKind::Appendable,
        charge,
    }
}

/// The record of an object after an append. The MD5 of the whole would take reading it, so its ETag is the MD5 of the
/// ETag it had and of the MD5 of what was appended, another one after each append, and is marked as made of as many pieces:
/// clients of S3 hold ETags that are not against the content.
fn appended(current: &ObjectRecord, digests: &BodyDigests, content: Content, now: Timestamp) -> ObjectRecord {
    let (before, append_count) = match current.etag {
        ETag::Whole(md5) => (md5, 1),
        ETag::Multipart { digest, part_count } => (digest, part_count),
    };
    let nvme = CrcKind::Crc64Nvme;
    let checksum = current.checksum.as_ref().and_then(|checksum| nvme.from_be_bytes(checksum.value.digest()));
    let checksum = checksum.map(|before| nvme.to_be_bytes(nvme.combine(before, digests.crc64_nvme, digests.size)));
    let checksum = checksum.and_then(|digest| Checksum::new(ChecksumAlgorithm::Crc64Nvme, digest));
    ObjectRecord {
        etag: ETag::Multipart { digest: digest::md5(&[before, digests.md5].concat()), part_count: append_count.saturating_add(1) },
        size: current.size.saturating_add(digests.size),
        last_modified: now,
        attributes: current.attributes.clone(),
        checksum: checksum.map(|value| ObjectChecksum { value, composite_of: None }),
        crc64_ecma: CrcKind::Crc64Ecma.combine(current.crc64_ecma, digests.crc64_ecma, digests.size),
        part_count: None,
        content,
        kind: ObjectKind::Appendable,
        charge: current.charge.clone(),
    }
}
