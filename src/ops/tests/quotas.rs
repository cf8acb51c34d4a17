//! Quotas: what is counted, when it is given back, and what is refused.

use super::world::*;
use crate::{
    meta::{
        Kv, Write,
        keys::{self, Counter, Whose},
    },
    model::*,
    ops::{Admitted, Body, Held, QuotaHolder, Request},
};

fn in_bucket() -> QuotaHolder {
    QuotaHolder::Bucket(bucket())
}

fn of_key(access_key: &str) -> QuotaHolder {
    QuotaHolder::Key(access_key.to_owned())
}

async fn held(world: &World, holder: &QuotaHolder) -> Held {
    let report = world.gateway.quotas().await.unwrap();
    report.quotas.into_iter().find(|summary| summary.holder == *holder).map(|summary| summary.held).unwrap_or_default()
}

/// What the bucket holds, which is what its one writer holds and what a recount finds.
async fn all_held(world: &World) -> (u64, u64, u64, u64, u64) {
    let Held { objects, object_bytes, uploads, parts, part_bytes } = held(world, &in_bucket()).await;
    assert_eq!(held(world, &of_key("key")).await, held(world, &in_bucket()).await);
    assert_eq!(world.gateway.verify().await.unwrap().problems, Vec::<String>::new());
    (objects, object_bytes, uploads, parts, part_bytes)
}

async fn limit(world: &World, holder: &QuotaHolder, bytes_max: Option<u64>, objects_max: Option<u64>) {
    world.gateway.set_quota(holder, bytes_max, objects_max).await.unwrap();
}

fn key_caller(access_key: &str, parent: Option<&str>) -> Caller {
    Caller::Key { access_key: access_key.to_owned(), account: Account::root(), parent: parent.map(str::to_owned) }
}

async fn execute_as(world: &World, caller: Caller, operation: Operation, body: Option<&[u8]>) -> Result<Outcome, Failure> {
    let (name, origin, admitted) = (operation.name(), Origin::default(), Admitted::Anything);
    let body = body.map(|bytes| Box::new(pieces(bytes)) as Box<dyn Body>);
    let request = Request { caller, limits: LIMITS, operation, name, origin, admitted };
    world.gateway.execute(request, body).await.map(|reply| reply.outcome)
}

async fn put(world: &World, key: &str, size: usize) -> Result<Outcome, Failure> {
    world.put_as(put_of(key), pieces(&noise(7, size))).await
}

fn append_of(key: &str, position: u64) -> AppendObject {
    AppendObject { object: object(key), position, attributes: Attributes::default(), claims: BodyClaims::default() }
}

fn sized(size: u64) -> BodyClaims {
    BodyClaims { size: Some(size), ..BodyClaims::default() }
}

fn refused<T>(kind: QuotaKind) -> Result<T, Failure> {
    Err(Failure::QuotaExceeded(kind))
}

#[tokio::test]
async fn everything_that_is_written_is_held_until_it_is_replaced_or_deleted() {
    let world = World::new().await;
    assert_eq!(all_held(&world).await, (0, 0, 0, 0, 0));
    put(&world, "a", 500).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 500, 0, 0, 0));
    put(&world, "a", 30).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 30, 0, 0, 0));
    world.run(Operation::CopyObject(copy_of("a", "b"))).await.unwrap();
    assert_eq!(all_held(&world).await, (2, 60, 0, 0, 0), "a copy holds what it says, though it shares its bytes");
    for position in [0, 10] {
        let append = Operation::AppendObject(append_of("log", position));
        world.execute(append, Some(Box::new(pieces(&noise(1, 10))))).await.map(drop).unwrap();
    }
    assert_eq!(all_held(&world).await, (3, 80, 0, 0, 0));
    let (attributes, conditions) = (Attributes::default(), WriteConditions::default());
    let link = PutSymlink { object: object("link"), target: object("a").key, attributes, conditions };
    world.run(Operation::PutSymlink(link)).await.unwrap();
    assert_eq!(all_held(&world).await, (4, 80, 0, 0, 0));
    world.run(Operation::PutObjectAcl(object("a"), Some(Acl::PublicRead))).await.unwrap();
    assert_eq!(all_held(&world).await, (4, 80, 0, 0, 0));
    for key in ["a", "b", "log", "link", "never was"] {
        world.delete(key).await.unwrap();
    }
    assert_eq!(all_held(&world).await, (0, 0, 0, 0, 0));
    assert!(world.rows(b'Q').await.is_empty(), "what is zero leaves nothing behind");
}

