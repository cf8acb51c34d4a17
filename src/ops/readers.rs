//! Who is reading since when: what a reader may have found in the index must stay until it is done.

use crate::model::Timestamp;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The start times of the reads under way. The lock is held for a few instructions, never across an await.
#[derive(Default)]
pub(super) struct Readers(Mutex<BTreeMap<Timestamp, usize>>);

/// A read under way. It must begin before the reader looks anything up; dropping it ends it.
pub(super) struct Reading {
    readers: Arc<Readers>,
    since: Timestamp,
}

impl Readers {
    /// Begins a read.
    pub(super) fn begin(self: &Arc<Self>, now: Timestamp) -> Reading {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(now).or_default() += 1;
        Reading { readers: Arc::clone(self), since: now }
    }

    /// When the oldest read under way began.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().next().copied()
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let mut readers = self.readers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = readers.get_mut(&self.since) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.since);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_read_counts_until_the_last_of_its_time_ends() {
        let readers = Arc::new(Readers::default());
        let at = Timestamp::from_millis;
        let (first, twin, later) = (readers.begin(at(5)), readers.begin(at(5)), readers.begin(at(7)));
        drop(first);
        assert_eq!(readers.oldest(), Some(at(5)));
        drop(twin);
        assert_eq!(readers.oldest(), Some(at(7)));
        drop(later);
        assert_eq!(readers.oldest(), None);
    }
}
