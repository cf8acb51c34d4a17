//! What only the local store promises: files that notice damage, restarts, and a full or failing disk.

use super::{
    format::{BLOCK_SIZE, FOOTER_SIZE, file_size},
    *,
};
use crate::testkit::blob_suite::{self, bytes, collect, id, read, write};
use bytes::Bytes;
use futures_util::StreamExt as _;
use proptest::prelude::*;
use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};
use tempfile::TempDir;

const BLOCK: u64 = BLOCK_SIZE as u64;

fn open(root: &TempDir) -> LocalBlobs {
    LocalBlobs::open(root.path(), LocalSettings::default()).expect("opens")
}

fn data_file(root: &TempDir, blob: BlobId) -> PathBuf {
    let name = blob.to_string();
    root.path().join("data").join(&name[28..30]).join(&name[30..]).join(&name)
}

fn staging_file(root: &TempDir, blob: BlobId) -> PathBuf {
    root.path().join("staging").join(blob.to_string())
}

/// Discarding happens on a blocking thread that nobody waits for.
async fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !done() {
        assert!(Instant::now() < deadline, "still not so after 10 s");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn flip(path: &Path, offset: u64) {
    let mut file = fs::read(path).unwrap();
    file[usize::try_from(offset).unwrap()] ^= 0x10;
    fs::write(path, file).unwrap();
}

fn is_corrupt<T>(result: &Result<T, BlobError>, blob: BlobId) -> bool {
    matches!(result, Err(BlobError::Corrupt(found, _)) if *found == blob)
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_the_conformance_suite() {
    for sync in [false, true] {
        blob_suite::run(|| {
            let root = TempDir::new().unwrap();
            Box::new(move || Arc::new(LocalBlobs::open(root.path(), LocalSettings { sync }).expect("opens")))
        })
        .await;
    }
}

#[tokio::test]
async fn files_have_the_exact_length_and_begin_with_the_raw_bytes() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    for (number, size) in (0..).zip([0, 1, BLOCK, BLOCK + 1]) {
        let content = bytes(number, usize::try_from(size).unwrap());
        for (announced, blob) in [(None, id(number * 10)), (Some(size), id(number * 10 + 1)), (Some(4 * BLOCK), id(number * 10 + 2))] {
            let mut staging = store.stage(blob, announced).await.unwrap();
            staging.append(vec![content.clone()]).await.unwrap();
            let _ = staging.seal().await.unwrap();
            let file = fs::read(data_file(&root, blob)).unwrap();
            assert_eq!(Some(file.len() as u64), file_size(size), "{size} bytes, {announced:?} announced");
            assert!(file.starts_with(&content));
        }
    }
}

#[tokio::test]
async fn a_blob_file_gives_back_what_was_reserved_in_vain() {
    use std::os::unix::fs::MetadataExt as _;
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let staging = store.stage(id(1), Some(8 << 20)).await.unwrap();
    let _ = staging.seal().await.unwrap();
    let occupied = fs::metadata(data_file(&root, id(1))).unwrap().blocks() * 512;
    assert!(occupied < 1 << 20, "an empty blob occupies {occupied} bytes");
}

/// A flipped byte anywhere is noticed by `verify` and by every read that depends on it, and never returned.
#[tokio::test]
async fn a_flipped_byte_is_never_returned() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let size = 6 * BLOCK + 10;
    let content = bytes(1, usize::try_from(size).unwrap());
    write(&store, id(1), &content, 1 << 20).await.unwrap();
    let path = data_file(&root, id(1));

    // Data and table: (where the byte is, the block that depends on it).
    let damage = [(0, 0), (BLOCK - 1, 0), (BLOCK, 1), (5 * BLOCK + 77, 5), (size - 1, 6), (size, 0), (size + 7, 1), (size + 27, 6)];
    for (offset, block) in damage {
        flip(&path, offset);
        assert!(is_corrupt(&store.verify(id(1)).await, id(1)), "verify, byte {offset}");
        let (start, end) = (block * BLOCK, ((block + 1) * BLOCK).min(size));
        for (start, end) in [(start, end), (start + 3, start + 4), (end - 1, end), (0, size)] {
            assert!(is_corrupt(&read(&store, id(1), start..end).await, id(1)), "bytes {start} to {end}, byte {offset}");
        }
        for other in (0..7).filter(|&other| other != block) {
            let (start, end) = (other * BLOCK, ((other + 1) * BLOCK).min(size));
            let found = read(&store, id(1), start..end).await;
            assert!(found == Ok(content.slice(start as usize..end as usize)), "block {other} does not depend on byte {offset}");
        }
        flip(&path, offset);
    }
    for offset in (size + 28)..(size + 28 + FOOTER_SIZE as u64) {
        flip(&path, offset);
        assert!(is_corrupt(&store.verify(id(1)).await, id(1)), "verify, footer byte {offset}");
        assert!(is_corrupt(&read(&store, id(1), 0..1).await, id(1)), "read, footer byte {offset}");
        flip(&path, offset);
    }
    assert_eq!(store.verify(id(1)).await, Ok(size), "the damage was undone each time");
}

