//! What clients do: operations on few keys and uploads, chosen by dice, whose outcomes go into a history.

#![allow(dead_code, reason = "each test uses a part of it")]

use crate::{
    gateway::{Dice, Nature, Pieces, collect, number, request},
    history::{Ending, History, Moment, SLICE_SIZE, Span},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{
    TryStreamExt as _,
    future::{Either, select},
};
use partway::{
    blob::{BlobError, BlobStore},
    digest,
    meta::{Check, Kv, KvError, Write, keys},
    model::*,
    ops::{Body, ContentStream, Gateway, LifecycleReport, QuotaHolder, Reply},
    testkit::{
        faulty::{BlobStep, FaultyBlobs},
        power::Power,
    },
};
use std::{
    collections::BTreeMap,
    future::poll_fn,
    ops::Range,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

const LIMITS: Limits =
    Limits { part_size_bytes_min: 1, part_size_bytes_max: 10_000, object_size_bytes_max: 100_000, complete_is_replayable: true };

const KEYS: usize = 3;
/// The one that rules delete whenever they are carried out.
const EXPIRING: usize = 1;
/// The one that nothing but appends writes.
const LOG: usize = KEYS;
const PARTS: u64 = 4;
/// What ranged reads ask for.
const SLICE: std::ops::Range<usize> = 5..SLICE_SIZE;
/// Uploads that tasks work on together; older ones are left to whoever still has them in hand.
const UPLOADS_SHARED: usize = 4;

/// An index during whose commits no time passes: the grace period is longer than a commit takes, which is
/// what the gateway relies on.
pub(crate) struct Punctual {
    pub(crate) inner: Arc<dyn Kv>,
    pub(crate) gate: Gate,
    /// Whether commits are conditional, as they must be.
    pub(crate) looks_at_checks: bool,
}

/// Held by commits, and by who lets time pass.
pub(crate) type Gate = Arc<tokio::sync::RwLock<()>>;

#[async_trait]
impl Kv for Punctual {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        self.inner.scan(range, count_max).await
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        let _no_time_passes = self.gate.read().await;
        self.inner.commit(if self.looks_at_checks { checks } else { vec![] }, writes).await
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }
}

/// The clients of some gateways over the same stores.
pub(crate) struct Clients {
    /// Asked in turn.
    pub(crate) gateways: Vec<Arc<Gateway>>,
    pub(crate) history: Arc<History>,
    /// Where faults are planned, if they are.
    pub(crate) faults: Option<Arc<FaultyBlobs>>,
    /// The power of the machine, if it may go: then nobody is answered any more.
    pub(crate) power: Option<Arc<Power>>,
    nature: Nature,
    uploads: Arc<Mutex<Vec<(ObjectRef, UploadId)>>>,
    /// The size that the next append makes an object. No two appends make the same, so the size that an append is for
    /// tells which bytes it is for.
    next_size: Arc<AtomicU64>,
    /// How many bytes the bucket may hold. Whoever finds it full makes more room.
    room: AtomicU64,
    turn: AtomicU64,
    /// When the operations under way began.
    began: Arc<Mutex<BTreeMap<Timestamp, usize>>>,
}

/// An operation under way; dropping it ends it.
struct Underway<'a>(&'a Clients, Timestamp);

impl Drop for Underway<'_> {
    fn drop(&mut self) {
        let mut began = self.0.began.lock().unwrap();
        let count = began.get_mut(&self.1).expect("it has begun");
        *count -= 1;
        if *count == 0 {
            began.remove(&self.1);
        }
    }
}

/// How an operation came out for its caller.
#[allow(clippy::large_enum_variant, reason = "one at a time")]
enum Heard {
    Answer(Reply),
    Refusal(Failure),
    /// The caller hung up.
    Nothing,
}

pub(crate) async fn assert_nothing_left(kv: &dyn Kv, blobs: &dyn BlobStore) {
    for table in *b"OUPLDMCTQG" {
        let rows = kv.scan(keys::table(table), 10).await.expect("a scan");
        assert!(rows.is_empty(), "rows are left in table {}: {rows:?}", char::from(table));
    }
    assert_eq!(blobs.scan(None, 10).await, Ok(vec![]), "blobs are left");
}

