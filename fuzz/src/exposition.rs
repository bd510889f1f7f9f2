//! Readers and oracle of Prometheus' formats, as the crate's own tests have them; and metrics made of
//! bytes.

#[path = "../../tests/exposition/fields.rs"]
pub mod fields;
#[path = "../../tests/exposition/metrics.rs"]
pub mod metrics;
#[path = "../../tests/exposition/oracle.rs"]
pub mod oracle;
#[path = "../../tests/exposition/protobuf.rs"]
pub mod protobuf;
#[path = "../../tests/exposition/reading.rs"]
pub mod reading;
#[path = "../../tests/exposition/text.rs"]
pub mod text;

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use metrics::{KEYS, Metric, NAMES, TEXTS, UNITS};

/// What a metric is made of.
#[derive(Arbitrary, Debug)]
pub struct Input<'a> {
    name: u8,
    labels: Vec<(u8, u8, &'a str)>,
    help: u8,
    kind: u8,
    unit: u8,
    records: Vec<u64>,
}

fn one<T>(of: &[T], at: u8) -> &T {
    &of[usize::from(at) % of.len()]
}

impl From<Input<'_>> for Metric {
    fn from(input: Input<'_>) -> Self {
        let labels = input.labels.iter().map(|&(key, value, more)| {
            (one(KEYS, key).to_string(), format!("{}{more}", one(TEXTS, value)))
        });
        Self {
            name: one(NAMES, input.name).to_string(),
            labels: labels.collect(),
            help: one(TEXTS, input.help).to_string(),
            kind: input.kind,
            unit: *one(UNITS, input.unit),
            records: input.records,
        }
    }
}
