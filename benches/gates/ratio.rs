//! Gates on ratios: quipu's time over that of a floor.
//!
//! Floor and quipu take turns, a millisecond each, so that a change of clock frequency or a busy
//! neighbour meets both, and so do all gates, so that a disturbance of a second spoils none of
//! them. The ratio is that of the two minima over all rounds: what disturbs a loop only ever makes
//! it slower, so with many short rounds both minima are those of an undisturbed core.
//!
//! The median of the ratios of the rounds was tried: with three busy processes beside it on two
//! cores it was off by factors where the minima moved by a few percent, and it was off without them
//! too, since processors that rename memory run the floor's loop now at one cycle, now at the
//! latency of a store and a load, and change between the two from round to round. What minima
//! cannot remove is a neighbour on the other hardware thread of the core for the whole time, which
//! halves the width that is left for the longer loop; `--best-of` is for that.
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
use crate::verdict::Verdict;
use quanta::Clock;
use quipu::{Counter, Gauge, Histogram, Registry, SmallInt, TypedFamily};
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const ROUNDS: u32 = 201;
const ROUND: Duration = Duration::from_millis(1);
const COUNTERS: usize = floor::CELLS;
/// Metrics that take turns.
const TURNS: usize = 4;

/// A loop that does its operation as often as it is told.
type Loop<'a> = Box<dyn FnMut(u64) + 'a>;

/// A gate, and the least times so far.
struct Contest<'a> {
    gate: &'static str,
    bound: f64,
    look: &'static str,
    /// The slowest one is measured against.
    floors: Vec<Contestant<'a>>,
    quipu: Contestant<'a>,
}

struct Contestant<'a> {
    work: Loop<'a>,
    /// How often it does its operation in a round.
    times: u64,
    least_ns: f64,
}

pub fn measure(slack: f64) -> Vec<Verdict> {
    let registry = Registry::new();
    let name = |kind, number| format!("gates.{kind}.{number}");
    let counters: Vec<Counter> = (0..COUNTERS)
        .map(|number| registry.counter(&name("counter", number)).register())
        .collect::<Result<_, _>>()
        .expect("an empty registry has room");
    let counters: &[Counter; COUNTERS] = counters[..].try_into().expect("just as many");
    let gauges: [Gauge; TURNS] = std::array::from_fn(|number| {
        registry.gauge(&name("gauge", number)).register().expect("as above")
    });
    let histograms: [Histogram; TURNS] = std::array::from_fn(|number| {
        registry.histogram(&name("histogram", number)).register().expect("as above")
    });
    let families: [Family; TURNS] = std::array::from_fn(|number| {
        let family = name("typed", number);
        registry.counter(&family).typed_family(["row", "column"]).register().expect("as above")
    });
    quipu::register_thread();

    let (indices, values) = (indices(), latencies());
    let mut hdr = hdrhistogram::Histogram::new_with_bounds(1, 3_600_000_000_000, 2)
        .expect("the bounds are valid");
    let cell = AtomicU64::new(0);
    let cells = [const { Cell::new(0) }; COUNTERS];
    let clock = Clock::new();
    let mut contests = [
        Contest::new(
            ("counter add, one handle", 1.4),
            "cargo bench --bench record -- '(counter|floor)/add/1'",
            floor_add,
            in_turn(&counters[..TURNS], counter_add),
        )
        .or(|times| cell_of_an_array_add(&cells, times))
        .or(two_dependent_instructions),
        Contest::new(
            ("counter add, random of 4,096", 2.2),
            "cargo bench --bench record -- '(counter|floor)/add_random/1'",
            |times| floor_add_random(&indices, times),
            |times| counter_add_random(counters, &indices, times),
        ),
        Contest::new(
            ("typed add, over a counter's", 1.2),
            "cargo bench --bench record -- '(typed_family|counter)/add/1'",
            in_turn(&counters[..TURNS], counter_add),
            in_turn(&families, typed_add),
        ),
        Contest::new(
            ("typed add, over counters, random", 1.0),
            "cargo bench --bench record -- '(typed_family|counter)/add_random/1'",
            |times| counter_add_random(counters, &indices, times),
            |times| typed_add_random(&families[0], &indices, times),
        ),
        Contest::new(
            ("histogram record, over hdrhistogram", 0.6),
            "cargo bench --bench record -- '(histogram_2/|hdrhistogram_)record/1'",
            |times| hdr_record(&mut hdr, &values, times),
            in_turn(&histograms, |histogram, times| histogram_record(histogram, &values, times)),
        ),
        Contest::new(
            ("gauge set, over a relaxed store", 2.0),
            "cargo bench --bench record -- '(gauge/set|relaxed_store)/1'",
            |times| relaxed_store(&cell, times),
            in_turn(&gauges, gauge_set),
        ),
        Contest::new(
            ("timer, over two clock reads + record", 1.25),
            "cargo bench --bench record -- '(timer/.*|clock_twice|histogram_2/record)/1'",
            in_turn(&histograms, |histogram, times| {
                clock_twice_and_record(&clock, histogram, times)
            }),
            in_turn(&histograms, timer),
        ),
    ];
    for _ in 0..ROUNDS {
        for contest in &mut contests {
            for contestant in contest.floors.iter_mut().chain([&mut contest.quipu]) {
                contestant.go_a_round();
            }
        }
    }
    contests.iter().map(|contest| contest.verdict(slack)).collect()
}

