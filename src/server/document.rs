//! Documents in request bodies: read whole, verified, and bounded in number as well as in size. Long ones in answers, too:
//! a client may ask for many and take none.

use super::{
    body::RequestBody,
    pipeline::{Answer, Exchange},
    shares::{Share, Shares},
    tenants::Want,
};
use crate::{
    auth::Payload,
    dialect::error::Rejection,
    digest::{self, Hasher},
    model::{BodyClaims, Failure},
    ops::Body as _,
};
use bytes::{Bytes, BytesMut};
use http::Method;
use std::sync::Arc;

/// Memory that documents of requests may occupy together, until these have been carried out. Bytes.
const MEMORY_SIZE_MAX: u64 = 64 << 20;
/// What of it is left to those who have little of it. Bytes.
const RESERVE_SIZE: u64 = 8 << 20;

/// Memory that long documents in answers may occupy together, until they have been written. Bytes. A page of a listing is some
/// hundred KiB, of long keys it is up to 5 MiB.
const ANSWERS_SIZE_MAX: u64 = 128 << 20;
/// What of it is left to those who have little of it. Bytes.
const ANSWERS_RESERVE_SIZE: u64 = 16 << 20;
/// Answers up to this size are bounded by the number of requests. Bytes.
const SHORT_ANSWER_SIZE_MAX: usize = 64 << 10;

/// Reads documents, and has room for them.
pub(super) struct Documents {
    memory: Arc<Shares<Option<String>>>,
    answers: Arc<Shares<Option<String>>>,
}

impl Default for Documents {
    fn default() -> Self {
        let memory = Shares::new(MEMORY_SIZE_MAX, RESERVE_SIZE);
        Self { memory, answers: Shares::new(ANSWERS_SIZE_MAX, ANSWERS_RESERVE_SIZE) }
    }
}

impl Documents {
    /// Takes memory for an answer, for as long as its client does not take it. Only what can be asked for again is refused: of
    /// what has changed something the client has to hear, and the room that such a request had for its document is enough.
    ///
    /// # Errors
    /// `SlowDown`.
    pub(super) fn keep_answer(&self, exchange: &mut Exchange<'_>, answer: Answer) -> Result<Answer, Rejection> {
        let size = answer.0.body().len();
        if size > SHORT_ANSWER_SIZE_MAX && exchange.parts.method == Method::GET {
            let room = self.answers.take(exchange.signer.clone(), size as u64);
            exchange.completion.held.document = Some(Arc::new(room.ok_or_else(|| Want::Answers.shed())?));
        }
        Ok(answer)
    }

    /// Reads a request's document and verifies it against the signature and the head's claims. The request keeps room for it.
    ///
    /// # Errors
    /// One that is too long as the dialect words it, `SlowDown` when too many documents arrive at once, and whatever is wrong with it.
    pub(super) async fn read(
        &self,
        exchange: &mut Exchange<'_>,
        mut claims: BodyClaims,
        payload: &Payload,
        size_max: usize,
    ) -> Result<Bytes, Rejection> {
        if let Payload::Sha256(sha256) = payload {
            claims.sha256 = Some(*sha256);
        }
        if claims.size.is_some_and(|size| size > size_max as u64) {
            return Err(exchange.dialect.document_too_long(size_max).into());
        }
        let frames = exchange.body.lend().ok_or(Failure::Internal)?;
        let mut body = RequestBody::new(frames, payload, claims.size.unwrap_or(0), claims.trailer);
        let mut document = BytesMut::new();
        let mut reserved: Option<Share<Option<String>>> = None;
        while let Some(bytes) = body.next().await? {
            let size = document.len().saturating_add(bytes.len());
            if size > size_max {
                return Err(exchange.dialect.document_too_long(size_max).into());
            }
            // Never waits: those who hold some would wait for each other.
            let amount = bytes.len() as u64;
            let is_room = match &mut reserved {
                Some(reserved) => reserved.grow(amount),
                None => {
                    reserved = self.memory.take(exchange.signer.clone(), amount);
                    reserved.is_some()
                }
            };
            if !is_room {
                return Err(Want::Documents.shed().into());
            }
            document.extend_from_slice(&bytes);
        }
        exchange.completion.held.document = reserved.map(Arc::new);
        claims.checksum = claims.checksum.or_else(|| body.trailer_checksum());
        verify(&claims, &document)?;
        Ok(document.freeze())
    }
}

/// Compares a document with what was said about it. Its size is HTTP's and the framing's matter.
fn verify(claims: &BodyClaims, document: &[u8]) -> Result<(), Failure> {
    if let Some(expected) = claims.sha256 {
        let actual = digest::sha256(document);
        if actual != expected {
            return Err(Failure::Sha256Mismatch { expected, actual });
        }
    }
    if let Some(expected) = claims.md5 {
        let actual = digest::md5(document);
        if actual != expected {
            return Err(Failure::Md5Mismatch { expected, actual });
        }
    }
    if let Some(expected) = &claims.checksum {
        let mut hasher = Hasher::new(expected.algorithm());
        hasher.update(document);
        if hasher.finish() != *expected {
            return Err(Failure::ChecksumMismatch(expected.algorithm()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Checksum, ChecksumAlgorithm};

    #[test]
    fn a_document_must_be_what_was_said_of_it() {
        let right = BodyClaims {
            sha256: Some(digest::sha256(b"hello")),
            md5: Some(digest::md5(b"hello")),
            checksum: Checksum::new(ChecksumAlgorithm::Crc32, vec![0x36, 0x10, 0xa6, 0x86]),
            ..BodyClaims::default()
        };
        assert_eq!(verify(&right, b"hello"), Ok(()));
        assert_eq!(verify(&BodyClaims::default(), b"hello"), Ok(()));
        let only_md5 = BodyClaims { sha256: None, ..right.clone() };
        let only_checksum = BodyClaims { md5: None, ..only_md5.clone() };
        assert!(matches!(verify(&right, b"jello"), Err(Failure::Sha256Mismatch { .. })));
        assert!(matches!(verify(&only_md5, b"jello"), Err(Failure::Md5Mismatch { .. })));
        assert_eq!(verify(&only_checksum, b"jello"), Err(Failure::ChecksumMismatch(ChecksumAlgorithm::Crc32)));
    }
}
