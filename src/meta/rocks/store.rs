//! The database: which table lives in which column family, reads with a stated reach, batched writes.

use super::{
    RocksSettings,
    damage::Findings,
    hot::{self, HotRows, Known},
    settings::Setup,
};
use crate::{
    meta::{KvError, Leap, keys, next_wanted},
    telemetry::{self, Metric},
};
use bytes::Bytes;
use rocksdb::{
    BottommostLevelCompaction, ColumnFamily, ColumnFamilyDescriptor, CompactOptions, DB, DBRawIteratorWithThreadMode, DBRecoveryMode,
    Error, ErrorKind, IngestExternalFileOptions, ReadOptions, ReadTier, WriteBatch, WriteOptions, checkpoint::Checkpoint,
};
use std::{
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

/// The column family of every table but the inline data.
const RECORDS: &str = "default";

/// The column family of the inline data, whose values live in RocksDB's blob files.
const INLINE_DATA: &str = "inline-data";

/// A read of memory only gives up after stepping over so many removed rows: they cost time too.
const REMOVED_IN_MEMORY_MAX: u64 = 1000;

/// Rows that are stepped over before a leap seeks, which costs some ten steps.
const STEPS_BEFORE_SEEK: usize = 8;

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// What is in memory, so without blocking.
    Memory,
    /// To the disk.
    Disk,
}

/// Why a read brought nothing.
#[derive(Debug)]
pub(super) enum ReadError {
    /// It would have had to go to the disk.
    NotInMemory,
    /// The engine failed.
    Failed(KvError),
}

impl From<Error> for ReadError {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Incomplete => Self::NotInMemory,
            _ => Self::Failed(engine_error(&error)),
        }
    }
}

pub(super) fn engine_error(error: &Error) -> KvError {
    if error.kind() == ErrorKind::Corruption {
        telemetry::counter(Metric::CorruptIndexReads, &[]).increment(1);
    }
    KvError::Engine(error.to_string())
}

/// What a write that failed means. A full disk is no reason to distrust what was written before: RocksDB takes writes again
/// on its own when there is room. A sync that failed is one, also for lack of room.
fn write_error(error: &Error) -> KvError {
    let text = error.to_string();
    let is_sync = ["While fdatasync", "While fsync", "While sync", "While fcntl"].iter().any(|step| text.contains(step));
    let is_full = error.kind() == ErrorKind::IOError && text.starts_with("IO error: No space left on device");
    if is_full && !is_sync { KvError::NoSpace } else { engine_error(error) }
}

pub(super) struct Store {
    db: DB,
    write_options: WriteOptions,
    /// What reads of single rows are made with: making them anew costs as much as a good part of such a read.
    memory: ReadOptions,
    disk: ReadOptions,
    /// Who writes says which of these he changes.
    pub(super) hot: HotRows,
}

impl Store {
    pub(super) fn open(path: &Path, settings: &RocksSettings) -> Result<Self, KvError> {
        create_directory(path).map_err(|error| KvError::Engine(format!("cannot create {}: {error}", path.display())))?;
        // Most ends were orderly, or cut nothing short. One that did leaves a log that is not whole, and which commits it has
        // lost decides whether it may be used.
        let db = match Self::open_db(path, settings, DBRecoveryMode::AbsoluteConsistency) {
            Err(error) if error.kind() == ErrorKind::Corruption => {
                tracing::info!(%error, "the index's log is not whole");
                Self::open_torn(path, settings)?
            }
            opened => opened.map_err(|error| engine_error(&error))?,
        };
        Ok(Self::of(db, settings))
    }

    /// Opens a database whose log is not whole, unless commits that were acknowledged would be missing.
    fn open_torn(path: &Path, settings: &RocksSettings) -> Result<DB, KvError> {
        let findings = Findings::read(path)?;
        if let Some(refusal) = findings.refusal()
            && settings.sync_writes
            && !settings.drop_after_damage
            && Self::next_number(path, settings, DBRecoveryMode::PointInTime) < findings.next
        {
            return Err(refusal);
        }
        match Self::open_db(path, settings, DBRecoveryMode::PointInTime) {
            // One family was moved to sorted files after the damage, and the engine takes that for a loss. Where the last batch
            // that is whole is the last that any file knows, only what was never applied is missing, and may be skipped.
            Err(error)
                if error.kind() == ErrorKind::Corruption
                    && findings.refusal().is_none()
                    && findings.next.is_some()
                    && Self::next_number(path, settings, DBRecoveryMode::SkipAnyCorruptedRecord) == findings.next =>
            {
                Self::open_db(path, settings, DBRecoveryMode::SkipAnyCorruptedRecord)
            }
            opened => opened,
        }
        .map_err(|error| engine_error(&error))
    }

