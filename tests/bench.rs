//! `partway bench` against the real server: what a report says was done, was done, and what was made is gone.

#[path = "bench/server.rs"]
mod server;

use partway::bench::Report;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use server::{Server, bench, partway, refusal, report};
use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _},
    process::Stdio,
    time::{Duration, Instant},
};

/// A work with its arguments, and what the server calls what is measured.
struct Case {
    arguments: &'static str,
    count: u64,
    /// Names in the report and, of requests, how many there are of each operation.
    measured: &'static [(&'static str, u64)],
    operations: &'static [(&'static str, u64)],
}

const fn case(
    arguments: &'static str,
    count: u64,
    measured: &'static [(&'static str, u64)],
    operations: &'static [(&'static str, u64)],
) -> Case {
    Case { arguments, count, measured, operations }
}

/// Runs each case and compares what the report says with what the server counted; nothing is left.
fn run_all(dialect: &str, cases: &[Case]) {
    let server = Server::start(&[]);
    for Case { arguments, count, measured, operations } in cases {
        let before = server.requests();
        let count_text = count.to_string();
        let fixed = ["--dialect", dialect, "--bucket", "load", "--count", &count_text, "--concurrency", "3", "--verify"];
        let arguments: Vec<&str> = arguments.split(' ').chain(fixed).collect();
        let report = report(&server.endpoint(), &arguments);
        let done: Vec<(&str, u64)> = report.operations.iter().map(|measured| (measured.name.as_str(), measured.requests)).collect();
        assert_eq!(done, *measured, "{arguments:?}");
        assert_eq!(report.operations.iter().map(|measured| measured.count).sum::<u64>(), *count, "{arguments:?}");
        assert!(report.operations.iter().all(|measured| (measured.errors, measured.retries) == (0, 0)), "{report:?}");
        assert!(report.operations.iter().all(|measured| measured.latency.p50_micros > 0.0), "{report:?}");

        let requests = report.operations.iter().map(|measured| measured.requests).sum::<u64>();
        let all = requests + report.preparation_requests + report.cleanup_requests;
        let counted = server.requests_since(&before, all);
        assert_eq!(counted.values().sum::<u64>(), all, "{arguments:?}: {counted:?}");
        for (operation, expected) in *operations {
            assert_eq!(counted.get(*operation), Some(expected), "{arguments:?}: {operation} of {counted:?}");
        }
        assert_eq!(server.ask("GET", "/load?list-type=2").status, 404, "{arguments:?}: the bucket is gone, so it was empty");
    }
}

#[test]
fn every_work_does_in_s3_what_its_report_says() {
    run_all(
        "s3",
        &[
            case(
                "--work upload-parts --size 100KiB --parts 4",
                20,
                &[("upload-part", 20)],
                &[("UploadPart", 20), ("AbortMultipartUpload", 3)],
            ),
            case("--work put --size 40KiB", 12, &[("put", 12)], &[("PutObject", 12), ("DeleteObject", 12)]),
            case("--work put --size 0 --objects 2", 6, &[("put", 6)], &[("PutObject", 6), ("DeleteObject", 2)]),
            case("--work get --size 300000 --objects 4", 12, &[("get", 12)], &[("GetObject", 12), ("PutObject", 4)]),
            case(
                "--work get --size 10MiB --objects 1 --parts 2",
                3,
                &[("get", 3)],
                &[("GetObject", 3), ("UploadPart", 2), ("CompleteMultipartUpload", 1), ("DeleteObject", 1)],
            ),
            case(
                "--work range --size 100KiB --object-size 10MiB --objects 1 --parts 2",
                30,
                &[("range", 30)],
                &[("GetObject", 30), ("UploadPart", 2)],
            ),
            case("--work list --objects 1005 --size 0", 3, &[("list", 6)], &[("PutObject", 1005), ("DeleteObject", 1005)]),
            case(
                "--work complete --size 5MiB --parts 2",
                2,
                &[("complete", 2)],
                &[("CompleteMultipartUpload", 2), ("UploadPart", 4), ("DeleteObject", 2), ("CreateMultipartUpload", 2)],
            ),
            case(
                "--work mixed --size 50KiB --objects 5",
                40,
                &[("upload-part", 12), ("put", 8), ("get", 12), ("range", 4), ("list", 4)],
                &[("UploadPart", 12), ("PutObject", 13), ("GetObject", 16), ("AbortMultipartUpload", 3), ("DeleteObject", 13)],
            ),
        ],
    );
}

