//! What mends a problem without harm: the bytes stay, here or in the quarantine, and no object or upload changes.

use crate::{
    blob::BlobId,
    model::{EventId, Timestamp},
};
use std::fmt;

/// What mends a problem of the index or of the blob files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Notes a row that nothing leads to in the quarantine and takes it out of the index.
    TakeOutRow(Vec<u8>),
    /// Moves a file that nobody holds into the quarantine, and its row, if there is one.
    SetBlobAside(BlobId),
    /// Corrects how many hold a blob.
    Recount { blob: BlobId, recorded: u32, holders: u32 },
    /// Makes the row of a file that has holders.
    RestoreRow {
        blob: BlobId,
        holders: u32,
        /// Whether only the to-do list holds it, so that it does not matter if the file is gone already.
        is_leaving: bool,
    },
    /// Makes the row that says when an event is due.
    MakeDue(EventId, Timestamp),
    /// Makes a counter say what a count of all records came to.
    SetCounter { row: Vec<u8>, count: u64 },
}

impl Remedy {
    /// Whether it would be wrong if there were a reference that nobody has seen.
    pub(super) fn needs_every_reference(&self) -> bool {
        match self {
            // Rows of table `N` are referred to by nothing but their events, which are found by their keys.
            Self::TakeOutRow(row) => row.first() != Some(&b'N'),
            Self::SetBlobAside(_) => true,
            Self::Recount { recorded, holders, .. } => holders < recorded,
            // Too few holders are worse than none: the bytes would go with the last that is known.
            Self::RestoreRow { .. } => true,
            // What cannot be read was counted once and is not in the count.
            Self::SetCounter { .. } => true,
            Self::MakeDue(..) => false,
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakeOutRow(_) => f.write_str("the row goes into the quarantine"),
            Self::SetBlobAside(_) => f.write_str("file and row go into the quarantine"),
            Self::Recount { holders, .. } => write!(f, "{holders} holders are recorded"),
            Self::RestoreRow { holders, .. } => write!(f, "the row is made, with {holders} holders"),
            Self::MakeDue(..) => f.write_str("the row is made"),
            Self::SetCounter { count, .. } => write!(f, "it is set to {count}"),
        }
    }
}
