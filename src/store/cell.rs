//! One counter's value for one thread.

use crate::buckets::Row;
use crate::sync::{self, AtomicPtr, AtomicU64, Ordering::Relaxed};
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
}

/// One shard's cells of a row of buckets.
pub(super) type Cells = [Cell; Row::LEN];

/// Whether [`add_rows`] may load cells in pairs.
///
/// A processor with AVX loads sixteen aligned bytes at once (Intel SDM, volume 3A, section 9.1.1; AMD64
/// APM, volume 2, section 7.3.2), so each cell of a pair is seen as a relaxed load of its own sees it.
/// Miri knows no assembly, and in a model a row is no line of plain words.
pub(super) fn loads_pairs() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        !cfg!(miri) && size_of::<Cells>() == 64 && std::arch::is_x86_feature_detected!("avx")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Adds what `rows` hold to `sums`. Compilers do not join atomic loads: with `in_pairs`, which
/// [`loads_pairs`] has to allow, assembly does, in half as many instructions.
#[inline(always)]
pub(super) fn add_rows<const N: usize>(
    sums: &mut [u64; Row::LEN],
    rows: [&Cells; N],
    in_pairs: bool,
) {
    #[cfg(target_arch = "x86_64")]
    if in_pairs {
        use std::arch::x86_64::__m128i;
        use std::mem::transmute_copy;

        // SAFETY: four pairs of words, of which every pattern of bits is valid.
        let [mut a, mut b, mut c, mut d]: [__m128i; 4] = unsafe { transmute_copy(sums) };
        for row in rows {
            // SAFETY: reads the 64 bytes of `row`, whose words others may store to; the processor
            // has the instructions, since the caller has asked.
            unsafe {
                std::arch::asm!(
                    "vpaddq {a}, {a}, [{row}]",
                    "vpaddq {b}, {b}, [{row} + 16]",
                    "vpaddq {c}, {c}, [{row} + 32]",
                    "vpaddq {d}, {d}, [{row} + 48]",
                    row = in(reg) row,
                    a = inout(xmm_reg) a,
                    b = inout(xmm_reg) b,
                    c = inout(xmm_reg) c,
                    d = inout(xmm_reg) d,
                    options(readonly, nostack, preserves_flags),
                );
            }
        }
        // SAFETY: as above.
        *sums = unsafe { transmute_copy(&[a, b, c, d]) };
        return;
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = in_pairs;
    for row in rows {
        for (sum, cell) in sums.iter_mut().zip(row) {
            *sum = sum.wrapping_add(cell.load());
        }
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

    #[test]
    fn pairs_add_up_to_what_single_cells_do() {
        let row = |first: u64| -> Cells {
            std::array::from_fn(|at| {
                Cell::new((first + at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15))
            })
        };
        let rows = [row(1), row(100), row(10_000)];
        let [mut one_by_one, mut in_pairs] = [[u64::MAX - 1; Row::LEN]; 2];
        add_rows(&mut one_by_one, rows.each_ref(), false);
        add_rows(&mut in_pairs, rows.each_ref(), loads_pairs());
        assert_eq!(in_pairs, one_by_one);
    }
}
