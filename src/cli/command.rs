//! What operators can ask for, and the one function that does it.

use super::housekeeping;
use crate::{
    auth::policy,
    backup::{self, DataDirPlaces},
    config::{check_access_key, check_secret_key},
    events::{EventSummary, Ledger, Outbox},
    meta::{KvError, RocksKv},
    model::{Account, Bucket, EventId, Failure, KeyRecord, KeyStatus, Timestamp},
    ops::{Gateway, OpenUpload, QuotaHolder, QuotaReport, StaleUploads, VerifyReport},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An operator's command.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Command {
    /// The open uploads.
    Uploads {
        /// Up to so many.
        count_max: u32,
    },
    /// The uploads that nobody goes on with.
    ExpireUploads {
        /// How long they have got no part, in milliseconds.
        idle_ms: i64,
        /// Whether they are only listed.
        is_dry: bool,
        /// Up to so many are listed.
        count_max: u32,
    },
    /// Whether records and bytes agree.
    Verify,
    /// Mends what does not agree, where that harms nothing. Only for a stopped server.
    Repair {
        /// Whether it only tells what it would do.
        is_dry: bool,
    },
    /// A backup, to a directory that is named absolutely.
    Backup(backup::Order),
    /// The events that applications are to be told of.
    Events {
        /// Up to so many.
        count_max: u32,
        /// Also those that applications know of.
        with_delivered: bool,
    },
    /// Tells an event again: at once, or at the next start.
    ReplayEvent(EventId),
    /// Forgets an event.
    DropEvent(EventId),
    /// Forgets the events of a bucket that applications do not know of.
    DropEvents {
        /// The bucket.
        bucket: String,
    },
    /// Whether failed callbacks of a bucket are tried again.
    SetRetries {
        /// The bucket.
        bucket: String,
        /// What it shall be.
        retries: bool,
    },
    /// A new access key.
    CreateKey {
        /// The access key id.
        access_key: String,
        /// Its secret.
        secret_key: String,
        /// The account it belongs to.
        account: String,
        /// A policy document.
        policy: Option<String>,
    },
    /// What everybody holds, and may.
    ListQuotas,
    /// Sets how much somebody may hold; no limit at all takes the quota away.
    SetQuota {
        /// Who.
        holder: QuotaHolder,
        /// The most bytes.
        bytes_max: Option<u64>,
        /// The most objects and open uploads.
        objects_max: Option<u64>,
    },
    /// The access keys.
    ListKeys,
    /// Disables or enables a key.
    SetKeyStatus {
        /// The access key id.
        access_key: String,
        /// What it shall be.
        status: KeyStatus,
    },
    /// Deletes a key.
    DeleteKey {
        /// The access key id.
        access_key: String,
    },
}

/// The answer to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    /// The open uploads.
    Uploads(Vec<OpenUpload>),
    /// The uploads that were expired, or would be.
    StaleUploads(StaleUploads),
    /// What was found.
    Verify(VerifyReport),
    /// What was backed up.
    Backup(backup::Report),
    /// The events.
    Events(Vec<EventSummary>),
    /// The application has answered that it knows.
    Delivered,
    /// So many events are forgotten.
    Dropped(u64),
    /// What everybody holds, and may.
    Quotas(QuotaReport),
    /// The access keys.
    Keys(Vec<KeySummary>),
    /// It is done.
    Done,
}

/// An access key without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeySummary {
    pub(super) access_key: String,
    pub(super) account: Account,
    pub(super) status: KeyStatus,
    pub(super) policy: Option<String>,
    pub(super) created: Timestamp,
}

/// The answer, or why there is none, in words for the operator.
pub(super) type Reply = Result<Answer, String>;

/// What commands are carried out on.
pub(super) struct Place<'a> {
    pub(super) gateway: &'a Gateway,
    /// Taken, though not in the index.
    pub(super) root_access_key: Option<&'a str>,
    pub(super) events: Events,
    pub(super) index: Arc<RocksKv>,
    pub(super) data: &'a DataDirPlaces,
}

/// The events, with or without a server to tell them.
pub(super) enum Events {
    Running(Arc<Outbox>),
    Stopped(Ledger),
}

impl Events {
    fn ledger(&self) -> &Ledger {
        match self {
            Self::Running(outbox) => outbox.ledger(),
            Self::Stopped(ledger) => ledger,
        }
    }
}

