//! Records: what a service does on its hot path, on 1 to 32 threads at once.
//!
//! Every entrant has the same loop around its operation, and the same inputs. It has several
//! instruments of each kind, which take turns from round to round: where one of them lies in memory
//! makes some loops faster or slower than the others. All operations are counted in the end by
//! reading the instruments, and must be there; only what a gauge is set to is not looked at.
#![forbid(unsafe_code)]

mod floors;
mod hdrhistogram;
mod inputs;
mod offer;
mod table;

use crate::crew::Crew;
use crate::libraries::{
    Library, MOST_THREADS, Reason, contatori, fast_telemetry, measured, metrics_exporter,
    metrics_lib, metriken, nm, opentelemetry, prometheus, prometheus_client, quipu,
};
use crate::measure::{Spread, interleaved};
use crate::report::grouped;
use crate::results::{Finding, Results, Role};
use offer::offer;
use std::time::Duration;

pub const THREADS: [usize; 6] = [1, 2, 4, 8, 16, MOST_THREADS];
/// Counters of [`Operation::OneOfMany`].
pub const MANY: usize = 4_096;

const ROUNDS: usize = 20;
/// Instruments of each kind that an entrant has.
const TURNS: usize = 4;
/// Operations of a thread in a round that is not measured, at least.
const FEW: u64 = 1_000;
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
    /// 1 is added to the counter of two labels with 4 and 8 values, which are known when compiled
    /// and come from memory.
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

/// Does an operation so often, on the thread of this number.
type Work = Box<dyn Fn(usize, u64) + Send + Sync>;

/// An instrument, or as many as an operation asks for, and what is done with it.
pub struct Instrument {
    work: Work,
    /// How many operations it holds, if it counts them. It is asked in the end.
    count: Option<Box<dyn Fn() -> u64 + Send + Sync>>,
    /// What each thread does after a round, beside the clock.
    settle: Option<Box<dyn Fn(usize) + Send + Sync>>,
    /// What it keeps of a record, where that differs between entrants.
    note: &'static str,
}

impl Instrument {
    fn new(
        work: impl Fn(usize, u64) + Send + Sync + 'static,
        count: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self { work: Box::new(work), count: Some(Box::new(count)), settle: None, note: "" }
    }

    /// One that does not count what is done.
    fn uncounted(work: impl Fn(usize, u64) + Send + Sync + 'static) -> Self {
        Self { work: Box::new(work), count: None, settle: None, note: "" }
    }

    fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    fn settled(self, settle: impl Fn(usize) + Send + Sync + 'static) -> Self {
        Self { settle: Some(Box::new(settle)), ..self }
    }
}

/// An instrument for an operation, or why there is none.
type Offer = Result<Instrument, Reason>;

/// Somebody who takes part, under a name of its own.
struct Entrant {
    name: &'static str,
    role: Role,
    offer: fn(Operation) -> Offer,
    /// Instruments of each kind that it has.
    turns: usize,
    /// Others can read what a thread has recorded while it goes on.
    is_read_at_once: bool,
    /// What another entrant of the same library does in the same way.
    same: &'static [Operation],
}

impl Entrant {
    const fn of<L: Library>(role: Role) -> Self {
        let turns = if L::IS_SINGLE { 1 } else { TURNS };
        Self { turns, ..Self::other(L::NAME, role, offer::<L>) }
    }

    /// Others wait for a thread to do something.
    const fn read_late(self) -> Self {
        Self { is_read_at_once: false, ..self }
    }

    const fn except(self, same: &'static [Operation]) -> Self {
        Self { same, ..self }
    }

    const fn other(name: &'static str, role: Role, offer: fn(Operation) -> Offer) -> Self {
        Self { name, role, offer, turns: TURNS, is_read_at_once: true, same: &[] }
    }

    fn offer(&self, operation: Operation) -> Offer {
        if self.same.contains(&operation) {
            return Err("it is that of another entrant of this library");
        }
        (self.offer)(operation)
    }
}

