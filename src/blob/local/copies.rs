//! Files of blobs on their way to and from a backup: the places of a store, without the store.
//!
//! - A file that is copied is read against its checksums, so what is damaged is not copied.
//! - A name under `data` is given only to a file whose bytes are synced, as in a store. The names themselves are synced at
//!   the end, all at once.
//! - Nothing here takes the lock of a store: files under `data` never change, and who copies them sees to it that they
//!   stay (`ops::ReaperHold`) or that nobody else writes there.

use super::{
    directory::{Directory, remove_file},
    health::{io_error, is_no_space},
    reader::{BlobFile, RangeReader},
};
use crate::{
    blob::{BlobError, BlobId},
    model::ByteRange,
};
use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

/// The blob files of a directory that has the layout of a store.
pub struct BlobFiles {
    directory: Directory,
}

/// How a file gets to another place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copying {
    /// Its bytes are read against their checksums and written.
    Bytes,
    /// It gets a second name, on the same file system. Its bytes are neither read nor doubled.
    Link,
}

impl BlobFiles {
    /// The files below a root, which need not be there yet.
    #[must_use]
    pub fn at(root: &Path) -> Self {
        Self { directory: Directory::at(root) }
    }

    /// Makes the directories, and clears them of what an interrupted copy left. Nobody else may be writing there.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn prepare(&self) -> Result<(), BlobError> {
        let prepared = (|| {
            let staging = self.directory.staging();
            fs::create_dir_all(self.directory.data())?;
            fs::create_dir_all(staging)?;
            fs::read_dir(staging)?.try_for_each(|entry| remove_file(&entry?.path()))
        })();
        prepared.map_err(|error| io_error("preparing a directory of blob files", &error))
    }

    /// The size in bytes of a blob whose file is there and has a sound footer.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Corrupt`], [`BlobError::Io`].
    pub fn size(&self, blob: BlobId) -> Result<u64, BlobError> {
        Ok(BlobFile::open(&self.directory, blob)?.size())
    }

    /// Brings a blob of this size to another place, replacing what is there. What `go_on` tells is asked for now and then;
    /// with an error nothing is left behind.
    ///
    /// # Errors
    /// [`BlobError::Missing`], [`BlobError::Corrupt`] when the blob is not as it was written or has another size;
    /// [`BlobError::NoSpace`], [`BlobError::Io`], and what `go_on` returns.
    pub fn copy(
        &self,
        blob: BlobId,
        size: u64,
        target: &Self,
        how: Copying,
        go_on: &dyn Fn() -> Result<(), BlobError>,
    ) -> Result<(), BlobError> {
        let failed = |error: io::Error| match is_no_space(&error) {
            true => BlobError::NoSpace,
            false => io_error(&format!("copying blob {blob}"), &error),
        };
        let file = BlobFile::open(&self.directory, blob)?;
        if file.size() != size {
            return Err(BlobError::Corrupt(blob, format!("{size} bytes are recorded, the file has {}", file.size())));
        }
        target.directory.make_room(blob).map_err(failed)?;
        let staged = target.directory.staging_path(blob);
        let written = match how {
            Copying::Bytes => copy_bytes(file, size, &staged, go_on, &failed),
            Copying::Link => go_on().and_then(|()| fs::hard_link(self.directory.data_path(blob), &staged).map_err(failed)),
        };
        let published = written.and_then(|()| fs::rename(&staged, target.directory.data_path(blob)).map_err(failed));
        // Two names of one file are not renamed onto each other: the staged one stays.
        if published.is_err() || how == Copying::Link {
            let _ = remove_file(&staged);
        }
        published
    }

    /// Reads a blob of this size against its checksums.
    ///
    /// # Errors
    /// As [`Self::copy`].
    pub fn check(&self, blob: BlobId, size: u64, go_on: &dyn Fn() -> Result<(), BlobError>) -> Result<(), BlobError> {
        let file = BlobFile::open(&self.directory, blob)?;
        if file.size() != size {
            return Err(BlobError::Corrupt(blob, format!("{size} bytes are recorded, the file has {}", file.size())));
        }
        read_checked(file, size, go_on, |_| Ok(())).map(drop)
    }

    /// Calls `visit` for every blob there is, in no order.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn walk(&self, visit: impl FnMut(BlobId)) -> Result<(), BlobError> {
        self.directory.walk(visit).map_err(|error| io_error("walking blob files", &error))
    }

    /// Removes a blob's file; an absent one is fine.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn remove(&self, blob: BlobId) -> Result<(), BlobError> {
        remove_file(&self.directory.data_path(blob)).map_err(|error| io_error("removing a blob file", &error))
    }

    /// Makes every name durable.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn sync_names(&self) -> Result<(), BlobError> {
        self.directory.sync_names().map_err(|error| io_error("syncing directories of blob files", &error))
    }
}

fn copy_bytes(
    source: BlobFile,
    size: u64,
    staged: &Path,
    go_on: &dyn Fn() -> Result<(), BlobError>,
    failed: &dyn Fn(io::Error) -> BlobError,
) -> Result<(), BlobError> {
    // Never one that is there: it could be the second name of a file in use.
    let mut target = File::create_new(staged).map_err(failed)?;
    let trailer = read_checked(source, size, go_on, |piece| target.write_all(piece).map_err(failed))?;
    target.write_all(&trailer).and_then(|()| target.sync_data()).map_err(failed)
}

/// Hands on the bytes of a blob, all of them checked, and returns what stands after them in the file.
fn read_checked(
    file: BlobFile,
    size: u64,
    go_on: &dyn Fn() -> Result<(), BlobError>,
    mut each: impl FnMut(&[u8]) -> Result<(), BlobError>,
) -> Result<Vec<u8>, BlobError> {
    file.check_table()?;
    let trailer = file.trailer()?;
    let reader = RangeReader::new(file, ByteRange { start: 0, end: size })?;
    let mut at = 0;
    while at < size {
        go_on()?;
        let piece = reader.piece(at)?;
        each(&piece)?;
        at += piece.len() as u64;
    }
    Ok(trailer)
}
