//! Small disks in files, and what takes up their room.

use crate::{
    disk::{FileSystem, mount, run},
    store::Store,
};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

/// Size of each disk. MiB.
const SIZE_MIB: u64 = 160;

/// Which of the stores has a disk of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    OneDisk,
    BlobsApart,
    IndexApart,
}

/// A mounted image of ext4.
pub(crate) struct Image {
    pub(crate) file: PathBuf,
    pub(crate) path: PathBuf,
}

impl Image {
    /// Makes and mounts one.
    pub(crate) fn create(place: &Path, name: &str) -> Self {
        let (file, path) = (place.join(format!("{name}.img")), place.join(name));
        File::create(&file).and_then(|file| file.set_len(SIZE_MIB << 20)).expect("an image can be made");
        FileSystem::Ext4.make(&file).expect("a file system is made");
        fs::create_dir(&path).expect("a mount point");
        mount(&file, &path);
        Self { file, path }
    }

    /// Takes up room so that no more than so many bytes stay free for everybody but root, about: files have blocks of their
    /// own. When the server has taken its margin already, there is nothing to take.
    pub(crate) fn fill_up(&self, name: &str, left: u64) {
        let stat = rustix::fs::statvfs(&self.path).expect("a file system");
        self.take(name, (stat.f_bavail * stat.f_frsize).saturating_sub(left));
    }

    /// Takes up every block there is, those that are kept for root as well.
    pub(crate) fn fill_to_the_brim(&self, name: &str) {
        let stat = rustix::fs::statvfs(&self.path).expect("a file system");
        self.take(name, stat.f_bfree * stat.f_frsize);
        // What allocating took for itself, and what came free meanwhile.
        for size in (0..=20).rev().map(|shift| 4096_u64 << shift) {
            let stat = rustix::fs::statvfs(&self.path).expect("a file system");
            if stat.f_bfree * stat.f_frsize >= size {
                self.take(&format!("{name}-{size}"), size);
            }
        }
    }

    fn take(&self, name: &str, size: u64) {
        if size > 0 {
            let path = self.path.join(format!("ballast-{name}"));
            // The very last blocks may not be had, which is as good.
            let _ = run("fallocate", &["-l", &size.to_string(), path.to_str().expect("the path is text")]);
        }
    }

    /// Gives back what was taken.
    pub(crate) fn clear(&self) {
        for entry in fs::read_dir(&self.path).expect("a directory").flatten() {
            if entry.file_name().to_string_lossy().starts_with("ballast-") {
                fs::remove_file(entry.path()).expect("it can be removed");
            }
        }
    }
}

/// The disks of a data directory.
pub(crate) struct Disks {
    pub(crate) data: PathBuf,
    pub(crate) index: Image,
    /// When they are on another one than the index.
    blobs: Option<Image>,
}

impl Disks {
    /// New ones, with a server on them. The store that is apart is where its link leads.
    pub(crate) fn create(place: &Path, layout: Layout, log: &Path, flags: &[&str]) -> (Self, Store) {
        let main = Image::create(place, "main");
        let data = main.path.join("data");
        let store = Store::create(&data, log, flags);
        let apart = |store: Store, name: &str| {
            let image = Image::create(place, name);
            (store.with_apart(name, &image.path, log, flags), image)
        };
        match layout {
            Layout::OneDisk => (Self { data, index: main, blobs: None }, store),
            Layout::BlobsApart => {
                let (store, image) = apart(store, "blobs");
                (Self { data, index: main, blobs: Some(image) }, store)
            }
            Layout::IndexApart => {
                let (store, image) = apart(store, "index");
                (Self { data, index: image, blobs: Some(main) }, store)
            }
        }
    }

    pub(crate) fn blobs(&self) -> &Image {
        self.blobs.as_ref().unwrap_or(&self.index)
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        // While a test fails, the namespace's end is what unmounts.
        if !std::thread::panicking() {
            std::iter::once(&self.index).chain(&self.blobs).for_each(|image| crate::disk::unmount(&image.path));
        }
    }
}
