//! Blob files whose bytes are not those that were written: noticed by every read and by `verify`, and never passed on.

use crate::{
    client::{Dialect, Request},
    namespace::place,
    server::verify,
    store::{Got, Store, noise},
};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Bytes that share a checksum, as docs/adr/0001-blob-files.md has it.
const BLOCK: usize = 128 << 10;
const FOOTER: usize = 48;
const SIZE: usize = 3 * BLOCK + 1_000;

/// Changes a byte of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("the file is there");
    bytes[at] ^= 0x20;
    fs::write(path, bytes).expect("the file can be written");
}

/// That `verify` notices and names the object; back to how it was, all is well.
#[track_caller]
fn assert_verify_names(data: &Path, name: &str) {
    let (is_well, text) = verify(data);
    assert!(!is_well && text.contains(name), "{text}");
}

fn read(store: &Store, key: &str, range: Option<(usize, usize)>) -> [Got; 2] {
    [Dialect::S3, Dialect::Oss].map(|dialect| store.get(dialect, key, range))
}

#[test]
fn rot_anywhere_in_a_blob_file_is_noticed_and_never_served() {
    let place = place();
    let (data, log) = (place.path().join("data"), place.path().join("log"));
    let mut store = Store::create(&data, &log, &[]);
    let (bytes, other) = (noise(1, SIZE), noise(2, SIZE));
    let file = store.new_file(|store| store.must_put("rotten", &bytes));
    let other_file = store.new_file(|store| store.must_put("other", &other));
    let sound = fs::read(&file).expect("the file is there");
    let table = SIZE;
    let footer = sound.len() - FOOTER;
    type Damage = fn(&Path, &Path, usize);
    // What is done to the file, a range that must fail, and one that need not.
    let cases: [(&str, Damage, usize, Option<(usize, usize)>); 9] = [
        ("the first byte", |file, _, at| flip(file, at), 0, Some((BLOCK, SIZE))),
        ("the last byte", |file, _, at| flip(file, at), SIZE - 1, Some((0, 3 * BLOCK))),
        ("the middle", |file, _, at| flip(file, at), BLOCK + 77, Some((2 * BLOCK, SIZE))),
        ("the table of checksums", |file, _, at| flip(file, at), table + 4, Some((2 * BLOCK, SIZE))),
        ("the footer", |file, _, at| flip(file, at), footer + 20, None),
        ("the table's own checksum", |file, _, at| flip(file, at), footer + 41, None),
        ("a file that was cut", |file, _, at| fs::write(file, &fs::read(file).unwrap()[..at]).unwrap(), SIZE / 2, None),
        ("a file that is gone", |file, _, _| fs::remove_file(file).unwrap(), 0, None),
        (
            "another file in its place",
            |file, other, _| {
                fs::copy(other, file).unwrap();
            },
            0,
            None,
        ),
    ];
    let mut counted = store.metric("partway_corrupt_blobs_total");
    for (what, damage, at, unharmed) in cases {
        damage(&file, &other_file, at);
        for got in read(&store, "rotten", None) {
            got.assert_failed(&bytes);
        }
        let counted_now = store.metric("partway_corrupt_blobs_total");
        assert!(counted_now >= counted + 2.0, "{what}: {counted} {counted_now}");
        counted = counted_now;
        if let Some((start, end)) = unharmed {
            for got in read(&store, "rotten", Some((start, end))) {
                got.assert_is(&bytes[start..end]);
            }
        }
        // Within a range, too: the one byte that is wrong.
        if unharmed.is_some() && at < SIZE {
            for got in read(&store, "rotten", Some((at.saturating_sub(5), (at + 5).min(SIZE)))) {
                got.assert_failed(&bytes[at.saturating_sub(5)..(at + 5).min(SIZE)]);
            }
        }
        assert_verify_names(&data, "rotten");
        store.get(Dialect::S3, "other", None).assert_is(&other);
        fs::write(&file, &sound).expect("the file can be written");
        store.get(Dialect::S3, "rotten", None).assert_is(&bytes);
    }
    let (is_well, text) = verify(&data);
    assert!(is_well, "{text}");
    store.server.stop();
}

/// A copy either reads its source, and fails with it, or shares its bytes, and fails when it is read.
#[test]
fn rot_is_not_made_good_by_a_copy() {
    let place = place();
    let (data, log) = (place.path().join("data"), place.path().join("log"));
    let mut store = Store::create(&data, &log, &[]);
    let bytes = noise(1, SIZE);
    let file = store.new_file(|store| store.must_put("rotten", &bytes));
    let sound = fs::read(&file).expect("the file is there");
    flip(&file, 2 * BLOCK);
    for dialect in [Dialect::S3, Dialect::Oss] {
        let source = (dialect.header("copy-source"), "/crash/rotten");
        let (id, _) = store.upload(dialect, "parts", &[]);
        for range in [None, Some("bytes=1-300000")] {
            let mut request = Request::new(dialect, "PUT", "parts").query(format!("partNumber=1&uploadId={id}"));
            request = request.header(source.0.clone(), source.1);
            if let Some(range) = range {
                request = request.header(dialect.header("copy-source-range"), range);
            }
            let answer = store.send(&request);
            assert_eq!(crate::store::refusal(&answer), (500, "InternalError".to_owned()));
        }
        let listed = store.ask(dialect, "GET", "parts", &format!("uploadId={id}"), vec![]);
        assert!(!listed.text().contains("<PartNumber>"), "{}", listed.text());
        let answer = store.send(&Request::new(dialect, "PUT", "copy").header(source.0, source.1));
        if answer.status == 200 {
            store.get(dialect, "copy", None).assert_failed(&bytes);
        }
    }
    assert_verify_names(&data, "rotten");
    fs::write(&file, &sound).expect("the file can be written");
    store.get(Dialect::S3, "copy", None).assert_is(&bytes);
    store.server.stop();
}

/// Complete reads no bytes, so it cannot know; whoever reads the object is told.
#[test]
fn an_upload_is_completed_although_a_part_rotted_and_the_part_is_never_served() {
    let place = place();
    let (data, log) = (place.path().join("data"), place.path().join("log"));
    let mut store = Store::create(&data, &log, &[]);
    let parts = [noise(1, SIZE), noise(2, SIZE), noise(3, SIZE)];
    let mut files: Vec<PathBuf> = Vec::new();
    let upload = store.upload(Dialect::S3, "whole", &parts);
    files.extend(store.blob_files());
    let holds = |file: &&PathBuf| fs::read(file).is_ok_and(|bytes| bytes.starts_with(&parts[1][..BLOCK]));
    flip(files.iter().find(holds).expect("each part has its file"), BLOCK / 2);
    assert_verify_names(&data, "part 2");
    store.complete(Dialect::Oss, "whole", upload);
    let whole = parts.concat();
    for got in read(&store, "whole", None) {
        got.assert_failed(&whole);
        assert_eq!(got.status, 200, "the first part is well, so the answer began");
        assert!(got.body.len() <= SIZE);
    }
    for (start, end) in [(0, SIZE), (2 * SIZE, 3 * SIZE), (SIZE + BLOCK, 2 * SIZE)] {
        store.get(Dialect::S3, "whole", Some((start, end))).assert_is(&whole[start..end]);
    }
    assert_verify_names(&data, "whole");
    store.server.stop();
}