const ENTRANTS: [Entrant; 25] = [
    Entrant::of::<quipu::Quipu>(Role::Quipu),
    Entrant::of::<quipu::ByIndex>(Role::Quipu).except(&[
        Operation::Counter,
        Operation::Gauge,
        Operation::Histogram,
        Operation::TimedSection,
        Operation::TypedLabels,
    ]),
    Entrant::other("thread-local Cell", Role::Floor, floors::cell),
    Entrant::other("relaxed store", Role::Floor, floors::relaxed_store),
    Entrant::other("lock xadd, shared", Role::Floor, floors::shared),
    Entrant::other("lock xadd, a line a thread", Role::Floor, floors::padded),
    Entrant::other("two clock readings", Role::Floor, floors::clock),
    Entrant::of::<contatori::Contatori>(Role::Peer),
    Entrant::of::<fast_telemetry::WithHistograms>(Role::Peer),
    Entrant::of::<fast_telemetry::WithDistributions>(Role::Peer).except(&[
        Operation::Counter,
        Operation::OneOfMany,
        Operation::Gauge,
        Operation::TypedLabels,
    ]),
    Entrant::other("hdrhistogram, a thread's own", Role::Peer, hdrhistogram::of_a_thread)
        .read_late(),
    Entrant::other("hdrhistogram, recorders", Role::Peer, hdrhistogram::of_a_recorder).read_late(),
    Entrant::other("hdrhistogram, a Mutex", Role::Peer, hdrhistogram::of_all),
    Entrant::of::<measured::Measured>(Role::Peer),
    Entrant::of::<metrics_exporter::MetricsExporter>(Role::Peer),
    Entrant::of::<metrics_lib::Plain>(Role::Peer),
    Entrant::of::<metrics_lib::Sharded>(Role::Peer).except(&[Operation::Gauge]),
    Entrant::of::<metriken::Plain>(Role::Peer),
    Entrant::of::<metriken::Sharded>(Role::Peer).except(&[Operation::Gauge]),
    Entrant::of::<nm::Nm<nm::Pulled>>(Role::Peer),
    Entrant::of::<nm::Nm<nm::Pushed>>(Role::Peer).read_late(),
    Entrant::of::<opentelemetry::Unbound>(Role::Peer),
    Entrant::of::<opentelemetry::Bound>(Role::Peer),
    Entrant::of::<prometheus::Prometheus>(Role::Peer),
    Entrant::of::<prometheus_client::PrometheusClient>(Role::Peer),
];

/// An entrant with its instruments for an operation.
struct Contestant {
    entrant: &'static Entrant,
    instruments: Vec<Instrument>,
}

/// Picoseconds of a core for an operation, of each contestant: for each number of threads.
type Spreads = Vec<[Spread; THREADS.len()]>;

pub fn run(rounds: Option<usize>, results: &mut Results) -> bool {
    let rounds = rounds.unwrap_or(ROUNDS);
    introduce(rounds);
    let mut is_exact = true;
    for (operation, case) in OPERATIONS {
        let (contestants, gaps) = contestants(operation);
        let mut records = Records::of(&contestants);
        let of_each = THREADS.map(|threads| records.measure(threads, rounds));
        let spreads: Spreads = (0..contestants.len())
            .map(|at| of_each.each_ref().map(|samples| Spread::of(samples[at].iter().copied())))
            .collect();
        table::print(case, &contestants, &spreads, &gaps);
        is_exact &= records.are_counted();
        results.findings.extend(findings(case, &contestants, &spreads));
        gaps.iter().for_each(|(name, reason)| results.gap(case, name, reason));
    }
    is_exact
}

fn introduce(rounds: usize) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "Records, on {cores} cores; {rounds} rounds. Nanoseconds that a core spends for one,\n\
         medians, by the number of threads; with more threads than cores these are shared. Ratios\n\
         are to the fastest peer at 1 and at 2 threads. All keep their handles.\n"
    );
}

/// Those who can do it, and why the other peers cannot.
fn contestants(operation: Operation) -> (Vec<Contestant>, Vec<(&'static str, Reason)>) {
    let (mut contestants, mut gaps) = (Vec::new(), Vec::new());
    for entrant in &ENTRANTS {
        match (0..entrant.turns).map(|_| entrant.offer(operation)).collect() {
            Ok(instruments) => contestants.push(Contestant { entrant, instruments }),
            Err(reason) if entrant.role == Role::Peer => gaps.push((entrant.name, reason)),
            Err(_) => {}
        }
    }
    (contestants, gaps)
}

/// What contestants have done so far.
struct Records<'a> {
    contestants: &'a [Contestant],
    /// Rounds of each.
    rounds: Vec<usize>,
    /// Operations of each of its instruments.
    done: Vec<[u64; TURNS]>,
}

