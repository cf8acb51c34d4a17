//! aws-chunked bodies, without I/O: signed chunks, signed trailers, unsigned trailers (S3 API Reference, "Transferring
//! Payload in Multiple Chunks", "Signature calculations for trailing headers").
//!
//! ```text
//! 5;chunk-signature=<64 hex>\r\n  hello  \r\n      one chunk; without the extension when chunks are not signed
//! 0;chunk-signature=<64 hex>\r\n                   the last one
//! x-amz-checksum-crc32:NhCmhg==\r\n                the trailer, if any; then its signature in a line of its own
//! \r\n
//! ```
//!
//! - Chunks of any size are accepted, also those below the 8 KiB that AWS asks for: streams of the JavaScript SDK make them.
//! - Line ends in the trailer may be `\r\n`, `\n` or the end of the body, and empty lines may stand between the lines
//!   (minio-go sends one before the signature).

use super::sigv4::{SigningKey, same_signature};
use crate::model::{Checksum, ChecksumAlgorithm, Failure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use sha2::{Digest as _, Sha256};

/// The longest chunk line, in bytes. A size, a signature and some room for extensions.
const LINE_SIZE_MAX: usize = 1024;
/// The longest trailer block, in bytes: a checksum, a signature and some room.
const TRAILER_SIZE_MAX: usize = 4096;
/// A size of more digits would not fit 64 bits.
const SIZE_DIGITS_MAX: usize = 16;
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// How an aws-chunked body is framed and signed; from the verified head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framing {
    chain: Option<SignatureChain>,
    trailer: bool,
}

impl Framing {
    /// Chunks without signatures; a trailer may follow.
    pub(super) fn unsigned() -> Self {
        Self { chain: None, trailer: true }
    }

    /// Chunks chained to the head's signature `seed`.
    pub(super) fn signed(key: SigningKey, date: String, scope: String, seed: String, trailer: bool) -> Self {
        Self { chain: Some(SignatureChain { key, date, scope, previous: seed }), trailer }
    }
}

/// Signs chunk after chunk, each signature covering the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SignatureChain {
    key: SigningKey,
    date: String,
    scope: String,
    previous: String,
}

impl SignatureChain {
    /// The signature of the next chunk, whose data have this SHA-256.
    fn next_chunk(&mut self, sha256: [u8; 32]) -> &str {
        let no_headers = super::payload::EMPTY_SHA256;
        self.next("AWS4-HMAC-SHA256-PAYLOAD", &format!("{no_headers}\n{}", hex::encode(sha256)))
    }

    /// The signature of the trailer: pairs of lower-case name and trimmed value.
    fn next_trailer(&mut self, trailer: &[(String, String)]) -> &str {
        let mut lines: Vec<String> = trailer.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
        lines.sort_unstable();
        self.next("AWS4-HMAC-SHA256-TRAILER", &hex::encode(Sha256::digest(lines.concat())))
    }

    fn next(&mut self, algorithm: &str, hashes: &str) -> &str {
        let Self { key, date, scope, previous } = &*self;
        self.previous = key.sign(&format!("{algorithm}\n{date}\n{scope}\n{previous}\n{hashes}"));
        &self.previous
    }
}

/// Takes a body apart as it arrives.
///
/// Bytes are handed on as slices of what was received, while the chunk they belong to is still being hashed: its signature
/// is checked when its last byte has come. So what `push` has appended counts only once `finish` has returned `Ok`, and
/// whoever takes the bytes stages them until then and discards them on an error.
#[derive(Debug)]
pub struct Decoder {
    chain: Option<SignatureChain>,
    trailer_allowed: bool,
    trailer_announced: Option<ChecksumAlgorithm>,
    /// Decoded bytes that have not been announced by a chunk line yet.
    unannounced: u64,
    state: State,
    /// The chunk line or trailer block so far.
    buffer: Vec<u8>,
    /// Of the current chunk's data, when chunks are signed.
    sha256: Sha256,
    /// The current chunk's signature as sent.
    signature: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing received yet.
    Start,
    /// Within a chunk line.
    Line,
    /// Within a chunk's data, so many bytes before their end.
    Data(u64),
    /// Within the line end that follows the data.
    DataEnd { expected: u8 },
    /// After the last chunk's line.
    Trailer,
}

impl Decoder {
    /// A decoder for a body of `decoded_size` bytes whose head announced `trailer`.
    #[must_use]
    pub fn new(framing: Framing, decoded_size: u64, trailer: Option<ChecksumAlgorithm>) -> Self {
        Self {
            chain: framing.chain,
            trailer_allowed: framing.trailer,
            trailer_announced: trailer,
            unannounced: decoded_size,
            state: State::Start,
            buffer: Vec::new(),
            sha256: Sha256::new(),
            signature: String::new(),
        }
    }

