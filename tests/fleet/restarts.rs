//! Processes that end in the middle and come again under the same name: totals begin at zero then,
//! and their start says so.
//!
//! Counts of one process cannot begin anew, so these are real ones: this test, started again.

use super::collector::Collector;
use super::exponential::{Interpolation, Merged, stated_error};
use super::otlp::Streams;
use super::otlp_reading::{Reading, Request, request};
use super::processes::{Process, fleet};
use super::truth::{Truth, rounding_of};
use super::{NEVER, PATIENCE, PROCESSES, exports};
use quipu::{Client, Registry, Temporality};
use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;

const TEST: &str = "restarts::what_processes_counted_before_they_restarted_stays_counted";
/// Where the child sends totals and deltas, who it is, and which run of it.
const VARIABLES: [&str; 4] = [
    "QUIPU_TEST_FLEET_TOTALS",
    "QUIPU_TEST_FLEET_DELTAS",
    "QUIPU_TEST_FLEET_PROCESS",
    "QUIPU_TEST_FLEET_RUN",
];
/// The processes of the fleet that restart, a slow one among them.
const MEMBERS: std::ops::Range<usize> = 4..8;

/// What a run records: the first a third and the second the rest.
fn recorded(process: &Process, run: usize) -> &[u64] {
    let (first, second) = process.values.split_at(process.values.len() / 3);
    if run == 0 { first } else { second }
}

fn member(number: usize) -> Process {
    fleet(PROCESSES).nth(number).unwrap()
}

/// What the child does.
fn run([totals, deltas, number, run]: [String; 4]) -> ! {
    let process = member(number.parse().unwrap());
    let registry = Arc::new(Registry::new());
    let otlp = |endpoint: &str| exports::otlp(endpoint, &process);
    let client = Client::builder()
        .registry(registry.clone())
        .flush_interval(NEVER)
        .exporter(otlp(&totals))
        .exporter(otlp(&deltas).temporality(Temporality::Delta))
        .start()
        .unwrap();
    let metrics = process.register(&registry);
    let values = recorded(&process, run.parse().unwrap());
    // More than a third at once, so that no total of the second run is below the last one of the
    // first.
    for part in values.chunks(process.values.len() / 3 + 1) {
        metrics.record(part);
        assert!(client.flush(PATIENCE).is_delivered());
    }
    // Without a stop, as one that is killed.
    std::process::exit(0);
}

#[test]
#[cfg_attr(miri, ignore = "starts processes")]
fn what_processes_counted_before_they_restarted_stays_counted() {
    if let [Ok(totals), Ok(deltas), Ok(number), Ok(at)] = VARIABLES.map(std::env::var) {
        run([totals, deltas, number, at]);
    }
    let (totals, deltas) = (Collector::start(), Collector::start());
    for at in 0..2 {
        for number in MEMBERS {
            let values = [totals.endpoint(), deltas.endpoint(), number.to_string(), at.to_string()];
            let program = std::env::current_exe().expect("a test knows its own file");
            let output = Command::new(program)
                .args(["--exact", TEST, "--nocapture", "--test-threads=1"])
                .envs(VARIABLES.into_iter().zip(values))
                .output()
                .expect("a test can be started again");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
    let truth = Truth::of(MEMBERS.map(|number| member(number).values));
    let requests = |collector: &Collector| -> Vec<Request> {
        collector.take().iter().map(|received| request(&received.body)).collect()
    };
    let (totals, deltas) = (requests(&totals), requests(&deltas));
    for (requests, is_delta) in [(&totals, false), (&deltas, true)] {
        let counted = Streams::of(requests, "requests");
        assert_eq!(counted.total().count, truth.count() as i64);
        let latency = Streams::of(requests, "latency");
        let restarts = if is_delta { 0 } else { MEMBERS.len() };
        assert_eq!((counted.restarts(), latency.restarts()), (restarts, restarts));
        let buckets = latency.total().buckets;
        assert_eq!((buckets.count, buckets.counted()), (truth.count(), truth.count()));
        truth.assert_sum(buckets.sum, rounding_of(requests.len()));
        for q in [0.5, 0.9, 0.99] {
            let said = buckets.quantile(q, Interpolation::Exponential);
            truth.assert_quantile(q, said, stated_error(6, 2));
        }
    }

    // Who goes by totals that fall, and not by their starts, sees no restart here.
    let seen = by_falling_totals(&totals);
    assert!(seen.count < truth.count(), "{} of {}", seen.count, truth.count());
}

/// The totals of a histogram by a reader that takes a total below the one before for a restart.
fn by_falling_totals(requests: &[Request]) -> Merged {
    let mut last = BTreeMap::<_, Merged>::new();
    let mut settled = Merged::default();
    for request in requests {
        for metric in request.metrics.iter().filter(|metric| metric.name == "latency") {
            let [point] = &metric.points[..] else { panic!("{metric:?}") };
            let Reading::Distribution(sent) = &point.reading else { panic!("{point:?}") };
            let now = Merged::of_otlp(sent);
            let before = last.insert(
                request.resource.iter().find(|it| it.0 == "service.instance.id"),
                now.clone(),
            );
            if let Some(before) = before.filter(|before| before.count > now.count) {
                settled.merge(&before);
            }
        }
    }
    last.values().for_each(|last| settled.merge(last));
    settled
}
