//! The outbox over an index in memory, with a clock and an application that do what the test says.

use super::*;
use crate::{events::app, meta::MemoryKv};
use async_trait::async_trait;
use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

/// Answers as listed, then 200; counts, and can be held up.
#[derive(Default)]
struct Application {
    answers: Mutex<VecDeque<Undelivered>>,
    told: Mutex<Vec<EventId>>,
    held: Option<Arc<Semaphore>>,
}

#[async_trait]
impl Deliver for Arc<Application> {
    async fn deliver(&self, id: EventId, _: &EventRecord, _: Timestamp) -> Result<CallbackReply, Undelivered> {
        self.told.lock().unwrap().push(id);
        if let Some(held) = &self.held {
            held.acquire().await.unwrap().forget();
        }
        match self.answers.lock().unwrap().pop_front() {
            Some(why) => Err(why),
            None => Ok(CallbackReply { content_type: "application/json".to_owned(), body: b"{}".to_vec() }),
        }
    }

    async fn check(&self, _: &Callback) -> Result<(), Undelivered> {
        Ok(())
    }
}

impl Application {
    fn failing(count: usize) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(vec![Undelivered::Status(500); count].into()), ..Self::default() })
    }

    fn held() -> (Arc<Self>, Arc<Semaphore>) {
        let gate = Arc::new(Semaphore::new(0));
        (Arc::new(Self { held: Some(Arc::clone(&gate)), ..Self::default() }), gate)
    }

    fn told(&self) -> usize {
        self.told.lock().unwrap().len()
    }
}

struct World {
    kv: Arc<dyn Kv>,
    now: Arc<AtomicI64>,
    settings: Settings,
}

impl World {
    async fn new(retries: bool) -> Self {
        let kv: Arc<dyn Kv> = Arc::new(MemoryKv::default());
        app::store_bucket(&*kv, retries).await;
        Self { kv, now: Arc::new(AtomicI64::new(0)), settings: Settings::default() }
    }

    /// An outbox of a process that has just started.
    fn outbox(&self, application: &Arc<Application>) -> Arc<Outbox> {
        let now = Arc::clone(&self.now);
        let clock: Clock = Arc::new(move || Timestamp::from_millis(now.load(Ordering::SeqCst)));
        Outbox::with_courier(Arc::clone(&self.kv), self.settings.clone(), Box::new(Arc::clone(application)), String::new(), clock)
    }

    /// An event as an upload leaves it: claimed by its request.
    async fn event(&self, number: u16) -> EventId {
        let now = self.now.load(Ordering::SeqCst);
        let (created, due) = (Timestamp::from_millis(now), Timestamp::from_millis(now + CLAIM_MS));
        let event = EventRecord { created, due, ..app::event("http://app/") };
        app::store(&*self.kv, app::id(number), &event).await;
        app::id(number)
    }

    fn at(&self, now: i64) {
        self.now.store(now, Ordering::SeqCst);
    }

    async fn record(&self, id: EventId) -> Option<EventRecord> {
        Ledger::new(Arc::clone(&self.kv)).read(id).await.unwrap().map(|row| row.record)
    }

    async fn due(&self) -> i64 {
        let rows = self.kv.scan(keys::table(b'N'), 9).await.unwrap();
        assert_eq!(rows.len(), 1, "an event has one row that says when");
        i64::from_be_bytes(rows[0].0[1..9].try_into().unwrap())
    }
}

/// One look at what is due, to the end of the attempts that it begins.
async fn look(outbox: &Arc<Outbox>) {
    outbox.pass(&Arc::new(Semaphore::new(BACKGROUND_AT_ONCE))).await.unwrap();
    outbox.drain().await;
}

const DAY: i64 = 24 * 3_600_000;

#[tokio::test]
async fn a_delivered_event_is_kept_for_a_while_and_never_told_again() {
    let world = World::new(true).await;
    let application = Application::failing(0);
    let outbox = world.outbox(&application);
    let id = world.event(1).await;
    world.at(500);
    assert_eq!(outbox.deliver_now(id).await.unwrap().body, b"{}");
    let record = world.record(id).await.unwrap();
    assert_eq!((record.state, record.attempts, record.last_error), (EventState::Delivered(Timestamp::from_millis(500)), 1, None));
    assert_eq!(world.due().await, 500 + 7 * DAY);
    for now in [CLAIM_MS, DAY, 499 + 7 * DAY] {
        world.at(now);
        look(&outbox).await;
        assert!(world.record(id).await.is_some());
    }
    assert!(outbox.deliver_now(id).await.is_err(), "it is settled");
    assert_eq!(application.told(), 1);
    world.at(500 + 7 * DAY);
    look(&outbox).await;
    assert_eq!(world.record(id).await, None);
    assert_eq!(world.kv.scan(keys::table(b'N'), 9).await.unwrap().len(), 0);
    assert_eq!(application.told(), 1);
}

