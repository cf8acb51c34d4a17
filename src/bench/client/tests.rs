//! Against a listener that reads a request and says what it is told to.

use super::*;
use std::{net::TcpListener, thread};

/// Whoever asks is answered with this, once, and hung up on.
fn answering(answer: &'static str, request_size: usize) -> (Connection, thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = thread::spawn(move || {
        let mut peer = listener.accept().unwrap().0;
        let mut request = vec![0; request_size];
        peer.read_exact(&mut request).unwrap();
        peer.write_all(answer.as_bytes()).unwrap();
        request
    });
    (Connection::over(Stream::Plain(stream)), server)
}

fn request(body: Body) -> Request {
    Request { head: (*b"X / HTTP/1.1\r\n\r\n").into(), body, is_head: false }
}

fn asked(answer: &'static str, sink: Sink) -> (io::Result<()>, Answer, bool) {
    let request = request(Body::Empty);
    let (mut connection, server) = answering(answer, request.head.len());
    let mut got = Answer::default();
    let outcome = connection.exchange(&request, &Payload::new(1).unwrap(), sink, &mut got);
    server.join().unwrap();
    (outcome, got, connection.is_over())
}

#[test]
fn bodies_arrive_whole_whichever_way_they_are_sent() {
    let payload = Payload::new(100_000).unwrap();
    let document = vec![7; 50_000];
    let from = |start: u64, size: u64| (start..start + size).map(|position| payload.at(position)[0]).collect::<Vec<u8>>();
    let content = |size: u64| from(0, size);
    for (body, expected) in [
        (Body::Empty, Vec::new()),
        (Body::Bytes(document.clone().into()), document),
        (Body::Payload { start: 0, size: 10 }, content(10)),
        (Body::Payload { start: 0, size: TOGETHER_MAX }, content(TOGETHER_MAX)),
        (Body::Payload { start: 0, size: TOGETHER_MAX + 1 }, content(TOGETHER_MAX + 1)),
        (Body::Payload { start: 0, size: 1_234_567 }, content(1_234_567)),
        (Body::Payload { start: 99_990, size: 20 }, from(99_990, 20)),
        (Body::Payload { start: 1_099_999, size: 345_678 }, from(1_099_999, 345_678)),
    ] {
        let request = request(body);
        let expected = [&request.head[..], &expected].concat();
        let (mut connection, server) = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", expected.len());
        connection.exchange(&request, &payload, Sink::Drop, &mut Answer::default()).unwrap();
        assert!(server.join().unwrap() == expected, "{} bytes", expected.len());
        assert!(!connection.is_over());
    }
}

#[test]
fn answers_end_where_their_framing_says() {
    for (answer, status, body, is_over) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 200, "abc", false),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 206 P\r\ncontent-length: 1\r\n\r\nx", 206, "x", false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nab\r\n1\r\nc\r\n0\r\nT: t\r\n\r\n", 200, "abc", false),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nab", 200, "ab", true),
        ("HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, "until the end", true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", 200, "a", true),
        ("HTTP/1.1 204 No\r\n\r\n", 204, "", false),
    ] {
        let (outcome, got, over) = asked(answer, Sink::Keep);
        outcome.unwrap_or_else(|error| panic!("{answer:?}: {error}"));
        assert_eq!((got.status, got.size, got.kept.as_slice(), over), (status, body.len() as u64, body.as_bytes(), is_over), "{answer:?}");
        let (outcome, got, _) = asked(answer, Sink::Drop);
        assert!(outcome.is_ok(), "{answer:?}");
        assert_eq!((got.size, got.kept.len()), (body.len() as u64, 0), "what is dropped is counted: {answer:?}");
    }
}

#[test]
fn errors_are_kept_and_etags_lose_their_quotes() {
    let (outcome, got, _) = asked("HTTP/1.1 403 F\r\nContent-Length: 5\r\nETag: \"e\"\r\n\r\n<a/>!", Sink::Drop);
    assert!(outcome.is_ok());
    assert_eq!((got.is_success(), got.kept.as_slice(), got.etag.as_str()), (false, &b"<a/>!"[..], "e"));
}

#[test]
fn what_is_no_answer_is_an_error_and_ends_the_connection() {
    for answer in [
        "",
        "HTTP/1.1 2",
        "SIP/2.0 200\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        for sink in [Sink::Drop, Sink::Keep] {
            let (outcome, _, is_over) = asked(answer, sink);
            assert!(outcome.is_err() && is_over, "{answer:?}");
        }
    }
}

#[test]
fn content_is_compared_wherever_it_begins() {
    let payload = Payload::new(64).unwrap();
    let text = |wrong: bool| {
        let mut content: Vec<u8> = (10..30u64).map(|position| payload.at(position)[0]).collect();
        content[19] ^= u8::from(wrong);
        [b"HTTP/1.1 206 P\r\nContent-Length: 20\r\n\r\n".as_slice(), &content].concat()
    };
    for wrong in [false, true] {
        let answer = text(wrong);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut peer = listener.accept().unwrap().0;
        peer.write_all(&answer).unwrap();
        let mut connection = Connection::over(Stream::Plain(stream));
        let sink = Sink::Compare { part_size: 64, position: 10 };
        let outcome = connection.exchange(&request(Body::Empty), &payload, sink, &mut Answer::default());
        assert_eq!(outcome.is_err(), wrong);
    }
}

#[test]
fn a_refusal_before_the_bodys_end_is_told_instead_of_the_broken_pipe() {
    let payload = Payload::new(1 << 20).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let mut peer = listener.accept().unwrap().0;
    peer.write_all(b"HTTP/1.1 403 F\r\nContent-Length: 0\r\n\r\n").unwrap();
    peer.shutdown(std::net::Shutdown::Both).unwrap();
    let mut connection = Connection::over(Stream::Plain(stream));
    let mut got = Answer::default();
    let outcome = connection.exchange(&request(Body::Payload { start: 0, size: 64 << 20 }), &payload, Sink::Drop, &mut got);
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!((got.status, connection.is_over()), (403, true));
}
