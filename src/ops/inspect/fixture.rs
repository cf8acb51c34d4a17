//! A store made by hand: a gateway over an index in memory and files that can be damaged.

use crate::{
    blob::{BlobError, BlobId, BlobStore, BlobStream, Staging},
    digest::CrcKind,
    meta::{
        Kv, MemoryKv, Write, keys,
        record::{
            BlobRecord, BucketId, BucketRecord, Content, EventRecord, EventState, Extent, MANIFEST_CHUNK_PARTS, ManifestChunk, ManifestId,
            ManifestPart, ObjectRecord, PartRecord, Place, Record, Revision, UploadRecord,
        },
    },
    model::{
        Account, Attributes, Bucket, ByteRange, Callback, CallbackBodyType, ETag, EventId, ObjectKey, Origin, PartNumber, Timestamp,
        UploadId,
    },
    ops::{Environment, Gateway, GatewaySettings},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::{
    collections::BTreeMap,
    ops::Bound,
    sync::{Arc, Mutex},
};

/// Blob files in memory, put there and damaged by the test.
#[derive(Default)]
pub(in crate::ops) struct TestBlobs {
    pub(super) files: Mutex<BTreeMap<BlobId, Bytes>>,
    pub(super) unconfirmed: Mutex<Vec<BlobId>>,
    /// What was moved out, and the manifest.
    pub(super) quarantined: Mutex<BTreeMap<BlobId, Bytes>>,
    pub(super) manifest: Mutex<Vec<serde_json::Value>>,
    /// Fails the quarantine's next step but this many, once.
    pub(super) crash_after: Mutex<Option<usize>>,
}

impl TestBlobs {
    fn bytes(&self, blob: BlobId) -> Result<Bytes, BlobError> {
        self.files.lock().unwrap().get(&blob).cloned().ok_or(BlobError::Missing(blob))
    }

    fn may_crash(&self) -> Result<(), BlobError> {
        let mut crash_after = self.crash_after.lock().unwrap();
        match crash_after.take() {
            Some(0) => Err(BlobError::Io("crash".to_owned())),
            steps => {
                *crash_after = steps.map(|steps| steps - 1);
                Ok(())
            }
        }
    }
}

#[async_trait]
impl BlobStore for TestBlobs {
    async fn stage(&self, _: BlobId, _: Option<u64>) -> Result<Box<dyn Staging>, BlobError> {
        Err(BlobError::NoSpace)
    }

    async fn confirm(&self, _: BlobId) {}

    async fn unconfirmed(&self) -> Result<Vec<BlobId>, BlobError> {
        Ok(self.unconfirmed.lock().unwrap().clone())
    }

    async fn read(&self, blob: BlobId, range: ByteRange) -> Result<BlobStream, BlobError> {
        let bytes = self.bytes(blob)?;
        let range = usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap();
        if range.end > bytes.len() {
            return Err(BlobError::Corrupt(blob, "too short".to_owned()));
        }
        let pieces: Vec<_> = bytes.slice(range).chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        Ok(stream::iter(pieces).boxed())
    }

    async fn verify(&self, blob: BlobId) -> Result<u64, BlobError> {
        Ok(self.bytes(blob)?.len() as u64)
    }

    async fn delete(&self, blob: BlobId) -> Result<(), BlobError> {
        self.files.lock().unwrap().remove(&blob);
        Ok(())
    }

    async fn scan(&self, after: Option<BlobId>, count_max: usize) -> Result<Vec<BlobId>, BlobError> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        Ok(self.files.lock().unwrap().range((start, Bound::Unbounded)).take(count_max).map(|(&blob, _)| blob).collect())
    }

    async fn shelf(&self, number: u16) -> Result<Vec<BlobId>, BlobError> {
        Ok(self.files.lock().unwrap().keys().copied().filter(|blob| blob.shelf() == number).collect())
    }

    async fn settled_size(&self, blob: BlobId) -> Result<Option<u64>, BlobError> {
        let is_settled = !self.unconfirmed.lock().unwrap().contains(&blob);
        Ok(self.files.lock().unwrap().get(&blob).filter(|_| is_settled).map(|bytes| bytes.len() as u64))
    }

    async fn quarantine(&self, blob: BlobId, _: Timestamp, why: &str) -> Result<bool, BlobError> {
        let Some(bytes) = self.files.lock().unwrap().get(&blob).cloned() else { return Ok(false) };
        self.note_in_quarantine(serde_json::json!({ "what": "file", "blob": blob.to_string(), "why": why })).await?;
        self.quarantined.lock().unwrap().insert(blob, bytes);
        self.may_crash()?;
        self.files.lock().unwrap().remove(&blob);
        self.may_crash()?;
        Ok(true)
    }

    async fn note_in_quarantine(&self, entry: serde_json::Value) -> Result<(), BlobError> {
        self.may_crash()?;
        self.manifest.lock().unwrap().push(entry);
        self.may_crash()
    }

    fn is_read_only(&self) -> bool {
        false
    }
}

