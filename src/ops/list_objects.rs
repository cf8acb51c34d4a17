//! ListObjects and ListObjectVersions: pages that seek past common prefixes.

use super::{
    Gateway,
    listing::{Listed, Page, Scope},
};
use crate::{
    meta::{
        keys,
        record::{BucketId, ObjectRecord},
    },
    model::*,
};
use std::ops::Range;

impl Gateway {
    pub(super) async fn list_objects(&self, operation: &ListObjects) -> Result<Outcome, Failure> {
        let ListObjects { bucket, prefix, delimiter, after, count_max } = operation;
        let listing = self.object_listing(bucket, prefix, delimiter, after.as_deref(), *count_max).await?;
        Ok(Outcome::ListObjects(listing))
    }

    /// Every object is its only version, so the versions after a key marker are the objects after it.
    pub(super) async fn list_object_versions(&self, operation: &ListObjectVersions) -> Result<Outcome, Failure> {
        let ListObjectVersions { bucket, prefix, delimiter, key_marker, count_max } = operation;
        let listing = self.object_listing(bucket, prefix, delimiter, key_marker.as_deref(), *count_max).await?;
        Ok(Outcome::ListObjectVersions(listing))
    }

    async fn object_listing(
        &self,
        bucket: &Bucket,
        prefix: &str,
        delimiter: &str,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<ObjectListing, Failure> {
        let bucket = self.load_bucket(bucket).await?.record;
        let scope = Scope { bucket: bucket.id, prefix, delimiter };
        let start = after.map(|after| scope.start_after::<ObjectSummary>(after));
        let Page { entries, is_truncated } = self.page::<ObjectSummary>(&scope, start, count_max).await?;
        let next_after = entries.last().filter(|_| is_truncated).map(|last| match last {
            Entry::Item(object) => object.key.as_str().to_owned(),
            Entry::CommonPrefix(prefix) => prefix.clone(),
        });
        Ok(ObjectListing { owner: bucket.owner, entries, next_after })
    }
}

impl Listed for ObjectSummary {
    type Record = ObjectRecord;

    fn with_prefix(bucket: BucketId, prefix: &str) -> Range<Vec<u8>> {
        keys::objects_with_prefix(bucket, prefix)
    }

    fn after_key(bucket: BucketId, key: &str) -> Vec<u8> {
        keys::objects_after(bucket, key)
    }

    fn after_prefix(bucket: BucketId, prefix: &str) -> Vec<u8> {
        keys::objects_after_prefix(bucket, prefix)
    }

    fn key_of(row: &[u8]) -> Option<ObjectKey> {
        keys::object_key_of(row)
    }

