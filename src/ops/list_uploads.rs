//! ListMultipartUploads: by key and within a key by creation, pages that seek past common prefixes.

use super::{
    Gateway,
    listing::{Listed, Page, Scope},
};
use crate::{
    meta::{
        keys,
        record::{BucketId, BucketRecord, UploadRecord},
    },
    model::*,
};
use std::ops::Range;

/// How many open uploads are searched for one that a marker names under another key.
const MARKER_SEARCH_MAX: usize = 1000;

/// How far the clocks that made a bucket and its uploads may be from the one that judges a marker. Milliseconds.
const MARKER_CLOCK_SLACK_MS: i64 = 15 * 60 * 1000;

impl Gateway {
    pub(super) async fn list_multipart_uploads(&self, operation: &ListMultipartUploads) -> Result<Outcome, Failure> {
        let ListMultipartUploads { bucket, prefix, delimiter, key_marker, upload_id_marker, count_max } = operation;
        let bucket = self.load_bucket(bucket).await?.record;
        let scope = Scope { bucket: bucket.id, prefix, delimiter };
        let start = match key_marker.as_deref().filter(|marker| !marker.is_empty()) {
            Some(key) => Some(self.uploads_start(&bucket, &scope, key, upload_id_marker.as_deref()).await?),
            None => None,
        };
        let Page { entries, is_truncated } = self.page::<UploadSummary>(&scope, start, *count_max).await?;
        let next = entries.last().filter(|_| is_truncated).map(|last| match last {
            Entry::Item(upload) => (upload.key.as_str().to_owned(), Some(upload.upload_id)),
            Entry::CommonPrefix(prefix) => (prefix.clone(), None),
        });
        Ok(Outcome::ListMultipartUploads(UploadListing { owner: bucket.owner, entries, next }))
    }

    /// Where the uploads begin that follow the markers.
    async fn uploads_start(
        &self,
        bucket: &BucketRecord,
        scope: &Scope<'_>,
        key: &str,
        upload_id: Option<&str>,
    ) -> Result<Vec<u8>, Failure> {
        let after_key = scope.start_after::<UploadSummary>(key);
        let Some(text) = upload_id.filter(|marker| !marker.is_empty()) else { return Ok(after_key) };
        let unknown = || Failure::UnknownUploadIdMarker(text.to_owned());
        let upload = UploadId::parse(text).ok_or_else(unknown)?;
        if !self.may_have_been_upload_of(bucket, &ObjectKey::new(key).ok_or_else(unknown)?, &upload).await? {
            return Err(unknown());
        }
        match scope.common_prefix(key) {
            // The key's later uploads are in the common prefix that the marker lies in, which has been listed.
            Some(_) => Ok(after_key),
            None => Ok(keys::uploads_after(bucket.id, key, Some(&upload))),
        }
    }

    /// Whether the upload is, or may have been, one of this key.
    ///
    /// An aborted upload leaves no row, and its id must stay a good marker: clients list a page, abort what is on
    /// it and ask for the next. So an id without a row is refused only when it was certainly no upload of the key:
    /// its time lies outside the bucket's life, or it is found under another key.
    async fn may_have_been_upload_of(&self, bucket: &BucketRecord, key: &ObjectKey, upload: &UploadId) -> Result<bool, Failure> {
        if self.get(&keys::upload(bucket.id, key, upload)).await?.is_some() {
            return Ok(true);
        }
        let life = bucket.created.plus_millis(-MARKER_CLOCK_SLACK_MS)..=self.now().plus_millis(MARKER_CLOCK_SLACK_MS);
        if !life.contains(&created(upload)) {
            return Ok(false);
        }
        let open = self.scan(keys::uploads(bucket.id), MARKER_SEARCH_MAX).await?;
        let is_elsewhere = open.iter().filter_map(|(row, _)| keys::upload_of(row)).any(|(_, other, id)| other != *key && id == *upload);
        Ok(!is_elsewhere)
    }
}

/// When an upload was created: the first 48 bits of its id.
fn created(upload: &UploadId) -> Timestamp {
    let millis = upload.as_bytes()[..6].iter().fold(0, |millis, &byte| millis << 8 | i64::from(byte));
    Timestamp::from_millis(millis)
}

impl Listed for UploadSummary {
    type Record = UploadRecord;

    fn with_prefix(bucket: BucketId, prefix: &str) -> Range<Vec<u8>> {
        keys::uploads_with_prefix(bucket, prefix)
    }

    fn after_key(bucket: BucketId, key: &str) -> Vec<u8> {
        keys::uploads_after(bucket, key, None)
    }

    fn after_prefix(bucket: BucketId, prefix: &str) -> Vec<u8> {
        keys::uploads_after_prefix(bucket, prefix)
    }

    fn key_of(row: &[u8]) -> Option<ObjectKey> {
        keys::upload_of(row).map(|(_, key, _)| key)
    }

