//! Slots of one value: a cell for each thread, or one cell for all.

use super::cell::{Cell, Word};
use super::limits::LINE_WORDS;
use super::local::Place;
use super::segment::Class;
use super::slot::Slot;
use super::{Exhausted, Shard, Store};
use crate::sync::Arc;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// A cell in every shard, added up by the reader.
#[derive(Clone)]
#[repr(transparent)]
pub struct Scalar(pub(super) Slot);

impl Scalar {
    pub(crate) fn new(store: &Arc<Store>) -> Result<Self, Exhausted> {
        Ok(Self(Slot::allocate(store, Class::Small, 1, None)?.0))
    }

    /// Takes `count` scalars whose cells are neighbours, at most [`MOST_NEIGHBOURS`], or none.
    pub(crate) fn neighbours(store: &Arc<Store>, count: usize) -> Result<Vec<Self>, Exhausted> {
        let slots = Slot::allocate_neighbours(store, Class::Small, count)?;
        Ok(slots.into_iter().map(Self).collect())
    }

    /// Adds `n` to the cell of this thread, and returns what that cell held before.
    #[inline(always)]
    pub(crate) fn add(&self, place: &impl Place, n: u64) -> u64 {
        self.lent().add(place, n)
    }

    /// The value in `shard`.
    pub(crate) fn load(&self, shard: Shard) -> u64 {
        // SAFETY: a `Shard` exists.
        unsafe { self.lent().cell(shard.offset()) }.load()
    }

    /// The same scalar, by its address, while this one is held.
    #[inline(always)]
    pub(crate) fn lent(&self) -> LentScalar<'_> {
        LentScalar { at: self.0.at(), held: PhantomData }
    }

    /// A copy that the slot does not know of, for a model's twin.
    #[cfg(all(loom, test))]
    pub(crate) fn uncounted(&self) -> Self {
        Self(self.0.uncounted())
    }

    /// How many handles there are, this one included. What was recorded through those that are gone
    /// has happened.
    pub(crate) fn holders(&self) -> usize {
        self.0.holders()
    }

    /// Where it lies.
    pub(crate) fn address(&self) -> usize {
        self.0.at().addr().get()
    }
}

/// A scalar that somebody else holds for `'a`: no part of the count, and its address by value, so that
/// where that is computed a record loads nothing.
#[derive(Clone, Copy)]
pub(crate) struct LentScalar<'a> {
    at: NonNull<Word>,
    held: PhantomData<&'a Scalar>,
}

impl<'a> LentScalar<'a> {
    /// # Safety
    ///
    /// This one is of a run that has so many words after it.
    #[inline(always)]
    pub(super) unsafe fn following(self, words: usize) -> Self {
        // SAFETY: the caller says that the run has this word.
        let at = unsafe { self.at.add(words) };
        Self { at, ..self }
    }

    /// As [`Scalar::add`].
    #[inline(always)]
    pub(crate) fn add(self, place: &impl Place, n: u64) -> u64 {
        let offset = place.offset();
        if offset != 0 {
            // SAFETY: a place's offset is a whole number of strides, to a shard that this thread
            // has leased.
            return unsafe { self.cell(offset) }.add_as_owner(n);
        }
        self.add_cold(n, place)
    }

    #[cold]
    #[inline(never)]
    fn add_cold(self, n: u64, place: &impl Place) -> u64 {
        let offset = place.lease();
        // SAFETY: as in `add`, or zero, which is shard 0.
        let cell = unsafe { self.cell(offset) };
        if offset == 0 { cell.add_shared(n) } else { cell.add_as_owner(n) }
    }

    /// # Safety
    ///
    /// `offset` is a number of strides that is less than the store's number of shards.
    #[inline(always)]
    unsafe fn cell(self, offset: usize) -> &'a Cell {
        // SAFETY: a scalar lies in a segment of all shards, and the caller says that the offset leads to
        // one of them.
        let cell = unsafe { self.at.byte_add(offset) };
        // SAFETY: words of the shards are initialised cells, alive while the slot is held.
        unsafe { cell.cast::<Cell>().as_ref() }
    }
}

