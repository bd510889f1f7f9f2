//! What is held against a run: the first quarter of its windows, after a warm-up, against the last.

use super::window::{LEVELS, Level, Window, median};
use crate::latency::{COUNTER, HISTOGRAM};
use serde_json::{Value, json};
use std::time::Duration;

/// Series of a registry that is scraped stay for 120 seconds after their end, so that memory grows
/// until then; and in runs of any length caches and buffers find their size first.
const WARM_UP: Duration = Duration::from_secs(300);
const WARM_UP_SHARE: f64 = 0.35;

/// Windows in a quarter, at least.
const FEWEST: usize = 3;

/// How much p99.99 of a record may rise; and if that of the machine's own noise rises by more than
/// the second, the machine has changed, and not quipu.
const TAIL_BOUND: f64 = 1.5;
const NOISE_BOUND: f64 = 1.25;
/// Below so many nanoseconds a difference is the clock's.
const RESOLUTION_NS: f64 = 100.0;
const P9999: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    Held,
    Undecided,
    Missed,
}

pub struct Verdict {
    pub name: String,
    pub outcome: Outcome,
    /// What was compared.
    pub why: String,
}

impl Verdict {
    pub fn exact(checks: u64, faults: u64) -> Self {
        Self {
            name: "totals exact".to_owned(),
            outcome: if faults == 0 { Outcome::Held } else { Outcome::Missed },
            why: format!("{checks} checks, {faults} faults"),
        }
    }

    pub fn json(&self) -> Value {
        json!({
            "name": self.name,
            "outcome": format!("{:?}", self.outcome).to_lowercase(),
            "why": self.why,
        })
    }
}

/// The windows after the warm-up.
pub fn warm(windows: &[Window]) -> &[Window] {
    let end = windows.last().map_or(0.0, |last| last.at);
    let warm_up = WARM_UP.as_secs_f64().min(end * WARM_UP_SHARE);
    let cold = windows.iter().take_while(|window| window.at <= warm_up).count();
    &windows[cold..]
}

/// The verdicts on memory, threads, files and the slowest records.
pub fn judge(windows: &[Window]) -> Vec<Verdict> {
    let warm = warm(windows);
    let quarter = warm.len() / 4;
    if quarter < FEWEST {
        let why = format!("{} windows after the warm-up are too few", warm.len());
        return vec![Verdict {
            name: "memory and latency flat".to_owned(),
            outcome: Outcome::Undecided,
            why,
        }];
    }
    let (first, last) = (&warm[..quarter], &warm[warm.len() - quarter..]);
    let levels = LEVELS.iter().map(|level| flat(level, first, last));
    let tails = [("counter", COUNTER), ("histogram", HISTOGRAM)];
    levels.chain(tails.into_iter().map(|(name, lane)| tail(name, lane, first, last))).collect()
}

fn flat(level: &Level, first: &[Window], last: &[Window]) -> Verdict {
    let (before, after) = (median(first, level.of), median(last, level.of));
    let bound = level.bound(before, last.last().map_or(0.0, |window| window.at));
    let unit = level.unit;
    Verdict {
        name: format!("{} flat", level.name),
        outcome: if after <= bound { Outcome::Held } else { Outcome::Missed },
        why: format!("{before:.1} {unit}, then {after:.1} {unit}; at most {bound:.1} {unit}"),
    }
}

fn tail(name: &str, lane: usize, first: &[Window], last: &[Window]) -> Verdict {
    let of = |windows: &[Window], ns: &dyn Fn(&Window) -> u64| {
        median(windows, |window| (ns(window) as f64).max(RESOLUTION_NS))
    };
    let rise = |ns: &dyn Fn(&Window) -> u64| (of(first, ns), of(last, ns));
    let (before, after) = rise(&|window| window.latencies[lane][P9999]);
    let (noise_before, noise_after) = rise(&|window| window.noise[P9999]);
    let (ratio, noise) = (after / before, noise_after / noise_before);
    let outcome = match () {
        () if ratio <= TAIL_BOUND => Outcome::Held,
        () if noise > NOISE_BOUND => Outcome::Undecided,
        () => Outcome::Missed,
    };
    Verdict {
        name: format!("p99.99 of a {name} flat"),
        outcome,
        why: format!(
            "{before:.0} ns, then {after:.0} ns: {ratio:.2} x, at most {TAIL_BOUND} x; \
             noise {noise_before:.0} ns, then {noise_after:.0} ns: {noise:.2} x"
        ),
    }
}
