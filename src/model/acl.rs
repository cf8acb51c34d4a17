//! Canned access control lists (OSS "PutBucketAcl", "PutObjectACL"; S3 "Canned ACL").

use serde::{Deserialize, Serialize};

/// Who may use a bucket or an object besides its owner. An object without one of its own has its bucket's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Acl {
    /// Nobody else.
    #[default]
    Private,
    /// Everybody may read.
    PublicRead,
    /// Everybody may read, write and delete.
    PublicReadWrite,
}

impl Acl {
    /// The word for it, the same in both dialects.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::PublicRead => "public-read",
            Self::PublicReadWrite => "public-read-write",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Private, Self::PublicRead, Self::PublicReadWrite].into_iter().find(|acl| acl.name() == word)
    }
}
