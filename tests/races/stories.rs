//! Races one at a time: what comes in between is put right before the commit of an operation.

use crate::gateway::{Dice, GRACE_MS, Nature, Pieces, Place, RETENTION_MS, collect, number, request};
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use partway::{
    blob::BlobStore,
    digest,
    meta::{Check, Kv, KvError, Write, keys},
    model::*,
    ops::{Body, Gateway},
};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Arc, Mutex},
};

const LIMITS: Limits =
    Limits { part_size_bytes_min: 1, part_size_bytes_max: 10_000, object_size_bytes_max: 100_000, complete_is_replayable: true };

type Interruption = Box<dyn FnOnce() -> BoxFuture<'static, ()> + Send>;

/// An index whose commits can be interrupted right before they happen.
struct Interruptible {
    inner: Arc<dyn Kv>,
    /// Taken from by each commit; the commits of an interruption are not interrupted.
    before_commit: Mutex<VecDeque<Interruption>>,
    /// Taken by the next scan of parts.
    before_parts: Mutex<Option<Interruption>>,
}

#[async_trait]
impl Kv for Interruptible {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        if range.start[0] == b'P' {
            let interruption = self.before_parts.lock().unwrap().take();
            if let Some(interruption) = interruption {
                interruption().await;
            }
        }
        self.inner.scan(range, count_max).await
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        let interruption = self.before_commit.lock().unwrap().pop_front();
        if let Some(interruption) = interruption {
            let later = std::mem::take(&mut *self.before_commit.lock().unwrap());
            interruption().await;
            *self.before_commit.lock().unwrap() = later;
        }
        self.inner.commit(checks, writes).await
    }

    fn is_read_only(&self) -> bool {
        self.inner.is_read_only()
    }
}

#[derive(Clone)]
struct World {
    gateway: Arc<Gateway>,
    kv: Arc<Interruptible>,
    blobs: Arc<dyn BlobStore>,
    nature: Nature,
    _place: Arc<Place>,
}

fn object(key: &str) -> ObjectRef {
    ObjectRef { bucket: Bucket::new("bucket").expect("a bucket name"), key: ObjectKey::new(key).expect("a key") }
}

fn listed(part: u64, bytes: &[u8]) -> CompletedPart {
    CompletedPart { number: number(part), etag: ETag::Whole(digest::md5(bytes)), checksum: None }
}

fn noise(seed: u64) -> Vec<u8> {
    Dice::new(seed).bytes(500)
}

fn gone(id: UploadId) -> Result<Outcome, Failure> {
    Err(Failure::NoSuchUpload(id.to_string()))
}

impl World {
    async fn new() -> Self {
        let (place, nature) = (Arc::new(Place::directory()), Nature::new(1));
        let (kv, blobs) = place.open();
        let kv = Arc::new(Interruptible { inner: kv, before_commit: Mutex::default(), before_parts: Mutex::default() });
        let gateway = nature.start(Arc::clone(&kv) as Arc<dyn Kv>, Arc::clone(&blobs)).await;
        let world = Self { gateway, kv, blobs, nature, _place: place };
        world.create_bucket().await;
        world
    }

