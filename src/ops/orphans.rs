//! Looking for files that no record knows: one shelf of the blob store after the other, a few at a time, for ever.
//!
//! A file without a record is nothing unusual: it was sealed and its commit is under way, or it is being removed and its
//! record with it. What tells an orphan is the order of things. A file keeps its staging name until its record is
//! committed or the file is gone, and a record stays until its file is gone. So a file is nobody's when it has no staging
//! name any more, then no record, and then is still there. That takes no clock.
//!
//! Orphans are counted and stay: what to do about them is `verify --repair`'s. What waits on the to-do list is counted here
//! too.

use super::{
    Gateway,
    gateway::{blob_failure, decode},
    pages::Pages,
};
use crate::{
    blob::BlobId,
    meta::{
        Write, keys,
        orphans::{OrphanSearch, Orphans},
        record::{Content, Record, Todo},
    },
    model::Failure,
};

/// Shelves looked at in one step when there is next to nothing on them.
const SHELVES_PER_STEP: usize = 2_048;

/// Lines of the to-do list counted at most: with a long grace period there may be any number, and nobody needs to know it.
const LINES_COUNTED_MAX: u64 = 200_000;

/// What a step of the search came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OrphanReport {
    /// Files compared with the index.
    pub compared: u64,
    /// Files that no record knows, as far as is known: found in this round or in the one before, whichever is more.
    pub files: u64,
    /// What they occupy, in bytes.
    pub bytes: u64,
    /// Whether this step was the last of a round over all shelves.
    pub round_is_over: bool,
}

/// What the to-do list holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Lines that are due, or will be within the grace period; 200,000 stands for that many or more.
    pub lines: u64,
    /// Bytes they let go of. Those of parts of ended uploads count from when the parts have been looked at.
    pub bytes: u64,
}

impl Gateway {
    /// Goes on with the search where it was left, also by an earlier run, until about so many files have been compared
    /// with the index. One search at a time.
    ///
    /// # Errors
    /// When the stores cannot be read, or how far it has come cannot be written; then the step is done again.
    pub async fn search_orphans(&self, file_count: u64) -> Result<OrphanReport, Failure> {
        let row = keys::orphan_search();
        let mut search = match self.get(&row).await? {
            Some(value) => OrphanSearch::decode(&value).unwrap_or_default(),
            None => OrphanSearch::default(),
        };
        let (mut compared, mut round_is_over) = (0, false);
        for _ in 0..SHELVES_PER_STEP {
            for blob in self.blobs.shelf(search.next_shelf).await.map_err(blob_failure)? {
                compared += 1;
                if let Some(size) = self.orphan_size(blob).await? {
                    search.this_round.files = search.this_round.files.saturating_add(1);
                    search.this_round.bytes = search.this_round.bytes.saturating_add(size);
                }
            }
            round_is_over = search.next_shelf == u16::MAX;
            search.next_shelf = search.next_shelf.wrapping_add(1);
            if round_is_over {
                search.last_round = std::mem::take(&mut search.this_round);
            }
            if round_is_over || compared >= file_count {
                break;
            }
        }
        self.commit(vec![], vec![Write::Put(row, search.encode())]).await?;
        let Orphans { files, bytes } =
            if search.this_round.files > search.last_round.files { search.this_round } else { search.last_round };
        Ok(OrphanReport { compared, files, bytes, round_is_over })
    }

    /// What a file occupies that no record knows; `None` for any other.
    async fn orphan_size(&self, blob: BlobId) -> Result<Option<u64>, Failure> {
        let row = keys::blob(blob);
        if self.get(&row).await?.is_some() || self.blobs.settled_size(blob).await.map_err(blob_failure)?.is_none() {
            return Ok(None);
        }
        // Its record may have been committed and its staging name removed between the two looks.
        if self.get(&row).await?.is_some() {
            return Ok(None);
        }
        self.blobs.settled_size(blob).await.map_err(blob_failure)
    }

    /// What has been let go of and waits on the to-do list. Walks the list as far as the grace period reaches.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn backlog(&self) -> Result<Backlog, Failure> {
        let mut backlog = Backlog::default();
        let mut lines = Pages::new(keys::todos_due(self.steady_now().plus_millis(self.settings.reap_grace_ms)));
        while backlog.lines < LINES_COUNTED_MAX
            && let Some(page) = lines.next(self).await?
        {
            for (_, value) in page {
                backlog.lines += 1;
                let bytes = match decode(&value)? {
                    Todo::ReleaseContent(Content::Here(parts)) => parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.size)),
                    Todo::ReleaseContent(Content::Manifest { chunk_ends, .. }) => chunk_ends.last().copied().unwrap_or(0),
                    Todo::EndUpload { .. } | Todo::ForgetCompleted(_) => 0,
                };
                backlog.bytes = backlog.bytes.saturating_add(bytes);
            }
        }
        Ok(backlog)
    }
}
