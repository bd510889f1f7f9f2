//! A collector, with cumulative sums and with deltas.

use crate::fault_server::{Answer, Request};
use crate::kinds::{Kind, SECRET, Sums};
use crate::reading::{Data, Reading, request};
use quipu::{Otlp, Temporality};
use std::time::Duration;

pub const CUMULATIVE: Kind = Kind {
    name: "otlp, cumulative",
    exporter: |url| Box::new(otlp(url)),
    taken,
    received,
    // The next request has the same in its totals.
    gives_up: |_| false,
    keeps_silence: false,
};

pub const DELTA: Kind = Kind {
    name: "otlp, delta",
    exporter: |url| Box::new(otlp(url).temporality(Temporality::Delta).gzip(true)),
    gives_up: |status| !matches!(status, 401 | 403 | 429 | 502 | 503 | 504),
    ..CUMULATIVE
};

fn otlp(url: &str) -> Otlp {
    let otlp = Otlp::new(url).unwrap().header("authorization", &format!("Bearer {SECRET}"));
    // The client's deadline is the only one.
    otlp.unwrap().resource("service.name", "outages").timeout(Duration::ZERO)
}

fn taken() -> Answer {
    Answer::new("serves", 200).header("content-type", "application/x-protobuf")
}

fn received(requests: &[Request]) -> Sums {
    let mut sums = Sums::new();
    for metric in requests.iter().flat_map(|it| request(&it.body).metrics) {
        let Data::Sum { is_delta, is_monotonic: true } = metric.data else { continue };
        for point in metric.points.iter().filter(|point| point.attributes.is_empty()) {
            let Reading::Int(number) = point.reading else { panic!("{point:?}") };
            let number = u64::try_from(number).unwrap();
            let sum = sums.entry(metric.name.clone()).or_default();
            assert!(is_delta || number >= *sum, "{} goes back", metric.name);
            *sum = if is_delta { *sum + number } else { number };
        }
    }
    sums
}
