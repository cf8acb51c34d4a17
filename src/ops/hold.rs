//! Holding the reaper back, so that what a snapshot of the index refers to can be copied in peace.
//!
//! - A hold is a read that lasts: bytes that something referred to when it began stay until it ends.
//! - It ends when it is dropped, so also with the process. Nothing of it is on disk.

use super::{Gateway, readers::Reading};

/// How long a commit may take to happen after the time of its to-do lines was read: such a line may be missing from
/// a snapshot that is taken in between, and be due before it. Milliseconds.
const COMMIT_MS_MAX: i64 = 60_000;

/// Keeps the reaper from what was referred to when it was made; drop it to let the reaper go on.
#[must_use = "the reaper goes on when this is dropped"]
pub struct ReaperHold {
    _reading: Reading,
}

impl Gateway {
    /// Holds the reaper back. A snapshot of the index that is taken afterwards refers to no file, except from its own to-do
    /// list, that the reaper removes before the hold is dropped. Waits for a round of the reaper that is under way.
    pub async fn hold_reaper(&self) -> ReaperHold {
        let reading = self.readers.begin(self.steady_now().plus_millis(-COMMIT_MS_MAX));
        // A round that began earlier does not know of us; every later one does.
        drop(self.reaping.write().await);
        ReaperHold { _reading: reading }
    }
}
