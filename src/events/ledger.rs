//! The rows of events: read, changed by checked commits, listed. An event has one `E` row and, at its `due`, one `N` row.

use crate::{
    meta::{
        Check, Kv, KvError, Write, keys,
        record::{BucketRecord, EventRecord, EventState, Record as _},
    },
    model::{Bucket, EventId, ObjectKey, Timestamp},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::{ops::Range, sync::Arc};

/// Rows read at once when events are listed.
const ROWS_PER_SCAN: usize = 256;

/// How often a change that lost a race is tried again.
const TRIES_MAX: usize = 16;

/// The events in an index. Needs no server, so operators use it on a stopped data directory, too.
#[derive(Clone)]
pub struct Ledger {
    kv: Arc<dyn Kv>,
}

/// An event as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSummary {
    /// Its id, which applications see as `x-partway-event-id`.
    pub id: EventId,
    /// The object's bucket.
    pub bucket: Bucket,
    /// The object's key.
    pub key: ObjectKey,
    /// Whom to tell.
    pub urls: Vec<String>,
    /// When the upload was committed.
    pub created: Timestamp,
    /// How often it was tried to tell.
    pub attempts: u32,
    /// When it is looked at next: to try again, or once it is settled to forget it.
    pub due: Timestamp,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// How far it has come.
    pub state: EventState,
}

/// An event with its row as it was read, so that a commit can check that nobody has changed it.
pub(super) struct Row {
    pub(super) id: EventId,
    pub(super) record: EventRecord,
    value: Bytes,
}

impl Row {
    fn unchanged(&self) -> Check {
        Check::Equals(keys::event(self.id), self.value.clone())
    }

    fn removal(&self) -> [Write; 2] {
        [Write::Delete(keys::event_due(self.record.due, self.id)), Write::Delete(keys::event(self.id))]
    }

    fn is_delivered(&self) -> bool {
        match self.record.state {
            EventState::Delivered(_) => true,
            EventState::Pending | EventState::Failed(_) => false,
        }
    }

    /// Whether this is the `N` row that belongs to it.
    pub(super) fn is_due_by(&self, due_row: &[u8]) -> bool {
        keys::event_due(self.record.due, self.id) == due_row
    }
}

impl Ledger {
    /// The events in this index.
    #[must_use]
    pub fn new(kv: Arc<dyn Kv>) -> Self {
        Self { kv }
    }

