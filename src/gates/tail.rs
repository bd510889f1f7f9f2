//! Gates on the slowest runs of an operation: a quantile of single runs, such as the one that 1 in
//! 10,000 exceeds, while another thread does something without a pause.
//!
//! Each run is timed by itself with the raw clock. Between any two, nothing is timed the same way, and
//! an addition to a cell of this thread, and what else the gate was given as noise: what these take is of
//! the machine's own making: interrupts, other processes, a hypervisor. A run over the bound counts only
//! where that noise is under it. Noise that they do not show is left, such as caches that another
//! process has emptied, and only ever makes runs slower: a gate that does not hold is tried again a
//! little later, and the best try counts. The clock does not wait for a store to leave the core, and
//! neither does a thread that runs the operation.

use super::company::{Company, Gone};
use super::operation::{Disturbance, Loop, Operation};
use super::verdict::{Bound, Obstacle, Outcome, Unit, Verdict};
use super::{Gate, Gates};
use crate::metric::Beginning;
use std::thread;
use std::time::Duration;

const RUNS: usize = 1_000_000;
const QUANTILE: f64 = 0.9999;
/// How long a series of runs may take: slow operations have fewer.
const LONGEST: Duration = Duration::from_secs(3);
/// How many runs have to be slower than the quantile, so that it means something.
const FEWEST_ABOVE: f64 = 10.0;
/// How often the disturbance must have come to its end meanwhile.
const FEWEST_DISTURBANCES: u64 = 20;
/// Measurements of a gate that does not hold, and the pause between two of them.
const TRIES: u32 = 8;
const PAUSE: Duration = Duration::from_millis(250);
/// A ratio is about whether anything is slower than without; below so many nanoseconds a difference
/// is the clock's.
const RESOLUTION_NS: f64 = 100.0;
/// Over this, the machine's noise leaves a ratio undecided.
const QUIET_NS: f64 = 1_000.0;

/// A gate on the slowest runs of an operation; from [`Gates::tail`].
#[must_use = "a gate without a bound is not measured"]
#[derive(Debug)]
pub struct Tail<'g, 'a> {
    gates: &'g mut Gates<'a>,
    trial: Trial<'a>,
}

/// A tail to be measured.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    pub gate: String,
    quantile: f64,
    limit: Limit<'a>,
    look: Option<String>,
    pub operation: Operation<'a>,
    pub noise: Vec<Operation<'a>>,
    pub disturbance: Option<Disturbance<'a>>,
}

#[derive(Debug)]
enum Limit<'a> {
    Nanoseconds(f64),
    /// Of the same beside another disturbance.
    Times(f64, Disturbance<'a>),
}

/// What a series of runs came to.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Found {
    noise_ns: f64,
    operation_ns: f64,
    runs: usize,
    /// How often the disturbance came to its end; `None` if there is none.
    disturbances: Option<u64>,
}

impl<'g, 'a> Tail<'g, 'a> {
    pub(super) fn new(gates: &'g mut Gates<'a>, gate: String, operation: Operation<'a>) -> Self {
        let trial = Trial {
            gate,
            quantile: QUANTILE,
            limit: Limit::Nanoseconds(0.0),
            look: None,
            operation,
            noise: Vec::new(),
            disturbance: None,
        };
        Self { gates, trial }
    }

    /// Which quantile of the runs is meant, above 0 and below 1. 0.9999 without.
    ///
    /// # Panics
    ///
    /// If it is out of range.
    pub fn quantile(mut self, quantile: f64) -> Self {
        assert!(quantile > 0.0 && quantile < 1.0, "{}: a quantile is a share", self.trial.gate);
        self.trial.quantile = quantile;
        self
    }

    /// What another thread does meanwhile, without a pause; it has to come to its end 20 times.
    /// Nothing without.
    pub fn beside(mut self, disturbance: impl Into<Disturbance<'a>>) -> Self {
        self.trial.disturbance = Some(disturbance.into());
        self
    }