/// Carries out a command.
pub(super) async fn execute(place: &Place<'_>, now: Timestamp, command: Command) -> Reply {
    let Place { gateway, root_access_key, events, index, data } = place;
    let is_root = |access_key: &str| *root_access_key == Some(access_key);
    match command {
        Command::Uploads { count_max } => {
            let count_max = usize::try_from(count_max).unwrap_or(usize::MAX);
            gateway.open_uploads(count_max).await.map(Answer::Uploads).map_err(words)
        }
        Command::ExpireUploads { idle_ms, is_dry, count_max } => {
            let count_max = usize::try_from(count_max).unwrap_or(usize::MAX);
            let stale = match is_dry {
                true => gateway.stale_uploads(now, idle_ms, count_max).await.map_err(words)?,
                false => housekeeping::expire_uploads(gateway, now, idle_ms, count_max).await.map_err(words)?,
            };
            Ok(Answer::StaleUploads(stale))
        }
        Command::Repair { is_dry } => match events {
            Events::Stopped(_) => gateway.repair(is_dry).await.map(Answer::Verify).map_err(words),
            Events::Running(_) => Err("a repair needs the data directory for itself: stop the server first".to_owned()),
        },
        Command::Verify => gateway.verify().await.map(Answer::Verify).map_err(words),
        Command::Backup(order) => {
            let taken = backup::take(gateway, Arc::clone(index), data, order).await;
            taken.map(Answer::Backup).map_err(|error| format!("backup: {error}"))
        }
        Command::Events { count_max, with_delivered } => {
            let count_max = usize::try_from(count_max).unwrap_or(usize::MAX);
            events.ledger().list(None, count_max, with_delivered).await.map(Answer::Events).map_err(index_words)
        }
        Command::ReplayEvent(id) => match events {
            Events::Running(outbox) => outbox.replay(id).await.map(|_| Answer::Delivered),
            Events::Stopped(ledger) => match ledger.make_due(id, now).await.map_err(index_words)? {
                true => Ok(Answer::Done),
                false => Err(format!("there is no event {id}")),
            },
        },
        Command::DropEvent(id) => match events.ledger().drop_event(id).await.map_err(index_words)? {
            true => Ok(Answer::Dropped(1)),
            false => Err(format!("there is no event {id}")),
        },
        Command::DropEvents { bucket } => {
            events.ledger().drop_undelivered(&named(&bucket)?).await.map(Answer::Dropped).map_err(index_words)
        }
        Command::SetRetries { bucket, retries } => {
            let bucket = named(&bucket)?;
            gateway.set_retries_callbacks(&bucket, retries).await.map(|()| Answer::Done).map_err(words)
        }
        Command::ListQuotas => gateway.quotas().await.map(Answer::Quotas).map_err(words),
        Command::SetQuota { holder, bytes_max, objects_max } => {
            if let QuotaHolder::Key(access_key) = &holder
                && (bytes_max, objects_max) != (None, None)
                && !is_root(access_key)
                && gateway.key(access_key).await.map_err(words)?.is_none()
            {
                return Err(unknown(access_key));
            }
            gateway.set_quota(&holder, bytes_max, objects_max).await.map(|()| Answer::Done).map_err(words)
        }
        Command::ListKeys => {
            let keys = gateway.keys().await.map_err(words)?;
            Ok(Answer::Keys(keys.into_iter().map(summary).collect()))
        }
        Command::CreateKey { access_key, secret_key, account, policy } => {
            check_access_key(&access_key)?;
            check_secret_key(&secret_key)?;
            check_account(&account)?;
            if let Some(document) = &policy {
                policy::validate(document).map_err(|why| format!("the policy is not valid: {why}"))?;
            }
            let taken = || format!("there is an access key {access_key} already");
            if is_root(&access_key) {
                return Err(taken());
            }
            let key = KeyRecord {
                access_key: access_key.clone(),
                secret_key,
                account: Account(account),
                policy,
                status: KeyStatus::Active,
                created: now,
            };
            done(gateway.create_key(&key).await, taken)
        }
        Command::SetKeyStatus { access_key, .. } | Command::DeleteKey { access_key } if is_root(&access_key) => {
            Err("the root key is not in the index; it is changed in its file or by the settings, and a restart".to_owned())
        }
        Command::SetKeyStatus { access_key, status } => done(gateway.set_key_status(&access_key, status).await, || unknown(&access_key)),
        Command::DeleteKey { access_key } => done(gateway.delete_key(&access_key).await, || unknown(&access_key)),
    }
}

fn named(bucket: &str) -> Result<Bucket, String> {
    Bucket::new(bucket).ok_or_else(|| format!("`{bucket}` is no bucket name"))
}

fn done(outcome: Result<bool, Failure>, otherwise: impl FnOnce() -> String) -> Reply {
    match outcome.map_err(words)? {
        true => Ok(Answer::Done),
        false => Err(otherwise()),
    }
}

fn unknown(access_key: &str) -> String {
    format!("there is no access key {access_key}")
}

fn summary(key: KeyRecord) -> KeySummary {
    let KeyRecord { access_key, account, status, policy, created, secret_key: _ } = key;
    KeySummary { access_key, account, status, policy, created }
}

fn words(failure: Failure) -> String {
    match failure {
        Failure::Unavailable => "the disk takes no more writes; the log says why".to_owned(),
        Failure::NoSpace => "the disk is full".to_owned(),
        Failure::SlowDown => "too much is going on; try again".to_owned(),
        Failure::NoSuchBucket(bucket) => format!("there is no bucket {bucket}"),
        Failure::Internal => "the index or the blob store failed; the log says why".to_owned(),
        other => format!("it failed: {other:?}"),
    }
}

fn index_words(error: KvError) -> String {
    match error {
        KvError::Conflict(_) => "too much is going on; try again".to_owned(),
        KvError::ReadOnly => words(Failure::Unavailable),
        KvError::NoSpace => words(Failure::NoSpace),
        KvError::Engine(_) | KvError::Corrupt(_) => {
            tracing::error!(%error, "index");
            words(Failure::Internal)
        }
    }
}

/// An account is the owner that listings show, so it is a plain word.
fn check_account(account: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    match (1..=64).contains(&account.len()) && account.bytes().all(legal) {
        true => Ok(()),
        false => Err("an account has 1 to 64 letters, digits, `.`, `_` or `-`".to_owned()),
    }
}
