use super::*;
use crate::Registry;

#[path = "../../../../tests/exposition/fields.rs"]
mod fields;
#[path = "../../../../tests/otlp/reading.rs"]
mod reading;

use reading::{Data, Metric, Reading};

const RESOURCE: &[u8] = b"\x0a\x00";

fn totals(snapshot: &Snapshot) -> Readings<'_> {
    Readings { totals: snapshot, delta: None }
}

/// All requests of a snapshot, and what the encoder said of each.
fn requests(requests: &mut Requests, readings: Readings<'_>) -> Vec<(Encoded, Vec<u8>)> {
    let (mut all, mut from) = (Vec::new(), 0);
    while from < readings.totals.len() {
        let mut body = b"of before".to_vec();
        let encoded = requests.encode(readings, from, RESOURCE, &mut body);
        assert!(encoded.end > from, "no progress from {from}");
        assert_eq!(encoded.points == 0, body.is_empty());
        from = encoded.end;
        all.push((encoded, body));
    }
    all
}

fn metrics(encoder: &mut Requests, readings: Readings<'_>) -> Vec<Metric> {
    let bodies = requests(encoder, readings);
    let bodies = bodies.iter().filter(|(encoded, _)| encoded.points != 0);
    bodies.flat_map(|(_, body)| reading::request(body).metrics).collect()
}

/// Names of metrics, and what their points say.
fn readings(metrics: &[Metric]) -> Vec<(&str, Vec<&Reading>)> {
    let points = |metric| Metric::points_of(metric).collect();
    metrics.iter().map(|metric| (metric.name.as_str(), points(metric))).collect()
}

impl Metric {
    fn points_of(&self) -> impl Iterator<Item = &Reading> {
        self.points.iter().map(|point| &point.reading)
    }
}

