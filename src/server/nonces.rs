//! The nonces of signed requests, remembered for as long as the requests would be accepted again.

use crate::{
    auth::sts_request::Nonce,
    digest,
    model::{Account, Timestamp},
};
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
};

/// Nonces remembered at once, up to some 32 MiB. Only holders of keys get any in. Each stays for a quarter of an hour unless
/// the client's clock is ahead, so this is enough for 290 requests a second from all of them
/// and half as many from one account.
const COUNT_MAX: usize = 1 << 18;

/// One account gets one of so many shares at most, so that no account can shut out all others.
const ACCOUNT_SHARE: usize = 2;

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
    by_end: BTreeSet<(Timestamp, Name, Arc<str>)>,
    /// How many of them are each account's.
    by_account: HashMap<Arc<str>, usize>,
}

impl Nonces {
    fn with_room_for(count_max: usize) -> Self {
        Self { count_max, remembered: Mutex::default() }
    }

    /// Notes that an access key of an account has used a nonce, in a request whose signature was verified.
    pub(super) fn note(&self, account: &Account, access_key: &str, nonce: &Nonce, now: Timestamp) -> Use {
        let digest = digest::sha256(format!("{}:{access_key}{}", access_key.len(), nonce.text).as_bytes());
        let mut name = Name::default();
        name.copy_from_slice(&digest[..size_of::<Name>()]);
        // Held for a few set operations, never across an await.
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.forget_ended(now);
        if remembered.known.contains(&name) {
            return Use::Repeated;
        }
        let (account, count) = match remembered.by_account.get_key_value(account.0.as_str()) {
            Some((account, count)) => (Arc::clone(account), *count),
            None => (Arc::from(account.0.as_str()), 0),
        };
        if remembered.known.len() >= self.count_max || count >= self.count_max / ACCOUNT_SHARE {
            return Use::Full;
        }
        remembered.known.insert(name);
        remembered.by_end.insert((nonce.until, name, Arc::clone(&account)));
        remembered.by_account.insert(account, count + 1);
        Use::First
    }
}

impl Remembered {
    fn forget_ended(&mut self, now: Timestamp) {
        while self.by_end.first().is_some_and(|(until, ..)| *until < now) {
            let Some((_, name, account)) = self.by_end.pop_first() else { return };
            self.known.remove(&name);
            match self.by_account.get_mut(&account) {
                Some(count) if *count > 1 => *count -= 1,
                Some(_) | None => drop(self.by_account.remove(&account)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);

    fn one() -> Account {
        Account("one".to_owned())
    }

    fn nonce(text: &str) -> Nonce {
        Nonce { text: text.to_owned(), until: NOW.plus_millis(900_000) }
    }

    #[test]
    fn a_nonce_is_used_once_by_each_key_while_its_request_is_acceptable() {
        let nonces = Nonces::default();
        assert_eq!(nonces.note(&one(), "ak", &nonce("1"), NOW), Use::First);
        assert_eq!(nonces.note(&one(), "ak", &nonce("1"), NOW.plus_millis(900_000)), Use::Repeated);
        assert_eq!(nonces.note(&one(), "ak", &nonce("2"), NOW), Use::First);
        assert_eq!(nonces.note(&one(), "other", &nonce("1"), NOW), Use::First);
        assert_eq!(nonces.note(&one(), "ak1", &nonce(""), NOW), Use::First, "where the key ends counts");
        assert_eq!(nonces.note(&one(), "ak", &nonce("1"), NOW.plus_millis(900_001)), Use::First, "its time was over");
    }

    #[test]
    fn a_full_memory_refuses_and_recovers() {
        let nonces = Nonces::with_room_for(20);
        for index in 0..10 {
            assert_eq!(nonces.note(&one(), "ak", &nonce(&index.to_string()), NOW), Use::First);
        }
        assert_eq!(nonces.note(&one(), "ak", &nonce("one more"), NOW), Use::Full);
        assert_eq!(nonces.note(&one(), "ak", &nonce("0"), NOW), Use::Repeated);
        assert_eq!(nonces.note(&one(), "ak", &nonce("one more"), NOW.plus_millis(900_001)), Use::First);
    }

    #[test]
    fn no_account_takes_the_room_of_all() {
        let nonces = Nonces::with_room_for(4);
        let note = |account: &str, text: &str, now| nonces.note(&Account(account.to_owned()), account, &nonce(text), now);
        assert_eq!(["1", "2", "3"].map(|text| note("greedy", text, NOW)), [Use::First, Use::First, Use::Full]);
        assert_eq!(["1", "2"].map(|text| note("other", text, NOW)), [Use::First, Use::First]);
        assert_eq!(note("third", "1", NOW), Use::Full);
        let later = NOW.plus_millis(900_001);
        assert_eq!(note("greedy", "3", later), Use::First);
        assert_eq!(nonces.remembered.lock().unwrap().by_account.len(), 1, "who has none is not remembered");
    }
}
