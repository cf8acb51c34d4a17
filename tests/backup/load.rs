//! Clients of both dialects that overwrite, delete, complete and abort while a backup is taken.
//!
//! Each key has one writer, which counts what it does to it: so what stands there in a snapshot is a state that was begun
//! before the snapshot ended and not superseded before it began.

use super::{
    client::{Client, Dialect, Request},
    complete, create_upload, delete, get, put, put_part,
};
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{JoinHandle, sleep},
    time::{Duration, Instant},
};

const WRITERS: usize = 4;
const KEYS_PER_WRITER: usize = 5;
const PATIENCE: Duration = Duration::from_secs(120);

/// How far a key got: the last state that was begun, and the last one that was acknowledged.
#[derive(Default)]
struct Progress {
    begun: AtomicU64,
    acknowledged: AtomicU64,
}

/// Clients under way.
pub(crate) struct Load {
    keys: Arc<Vec<Progress>>,
    stop: Arc<AtomicBool>,
    writers: std::cell::RefCell<Vec<JoinHandle<()>>>,
}

/// Whether a key is as it may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Allowed,
    /// The key, and the states that would have been allowed.
    Wrong(String, u64, u64),
}

/// Bytes that follow from a seed.
pub(crate) fn bytes(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.take(size.div_ceil(8)).flatten().take(size).collect()
}

/// What stands under a key in its state: nothing at first and after every fifth, else bytes in the index or in a file.
fn content(key: usize, state: u64) -> Option<Vec<u8>> {
    let size = [30_000, 3_000, 150_000, 9_000][(state % 4) as usize];
    (!state.is_multiple_of(5)).then(|| bytes((key as u64) << 32 | state, size))
}

fn name(key: usize) -> String {
    format!("busy-{key}")
}

impl Load {
    /// Lets the clients loose.
    pub(crate) fn begin(address: SocketAddr) -> Self {
        let keys: Arc<Vec<Progress>> = Arc::new((0..WRITERS * KEYS_PER_WRITER).map(|_| Progress::default()).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let writers = (0..WRITERS).map(|writer| {
            let (keys, stop) = (Arc::clone(&keys), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut client = Client::new(address);
                while !stop.load(Ordering::SeqCst) {
                    for key in (0..KEYS_PER_WRITER).map(|key| writer * KEYS_PER_WRITER + key) {
                        let state = keys[key].begun.fetch_add(1, Ordering::SeqCst) + 1;
                        step(&mut client, key, state);
                        keys[key].acknowledged.store(state, Ordering::SeqCst);
                    }
                }
            })
        });
        let writers = std::cell::RefCell::new(writers.collect());
        Self { keys, stop, writers }
    }

    /// Waits for so many more operations.
    pub(crate) fn wait_for(&self, count: u64) {
        let done = || self.acknowledged().iter().sum::<u64>();
        let (target, deadline) = (done() + count, Instant::now() + PATIENCE);
        while done() < target {
            assert!(Instant::now() < deadline, "the clients are stuck");
            sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn acknowledged(&self) -> Vec<u64> {
        self.keys.iter().map(|key| key.acknowledged.load(Ordering::SeqCst)).collect()
    }

    pub(crate) fn begun(&self) -> Vec<u64> {
        self.keys.iter().map(|key| key.begun.load(Ordering::SeqCst)).collect()
    }

    /// Stops the clients and hears whether all went well.
    pub(crate) fn end(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.writers.borrow_mut().drain(..).for_each(|writer| writer.join().expect("every operation succeeds"));
    }

    /// Compares what stands with what may stand in a snapshot that was begun and ended at these states.
    pub(crate) fn standing(&self, client: &mut Client, before: &[u64], after: &[u64]) -> Vec<Standing> {
        let keys = before.iter().zip(after).enumerate();
        keys.map(|(key, (&before, &after))| {
            let found = get(client, Dialect::Oss, &name(key));
            match (before..=after).any(|state| content(key, state) == found) {
                true => Standing::Allowed,
                false => Standing::Wrong(name(key), before, after),
            }
        })
        .collect()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Brings a key into a state, one way or another; now and then an upload is left open or aborted on the way.
fn step(client: &mut Client, key: usize, state: u64) {
    let (dialect, other) = if state.is_multiple_of(2) { (Dialect::S3, Dialect::Oss) } else { (Dialect::Oss, Dialect::S3) };
    let key_name = name(key);
    match content(key, state) {
        None => delete(client, &key_name),
        Some(body) if state.is_multiple_of(3) => {
            let upload = create_upload(client, dialect, &key_name);
            let middle = body.len() / 2;
            // A part that is replaced before the upload is completed, and one that is not listed.
            put_part(client, dialect, &key_name, &upload, 1, bytes(state, 10_000));
            put_part(client, dialect, &key_name, &upload, 7, bytes(state, 10_000));
            let first = put_part(client, other, &key_name, &upload, 1, body[..middle].to_vec());
            let second = put_part(client, dialect, &key_name, &upload, 2, body[middle..].to_vec());
            complete(client, dialect, &key_name, &upload, &[(1, first), (2, second)]);
        }
        Some(body) => put(client, dialect, &key_name, body),
    }
    if state.is_multiple_of(4) {
        let upload = create_upload(client, dialect, &key_name);
        put_part(client, other, &key_name, &upload, 1, bytes(state, 20_000));
        if state.is_multiple_of(8) {
            let abort = Request::new(dialect, "DELETE", &key_name).query(format!("uploadId={upload}"));
            assert_eq!(client.ask(&abort).expect("the server answers").status, 204);
        }
    }
}
