//! The directory on disk: where files stand, how they are published, and what a restart finds.
//!
//! ```text
//! root/lock                        held while a process uses the directory
//! root/staging/<hex id>            files being written, and sealed ones that are not confirmed
//! root/data/<aa>/<bb>/<hex id>     sealed files; aa and bb are the last two bytes of the id
//! root/quarantine/                 what was moved out of the store (`quarantine.rs`)
//! ```
//!
//! - A name in `data` is linked only to a file whose bytes are synced.
//! - A sealed file keeps its staging name until it is confirmed, so recovery reads `staging` alone.
//! - A removed file is durably gone from `data` before its staging name goes, and before anybody is told.
//!
//! docs/adr/0001-blob-files.md goes through the power cuts.

use super::{
    disk::{Disk, DiskFile, FileSystem},
    health::{Health, io_error, is_no_space},
    staging::StagedFile,
};
use crate::blob::{BlobError, BlobId};
use std::{
    collections::{BTreeSet, BinaryHeap, HashSet},
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

/// The places of a store's files.
pub(super) struct Directory {
    pub(super) disk: Arc<dyn Disk>,
    /// Where everything is.
    pub(super) root: PathBuf,
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
    pub(super) fn open(disk: Arc<dyn Disk>, root: &Path, sync: bool) -> Result<(Self, Box<dyn Send + Sync>), BlobError> {
        let failed = |error: io::Error| io_error(&format!("opening the blob directory {}", root.display()), &error);
        let root = &std::path::absolute(root).map_err(failed)?;
        let missing: Vec<_> = root.ancestors().take_while(|path| !disk.exists(path).unwrap_or(false)).collect();
        for path in missing.iter().rev() {
            create_directory(&*disk, path).map_err(failed)?;
        }
        let lock = disk.lock(&root.join("lock")).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => BlobError::Io(format!("the blob directory {} is in use: {error}", root.display())),
            _ => failed(error),
        })?;
        let (staging, data) = (root.join("staging"), root.join("data"));
        for path in [&staging, &data] {
            create_directory(&*disk, path).map_err(failed)?;
        }
        if sync {
            // Each directory holds the name of the one below it, and those that were missing are new.
            for path in root.ancestors().take(missing.len() + 2) {
                match disk.open(path).and_then(|directory| directory.sync_all()) {
                    // A parent that we may not read was made by somebody else, who had to sync it.
                    Err(error) if path != root && error.kind() == io::ErrorKind::PermissionDenied => {}
                    result => result.map_err(failed)?,
                }
            }
        }
        let root = root.clone();
        Ok((Self { disk, root, staging, data, sync, health: Health::default(), durable: Mutex::default() }, lock))
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
        self.disk.free_bytes(&self.staging)
    }

    /// Syncs a file's bytes. fdatasync is enough: it includes the size and the extents, and leaves out only the times.
    pub(super) fn sync_file(&self, file: &dyn DiskFile) -> Result<(), BlobError> {
        if self.sync { self.health.judge("syncing a blob file", file.sync_data()) } else { Ok(()) }
    }

    /// The places below a root, for who neither makes nor locks them.
    pub(super) fn at(root: &Path) -> Self {
        Self {
            disk: Arc::new(FileSystem),
            root: root.to_path_buf(),
            staging: root.join("staging"),
            data: root.join("data"),
            sync: true,
            health: Health::default(),
            durable: Mutex::default(),
        }
    }

    /// Gives a synced file its name in `data`, durably. From then on dropping it removes that name, too.
    pub(super) fn publish(&self, blob: BlobId, staged: &mut StagedFile) -> Result<(), BlobError> {
        let target = self.data_path(blob);
        let leaf = leaf_of(&target);
        let branch = leaf.parent().expect("a fan-out directory has a parent");
        let [.., aa, bb] = blob.0;
        // The parents of directories that may have been created just now, by us or by a run that did not live to sync them.
        let mut parents = Vec::new();
        for (fan_out, path, parent) in [((aa, None), branch, self.data.as_path()), ((aa, Some(bb)), leaf, branch)] {
            if !self.is_durable(fan_out) {
                create_directory(&*self.disk, path).map_err(|error| self.health.write_error("creating a fan-out directory", &error))?;
                parents.push((fan_out, parent));
            }
        }
        match self.disk.link(&self.staging_path(blob), &target) {
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

    /// Removes both names of blobs, the published ones first and durably: while the staging name stands, a restart finds
    /// the rest, and when this returns, no power cut brings anything back.
    pub(super) fn remove(&self, blobs: &[BlobId]) -> Result<(), BlobError> {
        let failed = |error: io::Error| self.health.write_error("deleting a blob file", &error);
        self.health.check()?;
        let mut leaves = BTreeSet::new();
        for &blob in blobs {
            let path = self.data_path(blob);
            remove_file(&*self.disk, &path).map_err(failed)?;
            // Also that of a file that is absent: who removed it may not have lived to sync.
            leaves.insert(leaf_of(&path).to_owned());
        }
        // All names are gone before the first sync, so that a journalling file system commits that once and the other
        // syncs find it done.
        for leaf in leaves {
            if self.disk.exists(&leaf).map_err(failed)? {
                self.sync_directory(&leaf)?;
            }
        }
        blobs.iter().try_for_each(|&blob| remove_file(&*self.disk, &self.staging_path(blob))).map_err(failed)
    }

    /// Removes the staging name of a sealed blob.
    pub(super) fn confirm(&self, blob: BlobId) -> io::Result<()> {
        remove_file(&*self.disk, &self.staging_path(blob))
    }

    /// Clears `staging` of files that were never published and returns the ids of those that were.
    pub(super) fn recover(&self) -> Result<BTreeSet<BlobId>, BlobError> {
        let failed = |error: io::Error| io_error("reading the staging directory", &error);
        let mut unconfirmed = BTreeSet::new();
        for name in self.disk.list(&self.staging).map_err(failed)? {
            let Some(blob) = blob_of(&name.map_err(failed)?) else { continue };
            if self.disk.exists(&self.data_path(blob)).map_err(failed)? {
                unconfirmed.insert(blob);
            } else {
                remove_file(&*self.disk, &self.staging_path(blob)).map_err(failed)?;
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

    /// The ids of one fan-out directory.
    pub(super) fn shelf(&self, number: u16) -> Result<Vec<BlobId>, BlobError> {
        let [aa, bb] = number.to_be_bytes();
        let names = match self.disk.list(&self.data.join(format!("{aa:02x}/{bb:02x}"))) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            names => names,
        };
        let ids = names.and_then(|names| names.map(|name| Ok(blob_of(&name?))).collect::<io::Result<Vec<_>>>());
        Ok(ids.map_err(|error| io_error("reading a fan-out directory", &error))?.into_iter().flatten().collect())
    }

    /// The length of a sealed file that has no staging name any more.
    pub(super) fn settled_size(&self, blob: BlobId) -> Result<Option<u64>, BlobError> {
        let failed = |error: io::Error| io_error("looking at a blob file", &error);
        if self.disk.exists(&self.staging_path(blob)).map_err(failed)? {
            return Ok(None);
        }
        match self.disk.open(&self.data_path(blob)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => Ok(Some(found.and_then(|file| file.length()).map_err(failed)?)),
        }
    }

    fn walk(&self, mut visit: impl FnMut(BlobId)) -> io::Result<()> {
        for branch in self.disk.list(&self.data)? {
            let branch = self.data.join(branch?);
            for leaf in self.disk.list(&branch)? {
                for name in self.disk.list(&branch.join(leaf?))? {
                    blob_of(&name?).into_iter().for_each(&mut visit);
                }
            }
        }
        Ok(())
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_directory(&self, path: &Path) -> Result<(), BlobError> {
        if !self.sync {
            return Ok(());
        }
        // Too many open files is no failed sync: the blob is not sealed, but nothing else is in doubt.
        let directory = self.disk.open(path).map_err(|error| io_error("opening a blob directory", &error))?;
        self.health.judge("syncing a blob directory", directory.sync_all())
    }

    fn is_durable(&self, fan_out: FanOut) -> bool {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner).contains(&fan_out)
    }
}

/// The blob that a directory entry is named after; what is not named after one is not ours to judge.
fn blob_of(name: &OsStr) -> Option<BlobId> {
    let mut id = [0; 16];
    hex::decode_to_slice(name.to_str()?, &mut id).ok()?;
    let blob = BlobId(id);
    (name == blob.to_string().as_str()).then_some(blob)
}

/// The directory of a file in `data`.
fn leaf_of(data_path: &Path) -> &Path {
    data_path.parent().expect("a data path has a directory")
}

pub(super) fn create_directory(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.create_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result,
    }
}

/// Removes a file; an absent one is fine.
pub(super) fn remove_file(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
