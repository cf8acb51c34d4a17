//! Listening, the request pipeline, bodies and draining.

mod body;
mod completion;
mod connection;
mod counted;
mod form;
mod health;
mod ids;
mod listen;
mod reply;

use crate::{
    model::{KeyRecord, Limits},
    ops::Gateway,
};
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// How the server listens and what it tolerates; every field is a setting.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Region reported to clients.
    pub region: String,
    /// Suffixes of virtual hosts, lower-case; `localhost` is always one.
    pub domains: Vec<String>,
    /// The root key. It is not in the index and cannot be disabled.
    pub root_key: KeyRecord,
    /// Limits of the S3 dialect.
    pub s3_limits: Limits,
    /// Connections served at once; more are told to slow down.
    pub connection_count_max: usize,
    /// How long a client may take to send a request's head, also the first one of a connection.
    pub head_timeout: Duration,
    /// How long a client may pause within a body.
    pub body_timeout: Duration,
    /// How long requests in flight may go on after the stop signal.
    pub drain_deadline: Duration,
}

/// Serves until `stop` resolves, then drains: requests in flight finish within the deadline, new ones get 503 with Retry-After.
///
/// # Errors
/// When accepting fails for good.
pub async fn serve(
    _settings: ServerSettings,
    _gateway: Arc<Gateway>,
    _listener: TcpListener,
    _metrics_listener: Option<TcpListener>,
    _stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    todo!()
}