    /// The number that the next change would get if the database were opened in this way, which it is not; `None` when it
    /// could not be.
    fn next_number(path: &Path, settings: &RocksSettings, recovery: DBRecoveryMode) -> Option<u64> {
        let db = Self::open_db_unwritable(path, settings, recovery).ok()?;
        db.latest_sequence_number().checked_add(1)
    }

    fn open_db(path: &Path, settings: &RocksSettings, recovery: DBRecoveryMode) -> Result<DB, Error> {
        let Setup { database, records, inline_data } = settings.setup(recovery);
        let families = [ColumnFamilyDescriptor::new(RECORDS, records), ColumnFamilyDescriptor::new(INLINE_DATA, inline_data)];
        DB::open_cf_descriptors(&database, path, families)
    }

    /// A store that opens but takes no writes.
    pub(super) fn open_unwritable(path: &Path, settings: &RocksSettings) -> Result<Self, KvError> {
        let db = Self::open_db_unwritable(path, settings, DBRecoveryMode::PointInTime).map_err(|error| engine_error(&error))?;
        Ok(Self::of(db, settings))
    }

    fn open_db_unwritable(path: &Path, settings: &RocksSettings, recovery: DBRecoveryMode) -> Result<DB, Error> {
        let Setup { database, records, inline_data } = settings.setup(recovery);
        let families = [ColumnFamilyDescriptor::new(RECORDS, records), ColumnFamilyDescriptor::new(INLINE_DATA, inline_data)];
        DB::open_cf_descriptors_read_only(&database, path, families, false)
    }

    /// Writes a database to a path where nothing is that holds what this one holds at a moment during the call.
    pub(super) fn checkpoint(&self, path: &Path) -> Result<(), KvError> {
        let checkpoint = Checkpoint::new(&self.db).map_err(|error| engine_error(&error))?;
        checkpoint.create_checkpoint(path).map_err(|error| engine_error(&error))
    }

    /// Rewrites the files that hold rows of a range, so that nothing of what was there before stays in them or in the log.
    pub(super) fn rewrite(&self, range: &Range<Vec<u8>>) -> Result<(), KvError> {
        let family = self.family(&range.start);
        let mut options = CompactOptions::default();
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.flush()?;
        self.db.compact_range_cf_opt(family, Some(&range.start), Some(&range.end), &options);
        Ok(())
    }

    fn of(db: DB, settings: &RocksSettings) -> Self {
        let mut write_options = WriteOptions::default();
        write_options.set_sync(settings.sync_writes);
        let (memory, disk) = (read_options(Reach::Memory), read_options(Reach::Disk));
        Self { db, write_options, memory, disk, hot: HotRows::default() }
    }

    pub(super) fn get(&self, key: &[u8], reach: Reach) -> Result<Option<Bytes>, ReadError> {
        if !hot::is_hot(key) {
            return self.read(key, reach);
        }
        match self.hot.get(key) {
            Known::Row(value) => Ok(value),
            Known::Nothing(ticket) => {
                let value = self.read(key, reach)?;
                self.hot.learn(ticket, key, value.as_ref());
                Ok(value)
            }
        }
    }

    fn read(&self, key: &[u8], reach: Reach) -> Result<Option<Bytes>, ReadError> {
        let options = match reach {
            Reach::Memory => &self.memory,
            Reach::Disk => &self.disk,
        };
        let value = self.db.get_cf_opt(self.family(key), key, options)?;
        Ok(value.map(Bytes::from))
    }

    /// The first pairs of a range, which must stay within one table, all of one moment.
    pub(super) fn scan(&self, range: Range<Vec<u8>>, count_max: usize, reach: Reach) -> Result<Vec<(Bytes, Bytes)>, ReadError> {
        let mut pairs = Vec::new();
        if range.is_empty() {
            return Ok(pairs);
        }
        let mut rows = self.rows(range, reach);
        while pairs.len() < count_max
            && let Some((key, value)) = rows.item()
        {
            pairs.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            rows.next();
        }
        rows.status()?;
        Ok(pairs)
    }