#[tokio::test]
async fn every_revision_of_a_part_is_held_until_its_upload_ends() {
    let world = World::new().await;
    let (first, second) = (world.create("a", None).await, world.create("a", None).await);
    for (upload, part, size) in [(first, 1, 200), (first, 1, 300), (first, 2, 5), (first, 3, 7), (second, 1, 1_000)] {
        world.part("a", upload, part, &noise(part, size)).await.unwrap();
    }
    put(&world, "a", 11).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 11, 2, 4, 1_512));
    let (copied, part_number) = (object("a"), number(9));
    let (source, source_conditions) = (copied.clone(), ReadConditions::default());
    let copy = UploadPartCopy { object: copied, upload_id: second, part_number, source, source_range: None, source_conditions };
    world.run(Operation::UploadPartCopy(copy)).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 11, 2, 5, 1_523));
    // What is not listed is given back with what was replaced, and so is the object that is overwritten.
    world.complete("a", first, vec![listed(1, &noise(1, 300)), listed(3, &noise(3, 7))]).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 307, 1, 2, 1_011));
    world.abort("a", second).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 307, 0, 0, 0), "at once, not when the bytes are gone");
    world.settle().await;
    assert_eq!(all_held(&world).await, (1, 307, 0, 0, 0));
    let third = world.create("b", None).await;
    world.part("b", third, 1, &noise(1, 50)).await.unwrap();
    world.delete("a").await.unwrap();
    limit(&world, &in_bucket(), Some(1_000), None).await;
    world.run(Operation::DeleteBucket(bucket())).await.unwrap();
    assert!(world.rows(b'Q').await.is_empty() && world.rows(b'G').await.is_empty(), "a bucket takes its counters and its quota along");
}

#[tokio::test]
async fn what_there_is_no_room_for_is_refused_before_its_body_is_asked_for() {
    let world = World::new().await;
    put(&world, "a", 600).await.unwrap();
    let upload = world.create("u", None).await;
    limit(&world, &in_bucket(), Some(1_000), None).await;
    let full = || refused(QuotaKind::BucketBytes);
    let put_sized = |key, size| world.put_as(PutObject { claims: sized(size), ..put_of(key) }, Untouchable);
    assert_eq!(put_sized("b", 401).await, full());
    assert_eq!(world.part_as("u", upload, 1, sized(401), Untouchable).await, full());
    let append = AppendObject { claims: sized(401), ..append_of("log", 0) };
    assert_eq!(world.execute(Operation::AppendObject(append), Some(Box::new(Untouchable))).await.map(|reply| reply.outcome), full());
    assert_eq!(put_sized("a", 1_001).await, full(), "what it replaces is given back, and no more");
    // Nobody said how much it would be, so that is found out at the end; nothing of it stays.
    assert_eq!(put(&world, "b", 401).await, full());
    assert_eq!(world.part("u", upload, 1, &noise(1, 401)).await, full());
    assert_eq!(world.run(Operation::CopyObject(copy_of("a", "b"))).await, full());
    world.audit().await;
    assert_eq!(all_held(&world).await, (1, 600, 1, 0, 0));

    world.part("u", upload, 1, &noise(1, 300)).await.unwrap();
    put(&world, "b", 100).await.unwrap();
    assert_eq!(put(&world, "c", 1).await, full());
    assert_eq!(world.part("u", upload, 1, &noise(1, 1)).await, full(), "the revision before it is still held");
    put(&world, "c", 0).await.unwrap();
    put(&world, "a", 600).await.unwrap();
    world.delete("b").await.unwrap();
    put(&world, "c", 100).await.unwrap();
    assert_eq!(all_held(&world).await, (2, 700, 1, 1, 300));
}

#[tokio::test]
async fn what_was_accepted_is_completed_whatever_the_quota_is_by_then() {
    let world = World::new().await;
    limit(&world, &in_bucket(), Some(500), Some(1)).await;
    limit(&world, &of_key("key"), Some(500), Some(1)).await;
    let upload = world.create("a", None).await;
    world.part("a", upload, 1, &noise(1, 500)).await.unwrap();
    limit(&world, &in_bucket(), Some(10), Some(0)).await;
    limit(&world, &of_key("key"), Some(0), Some(0)).await;
    world.complete("a", upload, vec![listed(1, &noise(1, 500))]).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 500, 0, 0, 0));
    // Above its limit, it may still shrink, and change what does not count.
    put(&world, "a", 499).await.unwrap();
    world.run(Operation::PutObjectAcl(object("a"), Some(Acl::PublicRead))).await.unwrap();
    assert_eq!(put(&world, "a", 500).await, refused(QuotaKind::BucketBytes));
    limit(&world, &in_bucket(), None, None).await;
    assert_eq!(put(&world, "a", 500).await, refused(QuotaKind::KeyBytes));
    world.delete("a").await.unwrap();
}

