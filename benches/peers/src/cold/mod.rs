//! Cold records: to metrics that were not used for a while, so that nothing of them is in a cache.
//! What they take, and how many lines of a cache each touches.
//!
//! A thread has many metrics. In a round it walks over more memory than the largest cache has,
//! which also takes the place of what the processor knows about pages, and then records once to
//! each of a few of them that are drawn; each record is finished before the next begins where the
//! processor has an instruction for that.
#![forbid(unsafe_code)]

mod lines;

use crate::caches::Walk;
use crate::fence::wait_for_loads;
use crate::libraries::{
    Counters, Histograms, Library, Reason, contatori, fast_telemetry, measured, metrics_exporter,
    metrics_lib, metriken, nm, opentelemetry, prometheus, prometheus_client, quipu,
};
use crate::measure::{Spread, interleaved, with_warm_up};
use crate::report::{Table, grouped, nanoseconds, ratio};
use crate::results::{Finding, Results, Role};
use std::cell::Cell;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

const ROUNDS: usize = 40;
/// Metrics that a round records to.
const DRAWN: usize = 64;

const WORDS_OF_A_LINE: usize = 8;
const WORDS_OF_A_PAGE: usize = 512;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Histogram,
}

const KINDS: [(Kind, &str); 2] = [(Kind::Counter, "counter"), (Kind::Histogram, "histogram")];

impl Kind {
    fn metrics(self) -> usize {
        match self {
            Self::Counter => 4_096,
            Self::Histogram => 256,
        }
    }
}

/// Records once to each of some metrics.
type Record = Box<dyn Fn(&[u16])>;

/// Metrics of one kind.
struct Metrics {
    record: Record,
    count: Option<Box<dyn Fn() -> u64>>,
    /// What is to be done between rounds.
    settle: Box<dyn Fn()>,
}

struct Entrant {
    name: &'static str,
    role: Role,
    metrics: fn(Kind) -> Result<Metrics, Reason>,
}

impl Entrant {
    const fn of<L: Library>(role: Role) -> Self {
        Self { name: L::NAME, role, metrics: of_library::<L> }
    }
}

/// What all others are compared with: the loop alone.
const NOTHING: usize = 2;

const ENTRANTS: [Entrant; 20] = [
    Entrant::of::<quipu::Quipu>(Role::Quipu),
    Entrant { name: <quipu::ByIndex as Library>::NAME, role: Role::Quipu, metrics: family },
    Entrant { name: "nothing recorded", role: Role::Floor, metrics: nothing },
    Entrant { name: "a Cell of an array", role: Role::Floor, metrics: cells },
    Entrant { name: "a Cell of a page of its own", role: Role::Floor, metrics: pages },
    Entrant::of::<contatori::Contatori>(Role::Peer),
    Entrant::of::<fast_telemetry::WithHistograms>(Role::Peer),
    Entrant {
        name: <fast_telemetry::WithDistributions as Library>::NAME,
        role: Role::Peer,
        metrics: distributions,
    },
    Entrant::of::<measured::Measured>(Role::Peer),
    Entrant::of::<metrics_exporter::MetricsExporter>(Role::Peer),
    Entrant::of::<metrics_lib::Plain>(Role::Peer),
    Entrant::of::<metrics_lib::Sharded>(Role::Peer),
    Entrant::of::<metriken::Plain>(Role::Peer),
    Entrant::of::<metriken::Sharded>(Role::Peer),
    Entrant::of::<nm::Nm<nm::Pulled>>(Role::Peer),
    Entrant::of::<nm::Nm<nm::Pushed>>(Role::Peer),
    Entrant::of::<opentelemetry::Unbound>(Role::Peer),
    Entrant::of::<opentelemetry::Bound>(Role::Peer),
    Entrant::of::<prometheus::Prometheus>(Role::Peer),
    Entrant::of::<prometheus_client::PrometheusClient>(Role::Peer),
];

fn of_library<L: Library>(kind: Kind) -> Result<Metrics, Reason> {
    let mut library = L::new();
    let record: Record = match kind {
        Kind::Counter => {
            let all = library.counters(kind.metrics());
            Box::new(move |drawn| each(drawn, |at| all.increment(at)))
        }
        Kind::Histogram => {
            let all = library.histograms(kind.metrics())?;
            Box::new(move |drawn| each(drawn, |at| all.record(at, latency_ns(at))))
        }
    };
    let library = Rc::new(library);
    let settled = library.clone();
    Ok(Metrics {
        record,
        count: Some(Box::new(move || library.count())),
        settle: Box::new(move || settled.settle(0)),
    })
}

fn distributions(kind: Kind) -> Result<Metrics, Reason> {
    match kind {
        Kind::Counter => Err("it is that of another entrant of this library"),
        Kind::Histogram => of_library::<fast_telemetry::WithDistributions>(kind),
    }
}

fn family(kind: Kind) -> Result<Metrics, Reason> {
    match kind {
        Kind::Counter => of_library::<quipu::ByIndex>(kind),
        Kind::Histogram => Err("it is that of another entrant of this library"),
    }
}

fn nothing(_: Kind) -> Result<Metrics, Reason> {
    Ok(uncounted(|drawn| each(drawn, |at| _ = black_box(at))))
}

/// A cell in the same line as its neighbours, as counters are; or alone in one.
fn cells(kind: Kind) -> Result<Metrics, Reason> {
    Ok(cells_apart(kind, if kind == Kind::Counter { 1 } else { WORDS_OF_A_LINE }))
}

