//! What a connection can make the server keep in memory, whatever its client does or does not do.

use super::{alone, client::Sender, eventually, server::Server};
use partway::testkit::raw_client::RawClient;
use std::{
    io::{ErrorKind, Write as _},
    net::TcpStream,
    time::Duration,
};

const FLAGS: &[&str] = &["--head-timeout", "10m", "--body-timeout", "10m"];
const LARGE_SIZE: usize = 8 << 20;

/// What so many connections cost while they are open, each, on a server of their own with a large object. Bytes.
fn cost(what: &str, count: usize, open: impl Fn(&mut TcpStream, usize)) -> u64 {
    let server = Server::start(FLAGS);
    let mut client = RawClient::connect(server.address).unwrap();
    assert_eq!(client.ask(Sender::ROOT.put("", b"")).unwrap().status, 200);
    assert_eq!(client.ask(Sender::ROOT.put("large", &vec![7; LARGE_SIZE])).unwrap().status, 200);
    assert_eq!(client.ask(Sender::ROOT.get("large")).unwrap().status, 200);
    drop(client);
    let before = server.memory().0;
    let mut connections = Vec::new();
    for number in 0..count {
        let mut connection = TcpStream::connect(server.address).unwrap();
        connection.set_nodelay(true).unwrap();
        open(&mut connection, number);
        connections.push(connection);
    }
    eventually("they are all open", || server.metric("partway_connections ") as usize > count);
    // Until the server has done with each what it will.
    let mut last = 0;
    eventually("nothing grows any more", || {
        std::thread::sleep(Duration::from_millis(200));
        let now = server.memory().0;
        std::mem::replace(&mut last, now).abs_diff(now) < 512 << 10
    });
    let each = last.saturating_sub(before) / count as u64;
    println!("{what}: {each} bytes each of {count}, from {} to {} MiB", before >> 20, last >> 20);
    assert!(server.descriptors() < 2 * count + 1024);
    drop(connections);
    eventually("they are all closed", || server.metric("partway_connections ") <= 1.0);
    each
}

#[test]
fn what_a_slow_client_costs_in_memory_is_bounded() {
    let _alone = alone();
    let heads = cost("unfinished heads", 1000, |connection, _| {
        connection.write_all(format!("GET /crowd/k HTTP/1.1\r\nHost: localhost\r\nx: {}", "y".repeat(30_000)).as_bytes()).unwrap();
    });
    assert!(heads < 96 << 10, "{heads}");

    // All of body-memory, and each connection with its buffer.
    let bodies = cost("unfinished bodies", 900, |connection, number| {
        let request = Sender::ROOT.put(&format!("body-{number}"), &[7; 300_000]);
        write_what_is_taken(connection, &request[..request.len() - 1]);
    });
    assert!(bodies < (96 << 20) / 900 + (128 << 10), "{bodies}");

    // The same bytes one by one, in packets of their own.
    let trickles = cost("bodies in single bytes", 100, |connection, number| {
        let request = Sender::ROOT.put(&format!("trickle-{number}"), &[7; 100_000]);
        let (head, body) = request.split_at(request.len() - 100_000);
        connection.write_all(head).unwrap();
        body[..1000].iter().for_each(|byte| connection.write_all(&[*byte]).unwrap());
    });
    assert!(trickles < 256 << 10, "{trickles}");

    // A block each, and what all of them may hold beyond that.
    let of_all = 32 << 20;
    let answers = cost("answers that nobody reads", 500, |connection, _| {
        connection.write_all(&Sender::ROOT.get("large")).unwrap();
    });
    assert!(answers < of_all / 500 + (192 << 10), "{answers}");

    let pipelines = cost("requests in a row whose answers nobody reads", 50, |connection, _| {
        let request = Sender::ROOT.get("large").repeat(200);
        while write_what_is_taken(connection, &request) {}
    });
    assert!(pipelines < of_all / 50 + (256 << 10), "{pipelines}");
}

/// Writes until the server takes no more for a while; whether it took everything.
fn write_what_is_taken(connection: &mut TcpStream, bytes: &[u8]) -> bool {
    connection.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    match connection.write_all(bytes) {
        Ok(()) => true,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
            false
        }
    }
}
