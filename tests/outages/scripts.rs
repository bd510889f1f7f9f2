//! The faults that every exporter has to live with.

use crate::fault_server::{FaultServer, Script};
use std::time::Duration;

/// Longer than any test lasts.
const FOR_EVER: Duration = Duration::from_secs(1_000);

/// Those in which no delivery succeeds.
pub fn outages(server: &FaultServer) -> Vec<Script> {
    let mut outages = failures(server);
    outages.extend(hangs());
    outages
}

/// Those in which an attempt fails at once.
pub fn failures(server: &FaultServer) -> Vec<Script> {
    vec![
        Script::Refuses,
        Script::ResetsMidway,
        Script::ResetsUnanswered,
        Script::Garbage,
        Script::too_many(None),
        Script::too_many(Some("0")),
        Script::fails(),
        Script::unavailable(None),
        Script::Huge { status: 500 },
        server.redirect(302),
        server.redirect(307),
        server.redirect(308),
    ]
}

/// Those in which an attempt lasts until its deadline, or until another script comes.
pub fn hangs() -> Vec<Script> {
    vec![
        Script::BlackHole,
        Script::NeverReads,
        Script::Sips { pace: FOR_EVER },
        Script::Trickles { pace: FOR_EVER, at_once: 9 },
    ]
}
