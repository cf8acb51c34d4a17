//! Objects in one piece: written, read, replaced, deleted, under conditions.

use super::world::*;
use crate::{blob::BlobError, model::*, testkit::faulty::BlobStep};

#[tokio::test]
async fn what_was_put_is_read_back_whatever_its_size() {
    let world = World::new().await;
    for size in [0, 1, 63, 64, 65, 1_000, 70_000, 2_500_000] {
        let bytes = noise(size as u64 + 1, size);
        let put = world.put_as(put_of("k"), pieces(&bytes)).await.unwrap();
        let Outcome::PutObject { etag, checksum, size: told, .. } = put else { panic!() };
        assert_eq!((etag, told), (etag_of(&bytes), size as u64));
        assert_eq!(checksum.value.algorithm(), ChecksumAlgorithm::Crc64Nvme);
        let (read, got) = world.get_as(read_of("k", Selection::Whole)).await.unwrap();
        assert_eq!(got, bytes, "{size} bytes");
        assert_eq!((read.etag, read.size, read.part_count, read.selected.clone()), (etag, size as u64, None, Selected::Whole));
        assert_eq!(read, world.head("k").await);
    }
    world.settle().await;
    world.audit().await;
    assert_eq!(world.blob_count().await, 1, "replaced bytes are reaped");
}

#[tokio::test]
async fn small_bodies_touch_no_file() {
    let world = World::new().await;
    world.put("small", &noise(1, 64)).await;
    world.put("large", &noise(1, 65)).await;
    assert_eq!(world.blob_count().await, 1);
    world.blobs.fail(BlobStep::Read, 1, BlobError::Io("a file was read".to_owned()));
    assert_eq!(world.get("small").await.unwrap(), noise(1, 64));
    world.audit().await;
}

#[tokio::test]
async fn ranges_select_what_s3_selects() {
    let world = World::new().await;
    let bytes = noise(1, 100);
    world.put("k", &bytes).await;
    world.put("empty", &[]).await;
    for (request, expected) in [
        (RangeRequest::FromTo(0, 0), Some(0..1)),
        (RangeRequest::From(50), Some(50..100)),
        (RangeRequest::Suffix(10), Some(90..100)),
        (RangeRequest::FromTo(0, u64::MAX), Some(0..100)),
        (RangeRequest::Suffix(101), Some(0..100)),
        (RangeRequest::From(100), None),
        (RangeRequest::Suffix(0), None),
    ] {
        let got = world.get_as(read_of("k", Selection::Range(request))).await;
        match expected {
            Some(range) => {
                let (read, got) = got.unwrap();
                assert_eq!(got, bytes[range.clone()], "{request:?}");
                assert_eq!(read.selected, Selected::Range(ByteRange { start: range.start as u64, end: range.end as u64 }));
            }
            None => assert_eq!(got.unwrap_err(), Failure::RangeNotSatisfiable { size: 100 }, "{request:?}"),
        }
    }
    let (_, nothing) = world.get_as(read_of("empty", Selection::Range(RangeRequest::Suffix(1)))).await.unwrap();
    assert!(nothing.is_empty());
    let from_nothing = world.get_as(read_of("empty", Selection::Range(RangeRequest::From(0)))).await;
    assert_eq!(from_nothing.unwrap_err(), Failure::RangeNotSatisfiable { size: 0 });
}

#[tokio::test]
async fn an_object_in_one_piece_is_its_own_only_part() {
    let world = World::new().await;
    let bytes = noise(1, 100);
    world.put("k", &bytes).await;
    let (read, got) = world.get_as(read_of("k", Selection::Part(number(1)))).await.unwrap();
    assert_eq!(got, bytes);
    let checksum = read.checksum.map(|checksum| checksum.value);
    assert_eq!(read.selected, Selected::Part { range: ByteRange { start: 0, end: 100 }, checksum });
    let second = world.get_as(read_of("k", Selection::Part(number(2)))).await;
    assert_eq!(second.unwrap_err(), Failure::NoSuchPart { number: number(2), count: 1 });
}

#[tokio::test]
async fn a_missing_blob_is_told_before_the_first_byte() {
    let world = World::new().await;
    world.put("k", &noise(1, 1_000)).await;
    world.blobs.fail(BlobStep::Read, 1, BlobError::Io("gone".to_owned()));
    assert_eq!(world.get("k").await, Err(Failure::Internal));
    assert_eq!(world.get("k").await.unwrap(), noise(1, 1_000));
}

