//! Which operations need room on the disk, and whether there is any.
//!
//! What frees room, or ends what was begun, is never refused for want of it.

use super::Gateway;
use crate::{
    model::{Failure, Operation as Op},
    space::{Admission, Room, Store},
};

impl Gateway {
    /// The room on the disks of the stores, for what is written there besides.
    #[must_use]
    pub fn room(&self) -> Room {
        self.space.room()
    }

    /// Refuses an operation that would add to what is stored while there is no room for anything.
    ///
    /// # Errors
    /// `NoSpace`.
    pub(super) fn check_room(&self, operation: &Op) -> Result<(), Failure> {
        if adds(operation) && !self.space.has_room(Store::Index, 0) { Err(Failure::NoSpace) } else { Ok(()) }
    }

    /// Refuses a body before it is asked for, when there is no room for the size that was announced.
    ///
    /// # Errors
    /// `NoSpace`.
    pub(super) fn check_room_for_body(&self, size: Option<u64>) -> Result<(), Failure> {
        let store = match size {
            Some(size) if size > self.settings.inline_size_bytes_max => Store::Blobs,
            Some(_) | None => Store::Index,
        };
        if self.space.has_room(store, size.unwrap_or(0)) { Ok(()) } else { Err(Failure::NoSpace) }
    }

    /// Lets new bytes in, and counts them until they are seen on the disk or given up.
    ///
    /// # Errors
    /// `NoSpace`.
    pub(super) fn admit(&self, store: Store, size: u64) -> Result<Admission, Failure> {
        self.space.admit(store, size).ok_or(Failure::NoSpace)
    }
}

/// Whether an operation adds to what is stored, without a bound that is small already: each object may have tags, but there
/// are only so many buckets to set rules for, and some rules free room.
fn adds(operation: &Op) -> bool {
    match operation {
        Op::PutObject(_)
        | Op::AppendObject(_)
        | Op::PutSymlink(_)
        | Op::CopyObject(_)
        | Op::PutObjectTagging(..)
        | Op::CreateMultipartUpload(_)
        | Op::UploadPart(_)
        | Op::UploadPartCopy(_)
        | Op::CreateBucket(_) => true,
        Op::GetObject(_)
        | Op::HeadObject(_)
        | Op::DeleteObject(_)
        | Op::DeleteObjects(_)
        | Op::GetSymlink(_)
        | Op::GetObjectAttributes(_)
        | Op::GetObjectAcl(_)
        | Op::PutObjectAcl(..)
        | Op::GetObjectTagging(_)
        | Op::DeleteObjectTagging(_)
        | Op::CompleteMultipartUpload(_)
        | Op::AbortMultipartUpload(..)
        | Op::ListParts(_)
        | Op::ListMultipartUploads(_)
        | Op::ListObjects(_)
        | Op::ListObjectVersions(_)
        | Op::ListBuckets(_)
        | Op::HeadBucket(_)
        | Op::DeleteBucket(_)
        | Op::GetBucketInfo(_)
        | Op::GetBucketStat(_)
        | Op::GetBucketLifecycle(_)
        | Op::PutBucketLifecycle(..)
        | Op::DeleteBucketLifecycle(_)
        | Op::GetBucketReferer(_)
        | Op::PutBucketReferer(..)
        | Op::GetBucketLocation(_)
        | Op::GetBucketVersioning(_)
        | Op::GetBucketAcl(_)
        | Op::PutBucketAcl(..)
        | Op::GetBucketCors(_)
        | Op::PutBucketCors(..)
        | Op::DeleteBucketCors(_)
        | Op::GetBucketPolicy(_)
        | Op::GetBucketPolicyStatus(_)
        | Op::PutBucketPolicy(..)
        | Op::DeleteBucketPolicy(_)
        | Op::GetBucketTagging(_)
        | Op::PutBucketTagging(..)
        | Op::DeleteBucketTagging(_)
        | Op::GetAbsentBucketConfiguration(..) => false,
    }
}
