//! Where each record lives. The first byte is the table; what follows sorts as listings need it.
//!
//! ```text
//! B <bucket>                                   BucketRecord
//! O <bucket id><key escaped><version slot>     ObjectRecord
//! M <manifest id><chunk u32>                   ManifestChunk
//! U <bucket id><key escaped><upload id>        UploadRecord
//! P <upload id><part number u16><revision u64> PartRecord
//! C <upload id>                                CompletedRecord
//! L <blob id>                                  BlobRecord: the live blob files and how many hold them
//! D <blob id>                                  the bytes of a small blob
//! T <due ms u64><sequence u64>                 Todo
//! K <access key>                               KeyRecord
//! Q <whose><what>                              a counter (see `Counter`)
//! G <whose>                                    QuotaRecord
//! A counted                                    nothing: everything stands in the counters
//! E <event id>                                 EventRecord
//! N <due ms u64><event id>                     nothing: when to look at an event next
//! S <name>                                     how far a search in the background has come
//! ```
//!
//! Whose is `b` and a bucket id, `k` and an access key, or `u` and an upload id.
//!
//! Integers are big-endian. Object keys are escaped so that the order of the encodings is the order
//! of the keys and no key is a prefix of another: `00` becomes `00 FF`, and `00 01` ends it.

mod counters;

pub use counters::{Counter, Whose, bucket_counters, counter, counter_of, quota, quota_of};

use crate::{
    blob::BlobId,
    meta::record::{BucketId, ManifestId, Revision},
    model::{Bucket, EventId, ObjectKey, PartNumber, Timestamp, UploadId},
};
use std::ops::Range;

/// The table of bytes kept in the index; engines may store its values apart from the records.
pub const INLINE_DATA_TABLE: u8 = b'D';

/// The table of the parts of open uploads.
pub const PARTS_TABLE: u8 = b'P';

/// The version slot of the only version there is yet, S3's `null` version.
const NULL_VERSION: [u8; 8] = [0; 8];

/// The row of a bucket.
#[must_use]
pub fn bucket(bucket: &Bucket) -> Vec<u8> {
    join(b'B', &[bucket.as_str().as_bytes()])
}

/// All buckets whose name is above `after` and starts with `prefix`.
#[must_use]
pub fn buckets(prefix: &str, after: Option<&str>) -> Range<Vec<u8>> {
    let all = prefixed(join(b'B', &[prefix.as_bytes()]));
    match after {
        Some(after) => join(b'B', &[after.as_bytes(), &[0]]).max(all.start)..all.end,
        None => all,
    }
}

/// The bucket of a bucket row's key; `None` when it is none.
#[must_use]
pub fn bucket_of(row: &[u8]) -> Option<Bucket> {
    Bucket::new(std::str::from_utf8(row.strip_prefix(b"B")?).ok()?)
}

/// The row of an object.
#[must_use]
pub fn object(bucket: BucketId, key: &ObjectKey) -> Vec<u8> {
    join(b'O', &[&bucket.0, &escape(key.as_str()), &NULL_VERSION])
}

/// All objects of a bucket.
#[must_use]
pub fn objects(bucket: BucketId) -> Range<Vec<u8>> {
    prefixed(join(b'O', &[&bucket.0]))
}

/// The objects of a bucket whose key starts with `prefix`.
#[must_use]
pub fn objects_with_prefix(bucket: BucketId, prefix: &str) -> Range<Vec<u8>> {
    prefixed(join(b'O', &[&bucket.0, &escape_open(prefix)]))
}

/// Where the objects begin whose key is above `key`.
#[must_use]
pub fn objects_after(bucket: BucketId, key: &str) -> Vec<u8> {
    // A longer key that starts with `key` sorts above its terminator `00 01`.
    join(b'O', &[&bucket.0, &escape_open(key), &[0, 2]])
}

/// Where the objects begin whose key is above every key that starts with `prefix`.
#[must_use]
pub fn objects_after_prefix(bucket: BucketId, prefix: &str) -> Vec<u8> {
    prefixed(join(b'O', &[&bucket.0, &escape_open(prefix)])).end
}

/// The object key of an object row's key; `None` when it is none.
#[must_use]
pub fn object_key_of(row: &[u8]) -> Option<ObjectKey> {
    let (key, rest) = unescape(row.strip_prefix(b"O")?.get(8..)?)?;
    (rest.len() == NULL_VERSION.len()).then_some(())?;
    ObjectKey::new(key)
}

