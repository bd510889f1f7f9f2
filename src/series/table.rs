//! The table of series, and how a series leaves it.
//!
//! A series that nobody will use again is *retired*, and leaves once what it held has been delivered:
//!
//! | state | who may record to it | next |
//! |---|---|---|
//! | live | whoever has a handle | retired, by a family that has removed it |
//! | retired | whoever still has a handle, or is about to record through one | final, at the first collection that finds no handle but the table's and the collector's own; live, if it is registered again |
//! | final in a snapshot | nobody | gone, once that snapshot is delivered; live, if it is registered again |
//! | gone | nobody | |
//!
//! Handles are made from the table's own, under its lock, which is held where they are counted.
#![forbid(unsafe_code)]

mod members;
mod together;

use super::consumer::Consumers;
use super::descriptor::{Common, Descriptor, Meaning};
use super::error::{RegisterError, excerpt};
use super::families::Families;
use super::handle::{Handle, Metric};
use super::hash::HashKey;
use super::labels::{LabelList, LabelSet};
use super::name::check_name;
use super::refusals::{Refusals, RefusalsLog};
use super::unit::Unit;
use crate::store::{Exhausted, Store, free_removed};
use crate::sync::{self, AtomicU64, AtomicUsize, Mutex, Ordering::Relaxed};
use members::Members;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const DEFAULT_MAX_SERIES: usize = 1 << 21;

/// Who holds a handle of a series that nobody uses: the table, and the collector.
const OWN_HANDLES: usize = 2;

/// Series leave together, since every exporter begins anew then: once they are an eighth of all, or
/// after so long.
const LEAVE_AFTER: Duration = Duration::from_secs(10);

/// A series, as the table and the collector share it.
pub(crate) struct Series {
    pub(crate) descriptor: Arc<Descriptor>,
    pub(crate) handle: Handle,
    /// Its position in the collector's catalog; `UNCOLLECTED` before the first collection.
    position: AtomicUsize,
    /// Which retirement it is in, 0 if it is live. Written under the table's lock.
    retirement: AtomicU64,
}

const UNCOLLECTED: usize = usize::MAX;

impl Series {
    /// Relaxed: the collector's lock orders all uses.
    pub(crate) fn set_position(&self, at: u32) {
        self.position.store(at as usize, Relaxed);
    }

    /// The handle, which is `M`, of what is live from here on. Callers hold the table's lock.
    fn revived<M: Metric>(&self) -> M {
        self.retirement.store(0, Relaxed);
        M::of(&self.handle).expect("the family agrees").clone()
    }
}

/// What somebody wants to register.
pub(crate) struct Request<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: LabelList,
    pub(crate) help: &'a str,
    pub(crate) unit: Unit,
    pub(crate) shared: bool,
}

/// A collection that is about to read.
#[derive(Clone, Copy)]
pub(crate) struct Collection {
    /// The number of its snapshot.
    pub(crate) sequence: u64,
    pub(crate) at: Instant,
}

pub(crate) struct Table {
    store: crate::sync::Arc<Store>,
    names: Mutex<Names>,
    /// Of what labels are found by.
    key: HashKey,
    /// What was registered and no collector has seen yet.
    new: Mutex<Vec<Arc<Series>>>,
    limit: usize,
    refusals: RefusalsLog,
    consumers: Consumers,
    families: Families,
}

#[derive(Default)]
struct Names {
    families: HashMap<Arc<str>, Family>,
    series: usize,
    retired: Vec<Retired>,
    retirements: u64,
    left_at: Option<Instant>,
}

/// All series of a name.
struct Family {
    common: Arc<Common>,
    /// That of `common`, which lies elsewhere.
    meaning: Meaning,
    members: Members,
}

/// A retirement, which is over when the series is in another one or in none.
struct Retired {
    series: Arc<Series>,
    retirement: u64,
    final_in: Option<Collection>,
}

impl Table {
    pub(crate) fn new(store: crate::sync::Arc<Store>, limit: usize) -> Self {
        Self {
            store,
            names: Mutex::new(Names::default()),
            key: HashKey::random(),
            new: Mutex::new(Vec::new()),
            limit,
            refusals: RefusalsLog::default(),
            consumers: Consumers::default(),
            families: Families::default(),
        }
    }

    /// Registrations that were refused.
    pub(crate) fn refusals(&self) -> Refusals {
        self.refusals.so_far(&self.store)
    }

    pub(crate) fn refusals_log(&self) -> &RefusalsLog {
        &self.refusals
    }

    /// Who has to be told of a series before it may go.
    pub(crate) fn consumers(&self) -> &Consumers {
        &self.consumers
    }

    pub(crate) fn families(&self) -> &Families {
        &self.families
    }

    /// Whether series of this name could have these labels.
    pub(crate) fn check(&self, name: &str, labels: LabelList) -> Result<(), RegisterError> {
        let result = check_name(name).and_then(|()| labels.into_set());
        result.map(drop).inspect_err(|error| self.refusals.add(error.clone()))
    }

    /// Whether a series of this name, kind and unit would be refused because others of its name are
    /// not like it.
    #[cfg(all(feature = "metrics", not(loom)))]
    pub(crate) fn would_disagree<M: Metric>(&self, name: &str, unit: Unit) -> bool {
        let names = sync::lock(&self.names);
        names.families.get(name).is_some_and(|family| family.meaning != Meaning::of::<M>(unit))
    }

    pub(crate) fn store(&self) -> &crate::sync::Arc<Store> {
        &self.store
    }

    /// The handle of a series, which is made if it does not exist.
    pub(crate) fn register<M: Metric>(&self, request: Request<'_>) -> Result<M, RegisterError> {
        self.find_or_make(request).map(|(handle, _)| handle)
    }

