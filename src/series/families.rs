//! The families of a registry.
#![forbid(unsafe_code)]

use super::labels::LabelList;
use crate::sync::{self, Mutex};
use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Instant;

/// A family, whatever its metrics are.
pub(crate) trait AnyFamily: Send + Sync {
    /// The same, as a type that can be asked what it is.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// Lets go of series that were idle for too long.
    fn sweep(&self, now: Instant);
}

/// By name, labels and keys: whoever asks for the same gets the same, and so one limit counts for all.
#[derive(Default)]
pub(crate) struct Families(Mutex<HashMap<Identity, Weak<dyn AnyFamily>>>);

#[derive(PartialEq, Eq, Hash)]
struct Identity {
    name: Box<str>,
    /// What all of its series have.
    labels: Box<str>,
    keys: Box<[Box<str>]>,
}

impl Families {
    /// The family of this name and these keys if there is one, or the one that `make` makes.
    pub(crate) fn find_or_make<F: AnyFamily + 'static, E>(
        &self,
        name: &str,
        labels: &LabelList,
        keys: &[&str],
        make: impl FnOnce() -> Result<Arc<F>, E>,
    ) -> Result<Arc<F>, E> {
        let keys = keys.iter().map(|&key| key.into()).collect();
        let identity = Identity { name: name.into(), labels: labels.text().into(), keys };
        let mut families = sync::lock(&self.0);
        let known = families.get(&identity).and_then(Weak::upgrade);
        if let Some(known) = known.and_then(|known| known.into_any().downcast().ok()) {
            return Ok(known);
        }
        let made = make()?;
        let weak: Weak<F> = Arc::downgrade(&made);
        families.insert(identity, weak);
        Ok(made)
    }

    pub(crate) fn sweep(&self, now: Instant) {
        sync::lock(&self.0).retain(|_, family| {
            let family = family.upgrade();
            family.inspect(|family| family.sweep(now)).is_some()
        });
    }
}
