//! As a backend of OpenTelemetry does it: totals by their streams, deltas added up, and buckets
//! brought to one scale.

use super::exponential::{Interpolation, Merged, stated_error};
use super::exports::{EXPORTS, TRUTH};
use super::otlp_reading::{Data, Point, Reading, Request};
use super::truth::{Error, Truth, rounding_of};
use super::{PROCESSES, QUANTILES};
use std::collections::BTreeMap;

/// What a backend knows of one metric, by the instance that sent it.
#[derive(Default)]
pub struct Streams {
    streams: BTreeMap<String, Stream>,
}

#[derive(Default)]
struct Stream {
    start: u64,
    time: u64,
    /// Of runs before the one that began at `start`, or of deltas.
    settled: Total,
    /// Of that run.
    current: Total,
    pub restarts: usize,
}

/// Of counters the count, of histograms the buckets.
#[derive(Clone, Debug, Default)]
pub struct Total {
    pub count: i64,
    pub buckets: Merged,
}

impl Total {
    fn of(reading: &Reading) -> Self {
        match reading {
            Reading::Int(count) => Self { count: *count, ..Self::default() },
            Reading::Distribution(sent) => {
                Self { count: sent.count as i64, buckets: Merged::of_otlp(sent) }
            }
            Reading::Double(_) => panic!("{reading:?}"),
        }
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.buckets.merge(&other.buckets);
    }
}

impl Streams {
    /// Takes the points of a metric, in the order in which they came.
    pub fn of(requests: &[Request], name: &str) -> Self {
        let mut streams = Self::default();
        for request in requests {
            let instance = request.resource.iter().find(|(key, _)| key == "service.instance.id");
            let (_, instance) = instance.expect("an instance");
            for metric in request.metrics.iter().filter(|metric| metric.name == name) {
                let is_delta = match metric.data {
                    Data::Sum { is_delta, is_monotonic: true } => is_delta,
                    Data::ExponentialHistogram { is_delta } => is_delta,
                    other => panic!("{other:?}"),
                };
                let stream = streams.streams.entry(instance.clone()).or_default();
                metric.points.iter().for_each(|point| stream.take(point, is_delta));
            }
        }
        streams
    }

    /// Over all instances.
    pub fn total(&self) -> Total {
        let mut total = Total::default();
        for stream in self.streams.values() {
            total.add(&stream.settled);
            total.add(&stream.current);
        }
        total
    }

    pub fn instances(&self) -> usize {
        self.streams.len()
    }

    /// How often totals began anew.
    pub fn restarts(&self) -> usize {
        self.streams.values().map(|stream| stream.restarts).sum()
    }
}

impl Stream {
    fn take(&mut self, point: &Point, is_delta: bool) {
        let start = point.start.expect("a start");
        let total = Total::of(&point.reading);
        if is_delta {
            assert!(start >= self.time, "a delta that overlaps with the one before");
            self.settled.add(&total);
        } else {
            // Another start: what was counted before it is not in this total.
            if start != self.start && self.start != 0 {
                assert!(start > self.time, "it began before the last run ended");
                self.settled.add(&std::mem::take(&mut self.current));
                self.restarts += 1;
            }
            self.current = total;
        }
        (self.start, self.time) = (start, point.time);
    }
}

fn assert_fleet(requests: &[Request], name: &str, truth: &Truth, error: Error) {
    assert_eq!(Streams::of(requests, "requests").total().count, truth.count() as i64);
    let streams = Streams::of(requests, name);
    assert_eq!(streams.restarts(), 0);
    let Total { buckets, .. } = streams.total();
    assert_eq!(buckets.count, truth.count());
    assert_eq!(buckets.counted(), truth.count());
    // Deltas are two for each process.
    truth.assert_sum(buckets.sum, rounding_of(2 * PROCESSES));
    assert_eq!(buckets.max, Some(truth.max()));
    for q in QUANTILES {
        truth.assert_quantile(q, buckets.quantile(q, Interpolation::Exponential), error);
    }
}

#[test]
fn totals_of_a_fleet_have_its_quantiles_within_1_5_percent() {
    assert_eq!(Streams::of(&EXPORTS.cumulative, "latency").instances(), PROCESSES);
    assert_fleet(&EXPORTS.cumulative, "latency", &TRUTH, stated_error(6, 2));
}

#[test]
fn deltas_of_a_fleet_have_its_quantiles_within_1_5_percent() {
    assert_fleet(&EXPORTS.delta, "latency", &TRUTH, stated_error(6, 2));
}

#[test]
fn different_scales_merge_at_the_lowest_one() {
    for requests in [&EXPORTS.cumulative, &EXPORTS.delta] {
        assert_eq!(Streams::of(requests, "latency.mixed").total().buckets.schema, 3);
        assert_fleet(requests, "latency.mixed", &TRUTH, stated_error(3, 1));
    }
}
