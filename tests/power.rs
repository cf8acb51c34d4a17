//! Power cuts in the process: gateways over a simulated disk and a simulated index that lose what was not synced, with
//! what survives decided by a seed. `tests/crash.rs` cuts the power of real file systems, a few times; this does it often.
//!
//! `POWER_SEED=<seed>` runs one seed, which does the same every time; `POWER_SEEDS=<count>` runs so many.

#[path = "races/clients.rs"]
mod clients;
mod gateway;
#[path = "races/history.rs"]
mod history;
#[path = "power/log.rs"]
mod log;
#[path = "power/machine.rs"]
mod machine;
#[path = "power/steps.rs"]
mod steps;

use history::Counts;
use machine::{Setup, run};
use partway::testkit::power::DiskFaults;
use std::panic::catch_unwind;

/// Seeds of each test.
const SEEDS: u64 = 150;

/// What some seed must lead to, or they do not try enough.
const TO_BE_SEEN: [&str; 20] = [
    "appends",
    "audits",
    "completes repeated",
    "cuts",
    "ends after the load",
    "ends under load",
    "ends while recovering",
    "files that did not survive",
    "files that lost their staging name",
    "kills",
    "objects expired",
    "objects found absent",
    "objects read",
    "objects written",
    "parts listed",
    "parts uploaded",
    "uploads aborted",
    "uploads completed",
    "uploads found gone",
    "writes hung up on",
];

/// Seeds within which a canary must be noticed.
const CANARY_SEEDS: u64 = 60;

fn seeds(setup: Setup) {
    let setting = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seeds = match setting("POWER_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..setting("POWER_SEEDS").unwrap_or(SEEDS),
    };
    let are_many = seeds.end - seeds.start >= SEEDS;
    let mut all = Counts::new();
    for seed in seeds {
        println!("POWER_SEED={seed}");
        run(seed, setup).counts.into_iter().for_each(|(what, count)| *all.entry(what).or_default() += count);
    }
    println!("{all:#?}");
    let unseen: Vec<_> = TO_BE_SEEN.into_iter().filter(|what| all.get(what).is_none_or(|&count| count == 0)).collect();
    assert!(!are_many || unseen.is_empty(), "no seed led to {unseen:?}");
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_power_goes() {
    seeds(Setup::SOUND);
}

#[test]
fn nothing_that_was_acknowledged_is_lost_when_the_power_goes_and_two_gateways_share_the_stores() {
    seeds(Setup { gateways: 2, ..Setup::SOUND });
}

#[test]
fn a_seed_does_the_same_every_time() {
    for gateways in [1, 2] {
        let setup = Setup { gateways, ..Setup::SOUND };
        assert_eq!(run(1, setup), run(1, setup));
        assert_ne!(run(1, setup).steps, run(2, setup).steps, "another seed does something else");
    }
}

/// The canaries: what is wrong with a machine must be noticed, or nothing above is worth anything.
fn must_be_noticed(setup: Setup) {
    let seed = (0..CANARY_SEEDS).find(|&seed| catch_unwind(|| run(seed, setup)).is_err());
    println!("noticed with seed {seed:?}");
    assert!(seed.is_some(), "nobody noticed");
}

#[test]
fn a_disk_that_does_not_sync_directories_is_noticed() {
    must_be_noticed(Setup { disk: DiskFaults { ignores_directory_syncs: true, ..DiskFaults::default() }, ..Setup::SOUND });
}

#[test]
fn a_disk_that_does_not_sync_files_is_noticed() {
    must_be_noticed(Setup { disk: DiskFaults { ignores_file_syncs: true, ..DiskFaults::default() }, ..Setup::SOUND });
}

#[test]
fn an_index_that_answers_before_it_syncs_is_noticed() {
    must_be_noticed(Setup { answers_early: true, ..Setup::SOUND });
}

#[test]
fn a_start_that_does_not_settle_what_was_unconfirmed_is_noticed() {
    must_be_noticed(Setup { recovers: false, ..Setup::SOUND });
}

#[test]
fn deleting_before_the_grace_period_is_noticed() {
    must_be_noticed(Setup { gateways: 2, reap_grace_ms: 0, ..Setup::SOUND });
}
