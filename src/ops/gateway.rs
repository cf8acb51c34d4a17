//! The gateway: what every operation works on, and the few steps that all of them share.

use super::{
    Environment, GatewaySettings,
    ingest::BodySlots,
    readers::{Readers, Reading},
    running::Running,
};
use crate::{
    blob::{BlobError, BlobId, BlobStore},
    meta::{
        Check, Kv, KvError, Leap, Write, keys,
        record::{BucketId, BucketRecord, Record},
    },
    model::{Bucket, Failure, Timestamp},
    space::Space,
};
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
};

/// How often a commit that lost a race is tried again before the caller is told to slow down.
pub(super) const COMMIT_TRIES_MAX: usize = 64;

/// The operations over an index and a blob store.
pub struct Gateway {
    pub(super) kv: Arc<dyn Kv>,
    pub(super) blobs: Arc<dyn BlobStore>,
    pub(super) settings: GatewaySettings,
    pub(super) readers: Arc<Readers>,
    /// Rounds of the reaper share it; who holds the reaper back has it for himself for a moment, so that none is under way.
    pub(super) reaping: tokio::sync::RwLock<()>,
    pub(super) bodies: BodySlots,
    pub(super) running: Running,
    /// Whether everything stands in the counters.
    pub(super) all_is_counted: AtomicBool,
    pub(super) space: Space,
    environment: Environment,
    /// Orders revisions and to-do lines of this process; never goes back.
    sequence: AtomicU64,
    /// The latest time seen, in milliseconds.
    latest_ms: AtomicI64,
}

/// A bucket's record with its row as it was read, so that a commit can check that it has not changed.
pub(super) struct LoadedBucket {
    pub(super) record: BucketRecord,
    pub(super) unchanged: Check,
}

