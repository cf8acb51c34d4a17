//! What the index keeps of an upload that an application is to be told of. Part of the on-disk format, as all of `record`.

use super::record::Record;
use crate::model::{Account, Bucket, Callback, ETag, ObjectKey, Origin, Timestamp};
use serde::{Deserialize, Serialize};

/// An upload that an application is to be told of. Committed with the upload, so that it is never forgotten; the
/// `N` row of its `due` says when somebody should look at it next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventRecord {
    /// Whom to tell, and what.
    pub callback: Callback,
    /// The request that was the upload.
    pub origin: Origin,
    /// Whose request it was.
    pub requester: Option<Account>,
    /// The operation's name.
    pub operation: String,
    /// The object's bucket.
    pub bucket: Bucket,
    /// The object's key.
    pub key: ObjectKey,
    /// The object's ETag.
    pub etag: ETag,
    /// The object's size in bytes.
    pub size: u64,
    /// The object's content type.
    pub content_type: Option<String>,
    /// The object's CRC-64/XZ.
    pub crc64_ecma: u64,
    /// When the upload was committed.
    pub created: Timestamp,
    /// How often it was tried to tell.
    pub attempts: u32,
    /// When to look at it next: to try again, or once it is settled to forget it.
    pub due: Timestamp,
    /// Why the last attempt failed, for operators.
    pub last_error: Option<String>,
    /// How far it has come.
    pub state: EventState,
}

/// How far telling of an event has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventState {
    /// The application does not know yet; it will be told when the event is due.
    Pending,
    /// The application answered that it knows.
    Delivered(Timestamp),
    /// It could not be told, and nobody tries again.
    Failed(Timestamp),
}

impl Record for EventRecord {
    const VERSION: u8 = 1;
}
