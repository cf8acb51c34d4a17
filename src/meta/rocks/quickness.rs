//! Whether the disk answers so quickly that reading a row where the request is served costs less than a change of threads.
//!
//! Mostly the rows that the index has not cached itself are in the system's page cache, or on a disk that takes microseconds.
//! Handing such a read to a thread that may block, and its row back, takes longer than the read, and a good part of what a
//! small request costs. A disk that takes its time is found out by its reads: then nobody waits for it who has others to serve.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

/// What takes longer is no quick read.
const QUICK_TIME_MAX: Duration = Duration::from_micros(300);

/// So many quick reads make up for as many slow ones as [`SLOW_COST`] goes into them.
const CREDIT_MAX: u32 = 128;
const CREDIT_QUICK: u32 = 32;
const SLOW_COST: u32 = 64;

/// What is known of a disk's latest reads. A few slow ones among many quick ones are a thread that had to wait for its core.
#[derive(Default)]
pub(super) struct Quickness {
    credit: AtomicU32,
}

impl Quickness {
    /// Whether a read will most likely take no longer than microseconds.
    pub(super) fn is_likely(&self) -> bool {
        self.credit.load(Ordering::Relaxed) >= CREDIT_QUICK
    }

    /// Does a read, and learns from the time it takes.
    pub(super) fn timed<T>(&self, read: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = read();
        self.note(start.elapsed());
        result
    }

    fn note(&self, elapsed: Duration) {
        let credit = self.credit.load(Ordering::Relaxed);
        let next = if elapsed <= QUICK_TIME_MAX { (credit + 1).min(CREDIT_MAX) } else { credit.saturating_sub(SLOW_COST) };
        // What another thread notes at the same moment may be lost, which changes nothing that matters.
        if next != credit {
            self.credit.store(next, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_quick_when_its_latest_reads_were_and_not_for_one_that_was_slow() {
        let (quick, slow) = (QUICK_TIME_MAX, Duration::from_millis(8));
        let disk = Quickness::default();
        assert!(!disk.is_likely(), "nothing is known yet");
        for _ in 0..CREDIT_QUICK {
            disk.note(quick);
        }
        assert!(disk.is_likely());
        disk.note(slow);
        assert!(!disk.is_likely(), "a disk that was quick for a moment");
        for _ in 0..1_000 {
            disk.note(quick);
        }
        disk.note(slow);
        assert!(disk.is_likely(), "one of a thousand");
        disk.note(slow);
        assert!(!disk.is_likely(), "two one after the other");
    }

    #[test]
    fn a_disk_with_one_slow_read_in_a_few_is_never_waited_for() {
        let disk = Quickness::default();
        for number in 0..10_000 {
            disk.note(if number % 20 == 0 { Duration::from_millis(1) } else { Duration::ZERO });
            assert!(!disk.is_likely());
        }
    }
}