/// The bucket and its only writer hold the same, though one of them was counted through keys and the other through buckets.
pub(crate) async fn assert_counted(gateway: &Gateway) {
    let report = gateway.quotas().await.expect("quotas");
    let held = |holder: QuotaHolder| report.quotas.iter().find(|summary| summary.holder == holder).map(|summary| summary.held);
    let (of_bucket, of_key) = (held(QuotaHolder::Bucket(bucket())), held(QuotaHolder::Key("key".to_owned())));
    assert!(report.is_complete && of_bucket.is_some() && of_bucket == of_key, "{report:?}");
}

fn bucket() -> Bucket {
    Bucket::new("bucket").expect("a bucket name")
}

fn object(index: usize) -> ObjectRef {
    ObjectRef { bucket: bucket(), key: ObjectKey::new(format!("k{index}")).expect("a key") }
}

/// A link that always leads to an object.
fn link_to(index: usize) -> ObjectRef {
    ObjectRef { bucket: bucket(), key: ObjectKey::new(format!("link to {index}")).expect("a key") }
}

/// Polls a future so many times at most.
async fn polled<T>(future: impl Future<Output = T>, polls: Option<usize>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| match (future.as_mut().poll(context), &mut left) {
        (Poll::Ready(output), _) => Poll::Ready(Some(output)),
        (Poll::Pending, Some(0)) => Poll::Ready(None),
        (Poll::Pending, Some(left)) => {
            *left -= 1;
            Poll::Pending
        }
        (Poll::Pending, None) => Poll::Pending,
    })
    .await
}

impl Clients {
    /// Clients who know of nothing, of no gateway yet.
    pub(crate) fn new(nature: Nature) -> Self {
        Self {
            gateways: vec![],
            history: Arc::default(),
            faults: None,
            power: None,
            nature,
            uploads: Arc::default(),
            next_size: Arc::new(AtomicU64::new(SLICE_SIZE as u64)),
            room: AtomicU64::new(0),
            turn: AtomicU64::new(0),
            began: Arc::default(),
        }
    }

    /// When the oldest operation under way began.
    pub(crate) fn oldest_began(&self) -> Option<Timestamp> {
        self.began.lock().unwrap().keys().next().copied()
    }