/// One chunk of a manifest.
#[must_use]
pub fn manifest_chunk(manifest: ManifestId, chunk: u32) -> Vec<u8> {
    join(b'M', &[&manifest.0, &chunk.to_be_bytes()])
}

/// All chunks of a manifest.
#[must_use]
pub fn manifest(manifest: ManifestId) -> Range<Vec<u8>> {
    prefixed(join(b'M', &[&manifest.0]))
}

/// Manifest and chunk number of a chunk row's key; `None` when it is none.
#[must_use]
pub fn manifest_chunk_of(row: &[u8]) -> Option<(ManifestId, u32)> {
    let row: &[u8; 20] = row.strip_prefix(b"M")?.try_into().ok()?;
    Some((ManifestId(row[..16].try_into().ok()?), u32::from_be_bytes(row[16..].try_into().ok()?)))
}

/// The row of an open upload.
#[must_use]
pub fn upload(bucket: BucketId, key: &ObjectKey, upload: &UploadId) -> Vec<u8> {
    join(b'U', &[&bucket.0, &escape(key.as_str()), upload.as_bytes()])
}

/// All open uploads of a bucket.
#[must_use]
pub fn uploads(bucket: BucketId) -> Range<Vec<u8>> {
    prefixed(join(b'U', &[&bucket.0]))
}

/// The open uploads of a bucket whose key starts with `prefix`.
#[must_use]
pub fn uploads_with_prefix(bucket: BucketId, prefix: &str) -> Range<Vec<u8>> {
    prefixed(join(b'U', &[&bucket.0, &escape_open(prefix)]))
}

/// Where the uploads begin that follow upload `after` of `key`, or all of `key`'s when `None`.
#[must_use]
pub fn uploads_after(bucket: BucketId, key: &str, after: Option<&UploadId>) -> Vec<u8> {
    match after {
        Some(upload) => join(b'U', &[&bucket.0, &escape_open(key), &[0, 1], upload.as_bytes(), &[0]]),
        None => join(b'U', &[&bucket.0, &escape_open(key), &[0, 2]]),
    }
}

/// Where the uploads begin whose key is above every key that starts with `prefix`.
#[must_use]
pub fn uploads_after_prefix(bucket: BucketId, prefix: &str) -> Vec<u8> {
    prefixed(join(b'U', &[&bucket.0, &escape_open(prefix)])).end
}

/// Bucket, key and upload id of an upload row's key; `None` when it is none.
#[must_use]
pub fn upload_of(row: &[u8]) -> Option<(BucketId, ObjectKey, UploadId)> {
    let row = row.strip_prefix(b"U")?;
    let bucket = BucketId(row.get(..8)?.try_into().ok()?);
    let (key, rest) = unescape(&row[8..])?;
    Some((bucket, ObjectKey::new(key)?, UploadId::from_bytes(rest.try_into().ok()?)))
}

/// One revision of a part.
#[must_use]
pub fn part(upload: &UploadId, number: PartNumber, revision: Revision) -> Vec<u8> {
    join(PARTS_TABLE, &[upload.as_bytes(), &number.get().to_be_bytes(), &revision.0.to_be_bytes()])
}

/// All revisions of all parts of an upload.
#[must_use]
pub fn parts(upload: &UploadId) -> Range<Vec<u8>> {
    prefixed(join(PARTS_TABLE, &[upload.as_bytes()]))
}

/// All revisions of the parts numbered above `marker`.
#[must_use]
pub fn parts_after(upload: &UploadId, marker: u16) -> Range<Vec<u8>> {
    let all = parts(upload);
    match marker.checked_add(1) {
        Some(next) => join(PARTS_TABLE, &[upload.as_bytes(), &next.to_be_bytes()])..all.end,
        None => all.end.clone()..all.end,
    }
}

/// Part number and revision of a part row's key; `None` when it is none.
#[must_use]
pub fn part_of(row: &[u8]) -> Option<(UploadId, PartNumber, Revision)> {
    let row: &[u8; 26] = row.strip_prefix(b"P")?.try_into().ok()?;
    let upload = UploadId::from_bytes(row[..16].try_into().ok()?);
    let number = PartNumber::new(u64::from(u16::from_be_bytes(row[16..18].try_into().ok()?)))?;
    Some((upload, number, Revision(u64::from_be_bytes(row[18..].try_into().ok()?))))
}

