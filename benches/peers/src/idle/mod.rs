//! The first records after a pause: of a thread that slept while others used the caches, as one
//! that waits for a request does. It then records a burst as some requests would.
#![forbid(unsafe_code)]

use crate::caches::Walk;
use crate::libraries::{
    Counter, Gauge, Histogram, Library, Reason, contatori, fast_telemetry, measured,
    metrics_exporter, metrics_lib, metriken, nm, opentelemetry, prometheus, prometheus_client,
    quipu,
};
use crate::measure::{Spread, interleaved, with_warm_up};
use crate::report::{Table, grouped, nanoseconds, ratio};
use crate::results::{Finding, Results, Role};
use std::hint::black_box;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

const BURSTS: usize = 200;
const PAUSE: Duration = Duration::from_millis(3);
/// Requests of a burst.
const REQUESTS: u64 = 13;
/// Records of a request: three counters, a gauge and a histogram, in turn.
const RECORDS: u64 = 5;
/// Those of a request that count.
const COUNTED: u64 = 4;
/// Requests that each has had before.
const BEFORE: u64 = 1_000;

/// A service's metrics.
struct Service {
    /// Records what the request of this number took.
    request: Box<dyn Fn(u64)>,
    count: Option<Box<dyn Fn() -> u64>>,
    settle: Box<dyn Fn()>,
}

struct Entrant {
    name: &'static str,
    role: Role,
    service: fn() -> Result<Service, Reason>,
}

impl Entrant {
    const fn of<L: Library>(role: Role) -> Self {
        Self { name: L::NAME, role, service: of_library::<L> }
    }
}

const ENTRANTS: [Entrant; 17] = [
    Entrant::of::<quipu::Quipu>(Role::Quipu),
    Entrant { name: "nothing recorded", role: Role::Floor, service: nothing },
    Entrant::of::<contatori::Contatori>(Role::Peer),
    Entrant::of::<fast_telemetry::WithHistograms>(Role::Peer),
    Entrant::of::<fast_telemetry::WithDistributions>(Role::Peer),
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

fn of_library<L: Library>() -> Result<Service, Reason> {
    let mut library = L::new();
    let counters = [library.counter(), library.counter(), library.counter()];
    let gauge = library.gauge()?;
    let histogram = library.histogram()?;
    let request = move |number| {
        for counter in &counters {
            counter.increment();
            black_box(());
        }
        gauge.set(number as f64);
        black_box(());
        histogram.record(1_000_000 + number * 1_000);
    };
    let library = Rc::new(library);
    let settled = library.clone();
    Ok(Service {
        request: Box::new(request),
        count: Some(Box::new(move || library.count())),
        settle: Box::new(move || settled.settle(0)),
    })
}

fn nothing() -> Result<Service, Reason> {
    let request = Box::new(|number| _ = black_box(number));
    Ok(Service { request, count: None, settle: Box::new(|| ()) })
}

/// What a burst took, in picoseconds.
struct Burst {
    first_request: u64,
    each_record: u64,
}

pub fn run(bursts: Option<usize>, results: &mut Results) -> bool {
    let bursts = bursts.unwrap_or(BURSTS);
    let mut contestants = Vec::new();
    for entrant in &ENTRANTS {
        match (entrant.service)() {
            Ok(service) => contestants.push((entrant, service)),
            Err(reason) => results.gap(FIRST, entrant.name, reason),
        }
    }
    for (_, service) in &contestants {
        (0..BEFORE).for_each(|number| (service.request)(number));
        (service.settle)();
    }
    let walk = Walk::of_last_level();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "Bursts after idle: a thread sleeps for {PAUSE:?}, while one on each of {cores} cores\n\
         walks over {} MiB, and then records what {REQUESTS} requests would, {RECORDS} records each;\n\
         {bursts} bursts. Nanoseconds of the first request, and of a record of the burst.\n",
        walk.mebibytes()
    );
    let of_each = measured_bursts(&contestants, &walk, cores, bursts);
    for (case, of_a_burst) in CASES {
        let samples: Vec<Vec<_>> =
            of_each.iter().map(|bursts| bursts.iter().map(of_a_burst).collect()).collect();
        report(case, &contestants, &samples, results);
    }
    for gap in results.gaps.iter().filter(|gap| gap.case == FIRST) {
        println!("  {}: {}", gap.entrant, gap.reason);
    }
    println!();
    let requests = BEFORE + REQUESTS * with_warm_up(bursts) as u64;
    contestants.iter().fold(true, |is_exact, (entrant, service)| {
        is_exact & is_counted(entrant, service, requests * COUNTED)
    })
}

