//! Stores that fail on demand.

use crate::{
    blob::{BlobError, BlobId, BlobStore, BlobStream, Sealed, Staging},
    model::{ByteRange, Timestamp},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// A step of a [`BlobStore`] that can be made to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlobStep {
    /// [`BlobStore::stage`].
    Stage,
    /// [`Staging::append`].
    Append,
    /// [`Staging::seal`]; the blob is discarded.
    Seal,
    /// [`BlobStore::read`], before its stream begins.
    Read,
    /// A piece of a stream, counted over all streams; the stream ends with the error.
    Piece,
    /// [`BlobStore::verify`].
    Verify,
    /// [`BlobStore::delete`]; the blob stays.
    Delete,
}

/// A [`BlobStore`] that passes everything on, except for the steps it was told to fail.
pub struct FaultyBlobs {
    inner: Arc<dyn BlobStore>,
    faults: Arc<Faults>,
}

#[derive(Default)]
struct Faults {
    /// Locked for look-ups only.
    planned: Mutex<Vec<Planned>>,
    read_only: AtomicBool,
}

struct Planned {
    step: BlobStep,
    /// Steps of this kind to let pass before this one fails.
    remaining: u64,
    error: BlobError,
}

impl FaultyBlobs {
    /// Wraps a store; no faults yet.
    #[must_use]
    pub fn new(inner: Arc<dyn BlobStore>) -> Self {
        Self { inner, faults: Arc::default() }
    }

    /// Makes the `nth` step of this kind from now on fail, once; 1 is the next one.
    pub fn fail(&self, step: BlobStep, nth: u64, error: BlobError) {
        self.faults.lock().push(Planned { step, remaining: nth.saturating_sub(1), error });
    }

    /// Behaves as after a failed sync: refuses every write until switched back.
    pub fn set_read_only(&self, read_only: bool) {
        self.faults.read_only.store(read_only, Ordering::Release);
    }

    /// Forgets the faults that have not happened.
    pub fn clear(&self) {
        self.faults.lock().clear();
        self.set_read_only(false);
    }
}

impl Faults {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Planned>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a step and fails it when its turn has come.
    fn step(&self, step: BlobStep) -> Result<(), BlobError> {
        let mut planned = self.lock();
        let mut due = None;
        for (index, fault) in planned.iter_mut().enumerate().filter(|(_, fault)| fault.step == step) {
            match fault.remaining.checked_sub(1) {
                Some(remaining) => fault.remaining = remaining,
                None => due = due.or(Some(index)),
            }
        }
        due.map_or(Ok(()), |index| Err(planned.remove(index).error))
    }

    fn write_step(&self, step: BlobStep) -> Result<(), BlobError> {
        if self.read_only.load(Ordering::Acquire) { Err(BlobError::ReadOnly) } else { self.step(step) }
    }
}

#[async_trait]
impl BlobStore for FaultyBlobs {
    async fn stage(&self, blob: BlobId, size: Option<u64>) -> Result<Box<dyn Staging>, BlobError> {
        self.faults.write_step(BlobStep::Stage)?;
        let inner = self.inner.stage(blob, size).await?;
        Ok(Box::new(FaultyStaging { inner, faults: Arc::clone(&self.faults) }))
    }

    async fn confirm(&self, blob: BlobId) {
        self.inner.confirm(blob).await;
    }

    async fn unconfirmed(&self) -> Result<Vec<BlobId>, BlobError> {
        self.inner.unconfirmed().await
    }

    async fn read(&self, blob: BlobId, range: ByteRange) -> Result<BlobStream, BlobError> {
        self.faults.step(BlobStep::Read)?;
        let pieces = self.inner.read(blob, range).await?;
        // What the inner stream still has must not follow an error, so it is dropped then.
        let source = Some((pieces, Arc::clone(&self.faults)));
        let pieces = stream::unfold(source, |source| async move {
            let (mut pieces, faults) = source?;
            let piece = pieces.next().await?;
            let piece = faults.step(BlobStep::Piece).and(piece);
            let rest = piece.is_ok().then_some((pieces, faults));
            Some((piece, rest))
        });
        Ok(pieces.boxed())
    }

    async fn verify(&self, blob: BlobId) -> Result<u64, BlobError> {
        self.faults.step(BlobStep::Verify)?;
        self.inner.verify(blob).await
    }

    async fn delete(&self, blob: BlobId) -> Result<(), BlobError> {
        self.faults.write_step(BlobStep::Delete)?;
        self.inner.delete(blob).await
    }

    async fn scan(&self, after: Option<BlobId>, count_max: usize) -> Result<Vec<BlobId>, BlobError> {
        self.inner.scan(after, count_max).await
    }

    async fn shelf(&self, number: u16) -> Result<Vec<BlobId>, BlobError> {
        self.inner.shelf(number).await
    }

