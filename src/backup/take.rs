//! Taking a backup: the index first, then the blobs that it refers to.
//!
//! The reaper is held back from before the snapshot until the last blob is copied. All work is done on one blocking
//! thread and a few copying ones; when whoever asked goes away, it ends after the piece it has in hand, and with it the hold.
//!
//! A backup on a disk of the data directory never takes what is kept free there, without which nothing could be deleted.

use super::{
    BackupError, blob_list, crew, files, io_error,
    manifest::{BLOBS, Entry, INDEX, Manifest},
    needed,
    place::{Place, Pruned},
    watch::Watch,
};
use crate::{
    blob::{BlobError, BlobFiles, Copying},
    datadir::DataDir,
    meta::{RocksKv, RocksSettings},
    model::Timestamp,
    ops::Gateway,
    space::Room,
};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use time::{OffsetDateTime, macros::format_description};
use tokio::runtime::Handle;

/// Memory for reading the snapshot's rows. Bytes.
const CACHE_BYTES: usize = 8 << 20;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The directory of backups; absolute.
    pub to: PathBuf,
    /// So many snapshots stay there, this one included; at least one.
    pub keep: usize,
    /// Blobs get a second name instead of being copied.
    pub link: bool,
    /// No blobs are copied: something else does that.
    pub index_only: bool,
    /// After so many seconds it is given up, so that the reaper goes on.
    pub time_max_secs: u64,
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The snapshot's name.
    pub snapshot: String,
    /// Bytes of its index and small files.
    pub index_bytes: u64,
    /// Blobs that it refers to, and their bytes.
    pub blobs: u64,
    /// See `blobs`.
    pub blob_bytes: u64,
    /// Blobs of those that were copied now, and their bytes; the others were there already.
    pub copied: u64,
    /// See `copied`.
    pub copied_bytes: u64,
    /// Older snapshots that were removed.
    pub removed_snapshots: u64,
    /// Blobs that were removed, because no snapshot there refers to them any more.
    pub removed_blobs: u64,
}

/// Takes a backup of a data directory that this process has open. Ends early when it is dropped, which leaves no snapshot.
///
/// # Errors
/// See [`BackupError`]. A blob that is missing or damaged is an error: a backup without it would not be one.
pub async fn take(gateway: &Gateway, index: Arc<RocksKv>, data: &DataDirPlaces, order: Order) -> Result<Report, BackupError> {
    let deadline = Instant::now().checked_add(Duration::from_secs(order.time_max_secs));
    let (watch, _asker) = Watch::new(deadline);
    let data = data.clone();
    let (place, data, order) = blocking(move || Ok((prepared(&order, &data)?, data, order))).await?;
    let hold = gateway.hold_reaper().await;
    let (runtime, now, room) = (Handle::current(), gateway.now(), gateway.room());
    blocking(move || {
        let _hold = hold;
        Taking { place, index: &index, data: &data, order: &order, watch, runtime, room }.run(now)
    })
    .await
    .inspect(|report| tracing::info!(snapshot = report.snapshot, blobs = report.blobs, copied = report.copied, "a backup is complete"))
}

/// Does work on a thread that may block. It runs on to its end when nobody waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, BackupError> + Send + 'static) -> Result<T, BackupError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(BackupError::Ended("it has failed")))
}

/// Where a data directory's things are, for who holds it elsewhere.
#[derive(Clone, Debug)]
pub struct DataDirPlaces {
    root: PathBuf,
    blobs: PathBuf,
    small_files: Vec<PathBuf>,
    format: &'static str,
    sealed_with: Option<String>,
}

impl DataDirPlaces {
    /// Those of a directory that this process holds.
    #[must_use]
    pub fn of(data: &DataDir, sealed_with: Option<String>) -> Self {
        Self {
            root: data.path().to_owned(),
            blobs: data.blobs(),
            small_files: DataDir::SMALL_FILES.iter().map(|name| data.path().join(name)).collect(),
            format: DataDir::FORMAT_STAMP,
            sealed_with,
        }
    }
}

