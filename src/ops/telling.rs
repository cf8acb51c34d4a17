//! Uploads that an application is to be told of: the event is committed with the object, so that no crash forgets it.
//!
//! Whoever answers the request tells the application at once. The event's first `due` is far enough off for that;
//! should nobody come back from it, the event is found by it and told again.

use super::{Gateway, Request, publish::Batch};
use crate::{
    meta::{
        Check, Write, keys,
        record::{EventRecord, EventState, ObjectRecord, Record},
    },
    model::{Account, Callback, EventId, ObjectRef, Origin},
};

/// How long the first attempt may take before somebody else makes the next one. Milliseconds.
///
/// Five URLs, each with seconds to connect and seconds to answer, fit into it.
pub(super) const FIRST_ATTEMPT_MS: i64 = 120_000;

/// Whom to tell of a request's success, taken along to its commit.
#[derive(Clone)]
pub(super) struct Telling {
    callback: Callback,
    origin: Origin,
    requester: Option<Account>,
    operation: &'static str,
}

impl Telling {
    /// Of a request that came with a callback.
    pub(super) fn of(request: &Request, callback: Option<&Callback>) -> Option<Self> {
        callback.map(|callback| Self {
            callback: callback.clone(),
            origin: request.origin.clone(),
            requester: request.caller.account().cloned(),
            operation: request.name,
        })
    }
}

impl Gateway {
    /// Adds to a commit that somebody is to be told of the object it writes.
    pub(super) fn leave_event(&self, batch: &mut Batch, telling: &Telling, object: &ObjectRef, record: &ObjectRecord) -> EventId {
        let id = EventId(self.random());
        let due = self.steady_now().plus_millis(FIRST_ATTEMPT_MS);
        let event = EventRecord {
            callback: telling.callback.clone(),
            origin: telling.origin.clone(),
            requester: telling.requester.clone(),
            operation: telling.operation.to_owned(),
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            etag: record.etag,
            size: record.size,
            content_type: record.attributes.headers.content_type.clone(),
            crc64_ecma: record.crc64_ecma,
            created: record.last_modified,
            attempts: 0,
            due,
            last_error: None,
            state: EventState::Pending,
        };
        batch.checks.push(Check::Absent(keys::event(id)));
        batch.writes.push(Write::Put(keys::event(id), event.encode()));
        batch.writes.push(Write::Put(keys::event_due(due, id), bytes::Bytes::new()));
        id
    }
}