    /// Something to happen before the next commit.
    fn before_commit<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(World) -> F + Send + 'static) {
        let world = self.clone();
        self.kv.before_commit.lock().unwrap().push_back(Box::new(move || Box::pin(work(world))));
    }

    /// Something to happen before the parts of an upload are looked up.
    fn before_parts<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(World) -> F + Send + 'static) {
        let world = self.clone();
        *self.kv.before_parts.lock().unwrap() = Some(Box::new(move || Box::pin(work(world))));
    }

    async fn run(&self, operation: Operation, body: Option<&[u8]>) -> Result<Outcome, Failure> {
        let body = body.map(|bytes| Pieces::of(bytes, 100) as Box<dyn Body>);
        self.gateway.execute(request(operation, LIMITS), body).await.map(|reply| reply.outcome)
    }

    async fn create_bucket(&self) {
        let create = CreateBucket { acl: None, may_be_own: false, storage_class: None, bucket: object("k").bucket, location: None };
        self.run(Operation::CreateBucket(create), None).await.expect("a new bucket");
    }

    async fn delete_bucket(&self) -> Result<Outcome, Failure> {
        self.run(Operation::DeleteBucket(object("k").bucket), None).await
    }

    async fn put(&self, key: &str, bytes: &[u8]) -> Result<Outcome, Failure> {
        let (attributes, conditions) = (Attributes::default(), WriteConditions::default());
        let put = PutObject { callback: None, object: object(key), attributes, conditions, claims: BodyClaims::default() };
        self.run(Operation::PutObject(put), Some(bytes)).await
    }

    async fn delete(&self, key: &str) {
        self.run(Operation::DeleteObject(DeleteObject { object: object(key), if_match: None }), None).await.expect("it is deleted");
    }

    async fn get(&self, key: &str) -> Result<Vec<u8>, Failure> {
        let read = ReadObject { object: object(key), selection: Selection::Whole, conditions: ReadConditions::default() };
        let reply = self.gateway.execute(request(Operation::GetObject(read), LIMITS), None).await?;
        Ok(collect(reply.content.expect("it has bytes")).await.expect("they can be read"))
    }

    async fn create(&self, key: &str) -> UploadId {
        let create = CreateMultipartUpload {
            conditions: partway::model::WriteConditions::default(),
            sequential: false,
            object: object(key),
            attributes: Attributes::default(),
            checksum: None,
        };
        match self.run(Operation::CreateMultipartUpload(create), None).await {
            Ok(Outcome::CreateMultipartUpload { upload_id, .. }) => upload_id,
            other => panic!("{other:?}"),
        }
    }

    async fn part(&self, key: &str, upload_id: UploadId, part: u64, bytes: &[u8]) -> Result<Outcome, Failure> {
        let upload = UploadPart { object: object(key), upload_id, part_number: number(part), claims: BodyClaims::default() };
        self.run(Operation::UploadPart(upload), Some(bytes)).await
    }

    async fn append(&self, key: &str, position: u64, bytes: &[u8]) -> Result<Outcome, Failure> {
        let append = AppendObject { object: object(key), position, attributes: Attributes::default(), claims: BodyClaims::default() };
        self.run(Operation::AppendObject(append), Some(bytes)).await
    }

    /// Carries out a rule that is about everything there is.
    async fn expire_all(&self) -> (u64, u64) {
        let always = Some(Expiry::Date(self.gateway.now()));
        let rule = LifecycleRule { enabled: true, expiration: always, abort_uploads: always, ..LifecycleRule::default() };
        let rules = LifecycleConfiguration { rules: vec![rule] };
        self.run(Operation::PutBucketLifecycle(object("k").bucket, rules), None).await.expect("there is a bucket");
        let report = self.gateway.apply_lifecycle(self.gateway.now()).await.expect("the stores work");
        (report.deleted_objects, report.aborted_uploads)
    }

    async fn copy_part(&self, key: &str, upload_id: UploadId, part: u64, source: &str) -> Result<Outcome, Failure> {
        let copy = UploadPartCopy {
            object: object(key),
            upload_id,
            part_number: number(part),
            source: object(source),
            source_range: None,
            source_conditions: ReadConditions::default(),
        };
        self.run(Operation::UploadPartCopy(copy), None).await
    }

    async fn copy(&self, source: &str, target: &str) -> Result<Outcome, Failure> {
        let copy = CopyObject {
            source: object(source),
            source_conditions: ReadConditions::default(),
            target: object(target),
            conditions: WriteConditions::default(),
            metadata: Directive::Copy,
            tags: Directive::Copy,
            storage_class: None,
            acl: None,
            checksum_algorithm: None,
        };
        self.run(Operation::CopyObject(copy), None).await
    }

    async fn complete(&self, key: &str, upload_id: UploadId, parts: Vec<CompletedPart>) -> Result<Outcome, Failure> {
        let complete = CompleteMultipartUpload {
            callback: None,
            takes_all_parts: false,
            object: object(key),
            upload_id,
            parts,
            conditions: WriteConditions::default(),
            object_size: None,
            checksum: None,
            checksum_type: None,
            refusal: None,
        };
        self.run(Operation::CompleteMultipartUpload(complete), None).await
    }

    async fn abort(&self, key: &str, upload_id: UploadId) -> Result<Outcome, Failure> {
        self.run(Operation::AbortMultipartUpload(object(key), upload_id), None).await
    }

    /// An upload with one part.
    async fn begun(&self, key: &str, bytes: &[u8]) -> UploadId {
        let id = self.create(key).await;
        self.part(key, id, 1, bytes).await.expect("the upload is open");
        id
    }

    async fn reap_all(&self) {
        self.nature.pass_ms(GRACE_MS + RETENTION_MS);
        self.gateway.reap().await.expect("the reaper is done");
    }

    /// After everything is reaped, the files are as many as told and all is well.
    async fn settles_to(&self, files: usize) {
        assert!(self.kv.before_commit.lock().unwrap().is_empty(), "every interruption happened");
        self.reap_all().await;
        let todos = self.kv.scan(keys::table(b'T'), 10).await.expect("a scan");
        assert!(todos.is_empty(), "{todos:?}");
        assert_eq!(self.gateway.verify().await.expect("the stores can be read").problems, Vec::<String>::new());
        assert_eq!(self.blobs.scan(None, 100).await.expect("a scan").len(), files);
    }
}

