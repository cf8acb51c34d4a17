//! Signed requests of real S3 clients (`vectors/s3.json`): each verifies with the clock at its signing time, and none
//! verifies any more once a byte that its signature covers is another one.

mod vectors;

use bytes::Bytes;
use partway::{
    auth::{
        Addressed, AuthError, Claim, Payload, SignedClaim, Verified,
        chunked::{Decoder, Framing},
        form::{self, FormClaim, FormError, FormGrant},
        s3::claim,
    },
    digest::{Hasher, sha256},
    model::{Checksum, ChecksumAlgorithm, Failure, Timestamp},
};
use std::collections::BTreeMap;
use vectors::{Vector, flip, flip_last};

impl Vector {
    fn all() -> Vec<Self> {
        Self::read(include_str!("vectors/s3.json"))
    }

    fn with_scheme(prefixes: &[&str]) -> Vec<Self> {
        let wanted = |vector: &Self| vector.text("dialect") == "s3" && prefixes.iter().any(|prefix| vector.text("scheme") == *prefix);
        Self::all().into_iter().filter(wanted).collect()
    }

    fn bucket_in_host(&self) -> Option<&str> {
        (self.text("addressing") == "virtual").then(|| self.text("bucket"))
    }

    fn verify(&self, target: &str, headers: &[(String, String)]) -> Result<(Box<SignedClaim>, Verified), AuthError> {
        self.verify_with(target, headers, self.text("secret_key"), self.now())
    }

    fn verify_with(
        &self,
        target: &str,
        headers: &[(String, String)],
        secret: &str,
        now: Timestamp,
    ) -> Result<(Box<SignedClaim>, Verified), AuthError> {
        let parts = self.head(target, headers);
        match claim(&parts)? {
            Claim::Anonymous => panic!("{} is taken for anonymous", self.name()),
            Claim::Signed(signed) => {
                let verified =
                    signed.verify(&parts, &Addressed { bucket_in_host: self.bucket_in_host(), ..Addressed::default() }, secret, now)?;
                Ok((signed, verified))
            }
        }
    }

    /// The body as the server's HTTP layer hands it on: without the framing of `Transfer-Encoding: chunked`.
    fn body(&self) -> Vec<u8> {
        let wire: Vec<u8> = match self.0["body_parts"].as_array() {
            None => self.text("body").as_bytes().to_vec(),
            Some(parts) => parts
                .iter()
                .flat_map(|part| match part.as_str() {
                    Some(text) => text.as_bytes().to_vec(),
                    None => {
                        let count = part["count"].as_u64().and_then(|count| usize::try_from(count).ok()).expect("a repeat has a count");
                        part["repeat"].as_str().expect("a repeat has a text").repeat(count).into_bytes()
                    }
                })
                .collect(),
        };
        assert_eq!(hex::encode(sha256(&wire)), self.text("body_sha256"), "{}", self.name());
        if self.header("transfer-encoding").is_some() { without_http_chunks(&wire) } else { wire }
    }

    fn decode(&self, framing: Framing, body: &[u8], piece_size: usize) -> Result<(Vec<u8>, Option<Checksum>), Failure> {
        let size =
            self.header("x-amz-decoded-content-length").expect("streaming requests tell their size").parse().expect("it is a number");
        let mut decoder = Decoder::new(framing, size, self.announced());
        let mut decoded = Vec::new();
        for piece in body.chunks(piece_size) {
            decoder.push(Bytes::copy_from_slice(piece), &mut decoded)?;
        }
        Ok((decoded.concat(), decoder.finish()?))
    }

    fn announced(&self) -> Option<ChecksumAlgorithm> {
        let name = self.header("x-amz-trailer")?;
        ChecksumAlgorithm::parse(name.strip_prefix("x-amz-checksum-").expect("trailers are checksums"))
    }

    fn verify_form(&self, fields: &[(String, String)]) -> Result<FormGrant, FormError> {
        match form::claim(fields)? {
            FormClaim::Anonymous => panic!("{} is taken for anonymous", self.name()),
            FormClaim::Signed(signed) => {
                assert_eq!(signed.security_token.as_deref(), self.find("session_token"), "{}", self.name());
                signed.verify(fields, self.text("bucket"), self.text("secret_key"), self.now())
            }
        }
    }
}

