//! Listening, the request pipeline, bodies and draining.

mod admit;
mod body;
mod completion;
mod connection;
mod cors;
mod counted;
mod document;
mod form;
mod health;
mod http2;
mod ids;
mod impatient;
mod listen;
mod nonces;
mod pieces;
mod pipeline;
mod post_object;
mod presented;
mod reply;
mod shares;
mod sts;
mod tenants;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;

#[doc(hidden)]
pub use self::form::read_form_of_pieces;
pub use self::tls::{Certificates, Reloaded, TlsError, TlsFiles};

use self::{
    connection::Timeouts,
    listen::{Connections, Room},
    pipeline::Server,
};
use crate::{
    events::Outbox,
    model::{KeyRecord, Limits},
    ops::Gateway,
    telemetry,
};
use std::{collections::BTreeMap, future::Future, io, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, timeout_at},
};

/// How the server listens and what it tolerates; every field is a setting.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Region reported to clients.
    pub region: String,
    /// Suffixes of virtual hosts, lower-case; `localhost` is always one.
    pub domains: Vec<String>,
    /// Hosts that stand for a bucket, lower-case, and that bucket.
    pub cnames: BTreeMap<String, String>,
    /// The root key. It is not in the index and cannot be disabled.
    pub root_key: KeyRecord,
    /// Limits of the S3 dialect.
    pub s3_limits: Limits,
    /// Limits of the OSS dialect.
    pub oss_limits: Limits,
    /// Whether requests that say nothing of their dialect are OSS's.
    pub oss_is_default: bool,
    /// Connections served at once; more are told to slow down.
    pub connection_count_max: usize,
    /// Requests in flight, of those that are signed and of the others each; more are told to slow down.
    pub request_count_max: usize,
    /// How long a client may take to send a request's head, also the first one of a connection.
    pub head_timeout: Duration,
    /// How long a client may pause within a body.
    pub body_timeout: Duration,
    /// How long requests in flight may go on after the stop signal.
    pub drain_deadline: Duration,
    /// The certificate that clients get; without one, they are served unencrypted.
    pub tls: Option<Arc<Certificates>>,
}

/// How often metrics are settled and the gauges of the gateway's state are refreshed.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);
/// Connections of operators served at once. They have no HTTP/2.
const OPERATOR_CONNECTIONS_MAX: usize = 64;
const OPERATORS_ROOM: Room = Room { connection_count_max: OPERATOR_CONNECTIONS_MAX, stream_count_max: 0 };

/// Serves until `stop` resolves, then drains: requests in flight finish within the deadline, new ones get 503 with Retry-After.
///
/// # Errors
/// When accepting fails for good.
pub async fn serve(
    settings: ServerSettings,
    gateway: Arc<Gateway>,
    outbox: Arc<Outbox>,
    listener: TcpListener,
    metrics_listener: Option<TcpListener>,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let drain_deadline = settings.drain_deadline;
    let timeouts = Timeouts { head: settings.head_timeout, write: settings.body_timeout };
    let room = Room { connection_count_max: settings.connection_count_max, stream_count_max: settings.request_count_max };
    let tls = settings.tls.clone();
    let server = Server::new(settings, Arc::clone(&gateway), outbox);
    let connections = Connections::new(server.handler(), timeouts, room, tls.clone());
    let _operators = Operators::start(&server, metrics_listener, timeouts, tls);

    let mut accepting = Box::pin(Arc::clone(&connections).accept(listener));
    let failed = tokio::select! {
        failed = &mut accepting => failed.err(),
        () = stop => None,
    };
    let deadline = Instant::now() + drain_deadline;
    server.begin_drain();
    tokio::select! {
        // The listener may just have failed for good; then there is nobody left to be told.
        _ = &mut accepting, if failed.is_none() => {}
        finished = timeout_at(deadline, server.idle()) => {
            if finished.is_err() {
                tracing::warn!("the drain deadline has passed with requests in flight");
            }
        }
    }
    // Nobody connects any more from here on.
    drop(accepting);
    connections.close(deadline).await;
    if timeout_at(deadline, gateway.drain()).await.is_err() {
        tracing::warn!("the drain deadline has passed with work left; the next start takes it up");
    }
    failed.map_or(Ok(()), Err)
}

/// What runs beside the requests, for as long as this lives.
struct Operators(Vec<JoinHandle<()>>);

impl Operators {
    fn start(server: &Arc<Server>, listener: Option<TcpListener>, timeouts: Timeouts, tls: Option<Arc<Certificates>>) -> Self {
        let state = Arc::clone(server);
        let readiness: health::AskReadiness = Arc::new(move || state.readiness());
        let refreshed = Arc::clone(&readiness);
        let mut tasks = vec![tokio::spawn(async move {
            let mut ticks = tokio::time::interval(METRICS_INTERVAL);
            loop {
                ticks.tick().await;
                let _ = refreshed();
                telemetry::settle_metrics();
            }
        })];
        tasks.extend(tls.map(|certificates| tokio::spawn(certificates.watch())));
        if let Some(listener) = listener {
            let connections = Connections::new(health::handler(readiness), timeouts, OPERATORS_ROOM, None);
            tasks.push(tokio::spawn(async move {
                if let Err(error) = connections.accept(listener).await {
                    tracing::error!(%error, "the metrics listener has failed");
                }
            }));
        }
        Self(tasks)
    }
}

impl Drop for Operators {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}
