//! Secrets at rest: sealed with a key from a file, or in clear when there is none.
//!
//! ```text
//! partway-sealed 1 <key id> <base64 of nonce (12) ‖ ciphertext ‖ tag (16)>
//! ```
//!
//! - AES-256-GCM with a random nonce. Kind and name of what is sealed are authenticated with it, so that no sealed secret
//!   can be put in the place of another.
//! - A sealed secret stands where the one in clear did. They cannot be confused: no secret of ours begins like that, with
//!   spaces in it.
//! - The first key seals, all of them open. The id tells which one it was and nothing else about the key.
//! - Nothing here has a `Debug` that shows a key or a secret.
//!
//! docs/adr/0011-secrets-at-rest.md has the reasons.

mod key_file;

pub use key_file::{KeyFileError, new_key_file};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use std::{fmt, path::Path};

const MARK: &str = "partway-sealed 1 ";

/// Names a key without telling it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; 8]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl KeyId {
    /// Reads what `Display` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 8];
        hex::decode_to_slice(text, &mut id).ok()?;
        // One way to write it, as for all that is sealed.
        Some(Self(id)).filter(|id| id.to_string() == text)
    }
}

/// What is sealed, so that one cannot stand for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The secret of an access key in the index; its name is the access key.
    AccessKey,
    /// The file of the root key.
    RootKey,
    /// The file of the key that signs callbacks.
    CallbackKey,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::AccessKey => "access-key",
            Self::RootKey => "root-key",
            Self::CallbackKey => "callback-key",
        }
    }
}

/// Why a sealed secret does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed with another key.
    #[error("it is sealed with key {0}, which is in no key file that was given")]
    NoSuchKey(KeyId),
    /// It is not what was sealed, or not sealed for this place.
    #[error("it is damaged, or was moved here from elsewhere")]
    Damaged,
}

struct Key {
    id: KeyId,
    key: LessSafeKey,
}

/// The keys that secrets are sealed with; none when they stay in clear.
#[derive(Default)]
pub struct Vault {
    keys: Vec<Key>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| key.id)).finish()
    }
}

impl Vault {
    /// Leaves secrets in clear.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Seals with the key in the first file, and opens with those in all of them.
    ///
    /// # Errors
    /// See [`KeyFileError`].
    pub fn load<'a>(files: impl IntoIterator<Item = &'a Path>) -> Result<Self, KeyFileError> {
        let keys = files.into_iter().map(|file| Ok(Key::new(&key_file::read(file)?)));
        Ok(Self { keys: keys.collect::<Result<_, KeyFileError>>()? })
    }

    /// Seals with the key in a key file of this text; `None` when there is none in it: for fuzzing.
    #[doc(hidden)]
    #[must_use]
    pub fn of_key_file(text: &str) -> Option<Self> {
        Some(Self { keys: vec![Key::new(&key_file::parse(text)?)] })
    }

    /// The key that seals; `None` when nothing is sealed.
    #[must_use]
    pub fn current(&self) -> Option<KeyId> {
        self.keys.first().map(|key| key.id)
    }

    /// Whether there is this key.
    #[must_use]
    pub fn has(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id == id)
    }

    /// Seals a secret for its place; without a key it stays as it is.
    #[must_use]
    pub fn seal(&self, kind: Kind, name: &str, secret: &str) -> String {
        let Some(Key { id, key }) = self.keys.first() else { return secret.to_owned() };
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).expect("the kernel has randomness once it is up");
        let mut text = secret.as_bytes().to_vec();
        let place = place(kind, name);
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut text)
            .expect("a secret is short");
        format!("{MARK}{id} {}", STANDARD.encode([nonce.as_slice(), &text].concat()))
    }

    /// The secret; one that is not sealed is as it is.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(&self, kind: Kind, name: &str, text: &str) -> Result<String, OpenError> {
        let Some(sealed) = text.strip_prefix(MARK) else { return Ok(text.to_owned()) };
        let (id, sealed) = sealed.trim_end().split_once(' ').ok_or(OpenError::Damaged)?;
        let id = KeyId::parse(id).ok_or(OpenError::Damaged)?;
        let key = self.keys.iter().find(|key| key.id == id).ok_or(OpenError::NoSuchKey(id))?;
        let bytes = STANDARD.decode(sealed).map_err(|_| OpenError::Damaged)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(OpenError::Damaged)?;
        let mut sealed = sealed.to_vec();
        let place = place(kind, name);
        let opened = key.key.open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(place.as_bytes()), &mut sealed);
        let secret = std::str::from_utf8(opened.map_err(|_| OpenError::Damaged)?).map(str::to_owned);
        key_file::forget(&mut sealed);
        secret.map_err(|_| OpenError::Damaged)
    }

    /// Whether a stored text is as [`Self::seal`] would leave it now: sealed with the current key, or in clear without one.
    #[must_use]
    pub fn is_current(&self, text: &str) -> bool {
        let sealed_with = text.strip_prefix(MARK).and_then(|rest| KeyId::parse(rest.split(' ').next()?));
        sealed_with == self.current() && is_sealed(text) == self.current().is_some()
    }
}

