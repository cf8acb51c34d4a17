//! What every [`BlobStore`] must do, checked through the trait alone.
//!
//! A store's own tests call [`run`]; wrappers pass it, too, with their faults switched off.

use crate::{
    blob::{BlobError, BlobId, BlobStore, BlobStream},
    model::ByteRange,
};
use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use std::sync::Arc;

/// The block size of the local store: no store has to share it, but every store is tried around it.
const BLOCK: usize = 128 << 10;

/// Opens one storage, empty at first. Opening it again is a restart; the earlier store is dropped before.
pub type Open = Box<dyn Fn() -> Arc<dyn BlobStore>>;

/// Runs every case, each on a storage of its own.
///
/// # Panics
/// When the store breaks the contract.
pub async fn run(fresh: impl Fn() -> Open) {
    what_is_written_is_read(&fresh()()).await;
    any_range_is_read(&fresh()()).await;
    a_range_beyond_the_blob_is_refused(&fresh()()).await;
    pieces_are_bounded(&fresh()()).await;
    a_dropped_staging_leaves_nothing(&fresh()).await;
    an_id_is_not_used_twice(&fresh()()).await;
    a_deleted_blob_is_missing(&fresh()()).await;
    a_read_survives_the_delete(&fresh()()).await;
    stagings_do_not_mix(&fresh()()).await;
    blobs_are_sealed_side_by_side(&fresh()()).await;
    a_restart_reports_what_was_not_confirmed(&fresh()).await;
    a_scan_is_in_order_and_in_pages(&fresh()()).await;
    blobs_are_deleted_together(&fresh()()).await;
    a_shelf_holds_what_ends_in_its_number(&fresh()()).await;
    a_blob_is_settled_once_it_is_confirmed(&fresh()).await;
}

/// Bytes that differ from block to block and from seed to seed.
#[must_use]
pub fn bytes(seed: u64, size: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes.into()
}

