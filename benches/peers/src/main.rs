//! quipu beside its peers, each doing the same work in the same process, or in processes of their own
//! where memory is measured.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- CASE`; without a case it lists them.

mod allocations;
mod crew;
mod facade;
mod labels;
mod lookups;
mod measure;
mod report;
mod scrape;
mod series;

use std::process::ExitCode;

/// Measures as the arguments say, or as suits it; true if the results are what was recorded. `None` if
/// it does not understand the arguments.
type Case = fn(arguments: &[String]) -> Option<bool>;

const CASES: [(&str, &str, Case); 4] = [
    ("scrape [ROUNDS]", "a snapshot and its text", |arguments| number(arguments).map(scrape::run)),
    ("lookups [ROUNDS]", "records through labels that are known only at run time", |arguments| {
        number(arguments).map(lookups::run)
    }),
    (
        "facade [ROUNDS]",
        "the macros of the crate metrics, by its exporter and by quipu",
        |arguments| number(arguments).map(facade::run),
    ),
    (
        "series [MOST]",
        "registering, reading and removing series, up to so many (10,000 at least)",
        series::run,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Some(true) => ExitCode::SUCCESS,
        Some(false) => ExitCode::FAILURE,
        None => {
            eprintln!("usage: quipu-peers CASE, where CASE is one of:");
            CASES.iter().for_each(|(usage, what, _)| eprintln!("  {usage:<18} {what}"));
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Option<bool> {
    let (name, arguments) = arguments.split_first()?;
    let is_named = |usage: &str| usage.split(' ').next() == Some(name);
    let (_, _, case) = CASES.iter().find(|(usage, ..)| is_named(usage))?;
    case(arguments)
}

/// What a case is told, if it is told anything: a number above 0.
fn number(arguments: &[String]) -> Option<Option<usize>> {
    match arguments {
        [] => Some(None),
        [number] => Some(Some(number.parse().ok().filter(|&number| number > 0)?)),
        _ => None,
    }
}
