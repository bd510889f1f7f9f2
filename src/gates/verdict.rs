//! What a gate found, the table of all of them, and how a run ends.

use super::options::Options;
use std::fmt::{self, Write};

/// One gate's result.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    pub gate: String,
    pub kind: &'static str,
    /// What is measured against: the floor, the operation left alone, the noise of the machine, or the
    /// empty loop.
    pub reference: f64,
    pub operation: f64,
    /// What `bound` is about.
    pub measured: f64,
    pub bound: Bound,
    pub unit: Unit,
    /// Why the measurement may be wrong where it is out of bounds, or why there is none.
    pub obstacle: Option<Obstacle>,
    /// What else there is to know.
    pub note: Option<String>,
    /// How to look closer.
    pub look: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtMost(f64),
    Exactly(f64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Of two times in nanoseconds.
    Times,
    Nanoseconds,
    Instructions,
}

#[derive(Clone, Debug)]
pub(super) enum Obstacle {
    /// The machine was not quiet enough to tell, or something else went wrong on the way.
    Doubt(String),
    /// Nothing here can measure it.
    Missing(String),
}

/// From best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    Held,
    Skipped,
    Undecided,
    Missed,
}

/// What one instruction more can be told from; less is the rounding of a mean.
const RESOLUTION: f64 = 0.005;

impl Bound {
    pub(super) fn value(self) -> f64 {
        match self {
            Self::AtMost(bound) | Self::Exactly(bound) => bound,
        }
    }

    fn holds(self, measured: f64) -> bool {
        match self {
            Self::AtMost(bound) => measured <= bound,
            Self::Exactly(bound) => (measured - bound).abs() < RESOLUTION,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Times => "x",
            Self::Nanoseconds => "ns",
            Self::Instructions => "instr",
        })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Held => "held",
            Self::Skipped => "SKIPPED",
            Self::Undecided => "UNDECIDED",
            Self::Missed => "MISSED",
        })
    }
}