    async fn settled_size(&self, blob: BlobId) -> Result<Option<u64>, BlobError> {
        self.inner.settled_size(blob).await
    }

    async fn quarantine(&self, blob: BlobId, when: Timestamp, why: &str) -> Result<bool, BlobError> {
        self.inner.quarantine(blob, when, why).await
    }

    async fn note_in_quarantine(&self, entry: serde_json::Value) -> Result<(), BlobError> {
        self.inner.note_in_quarantine(entry).await
    }

    fn is_read_only(&self) -> bool {
        self.faults.read_only.load(Ordering::Acquire) || self.inner.is_read_only()
    }
}

struct FaultyStaging {
    inner: Box<dyn Staging>,
    faults: Arc<Faults>,
}

#[async_trait]
impl Staging for FaultyStaging {
    async fn append(&mut self, bytes: Vec<Bytes>) -> Result<(), BlobError> {
        self.faults.write_step(BlobStep::Append)?;
        self.inner.append(bytes).await
    }

    async fn seal(self: Box<Self>) -> Result<Sealed, BlobError> {
        self.faults.write_step(BlobStep::Seal)?;
        self.inner.seal().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        blob::MemoryBlobs,
        testkit::blob_suite::{self, bytes, id, read, write},
    };

    #[tokio::test]
    async fn passes_the_conformance_suite_without_faults() {
        blob_suite::run(|| {
            let memory = MemoryBlobs::default();
            Box::new(move || Arc::new(FaultyBlobs::new(Arc::new(memory.reopen()))))
        })
        .await;
    }

    /// The suite's canary: a store that misbehaves once must not pass.
    #[tokio::test]
    #[should_panic(expected = "reads")]
    async fn the_suite_notices_a_store_that_fails() {
        blob_suite::run(|| {
            let store: Arc<FaultyBlobs> = Arc::new(FaultyBlobs::new(Arc::new(MemoryBlobs::default())));
            store.fail(BlobStep::Piece, 3, BlobError::Io("canary".into()));
            Box::new(move || Arc::clone(&store) as Arc<dyn BlobStore>)
        })
        .await;
    }

    #[tokio::test]
    async fn the_nth_step_fails_once() {
        let store = FaultyBlobs::new(Arc::new(MemoryBlobs::default()));
        let error = || BlobError::Io("planned".into());
        for (number, step) in (0..).zip([BlobStep::Stage, BlobStep::Append, BlobStep::Seal]) {
            store.fail(step, 2, error());
            write(&store, id(number * 10), &bytes(1, 10), 10).await.expect("the first passes");
            assert_eq!(write(&store, id(number * 10 + 1), &bytes(1, 10), 10).await, Err(error()), "{step:?}");
            write(&store, id(number * 10 + 2), &bytes(1, 10), 10).await.expect("the third passes");
        }
        store.fail(BlobStep::Read, 1, error());
        assert_eq!(read(&store, id(0), 0..10).await, Err(error()));
        store.fail(BlobStep::Verify, 1, error());
        assert_eq!(store.verify(id(0)).await, Err(error()));
        store.fail(BlobStep::Delete, 1, error());
        assert_eq!(store.delete(id(0)).await, Err(error()));
        assert_eq!(read(&store, id(0), 0..10).await, Ok(bytes(1, 10)));
        assert_eq!(store.verify(id(0)).await, Ok(10));
    }

    #[tokio::test]
    async fn a_failed_piece_ends_its_stream() {
        let store = FaultyBlobs::new(Arc::new(MemoryBlobs::default()));
        write(&store, id(1), &bytes(1, 3 << 20), 1 << 20).await.expect("writes");
        store.fail(BlobStep::Piece, 2, BlobError::Corrupt(id(1), "planned".into()));
        let mut stream = store.read(id(1), ByteRange { start: 0, end: 3 << 20 }).await.expect("opens");
        assert!(stream.next().await.is_some_and(|piece| piece.is_ok()));
        assert!(matches!(stream.next().await, Some(Err(BlobError::Corrupt(..)))));
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn read_only_refuses_writes_and_serves_reads() {
        let store = FaultyBlobs::new(Arc::new(MemoryBlobs::default()));
        write(&store, id(1), &bytes(1, 10), 10).await.expect("writes");
        let staging = store.stage(id(2), None).await.expect("stages");
        store.set_read_only(true);
        assert!(store.is_read_only());
        assert_eq!(staging.seal().await, Err(BlobError::ReadOnly));
        assert!(matches!(store.stage(id(3), None).await, Err(BlobError::ReadOnly)));
        assert_eq!(store.delete(id(1)).await, Err(BlobError::ReadOnly));
        assert_eq!(read(&store, id(1), 0..10).await, Ok(bytes(1, 10)));
    }
}