impl<'a> Contest<'a> {
    fn new(
        (gate, bound): (&'static str, f64),
        look: &'static str,
        floor: impl FnMut(u64) + 'a,
        quipu: impl FnMut(u64) + 'a,
    ) -> Self {
        let floors = vec![Contestant::new(Box::new(floor))];
        Self { gate, bound, look, floors, quipu: Contestant::new(Box::new(quipu)) }
    }

    /// With another floor.
    fn or(mut self, floor: impl FnMut(u64) + 'a) -> Self {
        self.floors.push(Contestant::new(Box::new(floor)));
        self
    }

    fn verdict(&self, slack: f64) -> Verdict {
        let floor_ns = self.floors.iter().map(|floor| floor.least_ns).fold(0.0, f64::max);
        Verdict {
            gate: self.gate,
            floor_ns,
            quipu_ns: self.quipu.least_ns,
            measured: self.quipu.least_ns / floor_ns,
            bound: self.bound * slack,
            unit: "x",
            decidable: true,
            look: self.look,
        }
    }
}

impl<'a> Contestant<'a> {
    /// Finds out how often the operation can be done in a round, and warms it up on the way.
    fn new(work: Loop<'a>) -> Self {
        let mut contestant = Self { work, times: 1_000, least_ns: f64::MAX };
        while contestant.go_a_round() < ROUND {
            contestant.times *= 2;
        }
        contestant
    }

    fn go_a_round(&mut self) -> Duration {
        let start = Instant::now();
        (self.work)(self.times);
        let elapsed = start.elapsed();
        self.least_ns = self.least_ns.min(elapsed.as_nanos() as f64 / self.times as f64);
        elapsed
    }
}

/// A loop that goes over the metrics, one a round.
fn in_turn<'a, M>(metrics: &'a [M], mut work: impl FnMut(&'a M, u64) + 'a) -> impl FnMut(u64) + 'a {
    let mut turns = metrics.iter().cycle();
    move |times| work(turns.next().expect("a cycle has no end"), times)
}

/// Does `operation` `times` times. Both loops of a gate have this shape: what was written has to be
/// in memory after each operation, so that no two are merged, and what is read is read anew.
#[inline(always)]
fn repeat(times: u64, mut operation: impl FnMut()) {
    for _ in 0..times {
        operation();
        black_box(());
    }
}

#[inline(never)]
fn floor_add(times: u64) {
    floor::expose();
    repeat(times, floor::add);
}

