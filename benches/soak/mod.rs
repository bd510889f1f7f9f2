//! The run: who takes part, windows, and the end.
//!
//! ```text
//! recorders, short-lived threads, sampler, users -> served registry -> exporters, HTTP, snapshots
//! label sets, handles that are kept              -> churned registry -> an exporter, snapshots
//! registries that come and go                    -> compared one by one
//! ```
//!
//! At the end of each window all of them are held up for a moment, in which everything is compared:
//! what was recorded is then exactly what a snapshot, a scrape and the exporters have.

mod backend;
mod exporter;
mod labels;
mod options;
mod readers;
mod recorders;
mod report;
mod run;
mod sampler;
mod signals;
mod totals;
mod verdict;
mod window;

use backend::{Backend, Books};
use exporter::{Adding, Sums};
use labels::Churn;
use options::Options;
use quipu::{Client, Endpoint, EndpointServer, Otlp, Registry, Temporality};
use readers::{Scraper, TEXT};
use recorders::Metrics;
use run::Run;
use sampler::Sampler;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};
use totals::{CHURNED, REQUESTS, SERVED, STAYING, Totals};
use verdict::Verdict;
use window::{Began, Window};

const LONG_LIVED: usize = 4;
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// How long the collector may take for an answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(2);
const BACKOFF: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];
/// Longer than any delivery takes to an exporter that is not down.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A run has so many windows, unless they were shorter or longer than these.
const WINDOWS: u32 = 20;
const WINDOW: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(10)];
const LINE_EVERY: Duration = Duration::from_secs(10);
const MOST_LINES: u32 = 120;

pub fn main() -> ExitCode {
    let options = match Options::read() {
        Ok(Some(options)) => options,
        Ok(None) => return ExitCode::SUCCESS,
        Err(complaint) => {
            eprintln!("soak: {complaint}");
            return ExitCode::from(3);
        }
    };
    soak(&options).unwrap_or_else(|error| {
        eprintln!("soak: {error}");
        ExitCode::from(1)
    })
}

/// A registry, its client, and what an exporter has added up that is never down.
struct Delivered {
    registry: Arc<Registry>,
    client: Client,
    sums: Sums,
}

impl Delivered {
    fn start(collector: Option<Otlp>) -> Result<Self, Box<dyn Error>> {
        let (registry, exporter) = (Arc::new(Registry::new()), Adding::default());
        let sums = exporter.sums();
        let client = Client::builder().registry(registry.clone()).flush_interval(FLUSH_INTERVAL);
        let client = client.attempt_timeout(ATTEMPT_TIMEOUT).backoff(BACKOFF[0]..=BACKOFF[1]);
        let client = match collector {
            Some(collector) => client.exporter(collector),
            None => client,
        };
        let client = client.exporter(exporter).start()?;
        Ok(Self { registry, client, sums })
    }
}

struct Soak {
    run: Arc<Run>,
    served: Delivered,
    churned: Delivered,
    server: EndpointServer,
    sampler: Sampler,
}

fn soak(options: &Options) -> Result<ExitCode, Box<dyn Error>> {
    let backend = Backend::start()?;
    let collector = Otlp::new(&backend.url())?.temporality(Temporality::Delta);
    let (served, churned) = (Delivered::start(Some(collector))?, Delivered::start(None)?);
    let endpoint = Endpoint::builder().registry(served.registry.clone()).client(&served.client);
    let server = endpoint.build().serve("127.0.0.1:0")?;
    let metrics = Arc::new(Metrics::register(&served.registry)?);
    let (churn, keeper) = Churn::register(&churned.registry, options.leak)?;
    let sampler = Sampler::register(&served.registry)?;
    let soak = Soak { run: Arc::default(), served, churned, server, sampler };
    let address = soak.server.local_addr().ok_or("the endpoint does not serve")?;
    signals::watch(&soak.run)?;

    let windows = thread::scope(|scope| {
        let run = &soak.run;
        let _ends = run.ends_with_this();
        for _ in 0..LONG_LIVED {
            scope.spawn(|| metrics.record_for_long(run));
        }
        scope.spawn(|| recorders::come_and_go(&metrics, run));
        scope.spawn(|| churn.run(run));
        scope.spawn(move || keeper.run(run));
        scope.spawn(|| {
            let outcome = labels::users(&soak.served.registry, run);
            run.check(outcome.is_ok(), format_args!("users: {outcome:?}"));
        });
        scope.spawn(|| labels::registries(run));
        let (served, churned) = (&*soak.served.registry, &*soak.churned.registry);
        let read_cells = || soak.sampler.read_cells();
        scope.spawn(move || readers::take_snapshots(served, churned, run, read_cells));
        scope.spawn(move || readers::scrape_all(address, run));
        scope.spawn(|| soak.sampler.run(run));
        soak.watch(options.duration)
    })?;
    let run = soak.run.clone();
    let recorded = run.tallies.so_far();
    let books = soak.end(backend)?;

    report::table(&windows, &books, &recorded);
    let (faults, told) = run.faults();
    let mut verdicts = vec![Verdict::exact(run.checks.load(Relaxed), faults)];
    verdicts.extend(verdict::judge(&windows));
    report::write_json(options, &windows, &verdicts, &told)?;
    Ok(report::verdicts(&verdicts, options))
}

