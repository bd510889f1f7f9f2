//! What the exporter tells of itself.

use super::agent::{Agent, Place, Received};
use super::directory::Directory;
use super::reading::{Line, lines};
use super::{PATIENCE, client_of};
use quipu::Registry;
use quipu::testing::ManualClock;
use std::sync::Arc;
use std::time::Duration;

const PREFIX: &str = "datadog.dogstatsd.client.";

fn sum(lines: &[Line], name: &str) -> f64 {
    let of = lines.iter().filter(|line| line.name == format!("{PREFIX}{name}"));
    of.map(|line| line.values[0]).sum()
}

#[test]
fn telemetry_comes_every_ten_seconds_and_adds_up_to_what_was_sent() {
    let directory = Directory::new("dogstatsd-telemetry");
    let place = Place::Stream(directory.path().join("agent"));
    let received = Received::default();
    let agent = Agent::start(&place, &received);
    let registry = Arc::new(Registry::new());
    let counter = registry.counter("c").register().unwrap();
    registry.histogram("h").register().unwrap().record(1);
    let clock = ManualClock::new();
    let exporter = place.exporter().without_origin_detection().tag("team", "a").prefix("shop");
    let client = client_of(&registry).clock(clock.clone()).exporter(exporter).start().unwrap();
    for second in 0..=20 {
        counter.increment();
        assert!(client.flush(PATIENCE).is_delivered());
        clock.advance(Duration::from_secs(1));
        if second % 10 == 0 {
            let all = received.wait_for(second + 1 + second / 10);
            let texts = all.iter().filter(|text| text.starts_with(PREFIX.as_bytes()));
            assert_eq!(texts.count(), second / 10, "after {second} s");
        }
    }
    agent.stop();
    let all = received.all();
    // The last ones have told of everything but themselves.
    let last = all.iter().rposition(|text| text.starts_with(PREFIX.as_bytes())).unwrap();
    let told = lines(&all);
    assert_eq!(sum(&told, "packets_sent"), last as f64);
    let bytes: usize = all[..last].iter().map(Vec::len).sum();
    assert_eq!(sum(&told, "bytes_sent"), bytes as f64);
    let data = lines(&all[..last]);
    let data = data.iter().filter(|line| !line.name.starts_with(PREFIX));
    let by = |kind: &str| data.clone().filter(|line| line.kind == kind).count() as f64;
    assert_eq!(sum(&told, "metrics"), sum(&told, "metrics_by_type"));
    assert_eq!(sum(&told, "metrics"), sum(&told, "aggregated_context"));
    let counts = told.iter().filter(|line| {
        line.name == format!("{PREFIX}metrics_by_type")
            && line.tags.contains(&"metrics_type:count".to_owned())
    });
    assert_eq!(counts.map(|line| line.values[0]).sum::<f64>(), by("c"));
    let tags = ["team:a", "client:quipu", "client_transport:uds-stream"];
    for line in told.iter().filter(|line| line.name.starts_with(PREFIX)) {
        assert!(tags.iter().all(|tag| line.tags.contains(&(*tag).to_owned())), "{line:?}");
        assert!(line.tags.iter().any(|tag| tag.starts_with("client_version:")));
    }
}
