//! A histogram's cells: a header of four, and one for each bucket.
//!
//! ```text
//! header  [ sum | !min | span | max ]    span = max - min + 1, or 0 before the first record
//! buckets [ count | count | .. ]         whole rows, so `Layout::len()` or a few more
//! ```
//!
//! Headers lie together, apart from the buckets, so that many share a page. `min` is kept inverted
//! so that all four words start at zero and only grow. A record compares `value - min` with `span`
//! once, and only a value outside leads to the cold update of the last three. They bound the buckets
//! that may hold something, so a reader touches no other.
//!
//! `span` saturates: with `min` 0 the value `u64::MAX` always takes the cold way, which is slower and
//! changes nothing.

use super::cell::{self, Cell, Word};
use super::limits::LINE_WORDS;
use super::local::Place;
use super::reader::{Part, Reader, Totals};
use super::segment::Class;
use super::slot::Slot;
use super::{Exhausted, Shard, Store};
use crate::buckets::{Layout, Row};
use crate::sync::Arc;
use std::ptr::NonNull;

const SUM: usize = 0;
const INVERTED_MIN: usize = 1;
const SPAN: usize = 2;
const MAX: usize = 3;
const HEADER_WORDS: usize = 4;

/// What one call adds: `count` records between `low` and `high`, all of the bucket of `high`.
#[derive(Clone, Copy)]
pub(crate) struct Records {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) count: u64,
    pub(crate) sum: u64,
}

impl Records {
    #[inline(always)]
    fn one(value: u64) -> Self {
        Self { low: value, high: value, count: 1, sum: value }
    }
}

/// The cells of one histogram of `DIGITS` significant digits.
#[derive(Clone)]
pub(crate) struct Distribution<const DIGITS: u8> {
    header: Slot,
    buckets: NonNull<Word>,
    /// All ones, or 0 if every thread shares shard 0.
    offset_mask: usize,
}

// SAFETY: as for `Slot`; the buckets belong to the same slot.
unsafe impl<const DIGITS: u8> Send for Distribution<DIGITS> {}
// SAFETY: as above.
unsafe impl<const DIGITS: u8> Sync for Distribution<DIGITS> {}

impl<const DIGITS: u8> Distribution<DIGITS> {
    const LAYOUT: Layout = Layout::new(DIGITS);

    /// Takes cells for every shard, or one set of cells for all threads if `shared`.
    pub(crate) fn new(store: &Arc<Store>, shared: bool) -> Result<Self, Exhausted> {
        let runs = if shared {
            (Class::Single, LINE_WORDS, Class::Single)
        } else {
            (Class::Small, HEADER_WORDS, Class::Runs)
        };
        let second = Some((runs.2, Self::LAYOUT.rows() * Row::LEN));
        let (header, buckets) = Slot::allocate(store, runs.0, runs.1, second)?;
        let buckets = buckets.expect("asked for");
        Ok(Self { header, buckets, offset_mask: if shared { 0 } else { usize::MAX } })
    }

    /// Records `value` once.
    #[inline(always)]
    pub(crate) fn record(&self, place: &impl Place, value: u64) {
        let offset = place.offset() & self.offset_mask;
        if offset == 0 {
            return self.record_cold(place, value);
        }
        // SAFETY: a place's offset leads to a shard that this thread has leased, and with this mask
        // the slot lies in segments of all shards.
        unsafe { self.cells(offset) }.add_as_owner(Records::one(value));
    }

    /// Its arguments fit into registers, so that the common path of `record` needs no stack.
    #[cold]
    #[inline(never)]
    fn record_cold(&self, place: &impl Place, value: u64) {
        self.add(place, Records::one(value));
    }

    /// Adds records that share a bucket.
    pub(crate) fn add(&self, place: &impl Place, records: Records) {
        // A shared histogram takes no lease.
        let offset = match place.offset() & self.offset_mask {
            0 if self.offset_mask != 0 => place.lease(),
            offset => offset,
        };
        // SAFETY: as in `record`, or zero, which is shard 0.
        let cells = unsafe { self.cells(offset) };
        if offset == 0 { cells.add_shared(records) } else { cells.add_as_owner(records) }
    }

    /// Has what [`read`](Self::read) will need fetched while `reader` reads the histogram before.
    pub(crate) fn announce(&self, shards: impl Iterator<Item = Shard>, reader: &mut Reader) {
        let parts = self.parts(shards, |_, _| {});
        reader.announce(parts, |shard| self.of(shard).rows());
    }

    /// Adds up what `shards` hold, and appends the rows of buckets that hold something to `rows`,
    /// in order.
    pub(crate) fn read(
        &self,
        shards: impl Iterator<Item = Shard>,
        reader: &mut Reader,
        rows: &mut Vec<Row>,
    ) -> Totals {
        let mut totals = Totals { layout: Self::LAYOUT, count: 0, sum: 0, min: u64::MAX, max: 0 };
        let parts = self.parts(shards, |sum, range| {
            totals.sum = totals.sum.wrapping_add(sum);
            if let Some((min, max)) = range {
                totals.min = totals.min.min(min);
                totals.max = totals.max.max(max);
            }
        });
        let count = reader.add_up(parts, |shard| self.of(shard).rows(), rows);
        Totals { count, ..totals }
    }

