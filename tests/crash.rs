//! Power cuts and kills under load, with the real binary: nothing that was acknowledged is lost, and nothing that was
//! not is half there. docs/adr/0009-how-crashes-are-tested.md says how, and what the tests were seen to catch.
//!
//! The order of things is not repeatable, what each client does is: `CRASH_SEED=<seed>` begins with another seed,
//! `CRASH_CUTS` and `CRASH_KILLS` are how many there are in each test, `CRASH_LAYOUT` (`OneDisk` or `BlobsApart`) keeps to
//! one layout of disks. `make test-crash` makes many.
//!
//! Cutting the power takes root, loop devices and the tools of ext4 and XFS. Without, those tests say what is missing and pass.

#[path = "crash/audit.rs"]
mod audit;
#[path = "crash/client.rs"]
mod client;
#[path = "crash/disk.rs"]
mod disk;
#[path = "crash/empty.rs"]
mod empty;
mod gateway;
#[path = "crash/load.rs"]
mod load;
#[path = "crash/namespace.rs"]
mod namespace;
#[path = "crash/oracle.rs"]
mod oracle;
#[path = "crash/server.rs"]
mod server;

use audit::{Audited, audit};
use client::{Client, Dialect, Request};
use disk::{Disk, FileSystem};
use empty::empty;
use gateway::Dice;
use load::Load;
use namespace::{place, say, within_namespace};
use server::Server;
use std::{fs, io::Write as _, ops::Range, path::Path, time::Duration};

/// Operations begun between two crashes: at least and at most, and how many times as many now and then.
const OPERATIONS: (u64, u64) = (20, 250);
const OPERATIONS_FACTOR: u64 = 4;

/// Whether index and blobs share a disk, and with it a journal, which orders more than anybody promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    OneDisk,
    BlobsApart,
}

/// How many crashes, from the environment or as given.
fn count(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn first_seed() -> u64 {
    count("CRASH_SEED", 1)
}

/// A data directory with the bucket in it; nothing else has happened to it.
fn prepare(data: &Path, log: &Path) {
    let server = Server::start(data, log, &[]).expect("a new server starts");
    let answer = Client::new(server.address).ask(&Request::new(Dialect::S3, "PUT", "")).expect("the server answers");
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    server.stop();
}

/// What a run of crashes came to.
struct Run {
    what: String,
    load: Load,
    sum: Audited,
    crashes: u64,
    begun: u64,
    start_ups: Vec<Duration>,
}

impl Run {
    fn new(what: String) -> Self {
        Self { what, load: Load::new(), sum: Audited::default(), crashes: 0, begun: 0, start_ups: vec![] }
    }

    /// Starts the server after a crash and audits.
    ///
    /// # Errors
    /// All problems there are.
    fn audit(&mut self, data: &Path, log: &Path, flags: &[&str], seed: u64, dice: &mut Dice) -> Result<Server, String> {
        let server = Server::start(data, log, flags).map_err(|why| format!("{}, CRASH_SEED={seed}: {why}", self.what))?;
        let start_up = server.start_up;
        let mut oracle = self.load.oracle();
        let audited = audit(&server, data, &mut oracle, dice);
        if !oracle.problems.is_empty() {
            return Err(format!("{}, CRASH_SEED={seed}:\n{}", self.what, oracle.problems.join("\n")));
        }
        self.begun = oracle.begun;
        self.crashes += 1;
        self.sum += audited;
        self.start_ups.push(start_up);
        println!("{}: CRASH_SEED={seed}: {audited:?}, started in {start_up:?}", self.what);
        Ok(server)
    }

    /// Deletes everything, sees the bytes go, and tells what the run came to.
    ///
    /// # Errors
    /// Some stay.
    fn end(mut self, server: Server, data: &Path) -> Result<(), String> {
        empty(&server, data, &self.load.oracle()).map_err(|why| format!("{}: {why}", self.what))?;
        server.stop();
        self.start_ups.sort();
        let Audited { acknowledged, objects, parts, bytes, happened, vanished } = self.sum;
        say(&format!(
            "{}: {} crashes, {} operations begun, {acknowledged} acknowledged; audited {objects} objects, {parts} parts, {} MiB; \
             of those under way {happened} happened and {vanished} did not; \
             start-up {:?} in the median, {:?} at most",
            self.what,
            self.crashes,
            self.begun,
            bytes >> 20,
            self.start_ups[self.start_ups.len() / 2],
            self.start_ups[self.start_ups.len() - 1],
        ));
        Ok(())
    }
}

fn operations(dice: &mut Dice) -> u64 {
    let operations = OPERATIONS.0 + dice.number() % (OPERATIONS.1 - OPERATIONS.0);
    if dice.one_in(8) { operations * OPERATIONS_FACTOR } else { operations }
}

/// How long a server lives that crashes again while it recovers from a crash; every third does.
fn life_in_vain(dice: &mut Dice) -> Option<Duration> {
    dice.one_in(3).then(|| Duration::from_micros(dice.number() % 150_000))
}

/// Cuts the power so many times on one data directory, with an audit after each cut.
fn cut_power(file_system: FileSystem, layout: Layout, seeds: Range<u64>, flags: &[&str]) -> Result<(), String> {
    let place = place();
    let disk_count = match layout {
        Layout::OneDisk => 1,
        Layout::BlobsApart => 2,
    };
    let mut disk = Disk::create(place.path(), file_system, disk_count);
    let (data, log) = (disk.path().join("data"), place.path().join("server.log"));
    prepare(&data, &log);
    if layout == Layout::BlobsApart {
        let blobs = data.join("blobs");
        fs::remove_dir_all(&blobs).and_then(|()| fs::create_dir(&blobs)).expect("there are no blobs yet");
        // What the test itself does to the disk is not what is tested.
        disk::run("sync", &["-f", data.to_str().expect("the path is text")])?;
        disk.mount_next(&blobs);
    }
    let mut run = Run::new(format!("power cuts on {}, {layout:?}", file_system.name()));
    let mut server = Server::start(&data, &log, flags)?;
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let operations = operations(&mut dice);
        run.load.run(server.address, &mut dice, operations, |dice| {
            disk.destage(dice);
            run.load.cut_power(|| disk.shut_down());
            server.kill();
        });
        disk.power_on();
        while let Some(life) = life_in_vain(&mut dice) {
            Server::start_in_vain(&data, &log, flags, life, || disk.cut(&mut dice));
            disk.power_on();
            run.crashes += 1;
        }
        server = run.audit(&data, &log, flags, seed, &mut dice)?;
    }
    run.end(server, &data)
}

