//! Slots: handing them out, counting who holds one, taking them back.
//!
//! | state of a slot | who may write its cells | next |
//! |---|---|---|
//! | free, all zero | nobody | taken by `allocate` |
//! | held: one `Slot` or more | whoever holds one | the last `Slot` is dropped |
//! | being cleared | the thread that dropped the last one | free |
//!
//! The count is that of an `Arc<Owner>` whose address lies in the owners' part of the segment, one
//! stride below the slot, so that a `Slot` is one pointer and a record loads nothing else.
//! The count's own release and acquire order every holder's writes before the clearing, and the
//! store's lock orders the clearing before the next holder.

use super::cell::Word;
use super::limits::STRIDE_WORDS;
use super::segment::{Family, Segment};
use super::{Store, limits};
use crate::sync::{self, Arc, AtomicPtr, Ordering::Relaxed};
use std::ptr::NonNull;

/// The system refused address space for another segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted {
    pub(crate) bytes: usize,
}

/// A run of words that a slot consists of.
#[derive(Clone, Copy)]
pub(super) struct Run {
    at: NonNull<Word>,
    words: usize,
    align: usize,
    family: Family,
    segment: NonNull<Segment>,
}

/// What the last `Slot` gives back when it goes.
pub(super) struct Owner {
    store: Arc<Store>,
    runs: [Option<Run>; 2],
}

// SAFETY: the pointers lead into segments, which the store keeps, and to cells, which are atomics.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl Drop for Owner {
    fn drop(&mut self) {
        let shards = self.store.leases.high_water();
        for run in self.runs.iter().flatten() {
            // SAFETY: the segment lives as long as the store.
            let segment = unsafe { run.segment.as_ref() };
            // SAFETY: the run came from this segment, and the last `Slot` to it is gone.
            unsafe { segment.clear(run.at, run.words, shards) };
        }
        sync::lock(&self.store.free)
            .runs
            .extend(self.runs.iter().flatten());
    }
}

/// A counted reference to a slot; its address is that of the slot's first cell in shard 0.
#[repr(transparent)]
pub(super) struct Slot(NonNull<Word>);

// SAFETY: a slot's cells are atomics, and the protocol of leases decides who writes them.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// Takes a slot of the given runs, the first one being where the `Slot` points.
    fn new(store: &Arc<Store>, first: Run, second: Option<Run>) -> Self {
        let slot = Self(first.at);
        let owner = Arc::new(Owner {
            store: store.clone(),
            runs: [Some(first), second],
        });
        slot.owner().store(Arc::into_raw(owner).cast_mut(), Relaxed);
        slot
    }

    pub(super) fn at(&self) -> NonNull<Word> {
        self.0
    }

    /// Relaxed throughout: it is written before the first `Slot` exists and not after.
    fn owner(&self) -> &AtomicPtr<Owner> {
        // SAFETY: every slot has a word in the owners' part, one stride below.
        let owner = unsafe { self.0.sub(STRIDE_WORDS) };
        // SAFETY: words of the owners' part are initialised `AtomicPtr`s, alive while a `Slot` is.
        unsafe { owner.cast::<AtomicPtr<Owner>>().as_ref() }
    }
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        // SAFETY: `new` stored the address of an `Arc`, whose count this `Slot` is part of.
        unsafe { Arc::increment_strong_count(self.owner().load(Relaxed)) };
        Self(self.0)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: as in `clone`; this `Slot`'s part of the count ends here.
        unsafe { Arc::decrement_strong_count(self.owner().load(Relaxed)) };
    }
}

/// What was given back, and the segments that have room.
#[derive(Default)]
pub(super) struct FreeSlots {
    runs: Vec<Run>,
    open: [Option<NonNull<Segment>>; 3],
}

// SAFETY: as for `Owner`.
unsafe impl Send for FreeSlots {}

impl FreeSlots {
    /// Makes `segment` the one that small slots come from.
    pub(super) fn adopt(&mut self, segment: NonNull<Segment>) {
        self.open[Family::Small as usize] = Some(segment);
    }
}

impl Store {
    /// Takes a slot of `words` words and, if `second` is given, of a second run.
    pub(super) fn allocate(
        self: &Arc<Self>,
        family: Family,
        words: usize,
        second: Option<(Family, usize)>,
    ) -> Result<(Slot, Option<NonNull<Word>>), Exhausted> {
        // Rounding up keeps a header, or a gauge, from straddling two lines.
        let align = |words: usize| words.next_power_of_two().min(limits::LINE_WORDS);
        let mut free = sync::lock(&self.free);
        let first = self.run(&mut free, family, words, align(words))?;
        let second = match second {
            None => None,
            Some((family, words)) => match self.run(&mut free, family, words, align(words)) {
                Ok(run) => Some(run),
                Err(exhausted) => {
                    free.runs.push(first);
                    return Err(exhausted);
                }
            },
        };
        drop(free);
        Ok((Slot::new(self, first, second), second.map(|run| run.at)))
    }

    fn run(
        &self,
        free: &mut FreeSlots,
        family: Family,
        words: usize,
        align: usize,
    ) -> Result<Run, Exhausted> {
        let fits = |run: &Run| (run.family, run.words, run.align) == (family, words, align);
        if let Some(index) = free.runs.iter().position(fits) {
            return Ok(free.runs.swap_remove(index));
        }
        let open = &mut free.open[family as usize];
        let handed_out = open.and_then(|segment| {
            // SAFETY: segments live as long as the store.
            let at = unsafe { segment.as_ref() }.hand_out(words, align)?;
            Some((segment, at))
        });
        let (segment, at) = match handed_out {
            Some(found) => found,
            None => {
                let segment = self.segments.add(self.new_segment(family)?);
                *open = Some(segment);
                // SAFETY: as above.
                let at = unsafe { segment.as_ref() }.hand_out(words, align);
                (
                    segment,
                    at.expect("an empty segment has room for the largest metric"),
                )
            }
        };
        Ok(Run {
            at,
            words,
            align,
            family,
            segment,
        })
    }

    fn new_segment(&self, family: Family) -> Result<Segment, Exhausted> {
        if family != Family::Single {
            return Segment::new(family, self.max_shards, self.mapped);
        }
        // One shard is little enough for the heap, so what needs no more can always be had.
        Segment::new(family, 1, self.mapped).or_else(|_| Segment::new(family, 1, false))
    }
}
