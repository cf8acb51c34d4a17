//! The to-do list: what a commit left for later, and what an earlier run left half-done.
//!
//! - A line is worked off when it is due and when every read that may still need its bytes is over: a read
//!   that began before the line was due holds it back.
//! - Bytes in files are removed, durably, before the commit that removes the rows about them, so a crash in between
//!   repeats the removal, which is harmless, and none leaves a file that no row knows. The commits are bounded,
//!   whatever the size of the object.
//! - A file is removed only by its last holder. The number of holders is read while the line, itself a holder,
//!   is found in place before and after; and a last holder on the to-do list stays the last, because a copy
//!   gains a reference only from an object that stands. So this is safe next to other reapers too.

use super::{
    Gateway,
    gateway::{blob_failure, decode},
    publish::Batch,
};
use crate::{
    blob::BlobId,
    meta::{
        Check, Write, keys,
        record::{BlobRecord, Content, Extent, ManifestChunk, ManifestId, ManifestPart, PartRecord, Place, Record, Revision, Todo},
    },
    model::{Failure, PartNumber, Timestamp, UploadId},
};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use std::collections::BTreeMap;

/// Lines looked up at once, and worked on at once: their commits share syncs.
const LINES_PER_SCAN: usize = 64;
const LINES_AT_ONCE: usize = 16;

/// Extents let go of in one commit.
const EXTENTS_PER_COMMIT: usize = 1_024;

/// Part rows removed in one commit.
const PART_ROWS_PER_COMMIT: usize = 256;

/// How often a step that lost a race is tried again before the line is left for the next round.
const STEP_TRIES_MAX: usize = 16;

/// A row as it was read.
struct Row {
    key: Vec<u8>,
    value: Bytes,
}

/// What a step of the work on a line led to.
enum Step {
    /// The line is gone.
    Finished,
    /// There is more to do.
    Continue,
    /// A row was not as it had been read.
    Lost,
}

impl Gateway {
    /// Settles what an earlier run left half-done: sealed blobs without a record are removed. Called once, before serving.
    ///
    /// # Errors
    /// When the stores cannot be read.
    pub async fn recover(&self) -> Result<(), Failure> {
        // After a power cut these may be all of the last seconds, so they are looked up side by side.
        let looks = self.blobs.unconfirmed().await.map_err(blob_failure)?.into_iter().map(|blob| async move {
            match self.get(&keys::blob(blob)).await? {
                Some(_) => {
                    self.blobs.confirm(blob).await;
                    Ok::<_, Failure>(None)
                }
                None => Ok(Some(blob)),
            }
        });
        let unrecorded: Vec<Option<BlobId>> = stream::iter(looks).buffer_unordered(LINES_AT_ONCE).try_collect().await?;
        self.blobs.delete_all(unrecorded.into_iter().flatten().collect()).await.map_err(blob_failure)?;
        self.look_whether_all_is_counted().await
    }

    /// Works off what is due on the to-do list; returns the number of lines done. Called every few seconds.
    ///
    /// # Errors
    /// When the stores fail. Lines that can be worked off are, although another cannot.
    pub async fn reap(&self) -> Result<usize, Failure> {
        let _round = self.reaping.read().await;
        let mut range = keys::todos_due(self.reap_until());
        let (mut done, mut failed) = (0, None);
        loop {
            let rows = self.scan(range.clone(), LINES_PER_SCAN).await?;
            let Some((last, _)) = rows.last() else { break };
            range.start = keys::successor(last);
            let lines = rows.into_iter().map(|(key, value)| self.work_off(Row { key: key.to_vec(), value }));
            let mut worked = stream::iter(lines).buffer_unordered(LINES_AT_ONCE);
            while let Some(result) = worked.next().await {
                match result {
                    Ok(finished) => done += usize::from(finished),
                    Err(failure) => failed = Some(failure),
                }
            }
        }
        failed.map_or(Ok(done), Err)
    }

    /// Waits for work that runs on although its caller hung up.
    pub async fn drain(&self) {
        self.running.idle().await;
    }

    /// Lines due until then may be worked off.
    fn reap_until(&self) -> Timestamp {
        let now = self.steady_now();
        self.readers.oldest().map_or(now, |oldest| now.min(oldest.plus_millis(-1)))
    }

    /// Works on a line until it is gone; `false` when others were always faster.
    async fn work_off(&self, mut line: Row) -> Result<bool, Failure> {
        let mut losses = 0;
        while losses < STEP_TRIES_MAX {
            let step = match decode(&line.value)? {
                Todo::ReleaseContent(Content::Here(parts)) => self.release_here(&line, parts).await?,
                Todo::ReleaseContent(Content::Manifest { id, .. }) => self.release_manifest(&line, id).await?,
                Todo::EndUpload { upload, kept } => self.remove_parts(&line, upload, &kept).await?,
                Todo::ForgetCompleted(upload) => self.finish(&line, vec![Write::Delete(keys::completed(&upload))]).await?,
            };
            match step {
                Step::Finished => return Ok(true),
                Step::Continue => losses = 0,
                Step::Lost => losses += 1,
            }
            match self.get(&line.key).await? {
                Some(value) => line.value = value,
                None => return Ok(false),
            }
            self.back_off(losses).await;
        }
        Ok(false)
    }

    /// Lets go of some parts' bytes; the line keeps the rest.
    async fn release_here(&self, line: &Row, mut parts: Vec<ManifestPart>) -> Result<Step, Failure> {
        let extents = take_extents(&mut parts);
        let rest = (!parts.is_empty()).then(|| Todo::ReleaseContent(Content::Here(parts)).encode());
        self.release(&extents, line, line, rest).await
    }