    /// Adds pairs of a range, which must stay within one table, until there are `count_max`, each beyond where `leap` says of the
    /// one before. The range is left where it did not come to, also when it fails.
    pub(super) fn scan_leaping(
        &self,
        range: &mut Range<Vec<u8>>,
        pairs: &mut Vec<(Bytes, Bytes)>,
        count_max: usize,
        leap: &Leap,
        reach: Reach,
    ) -> Result<(), ReadError> {
        if range.is_empty() {
            return Ok(());
        }
        let mut rows = self.rows(range.clone(), reach);
        while pairs.len() < count_max
            && let Some((key, value)) = rows.item()
        {
            range.start = next_wanted(key, leap);
            pairs.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            rows.next();
            let is_below = |rows: &DBRawIteratorWithThreadMode<'_, DB>| rows.key().is_some_and(|key| key < range.start.as_slice());
            for _ in 0..STEPS_BEFORE_SEEK {
                if !is_below(&rows) {
                    break;
                }
                rows.next();
            }
            if is_below(&rows) {
                rows.seek(&range.start);
            }
        }
        rows.status()?;
        Ok(())
    }

    /// Whether every key of a range, which must stay within one table, is one of those `ignored`.
    pub(super) fn is_empty(&self, range: Range<Vec<u8>>, ignored: impl Fn(&[u8]) -> bool) -> Result<bool, KvError> {
        if range.is_empty() {
            return Ok(true);
        }
        let mut rows = self.rows(range, Reach::Disk);
        while rows.key().is_some_and(&ignored) {
            rows.next();
        }
        let is_empty = !rows.valid();
        rows.status().map_err(|error| engine_error(&error))?;
        Ok(is_empty)
    }

    /// Applies all of a batch, synced as the settings say.
    pub(super) fn write(&self, batch: WriteBatch) -> Result<(), KvError> {
        self.db.write_opt(batch, &self.write_options).map_err(|error| write_error(&error))
    }

    /// Writes something that changes nothing, so that the engine sets room aside for its new log now: on a disk that others
    /// fill, deletes need it. Without room it does so with the first write that finds some.
    pub(super) fn begin_log(&self) -> Result<(), KvError> {
        let mut nothing = WriteBatch::default();
        nothing.put_log_data(b"begun");
        match self.write(nothing) {
            Err(KvError::NoSpace) | Ok(()) => Ok(()),
            Err(other) => Err(other),
        }
    }

    /// Adds to a batch that a key gets a value, or none.
    pub(super) fn add(&self, batch: &mut WriteBatch, key: &[u8], value: Option<&Bytes>) {
        match value {
            Some(value) => batch.put_cf(self.family(key), key, value),
            None => batch.delete_cf(self.family(key), key),
        }
    }

    /// Syncs the log, whatever the settings say, and moves all rows to sorted files, so that the next start is quick.
    pub(super) fn flush(&self) -> Result<(), KvError> {
        self.db.flush_wal(true).map_err(|error| engine_error(&error))?;
        for name in [RECORDS, INLINE_DATA] {
            self.db.flush_cf(self.named(name)).map_err(|error| engine_error(&error))?;
        }
        Ok(())
    }

    /// Takes in files of rows that were written beside the database, in its own directory.
    pub(super) fn take_in(&self, first: &[u8], files: &[PathBuf], options: &IngestExternalFileOptions) -> Result<(), KvError> {
        self.db.ingest_external_file_cf_opts(self.family(first), options, files.to_vec()).map_err(|error| engine_error(&error))
    }

    /// Where the database is.
    pub(super) fn path(&self) -> &Path {
        self.db.path()
    }

    fn rows(&self, range: Range<Vec<u8>>, reach: Reach) -> DBRawIteratorWithThreadMode<'_, DB> {
        let family = self.family(&range.start);
        let mut options = read_options(reach);
        options.set_iterate_upper_bound(range.end);
        let mut rows = self.db.raw_iterator_cf_opt(family, options);
        rows.seek(range.start);
        rows
    }

    fn family(&self, key: &[u8]) -> &ColumnFamily {
        self.named(if key.first() == Some(&keys::INLINE_DATA_TABLE) { INLINE_DATA } else { RECORDS })
    }

    fn named(&self, name: &str) -> &ColumnFamily {
        self.db.cf_handle(name).expect("both column families were opened with the database")
    }
}

fn read_options(reach: Reach) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_background_purge_on_iterator_cleanup(true);
    match reach {
        Reach::Memory => {
            options.set_read_tier(ReadTier::BlockCache);
            options.set_max_skippable_internal_keys(REMOVED_IN_MEMORY_MAX);
        }
        Reach::Disk => {}
    }
    options
}

