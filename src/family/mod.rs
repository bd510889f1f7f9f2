//! Families: series of one name that are told apart by labels known only while the program runs.
//!
//! ```text
//! with(["GET", "/"]) -> hash -> Lookup (store/lookup.rs) -> Member: values, handle
//!                                  | not there
//!                                  v
//!            the family's lock: registered with the series table, and added to the lookup
//! ```
//!
//! A look-up takes no lock, and stores to nothing that is shared, but for one mark a member and sweep.
//! A member that is removed, or that a sweep finds idle, is no longer found; its series is retired, and
//! leaves the registry as `series/table.rs` says. The member's own handle is dropped when nobody is
//! looking at it any more, so that whoever has just found it still records to a series that counts.
#![forbid(unsafe_code)]

mod builder;
mod site;
mod values;

pub use builder::FamilyBuilder;
pub use site::FamilySite;
#[cfg(all(feature = "metrics", not(loom)))]
pub(crate) use values::are_equal;

use crate::metric::Counter;
use crate::series::{
    AnyFamily, HashKey, LabelList, Metric, RegisterError, Request, Series, Table, Unit, excerpt,
    fault_of_value,
};
use crate::store::{Found, Lookup, Writer};
use crate::sync::{self, AtomicU64, AtomicUsize, Mutex, Ordering::Relaxed};
use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};
use values::Values;

/// Series that a family holds at most, unless it is told otherwise.
pub(crate) const DEFAULT_MAX_SERIES: usize = 2_000;

/// Sweeps after which a member that was not looked up is idle.
const IDLE_SWEEPS: u64 = 8;

/// Handles of a member's series while nobody has one of their own: the member's, the table's and the
/// collector's.
const OWN_HANDLES: usize = 3;

/// Series of one name, one for each combination of `N` label values that was asked for; made by
/// [`MetricBuilder::family`](crate::MetricBuilder::family). `M` is one of the [`Metric`] types.
///
/// A clone is the same family, and so is what the same name and keys are registered as again; the first
/// one's limit and idle time stand.
///
/// ```
/// let errors = quipu::registry()
///     .counter("doc.db.errors")
///     .help("Failed operations.")
///     .family(["operation"])
///     .register()?;
/// errors.with(["select"]).increment();
/// errors.with(["insert"]).add(2);
/// let snapshot = quipu::registry().snapshot();
/// assert_eq!(snapshot.counter("doc.db.errors", &[("operation", "insert")]), Some(2));
/// # Ok::<(), quipu::RegisterError>(())
/// ```
pub struct Family<M: Metric, const N: usize> {
    shared: Arc<Shared<M, N>>,
}

struct Shared<M: Metric, const N: usize> {
    table: Arc<Table>,
    name: Box<str>,
    help: Box<str>,
    unit: Unit,
    is_shared: bool,
    /// What all of its series have, those for overflow too.
    labels: LabelList,
    keys: [Box<str>; N],
    max_series: usize,
    expire_after: Option<Duration>,
    key: HashKey,
    members: Lookup<Member<M, N>>,
    writer: Mutex<Sweeper>,
    /// Whether a look-up of something new is in vain: 1 if it is.
    is_full: AtomicUsize,
    sweeps: AtomicU64,
    overflow: Member<M, N>,
    /// `None` of a detached family, whose records are counted anyway.
    refused: Option<Counter>,
}

/// What is done by one thread at a time.
#[derive(Default)]
struct Sweeper {
    writer: Writer,
    next_sweep: Option<Instant>,
}

/// A series of a family.
pub(crate) struct Member<M, const N: usize> {
    values: Values<N>,
    handle: M,
    /// `None` of a detached one.
    series: Option<Arc<Series>>,
    /// The sweep before which it was last looked up. Relaxed: a stale value is one sweep off.
    used_in: AtomicU64,
}

/// A series that was looked up; it is used as the metric itself.
///
/// The series stays while this exists. So do others that are removed meanwhile, of all families: use it
/// and let go of it. It cannot be sent to another thread. A handle to keep is a clone of the metric,
/// `family.with(..).clone()`.
pub struct FamilyMember<'f, M: Metric, const N: usize>(Found<'f, Member<M, N>>);

impl<M: Metric, const N: usize> Deref for FamilyMember<'_, M, N> {
    type Target = M;

    #[inline(always)]
    fn deref(&self) -> &M {
        &self.0.handle
    }
}

