//! An index in memory whose log loses what was not synced.
//!
//! RocksDB keeps its files past every seam of ours, so this stands in for it, with what `Kv` promises and what RocksDB's log
//! gives: commits are judged one after the other and written in that order; several share a sync; nobody is answered and
//! nothing is read before the sync that holds it is over. A cut leaves the synced commits and, of the later ones, the first
//! so many. That RocksDB itself is like that is shown by the cuts of `tests/crash.rs`.

use super::{Power, lock};
use crate::{
    meta::{Check, Kv, KvError, MemoryKv, Write, keys},
    testkit::dice::Dice,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::FutureExt as _;
use std::{
    ops::Range,
    sync::{Arc, Mutex},
};
use tokio::sync::oneshot;

/// The index. Its clones are the same index.
#[derive(Clone)]
pub struct SimulatedIndex(Arc<Inner>);

struct Inner {
    power: Arc<Power>,
    /// Whether callers are answered before the sync: what must not be.
    answers_early: bool,
    /// With the commits that are not synced, and without.
    written: MemoryKv,
    synced: MemoryKv,
    /// Locked for a few instructions, never across an await.
    log: Mutex<Log>,
}

/// What is not synced.
#[derive(Default)]
struct Log {
    commits: Vec<Vec<Write>>,
    waiting: Vec<oneshot::Sender<()>>,
    is_being_synced: bool,
}

impl SimulatedIndex {
    /// An empty index.
    #[must_use]
    pub fn new(power: Arc<Power>, answers_early: bool) -> Self {
        let (written, synced) = (MemoryKv::default(), MemoryKv::default());
        Self(Arc::new(Inner { power, answers_early, written, synced, log: Mutex::default() }))
    }

    /// What a restart finds.
    #[must_use]
    pub fn after_power_cut(&self, dice: &mut Dice, power: Arc<Power>) -> Self {
        let log = lock(&self.0.log);
        let surviving = log.commits[..dice.below(log.commits.len() + 1)].iter().cloned();
        let index = Self::new(power, self.0.answers_early);
        for writes in std::iter::once(rows(&self.0.synced)).chain(surviving) {
            now(index.0.written.commit(vec![], writes.clone())).expect("nothing is checked");
            now(index.0.synced.commit(vec![], writes)).expect("nothing is checked");
        }
        index
    }
}

/// All rows, as writes.
fn rows(kv: &MemoryKv) -> Vec<Write> {
    let tables = (0..u8::MAX).map(|table| now(kv.scan(keys::table(table), usize::MAX)).expect("a range within a table"));
    tables.flatten().map(|(key, value)| Write::Put(key.to_vec(), value)).collect()
}

/// What memory answers, which is at once.
fn now<T>(answer: impl Future<Output = T>) -> T {
    answer.now_or_never().expect("memory does not wait")
}

fn power_is_off() -> KvError {
    KvError::Engine("the power is off".to_owned())
}

impl Inner {
    /// What is read.
    fn visible(&self) -> Result<&MemoryKv, KvError> {
        match (self.power.is_off(), self.answers_early) {
            (true, _) => Err(power_is_off()),
            (false, true) => Ok(&self.written),
            (false, false) => Ok(&self.synced),
        }
    }

    /// Syncs until there is nothing more to sync, or no power.
    async fn sync(self: Arc<Self>) {
        loop {
            self.power.pace().await;
            let (count, waiting) = {
                let mut log = lock(&self.log);
                if log.commits.is_empty() && log.waiting.is_empty() {
                    log.is_being_synced = false;
                    return;
                }
                (log.commits.len(), std::mem::take(&mut log.waiting))
            };
            self.power.pace().await;
            if !self.power.step("sync the log") {
                lock(&self.log).waiting.clear();
                return;
            }
            let mut log = lock(&self.log);
            for writes in log.commits.drain(..count) {
                now(self.synced.commit(vec![], writes)).expect("nothing is checked");
            }
            for waiting in waiting {
                // Who hung up does not need the answer.
                let _ = waiting.send(());
            }
        }
    }
}

#[async_trait]
impl Kv for SimulatedIndex {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.0.power.pace().await;
        self.0.visible()?.get(key).await
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        self.0.power.pace().await;
        self.0.visible()?.scan(range, count_max).await
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        self.0.power.pace().await;
        if !self.0.power.step("commit") {
            return Err(power_is_off());
        }
        let (answer, synced) = oneshot::channel();
        let outcome = {
            let mut log = lock(&self.0.log);
            let outcome = now(self.0.written.commit(checks, writes.clone()));
            if outcome.is_ok() {
                log.commits.push(writes);
            }
            // A conflict, too, rests on commits that may not be synced yet.
            log.waiting.push(answer);
            if !std::mem::replace(&mut log.is_being_synced, true) {
                tokio::spawn(Arc::clone(&self.0).sync());
            }
            outcome
        };
        if !self.0.answers_early {
            synced.await.map_err(|_| power_is_off())?;
        }
        outcome
    }

    fn is_read_only(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::kv_suite;

    fn index(seed: u64, answers_early: bool) -> SimulatedIndex {
        SimulatedIndex::new(Arc::new(Power::on(seed)), answers_early)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn conforms_to_the_contract_of_an_engine() {
        kv_suite::run(Arc::new(index(1, false))).await;
    }

    /// The numbers of rows found after a cut, over many seeds, when two of three commits were answered.
    async fn survivors(answers_early: bool) -> Vec<usize> {
        let mut found = vec![];
        for seed in 0..100 {
            let index = index(seed, answers_early);
            let put = |key: u8| vec![Write::Put(vec![b'O', key], Bytes::new())];
            index.commit(vec![], put(1)).await.unwrap();
            index.commit(vec![], put(2)).await.unwrap();
            let _unanswered = index.commit(vec![], put(3)).now_or_never();
            index.0.power.cut();
            let after = index.after_power_cut(&mut Dice::new(seed), Arc::new(Power::on(seed)));
            let rows = after.scan(keys::table(b'O'), 10).await.unwrap();
            assert!(rows.iter().zip(1..).all(|((key, _), number)| key[1] == number), "the first so many");
            found.push(rows.len());
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    #[tokio::test]
    async fn answered_commits_survive_and_others_may() {
        assert_eq!(survivors(false).await, [2, 3]);
        assert_eq!(survivors(true).await, [0, 1, 2, 3], "the canary");
    }
}
