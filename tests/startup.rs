//! A start does not depend on how much is stored: it looks at what was under way and at nothing else.
//!
//! `STARTUP_OBJECTS=1000000 cargo test --release --test startup -- --nocapture` is the long form, which says how long a start
//! takes after a kill under load. No time is asserted: what is asserted is what a start looks at.

// The client and the server of the crash tests, of which not everything is used.
#[allow(dead_code, reason = "shared with the crash tests")]
#[path = "crash/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the crash tests")]
#[path = "crash/server.rs"]
mod server;

use async_trait::async_trait;
use bytes::Bytes;
use client::{BUCKET, Client, Dialect, Request};
use partway::{
    blob::{BlobId, BlobStore as _, LocalBlobs, LocalSettings, MemoryBlobs},
    meta::{
        Check, Kv, KvError, MemoryKv, RocksKv, RocksSettings, Write, keys,
        record::{BlobRecord, BucketId, BucketRecord, Charge, Content, Extent, ManifestPart, ObjectKind, ObjectRecord, Place, Record as _},
    },
    model::{Account, Acl, Attributes, Bucket, ETag, ObjectKey, Timestamp},
    ops::{Environment, Gateway, GatewaySettings},
};
use rustix::fs::inotify;
use server::Server;
use std::{
    fs,
    mem::MaybeUninit,
    ops::Range,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// Objects in the index before the server starts.
fn object_count() -> u64 {
    std::env::var("STARTUP_OBJECTS").map_or(50_000, |text| text.parse().expect("a number"))
}

/// Objects of one commit.
const OBJECTS_PER_COMMIT: u64 = 5_000;

/// How long the server is under load before it is killed: `STARTUP_LOAD_SECS`.
fn load() -> Duration {
    Duration::from_secs(std::env::var("STARTUP_LOAD_SECS").map_or(2, |text| text.parse().expect("a number")))
}

/// Clients of that load, and their objects, which go into the index and into files by turns. Bytes.
const CLIENTS: usize = 4;
const SIZES: [usize; 2] = [60_000, 80_000];

fn bucket_row(id: BucketId) -> Write {
    let bucket = Bucket::new("many").expect("a bucket's name");
    let record = BucketRecord {
        id,
        owner: Account::root(),
        created: Timestamp::from_millis(1),
        location: None,
        cors: None,
        policy: None,
        tags: None,
        acl: Acl::Private,
        storage_class: None,
        lifecycle: None,
        referer: None,
        retries_callbacks: true,
    };
    Write::Put(keys::bucket(&bucket), record.encode())
}

/// The rows of an object in a file; the file is not needed before somebody reads it.
fn object_rows(bucket: BucketId, number: u64) -> [Write; 2] {
    let blob = BlobId((u128::from(number) << 64 | u128::from(number.wrapping_mul(0x9E37_79B9_7F4A_7C15))).to_be_bytes());
    let extent = Extent { place: Place::File, blob, offset: 0, size: 1 << 20 };
    let object = ObjectRecord {
        etag: ETag::Whole([7; 16]),
        size: 1 << 20,
        last_modified: Timestamp::from_millis(1),
        attributes: Attributes::default(),
        checksum: None,
        crc64_ecma: number,
        part_count: None,
        content: Content::Here(vec![ManifestPart { size: 1 << 20, checksum: None, extents: vec![extent] }]),
        kind: ObjectKind::Plain,
        charge: Charge::Bucket,
    };
    let key = ObjectKey::new(format!("photos/{:04}/{number:012}.jpg", number % 1_000)).expect("a key");
    let blob_row = BlobRecord { size: 1 << 20, holders: 1 };
    [Write::Put(keys::object(bucket, &key), object.encode()), Write::Put(keys::blob(blob), blob_row.encode())]
}

async fn fill(kv: &dyn Kv, count: u64) {
    let bucket = BucketId(*b"manymany");
    // As in any directory that was not written by an earlier release.
    let all_counted = Write::Put(keys::everything_is_counted(), Bytes::new());
    kv.commit(vec![], vec![bucket_row(bucket), all_counted]).await.expect("the bucket is written");
    for start in (0..count).step_by(usize::try_from(OBJECTS_PER_COMMIT).expect("it is small")) {
        let writes = (start..count.min(start + OBJECTS_PER_COMMIT)).flat_map(|number| object_rows(bucket, number));
        kv.commit(vec![], writes.collect()).await.expect("the objects are written");
    }
}

/// An index that counts what it is asked.
#[derive(Default)]
struct Counting {
    inner: MemoryKv,
    gets: AtomicU64,
    scans: AtomicU64,
    commits: AtomicU64,
}

#[async_trait]
impl Kv for Counting {
    async fn get(&self, key: &[u8]) -> Result<Option<Bytes>, KvError> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key).await
    }

    async fn scan(&self, range: Range<Vec<u8>>, count_max: usize) -> Result<Vec<(Bytes, Bytes)>, KvError> {
        self.scans.fetch_add(1, Ordering::Relaxed);
        self.inner.scan(range, count_max).await
    }

    async fn commit(&self, checks: Vec<Check>, writes: Vec<Write>) -> Result<(), KvError> {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.inner.commit(checks, writes).await
    }

    fn is_read_only(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn recovery_asks_the_index_about_what_was_under_way_and_nothing_else() {
    for (objects, unconfirmed) in [(10, 0), (20_000, 0), (10, 7), (20_000, 7)] {
        let kv = Arc::new(Counting::default());
        fill(&kv.inner, objects).await;
        let blobs = MemoryBlobs::default();
        for number in 0..unconfirmed {
            partway::testkit::blob_suite::write(&blobs, BlobId([number; 16]), &Bytes::from_static(b"x"), 1).await.expect("it is sealed");
        }
        let environment = Environment { now: Arc::new(|| Timestamp::from_millis(2)), random: Arc::new(|bytes| bytes.fill(1)) };
        let gateway = Gateway::new(Arc::clone(&kv) as Arc<dyn Kv>, Arc::new(blobs.reopen()), GatewaySettings::default(), environment);
        gateway.recover().await.expect("it recovers");
        let asked = (kv.gets.load(Ordering::Relaxed), kv.scans.load(Ordering::Relaxed), kv.commits.load(Ordering::Relaxed));
        // One question more is whether all records stand in the counters.
        assert_eq!(asked, (u64::from(unconfirmed) + 1, 0, 0), "{objects} objects, {unconfirmed} under way");
    }
}

/// Sees every directory below `blobs/data` that anybody opens, from now on.
struct Watch(rustix::fd::OwnedFd);

impl Watch {
    fn over(data: &Path) -> Self {
        let watch = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).expect("inotify is there");
        let branches = fs::read_dir(data).expect("there is a directory").map(|entry| entry.expect("it can be read").path());
        for directory in branches.chain([data.to_owned()]).collect::<Vec<_>>() {
            inotify::add_watch(&watch, &directory, inotify::WatchFlags::OPEN | inotify::WatchFlags::ONLYDIR).expect("it can be watched");
        }
        Self(watch)
    }

    /// How often a directory was opened since the last time.
    fn opened(&self) -> usize {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&self.0, &mut buffer);
        let mut count = 0;
        loop {
            match events.next() {
                Ok(event) => count += usize::from(event.events().contains(inotify::ReadFlags::ISDIR)),
                Err(rustix::io::Errno::WOULDBLOCK) => return count,
                Err(error) => panic!("inotify: {error}"),
            }
        }
    }
}