    /// Lets go of bytes of the first manifest chunk there still is; the chunk keeps the rest.
    async fn release_manifest(&self, line: &Row, id: ManifestId) -> Result<Step, Failure> {
        let first = self.scan(keys::manifest(id), 1).await?.pop();
        let Some((key, value)) = first else { return self.finish(line, vec![]).await };
        let mut chunk: ManifestChunk = decode(&value)?;
        let extents = take_extents(&mut chunk.parts);
        let rest = (!chunk.parts.is_empty()).then(|| chunk.encode());
        self.release(&extents, line, &Row { key: key.to_vec(), value }, rest).await
    }

    /// Removes part rows of an upload that has ended; what they hold, unless it became the object's, goes
    /// onto a line of its own.
    async fn remove_parts(&self, line: &Row, upload: UploadId, kept: &[(PartNumber, Revision)]) -> Result<Step, Failure> {
        let rows = self.scan(keys::parts(&upload), PART_ROWS_PER_COMMIT).await?;
        let last = rows.len() < PART_ROWS_PER_COMMIT;
        let mut batch = Batch { checks: vec![line.unchanged()], ..Batch::default() };
        let mut released = Vec::new();
        for (key, value) in rows {
            let (_, number, revision) = keys::part_of(&key).ok_or_else(|| corrupt("a part's key"))?;
            let part: PartRecord = decode(&value)?;
            if kept.binary_search(&(number, revision)).is_err() && !part.extents.is_empty() {
                released.push(ManifestPart { size: part.size, checksum: None, extents: part.extents });
            }
            batch.checks.push(Check::Equals(key.to_vec(), value));
            batch.writes.push(Write::Delete(key.to_vec()));
        }
        if !released.is_empty() {
            // The parts have been out of reach since the upload ended, which is what this line waited for.
            self.leave_todo(&mut batch, 0, &Todo::ReleaseContent(Content::Here(released)));
        }
        if last {
            // No part can follow: part commits check the upload's row, which is gone.
            batch.writes.push(Write::Delete(line.key.clone()));
        }
        self.step(batch, last).await
    }

    /// Lets go of extents that `holder`, a row, refers to, and replaces the holder by what it still refers to.
    async fn release(&self, extents: &[Extent], line: &Row, holder: &Row, rest: Option<Bytes>) -> Result<Step, Failure> {
        let mut batch = Batch { checks: vec![line.unchanged(), holder.unchanged()], ..Batch::default() };
        let mut references = BTreeMap::<BlobId, u32>::new();
        for extent in extents {
            match extent.place {
                Place::File => *references.entry(extent.blob).or_default() += 1,
                Place::Index => batch.writes.push(Write::Delete(keys::inline_data(extent.blob))),
            }
        }
        let mut unheld = Vec::new();
        for (blob, count) in references {
            let row = keys::blob(blob);
            let Some(value) = self.get(&row).await? else {
                tracing::error!(%blob, "a blob to let go of has no record");
                continue;
            };
            let record: BlobRecord = decode(&value)?;
            batch.checks.push(Check::Equals(row.clone(), value));
            match record.holders.checked_sub(count) {
                Some(0) => {
                    unheld.push(blob);
                    batch.writes.push(Write::Delete(row));
                }
                Some(holders) => batch.writes.push(Write::Put(row, BlobRecord { holders, ..record }.encode())),
                None => {
                    tracing::error!(%blob, holders = record.holders, count, "a blob has more references than holders");
                    batch.checks.pop();
                }
            }
        }
        // Only now is it certain that the holders were counted while this line was one of them.
        if self.get(&holder.key).await?.as_ref() != Some(&holder.value) || self.get(&line.key).await?.as_ref() != Some(&line.value) {
            return Ok(Step::Lost);
        }
        self.blobs.delete_all(unheld).await.map_err(blob_failure)?;
        let finished = rest.is_none() && holder.key == line.key;
        batch.writes.push(match rest {
            Some(rest) => Write::Put(holder.key.clone(), rest),
            None => Write::Delete(holder.key.clone()),
        });
        self.step(batch, finished).await
    }

    /// Removes a line together with its last writes.
    async fn finish(&self, line: &Row, mut writes: Vec<Write>) -> Result<Step, Failure> {
        writes.push(Write::Delete(line.key.clone()));
        self.step(Batch { checks: vec![line.unchanged()], writes, ..Batch::default() }, true).await
    }

    async fn step(&self, batch: Batch, finished: bool) -> Result<Step, Failure> {
        match self.publish(batch).await? {
            true if finished => Ok(Step::Finished),
            true => Ok(Step::Continue),
            false => Ok(Step::Lost),
        }
    }
}

impl Row {
    fn unchanged(&self) -> Check {
        Check::Equals(self.key.clone(), self.value.clone())
    }
}

/// Takes extents off the end of a run of parts, up to what one commit lets go of; emptied parts go too.
fn take_extents(parts: &mut Vec<ManifestPart>) -> Vec<Extent> {
    let mut taken = Vec::new();
    while let Some(part) = parts.last_mut()
        && taken.len() < EXTENTS_PER_COMMIT
    {
        let keep = part.extents.len().saturating_sub(EXTENTS_PER_COMMIT - taken.len());
        taken.extend(part.extents.split_off(keep));
        if keep == 0 {
            parts.pop();
        }
    }
    taken
}

fn corrupt(what: &str) -> Failure {
    tracing::error!(what, "corrupt row on the way of the to-do list");
    Failure::Internal
}
