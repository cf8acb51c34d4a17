//! Work that runs on although its caller hung up.

use crate::model::Failure;
use std::{
    any::Any,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::{runtime::Handle, sync::watch};

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
        // Nobody waits for more of it.
        self.count.send_if_modified(|count| {
            *count += 1;
            false
        });
        let begun = Begun(Arc::clone(&self.count));
        let kept = KEPT.try_with(Arc::clone).ok();
        let work = Box::pin(async move {
            let _held = (begun, kept);
            work.await
        });
        ToTheEnd { work: Some(work), runtime: Handle::current() }.await
    }

    /// Waits until nothing is under way.
    pub(super) async fn idle(&self) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.count.subscribe().wait_for(|&count| count == 0).await;
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        self.0.send_if_modified(|count| {
            *count -= 1;
            *count == 0
        });
    }
}

/// Work that its caller does while he waits for it, and that becomes a task of its own when he hangs up: a task for each
/// would cost two more turns of the scheduler.
struct ToTheEnd<T: Send + 'static> {
    /// `None` when it has ended, or panicked.
    work: Option<Pin<Box<dyn Future<Output = T> + Send>>>,
    runtime: Handle,
}

impl<T: Send + 'static> Future for ToTheEnd<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut work = self.work.take().expect("not polled after its end");
        let polled = work.as_mut().poll(cx);
        if polled.is_pending() {
            self.work = Some(work);
        }
        polled
    }
}

impl<T: Send + 'static> Drop for ToTheEnd<T> {
    fn drop(&mut self) {
        if let Some(work) = self.work.take() {
            drop(self.runtime.spawn(work));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;
    use std::panic::AssertUnwindSafe;
    use tokio::sync::oneshot;

    #[tokio::test]
    async fn work_is_done_by_who_waits_for_it_and_a_panic_ends_it() {
        let running = Running::new();
        let here = std::thread::current().id();
        assert_eq!(running.to_the_end(async { Ok(std::thread::current().id()) }).await, Ok(here));
        let panics = AssertUnwindSafe(running.to_the_end(async { panic!("on purpose") })).catch_unwind();
        let panicked: Result<Result<(), Failure>, _> = panics.await;
        assert!(panicked.is_err());
        running.idle().await;
    }

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
