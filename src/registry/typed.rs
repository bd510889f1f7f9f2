//! Describing a family before it is registered.
#![forbid(unsafe_code)]

use super::{MetricBuilder, Registry};
use crate::metric::{LabelValues, TypedFamily};
use crate::series::{Detached, LabelList, Metric, RegisterError, Request};
use crate::store::MOST_NEIGHBOURS;
use std::marker::PhantomData;

/// A family that is about to be registered; from [`MetricBuilder::typed_family`].
#[must_use = "nothing is registered until `register` is called"]
pub struct TypedFamilyBuilder<'r, M, L: LabelValues> {
    registry: &'r Registry,
    request: Request<'r>,
    keys: L::Keys<'r>,
    metric: PhantomData<fn() -> M>,
}

impl<'r, M: Metric> MetricBuilder<'r, M> {
    /// Makes it a family: a series for each combination of values of the labels `L`, whose keys these
    /// are. Labels that were given by [`label`](Self::label) are those of all its series.
    ///
    /// All series are registered at once, so their number is limited: a family of more than 4,096 does
    /// not compile.
    ///
    /// ```
    /// use quipu::{Counter, SmallInt, TypedFamily};
    ///
    /// let family: TypedFamily<Counter, (SmallInt<1024>, SmallInt<4>)> =
    ///     quipu::registry().counter("doc.typed.large").typed_family(["worker", "queue"]).register()?;
    /// # Ok::<(), quipu::RegisterError>(())
    /// ```
    ///
    /// ```compile_fail
    /// use quipu::{Counter, SmallInt, TypedFamily};
    ///
    /// let family: TypedFamily<Counter, (SmallInt<1024>, SmallInt<5>)> =
    ///     quipu::registry().counter("doc.typed.large").typed_family(["worker", "queue"]).register()?;
    /// # Ok::<(), quipu::RegisterError>(())
    /// ```
    ///
    /// So is the number of keys checked:
    ///
    /// ```compile_fail
    /// use quipu::{Counter, TypedFamily};
    ///
    /// let family: TypedFamily<Counter, (bool, bool)> =
    ///     quipu::registry().counter("doc.typed.keys").typed_family(["cached"]).register()?;
    /// # Ok::<(), quipu::RegisterError>(())
    /// ```
    pub fn typed_family<L: LabelValues>(self, keys: L::Keys<'r>) -> TypedFamilyBuilder<'r, M, L> {
        const {
            assert!(L::COUNT > 0, "each label of a typed family needs at least one value");
            assert!(L::COUNT <= MOST_NEIGHBOURS, "a typed family has at most 4096 series");
        }
        let Self { registry, request, .. } = self;
        TypedFamilyBuilder { registry, request, keys, metric: PhantomData }
    }
}

impl<M: Metric, L: LabelValues> TypedFamilyBuilder<'_, M, L> {
    /// Registers all series of the family, or finds those that exist, as
    /// [`MetricBuilder::register`] does: a family that is registered again is the same one.
    ///
    /// Takes the registry's lock and allocates. Series of counters and up-down counters of which one
    /// existed before, as a handle that was registered alone, do not lie side by side: a record then loads
    /// the handle, and costs what one of a table of handles costs. So register the family first.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] says what was wrong and what to do; nothing was registered then. The registry
    /// counts it as one; see [`Registry::refusals`].
    pub fn register(self) -> Result<TypedFamily<M, L>, RegisterError> {
        let Self { registry, request, keys, .. } = self;
        let labels = (0..L::COUNT).map(|number| {
            let texts = L::texts(number);
            let mut labels = LabelList::default();
            let pairs = keys.as_ref().iter().zip(texts.as_ref());
            pairs.for_each(|(key, text)| labels.push(key, text));
            labels
        });
        let handles = registry.register_together(&request, labels)?;
        Ok(TypedFamily::over(handles, M::scalar))
    }

    /// Registers the family, or returns one of detached handles if that is refused, as
    /// [`MetricBuilder::register_or_detached`] does.
    pub fn register_or_detached(self) -> TypedFamily<M, L> {
        self.register().unwrap_or_else(|_| {
            let detached = M::detached(Detached::process());
            TypedFamily::over(vec![detached; L::COUNT], M::scalar)
        })
    }
}

impl<M, L: LabelValues> std::fmt::Debug for TypedFamilyBuilder<'_, M, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = self.keys.as_ref();
        f.debug_struct("TypedFamilyBuilder")
            .field("name", &self.request.name)
            .field("keys", &keys)
            .finish_non_exhaustive()
    }
}
