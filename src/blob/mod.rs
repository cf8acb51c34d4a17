//! Bytes: immutable blobs, staged, sealed, read in ranges and deleted.
//!
//! - A blob is visible to nobody until its id is committed to the index; the store only promises
//!   that a [`Sealed`] blob survives a power cut.
//! - Dropping a [`Staging`] before it is sealed leaves nothing behind.
//! - Every block carries a checksum: a read returns the bytes that were written, or an error.
//! - After a failed sync the store takes no more writes.
//!
//! The store knows nothing of objects, parts, callers or dialects.

mod blocking;
mod local;
mod memory;

pub use local::{BlobFiles, Copying, Disk, DiskFile, LocalBlobs, LocalSettings, Names, Pace};
pub use memory::MemoryBlobs;

use crate::{
    digest::OtherDigests,
    model::{ByteRange, Timestamp},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Names a blob. Chosen by the caller, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BlobId(pub [u8; 16]);

impl BlobId {
    /// The shelf it stands on.
    #[must_use]
    pub fn shelf(self) -> u16 {
        let [.., high, low] = self.0;
        u16::from_be_bytes([high, low])
    }
}

impl fmt::Display for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for BlobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A blob that survives a power cut. Only [`Staging::seal`] makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a sealed blob that is not recorded is garbage"]
pub struct Sealed {
    blob: BlobId,
    size: u64,
}

impl Sealed {
    /// Its id.
    #[must_use]
    pub fn blob(&self) -> BlobId {
        self.blob
    }

    /// Size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// The bytes of a read, in order, in pieces of at most 1 MiB.
pub type BlobStream = BoxStream<'static, Result<Bytes, BlobError>>;

/// A place for blobs.
#[async_trait]
pub trait BlobStore: Send + Sync + 'static {
    /// Begins a blob. `size` is its expected size in bytes, when known: room is reserved for it.
    ///
    /// # Errors
    /// [`BlobError::NoSpace`], [`BlobError::ReadOnly`], [`BlobError::Io`].
    async fn stage(&self, blob: BlobId, size: Option<u64>) -> Result<Box<dyn Staging>, BlobError>;

    /// Says that a sealed blob's record is committed. Until then a restart reports it as unconfirmed.
    /// A hint: never fails and needs no sync.
    async fn confirm(&self, blob: BlobId);

    /// Sealed blobs that an earlier run did not confirm: recorded or garbage, the caller knows.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    async fn unconfirmed(&self) -> Result<Vec<BlobId>, BlobError>;

    /// Streams bytes of a blob. A blob being read stays readable to the end although deleted meanwhile.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Corrupt`], [`BlobError::Io`]; the latter two also in the stream, which then
    /// ends. A range beyond the blob is `Corrupt`: the record and the blob disagree. What is known before the first
    /// byte is told here, while the caller can still answer with an error.
    async fn read(&self, blob: BlobId, range: ByteRange) -> Result<BlobStream, BlobError>;

    /// Reads all of a blob against its checksums and returns its size in bytes.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Corrupt`], [`BlobError::Io`].
    async fn verify(&self, blob: BlobId) -> Result<u64, BlobError>;

    /// Removes a blob for good: a power cut does not bring it back. Removing an absent one is fine.
    ///
    /// # Errors
    /// [`BlobError::ReadOnly`], [`BlobError::Io`].
    async fn delete(&self, blob: BlobId) -> Result<(), BlobError>;

    /// Removes blobs as `delete` does, with as few syncs as that takes. After an error some may be gone, and none may count
    /// as removed.
    ///
    /// # Errors
    /// As `delete`.
    async fn delete_all(&self, blobs: Vec<BlobId>) -> Result<(), BlobError> {
        for blob in blobs {
            self.delete(blob).await?;
        }
        Ok(())
    }

    /// The sealed blobs in order of id, up to `count_max` of those after `after`.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    async fn scan(&self, after: Option<BlobId>, count_max: usize) -> Result<Vec<BlobId>, BlobError>;

    /// The sealed blobs of one of the 65,536 shelves that the last two bytes of ids number, in no order. Costs as much as
    /// that shelf holds, whatever the others do.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    async fn shelf(&self, number: u16) -> Result<Vec<BlobId>, BlobError>;

    /// What a sealed blob occupies, in bytes, when nobody has still to confirm it: its record is committed, or was, or it
    /// is nobody's. `None` when it waits for that, or is not there.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    async fn settled_size(&self, blob: BlobId) -> Result<Option<u64>, BlobError>;

    /// Moves a blob out of the store into its quarantine, for a person to look at, and notes in the quarantine's manifest
    /// when and why. `false` when it is not there.
    ///
    /// # Errors
    /// [`BlobError::ReadOnly`], [`BlobError::NoSpace`], [`BlobError::Io`], the latter also from a store without a quarantine.
    async fn quarantine(&self, _blob: BlobId, _when: Timestamp, _why: &str) -> Result<bool, BlobError> {
        Err(BlobError::Io(NO_QUARANTINE.to_owned()))
    }

    /// Adds an entry to the quarantine's manifest, durably.
    ///
    /// # Errors
    /// As `quarantine`.
    async fn note_in_quarantine(&self, _entry: serde_json::Value) -> Result<(), BlobError> {
        Err(BlobError::Io(NO_QUARANTINE.to_owned()))
    }

    /// Whether writes are refused since a sync failed.
    fn is_read_only(&self) -> bool;
}

const NO_QUARANTINE: &str = "this store has no quarantine";

/// A blob being written. Dropping it discards it.
#[async_trait]
pub trait Staging: Send {
    /// Adds bytes at the end.
    ///
    /// # Errors
    /// [`BlobError::NoSpace`], [`BlobError::ReadOnly`], [`BlobError::Io`]; the staging is then only good to drop.
    async fn append(&mut self, bytes: Vec<Bytes>) -> Result<(), BlobError>;

    /// Adds bytes at the end, and to digests, for which they need not be fetched from memory again. Returns the digests.
    ///
    /// # Errors
    /// As `append`.
    async fn append_digested(&mut self, bytes: Vec<Bytes>, mut digests: OtherDigests) -> Result<OtherDigests, BlobError> {
        bytes.iter().for_each(|piece| digests.update(piece));
        self.append(bytes).await?;
        Ok(digests)
    }

    /// Makes the blob durable: written, synced, published under its id, directory synced.
    ///
    /// # Errors
    /// As `append`. A failed sync makes the store read-only.
    async fn seal(self: Box<Self>) -> Result<Sealed, BlobError>;
}

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlobError {
    /// No blob of this id.
    #[error("blob {0} is missing")]
    Missing(BlobId),
    /// The bytes are not those that were written.
    #[error("blob {0} is corrupt: {1}")]
    Corrupt(BlobId, String),
    /// The disk is full.
    #[error("no space left for blobs")]
    NoSpace,
    /// An earlier sync failed; only reads are served.
    #[error("the blob store is read-only since a sync failed")]
    ReadOnly,
    /// The disk failed; for the log.
    #[error("blob I/O failed: {0}")]
    Io(String),
}