#[tokio::test]
async fn an_open_upload_has_the_place_of_an_object() {
    let world = World::new().await;
    limit(&world, &in_bucket(), None, Some(2)).await;
    let upload = world.create("a", None).await;
    put(&world, "b", 1).await.unwrap();
    let full = || refused(QuotaKind::BucketObjects);
    assert_eq!(put(&world, "c", 1).await, full());
    put(&world, "b", 2).await.unwrap();
    let conditions = WriteConditions::default();
    let create =
        CreateMultipartUpload { object: object("c"), attributes: Attributes::default(), checksum: None, conditions, sequential: false };
    assert_eq!(world.run(Operation::CreateMultipartUpload(create.clone())).await, full());
    world.part("a", upload, 1, &noise(1, 200)).await.unwrap();
    world.complete("a", upload, vec![listed(1, &noise(1, 200))]).await.unwrap();
    assert_eq!(put(&world, "c", 1).await, full());
    world.delete("a").await.unwrap();
    assert!(world.run(Operation::CreateMultipartUpload(create)).await.is_ok());
}

#[tokio::test]
async fn each_key_holds_what_it_wrote_and_temporary_credentials_write_for_their_parent() {
    let world = World::new().await;
    let put_as = |caller, key: &'static str, size| {
        let (world, body) = (world.clone(), noise(3, size));
        async move { execute_as(&world, caller, Operation::PutObject(put_of(key)), Some(&body)).await }
    };
    limit(&world, &of_key("alice"), Some(100), None).await;
    put_as(key_caller("alice", None), "a", 60).await.unwrap();
    put_as(key_caller("STS.1", Some("alice")), "b", 40).await.unwrap();
    assert_eq!(put_as(key_caller("STS.2", Some("alice")), "c", 1).await, refused(QuotaKind::KeyBytes));
    put_as(key_caller("bob", None), "a", 70).await.unwrap();
    put_as(Caller::Anonymous, "public", 5).await.unwrap();
    assert_eq!(
        held(&world, &of_key("alice")).await,
        Held { objects: 1, object_bytes: 40, ..Held::default() },
        "bob has replaced the other"
    );
    assert_eq!(held(&world, &of_key("bob")).await, Held { objects: 1, object_bytes: 70, ..Held::default() });
    assert_eq!(held(&world, &in_bucket()).await, Held { objects: 3, object_bytes: 115, ..Held::default() });

    // An upload is its beginner's, whoever sends the parts and completes it.
    let conditions = WriteConditions::default();
    let create =
        CreateMultipartUpload { object: object("u"), attributes: Attributes::default(), checksum: None, conditions, sequential: false };
    let begun = execute_as(&world, key_caller("alice", None), Operation::CreateMultipartUpload(create), None).await;
    let Ok(Outcome::CreateMultipartUpload { upload_id, .. }) = begun else { panic!("{begun:?}") };
    world.part("u", upload_id, 1, &noise(1, 60)).await.unwrap();
    assert_eq!(world.part("u", upload_id, 2, &noise(2, 1)).await, refused(QuotaKind::KeyBytes));
    world.complete("u", upload_id, vec![listed(1, &noise(1, 60))]).await.unwrap();
    assert_eq!(held(&world, &of_key("alice")).await, Held { objects: 2, object_bytes: 100, ..Held::default() });
    assert_eq!(held(&world, &of_key("key")).await, Held::default());
    assert_eq!(world.gateway.verify().await.unwrap().problems, Vec::<String>::new());
}

#[tokio::test]
async fn of_those_who_find_room_only_those_get_it_that_fit() {
    let world = World::new().await;
    limit(&world, &in_bucket(), Some(1_000), None).await;
    // Somebody else comes between the look at the room and the commit.
    world.before_commit(|world| async move { world.put("other", &noise(1, 600)).await });
    let late = world.put_as(PutObject { claims: sized(600), ..put_of("a") }, pieces(&noise(2, 600))).await;
    assert_eq!(late, refused(QuotaKind::BucketBytes));
    world.kv.stop_interrupting();
    let upload = world.create("u", None).await;
    let parts = (1..=20).map(|part| {
        let world = world.clone();
        tokio::spawn(async move { world.part("u", upload, part % 3 + 1, &noise(part, 90)).await.is_ok() })
    });
    let accepted = futures_util::future::join_all(parts).await.into_iter().filter(|done| *done.as_ref().unwrap()).count();
    assert_eq!(accepted, 4, "400 bytes were left");
    assert_eq!(all_held(&world).await.4, 360);
    world.audit().await;
    world.abort("u", upload).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 600, 0, 0, 0));
}

