//! Gates on ratios: quipu's time over that of a floor.
//!
//! A counter in a loop of its own has three floors, of which the slowest one counts: the thread-local
//! cell; a plain cell of an array, at an index that is read from memory; and two instructions that wait
//! for each other, since of a loop that takes one cycle or two, by how it happens to be aligned, there is
//! no 1.4. Some processors rename memory (Golden Cove: Intel's Optimization Reference Manual, zero-latency
//! store forwarding) where an address is one register, so that a loop on the first takes one cycle, and a
//! loop on an address that is a sum of two the six of a store and a load. That is their way with
//! addresses in such a loop, and nothing that a program with other work between two records would see.
//!
//! Each round records to another metric than the one before. Where a handle on the stack and the cell
//! that it leads to happen to lie at the same place of their pages, the processor takes the load of
//! the one for a load of what was just stored to the other, and that loop is slow for as long as the
//! process lives; of a few metrics, others lie elsewhere.

use crate::floor;
use crate::numbers::{INDICES, LATENCIES, indices, latencies};
use quanta::Clock;
use quipu::gates::{Gates, Operation};
use quipu::{Counter, Gauge, Histogram, Registry, SmallInt, TypedFamily};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const COUNTERS: usize = floor::CELLS;
/// Metrics that take turns.
const TURNS: usize = 4;

/// As many members as there are counters, and two labels.
type Family = TypedFamily<Counter, (SmallInt<64>, SmallInt<64>)>;

pub struct Bed {
    counters: Box<[Counter; COUNTERS]>,
    gauges: [Gauge; TURNS],
    histograms: [Histogram; TURNS],
    families: [Family; TURNS],
    indices: Box<[u16; INDICES]>,
    values: Box<[u64; LATENCIES]>,
    cell: AtomicU64,
    cells: Box<[Cell<u64>; COUNTERS]>,
    index: usize,
    clock: Clock,
}

impl Bed {
    pub fn new() -> Self {
        let registry = Registry::new();
        let name = |kind, number| format!("gates.{kind}.{number}");
        let counters: Vec<Counter> = (0..COUNTERS)
            .map(|number| registry.counter(&name("counter", number)).register())
            .collect::<Result<_, _>>()
            .expect("an empty registry has room");
        Self {
            counters: counters.into_boxed_slice().try_into().expect("just as many"),
            gauges: std::array::from_fn(|number| {
                registry.gauge(&name("gauge", number)).register().expect("as above")
            }),
            histograms: std::array::from_fn(|number| {
                registry.histogram(&name("histogram", number)).register().expect("as above")
            }),
            families: std::array::from_fn(|number| {
                let family = name("typed", number);
                let family = registry.counter(&family).typed_family(["row", "column"]);
                family.register().expect("as above")
            }),
            indices: indices(),
            values: latencies(),
            cell: AtomicU64::new(0),
            cells: Box::new([const { Cell::new(0) }; COUNTERS]),
            index: 7,
            clock: Clock::new(),
        }
    }

    /// The same for one of the counters after the other, at random.
    fn counter_add_random<'a>(&'a self) -> impl FnMut() + 'a {
        let (counters, indices, mut next) = (&*self.counters, &*self.indices, 0_usize);
        move || {
            counters[usize::from(indices[next % INDICES]) % COUNTERS].increment();
            next += 1;
        }
    }

    fn histogram_record<'a>(&'a self) -> Operation<'a> {
        let (values, mut next) = (&*self.values, 0_usize);
        Operation::in_turn(&self.histograms, move |histogram| {
            histogram.record(values[next % LATENCIES]);
            next += 1;
        })
    }
}

// What operations capture are the references that they read through, so that none of them is looked up
// in the bed for each run.
pub fn add<'a>(gates: &mut Gates<'a>, bed: &'a Bed) {
    let (cells, index) = (&*bed.cells, &bed.index);
    let cell_of_an_array = move || {
        let cell = &cells[*index % COUNTERS];
        cell.set(cell.get().wrapping_add(1));
    };
    let (mut number, other) = (1_u64, 3_u64);
    let two_dependent_instructions = move || number = number.rotate_left(5) ^ other;
    gates
        .ratio(
            "counter add, one handle",
            Operation::in_turn(&bed.counters[..TURNS], Counter::increment),
        )
        .over(floor::add)
        .over(cell_of_an_array)
        .over(two_dependent_instructions)
        .look("cargo bench --bench record -- '(counter|floor)/add/1'")
        .at_most(1.4);

    let (indices, mut next) = (&*bed.indices, 0_usize);
    let floor_add_random = move || {
        floor::add_to(usize::from(indices[next % INDICES]));
        next += 1;
    };
    gates
        .ratio("counter add, random of 4,096", bed.counter_add_random())
        .over(floor_add_random)
        .look("cargo bench --bench record -- '(counter|floor)/add_random/1'")
        .at_most(2.2);

    // A member that the code names, found anew for each addition.
    let typed_add = |family: &Family| family.with(labels(7)).increment();
    gates
        .ratio("typed add, over a counter's", Operation::in_turn(&bed.families, typed_add))
        .over(Operation::in_turn(&bed.counters[..TURNS], Counter::increment))
        .look("cargo bench --bench record -- '(typed_family|counter)/add/1'")
        .at_most(1.2);

    let (family, mut next) = (&bed.families[0], 0_usize);
    let typed_add_random = move || {
        family.with(labels(indices[next % INDICES])).increment();
        next += 1;
    };
    gates
        .ratio("typed add, over counters, random", typed_add_random)
        .over(bed.counter_add_random())
        .look("cargo bench --bench record -- '(typed_family|counter)/add_random/1'")
        .at_most(1.0);

    let hdr = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 2);
    let mut hdr = Box::new(hdr.expect("the bounds are valid"));
    let (values, mut next) = (&*bed.values, 0_usize);
    let hdr_record = move || {
        let _ = hdr.record(values[next % LATENCIES]);
        next += 1;
    };
    gates
        .ratio("histogram record, over hdrhistogram", bed.histogram_record())
        .over(hdr_record)
        .look("cargo bench --bench record -- '(histogram_2/|hdrhistogram_)record/1'")
        .at_most(0.6);

    let (cell, reading) = (&bed.cell, 4.5_f64);
    gates
        .ratio(
            "gauge set, over a relaxed store",
            Operation::in_turn(&bed.gauges, move |gauge| gauge.set(reading)),
        )
        .over(move || cell.store(reading.to_bits(), Relaxed))
        .look("cargo bench --bench record -- '(gauge/set|relaxed_store)/1'")
        .at_most(2.0);

    let timer = |histogram: &Histogram| drop(histogram.start());
    let clock = &bed.clock;
    let clock_twice_and_record = move |histogram: &Histogram| {
        let start = clock.raw();
        histogram.record(clock.raw() - start);
    };
    gates
        .ratio("timer, over two clock reads + record", Operation::in_turn(&bed.histograms, timer))
        .over(Operation::in_turn(&bed.histograms, clock_twice_and_record))
        .look("cargo bench --bench record -- '(timer/.*|clock_twice|histogram_2/record)/1'")
        .at_most(1.25);
}

#[inline(always)]
fn labels(index: u16) -> (SmallInt<64>, SmallInt<64>) {
    let index = usize::from(index);
    (SmallInt::new(index / 64 % 64), SmallInt::new(index % 64))
}
