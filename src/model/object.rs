//! What an object carries beside its bytes.

use super::Acl;
use serde::{Deserialize, Serialize};

/// The headers S3 calls system-defined metadata, stored and returned as sent (S3 User Guide,
/// "Working with object metadata"). `None` means the client sent none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemHeaders {
    /// Content-Type.
    pub content_type: Option<String>,
    /// Cache-Control.
    pub cache_control: Option<String>,
    /// Content-Disposition.
    pub content_disposition: Option<String>,
    /// Content-Encoding, without `aws-chunked`.
    pub content_encoding: Option<String>,
    /// Content-Language.
    pub content_language: Option<String>,
    /// Expires: any text, returned unchanged.
    pub expires: Option<String>,
    /// x-amz-website-redirect-location.
    pub website_redirect: Option<String>,
    /// The storage class asked for, when it is not STANDARD.
    pub storage_class: Option<String>,
}

/// User metadata: lower-case names without the dialect's prefix, values as the bytes sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserMetadata(pub Vec<(String, Vec<u8>)>);

/// Tags, unique by key, in the order sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags(pub Vec<(String, String)>);

/// Everything a client says about an object when it writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// System-defined headers.
    pub headers: SystemHeaders,
    /// x-amz-meta-* and x-oss-meta-*.
    pub user: UserMetadata,
    /// Object tags.
    pub tags: Tags,
    /// Its own access control list; `None` means its bucket's.
    pub acl: Option<Acl>,
}

/// How an object came to be (OSS x-oss-object-type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectType {
    /// Written in one piece.
    Normal,
    /// Completed from parts.
    Multipart,
    /// Appended to, and may be again.
    Appendable,
    /// Stands for another object.
    Symlink,
}
