//! Disks that fill up: new bytes are refused, everything else goes on, and so do new bytes once there is room.

use crate::{
    client::{Dialect, Request},
    disk::{FileSystem, run},
    image::{Disks, Layout},
    namespace::{place, within_namespace},
    server::verify,
    store::{Store, noise, refusal},
};
use std::{collections::BTreeMap, fs, time::Duration};

const MIB: usize = 1 << 20;

/// Leaves 8 MiB as the margin.
const RESERVE: &[&str] = &["--disk-reserve", "32MiB"];

fn full() -> (u16, String) {
    (507, "InsufficientStorage".to_owned())
}

/// That everything which brings new bytes is refused in both dialects.
#[track_caller]
fn assert_refuses_new_bytes(store: &mut Store, size: usize, upload: &str) {
    let bytes = noise(7, size);
    for dialect in [Dialect::S3, Dialect::Oss] {
        let target = format!("partNumber=9&uploadId={upload}");
        for (key, query) in [("refused", ""), ("open", target.as_str())] {
            let answer = store.ask(dialect, "PUT", key, query, bytes.clone());
            assert_eq!(refusal(&answer), full(), "{dialect:?} {key}");
        }
    }
    let answer = store.ask(Dialect::Oss, "POST", "refused", "append&position=0", bytes);
    assert_eq!(refusal(&answer), full());
}

fn a_full_disk(layout: Layout) {
    let place = place();
    let log = place.path().join("log");
    let (disks, mut store) = Disks::create(place.path(), layout, &log, RESERVE);
    let mut objects = BTreeMap::new();
    for (key, size) in [("small", 100), ("medium", 100_000), ("large", 3 * MIB), ("to-go", 2 * MIB)] {
        objects.insert(key.to_owned(), noise(size as u64, size));
        store.must_put(key, &objects[key]);
    }
    let parts = [noise(1, MIB), noise(2, MIB)];
    let (open, _) = store.upload(Dialect::S3, "open", &[]);
    let to_complete = store.upload(Dialect::Oss, "completed", &parts);
    let (to_abort, _) = store.upload(Dialect::S3, "aborted", &parts);
    assert_eq!(store.operator("/readyz"), (200, "ready\n".to_owned()));

    if layout == Layout::IndexApart {
        disks.index.fill_up("others", 6 << 20);
        store.wait_until("the index's disk is full", |store| store.metric("partway_disk_full") > 0.0);
    } else {
        // By clients, once others have left no more than it takes to see that.
        disks.blobs().fill_up("most", 36 << 20);
        for number in 0..100 {
            let (key, bytes) = (format!("fill-{number:02}"), noise(100 + number, 8 * MIB));
            let answer = store.put(&key, &bytes);
            if answer.status != 200 {
                assert_eq!(refusal(&answer), full());
                break;
            }
            objects.insert(key, bytes);
        }
        disks.blobs().fill_up("others", 7 << 20);
        store.wait_until("the blobs' disk is full", |store| store.metric("partway_disk_full") > 0.0);
    }
    assert_refuses_new_bytes(&mut store, 2 * MIB, &open);
    assert_refuses_new_bytes(&mut store, 90_000, &open);
    let (status, text) = store.operator("/readyz");
    assert!(status == 200 && text.contains("full"), "deletes have to come through: {status} {text}");
    assert_eq!(store.operator("/healthz").0, 200);
    assert!(store.metric("partway_refused_for_space_total") > 0.0);
    assert_eq!(store.metric("partway_read_only"), 0.0);
    // Bodies that the index keeps need its disk alone.
    let answer = store.put("in-the-index", b"12345");
    if layout == Layout::BlobsApart {
        assert_eq!(answer.status, 200);
        objects.insert("in-the-index".to_owned(), b"12345".to_vec());
    } else {
        assert_eq!(refusal(&answer), full());
        let refused = store.ask(Dialect::S3, "POST", "another", "uploads", vec![]);
        assert_eq!(refusal(&refused), full());
    }
    // Nobody is asked for a body that there is no room for.
    let mut request = Request::new(Dialect::S3, "PUT", "refused").header("expect".to_owned(), "100-continue");
    request.body = vec![0; 2 * MIB];
    let head = store.client.bytes(&request);
    let head = &head[..head.len() - request.body.len()];
    let mut raw = partway::testkit::raw_client::RawClient::connect(store.server.address).expect("the server listens");
    raw.send(head).expect("the server reads");
    assert_eq!(refusal(&raw.receive("PUT").expect("an answer without a body")), full());

    // What frees room, and what ends what was begun.
    store.assert_holds(&objects);
    assert_eq!(fs::read_dir(disks.data.join("blobs/staging")).expect("a directory").count(), 0, "nothing is half there");
    store.complete(Dialect::Oss, "completed", to_complete);
    objects.insert("completed".to_owned(), parts.concat());
    assert_eq!(store.ask(Dialect::S3, "DELETE", "aborted", &format!("uploadId={to_abort}"), vec![]).status, 204);
    store.must_delete("to-go");
    objects.remove("to-go");
    let filling: Vec<_> = objects.keys().filter(|key| key.starts_with("fill-")).cloned().collect();
    for key in filling {
        store.must_delete(&key);
        objects.remove(&key);
    }
    store.assert_holds(&objects);
    disks.index.clear();
    disks.blobs().clear();
    let bytes = noise(8, 2 * MIB);
    store.wait_until("there is room again", |store| store.put("after", &bytes).status == 200);
    objects.insert("after".to_owned(), bytes);
    store.wait_until("nothing is full any more", |store| store.metric("partway_disk_full") == 0.0);
    assert_eq!(store.operator("/readyz"), (200, "ready\n".to_owned()));
    store.assert_holds(&objects);
    assert!(!store.server.log().contains("ERROR"), "{}", store.server.log());
    let (is_well, text) = verify(&disks.data);
    assert!(is_well, "{text}");
    store.server.kill();
    let mut store = Store::start(&disks.data, &log, RESERVE);
    store.assert_holds(&objects);
    store.server.stop();
}

