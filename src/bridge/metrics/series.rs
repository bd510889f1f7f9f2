//! What a macro of `metrics` records through: a metric of this crate behind their interfaces.
#![forbid(unsafe_code)]

use super::context::Context;
use super::scale::Scale;
use crate::metric::{Counter, Gauge, Histogram};
use crate::series::Metric;
use crate::store::Store;
use crate::sync::{self, Mutex};
use metrics::{CounterFn, GaugeFn, HistogramFn};

/// A kind of metric that `metrics` knows.
pub(super) trait Series: Sized + Send + Sync + 'static {
    type Metric: Metric;

    /// What names get appended that another kind has already.
    const KIND: &'static str;

    /// How values become what is recorded: as they are, unless a kind says otherwise.
    fn scale(_: &Context, _: &str, unit: Option<metrics::Unit>) -> Scale {
        Scale::as_it_is(unit)
    }

    fn over(metric: Self::Metric, scale: Scale, context: &Context) -> Self;
}

pub(super) struct CounterSeries {
    counter: Counter,
    store: sync::Arc<Store>,
}

/// Held while a counter is raised. One for all: a series may be reached through several recorders.
static RAISING: Mutex<()> = Mutex::new(());

impl Series for CounterSeries {
    type Metric = Counter;

    const KIND: &'static str = "counter";

    fn over(counter: Counter, _: Scale, context: &Context) -> Self {
        Self { counter, store: context.table().store().clone() }
    }
}

impl CounterFn for CounterSeries {
    fn increment(&self, value: u64) {
        self.counter.add(value);
    }

    /// What others raise it by is seen, since the lock orders it; an increment at the same time may be
    /// seen or not, and comes on top then.
    fn absolute(&self, value: u64) {
        let _raising = sync::lock(&RAISING);
        let total = self.counter.total(&self.store);
        if total < value {
            self.counter.add(value - total);
        }
    }
}

pub(super) struct GaugeSeries {
    gauge: Gauge,
}

impl Series for GaugeSeries {
    type Metric = Gauge;

    const KIND: &'static str = "gauge";

    fn over(gauge: Gauge, _: Scale, _: &Context) -> Self {
        Self { gauge }
    }
}

impl GaugeFn for GaugeSeries {
    fn increment(&self, value: f64) {
        self.gauge.move_by(value);
    }

    fn decrement(&self, value: f64) {
        self.gauge.move_by(-value);
    }

    fn set(&self, value: f64) {
        self.gauge.set(value);
    }
}

pub(super) struct HistogramSeries {
    histogram: Histogram,
    scale: Scale,
    refused: Counter,
}

impl Series for HistogramSeries {
    type Metric = Histogram;

    const KIND: &'static str = "histogram";

    fn scale(context: &Context, name: &str, unit: Option<metrics::Unit>) -> Scale {
        let chosen = context.settings.scales.get(name);
        chosen.copied().unwrap_or_else(|| Scale::of_histogram(name, unit))
    }

    fn over(histogram: Histogram, scale: Scale, context: &Context) -> Self {
        Self { histogram, scale, refused: context.refused_values().clone() }
    }
}

impl HistogramFn for HistogramSeries {
    fn record(&self, value: f64) {
        match self.scale.integer(value) {
            Some(value) => self.histogram.record(value),
            None => self.refused.increment(),
        }
    }

    fn record_many(&self, value: f64, count: usize) {
        match self.scale.integer(value) {
            Some(value) => self.histogram.record_n(value, count as u64),
            None => self.refused.add(count as u64),
        }
    }
}
