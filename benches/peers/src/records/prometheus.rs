//! `prometheus`: counters of whole numbers, and a histogram with the buckets that OpenTelemetry advises for
//! the durations of requests.
#![forbid(unsafe_code)]

use super::inputs::{repeat, with_indices, with_latencies};
use super::{Instrument, MANY, Offer, Operation};
use crate::buckets::BOUNDS;
use prometheus::{Gauge, Histogram, HistogramOpts, IntCounter};
use std::sync::Arc;

pub fn offer(operation: Operation, _turn: usize) -> Offer {
    let counter = || IntCounter::new("requests", "Requests.").expect("a valid name");
    let histogram = || {
        let options = HistogramOpts::new("duration", "Durations.").buckets(BOUNDS.to_vec());
        Histogram::with_opts(options).expect("valid buckets")
    };
    Ok(match operation {
        Operation::Counter => {
            let counter = counter();
            let read = counter.clone();
            Instrument::new(move |_, times| repeat(times, || counter.inc()), move || read.get())
        }
        Operation::OneOfMany => {
            let all: Arc<[_]> = (0..MANY).map(|_| counter()).collect();
            let read = all.clone();
            let work = move |_, times| with_indices(times, |at| all[at].inc());
            Instrument::new(work, move || read.iter().map(IntCounter::get).sum())
        }
        Operation::Gauge => {
            let gauge = Gauge::new("load", "Load.").expect("a valid name");
            Instrument::uncounted(move |_, times| repeat(times, || gauge.set(0.5)))
        }
        Operation::Histogram => {
            let histogram = histogram();
            let read = histogram.clone();
            let work = move |_, times| {
                with_latencies(times, |latency_ns| histogram.observe(latency_ns as f64 * 1e-9));
            };
            Instrument::new(work, move || read.get_sample_count()).note("15 buckets, sum")
        }
        Operation::TimedSection => {
            let histogram = histogram();
            let read = histogram.clone();
            let work = move |_, times| repeat(times, || drop(histogram.start_timer()));
            Instrument::new(work, move || read.get_sample_count()).note("15 buckets, sum")
        }
        Operation::TypedLabels => return Err("its labels are texts, which are looked up"),
    })
}
