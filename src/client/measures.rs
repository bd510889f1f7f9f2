//! What a client measures about itself: metrics in its registry like any others, named `quipu.`.
//!
//! None is ever refused to the client in a way that it would notice: where a registration fails, it
//! records to a detached metric.
#![forbid(unsafe_code)]

use super::failure::{DropCause, FailureCause};
use crate::metric::{Counter, Gauge, Histogram};
use crate::registry::Registry;
use crate::series::Unit;
use crate::store::store_usage;
use std::time::{Duration, Instant};

/// What the store takes from the system costs a walk through the process's memory map.
const USAGE_INTERVAL: Duration = Duration::from_secs(10);

/// Of the flusher.
pub(super) struct Measures {
    pub(super) flush_duration: Histogram,
    pub(super) missed_ticks: Counter,
    pub(super) errors: CaptureMeasures,
    pub(super) traces: CaptureMeasures,
    refused: Counter,
    detached: Counter,
    shards_leased: Gauge,
    shards_ever_used: Gauge,
    bytes_reserved: Gauge,
    bytes_committed: Gauge,
}

/// Of captured errors, or traces.
pub(super) struct CaptureMeasures {
    pub(super) captured: Counter,
    pub(super) sampled_out: Counter,
    dropped: [Counter; 5],
}

/// Why something captured was dropped.
#[derive(Clone, Copy)]
pub(super) enum Dropped {
    QueueFull,
    /// No exporter takes such, or the client does not run.
    NoExporter,
    /// The exporter's destination refused it.
    Rejected,
    /// The client stopped before an exporter took it.
    Stopped,
    /// The exporter's destination wants none for the time being.
    RateLimited,
}

/// Of one exporter.
pub(super) struct ExporterMeasures {
    pub(super) attempts: Counter,
    pub(super) duration: Histogram,
    pub(super) bytes: Counter,
    pub(super) coalesced: Counter,
    pub(super) snapshot_age: Gauge,
    failures: Vec<Counter>,
    dropped: Vec<Counter>,
}

impl Measures {
    pub(super) fn register(registry: &Registry) -> Self {
        let counter = |name, help| registry.counter(name).help(help).register_or_detached();
        let gauge =
            |name, unit, help| registry.gauge(name).unit(unit).help(help).register_or_detached();
        Self {
            flush_duration: duration(registry, "quipu.flush.duration", None)
                .help("Time to read all series and publish the snapshot")
                .register_or_detached(),
            missed_ticks: counter("quipu.flush.missed", "Ticks that passed without a flush"),
            errors: CaptureMeasures::register(
                registry,
                [
                    ("quipu.errors.captured", "Errors and panics captured"),
                    ("quipu.errors.sampled_out", "Captured errors left out by sampling"),
                    ("quipu.errors.dropped", "Captured errors that did not reach an exporter"),
                ],
            ),
            traces: CaptureMeasures::register(
                registry,
                [
                    ("quipu.traces.captured", "Traces captured"),
                    ("quipu.traces.sampled_out", "Captured traces left out by sampling"),
                    ("quipu.traces.dropped", "Captured traces that did not reach an exporter"),
                ],
            ),
            refused: counter("quipu.registrations.refused", "Registrations that were refused"),
            detached: counter("quipu.records.detached", "Records of detached metrics"),
            shards_leased: gauge("quipu.shards.leased", Unit::None, "Threads with a shard"),
            shards_ever_used: gauge(
                "quipu.shards.ever_used",
                Unit::None,
                "Most threads that had a shard at once",
            ),
            bytes_reserved: gauge("quipu.bytes.reserved", Unit::Bytes, "Address space reserved"),
            bytes_committed: gauge("quipu.bytes.committed", Unit::Bytes, "Memory of cells in use"),
        }
    }
}

