//! CompleteMultipartUpload: one commit that publishes a manifest and consumes the upload.
//!
//! - No bytes are moved and no blob is read: size, ETag and checksums follow from the parts' records.
//! - The commit holds only while the upload is open, so of several completes and aborts one wins. Parts
//!   uploaded again meanwhile do not matter: the manifest refers to the revisions that were looked at. They do when the
//!   client asks for all parts there are: then the commit holds only while there are no others.
//! - What was answered stays for a while, so that a repeated request gets the same answer.

use super::{
    Gateway,
    assemble::{Assembled, Demand, UploadedPart, assemble},
    conditions::{check_write, lost_every_race},
    content::content_of,
    gateway::{COMMIT_TRIES_MAX, LoadedBucket, decode},
    pages::Pages,
    publish::{Batch, LoadedUpload},
    telling::Telling,
    usage::charge_of_upload,
};
use crate::{
    digest,
    meta::{
        Check, Write, keys,
        record::{CompletedRecord, ManifestId, ObjectKind, ObjectRecord, PartRecord, Record, Revision, Todo},
    },
    model::*,
};
use std::{collections::BTreeMap, fmt::Write as _, ops::Range};

/// Up to so many parts are assembled where they are asked for; more go to a thread that may block.
const ASSEMBLE_HERE_PARTS_MAX: usize = 16;

impl Gateway {
    pub(super) async fn complete_multipart_upload(
        &self,
        operation: &CompleteMultipartUpload,
        limits: &Limits,
        telling: Option<&Telling>,
    ) -> Result<Outcome, Failure> {
        let key = &operation.object.key;
        let mut assembled = None;
        for losses in 0..COMMIT_TRIES_MAX {
            self.back_off(losses).await;
            if operation.takes_all_parts {
                assembled = None;
            }
            let bucket = self.load_bucket(&operation.object.bucket).await?;
            let Some(upload) = self.open_upload(bucket.record.id, key, &operation.upload_id).await? else {
                return self.replay(operation, limits, &bucket).await;
            };
            if let Some(refusal) = &operation.refusal {
                return Err(refused(operation.upload_id, refusal));
            }
            // An upload's record never changes, so what was assembled of listed parts still holds after a lost commit.
            let assembled = match &assembled {
                Some(assembled) => assembled,
                None => match self.assemble(operation, limits, &upload).await {
                    Ok(object) => assembled.insert(object),
                    Err(failure) if self.upload_stands(&upload).await? => return Err(failure),
                    // It ended meanwhile, and parts that seem to be missing may have been reaped.
                    Err(_) => continue,
                },
            };
            let slot = self.object_slot(bucket.record.id, key).await?;
            check_write(&operation.conditions, key, slot.current.as_ref())?;

            let (content, rows) = content_of(assembled.parts.clone(), ManifestId(self.random()));
            let object = ObjectRecord {
                etag: assembled.etag,
                size: assembled.size,
                last_modified: self.now(),
                attributes: upload.record.attributes.clone(),
                checksum: Some(assembled.checksum.clone()),
                crc64_ecma: assembled.crc64_ecma,
                part_count: Some(assembled.part_count),
                content,
                kind: ObjectKind::Plain,
                charge: charge_of_upload(&upload),
            };
            let completed = CompletedRecord {
                bucket: bucket.record.id,
                key: key.clone(),
                list_digest: list_digest(operation),
                etag: object.etag,
                size: object.size,
                checksum: object.checksum.clone(),
                crc64_ecma: object.crc64_ecma,
            };
            let mut batch = Batch { checks: vec![], writes: rows, ..Batch::default() };
            self.replace(&mut batch, &bucket, &slot, Some(&object));
            self.consume_upload(&mut batch, &upload, operation.upload_id, assembled.kept.clone());
            if operation.takes_all_parts {
                batch.checks.extend(no_other_parts(&operation.upload_id, &assembled.kept));
            }
            let row = keys::completed(&operation.upload_id);
            batch.checks.push(Check::Absent(row.clone()));
            batch.writes.push(Write::Put(row, completed.encode()));
            self.leave_todo(&mut batch, self.settings.completed_retention_ms, &Todo::ForgetCompleted(operation.upload_id));
            let event = telling.map(|telling| self.leave_event(&mut batch, telling, &operation.object, &object));
            if self.publish(batch).await? {
                return Ok(outcome(completed, event));
            }
        }
        Err(lost_every_race(&operation.conditions, key))
    }

    /// The answer when the upload is not open: the first one again, if this very request may have led to it.
    async fn replay(&self, operation: &CompleteMultipartUpload, limits: &Limits, bucket: &LoadedBucket) -> Result<Outcome, Failure> {
        let gone = || Failure::NoSuchUpload(operation.upload_id.to_string());
        let value = self.get(&keys::completed(&operation.upload_id)).await?.ok_or_else(gone)?;
        let completed: CompletedRecord = decode(&value)?;
        let same = operation.refusal.is_none()
            && completed.bucket == bucket.record.id
            && completed.key == operation.object.key
            && completed.list_digest == list_digest(operation);
        if same && limits.complete_is_replayable { Ok(outcome(completed, None)) } else { Err(gone()) }
    }

