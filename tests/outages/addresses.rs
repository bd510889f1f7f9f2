//! Addresses at which there is no such server: no host of that name, no TLS.

use crate::exporter::PATIENCE;
use crate::fault_server::{FaultServer, Script};
use crate::kinds::with_each_kind;
use quipu::testing::TestExporter;
use quipu::{Client, Registry};
use std::sync::Arc;
use std::time::Duration;

#[test]
fn an_address_that_does_not_answer_is_a_failure_that_names_it() {
    with_each_kind(|kind| {
        let plain = FaultServer::start(Script::serves());
        let garbage = FaultServer::start(Script::Garbage);
        for url in [&*plain.https_url(), &garbage.https_url(), "http://nowhere.invalid"] {
            let (registry, beside) = (Arc::new(Registry::new()), TestExporter::new());
            let client = Client::builder().registry(registry.clone()).flush_interval(PATIENCE);
            let client = client.exporter((kind.exporter)(url)).exporter(beside.clone());
            let client = client.start().unwrap();
            registry.counter("c").register().unwrap().add(5);
            let report = client.flush(PATIENCE);
            let failure = report.exporters[0].undelivered.as_deref().unwrap();
            assert!(failure.contains(url), "{}: {failure}", kind.name);
            assert_eq!(beside.counter("c", &[]), 5);
            assert!(!client.stop(Duration::ZERO).is_delivered());
        }
        assert!(plain.received().is_empty());
    });
}
