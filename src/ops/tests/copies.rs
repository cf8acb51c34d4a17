//! Copies: what they carry, whose bytes they share, and that each outlives the other.

use super::world::*;
use crate::{
    blob::BlobError,
    digest::{self, CrcKind, Hasher},
    meta::record::{BlobRecord, Record},
    model::*,
    testkit::faulty::BlobStep,
};

fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

async fn holders(world: &World) -> Vec<u32> {
    world.rows(b'L').await.iter().map(|(_, value)| BlobRecord::decode(value).unwrap().holders).collect()
}

#[tokio::test]
async fn a_copy_and_its_source_outlive_each_other() {
    for size in [10, 5_000] {
        for first in ["source", "target"] {
            let world = World::new().await;
            let bytes = noise(1, size);
            world.put("source", &bytes).await;
            world.blobs.fail(BlobStep::Read, 1, BlobError::Io("a plain copy reads nothing".to_owned()));
            let outcome = world.run(Operation::CopyObject(copy_of("source", "target"))).await.unwrap();
            assert!(matches!(outcome, Outcome::CopyObject { etag, .. } if etag == etag_of(&bytes)));
            world.blobs.clear();
            world.audit().await;
            world.delete(first).await.unwrap();
            world.settle().await;
            world.audit().await;
            let other = if first == "source" { "target" } else { "source" };
            assert_eq!(world.get(other).await.unwrap(), bytes);
            world.delete(other).await.unwrap();
            world.settle().await;
            world.audit().await;
            assert_eq!((world.blob_count().await, world.rows(b'D').await.len()), (0, 0));
        }
    }
}

#[tokio::test]
async fn a_copy_of_a_multipart_object_is_in_one_piece() {
    let world = World::new().await;
    let parts: Vec<_> = (0..300).map(|part| noise(part, 100)).chain([noise(300, 10)]).collect();
    world.put_multipart("source", &parts).await;
    let whole = parts.concat();
    world.run(Operation::CopyObject(copy_of("source", "target"))).await.unwrap();
    let (read, bytes) = world.get_as(read_of("target", Selection::Whole)).await.unwrap();
    assert_eq!(bytes, whole);
    assert_eq!((read.etag, read.part_count), (etag_of(&whole), None));
    assert_eq!(read.crc64_ecma, CrcKind::Crc64Ecma.of_bytes(&whole));
    let expected = ObjectChecksum { value: checksum_of(ChecksumAlgorithm::Crc64Nvme, &whole), composite_of: None };
    assert_eq!(read.checksum, Some(expected));
    let (_, middle) = world.get_as(read_of("target", Selection::Range(RangeRequest::FromTo(25_550, 25_750)))).await.unwrap();
    assert_eq!(middle, whole[25_550..=25_750]);
    assert_eq!(world.blob_count().await, 300, "bytes are shared");
    world.delete("source").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("target").await.unwrap(), whole);
}

#[tokio::test]
async fn a_composite_checksum_becomes_one_of_the_whole() {
    let world = World::new().await;
    let bytes = noise(1, 150);
    let upload = world.create("source", Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite))).await;
    let checksum = checksum_of(ChecksumAlgorithm::Sha256, &bytes);
    let claims = BodyClaims { checksum: Some(checksum.clone()), ..BodyClaims::default() };
    world.part_as("source", upload, 1, claims, pieces(&bytes)).await.unwrap();
    let part = CompletedPart { checksum: Some(checksum.clone()), ..listed(1, &bytes) };
    world.complete("source", upload, vec![part]).await.unwrap();
    world.run(Operation::CopyObject(copy_of("source", "target"))).await.unwrap();
    assert_eq!(world.head("target").await.checksum, Some(ObjectChecksum { value: checksum, composite_of: None }));
    let wanted = CopyObject { checksum_algorithm: Some(ChecksumAlgorithm::Crc32c), ..copy_of("source", "target") };
    world.run(Operation::CopyObject(wanted)).await.unwrap();
    let computed = checksum_of(ChecksumAlgorithm::Crc32c, &bytes);
    assert_eq!(world.head("target").await.checksum, Some(ObjectChecksum { value: computed, composite_of: None }));
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn directives_decide_what_a_copy_carries() {
    let world = World::new().await;
    let text = |text: &str| Some(text.to_owned());
    let headers = SystemHeaders {
        content_type: text("text/plain"),
        website_redirect: text("/elsewhere"),
        storage_class: text("GLACIER"),
        ..SystemHeaders::default()
    };
    let user = UserMetadata(vec![("a".to_owned(), b"1".to_vec())]);
    let tags = Tags(vec![("t".to_owned(), "1".to_owned())]);
    let attributes = Attributes { acl: None, headers, user: user.clone(), tags: tags.clone() };
    world.put_as(PutObject { attributes, ..put_of("source") }, pieces(b"bytes")).await.unwrap();

    world.run(Operation::CopyObject(copy_of("source", "target"))).await.unwrap();
    let copied = SystemHeaders { content_type: text("text/plain"), ..SystemHeaders::default() };
    assert_eq!(world.head("target").await.attributes, Attributes { acl: None, headers: copied.clone(), user, tags: tags.clone() });

    let replaced = CopyObject {
        metadata: Directive::Replace((
            SystemHeaders { content_type: text("image/png"), ..SystemHeaders::default() },
            UserMetadata::default(),
        )),
        tags: Directive::Replace(Tags::default()),
        storage_class: text("STANDARD_IA"),
        ..copy_of("source", "target")
    };
    world.run(Operation::CopyObject(replaced)).await.unwrap();
    let headers = SystemHeaders { content_type: text("image/png"), storage_class: text("STANDARD_IA"), ..SystemHeaders::default() };
    assert_eq!(world.head("target").await.attributes, Attributes { headers, ..Attributes::default() });
}

