//! Disks that fail: a sync that failed ends writing until the next start, and a read that fails is no end of a body.

use crate::{
    client::Dialect,
    disk::{Disk, FileSystem, run},
    gateway::Dice,
    image::{Disks, Layout},
    namespace::{place, within_namespace},
    server::verify,
    store::{Store, noise, refusal},
};
use std::{collections::BTreeMap, fs, path::Path, process::Command};

/// Which disk fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    Both,
    Blobs,
    Index,
}

/// The disk fails every write and every flush from one moment on, as in the crash tests, but the server lives on.
fn a_failed_sync(failing: Failing) {
    let place = place();
    let mut disk = Disk::create(place.path(), FileSystem::Ext4, 1);
    let log = place.path().join("log");
    // What stays well is where the tests themselves are.
    let data = if failing == Failing::Both { disk.path() } else { place.path() }.join("data");
    let store = Store::create(&data, &log, &[]);
    let mut store = match failing {
        Failing::Both => store,
        Failing::Blobs => store.with_apart("blobs", disk.path(), &log, &[]),
        Failing::Index => store.with_apart("index", disk.path(), &log, &[]),
    };
    let sizes = [("small", 100), ("medium", 50_000), ("large", 700_000)];
    let objects: BTreeMap<_, _> = sizes.iter().map(|&(key, size)| (key.to_owned(), noise(size as u64, size))).collect();
    objects.iter().for_each(|(key, bytes)| store.must_put(key, bytes));
    let (upload, _) = store.upload(Dialect::S3, "open", &[noise(5, 300_000)]);
    store.assert_holds(&objects);

    disk.cut(&mut Dice::new(1));
    // A body in a file where the blobs' disk fails, one in the index where that does.
    let size = if failing == Failing::Index { 50 } else { 200_000 };
    let bytes = noise(6, size);
    let first = store.put("unacknowledged", &bytes);
    assert_eq!(refusal(&first), (503, "ServiceUnavailable".to_owned()));
    for dialect in [Dialect::S3, Dialect::Oss] {
        let target = format!("partNumber=2&uploadId={upload}");
        for (method, key, query) in [("PUT", "unacknowledged", ""), ("PUT", "open", target.as_str())] {
            let answer = store.ask(dialect, method, key, query, bytes.clone());
            assert_eq!(refusal(&answer), (503, "ServiceUnavailable".to_owned()), "{dialect:?} {method} {key}: {}", store.server.log());
            assert!(answer.header("retry-after").is_some());
        }
    }
    if failing != Failing::Blobs {
        let answer = store.ask(Dialect::S3, "DELETE", "small", "", vec![]);
        assert_eq!(refusal(&answer), (503, "ServiceUnavailable".to_owned()));
    }
    let (status, text) = store.operator("/readyz");
    assert!(status == 503 && text.contains("read-only"), "{status} {text}");
    assert_eq!(store.operator("/healthz").0, 200, "a restart would help nobody until the disk is looked after");
    assert_eq!(store.metric("partway_read_only"), 1.0);
    let told = store.server.log().lines().filter(|line| line.contains("ERROR") && line.contains("read-only")).count();
    assert_eq!(told, if failing == Failing::Both { 2 } else { 1 }, "each store once: {}", store.server.log());
    store.assert_holds(&objects);

    store.server.kill();
    disk.power_on();
    let mut store = Store::start(&data, &log, &[]);
    // Of what was refused, the very first may be there, as a whole: nobody knows how far its commit got.
    let mut there = objects.clone();
    if store.keys().iter().any(|key| key == "unacknowledged") {
        there.insert("unacknowledged".to_owned(), bytes.clone());
    }
    store.assert_holds(&there);
    let parts = store.ask(Dialect::S3, "GET", "open", &format!("uploadId={upload}"), vec![]);
    assert_eq!(crate::client::elements(parts.text(), "PartNumber"), ["1"], "{}", parts.text());
    store.must_put("unacknowledged", &bytes);
    let (is_well, text) = verify(&data);
    assert!(is_well, "{text}");
    store.server.stop();
}

#[test]
fn a_failed_sync_ends_writing_until_the_next_start() {
    within_namespace("io_errors::a_failed_sync_ends_writing_until_the_next_start", FileSystem::Ext4, || a_failed_sync(Failing::Both));
}

#[test]
fn a_failed_sync_of_the_blobs_alone_ends_writing() {
    within_namespace("io_errors::a_failed_sync_of_the_blobs_alone_ends_writing", FileSystem::Ext4, || a_failed_sync(Failing::Blobs));
}

