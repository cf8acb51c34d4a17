//! What the listings share: walking rows in pages that fit, and rolling keys up at a delimiter.
//!
//! - A line of a listing is an item or a common prefix; lines are in order of their text.
//! - Behind a common prefix the walk leaps instead of reading on, so that a page costs what it
//!   shows and not what its prefixes hold.

use super::{
    Gateway,
    gateway::{decode, index_failure},
};
use crate::{
    meta::{
        KvError, Leap, keys, next_wanted,
        record::{BucketId, Record},
    },
    model::{Entry, Failure, ObjectKey},
};
use bytes::Bytes;
use std::{ops::Range, sync::Arc, vec};

/// Most rows read from the index at once.
const SCAN_ROWS_MAX: usize = 1024;

/// Rows of a range, one after another, read in pages that grow.
pub(super) struct Walk<'a> {
    gateway: &'a Gateway,
    /// What has been read and not been taken.
    page: vec::IntoIter<(Bytes, Bytes)>,
    /// What has not been read.
    rest: Range<Vec<u8>>,
    /// How many rows to read next.
    row_count: usize,
    /// Which rows are left out.
    leap: Option<Leap>,
}

impl<'a> Walk<'a> {
    /// A walk that begins with a page of about `row_count` rows.
    pub(super) fn new(gateway: &'a Gateway, range: Range<Vec<u8>>, row_count: usize) -> Self {
        Self { gateway, page: Vec::new().into_iter(), rest: range, row_count: row_count.clamp(1, SCAN_ROWS_MAX), leap: None }
    }

    /// The same without the rows that `leap` leaves out; they are not read.
    pub(super) fn leaping(gateway: &'a Gateway, range: Range<Vec<u8>>, row_count: usize, leap: Leap) -> Self {
        Self { leap: Some(leap), ..Self::new(gateway, range, row_count) }
    }

    /// The next row: key and value.
    pub(super) async fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, Failure> {
        if let Some(row) = self.page.next() {
            return Ok(Some(row));
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let page = match &self.leap {
            Some(leap) => self.gateway.scan_leaping(self.rest.clone(), self.row_count, Arc::clone(leap)).await?,
            None => self.gateway.scan(self.rest.clone(), self.row_count).await?,
        };
        self.rest.start = match (page.last(), &self.leap) {
            (Some((last, _)), Some(leap)) if page.len() >= self.row_count => next_wanted(last, leap),
            (Some((last, _)), None) if page.len() >= self.row_count => keys::successor(last),
            (Some(_) | None, _) => self.rest.end.clone(),
        };
        self.row_count = (self.row_count * 2).min(SCAN_ROWS_MAX);
        self.page = page.into_iter();
        Ok(self.page.next())
    }
}

/// Which keys a listing shows, and how.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    /// Where.
    pub(super) bucket: BucketId,
    /// Only keys that start so.
    pub(super) prefix: &'a str,
    /// Keys are rolled up at its first occurrence after the prefix; empty means no rolling up.
    pub(super) delimiter: &'a str,
}

impl<'a> Scope<'a> {
    /// What a key of this scope is rolled up to, if it is.
    pub(super) fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        if self.delimiter.is_empty() {
            return None;
        }
        let at = key.strip_prefix(self.prefix)?.find(self.delimiter)?;
        Some(&key[..self.prefix.len() + at + self.delimiter.len()])
    }

    /// Leaves out the rows of a common prefix behind the first of them, which shows it.
    fn leap<T: Listed>(&self) -> Leap {
        let (bucket, prefix, delimiter) = (self.bucket, self.prefix.to_owned(), self.delimiter.to_owned());
        Arc::new(move |row| {
            let scope = Scope { bucket, prefix: &prefix, delimiter: &delimiter };
            let key = T::key_of(row)?;
            Some(T::after_prefix(bucket, scope.common_prefix(key.as_str())?))
        })
    }

    /// Where the rows begin that follow a line of this text. A common prefix that holds `text` is not
    /// above it, so all of it is left out.
    pub(super) fn start_after<T: Listed>(&self, text: &str) -> Vec<u8> {
        match self.common_prefix(text) {
            Some(common_prefix) => T::after_prefix(self.bucket, common_prefix),
            None => T::after_key(self.bucket, text),
        }
    }
}

/// What can be listed by key.
pub(super) trait Listed: Sized {
    /// The record it is read from.
    type Record: Record;

    /// The rows whose key starts with `prefix`.
    fn with_prefix(bucket: BucketId, prefix: &str) -> Range<Vec<u8>>;

    /// Where the rows begin whose key is above `key`.
    fn after_key(bucket: BucketId, key: &str) -> Vec<u8>;

    /// Where the rows begin whose key is above every key that starts with `prefix`.
    fn after_prefix(bucket: BucketId, prefix: &str) -> Vec<u8>;

    /// The object key in a row's key; `None` when the row is none of these.
    fn key_of(row: &[u8]) -> Option<ObjectKey>;

    /// The item of a row.
    fn item(row: &[u8], key: ObjectKey, record: Self::Record) -> Option<Self>;
}

