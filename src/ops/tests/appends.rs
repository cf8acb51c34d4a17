//! Objects that grow: at their end only, one append at a time, without disturbing readers.

use super::world::*;
use crate::{
    digest::CrcKind,
    meta::record::{Content, MANIFEST_CHUNK_PARTS, ObjectRecord, Record},
    model::*,
    testkit::faulty::BlobStep,
};

fn append_of(key: &str, position: u64) -> AppendObject {
    AppendObject { object: object(key), position, attributes: Attributes::default(), claims: BodyClaims::default() }
}

async fn append(world: &World, key: &str, position: u64, bytes: &[u8]) -> Result<Outcome, Failure> {
    append_as(world, append_of(key, position), pieces(bytes)).await
}

async fn append_as(world: &World, append: AppendObject, body: impl crate::ops::Body + 'static) -> Result<Outcome, Failure> {
    world.execute(Operation::AppendObject(append), Some(Box::new(body))).await.map(|reply| reply.outcome)
}

/// Appends pieces of these sizes and checks what is told of the object after each; returns its bytes.
async fn grow(world: &World, key: &str, sizes: &[usize]) -> Vec<u8> {
    let mut whole = Vec::new();
    for (seed, &size) in (1..).zip(sizes) {
        let bytes = noise(seed, size);
        let appended = append(world, key, whole.len() as u64, &bytes).await.unwrap();
        whole.extend_from_slice(&bytes);
        let Outcome::AppendObject { etag, next_position, crc64_ecma } = appended else { panic!("{appended:?}") };
        assert_eq!((next_position, crc64_ecma), (whole.len() as u64, CrcKind::Crc64Ecma.of_bytes(&whole)));
        let head = world.head(key).await;
        assert_eq!((head.etag, head.size, head.crc64_ecma), (etag, next_position, crc64_ecma));
        let nvme = CrcKind::Crc64Nvme.of_bytes(&whole).to_be_bytes();
        assert_eq!(head.checksum.unwrap().value.digest(), nvme);
    }
    whole
}

async fn record_of(world: &World) -> ObjectRecord {
    ObjectRecord::decode(&world.rows(b'O').await[0].1).unwrap()
}

#[tokio::test]
async fn an_object_grows_at_its_end_whatever_the_sizes() {
    let world = World::new().await;
    // Small pieces and files, joined and not, into the second chunk of a manifest.
    let sizes: Vec<_> = (0..2 * MANIFEST_CHUNK_PARTS).map(|at| [1, 2, 100, 3, 64, 63, 70, 1, 1, 1][at % 10]).collect();
    let whole = grow(&world, "k", &sizes).await;
    assert!(matches!(&record_of(&world).await.content, Content::Manifest { chunk_ends, .. } if chunk_ends.len() > 1));
    assert_eq!(world.get("k").await.unwrap(), whole);
    let range = Selection::Range(RangeRequest::FromTo(5_000, 15_000));
    assert_eq!(world.get_as(read_of("k", range)).await.unwrap().1, whole[5_000..=15_000]);
    assert_eq!(world.head("k").await.object_type, ObjectType::Appendable);
    world.settle().await;
    world.audit().await;
    world.delete("k").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert!(world.blob_count().await == 0 && world.rows(b'M').await.is_empty() && world.rows(b'D').await.is_empty());
}

#[tokio::test]
async fn a_log_written_byte_by_byte_is_not_kept_byte_by_byte() {
    let world = World::new().await;
    let whole = grow(&world, "k", &[1; 10 * INLINE_MAX as usize]).await;
    let pieces = match record_of(&world).await.content {
        Content::Here(parts) => parts.len(),
        Content::Manifest { .. } => {
            let rows = world.rows(b'M').await;
            rows.iter().map(|(_, value)| crate::meta::record::ManifestChunk::decode(value).unwrap().parts.len()).sum()
        }
    };
    assert!(pieces <= 20, "{pieces} pieces of at most {INLINE_MAX} bytes");
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("k").await.unwrap(), whole);
}

#[tokio::test]
async fn an_append_anywhere_else_is_told_the_size_before_its_body_is_asked_for() {
    let world = World::new().await;
    let mismatch = |size| Err(Failure::AppendPositionMismatch { size });
    assert_eq!(append_as(&world, append_of("k", 5), Untouchable).await, mismatch(0));
    grow(&world, "k", &[10]).await;
    for position in [0, 9, 11, u64::MAX] {
        assert_eq!(append_as(&world, append_of("k", position), Untouchable).await, mismatch(10));
    }
    world.put("plain", b"").await;
    assert_eq!(append_as(&world, append_of("plain", 0), Untouchable).await, Err(Failure::NotAppendable(object("plain").key)));
    let elsewhere = AppendObject { object: ObjectRef { bucket: Bucket::new("elsewhere").unwrap(), ..object("k") }, ..append_of("k", 0) };
    let no_bucket = Err(Failure::NoSuchBucket(elsewhere.object.bucket.clone()));
    assert_eq!(append_as(&world, elsewhere, Untouchable).await, no_bucket);
}

