//! Lifecycle rules carried out: what is due goes, and what is not stays.

use super::world::*;
use crate::{
    meta::{Kv, Write, keys, record::BucketId},
    model::*,
    ops::LifecycleReport,
};

const DAY_MS: i64 = 24 * 3_600_000;

fn rule(prefix: &str, days: u32) -> LifecycleRule {
    LifecycleRule {
        enabled: true,
        prefix: prefix.to_owned(),
        expiration: Some(Expiry::Days(days)),
        abort_uploads: Some(Expiry::Days(days)),
        ..LifecycleRule::default()
    }
}

async fn set(world: &World, rules: Vec<LifecycleRule>) {
    world.run(Operation::PutBucketLifecycle(bucket(), LifecycleConfiguration { rules })).await.unwrap();
}

async fn apply(world: &World) -> (u64, u64) {
    let LifecycleReport { deleted_objects, aborted_uploads } = world.gateway.apply_lifecycle(world.gateway.now()).await.unwrap();
    (deleted_objects, aborted_uploads)
}

#[tokio::test]
async fn what_is_due_goes_with_its_bytes_and_the_rest_stays() {
    let world = World::new().await;
    for index in 0..300 {
        world.put(&format!("tmp/{index}"), &noise(index, 100)).await;
    }
    world.put("kept", &noise(1, 100)).await;
    let (due, kept) = (world.create("tmp/upload", None).await, world.create("upload", None).await);
    world.part("tmp/upload", due, 1, &noise(1, 100)).await.unwrap();
    world.part("upload", kept, 1, &noise(1, 100)).await.unwrap();
    assert_eq!(apply(&world).await, (0, 0), "there are no rules");
    set(&world, vec![rule("tmp/", 1), LifecycleRule { enabled: false, ..rule("", 1) }]).await;
    assert_eq!(apply(&world).await, (0, 0), "nothing is due");
    world.pass_ms(2 * DAY_MS);
    world.put("tmp/new", b"new").await;
    assert_eq!(apply(&world).await, (300, 1));
    assert_eq!(apply(&world).await, (0, 0), "it is done");
    assert_eq!(world.get("tmp/0").await, Err(Failure::NoSuchKey(object("tmp/0").key)));
    assert!(world.get("tmp/new").await.is_ok() && world.get("kept").await.is_ok());
    assert_eq!(world.part("tmp/upload", due, 2, b"late").await, Err(Failure::NoSuchUpload(due.to_string())));
    assert!(world.part("upload", kept, 2, b"late").await.is_ok());
    world.settle().await;
    world.audit().await;
    assert_eq!(world.blob_count().await, 2, "of the object and the upload that stay");
}

#[tokio::test]
async fn an_object_overwritten_meanwhile_is_not_deleted() {
    let world = World::new().await;
    world.put("k", b"old").await;
    set(&world, vec![rule("", 1)]).await;
    world.pass_ms(2 * DAY_MS);
    world.before_commit(|world| async move { world.put("k", b"new").await });
    assert_eq!(apply(&world).await, (0, 0));
    assert_eq!(world.get("k").await.unwrap(), b"new");
}

#[tokio::test]
async fn what_cannot_be_read_does_not_keep_the_rest() {
    let world = World::new().await;
    world.put("b", b"old").await;
    let upload = world.create("u2", None).await;
    set(&world, vec![rule("", 1)]).await;
    world.pass_ms(2 * DAY_MS);
    let id = BucketId(*b"bucketid");
    let rotten =
        [keys::bucket(&Bucket::new("a-bucket").unwrap()), keys::object(id, &object("a").key), keys::upload(id, &object("u1").key, &upload)];
    let garbage = |row: &Vec<u8>| Write::Put(row.clone(), bytes::Bytes::from_static(b"\xFF"));
    world.kv.commit(vec![], rotten.iter().map(garbage).collect()).await.unwrap();
    assert_eq!(apply(&world).await, (1, 1));
    assert!(world.gateway.apply_lifecycle(world.gateway.now()).await.is_err(), "it is told when there is nothing else to tell");
}

#[tokio::test]
async fn a_bucket_deleted_and_created_anew_meanwhile_is_not_touched() {
    let world = World::new().await;
    world.put("k", b"old").await;
    set(&world, vec![rule("", 1)]).await;
    world.pass_ms(2 * DAY_MS);
    world.before_commit(|world| async move {
        world.delete("k").await.unwrap();
        world.run(Operation::DeleteBucket(bucket())).await.unwrap();
        let create = CreateBucket { bucket: bucket(), location: None, acl: None, storage_class: None, may_be_own: false };
        world.run(Operation::CreateBucket(create)).await.unwrap();
        world.put("k", b"new").await;
    });
    assert_eq!(apply(&world).await, (0, 0));
    assert_eq!(world.get("k").await.unwrap(), b"new");
}

#[tokio::test]
async fn rules_changed_meanwhile_count_as_they_are_then() {
    let world = World::new().await;
    world.put("k", b"old").await;
    let upload = world.create("k", None).await;
    set(&world, vec![rule("", 1)]).await;
    world.pass_ms(2 * DAY_MS);
    world.before_commit(|world| async move {
        world.run(Operation::DeleteBucketLifecycle(bucket())).await.unwrap();
    });
    assert_eq!(apply(&world).await, (0, 0));
    assert_eq!(world.get("k").await.unwrap(), b"old");
    assert!(world.part("k", upload, 1, b"x").await.is_ok());
}

#[tokio::test]
async fn an_upload_completed_meanwhile_is_not_aborted() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    world.part("k", upload, 1, b"part").await.unwrap();
    set(&world, vec![LifecycleRule { expiration: None, ..rule("", 1) }]).await;
    world.pass_ms(2 * DAY_MS);
    world.before_commit(move |world| async move { drop(world.complete("k", upload, vec![listed(1, b"part")]).await.unwrap()) });
    assert_eq!(apply(&world).await, (0, 0));
    assert_eq!(world.get("k").await.unwrap(), b"part");
}
