//! Records: what a service does on its hot path, on 1 to 32 threads at once.
//!
//! Every entrant has the same loop around its operation, and the same inputs. It has several instruments
//! of each kind, which take turns from round to round: where one of them lies in memory makes some loops
//! faster or slower than the others. Each round's operations are counted in the end by reading the
//! instruments, and must be there, all of them.
#![forbid(unsafe_code)]

mod floors;
mod inputs;
mod prometheus;
mod quipu;

use crate::crew::Crew;
use crate::measure::{Spread, interleaved};
use crate::report::{Table, grouped, nanoseconds, ratio};
use crate::results::{Finding, Results, Role};
use std::time::Duration;

pub const THREADS: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// The most threads that ever record.
pub const MOST_THREADS: usize = THREADS[THREADS.len() - 1];
/// Counters of [`Operation::OneOfMany`].
pub const MANY: usize = 4_096;

const ROUNDS: usize = 20;
/// Instruments of each kind that an entrant has.
const TURNS: usize = 4;
/// What a thread works for in a round, at least.
const ROUND: Duration = Duration::from_micros(500);

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// 1 is added to a counter.
    Counter,
    /// 1 is added to one of [`MANY`] counters, whose handle is at an index that comes from memory.
    OneOfMany,
    /// A gauge is set.
    Gauge,
    /// A latency is recorded, in nanoseconds.
    Histogram,
    /// A section without any work is timed and recorded.
    TimedSection,
    /// 1 is added to the counter of two labels with 4 and 8 values, which are known when compiled and
    /// come from memory.
    TypedLabels,
}

const OPERATIONS: [(Operation, &str); 6] = [
    (Operation::Counter, "counter, one handle"),
    (Operation::OneOfMany, "counter, one of 4,096"),
    (Operation::Gauge, "gauge"),
    (Operation::Histogram, "histogram"),
    (Operation::TimedSection, "timed section"),
    (Operation::TypedLabels, "counter, typed labels"),
];

/// An instrument, or as many as an operation asks for, and what is done with it.
pub struct Instrument {
    /// Does the operation so often, on the thread of this number.
    work: Box<dyn Fn(usize, u64) + Send + Sync>,
    /// How many operations it holds, if it counts them.
    count: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// What it keeps of a record, where that differs between entrants.
    note: &'static str,
}

impl Instrument {
    pub fn new(
        work: impl Fn(usize, u64) + Send + Sync + 'static,
        count: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { work: Box::new(work), count: Some(Box::new(count)), note: "" }
    }

    /// One that does not count what is done.
    pub fn uncounted(work: impl Fn(usize, u64) + Send + Sync + 'static) -> Self {
        Self { work: Box::new(work), count: None, note: "" }
    }

    pub fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }
}

/// An instrument for an operation, the first or a later one of its kind, or why there is none.
type Offer = Result<Instrument, &'static str>;

/// Somebody who takes part, under a name of its own.
struct Entrant {
    name: &'static str,
    role: Role,
    offer: fn(Operation, turn: usize) -> Offer,
}

const ENTRANTS: [Entrant; 7] = [
    Entrant { name: "quipu", role: Role::Quipu, offer: quipu::offer },
    Entrant { name: "thread-local Cell", role: Role::Floor, offer: floors::cell },
    Entrant { name: "relaxed store", role: Role::Floor, offer: floors::relaxed_store },
    Entrant { name: "lock xadd, shared", role: Role::Floor, offer: floors::shared },
    Entrant { name: "lock xadd, a line a thread", role: Role::Floor, offer: floors::padded },
    Entrant { name: "two clock readings", role: Role::Floor, offer: floors::clock },
    Entrant { name: "prometheus", role: Role::Peer, offer: prometheus::offer },
];

/// An entrant with its instruments for an operation.
struct Contestant {
    entrant: &'static Entrant,
    instruments: Vec<Instrument>,
}

pub fn run(rounds: Option<usize>, results: &mut Results) -> bool {
    let rounds = rounds.unwrap_or(ROUNDS);
    introduce(rounds);
    let mut is_exact = true;
    for (operation, case) in OPERATIONS {
        for threads in THREADS {
            let contestants = contestants(operation, case, results);
            let samples = samples(&contestants, threads, rounds, &mut is_exact);
            report(case, threads, &contestants, &samples);
            results.findings.extend(findings(case, threads, &contestants, &samples));
        }
    }
    is_exact
}

fn introduce(rounds: usize) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "Records, on {cores} cores; {rounds} rounds. Nanoseconds that a core spends for one; with\n\
         more threads than cores it is shared. Ratios are those of medians.\n"
    );
}

