//! The service from its start to its end.

use crate::archive;
use crate::corpus::Corpus;
use crate::ingest::{Indexer, Shelf};
use crate::load::{CLIENTS, Load, Tally};
use crate::metrics::{IngestMetrics, Metrics};
use crate::options::Options;
use crate::routes::{Service, router};
use crate::signals::end_asked_for;
use crate::telemetry::{Plan, Telemetry};
use crate::totals::{Counted, grouped, in_flight, requests};
use axum::serve::ListenerExt;
use quipu::{Endpoint, MetricsRecorder, SystemCollector, ThreadCensus, WorkerManager, WorkerState};
use std::error::Error;
use std::future::{IntoFuture, pending};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

/// How long requests in flight may take at the end.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the workers may take after that, the last delivery included.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How long threads may take to end that have nothing left to do.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: i32 = 130;

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Runs the service until it is asked to end. Returns whether its counts agree with its clients'.
pub fn run(options: &Options, plan: Plan) -> Outcome<bool> {
    let threads_before = ThreadCensus::take();
    // What `archive` records, and whichever library, is in the registry with all else.
    MetricsRecorder::new().install()?;
    archive::describe_metrics();
    let metrics = Metrics::register()?;
    let ingest_metrics = IngestMetrics::register()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(8)
        .on_thread_start(|| {
            quipu::register_thread();
        })
        .build()?;
    let outcome = runtime.block_on(async {
        let running = Running::start(options, plan, metrics, ingest_metrics).await?;
        let time_is_up = async {
            running.announce(options)?;
            match options.run_for {
                Some(time) => sleep(time).await,
                None => pending().await,
            }
            io::Result::Ok(())
        };
        // The signals come first: they are watched when the service says that it runs.
        tokio::select! {
            biased;
            asked = end_asked_for() => asked?,
            ended = time_is_up => ended?,
        }
        tokio::select! {
            biased;
            asked = end_asked_for() => {
                asked?;
                std::process::exit(INTERRUPTED)
            }
            outcome = running.end() => outcome,
        }
    });
    runtime.shutdown_timeout(END_TIMEOUT);
    if let Some(before) = threads_before {
        report_left_threads(&before);
    }
    outcome
}

/// Logs which threads are there that were not before.
fn report_left_threads(before: &ThreadCensus) {
    let end = Instant::now() + END_TIMEOUT;
    let left = || ThreadCensus::take().map_or_else(Vec::new, |now| now.started_since(before));
    // The system lists a thread for a moment after it was joined.
    while !left().is_empty() && Instant::now() < end {
        std::thread::yield_now();
    }
    for thread in left() {
        log::warn!("left running: the thread {thread}");
    }
}

/// The parts of a service that serves.
struct Running {
    address: SocketAddr,
    corpus: Arc<Corpus>,
    /// Dropped to end the server.
    serving: oneshot::Sender<()>,
    server: tokio::task::JoinHandle<io::Result<()>>,
    endpoint: Endpoint,
    workers: WorkerManager,
    telemetry: Telemetry,
    load: Option<Load>,
}

impl Running {
    async fn start(
        options: &Options,
        plan: Plan,
        metrics: Metrics,
        ingest_metrics: IngestMetrics,
    ) -> Outcome<Self> {
        let listener = listen(options.listen).await?;
        let address = listener.local_addr()?;
        let corpus = Corpus::of_checkout()
            .map_err(|error| format!("cannot read the checkout that this was built in: {error}"))?;
        let corpus = Arc::new(corpus);
        let telemetry = plan.start(options.backend);
        let client = telemetry.client.clone();
        let shelf = Shelf::default();
        let (queue, indexer) = Indexer::new(shelf.clone(), ingest_metrics, Handle::current());
        let mut workers = WorkerManager::new();
        // The first is stopped last: the client delivers what the others have recorded.
        workers
            .register(client.clone())
            .register(SystemCollector::new().tokio(Handle::current()))
            .register(indexer);
        workers.start_all()?;
        let metrics = Arc::new(metrics);
        let endpoint = Endpoint::builder().client(&client).build();
        let service = Service { corpus: corpus.clone(), shelf, queue, metrics, client };

        let (serving, end) = oneshot::channel::<()>();
        let listener = listener.tap_io(|connection| {
            // It would only be slower without.
            let _ = connection.set_nodelay(true);
        });
        let app = router(service, endpoint.clone());
        let server = axum::serve(listener, app).with_graceful_shutdown(async {
            let _ = end.await;
        });
        let server = tokio::spawn(server.into_future());

        let load = options.load.then(|| Load::start(address, &corpus)).transpose()?;
        Ok(Self { address, corpus, serving, server, endpoint, workers, telemetry, load })
    }

