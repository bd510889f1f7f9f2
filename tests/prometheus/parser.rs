//! Python's parsers, of which the one for OpenMetrics is strict, read the same from random registries.

use super::metrics::Metric;
use super::{body, program, strategies, text};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use quipu::{PrometheusFormat, PrometheusNames, Registry};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// Name, labels and value.
type Sample = (String, BTreeMap<String, String>, u64);

struct Python {
    process: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Python {
    fn new() -> Self {
        let mut process = Command::new(program("QUIPU_OPENMETRICS_PYTHON"))
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/prometheus/parse.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, answers }
    }

    fn samples(&mut self, body: &str, is_open: bool) -> Vec<Sample> {
        let mut input = self.process.stdin.as_ref().unwrap();
        writeln!(input, "{}", json!({"body": body, "is_open": is_open})).unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        let samples = answer["samples"].as_array();
        let samples = samples.unwrap_or_else(|| panic!("{} in\n{body}", answer["error"]));
        let string = |value: &Value| value.as_str().unwrap().to_owned();
        samples
            .iter()
            .map(|sample| {
                let labels = sample[1].as_object().unwrap();
                let labels = labels.iter().map(|(key, value)| (key.clone(), string(value)));
                (string(&sample[0]), labels.collect(), bits(&string(&sample[2])))
            })
            .collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// Of the number that a text says; there is one NaN.
fn bits(text: &str) -> u64 {
    let number: f64 = text.parse().unwrap();
    if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() }
}

#[test]
#[ignore = "needs a Python with prometheus-client, in QUIPU_OPENMETRICS_PYTHON"]
fn the_strict_parser_reads_what_was_written() {
    let mut python = Python::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..200 {
        let metrics: Vec<Metric> = strategies::metrics().new_tree(&mut runner).unwrap().current();
        let registry = Registry::new();
        metrics.iter().take(15).for_each(|metric| metric.add_to(&registry));
        let snapshot = registry.snapshot();
        for format in [PrometheusFormat::Text, PrometheusFormat::OpenMetrics] {
            for names in [PrometheusNames::Underscores, PrometheusNames::Utf8] {
                let is_open = format == PrometheusFormat::OpenMetrics;
                let body = body(&snapshot, format, names);
                let own = text::samples(&body, is_open).into_iter().map(|sample| {
                    (sample.name, sample.labels.into_iter().collect(), bits(&sample.value))
                });
                let own: Vec<Sample> = own.collect();
                let read = python.samples(&body, is_open);
                let differs = own.iter().zip(&read).find(|(own, read)| own != read);
                assert!(own.len() == read.len() && differs.is_none(), "{differs:?} in\n{body}");
            }
        }
    }
}
