//! Bodies: what is verified, and that a body that fails leaves nothing behind.

use super::world::*;
use crate::{
    blob::BlobError,
    digest::{self, Hasher},
    model::*,
    testkit::faulty::BlobStep,
};
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::Notify;

fn checksum_of(algorithm: ChecksumAlgorithm, bytes: &[u8]) -> Checksum {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// Sends a body to an object and to a part, expects both to fail so, and nothing to be left of them.
async fn fails_with(world: &World, claims: BodyClaims, body: impl Fn() -> Pieces, expected: Failure) {
    let before = (world.rows(b'O').await, world.rows(b'P').await, world.rows(b'D').await, world.rows(b'L').await, world.blob_count().await);
    let upload = world.create("k", None).await;
    let put = PutObject { claims: claims.clone(), ..put_of("k") };
    assert_eq!(world.put_as(put, body()).await, Err(expected.clone()));
    assert_eq!(world.part_as("k", upload, 1, claims, body()).await, Err(expected));
    let after = (world.rows(b'O').await, world.rows(b'P').await, world.rows(b'D').await, world.rows(b'L').await, world.blob_count().await);
    assert_eq!(before, after, "nothing is left behind");
}

#[tokio::test]
async fn a_body_that_is_not_what_was_claimed_leaves_nothing_behind() {
    let world = World::new().await;
    world.put("k", b"the object before").await;
    for size in [10, 5_000] {
        let bytes = noise(1, size);
        let body = || pieces(&bytes);
        let claims = BodyClaims::default;
        let (md5, sha256) = (digest::md5(&bytes), digest::sha256(&bytes));
        let wrong_md5 = BodyClaims { md5: Some([7; 16]), ..claims() };
        fails_with(&world, wrong_md5, body, Failure::Md5Mismatch { expected: [7; 16], actual: md5 }).await;
        let wrong_sha = BodyClaims { sha256: Some([7; 32]), ..claims() };
        fails_with(&world, wrong_sha, body, Failure::Sha256Mismatch { expected: [7; 32], actual: sha256 }).await;
        for algorithm in ChecksumAlgorithm::ALL {
            let wrong = checksum_of(algorithm, b"other");
            let in_header = BodyClaims { checksum: Some(wrong.clone()), ..claims() };
            fails_with(&world, in_header, body, Failure::ChecksumMismatch(algorithm)).await;
            let in_trailer = BodyClaims { trailer: Some(algorithm), ..claims() };
            let trailing = || Pieces { trailer: Some(wrong.clone()), ..pieces(&bytes) };
            fails_with(&world, in_trailer.clone(), trailing, Failure::ChecksumMismatch(algorithm)).await;
            fails_with(&world, in_trailer, body, Failure::MalformedTrailer).await;
        }
        for claimed in [0, size as u64 - 1, size as u64 + 1, 1_000_000] {
            fails_with(&world, BodyClaims { size: Some(claimed), ..claims() }, body, Failure::IncompleteBody).await;
        }
        let broken = || {
            let mut body = pieces(&bytes);
            body.pieces.push_back(Err(Failure::ChunkSignatureMismatch));
            body
        };
        fails_with(&world, claims(), broken, Failure::ChunkSignatureMismatch).await;
    }
    assert_eq!(world.get("k").await.unwrap(), b"the object before");
    world.audit().await;
}

#[tokio::test]
async fn claims_that_hold_are_accepted_and_the_clients_checksum_is_kept() {
    let world = World::new().await;
    for size in [10, 200_000] {
        let bytes = noise(1, size);
        for algorithm in ChecksumAlgorithm::ALL {
            let value = checksum_of(algorithm, &bytes);
            let common = BodyClaims {
                size: Some(size as u64),
                md5: Some(digest::md5(&bytes)),
                sha256: Some(digest::sha256(&bytes)),
                ..BodyClaims::default()
            };
            let in_header = BodyClaims { checksum: Some(value.clone()), ..common.clone() };
            let in_trailer = BodyClaims { trailer: Some(algorithm), ..common };
            for claims in [in_header, in_trailer] {
                let trailer = claims.trailer.is_some().then(|| value.clone());
                let put = PutObject { claims, ..put_of("k") };
                world.put_as(put, Pieces { trailer, ..pieces(&bytes) }).await.unwrap();
                let kept = ObjectChecksum { value: value.clone(), composite_of: None };
                assert_eq!(world.head("k").await.checksum, Some(kept));
            }
        }
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_while_it_streams() {
    let world = World::new().await;
    let max = usize::try_from(LIMITS.part_size_bytes_max).unwrap();
    let endless = Pieces { pieces: (0..).map(|_| Ok(Bytes::from_static(&[0; 100_000]))).take(max / 100_000 + 1).collect(), ..pieces(&[]) };
    let refused = world.put_as(put_of("k"), endless).await;
    assert!(matches!(refused, Err(Failure::TooLarge { size_max, .. }) if size_max == LIMITS.part_size_bytes_max));
    let just_right = Pieces { pieces: (0..).map(|_| Ok(Bytes::from_static(&[0; 100_000]))).take(max / 100_000).collect(), ..pieces(&[]) };
    world.put_as(put_of("k"), just_right).await.unwrap();
    world.audit().await;
}

#[tokio::test]
async fn a_disk_that_fails_is_our_fault_and_leaves_nothing_behind() {
    let world = World::new().await;
    let body = || pieces(&noise(1, 5_000));
    for step in [BlobStep::Stage, BlobStep::Append, BlobStep::Seal] {
        world.blobs.fail(step, 1, BlobError::Io("broken".to_owned()));
        assert_eq!(world.put_as(put_of("k"), body()).await, Err(Failure::Internal), "{step:?}");
        world.blobs.fail(step, 1, BlobError::NoSpace);
        assert_eq!(world.put_as(put_of("k"), body()).await, Err(Failure::NoSpace), "{step:?}");
    }
    world.audit().await;
    assert!(world.rows(b'O').await.is_empty());
}

#[tokio::test]
async fn a_caller_that_hangs_up_in_its_body_leaves_nothing_behind() {
    let world = World::new().await;
    let body = Pieces { before_end: Some(Box::pin(std::future::pending())), ..pieces(&noise(1, 200_000)) };
    let put = world.put_as(put_of("k"), body);
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), put).await.is_err());
    world.gateway.drain().await;
    assert!(world.rows(b'O').await.is_empty());
    world.audit().await;
}

