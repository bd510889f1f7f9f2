//! Describing a family before it is registered.
#![forbid(unsafe_code)]

use super::{DEFAULT_MAX_SERIES, Family, Lookup, Member, Shared, Sweeper, Values};
use crate::series::{Detached, HashKey, LabelList, Metric, RegisterError, Request, Table, Unit};
use crate::sync::{AtomicU64, AtomicUsize, Mutex};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A family that is about to be registered; from
/// [`MetricBuilder::family`](crate::MetricBuilder::family).
#[must_use = "nothing is registered until `register` is called"]
pub struct FamilyBuilder<'r, M, const N: usize> {
    table: &'r Arc<Table>,
    request: Request<'r>,
    keys: [&'r str; N],
    max_series: usize,
    expire_after: Option<Duration>,
    metric: PhantomData<M>,
}

impl<'r, M: Metric, const N: usize> FamilyBuilder<'r, M, N> {
    pub(crate) fn new(table: &'r Arc<Table>, request: Request<'r>, keys: [&'r str; N]) -> Self {
        let (max_series, expire_after) = (DEFAULT_MAX_SERIES, None);
        Self { table, request, keys, max_series, expire_after, metric: PhantomData }
    }

    /// How many series the family holds at most, 2,000 unless told otherwise; one more counts what is
    /// refused then.
    pub fn max_series(mut self, limit: usize) -> Self {
        self.max_series = limit;
        self
    }

    /// Removes series that were not looked up for so long, and that nobody has a handle of; they are
    /// kept for ever unless told so. It is looked after when a snapshot is taken, and may take an eighth
    /// longer.
    pub fn expire_after(mut self, idle: Duration) -> Self {
        self.expire_after = Some(idle);
        self
    }

    /// Registers the family, or finds it if it exists.
    ///
    /// The series that counts what is refused is registered with it, and is exported from then on; the
    /// others are registered when they are asked for.
    ///
    /// # Errors
    ///
    /// As for [`MetricBuilder::register`](crate::MetricBuilder::register), of the name and the keys.
    pub fn register(self) -> Result<Family<M, N>, RegisterError> {
        let (table, name, keys) = (self.table, self.request.name, self.keys);
        let labels = self.request.labels.clone();
        let mut all = labels.clone();
        keys.iter().for_each(|key| all.push(key, ""));
        table.check(name, all)?;
        let shared = table.families().find_or_make(name, &labels, &keys, || self.make())?;
        Ok(Family { shared })
    }

    /// Registers the family, or returns a detached one if that is refused: recording to it is valid, and
    /// is counted by [`detached_records`](crate::detached_records) instead of being exported.
    pub fn register_or_detached(self) -> Family<M, N> {
        let (table, name, keys) = (self.table.clone(), self.request.name, self.keys);
        self.register().unwrap_or_else(|_| {
            let handle = M::detached(Detached::process());
            let request = Request {
                name,
                labels: LabelList::default(),
                help: "",
                unit: Unit::None,
                shared: false,
            };
            let shared = Shared::over(table, &request, keys, handle);
            Family { shared: Arc::new(shared) }
        })
    }

    fn make(self) -> Result<Arc<Shared<M, N>>, RegisterError> {
        let Self { table, request, keys, .. } = self;
        let Request { name, labels, help, unit, shared } = request;
        let mut overflow = labels.clone();
        overflow.push("overflow", "true");
        let overflow = Request { name, labels: overflow, help, unit, shared };
        let refused = table.refusals_log().of_families(table.store())?;
        let (handle, series) = table.find_or_make(overflow)?;
        let request = Request { name, labels, help, unit, shared };
        let family = Shared::over(table.clone(), &request, keys, handle);
        Ok(Arc::new(Shared {
            max_series: self.max_series,
            expire_after: self.expire_after,
            overflow: Member { series: Some(series), ..family.overflow },
            refused: Some(refused),
            is_full: AtomicUsize::new(0),
            ..family
        }))
    }
}

impl<M: Metric, const N: usize> Shared<M, N> {
    /// A family that has no room, and counts all in `overflow`.
    fn over(table: Arc<Table>, request: &Request<'_>, keys: [&str; N], overflow: M) -> Self {
        let values = Values::new([""; N]);
        Self {
            table,
            name: request.name.into(),
            help: request.help.into(),
            unit: request.unit,
            is_shared: request.shared,
            labels: request.labels.clone(),
            keys: keys.map(Into::into),
            max_series: 0,
            expire_after: None,
            key: HashKey::random(),
            members: Lookup::new(),
            writer: Mutex::new(Sweeper::default()),
            is_full: AtomicUsize::new(1),
            sweeps: AtomicU64::new(0),
            overflow: Member { values, handle: overflow, series: None, used_in: AtomicU64::new(0) },
            refused: None,
        }
    }
}

impl<M, const N: usize> std::fmt::Debug for FamilyBuilder<'_, M, N> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut f = f.debug_struct("FamilyBuilder");
        f.field("name", &self.request.name).field("keys", &self.keys).finish_non_exhaustive()
    }
}