    fn item(_row: &[u8], key: ObjectKey, record: ObjectRecord) -> Option<Self> {
        let object_type = record.object_type();
        Some(Self {
            key,
            object_type,
            size: record.size,
            etag: record.etag,
            last_modified: record.last_modified,
            storage_class: record.attributes.headers.storage_class,
            checksum: record.checksum.map(|checksum| (checksum.value.algorithm(), checksum.kind())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::record::{Content, Record},
        ops::index_fixture::{Fixture, block_on, bucket, key, object_record},
    };
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn list(prefix: &str, delimiter: &str, after: Option<&str>, count_max: usize) -> ListObjects {
        let (prefix, delimiter, after) = (prefix.to_owned(), delimiter.to_owned(), after.map(str::to_owned));
        ListObjects { bucket: bucket("photos"), prefix, delimiter, after, count_max }
    }

    /// The texts of a page's lines, and where the next page begins.
    type Texts = (Vec<String>, Option<String>);

    async fn texts(fixture: &Fixture, operation: ListObjects) -> Texts {
        let Outcome::ListObjects(listing) = fixture.execute(Operation::ListObjects(operation)).await.unwrap() else { panic!() };
        let text = |entry: &Entry<ObjectSummary>| match entry {
            Entry::Item(object) => object.key.as_str().to_owned(),
            Entry::CommonPrefix(prefix) => format!("{prefix}*"),
        };
        (listing.entries.iter().map(text).collect(), listing.next_after)
    }

    /// The same from a sorted set of keys, by walking all of them.
    fn expected(keys: &BTreeSet<String>, operation: &ListObjects) -> Texts {
        let ListObjects { prefix, delimiter, after, count_max, .. } = operation;
        let line = |key: &String| {
            let rest = key.strip_prefix(prefix.as_str())?;
            match rest.split_once(delimiter.as_str()).filter(|_| !delimiter.is_empty()) {
                Some((before, _)) => Some((format!("{prefix}{before}{delimiter}"), "*")),
                None => Some((key.clone(), "")),
            }
        };
        let lines: BTreeSet<_> = keys.iter().filter_map(line).filter(|(text, _)| after.as_ref().is_none_or(|after| text > after)).collect();
        let page: Vec<_> = lines.iter().take(*count_max).collect();
        let next = page.last().filter(|_| lines.len() > page.len()).map(|(text, _)| text.clone());
        (page.into_iter().map(|(text, mark)| format!("{text}{mark}")).collect(), next)
    }

    fn text(size: impl Into<proptest::sample::SizeRange>) -> impl Strategy<Value = String> {
        // Characters around the edges of the key escaping, of UTF-8 and of each other.
        let alphabet = proptest::sample::select(vec!['\0', '\u{1}', '\u{2}', '/', 'a', 'b', '\u{7F}', 'é', '\u{FFFF}', '\u{10FFFF}']);
        let likely = proptest::sample::select(vec!['/', 'a', 'b']);
        proptest::collection::vec(prop_oneof![1 => alphabet, 2 => likely], size).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn pages_are_those_of_a_walk_over_all_keys(
            keys in proptest::collection::btree_set(text(1..7), 0..60),
            prefix in text(0..3),
            delimiter in prop_oneof![2 => Just("/".to_owned()), 1 => text(0..3)],
            mut after in proptest::option::of(text(0..5)),
            count_max in 1..8_usize,
            deleted in proptest::collection::vec(any::<proptest::sample::Index>(), 0..20),
        ) {
            block_on(async move {
                let fixture = Fixture::new();
                let id = fixture.put_bucket("photos").await;
                for other in ["photos-1", "photo"] {
                    let other = fixture.put_bucket(other).await;
                    fixture.put_object(other, "a").await;
                }
                for text in &keys {
                    fixture.put_object(id, text).await;
                }
                let mut keys = keys;
                let mut deleted = deleted.into_iter();
                loop {
                    let operation = list(&prefix, &delimiter, after.as_deref(), count_max);
                    let page = texts(&fixture, operation.clone()).await;
                    prop_assert_eq!(&page, &expected(&keys, &operation), "{:?} of {:?}", operation, keys);
                    let Some(next) = page.1 else { break };
                    prop_assert!(after.as_ref().is_none_or(|after| *after < next), "pages go forward");
                    after = Some(next);
                    // Keys go between the pages, the one the page ended with among them.
                    let gone: Vec<_> = deleted.by_ref().take(2).filter_map(|at| keys.iter().nth(at.index(keys.len())).cloned()).collect();
                    for gone in gone.iter().chain(&after).filter(|gone| keys.remove(*gone)).collect::<Vec<_>>() {
                        fixture.delete_row(keys::object(id, &key(gone))).await;
                    }
                }
                Ok(())
            })?;
        }
    }

    #[tokio::test]
    async fn a_marker_inside_a_common_prefix_leaves_all_of_it_out() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        for text in ["a", "p/1", "p/2", "p/3/4", "q"] {
            fixture.put_object(id, text).await;
        }
        for after in ["p/", "p/2", "p/zzz", "p/3/"] {
            assert_eq!(texts(&fixture, list("", "/", Some(after), 9)).await.0, ["q"], "after {after}");
        }
        assert_eq!(texts(&fixture, list("", "/", Some("p"), 9)).await.0, ["p/*", "q"]);
        assert_eq!(texts(&fixture, list("p/", "/", Some("p/1"), 9)).await.0, ["p/2", "p/3/*"]);
        assert_eq!(texts(&fixture, list("", "/", Some("zz"), 9)).await, (vec![], None));
        assert_eq!(texts(&fixture, list("p/", "/", Some("a"), 1)).await, (vec!["p/1".to_owned()], Some("p/1".to_owned())));
    }

    #[tokio::test]
    async fn an_empty_page_is_not_truncated_but_its_bucket_must_exist() {
        let fixture = Fixture::new();
        let missing = fixture.execute(Operation::ListObjects(list("", "", None, 0))).await;
        assert_eq!(missing, Err(Failure::NoSuchBucket(bucket("photos"))));
        let id = fixture.put_bucket("photos").await;
        fixture.put_object(id, "a").await;
        assert_eq!(texts(&fixture, list("", "", None, 0)).await, (vec![], None));
    }

    #[tokio::test]
    async fn a_page_costs_what_it_shows() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        for number in 0..10_000 {
            fixture.put_object(id, &format!("p/{number:05}")).await;
        }
        fixture.put_object(id, "q").await;

        fixture.index.take_reads();
        assert_eq!(texts(&fixture, list("", "/", None, 1000)).await.0, ["p/*", "q"]);
        let (reads, rows) = fixture.index.take_reads();
        assert!(reads <= 4 && rows <= 100, "one prefix of 10,000 keys: {reads} reads, {rows} rows");

        assert_eq!(texts(&fixture, list("", "/", Some("p/00500"), 1000)).await.0, ["q"]);
        let (reads, rows) = fixture.index.take_reads();
        assert!(reads <= 3 && rows <= 4, "a marker in the prefix: {reads} reads, {rows} rows");

        assert_eq!(texts(&fixture, list("", "", None, 1000)).await.0.len(), 1000);
        let (reads, rows) = fixture.index.take_reads();
        assert!(reads <= 2 && rows <= 1002, "a flat page: {reads} reads, {rows} rows");

        assert_eq!(texts(&fixture, list("p/", "/", None, 1000)).await.0.len(), 1000);
        let (reads, rows) = fixture.index.take_reads();
        assert!(reads <= 8 && rows <= 2100, "a flat page although there is a delimiter: {reads} reads, {rows} rows");
    }

    #[tokio::test]
    async fn many_common_prefixes_cost_a_few_rows_each() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        for directory in 0..200 {
            for number in 0..100 {
                fixture.put_object(id, &format!("{directory:03}/{number}")).await;
            }
        }
        fixture.index.take_reads();
        assert_eq!(texts(&fixture, list("", "/", None, 1000)).await.0.len(), 200);
        let (reads, rows) = fixture.index.take_reads();
        assert!(reads <= 220 && rows <= 2_000, "200 prefixes of 100 keys: {reads} reads, {rows} rows");
    }

