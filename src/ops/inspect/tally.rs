//! Counting again what the counters say: the objects, uploads and parts that are marked as counted.
//!
//! While others write, a count and the counters do not agree. A counter that changes during a count is not judged, and a
//! difference is told as such: one that stays the same from count to count is a problem, and noise is not.

use crate::{
    meta::{
        count_of,
        keys::{self, Counter, Whose},
        record::{BucketId, Charge, ObjectRecord, PartRecord, UploadRecord},
        row_of,
    },
    model::{Failure, PartNumber, UploadId},
    ops::{
        Gateway,
        pages::Pages,
        usage::{holders, upload_holders},
    },
};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// What the counters should say, and what they do.
#[derive(Default)]
pub(super) struct Tally {
    expected: BTreeMap<(Whose, Counter), u64>,
    found: BTreeMap<Vec<u8>, Bytes>,
    uploads: HashMap<UploadId, (BucketId, Charge)>,
    /// The number of the last part, and whose it was.
    last_part: Option<(UploadId, PartNumber)>,
}

impl Tally {
    /// Takes note of what the counters say. To be called before uploads are counted: those that were begun before there
    /// were counters are counted when they have one.
    pub(super) async fn read(gateway: &Gateway) -> Result<Self, Failure> {
        let mut tally = Self::default();
        let mut pages = Pages::new(keys::table(b'Q'));
        while let Some(page) = pages.next(gateway).await? {
            tally.found.extend(page.into_iter().map(|(row, value)| (row.to_vec(), value)));
        }
        Ok(tally)
    }

    /// How many rows were read.
    pub(super) fn row_count(&self) -> u64 {
        self.found.len() as u64
    }

    pub(super) fn object(&mut self, bucket: BucketId, object: &ObjectRecord) {
        for whose in holders(bucket, &object.charge) {
            self.add(whose.clone(), Counter::Objects, 1);
            self.add(whose, Counter::ObjectBytes, object.size);
        }
    }

    pub(super) fn upload(&mut self, bucket: BucketId, id: UploadId, upload: UploadRecord) {
        let own = keys::counter(&Whose::Upload(id), Counter::Uploads);
        if upload.charge != Charge::Uncounted || self.found.contains_key(&own) {
            self.of_upload(bucket, &upload.charge, id, Counter::Uploads, 1);
        }
        self.uploads.insert(id, (bucket, upload.charge));
    }

    /// A part, in the order of their rows; what is counted of those of uploads that have ended was taken off.
    pub(super) fn part(&mut self, id: UploadId, number: PartNumber, part: &PartRecord) {
        let is_first = self.last_part.replace((id, number)) != Some((id, number));
        let Some((bucket, charge)) = self.uploads.get(&id).cloned().filter(|_| part.is_counted) else { return };
        self.of_upload(bucket, &charge, id, Counter::PartBytes, part.size);
        if is_first {
            self.of_upload(bucket, &charge, id, Counter::Parts, 1);
        }
    }

    fn of_upload(&mut self, bucket: BucketId, charge: &Charge, id: UploadId, counter: Counter, count: u64) {
        for whose in upload_holders(bucket, charge).into_iter().chain([Whose::Upload(id)]) {
            self.add(whose, counter, count);
        }
    }

    fn add(&mut self, whose: Whose, counter: Counter, count: u64) {
        let sum = self.expected.entry((whose, counter)).or_default();
        *sum = sum.saturating_add(count);
    }

    /// The rows that are wrong: what each says, and what it should.
    pub(super) fn wrong(&self) -> Vec<Wrong> {
        let expected: BTreeMap<Vec<u8>, u64> = self
            .expected
            .iter()
            .map(|((whose, counter), &count)| (keys::counter(whose, *counter), count))
            .filter(|&(_, n)| n > 0)
            .collect();
        let rows = expected.keys().chain(self.found.keys().filter(|row| !expected.contains_key(*row)));
        rows.filter_map(|row| {
            let (says, should) = (self.found.get(row).cloned(), expected.get(row).copied().unwrap_or(0));
            let is_right = keys::counter_of(row).is_some() && says == row_of(should);
            (!is_right).then(|| Wrong { row: row.clone(), says, should })
        })
        .collect()
    }
}

/// A counter that does not say what it should.
pub(super) struct Wrong {
    pub(super) row: Vec<u8>,
    says: Option<Bytes>,
    pub(super) should: u64,
}

impl Wrong {
    /// Whether it still says what it did when the count began.
    pub(super) async fn is_as_it_was(&self, gateway: &Gateway) -> Result<bool, Failure> {
        Ok(gateway.get(&self.row).await? == self.says)
    }

    /// How it is wrong.
    pub(super) fn problem(&self) -> String {
        match count_of(self.says.as_deref()) {
            Ok(says) if says >= self.should => format!("is {} more than is there", says - self.should),
            Ok(says) => format!("is {} less than is there", self.should - says),
            Err(error) => error.to_string(),
        }
    }
}
