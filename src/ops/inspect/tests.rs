//! A sound store, every way to damage it, and what `verify` and `open_uploads` must say.

use super::fixture::*;
use super::*;
use crate::{
    blob::BlobId,
    meta::{
        Kv, RocksKv, RocksSettings, Write,
        record::{
            BlobRecord, BucketId, CompletedRecord, Content, EventState, ManifestChunk, ManifestId, ObjectRecord, Record, Revision, Todo,
        },
    },
    model::{ETag, EventId, Timestamp, UploadId},
};
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

pub(super) const PHOTOS: BucketId = BucketId([1; 8]);
pub(super) const VIDEOS: BucketId = BucketId([2; 8]);
pub(super) const WHOLE: BlobId = BlobId([0x10; 16]);
pub(super) const SHARED: BlobId = BlobId([0x20; 16]);
pub(super) const PART: BlobId = BlobId([0x30; 16]);
pub(super) const KEPT: BlobId = BlobId([0x40; 16]);
pub(super) const LEFT: BlobId = BlobId([0x50; 16]);
pub(super) const OLD: BlobId = BlobId([0x60; 16]);
pub(super) const SMALL: BlobId = BlobId([0x70; 16]);
pub(super) const SMALL_PART: BlobId = BlobId([0x71; 16]);
pub(super) const SMALL_OLD: BlobId = BlobId([0x72; 16]);
pub(super) const ORPHAN: BlobId = BlobId([0x80; 16]);
pub(super) const MANIFEST: ManifestId = ManifestId([0xA0; 16]);
pub(super) const OLD_MANIFEST: ManifestId = ManifestId([0xA1; 16]);
pub(super) const EVENT: EventId = EventId([0xE0; 16]);
pub(super) const OLD_EVENT: EventId = EventId([0xE1; 16]);

pub(super) fn upload_id(id: u8) -> UploadId {
    UploadId::from_bytes([id; 16])
}

pub(super) fn object_row(bucket: BucketId, key: &str) -> Vec<u8> {
    keys::object(bucket, &key_of(key))
}

pub(super) fn todo_row(sequence: u64) -> Vec<u8> {
    keys::todo(Timestamp::from_millis(9), sequence)
}

/// A store with everything in it that a sound one may hold.
pub(super) async fn sound_store() -> Fixture {
    let store = Fixture::new();
    fill(&store).await;
    store
}

