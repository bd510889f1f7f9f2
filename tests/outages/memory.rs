//! An outage of any length, and an answer of any size, take no memory.

use crate::counting::{LIVE_BYTES, PEAK_BYTES};
use crate::exporter::{PATIENCE, by, wait_until};
use crate::fault_server::{FaultServer, Script};
use crate::kinds::{Kind, kinds};
use crate::process::in_own_process;
use quipu::testing::ManualClock;
use quipu::{Client, Counter, Registry};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

const SERIES: usize = 1_000;
const FLUSHES: u64 = 2_000;
const INTERVAL: Duration = Duration::from_secs(1);
const MIB: i64 = 1024 * 1024;

/// A client whose every part is there before memory is counted.
struct Steady {
    kind: Kind,
    server: FaultServer,
    client: Client,
    clock: ManualClock,
    counters: Vec<Counter>,
}

impl Steady {
    fn start(kind: Kind) -> Self {
        let server = FaultServer::start(Script::Answers((kind.taken)()));
        let registry = Arc::new(Registry::new());
        let clock = ManualClock::new();
        let client = Client::builder().registry(registry.clone()).clock(clock.clone());
        let client = client.flush_interval(INTERVAL).attempt_timeout(100 * PATIENCE);
        let client = client.backoff(INTERVAL..=10 * INTERVAL);
        let client =
            client.exporter((kind.exporter)(&server.url())).exporter(by("beside", |_| Ok(())));
        let client = client.start().unwrap();
        let counter = |number| registry.counter(&format!("c.{number}")).register().unwrap();
        let counters = (0..SERIES).map(counter).collect();
        Self { kind, server, client, clock, counters }
    }

    /// Flushes so often, with something new each time.
    fn flush(&self, flushes: u64) {
        for _ in 0..flushes {
            self.counters.iter().for_each(|counter| counter.increment());
            let before = self.client.report().flushes;
            self.clock.jump(INTERVAL);
            wait_until("a flush", || self.client.report().flushes > before);
            wait_until("the deliveries", || {
                let report = &self.client.report().exporters[0];
                report.attempts > report.acknowledged + report.failures
                    || self.clock.settle(Duration::from_millis(1))
            });
        }
    }

    fn serve(&mut self) {
        self.server.set(Script::Answers((self.kind.taken)()));
    }
}

#[test]
fn an_outage_of_many_flushes_takes_no_memory() {
    in_own_process("memory::an_outage_of_many_flushes_takes_no_memory", || {
        for kind in kinds() {
            for script in [Script::Refuses, Script::unavailable(None), Script::BlackHole] {
                let name = format!("{}: {}", kind.name, script.name());
                let mut steady = Steady::start(kind);
                steady.flush(20);
                steady.server.set(script);
                steady.flush(100);
                let before = LIVE_BYTES.load(SeqCst);
                steady.flush(FLUSHES);
                // What is on its way just now, or was answered just now, is not kept.
                let grown = || LIVE_BYTES.load(SeqCst) - before;
                wait_until(&format!("{name}: memory as before"), || grown() < MIB / 4);
                println!("{name}: {} bytes more", grown());
                steady.serve();
                let report = steady.client.stop(PATIENCE);
                assert!(report.is_delivered(), "{name}: {report}");
                let mut sums = (kind.received)(&steady.server.received());
                sums.retain(|counter, _| counter.starts_with("c."));
                assert_eq!(sums.len(), SERIES, "{name}");
                assert!(sums.into_values().all(|sum| sum == 20 + 100 + FLUSHES), "{name}");
            }
        }
    });
}

#[test]
fn a_huge_answer_takes_no_memory() {
    in_own_process("memory::a_huge_answer_takes_no_memory", || {
        for kind in kinds() {
            for status in [(kind.taken)().status, 500] {
                let name = format!("{}: {status}", kind.name);
                let mut steady = Steady::start(kind);
                steady.flush(3);
                assert!(steady.clock.settle(PATIENCE));
                steady.server.set(Script::Huge { status });
                let before = LIVE_BYTES.load(SeqCst);
                PEAK_BYTES.store(before, SeqCst);
                steady.flush(1);
                assert!(steady.clock.settle(PATIENCE));
                let grown = PEAK_BYTES.load(SeqCst) - before;
                println!("{name}: {grown} bytes more at most");
                assert!(steady.server.asked("huge") > 0, "{name}");
                assert!(grown < MIB, "{name}: {grown} bytes more");
            }
        }
    });
}