/// What was read before the rot is right; the rot itself ends the stream.
#[tokio::test]
async fn rot_further_on_ends_the_stream_with_an_error() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let content = bytes(1, 12 * BLOCK_SIZE);
    write(&store, id(1), &content, 1 << 20).await.unwrap();
    flip(&data_file(&root, id(1)), 9 * BLOCK);
    let mut stream = store.read(id(1), ByteRange { start: 0, end: 12 * BLOCK }).await.expect("the first piece is sound");
    let mut found = Vec::new();
    let error = loop {
        match stream.next().await.expect("an error comes before the end") {
            Ok(piece) => found.extend_from_slice(&piece),
            Err(error) => break error,
        }
    };
    assert!(is_corrupt(&Err::<(), _>(error), id(1)));
    assert!(found.len() <= 9 * BLOCK_SIZE && content.starts_with(&found), "{} bytes came first", found.len());
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_file_of_the_wrong_length_is_corrupt() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let size = 2 * BLOCK + 10;
    write(&store, id(1), &bytes(1, usize::try_from(size).unwrap()), 1 << 20).await.unwrap();
    let path = data_file(&root, id(1));
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, FOOTER_SIZE - 1, FOOTER_SIZE, BLOCK_SIZE, whole.len() - FOOTER_SIZE, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(is_corrupt(&store.verify(id(1)).await, id(1)), "{length} bytes left");
        assert!(is_corrupt(&read(&store, id(1), 0..1).await, id(1)), "{length} bytes left");
    }
    // A footer that is sound but does not belong: bytes lost, or gained, in the middle.
    for file in [[&whole[..100], &whole[101..]].concat(), [&whole[..100], &whole[99..]].concat()] {
        fs::write(&path, file).unwrap();
        assert!(is_corrupt(&store.verify(id(1)).await, id(1)));
    }
}

#[tokio::test]
async fn a_file_under_the_wrong_name_is_corrupt() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    for number in [1, 2] {
        write(&store, id(number), &bytes(number, 1_000), 1_000).await.unwrap();
    }
    fs::rename(data_file(&root, id(1)), data_file(&root, id(2))).unwrap();
    assert!(is_corrupt(&read(&store, id(2), 0..1).await, id(2)));
    assert!(is_corrupt(&store.verify(id(2)).await, id(2)));
}

