//! Damage, what mends it, and that nothing is lost by it.

use super::{fixture::*, tests::*};
use crate::{
    blob::BlobId,
    meta::{
        Write, keys,
        record::{BlobRecord, Content, ManifestChunk, ObjectRecord},
    },
    model::{Failure, Timestamp},
    ops::VerifyReport,
};
use bytes::Bytes;
use std::collections::BTreeMap;

/// Everything in a store, to be compared.
async fn contents(store: &Fixture) -> (BTreeMap<Bytes, Bytes>, BTreeMap<BlobId, Bytes>) {
    let mut rows = BTreeMap::new();
    for table in b'A'..=b'Z' {
        rows.extend(store.kv.scan(keys::table(table), usize::MAX).await.unwrap());
    }
    let files = store.blobs.files.lock().unwrap().clone();
    (rows, files)
}

async fn repair(store: &Fixture) -> VerifyReport {
    store.gateway.repair(false).await.unwrap()
}

fn is_noted(store: &Fixture, what: &str, key: &[u8]) -> bool {
    store.blobs.manifest.lock().unwrap().iter().any(|entry| entry["what"] == what && entry["key"] == hex::encode(key))
}

fn object_rows(contents: &(BTreeMap<Bytes, Bytes>, BTreeMap<BlobId, Bytes>)) -> Vec<(&Bytes, &Bytes)> {
    contents.0.iter().filter(|(row, _)| matches!(row[0], b'B' | b'O' | b'U')).collect()
}

#[tokio::test]
async fn a_sound_store_is_left_as_it_is() {
    let store = sound_store().await;
    let before = contents(&store).await;
    let report = repair(&store).await;
    assert_eq!((report.repairs, report.problems), (vec![], vec![]));
    assert_eq!(contents(&store).await, before);
    assert!(store.blobs.manifest.lock().unwrap().is_empty() && store.blobs.quarantined.lock().unwrap().is_empty());
}

