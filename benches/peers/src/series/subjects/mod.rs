//! Libraries with many series: who they are, and what each is asked to do.
#![forbid(unsafe_code)]

mod contatori;
mod fast_telemetry;
mod measured;
mod metrics_exporter;
mod metrics_lib;
mod metriken;
mod nm;
mod opentelemetry;
mod prometheus;
mod prometheus_client;
mod quipu;

use crate::exposition::Scrape;
use crate::labels::{self, Labels};
use crate::results::Role;

/// The names of all counters and of all histograms, as Prometheus wants them; some add a suffix.
const COUNTERS: &str = "http_server_requests";
const HISTOGRAMS: &str = "http_server_duration";
const LABELS: [&str; 2] = ["method", "route"];

/// Whose records are counted in a text.
pub const NAMES: &str = "http_server_";

/// Counters alone, and so many that each process takes seconds: not for all.
pub const MILLION: usize = 1_000_000;

/// The series that there are.
pub struct Shape {
    counters: Vec<Labels>,
    histograms: Vec<Labels>,
}

impl Shape {
    /// One in a hundred is a histogram, unless there are a million.
    pub fn of(series: usize) -> Self {
        let histograms = if series < MILLION { series / 100 } else { 0 };
        Self { counters: labels::known(series - histograms), histograms: labels::known(histograms) }
    }

    pub fn series(&self) -> usize {
        self.counters.len() + self.histograms.len()
    }

    /// What a thread records that records to all of them once.
    pub fn records(&self, latencies: usize) -> usize {
        self.counters.len() + self.histograms.len() * latencies
    }
}

/// A library that has all series of a shape.
pub trait Subject: Sync {
    /// Adds 1 to each counter, and records all of the latencies to each histogram.
    fn record(&self, latencies_ns: &[u64]);

    /// The ways to read all series.
    fn reading(&self) -> Reading<'_>;

    /// How many records there were, if it writes no text that says so.
    fn counted(&self) -> Option<u64> {
        None
    }

    /// What it leaves out of the shape, as it cannot have it: so many of a thread's records.
    fn left_out(&self, _latencies: usize) -> usize {
        0
    }
}

pub type Made<'s> = Box<dyn Subject + Send + 's>;

/// Ways to read a subject, or why there is none.
pub struct Reading<'s> {
    /// Reads all series in the least way that the library has.
    pub snapshot: Result<Box<dyn FnMut() + 's>, &'static str>,
    /// Writes Prometheus' text, or OpenMetrics'.
    pub text: Result<Box<dyn Scrape + 's>, &'static str>,
}

/// How many series an entrant is measured with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    All,
    AllButAMillion,
    AMillion,
}

impl Sizes {
    pub fn include(self, series: usize) -> bool {
        match self {
            Self::All => true,
            Self::AllButAMillion => series < MILLION,
            Self::AMillion => series >= MILLION,
        }
    }
}

/// Somebody who takes part.
pub struct Entrant {
    pub name: &'static str,
    pub role: Role,
    /// What its numbers do not say.
    pub note: &'static str,
    pub sizes: Sizes,
    /// With all series of a shape, for so many threads.
    pub make: fn(&Shape, threads: usize) -> Made<'_>,
}

/// quipu comes first.
pub const ENTRANTS: [Entrant; 15] = [
    Entrant {
        name: "quipu",
        role: Role::Quipu,
        note: "buckets within 0.8 %",
        sizes: Sizes::All,
        make: quipu::families,
    },
    Entrant {
        name: "quipu, shared histograms",
        role: Role::Quipu,
        note: "buckets within 0.8 %",
        sizes: Sizes::AllButAMillion,
        make: quipu::shared_histograms,
    },
    Entrant {
        name: "quipu, registered one by one",
        role: Role::Quipu,
        note: "buckets within 0.8 %",
        sizes: Sizes::AMillion,
        make: quipu::registered,
    },
    Entrant {
        name: "prometheus",
        role: Role::Peer,
        note: "15 buckets",
        sizes: Sizes::All,
        make: prometheus::vectors,
    },
    Entrant {
        name: "prometheus-client",
        role: Role::Peer,
        note: "15 buckets",
        sizes: Sizes::All,
        make: prometheus_client::families,
    },
    Entrant {
        name: "metrics-exporter-prometheus",
        role: Role::Peer,
        note: "15 buckets; keeps each record until it is scraped",
        sizes: Sizes::AllButAMillion,
        make: metrics_exporter::kept,
    },
    Entrant {
        name: "opentelemetry_sdk",
        role: Role::Peer,
        note: "15 buckets; text by opentelemetry-prometheus",
        sizes: Sizes::AllButAMillion,
        make: opentelemetry::unbound,
    },
    Entrant {
        name: "measured",
        role: Role::Peer,
        note: "15 buckets",
        sizes: Sizes::AllButAMillion,
        make: measured::vectors,
    },
    Entrant {
        name: "metriken",
        role: Role::Peer,
        note: "buckets within 0.8 %, no sum, min or max; snapshot without labels; text with four \
               percentiles",
        sizes: Sizes::AllButAMillion,
        make: metriken::plain,
    },
    Entrant {
        name: "metriken, sharded",
        role: Role::Peer,
        note: "buckets within 0.8 %, no sum, min or max; snapshot without labels; text with four \
               percentiles",
        sizes: Sizes::AllButAMillion,
        make: metriken::sharded,
    },
    Entrant {
        name: "fast-telemetry",
        role: Role::Peer,
        note: "15 buckets",
        sizes: Sizes::AllButAMillion,
        make: fast_telemetry::dynamic,
    },
    Entrant {
        name: "metrics-lib",
        role: Role::Peer,
        note: "15 buckets",
        sizes: Sizes::AllButAMillion,
        make: metrics_lib::plain,
    },
    Entrant {
        name: "metrics-lib, sharded",
        role: Role::Peer,
        note: "15 buckets; counters have a cell for each core",
        sizes: Sizes::AllButAMillion,
        make: metrics_lib::sharded,
    },
    Entrant {
        name: "nm",
        role: Role::Peer,
        note: "15 buckets; names instead of labels",
        sizes: Sizes::AllButAMillion,
        make: nm::events,
    },
    Entrant {
        name: "contatori",
        role: Role::Peer,
        note: "has no histograms, and counters with one label",
        sizes: Sizes::AllButAMillion,
        make: contatori::counters,
    },
];
