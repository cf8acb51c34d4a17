//! Ranges of objects of many parts: whatever is read, it is what the same range of the same bytes in one piece is.

use crate::{
    block_on,
    gateway::{Dice, Nature, Pieces, Place, collect, number, request},
};
use partway::{
    model::*,
    ops::{Body, Gateway},
};
use std::sync::Arc;

/// Parts of any size, so that an object has many of them.
const LIMITS: Limits =
    Limits { part_size_bytes_min: 0, part_size_bytes_max: 10_000, object_size_bytes_max: 10_000_000, complete_is_replayable: true };

/// Numbers of parts around those at which the record of an object changes its form (4) and a chunk of its manifest is full
/// (256).
const PART_COUNTS: [usize; 13] = [1, 2, 4, 5, 6, 255, 256, 257, 300, 511, 512, 513, 770];

const RANGES_PER_OBJECT: usize = 120;

struct World {
    gateway: Arc<Gateway>,
    dice: Dice,
}

impl World {
    async fn start(seed: u64) -> Self {
        let (kv, blobs) = Place::memory().open();
        let world = Self { gateway: Nature::new(seed).start(kv, blobs).await, dice: Dice::new(seed) };
        let create = CreateBucket { bucket: bucket(), location: None, acl: None, storage_class: None, may_be_own: false };
        world.run(Operation::CreateBucket(create), &[]).await;
        world
    }

    async fn run(&self, operation: Operation, body: &[u8]) -> Outcome {
        let text = format!("{operation:?}");
        let body = operation.clone().claims_mut().map(|_| Pieces::of(body, 11) as Box<dyn Body>);
        let answer = self.gateway.execute(request(operation, LIMITS), body).await;
        answer.unwrap_or_else(|failure| panic!("{text}: {failure:?}")).outcome
    }

    async fn begin(&self, object: &ObjectRef) -> UploadId {
        let create = CreateMultipartUpload {
            object: object.clone(),
            attributes: Attributes::default(),
            checksum: None,
            conditions: WriteConditions::default(),
            sequential: false,
        };
        match self.run(Operation::CreateMultipartUpload(create), &[]).await {
            Outcome::CreateMultipartUpload { upload_id, .. } => upload_id,
            other => panic!("{other:?}"),
        }
    }

    async fn complete(&self, object: &ObjectRef, upload_id: UploadId, parts: Vec<CompletedPart>) {
        let complete = CompleteMultipartUpload {
            object: object.clone(),
            upload_id,
            parts,
            takes_all_parts: false,
            refusal: None,
            conditions: WriteConditions::default(),
            object_size: None,
            checksum: None,
            checksum_type: None,
            callback: None,
        };
        self.run(Operation::CompleteMultipartUpload(complete), &[]).await;
    }

    /// An object of so many parts, and its bytes. Many parts are empty, or as small as what is kept in the index.
    async fn upload(&mut self, object: &ObjectRef, part_count: usize) -> Vec<u8> {
        let upload_id = self.begin(object).await;
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        for index in 1..=part_count {
            let size = *self.dice.pick(&[0, 1, 2, 7, 16, 17, 40]);
            let bytes = self.dice.bytes(size);
            let part_number = number(index as u64);
            let part = UploadPart { object: object.clone(), upload_id, part_number, claims: BodyClaims::default() };
            match self.run(Operation::UploadPart(part), &bytes).await {
                Outcome::UploadPart { etag, .. } => parts.push(CompletedPart { number: part_number, etag, checksum: None }),
                other => panic!("{other:?}"),
            }
            whole.extend_from_slice(&bytes);
        }
        self.complete(object, upload_id, parts).await;
        whole
    }

