//! Listings of the model: every line worked out from every key, then cut to the page.

use crate::reference::Reference;
use partway::model::*;

/// How far clocks may differ before an upload id is no marker at all. Milliseconds.
const MARKER_CLOCK_SLACK_MS: i64 = 15 * 60 * 1000;

/// A line and where it stands.
struct Line<T> {
    text: String,
    upload: Option<UploadId>,
    entry: Entry<T>,
}

/// The lines that keys make, each common prefix once.
fn lines<T>(items: impl Iterator<Item = (String, Option<UploadId>, T)>, prefix: &str, delimiter: &str) -> Vec<Line<T>> {
    let mut lines: Vec<Line<T>> = Vec::new();
    for (key, upload, item) in items.filter(|(key, ..)| key.starts_with(prefix)) {
        let line = match rolled_up(&key, prefix, delimiter) {
            Some(common) => Line { text: common.clone(), upload: None, entry: Entry::CommonPrefix(common) },
            None => Line { text: key, upload, entry: Entry::Item(item) },
        };
        let is_common = matches!(line.entry, Entry::CommonPrefix(_));
        if !is_common || lines.last().is_none_or(|last| last.text != line.text) {
            lines.push(line);
        }
    }
    lines
}

fn rolled_up(key: &str, prefix: &str, delimiter: &str) -> Option<String> {
    let rest = key.strip_prefix(prefix).filter(|_| !delimiter.is_empty())?;
    rest.split_once(delimiter).map(|(start, _)| format!("{prefix}{start}{delimiter}"))
}

impl Reference {
    pub(crate) fn list_buckets(&self, list: &ListBuckets) -> Outcome {
        let after = |bucket: &&Bucket| list.after.as_deref().is_none_or(|after| bucket.as_str() > after);
        let found: Vec<_> = self.buckets.keys().filter(|bucket| bucket.as_str().starts_with(&list.prefix)).filter(after).collect();
        let info = |bucket: &&Bucket| BucketInfo {
            acl: partway::model::Acl::Private,
            storage_class: None,
            bucket: (*bucket).clone(),
            owner: Account::root(),
            created: self.buckets[*bucket].created,
            location: None,
        };
        let buckets: Vec<_> = found.iter().take(list.count_max).map(info).collect();
        let more = found.len() > buckets.len();
        let next = buckets.last().filter(|_| more).map(|last| last.bucket.as_str().to_owned());
        Outcome::ListBuckets { owner: Account::root(), buckets, next }
    }

    pub(crate) fn list_objects(&self, list: &ListObjects) -> Result<Outcome, Failure> {
        let summaries = self.bucket(&list.bucket)?.objects.iter().map(|(key, object)| {
            let summary = ObjectSummary {
                object_type: object.head.object_type,
                key: key.clone(),
                size: object.head.size,
                etag: object.head.etag,
                last_modified: object.head.last_modified,
                storage_class: object.head.attributes.headers.storage_class.clone(),
                checksum: object.head.checksum.as_ref().map(|checksum| (checksum.value.algorithm(), checksum.kind())),
            };
            (key.as_str().to_owned(), None, summary)
        });
        let mut lines = lines(summaries, &list.prefix, &list.delimiter);
        lines.retain(|line| list.after.as_deref().is_none_or(|after| line.text.as_str() > after));
        let more = lines.len() > list.count_max;
        lines.truncate(list.count_max);
        let next_after = lines.last().filter(|_| more).map(|last| last.text.clone());
        let entries = lines.into_iter().map(|line| line.entry).collect();
        Ok(Outcome::ListObjects(ObjectListing { owner: Account::root(), entries, next_after }))
    }

    pub(crate) fn list_uploads(&self, list: &ListMultipartUploads) -> Result<Outcome, Failure> {
        let bucket = self.bucket(&list.bucket)?;
        let summaries = bucket.uploads.iter().map(|((key, id), upload)| {
            let summary = UploadSummary {
                key: key.clone(),
                upload_id: *id,
                initiator: Account::root(),
                initiated: upload.initiated,
                storage_class: None,
                checksum: upload.declared,
            };
            (key.as_str().to_owned(), Some(*id), summary)
        });
        let mut lines = lines(summaries, &list.prefix, &list.delimiter);
        if let Some(key) = list.key_marker.as_deref().filter(|marker| !marker.is_empty()) {
            let id = match list.upload_id_marker.as_deref().filter(|marker| !marker.is_empty()) {
                Some(text) => {
                    let good = UploadId::parse(text).filter(|id| self.is_good_marker(&list.bucket, key, *id));
                    Some(good.ok_or_else(|| Failure::UnknownUploadIdMarker(text.to_owned()))?)
                }
                None => None,
            };
            let id = id.filter(|_| rolled_up(key, &list.prefix, &list.delimiter).is_none());
            lines.retain(|line| line.text.as_str() > key || (line.text == key && id.is_some() && line.upload > id));
        }
        let more = lines.len() > list.count_max;
        lines.truncate(list.count_max);
        let next = lines.last().filter(|_| more).map(|last| (last.text.clone(), last.upload));
        let entries = lines.into_iter().map(|line| line.entry).collect();
        Ok(Outcome::ListMultipartUploads(UploadListing { owner: Account::root(), entries, next }))
    }

    /// An upload of this key, or one that may have been: its time lies in the bucket's life and no other key has it.
    fn is_good_marker(&self, bucket: &Bucket, key: &str, id: UploadId) -> bool {
        let bucket = &self.buckets[bucket];
        match bucket.uploads.keys().find(|(_, other)| *other == id) {
            Some((other, _)) => other.as_str() == key,
            None => {
                let time = id.as_bytes()[..6].iter().fold(0, |time, &byte| time * 256 + i64::from(byte));
                let from = bucket.created.plus_millis(-MARKER_CLOCK_SLACK_MS).millis();
                (from..=self.now.plus_millis(MARKER_CLOCK_SLACK_MS).millis()).contains(&time)
            }
        }
    }
}