#[tokio::test]
async fn a_failed_event_is_told_again_at_growing_intervals_until_it_is_delivered() {
    let world = World::new(true).await;
    let application = Application::failing(14);
    let outbox = world.outbox(&application);
    let id = world.event(1).await;
    assert_eq!(outbox.deliver_now(id).await, Err("Error status : 500.".to_owned()));
    let mut now = 0;
    for attempt in 1..14 {
        let due = world.due().await;
        let ceiling = (10_000_i64 << (attempt - 1)).min(3_600_000);
        assert!(due - now <= ceiling && due - now >= (ceiling / 2).max(10_000), "attempt {attempt}: {} of {ceiling}", due - now);
        world.at(due - 1);
        look(&outbox).await;
        assert_eq!(application.told(), attempt, "not before it is due");
        world.at(due);
        now = due;
        look(&outbox).await;
        assert_eq!(application.told(), attempt + 1);
        let record = world.record(id).await.unwrap();
        assert_eq!((record.state, record.last_error.as_deref()), (EventState::Pending, Some("Error status : 500.")));
        assert_eq!(record.attempts as usize, attempt + 1);
    }
    world.at(world.due().await);
    look(&outbox).await;
    assert!(matches!(world.record(id).await.unwrap().state, EventState::Delivered(_)));
    assert_eq!(application.told(), 15);
}

#[tokio::test]
async fn without_retries_a_failure_is_final_but_kept() {
    let world = World::new(false).await;
    let application = Application::failing(1);
    let outbox = world.outbox(&application);
    let id = world.event(1).await;
    assert!(outbox.deliver_now(id).await.is_err());
    let record = world.record(id).await.unwrap();
    assert_eq!((record.state, record.last_error.as_deref()), (EventState::Failed(Timestamp::from_millis(0)), Some("Error status : 500.")));
    world.at(7 * DAY - 1);
    look(&outbox).await;
    assert!(world.record(id).await.is_some());
    world.at(7 * DAY);
    look(&outbox).await;
    assert_eq!((world.record(id).await, application.told()), (None, 1));
}

#[tokio::test]
async fn a_crash_before_the_first_attempt_loses_nothing_even_without_retries() {
    let world = World::new(false).await;
    let id = world.event(1).await;
    let application = Application::failing(0);
    let outbox = world.outbox(&application);
    world.at(CLAIM_MS - 1);
    look(&outbox).await;
    assert_eq!(application.told(), 0, "its request may still be at it");
    world.at(CLAIM_MS);
    look(&outbox).await;
    assert!(matches!(world.record(id).await.unwrap().state, EventState::Delivered(_)));
}

