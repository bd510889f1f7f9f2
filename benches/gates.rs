//! The regression gate: fails when recording has become slower than it may be.
//!
//! ```text
//! cargo bench --bench gates
//! cargo bench --bench gates -- --slack 0.30 --best-of 3      # on a noisy machine
//! ```
//!
//! Compared is never a time with a constant but quipu with a floor measured in the same moment: a
//! thread-local cell, a plain store, `hdrhistogram`, two readings of the clock. The one absolute
//! bound is that on the slowest records, and it counts only where the machine itself is quiet
//! enough to tell.
//!
//! - `--slack 0.30` multiplies all bounds by 1.30.
//! - `--best-of 3` measures up to 3 times, until every gate has held once.
//! - `--allow-undecided` passes a gate that the machine's noise left undecided.
//!
//! The variable `QUIPU_GATES` may hold the same, for runs where arguments cannot be given. Exits
//! with 0 when all gates hold, 1 when one is missed, 2 when one stayed undecided, 3 for arguments
//! it cannot read.

#[path = "gates/beside.rs"]
mod beside;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/floor.rs"]
mod floor;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;
#[path = "gates/options.rs"]
mod options;
#[path = "gates/ratio.rs"]
mod ratio;
#[path = "gates/tail.rs"]
mod tail;
#[path = "gates/verdict.rs"]
mod verdict;

use options::Options;
use std::process::ExitCode;
use verdict::{Outcome, Verdict};

fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(Some(options)) => options,
        // `cargo test --benches` only wants to see that it starts.
        Ok(None) => return ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("gates: {complaint}");
            return ExitCode::from(3);
        }
    };
    let mut best: Vec<Verdict> = Vec::new();
    for attempt in 1..=options.best_of {
        let verdicts = measure(&options);
        if best.is_empty() {
            best = verdicts;
        } else {
            for (best, verdict) in best.iter_mut().zip(verdicts) {
                best.keep_better(verdict);
            }
        }
        verdict::print_table(&best, attempt);
        if best.iter().all(|verdict| verdict.outcome() == Outcome::Held) {
            break;
        }
    }
    verdict::conclude(&best, &options)
}

fn measure(options: &Options) -> Vec<Verdict> {
    let mut verdicts = ratio::measure(options.slack);
    verdicts.extend(tail::measure(options.slack));
    verdicts.extend(beside::measure(options.slack));
    verdicts
}
