//! What the endpoint gives to a crowd of scrapers, as `wrk` sees it.
//!
//! ```text
//! cargo bench --features http --bench endpoint
//! ```
//!
//! 1,000 series, each with two labels: 475 counters, 475 gauges, 50 histograms. Two threads record,
//! up to two million values a second together, while sixteen connections ask for `/metrics` for 5 seconds
//! without a pause. Fresh bodies are of a snapshot that was taken for them; published ones of a client's
//! newest, which flushes every second. Collections are those that the endpoint took for its scrapers.
//!
//! `wrk` has a thread of its own: with less than four cores to spare, it takes from what it measures.
//! Exits with 2 if there is no `wrk`, and with 1 if a response was none.

#[cfg(not(loom))]
#[allow(dead_code, reason = "each bench uses a part of it")]
#[path = "parts/numbers.rs"]
mod numbers;

#[cfg(not(loom))]
#[path = "endpoint/wrk.rs"]
mod wrk;

#[cfg(not(loom))]
mod endpoint {
    use crate::numbers::{INDICES, LATENCIES, indices, latencies};
    use crate::wrk::{self, Seen};
    use quipu::{Client, Counter, Endpoint, EndpointBuilder, Gauge, Histogram, Registry, Unit};
    use std::process::ExitCode;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    use std::thread;
    use std::time::Duration;

    const COUNTERS: usize = 475;
    const GAUGES: usize = 475;
    const HISTOGRAMS: usize = 50;
    const ROUTES: usize = 25;
    const RECORDERS: usize = 2;
    /// Of each thread in a millisecond.
    const RECORDS: usize = 1_000;

    type Variant = (&'static str, fn(EndpointBuilder) -> EndpointBuilder);

    const VARIANTS: [Variant; 3] = [
        ("fresh, at most every 100 ms", |builder| builder),
        ("fresh, as often as asked", |builder| builder.min_interval(Duration::ZERO)),
        ("published", EndpointBuilder::published),
    ];

    struct Metrics {
        counters: Vec<Counter>,
        gauges: Vec<Gauge>,
        histograms: Vec<Histogram>,
    }

    impl Metrics {
        fn new(registry: &Registry) -> Self {
            let labels = |at: usize| {
                (format!("/v1/things/{}", at % ROUTES), format!("worker-{}", at / ROUTES))
            };
            let counter = |at| {
                let (route, worker) = labels(at);
                let counter = registry.counter("bench.requests").help("Requests answered");
                counter.label("route", &route).label("worker", &worker).register()
            };
            let gauge = |at| {
                let (route, worker) = labels(at);
                let gauge = registry.gauge("bench.queue.size").unit(Unit::Bytes);
                gauge.label("route", &route).label("worker", &worker).register()
            };
            let histogram = |at| {
                let (route, worker) = labels(at);
                let histogram = registry.histogram("bench.duration").unit(Unit::Nanoseconds);
                histogram.label("route", &route).label("worker", &worker).register()
            };
            let room = "an empty registry has room";
            Self {
                counters: (0..COUNTERS).map(counter).collect::<Result<_, _>>().expect(room),
                gauges: (0..GAUGES).map(gauge).collect::<Result<_, _>>().expect(room),
                histograms: (0..HISTOGRAMS).map(histogram).collect::<Result<_, _>>().expect(room),
            }
        }

        /// Records to all of them in random order, with a pause each millisecond: scrapers find series
        /// that change, and cores that are not taken.
        fn record_until(&self, is_over: &AtomicBool) {
            let (indices, values) = (indices(), latencies());
            let mut number = 0_usize;
            while !is_over.load(Relaxed) {
                for _ in 0..RECORDS {
                    let random = usize::from(indices[number % INDICES]);
                    let value = values[number % LATENCIES];
                    match number % 3 {
                        0 => self.counters[random % COUNTERS].increment(),
                        1 => self.gauges[random % GAUGES].set(value as f64),
                        _ => self.histograms[random % HISTOGRAMS].record(value),
                    }
                    number += 1;
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
    }

    fn collections(registry: &Registry) -> u64 {
        registry.snapshot().counter("quipu.endpoint.collections", &[]).unwrap_or(0)
    }

    fn measure(
        registry: &Arc<Registry>,
        build: fn(EndpointBuilder) -> EndpointBuilder,
        is_gzip: bool,
    ) -> Result<(Seen, u64), wrk::Failure> {
        let endpoint = build(Endpoint::builder().registry(registry.clone())).build();
        let server = endpoint.serve("127.0.0.1:0").expect("a port is free");
        let address = server.local_addr().expect("it serves");
        let before = collections(registry);
        let seen = wrk::run(address, is_gzip)?;
        Ok((seen, collections(registry) - before))
    }

    pub fn main() -> ExitCode {
        // `cargo test --benches` only wants to see that it starts.
        if !std::env::args().any(|argument| argument == "--bench") {
            return ExitCode::SUCCESS;
        }
        let registry = Arc::new(Registry::new());
        let metrics = Metrics::new(&registry);
        let client = Client::builder().registry(registry.clone());
        let client = client.flush_interval(Duration::from_secs(1)).start();
        let _client = client.expect("threads can be had");
        let is_over = AtomicBool::new(false);
        println!("wrk {} http://../metrics", wrk::ARGUMENTS.join(" "));
        println!(
            "{:<36} {:>12} {:>9} {:>9} {:>9} {:>14}",
            "", "requests/s", "p50", "p99", "body", "collections/s"
        );
        thread::scope(|scope| {
            for _ in 0..RECORDERS {
                scope.spawn(|| metrics.record_until(&is_over));
            }
            let mut code = ExitCode::SUCCESS;
            let coded = VARIANTS.iter().flat_map(|variant| [(variant, false), (variant, true)]);
            for (&(name, build), is_gzip) in coded {
                match measure(&registry, build, is_gzip) {
                    Ok((seen, collections)) => println!(
                        "{:<36} {:>12.0} {:>9} {:>9} {:>7.1} K {:>14.0}",
                        format!("{name}, {}", if is_gzip { "gzip" } else { "plain" }),
                        seen.requests_per_second,
                        seen.p50,
                        seen.p99,
                        seen.body_bytes / 1_024.0,
                        collections as f64 / wrk::SECONDS as f64,
                    ),
                    Err(failure) => {
                        eprintln!("endpoint: {failure}");
                        code = failure.exit_code();
                        break;
                    }
                }
            }
            is_over.store(true, Relaxed);
            code
        })
    }
}

#[cfg(not(loom))]
fn main() -> std::process::ExitCode {
    endpoint::main()
}

#[cfg(loom)]
fn main() {}
