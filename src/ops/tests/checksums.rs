//! Checksums of multipart objects: the table of the S3 protocol notes, and what is refused.

use super::world::*;
use crate::{
    digest::{self, CrcKind, Hasher},
    model::*,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Three parts of 5 MiB.
fn abc() -> [Vec<u8>; 3] {
    [b'A', b'B', b'C'].map(|letter| vec![letter; 5 << 20])
}

fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

fn value(algorithm: ChecksumAlgorithm, text: &str) -> Checksum {
    Checksum::new(algorithm, STANDARD.decode(text).unwrap()).unwrap()
}

fn with_checksum(checksum: &Checksum) -> BodyClaims {
    BodyClaims { checksum: Some(checksum.clone()), ..BodyClaims::default() }
}

#[tokio::test]
async fn objects_of_three_parts_have_the_published_checksums() {
    use ChecksumAlgorithm::*;
    use ChecksumType::*;
    let parts = abc();
    for (algorithm, kind, expected) in [
        (Crc32, Composite, "Z+ry2Q=="),
        (Crc32c, Composite, "g9DPqQ=="),
        (Sha1, Composite, "sizjvY4eud3MrcHdZM3cQ/ol39o="),
        (Sha256, Composite, "uWBwpe1dxI4Vw8Gf0X9ynOdw/SS6VBzfWm9giiv1sf4="),
        (Crc32, FullObject, "WgDhBQ=="),
        (Crc32c, FullObject, "xU+Krw=="),
        (Crc64Nvme, FullObject, "i+6LR0y3eFo="),
    ] {
        let world = World::new().await;
        let upload = world.create("k", Some((algorithm, kind))).await;
        let mut list = Vec::new();
        for (part, bytes) in (1..).zip(&parts) {
            let checksum = checksum_of(algorithm, bytes);
            let outcome = world.part_as("k", upload, part, with_checksum(&checksum), pieces(bytes)).await.unwrap();
            assert!(matches!(outcome, Outcome::UploadPart { checksum: Some(told), .. } if told == checksum));
            list.push(CompletedPart { checksum: Some(checksum), ..listed(part, bytes) });
        }
        let outcome = world.complete("k", upload, list).await.unwrap();
        let Outcome::CompleteMultipartUpload { etag, checksum, .. } = outcome else { panic!() };
        assert_eq!(etag.to_string(), "b2add96cc9702bbf4efb0ccdfc6b7747-3");
        let composite_of = (kind == Composite).then_some(3);
        assert_eq!(checksum, Some(ObjectChecksum { value: value(algorithm, expected), composite_of }), "{algorithm:?} {kind:?}");
        let (read, _) = world.get_as(read_of("k", Selection::Part(number(2)))).await.unwrap();
        let part = Some(checksum_of(algorithm, &parts[1]));
        assert!(matches!(read.selected, Selected::Part { checksum, .. } if checksum == part));
    }
}

#[tokio::test]
async fn a_declared_algorithm_binds_the_parts() {
    let world = World::new().await;
    let bytes = noise(1, 150);
    let composite = world.create("k", Some((ChecksumAlgorithm::Crc32, ChecksumType::Composite))).await;
    let full = world.create("k", Some((ChecksumAlgorithm::Crc32, ChecksumType::FullObject))).await;
    let undeclared = world.create("k", None).await;
    let sha = with_checksum(&checksum_of(ChecksumAlgorithm::Sha256, &bytes));
    let mismatch = |actual| Err(Failure::ChecksumAlgorithmMismatch { expected: ChecksumAlgorithm::Crc32, actual });
    for upload in [composite, full] {
        assert_eq!(world.part_as("k", upload, 1, sha.clone(), Untouchable).await, mismatch(Some(ChecksumAlgorithm::Sha256)));
    }
    assert_eq!(world.part_as("k", composite, 1, BodyClaims::default(), Untouchable).await, mismatch(None));

    // FULL_OBJECT without a value: computed and kept, so that completing can combine it.
    let outcome = world.part("k", full, 1, &bytes).await.unwrap();
    let crc = checksum_of(ChecksumAlgorithm::Crc32, &bytes);
    assert!(matches!(outcome, Outcome::UploadPart { checksum: Some(told), .. } if told == crc));
    let outcome = world.complete("k", full, vec![listed(1, &bytes)]).await.unwrap();
    assert!(matches!(outcome, Outcome::CompleteMultipartUpload { checksum: Some(told), .. } if told.value == crc));

    // Undeclared: any value is verified, kept and echoed; none is none.
    let outcome = world.part_as("k", undeclared, 1, sha.clone(), pieces(&bytes)).await.unwrap();
    assert!(matches!(outcome, Outcome::UploadPart { checksum, .. } if checksum == sha.checksum));
    let outcome = world.part("k", undeclared, 2, &bytes).await.unwrap();
    assert!(matches!(outcome, Outcome::UploadPart { checksum: None, .. }));
}

/// An upload of one part of 150 bytes with the declared checksum, and a list for it.
async fn one_part(world: &World, declared: Option<(ChecksumAlgorithm, ChecksumType)>, part: u64) -> (UploadId, CompletedPart) {
    let bytes = noise(1, 150);
    let upload = world.create("k", declared).await;
    let algorithm = declared.map_or(ChecksumAlgorithm::Crc32, |(algorithm, _)| algorithm);
    let checksum = checksum_of(algorithm, &bytes);
    world.part_as("k", upload, part, with_checksum(&checksum), pieces(&bytes)).await.unwrap();
    (upload, CompletedPart { checksum: Some(checksum), ..listed(part, &bytes) })
}

#[tokio::test]
async fn completing_checks_the_parts_checksums() {
    use ChecksumAlgorithm::*;
    let world = World::new().await;
    let other = |algorithm| Some(checksum_of(algorithm, b"other"));
    let composite = Some((Sha1, ChecksumType::Composite));
    let (upload_id, part) = one_part(&world, composite, 1).await;
    let without = CompletedPart { checksum: None, ..part.clone() };
    let missing = Failure::PartChecksumMissing { number: number(1), algorithm: Sha1 };
    assert_eq!(world.complete("k", upload_id, vec![without]).await, Err(missing));
    let wrong = CompletedPart { checksum: other(Sha1), ..part.clone() };
    let invalid = Failure::PartInvalid { upload_id, number: number(1), etag: part.etag };
    assert_eq!(world.complete("k", upload_id, vec![wrong]).await, Err(invalid));
    let foreign = CompletedPart { checksum: Some(checksum_of(Sha256, &noise(1, 150))), ..part.clone() };
    let mismatch = Failure::PartChecksumMismatch { number: number(1), algorithm: Sha256 };
    assert_eq!(world.complete("k", upload_id, vec![foreign]).await, Err(mismatch));
    assert!(world.complete("k", upload_id, vec![part]).await.is_ok());

    // Declared checksums want consecutive part numbers; without them gaps are fine.
    let full = Some((Crc32, ChecksumType::FullObject));
    let (upload_id, part) = one_part(&world, full, 2).await;
    assert_eq!(world.complete("k", upload_id, vec![part.clone()]).await, Err(Failure::PartsOutOfOrder { upload_id }));
    assert!(world.complete("k", upload_id, vec![CompletedPart { checksum: None, ..part }]).await.is_ok());
    let (upload_id, part) = one_part(&world, None, 2).await;
    assert!(world.complete("k", upload_id, vec![part]).await.is_ok());

    // Undeclared: what the part came with, and CRC64NVME, which is always known.
    let (upload_id, part) = one_part(&world, None, 1).await;
    let wrong = CompletedPart { checksum: other(Crc32), ..part.clone() };
    assert!(matches!(world.complete("k", upload_id, vec![wrong]).await, Err(Failure::PartInvalid { .. })));
    let unknown = CompletedPart { checksum: other(Sha1), ..part.clone() };
    assert!(matches!(world.complete("k", upload_id, vec![unknown]).await, Err(Failure::PartChecksumMismatch { .. })));
    let nvme = CompletedPart { checksum: Some(checksum_of(Crc64Nvme, &noise(1, 150))), ..part };
    assert!(world.complete("k", upload_id, vec![nvme]).await.is_ok());
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn completing_checks_the_objects_checksum_and_its_type() {
    use ChecksumAlgorithm::*;
    let world = World::new().await;
    let bytes = noise(1, 150);
    let of = |algorithm: ChecksumAlgorithm, composite_of| Some(ObjectChecksum { value: checksum_of(algorithm, &bytes), composite_of });
    let composite_value = |algorithm: ChecksumAlgorithm| checksum_of(algorithm, checksum_of(algorithm, &bytes).digest());
    let full = Some((Crc32, ChecksumType::FullObject));
    let composite = Some((Crc32, ChecksumType::Composite));
    let composite_of = |count| Some(ObjectChecksum { value: composite_value(Crc32), composite_of: count });
    for (declared, checksum, kind, expected) in [
        (full, of(Crc32, None), Some(ChecksumType::FullObject), None),
        (full, of(Crc32, Some(1)), None, Some(Failure::ChecksumMismatch(Crc32))),
        (full, composite_of(None), None, Some(Failure::ChecksumMismatch(Crc32))),
        (full, of(Sha1, None), None, Some(Failure::ChecksumMismatch(Sha1))),
        (full, None, Some(ChecksumType::Composite), Some(Failure::ChecksumTypeMismatch { declared: ChecksumType::FullObject })),
        (composite, composite_of(Some(1)), Some(ChecksumType::Composite), None),
        (composite, composite_of(None), None, None),
        (composite, composite_of(Some(2)), None, Some(Failure::ChecksumMismatch(Crc32))),
        (composite, None, Some(ChecksumType::FullObject), Some(Failure::ChecksumTypeMismatch { declared: ChecksumType::Composite })),
        (None, of(Crc64Nvme, None), None, None),
        (None, of(Crc32, None), None, None),
        (None, of(Crc32c, None), None, Some(Failure::ChecksumMismatch(Crc32c))),
        (None, None, Some(ChecksumType::FullObject), None),
    ] {
        let (upload_id, part) = one_part(&world, declared, 1).await;
        let complete = CompleteMultipartUpload { checksum, checksum_type: kind, ..complete_of("k", upload_id, vec![part]) };
        let outcome = world.run(Operation::CompleteMultipartUpload(complete.clone())).await;
        assert_eq!(outcome.err(), expected, "{declared:?} {complete:?}");
    }
}

#[tokio::test]
async fn a_parts_crcs_are_always_computed() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    let bytes = noise(1, 100_000);
    let outcome = world.part("k", upload, 1, &bytes).await.unwrap();
    let crc64_ecma = CrcKind::Crc64Ecma.of_bytes(&bytes);
    assert_eq!(outcome, Outcome::UploadPart { etag: ETag::Whole(digest::md5(&bytes)), checksum: None, crc64_ecma });
}