#[tokio::test]
async fn a_caller_that_hangs_up_after_its_last_byte_has_written() {
    let world = World::new().await;
    let bytes = noise(1, 200_000);
    let (begun, goes_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let commit = (Arc::clone(&begun), Arc::clone(&goes_on));
    world.before_commit(|_| async move {
        commit.0.notify_one();
        commit.1.notified().await;
    });
    tokio::select! {
        answer = world.put_as(put_of("k"), pieces(&bytes)) => panic!("{answer:?} before it was committed"),
        () = begun.notified() => {}
    }
    goes_on.notify_one();
    world.gateway.drain().await;
    assert_eq!(world.get("k").await.unwrap(), bytes);
    world.audit().await;
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_costs_no_bytes() {
    let world = World::new().await;
    world.kv.lose_answer.store(true, std::sync::atomic::Ordering::SeqCst);
    let bytes = noise(1, 5_000);
    assert_eq!(world.put_as(put_of("k"), pieces(&bytes)).await, Err(Failure::Internal));
    assert_eq!(world.get("k").await.unwrap(), bytes, "the commit had happened");
    let world = world.restarted().await;
    assert_eq!(world.get("k").await.unwrap(), bytes);
    world.audit().await;
}

#[tokio::test]
async fn sealed_bytes_without_a_record_are_removed_at_the_next_start() {
    let world = World::new().await;
    let mut staging = crate::blob::BlobStore::stage(&*world.memory, crate::blob::BlobId([9; 16]), None).await.unwrap();
    staging.append(vec![Bytes::from_static(b"orphan")]).await.unwrap();
    let _ = staging.seal().await.unwrap();
    let world = world.restarted().await;
    assert_eq!(world.blob_count().await, 0);
    world.audit().await;
}
