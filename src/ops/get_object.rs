//! GetObject and HeadObject.

use super::{
    Admitted, Gateway, Reply,
    conditions::check_read,
    content::load_chunk,
    gateway::{blob_failure, index_failure},
    symlink::Followed,
};
use crate::{
    meta::record::{Content, MANIFEST_CHUNK_PARTS, ManifestPart, ObjectRecord},
    model::*,
};

impl Gateway {
    pub(super) async fn head_object(&self, operation: &ReadObject, admitted: &Admitted) -> Result<Outcome, Failure> {
        let _reading = self.begin_reading();
        let (Followed { object, object_type, .. }, selected, _) = self.select(operation, admitted).await?;
        Ok(Outcome::HeadObject(describe(object, object_type, selected)))
    }

    pub(super) async fn get_object(&self, operation: &ReadObject, admitted: &Admitted) -> Result<Reply, Failure> {
        let reading = self.begin_reading();
        let (Followed { object, object_type, .. }, selected, range) = self.select(operation, admitted).await?;
        let content = self.read_content(&object.content, range).await.map_err(blob_failure)?.into_stream(reading);
        Ok(Reply { outcome: Outcome::GetObject(describe(object, object_type, selected)), content: Some(content) })
    }

    /// The object, what of it is selected, and which bytes these are.
    async fn select(&self, operation: &ReadObject, admitted: &Admitted) -> Result<(Followed, Selected, ByteRange), Failure> {
        let ObjectRef { bucket, key } = &operation.object;
        let followed = self.follow(self.load_bucket(bucket).await?.record.id, key, admitted).await?;
        let object = &followed.object;
        check_read(&operation.conditions, object)?;
        let (selected, range) = match operation.selection {
            Selection::Whole => (Selected::Whole, ByteRange { start: 0, end: object.size }),
            Selection::Range(request) => {
                let range = request.resolve(object.size).ok_or(Failure::RangeNotSatisfiable { size: object.size })?;
                (Selected::Range(range), range)
            }
            Selection::RangeWithin(request) => match request.resolve(object.size).filter(|_| request.is_within(object.size)) {
                Some(range) => (Selected::Range(range), range),
                None => (Selected::Whole, ByteRange { start: 0, end: object.size }),
            },
            Selection::Part(number) => {
                let (range, checksum) = self.part_of_object(object, number).await?;
                (Selected::Part { range, checksum }, range)
            }
        };
        Ok((followed, selected, range))
    }

    /// Bytes and checksum of the part that is `number`-th in the object; an object written in one piece is its own first part.
    async fn part_of_object(&self, object: &ObjectRecord, number: PartNumber) -> Result<(ByteRange, Option<Checksum>), Failure> {
        let count = object.part_count.unwrap_or(1);
        if number.get() > count {
            return Err(Failure::NoSuchPart { number, count });
        }
        if object.part_count.is_none() {
            let checksum = object.checksum.as_ref().filter(|checksum| checksum.composite_of.is_none());
            return Ok((ByteRange { start: 0, end: object.size }, checksum.map(|checksum| checksum.value.clone())));
        }
        let index = usize::from(number.get()) - 1;
        let found = match &object.content {
            Content::Here(parts) => nth(parts, 0, index),
            Content::Manifest { id, .. } => {
                let chunk = u32::try_from(index / MANIFEST_CHUNK_PARTS).expect("at most 10,000 parts");
                let chunk = load_chunk(&*self.kv, *id, chunk).await.map_err(index_failure)?;
                nth(&chunk.parts, chunk.start, index % MANIFEST_CHUNK_PARTS)
            }
        };
        found.ok_or_else(|| {
            tracing::error!(%number, "an object has fewer parts than its record says");
            Failure::Internal
        })
    }
}

/// Bytes and checksum of the part at an index of a run of parts that begins at offset `start`.
fn nth(parts: &[ManifestPart], start: u64, index: usize) -> Option<(ByteRange, Option<Checksum>)> {
    let part = parts.get(index)?;
    let start = parts[..index].iter().fold(start, |end, part| end.saturating_add(part.size));
    Some((ByteRange { start, end: start.saturating_add(part.size) }, part.checksum.clone()))
}

pub(super) fn describe(object: ObjectRecord, object_type: ObjectType, selected: Selected) -> ObjectRead {
    ObjectRead {
        size: object.size,
        etag: object.etag,
        last_modified: object.last_modified,
        attributes: object.attributes,
        checksum: object.checksum,
        crc64_ecma: object.crc64_ecma,
        part_count: object.part_count,
        object_type,
        selected,
    }
}
