//! Describing a metric before it is registered.
#![forbid(unsafe_code)]

use super::Registry;
use crate::family::FamilyBuilder;
use crate::metric::Histogram;
use crate::series::{Detached, LabelList, Metric, RegisterError, Request, Unit};
use std::marker::PhantomData;

/// A metric that is about to be registered; from [`Registry::counter`] and its siblings. `M` is the
/// type of the handle, one of the [`Metric`] types.
#[must_use = "nothing is registered until `register` is called"]
pub struct MetricBuilder<'r, M> {
    pub(super) registry: &'r Registry,
    pub(super) request: Request<'r>,
    metric: PhantomData<M>,
}

impl<M: Metric> MetricBuilder<'_, M> {
    /// Registers the metric, or finds it if it exists: the same name, kind, unit and labels are the
    /// same series, whose first help text stands.
    ///
    /// Takes the registry's lock and allocates; the first histogram of a process also calibrates
    /// the clock, which can take 200 ms.
    ///
    /// # Errors
    ///
    /// [`RegisterError`] says what was wrong and what to do. The registry counts it; see
    /// [`Registry::refusals`].
    pub fn register(self) -> Result<M, RegisterError> {
        self.registry.register(self.request)
    }

    /// Registers the metric, or returns a detached handle if that is refused: recording to it is
    /// valid, costs more, and is counted by [`detached_records`](crate::detached_records) instead of
    /// being exported.
    pub fn register_or_detached(self) -> M {
        self.register().unwrap_or_else(|_| M::detached(Detached::process()))
    }
}

impl<'r, M: Metric> MetricBuilder<'r, M> {
    /// Describes a family of such metrics, told apart by labels with these keys, whose values are known
    /// only while the program runs. All of them have the labels given before.
    pub fn family<const N: usize>(self, keys: [&'r str; N]) -> FamilyBuilder<'r, M, N> {
        FamilyBuilder::new(self.registry.table(), self.request, keys)
    }
}

impl<'r, M> MetricBuilder<'r, M> {
    pub(super) fn new(registry: &'r Registry, name: &'r str) -> Self {
        let labels = LabelList::default();
        let request = Request { name, labels, help: "", unit: Unit::None, shared: false };
        Self { registry, request, metric: PhantomData }
    }

    /// Adds a label. Keys follow the rules of names and may begin with `_`; values are any text
    /// without NUL, up to 4,096 bytes.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.request.labels.push(key, value);
        self
    }

    /// What the values are measured in; plain numbers by default. All series of a name share it.
    pub fn unit(mut self, unit: Unit) -> Self {
        self.request.unit = unit;
        self
    }

    /// What the metric says about itself.
    pub fn help(mut self, help: &'r str) -> Self {
        self.request.help = help;
        self
    }
}

impl<'r, const DIGITS: u8> MetricBuilder<'r, Histogram<DIGITS>> {
    /// How many significant decimal digits the buckets keep, 1 to 3.
    ///
    /// ```compile_fail
    /// quipu::registry().histogram("doc.too.precise").significant_digits::<4>().register();
    /// ```
    pub fn significant_digits<const N: u8>(self) -> MetricBuilder<'r, Histogram<N>> {
        const { assert!(1 <= N && N <= 3, "a histogram has 1, 2 or 3 significant digits") };
        MetricBuilder { registry: self.registry, request: self.request, metric: PhantomData }
    }

    /// One set of cells for all threads, instead of one a thread.
    ///
    /// For thousands of rarely recorded histograms, whose pages in every thread would waste memory.
    /// A record is then three atomic read-modify-writes that threads may contend for. Nothing is
    /// lost either way. If the series exists already, its first registration has decided.
    pub fn shared(mut self) -> Self {
        self.request.shared = true;
        self
    }
}

impl<M> std::fmt::Debug for MetricBuilder<'_, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MetricBuilder").field("name", &self.request.name).finish_non_exhaustive()
    }
}