/// The upload of a `C` row's key; `None` when it is none.
#[must_use]
pub fn completed_of(row: &[u8]) -> Option<UploadId> {
    Some(UploadId::from_bytes(row.strip_prefix(b"C")?.try_into().ok()?))
}

/// What a completed upload leaves for replays.
#[must_use]
pub fn completed(upload: &UploadId) -> Vec<u8> {
    join(b'C', &[upload.as_bytes()])
}

/// The row of a live blob file.
#[must_use]
pub fn blob(blob: BlobId) -> Vec<u8> {
    join(b'L', &[&blob.0])
}

/// The bytes of a small blob.
#[must_use]
pub fn inline_data(blob: BlobId) -> Vec<u8> {
    join(INLINE_DATA_TABLE, &[&blob.0])
}

/// Blob id of an `L` or `D` row's key; `None` when it is none.
#[must_use]
pub fn blob_of(row: &[u8]) -> Option<BlobId> {
    Some(BlobId(row.get(1..)?.try_into().ok()?))
}

/// A line of the to-do list, due at a time.
#[must_use]
pub fn todo(due: Timestamp, sequence: u64) -> Vec<u8> {
    join(b'T', &[&due.millis().max(0).cast_unsigned().to_be_bytes(), &sequence.to_be_bytes()])
}

/// The lines of the to-do list due at or before a time.
#[must_use]
pub fn todos_due(now: Timestamp) -> Range<Vec<u8>> {
    join(b'T', &[])..todo(now.plus_millis(1), 0)
}

/// The row of an event.
#[must_use]
pub fn event(event: EventId) -> Vec<u8> {
    join(b'E', &[&event.0])
}

/// The event of an `E` row's key; `None` when it is none.
#[must_use]
pub fn event_of(row: &[u8]) -> Option<EventId> {
    Some(EventId(row.strip_prefix(b"E")?.try_into().ok()?))
}

/// The row that says when to look at an event next.
#[must_use]
pub fn event_due(due: Timestamp, event: EventId) -> Vec<u8> {
    join(b'N', &[&due.millis().max(0).cast_unsigned().to_be_bytes(), &event.0])
}

/// The `N` rows of the events to be looked at by this time.
#[must_use]
pub fn events_due(now: Timestamp) -> Range<Vec<u8>> {
    join(b'N', &[])..event_due(now.plus_millis(1), EventId([0; 16]))
}

/// The event of an `N` row's key; `None` when it is none.
#[must_use]
pub fn event_due_of(row: &[u8]) -> Option<EventId> {
    Some(EventId(row.strip_prefix(b"N")?.get(8..)?.try_into().ok()?))
}

/// The row of the search for blob files that no record knows.
#[must_use]
pub fn orphan_search() -> Vec<u8> {
    join(b'S', &[b"orphans"])
}

/// The row of an access key.
#[must_use]
pub fn access_key(access_key: &str) -> Vec<u8> {
    join(b'K', &[access_key.as_bytes()])
}

/// The row that says that everything stands in the counters.
#[must_use]
pub fn everything_is_counted() -> Vec<u8> {
    b"Acounted".to_vec()
}

/// Every row of a table.
#[must_use]
pub fn table(table: u8) -> Range<Vec<u8>> {
    vec![table]..vec![table + 1]
}

/// The first key above `key`: where a scan goes on after a page that ended with it.
#[must_use]
pub fn successor(key: &[u8]) -> Vec<u8> {
    [key, &[0]].concat()
}

fn join(table: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.push(table);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

/// Every key that starts with these bytes. They are never all `FF`: a table byte leads.
fn prefixed(start: Vec<u8>) -> Range<Vec<u8>> {
    let mut end = start.clone();
    while end.last() == Some(&0xFF) {
        end.pop();
    }
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    start..end
}

fn escape(key: &str) -> Vec<u8> {
    let mut escaped = escape_open(key);
    escaped.extend_from_slice(&[0, 1]);
    escaped
}

fn escape_open(key: &str) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(key.len() + 2);
    for &byte in key.as_bytes() {
        escaped.push(byte);
        if byte == 0 {
            escaped.push(0xFF);
        }
    }
    escaped
}