    /// Up to `count_max` events with an id above `after`, by id; those that were delivered only when asked for.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub async fn list(&self, after: Option<EventId>, count_max: usize, with_delivered: bool) -> Result<Vec<EventSummary>, KvError> {
        let mut range = keys::table(b'E');
        if let Some(after) = after {
            range.start = keys::successor(&keys::event(after));
        }
        let mut found = Vec::new();
        while found.len() < count_max {
            let rows = self.kv.scan(range.clone(), ROWS_PER_SCAN).await?;
            let Some((last, _)) = rows.last() else { break };
            range.start = keys::successor(last);
            for (key, value) in rows {
                let id = keys::event_of(&key).ok_or_else(|| KvError::Corrupt("the key of an event".to_owned()))?;
                let Some(record) = readable(id, &value) else { continue };
                if with_delivered || !matches!(record.state, EventState::Delivered(_)) {
                    found.push(summary(id, record));
                }
            }
        }
        found.truncate(count_max);
        Ok(found)
    }

    /// Makes an event due now, as if it had never been told; `false` when there is none.
    ///
    /// # Errors
    /// When the index cannot be written; [`KvError::Conflict`] when others keep changing the event.
    pub async fn make_due(&self, id: EventId, now: Timestamp) -> Result<bool, KvError> {
        for _ in 0..TRIES_MAX {
            let Some(row) = self.read(id).await? else { return Ok(false) };
            if self.change(&row, anew(row.record.clone(), now)).await?.is_some() {
                return Ok(true);
            }
        }
        Err(KvError::Conflict(0))
    }

    /// Forgets an event, whatever has become of it; `false` when there is none. An attempt that is under way goes on, and
    /// is the last.
    ///
    /// # Errors
    /// When the index cannot be written; [`KvError::Conflict`] when others keep changing the event.
    pub async fn drop_event(&self, id: EventId) -> Result<bool, KvError> {
        for _ in 0..TRIES_MAX {
            let Some(value) = self.kv.get(&keys::event(id)).await? else { return Ok(false) };
            let mut writes = vec![Write::Delete(keys::event(id))];
            // One that cannot be read does not say when it is due. Its `N` row goes when that time comes.
            writes.extend(EventRecord::decode(&value).ok().map(|record| Write::Delete(keys::event_due(record.due, id))));
            if won(self.kv.commit(vec![Check::Equals(keys::event(id), value)], writes).await)? {
                return Ok(true);
            }
        }
        Err(KvError::Conflict(0))
    }

    /// Forgets the events of a bucket that applications do not know of, and returns how many. The bucket may be gone.
    ///
    /// # Errors
    /// As [`Self::drop_event`]; some may be forgotten then.
    pub async fn drop_undelivered(&self, bucket: &Bucket) -> Result<u64, KvError> {
        let mut range = keys::table(b'E');
        let mut dropped = 0;
        loop {
            let rows = self.kv.scan(range.clone(), ROWS_PER_SCAN).await?;
            let Some((last, _)) = rows.last() else { return Ok(dropped) };
            range.start = keys::successor(last);
            let rows = rows.into_iter().filter_map(|(key, value)| {
                let id = keys::event_of(&key)?;
                Some(Row { id, record: readable(id, &value)?, value })
            });
            let rows: Vec<Row> = rows.filter(|row| row.record.bucket == *bucket && !row.is_delivered()).collect();
            dropped += self.drop_page(&rows).await?;
        }
    }

    /// Forgets some events in one commit or, when one of them has changed, one by one.
    async fn drop_page(&self, rows: &[Row]) -> Result<u64, KvError> {
        let checks = rows.iter().map(Row::unchanged).collect();
        if !rows.is_empty() && won(self.kv.commit(checks, rows.iter().flat_map(Row::removal).collect()).await)? {
            return Ok(rows.len() as u64);
        }
        let mut dropped = 0;
        for row in rows {
            dropped += u64::from(self.drop_unless_delivered(row.id).await?);
        }
        Ok(dropped)
    }

    /// Forgets an event, unless the application was told meanwhile.
    async fn drop_unless_delivered(&self, id: EventId) -> Result<bool, KvError> {
        for _ in 0..TRIES_MAX {
            match self.read(id).await? {
                Some(row) if !row.is_delivered() => {
                    if self.forget(&row).await? {
                        return Ok(true);
                    }
                }
                Some(_) | None => return Ok(false),
            }
        }
        Err(KvError::Conflict(0))
    }

    pub(super) async fn read(&self, id: EventId) -> Result<Option<Row>, KvError> {
        let Some(value) = self.kv.get(&keys::event(id)).await? else { return Ok(None) };
        Ok(Some(Row { id, record: EventRecord::decode(&value)?, value }))
    }

    /// Replaces an event and moves its `N` row; `None` when somebody else has changed it.
    pub(super) async fn change(&self, row: &Row, record: EventRecord) -> Result<Option<Row>, KvError> {
        let value = record.encode();
        let writes = vec![
            Write::Delete(keys::event_due(row.record.due, row.id)),
            Write::Put(keys::event_due(record.due, row.id), Bytes::new()),
            Write::Put(keys::event(row.id), value.clone()),
        ];
        let done = won(self.kv.commit(vec![row.unchanged()], writes).await)?;
        Ok(done.then_some(Row { id: row.id, record, value }))
    }

    /// Removes an event; `false` when somebody has changed it.
    pub(super) async fn forget(&self, row: &Row) -> Result<bool, KvError> {
        won(self.kv.commit(vec![row.unchanged()], row.removal().to_vec()).await)
    }

    /// Removes an `N` row that its event, as read, does not have.
    pub(super) async fn remove_stray(&self, due_row: Vec<u8>, id: EventId, row: Option<&Row>) -> Result<(), KvError> {
        let check = row.map_or_else(|| Check::Absent(keys::event(id)), Row::unchanged);
        won(self.kv.commit(vec![check], vec![Write::Delete(due_row)]).await).map(drop)
    }

    /// The first `N` rows of a range, and their events.
    pub(super) async fn due(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Vec<u8>, EventId)>, KvError> {
        let rows = self.kv.scan(range, count_max).await?;
        let read = |(key, _): (Bytes, Bytes)| {
            let id = keys::event_due_of(&key).ok_or_else(|| KvError::Corrupt("the key of a due event".to_owned()))?;
            Ok((key.to_vec(), id))
        };
        rows.into_iter().map(read).collect()
    }

    /// Whether a bucket wants failed callbacks to be tried again; one that is gone does not.
    pub(super) async fn retries(&self, bucket: &Bucket) -> Result<bool, KvError> {
        let value = self.kv.get(&keys::bucket(bucket)).await?;
        value.map_or(Ok(false), |value| BucketRecord::decode(&value).map(|record| record.retries_callbacks))
    }
}

