//! The quarantine: files that were moved out of the store, and a manifest that says of each when and why.
//!
//! ```text
//! root/quarantine/<hex id>         a blob file as it was
//! root/quarantine/manifest.jsonl   an object of JSON per line: what was moved, and index rows that were taken out
//! ```
//!
//! - An entry of the manifest is durable before what it tells of happens. After a crash it may tell of something that
//!   happens only when the repair is repeated, and that adds another entry.
//! - A file has its name in the quarantine, durably, before it loses the one in `data`.

use super::{
    directory::{Directory, create_directory},
    health::io_error,
};
use crate::{blob::BlobError, blob::BlobId, model::Timestamp};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
};

const DIRECTORY: &str = "quarantine";
const MANIFEST: &str = "manifest.jsonl";

impl Directory {
    /// Moves a blob file into the quarantine; `false` when there is none.
    pub(super) fn quarantine(&self, blob: BlobId, when: Timestamp, why: &str) -> Result<bool, BlobError> {
        let failed = |error: io::Error| io_error("moving a blob file into the quarantine", &error);
        let path = self.data_path(blob);
        let size = match fs::metadata(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            found => found.map_err(failed)?.len(),
        };
        let from = path.strip_prefix(&self.root).unwrap_or(&path).display().to_string();
        let blob_name = blob.to_string();
        let entry = json!({ "when_ms": when.millis(), "what": "file", "blob": blob_name, "from": from, "size": size, "why": why });
        self.note_in_quarantine(&entry)?;
        let quarantine = self.open_quarantine()?;
        match fs::hard_link(&path, quarantine.join(blob_name)) {
            // An earlier attempt came that far; ids are not used twice.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            linked => linked.map_err(failed)?,
        }
        self.sync_directory(&quarantine)?;
        self.remove(&[blob])?;
        Ok(true)
    }

    /// Adds a line to the manifest, durably.
    pub(super) fn note_in_quarantine(&self, entry: &Value) -> Result<(), BlobError> {
        let failed = |error: io::Error| io_error("writing the quarantine's manifest", &error);
        let quarantine = self.open_quarantine()?;
        let path = quarantine.join(MANIFEST);
        let is_new = !path.try_exists().map_err(failed)?;
        let mut manifest = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(failed)?;
        append_line(&mut manifest, &entry.to_string()).map_err(failed)?;
        self.sync_file(&manifest)?;
        if is_new { self.sync_directory(&quarantine) } else { Ok(()) }
    }

    /// The quarantine's directory, made at its first use.
    fn open_quarantine(&self) -> Result<PathBuf, BlobError> {
        self.health.check()?;
        let quarantine = self.root.join(DIRECTORY);
        if !quarantine.try_exists().unwrap_or(false) {
            create_directory(&*self.disk, &quarantine).map_err(|error| io_error("making the quarantine", &error))?;
        }
        // Whoever made it may not have lived to sync it.
        self.sync_directory(&self.root)?;
        Ok(quarantine)
    }
}

/// Adds a line at the end of a file, and before it the end of a line that a crash tore.
fn append_line(file: &mut File, line: &str) -> io::Result<()> {
    let mut text = Vec::with_capacity(line.len() + 2);
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        let mut last = [0];
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            text.push(b'\n');
        }
    }
    text.extend_from_slice(line.as_bytes());
    text.push(b'\n');
    file.write_all(&text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        blob::{BlobStore as _, LocalBlobs, LocalSettings},
        testkit::blob_suite::{bytes, id, write},
    };
    use tempfile::TempDir;

    fn manifest(root: &TempDir) -> Vec<String> {
        let text = fs::read_to_string(root.path().join("quarantine/manifest.jsonl")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_blob_moves_with_its_bytes_and_a_line_that_says_why() {
        let root = TempDir::new().unwrap();
        let store = LocalBlobs::open(root.path(), LocalSettings::default()).unwrap();
        let content = bytes(1, 200_000);
        write(&store, id(1), &content, 100_000).await.unwrap();
        write(&store, id(2), &content, 100_000).await.unwrap();
        let now = Timestamp::from_millis(5);
        assert_eq!(store.quarantine(id(1), now, "nobody's").await, Ok(true));
        assert_eq!(store.verify(id(1)).await, Err(BlobError::Missing(id(1))));
        assert_eq!(store.scan(None, 10).await, Ok(vec![id(2)]));
        let moved = fs::read(root.path().join("quarantine").join(id(1).to_string())).unwrap();
        assert!(moved.starts_with(&content), "the bytes are there");
        assert_eq!(store.quarantine(id(1), now, "nobody's").await, Ok(false), "it is done");
        let lines = manifest(&root);
        let entry: Value = serde_json::from_str(&lines[0]).unwrap();
        let name = id(1).to_string();
        let from = format!("data/{}/{}/{name}", &name[28..30], &name[30..]);
        let expected = json!({ "when_ms": 5, "what": "file", "blob": name, "from": from, "size": moved.len(), "why": "nobody's" });
        assert_eq!((lines.len(), entry), (1, expected));
    }

    #[tokio::test]
    async fn what_a_crash_left_half_done_is_finished() {
        let root = TempDir::new().unwrap();
        let store = LocalBlobs::open(root.path(), LocalSettings::default()).unwrap();
        write(&store, id(1), &bytes(1, 100), 100).await.unwrap();
        let name = id(1).to_string();
        fs::create_dir(root.path().join("quarantine")).unwrap();
        fs::hard_link(
            root.path().join("data").join(&name[28..30]).join(&name[30..]).join(&name),
            root.path().join("quarantine").join(&name),
        )
        .unwrap();
        fs::write(root.path().join("quarantine/manifest.jsonl"), "{\"torn").unwrap();
        assert_eq!(store.quarantine(id(1), Timestamp::from_millis(5), "again").await, Ok(true));
        let lines = manifest(&root);
        assert_eq!((lines.len(), lines[0].as_str()), (2, "{\"torn"));
        assert!(serde_json::from_str::<Value>(&lines[1]).is_ok(), "{lines:?}");
        assert_eq!(store.scan(None, 10).await, Ok(vec![]));
    }
}
