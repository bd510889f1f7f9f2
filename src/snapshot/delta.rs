//! What changed between two snapshots.
#![forbid(unsafe_code)]

use super::Snapshot;
use super::catalog::Positions;
use super::histogram::HistogramTotals;
use crate::buckets::{Layout, Row};
use crate::series::Kind;

/// `later` minus `earlier`, in the buffers given. Counts are subtracted wrapping, as they were added.
pub(super) fn between(earlier: &Snapshot, later: &Snapshot, buffers: Option<Snapshot>) -> Snapshot {
    let (mut values, mut histograms, mut rows) = buffers
        .map(|buffers| (buffers.values, buffers.histograms, buffers.rows))
        .unwrap_or_default();
    values.clear();
    histograms.clear();
    rows.clear();
    values.reserve(later.values.len());
    histograms.reserve(later.histograms.len());
    rows.reserve(later.rows.len());
    // Counts begin again in a forked child.
    let is_same_process = earlier.since.at == later.since.at;
    let mut delta = Snapshot {
        catalog: later.catalog.clone(),
        values,
        histograms,
        rows,
        taken: later.taken,
        since: if is_same_process { earlier.taken } else { later.since },
        sequence: later.sequence,
    };
    // An "earlier" snapshot of the same registry that is not earlier has seen all there is.
    let nothing_new = earlier.sequence >= later.sequence;
    let positions = if !is_same_process {
        Positions::Same(0)
    } else if nothing_new {
        Positions::Same(later.values.len())
    } else {
        later.catalog.positions_in(&earlier.catalog)
    };
    let before = if nothing_new { later } else { earlier };
    for (at, &value) in later.values.iter().enumerate() {
        let before = positions.of(at).map(|at| (before, at));
        let value = match later.catalog.get(at).kind() {
            Kind::Counter | Kind::UpDownCounter => {
                value.wrapping_sub(before.map_or(0, |(before, at)| before.values[at]))
            }
            Kind::Gauge => value,
            Kind::Histogram => {
                let totals = subtract_histogram(before, later, at, &mut delta.rows);
                delta.histograms.push(totals);
                delta.histograms.len() as u64 - 1
            }
        };
        delta.values.push(value);
    }
    delta
}

/// Appends the rows with buckets that grew to `rows`.
fn subtract_histogram(
    before: Option<(&Snapshot, usize)>,
    later: &Snapshot,
    at: usize,
    rows: &mut Vec<Row>,
) -> HistogramTotals {
    let now = later.totals_at(at);
    let (sum_before, mut rest) = match before {
        Some((before, at)) => {
            let totals = before.totals_at(at);
            (totals.sum, &before.rows[totals.rows.clone()])
        }
        None => (0, &[][..]),
    };
    let first = rows.len();
    let mut count = 0_u64;
    for &(mut row) in &later.rows[now.rows.clone()] {
        let skip = rest.iter().take_while(|before| before.number < row.number).count();
        rest = &rest[skip..];
        if let Some(before) = rest.first().filter(|before| before.number == row.number) {
            for (count, before) in row.counts.iter_mut().zip(before.counts) {
                *count = count.wrapping_sub(before);
            }
        }
        if row.counts != [0; Row::LEN] {
            count = row.counts.iter().fold(count, |sum, &count| sum.wrapping_add(count));
            rows.push(row);
        }
    }
    let totals = HistogramTotals {
        rows: first..rows.len(),
        count,
        sum: now.sum.wrapping_sub(sum_before),
        ..HistogramTotals::default()
    };
    let layout = Layout::new(later.catalog.get(at).significant_digits());
    totals.bounded(layout, &rows[first..], (now.min, now.max))
}