/// A cell in a page of its own, so that the processor has to look for that as well; not all at the
/// same place in theirs, which would be the same set of a cache.
fn pages(kind: Kind) -> Result<Metrics, Reason> {
    Ok(cells_apart(kind, WORDS_OF_A_PAGE + WORDS_OF_A_LINE))
}

fn cells_apart(kind: Kind, words: usize) -> Metrics {
    let cells: Vec<_> = (0..kind.metrics() * words).map(|_| Cell::new(0_u64)).collect();
    uncounted(move |drawn| each(drawn, |at| cells[at * words].update(|count| count + 1)))
}

fn uncounted(record: impl Fn(&[u16]) + 'static) -> Metrics {
    Metrics { record: Box::new(record), count: None, settle: Box::new(|| ()) }
}

/// Does `operation` for each, one after the other.
#[inline(always)]
fn each(drawn: &[u16], operation: impl Fn(usize)) {
    for &at in drawn {
        operation(at.into());
        black_box(());
        wait_for_loads();
    }
}

/// About a millisecond.
fn latency_ns(at: usize) -> u64 {
    1_000_000 + at as u64 * 1_000
}

/// Measures for a number of rounds, or does what another process was started for.
pub fn run(arguments: &[String], results: &mut Results) -> Option<bool> {
    if let [lines::CASE, name, kind] = &arguments.iter().map(String::as_str).collect::<Vec<_>>()[..]
    {
        return lines::alone(name, kind);
    }
    let rounds = crate::number(arguments)?.unwrap_or(ROUNDS);
    let walk = Walk::of_last_level();
    println!(
        "Cold records of one thread: after a walk over {} MiB, {DRAWN} metrics of a kind are\n\
         drawn and recorded to once, each record finished before the next; {rounds} rounds.\n\
         Nanoseconds of one record, with the loop around it.\n",
        walk.mebibytes()
    );
    let mut is_exact = true;
    for (kind, name) in KINDS {
        is_exact &= times(kind, &format!("cold {name}"), &walk, rounds, results);
    }
    Some(is_exact & lines::count(results))
}

fn times(kind: Kind, case: &str, walk: &Walk, rounds: usize, results: &mut Results) -> bool {
    let mut contestants = Vec::new();
    for entrant in &ENTRANTS {
        match (entrant.metrics)(kind) {
            Ok(metrics) => contestants.push((entrant, metrics)),
            Err(reason) if entrant.role == Role::Peer => results.gap(case, entrant.name, reason),
            Err(_) => {}
        }
    }
    let everyone: Vec<_> = (0..kind.metrics() as u16).collect();
    contestants.iter().for_each(|(_, metrics)| (metrics.record)(&everyone));
    let mut random = fastrand::Rng::with_seed(3);
    let others = contestants.iter().filter(|(entrant, _)| entrant.role != Role::Peer).count();
    let samples = interleaved(contestants.len(), others, rounds, |at| {
        let metrics = &contestants[at].1;
        (metrics.settle)();
        walk.walk();
        let drawn = random.choose_multiple(everyone.iter().copied(), DRAWN);
        let start = Instant::now();
        (metrics.record)(&drawn);
        start.elapsed().as_nanos() as u64 * 1_000 / DRAWN as u64
    });
    let spreads: Vec<_> = samples.into_iter().map(Spread::of).collect();
    print(case, &contestants, &spreads);
    for ((entrant, _), &spread) in contestants.iter().zip(&spreads) {
        let who = (entrant.name, entrant.role);
        results.findings.push(Finding::new(case, who, 1, ("ns", 1_000.0), spread));
    }
    let recorded = (kind.metrics() + DRAWN * with_warm_up(rounds)) as u64;
    contestants.iter().fold(true, |is_exact, (entrant, metrics)| {
        is_exact & is_counted(entrant, metrics, recorded)
    })
}

fn is_counted(entrant: &Entrant, metrics: &Metrics, recorded: u64) -> bool {
    (metrics.settle)();
    let counted = metrics.count.as_ref().map_or(recorded, |count| count());
    if counted != recorded {
        let [counted, recorded] = [counted, recorded].map(grouped);
        println!("WRONG: {} has counted {counted} of {recorded} records.\n", entrant.name);
    }
    counted == recorded
}

fn print(case: &str, contestants: &[(&Entrant, Metrics)], spreads: &[Spread]) {
    let headings = [case, "median", "p10 .. p90", "best", "/ fastest peer"];
    let mut table = Table::new(headings);
    let peers = contestants.iter().zip(spreads).filter(|((one, _), _)| one.role == Role::Peer);
    let fastest = peers.map(|(_, spread)| spread.median).min().expect("peers take part");
    for ((entrant, _), &Spread { best, low, median, high }) in contestants.iter().zip(spreads) {
        table.row([
            entrant.name.into(),
            nanoseconds(median),
            format!("{} .. {}", nanoseconds(low), nanoseconds(high)),
            nanoseconds(best),
            ratio(median, fastest),
        ]);
    }
    table.print();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_record_to_one_of_many_is_counted() {
        let _alone = nm::COUNTED_ALONE.lock().expect("the other test passes");
        for (kind, _) in KINDS {
            for entrant in &ENTRANTS {
                let Ok(metrics) = (entrant.metrics)(kind) else { continue };
                (metrics.record)(&[0, 7, 7, 255]);
                assert!(is_counted(entrant, &metrics, 4), "{}, {kind:?}", entrant.name);
            }
        }
    }
}
