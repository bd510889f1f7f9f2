//! Gates on what readers do to recording: the median time of a record while another thread flushes, or
//! scrapes, without a pause, over that of the same record while it sleeps.

use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use quipu::gates::Gates;
use quipu::{Client, Counter, Delivery, ExportError, Exporter, Histogram, Registry};
use quipu::{PrometheusEncoder, PrometheusFormat, PrometheusNames};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

const BOUND: f64 = 1.1;
const COUNTERS: usize = 4_096;
const HISTOGRAMS: usize = 64;
/// Series that are read and not recorded to.
const OTHERS: usize = 5_840;
const TIMEOUT: Duration = Duration::from_secs(60);

pub struct Bed {
    registry: Arc<Registry>,
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
    indices: Box<[u16; INDICES]>,
    values: Box<[u64; LATENCIES]>,
    client: Client,
}

/// Reads the difference, as an exporter would.
struct Reader;

impl Exporter for Reader {
    fn name(&self) -> &str {
        "reader"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        black_box(delivery.delta().len());
        Ok(())
    }
}

impl Bed {
    pub fn new() -> Self {
        let registry = Arc::new(Registry::new());
        let counter = |index| registry.counter(&format!("beside.counter.{index}")).register();
        let counters: Result<Vec<Counter>, _> = (0..COUNTERS + OTHERS).map(counter).collect();
        let histogram = |index| registry.histogram(&format!("beside.time.{index}")).register();
        let histograms: Result<Vec<Histogram>, _> = (0..HISTOGRAMS).map(histogram).collect();
        let (counters, histograms) = (
            counters.expect("an empty registry has room"),
            histograms.expect("an empty registry has room"),
        );
        let client =
            Client::builder().registry(registry.clone()).flush_interval(Duration::from_secs(9_999));
        let client = client.exporter(Reader).start().expect("threads can be had");
        let (indices, values) = (indices(), latencies());
        Self { registry, counters, histograms, indices, values, client }
    }

    fn count<'a>(&'a self) -> impl FnMut() + 'a {
        let (counters, indices, mut next) = (&*self.counters, &*self.indices, 0_usize);
        move || {
            counters[usize::from(indices[next % INDICES]) % COUNTERS].increment();
            next += 1;
        }
    }

    fn time<'a>(&'a self) -> impl FnMut() + 'a {
        let (histograms, values, mut next) = (&*self.histograms, &*self.values, 0_usize);
        move || {
            histograms[next % HISTOGRAMS].record(values[next % LATENCIES]);
            next += 1;
        }
    }

    fn flush<'a>(&'a self) -> impl FnMut() + Send + 'a {
        || {
            self.client.flush(TIMEOUT);
        }
    }

    fn scrape<'a>(&'a self) -> impl FnMut() + Send + 'a {
        let (mut encoder, mut text) = (PrometheusEncoder::new(), Vec::new());
        move || {
            text.clear();
            let (format, names) = (PrometheusFormat::Text, PrometheusNames::Underscores);
            encoder.encode(&self.registry.snapshot(), format, names, &mut text);
        }
    }
}

pub fn add<'a>(gates: &mut Gates<'a>, bed: &'a Bed) {
    let look = "cargo bench --bench flush, or --bench snapshot; and this on an idle machine";
    gates
        .slowdown("counter add, random, while flushing", bed.count(), bed.flush())
        .look(look)
        .at_most(BOUND);
    gates
        .slowdown("histogram record, while flushing", bed.time(), bed.flush())
        .look(look)
        .at_most(BOUND);
    gates
        .slowdown("counter add, random, while scraped", bed.count(), bed.scrape())
        .look(look)
        .at_most(BOUND);
    gates
        .slowdown("histogram record, while scraped", bed.time(), bed.scrape())
        .look(look)
        .at_most(BOUND);
}
