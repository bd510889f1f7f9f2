//! The tables of a size, and what goes into the results.
#![forbid(unsafe_code)]

use super::subjects::{ENTRANTS, Entrant, MILLION};
use super::taken::{Readings, Taken};
use super::{LONG, Measured, THREADS};
use crate::measure::Spread;
use crate::report::{Table, grouped, microseconds, range, ratio};
use crate::results::{Finding, Results, Role};

/// A way to read, and where a process has put it.
type Way = (&'static str, fn(&Taken) -> &Result<Readings, String>);

const WAYS: [Way; 2] = [("snapshot", |taken| &taken.snapshots), ("scrape", |taken| &taken.texts)];

pub fn introduce(passes: usize) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "Series with the labels `method` and `route`, one in a hundred a histogram of 20 records\n\
         for each thread, and counters alone where there are a million; on {cores} cores. Medians\n\
         of {passes} processes, which take turns, or as many as take {} seconds; ratios are to the\n\
         best peer.\n\
         Memory: what the process has grown by, when all series are registered, and when all\n\
         threads have recorded to each; in the end, and what of it quipu's store says is its own.\n\
         Reading: after something was recorded to all series, and something else has had the\n\
         caches; again: right after that. Behind the last number of threads stands what was\n\
         measured with it; the very first reading is that after all threads have recorded.\n",
        LONG.as_secs(),
    );
    println!("What is kept:\n");
    ENTRANTS.iter().for_each(|entrant| println!("  {}: {}.", entrant.name, entrant.note));
    println!();
}

pub fn print(series: usize, all: &[Measured]) {
    println!("{} series\n", grouped(series as u64));
    memory(series, all);
    WAYS.into_iter().for_each(|way| reading(way, all));
}

/// Who was measured, in the order of all.
fn entrants(all: &[Measured]) -> Vec<&'static Entrant> {
    let mut entrants: Vec<_> = all.iter().map(|measured| measured.entrant).collect();
    entrants.dedup_by_key(|entrant| entrant.name);
    entrants
}

fn of<'a>(all: &'a [Measured], entrant: &Entrant, threads: usize) -> Option<&'a Measured> {
    all.iter().find(|one| one.entrant.name == entrant.name && one.threads == threads)
}

/// For each number of threads a value of `entrant`, and its ratio to that of the best peer.
fn beside_peers(
    all: &[Measured],
    entrant: &Entrant,
    value: impl Fn(&Measured) -> Option<u64>,
    shown: impl Fn(u64) -> String,
) -> [String; 2 * THREADS.len()] {
    let cells = THREADS.into_iter().flat_map(|threads| {
        let peers = all.iter().filter(|one| one.threads == threads);
        let peers = peers.filter(|one| one.entrant.role == Role::Peer);
        let best = peers.filter_map(&value).min();
        let own = of(all, entrant, threads).and_then(&value);
        let of_best = own.zip(best).map(|(own, best)| ratio(own, best));
        [own.map(&shown), of_best].map(|cell| cell.unwrap_or("-".into()))
    });
    let cells: Vec<_> = cells.collect();
    cells.try_into().expect("two cells for each number of threads")
}

/// The measurement with the most threads.
fn last<'a>(all: &'a [Measured], entrant: &Entrant) -> Option<&'a Measured> {
    THREADS.into_iter().rev().find_map(|threads| of(all, entrant, threads))
}

fn median(measured: &Measured, value: impl Fn(&Taken) -> u64) -> u64 {
    Spread::of(measured.processes.iter().map(value)).median
}

fn memory(series: usize, all: &[Measured]) {
    let each = |bytes: u64| grouped(bytes / series as u64);
    let mib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 20));
    let mut table = Table::new([
        "memory: bytes a series",
        "registered",
        "1 thread",
        "/ best",
        "8 threads",
        "/ best",
        "64 threads",
        "/ best",
        "MiB in all",
        "of the store",
        "register, ns each",
    ]);
    for entrant in entrants(all) {
        let recorded = |one: &Measured| Some(median(one, |taken| taken.recorded_bytes));
        let [a, b, c, d, e, f] = beside_peers(all, entrant, recorded, each);
        let Some(last) = last(all, entrant) else { continue };
        let of_store = median(last, |taken| taken.store_bytes);
        table.row([
            entrant.name.into(),
            each(median(last, |taken| taken.registered_bytes)),
            a,
            b,
            c,
            d,
            e,
            f,
            mib(median(last, |taken| taken.recorded_bytes)),
            if entrant.role == Role::Quipu { mib(of_store) } else { "-".into() },
            each(median(last, |taken| taken.register_ns)),
        ]);
    }
    table.print();
}

