//! One connection: its timeouts, its requests one after the other, and how it ends.
//!
//! - A head must arrive within the head timeout, also the first one and the next one of a kept connection.
//! - A client that does not take its answer for longer than the body timeout loses the connection.
//! - Closing lingers: when the client may still be sending, what it sends is discarded for a bounded while, so that
//!   the kernel does not answer it with a reset that would take the answer with it.

use super::reply::ReplyBody;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{Request, Response, header};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    future::{Future as _, poll_fn},
    io::{self, IoSlice},
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::{Sleep, sleep, timeout},
};

/// Answers requests. Dropped when the client hangs up.
pub(super) type Handler = Arc<dyn Fn(Request<Incoming>, SocketAddr) -> BoxFuture<'static, Response<ReplyBody>> + Send + Sync>;

/// The largest head. Bytes. S3 allows 8 KB of header fields; a presigned URL with a token and a policy is long, too.
const HEAD_SIZE_MAX: usize = 32 << 10;
/// How much of a connection is buffered in either direction. Bytes.
///
/// A thousand uploads at once must fit into memory with their buffers.
const BUFFER_SIZE_MAX: usize = 40 << 10;
/// The largest number of header fields of a request.
const HEADER_COUNT_MAX: usize = 100;
/// What is read and discarded of a connection that ends while its client is still sending. Bytes.
const LINGER_SIZE_MAX: usize = 64 << 20;
/// How long such a connection may linger altogether, and with nothing arriving.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);
const LINGER_PAUSE_MAX: Duration = Duration::from_secs(1);

/// What a connection tolerates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    /// For a request's head, and so for an idle connection.
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

/// Serves a connection until either side has enough, or it is told to close.
pub(super) async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    timeouts: Timeouts,
    handler: Handler,
    phase: watch::Receiver<Phase>,
) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY");
    }
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(timeouts.head)
        .max_headers(HEADER_COUNT_MAX)
        .max_header_size(HEAD_SIZE_MAX)
        .max_buf_size(BUFFER_SIZE_MAX)
        .keep_alive(true)
        .half_close(false)
        .pipeline_flush(false)
        .serve_connection(
            TokioIo::new(ImpatientStream::new(stream, timeouts.write)),
            Requests { handler, peer, said_close: Arc::default() },
        );

    let mut closing = until(phase.clone(), |phase| phase != Phase::Serving).boxed();
    let mut aborting = until(phase, |phase| phase == Phase::Aborting).boxed();
    let mut told_to_close = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = &mut aborting => return,
            () = &mut closing, if !told_to_close => {
                Pin::new(&mut connection).graceful_shutdown();
                told_to_close = true;
            }
        }
    };
    if let Err(error) = &ended {
        // The client's doing: a broken head, a reset, a timeout. Not for anybody to look at.
        tracing::debug!(%error, %peer, "connection ended");
    }
    let parts = connection.into_parts();
    if ended.is_err() || parts.service.said_close.load(Ordering::Relaxed) {
        tokio::select! {
            () = linger(parts.io.into_inner().stream) => {}
            () = aborting => {}
        }
    }
}

async fn until(mut phase: watch::Receiver<Phase>, reached: fn(Phase) -> bool) {
    while !reached(*phase.borrow_and_update()) {
        // The sender outlives every connection; should it not, that means closing, too.
        if phase.changed().await.is_err() {
            return;
        }
    }
}

/// Closes the sending half and reads what the client still sends, within bounds.
pub(super) async fn linger(mut stream: TcpStream) {
    let mut discarded = [0; 8 << 10];
    let rest = async {
        stream.shutdown().await?;
        let mut size: usize = 0;
        while size < LINGER_SIZE_MAX {
            match timeout(LINGER_PAUSE_MAX, stream.read(&mut discarded)).await {
                Ok(Ok(0)) | Err(_) => break,
                Ok(count) => size = size.saturating_add(count?),
            }
        }
        io::Result::Ok(())
    };
    // Whatever goes wrong now, the connection is over.
    let _ = timeout(LINGER_TIME_MAX, rest).await;
}

/// The handler as hyper calls it.
struct Requests {
    handler: Handler,
    peer: SocketAddr,
    /// Whether an answer said `Connection: close`, which it does when the request's body has not been read to its end.
    said_close: Arc<AtomicBool>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<ReplyBody>, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let said_close = Arc::clone(&self.said_close);
        let note = move |reply: Response<ReplyBody>| {
            said_close.fetch_or(reply.headers().contains_key(header::CONNECTION), Ordering::Relaxed);
            Ok(reply)
        };
        (self.handler)(request, self.peer).map(note).boxed()
    }
}

/// A stream that fails with `TimedOut` when its peer takes nothing for too long.
struct ImpatientStream {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write is stuck.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl ImpatientStream {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, stuck: None }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        let patience = self.patience;
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(patience)));
        match pin!(stuck).poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for ImpatientStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ImpatientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
