//! Gates on instructions: how many each record takes, counted.
//!
//! What is recorded is read from memory for each record, with one instruction a value, so that nothing
//! of the arithmetic is done once for all of them.

use crate::numbers::{INDICES, indices};
use quipu::gates::{Gates, Operation};
use quipu::{Counter, Family, Gauge, Histogram, Registry, SmallInt, TypedFamily, UpDownCounter};

/// What the numbers were taken with; `cargo bench` optimises as a release does.
const RUSTC: &str = "1.95";
const ARCHITECTURE: &str = "x86_64";

const COUNTERS: usize = 4_096;

pub struct Bed {
    counters: Box<[Counter; COUNTERS]>,
    up_down_counter: UpDownCounter,
    gauge: Gauge,
    histogram: Histogram,
    typed: TypedFamily<Counter, (SmallInt<64>, SmallInt<64>)>,
    family: Family<Counter, 2>,
    indices: Box<[u16; INDICES]>,
    reading: f64,
    latency: u64,
    places: (usize, usize),
    labels: [&'static str; 2],
}

impl Bed {
    pub fn new() -> Self {
        let registry = Registry::new();
        let counter = |number| registry.counter(&format!("counted.{number}")).register();
        let counters: Result<Vec<Counter>, _> = (0..COUNTERS).map(counter).collect();
        let counters = counters.expect("an empty registry has room").into_boxed_slice();
        let typed = registry.counter("counted.typed").typed_family(["row", "column"]);
        let family = registry.counter("counted.family").family(["method", "route"]);
        Self {
            counters: counters.try_into().expect("just as many"),
            up_down_counter: registry.up_down_counter("counted.active").register().expect("room"),
            gauge: registry.gauge("counted.depth").register().expect("room"),
            histogram: registry.histogram("counted.time").register().expect("room"),
            typed: typed.register().expect("room"),
            family: family.register().expect("room"),
            indices: indices(),
            reading: 4.5,
            latency: 1_234_567,
            places: (3, 5),
            labels: ["GET", "/users/{id}"],
        }
    }
}

pub fn add<'a>(gates: &mut Gates<'a>, bed: &'a Bed) {
    let mut exactly = |name: &str, operation: Operation<'a>, instructions: u32| {
        gates.instructions(name, operation).taken_with(RUSTC, ARCHITECTURE).exactly(instructions);
    };
    let counter = &bed.counters[7];
    exactly("instructions of counter increment", (|| counter.increment()).into(), 5);
    let (counters, indices, mut next) = (&*bed.counters, &*bed.indices, 0_usize);
    let add_random = move || {
        counters[usize::from(indices[next % INDICES]) % COUNTERS].increment();
        next += 1;
    };
    exactly("instructions of counter increment, random", add_random.into(), 10);
    let active = &bed.up_down_counter;
    exactly("instructions of up-down counter decrement", (|| active.decrement()).into(), 5);
    let (gauge, reading) = (&bed.gauge, &bed.reading);
    exactly("instructions of gauge set", (|| gauge.set(*reading)).into(), 4);
    let (histogram, latency) = (&bed.histogram, &bed.latency);
    exactly("instructions of histogram record", (|| histogram.record(*latency)).into(), 29);
    let (typed, places) = (&bed.typed, &bed.places);
    let typed_add = || {
        let (row, column) = *places;
        typed.with((SmallInt::new(row), SmallInt::new(column))).increment();
    };
    exactly("instructions of typed family increment", typed_add.into(), 16);
    // With a hash, a comparison of values, and now and then crossbeam-epoch's housekeeping.
    gates
        .instructions("instructions of family look-up and increment", || {
            bed.family.with(bed.labels).increment();
        })
        .taken_with(RUSTC, ARCHITECTURE)
        .at_most(212);
}