#[tokio::test]
async fn the_first_append_says_what_the_object_carries_and_an_empty_one_changes_nothing() {
    let world = World::new().await;
    let attributes = |value: &str| Attributes { tags: Tags(vec![("t".to_owned(), value.to_owned())]), ..Attributes::default() };
    let of = |position, value| AppendObject { attributes: attributes(value), ..append_of("k", position) };
    let created = append_as(&world, of(0, "first"), pieces(b"")).await.unwrap();
    assert!(matches!(created, Outcome::AppendObject { next_position: 0, crc64_ecma: 0, .. }), "an empty object is created");
    append_as(&world, of(0, "second"), pieces(b"bytes")).await.unwrap();
    let before = world.head("k").await;
    world.pass_ms(1_000);
    append_as(&world, of(5, "third"), pieces(b"")).await.unwrap();
    assert_eq!(world.head("k").await, before);
    assert_eq!(before.attributes, attributes("first"));
    append_as(&world, of(5, "fourth"), pieces(b"!")).await.unwrap();
    let after = world.head("k").await;
    assert!(after.etag != before.etag && after.last_modified > before.last_modified);
    assert!(matches!(after.etag, ETag::Multipart { part_count: 3, .. }), "it is not taken for the content's MD5");
    assert_eq!(world.get("k").await.unwrap(), b"bytes!");
}

