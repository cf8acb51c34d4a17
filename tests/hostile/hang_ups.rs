//! Clients that hang up: after every byte of a head, at many points of a body, and while they are being answered.

use crate::{
    site::Site,
    victims::{Victim, victims},
};
use std::{
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How many points of a body a connection is cut at.
const BODY_CUT_COUNT: usize = 40;
/// Of an answer, likewise.
const ANSWER_CUT_COUNT: usize = 16;

/// How a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Going {
    /// FIN: what was sent arrives, and nothing more will.
    Closing,
    /// RST: what has not been read yet may be lost.
    Resetting,
}

fn hang_up(socket: TcpStream, going: Going) {
    if going == Going::Resetting {
        socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).expect("an option can be set");
    }
    drop(socket);
}

/// An application that is told of uploads: it answers, and counts.
pub(crate) fn application() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let count = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&count);
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            calls.fetch_add(1, Ordering::SeqCst);
            let _ = socket.read(&mut [0; 4096]);
            let _ =
                socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
        }
    });
    (url, count)
}

/// Where to cut: within the head after every byte or every few, and at points of the body that do not align with anything.
fn cuts(head_size: usize, size: usize, head_step: usize) -> Vec<usize> {
    let body_size = size - head_size;
    let step = (body_size / BODY_CUT_COUNT).max(1) | 1;
    let in_body = (head_size..size).step_by(step).chain((0..8).map(|back| size.saturating_sub(back + 1)));
    let mut cuts: Vec<usize> = (0..head_size).step_by(head_step).chain(in_body.filter(|&cut| cut > head_size)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

fn assert_untouched(site: &Site, victim: &Victim, after: &str) {
    if let Some((question, status)) = &victim.untouched {
        let answer = site.ask(question);
        assert_eq!(answer.status, *status, "{} {after}: {}", victim.name, String::from_utf8_lossy(&answer.body));
    }
}

#[test]
fn cutting_a_request_at_any_byte_leaves_nothing() {
    let (callback, calls) = application();
    let site = Site::start(&["--callback-allow", "127.0.0.0/8"]);
    let bucket = site.bucket();
    let victims = victims(&site, &bucket, &callback);
    let before = site.resident_kib();
    for victim in &victims {
        let bytes = victim.request.bytes(&site.host());
        let head_size = bytes.windows(4).position(|end| end == b"\r\n\r\n").expect("the head ends") + 4;
        // Heads are read by the same code whatever they ask for; one of each way in is cut everywhere.
        let everywhere = ["PutObject, large", "PostObject", "OSS PutObject with a callback"].contains(&victim.name);
        for (index, cut) in cuts(head_size, bytes.len(), if everywhere { 1 } else { 5 }).into_iter().enumerate() {
            let going = if index % 2 == 0 { Going::Closing } else { Going::Resetting };
            let mut socket = site.socket();
            socket.write_all(&bytes[..cut]).expect("the server takes what fits into its buffers");
            if cut > head_size {
                // So that some of it has been worked on, sometimes.
                thread::sleep(Duration::from_millis(index as u64 % 3));
            }
            hang_up(socket, going);
        }
        assert_untouched(&site, victim, "cut off");
    }
    site.assert_unharmed("cut requests", before);
    for victim in &victims {
        assert_untouched(&site, victim, "in the end");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0, "an application was told of an upload that was none");
    // The canary: the same requests are carried out when they are not cut off. Only those that come after their opposites are not:
    // the abort after the completion, and the copy after the deletion.
    let refused = victims.iter().filter(|victim| victim.untouched.is_some() && site.ask(&victim.request).status >= 300);
    assert_eq!(refused.map(|victim| victim.name).collect::<Vec<_>>(), ["AbortMultipartUpload", "CopyObject"]);
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn hanging_up_on_an_answer_leaves_whole_objects_or_none() {
    let (callback, _) = application();
    let site = Site::start(&["--callback-allow", "127.0.0.0/8"]);
    let bucket = site.bucket();
    let victims = victims(&site, &bucket, &callback);
    let before = site.resident_kib();
    for victim in &victims {
        let bytes = victim.request.bytes(&site.host());
        for index in 0..ANSWER_CUT_COUNT {
            let going = if index % 2 == 0 { Going::Closing } else { Going::Resetting };
            let mut socket = site.socket();
            socket.write_all(&bytes).expect("the server takes the request");
            // Nothing, the first bytes, and more and more of what there may be.
            let mut wanted = vec![0; index * index * 450];
            socket.set_read_timeout(Some(Duration::from_millis(20))).expect("an option can be set");
            let _ = socket.read_exact(&mut wanted);
            hang_up(socket, going);
        }
    }
    site.assert_unharmed("answers that nobody read", before);
    let content = crate::victims::large();
    for key in ["large", "streamed", "oss", "called", "appended"] {
        let read = site.ask(&crate::request::get(&format!("/{bucket}/{key}")));
        assert!(read.status == 404 || read.body == content, "{key}: {} with {} bytes", read.status, read.body.len());
    }
    let completed = site.ask(&crate::request::get(&format!("/{bucket}/upload")));
    assert!(completed.status == 404 || completed.body == b"a part", "{completed:?}");
}

#[test]
fn connections_without_a_request_cost_nothing() {
    let site = Site::start(&[]);
    let before = site.resident_kib();
    for index in 0..2000 {
        hang_up(site.socket(), if index % 2 == 0 { Going::Closing } else { Going::Resetting });
    }
    let idle: Vec<TcpStream> = (0..200).map(|_| site.socket()).collect();
    for socket in idle {
        hang_up(socket, Going::Resetting);
    }
    site.assert_unharmed("2,200 connections", before);
}