/// A page of a listing.
pub(super) struct Page<T> {
    /// Items and common prefixes in one order.
    pub(super) entries: Vec<Entry<T>>,
    /// Whether more follow. Never after a page that was asked to be empty: it has no line to go on from.
    pub(super) is_truncated: bool,
}

impl Gateway {
    /// Up to `count_max` lines of the rows at or above `start`.
    pub(super) async fn page<T: Listed>(&self, scope: &Scope<'_>, start: Option<Vec<u8>>, count_max: usize) -> Result<Page<T>, Failure> {
        let mut page = Page { entries: Vec::new(), is_truncated: false };
        if count_max == 0 {
            return Ok(page);
        }
        let mut range = T::with_prefix(scope.bucket, scope.prefix);
        if let Some(start) = start {
            range.start = range.start.max(start);
        }
        // One row more than lines are asked for tells whether there are more.
        let row_count = count_max.saturating_add(1);
        let mut walk = match scope.delimiter {
            "" => Walk::new(self, range, row_count),
            _ => Walk::leaping(self, range, row_count, scope.leap::<T>()),
        };

        while let Some((row, value)) = walk.next().await? {
            if page.entries.len() == count_max {
                page.is_truncated = true;
                break;
            }
            let key = T::key_of(&row).ok_or_else(|| corrupt_row(&row))?;
            match scope.common_prefix(key.as_str()) {
                Some(common_prefix) => page.entries.push(Entry::CommonPrefix(common_prefix.to_owned())),
                None => page.entries.push(Entry::Item(T::item(&row, key, decode(&value)?).ok_or_else(|| corrupt_row(&row))?)),
            }
        }
        Ok(page)
    }
}

/// A row whose key is none of its table's; told to the log.
pub(super) fn corrupt_row(row: &[u8]) -> Failure {
    index_failure(KvError::Corrupt(format!("row key {}", row.escape_ascii())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::index_fixture::Fixture;

    fn scope<'a>(prefix: &'a str, delimiter: &'a str) -> Scope<'a> {
        Scope { bucket: BucketId([7; 8]), prefix, delimiter }
    }

    #[test]
    fn rolls_up_at_the_first_delimiter_after_the_prefix() {
        assert_eq!(scope("", "/").common_prefix("a/b/c"), Some("a/"));
        assert_eq!(scope("a/", "/").common_prefix("a/b/c"), Some("a/b/"));
        assert_eq!(scope("a/b", "/").common_prefix("a/b/c"), Some("a/b/"));
        assert_eq!(scope("a", "//").common_prefix("a/b//c"), Some("a/b//"));
        assert_eq!(scope("", "é").common_prefix("xéy"), Some("xé"));
        assert_eq!(scope("a/", "/").common_prefix("a/b"), None);
        assert_eq!(scope("", "").common_prefix("a/b"), None);
        assert_eq!(scope("b", "/").common_prefix("a/b"), None, "not in scope");
    }

    #[tokio::test]
    async fn a_walk_yields_every_row_once_whatever_its_page_sizes() {
        for row_count in [0, 1, 7, 64, usize::MAX] {
            let fixture = Fixture::new();
            let rows: Vec<Vec<u8>> = (0..3_000_u16).map(|row| [&b"x"[..], &row.to_be_bytes()].concat()).collect();
            for row in &rows {
                fixture.put_row(row.clone(), Bytes::from_static(b"v")).await;
            }
            let mut walk = Walk::new(&fixture.gateway, b"x".to_vec()..b"y".to_vec(), row_count);
            let mut seen = Vec::new();
            while let Some((key, _)) = walk.next().await.unwrap() {
                seen.push(key.to_vec());
            }
            assert_eq!(seen, rows, "pages from {row_count}");
        }
    }

    #[tokio::test]
    async fn a_leap_goes_forward_only_within_and_beyond_what_was_read() {
        let fixture = Fixture::new();
        for row in 0..100_u8 {
            fixture.put_row(vec![b'x', row], Bytes::new()).await;
        }
        let leap: Leap = Arc::new(|row| match row[1] {
            0 => Some(vec![b'x', 5]),
            5 => Some(vec![b'x', 3]),
            6 => Some(vec![b'x', 6]),
            7 => Some(vec![b'x', 60]),
            61 => Some(b"x\x62\xFF".to_vec()),
            99 => Some(vec![b'y', 7]),
            _ => None,
        });
        for row_count in [1, 2, 3, 16, 1_000] {
            let mut walk = Walk::leaping(&fixture.gateway, b"x".to_vec()..b"y".to_vec(), row_count, Arc::clone(&leap));
            let mut taken = Vec::new();
            while let Some((key, _)) = walk.next().await.unwrap() {
                taken.push(key[1]);
            }
            assert_eq!(taken, [0, 5, 6, 7, 60, 61, 99], "pages from {row_count}");
        }
    }

    #[tokio::test]
    async fn an_inverted_range_holds_nothing() {
        let fixture = Fixture::new();
        fixture.put_row(b"xm".to_vec(), Bytes::new()).await;
        let mut walk = Walk::new(&fixture.gateway, b"xz".to_vec()..b"xa".to_vec(), 16);
        assert_eq!(walk.next().await.unwrap(), None);
    }
}
