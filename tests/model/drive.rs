//! Runs the steps of one sequence against a gateway and the model, and compares them after each.

use crate::{
    gateway::{BEGIN, GRACE_MS, Nature, Pieces, Place, RETENTION_MS, collect, request},
    plan::{self, Step},
    reference::Reference,
};
use partway::{
    blob::BlobStore,
    meta::{Kv, keys},
    model::*,
    ops::{Body, ContentStream, Gateway, Held, LifecycleReport, OpenUpload, QuotaHolder},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Small parts, small objects.
const LIMITS: Limits = Limits { part_size_bytes_min: 8, part_size_bytes_max: 60, object_size_bytes_max: 150, complete_is_replayable: true };

/// Puts something between the gateway and its index.
pub(crate) type Wrapper = fn(Arc<dyn Kv>) -> Arc<dyn Kv>;

/// How far a sequence came and what it met there.
pub(crate) struct Difference {
    /// The steps, the last one is the one that differed.
    pub(crate) trace: Vec<String>,
    pub(crate) message: String,
}

/// Carries out the step of each seed; then everything is deleted, and nothing must be left.
pub(crate) async fn run(seeds: &[u64], place: Place, wrapper: Wrapper) -> Result<Seen, Difference> {
    let nature = Nature::new(seeds.first().copied().unwrap_or_default());
    let mut driver = Driver::start(place, wrapper, nature).await;
    let mut trace = Vec::new();
    match driver.run(seeds, &mut trace).await {
        Ok(()) => Ok(driver.seen),
        Err(message) => Err(Difference { trace, message }),
    }
}

/// How often each operation had each kind of answer in a step of its own.
pub(crate) type Seen = BTreeMap<String, u64>;

struct HeldRead {
    since: Timestamp,
    bytes: Vec<u8>,
    content: ContentStream,
}

/// What is running; `None` while it restarts.
struct Running {
    gateway: Arc<Gateway>,
    kv: Arc<dyn Kv>,
    blobs: Arc<dyn BlobStore>,
    held: Vec<HeldRead>,
}

struct Driver {
    running: Option<Running>,
    wrapper: Wrapper,
    nature: Nature,
    model: Reference,
    /// Uploads that were open once.
    begun: Vec<(ObjectRef, UploadId)>,
    place: Place,
    seen: Seen,
    /// The latest time there ever was.
    latest: Timestamp,
}

impl Driver {
    async fn start(place: Place, wrapper: Wrapper, nature: Nature) -> Self {
        let running = Some(start(&place, wrapper, &nature).await);
        Self { running, wrapper, nature, model: Reference::new(BEGIN, LIMITS), begun: Vec::new(), place, seen: Seen::new(), latest: BEGIN }
    }

    async fn run(&mut self, seeds: &[u64], trace: &mut Vec<String>) -> Result<(), String> {
        for &seed in seeds {
            self.pass_ms((seed % 3) as i64);
            let held = self.running().held.len();
            let ended: Vec<_> = self.begun.iter().filter(|(object, id)| self.model.upload(object, *id).is_err()).cloned().collect();
            let step = plan::step(seed, &self.model, held, &ended);
            trace.push(format!("{step:?}"));
            self.take(step).await?;
            self.compare_all().await.map_err(|message| format!("afterwards: {message}"))?;
        }
        trace.push("the end".to_owned());
        self.verify().await?;
        self.clear().await?;
        self.settle().await
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().expect("it runs between two steps")
    }

    fn pass_ms(&mut self, millis: i64) {
        self.nature.pass_ms(millis);
        self.model.now = self.nature.now();
        self.model.steady = self.model.steady.max(self.model.now);
        self.latest = self.latest.max(self.model.now);
    }

    /// Lets the gateway look at the clock.
    async fn look_at_the_clock(&mut self) {
        let object = ObjectRef { bucket: Bucket::new("nowhere").expect("a bucket name"), key: ObjectKey::new("k").expect("a key") };
        let (outcome, _) = self.execute(&Operation::HeadObject(whole(object)), &[]).await;
        assert!(matches!(outcome, Err(Failure::NoSuchBucket(_))));
    }

    async fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Run(operation, body) => {
                let special = self.special(&operation);
                let outcome = self.compare(&operation, &body).await?;
                self.note(&format!("{}{special}", operation.name()), &outcome);
                Ok(())
            }
            Step::Pages(operation) => self.compare_pages(operation).await,
            Step::Hold(read) => self.hold(read).await,
            Step::Release(index) => {
                let held = self.running().held.swap_remove(index);
                release(held).await
            }
            Step::Pass { millis } => {
                self.look_at_the_clock().await;
                self.pass_ms(millis);
                Ok(())
            }
            Step::Reap => self.reap().await,
            Step::Expire(bucket, rules) => self.expire(bucket, rules).await,
            Step::Restart => self.restart().await,
        }
    }

    async fn execute(&mut self, operation: &Operation, body: &[u8]) -> (Result<Outcome, Failure>, Option<ContentStream>) {
        let body = operation.clone().claims_mut().map(|_| Pieces::of(body, 7) as Box<dyn Body>);
        match self.running().gateway.execute(request(operation.clone(), LIMITS), body).await {
            Ok(reply) => (Ok(reply.outcome), reply.content),
            Err(failure) => (Err(failure), None),
        }
    }

    /// One request, compared in every detail.
    async fn compare(&mut self, operation: &Operation, body: &[u8]) -> Result<Result<Outcome, Failure>, String> {
        let (outcome, content) = self.execute(operation, body).await;
        let bytes = match content {
            Some(content) => Some(collect(content).await?),
            None => None,
        };
        let expected = self.model.apply(operation, body, &outcome);
        if let (Operation::CreateMultipartUpload(create), Ok(Outcome::CreateMultipartUpload { upload_id, .. })) = (operation, &outcome) {
            self.begun.push((create.object.clone(), *upload_id));
        }
        let actual = (outcome, bytes);
        if actual != expected {
            return Err(format!("{operation:?}\nis answered {actual:?}\ninstead of {expected:?}"));
        }
        Ok(actual.0)
    }

    /// What is special about an operation, before it is carried out.
    fn special(&self, operation: &Operation) -> &'static str {
        match operation {
            Operation::CompleteMultipartUpload(complete) if self.model.completed.contains_key(&complete.upload_id) => " again",
            Operation::DeleteBucket(bucket) if self.model.buckets.get(bucket).is_some_and(|it| !it.uploads.is_empty()) => " with uploads",
            Operation::CompleteMultipartUpload(complete) if complete.takes_all_parts => " of all parts",
            Operation::GetObject(read) if self.model.is_link(&read.object) => " through a link",
            _ => "",
        }
    }

    fn note(&mut self, operation: &str, outcome: &Result<Outcome, Failure>) {
        let kind = match outcome {
            Ok(Outcome::CompleteMultipartUpload { etag: ETag::Multipart { part_count: 5.., .. }, .. }) => "Ok of many parts".to_owned(),
            Ok(_) => "Ok".to_owned(),
            Err(failure) => format!("{failure:?}").chars().take_while(char::is_ascii_alphanumeric).collect(),
        };
        *self.seen.entry(format!("{operation} {kind}")).or_default() += 1;
    }

    async fn compare_pages(&mut self, mut operation: Operation) -> Result<(), String> {
        for _ in 0..100 {
            let outcome = self.compare(&operation, &[]).await?;
            self.note(operation.name(), &outcome);
            match next_page(operation, outcome) {
                Some(next) => operation = next,
                None => return Ok(()),
            }
        }
        Err("a listing does not end".to_owned())
    }

    /// Everything that can be asked: buckets, objects with their bytes, uploads with their parts.
    async fn compare_all(&mut self) -> Result<(), String> {
        self.look_at_the_clock().await;
        let list = ListBuckets { prefix: String::new(), after: None, count_max: 1000 };
        let _ = self.compare(&Operation::ListBuckets(list), &[]).await?;
        let mut operations = Vec::new();
        for name in plan::BUCKETS {
            let bucket = Bucket::new(name).expect("a bucket name");
            operations.push(Operation::ListObjects(all_objects(&bucket)));
            operations.push(Operation::ListMultipartUploads(all_uploads(&bucket)));
            let Some(state) = self.model.buckets.get(&bucket) else { continue };
            let object = |key: &ObjectKey| ObjectRef { bucket: bucket.clone(), key: key.clone() };
            operations.extend(state.objects.keys().map(|key| Operation::GetObject(whole(object(key)))));
            operations.extend(state.uploads.keys().map(|(key, id)| Operation::ListParts(all_parts(object(key), *id))));
        }
        for operation in operations {
            let _ = self.compare(&operation, &[]).await?;
        }
        let open = self.running().gateway.open_uploads(1000).await.map_err(|failure| format!("open uploads: {failure:?}"))?;
        let expected = self.open_uploads();
        if open != expected {
            return Err(format!("the open uploads are {open:?}\ninstead of {expected:?}"));
        }
        let report = self.running().gateway.quotas().await.map_err(|failure| format!("quotas: {failure:?}"))?;
        let held: BTreeMap<_, _> = report.quotas.into_iter().map(|summary| (summary.holder, summary.held)).collect();
        let expected = self.held();
        if held == expected { Ok(()) } else { Err(format!("{held:#?}\nare held instead of {expected:#?}")) }
    }

    /// What each bucket holds, and the key that writes all of it.
    fn held(&self) -> BTreeMap<QuotaHolder, Held> {
        let (mut all, mut sum) = (BTreeMap::new(), Held::default());
        for (bucket, state) in &self.model.buckets {
            let sizes = state.objects.values().flat_map(|object| &object.parts).map(|(bytes, _)| bytes.len() as u64);
            let held = Held {
                objects: state.objects.len() as u64,
                object_bytes: sizes.sum(),
                uploads: state.uploads.len() as u64,
                parts: state.uploads.values().map(|upload| upload.parts.len() as u64).sum(),
                part_bytes: state.uploads.values().map(|upload| upload.bytes_held).sum(),
            };
            sum.objects += held.objects;
            sum.object_bytes += held.object_bytes;
            sum.uploads += held.uploads;
            sum.parts += held.parts;
            sum.part_bytes += held.part_bytes;
            all.insert(QuotaHolder::Bucket(bucket.clone()), held);
        }
        if sum != Held::default() {
            all.insert(QuotaHolder::Key("key".to_owned()), sum);
        }
        all
    }

    fn open_uploads(&self) -> Vec<OpenUpload> {
        let of = |bucket: &Bucket, key: &ObjectKey, id: &UploadId| {
            let upload = self.model.upload(&ObjectRef { bucket: bucket.clone(), key: key.clone() }, *id).expect("it is open");
            OpenUpload {
                bucket: bucket.clone(),
                key: key.clone(),
                upload_id: *id,
                initiated: upload.initiated,
                last_activity: upload.last_activity,
                part_count: upload.parts.len() as u32,
                bytes_held: upload.bytes_held,
            }
        };
        let buckets = self.model.buckets.iter();
        buckets.flat_map(|(bucket, state)| state.uploads.keys().map(move |(key, id)| of(bucket, key, id))).collect()
    }

    /// Gives a bucket rules, carries them out, and takes them away again.
    async fn expire(&mut self, bucket: Bucket, rules: LifecycleConfiguration) -> Result<(), String> {
        let exists = self.model.buckets.contains_key(&bucket);
        let put = Operation::PutBucketLifecycle(bucket.clone(), rules.clone());
        let delete = Operation::DeleteBucketLifecycle(bucket.clone());
        let expected = if exists { Ok(Outcome::Done) } else { Err(Failure::NoSuchBucket(bucket.clone())) };
        let (outcome, _) = self.execute(&put, &[]).await;
        self.note("PutBucketLifecycle", &outcome);
        let now = self.nature.now();
        let report = self.running().gateway.apply_lifecycle(now).await.map_err(|failure| format!("rules: {failure:?}"))?;
        let (gone, _) = self.execute(&delete, &[]).await;
        let (deleted_objects, aborted_uploads) = self.model.expire(&bucket, &rules);
        for (what, count) in [("objects expire", deleted_objects), ("uploads expire", aborted_uploads)] {
            if count > 0 {
                *self.seen.entry(what.to_owned()).or_default() += count;
            }
        }
        let expectation = (LifecycleReport { deleted_objects, aborted_uploads }, expected.clone(), expected);
        let actual = (report, outcome, gone);
        if actual == expectation { Ok(()) } else { Err(format!("{rules:?} lead to {actual:?} instead of {expectation:?}")) }
    }

    async fn hold(&mut self, read: ReadObject) -> Result<(), String> {
        let operation = Operation::GetObject(read);
        let (outcome, content) = self.execute(&operation, &[]).await;
        let (expected, bytes) = self.model.apply(&operation, &[], &outcome);
        if outcome != expected {
            return Err(format!("a read that is held is answered {outcome:?} instead of {expected:?}"));
        }
        if let (Some(content), Some(bytes)) = (content, bytes) {
            let since = self.model.steady;
            self.running().held.push(HeldRead { since, bytes, content });
        }
        Ok(())
    }

    async fn reap(&mut self) -> Result<(), String> {
        let oldest = self.running().held.iter().map(|held| held.since).min();
        self.running().gateway.reap().await.map_err(|failure| format!("reaping: {failure:?}"))?;
        self.model.reap(oldest);
        self.verify().await
    }

    async fn restart(&mut self) -> Result<(), String> {
        self.running().gateway.drain().await;
        self.running = None;
        self.running = Some(start(&self.place, self.wrapper, &self.nature).await);
        self.model.steady = self.model.now;
        self.verify().await
    }

    async fn verify(&mut self) -> Result<(), String> {
        let report = self.running().gateway.verify().await.map_err(|failure| format!("verifying: {failure:?}"))?;
        if report.problems.is_empty() { Ok(()) } else { Err(format!("verify finds {:#?}", report.problems)) }
    }

    /// Ends every read, deletes every object, ends every upload: some with their bucket.
    async fn clear(&mut self) -> Result<(), String> {
        for held in std::mem::take(&mut self.running().held) {
            release(held).await?;
        }
        let mut operations = Vec::new();
        for (index, (bucket, state)) in self.model.buckets.iter().enumerate() {
            let object = |key: &ObjectKey| ObjectRef { bucket: bucket.clone(), key: key.clone() };
            operations
                .extend(state.objects.keys().map(|key| Operation::DeleteObject(DeleteObject { object: object(key), if_match: None })));
            match index % 2 {
                0 => operations.push(Operation::DeleteBucket(bucket.clone())),
                _ => operations.extend(state.uploads.keys().map(|(key, id)| Operation::AbortMultipartUpload(object(key), *id))),
            }
        }
        for operation in operations {
            let _ = self.compare(&operation, &[]).await?;
        }
        self.compare_all().await
    }

    /// Nothing is left once the grace period is over but the answers of completed uploads, and then not even they.
    async fn settle(&mut self) -> Result<(), String> {
        self.pass_ms(self.latest.millis() - self.nature.now().millis() + GRACE_MS);
        self.reap().await?;
        let answers = self.rows(b'C').await?;
        let expected: BTreeSet<_> = self.model.completed.keys().map(keys::completed).collect();
        let todos = self.rows(b'T').await?;
        if answers != expected || todos.len() != expected.len() {
            return Err(format!("{} answers and {} lines to do are left instead of {}", answers.len(), todos.len(), expected.len()));
        }
        self.nothing_left(b"OUPLDMQG").await?;
        self.pass_ms(RETENTION_MS);
        self.reap().await?;
        self.nothing_left(b"OUPLDMCTQG").await
    }

    async fn nothing_left(&mut self, tables: &[u8]) -> Result<(), String> {
        for &table in tables {
            let rows = self.rows(table).await?;
            if !rows.is_empty() {
                return Err(format!("{} rows are left in table {}", rows.len(), char::from(table)));
            }
        }
        let files = self.running().blobs.scan(None, 1000).await.map_err(|error| error.to_string())?;
        if files.is_empty() { Ok(()) } else { Err(format!("the blobs {files:?} are left")) }
    }

    async fn rows(&mut self, table: u8) -> Result<BTreeSet<Vec<u8>>, String> {
        let rows = self.running().kv.scan(keys::table(table), 1000).await.map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|(key, _)| key.to_vec()).collect())
    }
}

