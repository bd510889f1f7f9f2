//! What a flush costs from the call to the last acknowledgement, and what a client costs that is
//! left alone.
//!
//! ```text
//! cargo bench --bench flush
//! cargo bench --all-features --bench flush
//! ```
//!
//! 10,000 series, recorded by 8 threads that stay alive: 9,000 counters, 500 up-down counters, 400
//! histograms of 10 touched buckets, 100 gauges; all of them change between two flushes. Printed are
//! the median and the spread over the flushes, and the allocations of the whole process in one flush.
//! With `--all-features` there are also the exporters that push, to servers on loopback that take
//! everything at once: what they have sent in one flush, and in how many requests or datagrams.
//! Then: the processor's time, of all threads, that a client takes which flushes 1,000 series every
//! second to an exporter that reads the difference (Linux).

#[cfg(not(loom))]
#[allow(dead_code, reason = "without features nothing is sent")]
#[path = "flush/sinks.rs"]
mod sinks;

#[cfg(not(loom))]
#[allow(unsafe_code)]
mod flush {
    use crate::sinks::Sink;
    use quipu::{
        Client, Console, Counter, Delivery, ExportError, Exporter, Gauge, Histogram, JsonLines,
        Registry, UpDownCounter, Value,
    };
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::sync::{Arc, Barrier};
    use std::thread;
    use std::time::{Duration, Instant};

    const THREADS: usize = 8;
    const COUNTERS: usize = 9_000;
    const UP_DOWN_COUNTERS: usize = 500;
    const HISTOGRAMS: usize = 400;
    const GAUGES: usize = 100;
    const BUCKETS: u64 = 10;
    const WARM_UP: usize = 20;
    const FLUSHES: usize = 201;
    const TIMEOUT: Duration = Duration::from_secs(60);
    const IDLE: Duration = Duration::from_secs(10);
    const IDLE_SERIES: usize = 1_000;

    struct CountingAllocator;

    static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

