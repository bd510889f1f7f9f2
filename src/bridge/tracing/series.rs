//! What the series of a layer are called, and how they are registered.
#![forbid(unsafe_code)]

use crate::metric::{Counter, Histogram, UpDownCounter};
use crate::registry::{MetricBuilder, Registry};
use crate::series::{Metric, RegisterError, Unit};
use std::ops::Deref;
use std::sync::Arc;

pub(super) const SPAN_NAME: &str = "span.name";
pub(super) const LEVEL: &str = "level";
pub(super) const TARGET: &str = "target";
/// Of the series that counts what found no room.
const OVERFLOW: (&str, &str) = ("overflow", "true");

const DURATION: (&str, &str) =
    ("tracing.span.duration", "From the opening of a span to its closing");
const BUSY: (&str, &str) = ("tracing.span.busy", "How long a span was entered");
const ACTIVE: (&str, &str) = ("tracing.spans.active", "Spans that are open");
const UNTIMED: (&str, &str) =
    ("tracing.spans.untimed", "Spans that were opened when too many were, and are not timed");
const EVENTS: (&str, &str) = ("tracing.events", "Events that were recorded");

/// What the program has chosen.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) registry: Arc<dyn Deref<Target = Registry> + Send + Sync>,
    pub(super) fields: Vec<&'static str>,
    pub(super) max_series: usize,
    pub(super) has_busy_time: bool,
}

/// The histograms of one set of labels.
#[derive(Clone)]
pub(super) struct Durations {
    total: Histogram,
    busy: Option<Histogram>,
    refused: Option<Counter>,
}

/// The counter of one set of labels.
#[derive(Clone)]
pub(super) struct Count {
    events: Counter,
    refused: Option<Counter>,
}

impl Durations {
    #[inline]
    pub(super) fn record(&self, elapsed_ns: u64, busy_ns: u64) {
        self.total.record_ns(elapsed_ns);
        if let Some(busy) = &self.busy {
            busy.record_ns(busy_ns);
        }
        self.refused.iter().for_each(Counter::increment);
    }
}

impl Count {
    #[inline]
    pub(super) fn increment(&self) {
        self.events.increment();
        self.refused.iter().for_each(Counter::increment);
    }
}

impl Settings {
    pub(super) fn durations(&self, labels: &[(&str, &str)]) -> Option<Durations> {
        let register = |named| self.histogram(named, labels).register().ok();
        let total = register(DURATION)?;
        let busy = if self.has_busy_time { Some(register(BUSY)?) } else { None };
        Some(Durations { total, busy, refused: None })
    }

    /// Those of all spans that find no room. `is_full`: since the limit is reached.
    pub(super) fn overflowing_durations(&self, is_full: bool) -> Durations {
        let register = |named| self.histogram(named, &[OVERFLOW]).register_or_detached();
        Durations {
            total: register(DURATION),
            busy: self.has_busy_time.then(|| register(BUSY)),
            refused: self.refused(DURATION.0, is_full),
        }
    }

    pub(super) fn count(&self, labels: &[(&str, &str)]) -> Option<Count> {
        let events = self.described(Registry::counter, EVENTS, labels).register().ok()?;
        Some(Count { events, refused: None })
    }

    /// That of all events that find no room.
    pub(super) fn overflowing_count(&self, is_full: bool) -> Count {
        let events = self.described(Registry::counter, EVENTS, &[OVERFLOW]);
        let refused = self.refused(EVENTS.0, is_full);
        Count { events: events.register_or_detached(), refused }
    }

    pub(super) fn active(&self, labels: &[(&str, &str)]) -> UpDownCounter {
        self.described(Registry::up_down_counter, ACTIVE, labels).register_or_detached()
    }

    pub(super) fn untimed(&self) -> Counter {
        self.described(Registry::counter, UNTIMED, &[]).register_or_detached()
    }

    fn histogram<'r>(
        &'r self,
        named: (&'r str, &'r str),
        labels: &[(&str, &str)],
    ) -> MetricBuilder<'r, Histogram> {
        self.described(Registry::histogram, named, labels).unit(Unit::Nanoseconds)
    }

    fn described<'r, M: Metric>(
        &'r self,
        metric: fn(&'r Registry, &'r str) -> MetricBuilder<'r, M>,
        (name, help): (&'r str, &'r str),
        labels: &[(&str, &str)],
    ) -> MetricBuilder<'r, M> {
        let described = metric(&self.registry, name).help(help);
        labels.iter().fold(described, |described, (key, value)| described.label(key, value))
    }

    /// What counts records beyond the limit, which families have as well. Where it is the registry
    /// that is full, that has its own reason.
    fn refused(&self, name: &str, is_full: bool) -> Option<Counter> {
        let limit = self.max_series;
        let reason = is_full.then(|| RegisterError::FamilyFull { name: name.to_owned(), limit });
        self.registry.refused_by_families(reason)
    }
}
