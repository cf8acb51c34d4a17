//! Temporary credentials: issued to whoever holds an access key, kept nowhere.
//!
//! A security token says by itself what it is good for, and a message authentication code says that it is ours:
//!
//! ```text
//! token      base64url(content ‖ tag)                 tag = HMAC-SHA256(key, 1 ‖ content), 32 bytes
//! content    1: version │ nonce: 16 │ expires: 8, seconds │ holder: 16 │ parent │ role account │ role name │ session name │ policy
//!            texts have their length before them in 2 bytes; an empty policy means none; numbers are big-endian
//! access key STS.<hex>                                HMAC-SHA256(key, 2 ‖ content), 12 bytes
//! secret     base64url                                HMAC-SHA256(key, 3 ‖ content), 32 bytes
//! holder     the parent key as it was                 HMAC-SHA256(key, 4 ‖ its id, account and secret), 16 bytes
//! key                                                 HMAC-SHA256(root secret, a constant)
//! ```
//!
//! - The token tells nothing that helps to find the secret: that takes the key.
//! - What the token holds, the policy included, is signed and not hidden.
//! - A token ends with its time, with its parent (disabled, or deleted and made anew) and with the root secret.

use super::{AuthError, sigv4::hmac_sha256};
use crate::model::{KeyRecord, Timestamp};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::fmt;
use subtle::ConstantTimeEq;

/// What the access keys of temporary credentials begin with.
pub const ACCESS_KEY_PREFIX: &str = "STS.";
/// How long temporary credentials may live, in seconds (AssumeRole, DurationSeconds, in both protocols).
pub const DURATION_SECS: std::ops::RangeInclusive<u32> = 900..=43_200;
/// The longest session policy, in bytes.
pub const POLICY_SIZE_MAX: usize = 2048;
/// The longest role and session names, in bytes; see [`Role::parse`].
const NAME_SIZE_MAX: usize = 512;
/// No token of ours is longer. Bytes.
const TOKEN_SIZE_MAX: usize = 4 << 10;

const VERSION: u8 = 1;
const TAG_SIZE: usize = 32;
const HOLDER_SIZE: usize = 16;

/// The role that a session is said to have. There are no roles here: the name is carried and shown, and gives no rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// The account as the resource name has it; nobody's here.
    pub account: String,
    /// Its name, a path before it included.
    pub name: String,
}

impl Role {
    /// Reads `arn:aws:iam::<account>:role/<name>` or `acs:ram::<account>:role/<name>`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let rest = match text.strip_prefix("acs:ram::") {
            Some(rest) => rest,
            None => text
                .strip_prefix("arn:aws")?
                .trim_start_matches(|letter: char| letter.is_ascii_lowercase() || letter == '-')
                .strip_prefix(":iam::")?,
        };
        let (account, name) = rest.split_once(":role/")?;
        let is_account =
            (1..=64).contains(&account.len()) && account.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let is_name = name.len() <= NAME_SIZE_MAX
            && name.split('/').all(|step| !step.is_empty())
            && name.bytes().all(|byte| is_name_byte(byte) || byte == b'/');
        (is_account && is_name).then(|| Self { account: account.to_owned(), name: name.to_owned() })
    }

    /// The name without a path.
    #[must_use]
    pub fn short_name(&self) -> &str {
        self.name.rsplit('/').next().unwrap_or(&self.name)
    }
}

/// Whether a session may be called so (RoleSessionName: 2 to 64 of letters, digits, `_+=,.@-`).
#[must_use]
pub fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}

/// What a session is asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// The role it is named after.
    pub role: Role,
    /// Its own name.
    pub session_name: String,
    /// How long it lives, in seconds: [`DURATION_SECS`].
    pub duration_secs: u32,
    /// The policy document that narrows it, of at most [`POLICY_SIZE_MAX`] bytes.
    pub policy: Option<String>,
}

/// Temporary credentials. `Debug` shows neither secret nor token.
#[derive(Clone, PartialEq, Eq)]
pub struct TemporaryCredentials {
    /// The access key id, which begins with [`ACCESS_KEY_PREFIX`].
    pub access_key: String,
    /// The secret that signs.
    pub secret_key: String,
    /// What must come with every request.
    pub security_token: String,
    /// When they end; whole seconds.
    pub expiration: Timestamp,
}

impl fmt::Debug for TemporaryCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemporaryCredentials")
            .field("access_key", &self.access_key)
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

/// What a valid token says. `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// The access key that the credentials were issued to. It must still be active, and [`TokenKey::check_parent`] hold.
    pub parent: String,
    /// The policy that narrows what the parent may do.
    pub policy: Option<String>,
    /// When it ends.
    pub expiration: Timestamp,
    /// The role it is named after.
    pub role: Role,
    /// Its own name.
    pub session_name: String,
    /// The secret that its requests are signed with.
    pub secret_key: String,
    holder: [u8; HOLDER_SIZE],
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("parent", &self.parent)
            .field("expiration", &self.expiration)
            .field("role", &self.role)
            .field("session_name", &self.session_name)
            .finish_non_exhaustive()
    }
}

