//! Whether the store still takes writes, and what an I/O error means to its caller.

use crate::blob::BlobError;
use rustix::io::Errno;
use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

/// Healthy until a sync or the disk fails; then read-only for as long as the process runs.
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
    /// What an error of a step that writes means. When the disk fails, so may the next sync, or it may have lost what
    /// an earlier step believed to be written: that is the end of writing, too.
    pub(super) fn write_error(&self, step: &str, error: &io::Error) -> BlobError {
        if is_disk_failure(error) { self.turn_read_only(step, error) } else { io_error(step, error) }
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

/// Whether an error says that the disk is gone, fails, or has made the file system give up (`EUCLEAN`, `EROFS`).
fn is_disk_failure(error: &io::Error) -> bool {
    let failures = [Errno::IO, Errno::ROFS, Errno::NXIO, Errno::NODEV, Errno::UCLEAN, Errno::REMOTEIO, Errno::SHUTDOWN];
    Errno::from_io_error(error).is_some_and(|errno| failures.contains(&errno))
}

/// Whether an error says that the disk or a quota is full, or that a file may not be so long.
pub(super) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_disk_that_fails_ends_writing_and_a_full_one_does_not() {
        let health = Health::default();
        assert_eq!(health.write_error("write", &Errno::NOSPC.into()), BlobError::NoSpace);
        assert!(matches!(health.write_error("write", &Errno::MFILE.into()), BlobError::Io(_)));
        assert!(!health.is_read_only());
        for errno in [Errno::IO, Errno::ROFS] {
            let health = Health::default();
            assert_eq!(health.write_error("write", &errno.into()), BlobError::ReadOnly);
            assert!(health.is_read_only(), "{errno}");
        }
    }

    #[test]
    fn a_full_disk_is_told_apart_from_a_broken_one() {
        assert_eq!(io_error("write", &Errno::NOSPC.into()), BlobError::NoSpace);
        assert_eq!(io_error("write", &Errno::DQUOT.into()), BlobError::NoSpace);
        assert_eq!(io_error("write", &Errno::FBIG.into()), BlobError::NoSpace);
        assert!(matches!(io_error("write", &Errno::IO.into()), BlobError::Io(_)));
    }
}