/// The index is in memory that others may have changed.
#[inline(never)]
fn cell_of_an_array_add(cells: &[Cell<u64>; COUNTERS], times: u64) {
    let (cells, index) = (black_box(cells), black_box(&7_usize));
    repeat(times, || {
        let cell = &cells[*index % COUNTERS];
        cell.set(cell.get().wrapping_add(1));
    });
}

#[inline(never)]
fn two_dependent_instructions(times: u64) {
    let (mut number, other) = (black_box(1_u64), black_box(3_u64));
    repeat(times, || number = number.rotate_left(5) ^ other);
    black_box(number);
}

#[inline(never)]
fn counter_add(counter: &Counter, times: u64) {
    let counter = black_box(counter);
    repeat(times, || counter.increment());
}

#[inline(never)]
fn floor_add_random(indices: &[u16; INDICES], times: u64) {
    floor::expose();
    let indices = black_box(indices);
    let mut next = 0_usize;
    repeat(times, || {
        floor::add_to(usize::from(indices[next % INDICES]));
        next += 1;
    });
}

#[inline(never)]
fn counter_add_random(counters: &[Counter; COUNTERS], indices: &[u16; INDICES], times: u64) {
    let (counters, indices) = (black_box(counters), black_box(indices));
    let mut next = 0_usize;
    repeat(times, || {
        counters[usize::from(indices[next % INDICES]) % COUNTERS].increment();
        next += 1;
    });
}

/// As many members as there are counters, and two labels.
type Family = TypedFamily<Counter, (SmallInt<64>, SmallInt<64>)>;

#[inline(always)]
fn labels(index: u16) -> (SmallInt<64>, SmallInt<64>) {
    let index = usize::from(index);
    (SmallInt::new(index / 64 % 64), SmallInt::new(index % 64))
}

/// A member that the code names, found anew for each addition.
#[inline(never)]
fn typed_add(family: &Family, times: u64) {
    let family = black_box(family);
    repeat(times, || family.with(labels(7)).increment());
}

#[inline(never)]
fn typed_add_random(family: &Family, indices: &[u16; INDICES], times: u64) {
    let (family, indices) = (black_box(family), black_box(indices));
    let mut next = 0_usize;
    repeat(times, || {
        family.with(labels(indices[next % INDICES])).increment();
        next += 1;
    });
}

#[inline(never)]
fn hdr_record(hdr: &mut hdrhistogram::Histogram<u64>, values: &[u64; LATENCIES], times: u64) {
    let (hdr, values) = (black_box(hdr), black_box(values));
    let mut next = 0_usize;
    repeat(times, || {
        let _ = hdr.record(values[next % LATENCIES]);
        next += 1;
    });
}

#[inline(never)]
fn histogram_record(histogram: &Histogram, values: &[u64; LATENCIES], times: u64) {
    let (histogram, values) = (black_box(histogram), black_box(values));
    let mut next = 0_usize;
    repeat(times, || {
        histogram.record(values[next % LATENCIES]);
        next += 1;
    });
}

#[inline(never)]
fn relaxed_store(cell: &AtomicU64, times: u64) {
    let cell = black_box(cell);
    let reading = black_box(4.5_f64);
    repeat(times, || cell.store(reading.to_bits(), Relaxed));
}

#[inline(never)]
fn gauge_set(gauge: &Gauge, times: u64) {
    let gauge = black_box(gauge);
    let reading = black_box(4.5_f64);
    repeat(times, || gauge.set(reading));
}

#[inline(never)]
fn clock_twice_and_record(clock: &Clock, histogram: &Histogram, times: u64) {
    let (clock, histogram) = (black_box(clock), black_box(histogram));
    repeat(times, || {
        let start = clock.raw();
        histogram.record(clock.raw() - start);
    });
}

#[inline(never)]
fn timer(histogram: &Histogram, times: u64) {
    let histogram = black_box(histogram);
    repeat(times, || drop(histogram.start()));
}
