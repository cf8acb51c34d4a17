//! Two runs side by side.

use super::{
    Report,
    report::{Measured, latency_text, number_text},
};

/// Every figure of two runs with the second one's ratio to the first one's, heading first. Operations that only one of them
/// has are left out.
#[must_use]
pub fn comparison(a: &Report, b: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![["OPERATION", "FIGURE", "A", "B", "B/A"].map(str::to_owned).to_vec()];
    for one in &a.operations {
        let Some(other) = b.operations.iter().find(|measured| measured.name == one.name) else { continue };
        rows.extend(figures(one).into_iter().zip(figures(other)).map(|(a, b)| row(&one.name, a, b)));
    }
    let costs = cost(a).into_iter().zip(cost(b));
    rows.extend(costs.filter_map(|(a, b)| Some(row("server", a?, b?))));
    rows.push(row("generator", generator(a), generator(b)));
    rows
}

/// What was run differently, so that the figures may not be comparable.
#[must_use]
pub fn differences(a: &Report, b: &Report) -> Vec<String> {
    let settings = |report: &Report| {
        [
            ("dialect", report.dialect.clone()),
            ("work", report.work.clone()),
            ("size", report.size_bytes.to_string()),
            ("object size", report.object_size_bytes.to_string()),
            ("objects", report.objects.to_string()),
            ("parts", report.parts.to_string()),
            ("concurrency", report.concurrency.to_string()),
            ("verify", report.is_verified.to_string()),
            ("distinct", report.is_distinct.to_string()),
        ]
    };
    let pairs = settings(a).into_iter().zip(settings(b)).filter(|(a, b)| a != b);
    pairs.map(|((name, a), (_, b))| format!("{name} differs: {a} and {b}")).collect()
}

/// A figure, how it is written, and its value.
type Figure = (&'static str, fn(f64) -> String, f64);

fn figures(measured: &Measured) -> [Figure; 8] {
    let latency = &measured.latency;
    [
        ("MiB/s", number_text, measured.mib_per_sec),
        ("ops/s", number_text, measured.operations_per_sec),
        ("p50", latency_text, latency.p50_micros),
        ("p90", latency_text, latency.p90_micros),
        ("p99", latency_text, latency.p99_micros),
        ("p99.9", latency_text, latency.p999_micros),
        ("max", latency_text, latency.max_micros),
        ("errors", whole, measured.errors as f64),
    ]
}

fn cost(report: &Report) -> [Option<Figure>; 3] {
    let server = report.server.as_ref();
    [
        server.and_then(|server| Some(("CPU-s/GiB", number_text as fn(f64) -> String, server.cpu_secs_per_gib?))),
        server.and_then(|server| Some(("CPU/request", latency_text as fn(f64) -> String, server.cpu_micros_per_request?))),
        server.map(|server| ("peak MiB", number_text as fn(f64) -> String, server.peak_rss_bytes as f64 / f64::from(1 << 20))),
    ]
}

fn generator(report: &Report) -> Figure {
    ("CPU share", share, report.client_cpu_secs / report.elapsed_secs.max(f64::MIN_POSITIVE))
}

/// Of one CPU.
fn share(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn whole(number: f64) -> String {
    format!("{number:.0}")
}

fn row(name: &str, (figure, text, a): Figure, (_, _, b): Figure) -> Vec<String> {
    let ratio = if a > 0.0 { format!("{:.2}", b / a) } else { "-".to_owned() };
    vec![name.to_owned(), figure.to_owned(), text(a), text(b), ratio]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::fixture::report;

    #[test]
    fn every_figure_of_both_runs_has_its_ratio() {
        let (a, mut b) = (report(), report());
        b.operations[0].mib_per_sec *= 3.0;
        b.operations[0].latency.p99_micros /= 4.0;
        b.operations[1].name = "another".to_owned();
        let rows = comparison(&a, &b);
        let ratio = |name: &str, figure: &str| {
            rows.iter().find(|row| row[0] == name && row[1] == figure).map(|row| row[4].clone()).unwrap_or_default()
        };
        assert_eq!(ratio("upload-part", "MiB/s"), "3.00");
        assert_eq!(ratio("upload-part", "p99"), "0.25");
        assert_eq!(ratio("upload-part", "p50"), "1.00");
        assert_eq!(ratio("upload-part", "errors"), "-", "nothing is no times nothing");
        assert_eq!(ratio("server", "peak MiB"), "1.00");
        assert!(rows.iter().all(|row| row[0] != "get" && row[0] != "another"), "only what both have is compared");
        b.server = None;
        assert!(comparison(&a, &b).iter().all(|row| row[0] != "server"));
    }

    #[test]
    fn what_was_run_differently_is_told() {
        let other = Report { work: "put".to_owned(), concurrency: 1, ..report() };
        assert_eq!(differences(&report(), &report()), Vec::<String>::new());
        assert_eq!(differences(&report(), &other), ["work differs: mixed and put", "concurrency differs: 16 and 1"]);
    }
}
