//! A simulated machine under load whose power goes, or whose process is killed, again and again; an audit after each restart.
//!
//! Everything follows from the seed: what clients ask for, how long each step takes and so in which order things happen,
//! when the power goes, and what of the unsynced changes survives.

use crate::{
    clients::{Clients, Gate, Punctual, assert_nothing_left},
    gateway::{Dice, GRACE_MS, Nature, RETENTION_MS},
    history::Counts,
};
use partway::{
    blob::{BlobError, BlobStore, LocalBlobs, LocalSettings},
    meta::{Kv, keys},
    model::Timestamp,
    ops::Gateway,
    testkit::power::{DiskFaults, Power, SimulatedDisk, SimulatedIndex},
};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const TASKS: u64 = 8;

/// Operations of each task between two starts, should the power last so long.
const OPERATIONS: usize = 30;

/// Power cuts and kills under load.
const CUTS: usize = 4;

/// Steps of disk and index until the power goes under load, at most; some loads end before.
const STEPS_MAX: usize = 900;

/// Steps until it goes again while the gateway recovers, at most.
const RECOVERY_STEPS_MAX: usize = 10;

/// By how much the clock moves on at a time, under load.
const TICK_MS: i64 = GRACE_MS / 8;

/// Far more than anything takes, on the simulated clock.
const STUCK_TIME: Duration = Duration::from_secs(600);

const ROOT: &str = "/blobs";

/// What the machine is like, and what is wrong with it.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    /// Gateways over the same stores. They know nothing of each other's readers.
    pub(crate) gateways: usize,
    pub(crate) disk: DiskFaults,
    /// The index answers before its log is synced.
    pub(crate) answers_early: bool,
    /// What an earlier run left unconfirmed is settled at the start.
    pub(crate) recovers: bool,
    pub(crate) reap_grace_ms: i64,
}

impl Setup {
    pub(crate) const SOUND: Self = Self {
        gateways: 1,
        disk: DiskFaults { ignores_file_syncs: false, ignores_directory_syncs: false },
        answers_early: false,
        recovers: true,
        reap_grace_ms: GRACE_MS,
    };
}

/// What came of a seed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) counts: Counts,
    /// The number of steps of each life, and what stands for them and their order.
    pub(crate) steps: Vec<(u64, u64)>,
}

/// The stores between two cuts.
struct Life {
    power: Arc<Power>,
    disk: SimulatedDisk,
    index: SimulatedIndex,
}

struct Machine {
    setup: Setup,
    dice: Dice,
    nature: Nature,
    counts: Counts,
    /// Files that may be there although no record names them.
    leaks: BTreeSet<PathBuf>,
}

/// The stores and gateways of a start.
struct Started {
    kv: Arc<dyn Kv>,
    blobs: Arc<dyn BlobStore>,
    gate: Gate,
    gateways: Vec<Arc<Gateway>>,
}

/// Lives through the cuts of a seed; panics when something is lost, half there or left over.
pub(crate) fn run(seed: u64, setup: Setup) -> Ran {
    let mut dice = Dice::new(seed);
    let power = Arc::new(Power::on(dice.number()));
    let mut life = Life {
        disk: SimulatedDisk::new(Arc::clone(&power), setup.disk),
        index: SimulatedIndex::new(Arc::clone(&power), setup.answers_early),
        power,
    };
    let nature = Nature::new(seed).with_few_directories(dice.one_in(2));
    let mut clients = Clients::new(nature.clone());
    let mut machine = Machine { setup, dice, nature, counts: Counts::new(), leaks: BTreeSet::new() };
    let mut steps = Vec::new();
    let mut cuts = 0;
    let mut is_first = true;
    loop {
        let is_last = cuts == CUTS;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
        let under_load;
        // When everybody waits for somebody, the paused clock goes on to this end at once.
        let lives = async { tokio::time::timeout(STUCK_TIME, machine.live(&life, clients, is_first, is_last)).await };
        (clients, under_load) = runtime.block_on(lives).expect("the machine is stuck");
        // Ends what still runs, which nobody notices any more.
        drop(runtime);
        steps.push(life.power.steps());
        if is_last {
            break;
        }
        cuts += usize::from(under_load);
        is_first = false;
        life = machine.restart(&life);
    }
    let contradictions = clients.history.contradictions();
    assert!(contradictions.is_empty(), "{contradictions:#?}");
    let Machine { mut counts, .. } = machine;
    clients.history.counts().into_iter().for_each(|(what, count)| *counts.entry(what).or_default() += count);
    Ran { counts, steps }
}

