//! The floor under every record: what a thread pays for a plain cell of its own.

use std::cell::Cell;
use std::hint::black_box;

/// Cells in [`ARRAY`].
pub const CELLS: usize = 4_096;

thread_local! {
    static CELL: Cell<u64> = const { Cell::new(0) };
    static ARRAY: [Cell<u64>; CELLS] = const { [const { Cell::new(0) }; CELLS] };
}

/// Makes the calling thread's cells known to the optimiser as read by others: without it, a loop of
/// additions may be kept in a register or folded into one.
pub fn expose() {
    CELL.with(|cell| {
        black_box(cell);
    });
    ARRAY.with(|array| {
        black_box(array);
    });
}

/// Adds 1 to this thread's cell.
#[inline(always)]
pub fn add() {
    CELL.with(|cell| cell.set(cell.get().wrapping_add(1)));
}

/// Adds 1 to one of this thread's cells.
#[inline(always)]
pub fn add_to(index: usize) {
    ARRAY.with(|array| {
        let cell = &array[index % CELLS];
        cell.set(cell.get().wrapping_add(1));
    });
}