async fn fill(store: &Fixture) {
    store.bucket("photos", PHOTOS).await;
    store.bucket("videos", VIDEOS).await;
    // An object in a file, an empty one, and one in the index.
    store.file(WHOLE, b"whole object", 1).await;
    store.put(object_row(PHOTOS, "whole"), &object(b"whole object", Content::Here(vec![manifest_part(vec![in_file(WHOLE, 0, 12)])]))).await;
    store.put(object_row(PHOTOS, "empty"), &object(b"", Content::Here(vec![]))).await;
    store.inline(SMALL, b"small").await;
    store.put(object_row(VIDEOS, "small"), &object(b"small", Content::Here(vec![manifest_part(vec![in_index(SMALL, 5)])]))).await;
    // A file of which copies hold ranges: one of 300 parts, one of two extents in a part, and an old one that was deleted.
    let shared: Vec<u8> = (0..=255).collect();
    let parts: Vec<_> = (0..300).map(|index| manifest_part(vec![in_file(SHARED, index % 250, 3)])).collect();
    let bytes: Vec<u8> = (0..300).flat_map(|index| shared[index % 250..][..3].to_vec()).collect();
    store.file(SHARED, &shared, 300 + 2 + 300).await;
    for (id, is_old) in [(MANIFEST, false), (OLD_MANIFEST, true)] {
        let (content, rows) = manifest(id, &parts);
        store.write(rows).await;
        if is_old {
            store.put(todo_row(1), &Todo::ReleaseContent(content)).await;
        } else {
            store.put(object_row(VIDEOS, "many"), &object(&bytes, content)).await;
        }
    }
    let two = Content::Here(vec![manifest_part(vec![in_file(SHARED, 10, 5), in_file(SHARED, 0, 2)])]);
    store.put(object_row(VIDEOS, "two"), &object(&[10, 11, 12, 13, 14, 0, 1], two)).await;
    // An open upload with a part uploaded twice.
    store.upload(PHOTOS, "open", upload_id(1), 3).await;
    store.file(PART, b"part", 1).await;
    store.put(part_row(upload_id(1), 1, 1), &part(b"part", vec![in_file(PART, 0, 4)])).await;
    store.inline(SMALL_PART, b"again").await;
    store.put(part_row(upload_id(1), 1, 2), &part(b"again", vec![in_index(SMALL_PART, 5)])).await;
    // A completed upload whose part rows are still there: one became the object, one did not.
    store.file(KEPT, b"kept", 1).await;
    store.file(LEFT, b"left", 1).await;
    store.put(part_row(upload_id(2), 1, 1), &part(b"left", vec![in_file(LEFT, 0, 4)])).await;
    store.put(part_row(upload_id(2), 1, 2), &part(b"kept", vec![in_file(KEPT, 0, 4)])).await;
    store.put(object_row(PHOTOS, "done"), &object(b"kept", Content::Here(vec![manifest_part(vec![in_file(KEPT, 0, 4)])]))).await;
    store.put(todo_row(2), &Todo::EndUpload { upload: upload_id(2), kept: vec![(number(1), Revision(2))] }).await;
    let completed = CompletedRecord {
        bucket: PHOTOS,
        key: key_of("done"),
        list_digest: [0; 32],
        etag: ETag::Whole([0; 16]),
        size: 4,
        checksum: None,
        crc64_ecma: 0,
    };
    store.put(keys::completed(&upload_id(2)), &completed).await;
    store.put(todo_row(3), &Todo::ForgetCompleted(upload_id(2))).await;
    // What was overwritten waits to be let go of.
    store.file(OLD, b"old", 1).await;
    store.inline(SMALL_OLD, b"old").await;
    let old = Content::Here(vec![manifest_part(vec![in_file(OLD, 0, 3), in_index(SMALL_OLD, 3)])]);
    store.put(todo_row(4), &Todo::ReleaseContent(old)).await;
    // An event to be told, and one that is settled; its bucket is gone.
    store.event(EVENT, &event("photos", 100, EventState::Pending)).await;
    store.event(OLD_EVENT, &event("gone", 200, EventState::Delivered(Timestamp::from_millis(150)))).await;
}

async fn problems(store: &Fixture) -> Vec<String> {
    store.gateway.verify_settling(Duration::from_millis(3)).await.unwrap().problems
}

#[tokio::test]
async fn a_sound_store_has_no_problems_and_is_read_once() {
    let store = sound_store().await;
    let report = store.gateway.verify().await.unwrap();
    assert_eq!(report.problems, [""; 0]);
    // Each file once, and each range of the shared one once, however many hold it.
    let files = b"whole object".len() + b"part".len() + b"kept".len() + b"left".len() + b"old".len() + 256;
    let ranges = 250 * 3 + 7;
    assert_eq!(report.bytes, (files + ranges + b"small".len() + b"again".len()) as u64);
    assert_eq!(report.blobs, 6 + 2);
    let mut rows = 0;
    for table in 0..=254 {
        rows += store.kv.scan(keys::table(table), usize::MAX).await.unwrap().len() as u64;
    }
    assert_eq!(report.records, rows);
}

#[tokio::test]
async fn a_partly_released_manifest_is_no_problem() {
    let store = sound_store().await;
    store.delete(keys::manifest_chunk(OLD_MANIFEST, 0)).await;
    store.change::<BlobRecord>(keys::blob(SHARED), |row| row.holders -= 256).await;
    assert_eq!(problems(&store).await, [""; 0]);
}

/// Files are removed before the rows about them, and a start removes what was sealed in vain.
#[tokio::test]
async fn what_a_crash_leaves_for_the_next_start_is_no_problem() {
    let store = sound_store().await;
    store.blobs.files.lock().unwrap().remove(&OLD);
    store.blobs.files.lock().unwrap().insert(ORPHAN, Bytes::new());
    store.blobs.unconfirmed.lock().unwrap().push(ORPHAN);
    assert_eq!(problems(&store).await, [""; 0]);
    store.blobs.files.lock().unwrap().remove(&LEFT);
    assert_eq!(problems(&store).await, [format!("L {LEFT}: has no file")]);
}

