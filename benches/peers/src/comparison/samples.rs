//! A small run, for tests.

use crate::results::{Finding, Gap, Results, Role};
use crate::runs::{Machine, Run};

pub const ENTRANTS: [(&str, Role); 5] = [
    ("quipu", Role::Quipu),
    ("bare cell", Role::Floor),
    ("slow & <sure>", Role::Peer),
    ("swift", Role::Peer),
    ("steady", Role::Peer),
];

/// Cases of each kind, in which quipu is first but for the gauge at 2 threads.
pub fn run() -> Run {
    let mut findings = Vec::new();
    let mut add = |case: &str, unit: &str, threads: usize, series: Option<usize>, scale: f64| {
        let medians = [0.4, 0.3, 57.0, 2.0, 3.25];
        for ((entrant, role), median) in ENTRANTS.into_iter().zip(medians) {
            let is_lost = case == "gauge" && threads == 2 && entrant == "swift";
            let median = if is_lost { 0.35 } else { median * scale };
            findings.push(Finding {
                case: case.into(),
                entrant: entrant.into(),
                role,
                threads,
                series,
                unit: unit.into(),
                best: median * 0.9,
                p10: median * 0.95,
                median,
                p90: median * 1.5,
                note: if entrant == "swift" { "no | sum".into() } else { String::new() },
            });
        }
    };
    for case in ["counter, one handle", "histogram", "gauge"] {
        for threads in [1, 2, 32] {
            add(case, "ns", threads, None, threads as f64);
        }
    }
    for (case, unit) in [("snapshot", "us"), ("scrape", "us"), ("memory", "bytes")] {
        for series in [100, 10_000, 100_000] {
            for threads in [1, 8, 64] {
                add(case, unit, threads, Some(series), series as f64 / 100.0);
            }
        }
    }
    add("cold lines, counter", "count", 1, None, 3.0);
    add("cold lines, histogram", "count", 1, None, 9.0);
    let gap = |entrant: &str| Gap {
        case: "gauge".into(),
        entrant: entrant.into(),
        reason: "it has no gauges".into(),
    };
    let names = ["quipu", "swift"].map(String::from);
    Run {
        date: "2026-11-29T19:02:11Z".into(),
        command: "quipu-peers --quick".into(),
        machine: Machine { processor: "A processor".into(), cores: 2, system: "A system 1".into() },
        rustc: "rustc 1.95.0 (f2d3ce0bd 2026-03-21)".into(),
        versions: names.into_iter().zip(["0.1.0", "1.2.3"].map(String::from)).collect(),
        commit: None,
        results: Results { findings, gaps: vec![gap("counting only")] },
    }
}