fn reading((name, way): Way, all: &[Measured]) {
    let title = format!("{name}, us");
    let mut table = Table::new([
        &*title,
        "1 thread",
        "/ best",
        "8 threads",
        "/ best",
        "64 threads",
        "/ best",
        "p10 .. p90",
        "again",
        "the very first",
        "allocations",
        "bytes allocated",
        "text bytes",
    ]);
    let mut reasons = Vec::new();
    for entrant in entrants(all) {
        let Some(last) = last(all, entrant) else { continue };
        if let Some(Err(reason)) = last.processes.first().map(way) {
            reasons.push(format!("{}: {reason}.", entrant.name));
            continue;
        }
        let first = |one: &Measured| spread(one, way, |readings| &readings.first_ns);
        let medians = |one: &Measured| first(one).map(|spread| spread.median);
        let [a, b, c, d, e, f] = beside_peers(all, entrant, medians, microseconds);
        let of_all = |values: fn(&Readings) -> &Vec<u64>| spread(last, way, values);
        let shown = |spread: Option<Spread>, cell: fn(u64) -> String| {
            spread.map_or("-".into(), |spread| cell(spread.median))
        };
        let median_of =
            |value: fn(&Readings) -> u64| Spread::of(readings(last, way).map(value)).median;
        table.row([
            entrant.name.into(),
            a,
            b,
            c,
            d,
            e,
            f,
            first(last).map_or("-".into(), range),
            shown(of_all(|readings| &readings.again_ns), microseconds),
            microseconds(median_of(|readings| readings.first_ever_ns)),
            shown(of_all(|readings| &readings.allocations), grouped),
            shown(of_all(|readings| &readings.allocated_bytes), grouped),
            match median_of(|readings| readings.text_bytes) {
                0 => "-".into(),
                bytes => grouped(bytes),
            },
        ]);
    }
    table.print();
    if !reasons.is_empty() {
        println!("No {name}:\n  {}\n", reasons.join("\n  "));
    }
}

/// What the processes have read in one way.
fn readings(
    measured: &Measured,
    way: fn(&Taken) -> &Result<Readings, String>,
) -> impl Iterator<Item = &Readings> {
    measured.processes.iter().filter_map(move |taken| way(taken).as_ref().ok())
}

/// The values of all processes; `None` if it cannot be read so.
fn spread(
    measured: &Measured,
    way: fn(&Taken) -> &Result<Readings, String>,
    values: fn(&Readings) -> &Vec<u64>,
) -> Option<Spread> {
    let readings = readings(measured, way);
    let all: Vec<_> = readings.flat_map(|readings| values(readings).iter().copied()).collect();
    (!all.is_empty()).then(|| Spread::of(all))
}

/// Adds what was measured, and what could not be.
pub fn add(series: usize, all: &[Measured], results: &mut Results) {
    // Of counters alone, which is another thing.
    let of_a_million = if series == MILLION { "a million counters: " } else { "" };
    let case = |name: &str| format!("{of_a_million}{name}");
    for measured in all {
        let Measured { entrant, threads, processes, .. } = measured;
        let mut add = |name: &str, unit: (&str, f64), spread: Spread| {
            let who = (entrant.name, entrant.role);
            let finding = Finding::new(case(name), who, *threads, unit, spread);
            results.findings.push(finding.of_series(series).note(entrant.note));
        };
        let of_each = series as f64;
        let registering = Spread::of(processes.iter().map(|taken| taken.register_ns));
        add("registration", ("ns", of_each), registering);
        let memory = Spread::of(processes.iter().map(|taken| taken.recorded_bytes));
        add("memory", ("bytes", of_each), memory);
        for (name, way) in WAYS {
            if let Some(times) = spread(measured, way, |readings| &readings.first_ns) {
                add(name, ("us", 1_000.0), times);
                // What is done once for all later ones is part of it.
                let ever = readings(measured, way).map(|readings| readings.first_ever_ns);
                add(&format!("first {name}"), ("us", 1_000.0), Spread::of(ever));
            }
            if let Some(allocations) = spread(measured, way, |readings| &readings.allocations) {
                add(&format!("allocations of a {name}"), ("count", 1.0), allocations);
            }
        }
        for (name, way) in WAYS {
            if let Some(Err(reason)) = processes.first().map(way) {
                let first = format!("first {name}");
                for name in [name, &first, &format!("allocations of a {name}")] {
                    results.gap(&case(name), entrant.name, reason);
                }
            }
        }
    }
}
