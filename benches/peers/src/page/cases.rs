//! A case: all numbers, what they are of, and who is missing.

use super::summary;
use super::table::{Align, Table, escaped};
use crate::charts::of_threads;
use crate::comparison::{Case, Place, Standing};
use crate::quantity::plain;
use crate::report::grouped;
use crate::results::Role;
use std::fmt::Write;

/// At so many numbers of threads, from the least on, spreads are shown, and ratios if there are more
/// than [`FEW`].
const DETAILED: usize = 2;
const FEW: usize = 3;

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
    let first = |count: usize| &standings[..standings.len().min(count)];
    let compared = if standings.len() <= FEW { FEW } else { DETAILED };
    // Peers often differ by the second one: threads meet there.
    let (_, order) = &first(DETAILED)[first(DETAILED).len() - 1];
    let mut entrants: Vec<_> = order.findings().iter().map(|it| &*it.entrant).collect();
    let is_here = |name: &&str| standings.iter().any(|(_, it)| it.of_entrant(name).is_some());
    for name in case.entrants().into_iter().filter(is_here) {
        if !entrants.contains(&name) {
            entrants.push(name);
        }
    }
    let has_notes = entrants.iter().any(|entrant| !case.note(entrant).is_empty());
    let columns = Columns {
        case,
        all: &standings,
        detailed: first(DETAILED),
        compared: first(compared),
        has_notes,
    };
    let mut table = Table::new(columns.headings());
    entrants.into_iter().for_each(|entrant| table.row(columns.row(entrant)));
    table
}

type At<'r> = (usize, Standing<'r>);

/// What a table shows of each entrant.
struct Columns<'t, 'r> {
    case: &'t Case<'r>,
    /// Medians.
    all: &'t [At<'r>],
    /// Spreads.
    detailed: &'t [At<'r>],
    /// Ratios.
    compared: &'t [At<'r>],
    has_notes: bool,
}

impl Columns<'_, '_> {
    fn headings(&self) -> Vec<(String, Align)> {
        let unit = self.case.unit();
        let unit = if unit == "count" { String::new() } else { format!(", {unit}") };
        let medians = self.all.iter().map(|(threads, _)| of_threads(*threads));
        let spreads = self.detailed.iter().map(|(threads, _)| format!("p10 .. p90, {threads}"));
        let ratios = self.compared.iter().map(|(threads, _)| format!("/ fastest peer, {threads}"));
        let mut headings = vec![(format!("median{unit}"), Align::Left)];
        let numbers = medians.chain(spreads).chain(ratios);
        headings.extend(numbers.map(|text| (text, Align::Right)));
        headings.extend(self.has_notes.then(|| ("kept of a record".into(), Align::Left)));
        headings
    }

    fn row(&self, entrant: &str) -> Vec<String> {
        let unit = self.case.unit();
        let role = self.all.iter().find_map(|(_, it)| it.of_entrant(entrant)).map(|it| it.role);
        let shown = |text: String| match role {
            Some(Role::Quipu) => format!("**{text}**"),
            _ => text,
        };
        let cell = |text: Option<String>| text.map_or("-".into(), shown);
        let median = |(_, standing): &At<'_>| {
            cell(standing.of_entrant(entrant).map(|finding| plain(finding.median, unit)))
        };
        let spread = |(_, standing): &At<'_>| {
            let ends = standing.of_entrant(entrant).map(|finding| [finding.p10, finding.p90]);
            let ends = ends.map(|ends| ends.map(|end| plain(end, unit)).join(" .. "));
            ends.unwrap_or("-".into())
        };
        let ratio = |(_, standing): &At<'_>| {
            let both = standing.of_entrant(entrant).zip(standing.fastest_peer());
            cell(both.map(|(finding, peer)| summary::ratio(finding.median, peer.median)))
        };
        let is_floor = role == Some(Role::Floor);
        let mut cells = vec![shown(format!("{entrant}{}", if is_floor { " (floor)" } else { "" }))];
        cells.extend(self.all.iter().map(median));
        cells.extend(self.detailed.iter().map(spread));
        cells.extend(self.compared.iter().map(ratio));
        cells.extend(self.has_notes.then(|| self.case.note(entrant).into()));
        cells
    }
}
