//! `opentelemetry_sdk`: instruments that are told the attributes of each record, of which there are
//! none where that is possible; and instruments that are bound to theirs.
#![forbid(unsafe_code)]

use super::{Counter, Counters, Gauge, Histogram, LABEL_SETS, Library, Reason, boxed, try_boxed};
use crate::buckets::BOUNDS;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{
    self, BoundCounter, BoundGauge, BoundHistogram, Meter, MeterProvider,
};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, Instrument, SdkMeterProvider, Stream};

const RECORD: &str = "15 buckets, sum, min and max";
const TIMED: &str = "15 buckets, sum, min and max; two Instants";

const METHODS: [&str; 4] = ["GET", "HEAD", "POST", "PUT"];
const ROUTES: [&str; 8] =
    ["/cart", "/home", "/item", "/login", "/order", "/search", "/status", "/user"];

#[inline(always)]
fn attributes(at: usize) -> [KeyValue; 2] {
    [KeyValue::new("method", METHODS[at % 4]), KeyValue::new("route", ROUTES[at / 4])]
}

/// A meter, and what it has exported.
struct Sdk {
    exporter: InMemoryMetricExporter,
    provider: SdkMeterProvider,
    meter: Meter,
    instruments: usize,
}

impl Sdk {
    /// Instruments have room for that many attribute sets.
    fn with_room_for(sets: usize) -> Self {
        let exporter = InMemoryMetricExporter::default();
        let provider = SdkMeterProvider::builder()
            .with_periodic_exporter(exporter.clone())
            .with_view(move |_: &Instrument| {
                Stream::builder().with_cardinality_limit(sets).build().ok()
            })
            .build();
        let meter = provider.meter("peers");
        Self { exporter, provider, meter, instruments: 0 }
    }

    fn name(&mut self) -> String {
        self.instruments += 1;
        format!("instrument.{}", self.instruments)
    }

    fn counter(&mut self) -> metrics::Counter<u64> {
        let name = self.name();
        self.meter.u64_counter(name).build()
    }

    fn gauge(&mut self) -> metrics::Gauge<f64> {
        let name = self.name();
        self.meter.f64_gauge(name).build()
    }

    fn histogram(&mut self) -> metrics::Histogram<f64> {
        let name = self.name();
        self.meter.f64_histogram(name).with_boundaries(BOUNDS.to_vec()).build()
    }

    fn count(&self) -> u64 {
        self.exporter.reset();
        self.provider.force_flush().expect("an exporter that works");
        let exported = self.exporter.get_finished_metrics().expect("an exporter that works");
        let scopes = exported.last().into_iter().flat_map(|last| last.scope_metrics());
        let counts = scopes.flat_map(|scope| scope.metrics()).map(|metric| match metric.data() {
            AggregatedMetrics::U64(MetricData::Sum(sum)) => {
                sum.data_points().map(|point| point.value()).sum::<u64>()
            }
            AggregatedMetrics::F64(MetricData::Histogram(histogram)) => {
                histogram.data_points().map(|point| point.count()).sum()
            }
            _ => 0,
        });
        counts.sum()
    }
}

pub struct Unbound {
    sdk: Sdk,
}

/// A counter that is told its attributes.
pub struct Requests(metrics::Counter<u64>);

impl Library for Unbound {
    const NAME: &str = "opentelemetry";

    type Counter = metrics::Counter<u64>;
    type Counters = Box<[metrics::Counter<u64>]>;
    type Typed = Requests;
    type Gauge = metrics::Gauge<f64>;
    type Histogram = metrics::Histogram<f64>;
    type Histograms = Box<[metrics::Histogram<f64>]>;

    const RECORD: &str = RECORD;
    const TIMED: &str = TIMED;
    const LABELS: &str = "two static texts, looked up";

    fn new() -> Self {
        Self { sdk: Sdk::with_room_for(LABEL_SETS) }
    }

    fn counter(&mut self) -> Self::Counter {
        self.sdk.counter()
    }

    fn counters(&mut self, many: usize) -> Self::Counters {
        boxed(many, || self.counter())
    }

    fn typed(&mut self) -> Requests {
        Requests(self.sdk.counter())
    }

    fn gauge(&mut self) -> Result<Self::Gauge, Reason> {
        Ok(self.sdk.gauge())
    }

    fn histogram(&mut self) -> Result<Self::Histogram, Reason> {
        Ok(self.sdk.histogram())
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        self.sdk.count()
    }
}

pub struct Bound {
    sdk: Sdk,
}

impl Library for Bound {
    const NAME: &str = "opentelemetry, bound";

    type Counter = BoundCounter<u64>;
    type Counters = Box<[BoundCounter<u64>]>;
    type Typed = Box<[BoundCounter<u64>]>;
    type Gauge = BoundGauge<f64>;
    type Histogram = BoundHistogram<f64>;
    type Histograms = Box<[BoundHistogram<f64>]>;

    const RECORD: &str = RECORD;
    const TIMED: &str = TIMED;
    const LABELS: &str = "a table of 32 bound counters";

    fn new() -> Self {
        Self { sdk: Sdk::with_room_for(LABEL_SETS) }
    }

    fn counter(&mut self) -> Self::Counter {
        self.sdk.counter().bind(&attributes(0))
    }

    /// Of as many instruments as it takes, each with all its attribute sets.
    fn counters(&mut self, many: usize) -> Self::Counters {
        let mut counter = self.sdk.counter();
        let mut next = 0;
        boxed(many, || {
            if next == LABEL_SETS {
                (counter, next) = (self.sdk.counter(), 0);
            }
            next += 1;
            counter.bind(&attributes(next - 1))
        })
    }

    fn typed(&mut self) -> Self::Typed {
        self.counters(LABEL_SETS)
    }

    fn gauge(&mut self) -> Result<Self::Gauge, Reason> {
        Ok(self.sdk.gauge().bind(&attributes(0)))
    }

    fn histogram(&mut self) -> Result<Self::Histogram, Reason> {
        Ok(self.sdk.histogram().bind(&attributes(0)))
    }

    fn histograms(&mut self, many: usize) -> Result<Self::Histograms, Reason> {
        try_boxed(many, || self.histogram())
    }

    fn count(&self) -> u64 {
        self.sdk.count()
    }
}

impl Counter for metrics::Counter<u64> {
    #[inline(always)]
    fn increment(&self) {
        self.add(1, &[]);
    }
}

impl Counter for BoundCounter<u64> {
    #[inline(always)]
    fn increment(&self) {
        self.add(1);
    }
}

impl Counters for Requests {
    #[inline(always)]
    fn increment(&self, at: usize) {
        self.0.add(1, &attributes(at));
    }
}

impl Gauge for metrics::Gauge<f64> {
    #[inline(always)]
    fn set(&self, value: f64) {
        self.record(value, &[]);
    }
}

impl Gauge for BoundGauge<f64> {
    #[inline(always)]
    fn set(&self, value: f64) {
        self.record(value);
    }
}

impl Histogram for metrics::Histogram<f64> {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        metrics::Histogram::record(self, latency_ns as f64 * 1e-9, &[]);
    }
}

impl Histogram for BoundHistogram<f64> {
    #[inline(always)]
    fn record(&self, latency_ns: u64) {
        BoundHistogram::record(self, latency_ns as f64 * 1e-9);
    }
}
