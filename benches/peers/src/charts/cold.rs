//! Records to metrics that were not used for a while.

use super::footer;
use super::frame::Chart;
use super::records::{aligned, dots, legend, rows};
use super::rows::Mark;
use super::scale::Scale;
use crate::comparison::{Case, Comparison, Standing};

const LINES: [&str; 2] = ["cold lines, counter", "cold lines, histogram"];
const TIMES: [&str; 2] = ["cold counter", "cold histogram"];

pub fn chart(comparison: &Comparison<'_>) -> Option<Chart> {
    let [lines, times] = [LINES, TIMES].map(|names| here(comparison, &names));
    if lines.is_empty() && times.is_empty() {
        return None;
    }
    let bars = lines.iter().map(|(case, standing)| {
        let scale = Scale::linear(standing.findings().iter().map(|finding| finding.median));
        rows(case, standing, Mark::Bar, scale)
    });
    let mut panels = aligned(bars.collect());
    panels.extend(dots(&times));
    let cases: Vec<_> = lines.iter().chain(&times).map(|(case, _)| *case).collect();
    Some(Chart {
        name: "cold".into(),
        title: "A record when nothing of it is in the caches".into(),
        subtitle: "Bars: cache lines that one record fetches, counted by callgrind, from zero. \
                   Dots: nanoseconds, medians, with the 10th to 90th percentile, on a logarithmic \
                   axis. Smaller is better."
            .into(),
        alternative: "Cache lines and nanoseconds of a record to a metric that was not used for a \
                      while, for quipu and its peers."
            .into(),
        legend: legend(),
        is_paired: true,
        panels,
        footer: footer(&cases),
    })
}

fn here<'c, 'r>(
    comparison: &'c Comparison<'r>,
    names: &[&str],
) -> Vec<(&'c Case<'r>, Standing<'r>)> {
    let cases = names.iter().filter_map(|name| comparison.case(name));
    cases.filter_map(|case| Some((case, case.standing(case.places()[0])?))).collect()
}
