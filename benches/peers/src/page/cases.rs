//! A case: all numbers, what they are of, and who is missing.

use super::summary;
use super::table::{Align, Table, escaped};
use crate::comparison::{Case, Place, Standing};
use crate::quantity::plain;
use crate::report::grouped;
use crate::results::{Finding, Role};
use std::fmt::Write;

/// At so many numbers of threads, from the least on, spreads and ratios are shown.
const DETAILED: usize = 2;

pub fn write(page: &mut String, case: &Case<'_>, explanation: Option<&str>) {
    writeln!(page, "## {}\n", escaped(case.name)).expect("memory takes all");
    let lost: Vec<_> =
        case.places_lost().iter().map(|(place, it)| lost(case, *place, it)).collect();
    if !lost.is_empty() {
        writeln!(page, "quipu is **not first** {}.\n", lost.join("; ")).expect("memory takes all");
    }
    if let Some(explanation) = explanation {
        writeln!(page, "{explanation}\n").expect("memory takes all");
    }
    for series in case.sizes() {
        if let Some(series) = series.filter(|_| case.is_sized()) {
            writeln!(page, "### {}, {} series\n", escaped(case.name), grouped(series as u64))
                .expect("memory takes all");
        }
        table(case, series).write(page);
    }
    for gap in &case.gaps {
        writeln!(page, "- {}: {}", escaped(&gap.entrant), escaped(&gap.reason))
            .expect("memory takes all");
    }
    if !case.gaps.is_empty() {
        page.push('\n');
    }
}

fn lost(case: &Case<'_>, place: Place, standing: &Standing<'_>) -> String {
    let (quipu, peer) = (standing.quipu(), standing.fastest_peer());
    let times = quipu.zip(peer).map(|(quipu, peer)| {
        format!("{} times {}", summary::ratio(quipu.median, peer.median), escaped(&peer.entrant))
    });
    format!("at {} ({})", summary::name(case, place), times.unwrap_or_default())
}

/// Everybody, with one number of series.
fn table(case: &Case<'_>, series: Option<usize>) -> Table {
    let places = case.places().into_iter().filter(|place| place.series == series);
    let standings: Vec<_> =
        places.filter_map(|place| Some((place.threads, case.standing(place)?))).collect();
    let detailed = &standings[..standings.len().min(DETAILED)];
    // Peers often differ by that: the place where records meet.
    let (_, order) = &detailed[detailed.len() - 1];
    let mut entrants: Vec<_> = order.findings().iter().map(|it| &*it.entrant).collect();
    let others = case
        .entrants()
        .into_iter()
        .filter(|name| standings.iter().any(|(_, standing)| standing.of_entrant(name).is_some()));
    for name in others {
        if !entrants.contains(&name) {
            entrants.push(name);
        }
    }
    let has_notes = entrants.iter().any(|entrant| !case.note(entrant).is_empty());
    let mut table = Table::new(headings(case, &standings, detailed, has_notes));
    for entrant in entrants {
        table.row(row(case, &standings, detailed, entrant, has_notes));
    }
    table
}

type At<'r> = (usize, Standing<'r>);

fn headings(
    case: &Case<'_>,
    all: &[At<'_>],
    detailed: &[At<'_>],
    has_notes: bool,
) -> Vec<(String, Align)> {
    let unit = if case.unit() == "count" { String::new() } else { format!(", {}", case.unit()) };
    let medians = all.iter().map(|(threads, _)| crate::charts::of_threads(*threads));
    let details =
        |what: &'static str| detailed.iter().map(move |(threads, _)| format!("{what}, {threads}"));
    let numbers = medians.chain(details("p10 .. p90")).chain(details("/ fastest peer"));
    let mut headings = vec![(format!("median{unit}"), Align::Left)];
    headings.extend(numbers.map(|text| (text, Align::Right)));
    headings.extend(has_notes.then(|| ("kept of a record".into(), Align::Left)));
    headings
}

fn row<'r>(
    case: &Case<'r>,
    all: &[At<'r>],
    detailed: &[At<'r>],
    entrant: &str,
    has_notes: bool,
) -> Vec<String> {
    let of_entrant = |(_, standing): &At<'r>| standing.of_entrant(entrant);
    let role = all.iter().find_map(of_entrant).map(|finding| finding.role);
    let shown = |text: String| if role == Some(Role::Quipu) { format!("**{text}**") } else { text };
    let cell = |text: Option<String>| text.map_or("-".into(), &shown);
    let name = match role {
        Some(Role::Floor) => format!("{entrant} (floor)"),
        _ => entrant.into(),
    };
    let mut cells = vec![shown(name)];
    let median = |finding: &Finding| plain(finding.median, case.unit());
    cells.extend(all.iter().map(|at| cell(of_entrant(at).map(median))));
    let spread = |finding: &Finding| {
        let [p10, p90] = [finding.p10, finding.p90].map(|it| plain(it, case.unit()));
        format!("{p10} .. {p90}")
    };
    cells.extend(detailed.iter().map(|at| of_entrant(at).map_or("-".into(), spread)));
    let ratio = |at: &At<'r>| {
        let (finding, peer) = (of_entrant(at)?, at.1.fastest_peer()?);
        Some(summary::ratio(finding.median, peer.median))
    };
    cells.extend(detailed.iter().map(|at| cell(ratio(at))));
    cells.extend(has_notes.then(|| case.note(entrant).into()));
    cells
}
