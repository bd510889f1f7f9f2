//! Requests that are none, that are too much, or that mean to be two.

use crate::exporter::A_CHANCE;
use crate::wire::{Peer, get, served};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::thread;

/// What comes back until the connection ends, which it must: in order, and not by a reset, which could
/// take the response with it.
fn sent(address: SocketAddr, bytes: &[u8]) -> String {
    let mut peer = Peer::connect(address);
    peer.send(bytes);
    peer.0.get_ref().shutdown(Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    peer.0.read_to_end(&mut reply).unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

fn assert_refused(address: SocketAddr, bytes: &[u8], status: &str) {
    let reply = sent(address, bytes);
    let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(60)]);
    assert!(reply.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}: {reply}");
    assert_eq!(reply.matches("HTTP/1.1 ").count(), 1, "{shown}: {reply}");
    assert_eq!(get(address, "/health").status, 200);
}

#[test]
fn what_is_not_http_is_refused() {
    let (_registry, _server, address) = served();
    let client_hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x8f\x1d\x00\xff\x00\x01\x02";
    assert_refused(address, client_hello, "400");
    assert_refused(address, b"\0\0\0\0\0\0\0\0\r\n\r\n", "400");
    assert_refused(address, &[0xff; 5_000], "400");
    assert_refused(address, b"GET /metrics\r\n\r\n", "400");
    assert_refused(address, b"GET /metrics HTTP/3.0\r\n\r\n", "400");
    assert_refused(address, b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "400");
    assert_refused(address, b"GET / HTTP/1.1\r\nna me: x\r\n\r\n", "400");
    assert_refused(address, b"GET / HTTP/1.1\r\nx: \0\r\n\r\n", "400");
    assert_refused(address, b"GET /a b HTTP/1.1\r\n\r\n", "400");
    assert_refused(address, b"GET /<script>alert(1)</script> HTTP/1.1\r\n\r\n", "400");
    for nothing in [&b""[..], b"\r\n\r\n", b"GET"] {
        assert!(!sent(address, nothing).contains(" 200 "));
    }
    assert!(
        !sent(address, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").contains(" 200 ")
    );
}

#[test]
fn a_request_that_could_be_read_as_two_is_answered_once_at_most() {
    let (_registry, _server, address) = served();
    let hidden = "GET /metrics.json HTTP/1.1\r\nhost: x\r\n\r\n";
    let ambiguous = [
        "content-length: -1\r\n",
        "content-length: +5\r\n",
        "content-length: 5, 6\r\n",
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: 99999999999999999999999\r\n",
        "content-length: 0x10\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding: xchunked\r\n",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n",
        "content-length : 0\r\n",
        "transfer-encoding\t: chunked\r\n",
    ];
    for headers in ambiguous {
        let bytes = format!("POST / HTTP/1.1\r\nhost: x\r\n{headers}\r\n{hidden}");
        let reply = sent(address, bytes.as_bytes());
        assert!(!reply.contains("sequence"), "{headers}: {reply}");
        assert!(!reply.contains(" 200 "), "{headers}: {reply}");
    }
    // Both lengths: the chunks count, and what follows them is not another request.
    let both = format!(
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n\
         0\r\n\r\n{hidden}",
        5 + hidden.len()
    );
    let reply = sent(address, both.as_bytes());
    assert!(reply.matches("HTTP/1.1 ").count() <= 2 && !reply.contains("HTTP/1.1 500"), "{reply}");
    assert_eq!(get(address, "/health").status, 200);
}

#[test]
fn a_body_is_not_waited_for() {
    let (_registry, _server, address) = served();
    for head in [
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
        "GET /health HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n",
    ] {
        let mut peer = Peer::connect(address);
        peer.send(head);
        let reply = peer.receive();
        assert_eq!(reply.status, if head.starts_with("GET") { 200 } else { 405 });
        // The connection is of no use any more.
        assert_eq!(peer.rest(), b"");
    }
}

#[test]
fn a_body_that_keeps_coming_is_not_taken() {
    let (_registry, _server, address) = served();
    let mut peer = Peer::connect(address);
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n");
    let chunk = vec![b'x'; 1 << 16];
    let mut taken = 0_u64;
    while taken < 1 << 30 && peer.0.get_mut().write_all(&chunk).is_ok() {
        taken += 1 << 16;
    }
    // What fits into the system's buffers, and not much more.
    assert!(taken < 64 << 20, "{taken} bytes");
}

/// Bytes that arrive at a closed socket cause a reset, which takes a response with it that was not read.
#[test]
fn a_body_that_is_on_its_way_does_not_cost_the_response() {
    let (_registry, _server, address) = served();
    let mut peer = Peer::connect(address);
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n");
    assert_eq!(peer.receive().status, 405);
    assert_eq!(peer.0.read(&mut [0]).unwrap(), 0);
    // The server has said all, and still takes what comes.
    peer.send([b'x'; 4_000]);
    thread::sleep(A_CHANCE);
    peer.send([b'x'; 4_000]);
}

#[test]
fn a_short_body_does_not_end_the_connection() {
    let (_registry, _server, address) = served();
    let mut peer = Peer::connect(address);
    peer.send("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(peer.receive().status, 405);
    assert_eq!(peer.get("/health").status, 200);
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let (_registry, _server, address) = served();
    let header = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(17_000));
    assert_refused(address, header.as_bytes(), "431");
    let path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(64_000));
    let reply = sent(address, path.as_bytes());
    assert!(reply.starts_with("HTTP/1.1 431 ") || reply.starts_with("HTTP/1.1 414 "), "{reply}");
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(65));
    assert_refused(address, many.as_bytes(), "431");
    let as_many_as_may_be = format!("GET / HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(64));
    assert!(sent(address, as_many_as_may_be.as_bytes()).starts_with("HTTP/1.1 200 "));
    let long_path = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "y".repeat(10_000));
    assert!(sent(address, long_path.as_bytes()).starts_with("HTTP/1.1 404 "));
}

