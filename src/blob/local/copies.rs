//! Files of blobs on their way to and from a backup: the places of a store, without the store.
//!
//! - A file that is copied is read against its checksums, so what is damaged is not copied.
//! - A name under `data` is given only to a file whose bytes are synced, as in a store. The names themselves are synced at
//!   the end, all at once.
//! - Nothing here takes the lock of a store: files under `data` never change, and who copies them sees to it that they
//!   stay (`ops::ReaperHold`) or that nobody else writes there.

use super::{
    directory::Directory,
    health::{io_error, is_no_space},
    reader::BlobFile,
};
use crate::blob::{BlobError, BlobId};
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// The blob files of a directory that has the layout of a store.
pub struct BlobFiles {
    directory: Directory,
    root: PathBuf,
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
        Self { directory: Directory::at(root), root: root.to_owned() }
    }

    /// Makes the directories, and clears them of what an interrupted copy left. Nobody else may be writing there.
    ///
    /// # Errors
    /// [`BlobError::Io`].
    pub fn prepare(&self) -> Result<(), BlobError> {
        let prepared = (|| {
            let staging = self.root.join("staging");
            // Whoever may look into the directory above is not to read what is stored.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.root)?;
            fs::create_dir_all(self.root.join("data"))?;
            fs::create_dir_all(&staging)?;
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
        let published = target.directory.data_path(blob);
        published.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
        let staged = target.directory.staging_path(blob);
        let written = match how {
            Copying::Bytes => copy_bytes(file, size, &staged, go_on, &failed),
            // A store that does not sync may have left that to others.
            Copying::Link => {
                go_on().and_then(|()| file.sync().and_then(|()| fs::hard_link(self.directory.data_path(blob), &staged)).map_err(failed))
            }
        };
        let published = written.and_then(|()| fs::rename(&staged, published).map_err(failed));
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
    pub fn walk(&self, mut visit: impl FnMut(BlobId)) -> Result<(), BlobError> {
        let walked = self.leaves().and_then(|leaves| {
            leaves.iter().try_for_each(|leaf| {
                for entry in fs::read_dir(leaf)? {
                    blob_of(&entry?.file_name()).into_iter().for_each(&mut visit);
                }
                Ok(())
            })
        });
        walked.map_err(|error| io_error("walking blob files", &error))
    }

    /// The directories that files are in.
    fn leaves(&self) -> io::Result<Vec<PathBuf>> {
        let mut leaves = Vec::new();
        for branch in fs::read_dir(self.root.join("data"))? {
            for leaf in fs::read_dir(branch?.path())? {
                leaves.push(leaf?.path());
            }
        }
        Ok(leaves)
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
        let synced = self.leaves().and_then(|leaves| {
            let branches: BTreeSet<&Path> = leaves.iter().filter_map(|leaf| leaf.parent()).collect();
            leaves.iter().try_for_each(|leaf| sync_directory(leaf))?;
            branches.into_iter().try_for_each(sync_directory)?;
            sync_directory(&self.root.join("data"))?;
            sync_directory(&self.root)
        });
        synced.map_err(|error| io_error("syncing directories of blob files", &error))
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
    let mut at = 0;
    while at < size {
        go_on()?;
        let piece = file.checked_blocks(at)?;
        each(&piece)?;
        at += piece.len() as u64;
    }
    Ok(trailer)
}

/// The blob that a file is named after; what is not named after one is not ours to judge.
fn blob_of(name: &OsStr) -> Option<BlobId> {
    let mut id = [0; 16];
    hex::decode_to_slice(name.to_str()?, &mut id).ok()?;
    Some(BlobId(id)).filter(|blob| name == OsStr::new(&blob.to_string()))
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Removes a file; an absent one is fine.
fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::{BlobStore, LocalBlobs, LocalSettings};
    use std::os::unix::fs::MetadataExt as _;

    const BLOB: BlobId = BlobId([3; 16]);
    const SIZE: u64 = 1_000_000;

    async fn stored(root: &Path) -> Vec<u8> {
        let bytes: Vec<u8> = (0..SIZE).map(|index| (index * 31 % 251) as u8).collect();
        let store = LocalBlobs::open(root, LocalSettings::default()).unwrap();
        let mut staging = store.stage(BLOB, None).await.unwrap();
        staging.append(vec![bytes.clone().into()]).await.unwrap();
        let sealed = staging.seal().await.unwrap();
        store.confirm(sealed.blob()).await;
        bytes
    }

    fn staged(root: &Path) -> usize {
        fs::read_dir(root.join("staging")).unwrap().count()
    }

    #[tokio::test]
    async fn a_copy_is_the_same_file_and_a_store_reads_it() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        stored(&from).await;
        let (source, target) = (BlobFiles::at(&from), BlobFiles::at(&to));
        for how in [Copying::Bytes, Copying::Link, Copying::Link, Copying::Bytes] {
            target.prepare().unwrap();
            source.copy(BLOB, SIZE, &target, how, &|| Ok(())).unwrap();
            let [one, other] = [&from, &to].map(|root| Directory::at(root).data_path(BLOB));
            assert_eq!(fs::read(&one).unwrap(), fs::read(&other).unwrap());
            let same = fs::metadata(&one).unwrap().ino() == fs::metadata(&other).unwrap().ino();
            assert_eq!((same, staged(&to)), (how == Copying::Link, 0), "{how:?}");
        }
        target.sync_names().unwrap();
        assert_eq!((target.size(BLOB), target.check(BLOB, SIZE, &|| Ok(()))), (Ok(SIZE), Ok(())));
        let store = LocalBlobs::open(&to, LocalSettings::default()).unwrap();
        assert_eq!(store.verify(BLOB).await, Ok(SIZE));
        assert_eq!(store.scan(None, 10).await, Ok(vec![BLOB]));
    }

    #[tokio::test]
    async fn what_is_damaged_has_another_size_or_is_given_up_is_not_copied_and_leaves_nothing() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        stored(&from).await;
        let (source, target) = (BlobFiles::at(&from), BlobFiles::at(&to));
        target.prepare().unwrap();
        assert!(matches!(source.copy(BLOB, SIZE - 1, &target, Copying::Bytes, &|| Ok(())), Err(BlobError::Corrupt(..))));
        assert_eq!(source.copy(BLOB, SIZE, &target, Copying::Bytes, &|| Err(BlobError::ReadOnly)), Err(BlobError::ReadOnly));
        let file = Directory::at(&from).data_path(BLOB);
        let sound = fs::read(&file).unwrap();
        for at in [0, 700_000, sound.len() - 100, sound.len() - 55, sound.len() - 1] {
            let mut flipped = sound.clone();
            flipped[at] ^= 0x20;
            fs::write(&file, flipped).unwrap();
            let copied = source.copy(BLOB, SIZE, &target, Copying::Bytes, &|| Ok(()));
            assert!(matches!(copied, Err(BlobError::Corrupt(..))), "{at}: {copied:?}");
            assert!(matches!(source.check(BLOB, SIZE, &|| Ok(())), Err(BlobError::Corrupt(..))), "{at}");
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(source.copy(BLOB, SIZE, &target, Copying::Bytes, &|| Ok(())), Err(BlobError::Missing(BLOB)));
        assert_eq!((target.size(BLOB), staged(&to)), (Err(BlobError::Missing(BLOB)), 0));
    }

    /// A link that an interrupted copy left is a second name of the original.
    #[tokio::test]
    async fn what_an_interrupted_link_left_is_never_written_into() {
        let place = tempfile::tempdir().unwrap();
        let (from, to) = (place.path().join("from"), place.path().join("to"));
        stored(&from).await;
        let (source, target) = (BlobFiles::at(&from), BlobFiles::at(&to));
        target.prepare().unwrap();
        fs::hard_link(Directory::at(&from).data_path(BLOB), Directory::at(&to).staging_path(BLOB)).unwrap();
        assert!(source.copy(BLOB, SIZE, &target, Copying::Bytes, &|| Ok(())).is_err());
        assert_eq!(source.check(BLOB, SIZE, &|| Ok(())), Ok(()));
        target.prepare().unwrap();
        source.copy(BLOB, SIZE, &target, Copying::Bytes, &|| Ok(())).unwrap();
        assert_eq!(source.check(BLOB, SIZE, &|| Ok(())), Ok(()));
    }
}
