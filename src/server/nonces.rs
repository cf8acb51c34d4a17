//! The nonces of signed requests, remembered for as long as the requests would be accepted again.

use crate::{auth::sts_request::Nonce, digest, model::Timestamp};
use std::{
    collections::{BTreeSet, HashSet},
    sync::{Mutex, PoisonError},
};

/// Nonces remembered at once, up to some 24 MiB. Only holders of keys get any in. Each stays for a quarter of an hour unless
/// the client's clock is ahead, so this is enough for 290 requests a second from all of them.
const COUNT_MAX: usize = 1 << 18;

/// What a nonce is remembered by.
type Name = [u8; 16];

/// What became of a nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It had not been used.
    First,
    /// It had.
    Repeated,
    /// Too many are in use; forgetting one would let its request be repeated.
    Full,
}

/// Remembers nonces. One gateway's only: a request that was sent to one is new to another.
pub(super) struct Nonces {
    count_max: usize,
    remembered: Mutex<Remembered>,
}

impl Default for Nonces {
    fn default() -> Self {
        Self::with_room_for(COUNT_MAX)
    }
}

#[derive(Default)]
struct Remembered {
    known: HashSet<Name>,
    /// The same, in the order in which they may be forgotten.
    by_end: BTreeSet<(Timestamp, Name)>,
}

impl Nonces {
    fn with_room_for(count_max: usize) -> Self {
        Self { count_max, remembered: Mutex::default() }
    }

    /// Notes that an access key has used a nonce, in a request whose signature was verified.
    pub(super) fn note(&self, access_key: &str, nonce: &Nonce, now: Timestamp) -> Use {
        let digest = digest::sha256(format!("{}:{access_key}{}", access_key.len(), nonce.text).as_bytes());
        let mut name = Name::default();
        name.copy_from_slice(&digest[..size_of::<Name>()]);
        // Held for a few set operations, never across an await.
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(&(until, oldest)) = remembered.by_end.first()
            && until < now
        {
            remembered.by_end.pop_first();
            remembered.known.remove(&oldest);
        }
        if remembered.known.contains(&name) {
            return Use::Repeated;
        }
        if remembered.known.len() >= self.count_max {
            return Use::Full;
        }
        remembered.known.insert(name);
        remembered.by_end.insert((nonce.until, name));
        Use::First
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);

    fn nonce(text: &str) -> Nonce {
        Nonce { text: text.to_owned(), until: NOW.plus_millis(900_000) }
    }

    #[test]
    fn a_nonce_is_used_once_by_each_key_while_its_request_is_acceptable() {
        let nonces = Nonces::default();
        assert_eq!(nonces.note("ak", &nonce("1"), NOW), Use::First);
        assert_eq!(nonces.note("ak", &nonce("1"), NOW.plus_millis(900_000)), Use::Repeated);
        assert_eq!(nonces.note("ak", &nonce("2"), NOW), Use::First);
        assert_eq!(nonces.note("other", &nonce("1"), NOW), Use::First);
        assert_eq!(nonces.note("ak1", &nonce(""), NOW), Use::First, "where the key ends counts");
        assert_eq!(nonces.note("ak", &nonce("1"), NOW.plus_millis(900_001)), Use::First, "its time was over");
    }

    #[test]
    fn a_full_memory_refuses_and_recovers() {
        let nonces = Nonces::with_room_for(10);
        for index in 0..10 {
            assert_eq!(nonces.note("ak", &nonce(&index.to_string()), NOW), Use::First);
        }
        assert_eq!(nonces.note("ak", &nonce("one more"), NOW), Use::Full);
        assert_eq!(nonces.note("ak", &nonce("0"), NOW), Use::Repeated);
        assert_eq!(nonces.note("ak", &nonce("one more"), NOW.plus_millis(900_001)), Use::First);
    }
}