impl Verdict {
    /// Of a gate that could not be measured.
    pub(super) fn of_none(
        gate: &str,
        kind: &'static str,
        (bound, unit): (Bound, Unit),
        obstacle: Obstacle,
    ) -> Self {
        Self {
            gate: gate.to_owned(),
            kind,
            reference: f64::NAN,
            operation: f64::NAN,
            measured: f64::NAN,
            bound,
            unit,
            obstacle: Some(obstacle),
            note: None,
            look: String::new(),
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        match &self.obstacle {
            Some(Obstacle::Missing(_)) => Outcome::Skipped,
            _ if self.bound.holds(self.measured) => Outcome::Held,
            Some(Obstacle::Doubt(_)) => Outcome::Undecided,
            None => Outcome::Missed,
        }
    }

    /// Keeps the better one of two measurements of the same gate.
    pub(super) fn keep_better(&mut self, other: Self) {
        let is_better = (other.outcome().cmp(&self.outcome()))
            .then(other.measured.total_cmp(&self.measured))
            .is_lt();
        if is_better {
            *self = other;
        }
    }

    /// How far off the measurement is.
    fn distance(&self) -> String {
        let (measured, bound, unit) = (self.measured, self.bound.value(), self.unit);
        match self.unit {
            Unit::Instructions if measured < bound => {
                format!("{measured:.2} {unit}, {:.2} fewer than the {bound:.2}", bound - measured)
            }
            Unit::Instructions => {
                format!("{measured:.2} {unit}, {:.2} more than the {bound:.2}", measured - bound)
            }
            Unit::Times | Unit::Nanoseconds => {
                let over = (measured / bound - 1.0) * 100.0;
                format!("{measured:.2} {unit}, {over:.0} % over the bound of {bound:.2} {unit}")
            }
        }
    }
}

/// A line for each gate, below a heading.
pub(super) fn table(verdicts: &[Verdict]) -> String {
    let width = verdicts.iter().map(|verdict| verdict.gate.chars().count()).max();
    let width = width.unwrap_or(0).max(24);
    let mut text = format!(
        "{:<width$} {:>9} {:>9} {:>9}       {:>9}\n",
        "gate", "reference", "operation", "measured", "bound"
    );
    for verdict in verdicts {
        let (sign, bound) = match verdict.bound {
            Bound::AtMost(bound) => ("<=", bound),
            Bound::Exactly(bound) => ("==", bound),
        };
        let number = |number: f64| {
            if number.is_finite() { format!("{number:.2}") } else { "-".to_owned() }
        };
        let line = write!(
            text,
            "{:<width$} {:>9} {:>9} {:>9} {:<5} {sign} {bound:>7.2}  {}",
            verdict.gate,
            number(verdict.reference),
            number(verdict.operation),
            number(verdict.measured),
            verdict.unit,
            verdict.outcome(),
        );
        line.expect("memory takes whatever is written");
        if let Some(note) = &verdict.note {
            text += &format!(" ({note})");
        }
        text.push('\n');
    }
    text
}

/// What is to be said about verdicts that are not good ones, how many there are of each, and the
/// code to exit with. `bench` is the target's name.
pub(super) fn conclusion(verdicts: &[Verdict], options: &Options, bench: &str) -> (String, u8) {
    let mut text = String::new();
    for verdict in verdicts {
        text += &complaint(verdict);
    }
    let count = |wanted| verdicts.iter().filter(|verdict| verdict.outcome() == wanted).count();
    let [held, skipped, undecided, missed] =
        [Outcome::Held, Outcome::Skipped, Outcome::Undecided, Outcome::Missed].map(count);
    let missed_times = verdicts
        .iter()
        .any(|verdict| verdict.outcome() == Outcome::Missed && verdict.unit != Unit::Instructions);
    if missed_times {
        text += &format!(
            "\nIf the machine is busy: cargo bench --bench {bench} -- --slack 0.30 --best-of 3\n"
        );
    }
    text += &format!("\n{held} held, {missed} missed, {undecided} undecided, {skipped} skipped\n");
    let is_undecided = undecided != 0 && !options.allow_undecided;
    let is_denied = skipped != 0 && options.deny_skipped;
    let code = match () {
        () if missed != 0 => 1,
        () if is_undecided || is_denied => 2,
        () => 0,
    };
    (text, code)
}

/// What went wrong with a gate, and how to look closer; nothing if it has held.
fn complaint(verdict: &Verdict) -> String {
    let (outcome, gate) = (verdict.outcome(), &verdict.gate);
    match (outcome, &verdict.obstacle) {
        (Outcome::Held, _) => String::new(),
        (Outcome::Skipped, Some(Obstacle::Missing(why))) => {
            format!("\n{outcome}: {gate}: {why}. This is not a pass.\n")
        }
        (Outcome::Undecided, Some(Obstacle::Doubt(why))) if verdict.unit == Unit::Instructions => {
            format!(
                "\n{outcome}: {gate}: {why}.\nThis is not a pass: nothing was counted. \
                 --allow-undecided accepts it.\n"
            )
        }
        (Outcome::Undecided, Some(Obstacle::Doubt(why))) => format!(
            "\n{outcome}: {gate}: {why}.\nThis is not a pass: repeat it on a quiet machine, with two \
             free cores, or accept it with --allow-undecided.\n"
        ),
        _ => {
            let mut text = format!("\n{outcome}: {gate}: {}.\n", verdict.distance());
            if let Bound::Exactly(_) = verdict.bound {
                text += "If that is meant, write the new number into the gate.\n";
            }
            text + &format!("Look closer: {}\n", verdict.look)
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn verdict(measured: f64, bound: f64) -> Verdict {
        Verdict {
            gate: "counter add".to_owned(),
            kind: "ratio",
            reference: 0.5,
            operation: measured * 0.5,
            measured,
            bound: Bound::AtMost(bound),
            unit: Unit::Times,
            obstacle: None,
            note: None,
            look: "cargo bench --bench record".to_owned(),
        }
    }

    fn counted(measured: f64) -> Verdict {
        let bound = Bound::Exactly(5.0);
        Verdict { bound, unit: Unit::Instructions, ..verdict(measured, 5.0) }
    }

    fn doubtful(measured: f64, bound: f64) -> Verdict {
        let obstacle = Some(Obstacle::Doubt("it is noisy".to_owned()));
        Verdict { obstacle, ..verdict(measured, bound) }
    }

    fn skipped() -> Verdict {
        let bound = (Bound::Exactly(5.0), Unit::Instructions);
        let obstacle = Obstacle::Missing("there is no valgrind".to_owned());
        Verdict::of_none("counter add", "instructions", bound, obstacle)
    }

    fn code(verdicts: &[Verdict], options: &Options) -> u8 {
        conclusion(verdicts, options, "hot_path").1
    }

    #[test]
    fn a_bound_itself_is_held_and_what_is_over_it_missed() {
        assert_eq!(verdict(1.4, 1.4).outcome(), Outcome::Held);
        assert_eq!(verdict(1.41, 1.4).outcome(), Outcome::Missed);
        assert_eq!(verdict(f64::NAN, 1.4).outcome(), Outcome::Missed);
        assert_eq!(verdict(f64::INFINITY, 1.4).outcome(), Outcome::Missed);
    }

    #[test]
    fn an_exact_number_is_missed_in_both_directions() {
        assert_eq!(counted(5.0).outcome(), Outcome::Held);
        assert_eq!(counted(5.004).outcome(), Outcome::Held);
        for other in [4.0, 6.0, 5.01, 4.99, f64::NAN] {
            assert_eq!(counted(other).outcome(), Outcome::Missed, "{other}");
        }
    }

    #[test]
    fn doubt_counts_only_against_what_is_over_the_bound() {
        assert_eq!(doubtful(1.0, 1.4).outcome(), Outcome::Held);
        assert_eq!(doubtful(1.5, 1.4).outcome(), Outcome::Undecided);
    }

    #[test]
    fn what_was_not_measured_is_never_held() {
        let mut verdict = skipped();
        assert_eq!(verdict.outcome(), Outcome::Skipped);
        verdict.bound = Bound::AtMost(f64::INFINITY);
        verdict.measured = 0.0;
        assert_eq!(verdict.outcome(), Outcome::Skipped);
    }

    #[test]
    fn the_better_of_two_measurements_is_kept() {
        let better = |mut first: Verdict, second: Verdict| {
            first.keep_better(second);
            (first.outcome(), first.measured)
        };
        assert_eq!(better(verdict(1.5, 1.4), verdict(1.3, 1.4)), (Outcome::Held, 1.3));
        assert_eq!(better(verdict(1.3, 1.4), verdict(1.5, 1.4)), (Outcome::Held, 1.3));
        assert_eq!(better(verdict(1.6, 1.4), verdict(1.5, 1.4)), (Outcome::Missed, 1.5));
        assert_eq!(better(verdict(1.5, 1.4), doubtful(1.6, 1.4)), (Outcome::Undecided, 1.6));
    }

    #[test]
    fn the_exit_code_is_that_of_the_worst() {
        let (strict, lax) =
            (Options::default(), Options { allow_undecided: true, ..Options::default() });
        let denying = Options { deny_skipped: true, ..Options::default() };
        let (held, missed) = (verdict(1.0, 1.4), verdict(2.0, 1.4));
        let undecided = doubtful(2.0, 1.4);
        assert_eq!(code(&[], &strict), 0);
        assert_eq!(code(std::slice::from_ref(&held), &strict), 0);
        assert_eq!(code(&[held.clone(), undecided.clone()], &strict), 2);
        assert_eq!(code(&[held.clone(), undecided.clone()], &lax), 0);
        assert_eq!(code(&[undecided.clone(), missed.clone(), skipped()], &strict), 1);
        assert_eq!(code(&[missed, undecided], &lax), 1);
        assert_eq!(code(&[held.clone(), skipped()], &strict), 0);
        assert_eq!(code(&[held, skipped()], &denying), 2);
    }

    #[test]
    fn a_complaint_says_which_gate_by_how_much_and_how_to_look_closer() {
        let options = Options::default();
        let (text, _) = conclusion(&[verdict(1.54, 1.4)], &options, "hot_path");
        let expected = "MISSED: counter add: 1.54 x, 10 % over the bound of 1.40 x.\n\
                        Look closer: cargo bench --bench record\n";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.contains("cargo bench --bench hot_path -- --slack 0.30 --best-of 3"),
            "{text}"
        );
        assert!(text.ends_with("0 held, 1 missed, 0 undecided, 0 skipped\n"), "{text}");

        let (text, _) = conclusion(&[counted(6.0)], &options, "hot_path");
        assert!(text.contains("6.00 instr, 1.00 more than the 5.00."), "{text}");
        assert!(text.contains("write the new number"), "{text}");
        assert!(!text.contains("--slack"), "{text}");
        let (text, _) = conclusion(&[counted(3.0)], &options, "hot_path");
        assert!(text.contains("3.00 instr, 2.00 fewer than the 5.00."), "{text}");

        let (text, _) = conclusion(&[skipped(), doubtful(2.0, 1.4)], &options, "hot_path");
        assert!(text.contains("SKIPPED: counter add: there is no valgrind."), "{text}");
        assert!(text.contains("UNDECIDED: counter add: it is noisy."), "{text}");
        assert!(text.ends_with("0 held, 0 missed, 1 undecided, 1 skipped\n"), "{text}");
    }

    #[test]
    fn the_table_has_a_line_for_each_gate() {
        let noted = Verdict { note: Some("another compiler".to_owned()), ..counted(5.0) };
        let text = table(&[verdict(1.0, 1.4), noted, skipped()]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].contains("0.50      0.50      1.00 x     <=    1.40  held"), "{text}");
        assert!(lines[2].ends_with("==    5.00  held (another compiler)"), "{text}");
        assert!(lines[3].contains("-         -         - instr ==    5.00  SKIPPED"), "{text}");
    }
}
