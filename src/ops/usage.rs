//! What a commit changes about how much a bucket and an access key hold, and the limits it must keep.
//!
//! - Counters change in the commit that changes what they count, so they are exact whatever happens in between.
//! - An object counts against its bucket and against the key that wrote it, with its logical size, from the commit that
//!   makes it visible to the one that replaces or deletes it. What is appended counts against who wrote the object.
//! - An upload counts against the key that began it, whoever sends its parts: every revision of every part, from the
//!   commit that acknowledges it to the one that completes or aborts the upload. Each upload has counters of its own, so
//!   that its end can take them off the others whatever else is going on.
//! - A limit holds for what grows. Who deletes, replaces by less, or completes what has been accepted is never refused.

use super::{Gateway, gateway::decode, publish::LoadedUpload};
use crate::{
    meta::{
        Check, Write, count_of,
        keys::{self, Counter, Whose},
        record::{BucketId, Charge, ObjectRecord, QuotaRecord},
    },
    model::{Failure, QuotaKind, UploadId},
};
use std::collections::BTreeMap;

/// What limits the bytes of a bucket or a key, all together.
const BYTES: [Counter; 2] = [Counter::ObjectBytes, Counter::PartBytes];
/// What limits the objects: an open upload has the place of the object that it becomes.
const OBJECTS: [Counter; 2] = [Counter::Objects, Counter::Uploads];
/// What an upload has counters of its own for.
pub(super) const OF_UPLOADS: [Counter; 3] = [Counter::Uploads, Counter::Parts, Counter::PartBytes];

/// The changes of counters that a commit makes.
#[derive(Default)]
pub(super) struct Usage {
    deltas: BTreeMap<(Whose, Counter), i64>,
    ends: Vec<Write>,
    limits: Vec<(Check, QuotaKind)>,
}

/// Against whom an object counts, and with how many bytes.
pub(super) fn share(object: &ObjectRecord) -> (&Charge, u64) {
    (&object.charge, object.size)
}

/// Whose counters an object stands in.
pub(super) fn holders(bucket: BucketId, charge: &Charge) -> Vec<Whose> {
    match charge {
        Charge::Uncounted => vec![],
        Charge::Bucket => vec![Whose::Bucket(bucket)],
        Charge::Key(access_key) => vec![Whose::Bucket(bucket), Whose::Key(access_key.clone())],
    }
}

/// Whose counters an upload stands in besides its own. What is counted of one that was begun before there were counters
/// counts against its bucket.
pub(super) fn upload_holders(bucket: BucketId, charge: &Charge) -> Vec<Whose> {
    match charge {
        Charge::Uncounted => holders(bucket, &Charge::Bucket),
        Charge::Bucket | Charge::Key(_) => holders(bucket, charge),
    }
}

/// The charge of what an upload becomes.
pub(super) fn charge_of_upload(upload: &LoadedUpload) -> Charge {
    match &upload.record.charge {
        Charge::Uncounted => Charge::Bucket,
        charge @ (Charge::Bucket | Charge::Key(_)) => charge.clone(),
    }
}

/// The writes that take everything that is counted of an upload off those it counts against.
pub(super) fn end_of_upload(bucket: BucketId, charge: &Charge, id: UploadId) -> impl Iterator<Item = Write> {
    let (holders, own) = (upload_holders(bucket, charge), Whose::Upload(id));
    OF_UPLOADS.into_iter().map(move |counter| Write::Take {
        counter: keys::counter(&own, counter),
        off: holders.iter().map(|whose| keys::counter(whose, counter)).collect(),
    })
}

impl Usage {
    /// That an object is replaced by another. Either may be none.
    pub(super) fn replace(&mut self, bucket: BucketId, before: Option<(&Charge, u64)>, after: Option<(&Charge, u64)>) {
        if let Some((charge, size)) = before {
            for whose in holders(bucket, charge) {
                self.add(&whose, Counter::Objects, -1);
                self.add(&whose, Counter::ObjectBytes, -signed(size));
            }
        }
        if let Some((charge, size)) = after {
            for whose in holders(bucket, charge) {
                self.add(&whose, Counter::Objects, 1);
                self.add(&whose, Counter::ObjectBytes, signed(size));
            }
        }
    }

    /// That an upload begins.
    pub(super) fn begin_upload(&mut self, bucket: BucketId, charge: &Charge, id: UploadId) {
        self.of_upload(bucket, charge, id, &[(Counter::Uploads, 1)]);
    }