#[tokio::test]
async fn of_two_appends_at_one_position_one_wins_and_leaves_nothing_of_the_other() {
    let world = World::new().await;
    for size in [1, 1_000] {
        let key = if size == 1 { "small" } else { "large" };
        world.before_commit(move |world| async move { drop(append(&world, key, 0, &noise(1, size)).await.unwrap()) });
        let lost = append(&world, key, 0, &noise(2, 10 * size)).await;
        assert_eq!(lost, Err(Failure::AppendPositionMismatch { size: size as u64 }));
        world.before_commit(move |world| async move { drop(append(&world, key, size as u64, &noise(3, size)).await.unwrap()) });
        let lost = append(&world, key, size as u64, &noise(4, size)).await;
        assert_eq!(lost, Err(Failure::AppendPositionMismatch { size: 2 * size as u64 }));
        assert_eq!(world.get(key).await.unwrap(), [noise(1, size), noise(3, size)].concat());
    }
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn an_object_deleted_or_replaced_meanwhile_is_not_appended_to() {
    let world = World::new().await;
    grow(&world, "k", &[10]).await;
    world.before_commit(|world| async move { drop(world.delete("k").await.unwrap()) });
    assert_eq!(append(&world, "k", 10, b"x").await, Err(Failure::AppendPositionMismatch { size: 0 }));
    grow(&world, "k", &[10]).await;
    world.before_commit(|world| async move { world.put("k", &noise(1, 10)).await });
    assert_eq!(append(&world, "k", 10, b"x").await, Err(Failure::NotAppendable(object("k").key)));
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn what_an_object_carries_and_what_is_appended_to_it_may_change_at_once() {
    let world = World::new().await;
    let first = grow(&world, "k", &[10]).await;
    let tags = Tags(vec![("t".to_owned(), "v".to_owned())]);
    world.before_commit(|world| async move { drop(append(&world, "k", 10, b"x").await.unwrap()) });
    world.run(Operation::PutObjectTagging(object("k"), tags.clone())).await.unwrap();
    world.before_commit(|world| async move {
        world.run(Operation::PutObjectAcl(object("k"), Some(Acl::PublicRead))).await.unwrap();
    });
    append(&world, "k", 11, &noise(2, 1_000)).await.unwrap();
    let head = world.head("k").await;
    assert_eq!((head.size, head.attributes.tags, head.attributes.acl), (1_011, tags, Some(Acl::PublicRead)));
    assert_eq!(world.get("k").await.unwrap(), [&first[..], b"x", &noise(2, 1_000)].concat());
    // Of an object that is overwritten meanwhile the new one gets the tags.
    world.before_commit(|world| async move { world.put("k", b"new").await });
    world.run(Operation::PutObjectTagging(object("k"), Tags::default())).await.unwrap();
    assert_eq!(world.get("k").await.unwrap(), b"new");
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn a_reader_that_began_before_an_append_reads_what_there_was() {
    let world = World::new().await;
    // The reader has seen the first chunk of the manifest; the last one changes, and so does the last piece.
    let before = grow(&world, "k", &[&[100; MANIFEST_CHUNK_PARTS + 3], [5].as_slice()].concat()).await;
    let reply = world.execute(Operation::GetObject(read_of("k", Selection::Whole)), None).await.unwrap();
    append(&world, "k", before.len() as u64, &noise(9, 20)).await.unwrap();
    world.pass_ms(10 * GRACE_MS);
    world.gateway.reap().await.unwrap();
    let bytes: Vec<bytes::Bytes> = futures_util::TryStreamExt::try_collect(reply.content.unwrap()).await.unwrap();
    assert_eq!(bytes.concat(), before);
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn an_object_grows_to_5_gib() {
    let world = World::new().await;
    grow(&world, "k", &[10]).await;
    let size = (5 << 30) - 9;
    let large = AppendObject { claims: BodyClaims { size: Some(size), ..BodyClaims::default() }, ..append_of("k", 10) };
    let refused = append_as(&world, large, Untouchable).await;
    assert!(matches!(refused, Err(Failure::TooLarge { size: told, .. }) if told == size), "{refused:?}");
}

#[tokio::test]
async fn a_copy_has_the_md5_of_its_bytes_and_outlives_its_source() {
    let world = World::new().await;
    let whole = grow(&world, "k", &[10, 100, 5]).await;
    world.run(Operation::CopyObject(copy_of("k", "copy"))).await.unwrap();
    let copy = world.head("copy").await;
    assert_eq!((copy.etag, copy.object_type), (etag_of(&whole), ObjectType::Normal));
    append(&world, "k", whole.len() as u64, b"more").await.unwrap();
    world.delete("k").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("copy").await.unwrap(), whole);
}

#[tokio::test]
async fn a_log_that_is_always_appended_to_can_be_copied() {
    let world = World::new().await;
    let part = UploadPartCopy {
        object: object("m"),
        upload_id: world.create("m", None).await,
        part_number: number(1),
        source: object("k"),
        source_range: None,
        source_conditions: ReadConditions::default(),
    };
    for (size, copy) in [
        (10, Operation::CopyObject(copy_of("k", "copy"))),
        (1_000, Operation::CopyObject(copy_of("k", "copy"))),
        (1_000, Operation::UploadPartCopy(part)),
    ] {
        let whole = grow(&world, "k", &[size]).await;
        // An append before each commit of the copy; the append's own commit passes.
        for position in size as u64..size as u64 + 100 {
            world.before_commit(move |world| async move { drop(append(&world, "k", position, b"x").await.unwrap()) });
            world.let_commit_pass();
        }
        world.run(copy.clone()).await.unwrap();
        world.kv.stop_interrupting();
        if let Operation::CopyObject(_) = copy {
            let bytes = world.get("copy").await.unwrap();
            assert_eq!(bytes, [whole, vec![b'x'; bytes.len() - size]].concat(), "as it was at one moment");
        }
        world.settle().await;
        world.audit().await;
        world.delete("k").await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_append_leaves_nothing_behind() {
    let world = World::new().await;
    let before = grow(&world, "k", &[1_000]).await;
    world.blobs.fail(BlobStep::Seal, 1, crate::blob::BlobError::NoSpace);
    assert_eq!(append(&world, "k", 1_000, &noise(2, 1_000)).await, Err(Failure::NoSpace));
    let claims = BodyClaims { crc64_ecma: Some(1), ..BodyClaims::default() };
    let wrong = append_as(&world, AppendObject { claims, ..append_of("k", 1_000) }, pieces(b"bytes")).await;
    assert!(matches!(wrong, Err(Failure::Crc64Mismatch { expected: 1, .. })));
    assert_eq!(world.get("k").await.unwrap(), before);
    world.audit().await;
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_there_or_not_but_never_half() {
    let world = World::new().await;
    for size in [10, 1_000] {
        let key = if size == 10 { "small" } else { "large" };
        let before = grow(&world, key, &[size]).await;
        world.kv.lose_answer.store(true, std::sync::atomic::Ordering::SeqCst);
        assert_eq!(append(&world, key, size as u64, &noise(2, size)).await, Err(Failure::Internal));
        let told = append(&world, key, size as u64, &noise(2, size)).await;
        assert_eq!(told, Err(Failure::AppendPositionMismatch { size: 2 * size as u64 }), "the client learns where it stands");
        assert_eq!(world.get(key).await.unwrap(), [before, noise(2, size)].concat());
    }
    let world = world.restarted().await;
    world.settle().await;
    world.audit().await;
}
