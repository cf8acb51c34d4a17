//! Floods of frames that cost their sender little: each ends, by itself or by the server, with bounded memory and no stream left.

use crate::{
    frames::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, End, Frames, GOAWAY, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE,
        block, fields, frame,
    },
    request::{get, put},
    site::Site,
};
use std::time::Duration;

/// How many frames a flood has at most; an honest client sends none of them by the thousand.
const FRAME_COUNT_MAX: u32 = 10_000;

/// Floods that would go on for ever at somebody else's cost, so the server has to end them; the others cost it no more than their
/// bytes.
const STOPPED: [&str; 5] =
    ["rapid reset", "uploads that are reset", "continuations", "streams that the server has to reset", "heads that are refused"];

/// Sends what `next` makes, until the server has had enough or the flood is over. Nothing is read meanwhile, as attackers do
/// not. Returns how it ended.
fn flood(site: &Site, patience: Duration, begin: &[u8], next: impl Fn(u32) -> Vec<u8>) -> End {
    let mut frames = Frames::connect(site);
    // Some stop being read, as nobody takes what they are answered.
    frames.set_write_timeout(Duration::from_secs(2));
    let mut failed = frames.send(begin).is_err();
    let mut number = 0;
    while number < FRAME_COUNT_MAX && !failed {
        // By the hundred, as writing them one by one would take longest of all.
        let bytes: Vec<u8> = (number..number + 100).flat_map(&next).collect();
        failed = frames.send(&bytes).is_err();
        number += 100;
    }
    // A server that has had enough says so, or just closes; until it does it reads what comes, so that its answer arrives.
    frames.end_within(patience, u32::MAX)
}

#[test]
fn floods_of_frames_are_bounded() {
    let site = Site::start_encrypted();
    let bucket = site.bucket();
    site.expect(&put(&format!("/{bucket}/k"), vec![b'x'; 1 << 20]), 200);
    let before = site.resident_kib();
    let head = block(&fields(&site, &get(&format!("/{bucket}/k"))));
    let write = block(&fields(&site, &put(&format!("/{bucket}/flooded"), "x")));
    let opened = frame(HEADERS, END_HEADERS, 1, &write);
    let begun = frame(HEADERS, 0, 1, &head);
    let stream = |number: u32| 1 + 2 * number;
    let large_field = [&[0x40, 1, b'a'][..], &[0x7F, 0x81, 0x1E], &[b'b'; 4096]].concat();
    // One field of the table, named over and over: a few bytes each that become four KiB.
    let bomb = [large_field, vec![0xBE; 12_000]].concat();

    let mut stopped = Vec::new();
    let mut storm = |name: &'static str, begin: &[u8], next: &dyn Fn(u32) -> Vec<u8>| {
        let patience = if STOPPED.contains(&name) { Duration::from_secs(30) } else { Duration::from_millis(200) };
        let end = flood(&site, patience, begin, next);
        println!("{name}: {end:?}, {} KiB", site.resident_kib());
        if matches!(end, End::GoneAway(1..) | End::Closed) {
            stopped.push(name);
        }
        assert_eq!(site.ask(&get(&format!("/{bucket}?list-type=2"))).status, 200, "after {name}");
    };
    storm("rapid reset", b"", &|number| {
        [frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &head), frame(RST_STREAM, 0, stream(number), &8_u32.to_be_bytes())]
            .concat()
    });
    storm("uploads that are reset", b"", &|number| {
        let id = stream(number);
        [frame(HEADERS, END_HEADERS, id, &write), frame(DATA, 0, id, b"x"), frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
    });
    storm("streams that the server has to reset", b"", &|number| {
        let id = stream(number);
        [frame(HEADERS, END_HEADERS | END_STREAM, id, &head), frame(WINDOW_UPDATE, 0, id, &0_u32.to_be_bytes())].concat()
    });
    storm("streams that stay open", b"", &|number| frame(HEADERS, END_HEADERS, stream(number), &write));
    storm("answers that nobody reads", b"", &|number| frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &head));
    storm("continuations", &begun, &|_| frame(CONTINUATION, 0, 1, &block(&[(b"x-a".to_vec(), vec![b'y'; 1000])])));
    storm("continuations of nothing", &begun, &|_| frame(CONTINUATION, 0, 1, b""));
    storm("settings", b"", &|_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xFF, 0xFF]));
    storm("settings of nothing", b"", &|_| frame(SETTINGS, 0, 0, b""));
    storm("settings of the table", b"", &|number| frame(SETTINGS, 0, 0, &[0, 1, 0, 0, (number % 16) as u8, 0]));
    storm("pings", b"", &|number| frame(PING, 0, 0, &u64::from(number).to_be_bytes()));
    storm("priorities", b"", &|number| frame(PRIORITY, 0, stream(number), &[0, 0, 0, 0, 1]));
    storm("empty data", &opened, &|_| frame(DATA, 0, 1, b""));
    storm("data of padding", &opened, &|_| frame(DATA, 8, 1, &[3, 0, 0, 0]));
    storm("windows", &opened, &|_| frame(WINDOW_UPDATE, 0, 0, &1_u32.to_be_bytes()));
    storm("windows beyond everything", &opened, &|_| frame(WINDOW_UPDATE, 0, 1, &0x7FFF_FFFF_u32.to_be_bytes()));
    storm("goodbyes", b"", &|_| frame(GOAWAY, 0, 0, &[0; 8]));
    storm("frames of no kind", b"", &|_| frame(0xB0, 0xFF, 1, &[0; 100]));
    storm("a table's field by the thousand", b"", &|number| frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &bomb));
    storm("heads that are refused", b"", &|number| frame(HEADERS, END_HEADERS | END_STREAM, stream(number), &[0, 1, b'A', 1, b'b']));
    assert_eq!(site.ask(&get(&format!("/{bucket}/flooded"))).status, 404, "what was never sent was stored");
    for name in STOPPED {
        assert!(stopped.contains(&name), "{name} went on to the end; stopped were {stopped:?}");
    }
    site.assert_unharmed("floods", before);
}