#[tokio::test]
async fn a_part_that_comes_while_its_upload_ends_is_counted_nowhere() {
    let world = World::new().await;
    let upload = world.create("u", None).await;
    world.part("u", upload, 1, &noise(1, 200)).await.unwrap();
    // The end takes off what is there at its commit, not what was there when it was asked for.
    world.before_commit(move |world| async move { drop(world.part("u", upload, 1, &noise(2, 300)).await.unwrap()) });
    world.let_commit_pass();
    world.complete("u", upload, vec![listed(1, &noise(1, 200))]).await.unwrap();
    assert_eq!(all_held(&world).await, (1, 200, 0, 0, 0));
    let upload = world.create("v", None).await;
    world.before_commit(move |world| async move { drop(world.abort("v", upload).await.unwrap()) });
    assert!(matches!(world.part("v", upload, 1, &noise(1, 50)).await, Err(Failure::NoSuchUpload(_))));
    assert_eq!(all_held(&world).await, (1, 200, 0, 0, 0));
}

#[tokio::test]
async fn the_statistics_of_a_bucket_are_read_from_its_counters() {
    let world = World::new().await;
    world.gateway.count_older().await.unwrap();
    put(&world, "a", 7).await.unwrap();
    let upload = world.create("u", None).await;
    for (part, size) in [(1, 10), (1, 20), (2, 5)] {
        world.part("u", upload, part, &noise(part, size)).await.unwrap();
    }
    let counted = world.gateway.now();
    let stat = BucketStat { object_count: 1, object_size: 7, upload_count: 1, part_count: 2, counted };
    assert_eq!(world.run(Operation::GetBucketStat(bucket())).await, Ok(Outcome::GetBucketStat(stat)));
    let more = Write::Add { counter: keys::counter(&bucket_counters().await, Counter::Objects), delta: 5 };
    world.kv.commit(vec![], vec![more]).await.unwrap();
    let stat = BucketStat { object_count: 6, ..stat };
    assert_eq!(world.run(Operation::GetBucketStat(bucket())).await, Ok(Outcome::GetBucketStat(stat)), "nothing is walked over");
}

async fn bucket_counters() -> Whose {
    Whose::Bucket(crate::meta::record::BucketId(*b"bucketid"))
}

#[tokio::test]
async fn wrong_counters_are_found_and_can_be_corrected() {
    let world = World::new().await;
    put(&world, "a", 7).await.unwrap();
    let upload = world.create("u", None).await;
    world.part("u", upload, 1, &noise(1, 10)).await.unwrap();
    let row = |whose: &Whose, counter| keys::counter(whose, counter);
    let mine = bucket_counters().await;
    let add = |counter, delta| Write::Add { counter, delta };
    let wrong = vec![
        add(row(&mine, Counter::ObjectBytes), 3),
        add(row(&Whose::Key("key".to_owned()), Counter::Objects), -1),
        add(row(&Whose::Key("nobody".to_owned()), Counter::Parts), 2),
        add(row(&Whose::Upload(upload), Counter::PartBytes), -4),
        Write::Put(b"Qx".to_vec(), "x".into()),
    ];
    world.kv.commit(vec![], wrong).await.unwrap();
    let problems = world.gateway.verify().await.unwrap().problems;
    let upload_problem = format!("Q upload {upload} PartBytes: is 4 less than is there");
    for expected in [
        "Q bucket bucket ObjectBytes: is 3 more than is there",
        "Q key \"key\" Objects: is 1 less than is there",
        "Q key \"nobody\" Parts: is 2 more than is there",
        upload_problem.as_str(),
    ] {
        assert!(problems.iter().any(|problem| problem == expected), "{expected} is not in {problems:#?}");
    }
    assert_eq!(problems.len(), 5, "{problems:#?}");
    let repaired = world.gateway.repair(false).await.unwrap();
    assert_eq!((repaired.repairs.len(), repaired.problems), (5, vec![]));
    assert_eq!(all_held(&world).await, (1, 7, 1, 1, 10));
    assert_eq!(world.gateway.repair(false).await.unwrap().repairs, Vec::<String>::new());
}
