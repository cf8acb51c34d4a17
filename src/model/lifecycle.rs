//! Rules that delete objects and end uploads in time (S3 "PutBucketLifecycleConfiguration", OSS "PutBucketLifecycle").

use super::{Tags, Timestamp};
use serde::{Deserialize, Serialize};

/// The rules of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleConfiguration {
    /// 1 to 1,000 rules. What any of them says is due, is done.
    pub rules: Vec<LifecycleRule>,
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleRule {
    /// A name for people; kept and returned.
    pub id: Option<String>,
    /// Whether it is carried out.
    pub enabled: bool,
    /// Only keys that start so.
    pub prefix: String,
    /// Only objects that have all of these. Uploads have none, so a rule with tags ends no upload.
    pub tags: Tags,
    /// Only objects of more bytes than this.
    pub size_above: Option<u64>,
    /// Only objects of fewer bytes than this.
    pub size_below: Option<u64>,
    /// When objects are deleted.
    pub expiration: Option<Expiry>,
    /// When open uploads are aborted.
    pub abort_uploads: Option<Expiry>,
}

/// When something is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expiry {
    /// So many days after it was written or begun, at the next midnight UTC.
    Days(u32),
    /// From this time on, whenever it was written.
    Date(Timestamp),
    /// If it was written or begun before this time (OSS CreatedBeforeDate).
    CreatedBefore(Timestamp),
}
