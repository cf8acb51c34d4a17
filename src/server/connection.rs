//! One connection: its handshake, its timeouts, its requests in HTTP/1.1, and how it ends. HTTP/2 is next door.
//!
//! - A handshake, and then a head, must arrive within the head timeout, also the next one of a kept connection.
//! - A client that does not take its answer for longer than the body timeout loses the connection.
//! - Closing lingers: when the client may still be sending, what it sends is discarded for a bounded while, so that
//!   the kernel does not answer it with a reset that would take the answer with it.

use super::{
    http2,
    impatient::ImpatientStream,
    pieces::{LARGE_BUFFER_SIZE_MAX, LARGE_SIZE_MIN, LargeBody},
    reply::ReplyBody,
    tenants, tls,
};
use crate::{
    dialect::address::Encrypted,
    telemetry::{self, Metric},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response, header};
use http_body::Body as _;
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Answers requests. Dropped when the client hangs up.
pub(super) type Handler = Arc<dyn Fn(Request<Incoming>, SocketAddr) -> BoxFuture<'static, Response<ReplyBody>> + Send + Sync>;

/// The largest head. Bytes. S3 allows 8 KB of header fields; a presigned URL with a token and a policy is long, too.
pub(super) const HEAD_SIZE_MAX: usize = 32 << 10;
/// How much of a connection is buffered in either direction. Bytes.
///
/// A thousand uploads at once must fit into memory with their buffers.
const BUFFER_SIZE_MAX: usize = 40 << 10;
/// The largest number of header fields of a request.
pub(super) const HEADER_COUNT_MAX: usize = 100;
/// How long saying goodbye in TLS may take.
const GOODBYE_TIME_MAX: Duration = Duration::from_secs(1);

/// What a connection tolerates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// For a handshake, for a request's head, and so for an idle connection.
    pub(super) head: Duration,
    /// For taking the next bytes of an answer.
    pub(super) write: Duration,
}

/// How far a listener's connections are with their lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Requests come and go.
    Serving,
    /// The request in flight is the last one.
    Closing,
    /// Now.
    Aborting,
}

/// Who is connected, and who answers.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) handler: Handler,
    pub(super) peer: SocketAddr,
    pub(super) timeouts: Timeouts,
    pub(super) phase: watch::Receiver<Phase>,
    /// One for each request of HTTP/2 that may be answered at once, on whatever connection.
    pub(super) streams: Arc<tenants::Streams>,
    /// One for each connection that may have a large buffer.
    pub(super) large_buffers: Arc<Semaphore>,
}

/// What is left to be done when a connection has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Nothing: nobody is sending any more, or it does not matter.
    Done,
    /// The client may still be sending and has an answer to read.
    Sending,
}

/// Serves a connection until either side has enough, or it is told to close.
pub(super) async fn serve_connection(stream: TcpStream, client: Client, tls: Option<TlsAcceptor>) {
    let mut stream = ImpatientStream::new(stream, client.timeouts.write, Arc::clone(&client.large_buffers));
    let ended = match tls {
        None => {
            let large_body = stream.large_body();
            serve_http1(&mut stream, &client, Some(large_body)).await
        }
        // Boxed, so that connections in clear do not carry the room for it.
        Some(acceptor) => Box::pin(serve_encrypted(&mut stream, &client, acceptor)).await,
    };
    match ended {
        Ended::Done => {}
        Ended::Sending => tokio::select! {
            () = stream.linger() => {}
            () = until(client.phase, |phase| phase == Phase::Aborting) => {}
        },
    }
}

