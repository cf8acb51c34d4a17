//! Whether a log that is not whole has lost commits that were acknowledged.
//!
//! RocksDB can open a log up to its first damage and forget the rest. That is right for what a power cut leaves: the last
//! batch, which nobody was told of, may be there in any part. It is wrong for rot further up, which would silently take
//! along commits that were synced and acknowledged. The log itself tells one from the other:
//!
//! - The committer writes a batch only when the one before it is synced. So damage that a batch follows was done to bytes that
//!   had been on the disk.
//! - Batches are numbered on. One that follows damage with the number that was due has lost nothing: what is damaged was
//!   never applied, as when the disk was full and the engine went on in another file.
//! - Logs that are of no use any more may still be there. When the engine comes to the last batch all the same, nothing is lost
//!   either.
//!
//! Rot in the very last batch looks like a power cut and cannot be told from it, nor can rot in the length of a record when all
//! that follows is in the same block.
//!
//! ```text
//! file     blocks of 32768 bytes of records; the last 6 bytes of a block are empty when no header fits
//! record   crc 4, length 2, type 1 (full, first, middle, last), payload; integers are little-endian
//! payload  of full, or first to last, joined: a batch: its sequence number 8, count of changes 4, the changes
//! ```

use crate::{
    digest::{Crc, CrcKind},
    meta::KvError,
};
use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

const BLOCK_SIZE: usize = 32 << 10;
const HEADER_SIZE: usize = 7;
const BATCH_HEADER_SIZE: usize = 12;

/// RocksDB stores CRCs rotated and added to, as a CRC of bytes that hold their own is no good.
const MASK_DELTA: u32 = 0xA282_EAD8;

/// What the logs of an index say of themselves.
pub(super) struct Findings {
    loss: Option<Damage>,
    /// The number that follows the last change which is there whole; `None` when none is.
    pub(super) next: Option<u64>,
}

impl Findings {
    /// Reads all logs.
    ///
    /// # Errors
    /// [`KvError::Engine`] when they cannot be read.
    pub(super) fn read(directory: &Path) -> Result<Self, KvError> {
        let reading = read(directory).map_err(|error| KvError::Engine(format!("the log cannot be read: {error}")))?;
        Ok(Self { loss: reading.loss, next: reading.next })
    }

    /// What is to be said when commits that were synced are lost. They are not when the log that is damaged was of no use any
    /// more, which the engine alone knows.
    pub(super) fn refusal(&self) -> Option<KvError> {
        let Damage { file, offset } = self.loss.as_ref()?;
        Some(KvError::Engine(format!(
            "{} is damaged at byte {offset}, and commits that were acknowledged follow. Restore the index from a backup, or accept to \
             lose them and all that was written after them by starting once with damaged-log set to drop",
            file.display()
        )))
    }
}

/// Where a log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Damage {
    file: PathBuf,
    offset: u64,
}

fn read(directory: &Path) -> io::Result<Reading> {
    let mut reading = Reading::default();
    logs(directory)?.iter().try_for_each(|file| reading.file(file))?;
    Ok(reading)
}

/// The log files, in the order in which they were written.
fn logs(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut logs = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|extension| extension == "log")) {
            logs.push((number, path));
        }
    }
    logs.sort();
    Ok(logs.into_iter().map(|(_, path)| path).collect())
}

/// What has been read so far.
#[derive(Default)]
struct Reading {
    /// The sequence number that the next batch begins with, once a batch was whole.
    due: Option<u64>,
    /// What was met since.
    damage: Option<Damage>,
    /// The batch under way: its first bytes, up to [`BATCH_HEADER_SIZE`].
    batch: Option<Vec<u8>>,
    /// The first damage that has taken a commit which another one follows.
    loss: Option<Damage>,
    /// The highest `due` there was.
    next: Option<u64>,
}

