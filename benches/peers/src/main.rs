//! quipu beside its peers, each doing the same work in the same process.
//!
//! `cargo run --release --manifest-path benches/peers/Cargo.toml -- CASE [ROUNDS]`

mod allocations;
mod crew;
mod facade;
mod measure;
mod report;
mod scrape;

use std::process::ExitCode;

/// Measures in so many rounds, or as many as suit it; true if the peers' results agree.
type Case = fn(rounds: Option<usize>) -> bool;

const CASES: [(&str, Case); 2] = [("scrape", scrape::run), ("facade", facade::run)];

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match chosen(&arguments) {
        Some((case, rounds)) if case(rounds) => ExitCode::SUCCESS,
        Some(_) => ExitCode::FAILURE,
        None => {
            eprintln!("usage: quipu-peers CASE [ROUNDS], where CASE is one of:");
            CASES.iter().for_each(|(name, _)| eprintln!("  {name}"));
            ExitCode::from(2)
        }
    }
}

fn chosen(arguments: &[String]) -> Option<(Case, Option<usize>)> {
    let (name, rounds) = match arguments {
        [name] => (name, None),
        [name, rounds] => (name, Some(rounds.parse().ok().filter(|&rounds| rounds > 0)?)),
        _ => return None,
    };
    let (_, case) = CASES.iter().find(|(case, _)| case == name)?;
    Some((*case, rounds))
}