    /// Looks at the parts and works out the object they make.
    async fn assemble(&self, operation: &CompleteMultipartUpload, limits: &Limits, upload: &LoadedUpload) -> Result<Assembled, Failure> {
        let upload_id = operation.upload_id;
        let check = |parts| {
            PartList::new(parts).map_err(|error| match error {
                PartListError::Empty => Failure::NoParts,
                PartListError::OutOfOrder => Failure::PartsOutOfOrder { upload_id },
            })
        };
        let (list, uploaded) = if operation.takes_all_parts {
            let uploaded = self.newest(upload_id, |_| true).await?;
            (check(all_of(&uploaded, upload))?, uploaded)
        } else {
            let list = check(operation.parts.clone())?;
            let is_listed = |number| list.parts().binary_search_by_key(&number, |part| part.number).is_ok();
            let uploaded = self.newest(upload_id, is_listed).await?;
            (list, uploaded)
        };
        let demand = Demand {
            upload_id,
            declared: upload.record.checksum,
            checksum_type: operation.checksum_type,
            checksum: operation.checksum.clone(),
            object_size: operation.object_size,
            limits: *limits,
        };
        if list.parts().len() <= ASSEMBLE_HERE_PARTS_MAX {
            return assemble(&demand, &list, uploaded);
        }
        // Combining the CRCs of 10,000 parts takes long enough to be kept off the threads that serve.
        tokio::task::spawn_blocking(move || assemble(&demand, &list, uploaded)).await.map_err(|error| {
            tracing::error!(%error, "assembling an object");
            Failure::Internal
        })?
    }

    /// The newest revision of each part that is wanted and has one.
    async fn newest(
        &self,
        upload: UploadId,
        is_wanted: impl Fn(PartNumber) -> bool + Send,
    ) -> Result<BTreeMap<PartNumber, UploadedPart>, Failure> {
        let mut newest = BTreeMap::new();
        let mut pages = Pages::new(keys::parts(&upload));
        while let Some(page) = pages.next(self).await? {
            for (row, value) in &page {
                let Some((_, number, revision)) = keys::part_of(row) else { continue };
                if is_wanted(number) {
                    // Revisions ascend, so the last one of a number stays.
                    let record: PartRecord = decode(value)?;
                    newest.insert(number, UploadedPart { revision, record });
                }
            }
        }
        Ok(newest)
    }
}

fn refused(upload_id: UploadId, refusal: &PartListRefusal) -> Failure {
    match refusal {
        PartListRefusal::NumberTooSmall(number) => Failure::PartNumberTooSmall(*number),
        PartListRefusal::OutOfOrder => Failure::PartsOutOfOrder { upload_id },
        PartListRefusal::NoSuchPart { number, etag } => Failure::PartImpossible { upload_id, number: *number, etag: etag.clone() },
    }
}

fn outcome(completed: CompletedRecord, event: Option<EventId>) -> Outcome {
    let CompletedRecord { etag, checksum, size, crc64_ecma, .. } = completed;
    Outcome::CompleteMultipartUpload { etag, checksum, size, crc64_ecma, event }
}

/// That an upload has no parts but these, of each of which this is the newest revision; they are in order.
fn no_other_parts(upload: &UploadId, parts: &[(PartNumber, Revision)]) -> Vec<Check> {
    let Range { start: mut from, end } = keys::parts(upload);
    let mut checks = Vec::with_capacity(parts.len() + 1);
    for &(number, revision) in parts {
        checks.push(Check::EmptyRange(from..keys::part(upload, number, Revision(0))));
        from = keys::successor(&keys::part(upload, number, revision));
    }
    checks.push(Check::EmptyRange(from..end));
    checks
}

/// The list that names every part there is. Part checksums are named where the object's is made of them.
fn all_of(uploaded: &BTreeMap<PartNumber, UploadedPart>, upload: &LoadedUpload) -> Vec<CompletedPart> {
    let is_composite = matches!(upload.record.checksum, Some((_, ChecksumType::Composite)));
    let line = |(&number, part): (&PartNumber, &UploadedPart)| CompletedPart {
        number,
        etag: ETag::Whole(part.record.md5),
        checksum: part.record.checksum.clone().filter(|_| is_composite),
    };
    uploaded.iter().map(line).collect()
}

/// SHA-256 of what a request lists: two requests with the same digest ask for the same object.
fn list_digest(operation: &CompleteMultipartUpload) -> [u8; 32] {
    let mut text = String::new();
    if operation.takes_all_parts {
        text.push_str("all\n");
    }
    for CompletedPart { number, etag, checksum } in &operation.parts {
        let _ = writeln!(text, "{number} {etag} {checksum:?}");
    }
    digest::sha256(text.as_bytes())
}
