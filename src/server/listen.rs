//! Accepting connections, how many at once, and telling them to stop.
//!
//! Connections above the limit, or above what one address may have of them while others want some, are accepted, told 503
//! SlowDown without reading what they ask for, and closed: clients then back off by the book instead of waiting in the kernel's
//! queue. Above a small number of those being told, connections are just closed.

use super::{
    connection::{Client, Handler, Phase, Timeouts, serve_connection, shake_hands},
    counted::{Counted, none_left},
    impatient::ImpatientStream,
    pieces::LARGE_BUFFER_COUNT_MAX,
    shares::Shares,
    tenants::{Streams, site},
    tls::Certificates,
};
use crate::telemetry::{self, Metric};
use std::{io, net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{Instant, sleep, timeout, timeout_at},
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
    tls: Option<Arc<Certificates>>,
    places: Arc<Shares<IpAddr>>,
    /// For requests of HTTP/2, of which a connection may have many.
    streams: Arc<Streams>,
    refusing: Arc<Semaphore>,
    large_buffers: Arc<Semaphore>,
    phase: watch::Sender<Phase>,
    open: watch::Sender<usize>,
}

/// How much a listener serves at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Connections.
    pub(super) connection_count_max: usize,
    /// Requests of HTTP/2 on all of them together, of those that are signed and of the others each.
    pub(super) stream_count_max: usize,
}

impl Connections {
    /// None yet; as many as there is room for, answered by `handler`, encrypted when there is a certificate.
    pub(super) fn new(handler: Handler, timeouts: Timeouts, room: Room, tls: Option<Arc<Certificates>>) -> Arc<Self> {
        Arc::new(Self {
            handler,
            timeouts,
            tls,
            places: Shares::places(room.connection_count_max),
            streams: Streams::places(room.stream_count_max),
            refusing: Arc::new(Semaphore::new(REFUSING_COUNT_MAX)),
            large_buffers: Arc::new(Semaphore::new(LARGE_BUFFER_COUNT_MAX)),
            phase: watch::Sender::new(Phase::Serving),
            open: watch::Sender::new(0),
        })
    }

    /// Accepts until dropped. Each connection is a task of its own and outlives this future.
    ///
    /// # Errors
    /// When the listener has failed again and again for a minute.
    pub(super) async fn accept(self: Arc<Self>, listener: TcpListener) -> io::Result<()> {
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
            let Some(place) = self.places.take(site(peer.ip()), 1) else {
                self.refuse(stream);
                continue;
            };
            let counted = Counted::new(&self.open, Metric::Connections);
            let client = Client {
                handler: Arc::clone(&self.handler),
                peer,
                timeouts: self.timeouts,
                phase: self.phase.subscribe(),
                streams: Arc::clone(&self.streams),
                large_buffers: Arc::clone(&self.large_buffers),
            };
            let tls = self.tls.as_ref().map(|certificates| certificates.acceptor());
            tokio::spawn(async move {
                serve_connection(stream, client, tls).await;
                drop((counted, place));
            });
        }
    }

    /// Tells idle connections to close now and the others after their request, and waits until all have. Those that
    /// have not by the deadline are cut off.
    pub(super) async fn close(&self, deadline: Instant) {
        self.phase.send_replace(Phase::Closing);
        if timeout_at(deadline, none_left(&self.open)).await.is_err() {
            tracing::warn!(count = *self.open.borrow(), "cutting off connections that are still busy");
        }
        self.phase.send_replace(Phase::Aborting);
    }

    fn refuse(&self, stream: TcpStream) {
        telemetry::counter(Metric::ConnectionsRefused, &[]).increment(1);
        let Ok(permit) = Arc::clone(&self.refusing).try_acquire_owned() else { return };
        let tls = self.tls.as_ref().map(|certificates| certificates.refusing_acceptor());
        tokio::spawn(async move {
            let mut stream = ImpatientStream::new(stream, REFUSING_TIME_MAX, Arc::new(Semaphore::new(0)));
            let told = timeout(REFUSING_TIME_MAX, async {
                match tls {
                    None => tell_to_slow_down(&mut stream).await,
                    Some(acceptor) => tell_to_slow_down(&mut shake_hands(&acceptor, &mut stream, REFUSING_TIME_MAX).await?).await,
                }
            });
            if matches!(told.await, Ok(Ok(()))) {
                let _ = timeout(REFUSING_TIME_MAX, stream.linger()).await;
            }
            drop(permit);
        });
    }
}

