//! GetObjectAttributes.

use super::{
    Admitted, Gateway,
    gateway::{COMMIT_TRIES_MAX, decode},
    get_object::describe,
    symlink::Followed,
};
use crate::{
    meta::{
        keys,
        record::{Content, MANIFEST_CHUNK_PARTS, ManifestChunk, ManifestId, ManifestPart, ObjectRecord},
    },
    model::*,
};
use std::ops::Range;

impl Gateway {
    pub(super) async fn get_object_attributes(&self, operation: &GetObjectAttributes, admitted: &Admitted) -> Result<Outcome, Failure> {
        let GetObjectAttributes { object, part_number_marker, parts_max } = operation;
        let mut missing_from = None;
        for _ in 0..COMMIT_TRIES_MAX {
            let bucket = self.load_bucket(&object.bucket).await?.record;
            let Followed { object: record, object_type, .. } = self.follow(bucket.id, &object.key, admitted).await?;
            if missing_from.as_ref() == Some(&record) {
                tracing::error!(bucket = %object.bucket, key = %object.key, "an object's manifest lacks a chunk");
                return Err(Failure::Internal);
            }
            match self.parts_page(&record, *part_number_marker, *parts_max).await? {
                Some((parts, is_truncated)) => {
                    let object = describe(record, object_type, Selected::Whole);
                    return Ok(Outcome::GetObjectAttributes(ObjectAttributesInfo { object, parts, is_truncated }));
                }
                // The object was overwritten and its manifest reaped since its record was read.
                None => missing_from = Some(record),
            }
        }
        Err(Failure::SlowDown)
    }

    /// The parts after `marker` and whether more follow; `None` when the manifest is gone. As in S3, parts are listed
    /// only when they have a checksum of their own.
    async fn parts_page(&self, record: &ObjectRecord, marker: u32, parts_max: usize) -> Result<Option<(Vec<ObjectPart>, bool)>, Failure> {
        let count = record.part_count.map_or(0, usize::from);
        let start = usize::try_from(marker).unwrap_or(usize::MAX).min(count);
        let end = start.saturating_add(parts_max).min(count);
        if start == end {
            return Ok(Some((Vec::new(), false)));
        }
        let parts = match &record.content {
            Content::Here(parts) => parts.get(start..end).map(<[_]>::to_vec),
            Content::Manifest { id, .. } => self.manifest_parts(*id, start..end).await?,
        };
        let Some(parts) = parts else { return Ok(None) };
        if parts.iter().all(|part| part.checksum.is_none()) {
            return Ok(Some((Vec::new(), false)));
        }
        let numbered = (marker..).skip(1).zip(parts);
        let page = numbered.map(|(number, ManifestPart { size, checksum, .. })| ObjectPart { number, size, checksum });
        Ok(Some((page.collect(), end < count)))
    }

