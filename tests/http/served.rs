//! A server's beginning and its end.

use crate::exporter::{PATIENCE, returns, wait_until};
use crate::wire::{Peer, get, serve, served, with_held_check};
use quipu::{Endpoint, Registry, ServeError};
use std::io::BufRead;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

fn endpoint() -> Endpoint {
    Endpoint::builder().registry(Arc::new(Registry::new())).build()
}

fn refuses(address: SocketAddr) -> bool {
    TcpStream::connect(address).is_err()
}

#[test]
fn a_port_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = endpoint().serve(address).unwrap_err();
    assert!(matches!(error, ServeError::Bind { address: at, .. } if at == address));
    let text = error.to_string();
    let port = address.port();
    assert_eq!(
        text,
        format!(
            "port {port} of 127.0.0.1 is in use, by this program or another one; stop that, or serve \
             on another port (port 0 lets the system choose)"
        )
    );
}

#[test]
fn one_port_is_served_once() {
    let (_server, address) = serve(&endpoint());
    assert!(endpoint().serve(address).unwrap_err().to_string().contains("by this program"));
    let disabled = endpoint().serve_or_disabled(address);
    assert_eq!(disabled.local_addr(), None);
    assert!(disabled.stop(PATIENCE));
    assert_eq!(get(address, "/health").status, 200);
}

#[test]
fn what_is_no_address_is_refused_with_an_example() {
    for address in ["9464", ":9464", "127.0.0.1", "127.0.0.1:99999", "", "127.0.0.1:http"] {
        let error = endpoint().serve(address).unwrap_err();
        assert!(matches!(error, ServeError::Address { .. }), "{address}: {error:?}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("\"{address}\" is no address to serve at: ")), "{text}");
        assert!(text.ends_with("such as \"127.0.0.1:9464\""), "{text}");
    }
    let none: &[SocketAddr] = &[];
    assert!(endpoint().serve(none).unwrap_err().to_string().contains("no address"));
    // Of the documentation, and of no machine.
    let elsewhere = endpoint().serve("192.0.2.1:0").unwrap_err().to_string();
    assert!(elsewhere.contains("no address 192.0.2.1"), "{elsewhere}");
}

#[test]
fn of_several_addresses_the_first_free_one_is_served() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = [taken.local_addr().unwrap(), "127.0.0.1:0".parse().unwrap()];
    let server = endpoint().serve(&addresses[..]).unwrap();
    assert_ne!(server.local_addr().unwrap(), addresses[0]);
    assert_eq!(get(server.local_addr().unwrap(), "/health").status, 200);
}

#[test]
fn a_dropped_server_gives_its_port_back() {
    let (server, address) = serve(&endpoint());
    let mut idle = Peer::connect(address);
    assert_eq!(idle.get("/health").status, 200);
    let mut half = Peer::connect(address);
    half.send("GET / HT");
    let half_is_there = Peer::connect(address).get("/metrics.json").status;
    assert_eq!(half_is_there, 200);
    returns(move || drop(server));
    assert!(refuses(address));
    assert_eq!((idle.rest(), half.rest()), (vec![], vec![]));
    let again = endpoint().serve(address).unwrap();
    assert_eq!(get(address, "/health").status, 200);
    assert!(again.stop(PATIENCE));
}

#[test]
fn head_and_body_of_a_short_answer_come_together() {
    let (_server, address) = serve(&endpoint());
    for _ in 0..20 {
        let mut peer = Peer::connect(address);
        peer.ask("GET", "/health/live", "");
        let first = String::from_utf8(peer.0.fill_buf().unwrap().to_vec()).unwrap();
        let (_, body) = first.split_once("\r\n\r\n").expect("a whole head");
        assert!(body.ends_with("}\n"), "{body:?}");
    }
}

#[test]
fn bodies_of_any_length_arrive_whole() {
    let (registry, _server, address) = served();
    let mut peer = Peer::connect(address);
    let mut longest = 0;
    for number in 0..200 {
        registry.counter(&format!("series.{number}")).help(&"x".repeat(83)).register().unwrap();
        let reply = peer.get("/metrics");
        let text = reply.text();
        let lines = text.lines().filter(|line| line.starts_with("series_"));
        assert_eq!(lines.count(), number + 1);
        assert!(text.ends_with('\n'), "{text}");
        longest = text.len();
    }
    assert!(longest > 24 * 1024, "{longest}");
}

#[test]
fn a_response_in_work_is_finished_before_the_end() {
    let (endpoint, held) = with_held_check("slow", Err("in full".into()));
    let (server, address) = serve(&endpoint);
    let mut peer = Peer::connect(address);
    peer.ask("GET", "/health", "");
    held.wait();
    let stopping = std::thread::spawn(move || server.stop(PATIENCE));
    wait_until("no more connections are taken", || refuses(address));
    drop(held);
    let reply = peer.receive();
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("slow: in full"));
    assert_eq!(peer.rest(), b"");
    assert!(stopping.join().unwrap());
}

#[test]
fn a_stop_does_not_wait_for_a_check_that_hangs() {
    let (endpoint, held) = with_held_check("hangs", Ok(()));
    let (server, address) = serve(&endpoint);
    let mut peer = Peer::connect(address);
    peer.ask("GET", "/health", "");
    held.wait();
    assert!(!returns(move || server.stop(Duration::from_millis(20))));
    assert_eq!(peer.rest(), b"");
}

#[test]
fn clones_are_served_side_by_side() {
    let (registry, _server, address) = served();
    registry.counter("c").register().unwrap().add(5);
    let endpoint = Endpoint::builder().registry(registry).build();
    let (_one, first) = serve(&endpoint);
    let (_other, second) = serve(&endpoint.clone());
    for address in [address, first, second] {
        assert!(get(address, "/metrics.json").text().contains("{\"total\":5}"));
    }
}

#[test]
fn it_is_served_and_dropped_inside_of_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (server, address) = serve(&endpoint());
        assert_eq!(get(address, "/health").status, 200);
        assert!(endpoint().serve(address).is_err());
        drop(server);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_forked_child_serves_anew() {
    crate::process::in_own_process("served::a_forked_child_serves_anew", || {
        let endpoint = endpoint();
        let (server, address) = serve(&endpoint);
        let mut server = Some(server);
        assert_eq!(get(address, "/metrics.json").status, 200);
        in_forked_child(|| {
            assert!(server.take().unwrap().stop(Duration::ZERO));
            let (_server, address) = serve(&endpoint);
            assert_eq!(get(address, "/metrics.json").status, 200);
        });
        assert_eq!(get(address, "/metrics.json").status, 200);
    });
}

/// Panics unless the child comes to its end without a panic.
#[cfg(target_os = "linux")]
#[allow(unsafe_code)]
fn in_forked_child(body: impl FnOnce()) {
    // SAFETY: the child runs code of the test alone, and leaves by `_exit`.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "{}", std::io::Error::last_os_error());
    if child == 0 {
        // SAFETY: only starts a timer, whose signal ends the child.
        unsafe { libc::alarm(20) };
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
        // SAFETY: ends the child without a part in the parent's unwinding and exit.
        unsafe { libc::_exit(i32::from(result.is_err())) };
    }
    let mut status = 0;
    // SAFETY: `status` may be written to, and the child is this process's.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child failed or hung");
}
