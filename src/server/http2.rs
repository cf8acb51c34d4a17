//! A connection that speaks HTTP/2, with the same requests, bounds and timeouts as one that speaks HTTP/1.1.
//!
//! - A request's head looks to the handler as HTTP/1.1 would have it: with a Host, and saying how its body ends.
//! - Nothing is in flight for as long as the head timeout: the client is told to go away.
//! - A client that opens no window for an answer for longer than the body timeout loses that answer's stream, although
//!   it takes the others' bytes.
//! - Every stream may fill its own window without taking from the others', so a request that waits for memory never
//!   stops another one that has it. How many streams there are over all connections is bounded.
//! - An answer that says `Connection: close` says that the server is stopping: GOAWAY says so in HTTP/2. A body that has
//!   not been read to its end ends its stream and nothing else.

use super::{
    connection::{Client, Ended, HEAD_SIZE_MAX, HEADER_COUNT_MAX, Handler, Phase, until},
    reply::{ReplyBody, ReplyError, keeping},
    tenants::{self, NoStreamPlace, StreamPlace},
};
use crate::dialect::address::Encrypted;
use bytes::Bytes;
use futures_util::{FutureExt as _, future::BoxFuture};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, rt::Executor, server::conn::http2, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::{Notify, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};

/// Requests in flight on one connection (RFC 9113 §6.5.2 recommends no fewer).
const STREAM_COUNT_MAX: u32 = 100;
/// What a client may send of one body before it is read. Bytes.
const STREAM_WINDOW: u32 = 256 << 10;
/// What a client may send of all bodies before they are read. Bytes.
const CONNECTION_WINDOW: u32 = STREAM_COUNT_MAX * STREAM_WINDOW;
/// What of an answer waits for the connection. Bytes.
const SEND_BUFFER_SIZE_MAX: usize = 128 << 10;
/// How much of an answer is handed over at once, so that a client that takes little is seen to take something. Bytes.
const PIECE_SIZE_MAX: usize = 16 << 10;
/// The largest frame that we take, which is the smallest that every client may send. Bytes.
const FRAME_SIZE_MAX: u32 = 16 << 10;
/// How often a client is asked whether it is still there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long a connection that has been told to close, and has no request in flight, may take none of its last bytes.
const LAST_BYTES_PAUSE_MAX: Duration = Duration::from_secs(5);
/// How long it may take for them altogether.
const LAST_BYTES_TIME_MAX: Duration = Duration::from_secs(300);

tokio::task_local! {
    /// The answer that the running stream sends.
    static SENDING: Arc<Sending>;
}

/// Serves a connection until either side has enough, or it is told to close. `written` counts what its client took.
pub(super) async fn serve<S>(stream: S, client: &Client, written: &AtomicU64) -> Ended
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let streams = Streams::new(client.timeouts.write);
    let said_close = Arc::new(Notify::new());
    let requests = Requests {
        handler: Arc::clone(&client.handler),
        peer: client.peer,
        streams: Arc::clone(&client.streams),
        said_close: Arc::clone(&said_close),
    };
    let connection = http2::Builder::new(streams.spawner())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAM_COUNT_MAX)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME_SIZE_MAX)
        .max_header_list_size(HEAD_SIZE_MAX as u32)
        .max_send_buf_size(SEND_BUFFER_SIZE_MAX)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(client.timeouts.write)
        .serve_connection(TokioIo::new(stream), requests);
    let mut connection = pin!(connection);

    let mut enough = pin!(async {
        tokio::select! {
            () = until(client.phase.clone(), |phase| phase != Phase::Serving) => {}
            () = said_close.notified() => {}
            () = streams.idle(client.timeouts.head) => {}
        }
    });
    let mut over = pin!(streams.over(written));
    let mut aborting = pin!(until(client.phase.clone(), |phase| phase == Phase::Aborting));
    let mut told_to_close = false;
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(%error, peer = %client.peer, "connection ended");
                }
                return Ended::Sending;
            }
            () = &mut aborting => return Ended::Done,
            () = &mut enough, if !told_to_close => {
                connection.as_mut().graceful_shutdown();
                told_to_close = true;
            }
            () = &mut over, if told_to_close => return Ended::Done,
        }
    }
}

