//! The service against the scalar twin, and what it promises to those who wait. Where order matters there are no threads: the
//! test does the workers' turns itself.

use super::*;
use crate::digest::md5;
use proptest::prelude::*;
use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering},
    task::{Context, Poll, Waker},
    time::Duration,
};

const ENGINES: [Engine; 3] = [Engine::Avx512, Engine::Avx2, Engine::Scalar];

/// Workers whose turns the test does.
struct Workshop {
    shared: Shared,
    jobs: Vec<Vec<Job>>,
}

impl Workshop {
    fn new(lane_count: usize, worker_count: usize, step: Step) -> Self {
        let jobs = (0..worker_count).map(|_| Vec::new()).collect();
        Self { shared: Shared::new(lane_count, worker_count, step), jobs }
    }

    /// Workers that count blocks and compute nothing, so that a terabyte takes no time.
    fn idle(lane_count: usize, worker_count: usize) -> Self {
        let step = |work: &mut [Work<'_>]| work.iter().map(|stream| stream.blocks.len()).min().unwrap_or(0);
        Self::new(lane_count, worker_count, Box::new(step))
    }

    fn submit(&self, pieces: Vec<Bytes>) -> oneshot::Receiver<Md5Stream> {
        self.submit_to(Md5Stream::default(), pieces).1
    }

    fn submit_to(&self, stream: Md5Stream, pieces: Vec<Bytes>) -> (u64, oneshot::Receiver<Md5Stream>) {
        let (done, receiver) = oneshot::channel();
        (self.shared.submit(Job::new(stream, pieces, done)), receiver)
    }

    fn take(&mut self, worker: usize) -> usize {
        self.shared.lock().exchange(worker, &mut self.jobs[worker]);
        self.jobs[worker].len()
    }

    fn turn(&mut self, worker: usize) {
        if self.take(worker) > 0 {
            self.shared.slice(&mut self.jobs[worker]);
        }
    }
}

fn is_over(receiver: &mut oneshot::Receiver<Md5Stream>) -> bool {
    receiver.try_recv().is_ok()
}

/// A batch of so many MiB, of the same bytes again and again.
fn mebibytes(count: usize) -> Vec<Bytes> {
    vec![Bytes::from(vec![1; 1 << 20]); count]
}

fn noise() -> Bytes {
    let mut state = 1_u64;
    let byte = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    Bytes::from((0..1 << 17).map(byte).collect::<Vec<u8>>())
}

/// A body as the offsets and sizes of its pieces, batch by batch.
fn bodies(count: usize) -> impl Strategy<Value = Vec<Vec<Vec<(usize, usize)>>>> {
    let size = prop_oneof![4 => 0_usize..200, 2 => Just(64_usize), 2 => 0_usize..5_000, 1 => 0_usize..60_000];
    let batch = prop::collection::vec((0_usize..60_000, size), 0..6);
    prop::collection::vec(prop::collection::vec(batch, 0..4), 1..count)
}

fn cut(noise: &Bytes, batch: &[(usize, usize)]) -> Vec<Bytes> {
    batch.iter().map(|&(offset, size)| noise.slice(offset..offset + size)).collect()
}

/// What the `md-5` crate says.
fn expected(noise: &Bytes, body: &[Vec<(usize, usize)>]) -> [u8; 16] {
    md5(&body.iter().flat_map(|batch| cut(noise, batch)).collect::<Vec<_>>().concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Whoever comes and goes when, and whatever is broken off and begun again.
    #[test]
    fn digests_are_the_scalar_twins_whatever_the_splits_and_the_interleaving(
        bodies in bodies(24),
        choices in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..10), 0..200),
        engine in prop::sample::select(&ENGINES[..]),
        worker_count in 1_usize..4,
    ) {
        let noise = noise();
        let mut shop = Workshop::new(engine.lanes(), worker_count, Box::new(move |work| step(engine, work)));
        let mut streams: Vec<_> = bodies.iter().map(|_| (Md5Stream::default(), 0, None)).collect();
        let finish_all = std::iter::repeat_with(|| None);
        let mut choices = choices.into_iter().map(Some).chain(finish_all);
        let mut rounds = 0;
        while streams.iter().zip(&bodies).any(|((_, next, _), body)| *next < body.len()) {
            let choice = choices.next().flatten();
            let chosen = choice.map(|(index, _)| index.index(streams.len()));
            for index in chosen.map_or(0..streams.len(), |index| index..index + 1) {
                let (stream, next, waiting) = &mut streams[index];
                let Some(batch) = bodies[index].get(*next) else { continue };
                match (waiting.take(), choice) {
                    (None, _) => *waiting = Some(shop.submit_to(stream.clone(), cut(&noise, batch))),
                    // Hung up, while it waits or on its lane. The stream is as it was.
                    (Some((id, _)), Some((_, 0))) => drop(shop.shared.lock().remove(id)),
                    (Some((id, mut receiver)), _) => match receiver.try_recv() {
                        Ok(added) => (*stream, *next) = (added, *next + 1),
                        Err(oneshot::error::TryRecvError::Empty) => *waiting = Some((id, receiver)),
                        Err(oneshot::error::TryRecvError::Closed) => prop_assert!(false, "a job was lost"),
                    },
                }
            }
            match choice {
                Some((worker, 5..)) => shop.turn(worker.index(worker_count)),
                Some((_, _)) => {}
                None => (0..worker_count).for_each(|worker| shop.turn(worker)),
            }
            rounds += 1;
            prop_assert!(rounds < 20_000, "it does not come to an end");
        }
        for ((stream, ..), body) in streams.into_iter().zip(&bodies) {
            prop_assert_eq!(stream.finish(), expected(&noise, body));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// The same with threads, which interleave as they like.
    #[test]
    fn digests_of_bodies_at_once_are_the_scalar_twins(bodies in bodies(40), engine in prop::sample::select(&ENGINES[..]), workers in 0_usize..4) {
        let noise = noise();
        let service = Arc::new(Md5Service::start(engine, workers));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
        let digests = runtime.block_on(async {
            let begin = |body: &Vec<Vec<_>>| {
                let (service, batches) = (Arc::clone(&service), body.iter().map(|batch| cut(&noise, batch)).collect::<Vec<_>>());
                tokio::spawn(async move {
                    let mut stream = Md5Stream::default();
                    for batch in batches {
                        stream = service.add(stream, batch).await.unwrap();
                    }
                    stream.finish()
                })
            };
            let mut digests = Vec::new();
            for body in bodies.iter().map(begin).collect::<Vec<_>>() {
                digests.push(body.await.unwrap());
            }
            digests
        });
        prop_assert_eq!(digests, bodies.iter().map(|body| expected(&noise, body)).collect::<Vec<_>>());
    }
}

/// Bytes that are counted as long as anybody has them.
struct Counted(Bytes, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_hang_ups_disturbs_nobody_and_leaves_nothing() {
    let (service, noise, alive) = (Arc::new(Md5Service::start(Engine::best(), 2)), noise(), Arc::new(AtomicUsize::new(0)));
    let begin = |index: usize| {
        let (service, noise, alive) = (Arc::clone(&service), noise.clone(), Arc::clone(&alive));
        tokio::spawn(async move {
            for round in 0..8_usize {
                alive.fetch_add(1, Ordering::SeqCst);
                let piece = noise.slice(index..40_000 + 997 * round);
                let counted = Bytes::from_owner(Counted(piece.clone(), Arc::clone(&alive)));
                let job = service.add(Md5Stream::default(), vec![counted]);
                if (index + round).is_multiple_of(3) {
                    assert_eq!(job.await.unwrap().finish(), md5(&piece), "body {index} in round {round}");
                } else {
                    // Hung up before it is waited for, at once, and some time after.
                    let _ = tokio::time::timeout(Duration::from_micros((index * 17 % 400) as u64), job).await;
                }
            }
        })
    };
    for body in (0..120).map(begin).collect::<Vec<_>>() {
        body.await.unwrap();
    }
    let mut rounds = 0;
    while alive.load(Ordering::SeqCst) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        rounds += 1;
        assert!(rounds < 4_000, "{} pieces are still held", alive.load(Ordering::SeqCst));
    }
}

#[test]
fn a_job_that_waits_gives_its_memory_back_when_its_waiter_goes() {
    // Nobody does the work.
    let shared = Arc::new(Shared::new(16, 1, Box::new(|_| 0)));
    let service = Md5Service { shared: Arc::clone(&shared), has_workers: true };
    let alive = Arc::new(AtomicUsize::new(1));
    let mut job = Box::pin(service.add(Md5Stream::default(), vec![Bytes::from_owner(Counted(noise(), Arc::clone(&alive)))]));
    assert!(matches!(job.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Pending));
    assert_eq!(alive.load(Ordering::SeqCst), 1);
    drop(job);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    let mut jobs = Vec::new();
    shared.lock().exchange(0, &mut jobs);
    assert!(jobs.is_empty());
}

#[test]
fn small_jobs_all_finish_while_a_huge_one_goes_on() {
    let mut shop = Workshop::idle(4, 1);
    let mut huge = shop.submit(mebibytes(64));
    let small: Vec<_> = (0..100).map(|_| shop.submit(vec![Bytes::from(vec![2; 20_000])])).collect();
    shop.turn(0);
    for mut receiver in small {
        while !is_over(&mut receiver) {
            assert!(!is_over(&mut huge), "the huge one was in front");
            shop.turn(0);
        }
    }
    assert!(!is_over(&mut huge));
    assert!((0..10_000).any(|_| {
        shop.turn(0);
        is_over(&mut huge)
    }));
}

#[test]
fn jobs_that_hold_every_lane_make_place_for_those_that_wait() {
    for (lane_count, worker_count) in [(1, 1), (4, 1), (4, 2), (16, 1)] {
        let mut shop = Workshop::idle(lane_count, worker_count);
        let mut all: Vec<_> = (0..lane_count * worker_count + 1).map(|_| shop.submit(mebibytes(40))).collect();
        let turns = |shop: &mut Workshop| (0..worker_count).for_each(|worker| shop.turn(worker));
        turns(&mut shop);
        let mut small = shop.submit(vec![Bytes::from(vec![2; 20_000])]);
        let mut rounds = 0;
        while !is_over(&mut small) {
            turns(&mut shop);
            rounds += 1;
            assert!(rounds < 200, "it starves");
        }
        assert!(!all.iter_mut().any(is_over), "a turn is no more than a MiB");
        // They hold each other up for as long as all their lanes need, and no longer.
        let mut over = vec![false; all.len()];
        while over.contains(&false) {
            turns(&mut shop);
            for (over, receiver) in over.iter_mut().zip(&mut all) {
                *over |= is_over(receiver);
            }
            rounds += 1;
            assert!(rounds < 200 + 40 * 32 * (all.len() / lane_count + 1) * 2, "some of them starve: {over:?}");
        }
    }
}

#[test]
fn a_newcomer_joins_at_the_next_slice_and_leaves_as_soon_as_it_is_done() {
    let mut shop = Workshop::idle(16, 2);
    let _huge: Vec<_> = (0..15).map(|_| shop.submit(mebibytes(64))).collect();
    shop.turn(0);
    let mut small = shop.submit(vec![Bytes::from(vec![2; 20_000])]);
    shop.turn(0);
    assert!(is_over(&mut small));
}

#[test]
fn one_worker_gets_whatever_its_lanes_hold_and_another_begins_only_for_half_of_its_own() {
    let mut shop = Workshop::idle(16, 3);
    let push = |shop: &Workshop| {
        let (done, receiver) = oneshot::channel();
        (shop.shared.lock().push(Job::new(Md5Stream::default(), mebibytes(1), done)).1, receiver)
    };
    let mut receivers = Vec::new();
    let mut woken = |shop: &Workshop, count: usize| -> Vec<Option<usize>> {
        let (woken, more): (Vec<_>, Vec<_>) = (0..count).map(|_| push(shop)).unzip();
        receivers.extend(more);
        woken
    };
    assert!(woken(&shop, 1) == [Some(0)] && shop.take(1) == 0 && shop.take(0) == 1);
    assert!(woken(&shop, 15).iter().all(Option::is_none) && shop.take(1) == 0 && shop.take(0) == 16);
    assert!(woken(&shop, 7).iter().all(Option::is_none) && shop.take(1) == 0);
    assert!(woken(&shop, 1) == [Some(1)] && shop.take(2) == 0 && shop.take(1) == 8);
    // Those that are at it fill up, the first one first, before a third begins.
    assert!(woken(&shop, 8).iter().all(Option::is_none) && shop.take(2) == 0 && shop.take(1) == 16);
    assert!(woken(&shop, 8)[7] == Some(2) && shop.take(2) == 8);
    shop.jobs[0].truncate(10);
    assert!(shop.take(0) == 10 && woken(&shop, 6).iter().all(Option::is_none));
    assert!(shop.take(2) == 8 && shop.take(1) == 16 && shop.take(0) == 16, "what fits before them is left there");
}

#[test]
fn without_lanes_every_worker_has_a_stream() {
    let mut shop = Workshop::idle(1, 2);
    let _receivers: Vec<_> = (0..3).map(|_| shop.submit(mebibytes(1))).collect();
    assert!(shop.take(1) == 1 && shop.take(0) == 1);
}

#[tokio::test]
async fn a_worker_that_panics_tells_who_waits_and_goes_on() {
    let panics = |work: &mut [Work<'_>]| {
        assert!(!work.iter().any(|stream| stream.blocks[0][0] == 0xEE), "this test's panic");
        step(Engine::Scalar, work)
    };
    let service = Md5Service::start_with(1, 1, Box::new(panics));
    for _ in 0..3 {
        assert!(service.add(Md5Stream::default(), vec![Bytes::from(vec![0xEE; 200])]).await.is_err());
        let stream = service.add(Md5Stream::default(), vec![Bytes::from(vec![1; 200])]).await.unwrap();
        assert_eq!(stream.finish(), md5(&[1; 200]));
    }
}

#[tokio::test]
async fn workers_end_with_their_service() {
    let service = Md5Service::start(Engine::best(), 2);
    service.add(Md5Stream::default(), mebibytes(1)).await.unwrap();
    let shared = Arc::downgrade(&service.shared);
    drop(service);
    let mut rounds = 0;
    while shared.upgrade().is_some() {
        tokio::time::sleep(Duration::from_millis(5)).await;
        rounds += 1;
        assert!(rounds < 4_000, "a worker is still there");
    }
}
