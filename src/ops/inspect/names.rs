//! Rows as people read them.

use crate::{
    meta::{
        keys::{self, Whose},
        record::{BucketId, ManifestId},
    },
    model::Bucket,
};
use std::collections::HashMap;

/// Names rows; knows the buckets of ids.
#[derive(Clone, Default)]
pub(super) struct Names {
    pub(super) buckets: HashMap<BucketId, Bucket>,
}

impl Names {
    /// A row's table and key: `O photos "a.jpg"`, `P 0123… part 7 revision 42`.
    pub(super) fn of(&self, row: &[u8]) -> String {
        let known = match row.first() {
            Some(b'B') => keys::bucket_of(row).map(|bucket| format!("B {bucket}")),
            Some(b'O') => object_bucket_of(row)
                .zip(keys::object_key_of(row))
                .map(|(bucket, key)| format!("O {} {:?}", self.bucket(bucket), key.as_str())),
            Some(b'M') => keys::manifest_chunk_of(row).map(|(manifest, chunk)| format!("M {} chunk {chunk}", manifest_name(manifest))),
            Some(b'U') => {
                keys::upload_of(row).map(|(bucket, key, upload)| format!("U {} {:?} {upload}", self.bucket(bucket), key.as_str()))
            }
            Some(b'P') => keys::part_of(row).map(|(upload, number, revision)| format!("P {upload} part {number} revision {}", revision.0)),
            Some(b'C') => keys::completed_of(row).map(|upload| format!("C {upload}")),
            Some(&table @ (b'L' | b'D')) => keys::blob_of(row).map(|blob| format!("{} {blob}", char::from(table))),
            Some(b'E') => keys::event_of(row).map(|event| format!("E {event}")),
            Some(b'N') => keys::event_due_of(row).map(|event| format!("N {event}")),
            Some(b'Q') => keys::counter_of(row).map(|(whose, counter)| format!("Q {} {counter:?}", self.whose(&whose))),
            Some(b'G') => keys::quota_of(row).map(|whose| format!("G {}", self.whose(&whose))),
            Some(b'K') => std::str::from_utf8(&row[1..]).ok().map(|key| format!("K {key:?}")),
            Some(_) | None => None,
        };
        known.unwrap_or_else(|| match row.split_first() {
            Some((&table, key)) => format!("{} {}", table.escape_ascii(), hex::encode(key)),
            None => "the empty key".to_owned(),
        })
    }

    fn whose(&self, whose: &Whose) -> String {
        match whose {
            Whose::Bucket(bucket) => format!("bucket {}", self.bucket(*bucket)),
            Whose::Key(access_key) => format!("key {access_key:?}"),
            Whose::Upload(upload) => format!("upload {upload}"),
        }
    }

    fn bucket(&self, id: BucketId) -> String {
        self.buckets.get(&id).map_or_else(|| hex::encode(id.0), Bucket::to_string)
    }
}

/// The bucket of an object row's key.
pub(super) fn object_bucket_of(row: &[u8]) -> Option<BucketId> {
    Some(BucketId(row.strip_prefix(b"O")?.get(..8)?.try_into().ok()?))
}

/// A manifest's id as text.
pub(super) fn manifest_name(manifest: ManifestId) -> String {
    hex::encode(manifest.0)
}