/// The start clears what was never published, keeps what was, and leaves foreign files alone.
#[tokio::test]
async fn opening_settles_the_staging_directory() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    for number in [1, 2] {
        write(&store, id(number), &bytes(number, 1_000), 1_000).await.unwrap();
    }
    store.confirm(id(1)).await;
    drop(store);
    fs::write(staging_file(&root, id(3)), b"half a part").unwrap();
    fs::copy(data_file(&root, id(2)), staging_file(&root, id(4))).expect("sealed but for its name: never acknowledged");
    fs::write(root.path().join("staging/README"), b"").unwrap();

    let store = open(&root);
    assert_eq!(store.unconfirmed().await, Ok(vec![id(2)]));
    assert!(!staging_file(&root, id(3)).exists() && !staging_file(&root, id(4)).exists());
    assert!(root.path().join("staging/README").exists());
    assert_eq!(store.scan(None, 10).await, Ok(vec![id(1), id(2)]));
    store.delete(id(2)).await.unwrap();
    assert!(!staging_file(&root, id(2)).exists());
}

#[tokio::test]
async fn a_directory_is_used_by_one_store_at_a_time() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let second = LocalBlobs::open(root.path(), LocalSettings::default());
    assert!(matches!(second, Err(BlobError::Io(why)) if why.contains("in use")));
    drop(store);
    drop(open(&root));
}

#[tokio::test]
async fn opening_creates_the_directories_that_are_missing() {
    let root = TempDir::new().unwrap();
    let path = root.path().join("not/there/yet");
    let store = LocalBlobs::open(&path, LocalSettings::default()).expect("opens");
    write(&store, id(1), &bytes(1, 10), 10).await.unwrap();
    drop(store);
    let store = LocalBlobs::open(&path, LocalSettings::default()).expect("opens again");
    assert_eq!(store.verify(id(1)).await, Ok(10));
}

#[tokio::test]
async fn dropping_a_staging_removes_its_file() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let mut staging = store.stage(id(1), Some(1 << 20)).await.unwrap();
    staging.append(vec![bytes(1, 1_000)]).await.unwrap();
    assert!(staging_file(&root, id(1)).exists());
    drop(staging);
    wait_until(|| !staging_file(&root, id(1)).exists()).await;
}

#[test]
fn dropping_a_staging_outside_of_the_runtime_removes_its_file() {
    let root = TempDir::new().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = open(&root);
    let staging = runtime.block_on(store.stage(id(1), None)).unwrap();
    drop(runtime);
    drop(staging);
    assert!(!staging_file(&root, id(1)).exists());
}

/// Polls a future once while the only blocking thread is busy, then drops it before its disk work begins or after it is done.
async fn drop_midway<T>(mut step: impl Future<Output = T> + Unpin, after_the_work: bool) {
    let (release, busy) = std::sync::mpsc::channel::<()>();
    let blocker = tokio::task::spawn_blocking(move || busy.recv());
    assert!(futures_util::poll!(&mut step).is_pending());
    let step = after_the_work.then_some(step);
    drop(release);
    let _ = blocker.await.unwrap();
    tokio::task::spawn_blocking(|| ()).await.unwrap(); // first come, first served: the step's work is done by now
    drop(step);
}

/// The client hung up: whatever step was under way finishes on its own and leaves nothing.
#[test]
fn futures_dropped_midway_leave_nothing() {
    let root = TempDir::new().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let store = open(&root);
        for (number, after_the_work) in [(0, false), (1, true)] {
            drop_midway(store.stage(id(number), Some(1 << 20)), after_the_work).await;

            let mut staging = store.stage(id(number + 10), None).await.unwrap();
            drop_midway(staging.append(vec![bytes(number, 3 << 20)]), after_the_work).await;
            assert!(matches!(staging.append(vec![]).await, Err(BlobError::Io(_))), "a gap must not be sealed over");
            assert!(matches!(staging.seal().await, Err(BlobError::Io(_))));

            let mut staging = store.stage(id(number + 20), None).await.unwrap();
            staging.append(vec![bytes(number, 1_000)]).await.unwrap();
            drop_midway(staging.seal(), after_the_work).await;
        }
        wait_until(|| fs::read_dir(root.path().join("staging")).unwrap().count() == 0).await;
        assert_eq!(store.scan(None, 10).await, Ok(vec![]), "a seal that nobody waited for is undone");
        assert!(!store.is_read_only());
    });
}

