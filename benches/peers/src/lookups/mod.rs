//! Look-ups: a record through two label values that are known only at run time, and what that costs
//! quipu by the number and the length of labels, and under a flood of values that are alike.
//!
//! Series that exist are found in an order that is drawn. Values never seen come to quipu,
//! fast-telemetry and OpenTelemetry past their limits, which are what exists; to the others, which have
//! none, until they have grown by [`MOST_GROWN`] series.
#![forbid(unsafe_code)]

mod fast_telemetry;
mod measured;
mod metrics_exporter;
mod opentelemetry;
mod prometheus;
mod prometheus_client;
mod quipu;
mod shapes;
mod workload;

use crate::crew::Crew;
use crate::labels::{self, Labels};
use crate::measure::{Spread, interleaved};
use crate::report::{Table, grouped, nanoseconds, ratio};
use crate::results::{Finding, Results, Role};
use std::cell::Cell;
use workload::{Order, RECORDS, STRANGERS};

const ROUNDS: usize = 20;
const SERIES: [usize; 3] = [16, 256, 4_096];
const THREADS: [usize; 4] = [1, 2, 4, 8];
/// Series of the look-ups that are shown beside other ways to record, on more threads as well.
const SHOWN: usize = 256;
const MORE_THREADS: [usize; 2] = [16, 32];

/// The counter's name, to those who write a text of it.
const NAME: &str = "http_server_requests";

/// What a peer without a limit grows by before it is measured no more.
const MOST_GROWN: usize = 50_000;

/// A counter with two labels.
trait Peer: Sync {
    /// Adds 1 to the series of the labels at each position of `order`.
    fn count(&self, labels: &[Labels], order: &Order);

    /// The sum of all of its series.
    fn total(&self) -> u64;
}

/// What a peer does with values that it has no series for, once it has those that are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Strangers {
    /// One series counts them all.
    Overflow,
    /// Each is a series.
    Grows,
    /// There is nothing to look up.
    NoLookup,
}

struct Contender {
    name: &'static str,
    strangers: Strangers,
    with: fn(known: &[Labels], threads: usize) -> Box<dyn Peer>,
}

/// quipu and the floor, which is no peer, come first.
const QUIPU: usize = 0;
const FIRST_PEER: usize = 2;

const CONTENDERS: [Contender; 9] = [
    Contender {
        name: "quipu",
        strangers: Strangers::Overflow,
        with: |known, _| Box::new(quipu::Quipu::new(known)),
    },
    Contender {
        name: "quipu, handles kept: the floor",
        strangers: Strangers::NoLookup,
        with: |known, _| Box::new(quipu::Kept::new(known)),
    },
    Contender {
        name: "prometheus",
        strangers: Strangers::Grows,
        with: |known, _| Box::new(prometheus::Prometheus::new(known)),
    },
    Contender {
        name: "fast-telemetry",
        strangers: Strangers::Overflow,
        with: |known, threads| Box::new(fast_telemetry::FastTelemetry::new(known, threads)),
    },
    Contender {
        name: "measured",
        strangers: Strangers::Grows,
        with: |known, _| Box::new(measured::Measured::new(known)),
    },
    Contender {
        name: "prometheus-client",
        strangers: Strangers::Grows,
        with: |known, _| Box::new(prometheus_client::PrometheusClient::new(known)),
    },
    Contender {
        name: "prometheus-client, sets kept",
        strangers: Strangers::NoLookup,
        with: |known, _| Box::new(prometheus_client::KeptSets::new(known)),
    },
    Contender {
        name: "metrics-exporter-prometheus",
        strangers: Strangers::Grows,
        with: |known, _| Box::new(metrics_exporter::MetricsExporter::new(known)),
    },
    Contender {
        name: "opentelemetry_sdk",
        strangers: Strangers::Overflow,
        with: |known, _| Box::new(opentelemetry::OpenTelemetry::new(known)),
    },
];

