//! Whatever is registered and recorded, each of Prometheus' formats says what the snapshot says.
#![no_main]

use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames, Registry};
use quipu_fuzz::exposition::metrics::{KEYS, Metric, NAMES, TEXTS, UNITS};
use quipu_fuzz::exposition::{oracle, protobuf, text};

#[derive(Arbitrary, Debug)]
struct Input<'a> {
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

fuzz_target!(|inputs: Vec<Input>| {
    let registry = Registry::new();
    let mut encoder = PrometheusEncoder::new().bounds("x", &[0.0, 1e-9, 0.07, 1e19]).unwrap();
    for input in inputs {
        let labels = input.labels.iter().map(|&(key, value, more)| {
            (one(KEYS, key).to_string(), format!("{}{more}", one(TEXTS, value)))
        });
        let metric = Metric {
            name: one(NAMES, input.name).to_string(),
            labels: labels.collect(),
            help: one(TEXTS, input.help).to_string(),
            kind: input.kind,
            unit: *one(UNITS, input.unit),
            records: input.records,
        };
        metric.add_to(&registry);
    }
    let snapshot = registry.snapshot();
    for format in
        [PrometheusFormat::Text, PrometheusFormat::OpenMetrics, PrometheusFormat::Protobuf]
    {
        for names in [PrometheusNames::Underscores, PrometheusNames::Utf8] {
            let mut body = Vec::new();
            encoder.encode(&snapshot, format, names, &mut body);
            let families = match format {
                PrometheusFormat::Protobuf => protobuf::families(&body),
                format => text::families(
                    std::str::from_utf8(&body).unwrap(),
                    format == PrometheusFormat::OpenMetrics,
                ),
            };
            oracle::check(&snapshot, &families, format, names);
        }
    }
});
