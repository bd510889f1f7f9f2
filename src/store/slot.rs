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
//!
//! Slots of one word may share a run, and its owner: each has the address of the same `Arc<Owner>` in its
//! own word of the owners' part, and a part of the count. Such a run is cleared, and handed out again, as
//! a whole.

use super::cell::Word;
use super::limits::STRIDE_WORDS;
use super::segment::{Class, Exhausted, Segment};
use super::{Store, limits};
use crate::sync::{self, Arc, AtomicPtr, Ordering::Acquire, Ordering::Relaxed, fence};
use std::mem::ManuallyDrop;
use std::ptr::NonNull;

/// A run of words that a slot consists of.
#[derive(Clone, Copy)]
pub(super) struct Run {
    at: NonNull<Word>,
    words: usize,
    segment: NonNull<Segment>,
}

/// What the last `Slot` gives back when it goes.
pub(super) struct Owner {
    store: Arc<Store>,
    first: Run,
    /// Of what has two, a histogram; most have one.
    second: Option<Box<Run>>,
}

impl Owner {
    fn runs(&self) -> impl Iterator<Item = Run> {
        [Some(self.first), self.second.as_deref().copied()].into_iter().flatten()
    }
}

// SAFETY: the pointers lead into segments, which the store keeps, and to cells, which are atomics.
unsafe impl Send for Owner {}
// SAFETY: as above.
unsafe impl Sync for Owner {}

impl Drop for Owner {
    fn drop(&mut self) {
        let shards = self.store.leases.high_water();
        for run in self.runs() {
            // SAFETY: the segment lives as long as the store.
            let segment = unsafe { run.segment.as_ref() };
            // SAFETY: the run came from this segment, and the last `Slot` to it is gone.
            unsafe { segment.clear(run.at, run.words, shards) };
        }
        let mut free = sync::lock(&self.store.free);
        self.runs().for_each(|run| free.put(run));
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
    /// Takes a slot of `words` words and, if `second` is given, of a second run, whose address is
    /// returned beside it.
    pub(super) fn allocate(
        store: &Arc<Store>,
        class: Class,
        words: usize,
        second: Option<(Class, usize)>,
    ) -> Result<(Self, Option<NonNull<Word>>), Exhausted> {
        let mut free = sync::lock(&store.free);
        let first = free.take(store, class, words)?;
        let second = match second.map(|(class, words)| free.take(store, class, words)) {
            Some(Err(exhausted)) => {
                free.put(first);
                return Err(exhausted);
            }
            Some(Ok(run)) => Some(run),
            None => None,
        };
        drop(free);
        let slot = Self(first.at);
        let store = store.clone();
        let owner = Arc::new(Owner { store, first, second: second.map(Box::new) });
        slot.owner_word().store(Arc::into_raw(owner).cast_mut().cast(), Relaxed);
        Ok((slot, second.map(|run| run.at)))
    }

    /// Takes `count` slots of one word each, which are neighbours.
    pub(super) fn allocate_neighbours(
        store: &Arc<Store>,
        class: Class,
        count: usize,
    ) -> Result<Vec<Self>, Exhausted> {
        let run = sync::lock(&store.free).take(store, class, count)?;
        let owner = Arc::new(Owner { store: store.clone(), first: run, second: None });
        let slots = (0..count).map(|word| {
            // SAFETY: the run has `count` words.
            let slot = Self(unsafe { run.at.add(word) });
            let counted = Arc::into_raw(owner.clone());
            slot.owner_word().store(counted.cast_mut().cast(), Relaxed);
            slot
        });
        Ok(slots.collect())
    }

    pub(super) fn at(&self) -> NonNull<Word> {
        self.0
    }

    /// Whether the two are of one run, so that holding one of them keeps both.
    pub(super) fn shares_owner_with(&self, other: &Self) -> bool {
        self.owner() == other.owner()
    }

    /// How many there are, this one and its neighbours included. What was done through those that are
    /// gone has happened.
    pub(super) fn holders(&self) -> usize {
        // SAFETY: as in `clone`; what is made here is not dropped, so the count stays as it is.
        let owner = ManuallyDrop::new(unsafe { Arc::from_raw(self.owner()) });
        let holders = Arc::strong_count(&owner);
        // ORDERING: Acquire, after the count; pairs with the Release with which each `Slot` leaves it.
        // LOOM: its count orders by itself.
        fence(Acquire);
        holders
    }

    /// A copy that is not part of the count, for a model's twin.
    #[cfg(all(loom, test))]
    pub(super) fn uncounted(&self) -> Self {
        Self(self.0)
    }

    /// Relaxed throughout: it is written before the first `Slot` exists and not after.
    fn owner_word(&self) -> &AtomicPtr<()> {
        // SAFETY: every slot has a word in the owners' part, one stride below.
        let owner = unsafe { self.0.sub(STRIDE_WORDS) };
        // SAFETY: words of the owners' part are initialised `AtomicPtr`s, alive while a `Slot` is.
        unsafe { owner.cast::<AtomicPtr<()>>().as_ref() }
    }

    fn owner(&self) -> *const Owner {
        self.owner_word().load(Relaxed).cast_const().cast()
    }
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        // SAFETY: `allocate` stored the address of an `Arc`, whose count this `Slot` is part of.
        unsafe { Arc::increment_strong_count(self.owner()) };
        Self(self.0)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // SAFETY: as in `clone`; this `Slot`'s part of the count ends here.
        unsafe { Arc::decrement_strong_count(self.owner()) };
    }
}

