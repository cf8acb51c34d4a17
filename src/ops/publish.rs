//! Steps that every write shares: an object's slot, commits that replace what is in it, and what
//! becomes of sealed bytes when a commit fails.
//!
//! - A commit is the only point of visibility. What it replaces goes onto the to-do list in the same commit.
//! - Bytes are removed only when it is certain that no record refers to them.

use super::{
    Gateway, content,
    gateway::{LoadedBucket, decode},
    ingest::Received,
    usage::{Usage, share},
};
use crate::{
    blob::BlobId,
    meta::{
        Check, Write, keys,
        record::{BlobRecord, BucketId, Extent, ObjectRecord, Place, Record, Todo, UploadRecord},
    },
    model::{Failure, ObjectKey, UploadId},
};
use bytes::Bytes;

/// What one commit checks and writes.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) checks: Vec<Check>,
    pub(super) writes: Vec<Write>,
    /// How much more, or less, is held then.
    pub(super) usage: Usage,
}

/// What stands under an object's key, as it was read.
pub(super) struct ObjectSlot {
    row: Vec<u8>,
    value: Option<Bytes>,
    /// The object, if there is one.
    pub(super) current: Option<ObjectRecord>,
}

impl ObjectSlot {
    /// That the slot is as it was read.
    pub(super) fn unchanged(&self) -> Check {
        Check::unchanged(self.row.clone(), self.value.clone())
    }

    /// Whether both are the same key's.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.row == other.row
    }

    /// That the slot gets this object.
    pub(super) fn put(&self, object: &ObjectRecord) -> Write {
        Write::Put(self.row.clone(), object.encode())
    }
}

/// An open upload, as it was read.
pub(super) struct LoadedUpload {
    pub(super) bucket: BucketId,
    pub(super) row: Vec<u8>,
    pub(super) value: Bytes,
    pub(super) record: UploadRecord,
}

impl LoadedUpload {
    /// That the upload is still open.
    pub(super) fn unchanged(&self) -> Check {
        Check::Equals(self.row.clone(), self.value.clone())
    }
}

/// Bytes that are durable and that nothing refers to yet, with the rows that must be written with the first reference.
pub(super) struct Stored {
    pub(super) extents: Vec<Extent>,
    pub(super) rows: Vec<Write>,
    file: Option<BlobId>,
}

impl Stored {
    /// No bytes at all.
    pub(super) fn nothing() -> Self {
        Self { extents: vec![], rows: vec![], file: None }
    }
}

/// Why a write is not acknowledged.
pub(super) enum Unpublished {
    /// Nothing was written.
    Refused(Failure),
    /// The engine failed: the commit may or may not be found applied.
    Unknown(Failure),
}

impl From<Failure> for Unpublished {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

impl From<Unpublished> for Failure {
    fn from(unpublished: Unpublished) -> Self {
        match unpublished {
            Unpublished::Refused(failure) | Unpublished::Unknown(failure) => failure,
        }
    }
}

impl Gateway {
    pub(super) async fn object_slot(&self, bucket: BucketId, key: &ObjectKey) -> Result<ObjectSlot, Failure> {
        let row = keys::object(bucket, key);
        let value = self.get(&row).await?;
        let current = value.as_deref().map(decode).transpose()?;
        Ok(ObjectSlot { row, value, current })
    }

    /// Whether a slot is still as it was read.
    pub(super) async fn slot_stands(&self, slot: &ObjectSlot) -> Result<bool, Failure> {
        Ok(self.get(&slot.row).await? == slot.value)
    }

    /// The open upload of this id for this key, if there is one.
    pub(super) async fn open_upload(&self, bucket: BucketId, key: &ObjectKey, upload: &UploadId) -> Result<Option<LoadedUpload>, Failure> {
        let row = keys::upload(bucket, key, upload);
        let value = self.get(&row).await?;
        value.map(|value| Ok(LoadedUpload { bucket, record: decode(&value)?, row, value })).transpose()
    }

    /// Whether an upload is still open.
    pub(super) async fn upload_stands(&self, upload: &LoadedUpload) -> Result<bool, Failure> {
        Ok(self.get(&upload.row).await?.as_ref() == Some(&upload.value))
    }

