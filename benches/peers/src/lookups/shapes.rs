//! quipu alone: the kind of metric, the number and the length of labels, beside what SipHash takes for
//! the same texts; and values that are alike, as who wants to slow a look-up down would choose them.
#![forbid(unsafe_code)]

use super::quipu::total;
use super::workload::{Order, RECORDS};
use crate::measure::{Spread, interleaved, with_warm_up};
use crate::report::{Table, grouped, nanoseconds, ratio};
use quipu::{Counter, Histogram, Metric, MetricBuilder, Registry};
use std::array;
use std::hash::{BuildHasher, RandomState};
use std::hint::black_box;
use std::time::Instant;

const KEYS: [&str; 4] = ["method", "route", "status", "tenant"];
const SERIES: usize = 256;
/// What a family holds unless it is told otherwise.
const MOST_SERIES: usize = 2_000;

struct Subject<'v> {
    name: &'static str,
    /// Does it for each position of an order.
    operation: Box<dyn Fn(&Order) + 'v>,
}

pub fn run(rounds: usize) -> bool {
    shapes(rounds);
    floods(rounds)
}

fn shapes(rounds: usize) {
    let registry = Registry::new();
    let mut random = fastrand::Rng::with_seed(1);
    let [short, middle, long] = [8, 40, 200].map(|len| texts::<2>(&mut random, len));
    let (one, four) = (texts::<1>(&mut random, 8), texts::<4>(&mut random, 8));
    let counter = |name| registry.counter(name);
    let add = Counter::increment;
    let subjects = [
        look_up("counter, 2 labels of 8 bytes", counter("short"), &short, add),
        look_up("counter, 2 labels of 40 bytes", counter("middle"), &middle, add),
        look_up("counter, 2 labels of 200 bytes", counter("long"), &long, add),
        look_up("counter, 1 label of 8 bytes", counter("one"), &one, add),
        look_up("counter, 4 labels of 8 bytes", counter("four"), &four, add),
        look_up("histogram, 2 labels of 8 bytes", registry.histogram("histogram"), &short, record),
        kept_handles("counter, a handle kept", counter("kept"), &short),
        sip_hash("SipHash alone, 2 labels of 8 bytes", &short),
        sip_hash("SipHash alone, 2 labels of 40 bytes", &middle),
        sip_hash("SipHash alone, 2 labels of 200 bytes", &long),
    ];
    println!("quipu, 1 thread, {SERIES} series that exist:\n");
    let spreads = spreads(&subjects, rounds, &Order::drawn(0, 0..SERIES));
    let mut table = Table::new(["operation", "best", "/ 2 labels of 8 bytes", "median"]);
    for (Subject { name, .. }, spread) in subjects.iter().zip(&spreads) {
        let Spread { best, median, .. } = *spread;
        let to_the_first = ratio(best, spreads[0].best);
        table.row([(*name).into(), nanoseconds(best), to_the_first, nanoseconds(median)]);
    }
    table.print();
}

fn record(histogram: &Histogram) {
    histogram.record(12_345);
}

/// A look-up of values, and what is done with the series.
fn look_up<'v, M: Metric, const N: usize>(
    name: &'static str,
    builder: MetricBuilder<'_, M>,
    values: &'v [[String; N]],
    record: impl Fn(&M) + 'v,
) -> Subject<'v> {
    let family = builder.family(array::from_fn(|at| KEYS[at]));
    let family = family.max_series(MOST_SERIES).register().expect("valid names");
    for values in values.iter().take(MOST_SERIES) {
        family.with(values.each_ref().map(|value| &**value));
    }
    let operation = move |order: &Order| {
        order.for_each(|at| record(&family.with(values[at].each_ref().map(|value| &**value))));
    };
    Subject { name, operation: Box::new(operation) }
}

fn kept_handles<'v>(
    name: &'static str,
    builder: MetricBuilder<'_, Counter>,
    values: &'v [[String; 2]],
) -> Subject<'v> {
    let family = builder.family([KEYS[0], KEYS[1]]).register().expect("valid names");
    let handle = |[one, two]: &[String; 2]| family.with([one, two]).clone();
    let handles: Vec<_> = values.iter().map(handle).collect();
    let operation = move |order: &Order| order.for_each(|at| handles[at].increment());
    Subject { name, operation: Box::new(operation) }
}

