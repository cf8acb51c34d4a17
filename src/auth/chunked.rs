//! aws-chunked bodies, without I/O: signed chunks, signed trailers, unsigned trailers.

use crate::model::{Checksum, ChecksumAlgorithm, Failure};
use bytes::Bytes;

/// How an aws-chunked body is framed and signed; from the verified head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {}

/// Takes a body apart as it arrives.
pub struct Decoder {}

impl Decoder {
    /// A decoder for a body of `decoded_size` bytes whose head announced `trailer`.
    #[must_use]
    pub fn new(_framing: Framing, _decoded_size: u64, _trailer: Option<ChecksumAlgorithm>) -> Self {
        todo!()
    }

    /// Takes received bytes and appends decoded ones, already verified, to `decoded`. Memory stays
    /// bounded: of signed chunks no more is released than has been verified.
    ///
    /// # Errors
    /// `MalformedBody`, `IncompleteBody`, `ChunkSignatureMismatch`, `MalformedTrailer`, `InvalidTrailerChecksum`.
    pub fn push(&mut self, _received: Bytes, _decoded: &mut Vec<Bytes>) -> Result<(), Failure> {
        todo!()
    }

    /// Called at the end of the received bytes; the trailer's checksum if one came.
    ///
    /// # Errors
    /// As [`Self::push`]; `IncompleteBody` when the last chunk has not come.
    pub fn finish(self) -> Result<Option<Checksum>, Failure> {
        todo!()
    }
}
