//! Uploads that nobody goes on with: listed, and aborted as their clients could have done it.
//!
//! - An upload is stale when it was begun, and its last part acknowledged, long enough ago. Who pauses for days and then
//!   goes on has touched it; who went away has not.
//! - A bucket's own rule about aborting uploads wins: where one is about a key, this file leaves its uploads alone.
//! - The commit checks that the upload is open, that the bucket is as it was, and that no part has come since they were
//!   looked at. So an upload that is completed meanwhile is completed, and one that gets a part stays.

use super::{
    Gateway, OpenUpload,
    gateway::{COMMIT_TRIES_MAX, decode},
    pages::Pages,
    publish::Batch,
};
use crate::{
    meta::{
        Check, keys,
        record::{BucketRecord, PartRecord, UploadRecord},
    },
    model::{Bucket, Failure, ObjectKey, Timestamp, UploadId},
};
use futures_util::{StreamExt as _, stream};

/// Uploads looked at, or aborted, at once. Few: a check of an upload of many parts takes its time, and clients commit, too.
const AT_ONCE: usize = 4;

/// Uploads that were stale.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct StaleUploads {
    /// The first of them, by bucket and key.
    pub uploads: Vec<OpenUpload>,
    /// How many there were.
    pub count: u64,
    /// Bytes that their parts hold, replaced revisions included.
    pub bytes_held: u64,
}

/// What is done about them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Tell,
    Abort,
}

