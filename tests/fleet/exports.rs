//! What leaves the processes of a fleet.

use super::agent::{Agent, Place, Received};
use super::collector::Collector;
use super::directory::Directory;
use super::otlp_reading::{Request, request};
use super::processes::{self, Process, fleet};
use super::reading::Family;
use super::truth::Truth;
use super::{NEVER, PATIENCE, PROCESSES, protobuf, text};
use quipu::{Client, DogStatsd, Otlp, PrometheusEncoder, PrometheusFormat, PrometheusNames};
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

/// How many processes run at once.
const PARTS: usize = 4;

/// Those of the simulated fleet, made once for all tests. Its processes come one after the other,
/// few at a time: what one has recorded is gone with its registry, and only its exports stay.
pub static EXPORTS: LazyLock<Exports> = LazyLock::new(|| {
    let directory = Directory::new("fleet");
    let place = Place::Datagram(directory.path().join("agent"));
    let received = Received::default();
    let agent = Agent::start(&place, &received);
    let (cumulative, delta) = (Collector::start(), Collector::start());
    let export = |processes: Vec<Process>| {
        let scrapes = processes.into_iter().map(|process| {
            let otlp = |to: &Collector| otlp(&to.endpoint(), &process);
            let dogstatsd = place.exporter().without_origin_detection().without_telemetry();
            let exporters = (
                otlp(&cumulative),
                otlp(&delta).temporality(Temporality::Delta),
                dogstatsd.tag("process", &process.number.to_string()),
            );
            scrape(&run(&process, exporters))
        });
        scrapes.collect::<Vec<_>>()
    };
    let mut processes = fleet(PROCESSES);
    let parts = (0..PARTS).map(|_| processes.by_ref().take(PROCESSES / PARTS).collect());
    let parts: Vec<Vec<Process>> = parts.collect();
    let scrapes: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = parts.into_iter().map(|part| scope.spawn(|| export(part))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(scrapes.len(), PROCESSES);
    let (protobuf, text) = scrapes.into_iter().unzip();
    agent.stop();
    let requests = |collector: &Collector| {
        collector.take().iter().map(|received| request(&received.body)).collect()
    };
    Exports {
        protobuf,
        text,
        cumulative: requests(&cumulative),
        delta: requests(&delta),
        datagrams: received.all(),
    }
});

/// Lets a process record, export what there is halfway, record the rest and stop; returns what it
/// held.
fn run(process: &Process, (totals, deltas, dogstatsd): (Otlp, Otlp, DogStatsd)) -> Arc<Snapshot> {
    let registry = Arc::new(Registry::new());
    let client = Client::builder()
        .registry(registry.clone())
        .flush_interval(NEVER)
        .exporter(totals)
        .exporter(deltas)
        .exporter(dogstatsd)
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
    registry.snapshot()
}

/// What a scrape gets, in protobuf and as text.
fn scrape(snapshot: &Snapshot) -> (Vec<Family>, Vec<Family>) {
    let text = String::from_utf8(exposition(snapshot, PrometheusFormat::Text)).unwrap();
    let protobuf = exposition(snapshot, PrometheusFormat::Protobuf);
    (own(protobuf::families(&protobuf)), own(text::families(&text, false)))
}

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