/// A gateway whose store the test writes directly.
pub(in crate::ops) struct Fixture {
    pub(in crate::ops) gateway: Arc<Gateway>,
    pub(in crate::ops) kv: Arc<dyn Kv>,
    pub(super) blobs: Arc<TestBlobs>,
}

impl Fixture {
    pub(in crate::ops) fn new() -> Self {
        Self::over(Arc::new(MemoryKv::default()))
    }

    pub(in crate::ops) fn over(kv: Arc<dyn Kv>) -> Self {
        let blobs = Arc::new(TestBlobs::default());
        let environment =
            Environment { now: Arc::new(|| Timestamp::from_millis(1_700_000_000_000)), random: Arc::new(|bytes| bytes.fill(7)) };
        let gateway = Gateway::new(Arc::clone(&kv), Arc::clone(&blobs) as _, GatewaySettings::default(), environment);
        Self { gateway, kv, blobs }
    }

    pub(super) async fn write(&self, writes: Vec<Write>) {
        self.kv.commit(vec![], writes).await.unwrap();
    }

    pub(super) async fn put<R: Record>(&self, row: Vec<u8>, record: &R) {
        self.write(vec![Write::Put(row, record.encode())]).await;
    }

    pub(super) async fn delete(&self, row: Vec<u8>) {
        assert!(self.kv.get(&row).await.unwrap().is_some(), "the row to delete is there");
        self.write(vec![Write::Delete(row)]).await;
    }

    /// Changes a record that is there.
    pub(super) async fn change<R: Record>(&self, row: Vec<u8>, change: impl FnOnce(&mut R)) {
        let mut record = R::decode(&self.kv.get(&row).await.unwrap().unwrap()).unwrap();
        change(&mut record);
        self.put(row, &record).await;
    }

    pub(super) async fn bucket(&self, name: &str, id: BucketId) {
        let bucket = Bucket::new(name).unwrap();
        let record = BucketRecord {
            retries_callbacks: true,
            storage_class: None,
            acl: crate::model::Acl::Private,
            lifecycle: None,
            referer: None,
            id,
            owner: Account::root(),
            created: Timestamp::from_millis(1),
            location: None,
            cors: None,
            policy: None,
            tags: None,
        };
        self.put(keys::bucket(&bucket), &record).await;
    }

    /// A blob file with a row that says how many hold it.
    pub(super) async fn file(&self, blob: BlobId, bytes: &[u8], holders: u32) {
        self.blobs.files.lock().unwrap().insert(blob, Bytes::copy_from_slice(bytes));
        self.put(keys::blob(blob), &BlobRecord { size: bytes.len() as u64, holders }).await;
    }

    /// A blob in the index.
    pub(super) async fn inline(&self, blob: BlobId, bytes: &[u8]) {
        self.write(vec![Write::Put(keys::inline_data(blob), Bytes::copy_from_slice(bytes))]).await;
    }

