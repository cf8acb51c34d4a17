//! Several threads that go through a list of blobs together: one waits for a sync while others read.

use super::{BackupError, blob_list::Reader, watch::Watch};
use crate::blob::BlobId;
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Blobs worked on at once: enough to have a sync under way while others read, few enough to leave the disk to clients.
const THREADS: usize = 4;

/// Does something with every blob of a list and returns how many there were. After an error the rest is left.
pub(super) fn for_each(
    list: Reader,
    watch: &Watch,
    work: impl Fn(BlobId, u64) -> Result<(), BackupError> + Sync,
) -> Result<u64, BackupError> {
    let (rest, count) = (Mutex::new(list), AtomicU64::new(0));
    let go_through = || -> Result<(), BackupError> {
        loop {
            watch.go_on()?;
            // Locked for reading a line.
            let next = rest.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(line) = next else { return Ok(()) };
            let (blob, size) = line?;
            work(blob, size)?;
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    let outcomes: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| go_through().inspect_err(|_| watch.abandon()))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or(Err(BackupError::Ended("it has failed")))).collect()
    });
    // Those who were told to end only heard of what went wrong.
    let (told, own): (Vec<_>, Vec<_>) =
        outcomes.into_iter().filter_map(Result::err).partition(|error| matches!(error, BackupError::Ended(_)));
    own.into_iter().chain(told).next().map_or(Ok(count.into_inner()), Err)
}

#[cfg(test)]
mod tests {
    use super::{super::blob_list::Writer, *};
    use std::collections::BTreeSet;

    fn list(place: &tempfile::TempDir) -> Reader {
        let path = place.path().join("blobs");
        let mut writer = Writer::create(&path).unwrap();
        (0..200_u8).for_each(|number| writer.add(BlobId([number; 16]), u64::from(number)).unwrap());
        writer.finish().unwrap();
        Reader::open(&path).unwrap()
    }

    #[test]
    fn every_blob_comes_once() {
        let place = tempfile::tempdir().unwrap();
        let (watch, _asker) = Watch::new(None);
        let seen = Mutex::new(BTreeSet::new());
        let work = |blob: BlobId, size| {
            assert_eq!(u64::from(blob.0[0]), size);
            assert!(seen.lock().unwrap().insert(blob));
            Ok(())
        };
        assert_eq!(for_each(list(&place), &watch, work).unwrap(), 200);
        assert_eq!(seen.lock().unwrap().len(), 200);
    }

    #[test]
    fn the_first_error_ends_all_and_is_the_one_that_is_told() {
        let place = tempfile::tempdir().unwrap();
        let (watch, _asker) = Watch::new(None);
        let work = |_, size| match size {
            0..50 => Ok(()),
            _ => Err(BackupError::Refused("wrong".to_owned())),
        };
        let error = for_each(list(&place), &watch, work).unwrap_err();
        assert!(matches!(error, BackupError::Refused(_)), "{error}");
    }
}
