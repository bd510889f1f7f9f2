//! What series say.

use super::intake::{Intake, identity};
use super::{KEY, PATIENCE, client_of};
use proptest::prelude::*;
use quipu::testing::ManualClock;
use quipu::{Datadog, Registry, Unit};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn exporter(intake: &Intake) -> Datadog {
    Datadog::new(KEY).unwrap().endpoint(&intake.url()).unwrap().host("")
}

/// Delivers once.
fn sent(registry: &Arc<Registry>, setup: impl FnOnce(Datadog) -> Datadog) -> Vec<Value> {
    let intake = Intake::start(KEY);
    let client = client_of(registry).exporter(setup(exporter(&intake))).start().unwrap();
    assert!(client.stop(PATIENCE).is_delivered());
    intake.series()
}

#[test]
fn each_kind_of_metric_is_what_the_api_calls_it() {
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("a-b").unit(Unit::Bytes).label("k", "\"\\,v");
    counter.register().unwrap().add(u64::MAX);
    registry.counter("b.idle").register().unwrap();
    registry.up_down_counter("c.active").register().unwrap().add(-3);
    registry.gauge("d.share").unit(Unit::Percent).register().unwrap().set(-50.0);
    registry.gauge("e.nan").register().unwrap().set(f64::NAN);
    let duration = registry.histogram("f.duration").unit(Unit::Nanoseconds).register().unwrap();
    (1..=100).for_each(|value| duration.record(value));
    registry.histogram("g.empty").register().unwrap();
    let series = sent(&registry, |it| it.host("h\"1").tag("env", "prod").prefix("shop"));
    let second = series[0]["points"][0]["timestamp"].as_u64().unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    assert!(now - second < 60);
    let interval = series[0]["interval"].clone();
    assert!(interval.as_u64().unwrap() >= 1);
    let resources = json!([{"type": "host", "name": "h\"1"}]);
    let point = |value: Value| json!([{"timestamp": second, "value": value}]);
    let of = |metric: &str, kind: u64, unit: Option<&str>, value: Value| {
        let mut series = json!({"metric": metric, "type": kind, "points": point(value),
            "tags": ["env:prod"], "resources": resources});
        if kind == 1 {
            series["interval"] = interval.clone();
        }
        if let Some(unit) = unit {
            series["unit"] = unit.into();
        }
        series
    };
    let mut first = of("shop.a_b", 1, Some("byte"), json!(u64::MAX));
    first["tags"] = json!(["env:prod", "k:\"\\_v"]);
    let second = Some("second");
    let expected = [
        first,
        of("shop.c.active", 3, None, json!(-3)),
        of("shop.d.share", 3, Some("fraction"), json!(-0.5)),
        of("shop.f.duration.count", 1, None, json!(100)),
        of("shop.f.duration.avg", 3, second, json!(5.05e-8)),
        of("shop.f.duration.median", 3, second, json!(5e-8)),
        of("shop.f.duration.95percentile", 3, second, json!(9.5e-8)),
        of("shop.f.duration.99percentile", 3, second, json!(9.9e-8)),
        of("shop.f.duration.max", 3, second, json!(1e-7)),
    ];
    assert_eq!(series, expected);
    let dropped = [("exporter", "datadog"), ("cause", "unrepresentable")];
    assert_eq!(registry.snapshot().counter("quipu.export.dropped", &dropped), Some(1));
}

#[test]
fn what_a_histogram_is_called_is_no_other_metrics_name() {
    let registry = Arc::new(Registry::new());
    registry.histogram("x").register().unwrap().record(1);
    registry.counter("x.count").register().unwrap().add(7);
    let series = sent(&registry, |it| it);
    let mut names: Vec<_> = series.iter().map(|it| identity(it).0).collect();
    names.sort();
    let distinct = names.windows(2).all(|pair| pair[0] != pair[1]);
    assert!(distinct && names.len() == 7, "{names:?}");
}

#[test]
fn deliveries_within_a_second_have_a_second_each() {
    let intake = Intake::start(KEY);
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let client = client_of(&registry).exporter(exporter(&intake)).start().unwrap();
    for _ in 0..8 {
        counter.add(3);
        assert!(client.flush(PATIENCE).is_delivered());
    }
    assert_eq!(intake.counts()[&("c".to_owned(), vec![])], 24.0);
    let series = intake.series();
    let seconds = series.iter().map(|it| it["points"][0]["timestamp"].as_u64().unwrap());
    let seconds: Vec<u64> = seconds.collect();
    assert!(seconds.windows(2).all(|pair| pair[0] < pair[1]), "{seconds:?}");
}

#[test]
fn a_point_of_hours_ago_is_sent_as_one_that_is_still_taken() {
    let intake = Intake::start(KEY);
    intake.plan([super::intake::Reply::Refuse(503, "")]);
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    let clock = ManualClock::new();
    let client = client_of(&registry).clock(clock.clone()).exporter(exporter(&intake));
    let client = client.start().unwrap();
    counter.add(3);
    assert!(!client.flush(PATIENCE).is_delivered());
    clock.jump(Duration::from_secs(3 * 3_600));
    counter.add(4);
    assert!(client.flush(PATIENCE).is_delivered());
    assert_eq!(intake.counts()[&("c".to_owned(), vec![])], 7.0);
    let seconds = intake.series();
    let seconds: Vec<u64> =
        seconds.iter().map(|it| it["points"][0]["timestamp"].as_u64().unwrap()).collect();
    let newest = *seconds.iter().max().unwrap();
    assert!(seconds.iter().all(|second| newest - second < 3_600), "{seconds:?}");
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z|,#:@ \"\\\\]{0,20}", "\\PC{0,30}", "[^\0]{0,300}"]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_recorded_is_read_back(
        labels in prop::collection::vec((any_text(), 1..1_u64 << 53), 1..12),
        gauge in prop::num::f64::NORMAL,
        values in prop::collection::vec((0..64_u32, any::<u64>(), 1..2_000_u64), 1..50),
    ) {
        let registry = Arc::new(Registry::new());
        for (at, (label, count)) in labels.iter().enumerate() {
            let series = registry.counter("c").label("value", label).label("at", &at.to_string());
            series.register().unwrap().add(*count);
        }
        registry.gauge("g").register().unwrap().set(gauge);
        let histogram = registry.histogram("h").register().unwrap();
        values.iter().for_each(|&(shift, value, n)| histogram.record_n(value >> shift, n));
        let series = sent(&registry, |it| it);
        let value = |metric: &str| {
            let of = series.iter().find(|it| it["metric"] == metric).unwrap();
            of["points"][0]["value"].as_f64().unwrap()
        };
        for (at, (_, count)) in labels.iter().enumerate() {
            let tag = format!("at:{at}");
            let of = series.iter().find(|it| identity(it).1.contains(&tag)).unwrap();
            prop_assert_eq!(of["points"][0]["value"].as_f64(), Some(*count as f64));
        }
        // `serde_json` rounds the last digit in its own way.
        prop_assert!((value("g") - gauge).abs() <= gauge.abs() * 1e-15);
        let snapshot = registry.snapshot();
        let recorded = snapshot.histogram("h", &[]).unwrap();
        prop_assert_eq!(value("h.count"), recorded.count() as f64);
        prop_assert_eq!(value("h.max"), recorded.max().unwrap() as f64);
        prop_assert_eq!(value("h.95percentile"), recorded.quantile(0.95).unwrap() as f64);
    }
}
