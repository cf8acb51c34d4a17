//! The measured part: one thread and one connection per worker, each taking the next operation from the ring.

use super::{
    Limit, Order,
    client::Sink,
    histogram::Histogram,
    line::{Line, Repeat, Trouble, nanos_since},
    payload::Payload,
    plan::{Check, Kind, Operation, Ring},
    prepare::is_error,
    site::Site,
};
use crate::dialect::xml::Element;
use std::{
    collections::BTreeMap,
    sync::{
        Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A worker for which so many operations in a row fail ends the run: nothing that is measured after that means anything.
const FAILURES_IN_A_ROW_MAX: u32 = 10;
/// Different errors that are told; further ones are counted together.
const TROUBLES_MAX: usize = 20;

/// What came of one kind of operation.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// Of the operations that succeeded, in nanoseconds.
    pub(super) latency: Histogram,
    /// Requests that were sent, retries included.
    pub(super) requests: u64,
    /// Operations that failed.
    pub(super) errors: u64,
    pub(super) retries: u64,
    /// Of bodies: sent when writing, received when reading. Of operations that succeeded.
    pub(super) bytes: u64,
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Results {
    pub(super) tallies: BTreeMap<Kind, Tally>,
    /// How often which error.
    pub(super) troubles: BTreeMap<String, u64>,
    /// How many operations of the ring were begun at least once.
    pub(super) used: usize,
    /// Whether it was given up.
    pub(super) is_given_up: bool,
}

impl Results {
    pub(super) fn error_count(&self) -> u64 {
        self.tallies.values().map(|tally| tally.errors).sum()
    }

    fn note(&mut self, trouble: String, count: u64) {
        let is_known = self.troubles.contains_key(&trouble) || self.troubles.len() < TROUBLES_MAX;
        *self.troubles.entry(if is_known { trouble } else { "other errors".to_owned() }).or_default() += count;
    }

    fn merge(&mut self, other: Self) {
        for (kind, tally) in other.tallies {
            let own = self.tallies.entry(kind).or_default();
            own.latency.merge(&tally.latency);
            own.requests += tally.requests;
            own.errors += tally.errors;
            own.retries += tally.retries;
            own.bytes += tally.bytes;
        }
        other.troubles.into_iter().for_each(|(trouble, count)| self.note(trouble, count));
    }
}

/// What the workers share.
struct Shared<'a> {
    ring: &'a Ring,
    /// Operations that are begun at most.
    count_max: usize,
    time_max: Option<Duration>,
    next: AtomicUsize,
    is_given_up: AtomicBool,
    /// Nobody begins before everybody is connected.
    begin: Barrier,
}

/// Carries out a prepared run. Returns what came of it and how long it took.
pub(super) fn carry_out(ring: &Ring, order: &Order, site: &Site, payload: &Payload) -> (Results, Duration) {
    let (asked, time_max) = match order.limit {
        Limit::Count(count) => (usize::try_from(count).unwrap_or(usize::MAX), None),
        Limit::Time(time) => (usize::MAX, Some(time)),
    };
    let shared = Shared {
        ring,
        count_max: if ring.is_once { asked.min(ring.operations.len()) } else { asked },
        time_max,
        next: AtomicUsize::new(0),
        is_given_up: AtomicBool::new(false),
        begin: Barrier::new(order.concurrency.saturating_add(1)),
    };
    let (mut results, elapsed) = thread::scope(|scope| {
        let threads: Vec<_> = (0..order.concurrency).map(|_| scope.spawn(|| work(&shared, site, payload))).collect();
        shared.begin.wait();
        let start = Instant::now();
        let mut results = Results::default();
        threads.into_iter().for_each(|thread| results.merge(thread.join().expect("a worker does not panic")));
        (results, start.elapsed())
    });
    results.used = shared.next.into_inner().min(shared.count_max).min(ring.operations.len());
    results.is_given_up = shared.is_given_up.into_inner();
    (results, elapsed)
}

fn work(shared: &Shared<'_>, site: &Site, payload: &Payload) -> Results {
    let (mut line, mut results, mut failures) = (Line::new(site, payload), Results::default(), 0);
    // Whoever cannot connect now says so with the first operation.
    let _ = line.open();
    shared.begin.wait();
    let begin = Instant::now();
    loop {
        if shared.is_given_up.load(Ordering::Relaxed) || shared.time_max.is_some_and(|time| begin.elapsed() >= time) {
            return results;
        }
        let number = shared.next.fetch_add(1, Ordering::Relaxed);
        if number >= shared.count_max {
            return results;
        }
        let operation = &shared.ring.operations[number % shared.ring.operations.len()];
        let (asked, retried, start) = (line.asked, line.retried, Instant::now());
        let outcome = carry_out_one(operation, &mut line);
        let nanos = nanos_since(start);
        let tally = results.tallies.entry(operation.kind).or_default();
        tally.requests += line.asked - asked;
        tally.retries += line.retried - retried;
        match outcome {
            Ok(bytes) => {
                tally.latency.record(nanos);
                tally.bytes += bytes;
                failures = 0;
            }
            Err(trouble) => {
                tally.errors += 1;
                results.note(trouble.to_string(), 1);
                failures += 1;
                if failures >= FAILURES_IN_A_ROW_MAX {
                    shared.is_given_up.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

/// Returns how many bytes of bodies went over the line.
fn carry_out_one(operation: &Operation, line: &mut Line<'_>) -> Result<u64, Trouble> {
    // A second Complete would find no upload when the first one was carried out and its answer lost.
    let repeat = if operation.kind == Kind::Complete { Repeat::Never } else { Repeat::Yes };
    let (mut bytes, mut keys) = (0, 0);
    for request in &operation.requests {
        line.ask(request, operation.sink, repeat)?;
        bytes += match operation.kind {
            Kind::UploadPart | Kind::Put => request.body.size(),
            Kind::Get | Kind::Range | Kind::List => line.answer.size,
            Kind::Complete => 0,
        };
        if matches!((&operation.check, operation.sink), (Check::Keys(_), Sink::Keep)) {
            keys += Element::parse(&line.answer.kept).map_or(0, |root| root.children_named("Contents").count());
        }
    }
    let answer = &line.answer;
    match &operation.check {
        Check::Nothing => Ok(bytes),
        Check::ETag(etag) if answer.etag.eq_ignore_ascii_case(etag) => Ok(bytes),
        Check::ETag(etag) => Err(Trouble::Wrong(format!("the ETag is {}, not the MD5 {etag}", answer.etag.escape_default()))),
        Check::Content(status, size) if (answer.status, answer.size) == (*status, *size) => Ok(bytes),
        Check::Content(status, size) => {
            Err(Trouble::Wrong(format!("the answer is {} with {} bytes, not {status} with {size}", answer.status, answer.size)))
        }
        Check::Keys(count) if keys == *count => Ok(bytes),
        Check::Keys(count) => Err(Trouble::Wrong(format!("{keys} keys are listed, not {count}"))),
        Check::Completed if is_error(&answer.kept) => Err(Trouble::of(answer)),
        Check::Completed => Ok(bytes),
    }
}
