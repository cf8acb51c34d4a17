//! CompleteMultipartUpload and its replay, by number of parts, on the real index with synced commits.

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use partway::{
    blob::MemoryBlobs,
    meta::{RocksKv, RocksSettings},
    model::*,
    ops::{Body, Environment, Gateway, GatewaySettings, Request},
};
use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};
use tokio::runtime::Runtime;

struct Once(Option<Bytes>);

#[async_trait]
impl Body for Once {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        Ok(self.0.take())
    }

    fn trailer_checksum(&mut self) -> Option<Checksum> {
        None
    }
}

/// A gateway in a directory of its own.
struct Fixture {
    runtime: Runtime,
    gateway: Arc<Gateway>,
    object: ObjectRef,
    _directory: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let runtime = Runtime::new().expect("a runtime");
        let kv = Arc::new(RocksKv::open(directory.path(), RocksSettings::default()).expect("an index"));
        let environment = Environment {
            now: Arc::new(|| {
                let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970");
                Timestamp::from_millis(since.as_millis() as i64)
            }),
            random: Arc::new(|bytes| getrandom::fill(bytes).expect("randomness")),
        };
        let gateway = Gateway::new(kv, Arc::<MemoryBlobs>::default(), GatewaySettings::default(), environment);
        let object = ObjectRef { bucket: Bucket::new("bench").expect("a name"), key: ObjectKey::new("k").expect("a key") };
        let fixture = Self { runtime, gateway, object, _directory: directory };
        fixture.execute(
            Operation::CreateBucket(CreateBucket {
                acl: None,
                may_be_own: false,
                storage_class: None,
                bucket: fixture.object.bucket.clone(),
                location: None,
            }),
            None,
        );
        fixture
    }

    fn execute(&self, operation: Operation, body: Option<Box<dyn Body>>) -> Outcome {
        let caller = Caller::Key { access_key: "bench".to_owned(), account: Account::root(), parent: None };
        let limits = Limits { part_size_bytes_min: 1, ..Limits::S3 };
        let request = Request {
            name: operation.name(),
            origin: partway::model::Origin::default(),
            admitted: partway::ops::Admitted::Anything,
            caller,
            limits,
            operation,
        };
        self.runtime.block_on(self.gateway.execute(request, body)).expect("the operation succeeds").outcome
    }

    /// An upload of so many tiny parts, ready to be completed.
    fn uploaded(&self, part_count: u64) -> Operation {
        let create = CreateMultipartUpload {
            conditions: partway::model::WriteConditions::default(),
            sequential: false,
            object: self.object.clone(),
            attributes: Attributes::default(),
            checksum: None,
        };
        let Outcome::CreateMultipartUpload { upload_id, .. } = self.execute(Operation::CreateMultipartUpload(create), None) else {
            unreachable!("creating answers with an id")
        };
        let bytes = Bytes::from_static(b"a part");
        // One synced commit each, so they are sent side by side and share syncs.
        self.runtime.block_on(async {
            let mut parts = tokio::task::JoinSet::new();
            for number in (1..=part_count).filter_map(PartNumber::new) {
                let (gateway, bytes, object) = (Arc::clone(&self.gateway), bytes.clone(), self.object.clone());
                parts.spawn(async move {
                    let claims = BodyClaims { size: Some(bytes.len() as u64), ..BodyClaims::default() };
                    let operation = Operation::UploadPart(UploadPart { object, upload_id, part_number: number, claims });
                    let caller = Caller::Key { access_key: "bench".to_owned(), account: Account::root(), parent: None };
                    gateway
                        .execute(
                            Request {
                                name: operation.name(),
                                origin: partway::model::Origin::default(),
                                admitted: partway::ops::Admitted::Anything,
                                caller,
                                limits: Limits::S3,
                                operation,
                            },
                            Some(Box::new(Once(Some(bytes)))),
                        )
                        .await
                        .map(drop)
                });
                if parts.len() == 256 {
                    parts.join_next().await.expect("there are some").expect("no panic").expect("the part is taken");
                }
            }
            while let Some(part) = parts.join_next().await {
                part.expect("no panic").expect("the part is taken");
            }
        });
        let etag = ETag::Whole(partway::digest::md5(&bytes));
        let parts = (1..=part_count).filter_map(PartNumber::new).map(|number| CompletedPart { number, etag, checksum: None });
        Operation::CompleteMultipartUpload(CompleteMultipartUpload {
            callback: None,
            takes_all_parts: false,
            object: self.object.clone(),
            upload_id,
            parts: parts.collect(),
            conditions: WriteConditions::default(),
            object_size: None,
            checksum: None,
            checksum_type: None,
            refusal: None,
        })
    }
}

fn complete(c: &mut Criterion) {
    let fixture = Fixture::new();
    let mut group = c.benchmark_group("complete");
    group.sample_size(10).warm_up_time(Duration::from_millis(1)).measurement_time(Duration::from_secs(5));
    for part_count in [1, 1_000, 10_000] {
        group.bench_function(BenchmarkId::new("first", part_count), |bencher| {
            bencher.iter_custom(|iterations| {
                let completions: Vec<_> = (0..iterations).map(|_| fixture.uploaded(part_count)).collect();
                let started = Instant::now();
                for completion in completions {
                    fixture.execute(completion, None);
                }
                started.elapsed()
            });
        });
        let completion = fixture.uploaded(part_count);
        fixture.execute(completion.clone(), None);
        group.bench_function(BenchmarkId::new("replay", part_count), |bencher| bencher.iter(|| fixture.execute(completion.clone(), None)));
    }
    group.finish();
}

criterion_group!(benches, complete);
criterion_main!(benches);
