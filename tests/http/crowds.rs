//! Many at once, slow ones, and a scraper among them.

use crate::exporter::{A_CHANCE, PATIENCE, wait_until};
use crate::wire::{Peer, get, serve};
use quipu::{Endpoint, EndpointServer, Registry};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

const CAP: usize = 32;

fn served(cap: usize) -> (Arc<Registry>, EndpointServer, SocketAddr) {
    let registry = Arc::new(Registry::new());
    let endpoint = Endpoint::builder().registry(registry.clone()).min_interval(Duration::ZERO);
    let (server, address) = serve(&endpoint.max_connections(cap).build());
    (registry, server, address)
}

fn closed(registry: &Registry, cause: &str) -> u64 {
    let labels = [("cause", cause)];
    registry.snapshot().counter("quipu.endpoint.connections.closed", &labels).unwrap_or(0)
}

/// Whether the other side has closed, or will not wait any more.
fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match { stream }.read(&mut [0; 1024]) {
        Ok(0) => true,
        Ok(_) => false,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn a_thousand_who_drip_do_not_keep_a_scraper_out() {
    let (registry, _server, address) = served(CAP);
    let (stop, stopped) = channel::<()>();
    let crowd = thread::spawn(move || {
        let mut crowd: Vec<TcpStream> = Vec::new();
        let mut at = 0;
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            // Those that were closed come again.
            if crowd.len() < 1_000 {
                crowd.extend(TcpStream::connect(address));
            }
            at = (at + 1) % crowd.len();
            if crowd[at].write_all(b"G").is_err() {
                crowd.swap_remove(at);
                at = 0;
                crowd.extend(TcpStream::connect(address));
            }
        }
    });
    wait_until("the crowd is there", || closed(&registry, "displaced") > 500);
    // A scrape is lost if as many as there may be connect between its own connection and its request.
    let mut lost = 0;
    for _ in 0..200 {
        let mut peer = Peer::connect(address);
        let request = b"GET /metrics.json HTTP/1.1\r\nhost: x\r\n\r\n";
        let is_sent = peer.0.get_mut().write_all(request).is_ok();
        match peer.try_receive(true) {
            Ok(reply) if is_sent => assert_eq!(reply.status, 200),
            _ => lost += 1,
        }
    }
    assert!(lost < 20, "{lost} of 200 scrapes were lost");
    stop.send(()).unwrap();
    crowd.join().unwrap();
}

#[test]
fn who_has_been_without_a_request_for_longest_goes_first() {
    let (registry, _server, address) = served(3);
    let mut asks = Peer::connect(address);
    assert_eq!(asks.get("/health").status, 200);
    let silent = Peer::connect(address);
    let mut third = Peer::connect(address);
    assert_eq!(third.get("/health").status, 200);
    assert_eq!(asks.get("/health").status, 200);
    // The one that never asked is older than the last request of each of the others.
    let mut fourth = Peer::connect(address);
    assert_eq!(fourth.get("/health").status, 200);
    wait_until("the silent one is closed", || is_closed(silent.0.get_ref()));
    assert_eq!(third.get("/health").status, 200);
    let mut fifth = Peer::connect(address);
    assert_eq!(fifth.get("/health").status, 200);
    wait_until("the first one is closed", || is_closed(asks.0.get_ref()));
    assert_eq!((third.get("/health").status, fourth.get("/health").status), (200, 200));
    assert_eq!(closed(&registry, "displaced"), 2);
}

#[test]
fn who_does_not_finish_a_head_is_closed() {
    let (registry, _server, address) = served(CAP);
    let mut slow = Peer::connect(address);
    let mut silent = Peer::connect(address);
    let mut idle = Peer::connect(address);
    assert_eq!(idle.get("/health").status, 200);
    let started = Instant::now();
    slow.send("GET / HTTP/1.1\r\n");
    // Every byte comes in time for the next one, and still it takes too long.
    while !is_closed(slow.0.get_ref()) {
        assert!(started.elapsed() < PATIENCE, "it may go on for ever");
        let _ = slow.0.get_mut().write_all(b"x");
        thread::sleep(A_CHANCE);
    }
    assert!(started.elapsed() > Duration::from_secs(2));
    wait_until("the silent one is closed", || is_closed(silent.0.get_ref()));
    assert_eq!(silent.rest(), b"");
    // The time for a head is not that for being idle.
    assert_eq!(idle.get("/health").status, 200);
    assert_eq!(closed(&registry, "timed_out"), 2);
}

/// Registers what takes more than any socket's buffer.
fn register_much(registry: &Registry) {
    let text = "x".repeat(4_000);
    for number in 0..5_000 {
        let counter = registry.counter("much").label("text", &text);
        counter.label("number", &number.to_string()).register().unwrap();
    }
}

#[test]
fn who_does_not_read_a_response_holds_up_nobody_and_is_closed() {
    let (registry, _server, address) = served(CAP);
    register_much(&registry);
    let mut stuck = Peer::connect(address);
    stuck.ask("GET", "/metrics.json", "");
    // Whoever reads at last gets all of it.
    let mut slow = Peer::connect(address);
    slow.ask("GET", "/metrics.json", "");
    for _ in 0..20 {
        assert_eq!(get(address, "/health").status, 200);
    }
    let reply = slow.receive();
    assert!(reply.body.len() > 5_000 * 4_000 && reply.body.ends_with(b"]}]}\n"));
    wait_until("the one that does not read is closed", || closed(&registry, "timed_out") == 1);
    let rest = stuck.rest();
    assert!(!rest.is_empty() && rest.len() < reply.body.len());
}