async fn start(place: &Place, wrapper: Wrapper, nature: &Nature) -> Running {
    let (kv, blobs) = place.open();
    let kv = wrapper(kv);
    let gateway = nature.start(Arc::clone(&kv), Arc::clone(&blobs)).await;
    Running { gateway, kv, blobs, held: Vec::new() }
}

async fn release(held: HeldRead) -> Result<(), String> {
    let bytes = collect(held.content).await.map_err(|error| format!("a read that was held: {error}"))?;
    if bytes == held.bytes { Ok(()) } else { Err("a read that was held yields other bytes".to_owned()) }
}

/// The request for the page after this one.
fn next_page(operation: Operation, outcome: Result<Outcome, Failure>) -> Option<Operation> {
    match (operation, outcome.ok()?) {
        (Operation::ListObjects(list), Outcome::ListObjects(page)) => {
            Some(Operation::ListObjects(ListObjects { after: Some(page.next_after?), ..list }))
        }
        (Operation::ListMultipartUploads(list), Outcome::ListMultipartUploads(page)) => {
            let (key, upload) = page.next?;
            let (key_marker, upload_id_marker) = (Some(key), upload.map(|id| id.to_string()));
            Some(Operation::ListMultipartUploads(ListMultipartUploads { key_marker, upload_id_marker, ..list }))
        }
        (Operation::ListParts(list), Outcome::ListParts(page)) => {
            let last = page.parts.last().filter(|_| page.is_truncated)?;
            Some(Operation::ListParts(ListParts { part_number_marker: u32::from(last.number.get()), ..list }))
        }
        (operation, outcome) => panic!("{operation:?} is answered {outcome:?}"),
    }
}

fn all_objects(bucket: &Bucket) -> ListObjects {
    ListObjects { bucket: bucket.clone(), prefix: String::new(), delimiter: String::new(), after: None, count_max: 1000 }
}

fn all_uploads(bucket: &Bucket) -> ListMultipartUploads {
    let (prefix, delimiter) = (String::new(), String::new());
    ListMultipartUploads { bucket: bucket.clone(), prefix, delimiter, key_marker: None, upload_id_marker: None, count_max: 1000 }
}

fn all_parts(object: ObjectRef, upload_id: UploadId) -> ListParts {
    ListParts { object, upload_id, part_number_marker: 0, count_max: 1000 }
}

fn whole(object: ObjectRef) -> ReadObject {
    ReadObject { object, selection: Selection::Whole, conditions: ReadConditions::default() }
}
