//! The program: it knows `metrics` and nothing else.
#![forbid(unsafe_code)]

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_histogram, gauge, histogram,
};
use std::cell::RefCell;

/// A way to record, called with ever other numbers.
pub struct Operation {
    pub name: &'static str,
    pub call: fn(u64),
}

pub const OPERATIONS: [Operation; 9] = [
    Operation { name: "counter!, constant key", call: |_| counter!("requests_total").increment(1) },
    Operation {
        name: "counter!, two constant labels",
        call: |_| counter!("answers_total", "method" => "GET", "status" => "200").increment(1),
    },
    Operation {
        name: "counter!, a label of eight values",
        call: |n| counter!("routes_total", "route" => ROUTES[n as usize % 8]).increment(1),
    },
    Operation { name: "gauge!, set", call: |n| gauge!("depth").set(n as f64) },
    Operation { name: "gauge!, increment", call: |_| gauge!("open").increment(1.0) },
    Operation {
        name: "histogram!, constant key",
        call: |n| histogram!("wait_seconds").record(wait(n)),
    },
    Operation {
        name: "histogram!, two constant labels",
        call: |n| histogram!("work_seconds", "queue" => "a", "kind" => "b").record(wait(n)),
    },
    Operation {
        name: "a counter that is kept",
        call: |_| KEPT.with_borrow(|kept| kept.as_ref().expect("prepared").0.increment(1)),
    },
    Operation {
        name: "a histogram that is kept",
        call: |n| KEPT.with_borrow(|kept| kept.as_ref().expect("prepared").1.record(wait(n))),
    },
];

pub const HISTOGRAMS: [&str; 3] = ["wait_seconds", "work_seconds", "kept_seconds"];

static ROUTES: [&str; 8] = ["/", "/a", "/b", "/c", "/d", "/e", "/f", "/g"];

thread_local! {
    static KEPT: RefCell<Option<(Counter, Histogram)>> = const { RefCell::new(None) };
}

/// Has this thread keep handles of the recorder that it has now.
pub fn prepare() {
    KEPT.set(Some((counter!("kept_total"), histogram!("kept_seconds"))));
}

pub fn describe() {
    describe_counter!("requests_total", Unit::Count, "Requests.");
    describe_histogram!("wait_seconds", Unit::Seconds, "Time in the queue.");
}

/// From 50 microseconds to 51 milliseconds.
fn wait(n: u64) -> f64 {
    (50_000 + n % 1_024 * 50_000) as f64 / 1e9
}
