//! A tenant who wants everything, and others who want little and get it.

use super::{
    alone,
    client::{Dialect, SECRET_KEY, Sender},
    eventually, may_open,
    server::Server,
};
use partway::testkit::raw_client::{RawClient, RawResponse};
use socket2::{Domain, Socket, Type};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// The setting `requests-max` as it comes, and what one tenant gets of it while there is another who might come.
const REQUESTS_MAX: usize = 1024;
const GREEDY_MAX: usize = REQUESTS_MAX - REQUESTS_MAX / 64;
const GREEDY_COUNT: usize = 1100;
const FLAGS: &[&str] = &["--head-timeout", "10m", "--body-timeout", "10m"];

/// What those are told who are told to slow down.
fn assert_told_to_slow_down(answer: &RawResponse, dialect: Dialect) {
    let code = match dialect {
        Dialect::S3 => "SlowDown",
        Dialect::Oss => "ServiceUnavailable",
    };
    assert_eq!((answer.status, answer.element("Code"), answer.header("retry-after")), (503, Some(code), Some("1")), "{answer:?}");
    assert!(answer.header(if dialect == Dialect::S3 { "x-amz-request-id" } else { "x-oss-request-id" }).is_some(), "{answer:?}");
}

#[test]
fn a_tenant_with_a_thousand_uploads_leaves_room_to_one_with_two_in_either_dialect() {
    let _alone = alone();
    if !may_open(GREEDY_COUNT as u64) {
        return;
    }
    for (greedy, modest) in [(Dialect::S3, Dialect::Oss), (Dialect::Oss, Dialect::S3)] {
        let server = Server::start(FLAGS);
        server.create_key("GREEDY");
        server.create_key("MODEST");
        let greedy = Sender { dialect: greedy, access_key: "GREEDY", secret_key: SECRET_KEY };
        let modest = Sender { dialect: modest, access_key: "MODEST", secret_key: SECRET_KEY };
        assert_eq!(RawClient::connect(server.address).unwrap().ask(modest.put("", b"")).unwrap().status, 200);

        let mut uploads = Vec::new();
        for number in 0..GREEDY_COUNT {
            let mut upload = RawClient::connect(server.address).unwrap();
            // All but the last byte.
            let request = greedy.put(&format!("greedy-{number}"), &[7; 100_000]);
            upload.send(&request[..request.len() - 1]).unwrap();
            uploads.push(upload);
        }
        let shed = GREEDY_COUNT - GREEDY_MAX;
        eventually("those above the limit are turned away", || server.metric("partway_requests_shed_total") as usize >= shed);
        assert_eq!(server.metric("partway_requests_shed_total") as usize, shed, "and no others");
        // And more and more of them.
        let impatient = Flood::start(server.address, 4, move |client| {
            let answer = client.ask(greedy.put("greedy", b"small"))?;
            assert_told_to_slow_down(&answer, greedy.dialect);
            Ok(())
        });
        two_clients(server.address, modest);
        assert!(impatient.end() > 0);

        // Those who were turned away may have been cut off, as they went on sending.
        let served = uploads.iter_mut().rev().step_by(10).filter_map(|upload| {
            upload.send([7]).ok()?;
            upload.receive("PUT").ok().filter(|answer| answer.status == 200)
        });
        assert!(served.count() >= GREEDY_MAX / 11, "uploads that had been let in are served to their end");
    }
}

