//! The outbox: events that are due are told, again and again until an application knows, and settled ones forgotten.
//!
//! - Whoever tells an event has claimed it: its `due` is further off than an attempt can take. A new event is claimed by
//!   the request that caused it. A claim that nobody comes back from runs out, and the event is told again.
//! - Every step is a commit that checks that the event is as it was read, so of two who claim one wins, here and in
//!   other processes on the same index.

use super::{
    Settings, Undelivered,
    connect::Tls,
    deliver::{Courier, Deliver},
    ledger::{Ledger, Row, anew},
    shares::{Share, Shares},
    sign::{PUBLIC_KEY_PATH, Signer},
    underway::{Telling, Underway},
};
use crate::{
    meta::{
        Kv, KvError, keys,
        record::{EventRecord, EventState},
    },
    model::{Callback, CallbackReply, EventId, Timestamp},
    telemetry::{self, Metric},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Tells the time.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How long an attempt can take: five URLs, each with seconds to be resolved, connected to and answered. Milliseconds.
const ATTEMPT_MS_MAX: i64 = 60_000;

/// How long a claim holds. Milliseconds.
const CLAIM_MS: i64 = 2 * ATTEMPT_MS_MAX;

/// Attempts that requests wait for at once; further ones are told that there are too many, and made later.
const REQUESTS_AT_ONCE: usize = 256;

/// And of these, attempts for one bucket.
const REQUESTS_PER_BUCKET: usize = 64;

/// Attempts that nobody waits for at once.
const BACKGROUND_AT_ONCE: usize = 64;

/// And of these, attempts for one bucket; its further events wait for the next look.
const BACKGROUND_PER_BUCKET: usize = 16;

/// Due events looked up at once.
const EVENTS_PER_SCAN: usize = 64;

/// How long to rest when all that was due is taken up.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the outcome of an attempt is written against changes by others.
const SETTLE_TRIES_MAX: usize = 16;

/// What a client is told when the index fails; the log says more. The event is told later.
const INDEX_FAILED: &str = "The callback is delayed.";

/// Tells applications of events.
pub struct Outbox {
    ledger: Ledger,
    courier: Box<dyn Deliver>,
    settings: Settings,
    public_key_pem: String,
    now: Clock,
    underway: Underway,
    requests: Semaphore,
    request_shares: Shares,
    background_shares: Shares,
}

impl Outbox {
    /// An outbox over the events of an index. Reads the system's certificate authorities from their files.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>, settings: Settings, signer: Arc<Signer>, now: Clock) -> Arc<Self> {
        let public_key_pem = signer.public_key_pem().to_owned();
        let courier = Courier::new(&settings, signer, Tls::of_system());
        Self::with_courier(kv, settings, Box::new(courier), public_key_pem, now)
    }

    fn with_courier(kv: Arc<dyn Kv>, settings: Settings, courier: Box<dyn Deliver>, public_key_pem: String, now: Clock) -> Arc<Self> {
        Arc::new(Self {
            ledger: Ledger::new(kv),
            courier,
            settings,
            public_key_pem,
            now,
            underway: Underway::default(),
            requests: Semaphore::new(REQUESTS_AT_ONCE),
            request_shares: Shares::new(REQUESTS_PER_BUCKET),
            background_shares: Shares::new(BACKGROUND_PER_BUCKET),
        })
    }

    /// The path under which the server shows the public key, on every host and to everybody, and the key (PEM).
    #[must_use]
    pub fn public_key(&self) -> (&'static str, &str) {
        (PUBLIC_KEY_PATH, &self.public_key_pem)
    }

    /// The events themselves, for operators.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether a callback has a chance, to refuse its upload early: URLs that can be called, hosts that may be reached.
    ///
    /// # Errors
    /// OSS's message, for 400 InvalidArgument.
    pub async fn check(&self, callback: &Callback) -> Result<(), String> {
        self.courier.check(callback).await.map_err(|why| why.to_string())
    }

    /// Tells a new event while its request waits; goes on when the request does not.
    ///
    /// # Errors
    /// OSS's message, for 203 CallbackFailed. The event is told again later, if its bucket wants that.
    pub async fn deliver_now(self: &Arc<Self>, id: EventId) -> Result<CallbackReply, String> {
        // Taken here, so that whoever drains knows of it from now on.
        let telling = self.underway.begin(id).ok_or(INDEX_FAILED)?;
        let outbox = Arc::clone(self);
        detached(async move { outbox.first_attempt(id, telling).await }).await
    }

    /// Tells an event again, whatever became of it before.
    ///
    /// # Errors
    /// What the application or the index said, in words for the operator.
    pub async fn replay(self: &Arc<Self>, id: EventId) -> Result<CallbackReply, String> {
        let telling = self.underway.begin(id).ok_or_else(|| format!("event {id} is being told at the moment"))?;
        let outbox = Arc::clone(self);
        detached(async move { outbox.replay_attempt(id, telling).await }).await
    }

    /// Takes up what is due until `stopped`'s sender is gone. Failures are told once until it works again.
    pub async fn run(self: Arc<Self>, mut stopped: watch::Receiver<()>) {
        let places = Arc::new(Semaphore::new(BACKGROUND_AT_ONCE));
        let mut failed_before = false;
        loop {
            tokio::select! {
                biased;
                _ = stopped.changed() => return,
                result = self.pass(&places) => {
                    if let Err(error) = &result && !failed_before {
                        tracing::warn!(%error, "cannot look after callbacks; will try again");
                    }
                    failed_before = result.is_err();
                }
            }
            tokio::select! {
                biased;
                _ = stopped.changed() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Waits for the attempts that are being made.
    pub async fn drain(&self) {
        self.underway.none_left().await;
    }

    async fn first_attempt(self: Arc<Self>, id: EventId, _telling: Telling) -> Result<CallbackReply, String> {
        let claimed = match self.ledger.read(id).await {
            Ok(Some(row)) if row.record.state == EventState::Pending => self.claim_if_needed(row).await,
            Ok(Some(_) | None) => Ok(None),
            Err(error) => Err(error),
        };
        let row = claimed.map_err(index_failed)?.ok_or(INDEX_FAILED)?;
        let result = match (self.requests.try_acquire(), self.request_shares.take(&row.record.bucket)) {
            (Ok(_place), Some(_share)) => self.courier.deliver(id, &row.record, (self.now)()).await,
            (Err(_), _) | (_, None) => Err(Undelivered::TooMany),
        };
        self.settle(row, &result).await;
        result.map_err(|why| why.to_string())
    }

    async fn replay_attempt(self: Arc<Self>, id: EventId, _telling: Telling) -> Result<CallbackReply, String> {
        let row = self.ledger.read(id).await.map_err(|error| error.to_string())?.ok_or_else(|| format!("there is no event {id}"))?;
        let claimed = self.ledger.change(&row, anew(row.record.clone(), self.claim_end())).await.map_err(|error| error.to_string())?;
        let row = claimed.ok_or_else(|| format!("event {id} changed meanwhile; try again"))?;
        let result = self.courier.deliver(id, &row.record, (self.now)()).await;
        self.settle(row, &result).await;
        result.map_err(|why| why.to_string())
    }

    /// Looks once at everything that is due.
    async fn pass(self: &Arc<Self>, places: &Arc<Semaphore>) -> Result<(), KvError> {
        let mut range = keys::events_due((self.now)());
        let (mut found, mut failed) = (0_u32, None);
        loop {
            let due = self.ledger.due(range.clone(), EVENTS_PER_SCAN).await?;
            let Some((last, _)) = due.last() else { break };
            range.start = keys::successor(last);
            for (due_row, id) in due {
                found = found.saturating_add(1);
                let place = Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed");
                if let Err(error) = self.take_up(due_row, id, place).await {
                    failed = Some(error);
                }
            }
        }
        telemetry::gauge(Metric::CallbacksDue).set(f64::from(found));
        failed.map_or(Ok(()), Err)
    }

    /// Claims a due event and tells it in a task of its own; forgets a settled one.
    async fn take_up(self: &Arc<Self>, due_row: Vec<u8>, id: EventId, place: OwnedSemaphorePermit) -> Result<(), KvError> {
        let Some(telling) = self.underway.begin(id) else { return Ok(()) };
        let row = match self.ledger.read(id).await? {
            Some(row) if row.is_due_by(&due_row) => row,
            other => return self.ledger.remove_stray(due_row, id, other.as_ref()).await,
        };
        match row.record.state {
            EventState::Delivered(_) | EventState::Failed(_) => self.ledger.forget(&row).await.map(drop),
            EventState::Pending => {
                let Some(share) = self.background_shares.take(&row.record.bucket) else { return Ok(()) };
                if let Some(row) = self.claim(&row).await? {
                    tokio::spawn(Arc::clone(self).attempt(row, telling, place, share));
                }
                Ok(())
            }
        }
    }

    async fn attempt(self: Arc<Self>, row: Row, _telling: Telling, _place: OwnedSemaphorePermit, _share: Share) {
        let result = self.courier.deliver(row.id, &row.record, (self.now)()).await;
        self.settle(row, &result).await;
    }

    fn claim_end(&self) -> Timestamp {
        (self.now)().plus_millis(CLAIM_MS)
    }

    async fn claim(&self, row: &Row) -> Result<Option<Row>, KvError> {
        self.ledger.change(row, EventRecord { due: self.claim_end(), ..row.record.clone() }).await
    }

    /// A new event is its request's for long enough, unless the request was slow to come back for it. One that was so slow
    /// that its claim has run out finds the event free, or another's: `None`.
    async fn claim_if_needed(&self, row: Row) -> Result<Option<Row>, KvError> {
        let now = (self.now)();
        if row.record.due < now.plus_millis(ATTEMPT_MS_MAX) {
            return self.claim(&row).await;
        }
        let is_anothers = now >= row.record.created.plus_millis(CLAIM_MS);
        Ok((!is_anothers).then_some(row))
    }

    /// Records what came of an attempt. When that fails the claim runs out and the event is told again.
    async fn settle(&self, row: Row, result: &Result<CallbackReply, Undelivered>) {
        let id = row.id;
        let outcome = if result.is_ok() { "delivered" } else { "failed" };
        telemetry::counter(Metric::CallbackAttempts, &[("outcome", outcome.into())]).increment(1);
        if let Err(why) = result {
            tracing::info!(event = %id, bucket = %row.record.bucket, attempts = row.record.attempts.saturating_add(1), %why, "a callback failed");
        }
        if let Err(error) = self.record(row, result).await {
            tracing::error!(event = %id, %error, "what came of a callback cannot be recorded; it will be told again");
        }
    }

    async fn record(&self, mut row: Row, result: &Result<CallbackReply, Undelivered>) -> Result<(), KvError> {
        let retries = result.is_err() && self.ledger.retries(&row.record.bucket).await?;
        for _ in 0..SETTLE_TRIES_MAX {
            let record = self.after(&row, result, retries);
            if let Some(settled) = self.ledger.change(&row, record).await? {
                if let EventState::Failed(_) = settled.record.state {
                    telemetry::counter(Metric::CallbacksGivenUp, &[]).increment(1);
                }
                return Ok(());
            }
            // Somebody has changed it meanwhile. That the application knows is true all the same; a failure is old news.
            match self.ledger.read(row.id).await? {
                Some(changed) if result.is_ok() => row = changed,
                Some(_) | None => return Ok(()),
            }
        }
        Err(KvError::Conflict(0))
    }

    /// An event after an attempt.
    fn after(&self, row: &Row, result: &Result<CallbackReply, Undelivered>, retries: bool) -> EventRecord {
        let now = (self.now)();
        let attempts = row.record.attempts.saturating_add(1);
        let last_error = result.as_ref().err().map(ToString::to_string);
        let forgotten = now.plus_millis(self.settings.retention_ms);
        let (state, due) = match (result, retries) {
            (Ok(_), _) => (EventState::Delivered(now), forgotten),
            (Err(_), true) => (EventState::Pending, now.plus_millis(backoff_ms(&self.settings, attempts, row.id))),
            (Err(_), false) => (EventState::Failed(now), forgotten),
        };
        EventRecord { attempts, last_error, state, due, ..row.record.clone() }
    }
}

/// Does work to its end although the caller may not wait for it.
async fn detached(work: impl Future<Output = Result<CallbackReply, String>> + Send + 'static) -> Result<CallbackReply, String> {
    tokio::spawn(work).await.unwrap_or_else(|error| {
        tracing::error!(%error, "telling of an event broke off");
        Err(INDEX_FAILED.to_owned())
    })
}

fn index_failed(error: KvError) -> String {
    tracing::error!(%error, "an event cannot be read or claimed");
    INDEX_FAILED.to_owned()
}

/// How long to wait after so many attempts: twice as long every time up to the maximum, and less by up to a half, so that
/// events that failed together do not come back together. The id is random, so it says by how much less.
fn backoff_ms(settings: &Settings, attempts: u32, id: EventId) -> i64 {
    let doublings = attempts.saturating_sub(1).min(62);
    let doubled = settings.retry_min_ms.saturating_mul(1 << doublings);
    let ceiling = doubled.min(settings.retry_max_ms).max(settings.retry_min_ms);
    let floor = (ceiling / 2).max(settings.retry_min_ms);
    let spread = ceiling.saturating_sub(floor).max(0).cast_unsigned();
    let seed = id.0.iter().fold(u64::from(attempts), |seed, &byte| seed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(byte));
    floor.saturating_add_unsigned(seed % spread.saturating_add(1))
}

#[cfg(test)]
mod tests;
