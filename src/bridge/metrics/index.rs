//! The series of one kind, found by their keys.
//!
//! | what | who writes | who reads |
//! |---|---|---|
//! | members, by key | whoever uses a key for the first time, under the lock | every call of a macro, without a lock |
//! | names, with what is fixed for all of a name | whoever uses a name for the first time, under the lock | whoever finds no member, or describes a metric |
//! | descriptions that wait for a first use | whoever describes, under the lock | whoever makes the name, under the lock |
//!
//! A name holds so many keys at most, and an index so many names. What comes then is recorded to the
//! name's series for overflow, or to a detached one, and costs no lock.
#![forbid(unsafe_code)]

use super::context::{Context, Notes};
use super::scale::Scale;
use super::series::Series;
use crate::family::are_equal;
use crate::metric::Counter;
use crate::series::{
    Detached, HashKey, LabelList, MAX_LABELS, Metric, RegisterError, Request, Unit, excerpt,
};
use crate::store::{Lookup, Writer};
use crate::sync::{self, AtomicUsize, Mutex, Ordering::Relaxed};
use metrics::Key;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// Names come from programs, not from outside; if they do, memory ends here.
const MAX_NAMES: usize = 16_384;

pub(super) struct Index<S: Series> {
    secret: HashKey,
    members: Lookup<Member<S>>,
    names: Lookup<Arc<Name<S>>>,
    writers: Mutex<Writers>,
    beyond: OnceLock<Overflow<S>>,
}

#[derive(Default)]
struct Writers {
    members: Writer,
    names: Writer,
    /// Of names that were not used yet.
    described: HashMap<Box<str>, Description>,
}

struct Member<S> {
    key: Key,
    series: Arc<S>,
}

#[derive(Default)]
struct Description {
    unit: Option<metrics::Unit>,
    help: Box<str>,
}

/// What is fixed for all series of a name.
struct Name<S> {
    given: Box<str>,
    /// What the registry calls it.
    accepted: Arc<str>,
    help: Box<str>,
    scale: Scale,
    /// How many keys it has. Written under the lock.
    keys: AtomicUsize,
    /// 1 once no more are taken.
    is_full: AtomicUsize,
    overflow: OnceLock<Overflow<S>>,
    /// 1 once a description has come too late.
    is_told: AtomicUsize,
}

/// Where records go that have no series of their own.
struct Overflow<S> {
    series: Arc<S>,
    refused: Option<Counter>,
}

impl<S: Series> Index<S> {
    pub(super) fn new() -> Self {
        Self {
            secret: HashKey::random(),
            members: Lookup::new(),
            names: Lookup::new(),
            writers: Mutex::new(Writers::default()),
            beyond: OnceLock::new(),
        }
    }

    /// The series of a key, which is made if it does not exist.
    #[inline]
    pub(super) fn series(&self, context: &Context, key: &Key) -> Arc<S> {
        let hash = self.hash(key);
        match self.find(hash, key) {
            Some(series) => series,
            None => self.make(context, hash, key),
        }
    }

    #[inline(always)]
    fn find(&self, hash: u64, key: &Key) -> Option<Arc<S>> {
        let found = self.members.find(hash, |member| are_same(&member.key, key));
        found.map(|member| member.series.clone())
    }

    /// Of the name, and of the labels in any order.
    #[inline(always)]
    fn hash(&self, key: &Key) -> u64 {
        let of_label = |label: &metrics::Label| self.secret.hash([label.key(), label.value()]);
        let of_name = self.secret.hash([key.name()]);
        key.labels().map(of_label).fold(of_name, u64::wrapping_add)
    }

    fn find_name(&self, given: &str) -> Option<Arc<Name<S>>> {
        let found = self.names.find(self.secret.hash([given]), |name| *name.given == *given);
        found.map(|name| name.clone())
    }

    #[cold]
    #[inline(never)]
    fn make(&self, context: &Context, hash: u64, key: &Key) -> Arc<S> {
        let overflow = match self.find_name(key.name()) {
            Some(name) if name.takes(key) => None,
            Some(name) => name.overflow.get().map(Overflow::record_to),
            None => self.beyond.get().map(Overflow::record_to),
        };
        if let Some(series) = overflow {
            return series;
        }
        let mut notes = Notes::default();
        let series = {
            let mut writers = sync::lock(&self.writers);
            let known = self.find(hash, key);
            known.unwrap_or_else(|| self.add(&mut writers, context, hash, key, &mut notes))
        };
        notes.tell();
        series
    }

    fn add(
        &self,
        writers: &mut Writers,
        context: &Context,
        hash: u64,
        key: &Key,
        notes: &mut Notes,
    ) -> Arc<S> {
        let Some(name) = self.name(writers, context, key.name(), notes) else {
            return sync::set_once(&self.beyond, detached(context)).record_to();
        };
        if name.keys.load(Relaxed) >= context.settings.max_series {
            let limit = context.settings.max_series;
            let error = RegisterError::FamilyFull { name: excerpt(&name.accepted), limit };
            context.table().refusals_log().explain(error);
            name.is_full.store(1, Relaxed);
        }
        if name.takes(key) {
            match name.register(context, context.labels(key, notes)) {
                Ok(series) => {
                    let series = Arc::new(series);
                    name.keys.store(name.keys.load(Relaxed) + 1, Relaxed);
                    let member = Member { key: key.to_retained(), series: series.clone() };
                    self.members.add(&mut writers.members, hash, member);
                    return series;
                }
                Err(error) => {
                    notes.add(format!("{key} of the metrics crate has no series: {error}"));
                    name.is_full.store(1, Relaxed);
                }
            }
        }
        if name.overflow.get().is_none() {
            let mut overflow = LabelList::default();
            overflow.push("overflow", "true");
            let overflow = match name.register(context, overflow) {
                Ok(series) => {
                    let log = context.table().refusals_log();
                    let refused = log.of_families(context.table().store()).ok();
                    Overflow { series: Arc::new(series), refused }
                }
                Err(_) => detached(context),
            };
            sync::set_once(&name.overflow, overflow);
        }
        name.overflow.get().expect("set above").record_to()
    }

