//! A request's body on its way to an operation.
//!
//! Bytes are handed on as they were received, without copying or merging. Nothing is read before the first `next`,
//! so the `100 Continue` that hyper sends with the first read comes after everything that can refuse the request.

use super::{completion::ByteCounter, pieces::LargeBody};
use crate::{
    auth::{Payload, chunked},
    model::{Checksum, ChecksumAlgorithm, Failure},
    ops,
};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};

/// What is read of a body that nobody wants, to save its connection. Bytes, and time.
const DISCARD_SIZE_MAX: u64 = 1 << 20;
const DISCARD_TIME_MAX: Duration = Duration::from_secs(1);

/// A body as HTTP delivers it: frames, each within a timeout.
pub(super) struct Frames<B> {
    body: B,
    timeout: Duration,
    count: ByteCounter,
    /// Whether the body has been asked for, so that the client may have been told to go on.
    asked: bool,
    ended: bool,
    /// To be told that the body is wanted, when it is large.
    large_body: Option<LargeBody>,
}

impl<B> Frames<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    /// The frames of `body`, each of which may take as long as `timeout`; `count` counts their bytes.
    pub(super) fn new(body: B, timeout: Duration, count: ByteCounter) -> Self {
        Self { body, timeout, count, asked: false, ended: false, large_body: None }
    }

    /// Lets the connection know when its large body is wanted.
    pub(super) fn telling(mut self, large_body: Option<LargeBody>) -> Self {
        self.large_body = large_body;
        self
    }

    /// The next bytes, not empty; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.asked = true;
        if let Some(large_body) = self.large_body.take() {
            large_body.is_wanted();
        }
        loop {
            let frame = tokio::time::timeout(self.timeout, self.body.frame()).await.map_err(|_| Failure::BodyTimeout)?;
            match frame {
                None => {
                    self.ended = true;
                    return Ok(None);
                }
                // The connection ended early or its HTTP framing is broken; nobody can tell more than that.
                Some(Err(_)) => return Err(Failure::IncompleteBody),
                Some(Ok(frame)) => {
                    // Trailers of HTTP's own chunking carry nothing we know.
                    if let Ok(bytes) = frame.into_data()
                        && !bytes.is_empty()
                    {
                        self.count.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                        return Ok(Some(bytes));
                    }
                }
            }
        }
    }

    /// Whether everything has been received.
    fn is_at_end(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    /// Gets the rest of a body out of the way of the next request; `false` when the connection must be closed instead.
    ///
    /// A client that `expects_continue` and was not told to go on sends nothing, so there is nothing to be discarded:
    /// what comes next may be the body as well as another request (RFC 9110 §10.1.1).
    pub(super) async fn discard_rest(mut self, expects_continue: bool) -> bool {
        if self.is_at_end() {
            return true;
        }
        if (expects_continue && !self.asked) || self.body.size_hint().lower() > DISCARD_SIZE_MAX {
            return false;
        }
        let discard = async {
            let mut size: u64 = 0;
            while let Ok(Some(bytes)) = self.next().await {
                size = size.saturating_add(bytes.len() as u64);
                if size > DISCARD_SIZE_MAX {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD_TIME_MAX, discard).await;
        self.is_at_end()
    }
}

/// Holds a request's body while nobody reads it. Whoever does, gives it back by dropping it, so that the server can
/// look after what has been left unread.
pub(super) struct Slot<B>(Arc<Mutex<Option<Frames<B>>>>);

impl<B> Slot<B> {
    /// With the body in it.
    pub(super) fn new(frames: Frames<B>) -> Self {
        Self(Arc::new(Mutex::new(Some(frames))))
    }

    /// Lends the body; `None` when somebody has it.
    pub(super) fn lend(&self) -> Option<Lent<B>> {
        self.take().map(|frames| Lent { frames: Some(frames), slot: Self(Arc::clone(&self.0)) })
    }

    /// Takes the body out for good.
    pub(super) fn take(&self) -> Option<Frames<B>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// A body that returns to its slot.
pub(super) struct Lent<B> {
    frames: Option<Frames<B>>,
    slot: Slot<B>,
}

impl<B> Lent<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    /// As [`Frames::next`].
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        self.frames.as_mut().expect("only dropping takes it").next().await
    }
}

impl<B> Drop for Lent<B> {
    fn drop(&mut self) {
        *self.slot.0.lock().unwrap_or_else(PoisonError::into_inner) = self.frames.take();
    }
}

/// A request's body as the signature says it is framed.
pub(super) struct RequestBody<B> {
    frames: Lent<B>,
    framing: Framing,
}

enum Framing {
    /// As received.
    Plain,
    /// aws-chunked.
    Chunked(Box<Chunked>),
}

struct Chunked {
    /// `None` once it has finished.
    decoder: Option<chunked::Decoder>,
    decoded: VecDeque<Bytes>,
    trailer: Option<Checksum>,
}

impl<B> RequestBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    /// A body framed as `payload` says. `decoded_size` and `trailer` are what the head announced of an aws-chunked one.
    pub(super) fn new(frames: Lent<B>, payload: &Payload, decoded_size: u64, trailer: Option<ChecksumAlgorithm>) -> Self {
        let framing = match payload {
            Payload::Unsigned | Payload::Sha256(_) => Framing::Plain,
            Payload::Chunked(framing) => Framing::Chunked(Box::new(Chunked {
                decoder: Some(chunked::Decoder::new((**framing).clone(), decoded_size, trailer)),
                decoded: VecDeque::new(),
                trailer: None,
            })),
        };
        Self { frames, framing }
    }
}

