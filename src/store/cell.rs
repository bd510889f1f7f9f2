//! A count of one thread.

use crate::buckets::Row;
use crate::sync::{self, AtomicNarrow, AtomicPtr, AtomicU64, Ordering::Relaxed};
use std::mem::ManuallyDrop;

/// An `AtomicU64` with one writer.
///
/// Relaxed everywhere: no value that is stored depends on another thread's cell, a reader wants
/// each cell alone, and what must be ordered (a shard's next lessee, a freed slot's next user)
/// is ordered by the lease and by the handle.
pub(super) struct Cell(AtomicU64);

impl Cell {
    pub(super) fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// Adds `n` and returns the value before.
    ///
    /// For the lessee of the cell's shard alone: a second writer would overwrite counts.
    #[inline(always)]
    pub(super) fn add_as_owner(&self, n: u64) -> u64 {
        let before = self.load_as_owner();
        self.0.store(before.wrapping_add(n), Relaxed);
        before
    }

    #[inline(always)]
    pub(super) fn load_as_owner(&self) -> u64 {
        sync::load_by_owner(&self.0)
    }

    #[inline(always)]
    pub(super) fn store(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    /// Adds `n` from any thread, and returns the value before.
    pub(super) fn add_shared(&self, n: u64) -> u64 {
        self.0.fetch_add(n, Relaxed)
    }

    /// Makes it what `change` makes of the value that it replaces, from any thread.
    #[cfg(any(all(feature = "metrics", not(loom)), test))]
    pub(super) fn update_shared(&self, mut change: impl FnMut(u64) -> u64) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |value| Some(change(value)));
    }

    /// Raises the value to `n`, from any thread.
    pub(super) fn raise_shared(&self, n: u64) {
        if self.load() < n {
            self.0.fetch_max(n, Relaxed);
        }
    }

    #[inline(always)]
    pub(super) fn load(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Makes it zero, if it is not, while nobody uses it.
    pub(super) fn clear(&self) {
        if self.load() != 0 {
            self.store(0);
        }
    }
}

/// A cell of half the size, with one writer, that holds at most [`LIMIT`](Self::LIMIT).
///
/// What does not fit is added to a wide cell instead, and the value is the sum of both. Each only
/// grows, so that a reader may come at any time between: nothing is ever moved from one to the other.
pub(super) struct Narrow(AtomicNarrow);

impl Narrow {
    /// As many as [`ABREAST`] of them add up to a number of 32 bits.
    pub(super) const LIMIT: u64 =
        if cfg!(all(loom, test)) { 1 } else { u32::MAX as u64 / ABREAST as u64 };

    /// Adds `n` if it fits, and returns whether it did.
    ///
    /// For the lessee of the cell's shard alone.
    #[inline(always)]
    pub(super) fn add_as_owner(&self, n: u64) -> bool {
        let before = u64::from(sync::load_narrow_by_owner(&self.0));
        let fits = n <= Self::LIMIT && before + n <= Self::LIMIT;
        if fits {
            self.0.store((before + n) as _, Relaxed);
        }
        fits
    }

