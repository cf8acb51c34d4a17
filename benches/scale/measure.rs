//! What is asked of a server, one kind of request after the other, and what each cost.

use crate::{
    server::{Client, Server},
    world::{self, Long, PARTS_MANY, PARTS_SOME, UPLOADS, World, mixed},
};
use partway::bench::Histogram;
use serde::{Deserialize, Serialize};
use std::{fmt::Write as _, path::Path, thread, time::Instant};

/// One kind of request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Figure {
    pub(crate) name: String,
    pub(crate) at_once: usize,
    pub(crate) count: u64,
    pub(crate) p50_micros: u64,
    pub(crate) p99_micros: u64,
    pub(crate) max_micros: u64,
    /// Of the server's CPU, per request. Ten milliseconds are the unit in which the system tells it, of all of them together.
    pub(crate) cpu_micros: u64,
}

/// One size.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) objects: u64,
    pub(crate) index_bytes: u64,
    pub(crate) start_clean_ms: u64,
    pub(crate) start_killed_ms: u64,
    pub(crate) stop_ms: u64,
    pub(crate) rss_started_bytes: u64,
    pub(crate) rss_peak_bytes: u64,
    pub(crate) open_files: usize,
    pub(crate) figures: Vec<Figure>,
}

/// A request: method, target and body, by its number.
type Ask<'a> = &'a (dyn Fn(u64) -> (&'static str, String, Vec<u8>) + Sync);

struct Run<'a> {
    server: &'a Server,
    figures: Vec<Figure>,
}

impl Run<'_> {
    /// Asks `count` times, from as many connections; every answer must have this status, and a text in it.
    fn ask(&mut self, name: &str, at_once: usize, count: u64, expected: (u16, &str), ask: Ask<'_>) {
        let before = self.server.cpu_micros();
        let address = self.server.address;
        let work = |worker: u64| {
            let mut client = Client::new(address);
            let mut latencies = Histogram::default();
            for number in (worker..count).step_by(at_once) {
                let (method, target, body) = ask(number);
                let request = client.request(method, &target, &body);
                let begin = Instant::now();
                let answer = client.ask(&request);
                latencies.record(u64::try_from(begin.elapsed().as_micros()).expect("it took less than an age"));
                let text = String::from_utf8_lossy(&answer.body);
                assert!(answer.status == expected.0 && text.contains(expected.1), "{name}: {target}: {} {text}", answer.status);
            }
            latencies
        };
        let workers: Vec<Histogram> = thread::scope(|scope| {
            let work = &work;
            let handles: Vec<_> = (0..at_once as u64).map(|worker| scope.spawn(move || work(worker))).collect();
            handles.into_iter().map(|handle| handle.join().expect("a worker does not panic")).collect()
        });
        let mut latencies = Histogram::default();
        workers.iter().for_each(|worker| latencies.merge(worker));
        let figure = Figure {
            name: name.to_owned(),
            at_once,
            count,
            p50_micros: latencies.quantile(500),
            p99_micros: latencies.quantile(990),
            max_micros: latencies.max(),
            cpu_micros: (self.server.cpu_micros() - before) / count,
        };
        println!("{}", line(&figure));
        self.figures.push(figure);
    }
}

pub(crate) fn line(figure: &Figure) -> String {
    let Figure { name, at_once, count, p50_micros, p99_micros, max_micros, cpu_micros } = figure;
    format!("{name:<34} {at_once:>3} {count:>7} {p50_micros:>9} {p99_micros:>9} {max_micros:>9} {cpu_micros:>9}")
}

/// What `line` shows.
pub(crate) fn heading() -> String {
    format!("{:<34} {:>3} {:>7} {:>9} {:>9} {:>9} {:>9}", "request", "at", "count", "p50 us", "p99 us", "max us", "CPU us")
}

/// Measures a binary over a data directory that was filled; writes to it, so figures of a second run may differ.
pub(crate) fn measure(binary: &Path, data: &Path, world: World) -> Size {
    // The first start makes what a directory has besides its index.
    Server::start(binary, data).stop();
    let server = Server::start(binary, data);
    let (start_clean, rss_started_bytes) = (server.start_up, server.memory("VmRSS"));
    println!("{} objects: started in {start_clean:?} with {} MiB\n{}", world.0, rss_started_bytes >> 20, heading());
    let mut run = Run { server: &server, figures: vec![] };
    reads(&mut run, world);
    listings(&mut run, world);
    writes(&mut run, world);
    uploads(&mut run);
    let figures = run.figures;
    let (rss_peak_bytes, open_files) = (server.memory("VmHWM"), server.open_files());
    server.kill();
    let server = Server::start(binary, data);
    let start_killed = server.start_up;
    let stop = server.stop();
    println!(
        "{} MiB at most, {open_files} files open; started in {start_killed:?} after a kill, stopped in {stop:?}",
        rss_peak_bytes >> 20
    );
    let millis = |duration: std::time::Duration| u64::try_from(duration.as_millis()).expect("it took less than an age");
    Size {
        objects: world.0,
        index_bytes: directory_bytes(&data.join("index")),
        start_clean_ms: millis(start_clean),
        start_killed_ms: millis(start_killed),
        stop_ms: millis(stop),
        rss_started_bytes,
        rss_peak_bytes,
        open_files,
        figures,
    }
}

fn directory_bytes(path: &Path) -> u64 {
    let files = std::fs::read_dir(path).expect("it is a directory").filter_map(Result::ok);
    files.filter(|file| file.file_name() != "reserve").filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}

