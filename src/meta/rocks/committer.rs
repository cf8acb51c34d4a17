//! The one thread that writes: it takes the commits that have queued up, checks them in order and
//! writes those that hold as one synced batch.
//!
//! - Each commit sees the database and every commit accepted before it, so commits are serialisable
//!   without a lock. What a commit adds to a counter is worked out here, so those who count the same thing share a batch.
//! - Nobody is answered, not even about a conflict, before the batch that the answer rests on is durable.
//! - A write that fails is never tried again: from then on every commit is refused. One that fails because the disk is full
//!   is refused alone: the engine takes writes again once there is room.

use super::{
    counters::KnownCounters,
    hot,
    store::{Reach, ReadError, Store},
};
use crate::meta::{Check, KvError, Write, counter};
use bytes::Bytes;
use rocksdb::WriteBatch;
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};
use tokio::sync::{mpsc, oneshot};

/// Commits that may wait in the queue; further callers wait for a place.
pub(super) const QUEUE_COMMITS_MAX: usize = 1024;

/// Commits in one batch.
const BATCH_COMMITS_MAX: usize = 512;

/// Bytes of keys and values after which a batch takes no further commit.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// A commit and whom to tell. A caller who has gone away leaves the commit to happen.
pub(super) struct Request {
    pub(super) checks: Vec<Check>,
    pub(super) writes: Vec<Write>,
    pub(super) answer: oneshot::Sender<Result<(), KvError>>,
}

impl Request {
    fn size_bytes(&self) -> usize {
        let size = |write: &Write| match write {
            Write::Put(key, value) => key.len() + value.len(),
            Write::Delete(key) => key.len(),
            Write::Add { counter, .. } => counter.len() + size_of::<u64>(),
            Write::Take { counter, off } => counter.len() + off.iter().map(|other| other.len() + size_of::<u64>()).sum::<usize>(),
        };
        self.writes.iter().map(size).sum()
    }
}

/// Works until every sender of the queue is gone and the queue is empty.
pub(super) fn run(store: &Store, read_only: &AtomicBool, mut queue: mpsc::Receiver<Request>) {
    let (mut is_full, mut counters) = (false, KnownCounters::default());
    while let Some(first) = queue.blocking_recv() {
        let requests = gather(first, &mut queue);
        if read_only.load(Ordering::Acquire) {
            for request in requests {
                answer(request.answer, Err(KvError::ReadOnly));
            }
        } else {
            settle(store, read_only, &mut is_full, &mut counters, requests);
        }
    }
}

/// The commits that are waiting, as many as fit in a batch.
fn gather(first: Request, queue: &mut mpsc::Receiver<Request>) -> Vec<Request> {
    let mut size_bytes = first.size_bytes();
    let mut requests = vec![first];
    while requests.len() < BATCH_COMMITS_MAX
        && size_bytes < BATCH_BYTES_MAX
        && let Ok(request) = queue.try_recv()
    {
        size_bytes += request.size_bytes();
        requests.push(request);
    }
    requests
}

/// Checks, writes and answers a batch.
fn settle(store: &Store, read_only: &AtomicBool, is_full: &mut bool, counters: &mut KnownCounters, requests: Vec<Request>) {
    let mut batch = Batch::new(store, counters);
    let outcomes: Vec<_> = requests.into_iter().map(|request| (request.answer, batch.accept(&request.checks, request.writes))).collect();
    let written = match batch.write() {
        Ok(()) => {
            *is_full = false;
            Ok(())
        }
        Err(KvError::NoSpace) => {
            if !std::mem::replace(is_full, true) {
                tracing::warn!("the disk is too full for the index: commits are refused until there is room");
            }
            Err(KvError::NoSpace)
        }
        Err(error @ (KvError::Conflict(_) | KvError::ReadOnly | KvError::Engine(_) | KvError::Corrupt(_))) => {
            // Before anybody is told, so that nobody who was told finds the index still taking commits.
            read_only.store(true, Ordering::Release);
            tracing::error!(%error, "a write to the index failed; the index is read-only until the next start");
            Err(KvError::ReadOnly)
        }
    };
    for (caller, outcome) in outcomes {
        answer(caller, written.clone().and(outcome));
    }
}

