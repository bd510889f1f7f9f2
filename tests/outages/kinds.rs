//! The exporters, as data.

use crate::fault_server::{Answer, Request};
use crate::stand_in;
use quipu::Exporter;
use std::collections::BTreeMap;

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
    pub is_cumulative: bool,
}

pub fn kinds() -> Vec<Kind> {
    vec![stand_in::KIND]
}

/// Runs `test` with each kind, all at the same time.
pub fn with_each_kind(test: impl Fn(&Kind) + Sync) {
    std::thread::scope(|scope| {
        for kind in kinds() {
            let test = &test;
            let name = format!("test of {}", kind.name);
            std::thread::Builder::new()
                .name(name)
                .spawn_scoped(scope, move || test(&kind))
                .unwrap();
        }
    });
}