/// Whether a stored text is a sealed one.
#[must_use]
pub fn is_sealed(text: &str) -> bool {
    text.starts_with(MARK)
}

impl Key {
    fn new(bytes: &[u8; 32]) -> Self {
        let mut named = b"partway secrets key id, version 1\0".to_vec();
        named.extend_from_slice(bytes);
        let digest = ring::digest::digest(&ring::digest::SHA256, &named);
        key_file::forget(&mut named);
        let id = digest.as_ref().first_chunk::<8>().expect("SHA-256 has 32 bytes");
        let key = UnboundKey::new(&AES_256_GCM, bytes).expect("it has the size of a key");
        Self { id: KeyId(*id), key: LessSafeKey::new(key) }
    }
}

/// What is authenticated with a secret.
fn place(kind: Kind, name: &str) -> String {
    format!("partway secret, version 1\0{}\0{name}", kind.word())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(keys: &[u8]) -> Vault {
        Vault { keys: keys.iter().map(|&byte| Key::new(&[byte; 32])).collect() }
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_and_in_no_other() {
        let vault = vault(&[1]);
        let sealed = vault.seal(Kind::AccessKey, "AK", "the-secret");
        assert!(!sealed.contains("the-secret") && is_sealed(&sealed), "{sealed}");
        assert_ne!(sealed, vault.seal(Kind::AccessKey, "AK", "the-secret"), "each has a nonce of its own");
        assert_eq!(vault.open(Kind::AccessKey, "AK", &sealed).as_deref(), Ok("the-secret"));
        assert_eq!(vault.open(Kind::AccessKey, "AK2", &sealed), Err(OpenError::Damaged));
        assert_eq!(vault.open(Kind::RootKey, "AK", &sealed), Err(OpenError::Damaged));
    }

    #[test]
    fn a_sealed_secret_with_any_letter_changed_does_not_open() {
        let vault = vault(&[1]);
        let sealed = vault.seal(Kind::RootKey, "", "x");
        for at in MARK.len()..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let text = String::from_utf8(bytes).unwrap();
            assert!(vault.open(Kind::RootKey, "", &text).is_err(), "{text}");
            assert!(vault.open(Kind::RootKey, "", &sealed[..at]).is_err(), "{at}");
        }
    }

    #[test]
    fn the_first_key_seals_and_all_open() {
        let (old, both, new) = (vault(&[1]), vault(&[2, 1]), vault(&[2]));
        let sealed = old.seal(Kind::AccessKey, "AK", "s");
        assert_eq!(both.open(Kind::AccessKey, "AK", &sealed).as_deref(), Ok("s"));
        assert_eq!(new.open(Kind::AccessKey, "AK", &sealed), Err(OpenError::NoSuchKey(old.current().unwrap())));
        assert!(old.is_current(&sealed) && !both.is_current(&sealed));
        assert_eq!(new.open(Kind::AccessKey, "AK", &both.seal(Kind::AccessKey, "AK", "s")).as_deref(), Ok("s"));
    }

    #[test]
    fn without_a_key_secrets_stay_in_clear_and_sealed_ones_stay_shut() {
        let none = Vault::none();
        assert_eq!(none.seal(Kind::AccessKey, "AK", "s"), "s");
        assert!(none.is_current("s") && !vault(&[1]).is_current("s"));
        assert_eq!(vault(&[1]).open(Kind::AccessKey, "AK", "s").as_deref(), Ok("s"), "what was in clear before is read");
        let sealed = vault(&[1]).seal(Kind::AccessKey, "AK", "s");
        assert!(matches!(none.open(Kind::AccessKey, "AK", &sealed), Err(OpenError::NoSuchKey(_))));
        assert!(!none.is_current(&sealed));
    }

    /// Sealed secrets are on disks: when this fails, the format has changed.
    #[test]
    fn a_sealed_secret_is_read_as_ever() {
        let vault = vault(&[7]);
        assert_eq!(vault.current().unwrap().to_string(), "ec81812c8db435ba");
        assert_eq!(
            vault
                .open(Kind::AccessKey, "AK", "partway-sealed 1 ec81812c8db435ba AAECAwQFBgcICQoLbOmMXW5sujsSxga/HJ4EMHupxCAkORkKpUI=")
                .as_deref(),
            Ok("the-secret")
        );
    }

    #[test]
    fn nothing_shows_a_key() {
        assert_eq!(format!("{:?}", vault(&[7])), format!("[{}]", vault(&[7]).current().unwrap()));
    }
}
