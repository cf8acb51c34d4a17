//! What a client may ask beyond S3: no overwriting, parts in sequence, all parts there are, a CRC of the body.

use super::world::*;
use crate::{digest::CrcKind, model::*};

fn careful() -> WriteConditions {
    WriteConditions { forbid_overwrite: true, ..WriteConditions::default() }
}

fn create_of(key: &str) -> CreateMultipartUpload {
    CreateMultipartUpload {
        object: object(key),
        attributes: Attributes::default(),
        checksum: None,
        conditions: WriteConditions::default(),
        sequential: false,
    }
}

async fn create_as(world: &World, create: CreateMultipartUpload) -> Result<UploadId, Failure> {
    match world.run(Operation::CreateMultipartUpload(create)).await? {
        Outcome::CreateMultipartUpload { upload_id, .. } => Ok(upload_id),
        other => panic!("{other:?}"),
    }
}

fn all_of(key: &str, upload: UploadId) -> Operation {
    Operation::CompleteMultipartUpload(CompleteMultipartUpload { takes_all_parts: true, ..complete_of(key, upload, vec![]) })
}

#[tokio::test]
async fn nothing_is_overwritten_when_the_client_forbids_it() {
    let world = World::new().await;
    world.put("k", b"first").await;
    let exists = || Failure::ObjectExists(object("k").key);
    let put = PutObject { conditions: careful(), ..put_of("k") };
    assert_eq!(world.put_as(put.clone(), Untouchable).await, Err(exists()));
    let copy = CopyObject { conditions: careful(), ..copy_of("other", "k") };
    world.put("other", b"other").await;
    assert_eq!(world.run(Operation::CopyObject(copy)).await, Err(exists()));
    let create = CreateMultipartUpload { conditions: careful(), ..create_of("k") };
    assert_eq!(create_as(&world, create.clone()).await, Err(exists()));
    let upload = create_as(&world, create_of("k")).await.unwrap();
    world.part("k", upload, 1, b"part").await.unwrap();
    let complete = CompleteMultipartUpload { conditions: careful(), ..complete_of("k", upload, vec![listed(1, b"part")]) };
    assert_eq!(world.run(Operation::CompleteMultipartUpload(complete.clone())).await, Err(exists()));
    assert_eq!(world.get("k").await.unwrap(), b"first");

    world.delete("k").await.unwrap();
    assert!(create_as(&world, create).await.is_ok());
    assert!(world.run(Operation::CompleteMultipartUpload(complete)).await.is_ok());
    world.delete("k").await.unwrap();
    // The key is taken while the body is on its way.
    world.before_commit(|world| async move { world.put("k", b"meanwhile").await });
    assert_eq!(world.put_as(put, pieces(b"late")).await, Err(exists()));
    assert_eq!(world.get("k").await.unwrap(), b"meanwhile");
}

#[tokio::test]
async fn a_body_must_have_the_crc_that_was_sent_with_it() {
    let world = World::new().await;
    let actual = CrcKind::Crc64Ecma.of_bytes(b"bytes");
    let claims = |crc| BodyClaims { crc64_ecma: Some(crc), ..BodyClaims::default() };
    let mismatch = Failure::Crc64Mismatch { expected: actual ^ 1, actual };
    let put = |crc| PutObject { claims: claims(crc), ..put_of("k") };
    assert_eq!(world.put_as(put(actual ^ 1), pieces(b"bytes")).await, Err(mismatch.clone()));
    assert!(world.put_as(put(actual), pieces(b"bytes")).await.is_ok());
    let upload = world.create("m", None).await;
    assert_eq!(world.part_as("m", upload, 1, claims(actual ^ 1), pieces(b"bytes")).await, Err(mismatch));
    assert!(world.part_as("m", upload, 1, claims(actual), pieces(b"bytes")).await.is_ok());
}

#[tokio::test]
async fn parts_of_a_sequential_upload_leave_no_gap() {
    let world = World::new().await;
    let upload = create_as(&world, CreateMultipartUpload { sequential: true, ..create_of("k") }).await.unwrap();
    let gap = |part| Err(Failure::PartNotSequential { number: number(part) });
    assert_eq!(world.part_as("k", upload, 2, BodyClaims::default(), Untouchable).await, gap(2));
    world.part("k", upload, 1, &noise(1, 100)).await.unwrap();
    assert_eq!(world.part_as("k", upload, 3, BodyClaims::default(), Untouchable).await, gap(3));
    world.part("k", upload, 2, &noise(2, 100)).await.unwrap();
    world.part("k", upload, 1, &noise(3, 100)).await.unwrap();
    let copy = |part| {
        Operation::UploadPartCopy(UploadPartCopy {
            object: object("k"),
            upload_id: upload,
            part_number: number(part),
            source: object("source"),
            source_range: None,
            source_conditions: ReadConditions::default(),
        })
    };
    world.put("source", &noise(4, 100)).await;
    assert_eq!(world.run(copy(4)).await, gap(4));
    assert!(world.run(copy(3)).await.is_ok());
    let list = (1..=3).zip([3, 2, 4]).map(|(part, seed)| listed(part, &noise(seed, 100))).collect();
    world.complete("k", upload, list).await.unwrap();
    let late = world.part_as("k", upload, 7, BodyClaims::default(), Untouchable).await;
    assert_eq!(late, Err(Failure::NoSuchUpload(upload.to_string())));
}

