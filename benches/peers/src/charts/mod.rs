//! Charts of a comparison, as SVG: for light and for dark pages, wide and for telephones.
//!
//! Bars begin at zero; what spans powers of ten is a dot or a line on a logarithmic axis, and says
//! so.
//! Everybody who was measured is drawn.
#![forbid(unsafe_code)]

mod cold;
mod drawing;
mod frame;
mod lines;
mod overview;
mod records;
mod rows;
mod scale;
mod scaling;
mod sizes;
mod strips;
#[cfg(test)]
mod tests;
mod theme;

use crate::comparison::{Case, Comparison, distinct};
use crate::runs::Run;
pub use frame::{Chart, FORMATS, Format};
pub use theme::{DARK, LIGHT, Theme};

pub const THEMES: [Theme; 2] = [LIGHT, DARK];

/// All charts that the comparison has cases for.
pub fn all(comparison: &Comparison<'_>) -> Vec<Chart> {
    [
        overview::chart(comparison, 1),
        overview::chart(comparison, 2),
        records::chart(comparison, 1),
        records::chart(comparison, 2),
        scaling::chart(comparison),
        cold::chart(comparison),
        sizes::times(comparison),
        sizes::memory(comparison),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Where the numbers of some cases are from.
fn footer<'r>(cases: &[&Case<'r>]) -> Vec<String> {
    let lines = distinct(cases.iter().map(|case| case.run)).into_iter().map(origin);
    let mut lines: Vec<_> = lines.collect();
    lines.dedup();
    lines
}

fn origin(run: &Run) -> String {
    let Run { machine, rustc, versions, .. } = run;
    let cores = if machine.cores == 1 { "core" } else { "cores" };
    let rustc = rustc.split(" (").next().unwrap_or(rustc);
    let quipu = versions.get("quipu").map_or(String::new(), |it| format!("quipu {it}, "));
    let quick = if run.command.contains("--quick") { ", quick run" } else { "" };
    format!(
        "{}, {} {cores}, {}, {quipu}{rustc}, {}{quick}",
        machine.processor,
        machine.cores,
        machine.system,
        run.day()
    )
}

/// `1 thread` or `2 threads`.
pub fn of_threads(threads: usize) -> String {
    format!("{threads} {}", if threads == 1 { "thread" } else { "threads" })
}

/// With a capital.
fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>())
        + letters.as_str()
}
