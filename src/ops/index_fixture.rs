//! A gateway over an index in memory alone, for the operations that touch no bytes: it counts what is read, and lets a
//! test change the index between an operation's read and its commit.

use super::{Environment, Gateway, GatewaySettings};
use crate::{
    blob::{BlobError, BlobId, BlobStore, BlobStream, Staging},
    meta::{
        Check, Kv, KvError, Leap, MemoryKv, Write, keys,
        record::{BucketId, BucketRecord, Content, ObjectRecord, Record, UploadRecord},
    },
    model::{Account, Attributes, Bucket, ByteRange, Caller, ETag, Failure, ObjectKey, ObjectRef, Operation, Outcome, Timestamp, UploadId},
};
use async_trait::async_trait;
use bytes::Bytes;
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// The time of every fixture.
pub(super) const NOW: Timestamp = Timestamp::from_millis(1_768_465_800_000);

/// A gateway and the index it works on.
pub(super) struct Fixture {
    pub(super) gateway: Arc<Gateway>,
    pub(super) index: Arc<Index>,
}

/// An index in memory that counts reads and lets others get in between.
#[derive(Default)]
pub(super) struct Index {
    rows: MemoryKv,
    /// Writes that get in before the commits to come, one list each.
    before_commits: Mutex<VecDeque<Vec<Write>>>,
    /// Writes that get in after the next commit that fails.
    after_conflict: Mutex<Vec<Write>>,
    /// Writes that get in after the next `get` that finds nothing.
    after_miss: Mutex<Vec<Write>>,
    reads: AtomicUsize,
    rows_read: AtomicUsize,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let index = Arc::new(Index::default());
        let seed = AtomicU64::new(0);
        let environment = Environment {
            now: Arc::new(|| NOW),
            random: Arc::new(move |buffer| {
                for byte in buffer {
                    *byte = (seed.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed) >> 56) as u8;
                }
            }),
        };
        let gateway = Gateway::new(index.clone(), Arc::new(NoBlobs), GatewaySettings::default(), environment);
        Self { gateway, index }
    }

    /// Carries out an operation as the root account.
    pub(super) async fn execute(&self, operation: Operation) -> Result<Outcome, Failure> {
        self.execute_as(caller("root"), operation).await
    }

    pub(super) async fn execute_as(&self, caller: Caller, operation: Operation) -> Result<Outcome, Failure> {
        let request = super::Request {
            name: operation.name(),
            origin: crate::model::Origin::default(),
            admitted: super::Admitted::Anything,
            caller,
            limits: crate::model::Limits::S3,
            operation,
        };
        self.gateway.execute(request, None).await.map(|reply| reply.outcome)
    }

    pub(super) async fn put_row(&self, key: Vec<u8>, value: Bytes) {
        self.index.apply(vec![Write::Put(key, value)]).await;
    }

    pub(super) async fn delete_row(&self, key: Vec<u8>) {
        self.index.apply(vec![Write::Delete(key)]).await;
    }

    pub(super) async fn row(&self, key: &[u8]) -> Option<Bytes> {
        self.index.rows.get(key).await.unwrap()
    }

    pub(super) async fn rows(&self, range: Range<Vec<u8>>) -> Vec<(Bytes, Bytes)> {
        self.index.rows.scan(range, usize::MAX).await.unwrap()
    }

    /// Puts a bucket of root's and returns its id.
    pub(super) async fn put_bucket(&self, name: &str) -> BucketId {
        let record = bucket_record(name);
        self.put_row(keys::bucket(&bucket(name)), record.encode()).await;
        record.id
    }

    pub(super) async fn put_object(&self, id: BucketId, object_key: &str) {
        self.put_row(keys::object(id, &key(object_key)), object_record().encode()).await;
    }

    pub(super) async fn put_upload(&self, id: BucketId, object_key: &str, upload: UploadId) {
        self.put_row(keys::upload(id, &key(object_key), &upload), upload_record().encode()).await;
    }
}

impl Index {
    /// Lets these writes get in before the next commit that has none of these yet.
    pub(super) fn before_commit(&self, writes: Vec<Write>) {
        self.before_commits.lock().unwrap().push_back(writes);
    }

    /// Lets these writes get in after the next commit that fails.
    pub(super) fn after_conflict(&self, writes: Vec<Write>) {
        *self.after_conflict.lock().unwrap() = writes;
    }

    /// Lets these writes get in after the next `get` that finds nothing.
    pub(super) fn after_miss(&self, writes: Vec<Write>) {
        *self.after_miss.lock().unwrap() = writes;
    }

    /// Reads since the last call: how many, and of how many rows.
    pub(super) fn take_reads(&self) -> (usize, usize) {
        (self.reads.swap(0, Ordering::Relaxed), self.rows_read.swap(0, Ordering::Relaxed))
    }

    async fn apply(&self, writes: Vec<Write>) {
        self.rows.commit(vec![], writes).await.unwrap();
    }

