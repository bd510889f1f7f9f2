//! Families that live where they are used.
#![forbid(unsafe_code)]

use super::{Family, FamilyMember};
use crate::series::Metric;
use std::sync::OnceLock;

/// A family registered by the first call that reaches it; made by [`counter!`](crate::counter) and its
/// siblings where a label's value is no constant.
pub struct FamilySite<M: Metric, const N: usize> {
    family: OnceLock<Family<M, N>>,
    register: fn() -> Family<M, N>,
}

impl<M: Metric, const N: usize> FamilySite<M, N> {
    /// A call site that registers by `register`.
    pub const fn new(register: fn() -> Family<M, N>) -> Self {
        Self { family: OnceLock::new(), register }
    }

    /// The series with these label values; see [`Family::with`].
    #[inline]
    pub fn with(&'static self, values: [&str; N]) -> FamilyMember<'static, M, N> {
        self.family.get_or_init(self.register).with(values)
    }
}
