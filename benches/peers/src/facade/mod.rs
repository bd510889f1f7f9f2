//! One program that records through `metrics`, on `metrics-exporter-prometheus` and on quipu: what a
//! call takes, what a scrape says, and what is kept until there is one.
#![forbid(unsafe_code)]

mod program;

use crate::allocations::Allocations;
use crate::crew::Crew;
use crate::measure::{Spread, interleaved};
use crate::report::{Table, grouped, ratio};
use crate::results::{Finding, Results, Role};
use metrics::{Recorder, set_default_local_recorder, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;
use program::{HISTOGRAMS, OPERATIONS, Operation};
use quipu::{MetricsRecorder, PrometheusEncoder, PrometheusFormat, PrometheusNames, Registry};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

const ROUNDS: usize = 15;
/// Calls of one operation by each thread in one sample.
const CALLS: u64 = 50_000;
/// Records between two scrapes, where memory is looked at.
const RECORDS: u64 = 1_000_000;
const BOUNDS: [f64; 5] = [0.001, 0.005, 0.01, 0.025, 0.05];

/// The program on one of the two.
struct Subject<'a> {
    name: &'static str,
    recorder: &'a (dyn Recorder + Sync),
    scrape: &'a (dyn Fn() -> String + Sync),
}

const EXPORTER: usize = 0;
const QUIPU: usize = 1;
const ROLES: [Role; 2] = [Role::Peer, Role::Quipu];

pub fn run(rounds: Option<usize>, results: &mut Results) -> bool {
    let exporter = PrometheusBuilder::new().set_buckets(&BOUNDS).expect("bounds").build_recorder();
    let handle = exporter.handle();
    let registry = Arc::new(Registry::new());
    let recorder = MetricsRecorder::new().registry(registry.clone());
    let subjects = [
        Subject {
            name: "metrics-exporter-prometheus",
            recorder: &exporter,
            scrape: &|| handle.render(),
        },
        Subject { name: "quipu", recorder: &recorder, scrape: &|| text(&registry) },
    ];
    for subject in &subjects {
        with_local_recorder(subject.recorder, program::describe);
    }
    println!(
        "The same program on both, by turns; {} calls a sample and thread. Nanoseconds of wall time\n\
         for a call of each thread: medians, and 10th to 90th percentiles.\n",
        grouped(CALLS)
    );
    for threads in [1, 2] {
        measure(&subjects, threads, rounds.unwrap_or(ROUNDS), results);
    }
    memory(&subjects, results);
    compare(&subjects)
}

fn text(registry: &Registry) -> String {
    let mut text = Vec::new();
    let (format, names) = (PrometheusFormat::Text, PrometheusNames::Underscores);
    let with_bounds =
        |encoder: PrometheusEncoder, name| encoder.bounds(name, &BOUNDS).expect("valid bounds");
    let mut encoder = HISTOGRAMS.into_iter().fold(PrometheusEncoder::new(), with_bounds);
    encoder.encode(&registry.snapshot(), format, names, &mut text);
    String::from_utf8(text).expect("the format is UTF-8")
}

