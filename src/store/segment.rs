//! Segments, and the list of them that a store only ever adds to.

use super::cell::{Cell, NARROW_IN_A_WORD, NARROW_ROW_WORDS, Narrow, WIDE_ROW_WORDS, Word};
use super::limits::{LINE_WORDS, STRIDE_WORDS};
use super::memory::Reservation;
use crate::sync::{self, AtomicPtr, AtomicUsize, Edge, Ordering::Relaxed};
use std::ops::Range;
use std::ptr::NonNull;

/// The system refused address space for another segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exhausted {
    pub(crate) bytes: usize,
}

/// What shares a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// Counters and histogram headers: dense, so that few pages serve many of them.
    Small,
    /// The buckets of histograms with so many rows each.
    Buckets { rows: usize },
    /// What exists once and not per thread: gauges, and the headers of shared histograms, dense as well.
    Single,
    /// The buckets of shared histograms, apart from those: many headers share a page, and a header's owner.
    SharedBuckets,
}

/// Words that `rows` rows of buckets take: their wide cells, and then their narrow ones. Whole lines, so
/// that a segment of them has one every so many words.
pub(super) const fn bucket_words(rows: usize) -> usize {
    (rows * (WIDE_ROW_WORDS + NARROW_ROW_WORDS)).next_multiple_of(LINE_WORDS)
}

/// One reservation: the owners' part, then `shards` shards, `STRIDE_WORDS` each.
pub(super) struct Segment {
    memory: Reservation,
    class: Class,
    shards: usize,
    /// Words of each shard that are handed out; changed under the store's lock.
    used: AtomicUsize,
    next: AtomicPtr<Segment>,
}

impl Segment {
    /// Reserves address space, or takes memory from the heap unless `mapped`.
    pub(super) fn new(class: Class, shards: usize, mapped: bool) -> Result<Self, Exhausted> {
        let words = (shards + 1) * STRIDE_WORDS;
        let bytes = words * size_of::<Word>();
        let memory = if mapped {
            Reservation::mapped(words).map_err(|_| Exhausted { bytes })?
        } else {
            Reservation::heap(words).ok_or(Exhausted { bytes })?
        };
        let next = AtomicPtr::new(std::ptr::null_mut());
        Ok(Self { memory, class, shards, used: AtomicUsize::new(0), next })
    }

    pub(super) fn class(&self) -> Class {
        self.class
    }

    /// Hands out `words` words of every shard, aligned to `align` words: the address in shard 0.
    /// Callers hold the store's lock.
    pub(super) fn hand_out(&self, words: usize, align: usize) -> Option<NonNull<Word>> {
        let start = self.used.load(Relaxed).next_multiple_of(align);
        if start + words > STRIDE_WORDS {
            return None;
        }
        self.used.store(start + words, Relaxed);
        // SAFETY: shard 0 begins one stride after the base, and `start` lies inside it.
        Some(unsafe { self.memory.base().add(STRIDE_WORDS + start) })
    }

    pub(super) fn holds_buckets(&self) -> bool {
        matches!(self.class, Class::Buckets { .. })
    }

    pub(super) fn bytes(&self) -> usize {
        self.memory.bytes()
    }

    pub(super) fn is_mapped(&self) -> bool {
        self.memory.is_mapped()
    }

    pub(super) fn base_address(&self) -> usize {
        self.memory.base().addr().get()
    }

    fn word(&self, shard: usize, word: usize) -> NonNull<Word> {
        assert!(shard < self.shards && word < STRIDE_WORDS, "a cell outside of its segment");
        // SAFETY: just checked to be inside the reservation.
        unsafe { self.memory.base().add((shard + 1) * STRIDE_WORDS + word) }
    }

    fn cell(&self, shard: usize, word: usize) -> &Cell {
        // SAFETY: words of the shards are initialised cells, for as long as `self` lives.
        unsafe { self.word(shard, word).cast::<Cell>().as_ref() }
    }

    /// The narrow cells in a word. A word is always used as one cell or always as these, since loads
    /// and stores of different sizes must not meet.
    fn narrow_cells(&self, shard: usize, word: usize) -> &[Narrow; NARROW_IN_A_WORD] {
        debug_assert!(self.is_narrow(word));
        // SAFETY: as for `cell`; zeroed words are as many narrow cells.
        unsafe { self.word(shard, word).cast::<[Narrow; NARROW_IN_A_WORD]>().as_ref() }
    }

    /// Whether a word holds narrow cells.
    fn is_narrow(&self, word: usize) -> bool {
        match self.class {
            Class::Buckets { rows } => word % bucket_words(rows) >= rows * WIDE_ROW_WORDS,
            Class::Small | Class::Single | Class::SharedBuckets => false,
        }
    }