    /// Where `shards` may hold something; `each` is told the sum of one, and its range.
    fn parts(
        &self,
        shards: impl Iterator<Item = Shard>,
        mut each: impl FnMut(u64, Option<(u64, u64)>),
    ) -> impl Iterator<Item = Part> {
        let how_many = if self.offset_mask == 0 { 1 } else { usize::MAX };
        shards.take(how_many).filter_map(move |shard| {
            let header = self.of(shard).header;
            if header[SPAN].load() == 0 {
                return None;
            }
            let (min, max) = (!header[INVERTED_MIN].load(), header[MAX].load());
            // While the first record is under way, the two may be seen the wrong way round.
            let range = (min <= max).then_some((min, max));
            each(header[SUM].load(), range);
            range.map(|_| Part::new(shard, Self::LAYOUT.index(min), Self::LAYOUT.index(max)))
        })
    }

    /// The cells of a shard, which is shard 0 if all threads share one set.
    fn of(&self, shard: Shard) -> Cells<'_, DIGITS> {
        // SAFETY: a `Shard` exists, and where the mask is 0 no other than shard 0 is asked for.
        unsafe { self.cells(shard.offset() & self.offset_mask) }
    }

    /// # Safety
    ///
    /// `offset` is 0, or the slot lies in segments of all shards and `offset` leads to one of them.
    #[inline(always)]
    unsafe fn cells(&self, offset: usize) -> Cells<'_, DIGITS> {
        // SAFETY: the caller says that the offset stays inside the segment.
        let header = unsafe { self.header.at().byte_add(offset) };
        // SAFETY: a header is four initialised cells, alive while the slot is held.
        let header = unsafe { header.cast::<[Cell; HEADER_WORDS]>().as_ref() };
        // SAFETY: as for the header.
        let buckets = unsafe { self.buckets.byte_add(offset) };
        Cells { header, buckets }
    }
}

/// One shard's cells of a histogram; `buckets` has `Layout::rows()` full of them, alive as the header is.
struct Cells<'a, const DIGITS: u8> {
    header: &'a [Cell; HEADER_WORDS],
    buckets: NonNull<Word>,
}

impl<'a, const DIGITS: u8> Cells<'a, DIGITS> {
    const LAYOUT: Layout = Layout::new(DIGITS);

    #[inline(always)]
    fn add_as_owner(&self, records: Records) {
        self.bucket(records.high).add_as_owner(records.count);
        self.header[SUM].add_as_owner(records.sum);
        // Last, so that the cold call is a jump and the common path saves no register for it.
        let one_value = records.low == records.high;
        if !covers(self.header, records.high) || !(one_value || covers(self.header, records.low)) {
            widen(self.header, records.low, records.high);
        }
    }

    fn add_shared(&self, records: Records) {
        self.header[SUM].add_shared(records.sum);
        self.header[INVERTED_MIN].raise_shared(!records.low);
        self.header[MAX].raise_shared(records.high);
        self.header[SPAN].raise_shared(1);
        self.bucket(records.high).add_shared(records.count);
    }

    /// All buckets; most may be in pages that nobody has touched.
    fn rows(&self) -> &'a [cell::Cells] {
        let rows = self.buckets.cast::<cell::Cells>();
        // SAFETY: as many words, each the size of a cell and one, alive as long as the header.
        unsafe { NonNull::slice_from_raw_parts(rows, Self::LAYOUT.rows()).as_ref() }
    }

    #[inline(always)]
    fn bucket(&self, value: u64) -> &Cell {
        // SAFETY: `Layout::index` is less than `Layout::len` for every value.
        let cell = unsafe { self.buckets.add(Self::LAYOUT.index(value)) };
        // SAFETY: words of the shards are initialised cells, alive as long as the header.
        unsafe { cell.cast::<Cell>().as_ref() }
    }
}

/// Whether `min <= value <= max`, for the owner of the cells.
#[inline(always)]
fn covers(header: &[Cell; HEADER_WORDS], value: u64) -> bool {
    // value - min, since min is !inverted
    let above_min = value.wrapping_add(header[INVERTED_MIN].load_as_owner()).wrapping_add(1);
    above_min < header[SPAN].load_as_owner()
}

/// Extends the range of an owner's cells to `low` and `high`.
#[cold]
#[inline(never)]
fn widen(header: &[Cell; HEADER_WORDS], low: u64, high: u64) {
    let (mut min, mut max) = (low, high);
    if header[SPAN].load_as_owner() != 0 {
        min = min.min(!header[INVERTED_MIN].load_as_owner());
        max = max.max(header[MAX].load_as_owner());
    }
    header[INVERTED_MIN].store(!min);
    header[MAX].store(max);
    header[SPAN].store((max - min).saturating_add(1));
}