#[test]
fn fifty_requests_at_once_are_answered_in_their_order() {
    let (registry, _server, address) = served();
    registry.counter("c").register().unwrap();
    let mut peer = Peer::connect(address);
    let paths = ["/health", "/metrics.json", "/nothing", "/", "/metrics"];
    let requests: String = (0..50)
        .map(|at| format!("GET {} HTTP/1.1\r\nhost: x\r\n\r\n", paths[at % paths.len()]))
        .collect();
    peer.send(requests);
    let mut last = 0;
    for at in 0..50 {
        let reply = peer.receive();
        assert_eq!(reply.status, if at % 5 == 2 { 404 } else { 200 });
        match at % 5 {
            0 => assert!(reply.text().starts_with("{\"status\"")),
            1 => {
                assert!(reply.sequence() > last);
                last = reply.sequence();
            }
            _ => {}
        }
    }
    assert_eq!(peer.get("/health").status, 200);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let (_registry, _server, address) = served();
    let mut peer = Peer::connect(address);
    for _ in 0..2 {
        for byte in b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n" {
            peer.send([*byte]);
        }
        assert_eq!(peer.receive().status, 200);
    }
}

#[test]
fn the_old_protocol_is_answered_and_the_connection_closed() {
    let (_registry, _server, address) = served();
    let mut peer = Peer::connect(address);
    peer.send("GET /health HTTP/1.0\r\n\r\n");
    let mut reply = String::new();
    peer.0.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.0 200 ") && reply.ends_with("\"reasons\":[]}\n"), "{reply}");
}

#[test]
fn connections_that_break_off_are_forgotten() {
    let (registry, _server, address) = served();
    for cut in [0, 1, 10, 25] {
        for _ in 0..20 {
            let mut peer = Peer::connect(address);
            let request = b"GET /metrics.json HTTP/1.1\r\nhost: x\r\n\r\n";
            peer.send(&request[..request.len() - cut]);
            drop(peer);
        }
    }
    registry.counter("c").register().unwrap().add(7);
    assert!(get(address, "/metrics.json").text().contains("{\"total\":7}"));
}