    /// Parts of a manifest by index, reading only the chunks they are in; `None` when one of them is not there.
    async fn manifest_parts(&self, manifest: ManifestId, wanted: Range<usize>) -> Result<Option<Vec<ManifestPart>>, Failure> {
        let mut parts = Vec::with_capacity(wanted.len());
        let mut index = wanted.start;
        while index < wanted.end {
            let (chunk, first) = (index / MANIFEST_CHUNK_PARTS, index % MANIFEST_CHUNK_PARTS);
            let last = MANIFEST_CHUNK_PARTS.min(first + wanted.end - index);
            let chunk = u32::try_from(chunk).expect("an object has at most 65,535 parts");
            let Some(value) = self.get(&keys::manifest_chunk(manifest, chunk)).await? else { return Ok(None) };
            let chunk: ManifestChunk = decode(&value)?;
            let Some(run) = chunk.parts.get(first..last) else { return Ok(None) };
            parts.extend_from_slice(run);
            index += last - first;
        }
        Ok(Some(parts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::{Write, record::Record},
        ops::index_fixture::{Fixture, bucket, key, object, object_record},
    };

    const MANIFEST: ManifestId = ManifestId([9; 16]);

    fn get(marker: u32, parts_max: usize) -> GetObjectAttributes {
        GetObjectAttributes { object: object("photos", "cat.jpg"), part_number_marker: marker, parts_max }
    }

    async fn attributes(fixture: &Fixture, operation: GetObjectAttributes) -> Result<ObjectAttributesInfo, Failure> {
        match fixture.execute(Operation::GetObjectAttributes(operation)).await? {
            Outcome::GetObjectAttributes(info) => Ok(info),
            other => panic!("{other:?}"),
        }
    }

    fn parts(count: u16, has_checksums: bool) -> Vec<ManifestPart> {
        let checksum = |number: u16| Checksum::new(ChecksumAlgorithm::Crc32, u32::from(number).to_be_bytes().to_vec());
        let part =
            |number| ManifestPart { size: u64::from(number) * 10, checksum: checksum(number).filter(|_| has_checksums), extents: vec![] };
        (1..=count).map(part).collect()
    }

    /// An object of so many parts, in its manifest.
    async fn put_manifest(fixture: &Fixture, count: u16) -> ObjectRecord {
        let id = fixture.put_bucket("photos").await;
        let mut chunk_ends = Vec::new();
        for (chunk, parts) in parts(count, true).chunks(MANIFEST_CHUNK_PARTS).enumerate() {
            let start = chunk_ends.last().copied().unwrap_or(0);
            chunk_ends.push(start + parts.iter().map(|part| part.size).sum::<u64>());
            let value = ManifestChunk { start, parts: parts.to_vec() }.encode();
            fixture.put_row(keys::manifest_chunk(MANIFEST, chunk as u32), value).await;
        }
        let content = Content::Manifest { id: MANIFEST, chunk_ends };
        let record = ObjectRecord { part_count: Some(count), content, ..object_record() };
        fixture.put_row(keys::object(id, &key("cat.jpg")), record.encode()).await;
        record
    }

    #[tokio::test]
    async fn parts_come_in_pages_from_only_the_chunks_they_are_in() {
        let fixture = Fixture::new();
        put_manifest(&fixture, 600).await;
        for (marker, parts_max, expected, is_truncated, chunks) in [
            (0, 1000, 1..=600, false, 3),
            (0, 600, 1..=600, false, 3),
            (0, 599, 1..=599, true, 3),
            (0, 256, 1..=256, true, 1),
            (255, 2, 256..=257, true, 2),
            (256, 256, 257..=512, true, 1),
            (599, usize::MAX, 600..=600, false, 1),
        ] {
            fixture.index.take_reads();
            let info = attributes(&fixture, get(marker, parts_max)).await.unwrap();
            let (reads, _) = fixture.index.take_reads();
            assert_eq!(reads, 2 + chunks, "the bucket, the object, its chunks: {marker} {parts_max}");
            let numbers: Vec<_> = info.parts.iter().map(|part| part.number).collect();
            assert_eq!(numbers, expected.collect::<Vec<_>>());
            assert_eq!(info.is_truncated, is_truncated, "{marker} {parts_max}");
            for part in &info.parts {
                assert_eq!(part.size, u64::from(part.number) * 10);
                assert_eq!(part.checksum.as_ref().unwrap().digest(), part.number.to_be_bytes());
            }
        }
        for (marker, parts_max) in [(600, 10), (u32::MAX, usize::MAX), (0, 0)] {
            let info = attributes(&fixture, get(marker, parts_max)).await.unwrap();
            assert_eq!((info.parts, info.is_truncated), (vec![], false), "{marker} {parts_max}");
        }
    }

    #[tokio::test]
    async fn parts_are_listed_only_of_multipart_objects_with_part_checksums() {
        for (part_count, has_checksums, expected) in [(Some(3), true, 3), (Some(3), false, 0), (None, true, 0)] {
            let fixture = Fixture::new();
            let id = fixture.put_bucket("photos").await;
            let record = ObjectRecord { part_count, content: Content::Here(parts(3, has_checksums)), ..object_record() };
            fixture.put_row(keys::object(id, &key("cat.jpg")), record.encode()).await;
            let info = attributes(&fixture, get(0, 1000)).await.unwrap();
            assert_eq!((info.parts.len(), info.is_truncated), (expected, false), "{part_count:?} {has_checksums}");
            let object_type = record.object_type();
            assert_eq!(info.object, describe(record, object_type, Selected::Whole));
        }
    }

    #[tokio::test]
    async fn a_manifest_reaped_while_it_is_read_means_the_object_is_another_now() {
        let fixture = Fixture::new();
        let record = put_manifest(&fixture, 300).await;
        fixture.delete_row(keys::manifest_chunk(MANIFEST, 1)).await;
        assert_eq!(attributes(&fixture, get(0, 1000)).await, Err(Failure::Internal), "unless it is still the same");
        let id = fixture.put_bucket("photos").await;
        let newer = ObjectRecord { size: 77, part_count: None, content: Content::Here(vec![]), ..record };
        fixture.index.after_miss(vec![Write::Put(keys::object(id, &key("cat.jpg")), newer.encode())]);
        assert_eq!(attributes(&fixture, get(0, 1000)).await.map(|info| info.object.size), Ok(77));
    }

    #[tokio::test]
    async fn the_object_must_be_there() {
        let fixture = Fixture::new();
        assert_eq!(attributes(&fixture, get(0, 1)).await, Err(Failure::NoSuchBucket(bucket("photos"))));
        fixture.put_bucket("photos").await;
        assert_eq!(attributes(&fixture, get(0, 1)).await, Err(Failure::NoSuchKey(key("cat.jpg"))));
    }
}