    /// Takes received bytes and appends decoded ones to `decoded`, as slices of them. Memory stays bounded: no more than a
    /// chunk line or a trailer is kept back. A chunk's signature is checked at its end, before the next byte is taken.
    ///
    /// # Errors
    /// `MalformedBody`, `IncompleteBody` (more or less than `decoded_size`), `ChunkSignatureMismatch`. The decoder is of no
    /// use after an error, and what it has decoded so far must not become an object.
    pub fn push(&mut self, mut received: Bytes, decoded: &mut Vec<Bytes>) -> Result<(), Failure> {
        while !received.is_empty() {
            match self.state {
                State::Start => self.state = State::Line,
                State::Line => {
                    if let Some(line) = self.take_line(&mut received)? {
                        self.begin_chunk(&line)?;
                    }
                }
                State::Data(remaining) => {
                    let size = usize::try_from(remaining).unwrap_or(usize::MAX).min(received.len());
                    let data = received.split_to(size);
                    if self.chain.is_some() {
                        self.sha256.update(&data);
                    }
                    decoded.push(data);
                    // `size` is at most `remaining`.
                    let remaining = remaining - size as u64;
                    self.state = State::Data(remaining);
                    if remaining == 0 {
                        self.verify_chunk()?;
                        self.state = State::DataEnd { expected: b'\r' };
                    }
                }
                State::DataEnd { expected } => {
                    if received.split_to(1)[0] != expected {
                        return Err(Failure::MalformedBody);
                    }
                    self.state = if expected == b'\r' { State::DataEnd { expected: b'\n' } } else { State::Line };
                }
                State::Trailer => {
                    if self.buffer.len().saturating_add(received.len()) > TRAILER_SIZE_MAX {
                        return Err(Failure::MalformedBody);
                    }
                    self.buffer.extend_from_slice(&std::mem::take(&mut received));
                }
            }
        }
        Ok(())
    }

    /// Called at the end of the received bytes; the trailer's checksum if one came.
    ///
    /// # Errors
    /// As [`Self::push`]; `IncompleteBody` when the last chunk has not come, `MalformedTrailer` when the trailer is not the
    /// one announced, `InvalidTrailerChecksum`.
    pub fn finish(mut self) -> Result<Option<Checksum>, Failure> {
        match self.state {
            State::Trailer => self.finish_trailer(),
            // minio-go frames an empty object as an empty body.
            State::Start if self.unannounced == 0 && self.trailer_announced.is_none() => Ok(None),
            State::Start | State::Line | State::Data(_) | State::DataEnd { .. } => Err(Failure::IncompleteBody),
        }
    }

    /// The chunk line without its line end, once it is complete.
    fn take_line(&mut self, received: &mut Bytes) -> Result<Option<Vec<u8>>, Failure> {
        let room = LINE_SIZE_MAX.saturating_sub(self.buffer.len());
        let end = memchr::memchr(b'\n', &received[..room.min(received.len())]);
        let Some(end) = end else {
            if received.len() >= room {
                return Err(Failure::MalformedBody);
            }
            self.buffer.extend_from_slice(&std::mem::take(received));
            return Ok(None);
        };
        self.buffer.extend_from_slice(&received.split_to(end));
        let _line_feed = received.split_to(1);
        let mut line = std::mem::take(&mut self.buffer);
        if line.pop() != Some(b'\r') {
            return Err(Failure::MalformedBody);
        }
        Ok(Some(line))
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), Failure> {
        let line = std::str::from_utf8(line).map_err(|_| Failure::MalformedBody)?;
        let (size, extensions) = line.split_once(';').unwrap_or((line, ""));
        if !(1..=SIZE_DIGITS_MAX).contains(&size.len()) || !size.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(Failure::MalformedBody);
        }
        let size = u64::from_str_radix(size, 16).map_err(|_| Failure::MalformedBody)?;
        let signature = extensions.split(';').find_map(|extension| extension.strip_prefix("chunk-signature="));
        self.signature = signature.unwrap_or_default().to_owned();
        self.unannounced = self.unannounced.checked_sub(size).ok_or(Failure::IncompleteBody)?;
        if size > 0 {
            self.state = State::Data(size);
            return Ok(());
        }
        self.verify_chunk()?;
        if self.unannounced > 0 {
            return Err(Failure::IncompleteBody);
        }
        self.state = State::Trailer;
        Ok(())
    }

    fn verify_chunk(&mut self) -> Result<(), Failure> {
        let Some(chain) = &mut self.chain else { return Ok(()) };
        let computed = chain.next_chunk(self.sha256.finalize_reset().into());
        if same_signature(computed, &self.signature) { Ok(()) } else { Err(Failure::ChunkSignatureMismatch) }
    }

    fn finish_trailer(&mut self) -> Result<Option<Checksum>, Failure> {
        let block = std::str::from_utf8(&self.buffer).map_err(|_| Failure::MalformedTrailer)?;
        let lines = block.split('\n').map(str::trim);
        if !self.trailer_allowed {
            return if lines.into_iter().all(str::is_empty) { finish_without(self.trailer_announced) } else { Err(Failure::MalformedBody) };
        }
        let Trailer { fields, signature } = Trailer::parse(lines)?;
        if let Some(chain) = &mut self.chain {
            match signature {
                Some(signature) if same_signature(chain.next_trailer(&fields), &signature) => {}
                None if fields.is_empty() => {}
                Some(_) => return Err(Failure::ChunkSignatureMismatch),
                None => return Err(Failure::MalformedTrailer),
            }
        }
        match (fields.as_slice(), self.trailer_announced) {
            ([], announced) => finish_without(announced),
            ([(name, value)], Some(announced)) if name.strip_prefix("x-amz-checksum-") == Some(announced.name_lower()) => {
                let digest = STANDARD.decode(value).map_err(|_| Failure::InvalidTrailerChecksum(announced))?;
                Checksum::new(announced, digest).map(Some).ok_or(Failure::InvalidTrailerChecksum(announced))
            }
            (_, _) => Err(Failure::MalformedTrailer),
        }
    }
}