impl Gateway {
    /// A gateway over these stores, which never lack room.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, blobs: Arc<dyn BlobStore>, settings: GatewaySettings, environment: Environment) -> Arc<Self> {
        Self::with_space(kv, blobs, settings, environment, Space::unbounded())
    }

    /// A gateway over these stores, which have that much room.
    #[must_use]
    pub fn with_space(
        kv: Arc<dyn Kv>,
        blobs: Arc<dyn BlobStore>,
        settings: GatewaySettings,
        environment: Environment,
        space: Space,
    ) -> Arc<Self> {
        let bodies = BodySlots::new(settings.body_memory_bytes, settings.inline_size_bytes_max);
        let (readers, running) = (Arc::default(), Running::new());
        Arc::new(Self {
            kv,
            blobs,
            settings,
            readers,
            reaping: tokio::sync::RwLock::default(),
            bodies,
            running,
            all_is_counted: AtomicBool::new(false),
            space,
            environment,
            sequence: AtomicU64::new(0),
            latest_ms: AtomicI64::new(0),
        })
    }

    /// How many bodies the memory for them is enough for in any case, each in a request of its own.
    #[must_use]
    pub fn body_count_max(&self) -> usize {
        self.bodies.count()
    }

    /// Whether writes are refused since a sync failed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.kv.is_read_only() || self.blobs.is_read_only()
    }

    /// Whether new bytes are refused because a disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.space.is_full()
    }

    pub(super) async fn load_bucket(&self, bucket: &Bucket) -> Result<LoadedBucket, Failure> {
        let row = keys::bucket(bucket);
        let value = self.get(&row).await?.ok_or_else(|| Failure::NoSuchBucket(bucket.clone()))?;
        Ok(LoadedBucket { record: decode(&value)?, unchanged: Check::Equals(row, value) })
    }

    /// The bucket that a request began with, as it is now. One that got its name meanwhile is another's, and nobody has asked
    /// its owner.
    pub(super) async fn load_same_bucket(&self, bucket: &Bucket, id: BucketId) -> Result<LoadedBucket, Failure> {
        let loaded = self.load_bucket(bucket).await?;
        if loaded.record.id == id { Ok(loaded) } else { Err(Failure::NoSuchBucket(bucket.clone())) }
    }

    pub(super) async fn get(&self, row: &[u8]) -> Result<Option<Bytes>, Failure> {
        self.kv.get(row).await.map_err(index_failure)
    }

    pub(super) async fn scan(&self, range: std::ops::Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, Failure> {
        self.kv.scan(range, count_max).await.map_err(index_failure)
    }

    pub(super) async fn scan_leaping(
        &self,
        range: std::ops::Range<Vec<u8>>,
        count_max: usize,
        leap: Leap,
    ) -> Result<Vec<(Bytes, Bytes)>, Failure> {
        self.kv.scan_leaping(range, count_max, leap).await.map_err(index_failure)
    }

    /// Commits; `Ok(Some(index))` is the check that did not hold.
    pub(super) async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<Option<usize>, Failure> {
        match self.kv.commit(checks, writes).await {
            Ok(()) => Ok(None),
            Err(KvError::Conflict(index)) => Ok(Some(index)),
            Err(error) => Err(index_failure(error)),
        }
    }

    /// The time, as the environment has it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.environment.now)()
    }

    /// The time as the to-do list and its readers see it: it stands still when the clock goes back, so that
    /// what a reader found is never due before the reader began.
    pub(super) fn steady_now(&self) -> Timestamp {
        let now = self.now().millis();
        Timestamp::from_millis(self.latest_ms.fetch_max(now, Ordering::AcqRel).max(now))
    }

    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.environment.random)(&mut bytes);
        bytes
    }

    /// Begins a read; to be called before anything is looked up, and held until the last byte.
    pub(super) fn begin_reading(&self) -> Reading {
        self.readers.begin(self.steady_now())
    }

    /// Does work to its end although the caller may hang up; [`Self::drain`] waits for it.
    pub(super) async fn run_on<T, F>(self: &Arc<Self>, work: impl FnOnce(Arc<Self>) -> F) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.running.to_the_end(work(Arc::clone(self))).await
    }

    /// Waits a moment before a commit that lost `losses` races is tried again: not at all at first, then
    /// for a random time, so that many who want the same row do not keep meeting.
    pub(super) async fn back_off(&self, losses: usize) {
        const LOSSES_UNTIL_WAIT: usize = 4;
        const WAIT_MS_MAX: u64 = 32;
        if losses >= LOSSES_UNTIL_WAIT {
            let wait_max = 1_u64.checked_shl((losses - LOSSES_UNTIL_WAIT) as u32).unwrap_or(u64::MAX).min(WAIT_MS_MAX);
            let wait = u64::from_be_bytes(self.random()) % (wait_max + 1);
            tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        }
    }

    /// A fresh blob id: 48 bits of milliseconds and 80 random ones.
    pub(super) fn new_blob_id(&self) -> BlobId {
        let mut id = self.random();
        id[..6].copy_from_slice(&self.now().millis().cast_unsigned().to_be_bytes()[2..]);
        BlobId(id)
    }

    /// A number above every one handed out before, also by earlier runs as long as the clock did not go
    /// back by more than a run lasted: microseconds since the epoch, or one more than the last.
    pub(super) fn next_sequence(&self) -> u64 {
        let now = self.now().millis().max(0).cast_unsigned().saturating_mul(1000);
        let last = self.sequence.fetch_update(Ordering::AcqRel, Ordering::Acquire, |last| Some(last.saturating_add(1).max(now)));
        last.unwrap_or_else(|last| last).saturating_add(1).max(now)
    }

    /// Makes every later sequence number exceed this one, which another process or an earlier run handed out.
    pub(super) fn skip_sequence_to(&self, seen: u64) {
        self.sequence.fetch_max(seen, Ordering::AcqRel);
    }
}

/// Reads a record; what cannot be read is our fault, told to the log.
pub(super) fn decode<R: Record>(value: &[u8]) -> Result<R, Failure> {
    R::decode(value).map_err(index_failure)
}

/// The caller's view of an index error.
pub(super) fn index_failure(error: KvError) -> Failure {
    match error {
        KvError::Conflict(_) => Failure::SlowDown,
        KvError::ReadOnly => Failure::Unavailable,
        KvError::NoSpace => Failure::NoSpace,
        KvError::Engine(_) | KvError::Corrupt(_) => {
            tracing::error!(%error, "index");
            Failure::Internal
        }
    }
}

/// The caller's view of a blob store error.
pub(super) fn blob_failure(error: BlobError) -> Failure {
    match error {
        BlobError::ReadOnly => Failure::Unavailable,
        BlobError::NoSpace => Failure::NoSpace,
        BlobError::Missing(_) | BlobError::Corrupt(..) | BlobError::Io(_) => {
            tracing::error!(%error, "blob store");
            Failure::Internal
        }
    }
}
