//! What changed between two snapshots.
#![forbid(unsafe_code)]

use super::Snapshot;
use super::histogram::HistogramTotals;
use crate::buckets::Layout;
use crate::series::Kind;

/// `later` minus `earlier`, in the buffers given. Counts are subtracted wrapping, as they were added.
pub(super) fn between(earlier: &Snapshot, later: &Snapshot, buffers: Option<Snapshot>) -> Snapshot {
    let (mut values, mut histograms, mut buckets) = buffers
        .map(|buffers| (buffers.values, buffers.histograms, buffers.buckets))
        .unwrap_or_default();
    values.clear();
    histograms.clear();
    buckets.clear();
    values.reserve(later.values.len());
    histograms.reserve(later.histograms.len());
    buckets.reserve(later.buckets.len());
    // Counts begin again in a forked child.
    let is_same_process = earlier.since.at == later.since.at;
    let mut delta = Snapshot {
        catalog: later.catalog.clone(),
        values,
        histograms,
        buckets,
        taken: later.taken,
        since: if is_same_process { earlier.taken } else { later.since },
        sequence: later.sequence,
    };
    // An "earlier" snapshot of the same registry that is not earlier has seen all there is.
    let nothing_new = earlier.sequence >= later.sequence;
    let in_common = if is_same_process { later.catalog.in_common(&earlier.catalog) } else { 0 };
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