fn without_http_chunks(mut wire: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line_end = wire.windows(2).position(|pair| pair == b"\r\n").expect("a chunk has a size line");
        let size = std::str::from_utf8(&wire[..line_end]).ok().and_then(|size| usize::from_str_radix(size, 16).ok()).expect("in hex");
        if size == 0 {
            return body;
        }
        let data = &wire[line_end + 2..];
        body.extend_from_slice(&data[..size]);
        wire = &data[size + 2..];
    }
}

const IN_HEADER: [&str; 5] =
    ["SigV4-header", "SigV4-streaming-signed", "SigV4-streaming-signed-trailer", "SigV4-streaming-unsigned-trailer", "SigV2-header"];
const IN_QUERY: [&str; 2] = ["SigV4-url", "SigV2-url"];
const STREAMING: [&str; 3] = ["SigV4-streaming-signed", "SigV4-streaming-signed-trailer", "SigV4-streaming-unsigned-trailer"];
const IN_FORM: [&str; 2] = ["SigV4-post", "SigV2-post"];

#[test]
fn every_vector_is_covered_by_a_test_or_skipped_for_a_reason() {
    let mut counts = BTreeMap::new();
    for vector in Vector::all() {
        let scheme = match vector.text("dialect") {
            "s3" => vector.text("scheme").to_owned(),
            dialect => {
                println!("skipped: {}: {dialect} has a service and a body hash of its own", vector.name());
                "skipped".to_owned()
            }
        };
        *counts.entry(scheme).or_insert(0) += 1;
    }
    let expected = [
        ("SigV2-header", 3),
        ("SigV2-post", 1),
        ("SigV2-url", 2),
        ("SigV4-header", 20),
        ("SigV4-post", 1),
        ("SigV4-streaming-signed", 4),
        ("SigV4-streaming-signed-trailer", 3),
        ("SigV4-streaming-unsigned-trailer", 2),
        ("SigV4-url", 3),
        ("skipped", 1),
    ];
    assert_eq!(counts, expected.into_iter().map(|(scheme, count)| (scheme.to_owned(), count)).collect());
    for (scheme, _) in &expected[..9] {
        assert!(IN_HEADER.iter().chain(&IN_QUERY).chain(&IN_FORM).any(|covered| covered == scheme), "{scheme}");
    }
}

#[test]
fn every_signed_head_verifies_at_its_signing_time() {
    for vector in Vector::with_scheme(&[&IN_HEADER[..], &IN_QUERY].concat()) {
        let (signed, verified) =
            vector.verify(&vector.target(), &vector.headers()).unwrap_or_else(|error| panic!("{}: {error:?}", vector.name()));
        assert_eq!(signed.access_key, vector.text("access_key"), "{}", vector.name());
        assert_eq!(signed.security_token.as_deref(), vector.find("session_token"), "{}", vector.name());
        match (vector.text("scheme"), verified.payload) {
            ("SigV4-header", Payload::Sha256(expected)) => assert_eq!(sha256(&vector.body()), expected, "{}", vector.name()),
            ("SigV4-url" | "SigV2-url" | "SigV2-header", Payload::Unsigned) => {}
            (scheme, Payload::Chunked(_)) if STREAMING.contains(&scheme) => {}
            (scheme, payload) => panic!("{} ({scheme}) has {payload:?}", vector.name()),
        }
    }
}

#[test]
fn every_head_is_signed_over_the_expected_strings() {
    for vector in Vector::with_scheme(&[&IN_HEADER[..], &IN_QUERY].concat()) {
        let refusal = vector.verify_with(&vector.target(), &vector.headers(), "another secret", vector.now()).map(|_| ());
        let Err(AuthError::SignatureMismatch { access_key, string_to_sign, canonical_request, provided }) = refusal else {
            panic!("{}: {refusal:?}", vector.name());
        };
        assert_eq!(access_key, vector.text("access_key"), "{}", vector.name());
        assert_eq!(string_to_sign, vector.text("expected_string_to_sign"), "{}", vector.name());
        assert_eq!(canonical_request.as_deref(), vector.find("expected_canonical_request"), "{}", vector.name());
        let expected = vector.find("expected_signature").unwrap_or_else(|| vector.text("expected_authorization"));
        assert!(expected.ends_with(&provided), "{}", vector.name());
    }
}