    /// The name that was given; `None` if there are too many.
    fn name(
        &self,
        writers: &mut Writers,
        context: &Context,
        given: &str,
        notes: &mut Notes,
    ) -> Option<Arc<Name<S>>> {
        let known = self.find_name(given);
        if known.is_some() || writers.names.entries() >= MAX_NAMES {
            return known;
        }
        let Description { unit, help } = writers.described.remove(given).unwrap_or_default();
        let scale = S::scale(context, given, unit);
        let mut accepted = context.name(given, notes);
        if context.table().would_disagree::<S::Metric>(&accepted, scale.unit) {
            // A NUL becomes an underscore as well, and is in no name that somebody gives.
            let other = context.name(&format!("{given}\0{}", S::KIND), notes);
            notes.add(format!(
                "the {} {accepted:?} of the metrics crate is called {other}, since that name has \
                 another kind or unit already; rename one of them",
                S::KIND
            ));
            accepted = other;
        }
        let name = Arc::new(Name {
            given: given.into(),
            accepted,
            help,
            scale,
            keys: AtomicUsize::new(0),
            is_full: AtomicUsize::new(0),
            overflow: OnceLock::new(),
            is_told: AtomicUsize::new(0),
        });
        self.names.add(&mut writers.names, self.secret.hash([given]), name.clone());
        Some(name)
    }

    /// Says what a name's values are; before its first use, or in vain.
    pub(super) fn describe(
        &self,
        context: &Context,
        given: &str,
        unit: Option<metrics::Unit>,
        help: &str,
    ) {
        let known = self.find_name(given).or_else(|| {
            let mut writers = sync::lock(&self.writers);
            let known = self.find_name(given);
            if known.is_none() && writers.described.len() < MAX_NAMES {
                // The first one stands, as it does once the name is used.
                let described = writers.described.entry(given.into());
                described.or_insert_with(|| Description { unit, help: help.into() });
            }
            known
        });
        if let Some(name) = known {
            name.compare(S::scale(context, given, unit), help);
        }
    }
}

impl<S: Series> Name<S> {
    fn takes(&self, key: &Key) -> bool {
        self.is_full.load(Relaxed) == 0 && key.labels().len() <= MAX_LABELS
    }

    fn register(&self, context: &Context, labels: LabelList) -> Result<S, RegisterError> {
        let (name, help, unit) = (&*self.accepted, &*self.help, self.scale.unit);
        let request = Request { name, labels, help, unit, shared: false };
        let metric = context.table().register::<S::Metric>(request)?;
        Ok(S::over(metric, self.scale, context))
    }

    /// Tells, once, of a description that cannot be used any more.
    fn compare(&self, scale: Scale, help: &str) {
        if self.scale == scale && *self.help == *help {
            return;
        }
        if self.is_told.swap(1, Relaxed) == 0 {
            let mut notes = Notes::default();
            notes.add(format!(
                "{:?} of the metrics crate is described after its first use, or otherwise than \
                 before: its unit and help stay as they are; describe metrics first, and once",
                self.given
            ));
            notes.tell();
        }
    }
}

impl<S> Overflow<S> {
    /// The series, for a key that has none of its own, which is counted.
    fn record_to(&self) -> Arc<S> {
        self.refused.iter().for_each(Counter::increment);
        self.series.clone()
    }
}

/// A series that is exported nowhere, and whose records are counted.
fn detached<S: Series>(context: &Context) -> Overflow<S> {
    fn metric<M: Metric>() -> M {
        M::detached(Detached::process())
    }
    let scale = Scale { factor: 1.0, unit: Unit::None };
    Overflow { series: Arc::new(S::over(metric(), scale, context)), refused: None }
}

/// As keys compare themselves, which costs an allocation for eight labels and more.
#[inline(always)]
fn are_same(own: &Key, other: &Key) -> bool {
    let (labels, other_labels) = (own.labels().as_slice(), other.labels().as_slice());
    own.get_hash() == other.get_hash()
        && are_equal(own.name().as_bytes(), other.name().as_bytes())
        && labels.len() == other_labels.len()
        // Those of a call site lie where they did when it was first called.
        && (std::ptr::eq(labels, other_labels)
            || own.labels().zip(other.labels()).all(|(own, other)| is_label(own, other))
            || are_reordered(own, other))
}

#[inline(always)]
fn is_label(own: &metrics::Label, other: &metrics::Label) -> bool {
    are_equal(own.value().as_bytes(), other.value().as_bytes())
        && are_equal(own.key().as_bytes(), other.key().as_bytes())
}

#[cold]
fn are_reordered(own: &Key, other: &Key) -> bool {
    let count = |key: &Key, label| key.labels().filter(|it| is_label(it, label)).count();
    own.labels().all(|label| count(own, label) == count(other, label))
}
