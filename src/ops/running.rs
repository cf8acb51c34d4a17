//! Work that runs on although its caller hung up.

use crate::model::Failure;
use std::{future::Future, sync::Arc};
use tokio::sync::watch;

/// Counts the work under way, so that a shutdown can wait for it.
pub(super) struct Running {
    count: Arc<watch::Sender<usize>>,
}

/// Work that has begun; dropping it says that it has ended, also when it panicked.
struct Begun(Arc<watch::Sender<usize>>);

impl Running {
    pub(super) fn new() -> Self {
        Self { count: Arc::new(watch::Sender::new(0)) }
    }

    /// Does the work to its end, whether or not anybody waits for the result.
    pub(super) async fn to_the_end<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        self.count.send_modify(|count| *count += 1);
        let begun = Begun(Arc::clone(&self.count));
        let task = tokio::spawn(async move {
            let _begun = begun;
            work.await
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an operation did not run to its end");
            Err(Failure::Internal)
        })
    }

    /// Waits until nothing is under way.
    pub(super) async fn idle(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.count.subscribe().wait_for(|&count| count == 0).await;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
