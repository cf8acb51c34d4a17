//! An index in memory, for tests.

use super::{Check, Kv, KvError, Write, counter, within_one_table};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Mutex, MutexGuard},
};

/// A [`Kv`] that forgets: one ordered map behind one lock.
#[derive(Default)]
pub struct MemoryKv {
    rows: Mutex<BTreeMap<Vec<u8>, Bytes>>,
}

impl MemoryKv {
    /// The rows. The lock is held for map operations only, never across an await, and no holder panics.
    fn rows(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Bytes>> {
        self.rows.lock().expect("no holder of this lock panics")
    }
}

#[async_trait]
impl Kv for MemoryKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(self.rows().get(key).cloned())
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        within_one_table(&range)?;
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let pair = |(key, value): (&Vec<u8>, &Bytes)| (Bytes::copy_from_slice(key), value.clone());
        Ok(self.rows().range(range).take(count_max).map(pair).collect())
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        checks.iter().filter_map(Check::range).try_for_each(within_one_table)?;
        let mut rows = self.rows();
        for (index, check) in checks.iter().enumerate() {
            if !holds(check, &rows)? {
                return Err(KvError::Conflict(index));
            }
        }
        for (key, value) in counter::resolve(writes, |key| Ok(rows.get(key).cloned()))? {
            match value {
                Some(value) => rows.insert(key, value),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }

    fn is_read_only(&self) -> bool {
        false
    }
}

fn holds(check: &Check, rows: &BTreeMap<Vec<u8>, Bytes>) -> Result<bool, KvError> {
    Ok(match check {
        Check::Absent(key) => !rows.contains_key(key),
        Check::Present(key) => rows.contains_key(key),
        Check::Equals(key, value) => rows.get(key) == Some(value),
        Check::EmptyRange(range) => range.is_empty() || rows.range(range.clone()).next().is_none(),
        Check::AtMost { counters, add, limit } => return counter::at_most(counters, *add, *limit, |key| Ok(rows.get(key).cloned())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::kv_suite;
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn conforms_to_the_contract_of_an_engine() {
        kv_suite::run(Arc::new(MemoryKv::default())).await;
    }

    /// An engine that commits whatever the checks say.
    #[derive(Default)]
    struct Careless(MemoryKv);

    #[async_trait]
    impl Kv for Careless {
        async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
            self.0.get(key).await
        }

        async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
            self.0.scan(range, count_max).await
        }

        async fn commit(&self, _: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
            self.0.commit(vec![], writes).await
        }

        fn is_read_only(&self) -> bool {
            false
        }
    }

    #[tokio::test]
    #[should_panic(expected = "Absent")]
    async fn the_suite_notices_an_engine_that_ignores_checks() {
        kv_suite::run(Arc::new(Careless::default())).await;
    }
}
