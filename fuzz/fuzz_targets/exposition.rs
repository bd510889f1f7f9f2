//! Whatever is registered and recorded, each of Prometheus' formats says what the snapshot says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames, Registry};
use quipu_fuzz::exposition::metrics::Metric;
use quipu_fuzz::exposition::{Input, oracle, protobuf, text};

fuzz_target!(|inputs: Vec<Input>| {
    let registry = Registry::new();
    let mut encoder = PrometheusEncoder::new().bounds("x", &[0.0, 1e-9, 0.07, 1e19]).unwrap();
    inputs.into_iter().map(Metric::from).for_each(|metric| metric.add_to(&registry));
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