#[tokio::test]
async fn a_copy_onto_itself_must_change_something() {
    let world = World::new().await;
    let bytes = noise(1, 5_000);
    world.put("k", &bytes).await;
    assert_eq!(world.run(Operation::CopyObject(copy_of("k", "k"))).await, Err(Failure::CopyOntoItself));
    let headers = SystemHeaders { content_type: Some("text/plain".to_owned()), ..SystemHeaders::default() };
    let replace = CopyObject { metadata: Directive::Replace((headers.clone(), UserMetadata::default())), ..copy_of("k", "k") };
    world.run(Operation::CopyObject(replace)).await.unwrap();
    world.audit().await;
    assert_eq!(holders(&world).await, [2], "the replaced record lets go later");
    world.settle().await;
    world.audit().await;
    assert_eq!(holders(&world).await, [1]);
    assert_eq!(world.get("k").await.unwrap(), bytes);
    assert_eq!(world.head("k").await.attributes.headers, headers);
}

#[tokio::test]
async fn every_condition_on_the_source_fails_as_412() {
    let world = World::new().await;
    world.put("source", b"bytes").await;
    let (mine, other) = (etag_of(b"bytes"), etag_of(b"other"));
    let is = |etag| Some(ETagCondition::OneOf(vec![etag]));
    let modified = world.head("source").await.last_modified;
    let none = ReadConditions::default;
    let upload_id = world.create("target", None).await;
    for (source_conditions, expected) in [
        (ReadConditions { if_match: is(mine), ..none() }, None),
        (ReadConditions { if_match: is(other), ..none() }, Some("x-amz-copy-source-If-Match")),
        (ReadConditions { if_none_match: is(mine), ..none() }, Some("x-amz-copy-source-If-None-Match")),
        (ReadConditions { if_modified_since: Some(modified), ..none() }, Some("x-amz-copy-source-If-Modified-Since")),
        (
            ReadConditions { if_unmodified_since: Some(modified.plus_millis(-1_000)), ..none() },
            Some("x-amz-copy-source-If-Unmodified-Since"),
        ),
    ] {
        let expected = expected.map(Failure::PreconditionFailed);
        let copy = CopyObject { source_conditions: source_conditions.clone(), ..copy_of("source", "target") };
        assert_eq!(world.run(Operation::CopyObject(copy)).await.err(), expected);
        let part = UploadPartCopy {
            object: object("target"),
            upload_id,
            part_number: number(1),
            source: object("source"),
            source_range: None,
            source_conditions,
        };
        assert_eq!(world.run(Operation::UploadPartCopy(part)).await.err(), expected);
    }
    let missing = world.run(Operation::CopyObject(copy_of("missing", "target"))).await;
    assert_eq!(missing, Err(Failure::NoSuchKey(object("missing").key)));
}

fn part_copy(upload_id: UploadId, part: u64, source: &str, source_range: Option<(u64, u64)>) -> Operation {
    let source_range = source_range.map(|(first, last)| (first, Some(last)));
    Operation::UploadPartCopy(UploadPartCopy {
        object: object("k"),
        upload_id,
        part_number: number(part),
        source: object(source),
        source_range,
        source_conditions: ReadConditions::default(),
    })
}

