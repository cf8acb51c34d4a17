//! Whether the store still takes writes, and what an I/O error means to its caller.

use crate::blob::BlobError;
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

/// Healthy until a sync fails; then read-only for as long as the process runs.
///
/// After a failed sync the kernel may have dropped the dirty pages and call them clean, so that a
/// second sync succeeds although the bytes are gone. Nothing written since can be trusted.
#[derive(Default)]
pub(super) struct Health {
    read_only: AtomicBool,
}

impl Health {
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only.load(Ordering::Acquire)
    }

    /// Refuses when a sync has failed.
    pub(super) fn check(&self) -> Result<(), BlobError> {
        if self.is_read_only() { Err(BlobError::ReadOnly) } else { Ok(()) }
    }

    /// Judges a sync, or a step of publishing: a failure, lack of space included, ends writing.
    pub(super) fn judge(&self, step: &str, result: io::Result<()>) -> Result<(), BlobError> {
        result.map_err(|error| self.turn_read_only(step, &error))
    }
}

impl Health {
    /// What an error of a step that writes means. A file system that has turned read-only lost something before.
    pub(super) fn write_error(&self, step: &str, error: &io::Error) -> BlobError {
        if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
            return self.turn_read_only(step, error);
        }
        io_error(step, error)
    }

    fn turn_read_only(&self, step: &str, error: &io::Error) -> BlobError {
        if !self.read_only.swap(true, Ordering::AcqRel) {
            tracing::error!(step, %error, "the blob store is read-only from now on: bytes may not have reached the disk");
        }
        BlobError::ReadOnly
    }
}

/// What an error outside of a sync means.
pub(super) fn io_error(step: &str, error: &io::Error) -> BlobError {
    if is_no_space(error) { BlobError::NoSpace } else { BlobError::Io(format!("{step}: {error}")) }
}

/// Whether an error says that the disk or a quota is full, or that a file may not be so long.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn a_failed_sync_is_final_even_for_lack_of_space() {
        for errno in [Errno::IO, Errno::NOSPC, Errno::DQUOT] {
            let health = Health::default();
            assert_eq!(health.check(), Ok(()));
            assert_eq!(health.judge("sync", Err(errno.into())), Err(BlobError::ReadOnly));
            assert_eq!(health.judge("sync", Ok(())), Ok(()), "a later sync that succeeds changes nothing");
            assert_eq!(health.check(), Err(BlobError::ReadOnly), "{errno}");
        }
    }

    #[test]
    fn a_file_system_that_turned_read_only_ends_writing() {
        let health = Health::default();
        assert_eq!(health.write_error("write", &Errno::NOSPC.into()), BlobError::NoSpace);
        assert!(matches!(health.write_error("write", &Errno::IO.into()), BlobError::Io(_)));
        assert!(!health.is_read_only());
        assert_eq!(health.write_error("write", &Errno::ROFS.into()), BlobError::ReadOnly);
        assert!(health.is_read_only());
    }

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one() {
        assert_eq!(io_error("write", &Errno::NOSPC.into()), BlobError::NoSpace);
        assert_eq!(io_error("write", &Errno::DQUOT.into()), BlobError::NoSpace);
        assert_eq!(io_error("write", &Errno::FBIG.into()), BlobError::NoSpace);
        assert!(matches!(io_error("write", &Errno::IO.into()), BlobError::Io(_)));
    }
}
