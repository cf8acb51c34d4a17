//! Walking a range of the index a page at a time, so that memory does not grow with it.

use super::Gateway;
use crate::{meta::keys, model::Failure};
use bytes::Bytes;
use std::ops::Range;

/// Rows in a page of records.
const PAGE_ROWS: usize = 256;

/// Rows in a page of parts, which are small: an upload of 10,000 is completed after ten pages, each of which is a change of threads.
const PARTS_PAGE_ROWS: usize = 1024;

/// Rows in a page of inline data, whose values are tens of KiB.
const INLINE_DATA_PAGE_ROWS: usize = 32;

/// A walk over a range of the index in order. Each page is of one moment, the walk is not: what changes
/// ahead of it is seen, what changes behind it is not.
pub(super) struct Pages {
    rest: Range<Vec<u8>>,
    is_last: bool,
}

impl Pages {
    /// Over the rows of a range.
    pub(super) fn new(range: Range<Vec<u8>>) -> Self {
        Self { rest: range, is_last: false }
    }

    /// The next page, not empty; `None` at the end.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub(super) async fn next(&mut self, gateway: &Gateway) -> Result<Option<Vec<(Bytes, Bytes)>>, Failure> {
        if self.is_last {
            return Ok(None);
        }
        let rows_max = match self.rest.start.first() {
            Some(&keys::INLINE_DATA_TABLE) => INLINE_DATA_PAGE_ROWS,
            Some(&keys::PARTS_TABLE) => PARTS_PAGE_ROWS,
            Some(_) | None => PAGE_ROWS,
        };
        let page = gateway.scan(self.rest.clone(), rows_max).await?;
        self.is_last = page.len() < rows_max;
        Ok(page.last().map(|(row, _)| keys::successor(row)).map(|next| {
            self.rest.start = next;
            page
        }))
    }
}
