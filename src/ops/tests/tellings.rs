//! Events: committed with their object, once, whichever way it is written.

use super::world::*;
use crate::{
    meta::{
        keys,
        record::{EventRecord, EventState, Record},
    },
    model::*,
};

fn callback() -> Option<Callback> {
    Some(Callback {
        urls: vec!["http://app/".to_owned()],
        host: None,
        body: "b".to_owned(),
        body_type: CallbackBodyType::Form,
        sni: false,
        variables: vec![],
    })
}

/// The events there are. Each has its one row that says when it is due.
async fn events(world: &World) -> Vec<(EventId, EventRecord)> {
    let rows = world.rows(b'E').await;
    let events: Vec<_> = rows.iter().map(|(row, value)| (keys::event_of(row).unwrap(), EventRecord::decode(value).unwrap())).collect();
    let mut due: Vec<_> = events.iter().map(|(id, event)| keys::event_due(event.due, *id)).collect();
    due.sort_unstable();
    assert_eq!(world.rows(b'N').await.iter().map(|(row, _)| row.to_vec()).collect::<Vec<_>>(), due);
    events
}

async fn put(world: &World, put: PutObject, bytes: &[u8]) -> Result<Outcome, Failure> {
    world.put_as(PutObject { callback: callback(), ..put }, pieces(bytes)).await
}

/// That there is one event, that it is the one that was answered, and about the object as it is.
async fn assert_told_of(world: &World, key: &str, operation: &str, answered: &Outcome) {
    let events = events(world).await;
    let [(id, event)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(answered.event(), Some(*id));
    let head = world.head(key).await;
    assert_eq!((event.key.as_str(), event.operation.as_str(), event.state), (key, operation, EventState::Pending));
    assert_eq!((event.etag, event.size, event.crc64_ecma, event.created), (head.etag, head.size, head.crc64_ecma, head.last_modified));
}

#[tokio::test]
async fn every_way_to_write_an_object_leaves_one_event() {
    for size in [0, 10, 1_000] {
        let world = World::new().await;
        // Another write comes first, so it takes a second commit.
        world.before_commit(|world| async move { world.put("k", b"first").await });
        let answered = put(&world, put_of("k"), &noise(1, size)).await.unwrap();
        assert_told_of(&world, "k", "PutObject", &answered).await;
    }
    let world = World::new().await;
    let upload = world.create("k", None).await;
    world.part("k", upload, 1, b"part").await.unwrap();
    world.before_commit(|world| async move { world.put("k", b"first").await });
    let complete = CompleteMultipartUpload { callback: callback(), ..complete_of("k", upload, vec![listed(1, b"part")]) };
    let complete = || Operation::CompleteMultipartUpload(complete.clone());
    let answered = world.run(complete()).await.unwrap();
    assert_told_of(&world, "k", "CompleteMultipartUpload", &answered).await;
    let again = world.run(complete()).await.unwrap();
    assert_eq!(again.event(), None);
    assert_told_of(&world, "k", "CompleteMultipartUpload", &answered).await;
}

#[tokio::test]
async fn what_is_refused_leaves_no_event() {
    let world = World::new().await;
    world.put("k", b"there").await;
    let careful = WriteConditions { forbid_overwrite: true, ..WriteConditions::default() };
    assert!(put(&world, PutObject { conditions: careful.clone(), ..put_of("k") }, b"x").await.is_err());
    world.before_commit(|world| async move { world.put("l", b"meanwhile").await });
    assert!(put(&world, PutObject { conditions: careful, ..put_of("l") }, &noise(1, 1_000)).await.is_err());
    let claims = BodyClaims { crc64_ecma: Some(1), ..BodyClaims::default() };
    assert!(put(&world, PutObject { claims, ..put_of("m") }, b"x").await.is_err());
    let upload = world.create("n", None).await;
    world.part("n", upload, 1, b"part").await.unwrap();
    let complete = CompleteMultipartUpload { callback: callback(), ..complete_of("n", upload, vec![listed(1, b"other")]) };
    assert!(world.run(Operation::CompleteMultipartUpload(complete)).await.is_err());
    assert_eq!(events(&world).await.len(), 0);
}

#[tokio::test]
async fn an_event_is_there_with_its_object_when_the_answer_is_lost_and_outlives_object_and_bucket() {
    let world = World::new().await;
    world.kv.lose_answer.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(put(&world, put_of("k"), &noise(1, 1_000)).await, Err(Failure::Internal));
    assert_eq!(world.get("k").await.unwrap(), noise(1, 1_000));
    assert_eq!(events(&world).await.len(), 1);
    let world = world.restarted().await;
    world.delete("k").await.unwrap();
    world.run(Operation::DeleteBucket(bucket())).await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!(events(&world).await.len(), 1);
}
