//! aws-chunked bodies: any bytes in any pieces, and bodies that are signed here and then perhaps altered.

use super::{Input, NOW, pieces};
use crate::{
    auth::{
        Addressed, Claim, Payload,
        chunked::{Decoder, Framing},
        s3,
        sign::{self, Credentials},
    },
    model::{Checksum, ChecksumAlgorithm, Failure},
};
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Request;
use sha2::{Digest as _, Sha256};

const SECRET: &str = "secret";
const REGION: &str = "us-east-1";
const SCOPE: &str = "20260115/us-east-1/s3/aws4_request";
const DATE: &str = "20260115T083000Z";
const SIGNED: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD";
const SIGNED_TRAILER: &str = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER";
const UNSIGNED: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

type Decoded = Result<(Vec<u8>, Option<Checksum>), Failure>;

/// Bytes as they may come: however they are cut, they decode to the same.
pub(super) fn received(input: &[u8]) {
    let mut input = Input(input);
    let (how, seed, size) = (input.byte(), input.byte(), input.byte());
    let body = input.rest();
    let (framing, _) = framing([UNSIGNED, SIGNED, SIGNED_TRAILER][usize::from(how % 3)]);
    let size = if size == u8::MAX { u64::MAX } else { u64::from(size) };
    let trailer = (how & 0x80 != 0).then_some(ChecksumAlgorithm::Crc32);
    let whole = decode(framing.clone(), size, trailer, &[body]);
    if let Ok((decoded, checksum)) = &whole {
        assert_eq!(decoded.len() as u64, size);
        assert_eq!(checksum.as_ref().map(Checksum::algorithm), trailer);
    }
    assert_eq!(decode(framing.clone(), size, trailer, &pieces(body, seed)), whole);
    assert_eq!(decode(framing, size, trailer, &body.chunks(1).collect::<Vec<_>>()), whole);
}

/// A body as clients send it: sizes of chunks, then bytes. It decodes to these bytes; altered at one place it decodes to
/// nothing else.
pub(super) fn sent(input: &[u8]) {
    let mut input = Input(input);
    let (how, seed) = (input.byte(), input.byte());
    let (place, flip) = (usize::from(input.byte()) << 8 | usize::from(input.byte()), input.byte());
    let sizes: Vec<usize> = (0..how >> 4).map(|_| usize::from(input.byte()).max(1)).collect();
    let data = input.rest();
    let mut chunks: Vec<&[u8]> = Vec::new();
    let mut rest = data;
    for size in sizes {
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        chunks.push(chunk);
        rest = after;
    }
    chunks.push(rest);
    chunks.retain(|chunk| !chunk.is_empty());

    let word = [UNSIGNED, SIGNED, SIGNED_TRAILER][usize::from(how % 3)];
    let trailer = (word != SIGNED && how & 4 != 0).then_some(ChecksumAlgorithm::Crc32);
    let (framing, seed_signature) = framing(word);
    let mut body = encode(&chunks, word != UNSIGNED, trailer.is_some(), &seed_signature);
    let size = data.len() as u64;
    let expected = decode(framing.clone(), size, trailer, &pieces(&body, seed)).expect("what was encoded decodes");
    assert_eq!((expected.0.as_slice(), expected.1.is_some()), (data, trailer.is_some()));

    let at = place % body.len();
    body[at] ^= flip;
    let altered = decode(framing, size, trailer, &pieces(&body, seed));
    if word != UNSIGNED && altered.is_ok() {
        assert_eq!(altered, Ok(expected), "an altered body passed for what was signed");
    }
}

fn decode(framing: Framing, size: u64, trailer: Option<ChecksumAlgorithm>, pieces: &[&[u8]]) -> Decoded {
    let mut decoder = Decoder::new(framing, size, trailer);
    let mut decoded = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece), &mut decoded)?;
    }
    let checksum = decoder.finish()?;
    Ok((decoded.concat(), checksum))
}

/// The framing of a verified head, and the signature that the chunks are chained to.
fn framing(word: &str) -> (Framing, String) {
    let request = Request::put("/b/k").header("host", "h").body(()).expect("the head is in order");
    let (mut parts, ()) = request.into_parts();
    let credentials = Credentials { access_key: "ak".to_owned(), secret_key: SECRET.to_owned(), security_token: None };
    sign::sign_v4(&mut parts, &credentials, REGION, word, NOW).expect("the head can be signed");
    let authorization = parts.headers["authorization"].to_str().expect("it is text");
    let (_, signature) = authorization.rsplit_once("Signature=").expect("it has a signature");
    let signature = signature.to_owned();
    let Ok(Claim::Signed(claim)) = s3::claim(&parts) else { panic!("the head is signed") };
    match claim.verify(&parts, &Addressed::default(), SECRET, NOW).map(|verified| verified.payload) {
        Ok(Payload::Chunked(framing)) => (*framing, signature),
        other => panic!("the head announces chunks: {other:?}"),
    }
}

/// The wire form, with signatures made here and not by what is tested (S3 API Reference, "Transferring Payload in Multiple
/// Chunks").
fn encode(chunks: &[&[u8]], is_signed: bool, has_trailer: bool, seed: &str) -> Vec<u8> {
    let key = ["20260115", REGION, "s3", "aws4_request"]
        .iter()
        .fold(format!("AWS4{SECRET}").into_bytes(), |key, step| hmac_sha256(&key, step.as_bytes()));
    let mut previous = seed.to_owned();
    let mut sign = |algorithm: &str, hashes: String| {
        let text = format!("{algorithm}\n{DATE}\n{SCOPE}\n{previous}\n{hashes}");
        previous = hex::encode(hmac_sha256(&key, text.as_bytes()));
        previous.clone()
    };
    let sha256 = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    let mut body = Vec::new();
    for chunk in chunks.iter().chain([&&b""[..]]) {
        body.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
        if is_signed {
            let signature = sign("AWS4-HMAC-SHA256-PAYLOAD", format!("{}\n{}", sha256(b""), sha256(chunk)));
            body.extend_from_slice(format!(";chunk-signature={signature}").as_bytes());
        }
        body.extend_from_slice(b"\r\n");
        body.extend_from_slice(chunk);
        body.extend_from_slice(if chunk.is_empty() { b"" } else { b"\r\n" });
    }
    if has_trailer {
        body.extend_from_slice(b"x-amz-checksum-crc32:NhCmhg==\r\n");
        if is_signed {
            let signature = sign("AWS4-HMAC-SHA256-TRAILER", sha256(b"x-amz-checksum-crc32:NhCmhg==\n"));
            body.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
        }
    }
    body.extend_from_slice(b"\r\n");
    body
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}
