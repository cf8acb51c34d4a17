//! The engine on a real directory: its contract, what survives a restart, and what a failed write leads to.

use super::*;
use crate::{meta::keys, testkit::kv_suite};
use std::time::Duration;

fn open(path: &Path) -> RocksKv {
    RocksKv::open(path, RocksSettings::default()).unwrap()
}

fn put(key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Write {
    Write::Put(key.as_ref().to_vec(), Bytes::copy_from_slice(value.as_ref()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms_to_the_contract_of_an_engine() {
    let directory = tempfile::tempdir().unwrap();
    kv_suite::run(Arc::new(open(directory.path()))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn conforms_when_writes_are_not_synced_and_memory_is_scarce() {
    let directory = tempfile::tempdir().unwrap();
    let settings = RocksSettings {
        sync_writes: false,
        drop_after_damage: false,
        block_cache_bytes: 1 << 16,
        write_buffer_bytes: 1 << 17,
        open_files_max: 20,
        log_bytes_max: 1 << 18,
        background_jobs_max: 1,
    };
    kv_suite::run(Arc::new(RocksKv::open(directory.path(), settings).unwrap())).await;
}

/// Nothing is in memory after a reopen, so this also shows that a read that memory cannot serve is
/// never answered from memory.
#[tokio::test]
async fn everything_is_there_after_a_reopen() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/new/directory");
    let rows = |table: u8| {
        (0..3000_u32).map(move |index| ([&[table], &index.to_be_bytes()[..]].concat(), vec![index as u8; 300 + index as usize % 600]))
    };
    {
        let kv = open(&path);
        for table in [b'O', keys::INLINE_DATA_TABLE] {
            kv.commit(vec![], rows(table).map(|(key, value)| put(key, value)).collect()).await.unwrap();
        }
        kv.commit(vec![], rows(b'O').skip(10).step_by(7).map(|(key, _)| Write::Delete(key)).collect()).await.unwrap();
    }
    for _ in 0..2 {
        let kv = open(&path);
        for (index, (key, value)) in rows(b'O').enumerate() {
            let expected = (index < 10 || (index - 10) % 7 != 0).then(|| value.into());
            assert_eq!(kv.get(&key).await, Ok(expected), "{index}");
        }
        for (index, (key, value)) in rows(keys::INLINE_DATA_TABLE).enumerate() {
            let page = kv.scan(key.clone()..keys::table(keys::INLINE_DATA_TABLE).end, 3).await.unwrap();
            assert_eq!(page.len(), 3.min(3000 - index));
            assert_eq!(page[0], (Bytes::from(key), Bytes::from(value)));
        }
        assert_eq!(kv.scan(keys::table(b'O'), usize::MAX).await.unwrap().len(), 3000 - 2990_usize.div_ceil(7));
    }
}

/// Reads are tried without blocking first; what memory cannot answer it must not guess.
#[tokio::test]
async fn memory_says_when_it_does_not_know() {
    let directory = tempfile::tempdir().unwrap();
    drop({
        let kv = open(directory.path());
        kv.commit(vec![], vec![put("Oa", "1"), put("Oc", "1"), put("Da", vec![1; 5000])]).await.unwrap();
        kv
    });
    let kv = open(directory.path());
    kv.commit(vec![], vec![put("Od", "1")]).await.unwrap();
    let all = || keys::table(b'O');
    assert_eq!(kv.store.get(b"Od", Reach::Memory).unwrap(), Some("1".into()), "in memory since it was written");
    for key in ["Oa", "Da"] {
        assert!(matches!(kv.store.get(key.as_bytes(), Reach::Memory), Err(ReadError::NotInMemory)), "{key}");
    }
    assert!(matches!(kv.store.scan(all(), 9, Reach::Memory), Err(ReadError::NotInMemory)));
    assert_eq!(kv.scan(all(), 9).await.unwrap().len(), 3);
    assert_eq!(kv.get(b"Da").await, Ok(Some(vec![1; 5000].into())));
    assert_eq!(kv.store.scan(all(), 9, Reach::Memory).unwrap().len(), 3, "in memory since it was read");
    assert_eq!(kv.store.get(b"Oa", Reach::Memory).unwrap(), Some("1".into()));
    assert_eq!(kv.store.get(b"Ob", Reach::Memory).unwrap(), None);
    assert_eq!(kv.store.get(b"Da", Reach::Memory).unwrap(), Some(vec![1; 5000].into()));
}

/// What was committed is in the log, so it outlives a process that never came to close its files.
#[tokio::test]
async fn a_commit_survives_without_a_clean_end() {
    let directory = tempfile::tempdir().unwrap();
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let kv = open(&original);
    kv.commit(vec![], vec![put("Oa", "1"), put("Da", vec![1; 5000])]).await.unwrap();
    std::fs::create_dir(&copy).unwrap();
    for file in std::fs::read_dir(&original).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let kv = open(&copy);
    assert_eq!(kv.get(b"Oa").await, Ok(Some("1".into())));
    assert_eq!(kv.get(b"Da").await, Ok(Some(vec![1; 5000].into())));
}

#[tokio::test]
async fn a_directory_is_opened_once() {
    let directory = tempfile::tempdir().unwrap();
    let kv = open(directory.path());
    assert!(matches!(RocksKv::open(directory.path(), RocksSettings::default()), Err(KvError::Engine(_))));
    drop(kv);
    open(directory.path());
}

#[tokio::test]
async fn inline_data_is_kept_apart_from_the_records() {
    let directory = tempfile::tempdir().unwrap();
    let kv = open(directory.path());
    kv.commit(vec![], vec![put("Oa", vec![1; 5000])]).await.unwrap();
    kv.store.flush().unwrap();
    let blob_files = || {
        let names = std::fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".blob")).count()
    };
    assert_eq!(blob_files(), 0);
    kv.commit(vec![], vec![put("Da", vec![1; 5000])]).await.unwrap();
    kv.store.flush().unwrap();
    assert_eq!(blob_files(), 1);
    assert_eq!(kv.get(b"Da").await, Ok(Some(vec![1; 5000].into())));
}

#[tokio::test]
async fn a_write_that_fails_makes_the_index_read_only_for_good() {
    let directory = tempfile::tempdir().unwrap();
    open(directory.path()).commit(vec![], vec![put("Oa", "1")]).await.unwrap();
    let kv = RocksKv::start(Store::open_unwritable(directory.path(), &RocksSettings::default()).unwrap()).unwrap();
    let checks = vec![Check::Present(b"Oa".to_vec())];
    assert_eq!(kv.commit(checks.clone(), vec![]).await, Ok(()), "there was nothing to write");
    assert!(!kv.is_read_only());
    assert_eq!(kv.commit(checks.clone(), vec![put("Oa", "2")]).await, Err(KvError::ReadOnly));
    assert!(kv.is_read_only());
    assert_eq!(kv.commit(checks, vec![]).await, Err(KvError::ReadOnly));
    assert_eq!(kv.commit(vec![], vec![put("Oa", "3")]).await, Err(KvError::ReadOnly));
    assert_eq!(kv.get(b"Oa").await, Ok(Some("1".into())));
}

/// The answer to a commit that waits rests on the batch before it, and so does a conflict.
#[tokio::test]
async fn all_who_share_a_batch_that_fails_are_told() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let store = Store::open_unwritable(directory.path(), &RocksSettings::default()).unwrap();
    let (sender, queue) = mpsc::channel(8);
    let mut answers = vec![];
    for checks in [vec![], vec![Check::Absent(b"Oa".to_vec())], vec![Check::Present(b"Oa".to_vec())]] {
        let (answer, outcome) = oneshot::channel();
        sender.try_send(committer::Request { checks, writes: vec![put("Oa", "1")], answer }).ok().unwrap();
        answers.push(outcome);
    }
    drop(sender);
    let read_only = AtomicBool::new(false);
    tokio::task::spawn_blocking(move || committer::run(&store, &read_only, queue)).await.unwrap();
    for outcome in answers {
        assert_eq!(outcome.await.unwrap(), Err(KvError::ReadOnly));
    }
}

#[tokio::test]
async fn commits_in_one_batch_see_those_before_them() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), &RocksSettings::default()).unwrap();
    let key = |name: &str| name.as_bytes().to_vec();
    let range = || Check::EmptyRange(key("Ob")..key("Oc"));
    let add = |name: &str, delta| Write::Add { counter: key(name), delta };
    let at_most = |add, limit| Check::AtMost { counters: vec![key("Oc")], add, limit };
    let steps = [
        (vec![range()], vec![put("Ob1", "1")], Ok(())),
        (vec![range()], vec![put("Ob2", "1")], Err(KvError::Conflict(0))),
        (vec![Check::Absent(key("Ob2"))], vec![put("Ob2", "2")], Ok(())),
        (vec![Check::Equals(key("Ob1"), "1".into())], vec![Write::Delete(key("Ob1")), Write::Delete(key("Ob2"))], Ok(())),
        (vec![Check::Absent(key("Oa")), Check::Present(key("Ob1"))], vec![], Err(KvError::Conflict(1))),
        (vec![range(), Check::Absent(key("Ob1"))], vec![put("Ob3", "1")], Ok(())),
        (vec![Check::Equals(key("Ob3"), "2".into())], vec![Write::Delete(key("Ob3"))], Err(KvError::Conflict(0))),
        (vec![at_most(3, 5)], vec![add("Oc", 3), add("Od", 7)], Ok(())),
        (vec![at_most(3, 5)], vec![add("Oc", 3)], Err(KvError::Conflict(0))),
        (vec![at_most(2, 5)], vec![add("Oc", 2)], Ok(())),
        (vec![], vec![Write::Take { counter: key("Oc"), off: vec![key("Od")] }], Ok(())),
        (vec![at_most(5, 5)], vec![], Ok(())),
    ];
    let (sender, queue) = mpsc::channel(16);
    let mut answers = vec![];
    for (checks, writes, expected) in steps {
        let (answer, outcome) = oneshot::channel();
        sender.try_send(committer::Request { checks, writes, answer }).ok().unwrap();
        answers.push((outcome, expected));
    }
    drop(sender);
    let store = Arc::new(store);
    let worker = Arc::clone(&store);
    tokio::task::spawn_blocking(move || committer::run(&worker, &AtomicBool::new(false), queue)).await.unwrap();
    for (index, (outcome, expected)) in answers.into_iter().enumerate() {
        assert_eq!(outcome.await.unwrap(), expected, "step {index}");
    }
    let rows = store.scan(keys::table(b'O'), 9, Reach::Disk).unwrap();
    assert_eq!(rows, [("Ob3".into(), "1".into()), ("Od".into(), bytes::Bytes::copy_from_slice(&2_u64.to_be_bytes()))]);
}

