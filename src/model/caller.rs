//! Who asks.

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// The account that owns keys and buckets; the Owner of listings and ACLs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Account(pub String);

impl Account {
    /// The account of the root key: may do everything, everywhere.
    #[must_use]
    pub fn root() -> Self {
        Self("root".to_owned())
    }
}

/// Whether an access key may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyStatus {
    /// Requests signed with it are accepted.
    Active,
    /// Requests signed with it are refused as if it did not exist.
    Disabled,
}

/// An access key as it is stored. `Debug` never shows the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The access key id.
    pub access_key: String,
    /// The secret that signs.
    pub secret_key: String,
    /// The account it belongs to.
    pub account: Account,
    /// JSON policy document narrowing it; `None` allows everything within the account.
    pub policy: Option<String>,
    /// Active or disabled.
    pub status: KeyStatus,
    /// When it was created.
    pub created: Timestamp,
}

impl std::fmt::Debug for KeyRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRecord")
            .field("access_key", &self.access_key)
            .field("account", &self.account)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

/// The verified sender of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No signature.
    Anonymous,
    /// A valid signature with this key.
    Key {
        /// The access key id.
        access_key: String,
        /// The account the key belongs to.
        account: Account,
        /// Of temporary credentials, the access key that they were issued to.
        parent: Option<String>,
    },
}

impl Caller {
    /// The access key whose quota counts what the caller writes, unless anonymous: that of temporary credentials is their
    /// parent's.
    #[must_use]
    pub fn charged_key(&self) -> Option<&str> {
        match self {
            Self::Anonymous => None,
            Self::Key { parent: Some(parent), .. } => Some(parent),
            Self::Key { access_key, parent: None, .. } => Some(access_key),
        }
    }

    /// The caller's account, unless anonymous.
    #[must_use]
    pub fn account(&self) -> Option<&Account> {
        match self {
            Self::Anonymous => None,
            Self::Key { account, .. } => Some(account),
        }
    }
}