fn measure(subjects: &[Subject<'_>; 2], threads: usize, rounds: usize, results: &mut Results) {
    let headings = ["", subjects[EXPORTER].name, "p10 .. p90", "quipu", "p10 .. p90", "quipu / it"];
    let mut table = Table::new(headings);
    table.row([
        format!("{threads} threads"),
        "".into(),
        "".into(),
        "".into(),
        "".into(),
        "".into(),
    ]);
    for Operation { name, call } in OPERATIONS {
        let samples = interleaved(subjects.len(), QUIPU, rounds, |at| {
            let subject = &subjects[at];
            let ps = picoseconds_a_call(subject, threads, call);
            // Not to measure how one of them keeps what nobody scrapes.
            (subject.scrape)();
            ps
        });
        let spreads = [EXPORTER, QUIPU].map(|at| Spread::of(samples[at].iter().copied()));
        let case = format!("through metrics: {name}");
        let findings = subjects.iter().zip(ROLES).zip(spreads).map(|((subject, role), spread)| {
            Finding::new(&case, (subject.name, role), threads, ("ns", 1_000.0), spread)
        });
        results.findings.extend(findings);
        let [exporter, quipu] = spreads;
        table.row([
            name.into(),
            nanoseconds(exporter.median),
            range(exporter),
            nanoseconds(quipu.median),
            range(quipu),
            ratio(quipu.median, exporter.median),
        ]);
    }
    table.print();
}

/// Until the last thread is done.
fn picoseconds_a_call(subject: &Subject<'_>, threads: usize, call: fn(u64)) -> u64 {
    std::thread::scope(|scope| {
        let crew = Crew::start(scope, threads);
        let work = move |_| {
            let _local = set_default_local_recorder(subject.recorder);
            program::prepare();
            (0..CALLS).for_each(call);
        };
        crew.each(work);
        let start = Instant::now();
        crew.each(work);
        start.elapsed().as_nanos() as u64 * 1_000 / CALLS
    })
}

fn memory(subjects: &[Subject<'_>], results: &mut Results) {
    let case = format!("through metrics: memory of {} records", grouped(RECORDS));
    println!("{} records of a histogram, and no scrape:\n", grouped(RECORDS));
    let mut table = Table::new(["", "bytes allocated", "allocations", "bytes of quipu's cells"]);
    let [record] = OPERATIONS
        .iter()
        .filter(|it| it.name == "histogram!, constant key")
        .collect::<Vec<_>>()[..]
    else {
        unreachable!("there is one operation of this name")
    };
    for (subject, role) in subjects.iter().zip(ROLES) {
        with_local_recorder(subject.recorder, || {
            (record.call)(0);
            (subject.scrape)();
            let committed = || quipu::store_usage().bytes_committed.unwrap_or(0);
            let before = committed();
            let (allocated, ()) = Allocations::during(|| (0..RECORDS).for_each(record.call));
            let cells = committed().saturating_sub(before);
            let bytes = Spread::of([allocated.bytes + cells as u64]);
            let who = (subject.name, role);
            results.findings.push(Finding::new(&case, who, 1, ("bytes", 1.0), bytes));
            table.row([
                subject.name.into(),
                grouped(allocated.bytes),
                grouped(allocated.count),
                grouped(cells as u64),
            ]);
        });
    }
    table.print();
}

/// Whether both say the same, after what was recorded to both.
fn compare(subjects: &[Subject<'_>; 2]) -> bool {
    let texts = [EXPORTER, QUIPU].map(|at| (subjects[at].scrape)());
    for (subject, text) in subjects.iter().zip(&texts) {
        println!("{}, {} bytes, of which:\n", subject.name, grouped(text.len() as u64));
        let shown = ["requests_total", "answers_total", "wait_seconds"];
        let is_shown = |line: &&str| shown.iter().any(|name| line.contains(name));
        text.lines().filter(is_shown).for_each(|line| println!("  {line}"));
        println!();
    }
    let [exporter, quipu] = texts.each_ref().map(|text| samples(text));
    let differ: Vec<_> =
        exporter.iter().filter(|&(key, value)| quipu.get(key) != Some(value)).collect();
    let agree = differ.is_empty() && exporter.len() == quipu.len();
    if agree {
        println!("All {} samples are the same.", exporter.len());
    } else {
        println!("WRONG: samples differ: {differ:?} of {} and {}", exporter.len(), quipu.len());
    }
    agree
}

/// Counters, gauges, and the counts of histograms and of their buckets without bounds, by name and
/// sorted labels. The other buckets' bounds lie inside of quipu's, and sums differ in their last digit.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let samples = lines.filter_map(|line| {
        let (series, value) = line.rsplit_once(' ').expect("a value after the series");
        let (name, labels) = series.trim_end_matches('}').split_once('{').unwrap_or((series, ""));
        let mut labels: Vec<_> = labels.split(',').collect();
        labels.sort_unstable();
        let is_inexact = name.ends_with("_sum") || series.contains("le=\"0");
        let value = value.parse().expect("a number");
        (!is_inexact).then(|| (format!("{name} {}", labels.join(" ")), value))
    });
    samples.filter(|(series, _)| !series.starts_with("quipu_")).collect()
}

fn nanoseconds(ps: u64) -> String {
    format!("{:.1}", ps as f64 / 1_000.0)
}

fn range(spread: Spread) -> String {
    format!("{} .. {}", nanoseconds(spread.low), nanoseconds(spread.high))
}
