//! Records on more and more threads.

use super::footer;
use super::frame::{Chart, Sign};
use super::lines::{Line, Lines, aligned};
use super::scale::Scale;
use crate::comparison::{Case, Comparison, Standing};
use crate::quantity::scaled;
use crate::results::{Finding, Role};

const CASES: [&str; 2] = ["counter, one handle", "histogram"];
const TITLES: [&str; 2] = ["Counter", "Histogram"];

/// Peers that are named because many programs have them. Who is the fastest at some number of
/// threads is named as well.
const KNOWN: [&str; 5] = [
    "prometheus",
    "prometheus-client",
    "metrics-exporter-prometheus",
    "opentelemetry_sdk bound",
    "opentelemetry_sdk unbound",
];

pub fn chart(comparison: &Comparison<'_>) -> Option<Chart> {
    let is_long = |case: &&Case<'_>| case.threads().len() > 2;
    let here = CASES.iter().zip(TITLES).filter_map(|(name, title)| {
        comparison.case(name).filter(is_long).map(|case| (case, title))
    });
    let here: Vec<_> = here.collect();
    if here.is_empty() {
        return None;
    }
    let cases: Vec<_> = here.iter().map(|(case, _)| *case).collect();
    let panels: Vec<_> = here.iter().map(|(case, title)| lines(case, title)).collect();
    let mut legend = vec![Sign::Line("quipu line", "quipu"), Sign::Line("peer line", "peer")];
    if panels.iter().flat_map(|panel| &panel.lines).any(|line| !line.is_named) {
        legend.push(Sign::Line("faint line", "other peers, in the tables"));
    }
    legend.push(Sign::Line("floor line", "floor: no library"));
    Some(Chart {
        name: "scaling".into(),
        title: "One record, by the number of threads".into(),
        subtitle: "Nanoseconds of a core, medians; all threads use the same metric. With more \
                   threads than cores, what passes is divided among them. Both axes are \
                   logarithmic. Smaller is better."
            .into(),
        alternative:
            "How the time of a record grows with the number of threads, for quipu and its \
                      peers."
                .into(),
        legend,
        is_paired: false,
        panels: aligned(panels),
        footer: footer(&cases),
    })
}

fn lines(case: &Case<'_>, title: &str) -> Lines {
    let threads = case.threads();
    let standings: Vec<_> = threads.iter().filter_map(|&it| case.at_threads(it)).collect();
    let fastest: Vec<_> = standings.iter().filter_map(Standing::fastest_peer).collect();
    let is_fastest = |name: &str| fastest.iter().any(|finding| finding.entrant == name);
    let line = |name: &&str| {
        let findings: Vec<_> = standings.iter().filter_map(|it| it.of_entrant(name)).collect();
        let point = |finding: &&Finding| (finding.threads as f64, finding.median);
        let (role, last) = findings.last().map(|it| (it.role, it.median))?;
        let is_named = role != Role::Peer || is_fastest(name) || KNOWN.contains(name);
        Some(Line {
            name: name.to_string(),
            role,
            is_named,
            points: findings.iter().map(point).collect(),
            last: scaled(last, case.unit()),
        })
    };
    let lines: Vec<_> = case.entrants().iter().filter_map(line).collect();
    let values = lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
    let cores = case.run.machine.cores;
    let is_inside = threads.first() < Some(&cores) && Some(&cores) < threads.last();
    Lines {
        title: title.into(),
        unit: case.unit().into(),
        along: "threads".into(),
        marks: threads.iter().map(|&it| (it as f64, it.to_string())).collect(),
        border: is_inside.then(|| (cores as f64, format!("{cores} cores"))),
        across: Scale::Log(threads[0] as f64, threads[threads.len() - 1] as f64),
        up: Scale::log(values),
        lines,
        sides: (0.0, 0.0),
    }
}