#[async_trait]
impl<B> ops::Body for RequestBody<B>
where
    B: http_body::Body<Data = Bytes> + Unpin + Send,
{
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let chunked = match &mut self.framing {
            Framing::Plain => return self.frames.next().await,
            Framing::Chunked(chunked) => chunked,
        };
        loop {
            if let Some(bytes) = chunked.decoded.pop_front() {
                if bytes.is_empty() {
                    continue;
                }
                return Ok(Some(bytes));
            }
            let Some(decoder) = &mut chunked.decoder else { return Ok(None) };
            match self.frames.next().await? {
                Some(received) => {
                    let mut decoded = Vec::new();
                    decoder.push(received, &mut decoded)?;
                    chunked.decoded.extend(decoded);
                }
                None => {
                    let decoder = chunked.decoder.take().expect("it was there a few lines above");
                    chunked.trailer = decoder.finish()?;
                }
            }
        }
    }

    fn trailer_checksum(&mut self) -> Option<Checksum> {
        match &mut self.framing {
            Framing::Plain => None,
            Framing::Chunked(chunked) => chunked.trailer.take(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Body as _;
    use futures_util::{
        StreamExt as _,
        stream::{self, BoxStream},
    };
    use http_body::Frame;
    use http_body_util::StreamBody;
    use std::io;

    type Pieces = StreamBody<BoxStream<'static, Result<Frame<Bytes>, io::Error>>>;

    fn slot(pieces: Vec<Result<&'static str, io::Error>>) -> (Slot<Pieces>, ByteCounter) {
        let pieces = pieces.into_iter().map(|piece| piece.map(|text| Frame::data(Bytes::from(text))));
        let count = ByteCounter::default();
        let body = StreamBody::new(stream::iter(pieces).boxed());
        (Slot::new(Frames::new(body, Duration::from_secs(5), Arc::clone(&count))), count)
    }

    fn plain(pieces: Vec<Result<&'static str, io::Error>>) -> RequestBody<Pieces> {
        RequestBody::new(slot(pieces).0.lend().unwrap(), &Payload::Unsigned, 0, None)
    }

    #[tokio::test]
    async fn plain_bytes_pass_as_they_were_received() {
        let (slot, count) = slot(vec![Ok("ab"), Ok(""), Ok("c")]);
        let mut body = RequestBody::new(slot.lend().unwrap(), &Payload::Unsigned, 0, None);
        assert_eq!(body.next().await, Ok(Some(Bytes::from("ab"))));
        assert_eq!(body.next().await, Ok(Some(Bytes::from("c"))));
        assert_eq!(body.next().await, Ok(None));
        assert_eq!(count.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_broken_connection_is_an_incomplete_body() {
        let mut body = plain(vec![Ok("ab"), Err(io::ErrorKind::UnexpectedEof.into())]);
        assert_eq!(body.next().await, Ok(Some(Bytes::from("ab"))));
        assert_eq!(body.next().await, Err(Failure::IncompleteBody));
    }

    #[tokio::test]
    async fn a_client_that_stalls_runs_into_the_timeout() {
        let silent = StreamBody::new(stream::pending::<Result<Frame<Bytes>, io::Error>>());
        let mut frames = Frames::new(Box::pin(silent), Duration::from_millis(20), ByteCounter::default());
        assert_eq!(frames.next().await, Err(Failure::BodyTimeout));
    }

    #[tokio::test]
    async fn what_is_left_unread_comes_back_and_is_discarded() {
        let (slot, _) = slot(vec![Ok("ab"), Ok("c")]);
        let mut lent = slot.lend().unwrap();
        assert!(slot.lend().is_none());
        assert_eq!(lent.next().await, Ok(Some(Bytes::from("ab"))));
        drop(lent);
        assert!(slot.take().unwrap().discard_rest(false).await);
    }

    #[tokio::test]
    async fn what_cannot_be_discarded_costs_the_connection() {
        let rest = async |pieces, expects| slot(pieces).0.take().unwrap().discard_rest(expects).await;
        assert!(!rest(vec![Ok("ab")], true).await, "the client may not send this at all");
        assert!(!rest(vec![Err(io::ErrorKind::UnexpectedEof.into())], false).await);
        let large: &str = "x".repeat(600 << 10).leak();
        assert!(!rest(vec![Ok(large), Ok(large)], false).await);
        assert!(rest(vec![Ok(large)], false).await);
    }
}
