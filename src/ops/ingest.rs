//! The one pass on the way in: receive, digest, write, verify what the client claimed.
//!
//! - Bytes are received in batches. While one batch is digested and written, the next is received, so a
//!   body occupies at most two batches of memory. Every body has room for two small ones; for larger ones it needs room
//!   that is free, of which some is always left to further bodies. All bodies together never have more than there is.
//! - Whoever writes a batch computes the CRCs of it, too; MD5, which takes longest, is computed beside that.
//! - What comes in small pieces is copied together: each keeps the whole buffer in memory that it was received in.
//! - Small bodies are kept in memory and never staged.
//! - A body that fails leaves nothing behind: staged bytes are discarded when they are dropped.

use super::{Body, Gateway, gateway::blob_failure};
use crate::{
    blob::Staging,
    digest::{BodyDigest, BodyDigests, Md5Service, Md5Stream},
    model::{BodyClaims, Checksum, ChecksumAlgorithm, Failure},
    space::Store,
};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Batch sizes: large enough that hashing and writing are efficient, small enough that many fit. Bytes.
const BATCH_SIZE_BYTES_MIN: u64 = 32 << 10;
const BATCH_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Batches that a body holds at once: one received, one written.
const BATCHES_PER_BODY: u64 = 2;

/// What of the budget may go into larger batches, as a part; and the part of what is free of that which one batch may take.
const LARGER_PART: usize = 8;
const ONE_PART: usize = 8;

/// Pieces smaller than this are copied together. Bytes.
const PIECE_SIZE_BYTES_MIN: usize = 16 << 10;

/// Up to so many bytes are digested where they are; more go to a thread that may block.
const DIGEST_HERE_BYTES_MAX: usize = 16 << 10;

/// A received body, verified against its claims.
pub(super) struct Ingested {
    /// What was computed over it.
    pub(super) digests: BodyDigests,
    /// The checksum that the client gave and that holds.
    pub(super) checksum: Option<Checksum>,
    /// Its bytes.
    pub(super) received: Received,
}

/// A received body's bytes. Dropping them discards them.
pub(super) enum Received {
    /// The body is empty.
    Nothing,
    /// Few enough for the index.
    Small(Bytes),
    /// Written, not sealed yet.
    Staged(Box<dyn Staging>),
}

/// The memory budget of bodies in flight.
pub(super) struct BodySlots {
    /// In smallest batches, and so is the rest.
    free: Arc<Semaphore>,
    total: usize,
    per_body: u32,
}

/// A body's share of the budget.
pub(super) struct BodySlot {
    _permit: OwnedSemaphorePermit,
    free: Arc<Semaphore>,
    total: usize,
}

/// How large a batch may be.
pub(super) struct Room {
    /// Bytes.
    pub(super) size: u64,
    /// What of it is more than the body has anyway.
    larger: Option<OwnedSemaphorePermit>,
}

/// Bytes of a body, and the room that they take.
struct Batch {
    pieces: Vec<Bytes>,
    _larger: Option<OwnedSemaphorePermit>,
}

impl BodySlots {
    /// A budget for at least one body.
    pub(super) fn new(memory_bytes: u64, inline_size_bytes_max: u64) -> Self {
        let units = |bytes: u64| usize::try_from(bytes / BATCH_SIZE_BYTES_MIN).unwrap_or(usize::MAX);
        let inline = inline_size_bytes_max.saturating_add(BATCH_SIZE_BYTES_MIN - 1);
        let per_body = units(inline).max(units(BATCHES_PER_BODY * BATCH_SIZE_BYTES_MIN)).min(u32::MAX as usize);
        let total = units(memory_bytes).clamp(per_body, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(total)), total, per_body: u32::try_from(per_body).unwrap_or(u32::MAX) }
    }

    /// How many bodies there is memory for in any case, also while others have all of what may go into larger batches.
    pub(super) fn count(&self) -> usize {
        ((self.total - self.total / LARGER_PART) / self.per_body as usize).max(1)
    }

    /// A slot, or `SlowDown` when bodies in flight use up the budget.
    pub(super) fn take(&self) -> Result<BodySlot, Failure> {
        let permit = Arc::clone(&self.free).try_acquire_many_owned(self.per_body).map_err(|_| Failure::SlowDown)?;
        Ok(BodySlot { _permit: permit, free: Arc::clone(&self.free), total: self.total })
    }
}