    /// The same, with the series.
    pub(crate) fn find_or_make<M: Metric>(
        &self,
        request: Request<'_>,
    ) -> Result<(M, Arc<Series>), RegisterError> {
        let result = self.find_or_make_checked(request);
        result.inspect_err(|error| self.refusals.add(error.clone()))
    }

    fn find_or_make_checked<M: Metric>(
        &self,
        mut request: Request<'_>,
    ) -> Result<(M, Arc<Series>), RegisterError> {
        check_name(request.name)?;
        let labels = std::mem::take(&mut request.labels).into_set()?;
        let hash = self.hash(&labels);

        let mut names = sync::lock(&self.names);
        if let Some(family) = names.families.get(request.name) {
            family.agrees_with::<M>(&request)?;
            if let Some(series) = family.members.get(hash, &labels) {
                return Ok((series.revived(), series.clone()));
            }
        }
        if names.series >= self.limit {
            return Err(RegisterError::RegistryFull { limit: self.limit });
        }
        let handle = M::create(&self.store, request.shared, request.unit)
            .map_err(|Exhausted { bytes }| RegisterError::OutOfAddressSpace { bytes })?;
        let series = names.insert(&request, labels, hash, &handle);
        sync::lock(&self.new).push(series.clone());
        Ok((handle, series))
    }

    fn hash(&self, labels: &LabelSet) -> u64 {
        self.key.hash([labels.text()])
    }

    /// Moves what was registered since the last call into `new`, which is empty.
    pub(crate) fn take_new(&self, new: &mut Vec<Arc<Series>>) {
        std::mem::swap(new, &mut sync::lock(&self.new));
    }

    /// Has a series leave once nobody can record to it and what it holds was delivered.
    pub(crate) fn retire(&self, series: &Arc<Series>) {
        let mut names = sync::lock(&self.names);
        names.retirements += 1;
        let retirement = names.retirements;
        series.retirement.store(retirement, Relaxed);
        names.retired.push(Retired { series: series.clone(), retirement, final_in: None });
    }

    /// Finds out which retired series are final in the snapshot that `collection` is about to make, and
    /// takes out those that may leave, whose positions are added to `gone`.
    pub(crate) fn settle(&self, collection: Collection, gone: &mut Vec<u32>) {
        let mut names = sync::lock(&self.names);
        let Names { families, series, retired, left_at, .. } = &mut *names;
        if retired.is_empty() {
            return;
        }
        free_removed();
        retired.retain_mut(|Retired { series, retirement, final_in }| {
            let is_collected = series.position.load(Relaxed) != UNCOLLECTED;
            let is_unused = is_collected && series.handle.holders() <= OWN_HANDLES;
            *final_in = is_unused.then(|| final_in.unwrap_or(collection));
            series.retirement.load(Relaxed) == *retirement
        });
        let delivered = self.consumers.delivered(collection);
        let may_leave = |retired: &Retired| {
            let is_older = |last: Collection| last.sequence < collection.sequence;
            retired.final_in.is_some_and(|last| is_older(last) && delivered.covers(last))
        };
        let leaving = retired.iter().filter(|&retired| may_leave(retired)).count();
        let since = left_at.map(|at| collection.at.saturating_duration_since(at));
        if leaving == 0 || (leaving * 8 < *series && since.is_some_and(|since| since < LEAVE_AFTER))
        {
            return;
        }
        *left_at = Some(collection.at);
        retired.retain(|retired| {
            if !may_leave(retired) {
                return true;
            }
            let descriptor = &retired.series.descriptor;
            let family = families.get_mut(descriptor.name()).expect("a series has a family");
            family.members.remove(self.hash(&descriptor.labels), &descriptor.labels);
            *series -= 1;
            gone.push(retired.series.position.load(Relaxed) as u32);
            false
        });
    }
}

impl Names {
    /// Adds a series that is not there, under a name that agrees with it.
    fn insert<M: Metric>(
        &mut self,
        of: &Request<'_>,
        labels: LabelSet,
        hash: u64,
        handle: &M,
    ) -> Arc<Series> {
        let family = match self.families.get_mut(of.name) {
            Some(family) => family,
            None => {
                let family = Family::new::<M>(of);
                self.families.entry(family.common.name.clone()).or_insert(family)
            }
        };
        let descriptor = Descriptor { common: family.common.clone(), labels };
        let series = Arc::new(Series {
            descriptor: Arc::new(descriptor),
            handle: handle.clone().into(),
            position: AtomicUsize::new(UNCOLLECTED),
            retirement: AtomicU64::new(0),
        });
        family.members.add(hash, series.clone());
        self.series += 1;
        series
    }
}

impl Meaning {
    fn of<M: Metric>(unit: Unit) -> Self {
        Self { kind: M::KIND, unit, digits: M::DIGITS }
    }
}

impl Family {
    fn new<M: Metric>(of: &Request<'_>) -> Self {
        let meaning = Meaning::of::<M>(of.unit);
        let common = Common { name: of.name.into(), help: of.help.into(), meaning };
        Self { common: Arc::new(common), meaning, members: Members::default() }
    }

    fn agrees_with<M: Metric>(&self, request: &Request<'_>) -> Result<(), RegisterError> {
        let name = || excerpt(request.name);
        let (registered, requested) = (self.meaning.kind, M::KIND);
        if registered != requested {
            return Err(RegisterError::KindMismatch { name: name(), registered, requested });
        }
        let (registered, requested) = (self.meaning.unit, request.unit);
        if registered != requested {
            return Err(RegisterError::UnitMismatch { name: name(), registered, requested });
        }
        let (registered, requested) = (self.meaning.digits, M::DIGITS);
        if registered != requested {
            return Err(RegisterError::DigitsMismatch { name: name(), registered, requested });
        }
        Ok(())
    }
}
