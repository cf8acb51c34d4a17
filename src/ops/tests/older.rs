//! A data directory of the first release: its rows, byte by byte, are read, listed, completed, changed and deleted.

use super::world::*;
use crate::{
    meta::{
        Kv, Write, keys,
        record::{BucketId, Revision},
    },
    model::*,
    ops::{Admitted, Held, LifecycleReport, QuotaHolder, Request},
};
use bytes::Bytes;

const ID: BucketId = BucketId(*b"bucketid");
const BUCKET: &str = "016275636b6574696404726f6f7480a0abfef96200000000";
/// "hello", in the index.
const WHOLE: &str = "01005d41402abc4b2a76b9719d911017c59205d00f0000000000000000000000b1efe4dddddcb68f9b0100000105000101d1d1d1d1d1d1d1d1d1d1d1d1d1d1d1d10005";
/// "one" and "three", completed from two parts.
const PARTS: &str = "0101d9dbeca7fdcc1b4d6b67737c6997fd3c0208d00f000000000000000000000082d68ff1e0f8e7cdde010102000203000101d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2d2000305000101d3d3d3d3d3d3d3d3d3d3d3d3d3d3d3d30005";
const UPLOAD: &str = "0104726f6f74a01f0000000000000000000000";
/// "part".
const PART: &str =
    "01f4c9385f1902f7334b00b9b4ecd164de04f02e00a1a7d6bbf08dd6f4bf01f4e99e86f58ccab4250101d4d4d4d4d4d4d4d4d4d4d4d4d4d4d4d40004";

fn upload() -> UploadId {
    UploadId::from_bytes([0x77; 16])
}

async fn old_world() -> World {
    let world = World::new().await;
    let records = [
        (keys::bucket(&bucket()), BUCKET),
        (keys::object(ID, &object("whole").key), WHOLE),
        (keys::object(ID, &object("parts").key), PARTS),
        (keys::upload(ID, &object("open").key, &upload()), UPLOAD),
        (keys::part(&upload(), number(1), Revision(1)), PART),
    ];
    let mut writes: Vec<_> = records.into_iter().map(|(row, record)| Write::Put(row, hex::decode(record).unwrap().into())).collect();
    for (blob, bytes) in [(0xD1, "hello"), (0xD2, "one"), (0xD3, "three"), (0xD4, "part")] {
        writes.push(Write::Put(keys::inline_data(crate::blob::BlobId([blob; 16])), Bytes::from(bytes)));
    }
    world.kv.commit(vec![], writes).await.unwrap();
    world
}

#[tokio::test]
async fn what_the_first_release_wrote_is_read_and_listed() {
    let world = old_world().await;
    world.audit().await;
    assert_eq!(world.gateway.verify().await.unwrap().problems, Vec::<String>::new());
    assert_eq!(world.get("whole").await.unwrap(), b"hello");
    let second = world.get_as(read_of("parts", Selection::Part(number(2)))).await.unwrap().1;
    assert_eq!((world.get("parts").await.unwrap(), second), (b"onethree".to_vec(), b"three".to_vec()));
    assert_eq!(world.head("whole").await.object_type, ObjectType::Normal);

    let list = ListObjects { bucket: bucket(), prefix: String::new(), delimiter: String::new(), after: None, count_max: 10 };
    let Outcome::ListObjects(page) = world.run(Operation::ListObjects(list)).await.unwrap() else { panic!() };
    let told = |entry: &Entry<ObjectSummary>| match entry {
        Entry::Item(object) => (object.key.as_str().to_owned(), object.size, object.object_type),
        Entry::CommonPrefix(prefix) => panic!("{prefix}"),
    };
    let listed: Vec<_> = page.entries.iter().map(told).collect();
    let listed: Vec<_> = listed.iter().map(|(key, size, kind)| (key.as_str(), *size, *kind)).collect();
    assert_eq!(listed, [("parts", 8, ObjectType::Multipart), ("whole", 5, ObjectType::Normal)]);
    let Outcome::GetBucketInfo(info) = world.run(Operation::GetBucketInfo(bucket())).await.unwrap() else { panic!() };
    assert_eq!((info.acl, info.storage_class), (Acl::Private, None));
    let Outcome::GetBucketStat(stat) = world.run(Operation::GetBucketStat(bucket())).await.unwrap() else { panic!() };
    assert_eq!((stat.object_count, stat.object_size, stat.upload_count, stat.part_count), (2, 13, 1, 1));
    let no_list = Ok(Outcome::Acl { owner: Account::root(), acl: None });
    assert_eq!(world.run(Operation::GetObjectAcl(object("whole"))).await, no_list);
}