/// Size of the index's log, which a start has to read.
fn log_bytes(index: &Path) -> u64 {
    let entries = fs::read_dir(index).expect("there is an index").map(|entry| entry.expect("it can be read"));
    let logs = entries.filter(|entry| entry.path().extension().is_some_and(|extension| extension == "log"));
    logs.map(|entry| entry.metadata().expect("it is a file").len()).sum()
}

/// Puts objects until the server is gone.
fn put_until_killed(address: std::net::SocketAddr, client: usize) -> u64 {
    let mut connection = Client::new(address);
    for (number, size) in (0..).zip(SIZES.into_iter().cycle()) {
        let key = format!("load/{client}/{number}");
        let put = Request::new(Dialect::S3, "PUT", &key).body(vec![client as u8; size]);
        if !connection.ask(&put).is_ok_and(|answer| answer.status == 200) {
            return number;
        }
    }
    unreachable!("the loop returns")
}

#[test]
fn a_start_after_a_kill_opens_no_blob_directory_but_those_of_what_was_under_way() {
    let place = tempfile::tempdir().expect("a temporary directory");
    let (data, log) = (place.path().join("data"), place.path().join("server.log"));
    // Nothing but the start itself may look at blobs.
    let flags = ["--orphan-search-rate", "0", "--reap-grace", "1h", "--inline-size-max", "64KiB"];
    let server = Server::start(&data, &log, &flags).expect("a new server starts");
    let answer = Client::new(server.address).ask(&Request::new(Dialect::S3, "PUT", "")).expect("the server answers");
    assert_eq!(answer.status, 200, "{BUCKET}: {}", String::from_utf8_lossy(&answer.body));
    server.stop();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let index = RocksKv::open(&data.join("index"), RocksSettings { sync_writes: false, ..RocksSettings::default() });
    let index = index.expect("the server is stopped");
    runtime.block_on(fill(&index, object_count()));
    drop(index);

    let server = Server::start(&data, &log, &flags).expect("it starts with many objects");
    let quiet = server.start_up;
    let address = server.address;
    let clients: Vec<_> = (0..CLIENTS).map(|client| thread::spawn(move || put_until_killed(address, client))).collect();
    thread::sleep(load());
    server.kill();
    let acknowledged: u64 = clients.into_iter().map(|client| client.join().expect("a client does not panic")).sum();
    assert!(acknowledged > 20, "there was a load: {acknowledged}");

    let log_bytes = log_bytes(&data.join("index"));
    let under_way = fs::read_dir(data.join("blobs/staging")).expect("there is a staging directory").count();
    let watch = Watch::over(&data.join("blobs/data"));
    let server = Server::start(&data, &log, &flags).expect("it starts after the kill");
    let opened = watch.opened();
    assert!(opened <= under_way, "{opened} directories were opened for {under_way} files");
    println!(
        "{} objects in the index: started in {quiet:?}, and in {:?} after a kill under load ({acknowledged} puts, {under_way} files under way, \
         {} MiB of the index's log)",
        object_count(),
        server.start_up,
        log_bytes >> 20
    );
    server.stop();
    watch.opened();

    // What the watch is worth: this does walk.
    let blobs = LocalBlobs::open(&data.join("blobs"), LocalSettings::default()).expect("the server is stopped");
    runtime.block_on(blobs.scan(None, 1)).expect("it can be walked");
    let opened = watch.opened();
    assert!(opened > under_way, "a walk is seen, but only {opened} directories were");
}
