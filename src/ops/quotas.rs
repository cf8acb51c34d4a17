//! Quotas as operators see and set them, and what buckets and access keys hold.

use super::{Gateway, gateway::COMMIT_TRIES_MAX, gateway::decode, pages::Pages};
use crate::{
    meta::{
        Write, count_of,
        keys::{self, Counter, Whose},
        record::{BucketId, BucketRecord, QuotaRecord, Record},
    },
    model::{Bucket, Failure},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whom a quota is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum QuotaHolder {
    /// A bucket.
    Bucket(Bucket),
    /// An access key, and the temporary credentials issued to it.
    Key(String),
}

/// How much is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Objects.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Open uploads.
    pub uploads: u64,
    /// Part numbers of these that have a part.
    pub parts: u64,
    /// The bytes of their parts, replaced revisions included.
    pub part_bytes: u64,
}

impl Held {
    fn set(&mut self, counter: Counter, count: u64) {
        match counter {
            Counter::Objects => self.objects = count,
            Counter::ObjectBytes => self.object_bytes = count,
            Counter::Uploads => self.uploads = count,
            Counter::Parts => self.parts = count,
            Counter::PartBytes => self.part_bytes = count,
        }
    }
}

/// How much somebody holds, and may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaSummary {
    /// Who.
    pub holder: QuotaHolder,
    /// The most bytes, parts of open uploads included; `None` for any number.
    pub bytes_max: Option<u64>,
    /// The most objects and open uploads; `None` for any number.
    pub objects_max: Option<u64>,
    /// How much it is.
    pub held: Held,
}

/// Quotas and what is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaReport {
    /// Every bucket, and every access key that holds something or has a quota; by name.
    pub quotas: Vec<QuotaSummary>,
    /// Whether all there is is counted. `false` while what an earlier release wrote is still being counted: buckets hold
    /// more then than is told.
    pub is_complete: bool,
}

impl Gateway {
    /// What everybody holds, and may.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn quotas(&self) -> Result<QuotaReport, Failure> {
        let is_complete = self.all_is_counted();
        let mut names = BTreeMap::new();
        let mut all: BTreeMap<QuotaHolder, (Held, QuotaRecord)> = BTreeMap::new();
        let mut buckets = Pages::new(keys::table(b'B'));
        while let Some(page) = buckets.next(self).await? {
            for (row, value) in &page {
                let Some(bucket) = keys::bucket_of(row) else { continue };
                let BucketRecord { id, .. } = decode(value)?;
                all.entry(QuotaHolder::Bucket(bucket.clone())).or_default();
                names.insert(id, bucket);
            }
        }
        let mut counters = Pages::new(keys::table(b'Q'));
        while let Some(page) = counters.next(self).await? {
            for (row, value) in &page {
                if let Some((whose, counter)) = keys::counter_of(row)
                    && let Some(holder) = holder_of(whose, &names)
                {
                    all.entry(holder).or_default().0.set(counter, count(value)?);
                }
            }
        }
        let mut quotas = Pages::new(keys::table(b'G'));
        while let Some(page) = quotas.next(self).await? {
            for (row, value) in &page {
                if let Some(holder) = keys::quota_of(row).and_then(|whose| holder_of(whose, &names)) {
                    all.entry(holder).or_default().1 = decode(value)?;
                }
            }
        }
        let summary = |(holder, (held, QuotaRecord { bytes_max, objects_max }))| QuotaSummary { holder, bytes_max, objects_max, held };
        Ok(QuotaReport { quotas: all.into_iter().map(summary).collect(), is_complete })
    }

    /// Sets how much a bucket or an access key may hold; no limit at all takes the quota away. What is there stays.
    /// Whether there is such a key is for the caller to know: the root key, for one, is not in the index.
    ///
    /// # Errors
    /// `NoSuchBucket`; when the index cannot be written.
    pub async fn set_quota(&self, holder: &QuotaHolder, bytes_max: Option<u64>, objects_max: Option<u64>) -> Result<(), Failure> {
        for _ in 0..COMMIT_TRIES_MAX {
            let (whose, checks) = match holder {
                QuotaHolder::Bucket(bucket) => {
                    let bucket = self.load_bucket(bucket).await?;
                    (Whose::Bucket(bucket.record.id), vec![bucket.unchanged])
                }
                QuotaHolder::Key(access_key) => (Whose::Key(access_key.clone()), vec![]),
            };
            let row = keys::quota(&whose);
            let write = match (bytes_max, objects_max) {
                (None, None) => Write::Delete(row),
                (Some(_), _) | (None, Some(_)) => Write::Put(row, QuotaRecord { bytes_max, objects_max }.encode()),
            };
            if self.commit(checks, vec![write]).await?.is_none() {
                return Ok(());
            }
        }
        Err(Failure::SlowDown)
    }

    /// What a bucket holds, as its counters say, all of one moment.
    pub(super) async fn held_in(&self, bucket: BucketId) -> Result<Held, Failure> {
        let mut held = Held::default();
        for (row, value) in self.scan(keys::bucket_counters(bucket), Counter::ALL.len()).await? {
            if let Some((_, counter)) = keys::counter_of(&row) {
                held.set(counter, count(&value)?);
            }
        }
        Ok(held)
    }
}

fn count(value: &Bytes) -> Result<u64, Failure> {
    count_of(Some(value)).map_err(super::gateway::index_failure)
}

/// Whose something is in the operator's words; `None` for an upload, and for a bucket that has gone meanwhile.
fn holder_of(whose: Whose, names: &BTreeMap<BucketId, Bucket>) -> Option<QuotaHolder> {
    match whose {
        Whose::Bucket(id) => names.get(&id).cloned().map(QuotaHolder::Bucket),
        Whose::Key(access_key) => Some(QuotaHolder::Key(access_key)),
        Whose::Upload(_) => None,
    }
}
