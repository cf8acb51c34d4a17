//! Accepting connections, how many at once, and telling them to stop.
//!
//! Connections above the limit are accepted, told 503 SlowDown without reading what they ask for, and closed: clients
//! then back off by the book instead of waiting in the kernel's queue. Above a small number of those being told,
//! connections are just closed.

use super::{
    connection::{Handler, Timeouts, linger, serve_connection},
    counted::{Counted, none_left},
};
use crate::telemetry::{self, Metric};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

/// How many connections are being told to slow down at once.
const REFUSING_COUNT_MAX: usize = 64;
/// How long one of them may take to listen.
const REFUSING_TIME_MAX: Duration = Duration::from_secs(2);
/// Pause after an accept that failed for want of something, such as file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);
/// Failures in a row after which the listener is given up.
const ACCEPT_FAILURES_MAX: u32 = 600;

const SLOW_DOWN: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
    <Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

/// Connections of one listener.
pub(super) struct Connections {
    handler: Handler,
    timeouts: Timeouts,
    permits: Arc<Semaphore>,
    refusing: Arc<Semaphore>,
    closing: watch::Sender<bool>,
    open: watch::Sender<usize>,
}

impl Connections {
    /// None yet; at most `count_max` at once, answered by `handler`.
    pub(super) fn new(handler: Handler, timeouts: Timeouts, count_max: usize) -> Arc<Self> {
        Arc::new(Self {
            handler,
            timeouts,
            permits: Arc::new(Semaphore::new(count_max.min(Semaphore::MAX_PERMITS))),
            refusing: Arc::new(Semaphore::new(REFUSING_COUNT_MAX)),
            closing: watch::Sender::new(false),
            open: watch::Sender::new(0),
        })
    }

    /// Accepts until dropped. Each connection is a task of its own and outlives this future.
    ///
    /// # Errors
    /// When the listener has failed again and again for a minute.
    pub(super) async fn accept(self: Arc<Self>, listener: &TcpListener) -> io::Result<()> {
        let mut failures: u32 = 0;
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_the_clients(&error) => continue,
                Err(error) => {
                    failures += 1;
                    if failures >= ACCEPT_FAILURES_MAX {
                        return Err(error);
                    }
                    if failures == 1 {
                        tracing::warn!(%error, "accepting connections fails, trying again");
                    }
                    sleep(ACCEPT_BACKOFF).await;
                    continue;
                }
            };
            failures = 0;
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
                self.refuse(stream);
                continue;
            };
            let this = Arc::clone(&self);
            let counted = Counted::new(&self.open, Metric::Connections);
            let closing = self.closing.subscribe();
            tokio::spawn(async move {
                serve_connection(stream, peer, this.timeouts, Arc::clone(&this.handler), closing).await;
                drop((counted, permit));
            });
        }
    }

    /// Tells idle connections to close now and the others after their request, and waits until all have.
    pub(super) async fn close(&self) {
        self.closing.send_replace(true);
        none_left(&self.open).await;
    }

    fn refuse(&self, stream: TcpStream) {
        telemetry::counter(Metric::ConnectionsRefused, &[]).increment(1);
        let Ok(permit) = Arc::clone(&self.refusing).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let _ = timeout(REFUSING_TIME_MAX, tell_to_slow_down(stream)).await;
            drop(permit);
        });
    }
}

async fn tell_to_slow_down(mut stream: TcpStream) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n",
        SLOW_DOWN.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(SLOW_DOWN).await?;
    linger(stream).await;
    Ok(())
}

/// Whether a failed accept is about the connection that was to be accepted and not about us.
fn is_the_clients(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
            | io::ErrorKind::TimedOut
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}
