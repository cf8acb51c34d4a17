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
//! ```
//!
//! Integers are big-endian. Object keys are escaped so that the order of the encodings is the order
//! of the keys and no key is a prefix of another: `00` becomes `00 FF`, and `00 01` ends it.

use crate::{
    blob::BlobId,
    meta::record::{BucketId, ManifestId, Revision},
    model::{Bucket, ObjectKey, PartNumber, Timestamp, UploadId},
};
use std::ops::Range;

/// The table of bytes kept in the index; engines may store its values apart from the records.
pub const INLINE_DATA_TABLE: u8 = b'D';

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
    join(b'P', &[upload.as_bytes(), &number.get().to_be_bytes(), &revision.0.to_be_bytes()])
}

/// All revisions of all parts of an upload.
#[must_use]
pub fn parts(upload: &UploadId) -> Range<Vec<u8>> {
    prefixed(join(b'P', &[upload.as_bytes()]))
}

/// All revisions of the parts numbered above `marker`.
#[must_use]
pub fn parts_after(upload: &UploadId, marker: u16) -> Range<Vec<u8>> {
    let all = parts(upload);
    match marker.checked_add(1) {
        Some(next) => join(b'P', &[upload.as_bytes(), &next.to_be_bytes()])..all.end,
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

/// The row of an access key.
#[must_use]
pub fn access_key(access_key: &str) -> Vec<u8> {
    join(b'K', &[access_key.as_bytes()])
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