/// Times of a record in picoseconds, and what they were taken of.
struct Taken {
    samples: Vec<u64>,
    records: u64,
    counted: u64,
}

pub fn run(rounds: Option<usize>, results: &mut Results) -> bool {
    let rounds = rounds.unwrap_or(ROUNDS);
    introduce(rounds);
    let mut is_exact = true;
    for series in SERIES {
        let known = labels::known(series);
        let is_shown = series == SHOWN;
        for threads in THREADS.into_iter().chain(MORE_THREADS.into_iter().filter(|_| is_shown)) {
            let hits = hits(&known, threads, rounds);
            let misses = THREADS.contains(&threads).then(|| misses(&known, threads, rounds));
            report(series, threads, &hits, misses.as_deref());
            if is_shown {
                results.findings.extend(findings(threads, &hits));
            }
            is_exact &= check(&hits) & misses.as_deref().is_none_or(check);
        }
    }
    shapes::run(rounds) && is_exact
}

fn introduce(rounds: usize) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "A counter with the labels `method` and `route`, on {cores} cores; {rounds} rounds.\n\
         Nanoseconds that a core spends for one record; with more threads than cores it is shared.\n\
         Ratios are those of the best, which other programs have disturbed least; the fastest peer\n\
         is not quipu. Labels are made into what a peer asks for as part of the record, `sets kept`\n\
         aside.\n\
         Hit: {} records a round and thread, to a series drawn anew each time.\n\
         Miss: values never seen, {} a round and thread, which are counted as overflow, or else\n\
         become series, until there are {} of them.\n",
        grouped(RECORDS as u64),
        grouped(STRANGERS as u64),
        grouped(MOST_GROWN as u64),
    );
}

fn hits(known: &[Labels], threads: usize, rounds: usize) -> Vec<Taken> {
    let peers = CONTENDERS.map(|contender| (contender.with)(known, threads));
    let orders: Vec<_> = (0..threads).map(|thread| Order::drawn(thread, 0..known.len())).collect();
    let records = CONTENDERS.map(|_| Cell::new(0));
    let samples = std::thread::scope(|scope| {
        let crew = Crew::start(scope, threads);
        interleaved(peers.len(), FIRST_PEER, rounds, |at| {
            let (peer, orders) = (&peers[at], &orders);
            let elapsed =
                crew.timed(|thread| thread, move |&thread| peer.count(known, &orders[thread]));
            records[at].update(|records| records + (RECORDS * threads) as u64);
            Some(elapsed.as_nanos() as u64 * 1_000 / RECORDS as u64)
        })
    });
    taken(samples, &records, &peers)
}

fn misses(known: &[Labels], threads: usize, rounds: usize) -> Vec<Taken> {
    let peers = CONTENDERS.map(|contender| (contender.with)(known, threads));
    let orders: Vec<_> = (0..threads).map(|thread| Order::drawn(thread, 0..STRANGERS)).collect();
    let once = Order::once(STRANGERS);
    let records = CONTENDERS.map(|_| Cell::new(0));
    let mut strangers = 0;
    let samples = std::thread::scope(|scope| {
        let crew = Crew::start(scope, threads);
        interleaved(peers.len(), FIRST_PEER, rounds, |at| {
            let (peer, orders, once) = (&peers[at], &orders, &once);
            let grows = match CONTENDERS[at].strangers {
                Strangers::NoLookup => return None,
                Strangers::Grows if records[at].get() >= MOST_GROWN as u64 => return None,
                strangers => strangers == Strangers::Grows,
            };
            let first = strangers;
            strangers += STRANGERS * threads;
            let elapsed = crew.timed(
                move |thread| (thread, workload::strangers(first + STRANGERS * thread)),
                move |(thread, strangers)| {
                    peer.count(strangers, if grows { once } else { &orders[*thread] });
                },
            );
            let of_a_thread = if grows { STRANGERS } else { RECORDS } as u64;
            records[at].update(|records| records + of_a_thread * threads as u64);
            Some(elapsed.as_nanos() as u64 * 1_000 / of_a_thread)
        })
    });
    taken(samples, &records, &peers)
}

