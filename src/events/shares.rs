//! How many attempts each bucket may have at once, so that one with a slow application does not keep the others waiting.

use crate::model::Bucket;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// The attempts that are being made, by bucket.
pub(super) struct Shares {
    taken: Arc<Mutex<HashMap<Bucket, usize>>>,
    per_bucket_max: usize,
}

/// One attempt of a bucket; it is over when this is dropped.
pub(super) struct Share {
    taken: Arc<Mutex<HashMap<Bucket, usize>>>,
    bucket: Bucket,
}

impl Shares {
    pub(super) fn new(per_bucket_max: usize) -> Self {
        Self { taken: Arc::default(), per_bucket_max }
    }

    /// A share for an attempt; `None` when the bucket has them all.
    pub(super) fn take(&self, bucket: &Bucket) -> Option<Share> {
        let mut counts = lock(&self.taken);
        let count = counts.get(bucket).copied().unwrap_or(0);
        if count >= self.per_bucket_max {
            return None;
        }
        counts.insert(bucket.clone(), count + 1);
        Some(Share { taken: Arc::clone(&self.taken), bucket: bucket.clone() })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut counts = lock(&self.taken);
        match counts.get_mut(&self.bucket) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => drop(counts.remove(&self.bucket)),
        }
    }
}

/// The lock is held for map operations only, never across an await, and no holder panics.
fn lock(taken: &Mutex<HashMap<Bucket, usize>>) -> MutexGuard<'_, HashMap<Bucket, usize>> {
    taken.lock().expect("no holder of this lock panics")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_takes_no_more_than_its_share_and_gives_it_back() {
        let (a, b) = (Bucket::new("aaa").unwrap(), Bucket::new("bbb").unwrap());
        let shares = Shares::new(2);
        let (first, second) = (shares.take(&a), shares.take(&a));
        assert!(first.is_some() && second.is_some() && shares.take(&a).is_none());
        let other = shares.take(&b);
        assert!(other.is_some());
        drop(first);
        let third = shares.take(&a);
        assert!(third.is_some() && shares.take(&a).is_none());
        drop((second, third, other));
        assert!(lock(&shares.taken).is_empty(), "nothing is kept of buckets without attempts");
    }
}