impl CaptureMeasures {
    /// `names` are names and help texts: of those captured, sampled out and dropped.
    fn register(registry: &Registry, names: [(&str, &str); 3]) -> Self {
        let [captured, sampled_out, dropped] = names;
        let counter = |(name, help)| registry.counter(name).help(help);
        let causes = ["queue_full", "no_exporter", "rejected", "stopped", "rate_limited"];
        Self {
            captured: counter(captured).register_or_detached(),
            sampled_out: counter(sampled_out).register_or_detached(),
            dropped: causes
                .map(|cause| counter(dropped).label("cause", cause).register_or_detached()),
        }
    }

    pub(super) fn dropped(&self, cause: Dropped) -> &Counter {
        &self.dropped[cause as usize]
    }
}

fn duration<'r>(
    registry: &'r Registry,
    name: &'r str,
    exporter: Option<&'r str>,
) -> crate::registry::MetricBuilder<'r, Histogram> {
    let duration = registry.histogram(name).unit(Unit::Nanoseconds).shared();
    match exporter {
        Some(exporter) => duration.label("exporter", exporter),
        None => duration,
    }
}

/// What the flusher looks at and does not count itself.
pub(super) struct Watched {
    usage_at: Option<Instant>,
}

impl Watched {
    pub(super) fn new() -> Self {
        Self { usage_at: None }
    }

    /// Brings the metrics up to date.
    pub(super) fn update(&mut self, measures: &Measures, registry: &Registry, now: Instant) {
        let (refused, detached) = registry.take_unreported();
        measures.refused.add(refused);
        measures.detached.add(detached);

        let age = self.usage_at.map(|at| now.saturating_duration_since(at));
        if age.is_none_or(|age| age >= USAGE_INTERVAL) {
            self.usage_at = Some(now);
            let usage = store_usage();
            measures.shards_leased.set(usage.shards_leased as f64);
            measures.shards_ever_used.set(usage.shards_ever_used as f64);
            measures.bytes_reserved.set(usage.bytes_reserved as f64);
            if let Some(committed) = usage.bytes_committed {
                measures.bytes_committed.set(committed as f64);
            }
        }
    }
}

impl ExporterMeasures {
    pub(super) fn register(registry: &Registry, exporter: &str) -> Self {
        let counter = |name, help| {
            let counter = registry.counter(name).label("exporter", exporter);
            counter.help(help).register_or_detached()
        };
        let failures = FailureCause::ALL.map(|cause| {
            let failures = registry.counter("quipu.export.failures").label("exporter", exporter);
            let failures = failures.label("cause", cause.name());
            failures.help("Deliveries that failed, by cause").register_or_detached()
        });
        let dropped = DropCause::ALL.map(|cause| {
            let dropped = registry.counter("quipu.export.dropped").label("exporter", exporter);
            let dropped = dropped.label("cause", cause.name());
            dropped.help("Values that the exporter gave up, by cause").register_or_detached()
        });
        Self {
            attempts: counter("quipu.export.attempts", "Deliveries attempted"),
            duration: duration(registry, "quipu.export.duration", Some(exporter))
                .help("Time of one attempt to deliver")
                .register_or_detached(),
            bytes: registry
                .counter("quipu.export.bytes")
                .label("exporter", exporter)
                .unit(Unit::Bytes)
                .help("Bytes that the exporter says it sent")
                .register_or_detached(),
            coalesced: counter(
                "quipu.export.coalesced",
                "Snapshots superseded by a newer one before they were delivered",
            ),
            snapshot_age: registry
                .gauge("quipu.snapshot.age")
                .label("exporter", exporter)
                .unit(Unit::Seconds)
                .help("Age of the newest snapshot that the exporter acknowledged")
                .register_or_detached(),
            failures: failures.into(),
            dropped: dropped.into(),
        }
    }

    pub(super) fn failure(&self, cause: FailureCause) {
        self.failures[cause as usize].increment();
    }

    pub(super) fn dropped(&self, cause: DropCause) -> &Counter {
        &self.dropped[cause as usize]
    }
}
