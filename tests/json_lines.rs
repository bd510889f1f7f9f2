//! Lines of JSON: what they say, and that their deltas add up to what was recorded, also when the
//! writer fails.
#![cfg(not(loom))]

mod json_log;
mod paper;

use json_log::{Delivery, deliveries, sums, totals};
use paper::Paper;
use quipu::{Client, ExporterReport, JsonLines, Registry, Report, Unit};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Such a client flushes when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// Longer than any delivery here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn client(registry: &Arc<Registry>, exporter: JsonLines) -> Client {
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    client.backoff(NEVER..=NEVER).exporter(exporter).start().unwrap()
}

/// How it stands with the one exporter.
fn only(report: &Report) -> &ExporterReport {
    assert_eq!(report.exporters.len(), 1);
    &report.exporters[0]
}

/// The deliveries that count: the others were not acknowledged, and the next one holds theirs.
fn counting(mut deliveries: Vec<Delivery>) -> Vec<Delivery> {
    let mut since: Option<u64> = None;
    let mut counting = Vec::new();
    while let Some(delivery) = deliveries.pop() {
        let sequence = delivery.head["sequence"].as_u64();
        if since.is_none() || sequence == since {
            assert!(delivery.is_whole());
            since = delivery.head["since_sequence"].as_u64();
            counting.push(delivery);
        }
    }
    assert_eq!(since.unwrap_or(0), 0, "the first delivery is missing");
    counting.reverse();
    counting
}

#[test]
fn each_kind_of_metric_has_its_line() {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("counter").label("b", "2").label("a", "1").register().unwrap();
    let active = registry.up_down_counter("up").unit(Unit::Bytes).register().unwrap();
    let gauge = registry.gauge("gauge").register().unwrap();
    let histogram = registry.histogram("latency").unit(Unit::Nanoseconds).register().unwrap();
    registry.gauge("unset").register().unwrap();
    let paper = Paper::default();
    let client = client(&registry, JsonLines::to(paper.clone()));
    counter.add(u64::MAX - 1);
    active.add(-3);
    histogram.record(7);
    client.flush(PATIENCE);
    counter.increment();
    active.add(5);
    gauge.set(2.5);
    histogram.record(u64::MAX);
    histogram.record_n(100, 3);
    client.flush(PATIENCE);
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    assert_eq!(only(&report).failures, 0);

    let deliveries = deliveries(&paper.text());
    assert_eq!(deliveries.len(), 3);
    let heads = deliveries.iter().map(|delivery| {
        let head = &delivery.head;
        let series = delivery.series.len();
        assert!(delivery.is_whole());
        [
            head["sequence"].clone(),
            head["since_sequence"].clone(),
            json!(series),
            head["last"].clone(),
        ]
    });
    let expected = [
        [json!(1), json!(0), json!(3), json!(false)],
        [json!(2), json!(1), json!(4), json!(false)],
        [json!(3), json!(2), json!(4), json!(true)],
    ];
    assert_eq!(heads.collect::<Vec<_>>(), expected);
    assert_eq!(deliveries[1].head["since"], deliveries[0].head["time"]);
    assert!(deliveries[1].head["interval_s"].as_f64().is_some_and(|seconds| seconds > 0.0));

    let interval_s = deliveries[1].head["interval_s"].clone();
    let time = deliveries[1].head["time"].clone();
    let lowest_of_last_bucket = u64::MAX - ((1 << 56) - 1);
    let expected = [
        json!({"kind": "counter", "time": time, "name": "counter", "interval_s": interval_s,
            "labels": {"a": "1", "b": "2"}, "total": u64::MAX, "delta": 1}),
        json!({"kind": "gauge", "time": time, "name": "gauge", "value": 2.5}),
        json!({"kind": "histogram", "time": time, "name": "latency", "unit": "ns",
            "interval_s": interval_s, "total": {"count": 5, "sum": 306}, "count": 4, "sum": 299,
            "min": 100, "max": u64::MAX, "p50": 100, "p90": u64::MAX, "p99": u64::MAX,
            "p99_9": u64::MAX, "buckets": [[100, 100, 3], [lowest_of_last_bucket, u64::MAX, 1]]}),
        json!({"kind": "up_down_counter", "time": time, "name": "up", "unit": "By",
            "interval_s": interval_s, "value": 2, "delta": 5}),
    ];
    assert_eq!(deliveries[1].series, expected);

    let quiet = &deliveries[2].series[2];
    assert_eq!(
        *quiet,
        json!({"kind": "histogram", "time": quiet["time"], "name": "latency", "unit": "ns",
            "interval_s": quiet["interval_s"], "total": {"count": 5, "sum": 306},
            "count": 0, "sum": 0, "buckets": []})
    );
}

#[test]
fn any_label_comes_back_as_it_was() {
    let registry = Arc::new(Registry::new());
    let hostile = [
        "",
        "\"",
        "\\",
        "\\\"}\n{\"kind\":\"snapshot\"}",
        "\r\n\t\u{1}\u{1f}\u{7f}\u{85}",
        "\u{2028}\u{2029}\u{feff}\u{fffd}\u{10ffff}",
        "\u{202e}gnol",
        "{}[],:",
        "NaN",
    ];
    for (at, value) in hostile.iter().enumerate() {
        let series = registry.counter("c").label("at", &at.to_string()).label("value", value);
        series.register().unwrap().add(at as u64);
    }
    let paper = Paper::default();
    client(&registry, JsonLines::to(paper.clone())).stop(PATIENCE);
    let deliveries = deliveries(&paper.text());
    assert_eq!((deliveries.len(), deliveries[0].series.len()), (1, hostile.len()));
    assert!(deliveries[0].is_whole());
    for (at, value) in hostile.iter().enumerate() {
        let labels = json!({"at": at.to_string(), "value": value});
        let line = deliveries[0].series.iter().find(|line| line["labels"] == labels);
        assert_eq!(line.unwrap_or(&Value::Null)["total"], at);
    }
}

#[test]
fn deltas_add_up_to_what_was_recorded_when_writes_fail_in_the_middle() {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let active = registry.up_down_counter("u").register().unwrap();
    let histogram = registry.histogram("h").register().unwrap();
    let fine = registry.histogram("fine").significant_digits::<3>().register().unwrap();
    let paper = Paper::default();
    let client = client(&registry, JsonLines::to(paper.clone()));
    let mut random = 1_u64;
    for round in 0..500_u64 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        counter.add(random >> 40);
        active.add((random >> 50) as i64 - 8_000);
        histogram.record_n(random >> (random >> 58), round % 3);
        fine.record(random >> 44);
        if random >> 63 == 1 {
            let room = (random >> 33) as usize % 12_000;
            paper.set_room(Some(room));
        }
        client.flush(PATIENCE);
        // Where there was room enough for this delivery, there is for the next.
        paper.set_room(None);
    }
    let report = client.stop(PATIENCE);
    assert!(report.is_delivered(), "{report}");
    let failures = only(&report).failures;
    assert!((100..400).contains(&failures), "{report}");
    let deliveries = deliveries(&paper.text());
    let written = deliveries.len() as u64;
    let counting = counting(deliveries);
    assert_eq!(counting.len() as u64, 501 - failures);
    assert!(written > counting.len() as u64, "no delivery was torn after its first line");
    assert_eq!(sums(&counting), totals(&registry.snapshot()));
}
