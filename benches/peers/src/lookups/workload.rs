//! Values that nobody has seen, and the order in which values come.
#![forbid(unsafe_code)]

use crate::labels::Labels;
use std::ops::Range;

/// Records of a turn and thread, where nothing grows by them.
pub const RECORDS: usize = PASSES * ORDER;
/// Values that a thread comes with in a turn of values never seen.
pub const STRANGERS: usize = 1_024;

const PASSES: usize = 2;
const ORDER: usize = 16_384;

/// Labels that nobody has seen, if `first` grows by [`STRANGERS`] from one call to the next.
pub fn strangers(first: usize) -> Vec<Labels> {
    let numbers = first..first + STRANGERS;
    numbers.map(|number| Labels::of(number, format!("/api/v1/strangers/{number}/orders"))).collect()
}

/// What a thread records to in a turn: a position for each record, drawn by the thread's number.
pub struct Order(Vec<u16>);

impl Order {
    pub fn drawn(thread: usize, positions: Range<usize>) -> Self {
        let mut random = fastrand::Rng::with_seed(thread as u64);
        Self((0..ORDER).map(|_| random.usize(positions.clone()) as u16).collect())
    }

    /// One after the other, each once.
    pub fn once(positions: usize) -> Self {
        Self((0..positions).map(|at| at as u16).collect())
    }

    #[inline(always)]
    pub fn for_each(&self, mut record: impl FnMut(usize)) {
        let passes = if self.0.len() == ORDER { PASSES } else { 1 };
        for _ in 0..passes {
            self.0.iter().for_each(|&at| record(at.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::known;
    use std::collections::HashSet;

    #[test]
    fn labels_are_all_different() {
        let all = known(4_096).into_iter().chain(strangers(0)).chain(strangers(STRANGERS));
        let all: HashSet<_> = all.map(|labels| (labels.method, labels.route)).collect();
        assert_eq!(all.len(), 4_096 + 2 * STRANGERS);
    }

    #[test]
    fn orders_have_as_many_records_as_they_say() {
        let records = |order: Order| {
            let mut records = 0;
            order.for_each(|at| records += usize::from(at < 16));
            records
        };
        assert_eq!(records(Order::drawn(0, 0..16)), RECORDS);
        assert_eq!(records(Order::once(16)), 16);
    }
}
