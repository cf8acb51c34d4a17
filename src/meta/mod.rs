//! The index: an ordered key-value store, and the records kept in it.
//!
//! [`Kv`] is the whole contract with an engine. Everything above it (key layout, record formats,
//! invariants) is written once, in `keys` and `record`. An engine knows nothing of callers,
//! dialects or blobs.

mod counter;
mod event;
pub mod keys;
mod memory;
mod older;
pub mod orphans;
pub mod record;
mod rocks;

pub use counter::{count_of, row_of};
pub use memory::MemoryKv;
pub use rocks::{RocksKv, RocksSettings};

use async_trait::async_trait;
use bytes::Bytes;
use std::{ops::Range, sync::Arc};

/// Says of a row's key where the row begins that is wanted next; `None` when that is the very next one.
pub type Leap = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// An ordered key-value engine.
///
/// - Keys sort as bytes. A key's first byte is its table (see `keys`); a range stays within one table,
///   and one that would not is refused as [`KvError::Engine`].
/// - `commit` is serialisable: checks and writes of one commit happen at one moment, and it
///   returns after the log that holds it has been synced (unless the operator chose less).
/// - A successful commit is seen by every `get` and `scan` that starts after it returned.
#[async_trait]
pub trait Kv: Send + Sync + 'static {
    /// The value under a key.
    ///
    /// # Errors
    /// When the engine cannot read.
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError>;

    /// Up to `count_max` pairs of the range, ascending, all of one moment.
    ///
    /// # Errors
    /// When the engine cannot read.
    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError>;

    /// Like [`scan`](Kv::scan), but behind each pair it leaves out the rows below where `leap` says, and costs what it yields and
    /// not what it leaves out. A leap backwards is none. Pairs may be of different moments.
    ///
    /// # Errors
    /// When the engine cannot read.
    async fn scan_leaping(&self, mut range: Range<Vec<u8>>, count_max: usize, leap: Leap) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        let mut pairs = Vec::new();
        while pairs.len() < count_max
            && let Some(pair) = self.scan(range.clone(), 1).await?.pop()
        {
            range.start = next_wanted(&pair.0, &leap);
            pairs.push(pair);
        }
        Ok(pairs)
    }

    /// Applies all writes if all checks hold, or nothing. Writes apply in order; the last one to a key wins, and what adds to
    /// a counter adds to what the writes before it have made of it.
    ///
    /// # Errors
    /// [`KvError::Conflict`] with the index of the first check that failed; otherwise the engine's fault,
    /// after which the commit may or may not be found applied.
    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError>;

    /// Whether commits are refused since an earlier one failed to reach the disk.
    fn is_read_only(&self) -> bool;
}

/// What must hold for a commit to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Check {
    /// There is no such key.
    Absent(Vec<u8>),
    /// There is such a key, whatever its value.
    Present(Vec<u8>),
    /// The key has exactly this value: unchanged since it was read.
    Equals(Vec<u8>, Bytes),
    /// The range holds no key.
    EmptyRange(Range<Vec<u8>>),
    /// These counters and `add` come to `limit` at most, all together.
    AtMost {
        /// The rows of the counters.
        counters: Vec<Vec<u8>>,
        /// What is to come on top.
        add: u64,
        /// The most that may come out.
        limit: u64,
    },
}

impl Check {
    /// That a key is as a `get` found it.
    #[must_use]
    pub fn unchanged(key: Vec<u8>, read: Option<Bytes>) -> Self {
        match read {
            Some(value) => Self::Equals(key, value),
            None => Self::Absent(key),
        }
    }
}

impl Check {
    /// The range it is about, if it is about one.
    fn range(&self) -> Option<&Range<Vec<u8>>> {
        match self {
            Self::EmptyRange(range) => Some(range),
            Self::Absent(_) | Self::Present(_) | Self::Equals(..) | Self::AtMost { .. } => None,
        }
    }
}

/// One change of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// Sets a key's value.
    Put(Vec<u8>, Bytes),
    /// Removes a key; removing an absent one is fine.
    Delete(Vec<u8>),
    /// Adds to a counter, whatever it is at that moment: commits that count the same thing do not conflict. One that would
    /// leave the range of a `u64` stays at its end, and the log says so.
    Add {
        /// The row of the counter; none means zero, and zero means none.
        counter: Vec<u8>,
        /// What to add, or to take away.
        delta: i64,
    },
    /// Takes what a counter holds at that moment off others, and removes it.
    Take {
        /// The row of the counter.
        counter: Vec<u8>,
        /// The rows of the others.
        off: Vec<Vec<u8>>,
    },
}

/// Why the index did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// A check failed; nothing was written.
    #[error("check {0} of the commit does not hold")]
    Conflict(usize),
    /// A write failed, this one or an earlier one, and may or may not be found applied; only reads are served.
    #[error("the index is read-only since a write failed to reach the disk")]
    ReadOnly,
    /// The disk is full. The commit may or may not be found applied; later ones may succeed.
    #[error("no space left for the index")]
    NoSpace,
    /// The engine failed; for the log.
    #[error("the index engine failed: {0}")]
    Engine(String),
    /// A record cannot be read; for the log.
    #[error("corrupt record: {0}")]
    Corrupt(String),
}

/// Where the row begins that is wanted after the one with this key.
pub fn next_wanted(key: &[u8], leap: &Leap) -> Vec<u8> {
    leap(key).filter(|to| to.as_slice() > key).unwrap_or_else(|| keys::successor(key))
}

/// Refuses a range that reaches into a second table: engines keep tables apart.
fn within_one_table(range: &Range<Vec<u8>>) -> Result<(), KvError> {
    let inside = match (range.start.first(), range.is_empty()) {
        (_, true) => true,
        (Some(&table), false) => table.checked_add(1).is_none_or(|next| range.end.as_slice() <= [next].as_slice()),
        (None, false) => false,
    };
    if inside { Ok(()) } else { Err(KvError::Engine("a range must stay within one table".to_owned())) }
}
