//! Reaping: released bytes stay for the grace period and for their readers, and a crash repeats work.

use super::world::*;
use crate::{blob::BlobError, model::*, testkit::faulty::BlobStep};
use futures_util::TryStreamExt;
use std::sync::{Arc, Mutex};

#[tokio::test]
async fn overwritten_bytes_go_after_the_grace_period_and_not_before() {
    let world = World::new().await;
    world.put("k", &noise(1, 5_000)).await;
    world.put("k", &noise(2, 5_000)).await;
    world.audit().await;
    world.pass_ms(GRACE_MS - 1);
    assert_eq!(world.gateway.reap().await, Ok(0));
    assert_eq!(world.blob_count().await, 2);
    world.pass_ms(1);
    assert_eq!(world.gateway.reap().await, Ok(1));
    assert_eq!(world.blob_count().await, 1);
    assert_eq!(world.gateway.reap().await, Ok(0));
    world.audit().await;
}

#[tokio::test]
async fn a_reader_keeps_every_byte_it_may_still_need() {
    let world = World::new().await;
    let parts: Vec<_> = (0..300).map(|part| noise(part, 100)).collect();
    world.put_multipart("k", &parts).await;
    let reply = world.execute(Operation::GetObject(read_of("k", Selection::Whole)), None).await.unwrap();
    world.pass_ms(1);
    world.delete("k").await.unwrap();
    world.pass_ms(10 * GRACE_MS);
    world.gateway.reap().await.unwrap();
    assert_eq!(world.blob_count().await, 300);
    let bytes: Vec<_> = reply.content.unwrap().try_collect().await.unwrap();
    assert_eq!(bytes.concat(), parts.concat(), "a slow reader gets all of it");
    world.settle().await;
    world.audit().await;
    assert_eq!(world.blob_count().await, 0, "the reader is done");
}

#[tokio::test]
async fn a_hold_keeps_what_stood_when_it_began_also_from_a_commit_on_its_way_until_it_ends() {
    let world = World::new().await;
    world.put("k", &noise(1, 5_000)).await;
    world.put_multipart("of-parts", &[noise(2, 200), noise(3, 200)]).await;
    let upload = world.create("aborted", None).await;
    world.part("aborted", upload, 1, &noise(4, 200)).await.unwrap();
    world.put("gone", &noise(5, 5_000)).await;
    world.delete("gone").await.unwrap();
    world.pass_ms(2 * GRACE_MS);
    // The commit's lines were dated before the hold begins, and it happens after the snapshot.
    let held = Arc::new(Mutex::new(None));
    let hold = Arc::clone(&held);
    world.before_commit(|world| async move {
        world.pass_ms(1_000);
        *hold.lock().unwrap() = Some(world.gateway.hold_reaper().await);
    });
    world.delete("k").await.unwrap();
    world.delete("of-parts").await.unwrap();
    world.abort("aborted", upload).await.unwrap();
    for _ in 0..3 {
        world.pass_ms(100 * GRACE_MS);
        world.gateway.reap().await.unwrap();
        world.audit().await;
        assert_eq!(world.blob_count().await, 4, "what was garbage before goes, all else stays");
    }
    held.lock().unwrap().take();
    world.settle().await;
    assert_eq!(world.blob_count().await, 0);
}

#[tokio::test]
async fn a_hold_begins_when_no_round_of_the_reaper_is_under_way() {
    let world = World::new().await;
    world.put("k", &noise(1, 5_000)).await;
    world.delete("k").await.unwrap();
    world.pass_ms(GRACE_MS);
    let (began, begun) = tokio::sync::oneshot::channel();
    let (go_on, wait) = tokio::sync::oneshot::channel::<()>();
    world.before_commit(|_| async move {
        began.send(()).unwrap();
        wait.await.unwrap();
    });
    let round = tokio::spawn({
        let gateway = Arc::clone(&world.gateway);
        async move { gateway.reap().await }
    });
    begun.await.unwrap();
    let mut hold = Box::pin(world.gateway.hold_reaper());
    assert!(futures_util::poll!(&mut hold).is_pending());
    go_on.send(()).unwrap();
    let _hold = hold.await;
    assert_eq!(round.await.unwrap(), Ok(1));
}

#[tokio::test]
async fn a_reader_that_came_later_holds_nothing_back() {
    let world = World::new().await;
    world.put("k", &noise(1, 5_000)).await;
    world.put("other", &noise(2, 5_000)).await;
    world.delete("k").await.unwrap();
    world.pass_ms(GRACE_MS + 1);
    let reply = world.execute(Operation::GetObject(read_of("other", Selection::Whole)), None).await.unwrap();
    world.gateway.reap().await.unwrap();
    assert_eq!(world.blob_count().await, 1);
    drop(reply);
    world.audit().await;
}

