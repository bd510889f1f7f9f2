//! Series that come and go: label sets that are each used once and removed, far more than a family
//! holds. What the snapshots' differences add up to is what was recorded, and memory stays flat.
#![forbid(unsafe_code)]

use super::resident::resident_bytes;
use crate::report::{Table, grouped};
use quipu::{Counter, Family, Registry, Snapshot, Value};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

const NAME: &str = "http.server.requests";
const MOST_SERIES: usize = 2_000;
const SETS_OF_A_SNAPSHOT: usize = 1_000;
const READINGS: usize = 10;

/// What the process may take in the end beyond what it took after the second reading.
const MOST_GROWTH: u64 = 1 << 20;

pub fn run(sets: usize) -> bool {
    println!(
        "Churn: {} label sets, each used and removed, in a family of {} series at most; a snapshot \
         every {}.\n",
        grouped(sets as u64),
        grouped(MOST_SERIES as u64),
        grouped(SETS_OF_A_SNAPSHOT as u64),
    );
    let registry = Registry::new();
    let family = registry.counter(NAME).family(["method", "route"]);
    let family = family.max_series(MOST_SERIES).register().expect("valid names");
    let mut churn = Churn { last: registry.snapshot(), registry, family, recorded: 0, counted: 0 };
    let mut table = Table::new(["label sets", "ms", "ns each", "series", "process, MiB"]);
    let mut readings = Vec::new();
    let step = (sets / READINGS).max(1);
    for reading in 0..READINGS {
        let start = Instant::now();
        churn.through(reading * step..(reading + 1) * step);
        let elapsed = start.elapsed();
        let bytes = resident_bytes();
        readings.push(bytes);
        table.row([
            grouped(((reading + 1) * step) as u64),
            format!("{:.0}", elapsed.as_secs_f64() * 1e3),
            grouped(elapsed.as_nanos() as u64 / step as u64),
            grouped(churn.last.iter().count() as u64),
            format!("{:.1}", bytes as f64 / f64::from(1 << 20)),
        ]);
    }
    table.print();
    churn.is_exact() & is_flat(&readings)
}

struct Churn {
    registry: Registry,
    family: Family<Counter, 2>,
    last: Arc<Snapshot>,
    recorded: u64,
    counted: u64,
}

impl Churn {
    fn through(&mut self, sets: Range<usize>) {
        let mut used = Vec::with_capacity(SETS_OF_A_SNAPSHOT);
        let end = sets.end;
        for set in sets {
            let route = format!("/api/v1/customers/{set}/orders");
            // Not the same for all, so that one is not taken for another.
            let n = 1 + set as u64 % 7;
            self.family.with(["GET", &route]).add(n);
            self.recorded += n;
            used.push(route);
            if used.len() == SETS_OF_A_SNAPSHOT || set + 1 == end {
                for route in used.drain(..) {
                    self.family.remove(["GET", &route]);
                }
                self.read();
            }
        }
    }

    fn read(&mut self) {
        let snapshot = self.registry.snapshot();
        let since = snapshot.delta(&self.last);
        let of_counters = since.iter().filter(|(series, _)| series.name() == NAME);
        let counts = of_counters.map(|(_, value)| match value {
            Value::Counter(count) => count,
            _ => 0,
        });
        self.counted += counts.sum::<u64>();
        self.last = snapshot;
    }

    /// Whether all that was recorded was counted, and by series of its own.
    fn is_exact(&self) -> bool {
        let refused = self.registry.refusals().count;
        let [recorded, counted] = [self.recorded, self.counted].map(grouped);
        let is_exact = self.recorded == self.counted && refused == 0;
        let verdict = if is_exact { "" } else { "WRONG: " };
        println!("{verdict}recorded {recorded}, counted {counted}, refused {refused}.");
        is_exact
    }
}

fn is_flat(readings: &[u64]) -> bool {
    let growth = readings[READINGS - 1].saturating_sub(readings[1]);
    let is_flat = growth <= MOST_GROWTH;
    let verdict = if is_flat { "" } else { "WRONG: " };
    println!("{verdict}memory has grown by {} KiB since the second reading.\n", growth >> 10);
    is_flat
}
