//! A histogram's cells: a header of five, and for each bucket a narrow and a wide one.
//!
//! ```text
//! header  [ sum | !min | span | max | wide ]    span = max - min + 1, or 0 before the first record
//! buckets [ wide: count | count | .. ][ narrow: count | count | .. ]       whole rows of each
//! ```
//!
//! Headers lie together, apart from the buckets, so that many share a page. `min` is kept inverted
//! so that all words start at zero and only grow. A record compares `value - min` with `span`
//! once, and only a value outside leads to the cold update of the next three. They bound the buckets
//! that may hold something, so a reader touches no other.
//!
//! `span` saturates: with `min` 0 the value `u64::MAX` always takes the cold way, which is slower and
//! changes nothing.
//!
//! A bucket's count is the sum of its two cells. Nearly all is counted in the narrow ones, which cost
//! half the memory, and half the time to read; a bucket that has reached their limit, and what does
//! not fit into it, goes to the wide cell. `wide` says which rows of wide cells hold something. What is
//! shared, be it a histogram or shard 0, has wide cells alone, since a narrow one cannot be added to
//! by several threads and kept within its limit.

use super::cell::{Cell, Narrow, NarrowRow, WIDE_ROW_WORDS, WideRow, Word};
use super::limits::LINE_WORDS;
use super::local::Place;
use super::reader::{Reader, Totals, announce};
use super::segment::{Class, bucket_words};
use super::slot::Slot;
use super::{Exhausted, Shard, Store};
use crate::buckets::{Layout, Row};
use crate::sync::Arc;
use std::ops::Range;
use std::ptr::NonNull;

const SUM: usize = 0;
const INVERTED_MIN: usize = 1;
const SPAN: usize = 2;
const MAX: usize = 3;
/// The rows of wide cells that an owner has written to: see [`WideRows`].
const WIDE: usize = 4;
const HEADER_WORDS: usize = 5;

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
    /// Where the narrow cells begin and the wide ones end.
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
        let rows = Self::LAYOUT.rows();
        let (header, buckets) = if shared {
            let buckets = (Class::SharedBuckets, rows * WIDE_ROW_WORDS);
            Slot::allocate(store, Class::Single, LINE_WORDS, Some(buckets))?
        } else {
            let buckets = (Class::Buckets { rows }, bucket_words(rows));
            Slot::allocate(store, Class::Small, HEADER_WORDS, Some(buckets))?
        };
        let wide = buckets.expect("asked for");
        // SAFETY: there are as many words of wide cells; a shared histogram ends here.
        let buckets = unsafe { wide.add(rows * WIDE_ROW_WORDS) };
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
        let cells = unsafe { self.cells(offset) };
        if !cells.narrow(value).add_as_owner(1) {
            return self.record_wide(offset, value);
        }
        cells.cover(Records::one(value));
    }

    /// Records into a bucket whose narrow cell is full. Its arguments, as those of the next, fit into
    /// registers, so that the common path of `record` needs no stack.
    #[cold]
    #[inline(never)]
    fn record_wide(&self, offset: usize, value: u64) {
        // SAFETY: only `record` calls this, with an offset that leads to a shard this thread has leased.
        unsafe { self.cells(offset) }.add_wide_as_owner(Records::one(value));
    }

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

    /// As [`Scalar::holders`](super::Scalar::holders).
    pub(crate) fn holders(&self) -> usize {
        self.header.holders()
    }

    /// Has the first of what [`read`](Self::read) will go through fetched meanwhile.
    pub(crate) fn announce(&self, shards: impl Iterator<Item = Shard>) {
        for shard in self.used(shards).filter(|shard| !shard.is_shared()) {
            let cells = self.of(shard);
            if let Some((min, max)) = cells.range() {
                announce(&cells.narrow_rows()[Self::rows(min, max)]);
            }
        }
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
        for shard in self.used(shards) {
            let cells = self.of(shard);
            totals.sum = totals.sum.wrapping_add(cells.header[SUM].load());
            let Some((min, max)) = cells.range() else { continue };
            totals.min = totals.min.min(min);
            totals.max = totals.max.max(max);
            if shard.is_shared() {
                reader.wide.push(shard, Self::rows(min, max));
            } else {
                reader.narrow.push(shard, Self::rows(min, max));
                reader.wide.push(shard, WideRows(cells.header[WIDE].load()).range());
            }
        }
        let narrow = |shard| self.of(shard).narrow_rows();
        let count = reader.add_up(narrow, |shard| self.of(shard).wide_rows(), rows);
        Totals { count, ..totals }
    }

    /// Those of `shards` that this one has cells in.
    fn used<S: Iterator<Item = Shard>>(
        &self,
        shards: S,
    ) -> impl Iterator<Item = Shard> + use<S, DIGITS> {
        shards.take(if self.offset_mask == 0 { 1 } else { usize::MAX })
    }

    /// The rows from the bucket of `min` to that of `max`.
    fn rows(min: u64, max: u64) -> Range<usize> {
        Self::LAYOUT.index(min) / Row::LEN..Self::LAYOUT.index(max) / Row::LEN + 1
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
        // SAFETY: a header is five initialised cells, alive while the slot is held.
        let header = unsafe { header.cast::<[Cell; HEADER_WORDS]>().as_ref() };
        // SAFETY: as for the header.
        let buckets = unsafe { self.buckets.byte_add(offset) };
        Cells { header, buckets }
    }
}

