//! MD5 of several streams at once: by the `md-5` crate, by each engine the processor has, and by the service as bodies use it.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use partway::digest::{
    Md5Service, Md5Stream,
    lanes::{Block, CHAIN_START, Engine, Work, step},
};
use std::{hint::black_box, sync::Arc};

const COUNTS: [usize; 6] = [1, 2, 3, 4, 8, 16];

const STREAM_BYTES: usize = 1 << 20;

/// What a body has when it is digested in batches.
const BODY_BATCHES: usize = 4;

fn lanes(c: &mut Criterion) {
    let streams: Vec<Vec<Block>> = (0..16_u8).map(|seed| (0..STREAM_BYTES / 64).map(|index| [seed ^ index as u8; 64]).collect()).collect();
    let mut group = c.benchmark_group("md5 of streams of 1 MiB");
    group.sample_size(20);
    for count in COUNTS {
        group.throughput(Throughput::Bytes((count * STREAM_BYTES) as u64));
        group.bench_function(BenchmarkId::new("md-5", count), |bencher| {
            bencher.iter(|| {
                for blocks in &streams[..count] {
                    let mut chain = CHAIN_START;
                    md5::block_api::compress(&mut chain, black_box(blocks));
                    black_box(chain);
                }
            });
        });
        for engine in [Engine::Scalar, Engine::Avx2, Engine::Avx512].into_iter().filter(|engine| engine.is_available()) {
            group.bench_function(BenchmarkId::new(format!("{engine:?}"), count), |bencher| {
                bencher.iter(|| {
                    for streams in streams[..count].chunks(engine.lanes()) {
                        let mut work: Vec<_> = streams.iter().map(|blocks| Work { chain: CHAIN_START, blocks }).collect();
                        step(engine, black_box(&mut work));
                    }
                });
            });
        }
    }
    group.finish();
}

/// Bodies in batches of 1 MiB, each added when the one before it is: with one worker, which shows the cost, and with two.
fn service(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let batches: Vec<Bytes> = (0..16_u8).map(|seed| (0..STREAM_BYTES).map(|index| seed ^ (index >> 6) as u8).collect()).collect();
    let mut group = c.benchmark_group("md5 of bodies in batches of 1 MiB");
    group.sample_size(20);
    for (name, worker_count) in [("without the service", 0), ("1 worker", 1), ("2 workers", 2)] {
        let service = Arc::new(Md5Service::start(Engine::best(), worker_count));
        for count in COUNTS {
            group.throughput(Throughput::Bytes((count * BODY_BATCHES * STREAM_BYTES) as u64));
            group.bench_function(BenchmarkId::new(name, count), |bencher| {
                bencher.iter(|| {
                    runtime.block_on(async {
                        let bodies: Vec<_> = batches[..count]
                            .iter()
                            .map(|batch| {
                                let (service, batch) = (Arc::clone(&service), batch.clone());
                                tokio::spawn(async move {
                                    let mut stream = Md5Stream::default();
                                    for _ in 0..BODY_BATCHES {
                                        stream = service.add(stream, vec![batch.clone()]).await.expect("no worker panics");
                                    }
                                    stream.finish()
                                })
                            })
                            .collect();
                        for body in bodies {
                            black_box(body.await.expect("no body panics"));
                        }
                    });
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, lanes, service);
criterion_main!(benches);
