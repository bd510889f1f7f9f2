//! A response holds what was recorded before its request, however many ask.

use crate::wire::{Peer, serve, served};
use quipu::{Client, Endpoint, Registry};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn what_was_recorded_before_a_request_is_in_its_response() {
    let (registry, _server, address) = served();
    let counter = registry.counter("c").register().unwrap();
    let mut peer = Peer::connect(address);
    for total in 1..=1_000 {
        counter.increment();
        let reply = peer.get("/metrics.json");
        assert!(reply.text().contains(&format!("{{\"total\":{total}}}]}},")), "{}", reply.text());
    }
}

#[test]
fn parallel_clients_each_see_what_they_recorded() {
    let (registry, _server, address) = served();
    thread::scope(|scope| {
        for name in ["a", "b", "c", "d"] {
            let counter = registry.counter("c").label("by", name).register().unwrap();
            scope.spawn(move || {
                let mut peer = Peer::connect(address);
                for total in 1..=250 {
                    counter.increment();
                    let text = format!("{{\"labels\":{{\"by\":\"{name}\"}},\"total\":{total}}}");
                    let reply = peer.get("/metrics.json");
                    assert!(reply.text().contains(&text), "no {text} in {}", reply.text());
                }
            });
        }
    });
}

#[test]
fn a_storm_of_scrapes_costs_two_collections() {
    let registry = Arc::new(Registry::new());
    let endpoint = Endpoint::builder().registry(registry.clone());
    let (_server, address) = serve(&endpoint.min_interval(Duration::from_secs(1)).build());
    let mut peers: Vec<_> = (0..100).map(|_| Peer::connect(address)).collect();
    for peer in &mut peers {
        peer.ask("GET", "/metrics.json", "");
    }
    let sequences: BTreeSet<_> = peers.iter_mut().map(|peer| peer.receive().sequence()).collect();
    assert!(sequences.len() <= 2, "{sequences:?}");
    let collections = registry.snapshot().counter("quipu.endpoint.collections", &[]);
    assert!(collections <= Some(2), "{collections:?}");
}

#[test]
fn collections_begin_an_interval_apart() {
    let registry = Arc::new(Registry::new());
    let interval = Duration::from_millis(50);
    let endpoint = Endpoint::builder().registry(registry.clone()).min_interval(interval);
    let (_server, address) = serve(&endpoint.build());
    let mut peer = Peer::connect(address);
    let started = Instant::now();
    let sequences: Vec<_> = (0..5).map(|_| peer.get("/metrics.json").sequence()).collect();
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
    assert!(started.elapsed() >= 4 * interval);
}

/// Whoever asks while nobody else does need not wait: an interval is between two collections only.
#[test]
fn the_first_scrape_does_not_wait() {
    let registry = Arc::new(Registry::new());
    let endpoint = Endpoint::builder().registry(registry.clone());
    let (_server, address) = serve(&endpoint.min_interval(Duration::from_secs(100_000)).build());
    assert_eq!(Peer::connect(address).get("/metrics.json").sequence(), 1);
}

#[test]
fn a_published_snapshot_is_served_without_another_one_being_taken() {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let endpoint = Endpoint::builder().registry(registry.clone()).published();
    let (_server, address) = serve(&endpoint.min_interval(Duration::ZERO).build());
    let mut peer = Peer::connect(address);
    // There is none yet.
    let sequences: Vec<_> = (0..2).map(|_| peer.get("/metrics.json").sequence()).collect();
    assert_eq!(sequences, [1, 2]);
    let never = Duration::from_secs(100_000);
    let client =
        Client::builder().registry(registry.clone()).flush_interval(never).start().unwrap();
    for (total, sequence) in [(1, 3), (2, 4)] {
        counter.increment();
        client.flush(never);
        counter.add(0);
        for _ in 0..3 {
            let reply = peer.get("/metrics.json");
            assert_eq!(reply.sequence(), sequence);
            assert!(reply.text().contains(&format!("{{\"total\":{total}}}]}}")));
        }
    }
}
