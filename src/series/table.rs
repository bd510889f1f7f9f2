//! The table of series.
#![forbid(unsafe_code)]

mod together;

use super::descriptor::{ByLabels, Descriptor, Kind, Label};
use super::error::{RegisterError, excerpt};
use super::handle::{Handle, Metric};
use super::name::{check_labels, check_name};
use super::unit::Unit;
use crate::store::{Exhausted, Store};
use crate::sync::{self, Mutex};
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) const DEFAULT_MAX_SERIES: usize = 1 << 21;

/// A series as a collector gets to know it.
pub(crate) struct Series {
    pub(crate) descriptor: Arc<Descriptor>,
    pub(crate) handle: Handle,
}

/// What somebody wants to register.
pub(crate) struct Request<'a> {
    pub(crate) name: &'a str,
    pub(crate) labels: Vec<Label>,
    pub(crate) help: &'a str,
    pub(crate) unit: Unit,
    pub(crate) shared: bool,
}

pub(crate) struct Table {
    names: Mutex<Names>,
    /// What was registered and no collector has seen yet.
    new: Mutex<Vec<Series>>,
    limit: usize,
}

#[derive(Default)]
struct Names {
    families: HashMap<Arc<str>, Family>,
    series: usize,
}

/// All series of a name.
struct Family {
    kind: Kind,
    unit: Unit,
    digits: u8,
    help: Arc<str>,
    members: HashMap<ByLabels, Handle>,
}

impl Table {
    pub(crate) fn new(limit: usize) -> Self {
        Self { names: Mutex::new(Names::default()), new: Mutex::new(Vec::new()), limit }
    }

    /// The handle of a series, which is made if it does not exist.
    pub(crate) fn register<M: Metric>(
        &self,
        store: &crate::sync::Arc<Store>,
        mut request: Request<'_>,
    ) -> Result<M, RegisterError> {
        request.labels.sort();
        check_name(request.name)?;
        check_labels(&request.labels)?;

        let mut names = sync::lock(&self.names);
        if let Some(family) = names.families.get(request.name) {
            family.agrees_with::<M>(&request)?;
            if let Some(handle) = family.members.get(&request.labels[..]) {
                return Ok(M::of(handle).expect("the family agrees").clone());
            }
        }
        if names.series >= self.limit {
            return Err(RegisterError::RegistryFull { limit: self.limit });
        }
        let metric = M::create(store, request.shared, request.unit)
            .map_err(|Exhausted { bytes }| RegisterError::OutOfAddressSpace { bytes })?;
        let labels = std::mem::take(&mut request.labels);
        let series = names.insert(&request, labels, &metric);
        sync::lock(&self.new).push(series);
        Ok(metric)
    }

    /// Moves what was registered since the last call into `new`, which is empty.
    pub(crate) fn take_new(&self, new: &mut Vec<Series>) {
        std::mem::swap(new, &mut sync::lock(&self.new));
    }
}

impl Names {
    /// Adds a series that is not there, under a name that agrees with it.
    fn insert<M: Metric>(&mut self, of: &Request<'_>, labels: Vec<Label>, metric: &M) -> Series {
        let (name, help) = match self.families.get_key_value(of.name) {
            Some((name, family)) => (name.clone(), family.help.clone()),
            None => (of.name.into(), of.help.into()),
        };
        let descriptor = Arc::new(Descriptor {
            name: name.clone(),
            help,
            kind: M::KIND,
            unit: of.unit,
            digits: M::DIGITS,
            labels: labels.into(),
        });
        self.series += 1;
        let family = self.families.entry(name).or_insert_with(|| Family {
            kind: M::KIND,
            unit: of.unit,
            digits: M::DIGITS,
            help: descriptor.help.clone(),
            members: HashMap::new(),
        });
        let handle: Handle = metric.clone().into();
        family.members.insert(ByLabels(descriptor.clone()), handle.clone());
        Series { descriptor, handle }
    }
}

impl Family {
    fn agrees_with<M: Metric>(&self, request: &Request<'_>) -> Result<(), RegisterError> {
        let name = || excerpt(request.name);
        let (registered, requested) = (self.kind, M::KIND);
        if registered != requested {
            return Err(RegisterError::KindMismatch { name: name(), registered, requested });
        }
        let (registered, requested) = (self.unit, request.unit);
        if registered != requested {
            return Err(RegisterError::UnitMismatch { name: name(), registered, requested });
        }
        let (registered, requested) = (self.digits, M::DIGITS);
        if registered != requested {
            return Err(RegisterError::DigitsMismatch { name: name(), registered, requested });
        }
        Ok(())
    }
}
