//! What the index holds: values of every kind of record and of every version, and the keys of rows.

use super::Input;
use crate::{
    meta::{
        count_of, keys,
        record::{
            BlobRecord, BucketId, BucketRecord, CompletedRecord, EventRecord, ManifestChunk, ObjectRecord, PartRecord, QuotaRecord, Record,
            Todo, UploadRecord,
        },
        row_of,
    },
    model::KeyRecord,
};
use std::fmt::Debug;

/// What a record may take in memory for each byte of its value, lists of empty texts being the worst. Bytes.
const ENCODED_GROWTH_MAX: usize = 16;

/// The first byte chooses the record, the rest is its value; all of it is also read as the key of a row.
pub(super) fn value_and_row(bytes: &[u8]) {
    row(bytes);
    let mut input = Input(bytes);
    let read = match input.byte() % 11 {
        0 => value::<BucketRecord>,
        1 => value::<ObjectRecord>,
        2 => value::<ManifestChunk>,
        3 => value::<UploadRecord>,
        4 => value::<PartRecord>,
        5 => value::<CompletedRecord>,
        6 => value::<BlobRecord>,
        7 => value::<Todo>,
        8 => value::<EventRecord>,
        9 => value::<KeyRecord>,
        _ => value::<QuotaRecord>,
    };
    read(input.rest());
}

/// What decodes is written so that it decodes to the same, and always in the same way.
fn value<R: Record + PartialEq + Debug>(bytes: &[u8]) {
    let Ok(record) = R::decode(bytes) else { return };
    let encoded = record.encode();
    assert!(encoded.len() <= 16 + ENCODED_GROWTH_MAX * bytes.len(), "{} bytes of {}", encoded.len(), bytes.len());
    let again = R::decode(&encoded);
    assert_eq!(again.as_ref().ok(), Some(&record), "{again:?}");
    assert_eq!(record.encode(), encoded);
    if bytes.first() == Some(&R::VERSION) {
        assert!(encoded.len() <= bytes.len(), "the same version, written longer than it was read");
    }
}

/// The key of a row that can be read is the one that would be written.
fn row(row: &[u8]) {
    if let Some(bucket) = keys::bucket_of(row) {
        assert_eq!(keys::bucket(&bucket), row);
    }
    if let Some(key) = keys::object_key_of(row) {
        let id = BucketId(row[1..9].try_into().expect("the key of an object's row begins with a bucket"));
        let written = keys::object(id, &key);
        // The version's slot is what it is.
        assert_eq!(written[..written.len() - 8], row[..row.len() - 8]);
    }
    if let Some((id, key, upload)) = keys::upload_of(row) {
        assert_eq!(keys::upload(id, &key, &upload), row);
    }
    if let Some((upload, number, revision)) = keys::part_of(row) {
        assert_eq!(keys::part(&upload, number, revision), row);
    }
    if let Some((manifest, chunk)) = keys::manifest_chunk_of(row) {
        assert_eq!(keys::manifest_chunk(manifest, chunk), row);
    }
    if let Some(upload) = keys::completed_of(row) {
        assert_eq!(keys::completed(&upload), row);
    }
    if let Some(blob) = keys::blob_of(row) {
        assert_eq!(keys::blob(blob)[1..], row[1..]);
    }
    if let Some(event) = keys::event_of(row) {
        assert_eq!(keys::event(event), row);
    }
    if let Some((whose, counter)) = keys::counter_of(row) {
        assert_eq!(keys::counter(&whose, counter), row);
    }
    if let Some(whose) = keys::quota_of(row) {
        assert_eq!(keys::quota(&whose), row);
    }
    if let Ok(count) = count_of(Some(row)) {
        assert_eq!(count_of(row_of(count).as_deref()).ok(), Some(count));
    }
    if let Some(event) = keys::event_due_of(row) {
        assert!(row.ends_with(&event.0));
    }
}
