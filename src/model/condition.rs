//! Conditional reads and writes (RFC 9110 §13; S3 User Guide, "Conditional writes/reads").

use super::{ETag, Timestamp};

/// What If-Match or If-None-Match lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ETagCondition {
    /// `*`: any current object.
    Any,
    /// One of these; text that is no ETag of ours matches nothing and is not listed.
    OneOf(Vec<ETag>),
}

impl ETagCondition {
    /// Whether an object with this ETag is meant.
    #[must_use]
    pub fn matches(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(listed) => listed.contains(etag),
        }
    }
}

/// Conditions of GET and HEAD, and of the source of a copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadConditions {
    /// If-Match.
    pub if_match: Option<ETagCondition>,
    /// If-None-Match.
    pub if_none_match: Option<ETagCondition>,
    /// If-Modified-Since; the dialect leaves out dates in the future.
    pub if_modified_since: Option<Timestamp>,
    /// If-Unmodified-Since.
    pub if_unmodified_since: Option<Timestamp>,
}

/// Conditions of a write on what stands under the key now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteConditions {
    /// If-Match: the current object must have this ETag; 404 when there is none.
    pub if_match: Option<ETagCondition>,
    /// `If-None-Match: *`: there must be no current object.
    pub if_absent: bool,
    /// `x-oss-forbid-overwrite: true`: as `if_absent`, with a failure of its own, `ObjectExists`.
    pub forbid_overwrite: bool,
}