#[tokio::test]
async fn two_completes_at_once_get_the_one_answer() {
    let world = World::new().await;
    let bytes = noise(1);
    let id = world.begun("k", &bytes).await;
    let list = vec![listed(1, &bytes)];
    let first = Arc::new(Mutex::new(None));
    world.before_commit({
        let (first, list) = (Arc::clone(&first), list.clone());
        move |world| async move { *first.lock().unwrap() = Some(world.complete("k", id, list).await) }
    });
    let second = world.complete("k", id, list).await;
    assert!(second.is_ok());
    assert_eq!(first.lock().unwrap().take(), Some(second));
    world.settles_to(1).await;
    assert_eq!(world.get("k").await, Ok(bytes));
}

#[tokio::test]
async fn of_complete_and_abort_the_first_wins() {
    let world = World::new().await;
    let bytes = noise(1);
    let id = world.begun("k", &bytes).await;
    world.before_commit(move |world| async move { assert_eq!(world.abort("k", id).await, Ok(Outcome::Done)) });
    assert_eq!(world.complete("k", id, vec![listed(1, &bytes)]).await, gone(id));
    world.settles_to(0).await;

    let id = world.begun("k", &bytes).await;
    let list = vec![listed(1, &bytes)];
    world.before_commit(move |world| async move { assert!(world.complete("k", id, list).await.is_ok()) });
    assert_eq!(world.abort("k", id).await, gone(id));
    world.settles_to(1).await;
    assert_eq!(world.get("k").await, Ok(bytes));
}

#[tokio::test]
async fn a_late_complete_finds_what_the_reaper_took_gone() {
    let world = World::new().await;
    let bytes = noise(1);
    let id = world.begun("k", &bytes).await;
    world.before_commit(move |world| async move {
        world.abort("k", id).await.expect("it is open");
        world.reap_all().await;
        assert_eq!(world.blobs.scan(None, 100).await, Ok(vec![]));
    });
    assert_eq!(world.complete("k", id, vec![listed(1, &bytes)]).await, gone(id));
    assert!(matches!(world.get("k").await, Err(Failure::NoSuchKey(_))));
    world.settles_to(0).await;
}

