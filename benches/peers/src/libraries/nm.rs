//! `nm`: events that each thread has for itself, in thread-local statics as it advises; pulled,
//! which is its default, or pushed by their thread between rounds.
#![forbid(unsafe_code)]

use super::{
    BOUNDS_NS, Counter, Counters, Histogram, Histograms, LABEL_SETS, Library, Never, Reason,
};
use nm::{Event, EventBuilder, Magnitude, MetricsPusher, Pull, Push, Report};
use std::marker::PhantomData;

/// Counters of which one is chosen, and histograms.
const COUNTERS: usize = 4_096;
const HISTOGRAMS: usize = 256;

const BOUNDS: [Magnitude; BOUNDS_NS.len()] = {
    let mut bounds = [0; BOUNDS_NS.len()];
    let mut at = 0;
    while at < bounds.len() {
        bounds[at] = BOUNDS_NS[at] as Magnitude;
        at += 1;
    }
    bounds
};

/// Held by a test that counts: all events of the process are in one report.
#[cfg(test)]
pub static COUNTED_ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// How events are published, and those that a thread has.
pub trait Model: Send + Sync + 'static {
    const NAME: &str;
    const PREFIX: &str;
    const COUNTED: &str;
    const RECORD: &str;
    const TIMED: &str;
    const PUSHES: bool;

    fn increment();

    fn increment_one(at: usize);

    fn record(latency_ns: u64);

    fn record_one(at: usize, latency_ns: u64);

    fn push() {}
}

pub struct Nm<M> {
    counted_before: u64,
    model: PhantomData<fn() -> M>,
}

/// The events of whichever thread uses it.
pub struct OfThread<M>(PhantomData<fn() -> M>);

impl<M: Model> Nm<M> {
    fn counted() -> u64 {
        let report = Report::collect();
        let events = report.events().filter(|event| event.name().starts_with(M::PREFIX));
        events.map(|event| event.count()).sum()
    }
}

impl<M: Model> Library for Nm<M> {
    const NAME: &str = M::NAME;

    type Counter = OfThread<M>;
    type Counters = OfThread<M>;
    type Typed = OfThread<M>;
    type Gauge = Never;
    type Histogram = OfThread<M>;
    type Histograms = OfThread<M>;

    const COUNTED: &str = M::COUNTED;
    const RECORD: &str = M::RECORD;
    const TIMED: &str = M::TIMED;
    const LABELS: &str = "a thread's table of 32 events";
    const IS_SINGLE: bool = true;
    const SETTLES: bool = M::PUSHES;

    fn new() -> Self {
        Self { counted_before: Self::counted(), model: PhantomData }
    }

    fn counter(&mut self) -> OfThread<M> {
        OfThread(PhantomData)
    }

    fn counters(&mut self, many: usize) -> OfThread<M> {
        assert!(many <= COUNTERS, "a thread has no more");
        OfThread(PhantomData)
    }

