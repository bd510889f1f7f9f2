//! The thread whose records are timed one by one, among all that goes on.

use super::run::Run;
use super::totals::{NAMES, SAMPLED, SAMPLED_LATENCY, Totals};
use crate::latency::{Batch, COUNTERS, HISTOGRAMS, Latencies, SharedCells};
use quipu::{Counter, Histogram, RegisterError, Registry};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Between two batches: less than a fifth of a core, and some 700,000 rounds a second.
const PAUSE: Duration = Duration::from_millis(4);

pub struct Sampler {
    counters: Vec<Counter>,
    histograms: Vec<Histogram>,
    latencies: Mutex<Latencies>,
    cells: Arc<SharedCells>,
}

impl Sampler {
    pub fn register(registry: &Registry) -> Result<Self, RegisterError> {
        let counter = |number: usize| {
            registry.counter(NAMES[SAMPLED]).label("number", &number.to_string()).register()
        };
        let histogram = |number: usize| {
            let histogram = registry.histogram(NAMES[SAMPLED_LATENCY]);
            histogram.label("number", &number.to_string()).register()
        };
        Ok(Self {
            counters: (0..COUNTERS).map(counter).collect::<Result<_, _>>()?,
            histograms: (0..HISTOGRAMS).map(histogram).collect::<Result<_, _>>()?,
            latencies: Mutex::new(Latencies::new()),
            cells: Arc::new(SharedCells::new()),
        })
    }

    /// Samples until the run is over.
    pub fn run(&self, run: &Run) {
        quipu::register_thread();
        let (mut batch, mut own) = (Batch::new(self.cells.clone()), Totals::default());
        let record = |number: usize, value| self.histograms[number].record(value);
        let recording = run.recording();
        batch.touch(record, |value| own.value(SAMPLED_LATENCY, value));
        run.tallies.add(&mut own);
        drop(recording);
        run.repeat(PAUSE, || {
            batch.fill(
                |number| self.counters[number].increment(),
                record,
                |value| {
                    own.count(SAMPLED, 1);
                    own.value(SAMPLED_LATENCY, value);
                },
            );
            self.latencies().add(&batch);
            run.tallies.add(&mut own);
        });
    }

    /// What is read along with each snapshot, to see what that does to whoever writes.
    pub fn read_cells(&self) {
        self.cells.read();
    }

    /// What was sampled since this was last cleared.
    pub fn latencies(&self) -> MutexGuard<'_, Latencies> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