#[test]
fn no_signature_is_good_for_ever() {
    for vector in Vector::with_scheme(&[&IN_HEADER[..], &IN_QUERY].concat()) {
        let verify_after = |minutes: i64| {
            let now = vector.now().plus_millis(minutes * 60_000);
            vector.verify_with(&vector.target(), &vector.headers(), vector.text("secret_key"), now).map(|_| ())
        };
        assert_eq!(verify_after(0), Ok(()), "{}", vector.name());
        if IN_HEADER.contains(&vector.text("scheme")) {
            assert_eq!((verify_after(-15), verify_after(15)), (Ok(()), Ok(())), "{}", vector.name());
            for minutes in [-16, 16] {
                let refusal = verify_after(minutes);
                assert!(matches!(refusal, Err(AuthError::ClockSkewed { .. })), "{}: {refusal:?}", vector.name());
            }
        } else {
            let refusal = verify_after(61);
            assert!(matches!(refusal, Err(AuthError::Expired { .. })), "{}: {refusal:?}", vector.name());
        }
    }
}

#[test]
fn a_flipped_byte_in_a_header_signature_is_refused() {
    for vector in Vector::with_scheme(&IN_HEADER) {
        let authorization = vector.header("authorization").expect("the signature is in the header");
        let start = authorization.rfind(['=', ':']).expect("the signature follows a sign");
        // Base64 ends in the very sign that precedes a hex signature.
        let start = if authorization.starts_with("AWS ") { authorization.find(':').expect("a colon") } else { start };
        for index in start + 1..authorization.len() {
            let mut headers = vector.headers();
            let altered = headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).expect("it is there");
            altered.1 = flip(&authorization, index);
            let refusal = vector.verify(&vector.target(), &headers).map(|_| ());
            assert!(matches!(refusal, Err(AuthError::SignatureMismatch { .. })), "{} at {index}: {refusal:?}", vector.name());
        }
    }
}

#[test]
fn a_flipped_byte_in_any_signed_header_is_refused() {
    let mut count = 0;
    for vector in Vector::with_scheme(&IN_HEADER) {
        let authorization = vector.header("authorization").expect("the signature is in the header");
        let listed = authorization.split(&[',', ' '][..]).find_map(|part| part.strip_prefix("SignedHeaders="));
        let is_signed = |name: &str| match listed {
            Some(listed) => listed.split(';').any(|signed| signed == name),
            None => name.starts_with("x-amz-") || name == "date" || name == "content-type",
        };
        for (index, (name, value)) in vector.headers().into_iter().enumerate() {
            if is_signed(&name.to_ascii_lowercase()) {
                let mut headers = vector.headers();
                headers[index].1 = flip_last(&value);
                assert!(vector.verify(&vector.target(), &headers).is_err(), "{} {name}", vector.name());
                headers.remove(index);
                assert!(vector.verify(&vector.target(), &headers).is_err(), "{} without {name}", vector.name());
                count += 1;
            }
        }
    }
    assert!(count > 150, "only {count} headers were tried");
}

#[test]
fn a_flipped_byte_in_the_target_is_refused() {
    // These are not signed in SigV2: they select nothing that needs a permission of its own.
    let unsigned_in_v2 = |vector: &Vector, name: &str| vector.text("scheme").starts_with("SigV2") && name == "AWSAccessKeyId";
    for vector in Vector::with_scheme(&[&IN_HEADER[..], &IN_QUERY].concat()) {
        let target = vector.target();
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let altered = format!("{}?{query}", flip_last(path));
        assert!(vector.verify(&altered, &vector.headers()).is_err(), "{} {altered}", vector.name());
        let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        for (index, (name, value)) in pairs.iter().enumerate().filter(|(_, (_, value))| !value.is_empty()) {
            let mut pairs = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
            pairs[index] = format!("{name}={}", flip_last(value));
            let altered = format!("{path}?{}", pairs.join("&"));
            if !unsigned_in_v2(&vector, name) {
                assert!(vector.verify(&altered, &vector.headers()).is_err(), "{} {altered}", vector.name());
            }
        }
    }
}

#[test]
fn a_flipped_byte_in_a_covered_body_is_refused() {
    for vector in Vector::with_scheme(&["SigV4-header"]) {
        let (_, verified) = vector.verify(&vector.target(), &vector.headers()).expect("it verifies");
        let mut body = vector.body();
        match body.last_mut() {
            Some(last) => *last ^= 1,
            None => body.push(0),
        }
        assert_ne!(verified.payload, Payload::Sha256(sha256(&body)), "{}", vector.name());
    }
}

fn framing_of(vector: &Vector) -> Framing {
    match vector.verify(&vector.target(), &vector.headers()).expect("it verifies").1.payload {
        Payload::Chunked(framing) => *framing,
        payload => panic!("{} has {payload:?}", vector.name()),
    }
}

