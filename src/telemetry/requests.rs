//! What is counted of every request. The handles are looked up once: a look-up hashes names and labels and allocates, which
//! is felt at tens of thousands of requests a second.

use super::{Metric, PROMETHEUS, counter, histogram};
use metrics::{Counter, Histogram};
use std::{
    collections::HashMap,
    sync::{LazyLock, PoisonError, RwLock},
};

/// Requests that have ended alike.
#[derive(Clone)]
struct Alike {
    count: Counter,
    duration: Histogram,
    bytes_in: Counter,
    bytes_out: Counter,
}

impl Alike {
    fn new(operation: &'static str, status: u16) -> Self {
        let bytes = |direction: &'static str| counter(Metric::BodyBytes, &[("direction", direction.into())]);
        Self {
            count: counter(Metric::Requests, &[("operation", operation.into()), ("status", status.to_string().into())]),
            duration: histogram(Metric::RequestDuration, &[("operation", operation.into())]),
            bytes_in: bytes("in"),
            bytes_out: bytes("out"),
        }
    }

    fn record(&self, ended: &Ended) {
        self.count.increment(1);
        self.duration.record(ended.duration_secs);
        self.bytes_in.increment(ended.bytes_in);
        self.bytes_out.increment(ended.bytes_out);
    }
}

/// A request that has ended.
pub(crate) struct Ended {
    /// Its operation's name.
    pub(crate) operation: &'static str,
    /// The answer's status.
    pub(crate) status: u16,
    /// What was received and sent of bodies.
    pub(crate) bytes_in: u64,
    /// As above.
    pub(crate) bytes_out: u64,
    /// How long it took.
    pub(crate) duration_secs: f64,
}

/// There are only so many operations and statuses, and clients make up neither.
static KNOWN: LazyLock<RwLock<HashMap<(&'static str, u16), Alike>>> = LazyLock::new(RwLock::default);

impl Ended {
    /// Counts it.
    pub(crate) fn record(&self) {
        let kind = (self.operation, self.status);
        if let Some(alike) = KNOWN.read().unwrap_or_else(PoisonError::into_inner).get(&kind) {
            return alike.record(self);
        }
        let alike = Alike::new(self.operation, self.status);
        alike.record(self);
        // What was looked up before anything is recorded leads nowhere.
        if PROMETHEUS.get().is_some() {
            KNOWN.write().unwrap_or_else(PoisonError::into_inner).insert(kind, alike);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::{init_metrics, render_metrics, settle_metrics};

    #[test]
    fn requests_are_counted_by_operation_and_status() {
        // Another test of this process may have been first; what counts is that somebody was.
        let _ = init_metrics();
        for (status, bytes_in) in [(200, 5), (404, 0), (200, 7)] {
            Ended { operation: "CountedInThisTest", status, bytes_in, bytes_out: 3, duration_secs: 0.5 }.record();
        }
        settle_metrics();
        let text = render_metrics();
        for expected in [
            "partway_requests_total{operation=\"CountedInThisTest\",status=\"200\"} 2\n",
            "partway_requests_total{operation=\"CountedInThisTest\",status=\"404\"} 1\n",
            "partway_request_duration_seconds_count{operation=\"CountedInThisTest\"} 3\n",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
