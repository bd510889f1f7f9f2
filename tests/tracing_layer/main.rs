//! Spans and events that `TracingLayer` measures: over threads and async tasks, with fields as
//! labels, and under filters.
#![cfg(all(feature = "tracing", not(loom)))]

mod busy;
mod events;
mod fields;
mod filters;
#[path = "../process/mod.rs"]
mod process;
mod reloaded;
mod spans;

use quipu::{HistogramSnapshot, Registry, TracingLayer, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::Dispatch;
use tracing_subscriber::prelude::*;

const DURATION: &str = "tracing.span.duration";

/// A layer that is `change`d, in a subscriber of its own, and the registry that it records to.
fn measured(change: impl FnOnce(TracingLayer) -> TracingLayer) -> (Dispatch, Arc<Registry>) {
    let (layer, registry) = layer();
    (Dispatch::new(tracing_subscriber::registry().with(change(layer))), registry)
}

fn layer() -> (TracingLayer, Arc<Registry>) {
    let registry = Arc::new(Registry::new());
    (TracingLayer::new().registry(registry.clone()), registry)
}

/// Does `work` with this subscriber as the default.
fn within<T>(subscriber: &Dispatch, work: impl FnOnce() -> T) -> T {
    tracing::dispatcher::with_default(subscriber, work)
}

/// What `figure` makes of each series of a name, by the values of its labels in the order of their
/// keys.
fn series(
    registry: &Registry,
    name: &str,
    figure: impl Fn(&str, Value<'_>) -> i64,
) -> BTreeMap<String, i64> {
    let snapshot = registry.snapshot();
    let of_name = snapshot.iter().filter(|(series, _)| series.name() == name);
    let figures = of_name.map(|(series, value)| {
        let labels: Vec<_> = series.labels().map(|label| label.value()).collect();
        (labels.join(" "), figure(name, value))
    });
    figures.collect()
}

/// The same of histograms.
fn histograms(
    registry: &Registry,
    name: &str,
    figure: impl Fn(&HistogramSnapshot<'_>) -> u64,
) -> BTreeMap<String, i64> {
    series(registry, name, |name, value| match value {
        Value::Histogram(histogram) => figure(&histogram) as i64,
        other => panic!("{name} is no histogram but {other:?}"),
    })
}

/// How many spans have closed.
fn closed(registry: &Registry) -> BTreeMap<String, i64> {
    histograms(registry, DURATION, |spans| spans.count())
}

/// The sums of all durations.
fn durations(registry: &Registry) -> BTreeMap<String, i64> {
    histograms(registry, DURATION, |spans| spans.sum())
}

/// How many spans are open, those that are not left out.
fn active(registry: &Registry) -> BTreeMap<String, i64> {
    let mut active = series(registry, "tracing.spans.active", |name, value| match value {
        Value::UpDownCounter(active) => active,
        other => panic!("{name} is no up-down counter but {other:?}"),
    });
    active.retain(|_, active| *active != 0);
    active
}

fn events(registry: &Registry) -> BTreeMap<String, i64> {
    series(registry, "tracing.events", |name, value| match value {
        Value::Counter(events) => events as i64,
        other => panic!("{name} is no counter but {other:?}"),
    })
}

fn expected<const N: usize>(expected: [(&str, i64); N]) -> BTreeMap<String, i64> {
    expected.map(|(labels, figure)| (labels.to_owned(), figure)).into()
}

fn nothing() -> BTreeMap<String, i64> {
    BTreeMap::new()
}
