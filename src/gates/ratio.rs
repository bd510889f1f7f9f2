//! Gates on ratios: an operation's time over that of a floor.
//!
//! Floor and operation take turns, a millisecond each, so that a change of clock frequency or a busy
//! neighbour meets both, and so do all gates, so that a disturbance of a second spoils none of
//! them. The ratio is that of the two minima over all rounds: what disturbs a loop only ever makes
//! it slower, so with many short rounds both minima are those of an undisturbed core.
//!
//! The median of the ratios of the rounds was tried: with three busy processes beside it on two
//! cores it was off by factors where the minima moved by a few percent, and it was off without them
//! too, since processors that rename memory run the floor's loop now at one cycle, now at the
//! latency of a store and a load, and change between the two from round to round. What minima
//! cannot remove is a neighbour on the other hardware thread of the core for the whole time, which
//! halves the width that is left for the longer loop; `--best-of` is for that.

use super::operation::Operation;
use super::verdict::{Bound, Unit, Verdict};
use super::{Gate, Gates};
use std::time::Duration;

const ROUNDS: u32 = 201;
const ROUND: Duration = Duration::from_millis(1);
/// Rounds of operations that take much longer than a round should.
const FEWEST_ROUNDS: u32 = 11;

/// A gate on an operation's time over that of a floor; from [`Gates::ratio`].
#[must_use = "a gate without a bound is not measured"]
#[derive(Debug)]
pub struct Ratio<'g, 'a> {
    gates: &'g mut Gates<'a>,
    contest: Contest<'a>,
}

/// A ratio to be measured.
#[derive(Debug)]
pub(super) struct Contest<'a> {
    pub gate: String,
    bound: f64,
    look: Option<String>,
    /// The slowest one is measured against.
    pub floors: Vec<Operation<'a>>,
    pub operation: Operation<'a>,
}

/// The least time of one loop.
#[derive(Clone, Copy)]
struct Contestant {
    /// How often it does its operation in a round.
    times: u64,
    rounds: u32,
    least_ns: f64,
}

impl<'g, 'a> Ratio<'g, 'a> {
    pub(super) fn new(gates: &'g mut Gates<'a>, gate: String, operation: Operation<'a>) -> Self {
        let contest = Contest { gate, bound: 0.0, look: None, floors: Vec::new(), operation };
        Self { gates, contest }
    }

    /// What the operation is compared with. Of several, the slowest counts.
    pub fn over(mut self, floor: impl Into<Operation<'a>>) -> Self {
        self.contest.floors.push(floor.into());
        self
    }

    /// How to look closer when the gate is missed; otherwise the command that measures it alone.
    pub fn look(mut self, how: impl Into<String>) -> Self {
        self.contest.look = Some(how.into());
        self
    }

    /// Adds the gate: the operation may take `ratio` times as long as the floor, `--slack` aside.
    ///
    /// # Panics
    ///
    /// If there is no floor, if `ratio` is not positive, or if there is a gate of this name.
    pub fn at_most(mut self, ratio: f64) {
        let gate = &self.contest.gate;
        assert!(!self.contest.floors.is_empty(), "{gate}: a ratio needs `over` a floor");
        assert!(ratio > 0.0, "{gate}: a bound is above 0");
        self.contest.bound = ratio;
        self.gates.add(Gate::Ratio(self.contest));
    }
}

/// Measures all of them side by side. `now` is the time since any moment.
pub(super) fn measure(
    contests: &mut [&mut Contest<'_>],
    slack: f64,
    look: impl Fn(&str) -> String,
    now: &dyn Fn() -> Duration,
) -> Vec<Verdict> {
    let mut all: Vec<Vec<Contestant>> = Vec::new();
    for contest in &mut *contests {
        all.push(contest.loops().map(|work| Contestant::find_pace(work, now)).collect());
    }
    for round in 0..ROUNDS {
        for (contest, contestants) in contests.iter_mut().zip(&mut all) {
            let rounds = contestants.iter().map(|contestant| contestant.rounds).min();
            if rounds.is_none_or(|rounds| round >= rounds) {
                continue;
            }
            for (work, contestant) in contest.loops().zip(contestants) {
                contestant.go_a_round(work, now);
            }
        }
    }
    let verdict = |(contest, contestants): (&mut &mut Contest<'_>, &Vec<Contestant>)| {
        contest.verdict(contestants, slack, &look)
    };
    contests.iter_mut().zip(&all).map(verdict).collect()
}

impl<'a> Contest<'a> {
    /// The floors, and then the operation.
    pub(super) fn loops(&mut self) -> impl Iterator<Item = &mut Operation<'a>> {
        self.floors.iter_mut().chain([&mut self.operation])
    }

    fn verdict(
        &self,
        contestants: &[Contestant],
        slack: f64,
        look: impl Fn(&str) -> String,
    ) -> Verdict {
        let (operation, floors) = contestants.split_last().expect("an operation and its floors");
        let floor_ns = floors.iter().map(|floor| floor.least_ns).fold(0.0, f64::max);
        Verdict {
            gate: self.gate.clone(),
            kind: "ratio",
            reference: floor_ns,
            operation: operation.least_ns,
            measured: operation.least_ns / floor_ns,
            bound: Bound::AtMost(self.bound * slack),
            unit: Unit::Times,
            obstacle: None,
            note: None,
            look: self.look.clone().unwrap_or_else(|| look(&self.gate)),
        }
    }
}

