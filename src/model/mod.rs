//! The vocabulary of the gateway: plain data that every other module speaks.
//!
//! No I/O, no async, no HTTP, no XML. Values are parsed at the edge into these types, so that a
//! `PartNumber` or an `ObjectKey` in hand is proof that it is a legal one.

mod acl;
mod callback;
mod caller;
mod checksum;
mod condition;
mod cors;
mod etag;
mod failure;
mod lifecycle;
mod limits;
mod names;
mod object;
mod operation;
mod outcome;
mod range;
mod referer;
mod time;
mod upload;

pub use acl::Acl;
pub use callback::{Callback, CallbackBodyType, CallbackReply, EventId, Origin};
pub use caller::{Account, Caller, KeyRecord, KeyStatus};
pub use checksum::{Checksum, ChecksumAlgorithm, ChecksumType, ObjectChecksum};
pub use condition::{ETagCondition, ReadConditions, WriteConditions};
pub use cors::{CorsConfiguration, CorsRule};
pub use etag::ETag;
pub use failure::{Failure, QuotaKind};
pub use lifecycle::{Expiry, LifecycleConfiguration, LifecycleRule};
pub use limits::Limits;
pub use names::{Bucket, ObjectKey, ObjectRef};
pub use object::{Attributes, ObjectType, SystemHeaders, Tags, UserMetadata};
pub use operation::*;
pub use outcome::*;
pub use range::{ByteRange, RangeRequest, Selection};
pub use referer::RefererConfiguration;
pub use time::Timestamp;
pub use upload::{CompletedPart, PartList, PartListError, PartListRefusal, PartNumber, UploadId};
