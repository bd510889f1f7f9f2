//! Sentry.

use crate::fault_server::{Answer, Request};
use crate::kinds::{Kind, SECRET, Sums};
use quipu::Sentry;
use serde_json::Value;

pub const KIND: Kind = Kind {
    name: "sentry",
    exporter: |url| {
        let (scheme, host) = url.split_once("://").unwrap();
        Box::new(Sentry::new(&format!("{scheme}://{SECRET}@{host}/42")).unwrap())
    },
    taken: || Answer::new("serves", 200).body(r#"{"id":"9ec79c33ec9942ab8353589fcb2e04dc"}"#),
    received,
    gives_up: |_| false,
    keeps_silence: true,
};

fn received(requests: &[Request]) -> Sums {
    let mut sums = Sums::new();
    for request in requests {
        let lines: Vec<Value> =
            request.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [_, item, body] = &lines[..] else { panic!("{lines:?}") };
        let items = body["items"].as_array().unwrap();
        assert_eq!(item["item_count"], items.len());
        for item in items.iter().filter(|item| item["type"] == "counter") {
            let name = item["name"].as_str().unwrap();
            *sums.entry(name.to_owned()).or_default() += item["value"].as_u64().unwrap();
        }
    }
    sums
}
