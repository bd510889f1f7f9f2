//! What changed between two snapshots.
#![forbid(unsafe_code)]

use super::Snapshot;
use super::histogram::HistogramTotals;
use crate::buckets::Layout;
use crate::series::Kind;

/// `later` minus `earlier`. Counts are subtracted wrapping, as they were added.
pub(super) fn between(earlier: &Snapshot, later: &Snapshot) -> Snapshot {
    let mut delta = Snapshot {
        catalog: later.catalog.clone(),
        values: Vec::with_capacity(later.values.len()),
        histograms: Vec::with_capacity(later.histograms.len()),
        buckets: Vec::with_capacity(later.buckets.len()),
        taken: later.taken,
        since: earlier.taken,
        sequence: later.sequence,
    };
    // An "earlier" snapshot of the same registry that is not earlier has seen all there is.
    let nothing_new = earlier.sequence >= later.sequence;
    let in_common = later.catalog.in_common(&earlier.catalog);
    for (at, &value) in later.values.iter().enumerate() {
        let before = (at < in_common).then_some(if nothing_new { later } else { earlier });
        let value = match later.catalog.get(at).kind() {
            Kind::Counter | Kind::UpDownCounter => {
                value.wrapping_sub(before.map_or(0, |before| before.values[at]))
            }
            Kind::Gauge => value,
            Kind::Histogram => {
                let totals = subtract_histogram(before, later, at, &mut delta.buckets);
                delta.histograms.push(totals);
                delta.histograms.len() as u64 - 1
            }
        };
        delta.values.push(value);
    }
    delta
}

/// Appends the buckets that grew to `buckets`.
fn subtract_histogram(
    before: Option<&Snapshot>,
    later: &Snapshot,
    at: usize,
    buckets: &mut Vec<(u32, u64)>,
) -> HistogramTotals {
    let now = later.totals_at(at);
    let (sum_before, buckets_before) = match before {
        Some(before) => {
            let totals = before.totals_at(at);
            (totals.sum, &before.buckets[totals.buckets.clone()])
        }
        None => (0, &[][..]),
    };
    let first = buckets.len();
    let mut count = 0_u64;
    let mut rest = buckets_before;
    for &(index, in_bucket) in &later.buckets[now.buckets.clone()] {
        let skip = rest.iter().take_while(|&&(before, _)| before < index).count();
        rest = &rest[skip..];
        let in_bucket_before = match rest.first() {
            Some(&(before, in_bucket)) if before == index => in_bucket,
            _ => 0,
        };
        let grown = in_bucket.wrapping_sub(in_bucket_before);
        if grown != 0 {
            count = count.wrapping_add(grown);
            buckets.push((index, grown));
        }
    }
    let totals = HistogramTotals {
        buckets: first..buckets.len(),
        count,
        sum: now.sum.wrapping_sub(sum_before),
        ..HistogramTotals::default()
    };
    let layout = Layout::new(later.catalog.get(at).significant_digits());
    totals.bounded(layout, &buckets[first..], (now.min, now.max))
}
