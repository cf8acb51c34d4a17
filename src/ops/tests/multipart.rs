//! Multipart uploads: from parts to an object.

use super::world::*;
use crate::{
    blob::BlobError,
    digest,
    meta::{
        Kv, Write, keys,
        record::{Extent, PartRecord, Place, Record, Revision},
    },
    model::*,
    testkit::faulty::BlobStep,
};

#[tokio::test]
async fn parts_in_any_order_with_gaps_become_the_object() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let (a, b, c) = (noise(1, 150), noise(2, 100), noise(3, 7));
    world.part("k", upload, 900, &c).await.unwrap();
    world.part("k", upload, 5, &b).await.unwrap();
    world.part("k", upload, 2, &a).await.unwrap();
    assert!(matches!(world.get("k").await, Err(Failure::NoSuchKey(_))), "an open upload shows no object");
    let outcome = world.complete("k", upload, vec![listed(2, &a), listed(5, &b), listed(900, &c)]).await.unwrap();
    let Outcome::CompleteMultipartUpload { etag, size, checksum, crc64_ecma, .. } = outcome else { panic!() };
    let whole = [a.clone(), b.clone(), c.clone()].concat();
    let digests = [digest::md5(&a), digest::md5(&b), digest::md5(&c)].concat();
    assert_eq!(etag, ETag::Multipart { digest: digest::md5(&digests), part_count: 3 });
    assert_eq!(size, whole.len() as u64);
    assert_eq!(crc64_ecma, digest::CrcKind::Crc64Ecma.of_bytes(&whole));
    let crc64_nvme = digest::CrcKind::Crc64Nvme.of_bytes(&whole).to_be_bytes().to_vec();
    let expected = Checksum::new(ChecksumAlgorithm::Crc64Nvme, crc64_nvme).unwrap();
    assert_eq!(checksum, Some(ObjectChecksum { value: expected, composite_of: None }));
    assert_eq!(world.get("k").await.unwrap(), whole);

    let (read, second) = world.get_as(read_of("k", Selection::Part(number(2)))).await.unwrap();
    assert_eq!((second, read.part_count), (b, Some(3)), "partNumber counts the parts listed");
    assert_eq!(read.selected, Selected::Part { range: ByteRange { start: 150, end: 250 }, checksum: None });
    let fourth = world.get_as(read_of("k", Selection::Part(number(4)))).await;
    assert_eq!(fourth.unwrap_err(), Failure::NoSuchPart { number: number(4), count: 3 });
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("k").await.unwrap(), whole);
}

