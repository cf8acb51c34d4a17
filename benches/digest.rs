//! What a body's digests cost side by side: MD5 alone, the CRCs, and all that every body gets.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use partway::{
    digest::{BodyDigest, CrcKind, Hasher, md5},
    model::ChecksumAlgorithm,
};
use std::hint::black_box;

fn digests(c: &mut Criterion) {
    let body: Vec<u8> = (0..8_u32 << 20).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut group = c.benchmark_group("8 MiB");
    group.throughput(Throughput::Bytes(body.len() as u64)).sample_size(20);
    group.bench_function("md5", |bencher| bencher.iter(|| md5(black_box(&body))));
    group.bench_function("crc64 ecma", |bencher| bencher.iter(|| CrcKind::Crc64Ecma.of_bytes(black_box(&body))));
    for algorithm in ChecksumAlgorithm::ALL {
        group.bench_function(BenchmarkId::new("checksum", algorithm.name_lower()), |bencher| {
            bencher.iter(|| {
                let mut hasher = Hasher::new(algorithm);
                hasher.update(black_box(&body));
                hasher.finish()
            });
        });
    }
    group.bench_function("every body", |bencher| {
        bencher.iter(|| {
            let mut digest = BodyDigest::new(None, false);
            digest.update(black_box(&body));
            digest.finish()
        });
    });
    group.finish();

    // What completing an upload does twice for every part.
    c.bench_function("combine crc64 of 5 MiB parts", |bencher| {
        bencher.iter(|| CrcKind::Crc64Nvme.combine(black_box(1), black_box(2), black_box(5 << 20)));
    });
}

criterion_group!(benches, digests);
criterion_main!(benches);