impl<M: Metric, const N: usize> Family<M, N> {
    /// The series with these label values, in the order of the keys; it is made if it does not exist.
    ///
    /// One that exists is found without a lock, without allocation (but for a thread's first look-up in
    /// any family), and without a store that other threads see. Making one takes the family's lock and
    /// the registry's, and allocates. Not for signal handlers.
    ///
    /// Past the family's limit or the registry's, and for values that no label can have (with a NUL, or
    /// of more than 4,096 bytes), it is the series with the one label `overflow="true"`; that is counted
    /// by [`Registry::refusals`](crate::Registry::refusals), and costs no lock.
    #[inline(always)]
    pub fn with(&self, values: [&str; N]) -> FamilyMember<'_, M, N> {
        let shared = &*self.shared;
        let hash = shared.key.hash(values);
        match shared.find(hash, values) {
            Some(found) => {
                found.mark(shared.sweeps.load(Relaxed));
                FamilyMember(found)
            }
            None => FamilyMember(shared.make(hash, values)),
        }
    }

    /// Removes a series from the family; returns whether it was there.
    ///
    /// What was recorded to it is in the next snapshot, and is delivered before it goes; so is what is
    /// recorded through handles that exist, for as long as they do. If the same values are asked for
    /// before that, it stays, with what it has counted; later they are a new series that begins at zero.
    ///
    /// Takes the family's lock and the registry's.
    pub fn remove(&self, values: [&str; N]) -> bool {
        let shared = &*self.shared;
        let mut sweeper = sync::lock(&shared.writer);
        let hash = shared.key.hash(values);
        let is = |member: &Member<M, N>| member.values.are(values);
        let is_removed =
            shared.members.remove(&mut sweeper.writer, hash, is, |member| shared.retire(member));
        shared.is_full.store(0, Relaxed);
        is_removed
    }

    /// Sweeps until whatever is idle has been let go of.
    #[cfg(all(loom, test))]
    pub(crate) fn expire_idle(&self) {
        let mut now = Instant::now();
        for _ in 0..=IDLE_SWEEPS {
            self.shared.sweep(now);
            now += self.shared.expire_after.expect("it expires");
        }
    }

    /// How many series it has, that for overflow not counted.
    pub fn len(&self) -> usize {
        sync::lock(&self.shared.writer).writer.entries()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<M: Metric, const N: usize> Shared<M, N> {
    #[inline(always)]
    fn find(&self, hash: u64, values: [&str; N]) -> Option<Found<'_, Member<M, N>>> {
        self.members.find(hash, |member| member.values.are(values))
    }

    /// Makes what was not found, or refuses to.
    #[cold]
    #[inline(never)]
    fn make(&self, hash: u64, values: [&str; N]) -> Found<'_, Member<M, N>> {
        if self.is_full.load(Relaxed) == 0
            && values.iter().all(|value| fault_of_value(value).is_none())
        {
            let mut sweeper = sync::lock(&self.writer);
            if let Some(found) = self.find(hash, values) {
                return found;
            }
            if self.add(&mut sweeper, hash, values) {
                return self.find(hash, values).expect("just added, under the lock");
            }
        }
        if let Some(refused) = &self.refused {
            refused.add(1);
        }
        Found::outside(&self.overflow)
    }

    fn add(&self, sweeper: &mut Sweeper, hash: u64, values: [&str; N]) -> bool {
        if sweeper.writer.entries() >= self.max_series {
            let error =
                RegisterError::FamilyFull { name: excerpt(&self.name), limit: self.max_series };
            self.refuse_from_now_on(error);
            return false;
        }
        let mut labels = LabelList::default();
        self.keys.iter().zip(values).for_each(|(key, value)| labels.push(key, value));
        labels.append(&self.labels);
        match self.table.find_or_make(self.request(labels)) {
            Ok((handle, series)) => {
                let used_in = AtomicU64::new(self.sweeps.load(Relaxed));
                let member =
                    Member { values: Values::new(values), handle, series: Some(series), used_in };
                self.members.add(&mut sweeper.writer, hash, member);
                true
            }
            Err(error) => {
                self.refuse_from_now_on(error);
                false
            }
        }
    }

    /// Until something is removed, or the next sweep.
    fn refuse_from_now_on(&self, error: RegisterError) {
        self.table.refusals_log().explain(error);
        self.is_full.store(1, Relaxed);
    }

    fn request(&self, labels: LabelList) -> Request<'_> {
        Request {
            name: &self.name,
            labels,
            help: &self.help,
            unit: self.unit,
            shared: self.is_shared,
        }
    }

    fn retire(&self, member: &Member<M, N>) {
        member.series.iter().for_each(|series| self.table.retire(series));
    }
}

impl<M: Metric, const N: usize> Member<M, N> {
    #[inline(always)]
    fn mark(&self, sweep: u64) {
        if self.used_in.load(Relaxed) != sweep {
            self.used_in.store(sweep, Relaxed);
        }
    }
}

impl<M: Metric, const N: usize> AnyFamily for Shared<M, N> {
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn sweep(&self, now: Instant) {
        let mut sweeper = sync::lock(&self.writer);
        let Some(expire_after) = self.expire_after else {
            // The registry may have room again.
            self.is_full.store(usize::from(sweeper.writer.entries() >= self.max_series), Relaxed);
            return;
        };
        if sweeper.next_sweep.is_some_and(|next| now < next) {
            return;
        }
        sweeper.next_sweep = now.checked_add(expire_after / IDLE_SWEEPS as u32);
        let sweep = self.sweeps.load(Relaxed) + 1;
        self.sweeps.store(sweep, Relaxed);
        let is_idle = |member: &Member<M, N>| {
            if member.handle.holders() > OWN_HANDLES {
                member.mark(sweep);
            }
            sweep - member.used_in.load(Relaxed) > IDLE_SWEEPS
        };
        self.members.remove_all(&mut sweeper.writer, is_idle, |member| self.retire(member));
        self.is_full.store(0, Relaxed);
    }
}

impl<M: Metric, const N: usize> Clone for Family<M, N> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<M: Metric, const N: usize> fmt::Debug for Family<M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.shared;
        let mut f = f.debug_struct("Family");
        f.field("name", &shared.name).field("keys", &shared.keys).finish_non_exhaustive()
    }
}

impl<M: Metric, const N: usize> fmt::Debug for FamilyMember<'_, M, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let descriptor = self.0.series.as_ref().map(|series| &series.descriptor);
        f.debug_tuple("FamilyMember").field(&descriptor).finish()
    }
}