impl Reading {
    fn file(&mut self, path: &Path) -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut block = Vec::with_capacity(BLOCK_SIZE);
        let mut offset = 0;
        loop {
            block.clear();
            let size = Read::by_ref(&mut file).take(BLOCK_SIZE as u64).read_to_end(&mut block)?;
            if size == 0 {
                break;
            }
            self.block(path, offset, &block);
            offset += size as u64;
        }
        if self.batch.is_some() {
            self.broken(path, offset);
        }
        Ok(())
    }

    fn block(&mut self, path: &Path, offset: u64, block: &[u8]) {
        let mut at = 0;
        while let Some(header) = block.get(at..at + HEADER_SIZE) {
            let begin = at + HEADER_SIZE;
            let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
            let payload = block.get(begin..begin + length).filter(|payload| crc_of(header[6], payload) == stored_crc(header));
            let known = payload.is_some_and(|payload| self.record(header[6], payload));
            if !known {
                self.broken(path, offset + at as u64);
                // Most rot is in what a record holds and leaves its length, which then leads to the next record. Else the next
                // block begins with one. Nothing is searched for: what clients sent may look like a record.
                if length == 0 || !is_record(block, begin + length) {
                    return;
                }
            }
            at = begin + length;
        }
    }

    /// Takes a record that is whole; `false` when it does not follow what came before it.
    fn record(&mut self, kind: u8, payload: &[u8]) -> bool {
        let (is_first, is_last) = match kind {
            1 => (true, true),
            2 => (true, false),
            3 => (false, false),
            4 => (false, true),
            // What RocksDB notes for itself.
            kind => return kind >= 9,
        };
        if is_first {
            if self.batch.is_some() {
                return false;
            }
            self.batch = Some(Vec::new());
        }
        // After damage there may be the rest of a batch whose beginning is lost.
        let Some(batch) = &mut self.batch else { return self.damage.is_some() };
        let had_number = batch.len() == BATCH_HEADER_SIZE;
        batch.extend(payload.iter().take(BATCH_HEADER_SIZE - batch.len()));
        if batch.len() == BATCH_HEADER_SIZE {
            let number = u64::from_le_bytes(batch[..8].try_into().expect("8 bytes"));
            let count = u32::from_le_bytes(batch[8..].try_into().expect("4 bytes"));
            if !had_number && self.due != Some(number) && self.loss.is_none() {
                self.loss = self.damage.clone();
            }
            if is_last {
                self.due = Some(number.saturating_add(u64::from(count)));
                self.next = self.next.max(self.due);
                self.damage = None;
            }
        }
        if is_last {
            self.batch = None;
        }
        true
    }

    fn broken(&mut self, path: &Path, offset: u64) {
        self.batch = None;
        self.damage.get_or_insert_with(|| Damage { file: path.to_owned(), offset });
    }
}

/// Whether a whole record stands there.
fn is_record(block: &[u8], at: usize) -> bool {
    let Some(header) = block.get(at..at + HEADER_SIZE) else { return false };
    let length = usize::from(u16::from_le_bytes([header[4], header[5]]));
    let payload = block.get(at + HEADER_SIZE..at + HEADER_SIZE + length);
    payload.is_some_and(|payload| crc_of(header[6], payload) == stored_crc(header))
}

fn stored_crc(header: &[u8]) -> u32 {
    let masked = u32::from_le_bytes(header[..4].try_into().expect("4 bytes"));
    masked.wrapping_sub(MASK_DELTA).rotate_left(15)
}