fn contestants(operation: Operation, case: &str, results: &mut Results) -> Vec<Contestant> {
    let mut contestants = Vec::new();
    for entrant in &ENTRANTS {
        match (0..TURNS).map(|turn| (entrant.offer)(operation, turn)).collect() {
            Ok(instruments) => contestants.push(Contestant { entrant, instruments }),
            Err(reason) if entrant.role == Role::Peer => results.gap(case, entrant.name, reason),
            Err(_) => {}
        }
    }
    contestants
}

/// Picoseconds of a core for an operation, of each contestant in each round.
fn samples(
    contestants: &[Contestant],
    threads: usize,
    rounds: usize,
    is_exact: &mut bool,
) -> Vec<Vec<u64>> {
    let mut done = vec![[0; TURNS]; contestants.len()];
    let mut turns = vec![0; contestants.len()];
    let mut times = vec![1_000; contestants.len()];
    let samples = std::thread::scope(|scope| {
        let crew = Crew::start(scope, threads);
        let mut round = |at: usize, times: u64| {
            let turn = turns[at] % TURNS;
            turns[at] += 1;
            done[at][turn] += times * threads as u64;
            let instrument = &contestants[at].instruments[turn];
            crew.timed(|thread| thread, move |&thread| (instrument.work)(thread, times))
        };
        // Every instrument has been used by every thread before it is measured.
        for (at, times) in times.iter_mut().enumerate() {
            let mut enough = 0;
            while enough < TURNS {
                if round(at, *times) < ROUND {
                    *times += *times / 2;
                } else {
                    enough += 1;
                }
            }
        }
        let others = contestants.iter().take_while(|one| one.entrant.role != Role::Peer).count();
        interleaved(contestants.len(), others, rounds, |at| {
            round(at, times[at]).as_nanos() as u64 * 1_000 / times[at]
        })
    });
    for (Contestant { entrant, instruments }, done) in contestants.iter().zip(done) {
        for (Instrument { count, .. }, done) in instruments.iter().zip(done) {
            let counted = count.as_ref().map_or(done, |count| count());
            if counted != done {
                let [counted, done] = [counted, done].map(grouped);
                println!("WRONG: {} has counted {counted} of {done} records.\n", entrant.name);
                *is_exact = false;
            }
        }
    }
    samples
}

fn report(case: &str, threads: usize, contestants: &[Contestant], samples: &[Vec<u64>]) {
    let spreads: Vec<_> =
        samples.iter().map(|samples| Spread::of(samples.iter().copied())).collect();
    let of_role = |role| {
        let all = contestants.iter().zip(&spreads);
        all.filter(move |(one, _)| one.entrant.role == role).map(|(_, spread)| spread.median)
    };
    let quipu = of_role(Role::Quipu).next().expect("quipu takes part in all");
    let fastest = of_role(Role::Peer).min();
    let title = format!("{case}, {threads} {}", if threads == 1 { "thread" } else { "threads" });
    let mut table = Table::new([
        &*title,
        "median",
        "p10 .. p90",
        "best",
        "/ fastest peer",
        "/ quipu",
        "kept of a record",
    ]);
    for (Contestant { entrant, instruments }, spread) in contestants.iter().zip(&spreads) {
        let Spread { best, low, median, high } = *spread;
        table.row([
            entrant.name.into(),
            nanoseconds(median),
            format!("{} .. {}", nanoseconds(low), nanoseconds(high)),
            nanoseconds(best),
            fastest.map_or("-".into(), |fastest| ratio(median, fastest)),
            ratio(median, quipu),
            instruments[0].note.into(),
        ]);
    }
    table.print();
}

fn findings(
    case: &str,
    threads: usize,
    contestants: &[Contestant],
    samples: &[Vec<u64>],
) -> Vec<Finding> {
    let finding = |(one, samples): (&Contestant, &Vec<u64>)| {
        let who = (one.entrant.name, one.entrant.role);
        let spread = Spread::of(samples.iter().copied());
        Finding::new(case, who, threads, ("ns", 1_000.0), spread).note(one.instruments[0].note)
    };
    contestants.iter().zip(samples).map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instrument_counts_what_it_did() {
        for (operation, _) in OPERATIONS {
            for entrant in &ENTRANTS {
                let Ok(instrument) = (entrant.offer)(operation, 0) else { continue };
                std::thread::scope(|scope| {
                    for thread in 0..2 {
                        let work = &instrument.work;
                        scope.spawn(move || work(thread, 10_000));
                    }
                });
                let counted = instrument.count.map_or(20_000, |count| count());
                assert_eq!(counted, 20_000, "{}, {operation:?}", entrant.name);
            }
        }
    }
}
