use super::*;
use crate::registry::Registry;
use crate::snapshot::Snapshot;
use sentry_types::protocol::v7::{Envelope, EnvelopeItem, ItemContainer, Metric, MetricType};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

fn origin() -> Origin {
    Origin {
        release: Some("shop@1".to_owned()),
        environment: "test".to_owned(),
        server_name: Some("\"a\"".to_owned()),
    }
}

/// The items of an envelope, by the SDK's reading, and its last line.
fn read(envelope: &[u8]) -> (Vec<Metric>, Json) {
    let parsed = Envelope::from_slice(envelope).expect("the SDK reads it");
    let mut items = parsed.items();
    let Some(EnvelopeItem::ItemContainer(ItemContainer::Metrics(metrics))) = items.next() else {
        panic!("no container of metrics");
    };
    assert!(items.next().is_none());
    let lines: Vec<&[u8]> = envelope.split(|&byte| byte == b'\n').collect();
    let [_, header, items, b""] = lines[..] else { panic!("{} lines", lines.len()) };
    let header: Json = serde_json::from_slice(header).unwrap();
    assert_eq!(header["item_count"], metrics.len());
    (metrics.clone(), serde_json::from_slice(items).unwrap())
}

struct Encoder {
    encoder: MetricEncoder,
    envelope: Vec<u8>,
}

impl Encoder {
    fn new() -> Self {
        Self { encoder: MetricEncoder::new(), envelope: Vec::new() }
    }

    fn encode(&mut self, delta: &Snapshot, totals: &Snapshot, from: usize) -> Encoded {
        let rest = Rest { delta, totals, from };
        self.encoder.encode(rest, &origin(), &mut self.envelope)
    }
}

fn encoded(registry: &Registry) -> (Encoded, Vec<Metric>, Json) {
    let (mut encoder, snapshot) = (Encoder::new(), registry.snapshot());
    let encoded = encoder.encode(&snapshot, &snapshot, 0);
    let (metrics, json) = read(&encoder.envelope);
    assert_eq!(encoded.items, metrics.len());
    (encoded, metrics, json)
}

