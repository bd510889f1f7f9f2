//! What goes on beside.

use crate::bed::Bed;
use quipu::{JsonEncoder, PrometheusEncoder, PrometheusFormat, PrometheusNames, Registry, Value};
use std::hint::black_box;

/// Done again and again.
pub type Disturber<'b> = Box<dyn FnMut() + Send + 'b>;

/// Larger than the largest cache by this, and at least as large as the second.
const CACHES: usize = 4;
const LEAST_BYTES: usize = 256 << 20;

/// A block that the allocator takes from the system, and gives back to it.
const BLOCK_BYTES: usize = 64 << 20;

const SERIES: usize = 1_000;
const HISTOGRAMS: usize = 20;

/// Reads and writes a buffer that is much larger than the caches, from end to end.
pub fn stream(_: &Bed) -> Disturber<'_> {
    let bytes = LEAST_BYTES.max(CACHES * last_level_cache_bytes());
    let mut buffer = vec![1_u64; bytes / size_of::<u64>()];
    Box::new(move || {
        black_box(&mut buffer).iter_mut().for_each(|word| *word = word.wrapping_add(1));
    })
}

/// Allocates a block, touches every page, and frees it.
pub fn pages(_: &Bed) -> Disturber<'_> {
    Box::new(|| drop(black_box(vec![1_u8; BLOCK_BYTES])))
}

/// Reads what is recorded, and the plain cells beside.
pub fn snapshots(bed: &Bed) -> Disturber<'_> {
    Box::new(|| {
        black_box(bed.registry.snapshot());
        bed.cells.read();
    })
}

/// What a scrape does in each of the formats, the socket aside.
pub fn scrapes(bed: &Bed) -> Disturber<'_> {
    let (mut prometheus, json) = (PrometheusEncoder::new(), JsonEncoder::new());
    let mut body = Vec::new();
    Box::new(move || {
        for format in
            [PrometheusFormat::Text, PrometheusFormat::OpenMetrics, PrometheusFormat::Protobuf]
        {
            body.clear();
            let snapshot = bed.registry.snapshot();
            prometheus.encode(&snapshot, format, PrometheusNames::Underscores, &mut body);
            black_box(&body);
        }
        body.clear();
        json.encode(&bed.registry.snapshot(), &mut body);
        black_box(&body);
        bed.cells.read();
    })
}

/// Makes a registry, registers series of it, records to them and drops it.
pub fn registries(bed: &Bed) -> Disturber<'_> {
    Box::new(|| {
        let registry = Registry::new();
        for number in 0..SERIES {
            let counter = registry.counter("come").label("number", &number.to_string());
            counter.register().expect("the registry has room").add(number as u64);
        }
        for number in 0..HISTOGRAMS {
            let histogram = registry.histogram("go").label("number", &number.to_string());
            histogram.register().expect("the registry has room").record(number as u64);
        }
        let (mut count, mut values) = (0, 0);
        for (_, value) in registry.snapshot().iter() {
            match value {
                Value::Counter(added) => count += added,
                Value::Histogram(seen) => values += seen.count(),
                _ => {}
            }
        }
        let expected = (0..SERIES as u64).sum::<u64>();
        bed.check((count, values) == (expected, HISTOGRAMS as u64), "a registry that goes");
    })
}

/// Uses label sets that were never seen before, removes them and adds up what was delivered of
/// them.
pub fn label_sets(bed: &Bed) -> Disturber<'_> {
    let registry = Registry::new();
    let family = registry.counter("passing").family(["number"]);
    let family = family.register().expect("the registry has room");
    let (mut number, mut delivered, mut last) = (0_u64, 0, registry.snapshot());
    Box::new(move || {
        for _ in 0..SERIES {
            number += 1;
            let value = number.to_string();
            family.with([&value]).increment();
            family.remove([&value]);
        }
        let next = registry.snapshot();
        let added = next.delta(&last);
        delivered += added
            .iter()
            .map(|(_, value)| if let Value::Counter(added) = value { added } else { 0 })
            .sum::<u64>();
        last = next;
        bed.check(delivered == number, "label sets that go");
    })
}

/// That of the largest cache that Linux tells of; 64 MiB if it tells nothing.
fn last_level_cache_bytes() -> usize {
    let size = |index: usize| {
        let path = format!("/sys/devices/system/cpu/cpu0/cache/index{index}/size");
        let text = std::fs::read_to_string(path).ok()?;
        Some(text.trim().strip_suffix('K')?.parse::<usize>().ok()? << 10)
    };
    (0..8).filter_map(size).max().unwrap_or(64 << 20)
}
