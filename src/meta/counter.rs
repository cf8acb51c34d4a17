//! Counters: numbers that commits add to without reading them, so that those who count the same thing never conflict.
//!
//! A counter is a plain row of eight bytes, big-endian; one that is zero has no row. Engines resolve what a commit adds
//! at the moment of the commit, with the functions here.

use super::{KvError, Write};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Rows with the values they get; `None` removes them.
pub(super) type Rows = BTreeMap<Vec<u8>, Option<Bytes>>;

/// What a counter's row says.
///
/// # Errors
/// [`KvError::Corrupt`] when it is no counter's.
pub fn count_of(value: Option<&[u8]>) -> Result<u64, KvError> {
    let Some(value) = value else { return Ok(0) };
    let bytes = value.try_into().map_err(|_| KvError::Corrupt(format!("a counter of {} bytes", value.len())))?;
    Ok(u64::from_be_bytes(bytes))
}

/// The row of a counter; `None` when it has none.
#[must_use]
pub fn row_of(count: u64) -> Option<Bytes> {
    (count > 0).then(|| Bytes::copy_from_slice(&count.to_be_bytes()))
}

/// Whether these counters and `add` come to `limit` at most, all together.
pub(super) fn at_most(
    counters: &[Vec<u8>],
    add: u64,
    limit: u64,
    read: impl Fn(&[u8]) -> Result<Option<Bytes>, KvError>,
) -> Result<bool, KvError> {
    let mut sum = add;
    for counter in counters {
        sum = sum.saturating_add(count_of(read(counter)?.as_deref())?);
    }
    Ok(sum <= limit)
}

/// The rows that the writes of a commit come to, in order, over what `read` finds.
pub(super) fn resolve(writes: Vec<Write>, read: impl Fn(&[u8]) -> Result<Option<Bytes>, KvError>) -> Result<Rows, KvError> {
    let mut rows = Rows::new();
    let count = |rows: &Rows, key: &[u8]| match rows.get(key) {
        Some(value) => count_of(value.as_deref()),
        None => count_of(read(key)?.as_deref()),
    };
    for write in writes {
        match write {
            Write::Put(key, value) => drop(rows.insert(key, Some(value))),
            Write::Delete(key) => drop(rows.insert(key, None)),
            Write::Add { counter, delta } => {
                let sum = added(&counter, count(&rows, &counter)?, delta.into());
                rows.insert(counter, row_of(sum));
            }
            Write::Take { counter, off } => {
                let taken = count(&rows, &counter)?;
                for other in off {
                    let rest = added(&other, count(&rows, &other)?, -i128::from(taken));
                    rows.insert(other, row_of(rest));
                }
                rows.insert(counter, None);
            }
        }
    }
    Ok(rows)
}

/// A counter never goes below zero nor above what fits. That it would have is a fault in the counting, which must not
/// keep anybody from deleting; `verify` finds it.
fn added(counter: &[u8], count: u64, delta: i128) -> u64 {
    let sum = i128::from(count).saturating_add(delta);
    u64::try_from(sum).unwrap_or_else(|_| {
        tracing::error!(counter = %counter.escape_ascii(), count, delta, "a counter went out of its range");
        if sum < 0 { 0 } else { u64::MAX }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &[u8]) -> Result<Option<Bytes>, KvError> {
        Ok(None)
    }

    #[test]
    fn a_counter_stops_at_its_ends_and_zero_has_no_row() {
        let add = |delta| Write::Add { counter: b"Qc".to_vec(), delta };
        let last = |writes, found: u64| {
            let rows = resolve(writes, |_| Ok(row_of(found))).unwrap();
            rows[&b"Qc"[..]].clone()
        };
        assert_eq!(last(vec![add(5), add(-5)], 0), None);
        assert_eq!(last(vec![add(5), add(i64::MIN)], 0), None);
        assert_eq!(last(vec![add(i64::MIN), add(2)], 7), row_of(2));
        assert_eq!(last(vec![add(i64::MAX)], u64::MAX), row_of(u64::MAX));
        let take = Write::Take { counter: b"Qc".to_vec(), off: vec![b"Qd".to_vec()] };
        assert_eq!(resolve(vec![add(3), take], nothing).unwrap()[&b"Qd"[..]], None);
    }

    #[test]
    fn a_row_that_is_no_counter_is_refused() {
        let read = |_: &[u8]| Ok(Some(Bytes::from_static(b"seven b")));
        for write in [Write::Add { counter: vec![b'Q'], delta: 1 }, Write::Take { counter: vec![b'Q'], off: vec![] }] {
            assert!(matches!(resolve(vec![write], read), Err(KvError::Corrupt(_))));
        }
        assert!(matches!(at_most(&[vec![b'Q']], 0, 9, read), Err(KvError::Corrupt(_))));
    }

    #[test]
    fn a_sum_that_does_not_fit_is_above_every_limit_but_the_last() {
        let read = |_: &[u8]| Ok(row_of(u64::MAX));
        assert_eq!(at_most(&[vec![b'Q']], 1, u64::MAX - 1, read), Ok(false));
        assert_eq!(at_most(&[], 1, 1, nothing), Ok(true));
    }
}