#[test]
fn a_full_disk_refuses_new_bytes_and_nothing_else() {
    within_namespace("disk_full::a_full_disk_refuses_new_bytes_and_nothing_else", FileSystem::Ext4, || a_full_disk(Layout::OneDisk));
}

#[test]
fn a_full_disk_of_the_blobs_refuses_new_bytes_and_nothing_else() {
    within_namespace("disk_full::a_full_disk_of_the_blobs_refuses_new_bytes_and_nothing_else", FileSystem::Ext4, || {
        a_full_disk(Layout::BlobsApart);
    });
}

#[test]
fn a_full_disk_of_the_index_refuses_new_bytes_and_nothing_else() {
    within_namespace("disk_full::a_full_disk_of_the_index_refuses_new_bytes_and_nothing_else", FileSystem::Ext4, || {
        a_full_disk(Layout::IndexApart);
    });
}

/// Others take every block there is. Then the reserve is what deletes live on, also over a restart.
#[test]
fn a_reserve_keeps_deletes_going_when_others_take_all_the_rest() {
    within_namespace("disk_full::a_reserve_keeps_deletes_going_when_others_take_all_the_rest", FileSystem::Ext4, || {
        let place = place();
        let log = place.path().join("log");
        let flags = ["--disk-reserve", "40MiB"];
        let (disks, mut store) = Disks::create(place.path(), Layout::OneDisk, &log, &flags);
        let mut objects: BTreeMap<_, _> = (0..60).map(|number| (format!("key-{number:02}"), noise(number, 20_000))).collect();
        objects.iter().for_each(|(key, bytes)| store.must_put(key, bytes));
        assert_eq!(store.metric("partway_disk_reserve_bytes"), f64::from(40 << 20));
        let delete_some = |store: &mut Store, objects: &mut BTreeMap<String, Vec<u8>>| {
            for _ in 0..20 {
                let (key, _) = objects.pop_first().expect("there are enough");
                store.must_delete(&key);
            }
        };
        disks.index.fill_to_the_brim("first");
        store.wait_until("the reserve is given up", |store| store.metric("partway_disk_reserve_bytes") == 0.0);
        assert_eq!(refusal(&store.put("refused", b"1")), full());
        delete_some(&mut store, &mut objects);
        store.assert_holds(&objects);

        disks.index.clear();
        store.wait_until("the reserve is taken again", |store| store.metric("partway_disk_reserve_bytes") > 0.0);
        store.must_put("in-between", b"1");
        objects.insert("in-between".to_owned(), b"1".to_vec());

        // Nobody looks at the disk meanwhile: what gives up the reserve is the start, which needs room itself.
        store.server.kill();
        disks.index.fill_to_the_brim("second");
        let mut store = Store::start(&disks.data, &log, &flags);
        assert!(store.server.log().contains("its reserve is given up to start"), "{}", store.server.log());
        // The log that was read at the start is gone, and its room with it.
        disks.index.fill_to_the_brim("third");
        store.wait_until("the disk is full", |store| store.metric("partway_disk_full") > 0.0);
        assert_eq!(refusal(&store.put("refused", b"1")), full());
        delete_some(&mut store, &mut objects);
        store.assert_holds(&objects);
        disks.index.clear();
        store.wait_until("there is room again", |store| store.put("refused", b"1").status == 200);
        objects.insert("refused".to_owned(), b"1".to_vec());
        store.server.stop();
        let mut store = Store::start(&disks.data, &log, &flags);
        store.assert_holds(&objects);
        store.server.stop();
        assert!(verify(&disks.data).0);
    });
}

