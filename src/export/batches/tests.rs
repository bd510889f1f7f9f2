//! A destination that adds up what it takes, while batches fail in every way.

use super::*;
use crate::client::{Client, Exporter};
use crate::registry::Registry;
use crate::snapshot::Value;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

const PATIENCE: Duration = Duration::from_secs(30);
/// Such a client does something when it is told to, and never by itself.
const NEVER: Duration = Duration::from_secs(100_000);

/// What became of the values of a series.
#[derive(Clone, Debug, Default)]
struct Account {
    taken: u64,
    refused: u64,
    /// Until when.
    known: Option<SystemTime>,
}

#[derive(Default)]
struct Books {
    accounts: BTreeMap<String, Account>,
    refused_values: u64,
    kinds_of_outcome: BTreeMap<&'static str, u64>,
}

type Shared = std::sync::Arc<Mutex<Books>>;

/// Sends batches of a few series; what becomes of each is chance's choice.
struct Destination {
    batches: Batches,
    random: Rng,
    books: Shared,
}

impl Exporter for Destination {
    fn name(&self) -> &str {
        "batches"
    }

    fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
        let Self { batches, random, books } = self;
        let is_last = delivery.is_last();
        batches.deliver(delivery, |rest| send(rest, random, books, is_last))
    }
}

fn send(rest: Rest<'_>, random: &mut Rng, books: &Shared, is_last: bool) -> Batch {
    let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
    let room = random.usize(1..6);
    // Places are those of the destination: here the numbers of the series that have a value.
    let series = rest.delta.iter().enumerate().skip(rest.from);
    let mut counters = series.filter_map(|(place, (series, value))| match value {
        Value::Counter(count) if series.name().starts_with("model.") => {
            Some((place, series.name().to_owned(), count))
        }
        _ => None,
    });
    let batch: Vec<_> = counters.by_ref().take(room).collect();
    let end = counters.next().map_or(rest.delta.len(), |(place, ..)| place);
    let values = batch.len();
    // The last delivery has to come to an end.
    let outcome = if is_last { 0 } else { random.u8(..8) };
    let fails = |cause| Batch { end, values, outcome: Err(ExportError::new(cause, "as intended")) };
    let name = match outcome {
        0..5 => "taken",
        5 => "fails",
        6 => "refused",
        _ => "panics",
    };
    *books.kinds_of_outcome.entry(name).or_default() += 1;
    match outcome {
        5 => return fails(FailureCause::Unavailable),
        7 => {
            drop(books);
            // Without a line of the panic hook for each.
            std::panic::resume_unwind(Box::new("as intended"))
        }
        _ => {}
    }
    for (_, name, count) in batch {
        let account = books.accounts.entry(name).or_default();
        if let Some(known) = account.known.replace(rest.delta.time()) {
            assert_eq!(known, rest.delta.since(), "an interval is missing, or comes twice");
        }
        if outcome == 6 {
            account.refused += count;
        } else {
            account.taken += count;
        }
    }
    if outcome == 6 {
        books.refused_values += values as u64;
        return fails(FailureCause::Rejected);
    }
    Batch { end, values, outcome: Ok(()) }
}

/// Records and flushes a while; what there were of outcomes.
fn run(seed: u64) -> BTreeMap<&'static str, u64> {
    let mut random = Rng::with_seed(seed);
    let registry = std::sync::Arc::new(Registry::new());
    let books = Shared::default();
    let exporter = Destination {
        batches: Batches::default(),
        random: Rng::with_seed(!seed),
        books: books.clone(),
    };
    let client = Client::builder().registry(registry.clone()).flush_interval(NEVER);
    let client = client.backoff(NEVER..=NEVER).exporter(exporter).start().unwrap();
    let mut recorded = BTreeMap::<String, u64>::new();
    for _ in 0..60 {
        for _ in 0..random.usize(..12) {
            // Series come in between others that are there.
            let name = format!("model.{}", random.u8(..40));
            let count = random.u64(1..1_000);
            registry.counter(&name).register().unwrap().add(count);
            *recorded.entry(name).or_default() += count;
        }
        client.flush(PATIENCE);
    }
    let report = client.stop(PATIENCE);
    let books = books.lock().unwrap_or_else(PoisonError::into_inner);
    assert!(report.is_delivered(), "seed {seed}: {report}");
    let mut accounted = BTreeMap::new();
    for (name, account) in &books.accounts {
        accounted.insert(name.clone(), account.taken + account.refused);
    }
    assert_eq!(accounted, recorded, "seed {seed}");
    let labels = [("exporter", "batches"), ("cause", "refused")];
    let dropped = registry.snapshot().counter("quipu.export.dropped", &labels);
    assert_eq!(dropped, Some(books.refused_values), "seed {seed}");
    books.kinds_of_outcome.clone()
}

#[test]
fn each_record_is_in_one_batch_that_was_taken_or_refused() {
    let mut outcomes = BTreeMap::<_, u64>::new();
    for seed in 0..if cfg!(miri) { 1 } else { 40 } {
        for (outcome, times) in run(seed) {
            *outcomes.entry(outcome).or_default() += times;
        }
    }
    assert_eq!(outcomes.len(), 4, "{outcomes:?}");
}
