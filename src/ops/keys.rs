//! Access keys in the index.

use super::Gateway;
use crate::model::{Failure, KeyRecord, KeyStatus};

impl Gateway {
    /// The key of this id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn key(&self, _access_key: &str) -> Result<Option<KeyRecord>, Failure> {
        todo!()
    }

    /// All keys, by id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, Failure> {
        todo!()
    }

    /// Adds a key; `false` when there is one of this id already.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn create_key(&self, _key: &KeyRecord) -> Result<bool, Failure> {
        todo!()
    }

    /// Enables or disables a key; `false` when there is none.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn set_key_status(&self, _access_key: &str, _status: KeyStatus) -> Result<bool, Failure> {
        todo!()
    }

    /// Removes a key; `false` when there is none.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn delete_key(&self, _access_key: &str) -> Result<bool, Failure> {
        todo!()
    }
}
