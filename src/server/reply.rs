//! The body of a response: a document, or an object's bytes as they come from the store.
//!
//! - Its exact size is known beforehand, so hyper always sends Content-Length.
//! - A stream that fails or does not hold what was announced ends in an error, which makes hyper break the
//!   connection: the client sees a truncated answer, never a wrong one.
//! - The request's completion line rides along, and is let go of when the last byte was handed to the connection, or the
//!   client went away.
//! - What the request has of what is scarce, its bytes keep until they have been written: a connection may have taken them
//!   long before its client does.

use super::{completion::Completion, tenants::Held};
use crate::ops::{ContentError, ContentStream};
use bytes::Bytes;
use futures_util::StreamExt as _;
use http_body::{Body, Frame, SizeHint};
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A response's body.
pub(super) struct ReplyBody {
    content: Content,
    completion: Option<Box<Completion>>,
    held: Arc<Held>,
}

enum Content {
    Empty,
    Full(Bytes),
    Stream { stream: ContentStream, remaining: u64 },
}

/// Why a response's body broke off.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReplyError {
    /// The store could not read on.
    #[error("{0}")]
    Store(#[from] ContentError),
    /// The store gave another number of bytes than the record says.
    #[error("the content is not of the size that was announced")]
    WrongSize,
}

impl ReplyBody {
    /// A document.
    pub(super) fn full(bytes: Bytes) -> Self {
        let content = if bytes.is_empty() { Content::Empty } else { Content::Full(bytes) };
        Self { content, completion: None, held: Arc::default() }
    }

    /// Exactly `size` bytes of a stream.
    pub(super) fn stream(stream: ContentStream, size: u64) -> Self {
        Self { content: Content::Stream { stream, remaining: size }, completion: None, held: Arc::default() }
    }

    /// This body without its bytes, for an answer that must not have any.
    pub(super) fn without_content(mut self) -> Self {
        self.content = Content::Empty;
        self
    }

    /// This body, letting go of `completion` when it has been sent.
    pub(super) fn completing(mut self, mut completion: Box<Completion>) -> Self {
        self.held = Arc::new(std::mem::take(&mut completion.held));
        self.completion = Some(completion);
        self
    }

    /// Bytes for the connection.
    fn hand_over(&self, bytes: Bytes) -> Frame<Bytes> {
        if let Some(completion) = &self.completion {
            completion.add_bytes_out(bytes.len() as u64);
        }
        Frame::data(keeping(bytes, Arc::clone(&self.held)))
    }

    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReplyError>>> {
        let Content::Stream { stream, remaining } = &mut self.content else { return Poll::Ready(None) };
        let next = loop {
            match ready!(stream.poll_next_unpin(cx)) {
                Some(Ok(bytes)) if bytes.is_empty() => {}
                next => break next,
            }
        };
        let outcome = match next {
            Some(Ok(bytes)) => match remaining.checked_sub(bytes.len() as u64) {
                Some(rest) => {
                    *remaining = rest;
                    return Poll::Ready(Some(Ok(bytes)));
                }
                None => Some(Err(ReplyError::WrongSize)),
            },
            Some(Err(error)) => Some(Err(error.into())),
            None if *remaining > 0 => Some(Err(ReplyError::WrongSize)),
            None => None,
        };
        self.content = Content::Empty;
        Poll::Ready(outcome)
    }
}

/// Bytes that keep something until the last copy of them is gone.
struct Keeping<T> {
    bytes: Bytes,
    _kept: T,
}

impl<T> AsRef<[u8]> for Keeping<T> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The same bytes, which keep `kept` for as long as somebody has them or a part of them.
pub(super) fn keeping<T: Send + 'static>(bytes: Bytes, kept: T) -> Bytes {
    Bytes::from_owner(Keeping { bytes, _kept: kept })
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = ReplyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ReplyError>>> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.content, Content::Empty) {
            Content::Empty => Poll::Ready(None),
            Content::Full(bytes) => Poll::Ready(Some(Ok(this.hand_over(bytes)))),
            stream @ Content::Stream { .. } => {
                this.content = stream;
                let next = ready!(this.poll_stream(cx));
                if let Some(Err(error)) = &next {
                    tracing::error!(%error, "an object's content broke off");
                    if let Some(completion) = &mut this.completion {
                        completion.broke_off();
                    }
                }
                Poll::Ready(next.map(|bytes| bytes.map(|bytes| this.hand_over(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // A stream is asked even when nothing remains, so that it can still say that something is wrong.
        matches!(self.content, Content::Empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match &self.content {
            Content::Empty => 0,
            Content::Full(bytes) => bytes.len() as u64,
            Content::Stream { remaining, .. } => *remaining,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    fn stream(pieces: &[Result<&'static str, ContentError>]) -> ContentStream {
        let pieces: Vec<_> = pieces.iter().map(|piece| piece.clone().map(Bytes::from)).collect();
        futures_util::stream::iter(pieces).boxed()
    }

    #[tokio::test]
    async fn a_stream_announces_its_size_and_yields_its_bytes() {
        let body = ReplyBody::stream(stream(&[Ok("ab"), Ok(""), Ok("cde")]), 5);
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.unwrap().to_bytes(), "abcde");
    }

    #[tokio::test]
    async fn a_stream_of_another_size_than_announced_is_an_error() {
        for (pieces, size) in [(vec![Ok("ab")], 3), (vec![Ok("abcd")], 3), (vec![], 1)] {
            let body = ReplyBody::stream(stream(&pieces), size);
            assert!(matches!(body.collect().await, Err(ReplyError::WrongSize)), "{pieces:?}");
        }
    }

    #[tokio::test]
    async fn a_failing_store_breaks_the_body_off() {
        let body = ReplyBody::stream(stream(&[Ok("ab"), Err(ContentError::Io("gone".to_owned()))]), 4);
        assert!(matches!(body.collect().await, Err(ReplyError::Store(ContentError::Io(_)))));
    }

    #[tokio::test]
    async fn what_is_kept_goes_with_the_last_byte_and_not_with_the_body() {
        let kept = Arc::new(());
        let mut bytes = keeping(Bytes::from_static(b"abcdef"), Arc::clone(&kept));
        let piece = bytes.split_to(2);
        drop(bytes);
        assert_eq!(Arc::strong_count(&kept), 2);
        assert_eq!(piece, "ab");
        drop(piece);
        assert_eq!(Arc::strong_count(&kept), 1);
        for body in [ReplyBody::full(Bytes::from_static(b"x")), ReplyBody::stream(stream(&[Ok("x")]), 1)] {
            let held = Arc::clone(&body.held);
            let mut body = Box::pin(body);
            let frame = body.frame().await.unwrap().unwrap();
            assert!(body.frame().await.is_none());
            drop(body);
            assert_eq!(Arc::strong_count(&held), 2, "its bytes have not been written");
            drop(frame);
            assert_eq!(Arc::strong_count(&held), 1);
        }
    }

    #[tokio::test]
    async fn an_empty_document_ends_at_once() {
        assert!(ReplyBody::full(Bytes::new()).is_end_stream());
        assert_eq!(ReplyBody::full(Bytes::from_static(b"x")).collect().await.unwrap().to_bytes(), "x");
    }
}