    /// What is as noisy as the machine is, beside nothing at all and an addition to a cell: where its
    /// own quantile is over the bound, the gate is undecided.
    pub fn noise(mut self, noise: impl Into<Operation<'a>>) -> Self {
        self.trial.noise.push(noise.into());
        self
    }

    /// How to look closer when the gate is missed; otherwise the command that measures it alone.
    pub fn look(mut self, how: impl Into<String>) -> Self {
        self.trial.look = Some(how.into());
        self
    }

    /// Adds the gate: the quantile may be `bound`, `--slack` aside.
    ///
    /// # Panics
    ///
    /// If there is a gate of this name.
    pub fn at_most(mut self, bound: Duration) {
        self.trial.limit = Limit::Nanoseconds(bound.as_nanos() as f64);
        self.gates.add(Gate::Tail(self.trial));
    }

    /// Adds the gate: the quantile may be `ratio` times what it is beside `other` instead, `--slack`
    /// aside. What is below 100 ns counts as 100 ns, and the gate is undecided where the quantile
    /// beside `other` is over a microsecond.
    ///
    /// # Panics
    ///
    /// If there is a gate of this name.
    pub fn at_most_times(mut self, ratio: f64, other: impl Into<Disturbance<'a>>) {
        self.trial.limit = Limit::Times(ratio, other.into());
        self.gates.add(Gate::Tail(self.trial));
    }
}

impl Trial<'_> {
    /// Measures until the gate holds, a few times at most.
    pub(super) fn measure(
        &mut self,
        samples: &mut Samples,
        slack: f64,
        look: impl Fn(&str) -> String,
    ) -> Verdict {
        let mut best = self.try_once(samples, slack, &look);
        for _ in 1..TRIES {
            if best.outcome() == Outcome::Held {
                break;
            }
            thread::sleep(PAUSE);
            best.keep_better(self.try_once(samples, slack, &look));
        }
        best
    }

    fn try_once(
        &mut self,
        samples: &mut Samples,
        slack: f64,
        look: &dyn Fn(&str) -> String,
    ) -> Verdict {
        let Self { gate, quantile, limit, operation, noise, disturbance, .. } = self;
        let mut beside = |disturbance: Option<&mut Disturbance<'_>>| {
            samples.find(*quantile, operation, noise, disturbance)
        };
        let verdict = match limit {
            Limit::Nanoseconds(bound) => {
                absolute(gate, *bound * slack, *quantile, beside(disturbance.as_mut()))
            }
            Limit::Times(ratio, other) => {
                let alone = beside(Some(other));
                relative(gate, *ratio * slack, alone, beside(disturbance.as_mut()))
            }
        };
        Verdict { look: self.look.clone().unwrap_or_else(|| look(gate)), ..verdict }
    }

    /// Everything that can be done once, to see that it can.
    pub(super) fn run_once(&mut self) {
        for operation in self.noise.iter_mut().chain([&mut self.operation]) {
            operation.run(1);
        }
        let other = match &mut self.limit {
            Limit::Times(_, other) => Some(other),
            Limit::Nanoseconds(_) => None,
        };
        for disturbance in self.disturbance.iter_mut().chain(other) {
            disturbance.with(|disturbance| disturbance());
        }
    }
}

fn absolute(gate: &str, bound_ns: f64, quantile: f64, found: Found) -> Verdict {
    let Found { noise_ns, operation_ns, runs, disturbances } = found;
    let above = (1.0 - quantile) * runs as f64;
    let mut obstacle = None;
    let mut measured = operation_ns;
    if noise_ns > bound_ns {
        obstacle = Some(format!(
            "{operation_ns:.0} ns is over the bound, but so is the machine's own noise, \
             {noise_ns:.0} ns"
        ));
    }
    if let Some(times @ 0..FEWEST_DISTURBANCES) = disturbances {
        obstacle = Some(format!("the disturbance came to its end only {times} times meanwhile"));
        measured = f64::INFINITY;
    }
    if above < FEWEST_ABOVE {
        obstacle = Some(format!(
            "of {runs} runs, as many as there was time for, too few are above the quantile {quantile}"
        ));
        measured = f64::INFINITY;
    }
    Verdict {
        gate: gate.to_owned(),
        kind: "tail",
        reference: noise_ns,
        operation: operation_ns,
        measured,
        bound: Bound::AtMost(bound_ns),
        unit: Unit::Nanoseconds,
        obstacle: obstacle.map(Obstacle::Doubt),
        note: None,
        look: String::new(),
    }
}