/// Each line damages a sound store in one way and says what must be found: these problems and no others.
#[tokio::test]
async fn every_damage_is_found_and_named() {
    async fn expect(damage: impl AsyncFnOnce(&Fixture), expected: &[&str]) {
        let store = sound_store().await;
        damage(&store).await;
        let found = problems(&store).await;
        assert_eq!(found.len(), expected.len(), "{found:#?} for {expected:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found:?} for {expected:?}");
        }
    }
    let hex = |blob: BlobId| blob.to_string();

    // Bytes.
    let rot = async |store: &Fixture| drop(store.blobs.files.lock().unwrap().insert(WHOLE, Bytes::from_static(b"whale object")));
    expect(rot, &["O photos \"whole\": its bytes have CRC-64 "]).await;
    let gone = async |store: &Fixture| drop(store.blobs.files.lock().unwrap().remove(&WHOLE));
    let no_file = format!("L {}: has no file", hex(WHOLE));
    let read = format!("O photos \"whole\": 12 bytes at 0 of blob {}: blob {0} is missing", hex(WHOLE));
    expect(gone, &[&no_file, &read].map(String::as_str)).await;
    let short = async |store: &Fixture| drop(store.blobs.files.lock().unwrap().insert(OLD, Bytes::from_static(b"o")));
    expect(short, &[&format!("L {}: 3 bytes are recorded, the file has 1", hex(OLD))]).await;
    let rot = async |store: &Fixture| drop(store.blobs.files.lock().unwrap().insert(PART, Bytes::from_static(b"pest")));
    expect(rot, &[&format!("P {} part 1 revision 1: its bytes have CRC-64 ", upload_id(1))]).await;
    let rot = async |store: &Fixture| store.inline(SMALL, b"smell").await;
    expect(rot, &["O videos \"small\": its bytes have CRC-64 "]).await;
    let short = async |store: &Fixture| store.inline(SMALL_PART, b"aga").await;
    expect(short, &[&format!("P {} part 1 revision 2: 5 bytes at 0 of blob {}: the blob has 3 bytes", upload_id(1), hex(SMALL_PART))])
        .await;
    let gone = async |store: &Fixture| store.delete(keys::inline_data(SMALL)).await;
    let [no_row, read] = [
        format!("D {}: there is no row, but 1 holders", hex(SMALL)),
        format!("O videos \"small\": 5 bytes at 0 of blob {}: there is no such row in D", hex(SMALL)),
    ];
    expect(gone, &[&no_row, &read].map(String::as_str)).await;

    // Sizes and digests in records.
    let row = || object_row(VIDEOS, "two");
    let change = async |store: &Fixture| store.change::<ObjectRecord>(row(), |object| object.size = 8).await;
    expect(change, &["O videos \"two\": 8 bytes are recorded, its bytes are 7"]).await;
    let change = async |store: &Fixture| store.change::<ObjectRecord>(row(), |object| object.crc64_ecma ^= 1).await;
    expect(change, &["O videos \"two\": its bytes have CRC-64 "]).await;
    let part_size = |object: &mut ObjectRecord| match &mut object.content {
        Content::Here(parts) => parts[0].size = 9,
        Content::Manifest { .. } => unreachable!("two has one part"),
    };
    let change = async |store: &Fixture| store.change(row(), part_size).await;
    expect(change, &["O videos \"two\": a part at offset 0 has 7 bytes, not 9 as recorded"]).await;
    let beyond = |object: &mut ObjectRecord| match &mut object.content {
        Content::Here(parts) => parts[0].extents[0].offset = 252,
        Content::Manifest { .. } => unreachable!("two has one part"),
    };
    let change = async |store: &Fixture| store.change(row(), beyond).await;
    expect(change, &[&format!("O videos \"two\": 5 bytes at 252 of blob {}: the blob has 256 bytes", hex(SHARED))]).await;
    let endless = |object: &mut ObjectRecord| match &mut object.content {
        Content::Here(parts) => parts[0].extents[0].offset = u64::MAX,
        Content::Manifest { .. } => unreachable!("two has one part"),
    };
    let change = async |store: &Fixture| store.change(row(), endless).await;
    expect(change, &["O videos \"two\": 5 bytes at 18446744073709551615"]).await;
    let change = async |store: &Fixture| store.change::<BlobRecord>(keys::blob(LEFT), |row| row.size = 5).await;
    expect(change, &[&format!("L {}: 5 bytes are recorded, the file has 4", hex(LEFT))]).await;

    // Manifests.
    let chunk = |number| keys::manifest_chunk(MANIFEST, number);
    let name = |number| format!("chunk {number} of manifest {}", hex::encode(MANIFEST.0));
    let gone = async |store: &Fixture| store.delete(chunk(1)).await;
    let [holders, missing] =
        [format!("L {}: 602 holders are recorded, 558 found", hex(SHARED)), format!("O videos \"many\": {} is missing", name(1))];
    expect(gone, &[&holders, &missing].map(String::as_str)).await;
    let shift = async |store: &Fixture| store.change::<ManifestChunk>(chunk(1), |chunk| chunk.start += 1).await;
    expect(shift, &[&format!("O videos \"many\": {} starts at 769, the one before ends at 768", name(1))]).await;
    let ends = |object: &mut ObjectRecord| match &mut object.content {
        Content::Manifest { chunk_ends, .. } => chunk_ends[0] -= 1,
        Content::Here(_) => unreachable!("many has a manifest"),
    };
    let change = async |store: &Fixture| store.change(object_row(VIDEOS, "many"), ends).await;
    expect(change, &[&format!("O videos \"many\": {} ends at 768, not at 767", name(0))]).await;
    let extra = async |store: &Fixture| store.put(chunk(2), &ManifestChunk { start: 900, parts: vec![] }).await;
    expect(extra, &[&format!("M {} chunk 2: is beyond the 2 chunks", hex::encode(MANIFEST.0))]).await;
    let orphan = async |store: &Fixture| store.delete(todo_row(1)).await;
    let old = |chunk| format!("M {} chunk {chunk}: is referred to by nothing", hex::encode(OLD_MANIFEST.0));
    expect(orphan, &[&old(0), &old(1)].map(String::as_str)).await;
    let twin = async |store: &Fixture| {
        let many = store.kv.get(&object_row(VIDEOS, "many")).await.unwrap().unwrap();
        store.write(vec![Write::Put(object_row(VIDEOS, "twin"), many)]).await;
    };
    expect(twin, &["O videos \"twin\": shares manifest "]).await;

    // Holders.
    for (blob, found) in [(WHOLE, 1), (SHARED, 602), (PART, 1), (KEPT, 1), (LEFT, 1), (OLD, 1)] {
        let change = async |store: &Fixture| store.change::<BlobRecord>(keys::blob(blob), |row| row.holders += 1).await;
        expect(change, &[&format!("L {blob}: {} holders are recorded, {found} found", found + 1)]).await;
    }
    let gone = async |store: &Fixture| store.delete(keys::blob(WHOLE)).await;
    let [no_row, held] = [format!("L {WHOLE}: there is a file, but no row"), format!("L {WHOLE}: there is no row, but 1 holders")];
    expect(gone, &[&no_row, &held].map(String::as_str)).await;
    for orphan in [ORPHAN, BlobId([0; 16])] {
        let file = async |store: &Fixture| drop(store.blobs.files.lock().unwrap().insert(orphan, Bytes::new()));
        expect(file, &[&format!("L {orphan}: there is a file, but no row")]).await;
    }
    let orphan = async |store: &Fixture| store.file(ORPHAN, b"x", 1).await;
    expect(orphan, &[&format!("L {ORPHAN}: 1 holders are recorded, 0 found")]).await;
    let orphan = async |store: &Fixture| store.inline(ORPHAN, b"x").await;
    expect(orphan, &[&format!("D {ORPHAN}: is referred to by nothing")]).await;
    let twin = async |store: &Fixture| {
        let small = store.kv.get(&object_row(VIDEOS, "small")).await.unwrap().unwrap();
        store.write(vec![Write::Put(object_row(PHOTOS, "twin"), small)]).await;
    };
    expect(twin, &[&format!("D {SMALL}: has 2 holders instead of one")]).await;

    // Uploads and buckets.
    let orphan = async |store: &Fixture| store.delete(keys::upload(PHOTOS, &key_of("open"), &upload_id(1))).await;
    let name = |revision| format!("P {} part 1 revision {revision}: is of no upload", upload_id(1));
    expect(orphan, &[&name(1), &name(2)].map(String::as_str)).await;
    let orphan = async |store: &Fixture| store.upload(BucketId([0xEE; 8]), "k", upload_id(9), 1).await;
    expect(orphan, &[&format!("U eeeeeeeeeeeeeeee \"k\" {}: is of no bucket", upload_id(9))]).await;
    let orphan = async |store: &Fixture| store.put(object_row(BucketId([0xEE; 8]), "k"), &object(b"", Content::Here(vec![]))).await;
    expect(orphan, &["O eeeeeeeeeeeeeeee \"k\": is of no bucket"]).await;
    let twin = async |store: &Fixture| store.bucket("zzz", PHOTOS).await;
    expect(twin, &["B zzz: has the id of bucket photos"]).await;

    // Events.
    let due = |millis| keys::event_due(Timestamp::from_millis(millis), EVENT);
    let mute = async |store: &Fixture| store.delete(due(100)).await;
    expect(mute, &[&format!("E {EVENT}: is due at 100 ms, but no row says so")]).await;
    let orphan = async |store: &Fixture| store.delete(keys::event(EVENT)).await;
    expect(orphan, &[&format!("N {EVENT}: is of no event")]).await;
    let twin = async |store: &Fixture| store.write(vec![Write::Put(due(99), Bytes::new())]).await;
    expect(twin, &[&format!("N {EVENT}: is not when its event is due")]).await;
    let unreadable = async |store: &Fixture| store.write(vec![Write::Put(keys::event(EVENT), Bytes::from_static(b"\xFF"))]).await;
    expect(unreadable, &[&format!("E {EVENT}: corrupt record")]).await;
}