impl Soak {
    /// Looks at the end of each window, until the time is over or somebody ends it.
    fn watch(&self, duration: Duration) -> Result<Vec<Window>, String> {
        let length = (duration / WINDOWS).clamp(WINDOW[0], WINDOW[1]);
        let line_every = LINE_EVERY.max(duration / MOST_LINES);
        let address = self.server.local_addr().ok_or("the endpoint does not serve")?;
        let start = Instant::now();
        let (mut began, mut windows, mut printed) = (Began::now(), Vec::new(), 0_usize);
        println!("windows of {length:.1?}, a line for those of {line_every:.0?}");
        report::head();
        while start.elapsed() < duration && self.run.goes_on() {
            let end = Instant::now() + length;
            while Instant::now() < end && self.run.goes_on() {
                thread::sleep(Duration::from_millis(20));
            }
            let paused = self.run.pause();
            self.compare(address);
            let mut latencies = self.sampler.latencies();
            windows.push(Window::end(&mut began, &self.run.work, &latencies));
            latencies.clear();
            drop((latencies, paused));
            let since = printed.checked_sub(1).map(|at| &windows[at]);
            let now = windows.last().map_or(0.0, |last| last.at);
            if now - since.map_or(0.0, |since| since.at) >= 0.95 * line_every.as_secs_f64() {
                report::line(&format!("{now:.0}"), &windows[printed..], since);
                printed = windows.len();
            }
        }
        Ok(windows)
    }

    /// Compares everybody's totals with the tallies, while nobody records.
    fn compare(&self, address: SocketAddr) {
        let (run, recorded) = (&*self.run, self.run.tallies.so_far());
        let snapshot = self.served.registry.snapshot();
        run.compare("a snapshot", &Totals::of(&snapshot), &recorded, STAYING);
        // A connection without a request is closed after a while, so that each has its own.
        let text = Scraper::connect(address).and_then(|mut it| it.get("/metrics", TEXT, false));
        let told = text.ok().and_then(|text| readers::requests_in(&text));
        let requests = recorded.get(REQUESTS).sum;
        run.check(
            told == Some(requests),
            format_args!("a scrape: {told:?} requests, not {requests}"),
        );
        for (delivered, metrics) in [(&self.served, SERVED), (&self.churned, CHURNED)] {
            let sequence = delivered.registry.snapshot().sequence();
            // It asks for a flush, and need not wait for the collector.
            delivered.client.flush(Duration::from_millis(1));
            let is_delivered = delivered.sums.wait_for_later_than(sequence, TIMEOUT);
            run.check(is_delivered, "the adding exporter was delivered nothing");
            run.compare("the adding exporter", &delivered.sums.totals(), &recorded, metrics);
        }
    }

    /// Delivers all that is left, to the collector too, and compares for the last time.
    fn end(self, backend: Backend) -> Result<Books, Box<dyn Error>> {
        let Self { run, served, churned, server, .. } = self;
        let recorded = run.tallies.so_far();
        backend.calm_down();
        run.check(server.stop(TIMEOUT), "the endpoint has left a response unfinished");
        for (delivered, metrics) in [(&served, SERVED), (&churned, CHURNED)] {
            let report = delivered.client.stop(TIMEOUT);
            run.check(report.is_delivered(), format_args!("in the end: {report}"));
            run.compare("in the end", &delivered.sums.totals(), &recorded, metrics);
        }
        let refused = quipu::detached_records();
        run.check(refused == 0, format_args!("{refused} records of detached metrics"));
        let books = backend.stop()?;
        run.compare("the collector", &books.totals, &recorded, SERVED);
        Ok(books)
    }
}
