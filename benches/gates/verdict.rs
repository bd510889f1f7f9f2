//! What a gate found, the table of all of them, and how the run ends.

use crate::options::Options;
use std::process::ExitCode;

/// One gate's result. `measured` must not exceed `bound`.
pub struct Verdict {
    pub gate: &'static str,
    /// What is measured against, in nanoseconds: the floor, or the noise of the machine.
    pub floor_ns: f64,
    pub quipu_ns: f64,
    pub measured: f64,
    pub bound: f64,
    pub unit: &'static str,
    /// Whether the machine was quiet enough to tell.
    pub decidable: bool,
    /// How to look closer.
    pub look: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Held,
    Undecided,
    Missed,
}

impl Verdict {
    pub fn outcome(&self) -> Outcome {
        if self.measured <= self.bound {
            Outcome::Held
        } else if self.decidable {
            Outcome::Missed
        } else {
            Outcome::Undecided
        }
    }

    /// Keeps the better one of two measurements of the same gate.
    pub fn keep_better(&mut self, other: Self) {
        let better = |verdict: &Self| (verdict.outcome(), verdict.measured);
        if better(&other) < better(self) {
            *self = other;
        }
    }
}

pub fn print_table(verdicts: &[Verdict], attempt: u32) {
    println!("\nmeasurement {attempt}; the best of each gate so far, times in ns");
    println!("{:<38} {:>9} {:>9} {:>9} {:>9}", "gate", "floor", "quipu", "measured", "bound");
    for verdict in verdicts {
        let outcome = match verdict.outcome() {
            Outcome::Held => "ok",
            Outcome::Undecided => "UNDECIDED",
            Outcome::Missed => "MISSED",
        };
        println!(
            "{:<38} {:>9.2} {:>9.2} {:>6.2} {:<2} {:>6.2} {:<2} {outcome}",
            verdict.gate,
            verdict.floor_ns,
            verdict.quipu_ns,
            verdict.measured,
            verdict.unit,
            verdict.bound,
            verdict.unit,
        );
    }
}

/// Says what went wrong and how to look closer, and chooses the exit code.
pub fn conclude(verdicts: &[Verdict], options: &Options) -> ExitCode {
    let mut code = 0;
    for verdict in verdicts {
        let over = (verdict.measured / verdict.bound - 1.0) * 100.0;
        match verdict.outcome() {
            Outcome::Held => {}
            Outcome::Missed => {
                code = 1;
                eprintln!(
                    "\nMISSED: {}: {:.2} {unit}, {over:.0} % over the bound of {:.2} {unit}.\n\
                     Look closer: {}",
                    verdict.gate,
                    verdict.measured,
                    verdict.bound,
                    verdict.look,
                    unit = verdict.unit,
                );
            }
            Outcome::Undecided => {
                code = match code {
                    0 if !options.allow_undecided => 2,
                    other => other,
                };
                eprintln!(
                    "\nUNDECIDED: {}: {:.0} ns is over the bound, but so is the machine's own \
                     noise, {:.0} ns (inf: too few snapshots were taken meanwhile).\n\
                     This is not a pass: repeat it on a quiet machine, with two free cores, or \
                     accept it with --allow-undecided.",
                    verdict.gate, verdict.quipu_ns, verdict.floor_ns,
                );
            }
        }
    }
    if code == 1 {
        eprintln!(
            "\nIf the machine is busy: cargo bench --bench gates -- --slack 0.30 --best-of 3"
        );
    }
    ExitCode::from(code)
}
