//! Slots of one value: a cell for each thread, or one cell for all.

use super::cell::Cell;
use super::limits::LINE_WORDS;
use super::local::Place;
use super::segment::Class;
use super::slot::Slot;
use super::{Exhausted, Shard, Store};
use crate::sync::Arc;

/// A cell in every shard, added up by the reader.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct Scalar(Slot);

impl Scalar {
    pub(crate) fn new(store: &Arc<Store>) -> Result<Self, Exhausted> {
        Ok(Self(Slot::allocate(store, Class::Small, 1, None)?.0))
    }

    /// Adds `n` to the cell of this thread, and returns what that cell held before.
    #[inline(always)]
    pub(crate) fn add(&self, place: &impl Place, n: u64) -> u64 {
        let offset = place.offset();
        if offset != 0 {
            // SAFETY: a place's offset is a whole number of strides, to a shard that this thread
            // has leased, and a scalar lies in a segment of all shards.
            return unsafe { self.cell(offset) }.add_as_owner(n);
        }
        self.add_cold(place, n)
    }

    #[cold]
    #[inline(never)]
    fn add_cold(&self, place: &impl Place, n: u64) -> u64 {
        let offset = place.lease();
        // SAFETY: as in `add`, or zero, which is shard 0.
        let cell = unsafe { self.cell(offset) };
        if offset == 0 { cell.add_shared(n) } else { cell.add_as_owner(n) }
    }

    /// The value in `shard`.
    #[inline(always)]
    pub(crate) fn load(&self, shard: Shard) -> u64 {
        // SAFETY: a `Shard` exists, and a scalar lies in a segment of all shards.
        unsafe { self.cell(shard.offset()) }.load()
    }

    /// A copy that the slot does not know of, for a model's twin.
    #[cfg(all(loom, test))]
    pub(crate) fn uncounted(&self) -> Self {
        Self(self.0.uncounted())
    }

    /// Orders scalars by where they lie.
    pub(crate) fn address(&self) -> usize {
        self.0.at().addr().get()
    }

    /// # Safety
    ///
    /// `offset` is a number of strides that is less than the store's number of shards.
    #[inline(always)]
    unsafe fn cell(&self, offset: usize) -> &Cell {
        // SAFETY: the caller says that the offset stays inside the segment.
        let cell = unsafe { self.0.at().byte_add(offset) };
        // SAFETY: words of the shards are initialised cells, alive while the slot is held.
        unsafe { cell.cast::<Cell>().as_ref() }
    }
}

/// One cell for all threads, alone on its cache line.
#[derive(Clone)]
#[repr(transparent)]
pub(crate) struct Line(Slot);

impl Line {
    /// Takes a line, holding 0.
    pub(crate) fn new(store: &Arc<Store>) -> Result<Self, Exhausted> {
        Ok(Self(Slot::allocate(store, Class::Single, LINE_WORDS, None)?.0))
    }

    #[inline(always)]
    pub(crate) fn store(&self, value: u64) {
        self.cell().store(value);
    }

    pub(crate) fn load(&self) -> u64 {
        self.cell().load()
    }

    #[inline(always)]
    fn cell(&self) -> &Cell {
        // SAFETY: a slot points at an initialised cell of shard 0, alive while the slot is held.
        unsafe { self.0.at().cast::<Cell>().as_ref() }
    }
}
