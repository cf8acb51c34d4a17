//! Many tasks on few keys and uploads at once. What they see goes into a history; when all is quiet, everything
//! that was acknowledged must still be there, and nothing else.

use crate::{
    clients::{Clients, Gate, Punctual, assert_counted, assert_nothing_left},
    gateway::{Dice, GRACE_MS, Nature, Place, RETENTION_MS},
    history::Counts,
};
use partway::{blob::BlobStore, ops::Gateway, testkit::faulty::FaultyBlobs};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

const TASKS: u64 = 12;

/// What kind of storm.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Steps of the blob store fail now and then.
    Faults,
    /// The index does not look at the checks of commits: what must not pass.
    NoChecks,
}

/// A storm of so many operations per task; panics when the history contradicts itself or something is left over.
pub(crate) async fn storm(seed: u64, operations: u64, weather: Weather) -> Counts {
    let (place, nature) = (Place::directory(), Nature::new(seed));
    let (kv, blobs) = place.open();
    let faulty = Arc::new(FaultyBlobs::new(blobs));
    let gate = Gate::default();
    let kv = Arc::new(Punctual { inner: kv, gate: Arc::clone(&gate), looks_at_checks: weather != Weather::NoChecks });
    let gateway = nature.start(kv, Arc::clone(&faulty) as Arc<dyn BlobStore>).await;
    let mut clients = Clients::new(nature.clone());
    clients.gateways = vec![Arc::clone(&gateway)];
    clients.faults = (weather == Weather::Faults).then(|| Arc::clone(&faulty));
    let clients = Arc::new(clients);
    clients.make_bucket_rules_and_links().await;
    clients.make_room().await;

    let is_over = Arc::new(AtomicBool::new(false));
    let mut reapers = vec![tokio::spawn(pass_time(nature.clone(), gate, Arc::clone(&is_over)))];
    let failures_are_fine = weather == Weather::Faults;
    reapers.extend((0..2).map(|_| tokio::spawn(reap(Arc::clone(&gateway), failures_are_fine, Arc::clone(&is_over)))));
    let tasks = (0..TASKS).map(|task| {
        let (clients, mut dice) = (Arc::clone(&clients), Dice::new(seed * 1_000 + task));
        tokio::spawn(async move {
            for _ in 0..operations {
                clients.operate(&mut dice).await;
            }
        })
    });
    let verifies = async {
        // What changes while it looks is no problem, and there is none.
        if weather == Weather::Fair && seed.is_multiple_of(3) {
            clients.verify().await;
        }
    };
    let (tasks, ()) = futures_util::future::join(futures_util::future::join_all(tasks), verifies).await;
    tasks.into_iter().for_each(|task| task.expect("a task runs to its end"));
    is_over.store(true, Ordering::SeqCst);
    for reaper in reapers {
        reaper.await.expect("a reaper runs to its end");
    }
    faulty.clear();
    gateway.drain().await;
    clients.look_at_everything().await;

    // The same after a restart, which also removes what could not be removed at once.
    let mut clients = Arc::into_inner(clients).expect("everybody is done");
    (clients.gateways, clients.faults) = (vec![], None);
    drop((gateway, faulty));
    let (kv, blobs) = place.open();
    let gateway = nature.start(Arc::clone(&kv), Arc::clone(&blobs)).await;
    clients.gateways.push(Arc::clone(&gateway));
    clients.look_at_everything().await;
    nature.pass_ms(GRACE_MS);
    gateway.reap().await.expect("the reaper is done");
    clients.end_everything(&mut Dice::new(seed)).await;
    clients.look_at_everything().await;
    let contradictions = clients.history.contradictions();
    assert!(contradictions.is_empty(), "seed {seed}: {contradictions:#?}");
    clients.verify().await;
    assert_counted(&gateway).await;
    clients.delete_everything().await;
    nature.pass_ms(GRACE_MS + RETENTION_MS);
    gateway.reap().await.expect("the reaper is done");
    clients.verify().await;
    assert_nothing_left(&*kv, &*blobs).await;
    clients.history.counts()
}

/// Lets the grace period pass about every 16 milliseconds.
async fn pass_time(nature: Nature, gate: Gate, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::SeqCst) {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let _no_commit_is_under_way = gate.write().await;
        nature.pass_ms(GRACE_MS / 8);
    }
}

/// Works off what is due, without a pause.
async fn reap(gateway: Arc<Gateway>, failures_are_fine: bool, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::SeqCst) {
        match gateway.reap().await {
            Ok(_) => {}
            Err(failure) => assert!(failures_are_fine, "reaping: {failure:?}"),
        }
        tokio::task::yield_now().await;
    }
}