impl Machine {
    fn count(&mut self, what: &'static str, count: usize) {
        *self.counts.entry(what).or_default() += count;
    }

    /// What a restart finds.
    fn restart(&mut self, life: &Life) -> Life {
        let power = Arc::new(Power::on(self.dice.number()));
        if self.dice.one_in(3) {
            // Only the process ended. What RocksDB has written by then may end anywhere, and opening it syncs it.
            self.count("kills", 1);
            let index = life.index.after_power_cut(&mut self.dice, Arc::clone(&power));
            return Life { disk: life.disk.after_kill(Arc::clone(&power)), index, power };
        }
        self.count("cuts", 1);
        let disk = life.disk.after_power_cut(&mut self.dice, Arc::clone(&power));
        let index = life.index.after_power_cut(&mut self.dice, Arc::clone(&power));
        let (before, after) = (life.disk.files(), disk.files());
        // The leaks that docs/adr/0001-blob-files.md accepts, and only where names do not survive in their order: bytes that were
        // sealed and then not wanted, whose removal did not survive ...
        let came_back = data_files(&after).filter(|path| !life.disk.has_journal() && !before.contains(*path));
        // ... and a blob whose staging name did not survive, although its later one did.
        let is_unstaged = |path: &&PathBuf| before.contains(&staging_of(path)) && !after.contains(&staging_of(path));
        let unstaged = data_files(&after).filter(|path| !life.disk.has_journal() && before.contains(*path)).filter(is_unstaged);
        let (came_back, unstaged): (BTreeSet<_>, BTreeSet<_>) = (came_back.cloned().collect(), unstaged.cloned().collect());
        self.count("deleted files that came back", came_back.len());
        self.count("files that lost their staging name", unstaged.len());
        self.count("files that did not survive", before.difference(&after).count());
        self.leaks.extend(came_back.into_iter().chain(unstaged));
        Life { power, disk, index }
    }

    /// Starts, audits, and carries on until everything stops, or to the end. Returns whether that was after the recovery.
    async fn live(&mut self, life: &Life, clients: Clients, is_first: bool, is_last: bool) -> (Clients, bool) {
        if !is_first && !is_last && self.dice.one_in(3) {
            life.power.goes_after(self.dice.below(RECOVERY_STEPS_MAX) as u64);
        }
        let Some(started) = self.start(life).await else {
            self.count("ends while recovering", 1);
            return (clients, false);
        };
        life.power.goes_after(u64::MAX);
        let mut clients = clients;
        clients.gateways.clone_from(&started.gateways);
        clients.power = Some(Arc::clone(&life.power));
        if is_first {
            clients.make_bucket_rules_and_links().await;
        } else {
            self.audit(life, &clients, &started).await;
        }
        if is_last {
            self.end(life, &clients, &started).await;
        } else {
            clients = self.bear_load(life, clients, &started).await;
        }
        clients.gateways.clear();
        (clients, true)
    }

    /// `None` when the power went meanwhile.
    async fn start(&self, life: &Life) -> Option<Started> {
        let blobs = match LocalBlobs::open_on(Arc::new(life.disk.clone()), Path::new(ROOT), LocalSettings { sync: true }) {
            Err(BlobError::Io(_)) if life.power.is_off() => return None,
            opened => Arc::new(opened.expect("the blob store opens")) as Arc<dyn BlobStore>,
        };
        let gate = Gate::default();
        let kv = Arc::new(Punctual { inner: Arc::new(life.index.clone()), gate: Arc::clone(&gate), looks_at_checks: true }) as Arc<dyn Kv>;
        let gateway = || self.nature.gateway(Arc::clone(&kv), Arc::clone(&blobs), self.setup.reap_grace_ms);
        let gateways: Vec<_> = (0..self.setup.gateways).map(|_| gateway()).collect();
        if self.setup.recovers {
            match gateways[0].recover().await {
                Err(_) if life.power.is_off() => return None,
                recovered => recovered.expect("the gateway recovers"),
            }
        }
        (!life.power.is_off()).then_some(Started { kv, blobs, gate, gateways })
    }