/// Scalars in the order of their addresses, each with a number that is the caller's.
///
/// Those whose cells are neighbours are read as one run, which takes a third of the time.
#[derive(Default)]
pub(crate) struct Scalars {
    scalars: Vec<(Scalar, u32)>,
    /// How many of them each run has.
    runs: Vec<usize>,
    sums: Vec<u64>,
}

impl Scalars {
    /// Adds scalars, which are not here yet.
    pub(crate) fn extend(&mut self, scalars: impl IntoIterator<Item = (Scalar, u32)>) {
        self.scalars.extend(scalars);
        // Stable, since that sort takes the two runs, the old and the new, as they are.
        self.scalars.sort_by_key(|(scalar, _)| scalar.address());
        self.find_runs();
    }

    /// Gives each the number that `renumber` says, or drops it if there is none.
    pub(crate) fn renumber(&mut self, renumber: impl Fn(u32) -> Option<u32>) {
        self.scalars.retain_mut(|(_, number)| match renumber(*number) {
            Some(new) => {
                *number = new;
                true
            }
            None => false,
        });
        self.find_runs();
    }

    fn find_runs(&mut self) {
        let are_neighbours = |(one, _): &(Scalar, u32), (next, _): &(Scalar, u32)| {
            next.address() == one.address() + size_of::<Cell>()
        };
        self.runs.clear();
        self.runs.extend(self.scalars.chunk_by(are_neighbours).map(<[_]>::len));
    }

    /// Adds up what each of them has in `shards`; `each` is told the number and the sum.
    ///
    /// Shard by shard, since each is pages of its own, and in the order of addresses.
    pub(crate) fn add_up(
        &mut self,
        shards: impl Iterator<Item = Shard>,
        mut each: impl FnMut(u32, u64),
    ) {
        self.sums.clear();
        self.sums.resize(self.scalars.len(), 0);
        for shard in shards {
            let mut scalars = &self.scalars[..];
            let mut sums = &mut self.sums[..];
            for &len in &self.runs {
                let (run, other_scalars) = scalars.split_at(len);
                let (run_sums, other_sums) = sums.split_at_mut(len);
                for (sum, cell) in run_sums.iter_mut().zip(cells(run, shard)) {
                    *sum = sum.wrapping_add(cell.load());
                }
                (scalars, sums) = (other_scalars, other_sums);
            }
        }
        self.scalars.iter().zip(&self.sums).for_each(|((_, number), &sum)| each(*number, sum));
    }
}

/// What a run's scalars have in `shard`.
fn cells(run: &[(Scalar, u32)], shard: Shard) -> &[Cell] {
    let Some((first, _)) = run.first() else { return &[] };
    // SAFETY: a `Shard` exists, and a scalar lies in a segment of all shards.
    let first = unsafe { first.0.at().byte_add(shard.offset()) };
    // SAFETY: the addresses of a run follow each other, in one segment, since no shard of a segment
    // borders on shard 0 of another. So do its cells in this shard, initialised and alive like those.
    unsafe { NonNull::slice_from_raw_parts(first.cast::<Cell>(), run.len()).as_ref() }
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

    /// Makes it what `change` makes of the value that it replaces. Lock-free; `change` may be called
    /// again.
    #[cfg(any(all(feature = "metrics", not(loom)), test))]
    pub(crate) fn update(&self, change: impl FnMut(u64) -> u64) {
        self.cell().update_shared(change);
    }

    pub(crate) fn load(&self) -> u64 {
        self.cell().load()
    }

    /// As [`Scalar::holders`].
    pub(crate) fn holders(&self) -> usize {
        self.0.holders()
    }

    #[inline(always)]
    fn cell(&self) -> &Cell {
        // SAFETY: a slot points at an initialised cell of shard 0, alive while the slot is held.
        unsafe { self.0.at().cast::<Cell>().as_ref() }
    }
}
