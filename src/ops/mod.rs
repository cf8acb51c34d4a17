//! The operations, one file each, over the index and the blob store.
//!
//! Handlers know neither HTTP nor XML, neither RocksDB nor paths. What they are given is authorised
//! already; what they return is data. A handler whose caller hangs up either leaves nothing behind
//! (uploads) or runs on to its end (complete, abort, delete).

use crate::{
    blob::{BlobError, BlobStore},
    meta::Kv,
    model::{
        Account, Bucket, Caller, Checksum, CorsConfiguration, Failure, KeyRecord, KeyStatus, Limits, ObjectKey, Operation, Outcome,
        Timestamp, UploadId,
    },
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use std::sync::Arc;

/// A decoded and authorised request.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks.
    pub caller: Caller,
    /// The limits of the dialect it came in.
    pub limits: Limits,
    /// What is asked.
    pub operation: Operation,
}

/// The bytes of a request, un-chunked and with their chunk signatures verified.
#[async_trait]
pub trait Body: Send {
    /// The next bytes, not empty; `None` after the last.
    ///
    /// # Errors
    /// `IncompleteBody`, `BodyTimeout`, `MalformedBody`, `ChunkSignatureMismatch`, `MalformedTrailer`,
    /// `InvalidTrailerChecksum`.
    async fn next(&mut self) -> Result<Option<Bytes>, Failure>;

    /// The checksum that came in the trailer, once `next` has returned `None`.
    fn trailer_checksum(&mut self) -> Option<Checksum>;
}

/// The bytes of an answer. An error breaks the connection: better no bytes than wrong ones.
pub type ContentStream = BoxStream<'static, Result<Bytes, BlobError>>;

/// The answer to a request.
pub struct Reply {
    /// What came of it.
    pub outcome: Outcome,
    /// The bytes that go with [`Outcome::GetObject`].
    pub content: Option<ContentStream>,
}

/// What the server must know of a bucket before it can admit a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketAccess {
    /// Whose it is.
    pub owner: Account,
    /// Its policy document.
    pub policy: Option<String>,
    /// Its cross-origin rules.
    pub cors: Option<CorsConfiguration>,
}

/// How the gateway behaves; every field is a setting.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Bodies up to this size are kept in the index instead of a file. Bytes.
    pub inline_size_bytes_max: u64,
    /// Memory that request bodies may occupy between socket and disk, shared by those in flight. Bytes.
    pub body_memory_bytes: u64,
    /// How long bytes stay after nothing refers to them any more. Milliseconds.
    pub reap_grace_ms: i64,
    /// How long the answer of a completed upload is kept for replays. Milliseconds.
    pub completed_retention_ms: i64,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            inline_size_bytes_max: 64 << 10,
            body_memory_bytes: 128 << 20,
            reap_grace_ms: 60_000,
            completed_retention_ms: 7 * 24 * 3_600_000,
        }
    }
}

/// Time and randomness, so that a run with the same ones does the same thing.
#[derive(Clone)]
pub struct Environment {
    /// The time.
    pub now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    /// Fills a buffer with random bytes.
    pub random: Arc<dyn Fn(&mut [u8]) + Send + Sync>,
}

/// An open upload as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct OpenUpload {
    /// Its bucket.
    pub bucket: Bucket,
    /// Its key.
    pub key: ObjectKey,
    /// The upload.
    pub upload_id: UploadId,
    /// When it was begun.
    pub initiated: Timestamp,
    /// When its last part was acknowledged, or `initiated`.
    pub last_activity: Timestamp,
    /// Number of part numbers with a part.
    pub part_count: u32,
    /// Bytes its parts hold, replaced revisions included.
    pub bytes_held: u64,
}

/// What `verify` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VerifyReport {
    /// Records read.
    pub records: u64,
    /// Blobs read, files and index rows.
    pub blobs: u64,
    /// Bytes read.
    pub bytes: u64,
    /// What is wrong, a line each; empty when all is well.
    pub problems: Vec<String>,
}

/// The operations over an index and a blob store.
pub struct Gateway {}

impl Gateway {
    /// A gateway over these stores.
    #[must_use]
    pub fn new(_kv: Arc<dyn Kv>, _blobs: Arc<dyn BlobStore>, _settings: GatewaySettings, _environment: Environment) -> Arc<Self> {
        todo!()
    }

    /// Settles what an earlier run left half-done: sealed blobs without a record are removed. Called once, before serving.
    ///
    /// # Errors
    /// When the stores cannot be read.
    pub async fn recover(&self) -> Result<(), Failure> {
        todo!()
    }

    /// Carries out an operation.
    ///
    /// # Errors
    /// Every reason it did not succeed.
    pub async fn execute(self: &Arc<Self>, _request: Request, _body: Option<Box<dyn Body>>) -> Result<Reply, Failure> {
        todo!()
    }

    /// What must be known of a bucket to admit a request; `None` when there is none.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn bucket_access(&self, _bucket: &Bucket) -> Result<Option<BucketAccess>, Failure> {
        todo!()
    }

    /// Works off what is due on the to-do list; returns the number of lines done. Called every few seconds.
    ///
    /// # Errors
    /// When the stores fail.
    pub async fn reap(&self) -> Result<usize, Failure> {
        todo!()
    }

    /// Waits for work that runs on although its caller hung up.
    pub async fn drain(&self) {
        todo!()
    }

    /// Whether writes are refused since a sync failed.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        todo!()
    }

    /// The open uploads of all buckets, oldest first within a key, up to `count_max`.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn open_uploads(&self, _count_max: usize) -> Result<Vec<OpenUpload>, Failure> {
        todo!()
    }

    /// Checks that every record has its bytes with the right digest and that no bytes are orphaned.
    ///
    /// # Errors
    /// When the stores cannot be read at all.
    pub async fn verify(&self) -> Result<VerifyReport, Failure> {
        todo!()
    }

    /// The key of this id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn key(&self, _access_key: &str) -> Result<Option<KeyRecord>, Failure> {
        todo!()
    }

    /// All keys, by id.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn keys(&self) -> Result<Vec<KeyRecord>, Failure> {
        todo!()
    }

    /// Adds a key; `false` when there is one of this id already.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn create_key(&self, _key: &KeyRecord) -> Result<bool, Failure> {
        todo!()
    }

    /// Enables or disables a key; `false` when there is none.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn set_key_status(&self, _access_key: &str, _status: KeyStatus) -> Result<bool, Failure> {
        todo!()
    }

    /// Removes a key; `false` when there is none.
    ///
    /// # Errors
    /// When the index cannot be written.
    pub async fn delete_key(&self, _access_key: &str) -> Result<bool, Failure> {
        todo!()
    }
}
