//! Gates on what a neighbour does to an operation: its median time while another thread does
//! something without a pause, over that of the same operation while that thread sleeps.
//!
//! The two take turns, a few milliseconds each, in batches that are much shorter than what the other
//! thread does. Here the median counts and not the minimum, since what is measured, such as cache
//! lines that a reader has taken a copy of, is a disturbance itself. What it leaves out is a measured
//! thread that has to wait for a core, which on a machine with two of them happens now and then
//! whatever the program does.

use super::company::{Company, Gone};
use super::operation::{Disturbance, Operation};
use super::verdict::{Bound, Obstacle, Unit, Verdict};
use super::{Gate, Gates};
use std::time::{Duration, Instant};

const ROUNDS: usize = 151;
const BATCH: Duration = Duration::from_micros(35);
/// Batches in a turn, and how few of them there may be where one takes much longer than it should.
const BATCHES: u32 = 100;
const FEWEST_BATCHES: u32 = 4;
/// Turns that are added to one in which the disturbance never came to its end.
const MORE_TURNS: usize = 4;

/// A gate on what a disturbance does to an operation's median time; from [`Gates::slowdown`].
#[must_use = "a gate without a bound is not measured"]
#[derive(Debug)]
pub struct Slowdown<'g, 'a> {
    gates: &'g mut Gates<'a>,
    pair: Pair<'a>,
}

/// A slowdown to be measured.
#[derive(Debug)]
pub(super) struct Pair<'a> {
    pub gate: String,
    bound: f64,
    look: Option<String>,
    pub operation: Operation<'a>,
    pub disturbance: Disturbance<'a>,
}

impl<'g, 'a> Slowdown<'g, 'a> {
    pub(super) fn new(
        gates: &'g mut Gates<'a>,
        gate: String,
        operation: Operation<'a>,
        disturbance: Disturbance<'a>,
    ) -> Self {
        Self { gates, pair: Pair { gate, bound: 0.0, look: None, operation, disturbance } }
    }

    /// How to look closer when the gate is missed; otherwise the command that measures it alone.
    pub fn look(mut self, how: impl Into<String>) -> Self {
        self.pair.look = Some(how.into());
        self
    }

    /// Adds the gate: beside the disturbance, the median may be `ratio` times what it is alone,
    /// `--slack` aside.
    ///
    /// # Panics
    ///
    /// If `ratio` is not positive, or if there is a gate of this name.
    pub fn at_most(mut self, ratio: f64) {
        assert!(ratio > 0.0, "{}: a bound is above 0", self.pair.gate);
        self.pair.bound = ratio;
        self.gates.add(Gate::Slowdown(self.pair));
    }
}

impl Pair<'_> {
    pub(super) fn measure(&mut self, slack: f64, look: impl Fn(&str) -> String) -> Verdict {
        let operation = &mut self.operation;
        let (alone, beside) = self.disturbance.with(|disturbance| {
            Company::keep(disturbance, |company| times_in_turns(operation, company))
        });
        let obstacle = (beside.len() < alone.len() / 2).then(|| {
            let why = "the disturbance hardly ran beside it, for want of a core or because it takes \
                       too long";
            Obstacle::Doubt(why.to_owned())
        });
        let (alone_ns, beside_ns) = (median(alone), median(beside));
        Verdict {
            gate: self.gate.clone(),
            kind: "slowdown",
            reference: alone_ns,
            operation: beside_ns,
            measured: beside_ns / alone_ns,
            bound: Bound::AtMost(self.bound * slack),
            unit: Unit::Times,
            obstacle,
            note: None,
            look: self.look.clone().unwrap_or_else(|| look(&self.gate)),
        }
    }
}

/// Nanoseconds for one run, batch by batch: alone, and beside the disturbance.
fn times_in_turns(
    operation: &mut Operation<'_>,
    company: &Company<'_>,
) -> Result<(Vec<f64>, Vec<f64>), Gone> {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let pace = Pace::find(operation);
    for _ in 0..ROUNDS {
        pace.add_turn(operation, &mut alone);
        company.begin()?;
        let (finished, from) = (company.finished(), beside.len());
        for _ in 0..=MORE_TURNS {
            pace.add_turn(operation, &mut beside);
            if company.finished() != finished {
                break;
            }
        }
        // On a machine without a core to spare it may have stood still.
        if company.finished() == finished {
            beside.truncate(from);
        }
        company.pause()?;
    }
    Ok((alone, beside))
}

/// How turns are divided.
struct Pace {
    /// Runs that fill a batch.
    times: u64,
    batches: u32,
}

impl Pace {
    fn find(operation: &mut Operation<'_>) -> Self {
        let mut times = 1;
        loop {
            // Some that were disturbed, or touched memory for the first time, tell nothing: all of a
            // few have to take long.
            let batch = (0..5).map(|_| time(operation, times)).min().unwrap_or_default();
            if batch >= BATCH {
                // What doubling leaves is less than two batches' length.
                let share = (2.0 * BATCH.as_secs_f64() / batch.as_secs_f64()).min(1.0);
                let batches = (share * f64::from(BATCHES)) as u32;
                return Self { times, batches: batches.max(FEWEST_BATCHES) };
            }
            times *= 2;
        }
    }

    fn add_turn(&self, operation: &mut Operation<'_>, batches: &mut Vec<f64>) {
        batches.extend((0..self.batches).map(|_| {
            let elapsed = time(operation, self.times);
            elapsed.as_nanos() as f64 / self.times as f64
        }));
    }
}

fn time(operation: &mut Operation<'_>, times: u64) -> Duration {
    let start = Instant::now();
    operation.run(times);
    start.elapsed()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::INFINITY)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(vec![9.0, 1.0, 5.0]), 5.0);
        assert_eq!(median(vec![9.0, 1.0]), 9.0);
        assert_eq!(median(Vec::new()), f64::INFINITY);
    }

    #[test]
    fn slow_operations_have_fewer_batches_of_one() {
        let mut sleepy = Operation::from(|| std::thread::sleep(100 * BATCH));
        let pace = Pace::find(&mut sleepy);
        assert_eq!((pace.times, pace.batches), (1, FEWEST_BATCHES));
        let mut batches = Vec::new();
        pace.add_turn(&mut sleepy, &mut batches);
        assert_eq!(batches.len(), FEWEST_BATCHES as usize);
        assert!(batches.iter().all(|ns| *ns >= 100.0 * BATCH.as_nanos() as f64));
    }
}
