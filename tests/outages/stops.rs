//! A stop during an outage comes in time, and says what was not delivered.

use crate::beset::Beset;
use crate::exporter::{PATIENCE, wait_until};
use crate::fault_server::{FaultServer, Script};
use crate::kinds::kinds;
use crate::scripts;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(150);
/// What a stop may take beyond its timeout: the one bound on time that is promised.
const GRACE: Duration = Duration::from_millis(100);

#[test]
fn a_stop_comes_in_time_whatever_the_server_does() {
    let server = FaultServer::start(Script::Refuses);
    // One after the other, since time is measured.
    for kind in kinds() {
        for script in scripts::outages(&kind, &server) {
            let name = format!("{}: {}", kind.name, script.name());
            let is_lossy = script.status().is_some_and(kind.gives_up);
            let mut beset =
                Beset::start(&kind, Some(script), |client| client.attempt_timeout(PATIENCE));
            let counter = beset.registry.counter("c").register().unwrap();
            counter.add(5);
            // An attempt is under way, or has failed.
            beset.client.flush(Duration::ZERO);
            wait_until("an attempt", || beset.report().attempts != 0);
            counter.add(6);
            let begun = Instant::now();
            let report = beset.client.stop(TIMEOUT);
            let took = begun.elapsed();
            assert!(took <= TIMEOUT + GRACE, "{name}: {took:?}");
            let undelivered: Vec<_> = report.undelivered().map(|it| &*it.name).collect();
            // What was given up is done with at the next attempt.
            assert!(undelivered == [&*report.exporters[0].name] || is_lossy, "{name}: {report}");
            assert_eq!(beset.beside.counter("c", &[]), 11, "{name}");
            assert!(beset.received("c").is_empty(), "{name}");
            // Its thread ends with the connection at the latest.
            beset.server.set(Script::Refuses);
            wait_until("the end of the thread", || !beset.report().is_running);
        }
    }
}
