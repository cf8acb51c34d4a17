//! Access keys in the index.
//!
//! A secret is stored as the vault seals it; what leaves this file is open.

use super::{
    Gateway,
    gateway::{COMMIT_TRIES_MAX, decode},
    pages::Pages,
};
use crate::{
    meta::{
        Check, Write,
        keys::{self, Whose},
        record::Record,
    },
    model::{Failure, KeyRecord, KeyStatus},
    secrets::{Kind, OpenError},
};
use bytes::Bytes;

/// Why not all secrets of access keys are sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// One does not open.
    #[error("the secret of access key {access_key}: {error}")]
    Shut {
        /// Whose.
        access_key: String,
        /// Why.
        error: OpenError,
    },
    /// The index cannot be read or written.
    #[error("{0:?}")]
    Index(Failure),
}

impl From<Failure> for SealError {
    fn from(failure: Failure) -> Self {
        Self::Index(failure)
    }
}

impl Gateway {
    /// The key of this id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn key(&self, access_key: &str) -> Result<Option<KeyRecord>, Failure> {
        let value = self.get(&keys::access_key(access_key)).await?;
        value.map(|value| self.opened(&value)).transpose()
    }

    /// All keys, by id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, Failure> {
        let mut found = Vec::new();
        let mut pages = Pages::new(keys::table(b'K'));
        while let Some(page) = pages.next(self).await? {
            for (_, value) in page {
                found.push(self.opened(&value)?);
            }
        }
        Ok(found)
    }

    /// Adds a key; `false` when there is one of this id already.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn create_key(&self, key: &KeyRecord) -> Result<bool, Failure> {
        let row = keys::access_key(&key.access_key);
        let lost = self.commit(vec![Check::Absent(row.clone())], vec![Write::Put(row, self.sealed(key.clone()))]).await?;
        Ok(lost.is_none())
    }

    /// Enables or disables a key; `false` when there is none.
    ///
    /// # Errors
    /// When the index cannot be written; `SlowDown` when others keep changing the key.
    pub async fn set_key_status(&self, access_key: &str, status: KeyStatus) -> Result<bool, Failure> {
        let row = keys::access_key(access_key);
        for _ in 0..COMMIT_TRIES_MAX {
            let Some(value) = self.get(&row).await? else { return Ok(false) };
            let key = KeyRecord { status, ..self.opened(&value)? };
            let checks = vec![Check::Equals(row.clone(), value)];
            if self.commit(checks, vec![Write::Put(row.clone(), self.sealed(key))]).await?.is_none() {
                return Ok(true);
            }
        }
        Err(Failure::SlowDown)
    }

    /// Removes a key and its quota; `false` when there is none.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn delete_key(&self, access_key: &str) -> Result<bool, Failure> {
        let row = keys::access_key(access_key);
        let quota = Write::Delete(keys::quota(&Whose::Key(access_key.to_owned())));
        let lost = self.commit(vec![Check::Present(row.clone())], vec![Write::Delete(row), quota]).await?;
        Ok(lost.is_none())
    }

    /// Opens every secret, and seals anew those that are in clear or sealed with another key than the current one; returns
    /// how many. Called before anything is served, so nobody else changes them.
    ///
    /// # Errors
    /// [`SealError`].
    pub async fn seal_keys(&self) -> Result<u64, SealError> {
        let mut count = 0;
        let mut pages = Pages::new(keys::table(b'K'));
        while let Some(page) = pages.next(self).await? {
            for (row, value) in page {
                let key: KeyRecord = decode(&value)?;
                let (access_key, is_current) = (key.access_key.clone(), self.settings.vault.is_current(&key.secret_key));
                let opened = self.open(key).map_err(|error| SealError::Shut { access_key, error })?;
                if !is_current {
                    let checks = vec![Check::Equals(row.to_vec(), value)];
                    if self.commit(checks, vec![Write::Put(row.to_vec(), self.sealed(opened))]).await?.is_some() {
                        return Err(SealError::Index(Failure::SlowDown));
                    }
                    count += 1;
                }
            }
        }
        Ok(count)
    }

    fn sealed(&self, key: KeyRecord) -> Bytes {
        let secret_key = self.settings.vault.seal(Kind::AccessKey, &key.access_key, &key.secret_key);
        KeyRecord { secret_key, ..key }.encode()
    }

    fn opened(&self, value: &[u8]) -> Result<KeyRecord, Failure> {
        let key: KeyRecord = decode(value)?;
        let access_key = key.access_key.clone();
        self.open(key).map_err(|error| {
            tracing::error!(access_key, %error, "the secret of an access key");
            Failure::Internal
        })
    }

    fn open(&self, key: KeyRecord) -> Result<KeyRecord, OpenError> {
        let secret_key = self.settings.vault.open(Kind::AccessKey, &key.access_key, &key.secret_key)?;
        Ok(KeyRecord { secret_key, ..key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::{Kv, KvError, MemoryKv},
        model::{Account, Timestamp},
        ops::{Environment, GatewaySettings, inspect::fixture::Fixture},
        secrets::{Vault, is_sealed, new_key_file},
    };
    use async_trait::async_trait;
    use std::{
        ops::Range,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
    };

    fn key(access_key: &str) -> KeyRecord {
        KeyRecord {
            access_key: access_key.to_owned(),
            secret_key: "secret".to_owned(),
            account: Account::root(),
            policy: None,
            status: KeyStatus::Active,
            created: Timestamp::from_millis(1),
        }
    }

    #[tokio::test]
    async fn a_key_is_created_once_changed_and_deleted() {
        let gateway = Fixture::new().gateway;
        assert_eq!(gateway.key("AK").await, Ok(None));
        assert_eq!(gateway.set_key_status("AK", KeyStatus::Disabled).await, Ok(false));
        assert_eq!(gateway.delete_key("AK").await, Ok(false));
        assert_eq!(gateway.create_key(&key("AK")).await, Ok(true));
        let other = KeyRecord { secret_key: "other".to_owned(), ..key("AK") };
        assert_eq!(gateway.create_key(&other).await, Ok(false));
        assert_eq!(gateway.key("AK").await, Ok(Some(key("AK"))), "the first stays");
        assert_eq!(gateway.key("A").await, Ok(None));
        assert_eq!(gateway.set_key_status("AK", KeyStatus::Disabled).await, Ok(true));
        assert_eq!(gateway.key("AK").await, Ok(Some(KeyRecord { status: KeyStatus::Disabled, ..key("AK") })));
        assert_eq!(gateway.delete_key("AK").await, Ok(true));
        assert_eq!(gateway.key("AK").await, Ok(None));
    }

    fn vault(place: &tempfile::TempDir, names: &[&str]) -> Arc<Vault> {
        let files: Vec<_> = names.iter().map(|name| place.path().join(name)).collect();
        for file in files.iter().filter(|file| !file.exists()) {
            new_key_file(file).unwrap();
        }
        Arc::new(Vault::load(files.iter().map(std::path::PathBuf::as_path)).unwrap())
    }

    fn sealing(kv: &Arc<MemoryKv>, vault: Arc<Vault>) -> Arc<Gateway> {
        let environment = Environment { now: Arc::new(|| Timestamp::from_millis(1)), random: Arc::new(|bytes| bytes.fill(7)) };
        let blobs = Arc::new(crate::blob::MemoryBlobs::default());
        let settings = GatewaySettings { vault, ..GatewaySettings::default() };
        Gateway::new(Arc::clone(kv) as Arc<dyn Kv>, blobs, settings, environment)
    }

    async fn stored(kv: &MemoryKv) -> String {
        let value = kv.get(&keys::access_key("AK")).await.unwrap().unwrap();
        KeyRecord::decode(&value).unwrap().secret_key
    }

    #[tokio::test]
    async fn secrets_are_sealed_as_they_are_stored_and_what_was_there_before_is_sealed_anew() {
        let (place, kv) = (tempfile::tempdir().unwrap(), Arc::new(MemoryKv::default()));
        let clear = sealing(&kv, Arc::default());
        clear.create_key(&key("AK")).await.unwrap();
        assert_eq!((stored(&kv).await.as_str(), clear.seal_keys().await), ("secret", Ok(0)));

        let first = sealing(&kv, vault(&place, &["one"]));
        assert_eq!(first.key("AK").await, Ok(Some(key("AK"))), "as it was");
        assert_eq!((first.seal_keys().await, first.seal_keys().await), (Ok(1), Ok(0)));
        assert!(is_sealed(&stored(&kv).await));
        assert_eq!(first.keys().await, Ok(vec![key("AK")]));
        assert_eq!(first.set_key_status("AK", KeyStatus::Disabled).await, Ok(true));
        assert!(is_sealed(&stored(&kv).await), "a change keeps it sealed");
        first.create_key(&key("NEW")).await.unwrap();

        let other = sealing(&kv, vault(&place, &["two"]));
        assert!(matches!(other.seal_keys().await, Err(SealError::Shut { error: OpenError::NoSuchKey(_), .. })));
        assert_eq!(other.key("AK").await, Err(Failure::Internal));
        let both = sealing(&kv, vault(&place, &["two", "one"]));
        assert_eq!(both.seal_keys().await, Ok(2));
        assert_eq!(other.key("NEW").await, Ok(Some(key("NEW"))));
        assert!(matches!(first.seal_keys().await, Err(SealError::Shut { .. })), "the old key is of no use any more");
    }

    #[tokio::test]
    async fn all_keys_are_listed_by_id() {
        let gateway = Fixture::new().gateway;
        assert_eq!(gateway.keys().await, Ok(vec![]));
        let all: Vec<KeyRecord> = (0..600).map(|index| key(&format!("AK{index:04}"))).collect();
        for key in all.iter().rev() {
            gateway.create_key(key).await.unwrap();
        }
        assert_eq!(gateway.keys().await, Ok(all));
    }

    /// An index in which somebody else wins the first commits.
    struct Contended(MemoryKv, AtomicUsize);

    #[async_trait]
    impl Kv for Contended {
        async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
            self.0.get(key).await
        }

        async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
            self.0.scan(range, count_max).await
        }

        async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
            match self.1.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)) {
                Ok(_) => Err(KvError::Conflict(0)),
                Err(_) => self.0.commit(checks, writes).await,
            }
        }

        fn is_read_only(&self) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn a_lost_race_is_run_again_but_not_for_ever() {
        for (losses, expected) in [(COMMIT_TRIES_MAX - 1, Ok(true)), (COMMIT_TRIES_MAX, Err(Failure::SlowDown))] {
            let memory = MemoryKv::default();
            memory.commit(vec![], vec![Write::Put(keys::access_key("AK"), key("AK").encode())]).await.unwrap();
            let gateway = Fixture::over(Arc::new(Contended(memory, AtomicUsize::new(losses)))).gateway;
            assert_eq!(gateway.set_key_status("AK", KeyStatus::Disabled).await, expected);
        }
    }
}
