//! Uploads that nobody goes on with: what is stale goes when somebody says so, and an acknowledged part keeps its upload.

use super::world::*;
use crate::{model::*, ops::StaleUploads};

const DAY_MS: i64 = 24 * 3_600_000;

async fn dry_run(world: &World) -> StaleUploads {
    world.gateway.stale_uploads(world.gateway.now(), 7 * DAY_MS, usize::MAX).await.unwrap()
}

async fn expire(world: &World) -> StaleUploads {
    world.gateway.expire_uploads(world.gateway.now(), 7 * DAY_MS, usize::MAX).await.unwrap()
}

fn keys_of(stale: &StaleUploads) -> Vec<&str> {
    stale.uploads.iter().map(|upload| upload.key.as_str()).collect()
}

async fn is_open(world: &World, key: &str, upload: UploadId) -> bool {
    match world.part(key, upload, 9, b"late").await {
        Ok(_) => true,
        Err(Failure::NoSuchUpload(_)) => false,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn uploads_without_activity_go_and_a_dry_run_tells_which() {
    let world = World::new().await;
    let (left, empty, paused) = (world.create("left", None).await, world.create("empty", None).await, world.create("paused", None).await);
    world.part("left", left, 1, &noise(1, 1_000)).await.unwrap();
    world.part("left", left, 1, &noise(2, 1_000)).await.unwrap();
    world.part("left", left, 2, &noise(3, 500)).await.unwrap();
    world.pass_ms(6 * DAY_MS);
    world.part("paused", paused, 1, &noise(4, 1_000)).await.unwrap();
    assert_eq!(dry_run(&world).await, StaleUploads::default(), "nothing is old enough");
    world.pass_ms(DAY_MS - 1);
    assert_eq!(expire(&world).await, StaleUploads::default(), "a millisecond is missing");
    world.pass_ms(1);
    let young = world.create("young", None).await;
    let told = dry_run(&world).await;
    assert_eq!((keys_of(&told), told.count, told.bytes_held), (vec!["empty", "left"], 2, 2_500));
    assert_eq!((told.uploads[1].part_count, told.uploads[1].bytes_held), (2, 2_500));
    assert_eq!(dry_run(&world).await, told, "it touches nothing");
    let first = world.gateway.stale_uploads(world.gateway.now(), 7 * DAY_MS, 1).await.unwrap();
    assert_eq!((keys_of(&first), first.count, first.bytes_held), (vec!["empty"], 2, 2_500), "all count, the first are told");
    assert_eq!(expire(&world).await, told, "it does what it told");
    assert_eq!(expire(&world).await, StaleUploads::default(), "it is done");
    for (key, upload, expected) in [("left", left, false), ("empty", empty, false), ("paused", paused, true), ("young", young, true)] {
        assert_eq!(is_open(&world, key, upload).await, expected, "{key}");
    }
    world.settle().await;
    world.audit().await;
    assert_eq!(world.blob_count().await, 1, "of the upload that was gone on with");
}

#[tokio::test]
async fn a_rule_of_the_bucket_wins_for_the_keys_that_it_is_about() {
    let world = World::new().await;
    for key in ["ruled/a", "free/b", "off/c", "objects/d"] {
        world.create(key, None).await;
    }
    let rule = |prefix: &str| LifecycleRule {
        enabled: true,
        prefix: prefix.to_owned(),
        abort_uploads: Some(Expiry::Days(365)),
        ..LifecycleRule::default()
    };
    let rules = vec![
        rule("ruled/"),
        LifecycleRule { enabled: false, ..rule("off/") },
        LifecycleRule { abort_uploads: None, expiration: Some(Expiry::Days(365)), ..rule("objects/") },
    ];
    world.run(Operation::PutBucketLifecycle(bucket(), LifecycleConfiguration { rules })).await.unwrap();
    world.pass_ms(8 * DAY_MS);
    assert_eq!(keys_of(&dry_run(&world).await), ["free/b", "objects/d", "off/c"]);
    // A rule that comes while the round is under way counts, too.
    world.before_commit(move |world| async move {
        let rules = vec![rule("")];
        world.run(Operation::PutBucketLifecycle(bucket(), LifecycleConfiguration { rules })).await.unwrap();
    });
    assert_eq!(expire(&world).await.count, 0);
}

#[tokio::test]
async fn an_upload_completed_meanwhile_is_completed() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    world.part("k", upload, 1, b"part").await.unwrap();
    world.pass_ms(8 * DAY_MS);
    world.before_commit(move |world| async move { drop(world.complete("k", upload, vec![listed(1, b"part")]).await.unwrap()) });
    assert_eq!(expire(&world).await, StaleUploads::default());
    assert_eq!(world.get("k").await.unwrap(), b"part");
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn a_complete_that_comes_later_finds_no_upload() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    world.part("k", upload, 1, b"part").await.unwrap();
    world.pass_ms(8 * DAY_MS);
    world.before_commit(move |world| async move { assert_eq!(expire(&world).await.count, 1) });
    assert_eq!(world.complete("k", upload, vec![listed(1, b"part")]).await, Err(Failure::NoSuchUpload(upload.to_string())));
    world.settle().await;
    world.audit().await;
}

/// Whatever part it is: between, before and after those that are there, or one of them again.
#[tokio::test]
async fn a_part_acknowledged_just_before_keeps_its_upload() {
    for number in [1, 2, 3, 5, 7, 10_000] {
        let world = World::new().await;
        let upload = world.create("k", None).await;
        for part in [2, 5, 5, 6] {
            world.part("k", upload, part, b"old").await.unwrap();
        }
        world.pass_ms(8 * DAY_MS);
        world.before_commit(move |world| async move { drop(world.part("k", upload, number, b"new").await.unwrap()) });
        assert_eq!(expire(&world).await, StaleUploads::default(), "part {number}");
        drop(world.complete("k", upload, vec![listed(number, b"new")]).await.unwrap());
        assert_eq!(world.get("k").await.unwrap(), b"new");
    }
}

#[tokio::test]
async fn a_part_that_comes_later_is_not_acknowledged() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    world.pass_ms(8 * DAY_MS);
    world.before_commit(move |world| async move { assert_eq!(expire(&world).await.count, 1) });
    assert_eq!(world.part("k", upload, 1, b"late").await, Err(Failure::NoSuchUpload(upload.to_string())));
    world.settle().await;
    world.audit().await;
    assert_eq!(world.blob_count().await, 0);
}