impl BodySlot {
    /// How much to gather before it is written: the more, the less of the budget is in use.
    pub(super) fn room(&self) -> Room {
        let kept = self.total - self.total / LARGER_PART;
        let wanted = usize::try_from(BATCH_SIZE_BYTES_MAX / BATCH_SIZE_BYTES_MIN - 1).unwrap_or(usize::MAX);
        let possible = self.free.available_permits().saturating_sub(kept) / ONE_PART;
        let count = u32::try_from(possible.min(wanted)).unwrap_or(0);
        let larger = Arc::clone(&self.free).try_acquire_many_owned(count).ok();
        let size = BATCH_SIZE_BYTES_MIN * (1 + larger.as_ref().map_or(0, |_| u64::from(count)));
        Room { size, larger }
    }
}

impl Gateway {
    /// Receives a body and verifies its claims. Computes the claimed checksum algorithm, or `algorithm` when none is.
    ///
    /// # Errors
    /// The body's own, `TooLarge`, `IncompleteBody`, `Md5Mismatch`, `Crc64Mismatch`, `Sha256Mismatch`,
    /// `ChecksumMismatch`, `SlowDown`, `NoSpace`, and what the blob store says.
    pub(super) async fn ingest(
        &self,
        claims: &BodyClaims,
        algorithm: Option<ChecksumAlgorithm>,
        size_max: u64,
        mut body: Box<dyn Body>,
    ) -> Result<Ingested, Failure> {
        if let Some(size) = claims.size.filter(|&size| size > size_max) {
            return Err(Failure::TooLarge { size, size_max });
        }
        self.check_room_for_body(claims.size)?;
        let slot = self.bodies.take()?;
        let mut intake = Intake { body: &mut *body, claimed: claims.size, size_max, size: 0 };
        let mut digest = BodyDigest::new(claims.checksum_algorithm().or(algorithm), claims.sha256.is_some());
        let received = self.receive(&mut intake, &slot, &mut digest).await?;
        if claims.size.is_some_and(|size| size != intake.size) {
            return Err(Failure::IncompleteBody);
        }
        let digests = digest.finish();
        let checksum = verify(claims, &digests, &mut *body)?;
        Ok(Ingested { digests, checksum, received })
    }

    async fn receive(&self, intake: &mut Intake<'_>, slot: &BodySlot, digest: &mut BodyDigest) -> Result<Received, Failure> {
        let inline_max = self.settings.inline_size_bytes_max;
        let mut batch = match intake.claimed {
            Some(size) if size > inline_max => intake.batch(slot.room()).await?,
            Some(_) | None => {
                let head = intake.batch(Room { size: inline_max.saturating_add(1), larger: None }).await?;
                if intake.size <= inline_max {
                    self.admit(Store::Index, intake.size)?.is_used();
                    add(digest, &head.pieces).await?;
                    return Ok(if intake.size == 0 { Received::Nothing } else { Received::Small(joined(head.pieces)) });
                }
                head
            }
        };
        // A size that was announced is let in as a whole, and the store sets the room aside. Else it is let in as it comes.
        let claimed = intake.claimed;
        let admission = self.admit(Store::Blobs, claimed.unwrap_or(0))?;
        let mut staging = None;
        while !batch.pieces.is_empty() {
            if claimed.is_none() {
                self.admit(Store::Blobs, batch.pieces.iter().map(|bytes| bytes.len() as u64).sum())?.is_used();
            }
            let others = digest.others.clone();
            let write = async {
                let staged: &mut Box<dyn Staging> = match &mut staging {
                    Some(staged) => staged,
                    // Setting the room aside takes a while, in which the first batch is digested and the next one received.
                    None => staging.insert(self.blobs.stage(self.new_blob_id(), claimed).await.map_err(blob_failure)?),
                };
                staged.append_digested(batch.pieces.clone(), others).await.map_err(blob_failure)
            };
            let md5 = add_md5(digest.md5.clone(), &batch.pieces);
            let (next, md5, others) = tokio::try_join!(intake.batch(slot.room()), md5, write)?;
            *digest = BodyDigest { md5, others };
            batch = next;
        }
        admission.is_used();
        Ok(staging.map_or(Received::Nothing, Received::Staged))
    }
}