/// Without a reserve the index itself runs out. It refuses what it cannot write, and goes on when there is room.
#[test]
fn an_index_that_ran_out_of_room_writes_again_without_a_restart() {
    within_namespace("disk_full::an_index_that_ran_out_of_room_writes_again_without_a_restart", FileSystem::Ext4, || {
        let place = place();
        let log = place.path().join("log");
        let flags = ["--disk-reserve", "0", "--inline-size-max", "1MiB"];
        let (disks, mut store) = Disks::create(place.path(), Layout::OneDisk, &log, &flags);
        let mut objects = BTreeMap::new();
        store.must_put("first", b"1");
        objects.insert("first".to_owned(), b"1".to_vec());
        disks.index.fill_to_the_brim("others");
        let mut refused = 0;
        // The log has room set aside for a while.
        for number in 0..400 {
            let (key, bytes) = (format!("key-{number:03}"), noise(number, 900_000));
            let dialect = if number % 2 == 0 { Dialect::S3 } else { Dialect::Oss };
            let answer = store.ask(dialect, "PUT", &key, "", bytes.clone());
            if answer.status == 200 {
                objects.insert(key, bytes);
                continue;
            }
            assert_eq!(refusal(&answer), full());
            refused += 1;
            if refused == 5 {
                break;
            }
        }
        assert_eq!(refused, 5, "the disk never was full");
        store.get(Dialect::S3, "first", None).assert_is(b"1");
        assert_eq!(store.metric("partway_read_only"), 0.0);
        disks.index.clear();
        store.wait_until("the index writes again", |store| store.put("first", b"2").status == 200);
        objects.insert("first".to_owned(), b"2".to_vec());
        for _ in 0..3 {
            store.must_put("last", b"3");
        }
        objects.insert("last".to_owned(), b"3".to_vec());
        store.server.kill();
        let store = Store::start(&disks.data, &log, &flags);
        for (key, bytes) in &objects {
            store.get(Dialect::S3, key, None).assert_is(bytes);
        }
        store.server.stop();
        assert!(verify(&disks.data).0);
    });
}

/// A limit of the process that would kill it, were it not looked after.
#[test]
fn a_file_that_may_not_be_so_long_is_refused_and_the_server_lives() {
    if let Err(why) = run("prlimit", &["--version"]) {
        return crate::namespace::say(&format!("skipped a_file_that_may_not_be_so_long_is_refused_and_the_server_lives: {why}"));
    }
    let place = place();
    let (data, log) = (place.path().join("data"), place.path().join("log"));
    let mut store = Store::create(&data, &log, &[]);
    store.must_put("before", &noise(1, 6 * MIB));
    let pid = store.server.pid().to_string();
    run("prlimit", &["--pid", &pid, "--fsize=8388608:8388608"]).expect("a limit can be lowered");
    for dialect in [Dialect::S3, Dialect::Oss] {
        let answer = store.ask(dialect, "PUT", "long", "", noise(2, 9 * MIB));
        assert_eq!(refusal(&answer), full());
    }
    store.must_put("after", &noise(3, 6 * MIB));
    assert_eq!(store.keys(), ["after", "before"]);
    std::thread::sleep(Duration::from_millis(300));
    store.get(Dialect::S3, "before", None).assert_is(&noise(1, 6 * MIB));
    store.server.stop();
}
