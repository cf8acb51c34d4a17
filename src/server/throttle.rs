//! Bodies that may only move so fast (OSS "Single-connection bandwidth throttling").
//!
//! Bytes are let through when their time has come: after `n` of them, `n / limit` seconds have passed since the first.

use crate::{
    model::{Checksum, Failure},
    ops::{Body, ContentStream},
};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// How much of an answer is let through at once, as a part of a second's worth.
const PIECES_PER_SECOND: u64 = 8;

/// Keeps to a speed.
struct Pace {
    began: Option<Instant>,
    size: u64,
    bytes_per_second: u64,
}

impl Pace {
    fn new(bytes_per_second: u64) -> Self {
        Self { began: None, size: 0, bytes_per_second: bytes_per_second.max(1) }
    }

    /// Waits until so many more bytes may have passed.
    async fn let_through(&mut self, size: usize) {
        let began = *self.began.get_or_insert_with(Instant::now);
        self.size = self.size.saturating_add(size as u64);
        let due = Duration::from_secs_f64(self.size as f64 / self.bytes_per_second as f64);
        if let Some(due) = began.checked_add(due) {
            sleep_until(due).await;
        }
    }
}

/// A request's body that is read no faster than this.
pub(super) struct Throttled {
    body: Box<dyn Body>,
    pace: Pace,
}

impl Throttled {
    pub(super) fn new(body: Box<dyn Body>, bytes_per_second: u64) -> Self {
        Self { body, pace: Pace::new(bytes_per_second) }
    }
}

#[async_trait]
impl Body for Throttled {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let next = self.body.next().await?;
        if let Some(bytes) = &next {
            self.pace.let_through(bytes.len()).await;
        }
        Ok(next)
    }

    fn trailer_checksum(&mut self) -> Option<Checksum> {
        self.body.trailer_checksum()
    }
}

/// An answer's bytes, sent no faster than this.
pub(super) fn throttled(content: ContentStream, bytes_per_second: u64) -> ContentStream {
    let piece_size = usize::try_from(bytes_per_second / PIECES_PER_SECOND).unwrap_or(usize::MAX).max(1);
    let pieces = content.flat_map(move |read| {
        let pieces = match read {
            Ok(mut bytes) => {
                let mut pieces = Vec::new();
                while bytes.len() > piece_size {
                    pieces.push(Ok(bytes.split_to(piece_size)));
                }
                pieces.push(Ok(bytes));
                pieces
            }
            Err(error) => vec![Err(error)],
        };
        stream::iter(pieces)
    });
    let paced = stream::unfold((pieces, Pace::new(bytes_per_second)), |(mut pieces, mut pace)| async move {
        let next = pieces.next().await?;
        if let Ok(bytes) = &next {
            pace.let_through(bytes.len()).await;
        }
        Some((next, (pieces, pace)))
    });
    paced.boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces(Vec<Bytes>);

    #[async_trait]
    impl Body for Pieces {
        async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
            Ok(self.0.pop())
        }

        fn trailer_checksum(&mut self) -> Option<Checksum> {
            None
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_takes_as_long_as_its_bytes() {
        let began = Instant::now();
        let mut body = Throttled::new(Box::new(Pieces(vec![Bytes::from_static(&[0; 500]); 4])), 1000);
        let mut size = 0;
        while let Some(bytes) = body.next().await.unwrap() {
            size += bytes.len();
        }
        assert_eq!((size, began.elapsed().as_secs()), (2000, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_cut_into_pieces_and_paced() {
        let began = Instant::now();
        let content = stream::iter([Ok(Bytes::from(vec![7; 1500])), Ok(Bytes::from(vec![8; 500]))]).boxed();
        let pieces: Vec<Bytes> = throttled(content, 1000).map(Result::unwrap).collect().await;
        assert!(pieces.iter().all(|piece| piece.len() <= 125), "{}", pieces.len());
        assert_eq!(pieces.concat(), [vec![7; 1500], vec![8; 500]].concat());
        assert_eq!(began.elapsed().as_secs(), 2);
    }
}
