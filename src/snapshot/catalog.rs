//! Which series a snapshot is about.
#![forbid(unsafe_code)]

use crate::series::Descriptor;
use std::cmp::Ordering;
use std::sync::Arc;

/// Series in the order of their names and labels. Immutable: snapshots between which nothing was
/// registered share one.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    pub(super) series: Vec<Arc<Descriptor>>,
}

impl Catalog {
    /// Where a series is; `labels` are sorted by key.
    pub(super) fn position(&self, name: &str, labels: &[(&str, &str)]) -> Option<usize> {
        self.series.binary_search_by(|series| series.order_to(name, labels)).ok()
    }

    /// Adds series, which are sorted, not in `self` and not twice in `new`. `moved` gets the new
    /// position of each old series, and `placed` that of each new one.
    pub(super) fn merge(
        &self,
        new: &[Arc<Descriptor>],
        moved: &mut Vec<u32>,
        placed: &mut Vec<u32>,
    ) -> Self {
        let mut series = Vec::with_capacity(self.series.len() + new.len());
        moved.clear();
        placed.clear();
        let mut old = &self.series[..];
        for descriptor in new {
            let before = old.partition_point(|old| old.order(descriptor) == Ordering::Less);
            moved.extend((series.len()..).take(before).map(|at| at as u32));
            series.extend_from_slice(&old[..before]);
            old = &old[before..];
            placed.push(series.len() as u32);
            series.push(descriptor.clone());
        }
        moved.extend((series.len()..).take(old.len()).map(|at| at as u32));
        series.extend_from_slice(old);
        Self { series }
    }

    /// For each series, where `earlier` has it.
    pub(super) fn positions_in<'a>(
        &'a self,
        earlier: &'a Self,
    ) -> impl Iterator<Item = Option<usize>> + 'a {
        let mut next = 0;
        self.series.iter().map(move |series| {
            while let Some(candidate) = earlier.series.get(next) {
                if Arc::ptr_eq(candidate, series) {
                    next += 1;
                    return Some(next - 1);
                }
                if candidate.order(series) == Ordering::Greater {
                    break;
                }
                // Gone since, or registered anew under the same name: another series.
                next += 1;
            }
            None
        })
    }
}
