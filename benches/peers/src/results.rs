//! What was measured, for the file that charts are drawn from.
#![forbid(unsafe_code)]

use crate::measure::Spread;
use serde::{Deserialize, Serialize};

/// What an entrant is in the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Quipu,
    Peer,
    /// No library: what the processor asks for the least that the work could be.
    Floor,
}

/// One number of one entrant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    pub case: String,
    pub entrant: String,
    pub role: Role,
    /// Threads that record, or have recorded.
    pub threads: usize,
    /// Series that there are, where the case is about how many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<usize>,
    /// `ns`, `us`, `bytes`, `count`. Smaller is better, always.
    pub unit: String,
    pub best: f64,
    pub p10: f64,
    pub median: f64,
    pub p90: f64,
    /// What the entrant keeps of a record, where that is not the same for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
}

/// What an entrant cannot do, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    pub case: String,
    pub entrant: String,
    pub reason: String,
}

/// All that a run found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Results {
    pub findings: Vec<Finding>,
    pub gaps: Vec<Gap>,
}

impl Finding {
    /// `scale` is how many of the spread's steps are one unit.
    pub fn new(
        case: impl Into<String>,
        (entrant, role): (&str, Role),
        threads: usize,
        (unit, scale): (&str, f64),
        spread: Spread,
    ) -> Self {
        let Spread { best, low, median, high } = spread;
        let [best, p10, median, p90] = [best, low, median, high].map(|at| at as f64 / scale);
        Self {
            case: case.into(),
            entrant: entrant.into(),
            role,
            threads,
            series: None,
            unit: unit.into(),
            best,
            p10,
            median,
            p90,
            note: String::new(),
        }
    }

    pub fn of_series(self, series: usize) -> Self {
        Self { series: Some(series), ..self }
    }

    pub fn note(self, note: &str) -> Self {
        Self { note: note.into(), ..self }
    }
}

impl Results {
    /// Adds a gap, once.
    pub fn gap(&mut self, case: &str, entrant: &str, reason: &str) {
        let gap = Gap { case: case.into(), entrant: entrant.into(), reason: reason.into() };
        if !self.gaps.contains(&gap) {
            self.gaps.push(gap);
        }
    }
}
