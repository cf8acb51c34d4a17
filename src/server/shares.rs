//! A bounded amount of something, shared fairly by those who want some of it.
//!
//! - Nobody waits: who gets nothing is told to slow down while that is still cheap.
//! - Whoever is alone may have nearly all of it. Above an equal share, counted with one more who may come, nobody takes
//!   from the reserve, so that who has less than that finds something at once, however greedy the others are.
//! - Whoever comes later gets to an equal share as the others let go: what they have too much of does not come back to them.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The reserve of places, as a part of them all.
const RESERVE_PART: u64 = 64;
/// From so many places on there is a reserve, of one at least.
const RESERVED_FROM: u64 = 8;

/// What there is of something, and who has how much of it.
pub(super) struct Shares<K> {
    state: Mutex<State<K>>,
    total: u64,
    reserve: u64,
}

struct State<K> {
    free: u64,
    held: HashMap<K, u64>,
}

/// What somebody has; given back when dropped.
pub(super) struct Share<K: Eq + Hash> {
    shares: Arc<Shares<K>>,
    holder: K,
    amount: u64,
}

impl<K: Clone + Eq + Hash> Shares<K> {
    /// So many places, of which one in 64 is the reserve; of a few, one.
    pub(super) fn places(total: usize) -> Arc<Self> {
        let total = u64::try_from(total).unwrap_or(u64::MAX);
        Self::new(total, (total / RESERVE_PART).max(u64::from(total >= RESERVED_FROM)))
    }

    /// An amount with a reserve.
    pub(super) fn new(total: u64, reserve: u64) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { free: total, held: HashMap::new() }), total, reserve })
    }

    /// An amount for somebody; `None` when there is not as much, or it is for others.
    pub(super) fn take(self: &Arc<Self>, holder: K, amount: u64) -> Option<Share<K>> {
        let mut state = self.state();
        if !self.may_take(&state, &holder, amount) {
            return None;
        }
        state.hand_out(&holder, amount);
        Some(Share { shares: Arc::clone(self), holder, amount })
    }

    fn may_take(&self, state: &State<K>, holder: &K, amount: u64) -> bool {
        let Some(left) = state.free.checked_sub(amount) else { return false };
        let held = state.held.get(holder).copied();
        let others = state.held.len() - usize::from(held.is_some());
        let equal_share = self.total / (others as u64).saturating_add(2);
        left >= self.reserve || held.unwrap_or(0).saturating_add(amount) <= equal_share
    }
}

impl<K> Shares<K> {
    /// Held for a moment only, never across a wait.
    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    /// There is as much, which has been looked at.
    fn hand_out(&mut self, holder: &K, amount: u64) {
        self.free = self.free.saturating_sub(amount);
        let held = self.held.entry(holder.clone()).or_insert(0);
        *held = held.saturating_add(amount);
    }
}

impl<K: Eq + Hash> State<K> {
    fn take_back(&mut self, holder: &K, amount: u64) {
        self.free = self.free.saturating_add(amount);
        match self.held.get_mut(holder) {
            Some(held) if *held > amount => *held -= amount,
            // Those who have nothing do not count when the whole is divided, and cost no memory.
            Some(_) | None => drop(self.held.remove(holder)),
        }
    }
}

impl<K: Clone + Eq + Hash> Share<K> {
    /// Adds to it; `false`, and nothing changes, when there is not as much.
    pub(super) fn grow(&mut self, amount: u64) -> bool {
        let mut state = self.shares.state();
        let may = self.shares.may_take(&state, &self.holder, amount);
        if may {
            state.hand_out(&self.holder, amount);
            self.amount = self.amount.saturating_add(amount);
        }
        may
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        self.shares.state().take_back(&self.holder, self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What somebody gets who takes places one by one for as long as he can.
    fn all_he_can(shares: &Arc<Shares<&'static str>>, holder: &'static str) -> Vec<Share<&'static str>> {
        std::iter::from_fn(|| shares.take(holder, 1)).collect()
    }

    #[test]
    fn one_who_is_alone_has_nearly_all_and_others_find_a_place_at_once() {
        let shares = Shares::places(128);
        let greedy = all_he_can(&shares, "greedy");
        assert_eq!(greedy.len(), 126);
        let modest = all_he_can(&shares, "modest");
        assert_eq!(modest.len(), 2);
        drop((greedy, modest));
        assert!(shares.state().held.is_empty(), "nothing is kept of those who have nothing");
        assert_eq!(shares.state().free, 128);
    }

    #[test]
    fn what_the_greedy_let_go_of_goes_to_those_who_have_less() {
        let shares = Shares::places(128);
        let mut greedy = all_he_can(&shares, "greedy");
        let mut modest = all_he_can(&shares, "modest");
        while modest.len() < 128 / 3 {
            drop(greedy.pop());
            assert!(shares.take("greedy", 1).is_none(), "with {} of his own", greedy.len());
            modest.push(shares.take("modest", 1).expect("it is for him"));
        }
        drop(greedy.pop());
        assert!(shares.take("modest", 1).is_none(), "he has his share, and the reserve is for others");
    }

    #[test]
    fn many_greedy_ones_leave_the_reserve_to_one_who_comes_late() {
        let shares = Shares::places(640);
        let names: Vec<&'static str> = (0..20).map(|number| &*format!("greedy {number}").leak()).collect();
        let mut held = Vec::new();
        // In turn, until nobody gets any more.
        while let taken @ 1.. = names.iter().filter_map(|&name| shares.take(name, 1)).map(|share| held.push(share)).count() {
            assert!(taken <= 20);
        }
        assert_eq!(held.len(), 630);
        assert_eq!(all_he_can(&shares, "late").len(), 10);
    }

    #[test]
    fn so_few_places_that_there_is_no_reserve_are_all_given_away() {
        for total in [1, 4, 7] {
            assert_eq!(all_he_can(&Shares::places(total), "anybody").len(), total);
        }
        for total in [8, 63, 127] {
            let shares = Shares::places(total);
            let greedy = all_he_can(&shares, "greedy");
            assert_eq!((greedy.len(), all_he_can(&shares, "modest").len()), (total - 1, 1));
        }
        assert!(Shares::places(0).take("anybody", 1).is_none());
    }

    #[test]
    fn a_share_grows_within_the_same_rules() {
        let shares = Shares::new(100, 10);
        let mut first = shares.take("a", 60).unwrap();
        assert!(first.grow(30) && !first.grow(1), "the reserve is not for who has the most");
        let mut second = shares.take("b", 5).unwrap();
        assert!(second.grow(5) && !second.grow(1), "nothing is left");
        assert_eq!(shares.state().held, HashMap::from([("a", 90), ("b", 10)]));
        drop((first, second));
        assert_eq!(shares.state().free, 100);
    }
}