/// A body as it is received, with its size kept within its bounds.
struct Intake<'a> {
    body: &'a mut dyn Body,
    claimed: Option<u64>,
    size_max: u64,
    size: u64,
}

impl Intake<'_> {
    /// The next bytes, until there are `size_target` of them; fewer only at the end of the body.
    async fn batch(&mut self, room: Room) -> Result<Batch, Failure> {
        let (mut pieces, mut small) = (Vec::new(), Vec::new());
        let mut size = 0_u64;
        while size < room.size {
            let Some(bytes) = self.body.next().await? else { break };
            size = size.saturating_add(bytes.len() as u64);
            self.size = self.size.saturating_add(bytes.len() as u64);
            if self.claimed.is_some_and(|claimed| self.size > claimed) {
                return Err(Failure::IncompleteBody);
            }
            if self.size > self.size_max {
                return Err(Failure::TooLarge { size: self.size, size_max: self.size_max });
            }
            if bytes.len() < PIECE_SIZE_BYTES_MIN {
                small.extend_from_slice(&bytes);
                if small.len() >= PIECE_SIZE_BYTES_MIN {
                    pieces.extend(taken(&mut small));
                }
            } else {
                pieces.extend(taken(&mut small));
                pieces.push(bytes);
            }
        }
        pieces.extend(taken(&mut small));
        Ok(Batch { pieces, _larger: room.larger })
    }
}

/// What has been copied together; `None` when that is nothing.
fn taken(small: &mut Vec<u8>) -> Option<Bytes> {
    (!small.is_empty()).then(|| Bytes::from(std::mem::take(small)))
}

/// Digests a batch. When it is not tiny, MD5 is computed beside that of other bodies, and the rest on a thread that may block.
/// When this is dropped, the digest is as it was.
pub(super) async fn add(digest: &mut BodyDigest, batch: &[Bytes]) -> Result<(), Failure> {
    if batch.iter().map(Bytes::len).sum::<usize>() <= DIGEST_HERE_BYTES_MAX {
        batch.iter().for_each(|bytes| digest.update(bytes));
        return Ok(());
    }
    let (mut working, pieces) = (digest.others.clone(), batch.to_vec());
    let others = tokio::task::spawn_blocking(move || {
        pieces.iter().for_each(|bytes| working.update(bytes));
        working
    });
    let others = async { others.await.map_err(|error| lost(&error)) };
    let (md5, others) = tokio::try_join!(add_md5(digest.md5.clone(), batch), others)?;
    *digest = BodyDigest { md5, others };
    Ok(())
}

/// Adds a batch to an MD5, beside those of other bodies unless it is tiny.
async fn add_md5(mut md5: Md5Stream, batch: &[Bytes]) -> Result<Md5Stream, Failure> {
    if batch.iter().map(Bytes::len).sum::<usize>() <= DIGEST_HERE_BYTES_MAX {
        batch.iter().for_each(|bytes| md5.update(bytes));
        return Ok(md5);
    }
    Md5Service::of_process().add(md5, batch.to_vec()).await.map_err(|error| lost(&error))
}

fn lost(error: &dyn std::error::Error) -> Failure {
    tracing::error!(%error, "digesting");
    Failure::Internal
}

fn joined(mut pieces: Vec<Bytes>) -> Bytes {
    if pieces.len() == 1 {
        return pieces.remove(0);
    }
    let mut whole = BytesMut::with_capacity(pieces.iter().map(Bytes::len).sum());
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}

