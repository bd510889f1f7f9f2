//! Families whose labels are known when the program is compiled.
//!
//! Each label is a type of few values, and their numbers together are the number of a series. All series
//! of a family are registered at once, so that finding one is arithmetic: no lookup, no hash, no lock.
//!
//! ```text
//! (method, cached) -> number = method x 2 + cached -> cell = first cell + number x 8
//! ```
//!
//! A family holds a handle of each series. Those of counters and up-down counters lie side by side in the
//! store when the family's registration made them all, and a record then loads none of them.
//! `registry/typed.rs` makes the families.
#![forbid(unsafe_code)]

mod label;
mod labels;
mod member;

pub use label::{LabelValue, SmallInt, all_differ};
pub use labels::LabelValues;
pub use member::TypedMember;

use crate::store::{Neighbours, Scalar};
use std::sync::Arc;

/// The metrics of one name, a series for each combination of label values: `L` is a tuple of
/// [`LabelValue`]s, such as `(Method, bool)`, and `M` the type of the handles.
///
/// From [`MetricBuilder::typed_family`](crate::MetricBuilder::typed_family). All series exist from the
/// start, and are in every snapshot, also those that nothing was recorded to (gauges that were never set
/// excepted). A clone is cheap, and of the same series; they live as long as the registry or a handle.
///
/// ```
/// use quipu::{Counter, TypedFamily};
///
/// quipu::label_values! {
///     /// How a request came.
///     pub enum Method { Get = "GET", Post = "POST", Other = "other" }
/// }
///
/// let requests: TypedFamily<Counter, (Method, bool)> =
///     quipu::registry().counter("doc.typed").typed_family(["method", "cached"]).register()?;
/// requests.with((Method::Get, true)).increment();
///
/// let snapshot = quipu::registry().snapshot();
/// let labels = [("method", "GET"), ("cached", "true")];
/// assert_eq!(snapshot.counter("doc.typed", &labels), Some(1));
/// # Ok::<(), quipu::RegisterError>(())
/// ```
pub struct TypedFamily<M, L> {
    handles: Handles<M>,
    /// The cells of all, if they lie side by side.
    cells: Option<Neighbours<L>>,
}

/// The handles of a family, by number.
#[derive(Clone)]
struct Handles<M> {
    all: Arc<[M]>,
    /// What a number beyond the last would lead to. There is none, but a check that can fail would stay
    /// in the machine code, and with it a panic.
    spare: M,
}

impl<M> Handles<M> {
    #[inline(always)]
    fn get(&self, number: usize) -> &M {
        self.all.get(number).unwrap_or(&self.spare)
    }
}

impl<M: Clone, L: LabelValues> TypedFamily<M, L> {
    /// A family of handles in the order of their numbers, and the scalars that they are, if so.
    pub(crate) fn over(handles: Vec<M>, scalar: impl Fn(&M) -> Option<&Scalar>) -> Self {
        let scalars: Option<Vec<_>> = handles.iter().map(scalar).collect();
        let cells = scalars.and_then(|scalars| Neighbours::of(&scalars));
        let spare = handles.last().expect("no tuple of labels is without values").clone();
        Self { handles: Handles { all: handles.into(), spare }, cells }
    }
}

impl<M, L: LabelValues> TypedFamily<M, L> {
    /// The member with these label values.
    ///
    /// Arithmetic only: takes no lock, allocates nothing and cannot fail.
    #[inline(always)]
    pub fn with(&self, labels: L) -> TypedMember<'_, M> {
        self.member(labels.index())
    }

    /// All members, with the texts of their labels in the order of the keys.
    ///
    /// ```
    /// # use quipu::{Gauge, SmallInt, TypedFamily};
    /// let depths: TypedFamily<Gauge, (SmallInt<3>,)> =
    ///     quipu::registry().gauge("doc.typed.depth").typed_family(["shard"]).register()?;
    /// for ([shard], depth) in depths.iter() {
    ///     depth.set(if shard == "2" { 7.0 } else { 0.0 });
    /// }
    /// let snapshot = quipu::registry().snapshot();
    /// assert_eq!(snapshot.gauge("doc.typed.depth", &[("shard", "2")]), Some(7.0));
    /// # Ok::<(), quipu::RegisterError>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (L::Texts, TypedMember<'_, M>)> {
        (0..L::COUNT).map(|number| (L::texts(number), self.member(number)))
    }

    #[inline(always)]
    fn member(&self, number: usize) -> TypedMember<'_, M> {
        let cells = self.cells.as_ref().map(|cells| cells.lend(number));
        TypedMember { handles: &self.handles, number, cells }
    }
}

impl<M: Clone, L> Clone for TypedFamily<M, L> {
    fn clone(&self) -> Self {
        Self { handles: self.handles.clone(), cells: self.cells.clone() }
    }
}

impl<M, L> std::fmt::Debug for TypedFamily<M, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TypedFamily")
            .field("series", &self.handles.all.len())
            .finish_non_exhaustive()
    }
}
