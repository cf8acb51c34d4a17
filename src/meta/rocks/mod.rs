//! The embedded engine: RocksDB behind one committer.
//!
//! - Commits go through one thread (`committer`), which makes them serialisable and lets those that
//!   arrive together share one sync.
//! - What nearly every request reads is kept beside the database (`hot`), and so is what nearly every commit adds to (`counters`).
//! - Reads are served at once when memory has what they need, or the disk is quick (`quickness`), else on a thread that may block.
//! - After a write that failed only reads are served, unless it failed for want of room.
//! - A log that has lost commits which were acknowledged is not opened (`damage`).

mod committer;
mod counters;
mod damage;
mod hot;
mod load;
mod quickness;
mod settings;
mod store;

pub use settings::RocksSettings;

use super::{Check, Kv, KvError, Leap, Write, within_one_table};
use async_trait::async_trait;
use bytes::Bytes;
use quickness::Quickness;
use std::{
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use store::{Reach, ReadError, Store};
use tokio::sync::{mpsc, oneshot};

/// Scans of up to so many pairs are tried in memory first; copying more would keep other tasks waiting.
const SCAN_IN_MEMORY_COUNT_MAX: usize = 128;

/// Pairs of a scan that leaps which are looked for in memory first; a leap costs as much as many steps.
const LEAPS_IN_MEMORY_COUNT_MAX: usize = 32;

/// A [`Kv`] on RocksDB. Its directory is locked until it is dropped. Dropping it settles the commits
/// that wait and moves all rows to sorted files, so it may take a moment.
pub struct RocksKv {
    store: Arc<Store>,
    read_only: Arc<AtomicBool>,
    quickness: Arc<Quickness>,
    /// Taken by `drop` alone.
    committer: Option<(mpsc::Sender<committer::Request>, thread::JoinHandle<()>)>,
}

impl RocksKv {
    /// Opens the database in a directory, which is created if there is none. Reads its log, so it may
    /// take seconds and blocks.
    ///
    /// # Errors
    /// [`KvError::Engine`] when another one has it open, when it is damaged, has lost acknowledged commits or cannot be read or written.
    pub fn open(path: &Path, settings: RocksSettings) -> Result<Self, KvError> {
        let store = Store::open(path, &settings)?;
        store.begin_log()?;
        Self::start(store)
    }

    /// Opens a database that is there for reads alone, as of the moment it is opened; every commit is refused. Blocks.
    ///
    /// # Errors
    /// [`KvError::Engine`] when there is none, or it is damaged.
    pub fn open_read_only(path: &Path, settings: RocksSettings) -> Result<Self, KvError> {
        let opened = Self::start(Store::open_unwritable(path, &settings)?)?;
        opened.read_only.store(true, Ordering::Release);
        Ok(opened)
    }

    /// Writes a database to `path`, where nothing may be yet, that holds every commit which returned before the call, and
    /// commits that happen meanwhile up to one of them. On the same file system files that never change are linked, so it
    /// costs next to nothing. What was written is not synced. Blocks.
    ///
    /// # Errors
    /// [`KvError::Engine`].
    pub fn checkpoint(&self, path: &Path) -> Result<(), KvError> {
        self.store.checkpoint(path)
    }

    /// Rewrites the rows of a range, which must stay within one table, so that values they had before are no longer in any
    /// file of the database. Blocks.
    ///
    /// # Errors
    /// [`KvError::Engine`].
    pub fn rewrite(&self, range: &Range<Vec<u8>>) -> Result<(), KvError> {
        within_one_table(range)?;
        self.store.rewrite(range)
    }

    /// Takes in rows of one table at once, past the log: they come in ascending order, and there is none of them yet. Blocks.
    /// For measurements; a row that is there already would have two values, so no request ever leads here.
    ///
    /// # Errors
    /// [`KvError::Engine`], also when they are out of order.
    pub fn load(&self, settings: &RocksSettings, rows: impl IntoIterator<Item = (Vec<u8>, Bytes)>) -> Result<u64, KvError> {
        self.store.load(settings, rows)
    }

    fn start(store: Store) -> Result<Self, KvError> {
        let store = Arc::new(store);
        let read_only = Arc::new(AtomicBool::new(false));
        let (sender, queue) = mpsc::channel(committer::QUEUE_COMMITS_MAX);
        let work = {
            let (store, read_only) = (Arc::clone(&store), Arc::clone(&read_only));
            move || committer::run(&store, &read_only, queue)
        };
        let thread = thread::Builder::new()
            .name("index-committer".to_owned())
            .spawn(work)
            .map_err(|error| KvError::Engine(format!("cannot start the committer: {error}")))?;
        Ok(Self { store, read_only, quickness: Arc::default(), committer: Some((sender, thread)) })
    }

    /// Reads on a thread that may block. A caller who goes away leaves the read to end unheard.
    async fn read_from_disk<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, KvError> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || read(&store)).await {
            Ok(Ok(found)) => Ok(found),
            Ok(Err(ReadError::Failed(error))) => Err(error),
            Ok(Err(ReadError::NotInMemory)) => Err(KvError::Engine("a read from the disk was incomplete".to_owned())),
            Err(error) => Err(KvError::Engine(format!("a read did not end: {error}"))),
        }
    }
}

