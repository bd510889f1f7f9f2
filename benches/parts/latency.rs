//! Latencies of single operations, each between two readings of the raw clock, and beside every one
//! of them what the machine itself makes of the same moment: two readings with nothing between, an
//! addition to a thread-local cell, and one to some of plain cells that are as many as the
//! histograms', and that are read by whoever reads those: the way of the processor's cores with
//! memory that one writes and another reads.
//!
//! Operations and noise take turns in one loop, so that whatever interrupts the thread meets all of
//! them alike. Nearly: a processor takes an interrupt when its oldest instruction is done, and does
//! again what it had begun after that, so that most interrupts are seen where an operation waits for
//! memory. That is why one lane of the noise has to be spread over as much memory as the histograms.
//!
//! Raw readings go to a small buffer first, and into histograms when the buffer is full, while no
//! operation is timed. The clock does not wait for a store to leave the core, and neither does a
//! thread that records.

use crate::floor;
use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use hdrhistogram::Histogram;
use quanta::Clock;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is timed in each round, in this order.
pub const LANES: [&str; 5] =
    ["nothing", "thread-local cell", "shared cells", "counter", "histogram"];
/// The lanes that are the machine's own.
pub const NOTHING: usize = 0;
pub const CELL: usize = 1;
pub const CELLS: usize = 2;
/// Those of quipu's operations.
pub const COUNTER: usize = 3;
pub const HISTOGRAM: usize = 4;

/// Counters and histograms that records are spread over.
pub const COUNTERS: usize = 1_000;
pub const HISTOGRAMS: usize = 100;
/// Plain cells for each histogram: about as much memory as one takes for a thread.
const CELLS_OF_A_HISTOGRAM: usize = LATENCIES;

/// Rounds in a buffer: what they take stays in a core's own cache.
pub const ROUNDS: usize = 4_096;

/// Rounds at the start of a batch that are not kept: a thread that has just woken finds its caches
/// and predictors filled by others, which is true of all lanes and would be most of what is seen.
const WARM_UP: usize = 64;

/// Longer than anything here takes, in nanoseconds; what is longer counts as this.
const LONGEST_NS: u64 = 100_000_000_000;

/// Plain cells that are written as records are, and read as they are.
pub struct SharedCells(Box<[AtomicU64]>);

impl SharedCells {
    pub fn new() -> Self {
        Self((0..HISTOGRAMS * CELLS_OF_A_HISTOGRAM).map(|_| AtomicU64::new(1)).collect())
    }

    /// Reads all of them, as a collection does.
    pub fn read(&self) {
        black_box(self.0.iter().map(|cell| cell.load(Relaxed)).fold(0, u64::wrapping_add));
    }
}

/// Raw readings of one batch, and what a thread needs to make them.
pub struct Batch {
    /// What does not fit, which is more than a second, is cut.
    raw: [Vec<u32>; LANES.len()],
    cells: Arc<SharedCells>,
    indices: Box<[u16; INDICES]>,
    values: Box<[u64; LATENCIES]>,
    clock: Clock,
    /// The number of the next round.
    next: usize,
}

impl Batch {
    /// Written to, so that no page is touched for the first time while the clock runs.
    pub fn new(cells: Arc<SharedCells>) -> Self {
        floor::expose();
        Self {
            raw: LANES.map(|_| vec![1; ROUNDS]),
            cells,
            indices: indices(),
            values: latencies(),
            clock: Clock::new(),
            next: 0,
        }
    }

    /// Times [`ROUNDS`] rounds: an addition to the counter, and a record to the histogram, of a
    /// number.
    ///
    /// Both are done as often as `tally` is called, with the value that was recorded: a little more
    /// often than is timed.
    pub fn fill(
        &mut self,
        counter: impl Fn(usize),
        histogram: impl Fn(usize, u64),
        mut tally: impl FnMut(u64),
    ) {
        let Self { raw, cells, indices, values, clock, next } = self;
        let [nothing, cell, shared, counters, histograms] = raw;
        let first = *next;
        *next += WARM_UP + ROUNDS;
        for number in first..*next {
            // Those of the warm-up are overwritten.
            let at = (number - first) % ROUNDS;
            let random = usize::from(indices[number % INDICES]);
            let value = values[number % LATENCIES];
            let of_histogram = number % HISTOGRAMS;
            let in_cells =
                of_histogram * CELLS_OF_A_HISTOGRAM + value as usize % CELLS_OF_A_HISTOGRAM;
            let shared_cell = &cells.0[in_cells];
            nothing[at] = time(clock, || ());
            cell[at] = time(clock, floor::add);
            shared[at] = time(clock, || {
                shared_cell.store(shared_cell.load(Relaxed).wrapping_add(1), Relaxed)
            });
            counters[at] = time(clock, || counter(random % COUNTERS));
            histograms[at] = time(clock, || histogram(of_histogram, value));
        }
        (first..*next).for_each(|number| tally(values[number % LATENCIES]));
    }

    /// Records every value once in every histogram: the first touch of a page is the system's work.
    pub fn touch(&self, histogram: impl Fn(usize, u64), mut tally: impl FnMut(u64)) {
        for number in 0..HISTOGRAMS {
            for value in self.values.iter() {
                histogram(number, *value);
                tally(*value);
            }
        }
    }
}

#[inline(always)]
fn time(clock: &Clock, operation: impl FnOnce()) -> u32 {
    let start = clock.raw();
    operation();
    u32::try_from(clock.raw().saturating_sub(start)).unwrap_or(u32::MAX)
}

/// Latencies of many batches, in nanoseconds.
pub struct Latencies {
    lanes: [Histogram<u64>; LANES.len()],
}

impl Latencies {
    pub fn new() -> Self {
        let histogram = || Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("valid bounds");
        Self { lanes: LANES.map(|_| histogram()) }
    }

    pub fn add(&mut self, batch: &Batch) {
        for (lane, raw) in self.lanes.iter_mut().zip(&batch.raw) {
            for &raw in raw {
                lane.saturating_record(batch.clock.delta_as_nanos(0, u64::from(raw)));
            }
        }
    }

    pub fn clear(&mut self) {
        self.lanes.iter_mut().for_each(Histogram::reset);
    }

    /// Latencies kept of each lane.
    pub fn samples(&self) -> u64 {
        self.lanes[NOTHING].len()
    }

    /// What a share of a lane's latencies does not exceed, in nanoseconds.
    pub fn quantile_ns(&self, lane: usize, share: f64) -> u64 {
        self.lanes[lane].value_at_quantile(share)
    }

    pub fn max_ns(&self, lane: usize) -> u64 {
        self.lanes[lane].max()
    }

    /// The worst of the lanes that are the machine's own.
    pub fn noise_ns(&self, share: f64) -> u64 {
        let noise = [NOTHING, CELL, CELLS].map(|lane| self.quantile_ns(lane, share));
        noise.into_iter().max().unwrap_or(0)
    }
}
