//! What is done on a hot path: everybody, case by case.

use super::frame::{Chart, Panel, Sign};
use super::rows::{Mark, Row, Rows, Value, Widths};
use super::scale::Scale;
use super::{capitalized, footer, of_threads};
use crate::comparison::{Case, Comparison, Standing};
use crate::quantity::plain;
use crate::results::Finding;

pub const CASES: [&str; 7] = [
    "counter, one handle",
    "counter, one of 4,096",
    "counter, typed labels",
    "counter, dynamic labels",
    "gauge",
    "histogram",
    "timed section",
];

pub fn chart(comparison: &Comparison<'_>, threads: usize) -> Option<Chart> {
    let cases = CASES.iter().filter_map(|name| comparison.case(name));
    let here: Vec<_> = cases.filter_map(|case| Some((case, case.at_threads(threads)?))).collect();
    if here.is_empty() {
        return None;
    }
    let cases: Vec<_> = here.iter().map(|(case, _)| *case).collect();
    Some(Chart {
        name: format!("records-{threads}"),
        title: format!("One record, {}", of_threads(threads)),
        subtitle: format!(
            "Nanoseconds of a core{}. {DOTS} The dashed line is quipu's median.",
            if threads == 1 { "" } else { ", all threads using the same metrics" }
        ),
        alternative: format!(
            "Each library's nanoseconds for a record at {}, for {}.",
            of_threads(threads),
            cases.iter().map(|case| case.name).collect::<Vec<_>>().join("; ")
        ),
        legend: legend(),
        is_paired: true,
        panels: dots(&here),
        footer: footer(&cases),
    })
}

/// How panels of [`dots`] are read.
pub const DOTS: &str = "Dot: median; line: 10th to 90th percentile, on a logarithmic axis. Smaller \
                        is better.";

pub fn legend() -> Vec<Sign> {
    vec![
        Sign::Dot("quipu", "quipu"),
        Sign::Dot("peer", "peer"),
        Sign::Dot("floor", "floor: no library, nothing to read"),
    ]
}

/// A panel for each case, on the same axis.
pub fn dots(cases: &[(&Case<'_>, Standing<'_>)]) -> Vec<Box<dyn Panel>> {
    let findings = cases.iter().flat_map(|(_, standing)| standing.findings());
    let scale = Scale::log(findings.flat_map(|finding| [finding.p10, finding.p90, finding.median]));
    aligned(cases.iter().map(|(case, standing)| rows(case, standing, Mark::Dot, scale)).collect())
}

/// Panels whose plots have the same width.
pub fn aligned(mut panels: Vec<Rows>) -> Vec<Box<dyn Panel>> {
    let widths = panels.iter().map(|panel| panel.widths.clone()).reduce(|one, it| one.and(&it));
    if let Some(widths) = widths {
        panels.iter_mut().for_each(|panel| panel.widths = widths.clone());
    }
    panels.into_iter().map(|panel| Box::new(panel) as Box<dyn Panel>).collect()
}

/// Everybody at one place, with the value and how many times quipu's it is.
pub fn rows(case: &Case<'_>, standing: &Standing<'_>, mark: Mark, scale: Scale) -> Rows {
    let quipu = standing.quipu().map(|quipu| quipu.median);
    let ratio = |finding: &Finding| match quipu {
        Some(quipu) if quipu > 0.0 => plain(finding.median / quipu, "ns"),
        _ => "-".into(),
    };
    let row = |finding: &&Finding| Row {
        name: finding.entrant.clone(),
        role: finding.role,
        values: vec![Value { median: finding.median, p10: finding.p10, p90: finding.p90 }],
        cells: vec![plain(finding.median, case.unit()), ratio(finding)],
    };
    let unit = if case.unit() == "count" { "lines" } else { case.unit() };
    let headings = vec![unit.to_string(), "/ quipu".into()];
    let rows: Vec<_> = standing.findings().iter().map(row).collect();
    let widths = Widths::of(&headings, &rows);
    Rows {
        title: capitalized(case.name),
        // It stands above the numbers.
        unit: "count".into(),
        mark,
        scale,
        headings,
        rows,
        widths,
    }
}