/// The streams of a connection, each a task that ends with it.
struct Streams {
    /// Held while a task is begun, never across a wait.
    tasks: Arc<Mutex<JoinSet<()>>>,
    open: watch::Sender<usize>,
    patience: Duration,
}

/// Begins streams. The tasks have one, too, so it must not keep them.
#[derive(Clone)]
struct Spawner {
    tasks: Weak<Mutex<JoinSet<()>>>,
    open: watch::Sender<usize>,
    patience: Duration,
}

impl Streams {
    fn new(patience: Duration) -> Self {
        Self { tasks: Arc::default(), open: watch::Sender::new(0), patience }
    }

    fn spawner(&self) -> Spawner {
        Spawner { tasks: Arc::downgrade(&self.tasks), open: self.open.clone(), patience: self.patience }
    }

    /// Waits until no stream has been open for a while.
    async fn idle(&self, pause: Duration) {
        let mut open = self.open.subscribe();
        loop {
            // The sender is borrowed, so it cannot be gone.
            let _ = open.wait_for(|&count| count == 0).await;
            if timeout(pause, open.wait_for(|&count| count > 0)).await.is_err() {
                return;
            }
        }
    }

    /// Waits until no stream is open and the client does not take what is left to be sent, if anything is.
    async fn over(&self, written: &AtomicU64) {
        let mut since = Instant::now();
        loop {
            let before = written.load(Ordering::Relaxed);
            if timeout(LAST_BYTES_PAUSE_MAX, self.open.subscribe().wait_for(|&count| count > 0)).await.is_ok() {
                let _ = self.open.subscribe().wait_for(|&count| count == 0).await;
                since = Instant::now();
            } else if written.load(Ordering::Relaxed) == before || since.elapsed() > LAST_BYTES_TIME_MAX {
                return;
            }
        }
    }
}

impl<F> Executor<F> for Spawner
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let (open, patience) = (Open::new(&self.open), self.patience);
        let Some(tasks) = self.tasks.upgrade() else { return };
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended would pile up.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let _open = open;
            let sending = Arc::new(Sending::default());
            tokio::select! {
                () = SENDING.scope(Arc::clone(&sending), stream) => {}
                () = sending.stuck(patience) => tracing::debug!("a client does not take its answer"),
            }
        });
    }
}

/// One open stream.
struct Open(watch::Sender<usize>);

