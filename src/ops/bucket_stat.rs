//! GetBucketStat: what a bucket holds, as its counters say. As long as they do not know what an earlier release wrote, it is
//! counted now, a page at a time.

use super::{Gateway, Held, gateway::decode, pages::Pages};
use crate::{
    meta::{
        keys,
        record::{BucketId, ObjectRecord},
    },
    model::*,
};

impl Gateway {
    pub(super) async fn get_bucket_stat(&self, operation: &Bucket) -> Result<Outcome, Failure> {
        let bucket = self.load_bucket(operation).await?.record.id;
        if self.all_is_counted() {
            let Held { objects, object_bytes, uploads, parts, .. } = self.held_in(bucket).await?;
            let (object_count, object_size, upload_count, part_count) = (objects, object_bytes, uploads, parts);
            return Ok(Outcome::GetBucketStat(BucketStat { object_count, object_size, upload_count, part_count, counted: self.now() }));
        }
        let mut stat = BucketStat { object_count: 0, object_size: 0, upload_count: 0, part_count: 0, counted: self.now() };
        self.count_objects(bucket, &mut stat).await?;
        self.count_uploads(bucket, &mut stat).await?;
        Ok(Outcome::GetBucketStat(stat))
    }

    async fn count_objects(&self, bucket: BucketId, stat: &mut BucketStat) -> Result<(), Failure> {
        let mut objects = Pages::new(keys::objects(bucket));
        while let Some(page) = objects.next(self).await? {
            for (_, value) in &page {
                let object: ObjectRecord = decode(value)?;
                stat.object_count += 1;
                stat.object_size = stat.object_size.saturating_add(object.size);
            }
        }
        Ok(())
    }

    async fn count_uploads(&self, bucket: BucketId, stat: &mut BucketStat) -> Result<(), Failure> {
        let mut uploads = Pages::new(keys::uploads(bucket));
        while let Some(page) = uploads.next(self).await? {
            for (_, _, upload) in page.iter().filter_map(|(row, _)| keys::upload_of(row)) {
                stat.upload_count += 1;
                stat.part_count += self.count_parts(&upload).await?;
            }
        }
        Ok(())
    }

    /// Part numbers that have a part, however often it was uploaded.
    async fn count_parts(&self, upload: &UploadId) -> Result<u64, Failure> {
        let (mut count, mut last) = (0, None);
        let mut parts = Pages::new(keys::parts(upload));
        while let Some(page) = parts.next(self).await? {
            for (_, number, _) in page.iter().filter_map(|(row, _)| keys::part_of(row)) {
                // The revisions of a number are neighbours.
                count += u64::from(last.replace(number) != Some(number));
            }
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::record::{PartRecord, Record, Revision},
        ops::index_fixture::{Fixture, NOW, bucket, object_record, upload_id},
    };

    #[tokio::test]
    async fn everything_in_the_bucket_is_counted_once_and_nothing_of_others() {
        let fixture = Fixture::new();
        let stat = || fixture.execute(Operation::GetBucketStat(bucket("photos")));
        assert_eq!(stat().await, Err(Failure::NoSuchBucket(bucket("photos"))));
        let (id, other) = (fixture.put_bucket("photos").await, fixture.put_bucket("movies").await);
        let nothing = BucketStat { object_count: 0, object_size: 0, upload_count: 0, part_count: 0, counted: NOW };
        assert_eq!(stat().await, Ok(Outcome::GetBucketStat(nothing)));

        for index in 0..600 {
            fixture.put_object(id, &format!("k{index}")).await;
        }
        fixture.put_object(other, "k").await;
        fixture.put_upload(other, "k", upload_id(0)).await;
        for age in [1, 2] {
            fixture.put_upload(id, "k", upload_id(age)).await;
        }
        let part = PartRecord {
            md5: [0; 16],
            size: 1,
            last_modified: NOW,
            checksum: None,
            crc64_nvme: 0,
            crc64_ecma: 0,
            extents: vec![],
            is_counted: false,
        };
        for (number, revision) in [(1, 1), (1, 2), (7, 1)] {
            let row = keys::part(&upload_id(1), PartNumber::new(number).unwrap(), Revision(revision));
            fixture.put_row(row, part.encode()).await;
        }
        let full = BucketStat { object_count: 600, object_size: 600 * object_record().size, upload_count: 2, part_count: 2, counted: NOW };
        assert_eq!(stat().await, Ok(Outcome::GetBucketStat(full)));
    }
}
