//! Reservations: address space that costs memory only where it is touched. The only file that names
//! `memmap2`.

use super::cell::Word;
use super::limits::{LINE_WORDS, STRIDE_WORDS};
use crate::sync;
use memmap2::{MmapMut, MmapOptions};
use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

/// `words` words: `STRIDE_WORDS` owners' words, then cells, all zero at first.
pub(super) struct Reservation {
    base: NonNull<Word>,
    words: usize,
    backing: Backing,
}

enum Backing {
    Mapped(MmapMut),
    Heap(Layout),
}

// SAFETY: the words are atomics, and the reservation only hands out their addresses.
unsafe impl Send for Reservation {}
// SAFETY: as above.
unsafe impl Sync for Reservation {}

impl Reservation {
    /// Maps address space without charging swap for it.
    pub(super) fn mapped(words: usize) -> std::io::Result<Self> {
        let bytes = words.checked_mul(size_of::<Word>()).ok_or(std::io::ErrorKind::OutOfMemory)?;
        let mut map = MmapOptions::new().len(bytes).no_reserve_swap().map_anon()?;
        // A huge page would commit 2 MiB for one touched cell. Kernels without huge pages refuse
        // the advice, which is as good.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::NoHugePage);
        let base = NonNull::from(&mut map[..]).cast();
        Ok(Self { base, words, backing: Backing::Mapped(map) })
    }

    /// Takes zeroed memory from the heap, if it has so much.
    pub(super) fn heap(words: usize) -> Option<Self> {
        let layout = Layout::array::<Word>(words)
            .and_then(|layout| layout.align_to(LINE_WORDS * size_of::<u64>()))
            .expect("a store from the heap has a few megabytes");
        // SAFETY: the layout is not empty, since a segment has at least one stride.
        let base = unsafe { alloc_zeroed(layout) };
        let base = NonNull::new(base.cast::<Word>())?;
        if !sync::ZEROED_IS_VALID {
            for index in 0..words {
                let word = if index < STRIDE_WORDS { Word::no_owner() } else { Word::zero_cell() };
                // SAFETY: `index` is inside the allocation.
                let place = unsafe { base.add(index) };
                // SAFETY: the place is inside the allocation, aligned, and nobody reads it yet.
                unsafe { place.write(word) };
            }
        }
        Some(Self { base, words, backing: Backing::Heap(layout) })
    }

    pub(super) fn base(&self) -> NonNull<Word> {
        self.base
    }

    pub(super) fn bytes(&self) -> usize {
        self.words * size_of::<Word>()
    }

    pub(super) fn is_mapped(&self) -> bool {
        matches!(self.backing, Backing::Mapped(_))
    }

    /// Gives whole pages between the words `first` and `first + words` back to the system, after
    /// which they read as zero. Returns the range of words that was given back, empty where the
    /// system cannot do it.
    ///
    /// # Safety
    ///
    /// No other thread accesses these words.
    pub(super) unsafe fn give_back_pages(&self, first: usize, words: usize) -> (usize, usize) {
        let Backing::Mapped(map) = &self.backing else {
            return (first, first);
        };
        let Some(page_bytes) = page_bytes() else {
            return (first, first);
        };
        let start = (first * size_of::<Word>()).next_multiple_of(page_bytes);
        let end = (first + words) * size_of::<Word>() / page_bytes * page_bytes;
        if end <= start || !discard(map, start, end - start) {
            return (first, first);
        }
        (start / size_of::<Word>(), end / size_of::<Word>())
    }
}

#[cfg(target_os = "linux")]
fn discard(map: &MmapMut, offset: usize, bytes: usize) -> bool {
    let advice = memmap2::UncheckedAdvice::DontNeed;
    // SAFETY: the caller of `give_back_pages` answers for the words being unused; the range was
    // rounded inwards to whole pages, and on Linux such private pages read as zero afterwards.
    unsafe { map.unchecked_advise_range(advice, offset, bytes) }.is_ok()
}

/// Elsewhere the advice does not promise zeroes.
#[cfg(not(target_os = "linux"))]
fn discard(_: &MmapMut, _: usize, _: usize) -> bool {
    false
}

#[cfg(unix)]
fn page_bytes() -> Option<usize> {
    // SAFETY: `sysconf` reads a constant of the system.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two())
}

#[cfg(not(unix))]
fn page_bytes() -> Option<usize> {
    None
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Backing::Heap(layout) = self.backing {
            // SAFETY: allocated in `heap` with this layout.
            unsafe { dealloc(self.base.as_ptr().cast(), layout) };
        }
    }
}
