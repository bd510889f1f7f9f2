//! What an endpoint measures about itself: metrics in the registry that it serves, named
//! `quipu.endpoint.`, each registered when there is something to count.
#![forbid(unsafe_code)]

use super::negotiation::Format;
use super::route::Route;
use crate::client::Source;
use crate::export::PrometheusFormat;
use crate::metric::Counter;
use crate::sync;
use http::StatusCode;
use std::sync::{Arc, OnceLock};

const ROUTES: [&str; 7] =
    ["page", "metrics", "metrics.json", "health", "health/live", "health/ready", "other"];
const CLASSES: [&str; 3] = ["2xx", "4xx", "5xx"];
const FORMATS: [&str; 4] = ["text", "openmetrics", "protobuf", "json"];
const CLOSED: [&str; 2] = ["displaced", "timed_out"];

pub(super) struct Measures {
    registry: Arc<Source>,
    responses: [[OnceLock<Counter>; CLASSES.len()]; ROUTES.len()],
    expositions: [OnceLock<Counter>; FORMATS.len()],
    collections: OnceLock<Counter>,
    accepted: OnceLock<Counter>,
    accept_failures: OnceLock<Counter>,
    closed: [OnceLock<Counter>; CLOSED.len()],
}

/// Why a server closed a connection.
#[derive(Clone, Copy)]
pub(super) enum Closed {
    /// There were too many, and this one had been without a request for longest.
    Displaced,
    /// It was too slow, or idle for too long.
    TimedOut,
}

impl Measures {
    pub(super) fn new(registry: Arc<Source>) -> Self {
        Self {
            registry,
            responses: Default::default(),
            expositions: Default::default(),
            collections: OnceLock::new(),
            accepted: OnceLock::new(),
            accept_failures: OnceLock::new(),
            closed: Default::default(),
        }
    }

    pub(super) fn responded(&self, route: Option<Route>, status: StatusCode) {
        let route = route.map_or(ROUTES.len() - 1, |route| route as usize);
        let class = match status.as_u16() {
            ..400 => 0,
            400..500 => 1,
            _ => 2,
        };
        let labels = [("route", ROUTES[route]), ("class", CLASSES[class])];
        let help = "Responses, by what was asked for and class of the status";
        self.add(&self.responses[route][class], "quipu.endpoint.responses", &labels, help);
    }

    pub(super) fn exposed(&self, format: Format) {
        let at = match format {
            Format::Prometheus(PrometheusFormat::Text, _) => 0,
            Format::Prometheus(PrometheusFormat::OpenMetrics, _) => 1,
            Format::Prometheus(PrometheusFormat::Protobuf, _) => 2,
            Format::Json => 3,
        };
        let labels = [("format", FORMATS[at])];
        let help = "Bodies of metrics, by format";
        self.add(&self.expositions[at], "quipu.endpoint.expositions", &labels, help);
    }

    pub(super) fn collected(&self) {
        let help = "Snapshots taken for those who asked";
        self.add(&self.collections, "quipu.endpoint.collections", &[], help);
    }

    pub(super) fn accepted(&self) {
        let help = "Connections accepted";
        self.add(&self.accepted, "quipu.endpoint.connections.accepted", &[], help);
    }

    pub(super) fn accept_failed(&self) {
        let help = "Connections that the system could not hand over";
        self.add(&self.accept_failures, "quipu.endpoint.connections.failed", &[], help);
    }

    pub(super) fn closed(&self, cause: Closed) {
        let labels = [("cause", CLOSED[cause as usize])];
        let help = "Connections that the server closed early, by cause";
        let counter = &self.closed[cause as usize];
        self.add(counter, "quipu.endpoint.connections.closed", &labels, help);
    }

    fn add(&self, counter: &OnceLock<Counter>, name: &str, labels: &[(&str, &str)], help: &str) {
        let counter = counter.get().unwrap_or_else(|| {
            let series = self.registry.counter(name).help(help);
            let series =
                labels.iter().fold(series, |series, (key, value)| series.label(key, value));
            sync::set_once(counter, series.register_or_detached())
        });
        counter.increment();
    }
}
