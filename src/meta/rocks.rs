//! The embedded engine: RocksDB behind one committer.

/// How RocksDB is set up.
#[derive(Clone, Debug)]
pub struct RocksSettings {}

/// A [`super::Kv`] on RocksDB.
pub struct RocksKv {}
