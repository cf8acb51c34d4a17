//! The operations, one file each, over the index and the blob store.
//!
//! Handlers know neither HTTP nor XML, neither RocksDB nor paths. What they are given is authorised
//! already; what they return is data. A handler whose caller hangs up either leaves nothing behind
//! (uploads) or runs on to its end (complete, abort, delete).

mod acl;
mod append_object;
mod assemble;
mod bucket_config;
mod bucket_stat;
mod buckets;
mod complete_multipart_upload;
mod conditions;
mod content;
mod copy_object;
mod copying;
mod count_older;
mod delete_objects;
mod dispatch;
mod gateway;
mod get_object;
mod hold;
#[cfg(test)]
mod index_fixture;
mod ingest;
mod inspect;
mod keys;
mod lifecycle;
mod list_objects;
mod list_parts;
mod list_uploads;
mod listing;
mod multipart;
mod object_attributes;
mod object_tagging;
mod orphans;
mod pages;
mod publish;
mod put_object;
mod quotas;
mod readers;
mod reap;
mod room;
mod running;
mod stale;
mod symlink;
mod telling;
mod upload_part;
mod upload_part_copy;
mod usage;

#[cfg(test)]
mod tests;

pub use gateway::Gateway;
pub use hold::ReaperHold;
pub use keys::SealError;
pub use orphans::{Backlog, OrphanReport};
pub use quotas::{Held, QuotaHolder, QuotaReport, QuotaSummary};
pub use running::{Kept, keeping};
pub use stale::StaleUploads;

use crate::{
    blob::BlobError,
    model::{
        Account, Acl, Bucket, Caller, Checksum, CorsConfiguration, Failure, Limits, ObjectKey, ObjectRef, Operation, Origin, Outcome,
        RefererConfiguration, Timestamp, UploadId,
    },
    secrets::Vault,
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
    /// What it is called in its API; PostObject is a PutObject below.
    pub name: &'static str,
    /// Where it came from.
    pub origin: Origin,
    /// What may be read: by a read its object, by a copy its source.
    pub admitted: Admitted,
}

/// What a sender was admitted to read. What is read may have changed since, and copies look again at a source that
/// changes while they work: what nobody has decided on is not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Admitted {
    /// Whatever is there.
    #[default]
    Anything,
    /// What was looked at.
    Seen {
        /// The object, as it was.
        object: ObjectAccess,
        /// The own access control list of the object that it is a link to.
        target_acl: Option<Acl>,
    },
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

pub use crate::blob::BlobError as ContentError;

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
    /// Who may use it besides its owner, and every object that has no list of its own.
    pub acl: Acl,
    /// Which pages may refer to its objects; asked of requests that are anonymous or presigned.
    pub referer: Option<RefererConfiguration>,
}

/// What the server must know of an object before it can admit a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectAccess {
    /// Its own access control list; `None` when it has its bucket's, or is not there. What counts is
    /// `object.acl.unwrap_or(bucket.acl)`.
    pub acl: Option<Acl>,
    /// What it stands for, if it is a symbolic link. Whoever reads through the link must be allowed to read this, too:
    /// otherwise who may write a link could read everything.
    pub link_target: Option<ObjectRef>,
}

/// How the gateway behaves; every field is a setting, or comes from one.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Bodies up to this size are kept in the index instead of a file. Bytes.
    pub inline_size_bytes_max: u64,
    /// Memory that request bodies may occupy between socket and disk, shared by those in flight. Bytes.
    pub body_memory_bytes: u64,
    /// How long bytes stay after nothing refers to them any more; must be longer than a commit takes. Milliseconds.
    pub reap_grace_ms: i64,
    /// How long the answer of a completed upload is kept for replays. Milliseconds.
    pub completed_retention_ms: i64,
    /// What the secrets of access keys are sealed with.
    pub vault: Arc<Vault>,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            inline_size_bytes_max: 64 << 10,
            body_memory_bytes: 96 << 20,
            reap_grace_ms: 60_000,
            completed_retention_ms: 7 * 24 * 3_600_000,
            vault: Arc::default(),
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

/// What a round of lifecycle rules has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LifecycleReport {
    /// Objects that were due.
    pub deleted_objects: u64,
    /// Uploads that were due.
    pub aborted_uploads: u64,
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
    /// What was mended, or would be, a line each.
    #[serde(default)]
    pub repairs: Vec<String>,
}
