//! A gateway over stores in memory, requests as one-liners, and an audit of everything that is left.

use crate::{
    blob::{BlobId, BlobStore, MemoryBlobs},
    meta::{
        Check, Kv, KvError, Leap, MemoryKv, Write, keys,
        record::{
            BlobRecord, BucketId, BucketRecord, Content, Extent, ManifestChunk, ManifestPart, ObjectRecord, PartRecord, Place, Record, Todo,
        },
    },
    model::*,
    ops::{Admitted, Body, Environment, Gateway, GatewaySettings, Reply, Request},
    testkit::faulty::FaultyBlobs,
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{TryStreamExt, future::BoxFuture};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
};

/// Bodies up to this size are kept in the index. Bytes.
pub(super) const INLINE_MAX: u64 = 64;

/// How long released bytes stay. Milliseconds.
pub(super) const GRACE_MS: i64 = 60_000;

/// How long a completed upload's answer stays. Milliseconds.
pub(super) const RETENTION_MS: i64 = 1_000_000;

/// S3's limits, with parts small enough for tests.
pub(super) const LIMITS: Limits =
    Limits { part_size_bytes_min: 100, part_size_bytes_max: 10_000_000, object_size_bytes_max: 100_000_000, complete_is_replayable: true };

/// Something to do between the look-ups of an operation and its commit.
type Interruption = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// An index in memory whose commits can be interrupted and made to fail.
#[derive(Default)]
pub(super) struct TestKv {
    inner: MemoryKv,
    before_commit: Mutex<VecDeque<Interruption>>,
    /// The next commit is applied and then reported as failed.
    pub(super) lose_answer: AtomicBool,
}

impl TestKv {
    /// Forgets the interruptions that have not happened.
    pub(super) fn stop_interrupting(&self) {
        self.before_commit.lock().unwrap().clear();
    }
}

#[async_trait]
impl Kv for TestKv {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        self.inner.scan(range, count_max).await
    }

    async fn scan_leaping(&self, range: Range<Vec<u8>>, count_max: usize, leap: Leap) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        self.inner.scan_leaping(range, count_max, leap).await
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        let interruption = self.before_commit.lock().unwrap().pop_front();
        if let Some(interruption) = interruption {
            interruption().await;
        }
        self.inner.commit(checks, writes).await?;
        if self.lose_answer.swap(false, Ordering::SeqCst) { Err(KvError::Engine("lost".to_owned())) } else { Ok(()) }
    }

    fn is_read_only(&self) -> bool {
        false
    }
}

/// A gateway and what it works on.
#[derive(Clone)]
pub(super) struct World {
    pub(super) gateway: Arc<Gateway>,
    pub(super) kv: Arc<TestKv>,
    pub(super) memory: Arc<MemoryBlobs>,
    pub(super) blobs: Arc<FaultyBlobs>,
    clock: Arc<AtomicI64>,
}

/// A body of given pieces.
pub(super) struct Pieces {
    pub(super) pieces: VecDeque<Result<Bytes, Failure>>,
    pub(super) trailer: Option<Checksum>,
    /// Awaited before the end is reported.
    pub(super) before_end: Option<BoxFuture<'static, ()>>,
}

#[async_trait]
impl Body for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        match self.pieces.pop_front() {
            Some(piece) => piece.map(Some),
            None => {
                if let Some(wait) = self.before_end.take() {
                    wait.await;
                }
                Ok(None)
            }
        }
    }

    fn trailer_checksum(&mut self) -> Option<Checksum> {
        self.trailer.take()
    }
}

/// A body whose first byte must not be asked for.
pub(super) struct Untouchable;

#[async_trait]
impl Body for Untouchable {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        panic!("the body was asked for");
    }

    fn trailer_checksum(&mut self) -> Option<Checksum> {
        None
    }
}

/// A body in pieces of 1,000 bytes.
pub(super) fn pieces(bytes: &[u8]) -> Pieces {
    Pieces { pieces: bytes.chunks(1_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect(), trailer: None, before_end: None }
}

/// Bytes that differ everywhere and between seeds.
pub(super) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..size).map(|_| next()).collect()
}

pub(super) fn bucket() -> Bucket {
    Bucket::new("bucket").unwrap()
}

pub(super) fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: bucket(), key: ObjectKey::new(key).unwrap() }
}

