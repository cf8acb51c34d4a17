//! Why a run could not be made, in words for who asked for it.

use super::line::Trouble;
use std::{io, path::PathBuf};

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// What is asked for does not fit together.
    #[error("{0}")]
    Setting(String),
    /// A file cannot be used.
    #[error("{}: {why}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no memory for the body.
    #[error("a body cannot be prepared in memory: {0}")]
    Memory(#[source] io::Error),
    /// The server's process cannot be looked at.
    #[error("process {pid} cannot be looked at: {source}")]
    Process {
        /// Its number.
        pid: u32,
        /// What the system says.
        source: io::Error,
    },
    /// The bucket is absent and stays so.
    #[error("there is no bucket {bucket}, and it cannot be created: {trouble}")]
    NoBucket {
        /// Its name.
        bucket: String,
        /// What the server said.
        trouble: Trouble,
    },
    /// The server did not do what a run needs before or after it.
    #[error("{doing}: {trouble}")]
    Failed {
        /// What was tried.
        doing: String,
        /// What happened instead.
        trouble: Trouble,
    },
}
