//! The faults that every exporter has to live with.

use crate::fault_server::{FaultServer, Script};
use crate::kinds::Kind;
use std::time::Duration;

/// Longer than any test lasts.
const FOR_EVER: Duration = Duration::from_secs(1_000);

/// Those in which no delivery succeeds.
pub fn outages(kind: &Kind, server: &FaultServer) -> Vec<Script> {
    let mut outages = failures(kind, server);
    outages.extend(hangs());
    outages
}

/// Those in which an attempt fails at once, and the next one may be made soon.
pub fn failures(kind: &Kind, server: &FaultServer) -> Vec<Script> {
    let mut failures = vec![
        Script::Refuses,
        Script::ResetsMidway,
        Script::ResetsUnanswered,
        Script::Garbage,
        Script::fails(),
        Script::unavailable(None),
        Script::Huge { status: 500 },
        server.redirect(302),
        server.redirect(307),
        server.redirect(308),
    ];
    if !kind.keeps_silence {
        failures.extend([None, Some("0"), Some("-5")].map(Script::too_many));
    }
    failures
}

/// Those in which an attempt lasts until its deadline, or until another script comes.
pub fn hangs() -> [Script; 4] {
    [
        Script::BlackHole,
        Script::NeverReads,
        Script::Sips { pace: FOR_EVER },
        Script::Trickles { pace: FOR_EVER, at_once: 9 },
    ]
}
