//! Faults in random order, by a clock that the test moves: each record is in exactly one request that
//! was answered with success.

use crate::beset::{Beset, INTERVAL};
use crate::exporter::{PATIENCE, wait_until};
use crate::fault_server::Script;
use crate::kinds::{Kind, Sums, with_each_kind};
use crate::scripts;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::time::Duration;

const STEPS: usize = 200;

fn run(kind: &Kind, seed: u64) {
    let name = format!("{}, seed {seed}", kind.name);
    let mut random = Rng::with_seed(seed);
    let mut beset = Beset::start(kind, None, |client| {
        // No attempt ends but by the server.
        client.attempt_timeout(100 * PATIENCE).backoff(INTERVAL / 2..=3 * INTERVAL)
    });
    let (mut recorded, mut seen) = (Sums::new(), BTreeMap::<_, u64>::new());
    let mut hangs = false;
    for step in 0..STEPS {
        if random.u8(..4) == 0 {
            let mut outages = scripts::outages(kind, &beset.server);
            // Those after which deltas are dropped are another test's.
            outages.retain(|script| !script.status().is_some_and(kind.gives_up));
            outages.resize_with(2 * outages.len(), || Script::Answers((kind.taken)()));
            let script = outages.swap_remove(random.usize(..outages.len()));
            hangs = scripts::hangs().iter().any(|hang| hang.name() == script.name());
            *seen.entry(script.name()).or_default() += 1;
            beset.server.set(script);
        }
        for _ in 0..random.usize(..4) {
            // Most are records of a series of their own, some of one that is there.
            let series = if random.bool() { step } else { random.usize(..STEPS) };
            let count = random.u64(1..1_000);
            let counter = format!("model.{series}");
            beset.registry.counter(&counter).register().unwrap().add(count);
            *recorded.entry(counter).or_default() += count;
        }
        let flushes = beset.client.report().flushes;
        beset.clock.jump(INTERVAL);
        wait_until("a flush", || beset.client.report().flushes > flushes);
        if hangs {
            wait_until("an attempt that hangs, or a pause", || {
                let report = beset.report();
                report.attempts > report.acknowledged + report.failures
                    || beset.clock.settle(Duration::from_millis(1))
            });
        } else {
            assert!(beset.clock.settle(PATIENCE), "{name}");
        }
    }
    beset.serve();
    let report = beset.client.stop(PATIENCE);
    assert!(report.is_delivered(), "{name}: {report}");
    let received = beset.received("model.");
    let differ = |counter: &&String| received.get(*counter) != recorded.get(*counter);
    let different: Vec<_> = received.keys().chain(recorded.keys()).filter(differ).collect();
    assert!(different.is_empty(), "{name}: {different:?}");
    assert!(report.exporters[0].failures > 10 && report.exporters[0].acknowledged > 10, "{name}");
    assert_eq!(beset.measured("quipu.export.failures", "timed_out"), 0, "{name}: {report}");
}

#[test]
fn every_record_is_received_once_whatever_the_server_does() {
    with_each_kind(|kind| (0..4).for_each(|seed| run(kind, seed)));
}
