//! Races over the stores that servers use: many tasks at once, and single stories told step by step.
//!
//! The order of things is not repeatable, what the tasks do is: `RACES_SEED=<seed>` runs the storms of one
//! seed, `RACES_STORMS=<count>` more of them, `RACES_MINUTES=<minutes>` as many as fit into that time.

#[path = "races/clients.rs"]
mod clients;
mod gateway;
#[path = "races/history.rs"]
mod history;
#[path = "races/stories.rs"]
mod stories;
#[path = "races/storm.rs"]
mod storm;

use history::Counts;
use std::time::{Duration, Instant};
use storm::{Weather, storm};

/// Operations of each task.
const OPERATIONS: u64 = 120;

fn storms(count: u64, weather: Weather) {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let minutes = setting("RACES_MINUTES");
    let seeds = match (setting("RACES_SEED"), minutes) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(_)) => 0..u64::MAX,
        (None, None) => 0..setting("RACES_STORMS").unwrap_or(count),
    };
    let begin = Instant::now();
    let mut all = Counts::new();
    for seed in seeds {
        if minutes.is_some_and(|minutes| begin.elapsed() >= Duration::from_secs(60 * minutes)) {
            break;
        }
        println!("RACES_SEED={seed}");
        let counts = runtime().block_on(storm(seed, OPERATIONS, weather));
        counts.into_iter().for_each(|(what, count)| *all.entry(what).or_default() += count);
    }
    println!("{all:#?}");
    assert!(all.values().all(|&count| count > 0), "some things never happened: {all:#?}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime")
}

#[test]
fn nothing_that_was_acknowledged_is_lost_in_a_storm() {
    storms(6, Weather::Fair);
}

#[test]
fn nothing_that_was_acknowledged_is_lost_in_a_storm_when_the_disk_fails_now_and_then() {
    storms(6, Weather::Faults);
}

/// The canary: without conditional commits acknowledged things are lost, which must be noticed.
#[test]
#[should_panic]
fn a_storm_over_an_index_that_does_not_look_at_checks_is_noticed() {
    runtime().block_on(storm(0, OPERATIONS, Weather::NoChecks));
}
