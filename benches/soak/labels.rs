//! Label sets that were never seen before, and whole registries, that come and go.

use super::exporter::Adding;
use super::run::Run;
use super::totals::{FULL, HITS, NAMES, SIZES, Total, Totals, USERS};
use quipu::{Client, Counter, Family, Histogram, RegisterError, Registry};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// What a family may have at once: its label sets of a second, and some to spare.
const MAX_SERIES: usize = 20_000;
const EXPIRE_AFTER: Duration = Duration::from_secs(2);
/// One in so many is left to expire; the others are removed.
const EXPIRES: u64 = 5;
/// One in so many has a handle that is kept.
const IS_KEPT: u64 = 25;
/// One in so many has a histogram.
const HAS_SIZE: u64 = 10;

/// New label sets in a step, and the time between two.
const SETS: u64 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// A family that is full nearly always.
const FULL_SERIES: usize = 64;
const FULL_VALUES: u64 = 4 * FULL_SERIES as u64;

/// Handles kept at once, and for how many steps each.
const KEPT: usize = 200;
const KEPT_STEPS: u32 = 50;

const TIMEOUT: Duration = Duration::from_secs(10);

pub struct Churn {
    hits: Family<Counter, 2>,
    sizes: Family<Histogram, 1>,
    full: Family<Counter, 1>,
    keeper: SyncSender<Counter>,
    leak: usize,
}

/// Handles whose series are removed by others.
pub struct Keeper(Receiver<Counter>);

impl Churn {
    /// `leak` are bytes to leak for each label set that is removed.
    pub fn register(registry: &Registry, leak: usize) -> Result<(Self, Keeper), RegisterError> {
        let (keeper, kept) = sync_channel(KEPT);
        let hits = registry.counter(NAMES[HITS]).family(["user", "kind"]);
        let sizes = registry.histogram(NAMES[SIZES]).shared().family(["user"]);
        let full = registry.counter(NAMES[FULL]).family(["value"]);
        let churn = Self {
            hits: hits.max_series(MAX_SERIES).expire_after(EXPIRE_AFTER).register()?,
            sizes: sizes.max_series(MAX_SERIES).expire_after(EXPIRE_AFTER).register()?,
            full: full.max_series(FULL_SERIES).register()?,
            keeper,
            leak,
        };
        Ok((churn, Keeper(kept)))
    }

    /// Until the run is over.
    pub fn run(&self, run: &Run) {
        let (mut number, mut own) = (0_u64, Totals::default());
        run.repeat(PAUSE, || {
            for _ in 0..SETS {
                number += 1;
                self.pass(number, &mut own, run);
            }
            run.tallies.add(&mut own);
            run.work.label_sets.fetch_add(SETS, Relaxed);
        });
    }

    fn pass(&self, number: u64, own: &mut Totals, run: &Run) {
        let user = format!("user-{number}");
        let labels = [&*user, if number % 2 == 0 { "even" } else { "odd" }];
        for added in 1..=number % 3 + 1 {
            self.hits.with(labels).add(added);
            own.count(HITS, added);
        }
        if number % IS_KEPT == 0 {
            // A keeper that has enough does not get it.
            let _ = self.keeper.try_send(self.hits.with(labels).clone());
        }
        if number % EXPIRES != 0 {
            run.check(self.hits.remove(labels), format_args!("{user} was not there"));
            std::mem::forget(vec![1_u8; self.leak]);
        }
        if number % HAS_SIZE == 0 {
            self.sizes.with([&user]).record(number % 10_000);
            own.value(SIZES, number % 10_000);
            self.sizes.remove([&user]);
        }
        let value = (number.wrapping_mul(7_919) % FULL_VALUES).to_string();
        self.full.with([&value]).increment();
        own.count(FULL, 1);
        if number % 500 == 0 {
            self.full.remove([&value]);
        }
    }
}

impl Keeper {
    /// Records through what it is given, for a while, until the run is over.
    pub fn run(self, run: &Run) {
        let (mut kept, mut own) = (VecDeque::new(), Totals::default());
        run.repeat(PAUSE, || {
            kept.extend(self.0.try_iter().take(KEPT - kept.len()).map(|handle| (handle, 0)));
            for (handle, steps) in &mut kept {
                handle.add(2);
                own.count(HITS, 2);
                *steps += 1;
            }
            while kept.front().is_some_and(|(_, steps)| *steps >= KEPT_STEPS) {
                kept.pop_front();
            }
            run.tallies.add(&mut own);
        });
    }
}

/// A few label sets a second, in the registry that is scraped, where each stays for two minutes
/// after its end, and in what the collector is told.
pub fn users(registry: &Registry, run: &Run) -> Result<(), RegisterError> {
    let users = registry.counter(NAMES[USERS]).family(["user"]).register()?;
    let (mut number, mut own) = (0_u64, Totals::default());
    run.repeat(Duration::from_millis(200), || {
        number += 1;
        let user = format!("user-{number}");
        users.with([&user]).add(number);
        own.count(USERS, number);
        run.check(users.remove([&user]), format_args!("{user} was not there"));
        run.tallies.add(&mut own);
    });
    Ok(())
}

/// Registries, of which each is checked, and dropped, every twentieth with a client.
pub fn registries(run: &Run) {
    let mut number = 0_u64;
    run.repeat(Duration::from_millis(20), || {
        number += 1;
        let outcome = one_registry(run, number);
        run.check(outcome.is_ok(), format_args!("a new registry: {outcome:?}"));
        run.work.registries.fetch_add(1, Relaxed);
    });
}

fn one_registry(run: &Run, number: u64) -> Result<(), RegisterError> {
    let registry = Arc::new(Registry::new());
    let exporter = Adding::default();
    let sums = exporter.sums();
    let client = (number % 20 == 0).then(|| {
        let client = Client::builder().registry(registry.clone()).exporter(exporter);
        client.start().expect("threads can be had")
    });
    let mut own = Totals::default();
    let counters =
        (0..50).map(|at| registry.counter("soak.requests").label("at", &at.to_string()).register());
    let counters: Vec<Counter> = counters.collect::<Result<_, _>>()?;
    let latency = registry.histogram("soak.latency").register()?;
    let family = registry.counter("churn.hits").family(["k"]).register()?;
    let record = || {
        counters.iter().for_each(|counter| counter.add(number));
        latency.record(number);
    };
    thread::scope(|scope| {
        scope.spawn(record);
        record();
    });
    own.count(super::totals::REQUESTS, 2 * number * counters.len() as u64);
    own.values(super::totals::LATENCY, Total { values: 2, sum: 2 * number });
    for value in 0..100_u64 {
        let value = value.to_string();
        family.with([&value]).add(number);
        own.count(HITS, number);
        if client.is_some() {
            family.remove([&value]);
        }
    }
    if let Some(client) = client {
        let report = client.stop(TIMEOUT);
        run.check(report.is_delivered(), format_args!("a client of a new registry: {report}"));
        run.compare("a new registry's exporter", &sums.totals(), &own, 0..NAMES.len());
    } else {
        let seen = Totals::of(&registry.snapshot());
        run.compare("a new registry", &seen, &own, 0..NAMES.len());
    }
    Ok(())
}
