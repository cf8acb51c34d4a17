//! Races: one winner, no victims. What happens in between is put right before an operation's commit.

use super::world::*;
use crate::model::*;
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;

#[tokio::test]
async fn of_two_completes_both_get_the_one_result() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let bytes = noise(1, 150);
    world.part("k", upload, 1, &bytes).await.unwrap();
    let list = vec![listed(1, &bytes)];
    let inner = Arc::new(Mutex::new(None));
    world.before_commit({
        let (list, inner) = (list.clone(), Arc::clone(&inner));
        move |world| async move {
            let outcome = world.complete("k", upload, list).await;
            *inner.lock().unwrap() = Some(outcome);
        }
    });
    let outer = world.complete("k", upload, list).await.unwrap();
    assert_eq!(inner.lock().unwrap().take(), Some(Ok(outer)));
    assert_eq!(world.rows(b'C').await.len(), 1);
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("k").await.unwrap(), bytes);
}

#[tokio::test]
async fn of_two_completes_with_different_lists_one_wins() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let (a, b) = (noise(1, 150), noise(2, 150));
    world.part("k", upload, 1, &a).await.unwrap();
    world.part("k", upload, 2, &b).await.unwrap();
    world.before_commit({
        let list = vec![listed(2, &b)];
        move |world| async move { assert!(world.complete("k", upload, list).await.is_ok()) }
    });
    let loser = world.complete("k", upload, vec![listed(1, &a)]).await;
    assert_eq!(loser, Err(Failure::NoSuchUpload(upload.to_string())));
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("k").await.unwrap(), b);
}

#[tokio::test]
async fn complete_and_abort_have_one_winner() {
    for abort_wins in [true, false] {
        let world = World::new().await;
        let upload = world.create("k", None).await;
        let bytes = noise(1, 150);
        world.part("k", upload, 1, &bytes).await.unwrap();
        let list = vec![listed(1, &bytes)];
        let gone = Failure::NoSuchUpload(upload.to_string());
        if abort_wins {
            world.before_commit(move |world| async move { assert!(world.abort("k", upload).await.is_ok()) });
            assert_eq!(world.complete("k", upload, list).await, Err(gone));
        } else {
            world.before_commit(move |world| async move { assert!(world.complete("k", upload, list).await.is_ok()) });
            assert_eq!(world.abort("k", upload).await, Err(gone));
        }
        world.settle().await;
        world.audit().await;
        assert_eq!(world.get("k").await.is_ok(), !abort_wins);
        assert_eq!(world.blob_count().await, usize::from(!abort_wins));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_completes_and_aborts_at_once_have_one_winner() {
    for round in 0..50 {
        let world = World::new().await;
        let upload = world.create("k", None).await;
        let bytes = noise(round, 150);
        world.part("k", upload, 1, &bytes).await.unwrap();
        let tasks = (0..8).map(|task| {
            let (world, list) = (world.clone(), vec![listed(1, &bytes)]);
            tokio::spawn(async move {
                match task % 2 {
                    0 => (true, world.complete("k", upload, list).await.is_ok()),
                    _ => (false, world.abort("k", upload).await.is_ok()),
                }
            })
        });
        let results: Vec<_> = futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        let completed = results.iter().filter(|result| **result == (true, true)).count();
        let aborted = results.iter().filter(|result| **result == (false, true)).count();
        assert!(matches!((completed, aborted), (0, 1) | (4, 0)), "{completed} completed, {aborted} aborted");
        assert_eq!(world.get("k").await.is_ok(), aborted == 0);
        world.settle().await;
        world.audit().await;
    }
}

#[tokio::test]
async fn a_part_uploaded_again_during_complete_costs_the_object_nothing() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let (old, new) = (noise(1, 150), noise(2, 160));
    world.part("k", upload, 1, &old).await.unwrap();
    world.before_commit({
        let new = new.clone();
        move |world| async move { assert!(world.part("k", upload, 1, &new).await.is_ok()) }
    });
    world.complete("k", upload, vec![listed(1, &old)]).await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("k").await.unwrap(), old);
    assert_eq!(world.blob_count().await, 1);
}

