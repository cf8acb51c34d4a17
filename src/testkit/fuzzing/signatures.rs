//! Requests that are signed here: what the signer signs the verifier accepts, and under no other secret.

use super::{Input, NOW, head, requests};
use crate::{
    auth::{
        Addressed, AuthError, Claim, Verified, oss, oss_sign, s3,
        sign::{self, Credentials, SignError},
    },
    dialect::{Dialect, oss::Oss},
    model::Limits,
};
use http::request::Parts;

/// What a signer adds to a query, and thus what a request may not have before; a signer has no answer to that.
const OF_SIGNERS: [&str; 6] = ["x-amz-", "x-oss-", "expires", "signature", "accesskeyid", "security-token"];
/// What a signer adds to a head, or what changes where a verifier looks.
const HEADERS_OF_SIGNERS: [&str; 9] = [
    "authorization",
    "date",
    "security-token",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-oss-content-sha256",
    "x-oss-date",
    "x-oss-security-token",
];

const PAYLOAD_WORDS: [&str; 4] = [
    "UNSIGNED-PAYLOAD",
    "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
];

/// SigV4 in the header and in the query.
pub(super) fn s3(input: &[u8]) {
    let mut input = Input(input);
    let how = input.byte();
    let Some(unsigned) = unsigned(input.rest()) else { return };
    let word = PAYLOAD_WORDS[usize::from(how >> 1 & 3)];
    let sign = |parts: &mut Parts| match how & 1 {
        0 => sign::sign_v4(parts, &credentials(), "mars-1", word, NOW),
        _ => sign::presign_v4(parts, &credentials(), "mars-1", 60, NOW),
    };
    check(&unsigned, sign, s3::claim, &Addressed::default());
}

/// The three versions of OSS in the header and in the query, at every reading of the address.
pub(super) fn oss(input: &[u8]) {
    let mut input = Input(input);
    let how = input.byte();
    let Some(unsigned) = unsigned(input.rest()) else { return };
    let Ok(readings) = (Oss { limits: Limits::OSS }).addresses(&unsigned, &requests::hosts()) else { return };
    for address in readings {
        let bucket_in_host = address.bucket.as_deref().filter(|_| address.virtual_hosted);
        let addressed = Addressed { bucket: address.bucket.as_deref(), key: address.key.as_deref(), bucket_in_host };
        let additional = ["host", "user-agent", "content-length"];
        let sign = |parts: &mut Parts| match how % 6 {
            0 => oss_sign::sign_v1(parts, &credentials(), &addressed, NOW),
            1 => oss_sign::presign_v1(parts, &credentials(), &addressed, 60, NOW),
            2 => oss_sign::sign_v2(parts, &credentials(), &addressed, &additional, NOW),
            3 => oss_sign::presign_v2(parts, &credentials(), &addressed, 60, NOW),
            4 => oss_sign::sign_v4(parts, &credentials(), &addressed, "mars-1", &additional, NOW),
            _ => oss_sign::presign_v4(parts, &credentials(), &addressed, "mars-1", &additional, 60, NOW),
        };
        check(&unsigned, sign, oss::claim, &addressed);
    }
}

fn credentials() -> Credentials {
    Credentials { access_key: "ak".to_owned(), secret_key: "secret".to_owned(), security_token: None }
}

/// A head that nobody has signed.
fn unsigned(input: &[u8]) -> Option<Parts> {
    let (mut parts, _) = head::request(input)?;
    for name in HEADERS_OF_SIGNERS {
        parts.headers.remove(name);
    }
    let query: Vec<u8> = percent_encoding::percent_decode_str(parts.uri.query().unwrap_or_default()).collect();
    let query = String::from_utf8_lossy(&query).to_ascii_lowercase();
    (!OF_SIGNERS.iter().any(|name| query.contains(name))).then_some(parts)
}

fn check(
    unsigned: &Parts,
    sign: impl Fn(&mut Parts) -> Result<(), SignError>,
    claim: impl Fn(&Parts) -> Result<Claim, AuthError>,
    addressed: &Addressed<'_>,
) {
    let mut signed = unsigned.clone();
    if sign(&mut signed).is_err() {
        return;
    }
    let claimed = match claim(&signed) {
        Ok(Claim::Signed(claimed)) => claimed,
        other => panic!("{signed:?} is not seen as signed: {other:?}"),
    };
    assert_eq!(claimed.access_key, "ak");
    let verified = claimed.verify(&signed, addressed, "secret", NOW);
    assert!(matches!(verified, Ok(Verified { .. })), "{signed:?}: {verified:?}");
    let verified = claimed.verify(&signed, addressed, "Secret", NOW);
    assert!(matches!(verified, Err(AuthError::SignatureMismatch { .. })), "{signed:?}: {verified:?}");
    // Nobody can change the method of what somebody else has signed.
    signed.method = http::Method::from_bytes(b"OTHER").expect("it is a token");
    let verified = claimed.verify(&signed, addressed, "secret", NOW);
    assert!(matches!(verified, Err(AuthError::SignatureMismatch { .. })), "{signed:?}: {verified:?}");
}
