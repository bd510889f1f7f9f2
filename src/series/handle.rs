//! Handles of every kind, in one type.
#![forbid(unsafe_code)]

use super::descriptor::Kind;
use super::unit::Unit;
use crate::buckets::Row;
use crate::metric::{Counter, Gauge, Histogram, UpDownCounter, start_clock};
use crate::store::{Exhausted, Reader, Scalar, Shard, Store, Totals};
use crate::sync::Arc;
use std::sync::OnceLock;

/// A handle of some kind.
#[derive(Clone)]
pub enum Handle {
    Counter(Counter),
    UpDownCounter(UpDownCounter),
    Gauge(Gauge),
    // Apart, since they are four times as long as the others, and a handle of each series is kept.
    Histogram0(Box<Histogram<0>>),
    Histogram1(Box<Histogram<1>>),
    Histogram2(Box<Histogram<2>>),
    Histogram3(Box<Histogram<3>>),
}

/// A type of handle that can be registered: [`Counter`], [`UpDownCounter`], [`Gauge`] and
/// [`Histogram`] of 1 to 3 significant digits. It is sealed: there are no others.
///
/// ```
/// use quipu::{Histogram, Metric, RegisterError};
///
/// fn sizes<const DIGITS: u8>(name: &str) -> Result<Histogram<DIGITS>, RegisterError>
/// where
///     Histogram<DIGITS>: Metric,
/// {
///     quipu::registry().histogram(name).significant_digits::<DIGITS>().register()
/// }
/// sizes::<3>("doc.sizes")?.record(1_500);
/// # Ok::<(), RegisterError>(())
/// ```
pub trait Metric: sealed::Create {}

pub(crate) mod sealed {
    use super::*;

    /// What registering needs to know of a type of handle.
    pub trait Create: Clone + Into<Handle> + Send + Sync + 'static {
        const KIND: Kind;
        /// Significant digits, 0 for what has none.
        const DIGITS: u8;

        /// Takes a slot. `shared` and `unit` are for histograms.
        fn create(store: &Arc<Store>, shared: bool, unit: Unit) -> Result<Self, Exhausted>;

        /// Takes `count` slots, or none: those of scalars side by side.
        fn create_all(
            store: &Arc<Store>,
            count: usize,
            shared: bool,
            unit: Unit,
        ) -> Result<Vec<Self>, Exhausted> {
            (0..count).map(|_| Self::create(store, shared, unit)).collect()
        }

        /// The cells of what is a scalar.
        fn scalar(&self) -> Option<&Scalar> {
            None
        }

        /// How many handles of its slot there are, this one included.
        fn holders(&self) -> usize;

        /// The handle, if `handle` is of this type.
        fn of(handle: &Handle) -> Option<&Self>;

        /// A handle that belongs to no series; all of a type are the same one.
        fn detached(detached: &Detached) -> Self {
            let handle = detached.handles.iter().find_map(Self::of);
            handle.expect("there is one of each type").clone()
        }
    }
}

use sealed::Create;

/// Implements [`Metric`] for a type whose variant of [`Handle`] has the given name.
macro_rules! metric {
    ($type:ty, $variant:ident, $kind:ident, $digits:literal, $create:expr $(, $also:item)*) => {
        impl Metric for $type {}

        impl Create for $type {
            const KIND: Kind = Kind::$kind;
            const DIGITS: u8 = $digits;

            fn create(store: &Arc<Store>, shared: bool, unit: Unit) -> Result<Self, Exhausted> {
                let create: fn(&Arc<Store>, bool, Unit) -> Result<Self, Exhausted> = $create;
                create(store, shared, unit)
            }

            fn holders(&self) -> usize {
                self.holders()
            }

            $($also)*

            fn of(handle: &Handle) -> Option<&Self> {
                match handle {
                    Handle::$variant(handle) => {
                        let handle: &Self = handle;
                        Some(handle)
                    }
                    _ => None,
                }
            }
        }

        impl From<$type> for Handle {
            fn from(handle: $type) -> Handle {
                Handle::$variant(handle.into())
            }
        }
    };
}