#[tokio::test]
async fn what_the_first_release_wrote_is_worked_on_with_what_came_later() {
    let world = old_world().await;
    // The upload goes on: it is not sequential.
    world.part("open", upload(), 3, &noise(1, 100)).await.unwrap();
    let both = [(1, b"part".to_vec()), (3, noise(1, 100))];
    let complete = |first: &[u8]| vec![listed(1, first), listed(3, &both[1].1)];
    assert!(matches!(world.complete("open", upload(), complete(b"other")).await, Err(Failure::PartInvalid { .. })));
    let small = Limits { part_size_bytes_min: 1, ..LIMITS };
    let request = Request {
        caller: Caller::Anonymous,
        limits: small,
        name: "CompleteMultipartUpload",
        origin: Origin::default(),
        admitted: Admitted::Anything,
        operation: Operation::CompleteMultipartUpload(complete_of("open", upload(), complete(b"part"))),
    };
    world.gateway.execute(request, None).await.map(drop).unwrap();
    assert_eq!(world.get("open").await.unwrap(), [b"part".to_vec(), noise(1, 100)].concat());

    let append = AppendObject { object: object("whole"), position: 5, attributes: Attributes::default(), claims: BodyClaims::default() };
    let refused = world.execute(Operation::AppendObject(append), Some(Box::new(pieces(b"x")))).await.map(|reply| reply.outcome);
    assert_eq!(refused, Err(Failure::NotAppendable(object("whole").key)));
    assert_eq!(world.run(Operation::PutObjectAcl(object("whole"), Some(Acl::PublicRead))).await, Ok(Outcome::Done));
    assert_eq!(world.gateway.object_acl(&object("whole")).await, Ok(Some(Acl::PublicRead)));
    let link = PutSymlink {
        object: object("link"),
        target: object("parts").key,
        attributes: Attributes::default(),
        conditions: WriteConditions::default(),
    };
    world.run(Operation::PutSymlink(link)).await.unwrap();
    assert_eq!(world.get("link").await.unwrap(), b"onethree");
    world.run(Operation::CopyObject(copy_of("parts", "copy"))).await.unwrap();
    world.put("whole", b"overwritten").await;
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("copy").await.unwrap(), b"onethree");

    let rule = LifecycleRule { enabled: true, expiration: Some(Expiry::Days(1)), ..LifecycleRule::default() };
    let rules = LifecycleConfiguration { rules: vec![LifecycleRule { prefix: "parts".to_owned(), ..rule }] };
    world.run(Operation::PutBucketLifecycle(bucket(), rules)).await.unwrap();
    let report = world.gateway.apply_lifecycle(world.gateway.now()).await.unwrap();
    assert_eq!(report, LifecycleReport { deleted_objects: 1, aborted_uploads: 0 }, "it was written in 1970");
    for key in ["whole", "open", "link", "copy"] {
        world.delete(key).await.unwrap();
    }
    world.run(Operation::DeleteBucket(bucket())).await.unwrap();
    world.settle().await;
    world.audit().await;
    assert!(world.rows(b'D').await.is_empty() && world.rows(b'B').await.is_empty());
}

#[tokio::test]
async fn an_old_upload_is_aborted_and_an_old_object_deleted() {
    let world = old_world().await;
    world.abort("open", upload()).await.unwrap();
    world.delete("whole").await.unwrap();
    world.delete("parts").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert!(world.rows(b'D').await.is_empty());
}

