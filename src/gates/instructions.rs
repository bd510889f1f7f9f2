//! Gates on counted instructions, which are the same in each run where times are not.

use super::operation::Operation;
use super::verdict::{Bound, Obstacle, Unit, Verdict};
use super::{Gate, Gates};

/// A gate on how many instructions an operation takes; from [`Gates::instructions`].
#[must_use = "a gate without a bound is not measured"]
#[derive(Debug)]
pub struct Instructions<'g, 'a> {
    gates: &'g mut Gates<'a>,
    counted: Counted<'a>,
}

/// An operation to be counted.
#[derive(Debug)]
pub(super) struct Counted<'a> {
    pub gate: String,
    bound: Bound,
    origin: Option<Origin>,
    look: Option<String>,
    pub operation: Operation<'a>,
}

/// What a number was taken with.
#[derive(Debug)]
struct Origin {
    rustc: String,
    architecture: String,
}

/// What callgrind counted for one operation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Count {
    /// For one run, the loop around it included.
    pub with_loop: f64,
    /// Of that, the loop.
    pub the_loop: f64,
}

impl<'g, 'a> Instructions<'g, 'a> {
    pub(super) fn new(gates: &'g mut Gates<'a>, gate: String, operation: Operation<'a>) -> Self {
        let bound = Bound::Exactly(0.0);
        Self { gates, counted: Counted { gate, bound, origin: None, look: None, operation } }
    }

    /// Which compiler the number was taken with, such as `"1.95"`, and for which processor, as
    /// `std::env::consts::ARCH` has it, such as `"x86_64"`.
    ///
    /// Compiled by another rustc, an operation may take a quarter more than the number, and at least one
    /// more, or fewer: compilers differ, and what they make is not the program's fault. On another processor
    /// the gate is skipped. The number is one of an optimised build without flags that change the code,
    /// such as `target-cpu`.
    pub fn taken_with(mut self, rustc: impl Into<String>, architecture: impl Into<String>) -> Self {
        let origin = Origin { rustc: rustc.into(), architecture: architecture.into() };
        self.counted.origin = Some(origin);
        self
    }

    /// How to look closer when the gate is missed; otherwise the commands that show where callgrind
    /// counted what.
    pub fn look(mut self, how: impl Into<String>) -> Self {
        self.counted.look = Some(how.into());
        self
    }

    /// Adds the gate: a run takes so many instructions, and neither more nor fewer.
    ///
    /// Fewer are a mistake as well: either the number is to be lowered, so that it goes on holding what
    /// was gained, or the operation is no longer done.
    ///
    /// # Panics
    ///
    /// If there is a gate of this name.
    pub fn exactly(mut self, instructions: impl Into<f64>) {
        self.counted.bound = Bound::Exactly(instructions.into());
        self.gates.add(Gate::Instructions(self.counted));
    }

    /// Adds the gate: a run takes so many instructions at most, in the mean over all runs.
    ///
    /// # Panics
    ///
    /// If there is a gate of this name.
    pub fn at_most(mut self, instructions: impl Into<f64>) {
        self.counted.bound = Bound::AtMost(instructions.into());
        self.gates.add(Gate::Instructions(self.counted));
    }
}

impl Counted<'_> {
    /// Judges a count, or says why there is none. `rustc` is what compiled this program, if that can
    /// be told.
    pub(super) fn verdict(
        &self,
        count: Result<Count, &Obstacle>,
        look: String,
        rustc: Option<&str>,
        architecture: &str,
    ) -> Verdict {
        let (bound, note) = self.bound_here(rustc);
        let none = |obstacle| {
            Verdict::of_none(&self.gate, "instructions", (bound, Unit::Instructions), obstacle)
        };
        if let Some(origin) = self.origin.as_ref().filter(|it| it.architecture != architecture) {
            let (theirs, gate) = (&origin.architecture, architecture);
            return none(Obstacle::Missing(format!(
                "its number is of {theirs}, and this is {gate}"
            )));
        }
        match count {
            Err(obstacle) => none(obstacle.clone()),
            Ok(count) => Verdict {
                reference: count.the_loop,
                operation: count.with_loop,
                measured: count.with_loop - count.the_loop,
                obstacle: None,
                note,
                look: self.look.clone().unwrap_or(look),
                ..none(Obstacle::Missing(String::new()))
            },
        }
    }

    fn bound_here(&self, rustc: Option<&str>) -> (Bound, Option<String>) {
        match &self.origin {
            Some(origin) if !is_version(rustc, &origin.rustc) => {
                let (number, here) = (self.bound.value(), rustc.unwrap_or("unknown"));
                let note = format!("{number} with rustc {}, this is {here}", origin.rustc);
                (Bound::AtMost(number + (number / 4.0).max(1.0)), Some(note))
            }
            _ => (self.bound, None),
        }
    }
}

