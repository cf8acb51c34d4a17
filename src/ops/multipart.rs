//! CreateMultipartUpload and AbortMultipartUpload: how an upload begins and how it ends without an object.

use super::{
    Gateway,
    conditions::check_write,
    gateway::COMMIT_TRIES_MAX,
    publish::{Batch, LoadedUpload},
};
use crate::{
    meta::{
        Check, Write, keys,
        record::{Charge, Record, Revision, Todo, UploadRecord},
    },
    model::*,
};

/// The initiator of an upload that nobody signed for.
const ANONYMOUS: &str = "anonymous";

impl Gateway {
    pub(super) async fn create_multipart_upload(&self, operation: &CreateMultipartUpload, caller: &Caller) -> Result<Outcome, Failure> {
        let record = UploadRecord {
            initiator: caller.account().cloned().unwrap_or_else(|| Account(ANONYMOUS.to_owned())),
            initiated: self.now(),
            attributes: operation.attributes.clone(),
            checksum: operation.checksum,
            sequential: operation.sequential,
            charge: Charge::of(caller.charged_key()),
        };
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let bucket = self.load_bucket(&operation.object.bucket).await?;
            if operation.conditions != WriteConditions::default() {
                let slot = self.object_slot(bucket.record.id, &operation.object.key).await?;
                check_write(&operation.conditions, &operation.object.key, slot.current.as_ref())?;
            }
            let upload_id = UploadId::new(record.initiated, self.random());
            let row = keys::upload(bucket.record.id, &operation.object.key, &upload_id);
            let checks = vec![bucket.unchanged, Check::Absent(row.clone())];
            let mut batch = Batch { checks, writes: vec![Write::Put(row, record.encode())], ..Batch::default() };
            batch.usage.begin_upload(bucket.record.id, &record.charge, upload_id);
            self.keep_quotas(&mut batch.usage, bucket.record.id, &record.charge).await?;
            if self.publish(batch).await? {
                return Ok(Outcome::CreateMultipartUpload { upload_id, checksum: record.checksum });
            }
        }
        Err(Failure::SlowDown)
    }

    pub(super) async fn abort_multipart_upload(&self, operation: &ObjectRef, upload_id: UploadId) -> Result<Outcome, Failure> {
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            let bucket = self.load_bucket(&operation.bucket).await?;
            let upload = self.open_upload(bucket.record.id, &operation.key, &upload_id).await?;
            let upload = upload.ok_or_else(|| Failure::NoSuchUpload(upload_id.to_string()))?;
            let mut batch = Batch::default();
            self.consume_upload(&mut batch, &upload, upload_id, vec![]);
            if self.publish(batch).await? {
                return Ok(Outcome::Done);
            }
        }
        Err(Failure::SlowDown)
    }

    /// Adds to a commit that an upload ends: its row, which every part commit checks, is removed, and
    /// what its parts hold is let go of, but for the kept ones.
    pub(super) fn consume_upload(&self, batch: &mut Batch, upload: &LoadedUpload, id: UploadId, kept: Vec<(PartNumber, Revision)>) {
        batch.checks.push(upload.unchanged());
        batch.writes.push(Write::Delete(upload.row.clone()));
        batch.usage.end_upload(upload, id);
        self.leave_todo(batch, self.settings.reap_grace_ms, &Todo::EndUpload { upload: id, kept });
    }
}