/// One shard's cells of a histogram: `Layout::rows()` full of wide ones before `buckets` and, unless it is
/// shared, as many of narrow ones from there on, alive as the header is.
struct Cells<'a, const DIGITS: u8> {
    header: &'a [Cell; HEADER_WORDS],
    buckets: NonNull<Word>,
}

impl<'a, const DIGITS: u8> Cells<'a, DIGITS> {
    const LAYOUT: Layout = Layout::new(DIGITS);

    #[inline(always)]
    fn add_as_owner(&self, records: Records) {
        if !self.narrow(records.high).add_as_owner(records.count) {
            return self.add_wide_as_owner(records);
        }
        self.cover(records);
    }

    /// Adds what does not fit into the narrow cell.
    #[inline(always)]
    fn add_wide_as_owner(&self, records: Records) {
        self.wide(records.high).add_as_owner(records.count);
        let rows = WideRows(self.header[WIDE].load_as_owner());
        let row = Self::LAYOUT.index(records.high) / Row::LEN;
        if !rows.range().contains(&row) {
            self.header[WIDE].store(rows.with(row).0);
        }
        self.cover(records);
    }

    /// Has the header tell of `records`, for the owner of the cells.
    #[inline(always)]
    fn cover(&self, records: Records) {
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
        self.wide(records.high).add_shared(records.count);
    }

    /// The smallest and the largest value, as far as is known; `None` if there is nothing.
    fn range(&self) -> Option<(u64, u64)> {
        if self.header[SPAN].load() == 0 {
            return None;
        }
        let (min, max) = (!self.header[INVERTED_MIN].load(), self.header[MAX].load());
        // While the first record is under way, the two may be seen the wrong way round.
        (min <= max).then_some((min, max))
    }

    /// The narrow cells of all buckets; most may be in pages that nobody has touched. Not for what is
    /// shared.
    fn narrow_rows(&self) -> &'a [NarrowRow] {
        let rows = self.buckets.cast::<NarrowRow>();
        // SAFETY: so many are there, which are initialised and alive as long as the header.
        unsafe { NonNull::slice_from_raw_parts(rows, Self::LAYOUT.rows()).as_ref() }
    }

    /// The wide cells of all buckets.
    fn wide_rows(&self) -> &'a [WideRow] {
        // SAFETY: so many are there, before the narrow ones.
        let rows = unsafe { self.buckets.cast::<WideRow>().sub(Self::LAYOUT.rows()) };
        // SAFETY: they are initialised, and alive as long as the header.
        unsafe { NonNull::slice_from_raw_parts(rows, Self::LAYOUT.rows()).as_ref() }
    }

    #[inline(always)]
    fn narrow(&self, value: u64) -> &Narrow {
        // SAFETY: `Layout::index` is less than `Layout::len` for every value.
        let cell = unsafe { self.buckets.cast::<Narrow>().add(Self::LAYOUT.index(value)) };
        // SAFETY: it is initialised, and alive as long as the header.
        unsafe { cell.as_ref() }
    }

    #[inline(always)]
    fn wide(&self, value: u64) -> &Cell {
        let cells = NonNull::from(self.wide_rows()).cast::<Cell>();
        // SAFETY: as for a narrow one.
        let cell = unsafe { cells.add(Self::LAYOUT.index(value)) };
        // SAFETY: as above.
        unsafe { cell.as_ref() }
    }
}

/// A range of rows as one word, so that it is always seen as a whole: the number of the first one,
/// inverted, above the number after the last one.
#[derive(Clone, Copy)]
struct WideRows(u64);

impl WideRows {
    fn range(self) -> Range<usize> {
        !((self.0 >> 32) as u32) as usize..self.0 as u32 as usize
    }

    fn with(self, row: usize) -> Self {
        let Range { start, end } = self.range();
        let (first, end) = (start.min(row) as u32, end.max(row + 1) as u32);
        Self(u64::from(!first) << 32 | u64::from(end))
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
