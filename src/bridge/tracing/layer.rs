//! The layer.
#![forbid(unsafe_code)]

use super::fields::{ABSENT, Visitor};
use super::metrics::Metrics;
use super::open::{MAX_FIELDS, OpenSpans, Opened};
use super::series::{LEVEL, SPAN_NAME, Settings};
use super::site::Address;
use crate::client::tell;
use crate::metric::{Beginning, start_clock};
use crate::registry::{Registry, registry};
use crate::series::fault_of_key;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

const DEFAULT_MAX_SERIES: usize = 2_000;

/// A [`tracing_subscriber::Layer`] that measures spans and counts events.
///
/// | metric | kind, unit | labels | |
/// |---|---|---|---|
/// | `tracing.span.duration` | histogram, nanoseconds | `span.name`, `level`, [`fields`](Self::fields) | from a span's opening to its closing, whose number is its count |
/// | `tracing.span.busy` | histogram, nanoseconds | the same | how long it was entered, if [`busy_time`](Self::busy_time) is asked for |
/// | `tracing.spans.active` | up-down counter | `span.name`, `level` | those that are open |
/// | `tracing.spans.untimed` | counter | | those that were opened when 100,000 or more were open: they are in no other metric |
/// | `tracing.events` | counter | `target`, `level` | events |
///
/// Levels are `ERROR` to `TRACE`, as `tracing` shows them.
///
/// ```
/// use tracing_subscriber::filter::LevelFilter;
/// use tracing_subscriber::prelude::*;
///
/// let layer = quipu::TracingLayer::new().fields(["http.route"]);
/// let subscriber = tracing_subscriber::registry().with(layer.with_filter(LevelFilter::INFO));
/// tracing::subscriber::with_default(subscriber, || {
///     let request = tracing::info_span!("request", http.route = "/users/{id}");
///     request.in_scope(|| tracing::warn!("the cache is cold"));
/// });
///
/// let snapshot = quipu::registry().snapshot();
/// let labels = [("http.route", "/users/{id}"), ("level", "INFO"), ("span.name", "request")];
/// assert_eq!(snapshot.histogram("tracing.span.duration", &labels).unwrap().count(), 1);
/// ```
///
/// # What counts
///
/// Every span that the layer has seen opened, once, when it closes: when the last handle of it, and
/// all of its children, are gone, on whichever thread and also by a panic. Whether it was entered
/// makes no difference to its duration. One that is never closed stays active. One that was opened
/// before the layer was there, as with a layer that is reloaded, is left out; with the layer goes
/// what it still had open.
///
/// `follows_from` changes nothing. Events of the `log` crate, as `tracing-log` passes them on, have
/// the target `log`.
///
/// # Filters
///
/// A filter of the layer's own decides what it sees, by `with_filter`; without one it asks for all
/// levels of all crates, and so has the program make spans and events that nobody else may want.
///
/// # How many series
///
/// Names, levels and targets are the program's, of which there are so many; the values of fields
/// come from anywhere. Each histogram, and the counter of events, has up to
/// [`max_series`](Self::max_series). What is beyond is recorded by the series with the one label
/// `overflow="true"` and counted by [`Registry::refusals`]; so is all that is new once the registry
/// has refused a series.
///
/// # Cost
///
/// Of a span: two readings of the clock, a compare-and-swap on a line of memory that it has for
/// itself while it is open, two look-ups by number, a record of a histogram and two of a counter;
/// of each field that is a label, a hash of its text. Of an event: a look-up and a record of a
/// counter. No lock, and no allocation: what is kept of a span has a place in a table, of 32 KiB at
/// first, that grows with the spans that are open at once, to 11 MiB. Allocates and locks when a
/// call site, a value or a series occurs for the first time.
///
/// A layer is for one subscriber: ids of spans mean something to it alone.
pub struct TracingLayer {
    metrics: Metrics,
    open: OpenSpans,
}

impl TracingLayer {
    /// A layer for the process's own registry, without fields.
    ///
    /// The first in a process, as the first histogram, calibrates the clock, which can take 200 ms.
    pub fn new() -> Self {
        // Not within the first span.
        start_clock();
        let settings = Settings {
            registry: Arc::new(registry()),
            fields: Vec::new(),
            max_series: DEFAULT_MAX_SERIES,
            has_busy_time: false,
        };
        Self { metrics: Metrics::new(settings), open: OpenSpans::new() }
    }

