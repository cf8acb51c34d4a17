//! The counters that commits added to of late, as the committer left them: it is the only one who changes them, and nearly
//! every commit adds to some that the ones before it added to.

use bytes::Bytes;
use std::collections::HashMap;

/// The table of counters.
const COUNTERS: u8 = b'Q';

/// How many are kept: some for each bucket, access key and open upload that is written to.
const COUNTERS_MAX: usize = 8192;

/// Rows of counters as the database has them.
#[derive(Default)]
pub(super) struct KnownCounters(HashMap<Vec<u8>, Bytes>);

impl KnownCounters {
    /// What a counter's row is, if that is known.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.0.get(key)
    }

    /// Takes over what a batch that is written has made of rows. When there are too many of them, it starts from nothing.
    pub(super) fn learn(&mut self, changed: impl IntoIterator<Item = (Vec<u8>, Option<Bytes>)>) {
        for (key, value) in changed.into_iter().filter(|(key, _)| key.first() == Some(&COUNTERS)) {
            match value {
                Some(value) => {
                    if self.0.len() >= COUNTERS_MAX && !self.0.contains_key(&key) {
                        self.0.clear();
                    }
                    self.0.insert(key, value);
                }
                // What has no row may never be asked for again.
                None => drop(self.0.remove(&key)),
            }
        }
    }

    /// Forgets everything, when nobody can tell what the database has.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::{
        keys::{Counter, Whose, counter},
        row_of,
    };

    #[test]
    fn counters_are_known_as_they_were_left_and_other_rows_are_not() {
        let mut known = KnownCounters::default();
        let row = counter(&Whose::Key("ak".to_owned()), Counter::Objects);
        known.learn([(row.clone(), row_of(1)), (b"Oa".to_vec(), row_of(1))]);
        known.learn([(row.clone(), row_of(2))]);
        assert_eq!((known.get(&row), known.get(b"Oa")), (row_of(2).as_ref(), None));
        known.learn([(row.clone(), None)]);
        assert_eq!(known.get(&row), None);
    }

    #[test]
    fn only_so_many_are_known() {
        let mut known = KnownCounters::default();
        for number in 0..3 * COUNTERS_MAX {
            let row = counter(&Whose::Key(number.to_string()), Counter::Objects);
            known.learn([(row.clone(), row_of(1))]);
            assert!(known.0.len() <= COUNTERS_MAX && known.get(&row).is_some());
        }
        known.forget();
        assert!(known.0.is_empty());
    }
}