#[test]
fn strangers_and_forged_signatures_take_no_place_from_who_has_a_key() {
    let _alone = alone();
    if !may_open(GREEDY_COUNT as u64) {
        return;
    }
    let server = Server::start(FLAGS);
    assert_eq!(RawClient::connect(server.address).unwrap().ask(Sender::ROOT.put("", b"")).unwrap().status, 200);
    // Forms that never end: nobody knows whose they are.
    let form =
        "POST /crowd HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=XX\r\nContent-Length: 5000\r\n\r\n--XX\r\n";
    let mut forms = Vec::new();
    for _ in 0..GREEDY_COUNT {
        let mut client = RawClient::connect(server.address).unwrap();
        client.send(form).unwrap();
        forms.push(client);
    }
    let shed = GREEDY_COUNT - GREEDY_MAX;
    eventually("those above the limit are turned away", || server.metric("partway_requests_shed_total") as usize >= shed);
    let forger = Sender { secret_key: "not-the-secret", ..Sender::ROOT };
    let forgeries = Flood::start(server.address, 4, move |client| {
        let answer = client.ask(forger.put("forged", b"small"))?;
        assert_eq!((answer.status, answer.element("Code")), (403, Some("SignatureDoesNotMatch")));
        Ok(())
    });
    two_clients(server.address, Sender::ROOT);
    two_clients(server.address, Sender { dialect: Dialect::Oss, ..Sender::ROOT });
    assert!(forgeries.end() > 0);

    // One more stranger has to come from somewhere else.
    for (dialect, header) in [(Dialect::S3, "x-amz-meta-a: b"), (Dialect::Oss, "x-oss-meta-a: b")] {
        let request = format!("GET /crowd/object HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
        assert_told_to_slow_down(&RawClient::connect(server.address).unwrap().ask(&request).unwrap(), dialect);
        let answer = ask_from("127.0.0.2", server.address, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    }
}

#[test]
fn an_address_with_very_many_connections_leaves_some_to_others() {
    let _alone = alone();
    let server = Server::start(&[FLAGS, &["--connections-max", "256"]].concat());
    assert_eq!(RawClient::connect(server.address).unwrap().ask(Sender::ROOT.put("", b"")).unwrap().status, 200);
    eventually("it is alone", || server.metric("partway_connections ") == 1.0);
    let mut connections = Vec::new();
    for _ in 0..300 {
        connections.push(RawClient::connect(server.address).unwrap());
    }
    // One more than there are clients: the gauge counts the scrape's own.
    eventually("there are as many as may be", || server.metric("partway_connections ") == 253.0);
    let mut statuses: Vec<u16> =
        connections.iter_mut().map(|client| client.ask(Sender::ROOT.get("")).map_or(0, |answer| answer.status)).collect();
    statuses.retain(|&status| status == 200);
    assert_eq!(statuses.len(), 252);
    let refused = RawClient::connect(server.address).unwrap().receive("GET").unwrap();
    assert_eq!((refused.status, refused.element("Code"), refused.header("retry-after")), (503, Some("SlowDown"), Some("1")));
    let answer = ask_from("127.0.0.2", server.address, &Sender::ROOT.get(""));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// How many objects there are with long names, and how often a listing of them is asked for at once.
const NAMES: usize = 1000;
const LISTINGS: usize = 40;

#[test]
fn listings_that_nobody_reads_leave_room_to_others() {
    let _alone = alone();
    let server = Server::start(&[FLAGS, &["--durability", "none"]].concat());
    server.create_key("GREEDY");
    server.create_key("MODEST");
    let of = |access_key| Sender { access_key, secret_key: SECRET_KEY, ..Sender::ROOT };
    assert_eq!(RawClient::connect(server.address).unwrap().ask(Sender::ROOT.put("", b"")).unwrap().status, 200);
    // In a listing each of these bytes becomes five.
    let long = "&".repeat(1000);
    thread::scope(|scope| {
        for part in 0..4 {
            let (long, address) = (&long, server.address);
            scope.spawn(move || {
                let mut client = RawClient::connect(address).unwrap();
                client.set_read_timeout(Duration::from_secs(60)).unwrap();
                for number in (part..NAMES).step_by(4) {
                    assert_eq!(client.ask(Sender::ROOT.put(&format!("{long}{number}"), b"x")).unwrap().status, 200);
                }
            });
        }
    });
    let listing = of("GREEDY").get("");
    let unread: Vec<Socket> = (0..LISTINGS)
        .map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            // So that little of it is on its way.
            socket.set_recv_buffer_size(4096).unwrap();
            socket.connect(&server.address.into()).unwrap();
            (&socket).write_all(&listing).unwrap();
            socket
        })
        .collect();
    eventually("most are turned away", || server.metric("partway_requests_shed_total{reason=\"answers\"}") as usize >= LISTINGS / 4);
    let ask = |access_key| {
        let mut client = RawClient::connect(server.address).unwrap();
        client.set_read_timeout(Duration::from_secs(60)).unwrap();
        client.ask(of(access_key).get("")).unwrap()
    };
    assert_told_to_slow_down(&ask("GREEDY"), Dialect::S3);
    let page = ask("MODEST");
    assert!(page.status == 200 && page.body.len() > NAMES * 5000, "{} with {} bytes", page.status, page.body.len());
    drop(unread);
    eventually("what nobody waits for any more gives its room back", || ask("GREEDY").status == 200);
}

/// Two clients at once, each of which puts and gets objects, small ones and some that are files, every one successfully.
fn two_clients(address: SocketAddr, sender: Sender) {
    let clients: Vec<JoinHandle<()>> = (0..2)
        .map(|number| {
            thread::spawn(move || {
                let mut client = RawClient::connect(address).unwrap();
                client.set_read_timeout(Duration::from_secs(60)).unwrap();
                for object in 0..25 {
                    let (key, body) = (format!("modest-{number}-{object}"), vec![object; if object % 5 == 0 { 70_000 } else { 1000 }]);
                    let put = client.ask(sender.put(&key, &body)).unwrap();
                    assert_eq!(put.status, 200, "{put:?}");
                    let got = client.ask(sender.get(&key)).unwrap();
                    assert!(got.status == 200 && got.body == body, "{}", got.status);
                }
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("every request succeeds"));
}

/// What comes first of the answer to a request from another address of this machine.
fn ask_from(source: &str, address: SocketAddr, request: &[u8]) -> String {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = [0; 4096];
    let size = stream.read(&mut answer).unwrap();
    String::from_utf8_lossy(&answer[..size]).into_owned()
}

/// Clients that ask as often as they can; one that loses its connection makes another.
struct Flood {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

impl Flood {
    fn start(address: SocketAddr, count: usize, ask: impl Fn(&mut RawClient) -> std::io::Result<()> + Copy + Send + 'static) -> Self {
        let (over, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = (0..count).map(|_| {
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let Ok(mut client) = RawClient::connect(address) else { continue };
                    while !over.load(Ordering::Relaxed) && ask(&mut client).is_ok() {
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        });
        Self { clients: clients.collect(), over, answered }
    }

    /// Ends it; returns how many requests were answered.
    fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        self.clients.into_iter().for_each(|client| client.join().expect("every answer is as it has to be"));
        self.answered.load(Ordering::Relaxed)
    }
}