#[test]
fn every_work_does_in_oss_what_its_report_says() {
    run_all(
        "oss",
        &[
            case(
                "--work upload-parts --size 100KiB --parts 4",
                20,
                &[("upload-part", 20)],
                &[("UploadPart", 20), ("AbortMultipartUpload", 3)],
            ),
            case("--work put --size 40KiB", 12, &[("put", 12)], &[("PutObject", 12), ("DeleteObject", 12)]),
            case(
                "--work get --size 300000 --objects 2 --parts 2",
                12,
                &[("get", 12)],
                &[("GetObject", 12), ("UploadPart", 4), ("CompleteMultipartUpload", 2)],
            ),
            case("--work range --size 10KiB --object-size 95KiB --objects 2", 30, &[("range", 30)], &[("GetObject", 30), ("PutObject", 2)]),
            case("--work list --objects 20 --size 1", 3, &[("list", 3)], &[("PutObject", 20), ("DeleteObject", 20)]),
            case(
                "--work complete --size 128KiB --parts 3",
                4,
                &[("complete", 4)],
                &[("CompleteMultipartUpload", 4), ("UploadPart", 12), ("DeleteObject", 4)],
            ),
            case(
                "--work mixed --size 50KiB --objects 5",
                20,
                &[("upload-part", 6), ("put", 4), ("get", 6), ("range", 2), ("list", 2)],
                &[("UploadPart", 6), ("PutObject", 9), ("GetObject", 8)],
            ),
        ],
    );
}

#[test]
fn what_is_kept_is_there_and_used_again() {
    let server = Server::start(&[]);
    let endpoint = server.endpoint();
    let kept = |arguments: &str| {
        let fixed = ["--bucket", "load", "--concurrency", "2", "--prefix", "p/", "--keep", "--verify"];
        report(&endpoint, &arguments.split(' ').chain(fixed).collect::<Vec<_>>())
    };
    let put = kept("--work put --count 5 --size 50000");
    assert_eq!((put.cleanup_requests, put.kept.as_deref(), put.operations[0].bytes), (0, Some("p/"), 250_000));
    for number in 0..5 {
        let object = server.ask("HEAD", &format!("/load/p/put/0000000{number}"));
        assert_eq!((object.status, object.header("content-length")), (200, Some("50000")), "{number}");
    }
    kept("--work upload-parts --count 6 --size 1000 --parts 3");
    let uploads = server.ask("GET", "/load?uploads");
    assert_eq!(uploads.text().matches("<UploadId>").count(), 2, "{}", uploads.text());

    // Other content than this run's own would not pass --verify, so that it is not what was kept is seen only without.
    let get = "--work get --count 4 --size 1000 --objects 3 --bucket load --concurrency 2 --prefix p/ --keep";
    let get: Vec<&str> = get.split(' ').collect();
    let (first, before) = (report(&endpoint, &get), server.requests());
    assert_eq!(first.preparation_requests, 1 + 3 + 3, "looked for and put");
    let second = report(&endpoint, &get);
    assert_eq!(second.preparation_requests, 1 + 3, "only looked for");
    let counted = server.requests_since(&before, 4 + 4);
    assert_eq!((counted.get("HeadObject"), counted.get("PutObject"), counted.get("GetObject")), (Some(&3), None, Some(&4)), "{counted:?}");

    // Somebody else's objects in the bucket stay, and so does the bucket.
    report(&endpoint, &["--work", "put", "--count", "3", "--bucket", "load"]);
    let listed = server.ask("GET", "/load?list-type=2");
    assert_eq!(listed.text().matches("<Key>p/").count(), 5 + 3, "{}", listed.text());
    assert_eq!(listed.text().matches("<Key>").count(), 5 + 3, "{}", listed.text());
}

#[test]
fn a_run_by_time_ends_and_tells_what_the_server_used() {
    let server = Server::start(&[]);
    let pid = server.pid().to_string();
    let arguments = ["--work", "put", "--bucket", "load", "--duration", "300ms", "--objects", "3", "--size", "64KiB", "--server-pid", &pid];
    let report = report(&server.endpoint(), &arguments);
    let (put, used) = (&report.operations[0], report.server.as_ref().expect("the process was named"));
    assert!(put.count > 0 && report.elapsed_secs >= 0.3, "{report:?}");
    assert_eq!(put.bytes, put.count * (64 << 10));
    assert!(used.peak_rss_bytes > 1 << 20 && used.cpu_secs_per_gib.is_some(), "{used:?}");

    let (status, complaint) = refusal(bench(&server.endpoint(), &[&arguments[..arguments.len() - 1], &["4194305"]].concat()));
    assert!(status == Some(1) && complaint.contains("process 4194305 cannot be looked at"), "{status:?} {complaint}");
}