    /// Writes to every page of `shard` that is handed out, but those of wide cells, changing nothing.
    ///
    /// By read-modify-write, though the caller leases the shard: a slot may be cleared meanwhile by
    /// whoever dropped its last handle, and a plain store would bring its old value back.
    pub(super) fn touch(&self, shard: usize) {
        if shard >= self.shards {
            return;
        }
        let used = self.used.load(Relaxed);
        let Class::Buckets { rows } = self.class else {
            return one_of_each_page(0..used).for_each(|word| {
                self.cell(shard, word).add_shared(0);
            });
        };
        for run in (0..used).step_by(bucket_words(rows)) {
            let narrow = run + rows * WIDE_ROW_WORDS..(run + bucket_words(rows)).min(used);
            for word in one_of_each_page(narrow) {
                self.narrow_cells(shard, word)[0].touch();
            }
        }
    }

    /// Makes all that is handed out zero in the first `shards` shards. Allocates nothing.
    ///
    /// # Safety
    ///
    /// No other thread uses the segment.
    #[cfg(all(unix, not(all(loom, test))))]
    pub(super) unsafe fn clear_all(&self, shards: usize) {
        let used = self.used.load(Relaxed);
        for shard in 0..shards.min(self.shards) {
            // SAFETY: the caller says that nobody else uses these words.
            unsafe { self.clear_in_shard(shard, 0, used) };
        }
    }

    /// Makes the `words` words at `slot` zero in the first `shards` shards, committing no page that
    /// was not committed before, and giving whole pages back.
    ///
    /// # Safety
    ///
    /// `slot` was handed out by this segment with `words` words, and nobody uses it.
    pub(super) unsafe fn clear(&self, slot: NonNull<Word>, words: usize, shards: usize) {
        let in_shard_0 = (slot.addr().get() - self.base_address()) / size_of::<Word>();
        for shard in 0..shards.min(self.shards) {
            // SAFETY: the caller says that nobody uses these words.
            unsafe { self.clear_in_shard(shard, in_shard_0 - STRIDE_WORDS, words) };
        }
    }

    /// # Safety
    ///
    /// Nobody else uses the `words` words from `word` on in `shard`.
    unsafe fn clear_in_shard(&self, shard: usize, word: usize, words: usize) {
        let shard_start = (shard + 1) * STRIDE_WORDS;
        let first = shard_start + word;
        // SAFETY: the caller says that nobody uses these words.
        let (kept_until, kept_from) = unsafe { self.memory.give_back_pages(first, words) };
        for word in (first..kept_until).chain(kept_from..first + words) {
            let word = word - shard_start;
            if self.is_narrow(word) {
                self.narrow_cells(shard, word).iter().for_each(Narrow::clear);
            } else {
                self.cell(shard, word).clear();
            }
        }
    }
}

/// A word on each page, however small, that `words` lie on.
fn one_of_each_page(words: Range<usize>) -> impl Iterator<Item = usize> {
    const WORDS_OF_A_SMALL_PAGE: usize = 4096 / size_of::<u64>();
    let last = words.clone().next_back();
    words.step_by(WORDS_OF_A_SMALL_PAGE).chain(last)
}

/// A list that only grows, walked without a lock.
pub(super) struct SegmentList {
    head: AtomicPtr<Segment>,
}

impl SegmentList {
    pub(super) fn empty() -> Self {
        Self { head: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// Adds a segment, and returns it with the list's lifetime. Callers hold the store's lock.
    pub(super) fn add(&self, segment: Segment) -> NonNull<Segment> {
        segment.next.store(self.head.load(Relaxed), Relaxed);
        let segment = Box::into_raw(Box::new(segment));
        // ORDERING: Release makes the segment's fields visible with its address; pairs with the
        // Acquire in `iter`.
        self.head.store(segment, sync::release(Edge::SegmentAdd));
        NonNull::new(segment).expect("a box is never null")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Segment> {
        // ORDERING: Acquire, so that the segments are seen as `add` made them; pairs with its
        // Release. The older ones hang on `next`, written before their Release.
        let mut at = self.head.load(sync::acquire(Edge::SegmentFind));
        std::iter::from_fn(move || {
            // SAFETY: null, or a box that `add` leaked and only `drop` frees.
            let segment = unsafe { at.as_ref() }?;
            at = segment.next.load(Relaxed);
            Some(segment)
        })
    }
}

impl Drop for SegmentList {
    fn drop(&mut self) {
        let mut at = self.head.load(Relaxed);
        while let Some(segment) = NonNull::new(at) {
            // SAFETY: leaked by `add`, freed only here, and `&mut self` excludes walkers.
            let segment = unsafe { Box::from_raw(segment.as_ptr()) };
            at = segment.next.load(Relaxed);
        }
    }
}
