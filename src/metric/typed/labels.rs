//! Several labels together, as one number.
#![forbid(unsafe_code)]

use super::LabelValue;
use crate::store::Length;
use std::borrow::Cow;

/// The labels of a [`TypedFamily`](crate::TypedFamily): a tuple of one to four [`LabelValue`]s. It is
/// sealed: there are no others.
///
/// They are numbered as the digits of a number are, the last one changing first.
///
/// ```
/// use quipu::{LabelValues, SmallInt};
///
/// assert_eq!(<(SmallInt<3>, bool)>::COUNT, 6);
/// assert_eq!((SmallInt::<3>::new(2), true).index(), 5);
/// assert_eq!(<(SmallInt<3>, bool)>::texts(5), ["2", "true"]);
/// ```
pub trait LabelValues: sealed::Tuple {
    /// How many combinations there are: the product of the labels' counts.
    const COUNT: usize;

    /// A key for each label.
    type Keys<'k>: AsRef<[&'k str]>;

    /// A text for each label.
    type Texts: AsRef<[Cow<'static, str>]>;

    /// Which combination this is: less than `COUNT` unless a label's index is too large.
    fn index(self) -> usize;

    /// What the labels say for this index, which is less than `COUNT`.
    fn texts(index: usize) -> Self::Texts;
}

mod sealed {
    pub trait Tuple {}
}

impl<L: LabelValues> Length for L {
    const LENGTH: usize = L::COUNT;
}

macro_rules! tuple {
    ($arity:literal: $($value:ident $field:tt),+) => {
        impl<$($value: LabelValue),+> sealed::Tuple for ($($value,)+) {}

        impl<$($value: LabelValue),+> LabelValues for ($($value,)+) {
            // A product that is no usize is too large all the same.
            const COUNT: usize = 1_usize$(.saturating_mul($value::COUNT))+;

            type Keys<'k> = [&'k str; $arity];
            type Texts = [Cow<'static, str>; $arity];

            #[inline(always)]
            fn index(self) -> usize {
                let index = 0_usize;
                $(
                    // Wraps where a label's index is too large, since a record must not panic.
                    let index = index.wrapping_mul($value::COUNT).wrapping_add(self.$field.index());
                )+
                index
            }

            fn texts(index: usize) -> Self::Texts {
                let mut above = index;
                let text_of: [(usize, fn(usize) -> Cow<'static, str>); $arity] =
                    [$(($value::COUNT, $value::text)),+];
                let mut texts = [const { Cow::Borrowed("") }; $arity];
                for (text, (count, text_of)) in texts.iter_mut().zip(text_of).rev() {
                    *text = text_of(above % count);
                    above /= count;
                }
                texts
            }
        }
    };
}

tuple!(1: A 0);
tuple!(2: A 0, B 1);
tuple!(3: A 0, B 1, C 2);
tuple!(4: A 0, B 1, C 2, D 3);