/// What was given back, and the segments that have room.
#[derive(Default)]
pub(super) struct FreeSlots {
    shelves: Vec<Shelf>,
    /// The segment of each class that has room.
    open: Vec<(Class, NonNull<Segment>)>,
}

/// Runs of one size that were given back; there are as many sizes as types of metrics, and as neighbours
/// have been asked for.
struct Shelf {
    class: Class,
    words: usize,
    runs: Vec<Run>,
}

// SAFETY: as for `Owner`.
unsafe impl Send for FreeSlots {}

impl FreeSlots {
    /// Makes `segment` the one that small slots come from.
    pub(super) fn adopt(&mut self, segment: NonNull<Segment>) {
        self.open.push((Class::Small, segment));
    }

    fn shelf(&mut self, class: Class, words: usize) -> &mut Shelf {
        let same = |shelf: &Shelf| (shelf.class, shelf.words) == (class, words);
        let index = self.shelves.iter().position(same).unwrap_or_else(|| {
            self.shelves.push(Shelf { class, words, runs: Vec::new() });
            self.shelves.len() - 1
        });
        &mut self.shelves[index]
    }

    fn put(&mut self, run: Run) {
        // SAFETY: segments live as long as the store.
        let class = unsafe { run.segment.as_ref() }.class();
        self.shelf(class, run.words).runs.push(run);
    }

    /// A run of `words` words: one that was given back, or a new one.
    fn take(&mut self, store: &Store, class: Class, words: usize) -> Result<Run, Exhausted> {
        if let Some(run) = self.shelf(class, words).runs.pop() {
            return Ok(run);
        }
        // Keeps a header, or a gauge, from straddling two lines.
        let align = words.next_power_of_two().min(limits::LINE_WORDS);
        let open = self.open.iter().find(|(open, _)| *open == class);
        let handed_out = open.and_then(|&(_, segment)| {
            // SAFETY: segments live as long as the store.
            let at = unsafe { segment.as_ref() }.hand_out(words, align)?;
            Some((segment, at))
        });
        let (segment, at) = match handed_out {
            Some(found) => found,
            None => {
                let segment = store.segments.add(store.new_segment(class)?);
                self.open.retain(|(open, _)| *open != class);
                self.open.push((class, segment));
                // SAFETY: as above.
                let at = unsafe { segment.as_ref() }.hand_out(words, align);
                (segment, at.expect("an empty segment has room for the largest metric"))
            }
        };
        Ok(Run { at, words, segment })
    }
}

impl Store {
    fn new_segment(&self, class: Class) -> Result<Segment, Exhausted> {
        if !matches!(class, Class::Single | Class::SharedBuckets) {
            return Segment::new(class, self.max_shards, self.mapped);
        }
        // One shard is little enough for the heap, so what needs no more can always be had.
        Segment::new(class, 1, self.mapped).or_else(|_| Segment::new(class, 1, false))
    }
}