    // SAFETY: everything is passed on to the system's allocator.
    unsafe impl GlobalAlloc for CountingAllocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            ALLOCATIONS.fetch_add(1, Relaxed);
            // SAFETY: the caller's obligations are those of `System`.
            unsafe { System.alloc(layout) }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            ALLOCATIONS.fetch_add(1, Relaxed);
            // SAFETY: as above.
            unsafe { System.realloc(block, layout, size) }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            // SAFETY: as above.
            unsafe { System.dealloc(block, layout) }
        }
    }

    #[global_allocator]
    static ALLOCATOR: CountingAllocator = CountingAllocator;

    /// Acknowledges, and looks at nothing.
    struct Nothing;

    impl Exporter for Nothing {
        fn name(&self) -> &str {
            "nothing"
        }

        fn export(&mut self, _: &Delivery<'_>) -> Result<(), ExportError> {
            Ok(())
        }
    }

    /// Adds the difference up.
    struct Sum;

    impl Exporter for Sum {
        fn name(&self) -> &str {
            "sum"
        }

        fn export(&mut self, delivery: &Delivery<'_>) -> Result<(), ExportError> {
            let values = delivery.delta().iter().map(|(_, value)| match value {
                Value::Counter(count) => count,
                Value::Histogram(histogram) => histogram.count(),
                _ => 0,
            });
            std::hint::black_box(values.fold(0, u64::wrapping_add));
            Ok(())
        }
    }

    struct Metrics {
        counters: Vec<Counter>,
        up_down_counters: Vec<UpDownCounter>,
        histograms: Vec<Histogram>,
        gauges: Vec<Gauge>,
    }

    impl Metrics {
        fn register(registry: &Registry) -> Result<Self, quipu::RegisterError> {
            let all = |prefix: &'static str, number: usize| {
                (0..number).map(move |index| format!("{prefix}.{index}"))
            };
            Ok(Self {
                counters: all("counter", COUNTERS)
                    .map(|name| registry.counter(&name).register())
                    .collect::<Result<_, _>>()?,
                up_down_counters: all("up_down", UP_DOWN_COUNTERS)
                    .map(|name| registry.up_down_counter(&name).register())
                    .collect::<Result<_, _>>()?,
                histograms: all("histogram", HISTOGRAMS)
                    .map(|name| registry.histogram(&name).register())
                    .collect::<Result<_, _>>()?,
                gauges: all("gauge", GAUGES)
                    .map(|name| registry.gauge(&name).register())
                    .collect::<Result<_, _>>()?,
            })
        }

        fn record(&self) {
            self.counters.iter().for_each(Counter::increment);
            self.up_down_counters.iter().for_each(UpDownCounter::increment);
            for histogram in &self.histograms {
                (0..BUCKETS).for_each(|bucket| histogram.record(1_000 << bucket));
            }
            self.gauges.iter().for_each(|gauge| gauge.set(4.5));
        }
    }

    pub fn main() {
        // `cargo test --benches` only wants to see that it starts.
        if !std::env::args().any(|argument| argument == "--bench") {
            return;
        }
        println!(
            "{:<22} {:>10} {:>10} {:>10} {:>12} {:>12} {:>8}",
            "exporter", "median", "p10", "p90", "allocations", "bytes", "calls"
        );
        measure("nothing", Nothing, None);
        measure("sum of the difference", Sum, None);
        measure("json", JsonLines::to(std::io::sink()), None);
        measure("console", Console::to(std::io::sink()), None);
        push();
        idle();
    }

    /// The exporters that push.
    #[cfg(all(
        feature = "datadog",
        feature = "dogstatsd",
        feature = "otlp",
        feature = "sentry",
        feature = "statsd"
    ))]
    fn push() {
        use quipu::{Datadog, DogStatsd, Otlp, Sentry, Statsd, Temporality};

        let (web, datagrams) = (Sink::http, Sink::udp);
        let to = |sink: &Sink| format!("http://{}", sink.address);
        let sink = web();
        let otlp = Otlp::new(&to(&sink)).expect("a valid address");
        measure("otlp, cumulative", otlp, Some(&sink));
        let sink = web();
        let otlp = Otlp::new(&to(&sink)).expect("a valid address");
        measure("otlp, delta", otlp.temporality(Temporality::Delta), Some(&sink));
        let sink = web();
        let otlp = Otlp::new(&to(&sink)).expect("a valid address");
        measure("otlp, delta, gzip", otlp.temporality(Temporality::Delta).gzip(true), Some(&sink));
        let sink = web();
        let datadog = Datadog::new("key").and_then(|datadog| datadog.endpoint(&to(&sink)));
        // Each of its points has a second of its own, and few may be ahead of their time.
        measure_some("datadog", datadog.expect("a valid address"), Some(&sink), (2, 7));
        let sink = web();
        let sentry = Sentry::new(&format!("http://key@{}/1", sink.address));
        measure("sentry", sentry.expect("a valid DSN"), Some(&sink));
        let sink = datagrams();
        let dogstatsd = DogStatsd::udp(&sink.address.to_string()).expect("a valid address");
        measure("dogstatsd", dogstatsd, Some(&sink));
        let sink = datagrams();
        let statsd = Statsd::udp(&sink.address.to_string()).expect("a valid address");
        measure("statsd", statsd, Some(&sink));
    }

    #[cfg(not(all(
        feature = "datadog",
        feature = "dogstatsd",
        feature = "otlp",
        feature = "sentry",
        feature = "statsd"
    )))]
    fn push() {}

    fn measure(name: &str, exporter: impl Exporter + 'static, sink: Option<&Sink>) {
        measure_some(name, exporter, sink, (WARM_UP, FLUSHES));
    }

    fn measure_some(
        name: &str,
        exporter: impl Exporter + 'static,
        sink: Option<&Sink>,
        (warm_up, flushes): (usize, usize),
    ) {
        let registry = Arc::new(Registry::new());
        let metrics = Metrics::register(&registry).expect("an empty registry has room");
        let own_metrics = registry.clone();
        let exporter_name = exporter.name().to_owned();
        let sent = || {
            let name = ("exporter", &*exporter_name);
            own_metrics.snapshot().counter("quipu.export.bytes", &[name]).unwrap_or(0)
        };
        let calls = || sink.map_or(0, |sink| sink.calls.load(Relaxed));
        let client =
            Client::builder().registry(registry).flush_interval(Duration::from_secs(9_999));
        let client = client.exporter(exporter).start().expect("threads can be had");
        let (begin, end) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
        let mut before_all = (0, 0);
        let mut times = Vec::with_capacity(flushes);
        let mut allocations = Vec::with_capacity(flushes);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for _ in 0..warm_up + flushes {
                        begin.wait();
                        metrics.record();
                        end.wait();
                    }
                });
            }
            for round in 0..warm_up + flushes {
                begin.wait();
                end.wait();
                if round == warm_up {
                    before_all = (sent(), calls());
                }
                let before = ALLOCATIONS.load(Relaxed);
                let start = Instant::now();
                let report = client.flush(TIMEOUT);
                let elapsed = start.elapsed();
                // What the report itself takes is no part of a flush.
                let in_report = allocations_of(|| drop(client.report()));
                assert!(report.is_delivered(), "{report}");
                if round >= warm_up {
                    times.push(elapsed);
                    let all = ALLOCATIONS.load(Relaxed) - before;
                    allocations.push(all.saturating_sub(2 * in_report));
                }
            }
        });
        times.sort();
        allocations.sort();
        let at = |share: f64| milliseconds(times[(share * (flushes - 1) as f64) as usize]);
        let allocations = allocations[flushes / 2];
        let a_flush = |all: u64| all as f64 / flushes as f64;
        let bytes = a_flush(sent() - before_all.0);
        let calls = a_flush(calls() - before_all.1);
        println!(
            "{name:<22} {:>10} {:>10} {:>10} {allocations:>12} {bytes:>12.0} {calls:>8.1}",
            at(0.5),
            at(0.1),
            at(0.9)
        );
    }

    fn allocations_of(work: impl FnOnce()) -> u64 {
        let before = ALLOCATIONS.load(Relaxed);
        work();
        ALLOCATIONS.load(Relaxed) - before
    }

    fn milliseconds(time: Duration) -> String {
        format!("{:.3} ms", time.as_secs_f64() * 1e3)
    }

    fn idle() {
        let registry = Arc::new(Registry::new());
        let counters: Result<Vec<_>, _> = (0..IDLE_SERIES)
            .map(|index| registry.counter(&format!("counter.{index}")).register())
            .collect();
        counters.expect("an empty registry has room").iter().for_each(Counter::increment);
        let client = Client::builder().registry(registry).flush_interval(Duration::from_secs(1));
        let client = client.exporter(Sum).start().expect("threads can be had");
        thread::sleep(Duration::from_millis(1_500));
        let Some(before) = processor_time() else {
            println!("\nidle: this system does not tell the time of a thread");
            return;
        };
        let flushes_before = client.report().flushes;
        thread::sleep(IDLE);
        let used = processor_time().unwrap_or(before).saturating_sub(before);
        let flushes = client.report().flushes - flushes_before;
        println!(
            "\nidle, {IDLE_SERIES} series every second: {:.4} % of a core ({} in {flushes} flushes)",
            100.0 * used.as_secs_f64() / IDLE.as_secs_f64(),
            milliseconds(used),
        );
    }

    /// What all threads of the process have run for.
    fn processor_time() -> Option<Duration> {
        let mut nanoseconds = 0;
        for task in std::fs::read_dir("/proc/self/task").ok()? {
            let times = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            nanoseconds += times.split_whitespace().next()?.parse::<u64>().ok()?;
        }
        Some(Duration::from_nanos(nanoseconds))
    }
}

#[cfg(loom)]
fn main() {}

#[cfg(not(loom))]
fn main() {
    flush::main();
}
