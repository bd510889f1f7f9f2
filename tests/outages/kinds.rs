//! The exporters, as data.

use crate::fault_server::{Answer, Request};
use quipu::Exporter;
use std::collections::BTreeMap;
use std::thread;

/// What each kind is given as its key or token.
pub const SECRET: &str = "5ec2e75ec2e75ec2e75ec2e75ec2e751";

/// Sums by the name of the counter.
pub type Sums = BTreeMap<String, u64>;

#[derive(Clone, Copy)]
pub struct Kind {
    pub name: &'static str,
    /// An exporter to the server at an address without a path.
    pub exporter: fn(url: &str) -> Box<dyn Exporter>,
    /// How its backend says that it took everything.
    pub taken: fn() -> Answer,
    /// What its backend has of each counter after these requests.
    pub received: fn(&[Request]) -> Sums,
    /// Whether its protocol forbids to send the same again after this status, so that what was to be
    /// added is dropped, and counted.
    pub gives_up: fn(status: u16) -> bool,
    /// Whether it keeps the silence that a 429 asks for by the system's clock, and for long if that
    /// names no time.
    pub keeps_silence: bool,
}

pub fn kinds() -> Vec<Kind> {
    vec![
        #[cfg(feature = "otlp")]
        crate::otlp::CUMULATIVE,
        #[cfg(feature = "otlp")]
        crate::otlp::DELTA,
        #[cfg(feature = "datadog")]
        crate::datadog::KIND,
        #[cfg(feature = "sentry")]
        crate::sentry::KIND,
    ]
}

/// Runs `test` with each kind, all at the same time.
pub fn with_each_kind(test: impl Fn(&Kind) + Sync) {
    thread::scope(|scope| {
        for kind in kinds() {
            let (name, test) = (format!("test of {}", kind.name), &test);
            thread::Builder::new().name(name).spawn_scoped(scope, move || test(&kind)).unwrap();
        }
    });
}
