//! Room on the disks: new bytes are refused while there still is some, so that what frees room never lacks it.
//!
//! - A margin of free space is kept on the file systems of index and blobs. Bytes that would go below it are refused before they
//!   are asked for. Deletes, aborts and completes are not: they need a little room in the index, and bring more.
//! - Beside the index a file takes up further room (`reserve`). It is given up when somebody else takes the margin, so that
//!   the index can go on writing; and taken again when there is enough.
//! - A thread looks at the file systems a few times a second. In between, what was let in is counted, so asking costs no
//!   system call, and many who ask at once are not let in to the same room.
//!
//! docs/adr/0010-failing-hardware.md has the reasons.

mod reserve;
#[cfg(test)]
mod tests;

use crate::telemetry::{self, Metric};
use reserve::Reserve;
use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::Duration,
};

/// How often the file systems are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The name of the reserve in the directory of the index, which knows its own files by theirs.
const RESERVE_FILE: &str = "reserve";

/// The margin is this part of the reserve.
const MARGIN_OF_RESERVE: u64 = 4;

/// Free inodes that are kept, on file systems that have a number of them: the index could not begin a file without.
const INODES_FREE_MIN: u64 = 64;

/// What bytes are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Records and small bodies.
    Index,
    /// Larger bodies.
    Blobs,
}

impl Store {
    const ALL: [Self; 2] = [Self::Index, Self::Blobs];

    fn name(self) -> &'static str {
        match self {
            Self::Index => "index",
            Self::Blobs => "blobs",
        }
    }
}

/// Room on the disks that index and blobs are on. The thread that looks ends when this is dropped.
pub struct Space {
    state: Arc<State>,
    /// Gone when this is, which the thread notices.
    _running: Option<mpsc::Sender<()>>,
}

/// Bytes that were let in. Dropped, they are no longer counted: they will not be written, or not stay.
#[must_use]
pub struct Admission {
    state: Arc<State>,
    store: Store,
    size_bytes: u64,
    /// The look before which they were let in. The next one sees for itself what was written.
    look: u64,
}

/// Room beside what is stored, for what is written there by others than the stores.
#[derive(Clone)]
pub struct Room(Arc<State>);

struct State {
    /// One, or two when the blobs are on a file system of their own.
    volumes: Vec<Volume>,
    /// Only the thread that looks takes it, and whoever opens.
    reserve: Mutex<Reserve>,
    reserve_bytes: u64,
    /// Whether the last change of the reserve failed, and that was told.
    reserve_failed: AtomicBool,
}

/// A file system.
struct Volume {
    path: PathBuf,
    device: Option<u64>,
    /// What new bytes may take, as of the last look. Bytes.
    room: AtomicU64,
    /// What was let in since. Bytes.
    admitted: AtomicU64,
    /// How many looks there were.
    looks: AtomicU64,
}

/// What a file system says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Free {
    bytes: u64,
    inodes: u64,
}

impl Space {
    /// Room without end, for stores that are not on disks.
    #[must_use]
    pub fn unbounded() -> Self {
        let reserve = Mutex::new(Reserve::find(PathBuf::new(), 0));
        Self {
            state: Arc::new(State {
                volumes: vec![Volume::new(Path::new(""))],
                reserve,
                reserve_bytes: 0,
                reserve_failed: AtomicBool::new(false),
            }),
            _running: None,
        }
    }

    /// Gives up the reserve of an index that is about to be opened, should it need the room to open. Blocks.
    pub fn prepare(index: &Path, reserve_bytes: u64) {
        let mut reserve = Reserve::find(index.join(RESERVE_FILE), reserve_bytes);
        let is_short = free(index).is_some_and(|free| free.bytes < margin(reserve_bytes, &reserve));
        if is_short && reserve.held_bytes() > 0 {
            match reserve.give_up() {
                Ok(()) => tracing::warn!("the index's disk is full: its reserve is given up to start"),
                Err(error) => tracing::warn!(%error, "the index's disk is full, and its reserve cannot be given up"),
            }
        }
    }