#[test]
fn a_failed_sync_of_the_index_alone_ends_writing() {
    within_namespace("io_errors::a_failed_sync_of_the_index_alone_ends_writing", FileSystem::Ext4, || a_failed_sync(Failing::Index));
}

/// Where a file begins on its disk. Bytes.
fn place_on_disk(file: &Path) -> u64 {
    let output = Command::new("xfs_io").args(["-r", "-c", "fiemap -v"]).arg(file).output().expect("it was there a moment ago");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // `   0: [0..1607]:        98304..99911      1608   0x1`, in units of 512 bytes.
    let blocks =
        text.lines().filter_map(|line| line.split_once("]:")?.1.split_whitespace().next()?.split_once("..")?.0.parse::<u64>().ok());
    blocks.min().unwrap_or_else(|| panic!("no extents in {text}")) * 512
}

/// The disk ends before a file does: what is beyond cannot be read.
#[test]
fn a_read_that_fails_breaks_the_answer_off() {
    within_namespace("io_errors::a_read_that_fails_breaks_the_answer_off", FileSystem::Ext4, || {
        let place = place();
        let log = place.path().join("log");
        let (disks, mut store) = Disks::create(place.path(), Layout::BlobsApart, &log, &[]);
        let parts = [noise(1, 600_000), noise(2, 600_000)];
        let upload = store.upload(Dialect::S3, "whole", &parts);
        store.complete(Dialect::S3, "whole", upload);
        let mut files = store.blob_files();
        files.sort_by_key(|file| place_on_disk(file));
        let last = files.pop().expect("each part has its file");
        let order = if fs::read(&last).expect("it is well").starts_with(&parts[1][..1_000]) { [0, 1] } else { [1, 0] };
        // An object of which the last bytes cannot be read; should the disk have them the other way round, so has it.
        let (well, lost) = (&parts[order[0]], &parts[order[1]]);
        let again = store.upload(Dialect::S3, "ordered", &[]);
        let id = again.0;
        let mut document = String::from("<CompleteMultipartUpload>");
        for (number, part) in [(1, order[0]), (2, order[1])] {
            let range = if part == 0 { "bytes=0-599999" } else { "bytes=600000-1199999" };
            let request = crate::client::Request::new(Dialect::S3, "PUT", "ordered")
                .query(format!("partNumber={number}&uploadId={id}"))
                .header("x-amz-copy-source".to_owned(), "/crash/whole")
                .header("x-amz-copy-source-range".to_owned(), range);
            let answer = store.send(&request);
            let etag = answer.element("ETag").expect("a part has an ETag").to_owned();
            document.push_str(&format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"));
        }
        document.push_str("</CompleteMultipartUpload>");
        store.complete(Dialect::S3, "ordered", (id, document.into_bytes()));
        let whole = [well.as_slice(), lost.as_slice()].concat();
        store.get(Dialect::S3, "ordered", None).assert_is(&whole);

        let image = &disks.blobs().file;
        run("sync", &["-f", disks.data.join("blobs/data").to_str().expect("text")]).expect("the disk is well");
        let end = place_on_disk(&last);
        fs::File::options().write(true).open(image).and_then(|image| image.set_len(end)).expect("the image can be cut");
        for file in store.blob_files() {
            run("xfs_io", &["-r", "-c", "fadvise -d 0 0", file.to_str().expect("text")]).expect("pages can be dropped");
        }
        for dialect in [Dialect::S3, Dialect::Oss] {
            let got = store.get(dialect, "ordered", None);
            assert!(got.status == 200 && !got.is_whole && got.body.len() <= well.len(), "{} {}", got.status, got.body.len());
            got.assert_failed(&whole);
            let refused = store.get(dialect, "ordered", Some((well.len() + 10, whole.len() - 10)));
            assert_eq!((refused.status, refused.code.as_deref()), (500, Some("InternalError")), "before the first byte");
            store.get(dialect, "ordered", Some((5, well.len()))).assert_is(&well[5..]);
            assert_eq!(store.ask(dialect, "HEAD", "ordered", "", vec![]).status, 200);
        }
        assert!(store.metric("partway_blob_read_errors_total") >= 4.0, "{}", store.operator("/metrics").1);
        assert_eq!((store.metric("partway_read_only"), store.operator("/readyz").0), (0.0, 200), "reads end no writing");
        let (is_well, text) = verify(&disks.data);
        assert!(!is_well && text.contains("ordered") && text.contains("I/O"), "{text}");
        store.server.kill();
    });
}
