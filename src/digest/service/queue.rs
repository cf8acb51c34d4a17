//! Which worker takes which jobs.
//!
//! - A lane more costs nothing, a worker more costs a core: 16 streams are for one worker, not eight for each of two. So each
//!   worker leaves to those before it what fits into their free lanes, and one that is idle begins only when there is work for
//!   half of its lanes.
//! - The first worker takes whatever waits: nothing waits while it is idle.
//! - Jobs are taken in their order. Where no lane is free, a job that has had its turn waits again, behind the others.

use super::job::Job;
use std::collections::VecDeque;

/// Jobs that wait, and what workers have.
pub(super) struct Queue {
    lane_count: usize,
    waiting: VecDeque<(u64, Job)>,
    /// Of each worker, how many lanes are taken.
    taken: Vec<usize>,
    latest_id: u64,
    /// Whether workers are to end when there is nothing left to do.
    pub(super) is_closed: bool,
}

impl Queue {
    pub(super) fn new(lane_count: usize, worker_count: usize) -> Self {
        Self { lane_count, waiting: VecDeque::new(), taken: vec![0; worker_count], latest_id: 0, is_closed: false }
    }

    /// Does without the last workers.
    pub(super) fn shrink(&mut self, worker_count: usize) {
        self.taken.truncate(worker_count);
    }

    /// Adds a job; returns its id, and the worker to be woken for it, if any.
    pub(super) fn push(&mut self, job: Job) -> (u64, Option<usize>) {
        self.latest_id += 1;
        self.waiting.push_back((self.latest_id, job));
        let woken = (0..self.taken.len()).find(|&worker| self.taken[worker] == 0 && self.due(worker) > 0);
        (self.latest_id, woken)
    }

    /// Takes a job back that waits; `None` when it does not any more.
    pub(super) fn remove(&mut self, id: u64) -> Option<Job> {
        let index = self.waiting.iter().position(|(found, _)| *found == id)?;
        self.waiting.remove(index).map(|(_, job)| job)
    }

    /// How many of the waiting jobs are for this worker, whether it has lanes for them or not.
    fn due(&self, worker: usize) -> usize {
        let before: usize = self.taken[..worker].iter().map(|&taken| self.lane_count.saturating_sub(taken)).sum();
        let due = self.waiting.len().saturating_sub(before);
        let is_worth_it = worker == 0 || self.taken[worker] > 0 || due >= self.lane_count / 2;
        if is_worth_it { due } else { 0 }
    }

    /// Gives a worker with these jobs those that are for it, and takes back what has to make place.
    pub(super) fn exchange(&mut self, worker: usize, jobs: &mut Vec<Job>) {
        self.taken[worker] = jobs.len();
        let due = self.due(worker);
        let mut lanes_missing = due.saturating_sub(self.lane_count - jobs.len());
        let makes_place = |job: &mut Job| {
            let does = lanes_missing > 0 && job.has_had_its_turn();
            lanes_missing -= usize::from(does);
            does
        };
        let made_place: Vec<Job> = jobs.extract_if(.., makes_place).collect();
        let count = due.min(self.lane_count - jobs.len());
        jobs.extend(self.waiting.drain(..count).map(|(_, mut job)| {
            job.begin_turn();
            job
        }));
        for job in made_place {
            self.latest_id += 1;
            self.waiting.push_back((self.latest_id, job));
        }
        self.taken[worker] = jobs.len();
    }
}
