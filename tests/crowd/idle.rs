//! Ten thousand connections on which nothing happens and two hundred on which everything takes for ever.

use super::{alone, client::Sender, eventually, may_open, server::Server};
use partway::testkit::raw_client::RawClient;
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

const IDLE_COUNT: usize = 10_000;
const SLOW_COUNT: usize = 200;
/// Requests of the well-behaved client in a round, half of them uploads.
const ROUND: usize = 400;
const ROUNDS: usize = 3;
/// Attempts at the ratio, of which one has to succeed: others use this machine, too.
const ATTEMPTS: usize = 3;
const MEMORY_MAX: u64 = 512 << 20;
const LARGE_SIZE: usize = 8 << 20;

/// Connections that stay open although nothing happens for longer than clients are given by default: opening them all
/// may take as long on a slow machine.
const FLAGS: &[&str] = &["--head-timeout", "10m", "--body-timeout", "10m"];

#[test]
fn among_ten_thousand_idle_and_two_hundred_slow_connections_a_client_is_served_as_before() {
    let _alone = alone();
    if !may_open((IDLE_COUNT + SLOW_COUNT) as u64) {
        return;
    }
    let server = Server::start(FLAGS);
    let mut client = RawClient::connect(server.address).unwrap();
    assert_eq!(client.ask(Sender::ROOT.put("", b"")).unwrap().status, 200);
    assert_eq!(client.ask(Sender::ROOT.put("large", &vec![7; LARGE_SIZE])).unwrap().status, 200);
    let mut tries = Vec::new();
    for attempt in 1..=ATTEMPTS {
        let quiet = p99(&mut client);
        let mut idle = idle_connections(server.address);
        let slow = Slow::start(server.address);
        let open = 1 + IDLE_COUNT + SLOW_COUNT;
        eventually("all of them are open", || server.metric("partway_connections ") >= open as f64);
        let crowded = p99(&mut client);
        let (memory, memory_max) = server.memory();
        let descriptors = server.descriptors();
        println!(
            "attempt {attempt}: p99 {quiet:?} quiet, {crowded:?} in the crowd; {} MiB, {} at most; {descriptors} descriptors",
            memory >> 20,
            memory_max >> 20
        );
        assert!(server.metric("partway_connections ") >= open as f64, "all of them are still open");
        assert_eq!(server.metric("partway_connections_refused_total"), 0.0);
        assert_eq!(server.metric("partway_requests_shed_total"), 0.0);
        assert!(memory_max < MEMORY_MAX, "{memory_max} bytes");
        assert!(descriptors < open + 1024, "{descriptors} descriptors");
        // Whoever waited is served when he asks.
        for connection in idle.iter_mut().step_by(97) {
            ask_for_nothing(connection);
        }
        slow.finish();
        drop(idle);
        eventually("all of them are closed", || server.metric("partway_connections ") <= 2.0);
        // What else this machine does may have begun or ended meanwhile.
        let quiet = quiet.max(p99(&mut client));
        tries.push((quiet, crowded));
        if crowded <= quiet * 3 {
            return;
        }
    }
    panic!("p99 quiet and in the crowd: {tries:?}");
}

/// The 99th percentile of what small uploads and downloads take: the middle one of some rounds.
fn p99(client: &mut RawClient) -> Duration {
    let body = [42; 1000];
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|round| {
            let mut times: Vec<Duration> = (0..ROUND)
                .map(|number| {
                    let key = format!("small-{round}-{}", number / 2);
                    let request = if number % 2 == 0 { Sender::ROOT.put(&key, &body) } else { Sender::ROOT.get(&key) };
                    let begun = Instant::now();
                    let answer = client.ask(request).unwrap();
                    let took = begun.elapsed();
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert!(number % 2 == 0 || answer.body == body);
                    took
                })
                .collect();
            times.sort_unstable();
            times[ROUND * 99 / 100]
        })
        .collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2]
}

/// Connections of which half never sent anything, and half have had an answer and are kept.
fn idle_connections(address: SocketAddr) -> Vec<TcpStream> {
    (0..IDLE_COUNT)
        .map(|number| {
            let mut connection = TcpStream::connect(address).expect("there is room for it");
            connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            if number % 2 == 0 {
                ask_for_nothing(&mut connection);
            }
            connection
        })
        .collect()
}

/// A request that costs the server little.
fn ask_for_nothing(connection: &mut TcpStream) {
    connection.write_all(b"GET /crowd/absent HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 4096];
    let size = connection.read(&mut answer).expect("it is answered");
    assert!(answer[..size].starts_with(b"HTTP/1.1 403"), "{}", String::from_utf8_lossy(&answer[..size]));
}

/// Clients that send or take a byte now and then, in a thread of their own: heads, bodies, answers, and some that
/// stopped in the middle and are gone without a word.
struct Slow {
    over: Arc<AtomicBool>,
    moving: JoinHandle<Vec<(TcpStream, Vec<u8>)>>,
    silent: Vec<TcpStream>,
}

impl Slow {
    fn start(address: SocketAddr) -> Self {
        let connect = || {
            let connection = TcpStream::connect(address).expect("there is room for it");
            connection.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
            connection
        };
        let (mut senders, mut readers, mut silent) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..SLOW_COUNT / 4 {
            senders.push((connect(), Sender::ROOT.put(&format!("slow-head-{number}"), b"a body")));
            let (mut connection, request) = (connect(), Sender::ROOT.put(&format!("slow-body-{number}"), &[1; 100_000]));
            connection.write_all(&request[..request.len() - 50_000]).unwrap();
            senders.push((connection, request[request.len() - 50_000..].to_vec()));
            let mut connection = connect();
            connection.write_all(&Sender::ROOT.get("large")).unwrap();
            readers.push(connection);
            let (mut connection, request) = (connect(), Sender::ROOT.put(&format!("silent-{number}"), &[1; 100_000]));
            connection.write_all(&request[..if number % 2 == 0 { 100 } else { 50_000 }]).unwrap();
            silent.push(connection);
        }
        let over = Arc::new(AtomicBool::new(false));
        let is_over = Arc::clone(&over);
        let moving = std::thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                for (connection, rest) in senders.iter_mut().filter(|(_, rest)| rest.len() > 1) {
                    connection.write_all(&[rest.remove(0)]).expect("the server is patient");
                }
                for connection in &mut readers {
                    connection.read_exact(&mut [0]).expect("the server goes on answering");
                }
                std::thread::sleep(Duration::from_millis(100));
            }
            senders
        });
        Self { over, moving, silent }
    }

    /// Ends them; those who were still sending send the rest and are answered.
    fn finish(self) {
        self.over.store(true, Ordering::Relaxed);
        for (mut connection, rest) in self.moving.join().expect("they were served all the time") {
            connection.write_all(&rest).unwrap();
            let mut answer = [0; 12];
            connection.read_exact(&mut answer).unwrap();
            assert_eq!(answer, *b"HTTP/1.1 200");
        }
        drop(self.silent);
    }
}