#[test]
fn each_kind_of_metric_has_its_items() {
    let registry = Registry::new();
    let counter = registry.counter("c").unit(Unit::Bytes).label("k", "v").register().unwrap();
    let active = registry.up_down_counter("u").register().unwrap();
    let gauge = registry.gauge("g").unit(Unit::Percent).register().unwrap();
    let histogram = registry.histogram("h").unit(Unit::Nanoseconds).register().unwrap();
    registry.gauge("unset").register().unwrap();
    counter.add(u64::MAX - 1);
    active.add(7);
    histogram.record(9);
    let earlier = registry.snapshot();
    counter.add(3);
    active.add(-9);
    gauge.set(-0.5);
    histogram.record_n(10, 98);
    histogram.record_n(2_000, 2);
    let later = registry.snapshot();
    let mut encoder = Encoder::new();
    let encoded = encoder.encode(&later.delta(&earlier), &later, 0);
    assert_eq!((encoded.end, encoded.items, encoded.values), (5, 8, 4));
    let (metrics, json) = read(&encoder.envelope);
    let seen = metrics.iter().map(|metric| {
        let unit = metric.unit.as_ref().map(|unit| serde_json::to_value(unit).unwrap());
        assert_eq!(metric.attributes.contains_key("k"), metric.name == "c");
        assert_eq!(metric.trace_id.to_string(), encoder.encoder.trace_id);
        let error = later.time().duration_since(metric.timestamp).unwrap_or_default();
        assert!(error.as_micros() < 2, "{error:?}");
        json!([metric.r#type == MetricType::Counter, metric.name, metric.value, unit])
    });
    let expected = [
        json!([true, "c", 3.0, null]),
        json!([false, "g", -0.5, "percent"]),
        json!([true, "h.count", 100.0, null]),
        json!([false, "h.p50", 10.0, "nanosecond"]),
        json!([false, "h.p90", 10.0, "nanosecond"]),
        json!([false, "h.p99", 2000.0, "nanosecond"]),
        json!([false, "h.max", 2000.0, "nanosecond"]),
        json!([false, "u", -2.0, null]),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    let string = |value| json!({"value": value, "type": "string"});
    let attributes = json!({
        "k": string("v"), "sentry.release": string("shop@1"), "sentry.environment": string("test"),
        "server.address": string("\"a\""), "sentry.sdk.name": string("quipu"),
        "sentry.sdk.version": string(env!("CARGO_PKG_VERSION")),
    });
    assert_eq!(json["items"][0]["attributes"], attributes);
}

#[test]
fn what_did_not_change_is_left_out_but_for_gauges() {
    let registry = Registry::new();
    registry.counter("c").register().unwrap().add(5);
    registry.gauge("g").register().unwrap().set(5.0);
    registry.histogram("h").register().unwrap().record(5);
    registry.up_down_counter("u").register().unwrap().add(5);
    let snapshot = registry.snapshot();
    let mut encoder = Encoder::new();
    let encoded = encoder.encode(&snapshot.delta(&snapshot), &snapshot, 0);
    assert_eq!((encoded.end, encoded.items), (4, 2));
    let (metrics, _) = read(&encoder.envelope);
    let seen: Vec<_> = metrics.iter().map(|metric| (&*metric.name, metric.value)).collect();
    assert_eq!(seen, [("g", 5.0), ("u", 5.0)]);
}

#[test]
fn whole_numbers_keep_all_their_digits() {
    let registry = Registry::new();
    registry.counter("c").register().unwrap().add(u64::MAX);
    registry.up_down_counter("u").register().unwrap().add(i64::MIN);
    let (_, _, json) = encoded(&registry);
    assert_eq!(json["items"][0]["value"], u64::MAX);
    assert_eq!(json["items"][1]["value"], i64::MIN);
}

#[test]
fn any_label_comes_back_as_it_was_and_wins_over_a_shared_attribute() {
    let registry = Registry::new();
    let hostile =
        ["", "\"", "\\", "\r\n\t\u{1}", "\u{2028}\u{10ffff}", "}]},{\"type\":\"counter\""];
    for value in hostile {
        registry.counter("c").label("value", value).register().unwrap().increment();
    }
    let renamed = registry.counter("d").label("server.address", "own");
    renamed.label("sentry.sdk.version", "0").register().unwrap().increment();
    let (_, metrics, json) = encoded(&registry);
    for value in hostile {
        let is_it = |metric: &&Metric| metric.attributes.get("value") == Some(&value.into());
        assert_eq!(metrics.iter().filter(is_it).count(), 1, "{value:?}");
    }
    let last = &metrics[hostile.len()];
    assert_eq!(last.attributes["server.address"], "own".into());
    assert_eq!(last.attributes["sentry.sdk.version"], "0".into());
    let text = json["items"][hostile.len()].to_string();
    assert_eq!(text.matches("server.address").count(), 1);
    assert_eq!(last.attributes.len(), SHARED_KEYS.len());
}

/// Also if labels take the place of all that is shared.
#[test]
fn attributes_may_be_labels_alone() {
    let registry = Registry::new();
    let series = SHARED_KEYS.iter().fold(registry.counter("c"), |it, key| it.label(key, "x"));
    series.register().unwrap().increment();
    let (_, metrics, _) = encoded(&registry);
    let expected = SHARED_KEYS.map(|key| (key.into(), "x".into()));
    assert_eq!(metrics[0].attributes, BTreeMap::from(expected));
}

#[test]
fn envelopes_are_full_and_leave_nothing_out() {
    let registry = Registry::new();
    for at in 0..2_500_u32 {
        let at = at.to_string();
        match at.len() {
            1..=3 => {
                registry.histogram("h").shared().label("at", &at).register().unwrap().record(1)
            }
            _ => registry.counter("c").label("at", &at).register().unwrap().increment(),
        }
    }
    let snapshot = registry.snapshot();
    let (mut encoder, mut from, mut names) = (Encoder::new(), 0, Vec::new());
    let mut sizes = Vec::new();
    while from < snapshot.len() {
        let encoded = encoder.encode(&snapshot, &snapshot, from);
        let (metrics, _) = read(&encoder.envelope);
        names.extend(metrics.iter().map(|it| (it.name.clone(), it.attributes["at"].0.to_string())));
        sizes.push(encoded.items);
        from = encoded.end;
    }
    assert_eq!(sizes, [1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 500]);
    let len = names.len();
    names.sort();
    names.dedup();
    assert_eq!((len, names.len()), (1_500 + 1_000 * 5, len));
}

#[test]
fn what_sentry_would_drop_is_left_out_and_counted() {
    let registry = Registry::new();
    registry.counter("large").label("k", &"x".repeat(2_000)).register().unwrap().increment();
    registry.counter("quiet").label("k", &"x".repeat(2_000)).register().unwrap();
    registry.counter("first").register().unwrap().increment();
    registry.gauge("nan").register().unwrap().set(f64::NAN);
    registry.gauge("infinite").register().unwrap().set(f64::NEG_INFINITY);
    let (encoded, metrics, json) = encoded(&registry);
    let dropped = (encoded.unrepresentable, encoded.too_large, encoded.values);
    assert_eq!(dropped, (2, 1, 1), "{json}");
    assert_eq!((&*metrics[0].name, metrics.len()), ("first", 1));
}

/// Its items are of several sizes: at some lengths of the label only some of them would fit.
#[test]
fn a_histogram_is_told_in_whole_or_not_at_all() {
    let mut counts = Vec::new();
    for length in 1_300..1_700 {
        let registry = Registry::new();
        let histogram = registry.histogram("h").unit(Unit::Nanoseconds).shared();
        let histogram = histogram.label("k", &"x".repeat(length)).register().unwrap();
        histogram.record(1_000_000_000);
        registry.counter("z").register().unwrap().increment();
        let (encoded, _, _) = encoded(&registry);
        counts.push((encoded.items, encoded.too_large));
    }
    // Where the two meet, it is the digits of the moment that decide.
    counts.sort_unstable();
    counts.dedup();
    assert_eq!(counts, [(1, 1), (6, 0)]);
}

#[test]
fn items_are_smaller_than_the_bound_by_a_byte_at_least() {
    let registry = Registry::new();
    let lengths = 1_400..1_700;
    for length in lengths.clone() {
        registry.counter("c").label("k", &"x".repeat(length)).register().unwrap().increment();
    }
    let (mut encoder, snapshot) = (Encoder::new(), registry.snapshot());
    let encoded = encoder.encode(&snapshot, &snapshot, 0);
    let items = format!("[{}]", std::str::from_utf8(&encoder.encoder.items).unwrap());
    let items: Vec<&serde_json::value::RawValue> = serde_json::from_str(&items).unwrap();
    assert_eq!(encoded.items, items.len());
    assert_eq!(encoded.too_large, lengths.len() - items.len());
    // They differ by a byte each.
    assert_eq!(items.iter().map(|item| item.get().len()).max(), Some(2_047));
}

#[test]
fn series_that_come_later_are_told_with_their_own_labels() {
    let registry = Registry::new();
    let mut encoder = Encoder::new();
    for round in 0..3 {
        for at in [round, 9 - round] {
            let at = at.to_string();
            registry.counter("c").label("at", &at).label("z", &at).register().unwrap().increment();
        }
        let snapshot = registry.snapshot();
        encoder.encode(&snapshot, &snapshot, 0);
        let (metrics, _) = read(&encoder.envelope);
        assert_eq!(metrics.len(), 2 * (round + 1));
        assert!(metrics.iter().all(|it| it.attributes["at"] == it.attributes["z"]));
    }
    let other = Registry::new();
    other.counter("c").label("at", "x").label("z", "x").register().unwrap().increment();
    let snapshot = other.snapshot();
    encoder.encode(&snapshot, &snapshot, 0);
    assert_eq!(read(&encoder.envelope).0[0].attributes["at"], "x".into());
}
