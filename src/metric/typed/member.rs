//! One series of a family.
#![forbid(unsafe_code)]

use super::Handles;
use crate::metric::{Counter, UpDownCounter};
use crate::store::{LentScalar, Neighbour, Place, Scalar, ThisThread};
use std::ops::Deref;

/// One series of a [`TypedFamily`](crate::TypedFamily), borrowed from it; from
/// [`TypedFamily::with`](crate::TypedFamily::with).
///
/// It is the handle of the series, `M`, by `Deref`: whatever that does, this does, and a clone of it
/// (`(*member).clone()`) outlives the family. The methods below are those of the handles with the same
/// names and effects, and load no handle for it.
pub struct TypedMember<'a, M> {
    pub(super) handles: &'a Handles<M>,
    pub(super) number: usize,
    /// The cells of a scalar, if the family can compute where they are.
    pub(super) cells: Option<Neighbour<'a>>,
}

impl<'a, M> TypedMember<'a, M> {
    /// The cells, by way of the handle where there is no other.
    #[inline(always)]
    fn scalar(&self, of: impl Fn(&'a M) -> &'a Scalar) -> LentScalar<'a> {
        match self.cells {
            Some(cells) => cells.scalar(),
            None => of(self.handles.get(self.number)).lent(),
        }
    }
}

impl TypedMember<'_, Counter> {
    /// Adds 1; see [`Counter::increment`].
    #[inline(always)]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`; see [`Counter::add`], of which this is the faster form: no handle is loaded.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        self.add_at(&ThisThread, n);
    }

    #[inline(always)]
    pub(crate) fn add_at(&self, place: &impl Place, n: u64) {
        self.scalar(Counter::cells).add(place, n);
    }
}

impl TypedMember<'_, UpDownCounter> {
    /// Adds 1; see [`UpDownCounter::increment`].
    #[inline(always)]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Takes 1 away; see [`UpDownCounter::decrement`].
    #[inline(always)]
    pub fn decrement(&self) {
        self.add(-1);
    }

    /// Adds `n`; see [`UpDownCounter::add`], of which this is the faster form: no handle is loaded.
    #[inline(always)]
    pub fn add(&self, n: i64) {
        self.scalar(UpDownCounter::cells).add(&ThisThread, n as u64);
    }
}

impl<M> Deref for TypedMember<'_, M> {
    type Target = M;

    #[inline(always)]
    fn deref(&self) -> &M {
        self.handles.get(self.number)
    }
}

impl<M> Clone for TypedMember<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for TypedMember<'_, M> {}

impl<M: std::fmt::Debug> std::fmt::Debug for TypedMember<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TypedMember").field(&**self).finish()
    }
}
