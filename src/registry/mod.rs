//! Registries: what a program registers its metrics with and takes snapshots of.
#![forbid(unsafe_code)]

mod builder;
mod macros;
mod typed;

pub use builder::MetricBuilder;
pub use typed::TypedFamilyBuilder;

use crate::metric::{Counter, Gauge, Histogram, UpDownCounter};
use crate::series::{
    Consumer, DEFAULT_MAX_SERIES, Detached, LabelList, Metric, Refusals, RegisterError, Request,
    Table,
};
use crate::snapshot::{Collector, Moment, Snapshot};
use crate::store::Store;
use crate::sync::{self, Arc, Mutex, Published};
use std::sync::OnceLock;

/// Names and labels, and the metrics behind them.
///
/// Registering takes a lock and allocates; it is for start-up, or for the first use of a series.
/// Recording through the handles that it returns does neither. All registries share the process's
/// store, so their number costs the hot path nothing.
///
/// A registry can be dropped while handles live: they stay valid, and what they record is seen by
/// nobody.
pub struct Registry {
    table: std::sync::Arc<Table>,
    collector: Mutex<Collector>,
    published: Published<Snapshot>,
    reported: Mutex<Reported>,
}

/// What [`Registry::take_unreported`] has told already.
#[derive(Default)]
struct Reported {
    refused: u64,
    detached: u64,
}

/// The process's own registry.
pub fn registry() -> &'static Registry {
    static REGISTRY: OnceLock<Registry> = OnceLock::new();
    REGISTRY.get_or_init(Registry::new)
}

/// What was added to detached counters and recorded in detached histograms: those that
/// [`MetricBuilder::register_or_detached`] gave out because a registration was refused. Readings
/// of detached gauges and changes of detached up-down counters are not counted.
pub fn detached_records() -> u64 {
    Detached::process().records()
}

impl Registry {
    /// A registry of its own, for a library or a test; most programs use [`registry`].
    pub fn new() -> Self {
        Self::with_max_series(DEFAULT_MAX_SERIES)
    }

    /// A registry that refuses to hold more than `limit` series; the default is 2,097,152.
    pub fn with_max_series(limit: usize) -> Self {
        Detached::process();
        Self::over(Store::process().clone(), limit)
    }

    pub(crate) fn over(store: Arc<Store>, limit: usize) -> Self {
        Self {
            table: std::sync::Arc::new(Table::new(store.clone(), limit)),
            collector: Mutex::new(Collector::new(store)),
            published: Published::empty(),
            reported: Mutex::new(Reported::default()),
        }
    }

    /// Describes a counter to register.
    pub fn counter<'r>(&'r self, name: &'r str) -> MetricBuilder<'r, Counter> {
        MetricBuilder::new(self, name)
    }

    /// Describes an up-down counter to register.
    pub fn up_down_counter<'r>(&'r self, name: &'r str) -> MetricBuilder<'r, UpDownCounter> {
        MetricBuilder::new(self, name)
    }

    /// Describes a gauge to register.
    pub fn gauge<'r>(&'r self, name: &'r str) -> MetricBuilder<'r, Gauge> {
        MetricBuilder::new(self, name)
    }

    /// Describes a histogram of 2 significant digits to register;
    /// [`significant_digits`](MetricBuilder::significant_digits) chooses others.
    pub fn histogram<'r>(&'r self, name: &'r str) -> MetricBuilder<'r, Histogram> {
        MetricBuilder::new(self, name)
    }

    /// Reads all series now.
    ///
    /// Holds all that was recorded before, in the sense of a join or another synchronisation with
    /// the recording thread, and never less than an earlier snapshot. Delays no recording thread;
    /// concurrent calls wait for each other. Cost: one load for each series and shard in use, and
    /// for each touched bucket; allocates nothing while nothing is registered and at most seven
    /// snapshots are held.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        sync::lock(&self.collector).collect(&self.table, Moment::now)
    }

    /// The newest snapshot that a [`Client`](crate::Client) of this process has published, if there
    /// is one. Wait-free for any number of readers.
    pub fn latest(&self) -> Option<Arc<Snapshot>> {
        self.published.latest().filter(|snapshot| snapshot.is_of_this_process())
    }

    /// Reads all series and publishes the snapshot, taken when `clock` says. A published snapshot is
    /// never replaced by an older one, since both happen under the collector's lock.
    pub(crate) fn publish(&self, clock: impl FnOnce() -> Moment) -> Arc<Snapshot> {
        let mut collector = sync::lock(&self.collector);
        let snapshot = collector.collect(&self.table, clock);
        self.published.publish(snapshot.clone());
        snapshot
    }

    /// Registrations that were refused since the registry was made.
    pub fn refusals(&self) -> Refusals {
        self.table.refusals()
    }

    /// Refused registrations, and records of detached metrics, since the last call: each is told
    /// once, whichever client of this registry asks.
    pub(crate) fn take_unreported(&self) -> (u64, u64) {
        let mut reported = sync::lock(&self.reported);
        let refused = self.table.refusals().count;
        let detached = detached_records();
        let before = std::mem::replace(&mut *reported, Reported { refused, detached });
        // What is counted in cells begins again in a forked child.
        (refused.saturating_sub(before.refused), detached.saturating_sub(before.detached))
    }

    pub(crate) fn table(&self) -> &std::sync::Arc<Table> {
        &self.table
    }

    pub(crate) fn register<M: Metric>(&self, request: Request<'_>) -> Result<M, RegisterError> {
        self.table.register(request)
    }

    /// Registers series of one name that differ in `labels`: all or none.
    pub(crate) fn register_together<M: Metric>(
        &self,
        request: &Request<'_>,
        labels: impl ExactSizeIterator<Item = LabelList>,
    ) -> Result<Vec<M>, RegisterError> {
        self.table.register_together(request, labels)
    }

    /// What counts records that find no room, as families do, and why they do not.
    #[cfg(all(feature = "tracing", not(loom)))]
    pub(crate) fn refused_by_families(&self, why: Option<RegisterError>) -> Option<Counter> {
        let log = self.table.refusals_log();
        why.into_iter().for_each(|why| log.explain(why));
        log.of_families(self.table.store()).ok()
    }

    /// Has no series leave before `consumer` has acknowledged what it held.
    pub(crate) fn add_consumer(&self, consumer: &std::sync::Arc<dyn Consumer>) {
        self.table.consumers().add(consumer);
    }

    /// Has no series leave before those who scrape have had time to.
    #[cfg(all(feature = "http", not(loom)))]
    pub(crate) fn note_scrape(&self) {
        self.table.consumers().note_scrape(std::time::Instant::now());
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn series_are_listed_in_order_whenever_they_were_registered() {
        let registry = Registry::new();
        let mut names: Vec<_> = (0..3_000_u32).map(|i| format!("n{}", i * 7919 % 3_000)).collect();
        for (at, name) in names.iter().enumerate() {
            registry.counter(name).register().unwrap().add(at as u64);
            if at % 700 == 0 {
                assert_eq!(registry.snapshot().iter().count(), at + 1);
            }
        }
        let snapshot = registry.snapshot();
        for (at, name) in names.iter().enumerate() {
            assert_eq!(snapshot.counter(name, &[]), Some(at as u64));
        }
        names.sort();
        assert!(snapshot.iter().map(|(descriptor, _)| descriptor.name()).eq(names.iter()));
    }
}