#[async_trait]
impl Kv for RocksKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        let is_quick = self.quickness.is_likely();
        let reach = if is_quick { Reach::Disk } else { Reach::Memory };
        let read = || self.store.get(key, reach);
        match if is_quick { self.quickness.timed(read) } else { read() } {
            Ok(value) => Ok(value),
            Err(ReadError::Failed(error)) => Err(error),
            Err(ReadError::NotInMemory) => {
                let (key, quickness) = (key.to_vec(), Arc::clone(&self.quickness));
                self.read_from_disk(move |store| quickness.timed(|| store.get(&key, Reach::Disk))).await
            }
        }
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        within_one_table(&range)?;
        if count_max <= SCAN_IN_MEMORY_COUNT_MAX {
            match self.store.scan(range.clone(), count_max, Reach::Memory) {
                Ok(pairs) => return Ok(pairs),
                Err(ReadError::Failed(error)) => return Err(error),
                Err(ReadError::NotInMemory) => {}
            }
        }
        self.read_from_disk(move |store| store.scan(range, count_max, Reach::Disk)).await
    }

    /// All of it with one iterator, on one thread that may block, but for what memory has of its beginning.
    async fn scan_leaping(&self, mut range: Range<Vec<u8>>, count_max: usize, leap: Leap) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        within_one_table(&range)?;
        let mut pairs = Vec::new();
        let count_in_memory = count_max.min(LEAPS_IN_MEMORY_COUNT_MAX);
        match self.store.scan_leaping(&mut range, &mut pairs, count_in_memory, &leap, Reach::Memory) {
            Ok(()) if pairs.len() < count_in_memory || pairs.len() == count_max => return Ok(pairs),
            Err(ReadError::Failed(error)) => return Err(error),
            Ok(()) | Err(ReadError::NotInMemory) => {}
        }
        self.read_from_disk(move |store| {
            store.scan_leaping(&mut range, &mut pairs, count_max, &leap, Reach::Disk)?;
            Ok(pairs)
        })
        .await
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        checks.iter().filter_map(Check::range).try_for_each(within_one_table)?;
        if self.is_read_only() {
            return Err(KvError::ReadOnly);
        }
        let (answer, outcome) = oneshot::channel();
        let (queue, _) = self.committer.as_ref().expect("only drop takes the committer");
        let sent = queue.send(committer::Request { checks, writes, answer }).await;
        match sent {
            Ok(()) => outcome.await.unwrap_or_else(|_| Err(self.committer_is_gone())),
            Err(_) => Err(self.committer_is_gone()),
        }
    }

    fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Acquire)
    }
}

impl RocksKv {
    /// The committer ends before its queue only when it panics. What it had in hand may or may not be
    /// written; nothing will be any more.
    fn committer_is_gone(&self) -> KvError {
        if !self.read_only.swap(true, Ordering::AcqRel) {
            tracing::error!("the index's committer has failed; the index is read-only until the next start");
        }
        KvError::Engine("the committer has failed".to_owned())
    }
}

impl Drop for RocksKv {
    fn drop(&mut self) {
        let Some((queue, thread)) = self.committer.take() else { return };
        drop(queue);
        if thread.join().is_err() {
            tracing::error!("the index's committer has failed");
            return;
        }
        if !self.is_read_only()
            && let Err(error) = self.store.flush()
        {
            // Every commit is in the log already; only the next start takes longer.
            tracing::error!(%error, "the index could not be flushed at its end");
        }
    }
}

#[cfg(test)]
mod tests;