async fn held(world: &World) -> (bool, (u64, u64, u64, u64, u64)) {
    let report = world.gateway.quotas().await.unwrap();
    let Held { objects, object_bytes, uploads, parts, part_bytes } =
        report.quotas.into_iter().find(|summary| summary.holder == QuotaHolder::Bucket(bucket())).unwrap().held;
    (report.is_complete, (objects, object_bytes, uploads, parts, part_bytes))
}

#[tokio::test]
async fn what_was_written_before_there_were_counters_is_counted_once() {
    let world = old_world().await.restarted().await;
    assert_eq!(held(&world).await, (false, (0, 0, 0, 0, 0)), "nothing is walked over before there are requests");
    // What comes meanwhile is counted at once, and nothing is taken off for what was not.
    world.put("new", b"twelve bytes").await;
    world.part("open", upload(), 1, b"again").await.unwrap();
    world.part("open", upload(), 2, b"another").await.unwrap();
    assert_eq!(held(&world).await, (false, (1, 12, 0, 1, 12)));
    assert_eq!(world.gateway.verify().await.unwrap().problems, Vec::<String>::new());
    // The commit that would count an object finds it changed.
    world.before_commit(|world| async move {
        world.put("whole", b"overwritten").await;
        world.kv.stop_interrupting();
    });
    assert_eq!(world.gateway.count_older().await, Ok(3), "an object, an upload and a part");
    assert_eq!(held(&world).await, (true, (3, 12 + 11 + 8, 1, 2, 4 + 5 + 7)));
    assert_eq!(world.gateway.verify().await.unwrap().problems, Vec::<String>::new());
    let key = QuotaHolder::Key("key".to_owned());
    let report = world.gateway.quotas().await.unwrap();
    let by_key = report.quotas.iter().find(|summary| summary.holder == key).unwrap().held;
    assert_eq!((by_key.objects, by_key.part_bytes), (2, 0), "nobody knows who wrote the others");

    let world = world.restarted().await;
    assert_eq!(world.gateway.count_older().await, Ok(0));
    assert!(held(&world).await.0, "it is remembered");
    let small = Limits { part_size_bytes_min: 1, ..LIMITS };
    let list = vec![listed(1, b"again"), listed(2, b"another")];
    let operation = Operation::CompleteMultipartUpload(complete_of("open", upload(), list));
    let (caller, name, origin, admitted) = (Caller::Anonymous, operation.name(), Origin::default(), Admitted::Anything);
    world.gateway.execute(Request { caller, limits: small, name, origin, admitted, operation }, None).await.map(drop).unwrap();
    assert_eq!(held(&world).await.1, (4, 12 + 11 + 8 + 12, 0, 0, 0));
    for key in ["new", "whole", "parts", "open"] {
        world.delete(key).await.unwrap();
    }
    world.settle().await;
    assert!(world.rows(b'Q').await.is_empty());
}

#[tokio::test]
async fn counting_that_was_broken_off_goes_on_where_it_was() {
    // Each time one commit more gets through before the end.
    for commits in 0..4 {
        let world = old_world().await.restarted().await;
        for _ in 0..commits {
            world.let_commit_pass();
        }
        let (sender, reached) = tokio::sync::oneshot::channel();
        world.before_commit(|_| async {
            sender.send(()).unwrap();
            std::future::pending::<()>().await;
        });
        let gateway = std::sync::Arc::clone(&world.gateway);
        let counting = tokio::spawn(async move { gateway.count_older().await });
        reached.await.unwrap();
        counting.abort();
        let _ = counting.await;
        assert_eq!(world.gateway.verify().await.unwrap().problems, Vec::<String>::new(), "after {commits} commits");
        if commits == 2 {
            world.delete("whole").await.unwrap();
            world.abort("open", upload()).await.unwrap();
        }
        let world = world.restarted().await;
        world.gateway.count_older().await.unwrap();
        let expected = if commits == 2 { (1, 8, 0, 0, 0) } else { (2, 13, 1, 1, 4) };
        assert_eq!(held(&world).await, (true, expected), "after {commits} commits");
        assert_eq!(world.gateway.verify().await.unwrap().problems, Vec::<String>::new(), "after {commits} commits");
    }
}