fn taken(
    samples: Vec<Vec<Option<u64>>>,
    records: &[Cell<u64>],
    peers: &[Box<dyn Peer>],
) -> Vec<Taken> {
    let of_each = samples.into_iter().zip(records).zip(peers);
    let taken = of_each.map(|((samples, records), peer)| Taken {
        samples: samples.into_iter().flatten().collect(),
        records: records.get(),
        counted: peer.total(),
    });
    taken.collect()
}

fn findings(threads: usize, hits: &[Taken]) -> Vec<Finding> {
    let of_all = CONTENDERS.iter().zip(hits).enumerate();
    let finding = |(at, (contender, taken)): (usize, (&Contender, &Taken))| {
        let role = match at {
            QUIPU => Role::Quipu,
            at if at < FIRST_PEER => Role::Floor,
            _ => Role::Peer,
        };
        let spread = Spread::of(taken.samples.iter().copied());
        let who = (contender.name, role);
        Finding::new("counter, dynamic labels", who, threads, ("ns", 1_000.0), spread)
    };
    of_all.map(finding).collect()
}

fn report(series: usize, threads: usize, hits: &[Taken], misses: Option<&[Taken]>) {
    let title =
        format!("{series} series, {threads} {}", ["threads", "thread"][usize::from(threads == 1)]);
    let mut table = Table::new([
        &*title,
        "hit, best",
        "/ fastest peer",
        "/ quipu",
        "median",
        "miss, best",
        "/ fastest peer",
        "/ quipu",
        "median",
        "series grown by",
    ]);
    let columns = [columns(hits), misses.map(columns).unwrap_or_default()];
    let none = || [(); 4].map(|()| "-".into());
    for (at, Contender { name, strangers, .. }) in CONTENDERS.iter().enumerate() {
        let of_both = columns.each_ref().map(|columns| columns.get(at).cloned());
        let [[a, b, c, d], [e, f, g, h]] = of_both.map(|columns| columns.unwrap_or_else(none));
        let grown = match (strangers, misses) {
            (_, None) => "-".into(),
            (Strangers::Overflow, _) => "0: overflow".into(),
            (Strangers::Grows, Some(misses)) => grouped(misses[at].records),
            (Strangers::NoLookup, _) => "no look-up".into(),
        };
        table.row([(*name).into(), a, b, c, d, e, f, g, h, grown]);
    }
    table.print();
}

/// The best and the median of each contender, and the ratios of the best.
fn columns(taken: &[Taken]) -> Vec<[String; 4]> {
    let spreads = taken.iter().map(|taken| match &*taken.samples {
        [] => None,
        samples => Some(Spread::of(samples.iter().copied())),
    });
    let spreads: Vec<_> = spreads.collect();
    let bests = || spreads.iter().map(|spread| spread.map(|spread| spread.best));
    let fastest = bests().skip(FIRST_PEER).flatten().min().expect("peers are measured");
    let quipu = bests().nth(QUIPU).flatten().expect("quipu is measured");
    let columns = spreads.iter().map(|spread| match spread {
        None => [(); 4].map(|()| "-".into()),
        Some(Spread { best, median, .. }) => {
            [nanoseconds(*best), ratio(*best, fastest), ratio(*best, quipu), nanoseconds(*median)]
        }
    });
    columns.collect()
}

/// Whether every record was counted.
fn check(taken: &[Taken]) -> bool {
    let mut is_exact = true;
    for (Taken { records, counted, .. }, contender) in taken.iter().zip(&CONTENDERS) {
        if records != counted {
            let [counted, records] = [*counted, *records].map(grouped);
            println!("WRONG: {} has counted {counted} of {records} records.\n", contender.name);
            is_exact = false;
        }
    }
    is_exact
}
