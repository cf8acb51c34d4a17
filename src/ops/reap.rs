//! The to-do list: what a commit left for later, and what an earlier run left half-done.

use super::Gateway;
use crate::model::Failure;

impl Gateway {
    /// Settles what an earlier run left half-done: sealed blobs without a record are removed. Called once, before serving.
    ///
    /// # Errors
    /// When the stores cannot be read.
    pub async fn recover(&self) -> Result<(), Failure> {
        todo!()
    }

    /// Works off what is due on the to-do list; returns the number of lines done. Called every few seconds.
    ///
    /// # Errors
    /// When the stores fail.
    pub async fn reap(&self) -> Result<usize, Failure> {
        todo!()
    }

    /// Waits for work that runs on although its caller hung up.
    pub async fn drain(&self) {
        todo!()
    }
}