#[tokio::test]
async fn a_reader_keeps_its_bytes_although_the_clock_goes_back() {
    let world = World::new().await;
    world.put("k", &noise(1, 5_000)).await;
    let reply = world.execute(Operation::GetObject(read_of("k", Selection::Whole)), None).await.unwrap();
    world.pass_ms(-3_600_000);
    world.delete("k").await.unwrap();
    world.pass_ms(2 * GRACE_MS);
    world.gateway.reap().await.unwrap();
    assert_eq!(world.blob_count().await, 1);
    drop(reply);
    world.pass_ms(3_600_000);
    world.gateway.reap().await.unwrap();
    assert_eq!(world.blob_count().await, 0);
    world.audit().await;
}

#[tokio::test]
async fn a_crash_between_removing_bytes_and_the_commit_repeats_the_work() {
    let world = World::new().await;
    let parts: Vec<_> = (0..600).map(|part| noise(part, 100)).collect();
    world.put_multipart("k", &parts).await;
    world.settle().await;
    world.delete("k").await.unwrap();
    world.pass_ms(GRACE_MS);
    // The 400th removal fails: the first chunk is done, the second one half.
    world.blobs.fail(BlobStep::Delete, 400, BlobError::Io("crash".to_owned()));
    assert_eq!(world.gateway.reap().await, Err(Failure::Internal));
    assert!((1..600).contains(&world.blob_count().await));
    let world = world.restarted().await;
    assert_eq!(world.gateway.reap().await, Ok(1));
    world.audit().await;
    assert_eq!((world.blob_count().await, world.rows(b'M').await.len()), (0, 0));
}

#[tokio::test]
async fn a_line_that_cannot_be_worked_off_does_not_stop_the_others() {
    let world = World::new().await;
    for key in ["a", "b", "c"] {
        world.put(key, &noise(1, 5_000)).await;
        world.delete(key).await.unwrap();
    }
    world.pass_ms(GRACE_MS);
    world.blobs.fail(BlobStep::Delete, 1, BlobError::Io("once".to_owned()));
    assert_eq!(world.gateway.reap().await, Err(Failure::Internal));
    assert_eq!(world.blob_count().await, 1);
    assert_eq!(world.gateway.reap().await, Ok(1));
    world.audit().await;
}

#[tokio::test]
async fn bytes_with_another_holder_stay() {
    let world = World::new().await;
    let bytes = noise(1, 5_000);
    world.put("a", &bytes).await;
    for target in ["b", "c"] {
        world.run(Operation::CopyObject(copy_of("a", target))).await.unwrap();
    }
    for (key, left) in [("a", 1), ("c", 1), ("b", 0)] {
        assert_eq!(world.get("b").await.unwrap(), bytes);
        world.delete(key).await.unwrap();
        world.settle().await;
        world.audit().await;
        assert_eq!(world.blob_count().await, left);
    }
}

#[tokio::test]
async fn a_copy_that_meets_the_reaper_keeps_its_bytes() {
    let world = World::new().await;
    let bytes = noise(1, 5_000);
    world.put("a", &bytes).await;
    world.run(Operation::CopyObject(copy_of("a", "b"))).await.unwrap();
    world.delete("a").await.unwrap();
    world.pass_ms(GRACE_MS);
    // The reaper has counted two holders when a third appears: its commit must not hold.
    world.before_commit(|world| async move {
        world.run(Operation::CopyObject(copy_of("b", "c"))).await.unwrap();
    });
    assert_eq!(world.gateway.reap().await, Ok(1));
    world.audit().await;
    world.delete("b").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("c").await.unwrap(), bytes);
}

#[tokio::test]
async fn many_extents_are_let_go_of_in_bounded_commits() {
    let world = World::new().await;
    let parts: Vec<_> = (0..60).map(|part| noise(part, 100)).collect();
    world.put_multipart("source", &parts).await;
    let whole = parts.concat();
    let upload_id = world.create("k", None).await;
    let mut list = Vec::new();
    for part in 1..=40 {
        let copy = UploadPartCopy {
            object: object("k"),
            upload_id,
            part_number: number(part),
            source: object("source"),
            source_range: None,
            source_conditions: ReadConditions::default(),
        };
        world.run(Operation::UploadPartCopy(copy)).await.unwrap();
        list.push(listed(part, &whole));
    }
    world.complete("k", upload_id, list).await.unwrap();
    world.audit().await;
    world.delete("k").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("source").await.unwrap(), whole);
}
