//! The events that this process is telling somebody of at the moment: each at most once, and none when it ends.

use crate::model::EventId;
use std::collections::HashSet;
use tokio::sync::watch;

/// The events underway. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Underway(watch::Sender<HashSet<EventId>>);

/// Keeps an event underway until it is dropped.
pub(super) struct Telling {
    underway: Underway,
    id: EventId,
}

impl Underway {
    /// Takes an event; `None` when somebody has it.
    pub(super) fn begin(&self, id: EventId) -> Option<Telling> {
        self.0.send_if_modified(|ids| ids.insert(id)).then(|| Telling { underway: self.clone(), id })
    }

    /// Waits until there are none.
    pub(super) async fn none_left(&self) {
        let _ = self.0.subscribe().wait_for(HashSet::is_empty).await;
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.underway.0.send_modify(|ids| {
            ids.remove(&self.id);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt as _;

    #[tokio::test]
    async fn an_event_is_told_by_one_at_a_time_and_waited_for() {
        let underway = Underway::default();
        let (a, b) = (EventId([1; 16]), EventId([2; 16]));
        let first = underway.begin(a).unwrap();
        assert!(underway.begin(a).is_none());
        let second = underway.begin(b).unwrap();
        drop(first);
        assert!(underway.none_left().now_or_never().is_none());
        assert!(underway.begin(a).is_some(), "it may be told again");
        drop(second);
        assert!(underway.none_left().now_or_never().is_some());
    }
}
