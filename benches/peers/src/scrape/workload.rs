//! The series that every peer has, and what is recorded to them: functions of their numbers alone.
#![forbid(unsafe_code)]

use super::Peer;

pub const THREADS: usize = 8;
pub const COUNTERS: usize = SUBSYSTEMS.len() * EVENTS.len() * COUNTERS_OF_A_FAMILY;
pub const HISTOGRAMS: usize = SUBSYSTEMS.len() * HISTOGRAMS_OF_A_FAMILY;
pub const RECORDS: usize = 10_000;

const COUNTERS_OF_A_FAMILY: usize = METHODS.len() * ROUTES.len();
const HISTOGRAMS_OF_A_FAMILY: usize = 10;

const SUBSYSTEMS: [&str; 10] = [
    "http_server",
    "http_client",
    "rpc_server",
    "rpc_client",
    "database",
    "cache",
    "queue",
    "storage",
    "authorization",
    "billing",
];
const EVENTS: [&str; 10] = [
    "requests",
    "responses",
    "errors",
    "timeouts",
    "retries",
    "cancellations",
    "rejections",
    "redirects",
    "connections",
    "slow_requests",
];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
const ROUTES: [&str; 20] = [
    "/",
    "/health",
    "/login",
    "/api/v1/users",
    "/api/v1/users/{user_id}",
    "/api/v1/users/{user_id}/sessions",
    "/api/v1/users/{user_id}/preferences",
    "/api/v1/customers",
    "/api/v1/customers/{customer_id}",
    "/api/v1/customers/{customer_id}/orders",
    "/api/v1/customers/{customer_id}/orders/{order_id}",
    "/api/v1/customers/{customer_id}/invoices",
    "/api/v1/orders",
    "/api/v1/orders/{order_id}",
    "/api/v1/orders/{order_id}/items/{item_id}",
    "/api/v1/products",
    "/api/v1/products/{product_id}",
    "/api/v1/products/{product_id}/reviews",
    "/api/v1/search",
    "/api/v1/payments/{payment_id}/refunds",
];

/// Series of one name. The number of a series counts on from family to family.
pub struct Family {
    pub subsystem: &'static str,
    pub event: &'static str,
    pub help: String,
    pub series: Vec<Labels>,
}

#[derive(Clone, Copy)]
pub struct Labels {
    pub method: &'static str,
    pub route: &'static str,
}

impl Family {
    fn new(subsystem: &'static str, event: &'static str, series: usize) -> Self {
        let labels = |number: usize| Labels {
            method: METHODS[number % METHODS.len()],
            route: ROUTES[number / METHODS.len()],
        };
        let help = format!("{event} of the {subsystem} by method and route");
        Self { subsystem, event, help, series: (0..series).map(labels).collect() }
    }

    /// Without the suffixes that Prometheus wants.
    pub fn name(&self) -> String {
        format!("{}_{}", self.subsystem, self.event)
    }
}

pub fn counters() -> Vec<Family> {
    let families = |subsystem| {
        EVENTS.iter().map(move |event| Family::new(subsystem, event, COUNTERS_OF_A_FAMILY))
    };
    SUBSYSTEMS.into_iter().flat_map(families).collect()
}

/// Of durations.
pub fn histograms() -> Vec<Family> {
    let family = |subsystem| Family::new(subsystem, "duration", HISTOGRAMS_OF_A_FAMILY);
    SUBSYSTEMS.into_iter().map(family).collect()
}

/// A thread's part of what is recorded before the first scrape.
pub fn record_first(peer: &dyn Peer, thread: usize) {
    for counter in 0..COUNTERS {
        peer.add(counter, first_count(counter, thread));
    }
    for histogram in 0..HISTOGRAMS {
        for record in (thread..RECORDS).step_by(THREADS) {
            peer.record(histogram, latency_ns(histogram, record));
        }
    }
}

/// A thread's part of what is recorded between two scrapes: every counter is counted up once, by
/// one of the threads, and each of them records once to every histogram.
pub fn record_more(peer: &dyn Peer, thread: usize, step: usize) {
    let first = (thread + step) % THREADS;
    for counter in (first..COUNTERS).step_by(THREADS) {
        peer.add(counter, 1);
    }
    for histogram in 0..HISTOGRAMS {
        peer.record(histogram, latency_ns(histogram, RECORDS + step * THREADS + thread));
    }
}

/// What a counter shows after so many steps of [`record_more`].
pub fn expected_count(counter: usize, steps: usize) -> u64 {
    (0..THREADS).map(|thread| first_count(counter, thread)).sum::<u64>() + steps as u64
}

/// All values of a histogram after so many steps of [`record_more`].
pub fn expected_latencies(histogram: usize, steps: usize) -> impl Iterator<Item = u64> {
    (0..RECORDS + steps * THREADS).map(move |record| latency_ns(histogram, record))
}

fn first_count(counter: usize, thread: usize) -> u64 {
    1 + mixed((counter * THREADS + thread) as u64) % 10_000
}

/// Log-normal, with a median of 2 to 40 ms that is the histogram's own, and all but one in a
/// thousand within three decades.
fn latency_ns(histogram: usize, record: usize) -> u64 {
    const SIGMA: f64 = 1.05;
    let seed = mixed(((histogram as u64 + 1) << 32) + record as u64);
    // Box and Muller's transformation of two uniform numbers into a normal one.
    let radius = (-2.0 * unit(seed).ln()).sqrt();
    let normal = radius * (std::f64::consts::TAU * unit(mixed(seed))).cos();
    let median_ns = 2_000_000.0 * 20_f64.powf(histogram as f64 / (HISTOGRAMS - 1) as f64);
    (median_ns * (SIGMA * normal).exp()) as u64
}

/// Above 0, at most 1.
fn unit(random: u64) -> f64 {
    ((random >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// A number that looks random, by the finaliser of `splitmix64`.
fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
