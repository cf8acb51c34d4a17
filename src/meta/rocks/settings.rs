//! How RocksDB is set up: durable, with bounded memory, files and log.

use crate::meta::keys;
use rocksdb::{BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options, WriteBufferManager};

/// How RocksDB is set up. With the defaults it takes some 60 MiB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RocksSettings {
    /// Whether a commit returns only after its log is synced. Without it a power cut may take the last
    /// commits along, in order; a crash of the process alone takes none.
    pub sync_writes: bool,
    /// Whether to open a log that is damaged before commits that were synced, without them and all that came after.
    pub drop_after_damage: bool,
    /// Memory for blocks, indexes, filters and inline data read from disk, and for rows not yet in sorted files: all the index's
    /// memory that could grow with what it holds. Bytes.
    pub block_cache_bytes: usize,
    /// How much of it rows may take that are not yet in sorted files, all tables together; half of it at most. Bytes.
    pub write_buffer_bytes: usize,
    /// Sorted files held open at once.
    pub open_files_max: u16,
    /// Size of the write-ahead log beyond which the oldest rows are moved to sorted files: what a start after a crash has
    /// to read, at some 200 MiB a second. Bytes.
    pub log_bytes_max: u64,
    /// Threads for flushing and compacting.
    pub background_jobs_max: u8,
}

impl Default for RocksSettings {
    fn default() -> Self {
        Self {
            sync_writes: true,
            drop_after_damage: false,
            block_cache_bytes: 48 << 20,
            write_buffer_bytes: 16 << 20,
            open_files_max: 512,
            log_bytes_max: 64 << 20,
            background_jobs_max: 2,
        }
    }
}

/// Values of the inline data table at least this long are kept apart from their keys. Bytes.
const BLOB_SIZE_MIN: u64 = 512;

/// Rows are read and cached in blocks of this size, and the pieces of indexes and filters are of that one. Bytes.
const BLOCK_BYTES: usize = 8 << 10;
const METADATA_BLOCK_BYTES: usize = 4 << 10;

/// A run of so many rows with so many removed ones among them is worth compacting: the to-do list is a
/// queue, and without this every look at its head would step over all lines ever done.
const REMOVED_WINDOW: (usize, usize) = (4096, 1024);

/// The options of the database and of its two column families.
pub(super) struct Setup {
    pub(super) database: Options,
    pub(super) records: Options,
    pub(super) inline_data: Options,
}

impl Setup {
    /// The options of the family that a row is in.
    pub(super) fn of(self, row: &[u8]) -> Options {
        if row.first() == Some(&keys::INLINE_DATA_TABLE) { self.inline_data } else { self.records }
    }
}

impl RocksSettings {
    pub(super) fn setup(&self, recovery: DBRecoveryMode) -> Setup {
        let cache = Cache::new_lru_cache(self.block_cache_bytes);
        let mut inline_data = self.family(&cache);
        inline_data.set_enable_blob_files(true);
        inline_data.set_min_blob_size(BLOB_SIZE_MIN);
        inline_data.set_blob_compression_type(DBCompressionType::Lz4);
        inline_data.set_enable_blob_gc(true);
        inline_data.set_blob_gc_force_threshold(0.5);
        inline_data.set_blob_cache(&cache);
        let mut database = self.database(&cache);
        database.set_wal_recovery_mode(recovery);
        Setup { database, records: self.family(&cache), inline_data }
    }

    /// Memory for rows not yet in sorted files.
    fn write_buffer_bytes(&self) -> usize {
        self.write_buffer_bytes.min(self.block_cache_bytes / 2)
    }

    fn database(&self, cache: &Cache) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        // A log that was synced and is gone or shorter now is refused rather than overlooked.
        options.set_track_and_verify_wals_in_manifest(true);
        // Charged to the cache, which makes room: one bound holds for both. Writers wait for nothing.
        options.set_write_buffer_manager(&WriteBufferManager::new_write_buffer_manager_with_cache(
            self.write_buffer_bytes(),
            false,
            cache.clone(),
        ));
        // A start asks no file for its statistics, however many there are.
        options.set_skip_stats_update_on_db_open(true);
        options.set_max_total_wal_size(self.log_bytes_max);
        options.set_max_open_files(i32::from(self.open_files_max));
        options.set_max_background_jobs(i32::from(self.background_jobs_max.max(2)));
        options.set_bytes_per_sync(1 << 20);
        options.set_max_manifest_file_size(64 << 20);
        options.set_avoid_unnecessary_blocking_io(true);
        // RocksDB's own log: warnings, a few small files of them, no periodic statistics.
        options.set_log_level(LogLevel::Warn);
        options.set_max_log_file_size(4 << 20);
        options.set_keep_log_file_num(4);
        options.set_stats_dump_period_sec(0);
        options
    }

    fn family(&self, cache: &Cache) -> Options {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(cache);
        table.set_block_size(BLOCK_BYTES);
        table.set_bloom_filter(10.0, false);
        table.set_optimize_filters_for_memory(true);
        // Indexes and filters count against the cache, so that memory stays bounded as the data grows. They come in pieces of
        // a few KiB below a small top that stays: in one piece, those of a large file take a good part of the cache (ADR 0017).
        table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        table.set_partition_filters(true);
        table.set_metadata_block_size(METADATA_BLOCK_BYTES);
        table.set_cache_index_and_filter_blocks(true);
        table.set_cache_index_and_filter_blocks_with_high_priority(true);
        table.set_pin_top_level_index_and_filter(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);

        let mut options = Options::default();
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(self.write_buffer_bytes() / 2);
        options.set_max_write_buffer_number(3);
        options.add_compact_on_deletion_collector_factory(REMOVED_WINDOW.0, REMOVED_WINDOW.1, 0.5);
        options
    }
}
