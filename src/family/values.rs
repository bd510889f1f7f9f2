//! A member's label values.
#![forbid(unsafe_code)]

use crate::series::ends;

/// `N` texts in one allocation.
pub(super) struct Values<const N: usize> {
    bytes: Box<[u8]>,
    /// Where each one ends.
    ends: [u32; N],
}

impl<const N: usize> Values<N> {
    /// They are shorter together than 4 GiB, as label values are.
    pub(super) fn new(values: [&str; N]) -> Self {
        let mut end = 0;
        let ends = values.map(|value| {
            end += value.len() as u32;
            end
        });
        Self { bytes: values.concat().into_bytes().into(), ends }
    }

    #[inline(always)]
    pub(super) fn are(&self, values: [&str; N]) -> bool {
        let mut start = 0;
        self.ends.iter().zip(values).all(|(&end, value)| {
            let own = self.bytes.get(start as usize..end as usize);
            start = end;
            own.is_some_and(|own| are_equal(own, value.as_bytes()))
        })
    }
}

/// Word by word: of a few bytes, that is done before a call for it would be.
#[inline(always)]
pub(crate) fn are_equal(mut one: &[u8], mut other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    while let (Some((first, rest)), Some((other_first, other_rest))) =
        (one.split_at_checked(16), other.split_at_checked(16))
    {
        if ends(first) != ends(other_first) {
            return false;
        }
        (one, other) = (rest, other_rest);
    }
    ends(one) == ends(other)
}
