//! What a run is told as: a value that goes to JSON and back, and the same as a table for people.

use super::{Limit, Order, cpu::Usage, histogram::Bucket, plan::Shape, worker::Results};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the report's form: the field `partway_bench`. Another number means that fields changed their meaning.
pub const FORMAT: u32 = 1;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// [`FORMAT`].
    pub partway_bench: u32,
    /// The version of the generator.
    pub version: String,
    /// `s3` or `oss`.
    pub dialect: String,
    /// Where the load went.
    pub endpoint: String,
    /// What was done.
    pub work: String,
    /// Bytes of a body: of a part, an object, a range.
    pub size_bytes: u64,
    /// Bytes of the objects that were read.
    pub object_size_bytes: u64,
    /// How many objects or uploads there were to choose from.
    pub objects: u64,
    /// How many parts an upload had, or an object that was read.
    pub parts: u64,
    /// How many workers, each with a connection.
    pub concurrency: u64,
    /// How many operations were asked for, when the run was bounded by their number.
    pub count_max: Option<u64>,
    /// After how long no operation began any more, when the run was bounded by time. Seconds.
    pub duration_secs_max: Option<f64>,
    /// Whether contents and ETags were compared.
    pub is_verified: bool,
    /// Whether no two bodies were alike.
    #[serde(default)]
    pub is_distinct: bool,
    /// From the first measured request to the last answer. Seconds.
    pub elapsed_secs: f64,
    /// By kind of operation.
    pub operations: Vec<Measured>,
    /// What went wrong, and how often.
    pub troubles: Vec<TroubleCount>,
    /// Whether the run was given up because nothing succeeded any more.
    pub is_given_up: bool,
    /// CPU time of the generator itself while measuring. Seconds.
    pub client_cpu_secs: f64,
    /// What the server used, when its process was named.
    pub server: Option<ServerCost>,
    /// Requests before the measured ones.
    pub preparation_requests: u64,
    /// Requests after them.
    pub cleanup_requests: u64,
    /// What the keys begin with that were made and kept.
    pub kept: Option<String>,
    /// Why something may be left behind that should not.
    pub left_behind: Option<String>,
}

/// What came of one kind of operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// `upload-part`, `put`, `get`, `range`, `list` (a walk over all pages) or `complete`.
    pub name: String,
    /// Operations that succeeded.
    pub count: u64,
    /// Requests that were sent for all of them, retries included.
    pub requests: u64,
    /// Operations that failed.
    pub errors: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Bytes of bodies: sent when writing, received when reading.
    pub bytes: u64,
    /// 1,048,576 bytes a second.
    pub mib_per_sec: f64,
    /// Operations that succeeded, a second.
    pub operations_per_sec: f64,
    /// How long they took, retries and their pauses included.
    pub latency: Latency,
}

/// Latencies in microseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// The average.
    pub mean_micros: f64,
    /// Half of them took no longer.
    pub p50_micros: f64,
    /// 90 % of them took no longer.
    pub p90_micros: f64,
    /// 99 % of them took no longer.
    pub p99_micros: f64,
    /// 99.9 % of them took no longer.
    pub p999_micros: f64,
    /// The longest.
    pub max_micros: f64,
    /// All of them: pairs of the largest number of nanoseconds in a bucket and how many are in it.
    pub histogram_nanos: Vec<Bucket>,
}

/// What the server's process used while it was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerCost {
    /// CPU time, to a hundredth of a second.
    pub cpu_secs: f64,
    /// CPU time for each GiB of bodies; `None` when there were none.
    pub cpu_secs_per_gib: Option<f64>,
    /// CPU time for each request. Microseconds.
    pub cpu_micros_per_request: Option<f64>,
    /// The most memory the process had at once since it began. Bytes.
    pub peak_rss_bytes: u64,
}

/// An error and how often it came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TroubleCount {
    /// In words.
    pub what: String,
    /// How many operations it ended.
    pub count: u64,
}

/// What a report is made of.
pub(super) struct Figures<'a> {
    pub(super) order: &'a Order,
    pub(super) shape: &'a Shape,
    pub(super) results: &'a Results,
    pub(super) elapsed: Duration,
    pub(super) preparation_requests: u64,
    /// Of this process, before and after.
    pub(super) own: (Usage, Usage),
}

