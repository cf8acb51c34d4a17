//! Which pages may refer to a bucket's objects (OSS "PutBucketReferer").

use serde::{Deserialize, Serialize};

/// The rules about the Referer header. The default lets everybody in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefererConfiguration {
    /// Whether requests without a Referer are let in.
    pub allow_empty: bool,
    /// Whether the query is cut off before matching.
    pub truncate_query: bool,
    /// Whether the path is cut off before matching; the query then is, too.
    pub truncate_path: bool,
    /// Patterns with `*` (any text) and `?` (any character); empty means that any Referer will do.
    pub allowed: Vec<String>,
    /// Patterns of those that are refused whatever `allowed` says.
    pub denied: Vec<String>,
}

impl Default for RefererConfiguration {
    fn default() -> Self {
        Self { allow_empty: true, truncate_query: true, truncate_path: false, allowed: vec![], denied: vec![] }
    }
}