pub(super) fn number(number: u64) -> PartNumber {
    PartNumber::new(number).unwrap()
}

pub(super) fn etag_of(bytes: &[u8]) -> ETag {
    ETag::Whole(crate::digest::md5(bytes))
}

pub(super) fn listed(part: u64, bytes: &[u8]) -> CompletedPart {
    CompletedPart { number: number(part), etag: etag_of(bytes), checksum: None }
}

pub(super) fn put_of(key: &str) -> PutObject {
    PutObject {
        callback: None,
        object: object(key),
        attributes: Attributes::default(),
        conditions: WriteConditions::default(),
        claims: BodyClaims::default(),
    }
}

pub(super) fn read_of(key: &str, selection: Selection) -> ReadObject {
    ReadObject { object: object(key), selection, conditions: ReadConditions::default() }
}

pub(super) fn complete_of(key: &str, upload_id: UploadId, parts: Vec<CompletedPart>) -> CompleteMultipartUpload {
    CompleteMultipartUpload {
        callback: None,
        takes_all_parts: false,
        object: object(key),
        upload_id,
        parts,
        refusal: None,
        conditions: WriteConditions::default(),
        object_size: None,
        checksum: None,
        checksum_type: None,
    }
}

pub(super) fn copy_of(source: &str, target: &str) -> CopyObject {
    CopyObject {
        source: object(source),
        source_conditions: ReadConditions::default(),
        target: object(target),
        conditions: WriteConditions::default(),
        metadata: Directive::Copy,
        tags: Directive::Copy,
        storage_class: None,
        acl: None,
        checksum_algorithm: None,
    }
}

fn bucket_record(id: &[u8; 8]) -> BucketRecord {
    BucketRecord {
        retries_callbacks: true,
        storage_class: None,
        acl: crate::model::Acl::Private,
        lifecycle: None,
        referer: None,
        id: BucketId(*id),
        owner: Account::root(),
        created: Timestamp::from_millis(0),
        location: None,
        cors: None,
        policy: None,
        tags: None,
    }
}

impl World {
    /// An empty bucket.
    pub(super) async fn new() -> Self {
        let kv = Arc::new(TestKv::default());
        kv.inner.commit(vec![], vec![Write::Put(keys::bucket(&bucket()), bucket_record(b"bucketid").encode())]).await.unwrap();
        Self::over(kv, Arc::default(), Arc::new(AtomicI64::new(1_700_000_000_000)))
    }

    /// What deleting the bucket and creating one of the same name comes to.
    pub(super) async fn rename_another_bucket(&self) {
        let other = Write::Put(keys::bucket(&bucket()), bucket_record(b"otherone").encode());
        self.kv.inner.commit(vec![], vec![other]).await.unwrap();
    }

    fn over(kv: Arc<TestKv>, memory: Arc<MemoryBlobs>, clock: Arc<AtomicI64>) -> Self {
        let blobs = Arc::new(FaultyBlobs::new(Arc::clone(&memory) as Arc<dyn BlobStore>));
        let settings = GatewaySettings {
            inline_size_bytes_max: INLINE_MAX,
            reap_grace_ms: GRACE_MS,
            completed_retention_ms: RETENTION_MS,
            ..GatewaySettings::default()
        };
        let (time, state) = (Arc::clone(&clock), AtomicU64::new(1));
        let environment = Environment {
            now: Arc::new(move || Timestamp::from_millis(time.load(Ordering::SeqCst))),
            random: Arc::new(move |bytes| bytes.copy_from_slice(&noise(state.fetch_add(1, Ordering::SeqCst), bytes.len()))),
        };
        let gateway = Gateway::new(Arc::clone(&kv) as Arc<dyn Kv>, Arc::clone(&blobs) as Arc<dyn BlobStore>, settings, environment);
        Self { gateway, kv, memory, blobs, clock }
    }

    /// The same stores after a restart that has recovered.
    pub(super) async fn restarted(&self) -> Self {
        let world = Self::over(Arc::clone(&self.kv), Arc::new(self.memory.reopen()), Arc::clone(&self.clock));
        world.gateway.recover().await.unwrap();
        world
    }

    pub(super) fn pass_ms(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    /// Runs `work` when the next commit is about to happen; called again, before the one after it.
    pub(super) fn before_commit<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(World) -> F + Send + 'static) {
        let world = self.clone();
        self.kv.before_commit.lock().unwrap().push_back(Box::new(move || Box::pin(work(world))));
    }

