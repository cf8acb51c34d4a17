//! The signature by which an application knows that a callback is from this deployment (OSS "Callback", signature).
//!
//! OSS signs with RSA, PKCS#1 v1.5 and MD5, and so do we: it is what applications verify. The key is for nothing else.

use crate::digest;
use percent_encoding::percent_decode_str;
use rsa::{
    Pkcs1v15Sign, RsaPrivateKey, RsaPublicKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, LineEnding},
    rand_core::OsRng,
};

/// Where the server shows the public key. No bucket has a name that begins with a dot.
pub const PUBLIC_KEY_PATH: &str = "/.partway/callback_pub_key.pem";

const KEY_SIZE_BITS: usize = 2048;

/// What stands before an MD5 in a PKCS#1 v1.5 signature: the head of a `DigestInfo` (RFC 8017 §9.2, note 1).
const MD5_PREFIX: [u8; 18] = [0x30, 0x20, 0x30, 0x0C, 0x06, 0x08, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x02, 0x05, 0x05, 0x00, 0x04, 0x10];

/// Signs callbacks. `Debug` never shows the key.
pub struct Signer {
    key: RsaPrivateKey,
    public_key_pem: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("public_key_pem", &self.public_key_pem).finish_non_exhaustive()
    }
}

impl Signer {
    /// A new private key, as the data directory keeps it (PKCS#8, PEM). Takes a moment.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new_key_pem() -> Result<String, String> {
        let key = RsaPrivateKey::new(&mut OsRng, KEY_SIZE_BITS).map_err(|error| error.to_string())?;
        Ok(key.to_pkcs8_pem(LineEnding::LF).map_err(|error| error.to_string())?.to_string())
    }

    /// Signs with this private key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_pem(pem: &str) -> Result<Self, String> {
        let key = RsaPrivateKey::from_pkcs8_pem(pem).map_err(|error| error.to_string())?;
        let public = RsaPublicKey::from(&key);
        let public_key_pem = public.to_public_key_pem(LineEnding::LF).map_err(|error| error.to_string())?;
        Ok(Self { key, public_key_pem })
    }

    /// The public key as applications fetch it (SubjectPublicKeyInfo, PEM).
    #[must_use]
    pub fn public_key_pem(&self) -> &str {
        &self.public_key_pem
    }

    /// Signs a request. The key is blinded, so that how long this takes tells nothing of it (RUSTSEC-2023-0071). Works
    /// for milliseconds.
    ///
    /// # Errors
    /// When the signature does not verify afterwards: the machine has miscalculated.
    pub(super) fn sign(&self, path_and_query: &str, body: &[u8]) -> Result<Vec<u8>, rsa::Error> {
        let digest = digest::md5(&signed_text(path_and_query, body));
        self.key.sign_with_rng(&mut OsRng, scheme(), &digest)
    }
}

fn scheme() -> Pkcs1v15Sign {
    Pkcs1v15Sign { hash_len: Some(16), prefix: Box::new(MD5_PREFIX) }
}

/// The path decoded, the query as it is sent with its `?`, a line feed, and the body.
fn signed_text(path_and_query: &str, body: &[u8]) -> Vec<u8> {
    let (path, query) = path_and_query.split_at(path_and_query.find('?').unwrap_or(path_and_query.len()));
    let mut text: Vec<u8> = percent_decode_str(path).collect();
    text.extend_from_slice(query.as_bytes());
    text.push(b'\n');
    text.extend_from_slice(body);
    text
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rsa::pkcs8::DecodePublicKey;
    use std::sync::{Arc, OnceLock};

    /// One key for all tests: making one takes a while.
    pub(in crate::events) fn signer() -> Arc<Signer> {
        static SIGNER: OnceLock<Arc<Signer>> = OnceLock::new();
        let make = || Arc::new(Signer::from_pem(&Signer::new_key_pem().unwrap()).unwrap());
        Arc::clone(SIGNER.get_or_init(make))
    }

    /// As an application does it, from the PEM it fetched.
    pub(in crate::events) fn verifies(public_key_pem: &str, path_and_query: &str, body: &[u8], signature: &[u8]) -> bool {
        let key = RsaPublicKey::from_public_key_pem(public_key_pem).unwrap();
        key.verify(scheme(), &digest::md5(&signed_text(path_and_query, body)), signature).is_ok()
    }

    #[test]
    fn what_is_signed_is_the_decoded_path_the_raw_query_and_the_body() {
        for (path_and_query, expected) in [
            ("/", "/\nB"),
            ("/a%2Fb%20c?x=%20&y", "/a/b c?x=%20&y\nB"),
            ("/%E5%9B%BE.php?", "/图.php?\nB"),
            ("/a+b%3F?c?d", "/a+b??c?d\nB"),
        ] {
            assert_eq!(String::from_utf8(signed_text(path_and_query, b"B")).unwrap(), expected, "{path_and_query}");
        }
    }

    #[test]
    fn a_signature_verifies_with_the_public_key_and_for_nothing_else() {
        let signer = signer();
        let pem = signer.public_key_pem();
        assert!(pem.starts_with("-----BEGIN PUBLIC KEY-----\n") && pem.ends_with("-----END PUBLIC KEY-----\n"), "{pem}");
        let signature = signer.sign("/cb?a=1", b"body").unwrap();
        assert_eq!(signature.len(), KEY_SIZE_BITS / 8);
        assert!(verifies(pem, "/cb?a=1", b"body", &signature));
        assert!(!verifies(pem, "/cb?a=2", b"body", &signature));
        assert!(!verifies(pem, "/cb?a=1", b"Body", &signature));
        assert_eq!(signer.sign("/cb?a=1", b"body").unwrap(), signature, "blinding does not show in the signature");
    }

    /// Made with `openssl dgst -md5 -sign` over the text `/a b?c=d\nbody` and this key.
    #[test]
    fn a_signature_is_what_others_make_of_the_same_key() {
        let key = include_str!("../../tests/vectors/callback_key.pem");
        let expected = include_str!("../../tests/vectors/callback_signature.hex");
        let signer = Signer::from_pem(key).unwrap();
        assert_eq!(hex::encode(signer.sign("/a%20b?c=d", b"body").unwrap()), expected.trim());
    }

    #[test]
    fn a_key_that_is_none_is_refused_and_never_shown() {
        assert!(Signer::from_pem("").is_err());
        assert!(Signer::from_pem(signer().public_key_pem()).is_err(), "a public key does not sign");
        let pem = Signer::new_key_pem().unwrap();
        let line = pem.lines().nth(5).unwrap();
        assert!(!format!("{:?}", Signer::from_pem(&pem).unwrap()).contains(line));
    }
}
