//! quipu beside its peers, each doing the same work in the same process, or in processes of their own
//! where memory is measured.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- CASE`; without a case it lists them.

mod allocations;
mod buckets;
mod caches;
mod cold;
mod crew;
mod facade;
mod fence;
mod idle;
mod labels;
mod libraries;
mod lookups;
mod measure;
mod records;
mod report;
mod results;
mod scrape;
mod series;

use results::Results;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures as the arguments say, or as suits it; true if the results are what was recorded. `None` if
/// it does not understand the arguments.
type Case = fn(arguments: &[String], results: &mut Results) -> Option<bool>;

const CASES: [(&str, &str, Case); 7] = [
    ("records [ROUNDS]", "what a service does on its hot path", |arguments, results| {
        Some(records::run(number(arguments)?, results))
    }),
    ("cold [ROUNDS]", "records to metrics that were not used for a while", cold::run),
    ("idle [BURSTS]", "the first records after a pause", |arguments, results| {
        Some(idle::run(number(arguments)?, results))
    }),
    ("scrape [ROUNDS]", "a snapshot and its text", |arguments, _| {
        number(arguments).map(scrape::run)
    }),
    (
        "lookups [ROUNDS]",
        "records through labels that are known only at run time",
        |arguments, _| number(arguments).map(lookups::run),
    ),
    (
        "facade [ROUNDS]",
        "the macros of the crate metrics, by its exporter and by quipu",
        |arguments, _| number(arguments).map(facade::run),
    ),
    (
        "series [MOST]",
        "registering, reading and removing series, up to so many (10,000 at least)",
        |arguments, _| series::run(arguments),
    ),
];

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args().skip(1).collect();
    let file = file(&mut arguments);
    let mut results = Results::default();
    let is_right = match run(&arguments, &mut results) {
        Some(is_right) => is_right,
        None => {
            eprintln!("usage: quipu-peers CASE [--json FILE], where CASE is one of:");
            CASES.iter().for_each(|(usage, what, _)| eprintln!("  {usage:<18} {what}"));
            return ExitCode::from(2);
        }
    };
    if let Some(file) = file {
        let json = serde_json::to_string_pretty(&results).expect("plain data");
        if let Err(error) = std::fs::write(&file, json) {
            eprintln!("{}: {error}", file.display());
            return ExitCode::FAILURE;
        }
    }
    if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Takes `--json FILE` out of the arguments.
fn file(arguments: &mut Vec<String>) -> Option<PathBuf> {
    let at = arguments.iter().position(|argument| argument == "--json")?;
    (at + 1 < arguments.len()).then(|| arguments.drain(at..at + 2).next_back().map(Into::into))?
}

fn run(arguments: &[String], results: &mut Results) -> Option<bool> {
    let (name, arguments) = arguments.split_first()?;
    let is_named = |usage: &str| usage.split(' ').next() == Some(name);
    let (_, _, case) = CASES.iter().find(|(usage, ..)| is_named(usage))?;
    case(arguments, results)
}

/// What a case is told, if it is told anything: a number above 0.
fn number(arguments: &[String]) -> Option<Option<usize>> {
    match arguments {
        [] => Some(None),
        [number] => Some(Some(number.parse().ok().filter(|&number| number > 0)?)),
        _ => None,
    }
}