impl Figures<'_> {
    /// `server` is what its process had used before and after.
    pub(super) fn report(&self, server: Option<(Usage, Usage)>) -> Report {
        let Figures { order, shape, results, elapsed, preparation_requests, own } = self;
        let elapsed_secs = elapsed.as_secs_f64();
        let operations: Vec<Measured> = results
            .tallies
            .iter()
            .map(|(kind, tally)| Measured {
                name: kind.name().to_owned(),
                count: tally.latency.count(),
                requests: tally.requests,
                errors: tally.errors,
                retries: tally.retries,
                bytes: tally.bytes,
                mib_per_sec: each(tally.bytes as f64 / MIB, elapsed_secs).unwrap_or(0.0),
                operations_per_sec: each(tally.latency.count() as f64, elapsed_secs).unwrap_or(0.0),
                latency: Latency {
                    mean_micros: micros(tally.latency.mean()),
                    p50_micros: micros(tally.latency.quantile(500)),
                    p90_micros: micros(tally.latency.quantile(900)),
                    p99_micros: micros(tally.latency.quantile(990)),
                    p999_micros: micros(tally.latency.quantile(999)),
                    max_micros: micros(tally.latency.max()),
                    histogram_nanos: tally.latency.buckets(),
                },
            })
            .collect();
        let bytes: u64 = operations.iter().map(|measured| measured.bytes).sum();
        let requests: u64 = operations.iter().map(|measured| measured.requests).sum();
        let spent = |(before, after): (Usage, Usage)| after.cpu.saturating_sub(before.cpu).as_secs_f64();
        let (count_max, duration_secs_max) = match order.limit {
            Limit::Count(count) => (Some(count), None),
            Limit::Time(time) => (None, Some(time.as_secs_f64())),
        };
        let is_upload = matches!(order.work, super::Work::UploadParts | super::Work::Complete);
        Report {
            partway_bench: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            dialect: order.tongue.name().to_owned(),
            endpoint: order.endpoint.clone(),
            work: order.work.name().to_owned(),
            size_bytes: shape.size,
            object_size_bytes: shape.object_size,
            objects: shape.objects as u64,
            parts: u64::from(if is_upload { shape.upload_parts } else { shape.object_parts }),
            concurrency: order.concurrency as u64,
            count_max,
            duration_secs_max,
            is_verified: order.verify,
            is_distinct: order.distinct,
            elapsed_secs,
            operations,
            troubles: results.troubles.iter().map(|(what, &count)| TroubleCount { what: what.clone(), count }).collect(),
            is_given_up: results.is_given_up,
            client_cpu_secs: spent(*own),
            server: server.map(|usage| ServerCost {
                cpu_secs: spent(usage),
                cpu_secs_per_gib: each(spent(usage), bytes as f64 / GIB),
                cpu_micros_per_request: each(spent(usage) * 1e6, requests as f64),
                peak_rss_bytes: usage.1.peak_rss,
            }),
            preparation_requests: *preparation_requests,
            cleanup_requests: 0,
            kept: None,
            left_behind: None,
        }
    }
}

const MIB: f64 = 1_048_576.0;
const GIB: f64 = 1_073_741_824.0;