    /// An object of copied ranges of another, so that a part lies in several pieces.
    async fn copy(&mut self, object: &ObjectRef, source: &ObjectRef, bytes: &[u8], part_count: usize) -> Vec<u8> {
        let upload_id = self.begin(object).await;
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        for index in 1..=part_count {
            let first = self.dice.below(bytes.len());
            let last = first + self.dice.below(bytes.len() - first);
            let part_number = number(index as u64);
            let part = UploadPartCopy {
                object: object.clone(),
                upload_id,
                part_number,
                source: source.clone(),
                source_range: Some((first as u64, Some(last as u64))),
                source_conditions: ReadConditions::default(),
            };
            match self.run(Operation::UploadPartCopy(part), &[]).await {
                Outcome::UploadPartCopy { etag, .. } => parts.push(CompletedPart { number: part_number, etag, checksum: None }),
                other => panic!("{other:?}"),
            }
            whole.extend_from_slice(&bytes[first..=last]);
        }
        self.complete(object, upload_id, parts).await;
        whole
    }

    async fn read(&self, object: &ObjectRef, selection: Selection) -> Result<Vec<u8>, Failure> {
        let read = ReadObject { object: object.clone(), selection, conditions: ReadConditions::default() };
        let reply = self.gateway.execute(request(Operation::GetObject(read), LIMITS), None).await?;
        Ok(collect(reply.content.expect("a read has content")).await.expect("the content is whole"))
    }

    async fn compare(&mut self, object: &ObjectRef, bytes: &[u8]) {
        assert_eq!(self.read(object, Selection::Whole).await.as_deref(), Ok(bytes));
        let size = bytes.len();
        for _ in 0..RANGES_PER_OBJECT {
            let (a, b) = (self.dice.below(size + 3), self.dice.below(size + 3));
            let (first, last) = (a.min(b), a.max(b));
            let (range, expected) = match self.dice.below(4) {
                0 => (RangeRequest::From(first as u64), bytes.get(first..)),
                1 => (RangeRequest::Suffix(first as u64), Some(&bytes[size.saturating_sub(first)..])),
                _ => (RangeRequest::FromTo(first as u64, last as u64), bytes.get(first..(last + 1).min(size).max(first))),
            };
            let expected = expected.filter(|expected| !expected.is_empty());
            let read = self.read(object, Selection::Range(range)).await;
            match expected {
                Some(expected) => assert_eq!(read.as_deref(), Ok(expected), "{range:?} of {size}"),
                None => assert!(matches!(read, Err(Failure::RangeNotSatisfiable { .. })), "{range:?} of {size}: {read:?}"),
            }
        }
    }
}

fn bucket() -> Bucket {
    Bucket::new("bucket").expect("a bucket name")
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: bucket(), key: ObjectKey::new(key).expect("a key") }
}

#[test]
fn every_range_of_an_object_of_many_parts_is_that_range_of_its_bytes() {
    block_on(async {
        for (seed, part_count) in (1..).zip(PART_COUNTS) {
            let mut world = World::start(seed).await;
            let uploaded = object("uploaded");
            let bytes = world.upload(&uploaded, part_count).await;
            world.compare(&uploaded, &bytes).await;
            if !bytes.is_empty() {
                let copied = object("copied");
                let copy_count = 1 + world.dice.below(8);
                let copy = world.copy(&copied, &uploaded, &bytes, copy_count).await;
                world.compare(&copied, &copy).await;
            }
        }
    });
}

#[test]
fn every_part_of_an_object_is_read_by_its_number() {
    block_on(async {
        let mut world = World::start(7).await;
        let object = object("parts");
        let upload_id = world.begin(&object).await;
        let mut expected = Vec::new();
        let mut parts = Vec::new();
        for index in 1..=520_u64 {
            let size = *world.dice.pick(&[1, 3, 20]);
            let bytes = world.dice.bytes(size);
            let part = UploadPart { object: object.clone(), upload_id, part_number: number(index), claims: BodyClaims::default() };
            let Outcome::UploadPart { etag, .. } = world.run(Operation::UploadPart(part), &bytes).await else { panic!("a part") };
            parts.push(CompletedPart { number: number(index), etag, checksum: None });
            expected.push(bytes);
        }
        world.complete(&object, upload_id, parts).await;
        for (index, bytes) in (1..).zip(&expected) {
            assert_eq!(world.read(&object, Selection::Part(number(index))).await.as_ref(), Ok(bytes), "part {index}");
        }
    });
}
