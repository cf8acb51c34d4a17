//! An object's content: which extents hold a range of it, their bytes as a stream, and the manifest of many parts.
//!
//! A content of many parts is walked one manifest chunk at a time, and its extents are opened one
//! after the other, so that reading costs the same memory whatever the object's size.

use super::{ContentStream, Gateway, readers::Reading};
use crate::{
    blob::{BlobError, BlobStore, BlobStream},
    meta::{
        Kv, KvError, Write, keys,
        record::{Content, Extent, MANIFEST_CHUNK_PARTS, ManifestChunk, ManifestId, ManifestPart, PARTS_HERE_MAX, Place, Record},
    },
    model::ByteRange,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use std::{collections::VecDeque, ops::Range, sync::Arc};

/// Whether there is anything to let go of.
pub(super) fn is_empty(content: &Content) -> bool {
    match content {
        Content::Here(parts) => parts.iter().all(|part| part.extents.is_empty()),
        Content::Manifest { .. } => false,
    }
}

/// The content made of these parts, and the manifest rows that go with it when they are many.
pub(super) fn content_of(parts: Vec<ManifestPart>, id: ManifestId) -> (Content, Vec<Write>) {
    if parts.len() <= PARTS_HERE_MAX {
        return (Content::Here(parts), Vec::new());
    }
    let mut chunk_ends = Vec::new();
    let mut rows = Vec::new();
    let mut start = 0_u64;
    let mut parts = parts.into_iter();
    while parts.len() > 0 {
        let chunk = ManifestChunk { start, parts: parts.by_ref().take(MANIFEST_CHUNK_PARTS).collect() };
        start = chunk.parts.iter().fold(start, |end, part| end.saturating_add(part.size));
        let number = u32::try_from(chunk_ends.len()).expect("an object has at most 10,000 parts");
        rows.push(Write::Put(keys::manifest_chunk(id, number), chunk.encode()));
        chunk_ends.push(start);
    }
    (Content::Manifest { id, chunk_ends }, rows)
}

/// The extents that hold `range`, cut to it, of a run of parts whose first byte is at `start`.
fn cut(parts: &[ManifestPart], start: u64, range: ByteRange) -> VecDeque<Extent> {
    let mut cut = VecDeque::new();
    let mut at = start;
    for extent in parts.iter().flat_map(|part| &part.extents) {
        let end = at.saturating_add(extent.size);
        let (first, last) = (range.start.max(at), range.end.min(end));
        if first < last {
            cut.push_back(Extent { offset: extent.offset.saturating_add(first - at), size: last - first, ..*extent });
        }
        at = end;
    }
    cut
}

/// Walks the extents that hold a range of an object's content.
pub(super) struct ExtentWalk {
    kv: Arc<dyn Kv>,
    range: ByteRange,
    ready: VecDeque<Extent>,
    /// The manifest chunks still to be looked up.
    chunks: Option<(ManifestId, Range<u32>)>,
}

impl ExtentWalk {
    /// Of a range that lies within the content.
    pub(super) fn new(kv: Arc<dyn Kv>, content: &Content, range: ByteRange) -> Self {
        let (ready, chunks) = match content {
            Content::Here(parts) => (cut(parts, 0, range), None),
            Content::Manifest { id, chunk_ends } => (VecDeque::new(), Some((*id, chunks_of(chunk_ends, range)))),
        };
        Self { kv, range, ready, chunks }
    }

    /// The next extent, cut to the range.
    pub(super) async fn next(&mut self) -> Result<Option<Extent>, BlobError> {
        loop {
            if let Some(extent) = self.ready.pop_front() {
                return Ok(Some(extent));
            }
            let Some((id, number)) = self.chunks.as_mut().and_then(|(id, numbers)| Some((*id, numbers.next()?))) else {
                return Ok(None);
            };
            let chunk = load_chunk(&*self.kv, id, number).await.map_err(index_error)?;
            self.ready = cut(&chunk.parts, chunk.start, self.range);
        }
    }
}

/// The numbers of the chunks that hold a range.
fn chunks_of(chunk_ends: &[u64], range: ByteRange) -> Range<u32> {
    if range.start >= range.end {
        return 0..0;
    }
    let first = chunk_ends.partition_point(|&end| end <= range.start);
    let last = chunk_ends.partition_point(|&end| end < range.end);
    let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
    number(first)..number((last + 1).min(chunk_ends.len()))
}

/// One chunk of a manifest, which must exist.
pub(super) async fn load_chunk(kv: &dyn Kv, id: ManifestId, number: u32) -> Result<ManifestChunk, KvError> {
    let value = kv.get(&keys::manifest_chunk(id, number)).await?;
    ManifestChunk::decode(&value.ok_or_else(|| KvError::Corrupt(format!("chunk {number} of a manifest is missing")))?)
}

/// Bytes are read through one kind of error; the index's is told as it is.
fn index_error(error: KvError) -> BlobError {
    BlobError::Io(error.to_string())
}

/// Reads a range of an object's content.
pub(super) struct ContentReader {
    walk: ExtentWalk,
    blobs: Arc<dyn BlobStore>,
    /// The extent being read and how many of its bytes are still to come.
    open: Option<(Extent, BlobStream, u64)>,
}

impl Gateway {
    /// A reader of a range of the content, its first extent opened: what is missing is noticed before
    /// the first byte is promised. The caller holds a [`Reading`] that began before it looked the content up.
    pub(super) async fn read_content(&self, content: &Content, range: ByteRange) -> Result<ContentReader, BlobError> {
        let walk = ExtentWalk::new(Arc::clone(&self.kv), content, range);
        let mut reader = ContentReader { walk, blobs: Arc::clone(&self.blobs), open: None };
        reader.open_next().await?;
        Ok(reader)
    }
}

impl ContentReader {
    /// The next bytes, not empty; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, BlobError> {
        while let Some((extent, bytes, left)) = &mut self.open {
            let differs = || BlobError::Corrupt(extent.blob, "its length is not the record's".to_owned());
            match bytes.next().await.transpose()? {
                Some(piece) if piece.is_empty() => {}
                Some(piece) => {
                    *left = left.checked_sub(piece.len() as u64).ok_or_else(differs)?;
                    return Ok(Some(piece));
                }
                None if *left > 0 => return Err(differs()),
                None => self.open_next().await?,
            }
        }
        Ok(None)
    }

    /// The bytes as a stream, which ends after its first error, and the read with it.
    pub(super) fn into_stream(self, reading: Reading) -> ContentStream {
        let next = |(mut reader, reading): (Self, Reading)| async move { Ok(reader.next().await?.map(|bytes| (bytes, (reader, reading)))) };
        stream::try_unfold((self, reading), next).boxed()
    }

    async fn open_next(&mut self) -> Result<(), BlobError> {
        self.open = match self.walk.next().await? {
            Some(extent) => Some((extent, open(&*self.walk.kv, &*self.blobs, extent).await?, extent.size)),
            None => None,
        };
        Ok(())
    }
}

