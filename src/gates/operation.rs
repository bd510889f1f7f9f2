//! What gates measure, and what they measure it beside: closures behind one call for many runs.

use std::fmt;
use std::hint::black_box;

/// What a gate measures: made of a closure, of a closure over several items that take turns, or of a
/// whole loop.
///
/// A closure is called once for each run, inlined into a loop. Its result, and what it captures, are
/// hidden from the optimiser: a result that nobody uses is computed all the same, nothing is known of
/// captured values, and what a run writes has to be in memory before the next one. What a closure
/// captures by value and changes, such as the number of the next input, may stay in a register.
///
/// Capture what is large by reference: captured values are moved twice for each batch of runs.
pub struct Operation<'a> {
    work: Box<dyn FnMut(u64) + 'a>,
}

impl<'a> Operation<'a> {
    /// An operation on one of `items`, another one for each batch of runs.
    ///
    /// Where a handle and the memory that it leads to lie can make a loop slow for as long as the
    /// process lives: of several metrics, others lie elsewhere, and a [ratio](super::Gates::ratio)
    /// takes the best of them.
    ///
    /// # Panics
    ///
    /// If there are no items.
    pub fn in_turn<M, T>(items: &'a [M], operation: impl FnMut(&'a M) -> T + 'a) -> Self {
        assert!(!items.is_empty(), "an operation in turn needs an item");
        let (mut turns, mut idle) = (items.iter().cycle(), Some(operation));
        Self::of_loop(move |times| {
            let Some(mut operation) = black_box(&mut idle).take() else { return };
            let Some(item) = black_box(&mut turns).next() else { return };
            for _ in 0..times {
                black_box(operation(item));
            }
            idle = Some(operation);
        })
    }

    /// A loop that does its operation as often as it is told.
    ///
    /// For what a closure cannot do: it keeps nothing from the optimiser, so `std::hint::black_box` is
    /// up to the loop.
    pub fn of_loop(work: impl FnMut(u64) + 'a) -> Self {
        Self { work: Box::new(work) }
    }

    pub(super) fn run(&mut self, times: u64) {
        (self.work)(times);
    }

    pub(super) fn as_loop(&mut self) -> &mut Loop<'_> {
        &mut *self.work
    }
}

impl<'a, T, F: FnMut() -> T + 'a> From<F> for Operation<'a> {
    fn from(operation: F) -> Self {
        let mut idle = Some(operation);
        Self::of_loop(move |times| {
            // Moved to where nobody has a pointer to: else all that it captures would be read from
            // memory and written back each time.
            let Some(mut operation) = black_box(&mut idle).take() else { return };
            for _ in 0..times {
                black_box(operation());
            }
            idle = Some(operation);
        })
    }
}

impl fmt::Debug for Operation<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Operation").finish_non_exhaustive()
    }
}

/// What another thread does, without a pause, while an operation is measured: made of a closure.
///
/// One call should take some milliseconds at most: a gate is undecided unless a number of them ended
/// while it was measured.
pub struct Disturbance<'a> {
    /// Lets somebody use it.
    lend: Box<dyn FnMut(&mut Use<'_>) + 'a>,
}

/// What is done with a disturbance.
type Use<'u> = dyn FnMut(&mut Repeated<'_>) + 'u;

/// An operation, done as often as it is told.
pub(super) type Loop<'a> = dyn FnMut(u64) + 'a;

/// A disturbance that is there.
pub(super) type Repeated<'a> = dyn FnMut() + Send + 'a;

impl<'a> Disturbance<'a> {
    /// Made anew for each measurement, and dropped after it: for what would go on by itself, such as
    /// a client with threads of its own.
    pub fn made_by<T, D: FnMut() -> T + Send>(mut make: impl FnMut() -> D + 'a) -> Self {
        Self {
            lend: Box::new(move |measure| {
                let mut disturbance = make();
                measure(&mut || {
                    black_box(disturbance());
                });
            }),
        }
    }

    /// Lets `measure` have it.
    pub(super) fn with<R>(&mut self, measure: impl FnOnce(&mut Repeated<'_>) -> R) -> R {
        let (mut measure, mut result) = (Some(measure), None);
        (self.lend)(&mut |disturbance| result = measure.take().map(|measure| measure(disturbance)));
        result.expect("a disturbance is lent once")
    }
}

impl<'a, T, F: FnMut() -> T + Send + 'a> From<F> for Disturbance<'a> {
    fn from(mut disturbance: F) -> Self {
        Self {
            lend: Box::new(move |measure| {
                measure(&mut || {
                    black_box(disturbance());
                });
            }),
        }
    }
}

impl fmt::Debug for Disturbance<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Disturbance").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::sync::Arc;

    #[test]
    fn a_closure_is_called_as_often_as_it_is_told() {
        let calls = Cell::new(0);
        let mut operation = Operation::from(|| calls.set(calls.get() + 1));
        operation.run(3);
        operation.run(0);
        operation.run(4);
        assert_eq!(calls.get(), 7);
    }

    #[test]
    fn what_a_closure_counts_goes_on_from_batch_to_batch() {
        let seen = Cell::new(0);
        let mut next = 0;
        let mut operation = Operation::from(|| {
            next += 1;
            seen.set(next);
        });
        operation.run(2);
        operation.run(3);
        drop(operation);
        assert_eq!(seen.get(), 5);
    }

    #[test]
    fn each_batch_takes_the_next_item() {
        let calls = [const { Cell::new(0) }; 3];
        let mut operation = Operation::in_turn(&calls, |calls| calls.set(calls.get() + 1));
        for times in [1, 10, 100, 1_000] {
            operation.run(times);
        }
        drop(operation);
        assert_eq!(calls.map(Cell::into_inner), [1_001, 10, 100]);
    }

    #[test]
    fn a_made_disturbance_is_made_for_each_measurement_and_dropped_after_it() {
        let token = Arc::new(());
        let mut disturbance = Disturbance::made_by(|| {
            let token = token.clone();
            move || Arc::strong_count(&token)
        });
        for _ in 0..2 {
            disturbance.with(|disturbance| {
                disturbance();
                assert_eq!(Arc::strong_count(&token), 2);
            });
            assert_eq!(Arc::strong_count(&token), 1);
        }
    }
}
