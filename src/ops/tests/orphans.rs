//! Files that no record knows are counted, a shelf at a time, and nothing else is ever taken for one.

use super::world::*;
use crate::{
    blob::{BlobId, BlobStore},
    meta::{Kv, Write, keys},
    ops::{Backlog, OrphanReport},
    testkit::blob_suite::write,
};

fn on_shelf(first: u8, shelf: u16) -> BlobId {
    let [high, low] = shelf.to_be_bytes();
    BlobId([first, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, high, low])
}

/// A file that no record knows, sealed so long ago that nobody is about to record it.
async fn orphan(world: &World, blob: BlobId, size: usize) {
    write(&*world.memory, blob, &noise(1, size).into(), size).await.unwrap();
    world.memory.confirm(blob).await;
}

/// A round over all shelves, in steps; also how many steps there were.
async fn round(world: &World, files_per_step: u64) -> (OrphanReport, usize) {
    for steps in 1.. {
        let report = world.gateway.search_orphans(files_per_step).await.unwrap();
        if report.round_is_over {
            return (report, steps);
        }
        assert!(steps < 100_000, "a round ends");
    }
    unreachable!("the loop returns")
}

#[tokio::test]
async fn orphans_are_counted_and_stay() {
    let world = World::new().await;
    for key in 0..50 {
        world.put(&format!("k{key}"), &noise(key, 500)).await;
    }
    let (report, _) = round(&world, 10).await;
    assert_eq!((report.files, report.bytes), (0, 0), "every file has its record");
    for (blob, size) in [(on_shelf(1, 0), 100), (on_shelf(2, 0), 20), (on_shelf(1, u16::MAX), 3)] {
        orphan(&world, blob, size).await;
    }
    let first = world.gateway.search_orphans(1).await.unwrap();
    assert_eq!((first.files, first.bytes, first.round_is_over), (2, 120, false), "what is found is told at once");
    let (report, steps) = round(&world, 10).await;
    assert_eq!((report.files, report.bytes), (3, 123));
    assert!(steps > 5, "a step is bounded, but there were {steps}");
    assert_eq!(world.blob_count().await, 53, "nothing is deleted");
    for blob in [on_shelf(1, 0), on_shelf(2, 0), on_shelf(1, u16::MAX)] {
        world.memory.delete(blob).await.unwrap();
    }
    assert_eq!(world.gateway.search_orphans(1).await.unwrap().files, 3, "until the round is over the last one counts");
    assert_eq!(round(&world, 1_000).await.0.files, 0);
    world.audit().await;
}

#[tokio::test]
async fn a_search_goes_on_after_a_restart() {
    let world = World::new().await;
    orphan(&world, on_shelf(1, 0), 100).await;
    let report = world.gateway.search_orphans(1).await.unwrap();
    assert_eq!((report.compared, report.files), (1, 1));
    let world = world.restarted().await;
    orphan(&world, on_shelf(9, 0), 100).await;
    assert_eq!(round(&world, 1_000).await.0.files, 1, "the shelf has been in this round already");
    assert_eq!(round(&world, 1_000).await.0.files, 2);
    // A row that cannot be read is no reason to stop looking.
    world.kv.commit(vec![], vec![Write::Put(keys::orphan_search(), bytes::Bytes::from_static(b"\xFF"))]).await.unwrap();
    assert_eq!(round(&world, 1_000).await.0.files, 2);
}

/// A sealed file before its commit, one whose commit is lost, and one whose record is gone while it is being removed.
#[tokio::test]
async fn what_is_under_way_is_no_orphan() {
    let world = World::new().await;
    world.before_commit(|world| async move {
        assert_eq!(world.blob_count().await, 1, "it is sealed");
        assert_eq!(round(&world, 1_000).await.0.files, 0, "and about to be recorded");
    });
    world.put("k", &noise(1, 500)).await;
    assert_eq!(round(&world, 1_000).await.0.files, 0);
    world.delete("k").await.unwrap();
    assert_eq!(round(&world, 1_000).await.0.files, 0, "it waits on the to-do list");
    world.settle().await;
    assert_eq!(round(&world, 1_000).await.0.files, 0);
    assert_eq!(world.blob_count().await, 0);
}

#[tokio::test]
async fn what_waits_on_the_to_do_list_is_counted() {
    let world = World::new().await;
    assert_eq!(world.gateway.backlog().await.unwrap(), Backlog::default());
    world.put("k", &noise(1, 500)).await;
    world.put("k", &noise(2, 600)).await;
    let parts: Vec<_> = (0..10).map(|part| noise(part, 100)).collect();
    world.put_multipart("large", &parts).await;
    world.delete("large").await.unwrap();
    // The parts that became the object are let go of by the object.
    let Backlog { lines, bytes } = world.gateway.backlog().await.unwrap();
    assert_eq!((lines, bytes), (3, 1_500));
    world.settle().await;
    assert_eq!(world.gateway.backlog().await.unwrap(), Backlog::default());
}