#[test]
fn a_small_registry_looks_like_this() {
    let registry = Registry::new();
    let counter = |method| registry.counter("requests").label("method", method).help("Answered");
    counter("GET").register().unwrap().add(12);
    counter("PUT").register().unwrap().add(u64::MAX);
    registry.up_down_counter("active").register().unwrap().add(-3);
    registry.gauge("never").register().unwrap();
    registry.gauge("nan").register().unwrap().set(f64::NAN);
    registry.gauge("load").unit(crate::Unit::Percent).register().unwrap().set(50.0);
    let spent = registry.counter("spent").unit(crate::Unit::Milliseconds).register().unwrap();
    spent.add(1_500);
    let duration = registry.histogram("duration").unit(crate::Unit::Nanoseconds);
    let duration = duration.register().unwrap();
    for value in [0, 1_000_000_000, 1_000_000_001, 4_000_000_000] {
        duration.record(value);
    }
    registry.histogram("empty").register().unwrap();
    let snapshot = registry.snapshot();

    let mut encoder = Requests::new();
    let mut body = Vec::new();
    let encoded = encoder.encode(totals(&snapshot), 0, RESOURCE, &mut body);
    assert_eq!(encoded, Encoded { end: 9, points: 7, unrepresentable: 1 });
    let request = reading::request(&body);
    assert_eq!(request.scope, ("quipu".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    let all = &request.metrics;
    let named = |name| all.iter().find(|metric| metric.name == name).unwrap();
    let names: Vec<_> = all.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["active", "duration", "empty", "load", "requests", "spent"]);

    let requests = named("requests");
    assert_eq!(requests.description, "Answered");
    assert_eq!(requests.data, Data::Sum { is_delta: false, is_monotonic: true });
    let methods: Vec<_> = requests.points.iter().map(|point| &*point.attributes[0].1).collect();
    assert_eq!(methods, ["GET", "PUT"]);
    let values: Vec<_> = requests.points_of().cloned().collect();
    assert_eq!(values, [Reading::Int(12), Reading::Double(u64::MAX as f64)]);
    assert_eq!(named("active").data, Data::Sum { is_delta: false, is_monotonic: false });
    assert_eq!(named("active").points[0].reading, Reading::Int(-3));
    assert_eq!((named("spent").unit.as_str(), named("load").unit.as_str()), ("s", "1"));
    assert_eq!(named("spent").points[0].reading, Reading::Double(1.5));
    assert_eq!(named("load").points[0].reading, Reading::Double(0.5));
    assert_eq!(named("load").points[0].start, None);
    let times = (nanoseconds(snapshot.since()), nanoseconds(snapshot.time()));
    assert_eq!((requests.points[0].start, requests.points[0].time), (Some(times.0), times.1));

    let Reading::Distribution(duration) = &named("duration").points[0].reading else { panic!() };
    assert_eq!((duration.count, duration.zero_count, duration.sum), (4, 1, 6.000000001));
    assert_eq!(duration.extremes, Some((0.0, 4.0)));
    // One second and a little more share quipu's bucket, whose middle is above 1; 4 is 2^(128/64).
    assert_eq!((duration.scale, duration.offset, duration.counts.len()), (6, 0, 129));
    assert_eq!((duration.counts[0], duration.counts[128]), (2, 1));
    let Reading::Distribution(empty) = &named("empty").points[0].reading else { panic!() };
    assert_eq!((empty.count, empty.zero_count, empty.extremes), (0, 0, None));
    assert!(empty.counts.is_empty());
}

#[test]
fn requests_are_split_where_one_would_be_too_large() {
    let registry = Registry::new();
    for number in 0..200 {
        let number = format!("{number:03}");
        registry.counter("a").label("number", &number).register().unwrap().increment();
        let histogram = registry.histogram("b").label("number", &number).register().unwrap();
        histogram.record(1);
        histogram.record(1 << 40);
    }
    let snapshot = registry.snapshot();
    let whole = metrics(&mut Requests::new(), totals(&snapshot));
    assert_eq!(whole.iter().map(|metric| metric.points.len()).collect::<Vec<_>>(), [200, 200]);
    for max_bytes in [1, 500, 1_000, 3_000, 10_000, 100_000, 600_000] {
        let mut encoder = Requests { max_bytes, ..Requests::new() };
        let all = requests(&mut encoder, totals(&snapshot));
        assert!(max_bytes == 600_000 || all.len() > 1);
        for (encoded, body) in &all {
            assert!(body.len() <= max_bytes || encoded.points == 1, "{} bytes", body.len());
        }
        let mut points = [Vec::new(), Vec::new()];
        for metric in metrics(&mut encoder, totals(&snapshot)) {
            points[usize::from(metric.name == "b")].extend(metric.points);
        }
        assert!(points[0] == whole[0].points && points[1] == whole[1].points);
    }
}

#[test]
fn deltas_say_what_changed_and_sums_that_fall_stay_totals() {
    let registry = Registry::new();
    let counter = registry.counter("counter").register().unwrap();
    registry.counter("idle").register().unwrap().increment();
    let up_down = registry.up_down_counter("up.down").register().unwrap();
    let histogram = registry.histogram("histogram").register().unwrap();
    registry.histogram("idle.too").register().unwrap().record(1);
    counter.add(5);
    up_down.add(5);
    histogram.record(5);
    let before = registry.snapshot();
    counter.add(2);
    up_down.add(-1);
    histogram.record(7);
    let after = registry.snapshot();
    let delta = after.delta(&before);
    let mut encoder = Requests::new();
    let all = metrics(&mut encoder, Readings { totals: &after, delta: Some(&delta) });
    let names: Vec<_> = all.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["counter", "histogram", "up.down"]);
    let [counter, histogram, up_down] = &all[..] else { panic!() };
    assert_eq!(counter.data, Data::Sum { is_delta: true, is_monotonic: true });
    assert_eq!(counter.points[0].reading, Reading::Int(2));
    assert_eq!(counter.points[0].start, Some(nanoseconds(before.time())));
    assert_eq!(histogram.data, Data::ExponentialHistogram { is_delta: true });
    let Reading::Distribution(values) = &histogram.points[0].reading else { panic!() };
    assert_eq!((values.count, values.sum, values.extremes), (1, 7.0, Some((7.0, 7.0))));
    assert_eq!(up_down.data, Data::Sum { is_delta: false, is_monotonic: false });
    assert_eq!(up_down.points[0].reading, Reading::Int(4));
    assert_eq!(up_down.points[0].start, Some(nanoseconds(after.since())));
}

#[test]
fn series_of_any_catalog_are_rendered() {
    let mut encoder = Requests::new();
    let registry = Registry::new();
    let empty = registry.snapshot();
    assert_eq!(metrics(&mut encoder, totals(&empty)), []);
    registry.counter("m").label("k", "2").register().unwrap().increment();
    let one = registry.snapshot();
    registry.counter("m").label("k", "1").register().unwrap().add(7);
    registry.counter("a").register().unwrap();
    let three = registry.snapshot();
    let other = Registry::new();
    other.gauge("m").register().unwrap().set(0.5);
    let other = other.snapshot();
    let int = Reading::Int;
    for _ in 0..2 {
        let all = metrics(&mut encoder, totals(&one));
        assert_eq!(readings(&all), [("m", vec![&int(1)])]);
        let all = metrics(&mut encoder, totals(&three));
        assert_eq!(readings(&all), [("a", vec![&int(0)]), ("m", vec![&int(7), &int(1)])]);
        let all = metrics(&mut encoder, totals(&other));
        assert_eq!(readings(&all), [("m", vec![&Reading::Double(0.5)])]);
    }
}
