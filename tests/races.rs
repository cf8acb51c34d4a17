//! Races over the stores that servers use: many tasks at once, and single stories told step by step.
//!
//! The order of things is not repeatable, what the tasks do is: `RACES_SEED=<seed>` runs the storms of one
//! seed, `RACES_STORMS=<count>` more of them.

mod gateway;
#[path = "races/history.rs"]
mod history;
#[path = "races/stories.rs"]
mod stories;
#[path = "races/storm.rs"]
mod storm;

/// Operations of each task.
const OPERATIONS: u64 = 120;

fn storms(count: u64, with_faults: bool) {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match setting("RACES_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("RACES_STORMS").unwrap_or(count),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
    for seed in seeds {
        println!("RACES_SEED={seed}");
        runtime.block_on(storm::storm(seed, OPERATIONS, with_faults));
    }
}

#[test]
fn nothing_that_was_acknowledged_is_lost_in_a_storm() {
    storms(6, false);
}

#[test]
fn nothing_that_was_acknowledged_is_lost_in_a_storm_when_the_disk_fails_now_and_then() {
    storms(6, true);
}