    /// Lets a commit pass before the next interruption.
    pub(super) fn let_commit_pass(&self) {
        self.before_commit(|_| async {});
    }

    pub(super) async fn execute(&self, operation: Operation, body: Option<Box<dyn Body>>) -> Result<Reply, Failure> {
        let caller = Caller::Key { access_key: "key".to_owned(), account: Account::root(), parent: None };
        self.gateway
            .execute(
                Request {
                    name: operation.name(),
                    origin: crate::model::Origin::default(),
                    admitted: Admitted::Anything,
                    caller,
                    limits: LIMITS,
                    operation,
                },
                body,
            )
            .await
    }

    pub(super) async fn run(&self, operation: Operation) -> Result<Outcome, Failure> {
        self.execute(operation, None).await.map(|reply| reply.outcome)
    }

    pub(super) async fn put_as(&self, put: PutObject, body: impl Body + 'static) -> Result<Outcome, Failure> {
        self.execute(Operation::PutObject(put), Some(Box::new(body))).await.map(|reply| reply.outcome)
    }

    pub(super) async fn put(&self, key: &str, bytes: &[u8]) {
        self.put_as(put_of(key), pieces(bytes)).await.unwrap();
    }

    pub(super) async fn get_as(&self, read: ReadObject) -> Result<(ObjectRead, Vec<u8>), Failure> {
        let Reply { outcome, content } = self.execute(Operation::GetObject(read), None).await?;
        let Outcome::GetObject(read) = outcome else { panic!("{outcome:?}") };
        let bytes: Vec<Bytes> = content.unwrap().try_collect().await.unwrap();
        Ok((read, bytes.concat()))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Vec<u8>, Failure> {
        self.get_as(read_of(key, Selection::Whole)).await.map(|(_, bytes)| bytes)
    }

    pub(super) async fn head(&self, key: &str) -> ObjectRead {
        match self.run(Operation::HeadObject(read_of(key, Selection::Whole))).await.unwrap() {
            Outcome::HeadObject(read) => read,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn delete(&self, key: &str) -> Result<Outcome, Failure> {
        self.run(Operation::DeleteObject(DeleteObject { object: object(key), if_match: None })).await
    }

    pub(super) async fn create(&self, key: &str, checksum: Option<(ChecksumAlgorithm, ChecksumType)>) -> UploadId {
        let create = CreateMultipartUpload {
            conditions: crate::model::WriteConditions::default(),
            sequential: false,
            object: object(key),
            attributes: Attributes::default(),
            checksum,
        };
        match self.run(Operation::CreateMultipartUpload(create)).await.unwrap() {
            Outcome::CreateMultipartUpload { upload_id, .. } => upload_id,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn part_as(
        &self,
        key: &str,
        upload_id: UploadId,
        part: u64,
        claims: BodyClaims,
        body: impl Body + 'static,
    ) -> Result<Outcome, Failure> {
        let upload = UploadPart { object: object(key), upload_id, part_number: number(part), claims };
        self.execute(Operation::UploadPart(upload), Some(Box::new(body))).await.map(|reply| reply.outcome)
    }

    pub(super) async fn part(&self, key: &str, upload_id: UploadId, part: u64, bytes: &[u8]) -> Result<Outcome, Failure> {
        self.part_as(key, upload_id, part, BodyClaims::default(), pieces(bytes)).await
    }

    pub(super) async fn complete(&self, key: &str, upload_id: UploadId, parts: Vec<CompletedPart>) -> Result<Outcome, Failure> {
        self.run(Operation::CompleteMultipartUpload(complete_of(key, upload_id, parts))).await
    }

    pub(super) async fn abort(&self, key: &str, upload_id: UploadId) -> Result<Outcome, Failure> {
        self.run(Operation::AbortMultipartUpload(object(key), upload_id)).await
    }

    /// An object of these parts.
    pub(super) async fn put_multipart(&self, key: &str, parts: &[Vec<u8>]) {
        let upload = self.create(key, None).await;
        let mut list = Vec::new();
        for (part, bytes) in (1..).zip(parts) {
            self.part(key, upload, part, bytes).await.unwrap();
            list.push(listed(part, bytes));
        }
        self.complete(key, upload, list).await.unwrap();
    }

    pub(super) async fn blob_count(&self) -> usize {
        self.memory.scan(None, usize::MAX).await.unwrap().len()
    }

    pub(super) async fn rows(&self, table: u8) -> Vec<(Bytes, Bytes)> {
        self.kv.scan(keys::table(table), usize::MAX).await.unwrap()
    }

    /// Lets every grace and retention period pass and works off the whole to-do list.
    pub(super) async fn settle(&self) {
        for _ in 0..3 {
            self.pass_ms(GRACE_MS + RETENTION_MS);
            self.gateway.reap().await.unwrap();
        }
        assert!(self.rows(b'T').await.is_empty(), "the to-do list is worked off");
        assert_eq!(self.gateway.verify().await.unwrap().problems, Vec::<String>::new());
    }

    /// Checks that every reference has its bytes, that every blob has as many holders as references, and that
    /// nothing is kept that nothing refers to.
    pub(super) async fn audit(&self) {
        let mut references = Vec::<Extent>::new();
        let mut manifests = BTreeSet::new();
        let mut contents = Vec::new();
        for (_, value) in self.rows(b'O').await {
            let record = ObjectRecord::decode(&value).unwrap();
            assert_eq!(self.size_of(&record.content).await, record.size, "an object's content has the object's size");
            contents.push(record.content);
        }
        let mut kept = BTreeSet::new();
        for (_, value) in self.rows(b'T').await {
            match Todo::decode(&value).unwrap() {
                Todo::ReleaseContent(content) => contents.push(content),
                Todo::EndUpload { upload, kept: list } => {
                    kept.extend(list.into_iter().map(|(number, revision)| keys::part(&upload, number, revision)))
                }
                Todo::ForgetCompleted(_) => {}
            }
        }
        for content in contents {
            match content {
                Content::Here(parts) => references.extend(extents(&parts)),
                Content::Manifest { id, .. } => assert!(manifests.insert(id), "a manifest has one owner"),
            }
        }
        for (key, value) in self.rows(b'M').await {
            let owner = manifests.iter().any(|id| key[1..].starts_with(&id.0));
            assert!(owner, "a manifest chunk has an owner");
            references.extend(extents(&ManifestChunk::decode(&value).unwrap().parts));
        }
        for (key, value) in self.rows(b'P').await {
            if !kept.contains(&key[..]) {
                references.extend(PartRecord::decode(&value).unwrap().extents);
            }
        }
        let mut files = BTreeMap::<BlobId, u32>::new();
        let mut inline = BTreeSet::new();
        for extent in references {
            match extent.place {
                Place::File => *files.entry(extent.blob).or_default() += 1,
                Place::Index => assert!(inline.insert(extent.blob), "bytes in the index have one holder"),
            }
        }
        let recorded: BTreeMap<_, _> = self
            .rows(b'L')
            .await
            .into_iter()
            .map(|(key, value)| (keys::blob_of(&key).unwrap(), BlobRecord::decode(&value).unwrap().holders))
            .collect();
        assert_eq!(recorded, files, "every blob has as many holders as references");
        let on_disk = self.memory.scan(None, usize::MAX).await.unwrap();
        assert_eq!(on_disk, files.into_keys().collect::<Vec<_>>(), "there are the files that are referred to, and no others");
        let in_index: BTreeSet<_> = self.rows(b'D').await.into_iter().map(|(key, _)| keys::blob_of(&key).unwrap()).collect();
        assert_eq!(in_index, inline, "there are the inline bytes that are referred to, and no others");
        assert!(self.memory.reopen().unconfirmed().await.unwrap().is_empty(), "every sealed blob is confirmed");
    }

    async fn size_of(&self, content: &Content) -> u64 {
        match content {
            Content::Here(parts) => extents(parts).map(|extent| extent.size).sum(),
            Content::Manifest { id, .. } => {
                let chunks = self.kv.scan(keys::manifest(*id), usize::MAX).await.unwrap();
                chunks.iter().flat_map(|(_, value)| ManifestChunk::decode(value).unwrap().parts).map(|part| part.size).sum()
            }
        }
    }
}

fn extents(parts: &[ManifestPart]) -> impl Iterator<Item = Extent> + '_ {
    parts.iter().flat_map(|part| part.extents.iter().copied())
}