impl Contestant {
    /// Finds out how often the operation can be done in a round, and warms it up on the way.
    fn find_pace(work: &mut Operation<'_>, now: &dyn Fn() -> Duration) -> Self {
        let mut contestant = Self { times: 1, rounds: ROUNDS, least_ns: f64::MAX };
        loop {
            let elapsed = contestant.go_a_round(work, now);
            // One that was disturbed, or touched memory for the first time, tells nothing: the same
            // again has to take long as well.
            let mut is_long = || contestant.go_a_round(work, now) >= ROUND / 2;
            if elapsed >= ROUND && is_long() && is_long() {
                // What doubling leaves is less than two rounds' length.
                let share = (2.0 * ROUND.as_secs_f64() / elapsed.as_secs_f64()).min(1.0);
                contestant.rounds = ((share * f64::from(ROUNDS)) as u32).max(FEWEST_ROUNDS);
                contestant.least_ns = f64::MAX;
                return contestant;
            }
            contestant.times *= 2;
        }
    }

    fn go_a_round(&mut self, work: &mut Operation<'_>, now: &dyn Fn() -> Duration) -> Duration {
        let start = now();
        work.run(self.times);
        let elapsed = now().saturating_sub(start);
        self.least_ns = self.least_ns.min(elapsed.as_nanos() as f64 / self.times as f64);
        elapsed
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A clock that only operations advance, and operations that take as many nanoseconds.
    struct Time(Cell<u64>);

    impl Time {
        fn op(&self, ns: u64) -> Operation<'_> {
            Operation::of_loop(move |times| self.0.set(self.0.get() + ns * times))
        }

        fn measure(&self, contests: &mut [&mut Contest<'_>], slack: f64) -> Vec<Verdict> {
            let now = || Duration::from_nanos(self.0.get());
            measure(contests, slack, |gate| format!("look at {gate}"), &now)
        }
    }

    fn contest<'a>(floors: Vec<Operation<'a>>, operation: Operation<'a>) -> Contest<'a> {
        Contest { gate: "some".to_owned(), bound: 1.5, look: None, floors, operation }
    }

    #[test]
    fn the_ratio_is_that_to_the_slowest_floor() {
        let time = Time(Cell::new(0));
        let mut contest = contest(vec![time.op(10), time.op(20), time.op(4)], time.op(30));
        let verdict = time.measure(&mut [&mut contest], 1.2).remove(0);
        assert_eq!((verdict.reference, verdict.operation), (20.0, 30.0));
        assert_eq!(verdict.measured, 1.5);
        assert_eq!(verdict.bound, Bound::AtMost(1.5 * 1.2));
        assert_eq!(verdict.look, "look at some");
    }

    #[test]
    fn the_least_time_of_all_rounds_counts() {
        let (time, rounds) = (Time(Cell::new(0)), Cell::new(0_u64));
        let disturbed = Operation::of_loop(|times| {
            rounds.set(rounds.get() + 1);
            let ns = if rounds.get() % 7 == 0 { 20 } else { 35 };
            time.0.set(time.0.get() + ns * times);
        });
        let mut contest = contest(vec![time.op(10)], disturbed);
        assert_eq!(time.measure(&mut [&mut contest], 1.0)[0].measured, 2.0);
    }

    #[test]
    fn a_disturbed_first_round_does_not_set_the_pace() {
        let (time, is_first) = (Time(Cell::new(0)), Cell::new(true));
        let slow_at_first = Operation::of_loop(|times| {
            let ns = if is_first.replace(false) { 5_000_000 } else { 10 };
            time.0.set(time.0.get() + ns * times);
        });
        let mut work = slow_at_first;
        let now = || Duration::from_nanos(time.0.get());
        let contestant = Contestant::find_pace(&mut work, &now);
        assert!(contestant.times * 10 >= 1_000_000, "{}", contestant.times);
    }

    #[test]
    fn slow_operations_have_fewer_rounds() {
        let time = Time(Cell::new(0));
        let rounds = |ns| {
            let now = || Duration::from_nanos(time.0.get());
            Contestant::find_pace(&mut time.op(ns), &now).rounds
        };
        assert_eq!(rounds(1), ROUNDS);
        assert_eq!(rounds(1_900_000), ROUNDS);
        assert_eq!(rounds(20_000_000), ROUNDS / 10);
        assert_eq!(rounds(10_000_000_000), FEWEST_ROUNDS);
    }

    #[test]
    fn contests_of_different_lengths_are_each_measured() {
        let time = Time(Cell::new(0));
        let mut short = contest(vec![time.op(2)], time.op(3));
        let mut long = contest(vec![time.op(2_000_000_000)], time.op(1_000_000_000));
        let verdicts = time.measure(&mut [&mut short, &mut long], 1.0);
        assert_eq!(verdicts.iter().map(|it| it.measured).collect::<Vec<_>>(), [1.5, 0.5]);
    }
}
