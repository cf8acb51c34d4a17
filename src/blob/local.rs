//! Blobs in a local directory, one immutable file each.

/// How the directory is used.
#[derive(Clone, Debug)]
pub struct LocalSettings {}

/// A [`super::BlobStore`] in a directory.
pub struct LocalBlobs {}
