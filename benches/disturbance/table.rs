//! What is printed, and written for charts.

use crate::bed::Sampled;
use crate::latency::{COUNTER, HISTOGRAM, LANES};
use serde_json::{Value, json};

const SHARES: [(&str, f64); 6] = [
    ("p50", 0.5),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("p99.999", 0.99999),
];

/// Prints a row, and returns it as JSON.
pub fn print(name: &str, threads: usize, sampled: &Sampled) -> Value {
    let latencies = &sampled.latencies;
    let samples = latencies.samples();
    println!(
        "\n{name}: {samples} samples of each in {:.1} s; disturbed {:?} times",
        sampled.seconds, sampled.disturbed
    );
    print!("{:<22}", "ns");
    SHARES.iter().for_each(|(share, _)| print!(" {share:>10}"));
    println!(" {:>10}", "max");
    let mut lanes = json!({});
    for (lane, of) in LANES.iter().enumerate() {
        let ns = SHARES.map(|(_, share)| latencies.quantile_ns(lane, share));
        line(of, &ns, Some(latencies.max_ns(lane)));
        lanes[of] = object(&ns);
        lanes[of]["max"] = json!(latencies.max_ns(lane));
    }
    let mut excess = json!({});
    for lane in [COUNTER, HISTOGRAM] {
        let over =
            |share| latencies.quantile_ns(lane, share).saturating_sub(latencies.noise_ns(share));
        let ns = SHARES.map(|(_, share)| over(share));
        line(&format!("{} over noise", LANES[lane]), &ns, None);
        excess[LANES[lane]] = object(&ns);
    }
    json!({
        "name": name,
        "threads": threads,
        "seconds": sampled.seconds,
        "samples": samples,
        "disturbed": sampled.disturbed,
        "latency_ns": lanes,
        "over_noise_ns": excess,
    })
}

fn line(label: &str, ns: &[u64], max: Option<u64>) {
    print!("{label:<22}");
    ns.iter().chain(&max).for_each(|ns| print!(" {ns:>10}"));
    println!();
}

fn object(ns: &[u64]) -> Value {
    SHARES.iter().zip(ns).map(|((share, _), ns)| (share.to_string(), json!(ns))).collect()
}

/// All rows as a document.
pub fn document(rows: Vec<Value>) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    json!({ "cores_of_the_machine": cores, "rows": rows }).to_string()
}