fn crc_of(kind: u8, payload: &[u8]) -> u32 {
    let mut crc = Crc::new(CrcKind::Crc32c);
    crc.update(&[kind]);
    crc.update(payload);
    u32::try_from(crc.value()).expect("a 32-bit CRC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::meta::rocks::{RocksSettings, store::Store, tests::files_after_a_kill};
    use rocksdb::WriteBatch;

    fn first_loss(directory: &Path) -> io::Result<Option<Damage>> {
        Ok(read(directory)?.loss)
    }

    /// The sizes of the values committed to the log, one a batch: some within a block, one over several.
    const SIZES: [usize; 6] = [100, 5_000, 100_000, 30, 20_000, 7];

    /// The files of an index that was killed after these batches, and its log.
    fn killed() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
        let directory = tempfile::tempdir().unwrap();
        let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
        let store = Store::open(&original, &RocksSettings::default()).unwrap();
        for (index, size) in SIZES.into_iter().enumerate() {
            let mut batch = WriteBatch::default();
            store.add(&mut batch, format!("O{index}").as_bytes(), Some(&vec![index as u8 + 1; size].into()));
            store.add(&mut batch, b"Olast", Some(&vec![index as u8].into()));
            store.write(batch).unwrap();
        }
        files_after_a_kill(&original, &copy);
        drop(store);
        let log = logs(&copy).unwrap().pop().expect("there is a log");
        let bytes = fs::read(&log).unwrap();
        (directory, log, bytes)
    }

    /// Where each batch begins in the log, and where the last one ends.
    fn bounds(bytes: &[u8]) -> Vec<usize> {
        let mut bounds = vec![];
        for (number, block) in bytes.chunks(BLOCK_SIZE).enumerate() {
            let mut at = 0;
            while let Some(header) = block.get(at..at + HEADER_SIZE) {
                if matches!(header[6], 1 | 2) {
                    bounds.push(number * BLOCK_SIZE + at);
                }
                at += HEADER_SIZE + usize::from(u16::from_le_bytes([header[4], header[5]]));
            }
        }
        bounds.push(bytes.len());
        bounds
    }

    #[test]
    fn rot_before_the_last_batch_is_refused_and_named() {
        let (_directory, log, bytes) = killed();
        let index = log.parent().unwrap();
        let bounds = bounds(&bytes);
        assert_eq!(bounds.len(), SIZES.len() + 1);
        assert_eq!(first_loss(index).unwrap(), None, "nothing is wrong with it yet");
        for at in
            [bounds[0] + 20, bounds[1] + 3, bounds[1] + 4, bounds[1] + 3_000, bounds[2] + 40_000, bounds[3], bounds[4] + 9, bounds[5] - 1]
        {
            let mut rotten = bytes.clone();
            rotten[at] ^= 0x10;
            fs::write(&log, rotten).unwrap();
            let refused = Store::open(index, &RocksSettings::default()).err();
            let text = refused.unwrap_or_else(|| panic!("byte {at} is wrong and nobody noticed")).to_string();
            assert!(text.contains(log.file_name().unwrap().to_str().unwrap()) && text.contains("damaged-log"), "{text}");
        }
        let store = Store::open(index, &RocksSettings { drop_after_damage: true, ..RocksSettings::default() }).unwrap();
        let found = store.get(b"Olast", crate::meta::rocks::store::Reach::Disk).unwrap();
        assert_eq!(found, Some(vec![3].into()), "all before the damage");
    }

    /// What power cuts and kills leave: the last batch in any part, a hole in it, or zeros after it.
    #[test]
    fn a_last_batch_that_is_torn_is_no_loss() {
        let (_directory, log, bytes) = killed();
        let index = log.parent().unwrap();
        let bounds = bounds(&bytes);
        let large = bounds[2]..bounds[3];
        let cut = |end: usize| bytes[..end].to_vec();
        let hole = |start: usize, end: usize| {
            let mut holed = cut(large.end);
            holed[start..end].fill(0);
            holed
        };
        let with_zeros = |mut bytes: Vec<u8>| {
            bytes.resize(bytes.len() + 50_000, 0);
            bytes
        };
        let ends = [
            cut(bounds[5] + 1),
            cut(bounds[5] + 8),
            cut(bounds[4] + 19_000),
            cut(large.start + 70_000),
            hole(large.start, 1 << 15),
            hole(1 << 15, 1 << 16),
            hole(1 << 16, large.end),
            with_zeros(cut(bounds[3])),
            with_zeros(cut(bounds[5] + 3)),
        ];
        for (number, end) in ends.into_iter().enumerate() {
            fs::write(&log, end).unwrap();
            assert_eq!(first_loss(index).unwrap(), None, "end {number}");
        }
        fs::write(&log, cut(bounds[5] + 8)).unwrap();
        let store = Store::open(index, &RocksSettings::default()).unwrap();
        assert_eq!(store.get(b"Olast", crate::meta::rocks::store::Reach::Disk).unwrap(), Some(vec![4].into()));
    }

    /// A log that ends torn and goes on in the next file with the number that was due: nothing was lost.
    #[test]
    fn a_log_that_goes_on_in_another_file_after_a_torn_end_is_whole() {
        let (_directory, log, bytes) = killed();
        let index = log.parent().unwrap();
        let bounds = bounds(&bytes);
        let next = log.with_file_name("999999.log");
        fs::write(&log, &bytes[..bounds[1] + 50]).unwrap();
        fs::write(&next, &bytes[bounds[1]..bounds[2]]).unwrap();
        assert_eq!(first_loss(index).unwrap(), None);
        fs::write(&log, &bytes[..bounds[0] + 50]).unwrap();
        assert!(first_loss(index).unwrap().is_some_and(|damage| damage.file == log), "the first batch is gone");
    }
}