/// A blob id with this number in its first and last bytes, so that ids sort by number and spread by it.
#[must_use]
pub fn id(number: u64) -> BlobId {
    let mut id = [0x5A; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    id[8..].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    BlobId(id)
}

/// Stages, appends and seals in pieces of `step` bytes.
///
/// # Errors
/// As the store.
///
/// # Panics
/// When the sealed blob is not the one asked for.
pub async fn write(store: &dyn BlobStore, blob: BlobId, bytes: &Bytes, step: usize) -> Result<(), BlobError> {
    let mut staging = store.stage(blob, Some(bytes.len() as u64)).await?;
    for start in (0..bytes.len()).step_by(step.max(1)) {
        staging.append(vec![bytes.slice(start..(start + step).min(bytes.len()))]).await?;
    }
    let sealed = staging.seal().await?;
    assert_eq!((sealed.blob(), sealed.size()), (blob, bytes.len() as u64));
    Ok(())
}

/// All bytes of a range.
///
/// # Errors
/// As the store, before or within the stream.
pub async fn read(store: &dyn BlobStore, blob: BlobId, range: std::ops::Range<u64>) -> Result<Bytes, BlobError> {
    collect(store.read(blob, ByteRange { start: range.start, end: range.end }).await?).await
}

/// All bytes of a stream.
///
/// # Errors
/// The stream's.
///
/// # Panics
/// When a piece is empty, or when anything follows an error.
pub async fn collect(mut stream: BlobStream) -> Result<Bytes, BlobError> {
    let mut bytes = Vec::new();
    while let Some(piece) = stream.next().await {
        match piece {
            Ok(piece) => {
                assert!(!piece.is_empty(), "a piece holds bytes");
                bytes.extend_from_slice(&piece);
            }
            Err(error) => {
                assert!(stream.next().await.is_none(), "an error ends the stream");
                return Err(error);
            }
        }
    }
    Ok(bytes.into())
}

async fn what_is_written_is_read(store: &Arc<dyn BlobStore>) {
    let sizes = [0, 1, 47, BLOCK - 1, BLOCK, BLOCK + 1, 4 * BLOCK, 4 * BLOCK + 1, 5 << 20];
    for (number, size) in (0..).zip(sizes) {
        for (order, step) in (0..).zip([size.max(1), 65_536, 99_991]) {
            let (blob, expected) = (id(number * 10 + order), bytes(number, size));
            write(&**store, blob, &expected, step).await.expect("writes");
            let found = read(&**store, blob, 0..size as u64).await.expect("reads");
            assert!(found == expected, "{size} bytes appended {step} at a time");
            assert_eq!(store.verify(blob).await, Ok(size as u64));
        }
    }
    odd_appends_add_up(store).await;
}

/// Empty appends, empty pieces, many tiny pieces at once, no or a wrong expectation of the size.
async fn odd_appends_add_up(store: &Arc<dyn BlobStore>) {
    for (number, announced) in (1_000..).zip([None, Some(0), Some(1), Some(3 << 20)]) {
        let expected = bytes(number, 2 * BLOCK + 12_345);
        let mut staging = store.stage(id(number), announced).await.expect("stages");
        staging.append(vec![]).await.expect("appends nothing");
        staging.append(vec![Bytes::new(), expected.slice(..7), Bytes::new()]).await.expect("appends around empty pieces");
        let tiny = (7..3_007).map(|at| expected.slice(at..at + 1)).collect();
        staging.append(tiny).await.expect("appends more pieces than a system call takes");
        staging.append(vec![expected.slice(3_007..BLOCK), expected.slice(BLOCK..)]).await.expect("appends the rest");
        assert_eq!(staging.seal().await.expect("seals").size(), expected.len() as u64);
        assert!(read(&**store, id(number), 0..expected.len() as u64).await.expect("reads") == expected, "announced {announced:?}");
    }
}

async fn any_range_is_read(store: &Arc<dyn BlobStore>) {
    let size = 9 * BLOCK + 100;
    let expected = bytes(1, size);
    write(&**store, id(1), &expected, 300_000).await.expect("writes");
    let edges =
        [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 4 * BLOCK - 1, 4 * BLOCK, 4 * BLOCK + 1, 8 * BLOCK, 9 * BLOCK, size - 1, size];
    for start in edges {
        for end in edges.into_iter().filter(|&end| start <= end) {
            let found = read(&**store, id(1), start as u64..end as u64).await.expect("reads");
            assert!(found == expected.slice(start..end), "bytes {start} to {end}");
        }
    }
}

async fn a_range_beyond_the_blob_is_refused(store: &Arc<dyn BlobStore>) {
    write(&**store, id(1), &bytes(1, 10), 10).await.expect("writes");
    for (start, end) in [(0, 11), (10, 11), (11, 11), (11, 12), (0, u64::MAX), (u64::MAX, u64::MAX), (6, 5)] {
        let found = read(&**store, id(1), start..end).await;
        assert!(matches!(found, Err(BlobError::Corrupt(blob, _)) if blob == id(1)), "{start} to {end}: {found:?}");
    }
}

async fn pieces_are_bounded(store: &Arc<dyn BlobStore>) {
    write(&**store, id(1), &bytes(1, 5 << 20), 1 << 20).await.expect("writes");
    let stream = store.read(id(1), ByteRange { start: 1, end: 5 << 20 }).await.expect("opens");
    let pieces: Vec<Bytes> = stream.try_collect().await.expect("reads");
    assert!(pieces.iter().all(|piece| piece.len() <= 1 << 20), "pieces of at most 1 MiB");
}

async fn a_dropped_staging_leaves_nothing(open: &Open) {
    let store = open();
    for (number, announced) in (1..).zip([None, Some(1 << 20)]) {
        let mut staging = store.stage(id(number), announced).await.expect("stages");
        staging.append(vec![bytes(1, 200_000)]).await.expect("appends");
        assert_eq!(read(&*store, id(number), 0..0).await, Err(BlobError::Missing(id(number))), "not sealed, not readable");
        drop(staging);
        assert_eq!(read(&*store, id(number), 0..0).await, Err(BlobError::Missing(id(number))));
        assert_eq!(store.verify(id(number)).await, Err(BlobError::Missing(id(number))));
    }
    drop(store.stage(id(3), None).await.expect("stages"));
    assert_eq!(store.scan(None, 10).await, Ok(vec![]));
    drop(store);
    let store = open();
    assert_eq!(store.scan(None, 10).await, Ok(vec![]));
    assert_eq!(store.unconfirmed().await, Ok(vec![]));
}

async fn an_id_is_not_used_twice(store: &Arc<dyn BlobStore>) {
    let expected = bytes(1, 100);
    write(&**store, id(1), &expected, 100).await.expect("writes");
    for confirmed in [false, true] {
        if confirmed {
            store.confirm(id(1)).await;
        }
        let again = write(&**store, id(1), &bytes(2, 100), 100).await;
        assert!(matches!(again, Err(BlobError::Io(_))), "confirmed {confirmed}: {again:?}");
        assert_eq!(read(&**store, id(1), 0..100).await, Ok(expected.clone()), "the first bytes stay");
    }
    assert!(!store.is_read_only(), "a caller's mistake is no failed disk");
}

async fn a_deleted_blob_is_missing(store: &Arc<dyn BlobStore>) {
    for (number, confirmed) in [(1, false), (2, true)] {
        write(&**store, id(number), &bytes(1, 1_000), 1_000).await.expect("writes");
        if confirmed {
            store.confirm(id(number)).await;
        }
        store.delete(id(number)).await.expect("deletes");
        assert_eq!(read(&**store, id(number), 0..1).await, Err(BlobError::Missing(id(number))));
        assert_eq!(store.verify(id(number)).await, Err(BlobError::Missing(id(number))));
        store.delete(id(number)).await.expect("deleting again is fine");
    }
    assert_eq!(store.scan(None, 10).await, Ok(vec![]));
}

async fn a_read_survives_the_delete(store: &Arc<dyn BlobStore>) {
    let expected = bytes(1, 5 << 20);
    write(&**store, id(1), &expected, 1 << 20).await.expect("writes");
    let stream = store.read(id(1), ByteRange { start: 0, end: 5 << 20 }).await.expect("opens");
    store.delete(id(1)).await.expect("deletes");
    assert!(collect(stream).await.expect("reads on") == expected);
}

async fn stagings_do_not_mix(store: &Arc<dyn BlobStore>) {
    let expected: Vec<Bytes> = (0..4).map(|seed| bytes(seed, 300_000)).collect();
    let mut stagings = Vec::new();
    for number in 0..4 {
        stagings.push(store.stage(id(number), None).await.expect("stages"));
    }
    for start in (0..300_000).step_by(100_000) {
        for (staging, bytes) in stagings.iter_mut().zip(&expected) {
            staging.append(vec![bytes.slice(start..start + 100_000)]).await.expect("appends");
        }
    }
    for staging in stagings {
        let _ = staging.seal().await.expect("seals");
    }
    for (number, expected) in (0..).zip(expected) {
        assert!(read(&**store, id(number), 0..300_000).await.expect("reads") == expected);
    }
}

/// Neighbours in every sense: the local store keeps them in one directory, which all of them find missing.
async fn blobs_are_sealed_side_by_side(store: &Arc<dyn BlobStore>) {
    let ids: Vec<BlobId> = (0..32).map(|number| BlobId([number, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1])).collect();
    let writes = ids.iter().map(|&blob| {
        let store = Arc::clone(store);
        tokio::spawn(async move { write(&*store, blob, &bytes(u64::from(blob.0[0]), 70_000), 30_000).await })
    });
    for written in futures_util::future::join_all(writes).await {
        written.expect("does not panic").expect("writes");
    }
    for &blob in &ids {
        assert!(read(&**store, blob, 0..70_000).await.expect("reads") == bytes(u64::from(blob.0[0]), 70_000), "{blob}");
    }
    assert_eq!(store.scan(None, 100).await, Ok(ids));
}

async fn a_restart_reports_what_was_not_confirmed(open: &Open) {
    let store = open();
    for number in 1..=4 {
        write(&*store, id(number), &bytes(number, 50_000), 50_000).await.expect("writes");
    }
    store.confirm(id(1)).await;
    store.confirm(id(99)).await;
    assert_eq!(store.unconfirmed().await, Ok(vec![]), "this run's blobs are still in somebody's hands");
    drop(store);

    let store = open();
    let mut unconfirmed = store.unconfirmed().await.expect("lists");
    unconfirmed.sort_unstable();
    assert_eq!(unconfirmed, [id(2), id(3), id(4)]);
    store.confirm(id(2)).await;
    store.delete(id(3)).await.expect("deletes");
    assert_eq!(store.unconfirmed().await, Ok(vec![id(4)]));
    drop(store);

    let store = open();
    assert_eq!(store.unconfirmed().await, Ok(vec![id(4)]), "nobody settled it, so it is reported again");
    assert_eq!(store.scan(None, 10).await, Ok(vec![id(1), id(2), id(4)]));
    for number in [1, 2, 4] {
        assert!(read(&*store, id(number), 0..50_000).await.expect("reads") == bytes(number, 50_000), "{number}");
    }
}

async fn a_scan_is_in_order_and_in_pages(store: &Arc<dyn BlobStore>) {
    assert_eq!(store.scan(None, 10).await, Ok(vec![]));
    for number in (0..30).rev() {
        write(&**store, id(number), &bytes(number, 10), 10).await.expect("writes");
    }
    let all: Vec<BlobId> = (0..30).map(id).collect();
    for page_size in [1, 7, 29, 30, 31] {
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = store.scan(after, page_size).await.expect("scans");
            assert!(page.len() <= page_size);
            after = page.last().copied();
            if after.is_none() {
                break;
            }
            found.extend(page);
        }
        assert_eq!(found, all, "pages of {page_size}");
    }
    assert_eq!(store.scan(None, 0).await, Ok(vec![]));
    let mut between = id(3).0;
    between[15] = between[15].wrapping_add(1);
    assert!(BlobId(between) > id(3), "the probe lies between two ids");
    assert_eq!(store.scan(Some(BlobId(between)), 1).await, Ok(vec![id(4)]), "`after` need not exist");
}

