//! An index whose files are not what was written: its sorted files, the bodies it keeps, and its log.

use crate::{
    client::Dialect,
    namespace::place,
    server::verify,
    store::{Store, noise},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// The files of the index of this kind, the largest first.
fn files(data: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(data.join("index"))
        .expect("there is an index")
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).map_or(0, |file| file.len())));
    files
}

/// Small objects, which the index keeps.
fn objects(count: u64) -> BTreeMap<String, Vec<u8>> {
    (0..count).map(|number| (format!("key-{number:03}"), noise(number, 1_000 + number as usize * 7))).collect()
}

fn fill(store: &mut Store, objects: &BTreeMap<String, Vec<u8>>) {
    objects.iter().for_each(|(key, bytes)| store.must_put(key, bytes));
}

#[test]
fn rot_in_the_files_of_the_index_is_named_and_never_served() {
    let place = place();
    let (data, log) = (place.path().join("data"), place.path().join("log"));
    let objects = objects(60);
    let mut store = Store::create(&data, &log, &[]);
    fill(&mut store, &objects);
    store.server.stop();
    assert!(verify(&data).0, "all is well before");
    for extension in ["sst", "blob"] {
        let file = files(&data, extension).into_iter().next().expect("a clean end leaves nothing in the log");
        let sound = fs::read(&file).expect("it can be read");
        for tenth in [2, 6] {
            let mut rotten = sound.clone();
            let at = rotten.len() * tenth / 10;
            rotten[at] ^= 0x04;
            fs::write(&file, rotten).expect("it can be written");
            let (is_well, text) = verify(&data);
            assert!(!is_well, "{extension}, byte {at}: {text}");
            let name = file.file_name().expect("a file").to_str().expect("text");
            // RocksDB names its sorted files; of the bodies it is told between which rows.
            assert!(text.contains(name) || text.contains("rows of table D"), "{extension}, byte {at}: {text}");
            // Some rot keeps the index from being opened at all, which is told as well.
            if let Ok(store) = Store::try_start(&data, &log, &[]) {
                let mut failed = 0;
                for (key, bytes) in &objects {
                    let got = store.get(Dialect::S3, key, None);
                    if got.status == 500 { failed += 1 } else { got.assert_is(bytes) }
                }
                assert!(failed > 0, "{extension}, byte {at}");
                if extension == "sst" {
                    assert!(store.metric("partway_corrupt_index_reads_total") > 0.0);
                }
                store.server.kill();
            }
            fs::write(&file, &sound).expect("it can be written");
        }
        let mut store = Store::start(&data, &log, &[]);
        store.assert_holds(&objects);
        store.server.stop();
        assert!(verify(&data).0);
    }
}

#[test]
fn an_index_whose_list_of_files_rotted_is_not_opened() {
    let place = place();
    let (data, log) = (place.path().join("data"), place.path().join("log"));
    let objects = objects(5);
    let mut store = Store::create(&data, &log, &[]);
    fill(&mut store, &objects);
    store.server.stop();
    let listed = fs::read_dir(data.join("index")).expect("there is an index").map(|entry| entry.expect("it can be listed").path());
    let manifest = listed.filter(|path| path.display().to_string().contains("MANIFEST-")).max().expect("there is a list of files");
    let sound = fs::read(&manifest).expect("it can be read");
    let mut rotten = sound.clone();
    rotten[sound.len() / 2] ^= 0x40;
    fs::write(&manifest, rotten).expect("it can be written");
    let refused = Store::try_start(&data, &log, &[]).err().expect("the list of files is wrong");
    assert!(refused.contains("cannot open the index"), "{refused}");
    assert!(!verify(&data).0);
    fs::write(&manifest, sound).expect("it can be written");
    let mut store = Store::start(&data, &log, &[]);
    store.assert_holds(&objects);
    store.server.stop();
}

/// Rot in the log would take all later commits along without a word, so it is no start at all.
/// Where the second record of a log begins: the first one, which a start writes, is shorter than the part of a commit that is
/// wanted here. A record is its CRC 4, length 2, type 1, and so many bytes.
fn second_record(log: &[u8]) -> usize {
    7 + usize::from(u16::from_le_bytes([log[4], log[5]]))
}

#[test]
fn a_log_that_has_lost_acknowledged_commits_is_refused_until_somebody_accepts_that() {
    let place = place();
    let (data, log) = (place.path().join("data"), place.path().join("log"));
    let mut objects = objects(40);
    let mut store = Store::create(&data, &log, &[]);
    fill(&mut store, &objects);
    store.server.kill();
    let file = files(&data, "log").into_iter().next().expect("a log");
    let sound = fs::read(&file).expect("it can be read");
    let mut rotten = sound.clone();
    rotten[sound.len() / 2] ^= 0x01;
    fs::write(&file, &rotten).expect("it can be written");
    let refused = Store::try_start(&data, &log, &[]).err().expect("what was acknowledged is gone");
    assert!(refused.contains("damaged at byte") && refused.contains("damaged-log"), "{refused}");
    assert!(!verify(&data).0);

    // Nothing was changed by trying.
    fs::write(&file, &sound).expect("it can be written");
    let mut store = Store::start(&data, &log, &[]);
    store.assert_holds(&objects);
    store.must_put("one-more", b"1");
    objects.insert("one-more".to_owned(), b"1".to_vec());
    store.server.kill();

    // A commit cut short, which nobody was told of, is no reason.
    let file = files(&data, "log").into_iter().next().expect("a log");
    let sound = fs::read(&file).expect("it can be read");
    fs::write(&file, [&sound[..], &sound[second_record(&sound)..][..100]].concat()).expect("it can be written");
    let mut store = Store::start(&data, &log, &[]);
    store.assert_holds(&objects);
    let more = (0..40).map(|number| (format!("more-{number:03}"), noise(number, 500))).collect();
    fill(&mut store, &more);
    store.server.kill();

    let file = files(&data, "log").into_iter().next().expect("a log");
    let mut rotten = fs::read(&file).expect("it can be read");
    let middle = rotten.len() / 2;
    rotten[middle] ^= 0x01;
    fs::write(&file, &rotten).expect("it can be written");
    assert!(Store::try_start(&data, &log, &[]).is_err());
    let mut store = Store::start(&data, &log, &["--damaged-log", "drop"]);
    let left = store.keys();
    assert!(left.len() > objects.len() && left.len() < objects.len() + more.len(), "{} keys", left.len());
    objects.extend(more.into_iter().filter(|(key, _)| left.contains(key)));
    store.assert_holds(&objects);
    store.server.stop();
    assert!(verify(&data).0);
}