    fn item(row: &[u8], key: ObjectKey, record: UploadRecord) -> Option<Self> {
        let (_, _, upload_id) = keys::upload_of(row)?;
        Some(Self {
            key,
            upload_id,
            initiator: record.initiator,
            initiated: record.initiated,
            storage_class: record.attributes.headers.storage_class,
            checksum: record.checksum,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::record::Record,
        ops::index_fixture::{Fixture, NOW, block_on, bucket, key, upload_id, upload_record},
    };
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Marker = Option<(String, Option<UploadId>)>;

    fn list(prefix: &str, delimiter: &str, marker: &Marker, count_max: usize) -> ListMultipartUploads {
        let (prefix, delimiter) = (prefix.to_owned(), delimiter.to_owned());
        let key_marker = marker.as_ref().map(|(key, _)| key.clone());
        let upload_id_marker = marker.as_ref().and_then(|(_, upload)| upload.map(|upload| upload.to_string()));
        ListMultipartUploads { bucket: bucket("photos"), prefix, delimiter, key_marker, upload_id_marker, count_max }
    }

    /// The lines of a page as text and upload id, and where the next page begins.
    type Lines = (Vec<(String, Option<UploadId>)>, Marker);

    async fn lines(fixture: &Fixture, operation: ListMultipartUploads) -> Result<Lines, Failure> {
        let Outcome::ListMultipartUploads(listing) = fixture.execute(Operation::ListMultipartUploads(operation)).await? else { panic!() };
        let line = |entry: &Entry<UploadSummary>| match entry {
            Entry::Item(upload) => (upload.key.as_str().to_owned(), Some(upload.upload_id)),
            Entry::CommonPrefix(prefix) => (prefix.clone(), None),
        };
        Ok((listing.entries.iter().map(line).collect(), listing.next))
    }

    /// The same from a sorted set of uploads, by walking all of them.
    fn expected(uploads: &BTreeSet<(String, UploadId)>, prefix: &str, delimiter: &str, marker: &Marker, count_max: usize) -> Lines {
        let line = |(key, upload): &(String, UploadId)| {
            let rest = key.strip_prefix(prefix)?;
            match rest.split_once(delimiter).filter(|_| !delimiter.is_empty()) {
                Some((before, _)) => Some((format!("{prefix}{before}{delimiter}"), None)),
                None => Some((key.clone(), Some(*upload))),
            }
        };
        let follows = |(text, upload): &(String, Option<UploadId>)| match marker {
            Some((key, after)) => text > key || text == key && after.is_some() && upload > after,
            None => true,
        };
        let lines: BTreeSet<_> = uploads.iter().filter_map(line).filter(follows).collect();
        let page: Vec<_> = lines.iter().take(count_max).cloned().collect();
        let next = page.last().filter(|_| lines.len() > page.len()).cloned();
        (page, next)
    }

    fn text(size: impl Into<proptest::sample::SizeRange>) -> impl Strategy<Value = String> {
        let alphabet = proptest::sample::select(vec!['\0', '\u{1}', '/', '/', 'a', 'a', 'b', 'é']);
        proptest::collection::vec(alphabet, size).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn pages_are_those_of_a_walk_over_all_uploads(
            key_of_age in proptest::collection::btree_map(0..1_000_i64, text(1..4), 0..50),
            prefix in text(0..2),
            delimiter in prop_oneof![2 => Just("/".to_owned()), 1 => text(0..2)],
            start in proptest::option::of(text(1..4)),
            count_max in 1..8_usize,
            ended in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
            ends_marker: bool,
        ) {
            block_on(async move {
                let fixture = Fixture::new();
                let id = fixture.put_bucket("photos").await;
                let mut uploads: BTreeSet<_> = key_of_age.into_iter().map(|(age, key)| (key, upload_id(age))).collect();
                for (key, upload) in &uploads {
                    fixture.put_upload(id, key, *upload).await;
                }
                let mut ended = ended.into_iter();
                let mut marker = start.map(|key| (key, None));
                loop {
                    let page = lines(&fixture, list(&prefix, &delimiter, &marker, count_max)).await.unwrap();
                    let expected = expected(&uploads, &prefix, &delimiter, &marker, count_max);
                    prop_assert_eq!(&page, &expected, "{:?} {:?} {:?} of {:?}", prefix, delimiter, marker, uploads);
                    marker = page.1;
                    let Some(last) = &marker else { break };
                    // Uploads end between the pages, sometimes the one the page ended with among them.
                    let mut gone: Vec<_> = ended.by_ref().take(2).filter_map(|at| uploads.iter().nth(at.index(uploads.len())).cloned()).collect();
                    if let (key, Some(upload)) = last && ends_marker {
                        gone.push((key.clone(), *upload));
                    }
                    for upload in gone {
                        fixture.delete_row(keys::upload(id, &key(&upload.0), &upload.1)).await;
                        uploads.remove(&upload);
                    }
                }
                Ok(())
            })?;
        }
    }

    fn marked(key: &str, upload_id: &str) -> ListMultipartUploads {
        ListMultipartUploads { key_marker: Some(key.to_owned()), upload_id_marker: Some(upload_id.to_owned()), ..list("", "", &None, 9) }
    }

    #[tokio::test]
    async fn the_markers_say_where_to_go_on() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        let (first, second, third) = (upload_id(30), upload_id(20), upload_id(10));
        for (key, upload) in [("a", first), ("a", second), ("b", third)] {
            fixture.put_upload(id, key, upload).await;
        }
        let of = |key: &str, upload| (key.to_owned(), Some(upload));
        assert_eq!(lines(&fixture, marked("a", "")).await.unwrap().0, [of("b", third)], "all of the key's uploads are passed");
        assert_eq!(lines(&fixture, marked("a", &first.to_string())).await.unwrap().0, [of("a", second), of("b", third)]);
        assert_eq!(lines(&fixture, marked("a", &second.to_string())).await.unwrap().0, [of("b", third)]);
        for no_key in [None, Some(String::new())] {
            let ignored = ListMultipartUploads { key_marker: no_key, ..marked("", "nonsense") };
            assert_eq!(lines(&fixture, ignored).await.unwrap().0.len(), 3, "without a key marker the other one is ignored");
        }
        let truncated = lines(&fixture, list("", "", &None, 1)).await.unwrap();
        assert_eq!(truncated, (vec![of("a", first)], Some(of("a", first))));
        assert_eq!(lines(&fixture, list("", "", &None, 0)).await.unwrap(), (vec![], None));
    }

    #[tokio::test]
    async fn a_marker_that_was_no_upload_of_the_key_is_refused() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_upload(id, "a", upload_id(10)).await;
        fixture.put_upload(id, "b", upload_id(20)).await;
        let refused = [
            ("a", "nonsense".to_owned()),
            ("a", upload_id(20).to_string()),
            ("a", UploadId::from_bytes([0x3C; 16]).to_string()),
            ("a", UploadId::from_bytes([0; 16]).to_string()),
            ("a", upload_id(-2_000_000).to_string()),
            ("a", upload_id(9_000_000).to_string()),
            (&"k".repeat(1025), upload_id(10).to_string()),
        ];
        for (key, marker) in refused {
            let failure = lines(&fixture, marked(key, &marker)).await;
            assert_eq!(failure, Err(Failure::UnknownUploadIdMarker(marker.clone())), "{marker}");
        }
    }

