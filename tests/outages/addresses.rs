//! Addresses at which there is no such server: no host of that name, no TLS.

use crate::exporter::PATIENCE;
use crate::fault_server::{FaultServer, Script};
use crate::kinds::{SECRET, with_each_kind};
use crate::process::in_own_process_with;
use quipu::testing::TestExporter;
use quipu::{Client, Registry};
use std::sync::Arc;
use std::time::Duration;

/// Those who run the tests may have a proxy, which would answer for any address.
const NO_PROXY: [(&str, &str); 6] = [
    ("ALL_PROXY", ""),
    ("all_proxy", ""),
    ("HTTPS_PROXY", ""),
    ("https_proxy", ""),
    ("HTTP_PROXY", ""),
    ("http_proxy", ""),
];

#[test]
fn an_address_that_does_not_answer_is_a_failure_that_names_it() {
    let test = "addresses::an_address_that_does_not_answer_is_a_failure_that_names_it";
    in_own_process_with(test, &NO_PROXY, fail_at_each_address);
}

fn fail_at_each_address() {
    with_each_kind(|kind| {
        let plain = FaultServer::start(Script::serves());
        let garbage = FaultServer::start(Script::Garbage);
        #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
        let untrusted = FaultServer::start(Script::SelfSigned);
        let tls = [
            &plain,
            &garbage,
            #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
            &untrusted,
        ];
        let tls = tls.map(FaultServer::https_url);
        for url in tls.iter().map(|url| &**url).chain(["http://nowhere.invalid"]) {
            let (registry, beside) = (Arc::new(Registry::new()), TestExporter::new());
            let client = Client::builder().registry(registry.clone()).flush_interval(PATIENCE);
            let client = client.exporter((kind.exporter)(url)).exporter(beside.clone());
            let client = client.start().unwrap();
            registry.counter("c").register().unwrap().add(5);
            let report = client.flush(PATIENCE);
            let failure = report.exporters[0].undelivered.as_deref().unwrap();
            assert!(failure.contains(url), "{}: {failure}", kind.name);
            assert!(!failure.contains(SECRET), "{}: {failure}", kind.name);
            assert_eq!(beside.counter("c", &[]), 5);
            assert!(!client.stop(Duration::ZERO).is_delivered());
        }
        assert!(plain.received().is_empty());
    });
}
