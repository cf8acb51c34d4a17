//! What requests cost by how much the index holds, with the real server on a real directory.
//!
//! ```text
//! scale fill DIRECTORY OBJECTS                     an index with as many objects and 100,000 open uploads
//! scale measure DIRECTORY OBJECTS JSON [BINARY]    starts the server on it and asks
//! scale draw JSON… SVG                             a table of all sizes, and the curve
//! ```
//!
//! `make bench-scale` does all of it for several sizes. Not a test: nothing fails for being slow.

#[path = "scale/draw.rs"]
mod draw;
#[path = "scale/measure.rs"]
mod measure;
#[path = "scale/server.rs"]
mod server;
#[path = "scale/world.rs"]
mod world;

use bytes::Bytes;
use partway::{
    datadir::DataDir,
    meta::{Kv as _, RocksKv, RocksSettings, Write, keys},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};
use world::World;

fn main() {
    // Cargo says that this is a benchmark.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["fill", directory, objects] => fill(Path::new(directory), world(objects)),
        ["measure", directory, objects, json, binary @ ..] if binary.len() <= 1 => {
            let binary = PathBuf::from(binary.first().unwrap_or(&env!("CARGO_BIN_EXE_partway")));
            let size = measure::measure(&binary, Path::new(directory), world(objects));
            fs::write(json, serde_json::to_vec_pretty(&size).expect("it can be written as JSON")).expect("the file can be written");
        }
        ["draw", sizes @ .., svg] if !sizes.is_empty() => {
            let read = |path: &&str| serde_json::from_slice(&fs::read(path).expect("the file can be read")).expect("it is of `measure`");
            draw::draw(&sizes.iter().map(read).collect::<Vec<_>>(), Path::new(svg));
        }
        _ => println!("scale fill DIRECTORY OBJECTS | measure DIRECTORY OBJECTS JSON [BINARY] | draw JSON... SVG"),
    }
}

fn world(objects: &str) -> World {
    let objects = objects.replace('_', "").parse().expect("a number of objects");
    assert!(objects >= 500_000, "the requests want half a million objects at least");
    World(objects)
}

fn fill(directory: &Path, world: World) {
    let begin = Instant::now();
    let data = DataDir::open_or_create(directory).expect("the directory can be made");
    let settings = RocksSettings::default();
    let index = RocksKv::open(&data.index(), settings.clone()).expect("the index can be opened");
    let tables: [(&str, Box<dyn Iterator<Item = (Vec<u8>, Bytes)>>); 6] = [
        ("objects", Box::new(world.object_rows())),
        ("data", Box::new(world.data_rows())),
        ("blobs", Box::new(world.blob_rows())),
        ("uploads", Box::new(world.upload_rows())),
        ("parts", Box::new(world.part_rows())),
        ("counters", Box::new(world.counter_rows())),
    ];
    for (name, rows) in tables {
        let count = index.load(&settings, rows).expect("the rows can be written");
        println!("{name}: {count} rows after {:?}", begin.elapsed());
    }
    let (row, value) = world.bucket_row();
    // As in any directory that was not written by an earlier release.
    let writes = vec![Write::Put(row, value), Write::Put(keys::everything_is_counted(), Bytes::new())];
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(index.commit(vec![], writes)).expect("the bucket can be written");
}
