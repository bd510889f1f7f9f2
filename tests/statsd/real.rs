//! Etsy's server knows what the registry held.

use super::etsy::Etsy;
use super::{PATIENCE, client_of};
use quipu::{Registry, Statsd, StatsdTags, Unit};
use std::sync::Arc;

#[test]
#[ignore = "needs Etsy's statsd, in QUIPU_STATSD"]
fn etsys_server_knows_what_the_registry_held() {
    let server = Etsy::start("statsd-real");
    let registry = Arc::new(Registry::new());
    let requests = registry.counter("http/requests").label("path", "/a b.c").register().unwrap();
    let spent = registry.counter("spent").unit(Unit::Nanoseconds).register().unwrap();
    let active = registry.up_down_counter("active").register().unwrap();
    let level = registry.gauge("level").register().unwrap();
    let small = registry.histogram("small").unit(Unit::Milliseconds).register().unwrap();
    let large = registry.histogram("large").unit(Unit::Nanoseconds).register().unwrap();
    let exporter = Statsd::udp(&format!("127.0.0.1:{}", server.port)).unwrap();
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    let levels = [5.0, -2.5, -3.0, 0.0, -1e-7];
    for (round, reading) in levels.into_iter().enumerate() {
        requests.add(1_000 + round as u64);
        spent.add(1_500_000_001);
        active.add(if round == 1 { -9 } else { 2 });
        level.set(reading);
        [1, 2, 3, 4].into_iter().for_each(|value| small.record(value));
        for step in 0..30_000_u64 {
            // From 0 to 30 ms.
            large.record(step * 1_000 + round as u64);
        }
        assert!(client.flush(PATIENCE).is_delivered());
    }
    registry.gauge("done").register().unwrap().set(1.0);
    assert!(client.stop(PATIENCE).is_delivered());
    let state = server.state(|state| state["gauges"]["done"] == 1.0);

    assert_eq!(state["counters"]["statsd.bad_lines_seen"], 0);
    assert_eq!(state["counters"]["http_requests._a_b_c"], 5_010);
    assert_eq!(state["counters"]["spent"], 7.500000005);
    assert_eq!(state["gauges"]["active"], -1);
    assert_eq!(state["gauges"]["level"], -1e-7);
    let number = |timer: &str, key: &str| state["timers"][timer][key].as_f64().unwrap();
    assert_eq!(state["timer_counts"]["small"], 20);
    assert_eq!(state["timer_sums"]["small"], 50);
    assert_eq!(number("small", "upper"), 4.0);
    assert!((state["timer_counts"]["large"].as_f64().unwrap() - 150_000.0).abs() < 1e-6);
    for (key, milliseconds) in
        [("upper_50", 15.0), ("upper_90", 27.0), ("upper_99", 29.7), ("mean", 15.0)]
    {
        let seen = number("large", key);
        // A hundredth of the ranks, and the width of a bucket.
        assert!((seen - milliseconds).abs() < 0.3 + 0.008 * 30.0, "{key}: {seen}");
    }
    assert!((number("large", "upper") - 29.999).abs() < 0.001);
    // What is printed on the management port is the same.
    assert!(server.ask("gauges").contains("active: -1"), "{}", server.ask("gauges"));
    assert!(server.ask("stats").contains("messages.bad_lines_seen: 0"));
}

#[test]
#[ignore = "needs Etsy's statsd, in QUIPU_STATSD"]
fn etsys_server_keeps_tags_of_graphite() {
    let server = Etsy::start("statsd-tags");
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").label("method", "GET").label("at", "x/y");
    counter.register().unwrap().add(3);
    let exporter = Statsd::udp(&format!("127.0.0.1:{}", server.port)).unwrap();
    let exporter = exporter.tags(StatsdTags::Graphite);
    let client = client_of(&registry).exporter(exporter).start().unwrap();
    assert!(client.stop(PATIENCE).is_delivered());
    let state = server.state(|state| state["counters"]["c;at=x_y;method=GET"] == 3);
    assert_eq!(state["counters"]["statsd.bad_lines_seen"], 0);
}
