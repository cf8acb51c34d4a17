//! `Expect: 100-continue` and errors that come before the body (s3.md §4).

use crate::support::ACCESS_KEY;
use crate::{
    client::{Peer, Request, check_form, content_md5, put},
    table::{Table, line},
};
use partway::testkit::raw_client::RawResponse;

/// Sends the head alone and returns the first answer, which is interim or final, and whether the connection was closed after it.
fn first_answer(peer: &Peer, asked: &Request) -> (RawResponse, bool) {
    let mut client = peer.connect();
    client.send(asked.head_bytes(&peer.host())).expect("the server reads");
    let response = client.receive("PUT").expect("the server answers before the body");
    let closed = response.status != 100 && client.is_closed().expect("nothing more is sent");
    if response.status != 100 {
        check_form(&response);
    }
    (response, closed)
}

#[test]
fn what_can_be_refused_is_refused_instead_of_asking_for_the_body() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let target = format!("/{bucket}/k");
    peer.expect(&put(&target, "old"), 200);
    let composite = peer.create_upload(&target, &[("x-amz-checksum-algorithm", "SHA256")]);
    let waiting = |target: &str| put(target, "hello").with("expect", "100-continue");
    let part = |upload: &str| waiting(&format!("{target}?partNumber=1&uploadId={upload}"));
    let huge = |size: u64| waiting(&target).unframed().payload("UNSIGNED-PAYLOAD").with_unsigned("Content-Length", size.to_string());
    for (name, asked, expected) in [
        ("signature", waiting(&target).signed_as(ACCESS_KEY, "wrong"), "403"),
        ("key", waiting(&target).signed_as("NOBODY", "wrong"), "403"),
        ("anonymous", waiting(&target).anonymous(), "403"),
        ("clock", waiting(&target).skewed(-3600), "403"),
        ("bucket", waiting("/missing-bucket/k"), "404"),
        ("upload id", part("00000000000000000000000000000000"), "404"),
        ("upload of another key", waiting(&format!("/{bucket}/other?partNumber=1&uploadId={composite}")), "404"),
        ("part number", waiting(&format!("{target}?partNumber=0&uploadId={composite}")), "400"),
        ("part without its checksum", part(&composite), "400"),
        ("if-none-match", waiting(&target).with("if-none-match", "*"), "412"),
        ("if-match", waiting(&target).with("if-match", "\"0\""), "412"),
        ("if-match of nothing", waiting(&format!("/{bucket}/none")).with("if-match", "*"), "404"),
        ("digest", waiting(&target).with("content-md5", "x"), "400"),
        ("owner", waiting(&target).with("x-amz-expected-bucket-owner", "nobody"), "403"),
        ("size", huge((5 << 30) + 1), "400"),
        ("method", waiting(&format!("{target}?uploads")), "405"),
        ("expectation", put(&target, "hello").with("expect", "101-continue"), "417"),
        ("fine", waiting(&target), "100"),
        ("fine part", part(&peer.create_upload(&target, &[])), "100"),
        ("largest size", huge(5 << 30), "100"),
    ] {
        let (response, closed) = first_answer(&peer, &asked);
        table.check(name, &response.status.to_string(), expected);
        if response.status != 100 {
            table.check(&format!("{name}: closes"), &format!("{:?} {closed}", response.header("connection")), "Some(\"close\") true");
        }
    }
    let untouched = peer.ask(&crate::client::get(&target));
    table.check("nothing was written", untouched.text(), "old");
    table.finish(&untouched, "404");
}

#[test]
fn the_body_is_asked_for_once_it_is_about_to_be_read() {
    let peer = Peer::start();
    let mut table = Table::default();
    let target = format!("/{}/k", peer.bucket());
    let asked = put(&target, "hello").with("expect", "100-continue");
    let mut client = peer.connect();
    for round in ["first", "second"] {
        client.send(asked.head_bytes(&peer.host())).unwrap();
        table.check(round, &client.receive("PUT").unwrap().status.to_string(), "100");
        client.send("hello").unwrap();
        let response = client.receive("PUT").unwrap();
        check_form(&response);
        table.line(round, &response, "200");
    }
    // A body that is wrong is told after the 100, on a connection that goes on.
    client.send(asked.clone().with("content-md5", content_md5(b"jello")).head_bytes(&peer.host())).unwrap();
    table.check("wrong body", &client.receive("PUT").unwrap().status.to_string(), "100");
    client.send("hello").unwrap();
    table.check("wrong body", &client.receive("PUT").unwrap().status.to_string(), "400");
    // A client that does not wait may be told to go on or not; the answer is what counts.
    client.send(asked.bytes(&peer.host())).unwrap();
    let mut response = client.receive("PUT").unwrap();
    if response.status == 100 {
        response = client.receive("PUT").unwrap();
    }
    table.line("impatient", &response, "200");
    // There is nothing to be asked for.
    client.send(put(&target, "").with("expect", "100-continue").bytes(&peer.host())).unwrap();
    table.line("empty", &client.receive("PUT").unwrap(), "200");
    // HTTP/1.0 has no interim answers.
    let old = String::from_utf8(asked.bytes(&peer.host())).unwrap().replacen("HTTP/1.1", "HTTP/1.0", 1);
    let mut client = peer.connect();
    client.send(old).unwrap();
    let response = client.receive("PUT").unwrap();
    table.line("HTTP/1.0", &response, "200");
    table.finish(&response, "100");
}

#[test]
fn an_early_error_reaches_a_client_that_goes_on_sending() {
    let peer = Peer::start();
    let mut table = Table::default();
    let bucket = peer.bucket();
    let body = vec![b'x'; 6 << 20];
    let chunk = [b"100000\r\n".to_vec(), vec![b'x'; 1 << 20], b"\r\n".to_vec()].concat();
    let no_bucket = "404 NoSuchBucket: The specified bucket does not exist (BucketName=missing-bucket)";
    for (name, asked, expected) in [
        ("sized", put("/missing-bucket/k", &body), no_bucket),
        (
            "chunked",
            put("/missing-bucket/k", chunk.repeat(6)).payload("UNSIGNED-PAYLOAD").unframed().with_unsigned("Transfer-Encoding", "chunked"),
            "411 MissingContentLength: You must provide the Content-Length HTTP header.",
        ),
        ("signature", put(&format!("/{bucket}/k"), &body).signed_as("NOBODY", "x"), {
            "403 InvalidAccessKeyId: The AWS Access Key Id you provided does not exist in our records. (AWSAccessKeyId=NOBODY)"
        }),
        (
            "document",
            put(&format!("/{bucket}?cors"), &body),
            "400 MaxMessageLengthExceeded: Your request was too big. (MaxMessageLengthBytes=65536)",
        ),
    ] {
        let response = peer.ask(&asked);
        table.check(name, &line(&response), expected);
        table.check(&format!("{name}: closes"), response.header("connection").unwrap_or_default(), "close");
    }
    peer.assert_well("bodies that nobody wanted");
    // A short body that was not read is discarded, and the connection goes on.
    let mut client = peer.connect();
    for round in 0..3 {
        let response = client.ask(put("/missing-bucket/k", "hello").bytes(&peer.host())).unwrap();
        table.line(&format!("round {round}"), &response, no_bucket);
    }
    let canary = client.ask(put("/missing-bucket/k", "hello").bytes(&peer.host())).unwrap();
    table.finish(&canary, "404 NoSuchKey");
}
