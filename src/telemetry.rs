//! Logs and metrics.
//!
//! Every metric is a variant of [`Metric`], with its name and its help text; there is no other list. Nothing is
//! recorded until [`init_metrics`] has been called, and recording costs next to nothing then.

mod lines;
mod requests;

pub(crate) use lines::REQUESTS;
pub(crate) use requests::Ended;

use lines::Lines;
use metrics::{Counter, Gauge, Histogram, Label, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::{
    io::{self, Stderr},
    sync::{LazyLock, OnceLock},
};
use tracing_subscriber::EnvFilter;

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Why logging or metrics could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The level is not one, nor a filter of `tracing-subscriber`.
    #[error("the log level {level:?} is not valid: {reason}")]
    Level {
        /// What was given.
        level: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no thread that writes lines.
    #[error("cannot start to log: {0}")]
    Lines(#[from] io::Error),
    /// Something in this process has set it up already.
    #[error("{0} are set up already")]
    AlreadySet(&'static str),
}

/// What is logged of errors alone: HTTP/2 frame by frame, whatever they carry, and its warnings, which any client can cause at will.
const QUIET: &str = "h2=error";

static LINES: LazyLock<Lines<Stderr>> = LazyLock::new(|| Lines::new(io::stderr()));

/// Sends log lines to the standard error stream. `level` is a level (`info`) or a list such as `info,partway::request=warn`.
///
/// # Errors
/// For a level that is none, when called twice, and when there can be no thread for it.
pub fn init_logs(level: &str, format: LogFormat) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(format!("{QUIET},{level}"))
        .map_err(|error| TelemetryError::Level { level: level.to_owned(), reason: error.to_string() })?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(&*LINES);
    let done = match format {
        LogFormat::Text => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).try_init(),
    };
    done.map_err(|_| TelemetryError::AlreadySet("logs"))?;
    Ok(LINES.start()?)
}

/// Writes what waits to be logged. To be called before the process ends.
pub fn flush_logs() {
    // Who cannot be told cannot be told of that either.
    let _ = LINES.flush();
}

/// Seconds; from a request that only touches the index to a part of 5 GiB on a slow line.
const DURATION_BUCKETS: [f64; 14] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0, 600.0];

static PROMETHEUS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Starts to record metrics, for [`render_metrics`].
///
/// # Errors
/// When something in this process records metrics already.
pub fn init_metrics() -> Result<(), TelemetryError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(Metric::RequestDuration.name().to_owned()), &DURATION_BUCKETS)
        .expect("the list of buckets is not empty");
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::AlreadySet("metrics"))?;
    PROMETHEUS.set(handle).map_err(|_| TelemetryError::AlreadySet("metrics"))?;
    Metric::ALL.into_iter().for_each(Metric::describe);
    Ok(())
}

/// The metrics in Prometheus' text format; empty when they are not recorded.
#[must_use]
pub fn render_metrics() -> String {
    PROMETHEUS.get().map(PrometheusHandle::render).unwrap_or_default()
}

/// Folds what histograms have collected into their buckets. Called every few seconds, or they grow until the next
/// [`render_metrics`].
pub fn settle_metrics() {
    if let Some(handle) = PROMETHEUS.get() {
        handle.run_upkeep();
    }
}

/// Everything that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Requests answered, by operation and status.
    Requests,
    /// How long they took, by operation. Seconds.
    RequestDuration,
    /// Requests being worked on.
    RequestsInFlight,
    /// Bytes of bodies, by direction.
    BodyBytes,
    /// Connections open.
    Connections,
    /// Connections turned away.
    ConnectionsRefused,
    /// Clients with whom TLS could not be agreed on.
    TlsHandshakesFailed,
    /// Requests told to slow down, by what there was no room for.
    RequestsShed,
    /// Handlers that panicked.
    Panics,
    /// Whether writes are refused since a sync failed.
    ReadOnly,
    /// Whether the server is shutting down.
    Draining,
    /// What an acknowledgement promises: 1 for the level in use.
    Durability,
    /// Blob files opened to be read.
    BlobReads,
    /// Blob files whose bytes were not those that were written, or that were gone.
    CorruptBlobs,
    /// Reads of blob files that the disk failed.
    BlobReadErrors,
    /// Reads of the index that met bytes which were not those that were written.
    CorruptIndexReads,
    /// What new bytes may take, by store. Bytes.
    DiskRoom,
    /// Whether new bytes are refused because the disk is full, by store.
    DiskFull,
    /// What the index's reserve holds. Bytes.
    DiskReserve,
    /// Requests for room that there was not.
    RefusedForSpace,
    /// Objects that lifecycle rules deleted.
    LifecycleDeletedObjects,
    /// Uploads that lifecycle rules aborted.
    LifecycleAbortedUploads,
    /// Uploads that were aborted because they got no part for too long.
    ExpiredUploads,
    /// Blob files that no record knows.
    OrphanFiles,
    /// What they occupy. Bytes.
    OrphanBytes,
    /// Rounds of the search for them.
    OrphanSearches,
    /// Lines of the to-do list.
    TodoLines,
    /// Bytes that they let go of.
    TodoBytes,
    /// Attempts to tell applications of uploads, by outcome.
    CallbackAttempts,
    /// Callbacks that failed and are not tried again.
    CallbacksGivenUp,
    /// Callbacks that were due when it was last looked.
    CallbacksDue,
}

enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Self; 31] = [
        Self::Requests,
        Self::RequestDuration,
        Self::RequestsInFlight,
        Self::BodyBytes,
        Self::Connections,
        Self::ConnectionsRefused,
        Self::TlsHandshakesFailed,
        Self::RequestsShed,
        Self::Panics,
        Self::ReadOnly,
        Self::Draining,
        Self::Durability,
        Self::BlobReads,
        Self::CorruptBlobs,
        Self::BlobReadErrors,
        Self::CorruptIndexReads,
        Self::DiskRoom,
        Self::DiskFull,
        Self::DiskReserve,
        Self::RefusedForSpace,
        Self::LifecycleDeletedObjects,
        Self::LifecycleAbortedUploads,
        Self::ExpiredUploads,
        Self::OrphanFiles,
        Self::OrphanBytes,
        Self::OrphanSearches,
        Self::TodoLines,
        Self::TodoBytes,
        Self::CallbackAttempts,
        Self::CallbacksGivenUp,
        Self::CallbacksDue,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// What it means.
    #[must_use]
    pub fn help(self) -> &'static str {
        self.row().2
    }

    fn row(self) -> (&'static str, Kind, &'static str) {
        match self {
            Self::Requests => ("partway_requests_total", Kind::Counter, "Requests by operation and status."),
            Self::RequestDuration => (
                "partway_request_duration_seconds",
                Kind::Histogram,
                "Time from a request's head to the last byte of its answer, by operation.",
            ),
            Self::RequestsInFlight => ("partway_requests_in_flight", Kind::Gauge, "Requests being worked on."),
            Self::BodyBytes => ("partway_body_bytes_total", Kind::Counter, "Bytes of request (in) and response (out) bodies."),
            Self::Connections => ("partway_connections", Kind::Gauge, "Open client connections."),
            Self::ConnectionsRefused => {
                ("partway_connections_refused_total", Kind::Counter, "Connections turned away because there were too many.")
            }
            Self::TlsHandshakesFailed => ("partway_tls_handshakes_failed_total", Kind::Counter, "TLS handshakes that did not succeed."),
            Self::RequestsShed => {
                ("partway_requests_shed_total", Kind::Counter, "Requests told to slow down, by what there was no room for.")
            }
            Self::Panics => ("partway_panics_total", Kind::Counter, "Request handlers that panicked and were answered with 500."),
            Self::ReadOnly => ("partway_read_only", Kind::Gauge, "1 when writes are refused because a sync failed."),
            Self::Draining => ("partway_draining", Kind::Gauge, "1 when the server is shutting down."),
            Self::Durability => ("partway_durability", Kind::Gauge, "1 for the level of durability that acknowledged writes have."),
            Self::BlobReads => ("partway_blob_reads_total", Kind::Counter, "Blob files opened to be read."),
            Self::CorruptBlobs => (
                "partway_corrupt_blobs_total",
                Kind::Counter,
                "Reads that were broken off because the bytes on disk were not those written, or were gone.",
            ),
            Self::BlobReadErrors => {
                ("partway_blob_read_errors_total", Kind::Counter, "Reads of blob files that were broken off because the disk failed.")
            }
            Self::CorruptIndexReads => (
                "partway_corrupt_index_reads_total",
                Kind::Counter,
                "Reads of the index that failed because the bytes on disk were not those written.",
            ),
            Self::DiskRoom => ("partway_disk_room_bytes", Kind::Gauge, "What new bytes may take before they are refused, by store."),
            Self::DiskFull => ("partway_disk_full", Kind::Gauge, "1 when new bytes are refused because the disk is full, by store."),
            Self::DiskReserve => {
                ("partway_disk_reserve_bytes", Kind::Gauge, "What is set aside so that a full disk leaves the index room.")
            }
            Self::RefusedForSpace => ("partway_refused_for_space_total", Kind::Counter, "Times that there was no room for new bytes."),
            Self::LifecycleDeletedObjects => {
                ("partway_lifecycle_deleted_objects_total", Kind::Counter, "Objects that buckets' lifecycle rules deleted.")
            }
            Self::LifecycleAbortedUploads => {
                ("partway_lifecycle_aborted_uploads_total", Kind::Counter, "Uploads that buckets' lifecycle rules aborted.")
            }
            Self::ExpiredUploads => {
                ("partway_expired_uploads_total", Kind::Counter, "Uploads that were aborted because they got no part for too long.")
            }
            Self::OrphanFiles => (
                "partway_orphan_files",
                Kind::Gauge,
                "Blob files that no record knows, found in this round of the background search or in the one before.",
            ),
            Self::OrphanBytes => ("partway_orphan_bytes", Kind::Gauge, "Bytes of the blob files that no record knows."),
            Self::OrphanSearches => {
                ("partway_orphan_searches_total", Kind::Counter, "Rounds of the background search over all blob directories.")
            }
            Self::TodoLines => (
                "partway_todo_lines",
                Kind::Gauge,
                "Lines of the to-do list that are due, or will be within the grace period, up to 200000.",
            ),
            Self::TodoBytes => ("partway_todo_bytes", Kind::Gauge, "Bytes that nothing refers to and that wait to be removed."),
            Self::CallbackAttempts => {
                ("partway_callback_attempts_total", Kind::Counter, "Attempts to tell applications of uploads, by outcome.")
            }
            Self::CallbacksGivenUp => ("partway_callbacks_given_up_total", Kind::Counter, "Callbacks that failed and are not tried again."),
            Self::CallbacksDue => ("partway_callbacks_due", Kind::Gauge, "Callbacks that were due when it was last looked."),
        }
    }

    fn describe(self) {
        let (name, kind, help) = self.row();
        match kind {
            Kind::Counter => metrics::describe_counter!(name, help),
            Kind::Gauge => metrics::describe_gauge!(name, help),
            Kind::Histogram => metrics::describe_histogram!(name, help),
        }
    }
}

