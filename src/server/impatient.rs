//! A connection's socket that gives up on a peer that takes nothing, and knows how to end without a reset.

use super::pieces::{LargeBody, PieceSize};
use std::{
    future::Future as _,
    io::{self, IoSlice},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::TcpStream,
    sync::Semaphore,
    time::{Sleep, sleep, timeout},
};

/// What is read and discarded of a connection that ends while its client is still sending. Bytes.
const LINGER_SIZE_MAX: usize = 64 << 20;
/// How much of it at once. Bytes.
const LINGER_BUFFER_SIZE: usize = 8 << 10;
/// How long such a connection may linger altogether, and with nothing arriving.
const LINGER_TIME_MAX: Duration = Duration::from_secs(5);
const LINGER_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A socket that fails with `TimedOut` when its peer takes nothing for too long.
pub(super) struct ImpatientStream {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write is stuck.
    stuck: Option<Pin<Box<Sleep>>>,
    written: Arc<AtomicU64>,
    piece_size: PieceSize,
}

impl ImpatientStream {
    /// The socket, whose peer may take nothing for as long as `patience`. It may be read in large pieces as long as there is a
    /// permit for a large buffer.
    pub(super) fn new(stream: TcpStream, patience: Duration, large_buffers: Arc<Semaphore>) -> Self {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY");
        }
        Self { stream, patience, stuck: None, written: Arc::default(), piece_size: PieceSize::new(large_buffers) }
    }

    /// Counts the bytes that the system has taken for the peer.
    pub(super) fn written(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.written)
    }

    /// Where to say that a large body is wanted, so that it is read in large pieces.
    pub(super) fn large_body(&self) -> LargeBody {
        self.piece_size.large_body()
    }

    /// Closes the sending half and reads what the client still sends, within bounds: else the kernel would answer that
    /// with a reset, which takes the answer with it.
    pub(super) async fn linger(mut self) {
        // Not within this future: every connection has room for it from its beginning.
        let mut discarded = vec![0; LINGER_BUFFER_SIZE];
        let rest = async {
            self.stream.shutdown().await?;
            let mut size: usize = 0;
            while size < LINGER_SIZE_MAX {
                match timeout(LINGER_PAUSE_MAX, self.stream.read(&mut discarded)).await {
                    Ok(Ok(0)) | Err(_) => break,
                    Ok(count) => size = size.saturating_add(count?),
                }
            }
            io::Result::Ok(())
        };
        // Whatever goes wrong now, the connection is over.
        let _ = timeout(LINGER_TIME_MAX, rest).await;
    }

    fn watch(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(result) = &written {
            self.stuck = None;
            if let Ok(size) = result {
                self.written.fetch_add(*size as u64, Ordering::Relaxed);
            }
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
        let size_max = self.piece_size.get();
        if buffer.remaining() <= size_max {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(size_max));
        let read = Pin::new(&mut self.stream).poll_read(cx, &mut part);
        let size = part.filled().len();
        buffer.advance(size);
        read
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