/// An object that is in the index, by chance; `salt` tells series of them apart.
fn any_small(world: World, salt: u64, number: u64) -> u64 {
    let tries = (0_u64..).map(|again| mixed(number ^ salt << 40 ^ again << 50) % world.0);
    tries.into_iter().find(|&object| world.is_small(object)).expect("every second object is")
}

fn reads(run: &mut Run<'_>, world: World) {
    run.ask("get, warming up", 1, 3_000, (200, ""), &|n| ("GET", format!("/{}", world.key(any_small(world, 1, n))), vec![]));
    run.ask("get", 1, 10_000, (200, ""), &|n| ("GET", format!("/{}", world.key(any_small(world, 2, n))), vec![]));
    run.ask("head", 1, 10_000, (200, ""), &|n| ("HEAD", format!("/{}", world.key(mixed(n ^ 3 << 40) % world.0)), vec![]));
    run.ask("get of no object", 1, 10_000, (404, "NoSuchKey"), &|n| {
        ("GET", format!("/{}.none", world.key(mixed(n ^ 4 << 40) % world.0)), vec![])
    });
}

fn listings(run: &mut Run<'_>, world: World) {
    let directory = |n: u64| mixed(n ^ 5 << 40) % world.directories();
    run.ask("list a directory of 1,000", 1, 300, (200, "<KeyCount>1000</KeyCount>"), &|n| {
        ("GET", format!("?list-type=2&prefix=data%2F{:06}%2F&delimiter=%2F", directory(n)), vec![])
    });
    run.ask("list 1,000 keys deep in the bucket", 1, 300, (200, "<KeyCount>1000</KeyCount>"), &|n| {
        // Not the very last ones, of which there may be fewer.
        let after = world.key(mixed(n ^ 6 << 40) % (world.0 - 2_000)).replace('/', "%2F");
        ("GET", format!("?list-type=2&start-after={after}"), vec![])
    });
    let last = world.directories().saturating_sub(300);
    run.ask("list 300 directories", 1, 100, (200, "<KeyCount>300</KeyCount>"), &|n| {
        let after = mixed(n ^ 7 << 40) % last.max(1);
        ("GET", format!("?list-type=2&prefix=data%2F&delimiter=%2F&max-keys=300&start-after=data%2F{after:06}"), vec![])
    });
    run.ask("list few huge directories", 1, 500, (200, "<KeyCount>12</KeyCount>"), &|_| {
        ("GET", "?list-type=2&delimiter=%2F".to_owned(), vec![])
    });
}

fn writes(run: &mut Run<'_>, world: World) {
    let body = |n: u64| mixed(n).to_be_bytes().repeat(512);
    run.ask("put 4 KiB", 16, 10_000, (200, ""), &|n| ("PUT", format!("/new/{:016x}", mixed(n ^ 8 << 40)), body(n)));
    run.ask("put 4 KiB over another", 16, 4_000, (200, ""), &|n| ("PUT", format!("/{}", world.key(mixed(n ^ 9 << 40) % world.0)), body(n)));
    run.ask("delete", 16, 4_000, (204, ""), &|n| ("DELETE", format!("/{}", world.key(any_small(world, 10, n))), vec![]));
    run.ask("get after the writes", 1, 4_000, (200, ""), &|n| ("GET", format!("/new/{:016x}", mixed((n % 10_000) ^ 8 << 40)), vec![]));
}

fn uploads(run: &mut Run<'_>) {
    let longs: Vec<Long> = world::longs().collect();
    let listed = longs[0];
    run.ask("list 1,000 parts of 10,000", 1, 300, (200, "<IsTruncated>true</IsTruncated>"), &|n| {
        let after = mixed(n ^ 11 << 40) % (PARTS_MANY - 1_001);
        ("GET", format!("/{}?uploadId={}&part-number-marker={after}", listed.key(), listed.id()), vec![])
    });
    run.ask("list 1,000 of 100,000 uploads", 1, 300, (200, "<IsTruncated>true</IsTruncated>"), &|n| {
        let after = world::short_key(mixed(n ^ 12 << 40) % (UPLOADS - 1_001)).replace('/', "%2F");
        ("GET", format!("?uploads&key-marker={after}"), vec![])
    });
    run.ask("list 300 directories of uploads", 1, 100, (200, "<IsTruncated>true</IsTruncated>"), &|n| {
        let after = mixed(n ^ 13 << 40) % 600;
        ("GET", format!("?uploads&prefix=incoming%2F&delimiter=%2F&max-uploads=300&key-marker=incoming%2F{after:04}%2F"), vec![])
    });
    run.ask("create an upload", 16, 2_000, (200, "<UploadId>"), &|n| {
        ("POST", format!("/new/{:016x}?uploads", mixed(n ^ 14 << 40)), vec![])
    });
    let complete = |long: Long| {
        let mut list = String::from("<CompleteMultipartUpload>");
        for part in 1..=long.parts {
            let md5 = hex::encode(world::part_md5(part));
            write!(list, "<Part><PartNumber>{part}</PartNumber><ETag>\"{md5}\"</ETag></Part>").expect("text can be written to");
        }
        list.push_str("</CompleteMultipartUpload>");
        ("POST", format!("/{}?uploadId={}", long.key(), long.id()), list.into_bytes())
    };
    for parts in [PARTS_SOME, PARTS_MANY] {
        let uploads: Vec<Long> = longs[1..].iter().copied().filter(|long| long.parts == parts).collect();
        let count = uploads.len() as u64;
        for name in ["complete", "complete again"] {
            run.ask(&format!("{name}, {parts} parts"), 1, count, (200, "<ETag>"), &|n| complete(uploads[n as usize]));
        }
    }
}
