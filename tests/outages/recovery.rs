//! An outage and its end: all others go on meanwhile, and afterwards nothing is missing.

use crate::beset::Beset;
use crate::exporter::{PATIENCE, wait_until};
use crate::fault_server::{FaultServer, Script};
use crate::kinds::{Kind, with_each_kind};
use crate::load::Load;
use crate::scripts;
use quipu::ClientBuilder;
use std::time::Duration;

/// What an attempt may take that hangs. Long enough for one that does not: an answer that comes after
/// its deadline is one that nobody hears.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);

fn quickly(client: ClientBuilder) -> ClientBuilder {
    let client = client.attempt_timeout(ATTEMPT_TIMEOUT);
    client.backoff(Duration::from_millis(1)..=Duration::from_millis(8))
}

/// Goes through an outage with so many failed attempts at least.
fn outage(kind: &Kind, script: impl FnOnce(&FaultServer) -> Script, failures: u64) {
    let mut beset = Beset::start(kind, None, quickly);
    let load = Load::start(&beset.registry);
    beset.wait_for_deliveries();
    let script = script(&beset.server);
    let name = format!("{}: {}", kind.name, script.name());
    let is_lossy = script.status().is_some_and(kind.gives_up);
    beset.server.set(script);
    let (acknowledged, steps) = (beset.report().acknowledged, load.steps());
    beset.wait_for_failures(failures);
    beset.wait_for_others();
    wait_until("the recording thread", || load.steps() > steps + 1_000);
    // An answer from before may still have been on its way, and what was given up is done with.
    let more = beset.report().acknowledged - acknowledged;
    assert!(more <= 1 || is_lossy, "{name}: {more} deliveries in an outage");
    assert!(!beset.client.health().is_live(), "{name}");
    beset.serve();
    beset.wait_for_deliveries();
    let recorded = load.stop();
    let report = beset.client.stop(PATIENCE);
    assert!(report.is_delivered(), "{name}: {report}");
    if is_lossy {
        assert_ne!(beset.received("load."), recorded, "{name}");
        assert!(beset.measured("quipu.export.dropped", "refused") != 0, "{name}");
    } else {
        assert_eq!(beset.received("load."), recorded, "{name}");
        assert_eq!(beset.measured("quipu.export.dropped", "refused"), 0, "{name}");
    }
    for (counter, sum) in recorded {
        assert_eq!(beset.beside.counter(&counter, &[]), sum, "{name}");
    }
    assert_eq!(beset.server.asked_elsewhere(), 0, "{name}: a redirect was followed");
}

#[test]
fn nothing_is_lost_when_deliveries_fail() {
    with_each_kind(|kind| {
        let count = scripts::failures(kind, &FaultServer::start(Script::Refuses)).len();
        for number in 0..count {
            outage(kind, |server| scripts::failures(kind, server).swap_remove(number), 5);
        }
    });
}

#[test]
fn nothing_is_lost_when_deliveries_hang() {
    with_each_kind(|kind| {
        for script in scripts::hangs() {
            outage(kind, |_| script, 1);
        }
    });
}

#[test]
fn nothing_is_lost_when_silence_is_asked_for() {
    with_each_kind(|kind| {
        outage(kind, |_| Script::too_many(Some("1")), 1);
        outage(kind, |_| Script::unavailable(Some("1")), 5);
    });
}

#[test]
fn a_huge_answer_that_says_taken_is_believed() {
    with_each_kind(|kind| {
        let huge = Script::Huge { status: (kind.taken)().status };
        let beset = Beset::start(kind, Some(huge), quickly);
        let load = Load::start(&beset.registry);
        beset.wait_for_deliveries();
        let recorded = load.stop();
        let report = beset.client.stop(PATIENCE);
        assert!(report.is_delivered(), "{}: {report}", kind.name);
        let report = beset.report();
        assert_eq!(report.acknowledged, report.attempts, "{}: {report:?}", kind.name);
        assert_eq!(beset.received("load."), recorded, "{}", kind.name);
    });
}
