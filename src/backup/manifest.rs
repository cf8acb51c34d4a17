//! What a snapshot says of itself.
//!
//! ```text
//! partway snapshot, format 1
//! <SHA-256 of all that follows>
//! <JSON>
//! ```

use super::{BackupError, files, io_error, watch::Watch};
use crate::digest;
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::Read as _,
    path::{Component, Path},
};

/// Its name in a snapshot.
pub(super) const NAME: &str = "manifest";
/// The name of the list of blobs.
pub(super) const BLOBS: &str = "blobs";
/// The name of the index.
pub(super) const INDEX: &str = "index";

const STAMP: &str = "partway snapshot, format 1";

/// A manifest is not longer, so that another file of its name is not read whole. Bytes.
const SIZE_MAX: u64 = 64 << 20;

/// What a snapshot says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// When it was taken, as people write it.
    pub(super) taken: String,
    /// The release that took it.
    pub(super) partway: String,
    /// The stamp of the data directory.
    pub(super) data_format: String,
    /// The key that its secrets are sealed with; `None` when they are in clear.
    pub(super) sealed_with: Option<String>,
    /// Whether the blobs were copied with it.
    pub(super) with_blobs: bool,
    /// Number of blobs that it refers to, and their bytes.
    pub(super) blob_count: u64,
    pub(super) blob_bytes: u64,
    /// Its files, by path.
    pub(super) files: Vec<Entry>,
}

/// A file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    /// Relative to the snapshot.
    pub(super) path: String,
    /// Bytes.
    pub(super) size: u64,
    /// Lower-case hex.
    pub(super) sha256: String,
}

impl Manifest {
    /// Writes it into a snapshot, synced.
    pub(super) fn write(&self, snapshot: &Path) -> Result<(), BackupError> {
        files::write(&snapshot.join(NAME), &self.to_text())
    }

    pub(super) fn to_text(&self) -> String {
        stamped(&(serde_json::to_string_pretty(self).expect("a manifest holds nothing that JSON cannot") + "\n"))
    }

    /// Reads the one of a snapshot.
    pub(super) fn read(snapshot: &Path) -> Result<Self, BackupError> {
        let path = snapshot.join(NAME);
        let mut text = String::new();
        let file = File::open(&path).map_err(io_error(&path))?;
        file.take(SIZE_MAX).read_to_string(&mut text).map_err(io_error(&path))?;
        Self::parse(&text).map_err(|why| BackupError::Refused(format!("{}: {why}", path.display())))
    }

    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (stamp, rest) = text.split_once('\n').ok_or("it is no manifest")?;
        if stamp != STAMP {
            return Err(format!("this release cannot read it: {}", stamp.escape_default()));
        }
        let (sum, json) = rest.split_once('\n').ok_or("it ends early")?;
        if sum != hex::encode(digest::sha256(json.as_bytes())) {
            return Err("it is damaged: its checksum does not match".to_owned());
        }
        let manifest: Self = serde_json::from_str(json).map_err(|error| error.to_string())?;
        match manifest.files.iter().find(|entry| !is_inside(&entry.path)) {
            Some(entry) => Err(format!("`{}` is not a path within it", entry.path.escape_default())),
            None => Ok(manifest),
        }
    }

    /// Checks a file of the snapshot against its entry.
    pub(super) fn check(entry: &Entry, path: &Path, (size, sha256): files::Sum) -> Result<(), BackupError> {
        match size == entry.size && sha256 == entry.sha256 {
            true => Ok(()),
            false => Err(BackupError::Refused(format!("{} is damaged: it is not what the manifest says", path.display()))),
        }
    }

    /// Checks every file of the snapshot.
    pub(super) fn check_files(&self, snapshot: &Path, watch: &Watch) -> Result<(), BackupError> {
        self.files.iter().try_for_each(|entry| {
            let path = snapshot.join(&entry.path);
            Self::check(entry, &path, files::sum(&path, watch)?)
        })
    }

    /// Checks the list of blobs alone.
    pub(super) fn check_blob_list(&self, snapshot: &Path, watch: &Watch) -> Result<(), BackupError> {
        let path = snapshot.join(BLOBS);
        let entry = self.files.iter().find(|entry| entry.path == BLOBS);
        let entry = entry.ok_or_else(|| BackupError::Refused(format!("{} has no list of blobs", snapshot.display())))?;
        Self::check(entry, &path, files::sum(&path, watch)?)
    }
}

/// The text of a manifest that says this.
pub(super) fn stamped(json: &str) -> String {
    format!("{STAMP}\n{}\n{json}", hex::encode(digest::sha256(json.as_bytes())))
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|component| matches!(component, Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(path: &str) -> Manifest {
        Manifest {
            taken: "2026-01-01T00:00:00Z".to_owned(),
            partway: "0.1.0".to_owned(),
            data_format: "partway data directory, format 1\n".to_owned(),
            sealed_with: None,
            with_blobs: true,
            blob_count: 1,
            blob_bytes: 2,
            files: vec![Entry { path: path.to_owned(), size: 3, sha256: "00".to_owned() }],
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_no_bit_of_it_can_change() {
        let text = manifest("index/CURRENT").to_text();
        assert_eq!(Manifest::parse(&text), Ok(manifest("index/CURRENT")));
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert!(Manifest::parse(&String::from_utf8(bytes).unwrap()).is_err(), "byte {at}");
            assert!(Manifest::parse(&text[..at]).is_err(), "cut to {at} bytes");
        }
    }

    #[test]
    fn a_manifest_names_no_file_outside_of_its_snapshot() {
        for path in ["", "/etc/passwd", "../root-key", "index/../../x", "./x"] {
            assert!(Manifest::parse(&manifest(path).to_text()).is_err(), "{path}");
        }
    }
}