async fn tell_to_slow_down(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nRetry-After: 1\r\nConnection: close\r\n\r\n",
        SLOW_DOWN.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(SLOW_DOWN).await?;
    stream.shutdown().await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{server::reply::ReplyBody, testkit::raw_client::RawClient};
    use bytes::Bytes;
    use futures_util::FutureExt as _;
    use http::Response;
    use http_body_util::BodyExt as _;
    use std::net::SocketAddr;

    const TIMEOUTS: Timeouts = Timeouts { head: Duration::from_millis(300), write: Duration::from_secs(5) };

    /// Answers `/refuse` without looking at the body, and everything else with the body it got.
    fn echo() -> Handler {
        Arc::new(|request, _peer| {
            async move {
                if request.uri().path() == "/refuse" {
                    let mut reply = Response::new(ReplyBody::full(Bytes::from_static(b"no")));
                    *reply.status_mut() = http::StatusCode::FORBIDDEN;
                    reply.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
                    return reply;
                }
                let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
                Response::new(ReplyBody::full(body))
            }
            .boxed()
        })
    }

    async fn listening(count_max: usize) -> (Arc<Connections>, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Connections::new(echo(), TIMEOUTS, Room { connection_count_max: count_max, stream_count_max: 0 }, None);
        let accepting = Arc::clone(&connections);
        tokio::spawn(async move { accepting.accept(listener).await });
        (connections, address)
    }

    /// Runs a blocking client beside the server.
    async fn client<T: Send + 'static>(address: SocketAddr, talk: impl FnOnce(RawClient) -> T + Send + 'static) -> T {
        tokio::task::spawn_blocking(move || talk(RawClient::connect(address).unwrap())).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn requests_follow_each_other_on_one_connection() {
        let (_connections, address) = listening(4).await;
        client(address, |mut client| {
            for body in ["a", "bc"] {
                let request = format!("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                assert_eq!(client.ask(request).unwrap().text(), body);
            }
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_that_expects_100_gets_it_only_when_the_body_is_read() {
        let (_connections, address) = listening(4).await;
        client(address, |mut client| {
            client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").unwrap();
            assert_eq!(client.receive("PUT").unwrap().status, 100);
            client.send("ab").unwrap();
            assert_eq!(client.receive("PUT").unwrap().text(), "ab");
            client.send("PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n").unwrap();
            assert_eq!(client.receive("PUT").unwrap().status, 403);
            assert!(client.is_closed().unwrap());
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_refused_client_that_goes_on_sending_still_gets_its_answer() {
        let (_connections, address) = listening(4).await;
        client(address, |mut client| {
            client.send(format!("PUT /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", 8 << 20)).unwrap();
            for _ in 0..64 {
                client.send(vec![b'x'; 128 << 10]).unwrap();
            }
            assert_eq!(client.receive("PUT").unwrap().text(), "no");
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_head_that_does_not_come_ends_the_connection() {
        let (_connections, address) = listening(4).await;
        for beginning in ["", "GET / HTT"] {
            client(address, move |mut client| {
                client.send(beginning).unwrap();
                assert!(client.is_closed().unwrap(), "{beginning:?}");
            })
            .await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn heads_are_bounded() {
        let (_connections, address) = listening(4).await;
        let too_many: String = (0..HEADERS).map(|index| format!("x-{index}: y\r\n")).collect();
        const HEADERS: usize = 200;
        for (request, statuses) in [
            (format!("GET / HTTP/1.1\r\nHost: x\r\n{too_many}\r\n"), [431, 431]),
            (format!("GET / HTTP/1.1\r\nHost: x\r\nx: {}\r\n\r\n", "y".repeat(40_000)), [431, 431]),
            (format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "y".repeat(40_000)), [414, 431]),
            ("GET / HTTP/1.1\r\nHost x\r\n\r\n".to_owned(), [400, 400]),
            ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: gzip\r\n\r\n".to_owned(), [400, 400]),
        ] {
            client(address, move |mut client| {
                let response = client.ask(&request).unwrap();
                assert!(statuses.contains(&response.status), "{} for {}", response.status, &request[..60]);
                assert!(client.is_closed().unwrap());
            })
            .await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn connections_above_the_limit_are_told_to_slow_down() {
        let (_connections, address) = listening(1).await;
        client(address, move |mut first| {
            assert_eq!(first.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
            let mut second = RawClient::connect(address).unwrap();
            let refused = second.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            assert_eq!((refused.status, refused.element("Code"), refused.header("retry-after")), (503, Some("SlowDown"), Some("1")));
            assert!(second.is_closed().unwrap());
            assert_eq!(first.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
        })
        .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn closing_waits_for_requests_and_cuts_off_what_stays() {
        let (connections, address) = listening(4).await;
        let idle = client(address, |mut client| {
            assert_eq!(client.ask("GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap().status, 200);
            client
        })
        .await;
        let stuck = client(address, |mut client| {
            client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc").unwrap();
            client
        })
        .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        let begun = Instant::now();
        connections.close(begun + Duration::from_millis(200)).await;
        assert!((200..1000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        for mut client in [idle, stuck] {
            // A connection that is cut off in the middle may be reset.
            assert!(tokio::task::spawn_blocking(move || client.is_closed().unwrap_or(true)).await.unwrap());
        }
    }
}