#[test]
fn every_streaming_body_decodes_with_its_chunk_signatures_and_trailers() {
    for vector in Vector::with_scheme(&STREAMING) {
        let body = vector.body();
        for piece_size in [1, 7, 4096, body.len()] {
            let decoded = vector.decode(framing_of(&vector), &body, piece_size);
            let (decoded, checksum) = decoded.unwrap_or_else(|failure| panic!("{}: {failure:?}", vector.name()));
            assert_eq!(hex::encode(sha256(&decoded)), vector.text("decoded_body_sha256"), "{}", vector.name());
            let expected = vector.announced().map(|algorithm| {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(&decoded);
                hasher.finish()
            });
            assert_eq!(checksum, expected, "{}", vector.name());
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        let sent: Vec<&str> = text.split(";chunk-signature=").skip(1).map(|rest| &rest[..64]).collect();
        let expected: Vec<String> = serde_json::from_value(vector.0["expected_chunk_signatures"].clone()).unwrap_or_default();
        assert_eq!(sent, expected, "{}", vector.name());
        if let Some(signature) = vector.find("expected_trailer_signature") {
            assert!(text.contains(&format!("x-amz-trailer-signature:{signature}\r\n")), "{}", vector.name());
        }
    }
}

#[test]
fn a_flipped_byte_anywhere_in_a_signed_streaming_body_is_refused() {
    for vector in Vector::with_scheme(&["SigV4-streaming-signed", "SigV4-streaming-signed-trailer"]) {
        let body = vector.body();
        let last_chunk = body.windows(17).rposition(|window| window == b"0;chunk-signature").expect("it has a last chunk");
        // Every byte of the framing, and of long runs of data a few.
        let runs = |index: usize| index > 512 && index + 512 < body.len() && body[index - 400..index].iter().all(|&byte| byte == b'a');
        for index in (0..body.len()).filter(|&index| !runs(index) || index % 9973 == 0) {
            let mut altered = body.clone();
            altered[index] ^= 1;
            // Line ends after the last chunk's line may be other white space: they carry nothing.
            let outcome = vector.decode(framing_of(&vector), &altered, altered.len());
            let is_last_line_end = index >= last_chunk + 84 && matches!(body[index], b'\r' | b'\n');
            assert!(outcome.is_err() || is_last_line_end, "{} at {index}", vector.name());
        }
    }
}

#[test]
fn a_flipped_byte_in_an_unsigned_streaming_body_no_longer_matches_its_trailer() {
    for vector in Vector::with_scheme(&["SigV4-streaming-unsigned-trailer"]) {
        let text = String::from_utf8(vector.body()).expect("it is text");
        let altered = text.replacen('l', "m", 1);
        assert_ne!(text, altered);
        let (decoded, checksum) = vector.decode(framing_of(&vector), altered.as_bytes(), 3).expect("the framing is intact");
        let mut hasher = Hasher::new(vector.announced().expect("it has a trailer"));
        hasher.update(&decoded);
        assert_ne!(Some(hasher.finish()), checksum, "{}", vector.name());
    }
}

#[test]
fn every_form_verifies_and_none_does_with_a_flipped_byte() {
    for vector in Vector::with_scheme(&IN_FORM) {
        let fields = vector.form_fields();
        assert_eq!(vector.verify_form(&fields), Ok(FormGrant { content_length_range: Some((1, 1_048_576)) }), "{}", vector.name());
        for (index, (name, value)) in fields.iter().enumerate() {
            let mut altered = fields.clone();
            altered[index].1 = flip(value, 0);
            let refusal = match form::claim(&altered) {
                Err(refusal) => Err(refusal),
                Ok(FormClaim::Anonymous) => panic!("{} is taken for anonymous", vector.name()),
                Ok(FormClaim::Signed(signed)) => {
                    signed.verify(&altered, vector.text("bucket"), vector.text("secret_key"), vector.now()).map(|_| signed.access_key)
                }
            };
            // SigV2 signs the policy alone; another access key has another secret.
            let is_other_key = refusal.as_ref().is_ok_and(|access_key| access_key != vector.text("access_key"));
            assert!(refusal.is_err() || is_other_key, "{} {name}", vector.name());
        }
        let mut extra = fields.clone();
        extra.push(("x-amz-meta-extra".to_owned(), "1".to_owned()));
        assert!(matches!(vector.verify_form(&extra), Err(FormError::AccessDenied(_))), "{}", vector.name());
    }
}