#[tokio::test]
async fn rows_that_cannot_be_read_are_named() {
    let store = sound_store().await;
    let garbage = [
        b"BX".to_vec(),
        b"Oshort".to_vec(),
        b"Ushort".to_vec(),
        b"Pshort".to_vec(),
        b"Mshort".to_vec(),
        b"Lx".to_vec(),
        b"Dx".to_vec(),
        b"Ex".to_vec(),
        b"Nx".to_vec(),
    ];
    let unreadable = [keys::access_key("AK"), keys::completed(&upload_id(7)), todo_row(99)];
    for row in garbage.iter().chain(&unreadable) {
        store.write(vec![Write::Put(row.clone(), Bytes::from_static(b"\xFF"))]).await;
    }
    let found = problems(&store).await;
    assert_eq!(found.len(), garbage.len() + unreadable.len(), "{found:#?}");
    for expected in [
        "B 58: is not",
        "D 78: is not",
        "L 78: is not",
        "O 73686f7274: is not",
        "K \"AK\": corrupt record",
        "T 00000000000000090000000000000063: corrupt record",
    ] {
        assert!(found.iter().any(|found| found.starts_with(expected)), "{expected} in {found:#?}");
    }
}

/// Objects come and go as fast as they can, so counts catch some of them half-way.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn what_changes_meanwhile_is_no_problem() {
    let store = Arc::new(sound_store().await);
    let is_over = Arc::new(AtomicBool::new(false));
    let rounds = Arc::new(AtomicU64::new(0));
    let writer = {
        let (store, is_over, rounds) = (Arc::clone(&store), Arc::clone(&is_over), Arc::clone(&rounds));
        tokio::spawn(async move {
            while !is_over.load(Ordering::Acquire) {
                let round = rounds.fetch_add(1, Ordering::AcqRel) + 1;
                let mut id = [0x11; 16];
                id[..8].copy_from_slice(&round.to_be_bytes());
                let (blob, bytes) = (BlobId(id), round.to_be_bytes());
                let row = object_row(PHOTOS, "busy");
                store.blobs.files.lock().unwrap().insert(blob, Bytes::copy_from_slice(&bytes));
                let content = Content::Here(vec![manifest_part(vec![in_file(blob, 0, 8)])]);
                let held = BlobRecord { size: 8, holders: 1 };
                let writes = vec![Write::Put(row.clone(), object(&bytes, content).encode()), Write::Put(keys::blob(blob), held.encode())];
                store.write(writes).await;
                tokio::task::yield_now().await;
                store.write(vec![Write::Delete(row), Write::Delete(keys::blob(blob))]).await;
                store.blobs.files.lock().unwrap().remove(&blob);
            }
        })
    };
    // On a busy machine the writer may be put aside while several verifications pass.
    let mut verified = 0;
    while verified < 20 || rounds.load(Ordering::Acquire) < 100 {
        verified += 1;
        // Long enough for a writer that was put aside on a busy machine.
        assert_eq!(store.gateway.verify_settling(Duration::from_millis(100)).await.unwrap().problems, [""; 0]);
    }
    is_over.store(true, Ordering::Release);
    writer.await.unwrap();
}