/// Makes nothing in the data directory: the path is looked at as far as it exists before it is made.
fn prepared(order: &Order, data: &DataDirPlaces) -> Result<Place, BackupError> {
    let there = order.to.ancestors().find_map(|path| path.canonicalize().ok()).unwrap_or_default();
    let refused = || BackupError::Refused(format!("{} and the data directory are within each other", order.to.display()));
    if !order.to.is_absolute() {
        return Err(BackupError::Refused(format!("{} is not an absolute path", order.to.display())));
    }
    if there.starts_with(&data.root) {
        return Err(refused());
    }
    let place = Place::open_or_create(&order.to)?;
    if data.root.starts_with(place.path()) { Err(refused()) } else { Ok(place) }
}

/// A backup under way.
struct Taking<'a> {
    place: Place,
    index: &'a RocksKv,
    data: &'a DataDirPlaces,
    order: &'a Order,
    watch: Watch,
    runtime: Handle,
    room: Room,
}

/// What copying came to.
#[derive(Clone, Copy, Default)]
struct Copied {
    blobs: u64,
    bytes: u64,
}

impl Taking<'_> {
    fn run(self, now: Timestamp) -> Result<Report, BackupError> {
        let name = snapshot_name(now);
        let snapshot = self.place.begin(&name)?;
        let taken = self.fill(&snapshot, &name, now);
        if taken.is_err() {
            // Should it stay, the next backup removes it.
            let _ = files::remove_tree(&snapshot);
        }
        if matches!(taken, Err(BackupError::NoRoom(_))) && !self.order.index_only {
            // What was copied would speed the next one up, but others need the room now.
            let (watch, _asker) = Watch::new(None);
            let pruned = self.place.blobs().prepare().map_err(BackupError::from).and_then(|()| self.place.prune(usize::MAX, true, &watch));
            if let Err(error) = pruned {
                tracing::warn!(%error, "what a backup without room has copied stays");
            }
        }
        taken
    }

    /// Refuses what would take the room that the data directory needs.
    fn find_room(&self, size: u64) -> Result<(), BackupError> {
        if self.room.admit(self.place.path(), size) { Ok(()) } else { Err(BackupError::NoRoom(self.place.path().to_owned())) }
    }

    fn fill(&self, snapshot: &Path, name: &str, now: Timestamp) -> Result<Report, BackupError> {
        self.find_room(0)?;
        let index = snapshot.join(INDEX);
        self.index.checkpoint(&index)?;
        let mut entries = self.small_files(snapshot)?;
        let mut list = blob_list::Writer::create(&snapshot.join(BLOBS))?;
        self.read_index(&index, &mut list)?;
        let (blobs, blob_bytes) = list.finish()?;
        let copied = if self.order.index_only { Copied::default() } else { self.copy_blobs(&snapshot.join(BLOBS))? };

        let mut add = |path: String| -> Result<(), BackupError> {
            let (size, sha256) = files::sum_and_sync(&snapshot.join(&path), &self.watch)?;
            entries.push(Entry { path, size, sha256 });
            Ok(())
        };
        add(BLOBS.to_owned())?;
        index_files(&index)?.into_iter().try_for_each(|file| add(format!("{INDEX}/{file}")))?;
        let index_bytes = entries.iter().map(|entry| entry.size).sum();
        let manifest = Manifest {
            taken: spelled(now),
            partway: env!("CARGO_PKG_VERSION").to_owned(),
            data_format: self.data.format.to_owned(),
            sealed_with: self.data.sealed_with.clone(),
            with_blobs: !self.order.index_only,
            blob_count: blobs,
            blob_bytes,
            files: entries,
        };
        manifest.write(snapshot)?;
        files::sync_directory(&index)?;
        files::sync_directory(snapshot)?;
        self.watch.go_on()?;
        self.place.finish(name)?;

        let pruned = self.place.prune(self.order.keep, !self.order.index_only, &self.watch);
        let Pruned { snapshots: removed_snapshots, blobs: removed_blobs } = pruned.map_err(|error| {
            BackupError::Refused(format!("snapshot {name} is complete, but what is no longer needed could not be removed: {error}"))
        })?;
        let Copied { blobs: copied, bytes: copied_bytes } = copied;
        let snapshot = name.to_owned();
        Ok(Report { snapshot, index_bytes, blobs, blob_bytes, copied, copied_bytes, removed_snapshots, removed_blobs })
    }

    /// Copies the small files that there are.
    fn small_files(&self, snapshot: &Path) -> Result<Vec<Entry>, BackupError> {
        let mut entries = Vec::new();
        for source in self.data.small_files.iter().filter(|file| file.exists()) {
            let path = source.file_name().and_then(|name| name.to_str()).expect("their names are ours").to_owned();
            let (size, sha256) = files::copy(source, &snapshot.join(&path), &self.watch)?;
            entries.push(Entry { path, size, sha256 });
        }
        Ok(entries)
    }

    /// Lists the blobs that the snapshot needs.
    fn read_index(&self, index: &Path, list: &mut blob_list::Writer) -> Result<(), BackupError> {
        let settings = RocksSettings { block_cache_bytes: CACHE_BYTES, ..RocksSettings::default() };
        let opened = RocksKv::open_read_only(index, settings)?;
        self.runtime.block_on(needed::list(&opened, list, &self.watch))
    }

    /// Copies the listed blobs that are not there yet, and makes the names of all durable.
    fn copy_blobs(&self, list: &Path) -> Result<Copied, BackupError> {
        let (source, target) = (BlobFiles::at(&self.data.blobs), self.place.blobs());
        target.prepare()?;
        let (blobs, bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let how = if self.order.link { Copying::Link } else { Copying::Bytes };
        crew::for_each(blob_list::Reader::open(list)?, &self.watch, |blob, size| {
            if target.size(blob).is_ok_and(|there| there == size) {
                return Ok(());
            }
            if how == Copying::Bytes {
                self.find_room(size)?;
            }
            // Others write meanwhile, and what was let in is not set aside.
            let go_on = || self.watch.go_on_with_blob().and_then(|()| self.find_room(0).map_err(|_| BlobError::NoSpace));
            source.copy(blob, size, &target, how, &go_on).map_err(|error| self.explain(error))?;
            blobs.fetch_add(1, Ordering::Relaxed);
            bytes.fetch_add(size, Ordering::Relaxed);
            Ok(())
        })?;
        target.sync_names()?;
        files::sync_directory(self.place.path())?;
        Ok(Copied { blobs: blobs.into_inner(), bytes: bytes.into_inner() })
    }

    fn explain(&self, error: BlobError) -> BackupError {
        match error {
            BlobError::Missing(_) | BlobError::Corrupt(..) => {
                BackupError::Refused(format!("{error}; the data directory is damaged, and `partway verify` tells what is concerned"))
            }
            BlobError::NoSpace if self.room.is_watched(self.place.path()) => BackupError::NoRoom(self.place.path().to_owned()),
            BlobError::NoSpace | BlobError::ReadOnly | BlobError::Io(_) => self.watch.explain(error),
        }
    }
}