impl Open {
    fn new(count: &watch::Sender<usize>) -> Self {
        count.send_modify(|count| *count = count.saturating_add(1));
        Self(count.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

/// How sending an answer goes.
#[derive(Default)]
struct Sending {
    /// Since when there are bytes that the client has not made room for. Held for a moment only.
    waiting: Mutex<Option<Instant>>,
}

impl Sending {
    fn set_waiting(&self, waiting: Option<Instant>) {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = waiting;
    }

    /// Waits until the client has made no room for so long.
    async fn stuck(&self, patience: Duration) {
        loop {
            let waiting = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            match waiting {
                // What begins to wait meanwhile is looked at half a time later at the latest.
                None => sleep(patience / 2).await,
                Some(since) if since.elapsed() >= patience => return,
                Some(since) => sleep_until(since + patience).await,
            }
        }
    }
}

/// The handler as hyper calls it.
struct Requests {
    handler: Handler,
    peer: SocketAddr,
    streams: Arc<tenants::Streams>,
    said_close: Arc<Notify>,
}

impl Service<Request<Incoming>> for Requests {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Answer>, Infallible>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let is_head = *request.method() == Method::HEAD;
        let place = StreamPlace::take(&self.streams, self.peer.ip());
        match &place {
            Some(place) => drop(request.extensions_mut().insert(place.clone())),
            None => drop(request.extensions_mut().insert(NoStreamPlace)),
        }
        let answered = if request.headers().len() > HEADER_COUNT_MAX {
            let mut reply = Response::new(ReplyBody::full(Bytes::new()));
            *reply.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            std::future::ready(reply).boxed()
        } else {
            speak_http1(&mut request);
            (self.handler)(request, self.peer)
        };
        let said_close = Arc::clone(&self.said_close);
        async move {
            let mut reply = answered.await;
            if reply.headers_mut().remove(header::CONNECTION).is_some() {
                said_close.notify_one();
            }
            Ok(without_forbidden_body(reply, is_head).map(|body| Answer::new(body, place)))
        }
        .boxed()
    }
}

/// Leaves out a body where there must be none (RFC 9110 §6.4.1), as hyper does by itself in HTTP/1.1.
fn without_forbidden_body(mut reply: Response<ReplyBody>, is_head: bool) -> Response<ReplyBody> {
    if is_head && let Some(size @ 1..) = reply.body().size_hint().exact() {
        reply.headers_mut().entry(header::CONTENT_LENGTH).or_insert(size.into());
    }
    let is_forbidden = is_head || matches!(reply.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    if is_forbidden { reply.map(ReplyBody::without_content) } else { reply }
}

/// Adds what a head says in HTTP/1.1 and HTTP/2 says elsewhere.
fn speak_http1<B: Body>(request: &mut Request<B>) {
    request.extensions_mut().insert(Encrypted);
    let authority = request.uri().authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    if let Some(authority) = authority
        && !request.headers().contains_key(header::HOST)
    {
        request.headers_mut().insert(header::HOST, authority);
    }
    // No client could have sent this one (RFC 9113 §8.2.2).
    if !request.headers().contains_key(header::CONTENT_LENGTH) && !request.body().is_end_stream() {
        request.headers_mut().insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// An answer's body that tells whether the client makes room for it.
struct Answer {
    body: ReplyBody,
    /// What has not been handed over yet of what the body gave.
    rest: Bytes,
    sending: Arc<Sending>,
    place: Option<StreamPlace>,
}

impl Answer {
    fn new(body: ReplyBody, place: Option<StreamPlace>) -> Self {
        let sending = SENDING.try_with(Arc::clone).unwrap_or_default();
        Self { body, rest: Bytes::new(), sending, place }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        let this = self.get_mut();
        if this.rest.is_empty() {
            // The client has made room for everything before; what takes time now is not its doing.
            this.sending.set_waiting(None);
            match ready!(Pin::new(&mut this.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(bytes) => this.rest = bytes,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
                end => return Poll::Ready(end),
            }
        }
        let piece = this.rest.split_to(this.rest.len().min(PIECE_SIZE_MAX));
        this.sending.set_waiting(Some(Instant::now()));
        // The stream may be over long before the client takes its last bytes: until then these have its place.
        Poll::Ready(Some(Ok(Frame::data(keeping(piece, this.place.clone())))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let of_body = self.body.size_hint().exact().expect("a reply's body knows its size");
        SizeHint::with_exact(of_body.saturating_add(self.rest.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::net::{IpAddr, Ipv4Addr};

    #[tokio::test]
    async fn a_stream_has_its_place_until_its_last_bytes_were_written() {
        let streams = tenants::Streams::places(1);
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let is_free = || StreamPlace::take(&streams, peer).is_some();
        let place = StreamPlace::take(&streams, peer);
        assert!(place.is_some() && !is_free());
        let mut answer = Answer::new(ReplyBody::full(Bytes::from(vec![7; PIECE_SIZE_MAX + 1])), place);
        let pieces = [answer.frame().await, answer.frame().await].map(|piece| piece.unwrap().unwrap().into_data().unwrap());
        assert_eq!(pieces.each_ref().map(Bytes::len), [PIECE_SIZE_MAX, 1]);
        assert!(answer.is_end_stream());
        drop(answer);
        let [first, last] = pieces;
        drop(first);
        assert!(!is_free(), "its client has not taken all of it");
        drop(last);
        assert!(is_free());
    }
}
