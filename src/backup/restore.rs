//! Restoring a snapshot into a new data directory, and checking one without.
//!
//! All that the manifest names is compared with it, and every blob with its own checksums, before the directory gets the
//! stamp that makes it a data directory. When something is wrong, what was copied is removed again.

use super::{
    BackupError,
    blob_list::Reader,
    crew, files, io_error,
    manifest::{BLOBS, INDEX, Manifest},
    place::Place,
    watch::Watch,
};
use crate::{
    blob::{BlobError, BlobFiles, BlobId, Copying},
    datadir::{DataDir, EmptyDataDir},
};
use serde::Serialize;
use std::{
    fs::DirBuilder,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreOrder {
    /// The directory of backups.
    pub from: PathBuf,
    /// The snapshot; the newest one when `None`.
    pub snapshot: Option<String>,
    /// Where the blob files are, in the layout of a data directory's `blobs`; with the snapshots when `None`.
    pub blobs: Option<PathBuf>,
}

/// What was restored or checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RestoreReport {
    /// The snapshot's name.
    pub snapshot: String,
    /// When it was taken.
    pub taken: String,
    /// Blobs that it refers to, and their bytes.
    pub blobs: u64,
    /// See `blobs`.
    pub blob_bytes: u64,
    /// The key that its secrets are sealed with.
    pub sealed_with: Option<String>,
}

/// A snapshot that was found and whose manifest holds together.
struct Found {
    _place: Place,
    name: String,
    path: PathBuf,
    blobs: BlobFiles,
    manifest: Manifest,
}

/// Makes a snapshot the content of a directory that is missing or empty.
///
/// # Errors
/// See [`BackupError`]; a snapshot that is damaged, or lacks a blob, is refused, and the directory stays empty.
pub fn restore(order: &RestoreOrder, target: &Path) -> Result<RestoreReport, BackupError> {
    let found = find(order)?;
    let data = DataDir::create_empty(target)?;
    let restored = found.restore(&data);
    match restored {
        Ok(()) => {
            data.finish()?;
            Ok(found.report())
        }
        Err(error) => {
            data.clear();
            Err(error)
        }
    }
}

/// Checks all of a snapshot as [`restore`] does, and copies nothing.
///
/// # Errors
/// As [`restore`].
pub fn check(order: &RestoreOrder) -> Result<RestoreReport, BackupError> {
    let found = find(order)?;
    let (watch, _asker) = Watch::new(None);
    found.manifest.check_files(&found.path, &watch)?;
    found.each_blob(|blob, size| found.blobs.check(blob, size, &|| Ok(())))?;
    Ok(found.report())
}

fn find(order: &RestoreOrder) -> Result<Found, BackupError> {
    let place = Place::open(&order.from)?;
    let names = place.snapshots()?;
    let name = match &order.snapshot {
        Some(name) => names.iter().find(|there| *there == name),
        None => names.last(),
    };
    let name = name.cloned().ok_or_else(|| match &order.snapshot {
        Some(name) => BackupError::Refused(format!("there is no snapshot {name} in {}", order.from.display())),
        None => BackupError::Refused(format!("there is no complete snapshot in {}", order.from.display())),
    })?;
    let path = place.snapshot(&name);
    let manifest = Manifest::read(&path)?;
    if manifest.data_format != DataDir::FORMAT_STAMP {
        let stamp = manifest.data_format.trim().escape_default();
        return Err(BackupError::Refused(format!("snapshot {name} has a format this release cannot read: {stamp}")));
    }
    if !manifest.with_blobs && order.blobs.is_none() {
        return Err(BackupError::Refused(format!("snapshot {name} came without blobs: say with --blobs where they are")));
    }
    let blobs = order.blobs.as_deref().map_or_else(|| place.blobs(), BlobFiles::at);
    Ok(Found { _place: place, name, path, blobs, manifest })
}

impl Found {
    fn restore(&self, data: &EmptyDataDir) -> Result<(), BackupError> {
        let (watch, _asker) = Watch::new(None);
        let index = data.path().join(INDEX);
        DirBuilder::new().mode(0o700).create(&index).map_err(io_error(&index))?;
        for entry in &self.manifest.files {
            // The stamp comes last, by itself; the list has served its purpose.
            let is_ours = entry.path.strip_prefix(INDEX).is_some_and(|rest| rest.starts_with('/') && !rest[1..].contains('/'))
                || DataDir::SMALL_FILES.contains(&entry.path.as_str());
            let source = self.path.join(&entry.path);
            let sum = match is_ours {
                true => files::copy(&source, &data.path().join(&entry.path), &watch)?,
                false => files::sum(&source, &watch)?,
            };
            Manifest::check(entry, &source, sum)?;
        }
        let target = BlobFiles::at(&data.blobs());
        target.prepare()?;
        self.each_blob(|blob, size| self.blobs.copy(blob, size, &target, Copying::Bytes, &|| Ok(())))?;
        target.sync_names()?;
        files::sync_directory(&index)?;
        files::sync_directory(data.path())
    }

    /// Does something with every blob of the list, whose file has been checked.
    fn each_blob(&self, work: impl Fn(BlobId, u64) -> Result<(), BlobError> + Sync) -> Result<(), BackupError> {
        let (watch, _asker) = Watch::new(None);
        let count = crew::for_each(Reader::open(&self.path.join(BLOBS))?, &watch, |blob, size| {
            work(blob, size).map_err(|error| match error {
                BlobError::Missing(_) | BlobError::Corrupt(..) => BackupError::Refused(format!("the backup is damaged: {error}")),
                BlobError::NoSpace | BlobError::ReadOnly | BlobError::Io(_) => BackupError::Blob(error),
            })
        })?;
        match count == self.manifest.blob_count {
            true => Ok(()),
            false => Err(BackupError::Refused(format!("{count} blobs are listed, not {}", self.manifest.blob_count))),
        }
    }

    fn report(&self) -> RestoreReport {
        let Manifest { taken, blob_count, blob_bytes, sealed_with, .. } = &self.manifest;
        RestoreReport {
            snapshot: self.name.clone(),
            taken: taken.clone(),
            blobs: *blob_count,
            blob_bytes: *blob_bytes,
            sealed_with: sealed_with.clone(),
        }
    }
}
