//! Indexes that are wrong in one way each, which the model must notice.

use crate::drive::Wrapper;
use async_trait::async_trait;
use bytes::Bytes;
use partway::meta::{Check, Kv, KvError, Write};
use std::{ops::Range, sync::Arc};

/// Every wrong index, named by what it does.
pub(crate) const WRAPPERS: [(&str, Wrapper); 9] = [
    ("forgets to delete objects", |kv| wrong(kv, |write| !deletes(write, b'O'), |_| true)),
    ("forgets to delete uploads", |kv| wrong(kv, |write| !deletes(write, b'U'), |_| true)),
    ("forgets new holders of a blob", |kv| wrong(kv, |write| !more_holders(write), |_| true)),
    ("forgets what is left to do", |kv| wrong(kv, |write| !matches!(write, Write::Put(key, _) if key[0] == b'T'), |_| true)),
    ("forgets answers", |kv| wrong(kv, |write| !matches!(write, Write::Put(key, _) if key[0] == b'C'), |_| true)),
    ("forgets inline data now and then", |kv| {
        wrong(kv, |write| !matches!(write, Write::Put(key, _) if key[0] == b'D' && key[16] < 8), |_| true)
    }),
    ("does not count parts", |kv| wrong(kv, |write| !matches!(write, Write::Add { counter, .. } if counter.ends_with(b"b")), |_| true)),
    ("counts what has ended", |kv| wrong(kv, |write| !matches!(write, Write::Take { .. }), |_| true)),
    ("hides rows from scans", |kv| wrong(kv, |_| true, |key| key[0] != b'P' || key[key.len() - 1] % 16 != 0)),
];

/// Passes on the writes and shows the scanned keys that it is told to.
struct Wrong {
    inner: Arc<dyn Kv>,
    writes: fn(&Write) -> bool,
    shows: fn(&[u8]) -> bool,
}

fn wrong(inner: Arc<dyn Kv>, writes: fn(&Write) -> bool, shows: fn(&[u8]) -> bool) -> Arc<dyn Kv> {
    Arc::new(Wrong { inner, writes, shows })
}

fn deletes(write: &Write, table: u8) -> bool {
    matches!(write, Write::Delete(key) if key[0] == table)
}

/// A blob's record ends with its holders.
fn more_holders(write: &Write) -> bool {
    matches!(write, Write::Put(key, value) if key[0] == b'L' && value.last().is_some_and(|&holders| holders > 1))
}

#[async_trait]
impl Kv for Wrong {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        let mut rows = self.inner.scan(range, count_max).await?;
        rows.retain(|(key, _)| (self.shows)(key));
        Ok(rows)
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        self.inner.commit(checks, writes.into_iter().filter(self.writes).collect()).await
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }
}
