//! Models: this crate's own code under loom, which runs every interleaving and every value that a
//! relaxed load may legally return, up to a bound.
//!
//! `RUSTFLAGS="--cfg loom" cargo test` runs them; `-- --nocapture` prints what each explored. A model
//! counts only because
//!
//! - it asserts how many executions it explored, and that the outcomes which make it interesting
//!   were among them, stale ones included;
//! - it has a twin, with one thing broken, that fails.
//!
//! LOOM: two preemptions (`LOOM_MAX_PREEMPTIONS` sets more), at most five threads. What loom cannot
//! see: load buffering, which is harmless here, since no stored value depends on another thread's
//! relaxed load; `arc-swap` and the standard library's own types, for which locks stand in.
#![forbid(unsafe_code)]

mod delivery;
mod distribution;
mod family;
mod gauge;
mod growth;
mod lease;
mod open_spans;
mod publish;
mod shared_shard;
mod slot_reuse;
mod snapshots;

use crate::registry::Registry;
use crate::store::{Store, StoreConfig};
use crate::sync::{self, Arc, Edge};
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

/// Explores `model`, which returns the outcome of one execution; returns all outcomes.
///
/// # Panics
///
/// If an execution panics, or if fewer than `at_least` were explored.
fn explore<T: Ord + Debug + Send + 'static>(
    name: &str,
    at_least: usize,
    model: impl Fn() -> T + Sync + Send + 'static,
) -> BTreeSet<T> {
    let seen = std::sync::Arc::new(Mutex::new((0_usize, BTreeSet::new())));
    let record = seen.clone();
    builder().check(move || {
        let outcome = model();
        let mut seen = record.lock().unwrap();
        seen.0 += 1;
        seen.1.insert(outcome);
    });
    let (executions, outcomes) = std::mem::take(&mut *seen.lock().unwrap());
    println!("model {name}: {executions} executions, {} outcomes", outcomes.len());
    assert!(executions >= at_least, "{name}: {executions} executions are too few to mean anything");
    outcomes
}

/// Explores a broken twin until it fails.
///
/// # Panics
///
/// If no execution fails.
fn must_fail(name: &str, twin: impl Fn() + Sync + Send + 'static) {
    let explored = catch_unwind(AssertUnwindSafe(|| builder().check(twin)));
    let failure =
        explored.expect_err(&format!("twin {name} explored everything without a failure"));
    let said = failure.downcast_ref::<String>().map(String::as_str);
    let said = said.or(failure.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    println!("twin {name}: fails as it must: {}", said.lines().next().unwrap_or_default());
}

/// Explores a model with one edge made relaxed.
fn must_fail_without(edge: Edge, twin: impl Fn() + Sync + Send + 'static) {
    sync::weaken(Some(edge));
    let result = catch_unwind(AssertUnwindSafe(|| must_fail(&format!("{edge:?} relaxed"), twin)));
    sync::weaken(None);
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn builder() -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(2));
    builder.max_branches = 10_000;
    builder
}

/// A store of `threads` shards and the shared one.
fn store(threads: usize) -> Arc<Store> {
    Arc::new(Store::new(&StoreConfig::new().max_shards(threads + 1)))
}

/// A registry over a store of its own.
fn registry(store: &Arc<Store>) -> Registry {
    Registry::over(store.clone(), 8)
}