    /// Adds to a commit that the slot gets a new object, or none, and that the old one's bytes are let go of.
    pub(super) fn replace(&self, batch: &mut Batch, bucket: &LoadedBucket, slot: &ObjectSlot, object: Option<&ObjectRecord>) {
        batch.checks.push(bucket.unchanged.clone());
        batch.checks.push(slot.unchanged());
        batch.writes.push(match object {
            Some(object) => slot.put(object),
            None => Write::Delete(slot.row.clone()),
        });
        batch.usage.replace(bucket.record.id, slot.current.as_ref().map(share), object.map(share));
        if let Some(old) = &slot.current
            && !content::is_empty(&old.content)
        {
            self.leave_todo(batch, self.settings.reap_grace_ms, &Todo::ReleaseContent(old.content.clone()));
        }
    }

    /// Adds to a commit a line of the to-do list that is due after `delay_ms`.
    pub(super) fn leave_todo(&self, batch: &mut Batch, delay_ms: i64, todo: &Todo) {
        let row = keys::todo(self.steady_now().plus_millis(delay_ms), self.next_sequence());
        // A clock that was set back could repeat a sequence number, and the line it names must not be lost.
        batch.checks.push(Check::Absent(row.clone()));
        batch.writes.push(Write::Put(row, todo.encode()));
    }

    /// Commits; `false` when a check did not hold and nothing was written. `QuotaExceeded` when everything else does hold:
    /// limits are looked at last, so what is refused is what would have been written.
    pub(super) async fn publish(&self, batch: Batch) -> Result<bool, Unpublished> {
        let Batch { mut checks, mut writes, usage } = batch;
        let (changes, limits) = usage.into_commit();
        writes.extend(changes);
        let count = checks.len();
        let (limits, kinds): (Vec<_>, Vec<_>) = limits.into_iter().unzip();
        checks.extend(limits);
        match self.commit(checks, writes).await {
            Ok(None) => Ok(true),
            Ok(Some(lost)) => match lost.checked_sub(count).and_then(|lost| kinds.get(lost)) {
                Some(&kind) => Err(Unpublished::Refused(Failure::QuotaExceeded(kind))),
                None => Ok(false),
            },
            Err(failure) => Err(Unpublished::Unknown(failure)),
        }
    }

    /// Makes received bytes durable.
    pub(super) async fn store(&self, received: Received) -> Result<Stored, Failure> {
        match received {
            Received::Nothing => Ok(Stored::nothing()),
            Received::Small(bytes) => {
                let blob = self.new_blob_id();
                let extent = Extent { place: Place::Index, blob, offset: 0, size: bytes.len() as u64 };
                Ok(Stored { extents: vec![extent], rows: vec![Write::Put(keys::inline_data(blob), bytes)], file: None })
            }
            Received::Staged(staging) => {
                let sealed = staging.seal().await.map_err(super::gateway::blob_failure)?;
                let (blob, size) = (sealed.blob(), sealed.size());
                let extent = Extent { place: Place::File, blob, offset: 0, size };
                let row = Write::Put(keys::blob(blob), BlobRecord { size, holders: 1 }.encode());
                Ok(Stored { extents: vec![extent], rows: vec![row], file: Some(blob) })
            }
        }
    }

    /// Confirms stored bytes whose record is committed, removes those whose record certainly is not, and
    /// leaves the rest for the next start to look into.
    pub(super) async fn settle<T>(&self, stored: &Stored, published: Result<T, Unpublished>) -> Result<T, Failure> {
        match (published, stored.file) {
            (Ok(value), file) => {
                if let Some(blob) = file {
                    self.blobs.confirm(blob).await;
                }
                Ok(value)
            }
            (Err(Unpublished::Refused(failure)), Some(blob)) => {
                if let Err(error) = self.blobs.delete(blob).await {
                    tracing::warn!(%error, %blob, "unrecorded bytes stay until the next start");
                }
                Err(failure)
            }
            (Err(Unpublished::Refused(failure)), None) | (Err(Unpublished::Unknown(failure)), _) => Err(failure),
        }
    }
}