/// Each line damages a sound store in one way; a repair mends it, keeps what it takes out, and leaves every bucket, object
/// and upload as it was. Doing it again changes nothing.
#[tokio::test]
async fn every_damage_that_can_be_mended_is() {
    async fn mended(damage: impl AsyncFnOnce(&Fixture), files: &[(BlobId, &[u8])], rows: &[Vec<u8>]) {
        let store = sound_store().await;
        damage(&store).await;
        let damaged = contents(&store).await;
        let dry = store.gateway.repair(true).await.unwrap();
        assert!(!dry.repairs.is_empty() && !dry.problems.is_empty(), "{dry:?}");
        assert_eq!(contents(&store).await, damaged, "a dry run changes nothing");
        assert!(store.blobs.manifest.lock().unwrap().is_empty(), "nor does it note anything");

        let report = repair(&store).await;
        assert_eq!(report.problems, [""; 0], "{:#?}", report.repairs);
        for repair in &dry.repairs {
            assert!(report.repairs.contains(repair), "{repair} in {:#?}", report.repairs);
        }
        let after = contents(&store).await;
        assert_eq!(object_rows(&after), object_rows(&damaged));
        let quarantined = store.blobs.quarantined.lock().unwrap().clone();
        let expected: BTreeMap<_, _> = files.iter().map(|(blob, bytes)| (*blob, Bytes::copy_from_slice(bytes))).collect();
        assert_eq!(quarantined, expected);
        for row in rows {
            assert!(is_noted(&store, "row", row), "{} in {:#?}", row.escape_ascii(), store.blobs.manifest.lock().unwrap());
            assert!(!after.0.contains_key(&row[..]));
        }

        let notes = store.blobs.manifest.lock().unwrap().len();
        assert_eq!(repair(&store).await.repairs, [""; 0]);
        assert_eq!((contents(&store).await, store.blobs.manifest.lock().unwrap().len()), (after, notes));
    }
    let recount = |blob: BlobId, holders: u32| {
        async move |store: &Fixture| store.change::<BlobRecord>(keys::blob(blob), |row| row.holders = holders).await
    };

    // Files and their rows.
    let file = async |store: &Fixture| drop(store.blobs.files.lock().unwrap().insert(ORPHAN, Bytes::from_static(b"x")));
    mended(file, &[(ORPHAN, b"x")], &[]).await;
    let row = async |store: &Fixture| store.file(ORPHAN, b"x", 1).await;
    mended(row, &[(ORPHAN, b"x")], &[keys::blob(ORPHAN)]).await;
    let row_alone = async |store: &Fixture| store.put(keys::blob(ORPHAN), &BlobRecord { size: 1, holders: 1 }).await;
    mended(row_alone, &[], &[keys::blob(ORPHAN)]).await;
    let unreadable = async |store: &Fixture| store.write(vec![Write::Put(keys::blob(ORPHAN), Bytes::from_static(b"\xFF"))]).await;
    mended(unreadable, &[], &[keys::blob(ORPHAN)]).await;
    mended(recount(WHOLE, 5), &[], &[]).await;
    mended(recount(SHARED, 1), &[], &[]).await;
    for blob in [WHOLE, SHARED, PART, KEPT, LEFT, OLD] {
        mended(async |store: &Fixture| store.delete(keys::blob(blob)).await, &[], &[]).await;
        let unreadable = async |store: &Fixture| store.write(vec![Write::Put(keys::blob(blob), Bytes::from_static(b"\xFF"))]).await;
        mended(unreadable, &[], &[]).await;
    }
    let dangling = async |store: &Fixture| {
        store.delete(keys::blob(OLD)).await;
        store.blobs.files.lock().unwrap().remove(&OLD);
    };
    mended(dangling, &[], &[]).await;

    // Rows that nothing leads to, and what they held.
    let inline = async |store: &Fixture| store.inline(ORPHAN, b"x").await;
    mended(inline, &[], &[keys::inline_data(ORPHAN)]).await;
    let parts = async |store: &Fixture| {
        store.file(ORPHAN, b"gone", 1).await;
        store.put(part_row(upload_id(9), 1, 1), &part(b"gone", vec![in_file(ORPHAN, 0, 4), in_file(SHARED, 0, 1)])).await;
        store.change::<BlobRecord>(keys::blob(SHARED), |row| row.holders += 1).await;
    };
    mended(parts, &[(ORPHAN, b"gone")], &[part_row(upload_id(9), 1, 1), keys::blob(ORPHAN)]).await;
    let manifest_lost = async |store: &Fixture| store.delete(todo_row(1)).await;
    mended(manifest_lost, &[], &[keys::manifest_chunk(OLD_MANIFEST, 0), keys::manifest_chunk(OLD_MANIFEST, 1)]).await;
    let extra = async |store: &Fixture| store.put(keys::manifest_chunk(MANIFEST, 2), &ManifestChunk { start: 900, parts: vec![] }).await;
    mended(extra, &[], &[keys::manifest_chunk(MANIFEST, 2)]).await;
    let todo_lost = async |store: &Fixture| store.delete(todo_row(4)).await;
    mended(todo_lost, &[(OLD, b"old")], &[keys::blob(OLD), keys::inline_data(SMALL_OLD)]).await;

    // Events.
    let due = |millis| keys::event_due(Timestamp::from_millis(millis), EVENT);
    mended(async |store: &Fixture| store.delete(due(100)).await, &[], &[]).await;
    let twin = async |store: &Fixture| store.write(vec![Write::Put(due(99), Bytes::new())]).await;
    mended(twin, &[], &[due(99)]).await;
    mended(async |store: &Fixture| store.delete(keys::event(EVENT)).await, &[], &[due(100)]).await;
}

/// What a quarantined row was can be put back from the manifest.
#[tokio::test]
async fn the_manifest_holds_rows_as_they_were() {
    let store = sound_store().await;
    store.inline(ORPHAN, b"small and lost").await;
    repair(&store).await;
    let manifest = store.blobs.manifest.lock().unwrap().clone();
    let entry = &manifest[0];
    assert_eq!(hex::decode(entry["value"].as_str().unwrap()).unwrap(), b"small and lost");
    assert_eq!((entry["size"].as_u64(), entry["when_ms"].as_i64()), (Some(14), Some(1_700_000_000_000)));
    assert!(entry["why"].as_str().unwrap().contains("referred to by nothing"), "{entry}");
}

