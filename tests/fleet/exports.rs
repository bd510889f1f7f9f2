//! What leaves the processes of a fleet.

use super::agent::{Agent, Place, Received};
use super::collector::Collector;
use super::directory::Directory;
use super::otlp_reading::{Request, request};
use super::processes::{self, Process, fleet};
use super::reading::Family;
use super::truth::Truth;
use super::{NEVER, PATIENCE, PROCESSES, protobuf, text};
use quipu::{Client, Otlp, PrometheusEncoder, PrometheusFormat, PrometheusNames};
use quipu::{Registry, Snapshot, Temporality};
use std::sync::{Arc, LazyLock};

/// The exports of all processes.
pub struct Exports {
    /// What a scrape gets of each process in the end, without what clients measure themselves.
    pub protobuf: Vec<Vec<Family>>,
    pub text: Vec<Vec<Family>>,
    /// What collectors get, from each process twice: halfway and in the end.
    pub cumulative: Vec<Request>,
    pub delta: Vec<Request>,
    /// What an agent gets, as well.
    pub datagrams: Vec<Vec<u8>>,
}

/// Those of the simulated fleet, made once for all tests. Its processes come one after the other: what
/// one has recorded is gone with its registry, and only its exports stay.
pub static EXPORTS: LazyLock<Exports> = LazyLock::new(|| {
    let directory = Directory::new("fleet");
    let place = Place::Datagram(directory.path().join("agent"));
    let received = Received::default();
    let agent = Agent::start(&place, &received);
    let (cumulative, delta) = (Collector::start(), Collector::start());
    let (mut in_protobuf, mut in_text) = (Vec::new(), Vec::new());
    for process in fleet(PROCESSES) {
        let registry = Arc::new(Registry::new());
        let otlp = |to: &Collector| otlp(&to.endpoint(), &process);
        let dogstatsd = place.exporter().without_origin_detection().without_telemetry();
        let client = Client::builder()
            .registry(registry.clone())
            .flush_interval(NEVER)
            .exporter(otlp(&cumulative))
            .exporter(otlp(&delta).temporality(Temporality::Delta))
            .exporter(dogstatsd.tag("process", &process.number.to_string()))
            .start()
            .unwrap();
        let metrics = process.register(&registry);
        let [first, second] = process.halves();
        metrics.record(first);
        let report = client.flush(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        metrics.record(second);
        let report = client.stop(PATIENCE);
        assert!(report.is_delivered(), "{report}");
        let snapshot = registry.snapshot();
        in_protobuf
            .push(own(protobuf::families(&exposition(&snapshot, PrometheusFormat::Protobuf))));
        let body = String::from_utf8(exposition(&snapshot, PrometheusFormat::Text)).unwrap();
        in_text.push(own(text::families(&body, false)));
    }
    agent.stop();
    let requests = |collector: &Collector| {
        collector.take().iter().map(|received| request(&received.body)).collect()
    };
    Exports {
        protobuf: in_protobuf,
        text: in_text,
        cumulative: requests(&cumulative),
        delta: requests(&delta),
        datagrams: received.all(),
    }
});

fn own(mut families: Vec<Family>) -> Vec<Family> {
    families.retain(|family| !family.name.starts_with("quipu_"));
    families
}

/// What all of them recorded.
pub static TRUTH: LazyLock<Truth> = LazyLock::new(|| processes::truth(PROCESSES));

pub fn otlp(endpoint: &str, process: &Process) -> Otlp {
    let otlp = Otlp::new(endpoint).unwrap().resource("service.name", "fleet");
    otlp.resource("service.instance.id", &process.number.to_string())
}

pub fn exposition(snapshot: &Snapshot, format: PrometheusFormat) -> Vec<u8> {
    let mut body = Vec::new();
    PrometheusEncoder::new().encode(snapshot, format, PrometheusNames::Underscores, &mut body);
    body
}
