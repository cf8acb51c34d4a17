//! What an object's size costs in memory: nothing.

use super::{alone, client::Sender, server::Server};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

/// What is sent and received at once.
const STEP_SIZE: usize = 1 << 20;

/// The most memory that a server of its own ever had after an object of so many bytes was put and read. Bytes.
fn peak_after(size: usize) -> u64 {
    let server = Server::start(&["--durability", "none"]);
    let mut connection = TcpStream::connect(server.address).unwrap();
    let piece: Vec<u8> = (0..STEP_SIZE).map(|index| (index % 251) as u8).collect();
    connection.write_all(&Sender::ROOT.put("", b"")).unwrap();
    skip_head(&mut connection);
    connection.write_all(&Sender::ROOT.head("PUT", "object", &[], Some(size as u64))).unwrap();
    (0..size / STEP_SIZE).for_each(|_| connection.write_all(&piece).unwrap());
    skip_head(&mut connection);
    connection.write_all(&Sender::ROOT.get("object")).unwrap();
    skip_head(&mut connection);
    let mut received = vec![0; STEP_SIZE];
    for number in 0..size / STEP_SIZE {
        connection.read_exact(&mut received).unwrap();
        assert!(received == piece, "piece {number}");
    }
    server.memory().1
}

/// Reads up to the end of a head, which says that all is well.
fn skip_head(connection: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte).unwrap();
        head.extend_from_slice(&byte);
    }
    assert!(head.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&head));
}

#[test]
fn memory_does_not_grow_with_the_size_of_an_object() {
    let _alone = alone();
    let (small, large) = (peak_after(16 << 20), peak_after(256 << 20));
    println!("an object of 16 MiB: {} MiB at most, one of 256 MiB: {} MiB", small >> 20, large >> 20);
    assert!(large < small + (24 << 20), "{small} and {large} bytes");
}