/// The key and what follows its terminator.
fn unescape(escaped: &[u8]) -> Option<(String, &[u8])> {
    let mut key = Vec::with_capacity(escaped.len());
    let mut at = 0;
    loop {
        match (*escaped.get(at)?, escaped.get(at + 1)) {
            (0, Some(0xFF)) => {
                key.push(0);
                at += 2;
            }
            (0, Some(1)) => return Some((String::from_utf8(key).ok()?, &escaped[at + 2..])),
            (0, _) => return None,
            (byte, _) => {
                key.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    const BUCKET: BucketId = BucketId([0xFF; 8]);

    /// Text that makes trouble: NUL and its neighbours, the edges of UTF-8, and much repetition.
    fn text(length: std::ops::Range<usize>) -> impl Strategy<Value = String> {
        let letter = prop_oneof![
            8 => prop::sample::select(vec!['\0', '\u{1}', '\u{2}', 'a', 'b', '/', '\u{7F}', '\u{80}', '\u{10FFFF}']),
            1 => any::<char>(),
        ];
        vec(letter, length).prop_map(String::from_iter)
    }

    fn key() -> impl Strategy<Value = ObjectKey> {
        text(1..8).prop_map(|key| ObjectKey::new(key).unwrap())
    }

    fn key_of(text: &str) -> ObjectKey {
        ObjectKey::new(text).unwrap()
    }

    fn upload_id() -> impl Strategy<Value = UploadId> {
        prop_oneof![Just([0; 16]), Just([0xFF; 16]), any::<[u8; 16]>()].prop_map(UploadId::from_bytes)
    }

    fn number(number: u16) -> PartNumber {
        PartNumber::new(number.into()).unwrap()
    }

    /// The keys found by a scan from `start` to the end of the bucket, against those that `expected` picks.
    fn assert_found(keys: &[ObjectKey], start: &[u8], expected: impl Fn(&str) -> bool) {
        for key in keys {
            let row = object(BUCKET, key);
            assert_eq!(start <= row.as_slice() && row < objects(BUCKET).end, expected(key.as_str()), "{key:?}");
        }
    }

    proptest! {
        #[test]
        fn rows_sort_as_their_keys_do(a in key(), b in key()) {
            prop_assert_eq!(object(BUCKET, &a).cmp(&object(BUCKET, &b)), a.as_str().as_bytes().cmp(b.as_str().as_bytes()));
        }

        #[test]
        fn object_rows_round_trip_and_stay_in_their_bucket(key in key(), id in any::<[u8; 8]>()) {
            let row = object(BucketId(id), &key);
            prop_assert!(objects(BucketId(id)).contains(&row));
            prop_assert!(table(b'O').contains(&row));
            prop_assert_eq!(object_key_of(&row), Some(key.clone()));
            prop_assert_eq!(object_key_of(&row[..row.len() - 1]), None);
            prop_assert_eq!(upload_of(&row), None);
        }

        #[test]
        fn a_prefix_finds_its_keys_and_no_other(keys in vec(key(), 1..20), prefix in text(0..4)) {
            let range = objects_with_prefix(BUCKET, &prefix);
            let uploads = uploads_with_prefix(BUCKET, &prefix);
            for key in &keys {
                let starts = key.as_str().starts_with(&prefix);
                prop_assert_eq!(range.contains(&object(BUCKET, key)), starts, "{:?}", key);
                prop_assert_eq!(uploads.contains(&upload(BUCKET, key, &UploadId::from_bytes([0xFF; 16]))), starts, "{:?}", key);
            }
        }

        #[test]
        fn objects_after_a_text_are_those_above_it(keys in vec(key(), 1..20), after in text(0..4)) {
            assert_found(&keys, &objects_after(BUCKET, &after), |key| key.as_bytes() > after.as_bytes());
        }

        #[test]
        fn objects_after_a_prefix_are_those_above_all_of_its_keys(keys in vec(key(), 1..20), prefix in text(1..4)) {
            let expected = |key: &str| key > prefix.as_str() && !key.starts_with(&prefix);
            assert_found(&keys, &objects_after_prefix(BUCKET, &prefix), expected);
        }

        #[test]
        fn upload_rows_sort_by_key_and_then_by_id(a in (key(), upload_id()), b in (key(), upload_id())) {
            let row = |(key, id): &(ObjectKey, UploadId)| upload(BUCKET, key, id);
            prop_assert_eq!(row(&a).cmp(&row(&b)), a.cmp(&b));
            prop_assert_eq!(upload_of(&row(&a)), Some((BUCKET, a.0.clone(), a.1)));
            prop_assert!(uploads(BUCKET).contains(&row(&a)));
            prop_assert_eq!(object_key_of(&row(&a)), None);
        }

        #[test]
        fn uploads_after_a_marker_are_those_above_it(
            rows in vec((key(), upload_id()), 1..20), marker in key(), id in prop::option::of(upload_id()),
        ) {
            let start = uploads_after(BUCKET, marker.as_str(), id.as_ref());
            for (key, upload_id) in rows {
                let above = match id {
                    Some(id) => (key.as_str(), upload_id) > (marker.as_str(), id),
                    None => key > marker,
                };
                prop_assert_eq!(upload(BUCKET, &key, &upload_id) >= start, above, "{:?} {}", key, upload_id);
            }
        }

        #[test]
        fn uploads_after_a_prefix_are_those_above_all_of_its_keys(rows in vec((key(), upload_id()), 1..20), prefix in text(1..4)) {
            let start = uploads_after_prefix(BUCKET, &prefix);
            for (key, id) in rows {
                let above = key.as_str() > prefix.as_str() && !key.as_str().starts_with(&prefix);
                prop_assert_eq!(upload(BUCKET, &key, &id) >= start, above, "{:?}", key);
            }
        }

        #[test]
        fn part_rows_sort_by_number_and_then_by_revision(
            id in upload_id(), a in (1..=10_000_u16, any::<u64>()), b in (1..=10_000_u16, any::<u64>()), marker in any::<u16>(),
        ) {
            let row = |(of, revision): (u16, u64)| part(&id, number(of), Revision(revision));
            prop_assert_eq!(row(a).cmp(&row(b)), a.cmp(&b));
            prop_assert_eq!(part_of(&row(a)), Some((id, number(a.0), Revision(a.1))));
            prop_assert!(parts(&id).contains(&row(a)));
            prop_assert_eq!(parts_after(&id, marker).contains(&row(a)), a.0 > marker);
        }

        #[test]
        fn any_bytes_can_be_asked_for_their_key(row in vec(any::<u8>(), 0..40), table in prop::sample::select(b"BOUPLDMC".to_vec())) {
            let row = [&[table], row.as_slice()].concat();
            let _ = (bucket_of(&row), object_key_of(&row), upload_of(&row), part_of(&row), blob_of(&row));
            let _ = (manifest_chunk_of(&row), completed_of(&row));
        }

        #[test]
        fn a_successor_leaves_no_room(row in vec(any::<u8>(), 0..9), other in vec(any::<u8>(), 0..9)) {
            prop_assert_eq!(other >= successor(&row), other > row);
        }

        #[test]
        fn a_prefix_of_any_bytes_ends_above_all_that_start_with_it(
            start in vec(prop_oneof![Just(0xFF), Just(0xFE), Just(0), any::<u8>()], 0..6), other in vec(prop_oneof![Just(0xFF), any::<u8>()], 0..9),
        ) {
            let start = join(b'O', &[&start]);
            let other = join(b'O', &[&other]);
            prop_assert_eq!(prefixed(start.clone()).contains(&other), other.starts_with(&start));
        }
    }

    #[test]
    fn a_prefix_that_ends_in_ff_carries_over() {
        assert_eq!(prefixed(vec![b'O', 0xFF, 0xFF]), vec![b'O', 0xFF, 0xFF]..vec![b'P']);
        assert_eq!(prefixed(vec![b'O', 0, 0xFF]), vec![b'O', 0, 0xFF]..vec![b'O', 1]);
        assert_eq!(prefixed(vec![b'O']), table(b'O'));
        let last = UploadId::from_bytes([0xFF; 16]);
        assert!(parts(&last).contains(&part(&last, number(10_000), Revision(u64::MAX))));
        assert_eq!(parts(&last).end, table(b'P').end);
        assert!(parts_after(&last, u16::MAX).is_empty());
    }

    #[test]
    fn buckets_are_found_by_prefix_and_marker() {
        let names = ["abc", "abc-d", "abc.d", "abcd", "abd"];
        let found = |prefix: &str, after: Option<&str>| {
            let range = buckets(prefix, after);
            names.into_iter().filter(|name| range.contains(&bucket(&Bucket::new(name).unwrap()))).collect::<Vec<_>>()
        };
        assert_eq!(found("", None), names);
        assert_eq!(found("abc", None), names[..4]);
        assert_eq!(found("abc", Some("abc")), names[1..4]);
        assert_eq!(found("abc", Some("abc-d")), names[2..4]);
        assert_eq!(found("abc.", Some("aaa")), ["abc.d"]);
        assert_eq!(found("abc", Some("abd")), [""; 0]);
        assert_eq!(bucket_of(&bucket(&Bucket::new("abc").unwrap())).unwrap().as_str(), "abc");
        assert_eq!(bucket_of(b"Bab"), None);
        assert_eq!(bucket_of(b"Kabc"), None);
    }

    #[test]
    fn todos_are_due_at_their_millisecond() {
        let at = Timestamp::from_millis;
        for (due, is_due) in [(-1, true), (0, true), (999, true), (1000, true), (1001, false), (i64::MAX, false)] {
            for sequence in [0, u64::MAX] {
                assert_eq!(todos_due(at(1000)).contains(&todo(at(due), sequence)), is_due, "{due}");
            }
        }
        assert!(todo(at(5), 2) > todo(at(5), 1) && todo(at(6), 0) > todo(at(5), u64::MAX));
    }

    #[test]
    fn row_keys_tell_what_they_were_made_of() {
        let upload_id = UploadId::from_bytes([9; 16]);
        assert_eq!(completed_of(&completed(&upload_id)), Some(upload_id));
        assert_eq!(manifest_chunk_of(&manifest_chunk(ManifestId([8; 16]), 7)), Some((ManifestId([8; 16]), 7)));
        assert_eq!(blob_of(&blob(BlobId([7; 16]))), Some(BlobId([7; 16])));
        assert_eq!(blob_of(&inline_data(BlobId([7; 16]))), Some(BlobId([7; 16])));
        for short in
            [completed_of(b"C123").is_some(), manifest_chunk_of(b"M123").is_some(), blob_of(b"L123").is_some(), blob_of(b"").is_some()]
        {
            assert!(!short);
        }
    }

    /// The layout is on disk: these bytes never change.
    #[test]
    fn the_layout_is_as_drawn() {
        let (id, upload_id, blob_id) = (BucketId([1; 8]), UploadId::from_bytes([2; 16]), BlobId([3; 16]));
        let [eight, sixteen, blob_hex] = ["01".repeat(8), "02".repeat(16), "03".repeat(16)];
        for (row, expected) in [
            (bucket(&Bucket::new("abc").unwrap()), "42616263".to_owned()),
            (object(id, &key_of("k\0")), format!("4f{eight}6b00ff00010000000000000000")),
            (manifest_chunk(ManifestId([2; 16]), 258), format!("4d{sixteen}00000102")),
            (upload(id, &key_of("k"), &upload_id), format!("55{eight}6b0001{sixteen}")),
            (part(&upload_id, number(258), Revision(9)), format!("50{sixteen}01020000000000000009")),
            (completed(&upload_id), format!("43{sixteen}")),
            (blob(blob_id), format!("4c{blob_hex}")),
            (inline_data(blob_id), format!("44{blob_hex}")),
            (todo(Timestamp::from_millis(258), 7), "5400000000000001020000000000000007".to_owned()),
            (access_key("AK"), "4b414b".to_owned()),
            (orphan_search(), "536f727068616e73".to_owned()),
            (counter(&Whose::Bucket(id), Counter::Objects), format!("5162{eight}6f")),
            (counter(&Whose::Key("AK".to_owned()), Counter::ObjectBytes), "516b414b73".to_owned()),
            (counter(&Whose::Upload(upload_id), Counter::Uploads), format!("5175{sixteen}75")),
            (quota(&Whose::Bucket(id)), format!("4762{eight}")),
            (everything_is_counted(), "41636f756e746564".to_owned()),
        ] {
            assert_eq!(hex::encode(row), expected);
        }
    }
}
