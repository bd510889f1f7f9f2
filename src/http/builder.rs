//! Setting an endpoint up.
#![forbid(unsafe_code)]

use super::endpoint::{Endpoint, Shared};
use super::exposition::{Exposition, Settings};
use super::job_thread::JobThread;
use super::measures::Measures;
use super::readiness::{Check, Readiness};
use crate::client::{Client, Source};
use crate::export::PrometheusEncoder;
use crate::registry::Registry;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

const DEFAULT_MIN_INTERVAL: Duration = Duration::from_millis(100);
const DEFAULT_MAX_CONNECTIONS: usize = 256;

/// Describes an [`Endpoint`]; from [`Endpoint::builder`].
#[must_use = "there is no endpoint until `build` is called"]
pub struct EndpointBuilder {
    registry: Source,
    client: Option<Client>,
    encoder: PrometheusEncoder,
    checks: Vec<Check>,
    is_published: bool,
    min_interval: Duration,
    max_connections: usize,
}

impl EndpointBuilder {
    pub(super) fn new() -> Self {
        Self {
            registry: Box::new(crate::registry::registry()),
            client: None,
            encoder: PrometheusEncoder::new(),
            checks: Vec::new(),
            is_published: false,
            min_interval: DEFAULT_MIN_INTERVAL,
            max_connections: DEFAULT_MAX_CONNECTIONS,
        }
    }

    /// The registry whose series are served, as a reference that lives for ever or as an `Arc`; by
    /// default [`registry()`](crate::registry()).
    pub fn registry<R>(mut self, registry: R) -> Self
    where
        R: Deref<Target = Registry> + Send + Sync + 'static,
    {
        self.registry = Box::new(registry);
        self
    }

    /// The client whose health is told; without one, health is `live`. The endpoint keeps it: it is not
    /// dropped before the endpoint is.
    pub fn client(mut self, client: &Client) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// How Prometheus' formats are written.
    pub fn encoder(mut self, encoder: PrometheusEncoder) -> Self {
        self.encoder = encoder;
        self
    }

    /// Adds a check of whether the application is ready for work: its error, or its panic, makes
    /// `/health` and `/health/ready` answer 503 with `name` and the text.
    ///
    /// Checks run when they are asked for, one after the other, in a thread named `quipu-checks`: they
    /// may block, and all who ask meanwhile share the next run. While one has been running for more than
    /// a second, the answer is that it has not returned. What the text says is visible to whoever can
    /// reach the endpoint.
    ///
    /// ```
    /// let endpoint = quipu::Endpoint::builder()
    ///     .check("spool", || match std::fs::metadata("target") {
    ///         Ok(_) => Ok(()),
    ///         Err(error) => Err(error.to_string()),
    ///     })
    ///     .build();
    /// ```
    pub fn check(
        mut self,
        name: impl Into<String>,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.checks.push(Check { name: name.into(), run: Box::new(check) });
        self
    }

    /// Serves the newest snapshot that a client has published, instead of taking one: as old as the
    /// client's flush interval, for nothing, and without waiting. Until there is one, snapshots are
    /// taken.
    pub fn published(mut self) -> Self {
        self.is_published = true;
        self
    }

    /// The least time between the beginnings of two collections: 100 milliseconds by default. A scrape
    /// that comes earlier waits, and shares the next one.
    pub fn min_interval(mut self, interval: Duration) -> Self {
        self.min_interval = interval;
        self
    }

    /// The most connections that a [server](Endpoint::serve) has at once: 256 by default, at least 1.
    /// When one more comes, the one that has been without a request for longest is closed.
    ///
    /// Each takes up to 48 KiB of memory. Bodies that were not read yet take 64 MiB at most, beside one
    /// body and those shorter than 64 KiB: beyond that, who has been reading for longest is closed.
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections.max(1);
        self
    }

    /// The endpoint. Nothing runs before it is asked.
    pub fn build(self) -> Endpoint {
        let registry = Arc::new(self.registry);
        let measures = Arc::new(Measures::new(registry.clone()));
        let settings = Settings {
            registry,
            encoder: self.encoder,
            is_published: self.is_published,
            min_interval: self.min_interval,
            measures: measures.clone(),
        };
        let exposition = JobThread::new("quipu-endpoint", move |scrapes| {
            let exposition = Exposition::new(settings.clone());
            move || exposition.run(&scrapes)
        });
        Endpoint::with(Shared {
            client: self.client,
            readiness: Readiness::new(self.checks),
            exposition,
            measures,
            max_connections: self.max_connections,
        })
    }
}

impl fmt::Debug for EndpointBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointBuilder")
            .field("client", &self.client)
            .field("checks", &self.checks)
            .field("is_published", &self.is_published)
            .field("min_interval", &self.min_interval)
            .field("max_connections", &self.max_connections)
            .finish_non_exhaustive()
    }
}