    /// Records to another registry, given as a reference that lives for ever or as an `Arc`.
    pub fn registry(self, registry: impl Deref<Target = Registry> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.registry = Arc::new(registry))
    }

    /// Fields of spans, at most 4, that are labels of their durations.
    ///
    /// A span has the label if it has the field, from its opening on or recorded later: what was
    /// recorded last counts. Texts, numbers, truth values, errors, and whatever is recorded by `%`
    /// and `?` are labels as they are shown, cut to their first 128 bytes; an empty value, or one
    /// that panics when it is shown, is none. Fields of parents are not looked at.
    ///
    /// A name that a label's key cannot have, and `span.name` and `level`, are left out, which is
    /// logged.
    ///
    /// ```
    /// let layer = quipu::TracingLayer::new().fields(["http.route", "tenant"]);
    /// ```
    ///
    /// ```compile_fail
    /// let layer = quipu::TracingLayer::new().fields(["a", "b", "c", "d", "e"]);
    /// ```
    pub fn fields<const N: usize>(self, names: [&'static str; N]) -> Self {
        const { assert!(N <= MAX_FIELDS, "at most 4 fields can be labels") };
        self.with(|settings| {
            settings.fields.clear();
            for name in names {
                let fault = match name {
                    SPAN_NAME | LEVEL => Some("every span has this label already"),
                    _ => fault_of_key(name),
                };
                if let Some(fault) = fault {
                    tell(
                        log::Level::Warn,
                        format_args!("the field {name:?} is not made a label: {fault}"),
                    );
                } else {
                    settings.fields.push(name);
                }
            }
        })
    }

    /// How many series the durations of spans may have, and how many the events, 2,000 each by
    /// default; so many values of each field are told apart.
    pub fn max_series(self, limit: usize) -> Self {
        self.with(|settings| settings.max_series = limit)
    }

    /// Measures for how long spans were entered, too: of an async task the time in which it was
    /// polled.
    ///
    /// One that was entered by two threads at once, or twice by one, was busy for both, but never
    /// for longer than it was open. Costs two more readings of the clock, two look-ups and two
    /// atomic additions each time that a span is entered, and the memory of a second histogram for
    /// each series.
    pub fn busy_time(self) -> Self {
        self.with(|settings| settings.has_busy_time = true)
    }

    /// With other settings, and tables of its own for them.
    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.metrics.settings().clone();
        change(&mut settings);
        self.metrics = Metrics::new(settings);
        self
    }

    fn open_span(&self, attributes: &Attributes<'_>, id: &Id) {
        let site = self.metrics.site_of(attributes.metadata());
        let mut values = [ABSENT; MAX_FIELDS];
        if !site.positions.are_empty() {
            let note = |at, value| values[at] = value;
            attributes.record(&mut Visitor::new(&self.metrics.fields, &site.positions, note));
        }
        let (site_word, ticks) = (site.address.word(), Beginning::now().ticks());
        if self.open.open(id.into_u64(), Opened { site: site_word, ticks, values }) {
            site.active.increment();
        } else {
            self.metrics.untimed().increment();
        }
    }

    fn record_fields(&self, id: &Id, record: &Record<'_>) {
        let Some(slot) = self.open.find(id.into_u64()) else { return };
        let Some(site) = self.metrics.site_at(Address::from_word(slot.opened().site)) else {
            return;
        };
        if !site.positions.are_empty() {
            let note = |at, value| slot.set_value(at, value);
            record.record(&mut Visitor::new(&self.metrics.fields, &site.positions, note));
        }
    }

    fn close_span(&self, id: &Id) {
        let Some(slot) = self.open.find(id.into_u64()) else { return };
        let (opened, busy_ns) = slot.close();
        let elapsed_ns = Beginning::from_ticks(opened.ticks).elapsed_ns();
        if let Some(site) = self.metrics.site_at(Address::from_word(opened.site)) {
            // Of a span that was left open while it was entered, what is busy is below zero.
            let busy_ns = busy_ns.min(elapsed_ns);
            self.metrics.durations(site, opened.values).record(elapsed_ns, busy_ns);
            site.active.decrement();
        }
    }

    /// Entering subtracts what leaving adds: the sum is the time between, however often and
    /// wherever.
    fn note_busy(&self, id: &Id, is_entered: bool) {
        if !self.metrics.settings().has_busy_time {
            return;
        }
        if let Some(slot) = self.open.find(id.into_u64()) {
            let elapsed_ns = Beginning::from_ticks(slot.ticks()).elapsed_ns();
            slot.add_busy_ns(if is_entered { elapsed_ns.wrapping_neg() } else { elapsed_ns });
        }
    }
}

impl Default for TracingLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TracingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingLayer").finish_non_exhaustive()
    }
}

/// What is still open will not be seen closed.
impl Drop for TracingLayer {
    fn drop(&mut self) {
        for opened in self.open.all() {
            if let Some(site) = self.metrics.site_at(Address::from_word(opened.site)) {
                site.active.decrement();
            }
        }
    }
}

impl<S: Subscriber> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
        self.open_span(attributes, id);
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: Context<'_, S>) {
        self.record_fields(id, record);
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.metrics.count_of(event.metadata()).increment();
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.note_busy(id, true);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.note_busy(id, false);
    }

    fn on_close(&self, id: Id, _: Context<'_, S>) {
        self.close_span(&id);
    }
}