    fn begin(&self) -> Underway<'_> {
        let now = self.nature.now();
        *self.began.lock().unwrap().entry(now).or_default() += 1;
        Underway(self, now)
    }

    fn gateway(&self) -> &Arc<Gateway> {
        let turn = usize::try_from(self.turn.fetch_add(1, Ordering::SeqCst)).expect("a count");
        &self.gateways[turn % self.gateways.len()]
    }

    fn is_power_off(&self) -> bool {
        self.power.as_ref().is_some_and(|power| power.is_off())
    }

    async fn execute(&self, operation: Operation, body: Option<&[u8]>, polls: Option<usize>) -> (Heard, Span) {
        let body = body.map(|bytes| Pieces::of(bytes, 500) as Box<dyn Body>);
        let begin = self.history.moment();
        let heard = polled(self.gateway().execute(request(operation, LIMITS), body), polls);
        let heard = match &self.power {
            None => heard.await,
            Some(power) => match select(pin!(power.gone()), pin!(heard)).await {
                Either::Left(_) => None,
                Either::Right((heard, _)) => heard.filter(|_| !power.is_off()),
            },
        };
        let span = |end: Option<Moment>| Span { begin, end };
        match heard {
            Some(Ok(reply)) => (Heard::Answer(reply), span(Some(self.history.moment()))),
            Some(Err(failure)) => (Heard::Refusal(failure), span(Some(self.history.moment()))),
            None => (Heard::Nothing, span(None)),
        }
    }

    /// Lets the bucket hold a little more. Before that is asked for the first time, it holds what it can.
    pub(crate) async fn make_room(&self) {
        const STEP_BYTES: u64 = 15_000;
        let room = self.room.fetch_add(STEP_BYTES, Ordering::SeqCst) + STEP_BYTES;
        self.gateway().set_quota(&QuotaHolder::Bucket(bucket()), Some(room), None).await.expect("a quota");
    }

    /// A refusal that anybody may get at any time under faults, for being many, or because the bucket is full.
    async fn bear(&self, failure: &Failure) {
        match failure {
            Failure::SlowDown => {}
            Failure::QuotaExceeded(QuotaKind::BucketBytes) => {
                self.history.refused_for_quota();
                self.make_room().await;
            }
            Failure::Internal | Failure::Unavailable | Failure::NoSpace if self.faults.is_some() => {}
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn operate(&self, dice: &mut Dice) {
        let _underway = self.begin();
        if let Some(faults) = &self.faults
            && dice.one_in(6)
        {
            const STEPS: [BlobStep; 8] = [
                BlobStep::Stage,
                BlobStep::Append,
                BlobStep::Append,
                BlobStep::Seal,
                BlobStep::Seal,
                BlobStep::Delete,
                BlobStep::Read,
                BlobStep::Piece,
            ];
            let error = if dice.one_in(2) { BlobError::NoSpace } else { BlobError::Io("planned".to_owned()) };
            faults.fail(*dice.pick(&STEPS), dice.number() % 4 + 1, error);
        }
        let target = object(dice.below(KEYS));
        // What is read may be the log, and may be read through a link.
        let source = dice.below(KEYS + 1);
        let source = (object(source), if dice.one_in(4) { link_to(source) } else { object(source) });
        match dice.below(24) {
            0..3 => self.put(target, dice).await,
            3..6 => {
                let slice = Selection::Range(RangeRequest::FromTo(SLICE.start as u64, SLICE.end as u64 - 1));
                self.get(source, *dice.pick(&[Selection::Whole, slice])).await;
            }
            6 => self.delete(target, dice).await,
            7 | 8 => self.copy(source, target).await,
            20 if dice.one_in(6) => self.delete(object(LOG), dice).await,
            20..23 => self.append(if dice.one_in(4) { target } else { object(LOG) }, dice).await,
            23 => self.expire().await,
            9 | 10 => self.create(target).await,
            choice => match self.some_upload(dice) {
                None => self.create(target).await,
                Some((object, id)) => match choice {
                    11..15 => self.upload_part(object, id, dice).await,
                    15 => self.upload_part_copy(object, id, source, dice).await,
                    16 => self.list_parts(object, id).await,
                    17 | 18 => self.complete(object, id, dice).await,
                    _ if dice.one_in(2) => self.abort(object, id, self.polls(dice)).await,
                    _ => self.upload_part(object, id, dice).await,
                },
            },
        }
    }

    fn some_upload(&self, dice: &mut Dice) -> Option<(ObjectRef, UploadId)> {
        let uploads = self.uploads.lock().unwrap();
        let shared = &uploads[uploads.len().saturating_sub(UPLOADS_SHARED)..];
        (!shared.is_empty()).then(|| dice.pick(shared).clone())
    }

    /// After how many polls a caller hangs up, if it does. On a simulated machine it takes more of them to get anywhere.
    fn polls(&self, dice: &mut Dice) -> Option<usize> {
        let polls_max = if self.power.is_some() { 40 } else { 6 };
        dice.one_in(10).then(|| dice.below(polls_max))
    }

    /// A body that never was.
    fn body(dice: &mut Dice) -> Vec<u8> {
        let size = *dice.pick(&[12, 16, 17, 100, 900, 3_000]);
        dice.bytes(size)
    }

    async fn put(&self, target: ObjectRef, dice: &mut Dice) {
        let (body, polls) = (Self::body(dice), self.polls(dice));
        let value = self.history.know(body.clone(), None);
        let conditions = WriteConditions { forbid_overwrite: false, if_match: None, if_absent: dice.one_in(4) };
        let put = PutObject {
            callback: None,
            object: target.clone(),
            attributes: Attributes::default(),
            conditions,
            claims: BodyClaims::default(),
        };
        let (heard, span) = self.execute(Operation::PutObject(put), Some(&body), polls).await;
        match heard {
            Heard::Answer(_) | Heard::Nothing => self.history.wrote(&target.key, Some(value), span),
            Heard::Refusal(Failure::PreconditionFailed(_) | Failure::ConditionalConflict(_)) => {}
            Heard::Refusal(failure) => self.bear(&failure).await,
        }
    }

    /// Reads an object under the key given second, its own or a link's.
    async fn get(&self, (target, through): (ObjectRef, ObjectRef), selection: Selection) {
        let read = ReadObject { object: through, selection, conditions: ReadConditions::default() };
        let (heard, span) = self.execute(Operation::GetObject(read), None, None).await;
        let (read, content) = match heard {
            Heard::Answer(Reply { outcome: Outcome::GetObject(read), content: Some(content) }) => (read, content),
            Heard::Refusal(Failure::NoSuchKey(_) | Failure::SymlinkTargetMissing(_)) => return self.history.read(&target.key, None, span),
            Heard::Refusal(failure) => return self.bear(&failure).await,
            Heard::Answer(reply) => panic!("{:?}", reply.outcome),
            Heard::Nothing => return,
        };
        let bytes = match self.collect(content).await {
            Ok(bytes) => bytes,
            Err(_) if self.faults.is_some() || self.is_power_off() => return,
            Err(message) => panic!("{message}"),
        };
        let (value, whole) = self.history.content(read.etag).unwrap_or_else(|| panic!("{read:?} was never written"));
        let expected = if selection == Selection::Whole { &whole[..] } else { &whole[SLICE] };
        assert_eq!(bytes, expected, "bytes that do not belong to their ETag");
        self.history.read(&target.key, Some(value), span);
    }

    /// The bytes of an answer, taken slowly.
    async fn collect(&self, mut content: ContentStream) -> Result<Vec<u8>, String> {
        let Some(power) = &self.power else {
            tokio::task::yield_now().await;
            return collect(content).await;
        };
        let mut bytes = Vec::new();
        loop {
            power.pace().await;
            if power.below(4) == 0 {
                tokio::time::sleep(Duration::from_millis(power.below(8) as u64)).await;
            }
            match content.try_next().await.map_err(|error| format!("the content cannot be read: {error}"))? {
                Some(piece) => bytes.extend_from_slice(&piece),
                None => return Ok(bytes),
            }
        }
    }

    async fn delete(&self, target: ObjectRef, dice: &mut Dice) {
        let delete = DeleteObject { object: target.clone(), if_match: None };
        let (heard, span) = self.execute(Operation::DeleteObject(delete), None, self.polls(dice)).await;
        match heard {
            Heard::Answer(_) | Heard::Nothing => self.history.wrote(&target.key, None, span),
            Heard::Refusal(failure) => self.bear(&failure).await,
        }
    }

    /// A read of the source and a write of the target.
    async fn copy(&self, (source, through): (ObjectRef, ObjectRef), target: ObjectRef) {
        let copy = CopyObject {
            source: through,
            source_conditions: ReadConditions::default(),
            target: target.clone(),
            conditions: WriteConditions::default(),
            metadata: Directive::Replace((SystemHeaders::default(), UserMetadata::default())),
            tags: Directive::Copy,
            storage_class: None,
            acl: None,
            checksum_algorithm: None,
        };
        let (heard, span) = self.execute(Operation::CopyObject(copy), None, None).await;
        match heard {
            Heard::Answer(Reply { outcome: Outcome::CopyObject { etag, .. }, .. }) => {
                let (value, _) = self.history.content(etag).expect("a copy of something that was written");
                // Onto itself it changes nothing that the history knows of.
                self.history.read(&source.key, Some(value), span);
                if source != target {
                    self.history.wrote(&target.key, Some(value), span);
                }
            }
            Heard::Refusal(Failure::NoSuchKey(_) | Failure::SymlinkTargetMissing(_)) => self.history.read(&source.key, None, span),
            Heard::Refusal(failure) => self.bear(&failure).await,
            Heard::Answer(reply) => panic!("{:?}", reply.outcome),
            Heard::Nothing => self.history.may_have_copied(&source.key, &target.key, span),
        }
    }

    /// Looks how long the object is and appends to it.
    async fn append(&self, target: ObjectRef, dice: &mut Dice) {
        let read = ReadObject { object: target.clone(), selection: Selection::Whole, conditions: ReadConditions::default() };
        let (heard, span) = self.execute(Operation::HeadObject(read), None, None).await;
        let before = match heard {
            Heard::Answer(Reply { outcome: Outcome::HeadObject(read), .. }) if read.object_type == ObjectType::Appendable => {
                let (value, _) = self.history.content(read.etag).unwrap_or_else(|| panic!("{read:?} was never written"));
                self.history.read(&target.key, Some(value), span);
                Some(read)
            }
            Heard::Refusal(Failure::NoSuchKey(_)) => {
                self.history.read(&target.key, None, span);
                None
            }
            Heard::Answer(_) | Heard::Nothing => None,
            Heard::Refusal(failure) => return self.bear(&failure).await,
        };
        let position = before.as_ref().map_or(0, |read| read.size);
        // Some fit into the index and are joined with what is there, some do not.
        let size = self.next_size.fetch_add(*dice.pick(&[1, 2, 5, 40]), Ordering::SeqCst) + 1;
        let body = dice.bytes(usize::try_from(size - position).expect("sizes grow"));
        let value = self.history.know_appended(before.map(|read| read.etag), &body);
        let append = AppendObject { object: target.clone(), position, attributes: Attributes::default(), claims: BodyClaims::default() };
        let (heard, span) = self.execute(Operation::AppendObject(append), Some(&body), self.polls(dice)).await;
        match heard {
            Heard::Answer(Reply { outcome: Outcome::AppendObject { etag, next_position, .. }, .. }) => {
                assert_eq!((self.history.content(etag).map(|(value, _)| value), next_position), (Some(value), size));
                self.history.wrote(&target.key, Some(value), span);
                self.history.appended();
            }
            Heard::Nothing => self.history.wrote(&target.key, Some(value), span),
            Heard::Refusal(Failure::AppendPositionMismatch { .. } | Failure::NotAppendable(_)) => {}
            Heard::Refusal(failure) => self.bear(&failure).await,
            Heard::Answer(reply) => panic!("{:?}", reply.outcome),
        }
    }

    /// Carries out the rules, which are about one key.
    async fn expire(&self) {
        let begin = self.history.moment();
        let gateway = self.gateway();
        let report = gateway.apply_lifecycle(gateway.now()).await;
        let deleted = |end| self.history.wrote(&object(EXPIRING).key, None, Span { begin, end });
        match report {
            _ if self.is_power_off() => deleted(None),
            Ok(LifecycleReport { deleted_objects: 0, .. }) => {}
            Ok(LifecycleReport { deleted_objects, .. }) => {
                assert_eq!(deleted_objects, 1);
                deleted(Some(self.history.moment()));
                self.history.expired();
            }
            Err(failure) => {
                self.bear(&failure).await;
                deleted(None);
            }
        }
    }

    pub(crate) async fn make_bucket_rules_and_links(&self) {
        let create = CreateBucket { acl: None, may_be_own: false, storage_class: None, bucket: bucket(), location: None };
        assert!(matches!(self.execute(Operation::CreateBucket(create), None, None).await.0, Heard::Answer(_)));
        let always = Expiry::CreatedBefore(self.nature.now().plus_millis(1 << 40));
        let rule = LifecycleRule {
            enabled: true,
            prefix: object(EXPIRING).key.as_str().to_owned(),
            expiration: Some(always),
            ..LifecycleRule::default()
        };
        let rules = Operation::PutBucketLifecycle(bucket(), LifecycleConfiguration { rules: vec![rule] });
        assert!(matches!(self.execute(rules, None, None).await.0, Heard::Answer(_)));
        for index in 0..=KEYS {
            let link = PutSymlink {
                object: link_to(index),
                target: object(index).key,
                attributes: Attributes::default(),
                conditions: WriteConditions::default(),
            };
            assert!(matches!(self.execute(Operation::PutSymlink(link), None, None).await.0, Heard::Answer(_)));
        }
    }

    async fn create(&self, target: ObjectRef) {
        let create = CreateMultipartUpload {
            conditions: partway::model::WriteConditions::default(),
            sequential: false,
            object: target.clone(),
            attributes: Attributes::default(),
            checksum: None,
        };
        let (heard, _) = self.execute(Operation::CreateMultipartUpload(create), None, None).await;
        match heard {
            Heard::Answer(Reply { outcome: Outcome::CreateMultipartUpload { upload_id, .. }, .. }) => {
                self.uploads.lock().unwrap().push((target, upload_id));
            }
            Heard::Refusal(failure) => self.bear(&failure).await,
            Heard::Answer(reply) => panic!("{:?}", reply.outcome),
            Heard::Nothing => {}
        }
    }

    async fn upload_part(&self, target: ObjectRef, id: UploadId, dice: &mut Dice) {
        let (body, polls, part_number) = (Self::body(dice), self.polls(dice), number(dice.number() % PARTS + 1));
        let etag = ETag::Whole(self.history.know(body.clone(), None));
        let upload = UploadPart { object: target, upload_id: id, part_number, claims: BodyClaims::default() };
        let (heard, span) = self.execute(Operation::UploadPart(upload), Some(&body), polls).await;
        match heard {
            Heard::Answer(_) | Heard::Nothing => self.history.uploaded(id, part_number, etag, span),
            Heard::Refusal(Failure::NoSuchUpload(_)) => self.history.found_gone(id, span),
            Heard::Refusal(failure) => self.bear(&failure).await,
        }
    }

    async fn upload_part_copy(&self, target: ObjectRef, id: UploadId, (source, through): (ObjectRef, ObjectRef), dice: &mut Dice) {
        let source_range = dice.one_in(2).then_some((0, Some(SLICE_SIZE as u64 - 1)));
        let part_number = number(dice.number() % PARTS + 1);
        let copy = UploadPartCopy {
            object: target,
            upload_id: id,
            part_number,
            source: through,
            source_range,
            source_conditions: ReadConditions::default(),
        };
        let (heard, span) = self.execute(Operation::UploadPartCopy(copy), None, None).await;
        match heard {
            Heard::Answer(Reply { outcome: Outcome::UploadPartCopy { etag, .. }, .. }) => {
                self.history.uploaded(id, part_number, etag, span);
                if source_range.is_none() {
                    self.history.read(&source.key, Some(*etag.digest()), span);
                }
            }
            Heard::Refusal(Failure::NoSuchUpload(_)) => self.history.found_gone(id, span),
            Heard::Refusal(Failure::NoSuchKey(_) | Failure::SymlinkTargetMissing(_)) => self.history.read(&source.key, None, span),
            Heard::Refusal(Failure::CopySourceTooLarge { .. }) => {}
            Heard::Refusal(failure) => self.bear(&failure).await,
            Heard::Answer(reply) => panic!("{:?}", reply.outcome),
            Heard::Nothing => self.history.may_have_copied_part(&source.key, source_range.is_some(), id, part_number, span),
        }
    }

    async fn list_parts(&self, target: ObjectRef, id: UploadId) {
        let list = ListParts { object: target, upload_id: id, part_number_marker: 0, count_max: 1000 };
        let (heard, span) = self.execute(Operation::ListParts(list), None, None).await;
        match heard {
            Heard::Answer(Reply { outcome: Outcome::ListParts(listing), .. }) => {
                let parts = listing.parts.into_iter().map(|part| (part.number, part.etag)).collect();
                self.history.looked(id, parts, span);
            }
            Heard::Refusal(Failure::NoSuchUpload(_)) => self.history.found_gone(id, span),
            Heard::Refusal(failure) => self.bear(&failure).await,
            Heard::Answer(reply) => panic!("{:?}", reply.outcome),
            Heard::Nothing => {}
        }
    }

    /// Completes with the parts as the callers know them, or with some of them.
    async fn complete(&self, target: ObjectRef, id: UploadId, dice: &mut Dice) {
        let mut parts = self.history.known_parts(id);
        if dice.one_in(3) {
            parts.retain(|_, _| dice.one_in(2));
        }
        self.complete_with(target, id, parts, self.polls(dice)).await;
    }

    async fn complete_with(&self, target: ObjectRef, id: UploadId, parts: BTreeMap<PartNumber, ETag>, polls: Option<usize>) {
        let known = |etag: ETag| self.history.content(etag).expect("its bytes were made known").1;
        let parts: Vec<_> = parts.into_iter().map(|(number, etag)| (number, etag, known(etag))).collect();
        let bytes: Vec<u8> = parts.iter().flat_map(|(_, _, bytes)| bytes.clone()).collect();
        let digests: Vec<u8> = parts.iter().flat_map(|(_, etag, _)| *etag.digest()).collect();
        let etag = ETag::Multipart { digest: digest::md5(&digests), part_count: parts.len() as u16 };
        let value = self.history.know(bytes, Some(etag));
        let list: Vec<_> = parts.into_iter().map(|(number, etag, _)| CompletedPart { number, etag, checksum: None }).collect();
        let complete = CompleteMultipartUpload {
            callback: None,
            takes_all_parts: false,
            object: target.clone(),
            upload_id: id,
            parts: list.clone(),
            conditions: WriteConditions::default(),
            object_size: None,
            checksum: None,
            checksum_type: None,
            refusal: None,
        };
        let (heard, span) = self.execute(Operation::CompleteMultipartUpload(complete), None, polls).await;
        match heard {
            Heard::Answer(Reply { outcome, .. }) => {
                assert!(matches!(outcome, Outcome::CompleteMultipartUpload { etag: answered, .. } if answered == etag), "{outcome:?}");
                self.history.ended(id, Ending::Completed(list), Some(outcome), span);
                self.history.completed(&target.key, id, value, span);
            }
            Heard::Nothing => {
                self.history.ended(id, Ending::Completed(list), None, span);
                self.history.completed(&target.key, id, value, span);
            }
            Heard::Refusal(Failure::NoSuchUpload(_)) => self.history.found_gone(id, span),
            Heard::Refusal(Failure::PartInvalid { .. } | Failure::NoParts) => self.history.found_alive(id, span),
            Heard::Refusal(failure) => self.bear(&failure).await,
        }
    }

    async fn abort(&self, target: ObjectRef, id: UploadId, polls: Option<usize>) {
        let (heard, span) = self.execute(Operation::AbortMultipartUpload(target, id), None, polls).await;
        match heard {
            Heard::Answer(_) | Heard::Nothing => self.history.ended(id, Ending::Aborted, None, span),
            Heard::Refusal(Failure::NoSuchUpload(_)) => self.history.found_gone(id, span),
            Heard::Refusal(failure) => self.bear(&failure).await,
        }
    }

    pub(crate) async fn look_at_everything(&self) {
        for index in 0..=KEYS {
            self.get((object(index), object(index)), Selection::Whole).await;
            self.get((object(index), link_to(index)), Selection::Whole).await;
        }
        let uploads = self.uploads.lock().unwrap().clone();
        for (object, id) in uploads {
            self.list_parts(object, id).await;
        }
        self.list_objects().await;
    }

    /// A listing of all objects is a read of each of them.
    async fn list_objects(&self) {
        let list = ListObjects { bucket: bucket(), prefix: "k".to_owned(), delimiter: String::new(), after: None, count_max: 1000 };
        let (heard, span) = self.execute(Operation::ListObjects(list), None, None).await;
        let Heard::Answer(Reply { outcome: Outcome::ListObjects(listing), .. }) = heard else { panic!("objects cannot be listed") };
        let mut found = BTreeMap::new();
        for entry in listing.entries {
            let Entry::Item(object) = entry else { panic!("{entry:?} without a delimiter") };
            let (value, whole) = self.history.content(object.etag).unwrap_or_else(|| panic!("{object:?} was never written"));
            assert_eq!(object.size, whole.len() as u64, "{object:?}");
            found.insert(object.key, value);
        }
        for index in 0..=KEYS {
            self.history.read(&object(index).key, found.remove(&object(index).key), span);
        }
        assert!(found.is_empty(), "{found:?} were never written");
    }

    /// Completes or aborts what is still open.
    pub(crate) async fn end_everything(&self, dice: &mut Dice) {
        let uploads = self.uploads.lock().unwrap().clone();
        for (object, id) in uploads {
            if dice.one_in(2) {
                self.complete_with(object.clone(), id, self.history.known_parts(id), None).await;
            }
            self.abort(object, id, None).await;
        }
        for gateway in &self.gateways {
            gateway.drain().await;
        }
    }

    pub(crate) async fn delete_everything(&self) {
        for object in (0..=KEYS).flat_map(|index| [object(index), link_to(index)]) {
            let delete = DeleteObject { object, if_match: None };
            let (heard, _) = self.execute(Operation::DeleteObject(delete), None, None).await;
            assert!(matches!(heard, Heard::Answer(_)));
        }
        let (heard, _) = self.execute(Operation::DeleteBucket(bucket()), None, None).await;
        assert!(matches!(heard, Heard::Answer(_)));
    }

    pub(crate) async fn verify(&self) {
        let report = self.gateway().verify().await.expect("the stores can be read");
        assert_eq!(report.problems, Vec::<String>::new());
    }
}
