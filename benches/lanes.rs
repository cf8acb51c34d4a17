//! MD5 of several streams at once by each engine the processor has, beside one stream after the other.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use partway::digest::lanes::{Block, CHAIN_START, Engine, Work, compress};
use std::hint::black_box;

const STREAM_BLOCKS: usize = 1 << 14;

fn lanes(c: &mut Criterion) {
    let streams: Vec<Vec<Block>> = (0..16_u8).map(|seed| (0..STREAM_BLOCKS).map(|index| [seed ^ index as u8; 64]).collect()).collect();
    let mut group = c.benchmark_group("md5 of streams of 1 MiB");
    group.sample_size(20);
    for count in [1, 2, 3, 4, 8, 16] {
        group.throughput(Throughput::Bytes((count * STREAM_BLOCKS * 64) as u64));
        for engine in [Engine::Scalar, Engine::Avx2, Engine::Avx512].into_iter().filter(|engine| engine.is_available()) {
            group.bench_function(BenchmarkId::new(format!("{engine:?}"), count), |bencher| {
                bencher.iter(|| {
                    let mut work: Vec<_> = streams[..count].iter().map(|blocks| Work { chain: CHAIN_START, blocks }).collect();
                    compress(engine, black_box(&mut work));
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, lanes);
criterion_main!(benches);
