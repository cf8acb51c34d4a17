//! One blob after another, and the machine stopped before each step of writing the first: what is sealed stays.

use crate::gateway::Dice;
use partway::{
    blob::{BlobError, BlobId, LocalBlobs, LocalSettings},
    testkit::{
        blob_suite::{bytes, read, write},
        power::{DiskFaults, Power, SimulatedDisk},
    },
};
use std::{path::Path, sync::Arc};

/// What survives, in so many ways.
const SEEDS: u64 = 60;

const SIZE: usize = 3_000;

/// Blobs of the same directory.
const FIRST: BlobId = BlobId([1; 16]);
const SECOND: BlobId = BlobId([2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1]);

fn open(disk: &SimulatedDisk) -> LocalBlobs {
    LocalBlobs::open_on(Arc::new(disk.clone()), Path::new("/blobs"), LocalSettings::default()).expect("the store opens")
}

/// A blob is sealed after an end at a step of another's; returns whether that step came.
async fn stop_before(step: u64, seed: u64, is_kill: bool) -> bool {
    let mut dice = Dice::new(seed);
    let power = Arc::new(Power::on(dice.number()));
    let disk = SimulatedDisk::new(Arc::clone(&power), DiskFaults::default());
    let store = open(&disk);
    power.goes_after(step);
    let content = bytes(seed, SIZE);
    let written = write(&store, FIRST, &content, 1_000).await;
    let came = power.is_off();
    assert_eq!(came, written.is_err(), "{written:?}");
    power.cut();

    let power = Arc::new(Power::on(dice.number()));
    let disk = if is_kill { disk.after_kill(Arc::clone(&power)) } else { disk.after_power_cut(&mut dice, Arc::clone(&power)) };
    let store = open(&disk);
    match read(&store, FIRST, 0..SIZE as u64).await {
        Ok(found) => assert!(found == content, "other bytes, seed {seed}"),
        Err(BlobError::Missing(_)) if came => {}
        Err(error) => panic!("stopped before step {step}: {error}"),
    }
    write(&store, SECOND, &content, 1_000).await.expect("it is sealed");
    power.cut();

    let power = Arc::new(Power::on(dice.number()));
    let disk = disk.after_power_cut(&mut dice, power);
    let found = read(&open(&disk), SECOND, 0..SIZE as u64).await;
    assert!(
        found.as_ref() == Ok(&content),
        "{:?}: the blob after the one that was stopped before step {step}, seed {seed}",
        found.map(|bytes| bytes.len())
    );
    came
}

#[test]
fn a_blob_is_sealed_for_good_whatever_step_of_another_was_the_last_before_a_restart() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    for is_kill in [false, true] {
        for seed in 0..SEEDS {
            let step_count = (0..).find(|&step| !runtime.block_on(stop_before(step, seed, is_kill))).expect("a step that never comes");
            assert!(step_count >= 10, "creating, writing, syncing, linking: {step_count} steps");
        }
    }
}
