//! Counting what was refused.
#![forbid(unsafe_code)]

use super::error::RegisterError;
use crate::metric::Counter;
use crate::store::{Exhausted, Scalar, Store};
use crate::sync::{self, Mutex};
use std::sync::OnceLock;

/// Registrations that were refused.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// Why the last one was.
    pub last: Option<RegisterError>,
}

/// Refusals of a registry. Those of families that are full come as fast as records do, and are counted
/// like them.
#[derive(Default)]
pub(crate) struct RefusalsLog {
    registrations: Mutex<Refusals>,
    by_full_families: OnceLock<Counter>,
}

impl RefusalsLog {
    pub(super) fn add(&self, error: RegisterError) {
        let mut refusals = sync::lock(&self.registrations);
        refusals.count += 1;
        refusals.last = Some(error);
    }

    /// Says why families refuse, without counting it.
    pub(crate) fn explain(&self, error: RegisterError) {
        sync::lock(&self.registrations).last = Some(error);
    }

    /// What a family counts on when it is full.
    pub(crate) fn of_families(
        &self,
        store: &crate::sync::Arc<Store>,
    ) -> Result<Counter, RegisterError> {
        if let Some(counter) = self.by_full_families.get() {
            return Ok(counter.clone());
        }
        let cells = Scalar::new(store)
            .map_err(|Exhausted { bytes }| RegisterError::OutOfAddressSpace { bytes })?;
        Ok(sync::set_once(&self.by_full_families, Counter::over(cells)).clone())
    }

    pub(super) fn so_far(&self, store: &Store) -> Refusals {
        let mut refusals = sync::lock(&self.registrations).clone();
        if let Some(counter) = self.by_full_families.get() {
            refusals.count = refusals.count.wrapping_add(counter.total(store));
        }
        refusals
    }
}
