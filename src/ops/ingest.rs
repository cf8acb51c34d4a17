//! The one pass on the way in: receive, digest, write, verify what the client claimed.
//!
//! - Bytes are received in batches. While one batch is digested and written, the next is received, so a
//!   body occupies at most two batches of memory, and batches shrink as bodies become many.
//! - Small bodies are kept in memory and never staged.
//! - A body that fails leaves nothing behind: staged bytes are discarded when they are dropped.

use super::{Body, Gateway, gateway::blob_failure};
use crate::{
    blob::Staging,
    digest::{BodyDigest, BodyDigests},
    model::{BodyClaims, Checksum, ChecksumAlgorithm, Failure},
};
use bytes::{Bytes, BytesMut};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Batch sizes: large enough that hashing and writing are efficient, small enough that many fit. Bytes.
const BATCH_SIZE_BYTES_MIN: u64 = 32 << 10;
const BATCH_SIZE_BYTES_MAX: u64 = 1 << 20;

/// Batches that a body holds at once: one received, one written.
const BATCHES_PER_BODY: u64 = 2;

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
    free: Arc<Semaphore>,
    taken: Arc<AtomicU64>,
    memory_bytes: u64,
    count: usize,
}

/// A body's share of the budget.
pub(super) struct BodySlot {
    _permit: OwnedSemaphorePermit,
    taken: Arc<AtomicU64>,
    memory_bytes: u64,
}

impl BodySlots {
    pub(super) fn new(memory_bytes: u64, inline_size_bytes_max: u64) -> Self {
        let slot_size_bytes = (BATCHES_PER_BODY * BATCH_SIZE_BYTES_MIN).max(inline_size_bytes_max);
        let count = usize::try_from(memory_bytes / slot_size_bytes).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self { free: Arc::new(Semaphore::new(count)), taken: Arc::default(), memory_bytes, count }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// A slot, or `SlowDown` when bodies in flight use up the budget.
    pub(super) fn take(&self) -> Result<BodySlot, Failure> {
        let permit = Arc::clone(&self.free).try_acquire_owned().map_err(|_| Failure::SlowDown)?;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(BodySlot { _permit: permit, taken: Arc::clone(&self.taken), memory_bytes: self.memory_bytes })
    }
}

impl BodySlot {
    /// How many bytes to gather before they are written, given how many bodies share the budget now.
    pub(super) fn batch_size(&self) -> u64 {
        let bodies = self.taken.load(Ordering::Relaxed).max(1);
        (self.memory_bytes / bodies / BATCHES_PER_BODY).clamp(BATCH_SIZE_BYTES_MIN, BATCH_SIZE_BYTES_MAX)
    }
}

impl Drop for BodySlot {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Gateway {
    /// Receives a body and verifies its claims. Computes the claimed checksum algorithm, or `algorithm` when none is.
    ///
    /// # Errors
    /// The body's own, `TooLarge`, `IncompleteBody`, `Md5Mismatch`, `Crc64Mismatch`, `Sha256Mismatch`,
    /// `ChecksumMismatch`, `SlowDown`, and what the blob store says.
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
            Some(size) if size > inline_max => intake.batch(slot.batch_size()).await?,
            Some(_) | None => {
                let head = intake.batch(inline_max.saturating_add(1)).await?;
                if intake.size <= inline_max {
                    add(digest, &head).await?;
                    return Ok(if intake.size == 0 { Received::Nothing } else { Received::Small(joined(head)) });
                }
                head
            }
        };
        let mut staging = self.blobs.stage(self.new_blob_id(), intake.claimed).await.map_err(blob_failure)?;
        while !batch.is_empty() {
            let write = async { staging.append(batch.clone()).await.map_err(blob_failure) };
            let (next, (), ()) = tokio::try_join!(intake.batch(slot.batch_size()), add(digest, &batch), write)?;
            batch = next;
        }
        Ok(Received::Staged(staging))
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
    async fn batch(&mut self, size_target: u64) -> Result<Vec<Bytes>, Failure> {
        let mut batch = Vec::new();
        let mut size = 0_u64;
        while size < size_target {
            let Some(bytes) = self.body.next().await? else { break };
            size = size.saturating_add(bytes.len() as u64);
            self.size = self.size.saturating_add(bytes.len() as u64);
            if self.claimed.is_some_and(|claimed| self.size > claimed) {
                return Err(Failure::IncompleteBody);
            }
            if self.size > self.size_max {
                return Err(Failure::TooLarge { size: self.size, size_max: self.size_max });
            }
            batch.push(bytes);
        }
        Ok(batch)
    }
}

/// Digests a batch, on a thread that may block when it is not tiny.
pub(super) async fn add(digest: &mut BodyDigest, batch: &[Bytes]) -> Result<(), Failure> {
    if batch.iter().map(Bytes::len).sum::<usize>() <= DIGEST_HERE_BYTES_MAX {
        batch.iter().for_each(|bytes| digest.update(bytes));
        return Ok(());
    }
    let (mut working, batch) = (digest.clone(), batch.to_vec());
    let worked = tokio::task::spawn_blocking(move || {
        batch.iter().for_each(|bytes| working.update(bytes));
        working
    });
    *digest = worked.await.map_err(|error| {
        tracing::error!(%error, "digesting");
        Failure::Internal
    })?;
    Ok(())
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
        let slots = BodySlots::new(2 << 20, 32 << 10);
        let first = slots.take().unwrap();
        assert_eq!(first.batch_size(), BATCH_SIZE_BYTES_MAX);
        let more: Vec<_> = (1..32).map(|_| slots.take().unwrap()).collect();
        assert_eq!(first.batch_size(), BATCH_SIZE_BYTES_MIN);
        assert_eq!(32 * BATCHES_PER_BODY * first.batch_size(), 2 << 20, "all of the budget, and no more");
        assert!(matches!(slots.take(), Err(Failure::SlowDown)));
        drop(more);
        assert_eq!(first.batch_size(), BATCH_SIZE_BYTES_MAX);
        assert!(slots.take().is_ok());
    }

    #[test]
    fn one_body_is_always_served() {
        let slots = BodySlots::new(0, 1 << 20);
        let only = slots.take().unwrap();
        assert_eq!(only.batch_size(), BATCH_SIZE_BYTES_MIN);
        assert!(matches!(slots.take(), Err(Failure::SlowDown)));
    }
}
