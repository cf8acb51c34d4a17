//! A gateway over stores of choice, with a clock and randomness of the test's own.

#![allow(dead_code, reason = "each test uses a part of it")]

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt;
pub(crate) use partway::testkit::dice::Dice;
use partway::{
    blob::{BlobStore, LocalBlobs, LocalSettings, MemoryBlobs},
    meta::{Kv, MemoryKv, RocksKv, RocksSettings},
    model::*,
    ops::{Body, ContentStream, Environment, Gateway, GatewaySettings, Request},
};
use std::{
    collections::VecDeque,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

/// Bodies up to this size are kept in the index. Bytes.
pub(crate) const INLINE_MAX: u64 = 16;

/// How long released bytes stay. Milliseconds.
pub(crate) const GRACE_MS: i64 = 60_000;

/// How long a completed upload's answer stays. Milliseconds.
pub(crate) const RETENTION_MS: i64 = 1_000_000;

/// When every test begins.
pub(crate) const BEGIN: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Where a gateway keeps things; survives the gateway.
pub(crate) enum Place {
    Memory(Arc<MemoryKv>, Arc<MemoryBlobs>),
    Directory(tempfile::TempDir),
}

impl Place {
    pub(crate) fn memory() -> Self {
        Self::Memory(Arc::default(), Arc::default())
    }

    pub(crate) fn directory() -> Self {
        Self::Directory(tempfile::tempdir().expect("a temporary directory"))
    }

    /// The stores as after a start. Those in a directory are not synced: no test cuts the power.
    pub(crate) fn open(&self) -> (Arc<dyn Kv>, Arc<dyn BlobStore>) {
        match self {
            Self::Memory(kv, blobs) => (Arc::clone(kv) as Arc<dyn Kv>, Arc::new(blobs.reopen())),
            Self::Directory(directory) => open_directory(directory.path()),
        }
    }
}

fn open_directory(path: &Path) -> (Arc<dyn Kv>, Arc<dyn BlobStore>) {
    let settings =
        RocksSettings { sync_writes: false, write_buffer_bytes: 4 << 20, block_cache_bytes: 4 << 20, ..RocksSettings::default() };
    let kv = RocksKv::open(&path.join("index"), settings).expect("the index opens");
    let blobs = LocalBlobs::open(&path.join("blobs"), LocalSettings { sync: false }).expect("the blob store opens");
    (Arc::new(kv), Arc::new(blobs))
}

/// Time and randomness that survive restarts, so that no id comes twice.
#[derive(Clone)]
pub(crate) struct Nature {
    clock: Arc<AtomicI64>,
    random: Arc<AtomicU64>,
    /// Whether blob files share few directories, as they do on stores that are not new.
    few_directories: bool,
}

impl Nature {
    pub(crate) fn new(seed: u64) -> Self {
        Self { clock: Arc::new(AtomicI64::new(BEGIN.millis())), random: Arc::new(AtomicU64::new(seed)), few_directories: false }
    }

    pub(crate) fn with_few_directories(self, few_directories: bool) -> Self {
        Self { few_directories, ..self }
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.clock.load(Ordering::SeqCst))
    }

    pub(crate) fn pass_ms(&self, millis: i64) {
        self.clock.fetch_add(millis, Ordering::SeqCst);
    }

    fn environment(&self) -> Environment {
        let (time, random, few_directories) = (self.clone(), Arc::clone(&self.random), self.few_directories);
        Environment {
            now: Arc::new(move || time.now()),
            random: Arc::new(move |bytes| {
                let seed = random.fetch_add(0x0123_4567_89AB_CDEF, Ordering::SeqCst);
                bytes.copy_from_slice(&Dice::new(seed).bytes(bytes.len()));
                if few_directories && let [_, .., aa, bb] = bytes {
                    (*aa, *bb) = (*aa % 4, *bb % 4);
                }
            }),
        }
    }

    /// A gateway that has recovered.
    pub(crate) async fn start(&self, kv: Arc<dyn Kv>, blobs: Arc<dyn BlobStore>) -> Arc<Gateway> {
        let gateway = self.gateway(kv, blobs, GRACE_MS);
        gateway.recover().await.expect("the gateway recovers");
        gateway
    }

    /// A gateway that has not recovered yet.
    pub(crate) fn gateway(&self, kv: Arc<dyn Kv>, blobs: Arc<dyn BlobStore>, reap_grace_ms: i64) -> Arc<Gateway> {
        let settings = GatewaySettings {
            inline_size_bytes_max: INLINE_MAX,
            reap_grace_ms,
            completed_retention_ms: RETENTION_MS,
            ..GatewaySettings::default()
        };
        Gateway::new(kv, blobs, settings, self.environment())
    }
}

/// A body in pieces.
pub(crate) struct Pieces(pub(crate) VecDeque<Bytes>);

impl Pieces {
    /// Of at most `size` bytes each.
    pub(crate) fn of(bytes: &[u8], size: usize) -> Box<Self> {
        Box::new(Self(bytes.chunks(size).map(Bytes::copy_from_slice).collect()))
    }
}

#[async_trait]
impl Body for Pieces {
    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        Ok(self.0.pop_front())
    }

    fn trailer_checksum(&mut self) -> Option<Checksum> {
        None
    }
}

/// A request of the root account.
pub(crate) fn request(operation: Operation, limits: Limits) -> Request {
    Request {
        admitted: partway::ops::Admitted::Anything,
        name: operation.name(),
        origin: partway::model::Origin::default(),
        caller: Caller::Key { access_key: "key".to_owned(), account: Account::root(), parent: None },
        limits,
        operation,
    }
}

/// All bytes of a stream.
pub(crate) async fn collect(content: ContentStream) -> Result<Vec<u8>, String> {
    let pieces: Vec<Bytes> = content.try_collect().await.map_err(|error| format!("the content cannot be read: {error}"))?;
    Ok(pieces.concat())
}

pub(crate) fn number(number: u64) -> PartNumber {
    PartNumber::new(number).expect("a part number")
}
