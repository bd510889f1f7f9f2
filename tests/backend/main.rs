//! A backend that dies, hangs and forgets to answer, and an exporter that still tells it everything
//! exactly once: in the end its sums are what was recorded, to the last one.
//!
//! `tcp_exporter` is the model for destinations that add up what they are sent, where a batch that
//! is sent twice would count twice.
#![cfg(not(loom))]
#![allow(unsafe_code)]

mod books;
#[path = "../directory/mod.rs"]
#[allow(dead_code)]
mod directory;
#[path = "../exporter/mod.rs"]
mod exporter;
mod load;
#[path = "../process/mod.rs"]
#[allow(dead_code)]
mod process;
#[cfg(unix)]
mod processes;
mod server;
mod tcp_exporter;

use books::Totals;
use exporter::{PATIENCE, wait_until};
use load::Load;
use quipu::testing::TestExporter;
use quipu::{Client, Delivery, ExportError, Exporter, ExporterReport, Registry};
use server::{Backend, Fault};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::Duration;
use tcp_exporter::TcpExporter;

const ROUNDS: u64 = 20;

/// How often something has to happen before it counts as going on.
const OFTEN: u64 = 3;

/// Tells when an attempt is under way: its count is odd then.
struct Watched(TcpExporter, Arc<AtomicU64>);

impl Exporter for Watched {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        self.1.fetch_add(1, SeqCst);
        let result = self.0.export(delivery);
        self.1.fetch_add(1, SeqCst);
        result
    }
}

/// A client with an exporter to a backend, and a healthy one beside it.
struct Beset {
    registry: Arc<Registry>,
    client: Client,
    healthy: TestExporter,
    attempts: Arc<AtomicU64>,
}

impl Beset {
    /// Under load, when the backend has acknowledged the first deliveries.
    fn start(backend: SocketAddr) -> (Self, Load) {
        let registry = Arc::new(Registry::new());
        let (healthy, attempts) = (TestExporter::new(), Arc::default());
        let client = Client::builder()
            .registry(registry.clone())
            .flush_interval(Duration::from_millis(2))
            .attempt_timeout(Duration::from_millis(40))
            .backoff(Duration::from_millis(1)..=Duration::from_millis(8))
            .exporter(Watched(TcpExporter::new(backend), Arc::clone(&attempts)))
            .exporter(healthy.clone())
            .start()
            .unwrap();
        let load = Load::start(&registry);
        let beset = Self { registry, client, healthy, attempts };
        beset.wait_for_deliveries();
        (beset, load)
    }

    fn tcp(&self) -> ExporterReport {
        self.client.report().exporters.swap_remove(0)
    }

    /// Waits until the backend has acknowledged a few deliveries.
    fn wait_for_deliveries(&self) {
        let before = self.tcp().acknowledged;
        wait_until("deliveries", || self.tcp().acknowledged >= before + OFTEN);
    }

    fn wait_for_failures(&self) {
        let before = self.tcp().failures;
        wait_until("failures", || self.tcp().failures >= before + OFTEN);
    }

    fn failures(&self, cause: &str) -> u64 {
        let labels = [("exporter", "tcp"), ("cause", cause)];
        self.registry.snapshot().counter("quipu.export.failures", &labels).unwrap()
    }

    /// The deliveries to the healthy exporter, and the steps of each thread that records.
    fn of_others(&self, load: &Load) -> (u64, Vec<u64>) {
        (self.client.report().exporters[1].acknowledged, load.steps())
    }

    /// Waits until the threads that record and the healthy exporter have got on. Nobody ends the
    /// backend's trouble meanwhile.
    fn assert_that_all_others_go_on(&self, load: &Load) {
        let (before, tcp) = (self.of_others(load), self.tcp().acknowledged);
        wait_until("the others", || have_got_on(&before, &self.of_others(load)));
        assert_eq!(self.tcp().acknowledged, tcp, "the backend is not in trouble");
    }

    /// As above, and within one attempt that hangs: they do not even wait for its timeout.
    fn assert_that_all_others_go_on_during_an_attempt(&self, load: &Load) {
        let tcp = self.tcp().acknowledged;
        wait_until("the others during an attempt", || {
            let attempt = self.attempts.load(SeqCst);
            let before = self.of_others(load);
            let is_same = || attempt % 2 == 1 && self.attempts.load(SeqCst) == attempt;
            while is_same() {
                if have_got_on(&before, &self.of_others(load)) {
                    return is_same();
                }
                thread::yield_now();
            }
            false
        });
        assert_eq!(self.tcp().acknowledged, tcp, "the backend is not in trouble");
    }

    /// Stops the client while the backend is in trouble, which ends before the time is over.
    fn stop(&self, end_trouble: impl FnOnce() + Send) {
        let report = thread::scope(|scope| {
            scope.spawn(|| {
                wait_until("the stop", || !self.client.report().exporters[1].is_running);
                self.wait_for_failures();
                end_trouble();
            });
            self.client.stop(PATIENCE)
        });
        assert!(report.is_delivered(), "{report}");
    }

    /// What the backend and the healthy exporter have is what was recorded.
    fn assert_exact(&self, recorded: Totals, backend: &books::Books) {
        assert!(recorded.counter > 0 && recorded.recorded > 0);
        assert_eq!(backend.streams(), 1);
        assert_eq!(backend.sum(), recorded);
        let beside = Totals {
            counter: self.healthy.counter("c", &[]),
            recorded: self.healthy.histogram_count("h", &[]),
        };
        assert_eq!(beside, recorded);
        // The backend was never asked for what it could not have.
        assert_eq!(self.failures("rejected"), 0);
    }
}

fn have_got_on(before: &(u64, Vec<u64>), now: &(u64, Vec<u64>)) -> bool {
    let have_recorded = |(now, before): (&u64, &u64)| *now >= before + OFTEN;
    now.0 >= before.0 + OFTEN && now.1.iter().zip(&before.1).all(have_recorded)
}

#[test]
#[cfg_attr(miri, ignore = "opens sockets")]
fn a_backend_that_fails_in_every_way_has_exactly_what_was_recorded() {
    let backend = Backend::start();
    let (beset, load) = Beset::start(backend.address());

    for round in 0..ROUNDS {
        // Dies between two batches.
        backend.kill();
        beset.wait_for_failures();
        beset.assert_that_all_others_go_on(&load);
        backend.restart();
        beset.wait_for_deliveries();

        // What it was sent while it hung, it applies late, or never.
        let timed_out = beset.failures("timed_out");
        backend.strike(Fault::Hangs);
        beset.assert_that_all_others_go_on_during_an_attempt(&load);
        wait_until("a timeout", || beset.failures("timed_out") > timed_out);
        if round % 2 == 0 {
            backend.kill();
            backend.restart();
        } else {
            backend.recover();
        }
        beset.wait_for_deliveries();

        for fault in [Fault::HalfAnswer, Fault::NoAnswer] {
            backend.strike(fault);
            beset.assert_that_all_others_go_on(&load);
            backend.restart();
            beset.wait_for_deliveries();
        }
    }
    // Batches were in doubt, and the backend had applied them.
    let repeats = backend.books().repeats();
    assert!(repeats >= 2 * ROUNDS, "{repeats}");

    // The end finds it dead, with a batch in doubt; it is back before the time is over.
    backend.strike(Fault::NoAnswer);
    let recorded = load.stop();
    beset.stop(|| backend.restart());
    beset.assert_exact(recorded, &backend.books());
}