#[tokio::test]
async fn the_last_upload_of_a_part_to_finish_wins() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let (slow, quick) = (noise(1, 150), noise(2, 160));
    world.before_commit({
        let quick = quick.clone();
        move |world| async move { assert!(world.part("k", upload, 1, &quick).await.is_ok()) }
    });
    world.part("k", upload, 1, &slow).await.unwrap();
    assert!(matches!(world.complete("k", upload, vec![listed(1, &quick)]).await, Err(Failure::PartInvalid { .. })));
    world.complete("k", upload, vec![listed(1, &slow)]).await.unwrap();
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn a_part_in_flight_when_its_upload_ends_gets_no_such_upload() {
    for (size, aborts) in [(30, true), (30, false), (5_000, true), (5_000, false)] {
        let world = World::new().await;
        let upload = world.create("k", None).await;
        let (late, first) = (noise(1, size), noise(2, 150));
        world.part("k", upload, 1, &first).await.unwrap();
        let (asked, is_asked) = oneshot::channel();
        let (resume, resumed) = oneshot::channel::<()>();
        let before_end = Box::pin(async move {
            asked.send(()).unwrap();
            resumed.await.unwrap();
        });
        let body = Pieces { before_end: Some(before_end), ..pieces(&late) };
        let part = tokio::spawn({
            let world = world.clone();
            async move { world.part_as("k", upload, 2, BodyClaims::default(), body).await }
        });
        is_asked.await.unwrap();
        if aborts {
            world.abort("k", upload).await.unwrap();
        } else {
            world.complete("k", upload, vec![listed(1, &first)]).await.unwrap();
        }
        resume.send(()).unwrap();
        assert_eq!(part.await.unwrap(), Err(Failure::NoSuchUpload(upload.to_string())));
        world.settle().await;
        world.audit().await;
        assert_eq!(world.blob_count().await, usize::from(!aborts));
    }
}

#[tokio::test]
async fn conditions_are_looked_at_again_when_the_object_changed() {
    let world = World::new().await;
    let absent = || PutObject { conditions: WriteConditions { if_absent: true, ..WriteConditions::default() }, ..put_of("k") };
    world.before_commit(|world| async move { world.put("k", b"first").await });
    assert_eq!(world.put_as(absent(), pieces(&noise(1, 5_000))).await, Err(Failure::PreconditionFailed("If-None-Match")));
    assert_eq!(world.get("k").await.unwrap(), b"first");

    let matching = |bytes: &[u8]| PutObject {
        conditions: WriteConditions {
            forbid_overwrite: false,
            if_match: Some(ETagCondition::OneOf(vec![etag_of(bytes)])),
            if_absent: false,
        },
        ..put_of("k")
    };
    world.before_commit(|world| async move { world.put("k", b"second").await });
    assert_eq!(world.put_as(matching(b"first"), pieces(b"third")).await, Err(Failure::PreconditionFailed("If-Match")));
    world.before_commit(|world| async move { world.put("k", b"second").await });
    assert!(world.put_as(matching(b"second"), pieces(b"third")).await.is_ok(), "still the same ETag");
    world.before_commit(|world| async move {
        world.delete("k").await.unwrap();
    });
    assert!(matches!(world.put_as(matching(b"third"), pieces(b"fourth")).await, Err(Failure::NoSuchKey(_))));

    // Completing with If-None-Match loses to a PUT, and the upload stays open.
    let upload = world.create("k", None).await;
    let bytes = noise(1, 150);
    world.part("k", upload, 1, &bytes).await.unwrap();
    let conditions = WriteConditions { if_absent: true, ..WriteConditions::default() };
    let complete = CompleteMultipartUpload { conditions, ..complete_of("k", upload, vec![listed(1, &bytes)]) };
    world.before_commit(|world| async move { world.put("k", b"quick").await });
    let lost = world.run(Operation::CompleteMultipartUpload(complete)).await;
    assert_eq!(lost, Err(Failure::PreconditionFailed("If-None-Match")));
    assert!(world.complete("k", upload, vec![listed(1, &bytes)]).await.is_ok());
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn a_write_that_never_wins_says_so() {
    let world = World::new().await;
    world.put("k", b"0").await;
    let conditions = WriteConditions { if_match: Some(ETagCondition::Any), ..WriteConditions::default() };
    for (conditions, expected) in
        [(conditions, Failure::ConditionalConflict(object("k").key)), (WriteConditions::default(), Failure::SlowDown)]
    {
        for index in 0..200 {
            // Every other interruption is the interrupting write's own, which must pass.
            world.before_commit(move |world| async move {
                let value = format!("{index}");
                world.put("k", value.as_bytes()).await;
            });
            world.let_commit_pass();
        }
        let put = PutObject { conditions, ..put_of("k") };
        assert_eq!(world.put_as(put, pieces(&noise(1, 5_000))).await, Err(expected));
        world.kv.stop_interrupting();
    }
    world.settle().await;
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writes_on_condition_of_absence_one_wins() {
    let world = World::new().await;
    let tasks = (0..16).map(|task| {
        let world = world.clone();
        tokio::spawn(async move {
            let put = PutObject { conditions: WriteConditions { if_absent: true, ..WriteConditions::default() }, ..put_of("k") };
            world.put_as(put, pieces(&noise(task, 5_000))).await
        })
    });
    let results: Vec<_> = futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(results.iter().filter(|result| **result == Err(Failure::PreconditionFailed("If-None-Match"))).count(), 15);
    world.audit().await;
    assert_eq!(world.blob_count().await, 1);
}

#[tokio::test]
async fn a_complete_whose_caller_hung_up_still_happens() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let bytes = noise(1, 150);
    world.part("k", upload, 1, &bytes).await.unwrap();
    world.before_commit(|_| async { tokio::time::sleep(std::time::Duration::from_millis(100)).await });
    let complete = world.complete("k", upload, vec![listed(1, &bytes)]);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(30), complete).await.is_err());
    assert!(world.get("k").await.is_err());
    world.gateway.drain().await;
    assert_eq!(world.get("k").await.unwrap(), bytes);
}

