//! A blob store in memory, for tests.

use super::{BlobError, BlobId, BlobStore, BlobStream, Sealed, Staging};
use crate::model::{ByteRange, Timestamp};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Size of a stream's pieces in bytes.
const PIECE_SIZE: usize = 512 << 10;

/// A [`super::BlobStore`] that forgets.
#[derive(Default)]
pub struct MemoryBlobs {
    shelf: Arc<Mutex<Shelf>>,
    /// What an earlier "run" left unconfirmed.
    unconfirmed: Mutex<BTreeSet<BlobId>>,
}

/// What survives a restart.
#[derive(Default)]
struct Shelf {
    sealed: BTreeMap<BlobId, Bytes>,
    unconfirmed: BTreeSet<BlobId>,
    quarantined: BTreeMap<BlobId, Bytes>,
    quarantine_notes: Vec<serde_json::Value>,
}

impl MemoryBlobs {
    /// The same blobs as after a restart: what was sealed is there, and reported when it was not confirmed.
    #[must_use]
    pub fn reopen(&self) -> Self {
        Self { shelf: Arc::clone(&self.shelf), unconfirmed: Mutex::new(lock(&self.shelf).unconfirmed.clone()) }
    }

    fn bytes(&self, blob: BlobId) -> Result<Bytes, BlobError> {
        lock(&self.shelf).sealed.get(&blob).cloned().ok_or(BlobError::Missing(blob))
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn stage(&self, blob: BlobId, _size: Option<u64>) -> Result<Box<dyn Staging>, BlobError> {
        Ok(Box::new(MemoryStaging { shelf: Arc::clone(&self.shelf), blob, bytes: Vec::new() }))
    }

    async fn confirm(&self, blob: BlobId) {
        lock(&self.shelf).unconfirmed.remove(&blob);
        lock(&self.unconfirmed).remove(&blob);
    }

    async fn unconfirmed(&self) -> Result<Vec<BlobId>, BlobError> {
        Ok(lock(&self.unconfirmed).iter().copied().collect())
    }

    async fn read(&self, blob: BlobId, range: ByteRange) -> Result<BlobStream, BlobError> {
        let bytes = self.bytes(blob)?;
        if range.start > range.end || range.end > bytes.len() as u64 {
            return Err(BlobError::Corrupt(blob, format!("bytes {} to {} of {}", range.start, range.end, bytes.len())));
        }
        let within = |at: u64| usize::try_from(at).expect("within a buffer");
        let mut rest = bytes.slice(within(range.start)..within(range.end));
        let pieces = std::iter::from_fn(move || (!rest.is_empty()).then(|| Ok(rest.split_to(rest.len().min(PIECE_SIZE)))));
        Ok(stream::iter(pieces).boxed())
    }

    async fn verify(&self, blob: BlobId) -> Result<u64, BlobError> {
        Ok(self.bytes(blob)?.len() as u64)
    }

    async fn delete(&self, blob: BlobId) -> Result<(), BlobError> {
        lock(&self.shelf).sealed.remove(&blob);
        self.confirm(blob).await;
        Ok(())
    }

    async fn scan(&self, after: Option<BlobId>, count_max: usize) -> Result<Vec<BlobId>, BlobError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(lock(&self.shelf).sealed.range((start, Bound::Unbounded)).take(count_max).map(|(blob, _)| *blob).collect())
    }

    async fn shelf(&self, number: u16) -> Result<Vec<BlobId>, BlobError> {
        Ok(lock(&self.shelf).sealed.keys().copied().filter(|blob| blob.shelf() == number).collect())
    }

    async fn settled_size(&self, blob: BlobId) -> Result<Option<u64>, BlobError> {
        let shelf = lock(&self.shelf);
        Ok(shelf.sealed.get(&blob).filter(|_| !shelf.unconfirmed.contains(&blob)).map(|bytes| bytes.len() as u64))
    }

    async fn quarantine(&self, blob: BlobId, _when: Timestamp, _why: &str) -> Result<bool, BlobError> {
        let mut shelf = lock(&self.shelf);
        let Some(bytes) = shelf.sealed.remove(&blob) else { return Ok(false) };
        shelf.quarantined.insert(blob, bytes);
        Ok(true)
    }

    async fn note_in_quarantine(&self, entry: serde_json::Value) -> Result<(), BlobError> {
        lock(&self.shelf).quarantine_notes.push(entry);
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        false
    }
}

struct MemoryStaging {
    shelf: Arc<Mutex<Shelf>>,
    blob: BlobId,
    bytes: Vec<u8>,
}

#[async_trait]
impl Staging for MemoryStaging {
    async fn append(&mut self, bytes: Vec<Bytes>) -> Result<(), BlobError> {
        bytes.iter().for_each(|piece| self.bytes.extend_from_slice(piece));
        Ok(())
    }

    async fn seal(self: Box<Self>) -> Result<Sealed, BlobError> {
        let mut shelf = lock(&self.shelf);
        if shelf.sealed.contains_key(&self.blob) {
            return Err(BlobError::Io(format!("blob {} exists already", self.blob)));
        }
        let size = self.bytes.len() as u64;
        shelf.sealed.insert(self.blob, Bytes::from(self.bytes));
        shelf.unconfirmed.insert(self.blob);
        Ok(Sealed { blob: self.blob, size })
    }
}

/// Locks for a look-up; no lock here is held across an await.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::blob_suite;

    #[tokio::test]
    async fn passes_the_conformance_suite() {
        blob_suite::run(|| {
            let memory = MemoryBlobs::default();
            Box::new(move || Arc::new(memory.reopen()))
        })
        .await;
    }
}