#[tokio::test]
async fn a_crash_between_attempt_and_record_repeats_the_attempt_when_the_claim_has_run_out() {
    let world = World::new(true).await;
    let id = world.event(1).await;
    world.at(CLAIM_MS);
    let (application, _gate) = Application::held();
    let crashed = world.outbox(&application);
    crashed.pass(&Arc::new(Semaphore::new(1))).await.unwrap();
    while application.told() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.due().await, 2 * CLAIM_MS, "claimed");

    // The attempt is never recorded: for the index that is a crash. Another process starts on the same index.
    let second = Application::failing(0);
    let restarted = world.outbox(&second);
    world.at(2 * CLAIM_MS - 1);
    look(&restarted).await;
    assert_eq!(second.told(), 0);
    world.at(2 * CLAIM_MS);
    look(&restarted).await;
    assert_eq!(second.told(), 1);
    assert!(matches!(world.record(id).await.unwrap().state, EventState::Delivered(_)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn loops_at_once_on_one_index_deliver_each_event_once() {
    let world = World::new(true).await;
    for number in 0..200 {
        world.event(number).await;
    }
    world.at(CLAIM_MS);
    let application = Application::failing(0);
    let outboxes: Vec<Arc<Outbox>> = (0..4).map(|_| world.outbox(&application)).collect();
    let (stop, stopped) = watch::channel(());
    let loops: Vec<_> = outboxes.iter().map(|outbox| tokio::spawn(Arc::clone(outbox).run(stopped.clone()))).collect();
    drop(stopped);
    while application.told() < 200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(stop);
    for (task, outbox) in loops.into_iter().zip(&outboxes) {
        task.await.unwrap();
        outbox.drain().await;
    }
    let mut told = application.told.lock().unwrap().clone();
    told.sort_unstable();
    assert_eq!(told, (0..200).map(app::id).collect::<Vec<_>>());
    assert!(Ledger::new(Arc::clone(&world.kv)).list(None, 9, false).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_replay_tells_again_what_was_delivered_failed_or_waits() {
    let world = World::new(false).await;
    let application = Application::failing(1);
    let outbox = world.outbox(&application);
    let id = world.event(1).await;
    assert!(outbox.deliver_now(id).await.is_err());
    assert_eq!(outbox.replay(id).await.unwrap().body, b"{}");
    let record = world.record(id).await.unwrap();
    assert_eq!((record.attempts, record.last_error.is_none()), (1, true));
    assert!(outbox.replay(id).await.is_ok(), "also what was delivered");
    assert_eq!(application.told(), 3);
    assert!(outbox.replay(app::id(9)).await.unwrap_err().contains("no event"));

    // As an operator does it while the server is stopped.
    assert!(Ledger::new(Arc::clone(&world.kv)).make_due(id, Timestamp::from_millis(5)).await.unwrap());
    world.at(5);
    look(&outbox).await;
    assert_eq!(application.told(), 4);
}

#[tokio::test]
async fn an_event_is_not_told_by_two_at_once() {
    let world = World::new(true).await;
    let id = world.event(1).await;
    let (application, gate) = Application::held();
    let outbox = world.outbox(&application);
    let first = tokio::spawn({
        let outbox = Arc::clone(&outbox);
        async move { outbox.deliver_now(id).await }
    });
    while application.told() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(outbox.replay(id).await.unwrap_err().contains("being told"));
    assert!(outbox.deliver_now(id).await.is_err());
    world.at(2 * CLAIM_MS);
    outbox.pass(&Arc::new(Semaphore::new(1))).await.unwrap();
    gate.add_permits(1);
    assert!(first.await.unwrap().is_ok());
    assert_eq!(application.told(), 1);
}

#[tokio::test]
async fn an_attempt_goes_on_when_its_request_hangs_up_and_is_waited_for() {
    let world = World::new(true).await;
    let id = world.event(1).await;
    let (application, gate) = Application::held();
    let outbox = world.outbox(&application);
    let hung_up = tokio::time::timeout(Duration::from_millis(20), outbox.deliver_now(id)).await;
    assert!(hung_up.is_err());
    gate.add_permits(1);
    outbox.drain().await;
    assert!(matches!(world.record(id).await.unwrap().state, EventState::Delivered(_)));
}

#[tokio::test]
async fn a_success_is_recorded_although_the_event_changed_meanwhile() {
    let world = World::new(true).await;
    let id = world.event(1).await;
    let (application, gate) = Application::held();
    let outbox = world.outbox(&application);
    let telling = tokio::spawn({
        let outbox = Arc::clone(&outbox);
        async move { outbox.deliver_now(id).await }
    });
    while application.told() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(outbox.ledger().make_due(id, Timestamp::from_millis(77)).await.unwrap());
    gate.add_permits(1);
    assert!(telling.await.unwrap().is_ok());
    assert!(matches!(world.record(id).await.unwrap().state, EventState::Delivered(_)));
    assert_eq!(world.due().await, 7 * DAY);
}

#[tokio::test]
async fn a_request_that_was_slow_to_come_back_claims_its_event_first() {
    let world = World::new(true).await;
    let id = world.event(1).await;
    world.at(CLAIM_MS - ATTEMPT_MS_MAX + 1);
    let (application, _gate) = Application::held();
    let outbox = world.outbox(&application);
    let telling = tokio::spawn(async move { outbox.deliver_now(id).await });
    while application.told() == 0 {
        tokio::task::yield_now().await;
    }
    telling.abort();
    assert_eq!(world.due().await, 2 * CLAIM_MS - ATTEMPT_MS_MAX + 1);
}

#[tokio::test]
async fn a_request_that_comes_back_when_another_process_has_claimed_its_event_leaves_it_alone() {
    let world = World::new(true).await;
    let id = world.event(1).await;
    let (application, gate) = Application::held();
    let (mine, other) = (world.outbox(&application), world.outbox(&application));
    world.at(CLAIM_MS);
    other.pass(&Arc::new(Semaphore::new(1))).await.unwrap();
    while application.told() == 0 {
        tokio::task::yield_now().await;
    }
    let mine = tokio::time::timeout(Duration::from_secs(5), mine.deliver_now(id)).await.expect("it tells nobody");
    assert_eq!(mine, Err(INDEX_FAILED.to_owned()));
    gate.add_permits(9);
    other.drain().await;
    assert_eq!(application.told(), 1);
    assert!(matches!(world.record(id).await.unwrap().state, EventState::Delivered(_)));
}

#[tokio::test]
async fn more_requests_than_can_be_waited_for_are_told_so_and_made_later() {
    let world = World::new(true).await;
    let application = Application::failing(0);
    let outbox = world.outbox(&application);
    let id = world.event(1).await;
    let all = outbox.requests.try_acquire_many(u32::try_from(REQUESTS_AT_ONCE).unwrap()).unwrap();
    assert_eq!(outbox.deliver_now(id).await, Err("Too many callback requests.".to_owned()));
    drop(all);
    assert_eq!(application.told(), 0);
    world.at(world.due().await);
    look(&outbox).await;
    assert_eq!(application.told(), 1);
}

#[tokio::test]
async fn a_bucket_with_a_slow_application_does_not_keep_others_waiting() {
    let world = World::new(true).await;
    let count = u16::try_from(BACKGROUND_PER_BUCKET).unwrap() + 4;
    for number in 0..count {
        world.event(number).await;
    }
    let other = EventRecord { bucket: crate::model::Bucket::new("other").unwrap(), ..app::event("http://app/") };
    app::store(&*world.kv, app::id(999), &EventRecord { due: Timestamp::from_millis(CLAIM_MS), ..other }).await;
    world.at(CLAIM_MS);
    let (application, gate) = Application::held();
    let outbox = world.outbox(&application);
    outbox.pass(&Arc::new(Semaphore::new(BACKGROUND_AT_ONCE))).await.unwrap();
    while application.told() < BACKGROUND_PER_BUCKET + 1 {
        tokio::task::yield_now().await;
    }
    assert!(application.told.lock().unwrap().contains(&app::id(999)));
    gate.add_permits(100);
    outbox.drain().await;
    assert_eq!(application.told(), BACKGROUND_PER_BUCKET + 1);
    look(&outbox).await;
    assert_eq!(application.told(), usize::from(count) + 1, "those that had to wait come next");
}

#[tokio::test]
async fn rows_without_their_event_do_not_stay_in_the_way() {
    let world = World::new(true).await;
    let application = Application::failing(0);
    let outbox = world.outbox(&application);
    let id = world.event(1).await;
    let stray =
        |millis, number| crate::meta::Write::Put(keys::event_due(Timestamp::from_millis(millis), app::id(number)), bytes::Bytes::new());
    world.kv.commit(vec![], vec![stray(1, 1), stray(2, 9)]).await.unwrap();
    world.at(10);
    look(&outbox).await;
    assert_eq!(application.told(), 0);
    assert_eq!(world.due().await, CLAIM_MS);
    assert!(world.record(id).await.is_some());
}

#[test]
fn waits_grow_from_the_shortest_to_the_longest_and_differ_between_events() {
    let settings = Settings { retry_min_ms: 10, retry_max_ms: 1000, ..Settings::default() };
    for attempts in [1, 2, 5, 9, 63, 64, 65, u32::MAX] {
        let ceiling = if attempts > 7 { 1000 } else { (10 << (attempts - 1)).min(1000) };
        for number in 0..50 {
            let wait = backoff_ms(&settings, attempts, app::id(number));
            assert!((ceiling / 2).max(10) <= wait && wait <= ceiling, "{attempts}: {wait}");
        }
    }
    let waits: std::collections::BTreeSet<i64> = (0..50).map(|number| backoff_ms(&settings, 20, app::id(number))).collect();
    assert!(waits.len() > 20, "{waits:?}");
    let longest = Settings { retry_min_ms: i64::MAX, retry_max_ms: i64::MAX, ..Settings::default() };
    assert_eq!(backoff_ms(&longest, u32::MAX, app::id(1)), i64::MAX);
}
