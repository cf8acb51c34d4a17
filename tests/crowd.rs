//! Many clients, slow ones and greedy ones, against the real binary: the others keep their service, and what the crowd
//! costs is bounded.
//!
//! Each test has the machine to itself, as far as this process is concerned. `CROWD_TLS=10000` opens as many encrypted
//! connections as connections in clear.

#[path = "crowd/bounds.rs"]
mod bounds;
#[path = "crowd/client.rs"]
mod client;
#[path = "crowd/encrypted.rs"]
mod encrypted;
#[path = "crowd/idle.rs"]
mod idle;
#[path = "crowd/server.rs"]
mod server;
#[path = "crowd/sizes.rs"]
mod sizes;
#[path = "crowd/tenants.rs"]
mod tenants;

use rustix::process::{Resource, getrlimit, setrlimit};
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The lock that a test holds while it runs.
fn alone() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether this process may have so many connections open; says so when it may not.
fn may_open(count: u64) -> bool {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit);
    let granted = getrlimit(Resource::Nofile).current;
    // A server has files besides: the limit is for each of the two processes.
    let may = granted.is_none_or(|granted| granted >= count + 4096);
    if !may {
        eprintln!("skipped: {count} connections are more than the limit of {granted:?} open files allows");
    }
    may
}

/// Waits until something is so; fails when it does not come to be.
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
