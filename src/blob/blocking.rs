//! The one way from async code to the disk: every blocking step of the blob stores goes through here.
//!
//! - Dropping the future does not stop the work, so work owns what it touches and cleans up after itself.
//! - Work on a disk that does not block, as simulated ones do, is done where the runtime's other work is, at a pace of the
//!   disk's own: so a test's seed decides the order of things.

use super::BlobError;
use futures_util::future::BoxFuture;
use tokio::{
    runtime::Handle,
    task::{JoinHandle, spawn_blocking},
};

/// Is over when work that does not block is to be done.
pub type Pace = BoxFuture<'static, ()>;

/// Work under way. Dropping it lets the work run on and drops what it yields.
pub(super) struct Job<T>(JoinHandle<Result<T, BlobError>>);

impl<T: Send + 'static> Job<T> {
    /// Begins work: on a blocking thread, unless it has a pace.
    pub(super) fn start(pace: Option<Pace>, work: impl FnOnce() -> Result<T, BlobError> + Send + 'static) -> Self {
        Self(match pace {
            None => spawn_blocking(work),
            Some(pace) => tokio::spawn(async move {
                pace.await;
                work()
            }),
        })
    }

    /// Waits for what it yields.
    pub(super) async fn finish(self) -> Result<T, BlobError> {
        self.0.await.unwrap_or_else(|error| Err(BlobError::Io(format!("a disk task did not finish: {error}"))))
    }
}

/// Does work and waits for it.
pub(super) async fn run<T: Send + 'static>(
    pace: Option<Pace>,
    work: impl FnOnce() -> Result<T, BlobError> + Send + 'static,
) -> Result<T, BlobError> {
    Job::start(pace, work).finish().await
}

/// Does work that nobody waits for: where there is a runtime as [`Job::start`] does it, else here and now.
pub(super) fn detach(pace: Option<Pace>, work: impl FnOnce() + Send + 'static) {
    match Handle::try_current() {
        Ok(_) => drop(Job::start(pace, move || {
            work();
            Ok(())
        })),
        Err(_) => work(),
    }
}