/// The hash that maps of the standard library have.
fn sip_hash<'v>(name: &'static str, values: &'v [[String; 2]]) -> Subject<'v> {
    let state = RandomState::new();
    let operation = move |order: &Order| {
        order.for_each(|at| {
            let [one, two] = &values[at];
            black_box(state.hash_one((&**one, &**two)));
        });
    };
    Subject { name, operation: Box::new(operation) }
}

/// Picoseconds that each subject takes for an operation, in turn.
fn spreads(subjects: &[Subject<'_>], rounds: usize, order: &Order) -> Vec<Spread> {
    let samples = interleaved(subjects.len(), subjects.len() / 2, rounds, |at| {
        let start = Instant::now();
        (subjects[at].operation)(order);
        start.elapsed().as_nanos() as u64 * 1_000 / RECORDS as u64
    });
    samples.into_iter().map(Spread::of).collect()
}

/// Values of letters drawn at random.
fn texts<const N: usize>(random: &mut fastrand::Rng, len: usize) -> Vec<[String; N]> {
    let mut text = || (0..len).map(|_| random.lowercase()).collect();
    (0..SERIES).map(|_| array::from_fn(|_| text())).collect()
}

/// Twice as many values as a family takes: the first half are its series, and the others are refused.
fn floods(rounds: usize) -> bool {
    let mut random = fastrand::Rng::with_seed(2);
    // Blocks of the same size for all: what is collected has room to spare.
    let exact = |text: String| [text.into_boxed_str().into_string()];
    let mut drawn = |len| {
        let mut text = || exact((0..len).map(|_| random.lowercase()).collect());
        (0..2 * MOST_SERIES).map(|_| text()).collect()
    };
    let numbers =
        |text: fn(usize) -> String| (0..2 * MOST_SERIES).map(|n| exact(text(n))).collect();
    // Of each two the second one is to be compared with the first.
    let values: [Vec<[String; 1]>; 8] = [
        drawn(8),
        numbers(|number| format!("{number:08}")),
        drawn(40),
        numbers(|number| format!("{number:040}")),
        drawn(40),
        numbers(|number| format!("{number:08}{}", "x".repeat(32))),
        drawn(200),
        numbers(|number| format!("{}{number:08}{}", "x".repeat(96), "x".repeat(96))),
    ];
    let names = [
        "8 letters at random",
        "8 digits, numbers in sequence",
        "40 letters at random",
        "40 digits, the same but for the last",
        "40 letters at random, once more",
        "40 characters, the same but for the first",
        "200 letters at random",
        "200 characters, the same but in the middle",
    ];
    let registries = values.each_ref().map(|_| Registry::new());
    let of_each = registries.iter().zip(&values).zip(names);
    let subjects = of_each.map(|((registry, values), name)| {
        look_up(name, registry.counter("http.server.requests"), values, Counter::increment)
    });
    let subjects: Vec<_> = subjects.collect();
    println!(
        "A flood: one label with {} values, and as many again that are refused. Nanoseconds:\n",
        grouped(MOST_SERIES as u64)
    );
    let [found, refused] = [0, MOST_SERIES]
        .map(|first| spreads(&subjects, rounds, &Order::drawn(0, first..first + MOST_SERIES)));
    let headings =
        ["values", "found, best", "/ random", "median", "refused, best", "/ random", "median"];
    let mut table = Table::new(headings);
    for (at, Subject { name, .. }) in subjects.iter().enumerate() {
        let [[a, b, c], [d, e, f]] = [&found, &refused].map(|spreads| {
            let (of_this, of_random) = (spreads[at], spreads[at / 2 * 2]);
            let to_random = ratio(of_this.best, of_random.best);
            [nanoseconds(of_this.best), to_random, nanoseconds(of_this.median)]
        });
        table.row([(*name).into(), a, b, c, d, e, f]);
    }
    table.print();
    check(&registries, rounds)
}

/// Whether every record of the floods was counted, found or refused.
fn check(registries: &[Registry], rounds: usize) -> bool {
    let expected = (2 * with_warm_up(rounds) * RECORDS) as u64;
    let is_exact = registries.iter().all(|registry| total(registry) == expected);
    if !is_exact {
        println!("WRONG: a flood of {} records was not counted in whole.\n", grouped(expected));
    }
    is_exact
}
