//! Where quipu stands, in a table.

use super::table::{Align, Table};
use crate::comparison::{Case, Comparison, Place, Standing};
use crate::quantity::{plain, scaled};
use crate::report::grouped;
use crate::results::Finding;

/// Numbers of threads that every case shows which is not about how many series there are.
const THREADS: [usize; 2] = [1, 2];
/// And what the others show.
const SIZED_THREADS: usize = 8;

pub fn write(page: &mut String, comparison: &Comparison<'_>) {
    page.push_str(
        "At 1 and at 2 threads, or with each number of series after 8 threads have recorded; and \
         every other\nplace at which a peer's median is smaller than quipu's.\n\n",
    );
    let (left, right) = (Align::Left, Align::Right);
    let headings = [
        ("case", left),
        ("at", left),
        ("place", left),
        ("quipu", right),
        ("fastest peer", right),
        ("which", left),
        ("peer / quipu", right),
        ("floor", right),
        ("quipu / floor", right),
    ];
    let mut table = Table::new(headings.map(|(text, align)| (text.into(), align)).to_vec());
    for case in &comparison.cases {
        for place in places(case) {
            let standing = case.standing(place);
            if let Some(row) = standing.and_then(|standing| row(case, place, &standing)) {
                table.row(row);
            }
        }
    }
    table.write(page);
    let lost: usize = comparison.cases.iter().map(|case| case.places_lost().len()).sum();
    let compared: usize = comparison.cases.iter().map(|case| case.places_compared().len()).sum();
    page.push_str(&format!(
        "{} cases have been compared at {compared} places in all, which are numbers of threads and \
         of series.\nquipu is first at {}, and not at {lost}.\n\n",
        comparison.cases.len(),
        compared - lost
    ));
}

/// The usual places, and those that are lost.
fn places(case: &Case<'_>) -> Vec<Place> {
    let all = case.places();
    let threads = case.threads();
    let nearest = threads.iter().min_by_key(|it| it.abs_diff(SIZED_THREADS)).copied();
    let is_usual = |place: &Place| match case.is_sized() {
        true => Some(place.threads) == nearest,
        false => THREADS.contains(&place.threads) || threads.len() == 1,
    };
    let lost: Vec<_> = case.places_lost().into_iter().map(|(place, _)| place).collect();
    all.into_iter().filter(|place| is_usual(place) || lost.contains(place)).collect()
}

fn row(case: &Case<'_>, place: Place, standing: &Standing<'_>) -> Option<Vec<String>> {
    let (quipu, peer) = (standing.quipu()?, standing.fastest_peer()?);
    let value = |finding: &Finding| scaled(finding.median, &finding.unit);
    let floor = standing.floor();
    // Another than the usual one, which is named after quipu alone.
    let way = quipu.entrant.split_once(", ").map(|(_, way)| way);
    Some(vec![
        case.name.into(),
        name(case, place),
        if standing.is_quipu_first() { "first".into() } else { "**not first**".into() },
        format!("{}{}", value(quipu), way.map_or(String::new(), |way| format!(", {way}"))),
        value(peer),
        peer.entrant.clone(),
        ratio(peer.median, quipu.median),
        floor.map_or("-".into(), value),
        floor.map_or("-".into(), |floor| ratio(quipu.median, floor.median)),
    ])
}

/// A place in words.
pub fn name(case: &Case<'_>, Place { series, threads }: Place) -> String {
    let threads = crate::charts::of_threads(threads);
    match series {
        Some(series) if case.is_sized() => format!("{} series, {threads}", grouped(series as u64)),
        _ => threads,
    }
}

/// How many times `base` a value is.
pub fn ratio(value: f64, base: f64) -> String {
    if base > 0.0 { plain(value / base, "ns") } else { "-".into() }
}
