//! Callbacks that would reach where their sender cannot: whatever the URL says, a private address is never called.

use crate::{
    hang_ups::application,
    request::{Request, get, put},
    site::Site,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

fn calling(target: &str, url: &str) -> Request {
    let callback = STANDARD.encode(serde_json::json!({ "callbackUrl": url, "callbackBody": "a=b" }).to_string());
    put(target, "x").oss().with("x-oss-callback", callback)
}

#[test]
fn no_way_to_write_a_private_address_reaches_it() {
    let site = Site::start(&[]);
    let bucket = site.bucket();
    let (url, calls) = application();
    let port = url.trim_end_matches('/').rsplit(':').next().expect("it has a port").to_owned();
    for host in [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "00.0.0.0",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0x7F.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.1.",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[fe80::1%25lo]",
        "[fe80::1]",
        "[fd00::1]",
        "169.254.169.254",
        "169.254.169.254.",
        "100.100.100.200",
        "168.63.129.16",
        "10.0.0.1",
        "192.168.0.1",
        "172.16.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "user@127.0.0.1",
        "user:password@127.0.0.1",
        "example.org@127.0.0.1",
        "127.0.0.1#@example.org",
        "127.0.0.1\\@example.org",
        "127.0.0.1%2f@example.org",
        "\u{2460}\u{2461}\u{2466}.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "%31%32%37.0.0.1",
    ] {
        for scheme in ["http", "https", "HTTP"] {
            let target = format!("/{bucket}/called");
            let answer = site.ask(&calling(&target, &format!("{scheme}://{host}:{port}/")));
            assert_eq!(answer.status, 400, "{scheme}://{host}: {}", answer.text());
            assert!(!answer.text().contains(&port), "what a name stands for is nobody's business: {}", answer.text());
            assert_eq!(site.ask(&get(&target)).status, 404, "{host}");
        }
    }
    for url in [
        format!("file:///etc/passwd?http://127.0.0.1:{port}/"),
        format!("gopher://127.0.0.1:{port}/_x"),
        format!("unix:///127.0.0.1:{port}"),
        format!("//127.0.0.1:{port}/"),
        format!("http:127.0.0.1:{port}/"),
        format!("http:///127.0.0.1:{port}/"),
        format!("http://\u{0}127.0.0.1:{port}/"),
        format!("http://1.1.1.1 127.0.0.1:{port}/"),
        format!("http://127.0.0.1:{port}/\r\nX-Injected: yes"),
        format!("http://169.254.169.254/;http://127.0.0.1:{port}/"),
    ] {
        assert_eq!(site.ask(&calling(&format!("/{bucket}/called"), &url)).status, 400, "{url:?}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0, "a private address was called");
}

#[test]
fn an_application_cannot_send_the_gateway_elsewhere() {
    let (elsewhere, calls) = application();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for (mut socket, status) in listener
            .incoming()
            .map_while(Result::ok)
            .zip(["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"].iter().cycle())
        {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = socket.read(&mut [0; 4096]);
            let answer = format!(
                "HTTP/1.1 {status}\r\nLocation: {elsewhere}\r\nRefresh: 0; url={elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = socket.write_all(answer.as_bytes());
        }
    });
    let site = Site::start(&["--callback-allow", "127.0.0.1", "--events-retry-min", "1h"]);
    let bucket = site.bucket();
    for number in 0..5 {
        let answer = site.ask(&calling(&format!("/{bucket}/{number}"), &url));
        assert_eq!((answer.status, answer.element("Code")), (203, Some("CallbackFailed")), "{}", answer.text());
    }
    assert_eq!((asked.load(Ordering::SeqCst), calls.load(Ordering::SeqCst)), (5, 0), "a redirect was followed");
}

#[test]
fn what_the_operator_denies_is_never_called_although_it_is_allowed() {
    let (url, calls) = application();
    let site = Site::start(&["--callback-allow", "127.0.0.0/8", "--callback-deny", "127.0.0.1"]);
    let bucket = site.bucket();
    for url in [url.clone(), url.replace("127.0.0.1", "[::ffff:127.0.0.1]"), url.replace("127.0.0.1", "localhost")] {
        assert_eq!(site.ask(&calling(&format!("/{bucket}/k"), &url)).status, 400, "{url}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0);
}
