//! Counting what is open, so that shutting down can wait until nothing is.

use crate::telemetry::{self, Metric};
use tokio::sync::watch;

/// One of a number that somebody waits on to become zero, and that a gauge shows.
pub(super) struct Counted {
    count: watch::Sender<usize>,
    metric: Metric,
}

impl Counted {
    /// One more.
    pub(super) fn new(count: &watch::Sender<usize>, metric: Metric) -> Self {
        telemetry::gauge(metric).increment(1);
        // Nobody waits for more of them.
        count.send_if_modified(|count| {
            *count = count.saturating_add(1);
            false
        });
        Self { count: count.clone(), metric }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.count.send_if_modified(|count| {
            *count = count.saturating_sub(1);
            *count == 0
        });
        telemetry::gauge(self.metric).decrement(1);
    }
}

/// Waits until nothing is counted any more.
pub(super) async fn none_left(count: &watch::Sender<usize>) {
    // The sender is borrowed, so it cannot be gone.
    let _ = count.subscribe().wait_for(|&count| count == 0).await;
}
