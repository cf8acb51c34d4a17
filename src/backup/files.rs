//! Files and directories of a backup: copied, hashed and made durable.

use super::{BackupError, io_error, watch::Watch};
use crate::{digest::Hasher, model::ChecksumAlgorithm};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// Bytes read and written at once.
const PIECE_SIZE: usize = 1 << 20;

/// Size in bytes and SHA-256 of what was read.
pub(super) type Sum = (u64, String);

/// Copies a file that is not there yet, readable by its owner only, and syncs it.
pub(super) fn copy(source: &Path, target: &Path, watch: &Watch) -> Result<Sum, BackupError> {
    let from = File::open(source).map_err(io_error(source))?;
    let mut to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(target).map_err(io_error(target))?;
    let sum = read(from, source, watch, |piece| to.write_all(piece).map_err(io_error(target)))?;
    to.sync_all().map_err(io_error(target))?;
    Ok(sum)
}

/// Reads a file to its end.
pub(super) fn sum(path: &Path, watch: &Watch) -> Result<Sum, BackupError> {
    read(File::open(path).map_err(io_error(path))?, path, watch, |_| Ok(()))
}

/// Reads a file to its end and syncs it.
pub(super) fn sum_and_sync(path: &Path, watch: &Watch) -> Result<Sum, BackupError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(io_error(path))?;
    sum(path, watch)
}

fn read(mut from: File, path: &Path, watch: &Watch, mut each: impl FnMut(&[u8]) -> Result<(), BackupError>) -> Result<Sum, BackupError> {
    let (mut hasher, mut size, mut piece) = (Hasher::new(ChecksumAlgorithm::Sha256), 0_u64, vec![0; PIECE_SIZE]);
    loop {
        watch.go_on()?;
        match from.read(&mut piece) {
            Ok(0) => return Ok((size, hex::encode(hasher.finish().digest()))),
            Ok(count) => {
                hasher.update(&piece[..count]);
                each(&piece[..count])?;
                size = size.saturating_add(count as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(io_error(path)(error)),
        }
    }
}

/// Writes a file that is not there yet, readable by its owner only, and syncs it.
pub(super) fn write(path: &Path, text: &str) -> Result<(), BackupError> {
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.sync_all()
    });
    written.map_err(io_error(path))
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> Result<(), BackupError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(io_error(path))
}

/// Removes a directory with all that is in it; an absent one is fine.
pub(super) fn remove_tree(path: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_error(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