#[tokio::test]
async fn parts_that_are_reaped_while_they_are_looked_up_do_not_seem_to_be_missing() {
    let world = World::new().await;
    let bytes = noise(1);
    let list = || vec![listed(1, &bytes)];
    let aborted = |id| {
        move |world: World| async move {
            world.abort("k", id).await.expect("it is open");
            world.reap_all().await;
        }
    };
    let id = world.begun("k", &bytes).await;
    world.before_parts(aborted(id));
    let list_parts = ListParts { object: object("k"), upload_id: id, part_number_marker: 0, count_max: 1000 };
    assert_eq!(world.run(Operation::ListParts(list_parts), None).await, gone(id));
    let id = world.begun("k", &bytes).await;
    world.before_parts(aborted(id));
    assert_eq!(world.complete("k", id, list()).await, gone(id));

    // Completed meanwhile with the same list: the answer is the same, too.
    let id = world.begun("k", &bytes).await;
    let first = Arc::new(Mutex::new(None));
    world.before_parts({
        let (first, list) = (Arc::clone(&first), list());
        move |world| async move {
            *first.lock().unwrap() = Some(world.complete("k", id, list).await);
            world.nature.pass_ms(GRACE_MS);
            world.gateway.reap().await.expect("the reaper is done");
        }
    });
    let second = world.complete("k", id, list()).await;
    assert!(second.is_ok(), "{second:?}");
    assert_eq!(first.lock().unwrap().take(), Some(second));
    world.settles_to(1).await;
    assert_eq!(world.get("k").await, Ok(bytes));
}

#[tokio::test]
async fn a_late_complete_of_a_completed_and_forgotten_upload_changes_nothing() {
    let world = World::new().await;
    let bytes = noise(1);
    let id = world.begun("k", &bytes).await;
    let list = vec![listed(1, &bytes)];
    world.before_commit({
        let list = list.clone();
        move |world| async move {
            world.complete("k", id, list).await.expect("it is open");
            world.delete("k").await;
            world.reap_all().await;
        }
    });
    assert_eq!(world.complete("k", id, list).await, gone(id));
    assert!(matches!(world.get("k").await, Err(Failure::NoSuchKey(_))));
    world.settles_to(0).await;
}

#[tokio::test]
async fn the_reaper_may_work_while_a_complete_is_about_to_commit() {
    let world = World::new().await;
    let (old, new) = (noise(1), noise(2));
    world.put("k", &noise(3)).await.expect("it is put");
    let id = world.begun("k", &old).await;
    world.part("k", id, 1, &new).await.expect("it is open");
    // The part is replaced, the object under the key is deleted, everything due is reaped.
    world.before_commit(move |world| async move {
        world.part("k", id, 1, &noise(4)).await.expect("it is open");
        world.delete("k").await;
        world.reap_all().await;
    });
    assert!(world.complete("k", id, vec![listed(1, &new)]).await.is_ok());
    world.settles_to(1).await;
    assert_eq!(world.get("k").await, Ok(new));
}

#[tokio::test]
async fn a_part_whose_upload_ends_before_its_commit_is_gone_with_it() {
    let world = World::new().await;
    let bytes = noise(1);
    for completes in [false, true] {
        let id = world.begun("k", &bytes).await;
        let list = vec![listed(1, &bytes)];
        world.before_commit(move |world| async move {
            match completes {
                true => assert!(world.complete("k", id, list).await.is_ok()),
                false => assert_eq!(world.abort("k", id).await, Ok(Outcome::Done)),
            }
            world.reap_all().await;
        });
        assert_eq!(world.part("k", id, 2, &noise(2)).await, gone(id));
        world.settles_to(usize::from(completes)).await;
    }
    assert_eq!(world.get("k").await, Ok(bytes));
}