    /// Watches over the directories of an index and of blobs, which exist. `reserve_bytes` is what the index's reserve is to
    /// hold; without any, nothing is kept and nothing refused. Blocks for a look.
    #[must_use]
    pub fn open(index: &Path, blobs: &Path, reserve_bytes: u64) -> Self {
        if reserve_bytes == 0 {
            // What an earlier run had set aside is not wanted any more.
            let _ = fs::remove_file(index.join(RESERVE_FILE));
            return Self::unbounded();
        }
        let mut paths = vec![index];
        if device(index) != device(blobs) {
            paths.push(blobs);
        }
        let volumes = paths.into_iter().map(Volume::new).collect();
        let reserve = Reserve::find(index.join(RESERVE_FILE), reserve_bytes);
        if let Err(error) = reserve.trim() {
            tracing::warn!(%error, "the index's reserve is larger than it is to be");
        }
        let state = Arc::new(State { volumes, reserve: Mutex::new(reserve), reserve_bytes, reserve_failed: AtomicBool::new(false) });
        state.look();
        let (running, stopped) = mpsc::channel();
        let watched = Arc::clone(&state);
        let spawned = thread::Builder::new().name("disk-space".to_owned()).spawn(move || {
            while stopped.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                watched.look();
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "nobody looks at the room on the disks: what is free now is all that will be used");
        }
        Self { state, _running: Some(running) }
    }

    /// Lets so many bytes in; `None` when there is no room for them, or, with 0 bytes, no room at all.
    pub fn admit(&self, store: Store, size_bytes: u64) -> Option<Admission> {
        let volume = self.state.volume(store);
        // Counted by the next look instead, should that come in between: then they are not given back.
        let look = volume.looks.load(Ordering::Acquire);
        counted(volume.admit(size_bytes)).then(|| Admission { state: Arc::clone(&self.state), store, size_bytes, look })
    }

    /// The same room, for what is written beside the stores.
    #[must_use]
    pub fn room(&self) -> Room {
        Room(Arc::clone(&self.state))
    }

    /// Whether there is room for so many bytes now; does not count them.
    #[must_use]
    pub fn has_room(&self, store: Store, size_bytes: u64) -> bool {
        let room = self.state.volume(store).room.load(Ordering::Acquire);
        room == u64::MAX || counted(room > 0 && size_bytes <= room)
    }

    /// Whether new bytes are refused because a disk is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state.volumes.iter().any(|volume| volume.room.load(Ordering::Acquire) == 0)
    }
}

impl Admission {
    /// The bytes are written, to stay.
    pub fn is_used(mut self) {
        self.size_bytes = 0;
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if self.size_bytes > 0 {
            self.state.volume(self.store).give_back(self.size_bytes, self.look);
        }
    }
}

impl Room {
    /// Whether a path is on a file system of the stores.
    #[must_use]
    pub fn is_watched(&self, path: &Path) -> bool {
        self.volume_of(path).is_some()
    }

    /// Lets so many bytes in where a path is; `false` when that would take what is kept free for the stores. What is on another
    /// file system is not looked at.
    #[must_use]
    pub fn admit(&self, path: &Path, size_bytes: u64) -> bool {
        self.volume_of(path).is_none_or(|volume| volume.admit(size_bytes))
    }

    fn volume_of(&self, path: &Path) -> Option<&Volume> {
        let device = device(path)?;
        self.0.volumes.iter().find(|volume| volume.device == Some(device))
    }
}

/// Counts it when there is none.
fn counted(is_room: bool) -> bool {
    if !is_room {
        telemetry::counter(Metric::RefusedForSpace, &[]).increment(1);
    }
    is_room
}

impl State {
    fn volume(&self, store: Store) -> &Volume {
        let index = match store {
            Store::Index => 0,
            Store::Blobs => self.volumes.len() - 1,
        };
        &self.volumes[index]
    }

    /// Looks at the file systems, and sees to the reserve.
    fn look(&self) {
        let mut reserve = self.reserve.lock().unwrap_or_else(PoisonError::into_inner);
        for (number, volume) in self.volumes.iter().enumerate() {
            let is_index = number == 0;
            let Some(mut free) = free(&volume.path) else { continue };
            if is_index {
                free = self.tend(&mut reserve, &volume.path, free);
            }
            let margin = margin(self.reserve_bytes, &reserve);
            let lacking = if is_index { reserve.lacking_bytes() } else { 0 };
            let room = if free.inodes < INODES_FREE_MIN { 0 } else { free.bytes.saturating_sub(margin.saturating_add(lacking)) };
            volume.note(room);
        }
        telemetry::gauge(Metric::DiskReserve).set(reserve.held_bytes() as f64);
        for store in Store::ALL {
            let room = self.volume(store).room.load(Ordering::Acquire);
            telemetry::store_gauge(Metric::DiskRoom, store.name()).set(room as f64);
            telemetry::store_gauge(Metric::DiskFull, store.name()).set(if room == 0 { 1.0 } else { 0.0 });
        }
    }

