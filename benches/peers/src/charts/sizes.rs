//! What grows with the number of series: the time to read them, and memory.

use super::frame::{Chart, Sign};
use super::lines::{Line, Lines, aligned};
use super::rows::{Mark, Row, Rows, Value, Widths};
use super::scale::Scale;
use super::{footer, of_threads};
use crate::comparison::{Case, Comparison, Place, Standing};
use crate::quantity::scaled;
use crate::report::grouped;
use crate::results::Finding;

const TIMES: [(&str, &str); 2] = [
    ("snapshot", "Snapshot: everything read"),
    ("scrape", "Scrape: everything as Prometheus' text"),
];
/// At this number of threads, or at the nearest one that there is.
const THREADS: usize = 8;
/// With this number of series, or with the nearest one that there is.
const SERIES: usize = 10_000;

pub fn times(comparison: &Comparison<'_>) -> Option<Chart> {
    let here = TIMES.iter().filter_map(|(name, title)| {
        let case = comparison.case(name).filter(|case| case.is_sized())?;
        Some((case, nearest(case.threads(), THREADS)?, *title))
    });
    let here: Vec<_> = here.collect();
    let (_, threads, _) = here.first()?;
    let cases: Vec<_> = here.iter().map(|(case, ..)| *case).collect();
    Some(Chart {
        name: "sizes".into(),
        title: "Reading all metrics, by their number".into(),
        subtitle: format!(
            "Medians, after {} recorded to every series. Both axes are logarithmic. Smaller is \
             better.",
            if *threads == 1 { "1 thread has".into() } else { of_threads(*threads) + " have" }
        ),
        alternative: "How long a snapshot and a scrape take with more series, for quipu and its \
                      peers."
            .into(),
        legend: vec![Sign::Line("quipu line", "quipu"), Sign::Line("peer line", "peer")],
        is_paired: false,
        panels: aligned(
            here.iter().map(|(case, threads, title)| lines(case, *threads, title)).collect(),
        ),
        footer: footer(&cases),
    })
}

fn lines(case: &Case<'_>, threads: usize, title: &str) -> Lines {
    let sizes: Vec<_> = case.sizes().into_iter().flatten().collect();
    let standing = |series: &usize| case.standing(Place { series: Some(*series), threads });
    let standings: Vec<_> = sizes.iter().filter_map(standing).collect();
    let line = |name: &&str| {
        let findings: Vec<_> = standings.iter().filter_map(|it| it.of_entrant(name)).collect();
        let point = |finding: &&Finding| (finding.series.unwrap_or(0) as f64, finding.median);
        let last = findings.last()?;
        Some(Line {
            name: name.to_string(),
            role: last.role,
            is_named: true,
            points: findings.iter().map(point).collect(),
            last: scaled(last.median, case.unit()),
        })
    };
    let lines: Vec<_> = case.entrants().iter().filter_map(line).collect();
    let values = lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
    Lines {
        title: title.into(),
        unit: case.unit().into(),
        along: "series".into(),
        marks: sizes.iter().map(|&it| (it as f64, short(it))).collect(),
        border: None,
        across: Scale::Log(sizes[0] as f64, sizes[sizes.len() - 1] as f64),
        up: Scale::log(values),
        lines,
        sides: (0.0, 0.0),
    }
}

pub fn memory(comparison: &Comparison<'_>) -> Option<Chart> {
    let case = comparison.case("memory")?;
    let series = nearest(case.sizes().into_iter().flatten().collect(), SERIES)?;
    let threads = case.threads();
    let at = |threads: usize| case.standing(Place { series: Some(series), threads });
    let standings: Vec<_> = threads.iter().filter_map(|&threads| at(threads)).collect();
    let rows: Vec<_> = in_order(&standings).iter().map(|it| row(it, &standings)).collect();
    let values = rows.iter().flat_map(|row| row.values.iter().map(|value| value.median));
    let scale = Scale::log(values);
    let headings: Vec<_> = threads.iter().map(|it| of_threads(*it)).collect();
    let widths = Widths::of(&headings, &rows);
    let numbers = threads.iter().map(usize::to_string).collect::<Vec<_>>().join(", ");
    Some(Chart {
        name: "memory".into(),
        title: format!("Memory of each of {} series", grouped(series as u64)),
        subtitle: format!(
            "Resident memory divided by the number of series. A dot for each number of threads \
             that have recorded, the largest for the most: {numbers}. Logarithmic axis. Smaller is \
             better."
        ),
        alternative: "Memory that a series takes after more and more threads have recorded to it, \
                      for quipu and its peers."
            .into(),
        legend: vec![Sign::Dot("quipu", "quipu"), Sign::Dot("peer", "peer")],
        is_paired: false,
        panels: vec![Box::new(Rows {
            title: "Resident memory".into(),
            unit: case.unit().into(),
            mark: Mark::Dot,
            scale,
            headings,
            rows,
            widths,
        })],
        footer: footer(&[case]),
    })
}

/// Each entrant's finding for the most threads that it has one for, the least first.
fn in_order<'r>(standings: &[Standing<'r>]) -> Vec<&'r Finding> {
    let mut last: Vec<&Finding> = Vec::new();
    for finding in standings.iter().rev().flat_map(Standing::findings) {
        if !last.iter().any(|one| one.entrant == finding.entrant) {
            last.push(finding);
        }
    }
    last.sort_by(|one, other| one.median.total_cmp(&other.median));
    last
}

fn row(last: &Finding, standings: &[Standing<'_>]) -> Row {
    let findings: Vec<_> =
        standings.iter().map(|standing| standing.of_entrant(&last.entrant)).collect();
    let value = |it: &Finding| Value { median: it.median, p10: it.p10, p90: it.p90 };
    Row {
        name: last.entrant.clone(),
        role: last.role,
        values: findings.iter().flatten().map(|it| value(it)).collect(),
        cells: findings
            .iter()
            .map(|it| it.map_or("-".into(), |it| scaled(it.median, &it.unit)))
            .collect(),
    }
}

/// In thousands, where there are only whole ones.
fn short(series: usize) -> String {
    if series.is_multiple_of(1_000) { format!("{}k", series / 1_000) } else { series.to_string() }
}

fn nearest(of: Vec<usize>, wanted: usize) -> Option<usize> {
    of.into_iter().min_by_key(|it| it.abs_diff(wanted))
}