#[tokio::test]
async fn rocks_is_verified_like_memory() {
    let directory = tempfile::tempdir().unwrap();
    let store = Fixture::over(Arc::new(RocksKv::open(directory.path(), RocksSettings::default()).unwrap()) as Arc<dyn Kv>);
    fill(&store).await;
    assert_eq!(problems(&store).await, [""; 0]);
    store.inline(ORPHAN, &[1; 10_000]).await;
    assert_eq!(problems(&store).await, [format!("D {ORPHAN}: is referred to by nothing")]);
}

#[tokio::test]
async fn open_uploads_are_listed_with_what_they_hold() {
    let store = sound_store().await;
    store.upload(PHOTOS, "open", upload_id(0), 9).await;
    store.upload(PHOTOS, "a", upload_id(5), 1).await;
    store.upload(VIDEOS, "a", upload_id(4), 7).await;
    store.put(part_row(upload_id(1), 700, 3), &part(b"more", vec![])).await;
    let open = store.gateway.open_uploads(usize::MAX).await.unwrap();
    let told: Vec<_> = open.iter().map(|open| (open.bucket.as_str(), open.key.as_str(), open.upload_id)).collect();
    let expected =
        [("photos", "a", upload_id(5)), ("photos", "open", upload_id(0)), ("photos", "open", upload_id(1)), ("videos", "a", upload_id(4))];
    assert_eq!(told, expected);
    let with_parts = &open[2];
    assert_eq!((with_parts.part_count, with_parts.bytes_held), (2, 4 + 5 + 4));
    assert_eq!((with_parts.initiated.millis(), with_parts.last_activity.millis()), (3, 5));
    assert_eq!((open[1].part_count, open[1].bytes_held, open[1].last_activity.millis()), (0, 0, 9));
    assert_eq!(store.gateway.open_uploads(2).await.unwrap(), open[..2]);
    assert_eq!(store.gateway.open_uploads(0).await.unwrap(), []);
}