#[tokio::test]
async fn conditions_and_existence_are_checked_before_the_body_is_asked_for() {
    let world = World::new().await;
    world.put("k", b"old").await;
    let absent = PutObject { conditions: WriteConditions { if_absent: true, ..WriteConditions::default() }, ..put_of("k") };
    assert_eq!(world.put_as(absent, Untouchable).await, Err(Failure::PreconditionFailed("If-None-Match")));
    let other = Some(ETagCondition::OneOf(vec![etag_of(b"other")]));
    let matching = PutObject { conditions: WriteConditions { if_match: other, ..WriteConditions::default() }, ..put_of("k") };
    assert_eq!(world.put_as(matching.clone(), Untouchable).await, Err(Failure::PreconditionFailed("If-Match")));
    let nothing = PutObject { object: object("nothing"), ..matching };
    assert_eq!(world.put_as(nothing, Untouchable).await, Err(Failure::NoSuchKey(object("nothing").key)));
    let elsewhere = ObjectRef { bucket: Bucket::new("elsewhere").unwrap(), ..object("k") };
    let put = PutObject { object: elsewhere.clone(), ..put_of("k") };
    assert_eq!(world.put_as(put, Untouchable).await, Err(Failure::NoSuchBucket(elsewhere.bucket)));
    let large = PutObject { claims: BodyClaims { size: Some(LIMITS.part_size_bytes_max + 1), ..BodyClaims::default() }, ..put_of("k") };
    assert!(matches!(world.put_as(large, Untouchable).await, Err(Failure::TooLarge { .. })));
    let upload = UploadId::new(Timestamp::from_millis(1), [1; 10]);
    let part = world.part_as("k", upload, 1, BodyClaims::default(), Untouchable).await;
    assert_eq!(part, Err(Failure::NoSuchUpload(upload.to_string())));
    assert_eq!(world.get("k").await.unwrap(), b"old");
}

#[tokio::test]
async fn deleting_is_idempotent_and_conditional() {
    let world = World::new().await;
    world.put("k", &noise(1, 1_000)).await;
    let delete = |etag| Operation::DeleteObject(DeleteObject { object: object("k"), if_match: Some(ETagCondition::OneOf(vec![etag])) });
    assert_eq!(world.run(delete(etag_of(b"other"))).await, Err(Failure::PreconditionFailed("If-Match")));
    assert_eq!(world.run(delete(etag_of(&noise(1, 1_000)))).await, Ok(Outcome::Done));
    assert_eq!(world.get("k").await, Err(Failure::NoSuchKey(object("k").key)));
    assert_eq!(world.delete("k").await, Ok(Outcome::Done));
    assert_eq!(world.run(delete(etag_of(b"other"))).await, Err(Failure::NoSuchKey(object("k").key)));
    world.settle().await;
    world.audit().await;
    assert_eq!(world.blob_count().await, 0);
}

#[tokio::test]
async fn many_deletes_answer_per_key_in_order() {
    let world = World::new().await;
    let keys: Vec<_> = (0..100).map(|index| format!("k{index:03}")).collect();
    for key in keys.iter().step_by(2) {
        world.put(key, &noise(1, 100)).await;
    }
    let mismatch = Some(ETagCondition::OneOf(vec![etag_of(b"other")]));
    let condition = |index: usize| if index == 4 { mismatch.clone() } else { None };
    let objects = keys.iter().enumerate().map(|(index, key)| (object(key).key, condition(index))).collect();
    let deleted = world.run(Operation::DeleteObjects(DeleteObjects { bucket: bucket(), objects })).await.unwrap();
    let Outcome::DeleteObjects(results) = deleted else { panic!() };
    assert_eq!(results.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), keys);
    for (index, (_, result)) in results.iter().enumerate() {
        assert_eq!(*result, if index == 4 { Err(Failure::PreconditionFailed("If-Match")) } else { Ok(()) }, "{index}");
    }
    assert_eq!(world.rows(b'O').await.len(), 1);
    world.settle().await;
    world.audit().await;
    assert_eq!(world.blob_count().await, 1);
}