/// Says what an acknowledged write has survived, for operators: the name of the setting's value.
pub fn report_durability(level: &str) {
    metrics::gauge!(Metric::Durability.name(), "level" => level.to_owned()).set(1.0);
}

/// A gauge without labels. It is looked up once, if it leads anywhere.
pub(crate) fn gauge(metric: Metric) -> Gauge {
    static KNOWN: [OnceLock<Gauge>; Metric::ALL.len()] = [const { OnceLock::new() }; Metric::ALL.len()];
    let look_up = || metrics::gauge!(metric.name());
    match KNOWN.get(metric as usize).filter(|_| PROMETHEUS.get().is_some()) {
        Some(known) => known.get_or_init(look_up).clone(),
        None => look_up(),
    }
}

/// The gauge of a store.
pub(crate) fn store_gauge(metric: Metric, store: &'static str) -> Gauge {
    metrics::gauge!(metric.name(), "store" => store)
}

/// The counter of these labels.
pub(crate) fn counter(metric: Metric, labels: &[(&'static str, SharedString)]) -> Counter {
    metrics::counter!(metric.name(), owned(labels))
}

/// The histogram of these labels.
pub(crate) fn histogram(metric: Metric, labels: &[(&'static str, SharedString)]) -> Histogram {
    metrics::histogram!(metric.name(), owned(labels))
}

fn owned(labels: &[(&'static str, SharedString)]) -> Vec<Label> {
    labels.iter().map(|(name, value)| Label::new(*name, value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_follow_prometheus_habits() {
        let mut names: Vec<_> = Metric::ALL.into_iter().map(Metric::name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Metric::ALL.len());
        for metric in Metric::ALL {
            let (name, kind, help) = metric.row();
            assert!(name.starts_with("partway_") && help.ends_with('.'), "{name}");
            assert_eq!(matches!(kind, Kind::Counter), name.ends_with("_total"), "{name}");
        }
    }

    #[test]
    fn what_is_recorded_is_rendered_with_its_help() {
        // Another test of this process may have been first; what counts is that somebody was.
        let _ = init_metrics();
        counter(Metric::Panics, &[]).increment(1);
        report_durability("full");
        settle_metrics();
        let text = render_metrics();
        assert!(text.contains("# HELP partway_panics_total Request handlers"), "{text}");
        assert!(text.contains("partway_durability{level=\"full\"} 1"), "{text}");
    }

    #[test]
    fn a_level_that_is_none_is_refused() {
        assert!(matches!(init_logs("info,partway=loud", LogFormat::Text), Err(TelemetryError::Level { .. })));
    }
}
