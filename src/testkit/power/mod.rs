//! A machine whose power goes at a moment that follows from a seed: a disk and an index that lose what was not synced.
//!
//! - The seed also decides how long each step of the disk and of the index takes, in turns of the scheduler and in
//!   milliseconds. On a runtime of one thread whose time is paused, a seed does the same thing every time.
//! - Every step that changes something durable is counted; the power goes right before one of them. From then on nothing
//!   works, and what survives is taken from [`SimulatedDisk::after_power_cut`] and [`SimulatedIndex::after_power_cut`].

mod disk;
mod index;

pub use disk::{DiskFaults, SimulatedDisk};
pub use index::SimulatedIndex;

use super::dice::Dice;
use crate::blob::Pace;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::watch;

/// Steps that take time on the clock, instead of turns alone: one in so many.
const SLOW_ONE_IN: usize = 24;

/// What a slow step takes at most. Milliseconds.
const SLOW_MS_MAX: usize = 6;

/// Turns of the scheduler that other steps take at most.
const TURNS_MAX: usize = 3;

/// The power of a simulated machine.
pub struct Power {
    /// Locked for a few instructions, never across an await.
    state: Mutex<State>,
    is_off: watch::Sender<bool>,
}

struct State {
    dice: Dice,
    /// Steps done.
    steps: u64,
    /// The step that is not done any more.
    last: Option<u64>,
    fingerprint: u64,
}

impl Power {
    /// On, until it is told when to go.
    #[must_use]
    pub fn on(seed: u64) -> Self {
        let state = State { dice: Dice::new(seed), steps: 0, last: None, fingerprint: 0 };
        Self { state: Mutex::new(state), is_off: watch::Sender::new(false) }
    }

    /// Makes it go right before the step after `count` more.
    pub fn goes_after(&self, count: u64) {
        let mut state = self.state();
        state.last = Some(state.steps.saturating_add(count));
    }

    /// Makes it go now.
    pub fn cut(&self) {
        self.is_off.send_replace(true);
    }

    /// Whether it has gone.
    #[must_use]
    pub fn is_off(&self) -> bool {
        *self.is_off.borrow()
    }

    /// Waits until it has gone.
    pub async fn gone(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.is_off.subscribe().wait_for(|&is_off| is_off).await;
    }

    /// Steps done so far, and what stands for all of them and their order.
    #[must_use]
    pub fn steps(&self) -> (u64, u64) {
        let state = self.state();
        (state.steps, state.fingerprint)
    }

    /// How long a step takes.
    #[must_use]
    pub fn pace(&self) -> Pace {
        let dice = &mut self.state().dice;
        if dice.one_in(SLOW_ONE_IN) {
            let millis = dice.below(SLOW_MS_MAX) as u64 + 1;
            return Box::pin(tokio::time::sleep(Duration::from_millis(millis)));
        }
        let turns = dice.below(TURNS_MAX + 1);
        Box::pin(async move {
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        })
    }

    /// One of `0 .. count`.
    pub fn below(&self, count: usize) -> usize {
        self.state().dice.below(count)
    }

    /// Counts a step that is about to be done; `false` when the power has gone before it.
    fn step(&self, what: &str) -> bool {
        if self.is_off() {
            return false;
        }
        let mut state = self.state();
        if state.last.is_some_and(|last| state.steps >= last) {
            self.cut();
            return false;
        }
        state.steps += 1;
        // FNV-1a.
        state.fingerprint = what.bytes().fold(state.fingerprint, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
