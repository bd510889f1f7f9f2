//! An exporter that is never down, and adds up what it is delivered.

use super::totals::Totals;
use quipu::{Delivery, ExportError, Exporter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Adding(Sums);

/// What was added up so far.
#[derive(Clone, Default)]
pub struct Sums(Arc<Mutex<SoFar>>);

#[derive(Default)]
struct SoFar {
    totals: Totals,
    /// The number of the last snapshot.
    sequence: u64,
}

impl Adding {
    pub fn sums(&self) -> Sums {
        self.0.clone()
    }
}

impl Sums {
    pub fn totals(&self) -> Totals {
        self.so_far().totals.clone()
    }

    /// Waits until a snapshot later than that of a number was delivered; whether it was.
    pub fn wait_for_later_than(&self, sequence: u64, timeout: Duration) -> bool {
        let deadline = Instant::now() + timeout;
        while self.so_far().sequence <= sequence {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    fn so_far(&self) -> MutexGuard<'_, SoFar> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Exporter for Adding {
    fn name(&self) -> &str {
        "adding"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let mut so_far = self.0.so_far();
        so_far.totals.add_all_of(delivery.delta());
        so_far.sequence = delivery.snapshot().sequence();
        Ok(())
    }
}
