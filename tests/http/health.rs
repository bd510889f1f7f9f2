//! Health: what the client says, what the application says, and who is told.

use crate::exporter::{A_CHANCE, PATIENCE, gate, wait_until};
use crate::wire::{Peer, Reply, get, serve, with_held_check};
use quipu::testing::{ManualClock, TestExporter};
use quipu::{Client, Endpoint, Registry};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

fn statuses(address: SocketAddr) -> [u16; 3] {
    ["/health", "/health/live", "/health/ready"].map(|path| get(address, path).status)
}

fn body(status: &str, is_ready: bool, reasons: &str) -> String {
    format!("{{\"status\":\"{status}\",\"ready\":{is_ready},\"reasons\":[{reasons}]}}\n")
}

#[test]
fn without_a_client_it_is_live() {
    let (_server, address) = serve(&Endpoint::new());
    assert_eq!(get(address, "/health").text(), body("live", true, ""));
    assert_eq!(get(address, "/health").header("content-type"), Some("application/json"));
}

#[test]
fn a_client_that_fails_is_late_and_recovers() {
    let registry = Arc::new(Registry::new());
    let (clock, exporter) = (ManualClock::new(), TestExporter::new());
    let client = Client::builder()
        .registry(registry.clone())
        .clock(clock.clone())
        .flush_interval(Duration::from_secs(1))
        .exporter(exporter.clone())
        .start()
        .unwrap();
    let (_server, address) = serve(&Endpoint::builder().registry(registry).client(&client).build());
    exporter.fail_next("no \"route\" to\nhost");
    clock.advance(Duration::from_secs(1));
    let late = get(address, "/health");
    assert_eq!(late.status, 200);
    assert!(
        late.text().starts_with("{\"status\":\"late\",\"ready\":true,\"reasons\":["),
        "{late:?}"
    );
    assert!(late.text().contains("no \\\"route\\\" to host"), "{late:?}");
    assert_eq!(statuses(address), [200; 3]);
    clock.advance(Duration::from_secs(60));
    assert_eq!(get(address, "/health").text(), body("live", true, ""));
}

#[test]
fn a_dead_client_is_told_everywhere() {
    let registry = Arc::new(Registry::new());
    let client = Client::builder().registry(registry.clone()).start().unwrap();
    let (_server, address) = serve(&Endpoint::builder().registry(registry).client(&client).build());
    assert_eq!(statuses(address), [200; 3]);
    client.stop(PATIENCE);
    assert_eq!(statuses(address), [503; 3]);
    let reasons = "\"the flusher has stopped\"";
    assert_eq!(get(address, "/health").text(), body("dead", false, reasons));
    let live = format!("{{\"status\":\"dead\",\"reasons\":[{reasons}]}}\n");
    assert_eq!(get(address, "/health/live").text(), live);
    assert_eq!(get(address, "/metrics").status, 200);
}

#[test]
fn checks_decide_about_readiness_and_not_about_life() {
    let database = Arc::new(Mutex::new(Ok(())));
    let state = database.clone();
    let endpoint = Endpoint::builder()
        .registry(Arc::new(Registry::new()))
        .check("spool", || Ok(()))
        .check("database", move || state.lock().unwrap().clone())
        .check("cache", || Ok(()));
    let (_server, address) = serve(&endpoint.build());
    assert_eq!(statuses(address), [200; 3]);
    *database.lock().unwrap() = Err("no answer from <10.0.0.1>".to_owned());
    assert_eq!(statuses(address), [503, 200, 503]);
    let reasons = "\"database: no answer from <10.0.0.1>\"";
    assert_eq!(get(address, "/health").text(), body("live", false, reasons));
    *database.lock().unwrap() = Ok(());
    assert_eq!(statuses(address), [200; 3]);
}

#[test]
fn a_check_that_panics_is_one_that_fails() {
    let endpoint = Endpoint::builder().registry(Arc::new(Registry::new()));
    let (_server, address) = serve(&endpoint.check("panics", || panic!("on purpose")).build());
    for _ in 0..3 {
        assert_eq!(
            get(address, "/health").text(),
            body("live", false, "\"panics panicked: on purpose\"")
        );
    }
    assert_eq!(statuses(address), [503, 200, 503]);
}

#[test]
fn an_application_that_drains_is_not_ready() {
    let endpoint = Endpoint::builder().check("never asked", || panic!()).build();
    let (_server, address) = serve(&endpoint);
    endpoint.set_unready("draining");
    assert_eq!(statuses(address), [503, 200, 503]);
    assert_eq!(get(address, "/health").text(), body("live", false, "\"draining\""));
    endpoint.set_ready();
    assert!(get(address, "/health").text().contains("never asked panicked"));
}

#[test]
fn a_check_that_hangs_holds_up_nobody_else() {
    let (endpoint, held) = with_held_check("hangs", Ok(()));
    let (_server, address) = serve(&endpoint);
    let mut waiting = Peer::connect(address);
    waiting.ask("GET", "/health/ready", "");
    held.wait();
    assert_eq!(get(address, "/health/live").status, 200);
    assert_eq!(get(address, "/metrics").status, 200);
    // After a second those who ask are not kept waiting.
    let refused = || -> Option<Reply> {
        let mut peer = Peer::connect(address);
        peer.ask("GET", "/health", "");
        peer.0.get_ref().set_read_timeout(Some(A_CHANCE)).unwrap();
        peer.try_receive(true).ok()
    };
    let reply = Mutex::new(None);
    wait_until("the check counts as hanging", || {
        *reply.lock().unwrap() = refused();
        reply.lock().unwrap().is_some()
    });
    let reply = reply.into_inner().unwrap().unwrap();
    assert_eq!(reply.status, 503);
    assert!(reply.text().contains("hangs has not returned for 1 s"), "{reply:?}");
    // It returns, for those who waited and for those who come.
    drop(held);
    assert_eq!(waiting.receive().status, 200);
    wait_until("it is ready", || get(address, "/health").status == 200);
}

#[test]
fn those_who_ask_at_once_share_a_run_of_the_checks() {
    let runs = Arc::new(Mutex::new(0));
    let counted = runs.clone();
    let (gate, held) = gate();
    let gate = Mutex::new(gate);
    let endpoint =
        Endpoint::builder().registry(Arc::new(Registry::new())).check("slow", move || {
            *counted.lock().unwrap() += 1;
            gate.lock().unwrap().pass();
            Ok(())
        });
    let (_server, address) = serve(&endpoint.build());
    let mut peers: Vec<_> = (0..20).map(|_| Peer::connect(address)).collect();
    peers[0].ask("GET", "/health", "");
    held.wait();
    peers[1..].iter_mut().for_each(|peer| peer.ask("GET", "/health", ""));
    thread::sleep(A_CHANCE);
    drop(held);
    assert!(peers.iter_mut().all(|peer| peer.receive().status == 200));
    assert!(*runs.lock().unwrap() < 20);
}
