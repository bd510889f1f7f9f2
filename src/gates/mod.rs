//! Gates for the hot paths of a program: bounds on what an operation may cost, in a bench that fails
//! when one is missed. quipu's own benches are written with it.
//!
//! A time is never compared with a constant where that can be helped, but with another one that is
//! measured in the same moment: what it is on this machine, or without the metrics. Instructions are
//! counted, and are the same in each run.
//!
//! ```
//! // benches/hot_path.rs, which Cargo.toml names as a `[[bench]]` with `harness = false`.
//! use quipu::gates::Gates;
//! use std::process::ExitCode;
//! use std::time::Duration;
//!
//! fn main() -> ExitCode {
//!     let registry = quipu::registry();
//!     let requests = registry.counter("requests").register().expect("the name is free");
//!     let latency = registry.histogram("latency").register().expect("the name is free");
//!     let query = "user=42&sort=name".to_owned();
//!     let pairs = |query: &str| query.split('&').filter_map(|it| it.split_once('=')).count();
//!
//!     let mut gates = Gates::new();
//!     let measured = || {
//!         let _timer = latency.start();
//!         requests.increment();
//!         pairs(&query)
//!     };
//!     gates.ratio("query read, over the same without metrics", measured)
//!         .over(|| pairs(&query))
//!         .at_most(3.0);
//!     gates.tail("p99.99 of a count, snapshots running", || requests.increment())
//!         .beside(|| registry.snapshot())
//!         .at_most(Duration::from_micros(1));
//!     gates.slowdown("a count, snapshots running", || requests.increment(), || registry.snapshot())
//!         .at_most(1.1);
//!     gates.instructions("count a request", || requests.increment()).at_most(8);
//!     gates.run()
//! }
//! ```
//!
//! `cargo bench --bench hot_path` measures, and exits with 0 when all gates hold, 1 when one is missed,
//! 2 when one stayed undecided since the machine was too noisy to tell, and 3 for arguments that it
//! cannot read. `cargo test --benches` does each operation once, to see that it can be done.
//!
//! Arguments, after `--`, or in the variable `QUIPU_GATES`, where they are separated by spaces:
//!
//! - `--slack 0.30` multiplies all bounds on times by 1.30.
//! - `--best-of 3` measures up to 3 times, until every gate has held once.
//! - `--only NAME` measures the gates whose name contains that; may be given several times.
//! - `--allow-undecided` passes a gate that the machine's noise left undecided.
//! - `--deny-skipped` exits with 2 when a gate could not be measured, for want of valgrind; otherwise
//!   that is said, and is no failure.
//! - `--json FILE` writes the verdicts to a file.
//! - `--counts FOLDER` keeps callgrind's files, for `callgrind_annotate`.
#![forbid(unsafe_code)]

mod callgrind;
mod company;
mod instructions;
mod json;
mod operation;
mod options;
mod ratio;
mod run;
mod slowdown;
mod tail;
mod verdict;

pub use instructions::Instructions;
pub use operation::{Disturbance, Operation};
pub use ratio::Ratio;
pub use slowdown::Slowdown;
pub use tail::Tail;

use instructions::Counted;
use options::Task;
use ratio::Contest;
use slowdown::Pair;
use std::process::ExitCode;
use tail::Trial;

/// The gates of a bench: each is added with its bound, and all are measured by [`run`](Self::run).
///
/// Create it after what the operations borrow. Names are shown, and are what `--only` goes by: each
/// gate has its own.
#[must_use = "gates are measured by `run`"]
#[derive(Debug, Default)]
pub struct Gates<'a> {
    gates: Vec<Gate<'a>>,
}