    #[inline(always)]
    pub(super) fn load(&self) -> u64 {
        u64::from(self.0.load(Relaxed))
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn holding(count: u64) -> Self {
        assert!(count <= Self::LIMIT);
        Self(AtomicNarrow::new(count as u32))
    }

    /// Writes to the cell without changing it, from any thread.
    pub(super) fn touch(&self) {
        self.0.fetch_add(0, Relaxed);
    }

    /// Makes it zero, if it is not, while nobody uses it.
    pub(super) fn clear(&self) {
        if self.load() != 0 {
            self.0.store(0, Relaxed);
        }
    }
}

/// One shard's narrow cells of a row of buckets.
pub(super) type NarrowRow = [Narrow; Row::LEN];

/// One shard's wide cells of a row of buckets.
pub(super) type WideRow = [Cell; Row::LEN];

/// Narrow cells that a word has room for.
pub(super) const NARROW_IN_A_WORD: usize = size_of::<Word>() / size_of::<Narrow>();

/// Words that a row takes.
pub(super) const NARROW_ROW_WORDS: usize = size_of::<NarrowRow>() / size_of::<Word>();
pub(super) const WIDE_ROW_WORDS: usize = size_of::<WideRow>() / size_of::<Word>();

/// The most rows that [`add_narrow`] adds up.
pub(super) const ABREAST: usize = 8;

/// Whether [`add_narrow`] may load several cells at once.
///
/// A processor with AVX loads sixteen aligned bytes at once (Intel SDM, volume 3A, section 9.1.1; AMD64
/// APM, volume 2, section 7.3.2), so each of the cells is seen as a relaxed load of its own sees it.
/// Miri knows no assembly, and in a model a row is no line of plain words.
pub(super) fn loads_fours() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        !cfg!(miri) && size_of::<NarrowRow>() == 32 && std::arch::is_x86_feature_detected!("avx")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Adds what `rows` hold to `sums`. Compilers do not join atomic loads: with `in_fours`, which
/// [`loads_fours`] has to allow, assembly does, in a quarter of the instructions.
#[inline(always)]
pub(super) fn add_narrow<const N: usize>(
    sums: &mut [u64; Row::LEN],
    rows: [&NarrowRow; N],
    in_fours: bool,
) {
    const { assert!(N <= ABREAST) };
    #[cfg(target_arch = "x86_64")]
    if in_fours {
        use std::arch::x86_64::_mm_setzero_si128;
        use std::mem::transmute_copy;

        // SAFETY: every x86-64 processor has SSE2.
        let [mut low, mut high] = unsafe { [_mm_setzero_si128(); 2] };
        for row in rows {
            // SAFETY: reads the 32 bytes of `row`, whose words others may store to; the processor
            // has the instructions, since the caller has asked.
            unsafe {
                std::arch::asm!(
                    "vpaddd {low}, {low}, [{row}]",
                    "vpaddd {high}, {high}, [{row} + 16]",
                    row = in(reg) row,
                    low = inout(xmm_reg) low,
                    high = inout(xmm_reg) high,
                    options(readonly, nostack, preserves_flags),
                );
            }
        }
        // SAFETY: two times four words, of which every pattern of bits is valid.
        let added: [u32; Row::LEN] = unsafe { transmute_copy(&[low, high]) };
        for (sum, added) in sums.iter_mut().zip(added) {
            *sum = sum.wrapping_add(u64::from(added));
        }
        return;
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = in_fours;
    for row in rows {
        for (sum, cell) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add(cell.load());
        }
    }
}

/// Adds what a row of wide cells holds to `sums`.
pub(super) fn add_wide(sums: &mut [u64; Row::LEN], row: &WideRow) {
    for (sum, cell) in sums.iter_mut().zip(row) {
        *sum = sum.wrapping_add(cell.load());
    }
}

/// Asks the processor to fetch what lies at an address, where there is a way to ask; any address
/// will do.
#[inline(always)]
pub(super) fn prefetch(address: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint to the processor, which ignores addresses that are not mapped.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address)) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// One word of a segment: a cell in the shards, a pointer in the owners' part.
#[repr(C)]
pub(super) union Word {
    cell: ManuallyDrop<Cell>,
    owner: ManuallyDrop<AtomicPtr<()>>,
}

// A run of words is read as a slice of cells.
const _: () = assert!(size_of::<Word>() == size_of::<Cell>());
const _: () = assert!(NARROW_ROW_WORDS * size_of::<Word>() == size_of::<NarrowRow>());

impl Word {
    pub(super) fn zero_cell() -> Self {
        Self { cell: ManuallyDrop::new(Cell::new(0)) }
    }

    pub(super) fn no_owner() -> Self {
        Self { owner: ManuallyDrop::new(AtomicPtr::new(std::ptr::null_mut())) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn row(first: u64) -> NarrowRow {
        std::array::from_fn(|at| {
            let mixed = (first + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Narrow::holding(mixed % (Narrow::LIMIT + 1))
        })
    }

    #[test]
    fn fours_add_up_to_what_single_cells_do() {
        let rows = [1, 100, 10_000].map(row);
        let [mut one_by_one, mut in_fours] = [[u64::MAX - 1; Row::LEN]; 2];
        add_narrow(&mut one_by_one, rows.each_ref(), false);
        add_narrow(&mut in_fours, rows.each_ref(), loads_fours());
        assert_eq!(in_fours, one_by_one);
    }

    #[test]
    fn as_many_as_are_added_at_once_add_up_at_their_limit() {
        let full: NarrowRow = std::array::from_fn(|_| Narrow::holding(Narrow::LIMIT));
        let mut sums = [0; Row::LEN];
        add_narrow(&mut sums, [&full; ABREAST], loads_fours());
        assert_eq!(sums, [ABREAST as u64 * Narrow::LIMIT; Row::LEN]);
    }

    #[test]
    fn a_narrow_cell_takes_what_fits_and_nothing_else() {
        let cell = Narrow::holding(0);
        assert!(!cell.add_as_owner(u64::MAX));
        assert!(!cell.add_as_owner(Narrow::LIMIT + 1));
        assert!(cell.add_as_owner(Narrow::LIMIT - 1));
        assert!(!cell.add_as_owner(2));
        assert!(cell.add_as_owner(1));
        assert!(!cell.add_as_owner(1));
        assert_eq!(cell.load(), Narrow::LIMIT);
        cell.clear();
        assert!(cell.add_as_owner(1));
    }
}
