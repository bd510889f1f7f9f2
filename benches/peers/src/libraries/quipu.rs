//! quipu: a handle for each, that of one of its label sets computed; or a family instead of many
//! handles.
#![forbid(unsafe_code)]

use super::{Counter, Counters, Gauge, Histogram, Library, Reason, boxed, try_boxed};
use quipu::{Registry, SmallInt, TypedFamily, Value};

pub struct Quipu {
    registry: Registry,
    registered: usize,
}

impl Quipu {
    fn name(&mut self) -> String {
        self.registered += 1;
        format!("metric.{}", self.registered)
    }
}

type Requests = TypedFamily<quipu::Counter, (SmallInt<4>, SmallInt<8>)>;

impl Library for Quipu {
    const NAME: &str = "quipu";

    type Counter = quipu::Counter;
    type Counters = Box<[quipu::Counter]>;
    type Typed = Requests;
    type Gauge = quipu::Gauge;
    type Histogram = quipu::Histogram;
    type Histograms = Box<[quipu::Histogram]>;

    const RECORD: &str = "within 0.8 %, exact sum, min and max";
    const TIMED: &str = "within 0.8 %, exact sum, min and max";
    const LABELS: &str = "";

    fn new() -> Self {
        Self { registry: Registry::new(), registered: 0 }
    }

    fn counter(&mut self) -> quipu::Counter {
        let name = self.name();
        self.registry.counter(&name).register().expect("a new name")
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Requests {
        let name = self.name();
        let family = self.registry.counter(&name).typed_family(["method", "route"]);
        family.register().expect("a new name")
    }

    fn gauge(&mut self) -> Result<quipu::Gauge, Reason> {
        let name = self.name();
        Ok(self.registry.gauge(&name).register().expect("a new name"))
    }

    fn histogram(&mut self) -> Result<quipu::Histogram, Reason> {
        let name = self.name();
        Ok(self.registry.histogram(&name).register().expect("a new name"))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        let snapshot = self.registry.snapshot();
        let counts = snapshot.iter().map(|(_, value)| match value {
            Value::Counter(count) => count,
            Value::Histogram(histogram) => histogram.count(),
            _ => 0,
        });
        counts.sum()
    }
}

/// Many counters are a family of one label, whose values are numbers.
pub struct ByIndex(Quipu);

type Numbered = TypedFamily<quipu::Counter, (SmallInt<NUMBERED>,)>;

/// As many as a typed family has at most.
const NUMBERED: usize = 4_096;

impl Library for ByIndex {
    const NAME: &str = "quipu, a typed family";

    type Counter = quipu::Counter;
    type Counters = Numbered;
    type Typed = Requests;
    type Gauge = quipu::Gauge;
    type Histogram = quipu::Histogram;
    type Histograms = Box<[quipu::Histogram]>;

    fn new() -> Self {
        Self(Quipu::new())
    }

    fn counter(&mut self) -> quipu::Counter {
        self.0.counter()
    }

    fn counters(&mut self, many: usize) -> Numbered {
        assert_eq!(many, NUMBERED, "the label's values are known when compiled");
        let name = self.0.name();
        let family = self.0.registry.counter(&name).typed_family(["number"]);
        family.register().expect("a new name")
    }

    fn typed(&mut self) -> Requests {
        self.0.typed()
    }

    fn gauge(&mut self) -> Result<quipu::Gauge, Reason> {
        self.0.gauge()
    }

    fn histogram(&mut self) -> Result<quipu::Histogram, Reason> {
        self.0.histogram()
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        self.0.histograms(many)
    }

    fn count(&self) -> u64 {
        self.0.count()
    }
}

impl Counter for quipu::Counter {
    #[inline(always)]
    fn increment(&self) {
        quipu::Counter::increment(self);
    }
}

impl Counters for Requests {
    #[inline(always)]
    fn increment(&self, at: usize) {
        self.with((SmallInt::new(at % 4), SmallInt::new(at / 4))).increment();
    }
}

impl Counters for Numbered {
    #[inline(always)]
    fn increment(&self, at: usize) {
        self.with((SmallInt::new(at),)).increment();
    }
}

impl Gauge for quipu::Gauge {
    #[inline(always)]
    fn set(&self, value: f64) {
        quipu::Gauge::set(self, value);
    }
}

impl Histogram for quipu::Histogram {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        quipu::Histogram::record(self, latency_ns);
    }

    #[inline(always)]
    fn time(&self) {
        drop(self.start());
    }
}