const FIRST: &str = "burst after idle, first";

/// What is reported of a burst.
type Figure = fn(&Burst) -> u64;

const CASES: [(&str, Figure); 2] =
    [(FIRST, |burst| burst.first_request), ("burst after idle, mean", |burst| burst.each_record)];

fn measured_bursts(
    contestants: &[(&Entrant, Service)],
    walk: &Walk,
    cores: usize,
    bursts: usize,
) -> Vec<Vec<Burst>> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while !is_over.load(Relaxed) {
                    walk.walk();
                }
            });
        }
        let others = contestants.iter().filter(|(entrant, _)| entrant.role != Role::Peer).count();
        let of_each = interleaved(contestants.len(), others, bursts, |at| {
            let service = &contestants[at].1;
            (service.settle)();
            std::thread::sleep(PAUSE);
            burst(service)
        });
        is_over.store(true, Relaxed);
        of_each
    })
}

fn burst(service: &Service) -> Burst {
    // The clock itself is as cold, and would be most of what is measured.
    black_box(Instant::now().elapsed());
    let start = Instant::now();
    (service.request)(0);
    let first = start.elapsed();
    (1..REQUESTS).for_each(|number| (service.request)(number));
    let all = start.elapsed();
    let [first_request, all] = [first, all].map(|elapsed| elapsed.as_nanos() as u64 * 1_000);
    Burst { first_request, each_record: all / (REQUESTS * RECORDS) }
}

fn report(
    case: &str,
    contestants: &[(&Entrant, Service)],
    samples: &[Vec<u64>],
    results: &mut Results,
) {
    let spreads: Vec<_> =
        samples.iter().map(|samples| Spread::of(samples.iter().copied())).collect();
    let mut table = Table::new([case, "median", "p10 .. p90", "p99", "/ fastest peer", "p99"]);
    let late: Vec<_> = samples.iter().map(|samples| percentile_99(samples)).collect();
    let peers = || (0..contestants.len()).filter(|&at| contestants[at].0.role == Role::Peer);
    let fastest = peers().map(|at| spreads[at].median).min().expect("peers take part");
    let fastest_late = peers().map(|at| late[at]).min().expect("peers take part");
    for (at, (entrant, _)) in contestants.iter().enumerate() {
        let Spread { low, median, high, .. } = spreads[at];
        table.row([
            entrant.name.into(),
            nanoseconds(median),
            format!("{} .. {}", nanoseconds(low), nanoseconds(high)),
            nanoseconds(late[at]),
            ratio(median, fastest),
            ratio(late[at], fastest_late),
        ]);
        let who = (entrant.name, entrant.role);
        results.findings.push(Finding::new(case, who, 1, ("ns", 1_000.0), spreads[at]));
        let (case, late) = (format!("{case}, p99"), Spread::of([late[at]]));
        results.findings.push(Finding::new(case, who, 1, ("ns", 1_000.0), late));
    }
    table.print();
}

fn percentile_99(samples: &[u64]) -> u64 {
    let mut samples = samples.to_vec();
    samples.sort_unstable();
    samples[(samples.len() * 99).div_ceil(100) - 1]
}

fn is_counted(entrant: &Entrant, service: &Service, recorded: u64) -> bool {
    (service.settle)();
    let counted = service.count.as_ref().map_or(recorded, |count| count());
    if counted != recorded {
        let [counted, recorded] = [counted, recorded].map(grouped);
        println!("WRONG: {} has counted {counted} of {recorded} records.\n", entrant.name);
    }
    counted == recorded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_counted() {
        for entrant in &ENTRANTS {
            let Ok(service) = (entrant.service)() else { continue };
            burst(&service);
            assert!(is_counted(entrant, &service, REQUESTS * COUNTED), "{}", entrant.name);
        }
    }

    #[test]
    fn one_of_a_hundred_is_later() {
        assert_eq!(percentile_99(&(1..=200).rev().collect::<Vec<_>>()), 198);
        assert_eq!(percentile_99(&[7]), 7);
    }
}