#[test]
fn distinct_bodies_have_different_etags_and_others_the_same() {
    let server = Server::start(&[]);
    assert_eq!(server.ask("PUT", "/load").status, 200);
    for (distinct, expected) in [(&[][..], 1), (&["--distinct"][..], 12)] {
        let fixed = ["--work", "put", "--bucket", "load", "--count", "12", "--size", "40KiB", "--prefix", "p/", "--keep"];
        let report = report(&server.endpoint(), &[&fixed[..], distinct].concat());
        assert_eq!(report.is_distinct, expected > 1);
        let answer = server.ask("GET", "/load?list-type=2");
        let listed = answer.text();
        let etags: BTreeSet<&str> = listed.split("<ETag>").skip(1).filter_map(|rest| rest.split("</ETag>").next()).collect();
        assert_eq!((etags.len(), listed.matches("<Key>").count()), (expected, 12), "{listed}");
    }
}

#[test]
fn parts_that_are_completed_have_the_size_that_is_given() {
    let server = Server::start(&["--s3-part-size-min", "1KiB"]);
    let arguments = ["--work", "complete", "--bucket", "load", "--size", "1KiB", "--parts", "1100", "--count", "1", "--keep"];
    let report = report(&server.endpoint(), &arguments);
    assert_eq!((report.size_bytes, report.parts, report.operations[0].count), (1024, 1100, 1));
    let answer = server.ask("GET", "/load?list-type=2");
    let listed = answer.text();
    assert!(listed.contains("<Size>1126400</Size>"), "{listed}");
}

