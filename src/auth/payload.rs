//! What `x-amz-content-sha256` says about a body.

use super::{AuthError, Payload, chunked::Framing};

pub(super) const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
/// SHA-256 of nothing, in hex.
pub(super) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A payload word, understood but without the keys that signed chunks need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PayloadWord {
    Unsigned,
    Sha256([u8; 32]),
    SignedChunks { trailer: bool },
    UnsignedChunks,
}

impl PayloadWord {
    /// Reads the word.
    pub(super) fn parse(word: &str) -> Result<Self, AuthError> {
        match word {
            UNSIGNED => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::SignedChunks { trailer: false }),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::SignedChunks { trailer: true }),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::UnsignedChunks),
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"
            | "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER"
            | "STREAMING-AWS4-HMAC-SHA256-EVENTS"
            | "STREAMING-EVENTS" => Err(AuthError::PayloadUnsupported(word.to_owned())),
            _ => {
                let mut sha256 = [0; 32];
                hex::decode_to_slice(word, &mut sha256).map_err(|_| invalid())?;
                Ok(Self::Sha256(sha256))
            }
        }
    }

    /// What it means for a request whose signature has no chunk chain: anonymous ones and SigV2.
    pub(super) fn without_chunk_signatures(self) -> Result<Payload, AuthError> {
        match self {
            Self::Unsigned => Ok(Payload::Unsigned),
            Self::Sha256(sha256) => Ok(Payload::Sha256(sha256)),
            Self::UnsignedChunks => Ok(Payload::Chunked(Box::new(Framing::unsigned()))),
            Self::SignedChunks { .. } => Err(invalid()),
        }
    }
}

fn invalid() -> AuthError {
    AuthError::PayloadHashInvalid(
        "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, \
         STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, \
         STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value."
            .to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_exact_and_anything_else_is_a_hash_or_refused() {
        assert_eq!(PayloadWord::parse(UNSIGNED), Ok(PayloadWord::Unsigned));
        assert_eq!(PayloadWord::parse("STREAMING-UNSIGNED-PAYLOAD-TRAILER"), Ok(PayloadWord::UnsignedChunks));
        assert_eq!(PayloadWord::parse(EMPTY_SHA256), Ok(PayloadWord::Sha256(crate::digest::sha256(b""))));
        for word in ["", "unsigned-payload", "STREAMING-UNSIGNED-PAYLOAD", &EMPTY_SHA256[1..], "zz"] {
            assert!(matches!(PayloadWord::parse(word), Err(AuthError::PayloadHashInvalid(_))), "{word}");
        }
        let events = PayloadWord::parse("STREAMING-EVENTS");
        assert!(matches!(events, Err(AuthError::PayloadUnsupported(_))), "{events:?}");
    }
}
