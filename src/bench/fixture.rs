//! An order and a report for tests.

use super::{Bucket, FORMAT, Latency, Limit, Measured, Order, Report, ServerCost, Tongue, Work};
use crate::auth::sign::Credentials;

/// Puts into a bucket of a server that does not exist.
pub(crate) fn order() -> Order {
    Order {
        endpoint: "http://files.test:9000".to_owned(),
        connect: None,
        virtual_host: false,
        ca: None,
        tongue: Tongue::S3,
        region: "us-east-1".to_owned(),
        credentials: Credentials { access_key: "ak".to_owned(), secret_key: "secret".to_owned(), security_token: None },
        bucket: "films".to_owned(),
        prefix: None,
        work: Work::Put,
        size: None,
        object_size: None,
        objects: None,
        parts: None,
        concurrency: 16,
        limit: Limit::Count(1000),
        verify: false,
        distinct: false,
        keep: false,
        server_pid: None,
    }
}

/// Of two kinds of operations, with the server's figures.
pub(crate) fn report() -> Report {
    let measured = |name: &str, bytes: u64| Measured {
        name: name.to_owned(),
        count: 3,
        requests: 4,
        errors: 0,
        retries: 1,
        bytes,
        mib_per_sec: bytes as f64 / 1_048_576.0 / 2.0,
        operations_per_sec: 1.5,
        latency: Latency {
            mean_micros: 500.0,
            p50_micros: 250.0,
            p90_micros: 1250.0,
            p99_micros: 1250.0,
            p999_micros: 1250.0,
            max_micros: 1250.0,
            histogram_nanos: vec![Bucket(250_000, 2), Bucket(1_250_000, 1)],
        },
    };
    Report {
        partway_bench: FORMAT,
        version: "0.0.0".to_owned(),
        dialect: "s3".to_owned(),
        endpoint: "http://files.test:9000".to_owned(),
        work: "mixed".to_owned(),
        size_bytes: 8 << 20,
        object_size_bytes: 8 << 20,
        objects: 128,
        parts: 100,
        concurrency: 16,
        count_max: None,
        duration_secs_max: Some(2.0),
        is_verified: false,
        is_distinct: false,
        elapsed_secs: 2.0,
        operations: vec![measured("upload-part", 24 << 20), measured("get", 3 << 20)],
        troubles: Vec::new(),
        is_given_up: false,
        client_cpu_secs: 0.25,
        server: Some(ServerCost {
            cpu_secs: 0.5,
            cpu_secs_per_gib: Some(0.75),
            cpu_micros_per_request: Some(62.5),
            peak_rss_bytes: 64 << 20,
        }),
        preparation_requests: 17,
        cleanup_requests: 17,
        kept: None,
        left_behind: None,
    }
}