    #[tokio::test]
    async fn a_client_may_abort_each_page_before_it_asks_for_the_next() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        for age in 0..25 {
            fixture.put_upload(id, "a", upload_id(age)).await;
        }
        let mut marker = None;
        let mut aborted = 0;
        loop {
            let (page, next) = lines(&fixture, list("", "", &marker, 10)).await.unwrap();
            for (text, upload) in page {
                fixture.delete_row(keys::upload(id, &key(&text), &upload.unwrap())).await;
                aborted += 1;
            }
            let Some(next) = next else { break };
            marker = Some(next);
        }
        assert_eq!(aborted, 25);
    }

    #[tokio::test]
    async fn a_page_costs_what_it_shows() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        for age in 0..10_000 {
            fixture.put_upload(id, &format!("p/{}", age % 100), upload_id(age)).await;
        }
        fixture.put_upload(id, "q", upload_id(1)).await;
        fixture.index.take_reads();
        let page = lines(&fixture, list("", "/", &None, 1000)).await.unwrap().0;
        assert_eq!(page, [("p/".to_owned(), None), ("q".to_owned(), Some(upload_id(1)))]);
        let (reads, rows) = fixture.index.take_reads();
        assert!(reads <= 4 && rows <= 100, "{reads} reads, {rows} rows");
    }

    #[tokio::test]
    async fn an_upload_is_shown_as_recorded() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        let mut record = upload_record();
        record.attributes.headers.storage_class = Some("GLACIER".to_owned());
        record.checksum = Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite));
        fixture.put_row(keys::upload(id, &key("cat.jpg"), &upload_id(5)), record.encode()).await;
        let summary = UploadSummary {
            key: key("cat.jpg"),
            upload_id: upload_id(5),
            initiator: record.initiator,
            initiated: record.initiated,
            storage_class: Some("GLACIER".to_owned()),
            checksum: record.checksum,
        };
        let listing = UploadListing { owner: Account::root(), entries: vec![Entry::Item(summary)], next: None };
        let listed = fixture.execute(Operation::ListMultipartUploads(list("", "", &None, 9))).await;
        assert_eq!(listed, Ok(Outcome::ListMultipartUploads(listing)));
        let missing = ListMultipartUploads { bucket: bucket("none"), ..list("", "", &None, 9) };
        assert_eq!(lines(&fixture, missing).await, Err(Failure::NoSuchBucket(bucket("none"))));
    }

    #[test]
    fn an_upload_id_tells_when_it_was_created() {
        assert_eq!(created(&UploadId::new(NOW, [0xFF; 10])), NOW);
    }
}
