//! The one way from async code to the disk: every blocking step of the blob stores goes through here.
//!
//! Dropping the future does not stop the work, so work owns what it touches and cleans up after itself.

use super::BlobError;
use tokio::{
    runtime::Handle,
    task::{JoinHandle, spawn_blocking},
};

/// Work under way on a blocking thread. Dropping it lets the work run on and drops what it yields.
pub(super) struct Job<T>(JoinHandle<Result<T, BlobError>>);

impl<T: Send + 'static> Job<T> {
    /// Begins work.
    pub(super) fn start(work: impl FnOnce() -> Result<T, BlobError> + Send + 'static) -> Self {
        Self(spawn_blocking(work))
    }

    /// Waits for what it yields.
    pub(super) async fn finish(self) -> Result<T, BlobError> {
        self.0.await.unwrap_or_else(|error| Err(BlobError::Io(format!("a disk task did not finish: {error}"))))
    }
}

/// Does work on a blocking thread and waits for it.
pub(super) async fn run<T: Send + 'static>(work: impl FnOnce() -> Result<T, BlobError> + Send + 'static) -> Result<T, BlobError> {
    Job::start(work).finish().await
}

/// Does work that nobody waits for: on a blocking thread where there is a runtime, else here and now.
pub(super) fn detach(work: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(work)),
        Err(_) => work(),
    }
}
