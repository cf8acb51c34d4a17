//! Carrying out lifecycle rules: objects that are due are deleted and uploads that are due are aborted, as their clients
//! could have done it.
//!
//! - A round walks every bucket that has rules, a page at a time. It may be broken off anywhere: what is done is done,
//!   and the next round does the rest.
//! - Whether something is due is decided by the rules and the record that its commit checks. So an object that has just
//!   been overwritten is not deleted, nor one whose rules have just been changed.

use super::{Gateway, LifecycleReport, gateway::COMMIT_TRIES_MAX, gateway::decode, pages::Pages, publish::Batch};
use crate::{
    meta::{
        keys,
        record::{BucketId, BucketRecord, ObjectRecord, UploadRecord},
    },
    model::*,
};
use futures_util::{Stream, StreamExt, stream};

/// Deletes and aborts under way at once: their commits share syncs, and clients still get theirs in between.
const COMMITS_AT_ONCE: usize = 16;

impl Gateway {
    /// Carries out all lifecycle rules as of `now`. Called every hour or so.
    ///
    /// # Errors
    /// When the stores fail. What can be done is, although something else cannot.
    pub async fn apply_lifecycle(&self, now: Timestamp) -> Result<LifecycleReport, Failure> {
        let (mut total, mut failed) = (LifecycleReport::default(), None);
        let mut buckets = Pages::new(keys::table(b'B'));
        while let Some(page) = buckets.next(self).await? {
            for (row, value) in &page {
                let Some(bucket) = keys::bucket_of(row) else { continue };
                let (id, rules) = match decode(value) {
                    Ok(BucketRecord { id, lifecycle: Some(rules), .. }) => (id, rules),
                    Ok(BucketRecord { lifecycle: None, .. }) => continue,
                    Err(failure) => {
                        failed = Some(failure);
                        continue;
                    }
                };
                let mut report = LifecycleReport::default();
                if let Err(failure) = self.apply_rules(&bucket, id, &rules, now, &mut report).await {
                    tracing::warn!(%bucket, ?failure, "cannot carry out all lifecycle rules; the next round will try again");
                    failed = Some(failure);
                }
                if report != LifecycleReport::default() {
                    let LifecycleReport { deleted_objects, aborted_uploads } = report;
                    tracing::info!(%bucket, deleted_objects, aborted_uploads, "lifecycle rules carried out");
                }
                total.add(report);
            }
        }
        match failed {
            Some(failure) if total == LifecycleReport::default() => Err(failure),
            Some(_) | None => Ok(total),
        }
    }

    async fn apply_rules(
        &self,
        bucket: &Bucket,
        id: BucketId,
        rules: &LifecycleConfiguration,
        now: Timestamp,
        report: &mut LifecycleReport,
    ) -> Result<(), Failure> {
        let mut failed = None;
        for prefix in rules.prefixes(|rule| rule.expiration.is_some()) {
            let mut objects = Pages::new(keys::objects_with_prefix(id, prefix));
            while let Some(page) = objects.next(self).await? {
                let mut due = Vec::new();
                for (row, value) in &page {
                    let Some(key) = keys::object_key_of(row) else { continue };
                    match decode(value) {
                        Ok(object) if is_expired(rules, &key, &object, now) => due.push(key),
                        Ok(_) => {}
                        Err(failure) => failed = Some(failure),
                    }
                }
                let deletes = stream::iter(due).map(|key| async move { self.delete_if_due(bucket, &key, now).await });
                report.deleted_objects += count_done(deletes.buffer_unordered(COMMITS_AT_ONCE), &mut failed).await;
            }
        }
        for prefix in rules.prefixes(|rule| rule.abort_uploads.is_some()) {
            let mut uploads = Pages::new(keys::uploads_with_prefix(id, prefix));
            while let Some(page) = uploads.next(self).await? {
                let mut due = Vec::new();
                for (row, value) in &page {
                    let Some((_, key, upload)) = keys::upload_of(row) else { continue };
                    match decode(value) {
                        Ok(UploadRecord { initiated, .. }) if rules.aborts_upload(&key, initiated, now) => due.push((key, upload)),
                        Ok(_) => {}
                        Err(failure) => failed = Some(failure),
                    }
                }
                let aborts = stream::iter(due).map(|(key, upload)| async move { self.abort_if_due(bucket, &key, upload, now).await });
                report.aborted_uploads += count_done(aborts.buffer_unordered(COMMITS_AT_ONCE), &mut failed).await;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Deletes an object that is due; `false` when it is not, or not any more.
    async fn delete_if_due(&self, bucket: &Bucket, key: &ObjectKey, now: Timestamp) -> Result<bool, Failure> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let bucket = match self.load_bucket(bucket).await {
                Ok(bucket) => bucket,
                Err(Failure::NoSuchBucket(_)) => return Ok(false),
                Err(failure) => return Err(failure),
            };
            let slot = self.object_slot(bucket.record.id, key).await?;
            let (Some(rules), Some(object)) = (&bucket.record.lifecycle, &slot.current) else { return Ok(false) };
            if !is_expired(rules, key, object, now) {
                return Ok(false);
            }
            let mut batch = Batch::default();
            self.replace(&mut batch, &bucket, &slot, None);
            if self.publish(batch).await? {
                return Ok(true);
            }
        }
        Err(Failure::SlowDown)
    }

    /// Aborts an upload that is due; `false` when it is not, or not any more.
    async fn abort_if_due(&self, bucket: &Bucket, key: &ObjectKey, id: UploadId, now: Timestamp) -> Result<bool, Failure> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let bucket = match self.load_bucket(bucket).await {
                Ok(bucket) => bucket,
                Err(Failure::NoSuchBucket(_)) => return Ok(false),
                Err(failure) => return Err(failure),
            };
            let upload = self.open_upload(bucket.record.id, key, &id).await?;
            let (Some(rules), Some(upload)) = (&bucket.record.lifecycle, upload) else { return Ok(false) };
            if !rules.aborts_upload(key, upload.record.initiated, now) {
                return Ok(false);
            }
            let mut batch = Batch { checks: vec![bucket.unchanged.clone()], ..Batch::default() };
            self.consume_upload(&mut batch, &upload, id, vec![]);
            if self.publish(batch).await? {
                return Ok(true);
            }
        }
        Err(Failure::SlowDown)
    }
}

fn is_expired(rules: &LifecycleConfiguration, key: &ObjectKey, object: &ObjectRecord, now: Timestamp) -> bool {
    rules.expires_object(key, object.size, &object.attributes.tags, object.last_modified, now)
}

/// How many of these were done; the last failure is kept.
async fn count_done(work: impl Stream<Item = Result<bool, Failure>>, failed: &mut Option<Failure>) -> u64 {
    let mut count = 0;
    let mut work = std::pin::pin!(work);
    while let Some(done) = work.next().await {
        match done {
            Ok(done) => count += u64::from(done),
            Err(failure) => *failed = Some(failure),
        }
    }
    count
}

impl LifecycleReport {
    fn add(&mut self, other: Self) {
        self.deleted_objects += other.deleted_objects;
        self.aborted_uploads += other.aborted_uploads;
    }
}