#[tokio::test]
async fn dropping_settles_what_waits() {
    let directory = tempfile::tempdir().unwrap();
    let kv = Arc::new(open(directory.path()));
    let mut callers = vec![];
    for index in 0..100_u8 {
        let kv = Arc::clone(&kv);
        callers.push(tokio::spawn(async move { kv.commit(vec![], vec![put([b'O', index], "x")]).await }));
    }
    // Long enough for the commits to be queued; their callers then go away without an answer.
    tokio::time::sleep(Duration::from_millis(1)).await;
    for caller in callers {
        caller.abort();
        let _ = caller.await;
    }
    let seen = kv.scan(keys::table(b'O'), usize::MAX).await.unwrap().len();
    drop(Arc::into_inner(kv).expect("the callers are gone"));
    let kept = open(directory.path()).scan(keys::table(b'O'), usize::MAX).await.unwrap().len();
    assert!(kept >= seen && kept > 0, "{kept} kept of {seen} seen");
}

/// Both tables of a commit are in a checkpoint or neither is, and every commit that returned before is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_checkpoint_is_of_one_moment_after_what_was_acknowledged_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let kv = Arc::new(open(&directory.path().join("live")));
    let acknowledged = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let writer = tokio::spawn({
        let (kv, acknowledged) = (Arc::clone(&kv), Arc::clone(&acknowledged));
        async move {
            for number in 1..=u64::MAX {
                let value = [number.to_be_bytes().as_slice(), &[0; 600]].concat();
                kv.commit(vec![], vec![put(b"Ox", &value), put([keys::INLINE_DATA_TABLE, b'x'], &value)]).await.unwrap();
                acknowledged.store(number, Ordering::SeqCst);
            }
        }
    });
    for round in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let before = acknowledged.load(Ordering::SeqCst);
        let path = directory.path().join(format!("checkpoint-{round}"));
        let (from, to) = (Arc::clone(&kv), path.clone());
        tokio::task::spawn_blocking(move || from.checkpoint(&to)).await.unwrap().unwrap();
        let copy = RocksKv::open_read_only(&path, RocksSettings::default()).unwrap();
        let (row, data) = (copy.get(b"Ox").await.unwrap(), copy.get(&[keys::INLINE_DATA_TABLE, b'x']).await.unwrap());
        assert_eq!(row, data, "round {round}");
        let found = row.map_or(0, |value| u64::from_be_bytes(value[..8].try_into().unwrap()));
        assert!(found >= before, "{found} of {before} in round {round}");
        assert_eq!(copy.commit(vec![], vec![put("Oy", "")]).await, Err(KvError::ReadOnly));
        drop(copy);
        // A start takes it as a database of its own.
        let started = open(&path);
        assert_eq!(started.get(b"Ox").await.unwrap(), data);
        started.commit(vec![], vec![put("Ox", "changed")]).await.unwrap();
    }
    writer.abort();
    let _ = writer.await;
    assert!(kv.get(b"Ox").await.unwrap().is_some_and(|value| value.len() == 608), "checkpoints do not share what changes");
}