    fn typed(&mut self) -> OfThread<M> {
        self.counters(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<Never, Reason> {
        Err("no gauge")
    }

    fn histogram(&mut self) -> Result<OfThread<M>, Reason> {
        Ok(OfThread(PhantomData))
    }

    fn histograms(&mut self, many: usize) -> Result<OfThread<M>, Reason> {
        assert!(many <= HISTOGRAMS, "a thread has no more");
        Ok(OfThread(PhantomData))
    }

    fn count(&self) -> u64 {
        Self::counted() - self.counted_before
    }

    fn settle(&self, _: usize) {
        M::push();
    }
}

fn event<M: Model>(name: &str) -> EventBuilder<Pull> {
    Event::builder().name(format!("{}_{name}", M::PREFIX))
}

fn counters<M: Model, E>(build: impl Fn(EventBuilder<Pull>) -> E) -> Vec<E> {
    (0..COUNTERS).map(|at| build(event::<M>(&format!("requests_{at}")))).collect()
}

fn histograms<M: Model, E>(build: impl Fn(EventBuilder<Pull>) -> E) -> Vec<E> {
    let histogram = |at| event::<M>(&format!("duration_{at}")).histogram(&BOUNDS);
    (0..HISTOGRAMS).map(|at| build(histogram(at))).collect()
}

pub struct Pulled;

thread_local! {
    static COUNTER: Event = event::<Pulled>("requests").build();
    static HISTOGRAM: Event = event::<Pulled>("duration").histogram(&BOUNDS).build();
    static MANY_COUNTERS: Vec<Event> = counters::<Pulled, _>(EventBuilder::<Pull>::build);
    static MANY_HISTOGRAMS: Vec<Event> = histograms::<Pulled, _>(EventBuilder::<Pull>::build);
}

impl Model for Pulled {
    const NAME: &str = "nm";
    const PREFIX: &str = "pulled";
    const COUNTED: &str = "";
    const RECORD: &str = super::IN_15_BUCKETS;
    const TIMED: &str = super::IN_15_BUCKETS_BY_INSTANTS;
    const PUSHES: bool = false;

    #[inline(always)]
    fn increment() {
        COUNTER.with(Event::observe_once);
    }

    #[inline(always)]
    fn increment_one(at: usize) {
        MANY_COUNTERS.with(|events| events[at].observe_once());
    }

    #[inline(always)]
    fn record(latency_ns: u64) {
        HISTOGRAM.with(|event| event.observe(latency_ns as Magnitude));
    }

    #[inline(always)]
    fn record_one(at: usize, latency_ns: u64) {
        MANY_HISTOGRAMS.with(|events| events[at].observe(latency_ns as Magnitude));
    }
}

pub struct Pushed;

thread_local! {
    static PUSHER: MetricsPusher = MetricsPusher::new();
    static PUSHED_COUNTER: Event<Push> = pushed(event::<Pushed>("requests"));
    static PUSHED_HISTOGRAM: Event<Push> = pushed(event::<Pushed>("duration").histogram(&BOUNDS));
    static MANY_PUSHED_COUNTERS: Vec<Event<Push>> = counters::<Pushed, _>(pushed);
    static MANY_PUSHED_HISTOGRAMS: Vec<Event<Push>> = histograms::<Pushed, _>(pushed);
}

fn pushed(event: EventBuilder<Pull>) -> Event<Push> {
    event.pusher_local(&PUSHER).build()
}

impl Model for Pushed {
    const NAME: &str = "nm, pushed";
    const PREFIX: &str = "pushed";
    const COUNTED: &str = "not read before its thread pushes, beside the clock";
    const RECORD: &str = "15 buckets, sum; not read before its thread pushes, beside the clock";
    const TIMED: &str =
        "15 buckets, sum; two Instants; not read before its thread pushes, beside the clock";
    const PUSHES: bool = true;

    #[inline(always)]
    fn increment() {
        PUSHED_COUNTER.with(Event::observe_once);
    }

    #[inline(always)]
    fn increment_one(at: usize) {
        MANY_PUSHED_COUNTERS.with(|events| events[at].observe_once());
    }

    #[inline(always)]
    fn record(latency_ns: u64) {
        PUSHED_HISTOGRAM.with(|event| event.observe(latency_ns as Magnitude));
    }

    #[inline(always)]
    fn record_one(at: usize, latency_ns: u64) {
        MANY_PUSHED_HISTOGRAMS.with(|events| events[at].observe(latency_ns as Magnitude));
    }

    fn push() {
        PUSHER.with(MetricsPusher::push);
    }
}

impl<M: Model> Counter for OfThread<M> {
    #[inline(always)]
    fn increment(&self) {
        M::increment();
    }
}

impl<M: Model> Counters for OfThread<M> {
    #[inline(always)]
    fn increment(&self, at: usize) {
        M::increment_one(at);
    }
}

impl<M: Model> Histogram for OfThread<M> {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        M::record(latency_ns);
    }
}

impl<M: Model> Histograms for OfThread<M> {
    #[inline(always)]
    fn record(&self, at: usize, latency_ns: u64) {
        M::record_one(at, latency_ns);
    }
}
