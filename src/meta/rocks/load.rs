//! Taking in many rows at once, as sorted files beside the log and the write buffers: how measurements come to an index of
//! tens of millions of objects within minutes.

use super::{
    RocksSettings,
    store::{Store, engine_error},
};
use crate::meta::KvError;
use bytes::Bytes;
use rocksdb::{DBRecoveryMode, IngestExternalFileOptions, SstFileWriter};
use std::{fs, iter::Peekable, path::PathBuf};

/// Size at which a file ends and the next one begins, as compaction has them. Bytes.
const FILE_BYTES: u64 = 64 << 20;

impl Store {
    /// Takes in rows of one table, which come in ascending order and of which there is none yet; tells how many there were.
    pub(super) fn load(&self, settings: &RocksSettings, rows: impl IntoIterator<Item = (Vec<u8>, Bytes)>) -> Result<u64, KvError> {
        let mut rows = rows.into_iter().peekable();
        let Some((first, _)) = rows.peek() else { return Ok(0) };
        let first = first.clone();
        let mut files = Vec::new();
        let loaded = self.write_files(settings, &first, &mut rows, &mut files).and_then(|count| {
            let mut ingest = IngestExternalFileOptions::default();
            ingest.set_move_files(true);
            self.take_in(&first, &files, &ingest).map(|()| count)
        });
        // What was taken in has another name by now.
        files.iter().filter(|file| file.exists()).for_each(|file| drop(fs::remove_file(file)));
        loaded
    }

    fn write_files(
        &self,
        settings: &RocksSettings,
        first: &[u8],
        rows: &mut Peekable<impl Iterator<Item = (Vec<u8>, Bytes)>>,
        files: &mut Vec<PathBuf>,
    ) -> Result<u64, KvError> {
        let options = settings.setup(DBRecoveryMode::AbsoluteConsistency).of(first);
        let mut count = 0_u64;
        while rows.peek().is_some() {
            let file = self.path().join(format!("load-{}.sst", files.len()));
            let mut writer = SstFileWriter::create(&options);
            writer.open(&file).map_err(|error| engine_error(&error))?;
            files.push(file);
            // The size of a file is asked for now and then: it changes with every block and not with every row.
            for (key, value) in rows.by_ref() {
                writer.put(key, value).map_err(|error| engine_error(&error))?;
                count += 1;
                if count.is_multiple_of(1_024) && writer.file_size() >= FILE_BYTES {
                    break;
                }
            }
            writer.finish().map_err(|error| engine_error(&error))?;
        }
        Ok(count)
    }
}
