//! Access keys in the index.

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
};

impl Gateway {
    /// The key of this id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn key(&self, access_key: &str) -> Result<Option<KeyRecord>, Failure> {
        let value = self.get(&keys::access_key(access_key)).await?;
        value.as_deref().map(decode).transpose()
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
                found.push(decode(&value)?);
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
        let lost = self.commit(vec![Check::Absent(row.clone())], vec![Write::Put(row, key.encode())]).await?;
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
            let key = KeyRecord { status, ..decode(&value)? };
            let checks = vec![Check::Equals(row.clone(), value)];
            if self.commit(checks, vec![Write::Put(row.clone(), key.encode())]).await?.is_none() {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        meta::{Kv, KvError, MemoryKv},
        model::{Account, Timestamp},
        ops::inspect::fixture::Fixture,
    };
    use async_trait::async_trait;
    use bytes::Bytes;
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
