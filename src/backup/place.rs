//! The directory that backups are kept in.

use super::{
    BackupError,
    blob_list::Reader,
    files::{remove_tree, sync_directory, write},
    io_error,
    manifest::{BLOBS, Manifest},
    watch::Watch,
};
use crate::blob::{BlobFiles, BlobId};
use rustix::fs::{FlockOperation, flock};
use std::{
    collections::HashSet,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const STAMP_FILE: &str = "partway-backup";
const STAMP_NEW: &str = "partway-backup.new";
const STAMP: &str = "partway backups, format 1\n";
const LOCK_FILE: &str = "lock";
const SNAPSHOTS: &str = "snapshots";
const BLOB_FILES: &str = "blobs";
const UNFINISHED: &str = ".unfinished";

/// A directory of backups that this process holds.
pub(super) struct Place {
    path: PathBuf,
    /// Closing it gives up the lock.
    _lock: File,
}

/// What pruning removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pruned {
    pub(super) snapshots: u64,
    pub(super) blobs: u64,
}

impl Place {
    /// Opens a place for a backup, making it when it is missing or empty, and clears it of what was never finished.
    pub(super) fn open_or_create(path: &Path) -> Result<Self, BackupError> {
        let missing = !path.exists();
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(io_error(path))?;
        let path = path.canonicalize().map_err(io_error(path))?;
        if missing && let Some(parent) = path.parent() {
            sync_directory(parent)?;
        }
        if !path.join(STAMP_FILE).exists() {
            for entry in path.read_dir().map_err(io_error(&path))? {
                let name = entry.map_err(io_error(&path))?.file_name();
                if name != LOCK_FILE && name != STAMP_NEW && name != "lost+found" {
                    return Err(BackupError::Refused(format!(
                        "{} holds files but no backups of partway; name an empty or a new directory",
                        path.display()
                    )));
                }
            }
        }
        let lock = Self::lock(&path, FlockOperation::NonBlockingLockExclusive)?;
        if !path.join(STAMP_FILE).exists() {
            let new = path.join(STAMP_NEW);
            let _ = fs::remove_file(&new);
            write(&new, STAMP)?;
            fs::rename(&new, path.join(STAMP_FILE)).map_err(io_error(&new))?;
        }
        let place = Self::opened(path, lock)?;
        let snapshots = place.path.join(SNAPSHOTS);
        DirBuilder::new().recursive(true).mode(0o700).create(&snapshots).map_err(io_error(&snapshots))?;
        sync_directory(&place.path)?;
        place.clear()?;
        Ok(place)
    }

    /// Opens a place that is one already, to read from it; others may do so, too. It may be on a file system that is not written.
    pub(super) fn open(path: &Path) -> Result<Self, BackupError> {
        if !path.join(STAMP_FILE).exists() {
            return Err(BackupError::Refused(format!("{} holds no backups; `partway backup --to` makes them", path.display())));
        }
        let path = path.canonicalize().map_err(io_error(path))?;
        let lock = Self::lock(&path, FlockOperation::NonBlockingLockShared)?;
        Self::opened(path, lock)
    }

    fn opened(path: PathBuf, lock: File) -> Result<Self, BackupError> {
        let file = path.join(STAMP_FILE);
        match fs::read_to_string(&file).map_err(io_error(&file))? {
            stamp if stamp == STAMP => Ok(Self { path, _lock: lock }),
            stamp => Err(BackupError::Refused(format!(
                "{} has a format this release cannot read: {}",
                path.display(),
                stamp.chars().take(80).collect::<String>().trim().escape_default()
            ))),
        }
    }

    fn lock(path: &Path, how: FlockOperation) -> Result<File, BackupError> {
        let file = path.join(LOCK_FILE);
        let lock = match File::open(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&file)
            }
            opened => opened,
        };
        let lock = lock.map_err(io_error(&file))?;
        match flock(&lock, how) {
            Ok(()) => Ok(lock),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                Err(BackupError::Refused(format!("another backup or restore is using {}", path.display())))
            }
            Err(errno) => Err(io_error(&file)(errno.into())),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The blob files of all snapshots.
    pub(super) fn blobs(&self) -> BlobFiles {
        BlobFiles::at(&self.path.join(BLOB_FILES))
    }

    /// The names of the snapshots, oldest first.
    pub(super) fn snapshots(&self) -> Result<Vec<String>, BackupError> {
        Ok(self.names()?.into_iter().filter(|name| !name.ends_with(UNFINISHED)).collect())
    }

    /// Where a snapshot is.
    pub(super) fn snapshot(&self, name: &str) -> PathBuf {
        self.path.join(SNAPSHOTS).join(name)
    }

    /// Begins a snapshot: a directory that does not count.
    pub(super) fn begin(&self, name: &str) -> Result<PathBuf, BackupError> {
        if self.snapshot(name).exists() {
            return Err(BackupError::Refused(format!("there is a snapshot {name} already")));
        }
        let path = self.snapshot(&format!("{name}{UNFINISHED}"));
        DirBuilder::new().mode(0o700).create(&path).map_err(io_error(&path))?;
        Ok(path)
    }

    /// Gives a snapshot that is complete and synced its name, which makes it one.
    pub(super) fn finish(&self, name: &str) -> Result<(), BackupError> {
        let target = self.snapshot(name);
        fs::rename(self.snapshot(&format!("{name}{UNFINISHED}")), &target).map_err(io_error(&target))?;
        sync_directory(&self.path.join(SNAPSHOTS))
    }

    /// Keeps the newest snapshots, and the blobs that they refer to when `with_blobs`.
    pub(super) fn prune(&self, keep: usize, with_blobs: bool, watch: &Watch) -> Result<Pruned, BackupError> {
        let mut pruned = Pruned::default();
        let names = self.snapshots()?;
        let (old, kept) = names.split_at(names.len().saturating_sub(keep.max(1)));
        for name in old {
            let (from, to) = (self.snapshot(name), self.snapshot(&format!("{name}{UNFINISHED}")));
            fs::rename(&from, &to).map_err(io_error(&from))?;
            sync_directory(&self.path.join(SNAPSHOTS))?;
            remove_tree(&to)?;
            pruned.snapshots += 1;
        }
        if with_blobs {
            pruned.blobs = self.remove_blobs_except(kept, watch)?;
        }
        Ok(pruned)
    }

    fn remove_blobs_except(&self, kept: &[String], watch: &Watch) -> Result<u64, BackupError> {
        let mut needed = HashSet::new();
        for name in kept {
            let snapshot = self.snapshot(name);
            // A list that is not what it was says nothing of what may go.
            Manifest::read(&snapshot)?.check_blob_list(&snapshot, watch)?;
            for line in Reader::open(&snapshot.join(BLOBS))? {
                needed.insert(line?.0);
            }
        }
        let files = self.blobs();
        let mut unneeded: Vec<BlobId> = Vec::new();
        files.walk(|blob| {
            if !needed.contains(&blob) {
                unneeded.push(blob);
            }
        })?;
        unneeded.iter().try_for_each(|&blob| files.remove(blob))?;
        Ok(unneeded.len() as u64)
    }

    /// Removes what an interrupted backup left.
    fn clear(&self) -> Result<(), BackupError> {
        for name in self.names()?.iter().filter(|name| name.ends_with(UNFINISHED)) {
            remove_tree(&self.snapshot(name))?;
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, BackupError> {
        let snapshots = self.path.join(SNAPSHOTS);
        let entries = match snapshots.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(io_error(&snapshots)(error)),
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry.map_err(io_error(&snapshots))?.file_name().into_string());
        }
        names.sort();
        Ok(names)
    }
}