fn each(sum: f64, count: f64) -> Option<f64> {
    (count > 0.0).then(|| sum / count)
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

impl Report {
    /// Reads a report from JSON.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|error| format!("it is not JSON: {error}"))?;
        match value.get("partway_bench").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(other) => return Err(format!("it has format {other}, and this version reads format {FORMAT}")),
            None => return Err("it is no report of partway bench".to_owned()),
        }
        serde_json::from_value(value).map_err(|error| format!("it is no whole report: {error}"))
    }

    /// Whether every operation succeeded, and nothing is left behind.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.operations.iter().all(|measured| measured.errors == 0) && !self.is_given_up && self.left_behind.is_none()
    }

    /// Bytes of all bodies.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.operations.iter().map(|measured| measured.bytes).sum()
    }

    /// The table of operations, its heading first.
    #[must_use]
    pub fn table(&self) -> Vec<Vec<String>> {
        let heading = ["OPERATION", "COUNT", "ERRORS", "RETRIES", "MiB/s", "OPS/s", "p50", "p90", "p99", "p99.9", "MAX"];
        let rows = self.operations.iter().map(|measured| {
            let Latency { p50_micros, p90_micros, p99_micros, p999_micros, max_micros, .. } = measured.latency;
            let latencies = [p50_micros, p90_micros, p99_micros, p999_micros, max_micros].map(latency_text);
            let counts = [measured.count, measured.errors, measured.retries].map(|count| count.to_string());
            let rates = [measured.mib_per_sec, measured.operations_per_sec].map(number_text);
            std::iter::once(measured.name.clone()).chain(counts).chain(rates).chain(latencies).collect()
        });
        std::iter::once(heading.map(str::to_owned).to_vec()).chain(rows).collect()
    }

    /// What else there is to say, line by line: what was run before the table, and what it cost after it.
    #[must_use]
    pub fn lines(&self) -> (Vec<String>, Vec<String>) {
        let Self { work, dialect, endpoint, size_bytes, concurrency, .. } = self;
        let above = vec![format!(
            "{work} ({dialect}) at {endpoint}: bodies of {size_bytes} bytes, {concurrency} at once, {:.2} s",
            self.elapsed_secs
        )];
        let mut below = vec![format!(
            "generator: {:.2} CPU-s; {} requests to prepare, {} to clean up",
            self.client_cpu_secs, self.preparation_requests, self.cleanup_requests
        )];
        if let Some(server) = &self.server {
            let per_gib = server.cpu_secs_per_gib.map(|secs| format!(", {secs:.3} CPU-s/GiB")).unwrap_or_default();
            let per_request = server.cpu_micros_per_request.map(|micros| format!(", {} CPU/request", latency_text(micros)));
            let peak = server.peak_rss_bytes as f64 / MIB;
            below.push(format!(
                "server: {:.2} CPU-s{per_gib}{}, peak memory {peak:.1} MiB",
                server.cpu_secs,
                per_request.unwrap_or_default()
            ));
        }
        below.extend(self.troubles.iter().map(|trouble| format!("{} times: {}", trouble.count, trouble.what)));
        if self.is_given_up {
            below.push("given up: too many operations in a row failed".to_owned());
        }
        below.extend(self.kept.iter().map(|prefix| format!("kept: what was made has keys that begin with {prefix}")));
        below.extend(self.left_behind.iter().map(|why| format!("not everything was cleaned up: {why}")));
        (above, below)
    }
}

/// Microseconds for people, with three digits or more.
pub(super) fn latency_text(micros: f64) -> String {
    match micros {
        micros if micros < 1000.0 => format!("{micros:.0} µs"),
        micros if micros < 100_000.0 => format!("{:.2} ms", micros / 1e3),
        micros if micros < 10_000_000.0 => format!("{:.0} ms", micros / 1e3),
        micros => format!("{:.2} s", micros / 1e6),
    }
}

/// A number for people, with three digits or more.
pub(super) fn number_text(number: f64) -> String {
    match number {
        number if number < 10.0 => format!("{number:.3}"),
        number if number < 100.0 => format!("{number:.1}"),
        number => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::report;

    #[test]
    fn a_report_survives_json_and_keeps_its_form() {
        let text = serde_json::to_string_pretty(&report()).unwrap();
        assert_eq!(Report::parse(&text), Ok(report()));
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bench/report.json");
        if std::env::var_os("PARTWAY_BLESS").is_some() {
            std::fs::write(golden, format!("{text}\n")).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(golden).unwrap().trim_end(), "a change of what a field means is a change of FORMAT");
    }

    #[test]
    fn what_is_no_report_of_this_form_is_refused_with_a_reason() {
        let other = serde_json::to_string(&report()).unwrap().replace("\"partway_bench\":1", "\"partway_bench\":2");
        for (text, reason) in [("{", "not JSON"), ("{}", "no report"), (other.as_str(), "format 2"), (r#"{"partway_bench":1}"#, "no whole")]
        {
            let refused = Report::parse(text).unwrap_err();
            assert!(refused.contains(reason), "{refused}");
        }
    }

    #[test]
    fn errors_and_leftovers_are_told() {
        let clean = report();
        assert!(clean.is_clean());
        let mut failed = report();
        failed.operations[0].errors = 1;
        failed.troubles = vec![TroubleCount { what: "the server answered 503".to_owned(), count: 1 }];
        failed.is_given_up = true;
        assert!(!failed.is_clean());
        let (_, below) = failed.lines();
        assert!(below.contains(&"1 times: the server answered 503".to_owned()), "{below:?}");
        assert!(below.iter().any(|line| line.starts_with("given up")), "{below:?}");
        assert!(!Report { left_behind: Some("x".to_owned()), ..report() }.is_clean());
    }

    #[test]
    fn numbers_have_three_digits_or_more() {
        let texts = [1.0, 999.4, 1234.0, 123_456.0, 12_345_678.0].map(latency_text);
        assert_eq!(texts, ["1 µs", "999 µs", "1.23 ms", "123 ms", "12.35 s"]);
        assert_eq!([0.0, 1.5, 12.34, 5950.4].map(number_text), ["0.000", "1.500", "12.3", "5950"]);
    }
}
