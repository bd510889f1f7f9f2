//! Datadog's API.

use crate::fault_server::{Answer, Request};
use crate::kinds::{Kind, SECRET, Sums};
use quipu::Datadog;
use serde_json::Value;

/// A point that is added up.
const COUNT: u64 = 1;

pub const KIND: Kind = Kind {
    name: "datadog",
    exporter: |url| Box::new(Datadog::new(SECRET).unwrap().endpoint(url).unwrap()),
    taken: || Answer::new("serves", 202).body(r#"{"errors":[]}"#),
    received,
    gives_up: |_| false,
    keeps_silence: false,
};

fn received(requests: &[Request]) -> Sums {
    let mut sums = Sums::new();
    for request in requests {
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        for series in body["series"].as_array().unwrap() {
            if series["type"] == COUNT {
                let name = series["metric"].as_str().unwrap();
                let [point] = &series["points"].as_array().unwrap()[..] else { panic!("{series}") };
                *sums.entry(name.to_owned()).or_default() += point["value"].as_u64().unwrap();
            }
        }
    }
    sums
}
