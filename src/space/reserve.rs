//! A file that takes up room while there is some, to be given up when there is none.
//!
//! What it holds, nobody else on the file system can take: neither other processes nor the system's own needs.

use rustix::fs::{FallocateFlags, fallocate};
use std::{
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
};

/// The unit in which the system counts a file's blocks. Bytes.
const BLOCK_UNIT_BYTES: u64 = 512;

/// The file, which may be there or not.
pub(super) struct Reserve {
    path: PathBuf,
    size_bytes: u64,
    held_bytes: u64,
    /// Whether the file system can set room aside.
    is_possible: bool,
}

impl Reserve {
    /// The reserve at a path, as it was left.
    pub(super) fn find(path: PathBuf, size_bytes: u64) -> Self {
        let held_bytes = fs::metadata(&path).map_or(0, |file| file.blocks().saturating_mul(BLOCK_UNIT_BYTES));
        Self { path, size_bytes, held_bytes: held_bytes.min(size_bytes), is_possible: true }
    }

    /// How much room it takes. Bytes.
    pub(super) fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// How much more room it would take if it could. Bytes.
    pub(super) fn lacking_bytes(&self) -> u64 {
        if self.is_possible { self.size_bytes.saturating_sub(self.held_bytes) } else { 0 }
    }

    /// Whether the file system can set room aside, as far as is known.
    pub(super) fn is_possible(&self) -> bool {
        self.is_possible
    }

    /// Frees the room.
    ///
    /// # Errors
    /// The file cannot be cut; it may be tried again.
    pub(super) fn give_up(&mut self) -> io::Result<()> {
        match File::options().write(true).open(&self.path) {
            // Somebody was faster.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            file => file?.set_len(0)?,
        }
        self.held_bytes = 0;
        Ok(())
    }

    /// Frees what an earlier run, which was to have more, has left above the size.
    ///
    /// # Errors
    /// The file cannot be cut.
    pub(super) fn trim(&self) -> io::Result<()> {
        if fs::metadata(&self.path).is_ok_and(|file| file.len() > self.size_bytes) {
            File::options().write(true).open(&self.path)?.set_len(self.size_bytes)?;
        }
        Ok(())
    }

    /// Takes the room, which is more than none, or none of it.
    ///
    /// # Errors
    /// It cannot be had.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        let file = File::options().create(true).truncate(false).write(true).open(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, self.size_bytes) {
            Ok(()) => {
                self.held_bytes = self.size_bytes;
                Ok(())
            }
            Err(error) => {
                // A failed allocation may have taken what there was.
                file.set_len(0)?;
                self.held_bytes = 0;
                self.is_possible = !matches!(error, rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS);
                Err(error.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_taken_and_given_up_and_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reserve");
        let mut reserve = Reserve::find(path.clone(), 3 << 20);
        assert_eq!((reserve.held_bytes(), reserve.lacking_bytes()), (0, 3 << 20));
        reserve.fill().unwrap();
        assert_eq!((reserve.held_bytes(), reserve.lacking_bytes()), (3 << 20, 0));
        assert_eq!(Reserve::find(path.clone(), 3 << 20).held_bytes(), 3 << 20, "an earlier run's");
        reserve.give_up().unwrap();
        assert_eq!((reserve.held_bytes(), reserve.lacking_bytes()), (0, 3 << 20));
        reserve.fill().unwrap();
        fs::remove_file(&path).unwrap();
        reserve.give_up().expect("an operator who was faster has done it");
        reserve.fill().and_then(|()| reserve.give_up()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().blocks(), 0);
        assert_eq!(Reserve::find(path.clone(), 3 << 20).held_bytes(), 0);

        Reserve::find(path.clone(), 2 << 20).fill().unwrap();
        Reserve::find(path.clone(), 1 << 20).trim().unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), 1 << 20, "a smaller setting makes it smaller");
    }
}