/// What tokens are made and opened with. `Debug` does not show it.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(…)")
    }
}

/// What a code is over, so that none can stand for another.
#[derive(Clone, Copy, Debug)]
enum Purpose {
    Tag = 1,
    AccessKey = 2,
    Secret = 3,
    Holder = 4,
}

impl TokenKey {
    /// The key of a gateway. Gateways with one root secret accept each other's tokens.
    #[must_use]
    pub fn new(root_secret: &str) -> Self {
        Self(hmac_sha256(root_secret.as_bytes(), b"partway temporary credentials, version 1"))
    }

    /// Makes credentials that `parent` has asked for.
    ///
    /// # Panics
    /// When the request breaks the bounds that its fields are documented with.
    #[must_use]
    pub fn issue(&self, parent: &KeyRecord, request: &SessionRequest, now: Timestamp, random: [u8; 16]) -> TemporaryCredentials {
        assert!(DURATION_SECS.contains(&request.duration_secs), "the duration was checked");
        let policy = request.policy.as_deref().unwrap_or_default();
        assert!(policy.len() <= POLICY_SIZE_MAX, "the policy's size was checked");
        let expires_secs = now.secs().saturating_add(i64::from(request.duration_secs));
        let mut content = vec![VERSION];
        content.extend_from_slice(&random);
        content.extend_from_slice(&expires_secs.to_be_bytes());
        content.extend_from_slice(&self.holder(parent));
        for text in [&parent.access_key, &request.role.account, &request.role.name, &request.session_name, policy] {
            let size = u16::try_from(text.len()).expect("names and policies are short");
            content.extend_from_slice(&size.to_be_bytes());
            content.extend_from_slice(text.as_bytes());
        }
        let (access_key, secret_key) = (self.access_key(&content), self.secret_key(&content));
        let tag = self.code(Purpose::Tag, &content);
        content.extend_from_slice(&tag);
        let security_token = URL_SAFE_NO_PAD.encode(&content);
        TemporaryCredentials { access_key, secret_key, security_token, expiration: Timestamp::from_secs(expires_secs) }
    }