#[tokio::test]
async fn an_upload_can_be_completed_with_all_its_parts() {
    let world = World::new().await;
    let upload = world.create("k", None).await;
    assert_eq!(world.run(all_of("k", upload)).await, Err(Failure::NoParts));
    for (part, seed) in [(7, 7), (2, 1), (2, 2)] {
        world.part("k", upload, part, &noise(seed, 100)).await.unwrap();
    }
    let first = world.run(all_of("k", upload)).await.unwrap();
    assert_eq!(world.get("k").await.unwrap(), [noise(2, 100), noise(7, 100)].concat(), "by number, the newest of each");
    assert_eq!(world.run(all_of("k", upload)).await.unwrap(), first, "a repeated request");
    let other = world.complete("k", upload, vec![]).await;
    assert_eq!(other, Err(Failure::NoSuchUpload(upload.to_string())), "another request");
    world.settle().await;
    world.audit().await;
}

#[tokio::test]
async fn all_parts_are_those_that_were_acknowledged_when_the_upload_ends() {
    for (part, seed) in [(1, 5), (2, 5), (4, 5), (7, 5), (9, 5)] {
        let world = World::new().await;
        let upload = world.create("k", None).await;
        let mut parts = std::collections::BTreeMap::new();
        for (part, seed) in [(7, 7), (2, 1), (2, 2), (4, 4)] {
            world.part("k", upload, part, &noise(seed, 100)).await.unwrap();
            parts.insert(part, noise(seed, 100));
        }
        world.before_commit(move |world| async move { drop(world.part("k", upload, part, &noise(seed, 100)).await.unwrap()) });
        world.run(all_of("k", upload)).await.unwrap();
        parts.insert(part, noise(seed, 100));
        assert_eq!(world.get("k").await.unwrap(), parts.into_values().collect::<Vec<_>>().concat(), "part {part}");
        world.settle().await;
        world.audit().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_writes_that_forbid_overwriting_one_wins() {
    for round in 0..10 {
        let world = World::new().await;
        world.put("source", &noise(1, 1_000)).await;
        let mut uploads = Vec::new();
        for _ in 0..2 {
            let upload = world.create("k", None).await;
            world.part("k", upload, 1, b"part").await.unwrap();
            uploads.push(upload);
        }
        let tasks = (0..10_u64).map(|task| {
            let (world, upload) = (world.clone(), uploads[(task / 5) as usize]);
            tokio::spawn(async move {
                let link = PutSymlink {
                    object: object("k"),
                    target: object("source").key,
                    attributes: Attributes::default(),
                    conditions: careful(),
                };
                match task % 5 {
                    0 | 1 => {
                        let size = if task % 5 == 0 { 10 } else { 1_000 };
                        world.put_as(PutObject { conditions: careful(), ..put_of("k") }, pieces(&noise(round, size))).await
                    }
                    2 => world.run(Operation::CopyObject(CopyObject { conditions: careful(), ..copy_of("source", "k") })).await,
                    3 => world.run(Operation::PutSymlink(link)).await,
                    _ => {
                        let complete = complete_of("k", upload, vec![listed(1, b"part")]);
                        let complete = CompleteMultipartUpload { conditions: careful(), ..complete };
                        world.run(Operation::CompleteMultipartUpload(complete)).await
                    }
                }
            })
        });
        let results: Vec<_> = futures_util::future::join_all(tasks).await.into_iter().map(Result::unwrap).collect();
        let exists = Err(Failure::ObjectExists(object("k").key));
        let won = results.iter().filter(|result| result.is_ok()).count();
        assert!(won == 1 && results.iter().filter(|result| **result == exists).count() == 9, "{results:?}");
        assert!(world.get("k").await.is_ok());
        for upload in uploads {
            let _ = world.abort("k", upload).await;
        }
        world.settle().await;
        world.audit().await;
    }
}

#[tokio::test]
async fn all_parts_are_taken_with_their_checksums_when_the_objects_is_made_of_them() {
    let world = World::new().await;
    let upload = world.create("k", Some((ChecksumAlgorithm::Sha256, ChecksumType::Composite))).await;
    let bytes = noise(1, 100);
    let checksum = Checksum::new(ChecksumAlgorithm::Sha256, crate::digest::sha256(&bytes).to_vec());
    world.part_as("k", upload, 1, BodyClaims { checksum, ..BodyClaims::default() }, pieces(&bytes)).await.unwrap();
    world.run(all_of("k", upload)).await.unwrap();
    assert_eq!(world.head("k").await.checksum.unwrap().composite_of, Some(1));
}
