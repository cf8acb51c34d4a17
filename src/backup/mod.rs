//! Backups: snapshots of the index with the blobs that they refer to, taken while the server runs, and restored.
//!
//! ```text
//! partway-backup          says what this directory is
//! lock                    held (flock) by whoever takes a backup into it or restores from it
//! snapshots/<time>/       a snapshot; one whose name ends in .unfinished is none yet, or no longer
//!     manifest            what it is, and the size and SHA-256 of each file in it
//!     blobs               the blobs that it refers to
//!     index/              the index, as RocksDB writes a checkpoint
//!     format, root-key …  the small files of the data directory
//! blobs/                  blob files as in a data directory, shared by all snapshots here
//! ```
//!
//! - A snapshot gets its name when all of it is synced, its blobs included; whatever has no such name does not count.
//! - Blob files never change. So a consistent backup is a snapshot of the index first and its blobs afterwards, with
//!   the reaper held back meanwhile, and a further backup copies only what is not there yet.
//! - docs/adr/0012-backup.md has the reasons.

mod blob_list;
mod crew;
mod files;
mod manifest;
mod needed;
mod place;
mod restore;
mod take;
mod watch;

pub use restore::{RestoreOrder, RestoreReport, check, restore};
pub use take::{DataDirPlaces, Order, Report, take};

use crate::{
    blob::{BlobError, BlobId},
    datadir::DataDirError,
    meta::KvError,
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// Why a backup is not taken, or not restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The disk says no.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
    /// The place cannot be used for this, or what is there is damaged.
    #[error("{0}")]
    Refused(String),
    /// It would take the room that the data directory needs.
    #[error("{} is on a disk of the data directory, and there is no room for it beside what is kept free there", .0.display())]
    NoRoom(PathBuf),
    /// It took too long, or nobody waits for it any more.
    #[error("{0}")]
    Ended(&'static str),
    /// The index cannot be read.
    #[error("{0}")]
    Index(#[from] KvError),
    /// A blob cannot be read or written.
    #[error("{0}")]
    Blob(#[from] BlobError),
    /// The new data directory cannot be made.
    #[error("{0}")]
    DataDir(#[from] DataDirError),
}

/// The text of a snapshot's manifest that says this: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn manifest_of_json(json: &str) -> String {
    manifest::stamped(json)
}

/// A snapshot's manifest as it would be written, and the paths of the files in it; `None` when the text is none: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn manifest_again(text: &str) -> Option<(String, Vec<String>)> {
    let manifest = manifest::Manifest::parse(text).ok()?;
    Some((manifest.to_text(), manifest.files.into_iter().map(|entry| entry.path).collect()))
}

/// The lines of a list of blobs; `None` for one that is refused: for fuzzing.
#[doc(hidden)]
#[must_use]
pub fn blobs_listed(list: &[u8]) -> Vec<Option<(BlobId, u64)>> {
    blob_list::Reader::over(Path::new("blobs"), list).map(Result::ok).collect()
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |error| BackupError::Io { path, error }
}
