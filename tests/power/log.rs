//! RocksDB itself with a log of which only a part reached the disk: what was answered is there, of the rest each commit is
//! there as a whole or not at all, and none without those before it.

use crate::gateway::Dice;
use bytes::Bytes;
use partway::meta::{Kv, RocksKv, RocksSettings, Write, keys};
use std::{
    fs::{self, OpenOptions},
    io::{Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

/// Logs that are cut.
const SEEDS: u64 = 12;

/// Commits that are answered before the cut, and that come after, at most.
const COMMITS_MAX: usize = 40;

/// Writers whose commits share syncs. Those of one come one after the other.
const WRITERS: u8 = 4;

fn open(path: &Path) -> RocksKv {
    let settings = RocksSettings { write_buffer_bytes: 8 << 20, block_cache_bytes: 16 << 20, ..RocksSettings::default() };
    RocksKv::open(path, settings).expect("the index opens")
}

/// The two rows of a commit, in tables that RocksDB keeps apart.
fn rows(writer: u8, commit: usize) -> [Vec<u8>; 2] {
    let number = u32::try_from(commit).expect("not so many").to_be_bytes();
    [b'O', keys::INLINE_DATA_TABLE].map(|table| [&[table, writer][..], &number].concat())
}

/// Commits of all writers, all of them answered.
async fn commit(kv: &RocksKv, commits: std::ops::Range<usize>, value_size: usize) {
    let writers = (0..WRITERS).map(|writer| {
        let commits = commits.clone();
        async move {
            for number in commits {
                let value = Bytes::from(vec![writer; value_size]);
                let writes = rows(writer, number).map(|row| Write::Put(row, value.clone()));
                kv.commit(vec![], writes.into()).await.expect("it is committed");
            }
        }
    });
    futures_util::future::join_all(writers).await;
}

/// The log, of which there is one as long as nothing is flushed.
fn log_of(directory: &Path) -> PathBuf {
    let files = fs::read_dir(directory).expect("the index can be listed").map(|entry| entry.expect("an entry").path());
    let logs: Vec<_> = files.filter(|path| path.extension().is_some_and(|extension| extension == "log")).collect();
    let [log] = &logs[..] else { panic!("one log, not {logs:?}") };
    log.clone()
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).expect("a file").len()
}

/// How many commits of a writer there are, from the first.
async fn count(kv: &RocksKv, writer: u8, commits: usize) -> usize {
    let mut found = vec![];
    for number in 0..commits {
        let mut is_there = vec![];
        for row in rows(writer, number) {
            is_there.push(kv.get(&row).await.expect("the index can be read").is_some());
        }
        assert_eq!(is_there[0], is_there[1], "half of commit {number} of writer {writer}");
        found.push(is_there[0]);
    }
    let count = found.iter().filter(|is_there| **is_there).count();
    assert!(found[..count].iter().all(|is_there| *is_there), "a commit of writer {writer} without the one before it: {found:?}");
    count
}

/// Returns how many of the commits that nobody had heard of survived, and how many did not.
async fn cut_the_log(seed: u64, keeps_answered: bool) -> (usize, usize) {
    let mut dice = Dice::new(seed);
    let (live, copy) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let (answered, later) = (dice.below(COMMITS_MAX), dice.below(COMMITS_MAX) + 1);
    let value_size = *dice.pick(&[10, 600, 5_000]);
    let kv = open(live.path());
    commit(&kv, 0..answered, value_size).await;
    let synced = length(&log_of(live.path()));
    commit(&kv, answered..answered + later, value_size).await;
    for entry in fs::read_dir(live.path()).expect("the index can be listed") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("it can be copied");
    }
    // What of the log reached the disk: all that was synced, and maybe more.
    let log = log_of(copy.path());
    let written = length(&log);
    assert!(written > synced, "the log grows with each commit");
    let first = if keeps_answered { synced } else { 0 };
    let end = first + dice.number() % (written - first + 1);
    let mut file = OpenOptions::new().write(true).open(&log).expect("the log");
    file.set_len(end).expect("it is cut");
    match dice.below(3) {
        0 => {}
        // Its length was there already, its bytes not.
        1 => file.set_len(written).expect("it is extended"),
        _ => {
            file.seek(SeekFrom::Start(end)).expect("its end");
            file.write_all(&dice.bytes(usize::try_from(written - end).expect("a short log"))).expect("noise is written");
        }
    }
    drop((file, kv));
    let kv = open(copy.path());
    let mut survived = 0;
    for writer in 0..WRITERS {
        let count = count(&kv, writer, answered + later).await;
        assert!(count >= answered, "writer {writer} was answered {answered} times, and {count} commits are there");
        survived += count - answered;
    }
    (survived, usize::from(WRITERS) * later - survived)
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime")
}

#[test]
fn commits_that_were_answered_survive_in_a_log_that_is_cut_behind_them() {
    let (mut survived, mut gone) = (0, 0);
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let (more, fewer) = runtime().block_on(cut_the_log(seed, true));
        (survived, gone) = (survived + more, gone + fewer);
    }
    println!("of the commits behind the cut or in front of it {survived} survived and {gone} did not");
    assert!(survived > 0 && gone > 0, "{survived} commits that nobody had heard of survived, {gone} did not");
}

/// The canary.
#[test]
fn a_log_that_is_cut_before_answered_commits_is_noticed() {
    let noticed = (0..SEEDS).any(|seed| std::panic::catch_unwind(|| runtime().block_on(cut_the_log(seed, false))).is_err());
    assert!(noticed, "nobody noticed");
}
