//! Cross-origin rules of a bucket (S3 PutBucketCors, OSS PutBucketCors).

use serde::{Deserialize, Serialize};

/// The rules of a bucket, tried in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsConfiguration {
    /// 1 to 100 rules.
    pub rules: Vec<CorsRule>,
}

/// One rule. Patterns hold at most one `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CorsRule {
    /// A name for people; kept and returned.
    pub id: Option<String>,
    /// Origin patterns.
    pub allowed_origins: Vec<String>,
    /// GET, PUT, POST, DELETE, HEAD.
    pub allowed_methods: Vec<String>,
    /// Header patterns, matched without regard to case.
    pub allowed_headers: Vec<String>,
    /// Headers scripts may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may keep the preflight's answer, in seconds.
    pub max_age_secs: Option<u32>,
}
