//! Label values that come and go for ever: exact, and in the same memory.
#![cfg(all(target_os = "linux", not(miri), not(loom)))]

use quipu::{Registry, Snapshot, Value};

/// What is used, and removed, between two snapshots.
const BATCH: usize = 1_000;

fn resident_bytes() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

/// The sum of all series, of which nobody else has any.
fn sum(snapshot: &Snapshot) -> u64 {
    let counts = snapshot.iter().map(|(_, value)| match value {
        Value::Counter(count) => count,
        _ => 0,
    });
    counts.sum()
}

#[test]
fn a_million_label_sets_pass_through_a_family_in_the_memory_of_a_few_thousand() {
    let batches = if cfg!(debug_assertions) { 150 } else { 1_000 };
    let registry = Registry::new();
    let family = registry.counter("c").family(["k"]).register().unwrap();
    let (mut last, mut delivered) = (registry.snapshot(), 0);
    let mut resident = Vec::new();
    for batch in 0..batches {
        for number in 0..BATCH {
            let value = (batch * BATCH + number).to_string();
            family.with([&value]).add(3);
            family.with([&value]).add(4);
            assert!(family.remove([&value]), "{value} was refused");
        }
        let next = registry.snapshot();
        delivered += sum(&next.delta(&last));
        assert!(next.len() < 8 * BATCH, "{} series", next.len());
        last = next;
        resident.push(resident_bytes());
    }
    assert_eq!(delivered, 7 * (batches * BATCH) as u64);
    assert_eq!(registry.refusals().count, 0);
    let (early, late) = (resident[batches / 10], resident[batches - 1]);
    assert!(late < early + (4 << 20), "{early} bytes grew to {late}");
}