/// An event that nobody has been told of, due at a time.
pub(super) fn anew(record: EventRecord, due: Timestamp) -> EventRecord {
    EventRecord { attempts: 0, due, last_error: None, state: EventState::Pending, ..record }
}

/// An event's record; one that cannot be read is told to the log, and does not keep the others.
fn readable(id: EventId, value: &[u8]) -> Option<EventRecord> {
    EventRecord::decode(value).map_err(|error| tracing::error!(event = %id, %error, "an event cannot be read")).ok()
}

fn won(committed: Result<(), KvError>) -> Result<bool, KvError> {
    match committed {
        Ok(()) => Ok(true),
        Err(KvError::Conflict(_)) => Ok(false),
        Err(error @ (KvError::ReadOnly | KvError::NoSpace | KvError::Engine(_) | KvError::Corrupt(_))) => Err(error),
    }
}

fn summary(id: EventId, record: EventRecord) -> EventSummary {
    let EventRecord { callback, bucket, key, created, attempts, due, last_error, state, .. } = record;
    EventSummary { id, bucket, key, urls: callback.urls, created, attempts, due, last_error, state }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{events::app, meta::MemoryKv};

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[tokio::test]
    async fn events_are_listed_in_pages_and_delivered_ones_when_asked_for() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::default());
        let ids: Vec<EventId> = (0..600_u16).map(app::id).collect();
        for (index, &id) in ids.iter().enumerate() {
            let state = if index % 3 == 0 { EventState::Delivered(at(1)) } else { EventState::Pending };
            app::store(&*kv, id, &EventRecord { state, ..app::event("http://app/") }).await;
        }
        let ledger = Ledger::new(kv);
        let listed =
            async |after, count, all| ledger.list(after, count, all).await.unwrap().iter().map(|event| event.id).collect::<Vec<_>>();
        assert_eq!(listed(None, usize::MAX, true).await, ids);
        let undelivered: Vec<EventId> = (0..600).filter(|index| index % 3 != 0).map(|index| ids[index]).collect();
        assert_eq!(listed(None, usize::MAX, false).await, undelivered);
        assert_eq!(listed(None, 2, false).await, undelivered[..2]);
        assert_eq!(listed(Some(undelivered[1]), 300, false).await, undelivered[2..302]);
        assert_eq!(listed(Some(ids[599]), 2, true).await, []);
    }

    #[tokio::test]
    async fn a_change_moves_the_row_that_says_when_and_loses_against_another() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::default());
        let id = app::id(1);
        app::store(&*kv, id, &app::event("http://app/")).await;
        let ledger = Ledger::new(Arc::clone(&kv));
        let (first, second) = (ledger.read(id).await.unwrap().unwrap(), ledger.read(id).await.unwrap().unwrap());
        let later = EventRecord { due: at(99_000), ..first.record.clone() };
        assert!(ledger.change(&first, later).await.unwrap().is_some());
        assert!(ledger.change(&second, anew(second.record.clone(), at(5))).await.unwrap().is_none());
        ledger.forget(&second).await.unwrap();
        let due = ledger.due(keys::events_due(at(i64::MAX - 1)), 10).await.unwrap();
        assert_eq!(due, [(keys::event_due(at(99_000), id), id)]);

        assert!(ledger.make_due(id, at(7)).await.unwrap());
        assert!(!ledger.make_due(app::id(2), at(7)).await.unwrap());
        assert_eq!(ledger.due(keys::events_due(at(7)), 10).await.unwrap().len(), 1);
        let row = ledger.read(id).await.unwrap().unwrap();
        ledger.forget(&row).await.unwrap();
        assert_eq!(kv.scan(keys::table(b'E'), 9).await.unwrap().len() + kv.scan(keys::table(b'N'), 9).await.unwrap().len(), 0);
    }

    #[tokio::test]
    async fn events_are_dropped_one_by_one_or_a_buckets_undelivered_ones() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::default());
        let (mine, other) = (app::event("http://app/"), Bucket::new("movies").unwrap());
        for number in 0..600 {
            let state = match number % 4 {
                0 => EventState::Delivered(at(1)),
                1 => EventState::Failed(at(1)),
                _ => EventState::Pending,
            };
            let bucket = if number % 4 == 3 { other.clone() } else { mine.bucket.clone() };
            app::store(&*kv, app::id(number), &EventRecord { state, bucket, ..mine.clone() }).await;
        }
        let ledger = Ledger::new(Arc::clone(&kv));
        assert!(ledger.drop_event(app::id(0)).await.unwrap());
        assert!(!ledger.drop_event(app::id(0)).await.unwrap());
        assert_eq!(ledger.drop_undelivered(&mine.bucket).await.unwrap(), 300);
        assert_eq!(ledger.drop_undelivered(&mine.bucket).await.unwrap(), 0);
        let left = ledger.list(None, usize::MAX, true).await.unwrap();
        assert_eq!(left.len(), 299);
        assert!(left.iter().all(|event| event.bucket == other || matches!(event.state, EventState::Delivered(_))));
        assert_eq!(kv.scan(keys::table(b'N'), usize::MAX).await.unwrap().len(), 299);
    }

    #[tokio::test]
    async fn an_event_that_cannot_be_read_does_not_keep_the_others_and_can_be_dropped() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::default());
        let ledger = Ledger::new(Arc::clone(&kv));
        for number in 0..3 {
            app::store(&*kv, app::id(number), &app::event("http://app/")).await;
        }
        kv.commit(vec![], vec![Write::Put(keys::event(app::id(1)), Bytes::from_static(b"\xFF"))]).await.unwrap();
        let listed: Vec<_> = ledger.list(None, 9, false).await.unwrap().into_iter().map(|event| event.id).collect();
        assert_eq!(listed, [app::id(0), app::id(2)]);
        assert_eq!(ledger.drop_undelivered(&app::event("http://app/").bucket).await.unwrap(), 2);
        assert!(ledger.drop_event(app::id(1)).await.unwrap());
        assert!(kv.scan(keys::table(b'E'), 9).await.unwrap().is_empty());
        let (row, id) = ledger.due(keys::events_due(at(i64::MAX - 1)), 9).await.unwrap().remove(0);
        ledger.remove_stray(row, id, None).await.unwrap();
        assert!(kv.scan(keys::table(b'N'), 9).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn an_event_changed_meanwhile_is_dropped_unless_it_was_delivered() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::default());
        let ledger = Ledger::new(Arc::clone(&kv));
        let mut read = Vec::new();
        for number in 0..3 {
            app::store(&*kv, app::id(number), &app::event("http://app/")).await;
            read.push(ledger.read(app::id(number)).await.unwrap().unwrap());
        }
        let change = async |index: usize, state| {
            let record = EventRecord { state, due: at(99_000), ..read[index].record.clone() };
            assert!(ledger.change(&read[index], record).await.unwrap().is_some());
        };
        change(0, EventState::Failed(at(1))).await;
        change(1, EventState::Delivered(at(1))).await;
        assert_eq!(ledger.drop_page(&read).await.unwrap(), 2);
        let left: Vec<_> = ledger.list(None, usize::MAX, true).await.unwrap().into_iter().map(|event| event.id).collect();
        assert_eq!(left, [app::id(1)]);
        assert_eq!(kv.scan(keys::table(b'N'), usize::MAX).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_bucket_that_is_gone_does_not_retry() {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::default());
        let ledger = Ledger::new(Arc::clone(&kv));
        let bucket = app::event("http://app/").bucket;
        assert!(!ledger.retries(&bucket).await.unwrap());
        app::store_bucket(&*kv, true).await;
        assert!(ledger.retries(&bucket).await.unwrap());
        app::store_bucket(&*kv, false).await;
        assert!(!ledger.retries(&bucket).await.unwrap());
    }
}
