//! Blobs in a local directory, one immutable file each.
//!
//! `format` is the file, `directory` its places and names, `staging` writes, `reader` reads into `buffers`, `disk` is what
//! they do it on, `copies` takes files elsewhere, `quarantine` keeps what was moved out, and `health` remembers a failed sync.
//! docs/adr/0001-blob-files.md has the format and the publish order.

mod buffers;
mod copies;
mod directory;
mod disk;
mod format;
mod health;
mod quarantine;
mod reader;
mod staging;
#[cfg(test)]
mod tests;

pub use copies::{BlobFiles, Copying};
pub use disk::{Disk, DiskFile, Names, Pace};

use super::{BlobError, BlobId, BlobStore, BlobStream, Staging, blocking};
use crate::{
    model::{ByteRange, Timestamp},
    telemetry::{self, Metric},
};
use async_trait::async_trait;
use buffers::Buffers;
use directory::Directory;
use disk::FileSystem;
use futures_util::{StreamExt as _, TryStreamExt as _};
use reader::{BlobFile, RangeReader};
use staging::LocalStaging;
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// How the directory is used.
#[derive(Clone, Debug)]
pub struct LocalSettings {
    /// Whether a blob is synced before it counts as sealed. Without, a power cut may take acknowledged bytes.
    pub sync: bool,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self { sync: true }
    }
}

/// A [`BlobStore`] in a directory.
pub struct LocalBlobs {
    directory: Arc<Directory>,
    /// What an earlier run left and nobody has settled yet. Locked for look-ups only.
    unconfirmed: Mutex<BTreeSet<BlobId>>,
    /// What is read into.
    buffers: Arc<Buffers>,
    /// Keeps other processes out; released when the store is dropped.
    _lock: Box<dyn Send + Sync>,
}

impl LocalBlobs {
    /// Opens a directory, creating it when there is none, and clears it of what was never sealed. Blocks.
    ///
    /// # Errors
    /// [`BlobError::Io`] when the directory cannot be used or another process uses it; [`BlobError::NoSpace`].
    pub fn open(root: &Path, settings: LocalSettings) -> Result<Self, BlobError> {
        Self::open_on(Arc::new(FileSystem), root, settings)
    }

    /// The same on a disk of choice.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(disk: Arc<dyn Disk>, root: &Path, settings: LocalSettings) -> Result<Self, BlobError> {
        let (directory, lock) = Directory::open(disk, root, settings.sync)?;
        let unconfirmed = Mutex::new(directory.recover()?);
        Ok(Self { directory: Arc::new(directory), unconfirmed, buffers: Buffers::new(), _lock: lock })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Directory>) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let directory = Arc::clone(&self.directory);
        blocking::run(directory.disk.pace(), move || work(directory)).await
    }

    /// Takes a blob off the list of those to be settled.
    fn settle(&self, blob: BlobId) {
        self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner).remove(&blob);
    }
}

#[async_trait]
impl BlobStore for LocalBlobs {
    async fn stage(&self, blob: BlobId, size: Option<u64>) -> Result<Box<dyn Staging>, BlobError> {
        Ok(Box::new(self.run(move |directory| LocalStaging::begin(directory, blob, size)).await?))
    }

    async fn confirm(&self, blob: BlobId) {
        // Should the name stay, the next start reports the blob and the caller finds its record.
        let confirmed = self
            .run(move |directory| match directory.health.check() {
                Ok(()) => directory.confirm(blob).map_err(|error| BlobError::Io(error.to_string())),
                Err(error) => Err(error),
            })
            .await;
        match confirmed {
            Ok(()) => self.settle(blob),
            Err(error) => tracing::debug!(%blob, %error, "a blob stays unconfirmed"),
        }
    }

    async fn unconfirmed(&self) -> Result<Vec<BlobId>, BlobError> {
        Ok(self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect())
    }

    async fn read(&self, blob: BlobId, range: ByteRange) -> Result<BlobStream, BlobError> {
        telemetry::counter(Metric::BlobReads, &[]).increment(1);
        // The first piece comes in the same hop: cheaper for small reads, and rot in it is told before the answer has begun.
        let buffers = Arc::clone(&self.buffers);
        let (reader, first) = self
            .run(move |directory| {
                let reader = RangeReader::new(BlobFile::open(&directory, blob)?, range, buffers)?;
                let first = reader.first()?;
                Ok((reader, first))
            })
            .await
            .inspect_err(count_failure)?;
        Ok(reader.stream(first).inspect_err(count_failure).boxed())
    }

    async fn verify(&self, blob: BlobId) -> Result<u64, BlobError> {
        let size = self
            .run(move |directory| {
                let file = BlobFile::open(&directory, blob)?;
                file.check_table()?;
                Ok(file.size())
            })
            .await?;
        let pieces = self.read(blob, ByteRange { start: 0, end: size }).await?;
        pieces.try_fold(0, |count, piece| async move { Ok(count + piece.len() as u64) }).await
    }

    async fn delete(&self, blob: BlobId) -> Result<(), BlobError> {
        self.delete_all(vec![blob]).await
    }

    async fn delete_all(&self, blobs: Vec<BlobId>) -> Result<(), BlobError> {
        let removed = self
            .run(move |directory| {
                directory.remove(&blobs)?;
                Ok(blobs)
            })
            .await?;
        removed.into_iter().for_each(|blob| self.settle(blob));
        Ok(())
    }

    async fn scan(&self, after: Option<BlobId>, count_max: usize) -> Result<Vec<BlobId>, BlobError> {
        self.run(move |directory| directory.scan(after, count_max)).await
    }

    async fn shelf(&self, number: u16) -> Result<Vec<BlobId>, BlobError> {
        self.run(move |directory| directory.shelf(number)).await
    }

    async fn settled_size(&self, blob: BlobId) -> Result<Option<u64>, BlobError> {
        self.run(move |directory| directory.settled_size(blob)).await
    }

    async fn quarantine(&self, blob: BlobId, when: Timestamp, why: &str) -> Result<bool, BlobError> {
        let why = why.to_owned();
        let moved = self.run(move |directory| directory.quarantine(blob, when, &why)).await?;
        self.settle(blob);
        Ok(moved)
    }

    async fn note_in_quarantine(&self, entry: serde_json::Value) -> Result<(), BlobError> {
        self.run(move |directory| directory.note_in_quarantine(&entry)).await
    }

    fn is_read_only(&self) -> bool {
        self.directory.health.is_read_only()
    }
}

/// What a reader met is counted; telling anybody is up to whoever handles the error.
fn count_failure(error: &BlobError) {
    match error {
        BlobError::Corrupt(..) | BlobError::Missing(_) => telemetry::counter(Metric::CorruptBlobs, &[]).increment(1),
        BlobError::Io(_) | BlobError::NoSpace | BlobError::ReadOnly => telemetry::counter(Metric::BlobReadErrors, &[]).increment(1),
    }
}
