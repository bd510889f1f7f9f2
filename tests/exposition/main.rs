//! What Prometheus' formats say is what the snapshot says: nothing lost, nothing twice.
//!
//! - `metrics`, `strategies`: registries that are hard to write down.
//! - `text`, `protobuf` and its `fields`: strict readers, which make a `reading` of a body. `oracle`: what it must say.
//! - `golden`: what the formats look like.
#![cfg(not(loom))]

mod fields;
mod golden;
mod metrics;
mod oracle;
mod protobuf;
mod reading;
mod strategies;
#[allow(dead_code, reason = "samples by themselves are for another test")]
mod text;

use metrics::Metric;
use proptest::prelude::*;
use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames, Registry, Snapshot};
use reading::Family;

const FORMATS: [PrometheusFormat; 3] =
    [PrometheusFormat::Text, PrometheusFormat::OpenMetrics, PrometheusFormat::Protobuf];
const SPELLINGS: [PrometheusNames; 2] = [PrometheusNames::Underscores, PrometheusNames::Utf8];

fn registry(metrics: &[Metric]) -> Registry {
    let registry = Registry::new();
    metrics.iter().for_each(|metric| metric.add_to(&registry));
    registry
}

fn encoder() -> PrometheusEncoder {
    PrometheusEncoder::new()
        .bounds("x", &[0.0, 1e-9, 0.002, 0.07, 1.0, 1e6, 1e19, 1e30])
        .and_then(|encoder| encoder.bounds("a.ms", &[]))
        .unwrap()
}

/// All bodies of a snapshot, in the order of `FORMATS` and `SPELLINGS`.
fn bodies(encoder: &mut PrometheusEncoder, snapshot: &Snapshot) -> Vec<Vec<u8>> {
    let mut bodies = Vec::new();
    for format in FORMATS {
        for names in SPELLINGS {
            let mut body = Vec::new();
            encoder.encode(snapshot, format, names, &mut body);
            bodies.push(body);
        }
    }
    bodies
}

fn read(body: &[u8], format: PrometheusFormat) -> Vec<Family> {
    if format == PrometheusFormat::Protobuf {
        return protobuf::families(body);
    }
    let body = std::str::from_utf8(body).unwrap();
    text::families(body, format == PrometheusFormat::OpenMetrics)
}

fn check(encoder: &mut PrometheusEncoder, snapshot: &Snapshot) {
    let mut bodies = bodies(encoder, snapshot).into_iter();
    for format in FORMATS {
        for names in SPELLINGS {
            let families = read(&bodies.next().unwrap(), format);
            oracle::check(snapshot, &families, format, names);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn every_format_says_what_the_snapshot_says(metrics in strategies::metrics()) {
        check(&mut encoder(), &registry(&metrics).snapshot());
    }

    #[test]
    fn series_that_are_registered_later_are_written_as_by_a_new_encoder(
        metrics in strategies::metrics(),
        steps in prop::collection::vec(0..40_usize, 1..4),
    ) {
        let registry = Registry::new();
        let mut old = encoder();
        let mut rest = &metrics[..];
        let mut snapshots = Vec::new();
        for step in steps {
            let (now, later) = rest.split_at(step.min(rest.len()));
            now.iter().for_each(|metric| metric.add_to(&registry));
            let snapshot = registry.snapshot();
            prop_assert!(bodies(&mut old, &snapshot) == bodies(&mut encoder(), &snapshot));
            snapshots.push(snapshot);
            rest = later;
        }
        // What came before it is a part of what the encoder has rendered.
        for snapshot in snapshots {
            check(&mut old, &snapshot);
        }
    }

    #[test]
    fn an_encoder_tells_registries_apart(
        first in strategies::metrics(),
        second in strategies::metrics(),
    ) {
        let snapshots = [registry(&first).snapshot(), registry(&second).snapshot()];
        let mut shared = encoder();
        for _ in 0..2 {
            for snapshot in &snapshots {
                prop_assert!(bodies(&mut shared, snapshot) == bodies(&mut encoder(), snapshot));
            }
        }
    }
}

fn text_of(registry: &Registry) -> String {
    let mut body = Vec::new();
    let names = PrometheusNames::Underscores;
    encoder().encode(&registry.snapshot(), PrometheusFormat::Text, names, &mut body);
    let text = String::from_utf8(body).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_empty_registry_is_an_empty_body() {
    let bodies = bodies(&mut encoder(), &Registry::new().snapshot());
    assert_eq!(bodies, [&b""[..], b"", b"# EOF\n", b"# EOF\n", b"", b""]);
}

#[test]
fn what_is_appended_leaves_what_was_there() {
    let registry = Registry::new();
    registry.counter("a").register().unwrap();
    for format in FORMATS {
        let mut body = b"before".to_vec();
        let names = PrometheusNames::Underscores;
        encoder().encode(&registry.snapshot(), format, names, &mut body);
        assert!(body.starts_with(b"before") && body.len() > 10);
    }
}

#[test]
fn of_names_that_fall_together_the_first_one_stays() {
    let registry = Registry::new();
    registry.counter("a.b").register().unwrap();
    registry.counter("a_b").register().unwrap();
    registry.gauge("a.b.total").register().unwrap().set(1.0);
    registry.gauge("x.count").register().unwrap().set(2.0);
    let text = text_of(&registry);
    let names: Vec<_> = text.lines().map(|line| line.split_once(' ').unwrap().0).collect();
    let [first, third, second, fourth] = names[..] else { panic!("{text}") };
    assert_eq!((first, fourth), ("a_b_total", "x_count"));
    assert!(second.starts_with("a_b_") && second.ends_with("_total") && second.len() == 18);
    assert!(third.starts_with("a_b_total_") && third.len() == 18, "{third}");
}

#[test]
fn series_that_only_differ_in_what_is_not_exported_have_their_keys_as_a_label() {
    let registry = Registry::new();
    let add = |labels: &[(&str, &str)]| {
        let builder = registry.gauge("a");
        let builder =
            labels.iter().fold(builder, |builder, (key, value)| builder.label(key, value));
        builder.register().unwrap().set(1.0);
    };
    add(&[("k.k", "1")]);
    add(&[("k_k", "1")]);
    add(&[("k_k", "1"), ("quipu_keys", "k_k")]);
    add(&[("k-k", "1"), ("quipu_keys", "k_k")]);
    // An empty value is as no label to Prometheus.
    add(&[("e", "")]);
    add(&[]);
    add(&[("f", "")]);
    let mut lines: Vec<_> = text_of(&registry).lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        [
            r#"a{e=""} 1.0"#,
            r#"a{f="",quipu_keys="f"} 1.0"#,
            r#"a{k_k="1",quipu_keys="k_k",quipu_keys_="k-k,quipu_keys"} 1.0"#,
            r#"a{k_k="1",quipu_keys="k_k",quipu_keys_="k_k,quipu_keys"} 1.0"#,
            r#"a{k_k="1",quipu_keys="k_k"} 1.0"#,
            r#"a{k_k="1"} 1.0"#,
            r#"a{quipu_keys="-"} 1.0"#,
        ]
    );
}
