//! Random metrics.

use super::metrics::{KEYS, Metric, NAMES, TEXTS, UNITS};
use proptest::prelude::*;
use proptest::sample::select;

pub fn metrics() -> impl Strategy<Value = Vec<Metric>> {
    prop::collection::vec(metric(), 0..40)
}

fn metric() -> impl Strategy<Value = Metric> {
    let name = prop_oneof![
        6 => select(NAMES).prop_map(str::to_owned),
        1 => "[a-zA-Z][a-zA-Z0-9_./-]{0,30}",
        1 => Just("n".repeat(255)),
    ];
    let key = prop_oneof![
        6 => select(KEYS).prop_map(str::to_owned),
        1 => "[a-zA-Z_][a-zA-Z0-9_./-]{0,10}",
    ];
    let labels = prop::collection::vec((key, text()), 0..4);
    // A name has one unit: mostly the same one, so that few registrations are refused.
    let parts = (name, labels, text(), any::<u8>(), select(UNITS), records());
    parts.prop_map(|(name, labels, help, kind, unit, records)| Metric {
        name,
        labels,
        help,
        kind,
        unit,
        records,
    })
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => select(TEXTS).prop_map(|text| text.replace('\0', "")),
        2 => any::<String>().prop_map(|text| text.replace('\0', "")),
        1 => Just("\"\\\n\u{3c0}".repeat(4096 / 5)),
    ]
}

fn records() -> impl Strategy<Value = Vec<u64>> {
    let readings = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.1, 5e-324, f64::MAX];
    let record = prop_oneof![
        4 => (any::<u64>(), 0..64_u32).prop_map(|(value, by)| value >> by),
        1 => select(&[0, 1, 5_000_000, 10_000_000, u64::MAX, 0x7ff0_0000_0000_0002_u64][..]),
        1 => select(readings.map(f64::to_bits).to_vec()),
        1 => any::<f64>().prop_map(f64::to_bits),
    ];
    prop::collection::vec(record, 0..12)
}
