//! Bucket arithmetic of histograms: pure, importing nothing.
//!
//! The layout is HdrHistogram's, for a lowest discernible value of 1 over the whole range of u64
//! (<https://hdrhistogram.github.io/HdrHistogram/>; the fuzz target `buckets` and the property
//! tests hold it against the `hdrhistogram` crate). `2^bits` is the smallest power of two not below
//! `2 x 10^digits`; values under it have a bucket each, and every later octave is cut into
//! `2^(bits-1)` buckets of equal width:
//!
//! ```text
//!  index   0 .. 2^bits - 1 | 2^bits .. +half | +half ..     half = 2^(bits-1)
//!  width   1               | 2               | 4 ..
//! ```

/// The bucket layout for a number of significant decimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    bits: u32,
}

impl Layout {
    /// `digits` is 0 to 3; 0 exists for the models, whose histograms must be tiny.
    pub(crate) const fn new(digits: u8) -> Self {
        let bits = match digits {
            0 => 1,
            1 => 5,
            2 => 8,
            3 => 11,
            _ => panic!("a histogram has 1, 2 or 3 significant digits"),
        };
        Self { bits }
    }

    /// How many buckets cover 0 to `u64::MAX`.
    pub(crate) const fn len(self) -> usize {
        ((64 - self.bits as usize) + 2) << (self.bits - 1)
    }

    /// How many [`Row`]s its buckets fill.
    pub(crate) const fn rows(self) -> usize {
        self.len().div_ceil(Row::LEN)
    }

    /// The bucket of `value`; always less than [`len`](Self::len).
    #[inline(always)]
    pub(crate) const fn index(self, value: u64) -> usize {
        let unit_range = (1_u64 << self.bits) - 1;
        let shift = (64 - self.bits) - (value | unit_range).leading_zeros();
        ((shift as usize) << (self.bits - 1)) + (value >> shift) as usize
    }

    /// The smallest value of bucket `index`.
    pub(crate) const fn low(self, index: usize) -> u64 {
        let (sub_bucket, shift) = self.split(index);
        sub_bucket << shift
    }

    /// The largest value of bucket `index`.
    pub(crate) const fn high(self, index: usize) -> u64 {
        let (sub_bucket, shift) = self.split(index);
        (sub_bucket << shift) + ((1 << shift) - 1)
    }

    const fn split(self, index: usize) -> (u64, u32) {
        let half = 1_usize << (self.bits - 1);
        if index < 2 * half {
            return (index as u64, 0);
        }
        let shift = (index >> (self.bits - 1)) as u32 - 1;
        (((index & (half - 1)) + half) as u64, shift)
    }
}

/// The counts of buckets that follow each other: what is read, kept and compared at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Its number: the index of its first bucket is that times [`LEN`](Self::LEN).
    pub(crate) number: u32,
    pub(crate) counts: [u64; Self::LEN],
}

impl Row {
    /// Buckets in a row: those of a cache line of 64 bytes. Under loom each one that is read is a
    /// step of the model, and there no more of them are read than hold something.
    pub(crate) const LEN: usize = if cfg!(all(loom, test)) { 1 } else { 8 };

    /// Index and count of its buckets that hold something.
    pub(crate) fn held(&self) -> impl DoubleEndedIterator<Item = (usize, u64)> + '_ {
        let first = self.number as usize * Self::LEN;
        let counts = self.counts.iter().enumerate().map(move |(at, &count)| (first + at, count));
        counts.filter(|&(_, count)| count != 0)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ALL: [u8; 4] = [0, 1, 2, 3];

    /// Every power of two with its neighbours, the places where an index may go wrong.
    fn edges() -> impl Iterator<Item = u64> {
        (0..64).flat_map(|bit| {
            let power = 1_u64 << bit;
            [power - 1, power, power + 1, power.wrapping_mul(3) / 2]
        })
    }

    #[test]
    fn every_value_lies_between_the_bounds_of_its_bucket() {
        for layout in ALL.map(Layout::new) {
            for value in edges().chain([u64::MAX, u64::MAX - 1]) {
                let index = layout.index(value);
                assert!(index < layout.len(), "{layout:?} {value}");
                assert!(layout.low(index) <= value && value <= layout.high(index));
            }
        }
    }

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        for layout in ALL.map(Layout::new) {
            for index in 1..layout.len() {
                assert_eq!(layout.high(index - 1) + 1, layout.low(index), "{layout:?} {index}");
                assert_eq!(layout.index(layout.low(index)), index);
                assert_eq!(layout.index(layout.high(index)), index);
            }
            assert_eq!(layout.high(layout.len() - 1), u64::MAX);
        }
    }

    #[test]
    fn the_layout_is_that_of_hdrhistogram() {
        for digits in ALL {
            let layout = Layout::new(digits);
            let hdr = hdrhistogram::Histogram::<u64>::new_with_bounds(1, u64::MAX, digits).unwrap();
            assert_eq!(layout.len(), hdr.distinct_values(), "{digits} digits");
            for value in edges() {
                let index = layout.index(value);
                assert_eq!(layout.low(index), hdr.lowest_equivalent(value), "{value}");
                // There, `hdrhistogram` saturates one short of the end.
                let high = layout.high(index).min(u64::MAX - 1);
                assert_eq!(high, hdr.highest_equivalent(value).min(u64::MAX - 1), "{value}");
            }
        }
    }

    #[test]
    fn a_bucket_is_no_wider_than_the_digits_promise() {
        for (digits, share) in [(1_u8, 1.0 / 16.0), (2, 1.0 / 128.0), (3, 1.0 / 1024.0)] {
            let layout = Layout::new(digits);
            for index in 1..layout.len() {
                let width = (layout.high(index) - layout.low(index)) as f64;
                assert!(width / layout.low(index) as f64 <= share, "{digits} {index}");
            }
        }
    }
}
