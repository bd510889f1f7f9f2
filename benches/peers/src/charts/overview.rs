//! Everything that is done on a hot path, in a glance.

use super::frame::{Chart, Sign};
use super::scale::Scale;
use super::strips::{Strip, Strips};
use super::{capitalized, footer, of_threads, records};
use crate::comparison::{Case, Comparison};

pub fn chart(comparison: &Comparison<'_>, threads: usize) -> Option<Chart> {
    let cases: Vec<_> = records::CASES.iter().filter_map(|name| comparison.case(name)).collect();
    let strip = |case: &&Case<'_>| Strip::of(&capitalized(case.name), &case.at_threads(threads)?);
    let strips: Vec<_> = cases.iter().filter_map(strip).collect();
    if strips.is_empty() {
        return None;
    }
    let scale = Scale::log(strips.iter().flat_map(Strip::values));
    Some(Chart {
        name: format!("overview-{threads}"),
        title: format!("What one record takes, at {}", of_threads(threads)),
        subtitle: "Nanoseconds of a core, medians, on a logarithmic axis. Smaller is better."
            .into(),
        alternative: "For each operation quipu, the fastest peer, all other peers, and the least \
                      that the processor needs, by nanoseconds."
            .into(),
        legend: vec![
            Sign::Dot("quipu", "quipu"),
            Sign::Dot("peer", "fastest peer"),
            Sign::Tick("peer", "every other peer"),
            Sign::Dot("floor", "floor: no library, nothing to read"),
        ],
        is_paired: false,
        panels: vec![Box::new(Strips { unit: "ns".into(), scale, strips })],
        footer: footer(&cases),
    })
}