#[tokio::test]
async fn a_part_may_be_a_range_of_an_object() {
    let world = World::new().await;
    let parts: Vec<_> = (0..10).map(|part| noise(part, 100)).chain([noise(10, 20)]).collect();
    world.put_multipart("source", &parts).await;
    world.put("small", &noise(20, 50)).await;
    let (source, small) = (parts.concat(), noise(20, 50));
    let upload = world.create("k", Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject))).await;
    let outcome = world.run(part_copy(upload, 1, "source", Some((50, 349)))).await.unwrap();
    let crc = checksum_of(ChecksumAlgorithm::Crc32, &source[50..350]);
    let Outcome::UploadPartCopy { etag, checksum, .. } = outcome else { panic!() };
    assert_eq!((etag, checksum), (etag_of(&source[50..350]), Some(crc)));
    world.run(part_copy(upload, 2, "source", None)).await.unwrap();
    world.run(part_copy(upload, 3, "small", Some((10, 40)))).await.unwrap();
    let size = source.len() as u64;
    assert_eq!(world.run(part_copy(upload, 4, "source", Some((0, size)))).await, Err(Failure::CopyRangeInvalid { size }));
    assert_eq!(world.run(part_copy(upload, 4, "source", Some((9, 8)))).await, Err(Failure::CopyRangeInvalid { size }));
    world.audit().await;
    assert_eq!(world.blob_count().await, 10, "bytes are shared");
    let list = vec![listed(1, &source[50..350]), listed(2, &source), listed(3, &small[10..41])];
    world.complete("k", upload, list).await.unwrap();
    world.delete("source").await.unwrap();
    world.delete("small").await.unwrap();
    world.settle().await;
    world.audit().await;
    let whole = [&source[50..350], &source, &small[10..41]].concat();
    assert_eq!(world.get("k").await.unwrap(), whole);
    assert_eq!(world.head("k").await.checksum.unwrap().value, checksum_of(ChecksumAlgorithm::Crc32, &whole));
    world.delete("k").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!(world.blob_count().await, 0);
}

#[tokio::test]
async fn a_range_in_too_many_pieces_is_written_anew() {
    let world = World::new().await;
    let parts: Vec<_> = (0..70).map(|part| noise(part, 100)).collect();
    world.put_multipart("source", &parts).await;
    let upload = world.create("k", None).await;
    world.run(part_copy(upload, 1, "source", None)).await.unwrap();
    assert_eq!(world.blob_count().await, 71);
    assert!(holders(&world).await.iter().all(|&holders| holders == 1));
    world.complete("k", upload, vec![listed(1, &parts.concat())]).await.unwrap();
    world.delete("source").await.unwrap();
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("k").await.unwrap(), parts.concat());
    assert_eq!(world.blob_count().await, 1);
}

#[tokio::test]
async fn a_part_copied_into_an_upload_that_has_ended_changes_nothing() {
    let world = World::new().await;
    world.put("source", &noise(1, 5_000)).await;
    let upload = world.create("k", None).await;
    world.before_commit(move |world| async move {
        world.abort("k", upload).await.unwrap();
    });
    let late = world.run(part_copy(upload, 1, "source", None)).await;
    assert_eq!(late, Err(Failure::NoSuchUpload(upload.to_string())));
    world.settle().await;
    world.audit().await;
    assert_eq!(holders(&world).await, [1]);
}

#[tokio::test]
async fn a_source_replaced_while_it_is_copied_is_copied_as_it_is_then() {
    let world = World::new().await;
    let (old, new) = (noise(1, 5_000), noise(2, 6_000));
    world.put("source", &old).await;
    world.before_commit({
        let new = new.clone();
        |world| async move { world.put("source", &new).await }
    });
    world.run(Operation::CopyObject(copy_of("source", "target"))).await.unwrap();
    assert_eq!(world.get("target").await.unwrap(), new);

    let upload = world.create("k", None).await;
    world.before_commit(|world| async move {
        world.delete("source").await.unwrap();
    });
    let late = world.run(part_copy(upload, 1, "source", None)).await;
    assert_eq!(late, Err(Failure::NoSuchKey(object("source").key)));
    world.settle().await;
    world.audit().await;
    assert_eq!(world.get("target").await.unwrap(), new);
    assert_eq!(etag_of(&new), ETag::Whole(digest::md5(&new)));
}