/// A directory that vanished under the store stands for any failure to publish.
#[tokio::test]
async fn a_failure_to_publish_makes_the_store_read_only() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let same_directory = |number| BlobId([number, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 7, 8]);
    write(&store, id(1), &bytes(1, 1_000), 1_000).await.unwrap();
    write(&store, same_directory(1), &bytes(1, 10), 10).await.unwrap();
    let mut other = store.stage(id(2), None).await.unwrap();
    let third = store.stage(id(3), None).await.unwrap();
    fs::remove_dir_all(root.path().join("data/07")).unwrap();
    assert_eq!(write(&store, same_directory(2), &bytes(1, 10), 10).await, Err(BlobError::ReadOnly));

    assert!(store.is_read_only());
    assert_eq!(other.append(vec![bytes(1, 10)]).await, Err(BlobError::ReadOnly));
    assert_eq!(third.seal().await, Err(BlobError::ReadOnly));
    assert!(matches!(store.stage(id(4), None).await, Err(BlobError::ReadOnly)));
    assert_eq!(store.delete(id(1)).await, Err(BlobError::ReadOnly));
    assert_eq!(read(&store, id(1), 0..1_000).await, Ok(bytes(1, 1_000)), "reads go on");
    assert_eq!(store.scan(None, 10).await, Ok(vec![id(1)]));
}

#[tokio::test]
async fn more_than_the_disk_holds_is_refused_without_taking_it() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let free = store.directory.free_bytes().expect("the file system tells");
    for size in [free + (1 << 40), u64::MAX] {
        assert!(matches!(store.stage(id(1), Some(size)).await, Err(BlobError::NoSpace)), "{size} bytes");
        wait_until(|| !staging_file(&root, id(1)).exists()).await;
    }
    assert!(!store.is_read_only(), "a full disk is no failed sync");
    write(&store, id(1), &bytes(1, 10), 10).await.expect("what fits is taken");
}

#[tokio::test]
async fn fan_out_directories_follow_the_last_bytes() {
    let root = TempDir::new().unwrap();
    let store = open(&root);
    let blob = BlobId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xAB, 0xCD]);
    write(&store, blob, &Bytes::new(), 1).await.unwrap();
    assert!(root.path().join("data/ab/cd/0102030405060708090a0b0c0d0eabcd").exists());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Whatever the splits, the announced size and the range, the bytes are those of a plain vector.
    #[test]
    fn any_split_and_any_range_equal_a_vector(
        appends in prop::collection::vec(prop::collection::vec(0_usize..200_000, 0..4), 0..8),
        announced in prop::option::of(0_u64..2_000_000),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>()), 4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let root = TempDir::new().unwrap();
        let store = LocalBlobs::open(root.path(), LocalSettings { sync: false }).unwrap();
        let mut model = Vec::new();
        runtime.block_on(async {
            let mut staging = store.stage(id(1), announced).await.unwrap();
            for (seed, sizes) in (0..).zip(appends) {
                let pieces: Vec<Bytes> = sizes.into_iter().map(|size| bytes(seed, size)).collect();
                pieces.iter().for_each(|piece| model.extend_from_slice(piece));
                staging.append(pieces).await.unwrap();
            }
            assert_eq!(staging.seal().await.unwrap().size(), model.len() as u64);
            assert_eq!(store.verify(id(1)).await, Ok(model.len() as u64));
            for (one, other) in cuts {
                let (one, other) = (one.index(model.len() + 1), other.index(model.len() + 1));
                let (start, end) = (one.min(other), one.max(other));
                let stream = store.read(id(1), ByteRange { start: start as u64, end: end as u64 }).await.unwrap();
                assert!(collect(stream).await.unwrap() == model[start..end], "bytes {start} to {end}");
            }
        });
    }
}
