//! A request's body on its way to an operation.
//!
//! Bytes are handed on as they were received, without copying or merging. Nothing is read before the first `next`,
//! so the `100 Continue` that hyper sends with the first read comes after everything that can refuse the request.

use super::completion::ByteCounter;
use crate::{
    auth::{Payload, chunked},
    model::{Checksum, ChecksumAlgorithm, Failure},
    ops,
};
use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use std::{collections::VecDeque, sync::atomic::Ordering, time::Duration};

/// A body as HTTP delivers it: frames, each within a timeout.
pub(super) struct Frames<B> {
    body: B,
    timeout: Duration,
    count: ByteCounter,
}

impl<B> Frames<B>
where
    B: http_body::Body<Data = Bytes> + Unpin,
{
    /// The frames of `body`, each of which may take as long as `timeout`; `count` counts their bytes.
    pub(super) fn new(body: B, timeout: Duration, count: ByteCounter) -> Self {
        Self { body, timeout, count }
    }

    /// The next bytes, not empty; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = tokio::time::timeout(self.timeout, self.body.frame()).await.map_err(|_| Failure::BodyTimeout)?;
            match frame {
                None => return Ok(None),
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
    pub(super) fn is_at_end(&self) -> bool {
        self.body.is_end_stream()
    }

    /// The size announced by Content-Length; `None` for a chunked body.
    pub(super) fn announced_size(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }
}

/// A request's body as the signature says it is framed.
pub(super) struct RequestBody<B> {
    frames: Frames<B>,
    framing: Framing,
}

enum Framing {
    /// As received.
    Plain,
    /// aws-chunked.
    Chunked(Chunked),
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
    pub(super) fn new(frames: Frames<B>, payload: &Payload, decoded_size: u64, trailer: Option<ChecksumAlgorithm>) -> Self {
        let framing = match payload {
            Payload::Unsigned | Payload::Sha256(_) => Framing::Plain,
            Payload::Chunked(framing) => Framing::Chunked(Chunked {
                decoder: Some(chunked::Decoder::new((**framing).clone(), decoded_size, trailer)),
                decoded: VecDeque::new(),
                trailer: None,
            }),
        };
        Self { frames, framing }
    }

    /// The bytes received but not asked for yet, to be discarded when the request has been refused.
    pub(super) fn into_frames(self) -> Frames<B> {
        self.frames
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
    use futures_util::StreamExt as _;
    use http_body::Frame;
    use http_body_util::StreamBody;
    use std::{io, pin::pin};

    fn frames(
        pieces: Vec<Result<&'static str, io::Error>>,
    ) -> Frames<StreamBody<futures_util::stream::BoxStream<'static, Result<Frame<Bytes>, io::Error>>>> {
        let pieces = pieces.into_iter().map(|piece| piece.map(|text| Frame::data(Bytes::from(text))));
        Frames::new(StreamBody::new(futures_util::stream::iter(pieces).boxed()), Duration::from_secs(5), ByteCounter::default())
    }

    #[tokio::test]
    async fn plain_bytes_pass_as_they_were_received() {
        let mut body = RequestBody::new(frames(vec![Ok("ab"), Ok(""), Ok("c")]), &Payload::Unsigned, 0, None);
        assert_eq!(body.next().await, Ok(Some(Bytes::from("ab"))));
        assert_eq!(body.next().await, Ok(Some(Bytes::from("c"))));
        assert_eq!(body.next().await, Ok(None));
        assert_eq!(body.frames.count.load(Ordering::Relaxed), 3);
    }

    #[tokio::test]
    async fn a_broken_connection_is_an_incomplete_body() {
        let mut body = RequestBody::new(frames(vec![Ok("ab"), Err(io::ErrorKind::UnexpectedEof.into())]), &Payload::Unsigned, 0, None);
        assert_eq!(body.next().await, Ok(Some(Bytes::from("ab"))));
        assert_eq!(body.next().await, Err(Failure::IncompleteBody));
    }

    #[tokio::test]
    async fn a_client_that_stalls_runs_into_the_timeout() {
        let silent = StreamBody::new(futures_util::stream::pending::<Result<Frame<Bytes>, io::Error>>());
        let silent = pin!(silent);
        let mut frames = Frames::new(silent, Duration::from_millis(20), ByteCounter::default());
        assert_eq!(frames.next().await, Err(Failure::BodyTimeout));
    }
}