#[tokio::test]
async fn unlisted_and_replaced_parts_are_reaped_after_the_grace_period() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let (old, new, unlisted) = (noise(1, 500), noise(2, 500), noise(3, 500));
    world.part("k", upload, 1, &old).await.unwrap();
    world.part("k", upload, 1, &new).await.unwrap();
    world.part("k", upload, 2, &unlisted).await.unwrap();
    assert!(matches!(world.complete("k", upload, vec![listed(1, &old)]).await, Err(Failure::PartInvalid { .. })));
    world.complete("k", upload, vec![listed(1, &new)]).await.unwrap();
    assert_eq!(world.blob_count().await, 3);
    world.pass_ms(GRACE_MS - 1);
    world.gateway.reap().await.unwrap();
    assert_eq!(world.blob_count().await, 3);
    world.pass_ms(1);
    world.gateway.reap().await.unwrap();
    assert_eq!(world.blob_count().await, 1);
    assert!(world.rows(b'P').await.is_empty());
    assert_eq!(world.get("k").await.unwrap(), new);
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn a_list_that_does_not_fit_leaves_the_upload_open() {
    let world = World::new().await;
    let upload_id = world.create("k", None).await;
    let (a, b) = (noise(1, 150), noise(2, 99));
    world.part("k", upload_id, 1, &a).await.unwrap();
    world.part("k", upload_id, 2, &b).await.unwrap();
    world.part("k", upload_id, 3, &a).await.unwrap();
    let elsewhere = UploadId::new(Timestamp::from_millis(1), [1; 10]);
    assert_eq!(world.complete("k", elsewhere, vec![]).await, Err(Failure::NoSuchUpload(elsewhere.to_string())));
    assert_eq!(world.complete("other", upload_id, vec![]).await, Err(Failure::NoSuchUpload(upload_id.to_string())));
    assert_eq!(world.complete("k", upload_id, vec![]).await, Err(Failure::NoParts));
    let disorder = world.complete("k", upload_id, vec![listed(2, &b), listed(1, &a)]).await;
    assert_eq!(disorder, Err(Failure::PartsOutOfOrder { upload_id }));
    let invalid = |part, bytes: &[u8]| Err(Failure::PartInvalid { upload_id, number: number(part), etag: etag_of(bytes) });
    assert_eq!(world.complete("k", upload_id, vec![listed(1, &a), listed(7, &a)]).await, invalid(7, &a));
    assert_eq!(world.complete("k", upload_id, vec![listed(1, &b)]).await, invalid(1, &b));
    let small = world.complete("k", upload_id, vec![listed(1, &a), listed(2, &b), listed(3, &a)]).await;
    assert_eq!(small, Err(Failure::PartTooSmall { number: number(2), etag: etag_of(&b), size: 99, size_min: 100 }));
    let complete = complete_of("k", upload_id, vec![listed(1, &a), listed(2, &b)]);
    let wrong_size = CompleteMultipartUpload { object_size: Some(250), ..complete.clone() };
    let refused = world.run(Operation::CompleteMultipartUpload(wrong_size)).await;
    assert_eq!(refused, Err(Failure::ObjectSizeMismatch { expected: 250, actual: 249 }));
    let conditions = WriteConditions { if_match: Some(ETagCondition::Any), ..WriteConditions::default() };
    let conditional = CompleteMultipartUpload { conditions, ..complete.clone() };
    assert_eq!(world.run(Operation::CompleteMultipartUpload(conditional)).await, Err(Failure::NoSuchKey(object("k").key)));
    let right_size = CompleteMultipartUpload { object_size: Some(249), ..complete };
    assert!(world.run(Operation::CompleteMultipartUpload(right_size)).await.is_ok());
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn a_repeated_complete_gets_the_same_answer_until_it_is_forgotten() {
    let world = World::new().await;
    let upload_id = world.create("k", None).await;
    let a = noise(1, 150);
    world.part("k", upload_id, 1, &a).await.unwrap();
    let conditions = WriteConditions { if_absent: true, ..WriteConditions::default() };
    let complete = CompleteMultipartUpload { conditions, ..complete_of("k", upload_id, vec![listed(1, &a)]) };
    let first = world.run(Operation::CompleteMultipartUpload(complete.clone())).await.unwrap();
    let gone = Err(Failure::NoSuchUpload(upload_id.to_string()));
    world.put("k", b"overwritten since").await;
    assert_eq!(world.run(Operation::CompleteMultipartUpload(complete.clone())).await.unwrap(), first);
    assert_eq!(world.get("k").await.unwrap(), b"overwritten since", "a replay writes nothing");
    assert_eq!(world.complete("k", upload_id, vec![listed(2, &a)]).await, gone, "another list");
    assert_eq!(world.complete("other", upload_id, vec![listed(1, &a)]).await, gone, "another key");
    let oss = Limits { complete_is_replayable: false, ..LIMITS };
    assert_eq!(world.gateway.complete_multipart_upload(&complete, &oss, None).await, gone, "a dialect without replays");
    assert_eq!(world.part("k", upload_id, 1, &a).await, gone);
    assert_eq!(world.abort("k", upload_id).await, gone);
    world.pass_ms(RETENTION_MS - 1);
    world.gateway.reap().await.unwrap();
    assert_eq!(world.run(Operation::CompleteMultipartUpload(complete.clone())).await.unwrap(), first);
    world.pass_ms(1);
    world.gateway.reap().await.unwrap();
    assert_eq!(world.run(Operation::CompleteMultipartUpload(complete)).await, gone);
    world.settle().await;
    world.audit().await;
    assert!(world.rows(b'C').await.is_empty());
}

#[tokio::test]
async fn an_aborted_upload_is_gone_and_its_bytes_follow() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    for part in 1..=300 {
        world.part("k", upload, part, &noise(part, if part % 2 == 0 { 70 } else { 30 })).await.unwrap();
    }
    assert_eq!(world.abort("k", upload).await, Ok(Outcome::Done));
    let gone = Err(Failure::NoSuchUpload(upload.to_string()));
    assert_eq!(world.abort("k", upload).await, gone);
    assert_eq!(world.complete("k", upload, vec![listed(1, &noise(1, 30))]).await, gone);
    assert_eq!(world.part("k", upload, 1, b"late").await, gone);
    assert_eq!(world.blob_count().await, 150);
    world.settle().await;
    world.audit().await;
    assert_eq!((world.blob_count().await, world.rows(b'D').await.len(), world.rows(b'P').await.len()), (0, 0, 0));
}