impl Gateway {
    /// The uploads without activity for at least `idle_ms` before `now`; the first `count_max` of them by name. Touches nothing.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn stale_uploads(&self, now: Timestamp, idle_ms: i64, count_max: usize) -> Result<StaleUploads, Failure> {
        let (stale, failed) = self.walk_stale(Action::Tell, now, idle_ms, count_max).await;
        failed.map_or(Ok(stale), Err)
    }

    /// Aborts the uploads that [`Self::stale_uploads`] lists, and tells of those that it aborted.
    ///
    /// # Errors
    /// When the stores fail and nothing could be done. What can be done is, although something else cannot.
    pub async fn expire_uploads(&self, now: Timestamp, idle_ms: i64, count_max: usize) -> Result<StaleUploads, Failure> {
        let (stale, failed) = self.walk_stale(Action::Abort, now, idle_ms, count_max).await;
        match failed {
            Some(failure) if stale.count == 0 => Err(failure),
            Some(failure) => {
                tracing::warn!(?failure, "cannot expire all stale uploads; the next round will try again");
                Ok(stale)
            }
            None => Ok(stale),
        }
    }

    async fn walk_stale(&self, action: Action, now: Timestamp, idle_ms: i64, count_max: usize) -> (StaleUploads, Option<Failure>) {
        let (mut stale, mut failed) = (StaleUploads::default(), None);
        let cutoff = now.plus_millis(idle_ms.saturating_neg());
        let walked = self.walk_all_stale(action, cutoff, count_max, &mut stale, &mut failed).await;
        (stale, walked.err().or(failed))
    }

    async fn walk_all_stale(
        &self,
        action: Action,
        cutoff: Timestamp,
        count_max: usize,
        stale: &mut StaleUploads,
        failed: &mut Option<Failure>,
    ) -> Result<(), Failure> {
        let mut buckets = Pages::new(keys::table(b'B'));
        while let Some(page) = buckets.next(self).await? {
            for (row, value) in &page {
                let Some(bucket) = keys::bucket_of(row) else { continue };
                let record: BucketRecord = match decode(value) {
                    Ok(record) => record,
                    Err(failure) => {
                        *failed = Some(failure);
                        continue;
                    }
                };
                let mut uploads = Pages::new(keys::uploads(record.id));
                while let Some(page) = uploads.next(self).await? {
                    let mut idle = Vec::new();
                    for (row, value) in &page {
                        let Some((_, key, upload)) = keys::upload_of(row) else { continue };
                        match decode(value) {
                            Ok(upload_record) if may_be_stale(&record, &key, &upload_record, cutoff) => idle.push((key, upload)),
                            Ok(_) => {}
                            Err(failure) => *failed = Some(failure),
                        }
                    }
                    let bucket = &bucket;
                    let work = idle.into_iter().map(|(key, upload)| self.act_if_stale(action, bucket, key, upload, cutoff));
                    let mut work = stream::iter(work).buffered(AT_ONCE);
                    while let Some(done) = work.next().await {
                        match done {
                            Ok(Some(upload)) => stale.add(upload, count_max),
                            Ok(None) => {}
                            Err(failure) => *failed = Some(failure),
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Looks at an upload that may be stale, and aborts it if that is asked for; `None` when it is not, or not any more.
    async fn act_if_stale(
        &self,
        action: Action,
        name: &Bucket,
        key: ObjectKey,
        id: UploadId,
        cutoff: Timestamp,
    ) -> Result<Option<OpenUpload>, Failure> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let bucket = match self.load_bucket(name).await {
                Ok(bucket) => bucket,
                Err(Failure::NoSuchBucket(_)) => return Ok(None),
                Err(failure) => return Err(failure),
            };
            let Some(upload) = self.open_upload(bucket.record.id, &key, &id).await? else { return Ok(None) };
            if !may_be_stale(&bucket.record, &key, &upload.record, cutoff) {
                return Ok(None);
            }
            let (summary, no_more_parts) = self.upload_summary(name, key.clone(), id, &upload.record).await?;
            if summary.last_activity > cutoff {
                return Ok(None);
            }
            if action == Action::Tell {
                return Ok(Some(summary));
            }
            let mut batch = Batch { checks: no_more_parts, ..Batch::default() };
            batch.checks.push(bucket.unchanged);
            self.consume_upload(&mut batch, &upload, id, vec![]);
            if self.publish(batch).await? {
                return Ok(Some(summary));
            }
        }
        Err(Failure::SlowDown)
    }

    /// An open upload with its parts, and checks that hold as long as it gets no further one.
    pub(super) async fn upload_summary(
        &self,
        bucket: &Bucket,
        key: ObjectKey,
        upload_id: UploadId,
        record: &UploadRecord,
    ) -> Result<(OpenUpload, Vec<Check>), Failure> {
        let mut summary = OpenUpload {
            bucket: bucket.clone(),
            key,
            upload_id,
            initiated: record.initiated,
            last_activity: record.initiated,
            part_count: 0,
            bytes_held: 0,
        };
        let (mut last_number, mut no_more_parts) = (None, Vec::new());
        let mut gap = keys::parts(&upload_id);
        let mut parts = Pages::new(gap.clone());
        while let Some(page) = parts.next(self).await? {
            for (row, value) in &page {
                let Some((_, number, _)) = keys::part_of(row) else { continue };
                let part: PartRecord = decode(value)?;
                // The revisions of a number are neighbours, and every new one comes after the others.
                if last_number.replace(number) != Some(number) {
                    summary.part_count += 1;
                    no_more_parts.push(Check::EmptyRange(gap.start..row.to_vec()));
                }
                gap.start = keys::successor(row);
                summary.bytes_held = summary.bytes_held.saturating_add(part.size);
                summary.last_activity = summary.last_activity.max(part.last_modified);
            }
        }
        no_more_parts.push(Check::EmptyRange(gap));
        Ok((summary, no_more_parts))
    }
}

/// Whether an upload is stale unless a part has come later. One that a rule of its bucket is about is that rule's.
fn may_be_stale(bucket: &BucketRecord, key: &ObjectKey, upload: &UploadRecord, cutoff: Timestamp) -> bool {
    upload.initiated <= cutoff && !bucket.lifecycle.as_ref().is_some_and(|rules| rules.has_abort_rule(key))
}

impl StaleUploads {
    fn add(&mut self, upload: OpenUpload, count_max: usize) {
        self.count += 1;
        self.bytes_held = self.bytes_held.saturating_add(upload.bytes_held);
        if self.uploads.len() < count_max {
            self.uploads.push(upload);
        }
    }
}
