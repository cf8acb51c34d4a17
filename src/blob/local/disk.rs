//! The file operations that a local store is made of, and the file system that does them.
//!
//! - This is all that the store asks of a disk. Whatever is below promises what docs/adr/0001-blob-files.md assumes and no
//!   more: bytes and length are durable after `sync_data`, names after `sync_all` of the directory that holds them.
//! - A call goes through a table of functions, which costs nothing next to the system call behind it.
//! - Tests put a disk below that forgets what was not synced (`testkit::power`).

use rustix::{
    fs::{FallocateFlags, fallocate},
    io::Errno,
};
use std::{
    ffi::OsString,
    fs::{self, File},
    io::{self, IoSlice},
    path::Path,
};

pub use crate::blob::blocking::Pace;

/// The names in a directory, without `.` and `..`, in no order.
pub type Names = Box<dyn Iterator<Item = io::Result<OsString>>>;

/// Where files are. Operations block; their errors are those of the system calls they are named after.
pub trait Disk: Send + Sync + 'static {
    /// Keeps others out for as long as the returned lives; creates the lock's file.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;

    /// Whether there is something of this name.
    ///
    /// # Errors
    /// As `stat`.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// What a directory holds.
    ///
    /// # Errors
    /// As `opendir`; as `readdir` in the iterator.
    fn list(&self, path: &Path) -> io::Result<Names>;

    /// Creates a directory.
    ///
    /// # Errors
    /// As `mkdir`.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Creates a file, which must not exist, to be written.
    ///
    /// # Errors
    /// As `open`.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file to be read, or a directory to be synced.
    ///
    /// # Errors
    /// As `open`.
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, which must not exist.
    ///
    /// # Errors
    /// As `link`.
    fn link(&self, source: &Path, target: &Path) -> io::Result<()>;

    /// Removes a name of a file.
    ///
    /// # Errors
    /// As `unlink`.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Bytes that may still be written on the file system of this path; `None` when it does not tell.
    fn free_bytes(&self, path: &Path) -> Option<u64>;

    /// When work on this disk is done that was asked for now. `None`: operations block, so that work belongs on a thread that
    /// may. A simulated disk does not block, and says here in which order things happen.
    fn pace(&self) -> Option<Pace>;
}

/// An open file, or a directory.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// As `fstat`.
    fn length(&self) -> io::Result<u64>;

    /// Reads at an offset into a buffer, as much as comes at once, and returns the number of bytes; 0 at the end.
    ///
    /// # Errors
    /// As `pread`.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes the buffers one after the other at an offset, as much as is taken at once, and returns the number of bytes.
    ///
    /// # Errors
    /// As `pwritev`.
    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;

    /// Reserves room for a file of so many bytes without changing its length, where that is possible.
    ///
    /// # Errors
    /// As `fallocate`.
    fn reserve(&self, length: u64) -> io::Result<()>;

    /// Cuts or extends it to a length; also gives back the room beyond.
    ///
    /// # Errors
    /// As `ftruncate`.
    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Makes the bytes and the length of a file durable, not its name.
    ///
    /// # Errors
    /// As `fdatasync`.
    fn sync_data(&self) -> io::Result<()>;

    /// Makes a directory's names durable.
    ///
    /// # Errors
    /// As `fsync`.
    fn sync_all(&self) -> io::Result<()>;
}

/// The file system of this machine.
pub(super) struct FileSystem;

impl Disk for FileSystem {
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let lock = File::options().create(true).truncate(false).write(true).open(path)?;
        lock.try_lock()?;
        Ok(Box::new(lock))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn list(&self, path: &Path) -> io::Result<Names> {
        Ok(Box::new(fs::read_dir(path)?.map(|entry| Ok(entry?.file_name()))))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::options().write(true).create_new(true).open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(File::open(path)?))
    }

    fn link(&self, source: &Path, target: &Path) -> io::Result<()> {
        fs::hard_link(source, target)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn free_bytes(&self, path: &Path) -> Option<u64> {
        let stat = rustix::fs::statvfs(path).ok()?;
        (stat.f_blocks > 0).then(|| stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn pace(&self) -> Option<Pace> {
        None
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pread(self, buffer, offset)?)
    }

    fn write_at(&self, buffers: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        Ok(rustix::io::pwritev(self, buffers, offset)?)
    }

    fn reserve(&self, length: u64) -> io::Result<()> {
        loop {
            return match fallocate(self, FallocateFlags::KEEP_SIZE, 0, length) {
                Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
                Err(Errno::INTR) => continue,
                Err(error) => Err(error.into()),
            };
        }
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn sync_all(&self) -> io::Result<()> {
        Self::sync_all(self)
    }
}