#[test]
fn what_cannot_be_done_is_said_in_words() {
    let server = Server::start(&[]);
    server.create_key(
        "READERKEY",
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket","s3:GetObject"],"Resource":"*"}]}"#,
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let endpoint = server.endpoint();
    let cases: [(&str, &[&str], i32, &[&str]); 9] = [
        (&endpoint, &["--secret-key", "wrong"], 1, &["bucket load cannot be looked at", "403 SignatureDoesNotMatch"]),
        (&endpoint, &["--access-key", "nobody"], 1, &["bucket load cannot be looked at", "403 InvalidAccessKeyId"]),
        (&endpoint, &["--dialect", "oss", "--access-key", "nobody"], 1, &["403 InvalidAccessKeyId"]),
        (&endpoint, &["--access-key", "READERKEY"], 1, &["there is no bucket load, and it cannot be created", "403 AccessDenied"]),
        (&nobody, &[], 1, &["cannot connect to 127.0.0.1:", "refused"]),
        ("files.test", &[], 2, &["has to begin with http://"]),
        (&endpoint, &["--concurrency", "0"], 2, &["concurrency has to be 1 to"]),
        (&endpoint, &["--parts", "10001"], 2, &["parts has to be 1 to 10000"]),
        ("https://localhost:1", &["--ca", "/nowhere/ca.pem"], 2, &["/nowhere/ca.pem"]),
    ];
    for (endpoint, arguments, expected, words) in cases {
        let (status, complaint) = refusal(bench(endpoint, &[&["--work", "put", "--bucket", "load", "--count", "2"], arguments].concat()));
        assert_eq!(status, Some(expected), "{arguments:?}: {complaint}");
        assert!(words.iter().all(|word| complaint.contains(word)), "{arguments:?}: {complaint}");
        assert!(!complaint.contains(server::SECRET_KEY), "{complaint}");
    }
    // Parts that are too small are refused when they are completed: by then there are an upload, its parts and the bucket.
    let small = ["--work", "get", "--bucket", "load", "--count", "1", "--size", "2000", "--parts", "2"];
    let (status, complaint) = refusal(bench(&endpoint, &small));
    assert!(status == Some(1) && complaint.contains("400 EntityTooSmall"), "{status:?} {complaint}");
    assert_eq!(server.ask("GET", "/load?list-type=2").status, 404, "what was made is gone after a failure, too");
}

#[test]
fn errors_of_measured_operations_are_counted_and_fail_the_run() {
    let server = Server::start(&[]);
    assert_eq!(server.ask("PUT", "/load").status, 200);
    server
        .create_key("READERKEY", r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"*"}]}"#);
    let arguments = ["--work", "put", "--bucket", "load", "--count", "4", "--concurrency", "1", "--access-key", "READERKEY", "--json", "-"];
    let output = bench(&server.endpoint(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report = Report::parse(&String::from_utf8_lossy(&output.stdout)).unwrap();
    assert_eq!((report.operations[0].count, report.operations[0].errors), (0, 4));
    assert!(report.troubles[0].count == 4 && report.troubles[0].what.contains("403 AccessDenied"), "{:?}", report.troubles);
    assert!(report.left_behind.is_some_and(|why| why.contains("AccessDenied")), "it may not delete either");
}

#[test]
fn a_server_that_goes_away_ends_the_run() {
    let mut server = Server::start(&[]);
    let arguments = ["--work", "put", "--bucket", "load", "--duration", "10m", "--concurrency", "4", "--size", "4KiB", "--objects", "10"];
    let mut child = bench(&server.endpoint(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("stderr is piped"));
    let mut line = String::new();
    while !line.contains("measuring") {
        line.clear();
        assert!(stderr.read_line(&mut line).expect("it tells what it does") > 0, "it ended before it measured");
    }
    server.kill();
    let begun = Instant::now();
    let status = loop {
        match child.try_wait().expect("the process is ours") {
            Some(status) => break status,
            None if begun.elapsed() > Duration::from_secs(60) => {
                let _ = child.kill();
                panic!("it goes on without a server");
            }
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    };
    let mut table = String::new();
    child.stdout.take().expect("stdout is piped").read_to_string(&mut table).expect("it is text");
    assert_eq!(status.code(), Some(1), "{table}");
    for words in ["cannot connect to", "given up", "not everything was cleaned up"] {
        assert!(table.contains(words), "{words} in {table}");
    }
}

#[test]
fn over_tls_only_who_is_trusted_is_measured() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().expect("it is text").to_owned();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(path("chain.pem"), certificate.pem()).unwrap();
    std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(path("ca.pem"), issuer.pem()).unwrap();
    let server = Server::start(&["--tls-certificate", &path("chain.pem"), "--tls-key", &path("key.pem")]);

    let endpoint = format!("https://localhost:{}", server.address.port());
    let ca = path("ca.pem");
    for size in ["1000", "700KiB"] {
        let arguments = ["--work", "mixed", "--bucket", "load", "--count", "20", "--size", size, "--objects", "2", "--ca", &ca, "--verify"];
        let report = report(&endpoint, &arguments);
        assert_eq!(report.operations.iter().map(|measured| measured.count).sum::<u64>(), 20);
    }
    let (status, complaint) = refusal(bench(&endpoint, &["--work", "put", "--bucket", "load", "--count", "1"]));
    assert!(status == Some(1) && complaint.contains("certificate"), "{status:?} {complaint}");
}

#[test]
fn buckets_may_be_named_in_the_host() {
    let server = Server::start(&["--domain", "files.test"]);
    let (endpoint, connect) = (format!("http://files.test:{}", server.address.port()), server.address.to_string());
    for dialect in ["s3", "oss"] {
        let arguments = ["--dialect", dialect, "--virtual-host", "--connect", &connect, "--bucket", "load"];
        let report = report(&endpoint, &[&arguments[..], &["--work", "mixed", "--count", "20", "--size", "2000", "--verify"]].concat());
        assert_eq!(report.operations.iter().map(|measured| measured.errors).sum::<u64>(), 0);
    }
}

#[test]
fn runs_are_written_to_files_and_compared() {
    let server = Server::start(&[]);
    let path = |name: &str| server.data.path().join(name).to_str().expect("it is text").to_owned();
    let (a, b) = (path("a.json"), path("b.json"));
    for (file, size) in [(&a, "1000"), (&b, "2000")] {
        let output =
            bench(&server.endpoint(), &["--work", "put", "--bucket", "load", "--count", "8", "--size", size, "--json", file]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let table = String::from_utf8_lossy(&output.stdout);
        assert!(table.contains("OPERATION") && table.lines().any(|line| line.starts_with("put        8")), "{table}");
        assert!(
            !table.contains(server::ACCESS_KEY) && !std::fs::read_to_string(file).unwrap().contains("Signature"),
            "nothing secret is told"
        );
    }
    let output = partway(&["bench", "compare", &a, &b]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("B/A") && text.contains("size differs: 1000 and 2000"), "{text}");
    std::fs::write(&b, "{}").unwrap();
    let (status, complaint) = refusal(partway(&["bench", "compare", &a, &b]));
    assert!(status == Some(2) && complaint.contains("b.json: it is no report of partway bench"), "{status:?} {complaint}");
}
