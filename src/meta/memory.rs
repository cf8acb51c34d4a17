//! An index in memory, for tests.

/// A [`super::Kv`] that forgets.
#[derive(Default)]
pub struct MemoryKv {}