#[tokio::test]
async fn a_copy_whose_source_is_deleted_and_reaped_meanwhile_finds_no_source() {
    let world = World::new().await;
    for small in [false, true] {
        let bytes = if small { noise(1)[..10].to_vec() } else { noise(1) };
        for of_parts in [false, true] {
            match of_parts {
                true => {
                    let id = world.begun("source", &bytes).await;
                    world.complete("source", id, vec![listed(1, &bytes)]).await.expect("it is open");
                }
                false => drop(world.put("source", &bytes).await.expect("it is put")),
            }
            let copied = world.create("k").await;
            world.before_commit(|world| async move {
                world.delete("source").await;
                world.reap_all().await;
            });
            assert_eq!(world.copy("source", "target").await, Err(Failure::NoSuchKey(object("source").key)));
            world.put("source", &bytes).await.expect("it is put");
            world.before_commit(|world| async move {
                world.delete("source").await;
                world.reap_all().await;
            });
            assert_eq!(world.copy_part("k", copied, 1, "source").await, Err(Failure::NoSuchKey(object("source").key)));
            world.abort("k", copied).await.expect("it is open");
            world.settles_to(0).await;
        }
    }
}

#[tokio::test]
async fn a_copy_outlives_a_source_deleted_right_after_it() {
    let world = World::new().await;
    let bytes = noise(1);
    world.put("source", &bytes).await.expect("it is put");
    // The deletion is decided on before the copy commits, and lost a race to nobody: the copy is not its object.
    world.before_commit(|world| async move { drop(world.copy("source", "target").await.expect("the source stands")) });
    world.delete("source").await;
    world.settles_to(1).await;
    assert_eq!(world.get("target").await, Ok(bytes));
}

#[tokio::test]
async fn a_bucket_deleted_under_an_upload_takes_everything_with_it() {
    let world = World::new().await;
    let bytes = noise(1);
    let no_bucket = || Err(Failure::NoSuchBucket(object("k").bucket));
    for comes_back in [false, true] {
        let deletion = move |world: World| async move {
            world.delete_bucket().await.expect("it holds no object");
            world.reap_all().await;
            if comes_back {
                world.create_bucket().await;
            }
        };
        let expected = |id| if comes_back { gone(id) } else { no_bucket() };

        let id = world.begun("k", &bytes).await;
        world.before_commit(deletion);
        assert_eq!(world.complete("k", id, vec![listed(1, &bytes)]).await, expected(id));
        if !comes_back {
            world.create_bucket().await;
        }
        let id = world.begun("k", &bytes).await;
        world.before_commit(deletion);
        assert_eq!(world.part("k", id, 2, &noise(2)).await, gone(id), "what ended is the upload");
        if !comes_back {
            world.create_bucket().await;
        }
        let id = world.begun("k", &bytes).await;
        world.before_commit(deletion);
        assert_eq!(world.abort("k", id).await, expected(id));
        if !comes_back {
            world.create_bucket().await;
        }
        world.before_commit(deletion);
        assert_eq!(world.put("k", &bytes).await, no_bucket(), "the new bucket is another one, whose owner was not asked");
        world.settles_to(0).await;
        match comes_back {
            true => assert_eq!(world.get("k").await, Err(Failure::NoSuchKey(object("k").key))),
            false => world.create_bucket().await,
        }
    }
}

#[tokio::test]
async fn an_upload_begun_or_completed_right_before_its_bucket_is_deleted_counts() {
    let world = World::new().await;
    let bytes = noise(1);
    // An upload that comes up meanwhile ends with the bucket.
    world.before_commit({
        let bytes = bytes.clone();
        |world| async move {
            world.begun("k", &bytes).await;
        }
    });
    assert_eq!(world.delete_bucket().await, Ok(Outcome::Done));
    world.settles_to(0).await;

    // An upload that becomes an object meanwhile keeps the bucket.
    world.create_bucket().await;
    let id = world.begun("k", &bytes).await;
    world.before_commit({
        let list = vec![listed(1, &bytes)];
        move |world| async move { drop(world.complete("k", id, list).await.expect("it is open")) }
    });
    assert_eq!(world.delete_bucket().await, Err(Failure::BucketNotEmpty(object("k").bucket)));
    world.settles_to(1).await;
    assert_eq!(world.get("k").await, Ok(bytes));
}

