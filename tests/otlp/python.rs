//! OpenTelemetry's own messages for Python say the same as the reader of these tests, of random
//! registries, and have no field that they do not know.

use super::collector::Collector;
use super::exporter::PATIENCE;
use super::metrics::Metric;
use super::reading::{Data, Point, Reading, Request};
use super::{client, otlp, reading, strategies};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use quipu::{Registry, Temporality};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;

struct Python {
    process: Child,
    answers: BufReader<ChildStdout>,
}

impl Python {
    fn new() -> Self {
        let program = std::env::var("QUIPU_OTLP_PYTHON").expect("QUIPU_OTLP_PYTHON names a Python");
        let mut process = Command::new(program)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/otlp/decode.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap());
        Self { process, answers }
    }

    fn decoded(&mut self, body: &[u8]) -> Value {
        let mut digits = String::new();
        body.iter().for_each(|byte| write!(digits, "{byte:02x}").unwrap());
        writeln!(self.process.stdin.as_ref().unwrap(), "{digits}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        self.process.wait().unwrap();
    }
}

/// As `decode.py` says it.
fn said(request: &Request) -> Value {
    let metrics = request.metrics.iter().map(|metric| {
        let temporality = |is_delta| if is_delta { 1 } else { 2 };
        let (kind, temporality, is_monotonic) = match metric.data {
            Data::Gauge => ("gauge", 0, false),
            Data::Sum { is_delta, is_monotonic } => ("sum", temporality(is_delta), is_monotonic),
            Data::ExponentialHistogram { is_delta } => {
                ("exponential_histogram", temporality(is_delta), false)
            }
        };
        json!({
            "name": metric.name,
            "description": metric.description,
            "unit": metric.unit,
            "kind": kind,
            "temporality": temporality,
            "is_monotonic": is_monotonic,
            "points": metric.points.iter().map(said_point).collect::<Vec<_>>(),
        })
    });
    let metrics: Vec<_> = metrics.collect();
    json!({"resource": request.resource, "scope": request.scope, "metrics": metrics})
}

fn said_point(point: &Point) -> Value {
    let reading = match &point.reading {
        Reading::Int(int) => json!({"int": int}),
        Reading::Double(double) => json!({"double": double.to_bits()}),
        Reading::Distribution(it) => json!({
            "count": it.count,
            "sum": it.sum.to_bits(),
            "scale": it.scale,
            "zero_count": it.zero_count,
            "zero_threshold": 2_f64.powi(-128).to_bits(),
            "offset": it.offset,
            "counts": it.counts,
            "extremes": it.extremes.map(|(min, max)| [min.to_bits(), max.to_bits()]),
        }),
    };
    json!({
        "attributes": point.attributes,
        "start": point.start.unwrap_or(0),
        "time": point.time,
        "reading": reading,
    })
}

#[test]
#[ignore = "needs a Python with opentelemetry-proto, in QUIPU_OTLP_PYTHON"]
fn the_official_messages_say_the_same() {
    let mut python = Python::new();
    let mut runner = TestRunner::deterministic();
    for round in 0..100 {
        let metrics: Vec<Metric> = strategies::metrics().new_tree(&mut runner).unwrap().current();
        let registry = Arc::new(Registry::new());
        let collector = Collector::start();
        let temporality = [Temporality::Cumulative, Temporality::Delta][round % 2];
        let client = client(&registry, otlp(&collector).temporality(temporality));
        metrics.iter().for_each(|metric| metric.add_to(&registry));
        for _ in 0..2 {
            assert!(client.flush(PATIENCE).is_delivered());
            for received in collector.take() {
                let own = said(&reading::request(&received.body));
                let read = python.decoded(&received.body);
                assert!(own == read, "{own}\n{read}");
            }
        }
    }
}
