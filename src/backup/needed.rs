//! Which blobs a snapshot of the index needs: all that have a record, except those that only its to-do list still holds.
//!
//! The latter are garbage that was about to go; their files may be gone already. `verify` sees it in the same way.

use super::{BackupError, blob_list, watch::Watch};
use crate::{
    blob::BlobId,
    meta::{
        Kv, KvError, keys,
        record::{BlobRecord, Content, ManifestChunk, ManifestPart, Place, Record as _, Todo},
    },
};
use bytes::Bytes;
use std::{collections::HashMap, ops::Range};

/// Rows looked at at once.
const PAGE_ROWS: usize = 1024;

/// Writes the list of the blobs that are needed.
pub(super) async fn list(index: &dyn Kv, list: &mut blob_list::Writer, watch: &Watch) -> Result<(), BackupError> {
    let leaving = leaving(index, watch).await?;
    let mut rows = Rows::of(keys::table(b'L'));
    while let Some(page) = rows.page(index, watch).await? {
        for (row, value) in page {
            let blob = keys::blob_of(&row).ok_or_else(|| KvError::Corrupt("a row of L is not a blob's".to_owned()))?;
            let record = BlobRecord::decode(&value)?;
            if leaving.get(&blob).is_none_or(|&count| count < record.holders) {
                list.add(blob, record.size)?;
            }
        }
    }
    Ok(())
}

/// How often the to-do list refers to a blob, where it does.
async fn leaving(index: &dyn Kv, watch: &Watch) -> Result<HashMap<BlobId, u32>, BackupError> {
    let mut leaving = HashMap::new();
    let mut rows = Rows::of(keys::table(b'T'));
    while let Some(page) = rows.page(index, watch).await? {
        for (_, value) in page {
            match Todo::decode(&value)? {
                Todo::ReleaseContent(Content::Here(parts)) => count(&mut leaving, &parts),
                Todo::ReleaseContent(Content::Manifest { id, .. }) => {
                    let mut chunks = Rows::of(keys::manifest(id));
                    while let Some(page) = chunks.page(index, watch).await? {
                        for (_, value) in page {
                            count(&mut leaving, &ManifestChunk::decode(&value)?.parts);
                        }
                    }
                }
                Todo::EndUpload { .. } | Todo::ForgetCompleted(_) => {}
            }
        }
    }
    Ok(leaving)
}

fn count(leaving: &mut HashMap<BlobId, u32>, parts: &[ManifestPart]) {
    for extent in parts.iter().flat_map(|part| &part.extents).filter(|extent| extent.place == Place::File) {
        let count = leaving.entry(extent.blob).or_default();
        *count = count.saturating_add(1);
    }
}

/// A walk over a range, a page at a time.
struct Rows {
    rest: Range<Vec<u8>>,
}

impl Rows {
    fn of(range: Range<Vec<u8>>) -> Self {
        Self { rest: range }
    }

    /// The next page, not empty; `None` at the end.
    async fn page(&mut self, index: &dyn Kv, watch: &Watch) -> Result<Option<Vec<(Bytes, Bytes)>>, BackupError> {
        watch.go_on()?;
        let page = index.scan(self.rest.clone(), PAGE_ROWS).await?;
        Ok(page.last().map(|(row, _)| keys::successor(row)).map(|next| {
            self.rest.start = next;
            page
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::blob_list::Reader, *};
    use crate::{
        meta::{
            MemoryKv, Write,
            record::{Extent, ManifestId},
        },
        model::{Timestamp, UploadId},
    };

    fn parts(blobs: &[u8]) -> Vec<ManifestPart> {
        let extent = |&blob: &u8| Extent { place: Place::File, blob: BlobId([blob; 16]), offset: 0, size: 10 };
        vec![ManifestPart { size: 10 * blobs.len() as u64, checksum: None, extents: blobs.iter().map(extent).collect() }]
    }

    fn todo(sequence: u64, todo: &Todo) -> Write {
        Write::Put(keys::todo(Timestamp::from_millis(1), sequence), todo.encode())
    }

    #[tokio::test]
    async fn every_blob_is_needed_that_something_besides_the_to_do_list_holds() {
        let kv = MemoryKv::default();
        // 1 to 3 are objects'; 2 and 3 are also on the list, 3 twice; 4 and 5 are on the list alone, 5 twice; 6 is on it through a
        // manifest; 7 is a part's whose upload has ended.
        let holders = [(1, 1), (2, 2), (3, 3), (4, 1), (5, 2), (6, 1), (7, 1)];
        let mut writes: Vec<Write> = holders
            .iter()
            .map(|&(blob, holders)| Write::Put(keys::blob(BlobId([blob; 16])), BlobRecord { size: u64::from(blob), holders }.encode()))
            .collect();
        let (id, upload) = (ManifestId([9; 16]), UploadId::from_bytes([8; 16]));
        writes.extend([
            todo(1, &Todo::ReleaseContent(Content::Here(parts(&[2, 3, 4, 5])))),
            todo(2, &Todo::ReleaseContent(Content::Here(parts(&[3, 5])))),
            todo(3, &Todo::ReleaseContent(Content::Manifest { id, chunk_ends: vec![10] })),
            todo(4, &Todo::EndUpload { upload, kept: vec![] }),
            Write::Put(keys::manifest_chunk(id, 0), ManifestChunk { start: 0, parts: parts(&[6]) }.encode()),
        ]);
        kv.commit(vec![], writes).await.unwrap();
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("blobs");
        let mut writer = blob_list::Writer::create(&path).unwrap();
        let (watch, _asker) = Watch::new(None);
        list(&kv, &mut writer, &watch).await.unwrap();
        assert_eq!(writer.finish().unwrap(), (4, 1 + 2 + 3 + 7));
        let listed: Vec<u64> = Reader::open(&path).unwrap().map(|line| line.unwrap().1).collect();
        assert_eq!(listed, [1, 2, 3, 7]);
    }
}