/// Kills the server so many times on one data directory, with an audit after each time.
fn kill(seeds: Range<u64>) -> Result<(), String> {
    let place = place();
    let (data, log) = (place.path().join("data"), place.path().join("server.log"));
    prepare(&data, &log);
    let mut run = Run::new("kills".to_owned());
    let mut server = Server::start(&data, &log, &[])?;
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let operations = operations(&mut dice);
        run.load.run(server.address, &mut dice, operations, |_| server.kill());
        while let Some(life) = life_in_vain(&mut dice) {
            Server::start_in_vain(&data, &log, &[], life, || ());
            run.crashes += 1;
        }
        server = run.audit(&data, &log, &[], seed, &mut dice)?;
    }
    run.end(server, &data)
}

/// Half of the cuts in each layout, unless one is asked for.
fn cut_power_in_both_layouts(file_system: FileSystem, otherwise: u64) {
    let (first, cuts) = (first_seed(), count("CRASH_CUTS", otherwise));
    let middle = match std::env::var("CRASH_LAYOUT").as_deref() {
        Ok("BlobsApart") => first + cuts,
        Ok("OneDisk") => first,
        Ok(other) => panic!("there is no layout {other}"),
        Err(_) => first + cuts.div_ceil(2),
    };
    for (layout, seeds) in [(Layout::BlobsApart, first..middle), (Layout::OneDisk, middle..first + cuts)] {
        if !seeds.is_empty() {
            cut_power(file_system, layout, seeds, &[]).unwrap_or_else(|problems| panic!("{problems}"));
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_is_cut_on_ext4() {
    within_namespace("nothing_acknowledged_is_lost_when_the_power_is_cut_on_ext4", FileSystem::Ext4, || {
        cut_power_in_both_layouts(FileSystem::Ext4, 3);
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_power_is_cut_on_xfs() {
    within_namespace("nothing_acknowledged_is_lost_when_the_power_is_cut_on_xfs", FileSystem::Xfs, || {
        cut_power_in_both_layouts(FileSystem::Xfs, 2);
    });
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let first = first_seed();
    kill(first..first + count("CRASH_KILLS", 5)).unwrap_or_else(|problems| panic!("{problems}"));
}

/// The canary: a server that syncs nothing loses what it acknowledged, which must be noticed.
#[test]
fn a_server_that_does_not_sync_is_noticed() {
    within_namespace("a_server_that_does_not_sync_is_noticed", FileSystem::Ext4, || {
        let problems = cut_power(FileSystem::Ext4, Layout::OneDisk, 1..4, &["--durability", "none"]).expect_err("nothing was noticed");
        assert!(problems.contains("CRASH_SEED="), "something else is wrong: {problems}");
    });
}

/// The disk itself: what was synced survives a cut, and after the cut nothing can be synced any more.
#[test]
fn a_disk_keeps_what_was_synced_and_takes_nothing_after_the_cut() {
    within_namespace("a_disk_keeps_what_was_synced_and_takes_nothing_after_the_cut", FileSystem::Ext4, || {
        let place = place();
        let mut disk = Disk::create(place.path(), FileSystem::Ext4, 1);
        let mut dice = Dice::new(first_seed());
        for round in 0..4_u8 {
            let path = disk.path().join(format!("file-{round}"));
            let mut file = fs::File::create(&path).expect("there is a disk");
            file.write_all(&[round; 10_000]).and_then(|()| file.sync_all()).expect("the power is on");
            fs::File::open(disk.path()).and_then(|directory| directory.sync_all()).expect("the power is on");
            file.write_all(&[0xFF; 10_000]).expect("it goes into memory");
            disk.cut(&mut dice);
            file.sync_all().expect_err("the power is off");
            drop(file);
            disk.power_on();
            for earlier in 0..=round {
                let bytes = fs::read(disk.path().join(format!("file-{earlier}"))).expect("its name was synced");
                assert!(bytes.len() >= 10_000 && bytes[..10_000] == [earlier; 10_000], "{} bytes", bytes.len());
            }
        }
    });
}