    /// Opens a token that came with an access key.
    ///
    /// # Errors
    /// `InvalidToken` for one that is not ours, `TokenMismatch` for another access key's, `TokenExpired`.
    pub fn open(&self, access_key: &str, token: &str, now: Timestamp) -> Result<Session, AuthError> {
        if token.len() > TOKEN_SIZE_MAX {
            return Err(AuthError::InvalidToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| AuthError::InvalidToken)?;
        let (content, tag) = bytes.split_last_chunk::<TAG_SIZE>().ok_or(AuthError::InvalidToken)?;
        if !bool::from(self.code(Purpose::Tag, content).ct_eq(tag)) {
            return Err(AuthError::InvalidToken);
        }
        let session = self.read(content).ok_or(AuthError::InvalidToken)?;
        if self.access_key(content) != access_key {
            return Err(AuthError::TokenMismatch);
        }
        if now >= session.expiration {
            return Err(AuthError::TokenExpired);
        }
        Ok(session)
    }

    /// Whether a key is the one that a session was issued to, and not another one that got its id later.
    ///
    /// # Errors
    /// `InvalidToken`.
    pub fn check_parent(&self, session: &Session, parent: &KeyRecord) -> Result<(), AuthError> {
        let is_same = self.holder(parent).ct_eq(&session.holder);
        if session.parent == parent.access_key && bool::from(is_same) { Ok(()) } else { Err(AuthError::InvalidToken) }
    }

    /// Takes the content of a token apart; `None` when it is not what this version writes.
    fn read(&self, content: &[u8]) -> Option<Session> {
        let (version, rest) = content.split_first()?;
        let (_nonce, rest) = rest.split_first_chunk::<16>()?;
        let (expires_secs, rest) = rest.split_first_chunk::<8>()?;
        let (holder, mut rest) = rest.split_first_chunk::<HOLDER_SIZE>()?;
        let mut text = || {
            let (size, after) = rest.split_first_chunk::<2>()?;
            let (text, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
            rest = after;
            String::from_utf8(text.to_vec()).ok()
        };
        let (parent, account, name, session_name, policy) = (text()?, text()?, text()?, text()?, text()?);
        (*version == VERSION && rest.is_empty()).then(|| Session {
            parent,
            policy: (!policy.is_empty()).then_some(policy),
            expiration: Timestamp::from_secs(i64::from_be_bytes(*expires_secs)),
            role: Role { account, name },
            session_name,
            secret_key: self.secret_key(content),
            holder: *holder,
        })
    }

    fn access_key(&self, content: &[u8]) -> String {
        let code = self.code(Purpose::AccessKey, content);
        format!("{ACCESS_KEY_PREFIX}{}", hex::encode_upper(&code[..12]))
    }

    fn secret_key(&self, content: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(self.code(Purpose::Secret, content))
    }

    /// Names a key as it is now, without telling anything about it.
    fn holder(&self, key: &KeyRecord) -> [u8; HOLDER_SIZE] {
        let mut fields = Vec::new();
        for field in [&key.access_key, &key.account.0, &key.secret_key] {
            fields.extend_from_slice(&(field.len() as u64).to_be_bytes());
            fields.extend_from_slice(field.as_bytes());
        }
        let mut holder = [0; HOLDER_SIZE];
        holder.copy_from_slice(&self.code(Purpose::Holder, &fields)[..HOLDER_SIZE]);
        holder
    }

    fn code(&self, purpose: Purpose, content: &[u8]) -> [u8; 32] {
        hmac_sha256(&self.0, &[&[purpose as u8], content].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Account, KeyStatus};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp::from_secs(1_768_465_800);
    const POLICY: &str = r#"{"Version":"1","Statement":[{"Effect":"Allow","Action":"oss:PutObject","Resource":"acs:oss:*:*:bkt/*"}]}"#;

    fn parent() -> KeyRecord {
        KeyRecord {
            access_key: "AKPARENT".to_owned(),
            secret_key: "a secret".to_owned(),
            account: Account("alice".to_owned()),
            policy: None,
            status: KeyStatus::Active,
            created: NOW,
        }
    }

    fn request(policy: Option<&str>) -> SessionRequest {
        let role = Role { account: "1234567890123456".to_owned(), name: "path/demo".to_owned() };
        SessionRequest { role, session_name: "phone-1".to_owned(), duration_secs: 900, policy: policy.map(str::to_owned) }
    }

    fn issue(policy: Option<&str>) -> (TokenKey, TemporaryCredentials) {
        let key = TokenKey::new("root secret");
        let credentials = key.issue(&parent(), &request(policy), NOW, [7; 16]);
        (key, credentials)
    }

    #[test]
    fn a_token_opens_to_what_was_asked_for() {
        for policy in [None, Some(POLICY)] {
            let (key, credentials) = issue(policy);
            let session = key.open(&credentials.access_key, &credentials.security_token, NOW).unwrap();
            assert_eq!((session.parent.as_str(), session.policy.as_deref()), ("AKPARENT", policy));
            assert_eq!((&session.role, session.session_name.as_str()), (&request(policy).role, "phone-1"));
            assert_eq!((session.expiration, credentials.expiration), (NOW.plus_millis(900_000), NOW.plus_millis(900_000)));
            assert_eq!(session.secret_key, credentials.secret_key);
            assert_eq!(key.check_parent(&session, &parent()), Ok(()));
            assert!(credentials.access_key.starts_with("STS.") && credentials.access_key.len() == 28, "{credentials:?}");
        }
    }

    #[test]
    fn a_token_with_any_other_byte_is_invalid() {
        let (key, TemporaryCredentials { access_key, security_token, .. }) = issue(Some(POLICY));
        for index in 0..security_token.len() {
            for replacement in [b'A', b'B', b'-', b'=', b' ', b'+', 0x7f] {
                let mut bytes = security_token.clone().into_bytes();
                if bytes[index] == replacement {
                    continue;
                }
                bytes[index] = replacement;
                let tampered = String::from_utf8(bytes).unwrap();
                assert_eq!(key.open(&access_key, &tampered, NOW), Err(AuthError::InvalidToken), "{index} {replacement}");
            }
            assert_eq!(key.open(&access_key, &security_token[..index], NOW), Err(AuthError::InvalidToken), "{index}");
        }
        for tampered in [format!("{security_token}A"), format!("{security_token}="), "é".repeat(40), "A".repeat(TOKEN_SIZE_MAX + 1)] {
            assert_eq!(key.open(&access_key, &tampered, NOW), Err(AuthError::InvalidToken), "{tampered}");
        }
    }

    #[test]
    fn every_bit_of_the_content_counts() {
        let (key, TemporaryCredentials { access_key, security_token, .. }) = issue(Some(POLICY));
        let bytes = URL_SAFE_NO_PAD.decode(&security_token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut tampered = bytes.clone();
            tampered[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key.open(&access_key, &URL_SAFE_NO_PAD.encode(tampered), NOW), Err(AuthError::InvalidToken), "{bit}");
        }
    }

    #[test]
    fn a_token_ends_with_its_time() {
        let (key, TemporaryCredentials { access_key, security_token, .. }) = issue(None);
        let at = |millis| key.open(&access_key, &security_token, NOW.plus_millis(millis)).map(|_| ());
        assert_eq!((at(0), at(899_999)), (Ok(()), Ok(())));
        assert_eq!((at(900_000), at(i64::MAX)), (Err(AuthError::TokenExpired), Err(AuthError::TokenExpired)));
    }

    #[test]
    fn a_token_serves_its_own_access_key_only() {
        let (key, mine) = issue(None);
        let other = key.issue(&parent(), &request(None), NOW, [8; 16]);
        assert_ne!((&mine.access_key, &mine.secret_key), (&other.access_key, &other.secret_key));
        assert_eq!(key.open(&other.access_key, &mine.security_token, NOW), Err(AuthError::TokenMismatch));
        assert_eq!(key.open("AKPARENT", &mine.security_token, NOW), Err(AuthError::TokenMismatch));
    }

    #[test]
    fn another_root_secret_opens_nothing() {
        let (_, TemporaryCredentials { access_key, security_token, .. }) = issue(None);
        let other = TokenKey::new("another secret");
        assert_eq!(other.open(&access_key, &security_token, NOW), Err(AuthError::InvalidToken));
    }

    #[test]
    fn a_parent_that_was_made_anew_is_another_one() {
        let (key, TemporaryCredentials { access_key, security_token, .. }) = issue(None);
        let session = key.open(&access_key, &security_token, NOW).unwrap();
        let changed = [
            KeyRecord { secret_key: "another".to_owned(), ..parent() },
            KeyRecord { account: Account("bob".to_owned()), ..parent() },
            KeyRecord { access_key: "AKOTHER".to_owned(), ..parent() },
        ];
        for parent in changed {
            assert_eq!(key.check_parent(&session, &parent), Err(AuthError::InvalidToken), "{parent:?}");
        }
        let narrowed = KeyRecord { policy: Some(POLICY.to_owned()), created: Timestamp::from_secs(0), ..parent() };
        assert_eq!(key.check_parent(&session, &narrowed), Ok(()));
    }

    #[test]
    fn the_longest_token_fits_into_the_bound_and_secrets_stay_out_of_debug_output() {
        let parent = KeyRecord { access_key: "A".repeat(128), ..parent() };
        let role = Role { account: "1".repeat(64), name: "r".repeat(NAME_SIZE_MAX) };
        let longest =
            SessionRequest { role, session_name: "s".repeat(64), duration_secs: 43_200, policy: Some("p".repeat(POLICY_SIZE_MAX)) };
        let key = TokenKey::new("root secret");
        let credentials = key.issue(&parent, &longest, NOW, [7; 16]);
        assert!(credentials.security_token.len() <= 4096, "{}", credentials.security_token.len());
        let session = key.open(&credentials.access_key, &credentials.security_token, NOW).unwrap();
        for text in [format!("{credentials:?}"), format!("{session:?}"), format!("{key:?}")] {
            assert!(!text.contains(&credentials.secret_key) && !text.contains(&credentials.security_token), "{text}");
        }
    }

    #[test]
    fn roles_are_named_in_either_spelling() {
        let role = |account: &str, name: &str| Some(Role { account: account.to_owned(), name: name.to_owned() });
        for (text, expected) in [
            ("arn:aws:iam::123456789012:role/demo", role("123456789012", "demo")),
            ("arn:aws-cn:iam::123456789012:role/a/b/demo", role("123456789012", "a/b/demo")),
            ("acs:ram::1234567890123456:role/demo", role("1234567890123456", "demo")),
            ("arn:aws:iam::root:role/any@name", role("root", "any@name")),
            ("arn:aws:iam:::role/demo", None),
            ("arn:aws:iam::1:role/", None),
            ("arn:aws:iam::1:role//demo", None),
            ("arn:aws:iam::1:user/demo", None),
            ("arn:aws:iam::1:role/a b", None),
            ("arn:aws:s3:::bkt", None),
            ("demo", None),
            ("", None),
        ] {
            assert_eq!(Role::parse(text), expected, "{text}");
        }
        assert_eq!(Role::parse("arn:aws:iam::1:role/a/b").unwrap().short_name(), "b");
        assert!(is_session_name("s_+=,.@-1") && !is_session_name("s") && !is_session_name("s 1") && !is_session_name(&"s".repeat(65)));
    }

    proptest! {
        /// Whatever comes as a token, opening it answers.
        #[test]
        fn opening_never_panics(token in "[A-Za-z0-9_-]{0,300}", access_key in ".{0,40}", now in any::<i64>()) {
            prop_assert!(TokenKey::new("root secret").open(&access_key, &token, Timestamp::from_millis(now)).is_err());
        }

        /// Contents that no version of ours wrote are not read, even with the right code.
        #[test]
        fn reading_contents_never_panics(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = TokenKey::new("root secret").read(&content);
        }
    }
}
