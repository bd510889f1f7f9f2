//! Label values as they come from requests.
#![forbid(unsafe_code)]

use prometheus_client::encoding::EncodeLabelSet;

const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// The label values of a record, each a text of its own. What is derived is what
/// `prometheus-client` asks of a type that its families look up.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
pub struct Labels {
    pub method: String,
    pub route: String,
}

impl Labels {
    pub fn of(number: usize, route: String) -> Self {
        Self { method: METHODS[number % METHODS.len()].into(), route }
    }
}

/// The labels of so many series; as many routes as there are for each method.
pub fn known(series: usize) -> Vec<Labels> {
    let route = |number| format!("/api/v1/customers/{}/orders", number / METHODS.len());
    (0..series).map(|number| Labels::of(number, route(number))).collect()
}