    /// Looks at everything, when nothing is under way.
    async fn audit(&mut self, life: &Life, clients: &Clients, started: &Started) {
        let files = life.disk.files();
        let staged: Vec<_> = files.iter().filter(|path| path.starts_with(Path::new(ROOT).join("staging"))).collect();
        assert!(staged.is_empty(), "staging is not empty after a start: {staged:?}");
        for blob in started.blobs.scan(None, usize::MAX).await.expect("the blobs can be listed") {
            if started.kv.get(&keys::blob(blob)).await.expect("the index can be read").is_none() {
                let path = data_files(&files).find(|path| path.ends_with(blob.to_string())).expect("it was listed");
                assert!(self.leaks.contains(path), "{path:?} has no record, and is none of the leaks that are accepted");
                started.blobs.delete(blob).await.expect("it can be deleted");
                self.count("leaked files", 1);
            }
        }
        self.leaks.clear();
        clients.look_at_everything().await;
        // What was released goes when it is due, and not before.
        self.nature.pass_ms(GRACE_MS);
        for gateway in &started.gateways {
            gateway.reap().await.expect("the reaper is done");
        }
        clients.verify().await;
        clients.look_at_everything().await;
        self.count("audits", 1);
    }

    /// Tasks work until everything stops.
    async fn bear_load(&mut self, life: &Life, clients: Clients, started: &Started) -> Clients {
        let power = &life.power;
        power.goes_after(self.dice.below(STEPS_MAX) as u64);
        let clients = Arc::new(clients);
        let may_outlast_the_grace = started.gateways.len() == 1;
        let mut others =
            vec![tokio::spawn(pass_time(self.nature.clone(), Arc::clone(&started.gate), Arc::clone(&clients), may_outlast_the_grace))];
        others.extend(started.gateways.iter().map(|gateway| tokio::spawn(reap(Arc::clone(gateway), Arc::clone(power)))));
        let tasks: Vec<_> = (0..TASKS)
            .map(|_| {
                let (clients, power, mut dice) = (Arc::clone(&clients), Arc::clone(power), Dice::new(self.dice.number()));
                tokio::spawn(async move {
                    for _ in 0..OPERATIONS {
                        if power.is_off() {
                            break;
                        }
                        clients.operate(&mut dice).await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a task runs to its end");
        }
        let went = if power.is_off() { "ends under load" } else { "ends after the load" };
        self.count(went, 1);
        power.cut();
        for other in others {
            other.abort();
            match other.await {
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                Ok(()) | Err(_) => {}
            }
        }
        Arc::into_inner(clients).expect("everybody is done")
    }

    /// Ends and deletes everything; nothing may stay.
    async fn end(&mut self, life: &Life, clients: &Clients, started: &Started) {
        clients.end_everything(&mut self.dice).await;
        clients.look_at_everything().await;
        clients.verify().await;
        clients.delete_everything().await;
        self.nature.pass_ms(GRACE_MS + RETENTION_MS);
        for gateway in &started.gateways {
            gateway.reap().await.expect("the reaper is done");
        }
        clients.verify().await;
        assert_nothing_left(&*started.kv, &*started.blobs).await;
        let files = life.disk.files();
        assert!(files.iter().eq([&Path::new(ROOT).join("lock")]), "files are left: {files:?}");
    }
}

/// Lets the grace period pass again and again. No commit takes that long, and where gateways do not know of each other's
/// readers, no operation does.
async fn pass_time(nature: Nature, gate: Gate, clients: Arc<Clients>, may_outlast_the_grace: bool) {
    loop {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let _no_commit_is_under_way = gate.write().await;
        let ends = |began: Timestamp| began.plus_millis(GRACE_MS - 1);
        if may_outlast_the_grace || clients.oldest_began().is_none_or(|began| nature.now().plus_millis(TICK_MS) <= ends(began)) {
            nature.pass_ms(TICK_MS);
        }
    }
}

/// Works off what is due, with short pauses.
async fn reap(gateway: Arc<Gateway>, power: Arc<Power>) {
    loop {
        match gateway.reap().await {
            Err(_) if power.is_off() => return,
            reaped => drop(reaped.expect("the reaper is done")),
        }
        tokio::time::sleep(Duration::from_millis(power.below(4) as u64 + 1)).await;
    }
}

fn data_files(files: &BTreeSet<PathBuf>) -> impl Iterator<Item = &PathBuf> {
    files.iter().filter(|path| path.starts_with(Path::new(ROOT).join("data")))
}

/// The name that the blob of a data file has until it is confirmed.
fn staging_of(data_file: &Path) -> PathBuf {
    Path::new(ROOT).join("staging").join(data_file.file_name().expect("a file has a name"))
}
