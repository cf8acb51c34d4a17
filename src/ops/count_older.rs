//! Counting what was written before there were counters.
//!
//! A record says itself whether it is counted, so each is counted exactly once, by the commit that marks it: that may be
//! broken off anywhere and begun again, and nobody who writes meanwhile is in the way. What is replaced or deleted before
//! it was counted is not taken off. When a walk has found nothing uncounted any more there is nothing: what is written
//! now is counted.

use super::{Gateway, gateway::COMMIT_TRIES_MAX, gateway::decode, pages::Pages, publish::Batch};
use crate::{
    meta::{
        Check, Write,
        keys::{self, Counter, Whose},
        record::{BucketId, BucketRecord, Charge, ObjectRecord, PartRecord, Record, UploadRecord},
    },
    model::{Failure, PartNumber, UploadId},
};
use bytes::Bytes;
use std::sync::atomic::Ordering;

/// Records counted in one commit.
const RECORDS_PER_COMMIT: usize = 128;

impl Gateway {
    /// Whether what the counters say is all there is.
    pub(super) fn all_is_counted(&self) -> bool {
        self.all_is_counted.load(Ordering::Acquire)
    }

    /// Looks up whether everything is counted. In an index without buckets it is.
    pub(super) async fn look_whether_all_is_counted(&self) -> Result<(), Failure> {
        let is_marked = self.get(&keys::everything_is_counted()).await?.is_some();
        if is_marked || (self.scan(keys::table(b'B'), 1).await?.is_empty() && self.mark_all_counted(true).await?) {
            self.all_is_counted.store(true, Ordering::Release);
        }
        Ok(())
    }

    async fn mark_all_counted(&self, is_empty: bool) -> Result<bool, Failure> {
        let checks = if is_empty { vec![Check::EmptyRange(keys::table(b'B'))] } else { vec![] };
        Ok(self.commit(checks, vec![Write::Put(keys::everything_is_counted(), Bytes::new())]).await?.is_none())
    }

    /// Counts what was written before there were counters, if that has not been done; returns how many records it was.
    /// Takes a while for a large store. Until it is done the counters say too little, and quotas allow too much.
    ///
    /// # Errors
    /// When the stores fail, or a record cannot be read; what is counted stays so.
    pub async fn count_older(&self) -> Result<u64, Failure> {
        if self.all_is_counted() {
            return Ok(0);
        }
        let mut count = 0;
        let mut buckets = Pages::new(keys::table(b'B'));
        while let Some(page) = buckets.next(self).await? {
            for (_, value) in &page {
                let BucketRecord { id, .. } = decode(value)?;
                count += self.count_older_objects(id).await?;
                count += self.count_older_uploads(id).await?;
            }
        }
        self.mark_all_counted(false).await?;
        self.all_is_counted.store(true, Ordering::Release);
        Ok(count)
    }

    async fn count_older_objects(&self, bucket: BucketId) -> Result<u64, Failure> {
        let mut count = 0;
        let mut objects = Pages::new(keys::objects(bucket));
        while let Some(page) = objects.next(self).await? {
            for rows in page.chunks(RECORDS_PER_COMMIT) {
                let (mut batch, mut added) = (Batch::default(), 0);
                for (row, value) in rows {
                    added += u64::from(add_object(&mut batch, bucket, row, value)?);
                }
                if added == 0 {
                    continue;
                }
                if self.publish(batch).await? {
                    count += added;
                    continue;
                }
                // One of them has changed; each by itself then.
                for (row, _) in rows {
                    count += u64::from(self.count_object(bucket, row).await?);
                }
            }
        }
        Ok(count)
    }

    /// Counts an object as it is then; `false` when it is counted, or gone.
    async fn count_object(&self, bucket: BucketId, row: &Bytes) -> Result<bool, Failure> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let Some(value) = self.get(row).await? else { return Ok(false) };
            let mut batch = Batch::default();
            if !add_object(&mut batch, bucket, row, &value)? {
                return Ok(false);
            }
            if self.publish(batch).await? {
                return Ok(true);
            }
        }
        Err(Failure::SlowDown)
    }

    async fn count_older_uploads(&self, bucket: BucketId) -> Result<u64, Failure> {
        let mut count = 0;
        let mut uploads = Pages::new(keys::uploads(bucket));
        while let Some(page) = uploads.next(self).await? {
            for (row, value) in &page {
                let Some((_, _, id)) = keys::upload_of(row) else { continue };
                let UploadRecord { charge, .. } = decode(value)?;
                if charge == Charge::Uncounted {
                    count += self.count_older_upload(bucket, row, id).await?;
                }
            }
        }
        Ok(count)
    }

    /// Counts an upload and its parts, as long as it is open: when it ends, what is counted of it is taken off.
    async fn count_older_upload(&self, bucket: BucketId, upload: &[u8], id: UploadId) -> Result<u64, Failure> {
        let mut batch = Batch { checks: vec![Check::Present(upload.to_vec())], ..Batch::default() };
        batch.checks.push(Check::Absent(keys::counter(&Whose::Upload(id), Counter::Uploads)));
        batch.usage.begin_upload(bucket, &Charge::Uncounted, id);
        let mut count = u64::from(self.publish(batch).await?);
        let mut last_number = None;
        let mut parts = Pages::new(keys::parts(&id));
        while let Some(page) = parts.next(self).await? {
            for rows in page.chunks(RECORDS_PER_COMMIT) {
                let mut batch = Batch { checks: vec![Check::Present(upload.to_vec())], ..Batch::default() };
                let mut added = 0;
                for (row, value) in rows {
                    added += u64::from(add_part(&mut batch, bucket, row, value, &mut last_number)?);
                }
                // A part's record changes here alone, so what cannot be counted is of an upload that has ended.
                if added > 0 && !self.publish(batch).await? {
                    return Ok(count);
                }
                count += added;
            }
        }
        Ok(count)
    }
}

/// Adds to a commit that an object is counted; `false` when it is.
fn add_object(batch: &mut Batch, bucket: BucketId, row: &Bytes, value: &Bytes) -> Result<bool, Failure> {
    let object: ObjectRecord = decode(value)?;
    if object.charge != Charge::Uncounted {
        return Ok(false);
    }
    let counted = ObjectRecord { charge: Charge::Bucket, ..object };
    batch.usage.replace(bucket, None, Some((&counted.charge, counted.size)));
    batch.checks.push(Check::Equals(row.to_vec(), value.clone()));
    batch.writes.push(Write::Put(row.to_vec(), counted.encode()));
    Ok(true)
}

/// Adds to a commit that a part is counted; `false` when it is. The lowest revision of a number counts as the part.
fn add_part(
    batch: &mut Batch,
    bucket: BucketId,
    row: &Bytes,
    value: &Bytes,
    last_number: &mut Option<PartNumber>,
) -> Result<bool, Failure> {
    let Some((id, number, _)) = keys::part_of(row) else { return Ok(false) };
    let is_first = last_number.replace(number) != Some(number);
    let part: PartRecord = decode(value)?;
    if part.is_counted {
        return Ok(false);
    }
    batch.usage.part(bucket, &Charge::Uncounted, id, part.size, is_first);
    batch.checks.push(Check::Equals(row.to_vec(), value.clone()));
    batch.writes.push(Write::Put(row.to_vec(), PartRecord { is_counted: true, ..part }.encode()));
    Ok(true)
}