/// The files of an index, without RocksDB's own log, which reading it has begun.
fn index_files(index: &Path) -> Result<Vec<String>, BackupError> {
    let mut names = Vec::new();
    for entry in index.read_dir().map_err(io_error(index))? {
        let entry = entry.map_err(io_error(index))?;
        let name =
            entry.file_name().into_string().map_err(|_| BackupError::Refused("a file of the index has a strange name".to_owned()))?;
        match name == "LOG" || name.starts_with("LOG.") || name == "LOCK" {
            true => fs::remove_file(entry.path()).map_err(io_error(index))?,
            false => names.push(name),
        }
    }
    names.sort();
    Ok(names)
}

/// Names sort by time, and are file names everywhere.
fn snapshot_name(now: Timestamp) -> String {
    let format = format_description!("[year][month][day]T[hour][minute][second].[subsecond digits:3]Z");
    moment(now).and_then(|moment| moment.format(format).ok()).unwrap_or_else(|| format!("{:020}", now.millis().max(0)))
}

fn spelled(now: Timestamp) -> String {
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    moment(now).and_then(|moment| moment.format(format).ok()).unwrap_or_else(|| format!("{} ms", now.millis()))
}

fn moment(now: Timestamp) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(now.millis()) * 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_named_after_their_time_and_sort_by_it() {
        let at = |millis| snapshot_name(Timestamp::from_millis(millis));
        assert_eq!(at(1_700_000_000_123), "20231114T221320.123Z");
        assert!(at(1_700_000_000_123) < at(1_700_000_000_124) && at(1_700_000_000_999) < at(1_700_000_001_000));
        assert_eq!(spelled(Timestamp::from_millis(1_700_000_000_123)), "2023-11-14T22:13:20Z");
    }
}
