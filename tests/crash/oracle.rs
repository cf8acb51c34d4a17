//! What clients know of the server's contents: what was acknowledged, and what was under way.
//!
//! A write is allowed to be what stands if it was never acknowledged (it may have happened or not), or if no
//! acknowledged write began after it was acknowledged. Anything else that stands has lost something.

use crate::gateway::Dice;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Bytes that follow from a seed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Piece {
    pub(crate) seed: u64,
    pub(crate) size: usize,
}

impl Piece {
    pub(crate) fn bytes(self) -> Vec<u8> {
        let mut dice = Dice::new(self.seed);
        let mut bytes: Vec<u8> = (0..self.size.div_ceil(8)).flat_map(|_| dice.number().to_le_bytes()).collect();
        bytes.truncate(self.size);
        bytes
    }
}

/// An object as a write made it. Its number stands in its metadata, so that head and bytes can be told to belong together.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) number: u64,
    pub(crate) pieces: Vec<Piece>,
}

impl Version {
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.pieces.iter().flat_map(|piece| piece.bytes()).collect()
    }

    pub(crate) fn size(&self) -> usize {
        self.pieces.iter().map(|piece| piece.size).sum()
    }
}

impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "write {} of {} bytes in {} pieces", self.number, self.size(), self.pieces.len())
    }
}

struct Write<T> {
    value: T,
    begun: u64,
    /// When it was acknowledged.
    done: Option<u64>,
}

/// All that was written to one place since it was last looked at.
pub(crate) struct History<T>(Vec<Write<T>>);

impl<T: Clone> History<T> {
    /// Of a place where this certainly stands.
    pub(crate) fn certain(value: T) -> Self {
        Self(vec![Write { value, begun: 0, done: Some(0) }])
    }

    fn begin(&mut self, value: T, now: u64) -> usize {
        self.0.push(Write { value, begun: now, done: None });
        self.0.len() - 1
    }

    /// What may stand.
    pub(crate) fn allowed(&self) -> Vec<&T> {
        let last_begun = self.0.iter().filter(|write| write.done.is_some()).map(|write| write.begun).max().unwrap_or(0);
        self.0.iter().filter(|write| write.done.is_none_or(|done| done >= last_begun)).map(|write| &write.value).collect()
    }

    /// What stands, for the only one who writes here and has heard of every write.
    pub(crate) fn latest(&self) -> &T {
        &self.0.iter().max_by_key(|write| write.done).expect("a history begins with something").value
    }

    /// Writes that were never acknowledged.
    pub(crate) fn unanswered(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter(|write| write.done.is_none()).map(|write| &write.value)
    }

    /// Everything that was ever written here since it was last looked at.
    pub(crate) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|write| &write.value)
    }
}

/// How far an upload got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Open,
    /// Complete was asked for and not answered.
    Completing,
    /// Abort was asked for and not answered.
    Aborting,
    Ended,
}

/// An upload that was acknowledged.
pub(crate) struct Upload {
    pub(crate) key: String,
    /// The number in the metadata of the object it will be.
    pub(crate) number: u64,
    pub(crate) parts: BTreeMap<u32, History<Option<Piece>>>,
    pub(crate) stage: Stage,
}

/// A write that is under way.
#[must_use]
pub(crate) struct Ticket {
    place: Place,
    index: usize,
}

enum Place {
    Object(String),
    Part(String, u32),
}

/// All that is known.
#[derive(Default)]
pub(crate) struct Oracle {
    clock: u64,
    /// Operations begun, also what numbers are given out by.
    pub(crate) begun: u64,
    /// Operations acknowledged since the last audit.
    pub(crate) acknowledged: u64,
    pub(crate) objects: BTreeMap<String, History<Option<Version>>>,
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// Uploads being created, by their numbers: what they are for.
    pub(crate) creating: BTreeMap<u64, String>,
    /// What must not be and was seen.
    pub(crate) problems: Vec<String>,
}

impl Oracle {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// A number for a new operation.
    pub(crate) fn begin(&mut self) -> u64 {
        self.begun += 1;
        self.begun
    }

    pub(crate) fn begin_object(&mut self, key: &str, value: Option<Version>) -> Ticket {
        let now = self.tick();
        let history = self.objects.entry(key.to_owned()).or_insert_with(|| History::certain(None));
        Ticket { index: history.begin(value, now), place: Place::Object(key.to_owned()) }
    }

    pub(crate) fn begin_part(&mut self, upload: &str, number: u32, piece: Piece) -> Ticket {
        let now = self.tick();
        let parts = &mut self.uploads.get_mut(upload).expect("it is one of ours").parts;
        let history = parts.entry(number).or_insert_with(|| History::certain(None));
        Ticket { index: history.begin(Some(piece), now), place: Place::Part(upload.to_owned(), number) }
    }

    pub(crate) fn acknowledge(&mut self, ticket: Ticket) {
        let now = self.tick();
        self.acknowledged += 1;
        match ticket.place {
            Place::Object(key) => self.objects.get_mut(&key).expect("it was begun").0[ticket.index].done = Some(now),
            Place::Part(upload, number) => {
                let parts = &mut self.uploads.get_mut(&upload).expect("it was begun").parts;
                parts.get_mut(&number).expect("it was begun").0[ticket.index].done = Some(now);
            }
        }
    }

    /// What certainly stands under a key that one thread alone writes.
    pub(crate) fn latest(&self, key: &str) -> Option<Version> {
        self.objects.get(key).and_then(|history| history.latest().clone())
    }

    pub(crate) fn problem(&mut self, what: String) {
        self.problems.push(what);
    }

    /// The keys that may have an object, for a listing.
    pub(crate) fn keys(&self) -> BTreeSet<String> {
        self.objects.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64) -> Option<Version> {
        Some(Version { number, pieces: vec![] })
    }

    fn allowed(oracle: &Oracle) -> Vec<Option<u64>> {
        oracle.objects["k"].allowed().into_iter().map(|version| version.as_ref().map(|version| version.number)).collect()
    }

    #[test]
    fn an_acknowledged_write_is_what_stands_and_nothing_before_it() {
        let mut oracle = Oracle::default();
        let first = oracle.begin_object("k", version(1));
        assert_eq!(allowed(&oracle), [None, Some(1)], "it may or may not have happened");
        oracle.acknowledge(first);
        assert_eq!(allowed(&oracle), [Some(1)]);
        let removal = oracle.begin_object("k", None);
        oracle.acknowledge(removal);
        assert_eq!(allowed(&oracle), [None], "the object must not come back");
        assert_eq!(oracle.latest("k"), None);
    }

    #[test]
    fn writes_at_the_same_time_may_end_in_any_order() {
        let mut oracle = Oracle::default();
        let (first, second) = (oracle.begin_object("k", version(1)), oracle.begin_object("k", version(2)));
        oracle.acknowledge(second);
        let _unanswered = oracle.begin_object("k", version(3));
        oracle.acknowledge(first);
        assert_eq!(allowed(&oracle), [Some(1), Some(2), Some(3)]);
        let last = oracle.begin_object("k", version(4));
        oracle.acknowledge(last);
        assert_eq!(allowed(&oracle), [Some(3), Some(4)], "a write without an answer may come late");
    }
}