#[tokio::test]
async fn many_parts_and_uploads_are_paged_through() {
    let store = sound_store().await;
    for id in 10..=255 {
        store.upload(VIDEOS, "many", upload_id(id), 1).await;
    }
    let writes = (1..=1000_u64).flat_map(|index| (0..2).map(move |revision| (index, revision)));
    let writes = writes.map(|(index, revision)| Write::Put(part_row(upload_id(10), index, revision), part(b"12", vec![]).encode()));
    store.write(writes.collect()).await;
    let open = store.gateway.open_uploads(usize::MAX).await.unwrap();
    assert_eq!(open.len(), 1 + 246);
    assert_eq!((open[1].part_count, open[1].bytes_held), (1000, 4000));
}

/// The most parts that an upload can have, on the engine that has to look between all of them.
#[tokio::test]
async fn an_upload_of_ten_thousand_parts_expires() {
    let directory = tempfile::tempdir().unwrap();
    let kv = RocksKv::open(directory.path(), RocksSettings { sync_writes: false, ..RocksSettings::default() }).unwrap();
    let store = Fixture::over(Arc::new(kv) as Arc<dyn Kv>);
    store.bucket("photos", PHOTOS).await;
    store.upload(PHOTOS, "large", upload_id(1), 3).await;
    let rows = (1..=10_000).flat_map(|number| (1..=2).map(move |revision| part_row(upload_id(1), number, revision)));
    store.write(rows.map(|row| Write::Put(row, part(b"12", vec![]).encode())).collect()).await;
    let stale = store.gateway.expire_uploads(store.gateway.now(), 1_000, 10).await.unwrap();
    assert_eq!((stale.count, stale.uploads[0].part_count, stale.bytes_held), (1, 10_000, 40_000));
    assert_eq!(store.gateway.open_uploads(10).await.unwrap(), []);
    assert_eq!(store.gateway.stale_uploads(store.gateway.now(), 1_000, 10).await.unwrap().count, 0);
}