    #[tokio::test]
    async fn an_object_is_shown_as_recorded_and_as_its_only_version() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        let mut record = object_record();
        record.attributes.headers.storage_class = Some("GLACIER".to_owned());
        let value = Checksum::new(ChecksumAlgorithm::Crc32, vec![1, 2, 3, 4]).unwrap();
        record.checksum = Some(ObjectChecksum { value, composite_of: Some(3) });
        record.content = Content::Here(vec![]);
        fixture.put_row(keys::object(id, &key("cat.jpg")), record.encode()).await;
        fixture.put_object(id, "dog.jpg").await;
        let cat = ObjectSummary {
            object_type: crate::model::ObjectType::Normal,
            key: key("cat.jpg"),
            size: record.size,
            etag: record.etag,
            last_modified: record.last_modified,
            storage_class: Some("GLACIER".to_owned()),
            checksum: Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite)),
        };
        let listing = ObjectListing { owner: Account::root(), entries: vec![Entry::Item(cat)], next_after: Some("cat.jpg".to_owned()) };
        let objects = fixture.execute(Operation::ListObjects(list("", "", None, 1))).await;
        assert_eq!(objects, Ok(Outcome::ListObjects(listing.clone())));
        let versions = ListObjectVersions {
            bucket: bucket("photos"),
            prefix: "c".to_owned(),
            delimiter: String::new(),
            key_marker: Some("a".to_owned()),
            count_max: 9,
        };
        let versions = fixture.execute(Operation::ListObjectVersions(versions)).await;
        assert_eq!(versions, Ok(Outcome::ListObjectVersions(ObjectListing { next_after: None, ..listing })));
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_read_is_our_fault() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_row(keys::object(id, &key("cat.jpg")), vec![0xEE].into()).await;
        let listing = fixture.execute(Operation::ListObjects(list("", "", None, 9))).await;
        assert_eq!(listing, Err(Failure::Internal));
    }
}
