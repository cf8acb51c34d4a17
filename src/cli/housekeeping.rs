//! What the server does in the background besides reaping: expiring uploads, and counting what is kept for nothing.

use crate::{
    model::{Failure, Timestamp},
    ops::{Backlog, Gateway, OrphanReport, StaleUploads},
    telemetry::{self, Metric},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::watch;

/// How long a start is left in peace before anything is counted.
const FIRST_PAUSE: Duration = Duration::from_secs(10);

/// How long the search for orphans rests between two steps at least, and between two rounds.
const STEP_PAUSE_MIN: Duration = Duration::from_secs(1);
const ROUND_PAUSE: Duration = Duration::from_secs(3600);

/// How long it rests after a failure.
const FAILURE_PAUSE: Duration = Duration::from_secs(60);

/// Work of one step, in time at the set rate: how far it has come is written down after each.
const STEP_SECS: u64 = 10;

/// How often the to-do list is counted.
const BACKLOG_PAUSE: Duration = Duration::from_secs(60);

/// Aborts uploads that got no part for so long, and counts them.
///
/// # Errors
/// When the stores fail.
pub(super) async fn expire_uploads(gateway: &Gateway, now: Timestamp, idle_ms: i64, count_max: usize) -> Result<StaleUploads, Failure> {
    let stale = gateway.expire_uploads(now, idle_ms, count_max).await?;
    telemetry::counter(Metric::ExpiredUploads, &[]).increment(stale.count);
    if stale.count > 0 {
        tracing::info!(count = stale.count, bytes = stale.bytes_held, "uploads without activity were aborted");
    }
    Ok(stale)
}

/// Searches for orphans, `rate` files a second, and counts what waits on the to-do list, until `stopped`'s sender is gone.
/// Broken off anywhere it loses a step.
pub(super) async fn count(gateway: Arc<Gateway>, rate: u64, mut stopped: watch::Receiver<()>) {
    tokio::select! {
        biased;
        _ = stopped.changed() => {}
        ((), ()) = async {
            tokio::time::sleep(FIRST_PAUSE).await;
            tokio::join!(search_orphans(&gateway, rate), count_backlog(&gateway))
        } => {}
    }
}

async fn search_orphans(gateway: &Gateway, rate: u64) {
    if rate == 0 {
        return;
    }
    loop {
        let pause = match gateway.search_orphans(rate.saturating_mul(STEP_SECS)).await {
            Ok(report) => {
                report_orphans(report);
                let work = Duration::from_millis(report.compared.saturating_mul(1000) / rate);
                if report.round_is_over { ROUND_PAUSE } else { work.max(STEP_PAUSE_MIN) }
            }
            Err(failure) => {
                tracing::warn!(?failure, "cannot look for orphaned files; will try again");
                FAILURE_PAUSE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

fn report_orphans(report: OrphanReport) {
    let OrphanReport { compared: _, files, bytes, round_is_over } = report;
    telemetry::gauge(Metric::OrphanFiles).set(files as f64);
    telemetry::gauge(Metric::OrphanBytes).set(bytes as f64);
    if round_is_over {
        telemetry::counter(Metric::OrphanSearches, &[]).increment(1);
        if files > 0 {
            tracing::warn!(files, bytes, "there are blob files that no record knows; `partway verify` names them");
        }
    }
}

async fn count_backlog(gateway: &Gateway) {
    loop {
        // What fails here fails the reaper, which tells.
        if let Ok(Backlog { lines, bytes }) = gateway.backlog().await {
            telemetry::gauge(Metric::TodoLines).set(lines as f64);
            telemetry::gauge(Metric::TodoBytes).set(bytes as f64);
        }
        tokio::time::sleep(BACKLOG_PAUSE).await;
    }
}