impl<'a> Records<'a> {
    fn of(contestants: &'a [Contestant]) -> Self {
        let of_each = contestants.len();
        Self { contestants, rounds: vec![0; of_each], done: vec![[0; TURNS]; of_each] }
    }

    /// Picoseconds of a core for an operation, of each contestant in each round.
    fn measure(&mut self, threads: usize, rounds: usize) -> Vec<Vec<u64>> {
        let contestants = self.contestants;
        std::thread::scope(|scope| {
            let crew = Crew::start(scope, threads);
            let times: Vec<_> = (0..contestants.len())
                .map(|at| {
                    // What is made when it is first used is no part of how long a round takes.
                    for _ in 0..TURNS {
                        self.round(&crew, threads, at, FEW);
                    }
                    let (mut times, mut enough) = (FEW, 0);
                    while enough < TURNS {
                        if self.round(&crew, threads, at, times) < ROUND {
                            times += times / 2;
                        } else {
                            enough += 1;
                        }
                    }
                    times
                })
                .collect();
            let others =
                contestants.iter().take_while(|one| one.entrant.role != Role::Peer).count();
            interleaved(contestants.len(), others, rounds, |at| {
                let spent = self.round(&crew, threads, at, times[at]);
                spent.as_nanos() as u64 * 1_000 / times[at]
            })
        })
    }

    /// A round of the next instrument of one of them.
    fn round(&mut self, crew: &Crew<'a>, threads: usize, at: usize, times: u64) -> Duration {
        let instruments = &self.contestants[at].instruments;
        let turn = self.rounds[at] % instruments.len();
        self.rounds[at] += 1;
        self.done[at][turn] += times * threads as u64;
        let instrument = &instruments[turn];
        let spent = crew.timed(|thread| thread, move |&thread| (instrument.work)(thread, times));
        if let Some(settle) = &instrument.settle {
            crew.each(settle);
        }
        spent
    }

    fn are_counted(&self) -> bool {
        let mut are_counted = true;
        for (Contestant { entrant, instruments }, done) in self.contestants.iter().zip(&self.done) {
            for (Instrument { count, .. }, done) in instruments.iter().zip(done) {
                let counted = count.as_ref().map_or(*done, |count| count());
                if counted != *done {
                    let [counted, done] = [counted, *done].map(grouped);
                    println!("WRONG: {} has counted {counted} of {done} records.\n", entrant.name);
                    are_counted = false;
                }
            }
        }
        are_counted
    }
}

fn findings(case: &str, contestants: &[Contestant], spreads: &Spreads) -> Vec<Finding> {
    let of_one = |(one, spreads): (&Contestant, &[Spread; THREADS.len()])| {
        let who = (one.entrant.name, one.entrant.role);
        let note = one.instruments[0].note;
        let finding = |(threads, &spread)| {
            Finding::new(case, who, threads, ("ns", 1_000.0), spread).note(note)
        };
        THREADS.into_iter().zip(spreads).map(finding).collect::<Vec<_>>()
    };
    contestants.iter().zip(spreads).flat_map(of_one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instrument_counts_what_it_did() {
        let _alone = nm::COUNTED_ALONE.lock().expect("the other test passes");
        for (operation, _) in OPERATIONS {
            for entrant in &ENTRANTS {
                let Ok(instrument) = entrant.offer(operation) else { continue };
                std::thread::scope(|scope| {
                    for thread in 0..2 {
                        let Instrument { work, settle, .. } = &instrument;
                        scope.spawn(move || {
                            work(thread, 10_000);
                            settle.iter().for_each(|settle| settle(thread));
                        });
                    }
                });
                let counted = instrument.count.map_or(20_000, |count| count());
                assert_eq!(counted, 20_000, "{}, {operation:?}", entrant.name);
            }
        }
    }
}