    /// That a part comes to an upload. `is_first`: it is the first of its number.
    pub(super) fn part(&mut self, bucket: BucketId, charge: &Charge, id: UploadId, size: u64, is_first: bool) {
        self.of_upload(bucket, charge, id, &[(Counter::PartBytes, signed(size)), (Counter::Parts, i64::from(is_first))]);
    }

    fn of_upload(&mut self, bucket: BucketId, charge: &Charge, id: UploadId, deltas: &[(Counter, i64)]) {
        for whose in upload_holders(bucket, charge).into_iter().chain([Whose::Upload(id)]) {
            for &(counter, delta) in deltas {
                self.add(&whose, counter, delta);
            }
        }
    }

    /// That an upload ends, with what has been counted of it.
    pub(super) fn end_upload(&mut self, upload: &LoadedUpload, id: UploadId) {
        self.ends.extend(end_of_upload(upload.bucket, &upload.record.charge, id));
    }

    fn add(&mut self, whose: &Whose, counter: Counter, delta: i64) {
        let sum = self.deltas.entry((whose.clone(), counter)).or_default();
        *sum = sum.saturating_add(delta);
    }

    /// By how much these grow, all together; `None` when they do not.
    fn growth(&self, whose: &Whose, counters: [Counter; 2]) -> Option<u64> {
        let delta = |counter| self.deltas.get(&(whose.clone(), counter)).copied().unwrap_or(0);
        u64::try_from(counters.map(delta).into_iter().fold(0, i64::saturating_add)).ok().filter(|&growth| growth > 0)
    }

    fn limit(&mut self, whose: &Whose, quota: QuotaRecord) {
        let (bytes, objects) = match whose {
            Whose::Bucket(_) | Whose::Upload(_) => (QuotaKind::BucketBytes, QuotaKind::BucketObjects),
            Whose::Key(_) => (QuotaKind::KeyBytes, QuotaKind::KeyObjects),
        };
        for (limit, counters, kind) in [(quota.bytes_max, BYTES, bytes), (quota.objects_max, OBJECTS, objects)] {
            if let (Some(limit), Some(add)) = (limit, self.growth(whose, counters)) {
                let counters = counters.map(|counter| keys::counter(whose, counter)).to_vec();
                self.limits.push((Check::AtMost { counters, add, limit }, kind));
            }
        }
    }

    /// The writes that make the changes, and the checks that keep the limits.
    pub(super) fn into_commit(self) -> (Vec<Write>, Vec<(Check, QuotaKind)>) {
        let Self { deltas, ends: mut writes, limits } = self;
        let changes = deltas.into_iter().filter(|&(_, delta)| delta != 0);
        writes.extend(changes.map(|((whose, counter), delta)| Write::Add { counter: keys::counter(&whose, counter), delta }));
        (writes, limits)
    }
}

impl Gateway {
    /// Refuses what there is no room for now, before anybody sends it. Whether there is room then is for the commit to say.
    ///
    /// # Errors
    /// `QuotaExceeded`.
    pub(super) async fn make_sure_of_room(&self, mut usage: Usage, bucket: BucketId, charge: &Charge) -> Result<(), Failure> {
        self.keep_quotas(&mut usage, bucket, charge).await?;
        for (check, kind) in usage.limits {
            let Check::AtMost { counters, add, limit } = check else { continue };
            let mut sum = add;
            for counter in counters {
                sum = sum.saturating_add(self.count(&counter).await?);
            }
            if sum > limit {
                return Err(Failure::QuotaExceeded(kind));
            }
        }
        Ok(())
    }

    /// Makes a commit keep the quotas of a bucket and of who writes to it. To be called when all of its changes are added.
    pub(super) async fn keep_quotas(&self, usage: &mut Usage, bucket: BucketId, charge: &Charge) -> Result<(), Failure> {
        for whose in upload_holders(bucket, charge) {
            if let Some(value) = self.get(&keys::quota(&whose)).await? {
                usage.limit(&whose, decode(&value)?);
            }
        }
        Ok(())
    }

    /// What a counter says.
    pub(super) async fn count(&self, counter: &[u8]) -> Result<u64, Failure> {
        count_of(self.get(counter).await?.as_deref()).map_err(super::gateway::index_failure)
    }
}

/// No object is so large that this matters.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}
