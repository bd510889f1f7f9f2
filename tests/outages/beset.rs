//! A client with an exporter to a server of faults, and a healthy one beside it. Its ticks come when
//! the test says so; attempts that hang last by the system's clock.

use crate::exporter::{PATIENCE, wait_until};
use crate::fault_server::{FaultServer, Script};
use crate::kinds::{Kind, Sums};
use quipu::testing::{ManualClock, TestExporter};
use quipu::{Client, ClientBuilder, ExporterReport, Registry};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub const INTERVAL: Duration = Duration::from_secs(1);

/// How often something has to happen before it counts as going on.
const OFTEN: u64 = 3;

/// How long a tick waits for deliveries, which may hang.
const A_MOMENT: Duration = Duration::from_millis(5);

/// The causes of attempts that ended without success.
const ENDS: [&str; 7] = [
    "unreachable",
    "timed_out",
    "rate_limited",
    "rejected",
    "unauthorized",
    "unavailable",
    "other",
];

pub struct Beset<'a> {
    pub kind: &'a Kind,
    pub server: FaultServer,
    pub registry: Arc<Registry>,
    pub client: Client,
    pub clock: ManualClock,
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
        let clock = ManualClock::new();
        let client = Client::builder().registry(registry.clone()).clock(clock.clone());
        let client = settings(client.flush_interval(INTERVAL));
        let client = client.exporter((kind.exporter)(&server.url())).exporter(beside.clone());
        let client = client.start().unwrap();
        Self { kind, server, registry, client, clock, beside }
    }

    /// The server takes everything from now on.
    pub fn serve(&mut self) {
        self.server.set(Script::Answers((self.kind.taken)()));
    }

    /// How it stands with the exporter to the server.
    pub fn report(&self) -> ExporterReport {
        self.client.report().exporters.swap_remove(0)
    }

    /// Lets an interval pass, and what is to be done then begin.
    pub fn tick(&self) {
        let flushes = self.client.report().flushes;
        self.clock.jump(INTERVAL);
        wait_until("a flush", || self.client.report().flushes > flushes);
        self.clock.settle(A_MOMENT);
    }

    /// Lets intervals pass until the condition holds.
    pub fn tick_until(&self, what: &str, condition: impl Fn() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !condition() {
            let name = self.kind.name;
            assert!(Instant::now() < deadline, "{name}: no {what}: {}", self.client.report());
            self.tick();
        }
    }

    /// Waits for a few deliveries to the server.
    pub fn wait_for_deliveries(&self) {
        let before = self.report().acknowledged;
        self.tick_until("deliveries", || self.report().acknowledged >= before + OFTEN);
    }

    /// Waits for so many more attempts that come to an end and fail.
    pub fn wait_for_failures(&self, times: u64) {
        // By the client's clock, which is fast, an attempt that hangs is soon an overrun as well.
        let ended = || -> u64 {
            ENDS.iter().map(|cause| self.measured("quipu.export.failures", cause)).sum()
        };
        let before = ended();
        self.tick_until("failures", || ended() >= before + times);
    }

    /// Waits for a few deliveries to the healthy exporter.
    pub fn wait_for_others(&self) {
        let acknowledged = || self.client.report().exporters[1].acknowledged;
        let before = acknowledged();
        self.tick_until("deliveries to others", || acknowledged() >= before + OFTEN);
    }

    /// What the server has of the counters that begin so; those that are zero are left out.
    pub fn received(&self, prefix: &str) -> Sums {
        let mut sums = (self.kind.received)(&self.server.received());
        sums.retain(|name, sum| name.starts_with(prefix) && *sum != 0);
        sums
    }

    /// A measure of the client's for the exporter to the server.
    pub fn measured(&self, measure: &str, cause: &str) -> u64 {
        let report = self.report();
        let labels = [("exporter", &*report.name), ("cause", cause)];
        self.registry.snapshot().counter(measure, &labels).unwrap()
    }
}