async fn blobs_are_deleted_together(store: &Arc<dyn BlobStore>) {
    for number in 1..=5 {
        write(&**store, id(number), &bytes(number, 100), 100).await.expect("writes");
    }
    store.confirm(id(1)).await;
    store.delete_all(vec![]).await.expect("deletes nothing");
    store.delete_all(vec![id(1), id(99), id(3), id(3), id(4)]).await.expect("deletes, absent ones and twice");
    assert_eq!(store.scan(None, 10).await, Ok(vec![id(2), id(5)]));
}

async fn a_shelf_holds_what_ends_in_its_number(store: &Arc<dyn BlobStore>) {
    let on = |first: u8, number: u16| {
        let [high, low] = number.to_be_bytes();
        BlobId([first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low])
    };
    for (first, number) in [(1, 0), (2, 0), (1, 1), (1, 0x0100), (1, u16::MAX)] {
        assert_eq!(on(first, number).shelf(), number);
        write(&**store, on(first, number), &bytes(1, 10), 10).await.expect("writes");
    }
    for (number, expected) in [(0, vec![on(1, 0), on(2, 0)]), (1, vec![on(1, 1)]), (0x0100, vec![on(1, 0x0100)]), (2, vec![])] {
        let mut found = store.shelf(number).await.expect("lists");
        found.sort_unstable();
        assert_eq!(found, expected, "shelf {number:04x}");
    }
    assert_eq!(store.shelf(u16::MAX).await, Ok(vec![on(1, u16::MAX)]));
}

async fn a_blob_is_settled_once_it_is_confirmed(open: &Open) {
    let store = open();
    for number in 1..=2 {
        write(&*store, id(number), &bytes(number, 5_000), 5_000).await.expect("writes");
        assert_eq!(store.settled_size(id(number)).await, Ok(None), "somebody is about to record it");
    }
    store.confirm(id(1)).await;
    let size = store.settled_size(id(1)).await.expect("looks").expect("it is confirmed");
    assert!((5_000..6_000).contains(&size), "{size}");
    assert_eq!(store.settled_size(id(9)).await, Ok(None), "there is none");
    drop(store);
    let store = open();
    assert_eq!(store.settled_size(id(2)).await, Ok(None), "nor has anybody said after a restart what it is");
    store.delete(id(1)).await.expect("deletes");
    assert_eq!(store.settled_size(id(1)).await, Ok(None));
}
