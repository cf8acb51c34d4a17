//! What operators ask: open uploads, whether every record has its bytes, and to mend what can be mended.

mod census;
#[cfg(test)]
pub(super) mod fixture;
mod names;
mod remedy;
mod repair;
#[cfg(test)]
mod repair_tests;
mod scrub;
mod tally;
#[cfg(test)]
mod tests;

use super::{Gateway, OpenUpload, VerifyReport, gateway::decode, pages::Pages};
use crate::{
    meta::{keys, record::BucketRecord},
    model::Failure,
};
use census::Census;
use scrub::Scrub;
use std::{collections::BTreeSet, time::Duration};

/// Counts of a busy store never add up in one go: what does not is counted again so often before it is a problem.
const RECOUNTS_MAX: usize = 3;

/// How long what was under way at one count gets to settle before the next.
const SETTLE_TIME: Duration = Duration::from_secs(1);

/// Rows read at once where nothing but reading them matters.
const ROWS_PER_SCAN: usize = 64;

/// Problems told at most; a store with more of them needs no longer list.
const PROBLEMS_MAX: usize = 10_000;

impl Gateway {
    /// The open uploads of all buckets, by bucket and key, oldest first within a key, up to `count_max`.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn open_uploads(&self, count_max: usize) -> Result<Vec<OpenUpload>, Failure> {
        let mut open = Vec::new();
        let mut buckets = Pages::new(keys::table(b'B'));
        while let Some(page) = buckets.next(self).await? {
            for (row, value) in &page {
                let Some(bucket) = keys::bucket_of(row) else { continue };
                let record: BucketRecord = decode(value)?;
                let mut uploads = Pages::new(keys::uploads(record.id));
                while let Some(page) = uploads.next(self).await? {
                    for (row, value) in &page {
                        if open.len() == count_max {
                            return Ok(open);
                        }
                        let Some((_, key, upload_id)) = keys::upload_of(row) else { continue };
                        let (summary, _) = self.upload_summary(&bucket, key, upload_id, &decode(value)?).await?;
                        open.push(summary);
                    }
                }
            }
        }
        Ok(open)
    }

    /// Checks that every record has its bytes with the right digest and that no bytes are orphaned.
    ///
    /// May run while requests are served: what changes meanwhile is looked at again before it is called
    /// a problem. Reads every byte once, and keeps a few dozen bytes of memory per blob.
    ///
    /// # Errors
    /// When the stores cannot be read at all.
    pub async fn verify(&self) -> Result<VerifyReport, Failure> {
        match self.verify_settling(SETTLE_TIME).await {
            // Where the index cannot be read there is no telling what is in it, but for where that is.
            Err(Failure::Internal) => match self.unreadable().await {
                Some(problem) => Ok(VerifyReport { problems: vec![problem], ..VerifyReport::default() }),
                None => Err(Failure::Internal),
            },
            done => done,
        }
    }

    /// What the engine says of the first rows that it cannot read.
    async fn unreadable(&self) -> Option<String> {
        for table in 0..u8::MAX {
            let mut range = keys::table(table);
            let mut after = String::new();
            loop {
                match self.kv.scan(range.clone(), ROWS_PER_SCAN).await {
                    Ok(rows) => match rows.last() {
                        Some((last, _)) => {
                            after = format!(" after {}", last.escape_ascii());
                            range.start = keys::successor(last);
                        }
                        None => break,
                    },
                    Err(error) => return Some(format!("rows of table {}{after}: {error}", char::from(table).escape_default())),
                }
            }
        }
        None
    }

    async fn verify_settling(&self, settle_time: Duration) -> Result<VerifyReport, Failure> {
        let mut census = Census::take(self).await?;
        let scrub = Scrub::run(self, census.names()).await?;
        let mut problems: BTreeSet<String> = census.problems().into_keys().collect();
        for _ in 0..RECOUNTS_MAX {
            if problems.is_empty() {
                break;
            }
            tokio::time::sleep(settle_time).await;
            census = Census::take(self).await?;
            let again = census.problems();
            problems.retain(|problem| again.contains_key(problem));
        }
        problems.extend(scrub.problems);
        Ok(VerifyReport {
            records: census.records,
            blobs: scrub.blobs,
            bytes: scrub.bytes,
            problems: problems.into_iter().take(PROBLEMS_MAX).collect(),
            repairs: Vec::new(),
        })
    }
}