    /// Says where the service is and what can be done with it.
    fn announce(&self, options: &Options) -> io::Result<()> {
        let Self { address, corpus, .. } = self;
        let files = grouped(corpus.files().len() as u64);
        let words = grouped(corpus.index().words().len() as u64);
        let load = if options.load {
            format!("{CLIENTS} clients of its own send them; --no-load leaves them out")
        } else {
            "none but those from outside".to_owned()
        };
        let end = match options.run_for {
            Some(time) => format!("after {} s, or with Ctrl-C", time.as_secs()),
            None => "with Ctrl-C".to_owned(),
        };
        let mut out = io::stdout().lock();
        writeln!(out, "serving   {files} files of this checkout, and an index of {words} words")?;
        writeln!(out, "requests  {load}")?;
        writeln!(out, "metrics   {}", self.telemetry.summary)?;
        writeln!(out, "page      http://{address}/observe/")?;
        writeln!(out, "try       curl http://{address}/lookup/histogram")?;
        writeln!(out, "stop      {end}")?;
        writeln!(out, "listening on http://{address}\n")?;
        out.flush()
    }

    /// Ends the parts in the order in which they feed each other, and compares the counts.
    async fn end(self) -> Outcome<bool> {
        self.endpoint.set_unready("stopping");
        writeln!(io::stdout(), "stopping; Ctrl-C ends it at once\n")?;
        let load = self.load;
        let tally = spawn_blocking(|| load.map(Load::stop)).await?;

        drop(self.serving);
        let is_drained = match timeout(DRAIN_TIMEOUT, self.server).await {
            Ok(served) => served?.map(|()| true)?,
            Err(_) => false,
        };

        let mut workers = self.workers;
        let report = spawn_blocking(move || workers.stop_all(STOP_TIMEOUT)).await?;
        for worker in report.workers {
            match worker.state {
                WorkerState::Ended | WorkerState::Stopped => {}
                state => log::warn!("{}: {state}", worker.name),
            }
        }
        log::info!("delivered: {}", self.telemetry.client.report());
        conclude(tally.as_ref(), is_drained)
    }
}

/// Says how the counts compare; returns whether they agree.
fn conclude(tally: Option<&Tally>, is_drained: bool) -> Outcome<bool> {
    let snapshot = quipu::registry().snapshot();
    let counted = Counted::read(&snapshot);
    let mut out = io::stdout().lock();
    let mut agrees = true;
    match tally {
        None if counted.is_from_outside() => writeln!(
            out,
            "nothing to compare: the service counted {}, and had no clients of its own",
            requests(counted.total())
        )?,
        _ => {
            let comparison = counted.compare(tally.unwrap_or(&Tally::default()));
            agrees = comparison.agrees();
            writeln!(out, "{comparison}")?;
        }
    }
    let in_flight = in_flight(&snapshot);
    if in_flight != 0 && is_drained {
        agrees = false;
        writeln!(out, "all requests have ended, yet {in_flight} count as in flight")?;
    } else if in_flight != 0 {
        writeln!(out, "{in_flight} in flight did not end in {} s", DRAIN_TIMEOUT.as_secs())?;
    }
    Ok(agrees)
}

async fn listen(address: SocketAddr) -> Outcome<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} of {} is in use by another program; stop that, or choose another port with \
             --listen {} (port 0 lets the system choose)",
            address.port(),
            address.ip(),
            SocketAddr::new(address.ip(), address.port().wrapping_add(1)),
        )
        .into(),
        _ => format!("cannot listen on {address}: {error}").into(),
    })
}
