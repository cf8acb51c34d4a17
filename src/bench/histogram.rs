//! A histogram of latencies: log-linear, so that every value is known to within one part in 128, however large.

use serde::{Deserialize, Serialize};

/// Each power of two is divided into `1 << STEP_BITS` steps.
const STEP_BITS: u32 = 7;
const STEPS: u64 = 1 << STEP_BITS;

/// Counts of values by size. Adding one costs an increment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: Vec<u64>,
    count: u64,
    sum: u128,
    max: u64,
}

/// So many values up to so large, and above the bucket before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket(pub u64, pub u64);

impl Histogram {
    /// Adds a value.
    pub fn record(&mut self, value: u64) {
        let index = index(value);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
    }

    /// Adds all values of another one.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.len() > self.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        for (own, others) in self.counts.iter_mut().zip(&other.counts) {
            *own += others;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// How many values there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The largest value, exactly.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The average, rounded down; 0 of nothing.
    #[must_use]
    pub fn mean(&self) -> u64 {
        u64::try_from(self.sum / u128::from(self.count.max(1))).unwrap_or(u64::MAX)
    }

    /// The least value that so many of 1,000 values do not exceed, at most one part in 128 too large; 0 of nothing.
    #[must_use]
    pub fn quantile(&self, permille: u64) -> u64 {
        let rank = (u128::from(self.count) * u128::from(permille)).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += u128::from(count);
            if seen >= rank {
                return largest(index).min(self.max);
            }
        }
        self.max
    }

    /// What is not empty, in ascending order: the largest value of a bucket and how many are in it.
    #[must_use]
    pub fn buckets(&self) -> Vec<Bucket> {
        let filled = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        filled.map(|(index, &count)| Bucket(largest(index).min(self.max), count)).collect()
    }
}

/// Values below `STEPS` have a bucket each.
fn index(value: u64) -> usize {
    let shift = value.max(1).ilog2().saturating_sub(STEP_BITS);
    let step = value >> shift;
    (u64::from(shift) * STEPS + step) as usize
}

/// The largest value of a bucket.
fn largest(index: usize) -> u64 {
    let index = index as u64;
    let shift = (index / STEPS).saturating_sub(1);
    let step = index - shift * STEPS;
    let next = u128::from(step + 1) << shift;
    u64::try_from(next - 1).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_value_is_in_the_bucket_it_is_read_from() {
        for value in (0..2000).chain((0..64).flat_map(|bit| [(1u64 << bit) - 1, 1 << bit, (1 << bit) + 1])).chain([u64::MAX]) {
            let read = largest(index(value));
            assert!(read >= value && read - value <= value / STEPS, "{value} is read as {read}");
            assert!(index(value) == 0 || largest(index(value) - 1) < value, "{value}");
        }
    }

    #[test]
    fn nothing_has_no_latency() {
        let empty = Histogram::default();
        assert_eq!((empty.count(), empty.quantile(500), empty.max(), empty.mean()), (0, 0, 0, 0));
        assert_eq!(empty.buckets(), []);
    }

    #[test]
    fn known_quantiles_of_known_values() {
        let mut histogram = Histogram::default();
        (1..=1000).rev().for_each(|value| histogram.record(value * 1000));
        for (permille, exact) in [(500, 500_000), (900, 900_000), (990, 990_000), (999, 999_000)] {
            let read = histogram.quantile(permille);
            assert!((exact..exact + exact / 128 + 1).contains(&read), "{permille}: {read}");
        }
        assert_eq!((histogram.quantile(1000), histogram.max(), histogram.mean()), (1_000_000, 1_000_000, 500_500));
    }

    proptest! {
        /// Against sorting, over all sizes, and whatever histogram a value was recorded in.
        #[test]
        fn quantiles_are_those_of_the_sorted_values(
            values in prop::collection::vec((0u32..64, any::<u64>()).prop_map(|(shift, value)| value >> shift), 1..300),
            split in 0usize..300,
            permille in 1u64..=1000,
        ) {
            let (mut one, mut other) = (Histogram::default(), Histogram::default());
            values.iter().enumerate().for_each(|(place, &value)| if place < split { one.record(value) } else { other.record(value) });
            one.merge(&other);
            let mut sorted = values.clone();
            sorted.sort_unstable();
            let exact = sorted[(values.len() * permille as usize).div_ceil(1000).max(1) - 1];
            let read = one.quantile(permille);
            prop_assert!(read >= exact && read - exact <= exact / STEPS, "{exact} is read as {read}");
            prop_assert_eq!(one.max(), *sorted.last().unwrap());
            prop_assert_eq!(one.buckets().iter().map(|bucket| bucket.1).sum::<u64>(), values.len() as u64);
        }
    }
}