fn relative(gate: &str, bound: f64, alone: Found, beside: Found) -> Verdict {
    let (alone_ns, beside_ns) = (alone.operation_ns, beside.operation_ns);
    let is_noisy = alone_ns > QUIET_NS;
    let doubt = || {
        let why =
            format!("{beside_ns:.0} ns is over the bound, but without it is {alone_ns:.0} ns");
        Obstacle::Doubt(why)
    };
    Verdict {
        gate: gate.to_owned(),
        kind: "tail",
        reference: alone_ns,
        operation: beside_ns,
        measured: beside_ns.max(RESOLUTION_NS) / alone_ns.max(RESOLUTION_NS),
        bound: Bound::AtMost(bound),
        unit: Unit::Times,
        obstacle: is_noisy.then(doubt),
        note: None,
        look: String::new(),
    }
}

/// Latencies in nanoseconds, one of each in every round, of nothing, a cell, other noise, and last the
/// operation.
pub(super) struct Samples {
    of_each: Vec<Vec<u64>>,
    /// How long a series may take.
    longest: Duration,
}

impl Samples {
    pub(super) fn new() -> Self {
        Self { of_each: Vec::new(), longest: LONGEST }
    }

    fn find(
        &mut self,
        quantile: f64,
        operation: &mut Operation<'_>,
        noise: &mut [Operation<'_>],
        disturbance: Option<&mut Disturbance<'_>>,
    ) -> Found {
        let mut cell = 0_u64;
        let mut nothing = Operation::from(|| ());
        let mut add = Operation::from(|| cell = cell.wrapping_add(1));
        let own = [nothing.as_loop(), add.as_loop()].into_iter();
        let all = own.chain(noise.iter_mut().map(Operation::as_loop)).chain([operation.as_loop()]);
        let mut all: Vec<&mut Loop<'_>> = all.collect();

        // Written to, so that no page is touched for the first time while the clock runs.
        let how_many = all.len().max(self.of_each.len());
        self.of_each.resize_with(how_many, || vec![1; RUNS]);
        let samples = &mut self.of_each[..all.len()];
        let runs = runs_within(self.longest, &mut all);
        let disturbances = match disturbance {
            None => {
                sample(&mut all, samples, runs);
                None
            }
            Some(disturbance) => Some(disturbance.with(|disturbance| {
                Company::keep(disturbance, |company| {
                    company.begin()?;
                    let before = company.finished();
                    sample(&mut all, samples, runs);
                    Ok::<_, Gone>(company.finished() - before)
                })
            })),
        };
        let found =
            samples.iter_mut().map(|latencies| quantile_ns(&mut latencies[..runs], quantile));
        let mut found: Vec<f64> = found.collect();
        let operation_ns = found.pop().expect("the operation's own");
        let noise_ns = found.into_iter().fold(0.0, f64::max);
        Found { noise_ns, operation_ns, runs, disturbances }
    }
}

/// How many rounds are within `longest`, judging by the fastest of a few.
fn runs_within(longest: Duration, all: &mut [&mut Loop<'_>]) -> usize {
    const FEW: usize = 10;
    let mut round = vec![vec![0; 1]; all.len()];
    let times_ns = (0..FEW).map(|_| {
        let beginning = Beginning::now();
        sample(all, &mut round, 1);
        beginning.elapsed_ns()
    });
    let least_ns = times_ns.min().unwrap_or(1).max(1);
    let within = longest.as_nanos() as u64 / least_ns;
    usize::try_from(within).unwrap_or(RUNS).clamp(FEW, RUNS)
}

fn sample(all: &mut [&mut Loop<'_>], samples: &mut [Vec<u64>], runs: usize) {
    for run in 0..runs {
        for (work, latencies) in all.iter_mut().zip(&mut *samples) {
            let beginning = Beginning::now();
            work(1);
            latencies[run] = beginning.elapsed_ns();
        }
    }
}

fn quantile_ns(latencies: &mut [u64], quantile: f64) -> f64 {
    let above = ((1.0 - quantile) * latencies.len() as f64).round() as usize;
    let rank = latencies.len().saturating_sub(above).min(latencies.len() - 1);
    let (_, ns, _) = latencies.select_nth_unstable(rank);
    *ns as f64
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const QUIET: Found =
        Found { noise_ns: 50.0, operation_ns: 800.0, runs: RUNS, disturbances: Some(100) };

    fn outcome(found: Found) -> Outcome {
        absolute("some", 1_000.0, 0.9999, found).outcome()
    }

    #[test]
    fn a_quantile_is_what_so_many_exceed() {
        let latencies = || (0..100_000).rev().collect::<Vec<u64>>();
        assert_eq!(quantile_ns(&mut latencies(), 0.9999), 99_990.0);
        assert_eq!(quantile_ns(&mut latencies(), 0.5), 50_000.0);
        assert_eq!(quantile_ns(&mut latencies(), 0.999_999_9), 99_999.0);
        assert_eq!(quantile_ns(&mut [7], 0.5), 7.0);
    }

    #[test]
    fn slow_runs_count_unless_the_machine_is_as_slow() {
        assert_eq!(outcome(QUIET), Outcome::Held);
        assert_eq!(outcome(Found { operation_ns: 1_001.0, ..QUIET }), Outcome::Missed);
        let noisy = Found { noise_ns: 1_001.0, ..QUIET };
        assert_eq!(outcome(noisy), Outcome::Held);
        assert_eq!(outcome(Found { operation_ns: 1_001.0, ..noisy }), Outcome::Undecided);
    }

    #[test]
    fn a_disturbance_that_hardly_ran_decides_nothing() {
        let times = |times| outcome(Found { disturbances: times, ..QUIET });
        assert_eq!(times(Some(FEWEST_DISTURBANCES - 1)), Outcome::Undecided);
        assert_eq!(times(Some(FEWEST_DISTURBANCES)), Outcome::Held);
        assert_eq!(times(None), Outcome::Held);
    }

    #[test]
    fn too_few_runs_decide_nothing() {
        assert_eq!(outcome(Found { runs: 99_000, ..QUIET }), Outcome::Undecided);
        assert_eq!(outcome(Found { runs: 101_000, ..QUIET }), Outcome::Held);
    }

    #[test]
    fn a_ratio_of_tails_is_that_of_times_that_the_clock_can_tell() {
        let of = |alone, beside| {
            let found = |operation_ns| Found { operation_ns, ..QUIET };
            let verdict = relative("some", 1.5, found(alone), found(beside));
            (verdict.measured, verdict.outcome())
        };
        assert_eq!(of(200.0, 300.0), (1.5, Outcome::Held));
        assert_eq!(of(200.0, 400.0), (2.0, Outcome::Missed));
        assert_eq!(of(10.0, 90.0), (1.0, Outcome::Held));
        assert_eq!(of(2_000.0, 4_000.0), (2.0, Outcome::Undecided));
    }

    #[test]
    fn each_run_is_timed_beside_noise_and_a_disturbance() {
        let (mut runs, mut noisy, mut others) = (0_usize, 0_usize, 0_u64);
        let mut operation = Operation::from(|| {
            runs += 1;
            thread::sleep(Duration::from_millis(1));
        });
        let mut noise = [Operation::from(|| noisy += 1)];
        let mut disturbance = Disturbance::from(|| others += 1);
        let mut samples = Samples { of_each: Vec::new(), longest: Duration::from_millis(50) };
        let found = samples.find(0.5, &mut operation, &mut noise, Some(&mut disturbance));
        drop((operation, noise, disturbance));
        assert!(found.operation_ns >= 500_000.0, "{found:?}");
        assert!(found.runs < RUNS, "{found:?}");
        assert_eq!(runs, noisy);
        assert!(runs > found.runs);
        assert!(others >= found.disturbances.unwrap());
    }
}