/// Whether `1.95.0` is a `1.95`.
fn is_version(version: Option<&str>, wanted: &str) -> bool {
    let rest = version.and_then(|version| version.strip_prefix(wanted));
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::verdict::Outcome;
    use super::*;

    fn counted(bound: Bound, origin: Option<(&str, &str)>) -> Counted<'static> {
        let origin = origin.map(|(rustc, architecture)| Origin {
            rustc: rustc.to_owned(),
            architecture: architecture.to_owned(),
        });
        let operation = Operation::from(|| ());
        Counted { gate: "some".to_owned(), bound, origin, look: None, operation }
    }

    fn outcome(counted: &Counted<'_>, instructions: f64, rustc: Option<&str>) -> Outcome {
        let count = Count { with_loop: instructions + 2.0, the_loop: 2.0 };
        counted.verdict(Ok(count), String::new(), rustc, "x86_64").outcome()
    }

    #[test]
    fn the_loop_is_not_a_part_of_the_operation() {
        let counted = counted(Bound::Exactly(5.0), None);
        assert_eq!(outcome(&counted, 5.0, None), Outcome::Held);
        assert_eq!(outcome(&counted, 6.0, None), Outcome::Missed);
        assert_eq!(outcome(&counted, 4.0, None), Outcome::Missed);
    }

    #[test]
    fn the_compiler_that_a_number_was_taken_with_is_held_to_it() {
        let counted = counted(Bound::Exactly(5.0), Some(("1.95", "x86_64")));
        for (instructions, expected) in
            [(4.0, Outcome::Missed), (5.0, Outcome::Held), (6.0, Outcome::Missed)]
        {
            assert_eq!(outcome(&counted, instructions, Some("1.95.0")), expected, "{instructions}");
        }
    }

    #[test]
    fn another_compiler_may_take_a_quarter_more() {
        let few = counted(Bound::Exactly(2.0), Some(("1.95", "x86_64")));
        let many = counted(Bound::Exactly(20.0), Some(("1.95", "x86_64")));
        for rustc in [Some("1.96.0"), Some("1.9.5"), Some("1.950.0"), None] {
            assert_eq!(outcome(&few, 3.0, rustc), Outcome::Held, "{rustc:?}");
            assert_eq!(outcome(&few, 1.0, rustc), Outcome::Held, "{rustc:?}");
            assert_eq!(outcome(&few, 4.0, rustc), Outcome::Missed, "{rustc:?}");
            assert_eq!(outcome(&many, 25.0, rustc), Outcome::Held, "{rustc:?}");
            assert_eq!(outcome(&many, 26.0, rustc), Outcome::Missed, "{rustc:?}");
        }
        let at_most = counted(Bound::AtMost(20.0), Some(("1.95", "x86_64")));
        assert_eq!(outcome(&at_most, 25.0, Some("1.96.0")), Outcome::Held);
        assert_eq!(outcome(&at_most, 21.0, Some("1.95.0")), Outcome::Missed);
        assert_eq!(
            outcome(&counted(Bound::Exactly(2.0), None), 3.0, Some("1.96.0")),
            Outcome::Missed
        );
    }

    #[test]
    fn another_processor_is_skipped() {
        let counted = counted(Bound::Exactly(5.0), Some(("1.95", "aarch64")));
        assert_eq!(outcome(&counted, 5.0, Some("1.95.0")), Outcome::Skipped);
    }

    #[test]
    fn a_count_that_is_missing_is_not_held() {
        let counted = counted(Bound::AtMost(5.0), None);
        let missing = Obstacle::Missing("there is no valgrind".to_owned());
        let failed = Obstacle::Doubt("it failed".to_owned());
        let outcome =
            |obstacle| counted.verdict(Err(obstacle), String::new(), None, "x86_64").outcome();
        assert_eq!(outcome(&missing), Outcome::Skipped);
        assert_eq!(outcome(&failed), Outcome::Undecided);
    }
}