/// The same for a type that is a scalar.
macro_rules! scalar_metric {
    ($type:ident) => {
        metric!(
            $type,
            $type,
            $type,
            0,
            |store, _, _| Ok($type::over(Scalar::new(store)?)),
            fn create_all(
                store: &Arc<Store>,
                count: usize,
                _: bool,
                _: Unit,
            ) -> Result<Vec<Self>, Exhausted> {
                Ok(Scalar::neighbours(store, count)?.into_iter().map(Self::over).collect())
            },
            fn scalar(&self) -> Option<&Scalar> {
                Some(self.cells())
            }
        );
    };
}

fn histogram<const DIGITS: u8>(
    store: &Arc<Store>,
    shared: bool,
    unit: Unit,
) -> Result<Histogram<DIGITS>, Exhausted> {
    start_clock();
    Histogram::new(store, shared, unit.nanoseconds().unwrap_or(1))
}

scalar_metric!(Counter);
scalar_metric!(UpDownCounter);
metric!(Gauge, Gauge, Gauge, 0, |store, _, _| Gauge::new(store));
metric!(Histogram<0>, Histogram0, Histogram, 0, histogram);
metric!(Histogram<1>, Histogram1, Histogram, 1, histogram);
metric!(Histogram<2>, Histogram2, Histogram, 2, histogram);
metric!(Histogram<3>, Histogram3, Histogram, 3, histogram);

/// The slots that handles without a series record to.
pub struct Detached {
    store: Arc<Store>,
    handles: [Handle; 6],
}

static DETACHED: OnceLock<Detached> = OnceLock::new();

impl Detached {
    /// Those of the process. Made before anything is registered, so that they find room.
    pub(crate) fn process() -> &'static Self {
        DETACHED.get_or_init(|| {
            let detached = Self::new(Store::process());
            detached.expect("a new store has room, and shared slots fall back to the heap")
        })
    }

    fn new(store: &Arc<Store>) -> Result<Self, Exhausted> {
        let handles = [
            Counter::over(Scalar::new(store)?).into(),
            UpDownCounter::over(Scalar::new(store)?).into(),
            Gauge::new(store)?.into(),
            Histogram::<1>::new(store, true, 1)?.into(),
            Histogram::<2>::new(store, true, 1)?.into(),
            Histogram::<3>::new(store, true, 1)?.into(),
        ];
        Ok(Self { store: store.clone(), handles })
    }

    /// What was added to detached counters and recorded in detached histograms.
    pub(crate) fn records(&self) -> u64 {
        let (mut reader, mut rows) = (Reader::default(), Vec::new());
        let mut total = 0_u64;
        for handle in &self.handles {
            let shards = self.store.shards();
            if let Handle::Counter(counter) = handle {
                total = total.wrapping_add(counter.total(&self.store));
            }
            if let Some(totals) = handle.read_histogram(shards, &mut reader, &mut rows) {
                total = total.wrapping_add(totals.count);
            }
        }
        total
    }
}

impl Handle {
    /// How many handles of its slot there are, this one included.
    pub(crate) fn holders(&self) -> usize {
        match self {
            Handle::Counter(counter) => counter.holders(),
            Handle::UpDownCounter(counter) => counter.holders(),
            Handle::Gauge(gauge) => gauge.holders(),
            Handle::Histogram0(histogram) => histogram.holders(),
            Handle::Histogram1(histogram) => histogram.holders(),
            Handle::Histogram2(histogram) => histogram.holders(),
            Handle::Histogram3(histogram) => histogram.holders(),
        }
    }

    /// Has the first of a histogram's cells fetched; nothing for other kinds.
    pub(crate) fn announce(&self, shards: impl Iterator<Item = Shard>) {
        match self {
            Handle::Histogram0(histogram) => histogram.announce(shards),
            Handle::Histogram1(histogram) => histogram.announce(shards),
            Handle::Histogram2(histogram) => histogram.announce(shards),
            Handle::Histogram3(histogram) => histogram.announce(shards),
            _ => {}
        }
    }

    /// Adds up a histogram's cells; `None` for other kinds.
    pub(crate) fn read_histogram(
        &self,
        shards: impl Iterator<Item = Shard>,
        reader: &mut Reader,
        rows: &mut Vec<Row>,
    ) -> Option<Totals> {
        Some(match self {
            Handle::Histogram0(histogram) => histogram.read(shards, reader, rows),
            Handle::Histogram1(histogram) => histogram.read(shards, reader, rows),
            Handle::Histogram2(histogram) => histogram.read(shards, reader, rows),
            Handle::Histogram3(histogram) => histogram.read(shards, reader, rows),
            _ => return None,
        })
    }
}
