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
//! enough to tell. Instructions are counted, by valgrind where it is installed.
//!
//! What gates there are, and which arguments, is the documentation of `quipu::gates`.

#[path = "gates/beside.rs"]
mod beside;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/floor.rs"]
mod floor;
#[path = "gates/instructions.rs"]
mod instructions;
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;
#[path = "gates/ratio.rs"]
mod ratio;
#[path = "gates/tail.rs"]
mod tail;

use quipu::gates::Gates;
use std::process::ExitCode;

fn main() -> ExitCode {
    quipu::register_thread();
    floor::expose();
    let counted = instructions::Bed::new();
    let timed = ratio::Bed::new();
    let tails = tail::Beds::new();
    let neighbours = beside::Bed::new();

    let mut gates = Gates::new();
    instructions::add(&mut gates, &counted);
    ratio::add(&mut gates, &timed);
    tail::add(&mut gates, &tails);
    beside::add(&mut gates, &neighbours);
    gates.run()
}