/// A log of a file and small pieces, more than fit into its record.
async fn log(world: &World) -> Vec<u8> {
    let mut whole = Vec::new();
    for seed in 0..6 {
        for bytes in [noise(seed), Dice::new(100 + seed).bytes(9)] {
            world.append("log", whole.len() as u64, &bytes).await.expect("it is its end");
            whole.extend_from_slice(&bytes);
        }
    }
    whole
}

#[tokio::test]
async fn a_log_is_read_as_it_was_when_the_read_began() {
    let world = World::new().await;
    let whole = log(&world).await;
    let read = ReadObject { object: object("log"), selection: Selection::Whole, conditions: ReadConditions::default() };
    let reply = world.gateway.execute(request(Operation::GetObject(read), LIMITS), None).await.expect("it is there");
    // The last piece, which the reader has not come to, is joined with what follows and would be reaped.
    world.append("log", whole.len() as u64, b"more").await.expect("it is its end");
    world.nature.pass_ms(10 * GRACE_MS);
    world.gateway.reap().await.expect("the reaper is done");
    assert_eq!(collect(reply.content.expect("it has bytes")).await, Ok(whole.clone()));
    assert_eq!(world.get("log").await, Ok([&whole[..], b"more"].concat()));
    world.settles_to(6).await;
}

#[tokio::test]
async fn a_log_deleted_by_a_rule_and_reaped_is_not_appended_to() {
    let world = World::new().await;
    let whole = log(&world).await;
    world.before_commit(|world| async move {
        assert_eq!(world.expire_all().await, (1, 0));
        world.reap_all().await;
    });
    assert_eq!(world.append("log", whole.len() as u64, b"late").await, Err(Failure::AppendPositionMismatch { size: 0 }));
    world.settles_to(0).await;
}

#[tokio::test]
async fn a_log_that_grows_while_it_is_copied_is_copied_whole() {
    let world = World::new().await;
    let whole = log(&world).await;
    let end = whole.len() as u64;
    world.before_commit(move |world| async move {
        world.append("log", end, b"more").await.expect("it is its end");
        world.reap_all().await;
    });
    world.copy("log", "copy").await.expect("there is a source");
    assert_eq!(world.get("copy").await, Ok([&whole[..], b"more"].concat()));
    world.delete("log").await;
    world.settles_to(6).await;
    assert_eq!(world.get("copy").await, Ok([&whole[..], b"more"].concat()));
}

#[tokio::test]
async fn an_upload_ended_by_a_rule_is_gone_for_its_parts_and_for_its_complete() {
    let world = World::new().await;
    let bytes = noise(1);
    for completes in [true, false] {
        let id = world.begun("k", &bytes).await;
        world.before_commit(|world| async move {
            assert_eq!(world.expire_all().await, (0, 1));
            world.reap_all().await;
        });
        let refused = match completes {
            true => world.complete("k", id, vec![listed(1, &bytes)]).await,
            false => world.part("k", id, 2, &bytes).await,
        };
        assert_eq!(refused, gone(id));
        world.settles_to(0).await;
    }
}

#[tokio::test]
async fn a_link_whose_target_is_deleted_while_it_is_copied_leads_nowhere() {
    let world = World::new().await;
    world.put("target", &noise(1)).await.expect("it is put");
    let link = PutSymlink {
        object: object("link"),
        target: object("target").key,
        attributes: Attributes::default(),
        conditions: WriteConditions::default(),
    };
    world.run(Operation::PutSymlink(link), None).await.expect("it is put");
    world.before_commit(|world| async move {
        world.delete("target").await;
        world.reap_all().await;
    });
    assert_eq!(world.copy("link", "copy").await, Err(Failure::SymlinkTargetMissing(object("target").key)));
    world.settles_to(0).await;
    assert_eq!(world.expire_all().await, (1, 0), "the link is an object, too");
}
