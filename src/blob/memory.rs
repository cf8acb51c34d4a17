//! A blob store in memory, for tests.

/// A [`super::BlobStore`] that forgets.
#[derive(Default)]
pub struct MemoryBlobs {}