#[tokio::test]
async fn what_is_rewritten_has_no_former_values_in_any_file() {
    const FORMER: &[u8] = b"q7Xw2Lr9Zk4Tn8Vb3Jm6Hs1Dg5Pf0Yc";
    let directory = tempfile::tempdir().unwrap();
    let holds_former = || {
        let files = std::fs::read_dir(directory.path()).unwrap().filter_map(|entry| std::fs::read(entry.unwrap().path()).ok());
        files.filter(|bytes| memchr::memmem::find(bytes, FORMER).is_some()).count()
    };
    {
        let kv = open(directory.path());
        kv.commit(vec![], vec![put("Ka", FORMER), put("Oa", "other")]).await.unwrap();
    }
    let kv = open(directory.path());
    kv.commit(vec![], vec![put("Kb", FORMER)]).await.unwrap();
    assert!(holds_former() >= 2, "the canary: in a sorted file and in the log");
    kv.commit(vec![], vec![put("Ka", "sealed"), put("Kb", "sealed")]).await.unwrap();
    kv.rewrite(&keys::table(b'K')).unwrap();
    for _ in 0..500 {
        if holds_former() == 0 {
            break;
        }
        // Files that are no longer needed go in the background.
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(holds_former(), 0);
    assert_eq!((kv.get(b"Ka").await, kv.get(b"Oa").await), (Ok(Some("sealed".into())), Ok(Some("other".into()))));
}

/// The files of an index as a kill would leave them.
pub(super) fn files_after_a_kill(original: &std::path::Path, copy: &std::path::Path) {
    std::fs::create_dir(copy).unwrap();
    for file in std::fs::read_dir(original).unwrap() {
        let file = file.unwrap();
        match std::fs::copy(file.path(), copy.join(file.file_name())) {
            // Files that RocksDB needs no more are removed in the background.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
}

/// What an earlier release wrote has its indexes and filters in one piece, and other sizes of everything.
#[tokio::test]
async fn files_of_an_earlier_release_are_read_and_added_to() {
    let directory = tempfile::tempdir().unwrap();
    let rows = |table: u8| (0..2_000_u32).map(move |index| ([&[table], &index.to_be_bytes()[..]].concat(), vec![index as u8; 100]));
    {
        let mut table = rocksdb::BlockBasedOptions::default();
        table.set_block_size(4 << 10);
        table.set_bloom_filter(10.0, false);
        let mut family = rocksdb::Options::default();
        family.set_block_based_table_factory(&table);
        family.set_compression_type(rocksdb::DBCompressionType::Lz4);
        let mut database = rocksdb::Options::default();
        database.create_if_missing(true);
        database.create_missing_column_families(true);
        let families = ["default", "inline-data"].map(|name| rocksdb::ColumnFamilyDescriptor::new(name, family.clone()));
        let db = rocksdb::DB::open_cf_descriptors(&database, directory.path(), families).unwrap();
        for (name, table) in [("default", b'O'), ("inline-data", keys::INLINE_DATA_TABLE)] {
            let family = db.cf_handle(name).unwrap();
            rows(table).for_each(|(key, value)| db.put_cf(family, key, value).unwrap());
            db.flush_cf(family).unwrap();
        }
    }
    for generation in 0..3_u8 {
        let kv = open(directory.path());
        for table in [b'O', keys::INLINE_DATA_TABLE] {
            for (key, value) in rows(table).step_by(37) {
                assert_eq!(kv.get(&key).await, Ok(Some(value.into())), "{key:?}");
            }
            assert_eq!(kv.get(&[table, 0, 0, 0xFF, 0]).await, Ok(None));
            assert_eq!(kv.scan(keys::table(table), 5_000).await.unwrap().len(), 2_000 + usize::from(generation), "{table}");
            kv.commit(vec![], vec![put([table, 1, 0, 0, generation], [generation])]).await.unwrap();
        }
        // The second time everything has been rewritten as it is written now.
        kv.rewrite(&keys::table(b'O')).unwrap();
    }
}

#[tokio::test]
async fn rows_that_were_taken_in_at_once_are_as_any_others() {
    let directory = tempfile::tempdir().unwrap();
    let settings = RocksSettings::default();
    let rows =
        |table: u8| (0..3_000_u32).map(move |index| ([&[table], &index.to_be_bytes()[..]].concat(), Bytes::from(vec![index as u8; 64])));
    {
        let kv = open(directory.path());
        kv.commit(vec![], vec![put(b"B1", b"bucket")]).await.unwrap();
        for table in [b'O', keys::INLINE_DATA_TABLE] {
            assert_eq!(kv.load(&settings, rows(table)), Ok(3_000));
        }
        assert_eq!(kv.load(&settings, []), Ok(0));
        let disordered = rows(b'P').take(2).collect::<Vec<_>>().into_iter().rev();
        assert!(matches!(kv.load(&settings, disordered), Err(KvError::Engine(_))));
        kv.commit(vec![Check::Present(b"O\0\0\0\x07".to_vec())], vec![Write::Delete(b"O\0\0\0\x07".to_vec())]).await.unwrap();
    }
    let kv = open(directory.path());
    let expected: Vec<_> = rows(b'O').filter(|(key, _)| key[4] != 7 || key[3] != 0).map(|(key, value)| (Bytes::from(key), value)).collect();
    assert_eq!(kv.scan(keys::table(b'O'), 5_000).await, Ok(expected));
    assert_eq!(kv.scan(keys::table(keys::INLINE_DATA_TABLE), 5_000).await.unwrap().len(), 3_000);
    assert_eq!(kv.scan(keys::table(b'P'), 5_000).await, Ok(vec![]));
}
