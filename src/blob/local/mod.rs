//! Blobs in a local directory, one immutable file each.
//!
//! `format` is the file, `directory` its places and names, `staging` writes, `reader` reads, `copies` takes files elsewhere,
//! and `health` remembers a failed sync. docs/adr/0001-blob-files.md has the format and the publish order.

mod copies;
mod directory;
mod format;
mod health;
mod reader;
mod staging;
#[cfg(test)]
mod tests;

pub use copies::{BlobFiles, Copying};

use super::{BlobError, BlobId, BlobStore, BlobStream, Staging, blocking};
use crate::{
    model::ByteRange,
    telemetry::{self, Metric},
};
use async_trait::async_trait;
use directory::Directory;
use futures_util::{StreamExt as _, TryStreamExt as _};
use reader::{BlobFile, RangeReader};
use staging::LocalStaging;
use std::{
    collections::BTreeSet,
    fs::File,
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
    /// Keeps other processes out; released when the store is dropped.
    _lock: File,
}

impl LocalBlobs {
    /// Opens a directory, creating it when there is none, and clears it of what was never sealed. Blocks.
    ///
    /// # Errors
    /// [`BlobError::Io`] when the directory cannot be used or another process uses it; [`BlobError::NoSpace`].
    pub fn open(root: &Path, settings: LocalSettings) -> Result<Self, BlobError> {
        let (directory, lock) = Directory::open(root, settings.sync)?;
        let unconfirmed = Mutex::new(directory.recover()?);
        Ok(Self { directory: Arc::new(directory), unconfirmed, _lock: lock })
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Arc<Directory>) -> Result<T, BlobError> + Send + 'static,
    ) -> Result<T, BlobError> {
        let directory = Arc::clone(&self.directory);
        blocking::run(move || work(directory)).await
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
        let (reader, first) = self
            .run(move |directory| {
                let reader = RangeReader::new(BlobFile::open(&directory, blob)?, range)?;
                let first = reader.piece(range.start)?;
                Ok((reader, first))
            })
            .await
            .inspect_err(count_corruption)?;
        Ok(reader.stream(first).inspect_err(count_corruption).boxed())
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
        self.run(move |directory| directory.remove(blob)).await?;
        self.settle(blob);
        Ok(())
    }

    async fn scan(&self, after: Option<BlobId>, count_max: usize) -> Result<Vec<BlobId>, BlobError> {
        self.run(move |directory| directory.scan(after, count_max)).await
    }

    fn is_read_only(&self) -> bool {
        self.directory.health.is_read_only()
    }
}

/// Rot that a reader met is counted; telling anybody is up to whoever handles the error.
fn count_corruption(error: &BlobError) {
    if matches!(error, BlobError::Corrupt(..)) {
        telemetry::counter(Metric::CorruptBlobs, &[]).increment(1);
    }
}