/// No trailer came: fine unless one was announced.
fn finish_without(announced: Option<ChecksumAlgorithm>) -> Result<Option<Checksum>, Failure> {
    if announced.is_none() { Ok(None) } else { Err(Failure::MalformedTrailer) }
}

/// A trailer block: lower-case names, trimmed values, and the signature apart.
#[derive(Default)]
struct Trailer {
    fields: Vec<(String, String)>,
    signature: Option<String>,
}

impl Trailer {
    /// Reads its lines. After an empty one only the signature may come; anything else lies behind the body's end.
    fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Self, Failure> {
        let mut trailer = Self::default();
        let mut ended = false;
        for line in lines {
            if line.is_empty() {
                ended = true;
                continue;
            }
            let (name, value) = match line.split_once(':') {
                Some((name, value)) => (name.trim().to_ascii_lowercase(), value.trim().to_owned()),
                None if ended => return Err(Failure::MalformedBody),
                None => return Err(Failure::MalformedTrailer),
            };
            if name == TRAILER_SIGNATURE && trailer.signature.is_none() {
                trailer.signature = Some(value);
            } else if ended {
                return Err(Failure::MalformedBody);
            } else {
                trailer.fields.push((name, value));
            }
        }
        Ok(trailer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::sigv4::Scope;
    use proptest::prelude::*;

    const NO_SIGNATURE: &str = "";

    fn signed(trailer: bool) -> Framing {
        let (_, scope) = Scope::parse_credential("ak/20260115/us-east-1/s3/aws4_request").unwrap();
        let seed = "00".repeat(32);
        Framing::signed(scope.signing_key("secret"), "20260115T083000Z".to_owned(), scope.to_string(), seed, trailer)
    }

    /// The wire form of `chunks`, with a CRC32 trailer line when `trailer`.
    fn encode(framing: &Framing, chunks: &[&[u8]], trailer: Option<&str>) -> Vec<u8> {
        let mut chain = framing.chain.clone();
        let mut encoded = Vec::new();
        for chunk in chunks.iter().copied().chain([&b""[..]]) {
            encoded.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
            if let Some(chain) = &mut chain {
                let signature = chain.next_chunk(crate::digest::sha256(chunk)).to_owned();
                encoded.extend_from_slice(format!(";chunk-signature={signature}").as_bytes());
            }
            encoded.extend_from_slice(b"\r\n");
            encoded.extend_from_slice(chunk);
            if !chunk.is_empty() {
                encoded.extend_from_slice(b"\r\n");
            }
        }
        if let Some(value) = trailer {
            encoded.extend_from_slice(format!("x-amz-checksum-crc32:{value}\r\n").as_bytes());
            if let Some(chain) = &mut chain {
                let signature = chain.next_trailer(&[("x-amz-checksum-crc32".to_owned(), value.to_owned())]);
                encoded.extend_from_slice(format!("{TRAILER_SIGNATURE}:{signature}\r\n").as_bytes());
            }
        }
        encoded.extend_from_slice(b"\r\n");
        encoded
    }

    fn decode(
        framing: Framing,
        size: u64,
        trailer: Option<ChecksumAlgorithm>,
        pieces: &[&[u8]],
    ) -> Result<(Vec<u8>, Option<Checksum>), Failure> {
        let mut decoder = Decoder::new(framing, size, trailer);
        let mut decoded = Vec::new();
        for piece in pieces {
            decoder.push(Bytes::copy_from_slice(piece), &mut decoded)?;
        }
        Ok((decoded.concat(), decoder.finish()?))
    }

    fn decode_unsigned(size: u64, trailer: Option<ChecksumAlgorithm>, body: &str) -> Result<(Vec<u8>, Option<Checksum>), Failure> {
        decode(Framing::unsigned(), size, trailer, &[body.as_bytes()])
    }

    const CRC32: Option<ChecksumAlgorithm> = Some(ChecksumAlgorithm::Crc32);

    #[test]
    fn accepts_every_way_a_trailer_ends() {
        for end in [
            "x-amz-checksum-crc32:NhCmhg==\r\n\r\n",
            "X-Amz-Checksum-CRC32: NhCmhg== \r\n\r\n",
            "x-amz-checksum-crc32:NhCmhg==\n\n",
            "x-amz-checksum-crc32:NhCmhg==\n\r\n\r\n",
            "x-amz-checksum-crc32:NhCmhg==\r\n",
            "x-amz-checksum-crc32:NhCmhg==",
        ] {
            let (decoded, checksum) = decode_unsigned(5, CRC32, &format!("5;x=y\r\nhello\r\n0\r\n{end}")).unwrap();
            assert_eq!((decoded.as_slice(), checksum.unwrap().digest()), (&b"hello"[..], &[0x36, 0x10, 0xA6, 0x86][..]), "{end:?}");
        }
        assert_eq!(decode_unsigned(5, None, "5\r\nhello\r\n0\r\n\r\n"), Ok((b"hello".to_vec(), None)));
        assert_eq!(decode_unsigned(5, None, "2\r\nhe\r\n000000000000003;\r\nllo\r\n0\r\n"), Ok((b"hello".to_vec(), None)));
        assert_eq!(decode_unsigned(0, None, ""), Ok((vec![], None)));
    }

    #[test]
    fn accepts_the_empty_line_minio_sends_before_the_trailer_signature() {
        let body = String::from_utf8(encode(&signed(true), &[b"hello"], Some("NhCmhg=="))).unwrap();
        let body = body.replace("==\r\nx-amz-trailer", "==\n\r\nx-amz-trailer");
        assert!(decode(signed(true), 5, CRC32, &[body.as_bytes()]).is_ok());
    }

    #[test]
    fn refuses_broken_framing_by_name() {
        for (body, failure) in [
            ("hello", Failure::IncompleteBody),
            ("5\r\nhel", Failure::IncompleteBody),
            ("5\r\nhello", Failure::IncompleteBody),
            ("5\r\nhello\r\n", Failure::IncompleteBody),
            ("", Failure::IncompleteBody),
            ("4\r\nhell\r\n0\r\n\r\n", Failure::IncompleteBody),
            ("6\r\nhello!\r\n0\r\n\r\n", Failure::IncompleteBody),
            ("5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n", Failure::IncompleteBody),
            ("ffffffffffffffff\r\nhello", Failure::IncompleteBody),
            ("5\nhello\r\n0\r\n\r\n", Failure::MalformedBody),
            ("\r\nhello", Failure::MalformedBody),
            ("+5\r\nhello", Failure::MalformedBody),
            ("5 \r\nhello", Failure::MalformedBody),
            ("00000000000000005\r\nhello", Failure::MalformedBody),
            ("5\r\nhelloo\r\n", Failure::MalformedBody),
            ("5\r\nhello\r\n0\r\n\r\ngarbage", Failure::MalformedBody),
            ("5\r\nhello\r\n0\r\n\r\na:b\r\n", Failure::MalformedBody),
            ("5\r\nhello\r\n0\r\ngarbage\r\n\r\n", Failure::MalformedTrailer),
            ("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n", Failure::MalformedTrailer),
        ] {
            assert_eq!(decode_unsigned(5, None, body), Err(failure), "{body:?}");
        }
        let long_line = format!("5;{}", "x".repeat(LINE_SIZE_MAX));
        assert_eq!(decode_unsigned(5, None, &long_line), Err(Failure::MalformedBody));
        let long_trailer = format!("5\r\nhello\r\n0\r\n{}", "\n".repeat(TRAILER_SIZE_MAX + 1));
        assert_eq!(decode_unsigned(5, None, &long_trailer), Err(Failure::MalformedBody));
    }

    #[test]
    fn refuses_a_trailer_that_was_not_announced_or_is_no_checksum() {
        let crc32 = ChecksumAlgorithm::Crc32;
        for (trailer, failure) in [
            ("", Failure::MalformedTrailer),
            ("x-amz-checksum-crc32c:NhCmhg==", Failure::MalformedTrailer),
            ("x-amz-checksum-crc32:NhCmhg==\r\nx-amz-checksum-crc32:NhCmhg==", Failure::MalformedTrailer),
            ("x-amz-checksum-crc32:NhCm", Failure::InvalidTrailerChecksum(crc32)),
            ("x-amz-checksum-crc32:!", Failure::InvalidTrailerChecksum(crc32)),
        ] {
            assert_eq!(decode_unsigned(0, CRC32, &format!("0\r\n{trailer}\r\n\r\n")), Err(failure), "{trailer:?}");
        }
    }

    #[test]
    fn refuses_signed_chunks_that_were_altered_reordered_or_left_unsigned() {
        let framing = signed(true);
        let body = encode(&framing, &[b"hello", b"world"], Some("NhCmhg=="));
        assert!(decode(framing.clone(), 10, CRC32, &[&body]).is_ok());
        let text = String::from_utf8(body).unwrap();
        let first = text.find(";chunk-signature=").unwrap() + ";chunk-signature=".len();
        for (altered, failure) in [
            (text.replace("hello", "hellO"), Failure::ChunkSignatureMismatch),
            (text.replacen(&text[first..first + 64], NO_SIGNATURE, 1), Failure::ChunkSignatureMismatch),
            (text.replace("NhCmhg", "NhCmhh"), Failure::ChunkSignatureMismatch),
            (text.replace(TRAILER_SIGNATURE, "x-amz-other"), Failure::MalformedTrailer),
            (text.replace("hello", "HELLO").replace("world", "hello").replace("HELLO", "world"), Failure::ChunkSignatureMismatch),
        ] {
            assert_eq!(decode(framing.clone(), 10, CRC32, &[altered.as_bytes()]), Err(failure), "{altered}");
        }
        let unsigned = encode(&Framing::unsigned(), &[b"hello", b"world"], None);
        assert_eq!(decode(framing, 10, None, &[&unsigned]), Err(Failure::ChunkSignatureMismatch));
    }

    #[test]
    fn a_signed_body_without_trailer_word_ends_after_the_last_chunk() {
        let body = encode(&signed(false), &[b"hello"], None);
        assert!(decode(signed(false), 5, None, &[&body]).is_ok());
        assert_eq!(decode(signed(false), 5, None, &[&body, b"x"]), Err(Failure::MalformedBody));
        assert_eq!(decode(signed(false), 5, CRC32, &[&body]), Err(Failure::MalformedTrailer));
    }

    proptest! {
        /// However the network cuts a body, it decodes to the same.
        #[test]
        fn any_split_decodes_the_same(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..200), 0..5),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
            is_signed in any::<bool>(),
            has_trailer in any::<bool>(),
        ) {
            let framing = if is_signed { signed(true) } else { Framing::unsigned() };
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            let body = encode(&framing, &chunks, has_trailer.then_some("NhCmhg=="));
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(body.len() + 1)).collect();
            cuts.extend([0, body.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &body[pair[0]..pair[1]]).collect();
            let size = chunks.iter().map(|chunk| chunk.len() as u64).sum();
            let (decoded, checksum) = decode(framing, size, has_trailer.then_some(ChecksumAlgorithm::Crc32), &pieces).unwrap();
            prop_assert_eq!(decoded, chunks.concat());
            prop_assert_eq!(checksum.is_some(), has_trailer);
        }

        /// Whatever arrives, the decoder answers instead of panicking.
        #[test]
        fn random_bytes_never_panic(
            pieces in prop::collection::vec("([0-9a-fA-F]{0,17}|;chunk-signature=|\r|\n|\r\n|:|x-amz-checksum-crc32:|.|\\PC){0,20}", 0..6),
            size in any::<u64>(),
            is_signed in any::<bool>(),
        ) {
            let framing = if is_signed { signed(true) } else { Framing::unsigned() };
            let pieces: Vec<&[u8]> = pieces.iter().map(String::as_bytes).collect();
            let _answer = decode(framing, size, CRC32, &pieces);
        }
    }
}
