//! A scrape: the snapshot and the Prometheus text of 10,000 counters and 100 histograms that eight
//! threads record to.
//!
//! A turn is two scrapes of one peer, each after the threads have recorded a little to it: the
//! first one finds the processor's caches full of what others did, the second one as the first has
//! left them.
#![forbid(unsafe_code)]

mod check;
mod metrics_exporter;
mod prometheus;
mod prometheus_client;
mod quipu;
mod workload;

use crate::allocations::Allocations;
use crate::crew::Crew;
use crate::exposition::Scrape;
use crate::measure::{Spread, interleaved};
use crate::report::{Table, grouped, microseconds, range, ratio};
use crate::results::{Finding, Results, Role};
use check::Check;
use std::hint::black_box;
use std::time::Instant;
use workload::THREADS;

const ROUNDS: usize = 100;

/// A library that has the workload's series.
trait Peer: Sync {
    fn add(&self, counter: usize, n: u64);

    fn record(&self, histogram: usize, elapsed_ns: u64);

    fn ways(&self) -> Vec<Way<'_>>;
}

/// One way to scrape a peer.
struct Way<'p> {
    name: &'static str,
    scrape: Box<dyn Scrape + 'p>,
}

/// A way to scrape, and the peer that it belongs to.
struct Subject<'p> {
    way: Way<'p>,
    peer: usize,
}

/// What one scrape took.
#[derive(Clone, Copy)]
struct Taken {
    ns: u64,
    text_bytes: u64,
    allocations: Allocations,
}

/// The position of quipu among the peers.
const QUIPU: usize = 0;

pub fn run(rounds: Option<usize>, results: &mut Results) -> bool {
    let rounds = rounds.unwrap_or(ROUNDS);
    let peers: [&dyn Peer; 4] = [
        &quipu::Quipu::new(),
        &prometheus_client::PrometheusClient::new(),
        &prometheus::Prometheus::new(),
        &metrics_exporter::MetricsExporter::new(),
    ];
    std::thread::scope(|scope| {
        let crew = Crew::start(scope, THREADS);
        for peer in peers {
            crew.each(move |thread| workload::record_first(peer, thread));
        }
        let mut subjects = subjects(&peers);
        introduce(rounds);
        let agreed = check(&mut subjects, &[0; 4]);

        let mut steps = [0; 4];
        // Between two scrapes of quipu there is another peer, which has the caches for itself.
        let others = subjects.iter().take_while(|subject| subject.peer == QUIPU).count();
        let samples = interleaved(subjects.len(), others, rounds, |at| {
            let Subject { way, peer } = &mut subjects[at];
            [(); 2].map(|()| {
                let (peer, step) = (peers[*peer], &mut steps[*peer]);
                let this_step = *step;
                *step += 1;
                crew.each(move |thread| workload::record_more(peer, thread, this_step));
                measured(way)
            })
        });
        report(&subjects, &samples);
        results.findings.extend(findings(&subjects, &samples));
        println!("The samples once more, after all that was recorded in between:\n");
        check(&mut subjects, &steps) && agreed
    })
}

/// The ways of all peers, those of quipu first.
fn subjects<'p>(peers: &[&'p dyn Peer]) -> Vec<Subject<'p>> {
    let ways = |(peer, of): (usize, &&'p dyn Peer)| {
        of.ways().into_iter().map(move |way| Subject { way, peer })
    };
    peers.iter().enumerate().flat_map(ways).collect()
}

fn measured(way: &mut Way<'_>) -> Taken {
    let (allocations, (ns, text_bytes)) = Allocations::during(|| {
        let start = Instant::now();
        let text = black_box(way.scrape.scrape());
        (start.elapsed().as_nanos() as u64, text.len() as u64)
    });
    Taken { ns, text_bytes, allocations }
}

fn introduce(rounds: usize) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "{} counters and {} histograms of {} records each, by {THREADS} threads, on {cores} cores; \
         {rounds} rounds.",
        grouped(workload::COUNTERS as u64),
        workload::HISTOGRAMS,
        grouped(workload::RECORDS as u64),
    );
    println!(
        "Shards of quipu in use by the threads: {}.\n",
        ::quipu::store_usage().shards_ever_used
    );
    println!(
        "Every peer has to write the same samples. As other lines, prometheus-client ends with\n\
         OpenMetrics' `# EOF`, and metrics-exporter-prometheus leaves one empty after each name.\n"
    );
}

fn check(subjects: &mut [Subject<'_>], steps: &[usize]) -> bool {
    let mut check = Check::new();
    for Subject { way, peer } in subjects {
        let text = way.scrape.scrape();
        if !text.is_empty() {
            check.add(way.name, text, steps[*peer]);
        }
    }
    check.finish()
}

fn report(subjects: &[Subject<'_>], samples: &[Vec<[Taken; 2]>]) {
    let times = |subject: usize, which: usize| times(&samples[subject], which);
    let fastest = [0, 1].map(|which| {
        let others = (0..subjects.len()).filter(|&at| subjects[at].peer != QUIPU);
        others.map(|at| times(at, which).median).min().expect("quipu has peers")
    });
    println!(
        "First: after a scrape of another peer. Again: right after it. Something was recorded to\n\
         every series before each. Bytes and allocations are medians of both.\n"
    );
    let mut table = Table::new([
        "scrape",
        "first, us",
        "p10 .. p90",
        "/ fastest peer",
        "again, us",
        "p10 .. p90",
        "/ fastest peer",
        "text bytes",
        "allocations",
        "bytes allocated",
    ]);
    for (at, subject) in subjects.iter().enumerate() {
        let [first, again] = [0, 1].map(|which| times(at, which));
        let median =
            |what: fn(&Taken) -> u64| Spread::of(samples[at].iter().flatten().map(what)).median;
        table.row([
            subject.way.name.into(),
            microseconds(first.median),
            range(first),
            ratio(first.median, fastest[0]),
            microseconds(again.median),
            range(again),
            ratio(again.median, fastest[1]),
            grouped(median(|taken| taken.text_bytes)),
            grouped(median(|taken| taken.allocations.count)),
            grouped(median(|taken| taken.allocations.bytes)),
        ]);
    }
    table.print();
}

/// The first or the second times of a turn.
fn times(samples: &[[Taken; 2]], which: usize) -> Spread {
    Spread::of(samples.iter().map(|taken| taken[which].ns))
}

/// The times of those that make a text, after others have had the caches.
fn findings(subjects: &[Subject<'_>], samples: &[Vec<[Taken; 2]>]) -> Vec<Finding> {
    let series = workload::COUNTERS + workload::HISTOGRAMS;
    let case = format!("scrape, {} series, {THREADS} threads", grouped(series as u64));
    let all = subjects.iter().zip(samples);
    let writers = all.filter(|(_, samples)| samples.iter().all(|[first, _]| first.text_bytes > 0));
    let finding = |(subject, samples): (&Subject<'_>, &Vec<[Taken; 2]>)| {
        let role = if subject.peer == QUIPU { Role::Quipu } else { Role::Peer };
        let who = (subject.way.name, role);
        Finding::new(&case, who, THREADS, ("us", 1_000.0), times(samples, 0)).of_series(series)
    };
    writers.map(finding).collect()
}
