//! What a scrape allocates: its head, and not its body.
#![cfg(all(feature = "http", not(loom)))]
#![allow(unsafe_code)]

mod counting;

use counting::{ALL_ALLOCATIONS, ALL_BYTES};
use quipu::{Endpoint, Registry};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

#[test]
#[cfg_attr(miri, ignore = "has a runtime")]
fn a_scrape_allocates_a_head_and_no_body() {
    const SCRAPES: u64 = 100;
    let registry = Arc::new(Registry::new());
    for number in 0..10_000 {
        registry.counter(&format!("counter.{number}")).register().unwrap();
    }
    let endpoint = Endpoint::builder().registry(registry).min_interval(Duration::ZERO).build();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for encoding in ["identity", "gzip"] {
        let request = http::Request::get("/metrics.json").header("accept-encoding", encoding);
        let request = request.body(()).unwrap();
        let scrape = || {
            let response = runtime.block_on(endpoint.respond(&request));
            response.headers()["content-length"].to_str().unwrap().parse::<u64>().unwrap()
        };
        (0..20).for_each(|_| assert!(scrape() > 20_000));
        let before = (ALL_ALLOCATIONS.load(Relaxed), ALL_BYTES.load(Relaxed));
        (0..SCRAPES).for_each(|_| assert!(scrape() > 20_000));
        let allocations = (ALL_ALLOCATIONS.load(Relaxed) - before.0) / SCRAPES;
        let bytes = (ALL_BYTES.load(Relaxed) - before.1) / SCRAPES;
        println!("{encoding}: {allocations} allocations, {bytes} bytes");
        assert!(allocations <= 16, "{allocations} for each scrape");
        assert!(bytes < 4_000, "{bytes} for each scrape");
    }
}