#[derive(Debug)]
enum Gate<'a> {
    Ratio(Contest<'a>),
    Slowdown(Pair<'a>),
    Tail(Trial<'a>),
    Instructions(Counted<'a>),
}

impl<'a> Gates<'a> {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A gate on the time of an operation over that of a floor: the least times of both, over rounds
    /// of a millisecond in which all ratios of the bench take turns.
    pub fn ratio(
        &mut self,
        name: impl Into<String>,
        operation: impl Into<Operation<'a>>,
    ) -> Ratio<'_, 'a> {
        Ratio::new(self, name.into(), operation.into())
    }

    /// A gate on the median time of an operation while another thread does something without a
    /// pause, over the median while that thread sleeps. Takes two cores.
    pub fn slowdown(
        &mut self,
        name: impl Into<String>,
        operation: impl Into<Operation<'a>>,
        disturbance: impl Into<Disturbance<'a>>,
    ) -> Slowdown<'_, 'a> {
        Slowdown::new(self, name.into(), operation.into(), disturbance.into())
    }

    /// A gate on the slowest runs of an operation, of a million that are each timed, beside the
    /// machine's own noise. Each time has two readings of the clock in it and some nanoseconds for the
    /// call; so has the noise.
    pub fn tail(
        &mut self,
        name: impl Into<String>,
        operation: impl Into<Operation<'a>>,
    ) -> Tail<'_, 'a> {
        Tail::new(self, name.into(), operation.into())
    }

    /// A gate on the instructions of one run of an operation: without the loop around it, and in the
    /// mean over as many runs as a second is enough for, 8,192 at most.
    ///
    /// They are counted by valgrind's tool callgrind, under which the whole bench is started once more.
    /// Where it is not installed, or not for this system, the gate is skipped, and is no pass. Other
    /// threads of the program are not counted.
    pub fn instructions(
        &mut self,
        name: impl Into<String>,
        operation: impl Into<Operation<'a>>,
    ) -> Instructions<'_, 'a> {
        Instructions::new(self, name.into(), operation.into())
    }

    /// Measures the gates, as the process's arguments ask for, prints a table, and what there is to
    /// say about those that have not held; returns the code to exit with.
    ///
    /// # Panics
    ///
    /// If an operation or a disturbance does.
    pub fn run(mut self) -> ExitCode {
        match Task::read() {
            Ok(Task::Nothing) => ExitCode::SUCCESS,
            Ok(Task::Try) => {
                self.gates.iter_mut().for_each(Gate::run_once);
                ExitCode::SUCCESS
            }
            Ok(Task::Measure(options)) => run::run(self.gates, &options),
            Err(complaint) => run::refuse(&complaint),
        }
    }

    fn add(&mut self, gate: Gate<'a>) {
        let name = gate.name();
        let is_new = self.gates.iter().all(|other| other.name() != name);
        assert!(is_new, "two gates have the name {name:?}");
        self.gates.push(gate);
    }
}

impl Gate<'_> {
    fn name(&self) -> &str {
        match self {
            Self::Ratio(contest) => &contest.gate,
            Self::Slowdown(pair) => &pair.gate,
            Self::Tail(trial) => &trial.gate,
            Self::Instructions(counted) => &counted.gate,
        }
    }

    /// Everything that can be done once, to see that it can.
    fn run_once(&mut self) {
        match self {
            Self::Ratio(contest) => contest.loops().for_each(|work| work.run(1)),
            Self::Slowdown(pair) => {
                pair.operation.run(1);
                pair.disturbance.with(|disturbance| disturbance());
            }
            Self::Tail(trial) => trial.run_once(),
            Self::Instructions(counted) => counted.operation.run(1),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::time::Duration;

    #[test]
    fn each_operation_can_be_done_once() {
        let counts = [const { Cell::new(0) }; 6];
        let count = |at: usize| {
            let counts = &counts;
            move || counts[at].set(counts[at].get() + 1)
        };
        let mut disturbances = 0;
        let mut gates = Gates::new();
        gates.ratio("ratio", count(0)).over(count(1)).over(count(2)).at_most(1.0);
        gates.slowdown("slowdown", count(3), || disturbances += 1).at_most(1.0);
        gates.tail("tail", count(4)).beside(|| ()).at_most(Duration::from_secs(1));
        gates.instructions("instructions", count(5)).exactly(3);
        gates.gates.iter_mut().for_each(Gate::run_once);
        drop(gates);
        assert_eq!(counts.map(Cell::into_inner), [1; 6]);
        assert_eq!(disturbances, 1);
    }

    #[test]
    fn a_gate_that_could_not_be_measured_cannot_be_added() {
        let mut gates = Gates::new();
        gates.instructions("add", || ()).at_most(3);
        let mut refusal = |add: fn(&mut Gates<'static>)| {
            let panic = catch_unwind(AssertUnwindSafe(|| add(&mut gates))).unwrap_err();
            panic.downcast_ref::<String>().unwrap().clone()
        };
        let twice = refusal(|gates| gates.instructions("add", || ()).at_most(3));
        assert_eq!(twice, "two gates have the name \"add\"");
        let without_a_floor = refusal(|gates| gates.ratio("ratio", || ()).at_most(1.5));
        assert_eq!(without_a_floor, "ratio: a ratio needs `over` a floor");
        let without_room = refusal(|gates| gates.ratio("ratio", || ()).over(|| ()).at_most(0.0));
        assert_eq!(without_room, "ratio: a bound is above 0");
    }
}
