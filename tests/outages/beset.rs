//! A client with an exporter to a server of faults, and a healthy one beside it.

use crate::exporter::wait_until;
use crate::fault_server::{FaultServer, Script};
use crate::kinds::{Kind, Sums};
use quipu::testing::TestExporter;
use quipu::{Client, ClientBuilder, ExporterReport, Registry};
use std::sync::Arc;

/// How often something has to happen before it counts as going on.
const OFTEN: u64 = 3;

pub struct Beset<'a> {
    pub kind: &'a Kind,
    pub server: FaultServer,
    pub registry: Arc<Registry>,
    pub client: Client,
    pub beside: TestExporter,
}

impl<'a> Beset<'a> {
    /// With a server that serves, or with that script.
    pub fn start(
        kind: &'a Kind,
        script: Option<Script>,
        settings: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Self {
        let served = || Script::Answers((kind.taken)());
        let server = FaultServer::start(script.unwrap_or_else(served));
        let (registry, beside) = (Arc::new(Registry::new()), TestExporter::new());
        let client = Client::builder().registry(registry.clone());
        let client = settings(client).exporter((kind.exporter)(&server.url()));
        let client = client.exporter(beside.clone()).start().unwrap();
        Self { kind, server, registry, client, beside }
    }

    /// The server takes everything from now on.
    pub fn serve(&mut self) {
        self.server.set(Script::Answers((self.kind.taken)()));
    }

    /// How it stands with the exporter to the server.
    pub fn report(&self) -> ExporterReport {
        self.client.report().exporters.swap_remove(0)
    }

    /// Waits for a few deliveries to the server.
    pub fn wait_for_deliveries(&self) {
        let before = self.report().acknowledged;
        wait_until("deliveries", || self.report().acknowledged >= before + OFTEN);
    }

    /// Waits for so many more attempts that fail.
    pub fn wait_for_failures(&self, times: u64) {
        let before = self.report().failures;
        wait_until("failures", || self.report().failures >= before + times);
    }

    /// Waits for a few deliveries to the healthy exporter.
    pub fn wait_for_others(&self) {
        let acknowledged = || self.client.report().exporters[1].acknowledged;
        let before = acknowledged();
        wait_until("the others", || acknowledged() >= before + OFTEN);
    }

    /// What the server has of the counters that begin so; those that are zero are left out.
    pub fn received(&self, prefix: &str) -> Sums {
        let mut sums = (self.kind.received)(&self.server.received());
        sums.retain(|name, sum| name.starts_with(prefix) && *sum != 0);
        sums
    }

    /// The failures of a cause.
    pub fn failures(&self, cause: &str) -> u64 {
        let report = self.report();
        let labels = [("exporter", &*report.name), ("cause", cause)];
        self.registry.snapshot().counter("quipu.export.failures", &labels).unwrap()
    }
}