fn answer(caller: oneshot::Sender<Result<(), KvError>>, outcome: Result<(), KvError>) {
    // A caller who hung up does not need the answer.
    let _ = caller.send(outcome);
}

/// The writes accepted so far, both for the database and to look at: `None` is a removed key.
struct Batch<'a> {
    store: &'a Store,
    writes: WriteBatch,
    changed: BTreeMap<Vec<u8>, Option<Bytes>>,
    /// As they were before.
    counters: &'a mut KnownCounters,
}

impl<'a> Batch<'a> {
    fn new(store: &'a Store, counters: &'a mut KnownCounters) -> Self {
        Self { store, writes: WriteBatch::default(), changed: BTreeMap::new(), counters }
    }

    /// Adds the writes if all checks hold.
    fn accept(&mut self, checks: &[Check], writes: Vec<Write>) -> Result<(), KvError> {
        for (index, check) in checks.iter().enumerate() {
            if !self.holds(check)? {
                return Err(KvError::Conflict(index));
            }
        }
        for (key, value) in counter::resolve(writes, |key| self.get(key))? {
            self.store.add(&mut self.writes, &key, value.as_ref());
            self.changed.insert(key, value);
        }
        Ok(())
    }

    fn holds(&self, check: &Check) -> Result<bool, KvError> {
        match check {
            Check::Absent(key) => Ok(self.get(key)?.is_none()),
            Check::Present(key) => Ok(self.get(key)?.is_some()),
            Check::Equals(key, value) => Ok(self.get(key)?.as_ref() == Some(value)),
            Check::EmptyRange(range) => self.is_empty(range),
            Check::AtMost { counters, add, limit } => counter::at_most(counters, *add, *limit, |key| self.get(key)),
        }
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        if let Some(value) = self.changed.get(key) {
            return Ok(value.clone());
        }
        if let Some(value) = self.counters.get(key) {
            return Ok(Some(value.clone()));
        }
        self.store.get(key, Reach::Disk).map_err(|error| match error {
            ReadError::Failed(error) => error,
            ReadError::NotInMemory => KvError::Engine("a read from the disk was incomplete".to_owned()),
        })
    }

    fn is_empty(&self, range: &Range<Vec<u8>>) -> Result<bool, KvError> {
        let added = !range.is_empty() && self.changed.range(range.clone()).any(|(_, value)| value.is_some());
        Ok(!added && self.store.is_empty(range.clone(), |key| self.changed.contains_key(key))?)
    }

    fn write(self) -> Result<(), KvError> {
        let Self { store, writes, changed, counters } = self;
        // Checks alone, or conflicts alone, have nothing to sync.
        if writes.is_empty() {
            return Ok(());
        }
        let hot: Vec<&[u8]> = changed.keys().map(Vec::as_slice).filter(|key| hot::is_hot(key)).collect();
        let _change = (!hot.is_empty()).then(|| store.hot.change(hot.into_iter()));
        let written = store.write(writes);
        match written {
            Ok(()) => counters.learn(changed),
            Err(_) => counters.forget(),
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes of the batches that commits of these sizes are gathered into.
    fn batches(sizes_bytes: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let (sender, mut queue) = mpsc::channel(QUEUE_COMMITS_MAX);
        for size_bytes in sizes_bytes {
            let writes = vec![Write::Put(vec![], vec![0; size_bytes].into())];
            assert!(sender.try_send(Request { checks: vec![], writes, answer: oneshot::channel().0 }).is_ok(), "the queue has room");
        }
        let mut batches = vec![];
        while let Ok(first) = queue.try_recv() {
            batches.push(gather(first, &mut queue).len());
        }
        batches
    }

    #[test]
    fn batches_are_bounded_by_count_and_by_bytes() {
        assert_eq!(batches([1]), [1]);
        assert_eq!(batches([1; 7]), [7]);
        assert_eq!(batches([1; BATCH_COMMITS_MAX + 3]), [BATCH_COMMITS_MAX, 3]);
        assert_eq!(batches([BATCH_BYTES_MAX / 2 + 1; 5]), [2, 2, 1]);
        assert_eq!(batches([BATCH_BYTES_MAX * 2, 1]), [1, 1]);
    }
}