/// Everything at once on a few keys, then everything that was acknowledged must still be whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_writes_copies_deletes_and_reaping_loses_nothing() {
    let world = World::new().await;
    let reaper = tokio::spawn({
        let world = world.clone();
        async move {
            loop {
                world.pass_ms(GRACE_MS / 2);
                world.gateway.reap().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let second_reaper = tokio::spawn({
        let world = world.clone();
        async move {
            loop {
                world.gateway.reap().await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    });
    let tasks = (0..8_u64).map(|task| {
        let world = world.clone();
        tokio::spawn(async move {
            for round in 0..60_u64 {
                let choice = noise(task * 1_000 + round, 3);
                let (key, other) = (format!("k{}", choice[0] % 3), format!("k{}", choice[1] % 3));
                match choice[2] % 6 {
                    0 => world.put(&key, &noise(round, 5_000)).await,
                    1 => world.put_multipart(&key, &[noise(task, 150), noise(round, 30)]).await,
                    2 => {
                        world.delete(&key).await.unwrap();
                    }
                    3 | 4 => match world.run(Operation::CopyObject(copy_of(&key, &other))).await {
                        Ok(_) | Err(Failure::NoSuchKey(_) | Failure::CopyOntoItself | Failure::SlowDown) => {}
                        Err(failure) => panic!("{failure:?}"),
                    },
                    _ => match world.get_as(read_of(&key, Selection::Whole)).await {
                        Ok((read, bytes)) => assert_eq!(read.size, bytes.len() as u64),
                        Err(failure) => assert!(matches!(failure, Failure::NoSuchKey(_)), "{failure:?}"),
                    },
                }
            }
        })
    });
    for task in futures_util::future::join_all(tasks).await {
        task.unwrap();
    }
    reaper.abort();
    second_reaper.abort();
    let _ = (reaper.await, second_reaper.await);
    world.settle().await;
    world.audit().await;
    for key in ["k0", "k1", "k2"] {
        match world.get_as(read_of(key, Selection::Whole)).await {
            Ok((read, bytes)) if read.part_count.is_none() => assert_eq!(read.etag, etag_of(&bytes)),
            Ok((read, bytes)) => assert_eq!(read.size, bytes.len() as u64),
            Err(failure) => assert!(matches!(failure, Failure::NoSuchKey(_))),
        }
    }
}

#[tokio::test]
async fn a_bucket_that_got_the_name_meanwhile_is_not_written_to() {
    let append = AppendObject { object: object("k"), position: 0, attributes: Attributes::default(), claims: BodyClaims::default() };
    for operation in [
        Operation::PutObject(put_of("k")),
        Operation::AppendObject(append),
        Operation::PutSymlink(PutSymlink {
            object: object("k"),
            target: object("elsewhere").key,
            attributes: Attributes::default(),
            conditions: WriteConditions::default(),
        }),
        Operation::CopyObject(copy_of("elsewhere", "k")),
    ] {
        let what = operation.name();
        let world = World::new().await;
        world.put("elsewhere", b"source").await;
        world.before_commit(|world| async move { world.rename_another_bucket().await });
        let written = world.execute(operation, Some(Box::new(pieces(b"body")))).await.map(|reply| reply.outcome);
        assert_eq!(written, Err(Failure::NoSuchBucket(bucket())), "{what}");
    }
}