async fn open(kv: &dyn Kv, blobs: &dyn BlobStore, extent: Extent) -> Result<BlobStream, BlobError> {
    match extent.place {
        Place::File => {
            let end = extent.offset.saturating_add(extent.size);
            blobs.read(extent.blob, ByteRange { start: extent.offset, end }).await
        }
        Place::Index => {
            let bytes = inline_bytes(kv, extent).await?;
            Ok(stream::iter([Ok(bytes)]).boxed())
        }
    }
}

/// The bytes of an extent in the index.
pub(super) async fn inline_bytes(kv: &dyn Kv, extent: Extent) -> Result<Bytes, BlobError> {
    let bytes = kv.get(&keys::inline_data(extent.blob)).await.map_err(index_error)?.ok_or(BlobError::Missing(extent.blob))?;
    let range = usize::try_from(extent.offset).ok().zip(usize::try_from(extent.offset.saturating_add(extent.size)).ok());
    match range {
        Some((start, end)) if end <= bytes.len() => Ok(bytes.slice(start..end)),
        Some(_) | None => Err(BlobError::Corrupt(extent.blob, "its length is not the record's".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::BlobId;

    fn parts(count: u64) -> Vec<ManifestPart> {
        let extent = |index: u64, offset, size| {
            let mut blob = [0; 16];
            blob[..8].copy_from_slice(&index.to_be_bytes());
            Extent { place: Place::File, blob: BlobId(blob), offset, size }
        };
        // Each part is 5 bytes: 2 from offset 10 of one blob, then 3 from offset 0 of the same.
        (0..count).map(|index| ManifestPart { size: 5, checksum: None, extents: vec![extent(index, 10, 2), extent(index, 0, 3)] }).collect()
    }

    #[test]
    fn cutting_keeps_exactly_the_range() {
        let extents = |start, end| {
            let range = ByteRange { start, end };
            cut(&parts(2), 100, range).into_iter().map(|extent| (extent.blob.0[7], extent.offset, extent.size)).collect::<Vec<_>>()
        };
        assert_eq!(extents(100, 110), [(0, 10, 2), (0, 0, 3), (1, 10, 2), (1, 0, 3)]);
        assert_eq!(extents(101, 108), [(0, 11, 1), (0, 0, 3), (1, 10, 2), (1, 0, 1)]);
        assert_eq!(extents(103, 104), [(0, 1, 1)]);
        assert_eq!(extents(105, 105), []);
        assert_eq!(extents(0, 100), []);
    }

    #[test]
    fn a_manifest_has_chunks_with_running_ends() {
        let (content, rows) = content_of(parts(MANIFEST_CHUNK_PARTS as u64 * 2 + 1), ManifestId([7; 16]));
        let chunk = MANIFEST_CHUNK_PARTS as u64 * 5;
        let Content::Manifest { chunk_ends, .. } = content else { panic!("many parts need a manifest") };
        assert_eq!(chunk_ends, [chunk, 2 * chunk, 2 * chunk + 5]);
        assert_eq!(rows.len(), 3);
        assert_eq!(chunks_of(&chunk_ends, ByteRange { start: 0, end: 1 }), 0..1);
        assert_eq!(chunks_of(&chunk_ends, ByteRange { start: chunk - 1, end: chunk + 1 }), 0..2);
        assert_eq!(chunks_of(&chunk_ends, ByteRange { start: chunk, end: 2 * chunk }), 1..2);
        assert_eq!(chunks_of(&chunk_ends, ByteRange { start: 2 * chunk + 4, end: 2 * chunk + 5 }), 2..3);
        assert_eq!(chunks_of(&chunk_ends, ByteRange { start: 9, end: 9 }), 0..0);
        assert!(matches!(content_of(parts(4), ManifestId([7; 16])), (Content::Here(_), rows) if rows.is_empty()));
    }
}
