//! ListParts: of each part number its newest revision.

use super::{
    Gateway,
    gateway::decode,
    listing::{Walk, corrupt_row},
};
use crate::{
    meta::{keys, record::PartRecord},
    model::*,
};
use bytes::Bytes;

impl Gateway {
    pub(super) async fn list_parts(&self, operation: &ListParts) -> Result<Outcome, Failure> {
        let ListParts { object, upload_id, part_number_marker, count_max } = operation;
        let bucket = self.load_bucket(&object.bucket).await?.record;
        let gone = || Failure::NoSuchUpload(upload_id.to_string());
        let upload = self.open_upload(bucket.id, &object.key, upload_id).await?.ok_or_else(gone)?;
        let (parts, is_truncated) = self.newest_parts(upload_id, *part_number_marker, *count_max).await?;
        // Of an upload that ended meanwhile some parts may have been reaped already.
        if !self.upload_stands(&upload).await? {
            return Err(gone());
        }
        Ok(Outcome::ListParts(PartListing {
            owner: bucket.owner,
            initiator: upload.record.initiator,
            storage_class: upload.record.attributes.headers.storage_class,
            checksum: upload.record.checksum,
            parts,
            is_truncated,
        }))
    }

    /// Up to `count_max` parts numbered above `marker`, and whether there are more.
    async fn newest_parts(&self, upload: &UploadId, marker: u32, count_max: usize) -> Result<(Vec<PartSummary>, bool), Failure> {
        let mut parts = Vec::new();
        let Ok(marker) = u16::try_from(marker) else { return Ok((parts, false)) };
        if count_max == 0 {
            return Ok((parts, false));
        }
        let mut walk = Walk::new(self, keys::parts_after(upload, marker), count_max.saturating_add(1));
        // The revisions of a part number ascend: the last one before the next number is the part.
        let mut newest: Option<(PartNumber, Bytes)> = None;
        while let Some((row, value)) = walk.next().await? {
            let (_, number, _) = keys::part_of(&row).ok_or_else(|| corrupt_row(&row))?;
            if let Some((previous, value)) = newest.take_if(|(previous, _)| *previous != number) {
                parts.push(summary(previous, &value)?);
                if parts.len() == count_max {
                    return Ok((parts, true));
                }
            }
            newest = Some((number, value));
        }
        if let Some((number, value)) = newest {
            parts.push(summary(number, &value)?);
        }
        Ok((parts, false))
    }
}

