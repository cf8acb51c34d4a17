//! How far the search for blob files that no record knows has come.

use super::record::Record;
use serde::{Deserialize, Serialize};

/// A search in rounds over all shelves of the blob store. Not worth a crash: what is lost is looked at again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanSearch {
    /// The shelf to look at next; those below it have been in this round.
    pub next_shelf: u16,
    /// What this round has found so far.
    pub this_round: Orphans,
    /// What the round before found.
    pub last_round: Orphans,
}

/// Files that no record knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orphans {
    /// How many.
    pub files: u64,
    /// What they occupy, in bytes.
    pub bytes: u64,
}

impl Record for OrphanSearch {
    const VERSION: u8 = 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The format is on disk: these bytes never change.
    #[test]
    fn a_search_is_stored_as_ever() {
        let search =
            OrphanSearch { next_shelf: 0x1234, this_round: Orphans { files: 1, bytes: 300 }, last_round: Orphans { files: 2, bytes: 3 } };
        assert_eq!(hex::encode(search.encode()), "01b42401ac020203");
        assert_eq!(OrphanSearch::decode(&search.encode()).unwrap(), search);
    }
}