/// Creates a directory and syncs those above it that gained an entry: RocksDB syncs what is inside its
/// directory, but not the entry that leads there.
fn create_directory(path: &Path) -> io::Result<()> {
    let absolute = std::path::absolute(path)?;
    let missing: Vec<_> = absolute.ancestors().take_while(|directory| !directory.exists()).collect();
    fs::create_dir_all(&absolute)?;
    for parent in missing.iter().filter_map(|directory| directory.parent()) {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::rocks::tests::files_after_a_kill;

    fn batch(store: &Store, number: u8) {
        let mut batch = WriteBatch::default();
        store.add(&mut batch, &[b'O', number], Some(&vec![number; 100].into()));
        store.add(&mut batch, &[keys::INLINE_DATA_TABLE, number], Some(&vec![number; 5_000].into()));
        store.write(batch).unwrap();
    }

    fn settings() -> RocksSettings {
        RocksSettings::default()
    }

    fn logs(index: &Path) -> Vec<PathBuf> {
        let mut logs: Vec<_> = fs::read_dir(index).unwrap().map(|file| file.unwrap().path()).collect();
        logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.sort();
        logs
    }

    fn assert_batches(index: &Path, count: u8) {
        for _ in 0..2 {
            let store = Store::open(index, &settings()).unwrap();
            for number in 0..count {
                assert_eq!(store.get(&[b'O', number], Reach::Disk).unwrap(), Some(vec![number; 100].into()), "{number}");
                let inline = store.get(&[keys::INLINE_DATA_TABLE, number], Reach::Disk).unwrap();
                assert_eq!(inline, Some(vec![number; 5_000].into()), "{number}");
            }
            batch(&store, count);
        }
    }

    /// What a full disk leaves when one family could be moved to a sorted file and the other could not: the batch that did not
    /// fit, in part, in a log that the second family still needs and the first one does not.
    #[test]
    fn a_torn_batch_that_one_family_is_beyond_keeps_nobody_out() {
        let directory = tempfile::tempdir().unwrap();
        let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
        let store = Store::open(&original, &settings()).unwrap();
        (0..3).for_each(|number| batch(&store, number));
        store.db.flush_cf(store.named(RECORDS)).unwrap();
        files_after_a_kill(&original, &copy);
        drop(store);
        let log = logs(&copy).into_iter().find(|log| fs::metadata(log).unwrap().len() > 0).unwrap();
        let mut bytes = fs::read(&log).unwrap();
        bytes.extend_from_within(..2_000);
        fs::write(&log, bytes).unwrap();
        assert_batches(&copy, 3);
    }

    /// The same, but what is damaged had been applied: to the family that was moved, which says so, and not to the other one.
    #[test]
    fn rot_that_one_family_is_beyond_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
        let store = Store::open(&original, &settings()).unwrap();
        (0..3).for_each(|number| batch(&store, number));
        store.db.flush_cf(store.named(RECORDS)).unwrap();
        files_after_a_kill(&original, &copy);
        drop(store);
        let log = logs(&copy).into_iter().find(|log| fs::metadata(log).unwrap().len() > 0).unwrap();
        let bytes = fs::read(&log).unwrap();
        let (second, last) = (bytes.len() / 3, bytes.len() / 3 * 2);
        // In what it holds, and in its length, which hides that others follow.
        for at in [second + 500, second + 5, last + 500, last + 5] {
            let mut rotten = bytes.clone();
            rotten[at] ^= 0x40;
            fs::write(&log, rotten).unwrap();
            assert!(Store::open(&copy, &settings()).is_err(), "byte {at}");
        }
    }

    /// Its name came back with a second power cut, as removing it had not been synced.
    #[test]
    fn a_torn_log_that_nobody_needs_any_more_keeps_nobody_out() {
        let directory = tempfile::tempdir().unwrap();
        let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
        batch(&Store::open(&original, &settings()).unwrap(), 0);
        let first = fs::read(logs(&original).pop().unwrap()).unwrap();
        let store = Store::open(&original, &settings()).unwrap();
        (1..4).for_each(|number| batch(&store, number));
        files_after_a_kill(&original, &copy);
        drop(store);
        let log = logs(&copy).pop().unwrap();
        let bytes = fs::read(&log).unwrap();
        fs::write(copy.join("000001.log"), &first[..1_000]).unwrap();
        fs::write(&log, &bytes[..bytes.len() - 10]).unwrap();
        assert_batches(&copy, 3);
    }
}
