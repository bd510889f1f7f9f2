//! What a processor asks for the least that could be done, and for what most libraries do.
#![forbid(unsafe_code)]

use super::inputs::{repeat, with_indices};
use super::{Instrument, MANY, Offer, Operation};
use crate::libraries::{LABEL_SETS, MOST_THREADS};
use crossbeam_utils::CachePadded;
use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock};

/// Why a floor has no such operation; nobody is told.
const NO_FLOOR: &str = "no floor of this operation";

thread_local! {
    static CELL: Cell<u64> = const { Cell::new(0) };
    static CELLS: [Cell<u64>; MANY] = const { [const { Cell::new(0) }; MANY] };
}

/// A cell that nobody else can read: no library is as fast as that and can be read as well.
pub fn cell(operation: Operation) -> Offer {
    match operation {
        Operation::Counter => Ok(Instrument::uncounted(|_, times| {
            // Without it, a loop of additions is folded into one.
            CELL.with(|cell| {
                black_box(cell);
            });
            repeat(times, || CELL.with(|cell| cell.set(cell.get().wrapping_add(1))));
        })),
        Operation::OneOfMany | Operation::TypedLabels => {
            Ok(Instrument::uncounted(move |_, times| {
                CELLS.with(|cells| {
                    black_box(cells);
                });
                let add = |index: usize| {
                    CELLS.with(|cells| {
                        let cell = &cells[if operation == Operation::OneOfMany {
                            index
                        } else {
                            index % LABEL_SETS
                        }];
                        cell.set(cell.get().wrapping_add(1));
                    });
                };
                with_indices(times, add);
            }))
        }
        _ => Err(NO_FLOOR),
    }
}

pub fn relaxed_store(operation: Operation) -> Offer {
    if operation != Operation::Gauge {
        return Err(NO_FLOOR);
    }
    let cell = Arc::new(CachePadded::new(AtomicU64::new(0)));
    Ok(Instrument::uncounted(move |_, times| repeat(times, || cell.store(1, Relaxed))))
}

/// One cell for all threads, and one read-modify-write.
pub fn shared(operation: Operation) -> Offer {
    let Operation::Counter = operation else { return Err(NO_FLOOR) };
    let cell = Arc::new(CachePadded::new(AtomicU64::new(0)));
    let read = cell.clone();
    let work = move |_, times| {
        repeat(times, || {
            cell.fetch_add(1, Relaxed);
        });
    };
    Ok(Instrument::new(work, move || read.load(Relaxed)))
}

/// A cell for each thread, on a line of its own, and still a read-modify-write.
pub fn padded(operation: Operation) -> Offer {
    let Operation::Counter = operation else { return Err(NO_FLOOR) };
    let cells: Arc<[_]> = (0..MOST_THREADS).map(|_| CachePadded::new(AtomicU64::new(0))).collect();
    let read = cells.clone();
    let work = move |thread: usize, times| {
        let cell = &cells[thread];
        repeat(times, || {
            cell.fetch_add(1, Relaxed);
        });
    };
    Ok(Instrument::new(work, move || read.iter().map(|cell| cell.load(Relaxed)).sum()))
}

/// Two readings of the clock that quipu has, and nothing recorded.
pub fn clock(operation: Operation) -> Offer {
    static CLOCK: LazyLock<quanta::Clock> = LazyLock::new(quanta::Clock::new);
    if operation != Operation::TimedSection {
        return Err(NO_FLOOR);
    }
    Ok(Instrument::uncounted(|_, times| {
        let clock = &*CLOCK;
        repeat(times, || {
            let start = clock.raw();
            black_box(clock.delta_as_nanos(start, clock.raw()));
        });
    }))
}