async fn serve_encrypted(stream: &mut ImpatientStream, client: &Client, acceptor: TlsAcceptor) -> Ended {
    let written = stream.written();
    let closing = until(client.phase.clone(), |phase| phase != Phase::Serving);
    let shaken = tokio::select! {
        shaken = shake_hands(&acceptor, stream, client.timeouts.head) => shaken,
        () = closing => return Ended::Done,
    };
    match shaken {
        Ok(stream) if tls::speaks_http2(stream.get_ref().1) => http2::serve(stream, client, &written).await,
        Ok(stream) => serve_http1(stream, client, None).await,
        Err(error) => {
            // The client's doing: another protocol, a port scan, an authority that it does not know.
            tracing::debug!(%error, peer = %client.peer, "TLS handshake failed");
            telemetry::counter(Metric::TlsHandshakesFailed, &[]).increment(1);
            // So that it gets to read the alert.
            Ended::Sending
        }
    }
}

/// Answers a client's TLS handshake.
///
/// # Errors
/// Whatever is wrong with it; `TimedOut`.
pub(super) async fn shake_hands<S>(acceptor: &TlsAcceptor, stream: S, patience: Duration) -> io::Result<TlsStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    timeout(patience, acceptor.accept(stream)).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Without `large_body`, the connection is encrypted, and TLS decides how it is read.
async fn serve_http1<S>(stream: S, client: &Client, large_body: Option<LargeBody>) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let is_encrypted = large_body.is_none();
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(client.timeouts.head)
        .max_headers(HEADER_COUNT_MAX)
        .max_header_size(HEAD_SIZE_MAX)
        .max_buf_size(if is_encrypted { BUFFER_SIZE_MAX } else { LARGE_BUFFER_SIZE_MAX })
        .keep_alive(true)
        .half_close(false)
        .pipeline_flush(false)
        .serve_connection(
            TokioIo::new(stream),
            Requests { handler: Arc::clone(&client.handler), peer: client.peer, large_body, said_close: Arc::default() },
        );

    let mut closing = until(client.phase.clone(), |phase| phase != Phase::Serving).boxed();
    let mut aborting = until(client.phase.clone(), |phase| phase == Phase::Aborting).boxed();
    let mut told_to_close = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = &mut aborting => return Ended::Done,
            () = &mut closing, if !told_to_close => {
                Pin::new(&mut connection).graceful_shutdown();
                told_to_close = true;
            }
        }
    };
    if let Err(error) = &ended {
        // The client's doing: a broken head, a reset, a timeout. Not for anybody to look at.
        tracing::debug!(%error, peer = %client.peer, "connection ended");
    }
    let parts = connection.into_parts();
    if is_encrypted {
        // In TLS, an end that is not announced looks like one that was forged. A client that is gone does not mind.
        let mut stream = parts.io.into_inner();
        let _ = timeout(GOODBYE_TIME_MAX, stream.shutdown()).await;
    }
    if ended.is_err() || parts.service.said_close.load(Ordering::Relaxed) { Ended::Sending } else { Ended::Done }
}

/// Waits for a phase.
pub(super) async fn until(mut phase: watch::Receiver<Phase>, reached: fn(Phase) -> bool) {
    while !reached(*phase.borrow_and_update()) {
        // The sender outlives every connection; should it not, that means closing, too.
        if phase.changed().await.is_err() {
            return;
        }
    }
}

/// The handler as hyper calls it.
struct Requests {
    handler: Handler,
    peer: SocketAddr,
    /// `None` when the connection is encrypted.
    large_body: Option<LargeBody>,
    /// Whether an answer said `Connection: close`, which it does when the request's body has not been read to its end.
    said_close: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<ReplyBody>, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        match &self.large_body {
            None => drop(request.extensions_mut().insert(Encrypted)),
            Some(large_body) if request.body().size_hint().exact().is_some_and(|size| size >= LARGE_SIZE_MIN) => {
                request.extensions_mut().insert(large_body.clone());
            }
            Some(_) => {}
        }
        let said_close = Arc::clone(&self.said_close);
        let note = move |reply: Response<ReplyBody>| {
            said_close.fetch_or(reply.headers().contains_key(header::CONNECTION), Ordering::Relaxed);
            Ok(reply)
        };
        (self.handler)(request, self.peer).map(note).boxed()
    }
}