#[tokio::test]
async fn an_upload_may_be_one_empty_part() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    world.part("k", upload, 1, &[]).await.unwrap();
    world.complete("k", upload, vec![listed(1, &[])]).await.unwrap();
    let (read, bytes) = world.get_as(read_of("k", Selection::Part(number(1)))).await.unwrap();
    assert_eq!((bytes.len(), read.size, read.part_count), (0, 0, Some(1)));
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn reads_across_parts_and_manifest_chunks_equal_the_bytes() {
    let world = World::new().await;
    let parts: Vec<_> = (0..600).map(|part| noise(part, 100 + usize::try_from(part % 7).unwrap())).collect();
    world.put_multipart("k", &parts).await;
    let whole = parts.concat();
    assert_eq!(world.get("k").await.unwrap(), whole);
    let size = whole.len() as u64;
    let chunk: u64 = parts[..256].iter().map(|part| part.len() as u64).sum();
    let mut at = 1_u64;
    let mut ranges = vec![(0, 0), (0, size - 1), (size - 1, size - 1), (chunk - 1, chunk), (chunk, chunk), (chunk - 1, chunk - 1)];
    for _ in 0..300 {
        at = at.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let first = (at >> 20) % size;
        ranges.push((first, (first + (at >> 40) % 900).min(size - 1)));
    }
    for (first, last) in ranges {
        let (_, got) = world.get_as(read_of("k", Selection::Range(RangeRequest::FromTo(first, last)))).await.unwrap();
        let index = |at: u64| usize::try_from(at).unwrap();
        assert!(got == whole[index(first)..=index(last)], "bytes {first} to {last}");
    }
    for part in [1, 2, 255, 256, 257, 512, 513, 600] {
        let (_, got) = world.get_as(read_of("k", Selection::Part(number(part)))).await.unwrap();
        assert!(got == parts[usize::try_from(part).unwrap() - 1], "part {part}");
    }
    world.settle().await;
    world.audit().await;
    world.delete("k").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!((world.blob_count().await, world.rows(b'M').await.len()), (0, 0));
}

#[tokio::test]
async fn completing_ten_thousand_parts_reads_no_blob() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let bytes = noise(1, 100);
    let record = |part: u64| PartRecord {
        md5: digest::md5(&bytes),
        size: 100,
        last_modified: Timestamp::from_millis(0),
        checksum: None,
        crc64_nvme: digest::CrcKind::Crc64Nvme.of_bytes(&bytes),
        crc64_ecma: digest::CrcKind::Crc64Ecma.of_bytes(&bytes),
        is_counted: true,
        extents: vec![Extent { place: Place::File, blob: crate::blob::BlobId(u128::from(part).to_be_bytes()), offset: 0, size: 100 }],
    };
    let rows = (1..=10_000).map(|part| Write::Put(keys::part(&upload, number(part), Revision(1)), record(part).encode()));
    world.kv.commit(vec![], rows.collect()).await.unwrap();
    world.blobs.fail(BlobStep::Read, 1, BlobError::Io("a blob was read".to_owned()));
    let list: Vec<_> = (1..=10_000).map(|part| listed(part, &bytes)).collect();
    let outcome = world.complete("k", upload, list).await.unwrap();
    let Outcome::CompleteMultipartUpload { size, crc64_ecma, .. } = outcome else { panic!() };
    assert_eq!(size, 1_000_000);
    assert_eq!(crc64_ecma, digest::CrcKind::Crc64Ecma.of_bytes(&bytes.repeat(10_000)));
    assert_eq!(world.rows(b'M').await.len(), 40);
    assert_eq!(world.get("k").await, Err(Failure::Internal), "the fault was still waiting");
}

#[tokio::test]
async fn a_part_of_a_later_run_is_the_newest_although_the_clock_went_back() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    world.part("k", upload, 1, &noise(1, 100)).await.unwrap();
    world.pass_ms(-3_600_000);
    let world = world.restarted().await;
    world.part("k", upload, 1, &noise(2, 100)).await.unwrap();
    world.part("k", upload, 1, &noise(3, 100)).await.unwrap();
    world.complete("k", upload, vec![listed(1, &noise(3, 100))]).await.unwrap();
    assert_eq!(world.get("k").await.unwrap(), noise(3, 100));
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn nothing_more_goes_into_a_bucket_that_is_gone() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let bytes = noise(1, 150);
    world.part("k", upload, 1, &bytes).await.unwrap();
    world.kv.commit(vec![], vec![Write::Delete(keys::bucket(&bucket()))]).await.unwrap();
    let gone = || Err(Failure::NoSuchBucket(bucket()));
    assert_eq!(world.part("k", upload, 2, &bytes).await, gone());
    assert_eq!(world.complete("k", upload, vec![listed(1, &bytes)]).await, gone());
    assert_eq!(world.put_as(put_of("k"), Untouchable).await, gone());
    assert_eq!(world.delete("k").await, gone());
    assert!(world.rows(b'O').await.is_empty());
}
