//! MD5 of all bodies in flight, in lanes: a few threads run side by side whatever there is, a slice at a time.
//!
//! - Who comes joins at the next slice, who is done leaves at once; nobody waits for lanes to fill. A body that is alone has a
//!   worker for itself, which does it the scalar way.
//! - Each body has one job at a time, of a batch that its budget of memory has paid for. So there is no bound here.
//! - A job that nobody waits for any more gives its memory back: at once when it waits, at the end of a slice else.
//! - A worker that panics tells those who wait for its jobs, and goes on.

mod job;
mod queue;
#[cfg(test)]
mod tests;

use super::{
    lanes::{BLOCK_SIZE, CHAIN_START, Engine, MOST_LANES, Work, step},
    stream::Md5Stream,
};
use bytes::Bytes;
use job::Job;
use queue::Queue;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread::available_parallelism,
};
use tokio::sync::oneshot;

/// How much of each stream is done before others may join: some 50 to 90 µs. Blocks.
const SLICE_BLOCKS: usize = (32 << 10) / BLOCK_SIZE;

/// Workers call nothing deep.
const STACK_BYTES: usize = 512 << 10;

/// A job came to nothing: the worker that had it panicked.
#[derive(Debug, thiserror::Error)]
#[error("the worker that digested it panicked")]
pub struct DigestLost;

/// Workers that digest. Dropping it ends them.
pub struct Md5Service {
    shared: Arc<Shared>,
    has_workers: bool,
}

type Step = Box<dyn Fn(&mut [Work<'_>]) -> usize + Send + Sync>;

struct Shared {
    queue: Mutex<Queue>,
    /// One for each worker.
    wake: Vec<Condvar>,
    step: Step,
}

/// A job that somebody waits for.
struct Ticket<'a> {
    shared: &'a Shared,
    id: u64,
    is_over: bool,
}

impl Md5Service {
    /// The one of this process, with a worker for each core. They are started by the first call.
    #[must_use]
    pub fn of_process() -> &'static Self {
        static SERVICE: LazyLock<Md5Service> =
            LazyLock::new(|| Md5Service::start(Engine::best(), available_parallelism().map_or(1, usize::from)));
        &SERVICE
    }

    /// Starts workers; fewer when the system has no more threads. Without any, digests are made where they are asked for.
    #[must_use]
    pub fn start(engine: Engine, worker_count: usize) -> Self {
        Self::start_with(engine.lanes(), worker_count, Box::new(move |work| step(engine, work)))
    }

    fn start_with(lane_count: usize, worker_count: usize, step: Step) -> Self {
        let shared = Arc::new(Shared::new(lane_count, worker_count, step));
        let start = |worker: &usize| {
            let (shared, worker) = (Arc::clone(&shared), *worker);
            let thread = std::thread::Builder::new().name(format!("md5-{worker}")).stack_size(STACK_BYTES);
            let started = thread.spawn(move || shared.work(worker));
            started.inspect_err(|error| tracing::warn!(%error, worker, "no thread for digests")).is_ok()
        };
        let started = (0..worker_count).take_while(start).count();
        shared.lock().shrink(started);
        Self { shared, has_workers: started > 0 }
    }

    /// Adds pieces to a stream.
    ///
    /// Dropping the future drops the job, too.
    ///
    /// # Errors
    /// [`DigestLost`].
    pub async fn add(&self, mut stream: Md5Stream, pieces: Vec<Bytes>) -> Result<Md5Stream, DigestLost> {
        if !self.has_workers {
            pieces.iter().for_each(|piece| stream.update(piece));
            return Ok(stream);
        }
        let (done, receiver) = oneshot::channel();
        let id = self.shared.submit(Job::new(stream, pieces, done));
        let mut ticket = Ticket { shared: &self.shared, id, is_over: false };
        let outcome = receiver.await;
        ticket.is_over = true;
        outcome.map_err(|_| DigestLost)
    }
}

impl Drop for Md5Service {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.wake.iter().for_each(Condvar::notify_one);
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        if !self.is_over {
            let job = self.shared.lock().remove(self.id);
            // What it holds is given back without the lock.
            drop(job);
        }
    }
}

impl Shared {
    fn new(lane_count: usize, worker_count: usize, step: Step) -> Self {
        let wake = (0..worker_count).map(|_| Condvar::new()).collect();
        Self { queue: Mutex::new(Queue::new(lane_count, worker_count)), wake, step }
    }

    /// Held for a few moves of jobs, never while anything is computed.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job, and wakes who takes it. Returns its id.
    fn submit(&self, job: Job) -> u64 {
        let (id, woken) = self.lock().push(job);
        if let Some(worker) = woken {
            self.wake[worker].notify_one();
        }
        id
    }

    /// What a worker does all its life.
    fn work(&self, worker: usize) {
        let mut jobs = Vec::with_capacity(MOST_LANES);
        loop {
            let mut queue = self.lock();
            queue.exchange(worker, &mut jobs);
            while jobs.is_empty() {
                if queue.is_closed {
                    return;
                }
                queue = self.wake[worker].wait(queue).unwrap_or_else(PoisonError::into_inner);
                queue.exchange(worker, &mut jobs);
            }
            drop(queue);
            self.slice(&mut jobs);
        }
    }

    /// Runs jobs side by side, until one is done or each had a slice. Those that are done or abandoned leave.
    fn slice(&self, jobs: &mut Vec<Job>) {
        let ran = catch_unwind(AssertUnwindSafe(|| {
            jobs.retain(|job| !job.is_abandoned());
            let mut left = SLICE_BLOCKS;
            while left > 0 && !jobs.is_empty() && !jobs.iter().any(Job::is_done) {
                left = left.saturating_sub(self.step(jobs, left));
            }
            jobs.extract_if(.., |job| job.is_done()).for_each(Job::finish);
        }));
        if ran.is_err() {
            tracing::error!(count = jobs.len(), "a worker that digests panicked; its bodies fail");
            jobs.clear();
        }
    }

    /// Adds up to so many blocks to each job; says how many.
    fn step(&self, jobs: &mut [Job], most: usize) -> usize {
        let mut work: [Work<'_>; MOST_LANES] = std::array::from_fn(|lane| match jobs.get(lane) {
            Some(job) => Work { chain: job.chain(), blocks: &job.blocks()[..job.blocks().len().min(most)] },
            None => Work { chain: CHAIN_START, blocks: &[] },
        });
        let count = (self.step)(&mut work[..jobs.len()]);
        let chains = work.map(|stream| stream.chain);
        for (job, chain) in jobs.iter_mut().zip(chains) {
            job.added(chain, count);
        }
        count
    }
}
