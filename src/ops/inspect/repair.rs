//! Mending what `verify` finds, on a store that nobody else uses.
//!
//! - Nothing is deleted: what goes is noted in the quarantine first, files move there, and rows are in its manifest as they
//!   were.
//! - No object, upload or bucket changes. What they have lost stays told, problem by problem.
//! - As long as a record cannot be read, nobody knows what it refers to. Then nothing goes that it might refer to.
//! - Each step is done again after a crash in its middle, and finds nothing to do once it is done.
//! - One remedy brings the next to light, as a part's row that is gone has held a file. So counts and remedies take turns.

use super::{census::Census, remedy::Remedy};
use crate::{
    blob::{BlobError, BlobId},
    meta::{
        Check, Write, keys,
        record::{BlobRecord, Record},
        row_of,
    },
    model::Failure,
    ops::{
        Gateway, VerifyReport,
        gateway::{blob_failure, decode},
    },
};
use bytes::Bytes;
use serde_json::json;
use std::time::Duration;

/// Turns of counting and mending at most: chains of remedies are shorter, and each turn mends all that one count found.
const TURNS_MAX: usize = 100;

impl Gateway {
    /// Mends what can be mended without harm, then verifies. With `is_dry` it changes nothing and tells what it would do
    /// first. Nobody else may use the stores meanwhile.
    ///
    /// # Errors
    /// When the stores cannot be read or written.
    pub async fn repair(&self, is_dry: bool) -> Result<VerifyReport, Failure> {
        let mut repairs = Vec::new();
        for _ in 0..TURNS_MAX {
            let mut census = Census::take(self).await?;
            let is_blind = census.is_blind();
            let remedies = census.problems().into_iter().filter_map(|(problem, remedy)| Some((problem, remedy?)));
            let remedies = remedies.filter(|(_, remedy)| !(is_blind && remedy.needs_every_reference()));
            let before = repairs.len();
            for (problem, remedy) in remedies {
                if is_dry || self.apply(&remedy, &problem).await? {
                    repairs.push(format!("{problem}: {remedy}"));
                }
            }
            if is_dry || repairs.len() == before {
                break;
            }
        }
        Ok(VerifyReport { repairs, ..self.verify_settling(Duration::ZERO).await? })
    }

    /// Applies a remedy; `false` when it cannot be, or there is nothing to do.
    async fn apply(&self, remedy: &Remedy, why: &str) -> Result<bool, Failure> {
        match remedy {
            Remedy::TakeOutRow(row) => self.take_out(row, why).await,
            Remedy::SetBlobAside(blob) => {
                let moved = self.blobs.quarantine(*blob, self.now(), why).await.map_err(blob_failure)?;
                // While the row stands, the next repair comes here again.
                Ok(self.take_out(&keys::blob(*blob), why).await? || moved)
            }
            Remedy::Recount { blob, recorded: _, holders } => {
                let row = keys::blob(*blob);
                let Some(value) = self.get(&row).await? else { return Ok(false) };
                let record: BlobRecord = decode(&value)?;
                self.replace_row(row, Some(value), BlobRecord { holders: *holders, ..record }.encode(), why).await
            }
            Remedy::RestoreRow { blob, holders, is_leaving } => self.restore_row(*blob, *holders, *is_leaving, why).await,
            Remedy::SetCounter { row, count } => match row_of(*count) {
                Some(value) => self.replace_row(row.clone(), self.get(row).await?, value, why).await,
                None => self.take_out(row, why).await,
            },
            Remedy::MakeDue(event, due) => self.replace_row(keys::event_due(*due, *event), None, Bytes::new(), why).await,
        }
    }

    /// Takes a row out of the index once it is noted in the quarantine; `false` when there is none.
    async fn take_out(&self, row: &[u8], why: &str) -> Result<bool, Failure> {
        let Some(value) = self.get(row).await? else { return Ok(false) };
        self.note_row("row", row, Some(&value), why).await?;
        let lost = self.commit(vec![Check::Equals(row.to_vec(), value)], vec![Write::Delete(row.to_vec())]).await?;
        Ok(lost.is_none())
    }

    /// Puts a row in the place of another, or of none, once what was there is noted in the quarantine.
    async fn replace_row(&self, row: Vec<u8>, old: Option<Bytes>, new: Bytes, why: &str) -> Result<bool, Failure> {
        self.note_row("replaced row", &row, old.as_ref(), why).await?;
        let lost = self.commit(vec![Check::unchanged(row.clone(), old)], vec![Write::Put(row, new)]).await?;
        Ok(lost.is_none())
    }

    /// Makes the row of a file that is sound, or of one that may be gone.
    async fn restore_row(&self, blob: BlobId, holders: u32, is_leaving: bool, why: &str) -> Result<bool, Failure> {
        let size = match self.blobs.verify(blob).await {
            Ok(size) => size,
            Err(BlobError::Missing(_)) if is_leaving => 0,
            Err(BlobError::Missing(_) | BlobError::Corrupt(..)) => return Ok(false),
            Err(error @ (BlobError::Io(_) | BlobError::NoSpace | BlobError::ReadOnly)) => return Err(blob_failure(error)),
        };
        let row = keys::blob(blob);
        let old = self.get(&row).await?;
        self.replace_row(row, old, BlobRecord { size, holders }.encode(), why).await
    }

    async fn note_row(&self, what: &str, row: &[u8], value: Option<&Bytes>, why: &str) -> Result<(), Failure> {
        let (key, size) = (hex::encode(row), value.map(Bytes::len));
        let value = value.map(hex::encode);
        let entry = json!({ "when_ms": self.now().millis(), "what": what, "key": key, "value": value, "size": size, "why": why });
        self.blobs.note_in_quarantine(entry).await.map_err(blob_failure)
    }
}