    fn count(&self, rows: usize) {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.rows_read.fetch_add(rows, Ordering::Relaxed);
    }
}

#[async_trait]
impl Kv for Index {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.count(1);
        let value = self.rows.get(key).await?;
        if value.is_none() {
            let writes = std::mem::take(&mut *self.after_miss.lock().unwrap());
            self.apply(writes).await;
        }
        Ok(value)
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        let page = self.rows.scan(range, count_max).await?;
        self.count(page.len());
        Ok(page)
    }

    async fn scan_leaping(&self, range: Range<Vec<u8>>, count_max: usize, leap: Leap) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        let page = self.rows.scan_leaping(range, count_max, leap).await?;
        self.count(page.len());
        Ok(page)
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        let first = self.before_commits.lock().unwrap().pop_front();
        self.apply(first.unwrap_or_default()).await;
        let done = self.rows.commit(checks, writes).await;
        if let Err(KvError::Conflict(_)) = done {
            let writes = std::mem::take(&mut *self.after_conflict.lock().unwrap());
            self.apply(writes).await;
        }
        done
    }

    fn is_read_only(&self) -> bool {
        false
    }
}

/// The operations under test never come here.
struct NoBlobs;

#[async_trait]
impl BlobStore for NoBlobs {
    async fn stage(&self, _: BlobId, _: Option<u64>) -> Result<Box<dyn Staging>, BlobError> {
        Err(BlobError::ReadOnly)
    }

    async fn confirm(&self, _: BlobId) {}

    async fn unconfirmed(&self) -> Result<Vec<BlobId>, BlobError> {
        Ok(Vec::new())
    }

    async fn read(&self, blob: BlobId, _: ByteRange) -> Result<BlobStream, BlobError> {
        Err(BlobError::Missing(blob))
    }

    async fn verify(&self, blob: BlobId) -> Result<u64, BlobError> {
        Err(BlobError::Missing(blob))
    }

    async fn delete(&self, _: BlobId) -> Result<(), BlobError> {
        Err(BlobError::ReadOnly)
    }

    async fn scan(&self, _: Option<BlobId>, _: usize) -> Result<Vec<BlobId>, BlobError> {
        Ok(Vec::new())
    }

    async fn shelf(&self, _: u16) -> Result<Vec<BlobId>, BlobError> {
        Ok(Vec::new())
    }

    async fn settled_size(&self, _: BlobId) -> Result<Option<u64>, BlobError> {
        Ok(None)
    }

    fn is_read_only(&self) -> bool {
        true
    }
}

/// Runs a case of a property test.
pub(super) fn block_on<T>(case: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().expect("a runtime").block_on(case)
}

pub(super) fn caller(account: &str) -> Caller {
    Caller::Key { access_key: format!("AK-{account}"), account: Account(account.to_owned()), parent: None }
}

pub(super) fn bucket(name: &str) -> Bucket {
    Bucket::new(name).expect("a legal bucket name")
}

pub(super) fn key(text: &str) -> ObjectKey {
    ObjectKey::new(text).expect("a legal key")
}

pub(super) fn object(bucket_name: &str, object_key: &str) -> ObjectRef {
    ObjectRef { bucket: bucket(bucket_name), key: key(object_key) }
}

/// An upload id made so many milliseconds before [`NOW`].
pub(super) fn upload_id(age_ms: i64) -> UploadId {
    UploadId::new(NOW.plus_millis(-age_ms), [0xA5; 10])
}

pub(super) fn bucket_record(name: &str) -> BucketRecord {
    let mut id = [0; 8];
    for (at, byte) in name.bytes().enumerate() {
        id[at % 8] ^= byte.rotate_left(at as u32 / 8);
    }
    BucketRecord {
        retries_callbacks: true,
        storage_class: None,
        acl: crate::model::Acl::Private,
        lifecycle: None,
        referer: None,
        id: BucketId(id),
        owner: Account::root(),
        created: NOW.plus_millis(-3_600_000),
        location: None,
        cors: None,
        policy: None,
        tags: None,
    }
}

pub(super) fn object_record() -> ObjectRecord {
    ObjectRecord {
        kind: crate::meta::record::ObjectKind::Plain,
        charge: crate::meta::record::Charge::Uncounted,
        etag: ETag::Whole([1; 16]),
        size: 5,
        last_modified: NOW.plus_millis(-1_000),
        attributes: Attributes::default(),
        checksum: None,
        crc64_ecma: 7,
        part_count: None,
        content: Content::Here(Vec::new()),
    }
}

pub(super) fn upload_record() -> UploadRecord {
    UploadRecord {
        sequential: false,
        charge: crate::meta::record::Charge::Uncounted,
        initiator: Account("initiator".to_owned()),
        initiated: NOW.plus_millis(-2_000),
        attributes: Attributes::default(),
        checksum: None,
    }
}
