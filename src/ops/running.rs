//! Work that runs on although its caller hung up.

use crate::model::Failure;
use std::{any::Any, future::Future, sync::Arc};
use tokio::sync::watch;

/// What a caller has of something scarce.
pub type Kept = Arc<dyn Any + Send + Sync>;

tokio::task_local! {
    /// What the work at hand keeps.
    static KEPT: Kept;
}

/// Does work that keeps something until all of it has ended, also what runs on although its caller hung up: or callers that
/// do could have any amount of work under way.
pub async fn keeping<T>(kept: Kept, work: impl Future<Output = T>) -> T {
    KEPT.scope(kept, work).await
}

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
        let kept = KEPT.try_with(Arc::clone).ok();
        let task = tokio::spawn(async move {
            let _held = (begun, kept);
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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn work_that_runs_on_keeps_what_its_caller_had() {
        let (running, place) = (Arc::new(Running::new()), Arc::new(()));
        let (finish, finished) = oneshot::channel::<()>();
        let caller = {
            let (running, kept) = (Arc::clone(&running), Arc::clone(&place) as Kept);
            tokio::spawn(async move {
                let work = async {
                    let _ = finished.await;
                    Ok(())
                };
                keeping(kept, running.to_the_end(work)).await
            })
        };
        while *running.count.borrow() == 0 {
            tokio::task::yield_now().await;
        }
        caller.abort();
        assert!(caller.await.is_err(), "it hung up");
        assert_eq!(Arc::strong_count(&place), 2, "the work has not ended");
        finish.send(()).expect("the work goes on");
        running.idle().await;
        while Arc::strong_count(&place) > 1 {
            tokio::task::yield_now().await;
        }
    }
}