/// Compares what was computed with what the client claimed; returns the client's checksum.
fn verify(claims: &BodyClaims, digests: &BodyDigests, body: &mut dyn Body) -> Result<Option<Checksum>, Failure> {
    if let (Some(expected), Some(actual)) = (claims.sha256, digests.sha256)
        && expected != actual
    {
        return Err(Failure::Sha256Mismatch { expected, actual });
    }
    if let Some(expected) = claims.md5
        && expected != digests.md5
    {
        return Err(Failure::Md5Mismatch { expected, actual: digests.md5 });
    }
    if let Some(expected) = claims.crc64_ecma
        && expected != digests.crc64_ecma
    {
        return Err(Failure::Crc64Mismatch { expected, actual: digests.crc64_ecma });
    }
    let claimed = match (&claims.checksum, claims.trailer) {
        (Some(claimed), _) => Some(claimed.clone()),
        (None, Some(algorithm)) => {
            let claimed = body.trailer_checksum().ok_or(Failure::MalformedTrailer)?;
            if claimed.algorithm() != algorithm {
                return Err(Failure::MalformedTrailer);
            }
            Some(claimed)
        }
        (None, None) => None,
    };
    match claimed {
        Some(claimed) if computed(digests, claimed.algorithm()).as_ref() != Some(&claimed) => {
            Err(Failure::ChecksumMismatch(claimed.algorithm()))
        }
        claimed => Ok(claimed),
    }
}

/// The value that was computed for an algorithm, if it was.
pub(super) fn computed(digests: &BodyDigests, algorithm: ChecksumAlgorithm) -> Option<Checksum> {
    if algorithm == ChecksumAlgorithm::Crc64Nvme {
        return Some(digests.crc64_nvme_checksum());
    }
    digests.checksum.clone().filter(|checksum| checksum.algorithm() == algorithm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_share_the_budget_and_those_beyond_it_are_told_to_slow_down() {
        let slots = BodySlots::new(64 << 20, 32 << 10);
        let first = slots.take().unwrap();
        assert_eq!(first.room().size, BATCH_SIZE_BYTES_MAX);
        let more: Vec<_> = (1..1024).map(|_| slots.take().unwrap()).collect();
        assert_eq!(first.room().size, BATCH_SIZE_BYTES_MIN);
        assert!(matches!(slots.take(), Err(Failure::SlowDown)));
        drop(more);
        assert_eq!(first.room().size, BATCH_SIZE_BYTES_MAX);
        assert!(slots.take().is_ok());
    }

    #[test]
    fn bodies_that_stop_in_the_middle_of_large_batches_leave_room_to_others() {
        let slots = BodySlots::new(64 << 20, 64 << 10);
        let stopped: Vec<_> = std::iter::from_fn(|| slots.take().ok()).map(|slot| (slot.room(), slot)).collect();
        assert!((slots.count()..1024).contains(&stopped.len()), "{}", stopped.len());
        assert_eq!(slots.count(), 896);
        let batches: u64 = stopped.iter().map(|(room, _)| room.size + BATCH_SIZE_BYTES_MIN).sum();
        assert!(batches <= 64 << 20, "all of them at once: {batches}");
    }

    #[test]
    fn one_body_is_always_served() {
        let slots = BodySlots::new(0, 1 << 20);
        assert_eq!(slots.count(), 1);
        let only = slots.take().unwrap();
        assert_eq!(only.room().size, BATCH_SIZE_BYTES_MIN);
        assert!(matches!(slots.take(), Err(Failure::SlowDown)));
    }

    /// A body in single bytes of buffers that are much larger.
    struct Trickle(usize);

    #[async_trait::async_trait]
    impl Body for Trickle {
        async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
            self.0 = match self.0.checked_sub(1) {
                Some(left) => left,
                None => return Ok(None),
            };
            Ok(Some(Bytes::from(vec![7; 8192]).slice(0..1)))
        }

        fn trailer_checksum(&mut self) -> Option<Checksum> {
            None
        }
    }

    #[tokio::test]
    async fn a_body_in_small_pieces_does_not_keep_the_buffers_they_came_in() {
        let mut body = Trickle(40_000);
        let mut intake = Intake { body: &mut body, claimed: None, size_max: 1 << 20, size: 0 };
        let room = || Room { size: BATCH_SIZE_BYTES_MIN, larger: None };
        let (first, second) = (intake.batch(room()).await.unwrap(), intake.batch(room()).await.unwrap());
        let sizes = |batch: &Batch| batch.pieces.iter().map(Bytes::len).collect::<Vec<_>>();
        assert_eq!((sizes(&first), sizes(&second)), (vec![16 << 10; 2], vec![40_000 - (32 << 10)]));
        assert!(intake.batch(room()).await.unwrap().pieces.is_empty());
    }
}