    /// Gives the reserve up or takes it; returns what is free then.
    fn tend(&self, reserve: &mut Reserve, index: &Path, before: Free) -> Free {
        let margin = margin(self.reserve_bytes, reserve);
        let done = match wanted(before.bytes, margin, reserve) {
            Wanted::AsItIs => return before,
            Wanted::Nothing => reserve.give_up().inspect(|()| {
                tracing::warn!("the index's disk is full: its reserve is given up, so that deletes can go on");
            }),
            Wanted::All => reserve.fill(),
        };
        match done {
            Ok(()) => self.reserve_failed.store(false, Ordering::Release),
            Err(error) if !reserve.is_possible() => tracing::info!(%error, "the index's file system cannot set a reserve aside"),
            // It will be tried again several times a second.
            Err(error) if !self.reserve_failed.swap(true, Ordering::AcqRel) => tracing::warn!(%error, "the index's reserve"),
            Err(_) => {}
        }
        free(index).unwrap_or(before)
    }
}

/// What the reserve is to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    AsItIs,
    Nothing,
    All,
}

/// The reserve is given up when half of the margin is gone, and taken when twice the margin stays.
fn wanted(free_bytes: u64, margin: u64, reserve: &Reserve) -> Wanted {
    if free_bytes < margin / 2 && reserve.held_bytes() > 0 {
        Wanted::Nothing
    } else if reserve.lacking_bytes() > 0 && free_bytes >= reserve.lacking_bytes().saturating_add(margin.saturating_mul(2)) {
        Wanted::All
    } else {
        Wanted::AsItIs
    }
}

/// What stays free. Where no reserve can be had, the margin does its work, too.
fn margin(reserve_bytes: u64, reserve: &Reserve) -> u64 {
    if reserve.is_possible() { reserve_bytes / MARGIN_OF_RESERVE } else { reserve_bytes }
}

impl Volume {
    fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            device: device(path),
            room: AtomicU64::new(u64::MAX),
            admitted: AtomicU64::new(0),
            looks: AtomicU64::new(0),
        }
    }

    /// Lets so many bytes in, if there is room for them.
    fn admit(&self, size_bytes: u64) -> bool {
        let room = self.room.load(Ordering::Acquire);
        if room == u64::MAX {
            return true;
        }
        let admit = |admitted: u64| admitted.checked_add(size_bytes).filter(|&sum| room > 0 && sum <= room);
        self.admitted.fetch_update(Ordering::AcqRel, Ordering::Acquire, admit).is_ok()
    }

    /// Counts bytes no longer that were let in before a look, unless that was long ago.
    fn give_back(&self, size_bytes: u64, look: u64) {
        if self.looks.load(Ordering::Acquire) == look {
            let less = |admitted: u64| Some(admitted.saturating_sub(size_bytes));
            let _ = self.admitted.fetch_update(Ordering::AcqRel, Ordering::Acquire, less);
        }
    }

    /// Keeps what a look found, and says so when that is another thing than before.
    fn note(&self, room: u64) {
        let before = self.room.swap(room, Ordering::AcqRel);
        self.looks.fetch_add(1, Ordering::AcqRel);
        self.admitted.store(0, Ordering::Release);
        let path = self.path.display();
        match (before == 0, room == 0) {
            (false, true) => tracing::warn!(%path, "the disk is full: new bytes are refused until there is room again"),
            (true, false) => tracing::info!(%path, room, "the disk has room again"),
            (true, true) | (false, false) => {}
        }
    }
}

/// What is free for this process; `None` when the file system does not tell.
fn free(path: &Path) -> Option<Free> {
    let stat = rustix::fs::statvfs(path).ok().filter(|stat| stat.f_blocks > 0)?;
    let inodes = if stat.f_files == 0 { u64::MAX } else { stat.f_favail };
    Some(Free { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), inodes })
}

/// The file system that a directory is on.
fn device(path: &Path) -> Option<u64> {
    Some(fs::metadata(path).ok()?.dev())
}
