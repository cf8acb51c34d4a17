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
