//! The directory on disk: where files stand, how they are published, and what a restart finds.
//!
//! ```text
//! root/lock                        held while a process uses the directory
//! root/staging/<hex id>            files being written, and sealed ones that are not confirmed
//! root/data/<aa>/<bb>/<hex id>     sealed files; aa and bb are the last two bytes of the id
//! ```
//!
//! - A name in `data` is linked only to a file whose bytes are synced.
//! - A sealed file keeps its staging name until it is confirmed, so recovery reads `staging` alone.
//!
//! docs/adr/0001-blob-files.md goes through the power cuts.

use super::{
    health::{Health, io_error, is_no_space},
    staging::StagedFile,
};
use crate::blob::{BlobError, BlobId};
use std::{
    collections::{BTreeSet, BinaryHeap, HashSet},
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// The places of a store's files.
pub(super) struct Directory {
    staging: PathBuf,
    data: PathBuf,
    sync: bool,
    pub(super) health: Health,
    /// Fan-out directories whose own names this process knows to be durable. Locked for look-ups only, never across I/O.
    durable: Mutex<HashSet<FanOut>>,
}

/// A fan-out directory: `aa`, or `aa/bb`.
type FanOut = (u8, Option<u8>);

impl Directory {
    /// Creates what is missing. Also returns the lock, which keeps other processes out as long as it lives.
    pub(super) fn open(root: &Path, sync: bool) -> Result<(Self, File), BlobError> {
        let failed = |error: io::Error| io_error(&format!("opening the blob directory {}", root.display()), &error);
        let root = &std::path::absolute(root).map_err(failed)?;
        let missing = root.ancestors().take_while(|path| !path.exists()).count();
        let directory =
            Self { staging: root.join("staging"), data: root.join("data"), sync, health: Health::default(), durable: Mutex::default() };
        fs::create_dir_all(root).map_err(failed)?;
        let lock = File::options().create(true).truncate(false).write(true).open(root.join("lock")).map_err(failed)?;
        lock.try_lock().map_err(|error| BlobError::Io(format!("the blob directory {} is in use: {error}", root.display())))?;
        for path in [&directory.staging, &directory.data] {
            create_directory(path).map_err(failed)?;
        }
        if sync {
            // Each directory holds the name of the one below it, and those that were missing are new.
            for path in root.ancestors().take(missing + 2) {
                match sync_directory(path) {
                    // A parent that we may not read was made by somebody else, who had to sync it.
                    Err(error) if path != root && error.kind() == io::ErrorKind::PermissionDenied => {}
                    result => result.map_err(failed)?,
                }
            }
        }
        Ok((directory, lock))
    }

    pub(super) fn staging_path(&self, blob: BlobId) -> PathBuf {
        self.staging.join(blob.to_string())
    }

    pub(super) fn data_path(&self, blob: BlobId) -> PathBuf {
        let [.., aa, bb] = blob.0;
        self.data.join(format!("{aa:02x}/{bb:02x}/{blob}"))
    }

    /// Free bytes for this process on the file system; `None` when it does not tell.
    pub(super) fn free_bytes(&self) -> Option<u64> {
        let stat = rustix::fs::statvfs(&self.staging).ok()?;
        (stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    /// Syncs a file's bytes. fdatasync is enough: it includes the size and the extents, and leaves out only the times.
    pub(super) fn sync_file(&self, file: &File) -> Result<(), BlobError> {
        if self.sync { self.health.judge("syncing a blob file", file.sync_data()) } else { Ok(()) }
    }

    /// The places below a root, for who neither makes nor locks them.
    pub(super) fn at(root: &Path) -> Self {
        Self { staging: root.join("staging"), data: root.join("data"), sync: true, health: Health::default(), durable: Mutex::default() }
    }

    /// Gives a synced file its name in `data`, durably. From then on dropping it removes that name, too.
    pub(super) fn publish(&self, blob: BlobId, staged: &mut StagedFile) -> Result<(), BlobError> {
        let target = self.data_path(blob);
        let leaf = target.parent().expect("a data path has a directory");
        let branch = leaf.parent().expect("a fan-out directory has a parent");
        let [.., aa, bb] = blob.0;
        // The parents of directories that may have been created just now, by us or by a run that did not live to sync them.
        let mut parents = Vec::new();
        for (fan_out, path, parent) in [((aa, None), branch, self.data.as_path()), ((aa, Some(bb)), leaf, branch)] {
            if !self.is_durable(fan_out) {
                create_directory(path).map_err(|error| io_error("creating a fan-out directory", &error))?;
                parents.push((fan_out, parent));
            }
        }
        match fs::hard_link(self.staging_path(blob), &target) {
            Ok(()) => staged.linked_as(target.clone()),
            Err(error) if is_no_space(&error) => return Err(BlobError::NoSpace),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(BlobError::Io(format!("blob {blob} exists already"))),
            Err(error) => self.health.judge("publishing a blob file", Err(error))?,
        }
        // Syncing only now lets the file system put the new directories and the new name into one journal commit.
        self.sync_directory(leaf)?;
        for (fan_out, parent) in parents {
            self.sync_directory(parent)?;
            self.durable.lock().unwrap_or_else(PoisonError::into_inner).insert(fan_out);
        }
        Ok(())
    }

    /// Removes both names of a blob, the published one first: while the staging name stands, a restart finds the rest.
    pub(super) fn remove(&self, blob: BlobId) -> Result<(), BlobError> {
        self.health.check()?;
        for path in [self.data_path(blob), self.staging_path(blob)] {
            remove_file(&path).map_err(|error| io_error("deleting a blob file", &error))?;
        }
        Ok(())
    }

    /// Removes the staging name of a sealed blob.
    pub(super) fn confirm(&self, blob: BlobId) -> io::Result<()> {
        remove_file(&self.staging_path(blob))
    }

    /// Clears `staging` of files that were never published and returns the ids of those that were.
    pub(super) fn recover(&self) -> Result<BTreeSet<BlobId>, BlobError> {
        let failed = |error: io::Error| io_error("reading the staging directory", &error);
        let mut unconfirmed = BTreeSet::new();
        for entry in fs::read_dir(&self.staging).map_err(failed)? {
            let Some(blob) = blob_of(&entry.map_err(failed)?) else { continue };
            if self.data_path(blob).try_exists().map_err(failed)? {
                unconfirmed.insert(blob);
            } else {
                remove_file(&self.staging_path(blob)).map_err(failed)?;
            }
        }
        Ok(unconfirmed)
    }

    /// The smallest `count_max` ids above `after`, ascending.
    ///
    /// The fan-out is by the last bytes, so each page walks all directories; memory is bounded by the page.
    pub(super) fn scan(&self, after: Option<BlobId>, count_max: usize) -> Result<Vec<BlobId>, BlobError> {
        let mut page = BinaryHeap::new();
        self.walk(|blob| {
            if after.is_none_or(|after| blob > after) {
                page.push(blob);
                if page.len() > count_max {
                    page.pop();
                }
            }
        })
        .map_err(|error| io_error("walking the blob files", &error))?;
        Ok(page.into_sorted_vec())
    }

    fn walk(&self, mut visit: impl FnMut(BlobId)) -> io::Result<()> {
        for branch in fs::read_dir(&self.data)? {
            for leaf in fs::read_dir(branch?.path())? {
                for entry in fs::read_dir(leaf?.path())? {
                    blob_of(&entry?).into_iter().for_each(&mut visit);
                }
            }
        }
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> Result<(), BlobError> {
        if !self.sync {
            return Ok(());
        }
        // Too many open files is no failed sync: the blob is not sealed, but nothing else is in doubt.
        let directory = File::open(path).map_err(|error| io_error("opening a blob directory", &error))?;
        self.health.judge("syncing a blob directory", directory.sync_all())
    }

    fn is_durable(&self, fan_out: FanOut) -> bool {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(&fan_out)
    }
}

/// The blob that a directory entry is named after; what is not named after one is not ours to judge.
fn blob_of(entry: &fs::DirEntry) -> Option<BlobId> {
    let name = entry.file_name();
    let mut id = [0; 16];
    hex::decode_to_slice(name.to_str()?, &mut id).ok()?;
    let blob = BlobId(id);
    (name == *blob.to_string()).then_some(blob)
}

fn create_directory(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file; an absent one is fine.
pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
