//! What operators ask: open uploads, and whether every record has its bytes.

use super::{Gateway, OpenUpload, VerifyReport};
use crate::model::Failure;

impl Gateway {
    /// The open uploads of all buckets, by bucket and key, oldest first within a key, up to `count_max`.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn open_uploads(&self, _count_max: usize) -> Result<Vec<OpenUpload>, Failure> {
        todo!()
    }

    /// Checks that every record has its bytes with the right digest and that no bytes are orphaned.
    ///
    /// # Errors
    /// When the stores cannot be read at all.
    pub async fn verify(&self) -> Result<VerifyReport, Failure> {
        todo!()
    }
}
