//! Rows that nearly every request asks for, as the database has them: buckets, access keys and quotas, each for many objects.
//!
//! - All changes come from the one committer, which takes the rows that a batch changes out before it writes the batch, and
//!   lets nobody put any back before the batch is written or has failed. So what is found here is what a read of the
//!   database would find, at every moment.
//! - That somebody has no quota is kept, too, as nearly nobody has one. That there is no such bucket or key is not: names
//!   that do not exist are made up by strangers, as many as they like.
//! - When it is full it starts from nothing. It is for rows that are few; where they are many, reads go to the database.

use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// The tables of these rows.
const BUCKETS: u8 = b'B';
const ACCESS_KEYS: u8 = b'K';
const QUOTAS: u8 = b'G';

/// How many rows are kept.
const ROWS_MAX: usize = 4096;

/// What they take, keys included. Bytes.
const ROWS_SIZE_MAX: usize = 4 << 20;

/// The rows that are kept.
#[derive(Default)]
pub(super) struct HotRows(RwLock<State>);

#[derive(Default)]
struct State {
    rows: HashMap<Vec<u8>, Option<Bytes>>,
    size: usize,
    /// Changes that have begun.
    begun: u64,
    /// Changes that have ended.
    ended: u64,
}

impl State {
    fn ticket(&self) -> Ticket {
        Ticket((self.begun == self.ended).then_some(self.ended))
    }
}

/// What is known of a row.
pub(super) enum Known {
    /// It is this, or is not there.
    Row(Option<Bytes>),
    /// Nothing: it is to be read, and may then be [put here](HotRows::learn).
    Nothing(Ticket),
}

/// How many changes there had been when a read began; `None` while there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(Option<u64>);

/// Whether a row is one of those that are kept.
pub(super) fn is_hot(key: &[u8]) -> bool {
    matches!(key.first(), Some(&(BUCKETS | ACCESS_KEYS | QUOTAS)))
}

impl HotRows {
    /// What is known of a hot row.
    pub(super) fn get(&self, key: &[u8]) -> Known {
        let state = self.read();
        match state.rows.get(key) {
            Some(row) => Known::Row(row.clone()),
            None => Known::Nothing(state.ticket()),
        }
    }

    /// Keeps what a read that began with this ticket has found, unless it may have changed since.
    pub(super) fn learn(&self, ticket: Ticket, key: &[u8], value: Option<&Bytes>) {
        if ticket.0.is_none() || (value.is_none() && key.first() != Some(&QUOTAS)) {
            return;
        }
        let size = key.len() + value.map_or(0, Bytes::len);
        let mut state = self.write();
        if ticket != state.ticket() || size > ROWS_SIZE_MAX || state.rows.contains_key(key) {
            return;
        }
        if state.rows.len() >= ROWS_MAX || state.size + size > ROWS_SIZE_MAX {
            state.rows.clear();
            state.size = 0;
        }
        state.size += size;
        state.rows.insert(key.to_vec(), value.cloned());
    }

    /// Takes rows out that are about to change. Until the change is dropped, none is put here.
    pub(super) fn change<'a>(&self, keys: impl Iterator<Item = &'a [u8]>) -> Change<'_> {
        let mut state = self.write();
        state.begun += 1;
        for key in keys {
            if let Some(row) = state.rows.remove(key) {
                state.size -= key.len() + row.map_or(0, |value| value.len());
            }
        }
        Change(self)
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change of hot rows that is under way.
pub(super) struct Change<'a>(&'a HotRows);

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.write().ended += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{blob::BlobId, meta::keys, model::Bucket};

    fn ticket(rows: &HotRows, key: &[u8]) -> Ticket {
        match rows.get(key) {
            Known::Nothing(ticket) => ticket,
            Known::Row(row) => panic!("{row:?} is known"),
        }
    }

    fn value(text: &'static str) -> Option<Bytes> {
        Some(Bytes::from_static(text.as_bytes()))
    }

    fn known(rows: &HotRows, key: &[u8]) -> Option<Option<Bytes>> {
        match rows.get(key) {
            Known::Row(row) => Some(row),
            Known::Nothing(_) => None,
        }
    }

    #[test]
    fn the_rows_of_buckets_keys_and_quotas_are_hot() {
        let bucket = keys::bucket(&Bucket::new("bkt").unwrap());
        for row in [bucket, keys::access_key("ak"), keys::quota(&keys::Whose::Key("ak".to_owned()))] {
            assert!(is_hot(&row), "{row:?}");
        }
        assert!(!is_hot(&keys::inline_data(BlobId([0; 16]))) && !is_hot(&[]));
    }

    #[test]
    fn what_was_read_is_known_until_it_changes() {
        let rows = HotRows::default();
        for key in [b"Ba", b"Bb"] {
            rows.learn(ticket(&rows, key), key, value("1").as_ref());
        }
        drop(rows.change([&b"Ba"[..]].into_iter()));
        assert_eq!((known(&rows, b"Ba"), known(&rows, b"Bb")), (None, Some(value("1"))));
        rows.learn(ticket(&rows, b"Ba"), b"Ba", value("2").as_ref());
        assert_eq!(known(&rows, b"Ba"), Some(value("2")));
    }

    #[test]
    fn what_was_read_before_or_during_a_change_is_not_kept() {
        let rows = HotRows::default();
        let before = ticket(&rows, b"Ba");
        let change = rows.change([&b"Ba"[..]].into_iter());
        rows.learn(before, b"Ba", value("old").as_ref());
        let during = ticket(&rows, b"Ba");
        rows.learn(during, b"Ba", value("old").as_ref());
        drop(change);
        rows.learn(before, b"Ba", value("old").as_ref());
        rows.learn(during, b"Ba", value("old").as_ref());
        assert_eq!(known(&rows, b"Ba"), None);
        rows.learn(ticket(&rows, b"Ba"), b"Ba", value("new").as_ref());
        assert_eq!(known(&rows, b"Ba"), Some(value("new")));
    }

    #[test]
    fn that_nothing_is_there_is_known_of_quotas_alone() {
        let rows = HotRows::default();
        for (key, expected) in [(b"Ga", Some(None)), (b"Ba", None), (b"Ka", None)] {
            rows.learn(ticket(&rows, key), key, None);
            assert_eq!(known(&rows, key), expected);
        }
    }

    #[test]
    fn it_is_bounded_in_rows_and_in_bytes() {
        let rows = HotRows::default();
        let sizes = |rows: &HotRows| {
            let state = rows.read();
            let size: usize = state.rows.iter().map(|(key, row)| key.len() + row.as_ref().map_or(0, Bytes::len)).sum();
            assert_eq!(size, state.size);
            (state.rows.len(), size)
        };
        for (count, size) in [(3 * ROWS_MAX, 1), (100, ROWS_SIZE_MAX / 9), (2, 2 * ROWS_SIZE_MAX)] {
            let large = Bytes::from(vec![0; size]);
            for number in 0..count {
                let key = format!("B{size}/{number}").into_bytes();
                rows.learn(ticket(&rows, &key), &key, Some(&large));
                let (count, size) = sizes(&rows);
                assert!(count <= ROWS_MAX && size <= ROWS_SIZE_MAX, "{count} rows, {size} bytes");
            }
        }
        drop(rows.change([&b"B1/1"[..]].into_iter()));
        assert!(sizes(&rows).0 > 0);
    }
}
