//! Scalars that lie side by side, so that the address of each is computed and no handle is loaded.

use super::cell::Cell;
use super::scalar::{LentScalar, Scalar};
use std::marker::PhantomData;

/// A number that is part of a type.
pub(crate) trait Length {
    const LENGTH: usize;
}

/// As many scalars as `L` says, of one run of the store and in order.
pub(crate) struct Neighbours<L> {
    /// Keeps the run.
    first: Scalar,
    length: PhantomData<fn() -> L>,
}

impl<L: Length> Neighbours<L> {
    /// `None` unless `scalars` are what is described above.
    pub(crate) fn of(scalars: &[&Scalar]) -> Option<Self> {
        let first = *scalars.first()?;
        let follows = |(at, scalar): (usize, &&Scalar)| {
            scalar.address() == first.address() + at * size_of::<Cell>()
                && scalar.0.shares_owner_with(&first.0)
        };
        let all_follow = scalars.len() == L::LENGTH && scalars.iter().enumerate().all(follows);
        all_follow.then(|| Self { first: first.clone(), length: PhantomData })
    }

    /// The scalar with this number; beyond the last one it is the last.
    #[inline(always)]
    pub(crate) fn lend(&self, number: usize) -> Neighbour<'_> {
        Neighbour { first: self.first.lent(), number: number.min(L::LENGTH - 1) }
    }
}

impl<L> Clone for Neighbours<L> {
    fn clone(&self) -> Self {
        Self { first: self.first.clone(), length: PhantomData }
    }
}

/// One of [`Neighbours`], whose address is not computed yet: an `Option` of it is tested by testing what
/// lies in memory anyway.
#[derive(Clone, Copy)]
pub(crate) struct Neighbour<'a> {
    first: LentScalar<'a>,
    /// Less than their number.
    number: usize,
}

impl<'a> Neighbour<'a> {
    #[inline(always)]
    pub(crate) fn scalar(self) -> LentScalar<'a> {
        // SAFETY: `Neighbours::of` has seen that more than `number` scalars follow the first one in
        // its run, and the first one keeps the run, whose owner all of them share.
        unsafe { self.first.following(self.number) }
    }
}