    /// An event with the row that says when it is due.
    pub(super) async fn event(&self, id: EventId, event: &EventRecord) {
        self.put(keys::event(id), event).await;
        self.write(vec![Write::Put(keys::event_due(event.due, id), Bytes::new())]).await;
    }

    pub(super) async fn upload(&self, bucket: BucketId, key: &str, upload: UploadId, initiated: i64) {
        let record = UploadRecord {
            sequential: false,
            charge: crate::meta::record::Charge::Uncounted,
            initiator: Account::root(),
            initiated: Timestamp::from_millis(initiated),
            attributes: Attributes::default(),
            checksum: None,
        };
        self.put(keys::upload(bucket, &key_of(key), &upload), &record).await;
    }
}

pub(super) fn event(bucket: &str, due: i64, state: EventState) -> EventRecord {
    EventRecord {
        callback: Callback {
            urls: vec!["http://app/".to_owned()],
            host: None,
            body: "b".to_owned(),
            body_type: CallbackBodyType::Form,
            sni: false,
            variables: vec![],
        },
        origin: Origin::default(),
        requester: None,
        operation: "PutObject".to_owned(),
        bucket: Bucket::new(bucket).unwrap(),
        key: key_of("k"),
        etag: ETag::Whole([0; 16]),
        size: 0,
        content_type: None,
        crc64_ecma: 0,
        created: Timestamp::from_millis(1),
        attempts: 1,
        due: Timestamp::from_millis(due),
        last_error: None,
        state,
    }
}

pub(super) fn key_of(key: &str) -> ObjectKey {
    ObjectKey::new(key).unwrap()
}

pub(super) fn number(number: u64) -> PartNumber {
    PartNumber::new(number).unwrap()
}

pub(super) fn in_file(blob: BlobId, offset: u64, size: u64) -> Extent {
    Extent { place: Place::File, blob, offset, size }
}

pub(super) fn in_index(blob: BlobId, size: u64) -> Extent {
    Extent { place: Place::Index, blob, offset: 0, size }
}

pub(super) fn part_row(upload: UploadId, part: u64, revision: u64) -> Vec<u8> {
    keys::part(&upload, number(part), Revision(revision))
}

pub(super) fn part(bytes: &[u8], extents: Vec<Extent>) -> PartRecord {
    PartRecord {
        md5: [0; 16],
        size: bytes.len() as u64,
        last_modified: Timestamp::from_millis(5),
        checksum: None,
        crc64_nvme: 0,
        crc64_ecma: CrcKind::Crc64Ecma.of_bytes(bytes),
        extents,
        is_counted: false,
    }
}

pub(super) fn manifest_part(extents: Vec<Extent>) -> ManifestPart {
    ManifestPart { size: extents.iter().map(|extent| extent.size).sum(), checksum: None, extents }
}

/// An object of these bytes, wherever they are.
pub(super) fn object(bytes: &[u8], content: Content) -> ObjectRecord {
    ObjectRecord {
        kind: crate::meta::record::ObjectKind::Plain,
        charge: crate::meta::record::Charge::Uncounted,
        etag: ETag::Whole([0; 16]),
        size: bytes.len() as u64,
        last_modified: Timestamp::from_millis(6),
        attributes: Attributes::default(),
        checksum: None,
        crc64_ecma: CrcKind::Crc64Ecma.of_bytes(bytes),
        part_count: None,
        content,
    }
}

/// The rows of a manifest and the content that refers to them.
pub(super) fn manifest(id: ManifestId, parts: &[ManifestPart]) -> (Content, Vec<Write>) {
    let (mut start, mut chunk_ends, mut rows) = (0, vec![], vec![]);
    for (number, parts) in (0..).zip(parts.chunks(MANIFEST_CHUNK_PARTS)) {
        let chunk = ManifestChunk { start, parts: parts.to_vec() };
        start += parts.iter().map(|part| part.size).sum::<u64>();
        chunk_ends.push(start);
        rows.push(Write::Put(keys::manifest_chunk(id, number), chunk.encode()));
    }
    (Content::Manifest { id, chunk_ends }, rows)
}