fn summary(number: PartNumber, value: &[u8]) -> Result<PartSummary, Failure> {
    let record: PartRecord = decode(value)?;
    Ok(PartSummary {
        number,
        size: record.size,
        etag: ETag::Whole(record.md5),
        last_modified: record.last_modified,
        checksum: record.checksum,
        crc64_ecma: record.crc64_ecma,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::record::{Record, Revision},
        ops::index_fixture::{Fixture, NOW, block_on, bucket, object, upload_id, upload_record},
    };
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn list(marker: u32, count_max: usize) -> ListParts {
        ListParts { object: object("photos", "cat.jpg"), upload_id: upload_id(9), part_number_marker: marker, count_max }
    }

    async fn listing(fixture: &Fixture, operation: ListParts) -> Result<PartListing, Failure> {
        match fixture.execute(Operation::ListParts(operation)).await? {
            Outcome::ListParts(listing) => Ok(listing),
            other => panic!("{other:?}"),
        }
    }

    fn number(number: u16) -> PartNumber {
        PartNumber::new(number.into()).unwrap()
    }

    fn record(size: u64) -> PartRecord {
        PartRecord {
            md5: [3; 16],
            size,
            last_modified: NOW,
            checksum: None,
            crc64_nvme: 1,
            crc64_ecma: 2,
            extents: vec![],
            is_counted: false,
        }
    }

    async fn with_upload() -> Fixture {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        fixture.put_upload(id, "cat.jpg", upload_id(9)).await;
        fixture
    }

    async fn put(fixture: &Fixture, upload: UploadId, part: u16, revision: u64, size: u64) {
        fixture.put_row(keys::part(&upload, number(part), Revision(revision)), record(size).encode()).await;
    }

    proptest! {
        #[test]
        fn pages_hold_the_newest_revision_of_each_part(
            revisions in proptest::collection::btree_set((1..40_u16, 1..6_u64), 0..80),
            marker in 0..45_u32,
            count_max in 1..10_usize,
        ) {
            block_on(async move {
                let fixture = with_upload().await;
                // Neighbours that are not of this upload.
                put(&fixture, upload_id(8), 1, 1, 0).await;
                put(&fixture, upload_id(10), 10_000, 1, 0).await;
                let newest: BTreeMap<u16, u64> = revisions.iter().copied().collect();
                for &(part, revision) in &revisions {
                    put(&fixture, upload_id(9), part, revision, revision).await;
                }
                let mut marker = marker;
                loop {
                    let page = listing(&fixture, list(marker, count_max)).await.unwrap();
                    let following: Vec<_> = newest.iter().filter(|(part, _)| u32::from(**part) > marker).map(|(&part, &size)| (part, size)).collect();
                    let listed: Vec<_> = page.parts.iter().map(|part| (part.number.get(), part.size)).collect();
                    prop_assert_eq!(&listed[..], &following[..count_max.min(following.len())]);
                    prop_assert_eq!(page.is_truncated, following.len() > count_max);
                    if !page.is_truncated {
                        break;
                    }
                    marker = listed.last().unwrap().0.into();
                }
                Ok(())
            })?;
        }
    }

    #[tokio::test]
    async fn gaps_and_extreme_markers_are_fine() {
        let fixture = with_upload().await;
        for part in [1, 500, 10_000] {
            put(&fixture, upload_id(9), part, 1, 1).await;
        }
        let numbers = async |marker, count_max| {
            let page = listing(&fixture, list(marker, count_max)).await.unwrap();
            (page.parts.iter().map(|part| part.number.get()).collect::<Vec<_>>(), page.is_truncated)
        };
        assert_eq!(numbers(0, 1000).await, (vec![1, 500, 10_000], false));
        assert_eq!(numbers(0, 3).await, (vec![1, 500, 10_000], false));
        assert_eq!(numbers(0, 2).await, (vec![1, 500], true));
        assert_eq!(numbers(1, usize::MAX).await, (vec![500, 10_000], false));
        assert_eq!(numbers(9_999, 1).await, (vec![10_000], false));
        for beyond in [10_000, 65_535, 65_536, u32::MAX] {
            assert_eq!(numbers(beyond, 1000).await, (vec![], false), "{beyond}");
        }
        assert_eq!(numbers(0, 0).await, (vec![], false));
    }

    #[tokio::test]
    async fn an_upload_and_its_parts_are_shown_as_recorded() {
        let fixture = Fixture::new();
        let id = fixture.put_bucket("photos").await;
        let mut upload = upload_record();
        upload.attributes.headers.storage_class = Some("GLACIER".to_owned());
        upload.checksum = Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject));
        fixture.put_row(keys::upload(id, &object("photos", "cat.jpg").key, &upload_id(9)), upload.encode()).await;
        let checksum = Checksum::new(ChecksumAlgorithm::Crc32, vec![1, 2, 3, 4]);
        let part = PartRecord { checksum: checksum.clone(), ..record(5) };
        fixture.put_row(keys::part(&upload_id(9), number(2), Revision(1)), part.encode()).await;
        let summary = PartSummary { number: number(2), size: 5, etag: ETag::Whole([3; 16]), last_modified: NOW, checksum, crc64_ecma: 2 };
        let expected = PartListing {
            owner: Account::root(),
            initiator: upload.initiator,
            storage_class: Some("GLACIER".to_owned()),
            checksum: upload.checksum,
            parts: vec![summary],
            is_truncated: false,
        };
        assert_eq!(listing(&fixture, list(0, 9)).await, Ok(expected));
    }

    #[tokio::test]
    async fn bucket_key_and_upload_id_must_belong_together() {
        let fixture = with_upload().await;
        let no_such_upload = |upload: UploadId| Err(Failure::NoSuchUpload(upload.to_string()));
        let other_id = ListParts { upload_id: upload_id(8), ..list(0, 9) };
        assert_eq!(listing(&fixture, other_id).await, no_such_upload(upload_id(8)));
        let other_key = ListParts { object: object("photos", "dog.jpg"), ..list(0, 9) };
        assert_eq!(listing(&fixture, other_key).await, no_such_upload(upload_id(9)));
        let no_bucket = ListParts { object: object("none", "cat.jpg"), ..list(0, 9) };
        assert_eq!(listing(&fixture, no_bucket).await, Err(Failure::NoSuchBucket(bucket("none"))));
    }
}