/// Lost and rotten bytes stay told by the names of those who lost them, and nothing of theirs is touched.
#[tokio::test]
async fn what_cannot_be_mended_stays_told() {
    async fn told(damage: impl AsyncFnOnce(&Fixture)) {
        let store = sound_store().await;
        damage(&store).await;
        let damaged = contents(&store).await;
        let expected = store.gateway.verify().await.unwrap().problems;
        assert!(!expected.is_empty());
        let report = repair(&store).await;
        assert_eq!((report.problems, report.repairs), (expected, vec![]));
        assert_eq!(contents(&store).await, damaged);
    }
    told(async |store: &Fixture| drop(store.blobs.files.lock().unwrap().insert(WHOLE, Bytes::from_static(b"whale object")))).await;
    told(async |store: &Fixture| drop(store.blobs.files.lock().unwrap().remove(&WHOLE))).await;
    told(async |store: &Fixture| store.delete(keys::inline_data(SMALL)).await).await;
    let unbound = async |store: &Fixture| {
        store.put(object_row(crate::meta::record::BucketId([9; 8]), "k"), &object(b"", Content::Here(vec![]))).await
    };
    told(unbound).await;
}

/// A record that cannot be read may refer to anything, so nothing goes that seems to be nobody's.
#[tokio::test]
async fn nothing_goes_while_a_record_cannot_be_read() {
    let garbage = || Bytes::from_static(b"\xFF");
    let upload = keys::upload(PHOTOS, &key_of("open"), &upload_id(1));
    let rows = [
        upload,
        object_row(PHOTOS, "whole"),
        part_row(upload_id(1), 1, 1),
        keys::manifest_chunk(MANIFEST, 1),
        todo_row(4),
        b"Oshort".to_vec(),
    ];
    for row in rows {
        let store = sound_store().await;
        store.blobs.files.lock().unwrap().insert(ORPHAN, Bytes::new());
        store.inline(ORPHAN, b"x").await;
        store.write(vec![Write::Put(row.clone(), garbage())]).await;
        let damaged = contents(&store).await;
        let report = repair(&store).await;
        assert_eq!(report.repairs, [""; 0], "{}", row.escape_ascii());
        assert!(report.problems.iter().any(|problem| problem.contains("no row")), "{:#?}", report.problems);
        assert_eq!(contents(&store).await, damaged);
    }
    // Nor while a chunk is missing that an object needs. What needs to see nothing else is mended all the same.
    let store = sound_store().await;
    store.delete(keys::manifest_chunk(MANIFEST, 1)).await;
    store.delete(keys::event_due(Timestamp::from_millis(100), EVENT)).await;
    let report = repair(&store).await;
    assert_eq!(report.repairs.len(), 1, "{:#?}", report.repairs);
    let record = BlobRecord { size: 256, holders: 602 };
    assert_eq!(store.kv.get(&keys::blob(SHARED)).await.unwrap(), Some(crate::meta::record::Record::encode(&record)));
}

/// Wherever a repair is broken off, the next one ends where one that was not would have.
#[tokio::test]
async fn a_repair_that_crashed_is_done_again() {
    async fn damaged() -> Fixture {
        let store = sound_store().await;
        store.blobs.files.lock().unwrap().insert(BlobId([0; 16]), Bytes::from_static(b"y"));
        store.file(ORPHAN, b"gone", 1).await;
        store.put(part_row(upload_id(9), 1, 1), &part(b"gone", vec![in_file(ORPHAN, 0, 4)])).await;
        store.change::<ObjectRecord>(object_row(VIDEOS, "two"), |object| object.last_modified = Timestamp::from_millis(7)).await;
        store
    }
    let store = damaged().await;
    repair(&store).await;
    let expected = contents(&store).await;
    let quarantined = store.blobs.quarantined.lock().unwrap().clone();
    assert_eq!(quarantined.len(), 2);
    let mut crashes = 0;
    loop {
        let store = damaged().await;
        *store.blobs.crash_after.lock().unwrap() = Some(crashes);
        let first = store.gateway.repair(false).await;
        if first.is_ok() {
            break;
        }
        assert_eq!(first.unwrap_err(), Failure::Internal);
        assert_eq!(repair(&store).await.problems, [""; 0]);
        assert_eq!(contents(&store).await, expected, "a crash after {crashes} steps");
        assert_eq!(*store.blobs.quarantined.lock().unwrap(), quarantined);
        crashes += 1;
    }
    assert!(crashes > 6, "there were steps to crash after, but only {crashes}");
}