#[test]
fn those_who_do_not_read_displace_each_other_before_they_take_all_memory() {
    let (registry, _server, address) = served(CAP);
    register_much(&registry);
    let mut done = Peer::connect(address);
    assert_eq!(done.get("/metrics").status, 200);
    let begun = |_| {
        // One after the other, and of a format that is written quickly: those who wait for long are
        // closed for other reasons.
        let mut peer = Peer::connect(address);
        peer.ask("GET", "/metrics", "");
        // It has begun, with a body of its own.
        peer.0.read_exact(&mut [0; 100]).unwrap();
        peer
    };
    let mut stuck: Vec<_> = (0..8).map(begun).collect();
    // Three bodies of 20 MB are less than may be held.
    wait_until("all but three were closed", || closed(&registry, "displaced") == 5);
    for peer in &mut stuck[..5] {
        assert!(peer.rest().len() < 5_000 * 4_000);
    }
    for peer in &mut stuck[5..] {
        peer.0.read_exact(&mut vec![0; 5_000 * 4_000]).unwrap();
    }
    // Who has read all of it holds nothing.
    assert_eq!(done.get("/health").status, 200);
    assert_eq!(get(address, "/health").status, 200);
}

#[test]
fn a_stop_does_not_wait_for_who_does_not_read() {
    let (registry, server, address) = served(CAP);
    register_much(&registry);
    let mut stuck = Peer::connect(address);
    stuck.ask("GET", "/metrics.json", "");
    // It has begun.
    let mut first = [0; 100];
    stuck.0.read_exact(&mut first).unwrap();
    assert!(!crate::exporter::returns(move || server.stop(A_CHANCE)));
    assert!(stuck.rest().len() < 5_000 * 4_000);
}

#[cfg(target_os = "linux")]
mod linux {
    use super::*;
    use crate::process::in_own_process;

    fn resident_bytes() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// As many files as the system lets this process have.
    #[allow(unsafe_code)]
    fn raise_open_files() -> u64 {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limit` may be written to.
        assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: `limit` is valid.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
        limit.rlim_cur
    }

    #[allow(unsafe_code)]
    fn limit_open_files(count: u64) {
        let limit = libc::rlimit { rlim_cur: count, rlim_max: count };
        // SAFETY: `limit` is valid.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) }, 0);
    }

    #[test]
    fn ten_thousand_connections_take_as_much_memory_as_the_cap_allows() {
        let name = "crowds::linux::ten_thousand_connections_take_as_much_memory_as_the_cap_allows";
        let output = in_own_process(name, || {
            let (registry, _server, address) = served(256);
            let count = (raise_open_files().saturating_sub(600)).min(10_000);
            assert_eq!(get(address, "/metrics.json").status, 200);
            let before = resident_bytes();
            // Each sends the beginning of a head that is as long as it may be.
            let head = format!("GET / HTTP/1.1\r\nx: {}", "y".repeat(15_000));
            let mut crowd = Vec::with_capacity(count as usize);
            for _ in 0..count {
                if let Ok(mut stream) = TcpStream::connect(address) {
                    let _ = stream.write_all(head.as_bytes());
                    crowd.push(stream);
                }
            }
            let reply = get(address, "/metrics.json");
            assert_eq!(reply.status, 200);
            let added = resident_bytes().saturating_sub(before);
            println!("{} connections, {} KiB added", crowd.len(), added / 1024);
            assert!(added < 256 * 48 * 1024, "{added} bytes for {count} connections");
            assert!(closed(&registry, "displaced") >= count - 256 - 10);
        });
        println!("{output}");
    }

    /// Programs may have the signal that comes with a broken pipe end them.
    #[test]
    #[allow(unsafe_code)]
    fn who_breaks_off_in_the_middle_of_a_response_ends_no_process() {
        let name = "crowds::linux::who_breaks_off_in_the_middle_of_a_response_ends_no_process";
        in_own_process(name, || {
            // SAFETY: sets the system's own handling.
            unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
            let (registry, _server, address) = served(CAP);
            register_much(&registry);
            for _ in 0..5 {
                let mut peer = Peer::connect(address);
                peer.ask("GET", "/metrics.json", "");
                peer.0.read_exact(&mut [0; 100]).unwrap();
                drop(peer);
                // Before the response, and in order.
                Peer::connect(address).ask("GET", "/metrics.json", "");
                assert_eq!(get(address, "/metrics.json").status, 200);
            }
        });
    }

    #[test]
    fn without_files_to_open_it_waits_and_goes_on_later() {
        let name = "crowds::linux::without_files_to_open_it_waits_and_goes_on_later";
        in_own_process(name, || {
            let (registry, _server, address) = served(256);
            let open_files = || std::fs::read_dir("/proc/self/fd").unwrap().count();
            let before = open_files();
            assert_eq!(get(address, "/health").status, 200);
            wait_until("the server has closed its side", || open_files() == before);
            limit_open_files(64);
            // All but one are taken, which is the client's side of a connection.
            let mut files = Vec::new();
            while let Ok(file) = std::fs::File::open("/dev/null") {
                files.push(file);
            }
            files.pop();
            let mut waiting = Peer::connect(address);
            waiting.ask("GET", "/health", "");
            let failed = || {
                registry.snapshot().counter("quipu.endpoint.connections.failed", &[]).unwrap_or(0)
            };
            wait_until("it fails twice", || failed() >= 2);
            let (before, since) = (failed(), Instant::now());
            wait_until("it fails again", || failed() > before + 3);
            // It does not spin.
            assert!(since.elapsed() > Duration::from_millis(100));
            drop(files);
            assert_eq!(waiting.receive().status, 200);
            assert_eq!(get(address, "/metrics.json").status, 200);
        });
    }
}
